// SPDX-License-Identifier: GPL-2.0-only
/*
 * parse.c: requests and control requests in every layout that is right, and in
 * each that is wrong.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include "parse_model.h"
#include "unit.h"

#define HDR	((int)sizeof(struct virtio_scsi_cmd_req))
#define RESP	((int)sizeof(struct virtio_scsi_cmd_resp))
#define MAX_DATA VHOST_SCSI_MAX_DATA

/* Guest memory: LOW and HIGH are neighbours, behind HIGH there is nothing. */
#define LOW	0x10000ULL
#define HIGH	(LOW + PAGE_SIZE)
#define END	(HIGH + PAGE_SIZE)
#define HOLE	(END + PAGE_SIZE)

#define MAX_DESCS	64

struct fixture {
	u8 __user *low;		/* not neighbours in the owner's memory */
	u8 __user *high;
	struct vhost_scsi_mem *mem;
	struct vhost_scsi_chain chain;
	struct vhost_scsi_iov *iov;
	struct vhost_scsi_request req;
	struct vhost_scsi_control ctl;
	struct virtio_scsi_cmd_req hdr;	/* what the guest sent */
};

static void put(const struct fixture *f, u64 gpa, const void *data, size_t len)
{
	const u8 *from = data;

	for (; len; len--, gpa++, from++)
		user_write(gpa < HIGH ? f->low + (gpa - LOW) :
					f->high + (gpa - HIGH), from, 1);
}

static void fixture_init(struct fixture *f)
{
	struct mem_model m = {
		.nr = 2,
		.regions = {
			{ HIGH, PAGE_SIZE, 0 },
			{ LOW, PAGE_SIZE, 0 },
		},
	};
	int i;

	memset(f, 0, sizeof(*f));
	f->low = user_new(PAGE_SIZE);
	f->high = user_new(PAGE_SIZE);
	m.regions[0].userspace_addr = (uintptr_t)f->high;
	m.regions[1].userspace_addr = (uintptr_t)f->low;
	f->mem = mem_model_create(&m);
	EXPECT(!IS_ERR(f->mem));
	f->chain.max = MAX_DESCS;
	f->chain.head = 0x1234;
	f->chain.descs = calloc(MAX_DESCS, sizeof(*f->chain.descs));
	f->iov = calloc(2 * MAX_DESCS, sizeof(*f->iov));

	f->hdr.lun[0] = 1;
	f->hdr.lun[1] = 7;
	f->hdr.lun[2] = 0x41;
	f->hdr.lun[3] = 2;
	f->hdr.tag = 0x1122334455667788;
	f->hdr.task_attr = 3;
	f->hdr.prio = 4;
	f->hdr.crn = 5;
	for (i = 0; i < 32; i++)
		f->hdr.cdb[i] = 0x80 + i;
	put(f, LOW, &f->hdr, HDR);
}

static void fixture_free(struct fixture *f)
{
	vhost_scsi_mem_free(f->mem);
	user_free(f->low, PAGE_SIZE);
	user_free(f->high, PAGE_SIZE);
	free(f->chain.descs);
	free(f->iov);
}

/* As ring.c makes chains: readable descriptors, then writable ones. */

static void start(struct fixture *f)
{
	f->chain.malformed = false;
	f->chain.nr_out = 0;
	f->chain.nr_in = 0;
	f->chain.out_len = 0;
	f->chain.in_len = 0;
	memset(&f->req, 0xee, sizeof(f->req));
	memset(&f->ctl, 0xee, sizeof(f->ctl));
}

static void out(struct fixture *f, u64 gpa, u32 len)
{
	EXPECT(!f->chain.nr_in && f->chain.nr_out < f->chain.max);
	f->chain.descs[f->chain.nr_out].addr = gpa;
	f->chain.descs[f->chain.nr_out++].len = len;
	f->chain.out_len += len;
}

static void in(struct fixture *f, u64 gpa, u32 len)
{
	unsigned int n = f->chain.nr_out + f->chain.nr_in++;

	EXPECT(n < f->chain.max);
	f->chain.descs[n].addr = gpa;
	f->chain.descs[n].len = len;
	f->chain.in_len += len;
}

static int parse(struct fixture *f)
{
	return vhost_scsi_request_parse(f->mem, &f->chain, f->iov, &f->req);
}

/*
 * vhost_scsi_request_usual() against ring.c and vhost_scsi_request_parse().
 */

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
	EXPECT_EQ(0, vhost_scsi_ring_take(&u->ring, &f->chain, read_table,
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

static u64 rest(struct vhost_scsi_cursor cur)
{
	u64 n = 0;

	for (; cur.nr; cur.nr--, cur.iov++) {
		n += cur.iov->len - cur.off;
		cur.off = 0;
	}
	return n;
}

/* The next piece at a cursor, which moves on; no address: not memory. */
static void expect_piece(struct vhost_scsi_cursor *cur, u64 gpa, size_t len)
{
	EXPECT(cur->nr > 0);
	if (!cur->nr)
		return;
	EXPECT_EQ(gpa, cur->iov->gpa + cur->off);
	EXPECT_EQ(len, cur->iov->len - cur->off);
	EXPECT_EQ(gpa >= LOW && gpa < END, !!cur->iov->base);
	vhost_scsi_cursor_skip(cur, cur->iov->len - cur->off);
}

static void expect_good(struct fixture *f, size_t data_out, size_t data_in)
{
	EXPECT_EQ(0, parse(f));
	EXPECT_EQ(0x1234, f->req.head);
	EXPECT(!memcmp(&f->req.hdr, &f->hdr, HDR));
	EXPECT_EQ(7, f->req.target);
	EXPECT_EQ(0x102, f->req.lun);
	EXPECT_EQ(data_out, f->req.data_out);
	EXPECT_EQ(data_in, f->req.data_in);
	EXPECT_EQ(data_out, rest(f->req.out));
	EXPECT_EQ(RESP + data_in, rest(f->req.in));
}

/* A right request but for what the test changes. */
static int parse_plain(struct fixture *f, u64 hdr, u32 hdr_len, u32 resp_len)
{
	start(f);
	out(f, hdr, hdr_len);
	in(f, HIGH, resp_len);
	return parse(f);
}

TEST(request, no_data)
{
	struct fixture f;

	fixture_init(&f);
	EXPECT_EQ(0, parse_plain(&f, LOW, HDR, RESP));
	expect_good(&f, 0, 0);
	expect_piece(&f.req.in, HIGH, RESP);
	EXPECT_EQ(0, f.req.in.nr);
	EXPECT_EQ(0, f.req.out.nr);
	fixture_free(&f);
}

TEST(request, data_in)
{
	struct fixture f;

	fixture_init(&f);
	start(&f);
	out(&f, LOW, HDR);
	in(&f, HIGH, RESP);
	in(&f, LOW + 0x800, 512);
	in(&f, HIGH + 0x200, 0xe00);
	expect_good(&f, 0, 512 + 0xe00);
	expect_piece(&f.req.in, HIGH, RESP);
	expect_piece(&f.req.in, LOW + 0x800, 512);
	expect_piece(&f.req.in, HIGH + 0x200, 0xe00);
	fixture_free(&f);
}

TEST(request, data_out)
{
	struct fixture f;

	fixture_init(&f);
	start(&f);
	out(&f, LOW, HDR);
	out(&f, LOW + 0x800, 512);
	out(&f, HIGH + 0x800, 0x800);
	in(&f, HIGH, RESP);
	expect_good(&f, 512 + 0x800, 0);
	expect_piece(&f.req.out, LOW + 0x800, 512);
	expect_piece(&f.req.out, HIGH + 0x800, 0x800);
	fixture_free(&f);
}

/* 2.7.4: one descriptor for all that is read, one for all that is written. */
TEST(request, one_descriptor_each_way)
{
	struct fixture f;

	fixture_init(&f);
	EXPECT_EQ(0, parse_plain(&f, LOW, HDR + 512, RESP));
	expect_good(&f, 512, 0);
	expect_piece(&f.req.out, LOW + HDR, 512);

	EXPECT_EQ(0, parse_plain(&f, LOW, HDR, RESP + 512));
	expect_good(&f, 0, 512);
	vhost_scsi_cursor_skip(&f.req.in, RESP);
	expect_piece(&f.req.in, HIGH + RESP, 512);
	fixture_free(&f);
}

/* 2.7.4.2: a header in two descriptors, cut at any byte, data behind it. */
TEST(request, header_cut_anywhere)
{
	struct fixture f;
	int cut;

	fixture_init(&f);
	for (cut = 0; cut <= HDR; cut++) {
		put(&f, HIGH + 0x800, (u8 *)&f.hdr + cut, HDR - cut);
		start(&f);
		out(&f, LOW, cut);
		out(&f, HIGH + 0x800, HDR - cut + 100);
		in(&f, HIGH, RESP);
		expect_good(&f, 100, 0);
		expect_piece(&f.req.out, HIGH + 0x800 + HDR - cut, 100);
	}
	fixture_free(&f);
}

/* ... into descriptors of any size, which lie in any order. */
TEST(request, header_in_pieces)
{
	struct fixture f;
	int size, i, n;

	fixture_init(&f);
	for (size = 1; size <= HDR; size++) {
		start(&f);
		for (i = 0; i < HDR; i += size) {
			n = min(size, HDR - i);
			put(&f, HIGH - 64 * (i + 1), (u8 *)&f.hdr + i, n);
			out(&f, HIGH - 64 * (i + 1), n);
		}
		in(&f, HIGH, RESP);
		expect_good(&f, 0, 0);
	}
	fixture_free(&f);
}

TEST(request, response_in_pieces)
{
	struct fixture f;
	int size, i, n;

	fixture_init(&f);
	for (size = 2; size <= RESP; size++) {
		start(&f);
		out(&f, LOW, HDR);
		for (i = 0; i < RESP + 512; i += n) {
			n = i < RESP ? min(size, RESP - i) : 512;
			in(&f, HIGH + i * 2, n);
		}
		expect_good(&f, 0, 512);
		for (i = 0; i < RESP; i += size)
			expect_piece(&f.req.in, HIGH + i * 2,
				     min(size, RESP - i));
		expect_piece(&f.req.in, HIGH + RESP * 2, 512);
	}
	fixture_free(&f);
}

/* Descriptors of no length hold nothing, wherever they stand. */
TEST(request, empty_descriptors)
{
	struct fixture f;

	fixture_init(&f);
	start(&f);
	out(&f, HOLE, 0);
	out(&f, LOW, HDR);
	out(&f, LOW, 0);
	in(&f, HOLE, 0);
	in(&f, HIGH, RESP);
	in(&f, ~0ULL, 0);
	in(&f, LOW + 0x800, 512);
	in(&f, LOW, 0);
	expect_good(&f, 0, 512);
	expect_piece(&f.req.in, HIGH, RESP);
	expect_piece(&f.req.in, LOW + 0x800, 512);
	fixture_free(&f);
}

TEST(request, header_over_region_border)
{
	struct fixture f;
	int before;

	fixture_init(&f);
	for (before = 0; before <= HDR; before++) {
		put(&f, HIGH - before, &f.hdr, HDR);
		start(&f);
		out(&f, HIGH - before, HDR + 512);
		in(&f, LOW, RESP);
		expect_good(&f, 512, 0);
		expect_piece(&f.req.out, HIGH - before + HDR, 512);
	}
	fixture_free(&f);
}

TEST(request, response_and_data_over_region_border)
{
	struct fixture f;

	fixture_init(&f);
	start(&f);
	out(&f, LOW, HDR);
	in(&f, HIGH - 100, RESP);
	in(&f, HIGH - 512, 1024);
	expect_good(&f, 0, 1024);
	expect_piece(&f.req.in, HIGH - 100, 100);
	expect_piece(&f.req.in, HIGH, 8);
	expect_piece(&f.req.in, HIGH - 512, 512);
	expect_piece(&f.req.in, HIGH, 512);
	fixture_free(&f);
}

/* Whether data and response are memory shows when they are pinned. */
TEST(request, data_outside_of_memory)
{
	struct fixture f;

	fixture_init(&f);
	start(&f);
	out(&f, LOW, HDR);
	in(&f, END - 8, RESP);
	in(&f, HOLE, 512);
	expect_good(&f, 0, 512);
	expect_piece(&f.req.in, END - 8, 8);
	expect_piece(&f.req.in, END, RESP - 8);
	expect_piece(&f.req.in, HOLE, 512);
	fixture_free(&f);
}

TEST(request, header_outside_of_memory)
{
	struct fixture f;
	int before;

	fixture_init(&f);
	put(&f, END - HDR, &f.hdr, HDR);
	EXPECT_EQ(0, parse_plain(&f, END - HDR, HDR, RESP));
	for (before = 0; before < HDR; before++) {
		put(&f, END - before, &f.hdr, before);
		EXPECT_EQ(-EFAULT, parse_plain(&f, END - before, HDR, RESP));
		EXPECT_EQ(RESP, rest(f.req.in));
	}
	EXPECT_EQ(-EFAULT, parse_plain(&f, LOW - 1, HDR, RESP));
	EXPECT_EQ(-EFAULT, parse_plain(&f, HOLE, HDR, RESP));
	EXPECT_EQ(-EFAULT, parse_plain(&f, ~0ULL, HDR, RESP));

	/* The last byte only, in a descriptor of its own. */
	start(&f);
	out(&f, LOW, HDR - 1);
	out(&f, END, 1);
	in(&f, HIGH, RESP);
	EXPECT_EQ(-EFAULT, parse(&f));
	fixture_free(&f);
}

/* What the owner has not mapped, though its table says so. */
TEST(request, header_not_readable)
{
	struct fixture f;

	fixture_init(&f);
	put(&f, HIGH - 50, &f.hdr, HDR);
	user_gap(f.high);
	EXPECT_EQ(-EFAULT, parse_plain(&f, HIGH, HDR, RESP));
	EXPECT_EQ(-EFAULT, parse_plain(&f, HIGH - 50, HDR, RESP));
	put(&f, HIGH - 51, &f.hdr, HDR);
	EXPECT_EQ(0, parse_plain(&f, HIGH - 51, HDR, RESP));
	fixture_free(&f);
}

TEST(request, no_memory_at_all)
{
	struct fixture f;

	fixture_init(&f);
	parse_plain(&f, LOW, HDR, RESP);
	EXPECT_EQ(-EFAULT, vhost_scsi_request_parse(NULL, &f.chain, f.iov,
						    &f.req));
	EXPECT_EQ(1, f.req.in.nr);
	EXPECT(!f.iov[0].base);
	fixture_free(&f);
}

/* 5.6.6.1: 51 bytes and 108, not one less. */
TEST(request, too_short)
{
	struct fixture f;

	fixture_init(&f);
	EXPECT_EQ(0, parse_plain(&f, LOW, HDR, RESP));
	EXPECT_EQ(-EINVAL, parse_plain(&f, LOW, HDR - 1, RESP));
	EXPECT_EQ(-EINVAL, parse_plain(&f, LOW, 1, RESP));
	EXPECT_EQ(-EINVAL, parse_plain(&f, LOW, 0, RESP));
	EXPECT_EQ(-EINVAL, parse_plain(&f, LOW, HDR, RESP - 1));
	/* As much of the answer as fits goes there. */
	EXPECT_EQ(0x1234, f.req.head);
	expect_piece(&f.req.in, HIGH, RESP - 1);
	EXPECT_EQ(0, f.req.in.nr);
	EXPECT_EQ(-EINVAL, parse_plain(&f, LOW, HDR, 8));
	EXPECT_EQ(-EINVAL, parse_plain(&f, LOW, HDR, 0));
	EXPECT_EQ(0, f.req.in.nr);

	start(&f);
	EXPECT_EQ(-EINVAL, parse(&f));
	EXPECT_EQ(0, f.req.in.nr);
	out(&f, LOW, HDR);
	EXPECT_EQ(-EINVAL, parse(&f));
	EXPECT_EQ(0, f.req.in.nr);
	start(&f);
	in(&f, HIGH, RESP);
	EXPECT_EQ(-EINVAL, parse(&f));
	EXPECT_EQ(RESP, rest(f.req.in));
	fixture_free(&f);
}

/* 5.6.6.1: that wants VIRTIO_SCSI_F_INOUT, which is not offered. */
TEST(request, both_directions)
{
	struct fixture f;

	fixture_init(&f);
	EXPECT_EQ(-EINVAL, parse_plain(&f, LOW, HDR + 1, RESP + 1));
	EXPECT_EQ(-EINVAL, parse_plain(&f, LOW, HDR + 512, RESP + 512));
	EXPECT_EQ(RESP + 512, rest(f.req.in));
	EXPECT_EQ(0, parse_plain(&f, LOW, HDR + 1, RESP));
	EXPECT_EQ(0, parse_plain(&f, LOW, HDR, RESP + 1));
	fixture_free(&f);
}

TEST(request, data_limit)
{
	struct fixture f;
	int i;

	fixture_init(&f);
	start(&f);
	out(&f, LOW, HDR);
	out(&f, HOLE, MAX_DATA);
	in(&f, HIGH, RESP);
	expect_good(&f, MAX_DATA, 0);

	start(&f);
	out(&f, LOW, HDR);
	out(&f, HOLE, MAX_DATA);
	out(&f, HOLE, 1);
	in(&f, HIGH, RESP);
	EXPECT_EQ(-EMSGSIZE, parse(&f));

	start(&f);
	out(&f, LOW, HDR);
	in(&f, HIGH, RESP);
	in(&f, HOLE, MAX_DATA);
	expect_good(&f, 0, MAX_DATA);
	in(&f, HOLE, 1);
	EXPECT_EQ(-EMSGSIZE, parse(&f));
	EXPECT_EQ(RESP + MAX_DATA + 1, rest(f.req.in));

	/* A sum that 32 bits do not hold. */
	start(&f);
	out(&f, LOW, HDR);
	in(&f, HIGH, RESP);
	for (i = 0; i < 16; i++)
		in(&f, HOLE, 0x10000000);
	EXPECT_EQ(-EMSGSIZE, parse(&f));
	start(&f);
	out(&f, LOW, HDR);
	for (i = 0; i < 16; i++)
		out(&f, HOLE, 0x10000000);
	in(&f, HIGH, RESP);
	EXPECT_EQ(-EMSGSIZE, parse(&f));
	fixture_free(&f);
}

TEST(request, malformed)
{
	struct fixture f;

	fixture_init(&f);
	start(&f);
	out(&f, LOW, HDR);
	in(&f, HIGH, RESP);
	f.chain.malformed = true;
	EXPECT_EQ(-EINVAL, parse(&f));
	EXPECT_EQ(0x1234, f.req.head);
	expect_piece(&f.req.in, HIGH, RESP);
	fixture_free(&f);
}

/* Chains whose pieces, cut at region borders, are as many as there is room. */
TEST(request, too_many_pieces)
{
	struct fixture f;

	fixture_init(&f);
	f.chain.max = 4;
	free(f.iov);
	/* Exactly as much as there is, for the sanitizers. */
	f.iov = calloc(2 * 4, sizeof(*f.iov));
	put(&f, HIGH - 10, &f.hdr, HDR);

	start(&f);
	out(&f, HIGH - 10, HDR);
	in(&f, HIGH - 54, RESP);
	in(&f, HIGH - 1, 2);
	in(&f, HIGH - 1, 2);
	expect_good(&f, 0, 4);
	EXPECT_EQ(2 * 3, f.req.in.nr);

	/* One more: into the hole. That one of the readable ones does not fit. */
	start(&f);
	out(&f, HIGH - 10, HDR + PAGE_SIZE);
	in(&f, HIGH - 54, RESP);
	in(&f, HIGH - 1, 2);
	in(&f, HIGH - 1, 2);
	EXPECT_EQ(-EINVAL, parse(&f));
	EXPECT_EQ(2 * 3, f.req.in.nr);
	EXPECT_EQ(RESP + 4, rest(f.req.in));

	/* ... of the writable ones: those that fit are kept. */
	start(&f);
	in(&f, HIGH - 54, RESP);
	in(&f, HIGH - 1, PAGE_SIZE + 2);
	in(&f, HIGH - 1, PAGE_SIZE + 2);
	in(&f, HIGH - 1, 2);
	EXPECT_EQ(-EINVAL, parse(&f));
	EXPECT_EQ(8, f.req.in.nr);
	EXPECT_EQ(RESP + 2 * (PAGE_SIZE + 2), rest(f.req.in));
	fixture_free(&f);
}

struct lun_form {
	u8 lun[8];
	int ret;
	u8 target;
	u16 nr;
};

/* SAM-5 4.7.7; all of them are in test_address.c. */
static const struct lun_form lun_forms[] = {
	{ { 1, 0, 0, 0 }, 0, 0, 0 },
	{ { 1, 255, 0, 255 }, 0, 255, 255 },
	{ { 1, 3, 0x40, 255 }, 0, 3, 255 },
	{ { 1, 3, 0x7f, 0xff }, 0, 3, 16383 },
	{ { 0, 3, 0x40, 0 }, -ENODEV, 0, 0 },
	{ { 0xc1, 1 }, -ENODEV, 0, 0 },
	{ { 1, 3, 0x01, 0 }, -ENODEV, 0, 0 },
	{ { 1, 3, 0x80, 0 }, -ENODEV, 0, 0 },
	{ { 1, 3, 0xc0, 0 }, -ENODEV, 0, 0 },
	{ { 1, 3, 0x40, 0, 1, 0, 0, 0 }, -ENODEV, 0, 0 },
	{ { 1, 3, 0x40, 0, 0, 0, 0, 1 }, -ENODEV, 0, 0 },
};

TEST(request, lun)
{
	struct fixture f;
	unsigned int i;

	fixture_init(&f);
	for (i = 0; i < ARRAY_SIZE(lun_forms); i++) {
		put(&f, LOW, lun_forms[i].lun, 8);
		EXPECT_EQ(lun_forms[i].ret, parse_plain(&f, LOW, HDR, RESP));
		EXPECT_EQ(RESP, rest(f.req.in));
		if (lun_forms[i].ret)
			continue;
		EXPECT_EQ(lun_forms[i].target, f.req.target);
		EXPECT_EQ(lun_forms[i].nr, f.req.lun);
	}
	fixture_free(&f);
}

/* Documentation/errors.rst: of several faults the first is told. */
TEST(request, order_of_checks)
{
	static const u8 no_lun[8];
	struct fixture f;

	fixture_init(&f);
	put(&f, LOW, no_lun, 8);
	EXPECT_EQ(-EINVAL, parse_plain(&f, HOLE, HDR - 1, RESP));
	EXPECT_EQ(-EFAULT, parse_plain(&f, HOLE, HDR + MAX_DATA + 1, RESP + MAX_DATA + 1));
	EXPECT_EQ(-ENODEV, parse_plain(&f, LOW, HDR + MAX_DATA + 1, RESP + MAX_DATA + 1));
	EXPECT_EQ(-ENODEV, parse_plain(&f, LOW, HDR + 1, RESP + 1));
	put(&f, LOW, &f.hdr, 8);
	EXPECT_EQ(-EMSGSIZE, parse_plain(&f, LOW, HDR + MAX_DATA + 1, RESP + 1));
	EXPECT_EQ(-EMSGSIZE, parse_plain(&f, LOW, HDR + 1, RESP + MAX_DATA + 1));
	EXPECT_EQ(-EINVAL, parse_plain(&f, LOW, HDR + MAX_DATA, RESP + MAX_DATA));
	fixture_free(&f);
}

/*
 * Control requests.
 */

#define TMF		VIRTIO_SCSI_T_TMF
#define QUERY		VIRTIO_SCSI_T_AN_QUERY
#define SUBSCRIBE	VIRTIO_SCSI_T_AN_SUBSCRIBE
#define TMF_LEN		((int)sizeof(struct virtio_scsi_ctrl_tmf_req))
#define AN_LEN		((int)sizeof(struct virtio_scsi_ctrl_an_req))

static const u8 lun_field[8] = { 1, 9, 0x50, 6 };

static void put_tmf(const struct fixture *f, u64 gpa, bool le)
{
	struct virtio_scsi_ctrl_tmf_req req = {
		.type = __cpu_to_virtio32(le, TMF),
		.subtype = __cpu_to_virtio32(le, 0x01020304),
		.tag = __cpu_to_virtio64(le, 0x1122334455667788),
	};

	memcpy(req.lun, lun_field, sizeof(req.lun));
	put(f, gpa, &req, sizeof(req));
}

static void put_an(const struct fixture *f, u64 gpa, bool le, u32 type)
{
	struct virtio_scsi_ctrl_an_req req = {
		.type = __cpu_to_virtio32(le, type),
		.event_requested = 0xffffffff,
	};

	memcpy(req.lun, lun_field, sizeof(req.lun));
	put(f, gpa, &req, sizeof(req));
}

static u8 control(struct fixture *f, bool le)
{
	return vhost_scsi_control_parse(f->mem, &f->chain, f->iov, le, &f->ctl);
}

/* @len bytes at @gpa, room for @resp_len; the answer has the format of @type. */
static void expect_control(struct fixture *f, u8 code, u32 type, u64 gpa,
			   u32 len, u32 resp_len)
{
	start(f);
	out(f, gpa, len);
	in(f, HIGH + 0x800, resp_len);
	EXPECT_EQ(code, control(f, true));
	EXPECT_EQ(type, f->ctl.type);
	EXPECT_EQ(0x1234, f->ctl.head);
	EXPECT_EQ(resp_len, f->ctl.in_len);
	EXPECT_EQ(resp_len, rest(f->ctl.in));
}

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

TEST(control, tmf)
{
	struct fixture f;
	int le;

	fixture_init(&f);
	for (le = 0; le < 2; le++) {
		put_tmf(&f, LOW, le);
		start(&f);
		out(&f, LOW, TMF_LEN);
		in(&f, HIGH, 1);
		EXPECT_EQ(VIRTIO_SCSI_S_OK, control(&f, le));
		EXPECT_EQ(TMF, f.ctl.type);
		EXPECT_EQ(0x01020304, f.ctl.subtype);
		EXPECT_EQ(0x1122334455667788, f.ctl.tag);
		EXPECT_EQ(9, f.ctl.target);
		EXPECT_EQ(0x1006, f.ctl.lun);
		EXPECT_EQ(0x1234, f.ctl.head);
		EXPECT_EQ(1, f.ctl.in_len);
		expect_piece(&f.ctl.in, HIGH, 1);
	}
	fixture_free(&f);
}

TEST(control, notification)
{
	struct fixture f;
	int le;
	u32 type;

	fixture_init(&f);
	for (le = 0; le < 2; le++) {
		for (type = QUERY; type <= SUBSCRIBE; type++) {
			put_an(&f, LOW, le, type);
			start(&f);
			out(&f, LOW, AN_LEN);
			in(&f, HIGH, 5);
			EXPECT_EQ(VIRTIO_SCSI_S_OK, control(&f, le));
			EXPECT_EQ(type, f.ctl.type);
			EXPECT_EQ(9, f.ctl.target);
			EXPECT_EQ(0x1006, f.ctl.lun);
			expect_piece(&f.ctl.in, HIGH, 5);
		}
	}
	fixture_free(&f);
}

TEST(control, sizes)
{
	struct fixture f;
	u32 type;

	fixture_init(&f);
	put_tmf(&f, LOW, true);
	expect_control(&f, VIRTIO_SCSI_S_OK, TMF, LOW, 24, 1);
	/* Longer than need be is no fault. */
	expect_control(&f, VIRTIO_SCSI_S_OK, TMF, LOW, 25, 100);
	expect_control(&f, VIRTIO_SCSI_S_FAILURE, TMF, LOW, 23, 1);
	expect_control(&f, VIRTIO_SCSI_S_FAILURE, TMF, LOW, 4, 1);
	expect_control(&f, VIRTIO_SCSI_S_FAILURE, TMF, LOW, 3, 1);
	expect_control(&f, VIRTIO_SCSI_S_FAILURE, TMF, LOW, 0, 1);
	expect_control(&f, VIRTIO_SCSI_S_FAILURE, TMF, LOW, 24, 0);

	for (type = QUERY; type <= SUBSCRIBE; type++) {
		put_an(&f, LOW, true, type);
		expect_control(&f, VIRTIO_SCSI_S_OK, type, LOW, 16, 5);
		expect_control(&f, VIRTIO_SCSI_S_OK, type, LOW, 17, 6);
		expect_control(&f, VIRTIO_SCSI_S_OK, type, LOW, 25, 6);
		expect_control(&f, VIRTIO_SCSI_S_FAILURE, type, LOW, 15, 5);
		expect_control(&f, VIRTIO_SCSI_S_FAILURE, type, LOW, 16, 4);
		expect_control(&f, VIRTIO_SCSI_S_FAILURE, type, LOW, 16, 0);
		expect_control(&f, VIRTIO_SCSI_S_FAILURE, type, LOW, 4, 5);
		/* Not even the type: the format of a task management answer. */
		expect_control(&f, VIRTIO_SCSI_S_FAILURE, TMF, LOW, 3, 5);
	}
	fixture_free(&f);
}

TEST(control, unknown_type)
{
	static const u32 types[] = { 3, 0x100, 0x01000000, 0xffffffff };
	struct fixture f;
	unsigned int i;

	fixture_init(&f);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		put_an(&f, LOW, true, types[i]);
		expect_control(&f, VIRTIO_SCSI_S_FUNCTION_REJECTED, TMF, LOW,
			       24, 5);
		expect_control(&f, VIRTIO_SCSI_S_FUNCTION_REJECTED, TMF, LOW,
			       4, 0);
	}
	fixture_free(&f);
}

TEST(control, in_pieces)
{
	struct fixture f;
	int size, i, n;

	fixture_init(&f);
	put_tmf(&f, LOW, true);
	for (size = 1; size < TMF_LEN; size++) {
		start(&f);
		for (i = 0; i < TMF_LEN; i += n) {
			n = min(size, TMF_LEN - i);
			out(&f, LOW + i, n);
		}
		in(&f, HIGH, 1);
		EXPECT_EQ(VIRTIO_SCSI_S_OK, control(&f, true));
		EXPECT_EQ(0x1122334455667788, f.ctl.tag);
		EXPECT_EQ(0x1006, f.ctl.lun);
	}
	for (i = 0; i <= TMF_LEN; i++) {
		put_tmf(&f, HIGH - i, true);
		expect_control(&f, VIRTIO_SCSI_S_OK, TMF, HIGH - i, TMF_LEN, 1);
		EXPECT_EQ(0x1122334455667788, f.ctl.tag);
	}
	fixture_free(&f);
}

TEST(control, outside_of_memory)
{
	struct fixture f;

	fixture_init(&f);
	put_tmf(&f, END - 24, true);
	expect_control(&f, VIRTIO_SCSI_S_OK, TMF, END - 24, 24, 1);
	expect_control(&f, VIRTIO_SCSI_S_FAILURE, TMF, END - 23, 24, 1);
	expect_control(&f, VIRTIO_SCSI_S_FAILURE, TMF, END, 24, 1);
	expect_control(&f, VIRTIO_SCSI_S_FAILURE, TMF, HOLE, 4, 1);
	put_an(&f, END - 16, true, QUERY);
	expect_control(&f, VIRTIO_SCSI_S_OK, QUERY, END - 16, 16, 5);
	expect_control(&f, VIRTIO_SCSI_S_FAILURE, TMF, END - 15, 16, 5);

	put_tmf(&f, HIGH - 23, true);
	user_gap(f.high);
	expect_control(&f, VIRTIO_SCSI_S_FAILURE, TMF, HIGH - 23, 24, 1);
	expect_control(&f, VIRTIO_SCSI_S_FAILURE, TMF, HIGH, 24, 1);
	fixture_free(&f);
}

TEST(control, malformed)
{
	struct fixture f;

	fixture_init(&f);
	put_an(&f, LOW, true, QUERY);
	start(&f);
	out(&f, LOW, AN_LEN);
	in(&f, HIGH, 5);
	f.chain.malformed = true;
	EXPECT_EQ(VIRTIO_SCSI_S_FAILURE, control(&f, true));
	EXPECT_EQ(TMF, f.ctl.type);
	EXPECT_EQ(5, rest(f.ctl.in));
	fixture_free(&f);
}

TEST(control, too_many_pieces)
{
	struct fixture f;
	int i;

	fixture_init(&f);
	f.chain.max = 2;
	free(f.iov);
	f.iov = calloc(2 * 2, sizeof(*f.iov));
	start(&f);
	for (i = 0; i < 2; i++)
		in(&f, HIGH - 1, PAGE_SIZE + 2);
	EXPECT_EQ(VIRTIO_SCSI_S_FAILURE, control(&f, true));
	EXPECT_EQ(4, f.ctl.in.nr);
	EXPECT_EQ(2 * (PAGE_SIZE + 2), f.ctl.in_len);
	fixture_free(&f);
}

TEST(control, lun)
{
	struct fixture f;
	unsigned int i;

	fixture_init(&f);
	for (i = 0; i < ARRAY_SIZE(lun_forms); i++) {
		const struct lun_form *form = &lun_forms[i];
		u8 code = form->ret ? VIRTIO_SCSI_S_BAD_TARGET :
				      VIRTIO_SCSI_S_OK;

		put_tmf(&f, LOW, true);
		put(&f, LOW + 8, form->lun, 8);
		expect_control(&f, code, TMF, LOW, 24, 1);
		EXPECT(code || (f.ctl.target == form->target &&
				f.ctl.lun == form->nr));
		put_an(&f, LOW, true, SUBSCRIBE);
		put(&f, LOW + 4, form->lun, 8);
		expect_control(&f, code, SUBSCRIBE, LOW, 16, 5);
		EXPECT(code || (f.ctl.target == form->target &&
				f.ctl.lun == form->nr));
	}
	fixture_free(&f);
}

/*
 * By chance, with a fixed seed.
 */

#define RUNS	UNIT_TIMES(30000, 60)

/* Bytes at @off of the first region, as parse_run() reads a descriptor. */
static u8 *make_desc(u8 *p, u8 off, u8 len)
{
	*p++ = 1;
	*p++ = off;
	*p++ = 5;
	*p++ = len;
	return p;
}

/* Memory with a LUN field at @off; a region of 1021 bytes, and one that follows. */
static u8 *make_memory(u8 *p, u64 *rnd, unsigned int off)
{
	u8 *lun = p + 1 + off;

	*p++ = unit_below(rnd, 4);
	lun[0] = 1;
	lun[1] = unit_random(rnd);
	lun[3] = unit_random(rnd);
	p += 96;
	*p++ = 2;
	p += 3;
	*p++ = 255;
	*p++ = unit_below(rnd, 32);
	p += 2;
	*p++ = 255;
	return p;
}

/* A right request, or a right control request, as parse_run()'s input. */
static void make_right(u8 *p, u64 *rnd)
{
	unsigned int cuts = unit_below(rnd, 5), i, off = 0;
	bool is_control = unit_below(rnd, 2);
	unsigned int len = is_control ? 24 : 51;
	u8 resp = is_control ? 1 : 108, part;

	p = make_memory(p, rnd, is_control ? 8 : 0);
	*p++ = 15;
	*p++ = unit_random(rnd);
	*p++ = cuts + 1;
	*p++ = 1 + unit_below(rnd, 2);
	for (i = 0; i < cuts; i++, off += part) {
		part = unit_below(rnd, len - off + 1);
		p = make_desc(p, off, part);
	}
	p = make_desc(p, off, len - off + unit_below(rnd, 4) / 3);
	p = make_desc(p, 200, resp);
	make_desc(p, unit_random(rnd), unit_random(rnd));
}

/* Data anywhere, of any length. */
static u8 *make_data(u8 *p, u64 *rnd)
{
	static const u8 kinds[] = { 1, 2, 5, 5 };

	*p++ = 1 | (unit_random(rnd) & 6);
	*p++ = unit_random(rnd);
	*p++ = kinds[unit_below(rnd, 4)];
	*p++ = unit_below(rnd, 4);
	if (p[-2] == 1)
		*p++ = unit_random(rnd);
	return p;
}

/* What vhost_scsi_request_usual() takes, or nearly so. */
static void make_usual(u8 *p, u64 *rnd)
{
	bool in = unit_below(rnd, 2);

	p = make_memory(p, rnd, 0);
	*p++ = 15;
	*p++ = unit_random(rnd);
	*p++ = in ? 1 : 2;
	*p++ = in ? 2 : 1;
	p = make_desc(p, 0, 51);
	if (!in)
		p = make_data(p, rnd);
	p = make_desc(p, 200, 108);
	if (in)
		make_data(p, rnd);
}

TEST(request, any_bytes)
{
	static u8 data[200];
	u64 rnd = 0x5eed0006;
	unsigned int n, i, right = 0;

	for (n = 0; n < RUNS; n++) {
		memset(data, 0, sizeof(data));
		if (n % 4 == 3)
			make_usual(data, &rnd);
		else if (n % 4)
			make_right(data, &rnd);
		else
			unit_likely_bytes(data, sizeof(data), &rnd);
		/* Right but for so many bytes. */
		for (i = unit_below(&rnd, 4); i; i--)
			data[unit_below(&rnd, sizeof(data))] = unit_random(&rnd);
		right += parse_run(data, sizeof(data));
	}
	/* Neither kind is rare. */
	EXPECT(right > RUNS / 4 && right < RUNS);
}
