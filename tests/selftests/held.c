// SPDX-License-Identifier: GPL-2.0-only
/* Proves: a backend that makes its submission sleep keeps no other LUN waiting, and no function. */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "load.h"
#include "see.h"

#define T 1
#define POLL_US "vhost/" WWN_A "/tpgt_1/attrib/poll_us"

enum { LUN_JAM, LUN_DISK, LUN_RAM, LUN_NARROW, LUN_THROTTLED, LUN_JAM_2 };
enum {
	TAGS = 128,	/* of a loop device */
	COMMANDS = TAGS + 32,
	SOON_MS = 1000,
	DEPTH = 32,
};

/* Each command takes 20 ms. */
#define SLOW_MS 20
#define SLOW_NSEC "20000000"

int suite_setup(void)
{
	return lio_suite("jammed stuck 16; jammed stuck2 16; block disk 16; ramdisk ram 16\n"
			 "narrow narrow 16 " SLOW_NSEC " 1\n"
			 "narrow throttled 16 " SLOW_NSEC " 64\n"
			 "tpg " WWN_A " 1\n"
			 "lun " WWN_A " 1 0 stuck; lun " WWN_A " 1 1 disk\n"
			 "lun " WWN_A " 1 2 ram; lun " WWN_A " 1 3 narrow\n"
			 "lun " WWN_A " 1 4 throttled; lun " WWN_A " 1 5 stuck2\n");
}

void suite_teardown(void)
{
	lio("unhang stuck");
	lio("unhang stuck2");
	lio_suite_end();
}

/**
 * struct held - a started guest with one worker
 * @dev: guest
 * @r: its first request queue
 * @other: its second
 * @third: its third
 * @req: commands for LUN_JAM
 * @hung: it hangs
 */
FIXTURE(held)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_ring *other;
	struct vsg_ring *third;
	struct vsg_req *req[COMMANDS];
	bool hung;
};

static void start(struct held *self, const char *poll_us)
{
	struct vsg_opts opts = { .nr_io = 3, .ring_size = 256 };
	unsigned int i;

	/* A module without it has nothing to set. */
	if (exists(LIO_ROOT "/" POLL_US))
		ASSERT_EQ(0, lio_write(poll_us, POLL_US));
	self->dev = guest(WWN_A, &opts);
	self->r = vsg_io(self->dev, 0);
	self->other = vsg_io(self->dev, 1);
	self->third = vsg_io(self->dev, 2);
	for (i = LUN_JAM; i <= LUN_JAM_2; i++)
		ready(self->r, T, i);
	for (i = 0; i < COMMANDS; i++)
		self->req[i] = request(self->dev, BLOCK, BLOCK);
}

FIXTURE_SETUP(held)
{
	start(self, "0");
}

FIXTURE_TEARDOWN(held)
{
	if (self->hung)
		lio("unhang stuck; unhang stuck2");
	if (self->dev)
		guest_end(self->dev);
}

/* How many workers are asleep, and cannot be woken? */
static unsigned int workers_held(void)
{
	char path[64], stat[512], *state;
	unsigned int held = 0;
	pid_t tid[2];
	int i, n;

	n = threads_named("vhost-", tid, 2);
	for (i = 0; i < n && i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/stat", tid[i]);
		state = read_file(path, stat, sizeof(stat)) ?
			NULL : strrchr(stat, ')');
		held += state && state[2] == 'D';
	}
	return held;
}

static bool wait_held(unsigned int workers)
{
	int64_t end = vsg_now_ms() + 2000 * t_factor();

	while (workers_held() < workers && vsg_now_ms() < end)
		usleep(1000);
	return workers_held() >= workers;
}

/* One in eight is a write; nothing else is written there. */
static bool is_write(unsigned int i)
{
	return i % 8 == 7;
}

/* Gives the disk more than it has tags for. Return: the worker sleeps in a submission. */
static bool try_jam(struct held *self)
{
	unsigned int i;

	/* A test before this may have made the LUN slow, and that is over after a second. */
	usleep(1200000);
	for (i = 0; i < 2; i++) {
		vsg_cmd_tur(self->req[0], T, LUN_JAM);
		exec_good(self->r, self->req[0]);
	}
	ASSERT_EQ(0, lio("hang stuck"));
	self->hung = true;
	for (i = 0; i < COMMANDS; i++) {
		struct vsg_req *req = self->req[i];

		vsg_pattern(req->data_out, BLOCK, 0, i + 1);
		/* Apart, so that they are not merged. */
		vsg_cmd_rw(req, T, LUN_JAM, is_write(i), 2 * i, 1, BLOCK);
		req->hdr->tag = 0x1000 + i;
		ASSERT_EQ(0, vsg_submit(self->r, req));
	}
	vsg_ring_kick(self->r);
	return wait_held(1);
}

static void check_hung(struct held *self)
{
	unsigned int i, done = 0;

	while (vsg_ring_poll(self->r))
		;
	for (i = 0; i < COMMANDS; i++)
		done += self->req[i]->tok.done;
	EXPECT_EQ(0, done);
}

/* All that hung end. */
static void finish(struct held *self)
{
	unsigned int i;

	ASSERT_EQ(0, lio("unhang stuck"));
	self->hung = false;
	for (i = 0; i < COMMANDS; i++) {
		WHERE("command %u", i);
		ASSERT_EQ(0, vsg_token_wait(&self->req[i]->tok, WAIT_MS));
	}
}

/* And right: those that were ended by functions are not waited for. */
static void unjam(struct held *self)
{
	struct vsg_req *req = request(self->dev, 0, BLOCK);
	unsigned int i;

	finish(self);
	for (i = 0; i < COMMANDS; i++) {
		WHERE("command %u", i);
		if (!vsg_good(self->req[i])) {
			EXPECT_TRUE(self->req[i]->resp->response ==
				    VIRTIO_SCSI_S_RESET ||
				    self->req[i]->resp->response ==
				    VIRTIO_SCSI_S_ABORTED);
			continue;
		}
		if (!is_write(i))
			continue;
		vsg_cmd_rw(req, T, LUN_JAM, false, 2 * i, 1, BLOCK);
		exec_good(self->r, req);
		EXPECT_EQ(-1, vsg_pattern_check(req->data_in, BLOCK, 0, i + 1));
	}
}

/*
 * Until the worker sleeps in a submission. Beside a load a submission may take so long that
 * a work item has the place of the worker, and is held instead.
 */
static void jam(struct held *self)
{
	int64_t end = vsg_now_ms() + 30000 * t_factor();

	while (!try_jam(self) && vsg_now_ms() < end)
		unjam(self);
	ASSERT_TRUE(workers_held());
}

/* The longest of some commands, in ms. */
static int64_t longest(struct held *self, struct vsg_ring *r, uint16_t lun)
{
	struct vsg_req *req = request(self->dev, BLOCK, BLOCK);
	int64_t begin, most = 0, took;
	unsigned int i;

	for (i = 0; i < 20; i++) {
		WHERE("command %u of LUN %u", i, lun);
		vsg_cmd_rw(req, T, lun, i % 4 == 3, i, 1, BLOCK);
		begin = vsg_now_ms();
		ASSERT_EQ(0, vsg_submit(r, req));
		vsg_ring_kick(r);
		ASSERT_EQ(0, vsg_token_wait(&req->tok, SOON_MS * t_factor()));
		EXPECT_TRUE(vsg_good(req));
		took = vsg_now_ms() - begin;
		if (took > most)
			most = took;
	}
	return most;
}

/* In the same queue, and in another that has the same worker. */
static void others_go_on(struct held *self)
{
	struct vsg_ring *ring[] = { self->r, self->other };
	unsigned int i;
	uint16_t lun;

	for (i = 0; i < 2; i++)
		for (lun = LUN_DISK; lun <= LUN_RAM; lun++)
			printf("# queue %u, LUN %u: %lld ms at most\n", i, lun,
			       (long long)longest(self, ring[i], lun));
	check_hung(self);
}

/* How often a submission of the first queue held up the worker; 0 of a module that does not say. */
static uint64_t times_slow(void)
{
	long nr = see_device(getpid(), WWN_A);

	return nr < 0 ? 0 : see_number(nr, SEE_SLOW, "queues/2/ring");
}

TEST_F_TIMEOUT(held, other_luns, 60)
{
	uint64_t before = times_slow();

	jam(self);
	others_go_on(self);
	unjam(self);
	if (exists(SEE_DEVICES))
		EXPECT_LE(before + 1, times_slow());
}

/* It may happen again at any time. */
TEST_F_TIMEOUT(held, again, 60)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		jam(self);
		longest(self, self->other, LUN_DISK);
		check_hung(self);
		unjam(self);
	}
}

TEST_F_TIMEOUT(held, functions, 60)
{
	struct vsg_ctl *reset = vsg_ctl_alloc(self->dev);
	uint32_t events;

	jam(self);
	WHERE("of another LUN");
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  vsg_tmf(self->dev, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, T,
			  LUN_DISK, 0, SOON_MS * t_factor()));
	WHERE("of a command that is not there");
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  vsg_tmf(self->dev, VIRTIO_SCSI_T_TMF_ABORT_TASK, T, LUN_JAM,
			  0x999, SOON_MS * t_factor()));
	WHERE("of the last command, which waits for the others");
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  vsg_tmf(self->dev, VIRTIO_SCSI_T_TMF_ABORT_TASK, T, LUN_JAM,
			  0x1000 + COMMANDS - 1, SOON_MS * t_factor()));
	while (vsg_ring_poll(self->r))
		;
	EXPECT_TRUE(self->req[COMMANDS - 1]->tok.done);
	EXPECT_EQ(VIRTIO_SCSI_S_ABORTED,
		  self->req[COMMANDS - 1]->resp->response);
	WHERE("about the first command, which the backend has");
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_SUCCEEDED,
		  vsg_tmf(self->dev, VIRTIO_SCSI_T_TMF_QUERY_TASK, T, LUN_JAM,
			  0x1000, SOON_MS * t_factor()));
	WHERE("events that are subscribed to");
	EXPECT_EQ(VIRTIO_SCSI_S_OK,
		  vsg_an(self->dev, VIRTIO_SCSI_T_AN_QUERY, T, LUN_JAM, 2,
			 &events, SOON_MS * t_factor()));

	WHERE("a reset of what hangs waits for the commands that it ends");
	ASSERT_EQ(0, vsg_tmf_submit(reset, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET,
				    T, LUN_JAM, 0));
	EXPECT_EQ(-ETIMEDOUT, vsg_token_wait(&reset->tok, 500));
	ready(self->r, T, LUN_DISK);
	longest(self, self->r, LUN_DISK);
	unjam(self);
	EXPECT_EQ(0, vsg_token_wait(&reset->tok, WAIT_MS));
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE, reset->resp[0]);
}

/* An ORDERED command keeps its place behind all those that wait for the thread's. */
TEST_F_TIMEOUT(held, ordered, 60)
{
	enum { FIRST, ORDERED, NR };
	uint32_t lba = 2 * COMMANDS + 8;
	struct vsg_req *req[NR];
	unsigned int i;

	jam(self);
	for (i = 0; i < NR; i++) {
		req[i] = request(self->dev, BLOCK, BLOCK);
		vsg_pattern(req[i]->data_out, BLOCK, 0, 1000 + i);
		vsg_cmd_rw(req[i], T, LUN_JAM, true, lba, 1, BLOCK);
		if (i == ORDERED)
			req[i]->hdr->task_attr = VIRTIO_SCSI_S_ORDERED;
		ASSERT_EQ(0, vsg_submit(self->r, req[i]));
	}
	vsg_ring_kick(self->r);
	longest(self, self->other, LUN_DISK);
	check_hung(self);
	unjam(self);
	for (i = 0; i < NR; i++) {
		ASSERT_EQ(0, vsg_token_wait(&req[i]->tok, WAIT_MS));
		EXPECT_TRUE(vsg_good(req[i]));
	}
	vsg_cmd_rw(req[FIRST], T, LUN_JAM, false, lba, 1, BLOCK);
	exec_good(self->r, req[FIRST]);
	EXPECT_EQ(-1, vsg_pattern_check(req[FIRST]->data_in, BLOCK, 0,
					1000 + ORDERED));
}

/* How many commands the disk has. What it hangs on may let others pass these, when it goes on. */
static unsigned int in_flight(void)
{
	char disk[64], path[128], text[64] = "";
	unsigned int reads = 0, writes = 0;
	int n;

	ASSERT_EQ(0, read_file(LIO_ROOT "/core/iblock_" LIO_HBA "/stuck/udev_path", disk,
			       sizeof(disk)));
	snprintf(path, sizeof(path), "/sys/block/%s/inflight", strrchr(disk, '/') + 1);
	ASSERT_EQ(0, read_file(path, text, sizeof(text)));
	n = sscanf(text, "%u %u", &reads, &writes);
	ASSERT_EQ(2, n);
	return reads + writes;
}

/*
 * The queue gets another worker while the first one is held in the middle of a batch. What
 * the disk does not have yet is submitted before an ORDERED command that the other one finds.
 */
TEST_F_TIMEOUT(held, ordered_by_another_worker, 60)
{
	enum { ROUNDS = 4, ALL = 2 * COMMANDS };
	struct vhost_vring_worker first = { .index = VSG_IO };
	struct vsg_req *ordered = request(self->dev, ALL * BLOCK, ALL * BLOCK);
	struct vhost_worker_state other = {};
	unsigned int round, lba, blocks;

	if (vsg_ioctl(self->dev, VHOST_NEW_WORKER, &other) == -ENOTTY)
		SKIP("no worker ioctls in this module");
	ASSERT_EQ(0, vsg_ioctl(self->dev, VHOST_GET_VRING_WORKER, &first));
	for (round = 0; round < ROUNDS; round++) {
		WHERE("round %u", round);
		vsg_pattern(ordered->data_out, ALL * BLOCK, 0, 5000 + round);
		if (!try_jam(self)) {
			finish(self);
			continue;
		}
		lba = 2 * in_flight();
		ASSERT_LE(lba + 2, ALL);
		blocks = ALL - lba;
		vsg_cmd_rw(ordered, T, LUN_JAM, true, lba, blocks, BLOCK);
		ordered->hdr->task_attr = VIRTIO_SCSI_S_ORDERED;
		EXPECT_EQ(0, worker_attach(self->dev, 0, other.worker_id));
		ASSERT_EQ(0, vsg_submit(self->r, ordered));
		vsg_ring_kick(self->r);
		longest(self, self->other, LUN_DISK);
		check_hung(self);
		finish(self);
		ASSERT_EQ(0, vsg_token_wait(&ordered->tok, WAIT_MS));
		EXPECT_TRUE(vsg_good(ordered));
		vsg_cmd_rw(ordered, T, LUN_JAM, false, lba, blocks, BLOCK);
		exec_good(self->r, ordered);
		EXPECT_EQ(-1, vsg_pattern_check(ordered->data_in, blocks * BLOCK,
						0, 5000 + round));
		EXPECT_EQ(0, worker_attach(self->dev, 0, first.worker_id));
	}
}

/* Gives the second queue to a worker of its own. Return: false: there are none. */
static bool another_worker(struct held *self)
{
	struct vhost_worker_state other = {};

	if (vsg_ioctl(self->dev, VHOST_NEW_WORKER, &other) == -ENOTTY)
		return false;
	EXPECT_EQ(0, worker_attach(self->dev, 1, other.worker_id));
	return true;
}

/*
 * What serves the first and the third queue in the place of their worker waits for a page of
 * the owner, which may be for ever.
 */
static struct vsg_req *wait_for_a_page(struct held *self, struct late *late)
{
	uint8_t *page = vsg_mem_alloc(&self->dev->mem, 4096, 4096);
	struct vsg_req *req = request(self->dev, 0, 4096);

	vsg_cmd_rw(req, T, LUN_RAM, false, 0, 8, BLOCK);
	req->nseg = 0;
	vsg_req_seg(req, vsg_gpa(&self->dev->mem, req->hdr), VSG_REQ_LEN, 0);
	vsg_req_seg(req, vsg_gpa(&self->dev->mem, req->resp), VSG_RESP_LEN,
		    VRING_DESC_F_WRITE);
	vsg_req_seg(req, vsg_gpa(&self->dev->mem, page), 4096, VRING_DESC_F_WRITE);
	late_start(late, page);
	ASSERT_EQ(0, vsg_submit(self->third, req));
	vsg_ring_kick(self->third);
	late_wait(late);
	return req;
}

static void *unlink_disk(void *arg)
{
	int *ret = arg;

	__atomic_store_n(ret, lio("unlun " WWN_A " 1 %u", LUN_DISK), __ATOMIC_RELEASE);
	return NULL;
}

/* The worker of the second queue is held, too, with commands of another LUN in its hands. */
TEST_F_TIMEOUT(held, removal_beside_a_page, 90)
{
	enum { BEFORE = TAGS - 16, ALL = BEFORE + 64 };
	struct vsg_req *req[ALL], *waits;
	static struct late late;
	pthread_t thread;
	unsigned int i;
	int64_t end;
	int ret = 1;

	if (!another_worker(self))
		SKIP("no worker ioctls in this module");
	jam(self);
	waits = wait_for_a_page(self, &late);
	ASSERT_EQ(0, lio("hang stuck2"));
	for (i = 0; i < ALL; i++) {
		req[i] = request(self->dev, 0, BLOCK);
		vsg_cmd_rw(req[i], T, i < BEFORE || i % 2 ? LUN_JAM_2 : LUN_DISK, false,
			   2 * i, 1, BLOCK);
		ASSERT_EQ(0, vsg_submit(self->other, req[i]));
	}
	vsg_ring_kick(self->other);
	/* Beside a load a work item may be held instead, see jam(). */
	if (!wait_held(2))
		printf("# the second worker is not held\n");

	ASSERT_EQ(0, pthread_create(&thread, NULL, unlink_disk, &ret));
	for (end = vsg_now_ms() + WAIT_MS; vsg_now_ms() < end; usleep(10000))
		if (__atomic_load_n(&ret, __ATOMIC_ACQUIRE) != 1)
			break;
	EXPECT_EQ(0, __atomic_load_n(&ret, __ATOMIC_ACQUIRE));
	late_end(&late);
	ASSERT_EQ(0, lio("unhang stuck2"));
	pthread_join(thread, NULL);
	finish(self);
	ASSERT_EQ(0, vsg_token_wait(&waits->tok, WAIT_MS));
	for (i = 0; i < ALL; i++)
		ASSERT_EQ(0, vsg_token_wait(&req[i]->tok, WAIT_MS));
	ASSERT_EQ(0, lio("lun " WWN_A " 1 %u disk", LUN_DISK));
}

/* An ORDERED command does not wait for the worker when the backend goes on. */
TEST_F_TIMEOUT(held, ordered_beside_a_page, 60)
{
	struct vsg_req *req = request(self->dev, BLOCK, 0), *waits;
	static struct late late;

	if (!another_worker(self))
		SKIP("no worker ioctls in this module");
	jam(self);
	waits = wait_for_a_page(self, &late);
	vsg_cmd_rw(req, T, LUN_JAM, true, 2 * COMMANDS + 8, 1, BLOCK);
	req->hdr->task_attr = VIRTIO_SCSI_S_ORDERED;
	ASSERT_EQ(0, vsg_submit(self->other, req));
	vsg_ring_kick(self->other);
	EXPECT_EQ(-ETIMEDOUT, vsg_token_wait(&req->tok, 200));
	ASSERT_EQ(0, lio("unhang stuck"));
	EXPECT_EQ(0, vsg_token_wait(&req->tok, WAIT_MS));
	EXPECT_TRUE(vsg_good(req));
	late_end(&late);
	finish(self);
	ASSERT_EQ(0, vsg_token_wait(&req->tok, WAIT_MS));
	ASSERT_EQ(0, vsg_token_wait(&waits->tok, WAIT_MS));
}

/* The owner may still change what the queue uses. */
TEST_F_TIMEOUT(held, ioctls, 60)
{
	struct vhost_vring_state state = { .index = VSG_IO, .num = 1 };
	int64_t begin;

	jam(self);
	begin = vsg_now_ms();
	/* What waits here is only killed. */
	EXPECT_EQ(0, vsg_ioctl(self->dev, VHOST_SET_VRING_BUSYLOOP_TIMEOUT,
			       &state));
	EXPECT_EQ(0, vsg_set_mem_table(self->dev));
	/* Of the queue that nothing hangs in. */
	state.index = VSG_IO + 1;
	EXPECT_EQ(0, vsg_ioctl(self->dev, VHOST_GET_VRING_BASE, &state));
	EXPECT_LE(vsg_now_ms() - begin, SOON_MS * t_factor());
	longest(self, self->r, LUN_DISK);
	unjam(self);
}

/* Nobody waits for the backend, and nothing is left when it answers. */
TEST_F_TIMEOUT(held, close, 60)
{
	int64_t begin;

	jam(self);
	longest(self, self->r, LUN_DISK);
	begin = vsg_now_ms();
	vsg_close(self->dev);
	self->dev = NULL;
	EXPECT_LE(vsg_now_ms() - begin, SOON_MS * t_factor());
	ASSERT_EQ(0, lio("unhang stuck"));
	self->hung = false;
	EXPECT_TRUE(threads_settle(0, WAIT_MS));
	start(self, "0");
}

/* A worker that would poll its queue is held all the same. */
TEST_TIMEOUT(polling, 60)
{
	struct held self = {};

	start(&self, "10000");
	jam(&self);
	others_go_on(&self);
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  vsg_tmf(self.dev, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, T,
			  LUN_DISK, 0, SOON_MS * t_factor()));
	unjam(&self);
	guest_end(self.dev);
	EXPECT_EQ(0, lio_write("0", POLL_US));
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* What half of some commands of another LUN take beside a load of 20 ms each, in ms. */
static int64_t median_beside(struct held *self, uint16_t lun)
{
	struct load load = {
		.r = self->r, .target = T, .lun = lun, .depth = DEPTH,
	};
	struct vsg_req *req = request(self->dev, 0, BLOCK);
	int64_t took[15];
	unsigned int i;

	load_start(&load);
	/* Until its first commands have come round. */
	while (__atomic_load_n(&load.done, __ATOMIC_RELAXED) < 2 * DEPTH)
		usleep(10000);
	for (i = 0; i < ARRAY_SIZE(took); i++) {
		vsg_cmd_rw(req, T, LUN_DISK, false, i, 1, BLOCK);
		took[i] = vsg_now_ms();
		ASSERT_EQ(0, vsg_exec(self->other, req, WAIT_MS));
		took[i] = vsg_now_ms() - took[i];
		EXPECT_TRUE(vsg_good(req));
		usleep(5000);
	}
	load_end(&load);
	qsort(took, ARRAY_SIZE(took), sizeof(took[0]), compare);
	printf("# half take %lld ms, one %lld; %lu requests of the load\n",
	       (long long)took[ARRAY_SIZE(took) / 2],
	       (long long)took[ARRAY_SIZE(took) - 1], load.done);
	return took[ARRAY_SIZE(took) / 2];
}

/* Each submission sleeps for a while. Without care a command waits for those of a batch. */
TEST_F_TIMEOUT(held, few_tags, 60)
{
	EXPECT_LE(median_beside(self, LUN_NARROW), 2 * SLOW_MS * t_factor());
}

/* Throttled in the submission are writes of LIO that the disk takes too long for. */
TEST_F_TIMEOUT(held, throttled_writes, 60)
{
	if (lio("throttle throttled 1"))
		SKIP("no writeback throttling in this kernel");
	EXPECT_LE(median_beside(self, LUN_THROTTLED), 2 * SLOW_MS * t_factor());
}
