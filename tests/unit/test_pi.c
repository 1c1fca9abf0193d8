// SPDX-License-Identifier: GPL-2.0-only
/*
 * parse.c: requests with VIRTIO_SCSI_F_T10_PI, which have two sizes in the header and
 * protection information before the data (virtio 1.3, 5.6.6.1).
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include "parse_fixture.h"

#define HDR_PI	((int)sizeof(struct virtio_scsi_cmd_req_pi))

/* The header of 59 bytes at LOW. */
static void put_sizes(struct fixture *f, bool le, u32 pi_out, u32 pi_in)
{
	struct virtio_scsi_cmd_req_pi wire;

	EXPECT_EQ(59, HDR_PI);
	memcpy(&wire, &f->hdr, offsetof(struct virtio_scsi_cmd_req, cdb));
	memcpy(wire.cdb, f->hdr.cdb, sizeof(wire.cdb));
	wire.pi_bytesout = __cpu_to_virtio32(le, pi_out);
	wire.pi_bytesin = __cpu_to_virtio32(le, pi_in);
	put(f, LOW, &wire, sizeof(wire));
	f->format = le ? VHOST_SCSI_HEADER_PI_LE : VHOST_SCSI_HEADER_PI_BE;
}

/* @out and @in: bytes behind header and response. */
static int parse_sizes(struct fixture *f, u32 pi_out, u32 pi_in, u64 out_len,
		       u64 in_len)
{
	put_sizes(f, true, pi_out, pi_in);
	start(f);
	out(f, LOW, HDR_PI);
	if (out_len)
		out(f, HOLE, out_len);
	in(f, HIGH, RESP);
	if (in_len)
		in(f, HOLE, in_len);
	return parse(f);
}

static void expect_pi(struct fixture *f, u32 pi, u64 data_out, u64 data_in)
{
	EXPECT(!memcmp(&f->req.hdr, &f->hdr, HDR));
	EXPECT_EQ(7, f->req.target);
	EXPECT_EQ(0x102, f->req.lun);
	EXPECT_EQ(pi, f->req.pi);
	EXPECT_EQ(data_out, f->req.data_out);
	EXPECT_EQ(data_in, f->req.data_in);
	EXPECT_EQ((data_out ? pi : 0) + data_out, rest(f->req.out));
	EXPECT_EQ(RESP + (data_in ? pi : 0) + data_in, rest(f->req.in));
}

TEST(request, pi_out)
{
	struct fixture f;

	fixture_init(&f);
	EXPECT_EQ(0, parse_sizes(&f, 64, 0, 64 + 8 * 512, 0));
	expect_pi(&f, 64, 8 * 512, 0);
	/* Blocks of 4096 bytes. */
	EXPECT_EQ(0, parse_sizes(&f, 8, 0, 8 + 4096, 0));
	expect_pi(&f, 8, 4096, 0);
	fixture_free(&f);
}

TEST(request, pi_in)
{
	struct fixture f;

	fixture_init(&f);
	EXPECT_EQ(0, parse_sizes(&f, 0, 64, 0, 64 + 8 * 512));
	expect_pi(&f, 64, 0, 8 * 512);
	expect_piece(&f.req.in, HIGH, RESP);
	expect_piece(&f.req.in, HOLE, 64 + 8 * 512);
	fixture_free(&f);
}

/* A guest that has negotiated it need not use it. */
TEST(request, pi_none)
{
	struct fixture f;

	fixture_init(&f);
	EXPECT_EQ(0, parse_sizes(&f, 0, 0, 0, 0));
	expect_pi(&f, 0, 0, 0);
	EXPECT_EQ(0, parse_sizes(&f, 0, 0, 5, 0));
	expect_pi(&f, 0, 5, 0);
	EXPECT_EQ(0, parse_sizes(&f, 0, 0, 0, 4096));
	expect_pi(&f, 0, 0, 4096);
	fixture_free(&f);
}

/* The sizes are in the byte order of the ring, and no others are in the other one. */
TEST(request, pi_byte_order)
{
	struct fixture f;

	fixture_init(&f);
	put_sizes(&f, false, 64, 0);
	start(&f);
	out(&f, LOW, HDR_PI);
	out(&f, HOLE, 64 + 4096);
	in(&f, HIGH, RESP);
	EXPECT_EQ(0, parse(&f));
	expect_pi(&f, 64, 4096, 0);
	f.format = VHOST_SCSI_HEADER_PI_LE;
	EXPECT_EQ(-EINVAL, parse(&f));
	fixture_free(&f);
}

/* 59 bytes, cut anywhere, and not one less. */
TEST(request, pi_header)
{
	struct fixture f;
	int cut;

	fixture_init(&f);
	put_sizes(&f, true, 0, 8);
	for (cut = 1; cut < HDR_PI; cut++) {
		start(&f);
		out(&f, LOW, cut);
		out(&f, LOW + cut, HDR_PI - cut);
		in(&f, HIGH, RESP + 8 + 512);
		EXPECT_EQ(0, parse(&f));
		expect_pi(&f, 8, 0, 512);
	}
	for (cut = HDR; cut < HDR_PI; cut++) {
		start(&f);
		out(&f, LOW, cut);
		in(&f, HIGH, RESP + 8 + 512);
		EXPECT_EQ(-EINVAL, parse(&f));
	}
	start(&f);
	out(&f, HOLE, HDR_PI);
	in(&f, HIGH, RESP);
	EXPECT_EQ(-EFAULT, parse(&f));
	fixture_free(&f);
}

/* Sizes that the chain does not have, or that cannot be. */
TEST(request, pi_hostile_sizes)
{
	static const struct {
		u32 pi_out, pi_in;
		u64 out, in;
	} bad[] = {
		/* more than the buffer */
		{ 8, 0, 0, 0 },
		{ 0, 8, 0, 0 },
		{ 8, 0, 7, 0 },
		{ 4096 + 8, 0, 4096, 0 },
		{ 0, 0xfffffff8, 0, 4096 },
		{ 0xfffffff8, 0, 4096, 0 },
		/* that of the other direction */
		{ 8, 0, 0, 8 + 512 },
		{ 0, 8, 8 + 512, 0 },
		/* both */
		{ 8, 8, 8 + 512, 8 + 512 },
		{ 8, 8, 8 + 512, 0 },
		{ 8, 8, 0, 8 + 512 },
		{ 0xfffffff8, 8, 0, 8 + 512 },
		/* no whole tuples */
		{ 1, 0, 8 + 512, 0 },
		{ 7, 0, 8 + 512, 0 },
		{ 9, 0, 16 + 1024, 0 },
		{ 0, 12, 0, 16 + 1024 },
		/* without data, or with too little */
		{ 8, 0, 8, 0 },
		{ 0, 8, 0, 8 },
		{ 8, 0, 8 + 511, 0 },
		{ 0, 16, 0, 16 + 1023 },
		{ 0, 64, 0, 64 + 4095 },
		{ 2048, 0, 4096, 0 },
		/* and data in the other direction */
		{ 8, 0, 8 + 512, 512 },
		{ 0, 8, 512, 8 + 512 },
	};
	struct fixture f;
	unsigned int i;

	fixture_init(&f);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, parse_sizes(&f, bad[i].pi_out, bad[i].pi_in,
					       bad[i].out, bad[i].in));
	/* As much of the answer as fits goes there. */
	EXPECT_EQ(0x1234, f.req.head);
	expect_piece(&f.req.in, HIGH, RESP);
	/* The LUN is looked at first. */
	f.hdr.lun[0] = 0;
	EXPECT_EQ(-ENODEV, parse_sizes(&f, 1, 1, 0, 0));
	fixture_free(&f);
}

/* The limit is of the data; each block of it may have a tuple. */
TEST(request, pi_data_limit)
{
	const u32 most = MAX_DATA / 512 * 8;
	struct fixture f;

	fixture_init(&f);
	EXPECT_EQ(0, parse_sizes(&f, most, 0, most + MAX_DATA, 0));
	expect_pi(&f, most, MAX_DATA, 0);
	EXPECT_EQ(0, parse_sizes(&f, 0, most, 0, most + MAX_DATA));
	expect_pi(&f, most, 0, MAX_DATA);
	EXPECT_EQ(-EMSGSIZE, parse_sizes(&f, most, 0, most + MAX_DATA + 1, 0));
	EXPECT_EQ(-EMSGSIZE, parse_sizes(&f, 0, most, 0, most + MAX_DATA + 1));
	EXPECT_EQ(-EINVAL, parse_sizes(&f, most + 8, 0, most + 8 + MAX_DATA, 0));
	fixture_free(&f);
}
