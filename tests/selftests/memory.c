// SPDX-License-Identifier: GPL-2.0-only
/* Proves: a file's memory is served, too; no page is pinned too often, or when it is gone. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "load.h"

#define T 1
#define PAGE 4096
#define MIB (1024 * 1024)
#define MEM (8 * MIB)
#define LEN (16 * PAGE)
/* Where more guest memory is added. */
#define MORE_GPA 0x100000000ULL
#define PIN_MEMORY "vhost/" WWN_A "/tpgt_1/attrib/pin_memory"

enum { LUN_RAM, LUN_HANG };

int suite_setup(void)
{
	return lio_suite("ramdisk ram 16; hangable hang 16; filesystem below 64 4096\n"
			 "tpg " WWN_A " 1; lun " WWN_A " 1 0 ram\n"
			 "lun " WWN_A " 1 1 hang");
}

void suite_teardown(void)
{
	lio_suite_end();
}

/**
 * struct of_file - a guest whose memory is a file on ext4, mapped shared
 * @dev: the guest
 * @r: its request queue
 * @fd: the file
 * @pins: pages that were pinned before it was
 */
FIXTURE(of_file)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	int fd;
	long long pins;
};

FIXTURE_SETUP(of_file)
{
	struct vsg_opts opts = { .mem_size = MEM };

	self->pins = pins();
	self->fd = file_new();
	ASSERT_EQ(0, vsg_open(&self->dev, &opts));
	region_to_file(&self->dev->mem.region[0], self->fd);
	self->r = vsg_io(self->dev, 0);
}

FIXTURE_TEARDOWN(of_file)
{
	guest_end(self->dev);
	close(self->fd);
	EXPECT_TRUE(pins_settle(self->pins, 5000));
}

static void dev_start(struct vsg_dev *dev)
{
	ASSERT_EQ(0, vsg_start(dev, WWN_A));
	ready(vsg_io(dev, 0), T, LUN_RAM);
	ready(vsg_io(dev, 0), T, LUN_HANG);
}

static void start(struct of_file *self)
{
	dev_start(self->dev);
}

static void data_is_right(struct of_file *self)
{
	struct vsg_req *out = request(self->dev, LEN, 0);
	struct vsg_req *in = request(self->dev, 0, LEN);
	unsigned int i;

	for (i = 0; i < 20; i++) {
		write_pattern(self->r, out, T, LUN_RAM, 0, LEN / BLOCK, i);
		check_pattern(self->r, in, T, LUN_RAM, 0, LEN / BLOCK, i);
	}
	vsg_req_free(out);
	vsg_req_free(in);
}

TEST_F(of_file, data)
{
	start(self);
	data_is_right(self);
	WHERE("nothing stays pinned");
	EXPECT_TRUE(pins_settle(self->pins, 5000));
	WHERE("stopped and started");
	ASSERT_EQ(0, vsg_stop(self->dev));
	start(self);
	data_is_right(self);
}

/* Of the file what is not in memory is read: it must have been written there. */
static void drop_cache(struct of_file *self, void *p, size_t len)
{
	ASSERT_EQ(0, msync(self->dev->mem.region[0].hva, MEM, MS_SYNC));
	ASSERT_EQ(0, madvise(p, len, MADV_DONTNEED));
	ASSERT_EQ(0, posix_fadvise(self->fd, 0, 0, POSIX_FADV_DONTNEED));
}

/* The pages are written back while the backend has them, and clean when it is done. */
TEST_F(of_file, writeback_meanwhile)
{
	struct vsg_req *out, *in;
	unsigned int i;

	start(self);
	out = request(self->dev, LEN, 0);
	in = request(self->dev, 0, LEN);
	for (i = 0; i < 5; i++) {
		WHERE("time %u", i);
		write_pattern(self->r, out, T, LUN_HANG, 0, LEN / BLOCK, i);
		ASSERT_EQ(0, lio("hang hang"));
		vsg_cmd_rw(in, T, LUN_HANG, false, 0, LEN / BLOCK, BLOCK);
		ASSERT_EQ(0, vsg_submit(self->r, in));
		vsg_ring_kick(self->r);
		reach_backend();
		ASSERT_EQ(0, msync(self->dev->mem.region[0].hva, MEM, MS_SYNC));
		EXPECT_EQ(0, lio("unhang hang"));
		ASSERT_EQ(0, vsg_token_wait(&in->tok, WAIT_MS));
		EXPECT_TRUE(vsg_good(in));
		drop_cache(self, self->dev->mem.region[0].hva, MEM);
		EXPECT_TRUE(vsg_good(in));
		EXPECT_EQ(-1, vsg_pattern_check(in->data_in, LEN, 0, i));
	}
	vsg_req_free(out);
	vsg_req_free(in);
}

/* Verified I/O, while all that can be changed in the memory changes. */
TEST_F_TIMEOUT(of_file, load, 60)
{
	struct load load = { .target = T, .lun = LUN_RAM, .depth = 32 };
	uint8_t *all = self->dev->mem.region[0].hva;
	unsigned int n = 0;
	int64_t end;

	start(self);
	load.r = self->r;
	load_start(&load);
	for (end = vsg_now_ms() + 3000; vsg_now_ms() < end; n++) {
		EXPECT_EQ(0, msync(all, MEM, n % 2 ? MS_SYNC : MS_ASYNC));
		EXPECT_EQ(0, madvise(all, MEM, MADV_DONTNEED));
		if (n % 2)
			EXPECT_EQ(0, vsg_set_mem_table(self->dev));
		if (n % 4 == 3)
			EXPECT_EQ(0, vsg_ring_set_addr(self->r));
		usleep(1000);
	}
	load_end(&load);
	printf("# %lu requests, %u changes\n", load.done, n);
	EXPECT_LE(100, load.done);
	EXPECT_EQ(load.done, load.good);
	drop_cache(self, all, MEM);
	data_is_right(self);
}

/* From memory that is pinned to that of a file and back, with requests under way. */
TEST_F(of_file, ring_moves)
{
	struct vsg_region *region = &self->dev->mem.region[0];
	struct vsg_opts opts = { .mem_size = MEM };
	struct vsg_req *req[4];
	unsigned int i, n;

	WHERE("a guest in anonymous memory");
	vsg_close(self->dev);
	ASSERT_EQ(0, vsg_open(&self->dev, &opts));
	region = &self->dev->mem.region[0];
	self->r = vsg_io(self->dev, 0);
	start(self);
	for (n = 0; n < 6; n++) {
		WHERE("time %u", n);
		ASSERT_EQ(0, lio("hang hang"));
		for (i = 0; i < 4; i++) {
			req[i] = request(self->dev, 0, PAGE);
			vsg_cmd_rw(req[i], T, LUN_HANG, false, 0, 8, BLOCK);
			ASSERT_EQ(0, vsg_submit(self->r, req[i]));
		}
		vsg_ring_kick(self->r);
		reach_backend();
		if (n % 2) {
			void *copy = mmap(NULL, MEM, PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			ASSERT_NE(MAP_FAILED, copy);
			memcpy(copy, region->hva, MEM);
			ASSERT_EQ((void *)region->hva,
				  mremap(copy, MEM, MEM,
					 MREMAP_MAYMOVE | MREMAP_FIXED,
					 region->hva));
		} else {
			region_to_file(&self->dev->mem.region[0], self->fd);
		}
		ASSERT_EQ(0, vsg_ring_set_addr(self->r));
		EXPECT_EQ(0, lio("unhang hang"));
		/* The pages that they were to be answered in are not there any more. */
		for (i = 0; i < 4; i++)
			ASSERT_EQ(0, vsg_token_wait(&req[i]->tok, WAIT_MS));
		data_is_right(self);
	}
	ASSERT_EQ(0, vsg_stop(self->dev));
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
}

/* What the device has written before the move the driver may have read by now. */
TEST_F(of_file, used_entries_stay)
{
	enum { MARK = 0x1234567 };
	struct vsg_opts opts = { .mem_size = MEM };
	struct vring_used *used;
	unsigned int i, nr;

	WHERE("a guest in anonymous memory");
	vsg_close(self->dev);
	ASSERT_EQ(0, vsg_open(&self->dev, &opts));
	self->r = vsg_io(self->dev, 0);
	start(self);
	used = self->r->used;
	nr = le16toh(used->idx);
	ASSERT_LE(1, nr);
	ASSERT_LE(nr + 1, self->r->num);
	region_to_file(&self->dev->mem.region[0], self->fd);
	ASSERT_EQ(0, vsg_ring_set_addr(self->r));
	for (i = 0; i < nr; i++)
		used->ring[i].len = htole32(MARK);
	ready(self->r, T, LUN_RAM);
	for (i = 0; i < nr; i++)
		EXPECT_EQ(MARK, le32toh(used->ring[i].len));
}

TEST_F(of_file, log)
{
	size_t bytes = MEM / VSG_LOG_PAGE / 8;
	uint8_t *bitmap = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *mem = self->dev->mem.region[0].hva;
	struct vsg_req *in;
	size_t page, n = 0;

	ASSERT_NE(MAP_FAILED, bitmap);
	ASSERT_LE(bytes, PAGE);
	start(self);
	in = request(self->dev, 0, LEN);
	ASSERT_EQ(0, vsg_log_start(self->dev, bitmap));
	vsg_cmd_rw(in, T, LUN_RAM, false, 0, LEN / BLOCK, BLOCK);
	exec_good(self->r, in);
	ASSERT_EQ(0, vsg_stop(self->dev));
	for (page = 0; page < LEN / PAGE; page++)
		EXPECT_TRUE(vsg_log_test(bitmap,
					 vsg_gpa(&self->dev->mem,
						 in->data_in + page * PAGE)));
	EXPECT_TRUE(vsg_log_test(bitmap, vsg_gpa(&self->dev->mem, in->resp)));
	EXPECT_TRUE(vsg_log_test(bitmap, (uint8_t *)self->r->used - mem));
	for (page = 0; page < MEM / PAGE; page++)
		n += vsg_log_test(bitmap, page * PAGE);
	EXPECT_LE(n, LEN / PAGE + 16);
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
}

static struct vsg_req *hang_one(struct of_file *self)
{
	struct vsg_req *in = request(self->dev, 0, LEN);

	ASSERT_EQ(0, lio("hang hang"));
	vsg_cmd_rw(in, T, LUN_HANG, false, 0, LEN / BLOCK, BLOCK);
	ASSERT_EQ(0, vsg_submit(self->r, in));
	vsg_ring_kick(self->r);
	reach_backend();
	return in;
}

/* What must stay where it is on the host is refused: a file system decides on that. */
TEST_F(of_file, pin_memory)
{
	ASSERT_EQ(0, lio_write("1", PIN_MEMORY));
	EXPECT_EQ(-EOPNOTSUPP, vsg_start(self->dev, WWN_A));
	EXPECT_EQ(self->pins, pins());
	ASSERT_EQ(0, lio_write("0", PIN_MEMORY));
	start(self);
}

/* A response in memory that is gone goes nowhere: the owner has other things there. */
TEST_F(of_file, region_is_gone)
{
	struct vsg_mem *mem = &self->dev->mem;
	struct vsg_region *more;
	struct vsg_req *in;
	unsigned int i;
	int fd;

	ASSERT_EQ(0, vsg_mem_add(mem, MORE_GPA, PAGE, 0));
	more = &mem->region[1];
	more->used = PAGE;
	fd = file_new();
	region_to_file(more, fd);
	start(self);
	in = request(self->dev, 0, LEN);
	ASSERT_EQ(0, lio("hang hang"));
	vsg_cmd_rw(in, T, LUN_HANG, false, 0, LEN / BLOCK, BLOCK);
	in->nseg = 0;
	vsg_req_seg(in, vsg_gpa(mem, in->hdr), VSG_REQ_LEN, 0);
	vsg_req_seg(in, MORE_GPA, VSG_RESP_LEN, VRING_DESC_F_WRITE);
	vsg_req_seg(in, vsg_gpa(mem, in->data_in), LEN, VRING_DESC_F_WRITE);
	vsg_req_direct(in, false);
	ASSERT_EQ(0, vsg_submit(self->r, in));
	vsg_ring_kick(self->r);
	reach_backend();
	mem->nr--;
	ASSERT_EQ(0, vsg_set_mem_table(self->dev));
	mem->nr++;
	ASSERT_EQ((void *)more->hva,
		  mmap(more->hva, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	memset(more->hva, VSG_POISON, PAGE);
	EXPECT_EQ(0, lio("unhang hang"));
	ASSERT_EQ(0, vsg_token_wait(&in->tok, WAIT_MS));
	for (i = 0; i < PAGE; i++)
		ASSERT_EQ(VSG_POISON, more->hva[i]);
	close(fd);
}

/* A command ends when its worker has been killed: another worker answers. */
TEST_F(of_file, worker_is_killed)
{
	struct vhost_vring_worker vw = { .index = VSG_CTL };
	static struct sharer sharer;
	struct vsg_req *in;
	unsigned int i;

	if (!have_vhost_tasks())
		SKIP("kernel threads are not killed with a process");
	start(self);
	ASSERT_EQ(0, vsg_ioctl(self->dev, VHOST_GET_VRING_WORKER, &vw));
	for (i = 0; i < 3; i++) {
		WHERE("time %u", i);
		sharer_start(&sharer, self->dev);
		ASSERT_EQ(0, worker_attach(self->dev, 0, sharer.id));
		ready(self->r, T, LUN_RAM);
		in = hang_one(self);
		sharer_kill(&sharer);
		EXPECT_EQ(0, lio("unhang hang"));
		reach_backend();
		EXPECT_FALSE(in->tok.done);
		if (i == 2)
			break;
		ASSERT_EQ(0, worker_attach(self->dev, 0, vw.worker_id));
		ASSERT_EQ(0, vsg_token_wait(&in->tok, WAIT_MS));
		EXPECT_TRUE(vsg_good(in));
		data_is_right(self);
	}
	/* Nobody answers the last one, and nobody waits for that. */
	ASSERT_EQ(1, vsg_stop(self->dev));
	EXPECT_TRUE(pins_settle(self->pins, 5000));
}

/*
 * A worker is killed while it waits for a page of the ring: that is no fault of the ring,
 * which goes on with another worker.
 */
TEST_F(of_file, worker_is_killed_at_the_ring)
{
	struct vhost_vring_worker vw = { .index = VSG_CTL };
	static struct sharer sharer;
	struct late late;
	struct vsg_req *in;
	uint8_t *pages;

	if (!have_vhost_tasks())
		SKIP("kernel threads are not killed with a process");
	/* userfaultfd knows no files: the driver area is in other memory than the rest. */
	ASSERT_EQ(0, vsg_mem_add(&self->dev->mem, MORE_GPA, 2 * PAGE, 0));
	pages = self->dev->mem.region[1].hva;
	self->dev->mem.region[1].used = 2 * PAGE;
	ASSERT_EQ(0, huge_pages(pages, 2 * PAGE, false));
	self->r->avail = (void *)pages;
	memset(pages, 0, 2 * PAGE);
	start(self);
	ASSERT_EQ(0, vsg_ioctl(self->dev, VHOST_GET_VRING_WORKER, &vw));
	sharer_start(&sharer, self->dev);
	ASSERT_EQ(0, worker_attach(self->dev, 0, sharer.id));
	ready(self->r, T, LUN_RAM);

	in = request(self->dev, 0, LEN);
	vsg_cmd_rw(in, T, LUN_RAM, false, 0, LEN / BLOCK, BLOCK);
	ASSERT_EQ(0, vsg_submit(self->r, in));
	late_start(&late, pages);
	ASSERT_EQ(0, eventfd_write(self->r->kick, 1));
	late_wait(&late);
	sharer_kill(&sharer);
	usleep(100000 * t_factor());
	late_end(&late);
	EXPECT_FALSE(vsg_ring_failed(self->r, 100));
	ASSERT_EQ(0, worker_attach(self->dev, 0, vw.worker_id));
	ASSERT_EQ(0, vsg_token_wait(&in->tok, WAIT_MS));
	EXPECT_TRUE(vsg_good(in));
	data_is_right(self);
}

/*
 * A worker is killed while it waits for a page of a request: another one gets the whole
 * request.
 */
static void killed_at_request(struct vsg_dev *dev)
{
	static const char *const what[] = { "header", "response", "data" };
	struct vhost_vring_worker vw = { .index = VSG_CTL };
	struct vsg_ring *r = vsg_io(dev, 0);
	static struct sharer sharer;
	struct late late;
	struct vsg_req *in;
	uint8_t *pages;
	unsigned int i;

	if (!have_vhost_tasks())
		SKIP("kernel threads are not killed with a process");
	ASSERT_EQ(0, vsg_mem_add(&dev->mem, MORE_GPA, 3 * PAGE, 0));
	pages = dev->mem.region[1].hva;
	dev->mem.region[1].used = 3 * PAGE;
	ASSERT_EQ(0, madvise(pages, 3 * PAGE, MADV_NOHUGEPAGE));
	dev_start(dev);
	ASSERT_EQ(0, vsg_ioctl(dev, VHOST_GET_VRING_WORKER, &vw));
	in = request(dev, 0, PAGE);
	for (i = 0; i < 3; i++) {
		WHERE("%s", what[i]);
		sharer_start(&sharer, dev);
		ASSERT_EQ(0, worker_attach(dev, 0, sharer.id));
		ready(r, T, LUN_RAM);
		vsg_cmd_rw(in, T, LUN_RAM, false, 0, PAGE / BLOCK, BLOCK);
		memset(pages, VSG_POISON, 3 * PAGE);
		memcpy(pages, in->hdr, VSG_REQ_LEN);
		in->seg[i].gpa = MORE_GPA + i * PAGE;
		ASSERT_EQ(0, vsg_submit(r, in));
		late_start(&late, pages + i * PAGE);
		ASSERT_EQ(0, eventfd_write(r->kick, 1));
		late_wait(&late);
		sharer_kill(&sharer);
		usleep(100000 * t_factor());
		EXPECT_FALSE(in->tok.done);
		late_end(&late);
		ASSERT_EQ(0, worker_attach(dev, 0, vw.worker_id));
		ASSERT_EQ(0, vsg_token_wait(&in->tok, WAIT_MS));
		if (i == 1)
			memcpy(in->resp, pages + PAGE, VSG_RESP_LEN);
		EXPECT_TRUE(vsg_good(in));
		EXPECT_EQ(VSG_RESP_LEN + PAGE, in->tok.len);
	}
}

TEST_F(of_file, worker_is_killed_at_a_request)
{
	killed_at_request(self->dev);
}

/* Closed with a command under way, which comes back to nobody. */
TEST_F(of_file, closed)
{
	unsigned int i;

	for (i = 0; i < 5; i++) {
		struct vsg_opts opts = { .mem_size = MEM };

		start(self);
		hang_one(self);
		vsg_close(self->dev);
		EXPECT_EQ(0, lio("unhang hang"));
		EXPECT_TRUE(pins_settle(self->pins, 5000));
		ASSERT_EQ(0, vsg_open(&self->dev, &opts));
		region_to_file(&self->dev->mem.region[0], self->fd);
		self->r = vsg_io(self->dev, 0);
	}
	start(self);
}

/* Killed with commands under way. */
TEST_F(of_file, killed)
{
	unsigned int i;

	vsg_close(self->dev);
	self->dev = NULL;
	for (i = 0; i < 5; i++) {
		int fds[2];
		pid_t pid;
		char c;

		ASSERT_EQ(0, pipe(fds));
		pid = fork();
		ASSERT_NE(-1, pid);
		if (!pid) {
			struct vsg_opts opts = { .mem_size = MEM };

			ASSERT_EQ(0, vsg_open(&self->dev, &opts));
			region_to_file(&self->dev->mem.region[0], self->fd);
			self->r = vsg_io(self->dev, 0);
			start(self);
			hang_one(self);
			if (write(fds[1], "r", 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
		close(fds[1]);
		ASSERT_EQ(1, read(fds[0], &c, 1));
		close(fds[0]);
		/* Before it and after it the worker may be gone already. */
		if (i % 2)
			EXPECT_EQ(0, lio("unhang hang"));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		if (!(i % 2))
			EXPECT_EQ(0, lio("unhang hang"));
		EXPECT_TRUE(pins_settle(self->pins, 5000));
	}
}

/**
 * struct anonymous - a guest in memory that can be pinned
 * @dev: the guest
 * @r: its request queue
 * @pins: pages that were pinned before it was
 */
FIXTURE(anonymous)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	long long pins;
};

FIXTURE_SETUP(anonymous)
{
	struct vsg_opts opts = { .mem_size = 64 * MIB, .ring_size = 1024 };

	self->pins = pins();
	ASSERT_EQ(0, vsg_open(&self->dev, &opts));
	self->r = vsg_io(self->dev, 0);
}

FIXTURE_TEARDOWN(anonymous)
{
	guest_end(self->dev);
	EXPECT_TRUE(pins_settle(self->pins, 5000));
}

TEST_F(anonymous, worker_is_killed_at_a_request)
{
	killed_at_request(self->dev);
}

#define BLOCKS "/sys/devices/system/memory"

static int block_write(unsigned long block, const char *state)
{
	char path[64];

	snprintf(path, sizeof(path), BLOCKS "/memory%lu/state", block);
	return write_file(path, state);
}

/* Takes the highest block of the host's memory that the kernel gives for movable pages only. */
static long block_to_movable(void)
{
	unsigned long block = 4096;

	while (block--) {
		if (block_write(block, "offline"))
			continue;
		if (!block_write(block, "online_movable"))
			return block;
		block_write(block, "online");
	}
	return -1;
}

/* The block of the host's memory that the page is in, or -1. */
static long block_of(void *page)
{
	uint64_t entry, bytes;
	char text[32];
	int fd;

	if (read_file(BLOCKS "/block_size_bytes", text, sizeof(text)))
		return -1;
	bytes = strtoull(text, NULL, 16);
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (pread(fd, &entry, sizeof(entry), (uintptr_t)page / PAGE * sizeof(entry)) !=
	    sizeof(entry))
		entry = 0;
	close(fd);
	return entry >> 63 ? (long)((entry & ((1ULL << 55) - 1)) * PAGE / bytes) : -1;
}

/*
 * A page that somebody uses, as a socket to which it is sent without a copy, cannot be moved out
 * of memory that is for movable pages only. The kernel says that it has no memory.
 */
TEST_F(anonymous, ring_cannot_be_moved)
{
	struct iovec used = { .iov_base = self->r->used, .iov_len = 1 };
	long block = block_to_movable();
	struct vsg_req *in;
	int fds[2];

	if (block < 0)
		SKIP("no memory can be offline");
	/* Only now there is such memory. */
	ASSERT_EQ(0, huge_pages(self->dev->mem.region[0].hva, 64 * MIB, false));
	ASSERT_EQ(0, madvise(self->dev->mem.region[0].hva, 64 * MIB, MADV_DONTNEED));
	memset(self->dev->mem.region[0].hva, 0, 64 * MIB);
	WHERE("block %ld", block);
	EXPECT_EQ(block, block_of(self->r->used));
	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(1, vmsplice(fds[1], &used, 1, 0));

	dev_start(self->dev);
	in = request(self->dev, 0, LEN);
	vsg_cmd_rw(in, T, LUN_RAM, false, 0, LEN / BLOCK, BLOCK);
	exec_good(self->r, in);
	EXPECT_EQ(0, vsg_stop(self->dev));
	close(fds[0]);
	close(fds[1]);

	EXPECT_EQ(0, madvise(self->dev->mem.region[0].hva, 64 * MIB, MADV_DONTNEED));
	EXPECT_EQ(0, block_write(block, "offline"));
	EXPECT_EQ(0, block_write(block, "online"));
}

/* So often a page is used that whoever remembers pages remembers it. */
static void use(struct anonymous *self, struct vsg_req *in)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		vsg_cmd_rw(in, T, LUN_RAM, false, 0, LEN / BLOCK, BLOCK);
		exec_good(self->r, in);
	}
}

static void change_elsewhere(void)
{
	uint8_t *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, (void *)p);
	memset(p, 1, MIB);
	ASSERT_EQ(0, munmap(p, MIB));
}

/* Data in pages that are remembered: a folio for each. */
static struct vsg_req *remembered(struct anonymous *self)
{
	struct vsg_req *in = request(self->dev, 0, LEN);

	ASSERT_EQ(0, huge_pages(in->data_in, LEN, false));
	ASSERT_EQ(0, madvise(in->data_in, LEN, MADV_DONTNEED));
	use(self, in);
	return in;
}

/* What is changed is let go of at once, and what is not stays. */
TEST_F(anonymous, discarded)
{
	struct vsg_req *in;
	long long acquired = 0, before;
	unsigned int i;

	dev_start(self->dev);
	in = remembered(self);
	/* What else the kernel does with this memory is not ours to say. */
	for (i = 0; i < 10; i++) {
		use(self, in);
		change_elsewhere();
		acquired = pins_acquired();
		use(self, in);
		if (pins_acquired() == acquired)
			break;
	}
	EXPECT_EQ(acquired, pins_acquired());

	WHERE("discarded");
	before = pins();
	ASSERT_EQ(0, madvise(in->data_in, LEN, MADV_DONTNEED));
	EXPECT_LE(pins(), before - LEN / PAGE);
	use(self, in);
	EXPECT_LE(before, pins());

	vsg_req_free(in);
}

/* What is taken out of the memory table is let go of at once, and what is not stays. */
TEST_F(anonymous, out_of_the_table)
{
	struct vsg_mem *mem = &self->dev->mem;
	struct vsg_req *in;
	long long with;
	unsigned int i;

	ASSERT_EQ(0, vsg_mem_add(mem, MORE_GPA, LEN, 0));
	dev_start(self->dev);
	in = request(self->dev, 0, LEN);
	for (i = 0; i < 5; i++) {
		vsg_cmd_rw(in, T, LUN_RAM, false, 0, LEN / BLOCK, BLOCK);
		in->nseg = 0;
		vsg_req_seg(in, vsg_gpa(mem, in->hdr), VSG_REQ_LEN, 0);
		vsg_req_seg(in, vsg_gpa(mem, in->resp), VSG_RESP_LEN,
			    VRING_DESC_F_WRITE);
		vsg_req_seg(in, MORE_GPA, LEN, VRING_DESC_F_WRITE);
		vsg_req_direct(in, false);
		exec_good(self->r, in);
	}
	with = pins();
	WHERE("the same table");
	ASSERT_EQ(0, vsg_set_mem_table(self->dev));
	EXPECT_EQ(with, pins());
	WHERE("another table");
	mem->nr--;
	ASSERT_EQ(0, vsg_set_mem_table(self->dev));
	mem->nr++;
	EXPECT_EQ(with - LEN / PAGE, pins());
	vsg_req_free(in);
}

/*
 * A page is pinned for each piece of a request that names it, and its reference count
 * overflows at 2^21 pins: well before, requests are answered TASK SET FULL. If others may
 * have the page, too, they are not to suffer: then it is replaced.
 */
static void one_page_in_all_pieces(struct anonymous *self, bool of_others)
{
	enum { PIECES = 1000, REQUESTS = 700, MOST = 1 << 19 };
	static struct vsg_req *req[REQUESTS];
	uint8_t *page = vsg_mem_alloc(&self->dev->mem, PAGE, PAGE);
	uint64_t gpa = vsg_gpa(&self->dev->mem, page);
	unsigned int i, k, full = 0;
	long long most;
	int fd;

	/* Of its own: part of a huge page counts otherwise, and that of zeroes not at all. */
	ASSERT_EQ(0, huge_pages(page, PAGE, false));
	ASSERT_EQ(0, madvise(page, PAGE, MADV_DONTNEED));
	if (of_others) {
		fd = file_new();
		ASSERT_EQ(0, ftruncate(fd, PAGE));
		ASSERT_EQ((void *)page, mmap(page, PAGE, PROT_READ | PROT_WRITE,
					     MAP_PRIVATE | MAP_FIXED, fd, 0));
		close(fd);
	} else {
		memset(page, 1, PAGE);
	}
	dev_start(self->dev);
	ASSERT_EQ(0, lio("hang hang"));
	for (i = 0; i < REQUESTS; i++) {
		req[i] = request(self->dev, BLOCK, 0);
		vsg_cmd_rw(req[i], T, LUN_HANG, true, 0, PIECES, BLOCK);
		req[i]->nseg = 0;
		vsg_req_seg(req[i], vsg_gpa(&self->dev->mem, req[i]->hdr),
			    VSG_REQ_LEN, 0);
		for (k = 0; k < PIECES; k++)
			vsg_req_seg(req[i], gpa + k % 8 * BLOCK, BLOCK, 0);
		vsg_req_seg(req[i], vsg_gpa(&self->dev->mem, req[i]->resp),
			    VSG_RESP_LEN, VRING_DESC_F_WRITE);
		vsg_req_direct(req[i], false);
		ASSERT_EQ(0, vsg_submit(self->r, req[i]));
	}
	vsg_ring_kick(self->r);
	/* The last ones are too many. A slow machine has time, as long as it goes on. */
	do
		most = pins();
	while (vsg_token_wait(&req[REQUESTS - 1]->tok, of_others ? 1000 : WAIT_MS) &&
	       pins() > most);
	EXPECT_EQ(!of_others, req[REQUESTS - 1]->tok.done);
	most = pins() - self->pins;
	printf("# %lld pages are pinned\n", most);
	EXPECT_LE(most, (of_others ? PIECES * REQUESTS : MOST) + 2 * PIECES + 4096);
	EXPECT_LE(MOST / 2, most);
	EXPECT_EQ(0, lio("unhang hang"));
	for (i = 0; i < REQUESTS; i++) {
		struct vsg_result res;

		ASSERT_EQ(0, vsg_token_wait(&req[i]->tok, WAIT_MS));
		res = vsg_result(req[i]);
		EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
		full += res.status == VSG_TASK_SET_FULL;
		EXPECT_TRUE(!res.status || res.status == VSG_TASK_SET_FULL);
		vsg_req_free(req[i]);
	}
	EXPECT_EQ(of_others, !full);
	ready(self->r, T, LUN_HANG);
}

TEST_F_TIMEOUT(anonymous, one_page_in_all_pieces, 120)
{
	one_page_in_all_pieces(self, false);
}

TEST_F_TIMEOUT(anonymous, one_page_of_others_in_all_pieces, 120)
{
	one_page_in_all_pieces(self, true);
}
