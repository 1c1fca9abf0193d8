// SPDX-License-Identifier: GPL-2.0-only
#include "fuzz.h"

/*
 * What the target core prints about commands that it refuses, where a fabric cannot
 * know better. The module prevents all other lines of this kind, so they count as a
 * failure.
 */
struct klog_known fuzz_known_lines[] = {
	/* drivers/target/target_core_transport.c: rate limited by itself */
	{ "does not match SCSI CDB Length", 0 },
	{ "Rejecting underflow/overflow for", 0 },
	{ "Rejecting overflow for", 0 },
	{ "handle_tmr caught CMD_T_ABORTED", 0 },
	{ "callbacks suppressed", 0 },
	{ "Unknown transport error for CDB", 0 },
	/* target_core_tmr.c: a line for each command that is aborted */
	{ "ABORT_TASK: Found referenced", 0 },
	{ "ABORT_TASK: Sending TMR_FUNCTION_COMPLETE", 0 },
	{ "ABORT_TASK: Sending TMR_TASK_DOES_NOT_EXIST", 0 },
	/* target_core_pr.c: no file can be written for APTPL */
	{ "filp_open(/", 0 },
	{ "SPC-3 PR: Could not update APTPL", 0 },
	{ "SPC-3 PR REGISTER_AND_MOVE", 0 },
	/* target_core_iblock.c, target_core_file.c */
	{ "WRITE_SAME: Illegal SGL", 0 },
	/* drivers/scsi/scsi_error.c: a unit attention of a passed-through device */
	{ "Mode parameters changed", 0 },
	{ "", 0 },
};
