// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serves the queues of a worker while a submission holds its thread.
 *
 * A backend that usually only starts the I/O sleeps in the submission when it has no tag
 * left, throttles writes, or its queue is frozen. The module cannot know this before it
 * submits. While the thread sleeps there, all other queues and LUNs of the device would
 * wait for one backend.
 *
 * So the thread gives up vq->mutex while it submits a batch of chains. A timer looks
 * every PERIOD whether the thread still is in the same submission. If it is, two work items
 * take the thread's place: the relief takes the rest of the batch, and then the stand-in
 * does all that is queued to the worker. It submits nothing itself, so it is never held, and
 * one is enough. When the thread is back, it waits for both to end and goes on.
 *
 * The stand-in may wait for the owner, as the thread may: for a page of the owner's memory,
 * or for an ioctl of the owner. The relief must not: the batch has references to LUNs, and
 * whoever removes such a LUN waits for them.
 *
 * The thread pays for this with plain stores. Between two submissions it disables
 * preemption, which is an RCU read-side section. In it the thread reads w->held and then
 * counts the command that it begins:
 *
 *	thread				w->relief
 *	 if (w->held)			 w->held = true (the timer)
 *	   wait for w->relief		 synchronize_rcu()
 *	 batch->at++			 take all from batch->at on
 *
 * After the grace period the thread is in the submission before batch->at, or it sees
 * w->held before the next one, and waits. Either way it does not touch the rest of the
 * batch.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>

#include "internal.h"

/* How often the timer looks, in jiffies. It detects a thread that is held for two periods. */
#define PERIOD	msecs_to_jiffies(40)

/**
 * vhost_scsi_submit_begin - the thread begins to submit w->batch
 * @w: the worker that calls
 * @vq: the queue of the batch, of which the caller holds a reference
 *
 * The caller submits what vhost_scsi_submit_next() says, until that is negative, and then
 * calls vhost_scsi_submit_end(). It uses nothing of the worker meanwhile.
 *
 * Context: @vq->mutex is held; this releases it.
 */
void vhost_scsi_submit_begin(struct vhost_scsi_worker *w,
			     struct vhost_scsi_vq *vq)
{
	w->batch.vq = vq;
	vq->submitter = w;
	WRITE_ONCE(w->batch.at, 0);
	WRITE_ONCE(w->batches, w->batches + VHOST_SCSI_BATCH + 1);
	/* Pairs with watch_timer(): it sees @submitting, or the timer is not pending below. */
	smp_store_mb(w->submitting, true);
	if (!timer_pending(&w->watch))
		mod_timer(&w->watch, jiffies + PERIOD);
	mutex_unlock(&vq->mutex);
}

/* The thread is back from a submission. It takes its place again. */
static void come_back(struct vhost_scsi_worker *w)
{
	const struct vhost_scsi_vq_ops *ops = w->batch.vq->ops;

	spin_lock_irq(&w->held_lock);
	WRITE_ONCE(w->held, false);
	WRITE_ONCE(w->batches, w->batches + 1);
	spin_unlock_irq(&w->held_lock);
	cancel_work_sync(&w->relief);
	/* Before the wait for the stand-in, which may wait for the owner. */
	if (w->relieved && ops->come_back)
		ops->come_back(w);
	/* Nobody queues the stand-in any more: new work wakes the thread. */
	cancel_work_sync(&w->standin);
	/* With the lock, so that the next stand-in, or else this thread, sees the other. */
	spin_lock_irq(&w->held_lock);
	WRITE_ONCE(w->relieved, false);
	spin_unlock_irq(&w->held_lock);
}

/**
 * vhost_scsi_submit_wait - wait until the relief and the stand-in have ended
 * @w: the worker that calls
 *
 * Context: an RCU-sched read-side section, which this leaves and enters again.
 */
void vhost_scsi_submit_wait(struct vhost_scsi_worker *w)
{
	do {
		rcu_read_unlock_sched();
		come_back(w);
		rcu_read_lock_sched();
	} while (READ_ONCE(w->held));
}

/**
 * vhost_scsi_submit_end - the thread has submitted w->batch
 * @w: the worker that calls; its queue may have been stopped meanwhile
 *
 * Context: the mutex of the queue is not held; this takes it.
 */
void vhost_scsi_submit_end(struct vhost_scsi_worker *w)
{
	struct vhost_scsi_vq *vq = w->batch.vq;

	rcu_read_lock_sched();
	if (unlikely(READ_ONCE(w->held)))
		vhost_scsi_submit_wait(w);
	WRITE_ONCE(w->submitting, false);
	rcu_read_unlock_sched();
	w->batch.nr = 0;
	/* mutex_lock() would first let others run, such as a thread that completes the batch. */
	if (!mutex_trylock(&vq->mutex))
		mutex_lock(&vq->mutex);
	/* If the batch was taken over, another worker may be the submitter now. */
	if (likely(vq->submitter == w))
		vq->submitter = NULL;
	/* Pairs with VHOST_ATTACH_VRING_WORKER: the new worker may have got no chains. */
	if (unlikely(rcu_access_pointer(vq->worker) != w))
		vhost_scsi_vq_queue(vq);
}

/**
 * vhost_scsi_standin_wake - have the stand-in look for work, if the thread is held
 * @w: the worker
 *
 * Context: any.
 * Return: false: the thread is not held any more.
 */
bool vhost_scsi_standin_wake(struct vhost_scsi_worker *w)
{
	unsigned long flags;
	bool held;

	spin_lock_irqsave(&w->held_lock, flags);
	held = w->held;
	if (held)
		queue_work(w->wq->wq, &w->standin);
	spin_unlock_irqrestore(&w->held_lock, flags);
	return held;
}

static void watch_timer(struct timer_list *timer)
{
	struct vhost_scsi_worker *w;
	unsigned long now, flags;
	bool submitting, same;

	w = container_of(timer, struct vhost_scsi_worker, watch);
	/* Pairs with vhost_scsi_submit_begin(), which sees that the timer has expired. */
	smp_mb();
	spin_lock_irqsave(&w->held_lock, flags);
	submitting = READ_ONCE(w->submitting);
	now = READ_ONCE(w->batches) + READ_ONCE(w->batch.at);
	same = now == w->watched;
	w->watched = now;
	if (submitting && same && !w->held) {
		WRITE_ONCE(w->held, true);
		queue_work(vhost_scsi_dev_wq, &w->relief);
	}
	spin_unlock_irqrestore(&w->held_lock, flags);
	/* If nothing was submitted for a period, the next batch starts the timer. */
	if (submitting || !same)
		mod_timer(timer, jiffies + PERIOD);
}

static void relief_work(struct work_struct *work)
{
	const struct vhost_scsi_vq_ops *ops;
	struct vhost_scsi_worker *w;

	w = container_of(work, struct vhost_scsi_worker, relief);
	/* The thread may wait in come_back(), for the stand-in. */
	if (READ_ONCE(w->relieved) || !READ_ONCE(w->held))
		goto wake;
	/* See the top of this file. */
	synchronize_rcu();
	/*
	 * Acquire: pairs with vhost_scsi_submit_begin(). The thread may submit the next batch
	 * by now. A thread that only waits for a processor is not held by a backend. Its plug
	 * may have commands for any LUN, which an ORDERED command would pass. A thread that
	 * sleeps has submitted those of its plug.
	 */
	if (!smp_load_acquire(&w->submitting) || task_is_running(w->task)) {
		spin_lock_irq(&w->held_lock);
		WRITE_ONCE(w->held, false);
		spin_unlock_irq(&w->held_lock);
		/* For work that was queued meanwhile: the stand-in does not do it. */
		vhost_scsi_worker_wake(w);
		return;
	}
	ops = w->batch.vq->ops;
	if (ops->take_over)
		ops->take_over(w);
	/* The rest of the batch was taken over. */
	w->batch.nr = w->batch.at;
	WRITE_ONCE(w->relieved, true);
wake:
	vhost_scsi_standin_wake(w);
}

/* The batch was taken over, so others may get chains from its queue. */
static void leave_queue(struct vhost_scsi_worker *w)
{
	struct vhost_scsi_vq *vq = w->batch.vq;

	/*
	 * The queue was left already, and may have another submitter: the thread may be
	 * held once more, when it ends its plug.
	 */
	if (READ_ONCE(vq->submitter) != w)
		return;
	mutex_lock(&vq->mutex);
	vq->submitter = NULL;
	mutex_unlock(&vq->mutex);
	/* The guest does not kick for chains that it has added meanwhile. */
	vhost_scsi_vq_queue(vq);
}

/* The thread waits for the end of this before it leaves the owner's mm. */
static void standin_work(struct work_struct *work)
{
	struct vhost_scsi_worker *w;
	struct mem_cgroup *memcg;
	struct mm_struct *mm;

	w = container_of(work, struct vhost_scsi_worker, standin);
	/* It may have been queued before the relief has run, or before @held was cleared. */
	if (!READ_ONCE(w->held) || !READ_ONCE(w->relieved))
		return;

	leave_queue(w);
	mm = w->task->mm;
	kthread_use_mm(mm);
	memcg = get_mem_cgroup_from_mm(mm);
	set_active_memcg(memcg);
	w->acting = true;
	vhost_scsi_worker_run(w);
	w->acting = false;
	set_active_memcg(NULL);
	mem_cgroup_put(memcg);
	kthread_unuse_mm(mm);
	/* Who queued it may have woken the thread. */
	if (!llist_empty(&w->works))
		vhost_scsi_worker_wake(w);
}

/**
 * vhost_scsi_standin_init - prepare the stand-in of a worker, once
 * @w: zeroed
 */
void vhost_scsi_standin_init(struct vhost_scsi_worker *w)
{
	timer_setup(&w->watch, watch_timer, 0);
	spin_lock_init(&w->held_lock);
	INIT_WORK(&w->relief, relief_work);
	INIT_WORK(&w->standin, standin_work);
}

/**
 * vhost_scsi_standin_cancel - wait until nothing of the stand-in is left
 * @w: has ended
 *
 * Context: may sleep.
 */
void vhost_scsi_standin_cancel(struct vhost_scsi_worker *w)
{
	timer_delete_sync(&w->watch);
	cancel_work_sync(&w->relief);
	cancel_work_sync(&w->standin);
}
