// SPDX-License-Identifier: GPL-2.0-only
/*
 * A LUN that is not there. SAM-5 4.7: INQUIRY, REPORT LUNS and REQUEST SENSE
 * are answered for every number, and by INQUIRY's peripheral qualifier a guest
 * that scans learns that a disk has gone. LIO answers for LUN 0 only, and logs a
 * line, unbounded, for each other.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/scatterlist.h>
#include <linux/unaligned.h>
#include <linux/virtio_scsi.h>
#include <scsi/scsi_common.h>

#include "target.h"

enum {
	/* SPC-5 6.7.2: qualifier 011b, no type; byte 0 of INQUIRY data. */
	NO_LUN_BYTE = 0x7f,
	STANDARD_LEN = 36,
	FIXED_SENSE_LEN = 18,
	DESC_SENSE_LEN = 8,
};

/**
 * vhost_scsi_answer - answer a command with data that LIO was not asked for
 * @cmd: the command; ends in vhost_scsi_cmd_done()
 * @data: may be NULL if @len is 0
 * @len: bytes of it
 * @alloc: the CDB's allocation length
 *
 * If the CDB asks for what no LUN has, the command is refused instead.
 */
void vhost_scsi_answer(struct vhost_scsi_cmd *cmd, const void *data, u32 len,
		       u32 alloc)
{
	if (vhost_scsi_cdb_wants_aca(cmd->cdb)) {
		vhost_scsi_cmd_refuse(cmd, ILLEGAL_REQUEST, 0x24, 0);
		return;
	}
	cmd->response = VIRTIO_SCSI_S_OK;
	cmd->status = SAM_STAT_GOOD;
	cmd->sense_len = 0;
	cmd->resid = cmd->data_len;
	/* What every other LUN says. */
	if (alloc > cmd->data_len || cmd->dir == DMA_TO_DEVICE)
		cmd->response = VIRTIO_SCSI_S_OVERRUN;
	else if (alloc)
		cmd->resid -= sg_copy_from_buffer(cmd->sgl, cmd->sgl_nents,
						  data, min(len, alloc));
	vhost_scsi_cmd_done(cmd);
}

static void inquiry(struct vhost_scsi_cmd *cmd)
{
	u32 alloc = get_unaligned_be16(&cmd->cdb[3]);
	/* SPC-5; response data format 2. */
	u8 data[STANDARD_LEN] = { NO_LUN_BYTE, 0, 7, 2, STANDARD_LEN - 5 };
	/* The list of VPD pages, with itself alone. */
	static const u8 pages[5] = { NO_LUN_BYTE, 0, 0, 1, 0 };

	if (cmd->cdb[2]) {
		vhost_scsi_cmd_refuse(cmd, ILLEGAL_REQUEST, 0x24, 0);
	} else if (cmd->cdb[1] & 1) {
		vhost_scsi_answer(cmd, pages, sizeof(pages), alloc);
	} else {
		/* Vendor, product and revision: none. */
		memset(&data[8], ' ', STANDARD_LEN - 8);
		vhost_scsi_answer(cmd, data, sizeof(data), alloc);
	}
}

/**
 * vhost_scsi_answer_sense - answer a REQUEST SENSE
 * @cmd: the command; ends in vhost_scsi_cmd_done()
 * @key: sense key
 * @asc: additional sense code
 * @ascq: and its qualifier
 */
void vhost_scsi_answer_sense(struct vhost_scsi_cmd *cmd, u8 key, u8 asc, u8 ascq)
{
	bool desc = cmd->cdb[1] & 1;
	u8 data[FIXED_SENSE_LEN] = {};

	scsi_build_sense_buffer(desc, data, key, asc, ascq);
	vhost_scsi_answer(cmd, data, desc ? DESC_SENSE_LEN : FIXED_SENSE_LEN,
			  cmd->cdb[4]);
}

/**
 * vhost_scsi_absent_answer - answer a command for a LUN that is not there
 * @ep: the endpoint
 * @tpg: of it
 * @cmd: the command; ends in vhost_scsi_cmd_done()
 *
 * Context: may sleep.
 */
void vhost_scsi_absent_answer(const struct vhost_scsi_endpoint *ep,
			      const struct vhost_scsi_tpg *tpg,
			      struct vhost_scsi_cmd *cmd)
{
	switch (cmd->cdb[0]) {
	case INQUIRY:
		inquiry(cmd);
		break;
	case REQUEST_SENSE:
		vhost_scsi_answer_sense(cmd, ILLEGAL_REQUEST, 0x25, 0);
		break;
	case REPORT_LUNS:
		vhost_scsi_report_luns(ep, tpg, cmd);
		break;
	default:
		vhost_scsi_cmd_refuse(cmd, ILLEGAL_REQUEST, 0x25, 0);
	}
}
