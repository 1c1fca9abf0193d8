// SPDX-License-Identifier: GPL-2.0-only
/*
 * Persistent reservations: what LIO, which carries them out, must not be asked.
 *
 * In LIO, of 6.1 to 7.3, a guest could otherwise do harm to its host:
 *
 * - A PERSISTENT RESERVE OUT takes a reference to the registration of its nexus
 *   and then the device's reservation lock. Who removes that registration spins
 *   with the lock held until the reference is gone. So there is one of them at
 *   a time for a device.
 * - PREEMPT of a key that the nexus itself has, and no holder: the nexus's
 *   registration is freed, and used. PREEMPT AND ABORT loses it instead.
 * - PREEMPT of all registrants (key 0) but by the one who reserved: the
 *   reservation's registration is freed, and used.
 * - REGISTER with SPEC_I_PT that fails: a reference to the LUN is not given
 *   back, and who removes the LUN waits for ever.
 *
 * Other fabrics' commands are not seen here.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/scatterlist.h>
#include <linux/unaligned.h>
#include <linux/wait.h>
#include <target/target_core_backend.h>

#include "target.h"

/* SPC-4, 6.15 and 6.16. */
enum {
	PRIN_REPORT_CAPABILITIES = 2,
	PRIN_CAP_SIP_C = 1 << 3,	/* byte 2 */

	PROUT_REGISTER = 0,
	PROUT_PREEMPT = 4,
	PROUT_PREEMPT_AND_ABORT = 5,
	PROUT_SPEC_I_PT = 1 << 3,	/* byte 20 */
	PROUT_LIST_LEN = 24,

	WRITE_EXCLUSIVE_ALL_REGISTRANTS = 7,
	EXCLUSIVE_ACCESS_ALL_REGISTRANTS = 8,
};

/* A PERSISTENT RESERVE OUT, under way if no other of its device is before it. */
struct turn {
	struct list_head node;
	const struct se_device *dev;
};

static LIST_HEAD(turns);
static DEFINE_SPINLOCK(turns_lock);
static DECLARE_WAIT_QUEUE_HEAD(turns_wait);

static bool turn_came(const struct turn *turn)
{
	const struct turn *first;
	bool came = false;

	spin_lock(&turns_lock);
	list_for_each_entry(first, &turns, node) {
		if (first->dev == turn->dev) {
			came = first == turn;
			break;
		}
	}
	spin_unlock(&turns_lock);
	return came;
}

/* In the order of their arrival, or one guest could keep out another. */
static void turn_begin(struct turn *turn)
{
	spin_lock(&turns_lock);
	list_add_tail(&turn->node, &turns);
	spin_unlock(&turns_lock);
	wait_event_idle(turns_wait, turn_came(turn));
}

static void turn_end(struct turn *turn)
{
	spin_lock(&turns_lock);
	list_del(&turn->node);
	spin_unlock(&turns_lock);
	wake_up_all(&turns_wait);
}

/* Would LIO free a registration that it uses, or lose one? */
static bool preempt_does_harm(const struct se_cmd *se_cmd, u8 action, u64 key,
			      u64 action_key)
{
	struct se_device *dev = se_cmd->se_dev;
	const struct t10_pr_registration *holder;
	bool all, harm = false;

	spin_lock(&dev->dev_reservation_lock);
	holder = dev->dev_pr_res_holder;
	all = holder &&
	      (holder->pr_res_type == WRITE_EXCLUSIVE_ALL_REGISTRANTS ||
	       holder->pr_res_type == EXCLUSIVE_ACCESS_ALL_REGISTRANTS);
	if (all)
		harm = !action_key && action == PROUT_PREEMPT &&
		       holder->pr_reg_nacl != se_cmd->se_sess->se_node_acl;
	else if (action_key == key)
		harm = !holder || holder->pr_res_key != action_key;
	spin_unlock(&dev->dev_reservation_lock);
	return harm;
}

/* Is it one that LIO must not get; under the device's turn. */
static bool out_does_harm(const struct vhost_scsi_tcmd *t)
{
	const struct se_cmd *se_cmd = &t->se_cmd;
	u8 action = se_cmd->t_task_cdb[1] & 0x1f;
	u8 list[PROUT_LIST_LEN];

	/* The guest cannot change the bounce buffer. */
	if (!t->bounce || sg_copy_to_buffer(t->bounce, t->bounce_nents, list,
					    sizeof(list)) < sizeof(list))
		return false;

	switch (action) {
	case PROUT_REGISTER:
		return list[20] & PROUT_SPEC_I_PT;
	case PROUT_PREEMPT:
	case PROUT_PREEMPT_AND_ABORT:
		return preempt_does_harm(se_cmd, action,
					 get_unaligned_be64(&list[0]),
					 get_unaligned_be64(&list[8]));
	default:
		return false;
	}
}

static sense_reason_t execute_out(struct se_cmd *se_cmd)
{
	struct vhost_scsi_tcmd *t;
	struct turn turn = { .dev = se_cmd->se_dev };
	sense_reason_t reason;

	t = container_of(se_cmd, struct vhost_scsi_tcmd, se_cmd);
	turn_begin(&turn);
	/* After it the command may be gone. */
	reason = out_does_harm(t) ? TCM_INVALID_PARAMETER_LIST :
				    t->execute(se_cmd);
	turn_end(&turn);
	return reason;
}

/**
 * vhost_scsi_reservation_prepare - see to it that LIO can carry it out
 * @t: a PERSISTENT RESERVE IN or OUT, prepared but for this
 *
 * Does nothing where the device itself has the reservations.
 *
 * Context: any.
 */
void vhost_scsi_reservation_prepare(struct vhost_scsi_tcmd *t)
{
	struct se_cmd *se_cmd = &t->se_cmd;
	const u8 *cdb = se_cmd->t_task_cdb;

	if (se_cmd->se_dev->transport_flags & TRANSPORT_FLAG_PASSTHROUGH_PGR)
		return;

	if (cdb[0] == PERSISTENT_RESERVE_IN) {
		t->pr_capabilities = (cdb[1] & 0x1f) ==
				     PRIN_REPORT_CAPABILITIES;
		return;
	}
	t->execute = se_cmd->execute_cmd;
	se_cmd->execute_cmd = execute_out;
	/*
	 * LIO's aborts pass it by: a PREEMPT AND ABORT waits for what it
	 * aborts, and that would wait for its turn.
	 */
	se_cmd->transport_state |= CMD_T_FABRIC_STOP;
}

/**
 * vhost_scsi_reservation_amend - SPEC_I_PT is not among the capabilities
 * @t: with its data-in, and t->pr_capabilities
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
