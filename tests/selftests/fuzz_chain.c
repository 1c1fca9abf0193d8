// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fuzz_chain.h"
#include "fuzz_expect.h"
#include "util.h"

#define PAGE 4096UL
#define SEGS_MAX 96
#define NOWHERE 0x7123456789000ULL

/* ---- memory ------------------------------------------------------------- */

static const struct {
	uint64_t size;
	int prot;
} layout[NR_ZONES] = {
	[Z_TABLE] = { TABLE_SIZE, PROT_READ | PROT_WRITE },
	[Z_MAIN] = { MAIN_SIZE, PROT_READ | PROT_WRITE },
	[Z_EDGE] = { EDGE_SIZE, PROT_READ | PROT_WRITE },
	[Z_HOLE] = { OTHER_SIZE, PROT_NONE },
	[Z_CONST] = { OTHER_SIZE, PROT_READ },
};

/* A zone between pages that nobody can touch. */
static int zone_map(struct batch *b, enum zone z)
{
	struct zone_place *place = &b->zone[z];
	uint64_t size = layout[z].size, i;
	uint8_t *p;

	p = mmap(NULL, size + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	p += PAGE;
	if (mprotect(p, size, PROT_READ | PROT_WRITE))
		return -errno;
	for (i = 0; i < size; i += 8)
		*(uint64_t *)(p + i) = rnd(&b->rng);
	madvise(p, size, MADV_DONTFORK);
	if (mprotect(p, size, layout[z].prot))
		return -errno;
	place->hva = p;
	place->size = z == Z_EDGE ? size - EDGE_OUTSIDE : size;
	if (z <= Z_EDGE) {
		b->shadow[z] = malloc(size);
		if (!b->shadow[z])
			return -ENOMEM;
		memcpy(b->shadow[z], p, size);
	}
	return vsg_mem_add_hva(&b->ring->dev->mem, place->gpa, place->size, p);
}

int batch_init(struct batch *b)
{
	/* Addresses that nothing looks like by chance. */
	uint64_t gpa = 0x6b3100000000ULL + ((uint64_t)b->ring->index << 36);
	unsigned int z;
	int ret = 0;

	b->zone[Z_TABLE].gpa = gpa;
	gpa += 0x10000000;
	for (z = Z_MAIN; z < NR_ZONES; z++) {
		b->zone[z].gpa = gpa;
		gpa += layout[z].size - (z == Z_EDGE ? EDGE_OUTSIDE : 0);
	}
	for (z = 0; z < NR_ZONES && !ret; z++)
		ret = zone_map(b, z);
	return ret;
}

enum zone batch_find(const struct batch *b, uint64_t gpa, uint8_t **p,
		     uint64_t *left)
{
	const struct vsg_mem *mem = &b->ring->dev->mem;
	unsigned int i;

	for (i = 0; i < NR_ZONES; i++) {
		const struct zone_place *z = &b->zone[i];

		if (gpa - z->gpa < z->size) {
			*p = z->hva + (gpa - z->gpa);
			*left = z->size - (gpa - z->gpa);
			return i;
		}
	}
	for (i = 0; i < mem->nr; i++) {
		const struct vsg_region *reg = &mem->region[i];

		if (gpa - reg->gpa < reg->size) {
			*p = reg->hva + (gpa - reg->gpa);
			*left = reg->size - (gpa - reg->gpa);
			return Z_OTHERS;
		}
	}
	*p = NULL;
	*left = ~0ULL;
	return Z_NOWHERE;
}

static enum zone zone_of(const struct batch *b, uint64_t gpa)
{
	uint64_t left;
	uint8_t *p;

	return batch_find(b, gpa, &p, &left);
}

static uint64_t slice_gpa(const struct batch *b, unsigned int slice)
{
	return b->zone[Z_MAIN].gpa + slice * SLICE;
}

/* Both copies: what the device sees, and what must be there. */
static void put(struct batch *b, uint64_t gpa, const void *buf, size_t len)
{
	size_t off = gpa - b->zone[Z_MAIN].gpa;

	memcpy(b->zone[Z_MAIN].hva + off, buf, len);
	memcpy(b->shadow[Z_MAIN] + off, buf, len);
}

/* ---- a chain on paper --------------------------------------------------- */

/**
 * struct draft - descriptors, not yet in a table
 * @seg: them
 * @n: how many
 * @slice: whose memory
 * @base: where it begins
 * @end: where it ends
 */
struct draft {
	struct vsg_seg seg[SEGS_MAX];
	unsigned int n;
	unsigned int slice;
	uint64_t base;
	uint64_t end;
};

static void add(struct draft *d, uint64_t gpa, uint32_t len, uint16_t flags)
{
	if (d->n < SEGS_MAX)
		d->seg[d->n++] = (struct vsg_seg) { gpa, len, flags };
}

/* @first bytes and @rest, that lie one behind the other, cut in some way. */
static void cut(struct draft *d, struct rng *r, uint64_t gpa, uint32_t first,
		uint32_t rest, uint16_t flags)
{
	uint32_t len, max;

	switch (below(r, 12)) {
	case 0:
		add(d, gpa, first + rest, flags);
		return;
	case 1:
		max = 200;
		break;
	case 2:
		max = 8;
		break;
	default:
		add(d, gpa, first, flags);
		if (rest)
			add(d, gpa + first, rest, flags);
		return;
	}
	for (rest += first; rest; rest -= len, gpa += len) {
		len = d->n + 4 > SEGS_MAX / 2 ? rest : 1 + below(r, max);
		if (len > rest)
			len = rest;
		add(d, gpa, len, flags);
	}
}

static uint32_t huge(struct rng *r)
{
	static const uint32_t lens[] = {
		DATA_MAX + 4096, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff,
	};

	return lens[below(r, ARRAY_SIZE(lens))];
}

/* A ring of another queue, but no descriptors: nothing must copy those. */
static uint64_t others_ring(struct batch *b)
{
	struct vsg_dev *dev = b->ring->dev;
	const struct vsg_ring *r = &dev->ring[below(&b->rng, dev->nr_rings)];

	return vsg_gpa(&dev->mem, one_in(&b->rng, 2) ? (void *)r->avail :
						       (void *)r->used);
}

static uint64_t odd_place(struct batch *b, struct vsg_seg *s)
{
	struct rng *r = &b->rng;
	const struct zone_place *z = b->zone;

	switch (below(r, 8)) {
	case 0:
		return z[Z_HOLE].gpa + below(r, OTHER_SIZE);
	case 1:
		return z[Z_CONST].gpa + below(r, OTHER_SIZE);
	case 2:
		return z[Z_EDGE].gpa + z[Z_EDGE].size - below(r, 300);
	case 3:
		return z[Z_EDGE].gpa - below(r, 300);
	case 4:
		return ~0ULL - below(r, 300);
	case 5:
		return below(r, PAGE);
	case 6:
		if (s->flags & F_WRITE)
			return NOWHERE;
		s->len = below(r, 128);
		return others_ring(b);
	default:
		return NOWHERE;
	}
}

static void draft_mutate(struct batch *b, struct draft *d)
{
	struct rng *r = &b->rng;
	unsigned int i, k;
	struct vsg_seg *s, tmp;

	if (!d->n)
		return;
	i = below(r, d->n);
	k = below(r, d->n);
	s = &d->seg[i];
	switch (below(r, 10)) {
	case 0:
		s->len = 0;
		break;
	case 1:
		s->len = below(r, s->len + 1U);
		break;
	case 2:
		s->len = huge(r);
		break;
	case 3:
	case 4:
		s->gpa = odd_place(b, s);
		break;
	case 5:
		s->flags ^= F_WRITE;
		break;
	case 6:
		memmove(s, s + 1, (--d->n - i) * sizeof(*s));
		break;
	case 7:
		tmp = *s;
		add(d, d->seg[k].gpa, d->seg[k].len, d->seg[k].flags);
		d->seg[k] = tmp;
		break;
	case 8:
		tmp = *s;
		*s = d->seg[k];
		d->seg[k] = tmp;
		break;
	case 9:
		s->len += below(r, 300);
		break;
	}
}

/*
 * Keeps a descriptor from what is not its chain's: nothing that this queue's
 * chains offer for writing may be another's but by reckoning.
 */
static void confine(const struct batch *b, const struct draft *d,
		    struct vsg_seg *s)
{
	uint64_t end = b->kind == B_SHARED ?
		       b->zone[Z_EDGE].gpa : d->end;
	enum zone z = zone_of(b, s->gpa);

	if (s->flags & F_INDIRECT) {
		/* A table must not change before it is read. */
		if (z == Z_OTHERS || z == Z_EDGE ||
		    (z == Z_MAIN && (b->kind != B_EXACT || s->gpa < d->base ||
				     s->gpa >= d->base + SLICE / 2)))
			s->gpa = NOWHERE;
		else if (z == Z_MAIN && s->len > d->base + SLICE / 2 - s->gpa)
			s->len = (d->base + SLICE / 2 - s->gpa) & ~15ULL;
		return;
	}
	if (s->flags & F_WRITE && (z == Z_TABLE || z == Z_OTHERS)) {
		s->gpa = NOWHERE;
		return;
	}
	if (z != Z_MAIN || s->gpa + s->len <= end)
		return;
	/* So long that it is refused, and the answer is all that is written. */
	if (s->len > DATA_MAX && s->gpa + 256 <= end)
		return;
	/* Across the border of two regions. */
	if (s->gpa >= slice_gpa(b, SLICES - 1))
		return;
	s->len = s->gpa < end ? end - s->gpa : 0;
}

static uint64_t somewhere(struct batch *b, const struct draft *d, bool in,
			  uint32_t len)
{
	if (b->kind != B_SHARED)
		return d->base + (in ? SLICE / 2 : 0) + below(&b->rng, 64);
	return b->zone[Z_MAIN].gpa + below(&b->rng, MAIN_SIZE - len);
}

static void draft_request(struct batch *b, struct draft *d)
{
	struct rng *r = &b->rng;
	struct fuzz_cmd cmd;
	uint64_t out, in;

	fuzz_cmd(&cmd, r);
	/* Now and then data that take many pages. */
	if (b->kind == B_SHARED && one_in(r, 16)) {
		cmd.in = cmd.in ? cmd.in + below(r, MAIN_SIZE / 4) : 0;
		cmd.out = cmd.out ? cmd.out + below(r, MAIN_SIZE / 4) : 0;
	}
	out = somewhere(b, d, false, VSG_REQ_LEN + cmd.out);
	in = somewhere(b, d, true, VSG_RESP_LEN + cmd.in);
	put(b, out, &cmd.hdr, sizeof(cmd.hdr));
	put(b, out + sizeof(cmd.hdr), cmd.list, cmd.list_len);
	cut(d, r, out, VSG_REQ_LEN, cmd.out, 0);
	cut(d, r, in, VSG_RESP_LEN, cmd.in, F_WRITE);
}

static void draft_control(struct batch *b, struct draft *d)
{
	struct rng *r = &b->rng;
	unsigned int len;
	uint64_t out, in;
	uint8_t req[24];

	len = fuzz_ctl(req, r);
	out = somewhere(b, d, false, 64);
	in = somewhere(b, d, true, 64);
	put(b, out, req, sizeof(req));
	cut(d, r, out, len, 0, 0);
	cut(d, r, in, one_in(r, 4) ? below(r, 20) : len == 24 ? 1 : 5, 0,
	    F_WRITE);
}

static void draft_event(struct batch *b, struct draft *d)
{
	struct rng *r = &b->rng;

	cut(d, r, somewhere(b, d, true, 64), 16, one_in(r, 2) ? 0 :
	    below(r, 48), F_WRITE);
}

/* ---- from paper into the ring ------------------------------------------- */

static void put_desc(const struct vsg_ring *r, struct vring_desc *desc,
		     const struct vsg_seg *s, uint16_t next)
{
	desc->addr = vsg_v64(r, s->gpa);
	desc->len = vsg_v32(r, s->len);
	desc->flags = vsg_v16(r, s->flags);
	desc->next = vsg_v16(r, next);
}

struct vsg_seg batch_desc(const struct vsg_ring *r,
			  const struct vring_desc *desc)
{
	return (struct vsg_seg) {
		.gpa = vsg_v64(r, desc->addr),
		.len = vsg_v32(r, desc->len),
		.flags = vsg_v16(r, desc->flags),
	};
}

/* Changes one descriptor in its table of @n. */
static void desc_mutate(struct batch *b, const struct draft *d,
			struct vring_desc *table, unsigned int n, bool direct)
{
	struct rng *r = &b->rng;
	struct vring_desc *desc = &table[below(r, n)];
	/* In the ring's own table a wrong next index breaks the ring. */
	bool next = !direct || b->kind == B_WILD;
	struct vsg_seg s = batch_desc(b->ring, desc);
	uint16_t to = vsg_v16(b->ring, desc->next);

	switch (below(r, 6)) {
	case 0:
		s.flags = (s.flags & F_NEXT) | (rnd(r) & (F_WRITE | F_INDIRECT));
		break;
	case 1:
		s.flags |= rnd(r) & ~7;
		break;
	case 2:
		s.flags ^= F_INDIRECT;
		break;
	case 3:
		if (next)
			to = one_in(r, 4) ? rnd(r) : below(r, n + 2);
		break;
	case 4:
		if (next) {
			s.flags |= F_NEXT;
			to = direct ? below(r, b->ring->num) : below(r, n);
		}
		break;
	case 5:
		s.len = one_in(r, 2) ? s.len + below(r, 40) : below(r, 100);
		break;
	}
	confine(b, d, &s);
	put_desc(b->ring, desc, &s, to);
}

static struct vring_desc *table_of(const struct batch *b, unsigned int slot)
{
	return (void *)(b->zone[Z_TABLE].hva + slot * TABLE_SLOT);
}

/* Writes a table; not always in the order of the chain. */
static void table_fill(struct batch *b, const struct draft *d,
		       const struct vsg_seg *seg, unsigned int n)
{
	struct vring_desc *t = table_of(b, d->slice);
	unsigned int at = 0, i, step = 1;

	if (n > 2 && n % 2 && one_in(&b->rng, 4))
		step = 2;	/* 0, 2, 4, ... 1, 3, ...: all, if n is odd */
	for (i = 0; i < n; i++) {
		struct vsg_seg s = seg[i];
		unsigned int next = (at + step) % n;

		if (i + 1 < n)
			s.flags |= F_NEXT;
		put_desc(b->ring, &t[at], &s, i + 1 < n ? next : 0);
		at = next;
	}
	if (one_in(&b->rng, 12))
		desc_mutate(b, d, t, n, false);
}

/* The descriptor that leads to a table of @n entries. */
static struct vsg_seg table_seg(struct batch *b, const struct draft *d,
				unsigned int n)
{
	struct rng *r = &b->rng;
	struct vsg_seg s = {
		.gpa = b->zone[Z_TABLE].gpa + d->slice * TABLE_SLOT,
		.len = n * sizeof(struct vring_desc),
		.flags = F_INDIRECT,
	};

	if (!one_in(r, 16))
		return s;
	switch (below(r, 8)) {
	case 0:
		s.len = 0;
		break;
	case 1:
		s.len += below(r, 32);
		break;
	case 7:
		/* Ends too early, with good ones behind its end. */
		s.len = 16 * below(r, n);
		break;
	case 2:
		s.len = one_in(r, 2) ? 0xfffffff0 : huge(r);
		break;
	case 3:
		s.gpa = b->zone[Z_CONST].gpa + below(r, OTHER_SIZE);
		break;
	case 4:
		s.gpa = one_in(r, 2) ? ~0ULL - below(r, 100) :
				       b->zone[Z_HOLE].gpa;
		break;
	case 5:
		s.gpa += below(r, 32);
		break;
	case 6:
		s.flags |= F_WRITE;
		break;
	}
	return s;
}

/* A table of more descriptors than a chain may have. */
static void place_big(struct batch *b, const struct draft *d)
{
	struct vring_desc *t = table_of(b, SLICES);
	struct vsg_seg s = {
		.gpa = b->zone[Z_TABLE].gpa + SLICES * TABLE_SLOT,
		.len = TABLE_BIG * sizeof(*t),
		.flags = F_INDIRECT,
	};
	struct vsg_seg e;
	unsigned int i;

	for (i = 0; i < TABLE_BIG; i++) {
		e = d->seg[i < d->n ? i : d->n - 1];
		if (i >= d->n)
			e.len = 0;
		e.flags |= i + 1 < TABLE_BIG ? F_NEXT : 0;
		put_desc(b->ring, &t[i], &e, i + 1);
	}
	put_desc(b->ring, &b->ring->desc[b->nr_desc], &s, 0);
}

static unsigned int want_direct(struct batch *b, unsigned int n)
{
	bool indirect = b->ring->dev->features &
			VSG_F(VIRTIO_RING_F_INDIRECT_DESC);

	if (!indirect)
		return one_in(&b->rng, 20) ? below(&b->rng, n + 1) : n;
	switch (below(&b->rng, 4)) {
	case 0:
		return n;
	case 1:
		return below(&b->rng, n + 1);
	default:
		return 0;
	}
}

/* Return: false when there is no room for it in the ring's table. */
static bool place(struct batch *b, const struct draft *d)
{
	unsigned int direct = want_direct(b, d->n), left = d->n - direct;
	unsigned int first = b->nr_desc, need = direct + !!left, i;
	struct vsg_seg s;

	if (first + need > b->ring->num || left > TABLE_SLOT / 16)
		return false;
	if (left && b->kind == B_SHARED && one_in(&b->rng, 256)) {
		place_big(b, d);
		need = 1;
		goto out;
	}
	if (left)
		table_fill(b, d, d->seg + direct, left);
	for (i = 0; i < need; i++) {
		s = i < direct ? d->seg[i] : table_seg(b, d, left);
		if (i + 1 < need)
			s.flags |= F_NEXT;
		put_desc(b->ring, &b->ring->desc[first + i], &s, first + i + 1);
	}
	if (one_in(&b->rng, b->kind == B_WILD ? 3 : 32))
		desc_mutate(b, d, &b->ring->desc[first], need, true);
out:
	b->nr_desc += need;
	return true;
}

/* One chain; false when the ring is full. */
static bool chain_make(struct batch *b)
{
	unsigned int slice = b->nr, first = b->nr_desc, i;
	struct draft d = {
		.slice = slice,
		.base = slice_gpa(b, slice),
		.end = slice_gpa(b, slice + 1),
	};

	if (b->control)
		draft_control(b, &d);
	else if (b->events)
		draft_event(b, &d);
	else
		draft_request(b, &d);
	while (one_in(&b->rng, 5))
		draft_mutate(b, &d);
	/* A chain has at least one descriptor. */
	if (!d.n)
		add(&d, d.base, 0, 0);
	for (i = 0; i < d.n; i++)
		confine(b, &d, &d.seg[i]);
	if (!place(b, &d))
		return false;
	b->own[first] = slice;
	b->chain[b->nr++].head = first;
	return true;
}

/* ---- a batch ------------------------------------------------------------ */

/* Heads that are none, or in use already, or in the middle of a chain. */
static void heads_mutate(struct batch *b)
{
	struct rng *r = &b->rng;
	unsigned int i;

	for (i = 0; i < b->nr; i++) {
		if (!one_in(r, 16))
			continue;
		switch (below(r, 4)) {
		case 0:
			b->chain[i].head = rnd(r);
			break;
		case 1:
			b->chain[i].head = b->ring->num + below(r, 2);
			break;
		default:
			b->chain[i].head = below(r, b->ring->num);
		}
	}
	if (one_in(r, 4))
		b->jump = b->ring->num + 1 +
			  below(r, 65535 - b->ring->num);
}

static void shuffle(struct batch *b)
{
	struct chain tmp;
	unsigned int i, k;

	for (i = b->nr; i > 1; i--) {
		k = below(&b->rng, i);
		tmp = b->chain[k];
		b->chain[k] = b->chain[i - 1];
		b->chain[i - 1] = tmp;
	}
}

void batch_make(struct batch *b, enum batch_kind kind, unsigned int nr)
{
	struct vsg_ring *r = b->ring;
	unsigned int i;

	b->kind = kind;
	b->nr = 0;
	b->nr_desc = 0;
	b->nr_pieces = 0;
	b->jump = 0;
	b->mixed = kind != B_EXACT;
	memset(b->chain, 0, sizeof(b->chain));
	memset(b->own, 0xff, r->num * sizeof(b->own[0]));
	while (b->nr < nr && chain_make(b))
		;
	memcpy(b->shadow[Z_TABLE], b->zone[Z_TABLE].hva, TABLE_SIZE);
	shuffle(b);
	if (kind == B_WILD)
		heads_mutate(b);
	for (i = 0; i < b->nr; i++) {
		struct chain *c = &b->chain[i];

		c->own = c->head < r->num && b->own[c->head] < SLICES ?
			 b->own[c->head] : SLICES;
		chain_expect(b, c);
		b->mixed |= c->foreign;
		r->avail->ring[(uint16_t)(r->avail_idx + i) & (r->num - 1)] =
			vsg_v16(r, c->head);
	}
}

unsigned int batch_end(const struct batch *b)
{
	unsigned int i;

	if (b->jump)
		return 0;
	for (i = 0; i < b->nr && !b->chain[i].broken; i++)
		;
	return i;
}

const char *batch_check(struct batch *b)
{
	static const char * const names[] = { "a table", "a buffer", "the edge" };
	static char where[80];
	unsigned int z, i;

	for (z = Z_TABLE; z <= Z_EDGE; z++) {
		const uint8_t *is = b->zone[z].hva, *was = b->shadow[z];

		if (!memcmp(is, was, layout[z].size))
			continue;
		for (i = 0; is[i] == was[i]; i++)
			;
		snprintf(where, sizeof(where),
			 "%s was written at offset %#x: %#x, not %#x",
			 names[z], i, is[i], was[i]);
		return where;
	}
	return NULL;
}
