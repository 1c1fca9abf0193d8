// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the number by which a guest names a LUN to LIO's.
 *
 * LIO searches a list of all LUNs of the initiator, for each command. The entry
 * that it would find is remembered here, in struct vhost_scsi_lun, and
 * vhost_scsi_lun_attach() does with it what transport_lookup_cmd_lun() does; what
 * that saves says Documentation/performance.rst. Only for the initiator
 * that LIO made for the nexus: its entries live as long as their LUNs are
 * linked, and have the LUNs' numbers. With an ACL made by hand, and wherever
 * something is unusual, LIO is left to search.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/rculist.h>
#include <target/target_core_backend.h>

#include "target.h"

/* The entry for a number; under RCU. */
static struct se_dev_entry *search_entry(struct se_node_acl *nacl, u64 nr)
{
	struct se_dev_entry *entry;

	hlist_for_each_entry_rcu(entry, &nacl->lun_entry_hlist, link)
		if (entry->mapped_lun == nr)
			return entry;
	return NULL;
}

/**
 * vhost_scsi_find_lun - what LIO would find, without its line in the log
 * @tpg: the TPG, with a nexus
 * @nr: the guest's number
 *
 * Return: a snapshot; the LUN may come or go at any time.
 */
struct vhost_scsi_access vhost_scsi_find_lun(struct vhost_scsi_tpg *tpg, u16 nr)
{
	struct vhost_scsi_access access = {};
	struct se_dev_entry *entry;
	const struct se_device *dev;

	rcu_read_lock();
	entry = search_entry(tpg->sess->se_node_acl, nr);
	if (entry) {
		access.found = true;
		access.acl_ro = entry->lun_access_ro;
		/* LIO asks the ACL only, and MODE SENSE also the backstore. */
		access.ro = access.acl_ro || entry->se_lun->lun_access_ro;
		dev = rcu_dereference_raw(entry->se_lun->lun_se_dev);
		access.by_device = dev->transport_flags &
				   TRANSPORT_FLAG_PASSTHROUGH;
		access.nr = entry->se_lun->unpacked_lun;
	}
	rcu_read_unlock();
	if (access.found)
		access.lun = vhost_scsi_tpg_lun(tpg, access.nr);
	return access;
}

/**
 * vhost_scsi_next_number - a number by which the guest knows a LUN
 * @tpg: the TPG
 * @lun: a LUN of it
 * @nr: the least number that is wanted; becomes the one that was found
 *
 * Return: false: there is none.
 */
bool vhost_scsi_next_number(const struct vhost_scsi_tpg *tpg,
			    const struct se_lun *lun, u64 *nr)
{
	const struct se_dev_entry *entry;
	u64 found = U64_MAX;

	rcu_read_lock();
	hlist_for_each_entry_rcu(entry, &tpg->sess->se_node_acl->lun_entry_hlist,
				 link)
		if (entry->se_lun == lun && entry->mapped_lun >= *nr)
			found = min(found, entry->mapped_lun);
	rcu_read_unlock();
	*nr = found;
	return found != U64_MAX;
}

/**
 * vhost_scsi_lun_attach - give a command its LUN
 * @lun: the command's, of @tpg
 * @se_cmd: after target_init_cmd(), which knows the nexus of @tpg
 *
 * In place of transport_lookup_cmd_lun(), for what is remembered: takes the
 * reference to the LUN that LIO drops with the command, and counts the command
 * where configfs' statistics/ shows it.
 *
 * Return: false: nothing is changed, and LIO is to be asked.
 */
bool vhost_scsi_lun_attach(struct vhost_scsi_lun *lun, struct se_cmd *se_cmd)
{
	struct se_dev_entry *entry;
	struct se_lun *se_lun;
	struct se_device *dev;

	rcu_read_lock();
	entry = rcu_dereference(lun->entry);
	/*
	 * Not dynamic any more: it was made an ACL by hand, which has entries
	 * of its own. Whoever could meet an entry that is freed then sees that
	 * first, for a grace period lies between.
	 */
	if (!entry || entry->lun_access_ro ||
	    !READ_ONCE(se_cmd->se_sess->se_node_acl->dynamic_node_acl)) {
		rcu_read_unlock();
		return false;
	}
	se_lun = entry->se_lun;
	if (!percpu_ref_tryget_live(&se_lun->lun_ref)) {
		rcu_read_unlock();
		return false;
	}
	se_cmd->pr_res_key = entry->pr_res_key;
	compat_count_entry(entry, se_cmd->data_direction, se_cmd->data_length);
	rcu_read_unlock();

	se_cmd->se_lun = se_lun;
	se_cmd->se_cmd_flags |= SCF_SE_LUN_CMD;
	se_cmd->lun_ref_active = true;
	/* The LUN keeps its device while it is referred to. */
	dev = rcu_dereference_raw(se_lun->lun_se_dev);
	se_cmd->se_dev = dev;
	compat_count_device(dev, se_cmd->data_direction, se_cmd->data_length);
	return true;
}

/**
 * vhost_scsi_tpg_map_lun - remember LIO's entry of a LUN, or that there is none
 * @tpg: with tpg->mutex held
 * @lun: the LUN
 * @nr: its number
 *
 * To be called when lun->linked has changed, and when the nexus has come or is
 * about to go. What is linked keeps its entry beyond RCU: LIO unlinks it after
 * pre_unlink(), which needs the mutex.
 */
void vhost_scsi_tpg_map_lun(struct vhost_scsi_tpg *tpg,
			    struct vhost_scsi_lun *lun, u64 nr)
{
	struct se_dev_entry *entry = NULL;

	lockdep_assert_held(&tpg->mutex);
	rcu_read_lock();
	if (tpg->sess && tpg->sess->se_node_acl->dynamic_node_acl &&
	    lun->linked)
		entry = search_entry(tpg->sess->se_node_acl, nr);
	/* What must not be written to is looked at for each command. */
	if (entry && entry->se_lun->lun_access_ro)
		entry = NULL;
	rcu_assign_pointer(lun->entry, entry);
	rcu_read_unlock();
}

/**
 * vhost_scsi_tpg_map_luns - the same for all LUNs
 * @tpg: with tpg->mutex held
 */
void vhost_scsi_tpg_map_luns(struct vhost_scsi_tpg *tpg)
{
	struct vhost_scsi_lun *lun;
	unsigned long nr;

	xa_for_each(&tpg->luns, nr, lun)
		vhost_scsi_tpg_map_lun(tpg, lun, nr);
}
