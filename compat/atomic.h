/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does a backstore have WRITE ATOMIC (16)? Older target cores have no such thing.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_COMPAT_ATOMIC_H
#define _VHOST_SCSI_COMPAT_ATOMIC_H

#include <target/target_core_base.h>

static inline bool compat_has_atomic(const struct se_device *dev)
{
#ifdef COMPAT_TARGET_ATOMIC
	return dev->dev_attrib.atomic_max_len;
#else
	return false;
#endif
}

#endif /* _VHOST_SCSI_COMPAT_ATOMIC_H */
