// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proves: four nexuses that do by chance what there is of persistent reservations are answered
 * as the model says, each command of each; and when PREEMPT AND ABORT is answered, nothing
 * of a preempted nexus lands any more.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "chance.h"
#include "pr_model.h"
#include "support.h"

#define T 1

enum { LUN_RAM, LUN_SLOW };

#define WRITE_MS 40
/* Writes under way of each nexus, each to one of so many blocks. */
#define FLIGHT 6
#define BLOCKS 8

static const char *const ports[PR_NEXUSES] = {
	WWN_A, WWN_B, LIO_WWN "0003", LIO_WWN "0004",
};

int suite_setup(void)
{
	unsigned int i;
	int ret;

	ret = lio_suite("ramdisk ram 16; delayed slow 16 0 40\n");
	for (i = 0; i < PR_NEXUSES && !ret; i++)
		ret = lio("tpg %s 1; lun %s 1 0 ram; lun %s 1 1 slow", ports[i],
			  ports[i], ports[i]);
	return ret;
}

void suite_teardown(void)
{
	lio_suite_end();
}

/* A write under way, or not. */
struct flight {
	struct vsg_req *req;
	bool busy;
};

struct node {
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_ring *data;
	struct vsg_req *req;
	struct flight flight[FLIGHT];
	/* All that it had since it had no write under way. */
	unsigned int ua_ever;
	/* A write may have met the unit attention that the model has. */
	bool ua_unsure;
};

FIXTURE(pr)
{
	struct node node[PR_NEXUSES];
	struct pr_model model;
	struct chance c;
	uint16_t lun;
	uint32_t stamp;
};

FIXTURE_SETUP(pr)
{
	struct vsg_opts opts = { .nr_io = 2 };
	unsigned int i, j;

	chance_init(&self->c, 1, 0);
	for (i = 0; i < PR_NEXUSES; i++) {
		struct node *n = &self->node[i];

		n->dev = guest(ports[i], &opts);
		n->r = vsg_io(n->dev, 0);
		n->data = vsg_io(n->dev, 1);
		n->req = request(n->dev, 4096, 4096);
		for (j = 0; j < FLIGHT; j++)
			n->flight[j].req = request(n->dev, BLOCK, 0);
		ready(n->r, T, LUN_RAM);
		ready(n->r, T, LUN_SLOW);
	}
}

FIXTURE_TEARDOWN(pr)
{
	unsigned int i;

	for (i = 0; i < PR_NEXUSES; i++)
		guest_end(self->node[i].dev);
}

/* Nobody is registered, and nobody has a unit attention. */
static void begin(struct pr *self, uint16_t lun)
{
	struct node *n = self->node;
	unsigned int i;

	self->lun = lun;
	vsg_cmd_pr_out(n->req, T, lun, VSG_PROUT_REGISTER_AND_IGNORE, 0, 0, 1);
	exec_good(n->r, n->req);
	vsg_cmd_pr_out(n->req, T, lun, VSG_PROUT_CLEAR, 0, 1, 0);
	exec_good(n->r, n->req);
	for (i = 0; i < PR_NEXUSES; i++)
		ready(self->node[i].r, T, lun);
	vsg_cmd_pr_in(n->req, T, lun, VSG_PRIN_READ_KEYS, 256);
	exec(n->r, n->req);
	memset(&self->model, 0, sizeof(self->model));
	self->model.generation = vsg_get_be(n->req->data_in, 4);
}

/* Is it a unit attention, one of these? */
static bool is_attention(const struct vsg_result *res, unsigned int ua)
{
	if (res->status != VSG_CHECK_CONDITION || res->key != 6)
		return false;
	EXPECT_EQ(0x2a, res->asc >> 8);
	EXPECT_TRUE(ua & (1 << (res->asc & 0xff)));
	return true;
}

static bool has_flights(const struct node *n)
{
	unsigned int i;

	for (i = 0; i < FLIGHT; i++)
		if (n->flight[i].busy)
			return true;
	return false;
}

/* Run what is in node->req; the nexus has no unit attention before the answer. */
static struct vsg_result ask(struct pr *self, unsigned int who)
{
	struct node *n = &self->node[who];
	struct vsg_result res = exec(n->r, n->req);
	unsigned int *ua = &self->model.nexus[who].ua;

	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	if (is_attention(&res, *ua))
		res = exec(n->r, n->req);
	else if (!n->ua_unsure)
		EXPECT_EQ(0, *ua);
	*ua = 0;
	n->ua_unsure = has_flights(n);
	return res;
}

static uint64_t any_key(struct pr *self)
{
	return chance_below(&self->c, 5);
}

static uint8_t any_type(struct pr *self)
{
	static const uint8_t types[] = {
		VSG_PR_WRITE_EXCLUSIVE, VSG_PR_EXCLUSIVE,
		VSG_PR_WRITE_EXCLUSIVE_REG, VSG_PR_EXCLUSIVE_REG,
		VSG_PR_WRITE_EXCLUSIVE_ALL, VSG_PR_EXCLUSIVE_ALL,
	};

	return types[chance_below(&self->c, 6)];
}

static void any_out(struct pr *self, unsigned int who, struct pr_out *out)
{
	static const uint8_t actions[] = {
		VSG_PROUT_REGISTER, VSG_PROUT_REGISTER, VSG_PROUT_RESERVE,
		VSG_PROUT_RESERVE, VSG_PROUT_RELEASE, VSG_PROUT_CLEAR,
		VSG_PROUT_PREEMPT, VSG_PROUT_PREEMPT_AND_ABORT,
		VSG_PROUT_PREEMPT_AND_ABORT, VSG_PROUT_REGISTER_AND_IGNORE,
		VSG_PROUT_REGISTER_AND_IGNORE,
	};
	const struct pr_nexus *n = &self->model.nexus[who];

	out->action = actions[chance_below(&self->c, sizeof(actions))];
	/* Rarely, or nothing lasts. */
	if (out->action == VSG_PROUT_CLEAR && !chance_one_in(&self->c, 4))
		out->action = VSG_PROUT_REGISTER_AND_IGNORE;
	out->type = self->model.type && chance_one_in(&self->c, 2) ?
		    self->model.type : any_type(self);
	out->key = n->registered ? n->key : 0;
	if (chance_one_in(&self->c, 8))
		out->key = any_key(self);
	out->action_key = any_key(self);
}

static void out_is_right(struct pr *self, unsigned int who, const struct pr_out *out,
			 enum pr_answer want)
{
	struct node *n = &self->node[who];
	struct vsg_result res;

	vsg_cmd_pr_out(n->req, T, self->lun, out->action, out->type, out->key,
		       out->action_key);
	res = ask(self, who);
	if (want == PR_BAD_LIST) {
		EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
		EXPECT_EQ(5, res.key);
		EXPECT_EQ(0x2600, res.asc);
	} else {
		EXPECT_EQ((int)want, res.status);
	}
}

static void keys_are_right(struct pr *self, unsigned int who)
{
	const struct pr_model *m = &self->model;
	struct node *n = &self->node[who];
	unsigned int i, j, want = 0;
	bool seen[PR_NEXUSES] = { false };

	vsg_cmd_pr_in(n->req, T, self->lun, VSG_PRIN_READ_KEYS, 256);
	EXPECT_EQ(VSG_GOOD, ask(self, who).status);
	EXPECT_EQ(m->generation, vsg_get_be(n->req->data_in, 4));
	for (i = 0; i < PR_NEXUSES; i++)
		want += m->nexus[i].registered;
	ASSERT_EQ(8 * want, vsg_get_be(n->req->data_in + 4, 4));
	for (i = 0; i < PR_NEXUSES; i++) {
		if (!m->nexus[i].registered)
			continue;
		for (j = 0; j < want; j++)
			if (!seen[j] && m->nexus[i].key ==
			    vsg_get_be(n->req->data_in + 8 + 8 * j, 8))
				break;
		ASSERT_TRUE(j < want);
		seen[j] = true;
	}
}

static void reservation_is_right(struct pr *self, unsigned int who)
{
	const struct pr_model *m = &self->model;
	struct node *n = &self->node[who];
	const uint8_t *in = n->req->data_in;

	vsg_cmd_pr_in(n->req, T, self->lun, VSG_PRIN_READ_RESERVATION, 64);
	EXPECT_EQ(VSG_GOOD, ask(self, who).status);
	EXPECT_EQ(m->generation, vsg_get_be(in, 4));
	ASSERT_EQ(m->type ? 16 : 0, vsg_get_be(in + 4, 4));
	if (!m->type)
		return;
	EXPECT_EQ(pr_is_all_registrants(m->type) ? 0 : m->nexus[m->holder].key,
		  vsg_get_be(in + 8, 8));
	EXPECT_EQ(m->type, in[21]);
}

static void full_status_is_right(struct pr *self, unsigned int who)
{
	const struct pr_model *m = &self->model;
	struct node *n = &self->node[who];
	const uint8_t *d = n->req->data_in, *end;
	unsigned int i, want = 0, found = 0;

	vsg_cmd_pr_in(n->req, T, self->lun, VSG_PRIN_READ_FULL_STATUS, 1024);
	EXPECT_EQ(VSG_GOOD, ask(self, who).status);
	EXPECT_EQ(m->generation, vsg_get_be(d, 4));
	for (i = 0; i < PR_NEXUSES; i++)
		want |= m->nexus[i].registered << i;
	end = d + 8 + vsg_get_be(d + 4, 4);
	ASSERT_TRUE(end <= d + 8 + PR_NEXUSES * 48);
	for (d += 8; d < end; d += 48) {
		/* The names of the nexuses are those of the ports: 1 to 4. */
		i = vsg_get_be(d + 28, 8) - 0x5001405760000001ULL;
		ASSERT_TRUE(i < PR_NEXUSES && m->nexus[i].registered);
		EXPECT_EQ(m->nexus[i].key, vsg_get_be(d, 8));
		EXPECT_EQ(pr_model_holds(m, i) ? 1 : 0, d[12]);
		EXPECT_EQ(pr_model_holds(m, i) ? m->type : 0, d[13]);
		found |= 1 << i;
	}
	EXPECT_EQ(want, found);
}

static void rw_is_right(struct pr *self, unsigned int who, bool write)
{
	struct node *n = &self->node[who];

	vsg_cmd_rw(n->req, T, self->lun, write, 1024, 1, BLOCK);
	EXPECT_EQ((int)pr_model_rw(&self->model, who, write), ask(self, who).status);
}

static void step(struct pr *self, unsigned int *aborted, unsigned int *by)
{
	unsigned int who = chance_below(&self->c, PR_NEXUSES);
	struct pr_model next;
	enum pr_answer want;
	struct pr_out out;

	*aborted = 0;
	*by = who;
	switch (chance_below(&self->c, 8)) {
	case 0:
		keys_are_right(self, who);
		return;
	case 1:
		reservation_is_right(self, who);
		return;
	case 2:
		full_status_is_right(self, who);
		return;
	case 3:
		rw_is_right(self, who, chance_one_in(&self->c, 2));
		return;
	default:
		break;
	}
	do {
		any_out(self, who, &out);
		next = self->model;
		want = pr_model_out(&next, who, &out, aborted);
	} while (want == PR_UNKNOWN);
	WHERE("seed %llu: nexus %u, action %u, type %u, key %llu, action key %llu",
	      (unsigned long long)chance_seed(), who, out.action, out.type,
	      (unsigned long long)out.key, (unsigned long long)out.action_key);
	/* Its own unit attention goes with it, and others come. */
	next.nexus[who].ua = 0;
	out_is_right(self, who, &out, want);
	if (want == PR_GOOD)
		self->model = next;
	else
		*aborted = 0;
	for (who = 0; who < PR_NEXUSES; who++)
		self->node[who].ua_ever |= self->model.nexus[who].ua;
}

/* One after the other: there is one right answer. */
TEST_F_TIMEOUT(pr, sequences, 120)
{
	unsigned int aborted, by, n;
	int64_t end;

	begin(self, LUN_RAM);
	end = vsg_now_ms() + chance_ms(8);
	for (n = 0; vsg_now_ms() < end && !t_failed(); n++)
		step(self, &aborted, &by);
	printf("# %u steps\n", n);
}

/* What an answer to a write may be that others' reservations overtook. */
static void flight_end(struct pr *self, unsigned int who, struct flight *f)
{
	struct vsg_result res = vsg_result(f->req);

	f->busy = false;
	/* A later command may have been answered first. */
	if (is_attention(&res, self->node[who].ua_ever)) {
		self->node[who].ua_unsure = true;
		return;
	}
	EXPECT_TRUE(res.response == VIRTIO_SCSI_S_ABORTED ||
		    res.response == VIRTIO_SCSI_S_RESET ||
		    (res.response == VIRTIO_SCSI_S_OK &&
		     (res.status == VSG_GOOD ||
		      res.status == VSG_RESERVATION_CONFLICT ||
		      res.status == VSG_TASK_ABORTED)));
}

static void flights_look(struct pr *self, unsigned int who, bool all)
{
	struct node *n = &self->node[who];
	unsigned int i;

	while (vsg_ring_poll(n->data))
		;
	for (i = 0; i < FLIGHT; i++) {
		struct flight *f = &n->flight[i];

		if (!f->busy)
			continue;
		if (all)
			ASSERT_EQ(0, vsg_token_wait(&f->req->tok, WAIT_MS));
		if (f->req->tok.done)
			flight_end(self, who, f);
	}
	if (!has_flights(n))
		n->ua_ever = self->model.nexus[who].ua;
}

/* A block says who wrote it, and in which order. */
static void flights_begin(struct pr *self, unsigned int who)
{
	struct node *n = &self->node[who];
	unsigned int i;

	for (i = 0; i < FLIGHT; i++) {
		struct flight *f = &n->flight[i];

		if (f->busy)
			continue;
		vsg_cmd_rw(f->req, T, self->lun, true,
			   chance_below(&self->c, BLOCKS), 1, BLOCK);
		memset(f->req->data_out, 0, BLOCK);
		vsg_put_be(f->req->data_out, who, 4);
		vsg_put_be(f->req->data_out + 4, ++self->stamp, 4);
		ASSERT_EQ(0, vsg_submit(n->data, f->req));
		f->busy = true;
		n->ua_unsure = true;
	}
	vsg_ring_kick(n->data);
}

static void blocks_read(struct pr *self, unsigned int who, uint64_t *stamps)
{
	struct node *n = &self->node[who];
	unsigned int i;

	vsg_cmd_rw(n->req, T, self->lun, false, 0, BLOCKS, BLOCK);
	EXPECT_EQ(VSG_GOOD, ask(self, who).status);
	for (i = 0; i < BLOCKS; i++)
		stamps[i] = vsg_get_be(n->req->data_in + BLOCK * i, 8);
}

/*
 * The preempted are out: what they had under way is over, whatever came of it. What the device
 * had not taken from the ring yet meets the reservation.
 */
static void fenced_is_fenced(struct pr *self, unsigned int aborted, unsigned int by)
{
	uint64_t before[BLOCKS], after[BLOCKS];
	unsigned int i, j;

	for (i = 0; i < PR_NEXUSES; i++) {
		if (!(aborted & (1 << i)))
			continue;
		flights_look(self, i, false);
		for (j = 0; j < FLIGHT; j++) {
			struct flight *f = &self->node[i].flight[j];

			if (!f->busy)
				continue;
			ASSERT_EQ(0, vsg_token_wait(&f->req->tok, WAIT_MS));
			if (pr_model_rw(&self->model, i, true) != PR_GOOD)
				EXPECT_FALSE(vsg_good(f->req));
			flight_end(self, i, f);
		}
	}
	if (pr_model_rw(&self->model, by, false) != PR_GOOD)
		return;
	blocks_read(self, by, before);
	usleep(2 * WRITE_MS * 1000);
	blocks_read(self, by, after);
	for (i = 0; i < BLOCKS; i++)
		if (after[i] != before[i])
			EXPECT_FALSE(aborted & (1 << (after[i] >> 32)));
}

/* With writes under way that others' commands overtake. */
TEST_F_TIMEOUT(pr, fences, 240)
{
	unsigned int aborted, by, i, n, fences = 0;
	int64_t end;

	begin(self, LUN_SLOW);
	end = vsg_now_ms() + chance_ms(15);
	for (n = 0; vsg_now_ms() < end && !t_failed(); n++) {
		if (chance_one_in(&self->c, 3))
			flights_begin(self, chance_below(&self->c, PR_NEXUSES));
		step(self, &aborted, &by);
		for (i = 0; i < PR_NEXUSES; i++)
			flights_look(self, i, false);
		if (aborted) {
			fences++;
			fenced_is_fenced(self, aborted, by);
		}
	}
	for (i = 0; i < PR_NEXUSES; i++)
		flights_look(self, i, true);
	printf("# %u steps, %u fences\n", n, fences);
	EXPECT_LT(0, fences);
}
