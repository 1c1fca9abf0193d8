// SPDX-License-Identifier: GPL-2.0-only
/* Proves: the guest gets the data, the status and the errors of the device behind the LUN. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "support.h"

#define T 1

enum { LUN_DISK, LUN_BROKEN, LUN_FLAWED, LUN_TAPE, LUN_CD };

#define MIB "16"

/* Where scsi_debug finds its medium flawed, if it is told to. */
#define BAD_LBA 0x1234

/* What scsi_debug is told to do wrong. */
#define MEDIUM_ERRORS "2"
#define RECOVERED_ERRORS "8"
#define TRANSPORT_ERRORS "0x10"
#define LOST_COMMANDS "0x80"
#define SHORT_TRANSFERS "0x100"
#define BUSY_HOST "0x8000"

#define MEM (24UL << 20)

int suite_setup(void)
{
	int ret = lio_suite("broken broken " MIB "; hangable flawed " MIB "\n"
			    "tpg " WWN_A " 1; lun " WWN_A " 1 1 broken\n"
			    "lun " WWN_A " 1 2 flawed\n");

	/* Without scsi_debug the rest can be tested all the same. */
	if (!ret && !lio("scsi tape 1"))
		ret = lio("lun " WWN_A " 1 3 tape; scsi cd 5\n"
			  "lun " WWN_A " 1 4 cd; scsi disk; lun " WWN_A " 1 0 disk");
	return ret;
}

void suite_teardown(void)
{
	lio_suite_end();
}

/**
 * struct store - a started guest
 * @dev: guest, with huge pages
 * @r: its request queue
 * @req: a request with 1 MiB in both directions
 */
FIXTURE(store)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *req;
};

FIXTURE_SETUP(store)
{
	struct vsg_opts opts = {
		.ring_size = 256,
		.mem_size = MEM,
		.mem_flags = VSG_MEM_HUGE,
	};

	self->dev = guest(WWN_A, &opts);
	self->r = vsg_io(self->dev, 0);
	self->req = request(self->dev, 1 << 20, 1 << 20);
}

FIXTURE_TEARDOWN(store)
{
	EXPECT_EQ(0, lio("heal flawed " MIB));
	lio("inject 0; pose 0");
	guest_end(self->dev);
}

/* A test of a device that is passed through. */
static void need_scsi(struct store *self, uint16_t lun)
{
	vsg_cmd_tur(self->req, T, lun);
	if (exec(self->r, self->req).asc == 0x2500)
		SKIP("no scsi_debug on this machine");
	ready(self->r, T, lun);
}

/* Are two pages neighbours in memory, as they are in the guest's? */
static bool are_neighbours(const void *p)
{
	uint64_t entry[2] = {}, pfn[2];
	int fd = open("/proc/self/pagemap", O_RDONLY);
	unsigned int i;

	if (fd < 0)
		return false;
	if (pread(fd, entry, sizeof(entry), (uintptr_t)p / 4096 * 8) !=
	    sizeof(entry))
		entry[0] = 0;
	close(fd);
	for (i = 0; i < 2; i++)
		pfn[i] = entry[i] & ((1ULL << 55) - 1);
	return pfn[0] && pfn[0] + 1 == pfn[1];
}

static void all_sizes(struct store *self, uint16_t lun)
{
	static const uint32_t sizes[] = { 1, 8, 9, 16, 64, 256, 1024, 2048 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		WHERE("%u blocks", sizes[i]);
		write_pattern(self->r, self->req, T, lun, i, sizes[i], i);
		check_pattern(self->r, self->req, T, lun, i, sizes[i], i);
	}
}

/* Buffers in one piece, of which pscsi takes a page at a time. */
TEST_F(store, passthrough_huge_pages)
{
	need_scsi(self, LUN_DISK);
	memset(self->req->data_out, 0, 1 << 20);
	memset(self->req->data_in, 0, 1 << 20);
	if (!are_neighbours(self->req->data_in) ||
	    !are_neighbours(self->req->data_out))
		SKIP("no huge pages to be had");
	all_sizes(self, LUN_DISK);
}

/* Buffers that begin within a page, and are cut within pages. */
TEST_F(store, passthrough_cut_buffers)
{
	static const uint32_t cuts[][2] = {
		{ 512, 4096 }, { 4096, 512 }, { 1024, 8192 }, { 3584, 12800 },
	};
	struct vsg_req *req;
	size_t i;

	need_scsi(self, LUN_DISK);
	for (i = 0; i < ARRAY_SIZE(cuts); i++) {
		uint32_t out[] = { VSG_REQ_LEN, cuts[i][0], cuts[i][1] };
		uint32_t in[] = { VSG_RESP_LEN, cuts[i][0], cuts[i][1] };

		WHERE("%u and %u bytes", cuts[i][0], cuts[i][1]);
		req = vsg_req_alloc(self->dev, 65536, 65536, 512 * (2 * i + 1));
		ASSERT_TRUE(req);
		vsg_pattern(req->data_out, 65536, 0, i);
		vsg_cmd_rw(req, T, LUN_DISK, true, 0, 128, BLOCK);
		ASSERT_EQ(0, vsg_req_cut(req, out, 3, in, 1));
		exec_good(self->r, req);
		vsg_cmd_rw(req, T, LUN_DISK, false, 0, 128, BLOCK);
		ASSERT_EQ(0, vsg_req_cut(req, out, 1, in, 3));
		exec_good(self->r, req);
		EXPECT_EQ(-1, vsg_pattern_check(req->data_in, 65536, 0, i));
	}
}

/* What the guest reads is what the host reads from the device itself. */
static void compare(struct store *self, const char *name, const char *file)
{
	uint8_t host[512];
	int n;

	n = lio_scsi_file(name, file, host, sizeof(host));
	ASSERT_LE(36, n);
	exec(self->r, self->req);
	EXPECT_TRUE(vsg_good(self->req));
	if ((uint32_t)n > self->req->in_len)
		n = self->req->in_len;
	EXPECT_EQ(0, memcmp(host, self->req->data_in, n));
	EXPECT_EQ(VSG_RESP_LEN + self->req->in_len -
		  vsg_result(self->req).resid, self->req->tok.len);
}

TEST_F(store, passthrough_inquiry)
{
	need_scsi(self, LUN_DISK);
	vsg_cmd_inquiry(self->req, T, LUN_DISK, 36);
	compare(self, "disk", "inquiry");
	EXPECT_EQ(0, memcmp(self->req->data_in + 8, "Linux   scsi_debug", 18));
	vsg_cmd_vpd(self->req, T, LUN_DISK, 0x83, 255);
	compare(self, "disk", "vpd_pg83");
	vsg_cmd_vpd(self->req, T, LUN_DISK, 0x80, 255);
	exec(self->r, self->req);
	EXPECT_TRUE(vsg_good(self->req));
}

/* Each type has the host's driver on it meanwhile. */
static void is_of_type(struct store *self, const char *name, uint16_t lun,
		       const char *type, const char *driver)
{
	char uevent[256] = "", inquiry[512] = "";

	WHERE("%s", name);
	need_scsi(self, lun);
	ASSERT_EQ(0, lio("pose %s", type));
	EXPECT_LE(1, lio_scsi_file(name, "uevent", uevent, sizeof(uevent) - 1));
	EXPECT_TRUE(strstr(uevent, driver));
	EXPECT_LE(36, lio_scsi_file(name, "inquiry", inquiry, sizeof(inquiry)));
	EXPECT_EQ(atoi(type), *inquiry);
	vsg_cmd_inquiry(self->req, T, lun, 36);
	compare(self, name, "inquiry");
	vsg_cmd_vpd(self->req, T, lun, 0x83, 255);
	compare(self, name, "vpd_pg83");
	vsg_cmd_tur(self->req, T, lun);
	exec_good(self->r, self->req);
}

TEST_F(store, passthrough_types)
{
	is_of_type(self, "disk", LUN_DISK, "0", "DRIVER=sd");
	is_of_type(self, "tape", LUN_TAPE, "1", "DRIVER=st");
	is_of_type(self, "cd", LUN_CD, "5", "DRIVER=sr");
}

/* Older kernels' scsi_debug has but a disk that says it is a tape. */
static bool is_tape(struct store *self)
{
	/* WRITE FILEMARKS, none of them */
	vsg_req_cmd(self->req, T, LUN_TAPE, (uint8_t[6]) { 0x10 }, 6, 0, 0);
	exec(self->r, self->req);
	return vsg_good(self->req);
}

/* Records of 8 KiB, and a filemark. */
static void check_tape(struct store *self)
{
	struct vsg_req *req = self->req;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		WHERE("WRITE(6)");
		vsg_pattern(req->data_out, 8192, 16 * i, 3);
		vsg_req_cmd(req, T, LUN_TAPE,
			    (uint8_t[6]) { 0x0a, [3] = 8192 >> 8 }, 6, 8192, 0);
		exec_good(self->r, req);
	}
	WHERE("WRITE FILEMARKS");
	vsg_req_cmd(req, T, LUN_TAPE, (uint8_t[6]) { 0x10, [4] = 1 }, 6, 0, 0);
	exec_good(self->r, req);
	WHERE("REWIND");
	vsg_req_cmd(req, T, LUN_TAPE, (uint8_t[6]) { 0x01 }, 6, 0, 0);
	exec_good(self->r, req);
	for (i = 0; i < 2; i++) {
		WHERE("READ(6)");
		vsg_req_cmd(req, T, LUN_TAPE,
			    (uint8_t[6]) { 0x08, [3] = 8192 >> 8 }, 6, 0, 8192);
		exec_good(self->r, req);
		/* More it does not keep of a record. */
		EXPECT_EQ(-1, vsg_pattern_check(req->data_in, 4, 16 * i, 3));
	}
}

/* In the 6-byte forms that tapes have. */
TEST_F(store, passthrough_tape)
{
	struct vsg_req *req = self->req;
	struct vsg_result res;

	need_scsi(self, LUN_TAPE);
	vsg_req_cmd(req, T, LUN_TAPE, (uint8_t[6]) { 0x1a, 0, 0x3f, 0, 64 }, 6,
		    0, 64);
	exec(self->r, req);
	EXPECT_TRUE(vsg_good(req));
	EXPECT_LE(4, req->data_in[0]);
	WHERE("LOAD");
	vsg_req_cmd(req, T, LUN_TAPE, (uint8_t[6]) { 0x1b, [4] = 1 }, 6, 0, 0);
	exec_good(self->r, req);
	/* The medium may have changed, says one that is a tape. */
	ready(self->r, T, LUN_TAPE);
	if (is_tape(self)) {
		check_tape(self);
		return;
	}
	WHERE("WRITE(6)");
	vsg_pattern(req->data_out, 8192, 0, 3);
	vsg_req_cmd(req, T, LUN_TAPE, (uint8_t[6]) { 0x0a, [4] = 16 }, 6, 8192, 0);
	exec_good(self->r, req);
	WHERE("READ(6)");
	vsg_req_cmd(req, T, LUN_TAPE, (uint8_t[6]) { 0x08, [4] = 16 }, 6, 0, 8192);
	exec_good(self->r, req);
	EXPECT_EQ(-1, vsg_pattern_check(req->data_in, 8192, 0, 3));
	WHERE("WRITE FILEMARKS, which this one has not");
	vsg_req_cmd(req, T, LUN_TAPE, (uint8_t[6]) { 0x10, [4] = 1 }, 6, 0, 0);
	res = exec(self->r, req);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(5, res.key);
	EXPECT_EQ(0x2000, res.asc);
}

TEST_F(store, passthrough_cd)
{
	struct vsg_req *req = self->req;
	struct vsg_result res;
	uint8_t capacity[8];

	need_scsi(self, LUN_DISK);
	need_scsi(self, LUN_CD);
	ASSERT_EQ(0, lio("pose 5"));
	WHERE("READ CAPACITY");
	vsg_req_cmd(req, T, LUN_DISK, (uint8_t[10]) { VSG_READ_CAPACITY_10 }, 10,
		    0, 8);
	exec_good(self->r, req);
	memcpy(capacity, req->data_in, 8);
	vsg_req_cmd(req, T, LUN_CD, (uint8_t[10]) { VSG_READ_CAPACITY_10 }, 10,
		    0, 8);
	exec_good(self->r, req);
	EXPECT_EQ(0, memcmp(capacity, req->data_in, 8));
	WHERE("the medium, which scsi_debug has only one of");
	write_pattern(self->r, req, T, LUN_DISK, 100, 512, 4);
	check_pattern(self->r, req, T, LUN_CD, 100, 512, 4);
	WHERE("READ TOC, which this one has not");
	vsg_req_cmd(req, T, LUN_CD, (uint8_t[10]) { 0x43, [8] = 12 }, 10, 0, 12);
	res = exec(self->r, req);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(5, res.key);
	EXPECT_EQ(0x2000, res.asc);
	EXPECT_EQ(12, res.resid);
}

/*
 * What a command of another standard means, and how much data it has, the
 * device decides: A4h is data-out for disks, and REPORT KEY for DVD.
 */
TEST_F(store, passthrough_directions)
{
	struct vsg_result res;

	need_scsi(self, LUN_DISK);
	vsg_req_cmd(self->req, T, LUN_DISK, (uint8_t[12]) { 0xa4, [9] = 8 }, 12,
		    0, 8);
	res = exec(self->r, self->req);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(5, res.key);
	EXPECT_EQ(0x2000, res.asc);
}

/* A CHECK CONDITION of the device itself. */
static void check_sense(struct vsg_req *req, int key, int asc, uint32_t resid)
{
	struct vsg_result res = vsg_result(req);

	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(key, res.key);
	EXPECT_EQ(asc, res.asc);
	EXPECT_EQ(18, res.sense_len);
	EXPECT_EQ(resid, res.resid);
	EXPECT_EQ(VSG_RESP_LEN + (req->in_len ? req->in_len - resid : 0),
		  req->tok.len);
}

static void check_medium_error(struct store *self)
{
	const uint8_t *sense = self->req->resp->sense;

	/* Nothing of it was transferred, and the guest must not believe so. */
	check_sense(self->req, 3, 0x1100, self->req->in_len);
	/* Fixed format, and the information field is valid. */
	EXPECT_EQ(0xf0, sense[0]);
	EXPECT_EQ(BAD_LBA, vsg_get_be(sense + 3, 4));
}

TEST_F(store, passthrough_medium_error)
{
	struct vsg_req *req = self->req;

	need_scsi(self, LUN_DISK);
	need_scsi(self, LUN_TAPE);
	need_scsi(self, LUN_CD);
	write_pattern(self->r, req, T, LUN_DISK, BAD_LBA - 64, 128, 5);
	ASSERT_EQ(0, lio("inject " MEDIUM_ERRORS));
	WHERE("the block itself");
	vsg_cmd_rw(req, T, LUN_DISK, false, BAD_LBA, 1, BLOCK);
	exec(self->r, req);
	check_medium_error(self);
	WHERE("in the middle of many");
	vsg_cmd_rw(req, T, LUN_DISK, false, BAD_LBA - 64, 128, BLOCK);
	exec(self->r, req);
	check_medium_error(self);
	WHERE("up to it");
	check_pattern(self->r, req, T, LUN_DISK, BAD_LBA - 64, 64, 5);
	WHERE("of a tape");
	/* One that is a tape has no flawed block. */
	if (!is_tape(self)) {
		vsg_req_cmd(req, T, LUN_TAPE,
			    (uint8_t[6]) { 0x08, 0, (BAD_LBA - 8) >> 8,
					   (BAD_LBA - 8) & 0xff, 16 }, 6, 0, 8192);
		exec(self->r, req);
		check_medium_error(self);
	}
	WHERE("of a CD-ROM");
	vsg_cmd_rw(req, T, LUN_CD, false, BAD_LBA - 4, 16, BLOCK);
	exec(self->r, req);
	check_medium_error(self);
	WHERE("mended");
	ASSERT_EQ(0, lio("inject 0"));
	check_pattern(self->r, req, T, LUN_DISK, BAD_LBA - 64, 128, 5);
}

/* The data came, and the sense with it. */
TEST_F(store, passthrough_recovered_error)
{
	struct vsg_req *req = self->req;

	need_scsi(self, LUN_DISK);
	write_pattern(self->r, req, T, LUN_DISK, 0, 128, 1);
	ASSERT_EQ(0, lio("inject " RECOVERED_ERRORS " 1"));
	memset(req->data_in, VSG_POISON, 128 * BLOCK);
	vsg_cmd_rw(req, T, LUN_DISK, false, 0, 128, BLOCK);
	exec(self->r, req);
	check_sense(req, 1, 0x5d00, 0);
	EXPECT_EQ(-1, vsg_pattern_check(req->data_in, 128 * BLOCK, 0, 1));
	vsg_pattern(req->data_out, 128 * BLOCK, 0, 2);
	vsg_cmd_rw(req, T, LUN_DISK, true, 0, 128, BLOCK);
	exec(self->r, req);
	check_sense(req, 1, 0x5d00, 0);
	ASSERT_EQ(0, lio("inject 0"));
	check_pattern(self->r, req, T, LUN_DISK, 0, 128, 2);
}

TEST_F(store, passthrough_transport_error)
{
	struct vsg_req *req = self->req;
	unsigned int i;

	need_scsi(self, LUN_DISK);
	ASSERT_EQ(0, lio("inject " TRANSPORT_ERRORS " 1"));
	for (i = 0; i < 8; i++) {
		vsg_cmd_rw(req, T, LUN_DISK, i & 1, i * 8, 1 << i, BLOCK);
		exec(self->r, req);
		check_sense(req, 0x0b, 0x4b03, BLOCK << i);
	}
}

/* The device transfers half of what was asked for, and says so. */
TEST_F(store, passthrough_short_transfer)
{
	struct vsg_req *req = self->req;
	struct vsg_result res;
	uint8_t poison[8 * BLOCK];

	need_scsi(self, LUN_DISK);
	write_pattern(self->r, req, T, LUN_DISK, 0, 16, 1);
	ASSERT_EQ(0, lio("inject " SHORT_TRANSFERS " 1"));
	memset(poison, VSG_POISON, sizeof(poison));
	memset(req->data_in, VSG_POISON, 16 * BLOCK);
	vsg_cmd_rw(req, T, LUN_DISK, false, 0, 16, BLOCK);
	res = exec(self->r, req);
	EXPECT_TRUE(vsg_good(req));
	EXPECT_EQ(8 * BLOCK, res.resid);
	EXPECT_EQ(VSG_RESP_LEN + 8 * BLOCK, req->tok.len);
	EXPECT_EQ(-1, vsg_pattern_check(req->data_in, 8 * BLOCK, 0, 1));
	EXPECT_EQ(0, memcmp(req->data_in + 8 * BLOCK, poison, sizeof(poison)));
}

/*
 * One command in a few goes wrong in that way, with many under way: the guest
 * sees each of them. Returns how many.
 */
static unsigned int mid_stream(struct store *self, const char *opts, int key,
			       int asc, bool transferred)
{
	enum { N = 64 };
	struct vsg_req *req[N];
	unsigned int i, round, bad = 0;

	for (i = 0; i < N; i++)
		req[i] = request(self->dev, 4096, 4096);
	write_pattern(self->r, self->req, T, LUN_DISK, 0, N * 8, 1);
	ASSERT_EQ(0, lio("inject %s 5", opts));
	for (round = 0; round < 4; round++) {
		for (i = 0; i < N; i++) {
			memset(req[i]->data_in, VSG_POISON, 4096);
			vsg_cmd_rw(req[i], T, LUN_DISK, false, i * 8, 8, BLOCK);
			ASSERT_EQ(0, vsg_submit(self->r, req[i]));
		}
		vsg_ring_kick(self->r);
		ASSERT_EQ(0, vsg_ring_drain(self->r, WAIT_MS));
		for (i = 0; i < N; i++) {
			if (!vsg_good(req[i])) {
				check_sense(req[i], key, asc,
					    transferred ? 0 : 4096);
				bad++;
				if (!transferred)
					continue;
			}
			EXPECT_EQ(-1, vsg_pattern_check(req[i]->data_in, 4096,
							i * 4096, 1));
		}
	}
	ASSERT_EQ(0, lio("inject 0"));
	return bad;
}

TEST_F_TIMEOUT(store, passthrough_errors_mid_stream, 60)
{
	need_scsi(self, LUN_DISK);
	WHERE("recovered");
	EXPECT_LE(4, mid_stream(self, RECOVERED_ERRORS, 1, 0x5d00, true));
	WHERE("transport");
	EXPECT_LE(4, mid_stream(self, TRANSPORT_ERRORS, 0x0b, 0x4b03, false));
	WHERE("busy: the host tries again");
	EXPECT_EQ(0, mid_stream(self, BUSY_HOST, -1, -1, false));
}

/*
 * The device loses commands, and the host gives them up after the 15 seconds
 * that pscsi waits.
 */
TEST_F_TIMEOUT(store, passthrough_lost_commands, 90)
{
	struct vsg_req *req[4];
	unsigned int i;

	need_scsi(self, LUN_DISK);
	ASSERT_EQ(0, lio("inject " LOST_COMMANDS " 1"));
	for (i = 0; i < 4; i++) {
		req[i] = request(self->dev, 4096, 4096);
		vsg_cmd_rw(req[i], T, LUN_DISK, i & 1, i * 8, 8, BLOCK);
		ASSERT_EQ(0, vsg_submit(self->r, req[i]));
	}
	vsg_ring_kick(self->r);
	/* What is not lost goes on. */
	vsg_cmd_rw(self->req, T, LUN_FLAWED, false, 0, 8, BLOCK);
	EXPECT_EQ(0, vsg_exec(self->r, self->req, WAIT_MS));
	ASSERT_EQ(0, vsg_ring_drain(self->r, 6 * WAIT_MS));
	for (i = 0; i < 4; i++) {
		WHERE("command %u", i);
		check_sense(req[i], 2, 0x0800, 4096);
	}
	ASSERT_EQ(0, lio("inject 0"));
	write_pattern(self->r, self->req, T, LUN_DISK, 0, 64, 9);
	check_pattern(self->r, self->req, T, LUN_DISK, 0, 64, 9);
}

static void check_failed(struct vsg_req *req)
{
	struct vsg_result res = vsg_result(req);

	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_LE(1, res.key);
	EXPECT_EQ(req->in_len + req->out_len, res.resid);
	EXPECT_EQ(VSG_RESP_LEN, req->tok.len);
}

TEST_F(store, disk_of_errors)
{
	unsigned int i;

	ready(self->r, T, LUN_BROKEN);
	for (i = 0; i < 20; i++) {
		WHERE("request %u", i);
		vsg_cmd_rw(self->req, T, LUN_BROKEN, i & 1, i * 8, 1 << i % 8,
			   BLOCK);
		exec(self->r, self->req);
		check_failed(self->req);
	}
	WHERE("what needs no disk");
	vsg_cmd_inquiry(self->req, T, LUN_BROKEN, 36);
	exec_good(self->r, self->req);
}

/* Errors that come while many commands are under way, and go again. */
TEST_F_TIMEOUT(store, errors_in_between, 60)
{
	enum { N = 64, ROUNDS = 6 };
	struct vsg_req *req[N];
	unsigned int i, round, good = 0, failed = 0;

	ready(self->r, T, LUN_FLAWED);
	for (i = 0; i < N; i++)
		req[i] = request(self->dev, 4096, 4096);
	for (round = 0; round < ROUNDS; round++) {
		bool write = round % 2 == 0;

		WHERE("round %u", round);
		for (i = 0; i < N; i++) {
			vsg_pattern(req[i]->data_out, 4096, i * 4096, round);
			memset(req[i]->data_in, VSG_POISON, 4096);
			vsg_cmd_rw(req[i], T, LUN_FLAWED, write, i * 8, 8,
				   BLOCK);
		}
		/* First half of each pair of rounds: all is well. */
		if (round % 4 >= 2)
			ASSERT_EQ(0, lio("hang flawed"));
		for (i = 0; i < N; i++)
			ASSERT_EQ(0, vsg_submit(self->r, req[i]));
		vsg_ring_kick(self->r);
		if (round % 4 >= 2) {
			usleep(50000);
			/* What is held meets the new table. */
			ASSERT_EQ(0, lio("fail flawed " MIB));
		}
		ASSERT_EQ(0, vsg_ring_drain(self->r, WAIT_MS));
		for (i = 0; i < N; i++) {
			if (!vsg_good(req[i])) {
				check_failed(req[i]);
				failed++;
				continue;
			}
			good++;
			if (!write)
				EXPECT_EQ(-1, vsg_pattern_check(req[i]->data_in,
								4096, i * 4096,
								round - 1));
		}
		ASSERT_EQ(0, lio("heal flawed " MIB));
	}
	EXPECT_EQ(2 * N, failed);
	EXPECT_EQ(4 * N, good);
	/* The last good writes are there. */
	for (i = 0; i < N; i++)
		check_pattern(self->r, req[i], T, LUN_FLAWED, i * 8, 8,
			      ROUNDS - 2);
}
