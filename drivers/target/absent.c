// SPDX-License-Identifier: GPL-2.0-only
/*
 * A LUN that is not there. SAM-5 4.7: INQUIRY, REPORT LUNS and REQUEST SENSE
 * are answered for every number, and by INQUIRY's peripheral qualifier a guest
 * that scans learns that a disk has gone. LIO answers for LUN 0 only, and logs a
 * line, unbounded, for each other.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/unaligned.h>
#include <scsi/scsi_proto.h>

#include "target.h"

enum {
	/* SPC-5 6.7.2: qualifier 011b, no type; byte 0 of INQUIRY data. */
	NO_LUN_BYTE = 0x7f,
	STANDARD_LEN = 36,
};

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
