// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long a device lives: until the last of its users is gone.
 *
 * A file that is closed waits a little for that and no longer, for a backend may
 * keep a command for as long as it likes, and the process has to end.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/wait.h>

#include "internal.h"

/* What a closing process waits for a device that has nothing to wait for. */
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
 * vhost_scsi_life_init - begin with one user, the file
 * @life: zeroed
 * @end: see struct vhost_scsi_life
 * @free: likewise
 *
 * vhost_scsi_life_close() is owed.
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
 * vhost_scsi_life_get - a use of the device begins
 * @life: the caller knows of another user
 */
void vhost_scsi_life_get(struct vhost_scsi_life *life)
{
	refcount_inc(&life->users);
}

/**
 * vhost_scsi_life_put - a use of the device ends
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
 * vhost_scsi_life_close - the use by the file ends
 * @life: not to be touched afterwards
 *
 * Returns when the device has ended, or soon: commands that a backend keeps finish
 * on their own.
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
	 * Devices that end leave workers and eventfds to RCU, and workers come
	 * back to the queue from there.
	 */
	flush_workqueue(vhost_scsi_dev_wq);
	rcu_barrier();
	destroy_workqueue(vhost_scsi_dev_wq);
}
