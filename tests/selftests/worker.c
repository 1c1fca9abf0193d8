// SPDX-License-Identifier: GPL-2.0-only
/* Proves: queues can have workers of their own, and change their worker under load. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "load.h"

#define T 1
#define L 0

enum { QUEUES = 4, DEPTH = 32 };

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

static int attach(struct vsg_dev *dev, unsigned int queue, unsigned int id)
{
	struct vhost_vring_worker vw = {
		.index = VSG_IO + queue,
		.worker_id = id,
	};

	return vsg_ioctl(dev, VHOST_ATTACH_VRING_WORKER, &vw);
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
	struct vsg_opts opts = { .nr_io = QUEUES, .ring_size = DEPTH };
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
		EXPECT_EQ(0, attach(self->dev, i, self->id[i]));
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
		EXPECT_EQ(0, attach(self->dev, i, first));
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
		EXPECT_EQ(0, attach(self->dev, i % QUEUES,
				    self->id[(i + i / QUEUES) % QUEUES]));
	loads_end(load);
	/* Whoever was moved away from can be freed. */
	for (i = 0; i < QUEUES; i++)
		EXPECT_EQ(0, attach(self->dev, i, self->id[0]));
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
