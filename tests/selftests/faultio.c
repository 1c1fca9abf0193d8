// SPDX-License-Identifier: GPL-2.0-only
/* Proves: a request is answered once and correctly, whatever fails while it is served. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "files.h"
#include "inject.h"
#include "load.h"

#define T 1
#define PAGE 4096
#define DATA (64 << 10)

enum { LUN_RAM, LUN_DISK, LUN_FILE, LUN_SLOW, LUN_SCSI };

#define STORES \
	"ramdisk ram 16; block disk 16; fileio file 16; delayed slow 16 20 300\n" \
	"tpg " WWN_A " 1; lun " WWN_A " 1 0 ram; lun " WWN_A " 1 1 disk\n" \
	"lun " WWN_A " 1 2 file; lun " WWN_A " 1 3 slow"

int suite_setup(void)
{
	int ret;

	if (geteuid())
		return SUITE_SKIP("needs root");
	if (inject_init())
		return SUITE_SKIP("the kernel injects no faults");
	ret = lio_suite(STORES);
	/* Without scsi_debug the rest can be tested all the same. */
	if (!ret && !lio("scsi scsi"))
		ret = lio("lun " WWN_A " 1 4 scsi");
	return ret;
}

void suite_teardown(void)
{
	lio_suite_end();
	inject_end();
}

/**
 * struct io - a guest, and who serves it
 * @dev: guest
 * @r: its request queue
 * @req: a request with DATA bytes in both directions, in whole pages
 * @tid: the worker
 * @worker: faults in the worker
 * @helpers: faults in the threads of work queues
 * @seed: of the last pattern
 */
FIXTURE(io)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *req;
	pid_t tid;
	struct nth worker;
	struct nth helpers;
	uint32_t seed;
};

FIXTURE_SETUP(io)
{
	struct vsg_opts opts = { .nr_io = 4, .ring_size = 64 };
	char name[32];

	self->dev = guest(WWN_A, &opts);
	self->r = vsg_io(self->dev, 0);
	self->req = request(self->dev, DATA, DATA);
	snprintf(name, sizeof(name), "vhost-%d", getpid());
	self->tid = find_task(name);
	ASSERT_NE(0, self->tid);
	nth_task(&self->worker, self->tid);
	nth_tasks(&self->helpers, "kworker/u");
	ASSERT_EQ(1, self->worker.nr);
	ASSERT_NE(0, self->helpers.nr);
}

FIXTURE_TEARDOWN(io)
{
	inject_chance("failslab", 0);
	inject_chance("fail_page_alloc", 0);
	inject_chance("fail_usercopy", 0);
	nth_close(&self->worker);
	nth_close(&self->helpers);
	guest_end(self->dev);
	EXPECT_TRUE(pins_settle(0, 5000));
	EXPECT_TRUE(threads_settle(0, 5000));
}

/* ---- requests of all kinds ---------------------------------------------- */

/* How response and data-in, or header and data-out, are cut. */
enum layout {
	PLAIN,		/* one descriptor for each */
	PIECES,		/* data by sectors */
	MISALIGNED,	/* data cut within a sector, which wants a bounce */
	BYTES,		/* the response byte by byte */
};

/**
 * struct kind - of a request
 * @name: for messages
 * @lun: which
 * @blocks: of a read or write, 0 for others
 * @write: a write
 * @layout: of its buffers
 * @fresh: the data buffer has no page yet
 * @fill: sets up another one
 */
struct kind {
	const char *name;
	uint16_t lun;
	uint32_t blocks;
	bool write;
	enum layout layout;
	bool fresh;
	void (*fill)(struct vsg_req *req, uint16_t lun);
};

static void fill_inquiry(struct vsg_req *req, uint16_t lun)
{
	vsg_cmd_vpd(req, T, lun, 0x83, 255);
}

static void fill_luns(struct vsg_req *req, uint16_t lun)
{
	vsg_cmd_report_luns(req, T, lun, 4096);
}

static void fill_mode(struct vsg_req *req, uint16_t lun)
{
	vsg_cmd_mode_sense10(req, T, lun, 0x3f, 255);
}

static void fill_pr_in(struct vsg_req *req, uint16_t lun)
{
	vsg_cmd_pr_in(req, T, lun, VSG_PRIN_READ_KEYS, 255);
}

static void fill_pr_out(struct vsg_req *req, uint16_t lun)
{
	vsg_cmd_pr_out(req, T, lun, VSG_PROUT_REGISTER_AND_IGNORE, 0, 0, 7);
}

static void fill_tur(struct vsg_req *req, uint16_t lun)
{
	vsg_cmd_tur(req, T, lun);
}

/* WRITE SAME of a block in one piece, and COMPARE AND WRITE of equal blocks. */
static void fill_same(struct vsg_req *req, uint16_t lun)
{
	uint8_t cdb[16] = { 0x93, [9] = 64, [13] = 8 };

	memset(req->data_out, 0, BLOCK);
	vsg_req_cmd(req, T, lun, cdb, 16, BLOCK, 0);
}

static const struct kind kinds[] = {
	{ "read", .blocks = 8 },
	{ "write", .blocks = 8, .write = true },
	{ "read in pieces", .blocks = 128, .layout = PIECES },
	{ "write in pieces", .blocks = 128, .layout = PIECES, .write = true },
	{ "read, fresh pages", .blocks = 128, .fresh = true },
	{ "read, misaligned", .blocks = 16, .layout = MISALIGNED },
	{ "write, misaligned", .blocks = 16, .layout = MISALIGNED,
	  .write = true },
	{ "read, response in bytes", .blocks = 8, .layout = BYTES },
	{ "read of a disk", LUN_DISK, .blocks = 128 },
	{ "write to a disk", LUN_DISK, 128, .write = true },
	{ "read of a file", LUN_FILE, .blocks = 128 },
	{ "write to a file", LUN_FILE, 128, .write = true },
	{ "read, passed through", LUN_SCSI, .blocks = 64 },
	{ "write, passed through", LUN_SCSI, 64, .write = true },
	{ "TEST UNIT READY", .fill = fill_tur },
	{ "INQUIRY", .fill = fill_inquiry },
	{ "INQUIRY, response in bytes", .fill = fill_inquiry,
	  .layout = BYTES },
	{ "REPORT LUNS", .fill = fill_luns },
	{ "MODE SENSE", .fill = fill_mode },
	{ "PERSISTENT RESERVE IN", .fill = fill_pr_in },
	{ "PERSISTENT RESERVE OUT", .fill = fill_pr_out },
	{ "WRITE SAME", LUN_DISK, .fill = fill_same },
};

/* Is there such a LUN here? */
static bool has(const struct io *self, const struct kind *kind)
{
	if (kind->lun != LUN_SCSI)
		return true;
	vsg_cmd_tur(self->req, T, LUN_SCSI);
	return exec(self->r, self->req).asc != 0x2500;
}

static void cut(struct vsg_req *req, enum layout layout)
{
	static uint32_t bytes[VSG_RESP_LEN + 1];
	uint32_t out[] = { VSG_REQ_LEN, layout == PIECES ? BLOCK : 768, BLOCK };
	uint32_t in[] = { VSG_RESP_LEN, layout == PIECES ? BLOCK : 768, BLOCK };
	unsigned int i;

	if (layout == PIECES || layout == MISALIGNED) {
		ASSERT_EQ(0, vsg_req_cut(req, out, 3, in, 3));
	} else if (layout == BYTES) {
		for (i = 0; i < VSG_RESP_LEN; i++)
			bytes[i] = 1;
		bytes[i] = PAGE;
		ASSERT_EQ(0, vsg_req_cut(req, out, 0, bytes, VSG_RESP_LEN + 1));
	}
}

static void set_up(struct io *self, const struct kind *kind)
{
	struct vsg_req *req = self->req;

	memset(req->data_in, VSG_POISON, DATA);
	if (kind->fill) {
		kind->fill(req, kind->lun);
	} else {
		if (kind->write)
			vsg_pattern(req->data_out, kind->blocks * BLOCK, 0,
				    ++self->seed);
		vsg_cmd_rw(req, T, kind->lun, kind->write, 0, kind->blocks,
			   BLOCK);
	}
	cut(req, kind->layout);
	/* The buffers are in whole pages, but for the response's. */
	if (kind->fresh)
		madvise((void *)(((uintptr_t)req->data_in + PAGE - 1) &
				 ~(uintptr_t)(PAGE - 1)), DATA - PAGE,
			MADV_DONTNEED);
}

static void check_medium(struct io *self, const struct kind *kind)
{
	if (kind->fill)
		return;
	check_pattern(self->r, self->req, T, kind->lun, 0, kind->blocks,
		      self->seed);
}

/*
 * A true answer: GOOD with all of the data, or why not, in a response that is
 * whole.  The copy of an indirect table may be what failed: then nothing tells
 * where the response goes, or only where its beginning goes.
 */
static bool check_answer(struct io *self, const struct kind *kind)
{
	struct vsg_req *req = self->req;
	struct vsg_result res = vsg_result(req);

	if (req->tok.len < VSG_RESP_LEN) {
		EXPECT_TRUE(res.response == VSG_POISON ||
			    res.response == VIRTIO_SCSI_S_FAILURE);
		return false;
	}
	if (res.response != VIRTIO_SCSI_S_OK) {
		EXPECT_TRUE(res.response == VIRTIO_SCSI_S_BUSY ||
			    res.response == VIRTIO_SCSI_S_FAILURE);
		EXPECT_EQ(VSG_RESP_LEN, req->tok.len);
		return false;
	}
	if (res.status != VSG_GOOD) {
		EXPECT_TRUE(res.status == VSG_CHECK_CONDITION ||
			    res.status == VSG_BUSY ||
			    res.status == VSG_TASK_SET_FULL);
		EXPECT_EQ(req->in_len + req->out_len, res.resid);
		EXPECT_EQ(VSG_RESP_LEN, req->tok.len);
		if (res.status == VSG_CHECK_CONDITION)
			EXPECT_LE(8, res.sense_len);
		return false;
	}
	EXPECT_EQ(VSG_RESP_LEN + req->in_len - (req->in_len ? res.resid : 0),
		  req->tok.len);
	if (kind->blocks && !kind->write) {
		EXPECT_EQ(0, res.resid);
		EXPECT_EQ(-1, vsg_pattern_check(req->data_in,
						kind->blocks * BLOCK, 0,
						self->seed));
	}
	return true;
}

static bool run_once(struct io *self, const struct kind *kind)
{
	ASSERT_EQ(0, vsg_exec(self->r, self->req, WAIT_MS));
	return check_answer(self, kind);
}

/* Without faults all is well again, also what was written before. */
static void recover(struct io *self, const struct kind *kind, bool good)
{
	if (good)
		check_medium(self, kind);
	set_up(self, kind);
	if (!run_once(self, kind)) {
		/* LIO may have a unit attention to tell of. */
		set_up(self, kind);
		EXPECT_TRUE(run_once(self, kind));
	}
	check_medium(self, kind);
}

static void prepare_medium(struct io *self, const struct kind *kind)
{
	ready(self->r, T, kind->lun);
	if (!kind->fill)
		write_pattern(self->r, self->req, T, kind->lun, 0, kind->blocks,
			      ++self->seed);
}

/*
 * Pages that are pinned when the queue remembers all that it may of this kind.  A
 * fault makes it forget some, which is no leak; more than these would be one.
 */
static long long most_pins(struct io *self, const struct kind *kind)
{
	unsigned int i;

	prepare_medium(self, kind);
	for (i = 0; i < 3; i++)
		recover(self, kind, true);
	return pins();
}

/*
 * The first chance for a fault becomes one, then the second, and so on.  The
 * threads of work queues have other things to do, so theirs may have no end.
 */
static bool walk(struct io *self, const struct kind *kind,
		 const struct nth *nth, unsigned int max)
{
	unsigned int n, failures = 0;
	bool fired = true, good;
	long long pinned;

	pinned = most_pins(self, kind);
	for (n = 1; fired && n < max; n++) {
		WHERE("%s, fault %u", kind->name, n);
		set_up(self, kind);
		nth_arm(nth, n);
		good = run_once(self, kind);
		fired = nth_fired(nth);
		failures += !good;
		if (!good)
			EXPECT_TRUE(fired);
		EXPECT_LE(pins(), pinned);
		recover(self, kind, good);
		EXPECT_LE(pins(), pinned);
	}
	printf("# %s: %u chances for a fault, %u failures\n", kind->name,
	       n - 2 + fired, failures);
	return !fired;
}

TEST_F_TIMEOUT(io, worker_faults, 300)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (has(self, &kinds[i]))
			EXPECT_TRUE(walk(self, &kinds[i], &self->worker, 1000));
	}
}

TEST_F_TIMEOUT(io, work_queue_faults, 300)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].lun == LUN_FILE || kinds[i].fill)
			walk(self, &kinds[i], &self->helpers, 24);
}

/* Nothing can be allocated at all: answers do not need it. */
TEST_F_TIMEOUT(io, no_memory_at_all, 120)
{
	unsigned int i, good = 0, refused = 0;

	inject_task(self->tid, true);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct kind *kind = &kinds[i];
		bool done;

		if (!has(self, kind))
			continue;
		WHERE("%s", kind->name);
		prepare_medium(self, kind);
		set_up(self, kind);
		inject_chance("failslab", 100);
		inject_chance("fail_page_alloc", 100);
		done = run_once(self, kind);
		inject_chance("failslab", 0);
		inject_chance("fail_page_alloc", 0);
		good += done;
		refused += !done;
		/* Here no copy fails. */
		EXPECT_LE(VSG_RESP_LEN, self->req->tok.len);
		recover(self, kind, done);
	}
	inject_task(self->tid, false);
	/* What needs no memory is done, what does is not. */
	EXPECT_LE(2, good);
	EXPECT_LE(5, refused);
}

/* Do only allocations fail that cannot wait for memory? */
static void inject_without_waiting(bool only)
{
	EXPECT_EQ(0, inject_set(only ? "Y" : "N", "failslab/ignore-gfp-wait"));
	EXPECT_EQ(0, inject_set(only ? "Y" : "N", "fail_page_alloc/ignore-gfp-wait"));
}

/*
 * A host whose free memory is used up for a moment. Linux makes an I/O error of BUSY after
 * five tries, which it makes at once, so the worker waits for memory, whatever the length.
 */
TEST_F_TIMEOUT(io, no_memory_for_a_moment, 120)
{
	static const size_t sizes[] = {
		4096, 68 << 10, 1 << 20, 2 << 20, (2 << 20) + 4096, 8 << 20,
	};
	struct vsg_req *req = request(self->dev, 8 << 20, 8 << 20);
	unsigned int i, k;

	inject_task(self->tid, true);
	inject_without_waiting(true);
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		for (k = 0; k < 2; k++) {
			WHERE("%s of %zu bytes", k ? "read" : "write", sizes[i]);
			if (k)
				memset(req->data_in, 0, sizes[i]);
			else
				memset(req->data_out, 'a' + i, sizes[i]);
			vsg_cmd_rw(req, T, LUN_RAM, !k, 0, sizes[i] / BLOCK, BLOCK);
			inject_chance("failslab", 100);
			inject_chance("fail_page_alloc", 100);
			exec(self->r, req);
			inject_chance("failslab", 0);
			inject_chance("fail_page_alloc", 0);
			EXPECT_TRUE(vsg_good(req));
			if (k)
				EXPECT_EQ(0, memcmp(req->data_in, req->data_out,
						    sizes[i]));
		}
	inject_without_waiting(false);
	inject_task(self->tid, false);
}

/* Of a buffer of many pages each in turn is not there, or not to be written. */
TEST_F_TIMEOUT(io, pages_not_there, 120)
{
	const struct kind *kind;
	unsigned int i, page;
	long long pinned;

	for (i = 0; i < 4; i++) {
		kind = &kinds[i];
		pinned = most_pins(self, kind);
		for (page = 0; page < kind->blocks * BLOCK / PAGE; page++) {
			uintptr_t p;

			WHERE("%s, page %u", kind->name, page);
			set_up(self, kind);
			p = (uintptr_t)(kind->write ? self->req->data_out :
					self->req->data_in);
			/* Not the page of the header or the response. */
			p = ((p + PAGE - 1) & ~(uintptr_t)(PAGE - 1)) + page * PAGE;
			if (p + PAGE > (uintptr_t)(kind->write ?
				self->req->data_out : self->req->data_in) +
			    kind->blocks * BLOCK)
				break;
			ASSERT_EQ(0, mprotect((void *)p, PAGE, kind->write ?
					      PROT_NONE : PROT_READ));
			EXPECT_FALSE(run_once(self, kind));
			EXPECT_EQ(VIRTIO_SCSI_S_FAILURE,
				  vsg_result(self->req).response);
			EXPECT_EQ(VSG_RESP_LEN, self->req->tok.len);
			ASSERT_EQ(0, mprotect((void *)p, PAGE,
					      PROT_READ | PROT_WRITE));
			EXPECT_LE(pins(), pinned);
			recover(self, kind, false);
			EXPECT_LE(pins(), pinned);
		}
	}
}

/* ---- control queue ------------------------------------------------------ */

static bool tmf_code(int code)
{
	return code == VIRTIO_SCSI_S_FUNCTION_COMPLETE ||
	       code == VIRTIO_SCSI_S_BUSY || code == VIRTIO_SCSI_S_FAILURE ||
	       /* the copy of an indirect table failed, and with it the place */
	       code == VSG_POISON;
}

/* Until the worker has taken all there is, and asks for the next kick. */
static void wait_taken(const struct vsg_ring *r)
{
	const uint16_t *event = (const uint16_t *)&r->used->ring[r->num];
	int64_t end = vsg_now_ms() + WAIT_MS;

	while (__atomic_load_n(event, __ATOMIC_ACQUIRE) !=
	       vsg_v16(r, r->avail_idx)) {
		ASSERT_LE(vsg_now_ms(), end);
		usleep(500);
	}
}

/* A function for a command under way, which is answered before it. */
static void tmf_once(struct io *self, uint32_t function,
		     const struct nth *nth, unsigned int n, bool *fired)
{
	struct vsg_req *req = self->req;
	int code;

	vsg_pattern(req->data_out, BLOCK, 0, ++self->seed);
	vsg_cmd_rw(req, T, LUN_SLOW, true, 0, 1, BLOCK);
	ASSERT_EQ(0, vsg_submit(self->r, req));
	vsg_ring_kick(self->r);
	wait_taken(self->r);
	if (nth)
		nth_arm(nth, n);
	code = vsg_tmf(self->dev, function, T, LUN_SLOW,
		       (uint64_t)(uintptr_t)req, WAIT_MS);
	*fired = nth && nth_fired(nth);
	EXPECT_TRUE(tmf_code(code));
	if (!*fired)
		EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE, code);
	vsg_ring_poll(self->r);
	if (code == VIRTIO_SCSI_S_FUNCTION_COMPLETE)
		EXPECT_TRUE(req->tok.done);
	ASSERT_EQ(0, vsg_ring_drain(self->r, WAIT_MS));
	EXPECT_TRUE(vsg_good(req) ||
		    req->resp->response == VIRTIO_SCSI_S_ABORTED ||
		    req->resp->response == VIRTIO_SCSI_S_RESET);
	ready(self->r, T, LUN_SLOW);
	if (vsg_good(req))
		check_pattern(self->r, req, T, LUN_SLOW, 0, 1, self->seed);
}

static void tmf_walk(struct io *self, const struct nth *nth, unsigned int max)
{
	static const uint32_t functions[] = {
		VIRTIO_SCSI_T_TMF_ABORT_TASK,
		VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET,
	};
	unsigned int i, n, met, all = 0;

	ready(self->r, T, LUN_SLOW);
	for (i = 0; i < ARRAY_SIZE(functions); i++) {
		bool fired = true, none;

		for (n = 1, met = 0; fired && n < max; n++) {
			WHERE("function %u, fault %u", functions[i], n);
			tmf_once(self, functions[i], nth, n, &fired);
			met += fired;
			tmf_once(self, functions[i], NULL, 0, &none);
		}
		all += met;
		printf("# function %u: %u chances for a fault\n", functions[i],
		       met);
	}
	/* Not each: a work item ends a task without an allocation. */
	EXPECT_LE(1, all);
}

TEST_F_TIMEOUT(io, worker_faults_in_functions, 120)
{
	tmf_walk(self, &self->worker, 200);
}

TEST_F_TIMEOUT(io, work_queue_faults_in_functions, 120)
{
	tmf_walk(self, &self->helpers, 24);
}

TEST_F_TIMEOUT(io, worker_faults_in_notifications, 60)
{
	unsigned int n;
	bool fired = true;
	uint32_t actual;

	for (n = 1; fired && n < 100; n++) {
		int code;

		WHERE("fault %u", n);
		nth_arm(&self->worker, n);
		code = vsg_an(self->dev, VIRTIO_SCSI_T_AN_QUERY, T, 0, 1,
			      &actual, WAIT_MS);
		fired = nth_fired(&self->worker);
		EXPECT_TRUE(code == VIRTIO_SCSI_S_OK || code == VSG_POISON ||
			    code == VIRTIO_SCSI_S_FAILURE);
		EXPECT_EQ(VIRTIO_SCSI_S_OK,
			  vsg_an(self->dev, VIRTIO_SCSI_T_AN_QUERY, T, 0, 1,
				 &actual, WAIT_MS));
	}
	EXPECT_FALSE(fired);
}

/* An event is told, or that one was missed, with the next. */
TEST_F_TIMEOUT(io, worker_faults_in_events, 120)
{
	static struct vsg_evt evt;
	bool fired = true, lost;
	unsigned int n;
	uint32_t event;

	for (n = 1; fired && n < 100; n++) {
		WHERE("fault %u", n);
		ASSERT_EQ(0, vsg_evt_post(self->dev, &evt, 16));
		nth_arm(&self->worker, n);
		EXPECT_EQ(0, lio("lun " WWN_A " 1 9 ram"));
		ASSERT_EQ(0, vsg_token_wait(&evt.tok, WAIT_MS));
		fired = nth_fired(&self->worker);
		lost = evt.tok.len != 16;
		EXPECT_TRUE(!lost || fired);
		EXPECT_EQ(0, lio("unlun " WWN_A " 1 9"));
		/* That event waits for this buffer, and tells of the lost one. */
		ASSERT_EQ(0, vsg_evt_post(self->dev, &evt, 16));
		ASSERT_EQ(0, vsg_token_wait(&evt.tok, WAIT_MS));
		EXPECT_EQ(16, evt.tok.len);
		event = le32toh(evt.event->event);
		EXPECT_EQ(VIRTIO_SCSI_T_TRANSPORT_RESET,
			  event & ~VIRTIO_SCSI_T_EVENTS_MISSED);
		EXPECT_TRUE(!lost || event & VIRTIO_SCSI_T_EVENTS_MISSED);
		ready(self->r, T, LUN_RAM);
		vsg_ioctl(self->dev, VHOST_SCSI_SET_EVENTS_MISSED,
			  &(uint32_t) { 0 });
	}
	EXPECT_FALSE(fired);
}

/* ---- under load --------------------------------------------------------- */

enum { LOAD_LBA = 4096, LOAD_DEPTH = 32 };

static void loads_start(struct io *self, struct load *load, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		ready(self->r, T, i);
		/*
		 * So that null_blk needs no memory under load: 7.3's takes a
		 * write for good when that fails (Documentation/findings.rst).
		 */
		write_pattern(self->r, self->req, T, i, LOAD_LBA, LOAD_DEPTH, 0);
		load[i] = (struct load) {
			.r = vsg_io(self->dev, 1 + i % 3),
			.target = T,
			.lun = i,
			.lba = LOAD_LBA,
			.depth = LOAD_DEPTH,
			.may_fail = true,
		};
		load_start(&load[i]);
	}
}

static void loads_end(struct load *load, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		load_end(&load[i]);
		EXPECT_LE(1, load[i].good);
		printf("# LUN %u: %lu requests, %lu good\n", load[i].lun,
		       load[i].done, load[i].good);
	}
}

static void helpers_may_fail(const struct io *self, bool may)
{
	char path[64], target[64], *p;
	unsigned int i;
	ssize_t n;

	for (i = 0; i < self->helpers.nr; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d",
			 self->helpers.fd[i]);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = 0;
		p = strstr(target, "/task/");
		if (p)
			inject_task(atoi(p + 6), may);
	}
}

/* Requests of all kinds, functions and verified load, and all may fail. */
/* After two failures in a row a REGISTER is refused for five seconds. */
static void await_register(struct io *self)
{
	int64_t end = vsg_now_ms() + WAIT_MS;

	do {
		usleep(100000);
		fill_pr_out(self->req, 0);
	} while (exec(self->r, self->req).status != VSG_GOOD && vsg_now_ms() < end);
}

TEST_F_TIMEOUT(io, all_may_fail_under_load, 120)
{
	enum { LOADS = 3 };
	int64_t end = vsg_now_ms() + 1500 * t_factor();
	struct load load[LOADS];
	unsigned int i = 0;

	loads_start(self, load, LOADS);
	inject_task(self->tid, true);
	helpers_may_fail(self, true);
	inject_chance("failslab", 20);
	inject_chance("fail_page_alloc", 20);
	inject_chance("fail_usercopy", 10);
	while (vsg_now_ms() < end) {
		const struct kind *kind = &kinds[i++ % ARRAY_SIZE(kinds)];

		WHERE("%s", kind->name);
		/* What it reads is some pattern that is not looked at here. */
		set_up(self, kind);
		ASSERT_EQ(0, vsg_exec(self->r, self->req, WAIT_MS));
		if (i % 8)
			continue;
		EXPECT_TRUE(tmf_code(vsg_tmf(self->dev, i & 8 ?
					     VIRTIO_SCSI_T_TMF_ABORT_TASK :
					     VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET,
					     T, i / 16 % LOADS, i, WAIT_MS)));
	}
	inject_chance("failslab", 0);
	inject_chance("fail_page_alloc", 0);
	inject_chance("fail_usercopy", 0);
	helpers_may_fail(self, false);
	inject_task(self->tid, false);
	usleep(200000);
	loads_end(load, LOADS);
	await_register(self);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!has(self, &kinds[i]))
			continue;
		WHERE("%s afterwards", kinds[i].name);
		prepare_medium(self, &kinds[i]);
		recover(self, &kinds[i], true);
	}
}

/* ---- the disk behind the LUN -------------------------------------------- */

#define NULLB "/sys/kernel/config/nullb"

/* A file that the kernel has about the disk behind a backstore. */
static int disk_set(const char *name, const char *file, const char *value)
{
	char path[256], index[32], disk[300];
	int ret;

	snprintf(path, sizeof(path), NULLB "/vsg_%s/index", name);
	ret = read_file(path, index, sizeof(index));
	if (ret)
		return ret;
	snprintf(disk, sizeof(disk), "/sys/block/nullb%s/%s", index, file);
	if (!exists(disk))
		snprintf(disk, sizeof(disk), "/sys/block/vsg_%s/%s", name, file);
	return write_file(disk, value);
}

static void knob(const char *name, const char *percent)
{
	inject_set("0", "%s/verbose", name);
	inject_set("N", "%s/task-filter", name);
	inject_set("-1", "%s/times", name);
	inject_set("1", "%s/interval", name);
	EXPECT_EQ(0, inject_set(percent, "%s/probability", name));
}

static void check_failed(const struct vsg_req *req)
{
	struct vsg_result res = vsg_result(req);

	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_LE(1, res.key);
	EXPECT_EQ(req->in_len + req->out_len, res.resid);
	EXPECT_EQ(VSG_RESP_LEN, req->tok.len);
}

static void all_fail(struct io *self, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		WHERE("request %u", i);
		vsg_cmd_rw(self->req, T, LUN_DISK, i & 1, i, 1 << i % 7, BLOCK);
		exec(self->r, self->req);
		check_failed(self->req);
	}
}

TEST_F_TIMEOUT(io, disk_fails, 60)
{
	struct load load[2];

	if (disk_set("disk", "make-it-fail", "1"))
		SKIP("disks cannot be made to fail");
	ready(self->r, T, LUN_DISK);
	knob("fail_make_request", "100");
	all_fail(self, 16);
	knob("fail_make_request", "0");
	loads_start(self, load, 2);
	knob("fail_make_request", "30");
	usleep(300000 * t_factor());
	knob("fail_make_request", "0");
	usleep(100000);
	loads_end(load, 2);
	EXPECT_EQ(load[0].done, load[0].good);
	EXPECT_LE(load[1].good, load[1].done - 1);
	EXPECT_EQ(0, disk_set("disk", "make-it-fail", "0"));
}

/* null_blk's own faults are chosen when it is loaded. */
static int load_null_blk(const char *params)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "rmmod null_blk 2>/dev/null; modprobe -q null_blk nr_devices=0 %s",
		 params);
	return system(command);
}

TEST_TIMEOUT(null_blk_faults, 120)
{
	struct vsg_dev *dev;
	struct vsg_req *req;
	unsigned int i, good = 0;

	ASSERT_EQ(0, lio("cleanup"));
	if (load_null_blk("timeout=3,100,0,-1 requeue=2,100,0,-1") ||
	    !exists("/sys/module/null_blk/parameters/timeout")) {
		load_null_blk("");
		ASSERT_EQ(0, lio(STORES));
		SKIP("null_blk injects no faults");
	}
	ASSERT_EQ(0, lio("block disk 16; tpg " WWN_A " 1; lun " WWN_A " 1 1 disk"));
	ASSERT_EQ(0, disk_set("disk", "queue/io_timeout", "300"));
	dev = guest(WWN_A, NULL);
	req = request(dev, 4096, 4096);
	ready(vsg_io(dev, 0), T, LUN_DISK);
	for (i = 0; i < 12; i++) {
		WHERE("request %u", i);
		vsg_cmd_rw(req, T, LUN_DISK, i & 1, 0, 8, BLOCK);
		exec(vsg_io(dev, 0), req);
		if (vsg_good(req))
			good++;
		else
			check_failed(req);
	}
	EXPECT_LE(1, good);
	EXPECT_LE(good, i - 1);
	guest_end(dev);
	ASSERT_EQ(0, lio("cleanup"));
	EXPECT_EQ(0, load_null_blk(""));
	ASSERT_EQ(0, lio(STORES));
}
