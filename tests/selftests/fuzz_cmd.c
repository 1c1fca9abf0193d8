// SPDX-License-Identifier: GPL-2.0-only
/* Random SCSI requests: forms that LIO knows, and malformed ones. */

#include <string.h>

#include "fuzz.h"
#include "util.h"

#define BLOCK 512
#define BLOCKS_MAX (CMD_DATA_MAX / BLOCK)

uint8_t fuzz_naa[2][16];

enum dir { NONE, IN, OUT };

/* What a transfer length counts. */
enum unit { NOTHING, BYTES, BLOCKS };

/* Parameter lists. */
enum list { NO_LIST, L_UNMAP, L_RESERVE, L_COPY, L_MODE, L_STATES, L_COMPARE };

/**
 * struct form - a CDB
 * @op: operation code
 * @sa: service action, in byte 1, or in byte 9 of a 32-byte CDB
 * @size: bytes
 * @dir: of the data
 * @lba: where the LBA is
 * @lba_n: its bytes; 0: none
 * @cnt: where the transfer, allocation or parameter list length is
 * @cnt_n: its bytes; 0: none
 * @unit: of that length
 * @list: what the data are
 */
struct form {
	uint8_t op, sa, size;
	uint8_t dir;
	uint8_t lba, lba_n;
	uint8_t cnt, cnt_n;
	uint8_t unit;
	uint8_t list;
};

/* SPC-5, SBC-4, SSC-5: all that LIO has an opinion about, and some more. */
static const struct form forms[] = {
	/* TEST UNIT READY */
	{ .op = 0x00, .size = 6 },
	/* REWIND */
	{ .op = 0x01, .size = 6 },
	/* REQUEST SENSE */
	{ 0x03, 0, 6, IN, 0, 0, 4, 1, BYTES, NO_LIST },
	/* FORMAT UNIT */
	{ 0x04, 0, 6, OUT, 0, 0, 0, 0, NOTHING, NO_LIST },
	/* READ BLOCK LIMITS */
	{ 0x05, 0, 6, IN, 0, 0, 0, 0, NOTHING, NO_LIST },
	/* READ(6) */
	{ 0x08, 0, 6, IN, 1, 3, 4, 1, BLOCKS, NO_LIST },
	/* WRITE(6) */
	{ 0x0a, 0, 6, OUT, 1, 3, 4, 1, BLOCKS, NO_LIST },
	/* WRITE FILEMARKS */
	{ 0x10, 0, 6, NONE, 0, 0, 2, 3, NOTHING, NO_LIST },
	/* SPACE */
	{ 0x11, 0, 6, NONE, 0, 0, 2, 3, NOTHING, NO_LIST },
	/* INQUIRY */
	{ 0x12, 0, 6, IN, 0, 0, 3, 2, BYTES, NO_LIST },
	/* INQUIRY, VPD */
	{ 0x12, 1, 6, IN, 0, 0, 3, 2, BYTES, NO_LIST },
	/* MODE SELECT */
	{ 0x15, 0x10, 6, OUT, 0, 0, 4, 1, BYTES, L_MODE },
	/* RESERVE(6) */
	{ 0x16, 0, 6, NONE, 0, 0, 0, 0, NOTHING, NO_LIST },
	/* RELEASE(6) */
	{ 0x17, 0, 6, NONE, 0, 0, 0, 0, NOTHING, NO_LIST },
	/* MODE SENSE(6) */
	{ 0x1a, 0, 6, IN, 0, 0, 4, 1, BYTES, NO_LIST },
	/* START STOP UNIT */
	{ 0x1b, 0, 6, NONE, 0, 0, 0, 0, NOTHING, NO_LIST },
	/* RECEIVE DIAGNOSTIC */
	{ 0x1c, 0, 6, IN, 0, 0, 3, 2, BYTES, NO_LIST },
	/* SEND DIAGNOSTIC */
	{ 0x1d, 0, 6, OUT, 0, 0, 3, 2, BYTES, NO_LIST },
	/* PREVENT REMOVAL */
	{ .op = 0x1e, .size = 6 },
	/* READ CAPACITY(10) */
	{ 0x25, 0, 10, IN, 0, 0, 0, 0, NOTHING, NO_LIST },
	/* READ(10) */
	{ 0x28, 0, 10, IN, 2, 4, 7, 2, BLOCKS, NO_LIST },
	/* WRITE(10) */
	{ 0x2a, 0, 10, OUT, 2, 4, 7, 2, BLOCKS, NO_LIST },
	/* SEEK(10) */
	{ 0x2b, 0, 10, NONE, 2, 4, 0, 0, NOTHING, NO_LIST },
	/* WRITE AND VERIFY */
	{ 0x2e, 0, 10, OUT, 2, 4, 7, 2, BLOCKS, NO_LIST },
	/* VERIFY(10) */
	{ 0x2f, 0, 10, NONE, 2, 4, 7, 2, NOTHING, NO_LIST },
	/* ..., BYTCHK */
	{ 0x2f, 2, 10, OUT, 2, 4, 7, 2, BLOCKS, NO_LIST },
	/* PRE-FETCH */
	{ 0x34, 0, 10, NONE, 2, 4, 7, 2, NOTHING, NO_LIST },
	/* SYNCHRONIZE CACHE */
	{ 0x35, 0, 10, NONE, 2, 4, 7, 2, NOTHING, NO_LIST },
	/* READ DEFECT DATA */
	{ 0x37, 0, 10, IN, 0, 0, 7, 2, BYTES, NO_LIST },
	/* WRITE BUFFER */
	{ 0x3b, 2, 10, OUT, 0, 0, 6, 3, BYTES, NO_LIST },
	/* READ BUFFER */
	{ 0x3c, 2, 10, IN, 0, 0, 6, 3, BYTES, NO_LIST },
	/* WRITE SAME(10) */
	{ 0x41, 0, 10, OUT, 2, 4, 7, 2, NOTHING, NO_LIST },
	/* ..., UNMAP */
	{ 0x41, 8, 10, OUT, 2, 4, 7, 2, NOTHING, NO_LIST },
	/* UNMAP */
	{ 0x42, 0, 10, OUT, 0, 0, 7, 2, BYTES, L_UNMAP },
	/* READ TOC */
	{ 0x43, 0, 10, IN, 0, 0, 7, 2, BYTES, NO_LIST },
	/* LOG SELECT */
	{ 0x4c, 0, 10, OUT, 0, 0, 7, 2, BYTES, NO_LIST },
	/* LOG SENSE */
	{ 0x4d, 0, 10, IN, 0, 0, 7, 2, BYTES, NO_LIST },
	/* XDWRITEREAD(10) */
	{ 0x53, 0, 10, OUT, 2, 4, 7, 2, BLOCKS, NO_LIST },
	/* MODE SELECT(10) */
	{ 0x55, 0x10, 10, OUT, 0, 0, 7, 2, BYTES, L_MODE },
	/* RESERVE(10) */
	{ .op = 0x56, .size = 10 },
	/* RELEASE(10) */
	{ .op = 0x57, .size = 10 },
	/* MODE SENSE(10) */
	{ 0x5a, 0, 10, IN, 0, 0, 7, 2, BYTES, NO_LIST },
	/* PERSISTENT RESERVE IN */
	{ 0x5e, 0, 10, IN, 0, 0, 7, 2, BYTES, NO_LIST },
	{ 0x5e, 3, 10, IN, 0, 0, 7, 2, BYTES, NO_LIST },
	/* ... OUT */
	{ 0x5f, 0, 10, OUT, 0, 0, 5, 4, BYTES, L_RESERVE },
	{ 0x5f, 6, 10, OUT, 0, 0, 5, 4, BYTES, L_RESERVE },
	/* XDWRITEREAD(32) */
	{ 0x7f, 0x07, 32, OUT, 12, 8, 28, 4, BLOCKS, NO_LIST },
	/* READ(32) */
	{ 0x7f, 0x09, 32, IN, 12, 8, 28, 4, BLOCKS, NO_LIST },
	/* WRITE(32) */
	{ 0x7f, 0x0b, 32, OUT, 12, 8, 28, 4, BLOCKS, NO_LIST },
	/* WRITE SAME(32) */
	{ 0x7f, 0x0d, 32, OUT, 12, 8, 28, 4, NOTHING, NO_LIST },
	/* EXTENDED COPY */
	{ 0x83, 0, 16, OUT, 0, 0, 10, 4, BYTES, L_COPY },
	/* RECEIVE COPY RESULTS */
	{ 0x84, 3, 16, IN, 0, 0, 10, 4, BYTES, NO_LIST },
	/* ACCESS CONTROL IN */
	{ 0x86, 0, 16, IN, 0, 0, 10, 4, BYTES, NO_LIST },
	/* ACCESS CONTROL OUT */
	{ 0x87, 0, 16, OUT, 0, 0, 10, 4, BYTES, NO_LIST },
	/* READ(16) */
	{ 0x88, 0, 16, IN, 2, 8, 10, 4, BLOCKS, NO_LIST },
	{ 0x89, 0, 16, OUT, 2, 8, 13, 1, BLOCKS, L_COMPARE },
	/* WRITE(16) */
	{ 0x8a, 0, 16, OUT, 2, 8, 10, 4, BLOCKS, NO_LIST },
	/* READ ATTRIBUTE */
	{ 0x8c, 0, 16, IN, 0, 0, 10, 4, BYTES, NO_LIST },
	/* WRITE ATTRIBUTE */
	{ 0x8d, 0, 16, OUT, 0, 0, 10, 4, BYTES, NO_LIST },
	/* WRITE AND VERIFY(16) */
	{ 0x8e, 0, 16, OUT, 2, 8, 10, 4, BLOCKS, NO_LIST },
	/* VERIFY(16) */
	{ 0x8f, 0, 16, NONE, 2, 8, 10, 4, NOTHING, NO_LIST },
	/* SYNCHRONIZE CACHE(16) */
	{ 0x91, 0, 16, NONE, 2, 8, 10, 4, NOTHING, NO_LIST },
	/* WRITE SAME(16) */
	{ 0x93, 0, 16, OUT, 2, 8, 10, 4, NOTHING, NO_LIST },
	/* ..., UNMAP */
	{ 0x93, 8, 16, OUT, 2, 8, 10, 4, NOTHING, NO_LIST },
	/* READ CAPACITY(16) */
	{ 0x9e, 0x10, 16, IN, 2, 8, 10, 4, BYTES, NO_LIST },
	/* GET LBA STATUS */
	{ 0x9e, 0x12, 16, IN, 2, 8, 10, 4, BYTES, NO_LIST },
	/* REPORT REFERRALS */
	{ 0x9e, 0x13, 16, IN, 2, 8, 10, 4, BYTES, NO_LIST },
	/* REPORT LUNS */
	{ 0xa0, 0, 12, IN, 0, 0, 6, 4, BYTES, NO_LIST },
	/* SECURITY PROTOCOL IN */
	{ 0xa2, 0, 12, IN, 0, 0, 6, 4, BYTES, NO_LIST },
	/* REPORT IDENTIFYING */
	{ 0xa3, 0x05, 12, IN, 0, 0, 6, 4, BYTES, NO_LIST },
	/* REPORT PORT GROUPS */
	{ 0xa3, 0x0a, 12, IN, 0, 0, 6, 4, BYTES, NO_LIST },
	/* REPORT OPERATIONS */
	{ 0xa3, 0x0c, 12, IN, 0, 0, 6, 4, BYTES, NO_LIST },
	/* REPORT FUNCTIONS */
	{ 0xa3, 0x0d, 12, IN, 0, 0, 6, 4, BYTES, NO_LIST },
	/* SET PORT GROUPS */
	{ 0xa4, 0x0a, 12, OUT, 0, 0, 6, 4, BYTES, L_STATES },
	/* READ(12) */
	{ 0xa8, 0, 12, IN, 2, 4, 6, 4, BLOCKS, NO_LIST },
	/* WRITE(12) */
	{ 0xaa, 0, 12, OUT, 2, 4, 6, 4, BLOCKS, NO_LIST },
	/* WRITE AND VERIFY(12) */
	{ 0xae, 0, 12, OUT, 2, 4, 6, 4, BLOCKS, NO_LIST },
	/* SECURITY PROTOCOL OUT */
	{ 0xb5, 0, 12, OUT, 0, 0, 6, 4, BYTES, NO_LIST },
	/* of a vendor */
	{ .op = 0xe7, .size = 10 },
};

/* ---- numbers ------------------------------------------------------------ */

/* Most of them small; also those at which computers err. */
static uint64_t odd_number(struct rng *r)
{
	static const uint64_t edges[] = {
		0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000,
		0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
		0x7fffffffffffffff, 0x8000000000000000, ~0ULL,
	};

	switch (below(r, 3)) {
	case 0:
		return edges[below(r, ARRAY_SIZE(edges))];
	case 1:
		return below(r, 64);
	default:
		return rnd(r) >> below(r, 64);
	}
}

/* The disks have 8192 blocks, or 16384. */
static uint64_t block(struct rng *r)
{
	switch (below(r, 40)) {
	case 0:
		return 8192 - below(r, 2 * BLOCKS_MAX);
	case 1:
		return 16384 - below(r, 2 * BLOCKS_MAX);
	case 2:
		return odd_number(r);
	default:
		return below(r, 8000);
	}
}

/* ---- parameter lists ---------------------------------------------------- */

static unsigned int list_unmap(uint8_t *p, struct rng *r)
{
	unsigned int n = below(r, 4), i;

	vsg_put_be(p, 6 + 16 * n, 2);
	vsg_put_be(p + 2, 16 * n, 2);
	for (i = 0; i < n; i++) {
		vsg_put_be(p + 8 + 16 * i, block(r), 8);
		vsg_put_be(p + 16 + 16 * i, below(r, 64), 4);
	}
	return 8 + 16 * n;
}

static unsigned int list_reserve(uint8_t *p, struct rng *r)
{
	/* Few keys, so that some of them match. */
	vsg_put_be(p, below(r, 3), 8);
	vsg_put_be(p + 8, below(r, 3), 8);
	/* ALL_TG_PT; APTPL writes a file of the host each time. */
	p[20] = one_in(r, 8) ? 1 << 2 : 0;
	return 24;
}

/* SPC-4 6.4.3: two LUNs, and one segment from block to block. */
static unsigned int list_copy(uint8_t *p, struct rng *r)
{
	unsigned int i;

	p[0] = below(r, 2);
	vsg_put_be(p + 2, 64, 2);
	vsg_put_be(p + 8, 28, 4);
	for (i = 0; i < 2; i++) {
		uint8_t *t = p + 16 + 32 * i;

		t[0] = 0xe4;
		t[4] = 1;
		t[5] = 3;
		t[7] = 16;
		memcpy(t + 8, fuzz_naa[below(r, 2)], 16);
		vsg_put_be(t + 29, BLOCK, 3);
	}
	p += 80;
	p[0] = 2;
	p[1] = 2;
	vsg_put_be(p + 2, 24, 2);
	vsg_put_be(p + 4, 0, 2);
	vsg_put_be(p + 6, 1, 2);
	vsg_put_be(p + 10, below(r, 16), 2);
	vsg_put_be(p + 12, block(r), 8);
	vsg_put_be(p + 20, block(r), 8);
	return 108;
}

static unsigned int list_mode(uint8_t *p, struct rng *r)
{
	unsigned int at = one_in(r, 2) ? 4 : 8;

	p[at] = below(r, 2) ? 0x08 : 0x0a;
	p[at + 1] = p[at] == 0x08 ? 0x12 : 0x0a;
	p[at + 2] = below(r, 8);
	return at + 2 + p[at + 1];
}

static unsigned int list_states(uint8_t *p, struct rng *r)
{
	/* Optimized in most cases, for with others little is carried out. */
	p[4] = one_in(r, 8) ? below(r, 16) : 0;
	vsg_put_be(p + 6, below(r, 3), 2);
	return 8;
}

static unsigned int list_fill(uint8_t *p, uint8_t list, struct rng *r)
{
	memset(p, 0, CMD_LIST_MAX);
	switch (list) {
	case L_UNMAP:
		return list_unmap(p, r);
	case L_RESERVE:
		return list_reserve(p, r);
	case L_COPY:
		return list_copy(p, r);
	case L_MODE:
		return list_mode(p, r);
	case L_STATES:
		return list_states(p, r);
	case L_COMPARE:
		/* What is on most of the disk. */
		return CMD_LIST_MAX;
	default:
		return 0;
	}
}

/* ---- headers ------------------------------------------------------------ */

static uint16_t any_lun(struct rng *r)
{
	/* Quick disks have more, for their commands cost less. */
	static const uint8_t luns[] = {
		LUN_RAM, LUN_RAM, LUN_RAM, LUN_RAM, LUN_BLOCK, LUN_BLOCK,
		LUN_BLOCK, LUN_FILE, LUN_FILE, LUN_DISK, LUN_DISK, LUN_TAPE,
		LUN_COMES, LUN_COMES,
	};

	return luns[below(r, ARRAY_SIZE(luns))];
}

static void lun_field(uint8_t *lun, struct rng *r)
{
	vsg_lun(lun, FUZZ_TARGET, any_lun(r));
	if (one_in(r, 4))
		lun[2] = 0;
	if (one_in(r, 24))
		lun[below(r, 8)] = odd_number(r);
	if (one_in(r, 64))
		vsg_put_be(lun, rnd(r), 8);
	if (lun[1] == CALM_TARGET)
		lun[1] = FUZZ_TARGET;
}

static uint64_t tag(struct rng *r)
{
	/* Few, so that ABORT TASK finds some. */
	return one_in(r, 16) ? odd_number(r) : below(r, 64);
}

static void cdb_fill(struct fuzz_cmd *cmd, const struct form *f, struct rng *r)
{
	uint8_t *cdb = cmd->hdr.cdb;
	uint32_t n;

	cdb[0] = f->op;
	if (f->op == 0x7f) {
		cdb[7] = 0x18;
		cdb[9] = f->sa;
	} else {
		cdb[1] = f->sa;
	}
	if (f->lba_n)
		vsg_put_be(cdb + f->lba, block(r), f->lba_n);
	if (f->op == 0x12 && f->sa)
		cdb[2] = one_in(r, 2) ? 0xb0 + below(r, 3) : below(r, 0x90);
	if (f->op == 0x1a || f->op == 0x5a)
		cdb[2] = one_in(r, 2) ? 0x3f : below(r, 0x40);
	if (f->op == 0x5e)
		cdb[1] = below(r, 5);
	if (f->op == 0x5f) {
		cdb[1] = below(r, 8);
		cdb[2] = one_in(r, 8) ? below(r, 256) : 1 + below(r, 8);
	}

	n = f->unit == BLOCKS ? below(r, BLOCKS_MAX + 1) :
	    f->unit == BYTES ? below(r, 1024) : below(r, 9);
	if (f->list == L_COMPARE)
		n = below(r, 3);
	cmd->list_len = list_fill(cmd->list, f->list, r);
	if (f->unit == BYTES && cmd->list_len)
		n = cmd->list_len;
	if (f->cnt_n)
		vsg_put_be(cdb + f->cnt, n, f->cnt_n);
	if (f->cnt_n == 1)
		n &= 0xff;

	n *= f->unit == BLOCKS ? BLOCK : 1;
	if (f->list == L_COMPARE)
		n *= 2;
	if (f->unit == NOTHING)
		n = f->op == 0x41 || f->op == 0x93 || f->op == 0x7f ? BLOCK : 0;
	/* The length is not in the CDB. */
	if (f->dir == IN && f->unit == NOTHING)
		n = 8;
	cmd->out = f->dir == OUT ? n : 0;
	cmd->in = f->dir == IN ? n : 0;
}

static void cdb_mutate(struct fuzz_cmd *cmd, struct rng *r)
{
	uint8_t *cdb = cmd->hdr.cdb;
	unsigned int at, n;

	switch (below(r, 8)) {
	case 0:
		cdb[below(r, 32)] ^= 1 << below(r, 8);
		break;
	case 1:
		cdb[below(r, 32)] = odd_number(r);
		break;
	case 2:
		at = below(r, 32);
		n = 1U << below(r, 4);
		if (at + n <= 32)
			vsg_put_be(cdb + at, odd_number(r), n);
		break;
	case 3:
		cdb[0] = rnd(r);
		break;
	case 4:
		cdb[1] = rnd(r);
		break;
	case 5:
		/* A variable length CDB of another length. */
		cdb[0] = 0x7f;
		cdb[7] = odd_number(r);
		cdb[9] = below(r, 16);
		break;
	case 6:
		for (n = 0; n < 32; n++)
			cdb[n] = rnd(r);
		break;
	case 7:
		if (cmd->list_len)
			cmd->list[below(r, cmd->list_len)] = odd_number(r);
		break;
	}
}

/* Another length than the CDB's, another direction. */
static void length_mutate(struct fuzz_cmd *cmd, struct rng *r)
{
	uint32_t n;

	switch (below(r, 5)) {
	case 0:
		n = cmd->out;
		cmd->out = cmd->in;
		cmd->in = n;
		break;
	case 1:
		cmd->out = below(r, CMD_DATA_MAX);
		break;
	case 2:
		cmd->in = below(r, CMD_DATA_MAX);
		break;
	case 3:
		cmd->out = cmd->out ? below(r, cmd->out) : 0;
		cmd->in = cmd->in ? below(r, cmd->in) : 0;
		break;
	case 4:
		cmd->out = 0;
		cmd->in = 0;
		break;
	}
}

void fuzz_cmd(struct fuzz_cmd *cmd, struct rng *r)
{
	/* Half of them are the commands that most of a guest's are. */
	static const uint8_t usual[] = { 0x28, 0x2a, 0x88, 0x8a, 0x00, 0x12 };
	const struct form *f = &forms[below(r, ARRAY_SIZE(forms))];
	unsigned int i;

	memset(&cmd->hdr, 0, sizeof(cmd->hdr));
	if (one_in(r, 2)) {
		uint8_t op = usual[below(r, ARRAY_SIZE(usual))];

		for (i = 0; forms[i].op != op; i++)
			;
		f = &forms[i];
	}
	lun_field(cmd->hdr.lun, r);
	cmd->hdr.tag = htole64(tag(r));
	if (one_in(r, 8))
		cmd->hdr.task_attr = one_in(r, 4) ? rnd(r) : below(r, 5);
	if (one_in(r, 8))
		cmd->hdr.prio = rnd(r);
	if (one_in(r, 8))
		cmd->hdr.crn = rnd(r);
	cdb_fill(cmd, f, r);
	if (one_in(r, 5))
		cdb_mutate(cmd, r);
	if (one_in(r, 64))
		cdb_mutate(cmd, r);
	if (one_in(r, 12))
		length_mutate(cmd, r);
	if (cmd->out > CMD_DATA_MAX)
		cmd->out = CMD_DATA_MAX;
	if (cmd->in > CMD_DATA_MAX)
		cmd->in = CMD_DATA_MAX;
	if (cmd->list_len > cmd->out)
		cmd->list_len = cmd->out;
}

unsigned int fuzz_ctl(uint8_t *req, struct rng *r)
{
	uint32_t type = one_in(r, 32) ? odd_number(r) : below(r, 3);
	unsigned int len = type ? 16 : 24;
	uint8_t *lun = req + (type ? 4 : 8);
	uint32_t v;
	uint64_t t;

	memset(req, 0, 24);
	v = htole32(type);
	memcpy(req, &v, 4);
	lun_field(lun, r);
	v = htole32(one_in(r, 8) ? odd_number(r) : below(r, 8));
	memcpy(req + (type ? 12 : 4), &v, 4);
	if (!type) {
		t = htole64(tag(r));
		memcpy(req + 16, &t, 8);
	}
	if (one_in(r, 16))
		req[below(r, len)] ^= 1 << below(r, 8);
	if (lun[1] == CALM_TARGET || req[9] == CALM_TARGET ||
	    req[5] == CALM_TARGET)
		req[0] = 0xff;
	return len;
}
