// SPDX-License-Identifier: GPL-2.0-only
/* Proves: with pin_memory all guest memory is pinned and accounted, and replaced pages are used. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "files.h"
#include "load.h"
#include "see.h"
#include "util.h"

#define T 1
#define PAGE 4096
#define MIB (1024 * 1024)
#define MEM (8 * MIB)
/* Where more guest memory is added. */
#define MORE_GPA 0x100000000ULL
#define ATTRIB "vhost/" WWN_A "/tpgt_1/attrib/pin_memory"

enum { LUN_RAM, LUN_HANG };

int suite_setup(void)
{
	int ret = lio_suite("ramdisk ram 16; hangable hang 16\n"
			    "tpg " WWN_A " 1; lun " WWN_A " 1 0 ram\n"
			    "lun " WWN_A " 1 1 hang");

	if (!ret && !exists(LIO_ROOT "/" ATTRIB))
		return SUITE_SKIP("no pin_memory in this module");
	return ret;
}

void suite_teardown(void)
{
	lio_suite_end();
}

/* KiB that count as this process's, with those of rings and responses. */
static long long locked(void)
{
	return pinned_pages() * PAGE / 1024;
}

/**
 * struct pin_memory - a guest whose memory is pinned
 * @dev: the guest
 * @r: its request queue
 * @pins: pages that were pinned before it was
 */
FIXTURE(pin_memory)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	long long pins;
};

FIXTURE_SETUP(pin_memory)
{
	struct vsg_opts opts = { .mem_size = MEM };

	self->pins = pins();
	EXPECT_EQ(0, locked());
	ASSERT_EQ(0, lio_write("1", ATTRIB));
	ASSERT_EQ(0, vsg_open(&self->dev, &opts));
	self->r = vsg_io(self->dev, 0);
}

FIXTURE_TEARDOWN(pin_memory)
{
	guest_end(self->dev);
	EXPECT_EQ(0, lio_write("0", ATTRIB));
	EXPECT_EQ(0, locked());
	EXPECT_TRUE(pins_settle(self->pins, 5000));
}

TEST_F(pin_memory, counted)
{
	/* The table alone pins nothing. */
	EXPECT_EQ(0, locked());
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	EXPECT_LT(MEM / 1024, locked());
	EXPECT_EQ(pinned_pages(), pins() - self->pins);
	ready(self->r, T, LUN_RAM);
	if (exists(SEE_DEVICES))
		EXPECT_EQ(MEM / PAGE, see_number(see_device(getpid(), WWN_A), 2, "memory"));

	WHERE("stopped");
	ASSERT_EQ(0, vsg_stop(self->dev));
	EXPECT_EQ(0, locked());
	EXPECT_TRUE(pins_settle(self->pins, 5000));

	WHERE("without the attribute");
	ASSERT_EQ(0, lio_write("0", ATTRIB));
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	EXPECT_GE(MIB / 1024, locked());
	if (exists(SEE_DEVICES))
		EXPECT_EQ(0, see_number(see_device(getpid(), WWN_A), 2, "memory"));
	WHERE("set while it is bound");
	ASSERT_EQ(0, lio_write("1", ATTRIB));
	EXPECT_GE(MIB / 1024, locked());
	ASSERT_EQ(0, vsg_set_mem_table(self->dev));
	EXPECT_GE(MIB / 1024, locked());
}

TEST_F(pin_memory, limit)
{
	memlock_limit(MEM - PAGE);
	EXPECT_EQ(-ENOMEM, vsg_start(self->dev, WWN_A));
	EXPECT_EQ(0, locked());

	WHERE("nothing is left for the rings");
	memlock_limit(MEM);
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	ready(self->r, T, LUN_RAM);
	EXPECT_EQ(MEM / 1024, locked());

	WHERE("more than the limit, while it runs");
	ASSERT_EQ(0, vsg_mem_add(&self->dev->mem, MORE_GPA, MIB, 0));
	EXPECT_EQ(-ENOMEM, vsg_set_mem_table(self->dev));
	EXPECT_EQ(MEM / 1024, locked());
	ready(self->r, T, LUN_RAM);

	WHERE("what is the same is not counted twice");
	memlock_limit(MEM + MIB);
	EXPECT_EQ(0, vsg_set_mem_table(self->dev));
	EXPECT_EQ((MEM + MIB) / 1024, locked());
	ready(self->r, T, LUN_RAM);
}

static unsigned int alarms;

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

/* A signal that comes during SET_OWNER is no reason to go without watching the memory. */
TEST_F(pin_memory, owner_is_signalled)
{
	struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { };
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	unsigned int i;
	int ret;

	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	for (i = 0; i < 20; i++) {
		WHERE("time %u", i);
		ASSERT_EQ(0, vsg_ioctl(self->dev, VHOST_RESET_OWNER, NULL));
		alarms = 0;
		ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
		/* The next one is a random time away. */
		while (__atomic_load_n(&alarms, __ATOMIC_RELAXED) < 2)
			;
		ret = vsg_ioctl(self->dev, VHOST_SET_OWNER, NULL);
		ASSERT_EQ(0, setitimer(ITIMER_REAL, &never, NULL));
		ASSERT_EQ(0, ret);
		vsg_ring_reset(self->r);
		ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
		ready(self->r, T, LUN_RAM);
		ASSERT_EQ(0, vsg_stop(self->dev));
	}
}

TEST_F(pin_memory, memory_that_is_not_there)
{
	void *hole = mmap(NULL, MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);

	ASSERT_NE(MAP_FAILED, hole);
	ASSERT_EQ(0, vsg_mem_add_hva(&self->dev->mem, MORE_GPA, MIB, hole));
	ASSERT_EQ(0, vsg_set_mem_table(self->dev));
	EXPECT_EQ(-EFAULT, vsg_start(self->dev, WWN_A));
	EXPECT_EQ(0, locked());
	EXPECT_TRUE(pins_settle(self->pins, 5000));
	ASSERT_EQ(0, mprotect(hole, MIB, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	ready(self->r, T, LUN_RAM);
}

TEST_F(pin_memory, data)
{
	static const unsigned int sizes[] = { 1, 7, 8, 9, 16, 128, 129, 1024 };
	unsigned int i, off;

	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	ready(self->r, T, LUN_RAM);
	for (i = 0; i < 8; i++) {
		for (off = 0; off < 3; off++) {
			struct vsg_req *out, *in;

			WHERE("%u blocks, %u bytes into a page", sizes[i],
			      off * BLOCK);
			vsg_mem_alloc(&self->dev->mem, off * BLOCK + 8, PAGE);
			out = request(self->dev, sizes[i] * BLOCK, 0);
			in = request(self->dev, 0, sizes[i] * BLOCK);
			write_pattern(self->r, out, T, LUN_RAM, 3, sizes[i],
				      i * 3 + off);
			check_pattern(self->r, in, T, LUN_RAM, 3, sizes[i],
				      i * 3 + off);
			vsg_req_free(out);
			vsg_req_free(in);
		}
	}
}

/* Another page comes to the same address: it counts, not the pinned one. */
TEST_F(pin_memory, page_replaced)
{
	enum { BLOCKS = 64 };
	uint8_t *mem = vsg_mem_alloc(&self->dev->mem, 2 * BLOCKS * BLOCK, PAGE);
	struct vsg_req *out, *in;
	unsigned int i;

	ASSERT_TRUE(mem);
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	ready(self->r, T, LUN_RAM);
	out = vsg_req_alloc(self->dev, BLOCKS * BLOCK, 0, 0);
	in = vsg_req_alloc(self->dev, 0, BLOCKS * BLOCK, 0);
	ASSERT_TRUE(out && in);
	for (i = 0; i < 20; i++) {
		uint8_t *page = (uint8_t *)((uintptr_t)in->data_in & -PAGE) +
				(i % 4 + 1) * PAGE;

		WHERE("time %u", i);
		if (i % 2) {
			ASSERT_EQ(0, madvise(page, PAGE * (1 + i % 3),
					     MADV_DONTNEED));
			page = (uint8_t *)((uintptr_t)out->data_out & -PAGE) +
			       (i % 4 + 1) * PAGE;
			ASSERT_EQ(0, madvise(page, PAGE, MADV_DONTNEED));
		}
		write_pattern(self->r, out, T, LUN_RAM, 0, BLOCKS, i);
		check_pattern(self->r, in, T, LUN_RAM, 0, BLOCKS, i);
	}
	vsg_req_free(out);
	vsg_req_free(in);
}

/* What the owner protects is not written, as without pin_memory. */
TEST_F(pin_memory, write_protected)
{
	static const unsigned int sizes[] = { 8, 64, 1024 };
	unsigned int i, n;

	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	ready(self->r, T, LUN_RAM);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned int bytes = sizes[i] * BLOCK;
		struct vsg_req *out = request(self->dev, bytes, 0);
		struct vsg_req *in = request(self->dev, 0, bytes);
		void *page = (void *)((uintptr_t)in->data_in & -PAGE);

		WHERE("%u blocks", sizes[i]);
		write_pattern(self->r, out, T, LUN_RAM, 0, sizes[i], 1);
		check_pattern(self->r, in, T, LUN_RAM, 0, sizes[i], 1);
		ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
		for (n = 0; n < 3; n++) {
			/* What is only read need not be to be written. */
			vsg_cmd_rw(in, T, LUN_RAM, true, 0, sizes[i], BLOCK);
			in->nseg = 0;
			vsg_req_seg(in, vsg_gpa(&self->dev->mem, in->hdr),
				    VSG_REQ_LEN, 0);
			vsg_req_seg(in, vsg_gpa(&self->dev->mem, in->data_in),
				    bytes, 0);
			vsg_req_seg(in, vsg_gpa(&self->dev->mem, in->resp),
				    VSG_RESP_LEN, VRING_DESC_F_WRITE);
			ASSERT_EQ(0, vsg_exec(self->r, in, WAIT_MS));
			EXPECT_TRUE(vsg_good(in));
			write_pattern(self->r, out, T, LUN_RAM, 0, sizes[i], 2);
			vsg_cmd_rw(in, T, LUN_RAM, false, 0, sizes[i], BLOCK);
			ASSERT_EQ(0, vsg_exec(self->r, in, WAIT_MS));
			EXPECT_EQ(VIRTIO_SCSI_S_FAILURE, in->resp->response);
			EXPECT_EQ(-1, vsg_pattern_check(in->data_in, bytes, 0, 1));
		}
		ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
		check_pattern(self->r, in, T, LUN_RAM, 0, sizes[i], 2);
		vsg_req_free(out);
		vsg_req_free(in);
	}
}

/*
 * The owner chooses where its memory is: it may be far apart. What it then does to the
 * addresses between takes as long as if nothing were pinned.
 */
TEST_F(pin_memory, far_apart)
{
	enum { MANY = 64 };
	const size_t far = 1ULL << 45;
	struct vsg_mem *mem = &self->dev->mem;
	unsigned int i;
	uint8_t *all;
	int64_t t;

	all = mmap(NULL, far + (MANY + 1) * PAGE, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, all);
	for (i = 0; i <= MANY; i++) {
		uint8_t *page = i ? all + far + i * PAGE : all;

		ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
		ASSERT_EQ(0, vsg_mem_add_hva(mem, MORE_GPA + i * MIB, PAGE, page));
	}
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	ready(self->r, T, LUN_RAM);
	t = vsg_now_ms();
	EXPECT_EQ(0, madvise(all + PAGE, far, MADV_DONTNEED));
	t = vsg_now_ms() - t;
	printf("# %lld ms\n", (long long)t);
	EXPECT_LE(t, 500 * t_factor());
	ready(self->r, T, LUN_RAM);
	vsg_stop(self->dev);
	EXPECT_EQ(0, munmap(all, far + (MANY + 1) * PAGE));
}

/* Requests that are under way keep the pages of the table that they came by. */
TEST_F(pin_memory, new_table)
{
	struct vsg_req *req;
	long long with;
	int64_t end;

	ASSERT_EQ(0, vsg_mem_add(&self->dev->mem, MORE_GPA, MIB, 0));
	ASSERT_EQ(0, vsg_set_mem_table(self->dev));
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	ready(self->r, T, LUN_RAM);
	ready(self->r, T, LUN_HANG);
	EXPECT_LE((MEM + MIB) / 1024, locked());
	with = pins();

	req = request(self->dev, 0, PAGE);
	ASSERT_EQ(0, lio("hang hang"));
	vsg_cmd_rw(req, T, LUN_HANG, false, 0, 8, BLOCK);
	ASSERT_EQ(0, vsg_submit(self->r, req));
	vsg_ring_kick(self->r);
	reach_backend();

	WHERE("with a request under way");
	self->dev->mem.nr--;
	EXPECT_EQ(0, vsg_set_mem_table(self->dev));
	self->dev->mem.nr++;
	EXPECT_LE((MEM + MIB) / 1024, locked());
	/* Pages of responses are kept, too. */
	EXPECT_LE(with, pins());
	EXPECT_EQ(0, lio("unhang hang"));
	ASSERT_EQ(0, vsg_token_wait(&req->tok, WAIT_MS));

	WHERE("after it was answered");
	for (end = vsg_now_ms() + WAIT_MS; vsg_now_ms() < end;)
		if (locked() < (MEM + MIB) / 1024)
			break;
	EXPECT_GE((MEM + MIB) / 1024 - 1, locked());
	EXPECT_LE(MEM / 1024, locked());
	EXPECT_LE(pins(), with - MIB / PAGE + 4);
	vsg_req_free(req);
}

/* Changes under load: nothing is lost, nothing goes elsewhere. */
TEST_F_TIMEOUT(pin_memory, load, 60)
{
	struct load load = { .target = T, .lun = LUN_RAM, .depth = 32 };
	int64_t end;
	unsigned int n = 0;

	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	ready(self->r, T, LUN_RAM);
	load.r = self->r;
	load_start(&load);
	for (end = vsg_now_ms() + 3000; vsg_now_ms() < end; n++) {
		/* Rights that come and go change no page. */
		uint8_t *all = self->dev->mem.region[0].hva;

		EXPECT_EQ(0, huge_pages(all, MEM, n % 2));
		EXPECT_EQ(0, madvise(all + MEM - PAGE, PAGE, MADV_DONTNEED));
		if (n % 4 == 3)
			EXPECT_EQ(0, vsg_set_mem_table(self->dev));
		usleep(1000);
	}
	load_end(&load);
	printf("# %lu requests, %u changes\n", load.done, n);
	EXPECT_LE(100, load.done);
	EXPECT_EQ(load.done, load.good);
}
