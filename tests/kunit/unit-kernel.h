/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The functions of user space that the unit tests use, for the kernel. The file of
 * the same name in tests/unit/include is its counterpart.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _KUNIT_UNIT_KERNEL_H
#define _KUNIT_UNIT_KERNEL_H

#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/virtio_byteorder.h>

#define calloc(n, size)	kvcalloc(n, size, GFP_KERNEL)
#define malloc(size)	kvmalloc(size, GFP_KERNEL)
#define free(p)		kvfree(p)
#define abort()		panic("%s", __func__)

/*
 * The owner's memory: that of the process that loads the module, whose address
 * space the tests use as a worker does.
 */
void __user *user_new(size_t size);
void user_gap(void __user *page);
void user_free(void __user *p, size_t size);

#endif /* _KUNIT_UNIT_KERNEL_H */
