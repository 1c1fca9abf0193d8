// SPDX-License-Identifier: GPL-2.0-only
/* Proves: an owner that takes all it can get stays within its limits, and harms no other. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "box.h"
#include "files.h"
#include "load.h"

#define T 1

/* Limits of the hostile owner, and what it is about to have within these. */
enum { PROCESSES = 40, FILES = 160, FLOODS = 4, DEVICES = 100, SECONDS = 3 };
#define MEMORY (256LL << 20)

static const char *const ports[FLOODS] = {
	LIO_WWN "0011", LIO_WWN "0012", LIO_WWN "0013", LIO_WWN "0014",
};

int suite_setup(void)
{
	unsigned int i;
	int ret;

	ret = lio_suite("ramdisk ram 16; tpg " WWN_A " 1; lun " WWN_A " 1 0 ram");
	for (i = 0; i < FLOODS && !ret; i++)
		ret = lio("tpg %s 1; lun %s 1 0 ram", ports[i], ports[i]);
	if (!ret && box_setup())
		return SUITE_SKIP("no cgroups of version 2");
	return ret;
}

void suite_teardown(void)
{
	box_teardown();
	lio_suite_end();
}

/* What of the host is in use. */
struct use {
	long long threads;
	long long pins;
	long long unreclaimable_kb;
	long long files;
	long long module;
};

static struct use use_now(void)
{
	char line[64];
	struct use use = {
		.threads = thread_count("vhost-"),
		.pins = pins(),
		.unreclaimable_kb = stat_value("/proc/meminfo", "SUnreclaim"),
	};

	EXPECT_EQ(0, read_file("/proc/sys/fs/file-nr", line, sizeof(line)));
	use.files = atoll(line);
	EXPECT_EQ(0, read_file("/sys/module/vhost_scsi/refcnt", line, sizeof(line)));
	use.module = atoll(line);
	return use;
}

/*
 * How much the difference of two numbers of files may be wrong by: each processor keeps up to
 * 32 of them, or two for each processor, before the kernel adds them to its sum.
 */
static long files_error(void)
{
	long n = sysconf(_SC_NPROCESSORS_CONF);

	return 2 * n * (n > 16 ? 2 * n : 32);
}

/* The hostile owner says that it has all it can get, and is told to end. */
static int has_all[2], end[2];

/* A device for each file, a worker for each process, and all queues full. */
static int hostile(void *arg)
{
	struct vsg_opts opts = { .nr_io = 4, .mem_size = 1 << 20, .ring_size = 64,
				 .kernel_threads = *(bool *)arg };
	static struct vsg_dev *dev[DEVICES];
	static struct flood flood[FLOODS];
	struct vhost_worker_state state;
	unsigned int i, n = 0, workers = 0;
	int ret = 0;
	char c;

	while (n < DEVICES) {
		ret = vsg_open(&dev[n], &opts);
		if (ret)
			break;
		n++;
	}
	EXPECT_TRUE(ret == -EMFILE || ret == -EAGAIN || ret == -ENOMEM);
	for (i = 0; i < FLOODS && i < n; i++) {
		EXPECT_EQ(0, vsg_start(dev[i], ports[i]));
		flood_start(&flood[i], vsg_io(dev[i], 0), T + 1);
	}
	for (i = 0; i < n; i++)
		while (!vsg_ioctl(dev[i], VHOST_NEW_WORKER, &state))
			workers++;
	printf("# %u devices, %u workers more\n", n, workers);
	fflush(stdout);
	close(end[1]);
	/* And all of it is left to the kernel. */
	return write(has_all[1], "", 1) != 1 || read(end[0], &c, 1) != 0;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

/* The 99th percentile of what a command takes, for so many seconds, in microseconds. */
static int64_t p99(struct vsg_ring *r, struct vsg_req *req, int seconds)
{
	enum { MAX = 100000 };
	static int64_t took[MAX];
	int64_t end = vsg_now_ms() + seconds * 1000;
	unsigned int n = 0;

	while (vsg_now_ms() < end && n < MAX) {
		int64_t start = now_us();

		vsg_cmd_rw(req, T, 0, false, n % 1024, 8, BLOCK);
		exec_good(r, req);
		took[n++] = now_us() - start;
	}
	qsort(took, n, sizeof(*took), compare);
	printf("# %u commands, 99th percentile %lld us\n", n,
	       (long long)took[n - n / 100 - 1]);
	return took[n - n / 100 - 1];
}

/* What a neighbour's command may take longer by, in 99 of 100 cases: a few time slices. */
enum { BESIDE_US = 200000 };

static void beside(bool kernel_threads)
{
	static const struct box box = { .processes = PROCESSES, .files = FILES,
					.memory = MEMORY, .processors = 100 };
	struct vsg_dev *dev = guest(WWN_A, NULL);
	struct vsg_req *req = request(dev, 0, 4096);
	struct vsg_ring *r = vsg_io(dev, 0);
	struct use before, during, after;
	int64_t alone, until;
	pid_t pid;
	char c;

	ready(r, T, 0);
	alone = p99(r, req, 1);
	before = use_now();
	ASSERT_EQ(0, pipe(has_all));
	ASSERT_EQ(0, pipe(end));
	pid = box_start(&box, hostile, &kernel_threads);
	ASSERT_NE(-1, pid);
	close(has_all[1]);
	close(end[0]);
	EXPECT_EQ(1, read(has_all[0], &c, 1));
	EXPECT_LE(p99(r, req, SECONDS), alone + BESIDE_US * t_factor());
	during = use_now();
	EXPECT_LE(during.threads - before.threads, PROCESSES);
	EXPECT_LE(during.files - before.files, 2 * FILES + files_error());
	EXPECT_LE(box_value("memory.current"), MEMORY);
	close(end[1]);
	EXPECT_EQ(0, box_wait(pid));
	close(has_all[0]);

	WHERE("nothing is left");
	until = vsg_now_ms() + WAIT_MS;
	do {
		usleep(100000);
		after = use_now();
	} while ((after.threads != before.threads || after.module != before.module) &&
		 vsg_now_ms() < until);
	EXPECT_EQ(before.threads, after.threads);
	EXPECT_EQ(before.module, after.module);
	EXPECT_TRUE(pins_settle(before.pins, 5000));
	EXPECT_LE(after.files - before.files, files_error());
	if (!memory_is_tracked())
		EXPECT_LE(after.unreclaimable_kb - before.unreclaimable_kb, 8192);
	guest_end(dev);
}

TEST_TIMEOUT(kernel_threads, 90)
{
	beside(true);
}

TEST_TIMEOUT(tasks, 90)
{
	if (!have_vhost_tasks())
		SKIP("no workers that are tasks on this kernel");
	beside(false);
}

/*
 * An owner that has let itself go short of memory: each of its threads sleeps for up to two
 * seconds when it allocates 64 pages more (memory.high). Nobody else waits for that.
 */
enum { LARGE = 12 << 20, CUT = 256 };

static int throttled(void *arg)
{
	struct vsg_opts opts = { .mem_size = LARGE + (4 << 20),
				 .kernel_threads = *(bool *)arg };
	struct vsg_req *req, *tur;
	struct vsg_dev *dev;
	uint64_t gpa;
	char c;
	int i;

	close(has_all[0]);
	close(end[1]);
	if (vsg_open(&dev, &opts) || vsg_start(dev, ports[0]))
		return 1;
	tur = vsg_req_alloc(dev, 0, 0, 0);
	req = vsg_req_alloc(dev, 0, LARGE, 0);
	if (!tur || !req)
		return 2;
	memset(req->data_in, 0, LARGE);
	for (i = 0; i < 3; i++) {
		vsg_cmd_tur(tur, T, 0);
		if (vsg_exec(vsg_io(dev, 0), tur, WAIT_MS))
			return 3;
	}
	/* Cut within a block: it needs a buffer of the host. */
	gpa = vsg_gpa(&dev->mem, req->data_in);
	vsg_cmd_rw(req, T, 0, false, 0, LARGE / BLOCK, BLOCK);
	req->nseg = 2;
	vsg_req_seg(req, gpa, CUT, VRING_DESC_F_WRITE);
	vsg_req_seg(req, gpa + CUT, LARGE - CUT, VRING_DESC_F_WRITE);
	if (vsg_submit(vsg_io(dev, 0), req) || write(has_all[1], "", 1) != 1 ||
	    read(end[0], &c, 1) != 1)
		return 4;
	vsg_ring_kick(vsg_io(dev, 0));
	return read(end[0], &c, 1) != 0;
}

static void removal_beside_throttled(bool kernel_threads)
{
	static const struct box box = { 0 };
	long long before;
	int64_t start;
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(has_all));
	ASSERT_EQ(0, pipe(end));
	pid = box_start(&box, throttled, &kernel_threads);
	ASSERT_NE(-1, pid);
	close(has_all[1]);
	close(end[0]);
	ASSERT_EQ(1, read(has_all[0], &c, 1));
	before = stat_value(BOX_CGROUP "/memory.events", "high");
	ASSERT_LE(0, before);
	ASSERT_EQ(0, write_file(BOX_CGROUP "/memory.high", "1048576"));
	ASSERT_EQ(1, write(end[1], "", 1));
	start = vsg_now_ms();
	while (stat_value(BOX_CGROUP "/memory.events", "high") <= before &&
	       vsg_now_ms() < start + WAIT_MS)
		usleep(10000);
	reach_backend();

	start = vsg_now_ms();
	EXPECT_EQ(0, lio("unlun %s 1 0", ports[0]));
	printf("# removed after %lld ms\n", (long long)(vsg_now_ms() - start));
	EXPECT_LE(vsg_now_ms() - start, 5000 * t_factor());

	EXPECT_EQ(0, write_file(BOX_CGROUP "/memory.high", "max"));
	close(end[1]);
	kill(pid, SIGKILL);
	box_wait(pid);
	close(has_all[0]);
	EXPECT_EQ(0, lio("lun %s 1 0 ram", ports[0]));
}

TEST_TIMEOUT(removal_beside_throttled_kernel_thread, 90)
{
	removal_beside_throttled(true);
}

TEST_TIMEOUT(removal_beside_throttled_task, 90)
{
	if (!have_vhost_tasks())
		SKIP("no workers that are tasks on this kernel");
	removal_beside_throttled(false);
}
