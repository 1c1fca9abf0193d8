// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of a queue and of its worker, for others, who take no lock of theirs.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/sched.h>

#include "internal.h"

DEFINE_STATIC_KEY_FALSE(vhost_scsi_used_watched);

/**
 * vhost_scsi_vq_worker_stat - look at the worker of a queue
 * @vq: the queue
 * @stat: gets what is seen
 *
 * Context: any.
 * Return: false: it has none.
 */
bool vhost_scsi_vq_worker_stat(struct vhost_scsi_vq *vq,
			       struct vhost_scsi_worker_stat *stat)
{
	struct vhost_scsi_worker *w;
	struct task_struct *task;
	bool found = false;

	rcu_read_lock();
	w = rcu_dereference(vq->worker);
	/*
	 * A vhost task sets w->task itself. Older kernels have no reference to a task that
	 * was killed. RCU keeps the task_struct of a task that is just being killed.
	 */
	task = w && !READ_ONCE(w->killed) ? READ_ONCE(w->task) : NULL;
	if (task) {
		stat->id = w->id;
		stat->tid = task_pid_nr(task);
		stat->ns = READ_ONCE(task->se.sum_exec_runtime);
		found = true;
	}
	rcu_read_unlock();
	return found;
}
