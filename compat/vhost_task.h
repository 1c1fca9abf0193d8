/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vhost_task: threads of the owner's process that run in the kernel, from 6.10
 * on in the form that the code is written for. Without them all workers are
 * kernel threads.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_COMPAT_VHOST_TASK_H
#define _VHOST_SCSI_COMPAT_VHOST_TASK_H

#include <linux/err.h>
#include <linux/kconfig.h>
#include <linux/types.h>

#if defined(COMPAT_VHOST_TASK) && IS_ENABLED(CONFIG_VHOST_TASK)
#include <linux/sched/vhost_task.h>
#define VHOST_SCSI_HAS_TASKS	true
#else
#define VHOST_SCSI_HAS_TASKS	false
struct vhost_task;

static inline struct vhost_task *
vhost_task_create(bool (*fn)(void *), void (*handle_kill)(void *), void *arg,
		  const char *name)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void vhost_task_start(struct vhost_task *vtsk) {}
static inline void vhost_task_stop(struct vhost_task *vtsk) {}
static inline void vhost_task_wake(struct vhost_task *vtsk) {}
#endif

#endif /* _VHOST_SCSI_COMPAT_VHOST_TASK_H */
