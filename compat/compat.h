/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the supported kernels. Force-included from Kbuild; the
 * code is written for the newest kernel and this folder serves the older ones.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_COMPAT_H
#define _VHOST_SCSI_COMPAT_H

#include "supported.h"
#include "atomic.h"
#include "eventfd.h"
#include "direct.h"
#include "opcodes.h"
#include "ops.h"
#include "port.h"
#include "sched.h"
#include "stats.h"
#include "uapi.h"
#include "vhost_task.h"
#include "workqueue.h"

#endif /* _VHOST_SCSI_COMPAT_H */
