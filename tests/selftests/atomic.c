// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proves: what WRITE ATOMIC (16) is answered GOOD for was given to the disk as one; what cannot be
 * is refused, and leaves no line in the log.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "files.h"
#include "klog.h"
#include "support.h"

#define T 1
#define PAGE 4096
/* Blocks that the disk says it takes: no power of two, and more than a bio has room for. */
#define MOST 1500
/* What the block layer takes of it: 512 KiB. */
#define ONE 1024
#define TRACE "/sys/kernel/tracing"
#define EVENT TRACE "/events/scsi/scsi_dispatch_cmd_start"

static bool have;

int suite_setup(void)
{
	int ret = lio_suite("tpg " WWN_A " 1");

	if (ret)
		return ret;
	ret = lio("atomic disk %u", MOST);
	/* A kernel without such disks. */
	if (ret)
		return ret == -EOPNOTSUPP || ret == -ENOENT ? 0 : ret;
	/* 6.12 has such disks, but its LIO does not know the command. */
	have = exists(LIO_ROOT "/core/iblock_" LIO_HBA "/disk/attrib/atomic_max_len");
	return lio("lun " WWN_A " 1 0 disk");
}

void suite_teardown(void)
{
	if (exists(EVENT)) {
		write_file(EVENT "/enable", "0");
		write_file(EVENT "/filter", "0");
	}
	lio_suite_end();
}

FIXTURE(atomic)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *req;
	uint8_t *arena;
	struct klog log;
};

FIXTURE_SETUP(atomic)
{
	struct vsg_opts opts = { .ring_size = 1024, .mem_size = 32 << 20 };

	if (!have)
		SKIP("no disk here writes as one");
	self->dev = guest(WWN_A, &opts);
	self->r = vsg_io(self->dev, 0);
	self->req = request(self->dev, 1 << 20, 1 << 20);
	self->arena = vsg_mem_alloc(&self->dev->mem, 4 << 20, PAGE);
	ASSERT_TRUE(self->arena);
	ready(self->r, T, 0);
	klog_open(&self->log);
}

FIXTURE_TEARDOWN(atomic)
{
	klog_read(&self->log, NULL);
	klog_close(&self->log);
	guest_end(self->dev);
}

/* A command of so many blocks, in pieces of so many bytes, each in pages of its own; 0: in one. */
static struct vsg_result write_atomic(struct atomic *self, uint64_t lba, unsigned int blocks,
				      unsigned int piece)
{
	const struct vsg_mem *mem = &self->dev->mem;
	struct vsg_req *req = self->req;
	uint8_t cdb[16] = { 0x9c };
	size_t len = blocks * BLOCK, at, place = 0;

	vsg_put_be(&cdb[2], lba, 8);
	vsg_put_be(&cdb[12], blocks, 2);
	vsg_req_cmd(req, T, 0, cdb, sizeof(cdb), len, 0);
	vsg_pattern(req->data_out, len, lba * BLOCK, blocks);
	if (!piece)
		return exec(self->r, req);
	req->nseg = 0;
	vsg_req_seg(req, vsg_gpa(mem, req->hdr), VSG_REQ_LEN, 0);
	for (at = 0; at < len; at += piece, place += piece + PAGE) {
		vsg_pattern(self->arena + place, piece, lba * BLOCK + at, blocks);
		vsg_req_seg(req, vsg_gpa(mem, self->arena + place), piece, 0);
	}
	vsg_req_seg(req, vsg_gpa(mem, req->resp), VSG_RESP_LEN, VRING_DESC_F_WRITE);
	vsg_req_direct(req, false);
	return exec(self->r, req);
}

static void is_written(struct atomic *self, uint64_t lba, unsigned int blocks)
{
	vsg_cmd_rw(self->req, T, 0, false, lba, blocks, BLOCK);
	exec_good(self->r, self->req);
	EXPECT_EQ(-1, vsg_pattern_check(self->req->data_in, blocks * BLOCK, lba * BLOCK, blocks));
}

/* How many commands of that code the disk was given since it was called last. */
static unsigned int given(void)
{
	unsigned int n = 0;
	char line[1024];
	FILE *trace;

	trace = fopen(TRACE "/trace", "r");
	if (!trace)
		return -1;
	while (fgets(line, sizeof(line), trace))
		n += !!strstr(line, "scsi_dispatch_cmd_start:");
	fclose(trace);
	/* To open it for writing empties it. */
	trace = fopen(TRACE "/trace", "w");
	if (trace)
		fclose(trace);
	return n;
}

TEST_F(atomic, as_one)
{
	static const struct {
		unsigned int blocks, piece;
	} good[] = {
		{ 8, 0 }, { 128, 0 }, { ONE, 0 }, { ONE, PAGE }, { 256, 512 }, { 256, 1024 },
	};
	unsigned int i;

	if (!exists(EVENT) || write_file(EVENT "/filter", "opcode == 0x9c") ||
	    write_file(EVENT "/enable", "1"))
		SKIP("no tracefs");
	given();
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		WHERE("%u blocks in pieces of %u", good[i].blocks, good[i].piece);
		EXPECT_EQ(0, write_atomic(self, 4096 * i, good[i].blocks, good[i].piece).status);
		EXPECT_EQ(1, given());
		is_written(self, 4096 * i, good[i].blocks);
	}
}

TEST_F(atomic, refused)
{
	static const struct {
		unsigned int blocks, piece;
	} bad[] = {
		/* The block layer, the disk, more pieces than a bio has room for. */
		{ ONE + 2, 0 }, { MOST, 0 }, { MOST + 4, 0 }, { 300, 512 },
	};
	struct vsg_result res;
	unsigned int i;

	vsg_cmd_rw(self->req, T, 0, true, 0, 2 * ONE, BLOCK);
	vsg_pattern(self->req->data_out, 2 * ONE * BLOCK, 0, 2 * ONE);
	exec_good(self->r, self->req);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		WHERE("%u blocks in pieces of %u", bad[i].blocks, bad[i].piece);
		res = write_atomic(self, 0, bad[i].blocks, bad[i].piece);
		EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
		EXPECT_EQ(5, res.key);
		EXPECT_EQ(0x2400, res.asc);
		is_written(self, 0, 2 * ONE);
	}
}
