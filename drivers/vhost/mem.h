/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory: where the owner has it (mem.c), what of it stays pinned, as a whole
 * (mem_pin.c) or page by page (pins.c), and how it is read.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_MEM_H
#define _VHOST_SCSI_MEM_H

#include <linux/fault-inject-usercopy.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/vhost.h>
#include <linux/workqueue.h>

#include "ring.h"

struct vhost_scsi_vq;

/*
 * A piece of a chain in the owner's address space; no base: not memory. Where
 * all of it is pinned, @pages begins with the page of @base.
 */
struct vhost_scsi_iov {
	void __user *base;
	struct page **pages;
	u64 gpa;
	size_t len;
};

/* A place in a list of pieces; the functions that use it move it on. */
struct vhost_scsi_cursor {
	const struct vhost_scsi_iov *iov;
	unsigned int nr;
	size_t off;
};

/* mem.c */

struct vhost_scsi_pinned;

/**
 * struct vhost_scsi_region - a piece of guest memory
 * @gpa: where the guest has it
 * @size: bytes
 * @base: where the owner has it
 * @pages: from the page of @base on, if all of it is pinned; see mem_pin.c
 * @pinned: who keeps @pages
 */
struct vhost_scsi_region {
	u64 gpa;
	u64 size;
	u64 base;
	struct page **pages;
	struct vhost_scsi_pinned *pinned;
};

/**
 * struct vhost_scsi_mem - a table that VHOST_SET_MEM_TABLE made
 * @users: the device, and requests that use pages of it
 * @pinned: regions have pages; changed only while no queue runs
 * @free: when the last user goes in an interrupt
 * @stale: an older one that some queue may still use; freed with this one
 * @nr: of @regions
 * @regions: by guest address, not overlapping
 */
struct vhost_scsi_mem {
	refcount_t users;
	bool pinned;
	struct work_struct free;
	struct vhost_scsi_mem *stale;
	unsigned int nr;
	struct vhost_scsi_region regions[];
};

struct vhost_scsi_mem *vhost_scsi_mem_create(struct vhost_memory __user *m);
void vhost_scsi_mem_free(struct vhost_scsi_mem *mem);
void vhost_scsi_mem_keep(struct vhost_scsi_mem *mem,
			 struct vhost_scsi_mem *old);
u64 vhost_scsi_mem_last(const struct vhost_scsi_mem *mem);
const struct vhost_scsi_region *
vhost_scsi_mem_region(const struct vhost_scsi_mem *mem, u64 gpa);
size_t vhost_scsi_mem_find(const struct vhost_scsi_mem *mem, u64 gpa,
			   size_t len, void __user **base);
int vhost_scsi_mem_map(const struct vhost_scsi_mem *mem,
		       const struct vhost_scsi_desc *descs, unsigned int nr,
		       struct vhost_scsi_iov *iov, unsigned int max);
int vhost_scsi_mem_read(const struct vhost_scsi_mem *mem, u64 gpa, void *buf,
			size_t len);
size_t __vhost_scsi_cursor_read(struct vhost_scsi_cursor *cur, void *buf,
				size_t len);

/* Are these bytes, not 0, all in the region? */
static inline bool vhost_scsi_region_has(const struct vhost_scsi_region *r,
					 u64 gpa, u32 len)
{
	u64 off = gpa - r->gpa;

	return len && off < r->size && len <= r->size - off;
}

/* Where @gpa, which is in the region, lies in the owner's memory. */
static __always_inline void
vhost_scsi_region_piece(const struct vhost_scsi_region *r, u64 gpa,
			struct vhost_scsi_iov *piece)
{
	u64 addr = r->base + (gpa - r->gpa);

	piece->base = (void __user *)(unsigned long)addr;
	piece->pages = NULL;
	if (r->pages)
		piece->pages = r->pages + (addr >> PAGE_SHIFT) -
			       (r->base >> PAGE_SHIFT);
}

/**
 * vhost_scsi_cursor_piece - what lies at the cursor in one piece
 * @cur: not moved
 * @max: bytes wanted, not 0
 * @len: bytes that there are, at most @max
 * @gpa: their guest address
 *
 * Return: the owner's address, or NULL: the pieces are used up or what lies
 * here is no memory.
 */
static inline void __user *
vhost_scsi_cursor_piece(const struct vhost_scsi_cursor *cur, size_t max,
			size_t *len, u64 *gpa)
{
	if (!cur->nr || !cur->iov->base)
		return NULL;
	*len = min(max, cur->iov->len - cur->off);
	*gpa = cur->iov->gpa + cur->off;
	return cur->iov->base + cur->off;
}

/**
 * vhost_scsi_cursor_skip - move on
 * @cur: the cursor
 * @len: bytes, at most what is left
 */
static inline void vhost_scsi_cursor_skip(struct vhost_scsi_cursor *cur,
					  size_t len)
{
	while (cur->nr && len >= cur->iov->len - cur->off) {
		len -= cur->iov->len - cur->off;
		cur->off = 0;
		cur->iov++;
		cur->nr--;
	}
	if (cur->nr)
		cur->off += len;
}

/*
 * copy_from_user() of few bytes. Of a constant @len up to eight words are copied
 * without a loop, and a tail that cannot be there is compiled out.
 */
static __always_inline bool vhost_scsi_copy_few(void *buf,
						const void __user *from,
						size_t len)
{
	size_t i = 0;

	if (should_fail_usercopy() || !user_access_begin(from, len))
		return false;
#pragma GCC unroll 8
	for (; len - i >= sizeof(u64); i += sizeof(u64))
		unsafe_get_user(*(u64 *)(buf + i),
				(const u64 __user *)(from + i), fault);
	if (len & sizeof(u32)) {
		unsafe_get_user(*(u32 *)(buf + i),
				(const u32 __user *)(from + i), fault);
		i += sizeof(u32);
	}
	if (len & sizeof(u16)) {
		unsafe_get_user(*(u16 *)(buf + i),
				(const u16 __user *)(from + i), fault);
		i += sizeof(u16);
	}
	if (len & sizeof(u8))
		unsafe_get_user(*(u8 *)(buf + i),
				(const u8 __user *)(from + i), fault);
	user_access_end();
	return true;

fault:
	user_access_end();
	return false;
}

/**
 * vhost_scsi_cursor_read - copy from the pieces and move on
 * @cur: the cursor
 * @buf: where to
 * @len: bytes; inline for the sake of a constant
 *
 * Context: a worker; may sleep.
 * Return: bytes copied.
 */
static __always_inline size_t
vhost_scsi_cursor_read(struct vhost_scsi_cursor *cur, void *buf, size_t len)
{
	const void __user *from;

	if (!cur->nr || !cur->iov->base || cur->iov->len - cur->off < len)
		goto slow;
	from = cur->iov->base + cur->off;
	if (__builtin_constant_p(len) &&
	    IS_ENABLED(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS) ?
	    !vhost_scsi_copy_few(buf, from, len) :
	    copy_from_user(buf, from, len))
		goto slow;
	vhost_scsi_cursor_skip(cur, len);
	return len;

slow:
	return __vhost_scsi_cursor_read(cur, buf, len);
}

/* Memory of the owner, pinned for long and mapped into the kernel. */
struct vhost_scsi_map {
	void *addr;
	void *vaddr;
	struct page **pages;
	unsigned int nr;
};

int vhost_scsi_pin_long(unsigned long addr, unsigned int nr,
			struct page **pages);
int vhost_scsi_map_create(struct vhost_scsi_map *map, u64 uaddr, size_t len);
void vhost_scsi_map_destroy(struct vhost_scsi_map *map);

/* mem_pin.c */

struct vhost_scsi_mm;

int vhost_scsi_mem_pin(struct vhost_scsi_mem *mem,
		       const struct vhost_scsi_mem *old,
		       struct vhost_scsi_mm *mm);
void vhost_scsi_mem_unpin(struct vhost_scsi_mem *mem);
struct vhost_scsi_mem *vhost_scsi_mem_get(struct vhost_scsi_mem *mem);
void vhost_scsi_mem_put(struct vhost_scsi_mem *mem);
bool vhost_scsi_pages_fresh(struct page *const *pages, unsigned int nr);
void vhost_scsi_pages_changed(struct vhost_scsi_mm *mm, unsigned long start,
			      unsigned long end);
void vhost_scsi_pages_renew(struct vhost_scsi_mm *mm, unsigned int changes,
			    struct page **pages, struct page *const *now,
			    unsigned int nr);

/* A page of a region may have been marked as changed since it was looked at. */
static inline struct page *vhost_scsi_page(struct page *const *slot)
{
	return (struct page *)((unsigned long)READ_ONCE(*slot) & ~1UL);
}

/* pins.c */

/* Of data in one piece, and of no more than 1 MiB, wherever it begins in a page. */
#define VHOST_SCSI_RUN_PAGES	257

/**
 * struct vhost_scsi_mm - changes of the owner's memory
 * @mn: registered while @watched
 * @watched: they are counted
 * @changing: changes under way
 * @changes: changes that began
 * @lock: guards @pinned and the marks in its pages; a leaf, interrupts may be off
 * @pinned: what is pinned of it for long, see mem_pin.c
 */
struct vhost_scsi_mm {
	struct mmu_notifier mn;
	bool watched;
	atomic_t changing;
	atomic_t changes;
	spinlock_t lock;	/* see above */
	struct list_head pinned;
};

/**
 * struct vhost_scsi_pin - a page that is kept pinned
 * @addr: the owner's address of it
 * @page: NULL: none
 * @missed: what was looked for last in vain, for pin_again()
 * @changes: of the owner's memory, when it was pinned
 * @users: requests that use it
 */
struct vhost_scsi_pin {
	unsigned long addr;
	struct page *page;
	unsigned long missed;
	unsigned int changes;
	atomic_t users;
};

/**
 * struct vhost_scsi_pins - the pages that a queue remembers
 * @pins: by the owner's address; NULL: none are
 * @nr: of them, a power of two
 */
struct vhost_scsi_pins {
	struct vhost_scsi_pin *pins;
	unsigned int nr;
};

void vhost_scsi_mm_init(struct vhost_scsi_mm *mm);
int vhost_scsi_mm_watch(struct vhost_scsi_mm *mm);
bool vhost_scsi_mm_still(const struct vhost_scsi_mm *mm, unsigned int *changes);
bool vhost_scsi_mm_changed(const struct vhost_scsi_mm *mm,
			   unsigned int changes);
void vhost_scsi_mm_forget(struct vhost_scsi_mm *mm, struct mm_struct *owner);
void vhost_scsi_pins_alloc(struct vhost_scsi_vq *vq);
void vhost_scsi_pins_free(struct vhost_scsi_vq *vq);
int vhost_scsi_pin_get(struct vhost_scsi_vq *vq, unsigned long addr,
		       struct vhost_scsi_pin **in, struct page **page);
int vhost_scsi_pin_data(struct vhost_scsi_vq *vq, unsigned long addr,
			bool write, struct vhost_scsi_pin **in,
			struct page **page);
bool vhost_scsi_pin_run(struct vhost_scsi_vq *vq, unsigned long addr,
			unsigned int nr, struct vhost_scsi_pin **in,
			struct page **pages);
void vhost_scsi_pin_miss_run(struct vhost_scsi_vq *vq, unsigned long addr,
			     unsigned int nr);
void vhost_scsi_pin_put_run(const struct vhost_scsi_vq *vq,
			    struct vhost_scsi_pin *pin, unsigned int nr);

/**
 * vhost_scsi_pin_put - the page is not used any more
 * @in: from vhost_scsi_pin_get() or vhost_scsi_pin_data()
 * @page: likewise
 *
 * Context: any.
 */
static inline void vhost_scsi_pin_put(struct vhost_scsi_pin *in,
				      struct page *page)
{
	if (!in) {
		unpin_user_page(page);
		return;
	}
	/* After its use: it may go to another address now. See pin_new() in pins.c. */
	atomic_dec_return_release(&in->users);
}

#endif /* _VHOST_SCSI_MEM_H */
