// SPDX-License-Identifier: GPL-2.0-only
/* Proves: what the module counts is what the guest did, and what hangs is named. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "see.h"
#include "support.h"

#define T 1
#define QUEUES 2
#define MAX_BYTES 65536

enum {
	LUN_RAM,	/* the worker submits, or LIO's work item, by the kernel */
	LUN_DISK,	/* the worker submits */
	LUN_HANG,	/* likewise, and it answers when the test says so */
	LUN_SLEEPY,	/* work items submit, and wait until the test says so */
	LUN_LATE,	/* takes LATE_MS */
	LUNS,
};

#define LATE_MS 300

int suite_setup(void)
{
	return lio_suite("ramdisk ram 16; block disk 16; hangable hang 16\n"
			 "sleepy sleepy 16; delayed late 16 300 300\n"
			 "tpg " WWN_A " 1\n"
			 "lun " WWN_A " 1 0 ram; lun " WWN_A " 1 1 disk\n"
			 "lun " WWN_A " 1 2 hang; lun " WWN_A " 1 3 sleepy\n"
			 "lun " WWN_A " 1 4 late\n");
}

void suite_teardown(void)
{
	lio_suite_end();
}

/* What a guest has done. */
struct done {
	uint64_t stat[SEE_STATS];
	uint64_t error[SEE_KINDS];
};

FIXTURE(counters)
{
	struct vsg_dev *dev;
	long nr;
	struct vsg_req *req;
	struct vsg_ctl *ctl;
	const char *hung;
	uint64_t chains[QUEUES];
	struct done all, queue[QUEUES], lun[LUNS];
};

FIXTURE_SETUP(counters)
{
	struct vsg_opts opts = { .nr_io = QUEUES, .ring_size = 64 };

	if (!exists(SEE_DEVICES))
		SKIP("this module shows nothing");
	self->dev = guest(WWN_A, &opts);
	self->nr = see_device(getpid(), WWN_A);
	ASSERT_LE(1, self->nr);
	self->req = request(self->dev, MAX_BYTES, MAX_BYTES);
	self->ctl = vsg_ctl_alloc(self->dev);
	ASSERT_TRUE(self->ctl);
}

static void release(struct counters *self)
{
	if (self->hung)
		EXPECT_EQ(0, lio("unhang %s", self->hung));
	self->hung = NULL;
}

FIXTURE_TEARDOWN(counters)
{
	release(self);
	see_measure(false);
	guest_end(self->dev);
}

static void hold(struct counters *self, const char *name)
{
	ASSERT_EQ(0, lio("hang %s", name));
	self->hung = name;
}

static void note_in(struct done *done, const struct vsg_req *req)
{
	struct vsg_result res = vsg_result(req);
	uint64_t len = req->in_len + req->out_len, moved;

	done->stat[SEE_TAKEN]++;
	moved = res.response ? 0 : len - res.resid;
	if (req->in_len) {
		done->stat[SEE_READS]++;
		done->stat[SEE_READ_BYTES] += moved;
	} else if (req->out_len) {
		done->stat[SEE_WRITES]++;
		done->stat[SEE_WRITE_BYTES] += moved;
	} else {
		done->stat[SEE_OTHERS]++;
	}
	if (res.response || res.status)
		done->stat[SEE_ERRORS]++;
	if (!res.response && res.resid)
		done->stat[SEE_RESIDUALS]++;
	if (res.response)
		done->error[res.response - 1]++;
	else if (res.status == VSG_CHECK_CONDITION)
		done->error[SEE_CHECK_CONDITION]++;
	else if (res.status)
		t_fail(__FILE__, __LINE__, "status %#x", res.status);
}

/* Sends a request, and notes what became of it. @lun: LUNS: to none that there is. */
static void go(struct counters *self, unsigned int queue, unsigned int lun)
{
	exec(vsg_io(self->dev, queue), self->req);
	self->chains[queue]++;
	note_in(&self->all, self->req);
	note_in(&self->queue[queue], self->req);
	if (lun < LUNS)
		note_in(&self->lun[lun], self->req);
}

/* What was sent last needed a bounce buffer. */
static void bounced(struct counters *self, unsigned int queue, unsigned int lun)
{
	self->all.stat[SEE_BOUNCED]++;
	self->queue[queue].stat[SEE_BOUNCED]++;
	self->lun[lun].stat[SEE_BOUNCED]++;
}

__printf(3, 4) static void check(long nr, const struct done *done,
				 const char *fmt, ...)
{
	uint64_t stat[SEE_STATS], error[SEE_KINDS];
	char dir[64];
	va_list args;
	int i;

	va_start(args, fmt);
	vsnprintf(dir, sizeof(dir), fmt, args);
	va_end(args);
	ASSERT_EQ(SEE_STATS, see_numbers(nr, stat, SEE_STATS, "%sstat", dir));
	ASSERT_EQ(SEE_KINDS, see_numbers(nr, error, SEE_KINDS, "%serrors", dir));
	for (i = 0; i < SEE_STATS; i++) {
		WHERE("%sstat, column %d", dir, i + 1);
		if (i != SEE_HIGHEST && i != SEE_DEFERRED)
			EXPECT_EQ(done->stat[i], stat[i]);
	}
	for (i = 0; i < SEE_KINDS; i++) {
		WHERE("%serrors, column %d", dir, i + 1);
		EXPECT_EQ(done->error[i], error[i]);
	}
	WHERE("%sstat", dir);
	EXPECT_LE(stat[SEE_DEFERRED], stat[SEE_TAKEN]);
	EXPECT_LE(1, stat[SEE_HIGHEST]);
}

static void check_all(struct counters *self)
{
	unsigned int i;

	check(self->nr, &self->all, "%s", "");
	for (i = 0; i < QUEUES; i++) {
		if (!self->queue[i].stat[SEE_TAKEN])
			continue;
		check(self->nr, &self->queue[i], "queues/%u/", VSG_IO + i);
		WHERE("queues/%u/ring", VSG_IO + i);
		EXPECT_EQ(self->chains[i], see_number(self->nr, SEE_CHAINS,
						      "queues/%u/ring", VSG_IO + i));
	}
	for (i = 0; i < LUNS; i++) {
		if (!self->lun[i].stat[SEE_TAKEN])
			continue;
		WHERE("luns/%u:%u", T, i);
		ASSERT_TRUE(see_settle(self->nr, SEE_TAKEN,
				       self->lun[i].stat[SEE_TAKEN], WAIT_MS,
				       "luns/%u:%u/stat", T, i));
		check(self->nr, &self->lun[i], "luns/%u:%u/", T, i);
	}
}

TEST_F(counters, commands)
{
	static const unsigned int luns[] = { LUN_RAM, LUN_DISK };
	/* The header, and what is in two pieces. */
	static const uint32_t cut[] = { VSG_REQ_LEN, 200, BLOCK - 200 };
	struct vsg_req *req = self->req;
	unsigned int i, q, l;
	uint8_t cdb[16];

	for (i = 0; i < 40; i++) {
		q = i % QUEUES;
		l = luns[i / 3 % 2];
		vsg_cmd_tur(req, T, l);
		go(self, q, l);
		vsg_cmd_rw(req, T, l, i % 3, i, 1 + i, BLOCK);
		go(self, q, l);
	}
	WHERE("a residual");
	vsg_cmd_inquiry(req, T, LUN_RAM, 255);
	go(self, 0, LUN_RAM);
	bounced(self, 0, LUN_RAM);	/* no whole blocks */
	WHERE("beyond the end");
	vsg_cmd_rw(req, T, LUN_DISK, false, 1 << 20, 1, BLOCK);
	go(self, 1, LUN_DISK);
	WHERE("cut within a block");
	vsg_cmd_rw(req, T, LUN_DISK, true, 0, 1, BLOCK);
	vsg_req_cut(req, cut, ARRAY_SIZE(cut), NULL, 0);
	go(self, 0, LUN_DISK);
	bounced(self, 0, LUN_DISK);
	WHERE("less data than the CDB has");
	vsg_cmd_rw(req, T, LUN_DISK, true, 0, 8, BLOCK);
	memcpy(cdb, req->hdr->cdb, sizeof(cdb));
	vsg_req_cmd(req, T, LUN_DISK, cdb, sizeof(cdb), BLOCK, 0);
	go(self, 1, LUN_DISK);
	WHERE("no LUN");
	vsg_cmd_tur(req, T, 77);
	go(self, 0, LUNS);
	WHERE("no target");
	vsg_cmd_tur(req, T + 1, 0);
	go(self, 0, LUNS);
	check_all(self);
	EXPECT_FALSE(exists("/sys/class/misc/vhost-scsi/devices/luns/1:77"));
}

/* The numbers go on when the device is bound once more. */
TEST_F(counters, bound_again)
{
	vsg_cmd_rw(self->req, T, LUN_RAM, true, 0, 8, BLOCK);
	go(self, 0, LUN_RAM);
	ASSERT_EQ(0, vsg_stop(self->dev));
	EXPECT_EQ(-1, see_device(getpid(), WWN_A));
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	EXPECT_EQ(self->nr, see_device(getpid(), WWN_A));
	go(self, 0, LUN_RAM);
	check_all(self);
}

TEST_F(counters, kicks_and_signals)
{
	struct vsg_ring *r = vsg_io(self->dev, 0);
	uint64_t ring[SEE_RINGS], one = 1;
	unsigned int i;

	for (i = 0; i < 50; i++) {
		vsg_cmd_tur(self->req, T, LUN_RAM);
		go(self, 0, LUN_RAM);
	}
	ASSERT_EQ(SEE_RINGS, see_numbers(self->nr, ring, SEE_RINGS, "queues/2/ring"));
	EXPECT_EQ(64, ring[SEE_SIZE]);
	EXPECT_EQ(50, ring[SEE_CHAINS]);
	EXPECT_EQ(r->nr_kicks, ring[SEE_KICKS]);
	EXPECT_LE(r->nr_calls, ring[SEE_SIGNALS]);
	EXPECT_EQ(50, ring[SEE_SIGNALS] + ring[SEE_SPARED]);
	EXPECT_EQ(0, ring[SEE_BROKEN]);
	/* More than the ring has; the kick is not held back by the event index. */
	r->avail->idx += 1000;
	ASSERT_EQ(sizeof(one), write(r->kick, &one, sizeof(one)));
	EXPECT_TRUE(vsg_ring_failed(r, WAIT_MS));
	EXPECT_EQ(1, see_number(self->nr, SEE_BROKEN, "queues/2/ring"));
	vsg_close(self->dev);
	self->dev = NULL;
}

TEST_F(counters, who)
{
	enum { PAGES = 8 };
	char path[128], text[64];
	uint64_t mem[4], at[1];
	unsigned int i;

	snprintf(path, sizeof(path), SEE_DEVICES "/%ld/comm", self->nr);
	ASSERT_EQ(0, read_file(path, text, sizeof(text)));
	EXPECT_EQ(0, strcmp("counters", text));
	EXPECT_EQ(T, see_number(self->nr, 0, "targets"));
	EXPECT_EQ(0, see_number(self->nr, 0, "closed"));
	ASSERT_EQ(1, see_numbers(self->nr, at, 1, "bound"));
	EXPECT_LE(at[0], time(NULL));
	EXPECT_LE(time(NULL) - 60 * t_factor(), at[0]);
	ASSERT_EQ(4, see_numbers(self->nr, mem, 4, "memory"));
	EXPECT_EQ(1, mem[0]);
	EXPECT_EQ(32 << 20, mem[1]);
	EXPECT_EQ(0, mem[2]);
	vsg_cmd_tur(self->req, T, LUN_RAM);
	go(self, 0, LUN_RAM);
	mem[3] = see_number(self->nr, 3, "memory");
	EXPECT_LE(1, mem[3]);
	/*
	 * A buffer that is used again is remembered, too, if each of its pages is a folio. It is
	 * forgotten with any change of the memory, not all of which are ours.
	 */
	ASSERT_EQ(0, huge_pages(self->req->data_in, PAGES * 4096, false));
	ASSERT_EQ(0, madvise(self->req->data_in, PAGES * 4096, MADV_DONTNEED));
	for (i = 0; i < 100 && see_number(self->nr, 3, "memory") < mem[3] + PAGES; i++) {
		vsg_cmd_rw(self->req, T, LUN_RAM, false, 0, PAGES * 8, BLOCK);
		go(self, 0, LUN_RAM);
	}
	EXPECT_LE(mem[3] + PAGES, see_number(self->nr, 3, "memory"));
	EXPECT_EQ(3, see_numbers(self->nr, mem, 3, "queues/2/worker"));
	snprintf(path, sizeof(path), "/proc/%llu/comm", (unsigned long long)mem[1]);
	ASSERT_EQ(0, read_file(path, text, sizeof(text)));
	EXPECT_EQ(0, strncmp("vhost-", text, 6));
	EXPECT_LE(1, mem[2]);
	for (i = 0; i < 100; i++) {
		vsg_cmd_tur(self->req, T, LUN_RAM);
		go(self, 0, LUN_RAM);
	}
	EXPECT_LT(mem[2], see_number(self->nr, 2, "queues/2/worker"));
}

/* Sends a command that stays, with a tag of its own. */
static struct vsg_req *leave_in(struct counters *self, unsigned int queue,
				unsigned int lun, uint64_t tag, uint8_t attr)
{
	struct vsg_req *req = request(self->dev, 4096, 0);

	vsg_cmd_rw(req, T, lun, true, 0, 8, BLOCK);
	req->hdr->tag = htole64(tag);
	req->hdr->task_attr = attr;
	ASSERT_EQ(0, vsg_submit(vsg_io(self->dev, queue), req));
	vsg_ring_kick(vsg_io(self->dev, queue));
	return req;
}

static struct vsg_req *leave(struct counters *self, unsigned int lun,
			     uint64_t tag, uint8_t attr)
{
	return leave_in(self, 0, lun, tag, attr);
}

TEST_F(counters, in_the_backend)
{
	char line[256];
	unsigned int i;

	ready(vsg_io(self->dev, 0), T, LUN_HANG);
	hold(self, "hang");
	for (i = 0; i < 5; i++)
		leave(self, LUN_HANG, 0x1000 + i, VIRTIO_SCSI_S_SIMPLE);
	EXPECT_TRUE(see_settle(self->nr, SEE_IN_FLIGHT, 5, WAIT_MS, "stat"));
	EXPECT_EQ(5, see_number(self->nr, SEE_HIGHEST, "queues/2/stat"));
	EXPECT_EQ(5, see_number(self->nr, SEE_HIGHEST, "luns/1:2/stat"));
	if (!see_have_debug())
		SKIP("no debugfs");
	for (i = 0; i < 5; i++)
		EXPECT_TRUE(see_inflight(self->nr, 0x1000 + i, "backend", "backend",
					 line, sizeof(line), 1000 * t_factor()));
	EXPECT_TRUE(strstr(line, " 2 0x1004 1 2 w 4096 S "));
	EXPECT_TRUE(strstr(line, " 2a000000000000000800"));
	leave_in(self, 1, LUN_HANG, 0x1005, VIRTIO_SCSI_S_SIMPLE);
	EXPECT_TRUE(see_inflight(self->nr, 0x1005, "backend", "backend", line,
				 sizeof(line), 1000 * t_factor()));
	EXPECT_TRUE(strstr(line, " 3 0x1005 1 2 w 4096 S "));
	usleep(200000);
	ASSERT_TRUE(see_inflight(self->nr, 0x1000, "backend", "backend", line,
				 sizeof(line), WAIT_MS));
	EXPECT_LE(150000, strtoull(line, NULL, 10));
	release(self);
	for (i = 0; i < QUEUES; i++)
		ASSERT_EQ(0, vsg_ring_drain(vsg_io(self->dev, i), WAIT_MS));
	EXPECT_EQ(0, see_number(self->nr, SEE_IN_FLIGHT, "stat"));
	EXPECT_EQ(5, see_number(self->nr, SEE_HIGHEST, "queues/2/stat"));
	EXPECT_EQ(0, see_debug(self->nr, "inflight", line, sizeof(line)));
}

/* Four are in the backend, others wait for a slot; and then all wait for an order. */
TEST_F(counters, behind_others)
{
	unsigned int i;

	if (!see_have_debug())
		SKIP("no debugfs");
	ready(vsg_io(self->dev, 0), T, LUN_SLEEPY);
	hold(self, "sleepy");
	for (i = 0; i < 4; i++) {
		leave(self, LUN_SLEEPY, 0x1000 + i, VIRTIO_SCSI_S_SIMPLE);
		EXPECT_TRUE(see_inflight(self->nr, 0x1000 + i, "backend", "backend",
					 NULL, 0, WAIT_MS));
	}
	leave(self, LUN_SLEEPY, 0x1004, VIRTIO_SCSI_S_SIMPLE);
	EXPECT_TRUE(see_inflight(self->nr, 0x1004, "waiting", "slot", NULL, 0,
				 1000 * t_factor()));
	leave(self, LUN_SLEEPY, 0x1005, VIRTIO_SCSI_S_ORDERED);
	EXPECT_TRUE(see_inflight(self->nr, 0x1005, "waiting", "order", NULL, 0,
				 1000 * t_factor()));
	release(self);
	ASSERT_EQ(0, vsg_ring_drain(vsg_io(self->dev, 0), WAIT_MS));
	EXPECT_LE(7, see_number(self->nr, SEE_TAKEN, "luns/1:3/stat"));
	EXPECT_EQ(see_number(self->nr, SEE_TAKEN, "luns/1:3/stat"),
		  see_number(self->nr, SEE_DEFERRED, "luns/1:3/stat"));
}

TEST_F(counters, in_a_function)
{
	struct vsg_result res;
	struct vsg_req *req;
	uint64_t before;

	if (!see_have_debug())
		SKIP("no debugfs");
	ready(vsg_io(self->dev, 0), T, LUN_HANG);
	hold(self, "hang");
	before = see_number(self->nr, SEE_ERRORS, "stat");
	req = leave(self, LUN_HANG, 0x1000, VIRTIO_SCSI_S_SIMPLE);
	EXPECT_TRUE(see_inflight(self->nr, 0x1000, "backend", "backend", NULL, 0,
				 WAIT_MS));
	ASSERT_EQ(0, vsg_tmf_submit(self->ctl, VIRTIO_SCSI_T_TMF_ABORT_TASK, T,
				    LUN_HANG, 0x1000));
	vsg_ring_kick(&self->dev->ring[VSG_CTL]);
	EXPECT_TRUE(see_inflight(self->nr, 0x1000, "backend", "function", NULL, 0,
				 1000 * t_factor()));
	EXPECT_TRUE(see_settle(self->nr, SEE_TMF_PENDING, 1, WAIT_MS,
			       "tmf_abort_task"));
	release(self);
	ASSERT_EQ(0, vsg_token_wait(&self->ctl->tok, WAIT_MS));
	ASSERT_EQ(0, vsg_ring_drain(vsg_io(self->dev, 0), WAIT_MS));
	res = vsg_result(req);
	EXPECT_EQ(res.response || res.status, see_number(self->nr, SEE_ERRORS, "stat") - before);
	if (res.response)
		EXPECT_EQ(1, see_number(self->nr, res.response - 1, "errors"));
}

static void check_tmf(struct counters *self, const char *file, uint64_t complete,
		      uint64_t rejected, uint64_t incorrect)
{
	uint64_t nr[SEE_TMFS];

	WHERE("%s", file);
	ASSERT_EQ(SEE_TMFS, see_numbers(self->nr, nr, SEE_TMFS, "%s", file));
	EXPECT_EQ(complete + rejected + incorrect, nr[SEE_TMF_BEGUN]);
	EXPECT_EQ(complete, nr[SEE_TMF_COMPLETE]);
	EXPECT_EQ(rejected, nr[SEE_TMF_REJECTED]);
	EXPECT_EQ(incorrect, nr[SEE_TMF_INCORRECT_LUN]);
	EXPECT_EQ(0, nr[SEE_TMF_SUCCEEDED]);
	EXPECT_EQ(0, nr[SEE_TMF_BUSY]);
	EXPECT_EQ(0, nr[SEE_TMF_FAILED]);
	EXPECT_EQ(0, nr[SEE_TMF_PENDING]);
}

TEST_F(counters, functions)
{
	static const struct {
		uint32_t function;
		uint8_t response;
		const char *file;
	} others[] = {
		{ VIRTIO_SCSI_T_TMF_ABORT_TASK_SET, 0, "tmf_abort_task_set" },
		{ VIRTIO_SCSI_T_TMF_CLEAR_ACA, VIRTIO_SCSI_S_FUNCTION_REJECTED,
		  "tmf_clear_aca" },
		{ VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET, 0, "tmf_clear_task_set" },
		{ VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET, 0, "tmf_nexus_reset" },
		{ VIRTIO_SCSI_T_TMF_QUERY_TASK, 0, "tmf_query_task" },
		{ VIRTIO_SCSI_T_TMF_QUERY_TASK_SET, 0, "tmf_query_task_set" },
		{ 99, VIRTIO_SCSI_S_FUNCTION_REJECTED, "tmf_other" },
	};
	unsigned int i;

	for (i = 0; i < 3; i++)
		EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
			  vsg_tmf(self->dev, VIRTIO_SCSI_T_TMF_ABORT_TASK, T,
				  LUN_RAM, 1, WAIT_MS));
	EXPECT_EQ(VIRTIO_SCSI_S_INCORRECT_LUN,
		  vsg_tmf(self->dev, VIRTIO_SCSI_T_TMF_ABORT_TASK, T, 99, 1,
			  WAIT_MS));
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  vsg_tmf(self->dev, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, T,
			  LUN_RAM, 0, WAIT_MS));
	EXPECT_EQ(VIRTIO_SCSI_S_BAD_TARGET,
		  vsg_tmf(self->dev, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, T + 1,
			  LUN_RAM, 0, WAIT_MS));
	for (i = 0; i < ARRAY_SIZE(others); i++)
		EXPECT_EQ(others[i].response,
			  vsg_tmf(self->dev, others[i].function, T, LUN_RAM, 0,
				  WAIT_MS));
	check_tmf(self, "tmf_abort_task", 3, 0, 1);
	check_tmf(self, "tmf_lun_reset", 1, 0, 1);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		check_tmf(self, others[i].file, !others[i].response,
			  !!others[i].response, 0);
	EXPECT_EQ(5 + 1 + ARRAY_SIZE(others),
		  see_number(self->nr, SEE_CHAINS, "queues/0/ring"));
}

/* A query is answered at once, and a command is not held by one. */
TEST_F(counters, query)
{
	ready(vsg_io(self->dev, 0), T, LUN_HANG);
	hold(self, "hang");
	leave(self, LUN_HANG, 0x1000, VIRTIO_SCSI_S_SIMPLE);
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_SUCCEEDED,
		  vsg_tmf(self->dev, VIRTIO_SCSI_T_TMF_QUERY_TASK, T, LUN_HANG,
			  0x1000, WAIT_MS));
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_SUCCEEDED,
		  vsg_tmf(self->dev, VIRTIO_SCSI_T_TMF_QUERY_TASK_SET, T, LUN_HANG,
			  0, WAIT_MS));
	EXPECT_EQ(1, see_number(self->nr, SEE_TMF_SUCCEEDED, "tmf_query_task"));
	EXPECT_EQ(1, see_number(self->nr, SEE_TMF_SUCCEEDED, "tmf_query_task_set"));
	EXPECT_EQ(0, see_number(self->nr, SEE_TMF_PENDING, "tmf_query_task"));
	if (see_have_debug())
		EXPECT_TRUE(see_inflight(self->nr, 0x1000, "backend", "backend",
					 NULL, 0, 1000 * t_factor()));
	release(self);
	ASSERT_EQ(0, vsg_ring_drain(vsg_io(self->dev, 0), WAIT_MS));
}

/* Each function that waits for the backend is to be seen, by its name. */
TEST_F(counters, functions_under_way)
{
	static const struct {
		uint32_t function;
		const char *name, *file;
	} functions[] = {
		{ VIRTIO_SCSI_T_TMF_ABORT_TASK_SET, "ABORT_TASK_SET",
		  "tmf_abort_task_set" },
		{ VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET, "CLEAR_TASK_SET",
		  "tmf_clear_task_set" },
		{ VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET, "I_T_NEXUS_RESET",
		  "tmf_nexus_reset" },
	};
	char text[4096];
	unsigned int i;

	if (!see_have_debug())
		SKIP("no debugfs");
	for (i = 0; i < ARRAY_SIZE(functions); i++) {
		WHERE("%s", functions[i].name);
		ready(vsg_io(self->dev, 0), T, LUN_HANG);
		hold(self, "hang");
		leave(self, LUN_HANG, 0x1000 + i, VIRTIO_SCSI_S_SIMPLE);
		reach_backend();
		ASSERT_EQ(0, vsg_tmf_submit(self->ctl, functions[i].function, T,
					    LUN_HANG, 0));
		vsg_ring_kick(&self->dev->ring[VSG_CTL]);
		EXPECT_TRUE(see_inflight(self->nr, 0x1000 + i, "backend",
					 "function", NULL, 0, 1000 * t_factor()));
		EXPECT_TRUE(see_inflight(self->nr, 0, "settle", "backend", text,
					 sizeof(text), 1000 * t_factor()));
		EXPECT_TRUE(strstr(text, functions[i].name));
		EXPECT_EQ(1, see_number(self->nr, SEE_TMF_PENDING, "%s",
					functions[i].file));
		release(self);
		ASSERT_EQ(0, vsg_token_wait(&self->ctl->tok, WAIT_MS));
		ASSERT_EQ(0, vsg_ring_drain(vsg_io(self->dev, 0), WAIT_MS));
		EXPECT_EQ(1, see_number(self->nr, SEE_TMF_COMPLETE, "%s",
					functions[i].file));
		EXPECT_EQ(0, see_number(self->nr, SEE_TMF_PENDING, "%s",
					functions[i].file));
	}
}

/* The well known LUN is one as others are. */
TEST_F(counters, well_known)
{
	static const uint8_t lun[8] = { 1, T, 0xc1, 0x01 };

	vsg_cmd_tur(self->req, T, 0);
	memcpy(self->req->hdr->lun, lun, sizeof(lun));
	go(self, 0, LUNS);
	EXPECT_TRUE(see_settle(self->nr, SEE_OTHERS, 1, WAIT_MS, "luns/1:49409/stat"));
	EXPECT_EQ(0, see_number(self->nr, SEE_ERRORS, "luns/1:49409/stat"));
	check_all(self);
}

TEST_F(counters, events)
{
	enum { MOST = 128 };
	struct vsg_evt evt = {}, small = {};
	unsigned int i;

	ASSERT_EQ(0, vsg_evt_post(self->dev, &evt, 16));
	ASSERT_EQ(0, lio("lun " WWN_A " 1 30 ram"));
	ASSERT_EQ(0, vsg_token_wait(&evt.tok, WAIT_MS));
	EXPECT_EQ(1, see_number(self->nr, 0, "events"));
	EXPECT_EQ(0, see_number(self->nr, 1, "events"));
	EXPECT_EQ(0, see_number(self->nr, 2, "events"));
	ASSERT_EQ(0, lio("unlun " WWN_A " 1 30"));
	EXPECT_EQ(1, see_number(self->nr, 2, "events"));
	ASSERT_EQ(0, vsg_evt_post(self->dev, &small, 8));
	ASSERT_EQ(0, vsg_token_wait(&small.tok, WAIT_MS));
	EXPECT_EQ(1, see_number(self->nr, 0, "events"));
	EXPECT_EQ(1, see_number(self->nr, 1, "events"));
	WHERE("more than may wait");
	for (i = 0; i < MOST / 2; i++)
		ASSERT_EQ(0, lio("lun " WWN_A " 1 30 ram; unlun " WWN_A " 1 30"));
	EXPECT_EQ(MOST, see_number(self->nr, 2, "events"));
	EXPECT_EQ(1, see_number(self->nr, 1, "events"));
	ASSERT_EQ(0, lio("lun " WWN_A " 1 30 ram; unlun " WWN_A " 1 30"));
	EXPECT_EQ(MOST, see_number(self->nr, 2, "events"));
	EXPECT_EQ(3, see_number(self->nr, 1, "events"));
	WHERE("those that wait when it is not bound any more");
	ASSERT_EQ(0, vsg_stop(self->dev));
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	EXPECT_EQ(0, see_number(self->nr, 2, "events"));
	EXPECT_EQ(3 + MOST, see_number(self->nr, 1, "events"));
}

/*
 * Who holds a port whose process has died is to be seen, and with what: one of two backends
 * answers, and then the other. With the ring pinned commands are answered all the same;
 * otherwise the worker would have to, and they are dropped.
 */
static void port_of_the_dead(struct counters *self, bool pinned)
{
	uint64_t stat[SEE_STATS], at[1];
	struct vsg_dev *dev;
	int status;
	pid_t pid;
	long nr;

	vsg_close(self->dev);
	self->dev = NULL;
	pid = fork();
	if (!pid) {
		if (!pinned)
			memlock_limit(0);
		self->dev = guest(WWN_A, NULL);
		self->ctl = vsg_ctl_alloc(self->dev);
		ASSERT_TRUE(self->ctl);
		ready(vsg_io(self->dev, 0), T, LUN_HANG);
		ready(vsg_io(self->dev, 0), T, LUN_SLEEPY);
		if (lio("hang hang; hang sleepy"))
			_exit(1);
		leave(self, LUN_HANG, 0x4711, VIRTIO_SCSI_S_SIMPLE);
		leave(self, LUN_SLEEPY, 0x4712, VIRTIO_SCSI_S_SIMPLE);
		reach_backend();
		ASSERT_EQ(0, vsg_tmf_submit(self->ctl, VIRTIO_SCSI_T_TMF_ABORT_TASK, T,
					    LUN_HANG, 0x4711));
		vsg_ring_kick(&self->dev->ring[VSG_CTL]);
		pause();
		_exit(1);
	}
	self->hung = "hang; unhang sleepy";
	while ((nr = see_device(pid, WWN_A)) < 0 ||
	       !see_settle(nr, SEE_IN_FLIGHT, 1, 0, "luns/1:2/stat") ||
	       !see_settle(nr, SEE_IN_FLIGHT, 1, 0, "luns/1:3/stat") ||
	       !see_settle(nr, SEE_TMF_PENDING, 1, 0, "tmf_abort_task"))
		usleep(1000);
	EXPECT_EQ(0, see_number(nr, 0, "closed"));
	reach_backend();
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(nr, see_device(pid, WWN_A));
	ASSERT_EQ(1, see_numbers(nr, at, 1, "closed"));
	EXPECT_LE(time(NULL) - 60 * t_factor(), at[0]);
	if (see_have_debug()) {
		EXPECT_TRUE(see_inflight(nr, 0x4711, "backend", "function", NULL, 0,
					 1000 * t_factor()));
		EXPECT_TRUE(see_inflight(nr, 0x4712, "backend", "backend", NULL, 0,
					 1000 * t_factor()));
	}
	ASSERT_EQ(0, vsg_open(&dev, NULL));
	EXPECT_EQ(-EBUSY, vsg_start(dev, WWN_A));
	vsg_close(dev);

	EXPECT_EQ(0, lio("unhang hang"));
	self->hung = "sleepy";
	EXPECT_TRUE(see_settle(nr, SEE_IN_FLIGHT, 0, WAIT_MS, "luns/1:2/stat"));
	ASSERT_EQ(SEE_STATS, see_numbers(nr, stat, SEE_STATS, "stat"));
	EXPECT_EQ(1, stat[SEE_IN_FLIGHT]);
	EXPECT_EQ(!pinned, stat[SEE_DROPPED]);
	EXPECT_TRUE(see_settle(nr, SEE_TMF_PENDING, 0, WAIT_MS, "tmf_abort_task"));
	if (!pinned)
		EXPECT_EQ(1, see_number(nr, SEE_TMF_DROPPED, "tmf_abort_task"));
	EXPECT_EQ(stat[SEE_TAKEN], stat[SEE_READS] + stat[SEE_WRITES] +
				   stat[SEE_OTHERS] + stat[SEE_DROPPED] + 1);
	release(self);
	while (see_device(pid, WWN_A) >= 0)
		usleep(1000);
}

TEST_F_TIMEOUT(counters, port_of_the_dead, 60)
{
	port_of_the_dead(self, true);
}

TEST_F_TIMEOUT(counters, dropped, 60)
{
	port_of_the_dead(self, false);
}

/*
 * Sums of a file "latency": commands of a stage and a kind. Whoever is in a bucket took as
 * long as that says, so the sum of the times is between two bounds. @took: gets their
 * nanoseconds.
 */
static uint64_t measured_in(long nr, const char *stage, char dir, uint64_t *took)
{
	static char text[1 << 18];
	uint64_t sum = 0;
	char *at, *save;

	*took = 0;
	if (see_debug(nr, "latency", text, sizeof(text)) < 0)
		return UINT64_MAX;
	for (at = strtok_r(text, "\n", &save); at; at = strtok_r(NULL, "\n", &save)) {
		unsigned long long count, ns, n, all = 0, least = 0, most = 0, last = 0;
		char s[16], d, *end;
		int off, i;

		if (sscanf(at, "%*u %*s %*s %15s %c %llu %llu%n", s, &d, &count, &ns,
			   &off) != 4)
			return UINT64_MAX;
		for (i = 0, at += off; (n = strtoull(at, &end, 10), end != at);
		     at = end, i++) {
			all += n;
			least += i ? n << (i + 9) : 0;
			most += (n << (i + 10)) - n;
			last = n;
		}
		EXPECT_EQ(28, i);
		EXPECT_LE(least, ns);
		if (!last)	/* that bucket has no end */
			EXPECT_LE(ns, most);
		EXPECT_EQ(count, all);
		if (!strcmp(s, stage) && d == dir) {
			sum += count;
			*took += ns;
		}
	}
	return sum;
}

static uint64_t measured(long nr, const char *stage, char dir)
{
	uint64_t took;

	return measured_in(nr, stage, dir, &took);
}

TEST_F(counters, latencies)
{
	static const char *const stages[] = { "submit", "backend", "answer", "total" };
	unsigned int i;

	if (!see_have_debug())
		SKIP("no debugfs");
	vsg_cmd_rw(self->req, T, LUN_DISK, false, 0, 8, BLOCK);
	go(self, 0, LUN_DISK);
	EXPECT_EQ(0, measured(self->nr, "total", 'r'));
	ASSERT_EQ(0, see_measure(true));
	for (i = 0; i < 10; i++) {
		vsg_cmd_rw(self->req, T, i % 2, i % 5 == 0, 0, 8, BLOCK);
		go(self, i % QUEUES, i % 2);
	}
	ASSERT_EQ(0, see_measure(false));
	vsg_cmd_rw(self->req, T, LUN_DISK, false, 0, 8, BLOCK);
	go(self, 0, LUN_DISK);
	for (i = 0; i < ARRAY_SIZE(stages); i++) {
		WHERE("%s", stages[i]);
		EXPECT_EQ(8, measured(self->nr, stages[i], 'r'));
		EXPECT_EQ(2, measured(self->nr, stages[i], 'w'));
		EXPECT_EQ(0, measured(self->nr, stages[i], 'n'));
	}
	WHERE("begun anew");
	ASSERT_EQ(0, see_measure(true));
	EXPECT_EQ(0, measured(self->nr, "total", 'r'));
}

/* The time is that of the stage in which it went by. */
TEST_F(counters, stages)
{
	enum { HELD = 4, MS = 300 };
	uint64_t took;
	unsigned int i;

	if (!see_have_debug())
		SKIP("no debugfs");
	ready(vsg_io(self->dev, 0), T, LUN_SLEEPY);
	ASSERT_EQ(0, see_measure(true));
	hold(self, "sleepy");
	/* The last one waits for a slot. */
	for (i = 0; i <= HELD; i++)
		leave(self, LUN_SLEEPY, 0x1000 + i, VIRTIO_SCSI_S_SIMPLE);
	for (i = 0; i <= HELD; i++)
		EXPECT_TRUE(see_inflight(self->nr, 0x1000 + i, i < HELD ? "backend" : "waiting",
					 i < HELD ? "backend" : "slot", NULL, 0, WAIT_MS));
	usleep(MS * 1000);
	release(self);
	ASSERT_EQ(0, vsg_ring_drain(vsg_io(self->dev, 0), WAIT_MS));
	ASSERT_EQ(0, see_measure(false));
	EXPECT_EQ(HELD + 1, measured_in(self->nr, "submit", 'w', &took));
	EXPECT_LE(MS * 1000000ULL, took);
	EXPECT_EQ(HELD + 1, measured_in(self->nr, "backend", 'w', &took));
	EXPECT_LE(HELD * MS * 1000000ULL, took);
	EXPECT_EQ(HELD + 1, measured_in(self->nr, "total", 'w', &took));
	EXPECT_LE((HELD + 1) * MS * 1000000ULL, took);
}

/* Of more than 64 that are slow the slowest are kept, the slowest first. */
TEST_F(counters, slowest)
{
	enum { FIRST = 60, THEN = 10, MOST = 64, MS = 300 };
	static char text[1 << 16];
	unsigned int i, lines = 0, later = 0;
	char *at;

	if (!see_have_debug())
		SKIP("no debugfs");
	ready(vsg_io(self->dev, 0), T, LUN_HANG);
	ASSERT_LE(0, see_debug(self->nr, "slow", text, sizeof(text)));
	hold(self, "hang");
	for (i = 0; i < FIRST; i++)
		leave(self, LUN_HANG, 0x1000 + i, VIRTIO_SCSI_S_SIMPLE);
	/* Ten ticks of the slowest clock. */
	usleep(100000);
	release(self);
	ASSERT_EQ(0, vsg_ring_drain(vsg_io(self->dev, 0), WAIT_MS));
	hold(self, "hang");
	for (i = 0; i < THEN; i++)
		leave(self, LUN_HANG, 0x2000 + i, VIRTIO_SCSI_S_SIMPLE);
	usleep(MS * 1000);
	release(self);
	ASSERT_EQ(0, vsg_ring_drain(vsg_io(self->dev, 0), WAIT_MS));
	ASSERT_LE(1, see_debug(self->nr, "slow", text, sizeof(text)));
	for (at = text; (at = strchr(at, '\n')); at++)
		lines++;
	for (at = text; (at = strstr(at, " 0x200")); at++)
		later++;
	EXPECT_EQ(MOST, lines);
	EXPECT_EQ(THEN, later);
	EXPECT_LE(MS * 1000 - 20000, strtoull(text, NULL, 10));
}

/* The slowest, once; and not those that were as fast as usual. */
TEST_F(counters, slow)
{
	char text[4096];

	if (!see_have_debug())
		SKIP("no debugfs");
	ready(vsg_io(self->dev, 0), T, LUN_LATE);
	ASSERT_LE(0, see_debug(self->nr, "slow", text, sizeof(text)));
	vsg_cmd_rw(self->req, T, LUN_LATE, false, 16, 8, BLOCK);
	self->req->hdr->tag = htole64(0x5107);
	go(self, 1, LUN_LATE);
	ASSERT_LE(1, see_debug(self->nr, "slow", text, sizeof(text)));
	EXPECT_LE(LATE_MS * 1000 - 20000, strtoull(text, NULL, 10));
	EXPECT_TRUE(strstr(text, " 3 0x5107 1 4 r 4096 S 0 0 2800000000100000080"));
	EXPECT_EQ(0, see_debug(self->nr, "slow", text, sizeof(text)));
}

/* Reads every file of every device. */
static void read_all(const char *dir)
{
	char path[512], text[4096];
	struct dirent *e;
	DIR *d;
	int fd;

	d = opendir(dir);
	if (!d)
		return;
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.' || e->d_type == DT_LNK)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_type == DT_DIR) {
			read_all(path);
			continue;
		}
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		while (read(fd, text, sizeof(text)) > 0)
			;
		close(fd);
	}
	closedir(d);
}

static void *reader(void *stop)
{
	while (!atomic_load((atomic_bool *)stop)) {
		read_all(SEE_DEVICES);
		read_all(SEE_DEBUG);
	}
	return NULL;
}

/* Readers while devices come and go, and LUNs with them. */
TEST_TIMEOUT(come_and_go, 60)
{
	struct vsg_opts opts = { .nr_io = QUEUES, .ring_size = 64 };
	atomic_bool stop = false;
	pthread_t threads[2];
	struct vsg_dev *dev;
	struct vsg_req *req;
	unsigned int i, lun;

	if (!exists(SEE_DEVICES))
		SKIP("this module shows nothing");
	see_have_debug();
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, reader, &stop));
	for (i = 0; i < 12; i++) {
		dev = guest(WWN_A, &opts);
		req = request(dev, 4096, 4096);
		for (lun = 0; lun < 2; lun++) {
			vsg_cmd_tur(req, T, lun);
			exec(vsg_io(dev, lun), req);
		}
		if (i % 2)
			see_measure(i % 4 == 1);
		if (i % 3)
			guest_end(dev);
		else
			vsg_close(dev);
	}
	atomic_store(&stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	see_measure(false);
	EXPECT_EQ(-1, see_device(getpid(), WWN_A));
}

#define TARGETS 128
#define MANY_QUEUES 16
#define MEASURED 3

/* Nanoseconds of the threads of work queues that are not bound to a processor. */
static long long helpers_ns(void)
{
	DIR *d = opendir("/proc");
	char path[300], text[64];
	struct dirent *e;
	long long sum = 0;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		if (read_file(path, text, sizeof(text)) ||
		    strncmp(text, "kworker/u", 9))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/schedstat", e->d_name);
		if (!read_file(path, text, sizeof(text)))
			sum += atoll(text);
	}
	if (d)
		closedir(d);
	return sum;
}

/*
 * A command of a queue to each target, PAUSE microseconds one after the other. Returns what
 * that cost helpers_ns().
 */
static long long visit_all(struct vsg_dev *dev, struct vsg_req *req, unsigned int queue,
			   unsigned int pause)
{
	long long began = helpers_ns();
	unsigned int target;

	for (target = 0; target < TARGETS; target++) {
		vsg_cmd_tur(req, target, 0);
		exec(vsg_io(dev, queue), req);
		usleep(pause);
	}
	return helpers_ns() - began;
}

/*
 * What is shown of a LUN costs no more the more there are: what the first queue costs, for
 * which the directories are made, is more than what the last ones do.
 */
TEST_TIMEOUT(many_luns_and_queues, 120)
{
	struct vsg_opts opts = { .nr_io = MANY_QUEUES, .ring_size = 16 };
	long long first, ns, last = -1;
	struct vsg_dev *dev;
	struct vsg_req *req;
	unsigned int i;

	if (!exists(SEE_DEVICES))
		SKIP("this module shows nothing");
	for (i = 0; i < TARGETS; i++)
		ASSERT_EQ(0, lio("tpg " WWN_B " %u; lun " WWN_B " %u 0 ram", i, i));
	dev = guest(WWN_B, &opts);
	req = request(dev, 0, 0);
	first = visit_all(dev, req, 0, 5000);
	for (i = 1; i < MANY_QUEUES - MEASURED; i++)
		visit_all(dev, req, i, 0);
	usleep(500000);
	/* Others have work items, too. */
	for (; i < MANY_QUEUES; i++) {
		ns = visit_all(dev, req, i, 5000);
		if (last < 0 || ns < last)
			last = ns;
	}
	printf("# the first queue: %lld us, one of the last: %lld us\n", first / 1000,
	       last / 1000);
	EXPECT_LE(last, 2 * first + 5000000);
	guest_end(dev);
	EXPECT_EQ(0, lio("dropwwn " WWN_B));
}
