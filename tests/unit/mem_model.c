// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looks guest memory up by a linear search, and compares mem.c with it.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include "mem_model.h"

/* The owner's memory that can be read. */
#define ARENA		0x2000
#define MAX_READ	300
#define MAX_DESCS	4
#define MAX_PIECES	12

unsigned long owner_may = ULONG_MAX, owner_has;

bool vhost_scsi_charge(struct vhost_scsi_watch *watch, unsigned long nr,
		       enum vhost_scsi_kind kind)
{
	(void)watch;
	(void)kind;
	if (nr > owner_may - owner_has)
		return false;
	owner_has += nr;
	return true;
}

void vhost_scsi_uncharge(struct vhost_scsi_watch *watch, unsigned long nr)
{
	(void)watch;
	owner_has -= nr;
}

/* The last byte: a sum that does not overflow. */
static u64 gpa_last(const struct vhost_memory_region *r)
{
	return r->guest_phys_addr + (r->memory_size - 1);
}

static bool region_ok(const struct vhost_memory_region *r)
{
	return r->memory_size && gpa_last(r) >= r->guest_phys_addr &&
	       r->memory_size <= TASK_SIZE_MAX &&
	       r->userspace_addr <= TASK_SIZE_MAX - r->memory_size;
}

static bool overlap(const struct vhost_memory_region *a,
		    const struct vhost_memory_region *b)
{
	return a->guest_phys_addr <= gpa_last(b) &&
	       b->guest_phys_addr <= gpa_last(a);
}

int mem_model_check(const struct mem_model *m)
{
	unsigned int i, j;

	for (i = 0; i < m->nr; i++)
		if (!region_ok(&m->regions[i]))
			return -EFAULT;
	for (i = 0; i < m->nr; i++)
		for (j = 0; j < i; j++)
			if (overlap(&m->regions[i], &m->regions[j]))
				return -EINVAL;
	return 0;
}

struct vhost_scsi_mem *mem_model_create(const struct mem_model *m)
{
	struct vhost_memory head = { .nregions = m->nr };
	size_t size = sizeof(head) + m->nr * sizeof(m->regions[0]);
	u8 __user *user = user_new(size);
	struct vhost_scsi_mem *mem;

	must(!copy_to_user(user, &head, sizeof(head)));
	must(!copy_to_user(user + sizeof(head), m->regions,
			   m->nr * sizeof(m->regions[0])));
	mem = vhost_scsi_mem_create((void __user *)user);
	user_free(user, size);
	return mem;
}

const struct vhost_memory_region *mem_model_region(const struct mem_model *m,
						   u64 gpa)
{
	unsigned int i;

	for (i = 0; i < m->nr; i++)
		if (gpa >= m->regions[i].guest_phys_addr &&
		    gpa <= gpa_last(&m->regions[i]))
			return &m->regions[i];
	return NULL;
}

size_t mem_model_find(const struct mem_model *m, u64 gpa, size_t len,
		      uintptr_t *base)
{
	const struct vhost_memory_region *r = mem_model_region(m, gpa);

	*base = 0;
	if (!r || !len)
		return 0;
	*base = r->userspace_addr + (gpa - r->guest_phys_addr);
	/* The last of them and of the region's: one less than the number. */
	return min_t(u64, len - 1, gpa_last(r) - gpa) + 1;
}

unsigned int mem_model_map(const struct mem_model *m,
			   const struct vhost_scsi_range *descs, unsigned int nr,
			   struct vhost_scsi_iov *iov, unsigned int max)
{
	unsigned int i, n = 0;
	uintptr_t base;

	for (i = 0; i < nr; i++) {
		u32 done = 0, len;

		while (done < descs[i].len) {
			u64 gpa = descs[i].gpa + done;

			len = mem_model_find(m, gpa, descs[i].len - done,
					     &base);
			if (!len)
				len = descs[i].len - done;
			if (n < max) {
				iov[n].base = (void __user *)base;
				iov[n].gpa = gpa;
				iov[n].len = len;
			}
			n++;
			done += len;
		}
	}
	return n;
}

void mem_model_same(const struct vhost_scsi_iov *want,
		    const struct vhost_scsi_iov *is, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		must(want[i].base == is[i].base && want[i].gpa == is[i].gpa &&
		     want[i].len == is[i].len);
}

/*
 * Any bytes.
 */

struct run {
	struct mem_model model;
	struct vhost_scsi_mem *mem;
	u8 __user *arena;
};

static u8 arena_byte(size_t off)
{
	return off * 31 + off / 256;
}

static void arena_init(struct run *run)
{
	u8 *buf = malloc(ARENA);
	size_t i;

	for (i = 0; i < ARENA; i++)
		buf[i] = arena_byte(i);
	run->arena = user_new(ARENA);
	must(!copy_to_user(run->arena, buf, ARENA));
	free(buf);
}

/* Neighbours, borders and corners more often than chance would have it. */
static void next_region(struct run *run, struct input *in)
{
	struct mem_model *m = &run->model;
	struct vhost_memory_region *r = &m->regions[m->nr];
	u8 kind = next_byte(in);
	u64 gpa, size, base;

	switch (kind & 3) {
	case 0:
		gpa = next_number(in, 2) << 4;
		break;
	case 1:
		/* Behind the one before, or a byte too early or too late. */
		gpa = (m->nr ? gpa_last(r - 1) : 0) + next_byte(in) % 3;
		break;
	case 2:
		gpa = ~next_number(in, 2);
		break;
	default:
		gpa = next_number(in, 8);
		break;
	}
	switch (kind >> 2 & 3) {
	case 0:
		size = next_byte(in);
		break;
	case 1:
		size = next_number(in, 2);
		break;
	case 2:
		/* Up to the last address, or a byte too far. */
		size = 0 - gpa + next_byte(in) % 2;
		break;
	default:
		size = next_number(in, 8);
		break;
	}
	switch (kind >> 4 & 3) {
	case 0:
	case 1:
		base = (uintptr_t)run->arena + next_number(in, 2) % ARENA;
		break;
	case 2:
		base = TASK_SIZE_MAX - size + next_byte(in) % 2;
		break;
	default:
		base = next_number(in, 8);
		break;
	}
	r->guest_phys_addr = gpa;
	r->memory_size = size;
	r->userspace_addr = base;
	m->nr++;
}

/* Somewhere at a border, or anywhere. */
static u64 next_gpa(const struct run *run, struct input *in)
{
	const struct mem_model *m = &run->model;
	u8 kind = next_byte(in);

	if (kind & 1 && m->nr) {
		const struct vhost_memory_region *r =
			&m->regions[(kind >> 2) % m->nr];

		return (kind & 2 ? gpa_last(r) : r->guest_phys_addr) +
		       next_byte(in) - 128;
	}
	return kind & 2 ? next_number(in, 8) : next_number(in, 2) << 4;
}

static u32 next_len(struct input *in)
{
	u8 kind = next_byte(in);

	switch (kind & 3) {
	case 0:
		return kind >> 2;
	case 1:
		return next_byte(in);
	case 2:
		return next_number(in, 2);
	default:
		return next_number(in, 4);
	}
}

static void run_find(const struct run *run, struct input *in)
{
	u64 gpa = next_gpa(run, in);
	size_t len = next_len(in), want;
	void __user *base = NULL;
	uintptr_t where;

	/* Nobody looks for nothing. */
	if (!len)
		return;
	want = mem_model_find(&run->model, gpa, len, &where);
	must(want == vhost_scsi_mem_find(run->mem, gpa, len, &base));
	must(where == (uintptr_t)base);
}

static void run_read(const struct run *run, struct input *in)
{
	u64 gpa = next_gpa(run, in);
	size_t i, len = next_len(in) % MAX_READ;
	u8 *want = malloc(len + 1), *buf = malloc(len + 1);
	bool all = true;
	uintptr_t base;

	for (i = 0; i < len && all; i++) {
		all = mem_model_find(&run->model, gpa + i, 1, &base);
		if (!all)
			break;
		/* What lies outside of the arena may be anything. */
		if (base - (uintptr_t)run->arena >= ARENA)
			goto out;
		want[i] = arena_byte(base - (uintptr_t)run->arena);
	}
	buf[len] = 0xee;
	must(vhost_scsi_mem_read(run->mem, gpa, buf, len) ==
	     (all ? 0 : -EFAULT));
	must(!all || !memcmp(buf, want, len));
	must(buf[len] == 0xee);
out:
	free(want);
	free(buf);
}

static void run_map(const struct run *run, struct input *in)
{
	struct vhost_scsi_iov want[MAX_PIECES], *iov;
	struct vhost_scsi_range *descs;
	unsigned int nr = next_byte(in) % (MAX_DESCS + 1);
	unsigned int max = next_byte(in) % (MAX_PIECES + 1), n, i;
	int ret;

	/* Exactly as much as there is, for the sanitizers. */
	descs = calloc(nr ? nr : 1, sizeof(*descs));
	iov = calloc(max ? max : 1, sizeof(*iov));
	for (i = 0; i < nr; i++) {
		descs[i].gpa = next_gpa(run, in);
		descs[i].len = next_len(in);
	}
	n = mem_model_map(&run->model, descs, nr, want, max);
	ret = vhost_scsi_mem_map(run->mem, descs, nr, iov, max);
	must(ret == (n > max ? -E2BIG : (int)n));
	mem_model_same(want, iov, min(n, max));
	free(descs);
	free(iov);
}

static void run_last(const struct run *run)
{
	u64 last = 0;
	unsigned int i;

	for (i = 0; i < run->model.nr; i++)
		last = max(last, gpa_last(&run->model.regions[i]));
	must(last == vhost_scsi_mem_last(run->mem));
}

unsigned int mem_run(const u8 *data, size_t size)
{
	struct input in = { data, size };
	unsigned int nr, steps = 0;
	struct run run = {};
	int ret;

	arena_init(&run);
	for (nr = next_byte(&in) % (MEM_MODEL_REGIONS + 1); nr; nr--)
		next_region(&run, &in);
	ret = mem_model_check(&run.model);
	run.mem = mem_model_create(&run.model);
	must(ret ? IS_ERR(run.mem) && PTR_ERR(run.mem) == ret :
		   !IS_ERR(run.mem));
	if (!IS_ERR(run.mem)) {
		run_last(&run);
		for (; in.size; steps++) {
			switch (next_byte(&in) % 3) {
			case 0:
				run_find(&run, &in);
				break;
			case 1:
				run_read(&run, &in);
				break;
			case 2:
				run_map(&run, &in);
				break;
			}
		}
		vhost_scsi_mem_free(run.mem);
	}
	user_free(run.arena, ARENA);
	return steps;
}
