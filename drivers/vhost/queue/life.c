// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a device: it ends with the last of its users.
 *
 * Closing the file waits a short time for that end, and no longer: a backend may keep
 * a command for any time, and the process must be able to exit.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/wait.h>

#include "internal.h"

/* How long closing the file waits at most for the device to end. */
#define CLOSE_TIMEOUT	(HZ / 4)

struct workqueue_struct *vhost_scsi_dev_wq;
static DECLARE_WAIT_QUEUE_HEAD(ended_wait);

static void memory_put(struct vhost_scsi_life *life)
{
	if (refcount_dec_and_test(&life->memory))
		life->free(life);
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
 * The caller owes vhost_scsi_life_close().
 */
void vhost_scsi_life_init(struct vhost_scsi_life *life,
			  void (*end)(struct vhost_scsi_life *life),
			  void (*free)(struct vhost_scsi_life *life))
{
	refcount_set(&life->users, 1);
	refcount_set(&life->memory, 2);
	INIT_WORK(&life->work, end_work);
	life->end = end;
	life->free = free;
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
		queue_work(vhost_scsi_dev_wq, &life->work);
}

/**
 * vhost_scsi_life_close - remove the file as a user
 * @life: not to be touched afterwards
 *
 * This returns when the device has ended, or after CLOSE_TIMEOUT. Commands that a
 * backend keeps finish by themselves.
 *
 * Context: may sleep.
 */
void vhost_scsi_life_close(struct vhost_scsi_life *life)
{
	vhost_scsi_life_put(life);
	/* Pairs with end_work(). */
	wait_event_timeout(ended_wait, smp_load_acquire(&life->ended),
			   CLOSE_TIMEOUT);
	memory_put(life);
}

int vhost_scsi_life_setup(void)
{
	vhost_scsi_dev_wq = alloc_workqueue("vhost_scsi_dev",
					    WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return vhost_scsi_dev_wq ? 0 : -ENOMEM;
}

void vhost_scsi_life_cleanup(void)
{
	/*
	 * A device that ends frees its workers by queue_rcu_work(), and its
	 * eventfds by call_rcu(). So first run the work items that end devices,
	 * then wait for RCU, which queues the work items that free workers.
	 */
	flush_workqueue(vhost_scsi_dev_wq);
	rcu_barrier();
	destroy_workqueue(vhost_scsi_dev_wq);
}
