// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task management functions (virtio 1.3, 5.6.6.2; SAM-5, 7).
 *
 * LIO has ABORT TASK and LOGICAL UNIT RESET only. It logs two lines for each ABORT
 * TASK, and waits for the command in a work item of the whole system. So only LOGICAL
 * UNIT RESET is LIO's, which concerns more than commands. The others are carried out
 * here, in the same way as LIO ends commands, but without waiting:
 *
 *   - commands that LIO has for the device are marked as aborted. LIO does not begin
 *     such a command, and answers it when the backend is done with it;
 *   - those that wait in the lists of lun.c are ended;
 *   - those of the nexus that are between the two are found by the next look.
 *
 * CLEAR ACA is rejected, as SAM-5, 7.4, wants it of a device server whose NormACA is 0.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/slab.h>
#include <linux/virtio_scsi.h>
#include <target/target_core_backend.h>

#include "target.h"

/**
 * struct tmr - a function that LIO carries out
 * @se_cmd: LIO's
 * @tmf: the function of the guest's side
 * @response: for @tmf
 */
struct tmr {
	struct se_cmd se_cmd;
	struct vhost_scsi_tmf *tmf;
	u8 response;
};

/* What a function is about. */
enum scope {
	SCOPE_NONE,	/* it is rejected */
	SCOPE_TASK,	/* a command of the nexus */
	SCOPE_TASKS,	/* those of the nexus that the logical unit has */
	SCOPE_UNIT,	/* those of all nexuses */
	SCOPE_NEXUS,	/* those of the nexus that all logical units have */
};

/**
 * struct function - a function of virtio 1.3, 5.6.6.2
 * @scope: what it is about
 * @query: it ends nothing
 * @by_lio: LIO carries it out
 * @response: to the commands of the nexus that it ends. Linux makes S_ABORTED an I/O
 *	      error: only for who asked for it
 * @tmr: LIO's number, as a backend is told; 0: none that it knows
 */
struct function {
	enum scope scope;
	bool query;
	bool by_lio;
	u8 response;
	u8 tmr;
};

static const struct function functions[] = {
	[VIRTIO_SCSI_T_TMF_ABORT_TASK] = {
		SCOPE_TASK, .response = VIRTIO_SCSI_S_ABORTED,
		.tmr = TMR_ABORT_TASK,
	},
	[VIRTIO_SCSI_T_TMF_ABORT_TASK_SET] = {
		SCOPE_TASKS, .response = VIRTIO_SCSI_S_ABORTED,
		.tmr = TMR_ABORT_TASK_SET,
	},
	[VIRTIO_SCSI_T_TMF_CLEAR_ACA] = { SCOPE_NONE },
	[VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET] = {
		SCOPE_UNIT, .response = VIRTIO_SCSI_S_RESET,
	},
	[VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET] = {
		SCOPE_NEXUS, .response = VIRTIO_SCSI_S_RESET,
		.tmr = TMR_ABORT_TASK_SET,
	},
	[VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET] = {
		SCOPE_UNIT, .by_lio = true, .response = VIRTIO_SCSI_S_RESET,
		.tmr = TMR_LUN_RESET,
	},
	[VIRTIO_SCSI_T_TMF_QUERY_TASK] = { SCOPE_TASK, .query = true },
	[VIRTIO_SCSI_T_TMF_QUERY_TASK_SET] = { SCOPE_TASKS, .query = true },
};

static const u8 responses[] = {
	[TMR_FUNCTION_FAILED] = VIRTIO_SCSI_S_FAILURE,
	[TMR_FUNCTION_COMPLETE] = VIRTIO_SCSI_S_FUNCTION_COMPLETE,
	[TMR_LUN_DOES_NOT_EXIST] = VIRTIO_SCSI_S_INCORRECT_LUN,
	[TMR_TASK_MGMT_FUNCTION_NOT_SUPPORTED] =
		VIRTIO_SCSI_S_FUNCTION_REJECTED,
	[TMR_FUNCTION_REJECTED] = VIRTIO_SCSI_S_FUNCTION_REJECTED,
};

/**
 * vhost_scsi_target_tmf_check - may a function begin
 * @ep: the endpoint
 * @function: VIRTIO_SCSI_T_TMF_*, or anything
 * @target: a target of the endpoint
 * @lun: the LUN
 *
 * Return: FUNCTION COMPLETE, or what is to be answered.
 */
u8 vhost_scsi_target_tmf_check(struct vhost_scsi_endpoint *ep, u32 function,
			       u8 target, u16 lun)
{
	enum scope scope = SCOPE_NONE;

	if (function < ARRAY_SIZE(functions))
		scope = functions[array_index_nospec(function,
						     ARRAY_SIZE(functions))].scope;
	if (scope == SCOPE_NONE)
		return VIRTIO_SCSI_S_FUNCTION_REJECTED;
	if (scope != SCOPE_NEXUS && !vhost_scsi_target_has_lun(ep, target, lun))
		return VIRTIO_SCSI_S_INCORRECT_LUN;
	return VIRTIO_SCSI_S_FUNCTION_COMPLETE;
}

/*
 * Commands that are to end.
 */

/**
 * struct ending - whose commands end
 * @fn: the function
 * @tmf: likewise
 * @sess: the nexus that it is of
 * @dev: the logical unit
 * @others: those of other nexuses end, too, and those by other numbers of @dev
 */
struct ending {
	const struct function *fn;
	const struct vhost_scsi_tmf *tmf;
	const struct se_session *sess;
	const struct se_device *dev;
	bool others;
};

static bool is_ending(const struct ending *end, const struct se_cmd *se_cmd)
{
	const struct vhost_scsi_tcmd *t;
	const struct vhost_scsi_cmd *cmd;

	/* What LIO sends to itself for an EXTENDED COPY cannot be aborted. */
	if (se_cmd->se_sess != end->sess)
		return end->others && se_cmd->se_tfo->aborted_task;
	t = container_of(se_cmd, struct vhost_scsi_tcmd, se_cmd);
	cmd = container_of((const u8 (*)[])t, struct vhost_scsi_cmd,
			   target_priv);
	return cmd->epoch <= end->tmf->epoch &&
	       (end->others || vhost_scsi_tmf_concerns(end->tmf, cmd));
}

/* Marks a command as aborted. Under its t_state_lock. */
static void mark(const struct ending *end, struct se_cmd *se_cmd)
{
	struct vhost_scsi_tcmd *t;

	se_cmd->transport_state |= CMD_T_ABORTED;
	if (se_cmd->se_sess == end->sess) {
		t = container_of(se_cmd, struct vhost_scsi_tcmd, se_cmd);
		t->aborted_as = end->fn->response;
	} else if (end->dev->dev_attrib.emulate_tas) {
		/* SAM-5, 5.3.1: of another nexus's function one is told by a status. */
		se_cmd->transport_state |= CMD_T_TAS;
	}
}

/* Returns true if it is marked now. Under the lock of its queue. */
static bool try_mark(const struct ending *end, struct se_cmd *se_cmd)
{
	bool marked = false;

	spin_lock(&se_cmd->t_state_lock);
	/* As in LIO; see also guard_caw() in fabric.c. */
	if (!(se_cmd->transport_state &
	      (CMD_T_COMPLETE | CMD_T_FABRIC_STOP | CMD_T_ABORTED))) {
		mark(end, se_cmd);
		marked = true;
	}
	spin_unlock(&se_cmd->t_state_lock);
	return marked;
}

/*
 * Marks those that LIO has. A backend of user space is told of those of the nexus
 * itself, because it may end them earlier. As LIO does it, they leave the list for
 * that; nobody else waits for them.
 */
static void end_begun(const struct ending *end, struct se_device *dev)
{
	bool notify = dev->transport->tmr_notify && end->fn->tmr && !end->others;
	struct se_cmd *se_cmd, *next;
	LIST_HEAD(marked);
	int i;

	for (i = 0; i < dev->queue_cnt; i++) {
		spin_lock_irq(&dev->queues[i].lock);
		list_for_each_entry_safe(se_cmd, next, &dev->queues[i].state_list,
					 state_list) {
			if (!is_ending(end, se_cmd) || !try_mark(end, se_cmd) ||
			    !notify || !kref_get_unless_zero(&se_cmd->cmd_kref))
				continue;
			list_move_tail(&se_cmd->state_list, &marked);
			se_cmd->state_active = false;
		}
		spin_unlock_irq(&dev->queues[i].lock);
		cond_resched();
	}
	if (list_empty(&marked))
		return;
	dev->transport->tmr_notify(dev, end->fn->tmr, &marked);
	list_for_each_entry_safe(se_cmd, next, &marked, state_list) {
		list_del_init(&se_cmd->state_list);
		target_put_sess_cmd(se_cmd);
	}
}

static bool match_waiting(const struct vhost_scsi_tcmd *t, const void *priv)
{
	const struct ending *end = priv;

	return t->se_cmd.se_dev == end->dev && is_ending(end, &t->se_cmd);
}

static void end_waiting(const struct ending *end, struct list_head *picked)
{
	struct vhost_scsi_tcmd *t, *next;

	list_for_each_entry_safe(t, next, picked, node) {
		spin_lock_irq(&t->se_cmd.t_state_lock);
		mark(end, &t->se_cmd);
		spin_unlock_irq(&t->se_cmd.t_state_lock);
		transport_generic_request_failure(&t->se_cmd,
						  TCM_CHECK_CONDITION_ABORT_CMD);
	}
}

/* Takes those that wait for the unit in the lists of lun.c. */
static void pick_of_lun(const struct ending *end, struct vhost_scsi_tpg *tpg,
			const struct se_lun *se_lun, struct list_head *picked)
{
	struct vhost_scsi_lun *lun;

	lun = vhost_scsi_tpg_lun(tpg, se_lun->unpacked_lun);
	if (lun)
		vhost_scsi_lun_pick(lun, picked, match_waiting, end);
	vhost_scsi_lun_pick(&tpg->any_lun, picked, match_waiting, end);
}

static void pick_of_all(const struct ending *end, struct se_device *dev,
			struct list_head *picked)
{
	struct se_lun *se_lun;

	spin_lock(&dev->se_port_lock);
	list_for_each_entry(se_lun, &dev->dev_sep_list, lun_dev_link)
		/* LIO has a copy of the operations since 6.7. */
		if (se_lun->lun_tpg->se_tpg_tfo->module == THIS_MODULE)
			pick_of_lun(end, vhost_scsi_tpg(se_lun->lun_tpg), se_lun,
				    picked);
	spin_unlock(&dev->se_port_lock);
}

/* Are commands of other nexuses still under way that were marked? */
static bool others_end(const struct ending *end, struct se_device *dev)
{
	struct se_cmd *se_cmd;
	bool found = false;
	int i;

	for (i = 0; i < dev->queue_cnt && !found; i++) {
		spin_lock_irq(&dev->queues[i].lock);
		list_for_each_entry(se_cmd, &dev->queues[i].state_list, state_list)
			found |= se_cmd->se_sess != end->sess &&
				 READ_ONCE(se_cmd->transport_state) & CMD_T_ABORTED;
		spin_unlock_irq(&dev->queues[i].lock);
		cond_resched();
	}
	return found;
}

/*
 * Ends commands of one logical unit; @se_lun is linked until this returns. Return:
 * commands of others are still under way.
 */
static bool end_of_lun(struct ending *end, struct vhost_scsi_tpg *tpg,
		       struct se_lun *se_lun)
{
	struct se_device *dev = rcu_dereference_raw(se_lun->lun_se_dev);
	LIST_HEAD(picked);

	end->dev = dev;
	/* What others send meanwhile came after the function. */
	end->others = end->fn->scope == SCOPE_UNIT && !end->tmf->looked;
	if (end->others)
		pick_of_all(end, dev, &picked);
	else
		pick_of_lun(end, tpg, se_lun, &picked);
	end_waiting(end, &picked);
	/* LIO marks those that it has itself, and waits for them. */
	if (end->others && end->fn->by_lio)
		return false;
	end_begun(end, dev);
	return end->fn->scope == SCOPE_UNIT && !end->fn->by_lio &&
	       others_end(end, dev);
}

/* Returns the LUN, with a reference, or NULL: it is gone or going. */
static struct se_lun *lun_get(struct vhost_scsi_tpg *tpg, u16 nr)
{
	const struct se_dev_entry *entry;
	struct se_lun *se_lun = NULL;

	rcu_read_lock();
	hlist_for_each_entry_rcu(entry, &tpg->sess->se_node_acl->lun_entry_hlist,
				 link)
		if (entry->mapped_lun == nr &&
		    percpu_ref_tryget_live(&entry->se_lun->lun_ref)) {
			se_lun = entry->se_lun;
			break;
		}
	rcu_read_unlock();
	return se_lun;
}

static bool end_commands(struct ending *end, struct vhost_scsi_tpg *tpg)
{
	struct se_lun *se_lun;
	bool more = false;

	if (end->fn->scope == SCOPE_NEXUS) {
		mutex_lock(&tpg->tpg.tpg_lun_mutex);
		hlist_for_each_entry(se_lun, &tpg->tpg.tpg_lun_hlist, link)
			if (percpu_ref_tryget_live(&se_lun->lun_ref)) {
				more |= end_of_lun(end, tpg, se_lun);
				percpu_ref_put(&se_lun->lun_ref);
			}
		mutex_unlock(&tpg->tpg.tpg_lun_mutex);
		return more;
	}
	/* Those of the well known LUN end by themselves, and at once. */
	if (end->tmf->lun > VHOST_SCSI_MAX_LUN)
		return false;
	se_lun = lun_get(tpg, end->tmf->lun);
	if (!se_lun)
		return false;
	more = end_of_lun(end, tpg, se_lun);
	percpu_ref_put(&se_lun->lun_ref);
	return more;
}

/*
 * What LIO carries out.
 */

static void tmr_finish(struct tmr *tmr)
{
	struct vhost_scsi_tmf *tmf = tmr->tmf;

	tmf->response = tmr->response;
	kfree(tmr);
	vhost_scsi_tmf_done(tmf);
}

static void tmr_begin(struct vhost_scsi_tpg *tpg, struct vhost_scsi_tmf *tmf,
		      u8 function)
{
	struct tmr *tmr = kzalloc(sizeof(*tmr), GFP_KERNEL_ACCOUNT);

	if (!tmr) {
		tmf->response = VIRTIO_SCSI_S_BUSY;
		vhost_scsi_tmf_done(tmf);
		return;
	}
	tmr->tmf = tmf;
	tmr->response = VIRTIO_SCSI_S_BUSY;
	if (target_submit_tmr(&tmr->se_cmd, tpg->sess, NULL, tmf->lun, tmr,
			      function, GFP_KERNEL_ACCOUNT, tmf->tag, 0) < 0)
		tmr_finish(tmr);
}

/**
 * vhost_scsi_fabric_queue_tm_rsp - LIO has carried out a function
 * @se_cmd: of a struct tmr
 */
void vhost_scsi_fabric_queue_tm_rsp(struct se_cmd *se_cmd)
{
	struct tmr *tmr = container_of(se_cmd, struct tmr, se_cmd);
	u8 response = se_cmd->se_tmr_req->response;

	tmr->response = response < ARRAY_SIZE(responses) ?
			responses[response] : VIRTIO_SCSI_S_FAILURE;
}

/**
 * vhost_scsi_tmr_release - LIO does not use the function any more
 * @se_cmd: of a struct tmr
 */
void vhost_scsi_tmr_release(struct se_cmd *se_cmd)
{
	tmr_finish(container_of(se_cmd, struct tmr, se_cmd));
}

/**
 * vhost_scsi_target_tmf - go on with a task management function
 * @ep: the endpoint, which has tmf->target
 * @tmf: the function
 * @busy: commands of the nexus that it concerns are under way
 *
 * This does not wait for the commands that the function ends.
 *
 * Context: may sleep.
 * Return: what is to be done next.
 */
enum vhost_scsi_tmf_state
vhost_scsi_target_tmf(struct vhost_scsi_endpoint *ep,
		      struct vhost_scsi_tmf *tmf, bool busy)
{
	const struct function *fn = &functions[tmf->function];
	struct vhost_scsi_tpg *tpg = ep->tpgs[tmf->target];
	struct ending end = { .fn = fn, .tmf = tmf, .sess = tpg->sess };
	bool first = !tmf->looked;

	if (fn->query) {
		tmf->response = busy ? VIRTIO_SCSI_S_FUNCTION_SUCCEEDED :
				       VIRTIO_SCSI_S_FUNCTION_COMPLETE;
		return VHOST_SCSI_TMF_DONE;
	}
	/* LIO was not able to. */
	if (tmf->response != VIRTIO_SCSI_S_FUNCTION_COMPLETE)
		return VHOST_SCSI_TMF_DONE;
	if (busy || fn->scope == SCOPE_UNIT)
		busy |= end_commands(&end, tpg);
	tmf->looked = true;
	if (first && fn->by_lio && tmf->lun <= VHOST_SCSI_MAX_LUN) {
		tmr_begin(tpg, tmf, fn->tmr);
		return VHOST_SCSI_TMF_WAIT;
	}
	if (busy)
		return VHOST_SCSI_TMF_BUSY;
	if (fn->scope == SCOPE_NEXUS)
		vhost_scsi_nexus_reset(tpg);
	return VHOST_SCSI_TMF_DONE;
}
