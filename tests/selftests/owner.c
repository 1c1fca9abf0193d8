// SPDX-License-Identifier: GPL-2.0-only
/* Proves: a user without capabilities has a device, and has it within its limits. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "box.h"
#include "files.h"
#include "support.h"

#define T 1
#define V1 "/tmp/vsg-cgroup-v1"

enum { LUN_RAM, LUN_SLOW };
/* Commands to the slow LUN take as long as a slow kernel needs to submit several. */
#define SLOW_MS (2000 * t_factor())

int suite_setup(void)
{
	int ret;

	ret = lio_suite("ramdisk ram 16; tpg " WWN_A " 1; lun " WWN_A " 1 0 ram");
	if (!ret)
		ret = lio("delayed slow 16 %d %d; lun " WWN_A " 1 1 slow", SLOW_MS,
			  SLOW_MS);
	if (!ret && box_setup())
		return SUITE_SKIP("no cgroups of version 2");
	return ret;
}

void suite_teardown(void)
{
	box_teardown();
	lio_suite_end();
}

/* All lines of a file. */
static size_t whole(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "r");
	size_t n = 0;

	if (f) {
		n = fread(buf, 1, size - 1, f);
		fclose(f);
	}
	buf[n] = 0;
	return n;
}

/* A guest whose worker is in the cgroups of its owner. */
static int guest_in_box(void *arg)
{
	struct vsg_opts opts = { .kernel_threads = *(bool *)arg };
	char path[64], mine[1024], its[1024];
	struct vsg_dev *dev;
	pid_t worker;
	int ret;

	ret = vsg_open(&dev, &opts);
	EXPECT_EQ(0, ret);
	if (ret)
		return 1;
	EXPECT_EQ(1, threads_named("vhost-", &worker, 1));
	snprintf(path, sizeof(path), "/proc/%d/cgroup", worker);
	EXPECT_LT(0, whole("/proc/self/cgroup", mine, sizeof(mine)));
	EXPECT_LT(0, whole(path, its, sizeof(its)));
	EXPECT_EQ(0, strcmp(mine, its));

	EXPECT_EQ(0, vsg_start(dev, WWN_A));
	ready(vsg_io(dev, 0), T, LUN_RAM);
	EXPECT_EQ(0, vsg_stop(dev));
	vsg_close(dev);
	return 0;
}

TEST(as_libvirt)
{
	static const struct box boxes[] = { { .threaded = true }, { } };
	bool kernel_threads;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		kernel_threads = i & 2;
		WHERE("threaded %d, kernel threads %d", boxes[i & 1].threaded,
		      kernel_threads);
		EXPECT_EQ(0, box_run(&boxes[i & 1], guest_in_box, &kernel_threads));
	}
}

/* Where the controller is in a hierarchy of its own, as with cgroups of version 1. */
TEST(cgroup_v1)
{
	static const struct box box = { };
	char pid[16], cpus[16];
	bool kernel_threads = true;

	if (make_dir(V1) || mount("vsg", V1, "cgroup", 0, "none,name=vsg"))
		SKIP("no cgroups of version 1");
	EXPECT_EQ(0, make_dir(V1 "/owner"));
	snprintf(pid, sizeof(pid), "%d", getpid());
	EXPECT_EQ(0, write_file(V1 "/owner/cgroup.procs", pid));
	EXPECT_EQ(0, box_run(&box, guest_in_box, &kernel_threads));
	EXPECT_EQ(0, write_file(V1 "/cgroup.procs", pid));
	EXPECT_TRUE(threads_settle(0, 2000));
	EXPECT_EQ(0, rmdir(V1 "/owner"));
	EXPECT_EQ(0, umount(V1));

	/* The controller itself can be had while nobody has it in version 2. */
	write_file("/sys/fs/cgroup/vsg/cgroup.subtree_control", "-cpuset");
	write_file("/sys/fs/cgroup/cgroup.subtree_control", "-cpuset");
	if (mount("vsg", V1, "cgroup", 0, "cpuset")) {
		printf("# the controller is not to be had in version 1\n");
		return;
	}
	EXPECT_EQ(0, make_dir(V1 "/owner"));
	EXPECT_EQ(0, read_file(V1 "/cpuset.mems", cpus, sizeof(cpus)));
	EXPECT_EQ(0, write_file(V1 "/owner/cpuset.mems", cpus));
	EXPECT_EQ(0, write_file(V1 "/owner/cpuset.cpus", "0"));
	EXPECT_EQ(0, write_file(V1 "/owner/cgroup.procs", pid));
	EXPECT_EQ(0, box_run(&box, guest_in_box, &kernel_threads));
	EXPECT_EQ(0, write_file(V1 "/cgroup.procs", pid));
	EXPECT_TRUE(threads_settle(0, 2000));
	EXPECT_EQ(0, rmdir(V1 "/owner"));
	EXPECT_EQ(0, umount(V1));
}

enum { PROCESSES = 6 };

/* As many workers as can be had, of two devices. */
static int many_workers(void *arg)
{
	struct vsg_opts opts = { .kernel_threads = *(bool *)arg };
	struct vhost_worker_state state;
	struct vsg_dev *dev[2];
	unsigned int i, n = 0;
	int ret = 0;
	pid_t pid;

	for (i = 0; i < 2; i++) {
		ret = vsg_open(&dev[i], &opts);
		if (ret)
			return 1;
		n++;
	}
	for (i = 0; i < 2000; i++) {
		ret = vsg_ioctl(dev[i % 2], VHOST_NEW_WORKER, &state);
		if (ret)
			break;
		n++;
	}
	EXPECT_TRUE(ret == -EAGAIN || ret == -ENOMEM);
	/* This process is one of them. */
	EXPECT_EQ(PROCESSES - 1, n);
	pid = fork();
	if (!pid)
		_exit(0);
	EXPECT_EQ(-1, pid);

	WHERE("one for another");
	EXPECT_EQ(0, vsg_ioctl(dev[0], VHOST_FREE_WORKER,
			       &(struct vhost_worker_state) { .worker_id = 1 }));
	ret = -EAGAIN;
	for (i = 0; i < 100 && ret; i++) {
		ret = vsg_ioctl(dev[1], VHOST_NEW_WORKER, &state);
		if (ret)
			usleep(20000);
	}
	EXPECT_EQ(0, ret);
	vsg_close(dev[0]);
	vsg_close(dev[1]);
	return 0;
}

/* Kernel threads that work for a user count as its processes. */
TEST(processes)
{
	static const struct box box = { .processes = PROCESSES };
	bool kernel_threads = true;

	EXPECT_EQ(0, box_run(&box, many_workers, &kernel_threads));
	EXPECT_TRUE(threads_settle(0, 2000));
	WHERE("once more");
	EXPECT_EQ(0, box_run(&box, many_workers, &kernel_threads));
	WHERE("%s", "");
	if (!have_vhost_tasks())
		return;
	WHERE("as tasks");
	kernel_threads = false;
	EXPECT_EQ(0, box_run(&box, many_workers, &kernel_threads));
}

enum { BOUNCED = 7, BOUNCE_BYTES = 15 << 20, CUT = 256 };

/* Reads that need buffers of the host, as many as there may be at a time. */
static int bounce_much(void *arg)
{
	struct vsg_opts opts = { .mem_size = 20 << 20,
				 .kernel_threads = *(bool *)arg };
	struct vsg_req *req, *first;
	long long before, more = 0;
	struct vsg_dev *dev;
	unsigned int i;
	uint64_t gpa;

	if (vsg_open(&dev, &opts) || vsg_start(dev, WWN_A))
		return 1;
	ready(vsg_io(dev, 0), T, LUN_SLOW);
	first = vsg_req_alloc(dev, 0, BOUNCE_BYTES, 0);
	gpa = vsg_gpa(&dev->mem, first->data_in);
	/* These pages are the owner's in any case. */
	memset(first->data_in, 0, BOUNCE_BYTES);
	before = box_value("memory.current");
	for (i = 0; i < BOUNCED; i++) {
		req = i ? vsg_req_alloc(dev, 0, 0, 0) : first;
		vsg_cmd_rw(req, T, LUN_SLOW, false, 0, BOUNCE_BYTES / BLOCK, BLOCK);
		req->nseg = 2;
		vsg_req_seg(req, gpa, CUT, VRING_DESC_F_WRITE);
		vsg_req_seg(req, gpa + CUT, BOUNCE_BYTES - CUT, VRING_DESC_F_WRITE);
		EXPECT_EQ(0, vsg_submit(vsg_io(dev, 0), req));
	}
	vsg_ring_kick(vsg_io(dev, 0));
	while (!vsg_ring_poll(vsg_io(dev, 0))) {
		long long now = box_value("memory.current") - before;

		if (now > more)
			more = now;
		usleep(10000);
	}
	printf("# %lld of %d MiB\n", more >> 20, BOUNCED * (BOUNCE_BYTES >> 20));
	/* What the cgroup had before may go meanwhile. */
	EXPECT_LE((long long)BOUNCED * BOUNCE_BYTES * 3 / 4, more);
	EXPECT_EQ(0, vsg_ring_drain(vsg_io(dev, 0), WAIT_MS));
	EXPECT_TRUE(vsg_good(first));
	EXPECT_EQ(0, vsg_stop(dev));
	vsg_close(dev);
	return 0;
}

/* What the host allocates for a guest is its owner's, whatever the worker is. */
TEST_TIMEOUT(memory, 60)
{
	static const struct box box = { };
	bool kernel_threads = true;

	EXPECT_EQ(0, box_run(&box, bounce_much, &kernel_threads));
	kernel_threads = false;
	EXPECT_EQ(0, box_run(&box, bounce_much, &kernel_threads));
}
