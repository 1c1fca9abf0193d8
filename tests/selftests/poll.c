// SPDX-License-Identifier: GPL-2.0-only
/* Proves: a polled queue needs few kicks, and a worker whose guest is idle sleeps. */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "files.h"
#include "load.h"
#include "see.h"

#define T 1
#define L 0
#define ATTRIB "vhost/" WWN_A "/tpgt_1/attrib/poll_us"

enum { COMMANDS = 600, LONG_US = 10000 };

int suite_setup(void)
{
	int ret = lio_suite("ramdisk ram 16; tpg " WWN_A " 1; lun " WWN_A
			    " 1 0 ram");

	if (!ret && !exists(LIO_ROOT "/" ATTRIB))
		return SUITE_SKIP("no poll_us in this module");
	return ret;
}

void suite_teardown(void)
{
	lio_suite_end();
}

FIXTURE(poll)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
};

FIXTURE_SETUP(poll)
{
	struct vsg_opts opts = { .nr_io = 2 };

	ASSERT_EQ(0, lio_write("0", ATTRIB));
	ASSERT_EQ(0, vsg_open(&self->dev, &opts));
	self->r = vsg_io(self->dev, 0);
}

FIXTURE_TEARDOWN(poll)
{
	guest_end(self->dev);
	EXPECT_EQ(0, lio_write("0", ATTRIB));
}

static void start(struct poll *self)
{
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	ready(self->r, T, L);
}

static void set_busyloop(struct poll *self, unsigned int us)
{
	struct vhost_vring_state state = { .index = self->r->index, .num = us };

	ASSERT_EQ(0, vsg_ioctl(self->dev, VHOST_SET_VRING_BUSYLOOP_TIMEOUT,
			       &state));
}

/* Kicks for each hundred commands, one at a time. */
static unsigned long kicks(struct vsg_ring *r)
{
	unsigned int i, commands = COMMANDS / t_factor();
	struct vsg_req *req = request(r->dev, 0, 4096);
	unsigned long before = 0;

	for (i = 0; i < commands + 200; i++) {
		/* What is learnt is learnt by then. */
		if (i == 200)
			before = r->nr_kicks;
		vsg_cmd_rw(req, T, L, false, i % 1024, 8, BLOCK);
		ASSERT_EQ(0, vsg_exec(r, req, WAIT_MS));
		ASSERT_TRUE(vsg_good(req));
	}
	vsg_req_free(req);
	return (r->nr_kicks - before) * 100 / commands;
}

/* With polling: a worker that loses its processor meanwhile needs kicks, but not each time. */
static unsigned long fewest_kicks(struct vsg_ring *r)
{
	unsigned long n, fewest = 100;
	unsigned int tries;

	for (tries = 0; tries < 10 && fewest > 50; tries++) {
		n = kicks(r);
		if (n < fewest)
			fewest = n;
	}
	return fewest;
}

/* What the module counts of the queue: polls that found a request, and polls in vain. */
static void polls(struct poll *self, uint64_t nr[2])
{
	uint64_t ring[SEE_RINGS];
	long device = see_device(getpid(), WWN_A);

	ASSERT_EQ(SEE_RINGS, see_numbers(device, ring, SEE_RINGS, "queues/%u/ring",
					 self->r->index));
	nr[0] = ring[SEE_PAID];
	nr[1] = ring[SEE_UNPAID];
}

/* Calls @fn with the line "stat" of every thread named vhost-*, of all processes. */
static void look_at_workers(void (*fn)(const char *stat, void *priv), void *priv)
{
	char path[512], line[1024];
	DIR *procs = opendir("/proc"), *tasks;
	struct dirent *p, *t;

	ASSERT_TRUE(procs);
	while ((p = readdir(procs))) {
		if (!isdigit(p->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/task", p->d_name);
		tasks = opendir(path);
		while (tasks && (t = readdir(tasks))) {
			snprintf(path, sizeof(path), "/proc/%.20s/task/%.20s/stat",
				 p->d_name, t->d_name);
			if (!read_file(path, line, sizeof(line)) &&
			    strstr(line, "(vhost-"))
				fn(line, priv);
		}
		if (tasks)
			closedir(tasks);
	}
	closedir(procs);
}

static void add_ticks(const char *stat, void *priv)
{
	unsigned long *sum = priv, user, system;
	const char *rest = strrchr(stat, ')');

	/* utime and stime are the 14th and 15th field. */
	static const char form[] = "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu";

	if (rest && sscanf(rest + 2, form, &user, &system) == 2)
		*sum += user + system;
}

/* Clock ticks that workers took. */
static unsigned long worker_ticks(void)
{
	unsigned long sum = 0;

	look_at_workers(add_ticks, &sum);
	return sum;
}

static void run_on(pid_t tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	EXPECT_EQ(0, sched_setaffinity(tid, sizeof(set), &set));
}

static void run_worker_on_1(const char *stat, void *priv)
{
	run_on(atoi(stat), 1);
}

/* As who wants to have polling would: the guest here, the worker there. */
static void part(void)
{
	run_on(0, 0);
	look_at_workers(run_worker_on_1, NULL);
}

TEST_F(poll, values)
{
	char value[16];

	ASSERT_EQ(0, read_file(LIO_ROOT "/" ATTRIB, value, sizeof(value)));
	EXPECT_EQ(0, atoi(value));
	EXPECT_EQ(0, lio_write("10000", ATTRIB));
	EXPECT_EQ(-EINVAL, lio_write("10001", ATTRIB));
	EXPECT_EQ(-EINVAL, lio_write("-1", ATTRIB));
	EXPECT_EQ(-EINVAL, lio_write("some", ATTRIB));
	ASSERT_EQ(0, read_file(LIO_ROOT "/" ATTRIB, value, sizeof(value)));
	EXPECT_EQ(10000, atoi(value));
}

/* fewest_kicks() tries ten times beside a load. */
TEST_F_TIMEOUT(poll, kicks_are_spared, 240)
{
	uint64_t before[2], after[2];
	unsigned long none, some;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP("one processor: whoever polls keeps the guest from it");
	start(self);
	part();
	none = kicks(self->r);
	polls(self, before);
	EXPECT_EQ(0, before[0]);
	EXPECT_EQ(0, before[1]);
	set_busyloop(self, LONG_US);
	some = fewest_kicks(self->r);
	polls(self, before);
	/* The last of all finds nothing. */
	usleep(200000 * t_factor());
	polls(self, after);
	EXPECT_LE(1, after[0]);
	EXPECT_LE(1, after[1]);
	EXPECT_EQ(before[0], after[0]);
	EXPECT_LE(after[1], before[1] + 1);
	printf("# of 100 commands %lu need a kick, with polling %lu\n", none,
	       some);
	EXPECT_LE(90, none);
	EXPECT_LE(some, 50);

	WHERE("it can be ended");
	set_busyloop(self, 0);
	EXPECT_LE(90, kicks(self->r));
	polls(self, before);
	EXPECT_EQ(after[0], before[0]);
	EXPECT_EQ(after[1], before[1]);
}

TEST_F_TIMEOUT(poll, attribute, 240)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP("one processor: whoever polls keeps the guest from it");
	ASSERT_EQ(0, lio_write("10000", ATTRIB));
	start(self);
	part();
	EXPECT_LE(fewest_kicks(self->r), 50);
	ASSERT_EQ(0, vsg_stop(self->dev));
	ASSERT_EQ(0, lio_write("0", ATTRIB));
	start(self);
	EXPECT_LE(90, kicks(self->r));
}

/* Of the worker, with so many commands. */
static unsigned long ticks_of_two_seconds(struct poll *self, unsigned int commands)
{
	unsigned long before = worker_ticks(), ticks;
	unsigned int i;

	for (i = 0; i < commands; i++) {
		ready(self->r, T, L);
		usleep(2000000 / commands);
	}
	if (!commands)
		sleep(2);
	ticks = worker_ticks() - before;
	printf("# %lu of %ld ticks\n", ticks, 2 * sysconf(_SC_CLK_TCK));
	return ticks;
}

/*
 * On a kernel that checks much, 20 commands alone take 6 to 12 ticks of an emulated
 * processor, and to poll after each in vain 20 more. What varies is only added: the least
 * of a few is meant.
 */
TEST_F_TIMEOUT(poll, idle_worker_sleeps, 90)
{
	const unsigned long most = 2 * sysconf(_SC_CLK_TCK) / 20;
	enum { TRIES = 3 };
	unsigned long ticks = ~0UL;
	unsigned int i;

	ASSERT_EQ(0, lio_write("10000", ATTRIB));
	start(self);
	kicks(self->r);
	usleep(200000 * t_factor());
	for (i = 0; i < TRIES && ticks > most; i++)
		ticks = ticks_of_two_seconds(self, 0);
	EXPECT_LE(ticks, most);

	WHERE("a command now and then");
	ticks = ~0UL;
	for (i = 0; i < TRIES && ticks > most; i++) {
		/* It learns to look for long. */
		for (unsigned int k = 0; k < 50; k++) {
			ready(self->r, T, L);
			usleep(5000);
		}
		ticks = ticks_of_two_seconds(self, 20);
	}
	EXPECT_LE(ticks, most);
}

/* One worker for both: neither waits for the other's polling to end. */
TEST_F_TIMEOUT(poll, two_queues, 60)
{
	struct load load[2];
	unsigned int i;

	ASSERT_EQ(0, lio_write("10000", ATTRIB));
	start(self);
	for (i = 0; i < 2; i++) {
		load[i] = (struct load) {
			.r = vsg_io(self->dev, i), .target = T, .lun = L,
			.lba = i * 8, .depth = 1 + 3 * i,
		};
		load_start(&load[i]);
	}
	sleep(3);
	for (i = 0; i < 2; i++) {
		load_end(&load[i]);
		printf("# queue %u: %lu requests\n", i, load[i].done);
		EXPECT_LE(100, load[i].done);
	}
}

/*
 * However busy a polled queue is, its owner has its say: before the worker has
 * dealt with many more requests.
 */
TEST_F_TIMEOUT(poll, ioctl_under_load, 60)
{
	struct load load = { .target = T, .lun = L, .depth = 2 };
	unsigned long before, most = 0;
	unsigned int i;

	start(self);
	part();
	set_busyloop(self, LONG_US);
	load.r = self->r;
	load_start(&load);
	usleep(200000);
	for (i = 0; i < 50; i++) {
		before = __atomic_load_n(&load.done, __ATOMIC_RELAXED);
		set_busyloop(self, LONG_US);
		before = __atomic_load_n(&load.done, __ATOMIC_RELAXED) - before;
		if (before > most)
			most = before;
		usleep(5000);
	}
	load_end(&load);
	printf("# %lu requests, at most %lu during an ioctl\n", load.done, most);
	EXPECT_LE(most, 256);
}

/* Whoever polls is stopped, moved and killed as whoever does not. */
TEST_F_TIMEOUT(poll, stop_and_start, 60)
{
	unsigned int i;

	ASSERT_EQ(0, lio_write("10000", ATTRIB));
	for (i = 0; i < 50; i++) {
		struct load load = { .target = T, .lun = L, .depth = 4 };

		WHERE("time %u", i);
		start(self);
		load.r = self->r;
		load_start(&load);
		usleep(20000);
		load_end(&load);
		ASSERT_EQ(0, vsg_stop(self->dev));
	}
}
