// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a device: it ends with the last of its users.
 *
 * Closing the file waits a short time for that end, and no longer: a backend may keep
 * a command for any time, and the process must be able to exit.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "internal.h"

/* How long closing the file waits at most for the device to end. */
#define CLOSE_TIMEOUT	(HZ / 4)

struct workqueue_struct *vhost_scsi_dev_wq;
static DECLARE_WAIT_QUEUE_HEAD(ended_wait);

/* Destroys the workqueues of owners, when their last item returns. */
static struct workqueue_struct *gone_wq;
static atomic_t nr_wqs;

static void wq_gone(struct work_struct *work)
{
	struct vhost_scsi_wq *wq = container_of(work, struct vhost_scsi_wq, gone);

	destroy_workqueue(wq->wq);
	kfree(wq);
	if (atomic_dec_and_test(&nr_wqs))
		wake_up_all(&ended_wait);
}

/**
 * vhost_scsi_wq_new - make the workqueue of an owner
 *
 * Return: with one user, which is owed vhost_scsi_wq_put(); or NULL.
 */
struct vhost_scsi_wq *vhost_scsi_wq_new(void)
{
	struct vhost_scsi_wq *wq = kzalloc(sizeof(*wq), GFP_KERNEL_ACCOUNT);

	if (!wq)
		return NULL;
	/* Without WQ_MEM_RECLAIM, which costs a thread for each device. */
	wq->wq = alloc_ordered_workqueue("vhost_scsi_owner", 0);
	if (!wq->wq) {
		kfree(wq);
		return NULL;
	}
	refcount_set(&wq->users, 1);
	INIT_WORK(&wq->gone, wq_gone);
	atomic_inc(&nr_wqs);
	return wq;
}

/**
 * vhost_scsi_wq_get - use the workqueue of an owner
 * @wq: has a user that stays during the call
 *
 * Return: @wq; the caller owes vhost_scsi_wq_put().
 */
struct vhost_scsi_wq *vhost_scsi_wq_get(struct vhost_scsi_wq *wq)
{
	refcount_inc(&wq->users);
	return wq;
}

/**
 * vhost_scsi_wq_put - end the use of the workqueue of an owner
 * @wq: the caller queues no more items to it; one of its items may call this
 *
 * Context: any.
 */
void vhost_scsi_wq_put(struct vhost_scsi_wq *wq)
{
	if (refcount_dec_and_test(&wq->users))
		queue_work(gone_wq, &wq->gone);
}

static void memory_put(struct vhost_scsi_life *life)
{
	struct vhost_scsi_wq *wq = life->wq;

	if (!refcount_dec_and_test(&life->memory))
		return;
	life->free(life);
	vhost_scsi_wq_put(wq);
}

static void end_work(struct work_struct *work)
{
	struct vhost_scsi_life *life;

	life = container_of(work, struct vhost_scsi_life, work);
	life->end(life);
	/* Pairs with vhost_scsi_life_close(). */
	smp_store_release(&life->ended, true);
	wake_up_all(&ended_wait);
	memory_put(life);
}

/**
 * vhost_scsi_life_init - initialise with one user, the file
 * @life: zeroed
 * @end: see struct vhost_scsi_life
 * @free: likewise
 *
 * Return: 0, and the caller owes vhost_scsi_life_close(); or -ENOMEM.
 */
int vhost_scsi_life_init(struct vhost_scsi_life *life,
			 void (*end)(struct vhost_scsi_life *life),
			 void (*free)(struct vhost_scsi_life *life))
{
	life->wq = vhost_scsi_wq_new();
	if (!life->wq)
		return -ENOMEM;
	refcount_set(&life->users, 1);
	refcount_set(&life->memory, 2);
	INIT_WORK(&life->work, end_work);
	life->end = end;
	life->free = free;
	return 0;
}

/**
 * vhost_scsi_life_get - add a user
 * @life: has a user that stays during the call
 */
void vhost_scsi_life_get(struct vhost_scsi_life *life)
{
	refcount_inc(&life->users);
}

/**
 * vhost_scsi_life_put - remove a user
 * @life: not to be touched afterwards
 *
 * Context: any.
 */
void vhost_scsi_life_put(struct vhost_scsi_life *life)
{
	if (refcount_dec_and_test(&life->users))
		queue_work(life->wq->wq, &life->work);
}

/**
 * vhost_scsi_life_close - remove the file as a user
 * @life: not to be touched afterwards
 *
 * This returns when the device has ended, or after CLOSE_TIMEOUT, or at once if the
 * caller is a kernel thread. Commands that a backend keeps finish by themselves.
 *
 * Context: may sleep.
 */
void vhost_scsi_life_close(struct vhost_scsi_life *life)
{
	vhost_scsi_life_put(life);
	/* A kernel thread that closes files closes those of all processes in turn. */
	if (!(current->flags & PF_KTHREAD)) {
		/* Pairs with end_work(). */
		wait_event_timeout(ended_wait, smp_load_acquire(&life->ended),
				   CLOSE_TIMEOUT);
	}
	memory_put(life);
}

int vhost_scsi_life_setup(void)
{
	vhost_scsi_dev_wq = alloc_workqueue("vhost_scsi_dev",
					    WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!vhost_scsi_dev_wq)
		return -ENOMEM;
	gone_wq = alloc_workqueue("vhost_scsi_gone", WQ_UNBOUND, 0);
	if (gone_wq)
		return 0;
	destroy_workqueue(vhost_scsi_dev_wq);
	return -ENOMEM;
}

void vhost_scsi_life_cleanup(void)
{
	/*
	 * A device that ends frees its workers by queue_rcu_work(), and these have
	 * its workqueue. It frees its eventfds by call_rcu().
	 */
	wait_event(ended_wait, !atomic_read(&nr_wqs));
	rcu_barrier();
	destroy_workqueue(gone_wq);
	destroy_workqueue(vhost_scsi_dev_wq);
}
