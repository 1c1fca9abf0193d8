// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that serve the queues.
 *
 * If the kernel has vhost tasks, a worker is one: a thread of the owner's process,
 * which counts against the owner's limits, is in its cgroups, and is killed with it.
 * Otherwise, or if the owner asks for it, a worker is a kernel thread in the owner's
 * cgroups, which uses the owner's mm. It counts as a process of the owner's user, and
 * the memory that it allocates is charged to the owner.
 *
 * Closing a device does not wait for its workers, because a backend that hangs may
 * keep a worker in a submission for any time. A worker is a user of the device, holds
 * a reference to the module, and ends by itself.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/cgroup.h>
#include <linux/cred.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "internal.h"

#define WORK_QUEUED	0

void vhost_scsi_work_init(struct vhost_scsi_work *work,
			  void (*fn)(struct vhost_scsi_work *work,
				     struct vhost_scsi_worker *w))
{
	work->flags = 0;
	work->fn = fn;
}

/**
 * vhost_scsi_worker_wake - have a worker look for work
 * @w: must not be freed during the call
 *
 * Context: any.
 */
void vhost_scsi_worker_wake(struct vhost_scsi_worker *w)
{
	if (unlikely(READ_ONCE(w->held)) && vhost_scsi_standin_wake(w))
		return;
	if (!w->vtsk) {
		wake_up_process(w->task);
		return;
	}
	/* RCU keeps the task_struct of a vhost task that is just being killed. */
	rcu_read_lock();
	if (READ_ONCE(w->killed))
		queue_work(w->wq->wq, &w->orphan);
	else
		vhost_task_wake(w->vtsk);
	rcu_read_unlock();
}

/**
 * vhost_scsi_worker_queue - have a worker call work->fn
 * @w: must not be freed during the call: the caller holds the RCU read lock, or has
 *     other means
 * @work: if it is queued again after its function has begun, the function runs again
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
	 * here, the work item that worker_killed() queues sees @work. Likewise @held,
	 * and the stand-in.
	 */
	llist_add(&work->node, &w->works);
	vhost_scsi_worker_wake(w);
}

/**
 * vhost_scsi_worker_run - do what is queued
 * @w: the worker
 *
 * While a submission holds a work, another call of this does the works behind it.
 *
 * Context: the thread, or the work item that stands in for it.
 */
void vhost_scsi_worker_run(struct vhost_scsi_worker *w)
{
	struct vhost_scsi_work *work;

	if (!w->todo)
		w->todo = llist_reverse_order(llist_del_all(&w->works));
	while (w->todo) {
		work = llist_entry(w->todo, struct vhost_scsi_work, node);
		w->todo = w->todo->next;
		clear_bit(WORK_QUEUED, &work->flags);
		/*
		 * Orders the clearing of the bit before the reads of fn. Pairs
		 * with test_and_set_bit() in vhost_scsi_worker_queue(): a caller
		 * that still finds the bit set need not queue the work, because
		 * fn sees what that caller wrote before.
		 */
		smp_mb__after_atomic();
		work->fn(work, w);
		cond_resched();
	}
}

/* Ends the use of the device. @w may be freed at any time after this. */
static void worker_end(struct vhost_scsi_worker *w)
{
	struct vhost_scsi_dev *dev = w->dev;

	complete_all(&w->exited);
	vhost_scsi_life_put(&dev->life);
}

/*
 * Kernel threads.
 */

static void process_uncharge(const struct cred *cred)
{
	struct ucounts *uc;

	for (uc = cred->ucounts; uc; uc = uc->ns->ucounts)
		atomic_long_dec(&uc->rlimit[UCOUNT_RLIMIT_NPROC]);
	put_cred(cred);
}

/*
 * Counts one more process of the caller, in its user namespace and those above, within the
 * limit of fork(). Return: the argument of process_uncharge(), which is owed; or an ERR_PTR.
 */
static const struct cred *process_charge(void)
{
	const struct cred *cred = get_current_cred();
	long n, max = min_t(unsigned long, rlimit(RLIMIT_NPROC), LONG_MAX);
	struct ucounts *uc;
	bool over = false;

	for (uc = cred->ucounts; uc; uc = uc->ns->ucounts) {
		n = atomic_long_inc_return(&uc->rlimit[UCOUNT_RLIMIT_NPROC]);
		over |= n < 0 || n > max;
		max = get_userns_rlimit_max(uc->ns, UCOUNT_RLIMIT_NPROC);
	}
	if (!over || uid_eq(cred->uid, GLOBAL_ROOT_UID) ||
	    capable(CAP_SYS_RESOURCE) || capable(CAP_SYS_ADMIN))
		return cred;
	process_uncharge(cred);
	return ERR_PTR(-EAGAIN);
}

/**
 * struct kthread_start - a kernel thread begins
 * @w: the worker
 * @owner: whose cgroups it is to live in
 * @ret: whether it could enter them
 * @done: @ret is valid
 */
struct kthread_start {
	struct vhost_scsi_worker *w;
	struct task_struct *owner;
	int ret;
	struct completion done;
};

/*
 * The thread enters the cgroups itself: cpuset's (6.1) asks whether the caller may
 * change the thread's scheduling, and an owner without capabilities may not.
 */
static int kthread_enter(struct kthread_start *start)
{
	int ret = cgroup_attach_task_all(start->owner, current);

	start->ret = ret;
	complete(&start->done);
	return ret;
}

static void kthread_serve(struct vhost_scsi_worker *w)
{
	bool stop;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		/*
		 * Acquire: pairs with the release of vhost_scsi_worker_stop().
		 * Work that was queued before the stop is seen below.
		 */
		stop = smp_load_acquire(&w->stop);
		if (llist_empty(&w->works)) {
			if (stop)
				break;
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);
		vhost_scsi_worker_run(w);
	}
	__set_current_state(TASK_RUNNING);
}

static int worker_kthread(void *data)
{
	struct vhost_scsi_worker *w = ((struct kthread_start *)data)->w;
	struct mem_cgroup *memcg;
	int ret;

	ret = kthread_enter(data);
	/* start_kthread() waits for the thread's end. */
	if (ret)
		return ret;

	kthread_use_mm(w->mm);
	memcg = get_mem_cgroup_from_mm(w->mm);
	set_active_memcg(memcg);
	kthread_serve(w);
	set_active_memcg(NULL);
	mem_cgroup_put(memcg);
	kthread_unuse_mm(w->mm);
	mmput(w->mm);

	process_uncharge(w->cred);
	worker_end(w);
	module_put_and_kthread_exit(0);
	return 0;
}

static int start_kthread(struct vhost_scsi_worker *w, const char *name)
{
	struct kthread_start start = { .w = w, .owner = current };
	int ret;

	w->cred = process_charge();
	if (IS_ERR(w->cred))
		return PTR_ERR(w->cred);
	w->mm = get_task_mm(current);
	if (!w->mm) {
		ret = -ESRCH;
		goto err_charge;
	}
	w->task = kthread_create(worker_kthread, &start, "%s", name);
	if (IS_ERR(w->task)) {
		ret = PTR_ERR(w->task);
		goto err_mm;
	}
	get_task_struct(w->task);
	/* These references belong to the thread from here on. */
	vhost_scsi_life_get(&w->dev->life);
	__module_get(THIS_MODULE);

	init_completion(&start.done);
	wake_up_process(w->task);
	/* It waits for locks of cgroups only. */
	wait_for_completion(&start.done);
	if (!start.ret)
		return 0;

	kthread_stop(w->task);
	put_task_struct(w->task);
	module_put(THIS_MODULE);
	vhost_scsi_life_put(&w->dev->life);
	ret = start.ret;
err_mm:
	mmput(w->mm);
err_charge:
	process_uncharge(w->cred);
	return ret;
}

/*
 * vhost tasks.
 */

/*
 * A vhost task exits only in vhost_task_stop(), which waits for it. So a worker that
 * has ended just sleeps, until worker_free_work() calls vhost_task_stop().
 */
static void task_end(struct vhost_scsi_worker *w)
{
	if (w->ended)
		return;
	w->ended = true;
	worker_end(w);
	module_put(THIS_MODULE);
}

/* Return: true if the function must be called again, because there may be more work. */
static bool worker_task(void *data)
{
	struct vhost_scsi_worker *w = data;
	bool stop;

	/* Woken by somebody who found it by RCU: the device may be gone. */
	if (w->ended)
		return false;
	if (!w->task)
		w->task = current;
	/* As in kthread_serve(). */
	stop = smp_load_acquire(&w->stop);
	if (llist_empty(&w->works)) {
		if (stop)
			task_end(w);
		return false;
	}
	__set_current_state(TASK_RUNNING);
	vhost_scsi_worker_run(w);
	return true;
}

/* The thread was killed with its owner. It calls this function and exits. */
static void worker_killed(void *data)
{
	struct vhost_scsi_worker *w = data;

	/* Pairs with vhost_scsi_worker_queue() and vhost_scsi_worker_stop(). */
	smp_store_mb(w->killed, true);
	queue_work(w->wq->wq, &w->orphan);
}

/* Takes the place of a thread that was killed, without an mm. */
static void worker_orphan(struct work_struct *work)
{
	struct vhost_scsi_worker *w;
	bool stop;

	w = container_of(work, struct vhost_scsi_worker, orphan);
	/* As in worker_task(). */
	if (w->ended)
		return;
	/* As in kthread_serve(). */
	stop = smp_load_acquire(&w->stop);
	vhost_scsi_worker_run(w);
	if (!stop)
		return;
	if (llist_empty(&w->works))
		task_end(w);
	else
		queue_work(w->wq->wq, &w->orphan);
}

static void worker_destroy(struct vhost_scsi_worker *w)
{
	kvfree(w->iov);
	kvfree(w->chain.descs);
	vhost_scsi_wq_put(w->wq);
	kfree(w);
}

static void worker_free_work(struct work_struct *work)
{
	struct vhost_scsi_worker *w;

	w = container_of(to_rcu_work(work), struct vhost_scsi_worker, free);
	vhost_scsi_standin_cancel(w);
	if (w->vtsk) {
		/*
		 * The task sleeps since task_end(), or was killed and exits; or
		 * its owner has stopped or frozen it, and this waits as long.
		 */
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

/**
 * vhost_scsi_worker_new - start a worker
 * @dev: the device, whose owner calls
 * @id: for the worker ioctls
 *
 * Return: the worker, and the caller owes vhost_scsi_worker_stop() and, when the
 * worker has ended, vhost_scsi_worker_free(); or an ERR_PTR.
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
	w->wq = vhost_scsi_wq_get(dev->life.wq);
	init_llist_head(&w->works);
	init_completion(&w->exited);
	INIT_WORK(&w->orphan, worker_orphan);
	INIT_RCU_WORK(&w->free, worker_free_work);
	vhost_scsi_standin_init(w);
	w->chain.max = VHOST_SCSI_CHAIN_MIN;
	w->chain.descs = kvcalloc(w->chain.max, sizeof(*w->chain.descs),
				  GFP_KERNEL_ACCOUNT);
	/* Twice the descriptors, because one may cross the border of two regions. */
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
 * vhost_scsi_worker_stop - have a worker end when its list is empty
 * @w: the worker; w->exited completes when it has ended
 */
void vhost_scsi_worker_stop(struct vhost_scsi_worker *w)
{
	/* Release: pairs with the acquire of the threads, e.g. worker_kthread(). */
	smp_store_release(&w->stop, true);
	/*
	 * Pairs with smp_store_mb() in worker_killed(): either the wake sees
	 * @killed, or the work item that worker_killed() queues sees @stop.
	 */
	smp_mb();
	vhost_scsi_worker_wake(w);
}

/**
 * vhost_scsi_worker_free - free a worker that has ended
 * @w: no queue points to it any more; readers under RCU may still have it
 *
 * Context: any.
 */
void vhost_scsi_worker_free(struct vhost_scsi_worker *w)
{
	queue_rcu_work(w->wq->wq, &w->free);
}
