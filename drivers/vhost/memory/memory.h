/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lowest wing of the guest's side: guest memory. What the wings above may call.
 *
 *   mem.c	where the owner has it, and how it is read
 *   mem_pin.c	all of it pinned while the device is bound
 *   pins.c	single pages that stay pinned for the next command
 *   watch.c	the MMU notifier that says which of them may have been replaced
 *   log.c	the dirty log
 *
 * Nothing here knows what a queue, a device or a SCSI command is.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_MEMORY_H
#define _VHOST_SCSI_MEMORY_H

#include <linux/fault-inject-usercopy.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/vhost.h>
#include <linux/workqueue.h>

struct eventfd_ctx;

/* A range of guest memory; the guest names it, so it may be anywhere. */
struct vhost_scsi_range {
	u64 gpa;
	u32 len;
};

/*
 * A piece of guest memory in the owner's address space; no base: not memory. If
 * its region is pinned, @pages begins with the page of @base.
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
 * @users: who set it, and requests that use pages of it
 * @pinned: regions have pages; changed only while no request can begin
 * @free: frees a pinned table, whose last user may go in an interrupt
 * @wq: runs @free
 * @stale: an older one that some queue may still use; freed with this one
 * @nr: of @regions
 * @regions: by guest address, not overlapping
 */
struct vhost_scsi_mem {
	refcount_t users;
	bool pinned;
	struct work_struct free;
	struct workqueue_struct *wq;
	struct vhost_scsi_mem *stale;
	unsigned int nr;
	struct vhost_scsi_region regions[];
};

struct vhost_scsi_mem *vhost_scsi_mem_create(struct vhost_memory __user *m);
void vhost_scsi_mem_keep(struct vhost_scsi_mem *mem,
			 struct vhost_scsi_mem *old);
const struct vhost_scsi_region *
vhost_scsi_mem_region(const struct vhost_scsi_mem *mem, u64 gpa);
int vhost_scsi_mem_map(const struct vhost_scsi_mem *mem,
		       const struct vhost_scsi_range *ranges, unsigned int nr,
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

int vhost_scsi_map_create(struct vhost_scsi_map *map, u64 uaddr, size_t len);
void vhost_scsi_map_destroy(struct vhost_scsi_map *map);

/* watch.c */

/**
 * struct vhost_scsi_watch - invalidations of the owner's address space
 * @mn: registered while @watched
 * @watched: they are counted
 * @in_progress: invalidations under way
 * @seq: invalidations that began
 * @lock: guards @tables and the marks in their pages; a leaf, interrupts may be off
 * @tables: of pages that are pinned for long; struct vhost_scsi_watched
 */
struct vhost_scsi_watch {
	struct mmu_notifier mn;
	bool watched;
	atomic_t in_progress;
	atomic_t seq;
	spinlock_t lock;	/* see above */
	struct list_head tables;
};

void vhost_scsi_watch_init(struct vhost_scsi_watch *watch);
int vhost_scsi_watch_register(struct vhost_scsi_watch *watch);
void vhost_scsi_watch_unregister(struct vhost_scsi_watch *watch,
				 struct mm_struct *owner);
bool vhost_scsi_watch_begin(const struct vhost_scsi_watch *watch,
			    unsigned int *seq);
bool vhost_scsi_watch_retry(const struct vhost_scsi_watch *watch,
			    unsigned int seq);
bool vhost_scsi_pages_valid(struct page *const *pages, unsigned int nr);
void vhost_scsi_pages_revalidate(struct vhost_scsi_watch *watch,
				 unsigned int seq, struct page **pages,
				 struct page *const *now, unsigned int nr);

/* An entry of a table of pages that are pinned for long, without its mark. */
static inline struct page *vhost_scsi_page(struct page *const *entry)
{
	return (struct page *)((unsigned long)READ_ONCE(*entry) & ~1UL);
}

/* mem_pin.c */

int vhost_scsi_mem_pin(struct vhost_scsi_mem *mem,
		       const struct vhost_scsi_mem *old,
		       struct vhost_scsi_watch *watch,
		       struct workqueue_struct *wq);
void vhost_scsi_mem_unpin(struct vhost_scsi_mem *mem);
struct vhost_scsi_mem *vhost_scsi_mem_get(struct vhost_scsi_mem *mem);
void vhost_scsi_mem_put(struct vhost_scsi_mem *mem);

/* pins.c */

/* The most pages of a run: 1 MiB, wherever it begins in a page. */
#define VHOST_SCSI_RUN_PAGES	257

/**
 * struct vhost_scsi_pin - a page that is kept pinned
 * @addr: the owner's address of it
 * @page: NULL: none
 * @missed: the address that was looked for here last and not found, with
 *	    PIN_REFUSED or not
 * @seq: of the watch, when the page was pinned
 * @users: requests that use it
 */
struct vhost_scsi_pin {
	unsigned long addr;
	struct page *page;
	unsigned long missed;
	unsigned int seq;
	atomic_t users;
};

/**
 * struct vhost_scsi_pins - pages that are remembered by the owner's address
 * @pins: a place for each address modulo @nr; NULL: nothing is remembered
 * @nr: of them, a power of two
 * @watch: says whether a page may have been replaced
 *
 * The caller serialises all functions but those that put.
 */
struct vhost_scsi_pins {
	struct vhost_scsi_pin *pins;
	unsigned int nr;
	struct vhost_scsi_watch *watch;
};

void vhost_scsi_pins_alloc(struct vhost_scsi_pins *pins,
			   struct vhost_scsi_watch *watch, unsigned int nr);
void vhost_scsi_pins_free(struct vhost_scsi_pins *pins);
int vhost_scsi_pin_get(struct vhost_scsi_pins *pins, unsigned long addr,
		       struct vhost_scsi_pin **in, struct page **page);
int vhost_scsi_pin_get_repeated(struct vhost_scsi_pins *pins,
				unsigned long addr, bool write,
				struct vhost_scsi_pin **in,
				struct page **page);
bool vhost_scsi_pin_get_run(struct vhost_scsi_pins *pins, unsigned long addr,
			    unsigned int nr, struct vhost_scsi_pin **in,
			    struct page **pages);
void vhost_scsi_pin_miss_run(struct vhost_scsi_pins *pins, unsigned long addr,
			     unsigned int nr);
void vhost_scsi_pin_put_run(const struct vhost_scsi_pins *pins,
			    struct vhost_scsi_pin *pin, unsigned int nr);

/**
 * vhost_scsi_pin_put - the page is not used any more
 * @in: from vhost_scsi_pin_get() or vhost_scsi_pin_get_repeated()
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
	/* Pairs with pin_new(), which replaces a page after its last use. */
	atomic_dec_return_release(&in->users);
}

/* log.c */

struct vhost_scsi_log;

struct vhost_scsi_log *vhost_scsi_log_create(u64 base,
					     const struct vhost_scsi_mem *mem,
					     struct eventfd_ctx *ctx);
void vhost_scsi_log_free(struct vhost_scsi_log *log);
void vhost_scsi_log_mark(struct vhost_scsi_log __rcu **slot, u64 gpa, u64 len);

/**
 * vhost_scsi_log_write - guest memory was written
 * @slot: where the log is, if there is one
 * @gpa: guest physical address
 * @len: bytes
 *
 * Context: any.
 */
static inline void vhost_scsi_log_write(struct vhost_scsi_log __rcu **slot,
					u64 gpa, u64 len)
{
	if (unlikely(rcu_access_pointer(*slot)))
		vhost_scsi_log_mark(slot, gpa, len);
}

#endif /* _VHOST_SCSI_MEMORY_H */
