// SPDX-License-Identifier: GPL-2.0-only
/*
 * The look-up of a LUN: from the guest's number to LIO's entry.
 *
 * For each command LIO searches a list of all LUNs of the initiator. This file remembers
 * the entry that LIO would find in struct vhost_scsi_lun. vhost_scsi_lun_attach() then
 * does what transport_lookup_cmd_lun() does, without the search.
 * Documentation/performance.rst says what that saves. Entries are remembered only for the
 * dynamic ACL that LIO made for the nexus: they have the numbers of the LUNs, and live as
 * long as the LUNs are linked. With an ACL made by hand, and for write-protected LUNs, the
 * list is searched.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/rculist.h>
#include <target/target_core_backend.h>

#include "target.h"

/* Returns LIO's entry for a number. The caller holds the RCU read lock. */
static struct se_dev_entry *search_entry(struct se_node_acl *nacl, u64 nr)
{
	struct se_dev_entry *entry;

	hlist_for_each_entry_rcu(entry, &nacl->lun_entry_hlist, link)
		if (entry->mapped_lun == nr)
			return entry;
	return NULL;
}

/**
 * vhost_scsi_has_desc_sense - has LIO's sense data descriptor format
 * @dev: of this device
 *
 * MODE SENSE says so, too: D_SENSE of the Control mode page.
 */
bool vhost_scsi_has_desc_sense(struct se_device *dev)
{
	return dev->transport->get_blocks(dev) > U32_MAX;
}

/**
 * vhost_scsi_lun_has_desc_sense - the same, of a LUN
 * @tpg: the TPG, with a nexus
 * @nr: the guest's number
 *
 * Return: false, too, if it is not there.
 */
bool vhost_scsi_lun_has_desc_sense(const struct vhost_scsi_tpg *tpg, u16 nr)
{
	const struct se_dev_entry *entry;
	bool desc = false;

	rcu_read_lock();
	entry = search_entry(tpg->sess->se_node_acl, nr);
	if (entry)
		desc = vhost_scsi_has_desc_sense(rcu_dereference_raw(entry->se_lun->lun_se_dev));
	rcu_read_unlock();
	return desc;
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

/*
 * LIO itself checks the ACL only; its MODE SENSE looks at the backstore, too. A device that is
 * passed through may have commands of its own that write without data-out.
 */
static bool is_protected(const struct se_dev_entry *entry,
			 const struct vhost_scsi_cmd *cmd)
{
	const struct se_device *dev = rcu_dereference_raw(entry->se_lun->lun_se_dev);

	if (entry->lun_access_ro && cmd->dir == DMA_TO_DEVICE)
		return true;
	return (entry->lun_access_ro || entry->se_lun->lun_access_ro) &&
	       !vhost_scsi_cdb_is_harmless(cmd->cdb, dev->transport_flags &
						     TRANSPORT_FLAG_PASSTHROUGH);
}

/*
 * The remembered entry. The ACL is not dynamic any more when an ACL was made by hand for
 * the same initiator. That has entries of its own, and LIO frees the old ones. LIO clears
 * dynamic_node_acl a grace period before it frees an entry, so a reader that could find a
 * freed entry sees the cleared flag.
 */
static __always_inline struct se_dev_entry *
known_entry(const struct se_node_acl *nacl, const struct vhost_scsi_lun *lun)
{
	struct se_dev_entry *entry = lun ? rcu_dereference(lun->entry) : NULL;

	return entry && READ_ONCE(nacl->dynamic_node_acl) ? entry : NULL;
}

/**
 * vhost_scsi_lun_known - find the LUN of a number, if its entry is remembered
 * @tpg: the TPG, with a nexus
 * @nr: the guest's number
 *
 * Return: the struct, or NULL. The number may get another LUN at any time.
 */
struct vhost_scsi_lun *vhost_scsi_lun_known(struct vhost_scsi_tpg *tpg, u16 nr)
{
	struct vhost_scsi_lun *lun = vhost_scsi_tpg_lun(tpg, nr);
	bool known;

	rcu_read_lock();
	known = known_entry(tpg->sess->se_node_acl, lun);
	rcu_read_unlock();
	return known ? lun : NULL;
}

/**
 * vhost_scsi_lun_attach - find the LUN of a command, and attach the command to it
 * @tpg: the TPG, with a nexus
 * @cmd: the command; its se_cmd is zeroed
 *
 * This replaces transport_lookup_cmd_lun(), which logs a line, unbounded, for a LUN that is
 * not there or is write-protected, and lets the guest write to a backstore that is. It takes
 * the reference to the LUN that LIO drops with the command, and counts the command for the
 * statistics in configfs. The write protection is that of the entry that the command is
 * attached to, because the number may get another LUN at any time.
 *
 * Return: VHOST_SCSI_LUN_FOUND; otherwise nothing has changed.
 */
enum vhost_scsi_found vhost_scsi_lun_attach(struct vhost_scsi_tpg *tpg,
					    struct vhost_scsi_cmd *cmd)
{
	struct se_node_acl *nacl = tpg->sess->se_node_acl;
	struct vhost_scsi_tcmd *t = vhost_scsi_tcmd(cmd);
	struct se_cmd *se_cmd = &t->se_cmd;
	struct se_dev_entry *entry;
	struct vhost_scsi_lun *lun;
	struct se_lun *se_lun;
	struct se_device *dev;

	lun = vhost_scsi_tpg_lun(tpg, cmd->lun);
	rcu_read_lock();
	entry = known_entry(nacl, lun);
	if (unlikely(!entry)) {
		entry = cmd->lun > VHOST_SCSI_MAX_LUN ? NULL :
							search_entry(nacl, cmd->lun);
		if (!entry) {
			rcu_read_unlock();
			return VHOST_SCSI_LUN_ABSENT;
		}
		if (is_protected(entry, cmd)) {
			rcu_read_unlock();
			return VHOST_SCSI_LUN_PROTECTED;
		}
		lun = vhost_scsi_tpg_lun(tpg, entry->se_lun->unpacked_lun);
		/* Until vhost_scsi_tpg_add_lun(), the struct describes the last backstore. */
		if (lun && READ_ONCE(lun->dev) !=
			   rcu_dereference_raw(entry->se_lun->lun_se_dev))
			lun = NULL;
	}
	se_lun = entry->se_lun;
	if (!percpu_ref_tryget_live(&se_lun->lun_ref)) {
		rcu_read_unlock();
		return VHOST_SCSI_LUN_ABSENT;
	}
	se_cmd->pr_res_key = entry->pr_res_key;
	compat_count_entry(entry, cmd->dir, cmd->data_len);
	rcu_read_unlock();

	t->lun = likely(lun) ? lun : &tpg->any_lun;
	se_cmd->se_lun = se_lun;
	se_cmd->se_cmd_flags |= SCF_SE_LUN_CMD;
	se_cmd->lun_ref_active = true;
	/* The LUN keeps its device as long as there is a reference to the LUN. */
	dev = rcu_dereference_raw(se_lun->lun_se_dev);
	se_cmd->se_dev = dev;
	compat_count_device(dev, cmd->dir, cmd->data_len);
	return VHOST_SCSI_LUN_FOUND;
}

/**
 * vhost_scsi_lun_detach - undo vhost_scsi_lun_attach()
 * @t: attached; LIO does not get the command
 */
void vhost_scsi_lun_detach(struct vhost_scsi_tcmd *t)
{
	t->se_cmd.lun_ref_active = false;
	percpu_ref_put(&t->se_cmd.se_lun->lun_ref);
	t->lun = NULL;
}

/**
 * vhost_scsi_tpg_map_lun - remember LIO's entry of a LUN, or that there is none
 * @tpg: with tpg->mutex held
 * @lun: the LUN
 * @nr: its number
 *
 * Call this when lun->linked has changed, when the nexus was made, and before it is
 * removed. tpg->mutex keeps the entry of a linked LUN: LIO frees the entry after it has
 * called pre_unlink(), which takes the mutex.
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
 * vhost_scsi_tpg_map_luns - call vhost_scsi_tpg_map_lun() for all LUNs of a TPG
 * @tpg: with tpg->mutex held
 */
void vhost_scsi_tpg_map_luns(struct vhost_scsi_tpg *tpg)
{
	struct vhost_scsi_lun *lun;
	unsigned long nr;

	xa_for_each(&tpg->luns, nr, lun)
		vhost_scsi_tpg_map_lun(tpg, lun, nr);
}

/**
 * vhost_scsi_target_has_lun - does the guest have this LUN
 * @ep: the endpoint
 * @target: a target of the endpoint
 * @lun: the LUN
 *
 * Context: any.
 */
bool vhost_scsi_target_has_lun(const struct vhost_scsi_endpoint *ep, u8 target,
			       u16 lun)
{
	bool found;

	rcu_read_lock();
	/* A well known one has no command for long, but is there. */
	found = lun > VHOST_SCSI_MAX_LUN ||
		search_entry(ep->tpgs[target]->sess->se_node_acl, lun);
	rcu_read_unlock();
	return found;
}
