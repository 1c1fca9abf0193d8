/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * on_cpu of a task: older kernels have it if there can be more than one processor.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_COMPAT_SCHED_H
#define _VHOST_SCSI_COMPAT_SCHED_H

#include <linux/sched.h>

static inline bool compat_on_cpu(const struct task_struct *task)
{
#ifdef CONFIG_SMP
	return READ_ONCE(task->on_cpu);
#else
	return task == current;
#endif
}

#endif /* _VHOST_SCSI_COMPAT_SCHED_H */
