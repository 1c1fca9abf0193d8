// SPDX-License-Identifier: GPL-2.0-only
/* Proves: every ioctl of /dev/vhost-scsi answers misuse with its errno. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "support.h"

/* A ring that no module parameter allows: 1024 request queues at most. */
#define NO_RING 5000

/* An address that no process has mapped, and one that belongs to the kernel. */
#define NO_MEM ((void *)8)
#define KERNEL_ADDR 0xffff800000000000ULL

static int eventfd_fd, file_fd;

int suite_setup(void)
{
	int ret;

	ret = lio_suite("ramdisk a 16; tpg " WWN_A " 1; lun " WWN_A
			" 1 0 a; tpg " WWN_B " 1; lun " WWN_B " 1 0 a");
	eventfd_fd = eventfd(0, 0);
	file_fd = open("/dev/null", O_RDWR);
	return ret;
}

void suite_teardown(void)
{
	lio_suite_end();
}

/**
 * struct row - one call and what must come of it
 * @what: what is wrong with it
 * @cmd: ioctl number
 * @arg: its argument
 * @err: expected errno, 0 for success
 */
struct row {
	const char *what;
	unsigned long cmd;
	void *arg;
	int err;
};

#define STATE(i, n) (&(struct vhost_vring_state) { .index = (i), .num = (n) })
#define FILE_ARG(i, f) (&(struct vhost_vring_file) { .index = (i), .fd = (f) })
#define ADDR(...) (&(struct vhost_vring_addr) { __VA_ARGS__ })
#define WORKER(i, w) \
	(&(struct vhost_vring_worker) { .index = (i), .worker_id = (w) })
#define WORKER_ID(w) (&(struct vhost_worker_state) { .worker_id = (w) })
#define U64(v) (&(uint64_t) { (v) })
#define U32(v) (&(uint32_t) { (v) })
#define ENDPOINT(name, ...) \
	(&(struct vhost_scsi_target) { .abi_version = 1, .vhost_wwpn = name, \
				       __VA_ARGS__ })

static void check_rows(int fd, const struct row *row, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		int ret = ioctl(fd, row[i].cmd, row[i].arg);

		WHERE("%s (%s)", row[i].what,
		      ret < 0 ? strerrorname_np(errno) : "no error");
		EXPECT_EQ(row[i].err, ret < 0 ? errno : 0);
	}
	WHERE("%s", "");
}

/* Everything that only the owner may do. */
static void check_not_owner(int fd)
{
	struct vhost_memory none = { .nregions = 0 };
	const struct row rows[] = {
		{ "FEATURES", VHOST_SET_FEATURES, U64(0), EPERM },
		{ "BACKEND_FEATURES", VHOST_SET_BACKEND_FEATURES, U64(0),
		  EPERM },
		{ "MEM_TABLE", VHOST_SET_MEM_TABLE, &none, EPERM },
		{ "LOG_BASE", VHOST_SET_LOG_BASE, U64(0), EPERM },
		{ "LOG_FD", VHOST_SET_LOG_FD, U32(-1), EPERM },
		{ "VRING_NUM", VHOST_SET_VRING_NUM, STATE(2, 128), EPERM },
		{ "VRING_BASE", VHOST_SET_VRING_BASE, STATE(2, 0), EPERM },
		{ "get VRING_BASE", VHOST_GET_VRING_BASE, STATE(2, 0), EPERM },
		{ "VRING_ADDR", VHOST_SET_VRING_ADDR, ADDR(.index = 2), EPERM },
		{ "VRING_KICK", VHOST_SET_VRING_KICK, FILE_ARG(2, -1), EPERM },
		{ "VRING_CALL", VHOST_SET_VRING_CALL, FILE_ARG(2, -1), EPERM },
		{ "VRING_ERR", VHOST_SET_VRING_ERR, FILE_ARG(2, -1), EPERM },
		{ "BUSYLOOP", VHOST_SET_VRING_BUSYLOOP_TIMEOUT, STATE(2, 0),
		  EPERM },
		{ "get BUSYLOOP", VHOST_GET_VRING_BUSYLOOP_TIMEOUT, STATE(2, 0),
		  EPERM },
		{ "RESET_OWNER", VHOST_RESET_OWNER, NULL, EPERM },
		{ "SET_ENDPOINT", VHOST_SCSI_SET_ENDPOINT, ENDPOINT(WWN_A),
		  EPERM },
		{ "CLEAR_ENDPOINT", VHOST_SCSI_CLEAR_ENDPOINT, ENDPOINT(WWN_A),
		  EPERM },
		/* What this module has and another may not have. */
		{ "FEATURES_ARRAY", VHOST_SET_FEATURES_ARRAY, U64(0), EPERM },
		{ "NEW_WORKER", VHOST_NEW_WORKER, WORKER_ID(0), EPERM },
		{ "FREE_WORKER", VHOST_FREE_WORKER, WORKER_ID(0), EPERM },
		{ "ATTACH_WORKER", VHOST_ATTACH_VRING_WORKER, WORKER(2, 0),
		  EPERM },
		{ "get WORKER", VHOST_GET_VRING_WORKER, WORKER(2, 0), EPERM },
		{ "ENDIAN", VHOST_SET_VRING_ENDIAN, STATE(2, 0), EPERM },
		{ "get ENDIAN", VHOST_GET_VRING_ENDIAN, STATE(2, 0), EPERM },
		{ "unknown ioctl", _IO(VHOST_VIRTIO, 0x3f), NULL, EPERM },
	};

	check_rows(fd, rows, ARRAY_SIZE(rows));
}

TEST(before_set_owner)
{
	const struct row free_for_all[] = {
		{ "GET_FEATURES", VHOST_GET_FEATURES, U64(0), 0 },
		{ "GET_ABI_VERSION", VHOST_SCSI_GET_ABI_VERSION, U32(0), 0 },
	};
	int fd = open(VSG_DEV_PATH, O_RDWR);

	ASSERT_NE(-1, fd);
	check_not_owner(fd);
	check_rows(fd, free_for_all, ARRAY_SIZE(free_for_all));
	close(fd);
}

TEST(second_owner)
{
	struct vsg_dev *dev;
	int status;
	pid_t pid;

	ASSERT_EQ(0, vsg_open(&dev, NULL));
	EXPECT_EQ(-EBUSY, vsg_ioctl(dev, VHOST_SET_OWNER, NULL));
	pid = fork();
	if (!pid) {
		check_not_owner(dev->fd);
		EXPECT_EQ(-EBUSY, vsg_ioctl(dev, VHOST_SET_OWNER, NULL));
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	vsg_close(dev);
}

static void *set_num(void *arg)
{
	struct vsg_dev *dev = arg;

	return (void *)(long)vsg_ioctl(dev, VHOST_SET_VRING_NUM, STATE(2, 64));
}

TEST(owner_is_the_process_not_the_thread)
{
	struct vsg_dev *dev;
	pthread_t thread;
	void *ret;

	ASSERT_EQ(0, vsg_open(&dev, NULL));
	ASSERT_EQ(0, pthread_create(&thread, NULL, set_num, dev));
	pthread_join(thread, &ret);
	EXPECT_EQ(0, (long)ret);
	vsg_close(dev);
}

TEST(reset_owner)
{
	struct vsg_dev *dev;

	ASSERT_EQ(0, vsg_open(&dev, NULL));
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_RESET_OWNER, NULL));
	check_not_owner(dev->fd);
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_OWNER, NULL));
	EXPECT_EQ(0, vsg_start(dev, WWN_A));
	/* A running device goes back to its default values too. */
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_RESET_OWNER, NULL));
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_OWNER, NULL));
	vsg_ring_reset(vsg_io(dev, 0));
	EXPECT_EQ(0, vsg_start(dev, WWN_A));
	ready(vsg_io(dev, 0), 1, 0);
	guest_end(dev);
}

TEST(fork_owner)
{
	const struct row rows[] = {
		{ "neither", VHOST_SET_FORK_FROM_OWNER, (uint8_t[]){ 2 },
		  EINVAL },
		{ "task", VHOST_SET_FORK_FROM_OWNER,
		  (uint8_t[]){ VHOST_FORK_OWNER_TASK }, 0 },
		{ "kthread", VHOST_SET_FORK_FROM_OWNER,
		  (uint8_t[]){ VHOST_FORK_OWNER_KTHREAD }, 0 },
		{ "unreadable", VHOST_SET_FORK_FROM_OWNER, NO_MEM, EFAULT },
		{ "unwritable", VHOST_GET_FORK_FROM_OWNER, NO_MEM, EFAULT },
	};
	uint8_t usual = have_vhost_tasks() ? VHOST_FORK_OWNER_TASK :
					     VHOST_FORK_OWNER_KTHREAD;
	uint8_t kthread = VHOST_FORK_OWNER_KTHREAD, got = 7;
	int fd = open(VSG_DEV_PATH, O_RDWR);

	ASSERT_NE(-1, fd);
	if (ioctl(fd, VHOST_GET_FORK_FROM_OWNER, &got) && errno == ENOTTY) {
		close(fd);
		SKIP("this module does not let choose");
	}
	EXPECT_EQ(usual, got);
	check_rows(fd, rows, ARRAY_SIZE(rows));
	EXPECT_EQ(0, ioctl(fd, VHOST_GET_FORK_FROM_OWNER, &got));
	EXPECT_EQ(VHOST_FORK_OWNER_KTHREAD, got);

	EXPECT_EQ(0, ioctl(fd, VHOST_SET_OWNER, NULL));
	EXPECT_EQ(-1, ioctl(fd, VHOST_SET_FORK_FROM_OWNER, &kthread));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(0, own_thread_count("vhost-"));
	EXPECT_EQ(0, ioctl(fd, VHOST_RESET_OWNER, NULL));
	EXPECT_EQ(0, ioctl(fd, VHOST_GET_FORK_FROM_OWNER, &got));
	EXPECT_EQ(usual, got);
	close(fd);
}

FIXTURE(owner)
{
	struct vsg_dev *dev;
};

FIXTURE_SETUP(owner)
{
	ASSERT_EQ(0, vsg_open(&self->dev, NULL));
}

FIXTURE_TEARDOWN(owner)
{
	vsg_close(self->dev);
}

TEST_F(owner, rings)
{
	const struct row rows[] = {
		{ "num, no such ring", VHOST_SET_VRING_NUM, STATE(NO_RING, 2),
		  ENOBUFS },
		{ "base, no such ring", VHOST_SET_VRING_BASE, STATE(NO_RING, 0),
		  ENOBUFS },
		{ "get base, no such ring", VHOST_GET_VRING_BASE,
		  STATE(NO_RING, 0), ENOBUFS },
		{ "addr, no such ring", VHOST_SET_VRING_ADDR,
		  ADDR(.index = NO_RING), ENOBUFS },
		{ "kick, no such ring", VHOST_SET_VRING_KICK,
		  FILE_ARG(NO_RING, -1), ENOBUFS },
		{ "call, no such ring", VHOST_SET_VRING_CALL,
		  FILE_ARG(NO_RING, -1), ENOBUFS },
		{ "err, no such ring", VHOST_SET_VRING_ERR,
		  FILE_ARG(NO_RING, -1), ENOBUFS },
		{ "busyloop, no such ring", VHOST_SET_VRING_BUSYLOOP_TIMEOUT,
		  STATE(NO_RING, 0), ENOBUFS },
		{ "get busyloop, no such ring",
		  VHOST_GET_VRING_BUSYLOOP_TIMEOUT, STATE(NO_RING, 0),
		  ENOBUFS },
		{ "ring number -1", VHOST_SET_VRING_NUM, STATE(-1, 128),
		  ENOBUFS },
		{ "ring number unreadable", VHOST_SET_VRING_NUM, NO_MEM,
		  EFAULT },
		{ "base unreadable", VHOST_SET_VRING_BASE, NO_MEM, EFAULT },
		{ "get base unreadable", VHOST_GET_VRING_BASE, NO_MEM, EFAULT },
		{ "addr unreadable", VHOST_SET_VRING_ADDR, NO_MEM, EFAULT },
		{ "kick unreadable", VHOST_SET_VRING_KICK, NO_MEM, EFAULT },
		{ "call unreadable", VHOST_SET_VRING_CALL, NO_MEM, EFAULT },
		{ "err unreadable", VHOST_SET_VRING_ERR, NO_MEM, EFAULT },
		{ "busyloop unreadable", VHOST_SET_VRING_BUSYLOOP_TIMEOUT,
		  NO_MEM, EFAULT },
		{ "get busyloop unreadable", VHOST_GET_VRING_BUSYLOOP_TIMEOUT,
		  NO_MEM, EFAULT },

		{ "num 0", VHOST_SET_VRING_NUM, STATE(2, 0), EINVAL },
		{ "num 3", VHOST_SET_VRING_NUM, STATE(2, 3), EINVAL },
		{ "num 127", VHOST_SET_VRING_NUM, STATE(2, 127), EINVAL },
		{ "num 65536", VHOST_SET_VRING_NUM, STATE(2, 65536), EINVAL },
		{ "num 2^31", VHOST_SET_VRING_NUM, STATE(2, 1u << 31), EINVAL },
		{ "num 1", VHOST_SET_VRING_NUM, STATE(2, 1), 0 },
		{ "num 32768", VHOST_SET_VRING_NUM, STATE(2, 32768), 0 },

		{ "base 0xffff", VHOST_SET_VRING_BASE, STATE(2, 0xffff), 0 },
		{ "base 0x10000", VHOST_SET_VRING_BASE, STATE(2, 0x10000),
		  EINVAL },

		{ "addr, used misaligned", VHOST_SET_VRING_ADDR,
		  ADDR(.index = 2, .used_user_addr = 0x1002), EINVAL },
		{ "addr, avail misaligned", VHOST_SET_VRING_ADDR,
		  ADDR(.index = 2, .avail_user_addr = 0x1001), EINVAL },
		{ "addr, desc misaligned", VHOST_SET_VRING_ADDR,
		  ADDR(.index = 2, .desc_user_addr = 0x1008), EINVAL },
		{ "addr, log misaligned", VHOST_SET_VRING_ADDR,
		  ADDR(.index = 2, .log_guest_addr = 0x1002), EINVAL },
		{ "addr, unknown flag", VHOST_SET_VRING_ADDR,
		  ADDR(.index = 2, .flags = 2), EOPNOTSUPP },
		{ "addr, flag log", VHOST_SET_VRING_ADDR,
		  ADDR(.index = 2, .flags = 1), 0 },
		{ "addr, not mapped, ring stopped", VHOST_SET_VRING_ADDR,
		  ADDR(.index = 2, .desc_user_addr = 0x1000,
		       .avail_user_addr = 0x1000, .used_user_addr = 0x1000),
		  0 },

		{ "kick, not open", VHOST_SET_VRING_KICK, FILE_ARG(2, 9999),
		  EBADF },
		{ "kick, no eventfd", VHOST_SET_VRING_KICK,
		  FILE_ARG(2, file_fd), EINVAL },
		{ "kick, fd -2", VHOST_SET_VRING_KICK, FILE_ARG(2, -2), EBADF },
		{ "call, not open", VHOST_SET_VRING_CALL, FILE_ARG(2, 9999),
		  EBADF },
		{ "call, no eventfd", VHOST_SET_VRING_CALL,
		  FILE_ARG(2, file_fd), EINVAL },
		{ "err, not open", VHOST_SET_VRING_ERR, FILE_ARG(2, 9999),
		  EBADF },
		{ "err, no eventfd", VHOST_SET_VRING_ERR, FILE_ARG(2, file_fd),
		  EINVAL },
		{ "kick, good", VHOST_SET_VRING_KICK, FILE_ARG(2, eventfd_fd),
		  0 },
		{ "kick, again", VHOST_SET_VRING_KICK, FILE_ARG(2, eventfd_fd),
		  0 },
		{ "kick, unbind", VHOST_SET_VRING_KICK, FILE_ARG(2, -1), 0 },
		{ "call, good", VHOST_SET_VRING_CALL, FILE_ARG(2, eventfd_fd),
		  0 },
		{ "call, unbind", VHOST_SET_VRING_CALL, FILE_ARG(2, -1), 0 },
		{ "err, unbind", VHOST_SET_VRING_ERR, FILE_ARG(2, -1), 0 },

		{ "busyloop", VHOST_SET_VRING_BUSYLOOP_TIMEOUT, STATE(2, 50),
		  0 },
		{ "unknown ioctl", _IO(VHOST_VIRTIO, 0x3f), STATE(2, 0),
		  ENOTTY },
	};

	check_rows(self->dev->fd, rows, ARRAY_SIZE(rows));
}

TEST_F(owner, values_come_back)
{
	struct vhost_vring_state state = { .index = 2, .num = 4321 };
	struct vsg_dev *dev = self->dev;

	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_VRING_BASE, &state));
	state.num = 0;
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_GET_VRING_BASE, &state));
	EXPECT_EQ(4321, state.num);
	EXPECT_EQ(2, state.index);

	state.num = 77;
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, &state));
	state.num = 0;
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_GET_VRING_BUSYLOOP_TIMEOUT, &state));
	EXPECT_EQ(77, state.num);
}

/* What can be read and not be written. */
TEST_F(owner, answer_unwritable)
{
	struct vhost_vring_state *state, set = { .index = 2, .num = 4321 };
	struct vsg_dev *dev = self->dev;

	state = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, state);
	*state = (struct vhost_vring_state) { .index = 2 };
	ASSERT_EQ(0, mprotect(state, 4096, PROT_READ));
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_VRING_BASE, &set));
	EXPECT_EQ(-EFAULT, vsg_ioctl(dev, VHOST_GET_VRING_BUSYLOOP_TIMEOUT,
				     state));
	EXPECT_EQ(-EFAULT, vsg_ioctl(dev, VHOST_GET_VRING_BASE, state));
	/* The index is told to who asks again. */
	set.num = 0;
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_GET_VRING_BASE, &set));
	EXPECT_EQ(4321, set.num);
	munmap(state, 4096);

	/* So it is with a queue that runs, which stops all the same. */
	ASSERT_EQ(0, vsg_start(dev, WWN_A));
	ready(vsg_io(dev, 0), 1, 0);
	state = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, state);
	*state = (struct vhost_vring_state) { .index = 2 };
	ASSERT_EQ(0, mprotect(state, 4096, PROT_READ));
	EXPECT_EQ(-EFAULT, vsg_ioctl(dev, VHOST_GET_VRING_BASE, state));
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_VRING_NUM, STATE(2, 128)));
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_GET_VRING_BASE, &set));
	EXPECT_EQ(vsg_v16(vsg_io(dev, 0), vsg_io(dev, 0)->used->idx), set.num);
	munmap(state, 4096);
	EXPECT_EQ(0, vsg_stop(dev));
}

/* Only the dirty log may be switched when the guest of a bound device has sent something. */
TEST_F(owner, features_while_bound)
{
	struct vsg_dev *dev = self->dev;
	uint64_t log = VSG_F(VHOST_F_LOG_ALL);

	ASSERT_EQ(0, vsg_start(dev, WWN_A));
	EXPECT_EQ(0, vsg_set_features(dev, 0));
	EXPECT_EQ(0, vsg_set_features(dev, dev->features));
	EXPECT_EQ(-EBUSY, vsg_set_features(dev, dev->features |
					   VSG_F(VIRTIO_SCSI_F_T10_PI)));
	ready(vsg_io(dev, 0), 1, 0);
	EXPECT_EQ(0, vsg_set_features(dev, dev->features));
	EXPECT_EQ(-EBUSY, vsg_set_features(dev, dev->features ^
					   VSG_F(VIRTIO_RING_F_EVENT_IDX)));
	EXPECT_EQ(-EBUSY, vsg_set_features(dev, 0));
	EXPECT_EQ(0, vsg_set_features(dev, dev->features | log));
	EXPECT_EQ(-EBUSY, vsg_set_features(dev, log));
	EXPECT_EQ(0, vsg_set_features(dev, dev->features));
	ready(vsg_io(dev, 0), 1, 0);
	EXPECT_EQ(0, vsg_stop(dev));
	EXPECT_EQ(0, vsg_set_features(dev, 0));
}

TEST_F(owner, features)
{
	const uint64_t must = VSG_FEATURES_MODERN | VSG_F(VIRTIO_F_ANY_LAYOUT) |
			      VSG_F(VIRTIO_SCSI_F_T10_PI);
	struct vsg_dev *dev = self->dev;
	unsigned int bit;

	EXPECT_EQ(must, dev->offered & must);
	/* QEMU turns it on by default and has no handler for it. */
	EXPECT_EQ(0, dev->offered & VSG_F(40));
	/* There is no request format for two data buffers in LIO. */
	EXPECT_EQ(0, dev->offered & VSG_F(VIRTIO_SCSI_F_INOUT));
	EXPECT_EQ(0, vsg_set_features(dev, 0));
	EXPECT_EQ(0, vsg_set_features(dev, must));
	for (bit = 0; bit < 64; bit++) {
		if (dev->offered & VSG_F(bit))
			continue;
		WHERE("feature bit %u", bit);
		EXPECT_EQ(-EOPNOTSUPP, vsg_set_features(dev, VSG_F(bit)));
	}
	WHERE("unreadable");
	EXPECT_EQ(-EFAULT, vsg_ioctl(dev, VHOST_SET_FEATURES, NO_MEM));
	EXPECT_EQ(-EFAULT, vsg_ioctl(dev, VHOST_GET_FEATURES, NO_MEM));
}

struct features_array {
	uint64_t count;
	uint64_t word[4];
};

static int get_array(struct vsg_dev *dev, struct features_array *a)
{
	return vsg_ioctl(dev, VHOST_GET_FEATURES_ARRAY, a);
}

static int set_array(struct vsg_dev *dev, uint64_t count, uint64_t first,
		     uint64_t last)
{
	struct features_array a = { count, { first, 0, 0, last } };

	return vsg_ioctl(dev, VHOST_SET_FEATURES_ARRAY, &a);
}

TEST_F(owner, features_array)
{
	struct features_array a = { 0, { 1, 2, 3, 4 } };
	struct vsg_dev *dev = self->dev;
	uint64_t *page;

	if (get_array(dev, &a) == -ENOTTY)
		SKIP("no features array in this module");
	EXPECT_EQ(1, a.word[0]);
	a.count = 1;
	EXPECT_EQ(0, get_array(dev, &a));
	EXPECT_EQ(dev->offered, a.word[0]);
	EXPECT_EQ(2, a.word[1]);
	a.count = 3;
	EXPECT_EQ(0, get_array(dev, &a));
	EXPECT_EQ(3, a.count);
	EXPECT_EQ(dev->offered, a.word[0]);
	EXPECT_EQ(0, a.word[1]);
	EXPECT_EQ(0, a.word[2]);
	EXPECT_EQ(4, a.word[3]);
	a.count = UINT64_MAX / 8;
	EXPECT_EQ(-E2BIG, get_array(dev, &a));
	EXPECT_EQ(-EFAULT, vsg_ioctl(dev, VHOST_GET_FEATURES_ARRAY, NO_MEM));

	EXPECT_EQ(0, set_array(dev, 1, dev->offered, 0));
	EXPECT_EQ(0, set_array(dev, 4, dev->offered, 0));
	EXPECT_EQ(-EOPNOTSUPP, set_array(dev, 4, dev->offered, 1));
	EXPECT_EQ(0, set_array(dev, 3, dev->offered, 1));
	EXPECT_EQ(-EOPNOTSUPP, set_array(dev, 1, ~dev->offered, 0));
	EXPECT_EQ(-E2BIG, set_array(dev, UINT64_MAX / 8, 0, 0));
	EXPECT_EQ(0, set_array(dev, 0, 0, 0));
	EXPECT_EQ(-EFAULT, vsg_ioctl(dev, VHOST_SET_FEATURES_ARRAY, NO_MEM));

	/* The words lie where nothing is mapped. */
	page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, munmap(page + 512, 4096));
	page[510] = 2;
	EXPECT_EQ(-EFAULT, vsg_ioctl(dev, VHOST_GET_FEATURES_ARRAY, page + 510));
	EXPECT_EQ(-EFAULT, vsg_ioctl(dev, VHOST_SET_FEATURES_ARRAY, page + 510));
	munmap(page, 4096);
}

TEST_F(owner, backend_features)
{
	struct vsg_dev *dev = self->dev;
	uint64_t features = 0;
	unsigned int bit;
	int ret = vsg_ioctl(dev, VHOST_GET_BACKEND_FEATURES, &features);

	if (ret == -ENOTTY)
		SKIP("no backend features on this kernel");
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_BACKEND_FEATURES, &features));
	for (bit = 0; bit < 64; bit++) {
		if (features & VSG_F(bit))
			continue;
		WHERE("backend feature bit %u", bit);
		EXPECT_EQ(-EOPNOTSUPP, vsg_ioctl(dev, VHOST_SET_BACKEND_FEATURES,
						 U64(VSG_F(bit))));
	}
}

#define MAX_REGIONS_TRIED 3

/* One memory table: its regions, then the errno. */
struct mem_row {
	const char *what;
	uint32_t nregions;
	uint32_t padding;
	struct vhost_memory_region r[MAX_REGIONS_TRIED];
	int err;
};

#define REGION(g, s, u) \
	{ .guest_phys_addr = (g), .memory_size = (s), .userspace_addr = (u) }

TEST_F(owner, mem_table)
{
	static alignas(4096) char buf[16 << 12];
	const uint64_t hva = (uintptr_t)buf;
	const struct mem_row rows[] = {
		{ "empty table", 0, 0, {}, 0 },
		{ "padding", 1, 1, { REGION(0, 4096, hva) }, EOPNOTSUPP },
		{ "too many regions", 1000000, 0, {}, E2BIG },
		{ "2^32-1 regions", 0xffffffff, 0, {}, E2BIG },
		{ "one region", 1, 0, { REGION(0, 4096, hva) }, 0 },
		{ "empty region", 1, 0, { REGION(4096, 0, hva) }, EFAULT },
		{ "gpa wraps", 1, 0, { REGION(-4096ULL, 8192, hva) }, EFAULT },
		{ "gpa to the end", 1, 0, { REGION(-4096ULL, 4096, hva) }, 0 },
		{ "hva wraps", 1, 0, { REGION(0, 8192, -4096ULL) }, EFAULT },
		{ "kernel address", 1, 0, { REGION(0, 4096, KERNEL_ADDR) },
		  EFAULT },
		{ "into the kernel", 1, 0,
		  { REGION(0, KERNEL_ADDR, 4096) }, EFAULT },
		{ "two apart", 2, 0,
		  { REGION(0, 4096, hva), REGION(8192, 4096, hva) }, 0 },
		{ "not in order", 2, 0,
		  { REGION(8192, 4096, hva), REGION(0, 4096, hva) }, 0 },
		{ "neighbours", 2, 0,
		  { REGION(0, 4096, hva), REGION(4096, 4096, hva) }, 0 },
		{ "the same twice", 2, 0,
		  { REGION(0, 4096, hva), REGION(0, 4096, hva) }, EINVAL },
		{ "overlap", 2, 0,
		  { REGION(0, 8192, hva), REGION(4096, 8192, hva) }, EINVAL },
		{ "one in the other", 3, 0,
		  { REGION(4096, 4096, hva), REGION(0, 65536, hva),
		    REGION(131072, 4096, hva) }, EINVAL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct {
			struct vhost_memory head;
			struct vhost_memory_region r[MAX_REGIONS_TRIED];
		} table = {
			.head.nregions = rows[i].nregions,
			.head.padding = rows[i].padding,
		};

		memcpy(table.r, rows[i].r, sizeof(table.r));
		WHERE("%s", rows[i].what);
		EXPECT_EQ(-rows[i].err, vsg_ioctl(self->dev,
						  VHOST_SET_MEM_TABLE, &table));
	}
	WHERE("unreadable");
	EXPECT_EQ(-EFAULT, vsg_ioctl(self->dev, VHOST_SET_MEM_TABLE, NO_MEM));
}

TEST_F(owner, mem_table_509_regions)
{
	struct vhost_memory *table;
	unsigned int i;

	table = calloc(1, sizeof(*table) + 509 * sizeof(table->regions[0]));
	ASSERT_TRUE(table);
	table->nregions = 509;
	for (i = 0; i < 509; i++) {
		table->regions[i].guest_phys_addr = i * 0x10000000ULL;
		table->regions[i].memory_size = 4096;
		table->regions[i].userspace_addr = (uintptr_t)table & ~4095ULL;
	}
	EXPECT_EQ(0, vsg_ioctl(self->dev, VHOST_SET_MEM_TABLE, table));
	free(table);
}

TEST_F(owner, dirty_log)
{
	struct vsg_dev *dev = self->dev;
	const struct row rows[] = {
		{ "log fd, not open", VHOST_SET_LOG_FD, U32(9999), EBADF },
		{ "log fd, no eventfd", VHOST_SET_LOG_FD, U32(file_fd),
		  EINVAL },
		{ "log fd", VHOST_SET_LOG_FD, U32(eventfd_fd), 0 },
		{ "log fd, unbind", VHOST_SET_LOG_FD, U32(-1), 0 },
		{ "log base unreadable", VHOST_SET_LOG_BASE, NO_MEM, EFAULT },
	};
	void *log = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check_rows(dev->fd, rows, ARRAY_SIZE(rows));
	EXPECT_EQ(0, vsg_set_mem_table(dev));
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_LOG_BASE, U64((uintptr_t)log)));
}

TEST_F(owner, endian)
{
	struct vhost_vring_state state = { .index = 2 };
	struct vsg_dev *dev = self->dev;
	int ret = vsg_ioctl(dev, VHOST_SET_VRING_ENDIAN, STATE(2, 0));

	if (ret == -ENOTTY)
		SKIP("no VHOST_SET_VRING_ENDIAN on this kernel");
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_VRING_ENDIAN, STATE(2, 1)));
	EXPECT_EQ(-EINVAL, vsg_ioctl(dev, VHOST_SET_VRING_ENDIAN, STATE(2, 2)));
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_GET_VRING_ENDIAN, &state));
	EXPECT_EQ(1, state.num);
	EXPECT_EQ(-ENOBUFS, vsg_ioctl(dev, VHOST_SET_VRING_ENDIAN,
				      STATE(NO_RING, 0)));
	EXPECT_EQ(-ENOBUFS, vsg_ioctl(dev, VHOST_GET_VRING_ENDIAN,
				      STATE(NO_RING, 0)));
	EXPECT_EQ(-EFAULT, vsg_ioctl(dev, VHOST_SET_VRING_ENDIAN, NO_MEM));
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_VRING_ENDIAN, STATE(2, 0)));
	EXPECT_EQ(0, vsg_start(dev, WWN_A));
	EXPECT_EQ(-EBUSY, vsg_ioctl(dev, VHOST_SET_VRING_ENDIAN, STATE(2, 1)));
	EXPECT_EQ(0, vsg_stop(dev));
}

TEST_F(owner, endpoint)
{
	struct vsg_dev *dev = self->dev;
	const struct row before[] = {
		{ "unreadable", VHOST_SCSI_SET_ENDPOINT, NO_MEM, EFAULT },
		{ "reserved", VHOST_SCSI_SET_ENDPOINT,
		  ENDPOINT(WWN_A, .reserved = 1), EOPNOTSUPP },
		{ "clear, reserved", VHOST_SCSI_CLEAR_ENDPOINT,
		  ENDPOINT(WWN_A, .reserved = 1), EOPNOTSUPP },
		{ "no memory table", VHOST_SCSI_SET_ENDPOINT, ENDPOINT(WWN_A),
		  EFAULT },
	};
	const struct row with_memory[] = {
		{ "unknown name", VHOST_SCSI_SET_ENDPOINT,
		  ENDPOINT(LIO_WWN "9999"), ENODEV },
		{ "empty name", VHOST_SCSI_SET_ENDPOINT, ENDPOINT(""), ENODEV },
		{ "part of a name", VHOST_SCSI_SET_ENDPOINT,
		  ENDPOINT(LIO_WWN "000"), ENODEV },
		{ "clear, not set", VHOST_SCSI_CLEAR_ENDPOINT, ENDPOINT(WWN_A),
		  0 },
	};
	const struct row bound[] = {
		{ "second", VHOST_SCSI_SET_ENDPOINT, ENDPOINT(WWN_A), EEXIST },
		{ "second, other name", VHOST_SCSI_SET_ENDPOINT,
		  ENDPOINT(WWN_B), EEXIST },
		{ "clear, other name", VHOST_SCSI_CLEAR_ENDPOINT,
		  ENDPOINT(WWN_B), EINVAL },
		{ "clear, unknown name", VHOST_SCSI_CLEAR_ENDPOINT,
		  ENDPOINT(LIO_WWN "9999"), EINVAL },
		{ "num on a running ring", VHOST_SET_VRING_NUM, STATE(2, 64),
		  EBUSY },
		{ "base on a running ring", VHOST_SET_VRING_BASE, STATE(2, 0),
		  EBUSY },
	};
	struct vhost_scsi_target full = { .abi_version = 1 };

	check_rows(dev->fd, before, ARRAY_SIZE(before));
	EXPECT_EQ(0, vsg_set_mem_table(dev));
	check_rows(dev->fd, with_memory, ARRAY_SIZE(with_memory));
	WHERE("name without an end");
	memset(full.vhost_wwpn, 'n', sizeof(full.vhost_wwpn));
	EXPECT_EQ(-ENODEV, vsg_ioctl(dev, VHOST_SCSI_SET_ENDPOINT, &full));

	WHERE("good");
	ASSERT_EQ(0, vsg_start(dev, WWN_A));
	check_rows(dev->fd, bound, ARRAY_SIZE(bound));
	ready(vsg_io(dev, 0), 1, 0);
	EXPECT_EQ(0, vsg_stop(dev));
	EXPECT_EQ(0, vsg_clear_endpoint(dev, WWN_A));
}

TEST_F(owner, endpoint_taken)
{
	struct vsg_dev *dev = self->dev, *other;

	ASSERT_EQ(0, vsg_start(dev, WWN_A));
	ASSERT_EQ(0, vsg_open(&other, NULL));
	EXPECT_EQ(-EBUSY, vsg_start(other, WWN_A));
	EXPECT_EQ(0, vsg_start(other, WWN_B));
	EXPECT_EQ(0, vsg_stop(other));
	EXPECT_EQ(0, vsg_stop(dev));
	EXPECT_EQ(0, vsg_start(other, WWN_A));
	guest_end(other);
}

/* "NULL" says that there shall be no nexus, not even the default one. */
TEST_F(owner, endpoint_without_nexus)
{
	const char *none = LIO_WWN "0003";
	struct vsg_dev *dev = self->dev;

	ASSERT_EQ(0, lio("tpg " LIO_WWN "0003 1"));
	ASSERT_EQ(0, lio_write("NULL", "vhost/%s/tpgt_1/nexus", none));
	EXPECT_EQ(-ENODEV, vsg_start(dev, none));
	EXPECT_EQ(0, vsg_start(dev, WWN_A));
	EXPECT_EQ(0, vsg_stop(dev));
	EXPECT_EQ(0, lio("dropwwn " LIO_WWN "0003"));
}

/* Firmware uses one request queue where the kernel will use many. */
TEST_F(owner, rings_not_set_up_stay_unused)
{
	struct vsg_dev *dev;
	struct vsg_opts opts = { .nr_io = 4 };

	ASSERT_EQ(0, vsg_open(&dev, &opts));
	ASSERT_EQ(0, vsg_set_features(dev, dev->features));
	ASSERT_EQ(0, vsg_set_mem_table(dev));
	ASSERT_EQ(0, vsg_ring_start(vsg_io(dev, 1)));
	ASSERT_EQ(0, vsg_set_endpoint(dev, WWN_A));
	ready(vsg_io(dev, 1), 1, 0);
	/* Hand over: the next user of the device sets up all of them. */
	ASSERT_EQ(0, vsg_clear_endpoint(dev, WWN_A));
	vsg_ring_reset(vsg_io(dev, 1));
	ASSERT_EQ(0, vsg_start(dev, WWN_A));
	ready(vsg_io(dev, 0), 1, 0);
	ready(vsg_io(dev, 3), 1, 0);
	guest_end(dev);
}

TEST_F(owner, ring_set_up_while_bound)
{
	struct vsg_opts opts = { .nr_io = 2 };
	struct vsg_dev *dev;

	ASSERT_EQ(0, vsg_open(&dev, &opts));
	ASSERT_EQ(0, vsg_set_features(dev, dev->features));
	ASSERT_EQ(0, vsg_set_mem_table(dev));
	ASSERT_EQ(0, vsg_ring_start(vsg_io(dev, 0)));
	ASSERT_EQ(0, vsg_set_endpoint(dev, WWN_A));
	ready(vsg_io(dev, 0), 1, 0);
	/* The eventfd for kicks comes last of what it needs. */
	ASSERT_EQ(0, vsg_ring_start(vsg_io(dev, 1)));
	ready(vsg_io(dev, 1), 1, 0);
	ASSERT_EQ(0, vsg_clear_endpoint(dev, WWN_A));
	dev->wwpn[0] = 0;
	guest_end(dev);
}

/*
 * kvmtool sets the eventfd of a ring before the ring, no eventfd for errors, and the
 * features when the guest's driver is ready; it gives the endpoint back twice.
 */
TEST_F(owner, as_kvmtool)
{
	const struct vsg_opts opts = {
		.features = VSG_F(VIRTIO_RING_F_EVENT_IDX) |
			    VSG_F(VIRTIO_RING_F_INDIRECT_DESC) |
			    VSG_F(VIRTIO_F_ANY_LAYOUT) |
			    VSG_F(VIRTIO_F_VERSION_1),
	};
	struct vsg_dev *dev;
	struct vsg_req *req;
	unsigned int i, start;

	ASSERT_EQ(0, vsg_open(&dev, &opts));
	ASSERT_EQ(0, vsg_set_mem_table(dev));
	req = request(dev, 8 * BLOCK, 8 * BLOCK);
	for (start = 1; start <= 2; start++) {
		WHERE("start %u", start);
		for (i = 0; i < dev->nr_rings; i++) {
			struct vsg_ring *r = &dev->ring[i];

			EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_VRING_KICK,
					       FILE_ARG(i, r->kick)));
			EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_VRING_NUM,
					       STATE(i, r->num)));
			EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_VRING_BASE,
					       STATE(i, 0)));
			EXPECT_EQ(0, vsg_ring_set_addr(r));
			EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_VRING_CALL,
					       FILE_ARG(i, r->call)));
		}
		EXPECT_EQ(0, vsg_set_features(dev, dev->features));
		ASSERT_EQ(0, vsg_set_endpoint(dev, WWN_A));
		ready(vsg_io(dev, 0), 1, 0);
		write_pattern(vsg_io(dev, 0), req, 1, 0, 0, 8, start);
		check_pattern(vsg_io(dev, 0), req, 1, 0, 0, 8, start);
		for (i = 0; i < dev->nr_rings; i++)
			EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_VRING_CALL,
					       FILE_ARG(i, -1)));
		EXPECT_EQ(0, vsg_clear_endpoint(dev, WWN_A));
		for (i = 0; i < dev->nr_rings; i++)
			vsg_ring_reset(&dev->ring[i]);
	}
	EXPECT_EQ(0, vsg_clear_endpoint(dev, WWN_A));
	dev->wwpn[0] = 0;
	guest_end(dev);
}

TEST_F(owner, ring_outside_memory)
{
	struct vsg_dev *dev = self->dev;
	struct vhost_vring_addr addr = {
		.index = 2,
		.desc_user_addr = (uintptr_t)vsg_io(dev, 0)->desc,
		.avail_user_addr = (uintptr_t)vsg_io(dev, 0)->avail,
		.used_user_addr = KERNEL_ADDR,
	};
	int ret;

	ASSERT_EQ(0, vsg_set_features(dev, dev->features));
	ASSERT_EQ(0, vsg_set_mem_table(dev));
	ASSERT_EQ(0, vsg_ring_start(vsg_io(dev, 0)));
	WHERE("in the kernel");
	ret = vsg_ioctl(dev, VHOST_SET_VRING_ADDR, &addr);
	if (!ret)
		ret = vsg_set_endpoint(dev, WWN_A);
	EXPECT_EQ(-EFAULT, ret);

	WHERE("not mapped");
	addr.used_user_addr = 0x1000;
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_VRING_ADDR, &addr));
	EXPECT_EQ(-EFAULT, vsg_set_endpoint(dev, WWN_A));

	WHERE("mended");
	ASSERT_EQ(0, vsg_start(dev, WWN_A));
	ready(vsg_io(dev, 0), 1, 0);
	EXPECT_EQ(0, vsg_stop(dev));
}

TEST_F(owner, addr_of_a_running_ring)
{
	struct vsg_dev *dev = self->dev;
	struct vsg_ring *r = vsg_io(dev, 0);
	struct vhost_vring_addr addr = {
		.index = 2,
		.desc_user_addr = (uintptr_t)r->desc,
		.avail_user_addr = (uintptr_t)r->avail,
		.used_user_addr = KERNEL_ADDR,
	};

	ASSERT_EQ(0, vsg_start(dev, WWN_A));
	/* The stock module says EINVAL here, and goes on with the old one. */
	EXPECT_EQ(-EINVAL, vsg_ioctl(dev, VHOST_SET_VRING_ADDR, &addr));
	ready(r, 1, 0);
	addr.used_user_addr = (uintptr_t)r->used;
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_VRING_ADDR, &addr));
	ready(r, 1, 0);
	EXPECT_EQ(0, vsg_stop(dev));
}

TEST_F(owner, abi_version)
{
	int version = 0;

	EXPECT_EQ(0, vsg_ioctl(self->dev, VHOST_SCSI_GET_ABI_VERSION, &version));
	EXPECT_EQ(1, version);
	EXPECT_EQ(-EFAULT, vsg_ioctl(self->dev, VHOST_SCSI_GET_ABI_VERSION,
				     NO_MEM));
}

TEST_F(owner, events_missed)
{
	struct vsg_dev *dev = self->dev;
	uint32_t missed = 1;

	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SCSI_GET_EVENTS_MISSED, &missed));
	EXPECT_EQ(0, missed);
	missed = 1;
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SCSI_SET_EVENTS_MISSED, &missed));
	missed = 0;
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SCSI_GET_EVENTS_MISSED, &missed));
	EXPECT_EQ(1, missed);
	EXPECT_EQ(-EFAULT, vsg_ioctl(dev, VHOST_SCSI_SET_EVENTS_MISSED, NO_MEM));
	EXPECT_EQ(-EFAULT, vsg_ioctl(dev, VHOST_SCSI_GET_EVENTS_MISSED, NO_MEM));
}

TEST_F(owner, workers)
{
	struct vsg_dev *dev = self->dev;
	struct vhost_worker_state worker = {};
	int ret = vsg_ioctl(dev, VHOST_NEW_WORKER, &worker);

	if (ret == -ENOTTY)
		SKIP("no worker ioctls in this module");
	ASSERT_EQ(0, ret);

	const struct row rows[] = {
		{ "free an unknown one", VHOST_FREE_WORKER, WORKER_ID(9999),
		  ENODEV },
		{ "attach an unknown one", VHOST_ATTACH_VRING_WORKER,
		  WORKER(2, 9999), ENODEV },
		{ "attach, no such ring", VHOST_ATTACH_VRING_WORKER,
		  WORKER(NO_RING, worker.worker_id), ENOBUFS },
		{ "get, no such ring", VHOST_GET_VRING_WORKER,
		  WORKER(NO_RING, 0), ENOBUFS },
		{ "new, unwritable", VHOST_NEW_WORKER, NO_MEM, EFAULT },
		{ "free, unreadable", VHOST_FREE_WORKER, NO_MEM, EFAULT },
		{ "attach", VHOST_ATTACH_VRING_WORKER,
		  WORKER(2, worker.worker_id), 0 },
		{ "free one that serves", VHOST_FREE_WORKER,
		  WORKER_ID(worker.worker_id), EBUSY },
	};

	check_rows(dev->fd, rows, ARRAY_SIZE(rows));
}

TEST_F(owner, more_workers_than_queues)
{
	struct vsg_dev *dev = self->dev;
	struct vhost_worker_state worker;
	unsigned int n = 1; /* which SET_OWNER made */
	int ret;

	while ((ret = vsg_ioctl(dev, VHOST_NEW_WORKER, &worker)) == 0 &&
	       n <= NO_RING)
		n++;
	if (ret == -ENOTTY)
		SKIP("no worker ioctls in this module");
	EXPECT_EQ(-ENOSPC, ret);
	WHERE("a queue for each of %u workers, no more", n);
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_GET_VRING_BASE, STATE(n - 1, 0)));
	EXPECT_EQ(-ENOBUFS, vsg_ioctl(dev, VHOST_GET_VRING_BASE, STATE(n, 0)));
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_FREE_WORKER, WORKER_ID(1)));
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_NEW_WORKER, &worker));
	EXPECT_EQ(1, worker.worker_id);
}

#define MAX_IO_VQS "/sys/module/vhost_scsi/parameters/max_io_vqs"

/* How many request queues a device has that is opened now. */
static unsigned int request_queues(void)
{
	struct vhost_vring_state state = {};
	int fd = open(VSG_DEV_PATH, O_RDWR);

	ASSERT_NE(-1, fd);
	EXPECT_EQ(0, ioctl(fd, VHOST_SET_OWNER, NULL));
	while (!ioctl(fd, VHOST_GET_VRING_BUSYLOOP_TIMEOUT, &state))
		state.index++;
	EXPECT_EQ(ENOBUFS, errno);
	close(fd);
	return state.index - 2;
}

TEST(queues_by_parameter)
{
	static const struct {
		const char *value;
		unsigned int queues;
	} rows[] = {
		{ "1", 1 }, { "0", 1 }, { "128", 128 }, { "1024", 1024 },
		{ "5000", 1024 },
	};
	struct vsg_opts opts = { .nr_io = 1024, .ring_size = 2 };
	struct rlimit files = { 8192, 8192 };
	char usual[16];
	unsigned int i;

	if (read_file(MAX_IO_VQS, usual, sizeof(usual)) ||
	    write_file(MAX_IO_VQS, usual))
		SKIP("the parameter cannot be set");
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		WHERE("max_io_vqs=%s", rows[i].value);
		EXPECT_EQ(0, write_file(MAX_IO_VQS, rows[i].value));
		EXPECT_EQ(rows[i].queues, request_queues());
	}
	/* The last of them serves like the first. */
	EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	struct vsg_dev *dev = NULL;
	int ret = vsg_open(&dev, &opts);

	EXPECT_EQ(0, write_file(MAX_IO_VQS, usual));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, vsg_start(dev, WWN_A));
	ready(vsg_io(dev, 1023), 1, 0);
	ready(vsg_io(dev, 0), 1, 0);
	guest_end(dev);
}
