// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proves: what a LUN answers with data-in is cut at the allocation length, which is no
 * error (SPC-4 4.3.5.6), tells its own length, and is true.
 */

#include <stdio.h>
#include <string.h>

#include "support.h"

#define T 1

enum { LUN_RAM, LUN_FILE, LUN_BLOCK, LUN_ABSENT = 7 };
enum { BUFFER = 4096, ALLOC = 2048 };

/* Where an answer tells its length. */
enum {
	BYTE_0 = -10, BE16_0, BE32_0, BE16_2, BYTE_4, BE32_4, BYTE_7, LUNS, ONE_CODE,
};

/**
 * struct answer - a command with data-in
 * @cdb: with no allocation length
 * @len: where that is
 * @bytes: of it
 * @tells: how many bytes are answered: a number, or where they tell it
 */
struct answer {
	const char *what;
	uint8_t cdb[16];
	unsigned int len, bytes;
	int tells;
};

static const struct answer answers[] = {
	{ "INQUIRY", { 0x12 }, 3, 2, BYTE_4 },
	{ "INQUIRY, VPD 00h", { 0x12, 1, 0x00 }, 3, 2, BE16_2 },
	{ "INQUIRY, VPD 80h", { 0x12, 1, 0x80 }, 3, 2, BE16_2 },
	{ "INQUIRY, VPD 83h", { 0x12, 1, 0x83 }, 3, 2, BE16_2 },
	{ "INQUIRY, VPD 86h", { 0x12, 1, 0x86 }, 3, 2, BE16_2 },
	{ "INQUIRY, VPD B0h", { 0x12, 1, 0xb0 }, 3, 2, BE16_2 },
	{ "INQUIRY, VPD B1h", { 0x12, 1, 0xb1 }, 3, 2, BE16_2 },
	{ "INQUIRY, VPD B2h", { 0x12, 1, 0xb2 }, 3, 2, BE16_2 },
	{ "INQUIRY, VPD B3h", { 0x12, 1, 0xb3 }, 3, 2, BE16_2 },
	{ "REQUEST SENSE", { 0x03 }, 4, 1, BYTE_7 },
	{ "REQUEST SENSE, DESC", { 0x03, 1 }, 4, 1, BYTE_7 },
	{ "MODE SENSE (6), all", { 0x1a, 0, 0x3f }, 4, 1, BYTE_0 },
	{ "MODE SENSE (6), all, DBD", { 0x1a, 8, 0x3f }, 4, 1, BYTE_0 },
	{ "MODE SENSE (6), control", { 0x1a, 0, 0x0a }, 4, 1, BYTE_0 },
	{ "MODE SENSE (6), caching, changeable", { 0x1a, 0, 0x48 }, 4, 1, BYTE_0 },
	{ "MODE SENSE (10), all", { 0x5a, 0, 0x3f }, 7, 2, BE16_0 },
	{ "MODE SENSE (10), all, LLBAA", { 0x5a, 0x10, 0x3f, 0xff }, 7, 2, BE16_0 },
	{ "MODE SENSE (10), informational", { 0x5a, 8, 0x1c }, 7, 2, BE16_0 },
	{ "READ CAPACITY (16)", { 0x9e, 0x10 }, 10, 4, 32 },
	{ "REPORT LUNS", { 0xa0 }, 6, 4, LUNS },
	{ "REPORT LUNS, well known", { 0xa0, 0, 1 }, 6, 4, LUNS },
	{ "REPORT LUNS, all", { 0xa0, 0, 2 }, 6, 4, LUNS },
	{ "READ KEYS", { 0x5e, 0 }, 7, 2, BE32_4 },
	{ "READ RESERVATION", { 0x5e, 1 }, 7, 2, BE32_4 },
	{ "REPORT CAPABILITIES", { 0x5e, 2 }, 7, 2, 8 },
	{ "READ FULL STATUS", { 0x5e, 3 }, 7, 2, BE32_4 },
	{ "REPORT TARGET PORT GROUPS", { 0xa3, 0x0a }, 6, 4, BE32_0 },
	{ "REPORT TARGET PORT GROUPS, extended", { 0xa3, 0x2a }, 6, 4, BE32_0 },
	{ "RECEIVE COPY RESULTS", { 0x84, 3 }, 10, 4, BE32_0 },
};

/* REPORT SUPPORTED OPERATION CODES, which LIO has since 6.2. */
static const struct answer codes[] = {
	{ "all codes", { 0xa3, 0x0c }, 6, 4, BE32_0 },
	{ "all codes, timeouts", { 0xa3, 0x0c, 0x80 }, 6, 4, BE32_0 },
	{ "the code of MODE SENSE (6)", { 0xa3, 0x0c, 1, 0x1a }, 6, 4, ONE_CODE },
	{ "a code that is not there", { 0xa3, 0x0c, 1, 0xc0 }, 6, 4, 2 },
};

/* What a LUN answers that is not there; and the well known one of a target, or the device. */
static const struct answer of_absent[] = {
	{ "INQUIRY", { 0x12 }, 3, 2, BYTE_4 },
	{ "INQUIRY, VPD 00h", { 0x12, 1, 0x00 }, 3, 2, BE16_2 },
	{ "REQUEST SENSE", { 0x03 }, 4, 1, BYTE_7 },
	{ "REQUEST SENSE, DESC", { 0x03, 1 }, 4, 1, BYTE_7 },
	{ "REPORT LUNS", { 0xa0 }, 6, 4, LUNS },
	{ "REPORT LUNS, all", { 0xa0, 0, 2 }, 6, 4, LUNS },
};

static const struct answer of_well_known[] = {
	{ "INQUIRY", { 0x12 }, 3, 2, BYTE_4 },
	{ "INQUIRY, VPD 00h", { 0x12, 1, 0x00 }, 3, 2, BE16_2 },
	{ "INQUIRY, VPD 83h", { 0x12, 1, 0x83 }, 3, 2, BE16_2 },
	{ "REQUEST SENSE", { 0x03 }, 4, 1, BYTE_7 },
	{ "REQUEST SENSE, DESC", { 0x03, 1 }, 4, 1, BYTE_7 },
	{ "REPORT LUNS", { 0xa0 }, 6, 4, LUNS },
	{ "REPORT LUNS, well known", { 0xa0, 0, 1 }, 6, 4, LUNS },
	{ "REPORT LUNS, all", { 0xa0, 0, 2 }, 6, 4, LUNS },
};

int suite_setup(void)
{
	return lio_suite("ramdisk ram 8; fileio file 8; block disk 8\n"
			 "tpg " WWN_A " 1; lun " WWN_A " 1 0 ram\n"
			 "lun " WWN_A " 1 1 file; lun " WWN_A " 1 2 disk\n"
			 "tpg " WWN_B " 1; lun " WWN_B " 1 0 ram\n"
			 "lun " WWN_B " 1 1 file; lun " WWN_B " 1 2 disk\n");
}

void suite_teardown(void)
{
	lio_suite_end();
}

FIXTURE(answers)
{
	struct vsg_dev *dev;
	struct vsg_dev *other;
	struct vsg_ring *r;
	struct vsg_req *req;
};

/* Two are registered, and one has reserved: each answer has something in it. */
static void reserve(struct vsg_dev *dev, uint64_t key, bool register_only, bool release)
{
	struct vsg_ring *r = vsg_io(dev, 0);
	struct vsg_req *req = request(dev, 64, 64);
	unsigned int lun;

	for (lun = LUN_RAM; lun <= LUN_BLOCK; lun++) {
		ready(r, T, lun);
		vsg_cmd_pr_out(req, T, lun, VSG_PROUT_REGISTER_AND_IGNORE, 0, 0,
			       release ? 0 : key);
		exec_good(r, req);
		if (register_only || release)
			continue;
		vsg_cmd_pr_out(req, T, lun, VSG_PROUT_RESERVE,
			       VSG_PR_WRITE_EXCLUSIVE_REG, key, 0);
		exec_good(r, req);
	}
}

FIXTURE_SETUP(answers)
{
	self->dev = guest(WWN_A, NULL);
	self->other = guest(WWN_B, NULL);
	self->r = vsg_io(self->dev, 0);
	self->req = request(self->dev, 0, BUFFER);
	reserve(self->dev, 0xabc, false, false);
	reserve(self->other, 0xdef, true, false);
}

FIXTURE_TEARDOWN(answers)
{
	reserve(self->other, 0xdef, true, true);
	reserve(self->dev, 0xabc, true, true);
	guest_end(self->dev);
	guest_end(self->other);
}

static struct vsg_result ask(struct answers *self, const uint8_t *lun,
			     const struct answer *a, uint32_t alloc, uint32_t buffer)
{
	uint8_t cdb[16];

	memcpy(cdb, a->cdb, sizeof(cdb));
	vsg_put_be(&cdb[a->len], alloc, a->bytes);
	vsg_req_cmd(self->req, T, 0, cdb, sizeof(cdb), 0, buffer);
	memcpy(self->req->hdr->lun, lun, 8);
	memset(self->req->data_in, 0xee, BUFFER);
	return exec(self->r, self->req);
}

/* The length that an answer tells. */
static uint32_t told(const struct answer *a, const uint8_t *in)
{
	switch (a->tells) {
	case BYTE_0:
		return 1 + in[0];
	case BE16_0:
		return 2 + vsg_get_be(in, 2);
	case BE32_0:
		return 4 + vsg_get_be(in, 4);
	case BE16_2:
		return 4 + vsg_get_be(in + 2, 2);
	case BYTE_4:
		return 5 + in[4];
	case BE32_4:
		return 8 + vsg_get_be(in + 4, 4);
	case BYTE_7:
		return 8 + in[7];
	case LUNS:
		return 8 + vsg_get_be(in, 4);
	case ONE_CODE:
		return in[1] == 3 ? 4 + vsg_get_be(in + 2, 2) : 2;
	default:
		return a->tells;
	}
}

/* Are the bytes from @from on as they were? */
static bool untouched(const uint8_t *in, uint32_t from)
{
	return in[from] == 0xee && !memcmp(in + from, in + from + 1, BUFFER - from - 1);
}

static void check_one(struct answers *self, const uint8_t *lun, const struct answer *a,
		      const uint8_t *full, uint32_t len, uint32_t alloc, uint32_t buffer)
{
	struct vsg_result res = ask(self, lun, a, alloc, buffer);
	uint32_t want = len < alloc ? len : alloc;
	const uint8_t *in = self->req->data_in;

	if (alloc > buffer) {
		EXPECT_EQ(VIRTIO_SCSI_S_OVERRUN, res.response);
		EXPECT_TRUE(untouched(in, 0));
		return;
	}
	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_GOOD, res.status);
	EXPECT_EQ(-1, res.asc);
	EXPECT_EQ(buffer - want, res.resid);
	EXPECT_EQ(0, memcmp(full, in, want));
	EXPECT_TRUE(untouched(in, want));
}

static void check(struct answers *self, const uint8_t *lun, const char *of,
		  const struct answer *a)
{
	static const uint32_t some[] = {
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 16, 18, 23, 24, 31, 32, 36, 60, 255,
	};
	uint32_t most = a->bytes == 1 ? 255 : ALLOC, len, alloc, i;
	uint8_t full[BUFFER];
	struct vsg_result res;

	WHERE("%s, %s", of, a->what);
	res = ask(self, lun, a, most, BUFFER);
	EXPECT_EQ(VSG_GOOD, res.status);
	EXPECT_EQ(-1, res.asc);
	if (res.status)
		return;
	len = BUFFER - res.resid;
	memcpy(full, self->req->data_in, BUFFER);
	EXPECT_EQ(told(a, full), len);
	EXPECT_TRUE(untouched(full, len));
	EXPECT_LT(0, len);

	for (i = 0; i < ARRAY_SIZE(some) + 3; i++) {
		alloc = i < ARRAY_SIZE(some) ? some[i] : len - 1 + i - ARRAY_SIZE(some);
		if (alloc > most)
			continue;
		WHERE("%s, %s, %u of %u bytes", of, a->what, alloc, len);
		if (alloc)
			check_one(self, lun, a, full, len, alloc, alloc - 1);
		check_one(self, lun, a, full, len, alloc, alloc);
		check_one(self, lun, a, full, len, alloc, alloc + 700);
	}
}

/* It has no allocation length, and eight bytes. */
static void check_capacity(struct answers *self, unsigned int lun)
{
	static const uint8_t cdb[10] = { VSG_READ_CAPACITY_10 };
	struct vsg_result res;
	uint32_t buffer;

	for (buffer = 0; buffer <= 16; buffer++) {
		WHERE("LUN %u, READ CAPACITY (10), %u bytes", lun, buffer);
		vsg_req_cmd(self->req, T, lun, cdb, 10, 0, buffer);
		memset(self->req->data_in, 0xee, BUFFER);
		res = exec(self->r, self->req);
		EXPECT_EQ(buffer < 8 ? VIRTIO_SCSI_S_OVERRUN : VIRTIO_SCSI_S_OK,
			  res.response);
		if (buffer >= 8)
			EXPECT_EQ(buffer - 8, res.resid);
		EXPECT_TRUE(untouched(self->req->data_in, buffer < 8 ? 0 : 8));
	}
}

static void check_all(struct answers *self, unsigned int lun)
{
	uint8_t address[8];
	char of[16];
	unsigned int i;

	vsg_lun(address, T, lun);
	snprintf(of, sizeof(of), "LUN %u", lun);
	for (i = 0; i < ARRAY_SIZE(answers); i++)
		check(self, address, of, &answers[i]);
	for (i = 0; i < ARRAY_SIZE(codes) && kernel_is_since(6, 2); i++)
		check(self, address, of, &codes[i]);
	check_capacity(self, lun);
}

TEST_F_TIMEOUT(answers, ramdisk, 120)
{
	check_all(self, LUN_RAM);
}

TEST_F_TIMEOUT(answers, fileio, 120)
{
	check_all(self, LUN_FILE);
}

TEST_F_TIMEOUT(answers, iblock, 120)
{
	check_all(self, LUN_BLOCK);
}

static const uint8_t *answer(struct answers *self, unsigned int lun, const void *cdb)
{
	memset(self->req->data_in, 0, BUFFER);
	vsg_req_cmd(self->req, T, lun, cdb, 16, 0, 252);
	EXPECT_EQ(VSG_GOOD, exec(self->r, self->req).status);
	return self->req->data_in;
}

/* A text of the administrator's, where LIO has a file for it. */
TEST_F(answers, identifying_information)
{
	static const struct answer text = { "REPORT IDENTIFYING INFORMATION",
		{ 0xa3, 0x05, [10] = 4 }, 6, 4, BE16_2 };
	static const uint8_t cdb[16] = { 0xa3, 0x05, [9] = 252, [10] = 4 };
	uint8_t address[8];

	ASSERT_EQ(0, lio("ramdisk named 4; ramdisk nameless 4"));
	if (lio_write("rack 12", "core/rd_mcp_" LIO_HBA "/named/wwn/pd_text_id_info"))
		SKIP("this kernel's LIO does not have it");
	ASSERT_EQ(0, lio("lun " WWN_A " 1 5 named; lun " WWN_A " 1 6 nameless"));
	ready(self->r, T, 5);
	ready(self->r, T, 6);
	vsg_lun(address, T, 5);
	check(self, address, "with a name", &text);
	EXPECT_EQ(0, strcmp("rack 12", (const char *)answer(self, 5, cdb) + 4));
	vsg_lun(address, T, 6);
	check(self, address, "without", &text);
	ASSERT_EQ(0, lio("unlun " WWN_A " 1 5; unlun " WWN_A " 1 6"));
}

TEST_F_TIMEOUT(answers, absent, 60)
{
	static const uint16_t numbers[] = { LUN_ABSENT, 300 };
	uint8_t address[8];
	unsigned int i, n;

	for (n = 0; n < ARRAY_SIZE(numbers); n++) {
		vsg_lun(address, T, numbers[n]);
		for (i = 0; i < ARRAY_SIZE(of_absent); i++)
			check(self, address, "not there", &of_absent[i]);
	}
}

TEST_F_TIMEOUT(answers, well_known, 60)
{
	static const uint8_t of_device[8] = { 0xc1, 0x01 };
	static const uint8_t of_target[8] = { 1, T, 0xc1, 0x01 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(of_well_known); i++) {
		check(self, of_device, "device", &of_well_known[i]);
		check(self, of_target, "target", &of_well_known[i]);
	}
}

/* ---- what is in them ---------------------------------------------------- */

static int sense_of(struct answers *self, unsigned int lun, const void *cdb, uint32_t out)
{
	struct vsg_req *req = request(self->dev, 4096, 64);

	memset(req->data_out, 0, 4096);
	vsg_req_cmd(req, T, lun, cdb, 16, out, 0);
	return exec(self->r, req).asc;
}

/* DESC chooses the format, also of what is pending, and whatever D_SENSE says (SPC-5 6.39). */
static void check_formats(struct answers *self, unsigned int lun)
{
	static const uint8_t fixed[16] = { 0x03, [4] = 252 }, desc[16] = { 0x03, 1, [4] = 252 };
	const uint8_t *in;

	WHERE("LUN %u", lun);
	ready(self->r, T, lun);
	in = answer(self, lun, fixed);
	EXPECT_EQ(0x70, in[0]);
	EXPECT_EQ(0, in[2]);
	EXPECT_EQ(252 - 18, vsg_result(self->req).resid);
	in = answer(self, lun, desc);
	EXPECT_EQ(0x72, in[0]);
	EXPECT_EQ(0, in[1]);
	EXPECT_EQ(252 - 8, vsg_result(self->req).resid);
	/* LOGICAL UNIT RESET is a unit attention. */
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  vsg_tmf(self->dev, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, T, lun, 0, WAIT_MS));
	in = answer(self, lun, desc);
	EXPECT_EQ(0x72, in[0]);
	EXPECT_EQ(6, in[1]);
	EXPECT_EQ(0x29, in[2]);
	ready(self->r, T, lun);
}

TEST_F(answers, sense_formats)
{
	enum { LUN_HUGE = 3, TIB = 1 << 20 };
	unsigned int lun;

	/* With D_SENSE. */
	ASSERT_EQ(0, lio("hangable huge %u; lun " WWN_A " 1 3 huge", 4 * TIB));
	for (lun = LUN_RAM; lun <= LUN_HUGE; lun++)
		check_formats(self, lun);
	ASSERT_EQ(0, lio("unlun " WWN_A " 1 3"));
}

/* LIO cannot save a page, and said that what is current was saved. */
TEST_F(answers, no_saved_pages)
{
	static const uint8_t six[16] = { 0x1a, 0, 0xc8, 0, 64 };
	static const uint8_t ten[16] = { 0x5a, 0, 0xff, [8] = 64 };
	struct vsg_result res;
	unsigned int lun;

	for (lun = LUN_RAM; lun <= LUN_BLOCK; lun++) {
		WHERE("LUN %u", lun);
		vsg_req_cmd(self->req, T, lun, six, 6, 0, 64);
		memset(self->req->data_in, 0xee, BUFFER);
		res = exec(self->r, self->req);
		EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
		EXPECT_EQ(5, res.key);
		EXPECT_EQ(0x3900, res.asc);
		EXPECT_EQ(64, res.resid);
		EXPECT_TRUE(untouched(self->req->data_in, 0));
		vsg_req_cmd(self->req, T, lun, ten, 10, 0, 64);
		EXPECT_EQ(0x3900, exec(self->r, self->req).asc);
	}
}

/**
 * struct select - a MODE SELECT (10) of the control page as it is, with changes
 * @flags: byte 1 of the CDB
 * @desc: with the block descriptor
 * @twice: the page is there twice
 * @len: of the list, or -1: all of it
 * @at: of this byte of the list, 0: of none
 * @to: it becomes this
 * @asc: the answer's, or -1: GOOD
 */
struct select {
	const char *what;
	uint8_t flags;
	bool desc, twice;
	int len, at, to, asc;
};

enum { HEADER = 8, DESC = 8, PAGE = 12 };

static const struct select selects[] = {
	{ "as it is", 0x10, false, false, -1, 0, 0, -1 },
	{ "without PF", 0x00, false, false, -1, 0, 0, 0x2400 },
	{ "SP", 0x11, false, false, -1, 0, 0, 0x2400 },
	{ "changed", 0x10, false, false, -1, HEADER + 3, 0x55, 0x2600 },
	{ "no page", 0x10, false, false, HEADER, 0, 0, -1 },
	{ "half a header", 0x10, false, false, 4, 0, 0, 0x1a00 },
	{ "half a page", 0x10, false, false, HEADER + 6, 0, 0, 0x1a00 },
	{ "with the block descriptor", 0x10, true, false, -1, 0, 0, -1 },
	{ "the block descriptor alone", 0x10, true, false, HEADER + DESC, 0, 0, -1 },
	{ "half the block descriptor", 0x10, true, false, HEADER + 4, 0, 0, 0x1a00 },
	{ "another length of blocks", 0x10, true, false, -1, HEADER + 6, 3, 0x2600 },
	{ "another number of blocks", 0x10, true, false, -1, HEADER + 3, 1, 0x2600 },
	{ "changed, with the descriptor", 0x10, true, false, -1, HEADER + DESC + 3, 0x55, 0x2600 },
	{ "two pages, the second changed", 0x10, false, true, -1, HEADER + PAGE + 3, 0x55, 0x2600 },
};

static int select_page(struct answers *self, unsigned int lun, const struct select *s)
{
	uint8_t sense[16] = { 0x5a, 8, 0x0a, [8] = 252 }, cdb[16] = { 0x55, s->flags };
	struct vsg_req *req = request(self->dev, 4096, 64);
	unsigned int len = HEADER + PAGE + (s->desc ? DESC : 0);

	if (s->desc)
		sense[1] = 0;
	memcpy(req->data_out, answer(self, lun, sense), len);
	memset(req->data_out, 0, 4);
	EXPECT_EQ(s->desc ? DESC : 0, req->data_out[7]);
	if (s->twice) {
		memcpy(req->data_out + len, req->data_out + len - PAGE, PAGE);
		len += PAGE;
	}
	if (s->at)
		req->data_out[s->at] = s->to;
	if (s->len >= 0)
		len = s->len;
	cdb[8] = len;
	vsg_req_cmd(req, T, lun, cdb, 16, len, 0);
	return exec(self->r, req).asc;
}

/* What it takes is what MODE SENSE has, and nothing that it would ignore. */
TEST_F(answers, mode_select)
{
	unsigned int lun, i;

	for (lun = LUN_RAM; lun <= LUN_BLOCK; lun++)
		for (i = 0; i < ARRAY_SIZE(selects); i++) {
			WHERE("LUN %u, %s", lun, selects[i].what);
			EXPECT_EQ(selects[i].asc, select_page(self, lun, &selects[i]));
		}
}

/* Each page has one subpage, and all of them are that. */
TEST_F(answers, all_subpages)
{
	static const uint8_t one[16] = { 0x5a, 8, 0x0a, [8] = 252 };
	static const uint8_t all[16] = { 0x5a, 8, 0x0a, 0xff, [8] = 252 };
	uint8_t page[HEADER + PAGE];

	memcpy(page, answer(self, LUN_RAM, one), sizeof(page));
	EXPECT_EQ(0, memcmp(page, answer(self, LUN_RAM, all), sizeof(page)));
}

/* There is nothing to wait for: it does not matter whether the guest would. */
TEST_F(answers, start)
{
	static const uint8_t immed[16] = { 0x1b, 1, [4] = 1 }, wait[16] = { 0x1b, [4] = 1 };
	static const uint8_t stop[16] = { 0x1b }, eject[16] = { 0x1b, [4] = 2 };

	EXPECT_EQ(-1, sense_of(self, LUN_FILE, immed, 0));
	EXPECT_EQ(-1, sense_of(self, LUN_FILE, wait, 0));
	EXPECT_EQ(0x2400, sense_of(self, LUN_FILE, stop, 0));
	EXPECT_EQ(0x2400, sense_of(self, LUN_FILE, eject, 0));
}

/* The number of blocks, not that of the last one; all ones where it does not fit. */
TEST_F(answers, block_descriptors)
{
	enum { LUN_HUGE = 3, TIB = 1 << 20 };
	static const uint8_t six[16] = { 0x1a, 0, 0x0a, 0, 252 };
	static const uint8_t ten[16] = { 0x5a, 0, 0x0a, [8] = 252 };
	static const uint8_t longer[16] = { 0x5a, 0x10, 0x0a, [8] = 252 };
	static const uint8_t none[16] = { 0x5a, 0x18, 0x0a, [8] = 252 };
	static const uint8_t capacity[16] = { 0x9e, 0x10, [13] = 32 };
	const uint8_t *const cdbs[] = { six, ten, longer };
	uint64_t blocks;
	const uint8_t *in;
	unsigned int lun, i, at;

	ASSERT_EQ(0, lio("hangable long %u; lun " WWN_A " 1 3 long", 4 * TIB));
	for (lun = LUN_RAM; lun <= LUN_HUGE; lun++) {
		ready(self->r, T, lun);
		blocks = vsg_get_be(answer(self, lun, capacity), 8) + 1;
		for (i = 0; i < ARRAY_SIZE(cdbs); i++) {
			WHERE("LUN %u, CDB %u", lun, i);
			in = answer(self, lun, cdbs[i]);
			at = cdbs[i] == six ? 4 : 8;
			EXPECT_EQ(0, cdbs[i] == six ? 0 : in[4]);
			EXPECT_EQ(8, in[at - 1]);
			EXPECT_EQ(blocks > UINT32_MAX ? UINT32_MAX : blocks,
				  vsg_get_be(in + at, 4));
			EXPECT_EQ(BLOCK, vsg_get_be(in + at + 4, 4));
			/* Behind it is the page. */
			EXPECT_EQ(0x0a, in[at + 8]);
			EXPECT_EQ(10, in[at + 9]);
		}
		in = answer(self, lun, none);
		EXPECT_EQ(0, in[7]);
		EXPECT_EQ(0x0a, in[8]);
	}
	ASSERT_EQ(0, lio("unlun " WWN_A " 1 3"));
}

/* Two ports, and both have the disk: each is in the list, whatever its header is. */
TEST_F(answers, all_ports)
{
	static const uint8_t usual[16] = { 0xa3, 0x0a, [9] = 252 };
	static const uint8_t extended[16] = { 0xa3, 0x2a, [9] = 252 };
	uint8_t want[64];
	const uint8_t *in;
	uint32_t len;

	in = answer(self, LUN_FILE, usual);
	len = vsg_get_be(in, 4);
	EXPECT_EQ(8 + 2 * 4, len);
	memcpy(want, in + 4, sizeof(want));
	in = answer(self, LUN_FILE, extended);
	EXPECT_EQ(4 + len, vsg_get_be(in, 4));
	EXPECT_EQ(0x10, in[4]);
	EXPECT_EQ(0, memcmp(want, in + 8, len));
	EXPECT_EQ(252 - 8 - len, vsg_result(self->req).resid);
}

/* What the pages say that there is, and what is carried out. */
static void check_limits(struct answers *self, unsigned int lun, const char *what)
{
	static const uint8_t b0[16] = { 0x12, 1, 0xb0, 0, 252 }, b2[16] = { 0x12, 1, 0xb2, 0, 252 };
	static const uint8_t capacity[16] = { 0x9e, 0x10, [13] = 32 };
	static const uint8_t caw[16] = { 0x89, [13] = 1 }, unmap[16] = { 0x42, [8] = 8 };
	static const uint8_t same[16] = { 0x93, 8, [13] = 1 };
	uint8_t most[16] = { 0x93, [13] = 1 };
	const int unsupported = 0x2000, beyond = 0x2400;
	bool has_caw, has_unmap, has_same, writes_same;
	const uint8_t *in;

	ready(self->r, T, lun);
	WHERE("%s", what);
	has_caw = sense_of(self, lun, caw, 2 * BLOCK) != unsupported;
	has_unmap = sense_of(self, lun, unmap, 8) != unsupported;
	has_same = sense_of(self, lun, same, BLOCK) != unsupported;
	writes_same = sense_of(self, lun, most, BLOCK) != unsupported;
	in = answer(self, lun, b0);
	EXPECT_EQ(64 - 4, vsg_get_be(in + 2, 2));
	EXPECT_EQ(252 - 64, vsg_result(self->req).resid);
	EXPECT_EQ(has_caw, in[5]);
	/* MAXIMUM, and OPTIMAL TRANSFER LENGTH. */
	EXPECT_LE(vsg_get_be(in + 12, 4), vsg_get_be(in + 8, 4));
	/* MAXIMUM WRITE SAME LENGTH. */
	EXPECT_EQ(writes_same, !!vsg_get_be(in + 36, 8));
	vsg_put_be(most + 10, vsg_get_be(in + 36, 8) + 1, 4);
	EXPECT_EQ(writes_same ? beyond : unsupported, sense_of(self, lun, most, BLOCK));
	in = answer(self, lun, b0);
	EXPECT_EQ(has_unmap, !!vsg_get_be(in + 20, 4));
	EXPECT_EQ(has_unmap, !!vsg_get_be(in + 24, 4));
	in = answer(self, lun, b2);
	EXPECT_EQ(has_unmap, in[5] >> 7);
	EXPECT_EQ(has_same, in[5] >> 6 & 1);
	in = answer(self, lun, capacity);
	EXPECT_EQ(has_unmap || has_same, in[14] >> 7);
}

static int set(const char *store, const char *name, const char *value)
{
	return lio_write(value, "core/fileio_" LIO_HBA "/%s/attrib/%s", store, name);
}

TEST_F(answers, limits)
{
	check_limits(self, LUN_RAM, "ramdisk");
	check_limits(self, LUN_FILE, "file");
	check_limits(self, LUN_BLOCK, "disk");
	ASSERT_EQ(0, set("file", "emulate_caw", "0"));
	check_limits(self, LUN_FILE, "without COMPARE AND WRITE");
	ASSERT_EQ(0, set("file", "emulate_caw", "1"));
	ASSERT_EQ(0, set("file", "emulate_tpws", "1"));
	check_limits(self, LUN_FILE, "WRITE SAME unmaps");
	ASSERT_EQ(0, set("file", "emulate_tpu", "1"));
	check_limits(self, LUN_FILE, "UNMAP, too");
	ASSERT_EQ(0, set("file", "emulate_tpws", "0"));
	check_limits(self, LUN_FILE, "UNMAP alone");
	ASSERT_EQ(0, set("file", "emulate_tpu", "0"));

	ASSERT_EQ(0, lio("fileio pi 4"));
	ASSERT_EQ(0, set("pi", "pi_prot_type", "1"));
	ASSERT_EQ(0, set("pi", "pi_prot_format", "1"));
	ASSERT_EQ(0, lio("lun " WWN_A " 1 4 pi"));
	check_limits(self, 4, "protection information");
	ASSERT_EQ(0, lio("unlun " WWN_A " 1 4"));
}
