// SPDX-License-Identifier: GPL-2.0-only
/* Proves: a remembered page is not used after another page has replaced it. */

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define T 1
#define LUN 0
#define PAGE 4096
#define MIB (1024 * 1024)
/* So often a page is used that whoever remembers pages remembers it. */
#define AGAIN 3

int suite_setup(void)
{
	return lio_suite("ramdisk ram 16\n"
			 "tpg " WWN_A " 1; lun " WWN_A " 1 0 ram");
}

void suite_teardown(void)
{
	lio_suite_end();
}

/**
 * struct user - a guest that uses the same buffers again
 * @dev: the guest
 * @r: its request queue
 * @out: to write
 * @in: to read
 * @bytes: of each: whole pages
 * @before: pages that were pinned before it was
 */
struct user {
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *out;
	struct vsg_req *in;
	size_t bytes;
	long long before;
};

/* A folio for each page: the pages of one are counted together, and not remembered. */
static void small_pages(void *data, size_t bytes)
{
	ASSERT_EQ(0, huge_pages(data, bytes, false));
	ASSERT_EQ(0, madvise(data, bytes, MADV_DONTNEED));
}

static void user_begin(struct user *self, unsigned int pages)
{
	struct vsg_opts opts = { .mem_size = 32 * MIB };

	self->before = pins();
	self->bytes = pages * PAGE;
	self->dev = guest(WWN_A, &opts);
	self->r = vsg_io(self->dev, 0);
	ready(self->r, T, LUN);
	self->out = request(self->dev, self->bytes, 0);
	self->in = request(self->dev, 0, self->bytes);
	small_pages(self->out->data_out, self->bytes);
	small_pages(self->in->data_in, self->bytes);
}

static void user_end(struct user *self)
{
	vsg_req_free(self->out);
	vsg_req_free(self->in);
	guest_end(self->dev);
	EXPECT_TRUE(pins_settle(self->before, 5000));
}

/* Data in one page. */
FIXTURE(pins)
{
	struct user u;
};

FIXTURE_SETUP(pins)
{
	user_begin(&self->u, 1);
}

FIXTURE_TEARDOWN(pins)
{
	user_end(&self->u);
}

/* Data in as many as a command has room for without a table. */
FIXTURE(runs)
{
	struct user u;
};

FIXTURE_SETUP(runs)
{
	user_begin(&self->u, 16);
}

FIXTURE_TEARDOWN(runs)
{
	user_end(&self->u);
}

/* Data in so many that a command needs a table of its own for them. */
FIXTURE(large)
{
	struct user u;
};

FIXTURE_SETUP(large)
{
	user_begin(&self->u, 200);
}

FIXTURE_TEARDOWN(large)
{
	user_end(&self->u);
}

/* All pages, until they are remembered. */
static void use(struct user *self, uint32_t seed)
{
	unsigned int i, blocks = self->bytes / BLOCK;

	for (i = 0; i < AGAIN; i++) {
		write_pattern(self->r, self->out, T, LUN, 0, blocks, seed + i);
		check_pattern(self->r, self->in, T, LUN, 0, blocks, seed + i);
	}
}

/* Another page comes to the same address. */
static void replace(void *page, unsigned int how)
{
	switch (how % 3) {
	case 0:
		ASSERT_EQ(0, madvise(page, PAGE, MADV_DONTNEED));
		break;
	case 1:
		ASSERT_EQ(page, mmap(page, PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				     -1, 0));
		break;
	default:
		ASSERT_EQ(0, munmap(page, PAGE));
		ASSERT_EQ(page, mmap(page, PAGE, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
				     -1, 0));
	}
}

static void data_is_replaced(struct user *self)
{
	unsigned int i;

	for (i = 0; i < 30; i++) {
		size_t page = i * 5 * PAGE % self->bytes;

		WHERE("time %u", i);
		use(self, 100 * i);
		if (i & 1)
			replace(self->in->data_in + page, i / 2);
		else
			replace(self->out->data_out + page, i / 2);
	}
	use(self, 100 * i);
}

TEST_F(pins, data_is_replaced)
{
	data_is_replaced(&self->u);
}

TEST_F(runs, run_is_replaced)
{
	data_is_replaced(&self->u);
}

TEST_F(large, large_is_replaced)
{
	data_is_replaced(&self->u);
}

/* What may not be written any more is not, though it was before. */
static void data_becomes_read_only(struct user *self)
{
	struct vsg_req *req = self->in;
	void *page = req->data_in + self->bytes / PAGE / 2 * PAGE;
	unsigned int i;

	use(self, 1);
	vsg_pattern(req->data_in, self->bytes, 0, 99);
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	for (i = 0; i < AGAIN; i++) {
		vsg_cmd_rw(req, T, LUN, false, 0, self->bytes / BLOCK, BLOCK);
		ASSERT_EQ(0, vsg_exec(self->r, req, WAIT_MS));
		EXPECT_EQ(VIRTIO_SCSI_S_FAILURE, req->resp->response);
		EXPECT_EQ(-1, vsg_pattern_check(req->data_in, self->bytes, 0,
						99));
	}
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	use(self, 10);
}

TEST_F(pins, data_becomes_read_only)
{
	data_becomes_read_only(&self->u);
}

TEST_F(runs, run_becomes_read_only)
{
	data_becomes_read_only(&self->u);
}

TEST_F(large, large_becomes_read_only)
{
	data_becomes_read_only(&self->u);
}

/* What is only read need not be to be written. */
static void data_out_of_read_only(struct user *self)
{
	struct vsg_req *req = self->out;
	unsigned int i, blocks = self->bytes / BLOCK;

	for (i = 0; i < 3 * AGAIN; i++) {
		WHERE("time %u", i);
		vsg_pattern(req->data_out, self->bytes, 0, i);
		ASSERT_EQ(0, mprotect(req->data_out, self->bytes, PROT_READ));
		vsg_cmd_rw(req, T, LUN, true, 0, blocks, BLOCK);
		exec_good(self->r, req);
		exec_good(self->r, req);
		ASSERT_EQ(0, mprotect(req->data_out, self->bytes,
				      PROT_READ | PROT_WRITE));
		check_pattern(self->r, self->in, T, LUN, 0, blocks, i);
	}
}

TEST_F(pins, data_out_of_read_only)
{
	data_out_of_read_only(&self->u);
}

TEST_F(runs, run_out_of_read_only)
{
	data_out_of_read_only(&self->u);
}

/* After a fork the guest's memory is the parent's; the child has a copy. */
static void child_keeps_its_copy(struct user *self)
{
	int go[2], status;
	char c = 0;
	pid_t pid;

	ASSERT_EQ(0, madvise(self->in->data_in, self->bytes, MADV_DOFORK));
	use(self, 1);
	vsg_pattern(self->in->data_in, self->bytes, 0, 77);
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	ASSERT_NE(-1, pid);
	if (!pid) {
		close(go[1]);
		if (read(go[0], &c, 1) != 1)
			_exit(2);
		_exit(vsg_pattern_check(self->in->data_in, self->bytes, 0,
					77) != -1);
	}
	close(go[0]);
	use(self, 20);
	EXPECT_EQ(1, write(go[1], &c, 1));
	close(go[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	use(self, 40);
}

TEST_F(pins, child_keeps_its_copy)
{
	child_keeps_its_copy(&self->u);
}

TEST_F(runs, run_child_keeps_its_copy)
{
	child_keeps_its_copy(&self->u);
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

/**
 * struct waiter - a thread that wants the processor at all times
 * @stop: end
 * @most: microseconds that it had to do without it at a time
 * @thread: at work
 */
struct waiter {
	bool stop;
	int64_t most;
	pthread_t thread;
};

static void *waiter_wait(void *arg)
{
	struct waiter *waiter = arg;
	int64_t now, last = now_us();

	while (!__atomic_load_n(&waiter->stop, __ATOMIC_RELAXED)) {
		now = now_us();
		if (now - last > waiter->most)
			waiter->most = now - last;
		last = now;
	}
	return NULL;
}

/* A table whose regions, but the first, have other addresses than in the last one. */
static struct vhost_memory *other_table(struct vsg_dev *dev, unsigned int nr, void *hva,
					size_t size)
{
	struct vhost_memory *table;
	unsigned int i;

	table = calloc(1, sizeof(*table) + nr * sizeof(table->regions[0]));
	ASSERT_TRUE(table);
	table->nregions = nr;
	table->regions[0] = (struct vhost_memory_region) {
		.memory_size = dev->mem.region[0].size,
		.userspace_addr = (uintptr_t)dev->mem.region[0].hva,
	};
	for (i = 1; i < nr; i++)
		table->regions[i] = (struct vhost_memory_region) {
			.guest_phys_addr = (1ULL << 32) + i * size,
			.memory_size = size,
			.userspace_addr = (uintptr_t)hva,
		};
	return table;
}

/*
 * The owner gives a device many queues that remember pages, and again and again other
 * memory. Others have the processor meanwhile.
 */
TEST_TIMEOUT(many_other_regions, 120)
{
	enum { QUEUES = 100, REGIONS = 256, SIZE = 16 * MIB };
	struct vsg_opts opts = { .nr_io = QUEUES, .mem_size = 16 * MIB };
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_req *in = request(dev, 0, PAGE);
	struct waiter waiter = { .stop = false };
	struct vhost_memory *table[2];
	unsigned int i, k;
	int64_t t, took;
	cpu_set_t cpu;
	uint8_t *hva;

	small_pages(in->data_in, PAGE);
	for (i = 0; i < QUEUES; i++) {
		ready(vsg_io(dev, i), T, LUN);
		for (k = 0; k < AGAIN; k++) {
			vsg_cmd_rw(in, T, LUN, false, 0, PAGE / BLOCK, BLOCK);
			exec_good(vsg_io(dev, i), in);
		}
	}
	hva = mmap(NULL, 2 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, hva);
	for (i = 0; i < 2; i++)
		table[i] = other_table(dev, REGIONS, hva + i * SIZE, SIZE);
	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(cpu), &cpu));
	ASSERT_EQ(0, vsg_ioctl(dev, VHOST_SET_MEM_TABLE, table[1]));

	ASSERT_EQ(0, pthread_create(&waiter.thread, NULL, waiter_wait, &waiter));
	t = now_us();
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_MEM_TABLE, table[i % 2]));
	took = (now_us() - t) / 4;
	__atomic_store_n(&waiter.stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(waiter.thread, NULL));
	printf("# an ioctl takes %lld us, another thread waits for %lld\n",
	       (long long)took, (long long)waiter.most);
	/* A turn of the processor that others have, or the greater part of the ioctl. */
	EXPECT_LE(waiter.most, took / 4 > 30000 ? took / 4 : 30000);

	for (i = 0; i < 2; i++)
		free(table[i]);
	vsg_req_free(in);
	guest_end(dev);
}

/* However many pages a guest has used, few stay pinned. */
static void few_stay(struct user *self, unsigned int many)
{
	enum { MOST = 128 + 2048 + 2 };
	long long running;
	unsigned int i;

	/* The rings, and what the first requests had. */
	running = pins();
	for (i = 0; i < many; i++) {
		struct vsg_req *req = request(self->dev, 0, self->bytes);
		unsigned int k;

		for (k = 0; k < AGAIN; k++) {
			vsg_cmd_rw(req, T, LUN, false, 0, self->bytes / BLOCK,
				   BLOCK);
			exec_good(self->r, req);
		}
		vsg_req_free(req);
	}
	printf("# %lld pages stay pinned\n", pins() - running);
	EXPECT_LE(pins() - running, MOST);
}

TEST_F(pins, few_stay)
{
	few_stay(&self->u, 2300);
}

TEST_F(runs, run_few_stay)
{
	few_stay(&self->u, 200);
}

TEST_F(large, large_few_stay)
{
	few_stay(&self->u, 20);
}

/* Does it work for a while without a page being pinned anew? */
static bool are_remembered(struct user *self)
{
	long long acquired;
	unsigned int i;

	use(self, 1);
	/* Of any change of the memory all are forgotten, and not all are ours. */
	for (i = 0; i < 10; i++) {
		/* What was remembered is let go of, and learnt again. */
		replace(self->in->data_in, 0);
		use(self, 10 * i);
		acquired = pins_acquired();
		use(self, 10 * i + AGAIN);
		if (pins_acquired() == acquired)
			return true;
	}
	return false;
}

TEST_F(pins, are_remembered)
{
	EXPECT_TRUE(are_remembered(&self->u));
}

TEST_F(runs, run_are_remembered)
{
	EXPECT_TRUE(are_remembered(&self->u));
}

TEST_F(large, large_are_remembered)
{
	EXPECT_TRUE(are_remembered(&self->u));
}

/* Wherever in the queue's table they are remembered: its end is its start. */
TEST_F(runs, run_at_the_end)
{
	enum { SLOTS = 2048 };
	static const unsigned int slots[] = { SLOTS - 1, SLOTS - 15 };
	struct user *u = &self->u;
	unsigned int i, k;

	use(u, 1);
	for (i = 0; i < ARRAY_SIZE(slots); i++) {
		struct vsg_mem *mem = &u->dev->mem;
		uint8_t *at = vsg_mem_alloc(mem, PAGE, PAGE);
		struct vsg_req *req;
		size_t gap;

		/* Behind it: the gap, a page with each header, the data. */
		ASSERT_NE(NULL, at);
		gap = (slots[i] - ((uintptr_t)at / PAGE + 3)) % SLOTS;
		ASSERT_NE(NULL, vsg_mem_alloc(mem, gap * PAGE, PAGE));
		req = request(u->dev, 0, u->bytes);
		WHERE("data at slot %u", slots[i]);
		EXPECT_EQ(slots[i], (uintptr_t)req->data_in / PAGE % SLOTS);
		for (k = 0; k < AGAIN; k++)
			check_pattern(u->r, req, T, LUN, 0, u->bytes / BLOCK,
				      AGAIN);
		vsg_req_free(req);
	}
}
