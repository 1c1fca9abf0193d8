// SPDX-License-Identifier: GPL-2.0-only
/* Proves: the rows of Documentation/errors.rst that no other test covers. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "see.h"
#include "support.h"

#define T 1
#define NEXUS LIO_WWN "0abc"

/* LIO's attribute emulate_tas is 1 for the first and 0 for the second. */
enum { LUN_TAS, LUN_NO_TAS, LUN_RAM, LUN_HUGE, LUN_CACHE, LUN_MANY, LUN_THIN };

int suite_setup(void)
{
	int ret = lio_suite("hangable tas 16; hangable notas 16; ramdisk ram 16\n"
			    "fileio huge 5000; sleepy cache 16 buffered\n"
			    "hangable many 64; sparse thin 256");

	/* Not to be changed any more when the disk is in use. */
	if (!ret)
		ret = lio_write("0", "core/iblock_" LIO_HBA
				"/notas/attrib/emulate_tas");
	return ret ? ret : lio("tpg " WWN_A " 1; tpg " WWN_B " 1\n"
			       "lun " WWN_A " 1 0 tas; lun " WWN_B " 1 0 tas\n"
			       "lun " WWN_A " 1 1 notas; lun " WWN_B " 1 1 notas\n"
			       "lun " WWN_A " 1 2 ram; lun " WWN_B " 1 2 ram\n"
			       "lun " WWN_A " 1 3 huge; lun " WWN_A " 1 4 cache\n"
			       "lun " WWN_A " 1 5 many; lun " WWN_A " 1 6 thin");
}

void suite_teardown(void)
{
	lio_suite_end();
}

FIXTURE(verdict)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *req;
	const char *hung;
};

static void all_ready(struct vsg_ring *r)
{
	uint16_t lun;

	for (lun = LUN_TAS; lun <= LUN_RAM; lun++)
		ready(r, T, lun);
}

FIXTURE_SETUP(verdict)
{
	struct vsg_opts opts = { .ring_size = 256 };

	self->dev = guest(WWN_A, &opts);
	self->r = vsg_io(self->dev, 0);
	self->req = request(self->dev, 4096, 4096);
	all_ready(self->r);
}

static void backend_hold(struct verdict *self, const char *name)
{
	ASSERT_EQ(0, lio("hang %s", name));
	self->hung = name;
}

static void backend_release(struct verdict *self)
{
	if (self->hung)
		EXPECT_EQ(0, lio("unhang %s", self->hung));
	self->hung = NULL;
}

FIXTURE_TEARDOWN(verdict)
{
	backend_release(self);
	guest_end(self->dev);
}

TEST(write_to_a_read_only_lun)
{
	struct vsg_result res;
	struct vsg_req *req;
	struct vsg_dev *dev;
	struct vsg_ring *r;

	ASSERT_EQ(0, lio("acl " WWN_A "9 1 " NEXUS "; tpg " WWN_A "9 1 " NEXUS
			 "\nlun " WWN_A "9 1 0 ram; map " WWN_A "9 1 " NEXUS
			 " 0 0"));
	ASSERT_EQ(0, lio_write("1", "vhost/" WWN_A "9/tpgt_1/acls/" NEXUS
			       "/lun_0/write_protect"));
	dev = guest(WWN_A "9", NULL);
	r = vsg_io(dev, 0);
	req = request(dev, 4096, 4096);
	ready(r, T, 0);
	vsg_cmd_rw(req, T, 0, true, 0, 8, BLOCK);
	res = exec(r, req);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(7, res.key);
	EXPECT_EQ(0x2700, res.asc);
	EXPECT_EQ(4096, res.resid);
	vsg_cmd_rw(req, T, 0, false, 0, 8, BLOCK);
	exec_good(r, req);
	guest_end(dev);
	EXPECT_EQ(0, lio("dropwwn " WWN_A "9"));
}

TEST_F(verdict, cdb_of_more_than_32_bytes)
{
	uint8_t cdb[32] = { VSG_VARIABLE, [7] = 25, [9] = 0x0d, [31] = 1 };
	struct vsg_result res;

	vsg_req_cmd(self->req, T, LUN_RAM, cdb, sizeof(cdb), BLOCK, 0);
	res = exec(self->r, self->req);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(5, res.key);
	EXPECT_EQ(0x2400, res.asc);
}

/* LIO counts bytes in 32 bits: 4 GiB are none to it, and a block more is a block. */
TEST_F(verdict, more_than_4_gib)
{
	static const uint32_t blocks[] = { 1 << 23, (1 << 23) + 1 };
	struct vsg_req *req = self->req;
	unsigned int i, j, bytes;

	ready(self->r, T, LUN_HUGE);
	for (i = 0; i < 2 * ARRAY_SIZE(blocks); i++) {
		for (j = 0; j < 4; j++) {
			uint32_t n = blocks[i / 2];
			uint8_t cdb[16] = { i % 2 ? 0xaa : 0xa8, [6] = n >> 24, n >> 16,
					    n >> 8, n };

			bytes = j % 2 ? BLOCK : 0;
			if (j / 2)
				memcpy(cdb, (uint8_t[16]) { i % 2 ? 0x8a : 0x88,
				       [10] = n >> 24, n >> 16, n >> 8, n }, 16);
			WHERE("%02xh of %u blocks, %u bytes of data", cdb[0], n, bytes);
			memset(req->data_out, 0xa5, BLOCK);
			vsg_req_cmd(req, T, LUN_HUGE, cdb, 16, i % 2 ? bytes : 0,
				    i % 2 ? 0 : bytes);
			EXPECT_EQ(VIRTIO_SCSI_S_OVERRUN, exec(self->r, req).response);
		}
	}
	WHERE("nothing was written");
	vsg_cmd_rw(req, T, LUN_HUGE, false, 0, 1, BLOCK);
	exec_good(self->r, req);
	EXPECT_EQ(0, req->data_in[0]);
}

/* LIO would go on with a command, and with its device, that it has ended. */
TEST_F(verdict, flush_that_need_not_be_waited_for)
{
	static const uint8_t sync[2][16] = { { 0x35, 2 }, { 0x91, 2 } };
	struct vsg_req *req = self->req;
	unsigned int i;

	ready(self->r, T, LUN_CACHE);
	for (i = 0; i < ARRAY_SIZE(sync); i++) {
		WHERE("%02xh", sync[i][0]);
		backend_hold(self, "cache");
		/* A page of it. */
		vsg_cmd_rw(req, T, LUN_CACHE, true, 8 * i, 8, BLOCK);
		exec_good(self->r, req);
		vsg_req_cmd(req, T, LUN_CACHE, sync[i], 16, 0, 0);
		ASSERT_EQ(0, vsg_submit(self->r, req));
		vsg_ring_kick(self->r);
		EXPECT_NE(0, vsg_token_wait(&req->tok, 300));
		backend_release(self);
		ASSERT_EQ(0, vsg_token_wait(&req->tok, WAIT_MS));
		EXPECT_TRUE(vsg_good(req));
	}
}

/* With those of the header and of the response they are two more. */
TEST_F(verdict, more_than_1024_descriptors)
{
	static const uint32_t in[] = { VSG_RESP_LEN, 1 };
	struct vsg_req *req = self->req;

	WHERE("1024");
	vsg_cmd_inquiry(req, T, LUN_RAM, 1022);
	ASSERT_EQ(0, vsg_req_cut(req, NULL, 0, in, 2));
	exec(self->r, req);
	EXPECT_TRUE(vsg_good(req));
	WHERE("1025");
	vsg_cmd_inquiry(req, T, LUN_RAM, 1023);
	ASSERT_EQ(0, vsg_req_cut(req, NULL, 0, in, 2));
	EXPECT_EQ(VIRTIO_SCSI_S_FAILURE, exec(self->r, req).response);
	EXPECT_EQ(VSG_RESP_LEN, req->tok.len);
	ready(self->r, T, LUN_RAM);
}

static int reset_submit(struct vsg_ctl *ctl, uint16_t lun)
{
	return vsg_tmf_submit(ctl, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, T, lun,
			      0);
}

TEST_F(verdict, more_than_64_functions)
{
	enum { MOST = 64 };
	struct vsg_ctl *ctl[MOST + 1];
	unsigned int i;

	for (i = 0; i <= MOST; i++) {
		ctl[i] = vsg_ctl_alloc(self->dev);
		ASSERT_TRUE(ctl[i]);
	}
	backend_hold(self, "tas");
	vsg_cmd_rw(self->req, T, LUN_TAS, true, 0, 8, BLOCK);
	ASSERT_EQ(0, vsg_submit(self->r, self->req));
	vsg_ring_kick(self->r);
	reach_backend();
	for (i = 0; i <= MOST; i++)
		ASSERT_EQ(0, reset_submit(ctl[i], LUN_TAS));
	ASSERT_EQ(0, vsg_token_wait(&ctl[MOST]->tok, WAIT_MS));
	EXPECT_EQ(VIRTIO_SCSI_S_BUSY, ctl[MOST]->resp[0]);
	if (exists(SEE_DEVICES))
		EXPECT_EQ(1, see_number(see_device(getpid(), WWN_A), SEE_TMF_BUSY,
					"tmf_lun_reset"));
	reach_backend();
	EXPECT_FALSE(self->req->tok.done);
	backend_release(self);
	for (i = 0; i < MOST; i++) {
		WHERE("function %u", i);
		ASSERT_EQ(0, vsg_token_wait(&ctl[i]->tok, WAIT_MS));
		EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE, ctl[i]->resp[0]);
	}
	ASSERT_EQ(0, vsg_token_wait(&self->req->tok, WAIT_MS));
	EXPECT_EQ(VIRTIO_SCSI_S_RESET, self->req->resp->response);
	/* There is room again. */
	ASSERT_EQ(0, reset_submit(ctl[MOST], LUN_RAM));
	ASSERT_EQ(0, vsg_token_wait(&ctl[MOST]->tok, WAIT_MS));
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE, ctl[MOST]->resp[0]);
}

/* What another guest is told whose command a reset ended. */
static void reset_by_another(struct verdict *self, uint16_t lun,
			     const char *name, struct vsg_result *res)
{
	struct vsg_dev *other = guest(WWN_B, NULL);
	struct vsg_ctl *ctl = vsg_ctl_alloc(self->dev);
	struct vsg_req *req = request(other, 4096, 0);

	ASSERT_TRUE(ctl);
	all_ready(vsg_io(other, 0));
	backend_hold(self, name);
	vsg_cmd_rw(req, T, lun, true, 0, 8, BLOCK);
	ASSERT_EQ(0, vsg_submit(vsg_io(other, 0), req));
	vsg_ring_kick(vsg_io(other, 0));
	reach_backend();
	ASSERT_EQ(0, reset_submit(ctl, lun));
	reach_backend();
	EXPECT_FALSE(ctl->tok.done);
	backend_release(self);
	ASSERT_EQ(0, vsg_token_wait(&ctl->tok, WAIT_MS));
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE, ctl->resp[0]);
	ASSERT_EQ(0, vsg_token_wait(&req->tok, WAIT_MS));
	*res = vsg_result(req);
	EXPECT_EQ(VSG_RESP_LEN, req->tok.len);
	guest_end(other);
}

TEST_F(verdict, reset_by_another_with_tas)
{
	struct vsg_result res;

	reset_by_another(self, LUN_TAS, "tas", &res);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_TASK_ABORTED, res.status);
	EXPECT_EQ(4096, res.resid);
}

TEST_F(verdict, reset_by_another_without_tas)
{
	struct vsg_result res;

	reset_by_another(self, LUN_NO_TAS, "notas", &res);
	EXPECT_EQ(VIRTIO_SCSI_S_RESET, res.response);
}

static void write_same(struct vsg_req *req, uint16_t lun, uint32_t blocks)
{
	uint8_t cdb[16] = { 0x93 };

	vsg_put_be(cdb + 10, blocks, 4);
	vsg_req_cmd(req, T, lun, cdb, sizeof(cdb), BLOCK, 0);
}

/*
 * LIO makes a bio for each block before it submits the first one, unless all is zero and the
 * disk writes zeroes itself, and does not fail to. Of such a disk it says that it takes millions
 * of blocks.
 */
TEST_F_TIMEOUT(verdict, write_same_of_many_blocks, 120)
{
	enum { MOST = 4096, ALL = 256 * 2048 };
	struct vsg_result res;
	char text[32];
	unsigned int i;

	ready(self->r, T, LUN_THIN);
	ASSERT_EQ(0, read_file(LIO_ROOT "/core/iblock_" LIO_HBA
			       "/thin/attrib/max_write_same_len", text,
			       sizeof(text)));
	ASSERT_LE(ALL, atoi(text));
	for (i = 0; i < 3; i++) {
		WHERE("byte %u", i);
		memset(self->req->data_out, 0, BLOCK);
		if (i < 2)
			self->req->data_out[i * (BLOCK - 1)] = 1;
		write_same(self->req, LUN_THIN, MOST + 1);
		res = exec(self->r, self->req);
		EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
		EXPECT_EQ(5, res.key);
		EXPECT_EQ(0x2400, res.asc);
	}
	WHERE("a few");
	self->req->data_out[BLOCK - 1] = 1;
	write_same(self->req, LUN_THIN, 8);
	exec_good(self->r, self->req);
	vsg_cmd_rw(self->req, T, LUN_THIN, false, 7, 1, BLOCK);
	exec_good(self->r, self->req);
	EXPECT_EQ(1, self->req->data_in[BLOCK - 1]);
	WHERE("zeroes");
	memset(self->req->data_out, 0, BLOCK);
	write_same(self->req, LUN_THIN, MOST);
	/* A page at a time. */
	ASSERT_EQ(0, vsg_exec(self->r, self->req, 6 * WAIT_MS));
	EXPECT_TRUE(vsg_good(self->req));
	vsg_cmd_rw(self->req, T, LUN_THIN, false, 7, 1, BLOCK);
	exec_good(self->r, self->req);
	EXPECT_EQ(0, self->req->data_in[BLOCK - 1]);
}

/* A suspended device keeps what it is given, however much. */
TEST_F_TIMEOUT(verdict, write_same_many_times, 120)
{
	enum { NR = 20, MOST = 4096, AT_ONCE = 16 };
	unsigned int i, busy = 0;
	struct vsg_req *req[NR];
	long long slab;

	if (memory_is_tracked())
		SKIP("device-mapper would have a processor for itself for minutes");
	ready(self->r, T, LUN_MANY);
	for (i = 0; i < NR; i++) {
		req[i] = request(self->dev, BLOCK, 0);
		memset(req[i]->data_out, 0xa5, BLOCK);
		write_same(req[i], LUN_MANY, MOST);
	}
	slab = stat_value("/proc/meminfo", "SUnreclaim");
	self->hung = "many";
	ASSERT_EQ(0, lio("hang many"));
	for (i = 0; i < NR; i++)
		ASSERT_EQ(0, vsg_submit(self->r, req[i]));
	vsg_ring_kick(self->r);
	for (i = AT_ONCE; i < NR; i++)
		EXPECT_EQ(0, vsg_token_wait(&req[i]->tok, WAIT_MS));
	printf("# %lld KiB are in use\n", stat_value("/proc/meminfo", "SUnreclaim") - slab);
	self->hung = NULL;
	EXPECT_EQ(0, lio("unhang many"));
	for (i = 0; i < NR; i++) {
		ASSERT_EQ(0, vsg_token_wait(&req[i]->tok, 6 * WAIT_MS));
		EXPECT_TRUE(vsg_good(req[i]) || vsg_result(req[i]).status == VSG_BUSY);
		busy += vsg_result(req[i]).status == VSG_BUSY;
	}
	EXPECT_EQ(NR - AT_ONCE, busy);
	WHERE("afterwards");
	write_same(req[0], LUN_MANY, MOST);
	ASSERT_EQ(0, vsg_exec(self->r, req[0], 6 * WAIT_MS));
	EXPECT_TRUE(vsg_good(req[0]));
}

static int set_huge(const char *name, const char *value)
{
	return lio_write(value, "core/fileio_" LIO_HBA "/huge/attrib/%s", name);
}

/* Unmapped is only what reads as it was written (SBC-4). */
TEST_F(verdict, write_same_that_may_unmap)
{
	static const uint8_t forms[][32] = {
		{ 0x41, 8, [8] = 8 }, { 0x93, 8, [13] = 8 },
		{ 0x7f, [7] = 24, [9] = 0x0d, [10] = 8, [31] = 8 },
	};
	static const uint8_t bytes[] = { 0xa5, 0 };
	unsigned int i, k;

	ready(self->r, T, LUN_HUGE);
	ASSERT_EQ(0, set_huge("emulate_tpws", "1"));
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		for (k = 0; k < ARRAY_SIZE(bytes); k++) {
			WHERE("%02xh, byte %02xh", forms[i][0], bytes[k]);
			write_pattern(self->r, self->req, T, LUN_HUGE, 0, 8, 1);
			memset(self->req->data_out, 0, BLOCK);
			self->req->data_out[BLOCK - 1] = bytes[k];
			vsg_req_cmd(self->req, T, LUN_HUGE, forms[i], 32, BLOCK, 0);
			exec_good(self->r, self->req);
			vsg_cmd_rw(self->req, T, LUN_HUGE, false, 7, 1, BLOCK);
			exec_good(self->r, self->req);
			EXPECT_EQ(0, self->req->data_in[0]);
			EXPECT_EQ(bytes[k], self->req->data_in[BLOCK - 1]);
		}
	}
	EXPECT_EQ(0, set_huge("emulate_tpws", "0"));
}

/* Of a file, LIO counts the bytes in 32 bits; a memory file without any is unmapped to its end. */
TEST_F(verdict, unmap_more_than_4_gib)
{
	static const uint8_t cdb[10] = { 0x42, [8] = 24 };
	static const uint8_t limits[6] = { 0x12, 1, 0xb0, [4] = 64 };
	enum { GIB_4 = 8 << 20, BEHIND = GIB_4 + 64 };
	const uint32_t counts[] = { GIB_4, GIB_4 - 1 };
	struct vsg_result res;
	unsigned int i;

	ready(self->r, T, LUN_HUGE);
	ASSERT_EQ(0, set_huge("emulate_tpu", "1"));
	ASSERT_EQ(0, set_huge("max_unmap_lba_count", "0xffffffff"));
	vsg_req_cmd(self->req, T, LUN_HUGE, limits, sizeof(limits), 0, 64);
	exec_good(self->r, self->req);
	EXPECT_EQ(GIB_4 - 1, vsg_get_be(self->req->data_in + 20, 4));
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		WHERE("%x blocks", counts[i]);
		write_pattern(self->r, self->req, T, LUN_HUGE, 0, 8, 1);
		write_pattern(self->r, self->req, T, LUN_HUGE, BEHIND, 8, 2);
		memset(self->req->data_out, 0, 24);
		self->req->data_out[1] = 22;
		self->req->data_out[3] = 16;
		vsg_put_be(self->req->data_out + 16, counts[i], 4);
		vsg_req_cmd(self->req, T, LUN_HUGE, cdb, sizeof(cdb), 24, 0);
		res = exec(self->r, self->req);
		EXPECT_EQ(counts[i] == GIB_4 ? VSG_CHECK_CONDITION : VSG_GOOD, res.status);
		if (counts[i] == GIB_4)
			EXPECT_EQ(0x2600, res.asc);
		check_pattern(self->r, self->req, T, LUN_HUGE, BEHIND, 8, 2);
	}
	EXPECT_EQ(0, set_huge("max_unmap_lba_count", "8192"));
	EXPECT_EQ(0, set_huge("emulate_tpu", "0"));
}

/* How often the disk below has flushed its cache (Documentation/block/stat.rst of the kernel). */
static unsigned long flushes(const char *store)
{
	char text[512], path[64], *p = text;
	unsigned long n = 0;
	unsigned int i;

	snprintf(path, sizeof(path), LIO_ROOT "/core/iblock_" LIO_HBA "/%s/udev_path", store);
	ASSERT_EQ(0, read_file(path, text, sizeof(text)));
	ASSERT_TRUE(strrchr(text, '/'));
	snprintf(path, sizeof(path), "/sys/block/%.30s/stat", strrchr(text, '/') + 1);
	ASSERT_EQ(0, read_file(path, text, sizeof(text)));
	/* The sixteenth number. */
	for (i = 0; i < 16; i++)
		n = strtoul(p, &p, 10);
	return n;
}

/* A loop device has a cache, and no FUA. LIO says DPOFUA of it. */
TEST_F(verdict, forced_to_the_medium)
{
	enum { NR = 16 };
	unsigned long before;
	unsigned int i;

	ready(self->r, T, LUN_THIN);
	before = flushes("thin");
	for (i = 0; i < NR; i++) {
		WHERE("%u", i);
		memset(self->req->data_out, i, BLOCK);
		vsg_cmd_rw(self->req, T, LUN_THIN, true, i, 1, BLOCK);
		self->req->hdr->cdb[1] |= 0x08;
		exec_good(self->r, self->req);
		EXPECT_EQ(before + i + 1, flushes("thin"));
		vsg_cmd_rw(self->req, T, LUN_THIN, false, i, 1, BLOCK);
		exec_good(self->r, self->req);
		EXPECT_EQ(i, self->req->data_in[BLOCK - 1]);
	}
	vsg_cmd_rw(self->req, T, LUN_THIN, true, 0, 1, BLOCK);
	exec_good(self->r, self->req);
	EXPECT_EQ(before + NR, flushes("thin"));
}
