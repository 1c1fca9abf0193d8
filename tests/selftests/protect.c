// SPDX-License-Identifier: GPL-2.0-only
/* Proves: what is write-protected is not written to, by any command, and copies stay within it. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "support.h"

#define T 1
#define NEXUS "naa.3001405760000001"
#define OTHER "naa.3001405760000002"
#define WWN_C LIO_WWN "0003"
#define WRITE_PROTECTED 0x2700
#define NOT_REACHABLE 0x0d02

/* Of WWN_A; of WWN_B, where an ACL says what the nexus sees, LUN_HIDDEN is not. */
enum { LUN_STORE, LUN_FROM, LUN_TO, LUN_HIDDEN };

int suite_setup(void)
{
	return lio_suite("block store 4; ramdisk from 4; ramdisk to 4; ramdisk hidden 4\n"
			 "tpg " WWN_A " 1 " OTHER "\n"
			 "lun " WWN_A " 1 0 store; lun " WWN_A " 1 1 from\n"
			 "lun " WWN_A " 1 2 to; lun " WWN_A " 1 3 hidden\n"
			 "acl " WWN_B " 1 " NEXUS "; tpg " WWN_B " 1 " NEXUS "\n"
			 "lun " WWN_B " 1 0 store; lun " WWN_B " 1 1 from\n"
			 "lun " WWN_B " 1 2 to; lun " WWN_B " 1 3 hidden\n"
			 "map " WWN_B " 1 " NEXUS " 0 0; map " WWN_B " 1 " NEXUS " 1 1\n"
			 "map " WWN_B " 1 " NEXUS " 2 2\n");
}

void suite_teardown(void)
{
	lio_suite_end();
}

/* One guest sees all, the other by an ACL. */
FIXTURE(guests)
{
	struct vsg_dev *all, *acl;
	struct vsg_req *req, *acl_req;
};

static int protect(unsigned int lun, bool on)
{
	return lio_write(on ? "1" : "0", "vhost/" WWN_B "/tpgt_1/acls/" NEXUS
			 "/lun_%u/write_protect", lun);
}

FIXTURE_SETUP(guests)
{
	unsigned int i;

	self->all = guest(WWN_A, NULL);
	self->acl = guest(WWN_B, NULL);
	self->req = request(self->all, 65536, 65536);
	self->acl_req = request(self->acl, 65536, 65536);
	for (i = LUN_STORE; i <= LUN_HIDDEN; i++)
		ready(vsg_io(self->all, 0), T, i);
	for (i = LUN_STORE; i <= LUN_TO; i++) {
		ready(vsg_io(self->acl, 0), T, i);
		ASSERT_EQ(0, protect(i, false));
	}
}

FIXTURE_TEARDOWN(guests)
{
	guest_end(self->all);
	guest_end(self->acl);
}

/* ---- commands that write ------------------------------------------------ */

/**
 * struct writer - a command that would write to blocks 0 to 7
 * @what: its name
 * @cdb: the CDB
 * @out: bytes of data-out
 */
struct writer {
	const char *what;
	uint8_t cdb[32];
	uint32_t out;
};

static const struct writer writers[] = {
	{ "WRITE (6)", { 0x0a, 0, 0, 0, 8 }, 4096 },
	{ "WRITE (10)", { 0x2a, [8] = 8 }, 4096 },
	{ "WRITE (12)", { 0xaa, [9] = 8 }, 4096 },
	{ "WRITE (16)", { 0x8a, [13] = 8 }, 4096 },
	{ "WRITE AND VERIFY (10)", { 0x2e, [8] = 8 }, 4096 },
	{ "WRITE AND VERIFY (12)", { 0xae, [9] = 8 }, 4096 },
	{ "WRITE AND VERIFY (16)", { 0x8e, [13] = 8 }, 4096 },
	{ "WRITE ATOMIC (16)", { 0x9c, [13] = 8 }, 4096 },
	{ "WRITE SAME (10)", { 0x41, [8] = 8 }, 512 },
	{ "WRITE SAME (16)", { 0x93, [13] = 8 }, 512 },
	{ "WRITE SAME (16), UNMAP", { 0x93, 8, [13] = 8 }, 512 },
	{ "WRITE SAME (16), no data", { 0x93, 1, [13] = 8 }, 0 },
	{ "WRITE SAME (32)", { 0x7f, [7] = 0x18, [9] = 0x0d, [31] = 8 }, 512 },
	{ "UNMAP", { 0x42, [8] = 24 }, 24 },
	{ "COMPARE AND WRITE", { 0x89, [13] = 1 }, 1024 },
	{ "ORWRITE (16)", { 0x8b, [13] = 8 }, 4096 },
	{ "XDWRITEREAD (10)", { 0x53, [8] = 8 }, 4096 },
	{ "WRITE LONG (10)", { 0x3f, [1] = 0x40 }, 0 },
	{ "FORMAT UNIT", { 0x04 }, 0 },
	{ "FORMAT UNIT, with a list", { 0x04, 0x10 }, 4 },
	{ "REASSIGN BLOCKS", { 0x07 }, 8 },
};

static void writer_prepare(struct vsg_req *req, unsigned int lun,
			   const struct writer *w)
{
	memset(req->data_out, 0x77, w->out);
	if (w->cdb[0] == 0x42) {
		memset(req->data_out, 0, w->out);
		req->data_out[1] = 22;
		req->data_out[3] = 16;
		req->data_out[19] = 8;
	}
	vsg_req_cmd(req, T, lun, w->cdb, w->cdb[0] == 0x7f ? 32 : 16, w->out, 0);
}

static void expect_protected(struct vsg_result res)
{
	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(7, res.key);
	EXPECT_EQ(WRITE_PROTECTED, res.asc);
}

/* None of them changes the medium, which @other may write to. */
static void refuses_all(struct vsg_dev *dev, struct vsg_req *req,
			unsigned int lun)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(writers); i++) {
		WHERE("%s", writers[i].what);
		writer_prepare(req, lun, &writers[i]);
		expect_protected(exec(vsg_io(dev, 0), req));
		check_pattern(vsg_io(dev, 0), req, T, lun, 0, 16, 1);
	}
}

/* MODE SENSE's WP. */
static bool says_protected(struct vsg_dev *dev, struct vsg_req *req,
			   unsigned int lun)
{
	vsg_cmd_mode_sense10(req, T, lun, 0x3f, 255);
	EXPECT_EQ(VSG_GOOD, exec(vsg_io(dev, 0), req).status);
	return req->data_in[3] & 0x80;
}

TEST_F(guests, acl)
{
	write_pattern(vsg_io(self->acl, 0), self->acl_req, T, LUN_STORE, 0, 16, 1);
	EXPECT_FALSE(says_protected(self->acl, self->acl_req, LUN_STORE));
	ASSERT_EQ(0, protect(LUN_STORE, true));
	EXPECT_TRUE(says_protected(self->acl, self->acl_req, LUN_STORE));
	refuses_all(self->acl, self->acl_req, LUN_STORE);
	WHERE("the other nexus may");
	write_pattern(vsg_io(self->all, 0), self->req, T, LUN_STORE, 0, 16, 2);
	ASSERT_EQ(0, protect(LUN_STORE, false));
	WHERE("not protected any more");
	write_pattern(vsg_io(self->acl, 0), self->acl_req, T, LUN_STORE, 0, 16, 3);
}

/* The store is made anew, read-only; and not, at the end. */
static void remake(struct guests *self, const char *how)
{
	unsigned int i;

	ASSERT_EQ(0, lio("again store %s", how));
	ASSERT_EQ(0, lio("lun " WWN_A " 1 0 store; lun " WWN_B " 1 0 store; "
			 "map " WWN_B " 1 " NEXUS " 0 0"));
	for (i = LUN_STORE; i <= LUN_TO; i++) {
		ready(vsg_io(self->all, 0), T, i);
		ready(vsg_io(self->acl, 0), T, i);
	}
}

static void unlink_store(void)
{
	ASSERT_EQ(0, lio("unmap " WWN_B " 1 " NEXUS " 0; unlun " WWN_A " 1 0; "
			 "unlun " WWN_B " 1 0"));
}

TEST_F(guests, backstore)
{
	static const uint8_t tur[6], sync[16] = { 0x35 }, verify[16] = { 0x2f, [8] = 8 };
	static const uint8_t unknown[16] = { 0xc1 };
	static const uint8_t *const harmless[] = { tur, sync, verify };
	unsigned int i;

	write_pattern(vsg_io(self->all, 0), self->req, T, LUN_STORE, 0, 16, 1);
	unlink_store();
	remake(self, "readonly");
	WHERE("without an ACL");
	EXPECT_TRUE(says_protected(self->all, self->req, LUN_STORE));
	refuses_all(self->all, self->req, LUN_STORE);
	WHERE("with an ACL");
	refuses_all(self->acl, self->acl_req, LUN_STORE);
	for (i = 0; i < ARRAY_SIZE(harmless); i++) {
		WHERE("%02xh", harmless[i][0]);
		vsg_req_cmd(self->req, T, LUN_STORE, harmless[i],
			    harmless[i][0] ? 10 : 6, 0, 0);
		EXPECT_EQ(VSG_GOOD, exec(vsg_io(self->all, 0), self->req).status);
	}
	WHERE("a code that is not there");
	vsg_req_cmd(self->req, T, LUN_STORE, unknown, 16, 0, 0);
	EXPECT_EQ(0x2000, exec(vsg_io(self->all, 0), self->req).asc);
	WHERE("writable again");
	unlink_store();
	remake(self, "");
	write_pattern(vsg_io(self->all, 0), self->req, T, LUN_STORE, 0, 16, 2);
}

/* What is written after the ACL was changed is refused, with others under way. */
TEST_F_TIMEOUT(guests, changed_under_load, 60)
{
	enum { N = 16 };
	struct vsg_req *req[N], *last = self->acl_req;
	struct vsg_ring *r = vsg_io(self->acl, 0);
	unsigned int i, round;

	for (i = 0; i < N; i++)
		req[i] = request(self->acl, 4096, 0);
	for (round = 0; round < 20; round++) {
		WHERE("round %u", round);
		for (i = 0; i < N; i++) {
			vsg_pattern(req[i]->data_out, 4096, 64 + 8 * i, 1);
			vsg_cmd_rw(req[i], T, LUN_STORE, true, 64 + 8 * i, 8, BLOCK);
			ASSERT_EQ(0, vsg_submit(r, req[i]));
		}
		vsg_ring_kick(r);
		ASSERT_EQ(0, protect(LUN_STORE, true));
		writer_prepare(last, LUN_STORE, &writers[1 + round % 4]);
		expect_protected(exec(r, last));
		for (i = 0; i < N; i++) {
			ASSERT_EQ(0, vsg_token_wait(&req[i]->tok, WAIT_MS));
			if (!vsg_good(req[i]))
				expect_protected(vsg_result(req[i]));
		}
		ASSERT_EQ(0, protect(LUN_STORE, false));
		write_pattern(r, last, T, LUN_STORE, 0, 16, round);
	}
	for (i = 0; i < N; i++)
		vsg_req_free(req[i]);
}

/* ---- EXTENDED COPY ------------------------------------------------------ */

#define BLOCKS 16

static struct vsg_result copy(struct vsg_dev *dev, struct vsg_req *req,
			      unsigned int lun, const uint8_t *from,
			      const uint8_t *to)
{
	copy_prepare(req, T, lun, from, to, BLOCKS);
	return exec(vsg_io(dev, 0), req);
}

/* Designators of all, and known data in them. */
static void copy_setup(struct guests *self, uint8_t naa[4][16])
{
	unsigned int i;

	if (!can_copy())
		SKIP("debug objects report LIO's EXTENDED COPY");
	for (i = LUN_STORE; i <= LUN_HIDDEN; i++) {
		designator(self->all, self->req, T, i, naa[i]);
		write_pattern(vsg_io(self->all, 0), self->req, T, i, 0,
			      BLOCKS, 10 + i);
		write_pattern(vsg_io(self->all, 0), self->req, T, i, 100,
			      BLOCKS, 20 + i);
	}
}

/* Were the blocks copied, or nothing at all? */
static void check_copied(struct guests *self, unsigned int from,
			 unsigned int to, bool copied)
{
	struct vsg_ring *r = vsg_io(self->all, 0);
	unsigned int i;

	if (!copied) {
		check_pattern(r, self->req, T, to, 100, BLOCKS, 20 + to);
		return;
	}
	for (i = 0; i < 2; i++) {
		vsg_cmd_rw(self->req, T, i ? to : from, false, i ? 100 : 0,
			   BLOCKS, BLOCK);
		exec_good(r, self->req);
		if (!i)
			memcpy(self->req->data_out, self->req->data_in,
			       BLOCKS * BLOCK);
	}
	EXPECT_EQ(0, memcmp(self->req->data_out, self->req->data_in,
			    BLOCKS * BLOCK));
}

/* As many blocks as a segment may have in one go, again and again. */
TEST_F_TIMEOUT(guests, copy_of_many_blocks, 60)
{
	enum { MANY = 2048, TO = 4096, ROUNDS = 60 };
	struct vsg_req *out = request(self->all, MANY * BLOCK, 0);
	struct vsg_req *in = request(self->all, 0, MANY * BLOCK);
	struct vsg_ring *r = vsg_io(self->all, 0);
	unsigned int round, wrong = 0, at;
	uint8_t naa[4][16];

	copy_setup(self, naa);
	for (round = 0; round < ROUNDS; round++) {
		WHERE("round %u", round);
		write_pattern(r, out, T, LUN_FROM, 0, MANY, round);
		copy_prepare(self->req, T, LUN_FROM, naa[LUN_FROM],
			     naa[LUN_FROM], BLOCKS);
		vsg_put_be(self->req->data_out + 90, MANY, 2);
		vsg_put_be(self->req->data_out + 104, TO, 4);
		exec_good(r, self->req);
		vsg_cmd_rw(in, T, LUN_FROM, false, TO, MANY, BLOCK);
		exec_good(r, in);
		if (!memcmp(in->data_in, out->data_out, MANY * BLOCK))
			continue;
		for (at = 0; in->data_in[at] == out->data_out[at]; at++)
			;
		printf("# round %u: wrong from byte %u on\n", round, at);
		wrong++;
	}
	EXPECT_EQ(0, wrong);
	vsg_req_free(out);
	vsg_req_free(in);
}

/* By the source, and by the destination. */
TEST_F(guests, copy_of_ones_own)
{
	uint8_t naa[4][16];
	unsigned int at;

	copy_setup(self, naa);
	for (at = LUN_FROM; at <= LUN_TO; at++) {
		WHERE("by LUN %u", at);
		write_pattern(vsg_io(self->all, 0), self->req, T, LUN_TO, 100,
			      BLOCKS, 20 + LUN_TO);
		EXPECT_EQ(VSG_GOOD, copy(self->acl, self->acl_req, at,
					 naa[LUN_FROM], naa[LUN_TO]).status);
		check_copied(self, LUN_FROM, LUN_TO, true);
	}
	WHERE("within a LUN");
	EXPECT_EQ(VSG_GOOD, copy(self->acl, self->acl_req, LUN_FROM,
				 naa[LUN_FROM], naa[LUN_FROM]).status);
	check_copied(self, LUN_FROM, LUN_FROM, true);
}

TEST_F(guests, copy_to_what_an_acl_protects)
{
	uint8_t naa[4][16];

	copy_setup(self, naa);
	ASSERT_EQ(0, protect(LUN_TO, true));
	expect_protected(copy(self->acl, self->acl_req, LUN_FROM,
			      naa[LUN_FROM], naa[LUN_TO]));
	check_copied(self, LUN_FROM, LUN_TO, false);
	expect_protected(copy(self->acl, self->acl_req, LUN_TO,
			      naa[LUN_FROM], naa[LUN_TO]));
	check_copied(self, LUN_FROM, LUN_TO, false);
	WHERE("from it");
	EXPECT_EQ(VSG_GOOD, copy(self->acl, self->acl_req, LUN_FROM,
				 naa[LUN_TO], naa[LUN_FROM]).status);
	check_copied(self, LUN_TO, LUN_FROM, true);
}

TEST_F(guests, copy_to_a_protected_backstore)
{
	uint8_t naa[4][16];

	copy_setup(self, naa);
	unlink_store();
	remake(self, "readonly");
	WHERE("by the other");
	expect_protected(copy(self->all, self->req, LUN_FROM, naa[LUN_FROM],
			      naa[LUN_STORE]));
	check_copied(self, LUN_FROM, LUN_STORE, false);
	WHERE("by itself");
	expect_protected(copy(self->all, self->req, LUN_STORE, naa[LUN_FROM],
			      naa[LUN_STORE]));
	check_copied(self, LUN_FROM, LUN_STORE, false);
	WHERE("from it");
	EXPECT_EQ(VSG_GOOD, copy(self->all, self->req, LUN_STORE,
				 naa[LUN_STORE], naa[LUN_FROM]).status);
	check_copied(self, LUN_STORE, LUN_FROM, true);
	unlink_store();
	remake(self, "");
}

TEST_F(guests, copy_of_what_is_not_seen)
{
	struct vsg_result res;
	uint8_t naa[4][16];

	copy_setup(self, naa);
	WHERE("to it");
	res = copy(self->acl, self->acl_req, LUN_FROM, naa[LUN_FROM],
		   naa[LUN_HIDDEN]);
	EXPECT_EQ(NOT_REACHABLE, res.asc);
	check_copied(self, LUN_FROM, LUN_HIDDEN, false);
	WHERE("from it");
	res = copy(self->acl, self->acl_req, LUN_TO, naa[LUN_HIDDEN],
		   naa[LUN_TO]);
	EXPECT_EQ(NOT_REACHABLE, res.asc);
	check_copied(self, LUN_HIDDEN, LUN_TO, false);
}

/* A reservation keeps a nexus from copies as from reads and writes. */
TEST_F(guests, copy_of_what_is_reserved)
{
	struct vsg_ring *r = vsg_io(self->all, 0);
	uint8_t naa[4][16];
	struct vsg_result res;

	copy_setup(self, naa);
	vsg_cmd_pr_out(self->req, T, LUN_TO, VSG_PROUT_REGISTER, 0, 0, 1);
	exec_good(r, self->req);
	vsg_cmd_pr_out(self->req, T, LUN_TO, VSG_PROUT_RESERVE,
		       VSG_PR_WRITE_EXCLUSIVE, 1, 0);
	exec_good(r, self->req);
	WHERE("to it");
	res = copy(self->acl, self->acl_req, LUN_FROM, naa[LUN_FROM], naa[LUN_TO]);
	EXPECT_EQ(NOT_REACHABLE, res.asc);
	check_copied(self, LUN_FROM, LUN_TO, false);
	/* LIO's commands are of no nexus, nor of the holder. */
	WHERE("by its holder");
	EXPECT_EQ(NOT_REACHABLE, copy(self->all, self->req, LUN_FROM,
				      naa[LUN_FROM], naa[LUN_TO]).asc);
	check_copied(self, LUN_FROM, LUN_TO, false);
	WHERE("from it, which may be read");
	EXPECT_EQ(VSG_GOOD, copy(self->acl, self->acl_req, LUN_FROM, naa[LUN_TO],
				 naa[LUN_FROM]).status);
	vsg_cmd_pr_out(self->req, T, LUN_TO, VSG_PROUT_CLEAR, 0, 1, 0);
	exec_good(r, self->req);
}

/* ---- protection information --------------------------------------------- */

static int set_prot(const char *type, const char *name, const char *file, const char *value)
{
	return lio_write(value, "core/%s_" LIO_HBA "/%s/attrib/%s", type, name, file);
}

static int pi_suite(void)
{
	int ret = lio("fileio pi 4; ramdisk pir 4");

	ret = ret ? ret : set_prot("fileio", "pi", "pi_prot_type", "1");
	ret = ret ? ret : set_prot("fileio", "pi", "pi_prot_format", "1");
	ret = ret ? ret : set_prot("rd_mcp", "pir", "pi_prot_type", "1");
	return ret ? ret : lio("lun " WWN_A " 1 8 pi; lun " WWN_A " 1 9 pir");
}

/* Whatever writes it, it is of what is on the medium. */
static void every_write(struct guests *self, unsigned int lun)
{
	static const uint8_t write6[6] = { 0x0a, [4] = 8 };
	static const uint8_t caw[16] = { 0x89, [9] = 3, [13] = 1 };
	struct vsg_ring *r = vsg_io(self->all, 0);
	unsigned int i;

	WHERE("LUN %u, WRITE (6)", lun);
	vsg_pattern(self->req->data_out, 8 * BLOCK, 0, 2);
	vsg_req_cmd(self->req, T, lun, write6, 6, 8 * BLOCK, 0);
	exec_good(r, self->req);
	check_pattern(r, self->req, T, lun, 0, 8, 2);
	WHERE("LUN %u, COMPARE AND WRITE", lun);
	vsg_pattern(self->req->data_out, BLOCK, 3 * BLOCK, 2);
	vsg_pattern(self->req->data_out + BLOCK, BLOCK, 3 * BLOCK, 3);
	vsg_req_cmd(self->req, T, lun, caw, 16, 2 * BLOCK, 0);
	EXPECT_EQ(0x2000, exec(r, self->req).asc);
	check_pattern(r, self->req, T, lun, 0, 8, 2);
	write_pattern(r, self->req, T, lun, 0, 8, 1);
	for (i = 0; i < 2; i++) {
		WHERE("LUN %u, a %s of no blocks", lun, i ? "write" : "read");
		vsg_cmd_rw(self->req, T, lun, i, 4, 0, BLOCK);
		exec_good(r, self->req);
	}
}

/* Made and looked at by the host: the guest knows of none. */
TEST_F(guests, protection_information)
{
	struct vsg_ring *r = vsg_io(self->all, 0);
	struct vsg_result res;
	unsigned int lun;
	char byte = 0x55;
	int fd;

	ASSERT_EQ(0, pi_suite());
	for (lun = 8; lun <= 9; lun++) {
		WHERE("LUN %u", lun);
		ready(r, T, lun);
		write_pattern(r, self->req, T, lun, 0, 64, 1);
		check_pattern(r, self->req, T, lun, 0, 64, 1);
		every_write(self, lun);
	}
	WHERE("a byte of the medium has changed");
	fd = open("/tmp/vsg-files/pi", O_WRONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(1, pwrite(fd, &byte, 1, 5 * BLOCK + 7));
	ASSERT_EQ(0, fsync(fd));
	close(fd);
	vsg_cmd_rw(self->req, T, 8, false, 4, 1, BLOCK);
	exec_good(r, self->req);
	vsg_cmd_rw(self->req, T, 8, false, 0, 8, BLOCK);
	res = exec(r, self->req);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(0xb, res.key);
	EXPECT_EQ(0x1001, res.asc);
	ASSERT_EQ(0, lio("unlun " WWN_A " 1 8; unlun " WWN_A " 1 9"));
}

/* ---- what is passed through --------------------------------------------- */

/*
 * LIO says that the LUN is write-protected when the device has answered, in an interrupt.
 * Whatever the guest's buffer is, it must not sleep there.
 */
TEST_F(guests, mode_sense_of_a_device)
{
	static const struct {
		uint8_t cdb[10];
		uint32_t in;
		unsigned int flags;	/* byte with the WP bit */
	} all[] = {
		{ { 0x1a, 0x08, 0x3f, 0, 255 }, 255, 2 },
		{ { 0x1a, 0x08, 0x3f, 0, 255 }, 8192, 2 },
		{ { 0x5a, 0x08, 0x3f, [7] = 0x20 }, 8192, 3 },
		{ { 0x5a, 0x08, 0x3f, [7] = 0xff }, 65280, 3 },
	};
	struct vsg_ring *r = vsg_io(self->acl, 0);
	struct vsg_req *req = self->acl_req;
	unsigned int i, len;

	/* LIO maps one page, too, in an interrupt: harmless on 64 bits, and reported. */
	if (exists("/sys/kernel/debug/debug_objects"))
		SKIP("a debug kernel reports LIO's kmap()");
	if (lio("scsi scsi"))
		SKIP("no scsi_debug");
	ASSERT_EQ(0, lio("lun " WWN_B " 1 5 scsi; map " WWN_B " 1 " NEXUS " 5 5"));
	ready(r, T, 5);
	ASSERT_EQ(0, protect(5, true));
	for (i = 0; i < ARRAY_SIZE(all); i++) {
		WHERE("%02xh, %u bytes", all[i].cdb[0], all[i].in);
		vsg_req_cmd(req, T, 5, all[i].cdb, 10, 0, all[i].in);
		EXPECT_EQ(VSG_GOOD, exec(r, req).status);
		EXPECT_TRUE(req->data_in[all[i].flags] & 0x80);
		len = all[i].flags == 2 ? 1U + req->data_in[0] :
					  2U + vsg_get_be(req->data_in, 2);
		EXPECT_EQ(all[i].in - len, vsg_result(req).resid);
	}
	ASSERT_EQ(0, lio("unmap " WWN_B " 1 " NEXUS " 5; unlun " WWN_B " 1 5"));
}

/* ---- port groups -------------------------------------------------------- */

#define ALUA "core/rd_mcp_" LIO_HBA "/from/alua/"
#define INVALID_LIST 0x2600

enum { OPTIMIZED = 0, STANDBY = 2, UNAVAILABLE = 3, OFFLINE = 0xe };

/* SET TARGET PORT GROUPS; @id: of the group, or of the port to set offline */
static int set_state(struct vsg_dev *dev, struct vsg_req *req, unsigned int lun,
		     uint8_t state, unsigned int id)
{
	uint8_t cdb[12] = { 0xa4, 0x0a, [9] = 8 };
	struct vsg_result res;

	memset(req->data_out, 0, 8);
	req->data_out[4] = state;
	vsg_put_be(req->data_out + 6, id, 2);
	vsg_req_cmd(req, T, lun, cdb, sizeof(cdb), 8, 0);
	res = exec(vsg_io(dev, 0), req);
	return res.status == VSG_GOOD ? 0 : res.asc;
}

/* Additional sense code and qualifier of a TEST UNIT READY behind unit attentions; 0: GOOD. */
static int not_ready(struct vsg_dev *dev, struct vsg_req *req, unsigned int lun)
{
	struct vsg_result res;

	do {
		vsg_cmd_tur(req, T, lun);
		res = exec(vsg_io(dev, 0), req);
	} while (res.key == 6);
	return res.status == VSG_GOOD ? 0 : res.asc;
}

/* The relative target port identifier that INQUIRY tells, or 0. */
static unsigned int port_number(struct vsg_dev *dev, struct vsg_req *req)
{
	uint8_t *p = req->data_in;
	unsigned int at, len;

	vsg_cmd_vpd(req, T, LUN_FROM, 0x83, 1024);
	EXPECT_EQ(VSG_GOOD, exec(vsg_io(dev, 0), req).status);
	len = 4 + vsg_get_be(p + 2, 2);
	for (at = 4; at < len; at += 4 + p[at + 3])
		if ((p[at + 1] & 0x3f) == 0x14)
			return vsg_get_be(p + at + 6, 2);
	return 0;
}

/* By which multipath tells two paths. */
TEST_F(guests, ports_have_numbers)
{
	unsigned int all = port_number(self->all, self->req);
	unsigned int acl = port_number(self->acl, self->acl_req);

	EXPECT_NE(0, all);
	EXPECT_NE(0, acl);
	EXPECT_NE(all, acl);
}

/* All ports are in LIO's own group: who changes its state takes the disk from others. */
TEST_F(guests, state_of_shared_ports)
{
	unsigned int all = port_number(self->all, self->req);
	unsigned int acl = port_number(self->acl, self->acl_req);
	unsigned int state;

	for (state = OPTIMIZED; state <= UNAVAILABLE; state++) {
		WHERE("state %u", state);
		EXPECT_EQ(INVALID_LIST, set_state(self->all, self->req, LUN_FROM, state, 0));
		EXPECT_EQ(0, not_ready(self->acl, self->acl_req, LUN_FROM));
	}
	WHERE("the other's port");
	EXPECT_EQ(INVALID_LIST, set_state(self->all, self->req, LUN_FROM, OFFLINE, acl));
	EXPECT_EQ(0, not_ready(self->acl, self->acl_req, LUN_FROM));
	WHERE("its own");
	EXPECT_EQ(0, set_state(self->all, self->req, LUN_FROM, OFFLINE, all));
	EXPECT_EQ(0x0412, not_ready(self->all, self->req, LUN_FROM));
	EXPECT_EQ(0, not_ready(self->acl, self->acl_req, LUN_FROM));
	ASSERT_EQ(0, lio_write("0", "vhost/" WWN_A "/tpgt_1/lun/lun_1/alua_tg_pt_offline"));
	EXPECT_EQ(0, not_ready(self->all, self->req, LUN_FROM));
}

/* Nobody else has the disk. */
TEST_F(guests, state_of_own_ports)
{
	ASSERT_EQ(0, lio("ramdisk solo 4; lun " WWN_A " 1 6 solo"));
	ready(vsg_io(self->all, 0), T, 6);
	EXPECT_EQ(0, set_state(self->all, self->req, 6, UNAVAILABLE, 0));
	EXPECT_EQ(0x040c, not_ready(self->all, self->req, 6));
	EXPECT_EQ(0, set_state(self->all, self->req, 6, OPTIMIZED, 0));
	EXPECT_EQ(0, not_ready(self->all, self->req, 6));
	ASSERT_EQ(0, lio("unlun " WWN_A " 1 6"));
}

/* The administrator has made a group, and left it to the guests. */
TEST_F(guests, state_of_a_group_that_was_made)
{
	static const char *const port[] = { "vhost/" WWN_A "/tpgt_1", "vhost/" WWN_B "/tpgt_1" };
	unsigned int i;

	ASSERT_EQ(0, mkdir(LIO_ROOT "/" ALUA "ours", 0755));
	ASSERT_EQ(0, lio_write("7", ALUA "ours/tg_pt_gp_id"));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, lio_write("ours", "%s/lun/lun_1/alua_tg_pt_gp", port[i]));
	EXPECT_EQ(0, not_ready(self->all, self->req, LUN_FROM));
	EXPECT_EQ(0, set_state(self->all, self->req, LUN_FROM, STANDBY, 7));
	EXPECT_EQ(0x040b, not_ready(self->acl, self->acl_req, LUN_FROM));
	EXPECT_EQ(0, set_state(self->acl, self->acl_req, LUN_FROM, OPTIMIZED, 7));
	EXPECT_EQ(0, not_ready(self->all, self->req, LUN_FROM));
	EXPECT_EQ(0, not_ready(self->acl, self->acl_req, LUN_FROM));
	WHERE("implicit only");
	ASSERT_EQ(0, lio_write("1", ALUA "ours/alua_access_type"));
	EXPECT_EQ(0x2000, set_state(self->all, self->req, LUN_FROM, STANDBY, 7));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, lio_write("NULL", "%s/lun/lun_1/alua_tg_pt_gp",
				       port[i]));
	ASSERT_EQ(0, rmdir(LIO_ROOT "/" ALUA "ours"));
}

static char enabled(void)
{
	char buf[8] = "";

	EXPECT_EQ(0, read_file(LIO_ROOT "/vhost/" WWN_A "/tpgt_1/enable", buf, sizeof(buf)));
	return buf[0];
}

static int enable(const char *value)
{
	return lio_write(value, "vhost/" WWN_A "/tpgt_1/enable");
}

TEST_F(guests, port_group_is_disabled)
{
	struct vsg_dev *dev;

	EXPECT_EQ('1', enabled());
	WHERE("a device is bound");
	EXPECT_EQ(-EBUSY, enable("0"));
	EXPECT_EQ('1', enabled());
	guest_end(self->all);
	self->all = NULL;
	WHERE("none is");
	EXPECT_EQ(0, enable("0"));
	EXPECT_EQ('0', enabled());
	ASSERT_EQ(0, vsg_open(&dev, NULL));
	EXPECT_EQ(-ENODEV, vsg_start(dev, WWN_A));
	vsg_close(dev);
	EXPECT_EQ(0, enable("1"));
	EXPECT_EQ('1', enabled());
	self->all = guest(WWN_A, NULL);
	self->req = request(self->all, 4096, 4096);
	EXPECT_NE(0, port_number(self->all, self->req));
}

/* It was to be disabled, and is in use: another port must not get its number. */
TEST_F(guests, port_keeps_its_number)
{
	unsigned int own = port_number(self->all, self->req);
	struct vsg_dev *third;

	EXPECT_EQ(-EBUSY, enable("0"));
	ASSERT_EQ(0, lio("tpg " WWN_C " 1; lun " WWN_C " 1 1 from"));
	third = guest(WWN_C, NULL);
	EXPECT_NE(own, port_number(third, request(third, 4096, 4096)));
	EXPECT_EQ(own, port_number(self->all, self->req));
	guest_end(third);
	ASSERT_EQ(0, lio("dropwwn " WWN_C));
}
