// SPDX-License-Identifier: GPL-2.0-only
/*
 * parse.c: requests in every correct layout, in each wrong one, and made of random
 * bytes.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include "parse_fixture.h"

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
						    f.format, &f.req));
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
