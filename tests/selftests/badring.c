// SPDX-License-Identifier: GPL-2.0-only
/* Proves: a corrupt ring stops its own queue, signals the error eventfd, and harms no other. */

#include <stdio.h>
#include <stdlib.h>

#include "support.h"

#define T 1
#define L 0

int suite_setup(void)
{
	return lio_suite("ramdisk a 16; tpg " WWN_A " 1; lun " WWN_A
			 " 1 0 a; tpg " WWN_B " 1; lun " WWN_B " 1 0 a");
}

void suite_teardown(void)
{
	lio_suite_end();
}

/**
 * struct ring - a guest with two request queues, the first to be corrupted
 * @dev: guest
 * @bad: its first request queue
 * @fine: its second
 * @req: for queue @bad
 * @good: for queue @fine
 */
FIXTURE(ring)
{
	struct vsg_dev *dev;
	struct vsg_ring *bad;
	struct vsg_ring *fine;
	struct vsg_req *req;
	struct vsg_req *good;
};

FIXTURE_SETUP(ring)
{
	struct vsg_opts opts = { .nr_io = 2, .ring_size = 64 };

	self->dev = guest(WWN_A, &opts);
	self->bad = vsg_io(self->dev, 0);
	self->fine = vsg_io(self->dev, 1);
	ready(self->bad, T, L);
	self->req = request(self->dev, 4096, 4096);
	self->good = request(self->dev, 4096, 4096);
	write_pattern(self->bad, self->req, T, L, 0, 8, 1);
	/* The device keeps quiet until something is wrong. */
	EXPECT_FALSE(vsg_ring_failed(self->bad, 0));
}

FIXTURE_TEARDOWN(ring)
{
	guest_end(self->dev);
}

/* After the corruption was published. */
static void check_stopped(struct ring *self)
{
	uint16_t used;

	vsg_ring_kick(self->bad);
	EXPECT_TRUE(vsg_ring_failed(self->bad, 3000));
	EXPECT_FALSE(vsg_ring_failed(self->fine, 0));
	used = self->bad->used->idx;
	check_pattern(self->fine, self->good, T, L, 0, 8, 1);
	write_pattern(self->fine, self->good, T, L, 8, 8, 2);
	/* Nothing was given back for what is not there. */
	EXPECT_EQ(used, self->bad->used->idx);
	/* After a reset of the device the queue is as good as new. */
	EXPECT_EQ(0, vsg_stop(self->dev));
	vsg_ring_reset(self->bad);
	vsg_ring_reset(self->fine);
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	check_pattern(self->bad, self->req, T, L, 0, 8, 1);
	check_pattern(self->fine, self->good, T, L, 8, 8, 2);
}

TEST_F(ring, head_out_of_range)
{
	static const uint16_t heads[] = { 64, 65, 0x7fff, 0xffff };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(heads); i++) {
		WHERE("head %u", heads[i]);
		vsg_ring_add_head(self->bad, NULL, heads[i]);
		vsg_ring_publish(self->bad);
		check_stopped(self);
	}
}

TEST_F(ring, avail_index_jumps)
{
	static const uint16_t jump[] = { 65, 1000, 0x8000, 0xffff };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(jump); i++) {
		WHERE("index %u ahead", jump[i]);
		self->bad->avail_idx += jump[i];
		vsg_ring_publish(self->bad);
		check_stopped(self);
	}
}

TEST_F(ring, next_out_of_range)
{
	struct vring_desc *d = self->bad->desc;

	d[60].addr = vsg_gpa(&self->dev->mem, self->req->hdr);
	d[60].len = VSG_REQ_LEN;
	d[60].flags = VRING_DESC_F_NEXT;
	d[60].next = 64;
	vsg_ring_add_head(self->bad, NULL, 60);
	vsg_ring_publish(self->bad);
	check_stopped(self);
}

TEST_F(ring, loop_of_descriptors)
{
	struct vring_desc *d = self->bad->desc;
	unsigned int n, i;

	for (n = 1; n <= 3; n++) {
		WHERE("loop of %u", n);
		for (i = 0; i < n; i++) {
			d[60 + i].addr = vsg_gpa(&self->dev->mem,
						 self->req->hdr);
			d[60 + i].len = 8;
			d[60 + i].flags = VRING_DESC_F_NEXT;
			d[60 + i].next = 60 + (i + 1) % n;
		}
		vsg_ring_add_head(self->bad, NULL, 60);
		vsg_ring_publish(self->bad);
		check_stopped(self);
	}
}

/* Chains before the corrupt one are served, and no answer gets lost. */
TEST_F(ring, good_ones_before_it)
{
	struct vsg_req *req[8];
	unsigned int i;

	for (i = 0; i < 8; i++) {
		req[i] = request(self->dev, 0, 4096);
		vsg_cmd_rw(req[i], T, L, false, 0, 8, BLOCK);
		ASSERT_EQ(0, vsg_submit(self->bad, req[i]));
	}
	vsg_ring_add_head(self->bad, NULL, 999);
	vsg_ring_publish(self->bad);
	vsg_ring_kick(self->bad);
	EXPECT_TRUE(vsg_ring_failed(self->bad, 3000));
	ASSERT_EQ(0, vsg_ring_drain(self->bad, WAIT_MS));
	for (i = 0; i < 8; i++)
		EXPECT_TRUE(vsg_good(req[i]));
	check_pattern(self->fine, self->good, T, L, 0, 8, 1);
}

/* The same on the control and on the event queue. */
TEST_F(ring, control_and_event_queue)
{
	unsigned int i;

	for (i = VSG_CTL; i <= VSG_EVT; i++) {
		struct vsg_ring *r = &self->dev->ring[i];

		WHERE("queue %u", i);
		vsg_ring_add_head(r, NULL, 777);
		vsg_ring_publish(r);
		vsg_ring_kick(r);
		/* The event queue is looked at when there is an event. */
		if (i == VSG_EVT)
			EXPECT_EQ(0, lio("lun " WWN_A " 1 7 a"));
		EXPECT_TRUE(vsg_ring_failed(r, 3000));
		/* The new LUN is a unit attention, too. */
		ready(self->bad, T, L);
		check_pattern(self->bad, self->req, T, L, 0, 8, 1);
	}
	EXPECT_EQ(0, lio("unlun " WWN_A " 1 7"));
}

/* Another device of the same process does not notice. */
TEST_F(ring, other_device)
{
	struct vsg_dev *dev = guest(WWN_B, NULL);
	struct vsg_req *req = request(dev, 0, 4096);

	ready(vsg_io(dev, 0), T, L);
	vsg_ring_add_head(self->bad, NULL, 64);
	vsg_ring_publish(self->bad);
	vsg_ring_kick(self->bad);
	EXPECT_TRUE(vsg_ring_failed(self->bad, 3000));
	check_pattern(vsg_io(dev, 0), req, T, L, 0, 8, 1);
	guest_end(dev);
}
