// SPDX-License-Identifier: GPL-2.0-only
/*
 * SET TARGET PORT GROUPS (SPC-4 6.45): which states a guest may give to which ports.
 *
 * LIO lets a nexus give any state to any port of the backstore, and so take it from other
 * guests that have it:
 *
 * - Offline is of a port. LIO then refuses all commands by that port, this one, too, and
 *   has none to take it back. A guest may do that to its own port only.
 * - All other states are of a group of ports. All ports are in the same group until the
 *   administrator puts them into others. If there are ports of other port groups in it, a
 *   guest may not change its state. What it may do to a group that the administrator has
 *   made is his decision (alua_access_type).
 *
 * What LIO refuses itself it logs a line for, see check.c.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/scatterlist.h>
#include <linux/unaligned.h>
#include <target/target_core_backend.h>

#include "target.h"

enum {
	HEADER_LEN = 4,
	DESC_LEN = 4,
	STATE = 0x0f,		/* byte 0 of a descriptor */
	OFFLINE = 0xe,
	EXPLICIT_ALUA = 0x20,	/* in TPGS of INQUIRY data */
};

/* SPC-4 6.37: its bit in the supported states that REPORT TARGET PORT GROUPS tells. */
static u8 state_bit(u8 state)
{
	if (state == OFFLINE)
		return 1 << 6;
	return state <= 4 ? 1 << state : 0;
}

/* Returns the states that the guest may set; 0: it may set none. */
static u8 supported_states(const struct se_cmd *se_cmd)
{
	const struct t10_alua_tg_pt_gp *group;
	u8 supported = 0;

	rcu_read_lock();
	group = rcu_dereference(se_cmd->se_lun->lun_tg_pt_gp);
	if (group && group->tg_pt_gp_alua_access_type & EXPLICIT_ALUA)
		supported = group->tg_pt_gp_alua_supported_states;
	rcu_read_unlock();
	return supported;
}

/* Is it the group that LIO has made, with ports of other port groups in it? */
static bool is_shared(const struct se_cmd *se_cmd, u16 id)
{
	struct se_device *dev = se_cmd->se_dev;
	const struct t10_alua_tg_pt_gp *group = dev->t10_alua.default_tg_pt_gp;
	const struct se_lun *lun;
	bool shared = false;

	if (!group || group->tg_pt_gp_id != id)
		return false;
	spin_lock(&dev->se_port_lock);
	list_for_each_entry(lun, &dev->dev_sep_list, lun_dev_link)
		shared |= lun->lun_tpg != se_cmd->se_lun->lun_tpg &&
			  rcu_access_pointer(lun->lun_tg_pt_gp) == group;
	spin_unlock(&dev->se_port_lock);
	return shared;
}

/* May the nexus make the change of one descriptor? */
static bool may_change(const struct se_cmd *se_cmd, const u8 *desc, u8 supported)
{
	u8 state = desc[0] & STATE;
	u16 id = get_unaligned_be16(&desc[2]);

	if (!(state_bit(state) & supported))
		return false;
	if (state == OFFLINE)
		return id == compat_port_number(se_cmd->se_lun);
	return !is_shared(se_cmd, id);
}

/**
 * vhost_scsi_alua_check - may LIO carry out a SET TARGET PORT GROUPS
 * @t: the command; not of a passed-through device
 *
 * It is refused as a whole.
 */
sense_reason_t vhost_scsi_alua_check(struct vhost_scsi_tcmd *t)
{
	const struct se_cmd *se_cmd = &t->se_cmd;
	u8 supported, desc[DESC_LEN];
	u32 at;

	if (se_cmd->data_length < HEADER_LEN)
		return TCM_INVALID_PARAMETER_LIST;
	supported = supported_states(se_cmd);
	if (!supported)
		return TCM_UNSUPPORTED_SCSI_OPCODE;

	for (at = HEADER_LEN; at < se_cmd->data_length; at += DESC_LEN) {
		memset(desc, 0, sizeof(desc));
		/* The last may be cut; LIO has zeros there, too. */
		if (!t->bounce ||
		    !sg_pcopy_to_buffer(t->bounce, t->bounce_nents, desc,
					sizeof(desc), at) ||
		    !may_change(se_cmd, desc, supported))
			return TCM_INVALID_PARAMETER_LIST;
	}
	return TCM_NO_SENSE;
}
