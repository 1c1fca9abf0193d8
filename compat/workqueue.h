/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Workqueues: WQ_PERCPU names what was the default without WQ_UNBOUND.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_COMPAT_WORKQUEUE_H
#define _VHOST_SCSI_COMPAT_WORKQUEUE_H

#ifndef COMPAT_WQ_PERCPU
#define WQ_PERCPU	0
#endif

#endif /* _VHOST_SCSI_COMPAT_WORKQUEUE_H */
