// SPDX-License-Identifier: GPL-2.0-only
#include "fuzz.h"

/*
 * The target core prints a line for nearly each command that it refuses, without a
 * limit and for every fabric. A fabric could prevent these lines only by refusing
 * such commands itself, for each operation and backend. So known lines of this kind
 * do not count as a failure. All other lines do, and so do lines about commands that
 * vhost_scsi refuses itself: to a LUN that does not exist, a write to a read-only
 * LUN, a CDB that is too long.
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
	/* target_core_sbc.c */
	{ "WRITE_SAME PBDATA and LBDATA", 0 },
	{ "exceeds max_write_same_len", 0 },
	{ "WRITE_SAME exceeds last lba", 0 },
	{ "WRITE SAME with ANCHOR not supported", 0 },
	{ "WRITE SAME with NDOB not supported", 0 },
	{ "Got WRITE_SAME w/ UNMAP=1", 0 },
	{ "Detected MISCOMPARE", 0 },
	{ "Unsupported protect field", 0 },
	{ "CDB contains protect bit", 0 },
	{ "Unable to determine pi_prot_type", 0 },
	{ "with DPO bit set, but device", 0 },
	{ "with FUA bit set, but device", 0 },
	{ "WSNZ=1, WRITE_SAME w/sectors=0", 0 },
	{ "VARIABLE_LENGTH_CMD service action", 0 },
	{ "COMPARE_AND_WRITE contains NoLB", 0 },
	{ "Unsupported SA: 0x", 0 },
	{ "Got UNMAP, but backend device", 0 },
	{ "cmd exceeds last lba", 0 },
	{ "UNMAP parameter list length", 0 },
	/* target_core_spc.c */
	{ "INQUIRY with EVPD==0 but PAGE CODE", 0 },
	{ "MODE_SENSE: Invalid subpage", 0 },
	{ "MODE SENSE: unimplemented page", 0 },
	{ "REQUEST_SENSE description emulation", 0 },
	/* target_core_pr.c */
	{ "SPC-3 PR", 0 },
	{ "SPC-PR: Received PR OUT", 0 },
	{ "Unknown PERSISTENT_RESERVE", 0 },
	{ "PRIN SA ", 0 },
	{ "LongIO and Obsolete Bits set", 0 },
	{ "Received legacy SPC-2 RESERVE", 0 },
	{ "Received PERSISTENT_RESERVE CDB while legacy", 0 },
	{ "SCSI-2 RESERVATION CONFLICT", 0 },
	{ "Original reserver LUN", 0 },
	{ "Current attempt - LUN", 0 },
	{ "Illegal parameters for APTPL", 0 },
	{ "filp_open(/", 0 },
	/* target_core_alua.c */
	{ "No ALUA", 0 },
	{ "Unable to process SET_TARGET_PORT_GROUPS", 0 },
	{ "explicit ALUA", 0 },
	{ "REPORT TARGET PORT GROUPS", 0 },
	{ "SET TARGET PORT GROUPS", 0 },
	{ "Unknown MI Service Action", 0 },
	{ "ALUA access state", 0 },
	/* target_core_xcopy.c */
	{ "XCOPY", 0 },
	{ "EXTENDED_COPY", 0 },
	{ "Receive Copy Results", 0 },
	{ "Unsupported SA for receive copy", 0 },
	/* target_core_iblock.c, target_core_file.c */
	{ "WRITE_SAME: Illegal SGL", 0 },
	/* drivers/scsi/scsi_error.c: a unit attention of a passed-through device */
	{ "Mode parameters changed", 0 },
	{ "", 0 },
};
