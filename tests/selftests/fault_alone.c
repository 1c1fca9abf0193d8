// SPDX-License-Identifier: GPL-2.0-only
/* The tests of fault.c that have no running guest. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fault.h"
#include "files.h"
#include "support.h"

/* ---- devices and workers ------------------------------------------------ */

static int dev_fd;

static int call_open(void *ctx)
{
	dev_fd = open(VSG_DEV_PATH, O_RDWR | O_CLOEXEC);
	return dev_fd < 0 ? -errno : 0;
}

static void undo_open(void *ctx)
{
	EXPECT_EQ(0, close(dev_fd));
}

TEST_TIMEOUT(open_device, 60)
{
	static const struct step step = {
		.name = "open", .call = call_open, .undo = undo_open,
	};

	walk(&step, NULL);
}

static int dev_ioctl(unsigned long cmd, void *arg)
{
	return ioctl(dev_fd, cmd, arg) < 0 ? -errno : 0;
}

static int call_owner(void *ctx)
{
	return dev_ioctl(VHOST_SET_OWNER, NULL);
}

static void check_owner(void *ctx, bool done)
{
	struct vhost_vring_worker arg = { .index = 129 };

	EXPECT_EQ(done ? 0 : -EPERM, dev_ioctl(VHOST_GET_VRING_WORKER, &arg));
}

static void undo_owner(void *ctx)
{
	EXPECT_EQ(0, dev_ioctl(VHOST_RESET_OWNER, NULL));
}

/* What workers are; RESET_OWNER takes it back. */
static uint8_t fork_owner;

static void prepare_owner(void *ctx)
{
	EXPECT_EQ(0, dev_ioctl(VHOST_SET_FORK_FROM_OWNER, &fork_owner));
}

static const struct step owner = {
	.name = "SET_OWNER", .prepare = prepare_owner, .call = call_owner,
	.check = check_owner, .undo = undo_owner,
};

static unsigned int new_id;

static int call_worker(void *ctx)
{
	struct vhost_worker_state state = { .worker_id = 77 };
	int ret = dev_ioctl(VHOST_NEW_WORKER, &state);

	new_id = state.worker_id;
	return ret;
}

/* The next one has the same number, so nobody has taken it meanwhile. */
static void check_worker(void *ctx, bool done)
{
	struct vhost_worker_state state = { .worker_id = 1 };

	if (done)
		EXPECT_EQ(1, new_id);
	else
		EXPECT_EQ(-ENODEV, dev_ioctl(VHOST_FREE_WORKER, &state));
}

static void undo_worker(void *ctx)
{
	struct vhost_worker_state state = { .worker_id = new_id };

	EXPECT_EQ(0, dev_ioctl(VHOST_FREE_WORKER, &state));
}

static const struct step worker = {
	.name = "NEW_WORKER", .call = call_worker, .check = check_worker,
	.undo = undo_worker,
};

static void walk_workers(const struct nth *nth)
{
	ASSERT_EQ(0, call_open(NULL));
	walk_by(&owner, NULL, nth);
	prepare_owner(NULL);
	ASSERT_EQ(0, call_owner(NULL));
	walk_by(&worker, NULL, nth);
	undo_open(NULL);
	EXPECT_TRUE(threads_settle(0, 5000));
}

TEST_TIMEOUT(workers, 120)
{
	struct nth nth;

	fork_owner = VHOST_FORK_OWNER_TASK;
	nth_self(&nth);
	walk_workers(&nth);
	nth_close(&nth);
}

/* Kernel threads are made by another one, which may have no memory either. */
TEST_TIMEOUT(workers_not_forked, 120)
{
	struct nth nth = {};

	fork_owner = VHOST_FORK_OWNER_KTHREAD;
	nth_task(&nth, find_task("kthreadd"));
	ASSERT_EQ(1, nth.nr);
	walk_workers(&nth);
	nth_close(&nth);
}

/*
 * The cgroups of an owner in two hierarchies: moving a thread there takes
 * memory, for nobody was in one and not in the other before.
 */
TEST_TIMEOUT(workers_in_cgroups, 120)
{
	static const char * const dirs[] = { "/tmp/vsg-one", "/tmp/vsg-two" };
	char path[64], pid[16];
	struct nth nth;
	unsigned int i;

	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	snprintf(pid, sizeof(pid), "%d", getpid());
	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		make_dir(dirs[i]);
		if (mount("none", dirs[i], "cgroup", 0,
			  i ? "none,name=vsg2" : "none,name=vsg1"))
			SKIP("no cgroups");
		snprintf(path, sizeof(path), "%s/owner", dirs[i]);
		make_dir(path);
		snprintf(path, sizeof(path), "%s/owner/cgroup.procs", dirs[i]);
		ASSERT_EQ(0, write_file(path, pid));
	}
	nth_self(&nth);
	walk_workers(&nth);
	nth_close(&nth);
	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/cgroup.procs", dirs[i]);
		EXPECT_EQ(0, write_file(path, pid));
		snprintf(path, sizeof(path), "%s/owner", dirs[i]);
		EXPECT_EQ(0, rmdir(path));
		EXPECT_EQ(0, umount(dirs[i]));
		rmdir(dirs[i]);
	}
}

/* ---- configfs ----------------------------------------------------------- */

#define PORT LIO_ROOT "/vhost/" WWN_B
#define GROUP PORT "/tpgt_1"
#define ACL GROUP "/acls/" WWN_B

/**
 * struct entry - something to be made in configfs, and removed again
 * @path: directory, link or attribute
 * @target: of the link, or NULL
 * @text: for the attribute, or NULL
 */
struct entry {
	const char *path;
	const char *target;
	const char *text;
};

static const struct entry *entry;

static int entry_make(void *ctx)
{
	if (entry->text)
		return write_file(entry->path, entry->text);
	if (entry->target)
		return symlink(entry->target, entry->path) ? -errno : 0;
	return mkdir(entry->path, 0755) ? -errno : 0;
}

static int entry_remove(void *ctx)
{
	if (entry->text)
		return write_file(entry->path, "NULL");
	if (entry->target)
		return unlink(entry->path) ? -errno : 0;
	return rmdir(entry->path) ? -errno : 0;
}

static void entry_check(void *ctx, bool done)
{
	if (!entry->text)
		EXPECT_EQ(done, exists(entry->path));
}

static void entry_check_gone(void *ctx, bool done)
{
	entry_check(ctx, !done);
}

static void entry_undo_make(void *ctx)
{
	EXPECT_EQ(0, entry_remove(ctx));
}

static void entry_undo_remove(void *ctx)
{
	EXPECT_EQ(0, entry_make(ctx));
}

TEST_TIMEOUT(configfs, 400)
{
	static const struct entry entries[] = {
		{ .path = PORT },
		{ .path = GROUP },
		{ .path = GROUP "/nexus", .text = WWN_B },
		{ .path = GROUP "/lun/lun_0" },
		{ .path = GROUP "/lun/lun_0/vsg", .target = FAULT_HOT },
		{ .path = ACL },
		{ .path = ACL "/lun_0" },
		{ .path = ACL "/lun_0/vsg", .target = GROUP "/lun/lun_0" },
	};
	int i, n = ARRAY_SIZE(entries);

	/* LIO says EINVAL of some directories that it could not make. */
	for (i = 0; i < n; i++) {
		struct step step = {
			.name = entries[i].path + strlen(LIO_ROOT "/vhost/"),
			.call = entry_make, .check = entry_check,
			.undo = entry_undo_make, .also = EINVAL,
		};

		/* The ACL must be there before the nexus, or not be its own. */
		entry = &entries[i];
		walk(&step, NULL);
		if (entry->text)
			continue;
		ASSERT_EQ(0, entry_make(NULL));
	}
	while (n--) {
		struct step step = {
			.name = "removal", .call = entry_remove,
			.check = entry_check_gone, .undo = entry_undo_remove,
		};

		entry = &entries[n];
		if (entry->text)
			continue;
		walk(&step, NULL);
		ASSERT_EQ(0, entry_remove(NULL));
	}
}

/* ---- loading ------------------------------------------------------------ */

#define MODULE "vhost_scsi"

struct image {
	void *data;
	size_t size;
};

/* Read before the walk: a file system that a fault meets may be the root's. */
static bool image_read(struct image *image, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return false;
	image->size = st.st_size;
	image->data = mmap(NULL, image->size, PROT_READ,
			   MAP_PRIVATE | MAP_POPULATE, fd, 0);
	close(fd);
	return image->data != MAP_FAILED;
}

static int module_load(const struct image *image)
{
	return syscall(SYS_init_module, image->data, image->size, "") ? -errno :
	       0;
}

static int module_unload(void)
{
	lio_rmdir("vhost");
	return syscall(SYS_delete_module, MODULE, O_NONBLOCK) ? -errno : 0;
}

/*
 * The last chances for a fault are those of the module's own start; those of the
 * loader come first, and are many.
 */
TEST_TIMEOUT(loading, 240)
{
	enum { MANY = 1000000, LAST = 80 };
	const char *path = getenv("VHOST_SCSI_KO");
	unsigned int all, n, failures = 0;
	struct image image;
	struct nth nth;
	int ret;

	if (!path)
		SKIP("which module to load: VHOST_SCSI_KO");
	ASSERT_TRUE(image_read(&image, path));
	ASSERT_EQ(0, lio("cleanup"));
	if (module_unload())
		SKIP("the module is in use");
	nth_self(&nth);
	nth_arm(&nth, MANY);
	ret = module_load(&image);
	all = MANY - nth_left(&nth);
	nth_fired(&nth);
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, module_unload());
	for (n = all > LAST ? all - LAST : 1; n <= all; n++) {
		WHERE("fault %u of %u", n, all);
		nth_arm(&nth, n);
		ret = module_load(&image);
		nth_fired(&nth);
		if (!ret) {
			ASSERT_EQ(0, module_unload());
			continue;
		}
		failures++;
		EXPECT_TRUE(ret == -ENOMEM || ret == -EFAULT);
		EXPECT_FALSE(exists("/sys/module/" MODULE "/refcnt"));
		EXPECT_FALSE(exists(VSG_DEV_PATH));
	}
	nth_close(&nth);
	printf("# loading: %u chances for a fault, %u failures of the last %u\n",
	       all, failures, LAST);
	EXPECT_LE(5, failures);
	ASSERT_EQ(0, module_load(&image));
	ASSERT_EQ(0, lio("init"));
	ASSERT_EQ(0, lio(FAULT_STORES));
}
