// SPDX-License-Identifier: GPL-2.0-only
/*
 * All of guest memory pinned, for as long as the device is bound: what the target's
 * attribute pin_memory asks for. A command then finds its pages in a table.
 *
 * The pages count as locked memory of the owner (RLIMIT_MEMLOCK), and a region that
 * a new table has like the old one is not pinned twice. Requests under way keep the
 * table that they began with.
 *
 * The owner may still put another page at an address: it unmaps, or a balloon
 * gives pages back. A notifier of its mm marks what may have changed, and a command
 * that meets a mark pins for itself, as without all this; if it finds the same
 * page, the mark goes. Much of what is marked did not change: KSM looks at pages,
 * a huge page is mapped in small ones.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "vhost.h"

/* In an entry of a page table of ours: another page may be there by now. */
#define CHANGED		1UL
/* Pages that are pinned at a time, before somebody else has the processor. */
#define CHUNK		512
/* Bytes of the owner's addresses that are marked at a time. */
#define STRETCH		(32UL << 20)

/**
 * struct vhost_scsi_pinned - the pages of a region
 * @users: tables that have the region
 * @node: in watch->pinned
 * @watch: changes of the owner's memory
 * @mm: whose locked memory it counts as
 * @base: the owner's address
 * @size: bytes
 * @nr: pages, of @pages
 * @pages: each with CHANGED or not, which is under watch->lock
 */
struct vhost_scsi_pinned {
	refcount_t users;
	struct list_head node;
	struct vhost_scsi_mm *watch;
	struct mm_struct *mm;
	u64 base;
	u64 size;
	unsigned long nr;
	struct page **pages;
};

static struct page *marked(struct page *page)
{
	return (struct page *)((unsigned long)page | CHANGED);
}

static unsigned long pinned_start(const struct vhost_scsi_pinned *p)
{
	return p->base & PAGE_MASK;
}

static unsigned long pinned_end(const struct vhost_scsi_pinned *p)
{
	return pinned_start(p) + p->nr * PAGE_SIZE;
}

static void mark_range(struct vhost_scsi_pinned *p, unsigned long from,
		       unsigned long to)
{
	unsigned long i;

	from = max(from, pinned_start(p));
	to = min(to, pinned_end(p));
	for (; from < to; from += PAGE_SIZE) {
		i = (from - pinned_start(p)) >> PAGE_SHIFT;
		WRITE_ONCE(p->pages[i], marked(p->pages[i]));
	}
}

static int pin_range(struct vhost_scsi_pinned *p, unsigned long *done)
{
	unsigned long addr = pinned_start(p);
	int got;

	while (*done < p->nr) {
		if (fatal_signal_pending(current))
			return -EINTR;
		got = vhost_scsi_pin_long(addr + *done * PAGE_SIZE,
					  min_t(unsigned long, CHUNK,
						p->nr - *done),
					  p->pages + *done);
		if (got < 0)
			return got;
		/* Now, for the completion of a command must not sleep. */
		for (; got; got--, (*done)++)
			if (!PageDirty(compound_head(p->pages[*done])))
				set_page_dirty_lock(p->pages[*done]);
		cond_resched();
	}
	return 0;
}

static void unpin_range(struct vhost_scsi_pinned *p, unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++) {
		unpin_user_page(vhost_scsi_page(&p->pages[i]));
		if (!(i % CHUNK))
			cond_resched();
	}
}

static void pinned_free(struct vhost_scsi_pinned *p, unsigned long nr)
{
	unpin_range(p, nr);
	account_locked_vm(p->mm, p->nr, false);
	mmdrop(p->mm);
	vfree(p->pages);
	kfree(p);
}

static struct vhost_scsi_pinned *
pinned_create(const struct vhost_scsi_region *r, struct vhost_scsi_mm *watch)
{
	struct vhost_scsi_pinned *p;
	unsigned long done = 0;
	int ret;

	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		return ERR_PTR(-ENOMEM);
	refcount_set(&p->users, 1);
	p->watch = watch;
	p->base = r->base;
	p->size = r->size;
	p->nr = DIV_ROUND_UP(offset_in_page(r->base) + r->size, PAGE_SIZE);

	/* First, for it is the owner that names the size. */
	ret = p->nr > totalram_pages() ? -ENOMEM :
	      account_locked_vm(current->mm, p->nr, true);
	if (ret) {
		kfree(p);
		return ERR_PTR(ret);
	}
	p->mm = current->mm;
	mmgrab(p->mm);

	p->pages = __vmalloc(array_size(p->nr, sizeof(*p->pages)),
			     GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	ret = p->pages ? pin_range(p, &done) : -ENOMEM;
	if (ret) {
		pinned_free(p, done);
		return ERR_PTR(ret);
	}
	return p;
}

static void pinned_watch(struct vhost_scsi_pinned *p)
{
	unsigned long flags;

	spin_lock_irqsave(&p->watch->lock, flags);
	list_add(&p->node, &p->watch->pinned);
	spin_unlock_irqrestore(&p->watch->lock, flags);
}

static void pinned_unwatch(struct vhost_scsi_pinned *p)
{
	unsigned long flags;

	spin_lock_irqsave(&p->watch->lock, flags);
	list_del(&p->node);
	spin_unlock_irqrestore(&p->watch->lock, flags);
}

static struct vhost_scsi_pinned *find_same(const struct vhost_scsi_mem *old,
					   const struct vhost_scsi_region *r)
{
	unsigned int i;

	for (i = 0; old && i < old->nr; i++) {
		struct vhost_scsi_pinned *p = old->regions[i].pinned;

		if (p && p->base == r->base && p->size == r->size)
			return p;
	}
	return NULL;
}

static int pin_region(struct vhost_scsi_region *r,
		      const struct vhost_scsi_mem *old,
		      struct vhost_scsi_mm *watch)
{
	struct vhost_scsi_pinned *p = find_same(old, r);
	unsigned int changes;
	bool still;

	if (p) {
		refcount_inc(&p->users);
	} else {
		still = vhost_scsi_mm_still(watch, &changes);
		p = pinned_create(r, watch);
		if (IS_ERR(p))
			return PTR_ERR(p);
		pinned_watch(p);
		/* Nobody marked what changed before it was in the list. */
		if (!still || vhost_scsi_mm_changed(watch, changes))
			vhost_scsi_pages_changed(watch, pinned_start(p),
						 pinned_end(p));
	}
	r->pinned = p;
	r->pages = p->pages;
	return 0;
}

/* No more user of the pages: from now on they may be freed. */
static bool let_go_region(struct vhost_scsi_region *r)
{
	if (!r->pinned || !refcount_dec_and_test(&r->pinned->users))
		return false;
	pinned_unwatch(r->pinned);
	return true;
}

static void mem_free_work(struct work_struct *work)
{
	struct vhost_scsi_mem *mem;
	unsigned int i;

	mem = container_of(work, struct vhost_scsi_mem, free);
	for (i = 0; i < mem->nr; i++)
		if (mem->regions[i].pinned)
			pinned_free(mem->regions[i].pinned,
				    mem->regions[i].pinned->nr);
	vhost_scsi_mem_free(mem);
}

/* Nobody uses it any more. */
static void mem_end(struct vhost_scsi_mem *mem)
{
	unsigned int i;

	if (!mem->pinned) {
		vhost_scsi_mem_free(mem);
		return;
	}
	/* Here, for the device may be gone before the work runs. */
	for (i = 0; i < mem->nr; i++)
		if (!let_go_region(&mem->regions[i]))
			mem->regions[i].pinned = NULL;
	queue_work(vhost_scsi_dev_wq, &mem->free);
}

/**
 * vhost_scsi_mem_pin - pin all of a table's memory
 * @mem: a new table, or one that no running queue uses
 * @old: a pinned one, whose regions may be the same; or NULL
 * @watch: watched or not
 *
 * Context: the owner's ioctl; may sleep.
 * Return: 0; -ENOMEM: RLIMIT_MEMLOCK does not allow it, or the host is short of
 * memory; -EFAULT: some of it is not there or not writable; -EINTR: killed; or what
 * pinning says (-EOPNOTSUPP: a file system with DAX). Nothing is pinned then.
 */
int vhost_scsi_mem_pin(struct vhost_scsi_mem *mem,
		       const struct vhost_scsi_mem *old,
		       struct vhost_scsi_mm *watch)
{
	unsigned int i;
	int ret;

	/* There was no memory for it. */
	if (!watch->watched)
		return -ENOMEM;
	INIT_WORK(&mem->free, mem_free_work);
	for (i = 0; i < mem->nr; i++) {
		ret = pin_region(&mem->regions[i], old, watch);
		if (ret) {
			vhost_scsi_mem_unpin(mem);
			return ret;
		}
	}
	mem->pinned = true;
	return 0;
}

/**
 * vhost_scsi_mem_unpin - undo vhost_scsi_mem_pin(), the table stays
 * @mem: no request uses it, no queue runs; pinned in part or not at all is fine
 *
 * Context: may sleep.
 */
void vhost_scsi_mem_unpin(struct vhost_scsi_mem *mem)
{
	unsigned int i;

	for (i = 0; i < mem->nr; i++) {
		struct vhost_scsi_region *r = &mem->regions[i];

		if (let_go_region(r))
			pinned_free(r->pinned, r->pinned->nr);
		r->pinned = NULL;
		r->pages = NULL;
	}
	mem->pinned = false;
}

/**
 * vhost_scsi_mem_get - keep a table for a request that uses its pages
 * @mem: pinned
 *
 * Context: a worker.
 * Return: @mem, to be given to vhost_scsi_mem_put().
 */
struct vhost_scsi_mem *vhost_scsi_mem_get(struct vhost_scsi_mem *mem)
{
	refcount_inc(&mem->users);
	return mem;
}

/**
 * vhost_scsi_mem_put - a user of a table ends
 * @mem: freed with the last one, or NULL
 *
 * Context: any.
 */
void vhost_scsi_mem_put(struct vhost_scsi_mem *mem)
{
	struct vhost_scsi_mem *stale;

	for (; mem && refcount_dec_and_test(&mem->users); mem = stale) {
		stale = mem->stale;
		mem->stale = NULL;
		mem_end(mem);
	}
}

/**
 * vhost_scsi_pages_fresh - is none of these pages marked as changed
 * @pages: of a region
 * @nr: of them
 *
 * Context: any.
 */
bool vhost_scsi_pages_fresh(struct page *const *pages, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if ((unsigned long)READ_ONCE(pages[i]) & CHANGED)
			return false;
	return true;
}

/**
 * vhost_scsi_pages_changed - mark what may have changed
 * @mm: the owner's memory
 * @start: its address
 * @end: likewise, behind the last byte
 *
 * Context: any.
 */
void vhost_scsi_pages_changed(struct vhost_scsi_mm *mm, unsigned long start,
			      unsigned long end)
{
	unsigned long first = ULONG_MAX, last = 0, to;
	struct vhost_scsi_pinned *p;
	unsigned long flags;

	spin_lock_irqsave(&mm->lock, flags);
	list_for_each_entry(p, &mm->pinned, node) {
		first = min(first, pinned_start(p));
		last = max(last, pinned_end(p));
	}
	spin_unlock_irqrestore(&mm->lock, flags);

	/* In parts, for all of it may be very much to do with interrupts off. */
	for (start = max(start, first); start < min(end, last); start = to) {
		to = ALIGN(start + 1, STRETCH);
		spin_lock_irqsave(&mm->lock, flags);
		list_for_each_entry(p, &mm->pinned, node)
			mark_range(p, start & PAGE_MASK, min(to, end));
		spin_unlock_irqrestore(&mm->lock, flags);
	}
}

/**
 * vhost_scsi_pages_renew - take the marks off pages that did not change
 * @mm: the owner's memory
 * @changes: of vhost_scsi_mm_still(), before @now was pinned
 * @pages: of a region
 * @now: the pages that are there now, pinned
 * @nr: of both
 *
 * Context: a worker.
 */
void vhost_scsi_pages_renew(struct vhost_scsi_mm *mm, unsigned int changes,
			    struct page **pages, struct page *const *now,
			    unsigned int nr)
{
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&mm->lock, flags);
	/* A change that begins later counts first, and marks after us. */
	if (!vhost_scsi_mm_changed(mm, changes))
		for (i = 0; i < nr; i++)
			if (vhost_scsi_page(&pages[i]) == now[i])
				WRITE_ONCE(pages[i], now[i]);
	spin_unlock_irqrestore(&mm->lock, flags);
}
