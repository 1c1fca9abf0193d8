// SPDX-License-Identifier: GPL-2.0-only
/*
 * The data buffer of a command: guest pages pinned into a scatterlist.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/slab.h>
#include <linux/scatterlist.h>

#include "vhost.h"

/* What backends expect of a buffer's alignment. */
#define SECTOR	512
/*
 * Table entries of a device at a time, beyond the inline ones: 32 MiB of
 * tables for 4 GiB of scattered pages.
 */
#define MAX_ENTRIES	BIT(20)

struct sg_fill {
	struct scatterlist *sg;		/* entry being filled; NULL: none yet */
	struct vhost_scsi_data *data;
};

static unsigned int sg_pages(const struct scatterlist *sg)
{
	return DIV_ROUND_UP(sg->offset + sg->length, PAGE_SIZE);
}

/*
 * A page more: behind the last one, if it goes on there, or an entry of its
 * own. Joined only at page borders, so that each page of an entry is one pin.
 */
static void fill_page(struct sg_fill *f, struct page *page, u32 off, u32 len)
{
	struct scatterlist *sg = f->sg;
	unsigned int n = sg ? sg_pages(sg) : 0;

	if (sg && !off && offset_in_page(sg->offset + sg->length) == 0 &&
	    page == sg_page(sg) + n &&
	    page_to_pfn(page) == page_to_pfn(sg_page(sg)) + n) {
		sg->length += len;
		return;
	}

	f->sg = sg ? sg_next(sg) : f->data->sgl;
	sg_set_page(f->sg, page, len, off);
	f->data->nents++;
}

static void note_range(struct vhost_scsi_data *data, u64 gpa, u32 len)
{
	data->ranges[data->nr_ranges].gpa = gpa;
	data->ranges[data->nr_ranges].len = len;
	data->nr_ranges++;
}

/* One piece of the owner's memory; the worker's pages[] bounds a batch. */
static int pin_piece(struct sg_fill *f, struct vhost_scsi_worker *w,
		     unsigned long addr, size_t len)
{
	struct vhost_scsi_data *data = f->data;
	unsigned int flags = data->write ? FOLL_WRITE : 0;
	unsigned int off, n;
	int i, got;

	if ((addr | len) & (SECTOR - 1))
		data->misaligned = true;

	while (len) {
		off = offset_in_page(addr);
		n = min_t(size_t, DIV_ROUND_UP(off + len, PAGE_SIZE),
			  VHOST_SCSI_PAGES);
		got = pin_user_pages_fast(addr & PAGE_MASK, n, flags,
					  w->pages);
		if (got <= 0)
			return got ? got : -EFAULT;

		for (i = 0; i < got; i++) {
			n = min_t(size_t, len, PAGE_SIZE - off);
			fill_page(f, w->pages[i], off, n);
			data->len += n;
			addr += n;
			len -= n;
			off = 0;
		}
	}
	return 0;
}

struct span {
	unsigned int pieces;
	unsigned int pages;
};

/* What the buffer takes at the most; an error if some of it is no memory. */
static int measure(struct vhost_scsi_cursor cur, size_t len, struct span *span)
{
	void __user *base;
	size_t n;
	u64 gpa;

	base = vhost_scsi_cursor_piece(&cur, len, &n, &gpa);
	if (base && n == len) {
		span->pieces = 1;
		span->pages = DIV_ROUND_UP(offset_in_page((unsigned long)base)
					   + n, PAGE_SIZE);
		return 0;
	}

	span->pieces = 0;
	span->pages = 0;
	for (; len; len -= n) {
		base = vhost_scsi_cursor_piece(&cur, len, &n, &gpa);
		if (!base)
			return -EFAULT;
		span->pieces++;
		span->pages += DIV_ROUND_UP(offset_in_page((unsigned long)base)
					    + n, PAGE_SIZE);
		vhost_scsi_cursor_skip(&cur, n);
	}
	return 0;
}

static int alloc_tables(struct vhost_scsi_data *data,
			struct vhost_scsi_dev *dev, const struct span *span)
{
	struct sg_table table = {};
	int ret;

	data->ranges = &data->one;
	if (data->write && span->pieces > 1) {
		data->ranges = kmalloc_array(span->pieces,
					     sizeof(*data->ranges),
					     GFP_KERNEL_ACCOUNT);
		if (!data->ranges) {
			data->ranges = &data->one;
			return -ENOMEM;
		}
	}

	if (span->pages <= VHOST_SCSI_INLINE_SG) {
		sg_init_table(data->inline_sgl, span->pages);
		data->sgl = data->inline_sgl;
		return 0;
	}

	if (atomic_long_add_return(span->pages, &dev->sg_entries) >
	    (long)MAX_ENTRIES)
		ret = -EAGAIN;
	else
		ret = sg_alloc_table_chained(&table, span->pages,
					     data->inline_sgl,
					     VHOST_SCSI_INLINE_SG);
	if (ret) {
		atomic_long_sub(span->pages, &dev->sg_entries);
		return ret;
	}
	data->sgl = table.sgl;
	data->orig_nents = table.orig_nents;
	return 0;
}

/**
 * vhost_scsi_data_pin - pin a data buffer
 * @data: filled; to be given to vhost_scsi_data_unpin() in any case
 * @w: the worker that calls
 * @cur: at the data; moved behind it
 * @len: bytes, not 0
 * @write: the device writes it
 *
 * Context: a worker; may sleep.
 * Return: 0; -EFAULT: some of it is not the guest's memory; -ENOMEM;
 * -EMSGSIZE: more than VHOST_SCSI_MAX_DATA; -EAGAIN: the device has enough
 * under way.
 */
int vhost_scsi_data_pin(struct vhost_scsi_data *data,
			struct vhost_scsi_worker *w,
			struct vhost_scsi_cursor *cur, size_t len, bool write)
{
	struct sg_fill fill = { .data = data };
	void __user *base;
	struct span span;
	size_t n;
	u64 gpa;
	int ret;

	if (len > VHOST_SCSI_MAX_DATA)
		return -EMSGSIZE;
	ret = measure(*cur, len, &span);
	if (ret)
		return ret;

	data->write = write;
	ret = alloc_tables(data, w->dev, &span);
	if (ret)
		return ret;

	for (; len; len -= n) {
		base = vhost_scsi_cursor_piece(cur, len, &n, &gpa);
		if (write)
			note_range(data, gpa, n);
		ret = pin_piece(&fill, w, (unsigned long)base, n);
		if (ret)
			return ret;
		vhost_scsi_cursor_skip(cur, n);
	}

	sg_mark_end(fill.sg);
	if (write && !vhost_scsi_data_is_dirty(data))
		vhost_scsi_data_set_dirty(data);
	return 0;
}

/**
 * vhost_scsi_data_is_dirty - are all pages marked dirty
 * @data: pinned
 *
 * They are marked when they are pinned; writeback of file-backed memory may
 * have cleaned some since.
 *
 * Context: any.
 */
bool vhost_scsi_data_is_dirty(const struct vhost_scsi_data *data)
{
	struct scatterlist *sg;
	unsigned int i, n;

	for_each_sg(data->sgl, sg, data->nents, i)
		for (n = 0; n < sg_pages(sg); n++)
			if (!PageDirty(compound_head(sg_page(sg) + n)))
				return false;
	return true;
}

/**
 * vhost_scsi_data_set_dirty - mark all pages dirty
 * @data: pinned
 *
 * Context: may sleep.
 */
void vhost_scsi_data_set_dirty(const struct vhost_scsi_data *data)
{
	struct scatterlist *sg;
	unsigned int i, n;

	for_each_sg(data->sgl, sg, data->nents, i)
		for (n = 0; n < sg_pages(sg); n++)
			set_page_dirty_lock(sg_page(sg) + n);
}

/**
 * vhost_scsi_data_log - tell the dirty log what was written
 * @vq: whose log
 * @data: pinned
 * @len: bytes from the start of the buffer
 *
 * Context: any.
 */
void vhost_scsi_data_log(struct vhost_scsi_vq *vq,
			 const struct vhost_scsi_data *data, u32 len)
{
	unsigned int i;
	u32 n;

	for (i = 0; i < data->nr_ranges && len; i++, len -= n) {
		n = min(len, data->ranges[i].len);
		vhost_scsi_log_write(vq, data->ranges[i].gpa, n);
	}
}

/**
 * vhost_scsi_data_unpin - let go of the pages
 * @data: pinned, whole or in part, or zeroed; zeroed afterwards
 * @dev: the device
 *
 * Context: any.
 */
void vhost_scsi_data_unpin(struct vhost_scsi_data *data,
			   struct vhost_scsi_dev *dev)
{
	struct sg_table table = {
		.sgl = data->sgl,
		.orig_nents = data->orig_nents,
		.nents = data->orig_nents,
	};
	struct scatterlist *sg;
	unsigned int i;

	for_each_sg(data->sgl, sg, data->nents, i)
		unpin_user_page_range_dirty_lock(sg_page(sg), sg_pages(sg),
						 false);
	if (data->orig_nents) {
		sg_free_table_chained(&table, VHOST_SCSI_INLINE_SG);
		atomic_long_sub(data->orig_nents, &dev->sg_entries);
	}
	if (data->ranges != &data->one)
		kfree(data->ranges);

	data->ranges = &data->one;
	data->nr_ranges = 0;
	data->nents = 0;
	data->orig_nents = 0;
	data->len = 0;
	data->misaligned = false;
}
