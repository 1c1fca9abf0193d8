/* SPDX-License-Identifier: GPL-2.0-only */
/* Makes a call fail at each place where it can fail, one after the other. */
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>

#include "inject.h"

#define FAULT_STORES \
	"ramdisk ram 16; ramdisk hot 16\n" \
	"tpg " WWN_A " 1; lun " WWN_A " 1 0 ram"
/* One that no LUN has. */
#define FAULT_HOT LIO_ROOT "/core/rd_mcp_" LIO_HBA "/hot"

/**
 * struct step - a call that faults are injected into, one after another
 * @name: for messages
 * @prepare: before each call, or NULL
 * @call: 0 or a negative errno
 * @check: what there is to see after it, when it did its work and when not, or
 *	NULL
 * @undo: back to before the call
 * @also: an errno that it may end with, beside those of all
 */
struct step {
	const char *name;
	void (*prepare)(void *ctx);
	int (*call)(void *ctx);
	void (*check)(void *ctx, bool done);
	void (*undo)(void *ctx);
	int also;
};

/**
 * walk_by() - make a call fail, again and again
 * @step: the call
 * @ctx: its argument
 * @nth: the tasks that faults are injected into; walk(): the caller
 *
 * The first chance for a fault becomes one, then the second, and so on, until the call ends
 * before its turn.  Not every fault makes the call fail: some allocations are only wishes.
 * After each that did, what @step has to say of it holds, and the call succeeds.
 */
void walk_by(const struct step *step, void *ctx, const struct nth *nth);
void walk(const struct step *step, void *ctx);

#endif /* FAULT_H */
