// SPDX-License-Identifier: GPL-2.0-only
/*
 * WRITE with FUA (SBC-4): the blocks are on the medium when it is answered. LIO says of
 * each disk with a volatile cache that it can do that. Its iblock asks the disk for it, but
 * ignores it if the disk has no FUA: most SATA disks, loop devices, and what is made of them.
 * A fabric cannot find out which disks have it. So the command is carried out without, and
 * the cache is flushed before it is answered, as the block layer does it for such disks.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <target/target_core_backend.h>

#include "target.h"

enum {
	FUA = 0x08,
	/* To LIO's SYNCHRONIZE CACHE this bit is IMMED. */
	FUA_NV = 0x02,
};

static void flush_after(struct work_struct *work)
{
	struct vhost_scsi_tcmd *t = container_of(work, struct vhost_scsi_tcmd, finish);
	struct se_cmd *se_cmd = &t->se_cmd;
	const struct exec_cmd_ops *ops = se_cmd->protocol_data;

	se_cmd->transport_complete_callback = NULL;
	/* LIO logs a line if it fails, and says so. */
	if (ops->execute_sync_cache(se_cmd))
		target_complete_cmd(se_cmd, SAM_STAT_CHECK_CONDITION);
}

/* LIO calls this when the blocks are written, and also when the command has ended without. */
static sense_reason_t complete_write(struct se_cmd *se_cmd, bool success, int *post_ret)
{
	struct vhost_scsi_tcmd *t = container_of(se_cmd, struct vhost_scsi_tcmd, se_cmd);

	*post_ret = 1;
	if (!success || se_cmd->scsi_status)
		return TCM_NO_SENSE;
	/* LIO leaves the command alone until it is completed again, as with COMPARE AND WRITE. */
	*post_ret = 0;
	INIT_WORK(&t->finish, flush_after);
	/* The submission of a flush may sleep. */
	queue_work(t->lun->tpg->submit_wq, &t->finish);
	return TCM_NO_SENSE;
}

/**
 * vhost_scsi_force_begin - have the blocks of a WRITE forced to the medium, if it wants that
 * @t: a READ or WRITE that LIO has not parsed yet; not of a passed-through device
 *
 * The others of LIO's backends do it.
 */
void vhost_scsi_force_begin(struct vhost_scsi_tcmd *t)
{
	struct se_cmd *se_cmd = &t->se_cmd;
	u8 *cdb = se_cmd->t_task_cdb;

	if (!(cdb[1] & FUA) || vhost_scsi_cdb_is_in(cdb) ||
	    strcmp(se_cmd->se_dev->transport->name, "iblock"))
		return;
	cdb[1] &= ~(FUA | FUA_NV);
	se_cmd->transport_complete_callback = complete_write;
}
