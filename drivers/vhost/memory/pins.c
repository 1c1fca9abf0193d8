// SPDX-License-Identifier: GPL-2.0-only
/*
 * Single pages, pinned once for many commands.
 *
 * A driver keeps its buffers, so that the same few pages come again and again,
 * while to pin one costs as much as all else that is done for a response. A table
 * remembers the pages that it met last, by the owner's address. Some callers have
 * each page remembered at once. Others only have those that come twice in a row at
 * their place in the table, because most do not come again.
 *
 * What was remembered before the last invalidation of the owner's memory does not
 * count any more, see watch.c. As with every pin, an invalidation between the
 * look-up and the use comes too late for that command.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "internal.h"

/* In vhost_scsi_pin.missed: the page cannot be pinned for long. */
#define PIN_REFUSED	1UL

/**
 * vhost_scsi_pins_alloc - make room for pages to remember
 * @pins: empty
 * @watch: without it nothing can be remembered
 * @nr: pages, a power of two; not less than VHOST_SCSI_RUN_PAGES if there will be
 *	runs, for two pages of a run must not have the same place
 *
 * Without memory @pins stays empty, and each page is pinned for itself.
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
}

/**
 * vhost_scsi_pins_free - let go of the pages
 * @pins: without users
 *
 * Context: may sleep.
 */
void vhost_scsi_pins_free(struct vhost_scsi_pins *pins)
{
	unsigned int i;

	for (i = 0; pins->pins && i < pins->nr; i++)
		if (pins->pins[i].page)
			unpin_user_page(pins->pins[i].page);
	kvfree(pins->pins);
	pins->pins = NULL;
}

/* Here, because the completion of a command must not sleep. */
static void set_dirty(struct page *page)
{
	if (!PageDirty(compound_head(page)))
		set_page_dirty_lock(page);
}

/* For one use. */
static int pin_once(unsigned long addr, struct page **page)
{
	int ret;

	ret = pin_user_pages_fast(addr & PAGE_MASK, 1, FOLL_WRITE, page);
	if (ret != 1)
		return ret < 0 ? ret : -EFAULT;
	set_dirty(*page);
	return 0;
}

/* The place of an address in the table; NULL: there is no table. */
static __always_inline struct vhost_scsi_pin *
pin_at(const struct vhost_scsi_pins *pins, unsigned long addr)
{
	return pins->pins ?
	       &pins->pins[(addr >> PAGE_SHIFT) & (pins->nr - 1)] : NULL;
}

/* Does the place have the page of @addr, and is it still that page? */
static __always_inline bool pin_holds(const struct vhost_scsi_pins *pins,
				      const struct vhost_scsi_pin *pin,
				      unsigned long addr)
{
	return pin->page && pin->addr == (addr & PAGE_MASK) &&
	       !vhost_scsi_watch_retry(pins->watch, pin->seq);
}

/*
 * Pin another page for a place, with one user. Return: 0; -EBUSY: not now; or another
 * negative errno: the page cannot be pinned for long, as that of a file on a file
 * system that does not allow it.
 */
static int pin_new(struct vhost_scsi_pins *pins, struct vhost_scsi_pin *pin,
		   unsigned long addr)
{
	struct page *page;
	int ret;

	/* Pairs with vhost_scsi_pin_put(): the page was used before it goes. */
	if (atomic_read_acquire(&pin->users))
		return -EBUSY;
	if (pin->page)
		unpin_user_page(pin->page);
	pin->page = NULL;

	/* An invalidation that begins after this is seen at the next look-up. */
	if (!vhost_scsi_watch_begin(pins->watch, &pin->seq))
		return -EBUSY;
	ret = vhost_scsi_pin_long(addr & PAGE_MASK, 1, &page);
	if (ret != 1)
		return ret;
	set_dirty(page);

	pin->addr = addr & PAGE_MASK;
	pin->page = page;
	atomic_set(&pin->users, 1);
	return 0;
}

/**
 * vhost_scsi_pin_get - pin a page to be written, and remember it at once
 * @pins: the table, empty or not
 * @addr: the owner's address
 * @in: for vhost_scsi_pin_put()
 * @page: the page, dirty
 *
 * Context: a worker; may sleep.
 * Return: 0 or what pinning says.
 */
int vhost_scsi_pin_get(struct vhost_scsi_pins *pins, unsigned long addr,
		       struct vhost_scsi_pin **in, struct page **page)
{
	struct vhost_scsi_pin *pin = pin_at(pins, addr);

	*in = NULL;
	if (!pin)
		return pin_once(addr, page);
	if (pin_holds(pins, pin, addr))
		atomic_inc(&pin->users);
	else if (pin_new(pins, pin, addr))
		return pin_once(addr, page);
	*in = pin;
	*page = pin->page;
	return 0;
}

/* Was @addr the last one that was not found here, and can it be remembered? */
static bool pin_missed(const struct vhost_scsi_pin *pin, unsigned long addr)
{
	return pin->missed == (addr & PAGE_MASK);
}

/* As pin_missed(); if not, @addr is the last one that was not found from now on. */
static bool pin_again(struct vhost_scsi_pin *pin, unsigned long addr)
{
	if ((pin->missed & PAGE_MASK) == (addr & PAGE_MASK))
		return pin_missed(pin, addr);
	pin->missed = addr & PAGE_MASK;
	return false;
}

/* Remember a page, with one user; or note that it cannot be remembered. */
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
 * @write: it will be written
 * @in: for vhost_scsi_pin_put()
 * @page: the page, which may be dirty or not
 *
 * A page that is remembered is always pinned for writing. So it is neither shared
 * by copy on write nor part of a read-only mapping of a file.
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

	if (pin && pin_holds(pins, pin, addr)) {
		atomic_inc(&pin->users);
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
	return 0;
}

/* The place of the next page: that of the first follows the last. */
static struct vhost_scsi_pin *pin_next(const struct vhost_scsi_pins *pins,
				       struct vhost_scsi_pin *pin)
{
	pin++;
	return pin == pins->pins + pins->nr ? pins->pins : pin;
}

/*
 * Remember the pages that vhost_scsi_pin_get_run() did not find, from @pin and @addr
 * on, if all of them came before. It is all or nothing: a run is let go of as a whole.
 */
static noinline bool run_learn(struct vhost_scsi_pins *pins,
			       struct vhost_scsi_pin *pin, unsigned long addr,
			       unsigned int nr, struct page **pages)
{
	struct vhost_scsi_pin *at, *first = pin;
	unsigned int i;

	for (i = 0, at = pin; i < nr; i++) {
		if (!pin_holds(pins, at, addr + i * PAGE_SIZE) &&
		    !pin_missed(at, addr + i * PAGE_SIZE))
			return false;
		at = pin_next(pins, at);
	}

	for (i = 0; i < nr; i++, pin = pin_next(pins, pin)) {
		if (pin_holds(pins, pin, addr + i * PAGE_SIZE)) {
			atomic_inc(&pin->users);
		} else if (!pin_learn(pins, pin, addr + i * PAGE_SIZE)) {
			vhost_scsi_pin_put_run(pins, first, i);
			return false;
		}
		pages[i] = pin->page;
	}
	return true;
}

/**
 * vhost_scsi_pin_get_run - get pages that lie side by side, if they are remembered
 * @pins: the table, empty or not
 * @addr: the owner's address of the first
 * @nr: of pages, not more than VHOST_SCSI_RUN_PAGES
 * @in: the first one's place, for vhost_scsi_pin_put_run()
 * @pages: the pages, as vhost_scsi_pin_get_repeated() has them
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
	for (i = 0; i < nr && pin_holds(pins, pin, addr); i++) {
		atomic_inc(&pin->users);
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
 * vhost_scsi_pin_miss_run - have pages remembered if they come again
 * @pins: the table, empty or not
 * @addr: the owner's address of the first
 * @nr: of pages, not more than VHOST_SCSI_RUN_PAGES
 *
 * Context: a worker.
 */
void vhost_scsi_pin_miss_run(struct vhost_scsi_pins *pins, unsigned long addr,
			     unsigned int nr)
{
	struct vhost_scsi_pin *pin = pin_at(pins, addr);

	for (; pin && nr; nr--, addr += PAGE_SIZE) {
		if (!pin_holds(pins, pin, addr))
			pin_again(pin, addr);
		pin = pin_next(pins, pin);
	}
}

/**
 * vhost_scsi_pin_put_run - pages are not used any more
 * @pins: the table
 * @pin: the first one's place, from vhost_scsi_pin_get_run()
 * @nr: of pages
 *
 * Context: any.
 */
void vhost_scsi_pin_put_run(const struct vhost_scsi_pins *pins,
			    struct vhost_scsi_pin *pin, unsigned int nr)
{
	for (; nr; nr--, pin = pin_next(pins, pin))
		vhost_scsi_pin_put(pin, NULL);
}
