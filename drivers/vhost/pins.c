// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of responses and of data, pinned once for many commands.
 *
 * A driver keeps its response buffers, so that the same few pages come again
 * and again, while to pin one takes as long as all else that is done for the
 * response. A queue remembers those that it met last, by the owner's address.
 * Of data those of one page, or of up to 1 MiB of small ones side by side, and only if
 * they come twice in a row at their place, for most do not come again.
 *
 * An address may get another page: the owner unmaps it, or a balloon, KSM or
 * the kernel's own page migration replace it. A notifier of the owner's mm
 * counts such changes, and what was remembered before the last one does not
 * count any more. As with every pin, a change between the look-up and the
 * answer comes too late for that command.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/slab.h>

#include "vhost.h"

/* Of a queue, for responses and for data: 1 and 8 MiB of guest memory, at the most. */
#define MAX_REPLY_PINS	256
#define MAX_DATA_PINS	2048
/* In vhost_scsi_pin.missed: it cannot be pinned for long. */
#define PIN_REFUSED	1UL

/*
 * Changes of the owner's mm.
 */

static int mm_change_begin(struct mmu_notifier *mn,
			   const struct mmu_notifier_range *range)
{
	struct vhost_scsi_mm *mm = container_of(mn, struct vhost_scsi_mm, mn);

	/* Full barriers, so in this order, and before the change; see pin_new() */
	atomic_inc_return(&mm->changing);
	atomic_inc_return(&mm->changes);
	/* Other rights leave the page where it is, as does a fork. */
	if (range->event == MMU_NOTIFY_UNMAP ||
	    range->event == MMU_NOTIFY_CLEAR ||
	    range->event == MMU_NOTIFY_MIGRATE ||
	    range->event == MMU_NOTIFY_EXCLUSIVE)
		vhost_scsi_pages_changed(mm, range->start, range->end);
	return 0;
}

static void mm_change_end(struct mmu_notifier *mn,
			  const struct mmu_notifier_range *range)
{
	struct vhost_scsi_mm *mm = container_of(mn, struct vhost_scsi_mm, mn);

	/* After the change. */
	atomic_dec_return(&mm->changing);
}

static const struct mmu_notifier_ops mm_ops = {
	.invalidate_range_start = mm_change_begin,
	.invalidate_range_end = mm_change_end,
};

/**
 * vhost_scsi_mm_init - prepare the struct, once
 * @mm: zeroed
 */
void vhost_scsi_mm_init(struct vhost_scsi_mm *mm)
{
	spin_lock_init(&mm->lock);
	INIT_LIST_HEAD(&mm->pinned);
}

/**
 * vhost_scsi_mm_watch - begin to count changes of the owner's memory
 * @mm: vhost_scsi_mm_forget() is owed if this succeeds
 *
 * Context: the owner's ioctl; may sleep.
 * Return: 0 or a negative errno, with which nothing is remembered.
 */
int vhost_scsi_mm_watch(struct vhost_scsi_mm *mm)
{
	int ret;

	mm->mn.ops = &mm_ops;
	ret = mmu_notifier_register(&mm->mn, current->mm);
	mm->watched = !ret;
	return ret;
}

/**
 * vhost_scsi_mm_forget - undo vhost_scsi_mm_watch()
 * @mm: watched or not
 * @owner: the owner's mm
 *
 * Context: may sleep.
 */
void vhost_scsi_mm_forget(struct vhost_scsi_mm *mm, struct mm_struct *owner)
{
	if (mm->watched)
		mmu_notifier_unregister(&mm->mn, owner);
	mm->watched = false;
}

/**
 * vhost_scsi_mm_still - does nothing change in the owner's memory right now
 * @mm: the owner's
 * @changes: for vhost_scsi_mm_changed()
 *
 * Context: any.
 * Return: true if so; a change that began before is seen in one of the two.
 */
bool vhost_scsi_mm_still(const struct vhost_scsi_mm *mm, unsigned int *changes)
{
	*changes = atomic_read_acquire(&mm->changes);
	return !atomic_read_acquire(&mm->changing);
}

/**
 * vhost_scsi_mm_changed - did a change begin since vhost_scsi_mm_still()
 * @mm: the owner's
 * @changes: what that said
 *
 * Context: any.
 */
bool vhost_scsi_mm_changed(const struct vhost_scsi_mm *mm, unsigned int changes)
{
	return (unsigned int)atomic_read(&mm->changes) != changes;
}

/*
 * The pages.
 */

static void pins_alloc(struct vhost_scsi_pins *pins, unsigned int nr)
{
	pins->pins = kvcalloc(nr, sizeof(*pins->pins),
			      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	pins->nr = nr;
}

static void pins_free(struct vhost_scsi_pins *pins)
{
	unsigned int i;

	for (i = 0; pins->pins && i < pins->nr; i++)
		if (pins->pins[i].page)
			unpin_user_page(pins->pins[i].page);
	kvfree(pins->pins);
	pins->pins = NULL;
}

/**
 * vhost_scsi_pins_alloc - make room for a queue's pins
 * @vq: about to start
 *
 * Without memory each page is pinned for itself.
 */
void vhost_scsi_pins_alloc(struct vhost_scsi_vq *vq)
{
	if (!vq->dev->mm_changes.watched)
		return;
	pins_alloc(&vq->reply_pins, min_t(unsigned int, vq->num, MAX_REPLY_PINS));
	/* Of these a command may have many. */
	pins_alloc(&vq->data_pins, MAX_DATA_PINS);
}

/**
 * vhost_scsi_pins_free - let go of them
 * @vq: drained
 *
 * Context: may sleep.
 */
void vhost_scsi_pins_free(struct vhost_scsi_vq *vq)
{
	pins_free(&vq->reply_pins);
	pins_free(&vq->data_pins);
}

/* Now, for the completion must not sleep. */
static void set_dirty(struct page *page)
{
	if (!PageDirty(compound_head(page)))
		set_page_dirty_lock(page);
}

/* For one answer. */
static int pin_once(unsigned long addr, struct page **page)
{
	int ret;

	ret = pin_user_pages_fast(addr & PAGE_MASK, 1, FOLL_WRITE, page);
	if (ret != 1)
		return ret < 0 ? ret : -EFAULT;
	set_dirty(*page);
	return 0;
}

/* Where the page would be remembered; NULL: nowhere. */
static __always_inline struct vhost_scsi_pin *
pin_at(const struct vhost_scsi_pins *pins, unsigned long addr)
{
	return pins->pins ?
	       &pins->pins[(addr >> PAGE_SHIFT) & (pins->nr - 1)] : NULL;
}

/* It is remembered there, and still the address's page. */
static __always_inline bool pin_holds(const struct vhost_scsi_vq *vq,
				      const struct vhost_scsi_pin *pin,
				      unsigned long addr)
{
	return pin->page && pin->addr == (addr & PAGE_MASK) &&
	       !vhost_scsi_mm_changed(&vq->dev->mm_changes, pin->changes);
}

/*
 * Another page for @pin, with one user. Return: 0; -EBUSY: not now; or another
 * negative errno: not for long, as that of a file where this is not allowed.
 */
static int pin_new(struct vhost_scsi_vq *vq, struct vhost_scsi_pin *pin,
		   unsigned long addr)
{
	struct vhost_scsi_mm *mm = &vq->dev->mm_changes;
	struct page *page;
	int ret;

	/* What all users are done with may be replaced. */
	if (atomic_read_acquire(&pin->users))
		return -EBUSY;
	if (pin->page)
		unpin_user_page(pin->page);
	pin->page = NULL;

	/* A change that begins now is seen at the next look-up. */
	if (!vhost_scsi_mm_still(mm, &pin->changes))
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
 * vhost_scsi_pin_get - the page that a response goes to, pinned
 * @vq: the queue
 * @addr: the owner's address
 * @in: for vhost_scsi_pin_put()
 * @page: the page, dirty
 *
 * Context: a worker with @vq->mutex held; may sleep.
 * Return: 0 or what pinning says.
 */
int vhost_scsi_pin_get(struct vhost_scsi_vq *vq, unsigned long addr,
		       struct vhost_scsi_pin **in, struct page **page)
{
	struct vhost_scsi_pin *pin = pin_at(&vq->reply_pins, addr);

	*in = NULL;
	if (!pin)
		return pin_once(addr, page);
	if (pin_holds(vq, pin, addr))
		atomic_inc(&pin->users);
	else if (pin_new(vq, pin, addr))
		return pin_once(addr, page);
	*in = pin;
	*page = pin->page;
	return 0;
}

/* Was it missed before, and may be worth to be remembered? */
static bool pin_missed(const struct vhost_scsi_pin *pin, unsigned long addr)
{
	return pin->missed == (addr & PAGE_MASK);
}

/* The same, and from now on it was. */
static bool pin_again(struct vhost_scsi_pin *pin, unsigned long addr)
{
	if ((pin->missed & PAGE_MASK) == (addr & PAGE_MASK))
		return pin_missed(pin, addr);
	pin->missed = addr & PAGE_MASK;
	return false;
}

/* Remember a page of data, with one user; or that it cannot be. */
static bool pin_learn(struct vhost_scsi_vq *vq, struct vhost_scsi_pin *pin,
		      unsigned long addr)
{
	int ret = pin_new(vq, pin, addr);

	if (ret && ret != -EBUSY && ret != -ENOMEM)
		pin->missed |= PIN_REFUSED;
	return !ret;
}

/**
 * vhost_scsi_pin_data - a page of data, pinned
 * @vq: the queue
 * @addr: the owner's address
 * @write: it will be written
 * @in: for vhost_scsi_pin_put()
 * @page: the page; whether it is dirty is to be seen
 *
 * A page that is remembered was pinned to be written, whatever for: it is not
 * shared by copy on write, and no file's that is read only.
 *
 * Context: a worker with @vq->mutex held; may sleep.
 * Return: 0 or what pinning says.
 */
int vhost_scsi_pin_data(struct vhost_scsi_vq *vq, unsigned long addr,
			bool write, struct vhost_scsi_pin **in,
			struct page **page)
{
	struct vhost_scsi_pin *pin = pin_at(&vq->data_pins, addr);
	int ret;

	if (pin && pin_holds(vq, pin, addr)) {
		atomic_inc(&pin->users);
		*in = pin;
		*page = pin->page;
		return 0;
	}
	if (pin && pin_again(pin, addr) && pin_learn(vq, pin, addr)) {
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

/* Where the page behind is remembered: addresses go round. */
static struct vhost_scsi_pin *pin_next(const struct vhost_scsi_pins *pins,
				       struct vhost_scsi_pin *pin)
{
	pin++;
	return pin == pins->pins + pins->nr ? pins->pins : pin;
}

/*
 * What vhost_scsi_pin_run() did not find, from @pin and @addr on, if all of it came
 * before. All, or nothing: what is pinned otherwise is let go of otherwise.
 */
static noinline bool run_learn(struct vhost_scsi_vq *vq,
			       struct vhost_scsi_pin *pin, unsigned long addr,
			       unsigned int nr, struct page **pages)
{
	struct vhost_scsi_pin *at, *first = pin;
	unsigned int i;

	for (i = 0, at = pin; i < nr; i++) {
		if (!pin_holds(vq, at, addr + i * PAGE_SIZE) &&
		    !pin_missed(at, addr + i * PAGE_SIZE))
			return false;
		at = pin_next(&vq->data_pins, at);
	}

	for (i = 0; i < nr; i++, pin = pin_next(&vq->data_pins, pin)) {
		if (pin_holds(vq, pin, addr + i * PAGE_SIZE)) {
			atomic_inc(&pin->users);
		} else if (!pin_learn(vq, pin, addr + i * PAGE_SIZE)) {
			vhost_scsi_pin_put_run(vq, first, i);
			return false;
		}
		pages[i] = pin->page;
	}
	return true;
}

/**
 * vhost_scsi_pin_run - pages of data that lie side by side, if they are remembered
 * @vq: the queue
 * @addr: the owner's address of the first
 * @nr: of pages, not more than VHOST_SCSI_RUN_PAGES
 * @in: the first one's place, for vhost_scsi_pin_put_run()
 * @pages: the pages, as vhost_scsi_pin_data() has them
 *
 * Context: a worker with @vq->mutex held; may sleep.
 * Return: true; or false: nothing is pinned.
 */
bool vhost_scsi_pin_run(struct vhost_scsi_vq *vq, unsigned long addr,
			unsigned int nr, struct vhost_scsi_pin **in,
			struct page **pages)
{
	const struct vhost_scsi_pins *pins = &vq->data_pins;
	struct vhost_scsi_pin *first = pin_at(pins, addr), *pin = first;
	unsigned int i;

	/* Two of them at one place would want both to be there. */
	BUILD_BUG_ON(VHOST_SCSI_RUN_PAGES > MAX_DATA_PINS);
	if (!pin)
		return false;
	for (i = 0; i < nr && pin_holds(vq, pin, addr); i++) {
		atomic_inc(&pin->users);
		pages[i] = pin->page;
		pin = pin_next(pins, pin);
		addr += PAGE_SIZE;
	}
	if (i < nr && !run_learn(vq, pin, addr, nr - i, pages + i)) {
		vhost_scsi_pin_put_run(vq, first, i);
		return false;
	}
	*in = first;
	return true;
}

/**
 * vhost_scsi_pin_miss_run - they are to be remembered, should they come again
 * @vq: the queue
 * @addr: the owner's address of the first
 * @nr: of pages, not more than VHOST_SCSI_RUN_PAGES
 *
 * Context: a worker with @vq->mutex held.
 */
void vhost_scsi_pin_miss_run(struct vhost_scsi_vq *vq, unsigned long addr,
			     unsigned int nr)
{
	struct vhost_scsi_pin *pin = pin_at(&vq->data_pins, addr);

	for (; pin && nr; nr--, addr += PAGE_SIZE) {
		if (!pin_holds(vq, pin, addr))
			pin_again(pin, addr);
		pin = pin_next(&vq->data_pins, pin);
	}
}

/**
 * vhost_scsi_pin_put_run - pages are not used any more
 * @vq: the queue
 * @pin: the first one's place, from vhost_scsi_pin_run()
 * @nr: of pages
 *
 * Context: any.
 */
void vhost_scsi_pin_put_run(const struct vhost_scsi_vq *vq,
			    struct vhost_scsi_pin *pin, unsigned int nr)
{
	for (; nr; nr--, pin = pin_next(&vq->data_pins, pin))
		vhost_scsi_pin_put(pin, NULL);
}
