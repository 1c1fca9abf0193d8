// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring.c: each function with correct rings and with each kind of corrupt ring.
 * Section numbers are those of virtio 1.2.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include "ring_model.h"
#include "unit.h"

#define IN	VRING_DESC_F_WRITE
#define NEXT	VRING_DESC_F_NEXT
#define INDIR	VRING_DESC_F_INDIRECT

static struct vring_desc *table(const struct model *m, unsigned int i)
{
	return (struct vring_desc *)m->mem + i;
}

static void expect_chain(const struct model *m, u16 head, bool malformed,
			 unsigned int nr_out, unsigned int nr_in)
{
	EXPECT_EQ(head, m->chain.head);
	EXPECT_EQ(malformed, m->chain.malformed);
	EXPECT_EQ(nr_out, m->chain.nr_out);
	EXPECT_EQ(nr_in, m->chain.nr_in);
}

/* Offers one chain, and takes it. */
static int take_one(struct model *m, u16 head)
{
	model_offer(m, head);
	EXPECT_EQ(1, vhost_scsi_ring_pending(&m->ring));
	return model_take(m);
}

/* 2.7: 16 bytes for each entry, 6 + 2 for each, 6 + 8 for each. */
TEST(ring, sizes)
{
	EXPECT_EQ(16, vhost_scsi_ring_desc_bytes(1));
	EXPECT_EQ(8, vhost_scsi_ring_avail_bytes(1));
	EXPECT_EQ(14, vhost_scsi_ring_used_bytes(1));
	EXPECT_EQ(4096, vhost_scsi_ring_desc_bytes(256));
	EXPECT_EQ(518, vhost_scsi_ring_avail_bytes(256));
	EXPECT_EQ(2054, vhost_scsi_ring_used_bytes(256));
	EXPECT_EQ(524288, vhost_scsi_ring_desc_bytes(32768));
	EXPECT_EQ(65542, vhost_scsi_ring_avail_bytes(32768));
	EXPECT_EQ(262150, vhost_scsi_ring_used_bytes(32768));
}

TEST(ring, nothing_pending)
{
	for (int le = 0; le < 2; le++) {
		struct model m;

		model_init(&m, 8, le);
		vhost_scsi_ring_start(&m.ring);
		EXPECT_EQ(0, vhost_scsi_ring_pending(&m.ring));
		model_free(&m);
	}
}

TEST(ring, start_goes_on_where_memory_says)
{
	for (int le = 0; le < 2; le++) {
		struct model m;

		model_init(&m, 8, le);
		m.ring.used->idx = __cpu_to_virtio16(le, 0xfff0);
		m.ring.used->flags = 0xffff;
		m.ring.last_avail = 0xfffe;
		model_set_avail_idx(&m, 0xfffe);
		vhost_scsi_ring_start(&m.ring);
		EXPECT_EQ(0, vhost_scsi_ring_pending(&m.ring));
		EXPECT_EQ(0, m.ring.used->flags);
		model_set_desc(&m, &m.ring.desc[3], 1, 1, 0, 0);
		EXPECT_EQ(0, take_one(&m, 3));
		EXPECT_EQ(0xffff, m.ring.last_avail);
		model_give(&m.ring, 3, 0);
		EXPECT_EQ(0xfff1, model_used_idx(&m));
		EXPECT_EQ(3, __virtio32_to_cpu(le, m.ring.used->ring[0].id));
		model_free(&m);
	}
}

TEST(ring, take)
{
	for (int le = 0; le < 2; le++) {
		struct model m;

		model_init(&m, 8, le);
		model_set_desc(&m, &m.ring.desc[5], 0x1122334455667788, 51,
			       NEXT, 2);
		model_set_desc(&m, &m.ring.desc[2], 0x1000, 0x01020304, NEXT,
			       7);
		model_set_desc(&m, &m.ring.desc[7], 0x2000, 108, IN | NEXT,
			       0);
		model_set_desc(&m, &m.ring.desc[0], 0xfffffffffffff000,
			       0xffffffff, IN, 0xdead);
		EXPECT_EQ(0, take_one(&m, 5));
		expect_chain(&m, 5, false, 2, 2);
		EXPECT_EQ(51 + 0x01020304, m.chain.out_len);
		EXPECT_EQ(108 + 0xffffffffULL, m.chain.in_len);
		EXPECT_EQ(0x1122334455667788, m.chain.descs[0].gpa);
		EXPECT_EQ(51, m.chain.descs[0].len);
		EXPECT_EQ(0x1000, m.chain.descs[1].gpa);
		EXPECT_EQ(0x01020304, m.chain.descs[1].len);
		EXPECT_EQ(0x2000, m.chain.descs[2].gpa);
		EXPECT_EQ(0xfffffffffffff000, m.chain.descs[3].gpa);
		EXPECT_EQ(0xffffffff, m.chain.descs[3].len);
		EXPECT_EQ(0, vhost_scsi_ring_pending(&m.ring));
		model_free(&m);
	}
}

/* What an earlier chain left behind is not in the next one. */
TEST(ring, take_starts_afresh)
{
	struct model m;

	model_init(&m, 8, true);
	model_set_desc(&m, &m.ring.desc[0], 1, 10, IN | NEXT, 1);
	model_set_desc(&m, &m.ring.desc[1], 2, 20, 0, 0);
	model_set_desc(&m, &m.ring.desc[2], 3, 30, 0, 0);
	EXPECT_EQ(0, take_one(&m, 0));
	expect_chain(&m, 0, true, 0, 1);
	EXPECT_EQ(0, take_one(&m, 2));
	expect_chain(&m, 2, false, 1, 0);
	EXPECT_EQ(30, m.chain.out_len);
	EXPECT_EQ(0, m.chain.in_len);
	model_free(&m);
}

TEST(ring, queue_of_one)
{
	for (int le = 0; le < 2; le++) {
		struct model m;
		int i;

		model_init(&m, 1, le);
		model_set_desc(&m, &m.ring.desc[0], 7, 9, IN, 0);
		for (i = 0; i < 5; i++) {
			EXPECT_EQ(0, take_one(&m, 0));
			expect_chain(&m, 0, false, 0, 1);
			model_give(&m.ring, 0, 9);
		}
		EXPECT_EQ(5, model_used_idx(&m));
		model_free(&m);
	}
}

TEST(ring, largest_queue)
{
	struct model m;
	unsigned int i;

	model_init(&m, VHOST_SCSI_RING_MAX, true);
	m.ring.event_idx = true;
	for (i = 0; i < VHOST_SCSI_RING_MAX; i++) {
		model_set_desc(&m, &m.ring.desc[i], i, 1, 0, 0);
		model_offer(&m, i);
	}
	EXPECT_EQ(VHOST_SCSI_RING_MAX, vhost_scsi_ring_pending(&m.ring));
	for (i = 0; i < VHOST_SCSI_RING_MAX; i++) {
		EXPECT_EQ(VHOST_SCSI_RING_MAX - i,
			  vhost_scsi_ring_pending(&m.ring));
		EXPECT_EQ(0, model_take(&m));
		EXPECT_EQ(i, m.chain.head);
		model_give(&m.ring, i, 0);
	}
	vhost_scsi_ring_enable_notify(&m.ring);
	EXPECT_EQ(VHOST_SCSI_RING_MAX, model_avail_event(&m));
	EXPECT_EQ(VHOST_SCSI_RING_MAX, model_used_idx(&m));
	model_free(&m);
}

/* All indices wrap at 65536. */
TEST(ring, wraps_around)
{
	for (int le = 0; le < 2; le++) {
		struct model m;
		unsigned int i;

		model_init(&m, 4, le);
		for (i = 0; i < 4; i++)
			model_set_desc(&m, &m.ring.desc[i], i, 100 + i, IN,
				       0);
		for (i = 0; i < 140000; i++) {
			struct vring_used_elem *used = &m.ring.used->ring[i & 3];
			u16 head = (i * 7 + i / 4) & 3;

			EXPECT_EQ(0, take_one(&m, head));
			expect_chain(&m, head, false, 0, 1);
			EXPECT_EQ(100 + head, m.chain.in_len);
			model_give(&m.ring, head, i);
			EXPECT_EQ((u16)(i + 1), model_used_idx(&m));
			EXPECT_EQ(head, __virtio32_to_cpu(le, used->id));
			EXPECT_EQ(i, __virtio32_to_cpu(le, used->len));
		}
		model_free(&m);
	}
}

/* Chains are given back in any order. */
TEST(ring, gives_in_any_order)
{
	static const u16 order[] = { 2, 0, 3, 1 };
	struct model m;
	unsigned int i;

	model_init(&m, 4, true);
	for (i = 0; i < 4; i++)
		model_offer(&m, i);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(4 - i, vhost_scsi_ring_pending(&m.ring));
		EXPECT_EQ(0, model_take(&m));
	}
	for (i = 0; i < 4; i++)
		model_give(&m.ring, order[i], 10 + i);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(order[i], m.ring.used->ring[i].id);
		EXPECT_EQ(10 + i, m.ring.used->ring[i].len);
	}
	model_free(&m);
}

/* 2.7.13.3: never more than a queue size ahead. */
TEST(ring, avail_index_out_of_range)
{
	static const u16 starts[] = { 0, 1, 0x7fff, 0xfffe };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(starts); i++) {
		static const struct {
			int ahead;
			int want;
		} rows[] = {
			{ 0, 0 }, { 1, 1 }, { 8, 8 }, { 9, -EIO },
			{ 0x7fff, -EIO }, { 0x8000, -EIO }, { -1, -EIO },
			{ -8, -EIO },
		};
		unsigned int n;

		for (n = 0; n < ARRAY_SIZE(rows); n++) {
			struct model m;

			model_init(&m, 8, true);
			m.ring.last_avail = starts[i];
			vhost_scsi_ring_start(&m.ring);
			model_set_avail_idx(&m, starts[i] + rows[n].ahead);
			EXPECT_EQ(rows[n].want,
				  vhost_scsi_ring_pending(&m.ring));
			model_free(&m);
		}
	}
}

/* What was promised is taken before the index is read again. */
TEST(ring, avail_index_is_read_once)
{
	struct model m;

	model_init(&m, 8, true);
	model_offer(&m, 0);
	model_offer(&m, 1);
	EXPECT_EQ(2, vhost_scsi_ring_pending(&m.ring));
	model_set_avail_idx(&m, 0x4000);
	EXPECT_EQ(2, vhost_scsi_ring_pending(&m.ring));
	EXPECT_EQ(0, model_take(&m));
	EXPECT_EQ(1, vhost_scsi_ring_pending(&m.ring));
	EXPECT_EQ(0, model_take(&m));
	EXPECT_EQ(-EIO, vhost_scsi_ring_pending(&m.ring));
	model_free(&m);
}

static void expect_corrupt(struct model *m, u16 head)
{
	EXPECT_EQ(-EIO, take_one(m, head));
	EXPECT_EQ(0, m->ring.last_avail);
}

TEST(ring, head_out_of_range)
{
	static const u16 heads[] = { 8, 9, 0x7fff, 0x8000, 0xffff };
	unsigned int i;

	for (int le = 0; le < 2; le++) {
		for (i = 0; i < ARRAY_SIZE(heads); i++) {
			struct model m;

			model_init(&m, 8, le);
			expect_corrupt(&m, heads[i]);
			model_free(&m);
		}
	}
}

TEST(ring, next_out_of_range)
{
	for (int le = 0; le < 2; le++) {
		struct model m;

		model_init(&m, 8, le);
		model_set_desc(&m, &m.ring.desc[0], 1, 1, NEXT, 8);
		expect_corrupt(&m, 0);
		model_free(&m);
	}
}

TEST(ring, loops)
{
	struct model m;
	unsigned int i;

	model_init(&m, 8, true);
	model_set_desc(&m, &m.ring.desc[0], 1, 1, NEXT, 0);
	expect_corrupt(&m, 0);
	model_free(&m);

	model_init(&m, 8, true);
	for (i = 0; i < 8; i++)
		model_set_desc(&m, &m.ring.desc[i], 1, 1, NEXT, (i + 1) & 7);
	expect_corrupt(&m, 3);
	model_free(&m);

	/* A loop behind what makes the chain malformed is a loop all the same. */
	model_init(&m, 8, true);
	model_set_desc(&m, &m.ring.desc[0], 1, 1, IN | NEXT, 1);
	model_set_desc(&m, &m.ring.desc[1], 1, 1, NEXT, 2);
	model_set_desc(&m, &m.ring.desc[2], 1, 1, IN | NEXT, 1);
	expect_corrupt(&m, 0);
	model_free(&m);
}

/* 2.7.5.3.1: a chain may be as long as the queue. */
TEST(ring, longest_chain)
{
	struct model m;
	unsigned int i;

	model_init(&m, 8, true);
	for (i = 0; i < 8; i++)
		model_set_desc(&m, &m.ring.desc[i], i, 1, i < 7 ? NEXT : 0,
			       i + 1);
	EXPECT_EQ(0, take_one(&m, 0));
	expect_chain(&m, 0, false, 8, 0);
	model_free(&m);
}

TEST(ring, more_descriptors_than_room)
{
	struct model m;
	unsigned int i;

	model_init(&m, 8, true);
	for (i = 0; i < 8; i++)
		model_set_desc(&m, &m.ring.desc[i], i, 1, i < 7 ? NEXT : 0,
			       i + 1);
	m.chain.max = 8;
	EXPECT_EQ(0, take_one(&m, 0));
	expect_chain(&m, 0, false, 8, 0);
	m.chain.max = 7;
	EXPECT_EQ(0, take_one(&m, 0));
	expect_chain(&m, 0, true, 7, 0);
	EXPECT_EQ(7, m.chain.out_len);
	EXPECT_EQ(2, m.ring.last_avail);
	model_free(&m);
}

/* 2.7.4.2: readable ones come first. */
TEST(ring, readable_behind_writable)
{
	struct model m;

	model_init(&m, 8, true);
	model_set_desc(&m, &m.ring.desc[0], 1, 10, NEXT, 1);
	model_set_desc(&m, &m.ring.desc[1], 2, 20, IN | NEXT, 2);
	model_set_desc(&m, &m.ring.desc[2], 3, 40, NEXT, 3);
	model_set_desc(&m, &m.ring.desc[3], 4, 80, IN, 0);
	EXPECT_EQ(0, take_one(&m, 0));
	expect_chain(&m, 0, true, 1, 1);
	EXPECT_EQ(10, m.chain.out_len);
	EXPECT_EQ(20, m.chain.in_len);
	/* The ring goes on. */
	EXPECT_EQ(1, m.ring.last_avail);
	EXPECT_EQ(0, vhost_scsi_ring_pending(&m.ring));
	model_free(&m);
}

TEST(ring, empty_descriptors)
{
	struct model m;

	model_init(&m, 8, true);
	model_set_desc(&m, &m.ring.desc[0], 1, 0, NEXT, 1);
	model_set_desc(&m, &m.ring.desc[1], 2, 0, IN, 0);
	EXPECT_EQ(0, take_one(&m, 0));
	expect_chain(&m, 0, false, 1, 1);
	EXPECT_EQ(0, m.chain.out_len);
	EXPECT_EQ(0, m.chain.in_len);
	model_free(&m);
}

/*
 * Indirect tables (2.7.5.3).
 */

static void indirect_init(struct model *m, bool le)
{
	model_init(m, 8, le);
	m->ring.indirect = true;
}

static int take_table(struct model *m, u64 addr, u32 len, u16 flags)
{
	model_set_desc(m, &m->ring.desc[6], addr, len, INDIR | flags, 0);
	return take_one(m, 6);
}

static void expect_malformed_table(struct model *m, u64 addr, u32 len)
{
	u16 before = m->ring.last_avail;

	EXPECT_EQ(0, take_table(m, addr, len, 0));
	EXPECT(m->chain.malformed);
	EXPECT_EQ(6, m->chain.head);
	EXPECT_EQ((u16)(before + 1), m->ring.last_avail);
}

TEST(ring, indirect)
{
	for (int le = 0; le < 2; le++) {
		struct model m;

		indirect_init(&m, le);
		model_set_desc(&m, table(&m, 0), 0xa, 51, NEXT, 2);
		model_set_desc(&m, table(&m, 2), 0xb, 108, IN | NEXT, 1);
		model_set_desc(&m, table(&m, 1), 0xc, 512, IN, 0);
		EXPECT_EQ(0, take_table(&m, MODEL_GPA, 48, 0));
		expect_chain(&m, 6, false, 1, 2);
		EXPECT_EQ(0xa, m.chain.descs[0].gpa);
		EXPECT_EQ(0xb, m.chain.descs[1].gpa);
		EXPECT_EQ(0xc, m.chain.descs[2].gpa);
		EXPECT_EQ(51, m.chain.out_len);
		EXPECT_EQ(620, m.chain.in_len);
		EXPECT_EQ(1, m.reads);
		EXPECT_EQ(48, m.read_bytes);
		model_free(&m);
	}
}

/* 2.7.5.3.2: the write flag of the descriptor that names it means nothing. */
TEST(ring, indirect_write_flag_is_ignored)
{
	struct model m;

	indirect_init(&m, true);
	model_set_desc(&m, table(&m, 0), 0xa, 51, 0, 0);
	EXPECT_EQ(0, take_table(&m, MODEL_GPA, 16, IN));
	expect_chain(&m, 6, false, 1, 0);
	model_free(&m);
}

/* 2.7.5.3.2: ordinary descriptors may come before it. */
TEST(ring, indirect_behind_direct)
{
	struct model m;

	indirect_init(&m, true);
	model_set_desc(&m, &m.ring.desc[0], 1, 10, NEXT, 1);
	model_set_desc(&m, &m.ring.desc[1], 2, 20, NEXT, 6);
	model_set_desc(&m, &m.ring.desc[6], MODEL_GPA, 32, INDIR, 0);
	model_set_desc(&m, table(&m, 0), 3, 40, NEXT, 1);
	model_set_desc(&m, table(&m, 1), 4, 80, IN, 0);
	EXPECT_EQ(0, take_one(&m, 0));
	expect_chain(&m, 0, false, 3, 1);
	EXPECT_EQ(70, m.chain.out_len);
	EXPECT_EQ(80, m.chain.in_len);

	/* ... and the order of directions holds across it. */
	model_set_desc(&m, &m.ring.desc[1], 2, 20, IN | NEXT, 6);
	EXPECT_EQ(0, take_one(&m, 0));
	expect_chain(&m, 0, true, 1, 1);
	model_free(&m);
}

/* A longer table than ring.c fetches at a time, in order and in none. */
TEST(ring, indirect_long)
{
	for (int le = 0; le < 2; le++) {
		struct model m;
		unsigned int i;

		indirect_init(&m, le);
		for (i = 0; i < 50; i++)
			model_set_desc(&m, table(&m, i), i, 1,
				       i < 49 ? NEXT : 0, i + 1);
		EXPECT_EQ(0, take_table(&m, MODEL_GPA, 50 * 16, 0));
		expect_chain(&m, 6, false, 50, 0);
		for (i = 0; i < 50; i++)
			EXPECT_EQ(i, m.chain.descs[i].gpa);
		/* Each descriptor was read once. */
		EXPECT_EQ(50 * 16, m.read_bytes);

		/* 0, 19, 38, 7, 26, ...: 50 and 19 have no common factor. */
		for (i = 0; i < 50; i++)
			model_set_desc(&m, table(&m, i * 19 % 50), i, 1,
				       i < 49 ? NEXT : 0, (i + 1) * 19 % 50);
		EXPECT_EQ(0, take_table(&m, MODEL_GPA, 50 * 16, 0));
		expect_chain(&m, 6, false, 50, 0);
		for (i = 0; i < 50; i++)
			EXPECT_EQ(i, m.chain.descs[i].gpa);
		model_free(&m);
	}
}

/* The table may be longer than the chain in it. */
TEST(ring, indirect_end_is_what_flags_say)
{
	struct model m;

	indirect_init(&m, true);
	model_set_desc(&m, table(&m, 0), 1, 1, 0, 77);
	EXPECT_EQ(0, take_table(&m, MODEL_GPA, MODEL_MEM, 0));
	expect_chain(&m, 6, false, 1, 0);
	model_free(&m);
}

/* What is not read need not be there. */
TEST(ring, indirect_longer_than_memory)
{
	struct model m;
	unsigned int i;

	indirect_init(&m, true);
	model_set_desc(&m, table(&m, 0), 1, 1, 0, 0);
	EXPECT_EQ(0, take_table(&m, MODEL_GPA, 0xfffffff0, 0));
	expect_chain(&m, 6, false, 1, 0);

	/* A chain that goes on behind the end of memory. */
	for (i = 0; i < 16; i++)
		model_set_desc(&m, table(&m, 240 + i), i, 1, NEXT, i + 1);
	expect_malformed_table(&m, MODEL_GPA + 240 * 16, 0xfffffff0);
	EXPECT_EQ(16, m.chain.nr_out);
	model_free(&m);
}

TEST(ring, indirect_not_negotiated)
{
	struct model m;

	indirect_init(&m, true);
	m.ring.indirect = false;
	model_set_desc(&m, table(&m, 0), 1, 1, 0, 0);
	expect_malformed_table(&m, MODEL_GPA, 16);
	EXPECT_EQ(0, m.reads);
	EXPECT_EQ(0, m.chain.nr_out);
	model_free(&m);
}

TEST(ring, indirect_bad_length)
{
	struct model m;

	indirect_init(&m, true);
	expect_malformed_table(&m, MODEL_GPA, 0);
	expect_malformed_table(&m, MODEL_GPA, 1);
	expect_malformed_table(&m, MODEL_GPA, 15);
	expect_malformed_table(&m, MODEL_GPA, 17);
	expect_malformed_table(&m, MODEL_GPA, 0xffffffff);
	EXPECT_EQ(0, m.reads);
	model_free(&m);
}

TEST(ring, indirect_not_memory)
{
	struct model m;

	indirect_init(&m, true);
	expect_malformed_table(&m, 0, 16);
	expect_malformed_table(&m, MODEL_GPA - 16, 16);
	expect_malformed_table(&m, MODEL_GPA + MODEL_MEM, 16);
	expect_malformed_table(&m, ~0ULL, 16);
	expect_malformed_table(&m, ~0ULL - 15, 16);
	expect_malformed_table(&m, ~0ULL - 15, 32);

	/* Only the second part of it is missing. */
	for (unsigned int i = 0; i < 32; i++)
		model_set_desc(&m, table(&m, 224 + i), i, 1, NEXT, i + 1);
	expect_malformed_table(&m, MODEL_GPA + 224 * 16, 48 * 16);
	EXPECT_EQ(32, m.chain.nr_out);
	model_free(&m);
}

/* 2.7.5.3.1: not both flags. */
TEST(ring, indirect_with_next)
{
	struct model m;

	indirect_init(&m, true);
	model_set_desc(&m, table(&m, 0), 1, 1, 0, 0);
	EXPECT_EQ(0, take_table(&m, MODEL_GPA, 16, NEXT));
	expect_chain(&m, 6, true, 0, 0);
	model_free(&m);
}

/* 2.7.5.3.1: no table in a table. */
TEST(ring, indirect_nested)
{
	struct model m;

	indirect_init(&m, true);
	model_set_desc(&m, table(&m, 0), 1, 1, NEXT, 1);
	model_set_desc(&m, table(&m, 1), MODEL_GPA, 16, INDIR, 0);
	expect_malformed_table(&m, MODEL_GPA, 32);
	EXPECT_EQ(1, m.chain.nr_out);
	model_free(&m);
}

TEST(ring, indirect_next_out_of_table)
{
	struct model m;

	indirect_init(&m, true);
	model_set_desc(&m, table(&m, 0), 1, 1, NEXT, 2);
	model_set_desc(&m, table(&m, 2), 1, 1, 0, 0);
	expect_malformed_table(&m, MODEL_GPA, 32);
	EXPECT_EQ(1, m.chain.nr_out);
	EXPECT_EQ(1, m.reads);
	model_set_desc(&m, table(&m, 0), 1, 1, NEXT, 0xffff);
	expect_malformed_table(&m, MODEL_GPA, 32);
	EXPECT_EQ(1, m.chain.nr_out);
	model_free(&m);
}

TEST(ring, indirect_loops)
{
	struct model m;
	unsigned int i;

	indirect_init(&m, true);
	model_set_desc(&m, table(&m, 0), 1, 1, NEXT, 0);
	expect_malformed_table(&m, MODEL_GPA, 16);
	EXPECT_EQ(1, m.chain.nr_out);
	/* ... also one that crosses the windows, in a table of 256. */
	for (i = 0; i < 40; i++)
		model_set_desc(&m, table(&m, i), 1, 1, NEXT,
			       i < 39 ? i + 1 : 0);
	expect_malformed_table(&m, MODEL_GPA, MODEL_MEM);
	EXPECT(m.reads <= MODEL_MAX + 1);
	model_free(&m);
}

TEST(ring, indirect_readable_behind_writable)
{
	struct model m;

	indirect_init(&m, true);
	model_set_desc(&m, table(&m, 0), 1, 1, IN | NEXT, 1);
	model_set_desc(&m, table(&m, 1), 1, 1, 0, 0);
	expect_malformed_table(&m, MODEL_GPA, 32);
	EXPECT_EQ(1, m.chain.nr_in);
	model_free(&m);
}

TEST(ring, indirect_more_descriptors_than_room)
{
	struct model m;
	unsigned int i;

	indirect_init(&m, true);
	for (i = 0; i < 65; i++)
		model_set_desc(&m, table(&m, i), 1, 1, i < 64 ? NEXT : 0,
			       i + 1);
	expect_malformed_table(&m, MODEL_GPA, 65 * 16);
	EXPECT_EQ(MODEL_MAX, m.chain.nr_out);
	model_set_desc(&m, table(&m, 63), 1, 1, 0, 0);
	EXPECT_EQ(0, take_table(&m, MODEL_GPA, 65 * 16, 0));
	expect_chain(&m, 6, false, MODEL_MAX, 0);
	model_free(&m);
}

/* A table behind what is malformed is not looked at. */
TEST(ring, indirect_behind_malformed)
{
	struct model m;

	indirect_init(&m, true);
	model_set_desc(&m, &m.ring.desc[0], 1, 1, IN | NEXT, 1);
	model_set_desc(&m, &m.ring.desc[1], 1, 1, NEXT, 6);
	model_set_desc(&m, &m.ring.desc[6], MODEL_GPA, 16, INDIR, 0);
	EXPECT_EQ(0, take_one(&m, 0));
	expect_chain(&m, 0, true, 0, 1);
	EXPECT_EQ(0, m.reads);
	model_free(&m);
}

/*
 * Notifications.
 */

TEST(ring, kicks_by_flag)
{
	for (int le = 0; le < 2; le++) {
		struct model m;

		model_init(&m, 8, le);
		vhost_scsi_ring_disable_notify(&m.ring);
		EXPECT_EQ(VRING_USED_F_NO_NOTIFY,
			  __virtio16_to_cpu(le, m.ring.used->flags));
		EXPECT(!vhost_scsi_ring_enable_notify(&m.ring));
		EXPECT_EQ(0, m.ring.used->flags);
		model_offer(&m, 0);
		EXPECT(vhost_scsi_ring_enable_notify(&m.ring));
		EXPECT_EQ(0, model_avail_event(&m));
		model_free(&m);
	}
}

/* 2.7.10: with EVENT_IDX the flag stays 0 and the index says when. */
TEST(ring, kicks_by_index)
{
	for (int le = 0; le < 2; le++) {
		struct model m;

		model_init(&m, 8, le);
		m.ring.event_idx = true;
		m.ring.last_avail = 0x1234;
		model_set_avail_idx(&m, 0x1234);
		vhost_scsi_ring_start(&m.ring);
		vhost_scsi_ring_disable_notify(&m.ring);
		EXPECT_EQ(0, m.ring.used->flags);
		EXPECT(!vhost_scsi_ring_enable_notify(&m.ring));
		EXPECT_EQ(0x1234, model_avail_event(&m));
		model_offer(&m, 0);
		EXPECT(vhost_scsi_ring_enable_notify(&m.ring));
		EXPECT_EQ(0x1234, model_avail_event(&m));
		EXPECT_EQ(0, m.ring.used->flags);
		model_free(&m);
	}
}

TEST(ring, signal_by_flag)
{
	for (int le = 0; le < 2; le++) {
		struct model m;

		model_init(&m, 8, le);
		vhost_scsi_ring_start(&m.ring);
		model_give(&m.ring, 0, 0);
		EXPECT(vhost_scsi_ring_want_signal(&m.ring));
		m.ring.avail->flags =
			__cpu_to_virtio16(le, VRING_AVAIL_F_NO_INTERRUPT);
		EXPECT(!vhost_scsi_ring_want_signal(&m.ring));
		/* Other bits are not for us. */
		m.ring.avail->flags =
			__cpu_to_virtio16(le, ~VRING_AVAIL_F_NO_INTERRUPT);
		EXPECT(vhost_scsi_ring_want_signal(&m.ring));
		model_free(&m);
	}
}

/* 2.7.7.2: when the used index moves over used_event + 1; the flag is moot. */
TEST(ring, signal_by_index)
{
	for (int le = 0; le < 2; le++) {
		struct model m;
		unsigned int i;

		model_init(&m, 8, le);
		m.ring.event_idx = true;
		m.ring.avail->flags = 0xffff;
		m.ring.used->idx = __cpu_to_virtio16(le, 0xfff8);
		vhost_scsi_ring_start(&m.ring);
		model_set_used_event(&m, 0x8000);
		model_give(&m.ring, 0, 0);
		/* Nothing is known of the driver yet. */
		EXPECT(vhost_scsi_ring_want_signal(&m.ring));
		model_set_used_event(&m, 2);
		for (i = 0xfff9; i < 0x10010; i++) {
			model_give(&m.ring, 0, 0);
			EXPECT_EQ(i == 0x10002,
				  vhost_scsi_ring_want_signal(&m.ring));
		}
		model_free(&m);
	}
}

/* 6.3: a legacy driver that negotiated it is told of the empty ring, and only of that. */
TEST(ring, signal_on_empty)
{
	for (int i = 0; i < 8; i++) {
		struct model m;

		model_init(&m, 8, i & 1);
		m.ring.event_idx = i & 2;
		m.ring.on_empty = i & 4;
		vhost_scsi_ring_start(&m.ring);
		model_set_used_event(&m, 0x8000);
		m.ring.avail->flags =
			__cpu_to_virtio16(i & 1, VRING_AVAIL_F_NO_INTERRUPT);
		model_give(&m.ring, 0, 0);
		vhost_scsi_ring_want_signal(&m.ring);
		/* Two are available and one of them was got: not empty. */
		m.ring.avail->idx = __cpu_to_virtio16(i & 1, 2);
		m.ring.last_avail = 1;
		model_give(&m.ring, 0, 0);
		EXPECT(!vhost_scsi_ring_want_signal(&m.ring));
		m.ring.last_avail = 2;
		model_give(&m.ring, 1, 0);
		EXPECT_EQ(!!(i & 4), vhost_scsi_ring_want_signal(&m.ring));
		model_free(&m);
	}
}

/* One decision for a batch: the index may be anywhere in it. */
TEST(ring, signal_for_batch)
{
	static const struct {
		u16 event;
		bool want;
	} rows[] = {
		{ 0, false }, { 1, true }, { 2, true }, { 3, true },
		{ 4, false }, { 0xffff, false }, { 0x8000, false },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct model m;

		model_init(&m, 8, true);
		m.ring.event_idx = true;
		vhost_scsi_ring_start(&m.ring);
		model_give(&m.ring, 0, 0);
		vhost_scsi_ring_want_signal(&m.ring);
		model_set_used_event(&m, rows[i].event);
		model_give(&m.ring, 1, 0);
		model_give(&m.ring, 2, 0);
		model_give(&m.ring, 3, 0);
		EXPECT_EQ(rows[i].want, vhost_scsi_ring_want_signal(&m.ring));
		model_free(&m);
	}
}

/* A restart forgets what was signalled. */
TEST(ring, signal_after_restart)
{
	struct model m;

	model_init(&m, 8, true);
	m.ring.event_idx = true;
	vhost_scsi_ring_start(&m.ring);
	model_set_used_event(&m, 100);
	model_give(&m.ring, 0, 0);
	EXPECT(vhost_scsi_ring_want_signal(&m.ring));
	model_give(&m.ring, 0, 0);
	EXPECT(!vhost_scsi_ring_want_signal(&m.ring));
	vhost_scsi_ring_start(&m.ring);
	model_give(&m.ring, 0, 0);
	EXPECT(vhost_scsi_ring_want_signal(&m.ring));
	model_free(&m);
}
