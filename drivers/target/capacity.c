// SPDX-License-Identifier: GPL-2.0-only
/*
 * A backstore that grows or shrinks while a guest uses it (lvextend, a resized disk of
 * the host): LIO answers READ CAPACITY with the new size, and tells nobody. So the size
 * of each LUN that a device is bound to is looked at twice a second, which reads one
 * number for each LUN. If it has changed, the nexus gets the unit attention CAPACITY
 * DATA HAS CHANGED (SBC-4, 4.7), and the guest an event.
 *
 * LIO has no way for a fabric to make a unit attention of another kind than the loss of
 * a nexus. So this one is reported here, after all that LIO has for the LUN, which come
 * first by SAM-5, 5.14.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/rculist.h>
#include <target/target_core_backend.h>

#include "target.h"

/* A change is seen within a second. */
#define LOOK_DELAY	(HZ / 2)

enum {
	CAPACITY_ASC = 0x2a,
	CAPACITY_ASCQ = 0x09,
};

/**
 * vhost_scsi_blocks - how many blocks a backstore has
 * @dev: not a passed-through device
 *
 * LIO computes the number of the last block from the size of the disk below. If the disk has
 * gone, the size is 0, and the number is far too large.
 *
 * Return: the number of blocks; 0: there is no medium.
 */
u64 vhost_scsi_blocks(struct se_device *dev)
{
	u64 last = dev->transport->get_blocks(dev);

	return last < div_u64(S64_MAX, dev->dev_attrib.block_size) ? last + 1 : 0;
}

/* Those that are not backed by a medium say 0, and have none. */
static u64 blocks_of(struct se_device *dev)
{
	return dev->transport->get_blocks ? dev->transport->get_blocks(dev) : 0;
}

/* Tells the guest by its own numbers: an ACL may have others than the TPG. */
static void tell_guest(struct vhost_scsi_tpg *tpg, const struct se_lun *se_lun)
{
	u64 nr;

	for (nr = 0; vhost_scsi_next_number(tpg, se_lun, &nr); nr++)
		if (nr <= VHOST_SCSI_MAX_LUN)
			vhost_scsi_lun_event(tpg->dev, tpg->target, nr,
					     VHOST_SCSI_LUN_CAPACITY);
}

static void look_at_lun(struct vhost_scsi_tpg *tpg, struct se_lun *se_lun)
{
	struct vhost_scsi_lun *lun;
	struct se_device *dev;
	u64 blocks;

	lun = vhost_scsi_tpg_lun(tpg, se_lun->unpacked_lun);
	/* One that is about to be unlinked is not. */
	if (!lun || !lun->linked)
		return;
	dev = rcu_dereference_raw(se_lun->lun_se_dev);
	blocks = blocks_of(dev);
	/* A disk that has gone is not ready. It has no other capacity than before. */
	if (blocks == lun->last_block || !vhost_scsi_blocks(dev))
		return;
	lun->last_block = blocks;
	/* check.c remembers how many there were. */
	WRITE_ONCE(lun->blocks, 0);
	WRITE_ONCE(lun->resized, true);
	tell_guest(tpg, se_lun);
}

static void look_work(struct work_struct *work)
{
	struct vhost_scsi_tpg *tpg;
	struct se_lun *se_lun;

	tpg = container_of(work, struct vhost_scsi_tpg, capacity_work.work);
	mutex_lock(&tpg->mutex);
	if (tpg->dev) {
		mutex_lock(&tpg->tpg.tpg_lun_mutex);
		hlist_for_each_entry(se_lun, &tpg->tpg.tpg_lun_hlist, link)
			look_at_lun(tpg, se_lun);
		mutex_unlock(&tpg->tpg.tpg_lun_mutex);
		queue_delayed_work(system_power_efficient_wq, &tpg->capacity_work,
				   LOOK_DELAY);
	}
	mutex_unlock(&tpg->mutex);
}

/**
 * vhost_scsi_capacity_init - prepare the looks, once
 * @tpg: zeroed
 */
void vhost_scsi_capacity_init(struct vhost_scsi_tpg *tpg)
{
	INIT_DELAYED_WORK(&tpg->capacity_work, look_work);
}

/**
 * vhost_scsi_capacity_start - look at the sizes now, and from now on
 * @tpg: a device was just bound. The looks end by themselves when it is not any more
 */
void vhost_scsi_capacity_start(struct vhost_scsi_tpg *tpg)
{
	mod_delayed_work(system_power_efficient_wq, &tpg->capacity_work, 0);
}

/**
 * vhost_scsi_capacity_stop - do not look any more
 * @tpg: about to be freed, so that no device is or will be bound; not with
 *	 tpg->mutex held
 *
 * Context: may sleep.
 */
void vhost_scsi_capacity_stop(struct vhost_scsi_tpg *tpg)
{
	cancel_delayed_work_sync(&tpg->capacity_work);
}

/**
 * vhost_scsi_capacity_note - the size that the guest has seen, or will
 * @lun: a LUN that was just linked; with tpg->mutex held
 * @dev: its device
 */
void vhost_scsi_capacity_note(struct vhost_scsi_lun *lun, struct se_device *dev)
{
	lun->last_block = blocks_of(dev);
	WRITE_ONCE(lun->resized, false);
}

/* Has LIO a unit attention for the nexus? Those come first. */
static bool lio_has_attention(const struct vhost_scsi_tpg *tpg, u16 nr)
{
	const struct se_dev_entry *entry;
	bool found = false;

	rcu_read_lock();
	hlist_for_each_entry_rcu(entry, &tpg->sess->se_node_acl->lun_entry_hlist,
				 link)
		if (entry->mapped_lun == nr)
			found = !list_empty(&entry->ua_list);
	rcu_read_unlock();
	return found;
}

/**
 * vhost_scsi_capacity_due - is the unit attention to be reported now
 * @tpg: the TPG
 * @lun: with @lun->resized
 * @cmd: a command for it
 *
 * Return: true, and the caller owes vhost_scsi_capacity_report(); or false: the command
 * goes on.
 */
bool vhost_scsi_capacity_due(struct vhost_scsi_tpg *tpg,
			     struct vhost_scsi_lun *lun,
			     const struct vhost_scsi_cmd *cmd)
{
	/* SAM-5, 5.14.5: these do not report it. */
	if (cmd->cdb[0] == INQUIRY || cmd->cdb[0] == REPORT_LUNS ||
	    /* Would be refused instead of answered with it. */
	    (cmd->cdb[0] == REQUEST_SENSE && vhost_scsi_cdb_wants_aca(cmd->cdb)))
		return false;
	return !lio_has_attention(tpg, cmd->lun) && xchg(&lun->resized, false);
}

/**
 * vhost_scsi_capacity_report - report the unit attention
 * @tpg: the TPG
 * @cmd: the command; ends in vhost_scsi_cmd_done()
 */
void vhost_scsi_capacity_report(struct vhost_scsi_tpg *tpg, struct vhost_scsi_cmd *cmd)
{
	if (cmd->cdb[0] == REQUEST_SENSE)
		vhost_scsi_answer_sense(cmd, UNIT_ATTENTION, CAPACITY_ASC,
					CAPACITY_ASCQ);
	else
		vhost_scsi_lun_refuse(tpg, cmd, UNIT_ATTENTION, CAPACITY_ASC,
				      CAPACITY_ASCQ);
}
