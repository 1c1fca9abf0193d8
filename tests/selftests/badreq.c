// SPDX-License-Identifier: GPL-2.0-only
/* Proves: a malformed request is returned once, has no effect, and harms no later request. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "support.h"

#define T 1
#define L 0

/* Far outside of every region that the tests make. */
#define NOWHERE 0x7000000000ULL

/* A region of its own, of which a test can take the pages away. */
#define HOLE_GPA 0x1000000000ULL
#define HOLE_SIZE (16 << 12)

int suite_setup(void)
{
	return lio_suite("ramdisk a 16; tpg " WWN_A " 1; lun " WWN_A
			 " 1 0 a");
}

void suite_teardown(void)
{
	lio_suite_end();
}

/**
 * struct bad - a started guest
 * @good: for requests that must work
 * @req: the bad one
 * @seed: of the pattern that is on the disk
 */
FIXTURE(bad)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *good;
	struct vsg_req *req;
	uint32_t seed;
};

FIXTURE_SETUP(bad)
{
	struct vsg_opts opts = { .ring_size = 256 };

	ASSERT_EQ(0, vsg_open(&self->dev, &opts));
	ASSERT_EQ(0, vsg_mem_add(&self->dev->mem, HOLE_GPA, HOLE_SIZE, 0));
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	self->r = vsg_io(self->dev, 0);
	ready(self->r, T, L);
	self->good = request(self->dev, 8192, 8192);
	self->req = request(self->dev, 8192, 8192);
	self->seed = 1;
	write_pattern(self->r, self->good, T, L, 0, 16, self->seed);
}

FIXTURE_TEARDOWN(bad)
{
	guest_end(self->dev);
}

/* A write over what is on the disk, to be spoiled by the caller. */
static void bad_write(struct bad *self)
{
	vsg_pattern(self->req->data_out, 8192, 0, 4711);
	vsg_cmd_rw(self->req, T, L, true, 0, 16, BLOCK);
}

/* Gives the chain to the device, which must give it back. */
static void bad_run(struct bad *self)
{
	ASSERT_EQ(0, vsg_exec(self->r, self->req, WAIT_MS));
}

/* The disk is as it was, and the queue works. */
static void bad_check(struct bad *self)
{
	check_pattern(self->r, self->good, T, L, 0, 16, self->seed);
	self->seed++;
	write_pattern(self->r, self->good, T, L, 0, 16, self->seed);
	check_pattern(self->r, self->good, T, L, 0, 16, self->seed);
}

static void bad_response(struct bad *self, uint8_t response)
{
	struct vsg_result res = vsg_result(self->req);

	EXPECT_EQ(response, res.response);
	EXPECT_EQ(VSG_RESP_LEN, self->req->tok.len);
	if (res.response != VIRTIO_SCSI_S_OK)
		EXPECT_EQ(0, res.sense_len);
}

static uint64_t gpa(const struct bad *self, const void *p)
{
	return vsg_gpa(&self->dev->mem, p);
}

TEST_F(bad, response_too_small)
{
	static const uint32_t sizes[] = { 1, 4, 8, 11, 12, 13, 36, 107 };
	const uint8_t *resp = (uint8_t *)self->req->resp;
	unsigned int cut;
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		/* In one descriptor, and cut into two. */
		for (cut = 0; cut < 2 && cut < sizes[i]; cut++) {
			WHERE("response of %u bytes, cut at %u", sizes[i], cut);
			bad_write(self);
			self->req->nseg--;
			if (cut)
				vsg_req_seg(self->req, gpa(self, resp), cut,
					    VRING_DESC_F_WRITE);
			vsg_req_seg(self->req, gpa(self, resp) + cut,
				    sizes[i] - cut, VRING_DESC_F_WRITE);
			bad_run(self);
			EXPECT_EQ(sizes[i], self->req->tok.len);
			if (sizes[i] >= 12)
				EXPECT_EQ(VIRTIO_SCSI_S_FAILURE,
					  self->req->resp->response);
			for (k = sizes[i]; k < VSG_RESP_LEN; k++)
				if (resp[k] != VSG_POISON)
					break;
			EXPECT_EQ(VSG_RESP_LEN, k);
			bad_check(self);
		}
	}
}

TEST_F(bad, no_response)
{
	unsigned int direct;

	for (direct = 0; direct < 2; direct++) {
		WHERE("no writable descriptor, direct %u", direct);
		bad_write(self);
		self->req->nseg--;
		vsg_req_direct(self->req, direct);
		bad_run(self);
		EXPECT_EQ(0, self->req->tok.len);
		bad_check(self);
	}
	WHERE("response of length zero");
	bad_write(self);
	self->req->seg[2].len = 0;
	bad_run(self);
	EXPECT_EQ(0, self->req->tok.len);
	bad_check(self);
	WHERE("nothing but a descriptor of length zero");
	self->req->nseg = 0;
	vsg_req_seg(self->req, gpa(self, self->req->hdr), 0, 0);
	bad_run(self);
	EXPECT_EQ(0, self->req->tok.len);
	bad_check(self);
}

TEST_F(bad, header_too_short)
{
	uint32_t len;

	for (len = 0; len < VSG_REQ_LEN; len += len < 4 ? 1 : 7) {
		WHERE("header of %u bytes", len);
		bad_write(self);
		self->req->nseg = 0;
		if (len)
			vsg_req_seg(self->req, gpa(self, self->req->hdr), len,
				    0);
		vsg_req_seg(self->req, gpa(self, self->req->resp),
			    VSG_RESP_LEN, VRING_DESC_F_WRITE);
		bad_run(self);
		bad_response(self, VIRTIO_SCSI_S_FAILURE);
		bad_check(self);
	}
	WHERE("header of 50 bytes and data-in");
	vsg_cmd_rw(self->req, T, L, false, 0, 16, BLOCK);
	self->req->seg[0].len = 50;
	bad_run(self);
	bad_response(self, VIRTIO_SCSI_S_FAILURE);
	bad_check(self);
}

enum part { HEADER, DATA_OUT, RESPONSE, DATA_IN };

static const char * const part_name[] = {
	"header", "data-out", "response", "data-in",
};

/* Puts a request's part at @at instead. */
static void move_part(struct bad *self, enum part part, uint64_t at,
		      uint32_t len)
{
	struct vsg_seg *seg;

	if (part == RESPONSE || part == DATA_IN) {
		vsg_cmd_rw(self->req, T, L, false, 0, 16, BLOCK);
		seg = &self->req->seg[part == RESPONSE ? 1 : 2];
	} else {
		bad_write(self);
		seg = &self->req->seg[part == HEADER ? 0 : 1];
	}
	seg->gpa = at;
	seg->len = len;
}

static void check_part(struct bad *self, enum part part)
{
	bad_run(self);
	if (part == RESPONSE)
		EXPECT_LE(self->req->tok.len, VSG_RESP_LEN);
	else
		bad_response(self, VIRTIO_SCSI_S_FAILURE);
	bad_check(self);
}

TEST_F_TIMEOUT(bad, outside_of_memory, 60)
{
	static const uint32_t part_len[] = { 51, 8192, 108, 8192 };
	const uint64_t end = self->dev->mem.region[0].size;
	const struct {
		const char *what;
		uint64_t gpa;
		uint32_t len;	/* 0: as long as the part is */
	} rows[] = {
		{ "where no region is", NOWHERE, 0 },
		{ "behind the last byte", end, 0 },
		{ "across the end of a region", end - 20, 0 },
		{ "across the end of the address space", -20ULL, 0 },
		{ "at the end of the address space", -8192ULL, 0 },
		{ "4 GiB long", 0, 0xffffffff },
		{ "in a hole between regions", HOLE_GPA - 20, 0 },
	};
	unsigned int part;
	size_t i;

	for (part = HEADER; part <= DATA_IN; part++) {
		for (i = 0; i < ARRAY_SIZE(rows); i++) {
			uint32_t len = rows[i].len ? rows[i].len : part_len[part];

			/* A header there would be any bytes. */
			if (rows[i].len && part != DATA_IN && part != DATA_OUT)
				continue;
			WHERE("%s %s", part_name[part], rows[i].what);
			move_part(self, part, rows[i].gpa, len);
			check_part(self, part);
		}
	}
}

/*
 * Memory that the table names and that is gone, or may not be written, in the
 * process: nobody is hurt but the request.
 */
TEST_F(bad, unmapped_memory)
{
	uint8_t *hole = self->dev->mem.region[1].hva;
	static const uint32_t part_len[] = { 51, 8192, 108, 8192 };
	unsigned int part;

	ASSERT_EQ(0, mprotect(hole, HOLE_SIZE, PROT_NONE));
	for (part = HEADER; part <= DATA_IN; part++) {
		WHERE("%s without access", part_name[part]);
		move_part(self, part, HOLE_GPA + 100, part_len[part]);
		check_part(self, part);
	}
	ASSERT_EQ(0, mprotect(hole, HOLE_SIZE, PROT_READ));
	for (part = RESPONSE; part <= DATA_IN; part++) {
		WHERE("%s read-only", part_name[part]);
		move_part(self, part, HOLE_GPA + 100, part_len[part]);
		check_part(self, part);
	}
	ASSERT_EQ(0, munmap(hole + 8192, HOLE_SIZE - 8192));
	for (part = HEADER; part <= DATA_IN; part++) {
		WHERE("%s not mapped", part_name[part]);
		move_part(self, part, HOLE_GPA + 8192, part_len[part]);
		check_part(self, part);
	}
	WHERE("data half mapped");
	ASSERT_EQ(0, mprotect(hole, 8192, PROT_READ | PROT_WRITE));
	move_part(self, DATA_IN, HOLE_GPA + 4096, 8192);
	check_part(self, DATA_IN);
	move_part(self, DATA_OUT, HOLE_GPA + 4096, 8192);
	check_part(self, DATA_OUT);
	/* The rest was unmapped above. */
	self->dev->mem.region[1].size = 8192;
}

/* Without VIRTIO_SCSI_F_INOUT a request has data in one direction only. */
TEST_F(bad, both_directions)
{
	uint8_t cdb[16];

	WHERE("WRITE with data-in as well");
	vsg_pattern(self->req->data_out, 8192, 0, 4711);
	vsg_req_cmd(self->req, T, L, cdb,
		    vsg_cdb_rw(cdb, VSG_WRITE_10, 0, 16), 8192, 512);
	bad_run(self);
	bad_response(self, VIRTIO_SCSI_S_FAILURE);
	bad_check(self);
	WHERE("READ with data-out as well");
	vsg_req_cmd(self->req, T, L, cdb,
		    vsg_cdb_rw(cdb, VSG_READ_10, 0, 16), 512, 8192);
	bad_run(self);
	bad_response(self, VIRTIO_SCSI_S_FAILURE);
	bad_check(self);
}

/* The LUN field (virtio 1.2, 5.6.6.1): 1, target, LUN, zeroes. */
TEST_F(bad, lun_field)
{
	static const struct {
		const char *what;
		uint8_t lun[8];
	} rows[] = {
		{ "first byte 0", { 0, 1, 0x40, 0 } },
		{ "first byte 2", { 2, 1, 0x40, 0 } },
		{ "first byte 0xff", { 0xff, 1, 0x40, 0 } },
		{ "target 2, which is not there", { 1, 2, 0x40, 0 } },
		{ "target 0, which is not there", { 1, 0, 0x40, 0 } },
		{ "target 255, which is not there", { 1, 255, 0x40, 0 } },
		{ "address method 2", { 1, 1, 0x80, 0 } },
		{ "address method 3", { 1, 1, 0xc1, 0 } },
		{ "another well known LUN", { 0xc1, 2, 0, 0 } },
		{ "the well known LUN, and more", { 0xc1, 1, 0, 1 } },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		WHERE("%s", rows[i].what);
		bad_write(self);
		memcpy(self->req->hdr->lun, rows[i].lun, 8);
		bad_run(self);
		bad_response(self, VIRTIO_SCSI_S_BAD_TARGET);
		bad_check(self);
		vsg_cmd_rw(self->req, T, L, false, 0, 16, BLOCK);
		memcpy(self->req->hdr->lun, rows[i].lun, 8);
		bad_run(self);
		bad_response(self, VIRTIO_SCSI_S_BAD_TARGET);
	}
}

/* The CDB wants more than the buffers hold (virtio 1.2, 5.6.6.1.1). */
TEST_F(bad, cdb_wants_more)
{
	static const struct {
		const char *what;
		uint8_t opcode;
		uint32_t blocks;
		uint32_t out;
		uint32_t in;
	} rows[] = {
		{ "READ(10), half the buffer", VSG_READ_10, 16, 0, 4096 },
		{ "READ(10), a byte is missing", VSG_READ_10, 16, 0, 8191 },
		{ "READ(10), no buffer", VSG_READ_10, 16, 0, 0 },
		{ "READ(16), one byte", VSG_READ_16, 16, 0, 1 },
		{ "WRITE(10), half the buffer", VSG_WRITE_10, 16, 4096, 0 },
		{ "WRITE(10), a byte is missing", VSG_WRITE_10, 16, 8191, 0 },
		{ "WRITE(10), no buffer", VSG_WRITE_10, 16, 0, 0 },
		{ "WRITE(16), one byte", VSG_WRITE_16, 16, 1, 0 },
		{ "WRITE(16), 8 MiB of blocks", VSG_WRITE_16, 16384, 512, 0 },
	};
	uint8_t cdb[16], prout[10] = { VSG_PR_OUT, 0, 0, [8] = 24 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned int len;

		WHERE("%s", rows[i].what);
		len = vsg_cdb_rw(cdb, rows[i].opcode, 0, rows[i].blocks);
		vsg_pattern(self->req->data_out, 8192, 0, 4711);
		memset(self->req->data_in, VSG_POISON, 8192);
		vsg_req_cmd(self->req, T, L, cdb, len, rows[i].out, rows[i].in);
		bad_run(self);
		EXPECT_EQ(VIRTIO_SCSI_S_OVERRUN,
			  vsg_result(self->req).response);
		EXPECT_EQ(VSG_POISON, self->req->data_in[rows[i].in]);
		bad_check(self);
	}
	WHERE("PERSISTENT RESERVE OUT, 8 of 24 bytes");
	vsg_req_cmd(self->req, T, L, prout, sizeof(prout), 8, 0);
	bad_run(self);
	EXPECT_EQ(VIRTIO_SCSI_S_OVERRUN, vsg_result(self->req).response);
	bad_check(self);
}

/* The data buffer is on the other side than the CDB says. */
TEST_F(bad, wrong_direction)
{
	uint8_t cdb[16];

	WHERE("READ with data-out only");
	vsg_pattern(self->req->data_out, 8192, 0, 4711);
	vsg_req_cmd(self->req, T, L, cdb,
		    vsg_cdb_rw(cdb, VSG_READ_10, 0, 16), 8192, 0);
	bad_run(self);
	EXPECT_FALSE(vsg_good(self->req));
	/* The device may not write what it got to read. */
	EXPECT_EQ(-1, vsg_pattern_check(self->req->data_out, 8192, 0, 4711));
	EXPECT_EQ(VSG_RESP_LEN, self->req->tok.len);
	bad_check(self);

	WHERE("INQUIRY with data-out only");
	vsg_cmd_inquiry(self->req, T, L, 36);
	vsg_pattern(self->req->data_out, 36, 0, 4711);
	self->req->out_len = 36;
	self->req->in_len = 0;
	ASSERT_EQ(0, vsg_req_cut(self->req, NULL, 0, NULL, 0));
	bad_run(self);
	EXPECT_FALSE(vsg_good(self->req));
	EXPECT_EQ(-1, vsg_pattern_check(self->req->data_out, 36, 0, 4711));
	bad_check(self);

	WHERE("WRITE with data-in only");
	vsg_pattern(self->req->data_in, 8192, 0, 4711);
	vsg_req_cmd(self->req, T, L, cdb,
		    vsg_cdb_rw(cdb, VSG_WRITE_10, 0, 16), 0, 8192);
	bad_run(self);
	EXPECT_FALSE(vsg_good(self->req));
	bad_check(self);
}

/* A buffer where the command has none is not wrong; nothing comes of it. */
TEST_F(bad, data_without_need)
{
	const uint8_t cdb[6] = { VSG_TEST_UNIT_READY };
	struct vsg_result res;

	vsg_req_cmd(self->req, T, L, cdb, sizeof(cdb), 0, 512);
	memset(self->req->data_in, VSG_POISON, 512);
	bad_run(self);
	res = vsg_result(self->req);
	if (vsg_good(self->req)) {
		EXPECT_EQ(512, res.resid);
		EXPECT_EQ(VSG_RESP_LEN, self->req->tok.len);
	}
	EXPECT_EQ(VSG_POISON, self->req->data_in[0]);
	bad_check(self);
}

/* Larger than any backend takes, in memory that is used over and over. */
TEST_F(bad, far_too_much_data)
{
	unsigned int i;

	vsg_cmd_rw(self->req, T, L, false, 0, 16, BLOCK);
	self->req->nseg = 2;
	/* 200 times 16 MiB: 3.1 GiB. */
	for (i = 0; i < 200; i++)
		vsg_req_seg(self->req, 0, 16 << 20, VRING_DESC_F_WRITE);
	self->req->seg[0].gpa = HOLE_GPA;
	self->req->seg[1].gpa = HOLE_GPA + 4096;
	memcpy(self->dev->mem.region[1].hva, self->req->hdr, VSG_REQ_LEN);
	ASSERT_EQ(0, vsg_ring_add(self->r, &self->req->tok, self->req->seg,
				  self->req->nseg, 0));
	/* It must not run: the rings lie in that memory. */
	vsg_ring_publish(self->r);
	vsg_ring_kick(self->r);
	ASSERT_EQ(0, vsg_token_wait(&self->req->tok, WAIT_MS));
	EXPECT_NE(VIRTIO_SCSI_S_OK, self->dev->mem.region[1].hva[4096 + 11]);
	bad_check(self);
}

/* What is wrong with an indirect table. */
enum table {
	TABLE_EMPTY, TABLE_ODD, TABLE_SHORT, TABLE_NESTED, TABLE_NEXT,
	TABLE_LOOP, TABLE_SELF, TABLE_NOWHERE, TABLE_HALF, TABLE_WRAPS,
	TABLE_AND_NEXT, TABLE_NOT_ORDERED, TABLE_KINDS
};

static const char * const table_name[] = {
	[TABLE_EMPTY] = "of zero bytes",
	[TABLE_ODD] = "of 40 bytes",
	[TABLE_SHORT] = "of 8 bytes",
	[TABLE_NESTED] = "in a table",
	[TABLE_NEXT] = "with next out of range",
	[TABLE_LOOP] = "with a loop",
	[TABLE_SELF] = "whose first entry follows itself",
	[TABLE_NOWHERE] = "outside of memory",
	[TABLE_HALF] = "half outside of memory",
	[TABLE_WRAPS] = "across the end of the address space",
	[TABLE_AND_NEXT] = "that has a next descriptor",
	[TABLE_NOT_ORDERED] = "with readable after writable",
};

/* Spoils the table of the chain at @head, in place. */
static void spoil_table(struct vsg_ring *r, uint16_t head, enum table kind)
{
	struct vring_desc *d = &r->desc[head];
	struct vring_desc *t = vsg_hva(&r->dev->mem, d->addr);
	const uint64_t end = r->dev->mem.region[0].size;

	switch (kind) {
	case TABLE_EMPTY:
		d->len = 0;
		break;
	case TABLE_ODD:
		d->len = 40;
		break;
	case TABLE_SHORT:
		d->len = 8;
		break;
	case TABLE_NESTED:
		t[1].flags |= VRING_DESC_F_INDIRECT;
		break;
	case TABLE_NEXT:
		t[0].next = 3;
		break;
	case TABLE_LOOP:
		t[2].flags |= VRING_DESC_F_NEXT;
		t[2].next = 0;
		break;
	case TABLE_SELF:
		t[0].next = 0;
		break;
	case TABLE_NOWHERE:
		d->addr = NOWHERE;
		break;
	case TABLE_HALF:
		d->addr = end - 24;
		break;
	case TABLE_WRAPS:
		d->addr = -16ULL;
		break;
	case TABLE_AND_NEXT:
		d->flags |= VRING_DESC_F_NEXT;
		d->next = (head + 1) % r->num;
		break;
	default:
		t[0].flags |= VRING_DESC_F_WRITE;
		break;
	}
}

TEST_F(bad, indirect_tables)
{
	unsigned int kind;

	for (kind = 0; kind < TABLE_KINDS; kind++) {
		WHERE("table %s", table_name[kind]);
		bad_write(self);
		memset(self->req->resp, VSG_POISON, VSG_RESP_LEN);
		ASSERT_EQ(0, vsg_ring_add(self->r, &self->req->tok,
					  self->req->seg, 3, 0));
		spoil_table(self->r, self->req->tok.head, kind);
		vsg_ring_publish(self->r);
		vsg_ring_kick(self->r);
		ASSERT_EQ(0, vsg_token_wait(&self->req->tok, WAIT_MS));
		EXPECT_LE(self->req->tok.len, VSG_RESP_LEN + VSG_REQ_LEN);
		EXPECT_NE(VIRTIO_SCSI_S_OK, self->req->resp->response);
		bad_check(self);
	}
}

/* Direct descriptors out of order: readable after writable. */
TEST_F(bad, readable_after_writable)
{
	struct vsg_seg seg;

	bad_write(self);
	seg = self->req->seg[1];
	self->req->seg[1] = self->req->seg[2];
	self->req->seg[2] = seg;
	vsg_req_direct(self->req, true);
	bad_run(self);
	EXPECT_NE(VIRTIO_SCSI_S_OK, self->req->resp->response);
	bad_check(self);
}

/* INDIRECT descriptors of a guest that has not negotiated them. */
TEST(indirect_not_negotiated)
{
	struct vsg_opts opts = { .features = VSG_F(VIRTIO_F_VERSION_1) };
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_ring *r = vsg_io(dev, 0);
	struct vsg_req *req = request(dev, 4096, 4096);

	ready(r, T, L);
	write_pattern(r, req, T, L, 0, 8, 1);
	vsg_pattern(req->data_out, 4096, 0, 4711);
	vsg_cmd_rw(req, T, L, true, 0, 8, BLOCK);
	req->ndirect = 0;
	ASSERT_EQ(0, vsg_exec(r, req, WAIT_MS));
	EXPECT_FALSE(vsg_good(req));
	check_pattern(r, req, T, L, 0, 8, 1);
	guest_end(dev);
}

/* ---- the control queue ------------------------------------------------- */

/* Sends @out bytes that begin with @type, with @in bytes for the response. */
static int control(struct bad *self, uint32_t type, uint32_t out, uint32_t in,
		   uint32_t *used)
{
	struct vsg_ring *r = &self->dev->ring[VSG_CTL];
	uint8_t *buf = self->req->data_out;
	struct vsg_seg seg[2];
	unsigned int n = 0;
	int ret;

	memset(buf, 0, 64);
	memset(self->req->data_in, VSG_POISON, 64);
	*(uint32_t *)buf = htole32(type);
	/* Where TMF and AN requests have their LUN. */
	vsg_lun(buf + (type == VIRTIO_SCSI_T_TMF ? 8 : 4), T, L);
	if (out)
		seg[n++] = (struct vsg_seg) { .gpa = gpa(self, buf),
					      .len = out };
	if (in)
		seg[n++] = (struct vsg_seg) {
			.gpa = gpa(self, self->req->data_in),
			.len = in,
			.flags = VRING_DESC_F_WRITE,
		};
	ASSERT_EQ(0, vsg_ring_add(r, &self->req->tok, seg, n, n));
	vsg_ring_publish(r);
	vsg_ring_kick(r);
	ret = vsg_token_wait(&self->req->tok, WAIT_MS);
	*used = self->req->tok.len;
	return ret;
}

/* Whatever came before: the queue answers a query. */
static void control_check(struct bad *self)
{
	uint32_t actual = ~0u;

	EXPECT_EQ(VIRTIO_SCSI_S_OK, vsg_an(self->dev, VIRTIO_SCSI_T_AN_QUERY, T,
					   L, 0x7e, &actual, WAIT_MS));
	EXPECT_EQ(0, actual & ~0x7eU);
}

TEST_F(bad, control_unknown_type)
{
	static const uint32_t types[] = { 3, 4, 255, 256, 0x01000000, ~0u };
	uint32_t used;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		WHERE("type %#x", types[i]);
		ASSERT_EQ(0, control(self, types[i], 24, 5, &used));
		EXPECT_LE(used, 5);
		control_check(self);
	}
	bad_check(self);
}

TEST_F(bad, control_sizes)
{
	static const struct {
		const char *what;
		uint32_t type;
		uint32_t out;
		uint32_t in;
	} rows[] = {
		{ "TMF, nothing readable", VIRTIO_SCSI_T_TMF, 0, 1 },
		{ "TMF, one byte", VIRTIO_SCSI_T_TMF, 1, 1 },
		{ "TMF, three bytes", VIRTIO_SCSI_T_TMF, 3, 1 },
		{ "TMF, the type only", VIRTIO_SCSI_T_TMF, 4, 1 },
		{ "TMF without its last byte", VIRTIO_SCSI_T_TMF, 23, 1 },
		{ "TMF without a response", VIRTIO_SCSI_T_TMF, 24, 0 },
		{ "query, short", VIRTIO_SCSI_T_AN_QUERY, 15, 5 },
		{ "query, response too small", VIRTIO_SCSI_T_AN_QUERY, 16, 4 },
		{ "query without a response", VIRTIO_SCSI_T_AN_QUERY, 16, 0 },
		{ "subscribe, short", VIRTIO_SCSI_T_AN_SUBSCRIBE, 8, 5 },
		{ "subscribe, a byte for the response",
		  VIRTIO_SCSI_T_AN_SUBSCRIBE, 16, 1 },
	};
	uint32_t used;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		WHERE("%s", rows[i].what);
		ASSERT_EQ(0, control(self, rows[i].type, rows[i].out,
				     rows[i].in, &used));
		EXPECT_LE(used, rows[i].in);
		control_check(self);
	}
	WHERE("TMF with more room than needed");
	ASSERT_EQ(0, control(self, VIRTIO_SCSI_T_TMF, 60, 60, &used));
	EXPECT_EQ(1, used);
	EXPECT_EQ(VSG_POISON, self->req->data_in[1]);
	control_check(self);
	bad_check(self);
}

/* The answer to a notification request has its code behind four bytes. */
TEST_F(bad, control_short_notification)
{
	static const uint32_t types[] = {
		VIRTIO_SCSI_T_AN_QUERY, VIRTIO_SCSI_T_AN_SUBSCRIBE,
	};
	static const uint32_t sizes[] = { 4, 8, 12, 15 };
	const struct virtio_scsi_ctrl_an_resp *resp;
	uint32_t used;
	size_t t, i;

	resp = (void *)self->req->data_in;
	for (t = 0; t < ARRAY_SIZE(types); t++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			WHERE("type %u, %u bytes", types[t], sizes[i]);
			ASSERT_EQ(0, control(self, types[t], sizes[i], 5,
					     &used));
			EXPECT_EQ(5, used);
			EXPECT_EQ(VIRTIO_SCSI_S_FAILURE, resp->response);
			EXPECT_EQ(0, resp->event_actual);
		}
	}
	control_check(self);
}

TEST_F(bad, control_lun)
{
	static const struct {
		const char *what;
		uint8_t lun[8];
	} rows[] = {
		{ "first byte 0", { 0, 1, 0x40, 0 } },
		{ "first byte 2", { 2, 1, 0x40, 0 } },
		{ "target that is not there", { 1, 9, 0x40, 0 } },
		{ "LUN that is not there", { 1, 1, 0x40, 99 } },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vsg_ctl *ctl = vsg_ctl_alloc(self->dev);
		unsigned int n;

		ASSERT_TRUE(ctl);
		for (n = 0; n < 2; n++) {
			uint32_t function =
				n ? VIRTIO_SCSI_T_TMF_ABORT_TASK :
				    VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET;

			WHERE("TMF %u, %s", function, rows[i].what);
			/* A good one first, then the same with another LUN. */
			ASSERT_EQ(0, vsg_tmf_submit(ctl, function, T, L, 1));
			ASSERT_EQ(0, vsg_token_wait(&ctl->tok, WAIT_MS));
			memcpy(ctl->tmf->lun, rows[i].lun, 8);
			ctl->resp[0] = VSG_POISON;
			ASSERT_EQ(0, vsg_ring_add(ctl->tok.ring, &ctl->tok,
						  (struct vsg_seg[]) {
				{ gpa(self, ctl->tmf), 24, 0 },
				{ gpa(self, ctl->resp), 1, VRING_DESC_F_WRITE },
			}, 2, 2));
			vsg_ring_publish(ctl->tok.ring);
			vsg_ring_kick(ctl->tok.ring);
			ASSERT_EQ(0, vsg_token_wait(&ctl->tok, WAIT_MS));
			EXPECT_EQ(1, ctl->tok.len);
			if (ctl->resp[0] != VIRTIO_SCSI_S_BAD_TARGET)
				EXPECT_EQ(VIRTIO_SCSI_S_INCORRECT_LUN,
					  ctl->resp[0]);
		}
		vsg_ctl_free(ctl);
	}
	ready(self->r, T, L);
	bad_check(self);
}

/* Many bad ones among good ones, on one kick. */
TEST_F(bad, among_good_ones)
{
	enum { N = 60 };
	struct vsg_req *req[N];
	unsigned int i;

	for (i = 0; i < N; i++) {
		req[i] = request(self->dev, 0, BLOCK);
		vsg_cmd_rw(req[i], T, L, false, i % 16, 1, BLOCK);
		switch (i % 4) {
		case 1:
			req[i]->hdr->lun[0] = 0;
			break;
		case 2:
			req[i]->seg[2].gpa = NOWHERE;
			break;
		case 3:
			req[i]->seg[0].len = 40;
			break;
		}
		ASSERT_EQ(0, vsg_submit(self->r, req[i]));
	}
	vsg_ring_kick(self->r);
	ASSERT_EQ(0, vsg_ring_drain(self->r, WAIT_MS));
	for (i = 0; i < N; i++) {
		WHERE("request %u", i);
		EXPECT_EQ(i % 4 == 0, vsg_good(req[i]));
		if (i % 4 == 0)
			EXPECT_EQ(-1, vsg_pattern_check(req[i]->data_in, BLOCK,
							i % 16 * BLOCK,
							self->seed));
	}
	bad_check(self);
}
