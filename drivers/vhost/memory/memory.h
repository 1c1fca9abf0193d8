/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lowest wing of the guest's side: guest memory. This header has everything that
 * the wings above may call.
 *
 *   mem.c	translates guest addresses, and reads guest memory
 *   mem_pin.c	pins all guest memory while the device is bound
 *   pins.c	keeps single pages pinned for the next command
 *   watch.c	is the MMU notifier, which says which of these may have been replaced
 *   account.c	counts what stays pinned as the owner's, within its limit
 *   log.c	writes the dirty log
 *
 * This wing does not know what a queue, a device or a SCSI command is.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_MEMORY_H
#define _VHOST_SCSI_MEMORY_H

#include <linux/fault-inject-usercopy.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/nospec.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/vhost.h>
#include <linux/workqueue.h>

struct eventfd_ctx;

/* A range of guest addresses. The guest chooses it, so it may lie outside of memory. */
struct vhost_scsi_range {
	u64 gpa;
	u32 len;
};

/*
 * A contiguous piece of guest memory in the owner's address space. If @base is NULL,
 * the guest addresses are not memory. If the region is pinned, @pages points to the
 * entry of the page of @base.
 */
struct vhost_scsi_iov {
	void __user *base;
	struct page **pages;
	u64 gpa;
	size_t len;
};

/* A position in a list of pieces. Functions that read or write there advance it. */
struct vhost_scsi_cursor {
	const struct vhost_scsi_iov *iov;
	unsigned int nr;
	size_t off;
};

/* mem.c */

struct vhost_scsi_pinned;

/*
 * An address of the owner without the tag that it may have (arm64 TBI, x86 LAM): the
 * kernel reports changes of the address space without tags. Context: the owner's ioctl.
 */
static inline u64 vhost_scsi_untagged(u64 addr)
{
	return untagged_addr((unsigned long)addr);
}

/**
 * struct vhost_scsi_region - a piece of guest memory
 * @gpa: address in the guest
 * @size: bytes
 * @base: address in the owner
 * @pages: if the region is pinned, its pages from that of @base on; see mem_pin.c
 * @pinned: keeps @pages; NULL: the region is not pinned
 */
struct vhost_scsi_region {
	u64 gpa;
	u64 size;
	u64 base;
	struct page **pages;
	struct vhost_scsi_pinned *pinned;
};

/**
 * struct vhost_scsi_mem - a memory table of VHOST_SET_MEM_TABLE
 * @users: the device, and the requests that use pages of the table
 * @pinned: the regions have @pages; changed only while no request can begin
 * @free: frees a pinned table, because the last user may go in an interrupt
 * @wq: runs @free
 * @stale: an older table that some queue may still use; freed with this one
 * @nr: number of @regions
 * @regions: sorted by guest address, without overlaps
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

/**
 * struct vhost_scsi_mem_size - how much memory a table has
 * @regions: of the table
 * @bytes: in them
 * @pages: that they are in
 */
struct vhost_scsi_mem_size {
	u64 regions;
	u64 bytes;
	u64 pages;
};

struct vhost_scsi_mem *vhost_scsi_mem_create(struct vhost_memory __user *m);
void vhost_scsi_mem_measure(const struct vhost_scsi_mem *mem,
			    struct vhost_scsi_mem_size *size);
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

/* Returns true if @len is not 0 and all bytes are in the region. */
static inline bool vhost_scsi_region_has(const struct vhost_scsi_region *r,
					 u64 gpa, u32 len)
{
	u64 off = gpa - r->gpa;

	return len && off < r->size && len <= r->size - off;
}

/* Sets base and pages of @piece for @gpa, which is in the region. */
static __always_inline void
vhost_scsi_region_piece(const struct vhost_scsi_region *r, u64 gpa,
			struct vhost_scsi_iov *piece)
{
	/*
	 * The offset stays in the region even if a processor only speculates that @gpa is in
	 * it. Otherwise the guest would choose an index of @pages, whose entries lead to memory.
	 */
	unsigned long off = gpa - r->gpa, size = r->size;
	u64 addr = r->base + array_index_nospec(off, size);

	piece->base = (void __user *)(unsigned long)addr;
	piece->pages = NULL;
	if (r->pages)
		piece->pages = r->pages + (addr >> PAGE_SHIFT) -
			       (r->base >> PAGE_SHIFT);
}

/**
 * vhost_scsi_cursor_piece - get the contiguous piece at the cursor
 * @cur: the cursor, which is not advanced
 * @max: bytes wanted, not 0
 * @len: gets the bytes that are contiguous, at most @max
 * @gpa: gets their guest address
 *
 * Return: the owner's address; or NULL: no piece is left, or the piece is not memory.
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
 * vhost_scsi_cursor_skip - advance the cursor
 * @cur: the cursor
 * @len: bytes, at most as many as are left
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
 * copy_from_user() of few bytes. If @len is a constant, up to eight words are copied
 * without a loop, and the compiler drops the tails that @len does not have.
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
 * vhost_scsi_cursor_read - copy from the pieces, and advance the cursor
 * @cur: the cursor
 * @buf: gets the bytes
 * @len: bytes; the function is inline because this is mostly a constant
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

/*
 * A pin adds 1024 to the reference count of a small page, and the count overflows at
 * 2^31. A page with a quarter of that is not pinned once more. Workers that look at the
 * same time may exceed this by 512 pins each, what one pins at a time.
 */
#define VHOST_SCSI_PAGE_REFS	BIT(29)

/**
 * vhost_scsi_pages_crowded - has one of these pages as many pins as a page may have
 * @pages: pinned
 * @nr: number of @pages
 *
 * A guest may name the same page in each piece of each of its requests.
 *
 * Context: any.
 */
static inline bool vhost_scsi_pages_crowded(struct page *const *pages,
					    unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (unlikely(folio_ref_count(page_folio(pages[i])) >=
			     (int)VHOST_SCSI_PAGE_REFS))
			return true;
	return false;
}

/**
 * struct vhost_scsi_map - memory of the owner, mapped into the kernel or copied
 * @addr: the kernel's address of the mapping or of the copy
 * @vaddr: mapping of @pages
 * @watch: counts @pages
 * @pages: pinned for long
 * @nr: number of @pages
 * @user: the owner's address of what @addr is a copy of; NULL: @addr is a mapping
 */
struct vhost_scsi_map {
	void *addr;
	void *vaddr;
	struct vhost_scsi_watch *watch;
	struct page **pages;
	unsigned int nr;
	void __user *user;
};

int vhost_scsi_map_create(struct vhost_scsi_map *map,
			  struct vhost_scsi_watch *watch, u64 uaddr,
			  size_t len);
int vhost_scsi_map_copy(struct vhost_scsi_map *map, u64 uaddr, size_t len,
			bool write);
void vhost_scsi_map_destroy(struct vhost_scsi_map *map);
int vhost_scsi_mem_write(const struct vhost_scsi_mem *mem, u64 gpa,
			 const void *buf, size_t len);
void vhost_scsi_mem_touch(const struct vhost_scsi_mem *mem, u64 gpa,
			  size_t len);

/**
 * vhost_scsi_page_of_file - does a file system have to know when the page is written
 * @page: pinned
 *
 * It does if the page is of a shared mapping of a file, but not of tmpfs or hugetlbfs.
 * The file system prepares for a write when the page is mapped writable. When it has
 * written the page to the file, it maps the page read-only until the next write fault.
 * A write through a pin makes no fault. So such a page is written by user access; or it
 * is pinned for one command, and vhost_scsi_mem_touch() is called afterwards.
 *
 * Context: any.
 */
static inline bool vhost_scsi_page_of_file(struct page *page)
{
	struct folio *folio = page_folio(page);

	return !folio_test_swapbacked(folio) && !folio_test_anon(folio) &&
	       !folio_test_hugetlb(folio) && folio->mapping;
}

/* watch.c */

/**
 * struct vhost_scsi_watch - invalidations of the owner's address space
 * @mm: the owner's, whose pinned memory the pages count as
 * @limit: pages that the owner may have pinned
 * @kept: pages that the device keeps pinned, without those of pin_memory
 * @mn: registered while @watched
 * @watched: @mn is registered
 * @in_progress: number of invalidations under way
 * @seq: number of invalidations that have begun
 * @lock: protects @tables and the marks in them; taken in any context, and no other
 *	  lock is taken under it
 * @tables: tables of pages that are pinned for long, struct vhost_scsi_watched
 * @pins_lock: protects @pins; no other lock is taken under it
 * @pins: tables of remembered pages, struct vhost_scsi_pins
 */
struct vhost_scsi_watch {
	struct mm_struct *mm;
	unsigned long limit;
	atomic_long_t kept;
	struct mmu_notifier mn;
	bool watched;
	atomic_t in_progress;
	atomic_t seq;
	spinlock_t lock;	/* see above */
	struct list_head tables;
	spinlock_t pins_lock;	/* see above */
	struct list_head pins;
};

void vhost_scsi_watch_init(struct vhost_scsi_watch *watch);
int vhost_scsi_watch_register(struct vhost_scsi_watch *watch);
void vhost_scsi_watch_unregister(struct vhost_scsi_watch *watch);
bool vhost_scsi_watch_begin(const struct vhost_scsi_watch *watch,
			    unsigned int *seq);
bool vhost_scsi_pages_valid(struct page *const *pages, unsigned int nr, bool write);
void vhost_scsi_pages_revalidate(struct vhost_scsi_watch *watch,
				 unsigned int seq, struct page **pages,
				 struct page *const *now, unsigned int nr,
				 bool write);

/**
 * vhost_scsi_watch_retry - did an invalidation begin since vhost_scsi_watch_begin()
 * @watch: registered
 * @seq: from vhost_scsi_watch_begin()
 *
 * Inline because it is called for each page of a command.
 *
 * Context: any.
 * Return: true if one began. The pages then have to be looked up again.
 */
static inline bool vhost_scsi_watch_retry(const struct vhost_scsi_watch *watch,
					  unsigned int seq)
{
	return (unsigned int)atomic_read(&watch->seq) != seq;
}

/* Returns the page of an entry of struct vhost_scsi_watched, without the marks. */
static inline struct page *vhost_scsi_page(struct page *const *entry)
{
	return (struct page *)((unsigned long)READ_ONCE(*entry) & ~3UL);
}

/* account.c */

void vhost_scsi_account_limit(struct vhost_scsi_watch *watch);

/* mem_pin.c */

int vhost_scsi_mem_pin(struct vhost_scsi_mem *mem,
		       const struct vhost_scsi_mem *old,
		       struct vhost_scsi_watch *watch,
		       struct workqueue_struct *wq);
void vhost_scsi_mem_unpin(struct vhost_scsi_mem *mem);
struct vhost_scsi_mem *vhost_scsi_mem_get(struct vhost_scsi_mem *mem);
void vhost_scsi_mem_put(struct vhost_scsi_mem *mem);

/* pins.c */

/* Pages of a run, at most: 1 MiB that may begin anywhere in a page. */
#define VHOST_SCSI_RUN_PAGES	257

/* No page has this address. */
#define VHOST_SCSI_PIN_GONE	1UL

/**
 * struct vhost_scsi_pin - a place for a page that is kept pinned
 * @addr: the owner's address of the page; VHOST_SCSI_PIN_GONE: no page is kept here
 * @page: the page; valid while there are @users
 * @missed: the last address that was looked for here and not found; with the bit
 *	    PIN_REFUSED if its page cannot be pinned for long
 * @users: number of requests that use the page, and one more while it is kept
 */
struct vhost_scsi_pin {
	unsigned long addr;
	struct page *page;
	unsigned long missed;
	atomic_t users;
};

/**
 * struct vhost_scsi_pins - pages that are remembered by the owner's address
 * @pins: the page number modulo @nr is the index; NULL: nothing is remembered
 * @nr: number of @pins, a power of two
 * @kept: number of pages that are kept
 * @watch: drops a page that may have been replaced
 * @node: in watch->pins
 *
 * The caller serialises all functions except vhost_scsi_pin_put() and
 * vhost_scsi_pin_put_run().
 */
struct vhost_scsi_pins {
	struct vhost_scsi_pin *pins;
	unsigned int nr;
	atomic_t kept;
	struct vhost_scsi_watch *watch;
	struct list_head node;
};

static inline unsigned int vhost_scsi_pins_kept(const struct vhost_scsi_pins *pins)
{
	return atomic_read(&pins->kept);
}

void vhost_scsi_pins_alloc(struct vhost_scsi_pins *pins,
			   struct vhost_scsi_watch *watch, unsigned int nr);
void vhost_scsi_pins_free(struct vhost_scsi_pins *pins);
void vhost_scsi_pins_drop(struct vhost_scsi_watch *watch, unsigned long start,
			  unsigned long end);
void vhost_scsi_mem_forget(const struct vhost_scsi_mem *old,
			   const struct vhost_scsi_mem *mem,
			   struct vhost_scsi_watch *watch);
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
 * vhost_scsi_pin_put - end the use of a page
 * @in: from vhost_scsi_pin_get() or vhost_scsi_pin_get_repeated(); NULL: the page is
 *	not remembered, and is unpinned
 * @page: likewise
 *
 * Context: any.
 */
static inline void vhost_scsi_pin_put(struct vhost_scsi_pin *in,
				      struct page *page)
{
	if (in)
		page = in->page;
	/* A full barrier, which pairs with pin_new(): the page is not used any more. */
	if (!in || atomic_dec_and_test(&in->users))
		unpin_user_page(page);
}

/* log.c */

struct vhost_scsi_log;

struct vhost_scsi_log *vhost_scsi_log_create(u64 base,
					     const struct vhost_scsi_mem *mem,
					     struct vhost_scsi_watch *watch,
					     struct eventfd_ctx *ctx);
bool vhost_scsi_log_by_worker(const struct vhost_scsi_log *log);
void vhost_scsi_log_free(struct vhost_scsi_log *log);
void vhost_scsi_log_mark(struct vhost_scsi_log __rcu **slot, u64 gpa, u64 len);

/**
 * vhost_scsi_log_write - mark guest memory as written
 * @slot: pointer to the log; NULL: there is no log
 * @gpa: guest physical address
 * @len: bytes
 *
 * Context: any; if vhost_scsi_log_by_worker(), see vhost_scsi_log_mark().
 */
static inline void vhost_scsi_log_write(struct vhost_scsi_log __rcu **slot,
					u64 gpa, u64 len)
{
	if (unlikely(rcu_access_pointer(*slot)))
		vhost_scsi_log_mark(slot, gpa, len);
}

#endif /* _VHOST_SCSI_MEMORY_H */
