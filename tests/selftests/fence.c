// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proves: when PREEMPT AND ABORT is answered, no command of the nexus that it preempted
 * reaches the medium any more, and all of them have been answered.
 */

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support.h"

#define T 1

/*
 * Writes to LUN_SLOW and to LUN_SLEEPY take SLOW_MS; the second one's are submitted by a
 * few threads, which sleep meanwhile, so that others wait for them.
 */
enum { LUN_SLOW, LUN_SLEEPY, LUN_HANG };

#define SLOW_MS 500

#define KEY_A 0x1111aaaaULL
#define KEY_B 0x2222bbbbULL
#define NR 16

int suite_setup(void)
{
	return lio_suite("delayed slow 16 0 500; tardy sleepy 16 0 500\n"
			 "hangable hang 16; filesystem below 64 4096\n"
			 "tpg " WWN_A " 1; lun " WWN_A " 1 0 slow\n"
			 "lun " WWN_A " 1 1 sleepy; lun " WWN_A " 1 2 hang\n"
			 "tpg " WWN_B " 1; lun " WWN_B " 1 0 slow\n"
			 "lun " WWN_B " 1 1 sleepy; lun " WWN_B " 1 2 hang\n");
}

void suite_teardown(void)
{
	lio_suite_end();
}

struct side {
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *req;
};

FIXTURE(fence)
{
	struct side a;
	struct side b;
	struct vsg_req *late[NR];
};

static uint8_t pr_out(struct side *s, uint16_t lun, uint8_t action, uint8_t type,
		      uint64_t key, uint64_t action_key)
{
	vsg_cmd_pr_out(s->req, T, lun, action, type, key, action_key);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, exec(s->r, s->req).response);
	return vsg_result(s->req).status;
}

static void side_start(struct side *s, const char *wwn)
{
	struct vsg_opts opts = { .nr_io = 2 };

	s->dev = guest(wwn, &opts);
	s->r = vsg_io(s->dev, 0);
	s->req = request(s->dev, 4096, 4096);
	ready(s->r, T, LUN_SLOW);
	ready(s->r, T, LUN_SLEEPY);
}

FIXTURE_SETUP(fence)
{
	unsigned int i;
	uint16_t lun;

	side_start(&self->a, WWN_A);
	side_start(&self->b, WWN_B);
	for (i = 0; i < NR; i++)
		self->late[i] = request(self->a.dev, 4096, 0);
	for (lun = LUN_SLOW; lun <= LUN_SLEEPY; lun++) {
		pr_out(&self->a, lun, VSG_PROUT_REGISTER_AND_IGNORE, 0, 0, KEY_A);
		pr_out(&self->a, lun, VSG_PROUT_CLEAR, 0, KEY_A, 0);
		ready(self->b.r, T, lun);
		ASSERT_EQ(VSG_GOOD, pr_out(&self->a, lun, VSG_PROUT_REGISTER, 0, 0,
					   KEY_A));
		ASSERT_EQ(VSG_GOOD, pr_out(&self->b, lun, VSG_PROUT_REGISTER, 0, 0,
					   KEY_B));
	}
}

FIXTURE_TEARDOWN(fence)
{
	guest_end(self->a.dev);
	guest_end(self->b.dev);
}

static void begin(struct fence *self, struct vsg_req *req, unsigned int i)
{
	struct vsg_ring *r = vsg_io(self->a.dev, i % 2);

	ASSERT_EQ(0, vsg_submit(r, req));
	vsg_ring_kick(r);
}

/* The answer is there already, and the ring says so. */
static bool is_answered(struct fence *self, struct vsg_req *req)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		while (vsg_ring_poll(vsg_io(self->a.dev, i)))
			;
	return req->tok.done;
}

static bool was_aborted(struct vsg_req *req)
{
	struct vsg_result res = vsg_result(req);

	return res.response == VIRTIO_SCSI_S_ABORTED ||
	       res.response == VIRTIO_SCSI_S_RESET ||
	       res.status == VSG_TASK_ABORTED;
}

/*
 * A registers and holds nothing, or holds what B takes; B fences it, and writes: that
 * stays, however long one waits.
 */
static void fence_writes(struct fence *self, uint16_t lun, uint8_t type, bool held)
{
	struct side *a = &self->a, *b = &self->b;
	unsigned int i;

	WHERE("LUN %u, type %u%s", lun, type, held ? ", held" : "");
	ASSERT_EQ(VSG_GOOD, pr_out(held ? a : b, lun, VSG_PROUT_RESERVE, type,
				   held ? KEY_A : KEY_B, 0));
	for (i = 0; i < NR; i++) {
		vsg_cmd_rw(self->late[i], T, lun, true, 8 * i, 8, BLOCK);
		vsg_pattern(self->late[i]->data_out, 4096, 4096 * i, 1);
		begin(self, self->late[i], i);
	}
	reach_backend();
	EXPECT_EQ(VSG_GOOD, pr_out(b, lun, VSG_PROUT_PREEMPT_AND_ABORT, type,
				   KEY_B, KEY_A));
	for (i = 0; i < NR; i++) {
		WHERE("LUN %u, type %u%s: write %u", lun, type,
		      held ? ", held" : "", i);
		EXPECT_TRUE(is_answered(self, self->late[i]));
	}
	for (i = 0; i < NR; i++)
		write_pattern(b->r, b->req, T, lun, 8 * i, 8, 2);
	usleep(2 * SLOW_MS * 1000);
	for (i = 0; i < NR; i++) {
		ASSERT_EQ(0, vsg_token_wait(&self->late[i]->tok, WAIT_MS));
		check_pattern(b->r, b->req, T, lun, 8 * i, 8, 2);
	}
	/* Those that the backend had are carried out, and nobody is told otherwise. */
	if (lun == LUN_SLEEPY)
		EXPECT_TRUE(was_aborted(self->late[NR - 1]));
	ready(a->r, T, lun);
	vsg_cmd_rw(a->req, T, lun, true, 0, 8, BLOCK);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, exec(a->r, a->req).response);
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, vsg_result(a->req).status);
}

/* What fence_scsi and fence_mpath do: the one that is fenced holds nothing. */
TEST_F_TIMEOUT(fence, registrant, 120)
{
	fence_writes(self, LUN_SLOW, VSG_PR_WRITE_EXCLUSIVE_REG, false);
}

TEST_F_TIMEOUT(fence, holder, 120)
{
	fence_writes(self, LUN_SLOW, VSG_PR_WRITE_EXCLUSIVE_REG, true);
}

/* Commands that wait in the module are ended. */
TEST_F_TIMEOUT(fence, that_wait, 180)
{
	fence_writes(self, LUN_SLEEPY, VSG_PR_WRITE_EXCLUSIVE_REG, false);
}

TEST_F_TIMEOUT(fence, that_wait_of_the_holder, 180)
{
	fence_writes(self, LUN_SLEEPY, VSG_PR_WRITE_EXCLUSIVE, true);
}

/* Nothing aborts it between its read and its write. */
TEST_F_TIMEOUT(fence, compare_and_write, 60)
{
	struct side *a = &self->a, *b = &self->b;
	uint8_t cdb[16] = { 0x89, [13] = 1 };
	struct vsg_req *caw = self->late[0];

	write_pattern(a->r, a->req, T, LUN_SLOW, 0, 1, 1);
	ASSERT_EQ(VSG_GOOD, pr_out(a, LUN_SLOW, VSG_PROUT_RESERVE,
				   VSG_PR_WRITE_EXCLUSIVE, KEY_A, 0));
	vsg_pattern(caw->data_out, BLOCK, 0, 1);
	vsg_pattern(caw->data_out + BLOCK, BLOCK, 0, 3);
	vsg_req_cmd(caw, T, LUN_SLOW, cdb, sizeof(cdb), 2 * BLOCK, 0);
	begin(self, caw, 0);
	reach_backend();
	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_SLOW, VSG_PROUT_PREEMPT_AND_ABORT,
				   VSG_PR_WRITE_EXCLUSIVE, KEY_B, KEY_A));
	EXPECT_TRUE(is_answered(self, caw));
	write_pattern(b->r, b->req, T, LUN_SLOW, 0, 1, 2);
	usleep(2 * SLOW_MS * 1000);
	check_pattern(b->r, b->req, T, LUN_SLOW, 0, 1, 2);
	ASSERT_EQ(0, vsg_token_wait(&caw->tok, WAIT_MS));
}

/* PREEMPT alone aborts nothing, and waits for nothing. */
TEST_F_TIMEOUT(fence, preempt_does_not, 60)
{
	struct side *a = &self->a, *b = &self->b;

	ASSERT_EQ(VSG_GOOD, pr_out(a, LUN_SLOW, VSG_PROUT_RESERVE,
				   VSG_PR_WRITE_EXCLUSIVE, KEY_A, 0));
	vsg_cmd_rw(self->late[0], T, LUN_SLOW, true, 0, 8, BLOCK);
	begin(self, self->late[0], 0);
	reach_backend();
	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_SLOW, VSG_PROUT_PREEMPT,
				   VSG_PR_WRITE_EXCLUSIVE, KEY_B, KEY_A));
	ASSERT_EQ(0, vsg_token_wait(&self->late[0]->tok, WAIT_MS));
	EXPECT_TRUE(vsg_good(self->late[0]));
}

/* Each fences the other again and again, with writes under way: nobody waits for ever. */
TEST_F_TIMEOUT(fence, each_other, 180)
{
	struct side *side[2] = { &self->a, &self->b };
	static const uint64_t keys[2] = { KEY_A, KEY_B };
	struct vsg_req *pr[2][3], *w[2];
	unsigned int i, j, round;

	for (i = 0; i < 2; i++) {
		w[i] = request(side[i]->dev, 4096, 0);
		for (j = 0; j < 3; j++)
			pr[i][j] = request(side[i]->dev, 64, 0);
	}
	for (round = 0; round < 6; round++) {
		WHERE("round %u", round);
		for (i = 0; i < 2; i++) {
			struct vsg_ring *r = vsg_io(side[i]->dev, 1);

			vsg_cmd_rw(w[i], T, LUN_SLOW, true, 8 * i, 8, BLOCK);
			ASSERT_EQ(0, vsg_submit(r, w[i]));
			vsg_ring_kick(r);
		}
		for (i = 0; i < 2; i++) {
			struct vsg_ring *r = side[i]->r;

			vsg_cmd_pr_out(pr[i][0], T, LUN_SLOW,
				       VSG_PROUT_PREEMPT_AND_ABORT,
				       VSG_PR_WRITE_EXCLUSIVE, keys[i], keys[!i]);
			vsg_cmd_pr_out(pr[i][1], T, LUN_SLOW,
				       VSG_PROUT_REGISTER_AND_IGNORE, 0, 0,
				       keys[i]);
			vsg_cmd_pr_out(pr[i][2], T, LUN_SLOW,
				       VSG_PROUT_PREEMPT_AND_ABORT,
				       VSG_PR_WRITE_EXCLUSIVE, keys[i], keys[!i]);
			for (j = 0; j < 3; j++)
				ASSERT_EQ(0, vsg_submit(r, pr[i][j]));
			vsg_ring_kick(r);
		}
		for (i = 0; i < 2; i++) {
			for (j = 0; j < 3; j++)
				ASSERT_EQ(0, vsg_token_wait(&pr[i][j]->tok,
							    WAIT_MS));
			ASSERT_EQ(0, vsg_token_wait(&w[i]->tok, WAIT_MS));
		}
		for (i = 0; i < 2; i++) {
			ready(side[i]->r, T, LUN_SLOW);
			EXPECT_EQ(VSG_GOOD, pr_out(side[i], LUN_SLOW,
						   VSG_PROUT_REGISTER_AND_IGNORE,
						   0, 0, keys[i]));
		}
	}
}

static void on_processors(pid_t tid, int nr)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	while (nr--)
		CPU_SET(nr, &set);
	EXPECT_EQ(0, sched_setaffinity(tid, sizeof(set), &set));
}

/*
 * The worker of the one that is fenced has no processor. It is to write an answer into
 * memory that only it can write: its guest waits for it, and the other one does not.
 */
TEST_F_TIMEOUT(fence, worker_is_stuck, 60)
{
	struct side *a = &self->a, *b = &self->b;
	struct vsg_opts opts = { .mem_size = 4 << 20 };
	struct vsg_req *late;
	pid_t worker[2], other;
	struct hog hog;
	int fd;

	if (!hog_possible())
		SKIP("one processor, or a realtime kernel");
	guest_end(a->dev);
	a->dev = NULL;
	/* A thread of the process ends a little later. */
	EXPECT_TRUE(threads_settle(1, 5000));
	ASSERT_EQ(1, threads_named("vhost-", &other, 1));
	on_processors(other, 1);
	fd = file_new();
	ASSERT_EQ(0, vsg_open(&a->dev, &opts));
	region_to_file(&a->dev->mem.region[0], fd);
	ASSERT_EQ(0, vsg_start(a->dev, WWN_A));
	ASSERT_EQ(2, threads_named("vhost-", worker, 2));
	if (worker[0] == other)
		worker[0] = worker[1];
	/* The command completes on the processor that submits it. */
	on_processors(worker[0], 1);
	a->r = vsg_io(a->dev, 0);
	a->req = request(a->dev, 4096, 4096);
	ready(a->r, T, LUN_HANG);
	ready(b->r, T, LUN_HANG);
	ASSERT_EQ(VSG_GOOD, pr_out(a, LUN_HANG, VSG_PROUT_REGISTER_AND_IGNORE, 0,
				   0, KEY_A));
	ASSERT_EQ(VSG_GOOD, pr_out(b, LUN_HANG, VSG_PROUT_REGISTER_AND_IGNORE, 0,
				   0, KEY_B));
	ASSERT_EQ(VSG_GOOD, pr_out(b, LUN_HANG, VSG_PROUT_RESERVE,
				   VSG_PR_WRITE_EXCLUSIVE_REG, KEY_B, 0));

	late = request(a->dev, 4096, 0);
	ASSERT_EQ(0, lio("hang hang"));
	vsg_cmd_rw(late, T, LUN_HANG, true, 0, 8, BLOCK);
	ASSERT_EQ(0, vsg_submit(a->r, late));
	vsg_ring_kick(a->r);
	reach_backend();
	hog_start(&hog, worker[0]);
	on_processors(0, 1);
	EXPECT_EQ(0, lio("unhang hang"));
	WHERE("it has no processor");
	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_HANG, VSG_PROUT_PREEMPT_AND_ABORT,
				   VSG_PR_WRITE_EXCLUSIVE_REG, KEY_B, KEY_A));
	EXPECT_FALSE(late->tok.done);
	hog_end(&hog);
	on_processors(0, 2);
	WHERE("it has one");
	ASSERT_EQ(0, vsg_token_wait(&late->tok, WAIT_MS));
	close(fd);
}

/*
 * The worker of the one that is fenced waits for a page of its owner, with a write before
 * that in its hands: the other one does not wait, and the write is not carried out.
 */
TEST_F_TIMEOUT(fence, worker_waits_for_a_page, 60)
{
	struct side *a = &self->a, *b = &self->b;
	uint8_t *page = vsg_mem_alloc(&a->dev->mem, 4096, 4096);
	static struct late late;
	unsigned int i;

	ASSERT_EQ(VSG_GOOD, pr_out(b, LUN_SLOW, VSG_PROUT_RESERVE,
				   VSG_PR_WRITE_EXCLUSIVE_REG, KEY_B, 0));
	write_pattern(b->r, b->req, T, LUN_SLOW, 0, 8, 1);
	for (i = 0; i < 2; i++)
		vsg_cmd_rw(self->late[i], T, LUN_SLOW, true, 0, 8, BLOCK);
	self->late[1]->nseg = 0;
	vsg_req_seg(self->late[1], vsg_gpa(&a->dev->mem, self->late[1]->hdr),
		    VSG_REQ_LEN, 0);
	vsg_req_seg(self->late[1], vsg_gpa(&a->dev->mem, page), 4096, 0);
	vsg_req_seg(self->late[1], vsg_gpa(&a->dev->mem, self->late[1]->resp),
		    VSG_RESP_LEN, VRING_DESC_F_WRITE);
	late_start(&late, page);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, vsg_submit(a->r, self->late[i]));
	vsg_ring_kick(a->r);
	late_wait(&late);
	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_SLOW, VSG_PROUT_PREEMPT_AND_ABORT,
				   VSG_PR_WRITE_EXCLUSIVE_REG, KEY_B, KEY_A));
	EXPECT_FALSE(is_answered(self, self->late[0]));
	late_end(&late);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, vsg_token_wait(&self->late[i]->tok, WAIT_MS));
		EXPECT_FALSE(vsg_good(self->late[i]));
	}
	check_pattern(b->r, b->req, T, LUN_SLOW, 0, 8, 1);
}

/* Where LIO has a work item of its own submit: it would wait for itself. */
TEST_F_TIMEOUT(fence, submitted_by_lio, 60)
{
	struct side *a = &self->a, *b = &self->b;

	if (lio_write("2", "core/iblock_" LIO_HBA "/slow/attrib/submit_type"))
		SKIP("this kernel has no submit_type");
	ASSERT_EQ(VSG_GOOD, pr_out(a, LUN_SLOW, VSG_PROUT_RESERVE,
				   VSG_PR_WRITE_EXCLUSIVE, KEY_A, 0));
	vsg_cmd_rw(self->late[0], T, LUN_SLOW, true, 0, 8, BLOCK);
	begin(self, self->late[0], 0);
	reach_backend();
	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_SLOW, VSG_PROUT_PREEMPT_AND_ABORT,
				   VSG_PR_WRITE_EXCLUSIVE, KEY_B, KEY_A));
	EXPECT_TRUE(is_answered(self, self->late[0]));
	lio_write("0", "core/iblock_" LIO_HBA "/slow/attrib/submit_type");
}
