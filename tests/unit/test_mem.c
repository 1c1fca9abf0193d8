// SPDX-License-Identifier: GPL-2.0-only
/*
 * mem.c: the table of guest memory, look-ups in it, and the cursor that walks
 * over what they find.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include "mem_model.h"
#include "unit.h"
#include "vhost/memory/internal.h"

#define MAX_REGIONS	4096

/* VHOST_SET_MEM_TABLE's argument: gpa, size and address in turn, up to 0, 0. */
static struct vhost_memory *table(const u64 *rows, size_t *size)
{
	struct vhost_memory *m;
	unsigned int i, nr = 0;

	while (rows[3 * nr + 1] || rows[3 * nr])
		nr++;
	*size = struct_size(m, regions, nr);
	m = calloc(1, *size);
	m->nregions = nr;
	for (i = 0; i < nr; i++) {
		m->regions[i].guest_phys_addr = rows[3 * i];
		m->regions[i].memory_size = rows[3 * i + 1];
		m->regions[i].userspace_addr = rows[3 * i + 2];
	}
	return m;
}

static struct vhost_scsi_mem *create(const u64 *rows)
{
	size_t size;
	struct vhost_memory *m = table(rows, &size);
	struct vhost_memory __user *user = user_new(size);
	struct vhost_scsi_mem *mem;

	user_write(user, m, size);
	mem = vhost_scsi_mem_create(user);
	user_free(user, size);
	free(m);
	return mem;
}

static void expect_refused(int err, const u64 *rows)
{
	struct vhost_scsi_mem *mem = create(rows);

	EXPECT(IS_ERR(mem));
	if (IS_ERR(mem))
		EXPECT_EQ(err, PTR_ERR(mem));
	else
		vhost_scsi_mem_free(mem);
}

static void expect_find(const struct vhost_scsi_mem *mem, u64 gpa, size_t len,
			size_t want, u64 base)
{
	void __user *where = NULL;

	EXPECT_EQ(want, vhost_scsi_mem_find(mem, gpa, len, &where));
	EXPECT_EQ(base, (uintptr_t)where);
}

/* Not in order, neighbours, and a hole. */
static const u64 three[] = {
	0x10000, 0x1000, 0x700000,
	0x0, 0x2000, 0x500000,
	0x2000, 0x3000, 0x900000,
	0, 0,
};

TEST(mem, find)
{
	struct vhost_scsi_mem *mem = create(three);

	expect_find(mem, 0, 1, 1, 0x500000);
	expect_find(mem, 0x1fff, 1, 1, 0x501fff);
	expect_find(mem, 0x1fff, 100, 1, 0x501fff);
	expect_find(mem, 0x2000, 100, 100, 0x900000);
	expect_find(mem, 0x4fff, 1, 1, 0x902fff);
	expect_find(mem, 0x5000, 1, 0, 0);
	expect_find(mem, 0xffff, 1, 0, 0);
	expect_find(mem, 0x10000, 0x1000, 0x1000, 0x700000);
	expect_find(mem, 0x10fff, 0x1000, 1, 0x700fff);
	expect_find(mem, 0x11000, 1, 0, 0);
	expect_find(mem, ~0ULL, 1, 0, 0);
	EXPECT_EQ(0x10fff, vhost_scsi_mem_last(mem));
	vhost_scsi_mem_free(mem);
}

TEST(mem, no_table)
{
	static const u64 none[] = { 0, 0 };
	struct vhost_scsi_mem *mem = create(none);

	expect_find(NULL, 0, 1, 0, 0);
	EXPECT_EQ(0, vhost_scsi_mem_last(NULL));
	expect_find(mem, 0, 1, 0, 0);
	EXPECT_EQ(0, vhost_scsi_mem_last(mem));
	vhost_scsi_mem_free(mem);
	vhost_scsi_mem_free(NULL);
}

TEST(mem, last_address)
{
	static const u64 rows[] = { ~0ULL - 0xfff, 0x1000, 0x500000, 0, 0 };
	struct vhost_scsi_mem *mem = create(rows);

	EXPECT_EQ(-1, vhost_scsi_mem_last(mem));
	expect_find(mem, ~0ULL, 2, 1, 0x500fff);
	vhost_scsi_mem_free(mem);
}

TEST(mem, regions_refused)
{
	static const u64 empty[] = { 0x1000, 0, 0x500000, 0, 0 };
	static const u64 gpa_wraps[] = {
		~0ULL - 0xfff, 0x1001, 0x500000, 0, 0,
	};
	static const u64 user_wraps[] = {
		0, 0x1001, ~0ULL - 0xfff, 0, 0,
	};
	static const u64 kernel[] = {
		0, 0x1000, 0xffff888000000000, 0, 0,
	};
	const u64 beyond_user[] = {
		0, 0x2000, TASK_SIZE_MAX - 0x1000, 0, 0,
	};
	static const u64 all[] = { 0, ~0ULL, 0x500000, 0, 0 };
	static const u64 same[] = {
		0, 0x1000, 0x500000, 0, 0x1000, 0x600000, 0, 0,
	};
	static const u64 overlap[] = {
		0x1fff, 0x1000, 0x500000, 0, 0x2000, 0x600000, 0, 0,
	};
	static const u64 inside[] = {
		0, 0x10000, 0x500000, 0x4000, 0x1000, 0x600000, 0, 0,
	};

	expect_refused(-EFAULT, empty);
	expect_refused(-EFAULT, gpa_wraps);
	expect_refused(-EFAULT, user_wraps);
	expect_refused(-EFAULT, kernel);
	expect_refused(-EFAULT, beyond_user);
	expect_refused(-EFAULT, all);
	expect_refused(-EINVAL, same);
	expect_refused(-EINVAL, overlap);
	expect_refused(-EINVAL, inside);
}

TEST(mem, table_refused)
{
	size_t size;
	struct vhost_memory *m = table(three, &size);
	u8 __user *area = user_new(2 * PAGE_SIZE);
	struct vhost_memory __user *user;
	struct vhost_scsi_mem *mem;

	/* The third region is on the second page. */
	user = (void __user *)(area + PAGE_SIZE - offsetof(typeof(*m),
							   regions[2]));
	m->padding = 1;
	user_write(user, m, size);
	EXPECT_EQ(-EOPNOTSUPP, PTR_ERR(vhost_scsi_mem_create(user)));
	m->padding = 0;
	m->nregions = MAX_REGIONS + 1;
	user_write(user, m, size);
	EXPECT_EQ(-E2BIG, PTR_ERR(vhost_scsi_mem_create(user)));
	m->nregions = 3;
	user_write(user, m, size);
	mem = vhost_scsi_mem_create(user);
	EXPECT(!IS_ERR(mem));
	vhost_scsi_mem_free(mem);

	user_gap(area + PAGE_SIZE);
	EXPECT_EQ(-EFAULT, PTR_ERR(vhost_scsi_mem_create(user)));
	m->nregions = 2;
	user_write(user, m, size - sizeof(m->regions[0]));
	mem = vhost_scsi_mem_create(user);
	EXPECT(!IS_ERR(mem));
	vhost_scsi_mem_free(mem);
	user_gap(area);
	EXPECT_EQ(-EFAULT, PTR_ERR(vhost_scsi_mem_create(user)));
	user_free(area, 2 * PAGE_SIZE);
	free(m);
}

#ifndef __KERNEL__
TEST(mem, table_without_memory)
{
	unit_kernel.fail_alloc = 1;
	EXPECT_EQ(-ENOMEM, PTR_ERR(create(three)));
}
#endif

/* An old table goes with the one that keeps it; the leak check sees to it. */
TEST(mem, keep)
{
	struct vhost_scsi_mem *oldest = create(three), *old = create(three);
	struct vhost_scsi_mem *mem = create(three);

	vhost_scsi_mem_keep(old, oldest);
	vhost_scsi_mem_keep(mem, old);
	expect_find(mem, 0, 1, 1, 0x500000);
	expect_find(oldest, 0, 1, 1, 0x500000);
	vhost_scsi_mem_free(mem);
}

/* As many as there may be, given in a random order, against a plain search. */
TEST(mem, find_in_many)
{
	static u64 rows[3 * MAX_REGIONS + 2];
	struct vhost_scsi_mem *mem;
	u64 rnd = 0x5eed0004;
	unsigned int i, n;

	for (i = 0; i < MAX_REGIONS; i++) {
		rows[3 * i] = i * 0x10000ULL;
		rows[3 * i + 1] = 1 + unit_below(&rnd, 0x10000);
		rows[3 * i + 2] = 0x10000000ULL + i * 0x100000ULL;
	}
	for (i = MAX_REGIONS - 1; i; i--) {
		u64 other = unit_below(&rnd, i + 1), row[3];

		memcpy(row, &rows[3 * i], sizeof(row));
		memcpy(&rows[3 * i], &rows[3 * other], sizeof(row));
		memcpy(&rows[3 * other], row, sizeof(row));
	}
	mem = create(rows);

	for (n = 0; n < UNIT_TIMES(20000, 200); n++) {
		u64 gpa = unit_below(&rnd, (MAX_REGIONS + 1) * 0x10000);
		size_t len = 1 + unit_below(&rnd, 0x20000), want = 0;
		u64 base = 0;

		for (i = 0; i < MAX_REGIONS; i++) {
			const u64 *r = &rows[3 * i];

			if (gpa < r[0] || gpa >= r[0] + r[1])
				continue;
			want = min(len, (size_t)(r[0] + r[1] - gpa));
			base = r[2] + (gpa - r[0]);
		}
		expect_find(mem, gpa, len, want, base);
	}
	vhost_scsi_mem_free(mem);
}

static void expect_piece(const struct vhost_scsi_iov *iov, u64 base, u64 gpa,
			 size_t len)
{
	EXPECT_EQ(base, (uintptr_t)iov->base);
	EXPECT_EQ(gpa, iov->gpa);
	EXPECT_EQ(len, iov->len);
}

/*
 * What a processor does that took a look-up for successful cannot be seen here. It does the
 * same as with a region that does not have the address: it must stay in the region.
 */
TEST(mem, piece_stays_in_its_region)
{
	struct vhost_scsi_mem *mem = create(three);
	static struct page *pages[2];
	struct vhost_scsi_region *r = &mem->regions[0];
	static const u64 outside[] = { 0x2000, 0x12345678, -1ULL, -0x1000ULL };
	struct vhost_scsi_iov piece;
	unsigned int i;

	r->pages = pages;
	vhost_scsi_region_piece(r, 0x1fff, &piece);
	EXPECT_EQ(0x501fff, (uintptr_t)piece.base);
	EXPECT(piece.pages == &pages[1]);
	for (i = 0; i < ARRAY_SIZE(outside); i++) {
		vhost_scsi_region_piece(r, outside[i], &piece);
		EXPECT_EQ(0x500000, (uintptr_t)piece.base);
		EXPECT(piece.pages == &pages[0]);
	}
	r->pages = NULL;
	vhost_scsi_mem_free(mem);
}

TEST(mem, map)
{
	static const struct vhost_scsi_range descs[] = {
		{ 0x100, 0x200 },
		{ 0x400, 0 },
		{ 0x1ff0, 0x20 },	/* from one region to the next */
		{ 0x4ff0, 0x40 },	/* into the hole */
		{ 0x8000, 7 },		/* in it */
	};
	struct vhost_scsi_mem *mem = create(three);
	struct vhost_scsi_iov iov[7];

	memset(iov, 0xaa, sizeof(iov));
	EXPECT_EQ(6, vhost_scsi_mem_map(mem, descs, 5, iov, 7));
	expect_piece(&iov[0], 0x500100, 0x100, 0x200);
	expect_piece(&iov[1], 0x501ff0, 0x1ff0, 0x10);
	expect_piece(&iov[2], 0x900000, 0x2000, 0x10);
	expect_piece(&iov[3], 0x902ff0, 0x4ff0, 0x10);
	expect_piece(&iov[4], 0, 0x5000, 0x30);
	expect_piece(&iov[5], 0, 0x8000, 7);
	expect_piece(&iov[6], 0xaaaaaaaaaaaaaaaa, 0xaaaaaaaaaaaaaaaa,
		     0xaaaaaaaaaaaaaaaa);

	EXPECT_EQ(6, vhost_scsi_mem_map(mem, descs, 5, iov, 6));
	EXPECT_EQ(-E2BIG, vhost_scsi_mem_map(mem, descs, 5, iov, 5));
	EXPECT_EQ(0, vhost_scsi_mem_map(mem, descs, 0, iov, 0));
	EXPECT_EQ(0, vhost_scsi_mem_map(mem, descs + 1, 1, iov, 0));

	EXPECT_EQ(1, vhost_scsi_mem_map(NULL, descs, 1, iov, 7));
	expect_piece(&iov[0], 0, 0x100, 0x200);
	vhost_scsi_mem_free(mem);
}

/* Pages that are pinned, found from the page on that a piece begins in. */
TEST(mem, map_pinned)
{
	static const u64 rows[] = {
		0, 0x3000, 0x500800,	/* not at a page of the owner's */
		0x3000, 0x1000, 0x900000,
		0, 0,
	};
	static const struct vhost_scsi_range descs[] = {
		{ 0x7ff, 1 },
		{ 0x800, 0x1000 },
		{ 0x2fff, 2 },	/* into the region that is not pinned */
	};
	struct vhost_scsi_mem *mem = create(rows);
	struct page *pages[4] = {};
	struct vhost_scsi_iov iov[4];

	mem->regions[0].pages = pages;
	EXPECT_EQ(4, vhost_scsi_mem_map(mem, descs, 3, iov, 4));
	EXPECT(iov[0].pages == &pages[0]);
	EXPECT(iov[1].pages == &pages[1]);
	EXPECT(iov[2].pages == &pages[3]);
	EXPECT(!iov[3].pages);
	vhost_scsi_mem_free(mem);
}

/* A descriptor that wraps at the end of guest addresses is not memory. */
TEST(mem, map_wraps)
{
	static const u64 rows[] = {
		~0ULL - 0xfff, 0x1000, 0x500000,
		0, 0x1000, 0x600000,
		0, 0,
	};
	static const struct vhost_scsi_range desc = { ~0ULL - 0xf, 0x20 };
	u64 order[8];
	struct vhost_scsi_mem *mem;
	struct vhost_scsi_iov iov[4];
	int n;

	/* user_table() stops at 0, 0: the region at 0 first. */
	memcpy(order, rows + 3, 3 * sizeof(u64));
	memcpy(order + 3, rows, 3 * sizeof(u64));
	order[6] = 0;
	order[7] = 0;
	mem = create(order);
	n = vhost_scsi_mem_map(mem, &desc, 1, iov, 4);
	EXPECT(n >= 1 && n <= 2);
	expect_piece(&iov[0], 0x500ff0, ~0ULL - 0xf, 0x10);
	vhost_scsi_mem_free(mem);
}

/* Guest memory of two regions that are not neighbours in the owner's. */
struct fixture {
	u8 __user *low;
	u8 __user *high;
	u8 *in_low;		/* what is in them */
	u8 *in_high;
	struct vhost_scsi_mem *mem;
};

static void fixture_init(struct fixture *f)
{
	unsigned int i;

	f->low = user_new(PAGE_SIZE);
	f->high = user_new(PAGE_SIZE);
	f->in_low = calloc(1, PAGE_SIZE);
	f->in_high = calloc(1, PAGE_SIZE);
	for (i = 0; i < PAGE_SIZE; i++) {
		f->in_low[i] = i * 7;
		f->in_high[i] = i * 13 + 1;
	}
	user_write(f->low, f->in_low, PAGE_SIZE);
	user_write(f->high, f->in_high, PAGE_SIZE);
	f->mem = create((u64[]){
		0x1000, 0x1000, (uintptr_t)f->low,
		0x2000, 0x1000, (uintptr_t)f->high,
		0, 0,
	});
}

static void fixture_free(struct fixture *f)
{
	vhost_scsi_mem_free(f->mem);
	user_free(f->low, PAGE_SIZE);
	user_free(f->high, PAGE_SIZE);
	free(f->in_low);
	free(f->in_high);
}

TEST(mem, read)
{
	struct fixture f;
	u8 buf[32];

	fixture_init(&f);
	EXPECT_EQ(0, vhost_scsi_mem_read(f.mem, 0x1ff8, buf, 16));
	EXPECT(!memcmp(buf, f.in_low + 0xff8, 8));
	EXPECT(!memcmp(buf + 8, f.in_high, 8));
	EXPECT_EQ(0, vhost_scsi_mem_read(f.mem, 0x2ff0, buf, 16));
	EXPECT_EQ(-EFAULT, vhost_scsi_mem_read(f.mem, 0x2ff0, buf, 17));
	EXPECT_EQ(-EFAULT, vhost_scsi_mem_read(f.mem, 0xfff, buf, 2));
	EXPECT_EQ(-EFAULT, vhost_scsi_mem_read(f.mem, ~0ULL, buf, 2));
	EXPECT_EQ(-EFAULT, vhost_scsi_mem_read(NULL, 0x1000, buf, 1));
	EXPECT_EQ(0, vhost_scsi_mem_read(f.mem, 0, buf, 0));

	user_gap(f.high);
	EXPECT_EQ(-EFAULT, vhost_scsi_mem_read(f.mem, 0x1ff8, buf, 16));
	EXPECT_EQ(0, vhost_scsi_mem_read(f.mem, 0x1ff8, buf, 8));
	fixture_free(&f);
}

TEST(mem, cursor)
{
	static const struct vhost_scsi_range descs[] = {
		{ 0x1100, 3 }, { 0x1ffe, 5 }, { 0x2100, 1 }, { 0x2200, 90 },
	};
	struct vhost_scsi_iov iov[8];
	struct vhost_scsi_cursor cur = { .iov = iov };
	struct fixture f;
	u8 buf[100];
	size_t len;
	u64 gpa;

	fixture_init(&f);
	cur.nr = vhost_scsi_mem_map(f.mem, descs, 4, iov, 8);
	EXPECT_EQ(5, cur.nr);

	EXPECT(vhost_scsi_cursor_piece(&cur, 99, &len, &gpa) == f.low + 0x100);
	EXPECT_EQ(3, len);
	EXPECT_EQ(0x1100, gpa);
	EXPECT(vhost_scsi_cursor_piece(&cur, 2, &len, &gpa) == f.low + 0x100);
	EXPECT_EQ(2, len);

	EXPECT_EQ(4, vhost_scsi_cursor_read(&cur, buf, 4));
	EXPECT(!memcmp(buf, f.in_low + 0x100, 3));
	EXPECT_EQ(f.in_low[0xffe], buf[3]);
	EXPECT(vhost_scsi_cursor_piece(&cur, 99, &len, &gpa) == f.low + 0xfff);
	EXPECT_EQ(1, len);
	EXPECT_EQ(0x1fff, gpa);

	/* Exactly to the end of a piece: the next one. */
	vhost_scsi_cursor_skip(&cur, 1);
	EXPECT(vhost_scsi_cursor_piece(&cur, 99, &len, &gpa) == f.high);
	EXPECT_EQ(3, len);
	EXPECT_EQ(0x2000, gpa);
	/* Over several. */
	vhost_scsi_cursor_skip(&cur, 3 + 1 + 10);
	EXPECT(vhost_scsi_cursor_piece(&cur, 99, &len, &gpa) ==
	       f.high + 0x20a);
	EXPECT_EQ(80, len);
	EXPECT_EQ(0x220a, gpa);
	vhost_scsi_cursor_skip(&cur, 0);
	EXPECT_EQ(80, vhost_scsi_cursor_read(&cur, buf, 100));
	EXPECT(!memcmp(buf, f.in_high + 0x20a, 80));
	EXPECT_EQ(0, cur.nr);
	EXPECT(!vhost_scsi_cursor_piece(&cur, 1, &len, &gpa));
	EXPECT_EQ(0, vhost_scsi_cursor_read(&cur, buf, 1));
	vhost_scsi_cursor_skip(&cur, 0);
	fixture_free(&f);
}

TEST(mem, cursor_stops_at_holes_and_faults)
{
	static const struct vhost_scsi_range descs[] = {
		{ 0x1100, 10 }, { 0x9000, 10 }, { 0x1200, 10 }, { 0x2200, 10 },
	};
	struct vhost_scsi_iov iov[4];
	struct vhost_scsi_cursor cur = { .iov = iov, .nr = 4 };
	struct fixture f;
	u8 buf[30];
	size_t len;
	u64 gpa;

	fixture_init(&f);
	EXPECT_EQ(4, vhost_scsi_mem_map(f.mem, descs, 4, iov, 4));
	EXPECT_EQ(10, vhost_scsi_cursor_read(&cur, buf, 30));
	EXPECT(!vhost_scsi_cursor_piece(&cur, 1, &len, &gpa));
	vhost_scsi_cursor_skip(&cur, 10);
	EXPECT(vhost_scsi_cursor_piece(&cur, 30, &len, &gpa) == f.low + 0x200);

	user_gap(f.high);
	EXPECT_EQ(10, vhost_scsi_cursor_read(&cur, buf, 20));
	EXPECT_EQ(0, vhost_scsi_cursor_read(&cur, buf, 10));
	/* It stays where it is. */
	EXPECT(vhost_scsi_cursor_piece(&cur, 30, &len, &gpa) ==
	       f.high + 0x200);
	fixture_free(&f);
}

/* Pinned memory is the owner's: what is written on one side is on the other. */
TEST(mem, pinned_map_is_shared)
{
	struct vhost_scsi_map map = {};
	u8 __user *user = user_new(3 * PAGE_SIZE);
	u8 buf[4];

	EXPECT_EQ(0, vhost_scsi_map_create(&map, NULL, (uintptr_t)user + 4000,
					   5000));
	EXPECT_EQ(3, map.nr);
	EXPECT_EQ(3, owner_has);
	EXPECT_EQ(4000, offset_in_page(map.addr));
	user_write(user + 4094, "abcd", 4);
	EXPECT(!memcmp(map.addr + 94, "abcd", 4));
	memcpy(map.addr + 4999, "x", 1);
	EXPECT_EQ(0, copy_from_user(buf, user + 8998, 3));
	EXPECT(!memcmp(buf, "\0x\0", 3));
	vhost_scsi_map_destroy(&map);
	EXPECT(!map.addr && !map.vaddr && !map.pages && !map.nr);
	vhost_scsi_map_destroy(&map);

	EXPECT_EQ(0, vhost_scsi_map_create(&map, NULL, (uintptr_t)user, 4096));
	EXPECT_EQ(1, map.nr);
	vhost_scsi_map_destroy(&map);
	user_free(user, 3 * PAGE_SIZE);
}

TEST(mem, pinned_map_refused)
{
	struct vhost_scsi_map map = {};
	u8 __user *user = user_new(2 * PAGE_SIZE);

	user_gap(user + PAGE_SIZE);
	EXPECT_EQ(-EFAULT, vhost_scsi_map_create(&map, NULL, (uintptr_t)user + 8,
						 4096));
	EXPECT_EQ(-EFAULT, vhost_scsi_map_create(&map, NULL, (uintptr_t)user +
						 PAGE_SIZE, 1));
	EXPECT_EQ(-EFAULT, vhost_scsi_map_create(&map, NULL, TASK_SIZE_MAX - 8, 16));
	EXPECT_EQ(-EFAULT, vhost_scsi_map_create(&map, NULL, ~0ULL - 8, 16));
	EXPECT(!map.addr && !map.vaddr && !map.pages && !map.nr);
	EXPECT_EQ(0, owner_has);
	user_free(user, 2 * PAGE_SIZE);
}

/* More pages than the owner may keep pinned. */
TEST(mem, pinned_map_over_limit)
{
	struct vhost_scsi_map map = {};
	u8 __user *user = user_new(3 * PAGE_SIZE);

	owner_may = 2;
	EXPECT_EQ(-EOPNOTSUPP, vhost_scsi_map_create(&map, NULL,
						     (uintptr_t)user + 4000,
						     5000));
	EXPECT_EQ(0, owner_has);
	EXPECT(!map.addr && !map.vaddr && !map.pages && !map.nr);
	EXPECT_EQ(0, vhost_scsi_map_create(&map, NULL, (uintptr_t)user + 4000,
					   4192));
	EXPECT_EQ(2, owner_has);
	vhost_scsi_map_destroy(&map);
	EXPECT_EQ(0, owner_has);
	owner_may = ULONG_MAX;
	user_free(user, 3 * PAGE_SIZE);
}

#ifndef __KERNEL__
/* What was pinned is let go of, also after a failure half way. */
TEST(mem, pinned_map_counts)
{
	struct vhost_scsi_map map = {};
	u8 *user = user_new(2 * PAGE_SIZE);

	EXPECT_EQ(0, vhost_scsi_map_create(&map, NULL, (uintptr_t)user + 4000, 200));
	EXPECT_EQ(2, unit_kernel.pinned);
	vhost_scsi_map_destroy(&map);
	EXPECT_EQ(0, unit_kernel.pinned);

	unit_kernel.fail_alloc = 1;
	EXPECT_EQ(-ENOMEM, vhost_scsi_map_create(&map, NULL, (uintptr_t)user, 1));
	unit_kernel.fail_alloc = 2;
	EXPECT_EQ(-ENOMEM, vhost_scsi_map_create(&map, NULL, (uintptr_t)user, 1));
	user_gap(user + PAGE_SIZE);
	EXPECT_EQ(-EFAULT, vhost_scsi_map_create(&map, NULL, (uintptr_t)user + 8,
						 4096));
	EXPECT_EQ(0, unit_kernel.pinned);
	EXPECT_EQ(0, owner_has);
	user_free(user, 2 * PAGE_SIZE);
}
#endif
