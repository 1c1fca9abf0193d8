// SPDX-License-Identifier: GPL-2.0-only
/* Proves: a stopped device writes no guest memory, keeps its ring indices, and can go on later. */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define T 1

enum { LUN_RAM, LUN_SLOW };
enum { QUEUES = 2, DEPTH = 32, MEM = 8 << 20 };

int suite_setup(void)
{
	return lio_suite("ramdisk ram 16; delayed slow 16 20 20\n"
			 "tpg " WWN_A " 1; lun " WWN_A " 1 0 ram\n"
			 "lun " WWN_A " 1 1 slow\n");
}

void suite_teardown(void)
{
	lio_suite_end();
}

FIXTURE(drain)
{
	struct vsg_dev *dev;
	struct vsg_req *req[QUEUES][DEPTH];
	uint8_t *copy;
};

FIXTURE_SETUP(drain)
{
	struct vsg_opts opts = {
		.nr_io = QUEUES,
		.ring_size = DEPTH,
		.mem_size = MEM,
	};
	unsigned int q, i;

	self->dev = guest(WWN_A, &opts);
	ready(vsg_io(self->dev, 0), T, LUN_RAM);
	ready(vsg_io(self->dev, 0), T, LUN_SLOW);
	for (q = 0; q < QUEUES; q++)
		for (i = 0; i < DEPTH; i++)
			self->req[q][i] = request(self->dev, 0, 16384);
	self->copy = malloc(MEM);
	ASSERT_TRUE(self->copy);
}

FIXTURE_TEARDOWN(drain)
{
	guest_end(self->dev);
	free(self->copy);
}

static void read_some(struct drain *self, unsigned int q, uint16_t lun,
		      unsigned int n)
{
	struct vsg_ring *r = vsg_io(self->dev, q);
	unsigned int i;

	for (i = 0; i < n; i++) {
		vsg_cmd_rw(self->req[q][i], T, lun, false, i, 32, BLOCK);
		ASSERT_EQ(0, vsg_submit(r, self->req[q][i]));
	}
	vsg_ring_kick(r);
}

/* Fills a queue with reads, as many as there is room for. */
static void fill(struct drain *self, unsigned int q, uint16_t lun)
{
	read_some(self, q, lun, DEPTH);
}

/* Nothing in guest memory changes for a while. */
static void check_still(struct drain *self)
{
	uint8_t *mem = self->dev->mem.region[0].hva;

	memcpy(self->copy, mem, MEM);
	usleep(60000);
	EXPECT_EQ(0, memcmp(self->copy, mem, MEM));
}

/* What was taken before the stop was given back; the rest waits. */
static void check_index(struct vsg_ring *r, uint16_t base)
{
	while (vsg_ring_poll(r))
		;
	EXPECT_EQ(base, r->used_idx);
	EXPECT_EQ((uint16_t)(r->avail_idx - base), r->outstanding);
}

/* A new owner of the ring looks at it at once; QEMU kicks for him. */
static void finish(struct drain *self, unsigned int q)
{
	struct vsg_ring *r = vsg_io(self->dev, q);
	unsigned int i;

	eventfd_write(r->kick, 1);
	ASSERT_EQ(0, vsg_ring_drain(r, WAIT_MS));
	for (i = 0; i < DEPTH; i++)
		EXPECT_TRUE(vsg_good(self->req[q][i]));
}

TEST_F_TIMEOUT(drain, clear_endpoint, 60)
{
	unsigned int round, q;

	for (round = 0; round < 20; round++) {
		WHERE("round %u", round);
		fill(self, 0, LUN_RAM);
		fill(self, 1, LUN_SLOW);
		usleep(rand() % 4000);
		ASSERT_EQ(0, vsg_stop(self->dev));
		check_still(self);
		for (q = 0; q < QUEUES; q++)
			check_index(vsg_io(self->dev, q),
				    vsg_io(self->dev, q)->base);
		ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
		for (q = 0; q < QUEUES; q++)
			finish(self, q);
	}
}

/* GET_VRING_BASE stops its ring, and no other. */
TEST_F_TIMEOUT(drain, get_vring_base, 60)
{
	struct vsg_req *other = request(self->dev, 0, 4096);
	unsigned int round;

	for (round = 0; round < 12; round++) {
		int base;

		WHERE("round %u", round);
		fill(self, 0, round & 1 ? LUN_SLOW : LUN_RAM);
		usleep(rand() % 4000);
		base = vsg_ring_get_base(vsg_io(self->dev, 0));
		ASSERT_LE(0, base);
		check_still(self);
		check_index(vsg_io(self->dev, 0), base);
		vsg_cmd_rw(other, T, LUN_RAM, false, 0, 8, BLOCK);
		exec_good(vsg_io(self->dev, 1), other);
		ASSERT_EQ(0, vsg_stop(self->dev));
		ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
		finish(self, 0);
	}
}

/*
 * Takes what came back and asks to be called for the next. Nothing has come back
 * and no call is left when this returns.
 */
static void take_and_ask(struct vsg_ring *r)
{
	while (!vsg_ring_wait(r, 0))
		while (vsg_ring_poll(r))
			;
}

/* Of what came back since then, the guest was told. */
static void check_told(struct vsg_ring *r)
{
	struct pollfd pfd = { .fd = r->call, .events = POLLIN };
	bool told = poll(&pfd, 1, 0) > 0;

	EXPECT_TRUE(told || !vsg_ring_poll(r));
}

/* To sleep takes longer than the commands. */
static void spin_us(unsigned int us)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000000 +
		 (now.tv_nsec - start.tv_nsec) / 1000 < us);
}

/*
 * The last chains before a stop come with their call: in a guest that is moved
 * nobody would look at them otherwise.
 */
TEST_F_TIMEOUT(drain, the_last_call, 60)
{
	unsigned int round, q;

	for (round = 0; round < 200; round++) {
		WHERE("round %u", round);
		for (q = 0; q < QUEUES; q++) {
			take_and_ask(vsg_io(self->dev, q));
			/* Few, that go together with one call. */
			read_some(self, q, LUN_RAM, 1 + rand() % 8);
		}
		spin_us(rand() % 500);
		ASSERT_EQ(0, vsg_stop(self->dev));
		for (q = 0; q < QUEUES; q++)
			check_told(vsg_io(self->dev, q));
		ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
		for (q = 0; q < QUEUES; q++) {
			eventfd_write(vsg_io(self->dev, q)->kick, 1);
			ASSERT_EQ(0, vsg_ring_drain(vsg_io(self->dev, q),
						    WAIT_MS));
		}
	}
}

/* The guest resets its device in the middle: rings begin anew. */
TEST_F_TIMEOUT(drain, reset, 60)
{
	unsigned int round, q, i;

	for (round = 0; round < 12; round++) {
		WHERE("round %u", round);
		fill(self, 0, LUN_RAM);
		fill(self, 1, LUN_SLOW);
		usleep(rand() % 4000);
		ASSERT_EQ(0, vsg_stop(self->dev));
		for (i = 0; i < self->dev->nr_rings; i++)
			vsg_ring_reset(&self->dev->ring[i]);
		check_still(self);
		ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
		for (q = 0; q < QUEUES; q++) {
			fill(self, q, LUN_RAM);
			finish(self, q);
		}
	}
}

/*
 * After a restart the guest uses fewer queues, as firmware does: where the
 * others were is somebody else's memory now.
 */
TEST(fewer_queues_after_a_restart)
{
	enum { NR = 4 };
	struct vsg_opts opts = { .nr_io = NR, .ring_size = 64 };
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_req *req = request(dev, 4096, 4096);
	unsigned int kept, i;
	uint8_t *first, *copy;
	size_t len;

	for (i = 0; i < NR; i++)
		ready(vsg_io(dev, i), T, LUN_RAM);
	/* Indices go on, or all begins anew. */
	for (kept = 0; kept < 2; kept++) {
		WHERE("round %u", kept);
		for (i = 0; i < NR; i++) {
			vsg_cmd_rw(req, T, LUN_RAM, true, 0, 8, BLOCK);
			exec_good(vsg_io(dev, i), req);
		}
		ASSERT_EQ(0, vsg_stop(dev));
		/* One after the other, they lie in one piece. */
		first = (uint8_t *)vsg_io(dev, 1)->desc;
		len = (uint8_t *)&vsg_io(dev, NR - 1)->used->ring[64] + 2 -
		      first;
		memset(first, VSG_POISON, len);
		for (i = 1; i < NR; i++) {
			struct vsg_ring *r = vsg_io(dev, i);

			/* By chance there is a chain, with a buffer to write. */
			r->avail->idx = r->base + 1;
			r->avail->ring[r->base % 64] = 0;
			r->desc[0].flags = VRING_DESC_F_WRITE;
			r->desc[0].len = 4096;
			r->desc[0].addr = vsg_gpa(&dev->mem, req->data_in);
		}
		copy = malloc(len);
		ASSERT_TRUE(copy);
		memcpy(copy, first, len);
		memset(req->data_in, VSG_POISON, 4096);

		ASSERT_EQ(0, vsg_set_features(dev, dev->features));
		ASSERT_EQ(0, vsg_set_mem_table(dev));
		for (i = 0; i <= VSG_IO; i++) {
			if (!kept)
				vsg_ring_reset(&dev->ring[i]);
			ASSERT_EQ(0, vsg_ring_start(&dev->ring[i]));
		}
		ASSERT_EQ(0, vsg_set_endpoint(dev, WWN_A));
		for (i = 1; i < NR; i++)
			eventfd_write(vsg_io(dev, i)->kick, 1);
		ready(vsg_io(dev, 0), T, LUN_RAM);
		usleep(50000);
		EXPECT_EQ(0, memcmp(copy, first, len));
		for (i = 0; i < 4096 && req->data_in[i] == VSG_POISON; i++)
			;
		EXPECT_EQ(4096, i);
		free(copy);

		/* The kernel that comes next uses all of them again. */
		ASSERT_EQ(0, vsg_clear_endpoint(dev, WWN_A));
		for (i = 0; i <= VSG_IO; i++)
			ASSERT_LE(0, vsg_ring_get_base(&dev->ring[i]));
		for (i = 0; i < dev->nr_rings; i++)
			vsg_ring_reset(&dev->ring[i]);
		ASSERT_EQ(0, vsg_start(dev, WWN_A));
		for (i = 0; i < NR; i++)
			ready(vsg_io(dev, i), T, LUN_RAM);
	}
	guest_end(dev);
}

/* On a busy machine the threads may come late. */
static bool all_answered(const struct load *load)
{
	unsigned int q;

	for (q = 0; q < QUEUES; q++)
		if (!__atomic_load_n(&load[q].good, __ATOMIC_RELAXED))
			return false;
	return true;
}

/* What QEMU does to running rings: nothing gets lost. */
TEST_F_TIMEOUT(drain, reconfigured_under_load, 60)
{
	struct vsg_dev *dev = self->dev;
	struct load load[QUEUES];
	int64_t end = vsg_now_ms() + WAIT_MS;
	unsigned int round, q;
	int other = eventfd(0, 0);

	for (q = 0; q < QUEUES; q++) {
		load[q] = (struct load) {
			.r = vsg_io(dev, q),
			.target = T,
			.lba = q * 64,
			.depth = 16,
		};
		load_start(&load[q]);
	}
	for (round = 0; round < 100 ||
	     (!all_answered(load) && vsg_now_ms() < end); round++) {
		struct vsg_ring *r = vsg_io(dev, round % QUEUES);
		struct vhost_vring_file call = { r->index, r->call };
		struct vhost_vring_file kick = { r->index, r->kick };
		struct vhost_vring_file err = { r->index, other };
		struct vhost_vring_addr addr = {
			.index = r->index,
			.desc_user_addr = (uintptr_t)r->desc,
			.avail_user_addr = (uintptr_t)r->avail,
			.used_user_addr = (uintptr_t)r->used,
		};

		EXPECT_EQ(0, vsg_set_mem_table(dev));
		EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_VRING_CALL, &call));
		EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_VRING_KICK, &kick));
		EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_VRING_ERR, &err));
		EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_VRING_ADDR, &addr));
	}
	for (q = 0; q < QUEUES; q++) {
		load_end(&load[q]);
		EXPECT_LE(1, load[q].good);
	}
	close(other);
}

/* Masked by QEMU: no call eventfd, and the used index moves all the same. */
TEST_F(drain, without_call_eventfd)
{
	struct vsg_ring *r = vsg_io(self->dev, 0);
	struct vhost_vring_file call = { r->index, -1 };
	int64_t end = vsg_now_ms() + WAIT_MS;

	EXPECT_EQ(0, vsg_ioctl(self->dev, VHOST_SET_VRING_CALL, &call));
	fill(self, 0, LUN_RAM);
	while (r->outstanding && vsg_now_ms() < end)
		vsg_ring_poll(r);
	EXPECT_EQ(0, r->outstanding);
	call.fd = r->call;
	EXPECT_EQ(0, vsg_ioctl(self->dev, VHOST_SET_VRING_CALL, &call));
	fill(self, 0, LUN_RAM);
	ASSERT_EQ(0, vsg_ring_drain(r, WAIT_MS));
}

/* A kick that was given before the start counts. */
TEST_F(drain, kick_before_start)
{
	struct vsg_ring *r = vsg_io(self->dev, 0);

	ASSERT_EQ(0, vsg_stop(self->dev));
	fill(self, 0, LUN_RAM);
	eventfd_write(r->kick, 1);
	usleep(50000);
	EXPECT_EQ(r->used_idx, r->used->idx);
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	ASSERT_EQ(0, vsg_ring_drain(r, WAIT_MS));
}

/* Memory that is added, as by hotplug, is used with the next request. */
TEST_F(drain, memory_added_and_removed)
{
	struct vsg_ring *r = vsg_io(self->dev, 0);
	struct vsg_req *req = request(self->dev, 0, 0);
	const uint64_t gpa = 1ULL << 33;
	unsigned int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, vsg_mem_add(&self->dev->mem, gpa, 1 << 20, 0));
		ASSERT_EQ(0, vsg_set_mem_table(self->dev));
		vsg_cmd_rw(req, T, LUN_RAM, false, 0, 8, BLOCK);
		req->nseg = 2;
		vsg_req_seg(req, gpa, 4096, VRING_DESC_F_WRITE);
		ASSERT_EQ(0, vsg_exec(r, req, WAIT_MS));
		EXPECT_TRUE(vsg_good(req));
		self->dev->mem.nr--;
		ASSERT_EQ(0, vsg_set_mem_table(self->dev));
		ASSERT_EQ(0, vsg_exec(r, req, WAIT_MS));
		EXPECT_EQ(VIRTIO_SCSI_S_FAILURE, req->resp->response);
	}
}
