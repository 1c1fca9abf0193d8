// SPDX-License-Identifier: GPL-2.0-only
/* Proves: what stays pinned counts as the owner's, within its limit, and without it all works. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "load.h"

#define T 1
#define LUN 0
#define PAGE 4096
#define MIB (1024 * 1024)
#define MEM (32UL * MIB)
/* So often a page is used that whoever remembers pages remembers it. */
#define AGAIN 4
/* Where more guest memory is added. */
#define MORE_GPA 0x100000000ULL
/* Pages that a device may keep, whatever its owner may. */
#define MAX_KEPT 65536L

int suite_setup(void)
{
	int ret = lio_suite("ramdisk ram 16\n"
			    "tpg " WWN_A " 1; lun " WWN_A " 1 0 ram\n"
			    "tpg " WWN_B " 1; lun " WWN_B " 1 0 ram");

	if (!ret && box_setup())
		return SUITE_SKIP("no cgroups of version 2");
	return ret;
}

void suite_teardown(void)
{
	box_teardown();
	lio_suite_end();
}

/**
 * struct memlock - an owner
 * @dev: its guest, or NULL
 * @pins: pages that were pinned before
 */
FIXTURE(memlock)
{
	struct vsg_dev *dev;
	long long pins;
};

FIXTURE_SETUP(memlock)
{
	self->pins = pins();
	EXPECT_EQ(0, pinned_pages());
}

FIXTURE_TEARDOWN(memlock)
{
	guest_end(self->dev);
	EXPECT_EQ(0, pinned_pages());
	EXPECT_TRUE(pins_settle(self->pins, 5000));
}

static struct vsg_dev *dev_open(void)
{
	struct vsg_opts opts = { .mem_size = MEM };
	struct vsg_region *region;
	struct vsg_dev *dev;
	void *copy;

	ASSERT_EQ(0, vsg_open(&dev, &opts));
	region = &dev->mem.region[0];
	copy = malloc(region->used);
	ASSERT_TRUE(copy);
	memcpy(copy, region->hva, region->used);
	/* A folio for each page: only such pages are remembered. */
	ASSERT_EQ(0, huge_pages(region->hva, MEM, false));
	ASSERT_EQ(0, madvise(region->hva, MEM, MADV_DONTNEED));
	memcpy(region->hva, copy, region->used);
	free(copy);
	return dev;
}

static void dev_start(struct vsg_dev *dev, const char *wwn)
{
	ASSERT_EQ(0, vsg_start(dev, wwn));
	ready(vsg_io(dev, 0), T, LUN);
}

/* Data in so many pages, with the same buffers each time, compared byte by byte. */
static void use(struct vsg_dev *dev, unsigned int pages)
{
	struct vsg_req *out = request(dev, pages * PAGE, 0);
	struct vsg_req *in = request(dev, 0, pages * PAGE);
	unsigned int i, blocks = pages * (PAGE / BLOCK);

	for (i = 0; i < AGAIN; i++) {
		write_pattern(vsg_io(dev, 0), out, T, LUN, 0, blocks, i);
		check_pattern(vsg_io(dev, 0), in, T, LUN, 0, blocks, i);
	}
	vsg_req_free(out);
	vsg_req_free(in);
}

static void use_all(struct vsg_dev *dev)
{
	static const unsigned int pages[] = { 1, 16, 200 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++)
		use(dev, pages[i]);
}

/* No command is under way: what is pinned is what counts. Return: pages. */
static long exact(struct memlock *self)
{
	long n = pinned_pages();

	EXPECT_TRUE(pins_settle(self->pins + n, 5000));
	return n;
}

TEST_F(memlock, counted)
{
	uint8_t *bitmap = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vsg_req *in;
	long n;

	ASSERT_NE(MAP_FAILED, bitmap);
	memlock_limit(RLIM_INFINITY);
	self->dev = dev_open();
	EXPECT_EQ(0, exact(self));
	WHERE("rings");
	dev_start(self->dev, WWN_A);
	/* Three for each of three rings, at the least. */
	n = exact(self);
	EXPECT_LE(9, n);

	WHERE("data");
	in = request(self->dev, 0, 16 * PAGE);
	check_pattern(vsg_io(self->dev, 0), in, T, LUN, 0, 0, 0);
	use(self->dev, 16);
	EXPECT_LE(n + 2 * 16, exact(self));
	n = exact(self);

	WHERE("discarded");
	ASSERT_EQ(0, madvise(self->dev->mem.region[0].hva, MEM, MADV_DONTNEED));
	EXPECT_GE(n - 2 * 16, exact(self));

	WHERE("the log");
	n = exact(self);
	ASSERT_EQ(0, vsg_log_start(self->dev, bitmap + PAGE));
	EXPECT_EQ(n + 1, exact(self));
	ASSERT_EQ(0, vsg_log_stop(self->dev));
	EXPECT_EQ(n, exact(self));
	vsg_req_free(in);
	/* Its rings are gone, too. */
	vsg_close(self->dev);
	self->dev = NULL;
	EXPECT_EQ(0, exact(self));
}

/* Stopped, the device keeps nothing. */
TEST_F(memlock, stopped)
{
	memlock_limit(RLIM_INFINITY);
	self->dev = dev_open();
	dev_start(self->dev, WWN_A);
	use_all(self->dev);
	EXPECT_LE(256, exact(self));
	ASSERT_EQ(0, vsg_stop(self->dev));
	EXPECT_EQ(0, exact(self));
	dev_start(self->dev, WWN_A);
	use_all(self->dev);
}

/**
 * struct sampler - a thread that looks at what is pinned
 * @most: pages
 * @stop: end
 * @thread: it
 */
struct sampler {
	long most;
	bool stop;
	pthread_t thread;
};

static void *sample(void *arg)
{
	struct sampler *s = arg;
	long n;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		n = pinned_pages();
		if (n > s->most)
			s->most = n;
		usleep(500);
	}
	return NULL;
}

static void sampler_start(struct sampler *s)
{
	s->most = 0;
	s->stop = false;
	ASSERT_EQ(0, pthread_create(&s->thread, NULL, sample, s));
}

static long sampler_end(struct sampler *s)
{
	__atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
	pthread_join(s->thread, NULL);
	return s->most;
}

TEST_F_TIMEOUT(memlock, limits, 90)
{
	static const unsigned long limits[] = { 0, 1, 5, 64, 300 };
	uint8_t *bitmap = calloc(1, MEM / PAGE);
	struct sampler s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		WHERE("%lu pages", limits[i]);
		memlock_limit(limits[i] * PAGE);
		sampler_start(&s);
		self->dev = dev_open();
		dev_start(self->dev, WWN_A);
		use_all(self->dev);
		EXPECT_LE(exact(self), limits[i]);
		ASSERT_EQ(0, vsg_log_start(self->dev, bitmap));
		use_all(self->dev);
		EXPECT_LE(exact(self), limits[i]);
		ASSERT_EQ(0, vsg_log_stop(self->dev));
		use_all(self->dev);
		/* All but a few is made use of. */
		EXPECT_LE(limits[i] - limits[i] / 8, exact(self));
		guest_end(self->dev);
		self->dev = NULL;
		EXPECT_LE(sampler_end(&s), limits[i]);
		EXPECT_EQ(0, exact(self));
	}
	free(bitmap);
}

/* Remembered pages are not needed: the log has their place. */
TEST_F(memlock, remembered_pages_give_way)
{
	uint8_t *bitmap = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long n;

	ASSERT_NE(MAP_FAILED, bitmap);
	memlock_limit(100 * PAGE);
	self->dev = dev_open();
	dev_start(self->dev, WWN_A);
	use(self->dev, 200);
	use(self->dev, 16);
	EXPECT_EQ(100, exact(self));
	ASSERT_EQ(0, vsg_log_start(self->dev, bitmap));
	n = exact(self);
	EXPECT_LE(n, 50);
	ASSERT_EQ(0, vsg_log_stop(self->dev));
	EXPECT_EQ(n - 1, exact(self));
	use(self->dev, 16);
}

TEST_F(memlock, shared_by_two_devices)
{
	struct vsg_dev *other;
	struct sampler s;
	long n;

	memlock_limit(64 * PAGE);
	sampler_start(&s);
	self->dev = dev_open();
	other = dev_open();
	dev_start(self->dev, WWN_A);
	use_all(self->dev);
	n = exact(self);
	EXPECT_LE(60, n);
	dev_start(other, WWN_B);
	use_all(other);
	use_all(self->dev);
	EXPECT_LE(exact(self), 64);
	WHERE("what one has let go of the other may have");
	ASSERT_EQ(0, vsg_stop(self->dev));
	n = exact(self);
	EXPECT_LT(n, 32);
	use_all(other);
	EXPECT_LE(n + 16, exact(self));
	guest_end(other);
	EXPECT_EQ(0, exact(self));
	EXPECT_LE(sampler_end(&s), 64);
}

/* The limit is that of the last ioctl; what is kept stays. */
TEST_F(memlock, changed)
{
	long n;

	memlock_limit(0);
	self->dev = dev_open();
	dev_start(self->dev, WWN_A);
	use(self->dev, 16);
	EXPECT_EQ(0, exact(self));
	WHERE("raised");
	memlock_limit(1000 * PAGE);
	use(self->dev, 16);
	EXPECT_EQ(0, exact(self));
	ASSERT_EQ(0, vsg_set_mem_table(self->dev));
	use(self->dev, 16);
	EXPECT_LE(32, exact(self));
	WHERE("the rings, too");
	ASSERT_EQ(0, vsg_stop(self->dev));
	dev_start(self->dev, WWN_A);
	n = exact(self);
	EXPECT_LE(9, n);
	WHERE("lowered");
	memlock_limit(0);
	ASSERT_EQ(0, vsg_set_mem_table(self->dev));
	use(self->dev, 16);
	EXPECT_EQ(n, exact(self));
	ASSERT_EQ(0, vsg_stop(self->dev));
	EXPECT_EQ(0, exact(self));
	dev_start(self->dev, WWN_A);
	use(self->dev, 16);
	EXPECT_EQ(0, exact(self));
}

/* CAP_IPC_LOCK exempts, but counts. */
TEST_F(memlock, capability)
{
	struct rlimit limit = { 0, 0 };

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	self->dev = dev_open();
	dev_start(self->dev, WWN_A);
	use(self->dev, 16);
	EXPECT_LE(9 + 32, exact(self));
}

/* So many pages of one that is not so large. */
static uint8_t *tiled(size_t bytes)
{
	const size_t tile = 2 * MIB;
	size_t len = (bytes + tile - 1) / tile * tile, off;
	int fd = memfd_create("tile", MFD_CLOEXEC);
	uint8_t *all;

	all = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || ftruncate(fd, tile) || all == MAP_FAILED)
		return NULL;
	for (off = 0; off < len; off += tile)
		if (mmap(all + off, tile, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
			return NULL;
	close(fd);
	return all;
}

/* A log of so many pages: guest memory reaches so far. */
static int log_of(struct vsg_dev *dev, unsigned long pages)
{
	uint8_t *bitmap = tiled(pages * PAGE);

	if (!bitmap || vsg_mem_add(&dev->mem, (pages * 8 * PAGE - 1) * PAGE, PAGE, 0) ||
	    vsg_set_mem_table(dev))
		return -1;
	return vsg_log_start(dev, bitmap);
}

/* Even who may pin all it likes. */
TEST_F_TIMEOUT(memlock, bound_of_a_device, 60)
{
	self->dev = dev_open();
	dev_start(self->dev, WWN_A);
	ASSERT_EQ(0, log_of(self->dev, MAX_KEPT));
	use(self->dev, 16);
	EXPECT_LE(exact(self), MAX_KEPT);
	ASSERT_EQ(0, vsg_log_stop(self->dev));
}

/* It has all it can get, and is told to go on. */
static int has_all[2], go_on[2];

/* An owner without capabilities, as QEMU is with libvirt. */
static int greedy(void *arg)
{
	struct rlimit limit = { *(rlim_t *)arg, *(rlim_t *)arg };
	struct vsg_opts opts = { .mem_size = MEM };
	struct vsg_dev *dev;
	char c = 0;

	EXPECT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	if (vsg_open(&dev, &opts) || vsg_start(dev, WWN_A))
		return 1;
	ready(vsg_io(dev, 0), T, LUN);
	EXPECT_EQ(0, log_of(dev, MAX_KEPT));
	use_all(dev);
	EXPECT_LE(pinned_pages(), limit.rlim_cur / PAGE);
	EXPECT_EQ(1, write(has_all[1], &c, 1));
	EXPECT_EQ(1, read(go_on[0], &c, 1));
	EXPECT_EQ(0, vsg_log_stop(dev));
	use_all(dev);
	EXPECT_EQ(0, vsg_stop(dev));
	vsg_close(dev);
	EXPECT_EQ(0, pinned_pages());
	return 0;
}

TEST_F_TIMEOUT(memlock, greedy_owner, 90)
{
	static rlim_t limits[] = { 0, 64 * PAGE };
	static const struct box box = { };
	unsigned int i;
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(has_all));
	ASSERT_EQ(0, pipe(go_on));
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		WHERE("%lu bytes", (unsigned long)limits[i]);
		pid = box_start(&box, greedy, &limits[i]);
		ASSERT_NE(-1, pid);
		EXPECT_EQ(1, read(has_all[0], &c, 1));
		EXPECT_LE(pins() - self->pins, limits[i] / PAGE);
		EXPECT_EQ(1, write(go_on[1], &c, 1));
		EXPECT_EQ(0, box_wait(pid));
	}
}

/* The file is in other hands: its pages are those of who set it up. */
TEST_F(memlock, handed_over)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { };
	char c = 0;
	struct iovec iov = { &c, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg;
	uint64_t features = 0;
	int pair[2], fd, status;
	long long all;
	pid_t owner;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	owner = fork();
	if (!owner) {
		struct vsg_dev *dev = dev_open();

		dev_start(dev, WWN_A);
		use(dev, 16);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &dev->fd, sizeof(int));
		_exit(pinned_pages() < 9 + 32 || sendmsg(pair[1], &msg, 0) != 1 ||
		      read(pair[1], &c, 1) != 1 || t_failed());
	}
	close(pair[1]);
	ASSERT_EQ(1, recvmsg(pair[0], &msg, 0));
	cmsg = CMSG_FIRSTHDR(&msg);
	ASSERT_TRUE(cmsg);
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	all = pins() - self->pins;
	EXPECT_LE(9 + 32, all);
	EXPECT_EQ(0, pinned_pages());
	EXPECT_EQ(-1, ioctl(fd, VHOST_SET_FEATURES, &features));
	EXPECT_EQ(EPERM, errno);

	WHERE("the owner has ended");
	EXPECT_EQ(1, write(pair[0], &c, 1));
	ASSERT_EQ(owner, waitpid(owner, &status, 0));
	EXPECT_EQ(0, status);
	/* A kernel thread keeps the owner's memory for as long as it serves the file. */
	if (have_vhost_tasks())
		EXPECT_GE(all - 32, pins() - self->pins);
	EXPECT_EQ(0, pinned_pages());
	close(fd);
	close(pair[0]);
}

/* A process that is forked has pinned nothing, and may use nothing. */
TEST_F(memlock, forked)
{
	uint64_t features = 0;
	int status;
	pid_t pid;

	self->dev = dev_open();
	dev_start(self->dev, WWN_A);
	use(self->dev, 16);
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(pinned_pages() ||
		      vsg_ioctl(self->dev, VHOST_SET_FEATURES, &features) != -EPERM);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_LE(9 + 32, exact(self));
}
