// SPDX-License-Identifier: GPL-2.0-only
/*
 * The eventfds of a queue: the kick wakes the worker; the call and the error are
 * signalled to the guest and its owner. This file decides when the call is signalled.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/file.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

/* Used chains that are signalled together, while a worker gets others. */
#define SIGNAL_BATCH	16

/* A work item runs on the processor that queues it, after the items before it. */
static struct workqueue_struct *signal_wq;

/*
 * Kick: the eventfd that the guest's driver or its hypervisor signals.
 */

/**
 * vhost_scsi_vq_queue - have the worker look at the queue
 * @vq: the queue
 *
 * Context: any.
 */
void vhost_scsi_vq_queue(struct vhost_scsi_vq *vq)
{
	struct vhost_scsi_worker *w;

	rcu_read_lock();
	w = rcu_dereference(vq->worker);
	if (w)
		vhost_scsi_worker_queue(w, &vq->work);
	rcu_read_unlock();
}

static int kick_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
		     void *key)
{
	struct vhost_scsi_vq *vq;

	vq = container_of(wait, struct vhost_scsi_vq, kick.wait);
	if (key_to_poll(key) & EPOLLIN) {
		vq->kick.nr++;
		vhost_scsi_vq_queue(vq);
	}
	return 0;
}

static void kick_poll(struct file *file, wait_queue_head_t *wqh,
		      poll_table *table)
{
	struct vhost_scsi_kick *kick;

	kick = container_of(table, struct vhost_scsi_kick, table);
	kick->wqh = wqh;
	add_wait_queue(wqh, &kick->wait);
}

/**
 * vhost_scsi_kick_start - listen to the kick
 * @vq: running; the caller has its worker look at the ring once
 *
 * Context: @vq->mutex is held.
 */
void vhost_scsi_kick_start(struct vhost_scsi_vq *vq)
{
	struct vhost_scsi_kick *kick = &vq->kick;

	if (!kick->file || kick->wqh)
		return;
	/* Ignore the mask: the caller has the worker look at the ring once anyway. */
	vfs_poll(kick->file, &kick->table);
}

/**
 * vhost_scsi_kick_stop - stop listening to the kick
 * @vq: the queue
 *
 * Context: @vq->mutex is held.
 */
void vhost_scsi_kick_stop(struct vhost_scsi_vq *vq)
{
	struct vhost_scsi_kick *kick = &vq->kick;

	if (!kick->wqh)
		return;
	remove_wait_queue(kick->wqh, &kick->wait);
	kick->wqh = NULL;
}

/**
 * vhost_scsi_kick_set - replace the eventfd of the kick
 * @vq: the queue; vhost_scsi_kick_start() listens to the new eventfd
 * @file: the eventfd, whose reference the queue takes over; or NULL
 *
 * Context: @vq->mutex is held.
 */
void vhost_scsi_kick_set(struct vhost_scsi_vq *vq, struct file *file)
{
	vhost_scsi_kick_stop(vq);
	if (vq->kick.file)
		fput(vq->kick.file);
	vq->kick.file = file;
}

/*
 * Call and error: the eventfds that the module signals.
 */

static void call_free_rcu(struct rcu_head *rcu)
{
	struct vhost_scsi_call *call;

	call = container_of(rcu, struct vhost_scsi_call, rcu);
	eventfd_ctx_put(call->ctx);
	kfree(call);
}

static void call_replace(struct vhost_scsi_call __rcu **slot,
			 struct vhost_scsi_call *call)
{
	/* Only ioctls replace an eventfd, and they hold vq->mutex. */
	call = rcu_replace_pointer(*slot, call, true);
	if (call)
		call_rcu(&call->rcu, call_free_rcu);
}

/**
 * vhost_scsi_call_signal - signal an eventfd of a queue
 * @slot: &vq->call or &vq->err
 *
 * Context: any.
 */
void vhost_scsi_call_signal(struct vhost_scsi_call __rcu **slot)
{
	struct vhost_scsi_call *call;

	rcu_read_lock();
	call = rcu_dereference(*slot);
	if (call)
		eventfd_signal(call->ctx);
	rcu_read_unlock();
}

/**
 * vhost_scsi_vq_signal - signal the guest
 * @vq: the queue
 *
 * Context: any.
 */
void vhost_scsi_vq_signal(struct vhost_scsi_vq *vq)
{
	if (trace_vhost_scsi_signal_enabled())
		trace_vhost_scsi_signal(vq->dev->nr, vq->index,
					READ_ONCE(vq->used_stat.chains));
	vhost_scsi_call_signal(&vq->call);
}

/**
 * vhost_scsi_call_set - replace an eventfd of a queue
 * @slot: &vq->call or &vq->err
 * @fd: file descriptor of the owner, or VHOST_FILE_UNBIND
 *
 * Context: vq->mutex is held; may sleep.
 * Return: 0. -EBADF, -EINVAL: @fd is not an eventfd. -ENOMEM.
 */
int vhost_scsi_call_set(struct vhost_scsi_call __rcu **slot, int fd)
{
	struct vhost_scsi_call *call = NULL;
	struct eventfd_ctx *ctx;

	if (fd != VHOST_FILE_UNBIND) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
		call = kmalloc(sizeof(*call), GFP_KERNEL_ACCOUNT);
		if (!call) {
			eventfd_ctx_put(ctx);
			return -ENOMEM;
		}
		call->ctx = ctx;
	}
	call_replace(slot, call);
	return 0;
}

/*
 * While the worker gets chains, chains that are used are signalled together. A guest
 * that is woken for each takes the processor from the worker, and finds one chain
 * each time. While the worker sleeps in a submission, or waits for a processor, chains
 * are signalled at once.
 */

/*
 * Returns true if work items behind the current one may use further chains. LIO may
 * complete commands by work items that are bound to a processor; these run one after
 * the other.
 */
static bool others_follow(const struct vhost_scsi_vq *vq)
{
	/* More than the count of the running queue, its worker's, and this chain. */
	return in_task() && current->flags & PF_WQ_WORKER &&
	       current->nr_cpus_allowed == 1 &&
	       atomic_read(&vq->inflight) > 2 + !!vq->pass;
}

/**
 * vhost_scsi_signal_decide - decide when to signal a chain that was just used
 * @vq: the queue
 *
 * Context: @vq->used_lock is held.
 * Return: the argument of vhost_scsi_signal(), which needs no lock.
 */
enum vhost_scsi_signal vhost_scsi_signal_decide(struct vhost_scsi_vq *vq)
{
	lockdep_assert_held(&vq->used_lock);
	/*
	 * A worker that was preempted, or whose quota is used up, is as runnable as
	 * one that runs. Nobody knows when it goes on.
	 */
	if (++vq->unsignalled < SIGNAL_BATCH && vq->pass &&
	    compat_on_cpu(vq->pass->task))
		/* The first chain starts the timer, which signals for all of them. */
		return vq->unsignalled == 1 ? VHOST_SCSI_SIGNAL_DELAYED :
					      VHOST_SCSI_SIGNAL_NONE;
	if (vq->unsignalled < SIGNAL_BATCH && others_follow(vq))
		return VHOST_SCSI_SIGNAL_QUEUED;
	vq->unsignalled = 0;
	if (!vhost_scsi_ring_want_signal(&vq->ring))
		return VHOST_SCSI_SIGNAL_NONE;
	vq->used_stat.signals++;
	return VHOST_SCSI_SIGNAL_NOW;
}

/**
 * vhost_scsi_signal - signal used chains to the guest
 * @vq: the queue
 * @when: return value of vhost_scsi_signal_decide()
 *
 * Context: any.
 */
void vhost_scsi_signal(struct vhost_scsi_vq *vq, enum vhost_scsi_signal when)
{
	if (when == VHOST_SCSI_SIGNAL_NOW)
		vhost_scsi_vq_signal(vq);
	else if (when == VHOST_SCSI_SIGNAL_DELAYED)
		queue_delayed_work(vhost_scsi_dev_wq, &vq->signal_delayed, 1);
	else if (when == VHOST_SCSI_SIGNAL_QUEUED)
		queue_work(signal_wq, &vq->signal_work);
}

static void signal_rest(struct vhost_scsi_vq *vq, bool pass_ends)
{
	unsigned long flags;
	bool signal = false;

	spin_lock_irqsave(&vq->used_lock, flags);
	if (pass_ends)
		vq->pass = NULL;
	if (vq->unsignalled) {
		vq->unsignalled = 0;
		signal = vhost_scsi_ring_want_signal(&vq->ring);
		vq->used_stat.signals += signal;
	}
	spin_unlock_irqrestore(&vq->used_lock, flags);
	if (signal)
		vhost_scsi_vq_signal(vq);
}

/* The worker ran when the chain was used, and has lost its processor since. */
static void delayed_signal(struct work_struct *work)
{
	signal_rest(container_of(work, struct vhost_scsi_vq,
				 signal_delayed.work), false);
}

static void queued_signal(struct work_struct *work)
{
	signal_rest(container_of(work, struct vhost_scsi_vq, signal_work), false);
}

/**
 * vhost_scsi_vq_pass_begin - the worker begins to get chains
 * @vq: running
 * @w: the worker that calls
 *
 * Context: @vq->mutex is held.
 */
void vhost_scsi_vq_pass_begin(struct vhost_scsi_vq *vq,
			      struct vhost_scsi_worker *w)
{
	unsigned long flags;

	spin_lock_irqsave(&vq->used_lock, flags);
	vq->pass = w;
	spin_unlock_irqrestore(&vq->used_lock, flags);
}

/**
 * vhost_scsi_vq_pass_end - the worker gets no more chains for now
 * @vq: running
 *
 * Context: @vq->mutex is held.
 */
void vhost_scsi_vq_pass_end(struct vhost_scsi_vq *vq)
{
	signal_rest(vq, true);
}

/*
 * Life.
 */

/**
 * vhost_scsi_notify_init - prepare the eventfds of a queue, once
 * @vq: zeroed
 */
void vhost_scsi_notify_init(struct vhost_scsi_vq *vq)
{
	INIT_DELAYED_WORK(&vq->signal_delayed, delayed_signal);
	INIT_WORK(&vq->signal_work, queued_signal);
	init_waitqueue_func_entry(&vq->kick.wait, kick_wake);
	init_poll_funcptr(&vq->kick.table, kick_poll);
}

/**
 * vhost_scsi_notify_quiesce - wait until no work item will signal
 * @vq: drained
 *
 * Context: may sleep.
 */
void vhost_scsi_notify_quiesce(struct vhost_scsi_vq *vq)
{
	/* Cancelling loses no signal: the pass has ended, and signalled at its end. */
	cancel_delayed_work_sync(&vq->signal_delayed);
	/* This one must run: the guest was not told of its chains yet. */
	flush_work(&vq->signal_work);
}

/**
 * vhost_scsi_notify_reset - release the eventfds
 * @vq: drained
 *
 * Context: @vq->mutex is held.
 */
void vhost_scsi_notify_reset(struct vhost_scsi_vq *vq)
{
	vhost_scsi_kick_set(vq, NULL);
	call_replace(&vq->call, NULL);
	call_replace(&vq->err, NULL);
}

int vhost_scsi_notify_setup(void)
{
	signal_wq = alloc_workqueue("vhost_scsi_signal",
				    WQ_PERCPU | WQ_MEM_RECLAIM, 0);
	return signal_wq ? 0 : -ENOMEM;
}

void vhost_scsi_notify_cleanup(void)
{
	destroy_workqueue(signal_wq);
}
