// SPDX-License-Identifier: GPL-2.0-only
/* Proves: data arrives byte for byte, and residual, sense, LUN list and VPD pages are exact. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "support.h"

#define T 1
#define PAGE 4096

/* LUN numbers with a backstore of each kind behind them. */
enum {
	LUN_RAM,
	LUN_FILE,
	LUN_BLOCK,
	LUN_BUFFERED,
	LUN_TIMER,
	LUN_SLOW,
	LUN_SPARSE = 5000,
	LUN_LAST = 16383,
};

#define RAM_MIB 32

int suite_setup(void)
{
	return lio_suite("ramdisk ram 32; fileio file 16\n"
			 "fileio buffered 16 buffered\n"
			 "block block 16\n"
			 "block timer 16 20000; delayed slow 16 100 100\n"
			 "tpg " WWN_A " 1; tpg " WWN_A " 0\n"
			 "tpg " WWN_A " 255\n"
			 "lun " WWN_A " 1 0 ram\n"
			 "lun " WWN_A " 1 1 file\n"
			 "lun " WWN_A " 1 2 block\n"
			 "lun " WWN_A " 1 3 buffered\n"
			 "lun " WWN_A " 1 4 timer\n"
			 "lun " WWN_A " 1 5 slow\n"
			 "lun " WWN_A " 1 5000 ram\n"
			 "lun " WWN_A " 1 16383 file\n"
			 "lun " WWN_A " 0 0 file\n"
			 "lun " WWN_A " 255 0 block\n");
}

void suite_teardown(void)
{
	lio_suite_end();
}

FIXTURE(io)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *req;
};

FIXTURE_SETUP(io)
{
	struct vsg_opts opts = { .ring_size = 1024, .mem_size = 96 << 20 };

	self->dev = guest(WWN_A, &opts);
	self->r = vsg_io(self->dev, 0);
	ready(self->r, T, LUN_RAM);
	ready(self->r, T, LUN_FILE);
	ready(self->r, T, LUN_BLOCK);
	ready(self->r, T, LUN_BUFFERED);
	ready(self->r, T, LUN_TIMER);
	self->req = request(self->dev, 1 << 20, 1 << 20);
}

FIXTURE_TEARDOWN(io)
{
	guest_end(self->dev);
}

static const uint16_t disks[] = {
	LUN_RAM, LUN_FILE, LUN_BLOCK, LUN_BUFFERED, LUN_TIMER,
};

TEST_F_TIMEOUT(io, sizes_on_every_backend, 60)
{
	static const uint32_t blocks[] = {
		1, 2, 7, 8, 9, 15, 127, 128, 129, 1000, 2048,
	};
	size_t d, i;

	for (d = 0; d < ARRAY_SIZE(disks); d++) {
		for (i = 0; i < ARRAY_SIZE(blocks); i++) {
			uint64_t lba = 3 * i;

			WHERE("LUN %u, %u blocks at %llu", disks[d], blocks[i],
			      (unsigned long long)lba);
			write_pattern(self->r, self->req, T, disks[d], lba,
				      blocks[i], i + 1);
			check_pattern(self->r, self->req, T, disks[d], lba,
				      blocks[i], i + 1);
		}
	}
}

/*
 * 12 MiB are 3072 pages in one command; in pieces of 64 KiB. A fileio backstore
 * says that its limit is 8 MiB (VPD page 0xb0, maximum transfer length).
 */
TEST_F_TIMEOUT(io, twelve_mib, 60)
{
	static const uint32_t out[] = { 51, 65536 }, in[] = { 108, 65536 };
	struct vsg_req *req = request(self->dev, 12 << 20, 12 << 20);
	size_t d;

	for (d = 0; d < ARRAY_SIZE(disks); d++) {
		uint16_t lun = disks[d];
		bool file = lun == LUN_FILE || lun == LUN_BUFFERED;
		uint32_t blocks = (file ? 8 : 12) << 11;
		size_t len = (size_t)blocks * BLOCK;

		WHERE("LUN %u, write", lun);
		vsg_pattern(req->data_out, len, 0, 77 + d);
		vsg_cmd_rw(req, T, lun, true, 0, blocks, BLOCK);
		ASSERT_EQ(0, vsg_req_cut(req, out, 2, in, 2));
		exec_good(self->r, req);
		WHERE("LUN %u, read", lun);
		memset(req->data_in, 0, len);
		vsg_cmd_rw(req, T, lun, false, 0, blocks, BLOCK);
		ASSERT_EQ(0, vsg_req_cut(req, out, 2, in, 2));
		exec_good(self->r, req);
		EXPECT_EQ(-1, vsg_pattern_check(req->data_in, len, 0, 77 + d));
	}
}

/* Two pages of this process change places; what is in them goes with them. */
static void swap_pages(uint8_t *a, uint8_t *b)
{
	const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	void *spare = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	ASSERT_NE(MAP_FAILED, spare);
	ASSERT_EQ(spare, mremap(a, PAGE, PAGE, flags, spare));
	ASSERT_EQ(a, mremap(b, PAGE, PAGE, flags, a));
	ASSERT_EQ(b, mremap(spare, PAGE, PAGE, flags, b));
}

/* A huge page whose small ones the owner has mapped in another order stays one folio. */
TEST(huge_page_in_another_order)
{
	static const unsigned int from[] = { 3, 17, 40, 255 };
	static const unsigned int to[] = { 4, 29, 200, 256 };
	struct vsg_opts opts = {
		.mem_size = 16 << 20, .mem_flags = VSG_MEM_HUGE,
	};
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_ring *r = vsg_io(dev, 0);
	struct vsg_req *odd = request(dev, 2 << 20, 2 << 20);
	struct vsg_req *even = request(dev, 1 << 20, 1 << 20);
	unsigned int i;
	uint32_t blocks;

	memset(odd->data_out, 0, 2 << 20);
	memset(odd->data_in, 0, 2 << 20);
	if (stat_value("/proc/self/smaps_rollup", "AnonHugePages") < 4096)
		SKIP("no huge pages");
	for (i = 0; i < ARRAY_SIZE(from); i++) {
		swap_pages(odd->data_out + from[i] * PAGE,
			   odd->data_out + to[i] * PAGE);
		swap_pages(odd->data_in + from[i] * PAGE,
			   odd->data_in + to[i] * PAGE);
	}
	ready(r, T, LUN_RAM);
	for (i = 0, blocks = 2048; blocks >= 16; blocks /= 2, i += 2) {
		WHERE("%u blocks", blocks);
		write_pattern(r, odd, T, LUN_RAM, 5, blocks, i);
		check_pattern(r, even, T, LUN_RAM, 5, blocks, i);
		write_pattern(r, even, T, LUN_RAM, 7, blocks, i + 1);
		check_pattern(r, odd, T, LUN_RAM, 7, blocks, i + 1);
	}
	guest_end(dev);
}

/* Buffers at any byte, cut at any byte: also where a backend wants sectors. */
TEST_F_TIMEOUT(io, unaligned_buffers, 60)
{
	static const size_t offset[] = { 0, 1, 2, 3, 511, 513, 2049, 4095 };
	static const uint32_t out[] = { 51, 333 }, in[] = { 108, 333 };
	const uint32_t blocks = 24;
	size_t d, i, mark = vsg_mem_mark(&self->dev->mem);

	for (d = 0; d < ARRAY_SIZE(disks); d++) {
		for (i = 0; i < ARRAY_SIZE(offset); i++) {
			size_t len = blocks * BLOCK;
			uint32_t seed = 100 * d + i;
			struct vsg_req *req;

			vsg_mem_release(&self->dev->mem, mark);
			req = vsg_req_alloc(self->dev, len, len, offset[i]);
			ASSERT_TRUE(req);
			WHERE("LUN %u, offset %zu", disks[d], offset[i]);
			write_pattern(self->r, req, T, disks[d], 8, blocks, seed);
			check_pattern(self->r, req, T, disks[d], 8, blocks, seed);

			WHERE("LUN %u, offset %zu, in pieces", disks[d],
			      offset[i]);
			vsg_cmd_rw(req, T, disks[d], false, 8, blocks, BLOCK);
			memset(req->data_in, 0, len);
			ASSERT_EQ(0, vsg_req_cut(req, out, 2, in, 2));
			exec_good(self->r, req);
			EXPECT_EQ(-1, vsg_pattern_check(req->data_in, len,
							8 * BLOCK, seed));
			vsg_pattern(req->data_out, len, 8 * BLOCK, seed + 1);
			vsg_cmd_rw(req, T, disks[d], true, 8, blocks, BLOCK);
			ASSERT_EQ(0, vsg_req_cut(req, out, 2, in, 2));
			exec_good(self->r, req);
			check_pattern(self->r, self->req, T, disks[d], 8, blocks,
				      seed + 1);
			vsg_req_free(req);
		}
	}
}

TEST_F(io, one_byte_descriptors)
{
	static const uint32_t out[] = { 51, 1 }, in[] = { 108, 1 };
	struct vsg_req *req = self->req;
	size_t d;

	for (d = 0; d < ARRAY_SIZE(disks); d++) {
		WHERE("LUN %u", disks[d]);
		vsg_pattern(req->data_out, BLOCK, 0, d);
		vsg_cmd_rw(req, T, disks[d], true, 0, 1, BLOCK);
		ASSERT_EQ(0, vsg_req_cut(req, out, 2, NULL, 0));
		exec_good(self->r, req);
		vsg_cmd_rw(req, T, disks[d], false, 0, 1, BLOCK);
		memset(req->data_in, 0, BLOCK);
		ASSERT_EQ(0, vsg_req_cut(req, NULL, 0, in, 2));
		exec_good(self->r, req);
		EXPECT_EQ(-1, vsg_pattern_check(req->data_in, BLOCK, 0, d));
	}
}

/* The device writes what it says and nothing around it. */
TEST_F(io, nothing_around_the_buffer)
{
	struct vsg_req *req = self->req;
	uint8_t *end = req->data_in + 4096;
	size_t i;

	write_pattern(self->r, req, T, LUN_RAM, 0, 8, 3);
	memset(end, VSG_POISON, 4096);
	memset((uint8_t *)req->resp - 256, VSG_POISON, 256);
	vsg_cmd_rw(req, T, LUN_RAM, false, 0, 8, BLOCK);
	exec_good(self->r, req);
	for (i = 0; i < 4096 && end[i] == VSG_POISON; i++)
		;
	EXPECT_EQ(4096, i);
	for (i = 0; i < 256; i++)
		if (((uint8_t *)req->resp - 256)[i] != VSG_POISON)
			break;
	EXPECT_EQ(256, i);
}

TEST_F(io, read_and_write_16)
{
	struct vsg_req *req = self->req;
	uint8_t cdb[16];

	vsg_pattern(req->data_out, 4096, 0, 61);
	vsg_req_cmd(req, T, LUN_RAM, cdb,
		    vsg_cdb_rw(cdb, VSG_WRITE_16, 100, 8), 4096, 0);
	exec_good(self->r, req);
	vsg_req_cmd(req, T, LUN_RAM, cdb,
		    vsg_cdb_rw(cdb, VSG_READ_16, 100, 8), 0, 4096);
	exec_good(self->r, req);
	EXPECT_EQ(-1, vsg_pattern_check(req->data_in, 4096, 0, 61));
	WHERE("no data");
	vsg_req_cmd(req, T, LUN_RAM, cdb,
		    vsg_cdb_rw(cdb, VSG_READ_16, 100, 0), 0, 0);
	exec_good(self->r, req);
}

/* More buffer than the command uses: residual and used.len say how much. */
TEST_F(io, residual_of_a_read)
{
	struct vsg_req *req = self->req;
	struct vsg_result res;
	uint8_t cdb[16];

	write_pattern(self->r, req, T, LUN_RAM, 0, 8, 12);
	memset(req->data_in, VSG_POISON, 8192);
	vsg_req_cmd(req, T, LUN_RAM, cdb, vsg_cdb_rw(cdb, VSG_READ_10, 0, 8),
		    0, 8192);
	res = exec(self->r, req);
	EXPECT_TRUE(vsg_good(req));
	EXPECT_EQ(4096, res.resid);
	EXPECT_EQ(VSG_RESP_LEN + 4096, req->tok.len);
	EXPECT_EQ(-1, vsg_pattern_check(req->data_in, 4096, 0, 12));
	EXPECT_EQ(VSG_POISON, req->data_in[4096]);
}

TEST_F(io, residual_of_an_inquiry)
{
	struct vsg_req *req = self->req;
	struct vsg_result res;
	uint32_t have;

	vsg_cmd_inquiry(req, T, LUN_RAM, 36);
	req->in_len = 512;
	ASSERT_EQ(0, vsg_req_cut(req, NULL, 0, NULL, 0));
	res = exec(self->r, req);
	EXPECT_TRUE(vsg_good(req));
	EXPECT_EQ(512 - 36, res.resid);
	EXPECT_EQ(VSG_RESP_LEN + 36, req->tok.len);

	/* The page is shorter than the allocation length. */
	WHERE("short page");
	memset(req->data_in, VSG_POISON, 512);
	vsg_cmd_vpd(req, T, LUN_RAM, 0x80, 252);
	res = exec(self->r, req);
	EXPECT_TRUE(vsg_good(req));
	have = 4 + vsg_get_be(req->data_in + 2, 2);
	EXPECT_LE(36, have);
	EXPECT_LE(have, 252 - res.resid);
	EXPECT_EQ(VSG_RESP_LEN + 252 - res.resid, req->tok.len);
}

/* Blocks that a command names without moving them are not its data. */
TEST_F(io, blocks_without_data)
{
	static const uint8_t cdbs[][16] = {
		{ 0x35, [5] = 8, [8] = 16 }, { 0x35 },
		{ 0x91, [9] = 8, [13] = 16 }, { 0x91 },
		{ 0x2f, [5] = 8, [8] = 16 }, { 0x2f },
		{ 0x8f, [9] = 8, [13] = 16 }, { 0x8f, [12] = 4 },
	};
	static const uint16_t luns[] = { LUN_RAM, LUN_FILE, LUN_BLOCK };
	struct vsg_req *req = self->req;
	struct vsg_result res;
	unsigned int i, lun;

	for (lun = 0; lun < ARRAY_SIZE(luns); lun++) {
		for (i = 0; i < ARRAY_SIZE(cdbs); i++) {
			WHERE("LUN %u, CDB %u", luns[lun], i);
			vsg_req_cmd(req, T, luns[lun], cdbs[i], 16, 0, 0);
			exec_good(self->r, req);
		}
		WHERE("LUN %u, behind the end", luns[lun]);
		vsg_req_cmd(req, T, luns[lun],
			    (uint8_t[10]) { 0x2f, [2] = 0x7f, [8] = 16 }, 10, 0, 0);
		res = exec(self->r, req);
		EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
		EXPECT_EQ(0x2100, res.asc);
	}
}

TEST_F(io, check_condition)
{
	struct vsg_req *req = self->req;
	struct vsg_result res;

	/* READ beyond the end: ILLEGAL REQUEST, LBA OUT OF RANGE. */
	vsg_cmd_rw(req, T, LUN_RAM, false, RAM_MIB << 11, 8, BLOCK);
	res = exec(self->r, req);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(5, res.key);
	EXPECT_EQ(0x2100, res.asc);
	EXPECT_LE(18, res.sense_len);
	EXPECT_LE(res.sense_len, 96);
	/* Only the response was written. */
	EXPECT_EQ(VSG_RESP_LEN, req->tok.len);

	WHERE("write beyond the end");
	vsg_cmd_rw(req, T, LUN_RAM, true, RAM_MIB << 11, 8, BLOCK);
	res = exec(self->r, req);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(0x2100, res.asc);
	EXPECT_EQ(VSG_RESP_LEN, req->tok.len);
}

TEST_F(io, inquiry)
{
	struct vsg_req *req = self->req;

	vsg_cmd_inquiry(req, T, LUN_RAM, 36);
	exec_good(self->r, req);
	EXPECT_EQ(0, req->data_in[0]);
	EXPECT_EQ(0, memcmp(req->data_in + 8, "LIO-ORG ", 8));

	WHERE("VPD 0x00");
	vsg_cmd_vpd(req, T, LUN_RAM, 0x00, 64);
	exec(self->r, req);
	EXPECT_TRUE(vsg_good(req));
	EXPECT_TRUE(memchr(req->data_in + 4, 0x83, req->data_in[3]));

	WHERE("VPD 0x80 of two LUNs with one backstore");
	vsg_cmd_vpd(req, T, LUN_RAM, 0x80, 64);
	exec(self->r, req);
	EXPECT_TRUE(vsg_good(req));
	memcpy(req->data_out, req->data_in, 64);
	ready(self->r, T, LUN_SPARSE);
	vsg_cmd_vpd(req, T, LUN_SPARSE, 0x80, 64);
	exec(self->r, req);
	EXPECT_TRUE(vsg_good(req));
	EXPECT_EQ(0, memcmp(req->data_out, req->data_in, 36));
	EXPECT_LE(32, req->data_in[3]);

	WHERE("VPD 0x83");
	vsg_cmd_vpd(req, T, LUN_RAM, 0x83, 255);
	exec(self->r, req);
	EXPECT_TRUE(vsg_good(req));
	EXPECT_EQ(0x83, req->data_in[1]);
	/* First designator: NAA, the serial's binary form. */
	EXPECT_EQ(3, req->data_in[5] & 0x0f);
}

TEST_F(io, capacity_and_modes)
{
	struct vsg_req *req = self->req;
	uint8_t cdb[10] = { VSG_READ_CAPACITY_10 };

	vsg_cmd_read_capacity16(req, T, LUN_RAM);
	exec_good(self->r, req);
	EXPECT_EQ(((uint64_t)RAM_MIB << 11) - 1, vsg_get_be(req->data_in, 8));
	EXPECT_EQ(BLOCK, vsg_get_be(req->data_in + 8, 4));

	WHERE("READ CAPACITY(10)");
	vsg_req_cmd(req, T, LUN_RAM, cdb, sizeof(cdb), 0, 8);
	exec_good(self->r, req);
	EXPECT_EQ((RAM_MIB << 11) - 1, vsg_get_be(req->data_in, 4));

	WHERE("MODE SENSE(10), caching");
	vsg_cmd_mode_sense10(req, T, LUN_RAM, 0x08, 192);
	exec(self->r, req);
	EXPECT_TRUE(vsg_good(req));
	EXPECT_LE(0x12, vsg_get_be(req->data_in, 2));
}

static bool has_lun(const uint8_t *data, uint16_t lun)
{
	uint32_t n = vsg_get_be(data, 4) / 8, i;

	for (i = 0; i < n; i++)
		if ((vsg_get_be(data + 8 + 8 * i, 2) & 0x3fff) == lun)
			return true;
	return false;
}

TEST_F(io, report_luns)
{
	static const uint16_t luns[] = {
		LUN_RAM, LUN_FILE, LUN_BLOCK, LUN_BUFFERED, LUN_TIMER,
		LUN_SLOW, LUN_SPARSE, LUN_LAST,
	};
	struct vsg_req *req = self->req;
	size_t i;

	vsg_cmd_report_luns(req, T, 0, 4096);
	exec(self->r, req);
	EXPECT_TRUE(vsg_good(req));
	EXPECT_EQ(8 * ARRAY_SIZE(luns), vsg_get_be(req->data_in, 4));
	for (i = 0; i < ARRAY_SIZE(luns); i++) {
		WHERE("LUN %u", luns[i]);
		EXPECT_TRUE(has_lun(req->data_in, luns[i]));
	}
}

TEST_F(io, sparse_luns)
{
	static const uint16_t luns[] = { LUN_SPARSE, LUN_LAST };
	static const uint16_t same[] = { LUN_RAM, LUN_FILE };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(luns); i++) {
		WHERE("LUN %u", luns[i]);
		ready(self->r, T, luns[i]);
		write_pattern(self->r, self->req, T, luns[i], 40, 8, 31 + i);
		check_pattern(self->r, self->req, T, same[i], 40, 8, 31 + i);
	}
}

TEST_F(io, several_targets)
{
	static const uint8_t targets[] = { 0, 1, 255 };
	static const uint16_t same[] = { LUN_FILE, LUN_RAM, LUN_BLOCK };
	struct vsg_req *req = self->req;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		WHERE("target %u", targets[i]);
		ready(self->r, targets[i], 0);
		write_pattern(self->r, req, targets[i], 0, 60, 8, 51 + i);
		check_pattern(self->r, req, T, same[i], 60, 8, 51 + i);
	}
	WHERE("target 255");
	vsg_cmd_report_luns(req, 255, 0, 64);
	exec(self->r, req);
	EXPECT_EQ(8, vsg_get_be(req->data_in, 4));
}

TEST_F(io, lun_that_is_not_there)
{
	static const uint16_t luns[] = { 6, 255, 256, 4999, 16382 };
	struct vsg_req *req = self->req;
	struct vsg_result res;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(luns); i++) {
		WHERE("LUN %u", luns[i]);
		vsg_cmd_tur(req, T, luns[i]);
		res = exec(self->r, req);
		EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
		EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
		EXPECT_EQ(5, res.key);
		EXPECT_EQ(0x2500, res.asc);
		EXPECT_EQ(VSG_RESP_LEN, req->tok.len);
	}
	/* And nothing is written to the disk of another LUN. */
	write_pattern(self->r, req, T, LUN_RAM, 0, 8, 1);
	WHERE("write to LUN 256");
	vsg_pattern(req->data_out, 4096, 0, 2);
	vsg_cmd_rw(req, T, 256, true, 0, 8, BLOCK);
	res = exec(self->r, req);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	check_pattern(self->r, req, T, LUN_RAM, 0, 8, 1);
}

/* A guest looks for LUNs there, and finds no data. */
TEST(lun_0_that_is_not_there)
{
	struct vsg_req *req;
	struct vsg_dev *dev;
	unsigned int out;

	ASSERT_EQ(0, lio("tpg " WWN_A "97 1; lun " WWN_A "97 1 1 ram"));
	dev = guest(WWN_A "97", NULL);
	req = request(dev, BLOCK, BLOCK);
	for (out = 0; out < 2; out++) {
		WHERE("%s", out ? "write" : "read");
		vsg_cmd_rw(req, T, 0, out, 0, 1, BLOCK);
		EXPECT_EQ(0x2500, exec(vsg_io(dev, 0), req).asc);
		EXPECT_EQ(VSG_RESP_LEN, req->tok.len);
	}
	WHERE("without data");
	vsg_cmd_tur(req, T, 0);
	EXPECT_EQ(0x2500, exec(vsg_io(dev, 0), req).asc);
	WHERE("INQUIRY");
	vsg_cmd_inquiry(req, T, 0, 96);
	exec(vsg_io(dev, 0), req);
	EXPECT_TRUE(vsg_good(req));
	/* SPC-5 6.7.2: no unit here. */
	EXPECT_EQ(0x7f, *req->data_in);
	WHERE("REPORT LUNS");
	vsg_cmd_report_luns(req, T, 0, 256);
	exec(vsg_io(dev, 0), req);
	EXPECT_TRUE(vsg_good(req));
	guest_end(dev);
	EXPECT_EQ(0, lio("dropwwn " WWN_A "97"));
}

TEST_F(io, task_attributes)
{
	static const uint8_t attrs[] = {
		VIRTIO_SCSI_S_SIMPLE, VIRTIO_SCSI_S_ORDERED, VIRTIO_SCSI_S_HEAD,
	};
	struct vsg_req *req = self->req;
	struct vsg_result res;
	size_t d, i;

	for (d = 0; d < ARRAY_SIZE(disks); d++) {
		for (i = 0; i < ARRAY_SIZE(attrs); i++) {
			WHERE("LUN %u, attribute %u", disks[d], attrs[i]);
			vsg_cmd_rw(req, T, disks[d], false, 0, 8, BLOCK);
			req->hdr->task_attr = attrs[i];
			exec_good(self->r, req);
		}
	}
	/*
	 * There is no ACA condition, and LIO does not have NormACA: SAM-5,
	 * 8.6.5 lets the device refuse the attribute, or run the command.
	 */
	WHERE("ACA");
	vsg_cmd_rw(req, T, LUN_RAM, false, 0, 8, BLOCK);
	req->hdr->task_attr = VIRTIO_SCSI_S_ACA;
	res = exec(self->r, req);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_TRUE(res.status == VSG_GOOD || res.key == 5);
	WHERE("no such attribute");
	vsg_cmd_tur(req, T, LUN_RAM);
	req->hdr->task_attr = 200;
	exec(self->r, req);
	vsg_cmd_tur(req, T, LUN_RAM);
	exec_good(self->r, req);
}

/*
 * Newer kernels let a device choose who submits and completes its commands: what the
 * fabric says (0), directly (1), a work item (2). Every choice works.
 */
TEST_F_TIMEOUT(io, submit_and_complete_types, 60)
{
	static const struct {
		const char *store;
		uint16_t lun;
	} stores[] = {
		{ "rd_mcp_" LIO_HBA "/ram", LUN_RAM },
		{ "fileio_" LIO_HBA "/buffered", LUN_BUFFERED },
		{ "iblock_" LIO_HBA "/timer", LUN_TIMER },
	};
	static const char *const choices[] = { "1", "2", "0" };
	const char *submit, *complete;
	unsigned int n, both;
	uint32_t seed = 7000;
	size_t i;

	if (lio_write("0", "core/%s/attrib/submit_type", stores[0].store))
		SKIP("this kernel has no choice");
	/* That came later than the other. */
	both = !lio_write("0", "core/%s/attrib/complete_type", stores[0].store);
	for (i = 0; i < ARRAY_SIZE(stores); i++) {
		for (n = 0; n < (both ? 9 : 3); n++) {
			submit = choices[n % 3];
			complete = choices[n / 3];
			WHERE("%s, submit_type %s, complete_type %s",
			      stores[i].store, submit, complete);
			EXPECT_EQ(0, lio_write(submit, "core/%s/attrib/submit_type",
					       stores[i].store));
			if (both)
				EXPECT_EQ(0, lio_write(complete,
						       "core/%s/attrib/complete_type",
						       stores[i].store));
			write_pattern(self->r, self->req, T, stores[i].lun, 64,
				      64, ++seed);
			check_pattern(self->r, self->req, T, stores[i].lun, 64,
				      64, seed);
		}
	}
}

/* Ordered commands: all are done, the last write wins. */
TEST_F(io, ordered_under_load)
{
	enum { N = 64 };
	struct vsg_req *req[N];
	unsigned int i;

	for (i = 0; i < N; i++) {
		req[i] = request(self->dev, BLOCK, 0);
		vsg_pattern(req[i]->data_out, BLOCK, 0, i);
		vsg_cmd_rw(req[i], T, LUN_FILE, true, 0, 1, BLOCK);
		req[i]->hdr->task_attr = VIRTIO_SCSI_S_ORDERED;
		ASSERT_EQ(0, vsg_submit(self->r, req[i]));
	}
	vsg_ring_kick(self->r);
	ASSERT_EQ(0, vsg_ring_drain(self->r, WAIT_MS));
	for (i = 0; i < N; i++)
		EXPECT_TRUE(vsg_good(req[i]));
	vsg_cmd_rw(self->req, T, LUN_FILE, false, 0, 1, BLOCK);
	exec_good(self->r, self->req);
	EXPECT_EQ(-1, vsg_pattern_check(self->req->data_in, BLOCK, 0, N - 1));
}

/* The numbers of @req in the order in which they come back. */
static void order_of(struct vsg_ring *r, struct vsg_req **req, unsigned int n,
		     unsigned int *order)
{
	struct vsg_token *tok;
	unsigned int i, got = 0;

	while (got < n) {
		ASSERT_EQ(0, vsg_ring_wait(r, WAIT_MS));
		while ((tok = vsg_ring_poll(r))) {
			for (i = 0; i < n && &req[i]->tok != tok; i++)
				;
			ASSERT_LE(i, n - 1);
			EXPECT_TRUE(vsg_good(req[i]));
			order[got++] = i;
		}
	}
}

static unsigned int order_place(const unsigned int *order, unsigned int n,
				unsigned int which)
{
	unsigned int i;

	for (i = 0; i < n && order[i] != which; i++)
		;
	return i;
}

enum {
	LARGE = 16, FIRST = LARGE, SECOND, SMALL_AND_LARGE,
	LARGE_BYTES = 256 << 10, LARGE_BLOCKS = LARGE_BYTES / BLOCK,
};

/* All are there before the backend takes anything. */
static void submit_while_hung(struct vsg_ring *r, struct vsg_req **req)
{
	unsigned int i;

	ASSERT_EQ(0, lio("hang sleepy"));
	for (i = 0; i < SMALL_AND_LARGE; i++)
		ASSERT_EQ(0, vsg_submit(r, req[i]));
	vsg_ring_kick(r);
	reach_backend();
	ASSERT_EQ(0, lio("unhang sleepy"));
}

/*
 * READs of much data and, behind them, two small ones. Return: the place of the later
 * of these among all that come back.
 */
static unsigned int small_after_large(struct vsg_ring *r, struct vsg_req **req)
{
	unsigned int order[SMALL_AND_LARGE], first, second, i;

	for (i = 0; i < SMALL_AND_LARGE; i++)
		vsg_cmd_rw(req[i], T, 0, false, i < LARGE ? i * LARGE_BLOCKS : 0,
			   i < LARGE ? LARGE_BLOCKS : 1, BLOCK);
	submit_while_hung(r, req);
	order_of(r, req, SMALL_AND_LARGE, order);
	first = order_place(order, SMALL_AND_LARGE, FIRST);
	second = order_place(order, SMALL_AND_LARGE, SECOND);
	return first > second ? first : second;
}

/*
 * WRITEs of much data; behind them an ORDERED one of their first block, and one that
 * reads it. That what comes back is in another order is allowed: it is the disk that
 * shows in which they were carried out.
 */
static void ordered_after_large(struct vsg_ring *r, struct vsg_req **req,
				uint32_t seed)
{
	unsigned int order[SMALL_AND_LARGE], i;

	for (i = 0; i < LARGE; i++) {
		vsg_pattern(req[i]->data_out, LARGE_BYTES, 0, seed + i);
		vsg_cmd_rw(req[i], T, 0, true, 0, LARGE_BLOCKS, BLOCK);
	}
	vsg_pattern(req[FIRST]->data_out, BLOCK, 0, seed + FIRST);
	vsg_cmd_rw(req[FIRST], T, 0, true, 0, 1, BLOCK);
	req[FIRST]->hdr->task_attr = VIRTIO_SCSI_S_ORDERED;
	vsg_cmd_rw(req[SECOND], T, 0, false, 0, 1, BLOCK);
	submit_while_hung(r, req);
	order_of(r, req, SMALL_AND_LARGE, order);
	EXPECT_EQ(-1, vsg_pattern_check(req[SECOND]->data_in, BLOCK, 0,
					seed + FIRST));
	check_pattern(r, req[SECOND], T, 0, 0, 1, seed + FIRST);
}

/*
 * While the backend has no time for them, a small command passes those with much data;
 * but not an ORDERED one, which keeps its place.
 */
TEST_F_TIMEOUT(io, small_before_large, 60)
{
	unsigned int place, best = SMALL_AND_LARGE, i;
	struct vsg_req *req[SMALL_AND_LARGE];
	struct vsg_dev *dev;
	struct vsg_ring *r;
	size_t bytes;

	ASSERT_EQ(0, lio("sleepy sleepy 16; tpg " WWN_A "97 1\n"
			 "lun " WWN_A "97 1 0 sleepy"));
	dev = guest(WWN_A "97", NULL);
	r = vsg_io(dev, 0);
	ready(r, T, 0);
	for (i = 0; i < SMALL_AND_LARGE; i++) {
		bytes = i < LARGE ? LARGE_BYTES : BLOCK;
		req[i] = request(dev, bytes, bytes);
	}

	/*
	 * Before them are those that the backend had, and as many again. One that is
	 * about to be submitted can lose its processor, and others come back first:
	 * seldom ten times.
	 */
	for (i = 0; i < 10 && best > LARGE / 2 + 2; i++) {
		place = small_after_large(r, req);
		if (place < best)
			best = place;
	}
	EXPECT_LE(best, LARGE / 2 + 2);

	for (i = 0; i < 3; i++)
		ordered_after_large(r, req, 100 * (i + 1));
	guest_end(dev);
	EXPECT_EQ(0, lio("dropwwn " WWN_A "97"));
}

TEST_F(io, long_cdbs)
{
	/* WRITE SAME(32) of one block: additional length 24, action 0x000d. */
	uint8_t cdb[32] = { VSG_VARIABLE, [7] = 24, [9] = 0x0d, [31] = 1 };
	struct vsg_req *req = self->req;
	struct vsg_result res;

	vsg_pattern(req->data_out, BLOCK, 0, 71);
	vsg_put_be(cdb + 12, 200, 8);
	vsg_req_cmd(req, T, LUN_BLOCK, cdb, sizeof(cdb), BLOCK, 0);
	res = exec(self->r, req);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	if (res.status == VSG_GOOD) {
		vsg_cmd_rw(req, T, LUN_BLOCK, false, 200, 1, BLOCK);
		exec_good(self->r, req);
		EXPECT_EQ(-1, vsg_pattern_check(req->data_in, BLOCK, 0, 71));
	} else {
		EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
		EXPECT_EQ(5, res.key);
	}

	/* A service action that LIO does not have: READ(32). */
	WHERE("READ(32)");
	cdb[9] = 0x09;
	vsg_req_cmd(req, T, LUN_RAM, cdb, sizeof(cdb), 0, BLOCK);
	res = exec(self->r, req);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(5, res.key);

	/* One that says that it is longer than the field that carries it. */
	WHERE("CDB of 260 bytes");
	cdb[7] = 252;
	vsg_req_cmd(req, T, LUN_RAM, cdb, sizeof(cdb), 0, BLOCK);
	res = exec(self->r, req);
	EXPECT_FALSE(vsg_good(req));
	vsg_cmd_tur(req, T, LUN_RAM);
	exec_good(self->r, req);
}

/*
 * COMPARE AND WRITE: the first half of the data is compared, the second one
 * written, wherever the halves lie.
 */
TEST_F(io, compare_and_write)
{
	static const uint16_t luns[] = { LUN_RAM, LUN_FILE, LUN_BLOCK };
	uint8_t cdb[16] = { 0x89, [9] = 100, [13] = 1 };
	struct vsg_req *req = self->req;
	const struct vsg_mem *mem = &self->dev->mem;
	/* In the page behind the first half is something else. */
	const size_t halves[][2] = {
		{ 0, 512 }, { 3584, 4096 }, { 3584, 65536 }, { 3584, 70000 },
		{ 3000, 9000 },
	};
	struct vsg_result res;
	size_t l, i;

	for (l = 0; l < ARRAY_SIZE(luns); l++) {
		for (i = 0; i < ARRAY_SIZE(halves); i++) {
			uint8_t *verify = req->data_out + halves[i][0];
			uint8_t *write = req->data_out + halves[i][1];

			WHERE("LUN %u, halves at %zu and %zu", luns[l],
			      halves[i][0], halves[i][1]);
			write_pattern(self->r, req, T, luns[l], 100, 1, 91);
			memset(req->data_out, VSG_POISON, 81920);
			vsg_pattern(verify, BLOCK, 100 * BLOCK, 91);
			vsg_pattern(write, BLOCK, 100 * BLOCK, 92);
			vsg_req_cmd(req, T, luns[l], cdb, sizeof(cdb),
				    2 * BLOCK, 0);
			req->nseg = 0;
			vsg_req_seg(req, vsg_gpa(mem, req->hdr), VSG_REQ_LEN,
				    0);
			vsg_req_seg(req, vsg_gpa(mem, verify), BLOCK, 0);
			vsg_req_seg(req, vsg_gpa(mem, write), BLOCK, 0);
			vsg_req_seg(req, vsg_gpa(mem, req->resp), VSG_RESP_LEN,
				    VRING_DESC_F_WRITE);
			exec_good(self->r, req);

			/* What is there now is not what it compares with. */
			res = exec(self->r, req);
			EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
			EXPECT_EQ(0xe, res.key);
			EXPECT_EQ(0x1d00, res.asc);
			check_pattern(self->r, req, T, luns[l], 100, 1, 92);
		}
	}
}

/*
 * VERIFY with data compares each byte with the medium, changes nothing, and says which
 * block is another; wherever the guest's buffer is cut.
 */
TEST_F_TIMEOUT(io, verify, 60)
{
	enum { LBA = 40, N = 700, CUTS = 3 };
	static const uint32_t cuts[CUTS][3] = {
		{ 51, 1u << 20 }, { 51, 1000, 1u << 20 }, { 51 + 4096, 7, 1u << 20 },
	};
	static const uint8_t eight[16] = { 0x2f, 2, [5] = LBA, [8] = 8 };
	static const uint32_t in[] = { 108 };
	uint8_t cdb[16] = { 0 };
	struct vsg_req *req = self->req;
	static const uint32_t odd[] = { 0, 511, 512, 4095, 123456, N * BLOCK - 1 };
	struct vsg_result res;
	const uint8_t *sense = req->resp->sense;
	size_t d, i, cut;

	for (d = 0; d < ARRAY_SIZE(disks); d++) {
		write_pattern(self->r, req, T, disks[d], LBA, N, 93);
		for (cut = 0; cut < CUTS; cut++) {
			WHERE("LUN %u, cut %zu", disks[d], cut);
			memset(cdb, 0, sizeof(cdb));
			cdb[0] = cut % 2 ? 0x8f : 0x2f;
			cdb[1] = 2;
			cdb[cut % 2 ? 9 : 5] = LBA;
			cdb[cut % 2 ? 12 : 7] = N >> 8;
			cdb[cut % 2 ? 13 : 8] = N & 0xff;
			vsg_pattern(req->data_out, N * BLOCK, LBA * BLOCK, 93);
			vsg_req_cmd(req, T, disks[d], cdb, sizeof(cdb), N * BLOCK, 0);
			ASSERT_EQ(0, vsg_req_cut(req, cuts[cut], cut ? 3 : 2, in, 1));
			res = exec(self->r, req);
			EXPECT_EQ(VSG_GOOD, res.status);
			EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
			EXPECT_EQ(0, res.resid);

			for (i = 0; i < ARRAY_SIZE(odd); i++) {
				WHERE("LUN %u, cut %zu, byte %u", disks[d], cut, odd[i]);
				req->data_out[odd[i]] ^= 0x80;
				res = exec(self->r, req);
				req->data_out[odd[i]] ^= 0x80;
				EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
				EXPECT_EQ(0xe, res.key);
				EXPECT_EQ(0x1d00, res.asc);
				EXPECT_EQ(0xf0, sense[0]);
				EXPECT_EQ(LBA + odd[i] / BLOCK,
					  (uint32_t)sense[3] << 24 | sense[4] << 16 |
					  sense[5] << 8 | sense[6]);
			}
		}
		check_pattern(self->r, req, T, disks[d], LBA, N, 93);

		/* More data than blocks: the rest is not looked at. Less: an error. */
		WHERE("LUN %u, lengths", disks[d]);
		memcpy(cdb, eight, sizeof(cdb));
		vsg_pattern(req->data_out, 8 * BLOCK, LBA * BLOCK, 93);
		vsg_req_cmd(req, T, disks[d], cdb, sizeof(cdb), 9 * BLOCK, 0);
		res = exec(self->r, req);
		EXPECT_EQ(VSG_GOOD, res.status);
		EXPECT_EQ(BLOCK, res.resid);
		vsg_req_cmd(req, T, disks[d], cdb, sizeof(cdb), 7 * BLOCK, 0);
		res = exec(self->r, req);
		EXPECT_FALSE(vsg_good(req));
	}
}

/* Any queue reaches any LUN, and answers come on the queue of the request. */
TEST(many_queues)
{
	enum { QUEUES = 16 };
	struct vsg_opts opts = { .nr_io = QUEUES, .ring_size = 16 };
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_req *req[QUEUES];
	unsigned int i;

	ready(vsg_io(dev, 0), T, LUN_RAM);
	for (i = 0; i < QUEUES; i++) {
		req[i] = request(dev, 4096, 4096);
		vsg_pattern(req[i]->data_out, 4096, i * 4096, 81);
		vsg_cmd_rw(req[i], T, LUN_RAM, true, i * 8, 8, BLOCK);
		ASSERT_EQ(0, vsg_submit(vsg_io(dev, i), req[i]));
	}
	for (i = 0; i < QUEUES; i++)
		vsg_ring_kick(vsg_io(dev, i));
	for (i = 0; i < QUEUES; i++) {
		WHERE("queue %u", i);
		ASSERT_EQ(0, vsg_token_wait(&req[i]->tok, WAIT_MS));
		EXPECT_TRUE(vsg_good(req[i]));
	}
	for (i = 0; i < QUEUES; i++)
		check_pattern(vsg_io(dev, i), req[i], T, LUN_RAM,
			      (QUEUES - 1 - i) * 8, 8, 81);
	guest_end(dev);
}

/* More commands at once than fit into any one queue. */
TEST_TIMEOUT(all_queues_full, 60)
{
	enum { QUEUES = 4, DEPTH = 256 };
	struct vsg_opts opts = { .nr_io = QUEUES, .ring_size = DEPTH };
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_req *req[QUEUES][DEPTH];
	unsigned int q, i;

	ready(vsg_io(dev, 0), T, LUN_BLOCK);
	for (q = 0; q < QUEUES; q++) {
		for (i = 0; i < DEPTH; i++) {
			req[q][i] = request(dev, 0, BLOCK);
			vsg_cmd_rw(req[q][i], T, LUN_BLOCK, false,
				   q * DEPTH + i, 1, BLOCK);
			ASSERT_EQ(0, vsg_submit(vsg_io(dev, q), req[q][i]));
		}
	}
	for (q = 0; q < QUEUES; q++)
		vsg_ring_kick(vsg_io(dev, q));
	for (q = 0; q < QUEUES; q++) {
		ASSERT_EQ(0, vsg_ring_drain(vsg_io(dev, q), WAIT_MS));
		for (i = 0; i < DEPTH; i++)
			EXPECT_TRUE(vsg_good(req[q][i]));
	}
	guest_end(dev);
}

/* More at once than the device has room for: TASK SET FULL, and no loss. */
TEST_TIMEOUT(more_than_fit, 60)
{
	enum { N = 3000 };
	struct vsg_opts opts = { .ring_size = 4096, .mem_size = 64 << 20 };
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_ring *r = vsg_io(dev, 0);
	static struct vsg_req *req[N];
	unsigned int i, good = 0;

	ready(r, T, LUN_SLOW);
	for (i = 0; i < N; i++) {
		req[i] = request(dev, 0, BLOCK);
		vsg_cmd_rw(req[i], T, LUN_SLOW, false, i, 1, BLOCK);
		ASSERT_EQ(0, vsg_submit(r, req[i]));
	}
	vsg_ring_kick(r);
	ASSERT_EQ(0, vsg_ring_drain(r, 3 * WAIT_MS));
	for (i = 0; i < N; i++) {
		struct vsg_result res = vsg_result(req[i]);

		good += vsg_good(req[i]);
		EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
		EXPECT_EQ(vsg_good(req[i]) ? 0 : BLOCK, res.resid);
		EXPECT_TRUE(res.status == VSG_GOOD ||
			    res.status == VSG_TASK_SET_FULL ||
			    res.status == VSG_BUSY);
	}
	EXPECT_LE(128, good);
	vsg_cmd_rw(req[0], T, LUN_SLOW, false, 0, 1, BLOCK);
	exec_good(r, req[0]);
	guest_end(dev);
}

/* Guest memory as a shared file, as QEMU has it with memory-backend-memfd. */
TEST(shared_memory)
{
	struct vsg_opts opts = { .mem_flags = VSG_MEM_MEMFD };
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_req *req = request(dev, 1 << 20, 1 << 20);
	size_t d;

	for (d = 0; d < ARRAY_SIZE(disks); d++) {
		WHERE("LUN %u", disks[d]);
		ready(vsg_io(dev, 0), T, disks[d]);
		write_pattern(vsg_io(dev, 0), req, T, disks[d], 0, 2048, d);
		check_pattern(vsg_io(dev, 0), req, T, disks[d], 0, 2048, d);
	}
	guest_end(dev);
}
