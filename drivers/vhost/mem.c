// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory: from guest addresses to the owner's, and pinned mappings.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "vhost.h"

/* QEMU counts on 509, KVM's memory slots; more costs only a longer search. */
#define MAX_REGIONS	4096

struct region {
	u64 gpa;
	u64 size;
	u64 base;
};

/**
 * struct vhost_scsi_mem - a table that VHOST_SET_MEM_TABLE made
 * @stale: an older one that some queue may still use; freed with this one
 * @nr: of @regions
 * @regions: by guest address, not overlapping
 */
struct vhost_scsi_mem {
	struct vhost_scsi_mem *stale;
	unsigned int nr;
	struct region regions[];
};

static int region_cmp(const void *a, const void *b)
{
	const struct region *x = a, *y = b;

	if (x->gpa == y->gpa)
		return 0;
	return x->gpa < y->gpa ? -1 : 1;
}

static int region_init(struct region *r, const struct vhost_memory_region *u)
{
	u64 last = u->memory_size - 1;

	if (!u->memory_size || u->guest_phys_addr + last < last ||
	    u->userspace_addr + last < last ||
	    (unsigned long)u->userspace_addr != u->userspace_addr ||
	    !access_ok((void __user *)(unsigned long)u->userspace_addr,
		       u->memory_size))
		return -EFAULT;

	r->gpa = u->guest_phys_addr;
	r->size = u->memory_size;
	r->base = u->userspace_addr;
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
 * vhost_scsi_mem_create - read the argument of VHOST_SET_MEM_TABLE
 * @m: the owner's table
 *
 * Return: a table to be freed by vhost_scsi_mem_free(), or an ERR_PTR:
 * -EFAULT (unreadable, a region that is empty, wraps or is no user memory),
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
	return mem;
}

/**
 * vhost_scsi_mem_free - free a table and what it keeps
 * @mem: used by nobody, or NULL
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
 * vhost_scsi_mem_keep - keep an old table as long as a new one
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
	const struct region *r;

	if (!mem || !mem->nr)
		return 0;
	r = &mem->regions[mem->nr - 1];
	return r->gpa + r->size - 1;
}

/* vhost_scsi_mem_find(), for what is called for each descriptor. */
static __always_inline size_t find(const struct vhost_scsi_mem *mem, u64 gpa,
				   size_t len, void __user **base)
{
	unsigned int lo = 0, hi = mem ? mem->nr : 0;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;
		const struct region *r = &mem->regions[mid];

		if (gpa < r->gpa) {
			hi = mid;
		} else if (gpa - r->gpa >= r->size) {
			lo = mid + 1;
		} else {
			u64 off = gpa - r->gpa;

			*base = (void __user *)(unsigned long)(r->base + off);
			return min_t(u64, len, r->size - off);
		}
	}
	return 0;
}

/**
 * vhost_scsi_mem_find - where guest memory lies in the owner's
 * @mem: the table, or NULL
 * @gpa: guest physical address
 * @len: bytes wanted
 * @base: the owner's address
 *
 * Return: bytes that follow @base in one piece, at most @len; 0 when @gpa is
 * not guest memory.
 */
size_t vhost_scsi_mem_find(const struct vhost_scsi_mem *mem, u64 gpa,
			   size_t len, void __user **base)
{
	return find(mem, gpa, len, base);
}

/**
 * vhost_scsi_mem_map - turn descriptors into pieces of the owner's memory
 * @mem: the table, or NULL
 * @descs: of a chain
 * @nr: of them
 * @iov: filled; what is not guest memory becomes a piece without a base
 * @max: room in @iov
 *
 * Return: pieces used, or -E2BIG.
 */
int vhost_scsi_mem_map(const struct vhost_scsi_mem *mem,
		       const struct vhost_scsi_desc *descs, unsigned int nr,
		       struct vhost_scsi_iov *iov, unsigned int max)
{
	unsigned int i, n = 0;

	for (i = 0; i < nr; i++) {
		u64 gpa = descs[i].addr;
		size_t left = descs[i].len, len;

		for (; left; left -= len, gpa += len) {
			if (n == max)
				return -E2BIG;
			iov[n].base = NULL;
			iov[n].gpa = gpa;
			len = find(mem, gpa, left, &iov[n].base);
			if (!len)
				len = left;
			iov[n++].len = len;
		}
	}
	return n;
}

/* What tables are made of, without the checks for odd sizes. */
static bool copy_words(void *buf, const void __user *from, size_t len)
{
	const u64 __user *words = from;
	u64 word;
	size_t i;

	if (!user_access_begin(from, len))
		return false;
	for (i = 0; i < len / sizeof(word); i++) {
		unsafe_get_user(word, &words[i], fault);
		memcpy(buf + i * sizeof(word), &word, sizeof(word));
	}
	user_access_end();
	return true;

fault:
	user_access_end();
	return false;
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
	void __user *base;
	size_t n;

	for (; len; len -= n, gpa += n, buf += n) {
		n = find(mem, gpa, len, &base);
		if (!n)
			return -EFAULT;
		/* All of it in one piece: what is mostly so. */
		if (n == len && !(n % sizeof(u64)) ? !copy_words(buf, base, n) :
						     copy_from_user(buf, base, n))
			return -EFAULT;
	}
	return 0;
}

/* vhost_scsi_cursor_read(), when it crosses pieces or meets no memory. */
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
 * vhost_scsi_map_create - pin memory of the owner and map it into the kernel
 * @map: filled
 * @uaddr: the owner's address
 * @len: bytes, not 0
 *
 * Pages are pinned writable also where the device only reads: a page that was
 * not written yet would be replaced when the guest writes it.
 *
 * Context: the owner's ioctl; may sleep.
 * Return: 0, -EFAULT, -ENOMEM, or what pinning says (-EOPNOTSUPP: the memory
 * is of a kind that cannot be pinned for long, a file system with DAX).
 */
int vhost_scsi_map_create(struct vhost_scsi_map *map, u64 uaddr, size_t len)
{
	unsigned int nr = DIV_ROUND_UP(offset_in_page(uaddr) + len, PAGE_SIZE);
	int ret;

	if ((unsigned long)uaddr != uaddr || uaddr + len < uaddr ||
	    !access_ok((void __user *)(unsigned long)uaddr, len))
		return -EFAULT;

	map->pages = kvmalloc_array(nr, sizeof(*map->pages),
				    GFP_KERNEL_ACCOUNT);
	if (!map->pages)
		return -ENOMEM;

	ret = pin_user_pages_fast(uaddr & PAGE_MASK, nr,
				  FOLL_WRITE | FOLL_LONGTERM, map->pages);
	map->nr = max(ret, 0);
	if (ret != nr) {
		ret = ret < 0 ? ret : -EFAULT;
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
	vhost_scsi_map_destroy(map);
	return ret;
}

/**
 * vhost_scsi_map_destroy - undo vhost_scsi_map_create()
 * @map: may be empty
 *
 * Context: may sleep.
 */
void vhost_scsi_map_destroy(struct vhost_scsi_map *map)
{
	if (map->vaddr)
		vunmap(map->vaddr);
	if (map->nr)
		unpin_user_pages_dirty_lock(map->pages, map->nr, true);
	kvfree(map->pages);
	memset(map, 0, sizeof(*map));
}
