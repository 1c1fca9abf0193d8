/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * eventfd_signal() without its count.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_COMPAT_EVENTFD_H
#define _VHOST_SCSI_COMPAT_EVENTFD_H

#include <linux/eventfd.h>

#ifdef COMPAT_EVENTFD_SIGNAL_COUNT
#define eventfd_signal(ctx) eventfd_signal(ctx, 1)
#endif

#endif /* _VHOST_SCSI_COMPAT_EVENTFD_H */
