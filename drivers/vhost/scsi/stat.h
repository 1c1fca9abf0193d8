/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is counted and measured of commands, functions and events.
 *
 * A command is counted once, in the struct of its queue and its LUN; that of a queue, a
 * LUN or a device is the sum. So no two queues write to the same cache line, and all
 * sums agree. What is written when a command is taken is under vq->mutex; what is
 * written when it is used is under used_lock.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_STAT_H
#define _VHOST_SCSI_STAT_H

#include <linux/dma-direction.h>
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/kobject.h>
#include <linux/llist.h>
#include <linux/virtio_scsi.h>
#include <linux/workqueue.h>

#include "vhost-scsi.h"
#include "vhost/queue/queue.h"

struct vhost_scsi_host;
struct device;
struct vhost_scsi_show;
struct vhost_scsi_shown;

/* The kinds of commands. */
enum {
	VHOST_SCSI_KIND_OUT,
	VHOST_SCSI_KIND_IN,
	VHOST_SCSI_KIND_NONE,
	VHOST_SCSI_KINDS,
};

static inline unsigned int vhost_scsi_kind(enum dma_data_direction dir)
{
	BUILD_BUG_ON(DMA_TO_DEVICE - 1 != VHOST_SCSI_KIND_OUT ||
		     DMA_FROM_DEVICE - 1 != VHOST_SCSI_KIND_IN ||
		     DMA_NONE - 1 != VHOST_SCSI_KIND_NONE);
	return dir - 1;
}

/* Responses OVERRUN to FAILURE, then SCSI statuses; see Documentation/ABI. */
#define VHOST_SCSI_ERRORS	16
/* Stages of a command that are timed. */
#define VHOST_SCSI_STAGES	4
/* Powers of two of nanoseconds, from 2^10 on, as they are shown... */
#define VHOST_SCSI_BUCKETS	28
/* ... and as they are counted: without a limit that has to be looked at. */
#define VHOST_SCSI_ALL_BUCKETS	31

/**
 * struct vhost_scsi_histogram - how long a stage of commands took
 * @sum: nanoseconds
 * @nr: of commands that took so long
 */
struct vhost_scsi_histogram {
	u64 sum;
	u64 nr[VHOST_SCSI_ALL_BUCKETS];
};

/**
 * struct vhost_scsi_times - latencies of the commands of a queue to a LUN
 * @of: by kind and stage; under used_lock
 */
struct vhost_scsi_times {
	struct vhost_scsi_histogram of[VHOST_SCSI_KINDS][VHOST_SCSI_STAGES];
};

/**
 * struct vhost_scsi_count - the commands of a queue to a LUN
 * @taken: from the ring; this and the next two are under vq->mutex
 * @highest: that were seen in flight
 * @bounced: that had a bounce buffer
 * @deferred: that a work item submitted
 * @times: latencies; NULL until they are first measured
 * @next: in vhost_scsi_counts.luns; like @key set once
 * @unshown: in vhost_scsi_host.unshown
 * @key: vhost_scsi_key(), or U32_MAX: of none
 * @kinds: those that were answered, by kind; this and what follows is under used_lock
 * @dropped: that nobody waited for any more
 * @residuals: with a residual
 * @errors: by kind of error
 */
struct vhost_scsi_count {
	u64 taken;
	u64 highest;
	u64 bounced;
	atomic64_t deferred;
	struct vhost_scsi_times *times;
	struct vhost_scsi_count *next;
	struct llist_node unshown;
	u32 key;

	struct vhost_scsi_tally kinds[VHOST_SCSI_KINDS] ____cacheline_aligned_in_smp;
	u64 dropped;
	u64 residuals;
	u64 errors[VHOST_SCSI_ERRORS];
};

#define VHOST_SCSI_COUNT_BITS	8
#define VHOST_SCSI_COUNT_LISTS	BIT(VHOST_SCSI_COUNT_BITS)

/**
 * struct vhost_scsi_counts - the commands of a queue
 * @highest: that were seen in flight; under vq->mutex
 * @slow: submissions that held up the worker; likewise
 * @luns: the LUNs that had commands, in lists that only grow, for readers without a lock
 * @none: faulty requests, and commands to LUNs that are not there
 */
struct vhost_scsi_counts {
	u64 highest;
	u64 slow;
	struct vhost_scsi_count *luns[VHOST_SCSI_COUNT_LISTS];
	struct vhost_scsi_count none;
};

static inline struct vhost_scsi_counts *
vhost_scsi_counts(const struct vhost_scsi_vq *vq)
{
	/* Acquire: for readers that hold no lock. */
	return smp_load_acquire(&vq->counts);
}

static inline u32 vhost_scsi_key(u8 target, u16 lun)
{
	return (u32)target << 16 | lun;
}

/* In which of the lists a key is. A guest may have many LUNs of a target, or many targets. */
static inline u32 vhost_scsi_key_list(u32 key)
{
	return hash_32(key, VHOST_SCSI_COUNT_BITS);
}

/**
 * struct vhost_scsi_meter - what a request notes of itself
 * @count: what it is counted in
 * @started: jiffies when it was taken
 * @taken: the same as vhost_scsi_stamp() has it, if latencies were measured then
 */
struct vhost_scsi_meter {
	struct vhost_scsi_count *count;
	u32 started;
	u32 taken;
};

/* Of the slowest commands so many are kept. */
#define VHOST_SCSI_SLOW	64

/**
 * struct vhost_scsi_slow - a command that took long
 * @ns: from ring to answer
 * @tag: the guest's
 * @queue: index of its queue
 * @bytes: of its data buffer
 * @lun: its LUN
 * @target: its target
 * @kind: VHOST_SCSI_KIND_*
 * @attr: VIRTIO_SCSI_S_SIMPLE and so on
 * @response: VIRTIO_SCSI_S_*
 * @status: SAM status
 * @cdb: its CDB
 */
struct vhost_scsi_slow {
	u64 ns;
	u64 tag;
	u32 queue;
	u32 bytes;
	u16 lun;
	u8 target;
	u8 kind;
	u8 attr;
	u8 response;
	u8 status;
	u8 cdb[VHOST_SCSI_CDB_SIZE];
};

/* What became of a task management function. */
enum vhost_scsi_tmf_end {
	VHOST_SCSI_TMFS_BEGUN,
	VHOST_SCSI_TMFS_COMPLETE,
	VHOST_SCSI_TMFS_SUCCEEDED,
	VHOST_SCSI_TMFS_REJECTED,
	VHOST_SCSI_TMFS_INCORRECT_LUN,
	VHOST_SCSI_TMFS_BUSY,
	VHOST_SCSI_TMFS_FAILED,
	VHOST_SCSI_TMFS_DROPPED,
	VHOST_SCSI_TMFS_ENDS,
};

/* VIRTIO_SCSI_T_TMF_*, and last what is none of them. */
#define VHOST_SCSI_TMFS_OTHER	(VIRTIO_SCSI_T_TMF_QUERY_TASK_SET + 1)
#define VHOST_SCSI_TMFS		(VHOST_SCSI_TMFS_OTHER + 1)

/**
 * struct vhost_scsi_stat - what is counted of a device as a whole
 * @tmfs: functions, by what they were and became
 * @events_sent: events that the guest got
 * @events_missed: events that it did not get; like @events_sent under events.lock
 * @slow_lock: protects @slow and @slow_nr; a leaf; taken in any context
 * @slow: the slowest commands, not sorted; NULL: none yet
 * @slow_nr: number of @slow
 * @slow_floor: jiffies; who took no longer need not be looked at
 */
struct vhost_scsi_stat {
	atomic64_t tmfs[VHOST_SCSI_TMFS][VHOST_SCSI_TMFS_ENDS];
	u64 events_sent;
	u64 events_missed;
	spinlock_t slow_lock;	/* see above */
	struct vhost_scsi_slow *slow;
	unsigned int slow_nr;
	u32 slow_floor;
};

/**
 * struct vhost_scsi_sums - counters of a device, a queue or a LUN
 * @nr: commands answered, by kind
 * @bytes: that these moved, by kind
 * @taken: commands taken
 * @highest: that were in flight
 * @dropped: without an answer
 * @residuals: answered with a residual
 * @deferred: submitted by a work item
 * @bounced: with a bounce buffer
 * @errors: by kind of error
 */
struct vhost_scsi_sums {
	u64 nr[VHOST_SCSI_KINDS];
	u64 bytes[VHOST_SCSI_KINDS];
	u64 taken;
	u64 highest;
	u64 dropped;
	u64 residuals;
	u64 deferred;
	u64 bounced;
	u64 errors[VHOST_SCSI_ERRORS];
};

/* stat.c */

void vhost_scsi_stat_init(struct vhost_scsi_stat *stat);
void vhost_scsi_stat_reset(struct vhost_scsi_stat *stat);
int vhost_scsi_counts_get(struct vhost_scsi_vq *vq);
void vhost_scsi_counts_free(struct vhost_scsi_vq *vq);
void vhost_scsi_count_highest(struct vhost_scsi_vq *vq,
			      struct vhost_scsi_count *count, u16 all);
struct vhost_scsi_count *vhost_scsi_count_other(struct vhost_scsi_vq *vq,
						struct vhost_scsi_count *last,
						u8 target, u16 lun);
u32 vhost_scsi_count_result(struct vhost_scsi_vq *vq,
			    struct vhost_scsi_count *count,
			    const struct vhost_scsi_cmd *cmd);
void vhost_scsi_count_slow(struct vhost_scsi_vq *vq);
void vhost_scsi_count_fail(struct vhost_scsi_vq *vq,
			   struct vhost_scsi_count *count, u8 kind, u8 response,
			   u8 status);
void vhost_scsi_count_drop(struct vhost_scsi_vq *vq,
			   struct vhost_scsi_count *count);
void vhost_scsi_count_tmf(struct vhost_scsi_dev *dev, u32 function,
			  enum vhost_scsi_tmf_end end);
void vhost_scsi_count_tmf_response(struct vhost_scsi_dev *dev, u32 function,
				   u8 response);
void vhost_scsi_sum_queue(const struct vhost_scsi_vq *vq,
			  struct vhost_scsi_sums *sums);
void vhost_scsi_sum_lun(const struct vhost_scsi_dev *dev, u32 key,
			struct vhost_scsi_sums *sums);
void vhost_scsi_times_alloc(struct vhost_scsi_count *count);
void vhost_scsi_times_add(const struct vhost_scsi_meter *meter,
			  const struct vhost_scsi_cmd *cmd);
void vhost_scsi_times_arm(bool on);
void vhost_scsi_times_clear(struct vhost_scsi_dev *dev);
void vhost_scsi_slow_add(struct vhost_scsi_vq *vq,
			 const struct vhost_scsi_meter *meter,
			 const struct vhost_scsi_cmd *cmd);
struct vhost_scsi_stat *vhost_scsi_stat(struct vhost_scsi_dev *dev);

/* show.c */

void vhost_scsi_show(struct vhost_scsi_host *host);
void vhost_scsi_hide(struct vhost_scsi_host *host);
void vhost_scsi_show_init(struct vhost_scsi_host *host);
void vhost_scsi_show_setup(struct device *chardev);
void vhost_scsi_show_cleanup(void);

/* debug.c */

struct vhost_scsi_shown *vhost_scsi_debug_show(struct vhost_scsi_host *host);
void vhost_scsi_debug_hide(struct vhost_scsi_shown *s);
void vhost_scsi_debug_setup(void);
void vhost_scsi_debug_cleanup(void);

static __always_inline struct vhost_scsi_count *
vhost_scsi_count_find(const struct vhost_scsi_counts *counts, u32 key)
{
	struct vhost_scsi_count *count;

	/* Pairs with count_new(). */
	count = smp_load_acquire(&counts->luns[vhost_scsi_key_list(key)]);
	while (count && count->key != key)
		count = count->next;
	return count;
}

/**
 * vhost_scsi_count_seen - remember how many commands are in flight, if it is most so far
 * @vq: the queue
 * @count: of the LUN
 *
 * Context: the worker, @vq->mutex is held.
 */
static __always_inline void vhost_scsi_count_seen(struct vhost_scsi_vq *vq,
						  struct vhost_scsi_count *count)
{
	u16 all = vq->ring.last_avail - READ_ONCE(vq->ring.used_idx);

	/* Those of the LUN are some of those of the queue. */
	if (unlikely(all > count->highest))
		vhost_scsi_count_highest(vq, count, all);
}

/**
 * vhost_scsi_count_begin - count a command, and find its struct
 * @vq: its queue
 * @last: the struct of the command before it, and then of this one
 * @target: its target, which the endpoint has
 * @lun: its LUN
 *
 * Context: the worker, @vq->mutex is held; may sleep.
 * Return: the struct, which stays until the device has no owner any more.
 */
static __always_inline struct vhost_scsi_count *
vhost_scsi_count_begin(struct vhost_scsi_vq *vq, struct vhost_scsi_count **last,
		       u8 target, u16 lun)
{
	struct vhost_scsi_count *count = *last;

	if (unlikely(count->key != vhost_scsi_key(target, lun))) {
		count = vhost_scsi_count_other(vq, count, target, lun);
		*last = count;
	}
	count->taken++;
	return count;
}

/* The request has a slot, which is to remember what it is counted in, and since when. */
static __always_inline void
vhost_scsi_meter_start(struct vhost_scsi_meter *meter,
		       struct vhost_scsi_count *count,
		       struct vhost_scsi_cmd *cmd)
{
	meter->count = count;
	meter->started = jiffies;
	if (static_branch_unlikely(&vhost_scsi_timing)) {
		if (!count->times)
			vhost_scsi_times_alloc(count);
		meter->taken = vhost_scsi_stamp_now();
		cmd->submitted = 0;
		cmd->completed = 0;
	}
}

/**
 * vhost_scsi_count_end - a command is about to be used
 * @vq: its queue
 * @meter: what it noted
 * @cmd: with its result
 *
 * Context: any.
 * Return: bytes that it has moved.
 */
static __always_inline u32
vhost_scsi_count_end(struct vhost_scsi_vq *vq,
		     const struct vhost_scsi_meter *meter,
		     const struct vhost_scsi_cmd *cmd)
{
	u32 moved = cmd->data_len;

	if (unlikely(cmd->response | cmd->status | cmd->resid))
		moved = vhost_scsi_count_result(vq, meter->count, cmd);
	if (unlikely((u32)jiffies - meter->started > 1))
		vhost_scsi_slow_add(vq, meter, cmd);
	return moved;
}

#endif /* _VHOST_SCSI_STAT_H */
