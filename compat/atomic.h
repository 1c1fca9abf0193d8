/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * WRITE ATOMIC (16) of a backstore: how many blocks it says that it takes. Older target cores
 * have no such thing.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_COMPAT_ATOMIC_H
#define _VHOST_SCSI_COMPAT_ATOMIC_H

#include <target/target_core_base.h>

static inline u32 compat_atomic_max_len(const struct se_device *dev)
{
#ifdef COMPAT_TARGET_ATOMIC
	return dev->dev_attrib.atomic_max_len;
#else
	return 0;
#endif
}

#endif /* _VHOST_SCSI_COMPAT_ATOMIC_H */
