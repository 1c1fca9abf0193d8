// SPDX-License-Identifier: GPL-2.0-only
/*
 * parse.c: vhost_scsi_request_usual(), the fast path, compared with ring.c and
 * vhost_scsi_request_parse().
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include "parse_fixture.h"

#define TABLE	(LOW + 512)

/* A ring of one entry whose table is the fixture's, and what may be wrong. */
struct usual {
	struct fixture *f;
	struct vhost_scsi_ring ring;
	struct vring_desc table[4];
	struct vring_desc window[VHOST_SCSI_WINDOW];
	u64 gpa;
	u32 bytes;
	u16 flags;
	u16 head;
};

static void usual_init(struct usual *u, struct fixture *f, bool in)
{
	static const u16 next = VRING_DESC_F_NEXT, write = VRING_DESC_F_WRITE;

	memset(u, 0, sizeof(*u));
	u->f = f;
	u->ring.num = 4;
	u->ring.le = true;
	u->ring.indirect = true;
	u->ring.desc = calloc(1, vhost_scsi_ring_desc_bytes(4));
	u->ring.avail = calloc(1, vhost_scsi_ring_avail_bytes(4));
	u->gpa = TABLE;
	u->bytes = 3 * sizeof(u->table[0]);
	u->flags = VRING_DESC_F_INDIRECT;
	u->head = 2;
	u->table[0] = (struct vring_desc){ LOW, HDR, next, 1 };
	u->table[1] = in ? (struct vring_desc){ HIGH, RESP, next | write, 2 } :
			   (struct vring_desc){ HIGH + 512, 1024, next, 2 };
	u->table[2] = in ? (struct vring_desc){ HIGH + 512, 1024, write, 0 } :
			   (struct vring_desc){ HIGH, RESP, write, 0 };
}

static void usual_free(struct usual *u)
{
	free(u->ring.desc);
	free(u->ring.avail);
}

static int read_table(void *priv, u64 gpa, void *buf, size_t len)
{
	return vhost_scsi_mem_read(priv, gpa, buf, len);
}

static void same_cursor(struct vhost_scsi_cursor a, struct vhost_scsi_cursor b)
{
	EXPECT_EQ(a.nr, b.nr);
	EXPECT_EQ(a.off, b.off);
	for (; a.nr && b.nr; a.nr--, b.nr--, a.iov++, b.iov++) {
		EXPECT(a.iov->base == b.iov->base);
		EXPECT_EQ(a.iov->gpa, b.iov->gpa);
		EXPECT_EQ(a.iov->len, b.iov->len);
	}
}

/* Is it taken at once? If so, it is what the long way makes of it. */
static bool usual_is_taken(struct usual *u)
{
	struct vhost_scsi_iov iov[VHOST_SCSI_USUAL_DESCS];
	struct vhost_scsi_request req;
	struct fixture *f = u->f;
	bool taken;

	put(f, TABLE, u->table, sizeof(u->table));
	u->ring.avail->ring[0] = __cpu_to_virtio16(true, u->head);
	u->ring.desc[2] = (struct vring_desc){ u->gpa, u->bytes, u->flags, 0 };
	memset(&req, 0xee, sizeof(req));
	u->ring.last_avail = 4;
	taken = vhost_scsi_request_usual(&u->ring, f->mem, u->window, iov, &req);
	EXPECT_EQ(taken ? 5 : 4, u->ring.last_avail);
	if (!taken)
		return false;

	u->ring.last_avail = 4;
	start(f);
	EXPECT_EQ(0, vhost_scsi_ring_get_desc(&u->ring, &f->chain, read_table,
					      f->mem));
	EXPECT_EQ(0, parse(f));
	EXPECT_EQ(f->req.head, req.head);
	EXPECT_EQ(f->req.target, req.target);
	EXPECT_EQ(f->req.lun, req.lun);
	EXPECT_EQ(f->req.data_in, req.data_in);
	EXPECT_EQ(f->req.data_out, req.data_out);
	EXPECT(!memcmp(&f->req.hdr, &req.hdr, HDR));
	same_cursor(f->req.in, req.in);
	same_cursor(f->req.out, req.out);
	return true;
}

/* One thing is another: is it still taken at once? */
#define USUAL_WITH(f, in, change) ({					\
	struct usual u;							\
	bool taken;							\
									\
	usual_init(&u, f, in);						\
	change;								\
	taken = usual_is_taken(&u);					\
	usual_free(&u);							\
	taken;								\
})

TEST(request, usual)
{
	struct fixture f;
	int in;

	fixture_init(&f);
	for (in = 0; in < 2; in++) {
		bool is_in = in;
		/* Where the data is, and the response. */
		int d = in ? 2 : 1, r = 3 - d;

		EXPECT(USUAL_WITH(&f, is_in, u.head = 2));
		EXPECT(USUAL_WITH(&f, is_in, u.table[d].len = 1));
		EXPECT(USUAL_WITH(&f, is_in, u.table[d].len = PAGE_SIZE - 512));
		EXPECT(USUAL_WITH(&f, is_in, u.table[r].addr = LOW + 2048));
		/* The last one has no next. */
		EXPECT(USUAL_WITH(&f, is_in, u.table[2].next = 1));

		EXPECT(!USUAL_WITH(&f, is_in, u.ring.le = false));
		EXPECT(!USUAL_WITH(&f, is_in, u.ring.indirect = false));
		EXPECT(!USUAL_WITH(&f, is_in, u.head = 4));
		EXPECT(!USUAL_WITH(&f, is_in, u.bytes++));
		EXPECT(!USUAL_WITH(&f, is_in, u.bytes += 16));
		EXPECT(!USUAL_WITH(&f, is_in, u.flags |= VRING_DESC_F_NEXT));
		EXPECT(!USUAL_WITH(&f, is_in, u.gpa = END - 16));
		EXPECT(!USUAL_WITH(&f, is_in, u.gpa = HOLE));

		EXPECT(!USUAL_WITH(&f, is_in, u.table[0].len--));
		EXPECT(!USUAL_WITH(&f, is_in, u.table[0].len++));
		EXPECT(!USUAL_WITH(&f, is_in, u.table[0].next = 2));
		EXPECT(!USUAL_WITH(&f, is_in, u.table[0].addr = HIGH - 8));
		EXPECT(!USUAL_WITH(&f, is_in, u.table[0].addr = HOLE));
		EXPECT(!USUAL_WITH(&f, is_in,
				   u.table[0].flags |= VRING_DESC_F_WRITE));
		EXPECT(!USUAL_WITH(&f, is_in,
				   u.table[0].flags |= VRING_DESC_F_INDIRECT));
		EXPECT(!USUAL_WITH(&f, is_in, u.table[0].flags = 0));
		EXPECT(!USUAL_WITH(&f, is_in, u.table[1].next = 1));
		EXPECT(!USUAL_WITH(&f, is_in,
				   u.table[1].flags &= ~VRING_DESC_F_NEXT));
		EXPECT(!USUAL_WITH(&f, is_in,
				   u.table[1].flags |= VRING_DESC_F_INDIRECT));
		EXPECT(!USUAL_WITH(&f, is_in,
				   u.table[2].flags |= VRING_DESC_F_NEXT));
		EXPECT(!USUAL_WITH(&f, is_in, u.table[2].flags = 0));
		EXPECT(!USUAL_WITH(&f, is_in, u.table[r].len--));
		EXPECT(!USUAL_WITH(&f, is_in, u.table[r].len++));
		EXPECT(!USUAL_WITH(&f, is_in, u.table[r].addr = HOLE));
		EXPECT(!USUAL_WITH(&f, is_in, u.table[d].len = 0));
		EXPECT(!USUAL_WITH(&f, is_in, u.table[d].len = PAGE_SIZE));
		EXPECT(!USUAL_WITH(&f, is_in, u.table[d].addr = HOLE));
		EXPECT(!USUAL_WITH(&f, is_in, u.table[d].addr = HIGH - 8));
	}

	f.hdr.lun[0] = 0;
	put(&f, LOW, &f.hdr, HDR);
	EXPECT(!USUAL_WITH(&f, true, u.head = 2));
	fixture_free(&f);
}

/* A region of more than a command may carry; nothing looks at what is in it. */
TEST(request, usual_of_most_data)
{
	struct fixture f;
	struct mem_model m = {
		.nr = 2,
		.regions = {
			{ LOW, 2 * PAGE_SIZE, 0 },
			{ HOLE, 2 * MAX_DATA, 0 },
		},
	};
	u8 __user *both = user_new(2 * PAGE_SIZE);
	int in;

	fixture_init(&f);
	vhost_scsi_mem_free(f.mem);
	user_free(f.low, PAGE_SIZE);
	f.low = both;
	put(&f, LOW, &f.hdr, HDR);
	m.regions[0].userspace_addr = (uintptr_t)both;
	m.regions[1].userspace_addr = (uintptr_t)both;
	f.mem = mem_model_create(&m);
	for (in = 0; in < 2; in++) {
		int d = in ? 2 : 1;

		EXPECT(USUAL_WITH(&f, in, u.table[d].addr = HOLE;
				  u.table[d].len = MAX_DATA));
		EXPECT(!USUAL_WITH(&f, in, u.table[d].addr = HOLE;
				   u.table[d].len = MAX_DATA + 1));
	}
	f.low = user_new(PAGE_SIZE);
	user_free(both, 2 * PAGE_SIZE);
	fixture_free(&f);
}

/* Whatever is in it: what is taken at once is what the long way makes of it. */
TEST(request, usual_with_any_change)
{
	unsigned int n, taken = 0, runs = UNIT_TIMES(30000, 300);
	u64 rnd = 0x5eed0007;
	struct fixture f;

	fixture_init(&f);
	for (n = 0; n < runs; n++)
		taken += USUAL_WITH(&f, n & 1, {
			u8 *table = (u8 *)u.table;

			table[unit_below(&rnd, 48)] = unit_random(&rnd);
		});
	EXPECT(taken > runs / 16 && taken < runs);
	fixture_free(&f);
}
