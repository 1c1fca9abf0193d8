// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands that a queue's worker must not submit itself, because the backend may sleep
 * in the submission, or because they wait for other commands. They wait in lists of
 * their LUN. A few work items submit them, in the order that the task attributes ask
 * for (SAM-5 8.9): an ORDERED command is submitted alone, after all commands before it
 * and before all commands behind it. Small SIMPLE commands pass large ones, so that a
 * queue full of large commands does not keep other queues waiting.
 *
 * A device that is passed through, and what is behind a "user" backstore, may be a tape or
 * a changer, or may promise its guest that it keeps the order of SIMPLE commands (QUEUE
 * ALGORITHM MODIFIER of 0 in the Control mode page; SPC-4, 7.5.8). All commands to such a
 * LUN that come to the list are submitted as ORDERED ones are. LIO's own devices say that
 * they keep none.
 *
 * target_queue_submission() is not used: PREEMPT AND ABORT would flush the work item
 * that it runs on.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/virtio_scsi.h>
#include <target/target_core_backend.h>

#include "target.h"
#include "trace.h"

/* Commands that a work item of submit_here_wq submits before completions get a turn... */
#define WEIGHT_HERE	32
/* ... and bytes of their data. */
#define WEIGHT_HERE_BYTES	SZ_1M
/* Commands with more data than this may be passed by smaller ones... */
#define SMALL_BYTES	SZ_64K
/* ... but by no more than this many. */
#define PASSING		32
/* How long a worker leaves a LUN alone whose submission slept. */
#define SLOW_TIME	HZ

/**
 * struct backend - a kind of backstore
 * @name: its name in LIO
 * @submitter: where plain commands are submitted
 * @in_order: see struct vhost_scsi_lun
 * @unit: bytes; a piece of a buffer must be a multiple of this and of a block
 */
struct backend {
	const char *name;
	enum vhost_scsi_submitter submitter;
	bool in_order;
	u32 unit;
};

static const struct backend backends[] = {
	{ "rd_mcp", VHOST_SCSI_SUBMIT_COMPLETING, false, SECTOR_SIZE },
	{ "iblock", VHOST_SCSI_SUBMIT_INLINE, false, SECTOR_SIZE },
	{ "fileio", VHOST_SCSI_SUBMIT_ANYWHERE, false, PAGE_SIZE },
	{ "pscsi", VHOST_SCSI_SUBMIT_INLINE, true, PAGE_SIZE },
};

/* Of a longer command LIO's fileio logs a line, and fails it. */
#define FILE_BYTES	SZ_8M

/*
 * All other backstores, such as "user". Their submission may sleep. LIO knows the block
 * size of a block device only. It does not know what a passed-through device or the disk
 * below a file needs, so their unit is a page, which is enough for all of them.
 */
static const struct backend other_backend = {
	.submitter = VHOST_SCSI_SUBMIT_ANYWHERE,
	.in_order = true,
	.unit = PAGE_SIZE,
};

static const struct backend *backend_of(const struct se_device *dev)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(backends); i++)
		if (!strcmp(dev->transport->name, backends[i].name))
			return &backends[i];
	return &other_backend;
}

/**
 * vhost_scsi_max_bytes - how many bytes LIO can be asked to read or write at a time
 * @dev: the backstore
 */
u32 vhost_scsi_max_bytes(const struct se_device *dev)
{
	if (vhost_scsi_has_large_blocks(dev))
		return 0;
	return strcmp(dev->transport->name, "fileio") ? VHOST_SCSI_MAX_DATA :
							FILE_BYTES;
}

/* Guest pages are scattered, so no buffer of them suits blocks larger than a page. */
static u32 cut_mask_of(const struct se_device *dev)
{
	u32 unit = max3(backend_of(dev)->unit, dev->dev_attrib.block_size,
			dev->dev_attrib.hw_block_size);

	return unit > PAGE_SIZE ? U32_MAX : unit - 1;
}

/* The task attribute that the guest asked for. LIO sees all commands as SIMPLE. */
static u8 wanted_attr(struct vhost_scsi_tcmd *t)
{
	return vhost_scsi_cmd(t)->task_attr;
}

static bool orders(u8 attr)
{
	return attr == VIRTIO_SCSI_S_ORDERED || attr == VIRTIO_SCSI_S_HEAD;
}

/* Of a command in a list. */
static bool is_ordering(const struct vhost_scsi_tcmd *t)
{
	return orders(t->task_attr);
}

/**
 * vhost_scsi_lun_defers - must a work item submit the command
 * @lun: LUN of the command
 * @t: after target_submit_prep()
 */
bool vhost_scsi_lun_defers(struct vhost_scsi_lun *lun,
			   struct vhost_scsi_tcmd *t)
{
	return READ_ONCE(lun->submitter) != VHOST_SCSI_SUBMIT_INLINE ||
	       orders(wanted_attr(t)) || READ_ONCE(lun->held) ||
	       !vhost_scsi_cdb_is_plain(t->se_cmd.t_task_cdb);
}

static bool has_waiting(const struct vhost_scsi_lun *lun)
{
	return !list_empty(&lun->waiting) || !list_empty(&lun->large);
}

/* Takes the next command that may be submitted, or NULL. Under lun->lock. */
static struct vhost_scsi_tcmd *lun_next(struct vhost_scsi_lun *lun)
{
	struct list_head *from = &lun->waiting;
	struct vhost_scsi_tcmd *t;

	if (!has_waiting(lun) || lun->ordered)
		return NULL;
	if (!list_empty(&lun->large) && (list_empty(&lun->waiting) ||
					 lun->passed++ >= PASSING)) {
		from = &lun->large;
		lun->passed = 0;
	}
	t = list_first_entry(from, struct vhost_scsi_tcmd, node);
	if (t->task_attr == VIRTIO_SCSI_S_ORDERED) {
		if (lun->submitting)
			return NULL;
		lun->ordered = true;
	}
	list_del(&t->node);
	lun->submitting++;
	return t;
}

static void work_queue(struct vhost_scsi_lun_work *lw)
{
	struct vhost_scsi_tpg *tpg = lw->lun->tpg;

	if (lw->here)
		queue_work_on(lw->cpu, tpg->submit_here_wq, &lw->work);
	else
		queue_work(tpg->submit_wq, &lw->work);
}

/* Queues an idle work item, if commands wait. Under lun->lock. */
static void lun_kick(struct vhost_scsi_lun *lun)
{
	bool here = lun->submitter == VHOST_SCSI_SUBMIT_HERE;
	struct vhost_scsi_lun_work *lw, *idle = NULL;
	int cpu = smp_processor_id();
	bool first = true;

	lockdep_assert_held(&lun->lock);
	/* What is submitted alone is followed by the next when it was, by its work item. */
	if (!has_waiting(lun) || lun->ordered)
		return;
	for (lw = lun->works; lw < lun->works + VHOST_SCSI_LUN_WORKS; lw++) {
		first &= !lw->active;
		if (!lw->active)
			idle = lw;
		/* A second work item on this processor would only run after it. */
		else if (here && lw->cpu == cpu && !lw->slow)
			return;
	}
	if (!idle)
		return;
	idle->active = true;
	/*
	 * A single command completes soonest on the processor that submits it. With
	 * several, further work items may run on any processor.
	 */
	idle->here = here || first;
	idle->cpu = cpu;
	work_queue(idle);
}

/* A command with this attribute was submitted; under lun->lock. */
static void submitted(struct vhost_scsi_lun *lun, u8 attr)
{
	lun->submitting--;
	if (attr == VIRTIO_SCSI_S_ORDERED)
		lun->ordered = false;
	if (!orders(attr))
		return;
	lun->held--;
	/* Those who found nothing to do because of it; one work item keeps the order. */
	if (!lun->in_order)
		lun_kick(lun);
}

/**
 * vhost_scsi_lun_submitted - a command that was handed on was submitted
 * @lun: the command's, which may be gone
 * @attr: the command's task attribute
 *
 * Context: process.
 */
void vhost_scsi_lun_submitted(struct vhost_scsi_lun *lun, u8 attr)
{
	spin_lock_irq(&lun->lock);
	submitted(lun, attr);
	/* An ORDERED command that waited for it. */
	lun_kick(lun);
	spin_unlock_irq(&lun->lock);
}

/* A submission has slept; under lun->lock. */
static void slow_down(struct vhost_scsi_lun *lun)
{
	lun->slow_until = jiffies + SLOW_TIME;
	if (!lun->slow)
		lun->held++;
	lun->slow = true;
}

/* The time is over, nothing is held, and the worker may try again; under lun->lock. */
static void speed_up(struct vhost_scsi_lun *lun)
{
	if (!lun->slow || lun->submitting ||
	    time_before(jiffies, lun->slow_until))
		return;
	lun->slow = false;
	lun->held--;
}

static noinline void has_slept(struct vhost_scsi_lun *lun)
{
	/* Of others it is known. */
	if (READ_ONCE(lun->submitter) != VHOST_SCSI_SUBMIT_INLINE)
		return;
	spin_lock_irq(&lun->lock);
	slow_down(lun);
	spin_unlock_irq(&lun->lock);
}

/**
 * vhost_scsi_lun_submit - submit a plain command here and now
 * @lun: LUN of the command; stays during the call
 * @t: prepared, and not in a list
 *
 * If that sleeps, and a tick passes meanwhile, the commands of the next SLOW_TIME go to
 * the list. So a backend that makes each submission sleep keeps the worker from other
 * LUNs for about one tick of each SLOW_TIME, however long each sleep is. That a thread
 * was preempted does not count.
 *
 * Context: process.
 */
void vhost_scsi_lun_submit(struct vhost_scsi_lun *lun,
			   struct vhost_scsi_tcmd *t)
{
	unsigned long sleeps = current->nvcsw, start = jiffies;

	target_submit(&t->se_cmd);
	if (unlikely(current->nvcsw != sleeps && time_after(jiffies, start)))
		has_slept(lun);
}

/* What this thread has submitted goes to the devices now. */
static void flush_plug(void)
{
	struct blk_plug *plug = current->plug;

	if (!plug)
		return;
	blk_finish_plug(plug);
	blk_start_plug(plug);
}

/**
 * vhost_scsi_target_held - a worker is held in a submission
 * @lun: to this LUN; the caller owes vhost_scsi_target_released()
 *
 * Commands that the guest made available later queue up. An ORDERED one waits for the
 * one that is submitted.
 */
void vhost_scsi_target_held(struct vhost_scsi_lun *lun)
{
	spin_lock_irq(&lun->lock);
	lun->submitting++;
	lun->held++;
	slow_down(lun);
	spin_unlock_irq(&lun->lock);
}

/**
 * vhost_scsi_target_released - the worker is back from that submission
 * @lun: the LUN
 *
 * Context: the thread of the worker; may sleep.
 */
void vhost_scsi_target_released(struct vhost_scsi_lun *lun)
{
	/* An ORDERED command must not pass what was submitted. */
	flush_plug();
	spin_lock_irq(&lun->lock);
	lun->submitting--;
	lun->held--;
	lun_kick(lun);
	spin_unlock_irq(&lun->lock);
}

static void lun_work(struct work_struct *work)
{
	struct vhost_scsi_lun_work *lw;
	struct vhost_scsi_lun *lun;
	struct vhost_scsi_tcmd *t;
	unsigned int n = 0;
	bool handed_on;
	u64 bytes = 0;
	u8 attr;

	lw = container_of(work, struct vhost_scsi_lun_work, work);
	lun = lw->lun;

	spin_lock_irq(&lun->lock);
	while ((t = lun_next(lun))) {
		bytes += t->se_cmd.data_length;
		lw->slow = !vhost_scsi_cdb_is_plain(t->se_cmd.t_task_cdb);
		attr = t->task_attr;
		spin_unlock_irq(&lun->lock);

		handed_on = t->takes_turn;
		vhost_scsi_at(vhost_scsi_cmd(t), handed_on ? VHOST_SCSI_AT_TURN :
							     VHOST_SCSI_AT_BACKEND);
		if (!handed_on)
			trace_vhost_scsi_submit(vhost_scsi_cmd(t));
		if (handed_on)
			vhost_scsi_turn_queue(t);
		else if (lw->slow)
			target_submit(&t->se_cmd);
		else
			vhost_scsi_lun_submit(lun, t);

		spin_lock_irq(&lun->lock);
		lw->slow = false;
		if (!handed_on)
			submitted(lun, attr);
		n++;
		if (lw->here && (n >= WEIGHT_HERE || bytes >= WEIGHT_HERE_BYTES))
			break;
	}
	speed_up(lun);
	lw->active = t && has_waiting(lun);
	if (lw->active)
		work_queue(lw);
	spin_unlock_irq(&lun->lock);
}

/**
 * vhost_scsi_lun_queue - have a work item submit the command
 * @lun: LUN of the command
 * @t: after target_submit_prep()
 *
 * Context: process. May sleep if the caller has submitted others to a backend.
 */
void vhost_scsi_lun_queue(struct vhost_scsi_lun *lun,
			  struct vhost_scsi_tcmd *t)
{
	u8 attr = wanted_attr(t);
	unsigned long flags;

	vhost_scsi_at(vhost_scsi_cmd(t), VHOST_SCSI_AT_LUN);
	t->task_attr = lun->in_order && attr != VIRTIO_SCSI_S_HEAD ?
		       VIRTIO_SCSI_S_ORDERED : attr;
	if (is_ordering(t))
		flush_plug();
	spin_lock_irqsave(&lun->lock, flags);
	if (is_ordering(t)) {
		/* No command passes another while an order has to be kept. */
		list_splice_tail_init(&lun->large, &lun->waiting);
		lun->held++;
	}
	if (attr == VIRTIO_SCSI_S_HEAD)
		list_add(&t->node, &lun->waiting);
	else if (t->se_cmd.data_length > SMALL_BYTES && !lun->held)
		list_add_tail(&t->node, &lun->large);
	else
		list_add_tail(&t->node, &lun->waiting);
	lun_kick(lun);
	spin_unlock_irqrestore(&lun->lock, flags);
}

/* Moves those that match to the list @picked; under lun->lock. */
static void pick(struct vhost_scsi_lun *lun, struct list_head *from,
		 struct list_head *picked,
		 bool (*match)(const struct vhost_scsi_tcmd *t,
			       const void *priv),
		 const void *priv)
{
	struct vhost_scsi_tcmd *t, *next;

	list_for_each_entry_safe(t, next, from, node) {
		if (!match(t, priv))
			continue;
		list_move_tail(&t->node, picked);
		if (is_ordering(t))
			lun->held--;
	}
}

/**
 * vhost_scsi_lun_pick - take back commands that were not submitted yet
 * @lun: the LUN
 * @picked: they are added to it, by their @node; the caller ends them
 * @match: which ones; a leaf
 * @priv: for @match
 *
 * Context: may sleep.
 */
void vhost_scsi_lun_pick(struct vhost_scsi_lun *lun, struct list_head *picked,
			 bool (*match)(const struct vhost_scsi_tcmd *t,
				       const void *priv),
			 const void *priv)
{
	spin_lock_irq(&lun->lock);
	pick(lun, &lun->waiting, picked, match, priv);
	pick(lun, &lun->large, picked, match, priv);
	lun_kick(lun);
	spin_unlock_irq(&lun->lock);
}

static void lun_init(struct vhost_scsi_lun *lun, struct vhost_scsi_tpg *tpg)
{
	unsigned int i;

	lun->tpg = tpg;
	/* Unless it is known to be another. */
	lun->in_order = true;
	lun->cut_mask = U32_MAX;
	spin_lock_init(&lun->lock);
	INIT_LIST_HEAD(&lun->waiting);
	INIT_LIST_HEAD(&lun->large);
	for (i = 0; i < ARRAY_SIZE(lun->works); i++) {
		INIT_WORK(&lun->works[i].work, lun_work);
		lun->works[i].lun = lun;
	}
}

static bool lun_is_active(struct vhost_scsi_lun *lun)
{
	bool active = false;
	unsigned int i;

	spin_lock_irq(&lun->lock);
	for (i = 0; i < ARRAY_SIZE(lun->works); i++)
		active |= lun->works[i].active;
	/* One that was handed on. */
	active |= lun->submitting;
	spin_unlock_irq(&lun->lock);
	return active;
}

/*
 * Waits until no work item is active. No command is queued any more, but the last work
 * item may be about to return. flush_work() could deadlock: a work item may take locks
 * of configfs (PERSISTENT RESERVE OUT), which the caller holds.
 */
static void lun_flush(struct vhost_scsi_lun *lun)
{
	while (lun_is_active(lun))
		msleep(20);
}

/**
 * vhost_scsi_tpg_init_luns - initialise the LUNs of a new TPG
 * @tpg: the TPG; the caller owes vhost_scsi_tpg_free_luns()
 *
 * A workqueue runs a bounded number of work items at a time (max_active), and a work item
 * that a hanging backend blocks counts as one of them. So each TPG has workqueues of its
 * own, and a guest whose backends hang does not keep other guests waiting.
 *
 * Return: 0 or -ENOMEM.
 */
int vhost_scsi_tpg_init_luns(struct vhost_scsi_tpg *tpg)
{
	xa_init(&tpg->luns);
	lun_init(&tpg->any_lun, tpg);
	tpg->submit_wq = alloc_workqueue("vhost_scsi_submit",
					 WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!tpg->submit_wq)
		return -ENOMEM;
	tpg->submit_here_wq = alloc_workqueue("vhost_scsi_here",
					      WQ_PERCPU | WQ_MEM_RECLAIM, 0);
	if (!tpg->submit_here_wq) {
		destroy_workqueue(tpg->submit_wq);
		return -ENOMEM;
	}
	return 0;
}

/**
 * vhost_scsi_tpg_add_lun - a backstore was linked
 * @tpg: the TPG
 * @se_lun: the LUN
 *
 * Return: 0. -ENOMEM: there is no struct, and commands use tpg->any_lun.
 */
int vhost_scsi_tpg_add_lun(struct vhost_scsi_tpg *tpg,
			   const struct se_lun *se_lun)
{
	u64 nr = se_lun->unpacked_lun;
	struct vhost_scsi_lun *lun = xa_load(&tpg->luns, nr);
	struct se_device *dev;
	int ret;

	/* No guest can address it. */
	if (nr > VHOST_SCSI_MAX_LUN)
		return 0;
	if (!lun) {
		lun = kzalloc(sizeof(*lun), GFP_KERNEL);
		if (!lun)
			return -ENOMEM;
		lun_init(lun, tpg);
		ret = xa_err(xa_store(&tpg->luns, nr, lun, GFP_KERNEL));
		if (ret) {
			kfree(lun);
			return ret;
		}
		if (nr < VHOST_SCSI_LOW_LUNS)
			/* Pairs with the address dependency of vhost_scsi_tpg_lun(). */
			smp_store_release(&tpg->low_luns[nr], lun);
	}
	/* The backstore stays linked until this returns. */
	dev = rcu_dereference_raw(se_lun->lun_se_dev);
	vhost_scsi_capacity_note(lun, dev);
	/* No command of the last one is left. */
	lun->in_order = backend_of(dev)->in_order;
	WRITE_ONCE(lun->dev, dev);
	WRITE_ONCE(lun->submitter, backend_of(dev)->submitter);
	WRITE_ONCE(lun->cut_mask, cut_mask_of(dev));
	WRITE_ONCE(lun->max_bytes, vhost_scsi_max_bytes(dev));
	WRITE_ONCE(lun->blocks, 0);
	WRITE_ONCE(lun->pr_lacks, 0);
	vhost_scsi_pace_reset(lun);
	lun->aptpl_failures = 0;
	lun->linked = true;
	vhost_scsi_tpg_map_lun(tpg, lun, nr);
	return 0;
}

/**
 * vhost_scsi_tpg_remove_lun - a backstore is about to be unlinked
 * @tpg: the TPG
 * @nr: the LUN
 */
void vhost_scsi_tpg_remove_lun(struct vhost_scsi_tpg *tpg, u64 nr)
{
	struct vhost_scsi_lun *lun = xa_load(&tpg->luns, nr);

	if (!lun)
		return;
	lun->linked = false;
	vhost_scsi_tpg_map_lun(tpg, lun, nr);
	/* The same backstore may be linked again with another block size or capacity. */
	WRITE_ONCE(lun->cut_mask, U32_MAX);
	WRITE_ONCE(lun->blocks, 0);
}

/**
 * vhost_scsi_tpg_free_luns - free the LUNs of a TPG
 * @tpg: has no nexus, and so no command
 *
 * Context: may sleep.
 */
void vhost_scsi_tpg_free_luns(struct vhost_scsi_tpg *tpg)
{
	struct vhost_scsi_lun *lun;
	unsigned long nr;

	lun_flush(&tpg->any_lun);
	xa_for_each(&tpg->luns, nr, lun) {
		lun_flush(lun);
		kfree(lun);
	}
	xa_destroy(&tpg->luns);
	destroy_workqueue(tpg->submit_here_wq);
	destroy_workqueue(tpg->submit_wq);
}
