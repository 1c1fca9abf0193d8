// SPDX-License-Identifier: GPL-2.0-only
/* Proves: a command that a TMF ended is never GOOD, and is answered before the TMF. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support.h"

#define T 1

/* The disks behind the target. */
enum {
	LUN_RAM,	/* answers at once */
	LUN_SLOW,	/* writes and reads take SLOW_MS */
	LUN_HANG,	/* answers when the test says so */
	LUN_MEEK,	/* likewise; TAS is 0 */
};

static const char * const hanging[] = {
	[LUN_HANG] = "hang", [LUN_MEEK] = "meek",
};

#define SLOW_MS 700

#define NEXUS LIO_WWN "0abc"
/* Another nexus on the same disks, under the same numbers. */
#define WWN_C LIO_WWN "0003"

int suite_setup(void)
{
	int ret;

	ret = lio_suite("ramdisk ram 16; delayed slow 16 700 700\n"
			"hangable hang 16; hangable meek 16\n"
			"tpg " WWN_A " 1; tpg " WWN_C " 1\n"
			"lun " WWN_A " 1 0 ram; lun " WWN_A " 1 1 slow\n"
			"lun " WWN_A " 1 2 hang\n"
			"lun " WWN_C " 1 0 ram; lun " WWN_C " 1 1 slow\n"
			"lun " WWN_C " 1 2 hang\n");
	/* Not once it has a LUN. */
	if (!ret)
		ret = lio_write("0", "core/iblock_" LIO_HBA
				     "/meek/attrib/emulate_tas");
	if (!ret)
		ret = lio("lun " WWN_A " 1 3 meek; lun " WWN_C " 1 3 meek");
	return ret;
}

void suite_teardown(void)
{
	lio_suite_end();
}

FIXTURE(tmf)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_ctl *ctl;
	bool hung;
};

FIXTURE_SETUP(tmf)
{
	struct vsg_opts opts = { .nr_io = 2, .ring_size = 64 };

	self->dev = guest(WWN_A, &opts);
	self->r = vsg_io(self->dev, 0);
	ready(self->r, T, LUN_RAM);
	ready(self->r, T, LUN_SLOW);
	ready(self->r, T, LUN_HANG);
	self->ctl = vsg_ctl_alloc(self->dev);
	ASSERT_TRUE(self->ctl);
}

FIXTURE_TEARDOWN(tmf)
{
	if (self->hung)
		EXPECT_EQ(0, lio("unhang hang"));
	guest_end(self->dev);
}

static void backend_hold(struct tmf *self)
{
	ASSERT_EQ(0, lio("hang hang"));
	self->hung = true;
}

static void backend_release(struct tmf *self)
{
	EXPECT_EQ(0, lio("unhang hang"));
	self->hung = false;
}

/*
 * A queue of its greatest size, full, whose worker has no processor as yet: a function is
 * answered after the READ that is the last of 32768, not before it began.
 */
TEST_TIMEOUT(behind_a_full_ring, 60)
{
	enum { FULL = 32768 };
	struct vsg_opts opts = { .ring_size = FULL, .mem_size = 64 << 20 };
	struct vhost_worker_state state = {};
	struct vhost_vring_worker vw = { .index = VSG_IO };
	pid_t workers[2], first;
	struct vsg_req *req, *none;
	struct vsg_dev *dev;
	struct vsg_ctl *ctl;
	struct vsg_ring *r;
	struct hog hog;
	unsigned int i;

	if (!hog_possible())
		SKIP("one processor, or a realtime kernel");
	ASSERT_EQ(0, vsg_open(&dev, &opts));
	ASSERT_EQ(1, threads_named("vhost-", &first, 1));
	if (vsg_ioctl(dev, VHOST_NEW_WORKER, &state) == -ENOTTY)
		SKIP("no worker ioctls in this module");
	vw.worker_id = state.worker_id;
	ASSERT_EQ(0, vsg_ioctl(dev, VHOST_ATTACH_VRING_WORKER, &vw));
	ASSERT_EQ(2, threads_named("vhost-", workers, 2));
	ASSERT_EQ(0, vsg_start(dev, WWN_A));
	r = vsg_io(dev, 0);
	ready(r, T, LUN_RAM);
	ctl = vsg_ctl_alloc(dev);
	none = request(dev, 0, 0);
	req = request(dev, 0, BLOCK);
	vsg_cmd_tur(none, T + 1, 0);
	exec(r, none);

	hog_start(&hog, workers[workers[0] == first]);
	ASSERT_EQ(0, vsg_submit(r, none));
	for (i = 2; i < FULL; i++)
		vsg_ring_add_head(r, NULL, none->tok.head);
	vsg_cmd_rw(req, T, LUN_RAM, false, 0, 1, BLOCK);
	ASSERT_EQ(0, vsg_submit(r, req));
	vsg_ring_publish(r);
	vsg_ring_kick(r);
	ASSERT_EQ(0, vsg_tmf_submit(ctl, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, T,
				    LUN_RAM, 0));
	vsg_ring_kick(&dev->ring[VSG_CTL]);
	EXPECT_EQ(-ETIMEDOUT, vsg_token_wait(&ctl->tok, 500));
	hog_end(&hog);
	EXPECT_EQ(0, vsg_token_wait(&ctl->tok, WAIT_MS));
	/* The last entry of the used ring is not the READ's: the others' were answered. */
	EXPECT_EQ((uint16_t)(r->used_idx + FULL), vsg_v16(r, r->used->idx));
	vsg_stop(dev);
	vsg_close(dev);
}

/* Milliseconds that all processors have worked in the kernel since the start. */
static long long kernel_ms(void)
{
	unsigned long long user, nice, sys, idle, wait, irq, soft;
	FILE *f = fopen("/proc/stat", "r");
	int n;

	if (!f)
		return -1;
	n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice,
		   &sys, &idle, &wait, &irq, &soft);
	fclose(f);
	return n == 7 ? (long long)(sys + irq + soft) * 1000 /
			sysconf(_SC_CLK_TCK) : -1;
}

/* A second of the machine's kernel time while nothing is asked of it, in milliseconds. */
static long long kernel_ms_idle(void)
{
	long long start;

	usleep(500000);
	start = kernel_ms();
	sleep(1);
	return kernel_ms() - start;
}

/*
 * Functions may take a ninth of one processor. As much again is for all else that runs.
 */
static void check_cost(long long ms, long long of_ms)
{
	EXPECT_LE(ms, of_ms * 2 / 9);
}

/*
 * Each function looks at all slots of the device, several times. What a guest that sends
 * them without end costs the host has a bound.
 */
TEST_TIMEOUT(flood_of_functions, 60)
{
	enum { QUEUES = 128, DEPTH = 1024, FUNCTIONS = 8, SECONDS = 4 };
	struct vsg_opts opts = { .nr_io = QUEUES, .ring_size = DEPTH, .mem_size = 64 << 20 };
	struct vsg_ctl *ctl[FUNCTIONS];
	struct vsg_token *tok;
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_ring *r = &dev->ring[VSG_CTL];
	int64_t start, end;
	long long cost, idle = kernel_ms_idle();
	unsigned int i, n = 0;

	cost = kernel_ms();
	start = vsg_now_ms();
	for (i = 0; i < FUNCTIONS; i++) {
		ctl[i] = vsg_ctl_alloc(dev);
		ASSERT_TRUE(ctl[i]);
		ASSERT_EQ(0, vsg_tmf_submit(ctl[i], VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET,
					    T, LUN_RAM, 0));
	}
	while (vsg_now_ms() < start + SECONDS * 1000) {
		vsg_ring_kick(r);
		vsg_ring_wait(r, 100);
		while ((tok = vsg_ring_poll(r))) {
			struct vsg_ctl *c = (struct vsg_ctl *)tok;

			EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE, c->resp[0]);
			n++;
			ASSERT_EQ(0, vsg_tmf_submit(c, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET,
						    T, LUN_RAM, 0));
		}
	}
	end = vsg_now_ms();
	cost = kernel_ms() - cost - idle * (end - start) / 1000;
	printf("# %u functions for %u slots: %lld ms of %lld ms\n", n, QUEUES * DEPTH, cost,
	       (long long)(end - start));
	EXPECT_LE(1, n);
	check_cost(cost, end - start);
	guest_end(dev);
}

/* A command on its way to a backend that does not answer yet. */
static struct vsg_req *start(struct tmf *self, struct vsg_ring *r, uint16_t lun,
			     bool write, uint64_t tag)
{
	struct vsg_req *req = request(self->dev, 4096, 4096);

	vsg_cmd_rw(req, T, lun, write, 0, 8, BLOCK);
	req->hdr->tag = tag;
	ASSERT_EQ(0, vsg_submit(r, req));
	vsg_ring_kick(r);
	return req;
}

/* Long enough for a command to reach its backend, or for a function to begin. */
static void settle(void)
{
	usleep(150000);
}

/*
 * Of a command that was ended: the answer is there by now, for the function's
 * answer is, and it says that it was ended.
 */
static void check_ended(struct vsg_req *req)
{
	while (!req->tok.done && vsg_ring_poll(req->tok.ring))
		;
	EXPECT_TRUE(req->tok.done);
	if (!req->tok.done)
		return;
	EXPECT_TRUE(req->resp->response == VIRTIO_SCSI_S_ABORTED ||
		    req->resp->response == VIRTIO_SCSI_S_RESET);
	EXPECT_EQ(VSG_RESP_LEN, req->tok.len);
}

/* Sends a function and waits for it, without looking at other queues. */
static uint8_t function(struct tmf *self, uint32_t subtype, uint16_t lun,
			uint64_t tag)
{
	ASSERT_EQ(0, vsg_tmf_submit(self->ctl, subtype, T, lun, tag));
	ASSERT_EQ(0, vsg_token_wait(&self->ctl->tok, WAIT_MS));
	EXPECT_EQ(1, self->ctl->tok.len);
	return self->ctl->resp[0];
}

static void reset_slow(struct tmf *self, bool write)
{
	struct vsg_req *a, *b, *other = request(self->dev, 0, 4096);

	a = start(self, self->r, LUN_SLOW, write, 0x100);
	b = start(self, vsg_io(self->dev, 1), LUN_SLOW, write, 0x101);
	settle();
	/* While a unit is being reset the others go on. */
	ASSERT_EQ(0, vsg_tmf_submit(self->ctl,
				    VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, T,
				    LUN_SLOW, 0));
	vsg_cmd_rw(other, T, LUN_RAM, false, 0, 8, BLOCK);
	exec_good(vsg_io(self->dev, 1), other);
	ASSERT_EQ(0, vsg_token_wait(&self->ctl->tok, WAIT_MS));
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE, self->ctl->resp[0]);
	check_ended(a);
	check_ended(b);
	/* The unit is there again. */
	ready(self->r, T, LUN_SLOW);
	vsg_cmd_rw(other, T, LUN_SLOW, false, 0, 8, BLOCK);
	exec_good(self->r, other);
}

TEST_F(tmf, lun_reset_with_writes)
{
	reset_slow(self, true);
}

TEST_F(tmf, lun_reset_with_reads)
{
	reset_slow(self, false);
}

TEST_F(tmf, lun_reset_without_commands)
{
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  function(self, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, LUN_RAM,
			   0));
	ready(self->r, T, LUN_RAM);
}

/* The nexus hears of the reset by a unit attention, 29h (SAM-5, 5.14). */
TEST_F(tmf, lun_reset_leaves_unit_attention)
{
	struct vsg_req *req = request(self->dev, 0, 0);
	struct vsg_result res;

	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  function(self, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, LUN_RAM,
			   0));
	vsg_cmd_tur(req, T, LUN_RAM);
	res = exec(self->r, req);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(6, res.key);
	EXPECT_EQ(0x29, res.asc >> 8);
	ready(self->r, T, LUN_RAM);
}

TEST_F(tmf, lun_reset_of_many)
{
	enum { N = 32 };
	struct vsg_req *req[N];
	unsigned int i;

	for (i = 0; i < N; i++)
		req[i] = start(self, vsg_io(self->dev, i % 2), LUN_SLOW, i & 2,
			       i);
	settle();
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  function(self, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, LUN_SLOW,
			   0));
	for (i = 0; i < N; i++) {
		WHERE("command %u", i);
		check_ended(req[i]);
	}
	ready(self->r, T, LUN_SLOW);
}

TEST_F(tmf, abort_one_of_two)
{
	struct vsg_req *a, *b;

	a = start(self, self->r, LUN_SLOW, true, 0xabcdef0123456789ULL);
	b = start(self, self->r, LUN_SLOW, true, 0xabcdef012345678aULL);
	settle();
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  function(self, VIRTIO_SCSI_T_TMF_ABORT_TASK, LUN_SLOW,
			   0xabcdef0123456789ULL));
	check_ended(a);
	ASSERT_EQ(0, vsg_token_wait(&b->tok, WAIT_MS));
	EXPECT_TRUE(vsg_good(b));
}

TEST_F(tmf, abort_a_read)
{
	struct vsg_req *a = start(self, self->r, LUN_SLOW, false, 7);
	size_t i;

	settle();
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  function(self, VIRTIO_SCSI_T_TMF_ABORT_TASK, LUN_SLOW, 7));
	check_ended(a);
	/* Its buffer is the guest's again, and stays as it is. */
	memset(a->data_in, VSG_POISON, 4096);
	usleep(SLOW_MS * 1000 + 200000);
	for (i = 0; i < 4096 && a->data_in[i] == VSG_POISON; i++)
		;
	EXPECT_EQ(4096, i);
}

/* What was ended is out of the way of ORDERED commands, and of those after. */
static void ordered_after(struct tmf *self, bool abort, uint8_t attr)
{
	struct vsg_req *a = request(self->dev, 4096, 4096);
	struct vsg_req *b = request(self->dev, 0, 4096);

	WHERE("%s of a command with attribute %u", abort ? "abort" : "reset",
	      attr);
	vsg_cmd_rw(a, T, LUN_SLOW, true, 0, 8, BLOCK);
	a->hdr->tag = 11;
	a->hdr->task_attr = attr;
	ASSERT_EQ(0, vsg_submit(self->r, a));
	vsg_ring_kick(self->r);
	settle();
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  function(self, abort ? VIRTIO_SCSI_T_TMF_ABORT_TASK :
			   VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, LUN_SLOW, 11));
	check_ended(a);
	ready(self->r, T, LUN_SLOW);
	vsg_cmd_rw(b, T, LUN_SLOW, false, 0, 8, BLOCK);
	b->hdr->task_attr = VIRTIO_SCSI_S_ORDERED;
	exec_good(self->r, b);
	vsg_cmd_rw(b, T, LUN_SLOW, false, 0, 8, BLOCK);
	exec_good(self->r, b);
}

TEST_F_TIMEOUT(tmf, ordered_after_the_end_of_others, 60)
{
	static const uint8_t attrs[] = {
		VIRTIO_SCSI_S_SIMPLE, VIRTIO_SCSI_S_ORDERED, VIRTIO_SCSI_S_HEAD,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(attrs); i++) {
		ordered_after(self, true, attrs[i]);
		ordered_after(self, false, attrs[i]);
	}
}

/* It has two steps, of which the second would follow the abort of the first. */
static void compare_and_write(struct tmf *self, uint32_t subtype, bool match)
{
	uint8_t cdb[16] = { 0x89, [13] = 1 };
	struct vsg_req *a = request(self->dev, 2 * BLOCK, 0);
	struct vsg_req *b = request(self->dev, BLOCK, BLOCK);
	unsigned int i;

	WHERE("function %u, %s", subtype, match ? "a match" : "no match");
	write_pattern(self->r, b, T, LUN_SLOW, 0, 1, 1);
	vsg_pattern(a->data_out, BLOCK, 0, match ? 1 : 2);
	vsg_pattern(a->data_out + BLOCK, BLOCK, 0, 3);
	vsg_req_cmd(a, T, LUN_SLOW, cdb, sizeof(cdb), 2 * BLOCK, 0);
	a->hdr->tag = 11;
	ASSERT_EQ(0, vsg_submit(self->r, a));
	vsg_ring_kick(self->r);
	settle();
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  function(self, subtype, LUN_SLOW, 11));
	while (!a->tok.done && vsg_ring_poll(self->r))
		;
	ASSERT_TRUE(a->tok.done);
	ready(self->r, T, LUN_SLOW);
	/* What was reported is what is on the disk. */
	check_pattern(self->r, b, T, LUN_SLOW, 0, 1, vsg_good(a) ? 3 : 1);
	/* Whatever was left behind shows with what uses its place. */
	for (i = 0; i < 64; i++) {
		vsg_cmd_rw(b, T, LUN_RAM, false, 0, 1, BLOCK);
		exec_good(self->r, b);
	}
}

TEST_F_TIMEOUT(tmf, abort_compare_and_write, 60)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		compare_and_write(self, VIRTIO_SCSI_T_TMF_ABORT_TASK, i);
		compare_and_write(self, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, i);
	}
}

/* A unit attention comes first, and nothing is compared, or written. */
TEST_F(tmf, compare_and_write_with_unit_attention)
{
	uint8_t cdb[16] = { 0x89, [13] = 1 };
	struct vsg_req *a = request(self->dev, 2 * BLOCK, 0);
	struct vsg_req *b = request(self->dev, BLOCK, BLOCK);
	struct vsg_result res;
	unsigned int i;

	write_pattern(self->r, b, T, LUN_RAM, 0, 1, 1);
	for (i = 0; i < 4; i++) {
		WHERE("round %u", i);
		EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
			  function(self, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET,
				   LUN_RAM, 0));
		/* What memory holds that nothing was read into. */
		memset(a->data_out, 0, BLOCK);
		vsg_pattern(a->data_out + BLOCK, BLOCK, 0, 3);
		vsg_req_cmd(a, T, LUN_RAM, cdb, sizeof(cdb), 2 * BLOCK, 0);
		res = exec(self->r, a);
		EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
		EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
		EXPECT_EQ(6, res.key);
		check_pattern(self->r, b, T, LUN_RAM, 0, 1, 1);
	}
	vsg_pattern(a->data_out, BLOCK, 0, 1);
	vsg_req_cmd(a, T, LUN_RAM, cdb, sizeof(cdb), 2 * BLOCK, 0);
	exec_good(self->r, a);
	check_pattern(self->r, b, T, LUN_RAM, 0, 1, 3);
}

/* Tags count within a unit: another unit's command is not meant. */
TEST_F(tmf, abort_on_another_lun)
{
	struct vsg_req *a = start(self, self->r, LUN_SLOW, true, 9);

	settle();
	function(self, VIRTIO_SCSI_T_TMF_ABORT_TASK, LUN_RAM, 9);
	ASSERT_EQ(0, vsg_token_wait(&a->tok, WAIT_MS));
	EXPECT_TRUE(vsg_good(a));
}

/* SAM-5, 7.2: a task that is not there is no error of the function. */
TEST_F(tmf, abort_unknown_tag)
{
	uint8_t response;

	response = function(self, VIRTIO_SCSI_T_TMF_ABORT_TASK, LUN_RAM,
			    0xdeadbeef);
	EXPECT_TRUE(response == VIRTIO_SCSI_S_FUNCTION_COMPLETE ||
		    response == VIRTIO_SCSI_S_FUNCTION_REJECTED);
}

/* Requests race with the function: each has exactly one true answer. */
TEST_F_TIMEOUT(tmf, abort_while_it_completes, 60)
{
	struct vsg_req *req = request(self->dev, 0, 4096);
	unsigned int i;

	for (i = 0; i < 300; i++) {
		vsg_cmd_rw(req, T, LUN_RAM, false, 0, 8, BLOCK);
		req->hdr->tag = i;
		memset(req->data_in, VSG_POISON, 4096);
		ASSERT_EQ(0, vsg_submit(self->r, req));
		vsg_ring_kick(self->r);
		function(self, VIRTIO_SCSI_T_TMF_ABORT_TASK, LUN_RAM, i);
		ASSERT_EQ(0, vsg_token_wait(&req->tok, WAIT_MS));
		EXPECT_TRUE(vsg_good(req) ||
			    req->resp->response == VIRTIO_SCSI_S_ABORTED);
	}
}

TEST_F_TIMEOUT(tmf, reset_under_load, 60)
{
	enum { N = 32, ROUNDS = 20 };
	struct vsg_ring *r = vsg_io(self->dev, 1);
	struct vsg_req *req[N];
	unsigned int i, round;

	for (i = 0; i < N; i++)
		req[i] = request(self->dev, 0, 4096);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < N; i++) {
			vsg_cmd_rw(req[i], T, LUN_RAM, false, 0, 8, BLOCK);
			ASSERT_EQ(0, vsg_submit(r, req[i]));
		}
		vsg_ring_kick(r);
		EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
			  function(self, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET,
				   LUN_RAM, 0));
		ASSERT_EQ(0, vsg_ring_drain(r, WAIT_MS));
		for (i = 0; i < N; i++) {
			struct vsg_result res = vsg_result(req[i]);

			/* Done before, ended, or met by the unit attention. */
			EXPECT_TRUE(vsg_good(req[i]) || res.key == 6 ||
				    res.response == VIRTIO_SCSI_S_RESET ||
				    res.response == VIRTIO_SCSI_S_ABORTED);
		}
		ready(r, T, LUN_RAM);
	}
}

static void reset_hung(struct tmf *self, uint32_t subtype)
{
	struct vsg_req *a, *other = request(self->dev, 0, 4096);

	backend_hold(self);
	a = start(self, self->r, LUN_HANG, true, 5);
	settle();
	ASSERT_EQ(0, vsg_tmf_submit(self->ctl, subtype, T, LUN_HANG, 5));
	/* The backend has the command's buffer still: no answer may come. */
	EXPECT_EQ(-ETIMEDOUT, vsg_token_wait(&self->ctl->tok, 500));
	vsg_cmd_rw(other, T, LUN_RAM, false, 0, 8, BLOCK);
	exec_good(self->r, other);
	EXPECT_FALSE(a->tok.done);
	backend_release(self);
	ASSERT_EQ(0, vsg_token_wait(&self->ctl->tok, WAIT_MS));
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE, self->ctl->resp[0]);
	check_ended(a);
	ready(self->r, T, LUN_HANG);
	vsg_cmd_rw(other, T, LUN_HANG, false, 0, 8, BLOCK);
	exec_good(self->r, other);
}

TEST_F(tmf, lun_reset_on_a_hung_backend)
{
	reset_hung(self, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET);
}

TEST_F(tmf, abort_on_a_hung_backend)
{
	reset_hung(self, VIRTIO_SCSI_T_TMF_ABORT_TASK);
}

/* Several functions wait for one backend, and one of another unit does not. */
TEST_F(tmf, functions_at_once)
{
	struct vsg_ctl *second = vsg_ctl_alloc(self->dev);
	struct vsg_ctl *third = vsg_ctl_alloc(self->dev);
	struct vsg_req *a, *b;

	ASSERT_TRUE(second && third);
	backend_hold(self);
	a = start(self, self->r, LUN_HANG, true, 5);
	b = start(self, self->r, LUN_HANG, false, 6);
	settle();
	ASSERT_EQ(0, vsg_tmf_submit(self->ctl, VIRTIO_SCSI_T_TMF_ABORT_TASK, T,
				    LUN_HANG, 5));
	ASSERT_EQ(0, vsg_tmf_submit(second,
				    VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, T,
				    LUN_HANG, 0));
	ASSERT_EQ(0, vsg_tmf_submit(third, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET,
				    T, LUN_RAM, 0));
	EXPECT_EQ(0, vsg_token_wait(&third->tok, WAIT_MS));
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE, third->resp[0]);
	/* It may have overtaken the others. */
	settle();
	EXPECT_FALSE(self->ctl->tok.done);
	EXPECT_FALSE(second->tok.done);
	backend_release(self);
	ASSERT_EQ(0, vsg_token_wait(&second->tok, WAIT_MS));
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE, second->resp[0]);
	ASSERT_EQ(0, vsg_token_wait(&self->ctl->tok, WAIT_MS));
	check_ended(a);
	/* LIO runs one after the other: the read may have been done before. */
	while (!b->tok.done && vsg_ring_poll(self->r))
		;
	EXPECT_TRUE(b->tok.done);
	EXPECT_TRUE(vsg_good(b) || b->resp->response == VIRTIO_SCSI_S_RESET ||
		    b->resp->response == VIRTIO_SCSI_S_ABORTED);
	ready(self->r, T, LUN_HANG);
	ready(self->r, T, LUN_RAM);
}

/*
 * An ACL shows the guest other numbers than the port group has: a function is
 * for the unit that the guest means, and for no other.
 */
TEST(lun_mapped_by_acl)
{
	enum { N = 24, GUEST_RAM = 0, GUEST_SLEEPY = 5 };
	struct vsg_opts opts = { .ring_size = 64 };
	struct vsg_req *req[N];
	unsigned int round, i;
	struct vsg_dev *dev;
	struct vsg_ctl *ctl;

	/* LUN 0 of the port group is the guest's 5, LUN 1 is its 0. */
	ASSERT_EQ(0, lio("sleepy sleepy 16; acl " WWN_B " 1 " NEXUS "\n"
			 "tpg " WWN_B " 1 " NEXUS "\n"
			 "lun " WWN_B " 1 0 sleepy; lun " WWN_B " 1 1 ram\n"
			 "map " WWN_B " 1 " NEXUS " 0 1\n"
			 "map " WWN_B " 1 " NEXUS " 5 0\n"));
	dev = guest(WWN_B, &opts);
	ctl = vsg_ctl_alloc(dev);
	ASSERT_TRUE(ctl);
	ready(vsg_io(dev, 0), T, GUEST_RAM);
	ready(vsg_io(dev, 0), T, GUEST_SLEEPY);
	for (i = 0; i < N; i++)
		req[i] = request(dev, 4096, 0);
	for (round = 0; round < 2; round++) {
		uint16_t lun = round ? GUEST_SLEEPY : GUEST_RAM;

		WHERE("reset of the guest's LUN %u", lun);
		ASSERT_EQ(0, lio("hang sleepy"));
		for (i = 0; i < N; i++) {
			vsg_cmd_rw(req[i], T, GUEST_SLEEPY, true, i * 8, 8,
				   BLOCK);
			ASSERT_EQ(0, vsg_submit(vsg_io(dev, 0), req[i]));
		}
		vsg_ring_kick(vsg_io(dev, 0));
		settle();
		ASSERT_EQ(0, vsg_tmf_submit(ctl,
					    VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET,
					    T, lun, 0));
		if (lun == GUEST_RAM)
			EXPECT_EQ(0, vsg_token_wait(&ctl->tok, WAIT_MS));
		settle();
		EXPECT_EQ(0, lio("unhang sleepy"));
		ASSERT_EQ(0, vsg_token_wait(&ctl->tok, WAIT_MS));
		EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE, ctl->resp[0]);
		ASSERT_EQ(0, vsg_ring_drain(vsg_io(dev, 0), WAIT_MS));
		for (i = 0; i < N; i++) {
			if (lun == GUEST_RAM)
				EXPECT_TRUE(vsg_good(req[i]));
			else
				EXPECT_EQ(VIRTIO_SCSI_S_RESET,
					  req[i]->resp->response);
		}
	}
	guest_end(dev);
	EXPECT_EQ(0, lio("dropwwn " WWN_B));
}

/* What becomes of a command that is under way when a function comes. */
enum fate {
	STAYS,		/* GOOD */
	ABORTED,	/* the response */
	RESET,		/* likewise */
	TASK_ABORTED,	/* the status; if TAS is 0, the response RESET */
};

static const struct scope {
	uint32_t subtype;
	const char *name;
	enum fate same;		/* of this nexus, on the unit */
	enum fate elsewhere;	/* of this nexus, on another unit */
	enum fate other;	/* of another nexus, on the unit */
	int attention;		/* of this nexus, afterwards, or -1 */
	int other_attention;	/* of the other */
} scopes[] = {
	{ VIRTIO_SCSI_T_TMF_ABORT_TASK_SET, "ABORT TASK SET",
	  ABORTED, STAYS, STAYS, -1, -1 },
	{ VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET, "CLEAR TASK SET",
	  RESET, STAYS, TASK_ABORTED, -1, -1 },
	{ VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET, "I_T NEXUS RESET",
	  RESET, RESET, STAYS, 0x2907, -1 },
	{ VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, "LOGICAL UNIT RESET",
	  RESET, STAYS, TASK_ABORTED, 0x2903, 0x2903 },
};

static void check_fate(struct vsg_req *req, enum fate fate, bool tas)
{
	if (fate == STAYS) {
		EXPECT_TRUE(vsg_good(req));
	} else if (fate == TASK_ABORTED && tas) {
		EXPECT_EQ(VIRTIO_SCSI_S_OK, req->resp->response);
		EXPECT_EQ(VSG_TASK_ABORTED, req->resp->status);
	} else {
		EXPECT_EQ(fate == ABORTED ? VIRTIO_SCSI_S_ABORTED :
			  VIRTIO_SCSI_S_RESET, req->resp->response);
	}
}

/* The unit attention that a nexus has, or -1. */
static int attention(struct vsg_ring *r, struct vsg_req *req, uint16_t lun)
{
	struct vsg_result res;

	vsg_cmd_tur(req, T, lun);
	res = exec(r, req);
	if (res.status != VSG_CHECK_CONDITION)
		return -1;
	EXPECT_EQ(6, res.key);
	return res.asc;
}

static struct vsg_req *put(struct vsg_dev *dev, uint16_t lun, bool write,
			   unsigned int block)
{
	struct vsg_req *req = request(dev, 4096, 4096);

	vsg_cmd_rw(req, T, lun, write, block, 8, BLOCK);
	ASSERT_EQ(0, vsg_submit(vsg_io(dev, 0), req));
	vsg_ring_kick(vsg_io(dev, 0));
	return req;
}

/* Two nexuses have commands under way on a disk that hangs; one sends a function. */
static void scope_on_hung(struct tmf *self, const struct scope *s, uint16_t lun)
{
	struct vsg_opts opts = { .ring_size = 64 };
	struct vsg_dev *dev = guest(WWN_C, &opts);
	struct vsg_req *same[2], *elsewhere, *other, *tur, *other_tur;
	bool tas = lun == LUN_HANG;

	WHERE("%s, TAS %u", s->name, tas);
	tur = request(self->dev, 0, 0);
	other_tur = request(dev, 0, 0);
	ready(vsg_io(dev, 0), T, lun);
	ready(vsg_io(dev, 0), T, LUN_SLOW);
	ready(vsg_io(dev, 0), T, LUN_RAM);
	ready(self->r, T, lun);
	ready(self->r, T, LUN_SLOW);
	ready(self->r, T, LUN_RAM);
	ASSERT_EQ(0, lio("hang %s", hanging[lun]));
	same[0] = start(self, self->r, lun, true, 21);
	same[1] = start(self, vsg_io(self->dev, 1), lun, false, 22);
	other = put(dev, lun, true, 32);
	elsewhere = start(self, self->r, LUN_SLOW, false, 23);
	settle();
	ASSERT_EQ(0, vsg_tmf_submit(self->ctl, s->subtype, T, lun, 0));
	/* The backend has the commands still. */
	EXPECT_EQ(-ETIMEDOUT, vsg_token_wait(&self->ctl->tok, 500));
	EXPECT_FALSE(same[0]->tok.done || other->tok.done);
	EXPECT_EQ(0, lio("unhang %s", hanging[lun]));
	ASSERT_EQ(0, vsg_token_wait(&self->ctl->tok, WAIT_MS));
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE, self->ctl->resp[0]);
	while (vsg_ring_poll(self->r) || vsg_ring_poll(vsg_io(self->dev, 1)))
		;
	ASSERT_TRUE(same[0]->tok.done && same[1]->tok.done);
	check_fate(same[0], s->same, tas);
	check_fate(same[1], s->same, tas);
	if (s->elsewhere != STAYS)
		EXPECT_TRUE(elsewhere->tok.done);
	ASSERT_EQ(0, vsg_token_wait(&elsewhere->tok, WAIT_MS));
	check_fate(elsewhere, s->elsewhere, tas);
	ASSERT_EQ(0, vsg_token_wait(&other->tok, WAIT_MS));
	check_fate(other, s->other, tas);

	EXPECT_EQ(s->attention, attention(self->r, tur, lun));
	EXPECT_EQ(s->subtype == VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET ?
		  s->attention : -1, attention(self->r, tur, LUN_RAM));
	EXPECT_EQ(s->other_attention,
		  attention(vsg_io(dev, 0), other_tur, lun));
	EXPECT_EQ(-1, attention(vsg_io(dev, 0), other_tur, LUN_RAM));
	guest_end(dev);
}

TEST_F_TIMEOUT(tmf, scopes_on_a_hung_backend, 120)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(scopes); i++) {
		scope_on_hung(self, &scopes[i], LUN_HANG);
		scope_on_hung(self, &scopes[i], LUN_MEEK);
	}
}

/* Most of the commands wait in the module, because the disk's file has to sleep. */
TEST_F_TIMEOUT(tmf, scopes_of_waiting_commands, 120)
{
	enum { N = 24 };
	struct vsg_opts opts = { .ring_size = 64 };
	struct vsg_req *a[N], *b[N];
	struct vsg_dev *dev;
	unsigned int i, k;

	ASSERT_EQ(0, lio("sleepy drowsy 16; lun " WWN_A " 1 9 drowsy\n"
			 "lun " WWN_C " 1 9 drowsy\n"));
	dev = guest(WWN_C, &opts);
	for (k = 0; k < ARRAY_SIZE(scopes); k++) {
		const struct scope *s = &scopes[k];
		struct vsg_req *tur = request(self->dev, 0, 0);

		WHERE("%s", s->name);
		ready(self->r, T, 9);
		ready(vsg_io(dev, 0), T, 9);
		ready(vsg_io(dev, 0), T, LUN_RAM);
		ASSERT_EQ(0, lio("hang drowsy"));
		for (i = 0; i < N; i++) {
			a[i] = start(self, self->r, 9, true, 0x200 + i);
			b[i] = put(dev, 9, true, 64 + 8 * i);
		}
		settle();
		ASSERT_EQ(0, vsg_tmf_submit(self->ctl, s->subtype, T, 9, 0));
		EXPECT_EQ(-ETIMEDOUT, vsg_token_wait(&self->ctl->tok, 300));
		EXPECT_EQ(0, lio("unhang drowsy"));
		ASSERT_EQ(0, vsg_token_wait(&self->ctl->tok, WAIT_MS));
		EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE, self->ctl->resp[0]);
		while (vsg_ring_poll(self->r))
			;
		for (i = 0; i < N; i++) {
			ASSERT_TRUE(a[i]->tok.done);
			check_fate(a[i], s->same, true);
			ASSERT_EQ(0, vsg_token_wait(&b[i]->tok, WAIT_MS));
			check_fate(b[i], s->other, true);
		}
		EXPECT_EQ(s->attention, attention(self->r, tur, 9));
	}
	guest_end(dev);
	EXPECT_EQ(0, lio("unlun " WWN_A " 1 9; unlun " WWN_C " 1 9"));
}

/* Queries say whether a command is there, and do nothing to it. */
TEST_F(tmf, queries)
{
	struct vsg_opts opts = { .ring_size = 64 };
	struct vsg_dev *dev = guest(WWN_C, &opts);
	struct vsg_req *a;

	ready(vsg_io(dev, 0), T, LUN_HANG);
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  function(self, VIRTIO_SCSI_T_TMF_QUERY_TASK, LUN_HANG, 31));
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  function(self, VIRTIO_SCSI_T_TMF_QUERY_TASK_SET, LUN_HANG, 0));
	backend_hold(self);
	a = start(self, self->r, LUN_HANG, true, 31);
	/* Not even a moment: what was made available before counts. */
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_SUCCEEDED,
		  function(self, VIRTIO_SCSI_T_TMF_QUERY_TASK, LUN_HANG, 31));
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_SUCCEEDED,
		  function(self, VIRTIO_SCSI_T_TMF_QUERY_TASK_SET, LUN_HANG, 0));
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  function(self, VIRTIO_SCSI_T_TMF_QUERY_TASK, LUN_HANG, 32));
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  function(self, VIRTIO_SCSI_T_TMF_QUERY_TASK, LUN_RAM, 31));
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  function(self, VIRTIO_SCSI_T_TMF_QUERY_TASK_SET, LUN_RAM, 0));
	/* Another nexus has none. */
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  vsg_tmf(dev, VIRTIO_SCSI_T_TMF_QUERY_TASK, T, LUN_HANG, 31,
			  WAIT_MS));
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  vsg_tmf(dev, VIRTIO_SCSI_T_TMF_QUERY_TASK_SET, T, LUN_HANG, 0,
			  WAIT_MS));
	EXPECT_FALSE(a->tok.done);
	backend_release(self);
	ASSERT_EQ(0, vsg_token_wait(&a->tok, WAIT_MS));
	EXPECT_TRUE(vsg_good(a));
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  function(self, VIRTIO_SCSI_T_TMF_QUERY_TASK, LUN_HANG, 31));
	guest_end(dev);
}

/* What came after a function is none of its business, even while it waits. */
TEST_F(tmf, later_commands_stay)
{
	struct vsg_req *before, *after;

	backend_hold(self);
	before = start(self, self->r, LUN_HANG, true, 41);
	settle();
	ASSERT_EQ(0, vsg_tmf_submit(self->ctl, VIRTIO_SCSI_T_TMF_ABORT_TASK_SET,
				    T, LUN_HANG, 0));
	settle();
	after = start(self, self->r, LUN_HANG, true, 42);
	/* Some looks of the function later. */
	usleep(500000);
	backend_release(self);
	ASSERT_EQ(0, vsg_token_wait(&self->ctl->tok, WAIT_MS));
	check_ended(before);
	ASSERT_EQ(0, vsg_token_wait(&after->tok, WAIT_MS));
	EXPECT_TRUE(vsg_good(after));
}

/* The loss of a nexus releases what RESERVE of SPC-2 reserved, as the close does. */
TEST_F(tmf, nexus_reset_releases_reservations)
{
	struct vsg_opts opts = { .ring_size = 64 };
	struct vsg_dev *dev = guest(WWN_C, &opts);
	struct vsg_req *a = request(self->dev, 0, 0);
	struct vsg_req *b = request(dev, 0, 0);
	uint8_t reserve[6] = { VSG_RESERVE_6 };

	ready(vsg_io(dev, 0), T, LUN_RAM);
	vsg_req_cmd(a, T, LUN_RAM, reserve, sizeof(reserve), 0, 0);
	exec_good(self->r, a);
	vsg_cmd_tur(b, T, LUN_RAM);
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, exec(vsg_io(dev, 0), b).status);
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  function(self, VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET, LUN_RAM, 0));
	vsg_cmd_tur(b, T, LUN_RAM);
	exec_good(vsg_io(dev, 0), b);
	EXPECT_EQ(0x2907, attention(self->r, a, LUN_RAM));
	guest_end(dev);
}

/* Functions of one nexus under the load of another on the same disk. */
TEST_F_TIMEOUT(tmf, scopes_under_load, 90)
{
	enum { N = 16, ROUNDS = 12 };
	struct vsg_opts opts = { .ring_size = 64 };
	struct vsg_dev *dev = guest(WWN_C, &opts);
	struct vsg_req *a[N], *b[N];
	unsigned int i, k, round;

	for (i = 0; i < N; i++) {
		a[i] = request(self->dev, 0, 4096);
		b[i] = request(dev, 0, 4096);
	}
	for (k = 0; k < ARRAY_SIZE(scopes); k++)
		for (round = 0; round < ROUNDS; round++) {
			const struct scope *s = &scopes[k];

			WHERE("%s, round %u", s->name, round);
			ready(vsg_io(dev, 0), T, LUN_RAM);
			ready(self->r, T, LUN_RAM);
			for (i = 0; i < N; i++) {
				vsg_cmd_rw(a[i], T, LUN_RAM, false, 0, 8, BLOCK);
				ASSERT_EQ(0, vsg_submit(self->r, a[i]));
				vsg_cmd_rw(b[i], T, LUN_RAM, false, 0, 8, BLOCK);
				ASSERT_EQ(0, vsg_submit(vsg_io(dev, 0), b[i]));
			}
			vsg_ring_kick(vsg_io(dev, 0));
			vsg_ring_kick(self->r);
			EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
				  function(self, s->subtype, LUN_RAM, 0));
			while (vsg_ring_poll(self->r))
				;
			ASSERT_EQ(0, vsg_ring_drain(vsg_io(dev, 0), WAIT_MS));
			for (i = 0; i < N; i++) {
				struct vsg_result res = vsg_result(a[i]);

				ASSERT_TRUE(a[i]->tok.done);
				/* Some were done before. */
				if (!vsg_good(a[i]) && res.key != 6)
					check_fate(a[i], s->same, true);
				res = vsg_result(b[i]);
				if (!vsg_good(b[i]) && res.key != 6)
					check_fate(b[i], s->other, true);
			}
		}
	guest_end(dev);
}

/*
 * As many functions as may wait, for a command in the last of many slots that a backend
 * keeps: what they cost the host has a bound, whatever a guest sends.
 */
TEST_TIMEOUT(cost_of_waiting_functions, 90)
{
	enum { QUEUES = 24, FUNCTIONS = 64, SECONDS = 3 };
	struct vsg_opts opts = {
		.nr_io = QUEUES, .ring_size = 1024, .mem_size = 64 << 20,
	};
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_ring *r = vsg_io(dev, QUEUES - 1);
	struct vsg_ctl *ctl[FUNCTIONS + 1];
	struct vsg_req *req = request(dev, 0, 4096);
	long long cost, idle;
	unsigned int i;

	ready(r, T, LUN_HANG);
	ASSERT_EQ(0, lio("hang hang"));
	idle = kernel_ms_idle();
	vsg_cmd_rw(req, T, LUN_HANG, false, 0, 8, BLOCK);
	req->hdr->tag = 51;
	ASSERT_EQ(0, vsg_submit(r, req));
	vsg_ring_kick(r);
	settle();
	for (i = 0; i <= FUNCTIONS; i++) {
		ctl[i] = vsg_ctl_alloc(dev);
		ASSERT_TRUE(ctl[i]);
		ASSERT_EQ(0, vsg_tmf_submit(ctl[i], VIRTIO_SCSI_T_TMF_ABORT_TASK,
					    T, LUN_HANG, 51));
	}
	ASSERT_EQ(0, vsg_token_wait(&ctl[FUNCTIONS]->tok, WAIT_MS));
	EXPECT_EQ(VIRTIO_SCSI_S_BUSY, ctl[FUNCTIONS]->resp[0]);
	cost = kernel_ms();
	sleep(SECONDS);
	cost = kernel_ms() - cost - SECONDS * idle;
	EXPECT_EQ(0, lio("unhang hang"));
	for (i = 0; i < FUNCTIONS; i++) {
		ASSERT_EQ(0, vsg_token_wait(&ctl[i]->tok, WAIT_MS));
		EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE, ctl[i]->resp[0]);
	}
	printf("# %u functions for %u slots: %lld ms of %u s\n", FUNCTIONS,
	       QUEUES * 1024, cost, SECONDS);
	check_cost(cost, 1000 * SECONDS);
	ASSERT_EQ(0, vsg_token_wait(&req->tok, WAIT_MS));
	EXPECT_EQ(VIRTIO_SCSI_S_ABORTED, req->resp->response);
	guest_end(dev);
}

TEST_F(tmf, wrong_functions)
{
	static const uint32_t rejected[] = {
		VIRTIO_SCSI_T_TMF_CLEAR_ACA, 8, 255, 0x80000000,
	};
	uint32_t f;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rejected); i++) {
		WHERE("function %#x", rejected[i]);
		EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_REJECTED,
			  function(self, rejected[i], LUN_RAM, 0));
	}
	for (f = 0; f < 8; f++) {
		uint8_t want = VIRTIO_SCSI_S_INCORRECT_LUN;

		if (f == VIRTIO_SCSI_T_TMF_CLEAR_ACA)
			want = VIRTIO_SCSI_S_FUNCTION_REJECTED;
		/* It is about the nexus. */
		if (f == VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET)
			want = VIRTIO_SCSI_S_FUNCTION_COMPLETE;
		WHERE("function %u of a LUN that is not there", f);
		EXPECT_EQ(want, function(self, f, 77, 0));
	}
}

TEST_F(tmf, asynchronous_notification)
{
	static const uint32_t types[] = {
		VIRTIO_SCSI_T_AN_QUERY, VIRTIO_SCSI_T_AN_SUBSCRIBE,
	};
	uint32_t actual;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		actual = ~0u;
		WHERE("type %u", types[i]);
		EXPECT_EQ(VIRTIO_SCSI_S_OK,
			  vsg_an(self->dev, types[i], T, LUN_RAM, 0x3e, &actual,
				 WAIT_MS));
		/* LIO reports none of the events. */
		EXPECT_EQ(0, actual);
	}
}
