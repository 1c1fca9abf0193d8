// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty logging for live migration: a bit for each 4 KiB page of guest memory
 * that the module wrote, in a bitmap of the owner's.
 *
 * The bitmap is pinned and mapped when it is set, so that it can be written in any
 * context. If it cannot be kept pinned, the worker writes it by user access, and so the
 * worker answers the chains of all queues.
 *
 * A page of data is marked after it was written, and before the used index that tells
 * the guest of it is published. The used index and the other fields of the device area
 * are marked right after they are written.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/bitops.h>
#include <linux/eventfd.h>
#include <linux/futex.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/byteorder.h>
#include <asm/futex.h>

#include "internal.h"

/* 1 GiB of bitmap covers 32 TiB of guest addresses. */
#define MAX_LOG_BYTES	BIT_ULL(30)

struct vhost_scsi_log {
	struct vhost_scsi_map map;
	char __user *user;	/* the page that @first is in; NULL: it is in @map */
	u64 first;		/* bit of guest page 0 */
	u64 pages;
	struct eventfd_ctx *ctx;
};

/**
 * vhost_scsi_log_create - pin and map the owner's bitmap, if it can be kept pinned
 * @base: the owner's address of the bitmap
 * @mem: the memory table that the bitmap covers
 * @watch: of the owner's address space
 * @ctx: signalled after the bitmap was written, or NULL; must outlive the log
 *
 * Context: the owner's ioctl; may sleep.
 * Return: the log, or an ERR_PTR (-EFAULT: a part of the bitmap is not in memory).
 */
struct vhost_scsi_log *vhost_scsi_log_create(u64 base,
					     const struct vhost_scsi_mem *mem,
					     struct vhost_scsi_watch *watch,
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

	ret = vhost_scsi_map_create(&log->map, watch, base, bytes);
	if (ret == -EOPNOTSUPP) {
		log->user = (char __user *)(unsigned long)(base & PAGE_MASK);
		ret = fault_in_safe_writeable(log->user + offset_in_page(base),
					      bytes) ? -EFAULT : 0;
	}
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

/**
 * vhost_scsi_log_by_worker - can only the worker write the log
 * @log: the log, or NULL
 *
 * Context: any.
 */
bool vhost_scsi_log_by_worker(const struct vhost_scsi_log *log)
{
	return log && log->user;
}

/* set_bit_le() takes an int, and the bitmap may have more bits. */
static void set_mapped(const struct vhost_scsi_log *log, u64 bit)
{
	set_bit_le(bit % BITS_PER_LONG,
		   (unsigned long *)log->map.vaddr + bit / BITS_PER_LONG);
}

/* Sets @bit. Return: NULL; or the owner's word with the bit, if it is not in memory. */
static u32 __user *set_user(const struct vhost_scsi_log *log, u64 bit)
{
	u32 __user *word = (u32 __user *)log->user + bit / 32;
	int mask = (__force int)cpu_to_le32(BIT(bit % 32)), old, ret;

	pagefault_disable();
	ret = arch_futex_atomic_op_inuser(FUTEX_OP_OR, mask, &old, word);
	pagefault_enable();
	return ret ? word : NULL;
}

/*
 * Marks pages from *@page to @last, and advances *@page. Return: NULL; or an address of
 * the owner's that has to be faulted in to go on.
 */
static void __user *mark(const struct vhost_scsi_log *log, u64 *page, u64 last)
{
	u32 __user *word;

	for (; *page <= last && *page < log->pages; (*page)++) {
		if (!log->user) {
			set_mapped(log, log->first + *page);
			continue;
		}
		word = set_user(log, log->first + *page);
		if (word)
			return word;
	}
	if (log->ctx)
		eventfd_signal(log->ctx);
	return NULL;
}

/**
 * vhost_scsi_log_mark - mark pages of guest memory as written
 * @slot: pointer to the log, which may have become NULL
 * @gpa: guest physical address
 * @len: bytes
 *
 * The slow path of vhost_scsi_log_write().
 *
 * Context: any; if vhost_scsi_log_by_worker(), a worker or an ioctl of the owner, and may
 * sleep.
 */
void vhost_scsi_log_mark(struct vhost_scsi_log __rcu **slot, u64 gpa, u64 len)
{
	u64 page = gpa / VHOST_PAGE_SIZE, last = (gpa + len - 1) / VHOST_PAGE_SIZE;
	struct vhost_scsi_log *log;
	void __user *missing;

	if (!len)
		return;
	/*
	 * Orders the write of the memory before the bit: the owner copies the page
	 * after it has seen and cleared the bit.
	 */
	smp_wmb();
	do {
		missing = NULL;
		rcu_read_lock();
		log = rcu_dereference(*slot);
		if (log)
			missing = mark(log, &page, last);
		rcu_read_unlock();
		/* The log may be another one by then. If the bitmap is gone, nobody reads it. */
	} while (missing && !fault_in_safe_writeable(missing, sizeof(u32)));
}
