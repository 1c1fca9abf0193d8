// SPDX-License-Identifier: GPL-2.0-only
/*
 * Single pages, pinned once for many commands.
 *
 * A guest's driver uses the same few buffers again and again, and pinning a page
 * costs as much as everything else that is done for a response. So a table remembers
 * pages by the owner's address, and keeps them pinned. The pages of responses are
 * remembered at once (vhost_scsi_pin_get()). Most pages of data do not come again, so
 * they are remembered when they come twice in a row at their place in the table
 * (vhost_scsi_pin_get_repeated()).
 *
 * A page in the range of an invalidation of the owner's memory is unpinned at once, see
 * watch.c, or when the last command that uses it ends. So the owner has the page back
 * when it unmaps or discards it, and no later command uses an old page when another one
 * comes to the address. As with every pin, an invalidation between the look-up and the
 * use comes too late for that command.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "internal.h"

/* In vhost_scsi_pin.missed: the page of that address cannot be pinned for long. */
#define PIN_REFUSED	1UL

/**
 * vhost_scsi_pins_alloc - allocate a table of remembered pages
 * @pins: empty
 * @watch: if it is not registered, nothing is remembered
 * @nr: number of pages, a power of two. For runs it must be VHOST_SCSI_RUN_PAGES or
 *	more, because two pages of a run must not have the same place
 *
 * If there is no memory, @pins stays empty, and each page is pinned for one use.
 */
void vhost_scsi_pins_alloc(struct vhost_scsi_pins *pins,
			   struct vhost_scsi_watch *watch, unsigned int nr)
{
	if (!watch->watched)
		return;
	pins->pins = kvcalloc(nr, sizeof(*pins->pins),
			      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	pins->nr = nr;
	pins->watch = watch;
	if (!pins->pins)
		return;
	while (nr--)
		pins->pins[nr].addr = VHOST_SCSI_PIN_GONE;
	spin_lock(&watch->pins_lock);
	list_add(&pins->node, &watch->pins);
	spin_unlock(&watch->pins_lock);
}

/* Drops the page that is kept here at @addr, if any. Only the first caller puts it. */
static void pin_drop(struct vhost_scsi_pins *pins, struct vhost_scsi_pin *pin,
		     unsigned long addr)
{
	if (addr == VHOST_SCSI_PIN_GONE ||
	    cmpxchg(&pin->addr, addr, VHOST_SCSI_PIN_GONE) != addr)
		return;
	atomic_dec(&pins->kept);
	vhost_scsi_uncharge(pins->watch, 1);
	vhost_scsi_pin_put(pin, NULL);
}

/* Returns the place of an address in the table, or NULL if there is no table. */
static __always_inline struct vhost_scsi_pin *
pin_at(const struct vhost_scsi_pins *pins, unsigned long addr)
{
	return pins->pins ?
	       &pins->pins[(addr >> PAGE_SHIFT) & (pins->nr - 1)] : NULL;
}

static void drop_range(struct vhost_scsi_pins *pins, unsigned long start,
		       unsigned long end)
{
	struct vhost_scsi_pin *pin = pins->pins;
	unsigned long addr;
	unsigned int i;

	if ((end - start) >> PAGE_SHIFT < pins->nr) {
		for (addr = start & PAGE_MASK; addr < end; addr += PAGE_SIZE) {
			pin = pin_at(pins, addr);
			if (READ_ONCE(pin->addr) == addr)
				pin_drop(pins, pin, addr);
		}
		return;
	}
	for (i = 0; i < pins->nr; i++, pin++) {
		addr = READ_ONCE(pin->addr);
		if (addr >= start && addr < end)
			pin_drop(pins, pin, addr);
	}
}

/**
 * vhost_scsi_pins_drop - drop remembered pages of the owner
 * @watch: registered or not
 * @start: the owner's address
 * @end: the first address behind the last byte
 *
 * Context: any.
 */
void vhost_scsi_pins_drop(struct vhost_scsi_watch *watch, unsigned long start,
			  unsigned long end)
{
	struct vhost_scsi_pins *pins;

	spin_lock(&watch->pins_lock);
	list_for_each_entry(pins, &watch->pins, node)
		if (atomic_read(&pins->kept))
			drop_range(pins, start, end);
	spin_unlock(&watch->pins_lock);
}

/**
 * vhost_scsi_pins_free - unpin the pages and free the table
 * @pins: without users
 *
 * Context: may sleep.
 */
void vhost_scsi_pins_free(struct vhost_scsi_pins *pins)
{
	unsigned int i;

	if (!pins->pins)
		return;
	spin_lock(&pins->watch->pins_lock);
	list_del(&pins->node);
	spin_unlock(&pins->watch->pins_lock);
	for (i = 0; i < pins->nr; i++)
		pin_drop(pins, &pins->pins[i], pins->pins[i].addr);
	kvfree(pins->pins);
	pins->pins = NULL;
}

/**
 * vhost_scsi_mem_forget - drop remembered pages of regions that are gone
 * @old: the last table, or NULL
 * @mem: the new table, which all queues use
 * @watch: of the owner's address space
 *
 * Context: process.
 */
void vhost_scsi_mem_forget(const struct vhost_scsi_mem *old,
			   const struct vhost_scsi_mem *mem,
			   struct vhost_scsi_watch *watch)
{
	const struct vhost_scsi_region *r, *now;
	unsigned int i;

	/* Also of older tables: if a signal interrupted a call, some queue still used them. */
	for (; old; old = old->stale) {
		for (i = 0; i < old->nr; i++) {
			r = &old->regions[i];
			now = vhost_scsi_mem_region(mem, r->gpa);
			if (!now || now->gpa != r->gpa || now->base != r->base ||
			    now->size != r->size)
				vhost_scsi_pins_drop(watch, r->base,
						     r->base + r->size);
			/* The owner chooses the number of regions. */
			cond_resched();
		}
	}
}

/* Called when a page is pinned: the completion of a command must not sleep. */
static void set_dirty(struct page *page)
{
	if (!PageDirty(compound_head(page)))
		set_page_dirty_lock(page);
}

/* Pins a page for one use. */
static int pin_once(unsigned long addr, struct page **page)
{
	int ret;

	ret = pin_user_pages_fast(addr & PAGE_MASK, 1, FOLL_WRITE, page);
	if (ret != 1)
		return ret < 0 ? ret : -EFAULT;
	if (vhost_scsi_page_of_file(*page) || vhost_scsi_pages_crowded(page, 1)) {
		unpin_user_page(*page);
		return -EOPNOTSUPP;
	}
	set_dirty(*page);
	return 0;
}

/* Is the page of @addr kept here? */
static __always_inline bool pin_is(const struct vhost_scsi_pin *pin,
				   unsigned long addr)
{
	return READ_ONCE(pin->addr) == (addr & PAGE_MASK);
}

/* As pin_is(). If it returns true, the page has one more user. */
static __always_inline bool pin_use(struct vhost_scsi_pin *pin,
				    unsigned long addr)
{
	return pin_is(pin, addr) && atomic_inc_not_zero(&pin->users);
}

/*
 * Replaces the page of a place by that of @addr, with one user.
 *
 * Return: 0; -EBUSY: the old page is in use, or an invalidation is under way; -ENOMEM:
 * the owner may keep no more; another negative errno: the page cannot be pinned for
 * long, because its file system does not allow it, for example.
 */
static int pin_new(struct vhost_scsi_pins *pins, struct vhost_scsi_pin *pin,
		   unsigned long addr)
{
	struct page *page;
	unsigned int seq;
	int ret;

	if (atomic_read(&pin->users) == 1)
		pin_drop(pins, pin, READ_ONCE(pin->addr));
	/* Acquire: pairs with the full barrier of vhost_scsi_pin_put() after the last use. */
	if (atomic_read_acquire(&pin->users))
		return -EBUSY;

	if (!vhost_scsi_watch_begin(pins->watch, &seq))
		return -EBUSY;
	if (!vhost_scsi_charge(pins->watch, 1, VHOST_SCSI_REMEMBERED))
		return -ENOMEM;
	ret = vhost_scsi_pin_long(addr & PAGE_MASK, 1, &page);
	if (ret != 1) {
		vhost_scsi_uncharge(pins->watch, 1);
		return ret;
	}
	set_dirty(page);

	atomic_inc(&pins->kept);
	pin->page = page;
	atomic_set(&pin->users, 2);
	/*
	 * A full barrier, which pairs with invalidate_start(): that counts an
	 * invalidation, and then looks at the places. Either it finds the page here,
	 * or vhost_scsi_watch_retry() sees the count.
	 */
	smp_store_mb(pin->addr, addr & PAGE_MASK);
	if (vhost_scsi_watch_retry(pins->watch, seq))
		pin_drop(pins, pin, addr & PAGE_MASK);
	return 0;
}

/**
 * vhost_scsi_pin_get - pin a page to be written, and remember it at once
 * @pins: the table, empty or not
 * @addr: the owner's address
 * @in: for vhost_scsi_pin_put()
 * @page: gets the page, which is marked dirty
 *
 * Context: a worker; may sleep.
 * Return: 0 or what pinning says. -EOPNOTSUPP: the page cannot be kept pinned, and has
 * to be written by user access.
 */
int vhost_scsi_pin_get(struct vhost_scsi_pins *pins, unsigned long addr,
		       struct vhost_scsi_pin **in, struct page **page)
{
	struct vhost_scsi_pin *pin = pin_at(pins, addr);
	int ret;

	*in = NULL;
	if (!pin)
		return pin_once(addr, page);
	if (!pin_use(pin, addr)) {
		ret = pin_new(pins, pin, addr);
		if (ret)
			return ret == -EOPNOTSUPP ? ret : pin_once(addr, page);
	}
	*in = pin;
	*page = pin->page;
	return 0;
}

/* Returns true if @addr was the last miss at this place, and can be remembered. */
static bool pin_missed(const struct vhost_scsi_pin *pin, unsigned long addr)
{
	return pin->missed == (addr & PAGE_MASK);
}

/* As pin_missed(). If it returns false, @addr becomes the last miss of this place. */
static bool pin_again(struct vhost_scsi_pin *pin, unsigned long addr)
{
	if ((pin->missed & PAGE_MASK) == (addr & PAGE_MASK))
		return pin_missed(pin, addr);
	pin->missed = addr & PAGE_MASK;
	return false;
}

/* Remembers a page, with one user; or notes that it cannot be remembered. */
static bool pin_learn(struct vhost_scsi_pins *pins, struct vhost_scsi_pin *pin,
		      unsigned long addr)
{
	int ret = pin_new(pins, pin, addr);

	if (ret && ret != -EBUSY && ret != -ENOMEM)
		pin->missed |= PIN_REFUSED;
	return !ret;
}

/**
 * vhost_scsi_pin_get_repeated - pin a page, and remember it if it comes twice
 * @pins: the table, empty or not
 * @addr: the owner's address
 * @write: the page will be written
 * @in: for vhost_scsi_pin_put()
 * @page: gets the page, which may be dirty or not
 *
 * A remembered page is always pinned for writing, so that it is neither shared by copy
 * on write nor part of a read-only mapping of a file.
 *
 * Context: a worker; may sleep.
 * Return: 0 or what pinning says.
 */
int vhost_scsi_pin_get_repeated(struct vhost_scsi_pins *pins,
				unsigned long addr, bool write,
				struct vhost_scsi_pin **in, struct page **page)
{
	struct vhost_scsi_pin *pin = pin_at(pins, addr);
	int ret;

	if (pin && pin_use(pin, addr)) {
		*in = pin;
		*page = pin->page;
		return 0;
	}
	if (pin && pin_again(pin, addr) && pin_learn(pins, pin, addr)) {
		*in = pin;
		*page = pin->page;
		return 0;
	}
	*in = NULL;
	ret = pin_user_pages_fast(addr & PAGE_MASK, 1, write ? FOLL_WRITE : 0,
				  page);
	if (ret != 1)
		return ret < 0 ? ret : -EFAULT;
	if (vhost_scsi_pages_crowded(page, 1)) {
		unpin_user_page(*page);
		return -EAGAIN;
	}
	return 0;
}

/* Returns the place of the next page. The first place follows the last. */
static struct vhost_scsi_pin *pin_next(const struct vhost_scsi_pins *pins,
				       struct vhost_scsi_pin *pin)
{
	pin++;
	return pin == pins->pins + pins->nr ? pins->pins : pin;
}

/*
 * Remembers the pages from @pin and @addr on, which vhost_scsi_pin_get_run() did not
 * find, if each of them was the last miss of its place. It remembers all of them or
 * none, because vhost_scsi_pin_put_run() puts the whole run.
 */
static noinline bool run_learn(struct vhost_scsi_pins *pins,
			       struct vhost_scsi_pin *pin, unsigned long addr,
			       unsigned int nr, struct page **pages)
{
	struct vhost_scsi_pin *at, *first = pin;
	unsigned int i;

	for (i = 0, at = pin; i < nr; i++) {
		if (!pin_is(at, addr + i * PAGE_SIZE) &&
		    !pin_missed(at, addr + i * PAGE_SIZE))
			return false;
		at = pin_next(pins, at);
	}

	for (i = 0; i < nr; i++, pin = pin_next(pins, pin)) {
		if (!pin_use(pin, addr + i * PAGE_SIZE) &&
		    !pin_learn(pins, pin, addr + i * PAGE_SIZE)) {
			vhost_scsi_pin_put_run(pins, first, i);
			return false;
		}
		pages[i] = pin->page;
	}
	return true;
}

/**
 * vhost_scsi_pin_get_run - get pages with successive addresses, if all are remembered
 * @pins: the table, empty or not
 * @addr: the owner's address of the first page
 * @nr: number of pages, at most VHOST_SCSI_RUN_PAGES
 * @in: gets the place of the first page, for vhost_scsi_pin_put_run()
 * @pages: gets the pages, pinned as by vhost_scsi_pin_get_repeated()
 *
 * Context: a worker; may sleep.
 * Return: true; or false: nothing is pinned.
 */
bool vhost_scsi_pin_get_run(struct vhost_scsi_pins *pins, unsigned long addr,
			    unsigned int nr, struct vhost_scsi_pin **in,
			    struct page **pages)
{
	struct vhost_scsi_pin *first = pin_at(pins, addr), *pin = first;
	unsigned int i;

	if (!pin)
		return false;
	for (i = 0; i < nr && pin_use(pin, addr); i++) {
		pages[i] = pin->page;
		pin = pin_next(pins, pin);
		addr += PAGE_SIZE;
	}
	if (i < nr && !run_learn(pins, pin, addr, nr - i, pages + i)) {
		vhost_scsi_pin_put_run(pins, first, i);
		return false;
	}
	*in = first;
	return true;
}

/**
 * vhost_scsi_pin_miss_run - note a run, so that it is remembered if it comes again
 * @pins: the table, empty or not
 * @addr: the owner's address of the first page
 * @nr: number of pages, at most VHOST_SCSI_RUN_PAGES
 *
 * Context: a worker.
 */
void vhost_scsi_pin_miss_run(struct vhost_scsi_pins *pins, unsigned long addr,
			     unsigned int nr)
{
	struct vhost_scsi_pin *pin = pin_at(pins, addr);

	for (; pin && nr; nr--, addr += PAGE_SIZE) {
		if (!pin_is(pin, addr))
			pin_again(pin, addr);
		pin = pin_next(pins, pin);
	}
}

/**
 * vhost_scsi_pin_put_run - end the use of a run
 * @pins: the table
 * @pin: the place of the first page, from vhost_scsi_pin_get_run()
 * @nr: number of pages
 *
 * Context: any.
 */
void vhost_scsi_pin_put_run(const struct vhost_scsi_pins *pins,
			    struct vhost_scsi_pin *pin, unsigned int nr)
{
	for (; nr; nr--, pin = pin_next(pins, pin))
		vhost_scsi_pin_put(pin, NULL);
}
