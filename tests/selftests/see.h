/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads what the module shows of its devices. */
#ifndef SEE_H
#define SEE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../lib/vsg.h"

#define SEE_DEVICES "/sys/class/misc/vhost-scsi/devices"
#define SEE_DEBUG "/sys/kernel/debug/vhost_scsi"

/* Columns of a file "stat". */
enum see_stat {
	SEE_READS,
	SEE_READ_BYTES,
	SEE_WRITES,
	SEE_WRITE_BYTES,
	SEE_OTHERS,
	SEE_IN_FLIGHT,
	SEE_HIGHEST,
	SEE_TAKEN,
	SEE_DROPPED,
	SEE_ERRORS,
	SEE_RESIDUALS,
	SEE_DEFERRED,
	SEE_BOUNCED,
	SEE_STATS,
};

/* Of a file "errors". */
enum see_error {
	SEE_OVERRUN,
	SEE_ABORTED,
	SEE_BAD_TARGET,
	SEE_RESET,
	SEE_BUSY,
	SEE_FAILURE = 8,
	SEE_CHECK_CONDITION,
	SEE_TASK_SET_FULL = 12,
	SEE_KINDS = 16,
};

/* Of a file "tmf_*". */
enum see_tmf {
	SEE_TMF_BEGUN,
	SEE_TMF_COMPLETE,
	SEE_TMF_SUCCEEDED,
	SEE_TMF_REJECTED,
	SEE_TMF_INCORRECT_LUN,
	SEE_TMF_BUSY,
	SEE_TMF_FAILED,
	SEE_TMF_DROPPED,
	SEE_TMF_PENDING,
	SEE_TMFS,
};

/* Of a file "ring". */
enum see_ring {
	SEE_SIZE,
	SEE_CHAINS,
	SEE_KICKS,
	SEE_SIGNALS,
	SEE_SPARED,
	SEE_PAID,
	SEE_UNPAID,
	SEE_SLOW,
	SEE_BROKEN,
	SEE_RINGS,
};

/*
 * The number of the device that a process has bound to a port, or -1. The files below
 * name it.
 */
long see_device(pid_t pid, const char *wwpn);

/*
 * The numbers of a line: how many there are, the first @max of them in @nr; or a
 * negative errno. The name of the file is relative to that of the device.
 */
__printf(4, 5) int see_numbers(long device, uint64_t *nr, int max,
			       const char *fmt, ...);

/* One of them, or all bits set. */
__printf(3, 4) uint64_t see_number(long device, int column, const char *fmt, ...);

/*
 * Is what was counted of each request queue without a chain under way right: commands
 * taken and ended, and chains given back? -EINVAL, and a line: no.
 */
int see_sums(const struct vsg_dev *dev);

/* Does it become @want within some time? */
__printf(5, 6) bool see_settle(long device, int column, uint64_t want,
			       int timeout_ms, const char *fmt, ...);

/* All that debugfs has in a file of a device, ended by 0; bytes or a negative errno. */
int see_debug(long device, const char *file, char *buf, size_t size);

/*
 * Waits until a line of the commands in flight has this tag, stage and holder; copies the
 * line to @line, if it is not NULL.
 */
bool see_inflight(long device, uint64_t tag, const char *stage, const char *holder,
		  char *line, size_t size, int timeout_ms);

/* Whether latencies are measured; 0 or a negative errno. */
int see_measure(bool on);

/* debugfs is there. */
bool see_have_debug(void);

#endif /* SEE_H */
