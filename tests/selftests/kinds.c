// SPDX-License-Identifier: GPL-2.0-only
/* Proves: guest memory of every kind is served, whatever its owner does with it. */

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "files.h"
#include "load.h"

#define T 1
#define LUN 0
#define PAGE 4096
#define MIB (1024 * 1024UL)
#define HUGE_PAGE (2 * MIB)
#define MEM (8 * MIB)
#define PAGES (MEM / PAGE)
/* Where the memory is that is replaced. */
#define MORE_GPA 0x100000000ULL
#define MORE (2 * MIB)
#define TMPFS "/tmp/vsg-tmpfs"

int suite_setup(void)
{
	return lio_suite("ramdisk ram 16; filesystem below 64 4096\n"
			 "tpg " WWN_A " 1; lun " WWN_A " 1 0 ram");
}

void suite_teardown(void)
{
	umount2(TMPFS, MNT_DETACH);
	rmdir(TMPFS);
	lio_suite_end();
}

/* ---- kinds ---------------------------------------------------------------- */

static void *anonymous(void *at, size_t size)
{
	void *p = mmap(at, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	madvise(p, size, MADV_NOHUGEPAGE);
	return p;
}

static void *huge(void *at, size_t size)
{
	void *p = mmap(at, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	madvise(p, size, MADV_HUGEPAGE);
	return p;
}

static void *hugetlb(void *at, size_t size)
{
	return mmap(at, size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | MAP_FIXED, -1, 0);
}

static void *of_fd(void *at, size_t size, int fd, int flags)
{
	void *p = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, size))
		p = mmap(at, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);
	close(fd);
	return p;
}

static void *memfd(void *at, size_t size)
{
	return of_fd(at, size, memfd_create("kind", MFD_CLOEXEC), MAP_SHARED);
}

static void *tmpfs(void *at, size_t size)
{
	make_dir(TMPFS);
	if (!exists(TMPFS "/is"))
		mount("vsg", TMPFS, "tmpfs", 0, NULL);
	return of_fd(at, size, open(TMPFS, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600),
		     MAP_SHARED);
}

static void *file(void *at, size_t size)
{
	return of_fd(at, size, file_new(), MAP_SHARED);
}

static void *file_private(void *at, size_t size)
{
	return of_fd(at, size, file_new(), MAP_PRIVATE);
}

/* ---- what is done with them ------------------------------------------------- */

/**
 * struct kind - a guest in memory of a kind
 * @dev: the guest
 * @r: its request queue
 * @map: maps such memory at an address
 */
FIXTURE(kind)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	void *(*map)(void *at, size_t size);
};

FIXTURE_SETUP(kind)
{
}

FIXTURE_TEARDOWN(kind)
{
	guest_end(self->dev);
	EXPECT_EQ(0, write_file("/proc/sys/vm/nr_hugepages", "0"));
}

/* The region, with what is in it, becomes memory of this kind. */
static void become(struct kind *self, struct vsg_region *region)
{
	void *copy = malloc(region->size);

	ASSERT_TRUE(copy);
	memcpy(copy, region->hva, region->size);
	ASSERT_EQ((void *)region->hva, self->map(region->hva, region->size));
	memcpy(region->hva, copy, region->size);
	ASSERT_EQ(0, madvise(region->hva, region->size, MADV_DONTFORK));
	free(copy);
}

static void io(struct kind *self)
{
	static const unsigned int pages[] = { 1, 16, 200 };
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		struct vsg_req *out = request(self->dev, pages[i] * PAGE, 0);
		struct vsg_req *in = request(self->dev, 0, pages[i] * PAGE);

		for (n = 0; n < 4; n++) {
			write_pattern(self->r, out, T, LUN, 64, pages[i] * 8, n);
			check_pattern(self->r, in, T, LUN, 64, pages[i] * 8, n);
		}
		vsg_req_free(out);
		vsg_req_free(in);
	}
}

/* Beside a load, the memory of another region becomes other memory of the kind. */
static void replace(struct kind *self)
{
	struct load load = { .r = self->r, .target = T, .depth = 16 };
	unsigned int i;

	load_start(&load);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, munmap(self->dev->mem.region[1].hva, MORE));
		ASSERT_NE(MAP_FAILED, self->map(self->dev->mem.region[1].hva, MORE));
		EXPECT_EQ(0, vsg_set_mem_table(self->dev));
		usleep(10000);
	}
	load_end(&load);
	EXPECT_LE(1, load.good);
}

/* Data goes to the page that is there now. */
static void use_replaced(struct kind *self)
{
	uint8_t *at = self->dev->mem.region[1].hva;
	struct vsg_req *req = request(self->dev, 0, 0);
	unsigned int i;

	for (i = 0; i < 6; i++) {
		if (i == 3)
			ASSERT_NE(MAP_FAILED, self->map(at, MORE));
		memset(at, VSG_POISON, PAGE);
		vsg_cmd_rw(req, T, LUN, false, 64, 8, BLOCK);
		req->nseg = 2;
		vsg_req_seg(req, MORE_GPA, PAGE, VRING_DESC_F_WRITE);
		ASSERT_EQ(0, vsg_exec(self->r, req, WAIT_MS));
		EXPECT_TRUE(vsg_good(req));
		EXPECT_EQ(-1, vsg_pattern_check(at, PAGE, 64 * BLOCK, 3));
	}
	vsg_req_free(req);
}

/**
 * struct protector - a hypervisor that saves pages before they are written
 * @uffd: userfaultfd
 * @stop: end
 * @faults: that it has seen
 * @thread: it
 */
struct protector {
	int uffd;
	bool stop;
	unsigned long faults;
	pthread_t thread;
};

static void *protector_run(void *arg)
{
	struct protector *p = arg;
	struct pollfd fd = { .fd = p->uffd, .events = POLLIN };
	struct uffd_msg msg;

	while (!__atomic_load_n(&p->stop, __ATOMIC_RELAXED)) {
		if (poll(&fd, 1, 10) < 1 || read(p->uffd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		struct uffdio_writeprotect wp = {
			.range = { msg.arg.pagefault.address & ~(HUGE_PAGE - 1), HUGE_PAGE },
		};

		ioctl(p->uffd, UFFDIO_WRITEPROTECT, &wp);
		p->faults++;
	}
	return NULL;
}

/* All memory is write-protected, and set free where it is written to, beside a load. */
static bool protect(struct kind *self)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)self->dev->mem.region[0].hva, MEM },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect wp = {
		.range = reg.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	struct load load = { .r = self->r, .target = T, .depth = 16 };
	struct protector p = { .uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK) };
	unsigned int i;

	if (p.uffd < 0 || ioctl(p.uffd, UFFDIO_API, &api) ||
	    ioctl(p.uffd, UFFDIO_REGISTER, &reg)) {
		close(p.uffd);
		return false;
	}
	ASSERT_EQ(0, pthread_create(&p.thread, NULL, protector_run, &p));
	load_start(&load);
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, ioctl(p.uffd, UFFDIO_WRITEPROTECT, &wp));
		usleep(20000);
	}
	load_end(&load);
	__atomic_store_n(&p.stop, true, __ATOMIC_RELAXED);
	pthread_join(p.thread, NULL);
	EXPECT_LE(1, load.good);
	EXPECT_LE(1, p.faults);
	close(p.uffd);
	return true;
}

static void migrate(struct kind *self)
{
	enum { REQS = 8, LEN = 5 * PAGE };
	struct migration m = {
		.mem = self->dev->mem.region[0].hva, .copy = malloc(MEM), .pages = PAGES,
		/* Of memory of this kind, too. */
		.bitmap = (uint64_t *)self->dev->mem.region[1].hva,
	};
	struct vsg_req *req[REQS];
	unsigned int i, n;

	for (i = 0; i < REQS; i++)
		req[i] = request(self->dev, 0, LEN);
	memset(m.bitmap, 0, MORE);
	/* What guest memory there is beside is not logged. */
	self->dev->mem.nr--;
	EXPECT_EQ(0, vsg_set_mem_table(self->dev));
	ASSERT_EQ(0, vsg_log_start(self->dev, m.bitmap));
	migration_start(&m);
	for (n = 0; n < 30; n++) {
		for (i = 0; i < REQS; i++) {
			vsg_cmd_rw(req[i], T, LUN, false, n * 31 + i * 7, LEN / BLOCK,
				   BLOCK);
			ASSERT_EQ(0, vsg_submit(self->r, req[i]));
		}
		vsg_ring_kick(self->r);
		for (i = 0; i < REQS; i++) {
			ASSERT_EQ(0, vsg_token_wait(&req[i]->tok, WAIT_MS));
			EXPECT_TRUE(vsg_good(req[i]));
		}
	}
	EXPECT_EQ(0, vsg_stop(self->dev));
	migration_end(&m);
	for (i = 0; i < REQS; i++)
		EXPECT_TRUE(migration_has(&m, req[i]->data_in, LEN));
	EXPECT_LE(1, m.sent);
	self->dev->mem.nr++;
	free(m.copy);
}

static void all(struct kind *self, const char *name,
		void *(*map)(void *at, size_t size))
{
	struct vsg_opts opts = { .mem_size = MEM, .mem_flags = VSG_MEM_HUGE };
	bool protected;

	self->map = map;
	ASSERT_EQ(0, vsg_open(&self->dev, &opts));
	ASSERT_EQ(0, vsg_mem_add(&self->dev->mem, MORE_GPA, MORE, VSG_MEM_HUGE));
	self->dev->mem.region[1].used = MORE;
	become(self, &self->dev->mem.region[0]);
	become(self, &self->dev->mem.region[1]);
	self->r = vsg_io(self->dev, 0);
	WHERE("start");
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	ready(self->r, T, LUN);
	WHERE("I/O");
	io(self);
	WHERE("replaced");
	use_replaced(self);
	replace(self);
	WHERE("write-protected");
	protected = protect(self);
	io(self);
	printf("# %s: start, I/O, replaced%s", name,
	       protected ? ", write-protected" : "");
	WHERE("log and migration");
	if (self->dev->offered & VSG_F(VHOST_F_LOG_ALL)) {
		migrate(self);
		printf(", log and migration");
	}
	printf("\n");
}

TEST_F_TIMEOUT(kind, anonymous, 60)
{
	all(self, "anonymous", anonymous);
}

TEST_F_TIMEOUT(kind, huge, 60)
{
	all(self, "huge", huge);
}

TEST_F_TIMEOUT(kind, memfd, 60)
{
	all(self, "memfd", memfd);
}

TEST_F_TIMEOUT(kind, tmpfs, 60)
{
	all(self, "tmpfs", tmpfs);
}

TEST_F_TIMEOUT(kind, ext4, 60)
{
	all(self, "ext4", file);
}

TEST_F_TIMEOUT(kind, ext4_private, 60)
{
	all(self, "ext4_private", file_private);
}

TEST_F_TIMEOUT(kind, xfs, 60)
{
	if (lio("filesystem large 320 4096 xfs") == -ENODEV)
		SKIP("no xfs");
	all(self, "xfs", file);
}

TEST_F_TIMEOUT(kind, dax, 60)
{
	int ret = lio("dax ext4");

	if (ret == -ENODEV)
		SKIP("no persistent memory");
	ASSERT_EQ(0, ret);
	all(self, "dax", file);
}

TEST_F_TIMEOUT(kind, hugetlb, 60)
{
	/* Those of both regions, and as many that replace them. */
	EXPECT_EQ(0, write_file("/proc/sys/vm/nr_hugepages", "16"));
	all(self, "hugetlb", hugetlb);
}
