// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracepoints of the module, what they show of a command, and how much is logged.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/unaligned.h>
#include <linux/virtio_scsi.h>
#include <scsi/scsi_common.h>
#include <scsi/scsi_proto.h>

#include "vhost-scsi.h"

/* The names that scsi:* has for them. */
#define op(name)	{ name, #name }
#define vhost_scsi_show_opcode(opcode)					\
	__print_symbolic(opcode,					\
		op(TEST_UNIT_READY), op(REQUEST_SENSE), op(FORMAT_UNIT),\
		op(READ_6), op(WRITE_6), op(INQUIRY), op(MODE_SELECT),	\
		op(RESERVE_6), op(RELEASE_6), op(MODE_SENSE),		\
		op(START_STOP), op(SEND_DIAGNOSTIC),			\
		op(ALLOW_MEDIUM_REMOVAL), op(READ_CAPACITY),		\
		op(READ_10), op(WRITE_10), op(WRITE_VERIFY), op(VERIFY),\
		op(SYNCHRONIZE_CACHE), op(WRITE_BUFFER),		\
		op(READ_BUFFER), op(WRITE_SAME), op(UNMAP),		\
		op(LOG_SENSE), op(MODE_SELECT_10), op(RESERVE_10),	\
		op(RELEASE_10), op(MODE_SENSE_10),			\
		op(PERSISTENT_RESERVE_IN), op(PERSISTENT_RESERVE_OUT),	\
		op(VARIABLE_LENGTH_CMD), op(EXTENDED_COPY),		\
		op(RECEIVE_COPY_RESULTS), op(READ_16),			\
		op(COMPARE_AND_WRITE), op(WRITE_16), op(VERIFY_16),	\
		op(SYNCHRONIZE_CACHE_16), op(WRITE_SAME_16),		\
		op(SERVICE_ACTION_IN_16), op(REPORT_LUNS),		\
		op(MAINTENANCE_IN), op(MAINTENANCE_OUT), op(READ_12),	\
		op(WRITE_12))

#define vhost_scsi_show_response(response)				\
	__print_symbolic(response,					\
		{ VIRTIO_SCSI_S_OK, "OK" },				\
		{ VIRTIO_SCSI_S_OVERRUN, "OVERRUN" },			\
		{ VIRTIO_SCSI_S_ABORTED, "ABORTED" },			\
		{ VIRTIO_SCSI_S_BAD_TARGET, "BAD_TARGET" },		\
		{ VIRTIO_SCSI_S_RESET, "RESET" },			\
		{ VIRTIO_SCSI_S_BUSY, "BUSY" },				\
		{ VIRTIO_SCSI_S_FAILURE, "FAILURE" },			\
		{ VIRTIO_SCSI_S_FUNCTION_REJECTED, "FUNCTION_REJECTED" },\
		{ VIRTIO_SCSI_S_INCORRECT_LUN, "INCORRECT_LUN" },	\
		{ VIRTIO_SCSI_S_FUNCTION_SUCCEEDED, "FUNCTION_SUCCEEDED" })

#define vhost_scsi_show_status(status)					\
	__print_symbolic(status,					\
		{ SAM_STAT_GOOD, "GOOD" },				\
		{ SAM_STAT_CHECK_CONDITION, "CHECK_CONDITION" },	\
		{ SAM_STAT_CONDITION_MET, "CONDITION_MET" },		\
		{ SAM_STAT_BUSY, "BUSY" },				\
		{ SAM_STAT_RESERVATION_CONFLICT, "RESERVATION_CONFLICT" },\
		{ SAM_STAT_TASK_SET_FULL, "TASK_SET_FULL" },		\
		{ SAM_STAT_TASK_ABORTED, "TASK_ABORTED" })

#define vhost_scsi_show_function(function)				\
	__print_symbolic(function,					\
		{ VIRTIO_SCSI_T_TMF_ABORT_TASK, "ABORT_TASK" },		\
		{ VIRTIO_SCSI_T_TMF_ABORT_TASK_SET, "ABORT_TASK_SET" },	\
		{ VIRTIO_SCSI_T_TMF_CLEAR_ACA, "CLEAR_ACA" },		\
		{ VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET, "CLEAR_TASK_SET" },	\
		{ VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET, "I_T_NEXUS_RESET" },\
		{ VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, "LUN_RESET" },	\
		{ VIRTIO_SCSI_T_TMF_QUERY_TASK, "QUERY_TASK" },		\
		{ VIRTIO_SCSI_T_TMF_QUERY_TASK_SET, "QUERY_TASK_SET" })

static void vhost_scsi_trace_place(const struct vhost_scsi_cmd *cmd, u64 *dev,
				   u32 *queue)
{
	vhost_scsi_cmd_place(cmd, dev, queue);
}

/* What READ, WRITE and their like name, else 0. Return: bytes of the CDB. */
static u8 vhost_scsi_trace_cdb(const u8 *cdb, u64 *lba, u32 *blocks)
{
	u8 len = min_t(unsigned int, scsi_command_size(cdb), VHOST_SCSI_CDB_SIZE);

	*lba = 0;
	*blocks = 0;
	switch (cdb[0]) {
	case READ_6:
	case WRITE_6:
		*lba = get_unaligned_be24(cdb + 1) & 0x1fffff;
		/* SBC-4 5.10: 0 is 256 blocks. */
		*blocks = cdb[4] ? cdb[4] : 256;
		break;
	case READ_10:
	case WRITE_10:
	case WRITE_VERIFY:
	case VERIFY:
	case WRITE_SAME:
	case SYNCHRONIZE_CACHE:
		*lba = get_unaligned_be32(cdb + 2);
		*blocks = get_unaligned_be16(cdb + 7);
		break;
	case READ_12:
	case WRITE_12:
		*lba = get_unaligned_be32(cdb + 2);
		*blocks = get_unaligned_be32(cdb + 6);
		break;
	case READ_16:
	case WRITE_16:
	case VERIFY_16:
	case WRITE_SAME_16:
	case SYNCHRONIZE_CACHE_16:
		*lba = get_unaligned_be64(cdb + 2);
		*blocks = get_unaligned_be32(cdb + 10);
		break;
	case COMPARE_AND_WRITE:
		*lba = get_unaligned_be64(cdb + 2);
		*blocks = cdb[13];
		break;
	}
	return len;
}

static void vhost_scsi_trace_sense(const struct vhost_scsi_cmd *cmd, u8 *key,
				   u8 *asc, u8 *ascq)
{
	struct scsi_sense_hdr hdr = {};

	if (!cmd->response && cmd->sense_len)
		scsi_normalize_sense(cmd->sense, cmd->sense_len, &hdr);
	*key = hdr.sense_key;
	*asc = hdr.asc;
	*ascq = hdr.ascq;
}

#define CREATE_TRACE_POINTS
#include "trace.h"

unsigned int vhost_scsi_log_level = VHOST_SCSI_LOG_FAULTS;
module_param_named(log, vhost_scsi_log_level, uint, 0644);
MODULE_PARM_DESC(log,
		 "What is logged. 0: nothing; 1: faults, the default; 2: bindings, too; 3: errors of commands, too.");
