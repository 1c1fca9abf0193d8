// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watching the owner's address space by an MMU notifier.
 *
 * Another page may come to the address of a page that stays pinned: the owner unmaps
 * the page, or a balloon, KSM or the kernel's page migration replaces it. The notifier
 * drops the remembered pages of pins.c in the range of an invalidation. It also
 * counts invalidations, so that pins.c can tell whether one began while it pinned a
 * page. In the tables of mem_pin.c it marks the pages that are affected. A mark says
 * that the page may have been replaced, or that it may not be written any more, and often
 * neither is so: KSM invalidates a page to look at it, and splitting a huge page into
 * mappings of small ones invalidates all of them.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>

#include "internal.h"

/* The marks, the lowest bits of an entry of a table: may the page be another by now... */
#define REPLACED	1UL
/* ... or have been write-protected, as by mprotect() or userfaultfd? */
#define PROTECTED	2UL
/* Bytes of the owner's addresses that are marked with the lock held once. */
#define STRETCH		(32UL << 20)

static int invalidate_start(struct mmu_notifier *mn,
			    const struct mmu_notifier_range *range)
{
	struct vhost_scsi_watch *watch;
	bool replaced;

	watch = container_of(mn, struct vhost_scsi_watch, mn);
	/*
	 * Full barriers. Both counts are raised in this order, and before the
	 * mapping changes. vhost_scsi_watch_begin() reads them in the opposite
	 * order, seq first.
	 */
	atomic_inc_return(&watch->in_progress);
	atomic_inc_return(&watch->seq);
	vhost_scsi_pins_drop(watch, range->start, range->end);
	/* A change of access rights and a fork leave the page at its address. */
	replaced = range->event == MMU_NOTIFY_UNMAP ||
		   range->event == MMU_NOTIFY_CLEAR ||
		   range->event == MMU_NOTIFY_MIGRATE ||
		   range->event == MMU_NOTIFY_EXCLUSIVE;
	vhost_scsi_watch_invalidate(watch, range->start, range->end, replaced);
	return 0;
}

static void invalidate_end(struct mmu_notifier *mn,
			   const struct mmu_notifier_range *range)
{
	struct vhost_scsi_watch *watch;

	watch = container_of(mn, struct vhost_scsi_watch, mn);
	/* A full barrier: the change of the mapping is visible before the count falls. */
	atomic_dec_return(&watch->in_progress);
}

/* The owner's address space ends. Another process may keep the file open for long. */
static void release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	vhost_scsi_pins_drop(container_of(mn, struct vhost_scsi_watch, mn), 0,
			     ULONG_MAX);
}

static const struct mmu_notifier_ops watch_ops = {
	.release = release,
	.invalidate_range_start = invalidate_start,
	.invalidate_range_end = invalidate_end,
};

/**
 * vhost_scsi_watch_init - prepare the struct, once
 * @watch: zeroed
 */
void vhost_scsi_watch_init(struct vhost_scsi_watch *watch)
{
	spin_lock_init(&watch->lock);
	INIT_LIST_HEAD(&watch->tables);
	spin_lock_init(&watch->pins_lock);
	INIT_LIST_HEAD(&watch->pins);
}

/**
 * vhost_scsi_watch_register - begin to watch the owner's address space
 * @watch: the caller, who keeps the mm, owes vhost_scsi_watch_unregister()
 *
 * If there is no memory for that, no page can be remembered, which only costs more.
 *
 * Context: the owner's ioctl; may sleep.
 * Return: 0. -ERESTARTNOINTR: a signal has come, for which the kernel does not register. The
 * ioctl has to end with this, and is called again when the signal was handled.
 */
int vhost_scsi_watch_register(struct vhost_scsi_watch *watch)
{
	int ret;

	watch->mm = current->mm;
	/* The last owner may have left during an invalidation, whose end was not seen then. */
	atomic_set(&watch->in_progress, 0);
	watch->mn.ops = &watch_ops;
	ret = mmu_notifier_register(&watch->mn, watch->mm);
	if (ret == -EINTR)
		return -ERESTARTNOINTR;
	watch->watched = !ret;
	vhost_scsi_account_limit(watch);
	return 0;
}

/**
 * vhost_scsi_watch_unregister - undo vhost_scsi_watch_register()
 * @watch: registered; nothing is counted any more
 *
 * Context: may sleep.
 */
void vhost_scsi_watch_unregister(struct vhost_scsi_watch *watch)
{
	if (watch->watched)
		mmu_notifier_unregister(&watch->mn, watch->mm);
	watch->watched = false;
}

/**
 * vhost_scsi_watch_begin - begin to look up pages that will be remembered
 * @watch: registered
 * @seq: for vhost_scsi_watch_retry()
 *
 * Context: any.
 * Return: true if no invalidation is under way. An invalidation that affects the
 * look-up is seen here or by vhost_scsi_watch_retry().
 */
bool vhost_scsi_watch_begin(const struct vhost_scsi_watch *watch,
			    unsigned int *seq)
{
	*seq = atomic_read_acquire(&watch->seq);
	return !atomic_read_acquire(&watch->in_progress);
}

/*
 * Tables of pages.
 */

static void mark_range(struct vhost_scsi_watched *table, unsigned long from,
		       unsigned long to, unsigned long marks)
{
	unsigned long i;

	from = max(from, table->start);
	to = min(to, vhost_scsi_watched_end(table));
	for (; from < to; from += PAGE_SIZE) {
		i = (from - table->start) >> PAGE_SHIFT;
		WRITE_ONCE(table->pages[i],
			   (struct page *)((unsigned long)table->pages[i] |
					   marks));
	}
}

/**
 * vhost_scsi_watch_add - have the pages of a table marked
 * @watch: registered
 * @table: the caller owes vhost_scsi_watch_del() before @watch ends
 */
void vhost_scsi_watch_add(struct vhost_scsi_watch *watch,
			  struct vhost_scsi_watched *table)
{
	unsigned long flags;

	spin_lock_irqsave(&watch->lock, flags);
	list_add(&table->node, &watch->tables);
	spin_unlock_irqrestore(&watch->lock, flags);
}

/**
 * vhost_scsi_watch_del - undo vhost_scsi_watch_add()
 * @watch: registered or not
 * @table: no mark is set in it after this returns
 *
 * Context: any.
 */
void vhost_scsi_watch_del(struct vhost_scsi_watch *watch,
			  struct vhost_scsi_watched *table)
{
	unsigned long flags;

	spin_lock_irqsave(&watch->lock, flags);
	list_del(&table->node);
	spin_unlock_irqrestore(&watch->lock, flags);
}

/**
 * vhost_scsi_watch_invalidate - mark the pages that may be write-protected
 * @watch: registered
 * @start: the owner's address
 * @end: the first address behind the last byte
 * @replaced: they may also be replaced
 *
 * Context: any.
 */
void vhost_scsi_watch_invalidate(struct vhost_scsi_watch *watch,
				 unsigned long start, unsigned long end,
				 bool replaced)
{
	unsigned long flags, to, next, marks = PROTECTED;
	struct vhost_scsi_watched *table;

	if (replaced)
		marks |= REPLACED;

	/* Marking all of a large guest at once would keep interrupts off for long. */
	for (; start < end; start = next) {
		to = min(ALIGN_DOWN(start, STRETCH) + STRETCH, end);
		next = end;
		spin_lock_irqsave(&watch->lock, flags);
		list_for_each_entry(table, &watch->tables, node) {
			mark_range(table, start & PAGE_MASK, to, marks);
			/* The owner may put tables far apart: skip the addresses between. */
			if (vhost_scsi_watched_end(table) > to)
				next = min(next, max(to, table->start));
		}
		spin_unlock_irqrestore(&watch->lock, flags);
	}
}

/**
 * vhost_scsi_pages_valid - may these pages be used as they are in the table
 * @pages: entries of a table
 * @nr: number of @pages
 * @write: they will be written
 *
 * Context: any.
 */
bool vhost_scsi_pages_valid(struct page *const *pages, unsigned int nr, bool write)
{
	unsigned long marks = write ? REPLACED | PROTECTED : REPLACED;
	unsigned int i;

	for (i = 0; i < nr; i++)
		if ((unsigned long)READ_ONCE(pages[i]) & marks)
			return false;
	return true;
}

/**
 * vhost_scsi_pages_revalidate - clear the marks of pages that are right
 * @watch: registered
 * @seq: of vhost_scsi_watch_begin(), before @now was pinned
 * @pages: entries of a table
 * @now: the pages that are at these addresses now, pinned
 * @nr: number of entries of both
 * @write: @now was pinned for writing
 *
 * Context: a worker.
 */
void vhost_scsi_pages_revalidate(struct vhost_scsi_watch *watch,
				 unsigned int seq, struct page **pages,
				 struct page *const *now, unsigned int nr,
				 bool write)
{
	unsigned long keep = write ? 0 : PROTECTED;
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&watch->lock, flags);
	/*
	 * invalidate_start() counts an invalidation before it takes the lock to set
	 * marks. Either its count is seen here, or it sets its marks after this.
	 */
	if (!vhost_scsi_watch_retry(watch, seq))
		for (i = 0; i < nr; i++)
			if (vhost_scsi_page(&pages[i]) == now[i])
				WRITE_ONCE(pages[i],
					   (struct page *)((unsigned long)now[i] |
							   ((unsigned long)pages[i] & keep)));
	spin_unlock_irqrestore(&watch->lock, flags);
}
