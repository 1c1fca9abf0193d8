// SPDX-License-Identifier: GPL-2.0-only
/* Proves: queues can have workers of their own, and change their worker under load. */

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"
#include "see.h"

#define T 1
#define L 0

/* A ring that a worker does not empty in a pass. */
enum { QUEUES = 4, DEPTH = 32, RING = 32768 };

int suite_setup(void)
{
	return lio_suite("ramdisk a 16; tpg " WWN_A " 1; lun " WWN_A
			 " 1 0 a");
}

void suite_teardown(void)
{
	lio_suite_end();
}

/**
 * struct worker - a started guest with four queues
 * @dev: guest
 * @id: a worker for each of them
 */
FIXTURE(worker)
{
	struct vsg_dev *dev;
	unsigned int id[QUEUES];
};

static unsigned int new_worker(struct vsg_dev *dev)
{
	struct vhost_worker_state state = {};

	ASSERT_EQ(0, vsg_ioctl(dev, VHOST_NEW_WORKER, &state));
	return state.worker_id;
}

static unsigned int worker_of(struct vsg_dev *dev, unsigned int ring)
{
	struct vhost_vring_worker vw = { .index = ring };

	ASSERT_EQ(0, vsg_ioctl(dev, VHOST_GET_VRING_WORKER, &vw));
	EXPECT_EQ(ring, vw.index);
	return vw.worker_id;
}

static int free_worker(struct vsg_dev *dev, unsigned int id)
{
	struct vhost_worker_state state = { .worker_id = id };

	return vsg_ioctl(dev, VHOST_FREE_WORKER, &state);
}

FIXTURE_SETUP(worker)
{
	struct vsg_opts opts = { .nr_io = QUEUES, .ring_size = RING };
	struct vhost_worker_state state = {};
	unsigned int i;

	ASSERT_EQ(0, vsg_open(&self->dev, &opts));
	if (vsg_ioctl(self->dev, VHOST_NEW_WORKER, &state) == -ENOTTY)
		SKIP("no worker ioctls in this module");
	self->id[0] = state.worker_id;
	for (i = 1; i < QUEUES; i++)
		self->id[i] = new_worker(self->dev);
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	ready(vsg_io(self->dev, 0), T, L);
}

FIXTURE_TEARDOWN(worker)
{
	guest_end(self->dev);
}

/* Verified I/O on all queues. */
static void loads_start(struct worker *self, struct load *load)
{
	unsigned int i;

	for (i = 0; i < QUEUES; i++) {
		load[i] = (struct load) {
			.r = vsg_io(self->dev, i),
			.target = T,
			.lun = L,
			.lba = i * DEPTH,
			.depth = DEPTH,
		};
		load_start(&load[i]);
	}
}

static void loads_end(struct load *load)
{
	unsigned int i;

	for (i = 0; i < QUEUES; i++)
		load_end(&load[i]);
}

TEST_F_TIMEOUT(worker, one_for_each_queue, 60)
{
	struct load load[QUEUES];
	unsigned int i, first = worker_of(self->dev, VSG_CTL);

	EXPECT_EQ(first, worker_of(self->dev, VSG_IO));
	for (i = 0; i < QUEUES; i++) {
		EXPECT_EQ(0, worker_attach(self->dev, i, self->id[i]));
		EXPECT_EQ(self->id[i], worker_of(self->dev, VSG_IO + i));
	}
	/* The device's first worker, and four of ours. */
	EXPECT_LE(QUEUES + 1, thread_count("vhost-"));
	loads_start(self, load);
	sleep(1);
	loads_end(load);
	for (i = 0; i < QUEUES; i++)
		EXPECT_LE(1, load[i].done);
	for (i = 0; i < QUEUES; i++)
		EXPECT_EQ(-EBUSY, free_worker(self->dev, self->id[i]));
	for (i = 0; i < QUEUES; i++) {
		EXPECT_EQ(0, worker_attach(self->dev, i, first));
		EXPECT_EQ(0, free_worker(self->dev, self->id[i]));
		EXPECT_EQ(-ENODEV, free_worker(self->dev, self->id[i]));
	}
	ready(vsg_io(self->dev, 0), T, L);
}

TEST_F_TIMEOUT(worker, move_under_load, 60)
{
	struct load load[QUEUES];
	unsigned int i;

	loads_start(self, load);
	for (i = 0; i < 200; i++)
		EXPECT_EQ(0, worker_attach(self->dev, i % QUEUES,
					   self->id[(i + i / QUEUES) % QUEUES]));
	loads_end(load);
	/* Whoever was moved away from can be freed. */
	for (i = 0; i < QUEUES; i++)
		EXPECT_EQ(0, worker_attach(self->dev, i, self->id[0]));
	for (i = 1; i < QUEUES; i++)
		EXPECT_EQ(0, free_worker(self->dev, self->id[i]));
	ready(vsg_io(self->dev, 3), T, L);
}

static void thread_kind(bool kernel_threads, int own)
{
	struct vsg_opts opts = { .kernel_threads = kernel_threads };
	struct vsg_dev *dev;

	ASSERT_EQ(0, vsg_open(&dev, &opts));
	EXPECT_EQ(1, thread_count("vhost-"));
	EXPECT_EQ(own, own_thread_count("vhost-"));
	ASSERT_EQ(0, vsg_start(dev, WWN_A));
	ready(vsg_io(dev, 0), T, L);
	guest_end(dev);
}

TEST(kernel_thread)
{
	thread_kind(true, 0);
}

/* It counts as the owner's, wherever the kernel can do that. */
TEST(thread_of_the_owner)
{
	thread_kind(false, have_vhost_tasks() ? 1 : 0);
}

/* How long an ioctl may take beside guests that do what they can, in ms. */
enum { IOCTL_MS = 4000 };

static void took(int64_t start, const char *what, int64_t *most)
{
	int64_t ms = vsg_now_ms() - start;

	WHERE("%s", what);
	EXPECT_LE(ms, IOCTL_MS * t_factor());
	WHERE("%s", "");
	if (ms > *most)
		*most = ms;
}

/* Does the queue go on? */
static bool still_answered(struct vsg_ring *r)
{
	uint16_t before = __atomic_load_n(&r->used->idx, __ATOMIC_RELAXED);
	int64_t end = vsg_now_ms() + WAIT_MS;

	while (__atomic_load_n(&r->used->idx, __ATOMIC_RELAXED) == before) {
		if (vsg_now_ms() > end)
			return false;
		usleep(1000);
	}
	return true;
}

/*
 * Every queue is full all the time, and polled; with a worker for all of them or one
 * for each. The owner has its say all the same.
 */
static void ioctls_under_flood(struct worker *self, bool one_each)
{
	struct flood flood[QUEUES];
	struct vhost_vring_state state;
	int64_t start, most = 0;
	unsigned int i, k;

	for (i = 0; i < QUEUES; i++) {
		EXPECT_EQ(0, worker_attach(self->dev, i, self->id[one_each ? i : 0]));
		state = (struct vhost_vring_state) { .index = VSG_IO + i, .num = 10000 };
		EXPECT_EQ(0, vsg_ioctl(self->dev, VHOST_SET_VRING_BUSYLOOP_TIMEOUT,
				       &state));
		flood_start(&flood[i], vsg_io(self->dev, i), T + 1);
	}
	for (k = 0; k < 10; k++) {
		start = vsg_now_ms();
		EXPECT_EQ(0, vsg_set_mem_table(self->dev));
		took(start, "SET_MEM_TABLE", &most);
		for (i = 0; i < QUEUES; i++) {
			struct vsg_ring *r = vsg_io(self->dev, i);

			state.index = r->index;
			start = vsg_now_ms();
			EXPECT_EQ(0, vsg_ioctl(self->dev, VHOST_GET_VRING_BASE, &state));
			took(start, "GET_VRING_BASE", &most);
			start = vsg_now_ms();
			EXPECT_EQ(0, vsg_ioctl(self->dev, VHOST_SET_VRING_KICK,
					       &(struct vhost_vring_file) {
							.index = r->index, .fd = r->kick }));
			took(start, "SET_VRING_KICK", &most);
		}
	}
	for (i = 0; i < QUEUES; i++) {
		unsigned int other = new_worker(self->dev), old;

		old = worker_of(self->dev, VSG_IO + i);
		EXPECT_EQ(0, worker_attach(self->dev, i, other));
		if (!one_each && i < QUEUES - 1)
			continue;
		start = vsg_now_ms();
		EXPECT_EQ(0, free_worker(self->dev, old));
		took(start, "FREE_WORKER", &most);
	}
	printf("# at most %lld ms\n", (long long)most);
	for (i = 0; i < QUEUES; i++) {
		/* It was a flood to the end. */
		EXPECT_TRUE(still_answered(vsg_io(self->dev, i)));
		flood_end(&flood[i]);
	}
	vsg_stop(self->dev);
	vsg_close(self->dev);
	self->dev = NULL;
}

TEST_F_TIMEOUT(worker, ioctls_under_flood, 60)
{
	ioctls_under_flood(self, false);
}

TEST_F_TIMEOUT(worker, ioctls_under_flood_of_each, 60)
{
	ioctls_under_flood(self, true);
}

TEST_F(worker, killed)
{
	unsigned int first = worker_of(self->dev, VSG_CTL);
	struct vsg_req *req = request(self->dev, 0, 0);
	struct vsg_ring *r = vsg_io(self->dev, 0);
	struct sharer sharer;
	uint64_t nr[3];
	long seen;

	if (!have_vhost_tasks())
		SKIP("kernel threads are not killed with a process");
	WHERE("nobody is given to it");
	sharer_start(&sharer, self->dev);
	sharer_kill(&sharer);
	EXPECT_EQ(-ENODEV, worker_attach(self->dev, 0, sharer.id));
	EXPECT_EQ(first, worker_of(self->dev, VSG_IO));
	ready(r, T, L);
	EXPECT_EQ(0, free_worker(self->dev, sharer.id));

	WHERE("who was given to it goes on with another");
	sharer_start(&sharer, self->dev);
	EXPECT_EQ(0, worker_attach(self->dev, 0, sharer.id));
	ready(r, T, L);
	seen = see_device(getpid(), WWN_A);
	EXPECT_EQ(seen < 0 ? -ENOENT : 3, see_numbers(seen, nr, 3, "queues/2/worker"));
	sharer_kill(&sharer);
	/* It has no thread, whose number may be another's by now. */
	EXPECT_EQ(seen < 0 ? -ENOENT : 0, see_numbers(seen, nr, 3, "queues/2/worker"));
	vsg_cmd_tur(req, T, L);
	ASSERT_EQ(0, vsg_submit(r, req));
	vsg_ring_kick(r);
	usleep(100000);
	EXPECT_EQ(0, worker_attach(self->dev, 0, first));
	EXPECT_EQ(0, vsg_token_wait(&req->tok, WAIT_MS));
	EXPECT_EQ(0, free_worker(self->dev, sharer.id));
	ready(r, T, L);
}

/* Workers do not live longer than their device. */
TEST_F(worker, all_end_with_the_device)
{
	int64_t end;

	vsg_stop(self->dev);
	vsg_close(self->dev);
	self->dev = NULL;
	end = vsg_now_ms() + 2000;
	while (thread_count("vhost-") && vsg_now_ms() < end)
		usleep(10000);
	EXPECT_EQ(0, thread_count("vhost-"));
}
