// SPDX-License-Identifier: GPL-2.0-only
/* Proves: devices that are opened, closed, killed or lose LUNs leak nothing and block nobody. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "load.h"
#include "see.h"

#define T 1

enum { LUN_RAM, LUN_HANG, LUN_SLOW, LUN_HOT };

int suite_setup(void)
{
	return lio_suite("ramdisk ram 16; hangable hang 16\n"
			 "delayed slow 16 30 30; ramdisk hot 16\n"
			 "tpg " WWN_A " 1; lun " WWN_A " 1 0 ram\n"
			 "lun " WWN_A " 1 1 hang; lun " WWN_A " 1 2 slow\n"
			 "tpg " WWN_B " 1; lun " WWN_B " 1 0 ram\n");
}

void suite_teardown(void)
{
	lio_suite_end();
}

static void one_life(bool stop, bool finish)
{
	struct vsg_opts opts = { .nr_io = 2, .mem_size = 4 << 20 };
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_ring *r = vsg_io(dev, 1);
	unsigned int i;

	ready(r, T, LUN_RAM);
	for (i = 0; i < 16; i++) {
		struct vsg_req *req = request(dev, 0, 16384);

		vsg_cmd_rw(req, T, i & 1 ? LUN_SLOW : LUN_RAM, false, 0, 32,
			   BLOCK);
		ASSERT_EQ(0, vsg_submit(r, req));
	}
	vsg_ring_kick(r);
	if (finish)
		ASSERT_EQ(0, vsg_ring_drain(r, WAIT_MS));
	if (stop)
		EXPECT_EQ(0, vsg_stop(dev));
	vsg_close(dev);
}

/* The endpoint is free as soon as the last command of the dead guest is. */
static void wait_free(const char *wwn)
{
	int64_t end = vsg_now_ms() + WAIT_MS;
	struct vsg_dev *dev;
	int ret;

	ASSERT_EQ(0, vsg_open(&dev, NULL));
	do {
		ret = vsg_start(dev, wwn);
		if (ret)
			usleep(10000);
	} while (ret == -EBUSY && vsg_now_ms() < end);
	EXPECT_EQ(0, ret);
	vsg_close(dev);
}

static void cycles(unsigned int n, bool stop, bool finish)
{
	long long pinned = pins(), slab, free_kb;
	unsigned int i;

	/* Once, so that what is kept for ever is there. */
	one_life(stop, finish);
	wait_free(WWN_A);
	slab = stat_value("/proc/meminfo", "SUnreclaim");
	free_kb = stat_value("/proc/meminfo", "MemAvailable");
	for (i = 0; i < n; i++) {
		one_life(stop, finish);
		if (!stop || !finish)
			wait_free(WWN_A);
	}
	EXPECT_TRUE(pins_settle(pinned, 5000));
	EXPECT_TRUE(threads_settle(0, 2000));
	/* A page lost in each cycle would show; so would a struct of 1 KiB. */
	usleep(300000);
	slab = stat_value("/proc/meminfo", "SUnreclaim") - slab;
	free_kb -= stat_value("/proc/meminfo", "MemAvailable");
	if (memory_is_tracked())
		return;
	EXPECT_LE(slab, 4096);
	EXPECT_LE(free_kb, 16384);
}

TEST_TIMEOUT(cycles_with_stop, 60)
{
	cycles(100, true, true);
}

TEST_TIMEOUT(cycles_without_stop, 60)
{
	cycles(30, false, true);
}

TEST_TIMEOUT(cycles_with_commands_under_way, 60)
{
	cycles(20, false, false);
}

/* What the workers of guest_process() are. */
static bool kernel_threads;

/* A guest in a process of its own, which says when it is under way. */
static pid_t guest_process(void (*body)(struct vsg_dev *dev, int ready_fd))
{
	struct vsg_opts opts = { .nr_io = 2, .kernel_threads = kernel_threads };
	struct vsg_dev *dev;
	int fds[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(fds));
	pid = fork();
	if (!pid) {
		close(fds[0]);
		if (vsg_open(&dev, &opts) || vsg_start(dev, WWN_A))
			_exit(1);
		body(dev, fds[1]);
		_exit(0);
	}
	close(fds[1]);
	/* The end of the file means that the process is gone already. */
	ASSERT_EQ(1, read(fds[0], &c, 1));
	close(fds[0]);
	return pid;
}

static void say_ready(int fd)
{
	if (write(fd, "r", 1) != 1)
		_exit(1);
}

/* Kills a process; it must be gone within a second. */
static void kill_quickly(pid_t pid)
{
	int64_t start = vsg_now_ms();
	int status;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (vsg_now_ms() - start > 5000 * t_factor())
			break;
		usleep(5000);
	}
	EXPECT_LE(vsg_now_ms() - start, 1000 * t_factor());
}

static void under_load(struct vsg_dev *dev, int fd)
{
	struct load load[2];
	unsigned int q;

	for (q = 0; q < 2; q++) {
		load[q] = (struct load) {
			.r = vsg_io(dev, q),
			.target = T,
			.lun = q ? LUN_SLOW : LUN_RAM,
			.lba = q * 64,
			.depth = 32,
			.may_fail = true,
		};
		load_start(&load[q]);
	}
	usleep(30000);
	say_ready(fd);
	pause();
}

static void kill_under_load(void)
{
	long long pinned = pins();
	unsigned int i;

	for (i = 0; i < 10; i++) {
		pid_t pid = guest_process(under_load);

		usleep(rand() % 20000);
		kill_quickly(pid);
		wait_free(WWN_A);
	}
	EXPECT_TRUE(pins_settle(pinned, 5000));
	EXPECT_TRUE(threads_settle(0, 2000));
}

TEST_TIMEOUT(killed_under_load, 60)
{
	kill_under_load();
}

TEST_TIMEOUT(killed_under_load_kernel_threads, 60)
{
	kernel_threads = true;
	kill_under_load();
}

/* Commands of every kind on a backend that does not answer. */
static void stuck(struct vsg_dev *dev, int fd)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		struct vsg_ring *r = vsg_io(dev, i % 2);
		struct vsg_req *req = vsg_req_alloc(dev, 16384, 16384, 0);

		vsg_cmd_rw(req, T, LUN_HANG, i & 2, 0, 32, BLOCK);
		if (vsg_submit(r, req))
			_exit(1);
		vsg_ring_kick(r);
	}
	usleep(200000);
	say_ready(fd);
	pause();
}

static void stuck_in_tmf(struct vsg_dev *dev, int fd)
{
	struct vsg_req *req = vsg_req_alloc(dev, 4096, 0, 0);
	struct vsg_ctl *ctl = vsg_ctl_alloc(dev);

	vsg_cmd_rw(req, T, LUN_HANG, true, 0, 8, BLOCK);
	if (vsg_submit(vsg_io(dev, 0), req))
		_exit(1);
	vsg_ring_kick(vsg_io(dev, 0));
	usleep(100000);
	if (vsg_tmf_submit(ctl, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, T,
			   LUN_HANG, 0))
		_exit(1);
	usleep(100000);
	say_ready(fd);
	pause();
}

/* CLEAR_ENDPOINT has to wait, and must let itself be killed. */
static void stuck_in_stop(struct vsg_dev *dev, int fd)
{
	struct vsg_req *req = vsg_req_alloc(dev, 4096, 0, 0);

	vsg_cmd_rw(req, T, LUN_HANG, true, 0, 8, BLOCK);
	if (vsg_submit(vsg_io(dev, 0), req))
		_exit(1);
	vsg_ring_kick(vsg_io(dev, 0));
	usleep(100000);
	say_ready(fd);
	vsg_stop(dev);
	/* It came back, though the backend has not answered. */
	_exit(1);
}

FIXTURE(hung)
{
	bool hung;
};

FIXTURE_SETUP(hung)
{
	struct vsg_dev *dev = guest(WWN_A, NULL);

	ready(vsg_io(dev, 0), T, LUN_RAM);
	ready(vsg_io(dev, 0), T, LUN_HANG);
	guest_end(dev);
	ASSERT_EQ(0, lio("hang hang"));
	self->hung = true;
}

static void backend_release(struct hung *self)
{
	if (self->hung)
		EXPECT_EQ(0, lio("unhang hang"));
	self->hung = false;
}

FIXTURE_TEARDOWN(hung)
{
	backend_release(self);
}

static void killed(struct hung *self, void (*body)(struct vsg_dev *dev, int fd))
{
	long long pinned = pins();
	struct vsg_dev *dev;
	pid_t pid;

	pid = guest_process(body);
	if (body == stuck_in_stop)
		usleep(300000);
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	kill_quickly(pid);

	/* What the old owner wrote must not land on a new owner's data. */
	ASSERT_EQ(0, vsg_open(&dev, NULL));
	EXPECT_EQ(-EBUSY, vsg_start(dev, WWN_A));
	EXPECT_EQ(0, vsg_start(dev, WWN_B));
	ready(vsg_io(dev, 0), T, 0);
	EXPECT_EQ(0, vsg_stop(dev));
	vsg_close(dev);

	backend_release(self);
	wait_free(WWN_A);
	EXPECT_TRUE(pins_settle(pinned, 5000));
	EXPECT_TRUE(threads_settle(0, 5000));
}

TEST_F(hung, killed_with_commands)
{
	killed(self, stuck);
}

TEST_F(hung, killed_with_commands_kernel_threads)
{
	kernel_threads = true;
	killed(self, stuck);
}

TEST_F(hung, killed_with_reset)
{
	killed(self, stuck_in_tmf);
}

TEST_F(hung, killed_in_clear_endpoint)
{
	killed(self, stuck_in_stop);
}

/* The same without a kill: close() comes back at once. */
TEST_F(hung, closed_with_commands)
{
	struct vsg_dev *dev = guest(WWN_A, NULL), *next;
	struct vsg_req *req = request(dev, 4096, 0);
	int64_t start;

	vsg_cmd_rw(req, T, LUN_HANG, true, 0, 8, BLOCK);
	ASSERT_EQ(0, vsg_submit(vsg_io(dev, 0), req));
	vsg_ring_kick(vsg_io(dev, 0));
	usleep(100000);
	start = vsg_now_ms();
	vsg_close(dev);
	EXPECT_LE(vsg_now_ms() - start, 1000 * t_factor());
	ASSERT_EQ(0, vsg_open(&next, NULL));
	EXPECT_EQ(-EBUSY, vsg_start(next, WWN_A));
	vsg_close(next);
	backend_release(self);
	wait_free(WWN_A);
}

/* Other LUNs and queues do not wait for a backend that hangs. */
TEST_F(hung, others_go_on)
{
	struct vsg_opts opts = { .nr_io = 2 };
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_req *stuck_req[8], *req = request(dev, 0, 4096);
	unsigned int i;

	for (i = 0; i < 8; i++) {
		stuck_req[i] = request(dev, 4096, 4096);
		vsg_cmd_rw(stuck_req[i], T, LUN_HANG, i & 1, 0, 8, BLOCK);
		ASSERT_EQ(0, vsg_submit(vsg_io(dev, 0), stuck_req[i]));
	}
	vsg_ring_kick(vsg_io(dev, 0));
	usleep(100000);
	for (i = 0; i < 100; i++) {
		vsg_cmd_rw(req, T, LUN_RAM, false, 0, 8, BLOCK);
		exec_good(vsg_io(dev, i % 2), req);
	}
	for (i = 0; i < 8; i++)
		EXPECT_FALSE(stuck_req[i]->tok.done);
	backend_release(self);
	ASSERT_EQ(0, vsg_ring_drain(vsg_io(dev, 0), WAIT_MS));
	for (i = 0; i < 8; i++)
		EXPECT_TRUE(vsg_good(stuck_req[i]));
	guest_end(dev);
}

/* What does not fit is answered at once, and nothing of it was transferred. */
TEST_F(hung, more_than_fit)
{
	enum { N = 1100, SLOTS = 1024 };
	struct vsg_opts opts = { .ring_size = 2048 };
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_ring *r = vsg_io(dev, 0);
	static struct vsg_req *req[N];
	unsigned int i, full = 0, good = 0;
	int64_t end = vsg_now_ms() + WAIT_MS;

	for (i = 0; i < N; i++) {
		req[i] = request(dev, BLOCK, BLOCK);
		vsg_cmd_rw(req[i], T, LUN_HANG, i & 1, i, 1, BLOCK);
		ASSERT_EQ(0, vsg_submit(r, req[i]));
	}
	vsg_ring_kick(r);
	while (full < N - SLOTS && vsg_now_ms() < end)
		full += !!vsg_ring_poll(r);
	EXPECT_EQ(N - SLOTS, full);
	if (exists(SEE_DEVICES))
		EXPECT_EQ(N - SLOTS, see_number(see_device(getpid(), WWN_A), SEE_TASK_SET_FULL,
						"errors"));
	full = 0;
	for (i = 0; i < N; i++) {
		struct vsg_result res = vsg_result(req[i]);

		if (!req[i]->tok.done)
			continue;
		full++;
		EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
		EXPECT_EQ(VSG_TASK_SET_FULL, res.status);
		EXPECT_EQ(BLOCK, res.resid);
		EXPECT_EQ(0, res.sense_len);
		EXPECT_EQ(VSG_RESP_LEN, req[i]->tok.len);
	}
	backend_release(self);
	ASSERT_EQ(0, vsg_ring_drain(r, WAIT_MS));
	for (i = 0; i < N; i++)
		good += vsg_good(req[i]);
	EXPECT_EQ(N, good + full);
	guest_end(dev);
}

/*
 * Bounce buffers have a bound. Who is beyond it is told so, and the pages of the
 * refused buffer, here that of all, stay the guest's.
 */
TEST_F(hung, more_than_is_bounced)
{
	enum { N = 9, BYTES = 15 << 20, CUT = 256 };
	struct vsg_opts opts = { .mem_size = 20 << 20 };
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_req *first = request(dev, 0, BYTES), *req[N] = { first };
	uint64_t gpa = vsg_gpa(&dev->mem, first->data_in);
	struct vsg_ring *r = vsg_io(dev, 0);
	struct vsg_result res;
	unsigned int i;

	for (i = 0; i < N; i++) {
		if (i)
			req[i] = request(dev, 0, 0);
		vsg_cmd_rw(req[i], T, LUN_HANG, false, 0, BYTES / BLOCK, BLOCK);
		req[i]->nseg = 2;
		vsg_req_seg(req[i], gpa, CUT, VRING_DESC_F_WRITE);
		vsg_req_seg(req[i], gpa + CUT, BYTES - CUT, VRING_DESC_F_WRITE);
		ASSERT_EQ(0, vsg_submit(r, req[i]));
	}
	vsg_ring_kick(r);
	ASSERT_EQ(0, vsg_token_wait(&req[N - 1]->tok, WAIT_MS));
	res = vsg_result(req[N - 1]);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_TASK_SET_FULL, res.status);
	EXPECT_EQ(BYTES, res.resid);
	EXPECT_EQ(VSG_RESP_LEN, req[N - 1]->tok.len);
	EXPECT_EQ(N - 1, r->outstanding);
	backend_release(self);
	ASSERT_EQ(0, vsg_ring_drain(r, WAIT_MS));
	for (i = 0; i < N - 1; i++)
		EXPECT_TRUE(vsg_good(req[i]));
	/* There is room again. */
	ASSERT_EQ(0, vsg_submit(r, req[N - 1]));
	vsg_ring_kick(r);
	ASSERT_EQ(0, vsg_ring_drain(r, WAIT_MS));
	EXPECT_TRUE(vsg_good(req[N - 1]));
	guest_end(dev);
}

static void *kicker(void *arg)
{
	const int *fd = arg;

	while (__atomic_load_n(fd, __ATOMIC_RELAXED) >= 0)
		eventfd_write(*fd, 1);
	return NULL;
}

/*
 * Kicks up to the end, and after it: a worker that is told to end has work
 * then, and must not leave it undone.
 */
TEST_TIMEOUT(kicked_while_it_ends, 60)
{
	enum { ROUNDS = 60 };
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		struct vsg_opts opts = { .mem_size = 1 << 20, .ring_size = 16 };
		struct vsg_dev *dev = guest(WWN_A, &opts);
		int fd = dup(vsg_io(dev, 0)->kick);
		pthread_t thread;

		WHERE("round %u", i);
		ASSERT_EQ(0, pthread_create(&thread, NULL, kicker, &fd));
		usleep(rand() % 3000);
		if (i & 1) {
			/* And an owner after it, for whom all is new. */
			EXPECT_EQ(0, vsg_ioctl(dev, VHOST_RESET_OWNER, NULL));
			EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_OWNER, NULL));
			vsg_ring_reset(vsg_io(dev, 0));
			ASSERT_EQ(0, vsg_start(dev, WWN_A));
			ready(vsg_io(dev, 0), T, LUN_RAM);
		}
		vsg_close(dev);
		__atomic_store_n(&fd, -1, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
		wait_free(WWN_A);
	}
	EXPECT_TRUE(threads_settle(0, 2000));
}

/* LUNs come and go while the guest works on them and on others. */
TEST_TIMEOUT(luns_under_load, 60)
{
	struct vsg_opts opts = { .nr_io = 2 };
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct load load[2] = {
		{ .r = vsg_io(dev, 0), .target = T, .lun = LUN_RAM, .depth = 16,
		  .lba = 1024 },
		{ .r = vsg_io(dev, 1), .target = T, .lun = LUN_HOT, .depth = 16,
		  .may_fail = true },
	};
	unsigned int i;

	/* A new LUN is a unit attention for the others; load has none. */
	load[0].may_fail = true;
	load_start(&load[0]);
	load_start(&load[1]);
	for (i = 0; i < 25; i++) {
		EXPECT_EQ(0, lio("lun " WWN_A " 1 3 hot"));
		usleep(20000);
		EXPECT_EQ(0, lio("unlun " WWN_A " 1 3"));
	}
	load_end(&load[0]);
	load_end(&load[1]);
	EXPECT_LE(1, load[0].good);
	EXPECT_LE(1, load[1].good);
	EXPECT_LE(load[1].good, load[1].done - 1);
	guest_end(dev);
}

/* A LUN that goes waits for its commands, which are answered truly. */
TEST(lun_goes_with_commands_under_way)
{
	struct vsg_dev *dev;
	struct vsg_req *req[8];
	unsigned int i;

	ASSERT_EQ(0, lio("lun " WWN_A " 1 7 slow"));
	dev = guest(WWN_A, NULL);
	ready(vsg_io(dev, 0), T, 7);
	for (i = 0; i < 8; i++) {
		req[i] = request(dev, 4096, 0);
		vsg_cmd_rw(req[i], T, 7, true, i * 8, 8, BLOCK);
		ASSERT_EQ(0, vsg_submit(vsg_io(dev, 0), req[i]));
	}
	vsg_ring_kick(vsg_io(dev, 0));
	EXPECT_EQ(0, lio("unlun " WWN_A " 1 7"));
	ASSERT_EQ(0, vsg_ring_drain(vsg_io(dev, 0), WAIT_MS));
	for (i = 0; i < 8; i++) {
		struct vsg_result res = vsg_result(req[i]);

		EXPECT_TRUE(vsg_good(req[i]) || res.asc == 0x2500);
	}
	vsg_cmd_tur(req[0], T, 7);
	EXPECT_EQ(0x2500, exec(vsg_io(dev, 0), req[0]).asc);
	guest_end(dev);
}

/* What a guest uses cannot be taken away from under it. */
TEST(port_in_use)
{
	struct vsg_dev *dev = guest(WWN_A, NULL);

	ready(vsg_io(dev, 0), T, LUN_RAM);
	WHERE("remove the port group");
	EXPECT_EQ(-EBUSY, lio_rmdir("vhost/" WWN_A "/tpgt_1"));
	WHERE("remove the port");
	EXPECT_EQ(-ENOTEMPTY, lio_rmdir("vhost/" WWN_A));
	WHERE("remove the nexus");
	EXPECT_EQ(-EBUSY, lio_write("NULL", "vhost/" WWN_A "/tpgt_1/nexus"));
	WHERE("another nexus");
	EXPECT_NE(0, lio_write(LIO_WWN "0aaa", "vhost/" WWN_A "/tpgt_1/nexus"));
	WHERE("remove the fabric");
	EXPECT_EQ(-ENOTEMPTY, lio_rmdir("vhost"));
	WHERE("afterwards");
	ready(vsg_io(dev, 0), T, LUN_RAM);
	guest_end(dev);
}

/* A port group without LUNs in use, so that nothing but the use protects it. */
TEST(empty_port_in_use)
{
	struct vsg_dev *dev;

	ASSERT_EQ(0, lio("tpg " WWN_A "99 3"));
	dev = guest(WWN_A "99", NULL);
	EXPECT_EQ(-EBUSY, lio_rmdir("vhost/" WWN_A "99/tpgt_3"));
	EXPECT_EQ(-EBUSY, lio_write("NULL", "vhost/" WWN_A "99/tpgt_3/nexus"));
	guest_end(dev);
	EXPECT_EQ(0, lio_write("NULL", "vhost/" WWN_A "99/tpgt_3/nexus"));
	EXPECT_EQ(0, lio("dropwwn " WWN_A "99"));
}

/* LIO's name of an FC port and the bare one mean the same port group. */
TEST(two_names_for_a_port)
{
	struct vsg_dev *other;
	unsigned int i;

	ASSERT_EQ(0, lio("tpg " WWN_A "99 1\n"
			 "tpg fc." WWN_A "99 1 fc." WWN_A "98"));
	for (i = 0; i < 3; i++) {
		struct vsg_dev *dev = guest(WWN_A "99", NULL);

		/* It belongs to this guest, and the other to nobody. */
		ASSERT_EQ(0, vsg_open(&other, NULL));
		EXPECT_EQ(-EBUSY, vsg_start(other, WWN_A "99"));
		vsg_close(other);
		guest_end(dev);
	}
	EXPECT_EQ(0, lio("dropwwn fc." WWN_A "99"));
	EXPECT_EQ(0, lio("dropwwn " WWN_A "99"));
	/* Nobody keeps one of them. */
	ASSERT_EQ(0, vsg_open(&other, NULL));
	EXPECT_EQ(-ENODEV, vsg_start(other, WWN_A "99"));
	vsg_close(other);
}

/* A port group that comes while a guest runs belongs to the next start. */
TEST(port_group_added)
{
	struct vsg_dev *dev = guest(WWN_A, NULL);
	struct vsg_req *req = request(dev, 0, 0);

	ASSERT_EQ(0, lio("tpg " WWN_A " 9; lun " WWN_A " 9 0 ram"));
	vsg_cmd_tur(req, 9, 0);
	EXPECT_EQ(VIRTIO_SCSI_S_BAD_TARGET, exec(vsg_io(dev, 0), req).response);
	EXPECT_EQ(0, vsg_stop(dev));
	ASSERT_EQ(0, vsg_start(dev, WWN_A));
	ready(vsg_io(dev, 0), 9, 0);
	guest_end(dev);
	EXPECT_EQ(0, lio("droptpg " WWN_A " 9"));
}

/* Two processes, two devices each way, all busy. */
TEST_TIMEOUT(several_at_once, 60)
{
	struct load load[2] = {
		{ .target = T, .lun = 0, .depth = 32, .lba = 2048,
		  .may_fail = true },
		{ .target = T, .lun = 0, .depth = 32, .lba = 4096,
		  .may_fail = true },
	};
	pid_t pid = guest_process(under_load);
	struct vsg_dev *dev = guest(WWN_B, &(struct vsg_opts) { .nr_io = 2 });
	unsigned int i;

	for (i = 0; i < 2; i++) {
		load[i].r = vsg_io(dev, i);
		load_start(&load[i]);
	}
	usleep(300000 * t_factor());
	kill_quickly(pid);
	usleep(100000 * t_factor());
	for (i = 0; i < 2; i++) {
		load_end(&load[i]);
		EXPECT_LE(100, load[i].good);
	}
	guest_end(dev);
	wait_free(WWN_A);
}
