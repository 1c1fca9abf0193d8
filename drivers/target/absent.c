// SPDX-License-Identifier: GPL-2.0-only
/*
 * A LUN that is not there. SAM-5 4.7: INQUIRY, REPORT LUNS and REQUEST SENSE
 * are answered for every number, and by INQUIRY's peripheral qualifier a guest
 * that scans learns that a disk has gone. LIO answers for LUN 0 only, and logs a
 * line, unbounded, for each other.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/rculist.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
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

static void answer(struct vhost_scsi_cmd *cmd, const void *data, u32 len,
		   u32 alloc)
{
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
		answer(cmd, pages, sizeof(pages), alloc);
	} else {
		/* Vendor, product and revision: none. */
		memset(&data[8], ' ', STANDARD_LEN - 8);
		answer(cmd, data, sizeof(data), alloc);
	}
}

static void request_sense(struct vhost_scsi_cmd *cmd)
{
	bool desc = cmd->cdb[1] & 1;
	u8 data[FIXED_SENSE_LEN] = {};

	scsi_build_sense_buffer(desc, data, ILLEGAL_REQUEST, 0x25, 0);
	answer(cmd, data, desc ? DESC_SENSE_LEN : FIXED_SENSE_LEN,
	       cmd->cdb[4]);
}

/* Lists up to @max LUNs of the nexus, and counts all. */
static u32 list_luns(const struct se_node_acl *nacl, u8 *list, u32 max)
{
	const struct se_dev_entry *entry;
	struct scsi_lun lun;
	u32 n = 0;

	rcu_read_lock();
	hlist_for_each_entry_rcu(entry, &nacl->lun_entry_hlist, link) {
		if (n < max) {
			int_to_scsilun(entry->mapped_lun, &lun);
			memcpy(list + n * sizeof(lun), &lun, sizeof(lun));
		}
		n++;
	}
	rcu_read_unlock();
	return n;
}

static void report_luns(struct vhost_scsi_tpg *tpg, struct vhost_scsi_cmd *cmd)
{
	const struct se_node_acl *nacl = tpg->sess->se_node_acl;
	u32 n = list_luns(nacl, NULL, 0);
	u8 *data;

	/* LUN 0 where there is none at all, as LIO has it. */
	data = kvzalloc(8 + 8 * max(n, 1U), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!data) {
		cmd->response = VIRTIO_SCSI_S_BUSY;
		vhost_scsi_cmd_done(cmd);
		return;
	}
	/* Some may have come or gone meanwhile. */
	n = max(min(n, list_luns(nacl, data + 8, n)), 1U);
	put_unaligned_be32(8 * n, data);
	answer(cmd, data, 8 + 8 * n, get_unaligned_be32(&cmd->cdb[6]));
	kvfree(data);
}

/**
 * vhost_scsi_absent_answer - answer a command for a LUN that is not there
 * @tpg: with a nexus
 * @cmd: the command; ends in vhost_scsi_cmd_done()
 *
 * Context: may sleep.
 */
void vhost_scsi_absent_answer(struct vhost_scsi_tpg *tpg,
			      struct vhost_scsi_cmd *cmd)
{
	switch (cmd->cdb[0]) {
	case INQUIRY:
		inquiry(cmd);
		break;
	case REQUEST_SENSE:
		request_sense(cmd);
		break;
	case REPORT_LUNS:
		report_luns(tpg, cmd);
		break;
	default:
		vhost_scsi_cmd_refuse(cmd, ILLEGAL_REQUEST, 0x25, 0);
	}
}
