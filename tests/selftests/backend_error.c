// SPDX-License-Identifier: GPL-2.0-only
/* Proves: a command whose backend fails half-way is never reported as a success. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "load.h"
#include "support.h"

#define T 1

enum { LUN_BLOCK, LUN_FILE, LUN_BUFFERED, LUN_DIRECT };

#define MIB "16"

/* Sectors that fail when some do: a page cache has no smaller piece than 8. */
#define BAD_FROM 8192
#define BAD_COUNT 128

static const char * const names[] = { "block", "file", "buffered", "direct" };

int suite_setup(void)
{
	return lio_suite("hangable block " MIB "; sleepy file " MIB "\n"
			 "sleepy buffered " MIB " buffered\n"
			 "sleepy direct " MIB " direct\n"
			 "tpg " WWN_A " 1; lun " WWN_A " 1 0 block\n"
			 "lun " WWN_A " 1 1 file; lun " WWN_A " 1 2 buffered\n"
			 "lun " WWN_A " 1 3 direct");
}

void suite_teardown(void)
{
	lio_suite_end();
}

/* A started guest, its request queue, and a request with 1 MiB both ways. */
FIXTURE(fault)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *req;
};

FIXTURE_SETUP(fault)
{
	struct vsg_opts opts = { .ring_size = 256 };
	uint16_t lun;

	self->dev = guest(WWN_A, &opts);
	self->r = vsg_io(self->dev, 0);
	self->req = request(self->dev, 1 << 20, 1 << 20);
	for (lun = LUN_BLOCK; lun <= LUN_DIRECT; lun++)
		ready(self->r, T, lun);
}

FIXTURE_TEARDOWN(fault)
{
	uint16_t lun;

	for (lun = LUN_BLOCK; lun <= LUN_DIRECT; lun++)
		EXPECT_EQ(0, lio("heal %s " MIB, names[lun]));
	guest_end(self->dev);
	/* The next test does not have to wait for what this one let fail. */
	for (lun = LUN_BLOCK; lun <= LUN_DIRECT; lun++)
		EXPECT_EQ(0, lio("unlun " WWN_A " 1 %u; lun " WWN_A " 1 %u %s", lun, lun,
				 names[lun]));
}

/* What LIO says of an I/O error: LOGICAL UNIT COMMUNICATION FAILURE. */
static void check_failed(struct vsg_req *req)
{
	struct vsg_result res = vsg_result(req);

	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(2, res.key);
	EXPECT_EQ(0x0800, res.asc);
	EXPECT_LE(14, res.sense_len);
	EXPECT_EQ(req->in_len + req->out_len, res.resid);
	EXPECT_EQ(VSG_RESP_LEN, req->tok.len);
}

static void expect_failure(struct fault *self, uint16_t lun, bool write,
			   uint64_t lba, uint32_t blocks)
{
	int64_t end = vsg_now_ms() + WAIT_MS;

	/* A LUN that has failed many is sent no more than so many a second. */
	do {
		vsg_cmd_rw(self->req, T, lun, write, lba, blocks, BLOCK);
		exec(self->r, self->req);
	} while (vsg_result(self->req).status == VSG_BUSY && vsg_now_ms() < end);
	check_failed(self->req);
}

static uint8_t sync_status(struct fault *self, uint16_t lun)
{
	vsg_req_cmd(self->req, T, lun, (uint8_t[10]) { VSG_SYNC_CACHE_10 }, 10,
		    0, 0);
	return exec(self->r, self->req).status;
}

enum { N = 64, EACH = 8, BEFORE = N / 2 - BAD_COUNT / EACH / 2 };

/* Requests side by side, the ones in the middle to the bad sectors. */
static uint64_t place(unsigned int i)
{
	return BAD_FROM + ((int64_t)i - BEFORE) * EACH;
}

static bool is_bad(unsigned int i)
{
	return place(i) >= BAD_FROM && place(i) < BAD_FROM + BAD_COUNT;
}

static void run_all(struct fault *self, struct vsg_req **req, uint16_t lun,
		    bool write, uint32_t seed)
{
	unsigned int i;

	for (i = 0; i < N; i++) {
		vsg_pattern(req[i]->data_out, EACH * BLOCK, place(i) * BLOCK,
			    seed);
		memset(req[i]->data_in, VSG_POISON, EACH * BLOCK);
		vsg_cmd_rw(req[i], T, lun, write, place(i), EACH, BLOCK);
		ASSERT_EQ(0, vsg_submit(self->r, req[i]));
		if (lun != LUN_FILE)
			continue;
		/* One fsync() alone is told of a failed writeback of the file. */
		vsg_ring_kick(self->r);
		ASSERT_EQ(0, vsg_ring_drain(self->r, WAIT_MS));
	}
	vsg_ring_kick(self->r);
	ASSERT_EQ(0, vsg_ring_drain(self->r, WAIT_MS));
}

static bool has_pattern(struct vsg_req *req, unsigned int i, uint32_t seed)
{
	return vsg_pattern_check(req->data_in, EACH * BLOCK, place(i) * BLOCK,
				 seed) == -1;
}

/*
 * Part of a disk fails: exactly the requests that touch it do, and what was
 * written there before is there afterwards.
 */
static void part_fails(struct fault *self, uint16_t lun)
{
	struct vsg_req *req[N];
	unsigned int i;

	for (i = 0; i < N; i++)
		req[i] = request(self->dev, EACH * BLOCK, EACH * BLOCK);
	run_all(self, req, lun, true, 1);
	for (i = 0; i < N; i++)
		EXPECT_TRUE(vsg_good(req[i]));
	ASSERT_EQ(0, lio("fail %s " MIB " %d %d", names[lun], BAD_FROM,
			 BAD_COUNT));

	WHERE("%s: writes", names[lun]);
	run_all(self, req, lun, true, 2);
	for (i = 0; i < N; i++) {
		if (is_bad(i))
			check_failed(req[i]);
		else
			EXPECT_TRUE(vsg_good(req[i]));
	}
	WHERE("%s: reads", names[lun]);
	run_all(self, req, lun, false, 0);
	for (i = 0; i < N; i++) {
		if (!is_bad(i))
			EXPECT_TRUE(vsg_good(req[i]) && has_pattern(req[i], i, 2));
		else if (lun != LUN_FILE)
			check_failed(req[i]);
		else if (vsg_good(req[i]))
			/* From the host's cache. */
			EXPECT_TRUE(has_pattern(req[i], i, 1) ||
				    has_pattern(req[i], i, 2));
	}
	WHERE("%s: over the border", names[lun]);
	expect_failure(self, lun, true, BAD_FROM - 8, 16);
	expect_failure(self, lun, true, BAD_FROM + BAD_COUNT - 8, 1024);
	if (lun != LUN_FILE)
		expect_failure(self, lun, false, BAD_FROM - 1024, 2048);

	WHERE("%s: healed", names[lun]);
	ASSERT_EQ(0, lio("heal %s " MIB, names[lun]));
	run_all(self, req, lun, false, 0);
	for (i = BEFORE + 1; i < N && is_bad(i + 1); i++)
		EXPECT_TRUE(vsg_good(req[i]) &&
			    (has_pattern(req[i], i, 1) ||
			     (lun == LUN_FILE && has_pattern(req[i], i, 2))));
	run_all(self, req, lun, true, 3);
	run_all(self, req, lun, false, 0);
	for (i = 0; i < N; i++)
		EXPECT_TRUE(vsg_good(req[i]) && has_pattern(req[i], i, 3));
}

TEST_F(fault, part_of_a_disk)
{
	part_fails(self, LUN_BLOCK);
}

TEST_F(fault, part_of_a_file_written_through)
{
	part_fails(self, LUN_FILE);
}

TEST_F(fault, part_of_a_file_direct)
{
	part_fails(self, LUN_DIRECT);
}

/* The read fails: nothing is compared or written, and the next one does not wait for it. */
TEST_F(fault, compare_and_write)
{
	uint8_t cdb[16] = { 0x89, [13] = 1 };
	int i;

	write_pattern(self->r, self->req, T, LUN_BLOCK, BAD_FROM, 1, 1);
	ASSERT_EQ(0, lio("fail block " MIB " %d %d", BAD_FROM, BAD_COUNT));
	vsg_put_be(cdb + 2, BAD_FROM, 8);
	for (i = 0; i < 3; i++) {
		memset(self->req->data_out, 0, 2 * BLOCK);
		vsg_req_cmd(self->req, T, LUN_BLOCK, cdb, sizeof(cdb), 2 * BLOCK, 0);
		exec(self->r, self->req);
		check_failed(self->req);
	}
	ASSERT_EQ(0, lio("heal block " MIB));
	check_pattern(self->r, self->req, T, LUN_BLOCK, BAD_FROM, 1, 1);
}

/* The host's cache takes a write; who asks whether it is safe is told. */
TEST_F(fault, buffered_file)
{
	struct vsg_req *req = self->req;

	write_pattern(self->r, req, T, LUN_BUFFERED, BAD_FROM - 1024, 2048, 1);
	EXPECT_EQ(VSG_GOOD, sync_status(self, LUN_BUFFERED));
	ASSERT_EQ(0, lio("fail buffered " MIB " %d %d", BAD_FROM, BAD_COUNT));
	WHERE("SYNCHRONIZE CACHE");
	write_pattern(self->r, req, T, LUN_BUFFERED, BAD_FROM, 8, 2);
	sync_status(self, LUN_BUFFERED);
	check_failed(req);
	WHERE("beside it");
	write_pattern(self->r, req, T, LUN_BUFFERED, BAD_FROM - 1024, 1024, 3);
	EXPECT_EQ(VSG_GOOD, sync_status(self, LUN_BUFFERED));
	check_pattern(self->r, req, T, LUN_BUFFERED, BAD_FROM - 1024, 1024, 3);
	WHERE("healed");
	ASSERT_EQ(0, lio("heal buffered " MIB));
	write_pattern(self->r, req, T, LUN_BUFFERED, BAD_FROM, 1024, 4);
	EXPECT_EQ(VSG_GOOD, sync_status(self, LUN_BUFFERED));
	check_pattern(self->r, req, T, LUN_BUFFERED, BAD_FROM, 1024, 4);
}

static void make_flaky(struct fault *self, const char *how)
{
	ready(self->r, T, LUN_BLOCK);
	if (lio("flaky block " MIB " %s", how))
		SKIP("no dm-flakey on this machine");
}

/* Good for a second, bad for a second, under load. */
TEST_F_TIMEOUT(fault, comes_and_goes, 60)
{
	struct load load = {
		.r = self->r, .target = T, .lun = LUN_BLOCK, .lba = 64,
		.depth = 16, .may_fail = true,
	};

	make_flaky(self, "1 1");
	load_start(&load);
	sleep(4);
	ASSERT_EQ(0, lio("heal block " MIB));
	sleep(1);
	load_end(&load);
	EXPECT_LT(0, load.good);
	EXPECT_LT(load.good, load.done);
	write_pattern(self->r, self->req, T, LUN_BLOCK, 0, 2048, 1);
	check_pattern(self->r, self->req, T, LUN_BLOCK, 0, 2048, 1);
}

TEST_F(fault, writes_only)
{
	unsigned int i;

	write_pattern(self->r, self->req, T, LUN_BLOCK, 0, 256, 1);
	make_flaky(self, "0 3600 error_writes");
	for (i = 0; i < 256; i += 32) {
		vsg_pattern(self->req->data_out, 16384, i * BLOCK, 2);
		expect_failure(self, LUN_BLOCK, true, i, 32);
		check_pattern(self->r, self->req, T, LUN_BLOCK, i, 32, 1);
	}
}

/* A disk that lies is passed on as it is: nothing in between remembers. */
TEST_F(fault, lost_writes)
{
	write_pattern(self->r, self->req, T, LUN_BLOCK, 0, 64, 1);
	make_flaky(self, "0 3600 drop_writes");
	write_pattern(self->r, self->req, T, LUN_BLOCK, 0, 64, 2);
	check_pattern(self->r, self->req, T, LUN_BLOCK, 0, 64, 1);
}

TEST_F(fault, changed_byte)
{
	const uint8_t *data = self->req->data_in;

	/* The first counts as 1. */
	make_flaky(self, "0 3600 corrupt_bio_byte 33 w 222 0");
	write_pattern(self->r, self->req, T, LUN_BLOCK, 0, 8, 1);
	vsg_cmd_rw(self->req, T, LUN_BLOCK, false, 0, 8, BLOCK);
	exec_good(self->r, self->req);
	EXPECT_EQ(222, data[32]);
	EXPECT_EQ(32, vsg_pattern_check(data, 8 * BLOCK, 0, 1));
	EXPECT_EQ(-1, vsg_pattern_check(data + 33, 8 * BLOCK - 33, 33, 1));
}
