// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proves: a buffer may be cut anywhere (virtio 1.3, 2.7.4) whatever the blocks of the
 * backstore are: each byte goes where it belongs, and no byte beside it changes.
 */

#include <stdio.h>
#include <stdlib.h>

#include "files.h"
#include "rng.h"
#include "support.h"

#define T 1
#define PAGE 4096
/* Bytes of a command; two blocks of the largest kind. */
#define LEN (2 * PAGE)
#define MAX_PIECES 512
/* Where the commands go, with room before and behind. */
#define AT (256 * PAGE)

/* Each with a LUN of its place here. */
static const struct {
	const char *name;
	const char *command;
} stores[] = {
	{ "null_blk", "block big 8 0 4096" },
	{ "nvme", "disk nvme" },
	{ "zram", "zram zram 8" },
	{ "crypt", "crypt crypt 8" },
	{ "integrity", "integrity integrity 16" },
	{ "loop", "loop loop 8 4096" },
	{ "loop_512", "loop small 8 512" },
	{ "file", "fileio file 8 direct" },
	{ "file_buffered", "fileio buffered 8 buffered" },
	{ "ramdisk", "ramdisk ram 8" },
	{ "null_blk_512", "block block 8" },
	{ "pscsi", "scsi scsi" },
};

static bool have[ARRAY_SIZE(stores)];
static char nvme[64];

/* Only the one that tools/vm/run made: this overwrites it. */
static int find_nvme(const char *dir, const char *name)
{
	char path[300], serial[64];

	snprintf(path, sizeof(path), "%s/%s/device/serial", dir, name);
	if (!read_file(path, serial, sizeof(serial)) &&
	    !strncmp(serial, "vhost-lio", 9))
		snprintf(nvme, sizeof(nvme), "/dev/%.50s", name);
	return 0;
}

int suite_setup(void)
{
	char name[32];
	unsigned int i;
	int ret = lio_suite("tpg " WWN_A " 1; filesystem below 16 4096");

	if (ret)
		return ret;
	load_module("nvme", NULL);
	for_each("/sys/block", "nvme", find_nvme);
	for (i = 0; i < ARRAY_SIZE(stores) && !ret; i++) {
		bool is_nvme = !strcmp(stores[i].name, "nvme");

		if (is_nvme && !*nvme)
			continue;
		ret = lio("%s %s", stores[i].command, is_nvme ? nvme : "");
		/* A kernel without the module. */
		if (ret == -ENOENT) {
			ret = 0;
			continue;
		}
		sscanf(stores[i].command, "%*s %31s", name);
		if (!ret)
			ret = lio("lun " WWN_A " 1 %u %s", i, name);
		have[i] = !ret;
	}
	return ret;
}

void suite_teardown(void)
{
	lio_suite_end();
}

/* A piece of a buffer; each begins in a page of its own. */
struct piece {
	unsigned int off;
	unsigned int len;
};

FIXTURE(cut)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *req;
	struct vsg_req *plain;
	uint8_t *arena;
	size_t arena_len;
	unsigned int lun;
	unsigned int block;
	uint32_t seed;
};

FIXTURE_SETUP(cut)
{
	struct vsg_opts opts = { .ring_size = 1024, .mem_size = 32 << 20 };

	self->dev = guest(WWN_A, &opts);
	self->r = vsg_io(self->dev, 0);
	self->req = request(self->dev, LEN, LEN);
	self->plain = request(self->dev, 1 << 20, 1 << 20);
	self->arena_len = 4 << 20;
	self->arena = vsg_mem_alloc(&self->dev->mem, self->arena_len, PAGE);
	ASSERT_TRUE(self->arena);
	self->seed = 1;
}

FIXTURE_TEARDOWN(cut)
{
	guest_end(self->dev);
}

/* The bytes around those of the next command, too, to see that they stay. */
static void plain_io(struct cut *self, bool write, size_t len)
{
	vsg_cmd_rw(self->plain, T, self->lun, write,
		   (AT - PAGE) / self->block, (len + 2 * PAGE) / self->block,
		   self->block);
	exec_good(self->r, self->plain);
}

/* Where piece @i is; a page that is nobody's lies before the next. */
static size_t place(const struct piece *p, unsigned int n, unsigned int i)
{
	size_t at = 0;
	unsigned int k;

	for (k = 0; k < n && k < i; k++)
		at += (p[k].off + p[k].len + 2 * PAGE - 1) / PAGE * PAGE;
	return at + p[i].off;
}

/* The command in @req, of those pieces. */
static void exec_pieces(struct cut *self, const struct piece *p, unsigned int n,
			bool write, size_t len)
{
	const struct vsg_mem *mem = &self->dev->mem;
	struct vsg_req *req = self->req;
	uint16_t flags = write ? 0 : VRING_DESC_F_WRITE;
	unsigned int i;

	vsg_cmd_rw(req, T, self->lun, write, AT / self->block, len / self->block,
		   self->block);
	req->nseg = 0;
	vsg_req_seg(req, vsg_gpa(mem, req->hdr), VSG_REQ_LEN, 0);
	if (!write)
		vsg_req_seg(req, vsg_gpa(mem, req->resp), VSG_RESP_LEN, flags);
	for (i = 0; i < n; i++)
		vsg_req_seg(req, vsg_gpa(mem, self->arena + place(p, n, i)),
			    p[i].len, flags);
	if (write)
		vsg_req_seg(req, vsg_gpa(mem, req->resp), VSG_RESP_LEN,
			    VRING_DESC_F_WRITE);
	vsg_req_direct(req, false);
	exec_good(self->r, req);
}

static size_t arena_used(const struct piece *p, unsigned int n)
{
	return place(p, n, n - 1) + p[n - 1].len + PAGE;
}

static void read_pieces(struct cut *self, const struct piece *p, unsigned int n,
			size_t len)
{
	size_t used = arena_used(p, n), at, done = 0, next = 0;
	uint8_t *a = self->arena;
	unsigned int i;

	ASSERT_LE(used, self->arena_len);
	memset(a, VSG_POISON, used);
	exec_pieces(self, p, n, false, len);
	for (i = 0; i <= n; i++) {
		at = i < n ? place(p, n, i) : used;
		while (next < at && a[next] == VSG_POISON)
			next++;
		/* What is before a piece, or behind the last, is as it was. */
		EXPECT_EQ(at, next);
		if (i == n)
			break;
		EXPECT_EQ(-1, vsg_pattern_check(a + at, p[i].len, AT + done,
						self->seed));
		done += p[i].len;
		next = at + p[i].len;
	}
}

static void write_pieces(struct cut *self, const struct piece *p, unsigned int n,
			 size_t len)
{
	uint8_t *medium = self->plain->data_in;
	uint32_t before = self->seed++;
	size_t done = 0;
	unsigned int i;

	ASSERT_LE(arena_used(p, n), self->arena_len);
	memset(self->arena, VSG_POISON, arena_used(p, n));
	for (i = 0; i < n; i++) {
		vsg_pattern(self->arena + place(p, n, i), p[i].len, AT + done,
			    self->seed);
		done += p[i].len;
	}
	exec_pieces(self, p, n, true, len);
	memset(medium, VSG_POISON, len + 2 * PAGE);
	plain_io(self, false, len);
	EXPECT_EQ(-1, vsg_pattern_check(medium, PAGE, AT - PAGE, 0));
	EXPECT_EQ(-1, vsg_pattern_check(medium + PAGE, len, AT, self->seed));
	EXPECT_EQ(-1, vsg_pattern_check(medium + PAGE + len, PAGE, AT + len, 0));
	/* Nothing of it was there before by chance. */
	EXPECT_NE(-1, vsg_pattern_check(medium + PAGE, len, AT, before));
}

/* What is there before the first write; around it, it stays so. */
static void begin(struct cut *self, size_t len)
{
	vsg_pattern(self->plain->data_out, len + 2 * PAGE, AT - PAGE, 0);
	vsg_pattern(self->plain->data_out + PAGE, len, AT, self->seed);
	plain_io(self, true, len);
}

static void both(struct cut *self, const struct piece *p, unsigned int n,
		 size_t len)
{
	write_pieces(self, p, n, len);
	read_pieces(self, p, n, len);
}

static void cut_in_two(struct cut *self, const unsigned int *first,
		       unsigned int nfirst, const unsigned int *second,
		       unsigned int nsecond, unsigned int at)
{
	unsigned int i, k;

	for (i = 0; i < nfirst && !t_failed(); i++) {
		for (k = 0; k < nsecond && !t_failed(); k++) {
			struct piece p[] = {
				{ first[i], at }, { second[k], LEN - at },
			};

			WHERE("%u bytes at %u of a page, the rest at %u", at,
			      first[i], second[k]);
			both(self, p, 2, LEN);
		}
	}
}

/* Into at most 40 pieces, most of them of whole sectors. */
static void cut_by_chance(struct cut *self, uint64_t seed)
{
	struct rng rng = { .state = seed };
	unsigned int left = LEN, n = 0, unit;
	struct piece p[40];

	while (left) {
		unit = below(&rng, 4) ? 512 : 1;
		p[n].off = below(&rng, PAGE / unit) * unit;
		p[n].len = (1 + below(&rng, 4)) * unit;
		if (unit == 1)
			p[n].len = 1 + below(&rng, 1500);
		if (p[n].len > left || n + 1 == ARRAY_SIZE(p))
			p[n].len = left;
		left -= p[n++].len;
	}
	WHERE("%u pieces, seed %llu", n, (unsigned long long)seed);
	both(self, p, n, LEN);
}

static void walk(struct cut *self, const char *name)
{
	static const unsigned int sectors[] = { 0, 512, 3584 };
	static const unsigned int bytes[] = { 0, 1, 4095 };
	static const unsigned int odd[] = { 1, 2, 511, 513, 4095, 4096, 4097,
					    8191 };
	static struct piece many[MAX_PIECES];
	unsigned int i;

	for (self->lun = 0; strcmp(stores[self->lun].name, name); self->lun++)
		;
	if (!have[self->lun]) {
		SKIP("no %s here", name);
		return;
	}
	ready(self->r, T, self->lun);
	vsg_cmd_read_capacity16(self->plain, T, self->lun);
	exec_good(self->r, self->plain);
	self->block = vsg_get_be(self->plain->data_in + 8, 4);
	ASSERT_TRUE(self->block == 512 || self->block == PAGE);
	begin(self, LEN);

	for (i = 512; i < LEN && !t_failed(); i += 512)
		cut_in_two(self, sectors, ARRAY_SIZE(sectors), sectors,
			   ARRAY_SIZE(sectors), i);
	for (i = 0; i < ARRAY_SIZE(odd) && !t_failed(); i++)
		cut_in_two(self, bytes, ARRAY_SIZE(bytes), bytes,
			   ARRAY_SIZE(bytes), odd[i]);
	for (i = 1; i <= 30 && !t_failed(); i++)
		cut_by_chance(self, i);

	/* More than a bio has room for, which ends anywhere else. */
	for (i = 0; i < 304; i++)
		many[i] = (struct piece){ i % 8 * 512, 512 };
	WHERE("304 pieces");
	begin(self, 304 * 512);
	both(self, many, 304, 304 * 512);
}

TEST_F_TIMEOUT(cut, null_blk, 120)
{
	walk(self, "null_blk");
}

TEST_F_TIMEOUT(cut, nvme, 120)
{
	walk(self, "nvme");
}

TEST_F_TIMEOUT(cut, zram, 120)
{
	walk(self, "zram");
}

TEST_F_TIMEOUT(cut, crypt, 120)
{
	walk(self, "crypt");
}

TEST_F_TIMEOUT(cut, integrity, 120)
{
	walk(self, "integrity");
}

TEST_F_TIMEOUT(cut, loop, 120)
{
	walk(self, "loop");
}

TEST_F_TIMEOUT(cut, loop_512, 120)
{
	walk(self, "loop_512");
}

TEST_F_TIMEOUT(cut, file, 120)
{
	walk(self, "file");
}

TEST_F_TIMEOUT(cut, file_buffered, 120)
{
	walk(self, "file_buffered");
}

TEST_F_TIMEOUT(cut, ramdisk, 120)
{
	walk(self, "ramdisk");
}

TEST_F_TIMEOUT(cut, null_blk_512, 120)
{
	walk(self, "null_blk_512");
}

TEST_F_TIMEOUT(cut, pscsi, 120)
{
	walk(self, "pscsi");
}

/*
 * Blocks that are larger than a page, which kernels have since 6.15. Parameters are not
 * in blocks, and LIO maps one page of each piece of them: 64 KiB in pieces of 16 KiB it
 * would read beyond what it mapped.
 */
TEST(larger_than_a_page)
{
	enum { LARGE = 16384, LIST = 65536 };
	/* SET TARGET PORT GROUPS: the first group, to the state that it has. */
	static const uint8_t set[12] = { 0xa4, 0x0a, [7] = 1 };
	static const uint8_t caw[16] = { 0x89, [13] = 1 }, capacity[10] = { 0x25 };
	static const uint8_t same[16] = { 0x93, [9] = 2, [13] = 2 };
	struct vsg_result res;
	struct vsg_req *req;
	struct vsg_dev *dev;
	struct vsg_ring *r;
	unsigned int lba;

	if (lio("block larger 16 0 16384"))
		SKIP("null_blk has no such blocks");
	ASSERT_EQ(0, lio("tpg " WWN_B " 1; lun " WWN_B " 1 0 larger"));
	dev = guest(WWN_B, NULL);
	r = vsg_io(dev, 0);
	req = request(dev, LIST, LARGE);
	ready(r, T, 0);
	vsg_req_cmd(req, T, 0, capacity, 10, 0, 8);
	exec_good(r, req);
	if (vsg_get_be(&req->data_in[4], 4) != LARGE) {
		guest_end(dev);
		SKIP("this kernel has no such blocks");
	}
	memset(req->data_out, 0, LIST);
	vsg_req_cmd(req, T, 0, set, sizeof(set), LIST, 0);
	exec_good(r, req);
	/* LIO takes LBA 32 for sector 32, which is in block 1. */
	for (lba = 0; lba <= 32; lba += 32) {
		WHERE("LBA %u", lba);
		vsg_cmd_rw(req, T, 0, false, lba, 1, LARGE);
		EXPECT_EQ(0x2400, exec(r, req).asc);
		vsg_cmd_rw(req, T, 0, true, lba, 1, LARGE);
		EXPECT_EQ(0x2400, exec(r, req).asc);
	}
	WHERE("WRITE SAME");
	vsg_req_cmd(req, T, 0, same, sizeof(same), LARGE, 0);
	EXPECT_EQ(0x2000, exec(r, req).asc);
	WHERE("COMPARE AND WRITE");
	vsg_req_cmd(req, T, 0, caw, sizeof(caw), 2 * LARGE, 0);
	res = exec(r, req);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(5, res.key);
	EXPECT_EQ(0x2000, res.asc);
	guest_end(dev);
	EXPECT_EQ(0, lio("dropwwn " WWN_B));
}

/* Part of a block of 4096 bytes, by other commands. */
static void expect_cut(struct vsg_dev *dev, struct vsg_req *req)
{
	static const struct {
		uint8_t cdb[16];
		uint32_t out;
	} others[] = {
		{ { 0x0a, [3] = 9, [4] = 8 }, 8 * BLOCK },
		{ { 0x41, [5] = 9, [8] = 8 }, BLOCK },
		{ { 0x93, [9] = 8, [13] = 9 }, BLOCK },
		{ { 0x89, [9] = 8, [13] = 1 }, 2 * BLOCK },
		{ { 0x42, [8] = 24 }, 24 },
	};
	struct vsg_ring *r = vsg_io(dev, 0);
	uint8_t naa[16];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		WHERE("%02xh", others[i].cdb[0]);
		memset(req->data_out, 0, 8 * BLOCK);
		if (others[i].cdb[0] == 0x42) {
			req->data_out[1] = 22;
			req->data_out[3] = 16;
			req->data_out[15] = 9;
			req->data_out[19] = 8;
		}
		vsg_req_cmd(req, T, 0, others[i].cdb, 16, others[i].out, 0);
		EXPECT_EQ(0x0800, exec(r, req).asc);
	}
	if (!can_copy())
		return;
	WHERE("EXTENDED COPY");
	designator(dev, req, T, 0, naa);
	/* To block 100. */
	copy_prepare(req, T, 0, naa, naa, 8);
	EXPECT_EQ(0x0800, exec(r, req).asc);
	copy_prepare(req, T, 0, naa, naa, 8);
	req->data_out[107] = 96;
	exec_good(r, req);
}

/*
 * The administrator has the blocks of a disk smaller than they are. The kernel's driver for
 * NVMe takes the number of a part of a block for that of the block (6.1).
 */
TEST(smaller_than_the_disks)
{
	static const struct {
		unsigned int lba, blocks;
		bool fits;
	} tries[] = {
		{ 1, 8, false }, { 8, 4, false }, { 15, 1, false }, { 9, 7, false },
		{ 8, 8, true }, { 8, 24, true },
	};
	struct vsg_result res;
	struct vsg_req *req;
	struct vsg_dev *dev;
	struct vsg_ring *r;
	unsigned int i, write;

	if (!*nvme)
		SKIP("no NVMe disk here");
	ASSERT_EQ(0, lio("unlun " WWN_A " 1 1"));
	ASSERT_EQ(0, lio_write("512", "core/iblock_" LIO_HBA "/nvme/attrib/block_size"));
	ASSERT_EQ(0, lio_write("1", "core/iblock_" LIO_HBA "/nvme/attrib/emulate_tpu"));
	ASSERT_EQ(0, lio("tpg " WWN_B " 1; lun " WWN_B " 1 0 nvme"));
	dev = guest(WWN_B, NULL);
	r = vsg_io(dev, 0);
	req = request(dev, 16384, 16384);
	ready(r, T, 0);
	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		write_pattern(r, req, T, 0, 0, 32, 1);
		for (write = 0; write < 2; write++) {
			WHERE("%s %u, %u blocks", write ? "WRITE" : "READ", tries[i].lba,
			      tries[i].blocks);
			vsg_cmd_rw(req, T, 0, write, tries[i].lba, tries[i].blocks, BLOCK);
			vsg_pattern(req->data_out, tries[i].blocks * BLOCK, tries[i].lba * BLOCK,
				    1);
			if (!tries[i].fits)
				memset(req->data_out, 0xa5, tries[i].blocks * BLOCK);
			res = exec(r, req);
			EXPECT_EQ(tries[i].fits ? VSG_GOOD : VSG_CHECK_CONDITION, res.status);
			if (!tries[i].fits)
				EXPECT_EQ(0x0800, res.asc);
		}
		check_pattern(r, req, T, 0, 0, 32, 1);
	}
	expect_cut(dev, req);
	check_pattern(r, req, T, 0, 0, 32, 1);
	guest_end(dev);
	EXPECT_EQ(0, lio("dropwwn " WWN_B));
	EXPECT_EQ(0, lio_write("0", "core/iblock_" LIO_HBA "/nvme/attrib/emulate_tpu"));
	EXPECT_EQ(0, lio_write("4096", "core/iblock_" LIO_HBA "/nvme/attrib/block_size"));
	EXPECT_EQ(0, lio("lun " WWN_A " 1 1 nvme"));
}
