// SPDX-License-Identifier: GPL-2.0-only
/* Proves: whatever a guest sends, its host's log does not grow, and the answer is the right one. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "klog.h"
#include "support.h"

#define T 1
#define BLOCKS (8 << 11)

enum { LUN_RAM, LUN_FILE, LUN_BLOCK, LUNS, LUN_LARGE = LUNS };

/* LIO bounds these itself. */
static struct klog_known bounded[] = {
	{ "does not match SCSI CDB Length", 0 },
	{ "Rejecting underflow/overflow for", 0 },
	{ "Rejecting overflow for", 0 },
	{ "callbacks suppressed", 0 },
	/* Of the root of the test's VM, once. */
	{ "evm: overlay not supported", 0 },
	{ "", 0 },
};

int suite_setup(void)
{
	return lio_suite("ramdisk ram 8; fileio file 8; block disk 8\n"
			 "fileio large 16\n"
			 "tpg " WWN_A " 1\n"
			 "lun " WWN_A " 1 0 ram; lun " WWN_A " 1 1 file; "
			 "lun " WWN_A " 1 2 disk; lun " WWN_A " 1 3 large\n"
			 "tpg " WWN_B " 1\n"
			 "lun " WWN_B " 1 0 ram; lun " WWN_B " 1 1 file; "
			 "lun " WWN_B " 1 2 disk\n");
}

void suite_teardown(void)
{
	lio_suite_end();
}

FIXTURE(silent)
{
	struct vsg_dev *dev, *other;
	struct vsg_req *req;
	struct klog log;
};

FIXTURE_SETUP(silent)
{
	struct vsg_opts opts = { .mem_size = 32 << 20 };
	unsigned int lun;

	self->dev = guest(WWN_A, &opts);
	self->other = guest(WWN_B, NULL);
	self->req = request(self->dev, 4096, 4096);
	for (lun = 0; lun < LUNS; lun++) {
		ready(vsg_io(self->dev, 0), T, lun);
		ready(vsg_io(self->other, 0), T, lun);
	}
	klog_open(&self->log);
}

/* It must not say a word, but for what LIO bounds. */
FIXTURE_TEARDOWN(silent)
{
	WHERE("the log");
	klog_read(&self->log, bounded);
	EXPECT_EQ(0, self->log.lines);
	EXPECT_EQ(0, self->log.lost);
	klog_close(&self->log);
	guest_end(self->dev);
	guest_end(self->other);
}

static struct vsg_result run(struct silent *self, unsigned int lun,
			     const uint8_t *cdb, uint32_t out, uint32_t in)
{
	vsg_req_cmd(self->req, T, lun, cdb, 32, out, in);
	return exec(vsg_io(self->dev, 0), self->req);
}

/* ---- all operation codes ------------------------------------------------ */

/* What the bytes of a CDB behind the service action are, and the parameters. */
static const struct {
	int fill;
	uint32_t out, in;
} shapes[] = {
	{ 0, 0, 0 }, { 0, 0, 512 }, { 0, 512, 0 },
	{ 1, 0, 1 }, { 1, 1, 0 }, { 1, 24, 0 }, { 1, 0, 4096 },
	{ 0xff, 0, 0 }, { 0xff, 0, 4096 }, { 0xff, 4096, 0 },
	{ -1, 512, 0 }, { -1, 0, 512 }, { -1, 24, 0 }, { -1, 0, 3 },
};

/*
 * Bytes as the shape says; by chance, -1, mostly small ones. PERSISTENT RESERVE OUT
 * gets no APTPL, which would write files.
 */
static void shape(uint8_t *p, size_t n, int fill)
{
	while (n--)
		*p++ = fill >= 0 ? fill : rand() % 3 ? rand() % 3 : rand();
}

/* Its second byte says what it is. */
static bool has_actions(unsigned int op)
{
	return op == 0x5e || op == 0x5f || op == 0x7f || op == 0x83 ||
	       op == 0x84 || op == 0x9e || op == 0xa3 || op == 0xa4;
}

static void every_code(struct silent *self, unsigned int lun)
{
	uint8_t cdb[32], *out = self->req->data_out;
	unsigned int op, action, i;

	srand(1);
	for (op = 0; op < 256; op++) {
		WHERE("LUN %u, %02xh", lun, op);
		for (action = 0; action < 256; action += has_actions(op) ? 1 : 7) {
			i = (op + action) % ARRAY_SIZE(shapes);
			shape(cdb, sizeof(cdb), shapes[i].fill);
			shape(out, 4096, shapes[i].fill);
			out[20] &= 0xfe;
			out[17] &= 0xfe;
			cdb[0] = op;
			cdb[1] = action;
			/* No longer than 32 bytes, and half of them shorter. */
			if (op == VSG_VARIABLE) {
				cdb[7] = action & 0x80 ? action % 24 : 24;
				cdb[8] = 0;
				cdb[9] = action & 0x7f;
			}
			run(self, lun, cdb, shapes[i].out, shapes[i].in);
		}
	}
	/* What was reserved. */
	memset(cdb, 0, sizeof(cdb));
	cdb[0] = 0x17;
	run(self, lun, cdb, 0, 0);
}

TEST_F_TIMEOUT(silent, ramdisk, 120)
{
	every_code(self, LUN_RAM);
}

TEST_F_TIMEOUT(silent, fileio, 120)
{
	every_code(self, LUN_FILE);
}

TEST_F_TIMEOUT(silent, iblock, 120)
{
	every_code(self, LUN_BLOCK);
}

/* ---- what is answered --------------------------------------------------- */

/**
 * struct row - a command and its answer
 * @what: it is about
 * @cdb: the CDB
 * @out: bytes of data-out, from @list on, then zeroes
 * @in: bytes of data-in
 * @list: the parameters' begin
 * @key: sense key, 0: status GOOD
 * @asc: additional sense code and qualifier
 */
struct row {
	const char *what;
	uint8_t cdb[32];
	uint32_t out, in;
	uint8_t list[120];
	int key;
	int asc;
};

#define SAME_32(n, flags) { 0x7f, [7] = 24, [9] = 0x0d, [10] = (flags), [31] = (n) }
/* An EXTENDED COPY's header: bytes of CSCD and of segment descriptors. */
#define COPY(len) { 0x83, [13] = (len) }

static const struct row rows[] = {
	{ "READ (6) past the end", { 0x08, 0x1f, 0xff, 0xff, 1 }, 0, 512, {}, 5, 0x2100 },
	{ "READ (10) past the end", { 0x28, 0, 0, 0, 0x40, 0, 0, 0, 1 }, 0, 512, {}, 5, 0x2100 },
	{ "READ (10), the last block", { 0x28, 0, 0, 0, 0x3f, 0xff, 0, 0, 1 }, 0, 512, {}, 0, 0 },
	{ "READ (12) past the end",
	  { 0xa8, 0, 0, 0, 0x3f, 0xff, 0, 0, 0, 2 }, 0, 1024, {}, 5, 0x2100 },
	{ "READ (16) past the end",
	  { 0x88, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1 }, 0, 512, {}, 5, 0x2100 },
	{ "READ (16) that wraps", { 0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0, 0, 0, 2 }, 0, 1024, {}, 5, 0x2100 },
	{ "WRITE (10) past the end", { 0x2a, 0, 0, 0, 0x40, 0, 0, 0, 1 }, 512, 0, {}, 5, 0x2100 },
	{ "VERIFY (10) past the end", { 0x2f, 0, 0, 0, 0x40, 0, 0, 0, 1 }, 0, 0, {}, 5, 0x2100 },
	{ "READ (10), RDPROTECT", { 0x28, 0x20, [8] = 1 }, 0, 512, {}, 5, 0x2400 },
	{ "READ (16), RDPROTECT", { 0x88, 0xe0, [13] = 1 }, 0, 512, {}, 5, 0x2400 },
	{ "WRITE (10), WRPROTECT", { 0x2a, 0x60, [8] = 1 }, 512, 0, {}, 5, 0x2400 },
	{ "COMPARE AND WRITE of 2 blocks", { 0x89, [13] = 2 }, 2048, 0, {}, 5, 0x2400 },
	{ "COMPARE AND WRITE past the end",
	  { 0x89, [8] = 0x40, [13] = 1 }, 1024, 0, {}, 5, 0x2100 },
	{ "COMPARE AND WRITE, miscompare", { 0x89, [13] = 1 }, 1024, 0, { 0, 0, 1 }, 0xe, 0x1d00 },
	{ "a 32-byte CDB", { 0x7f, [7] = 24, [9] = 9 }, 0, 512, {}, 5, 0x2000 },
	{ "WRITE SAME (32), cut to 29 bytes",
	  { 0x7f, [7] = 21, [9] = 0x0d, [31] = 1 }, 512, 0, {}, 5, 0x2400 },
	{ "WRITE SAME (32), cut behind its flags",
	  { 0x7f, [7] = 3, [9] = 0x0d, [31] = 1 }, 512, 0, {}, 5, 0x2400 },
	{ "WRITE SAME (32), cut before its name",
	  { 0x7f, [9] = 0x0d, [31] = 1 }, 512, 0, {}, 5, 0x2400 },
	{ "VERIFY (10), BYTCHK, another", { 0x2f, 2, [8] = 1 }, 512, 0, { 1 }, 0xe, 0x1d00 },
	{ "VERIFY (10), BYTCHK, of no block", { 0x2f, 2 }, 0, 0, {}, 0, 0 },
	{ "VERIFY (10), BYTCHK, of no block past the end",
	  { 0x2f, 2, 0, 0, 0x41 }, 0, 0, {}, 5, 0x2100 },
	{ "VERIFY (10), BYTCHK 2", { 0x2f, 4, [8] = 1 }, 512, 0, { 1 }, 5, 0x2400 },
	{ "VERIFY (16), BYTCHK", { 0x8f, 6, [13] = 1 }, 512, 0, { 1 }, 5, 0x2400 },
	{ "VERIFY (10), VRPROTECT", { 0x2f, 0x20, [8] = 1 }, 0, 0, {}, 5, 0x2400 },
	{ "VERIFY (16), VRPROTECT", { 0x8f, 0xe0, [13] = 1 }, 0, 0, {}, 5, 0x2400 },
	{ "VERIFY (10), DPO denied", { 0x2f, 0x10, [8] = 1 }, 0, 0, {}, 5, 0x2400 },
	{ "WRITE AND VERIFY (10)", { 0x2e, [8] = 1 }, 512, 0, { 0, 0, 1 }, 0, 0 },
	{ "WRITE AND VERIFY (10), BYTCHK", { 0x2e, 2, [8] = 1 }, 512, 0, {}, 5, 0x2400 },
	{ "WRITE AND VERIFY (16)", { 0x8e, [13] = 1 }, 512, 0, {}, 0, 0 },
	{ "WRITE AND VERIFY (16), BYTCHK 3", { 0x8e, 6, [13] = 1 }, 512, 0, {}, 5, 0x2400 },
	/* NACA; INQUIRY says that there is no ACA. */
	{ "TEST UNIT READY, NACA", { 0x00, [5] = 4 }, 0, 0, {}, 5, 0x2400 },
	{ "INQUIRY, NACA", { 0x12, [4] = 36, [5] = 4 }, 0, 36, {}, 5, 0x2400 },
	{ "READ (10), NACA", { 0x28, [8] = 1, [9] = 4 }, 0, 512, {}, 5, 0x2400 },
	{ "READ (12), NACA", { 0xa8, [9] = 1, [11] = 4 }, 0, 512, {}, 5, 0x2400 },
	{ "WRITE (16), NACA", { 0x8a, [13] = 1, [15] = 0xfc }, 512, 0, {}, 5, 0x2400 },
	{ "COMPARE AND WRITE, NACA", { 0x89, [13] = 1, [15] = 4 }, 1024, 0, {}, 5, 0x2400 },
	{ "VERIFY (10), BYTCHK, NACA", { 0x2f, 2, [8] = 1, [9] = 4 }, 512, 0, {}, 5, 0x2400 },
	{ "REPORT LUNS, NACA", { 0xa0, [9] = 16, [11] = 4 }, 0, 16, {}, 5, 0x2400 },
	{ "READ KEYS, NACA", { 0x5e, 0, [8] = 8, [9] = 4 }, 0, 8, {}, 5, 0x2400 },
	{ "a code that is not there, NACA", { 0xc1, [9] = 4 }, 0, 0, {}, 5, 0x2000 },
	{ "READ (10), the other bits of CONTROL", { 0x28, [8] = 1, [9] = 0xfb }, 0, 512, {}, 0, 0 },
	{ "SERVICE ACTION IN of none", { 0x9e, 0x1f, [13] = 32 }, 0, 32, {}, 5, 0x2400 },
	{ "REPORT REFERRALS of none", { 0x9e, 0x13, [13] = 3 }, 0, 3, {}, 5, 0x2000 },
	{ "WRITE ATOMIC", { 0x9c, [13] = 1 }, 512, 0, {}, 5, 0x2000 },
	{ "INQUIRY of a page without EVPD", { 0x12, 0, 0x83, 0, 36 }, 0, 36, {}, 5, 0x2400 },
	{ "REQUEST SENSE, DESC", { 0x03, 1, 0, 0, 18 }, 0, 18, {}, 0, 0 },
	{ "MODE SENSE (6), no such page", { 0x1a, 0, 0x02, 0, 255 }, 0, 255, {}, 5, 0x2400 },
	{ "MODE SENSE (10), no such subpage",
	  { 0x5a, 0, 0x0a, 1, [8] = 255 }, 0, 255, {}, 5, 0x2400 },
	{ "MODE SENSE (10), all of a subpage",
	  { 0x5a, 0, 0x3f, 3, [8] = 255 }, 0, 255, {}, 5, 0x2400 },
	{ "MODE SENSE (10), all", { 0x5a, 0, 0x3f, 0xff, [7] = 1, [8] = 0 }, 0, 256, {}, 0, 0 },
	{ "PERSISTENT RESERVE IN of none", { 0x5e, 0x1f, [8] = 255 }, 0, 255, {}, 5, 0x2400 },
	{ "READ KEYS, short", { 0x5e, 0, [8] = 7 }, 0, 7, {}, 0, 0 },
	{ "PERSISTENT RESERVE OUT of none", { 0x5f, 0x1f, [8] = 24 }, 24, 0, {}, 5, 0x2400 },
	{ "PERSISTENT RESERVE OUT, too short", { 0x5f, 0, [8] = 23 }, 23, 0, {}, 5, 0x1a00 },
	{ "PERSISTENT RESERVE OUT, too long", { 0x5f, 0, [8] = 25 }, 25, 0, {}, 5, 0x1a00 },
	{ "RESERVE, both of two", { 0x16, 3 }, 0, 0, {}, 5, 0x2000 },
	{ "REPORT TARGET PORT GROUPS, short", { 0xa3, 0x0a, [9] = 3 }, 0, 3, {}, 0, 0 },
	{ "REPORT TARGET PORT GROUPS, short", { 0xa3, 0x2a, [9] = 7 }, 0, 7, {}, 0, 0 },
	{ "SET TARGET PORT GROUPS, short", { 0xa4, 0x0a, [9] = 3 }, 3, 0, {}, 5, 0x2600 },
	{ "SET TARGET PORT GROUPS, no state",
	  { 0xa4, 0x0a, [9] = 8 }, 8, 0, { [4] = 9 }, 5, 0x2600 },
	{ "EXTENDED COPY of none", { 0x83, 1, [13] = 16 }, 16, 0, {}, 5, 0x2000 },
	{ "EXTENDED COPY without data", { 0x83 }, 0, 0, {}, 0, 0 },
	{ "EXTENDED COPY, short", COPY(15), 15, 0, {}, 5, 0x1a00 },
	{ "EXTENDED COPY, list too long", COPY(16), 16, 0, { [2] = 4, [3] = 1 }, 5, 0x1a00 },
	{ "EXTENDED COPY, lengths that wrap", COPY(108), 108, 0,
	  { [3] = 64, [8] = 0xff, [9] = 0xff, [10] = 0xff, [11] = 0xd8 }, 5, 0x1a00 },
	{ "EXTENDED COPY, list cut", COPY(44), 44, 0, { [3] = 64, [11] = 28 }, 5, 0x1a00 },
	{ "EXTENDED COPY, inline data", COPY(108), 108, 0,
	  { [3] = 64, [11] = 28, [15] = 1 }, 5, 0x2600 },
	{ "EXTENDED COPY, no segment", COPY(80), 80, 0, { [3] = 64 }, 5, 0x2600 },
	{ "EXTENDED COPY, odd segments", COPY(107), 107, 0, { [3] = 64, [11] = 27 }, 5, 0x2609 },
	{ "EXTENDED COPY, 2 segments", COPY(120), 120, 0, { [3] = 32, [11] = 56 }, 5, 0x2608 },
	{ "EXTENDED COPY, another segment", COPY(108), 108, 0,
	  { [3] = 64, [11] = 28, [80] = 3, [83] = 0x18 }, 5, 0x2609 },
	{ "EXTENDED COPY, another length", COPY(108), 108, 0,
	  { [3] = 64, [11] = 28, [80] = 2, [83] = 0x19 }, 5, 0x2600 },
	{ "EXTENDED COPY, odd CSCDs", COPY(107), 107, 0,
	  { [3] = 63, [11] = 28, [79] = 2, [82] = 0x18 }, 5, 0x2607 },
	{ "EXTENDED COPY, another CSCD", COPY(108), 108, 0,
	  { [3] = 64, [11] = 28, [80] = 2, [83] = 0x18, [16] = 0xe5 }, 5, 0x2607 },
	{ "EXTENDED COPY, another designator", COPY(108), 108, 0,
	  { [3] = 64, [11] = 28, [80] = 2, [83] = 0x18, [16] = 0xe4, [20] = 2 }, 5, 0x2600 },
	{ "EXTENDED COPY, a CSCD that is not there", COPY(76), 76, 0,
	  { [3] = 32, [11] = 28, [48] = 2, [51] = 0x18, [55] = 1,
	    [16] = 0xe4, [20] = 1, 3, 0, 16, 0x60 }, 0xa, 0x0d02 },
	{ "RECEIVE COPY RESULTS of none", { 0x84, 0, [13] = 64 }, 0, 64, {}, 5, 0x2400 },
	{ "RECEIVE COPY RESULTS, a list", { 0x84, 3, 1, [13] = 64 }, 0, 64, {}, 5, 0x2400 },
	{ "RECEIVE COPY RESULTS, short", { 0x84, 3, [13] = 45 }, 0, 45, {}, 0, 0 },
	{ "RECEIVE COPY RESULTS", { 0x84, 3, [13] = 54 }, 0, 54, {}, 0, 0 },
};

/* Of backstores that have it; a ramdisk has not. */
static const struct row same_rows[] = {
	{ "WRITE SAME (10) of no block", { 0x41 }, 512, 0, {}, 5, 0x2400 },
	{ "WRITE SAME (16) of no block", { 0x93 }, 512, 0, {}, 5, 0x2400 },
	{ "WRITE SAME (32) of no block", SAME_32(0, 0), 512, 0, {}, 5, 0x2400 },
	{ "WRITE SAME (10), LBDATA", { 0x41, 2, [8] = 1 }, 512, 0, {}, 5, 0x2000 },
	{ "WRITE SAME (32), PBDATA", SAME_32(1, 4), 512, 0, {}, 5, 0x2000 },
	{ "WRITE SAME (16), ANCHOR", { 0x93, 0x10, [13] = 1 }, 512, 0, {}, 5, 0x2400 },
	{ "WRITE SAME (16), NDOB", { 0x93, 1, [13] = 1 }, 0, 0, {}, 5, 0x2400 },
};

/* What has been said so far may be; from now on no line. */
static void start_anew(struct silent *self)
{
	klog_close(&self->log);
	klog_open(&self->log);
}

/* ---- what fails below LIO ------------------------------------------------ */

/* The kernel bounds these itself; they are of the disk, or of making one. */
static struct klog_known of_disk[] = {
	{ "I/O error", 0 },
	{ "callbacks suppressed", 0 },
	{ "null_blk: disk", 0 },
	{ "device-mapper: ", 0 },
	{ "", 0 },
};

enum { LUN_BAD = 5, LUN_BADS, LUN_SEALED };
enum { TIME_MS = 1500, BURST = 100, A_SECOND = 10, MOST_LINES = 4 };

/* Commands that reach the disk, by the kinds that are counted apart. */
static const struct {
	const char *what;
	unsigned int lun;
	uint8_t cdb[32];
	uint32_t out, in;
	uint8_t list[24];
	int kind;
} below[] = {
	{ "READ (10), iblock", LUN_BAD, { 0x28, [8] = 1 }, 0, 512, {}, 'r' },
	{ "WRITE (6), iblock", LUN_BAD, { 0x0a, [4] = 1 }, 512, 0, {}, 'w' },
	{ "COMPARE AND WRITE, iblock", LUN_BAD, { 0x89, [13] = 1 }, 1024, 0, {}, 'w' },
	{ "VERIFY (10), BYTCHK, iblock", LUN_BAD, { 0x2f, 2, [8] = 1 }, 512, 0, {}, 'r' },
	{ "WRITE SAME (16), iblock", LUN_BAD, { 0x93, [13] = 4 }, 512, 0, { 1 }, 's' },
	{ "READ (16), fileio", LUN_BADS, { 0x88, [13] = 1 }, 0, 512, {}, 'r' },
	{ "WRITE (10), fileio", LUN_BADS, { 0x2a, [8] = 1 }, 512, 0, {}, 'w' },
	{ "UNMAP, fileio", LUN_SEALED, { 0x42, [8] = 24 }, 24, 0,
	  { [1] = 22, [3] = 16, [19] = 8 }, 'u' },
	{ "WRITE SAME (16), fileio", LUN_SEALED, { 0x93, [13] = 4 }, 512, 0, { 1 }, 's' },
};

static struct vsg_result run_below(struct silent *self, unsigned int i)
{
	memset(self->req->data_out, 0, 4096);
	memcpy(self->req->data_out, below[i].list, sizeof(below[i].list));
	return run(self, below[i].lun, below[i].cdb, below[i].out, below[i].in);
}

/* What a command gets that is sent down in vain. */
static bool has_failed(const struct vsg_result *res)
{
	return res->status == VSG_CHECK_CONDITION && res->key == 2 && res->asc == 0x0800;
}

/* As many as come in the time. */
static void fail_often(struct silent *self, unsigned int i)
{
	unsigned int failed = 0, busy = 0;
	int64_t since = vsg_now_ms(), took;
	struct vsg_result res;

	start_anew(self);
	do {
		res = run_below(self, i);
		busy += res.status == VSG_BUSY;
		failed += has_failed(&res);
		EXPECT_TRUE(res.status == VSG_BUSY || has_failed(&res));
		took = vsg_now_ms() - since;
	} while (took < TIME_MS);
	klog_read(&self->log, of_disk);
	printf("# %s: %u failed, %u busy, %lu lines in %d ms\n", below[i].what, failed, busy,
	       self->log.lines, (int)took);
	/* One of the last may have more lines than there was room for. */
	EXPECT_LE(self->log.lines, BURST + took * A_SECOND / 1000 + 2 + MOST_LINES);
	EXPECT_EQ(0, self->log.lost);
	start_anew(self);
}

static struct vsg_result not_busy(struct silent *self, unsigned int i)
{
	int64_t end = vsg_now_ms() + WAIT_MS;
	struct vsg_result res;

	do
		res = run_below(self, i);
	while (res.status == VSG_BUSY && vsg_now_ms() < end);
	return res;
}

/* The others are sent down, as often as they like to be. */
static void others_are_not_busy(struct silent *self, unsigned int of)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(below); i++)
		if (below[i].lun == below[of].lun && below[i].kind != below[of].kind)
			EXPECT_NE(VSG_BUSY, run_below(self, i).status);
	start_anew(self);
}

/* A file that cannot be written to, nor have holes. */
static int sealed_file(void)
{
	enum { SIZE = 8 << 20 };
	char text[96];
	int fd, ret;

	fd = memfd_create("sealed", MFD_ALLOW_SEALING);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, SIZE));
	ASSERT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	ASSERT_EQ(0, mkdir(LIO_ROOT "/core/fileio_" LIO_HBA "/sealed", 0755));
	snprintf(text, sizeof(text), "fd_dev_name=/proc/%d/fd/%d,fd_dev_size=%d", getpid(), fd,
		 SIZE);
	ret = lio_write(text, "core/fileio_" LIO_HBA "/sealed/control");
	if (!ret)
		ret = lio_write("1", "core/fileio_" LIO_HBA "/sealed/enable");
	if (!ret)
		ret = lio_write("1", "core/fileio_" LIO_HBA "/sealed/attrib/emulate_tpu");
	close(fd);
	return ret;
}

/* Whatever it is of, and it is sent again at once. */
TEST_F_TIMEOUT(silent, failing, 180)
{
	static const char * const names[] = { "bad", "bads", "sealed" };
	unsigned int i, lun, n;

	ASSERT_EQ(0, lio("hangable bad 8; sleepy bads 8"));
	ASSERT_EQ(0, sealed_file());
	start_anew(self);
	for (i = 0; i < ARRAY_SIZE(below); i++) {
		lun = below[i].lun;
		WHERE("%s", below[i].what);
		/* A LUN that has just been made has failed nothing yet. */
		ASSERT_EQ(0, lio("lun " WWN_A " 1 %u %s", lun, names[lun - LUN_BAD]));
		ready(vsg_io(self->dev, 0), T, lun);
		if (lun != LUN_SEALED)
			ASSERT_EQ(0, lio("fail %s 8", names[lun - LUN_BAD]));
		fail_often(self, i);
		others_are_not_busy(self, i);
		if (lun != LUN_SEALED) {
			ASSERT_EQ(0, lio("heal %s 8", names[lun - LUN_BAD]));
			EXPECT_EQ(VSG_GOOD, not_busy(self, i).status);
			/* What succeeds is not counted. */
			for (n = 0; n < 2 * A_SECOND; n++)
				EXPECT_EQ(VSG_GOOD, run_below(self, i).status);
		}
		ASSERT_EQ(0, lio("unlun " WWN_A " 1 %u", lun));
		start_anew(self);
	}
}

/*
 * A line for each of its blocks: a WRITE SAME has to wait for that, but for no more than a
 * minute, and no other command has to.
 */
TEST_F_TIMEOUT(silent, failed_write_same, 120)
{
	enum { MOST = 4096, MINUTE_MS = 60 * 1000, SLACK_MS = 5 * 1000 };
	static const uint8_t same[32] = { 0x93, [12] = MOST >> 8 };
	static const uint8_t write[32] = { 0x2a, [8] = 1 };
	int64_t since;

	ASSERT_EQ(0, lio("hangable worse 8; lun " WWN_A " 1 %u worse", LUN_BAD));
	ready(vsg_io(self->dev, 0), T, LUN_BAD);
	memset(self->req->data_out, 1, BLOCK);
	ASSERT_EQ(0, lio("fail worse 8"));
	EXPECT_EQ(0x0800, run(self, LUN_BAD, same, BLOCK, 0).asc);
	since = vsg_now_ms();
	ASSERT_EQ(0, lio("heal worse 8"));
	EXPECT_EQ(VSG_BUSY, run(self, LUN_BAD, same, BLOCK, 0).status);
	EXPECT_EQ(VSG_GOOD, run(self, LUN_BAD, write, BLOCK, 0).status);
	while (run(self, LUN_BAD, same, BLOCK, 0).status == VSG_BUSY &&
	       vsg_now_ms() - since < MINUTE_MS + SLACK_MS)
		usleep(100000);
	EXPECT_EQ(VSG_GOOD, vsg_result(self->req).status);
	printf("# %lld ms\n", (long long)(vsg_now_ms() - since));
	ASSERT_EQ(0, lio("unlun " WWN_A " 1 %u", LUN_BAD));
	start_anew(self);
}

/* Another host has the disk for itself. LIO says that it is so, and logs it, since 6.5. */
TEST_F_TIMEOUT(silent, conflicts, 60)
{
	static struct klog_known of_reserved[] = {
		/* The SCSI layer's lines, and scsi_debug's. */
		{ "reservation conflict", 0 },
		{ "] tag#", 0 },
		{ "I/O error", 0 },
		{ "callbacks suppressed", 0 },
		{ "", 0 },
	};
	enum { LUN_RESERVED = 8 };
	static const uint8_t cdb[32] = { 0x2a, [8] = 1 };
	unsigned int conflicts = 0, busy = 0;
	struct vsg_result res;
	int64_t since, took;
	int ret = lio("reserved reserved");

	start_anew(self);
	if (ret)
		SKIP("scsi_debug cannot be told what to answer");
	ASSERT_EQ(0, lio("lun " WWN_A " 1 %u reserved", LUN_RESERVED));
	ready(vsg_io(self->dev, 0), T, LUN_RESERVED);
	start_anew(self);
	since = vsg_now_ms();
	do {
		res = run(self, LUN_RESERVED, cdb, BLOCK, 0);
		conflicts += res.status == VSG_RESERVATION_CONFLICT;
		busy += res.status == VSG_BUSY;
		took = vsg_now_ms() - since;
	} while (took < TIME_MS);
	klog_read(&self->log, of_reserved);
	printf("# %u conflicts, %u busy, %lu lines\n", conflicts, busy, self->log.lines);
	EXPECT_LT(BURST, conflicts);
	EXPECT_LT(0, busy);
	EXPECT_LE(self->log.lines, BURST + took * A_SECOND / 1000 + 2);
	ASSERT_EQ(0, lio("unlun " WWN_A " 1 %u", LUN_RESERVED));
	start_anew(self);
}

/* Of backstores that have it. */
static const struct row of_file[] = {
	{ "WRITE SAME (16) past the end", { 0x93, [8] = 0x40, [13] = 1 }, 512, 0, {}, 5, 0x2100 },
	{ "WRITE SAME (16), UNMAP", { 0x93, 8, [13] = 1 }, 512, 0, {}, 5, 0x2000 },
	{ "WRITE SAME (32), NACA",
	  { 0x7f, 4, [7] = 24, [9] = 0x0d, [31] = 1 }, 512, 0, {}, 5, 0x2400 },
	{ "UNMAP that is not there", { 0x42, [8] = 8 }, 8, 0, {}, 5, 0x2000 },
};

static const struct row of_unmap[] = {
	{ "WRITE SAME (16), UNMAP", { 0x93, 8, [13] = 1 }, 512, 0, {}, 0, 0 },
	{ "UNMAP, short", { 0x42, [8] = 7 }, 7, 0, {}, 5, 0x1a00 },
	{ "UNMAP, list cut", { 0x42, [8] = 20 }, 20, 0, { [1] = 22, [3] = 16 }, 0, 0 },
};

static void check_row(struct silent *self, unsigned int lun, const struct row *row)
{
	struct vsg_result res;

	WHERE("LUN %u, %s", lun, row->what);
	memset(self->req->data_out, 0, 4096);
	memcpy(self->req->data_out, row->list, sizeof(row->list));
	res = run(self, lun, row->cdb, row->out, row->in);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(row->key ? VSG_CHECK_CONDITION : VSG_GOOD, res.status);
	EXPECT_EQ(row->key ? row->key : -1, res.key);
	EXPECT_EQ(row->key ? row->asc : -1, res.asc);
}

/* More than once each: LIO's lines have no bound. */
TEST_F_TIMEOUT(silent, answers, 120)
{
	struct row row;
	unsigned int lun, i, n;

	for (lun = 0; lun < LUNS; lun++) {
		memset(self->req->data_out, 0, 4096);
		vsg_cmd_rw(self->req, T, lun, true, 0, 8, BLOCK);
		exec_good(vsg_io(self->dev, 0), self->req);
		for (i = 0; i < ARRAY_SIZE(rows); i++)
			for (n = 0; n < 3; n++)
				check_row(self, lun, &rows[i]);
		for (i = 0; i < ARRAY_SIZE(same_rows); i++) {
			row = same_rows[i];
			if (lun == LUN_RAM)
				row.asc = 0x2000;
			for (n = 0; n < 3; n++)
				check_row(self, lun, &row);
		}
	}
}

/* It takes 8 MiB at a time, as its Block Limits VPD page says. */
TEST_F(silent, more_than_a_file_takes)
{
	enum { MOST = 8 << 20 };
	struct vsg_ring *r = vsg_io(self->dev, 0);
	struct vsg_req *req = request(self->dev, MOST + BLOCK, MOST + BLOCK);
	struct vsg_result res;
	int write;

	ready(r, T, LUN_LARGE);
	for (write = 0; write < 2; write++) {
		WHERE("%s", write ? "WRITE" : "READ");
		vsg_cmd_rw(req, T, LUN_LARGE, write, 0, MOST / BLOCK, BLOCK);
		exec_good(r, req);
		vsg_cmd_rw(req, T, LUN_LARGE, write, 0, MOST / BLOCK + 1, BLOCK);
		res = exec(r, req);
		EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
		EXPECT_EQ(5, res.key);
		EXPECT_EQ(0x2400, res.asc);
		EXPECT_EQ(MOST + BLOCK, res.resid);
	}
}

/* The parameters are a part of the data-out; @resid: bytes that are not. */
struct larger {
	struct row row;
	uint32_t resid;
};

static const struct larger larger[] = {
	{ { "MODE SELECT (6) of no list", { 0x15, 0x10 }, 512, 0, { 0xff, 0xff }, 0, 0 }, 512 },
	{ { "MODE SELECT (10) of no list", { 0x55, 0x10 }, 512, 0, { 0xff, 0xff }, 0, 0 }, 512 },
	{ { "PERSISTENT RESERVE OUT", { 0x5f, 0, [8] = 24 }, 32, 0, {}, 0, 0 }, 8 },
	{ { "EXTENDED COPY of no list", { 0x83 }, 512, 0, { 0xff, 0xff }, 0, 0 }, 512 },
};

/* Likewise, of backstores that have it. */
static const struct larger larger_same[] = {
	{ { "WRITE SAME (10)", { 0x41, [8] = 2 }, 1024, 0, { 1 }, 0, 0 }, 512 },
	{ { "WRITE SAME (16)", { 0x93, [13] = 2 }, 4096, 0, { 1 }, 0, 0 }, 3584 },
	{ { "WRITE SAME (32)", SAME_32(2, 0), 513, 0, { 1 }, 0, 0 }, 1 },
};

static void check_larger(struct silent *self, unsigned int lun, const struct larger *l)
{
	check_row(self, lun, &l->row);
	EXPECT_EQ(l->resid, vsg_result(self->req).resid);
}

TEST_F(silent, larger_buffers)
{
	unsigned int lun, i, n;

	for (n = 0; n < 3; n++) {
		for (lun = 0; lun < LUNS; lun++)
			for (i = 0; i < ARRAY_SIZE(larger); i++)
				check_larger(self, lun, &larger[i]);
		for (lun = LUN_FILE; lun <= LUN_BLOCK; lun++)
			for (i = 0; i < ARRAY_SIZE(larger_same); i++)
				check_larger(self, lun, &larger_same[i]);
	}
}

static int set_unmap(const char *value)
{
	int ret = lio_write(value, "core/fileio_" LIO_HBA "/file/attrib/emulate_tpu");

	return ret ? ret : lio_write(value, "core/fileio_" LIO_HBA
				     "/file/attrib/emulate_tpws");
}

TEST_F(silent, unmap)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(of_file); i++)
		check_row(self, LUN_FILE, &of_file[i]);
	ASSERT_EQ(0, set_unmap("1"));
	for (i = 0; i < ARRAY_SIZE(of_unmap); i++)
		check_row(self, LUN_FILE, &of_unmap[i]);
	ASSERT_EQ(0, set_unmap("0"));
}

/* Each command once, in all forms, by a LUN whose disk has the reservations. */
static void reserve_by_disk(struct silent *self, unsigned int lun)
{
	static const uint8_t flags[] = { 0, 1, 4, 8 };
	unsigned int action, i;

	for (action = 0; action < 8; action++) {
		vsg_cmd_pr_in(self->req, T, lun, action, 64);
		/* Capabilities are the kernel's. */
		EXPECT_EQ(action == 2 ? VSG_GOOD : VSG_CHECK_CONDITION,
			  exec(vsg_io(self->dev, 0), self->req).status);
		for (i = 0; i < ARRAY_SIZE(flags); i++) {
			vsg_cmd_pr_out(self->req, T, lun, action, 1, 0, 1);
			self->req->data_out[20] = flags[i];
			EXPECT_EQ(VSG_CHECK_CONDITION,
				  exec(vsg_io(self->dev, 0), self->req).status);
		}
	}
}

/*
 * LIO says once for each service action that there is none; the fabric cannot know. The
 * second disk is mapped: it has them, and what is below has not.
 */
TEST_F(silent, reservations_of_the_disk)
{
	unsigned int lun, i;
	int ret;

	ASSERT_EQ(0, lio("block own 8; hangable mapped 8"));
	ret = lio_write("0", "core/iblock_" LIO_HBA "/own/attrib/pgr_support");
	start_anew(self);
	if (ret)
		SKIP("this kernel's iblock does not pass reservations on");
	ASSERT_EQ(0, lio_write("0", "core/iblock_" LIO_HBA "/mapped/attrib/pgr_support"));
	ASSERT_EQ(0, lio("lun " WWN_A " 1 8 own; lun " WWN_A " 1 9 mapped"));
	for (lun = 8; lun <= 9; lun++) {
		WHERE("LUN %u", lun);
		ready(vsg_io(self->dev, 0), T, lun);
		reserve_by_disk(self, lun);
		start_anew(self);
		for (i = 0; i < 3; i++)
			reserve_by_disk(self, lun);
	}
	ASSERT_EQ(0, lio("unlun " WWN_A " 1 8; unlun " WWN_A " 1 9"));
}

/* A place for the file that is not there, as on a fresh Debian. */
TEST_F_TIMEOUT(silent, no_place_for_aptpl, 60)
{
	enum { LINES = 8 };
	char dir[160], away[170];
	int64_t end = vsg_now_ms() + 3000;
	struct klog log;
	unsigned int n;

	ASSERT_EQ(0, metadata_dir(dir, sizeof(dir)));
	snprintf(away, sizeof(away), "%s.away", dir);
	ASSERT_EQ(0, rename(dir, away));
	klog_open(&log);
	for (n = 0; n < 20 || vsg_now_ms() < end; n++) {
		vsg_cmd_pr_out(self->req, T, LUN_RAM, VSG_PROUT_REGISTER, 0, 0, 1);
		self->req->data_out[20] = n & 1;
		EXPECT_EQ(0x0800, exec(vsg_io(self->dev, 0), self->req).asc);
	}
	EXPECT_EQ(0, rename(away, dir));
	klog_read(&log, bounded);
	printf("# %lu lines for %u commands\n", log.lines, n);
	EXPECT_LE(log.lines, LINES);
	klog_close(&log);
	start_anew(self);

	WHERE("with it");
	end = vsg_now_ms() + WAIT_MS;
	do {
		usleep(100000);
		vsg_cmd_pr_out(self->req, T, LUN_RAM, VSG_PROUT_REGISTER, 0, 0, 1);
	} while (exec(vsg_io(self->dev, 0), self->req).status != VSG_GOOD &&
		 vsg_now_ms() < end);
	vsg_cmd_pr_out(self->req, T, LUN_RAM, VSG_PROUT_REGISTER, 0, 1, 0);
	exec_good(vsg_io(self->dev, 0), self->req);
}

/* Conflicts of two nexuses. */
TEST_F(silent, reservations)
{
	struct vsg_ring *r = vsg_io(self->dev, 0), *o = vsg_io(self->other, 0);
	struct vsg_req *req = self->req, *theirs = request(self->other, 4096, 4096);
	static const uint8_t reserve[6] = { 0x16 }, release[6] = { 0x17 };
	unsigned int action;

	WHERE("RESERVE of the other");
	vsg_req_cmd(theirs, T, LUN_RAM, reserve, 6, 0, 0);
	exec_good(o, theirs);
	vsg_req_cmd(req, T, LUN_RAM, reserve, 6, 0, 0);
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, exec(r, req).status);
	vsg_cmd_pr_in(theirs, T, LUN_RAM, VSG_PRIN_READ_KEYS, 64);
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, exec(o, theirs).status);
	vsg_req_cmd(theirs, T, LUN_RAM, release, 6, 0, 0);
	exec_good(o, theirs);

	WHERE("nobody is registered");
	vsg_cmd_pr_out(req, T, LUN_RAM, VSG_PROUT_REGISTER, 0, 5, 6);
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, exec(r, req).status);
	for (action = VSG_PROUT_RESERVE; action <= 5; action++) {
		vsg_cmd_pr_out(req, T, LUN_RAM, action, 1, 0, 1);
		EXPECT_EQ(VSG_RESERVATION_CONFLICT, exec(r, req).status);
	}
	WHERE("the other has it");
	vsg_cmd_pr_out(theirs, T, LUN_RAM, VSG_PROUT_REGISTER, 0, 0, 2);
	exec_good(o, theirs);
	vsg_cmd_pr_out(theirs, T, LUN_RAM, VSG_PROUT_RESERVE, 1, 2, 0);
	exec_good(o, theirs);
	vsg_cmd_pr_out(req, T, LUN_RAM, VSG_PROUT_REGISTER, 0, 0, 3);
	exec_good(r, req);
	vsg_cmd_pr_out(req, T, LUN_RAM, VSG_PROUT_RESERVE, 1, 3, 0);
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, exec(r, req).status);
	vsg_cmd_pr_out(theirs, T, LUN_RAM, VSG_PROUT_RESERVE, 3, 2, 0);
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, exec(o, theirs).status);
	vsg_cmd_pr_out(theirs, T, LUN_RAM, VSG_PROUT_RELEASE, 3, 2, 0);
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, exec(o, theirs).status);
	vsg_cmd_pr_out(theirs, T, LUN_RAM, VSG_PROUT_RESERVE, 9, 2, 0);
	EXPECT_EQ(0x2400, exec(o, theirs).asc);
	vsg_cmd_pr_out(req, T, LUN_RAM, VSG_PROUT_CLEAR, 0, 9, 0);
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, exec(r, req).status);
	vsg_req_cmd(req, T, LUN_RAM, reserve, 6, 0, 0);
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, exec(r, req).status);
	vsg_req_cmd(req, T, LUN_RAM, release, 6, 0, 0);
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, exec(r, req).status);
	WHERE("cleared");
	vsg_cmd_pr_out(theirs, T, LUN_RAM, VSG_PROUT_CLEAR, 0, 2, 0);
	exec_good(o, theirs);
}

/* ---- REGISTER AND MOVE -------------------------------------------------- */

/* A nexus: its target port's number, and its initiator port's name. */
struct port {
	uint16_t number;
	uint64_t name;
};

/* Of the nexus that is registered with this key. */
static struct port port_of(struct silent *self, uint64_t key)
{
	const uint8_t *d = self->req->data_in, *end;
	struct port port = {};

	vsg_cmd_pr_in(self->req, T, LUN_RAM, VSG_PRIN_READ_FULL_STATUS, 512);
	EXPECT_EQ(VSG_GOOD, exec(vsg_io(self->dev, 0), self->req).status);
	end = d + 8 + vsg_get_be(d + 4, 4);
	for (d += 8; d < end; d += 24 + vsg_get_be(d + 20, 4))
		if (vsg_get_be(d, 8) == key) {
			port.number = vsg_get_be(d + 18, 2);
			port.name = vsg_get_be(d + 28, 8);
		}
	EXPECT_NE(0, port.name);
	return port;
}

/* By the nexus whose key is 2. @len: what the list says of the TransportID's length. */
static struct vsg_result move_to(struct silent *self, struct port port, uint32_t len)
{
	static const uint8_t cdb[32] = { 0x5f, VSG_PROUT_REGISTER_AND_MOVE, [8] = 48 };
	uint8_t *list = self->req->data_out;

	memset(list, 0, 48);
	vsg_put_be(list, 2, 8);
	vsg_put_be(list + 8, 4, 8);
	vsg_put_be(list + 18, port.number, 2);
	vsg_put_be(list + 20, len, 4);
	list[24] = 6;
	vsg_put_be(list + 28, port.name, 8);
	return run(self, LUN_RAM, cdb, 48, 0);
}

TEST_F(silent, register_and_move)
{
	struct vsg_ring *r = vsg_io(self->dev, 0), *o = vsg_io(self->other, 0);
	struct vsg_req *req = self->req, *theirs = request(self->other, 4096, 4096);
	struct port own, others;
	unsigned int n;

	vsg_cmd_pr_out(req, T, LUN_RAM, VSG_PROUT_REGISTER, 0, 0, 2);
	exec_good(r, req);
	vsg_cmd_pr_out(theirs, T, LUN_RAM, VSG_PROUT_REGISTER, 0, 0, 3);
	exec_good(o, theirs);
	own = port_of(self, 2);
	others = port_of(self, 3);
	for (n = 0; n < 3; n++) {
		WHERE("a TransportID of another length");
		EXPECT_EQ(0x2600, move_to(self, others, 25).asc);
		WHERE("to itself");
		EXPECT_EQ(0x2600, move_to(self, own, 24).asc);
		WHERE("nothing is reserved");
		EXPECT_EQ(0x2400, move_to(self, others, 24).asc);
	}
	WHERE("another has reserved it");
	vsg_cmd_pr_out(theirs, T, LUN_RAM, VSG_PROUT_RESERVE, VSG_PR_WRITE_EXCLUSIVE, 3, 0);
	exec_good(o, theirs);
	for (n = 0; n < 3; n++)
		EXPECT_EQ(VSG_RESERVATION_CONFLICT, move_to(self, others, 24).status);
	vsg_cmd_pr_out(theirs, T, LUN_RAM, VSG_PROUT_RELEASE, VSG_PR_WRITE_EXCLUSIVE, 3, 0);
	exec_good(o, theirs);
	WHERE("all have");
	vsg_cmd_pr_out(req, T, LUN_RAM, VSG_PROUT_RESERVE, 7, 2, 0);
	exec_good(r, req);
	for (n = 0; n < 3; n++)
		EXPECT_EQ(VSG_RESERVATION_CONFLICT, move_to(self, others, 24).status);
	vsg_cmd_pr_out(req, T, LUN_RAM, VSG_PROUT_CLEAR, 0, 2, 0);
	exec_good(r, req);
}
