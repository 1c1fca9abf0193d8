/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Refuses kernels that the module was not made for: it might build, and be wrong.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_COMPAT_SUPPORTED_H
#define _VHOST_SCSI_COMPAT_SUPPORTED_H

#include <linux/build_bug.h>
#include <linux/kconfig.h>
#include <linux/stringify.h>

#ifdef COMPAT_OTHER_KERNEL
/* #error could not name the range. */
static_assert(0, "vhost-lio is for Linux " __stringify(COMPAT_OTHER_KERNEL)
	      ", and this is another kernel. To try it anyway: make FORCE_KERNEL=1");
#endif

/* Debian's kernels have it by KVM. */
static_assert(IS_ENABLED(CONFIG_MMU_NOTIFIER),
	      "vhost-lio needs a kernel with CONFIG_MMU_NOTIFIER");

#endif /* _VHOST_SCSI_COMPAT_SUPPORTED_H */
