// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that serve the queues.
 *
 * Where the kernel has vhost tasks a worker is one, a thread of the owner's
 * process: it counts against the owner's limits, lives in its cgroups and is
 * killed with it. Otherwise, and if the owner asks for it, a worker is a kernel
 * thread with the owner's mm, in the owner's cgroups.
 *
 * A worker is never waited for when its device is closed: a backend that hangs
 * may keep it in a submission for as long as it likes. It holds a use of the
 * device and a reference to the module, and ends by itself.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/cgroup.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "internal.h"

#define WORK_QUEUED	0

void vhost_scsi_work_init(struct vhost_scsi_work *work,
			  void (*fn)(struct vhost_scsi_work *work,
				     struct vhost_scsi_worker *w))
{
	work->flags = 0;
	work->fn = fn;
}

static void worker_wake(struct vhost_scsi_worker *w)
{
	if (!w->vtsk) {
		wake_up_process(w->task);
		return;
	}
	/* RCU keeps the task of one that is killed right now. */
	rcu_read_lock();
	if (READ_ONCE(w->killed))
		queue_work(vhost_scsi_dev_wq, &w->orphan);
	else
		vhost_task_wake(w->vtsk);
	rcu_read_unlock();
}

/**
 * vhost_scsi_worker_queue - have a worker call work->fn
 * @w: not yet ended; the caller holds RCU or knows otherwise
 * @work: queued again after its function began, it runs again
 *
 * Context: any.
 */
void vhost_scsi_worker_queue(struct vhost_scsi_worker *w,
			     struct vhost_scsi_work *work)
{
	if (test_and_set_bit(WORK_QUEUED, &work->flags))
		return;
	/*
	 * A full barrier, which pairs with worker_killed(): if @killed is not seen
	 * here, the work item that worker_killed() queues sees @work.
	 */
	llist_add(&work->node, &w->works);
	worker_wake(w);
}

/* @thread: @w, or NULL if there is no thread any more. */
static void worker_run(struct vhost_scsi_worker *w,
		       struct vhost_scsi_worker *thread)
{
	struct vhost_scsi_work *work, *next;
	struct llist_node *list;

	list = llist_reverse_order(llist_del_all(&w->works));
	llist_for_each_entry_safe(work, next, list, node) {
		clear_bit(WORK_QUEUED, &work->flags);
		/* What was queued before this is seen by fn. */
		smp_mb__after_atomic();
		work->fn(work, thread);
		cond_resched();
	}
}

/* The last that is done for the device; @w may be gone then. */
static void worker_end(struct vhost_scsi_worker *w)
{
	struct vhost_scsi_dev *dev = w->dev;

	complete_all(&w->exited);
	vhost_scsi_life_put(&dev->life);
}

static int worker_kthread(void *data)
{
	struct vhost_scsi_worker *w = data;
	bool stop;

	kthread_use_mm(w->mm);

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		/* Pairs with vhost_scsi_worker_stop(): what was queued first. */
		stop = smp_load_acquire(&w->stop);
		if (llist_empty(&w->works)) {
			if (stop)
				break;
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);
		worker_run(w, w);
	}
	__set_current_state(TASK_RUNNING);

	kthread_unuse_mm(w->mm);
	mmput(w->mm);
	worker_end(w);
	module_put_and_kthread_exit(0);
	return 0;
}

/*
 * A vhost task stays until vhost_task_stop(), which waits for it; so it only
 * falls asleep when it has ended, and worker_free_work() can stop it.
 */
static void task_end(struct vhost_scsi_worker *w)
{
	if (w->ended)
		return;
	w->ended = true;
	worker_end(w);
	module_put(THIS_MODULE);
}

/* Return: look again, there may be more. */
static bool worker_task(void *data)
{
	struct vhost_scsi_worker *w = data;
	bool stop;

	if (!w->task)
		w->task = current;
	/* As in worker_kthread(). */
	stop = smp_load_acquire(&w->stop);
	if (llist_empty(&w->works)) {
		if (stop)
			task_end(w);
		return false;
	}
	__set_current_state(TASK_RUNNING);
	worker_run(w, w);
	return true;
}

/* The owner was killed: the thread does this and exits. */
static void worker_killed(void *data)
{
	struct vhost_scsi_worker *w = data;

	/* Pairs with vhost_scsi_worker_queue() and vhost_scsi_worker_stop(). */
	smp_store_mb(w->killed, true);
	queue_work(vhost_scsi_dev_wq, &w->orphan);
}

/* In the place of a thread that was killed: there is no mm any more. */
static void worker_orphan(struct work_struct *work)
{
	struct vhost_scsi_worker *w;
	bool stop;

	w = container_of(work, struct vhost_scsi_worker, orphan);
	/* As in worker_kthread(). */
	stop = smp_load_acquire(&w->stop);
	worker_run(w, NULL);
	if (!stop)
		return;
	if (llist_empty(&w->works))
		task_end(w);
	else
		queue_work(vhost_scsi_dev_wq, &w->orphan);
}

static void worker_destroy(struct vhost_scsi_worker *w)
{
	kvfree(w->iov);
	kvfree(w->chain.descs);
	kfree(w);
}

static void worker_free_work(struct work_struct *work)
{
	struct vhost_scsi_worker *w;

	w = container_of(to_rcu_work(work), struct vhost_scsi_worker, free);
	if (w->vtsk) {
		/* It sleeps, or was killed and exits. */
		vhost_task_stop(w->vtsk);
		cancel_work_sync(&w->orphan);
	} else {
		put_task_struct(w->task);
	}
	worker_destroy(w);
}

static int start_task(struct vhost_scsi_worker *w, const char *name)
{
	w->vtsk = vhost_task_create(worker_task, worker_killed, w, name);
	if (IS_ERR_OR_NULL(w->vtsk))
		return w->vtsk ? PTR_ERR(w->vtsk) : -ENOMEM;

	vhost_scsi_life_get(&w->dev->life);
	__module_get(THIS_MODULE);
	vhost_task_start(w->vtsk);
	return 0;
}

static int start_kthread(struct vhost_scsi_worker *w, const char *name)
{
	int ret;

	w->mm = get_task_mm(current);
	if (!w->mm)
		return -ESRCH;
	w->task = kthread_create(worker_kthread, w, "%s", name);
	if (IS_ERR(w->task)) {
		ret = PTR_ERR(w->task);
		goto err_mm;
	}
	get_task_struct(w->task);

	ret = cgroup_attach_task_all(current, w->task);
	if (ret)
		goto err_task;

	vhost_scsi_life_get(&w->dev->life);
	__module_get(THIS_MODULE);
	wake_up_process(w->task);
	return 0;

err_task:
	kthread_stop(w->task);
	put_task_struct(w->task);
err_mm:
	mmput(w->mm);
	return ret;
}

/**
 * vhost_scsi_worker_new - start a worker
 * @dev: the owner, which is current, calls
 * @id: for the worker ioctls
 *
 * Return: the worker, to be stopped and freed by the caller; or an ERR_PTR.
 */
struct vhost_scsi_worker *vhost_scsi_worker_new(struct vhost_scsi_dev *dev,
						u32 id)
{
	struct vhost_scsi_worker *w;
	char name[TASK_COMM_LEN];
	int ret = -ENOMEM;

	w = kzalloc(sizeof(*w), GFP_KERNEL_ACCOUNT);
	if (!w)
		return ERR_PTR(-ENOMEM);
	w->id = id;
	w->dev = dev;
	init_llist_head(&w->works);
	init_completion(&w->exited);
	INIT_WORK(&w->orphan, worker_orphan);
	INIT_RCU_WORK(&w->free, worker_free_work);
	w->chain.max = VHOST_SCSI_CHAIN_MIN;
	w->chain.descs = kvcalloc(w->chain.max, sizeof(*w->chain.descs),
				  GFP_KERNEL_ACCOUNT);
	/* A descriptor may cross from one region of guest memory to another. */
	w->iov = kvcalloc(2 * w->chain.max, sizeof(*w->iov),
			  GFP_KERNEL_ACCOUNT);
	if (!w->chain.descs || !w->iov)
		goto err;

	snprintf(name, sizeof(name), "vhost-%d", current->pid);
	if (VHOST_SCSI_HAS_TASKS && dev->fork_owner == VHOST_FORK_OWNER_TASK)
		ret = start_task(w, name);
	else
		ret = start_kthread(w, name);
	if (ret)
		goto err;
	return w;

err:
	worker_destroy(w);
	return ERR_PTR(ret);
}

/**
 * vhost_scsi_worker_stop - have it end when it has nothing left to do
 * @w: the worker; wait for w->exited to know that it ended
 */
void vhost_scsi_worker_stop(struct vhost_scsi_worker *w)
{
	/* What was queued first is seen first. */
	smp_store_release(&w->stop, true);
	/* Pairs with worker_killed(): one of the two sees the other. */
	smp_mb();
	worker_wake(w);
}

/**
 * vhost_scsi_worker_free - free one that has ended
 * @w: no queue points to it any more; readers under RCU may
 *
 * Context: any.
 */
void vhost_scsi_worker_free(struct vhost_scsi_worker *w)
{
	queue_rcu_work(vhost_scsi_dev_wq, &w->free);
}
