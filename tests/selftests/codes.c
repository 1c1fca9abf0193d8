// SPDX-License-Identifier: GPL-2.0-only
/* Proves: REPORT SUPPORTED OPERATION CODES lists what is carried out, and nothing else. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define T 1
#define UNSUPPORTED 0x2000

enum { LUN_RAM, LUN_FILE, LUN_BLOCK, LUN_RAM_PI, LUN_FILE_PI, LUN_LARGE };
enum { LIST = 4096, MAINTENANCE_IN = 0xa3, CODES = 0x0c };
/* REPORTING OPTIONS. */
enum { ALL, OF_A_CODE, OF_AN_ACTION };

static const char *const attrib[] = {
	"core/rd_mcp_" LIO_HBA "/ram/attrib/%s",
	"core/fileio_" LIO_HBA "/file/attrib/%s",
	"core/iblock_" LIO_HBA "/disk/attrib/%s",
};

static int set(unsigned int lun, const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), attrib[lun], name);
	return lio_write(value, "%s", path);
}

int suite_setup(void)
{
	return lio_suite("ramdisk ram 8; fileio file 8; block disk 8\n"
			 "tpg " WWN_A " 1; lun " WWN_A " 1 0 ram\n"
			 "lun " WWN_A " 1 1 file; lun " WWN_A " 1 2 disk\n");
}

void suite_teardown(void)
{
	lio_suite_end();
}

FIXTURE(codes)
{
	struct vsg_dev *dev;
	struct vsg_req *req;
	struct vsg_ring *r;
};

static struct vsg_result report(struct codes *self, unsigned int lun, uint8_t options,
				uint8_t code, uint16_t action, uint32_t alloc)
{
	uint8_t cdb[12] = { MAINTENANCE_IN, CODES, options, code };

	vsg_put_be(&cdb[4], action, 2);
	vsg_put_be(&cdb[6], alloc, 4);
	memset(self->req->data_in, 0xee, LIST);
	vsg_req_cmd(self->req, T, lun, cdb, 12, 0, LIST);
	return exec(self->r, self->req);
}

FIXTURE_SETUP(codes)
{
	unsigned int lun;

	self->dev = guest(WWN_A, NULL);
	self->r = vsg_io(self->dev, 0);
	self->req = request(self->dev, LIST, LIST);
	for (lun = 0; lun <= LUN_BLOCK; lun++)
		ready(self->r, T, lun);
	if (report(self, LUN_RAM, ALL, 0, 0, LIST).asc == UNSUPPORTED)
		SKIP("this kernel's LIO does not have it");
}

FIXTURE_TEARDOWN(codes)
{
	guest_end(self->dev);
}

/**
 * struct command - one that is carried out, or refused for what it says, where it is there
 * @cdb: its CDB
 * @out: bytes of data-out, all zero
 * @in: bytes of data-in
 */
struct command {
	uint8_t cdb[32];
	uint32_t out, in;
};

static const struct command commands[] = {
	{ { 0x00 }, 0, 0 },
	{ { 0x03, [4] = 18 }, 0, 18 },
	{ { 0x08, [4] = 1 }, 0, BLOCK },
	{ { 0x0a, [4] = 1 }, BLOCK, 0 },
	{ { 0x12, [4] = 36 }, 0, 36 },
	{ { 0x15, 0x10 }, 0, 0 },
	{ { 0x16 }, 0, 0 },
	{ { 0x17 }, 0, 0 },
	{ { 0x1a, 0, 0x3f, 0, 64 }, 0, 64 },
	{ { 0x1b, 0, 0, 0, 1 }, 0, 0 },
	{ { 0x25 }, 0, 8 },
	{ { 0x28, [8] = 1 }, 0, BLOCK },
	{ { 0x2a, [8] = 1 }, BLOCK, 0 },
	{ { 0x2e, [8] = 1 }, BLOCK, 0 },
	{ { 0x2f, [8] = 1 }, 0, 0 },
	{ { 0x35, [8] = 1 }, 0, 0 },
	{ { 0x41, [8] = 1 }, BLOCK, 0 },
	{ { 0x42, [8] = 8 }, 8, 0 },
	{ { 0x55, 0x10 }, 0, 0 },
	{ { 0x56 }, 0, 0 },
	{ { 0x57 }, 0, 0 },
	{ { 0x5a, 0, 0x3f, [8] = 64 }, 0, 64 },
	{ { 0x5e, 0, [8] = 8 }, 0, 8 },
	{ { 0x5e, 1, [8] = 8 }, 0, 8 },
	{ { 0x5e, 2, [8] = 8 }, 0, 8 },
	{ { 0x5e, 3, [8] = 8 }, 0, 8 },
	{ { 0x5f, 0, [8] = 24 }, 24, 0 },
	{ { 0x5f, 1, [8] = 24 }, 24, 0 },
	{ { 0x5f, 2, [8] = 24 }, 24, 0 },
	{ { 0x5f, 3, [8] = 24 }, 24, 0 },
	{ { 0x5f, 4, [8] = 24 }, 24, 0 },
	{ { 0x5f, 5, [8] = 24 }, 24, 0 },
	{ { 0x5f, 6, [8] = 24 }, 24, 0 },
	{ { 0x5f, 7, [8] = 24 }, 24, 0 },
	{ { 0x7f, [7] = 24, [9] = 0x0d, [31] = 1 }, BLOCK, 0 },
	{ { 0x83 }, 0, 0 },
	{ { 0x84, 3, [13] = 54 }, 0, 54 },
	{ { 0x88, [13] = 1 }, 0, BLOCK },
	{ { 0x89, [13] = 1 }, 2 * BLOCK, 0 },
	{ { 0x8a, [13] = 1 }, BLOCK, 0 },
	{ { 0x8e, [13] = 1 }, BLOCK, 0 },
	{ { 0x8f, [13] = 1 }, 0, 0 },
	{ { 0x91, [13] = 1 }, 0, 0 },
	{ { 0x93, [13] = 1 }, BLOCK, 0 },
	{ { 0x9c, [13] = 1 }, BLOCK, 0 },
	{ { 0x9e, 0x10, [13] = 32 }, 0, 32 },
	{ { 0xa0, [9] = 16 }, 0, 16 },
	{ { 0xa3, 0x0a, [9] = 64 }, 0, 64 },
	{ { 0xa3, 0x0c, [9] = 64 }, 0, 64 },
	{ { 0xa4, 0x0a, [9] = 4 }, 4, 0 },
	{ { 0xa8, [9] = 1 }, 0, BLOCK },
	{ { 0xaa, [9] = 1 }, BLOCK, 0 },
	/* Not LIO's. */
	{ { 0x04 }, 0, 0 },
	{ { 0x07 }, 8, 0 },
	{ { 0x13, [4] = 1 }, 0, 0 },
	{ { 0x3b }, 0, 0 },
	{ { 0x3f }, 0, 0 },
	{ { 0x8b, [13] = 1 }, BLOCK, 0 },
	{ { 0xae, [9] = 1 }, BLOCK, 0 },
	{ { 0xaf, [9] = 1 }, 0, 0 },
};

/* Of which LIO tells the service actions, too. */
static bool has_actions(uint8_t code)
{
	return code == 0x5e || code == 0x5f || code == 0x7f || code == 0x83 ||
	       code == 0x84 || code == 0x9e || code == 0xa3 || code == 0xa4;
}

static uint16_t action_of(const struct command *c)
{
	if (!has_actions(c->cdb[0]))
		return 0;
	return c->cdb[0] == 0x7f ? vsg_get_be(&c->cdb[8], 2) : c->cdb[1] & 0x1f;
}

/* Is it in the list of all, @list? */
static bool is_listed(const uint8_t *list, const struct command *c)
{
	unsigned int at, len = 4 + vsg_get_be(list, 4);

	for (at = 4; at < len; at += 8)
		if (list[at] == c->cdb[0] && vsg_get_be(&list[at + 2], 2) == action_of(c))
			return true;
	return false;
}

/* Bits of byte 1 that are not LIO's, and which of them are looked at. */
static const struct {
	uint8_t code, bits, used;
} usages[] = {
	{ 0x2f, 6, 6 }, { 0x8f, 6, 6 }, { 0x03, 1, 1 },
	{ 0x5a, 0x18, 8 }, { 0x35, 2, 0 }, { 0x91, 2, 0 }, { 0x1b, 1, 0 },
};

/* What the answer about one command says. */
static bool is_supported(struct codes *self, unsigned int lun, const struct command *c)
{
	uint8_t options = has_actions(c->cdb[0]) ? OF_AN_ACTION : OF_A_CODE;
	const uint8_t *in = self->req->data_in;
	struct vsg_result res;
	unsigned int i;

	res = report(self, lun, options, c->cdb[0], action_of(c), LIST);
	EXPECT_EQ(VSG_GOOD, res.status);
	if (in[1] != 3) {
		EXPECT_EQ(1, in[1]);
		EXPECT_EQ(LIST - 2, res.resid);
		EXPECT_EQ(0xee, in[2]);
		return false;
	}
	EXPECT_EQ(LIST - 4 - vsg_get_be(in + 2, 2), res.resid);
	EXPECT_EQ(c->cdb[0], in[4]);
	EXPECT_EQ(0xee, in[4 + vsg_get_be(in + 2, 2)]);
	for (i = 0; i < ARRAY_SIZE(usages); i++)
		if (c->cdb[0] == usages[i].code)
			EXPECT_EQ(usages[i].used, in[5] & usages[i].bits);
	return true;
}

static bool is_carried_out(struct codes *self, unsigned int lun, const struct command *c)
{
	memset(self->req->data_out, 0, LIST);
	vsg_req_cmd(self->req, T, lun, c->cdb, 32, c->out, c->in);
	return exec(self->r, self->req).asc != UNSUPPORTED;
}

static void read_list(struct codes *self, unsigned int lun, uint8_t *list)
{
	unsigned int len;

	EXPECT_EQ(VSG_GOOD, report(self, lun, ALL, 0, 0, LIST).status);
	memcpy(list, self->req->data_in, LIST);
	len = 4 + vsg_get_be(list, 4);
	EXPECT_LE(4 + 20 * 8, len);
	ASSERT_LE(len, LIST);
	EXPECT_EQ(LIST - len, vsg_result(self->req).resid);
	EXPECT_EQ(0xee, list[len]);
}

static void check_lun(struct codes *self, unsigned int lun, const char *what)
{
	uint8_t list[LIST];
	unsigned int i;

	WHERE("LUN %u, %s", lun, what);
	read_list(self, lun, list);
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = &commands[i];
		bool carried_out = is_carried_out(self, lun, c);

		WHERE("LUN %u, %s, %02xh/%02xh", lun, what, c->cdb[0], action_of(c));
		EXPECT_EQ(carried_out, is_listed(list, c));
		EXPECT_EQ(carried_out, is_supported(self, lun, c));
	}
}

/* However little of the list the guest wants, it is the same list. */
static void short_buffers(struct codes *self, unsigned int lun)
{
	static const unsigned int alloc[] = { 0, 1, 3, 4, 12, 100, 200, 300, 400 };
	uint8_t list[LIST];
	struct vsg_result res;
	unsigned int i, len;

	ready(self->r, T, lun);
	read_list(self, lun, list);
	for (i = 0; i < ARRAY_SIZE(alloc); i++) {
		WHERE("LUN %u, %u bytes", lun, alloc[i]);
		res = report(self, lun, ALL, 0, 0, alloc[i]);
		EXPECT_EQ(VSG_GOOD, res.status);
		len = 4 + vsg_get_be(list, 4);
		if (len > alloc[i])
			len = alloc[i];
		EXPECT_EQ(LIST - len, res.resid);
		EXPECT_EQ(0, memcmp(list, self->req->data_in, len));
		EXPECT_EQ(0xee, self->req->data_in[len]);
	}
}

TEST_F_TIMEOUT(codes, usual, 60)
{
	unsigned int lun;

	for (lun = 0; lun <= LUN_BLOCK; lun++)
		check_lun(self, lun, "as it is");
}

TEST_F_TIMEOUT(codes, attributes, 60)
{
	static const struct {
		const char *name, *value, *usual;
	} all[] = {
		{ "emulate_caw", "0", "1" },
		{ "emulate_3pc", "0", "1" },
		{ "emulate_tpu", "1", "0" },
		{ "emulate_tpws", "1", "0" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		ASSERT_EQ(0, set(LUN_FILE, all[i].name, all[i].value));
		check_lun(self, LUN_FILE, all[i].name);
		ASSERT_EQ(0, set(LUN_FILE, all[i].name, all[i].usual));
	}
}

/* What is here to be refused is not LIO's to know. */
TEST_F_TIMEOUT(codes, protection_information, 60)
{
	ASSERT_EQ(0, lio("ramdisk pir 4; fileio pi 4"));
	ASSERT_EQ(0, lio_write("1", "core/rd_mcp_" LIO_HBA "/pir/attrib/pi_prot_type"));
	ASSERT_EQ(0, lio_write("1", "core/fileio_" LIO_HBA "/pi/attrib/pi_prot_type"));
	ASSERT_EQ(0, lio_write("1", "core/fileio_" LIO_HBA "/pi/attrib/pi_prot_format"));
	ASSERT_EQ(0, lio("lun " WWN_A " 1 3 pir; lun " WWN_A " 1 4 pi"));
	ready(self->r, T, LUN_RAM_PI);
	ready(self->r, T, LUN_FILE_PI);
	check_lun(self, LUN_RAM_PI, "protection information");
	check_lun(self, LUN_FILE_PI, "protection information");
	short_buffers(self, LUN_FILE_PI);
	short_buffers(self, LUN_FILE);
	ASSERT_EQ(0, lio_write("1", "core/fileio_" LIO_HBA "/pi/attrib/emulate_tpws"));
	check_lun(self, LUN_FILE_PI, "the same, and UNMAP");
	ASSERT_EQ(0, lio("unlun " WWN_A " 1 3; unlun " WWN_A " 1 4"));
}

TEST_F_TIMEOUT(codes, large_blocks, 60)
{
	if (lio("block larger 16 0 16384"))
		SKIP("null_blk has no such blocks");
	ASSERT_EQ(0, lio("lun " WWN_A " 1 5 larger"));
	ready(self->r, T, LUN_LARGE);
	check_lun(self, LUN_LARGE, "large blocks");
	ASSERT_EQ(0, lio("unlun " WWN_A " 1 5"));
}
