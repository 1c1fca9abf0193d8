// SPDX-License-Identifier: GPL-2.0-only
/*
 * The data buffer of a command: a scatterlist of guest pages. The pages are pinned for
 * the command, or are in a table of pages that are pinned for long.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/slab.h>
#include <linux/scatterlist.h>

#include "request.h"
#include "scsi.h"

/*
 * Scatterlist entries of a device, at most, without the inline ones: 32 MiB of tables,
 * for 4 GiB of scattered pages.
 */
#define MAX_ENTRIES	BIT(20)

/**
 * struct sg_fill - a scatterlist that is being filled
 * @data: the data buffer
 * @sg: the last entry; NULL: there is none yet
 * @next: the page that would continue @sg; NULL: @sg ends within a page
 * @clean: at least one page is not marked dirty
 */
struct sg_fill {
	struct vhost_scsi_data *data;
	struct scatterlist *sg;
	struct page *next;
	bool clean;
};

static struct vhost_scsi_pins *data_pins(const struct vhost_scsi_vq *vq)
{
	return &vhost_scsi_requests(vq)->data_pins;
}

static unsigned int sg_pages(const struct scatterlist *sg)
{
	return DIV_ROUND_UP(sg->offset + sg->length, PAGE_SIZE);
}

/* sg_next() needs the end mark, which an array without a chain does not have yet. */
static struct scatterlist *table_next(const struct vhost_scsi_data *data,
				      struct scatterlist *sg)
{
	return data->chained ? sg_next(sg) : sg + 1;
}

/*
 * Is @page the page @next, and does it follow the page before it in physical memory?
 * In some memory models neighbours in the memory map are no neighbours in memory.
 */
static bool goes_on(const struct page *page, const struct page *next)
{
	return page == next && page_to_pfn(page) == page_to_pfn(page - 1) + 1;
}

/* Returns how many of @nr pages are successive pages of the folio of the first. */
static unsigned int side_by_side(struct page *const *pages, unsigned int nr)
{
	struct page *page = vhost_scsi_page(pages);
	struct folio *folio = page_folio(page);
	unsigned long i, left;

	if (!folio_test_large(folio))
		return 1;
	left = folio_nr_pages(folio) - folio_page_idx(folio, page);
	if (left > nr)
		left = nr;
	/* A process may map the pages of a folio in another order, or twice. */
	for (i = 1; i < left; i++)
		if (vhost_scsi_page(&pages[i]) != page + i)
			break;
	return i;
}

static void note_range(struct vhost_scsi_data *data, u64 gpa, u32 len)
{
	data->ranges[data->nr_ranges].gpa = gpa;
	data->ranges[data->nr_ranges].len = len;
	data->nr_ranges++;
}

/*
 * Adds a piece of the buffer, whose pages are in @pages. A page extends the last entry
 * if it continues that in memory; otherwise it gets an entry of its own. Entries are
 * extended at page borders only, so that each page of an entry is one pin.
 *
 * Pages that the device writes must be dirty. A pinned page that is swap-backed stays
 * dirty; writeback may clean others.
 */
static void fill_piece(struct sg_fill *f, struct page *const *pages,
		       unsigned long addr, size_t len)
{
	struct vhost_scsi_data *data = f->data;
	const bool write = data->write;
	struct scatterlist *sg = f->sg;
	struct page *next = f->next;
	unsigned int off = offset_in_page(addr);
	unsigned int nents = 0, nr;
	bool clean = false, cleanable = false;
	u32 n;

	data->align |= off | len;
	data->len += len;
	for (; len; len -= n, off = 0, pages++) {
		struct page *page = vhost_scsi_page(pages);

		n = min_t(size_t, len, PAGE_SIZE - off);
		if (!off && goes_on(page, next)) {
			/* This look at the folio is not made for scattered pages. */
			nr = side_by_side(pages, DIV_ROUND_UP(len, PAGE_SIZE));
			n = min_t(size_t, len, nr * PAGE_SIZE);
			pages += nr - 1;
			page += nr - 1;
			sg->length += n;
		} else {
			sg = sg ? table_next(data, sg) : data->sgl;
			/* The table was not zeroed. */
			sg->page_link = 0;
			sg_set_page(sg, page, n, off);
			nents++;
		}
		next = offset_in_page(off + n) ? NULL : page + 1;
		if (write) {
			clean |= !folio_test_dirty(page_folio(page));
			cleanable |= vhost_scsi_page_of_file(page);
		}
	}
	f->sg = sg;
	f->next = next;
	f->clean |= clean;
	data->nents += nents;
	data->cleanable |= cleanable;
}

/* Adds the next @len bytes, which are in one piece, and whose pages are in @pages. */
static void fill_next(struct sg_fill *f, struct vhost_scsi_cursor *cur,
		      size_t len, struct page *const *pages)
{
	void __user *base;
	u64 gpa;

	base = vhost_scsi_cursor_piece(cur, len, &len, &gpa);
	if (f->data->write)
		note_range(f->data, gpa, len);
	fill_piece(f, pages, (unsigned long)base, len);
	vhost_scsi_cursor_skip(cur, len);
}

/*
 * Marks the pages dirty, but those of a file: the file system did when the pin had them
 * mapped writable, and it must not be done behind its back.
 */
static void set_dirty(const struct vhost_scsi_data *data)
{
	struct scatterlist *sg;
	unsigned int i, n;

	for_each_sg(data->sgl, sg, data->nents, i)
		for (n = 0; n < sg_pages(sg); n++)
			if (!vhost_scsi_page_of_file(sg_page(sg) + n))
				set_page_dirty_lock(sg_page(sg) + n);
}

static void fill_end(struct sg_fill *f)
{
	sg_mark_end(f->sg);
	if (f->clean)
		set_dirty(f->data);
}

static unsigned int piece_pages(const void __user *base, size_t len)
{
	return DIV_ROUND_UP(offset_in_page((unsigned long)base) + len,
			    PAGE_SIZE);
}

struct span {
	unsigned int pieces;
	unsigned int pages;
};

/* Counts pieces and pages of the buffer. -EFAULT: a part is not guest memory. */
static int measure(struct vhost_scsi_cursor cur, size_t len, struct span *span)
{
	void __user *base;
	size_t n;
	u64 gpa;

	span->pieces = 0;
	span->pages = 0;
	for (; len; len -= n) {
		base = vhost_scsi_cursor_piece(&cur, len, &n, &gpa);
		if (!base)
			return -EFAULT;
		span->pieces++;
		span->pages += piece_pages(base, n);
		vhost_scsi_cursor_skip(&cur, n);
	}
	return 0;
}

static int alloc_ranges(struct vhost_scsi_data *data, unsigned int pieces)
{
	struct vhost_scsi_range *ranges;

	data->ranges = &data->one;
	if (!data->write || pieces == 1)
		return 0;
	ranges = kmalloc_array(pieces, sizeof(*ranges), GFP_KERNEL_ACCOUNT);
	if (!ranges)
		return -ENOMEM;
	data->ranges = ranges;
	return 0;
}

/* Allocates an array: it needs no zeroing, and no walk from chunk to chunk. */
static bool alloc_flat(struct vhost_scsi_data *data, unsigned int entries)
{
	if (entries > VHOST_SCSI_PAGES)
		return false;
	data->sgl = kmalloc_array(entries, sizeof(*data->sgl),
				  GFP_KERNEL_ACCOUNT | __GFP_NOWARN |
				  __GFP_NORETRY);
	data->orig_nents = data->sgl ? entries : 0;
	return data->sgl;
}

/*
 * Allocates pages that are chained. sg_alloc_table_chained() would not wait for memory, and
 * a guest takes BUSY for an I/O error after a few tries that it makes at once.
 */
static int alloc_chained(struct vhost_scsi_data *data, unsigned int entries)
{
	struct sg_table table;
	int ret;

	ret = sg_alloc_table(&table, entries, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (ret)
		return ret;
	data->sgl = table.sgl;
	data->orig_nents = table.orig_nents;
	data->chained = true;
	return 0;
}

static int alloc_table(struct vhost_scsi_data *data,
		       struct vhost_scsi_dev *dev, unsigned int entries)
{
	atomic_long_t *sum = &vhost_scsi_host(dev)->sg_entries;
	int ret = 0;

	if (entries <= VHOST_SCSI_INLINE_SG) {
		data->sgl = data->inline_sgl;
		return 0;
	}

	if (atomic_long_add_return(entries, sum) > (long)MAX_ENTRIES)
		ret = -EAGAIN;
	else if (!alloc_flat(data, entries))
		ret = alloc_chained(data, entries);
	if (ret)
		atomic_long_sub(entries, sum);
	return ret;
}

/*
 * Pins @nr pages from @base on. After an error, the first @pinned stay pinned.
 *
 * A page that is only read may be shared by many owners: a page of zeroes, of KSM, or of a
 * file that they map privately. If others have used up its pins, the owner gets a page of its
 * own, as by a write.
 */
static int pin_pages(void __user *base, unsigned int nr, unsigned int flags,
		     struct page **pages, unsigned int *pinned)
{
	unsigned long addr = (unsigned long)base & PAGE_MASK;
	bool crowded = false;
	int got;

	while (nr) {
		got = pin_user_pages_fast(addr, nr,
					  crowded ? flags | FOLL_WRITE : flags,
					  pages + *pinned);
		if (got <= 0)
			return crowded ? -EAGAIN : got ? got : -EFAULT;
		if (vhost_scsi_pages_crowded(pages + *pinned, got)) {
			unpin_user_pages(pages + *pinned, got);
			if (crowded || flags & FOLL_WRITE)
				return -EAGAIN;
			crowded = true;
			continue;
		}
		*pinned += got;
		nr -= got;
		addr += got * PAGE_SIZE;
	}
	return 0;
}

/* Returns the number of scatterlist entries that the pages need, at most. */
static unsigned int count_runs(struct page *const *pages, unsigned int nr)
{
	struct page *page, *next = NULL;
	unsigned int n, runs = 0;

	for (; nr; nr -= n, pages += n) {
		page = vhost_scsi_page(pages);
		n = 1;
		if (goes_on(page, next))
			n = side_by_side(pages, nr);
		else
			runs++;
		next = page + n;
	}
	return runs;
}

/*
 * Returns the entry of the page at the cursor in the table of a pinned region, or NULL
 * if the region is not pinned.
 */
static struct page **pinned_at(const struct vhost_scsi_cursor *cur)
{
	unsigned long base = (unsigned long)cur->iov->base;

	if (!cur->iov->pages)
		return NULL;
	return cur->iov->pages +
	       ((offset_in_page(base) + cur->off) >> PAGE_SHIFT);
}

/* Is the whole buffer in pinned regions, and is none of its pages marked? */
static bool is_pinned(struct vhost_scsi_cursor cur, size_t len, bool write)
{
	void __user *base;
	struct page **at;
	size_t n;
	u64 gpa;

	for (; len; len -= n) {
		base = vhost_scsi_cursor_piece(&cur, len, &n, &gpa);
		at = pinned_at(&cur);
		if (!at || !vhost_scsi_pages_valid(at, piece_pages(base, n), write))
			return false;
		vhost_scsi_cursor_skip(&cur, n);
	}
	return true;
}

/* Returns the number of entries for a buffer in pinned regions, at most. */
static unsigned int count_entries(struct vhost_scsi_cursor cur, size_t len,
				  const struct span *span)
{
	unsigned int entries = 0;
	void __user *base;
	size_t n;
	u64 gpa;

	if (span->pages <= VHOST_SCSI_INLINE_SG)
		return span->pages;
	for (; len; len -= n) {
		base = vhost_scsi_cursor_piece(&cur, len, &n, &gpa);
		entries += count_runs(pinned_at(&cur), piece_pages(base, n));
		vhost_scsi_cursor_skip(&cur, n);
	}
	return entries;
}

/* Fills the scatterlist from the tables of pinned regions, without pinning. */
static int use_pinned(struct vhost_scsi_data *data, struct vhost_scsi_worker *w,
		      struct vhost_scsi_cursor cur, size_t len,
		      const struct span *span)
{
	struct sg_fill fill = { .data = data };
	size_t n;
	u64 gpa;
	int ret;

	ret = alloc_table(data, w->dev, count_entries(cur, len, span));
	if (ret)
		return ret;
	for (; len; len -= n) {
		vhost_scsi_cursor_piece(&cur, len, &n, &gpa);
		fill_next(&fill, &cur, n, pinned_at(&cur));
	}
	fill_end(&fill);
	return 0;
}

/* Clears the marks of pages that are right. */
static void revalidate(struct vhost_scsi_worker *w, unsigned int seq,
		       const struct vhost_scsi_cursor *cur,
		       struct page *const *pages, unsigned int nr, bool write)
{
	struct page **at = pinned_at(cur);

	if (at && !vhost_scsi_pages_valid(at, nr, write))
		vhost_scsi_pages_revalidate(&w->dev->watch, seq, at, pages,
					    nr, write);
}

/*
 * Pins the whole buffer, and then allocates the scatterlist. Only then it is known how
 * many pages are neighbours and share an entry. A piece may end within a page, so each
 * piece after the first may begin one more entry.
 */
static int pin_whole(struct vhost_scsi_data *data, struct vhost_scsi_worker *w,
		     struct vhost_scsi_cursor cur, size_t len,
		     const struct span *span, unsigned int flags)
{
	struct vhost_scsi_cursor pieces = cur;
	struct sg_fill fill = { .data = data };
	unsigned int pinned = 0, entries, seq = 0;
	/*
	 * In a pinned region these pages are pinned only because one of them is
	 * marked. Try to clear the marks.
	 */
	bool begun = cur.iov->pages &&
		     vhost_scsi_watch_begin(&w->dev->watch, &seq);
	size_t n, left;
	void __user *base;
	u64 gpa;
	int ret;

	for (left = len; left; left -= n) {
		unsigned int nr;

		base = vhost_scsi_cursor_piece(&pieces, left, &n, &gpa);
		nr = piece_pages(base, n);
		ret = pin_pages(base, nr, flags, w->pages, &pinned);
		if (ret)
			goto err;
		if (begun)
			revalidate(w, seq, &pieces, w->pages + pinned - nr, nr,
				   data->write);
		vhost_scsi_cursor_skip(&pieces, n);
	}

	entries = span->pages;
	if (entries > VHOST_SCSI_INLINE_SG)
		entries = min(entries, count_runs(w->pages, pinned) +
				       span->pieces - 1);
	ret = alloc_table(data, w->dev, entries);
	if (ret)
		goto err;

	pinned = 0;
	for (left = len; left; left -= n) {
		base = vhost_scsi_cursor_piece(&cur, left, &n, &gpa);
		fill_next(&fill, &cur, n, w->pages + pinned);
		pinned += piece_pages(base, n);
	}
	fill_end(&fill);
	return 0;

err:
	unpin_user_pages(w->pages, pinned);
	return ret;
}

/* Pins a buffer in parts, if it has more pages than w->pages has room for. */
static int pin_parts(struct vhost_scsi_data *data, struct vhost_scsi_worker *w,
		     struct vhost_scsi_cursor cur, size_t len,
		     const struct span *span, unsigned int flags)
{
	struct sg_fill fill = { .data = data };
	unsigned int pinned;
	void __user *base;
	size_t n, max;
	u64 gpa;
	int ret;

	ret = alloc_table(data, w->dev, span->pages);
	if (ret)
		return ret;
	for (; len; len -= n) {
		/* A part ends at the end of a page or of the piece. */
		base = vhost_scsi_cursor_piece(&cur, len, &n, &gpa);
		max = VHOST_SCSI_PAGES * PAGE_SIZE -
		      offset_in_page((unsigned long)base);
		n = min(n, max);
		pinned = 0;
		ret = pin_pages(base, piece_pages(base, n), flags, w->pages,
				&pinned);
		if (ret) {
			unpin_user_pages(w->pages, pinned);
			return ret;
		}
		fill_next(&fill, &cur, n, w->pages);
	}
	fill_end(&fill);
	return 0;
}

/* Allocates the table for pin_run(). If it fails, it unpins the pages. */
static bool run_table(struct vhost_scsi_data *data, struct vhost_scsi_vq *vq,
		      struct vhost_scsi_worker *w, struct page **pages,
		      unsigned int nr)
{
	unsigned int entries = nr;

	/*
	 * Count the runs only if the pages seem to be neighbours. For scattered
	 * pages counting costs more than a table that is too large.
	 */
	if (nr > VHOST_SCSI_INLINE_SG && vhost_scsi_page(&pages[nr - 1]) ==
					 vhost_scsi_page(pages) + nr - 1)
		entries = count_runs(pages, nr);
	if (!alloc_table(data, w->dev, entries))
		return true;

	if (data->mem)
		vhost_scsi_mem_put(data->mem);
	else if (data->more_pins)
		vhost_scsi_pin_put_run(data_pins(vq), data->pin, nr);
	else
		unpin_user_pages(pages, nr);
	data->mem = NULL;
	data->pin = NULL;
	data->more_pins = 0;
	return false;
}

/*
 * Pins a buffer that is in one piece and has no more than VHOST_SCSI_RUN_PAGES pages.
 * Return: false if it is not such a buffer, or if an error occurred. Nothing is pinned
 * then.
 */
static bool pin_run(struct vhost_scsi_data *data, struct vhost_scsi_vq *vq,
		    struct vhost_scsi_worker *w, struct vhost_scsi_cursor cur,
		    size_t len)
{
	struct sg_fill fill = { .data = data };
	struct page **pages = w->pages;
	void __user *base;
	unsigned int nr;
	size_t n;
	u64 gpa;
	int got;

	base = vhost_scsi_cursor_piece(&cur, len, &n, &gpa);
	if (!base || n != len)
		return false;
	nr = piece_pages(base, len);
	if (nr > VHOST_SCSI_RUN_PAGES)
		return false;

	if (vq->mem->pinned) {
		pages = pinned_at(&cur);
		if (!pages || !vhost_scsi_pages_valid(pages, nr, data->write))
			return false;
		data->mem = vhost_scsi_mem_get(vq->mem);
	} else if (nr > 1 && vhost_scsi_pin_get_run(data_pins(vq),
						    (unsigned long)base, nr,
						    &data->pin, pages)) {
		data->more_pins = nr - 1;
	} else {
		got = pin_user_pages_fast((unsigned long)base & PAGE_MASK, nr,
					  data->write ? FOLL_WRITE : 0, pages);
		if (got != nr || vhost_scsi_pages_crowded(pages, nr)) {
			if (got > 0)
				unpin_user_pages(pages, got);
			return false;
		}
		/* Pinning pages of one folio is cheap, so they are not remembered. */
		if (nr > 1 && page_folio(pages[0]) != page_folio(pages[nr - 1]))
			vhost_scsi_pin_miss_run(data_pins(vq),
						(unsigned long)base, nr);
	}

	if (!run_table(data, vq, w, pages, nr))
		return false;
	data->ranges = &data->one;
	fill_next(&fill, &cur, len, pages);
	fill_end(&fill);
	return true;
}

/*
 * Pins a buffer that is in one page, as most are. The page may be a remembered one.
 * Return: as pin_run().
 */
static __always_inline bool pin_one(struct vhost_scsi_data *data,
				    struct vhost_scsi_vq *vq,
				    const struct vhost_scsi_cursor *cur,
				    size_t len)
{
	const struct vhost_scsi_iov *iov = cur->iov;
	struct scatterlist *sg = data->inline_sgl;
	unsigned int off;
	struct page *page;

	if (!cur->nr || cur->off || !iov->base || iov->len != len)
		return false;
	off = offset_in_page((unsigned long)iov->base);
	if (off + len > PAGE_SIZE)
		return false;

	if (vq->mem->pinned) {
		if (!iov->pages ||
		    !vhost_scsi_pages_valid(iov->pages, 1, data->write))
			return false;
		page = vhost_scsi_page(iov->pages);
		data->mem = vhost_scsi_mem_get(vq->mem);
	} else if (vhost_scsi_pin_get_repeated(data_pins(vq),
					       (unsigned long)iov->base,
					       data->write, &data->pin, &page)) {
		return false;
	}

	memset(sg, 0, sizeof(*sg));
	sg_set_page(sg, page, len, off);
	sg_mark_end(sg);
	data->sgl = sg;
	data->nents = 1;
	data->len = len;
	data->align = off | len;
	data->ranges = &data->one;
	if (!data->write)
		return true;
	note_range(data, iov->gpa, len);
	data->cleanable = vhost_scsi_page_of_file(page);
	if (!folio_test_dirty(page_folio(page)))
		set_dirty(data);
	return true;
}

static noinline int pin_many(struct vhost_scsi_data *data,
			     struct vhost_scsi_vq *vq,
			     struct vhost_scsi_worker *w,
			     struct vhost_scsi_cursor cur, size_t len)
{
	unsigned int flags = data->write ? FOLL_WRITE : 0;
	struct span span;
	int ret;

	if (pin_run(data, vq, w, cur, len))
		return 0;

	ret = measure(cur, len, &span);
	if (ret)
		return ret;
	/* pin_parts() may split a piece, so that it needs more ranges than pieces. */
	ret = alloc_ranges(data, span.pieces +
				 span.pages / (VHOST_SCSI_PAGES - 1));
	if (ret)
		return ret;
	if (vq->mem->pinned && is_pinned(cur, len, data->write)) {
		data->mem = vhost_scsi_mem_get(vq->mem);
		return use_pinned(data, w, cur, len, &span);
	}
	if (span.pages <= VHOST_SCSI_PAGES)
		return pin_whole(data, w, cur, len, &span, flags);
	return pin_parts(data, w, cur, len, &span, flags);
}

/**
 * vhost_scsi_data_pin - pin a data buffer
 * @data: gets the buffer; the caller owes vhost_scsi_data_unpin() in any case
 * @vq: the queue
 * @w: the worker that calls
 * @cur: at the data; not advanced
 * @len: bytes, not 0
 * @write: the device writes the buffer
 *
 * Context: a worker; may sleep.
 * Return: 0. -EFAULT: a part is not guest memory. -EMSGSIZE: more than
 * VHOST_SCSI_MAX_DATA. -EAGAIN: the device has MAX_ENTRIES under way. -ENOMEM.
 */
int vhost_scsi_data_pin(struct vhost_scsi_data *data,
			struct vhost_scsi_vq *vq, struct vhost_scsi_worker *w,
			const struct vhost_scsi_cursor *cur, size_t len,
			bool write)
{
	if (len > VHOST_SCSI_MAX_DATA)
		return -EMSGSIZE;
	data->write = write;
	if (pin_one(data, vq, cur, len))
		return 0;
	return pin_many(data, vq, w, *cur, len);
}

/* Returns true if all pages are marked dirty; for vhost_scsi_data_is_dirty(). */
bool vhost_scsi_data_pages_dirty(const struct vhost_scsi_data *data)
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
 * vhost_scsi_data_touch - tell a file system that the device wrote its pages
 * @data: pinned, and written
 * @mem: the memory table
 *
 * Context: a worker; may sleep.
 */
void vhost_scsi_data_touch(const struct vhost_scsi_data *data,
			   const struct vhost_scsi_mem *mem)
{
	unsigned int i;

	for (i = 0; i < data->nr_ranges; i++)
		vhost_scsi_mem_touch(mem, data->ranges[i].gpa,
				     data->ranges[i].len);
}

/**
 * vhost_scsi_data_log - mark the buffer in the dirty log
 * @vq: the queue, which has the log
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
		vhost_scsi_log_write(&vq->log, data->ranges[i].gpa, n);
	}
}

static void unpin_pages(const struct vhost_scsi_data *data)
{
	struct scatterlist *sg = data->sgl;
	unsigned int i, n;

	for (i = 0; i < data->nents; i++, sg = table_next(data, sg)) {
		n = sg_pages(sg);
		if (n == 1)
			unpin_user_page(sg_page(sg));
		else
			unpin_user_page_range_dirty_lock(sg_page(sg), n, false);
	}
}

static noinline void free_table(struct vhost_scsi_data *data,
				struct vhost_scsi_dev *dev)
{
	struct sg_table table = {
		.sgl = data->sgl,
		.orig_nents = data->orig_nents,
		.nents = data->orig_nents,
	};

	atomic_long_sub(data->orig_nents, &vhost_scsi_host(dev)->sg_entries);
	if (data->chained)
		sg_free_table(&table);
	else
		kfree(data->sgl);
	data->orig_nents = 0;
	data->chained = false;
}

/**
 * vhost_scsi_data_unpin - unpin the pages, and free the scatterlist
 * @data: pinned in full or in part, or zeroed; as zeroed afterwards
 * @vq: the queue
 *
 * Context: any.
 */
void vhost_scsi_data_unpin(struct vhost_scsi_data *data,
			   const struct vhost_scsi_vq *vq)
{
	if (data->mem)
		vhost_scsi_mem_put(data->mem);
	else if (data->more_pins)
		vhost_scsi_pin_put_run(data_pins(vq), data->pin,
				       data->more_pins + 1);
	else if (data->pin)
		vhost_scsi_pin_put(data->pin, NULL);
	else
		unpin_pages(data);
	if (data->orig_nents)
		free_table(data, vq->dev);
	if (data->ranges != &data->one)
		kfree(data->ranges);

	data->mem = NULL;
	data->pin = NULL;
	data->more_pins = 0;
	data->ranges = &data->one;
	data->nr_ranges = 0;
	data->nents = 0;
	data->len = 0;
	data->align = 0;
	data->cleanable = false;
}
