// SPDX-License-Identifier: GPL-2.0-only
/* Proves: a fatal signal ends an ioctl at once, in the state that contract.rst promises. */

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "support.h"

#define T 1
#define STACK 65536
#define PAGE 4096
#define MORE_GPA 0x100000000ULL

enum { LUN_HANG, LUN_RAM };

int suite_setup(void)
{
	return lio_suite("hangable hang 16; ramdisk ram 16\n"
			 "tpg " WWN_A " 1; lun " WWN_A " 1 0 hang\n"
			 "lun " WWN_A " 1 1 ram\n"
			 "tpg " WWN_B " 1; lun " WWN_B " 1 0 ram");
}

void suite_teardown(void)
{
	lio_suite_end();
}

/**
 * struct killed - a guest with a write under way on a backend that hangs
 * @dev: the guest
 * @r: its only request queue
 * @req: the write
 * @hung: the backend still hangs
 */
FIXTURE(killed)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *req;
	bool hung;
};

FIXTURE_SETUP(killed)
{
	self->dev = guest(WWN_A, NULL);
	self->r = vsg_io(self->dev, 0);
	ready(self->r, T, LUN_RAM);
	ready(self->r, T, LUN_HANG);
	ASSERT_EQ(0, lio("hang hang"));
	self->hung = true;
	self->req = request(self->dev, 4096, 0);
	vsg_cmd_rw(self->req, T, LUN_HANG, true, 0, 8, BLOCK);
	ASSERT_EQ(0, vsg_submit(self->r, self->req));
	vsg_ring_kick(self->r);
	reach_backend();
}

static void backend_release(struct killed *self)
{
	if (self->hung)
		EXPECT_EQ(0, lio("unhang hang"));
	self->hung = false;
}

FIXTURE_TEARDOWN(killed)
{
	backend_release(self);
	vsg_close(self->dev);
}

/* One ioctl of a process that shares the owner's memory, as a thread would. */
struct call {
	int fd;
	unsigned long cmd;
	void *arg;
	char stack[STACK];
};

static int call_run(void *arg)
{
	struct call *call = arg;

	ioctl(call->fd, call->cmd, call->arg);
	_exit(1);
}

/*
 * Does @pid sleep in an ioctl? "running" stands for the number of the system call of a
 * process that has a processor or waits for one.
 */
static bool in_ioctl(pid_t pid)
{
	int64_t end = vsg_now_ms() + WAIT_MS;
	char path[40], text[256];

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	do {
		if (!read_file(path, text, sizeof(text)) &&
		    strtol(text, NULL, 10) == SYS_ioctl)
			return true;
		usleep(1000);
	} while (vsg_now_ms() < end);
	return false;
}

static pid_t call_start(struct vsg_dev *dev, unsigned long cmd, void *arg)
{
	static struct call calls[2];
	static unsigned int n;
	struct call *call = &calls[n++ % 2];
	pid_t pid;

	call->fd = dev->fd;
	call->cmd = cmd;
	call->arg = arg;
	/* A thread could not be killed alone. */
	pid = clone(call_run, call->stack + STACK,
		    CLONE_VM | CLONE_FILES | SIGCHLD, call);
	ASSERT_NE(-1, pid);
	WHERE("it waits");
	EXPECT_TRUE(in_ioctl(pid));
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	WHERE("%s", "");
	return pid;
}

static void call_kill(pid_t pid)
{
	int64_t start = vsg_now_ms();
	int status = 0;

	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	WHERE("it is killed");
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_LE(vsg_now_ms() - start, 1000 * t_factor());
	WHERE("%s", "");
}

static int set_state(struct vsg_dev *dev, unsigned long cmd, uint32_t num)
{
	struct vhost_vring_state state = { .index = 2, .num = num };

	return vsg_ioctl(dev, cmd, &state);
}

static int set_kick(struct vsg_ring *r)
{
	struct vhost_vring_file file = { .index = r->index, .fd = r->kick };

	return vsg_ioctl(r->dev, VHOST_SET_VRING_KICK, &file);
}

/* The write that hung was carried out, and its guest goes on. */
static void answered(struct killed *self)
{
	EXPECT_EQ(0, vsg_token_wait(&self->req->tok, WAIT_MS));
	EXPECT_TRUE(vsg_good(self->req));
}

TEST_F(killed, get_vring_base)
{
	struct vhost_vring_state state = { .index = 2 };
	struct vsg_dev *dev = self->dev;

	call_kill(call_start(dev, VHOST_GET_VRING_BASE, &state));
	/* It has stopped, and is live until the last answer. */
	EXPECT_EQ(-EBUSY, set_kick(self->r));
	EXPECT_EQ(-EBUSY, set_state(dev, VHOST_SET_VRING_NUM, 64));
	EXPECT_EQ(-EBUSY, set_state(dev, VHOST_SET_VRING_BASE, 0));
	EXPECT_FALSE(self->req->tok.done);
	backend_release(self);
	ASSERT_EQ(0, vsg_ioctl(dev, VHOST_GET_VRING_BASE, &state));
	EXPECT_EQ(vsg_v16(self->r, self->r->used->idx), state.num);
	answered(self);
	EXPECT_EQ(0, set_kick(self->r));
	ready(self->r, T, LUN_RAM);
	EXPECT_EQ(0, vsg_stop(dev));
}

TEST_F(killed, clear_endpoint)
{
	struct vhost_scsi_target target = { .abi_version = 1,
					    .vhost_wwpn = WWN_A };
	struct vsg_req *late = request(self->dev, 0, 0);
	struct vsg_dev *dev = self->dev, *other;

	call_kill(call_start(dev, VHOST_SCSI_CLEAR_ENDPOINT, &target));
	/* It stays bound, to this owner only. */
	EXPECT_EQ(-EEXIST, vsg_ioctl(dev, VHOST_SCSI_SET_ENDPOINT, &target));
	ASSERT_EQ(0, vsg_open(&other, NULL));
	EXPECT_EQ(-EBUSY, vsg_start(other, WWN_A));
	vsg_close(other);
	/* Nothing is taken from the queues any more. */
	vsg_cmd_tur(late, T, LUN_RAM);
	ASSERT_EQ(0, vsg_submit(self->r, late));
	vsg_ring_kick(self->r);
	usleep(200000);
	EXPECT_EQ(NULL, vsg_ring_poll(self->r));
	backend_release(self);
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SCSI_CLEAR_ENDPOINT, &target));
	answered(self);
	EXPECT_FALSE(late->tok.done);
}

TEST_F(killed, reset_owner)
{
	struct vsg_dev *dev = self->dev;

	call_kill(call_start(dev, VHOST_RESET_OWNER, NULL));
	EXPECT_EQ(-EBUSY, set_state(dev, VHOST_SET_VRING_NUM, 64));
	backend_release(self);
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_RESET_OWNER, NULL));
	answered(self);
	EXPECT_EQ(-EPERM, set_state(dev, VHOST_SET_VRING_NUM, 64));
	EXPECT_EQ(0, vsg_ioctl(dev, VHOST_SET_OWNER, NULL));
	vsg_ring_reset(self->r);
	ASSERT_EQ(0, vsg_start(dev, WWN_A));
	ready(self->r, T, LUN_RAM);
	EXPECT_EQ(0, vsg_stop(dev));
}

/*
 * RESET_OWNER waits for the worker to end, which has no processor: the device has its
 * owner still, but nobody who would serve it.
 */
TEST(reset_owner_without_worker)
{
	struct vhost_scsi_target target = { .abi_version = 1,
					    .vhost_wwpn = WWN_B };
	struct vsg_dev *dev;
	struct hog hog;
	pid_t worker;

	if (!hog_possible())
		SKIP("one processor, or a realtime kernel");
	ASSERT_EQ(0, vsg_open(&dev, NULL));
	ASSERT_EQ(1, threads_named("vhost-", &worker, 1));
	hog_start(&hog, worker);
	call_kill(call_start(dev, VHOST_RESET_OWNER, NULL));
	hog_end(&hog);

	WHERE("until RESET_OWNER");
	EXPECT_EQ(-EBUSY, vsg_set_mem_table(dev));
	EXPECT_EQ(-EBUSY, vsg_ring_start(vsg_io(dev, 0)));
	EXPECT_EQ(-EBUSY, vsg_ioctl(dev, VHOST_SCSI_SET_ENDPOINT, &target));
	EXPECT_EQ(-EBUSY, vsg_ioctl(dev, VHOST_SCSI_CLEAR_ENDPOINT, &target));
	EXPECT_EQ(-EBUSY, vsg_ioctl(dev, VHOST_SET_OWNER, NULL));
	WHERE("after it");
	ASSERT_EQ(0, vsg_ioctl(dev, VHOST_RESET_OWNER, NULL));
	ASSERT_EQ(0, vsg_ioctl(dev, VHOST_SET_OWNER, NULL));
	ASSERT_EQ(0, vsg_start(dev, WWN_B));
	ready(vsg_io(dev, 0), T, 0);
	guest_end(dev);
	WHERE("and for others");
	guest_end(guest(WWN_B, NULL));
}

/* ioctls of one file run one at a time: those that wait for one that waits. */
TEST_F(killed, behind_another)
{
	struct vhost_vring_state state[2] = { { .index = 2 }, { .index = 2 } };
	struct vsg_dev *dev = self->dev;
	pid_t first, second;

	first = call_start(dev, VHOST_GET_VRING_BASE, &state[0]);
	second = call_start(dev, VHOST_GET_VRING_BUSYLOOP_TIMEOUT, &state[1]);
	call_kill(second);
	EXPECT_EQ(0, waitpid(first, NULL, WNOHANG));
	call_kill(first);
	backend_release(self);
	ASSERT_EQ(0, vsg_ioctl(dev, VHOST_GET_VRING_BASE, &state[0]));
	answered(self);
	EXPECT_EQ(0, vsg_stop(dev));
}

/**
 * struct untold - a guest whose worker was killed when it was about to tell of an answer
 * @dev: the guest, whose rings are copies
 * @r: its only request queue
 * @pages: the device area of @r, and a page for another one
 * @req: the write that was answered
 * @late: the device area, which is not there
 * @vw: the worker that lives
 */
FIXTURE(untold)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	uint8_t *pages;
	struct vsg_req *req;
	struct late late;
	struct vhost_vring_worker vw;
};

FIXTURE_SETUP(untold)
{
	static struct sharer sharer;

	if (!have_vhost_tasks())
		SKIP("kernel threads are not killed with a process");
	memlock_limit(0);
	ASSERT_EQ(0, vsg_open(&self->dev, NULL));
	self->r = vsg_io(self->dev, 0);
	ASSERT_EQ(0, vsg_mem_add(&self->dev->mem, MORE_GPA, 2 * PAGE, 0));
	self->pages = self->dev->mem.region[1].hva;
	self->dev->mem.region[1].used = 2 * PAGE;
	ASSERT_EQ(0, madvise(self->pages, 2 * PAGE, MADV_NOHUGEPAGE));
	memset(self->pages, 0, 2 * PAGE);
	self->r->used = (void *)self->pages;
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	self->vw.index = VSG_CTL;
	ASSERT_EQ(0, vsg_ioctl(self->dev, VHOST_GET_VRING_WORKER, &self->vw));
	sharer_start(&sharer, self->dev);
	ASSERT_EQ(0, worker_attach(self->dev, 0, sharer.id));
	ready(self->r, T, LUN_RAM);
	ready(self->r, T, LUN_HANG);

	ASSERT_EQ(0, lio("hang hang"));
	self->req = request(self->dev, 4096, 0);
	vsg_cmd_rw(self->req, T, LUN_HANG, true, 0, 8, BLOCK);
	ASSERT_EQ(0, vsg_submit(self->r, self->req));
	vsg_ring_kick(self->r);
	reach_backend();
	late_start(&self->late, self->pages);
	ASSERT_EQ(0, lio("unhang hang"));
	late_wait(&self->late);
	sharer_kill(&sharer);
}

FIXTURE_TEARDOWN(untold)
{
	guest_end(self->dev);
}

/* The answer comes, and the guest goes on. */
static void told(struct untold *self)
{
	EXPECT_EQ(0, worker_attach(self->dev, 0, self->vw.worker_id));
	EXPECT_EQ(0, vsg_token_wait(&self->req->tok, WAIT_MS));
	EXPECT_TRUE(vsg_good(self->req));
	ready(self->r, T, LUN_RAM);
}

/* The guest hears of a command before it hears of the function that concerned it. */
TEST_F(untold, untold_then_a_function)
{
	struct vsg_ctl *ctl = vsg_ctl_alloc(self->dev);

	ASSERT_EQ(0, vsg_tmf_submit(ctl, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, T,
				    LUN_HANG, 0));
	vsg_ring_kick(&self->dev->ring[VSG_CTL]);
	EXPECT_EQ(-ETIMEDOUT, vsg_token_wait(&ctl->tok, 500));
	late_end(&self->late);
	told(self);
	EXPECT_EQ(0, vsg_token_wait(&ctl->tok, WAIT_MS));
	vsg_ctl_free(ctl);
}

/* Whoever stops the queue tells the guest first; if it is killed, the next one does. */
TEST_F(untold, untold_then_stopped)
{
	struct vhost_vring_state state = { .index = 2 };

	call_kill(call_start(self->dev, VHOST_GET_VRING_BASE, &state));
	late_end(&self->late);
	ASSERT_EQ(0, vsg_ioctl(self->dev, VHOST_GET_VRING_BASE, &state));
	EXPECT_EQ(vsg_v16(self->r, self->r->used->idx), state.num);
	EXPECT_EQ(0, set_kick(self->r));
	told(self);
}

/* The guest hears of the answer where its ring is now. */
static void moved(struct untold *self, unsigned long limit)
{
	memlock_limit(limit);
	late_end(&self->late);
	memcpy(self->pages + PAGE, self->late.copy, PAGE);
	self->r->used = (void *)(self->pages + PAGE);
	ASSERT_EQ(0, vsg_ring_set_addr(self->r));
	told(self);
}

TEST_F(untold, untold_then_moved)
{
	moved(self, 0);
}

TEST_F(untold, untold_then_moved_and_pinned)
{
	moved(self, RLIM_INFINITY);
}
