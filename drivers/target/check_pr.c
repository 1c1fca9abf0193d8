// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reservations that LIO refuses, with a line in the host's log for each: see
 * check.c. What LIO must not get although it would carry it out is reservation.c's.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/unaligned.h>
#include <target/target_core_backend.h>

#include "pr.h"

/**
 * vhost_scsi_pr_own - the registration of a command's nexus
 * @se_cmd: the command
 *
 * Context: the lock of the device's registrations is held.
 * Return: the registration, or NULL.
 */
struct t10_pr_registration *vhost_scsi_pr_own(const struct se_cmd *se_cmd)
{
	struct t10_reservation *pr = &se_cmd->se_dev->t10_pr;
	struct t10_pr_registration *reg;

	list_for_each_entry(reg, &pr->registration_list, pr_reg_list)
		if (reg->pr_reg_nacl == se_cmd->se_sess->se_node_acl)
			return reg;
	return NULL;
}

/**
 * vhost_scsi_pr_out_read - read a PERSISTENT RESERVE OUT
 * @t: the command
 * @out: set
 *
 * Return: what it is refused with, for its length; or TCM_NO_SENSE.
 */
sense_reason_t vhost_scsi_pr_out_read(const struct vhost_scsi_tcmd *t,
				      struct vhost_scsi_pr_out *out)
{
	const u8 *cdb = t->se_cmd.t_task_cdb;

	out->len = vhost_scsi_check_list(t, out->list, sizeof(out->list));
	if (out->len < PROUT_LIST_LEN)
		return TCM_PARAMETER_LIST_LENGTH_ERROR;
	out->action = cdb[1] & PR_ACTION_MASK;
	out->scope = cdb[2] & 0xf0;
	out->type = cdb[2] & 0xf;
	out->key = get_unaligned_be64(&out->list[0]);
	out->action_key = get_unaligned_be64(&out->list[8]);
	out->flags = out->list[20];
	if (out->action == PROUT_REGISTER_AND_MOVE)
		return TCM_NO_SENSE;
	if (out->flags & PROUT_SPEC_I_PT)
		return TCM_INVALID_PARAMETER_LIST;
	return t->se_cmd.data_length == PROUT_LIST_LEN ?
	       TCM_NO_SENSE : TCM_PARAMETER_LIST_LENGTH_ERROR;
}

/* 2 and 4 are obsolete. */
static bool has_type(u8 type)
{
	return type && type <= 8 && type != 2 && type != 4;
}

static sense_reason_t check_register(const struct t10_pr_registration *own,
				     const struct vhost_scsi_pr_out *out)
{
	if (out->action == PROUT_REGISTER &&
	    out->key != (own ? own->pr_res_key : 0))
		return TCM_RESERVATION_CONFLICT;
	return own && own->pr_reg_all_tg_pt && !(out->flags & PROUT_ALL_TG_PT) ?
	       TCM_INVALID_CDB_FIELD : TCM_NO_SENSE;
}

static sense_reason_t check_reservation(const struct t10_pr_registration *own,
					const struct t10_pr_registration *holder,
					const struct vhost_scsi_pr_out *out)
{
	bool holds = holder && (holder == own ||
				vhost_scsi_is_all_registrants(holder));
	bool same = holder && holder->pr_res_type == out->type &&
		    holder->pr_res_scope == out->scope;

	if (out->key != own->pr_res_key)
		return TCM_RESERVATION_CONFLICT;
	/* Who does not hold it releases nothing, and that is GOOD. */
	if (out->action == PROUT_RELEASE && !holds)
		return TCM_NO_SENSE;
	if (out->action == PROUT_RESERVE && !has_type(out->type))
		return TCM_INVALID_CDB_FIELD;
	if (out->action == PROUT_RESERVE && out->scope)
		return TCM_INVALID_PARAMETER_LIST;
	return holder && !(holds && same) ? TCM_RESERVATION_CONFLICT :
					    TCM_NO_SENSE;
}

/* Does a PREEMPT take the reservation, and not only registrations? */
static bool takes_reservation(const struct t10_pr_registration *own,
			      const struct t10_pr_registration *holder,
			      const struct vhost_scsi_pr_out *out)
{
	if (!holder)
		return false;
	if (vhost_scsi_is_all_registrants(holder) &&
	    out->action_key != own->pr_res_key)
		return !out->action_key;
	return out->action_key == holder->pr_res_key;
}

static sense_reason_t check_preempt(const struct se_cmd *se_cmd,
				    const struct t10_pr_registration *own,
				    const struct vhost_scsi_pr_out *out)
{
	if (out->key != own->pr_res_key)
		return TCM_RESERVATION_CONFLICT;
	/* SPC-4 5.13.11.2.4: then scope and type are ignored. LIO 6.1 looks at them. */
	if (!takes_reservation(own, se_cmd->se_dev->dev_pr_res_holder, out)) {
		se_cmd->t_task_cdb[2] = PR_ANY_TYPE;
		return TCM_NO_SENSE;
	}
	if (!has_type(out->type))
		return TCM_INVALID_CDB_FIELD;
	return out->scope ? TCM_INVALID_PARAMETER_LIST : TCM_NO_SENSE;
}

/**
 * vhost_scsi_pr_out_check - may LIO carry out a PERSISTENT RESERVE OUT
 * @se_cmd: the command
 * @out: it
 *
 * Context: the device's locks are held.
 */
sense_reason_t vhost_scsi_pr_out_check(const struct se_cmd *se_cmd,
				       const struct vhost_scsi_pr_out *out)
{
	const struct t10_pr_registration *own = vhost_scsi_pr_own(se_cmd);

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
		return check_preempt(se_cmd, own, out);
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
 * vhost_scsi_check_pr_in - may LIO carry out a PERSISTENT RESERVE IN
 * @se_cmd: the command
 */
sense_reason_t vhost_scsi_check_pr_in(const struct se_cmd *se_cmd)
{
	const struct se_device *dev = se_cmd->se_dev;

	return !(dev->transport_flags & TRANSPORT_FLAG_PASSTHROUGH_PGR) &&
	       dev->dev_reservation_flags & DRF_SPC2_RESERVATIONS ?
	       TCM_RESERVATION_CONFLICT : TCM_NO_SENSE;
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
	own = vhost_scsi_pr_own(se_cmd);
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
