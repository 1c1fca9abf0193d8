// SPDX-License-Identifier: GPL-2.0-only
/* Proves: what hangs for one guest keeps no other guest waiting. */

#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "support.h"

#define T 1
/*
 * More than a workqueue runs at a time: 256 work items for a processor, and as many
 * that belong to none.
 */
#define LUNS 300

int suite_setup(void)
{
	unsigned int i;
	int ret = lio_suite("sleepy hung 16; fileio file 16\n"
			    "tpg " WWN_A " 1; tpg " WWN_B " 1\n"
			    "lun " WWN_B " 1 0 file");

	for (i = 0; i < LUNS && !ret; i++)
		ret = lio("lun " WWN_A " 1 %u hung", i);
	return ret;
}

void suite_teardown(void)
{
	lio("unhang hung");
	lio_suite_end();
}

FIXTURE(jam)
{
	struct vsg_dev *hung;
	struct vsg_dev *other;
	struct vsg_req *req[2 * LUNS];
};

/* All workers on one processor, so that work items for it are queued together. */
static void share_processor(void)
{
	pid_t tids[8];
	cpu_set_t set;
	int i, n = threads_named("vhost-", tids, ARRAY_SIZE(tids));

	ASSERT_EQ(2, n);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, sched_setaffinity(tids[i], sizeof(set), &set));
}

FIXTURE_SETUP(jam)
{
	struct vsg_opts opts = { .ring_size = 1024, .mem_size = 32 << 20 };
	unsigned int i;

	self->hung = guest(WWN_A, &opts);
	self->other = guest(WWN_B, &opts);
	share_processor();
	for (i = 0; i < LUNS; i++)
		ready(vsg_io(self->hung, 0), T, i);
	ready(vsg_io(self->other, 0), T, 0);
	for (i = 0; i < ARRAY_SIZE(self->req); i++)
		self->req[i] = request(self->hung, 0, BLOCK);
}

/* A file system is frozen, as for a snapshot: nothing can be written to files on it. */
#define FROZEN "/tmp/vsg-files"

static int freeze(bool on)
{
	int fd = open(FROZEN, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, on ? FIFREEZE : FITHAW, 0);
	close(fd);
	return ret;
}

FIXTURE_TEARDOWN(jam)
{
	freeze(false);
	lio("unhang hung");
	guest_end(self->other);
	guest_end(self->hung);
}

/* A file is read by a work item, which sleeps until the disk below answers. */
TEST_F_TIMEOUT(jam, file_beside_hung_files, 60)
{
	struct vsg_ring *r = vsg_io(self->hung, 0);
	struct vsg_req *req = request(self->other, 1 << 16, 1 << 16);
	unsigned int i;

	ASSERT_EQ(0, lio("hang hung"));
	for (i = 0; i < ARRAY_SIZE(self->req); i++) {
		/* Each from a page of its own, which nothing has read yet. */
		vsg_cmd_rw(self->req[i], T, i % LUNS, false, 8 * (i + 1), 1,
			   BLOCK);
		ASSERT_EQ(0, vsg_submit(r, self->req[i]));
	}
	vsg_ring_kick(r);
	reach_backend();
	EXPECT_FALSE(self->req[0]->tok.done);

	for (i = 0; i < 4; i++) {
		WHERE("command %u of the other guest", i);
		write_pattern(vsg_io(self->other, 0), req, T, 0, 100 * i, 100,
			      i + 1);
		check_pattern(vsg_io(self->other, 0), req, T, 0, 100 * i, 100,
			      i + 1);
	}
	EXPECT_FALSE(self->req[0]->tok.done);

	ASSERT_EQ(0, lio("unhang hung"));
	for (i = 0; i < ARRAY_SIZE(self->req); i++) {
		WHERE("command %u of the guest that hung", i);
		ASSERT_EQ(0, vsg_token_wait(&self->req[i]->tok, WAIT_MS));
		EXPECT_TRUE(vsg_good(self->req[i]));
	}
}

/* A copy waits for its backend in a work item of LIO's, which all guests share. */
TEST_F_TIMEOUT(jam, copy_beside_hung_copies, 60)
{
	struct vsg_req *copy[2 * LUNS], *req = request(self->other, 4096, 4096);
	struct vsg_ring *r = vsg_io(self->hung, 0);
	unsigned int i, full = 0;
	uint8_t hung[16], own[16];

	if (!can_copy())
		SKIP("debug objects report LIO's EXTENDED COPY");
	for (i = 0; i < ARRAY_SIZE(copy); i++)
		copy[i] = request(self->hung, 128, 256);
	designator(self->hung, copy[0], T, 0, hung);
	designator(self->other, req, T, 0, own);
	ASSERT_EQ(0, lio("hang hung"));
	for (i = 0; i < ARRAY_SIZE(copy); i++) {
		copy_prepare(copy[i], T, i % LUNS, hung, hung, 1);
		/* Each from a page of its own, which nothing has read yet. */
		vsg_put_be(copy[i]->data_out + 92, 8 * (i + 1 + ARRAY_SIZE(copy)), 8);
		ASSERT_EQ(0, vsg_submit(r, copy[i]));
	}
	vsg_ring_kick(r);
	reach_backend();
	copy_prepare(req, T, 0, own, own, 8);
	EXPECT_EQ(VSG_GOOD, exec(vsg_io(self->other, 0), req).status);

	ASSERT_EQ(0, lio("unhang hung"));
	for (i = 0; i < ARRAY_SIZE(copy); i++) {
		WHERE("copy %u of the guest that hung", i);
		ASSERT_EQ(0, vsg_token_wait(&copy[i]->tok, WAIT_MS));
		full += vsg_result(copy[i]).status == VSG_TASK_SET_FULL;
		EXPECT_TRUE(vsg_good(copy[i]) ||
			    vsg_result(copy[i]).status == VSG_TASK_SET_FULL);
	}
	printf("# %u of %zu were too many\n", full, ARRAY_SIZE(copy));
	EXPECT_GE(ARRAY_SIZE(copy) - 1, full);
	WHERE("one by one");
	for (i = 0; i < 20; i++) {
		copy_prepare(copy[0], T, 0, hung, hung, 1);
		EXPECT_EQ(VSG_GOOD, exec(r, copy[0]).status);
	}
}

/* The write of a COMPARE AND WRITE begins in a work item of LIO's, which all guests share. */
TEST_F_TIMEOUT(jam, command_beside_hung_compares, 120)
{
	enum { COMPARES = 264 };
	uint8_t cdb[16] = { 0x89, [13] = 1 };
	struct vsg_req *caw[COMPARES], *req = request(self->other, 4096, 4096);
	struct vsg_ring *r = vsg_io(self->hung, 0);
	unsigned int i, full = 0;

	ASSERT_EQ(0, lio("filesystem below 64 4096"));
	for (i = 0; i < COMPARES; i++) {
		ASSERT_EQ(0, lio("fileio caw%u 1; lun " WWN_A " 1 %u caw%u", i, LUNS + i, i));
		caw[i] = request(self->hung, 2 * BLOCK, 0);
		memset(caw[i]->data_out, 0, BLOCK);
		vsg_pattern(caw[i]->data_out + BLOCK, BLOCK, 0, i);
		vsg_req_cmd(caw[i], T, LUNS + i, cdb, sizeof(cdb), 2 * BLOCK, 0);
	}
	/* Each is told that there is another one. */
	for (i = 0; i < COMPARES; i++)
		ready(r, T, LUNS + i);
	ASSERT_EQ(0, freeze(true));
	for (i = 0; i < COMPARES; i++)
		ASSERT_EQ(0, vsg_submit(r, caw[i]));
	vsg_ring_kick(r);
	reach_backend();
	vsg_cmd_rw(req, T, 0, false, 0, 8, BLOCK);
	ASSERT_EQ(0, vsg_submit(vsg_io(self->other, 0), req));
	vsg_ring_kick(vsg_io(self->other, 0));
	EXPECT_EQ(0, vsg_token_wait(&req->tok, WAIT_MS));
	ASSERT_EQ(0, freeze(false));
	ASSERT_EQ(0, vsg_token_wait(&req->tok, WAIT_MS));
	for (i = 0; i < COMPARES; i++) {
		WHERE("COMPARE AND WRITE %u of the guest that hung", i);
		ASSERT_EQ(0, vsg_token_wait(&caw[i]->tok, WAIT_MS));
		if (vsg_result(caw[i]).status == VSG_TASK_SET_FULL) {
			full++;
			continue;
		}
		EXPECT_EQ(VSG_GOOD, vsg_result(caw[i]).status);
	}
	printf("# %u of %u were too many\n", full, COMPARES);
	EXPECT_GE(COMPARES - 1, full);
	WHERE("one by one");
	/* The first had its place; from now on each finds what it wrote. */
	EXPECT_EQ(VSG_GOOD, vsg_result(caw[0]).status);
	for (i = 0; i < 40; i++) {
		vsg_pattern(caw[0]->data_out, BLOCK, 0, 0);
		vsg_req_cmd(caw[0], T, LUNS, cdb, sizeof(cdb), 2 * BLOCK, 0);
		EXPECT_EQ(VSG_GOOD, exec(r, caw[0]).status);
	}
	for (i = 0; i < COMPARES; i++)
		ASSERT_EQ(0, lio("unlun " WWN_A " 1 %u", LUNS + i));
}

/*
 * Threads of a process end when it lets them, and who has stopped it lets them not. More
 * of them than a workqueue waits for at a time: 1024 on new kernels.
 */
#define MAX_IO_VQS "/sys/module/vhost_scsi/parameters/max_io_vqs"
enum { OWNERS = 6, WORKERS = 1026, ENOUGH = 1100 };

/* The owner: makes all the workers that it may, and leaves the file to its parent. */
static void owner(int fd, int ready)
{
	struct vhost_worker_state state;
	unsigned int n;
	char ok = !prctl(PR_SET_PDEATHSIG, SIGKILL) && !ioctl(fd, VHOST_SET_OWNER);

	for (n = 1; n < WORKERS; n++)
		ok &= !ioctl(fd, VHOST_NEW_WORKER, &state);
	close(fd);
	if (write(ready, &ok, 1) == 1)
		pause();
	_exit(0);
}

/* Has one made, and stops it when its device has ended, and its threads are about to. */
static pid_t stopped_owner(void)
{
	int fd, ready[2];
	pid_t pid;
	char ok;

	ASSERT_EQ(0, write_file(MAX_IO_VQS, "1024"));
	fd = open("/dev/vhost-scsi", O_RDWR | O_CLOEXEC);
	ASSERT_EQ(0, write_file(MAX_IO_VQS, "128"));
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	if (!pid)
		owner(fd, ready[1]);
	ASSERT_LE(1, pid);
	ASSERT_EQ(1, read(ready[0], &ok, 1));
	EXPECT_TRUE(ok);
	close(ready[0]);
	close(ready[1]);
	close(fd);
	ASSERT_EQ(0, kill(pid, SIGSTOP));
	return pid;
}

TEST_TIMEOUT(threads_of_stopped_owners, 180)
{
	struct vsg_dev *other;
	unsigned int i, n = 0;
	pid_t pid[OWNERS];
	int own;

	if (!have_vhost_tasks())
		SKIP("no workers that are tasks on this kernel");
	other = guest(WWN_B, NULL);
	ready(vsg_io(other, 0), T, 0);
	own = thread_count("vhost-");
	do {
		pid[n++] = stopped_owner();
		/* They are waited for when nobody can have one of them any more. */
		usleep(300000 * t_factor());
	} while (n < OWNERS && thread_count("vhost-") - own < ENOUGH);
	printf("# %u owners, %d threads left\n", n, thread_count("vhost-") - own);

	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  vsg_tmf(other, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, T, 0, 0, WAIT_MS));
	guest_end(other);
	WHERE("the port is free");
	other = guest(WWN_B, NULL);
	for (i = 0; i < n; i++) {
		EXPECT_EQ(0, kill(pid[i], SIGKILL));
		EXPECT_EQ(pid[i], waitpid(pid[i], NULL, 0));
	}
	guest_end(other);
}

/**
 * struct former - a process that shares the owner's memory, and has made many threads
 * @dev: of this device
 * @ret: the first error
 * @done: @ret is valid
 * @stack: of the process
 */
struct former {
	struct vsg_dev *dev;
	int ret;
	bool done;
	char stack[65536];
};

static int former_run(void *arg)
{
	struct vhost_worker_state state;
	struct former *former = arg;
	unsigned int n;

	for (n = 0; n < 100 && !former->ret; n++)
		former->ret = vsg_ioctl(former->dev, VHOST_NEW_WORKER, &state);
	__atomic_store_n(&former->done, true, __ATOMIC_RELEASE);
	pause();
	return 0;
}

/* Threads of a former owner of the file, which are stopped, keep nothing of the next one. */
TEST_TIMEOUT(next_owner, 60)
{
	static struct former former;
	struct vsg_dev *dev;
	int64_t end;
	pid_t pid;
	int ret;

	if (!have_vhost_tasks())
		SKIP("no workers that are tasks on this kernel");
	dev = guest(WWN_B, NULL);
	former.dev = dev;
	pid = clone(former_run, former.stack + sizeof(former.stack),
		    CLONE_VM | CLONE_FILES | SIGCHLD, &former);
	ASSERT_NE(-1, pid);
	while (!__atomic_load_n(&former.done, __ATOMIC_ACQUIRE))
		usleep(1000);
	EXPECT_EQ(0, former.ret);
	ASSERT_EQ(0, vsg_stop(dev));
	ASSERT_EQ(0, vsg_ioctl(dev, VHOST_RESET_OWNER, NULL));
	/* They have ended, and are about to be waited for, one by one. */
	ASSERT_EQ(0, kill(pid, SIGSTOP));

	ASSERT_EQ(0, vsg_ioctl(dev, VHOST_SET_OWNER, NULL));
	ASSERT_EQ(0, vsg_start(dev, WWN_B));
	ready(vsg_io(dev, 0), T, 0);
	vsg_close(dev);
	WHERE("the port is free when the next one has closed the file");
	ASSERT_EQ(0, vsg_open(&dev, NULL));
	end = vsg_now_ms() + WAIT_MS;
	do {
		usleep(10000);
		ret = vsg_start(dev, WWN_B);
	} while (ret == -EBUSY && vsg_now_ms() < end);
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(pid, waitpid(pid, NULL, 0));
	vsg_close(dev);
}
