// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty logging for live migration: a bit for each 4 KiB page of guest memory
 * that the module wrote, in a bitmap of the owner's.
 *
 * The bitmap is pinned and mapped when it is set, so that it can be written in any
 * context. A page of data is marked after it was written, and before the used index
 * that tells the guest of it is published. The used index and the other fields of the
 * device area are marked right after they are written.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/bitops.h>
#include <linux/eventfd.h>
#include <linux/slab.h>

#include "internal.h"

/* 1 GiB of bitmap covers 32 TiB of guest addresses. */
#define MAX_LOG_BYTES	BIT_ULL(30)

struct vhost_scsi_log {
	struct vhost_scsi_map map;
	u64 first;		/* bit of guest page 0 */
	u64 pages;
	struct eventfd_ctx *ctx;
};

/**
 * vhost_scsi_log_create - pin and map the owner's bitmap
 * @base: the owner's address of the bitmap
 * @mem: the memory table that the bitmap covers
 * @ctx: signalled after the bitmap was written, or NULL; must outlive the log
 *
 * Context: the owner's ioctl; may sleep.
 * Return: the log, or an ERR_PTR (-EFAULT: a part of the bitmap is not in memory).
 */
struct vhost_scsi_log *vhost_scsi_log_create(u64 base,
					     const struct vhost_scsi_mem *mem,
					     struct eventfd_ctx *ctx)
{
	u64 pages = vhost_scsi_mem_last(mem) / VHOST_PAGE_SIZE + 1;
	u64 bytes = DIV_ROUND_UP_ULL(pages, 8);
	struct vhost_scsi_log *log;
	int ret;

	if (bytes > MAX_LOG_BYTES)
		return ERR_PTR(-EFAULT);
	log = kzalloc(sizeof(*log), GFP_KERNEL_ACCOUNT);
	if (!log)
		return ERR_PTR(-ENOMEM);

	ret = vhost_scsi_map_create(&log->map, base, bytes);
	if (ret) {
		kfree(log);
		return ERR_PTR(ret);
	}
	/* Bit operations need an aligned start address. */
	log->first = 8 * (u64)offset_in_page(base);
	log->pages = pages;
	log->ctx = ctx;
	return log;
}

/**
 * vhost_scsi_log_free - unmap and unpin the bitmap
 * @log: no reader under RCU is left; or NULL
 */
void vhost_scsi_log_free(struct vhost_scsi_log *log)
{
	if (!log)
		return;
	vhost_scsi_map_destroy(&log->map);
	kfree(log);
}

/* set_bit_le() takes an int, and the bitmap may have more bits. */
static void log_set(struct vhost_scsi_log *log, u64 bit)
{
	set_bit_le(bit % BITS_PER_LONG,
		   (unsigned long *)log->map.vaddr + bit / BITS_PER_LONG);
}

/**
 * vhost_scsi_log_mark - mark pages of guest memory as written
 * @slot: pointer to the log, which may have become NULL
 * @gpa: guest physical address
 * @len: bytes
 *
 * The slow path of vhost_scsi_log_write().
 *
 * Context: any.
 */
void vhost_scsi_log_mark(struct vhost_scsi_log __rcu **slot, u64 gpa, u64 len)
{
	struct vhost_scsi_log *log;
	u64 page, last;

	if (!len)
		return;

	rcu_read_lock();
	log = rcu_dereference(*slot);
	if (log) {
		/*
		 * Orders the write of the memory before the bit: the owner
		 * copies the page after it has seen and cleared the bit.
		 */
		smp_wmb();
		last = (gpa + len - 1) / VHOST_PAGE_SIZE;
		for (page = gpa / VHOST_PAGE_SIZE;
		     page <= last && page < log->pages; page++)
			log_set(log, log->first + page);
		if (log->ctx)
			eventfd_signal(log->ctx);
	}
	rcu_read_unlock();
}
