// SPDX-License-Identifier: GPL-2.0-only
/*
 * PREEMPT AND ABORT: when it is answered, no command of a nexus that it preempted
 * can reach the medium any more (SPC-4, 5.13.11.2.6).
 *
 * LIO is given a PREEMPT, and the commands are ended here. What LIO ends itself
 * are those that came while the reservation was the preempted nexus's: not those
 * of a registrant who did not hold it, none that the fabric has yet, and not
 * those that its aborts pass by. And it waits for them in the thread that
 * submits.
 *
 * When LIO has carried out the PREEMPT,
 *
 *   - commands of the preempted nexuses that LIO has for the device are marked as
 *     aborted, as LIO does it, and end when the backend is done with them;
 *   - those that wait in lun.c's lists are ended;
 *   - those on their way into LIO meet its check of the reservation;
 *   - it is answered when all that were submitted before have ended, whatever became of
 *     them: a COMPARE AND WRITE is carried out. What the worker of a guest has still to
 *     submit or to answer is not waited for: it may be slow or stuck.
 *
 * Reservation commands are not waited for: they do not reach the medium, and two
 * nexuses that preempt each other would wait for each other.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/slab.h>
#include <target/target_core_backend.h>

#include "target.h"

/**
 * struct victim - a nexus that loses its registration
 * @nacl: the initiator port's; only compared
 * @se_tpg: the target port's; only compared
 * @binding: tpg->binding of it, when the fence was set up; 0: nobody was bound, or
 *	     it is not ours
 * @epoch: of the device that was bound then; requests with a later one began
 *	   after it
 */
struct victim {
	const struct se_node_acl *nacl;
	const struct se_portal_group *se_tpg;
	u64 binding;
	u64 epoch;
};

/**
 * struct vhost_scsi_fence - a PREEMPT AND ABORT under way
 * @cmd: the command
 * @sess: whose
 * @lun: its LUN, of which LIO lets go before it is answered; referred to, and
 *	 keeps the device
 * @dev: the device
 * @work: looks whether all is done
 * @tries: looks
 * @nr: of @victims
 * @victims: who is preempted
 */
struct vhost_scsi_fence {
	struct vhost_scsi_cmd *cmd;
	const struct se_session *sess;
	struct se_lun *lun;
	struct se_device *dev;
	struct delayed_work work;
	unsigned int tries;
	unsigned int nr;
	struct victim victims[];
};

static struct workqueue_struct *fence_wq;

static bool is_victim(const struct vhost_scsi_fence *fence,
		      const struct se_cmd *se_cmd)
{
	const struct se_node_acl *nacl = se_cmd->se_sess->se_node_acl;
	unsigned int i;

	for (i = 0; i < fence->nr; i++)
		if (fence->victims[i].nacl == nacl)
			return true;
	return false;
}

static u32 mark_of(const struct vhost_scsi_fence *fence,
		   const struct se_cmd *se_cmd)
{
	u32 mark = CMD_T_ABORTED;

	/* SAM-5, 5.3.1: not to the nexus that does it itself. */
	if (fence->dev->dev_attrib.emulate_tas && se_cmd->se_sess != fence->sess)
		mark |= CMD_T_TAS;
	return mark;
}

/*
 * Looks at the commands that LIO has; with @mark those that can be aborted are
 * marked. Return: some that are marked are still there.
 */
static bool scan_commands(struct vhost_scsi_fence *fence, bool mark)
{
	struct se_device *dev = fence->dev;
	struct se_cmd *se_cmd;
	bool found = false;
	unsigned long flags;
	int i;

	for (i = 0; i < dev->queue_cnt; i++) {
		spin_lock_irqsave(&dev->queues[i].lock, flags);
		list_for_each_entry(se_cmd, &dev->queues[i].state_list,
				    state_list) {
			if (!is_victim(fence, se_cmd))
				continue;
			spin_lock(&se_cmd->t_state_lock);
			if (mark && !(se_cmd->transport_state &
				      (CMD_T_COMPLETE | CMD_T_FABRIC_STOP)))
				se_cmd->transport_state |= mark_of(fence,
								   se_cmd);
			found |= se_cmd->transport_state & CMD_T_ABORTED;
			spin_unlock(&se_cmd->t_state_lock);
		}
		spin_unlock_irqrestore(&dev->queues[i].lock, flags);
	}
	return found;
}

/*
 * Can it write to the device, directly or by a copy? What is not submitted yet cannot: who
 * submits it notes the stage, and then LIO checks the reservation. See set_up().
 */
static bool reaches(const struct vhost_scsi_cmd *cmd,
		    const struct vhost_scsi_tcmd *t, const void *priv)
{
	const struct vhost_scsi_fence *fence = priv;

	if (READ_ONCE(cmd->stage) != VHOST_SCSI_AT_BACKEND ||
	    vhost_scsi_cdb_reserves(cmd->cdb))
		return false;
	return READ_ONCE(t->se_cmd.se_dev) == fence->dev ||
	       cmd->cdb[0] == EXTENDED_COPY;
}

static bool match_waiting(const struct vhost_scsi_tcmd *t, const void *priv)
{
	const struct vhost_scsi_fence *fence = priv;

	return t->se_cmd.se_dev == fence->dev && is_victim(fence, &t->se_cmd);
}

/* A look from outside: the request may begin or end meanwhile. */
static bool match_request(const struct vhost_scsi_cmd *cmd, void *priv)
{
	return reaches(cmd, (const struct vhost_scsi_tcmd *)cmd->target_priv,
		       priv);
}

static void end_waiting(struct vhost_scsi_fence *fence,
			struct vhost_scsi_tpg *tpg)
{
	struct vhost_scsi_tcmd *t, *next;
	struct vhost_scsi_lun *lun;
	LIST_HEAD(picked);
	unsigned long nr;

	vhost_scsi_lun_pick(&tpg->any_lun, &picked, match_waiting, fence);
	xa_for_each(&tpg->luns, nr, lun)
		vhost_scsi_lun_pick(lun, &picked, match_waiting, fence);

	list_for_each_entry_safe(t, next, &picked, node) {
		spin_lock_irq(&t->se_cmd.t_state_lock);
		t->se_cmd.transport_state |= mark_of(fence, &t->se_cmd);
		spin_unlock_irq(&t->se_cmd.t_state_lock);
		transport_generic_request_failure(&t->se_cmd,
						  TCM_CHECK_CONDITION_ABORT_CMD);
	}
}

static void set_up(struct vhost_scsi_fence *fence)
{
	struct vhost_scsi_tpg *tpg;
	struct victim *v;

	scan_commands(fence, true);
	for (v = fence->victims; v < fence->victims + fence->nr; v++) {
		tpg = vhost_scsi_tpg_get(v->se_tpg);
		if (!tpg)
			continue;
		mutex_lock(&tpg->mutex);
		if (tpg->dev) {
			v->binding = tpg->binding;
			v->epoch = vhost_scsi_requests_mark(tpg->dev);
		}
		end_waiting(fence, tpg);
		mutex_unlock(&tpg->mutex);
		vhost_scsi_tpg_put(tpg);
	}
	/*
	 * LIO checks the reservation of a command under this lock. Of one that was before
	 * this the stage is seen by reaches(); one that comes later finds the registration
	 * removed.
	 */
	spin_lock(&fence->dev->dev_reservation_lock);
	spin_unlock(&fence->dev->dev_reservation_lock);
}

/* Are requests that began before the fence under way? */
static bool is_busy(struct vhost_scsi_fence *fence, const struct victim *v)
{
	struct vhost_scsi_tpg *tpg;
	bool busy;

	tpg = v->binding ? vhost_scsi_tpg_get(v->se_tpg) : NULL;
	if (!tpg)
		return false;
	mutex_lock(&tpg->mutex);
	/* Another was bound when all of the first's were answered. */
	busy = tpg->dev && tpg->binding == v->binding &&
	       vhost_scsi_requests_busy(tpg->dev, match_request, fence,
					v->epoch);
	mutex_unlock(&tpg->mutex);
	vhost_scsi_tpg_put(tpg);
	return busy;
}

static void answer(struct vhost_scsi_fence *fence)
{
	struct vhost_scsi_cmd *cmd = fence->cmd;

	vhost_scsi_fence_free(fence);
	vhost_scsi_cmd_done(cmd);
}

static void fence_work(struct work_struct *work)
{
	struct vhost_scsi_fence *fence;
	unsigned int i;
	bool busy;

	fence = container_of(work, struct vhost_scsi_fence, work.work);
	if (!fence->tries++)
		set_up(fence);
	busy = scan_commands(fence, false);
	for (i = 0; i < fence->nr && !busy; i++)
		busy = is_busy(fence, &fence->victims[i]);
	if (!busy)
		answer(fence);
	else
		/* Looks are not free: less often the longer it takes. */
		queue_delayed_work(fence_wq, &fence->work,
				   clamp(fence->tries / 4, 1U,
					 (unsigned int)HZ / 8));
}

static bool is_meant(const struct t10_pr_registration *reg, u64 key, bool all)
{
	return all || reg->pr_res_key == key;
}

/**
 * vhost_scsi_fence_new - note who is about to be preempted
 * @t: a PREEMPT AND ABORT, with its LUN, that LIO has not carried out yet
 * @key: registrations with it are removed
 * @all: all of them
 *
 * Context: the command's turn; may sleep.
 * Return: what vhost_scsi_fence_start() or _free() is owed for, or NULL: no memory.
 */
struct vhost_scsi_fence *vhost_scsi_fence_new(struct vhost_scsi_tcmd *t,
					      u64 key, bool all)
{
	struct se_device *dev = t->se_cmd.se_dev;
	struct t10_reservation *pr = &dev->t10_pr;
	const struct t10_pr_registration *reg;
	struct vhost_scsi_fence *fence;
	unsigned int nr = 0;

	spin_lock(&pr->registration_lock);
	list_for_each_entry(reg, &pr->registration_list, pr_reg_list)
		nr += is_meant(reg, key, all);
	spin_unlock(&pr->registration_lock);

	fence = kzalloc(struct_size(fence, victims, nr), GFP_KERNEL_ACCOUNT);
	if (!fence)
		return NULL;
	spin_lock(&pr->registration_lock);
	list_for_each_entry(reg, &pr->registration_list, pr_reg_list) {
		if (!is_meant(reg, key, all) || fence->nr == nr)
			continue;
		fence->victims[fence->nr].nacl = reg->pr_reg_nacl;
		fence->victims[fence->nr++].se_tpg = reg->pr_reg_nacl->se_tpg;
	}
	spin_unlock(&pr->registration_lock);

	INIT_DELAYED_WORK(&fence->work, fence_work);
	fence->cmd = vhost_scsi_cmd(t);
	fence->sess = t->se_cmd.se_sess;
	fence->dev = dev;
	fence->lun = t->se_cmd.se_lun;
	percpu_ref_get(&fence->lun->lun_ref);
	return fence;
}

/**
 * vhost_scsi_fence_start - LIO has carried it out
 * @t: ends in vhost_scsi_cmd_done(); all that the guest is told is set
 *
 * Context: any.
 */
void vhost_scsi_fence_start(struct vhost_scsi_tcmd *t)
{
	queue_delayed_work(fence_wq, &t->fence->work, 0);
}

/**
 * vhost_scsi_fence_free - it is over, or did not begin
 * @fence: the fence
 *
 * Context: any.
 */
void vhost_scsi_fence_free(struct vhost_scsi_fence *fence)
{
	percpu_ref_put(&fence->lun->lun_ref);
	kfree(fence);
}

int vhost_scsi_fences_init(void)
{
	fence_wq = alloc_workqueue("vhost_scsi_fence",
				   WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return fence_wq ? 0 : -ENOMEM;
}

void vhost_scsi_fences_exit(void)
{
	destroy_workqueue(fence_wq);
}
