// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading of vhost_scsi.ko.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/module.h>
#include <linux/stringify.h>

#include "vhost-scsi.h"

static int __init vhost_scsi_init(void)
{
	int ret;

	ret = vhost_scsi_target_register();
	if (ret)
		return ret;

	ret = vhost_scsi_chardev_register();
	if (ret)
		vhost_scsi_target_unregister();
	return ret;
}

static void __exit vhost_scsi_exit(void)
{
	vhost_scsi_chardev_unregister();
	vhost_scsi_target_unregister();
}

module_init(vhost_scsi_init);
module_exit(vhost_scsi_exit);

MODULE_DESCRIPTION("virtio-scsi to LIO bridge (vhost-lio)");
MODULE_AUTHOR("vhost-lio developers");
MODULE_LICENSE("GPL");
/* DKMS compares it with the one of the distribution's module, which has none. */
MODULE_VERSION(__stringify(VHOST_LIO_VERSION));
/* rtslib-fb loads the module by this name. */
MODULE_ALIAS("tcm_vhost");
/*
 * QEMU takes the number of memory regions from the kernel's own vhost, whose parameter
 * max_mem_regions is the administrator's, and 64 where that is not loaded.
 */
MODULE_SOFTDEP("pre: vhost");
