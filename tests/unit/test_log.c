// SPDX-License-Identifier: GPL-2.0-only
/*
 * log.c: which bit of the dirty log stands for which byte of guest memory.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef __KERNEL__
#include <sys/mman.h>
#endif

#include "mem_model.h"
#include "unit.h"
#include "vhost/queue/internal.h"

struct fixture {
	struct vhost_scsi_mem *mem;
	struct vhost_scsi_vq *vq;
	u8 __user *bitmap;	/* as the owner sees it */
	u8 __user *area;
	size_t bytes;
};

/* One page of guest memory, the last that the log is to cover. */
static struct vhost_scsi_mem *mem_up_to(u64 pages)
{
	struct mem_model m = {
		.nr = 1,
		.regions[0] = {
			.guest_phys_addr = (pages - 1) * VHOST_PAGE_SIZE,
			.memory_size = VHOST_PAGE_SIZE,
			.userspace_addr = 0x500000,
		},
	};

	return mem_model_create(&m);
}

/* Only what is touched of it takes memory. */
static u8 __user *area_new(size_t size)
{
#ifdef __KERNEL__
	return user_new(size);
#else
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
#endif
}

static void area_free(u8 __user *area, size_t size)
{
#ifdef __KERNEL__
	user_free(area, size);
#else
	munmap(area, size);
#endif
}

/* Whole pages: the bitmap, what it may be off by, and one behind it. */
static size_t area_size(const struct fixture *f)
{
	return (f->bytes / PAGE_SIZE + 3) * PAGE_SIZE;
}

/* The bitmap begins @off bytes into a page. */
static void fixture_init(struct fixture *f, u64 pages, size_t off)
{
	memset(f, 0, sizeof(*f));
	f->vq = calloc(1, sizeof(*f->vq));
	f->mem = mem_up_to(pages);
	f->bytes = DIV_ROUND_UP(pages, 8);
	f->area = area_new(area_size(f));
	EXPECT(f->area);
	f->bitmap = f->area + off;
	f->vq->log = vhost_scsi_log_create((uintptr_t)f->bitmap, f->mem, NULL, NULL);
	EXPECT(!IS_ERR(f->vq->log));
}

static void fixture_free(struct fixture *f)
{
	vhost_scsi_log_free(f->vq->log);
	vhost_scsi_mem_free(f->mem);
	area_free(f->area, area_size(f));
	free(f->vq);
#ifndef __KERNEL__
	EXPECT_EQ(0, unit_kernel.pinned);
#endif
}

/* Bit n of byte i is page 8 * i + n. */
static bool logged(const struct fixture *f, u64 page)
{
	u8 byte = 0;

	EXPECT_EQ(0, copy_from_user(&byte, f->bitmap + page / 8, 1));
	return byte & 1 << page % 8;
}

static unsigned int count(const struct fixture *f)
{
	size_t i, size = f->bytes + PAGE_SIZE;
	u8 *all = malloc(size);
	unsigned int n = 0;

	EXPECT_EQ(0, copy_from_user(all, f->area, size));
	for (i = 0; i < size; i++)
		n += hweight8(all[i]);
	free(all);
	return n;
}

/* Ranges of which the log marks the right pages. */
static void pages_are_right(void)
{
	static const struct {
		u64 gpa;
		u64 len;
		u64 first;
		unsigned int nr;
	} rows[] = {
		{ 0, 1, 0, 1 },
		{ 4095, 1, 0, 1 },
		{ 4095, 2, 0, 2 },
		{ 4096, 4096, 1, 1 },
		{ 4096, 4097, 1, 2 },
		{ 0x3f123, 0x10000, 0x3f, 17 },
		{ 999 * 4096, 4096, 999, 1 },
		/* Beyond what the log covers: nothing. */
		{ 999 * 4096, 4097, 999, 1 },
		{ 1000 * 4096, 1, 0, 0 },
		{ 0x123456789000, 1, 0, 0 },
		{ 0, 0, 0, 0 },
	};
	unsigned int i, n, off;

	for (off = 0; off < 9; off++)
		for (i = 0; i < ARRAY_SIZE(rows); i++) {
			struct fixture f;

			fixture_init(&f, 1000, off);
			vhost_scsi_log_write(&f.vq->log, rows[i].gpa, rows[i].len);
			EXPECT_EQ(rows[i].nr, count(&f));
			for (n = 0; n < rows[i].nr; n++)
				EXPECT(logged(&f, rows[i].first + n));
			fixture_free(&f);
		}
}

TEST(log, pages)
{
	pages_are_right();
}

/* The owner may keep no page pinned. */
TEST(log, pages_by_user_access)
{
	owner_may = 0;
	pages_are_right();
	owner_may = ULONG_MAX;
}

#ifndef __KERNEL__
/* A bitmap that is not there any more. */
TEST(log, user_access_fails)
{
	struct fixture f;

	owner_may = 0;
	fixture_init(&f, 2 * 8 * PAGE_SIZE, 0);
	EXPECT(vhost_scsi_log_by_worker(f.vq->log));
	user_gap(f.area);
	vhost_scsi_log_write(&f.vq->log, 0, 3 * 4096);
	EXPECT_EQ(0, unit_kernel.signals);
	vhost_scsi_log_write(&f.vq->log, 8 * PAGE_SIZE * 4096, 4096);
	EXPECT(logged(&f, 8 * PAGE_SIZE));
	fixture_free(&f);
	owner_may = ULONG_MAX;
}

/* Bit numbers from 2^31 on: guest memory from 8 TiB on. */
TEST(log, high_pages)
{
	static const u64 pages[] = { 1ULL << 31, 1ULL << 32, 1ULL << 33 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		struct fixture f;

		fixture_init(&f, pages[i], 0);
		vhost_scsi_log_write(&f.vq->log, (pages[i] - 1) * 4096, 1);
		EXPECT(logged(&f, pages[i] - 1));
		fixture_free(&f);
	}
}
#endif

/* 1 GiB of bitmap is the most: 32 TiB of guest addresses. */
TEST(log, too_large)
{
	struct vhost_scsi_mem *mem = mem_up_to((1ULL << 33) + 1);

	EXPECT_EQ(-EFAULT, PTR_ERR(vhost_scsi_log_create(0x500000, mem,
							 NULL, NULL)));
	vhost_scsi_mem_free(mem);
}

TEST(log, used_ring)
{
	struct fixture f;

	fixture_init(&f, 1000, 0);
	f.vq->log_used_addr = 4096 * 10 + 4090;
	vhost_scsi_vq_log_used(f.vq, 2, 2);
	EXPECT_EQ(0, count(&f));
	f.vq->log_used = true;
	vhost_scsi_vq_log_used(f.vq, 2, 2);
	EXPECT_EQ(1, count(&f));
	EXPECT(logged(&f, 10));
	vhost_scsi_vq_log_used(f.vq, 4, 8);
	EXPECT_EQ(2, count(&f));
	EXPECT(logged(&f, 11));
	fixture_free(&f);
}

TEST(log, none)
{
	struct vhost_scsi_vq *vq = calloc(1, sizeof(*vq));

	vq->log_used = true;
	vhost_scsi_log_write(&vq->log, 0, 4096);
	vhost_scsi_vq_log_used(vq, 0, 2);
	vhost_scsi_log_free(NULL);
	free(vq);
}

#ifndef __KERNEL__
TEST(log, signals_its_eventfd)
{
	struct fixture f;

	fixture_init(&f, 10, 0);
	vhost_scsi_log_free(f.vq->log);
	f.vq->log = vhost_scsi_log_create((uintptr_t)f.bitmap, f.mem,
					  NULL, (struct eventfd_ctx *)&f);
	vhost_scsi_log_write(&f.vq->log, 0, 0);
	EXPECT_EQ(0, unit_kernel.signals);
	vhost_scsi_log_write(&f.vq->log, 0, 3 * 4096);
	EXPECT_EQ(1, unit_kernel.signals);
	fixture_free(&f);
}
#endif

TEST(log, refused)
{
	struct vhost_scsi_mem *mem = mem_up_to(10);
	u8 __user *user = user_new(PAGE_SIZE);

#ifndef __KERNEL__
	unit_kernel.fail_alloc = 1;
	EXPECT_EQ(-ENOMEM, PTR_ERR(vhost_scsi_log_create((uintptr_t)user, mem,
							 NULL, NULL)));
#endif
	user_gap(user);
	EXPECT_EQ(-EFAULT, PTR_ERR(vhost_scsi_log_create((uintptr_t)user, mem,
							 NULL, NULL)));
	vhost_scsi_mem_free(mem);
	user_free(user, PAGE_SIZE);
}
