// SPDX-License-Identifier: GPL-2.0-only
/*
 * All of guest memory pinned while the device is bound, for the target's attribute
 * pin_memory. A command then finds its pages in a table.
 *
 * The pages count as the owner's, see account.c. A region that is the same in a new
 * table and in the old one is pinned and counted once. A request under way holds a
 * reference to the table that it began with.
 *
 * The owner may still put another page at an address, or protect it from writes. The
 * watch marks the pages for which this may have happened. A command that meets a mark pins
 * for itself, as without pin_memory. If it finds the same page there, it clears the mark.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "internal.h"

/* Pages that are pinned between two calls of cond_resched(). */
#define CHUNK		512

/**
 * struct vhost_scsi_pinned - the pages of a region
 * @users: number of tables that have the region
 * @watch: of the owner's address space
 * @mm: the owner's, whose pinned memory the pages count as; with a reference
 * @base: the owner's address
 * @size: bytes
 * @table: the pages, for @watch
 */
struct vhost_scsi_pinned {
	refcount_t users;
	struct vhost_scsi_watch *watch;
	struct mm_struct *mm;
	u64 base;
	u64 size;
	struct vhost_scsi_watched table;
};

static int pin_range(struct vhost_scsi_pinned *p, unsigned long *done)
{
	struct vhost_scsi_watched *t = &p->table;
	int got;

	while (*done < t->nr) {
		if (fatal_signal_pending(current))
			return -EINTR;
		got = vhost_scsi_pin_long(t->start + *done * PAGE_SIZE,
					  min_t(unsigned long, CHUNK,
						t->nr - *done),
					  t->pages + *done);
		if (got < 0)
			return fatal_signal_pending(current) ? -EINTR : got;
		/* set_page_dirty_lock() sleeps, and a completion must not. */
		for (; got; got--, (*done)++)
			if (!PageDirty(compound_head(t->pages[*done])))
				set_page_dirty_lock(t->pages[*done]);
		cond_resched();
	}
	return 0;
}

static void unpin_range(struct vhost_scsi_pinned *p, unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++) {
		unpin_user_page(vhost_scsi_page(&p->table.pages[i]));
		if (!(i % CHUNK))
			cond_resched();
	}
}

static void pinned_free(struct vhost_scsi_pinned *p, unsigned long nr)
{
	unpin_range(p, nr);
	vhost_scsi_uncharge_mm(p->mm, p->table.nr);
	mmdrop(p->mm);
	vfree(p->table.pages);
	kfree(p);
}

static struct vhost_scsi_pinned *
pinned_create(const struct vhost_scsi_region *r, struct vhost_scsi_watch *watch)
{
	struct vhost_scsi_watched *t;
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
	t = &p->table;
	t->start = r->base & PAGE_MASK;
	t->nr = DIV_ROUND_UP(offset_in_page(r->base) + r->size, PAGE_SIZE);

	/* The owner chooses the size: check it before anything is allocated. */
	if (t->nr > totalram_pages() ||
	    !vhost_scsi_charge(watch, t->nr, VHOST_SCSI_WHOLE)) {
		kfree(p);
		return ERR_PTR(-ENOMEM);
	}
	p->mm = watch->mm;
	mmgrab(p->mm);

	t->pages = __vmalloc(array_size(t->nr, sizeof(*t->pages)),
			     GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	ret = t->pages ? pin_range(p, &done) : -ENOMEM;
	if (ret) {
		pinned_free(p, done);
		return ERR_PTR(ret);
	}
	return p;
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
		      struct vhost_scsi_watch *watch)
{
	struct vhost_scsi_pinned *p = find_same(old, r);
	unsigned int seq;
	bool begun;

	if (p) {
		refcount_inc(&p->users);
	} else {
		begun = vhost_scsi_watch_begin(watch, &seq);
		p = pinned_create(r, watch);
		if (IS_ERR(p))
			return PTR_ERR(p);
		vhost_scsi_watch_add(watch, &p->table);
		/* Pages that were invalidated before watch_add() have no mark. */
		if (!begun || vhost_scsi_watch_retry(watch, seq))
			vhost_scsi_watch_invalidate(watch, p->table.start,
						    vhost_scsi_watched_end(&p->table),
						    true);
	}
	r->pinned = p;
	r->pages = p->table.pages;
	return 0;
}

/* Return: true if this was the last user of the pages, which may now be freed. */
static bool let_go_region(struct vhost_scsi_region *r)
{
	if (!r->pinned || !refcount_dec_and_test(&r->pinned->users))
		return false;
	vhost_scsi_watch_del(r->pinned->watch, &r->pinned->table);
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
				    mem->regions[i].pinned->table.nr);
	vhost_scsi_mem_free(mem);
}

/* The last user is gone. */
static void mem_end(struct vhost_scsi_mem *mem)
{
	unsigned int i;

	if (!mem->pinned) {
		vhost_scsi_mem_free(mem);
		return;
	}
	/* Not in the work item: the watch may be freed before the item runs. */
	for (i = 0; i < mem->nr; i++)
		if (!let_go_region(&mem->regions[i]))
			mem->regions[i].pinned = NULL;
	queue_work(mem->wq, &mem->free);
}

/**
 * vhost_scsi_mem_pin - pin all of a table's memory
 * @mem: a table that no request can use yet
 * @old: a pinned table, some of whose regions may be the same; or NULL
 * @watch: registered or not
 * @wq: frees the pages, because the last user may go in an interrupt
 *
 * Context: the owner's ioctl; may sleep.
 * Return: 0, or an error, and then nothing is pinned. -ENOMEM: the pages would exceed
 * RLIMIT_MEMLOCK, or the host is short of memory. -EFAULT: a part does not exist or is
 * not writable. -EOPNOTSUPP: a part cannot be kept pinned, because it is a file's.
 * -EINTR: a fatal signal arrived.
 */
int vhost_scsi_mem_pin(struct vhost_scsi_mem *mem,
		       const struct vhost_scsi_mem *old,
		       struct vhost_scsi_watch *watch,
		       struct workqueue_struct *wq)
{
	unsigned int i;
	int ret;

	/* Registering failed when the device got its owner. */
	if (!watch->watched)
		return -ENOMEM;
	INIT_WORK(&mem->free, mem_free_work);
	mem->wq = wq;
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
 * vhost_scsi_mem_unpin - undo vhost_scsi_mem_pin(), and keep the table
 * @mem: no request uses it or can begin to. It may be pinned in part, or not at all
 *
 * Context: may sleep.
 */
void vhost_scsi_mem_unpin(struct vhost_scsi_mem *mem)
{
	unsigned int i;

	for (i = 0; i < mem->nr; i++) {
		struct vhost_scsi_region *r = &mem->regions[i];

		if (let_go_region(r))
			pinned_free(r->pinned, r->pinned->table.nr);
		r->pinned = NULL;
		r->pages = NULL;
	}
	mem->pinned = false;
}

/**
 * vhost_scsi_mem_get - take a reference to a table for a request that uses its pages
 * @mem: pinned
 *
 * Context: a worker.
 * Return: @mem; the caller owes vhost_scsi_mem_put().
 */
struct vhost_scsi_mem *vhost_scsi_mem_get(struct vhost_scsi_mem *mem)
{
	refcount_inc(&mem->users);
	return mem;
}

/**
 * vhost_scsi_mem_put - drop a reference to a table
 * @mem: freed with the last reference; or NULL
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
