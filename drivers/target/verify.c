// SPDX-License-Identifier: GPL-2.0-only
/*
 * VERIFY with data (BYTCHK 01b; SBC-4 5.36): the blocks of the medium are compared with
 * the guest's data-out.
 *
 * LIO compares nothing, and says that all is the same. So it is given a READ of the same
 * blocks into a bounce buffer, which is compared when the blocks are there. The guest
 * sees nothing of the bounce buffer.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <target/target_core_backend.h>

#include "target.h"

/* Of byte 1 of the CDB. DPO has the same place in a READ. */
enum {
	VRPROTECT_BYTCHK = 0xe6,
	BYTCHK_ALL = 0x02,
	DPO = 0x10,
};

/**
 * vhost_scsi_verify_end - compare what LIO has read
 * @t: of vhost_scsi_verify_begin()
 *
 * Context: process.
 * Return: what is wrong with it.
 */
sense_reason_t vhost_scsi_verify_end(struct vhost_scsi_tcmd *t)
{
	struct se_cmd *se_cmd = &t->se_cmd;
	u32 same;

	if (!t->bounce)
		return TCM_NO_SENSE;
	same = vhost_scsi_bounce_same(t, vhost_scsi_cmd(t));
	if (same == se_cmd->data_length)
		return TCM_NO_SENSE;
	se_cmd->sense_info = se_cmd->t_task_lba +
			     same / se_cmd->se_dev->dev_attrib.block_size;
	return TCM_MISCOMPARE_VERIFY;
}

/**
 * vhost_scsi_verify_begin - have what LIO reads compared
 * @t: a VERIFY that LIO has not parsed yet; not of a passed-through device
 *
 * The command has the CDB of a READ then, and its data is data-in for LIO.
 *
 * Return: is there anything to compare? If not, the command is as it was.
 */
bool vhost_scsi_verify_begin(struct vhost_scsi_tcmd *t)
{
	struct se_cmd *se_cmd = &t->se_cmd;
	u8 *cdb = se_cmd->t_task_cdb;

	if ((cdb[1] & VRPROTECT_BYTCHK) != BYTCHK_ALL ||
	    se_cmd->data_direction == DMA_FROM_DEVICE)
		return false;
	cdb[0] = cdb[0] == VERIFY ? READ_10 : READ_16;
	cdb[1] &= DPO;
	/* Without data it is for no blocks, or has too little. */
	if (se_cmd->data_direction == DMA_TO_DEVICE)
		se_cmd->data_direction = DMA_FROM_DEVICE;
	t->verifies = true;
	vhost_scsi_look_at_data(t);
	return true;
}
