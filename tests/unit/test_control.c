// SPDX-License-Identifier: GPL-2.0-only
/*
 * parse.c: control requests in every correct layout, and in each wrong one.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include "parse_fixture.h"

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
