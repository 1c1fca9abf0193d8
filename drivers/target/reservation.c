// SPDX-License-Identifier: GPL-2.0-only
/*
 * Persistent reservations: what LIO, which carries them out, must not be asked,
 * and what it answers otherwise than SPC-4 wants.
 *
 * All of it runs in the command's turn (turn.c), after LIO's own checks. LIO, of
 * 6.1 to 7.3, has these faults:
 *
 * - PREEMPT of a key that the nexus itself has, and no holder: the nexus's
 *   registration is freed, and used. Refused.
 * - PREEMPT of all registrants (key 0), or of the one who reserved, by another
 *   of them: the reservation's registration is freed, and used, or the
 *   reservation gets another type. All registrants hold it: the nexus is made
 *   the one that LIO takes for the holder.
 * - REGISTER with SPEC_I_PT that fails: a reference to the LUN is not given
 *   back, and who removes the LUN waits for ever. Refused.
 * - REGISTER AND MOVE to a nexus that is not registered: a reference to its LUN
 *   is given back twice. Refused; to one that is registered it is right. And
 *   it reads a TransportID that is not there.
 * - What reserves, releases, clears or moves on a nexus that is not registered
 *   is NOT READY, and a release with a wrong key GOOD if the nexus holds nothing.
 *   These are a RESERVATION CONFLICT (SPC-4, 5.13.9 and table 68).
 * - REGISTER whose APTPL file cannot be written fails, and the nexus is
 *   registered. Undone. And a line in the host's log for each: after two of them the next
 *   ones fail at once, for a while.
 * - Where the disk below iblock has the reservations (pgr_support of 0, since 6.2), a
 *   line in the host's log for each command that it lacks, and for each REGISTER
 *   without APTPL. What it lacks is asked for once.
 * - A registration that is removed by REGISTER does not count in PRGENERATION
 *   (SPC-4, 6.15.2).
 * - PREEMPT AND ABORT: see fence.c. READ FULL STATUS: see fullstatus.c.
 *
 * Other fabrics' commands are not seen here.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/scatterlist.h>
#include <linux/unaligned.h>
#include <scsi/scsi_common.h>
#include <target/target_core_backend.h>

#include "pr.h"

/*
 * How long no file of reservations is written after that has failed this often in a row. A
 * single failure may be one of memory.
 */
#define APTPL_FAILED_TIME	(5 * HZ)
#define APTPL_FAILURES		2

static void lock(struct se_device *dev)
	__acquires(&dev->dev_reservation_lock)
	__acquires(&dev->t10_pr.registration_lock)
{
	spin_lock(&dev->dev_reservation_lock);
	spin_lock(&dev->t10_pr.registration_lock);
}

static void unlock(struct se_device *dev)
	__releases(&dev->t10_pr.registration_lock)
	__releases(&dev->dev_reservation_lock)
{
	spin_unlock(&dev->t10_pr.registration_lock);
	spin_unlock(&dev->dev_reservation_lock);
}

/* The registration of the nexus that the parameter list names; under the locks. */
static const struct t10_pr_registration *
destination(const struct se_cmd *se_cmd, const struct vhost_scsi_pr_out *out)
{
	struct t10_reservation *pr = &se_cmd->se_dev->t10_pr;
	u16 rtpi = get_unaligned_be16(&out->list[18]);
	const struct t10_pr_registration *reg;
	u8 id[VHOST_SCSI_TRANSPORT_ID_LEN];
	unsigned int len;

	list_for_each_entry(reg, &pr->registration_list, pr_reg_list) {
		len = vhost_scsi_transport_id(reg, id);
		if (reg->tg_pt_sep_rtpi == rtpi &&
		    out->len >= PROUT_LIST_LEN + len &&
		    !memcmp(&out->list[PROUT_LIST_LEN], id, len))
			return reg;
	}
	return NULL;
}

/* LIO logs a line for most of these. */
static sense_reason_t check_move(const struct se_cmd *se_cmd,
				 const struct t10_pr_registration *own,
				 const struct vhost_scsi_pr_out *out)
{
	const struct t10_pr_registration *holder = se_cmd->se_dev->dev_pr_res_holder;
	const struct t10_pr_registration *to;

	if (out->len < PROUT_LIST_LEN + PROUT_TID_MIN)
		return TCM_PARAMETER_LIST_LENGTH_ERROR;
	if (get_unaligned_be32(&out->list[20]) != se_cmd->data_length - PROUT_LIST_LEN)
		return TCM_INVALID_PARAMETER_LIST;
	to = destination(se_cmd, out);
	/* SPC-4 6.16.4: not to the initiator port that it comes from. */
	if (!to || !strcmp(to->pr_reg_nacl->initiatorname,
			   own->pr_reg_nacl->initiatorname))
		return TCM_INVALID_PARAMETER_LIST;
	if (!holder)
		return TCM_INVALID_CDB_FIELD;
	return holder != own || vhost_scsi_is_all_registrants(holder) ?
	       TCM_RESERVATION_CONFLICT : TCM_NO_SENSE;
}

/* All registrants hold the reservation: @reg is as good as @holder for LIO. */
static void take_over(struct se_device *dev, struct t10_pr_registration *holder,
		      struct t10_pr_registration *reg)
{
	reg->pr_res_type = holder->pr_res_type;
	reg->pr_res_scope = holder->pr_res_scope;
	reg->pr_res_holder = 1;
	holder->pr_res_type = 0;
	holder->pr_res_scope = 0;
	holder->pr_res_holder = 0;
	dev->dev_pr_res_holder = reg;
}

static sense_reason_t check_preempt(struct se_device *dev,
				    struct t10_pr_registration *reg,
				    const struct vhost_scsi_pr_out *out)
{
	struct t10_pr_registration *holder = dev->dev_pr_res_holder;

	if (holder && vhost_scsi_is_all_registrants(holder)) {
		if (holder != reg &&
		    (!out->action_key || (out->action_key != out->own_key &&
					  out->action_key == holder->pr_res_key)))
			take_over(dev, holder, reg);
		return 0;
	}
	if (out->action_key == out->own_key &&
	    (!holder || holder->pr_res_key != out->action_key))
		return TCM_INVALID_PARAMETER_LIST;
	return 0;
}

/* What LIO must not get is answered; under the device's locks. */
static sense_reason_t check(const struct se_cmd *se_cmd, struct vhost_scsi_pr_out *out)
{
	struct se_device *dev = se_cmd->se_dev;
	struct t10_pr_registration *reg = vhost_scsi_pr_own(se_cmd);
	sense_reason_t reason;

	out->registered = reg;
	out->own_key = reg ? reg->pr_res_key : 0;
	out->generation = dev->t10_pr.pr_generation;

	reason = vhost_scsi_pr_out_check(se_cmd, out);
	if (reason)
		return reason;
	switch (out->action) {
	case PROUT_PREEMPT:
	case PROUT_PREEMPT_AND_ABORT:
		return check_preempt(dev, reg, out);
	case PROUT_REGISTER_AND_MOVE:
		return check_move(se_cmd, reg, out);
	default:
		return 0;
	}
}

static bool is_register(const struct vhost_scsi_pr_out *out)
{
	return out->action == PROUT_REGISTER ||
	       out->action == PROUT_REGISTER_AND_IGNORE;
}

/* The key goes, unless LIO finds something wrong with it. */
static bool unregisters(const struct vhost_scsi_pr_out *out)
{
	return is_register(out) && !out->action_key && out->registered;
}

/*
 * LIO answers a REGISTER with an error, but that was the APTPL file's: the
 * registration is as the guest wanted it. Return: what LIO answers.
 */
static sense_reason_t undo(struct vhost_scsi_tcmd *t, const struct vhost_scsi_pr_out *out)
{
	struct se_cmd *se_cmd = &t->se_cmd;
	struct se_device *dev = se_cmd->se_dev;
	struct t10_pr_registration *reg;
	__be64 keys[2] = { cpu_to_be64(out->action_key), 0 };
	u64 now = 0;

	lock(dev);
	reg = vhost_scsi_pr_own(se_cmd);
	if (reg && reg->pr_res_key != out->own_key) {
		dev->t10_pr.pr_generation = out->generation;
		if (out->registered)
			reg->pr_res_key = out->own_key;
		else
			now = reg->pr_res_key;
	}
	unlock(dev);
	if (!now)
		return TCM_LOGICAL_UNIT_COMMUNICATION_FAILURE;

	/* As the guest would do it. The file may be written this time. */
	sg_copy_from_buffer(t->bounce, t->bounce_nents, keys, sizeof(keys));
	se_cmd->t_task_cdb[1] &= ~PR_ACTION_MASK;
	se_cmd->t_task_cdb[1] |= PROUT_REGISTER;
	/* As of TCM_LOGICAL_UNIT_COMMUNICATION_FAILURE. */
	vhost_scsi_own_sense(t, NOT_READY, 0x08, 0);
	return t->execute(se_cmd);
}

/* LIO writes the file at every REGISTER. */
static bool would_fail(const struct vhost_scsi_tcmd *t, const struct vhost_scsi_pr_out *out)
{
	return is_register(out) && t->lun->aptpl_failures >= APTPL_FAILURES &&
	       time_before(jiffies, t->lun->aptpl_failed + APTPL_FAILED_TIME);
}

static sense_reason_t carry_out(struct vhost_scsi_tcmd *t, struct vhost_scsi_pr_out *out)
{
	struct se_device *dev = t->se_cmd.se_dev;
	unsigned int failures = t->lun->aptpl_failures;
	sense_reason_t reason;

	if (would_fail(t, out))
		return TCM_LOGICAL_UNIT_COMMUNICATION_FAILURE;
	/* When it succeeds the command may be gone. */
	if (is_register(out))
		t->lun->aptpl_failures = 0;
	if (unregisters(out)) {
		spin_lock(&dev->dev_reservation_lock);
		dev->t10_pr.pr_generation++;
		spin_unlock(&dev->dev_reservation_lock);
	}
	reason = t->execute(&t->se_cmd);
	if (!reason || !is_register(out))
		return reason;

	if (unregisters(out)) {
		lock(dev);
		if (vhost_scsi_pr_own(&t->se_cmd))
			dev->t10_pr.pr_generation--;
		unlock(dev);
	} else if (reason == TCM_LOGICAL_UNIT_COMMUNICATION_FAILURE) {
		t->lun->aptpl_failed = jiffies;
		t->lun->aptpl_failures = failures + 1;
		reason = undo(t, out);
	}
	return reason;
}

static bool is_all_registrants(struct se_device *dev)
{
	bool all;

	spin_lock(&dev->dev_reservation_lock);
	all = dev->dev_pr_res_holder &&
	      vhost_scsi_is_all_registrants(dev->dev_pr_res_holder);
	spin_unlock(&dev->dev_reservation_lock);
	return all;
}

static sense_reason_t execute_out(struct se_cmd *se_cmd)
{
	struct se_device *dev = se_cmd->se_dev;
	struct vhost_scsi_tcmd *t;
	sense_reason_t reason;
	struct vhost_scsi_pr_out out;

	t = container_of(se_cmd, struct vhost_scsi_tcmd, se_cmd);
	/* SPC-2, 5.5.1: conflicts whoever asks; LIO does it with a line. */
	if (dev->dev_reservation_flags & DRF_SPC2_RESERVATIONS)
		return TCM_RESERVATION_CONFLICT;
	reason = vhost_scsi_pr_out_read(t, &out);
	if (reason)
		return reason;

	lock(dev);
	reason = check(se_cmd, &out);
	unlock(dev);
	if (reason)
		return reason;

	if (out.action == PROUT_PREEMPT_AND_ABORT) {
		t->fence = vhost_scsi_fence_new(t, out.action_key,
						!out.action_key &&
						is_all_registrants(dev));
		if (!t->fence)
			return TCM_OUT_OF_RESOURCES;
		se_cmd->t_task_cdb[1] &= ~PR_ACTION_MASK;
		se_cmd->t_task_cdb[1] |= PROUT_PREEMPT;
	}
	return carry_out(t, &out);
}

static sense_reason_t execute_full_status(struct se_cmd *se_cmd)
{
	return vhost_scsi_read_full_status(container_of(se_cmd,
							struct vhost_scsi_tcmd,
							se_cmd));
}

/* Bits of lun->pr_lacks: service actions of OUT, then those of IN. */
static unsigned int lack_of(const u8 *cdb)
{
	return (cdb[0] == PERSISTENT_RESERVE_IN ? 8 : 0) +
	       (cdb[1] & PR_ACTION_MASK & 7);
}

/* The disk below iblock has the reservations. What it never has is answered as by LIO. */
static sense_reason_t check_disk(struct vhost_scsi_tcmd *t)
{
	const u8 *cdb = t->se_cmd.t_task_cdb;
	struct vhost_scsi_pr_out out;
	sense_reason_t reason;

	if (cdb[0] == PERSISTENT_RESERVE_IN)
		return (cdb[1] & PR_ACTION_MASK) == PRIN_READ_FULL_STATUS ?
		       TCM_UNSUPPORTED_SCSI_OPCODE : TCM_NO_SENSE;
	reason = vhost_scsi_pr_out_read(t, &out);
	if (reason)
		return reason;
	if (out.action == PROUT_REGISTER_AND_MOVE || out.flags & PROUT_ALL_TG_PT)
		return TCM_UNSUPPORTED_SCSI_OPCODE;
	/* The kernel always asks the disk for it. */
	out.flags |= PROUT_APTPL;
	sg_pcopy_from_buffer(t->bounce, t->bounce_nents, &out.flags, 1, 20);
	return TCM_NO_SENSE;
}

static sense_reason_t execute_by_disk(struct se_cmd *se_cmd)
{
	unsigned int lack = lack_of(se_cmd->t_task_cdb);
	struct vhost_scsi_tcmd *t;
	sense_reason_t reason;

	t = container_of(se_cmd, struct vhost_scsi_tcmd, se_cmd);
	reason = check_disk(t);
	if (reason)
		return reason;
	if (test_bit(lack, &t->lun->pr_lacks))
		return TCM_UNSUPPORTED_SCSI_OPCODE;
	/* When it succeeds the command may be gone. */
	reason = t->execute(se_cmd);
	if (reason == TCM_UNSUPPORTED_SCSI_OPCODE &&
	    t->lun != &vhost_scsi_tpg(se_cmd->se_sess->se_tpg)->any_lun)
		set_bit(lack, &t->lun->pr_lacks);
	return reason;
}

/**
 * vhost_scsi_reservation_prepare - see to it that LIO can carry it out
 * @t: a reservation command, prepared but for this
 *
 * Does nothing for a device that is passed through and has its own reservations.
 *
 * Context: any.
 */
void vhost_scsi_reservation_prepare(struct vhost_scsi_tcmd *t)
{
	struct se_cmd *se_cmd = &t->se_cmd;
	const u8 *cdb = se_cmd->t_task_cdb;
	u8 action = cdb[1] & PR_ACTION_MASK;
	u32 flags = se_cmd->se_dev->transport_flags;

	t->execute = se_cmd->execute_cmd;
	if (flags & TRANSPORT_FLAG_PASSTHROUGH_PGR) {
		if (!(flags & TRANSPORT_FLAG_PASSTHROUGH))
			se_cmd->execute_cmd = execute_by_disk;
		return;
	}

	t->takes_turn = true;
	if (cdb[0] == PERSISTENT_RESERVE_OUT)
		se_cmd->execute_cmd = execute_out;
	else if (cdb[0] == PERSISTENT_RESERVE_IN &&
		 action == PRIN_READ_FULL_STATUS)
		se_cmd->execute_cmd = execute_full_status;
	t->pr_capabilities = cdb[0] == PERSISTENT_RESERVE_IN &&
			     action == PRIN_REPORT_CAPABILITIES;
	/* LIO's aborts pass it by: what is carried out is reported so. */
	se_cmd->transport_state |= CMD_T_FABRIC_STOP;
}

/**
 * vhost_scsi_reservation_amend - remove SPEC_I_PT from REPORT CAPABILITIES
 * @t: a command with t->pr_capabilities set and its data-in in the bounce buffer
 *
 * Context: any.
 */
void vhost_scsi_reservation_amend(struct vhost_scsi_tcmd *t)
{
	u8 byte;

	if (!t->bounce || sg_pcopy_to_buffer(t->bounce, t->bounce_nents, &byte,
					     1, 2) != 1)
		return;
	byte &= ~PRIN_CAP_SIP_C;
	sg_pcopy_from_buffer(t->bounce, t->bounce_nents, &byte, 1, 2);
}
