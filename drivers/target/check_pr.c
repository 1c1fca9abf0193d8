// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reservations that LIO refuses, with a line in the host's log for each: see
 * check.c. What LIO must not get although it would carry it out is reservation.c's.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/unaligned.h>
#include <target/target_core_backend.h>

#include "target.h"

/* SPC-4, 6.15 and 6.16. */
enum {
	PROUT_REGISTER = 0,
	PROUT_RESERVE = 1,
	PROUT_RELEASE = 2,
	PROUT_CLEAR = 3,
	PROUT_PREEMPT = 4,
	PROUT_PREEMPT_AND_ABORT = 5,
	PROUT_REGISTER_AND_IGNORE = 6,
	PROUT_REGISTER_AND_MOVE = 7,

	PROUT_LIST_LEN = 24,
	PROUT_SPEC_I_PT = 1 << 3,	/* byte 20 */
	PROUT_ALL_TG_PT = 1 << 2,

	PRIN_LIST_LEN = 8,
};

/**
 * struct out - a PERSISTENT RESERVE OUT
 * @action: service action
 * @scope: as in the CDB, in the upper half of the byte
 * @type: of a reservation
 * @key: reservation key
 * @action_key: service action reservation key
 * @all_ports: ALL_TG_PT
 */
struct out {
	u8 action;
	u8 scope;
	u8 type;
	u64 key;
	u64 action_key;
	bool all_ports;
};

/* The nexus's; under its lock. */
static const struct t10_pr_registration *
own_registration(const struct se_cmd *se_cmd)
{
	const struct t10_pr_registration *reg;

	list_for_each_entry(reg, &se_cmd->se_dev->t10_pr.registration_list,
			    pr_reg_list)
		if (reg->pr_reg_nacl == se_cmd->se_sess->se_node_acl)
			return reg;
	return NULL;
}

static bool is_all_registrants(u8 type)
{
	return type == 7 || type == 8;
}

/* 2 and 4 are obsolete. */
static bool has_type(u8 type)
{
	return type && type <= 8 && type != 2 && type != 4;
}

static sense_reason_t check_register(const struct t10_pr_registration *own,
				     const struct out *out)
{
	if (out->action == PROUT_REGISTER &&
	    out->key != (own ? own->pr_res_key : 0))
		return TCM_RESERVATION_CONFLICT;
	return own && own->pr_reg_all_tg_pt && !out->all_ports ?
	       TCM_INVALID_CDB_FIELD : TCM_NO_SENSE;
}

static sense_reason_t check_reservation(const struct t10_pr_registration *own,
					const struct t10_pr_registration *holder,
					const struct out *out)
{
	bool holds = holder && (holder == own ||
				is_all_registrants(holder->pr_res_type));
	bool same = holder && holder->pr_res_type == out->type &&
		    holder->pr_res_scope == out->scope;

	/* Who does not hold it releases nothing, and that is GOOD. */
	if (out->action == PROUT_RELEASE && !holds)
		return TCM_NO_SENSE;
	if (out->key != own->pr_res_key)
		return TCM_RESERVATION_CONFLICT;
	if (out->action == PROUT_RESERVE && !has_type(out->type))
		return TCM_INVALID_CDB_FIELD;
	if (out->action == PROUT_RESERVE && out->scope)
		return TCM_INVALID_PARAMETER_LIST;
	return holder && !(holds && same) ? TCM_RESERVATION_CONFLICT :
					    TCM_NO_SENSE;
}

/* Under the device's locks. */
static sense_reason_t check_out(const struct se_cmd *se_cmd,
				const struct out *out)
{
	const struct t10_pr_registration *own = own_registration(se_cmd);

	if (out->action == PROUT_REGISTER ||
	    out->action == PROUT_REGISTER_AND_IGNORE)
		return check_register(own, out);
	/* SPC-4 5.13.11, table 68. */
	if (!own)
		return TCM_RESERVATION_CONFLICT;

	switch (out->action) {
	case PROUT_RESERVE:
	case PROUT_RELEASE:
		return check_reservation(own, se_cmd->se_dev->dev_pr_res_holder,
					 out);
	case PROUT_PREEMPT:
	case PROUT_PREEMPT_AND_ABORT:
		if (out->key != own->pr_res_key)
			return TCM_RESERVATION_CONFLICT;
		if (!has_type(out->type))
			return TCM_INVALID_CDB_FIELD;
		return out->scope ? TCM_INVALID_PARAMETER_LIST : TCM_NO_SENSE;
	case PROUT_REGISTER_AND_MOVE:
		if (out->key == own->pr_res_key && !out->action_key)
			return TCM_INVALID_PARAMETER_LIST;
		fallthrough;
	default:
		return out->key == own->pr_res_key ? TCM_NO_SENSE :
						     TCM_RESERVATION_CONFLICT;
	}
}

/**
 * vhost_scsi_check_pr_out - may LIO carry out a PERSISTENT RESERVE OUT
 * @t: the command
 */
sense_reason_t vhost_scsi_check_pr_out(const struct vhost_scsi_tcmd *t)
{
	const struct se_cmd *se_cmd = &t->se_cmd;
	struct se_device *dev = se_cmd->se_dev;
	const u8 *cdb = se_cmd->t_task_cdb;
	u8 list[PROUT_LIST_LEN];
	sense_reason_t reason;
	struct out out = {
		.action = cdb[1] & 0x1f,
		.scope = cdb[2] & 0xf0,
		.type = cdb[2] & 0xf,
	};

	if (dev->transport_flags & TRANSPORT_FLAG_PASSTHROUGH_PGR)
		return TCM_NO_SENSE;
	/* SPC-2 5.5.1 */
	if (dev->dev_reservation_flags & DRF_SPC2_RESERVATIONS)
		return TCM_RESERVATION_CONFLICT;
	if (vhost_scsi_check_list(t, list, sizeof(list)) < sizeof(list))
		return TCM_PARAMETER_LIST_LENGTH_ERROR;
	out.key = get_unaligned_be64(&list[0]);
	out.action_key = get_unaligned_be64(&list[8]);
	out.all_ports = list[20] & PROUT_ALL_TG_PT;
	if (out.action != PROUT_REGISTER_AND_MOVE) {
		if (list[20] & PROUT_SPEC_I_PT)
			return TCM_INVALID_PARAMETER_LIST;
		if (se_cmd->data_length != sizeof(list))
			return TCM_PARAMETER_LIST_LENGTH_ERROR;
	}

	spin_lock(&dev->dev_reservation_lock);
	spin_lock(&dev->t10_pr.registration_lock);
	reason = check_out(se_cmd, &out);
	spin_unlock(&dev->t10_pr.registration_lock);
	spin_unlock(&dev->dev_reservation_lock);
	return reason;
}

/**
 * vhost_scsi_check_pr_in - may LIO carry out a PERSISTENT RESERVE IN
 * @se_cmd: the command
 */
sense_reason_t vhost_scsi_check_pr_in(const struct se_cmd *se_cmd)
{
	struct se_device *dev = se_cmd->se_dev;

	if (!(dev->transport_flags & TRANSPORT_FLAG_PASSTHROUGH_PGR) &&
	    dev->dev_reservation_flags & DRF_SPC2_RESERVATIONS)
		return TCM_RESERVATION_CONFLICT;
	return se_cmd->data_length < PRIN_LIST_LEN ? TCM_INVALID_CDB_FIELD :
						     TCM_NO_SENSE;
}

/*
 * SPC-4 5.13.9: where somebody is registered RESERVE and RELEASE conflict, and
 * do nothing for who has the persistent reservation.
 */
static bool conflicts_with_registrations(const struct se_cmd *se_cmd)
{
	struct t10_reservation *pr = &se_cmd->se_dev->t10_pr;
	const struct t10_pr_registration *own;
	bool conflict;

	spin_lock(&pr->registration_lock);
	own = own_registration(se_cmd);
	/* Types above 4: of registrants. */
	conflict = !list_empty(&pr->registration_list) &&
		   !(own && (own->pr_res_holder || own->pr_res_type > 4));
	spin_unlock(&pr->registration_lock);
	return conflict;
}

/**
 * vhost_scsi_check_reserve - may LIO carry out an SPC-2 RESERVE or RELEASE
 * @se_cmd: the command
 * @reserve: or release
 */
sense_reason_t vhost_scsi_check_reserve(const struct se_cmd *se_cmd,
					bool reserve)
{
	struct se_device *dev = se_cmd->se_dev;
	bool conflict = conflicts_with_registrations(se_cmd);

	/* LONGID and THIRDPTY. */
	if (reserve && (se_cmd->t_task_cdb[1] & 3) == 3)
		return TCM_UNSUPPORTED_SCSI_OPCODE;

	spin_lock(&dev->dev_reservation_lock);
	if (reserve && dev->reservation_holder)
		conflict |= dev->reservation_holder->se_node_acl !=
			    se_cmd->se_sess->se_node_acl;
	spin_unlock(&dev->dev_reservation_lock);
	return conflict ? TCM_RESERVATION_CONFLICT : TCM_NO_SENSE;
}
