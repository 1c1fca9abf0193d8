// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory: translates guest addresses to the owner's, and maps memory that is
 * pinned for long.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "internal.h"

/* QEMU expects at least 509, KVM's memory slots. More only make the search longer. */
#define MAX_REGIONS	4096

static int region_cmp(const void *a, const void *b)
{
	const struct vhost_scsi_region *x = a, *y = b;

	if (x->gpa == y->gpa)
		return 0;
	return x->gpa < y->gpa ? -1 : 1;
}

static int region_init(struct vhost_scsi_region *r, const struct vhost_memory_region *u)
{
	u64 last = u->memory_size - 1;

	if ((unsigned long)u->userspace_addr != u->userspace_addr)
		return -EFAULT;
	r->gpa = u->guest_phys_addr;
	r->size = u->memory_size;
	r->base = vhost_scsi_untagged(u->userspace_addr);

	if (!r->size || r->gpa + last < last || r->base + last < last ||
	    !access_ok((void __user *)(unsigned long)r->base, r->size))
		return -EFAULT;
	return 0;
}

static int mem_fill(struct vhost_scsi_mem *mem,
		    const struct vhost_memory_region __user *regions)
{
	struct vhost_memory_region u;
	unsigned int i;
	int ret;

	for (i = 0; i < mem->nr; i++) {
		if (copy_from_user(&u, &regions[i], sizeof(u)))
			return -EFAULT;
		ret = region_init(&mem->regions[i], &u);
		if (ret)
			return ret;
	}

	sort(mem->regions, mem->nr, sizeof(mem->regions[0]), region_cmp, NULL);
	for (i = 1; i < mem->nr; i++)
		if (mem->regions[i].gpa - mem->regions[i - 1].gpa <
		    mem->regions[i - 1].size)
			return -EINVAL;
	return 0;
}

/**
 * vhost_scsi_mem_measure - how much memory a table has
 * @mem: the table
 * @size: filled
 */
void vhost_scsi_mem_measure(const struct vhost_scsi_mem *mem,
			    struct vhost_scsi_mem_size *size)
{
	struct vhost_scsi_mem_size sum = { .regions = mem->nr };
	unsigned int i;

	for (i = 0; i < mem->nr; i++) {
		const struct vhost_scsi_region *r = &mem->regions[i];

		sum.bytes += r->size;
		sum.pages += DIV_ROUND_UP(offset_in_page(r->base) + r->size,
					  PAGE_SIZE);
	}
	*size = sum;
}

/**
 * vhost_scsi_mem_create - read the argument of VHOST_SET_MEM_TABLE
 * @m: the owner's table
 *
 * Return: a table to be freed by vhost_scsi_mem_free(), or an ERR_PTR: -EFAULT (the
 * table is unreadable, or a region is empty, wraps around or is not user memory),
 * -EINVAL (regions overlap), -E2BIG, -EOPNOTSUPP (padding in use), -ENOMEM.
 */
struct vhost_scsi_mem *vhost_scsi_mem_create(struct vhost_memory __user *m)
{
	struct vhost_scsi_mem *mem;
	struct vhost_memory head;
	int ret;

	if (copy_from_user(&head, m, sizeof(head)))
		return ERR_PTR(-EFAULT);
	if (head.padding)
		return ERR_PTR(-EOPNOTSUPP);
	if (head.nregions > MAX_REGIONS)
		return ERR_PTR(-E2BIG);

	mem = kvzalloc(struct_size(mem, regions, head.nregions),
		       GFP_KERNEL_ACCOUNT);
	if (!mem)
		return ERR_PTR(-ENOMEM);
	mem->nr = head.nregions;

	ret = mem_fill(mem, m->regions);
	if (ret) {
		kvfree(mem);
		return ERR_PTR(ret);
	}
	refcount_set(&mem->users, 1);
	return mem;
}

/**
 * vhost_scsi_mem_free - free a table and the older tables that it keeps
 * @mem: not pinned and without users; or NULL
 */
void vhost_scsi_mem_free(struct vhost_scsi_mem *mem)
{
	struct vhost_scsi_mem *next;

	for (; mem; mem = next) {
		next = mem->stale;
		kvfree(mem);
	}
}

/**
 * vhost_scsi_mem_keep - keep an old table until a new one is freed
 * @mem: the new one
 * @old: the old one, or NULL
 */
void vhost_scsi_mem_keep(struct vhost_scsi_mem *mem, struct vhost_scsi_mem *old)
{
	mem->stale = old;
}

/**
 * vhost_scsi_mem_last - the highest guest address
 * @mem: the table, or NULL
 *
 * Return: the address of the last byte; 0 for an empty table.
 */
u64 vhost_scsi_mem_last(const struct vhost_scsi_mem *mem)
{
	const struct vhost_scsi_region *r;

	if (!mem || !mem->nr)
		return 0;
	r = &mem->regions[mem->nr - 1];
	return r->gpa + r->size - 1;
}

/**
 * vhost_scsi_mem_region - the region that an address is in
 * @mem: the table, or NULL
 * @gpa: guest physical address
 *
 * Return: the region, or NULL.
 */
const struct vhost_scsi_region *
vhost_scsi_mem_region(const struct vhost_scsi_mem *mem, u64 gpa)
{
	unsigned int lo = 0, hi = mem ? mem->nr : 0;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;
		const struct vhost_scsi_region *r = &mem->regions[mid];

		if (gpa < r->gpa)
			hi = mid;
		else if (gpa - r->gpa >= r->size)
			lo = mid + 1;
		else
			return r;
	}
	return NULL;
}

/* The inline part of vhost_scsi_mem_find(), for callers with many descriptors. */
static __always_inline size_t find(const struct vhost_scsi_mem *mem, u64 gpa,
				   size_t len, struct vhost_scsi_iov *piece,
				   const struct vhost_scsi_region **last)
{
	const struct vhost_scsi_region *r = *last;

	/* Most chains lie in one region: try the region of the last range first. */
	if (!r || gpa - r->gpa >= r->size) {
		r = vhost_scsi_mem_region(mem, gpa);
		if (!r)
			return 0;
		*last = r;
	}
	vhost_scsi_region_piece(r, gpa, piece);
	return min_t(u64, len, r->size - (gpa - r->gpa));
}

/**
 * vhost_scsi_mem_find - find the owner's address of guest memory
 * @mem: the table, or NULL
 * @gpa: guest physical address
 * @len: bytes wanted
 * @base: the owner's address
 *
 * Return: the bytes from @base on that are contiguous, at most @len; 0 if @gpa is
 * not guest memory.
 */
size_t vhost_scsi_mem_find(const struct vhost_scsi_mem *mem, u64 gpa,
			   size_t len, void __user **base)
{
	const struct vhost_scsi_region *last = NULL;
	struct vhost_scsi_iov piece;

	len = find(mem, gpa, len, &piece, &last);
	if (len)
		*base = piece.base;
	return len;
}

/**
 * vhost_scsi_mem_map - turn ranges into pieces of the owner's memory
 * @mem: the table, or NULL
 * @ranges: of guest memory
 * @nr: number of @ranges
 * @iov: gets the pieces; a part that is not guest memory becomes a piece without base
 * @max: number of elements of @iov
 *
 * Return: number of pieces, or -E2BIG.
 */
int vhost_scsi_mem_map(const struct vhost_scsi_mem *mem,
		       const struct vhost_scsi_range *ranges, unsigned int nr,
		       struct vhost_scsi_iov *iov, unsigned int max)
{
	const struct vhost_scsi_region *last = NULL;
	unsigned int i, n = 0;

	for (i = 0; i < nr; i++) {
		u64 gpa = ranges[i].gpa;
		size_t left = ranges[i].len, len;

		for (; left; left -= len, gpa += len) {
			if (n == max)
				return -E2BIG;
			iov[n].base = NULL;
			iov[n].gpa = gpa;
			len = find(mem, gpa, left, &iov[n], &last);
			if (!len)
				len = left;
			iov[n++].len = len;
		}
	}
	return n;
}

/**
 * vhost_scsi_mem_read - copy from guest memory
 * @mem: the table, or NULL
 * @gpa: guest physical address
 * @buf: where to
 * @len: bytes
 *
 * Context: a worker; may sleep.
 * Return: 0 or -EFAULT.
 */
int vhost_scsi_mem_read(const struct vhost_scsi_mem *mem, u64 gpa, void *buf,
			size_t len)
{
	const struct vhost_scsi_region *last = NULL;
	struct vhost_scsi_iov piece;
	size_t n;

	for (; len; len -= n, gpa += n, buf += n) {
		n = find(mem, gpa, len, &piece, &last);
		if (!n)
			return -EFAULT;
		/* Most indirect tables are in one piece and aligned: copy words. */
		if (n == len && !((n | (unsigned long)buf) % sizeof(u64)) ?
		    !vhost_scsi_copy_few(buf, piece.base,
					 round_down(n, sizeof(u64))) :
		    copy_from_user(buf, piece.base, n))
			return -EFAULT;
	}
	return 0;
}

/* vhost_scsi_cursor_read(), if the bytes are in several pieces or not in memory. */
size_t __vhost_scsi_cursor_read(struct vhost_scsi_cursor *cur, void *buf,
				size_t len)
{
	void __user *base;
	size_t n, done = 0;
	u64 gpa;

	while (done < len) {
		base = vhost_scsi_cursor_piece(cur, len - done, &n, &gpa);
		if (!base || copy_from_user(buf + done, base, n))
			break;
		vhost_scsi_cursor_skip(cur, n);
		done += n;
	}
	return done;
}

/**
 * vhost_scsi_mem_write - copy to guest memory
 * @mem: the table, or NULL
 * @gpa: guest physical address
 * @buf: where from
 * @len: bytes
 *
 * Context: a worker; may sleep.
 * Return: 0 or -EFAULT.
 */
int vhost_scsi_mem_write(const struct vhost_scsi_mem *mem, u64 gpa,
			 const void *buf, size_t len)
{
	void __user *base;
	size_t n;

	for (; len; len -= n, gpa += n, buf += n) {
		n = vhost_scsi_mem_find(mem, gpa, len, &base);
		if (!n || copy_to_user(base, buf, n))
			return -EFAULT;
	}
	return 0;
}

/**
 * vhost_scsi_mem_touch - guest memory was written through a pinned page of a file
 * @mem: the table, or NULL
 * @gpa: guest physical address
 * @len: bytes
 *
 * The file system may have written the page to the file since it was pinned, and then
 * takes it for unchanged. A write fault tells it that the page changes once more, and
 * it marks the page dirty by its own rules.
 *
 * Context: a worker; may sleep.
 */
void vhost_scsi_mem_touch(const struct vhost_scsi_mem *mem, u64 gpa, size_t len)
{
	void __user *base;
	size_t n;

	for (; len; len -= n, gpa += n) {
		n = vhost_scsi_mem_find(mem, gpa, len, &base);
		/* What the owner took out of the table is not the guest's any more. */
		if (!n || fault_in_safe_writeable(base, n))
			return;
	}
}

static bool any_of_file(struct page *const *pages, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (vhost_scsi_page_of_file(pages[i]))
			return true;
	return false;
}

/**
 * vhost_scsi_pin_long - pin pages of the owner for long and for writing
 * @addr: the owner's address, page aligned
 * @nr: pages, not 0
 * @pages: filled
 *
 * On old kernels a long-term pin does not wait for a page that userfaultfd has yet to
 * bring, as on the destination of a post-copy migration. A short-term pin does wait,
 * so it comes first. Kernels since 6.5 refuse a long-term pin of a page that
 * vhost_scsi_page_of_file() is true for. This function refuses it on all kernels.
 *
 * Context: the owner's mm is in use; may sleep.
 * Return: pages pinned, at least one. -EOPNOTSUPP: they cannot be kept pinned. -ENOMEM.
 * Another negative errno: they do not exist, or cannot be written.
 */
int vhost_scsi_pin_long(unsigned long addr, unsigned int nr,
			struct page **pages)
{
	bool of_file;
	int ret;

	ret = pin_user_pages_fast(addr, nr, FOLL_WRITE, pages);
	if (ret <= 0)
		return ret ? ret : -EFAULT;
	of_file = any_of_file(pages, ret);
	unpin_user_pages_dirty_lock(pages, ret, false);
	if (of_file)
		return -EOPNOTSUPP;

	ret = pin_user_pages_fast(addr, ret, FOLL_WRITE | FOLL_LONGTERM, pages);
	if (ret <= 0)
		return ret == -ENOMEM ? ret : -EOPNOTSUPP;
	if (!any_of_file(pages, ret))
		return ret;
	unpin_user_pages_dirty_lock(pages, ret, false);
	return -EOPNOTSUPP;
}

static bool is_user(u64 uaddr, size_t len)
{
	return (unsigned long)uaddr == uaddr && uaddr + len >= uaddr &&
	       access_ok((void __user *)(unsigned long)uaddr, len);
}

/**
 * vhost_scsi_map_create - pin memory of the owner and map it into the kernel
 * @map: zeroed; filled
 * @watch: of the owner's address space
 * @uaddr: the owner's address
 * @len: bytes, not 0
 *
 * The pages are pinned for writing, even if the device only reads them. A page that
 * was never written is a shared zero page, or shared by copy on write. The guest's
 * first write would replace it, and the mapping would keep the old page.
 *
 * Context: the owner's ioctl; may sleep.
 * Return: 0. -EFAULT, -ENOMEM. -EOPNOTSUPP: the pages cannot be kept pinned, or the
 * owner may keep no more.
 */
int vhost_scsi_map_create(struct vhost_scsi_map *map,
			  struct vhost_scsi_watch *watch, u64 uaddr, size_t len)
{
	unsigned int nr = DIV_ROUND_UP(offset_in_page(uaddr) + len, PAGE_SIZE);
	int ret = -ENOMEM;

	if (!is_user(uaddr, len))
		return -EFAULT;
	if (!vhost_scsi_charge(watch, nr, VHOST_SCSI_MAPPED))
		return -EOPNOTSUPP;
	map->watch = watch;
	map->pages = kvmalloc_array(nr, sizeof(*map->pages),
				    GFP_KERNEL_ACCOUNT);
	if (!map->pages)
		goto err;

	for (map->nr = 0; map->nr < nr; map->nr += ret) {
		ret = vhost_scsi_pin_long((uaddr & PAGE_MASK) +
					  map->nr * PAGE_SIZE,
					  nr - map->nr, map->pages + map->nr);
		/*
		 * The kernel says this, too, if it cannot move a page that is in use to where
		 * pages may stay: out of ZONE_MOVABLE or CMA.
		 */
		if (ret == -ENOMEM)
			ret = -EOPNOTSUPP;
		if (ret < 0)
			goto err;
	}

	map->vaddr = vmap(map->pages, nr, VM_MAP, PAGE_KERNEL);
	if (!map->vaddr) {
		ret = -ENOMEM;
		goto err;
	}
	map->addr = map->vaddr + offset_in_page(uaddr);
	return 0;

err:
	vhost_scsi_uncharge(watch, nr - map->nr);
	vhost_scsi_map_destroy(map);
	return ret;
}

/**
 * vhost_scsi_map_copy - copy memory of the owner, without pinning it
 * @map: filled; the caller keeps the copy and the owner's memory in step
 * @uaddr: the owner's address
 * @len: bytes, not 0
 * @write: the owner's memory must be writable
 *
 * Context: the owner's ioctl; may sleep.
 * Return: 0, -EFAULT or -ENOMEM.
 */
int vhost_scsi_map_copy(struct vhost_scsi_map *map, u64 uaddr, size_t len,
			bool write)
{
	void __user *user = (void __user *)(unsigned long)uaddr;

	if (!is_user(uaddr, len) ||
	    (write && fault_in_safe_writeable(user, len)))
		return -EFAULT;
	map->addr = kvmalloc(len, GFP_KERNEL_ACCOUNT);
	if (!map->addr)
		return -ENOMEM;
	map->user = user;
	if (!copy_from_user(map->addr, user, len))
		return 0;
	vhost_scsi_map_destroy(map);
	return -EFAULT;
}

/**
 * vhost_scsi_map_destroy - undo vhost_scsi_map_create() or vhost_scsi_map_copy()
 * @map: the mapping or copy, or an empty one
 *
 * Context: may sleep.
 */
void vhost_scsi_map_destroy(struct vhost_scsi_map *map)
{
	if (map->user)
		kvfree(map->addr);
	if (map->vaddr)
		vunmap(map->vaddr);
	if (map->nr) {
		unpin_user_pages_dirty_lock(map->pages, map->nr, true);
		vhost_scsi_uncharge(map->watch, map->nr);
	}
	kvfree(map->pages);
	memset(map, 0, sizeof(*map));
}
