// SPDX-License-Identifier: GPL-2.0-only
/* Proves: a page that was used before is not used for the one that came in its place. */

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"

#define T 1
#define LUN 0
#define PAGE 4096
#define MIB (1024 * 1024)
#define BLOCKS (PAGE / BLOCK)
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
 * struct pins - a guest
 * @dev: the guest
 * @r: its request queue
 * @out: to write a page
 * @in: to read one
 * @before: pages that were pinned before it was
 */
FIXTURE(pins)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *out;
	struct vsg_req *in;
	long long before;
};

FIXTURE_SETUP(pins)
{
	struct vsg_opts opts = { .mem_size = 32 * MIB };

	self->before = pins();
	self->dev = guest(WWN_A, &opts);
	self->r = vsg_io(self->dev, 0);
	ready(self->r, T, LUN);
	self->out = request(self->dev, PAGE, 0);
	self->in = request(self->dev, 0, PAGE);
}

FIXTURE_TEARDOWN(pins)
{
	vsg_req_free(self->out);
	vsg_req_free(self->in);
	guest_end(self->dev);
	EXPECT_TRUE(pins_settle(self->before, 5000));
}

/* Both pages, until they are remembered. */
static void use(struct pins *self, uint32_t seed)
{
	unsigned int i;

	for (i = 0; i < AGAIN; i++) {
		write_pattern(self->r, self->out, T, LUN, 0, BLOCKS, seed + i);
		check_pattern(self->r, self->in, T, LUN, 0, BLOCKS, seed + i);
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

TEST_F(pins, data_is_replaced)
{
	unsigned int i;

	for (i = 0; i < 30; i++) {
		WHERE("time %u", i);
		use(self, 100 * i);
		if (i & 1)
			replace(self->in->data_in, i / 2);
		else
			replace(self->out->data_out, i / 2);
	}
	use(self, 100 * i);
}

/* What may not be written any more is not, though it was before. */
TEST_F(pins, data_becomes_read_only)
{
	struct vsg_req *req = self->in;
	unsigned int i;

	use(self, 1);
	vsg_pattern(req->data_in, PAGE, 0, 99);
	ASSERT_EQ(0, mprotect(req->data_in, PAGE, PROT_READ));
	for (i = 0; i < AGAIN; i++) {
		vsg_cmd_rw(req, T, LUN, false, 0, BLOCKS, BLOCK);
		ASSERT_EQ(0, vsg_exec(self->r, req, WAIT_MS));
		EXPECT_EQ(VIRTIO_SCSI_S_FAILURE, req->resp->response);
		EXPECT_EQ(-1, vsg_pattern_check(req->data_in, PAGE, 0, 99));
	}
	ASSERT_EQ(0, mprotect(req->data_in, PAGE, PROT_READ | PROT_WRITE));
	use(self, 10);
}

/* What is only read need not be to be written. */
TEST_F(pins, data_out_of_read_only)
{
	struct vsg_req *req = self->out;
	unsigned int i;

	for (i = 0; i < 3 * AGAIN; i++) {
		WHERE("time %u", i);
		vsg_pattern(req->data_out, PAGE, 0, i);
		ASSERT_EQ(0, mprotect(req->data_out, PAGE, PROT_READ));
		vsg_cmd_rw(req, T, LUN, true, 0, BLOCKS, BLOCK);
		exec_good(self->r, req);
		exec_good(self->r, req);
		ASSERT_EQ(0, mprotect(req->data_out, PAGE,
				      PROT_READ | PROT_WRITE));
		check_pattern(self->r, self->in, T, LUN, 0, BLOCKS, i);
	}
}

/* After a fork the guest's memory is the parent's; the child has a copy. */
TEST_F(pins, child_keeps_its_copy)
{
	int go[2], status;
	char c = 0;
	pid_t pid;

	ASSERT_EQ(0, madvise(self->in->data_in, PAGE, MADV_DOFORK));
	use(self, 1);
	vsg_pattern(self->in->data_in, PAGE, 0, 77);
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	ASSERT_NE(-1, pid);
	if (!pid) {
		close(go[1]);
		if (read(go[0], &c, 1) != 1)
			_exit(2);
		_exit(vsg_pattern_check(self->in->data_in, PAGE, 0, 77) != -1);
	}
	close(go[0]);
	use(self, 20);
	EXPECT_EQ(1, write(go[1], &c, 1));
	close(go[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	use(self, 40);
}

/* However many pages a guest has used, few stay pinned. */
TEST_F(pins, few_stay)
{
	enum { MANY = 700, MOST = 2 * 128 + 2 };
	long long running;
	unsigned int i;

	/* The rings, and what the first requests had. */
	running = pins();
	for (i = 0; i < MANY; i++) {
		struct vsg_req *req = request(self->dev, 0, PAGE);
		unsigned int k;

		for (k = 0; k < AGAIN; k++) {
			vsg_cmd_rw(req, T, LUN, false, 0, BLOCKS, BLOCK);
			exec_good(self->r, req);
		}
		vsg_req_free(req);
	}
	printf("# %lld pages stay pinned\n", pins() - running);
	EXPECT_LE(pins() - running, MOST);
}
