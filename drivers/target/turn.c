// SPDX-License-Identifier: GPL-2.0-only
/*
 * One reservation command at a time for a device.
 *
 * LIO, of 6.1 to 7.3, goes through a device's list of registrations and lets go
 * of its lock at each, and waits with a lock held until others let go of a
 * registration that it removes. With two of these commands at once it uses
 * registrations that it has freed, or two processors wait for each other. So they
 * are queued here by device, and submitted by one work item: each nexus's in the
 * order of their arrival, and one of each nexus in turn, so that a guest that sends many
 * does not keep another one waiting, such as one that fences it. Nobody waits for it: a
 * LUN's own work items hand a command over and go on.
 *
 * Unlinking a LUN removes its registrations in the same way. It has its turn from
 * pre_unlink() until LIO closes the LUN to commands, which is what LIO does next.
 *
 * Commands of other fabrics are not seen here.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/slab.h>
#include <linux/wait.h>
#include <target/target_core_backend.h>

#include "target.h"
#include "trace.h"

/* Commands of a device before those of others have the thread. */
#define WEIGHT	32

/**
 * struct turns - the queue of a device; exists while it has something to do
 * @node: in the list of all
 * @dev: the device; only compared
 * @lines: a line for each nexus that has commands here; the first one is next
 * @leaving: LUNs that are unlinked: no command runs
 * @running: a command runs
 * @work: runs them; queued or running as long as the struct exists
 */
struct turns {
	struct list_head node;
	const struct se_device *dev;
	struct list_head lines;
	struct list_head leaving;
	bool running;
	struct delayed_work work;
};

/**
 * struct line - the commands of a nexus for a device
 * @node: in turns->lines
 * @sess: the nexus; only compared
 * @waiting: in the order of their arrival; there is one
 */
struct line {
	struct list_head node;
	const struct se_session *sess;
	struct list_head waiting;
};

/**
 * struct leaver - a LUN that is unlinked
 * @node: in turns->leaving
 * @lun: with a reference to its directory, and so to its memory
 */
struct leaver {
	struct list_head node;
	struct se_lun *lun;
};

static struct workqueue_struct *turn_wq;
static LIST_HEAD(all_turns);
static DEFINE_SPINLOCK(turns_lock);	/* guards all of it; a leaf */
static DECLARE_WAIT_QUEUE_HEAD(turn_ended);

static void leavers_free(struct list_head *gone)
{
	struct leaver *l, *next;

	list_for_each_entry_safe(l, next, gone, node) {
		config_item_put(&l->lun->lun_group.cg_item);
		kfree(l);
	}
}

/* Those that LIO has closed have no registration any more. */
static void collect_gone(struct turns *q, struct list_head *gone)
{
	struct leaver *l, *next;

	list_for_each_entry_safe(l, next, &q->leaving, node)
		if (percpu_ref_is_dying(&l->lun->lun_ref))
			list_move(&l->node, gone);
}

static struct vhost_scsi_tcmd *turn_next(struct turns *q)
{
	struct vhost_scsi_tcmd *t;
	struct line *line;

	line = list_first_entry_or_null(&q->lines, struct line, node);
	q->running = line;
	if (!line)
		return NULL;
	t = list_first_entry(&line->waiting, struct vhost_scsi_tcmd, node);
	list_del(&t->node);
	list_move_tail(&line->node, &q->lines);
	if (list_empty(&line->waiting)) {
		list_del(&line->node);
		kfree(line);
	}
	return t;
}

/*
 * As target_submit(), but always here: with submit_type=2 that would leave it
 * to a work item of LIO, and return before the turn is over.
 */
static void run(struct vhost_scsi_tcmd *t)
{
	u8 attr = t->task_attr;
	struct se_cmd *se_cmd = &t->se_cmd;
	struct vhost_scsi_lun *lun = t->lun;
	sense_reason_t reason;

	vhost_scsi_at(vhost_scsi_cmd(t), VHOST_SCSI_AT_BACKEND);
	trace_vhost_scsi_submit(vhost_scsi_cmd(t));
	se_cmd->t_state = TRANSPORT_NEW_CMD;
	se_cmd->transport_state |= CMD_T_ACTIVE;
	reason = transport_generic_new_cmd(se_cmd);
	if (reason)
		transport_generic_request_failure(se_cmd, reason);
	/* The command may be gone. */
	vhost_scsi_lun_submitted(lun, attr);
}

static void turn_work(struct work_struct *work)
{
	struct turns *q = container_of(work, struct turns, work.work);
	struct vhost_scsi_tcmd *t;
	unsigned int n = 0;
	LIST_HEAD(gone);

	spin_lock(&turns_lock);
	collect_gone(q, &gone);
	while (list_empty(&q->leaving) && n++ < WEIGHT && (t = turn_next(q))) {
		spin_unlock(&turns_lock);
		run(t);
		spin_lock(&turns_lock);
		q->running = false;
		/* A LUN may have begun to leave meanwhile. */
		wake_up_all(&turn_ended);
		collect_gone(q, &gone);
	}
	if (!list_empty(&q->leaving)) {
		queue_delayed_work(turn_wq, &q->work, 1);
	} else if (!list_empty(&q->lines)) {
		queue_delayed_work(turn_wq, &q->work, 0);
	} else {
		list_del(&q->node);
		kfree(q);
	}
	spin_unlock(&turns_lock);
	leavers_free(&gone);
}

static struct turns *turns_new(const struct se_device *dev, gfp_t gfp)
{
	struct turns *q = kzalloc(sizeof(*q), gfp);

	if (!q)
		return NULL;
	q->dev = dev;
	INIT_LIST_HEAD(&q->lines);
	INIT_LIST_HEAD(&q->leaving);
	INIT_DELAYED_WORK(&q->work, turn_work);
	return q;
}

/* The device's queue, or @new made it; under turns_lock. */
static struct turns *turns_of(struct turns **new)
{
	struct turns *q;

	list_for_each_entry(q, &all_turns, node)
		if (q->dev == (*new)->dev)
			return q;
	q = *new;
	*new = NULL;
	list_add(&q->node, &all_turns);
	queue_delayed_work(turn_wq, &q->work, 0);
	return q;
}

static struct line *line_new(const struct se_session *sess)
{
	struct line *line = kzalloc(sizeof(*line), GFP_KERNEL_ACCOUNT);

	if (!line)
		return NULL;
	line->sess = sess;
	INIT_LIST_HEAD(&line->waiting);
	return line;
}

/* The nexus's line, or @new made it; under turns_lock. */
static struct line *line_of(struct turns *q, struct line **new)
{
	struct line *line;

	list_for_each_entry(line, &q->lines, node)
		if (line->sess == (*new)->sess)
			return line;
	line = *new;
	*new = NULL;
	list_add_tail(&line->node, &q->lines);
	return line;
}

/**
 * vhost_scsi_turn_queue - have the command submitted when it is its turn
 * @t: counted in its LUN; vhost_scsi_lun_submitted() will be called for it
 *
 * Context: process; does not wait for other commands.
 */
void vhost_scsi_turn_queue(struct vhost_scsi_tcmd *t)
{
	u8 attr = t->task_attr;
	struct vhost_scsi_lun *lun = t->lun;
	struct turns *new = turns_new(t->se_cmd.se_dev, GFP_KERNEL_ACCOUNT);
	struct line *line = line_new(t->se_cmd.se_sess);

	if (!new || !line) {
		kfree(new);
		kfree(line);
		transport_generic_request_failure(&t->se_cmd,
						  TCM_OUT_OF_RESOURCES);
		vhost_scsi_lun_submitted(lun, attr);
		return;
	}
	spin_lock(&turns_lock);
	list_add_tail(&t->node, &line_of(turns_of(&new), &line)->waiting);
	spin_unlock(&turns_lock);
	kfree(new);
	kfree(line);
}

static bool has_stopped(const struct turns *q)
{
	bool stopped;

	spin_lock(&turns_lock);
	stopped = !q->running;
	spin_unlock(&turns_lock);
	return stopped;
}

/**
 * vhost_scsi_turn_leave - a LUN is about to be unlinked
 * @se_lun: the LUN; LIO closes it to commands when its registrations are gone
 *
 * Until then no reservation command of its device runs.
 *
 * Context: may sleep, while one runs; the caller holds configfs' locks of the
 * LUN, which no reservation command takes.
 */
void vhost_scsi_turn_leave(struct se_lun *se_lun)
{
	const struct se_device *dev = rcu_dereference_raw(se_lun->lun_se_dev);
	struct leaver *l = kzalloc(sizeof(*l), GFP_KERNEL | __GFP_NOFAIL);
	struct turns *new = turns_new(dev, GFP_KERNEL | __GFP_NOFAIL);
	struct turns *q;

	config_group_get(&se_lun->lun_group);
	l->lun = se_lun;
	spin_lock(&turns_lock);
	q = turns_of(&new);
	list_add_tail(&l->node, &q->leaving);
	spin_unlock(&turns_lock);
	kfree(new);
	/* The queue stays as long as the LUN is in it. */
	wait_event(turn_ended, has_stopped(q));
}

/**
 * vhost_scsi_turn_linked - a LUN that was unlinked is linked again
 * @se_lun: the LUN; takes commands
 */
void vhost_scsi_turn_linked(const struct se_lun *se_lun)
{
	struct leaver *l, *next;
	struct turns *q;
	LIST_HEAD(gone);

	spin_lock(&turns_lock);
	list_for_each_entry(q, &all_turns, node)
		list_for_each_entry_safe(l, next, &q->leaving, node)
			if (l->lun == se_lun)
				list_move(&l->node, &gone);
	spin_unlock(&turns_lock);
	leavers_free(&gone);
}

int vhost_scsi_turns_init(void)
{
	turn_wq = alloc_workqueue("vhost_scsi_turn",
				  WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return turn_wq ? 0 : -ENOMEM;
}

void vhost_scsi_turns_exit(void)
{
	/* LUNs that have left, until the work item sees it. */
	while (!list_empty_careful(&all_turns))
		schedule_timeout_uninterruptible(1);
	destroy_workqueue(turn_wq);
}
