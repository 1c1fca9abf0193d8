/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions that only the files of this wing and its tests call.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_MEMORY_INTERNAL_H
#define _VHOST_SCSI_MEMORY_INTERNAL_H

#include "memory.h"

/* account.c */

enum vhost_scsi_kind {
	VHOST_SCSI_REMEMBERED,	/* pins.c */
	VHOST_SCSI_MAPPED,	/* rings and the dirty log */
	VHOST_SCSI_WHOLE,	/* mem_pin.c */
};

bool vhost_scsi_charge(struct vhost_scsi_watch *watch, unsigned long nr,
		       enum vhost_scsi_kind kind);
void vhost_scsi_uncharge(struct vhost_scsi_watch *watch, unsigned long nr);
void vhost_scsi_uncharge_mm(struct mm_struct *mm, unsigned long nr);

/* mem.c */

void vhost_scsi_mem_free(struct vhost_scsi_mem *mem);
u64 vhost_scsi_mem_last(const struct vhost_scsi_mem *mem);
size_t vhost_scsi_mem_find(const struct vhost_scsi_mem *mem, u64 gpa,
			   size_t len, void __user **base);
int vhost_scsi_pin_long(unsigned long addr, unsigned int nr,
			struct page **pages);

/* watch.c */

/**
 * struct vhost_scsi_watched - a table of pages that are pinned for long
 * @node: in watch->tables
 * @start: the owner's address of the first page
 * @nr: pages
 * @pages: the pages; a marked entry may be another page by now, or one that must not be
 *	   written. Marks are set and cleared under watch->lock
 */
struct vhost_scsi_watched {
	struct list_head node;
	unsigned long start;
	unsigned long nr;
	struct page **pages;
};

void vhost_scsi_watch_add(struct vhost_scsi_watch *watch,
			  struct vhost_scsi_watched *table);
void vhost_scsi_watch_del(struct vhost_scsi_watch *watch,
			  struct vhost_scsi_watched *table);
void vhost_scsi_watch_invalidate(struct vhost_scsi_watch *watch,
				 unsigned long start, unsigned long end,
				 bool replaced);

/* The first address behind the last page. */
static inline unsigned long
vhost_scsi_watched_end(const struct vhost_scsi_watched *table)
{
	return table->start + table->nr * PAGE_SIZE;
}

#endif /* _VHOST_SCSI_MEMORY_INTERNAL_H */
