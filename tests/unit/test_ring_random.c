// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring.c with random input from fixed seeds: correct rings compared with a model,
 * and random bytes as a ring under the sanitizers.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include "ring_model.h"
#include "unit.h"

#define STEPS		UNIT_TIMES(1000000, 20000)
#define MAX_DESCS	40
/* The input of ring_run(): a head with the number of operations, an image. */
#define HEAD		5
#define IMAGE		(736 - 4)

struct sent {
	unsigned int nr_out;
	unsigned int nr_in;
	struct vhost_scsi_range descs[MAX_DESCS];
};

static struct vring_desc *table(const struct model *m, unsigned int i)
{
	return (struct vring_desc *)m->mem + i;
}

/* A chain of random descriptors, from some place on in a table. */
static void make_chain(struct model *m, struct sent *s, u64 *rnd)
{
	unsigned int nr = 1 + unit_below(rnd, MAX_DESCS);
	unsigned int direct, i;

	if (!m->ring.indirect && nr > m->ring.num)
		nr = m->ring.num;
	s->nr_out = unit_below(rnd, nr + 1);
	s->nr_in = nr - s->nr_out;

	/* Descriptors of the ring; the last may name a table with the rest. */
	direct = m->ring.indirect ? unit_below(rnd, min(nr, m->ring.num - 1u) + 1)
				  : nr;
	if (!m->ring.indirect || direct == nr)
		direct = min(nr, (unsigned int)m->ring.num);

	for (i = 0; i < nr; i++) {
		u16 flags = i < s->nr_out ? 0 : VRING_DESC_F_WRITE;
		struct vring_desc *desc;

		s->descs[i].gpa = unit_random(rnd);
		s->descs[i].len = unit_below(rnd, 1 << 20);
		if (direct < nr && i == direct)
			model_set_desc(m, &m->ring.desc[i], MODEL_GPA,
				       (nr - direct) * 16,
				       VRING_DESC_F_INDIRECT, 0);
		if (i + 1 < nr && !(direct == nr && i + 1 == direct))
			flags |= VRING_DESC_F_NEXT;
		desc = i < direct ? &m->ring.desc[i] : table(m, i - direct);
		model_set_desc(m, desc, s->descs[i].gpa, s->descs[i].len,
			       flags, i < direct ? i + 1 : i - direct + 1);
	}
}

static bool as_sent(const struct model *m, const struct sent *s)
{
	const struct vhost_scsi_chain *c = &m->chain;
	unsigned int i;

	if (c->malformed || c->nr_out != s->nr_out || c->nr_in != s->nr_in)
		return false;
	for (i = 0; i < s->nr_out + s->nr_in; i++)
		if (c->descs[i].gpa != s->descs[i].gpa ||
		    c->descs[i].len != s->descs[i].len)
			return false;
	return true;
}

TEST(ring_random, chains_arrive_as_sent)
{
	u64 rnd = 0x5eed0001;
	unsigned int n;

	for (n = 0; n < UNIT_TIMES(2000, 100); n++) {
		struct model m;
		struct sent s;
		int i;

		model_init(&m, 1 << unit_below(&rnd, 8), n & 1);
		m.ring.indirect = n & 2;
		m.ring.last_avail = unit_random(&rnd);
		model_set_avail_idx(&m, m.ring.last_avail);
		vhost_scsi_ring_start(&m.ring);
		for (i = 0; i < 20; i++) {
			make_chain(&m, &s, &rnd);
			model_offer(&m, 0);
			EXPECT_EQ(1, vhost_scsi_ring_pending(&m.ring));
			EXPECT_EQ(0, model_take(&m));
			EXPECT(as_sent(&m, &s));
			model_give(&m.ring, 0, i);
		}
		model_free(&m);
	}
}

/* The driver of 2.7.7.2 is told of every index that it waits for. */
TEST(ring_random, no_signal_is_lost)
{
	u64 rnd = 0x5eed0002;
	struct model m;
	u16 event;
	int i;

	model_init(&m, 64, true);
	m.ring.event_idx = true;
	vhost_scsi_ring_start(&m.ring);
	model_give(&m.ring, 0, 0);
	vhost_scsi_ring_want_signal(&m.ring);
	for (i = 0; i < UNIT_TIMES(200000, 5000); i++) {
		u16 old = m.ring.used_idx;
		unsigned int n = 1 + unit_below(&rnd, 64);
		bool want;

		event = old + unit_below(&rnd, 100) - 20;
		model_set_used_event(&m, event);
		/* Is entry number event among the n from old on? */
		want = (u16)(event - old) < n;
		while (n--)
			model_give(&m.ring, 0, 0);
		EXPECT_EQ(want, vhost_scsi_ring_want_signal(&m.ring));
	}
	model_free(&m);
}

TEST(ring_random, any_bytes)
{
	static u8 data[HEAD + 4 * 255 + IMAGE];
	u64 rnd = 0x5eed0003;
	unsigned int steps = 0;

	while (steps < STEPS) {
		u8 ops = 1 + unit_below(&rnd, 255);
		u8 *image = data + HEAD + 4 * ops;

		if (unit_below(&rnd, 4)) {
			unit_likely_bytes(data, HEAD, &rnd);
			unit_likely_bytes(image, IMAGE, &rnd);
		} else {
			unit_random_bytes(data, HEAD, &rnd);
			unit_random_bytes(image, IMAGE, &rnd);
		}
		data[0] = unit_below(&rnd, 4);
		data[HEAD - 1] = ops;
		unit_random_bytes(data + HEAD, 4 * ops, &rnd);
		steps += ring_run(data, HEAD + 4 * ops + IMAGE);
	}
}
