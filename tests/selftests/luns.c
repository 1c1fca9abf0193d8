// SPDX-License-Identifier: GPL-2.0-only
/* Proves: a LUN number leads to the backstore that is linked there now; LIO counts its commands. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "files.h"
#include "support.h"

#define T 1
#define NEXUS "naa.3001405760000001"

enum { LUN_RAM, LUN_OTHER };

int suite_setup(void)
{
	return lio_suite("ramdisk ram 16; ramdisk other 16\n"
			 "tpg " WWN_A " 1\n"
			 "lun " WWN_A " 1 0 ram\n"
			 "lun " WWN_A " 1 1 other\n");
}

void suite_teardown(void)
{
	lio_suite_end();
}

FIXTURE(luns)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *req;
};

FIXTURE_SETUP(luns)
{
	self->dev = guest(WWN_A, NULL);
	self->r = vsg_io(self->dev, 0);
	self->req = request(self->dev, 1 << 20, 1 << 20);
	ready(self->r, T, LUN_RAM);
	ready(self->r, T, LUN_OTHER);
}

FIXTURE_TEARDOWN(luns)
{
	guest_end(self->dev);
}

/* What a file of statistics/ says, or -1. */
static long counted(const char *path)
{
	char buf[32];

	return read_file(path, buf, sizeof(buf)) ? -1 : atol(buf);
}

/* The commands of a LUN, and what they moved, are where LIO's tools look. */
TEST_F(luns, are_counted)
{
	static const char *const files[] = {
		LIO_ROOT "/core/rd_mcp_" LIO_HBA "/ram/statistics/scsi_lu/num_cmds",
		LIO_ROOT "/core/rd_mcp_" LIO_HBA "/ram/statistics/scsi_lu/read_mbytes",
		LIO_ROOT "/core/rd_mcp_" LIO_HBA "/ram/statistics/scsi_lu/write_mbytes",
		LIO_ROOT "/vhost/" WWN_A "/tpgt_1/lun/lun_0/statistics/scsi_tgt_port/in_cmds",
		LIO_ROOT "/core/rd_mcp_" LIO_HBA "/other/statistics/scsi_lu/num_cmds",
	};
	static const long more[] = { 10, 3, 5, 10, 0 };
	long before[ARRAY_SIZE(files)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++)
		before[i] = counted(files[i]);
	for (i = 0; i < 10; i++) {
		if (i < 8)
			vsg_cmd_rw(self->req, T, LUN_RAM, i < 5, 0, 2048, BLOCK);
		else
			vsg_cmd_tur(self->req, T, LUN_RAM);
		exec_good(self->r, self->req);
	}
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		WHERE("%s", files[i]);
		EXPECT_LE(0, before[i]);
		EXPECT_EQ(before[i] + more[i], counted(files[i]));
	}
}

/* A number is used again: for another backstore, and for none in between. */
TEST_F_TIMEOUT(luns, number_is_used_again, 30)
{
	struct vsg_req *req = self->req;
	unsigned int i;

	write_pattern(self->r, req, T, LUN_RAM, 0, 8, 1);
	write_pattern(self->r, req, T, LUN_OTHER, 0, 8, 2);
	for (i = 0; i < 6; i++) {
		WHERE("round %u", i);
		ASSERT_EQ(0, lio("lun " WWN_A " 1 5 %s", i % 2 ? "other" : "ram"));
		ready(self->r, T, 5);
		check_pattern(self->r, req, T, 5, 0, 8, 1 + i % 2);
		ASSERT_EQ(0, lio("unlun " WWN_A " 1 5"));
		vsg_cmd_tur(req, T, 5);
		EXPECT_EQ(0x2500, exec(self->r, req).asc);
	}
	/* What LIO had of it is freed by RCU in batches, within some seconds. */
	for (i = 0; i < 70; i++) {
		WHERE("%u ms later", 100 * i);
		usleep(100000);
		vsg_cmd_tur(req, T, 5);
		EXPECT_EQ(0x2500, exec(self->r, req).asc);
	}
}

/*
 * Of the initiator that LIO made for the nexus an ACL is made by hand, while the
 * guest works: what it says counts, and no entry that gave way is used.
 */
TEST(initiator_becomes_an_acl)
{
	struct vsg_result res;
	struct vsg_dev *dev;
	struct vsg_req *req;
	struct vsg_ring *r;
	unsigned int i;

	/* core_enable_device_list_for_node(), when it replaces an entry: 7.3, not 6.12. */
	if (memory_is_tracked() && kernel_is_since(6, 13))
		SKIP("LIO loses the counters of the entry, and kmemleak would tell");
	ASSERT_EQ(0, lio("tpg " WWN_B " 1 " NEXUS "; lun " WWN_B " 1 0 ram"));
	dev = guest(WWN_B, NULL);
	req = request(dev, 4096, 4096);
	r = vsg_io(dev, 0);
	ready(r, T, 0);
	write_pattern(r, req, T, 0, 0, 8, 1);
	ASSERT_EQ(0, lio("acl " WWN_B " 1 " NEXUS));
	check_pattern(r, req, T, 0, 0, 8, 1);
	ASSERT_EQ(0, lio("map " WWN_B " 1 " NEXUS " 0 0"));
	ASSERT_EQ(0, lio_write("1", "vhost/" WWN_B "/tpgt_1/acls/" NEXUS "/lun_0/write_protect"));
	for (i = 0; i < 4; i++) {
		WHERE("round %u", i);
		vsg_pattern(req->data_out, 4096, 0, 2);
		vsg_cmd_rw(req, T, 0, true, 0, 8, BLOCK);
		res = exec(r, req);
		EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
		EXPECT_EQ(7, res.key);
		EXPECT_EQ(0x2700, res.asc);
		check_pattern(r, req, T, 0, 0, 8, 1);
	}
	guest_end(dev);
	EXPECT_EQ(0, lio("dropwwn " WWN_B));
}

/* The first 256 are found in another way than those behind them. */
TEST_F(luns, around_256)
{
	enum { FIRST = 253, LAST = 258 };
	struct vsg_req *req = self->req;
	unsigned int i;

	for (i = FIRST; i <= LAST; i++)
		ASSERT_EQ(0, lio("lun " WWN_A " 1 %u %s", i, i % 2 ? "other" : "ram"));
	ready(self->r, T, LUN_RAM);
	ready(self->r, T, LUN_OTHER);
	write_pattern(self->r, req, T, LUN_RAM, 0, 8, 10);
	write_pattern(self->r, req, T, LUN_OTHER, 0, 8, 11);
	for (i = FIRST; i <= LAST; i++) {
		WHERE("LUN %u", i);
		ready(self->r, T, i);
		check_pattern(self->r, req, T, i, 0, 8, 10 + i % 2);
	}
	for (i = FIRST; i <= LAST; i++)
		EXPECT_EQ(0, lio("unlun " WWN_A " 1 %u", i));
}

static void *unlink_other(void *arg)
{
	int *ret = arg;

	__atomic_store_n(ret, lio("unlun " WWN_A " 1 1"), __ATOMIC_RELEASE);
	return NULL;
}

/*
 * A worker waits for a page of its owner, which may be for ever, with a command before that
 * in its hands. Who removes the LUN of that does not wait.
 */
TEST_F_TIMEOUT(luns, worker_waits_for_a_page, 60)
{
	uint8_t *page = vsg_mem_alloc(&self->dev->mem, 4096, 4096);
	struct vsg_req *req = request(self->dev, 0, 4096);
	static struct late late;
	int ret = 1;
	pthread_t thread;
	int64_t end;

	vsg_cmd_rw(req, T, LUN_OTHER, false, 0, 8, BLOCK);
	vsg_cmd_rw(self->req, T, LUN_RAM, false, 0, 8, BLOCK);
	self->req->nseg = 0;
	vsg_req_seg(self->req, vsg_gpa(&self->dev->mem, self->req->hdr),
		    VSG_REQ_LEN, 0);
	vsg_req_seg(self->req, vsg_gpa(&self->dev->mem, self->req->resp),
		    VSG_RESP_LEN, VRING_DESC_F_WRITE);
	vsg_req_seg(self->req, vsg_gpa(&self->dev->mem, page), 4096,
		    VRING_DESC_F_WRITE);
	late_start(&late, page);
	ASSERT_EQ(0, vsg_submit(self->r, req));
	ASSERT_EQ(0, vsg_submit(self->r, self->req));
	vsg_ring_kick(self->r);
	late_wait(&late);

	ASSERT_EQ(0, pthread_create(&thread, NULL, unlink_other, &ret));
	for (end = vsg_now_ms() + WAIT_MS; vsg_now_ms() < end; usleep(10000))
		if (__atomic_load_n(&ret, __ATOMIC_ACQUIRE) != 1)
			break;
	EXPECT_EQ(0, __atomic_load_n(&ret, __ATOMIC_ACQUIRE));
	late_end(&late);
	pthread_join(thread, NULL);
	ASSERT_EQ(0, vsg_token_wait(&req->tok, WAIT_MS));
	ASSERT_EQ(0, vsg_token_wait(&self->req->tok, WAIT_MS));
	EXPECT_EQ(VSG_CHECK_CONDITION, vsg_result(req).status);
	/* REPORTED LUNS DATA HAS CHANGED */
	EXPECT_EQ(VIRTIO_SCSI_S_OK, vsg_result(self->req).response);
	EXPECT_EQ(0x3f0e, vsg_result(self->req).asc);
	ASSERT_EQ(0, lio("lun " WWN_A " 1 1 other"));
}
