// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proves: persistent reservations hold between two nexuses, PREEMPT AND ABORT included,
 * and commands by which LIO would corrupt host memory are refused.
 */

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "support.h"

#define T 1

enum { LUN_RAM, LUN_SLOW };

#define KEY_A 0x1111aaaaULL
#define KEY_B 0x2222bbbbULL

int suite_setup(void)
{
	return lio_suite("ramdisk ram 16; delayed slow 16 600 600\n"
			 "tpg " WWN_A " 1; lun " WWN_A " 1 0 ram\n"
			 "lun " WWN_A " 1 1 slow\n"
			 "tpg " WWN_B " 1; lun " WWN_B " 1 0 ram\n"
			 "lun " WWN_B " 1 1 slow\n");
}

void suite_teardown(void)
{
	lio_suite_end();
}

/* One of the two guests; each is a nexus of its own. */
struct side {
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *req;
};

FIXTURE(two)
{
	struct side a;
	struct side b;
};

static uint8_t pr_out_type(struct side *s, uint16_t lun, uint8_t action,
			   uint8_t type, uint64_t key, uint64_t action_key)
{
	vsg_cmd_pr_out(s->req, T, lun, action, type, key, action_key);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, exec(s->r, s->req).response);
	return vsg_result(s->req).status;
}

static uint8_t pr_out(struct side *s, uint16_t lun, uint8_t action,
		      uint64_t key, uint64_t action_key)
{
	return pr_out_type(s, lun, action, VSG_PR_WRITE_EXCLUSIVE, key,
			   action_key);
}

/* INVALID FIELD IN PARAMETER LIST */
static bool list_refused(const struct side *s)
{
	struct vsg_result res = vsg_result(s->req);

	return res.status == VSG_CHECK_CONDITION && res.key == 5 &&
	       res.asc == 0x2600;
}

/* The registrations of LUN_RAM, as a hears of them. */
static uint64_t nr_keys(struct side *a)
{
	vsg_cmd_pr_in(a->req, T, LUN_RAM, VSG_PRIN_READ_KEYS, 256);
	exec(a->r, a->req);
	EXPECT_TRUE(vsg_good(a->req));
	return vsg_get_be(a->req->data_in + 4, 4) / 8;
}

static void side_start(struct side *s, const char *wwn)
{
	struct vsg_opts opts = { .nr_io = 2 };

	s->dev = guest(wwn, &opts);
	s->r = vsg_io(s->dev, 0);
	s->req = request(s->dev, 4096, 4096);
	ready(s->r, T, LUN_RAM);
	ready(s->r, T, LUN_SLOW);
}

FIXTURE_SETUP(two)
{
	uint16_t lun;

	side_start(&self->a, WWN_A);
	side_start(&self->b, WWN_B);
	/* Whatever a test before this one left. */
	for (lun = LUN_RAM; lun <= LUN_SLOW; lun++) {
		pr_out(&self->a, lun, VSG_PROUT_REGISTER_AND_IGNORE, 0, KEY_A);
		pr_out(&self->a, lun, VSG_PROUT_CLEAR, KEY_A, 0);
		ready(self->b.r, T, lun);
		ASSERT_EQ(VSG_GOOD, pr_out(&self->a, lun, VSG_PROUT_REGISTER, 0,
					   KEY_A));
		ASSERT_EQ(VSG_GOOD, pr_out(&self->b, lun, VSG_PROUT_REGISTER, 0,
					   KEY_B));
	}
}

FIXTURE_TEARDOWN(two)
{
	guest_end(self->a.dev);
	guest_end(self->b.dev);
}

static uint8_t rw_status(struct side *s, uint16_t lun, bool write)
{
	vsg_cmd_rw(s->req, T, lun, write, 0, 8, BLOCK);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, exec(s->r, s->req).response);
	return vsg_result(s->req).status;
}

TEST_F(two, keys_and_holder)
{
	struct vsg_req *req = self->b.req;
	uint64_t first, second;

	vsg_cmd_pr_in(req, T, LUN_RAM, VSG_PRIN_READ_KEYS, 256);
	exec(self->b.r, req);
	EXPECT_TRUE(vsg_good(req));
	EXPECT_EQ(16, vsg_get_be(req->data_in + 4, 4));
	first = vsg_get_be(req->data_in + 8, 8);
	second = vsg_get_be(req->data_in + 16, 8);
	EXPECT_TRUE((first == KEY_A && second == KEY_B) ||
		    (first == KEY_B && second == KEY_A));

	WHERE("before the reservation");
	vsg_cmd_pr_in(req, T, LUN_RAM, VSG_PRIN_READ_RESERVATION, 64);
	exec(self->b.r, req);
	EXPECT_EQ(0, vsg_get_be(req->data_in + 4, 4));
	WHERE("after it");
	EXPECT_EQ(VSG_GOOD, pr_out(&self->a, LUN_RAM, VSG_PROUT_RESERVE, KEY_A,
				   0));
	vsg_cmd_pr_in(req, T, LUN_RAM, VSG_PRIN_READ_RESERVATION, 64);
	exec(self->b.r, req);
	EXPECT_EQ(16, vsg_get_be(req->data_in + 4, 4));
	EXPECT_EQ(KEY_A, vsg_get_be(req->data_in + 8, 8));
	EXPECT_EQ(VSG_PR_WRITE_EXCLUSIVE, req->data_in[21] & 0x0f);
}

TEST_F(two, conflict)
{
	struct side *a = &self->a, *b = &self->b;

	write_pattern(a->r, a->req, T, LUN_RAM, 0, 8, 1);
	EXPECT_EQ(VSG_GOOD, pr_out(a, LUN_RAM, VSG_PROUT_RESERVE, KEY_A, 0));
	vsg_pattern(b->req->data_out, 4096, 0, 2);
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, rw_status(b, LUN_RAM, true));
	EXPECT_EQ(VSG_RESP_LEN, b->req->tok.len);
	check_pattern(b->r, b->req, T, LUN_RAM, 0, 8, 1);
	WHERE("a second reservation");
	EXPECT_EQ(VSG_RESERVATION_CONFLICT,
		  pr_out(b, LUN_RAM, VSG_PROUT_RESERVE, KEY_B, 0));
	WHERE("with the wrong key");
	EXPECT_EQ(VSG_RESERVATION_CONFLICT,
		  pr_out(b, LUN_RAM, VSG_PROUT_CLEAR, KEY_A, 0));
	WHERE("the holder writes, and releases");
	EXPECT_EQ(VSG_GOOD, rw_status(a, LUN_RAM, true));
	EXPECT_EQ(VSG_GOOD, pr_out(a, LUN_RAM, VSG_PROUT_RELEASE, KEY_A, 0));
	ready(b->r, T, LUN_RAM);
	EXPECT_EQ(VSG_GOOD, rw_status(b, LUN_RAM, true));
}

/* The reservation is the nexus's, not the open device's. */
TEST_F(two, outlives_the_guest)
{
	struct side *a = &self->a, *b = &self->b;

	EXPECT_EQ(VSG_GOOD, pr_out(a, LUN_RAM, VSG_PROUT_RESERVE, KEY_A, 0));
	guest_end(a->dev);
	a->dev = NULL;
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, rw_status(b, LUN_RAM, true));
	side_start(a, WWN_A);
	EXPECT_EQ(VSG_GOOD, rw_status(a, LUN_RAM, true));
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, rw_status(b, LUN_RAM, true));
}

TEST_F(two, preempt)
{
	struct side *a = &self->a, *b = &self->b;

	EXPECT_EQ(VSG_GOOD, pr_out(a, LUN_RAM, VSG_PROUT_RESERVE, KEY_A, 0));
	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_RAM, VSG_PROUT_PREEMPT, KEY_B,
				   KEY_A));
	EXPECT_EQ(VSG_GOOD, rw_status(b, LUN_RAM, true));
	/* The old holder hears of it once, and is out. */
	ready(a->r, T, LUN_RAM);
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, rw_status(a, LUN_RAM, true));
}

/*
 * While the preempted nexus has commands on a slow backend: they are ended, not
 * GOOD; the function comes back, and both nexuses go on.
 */
TEST_F_TIMEOUT(two, preempt_and_abort_under_load, 60)
{
	struct side *a = &self->a, *b = &self->b;
	struct vsg_req *late[8];
	unsigned int i, round;

	for (i = 0; i < 8; i++)
		late[i] = request(a->dev, 4096, 0);
	for (round = 0; round < 2; round++) {
		WHERE("round %u", round);
		EXPECT_EQ(VSG_GOOD, pr_out(a, LUN_SLOW, VSG_PROUT_RESERVE,
					   KEY_A, 0));
		for (i = 0; i < 8; i++) {
			struct vsg_ring *r = vsg_io(a->dev, i % 2);

			vsg_cmd_rw(late[i], T, LUN_SLOW, true, 8 * i, 8, BLOCK);
			ASSERT_EQ(0, vsg_submit(r, late[i]));
			vsg_ring_kick(r);
		}
		usleep(150000);
		EXPECT_EQ(VSG_GOOD,
			  pr_out(b, LUN_SLOW, VSG_PROUT_PREEMPT_AND_ABORT,
				 KEY_B, KEY_A));
		ASSERT_EQ(0, vsg_ring_drain(vsg_io(a->dev, 0), WAIT_MS));
		ASSERT_EQ(0, vsg_ring_drain(vsg_io(a->dev, 1), WAIT_MS));
		for (i = 0; i < 8; i++) {
			struct vsg_result res = vsg_result(late[i]);

			EXPECT_FALSE(vsg_good(late[i]));
			EXPECT_TRUE(res.response == VIRTIO_SCSI_S_ABORTED ||
				    res.response == VIRTIO_SCSI_S_RESET ||
				    res.status == VSG_TASK_ABORTED);
		}
		/* The other way round for the next round. */
		ready(a->r, T, LUN_SLOW);
		EXPECT_EQ(VSG_GOOD, pr_out(a, LUN_SLOW, VSG_PROUT_REGISTER, 0,
					   KEY_A));
		EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_SLOW, VSG_PROUT_RELEASE,
					   KEY_B, 0));
		ready(a->r, T, LUN_SLOW);
		EXPECT_EQ(VSG_GOOD, rw_status(a, LUN_SLOW, false));
	}
}

/* A nexus that preempts itself, with commands of its own under way. */
TEST_F(two, preempt_own_reservation)
{
	struct side *a = &self->a;
	struct vsg_req *late = request(a->dev, 4096, 0);

	EXPECT_EQ(VSG_GOOD, pr_out(a, LUN_SLOW, VSG_PROUT_RESERVE, KEY_A, 0));
	vsg_cmd_rw(late, T, LUN_SLOW, true, 0, 8, BLOCK);
	ASSERT_EQ(0, vsg_submit(vsg_io(a->dev, 1), late));
	vsg_ring_kick(vsg_io(a->dev, 1));
	usleep(100000);
	/* SPC-4, 5.13.11.2.7: allowed; what it does to own commands is open. */
	pr_out(a, LUN_SLOW, VSG_PROUT_PREEMPT_AND_ABORT, KEY_A, KEY_A);
	ASSERT_EQ(0, vsg_token_wait(&late->tok, WAIT_MS));
	ready(a->r, T, LUN_SLOW);
}

/* With and without TransportIDs: LIO keeps the LUN for good when it fails. */
TEST_F(two, no_registering_of_other_ports)
{
	struct side *b = &self->b;
	uint8_t cdb[10] = { VSG_PR_OUT, VSG_PROUT_REGISTER };
	unsigned int len;

	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_RAM, VSG_PROUT_REGISTER, KEY_B, 0));
	for (len = 24; len <= 28; len += 4) {
		WHERE("parameter list of %u bytes", len);
		cdb[8] = len;
		memset(b->req->data_out, 0, len);
		vsg_put_be(b->req->data_out + 8, KEY_B, 8);
		b->req->data_out[20] = 1 << 3;
		vsg_req_cmd(b->req, T, LUN_RAM, cdb, sizeof(cdb), len, 0);
		exec(b->r, b->req);
		EXPECT_TRUE(list_refused(b));
		EXPECT_EQ(1, nr_keys(&self->a));
	}
	WHERE("the capabilities");
	vsg_cmd_pr_in(b->req, T, LUN_RAM, VSG_PRIN_REPORT_CAPABILITIES, 8);
	exec(b->r, b->req);
	EXPECT_TRUE(vsg_good(b->req));
	EXPECT_EQ(8, vsg_get_be(b->req->data_in, 2));
	/* CRH, ATP_C and PTPL_C, but no SIP_C; the mask is valid. */
	EXPECT_EQ(0x15, b->req->data_in[2]);
	EXPECT_EQ(0x80, b->req->data_in[3] & 0x80);
	WHERE("without");
	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_RAM, VSG_PROUT_REGISTER, 0, KEY_B));
	EXPECT_EQ(2, nr_keys(&self->a));
}

/* Only the holder may preempt the key that it has itself. */
TEST_F(two, preempt_own_key)
{
	static const uint8_t actions[] = { VSG_PROUT_PREEMPT,
					   VSG_PROUT_PREEMPT_AND_ABORT };
	struct side *a = &self->a, *b = &self->b;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		WHERE("action %u, nobody holds it", actions[i]);
		pr_out(a, LUN_RAM, actions[i], KEY_A, KEY_A);
		EXPECT_TRUE(list_refused(a));
		EXPECT_EQ(2, nr_keys(a));
		WHERE("action %u, b holds it", actions[i]);
		EXPECT_EQ(VSG_GOOD,
			  pr_out(b, LUN_RAM, VSG_PROUT_RESERVE, KEY_B, 0));
		pr_out(a, LUN_RAM, actions[i], KEY_A, KEY_A);
		EXPECT_TRUE(list_refused(a));
		EXPECT_EQ(2, nr_keys(a));
		WHERE("action %u, by the holder", actions[i]);
		EXPECT_EQ(VSG_GOOD, pr_out_type(b, LUN_RAM, actions[i],
						VSG_PR_EXCLUSIVE, KEY_B,
						KEY_B));
		EXPECT_EQ(VSG_GOOD, rw_status(b, LUN_RAM, false));
		ready(a->r, T, LUN_RAM);
		EXPECT_EQ(VSG_RESERVATION_CONFLICT,
			  rw_status(a, LUN_RAM, false));
		EXPECT_EQ(VSG_GOOD, pr_out_type(b, LUN_RAM, VSG_PROUT_RELEASE,
						VSG_PR_EXCLUSIVE, KEY_B, 0));
		ready(a->r, T, LUN_RAM);
	}
}

/* Of all registrants those but one go, whoever of them reserved. */
TEST_F(two, preempt_all_registrants)
{
	const uint8_t type = VSG_PR_WRITE_EXCLUSIVE_ALL;
	struct side *a = &self->a, *b = &self->b;
	struct side *by[] = { b, b, a };
	static const uint8_t actions[] = { VSG_PROUT_PREEMPT,
					   VSG_PROUT_PREEMPT_AND_ABORT,
					   VSG_PROUT_PREEMPT };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		struct side *winner = by[i], *loser = winner == a ? b : a;
		uint64_t key = winner == a ? KEY_A : KEY_B;

		WHERE("round %u", i);
		EXPECT_EQ(VSG_GOOD, pr_out_type(a, LUN_RAM, VSG_PROUT_RESERVE,
						type, KEY_A, 0));
		EXPECT_EQ(VSG_GOOD, pr_out_type(winner, LUN_RAM, actions[i],
						VSG_PR_EXCLUSIVE, key, 0));
		EXPECT_EQ(1, nr_keys(winner));
		ready(loser->r, T, LUN_RAM);
		EXPECT_EQ(VSG_RESERVATION_CONFLICT,
			  rw_status(loser, LUN_RAM, false));
		EXPECT_EQ(VSG_GOOD, rw_status(winner, LUN_RAM, true));
		EXPECT_EQ(VSG_GOOD, pr_out(loser, LUN_RAM, VSG_PROUT_REGISTER,
					   0, loser == a ? KEY_A : KEY_B));
		EXPECT_EQ(VSG_GOOD, pr_out_type(winner, LUN_RAM,
						VSG_PROUT_RELEASE,
						VSG_PR_EXCLUSIVE, key, 0));
	}
}

/* The one who reserved goes, and its reservation stays what it is: others hold it, too. */
TEST_F(two, preempt_one_of_all_registrants)
{
	const uint8_t type = VSG_PR_WRITE_EXCLUSIVE_ALL;
	struct side *a = &self->a, *b = &self->b;

	EXPECT_EQ(VSG_GOOD, pr_out_type(a, LUN_RAM, VSG_PROUT_RESERVE, type,
					KEY_A, 0));
	EXPECT_EQ(VSG_GOOD, pr_out_type(b, LUN_RAM, VSG_PROUT_PREEMPT,
					VSG_PR_EXCLUSIVE, KEY_B, KEY_A));
	EXPECT_EQ(1, nr_keys(b));
	vsg_cmd_pr_in(b->req, T, LUN_RAM, VSG_PRIN_READ_RESERVATION, 64);
	exec(b->r, b->req);
	EXPECT_EQ(16, vsg_get_be(b->req->data_in + 4, 4));
	EXPECT_EQ(type, b->req->data_in[21] & 0x0f);
	ready(a->r, T, LUN_RAM);
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, rw_status(a, LUN_RAM, true));
	EXPECT_EQ(VSG_GOOD, rw_status(a, LUN_RAM, false));
}

/* SPC-4, 5.13.9 and the like: what needs a registration conflicts without one. */
TEST_F(two, without_a_registration)
{
	static const uint8_t actions[] = {
		VSG_PROUT_RESERVE, VSG_PROUT_RELEASE, VSG_PROUT_CLEAR,
		VSG_PROUT_PREEMPT, VSG_PROUT_PREEMPT_AND_ABORT,
		VSG_PROUT_REGISTER_AND_MOVE,
	};
	struct side *a = &self->a, *b = &self->b;
	unsigned int i;

	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_RAM, VSG_PROUT_REGISTER, KEY_B, 0));
	for (i = 0; i < sizeof(actions); i++) {
		WHERE("action %u", actions[i]);
		EXPECT_EQ(VSG_RESERVATION_CONFLICT,
			  pr_out(b, LUN_RAM, actions[i], KEY_B, KEY_A));
		EXPECT_EQ(VSG_RESERVATION_CONFLICT,
			  pr_out(b, LUN_RAM, actions[i], KEY_A, KEY_A));
		EXPECT_EQ(1, nr_keys(a));
	}
}

static uint32_t generation(struct side *s)
{
	vsg_cmd_pr_in(s->req, T, LUN_RAM, VSG_PRIN_READ_KEYS, 256);
	exec(s->r, s->req);
	EXPECT_TRUE(vsg_good(s->req));
	return vsg_get_be(s->req->data_in, 4);
}

/* SPC-4, 6.15.2: what changes registrations counts, and nothing else. */
TEST_F(two, generation)
{
	static const struct {
		uint8_t action;
		uint64_t key;
		uint64_t action_key;
		uint8_t status;
		unsigned int counts;
	} steps[] = {
		{ VSG_PROUT_RESERVE, KEY_B, 0, VSG_GOOD, 0 },
		{ VSG_PROUT_RELEASE, KEY_B, 0, VSG_GOOD, 0 },
		{ VSG_PROUT_REGISTER, KEY_B, KEY_A, VSG_GOOD, 1 },
		{ VSG_PROUT_REGISTER, KEY_B, 0, VSG_RESERVATION_CONFLICT, 0 },
		{ VSG_PROUT_REGISTER, KEY_A, 0, VSG_GOOD, 1 },
		{ VSG_PROUT_REGISTER_AND_IGNORE, 0, KEY_B, VSG_GOOD, 1 },
		{ VSG_PROUT_REGISTER_AND_IGNORE, 0, 0, VSG_GOOD, 1 },
		{ VSG_PROUT_REGISTER, 0, KEY_B, VSG_GOOD, 1 },
		{ VSG_PROUT_PREEMPT, KEY_B, KEY_A, VSG_GOOD, 1 },
		{ VSG_PROUT_CLEAR, KEY_B, 0, VSG_GOOD, 1 },
	};
	struct side *b = &self->b;
	uint32_t last = generation(b), now;
	unsigned int i;

	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		WHERE("step %u", i);
		EXPECT_EQ(steps[i].status, pr_out(b, LUN_RAM, steps[i].action,
						  steps[i].key,
						  steps[i].action_key));
		now = generation(b);
		EXPECT_EQ(steps[i].counts, now - last);
		last = now;
	}
}

/* REGISTER AND MOVE, to a SAS port (SPC-4, 7.6.4.7) behind a target port. */
static uint8_t move(struct side *s, uint64_t key, uint64_t action_key,
		    uint16_t rtpi, uint64_t port, unsigned int len)
{
	uint8_t cdb[10] = { VSG_PR_OUT, VSG_PROUT_REGISTER_AND_MOVE };
	uint8_t *list = s->req->data_out;

	cdb[8] = len;
	memset(list, 0, 48);
	vsg_put_be(list, key, 8);
	vsg_put_be(list + 8, action_key, 8);
	vsg_put_be(list + 18, rtpi, 2);
	vsg_put_be(list + 20, len - 24, 4);
	list[24] = 6;
	vsg_put_be(list + 28, port, 8);
	vsg_req_cmd(s->req, T, LUN_RAM, cdb, sizeof(cdb), len, 0);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, exec(s->r, s->req).response);
	return vsg_result(s->req).status;
}

/* The descriptor of a key, or NULL. */
static const uint8_t *full_status(struct side *s, uint64_t key)
{
	const uint8_t *d = s->req->data_in, *end;

	vsg_cmd_pr_in(s->req, T, LUN_RAM, VSG_PRIN_READ_FULL_STATUS, 4096);
	exec(s->r, s->req);
	EXPECT_TRUE(vsg_good(s->req));
	end = d + 8 + vsg_get_be(d + 4, 4);
	for (d += 8; d < end; d += 24 + vsg_get_be(d + 20, 4))
		if (vsg_get_be(d, 8) == key)
			return d;
	return NULL;
}

/* SPC-4, 5.13.11.2.4: whose reservation is not taken is preempted with any type and scope. */
TEST_F(two, preempt_of_any_type)
{
	struct side *a = &self->a, *b = &self->b;

	WHERE("nothing is reserved");
	EXPECT_EQ(VSG_GOOD, pr_out_type(a, LUN_RAM, VSG_PROUT_PREEMPT, 0, KEY_A, KEY_B));
	EXPECT_EQ(1, nr_keys(a));
	ready(b->r, T, LUN_RAM);
	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_RAM, VSG_PROUT_REGISTER_AND_IGNORE, 0, KEY_B));
	WHERE("the other has not reserved it");
	EXPECT_EQ(VSG_GOOD, pr_out(a, LUN_RAM, VSG_PROUT_RESERVE, KEY_A, 0));
	EXPECT_EQ(VSG_GOOD, pr_out_type(a, LUN_RAM, VSG_PROUT_PREEMPT_AND_ABORT, 0xff,
					KEY_A, KEY_B));
	EXPECT_EQ(1, nr_keys(a));
	ready(b->r, T, LUN_RAM);
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, rw_status(b, LUN_RAM, true));
	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_RAM, VSG_PROUT_REGISTER_AND_IGNORE, 0, KEY_B));
	WHERE("the other has");
	EXPECT_EQ(VSG_CHECK_CONDITION, pr_out_type(b, LUN_RAM, VSG_PROUT_PREEMPT, 0,
						   KEY_B, KEY_A));
	EXPECT_EQ(0x2400, vsg_result(b->req).asc);
	EXPECT_EQ(2, nr_keys(a));
}

/* The TransportIDs are those of the nexuses, which lio.c names after the ports. */
#define PORT_A 0x5001405760000001ULL
#define PORT_B 0x5001405760000002ULL

TEST_F(two, full_status)
{
	struct side *a = &self->a;
	const uint8_t *d;

	EXPECT_EQ(VSG_GOOD, pr_out_type(a, LUN_RAM, VSG_PROUT_RESERVE,
					VSG_PR_WRITE_EXCLUSIVE_REG, KEY_A, 0));
	d = full_status(a, KEY_A);
	ASSERT_TRUE(d);
	EXPECT_EQ(1, d[12]);
	EXPECT_EQ(VSG_PR_WRITE_EXCLUSIVE_REG, d[13]);
	EXPECT_EQ(24, vsg_get_be(d + 20, 4));
	EXPECT_EQ(6, d[24]);
	EXPECT_EQ(PORT_A, vsg_get_be(d + 28, 8));
	d = full_status(a, KEY_B);
	ASSERT_TRUE(d);
	EXPECT_EQ(0, d[12]);
	EXPECT_EQ(0, d[13]);
	EXPECT_EQ(PORT_B, vsg_get_be(d + 28, 8));
	EXPECT_FALSE(full_status(a, 1));
	WHERE("cut");
	vsg_cmd_pr_in(a->req, T, LUN_RAM, VSG_PRIN_READ_FULL_STATUS, 20);
	memset(a->req->data_in, 0xee, 64);
	exec(a->r, a->req);
	EXPECT_TRUE(vsg_good(a->req));
	EXPECT_EQ(96, vsg_get_be(a->req->data_in + 4, 4));
	EXPECT_EQ(0xee, a->req->data_in[20]);
	EXPECT_EQ(0, vsg_result(a->req).resid);
}

/*
 * To a nexus that is registered the reservation moves. To one that is not LIO gives a
 * reference back twice: refused. Nor may there be less than a TransportID.
 */
TEST_F(two, register_and_move)
{
	struct side *a = &self->a, *b = &self->b;
	const uint8_t *d = full_status(a, KEY_B);
	uint16_t rtpi;

	ASSERT_TRUE(d);
	rtpi = vsg_get_be(d + 18, 2);
	EXPECT_EQ(VSG_GOOD, pr_out(a, LUN_RAM, VSG_PROUT_RESERVE, KEY_A, 0));
	WHERE("no TransportID");
	EXPECT_EQ(VSG_CHECK_CONDITION, move(a, KEY_A, 3, rtpi, PORT_B, 24));
	EXPECT_EQ(0x1a00, vsg_result(a->req).asc);
	WHERE("a port that is not there");
	move(a, KEY_A, 3, rtpi, PORT_B + 5, 48);
	EXPECT_TRUE(list_refused(a));
	WHERE("one that is not registered");
	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_RAM, VSG_PROUT_REGISTER, KEY_B, 0));
	move(a, KEY_A, 3, rtpi, PORT_B, 48);
	EXPECT_TRUE(list_refused(a));
	EXPECT_EQ(1, nr_keys(a));
	WHERE("one that is");
	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_RAM, VSG_PROUT_REGISTER, 0, KEY_B));
	if (rtpi) {
		EXPECT_EQ(VSG_RESERVATION_CONFLICT,
			  move(a, KEY_B, 3, rtpi, PORT_B, 48));
		EXPECT_EQ(VSG_GOOD, move(a, KEY_A, 3, rtpi, PORT_B, 48));
		EXPECT_EQ(VSG_RESERVATION_CONFLICT, rw_status(a, LUN_RAM, true));
		EXPECT_EQ(VSG_GOOD, rw_status(b, LUN_RAM, true));
		d = full_status(b, 3);
		ASSERT_TRUE(d);
		EXPECT_EQ(1, d[12]);
		/* For those who come after this test. */
		pr_out(b, LUN_RAM, VSG_PROUT_CLEAR, 3, 0);
	}
}

/* LIO went on from a registration that had gone, within seconds. */
TEST_F_TIMEOUT(two, full_status_beside_register, 120)
{
	struct side *a = &self->a, *b = &self->b;
	struct vsg_req *in[4], *out[8];
	unsigned int i, round;

	for (i = 0; i < 4; i++)
		in[i] = request(a->dev, 0, 4096);
	for (i = 0; i < 8; i++)
		out[i] = request(b->dev, 64, 0);
	for (round = 0; round < 400 && !t_failed(); round++) {
		WHERE("round %u", round);
		for (i = 0; i < 8; i++) {
			vsg_cmd_pr_out(out[i], T, LUN_RAM,
				       VSG_PROUT_REGISTER_AND_IGNORE, 0, 0,
				       i % 2 ? KEY_B : 0);
			ASSERT_EQ(0, vsg_submit(b->r, out[i]));
		}
		for (i = 0; i < 4; i++) {
			vsg_cmd_pr_in(in[i], T, LUN_RAM,
				      VSG_PRIN_READ_FULL_STATUS, 4096);
			ASSERT_EQ(0, vsg_submit(a->r, in[i]));
		}
		vsg_ring_kick(b->r);
		vsg_ring_kick(a->r);
		for (i = 0; i < 8; i++) {
			ASSERT_EQ(0, vsg_token_wait(&out[i]->tok, WAIT_MS));
			EXPECT_TRUE(vsg_good(out[i]));
		}
		for (i = 0; i < 4; i++) {
			unsigned int len;

			ASSERT_EQ(0, vsg_token_wait(&in[i]->tok, WAIT_MS));
			EXPECT_TRUE(vsg_good(in[i]));
			len = vsg_get_be(in[i]->data_in + 4, 4);
			EXPECT_TRUE(len == 48 || len == 96);
		}
	}
}

/* A LUN goes, and its registrations, while another nexus removes them, too. */
TEST_F_TIMEOUT(two, unlink_beside_clear, 120)
{
	struct side *a = &self->a, *b = &self->b;
	struct vsg_req *out[16];
	unsigned int i, round;

	for (i = 0; i < 16; i++)
		out[i] = request(b->dev, 64, 0);
	for (round = 0; round < 40 && !t_failed(); round++) {
		WHERE("round %u", round);
		ready(a->r, T, LUN_RAM);
		pr_out(a, LUN_RAM, VSG_PROUT_REGISTER_AND_IGNORE, 0, KEY_A);
		ready(b->r, T, LUN_RAM);
		for (i = 0; i < 16; i++) {
			vsg_cmd_pr_out(out[i], T, LUN_RAM, i % 2 ?
				       VSG_PROUT_CLEAR :
				       VSG_PROUT_REGISTER_AND_IGNORE, 0, KEY_B,
				       i % 2 ? 0 : KEY_B);
			ASSERT_EQ(0, vsg_submit(b->r, out[i]));
		}
		vsg_ring_kick(b->r);
		ASSERT_EQ(0, lio("unlun " WWN_A " 1 0"));
		for (i = 0; i < 16; i++)
			ASSERT_EQ(0, vsg_token_wait(&out[i]->tok, WAIT_MS));
		ASSERT_EQ(0, lio("lun " WWN_A " 1 0 ram"));
	}
}

static uint8_t spc2(struct side *s, uint8_t op)
{
	uint8_t cdb[6] = { op };

	vsg_req_cmd(s->req, T, LUN_RAM, cdb, sizeof(cdb), 0, 0);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, exec(s->r, s->req).response);
	return vsg_result(s->req).status;
}

/*
 * SPC-2's reservation is the I_T nexus's, which is lost with its guest (SAM-5, 6.3.4), but
 * not when that pauses or starts its driver anew.
 */
TEST_F(two, reserve_ends_with_the_guest)
{
	struct side *a = &self->a, *b = &self->b;

	pr_out(a, LUN_RAM, VSG_PROUT_CLEAR, KEY_A, 0);
	ready(b->r, T, LUN_RAM);
	ASSERT_EQ(VSG_GOOD, spc2(a, VSG_RESERVE_6));
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, rw_status(b, LUN_RAM, false));
	WHERE("a pause");
	ASSERT_EQ(0, vsg_stop(a->dev));
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, rw_status(b, LUN_RAM, false));
	ASSERT_EQ(0, vsg_start(a->dev, WWN_A));
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, rw_status(b, LUN_RAM, false));
	EXPECT_EQ(VSG_GOOD, rw_status(a, LUN_RAM, true));
	WHERE("the end of a guest that is paused");
	guest_end(a->dev);
	a->dev = NULL;
	EXPECT_EQ(VSG_GOOD, rw_status(b, LUN_RAM, true));
	WHERE("the next guest");
	{
		struct vsg_opts opts = { .nr_io = 2 };
		struct vsg_result res;

		a->dev = guest(WWN_A, &opts);
		a->r = vsg_io(a->dev, 0);
		a->req = request(a->dev, 4096, 4096);
		vsg_cmd_tur(a->req, T, LUN_RAM);
		res = exec(a->r, a->req);
		EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
		EXPECT_EQ(6, res.key);
		EXPECT_EQ(0x2907, res.asc);
		ready(a->r, T, LUN_RAM);
	}
	WHERE("its end, while it runs");
	ASSERT_EQ(VSG_GOOD, spc2(a, VSG_RESERVE_6));
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, rw_status(b, LUN_RAM, false));
	vsg_close(a->dev);
	side_start(a, WWN_A);
	EXPECT_EQ(VSG_GOOD, rw_status(b, LUN_RAM, true));
}

/* A guest that moved to another device of the same host keeps what it has. */
TEST_F(two, reserve_moves_with_the_guest)
{
	struct side *a = &self->a, *b = &self->b;
	struct vsg_dev *old = a->dev;

	pr_out(a, LUN_RAM, VSG_PROUT_CLEAR, KEY_A, 0);
	ready(b->r, T, LUN_RAM);
	ASSERT_EQ(VSG_GOOD, spc2(a, VSG_RESERVE_6));
	ASSERT_EQ(0, vsg_stop(old));
	side_start(a, WWN_A);
	vsg_close(old);
	EXPECT_EQ(VSG_RESERVATION_CONFLICT, rw_status(b, LUN_RAM, false));
	EXPECT_EQ(VSG_GOOD, spc2(a, VSG_RELEASE_6));
	EXPECT_EQ(VSG_GOOD, rw_status(b, LUN_RAM, false));
}

/* Where LIO cannot write the file, nothing is registered. */
TEST_F(two, no_place_for_aptpl)
{
	char dir[160], away[170];
	struct side *a = &self->a, *b = &self->b;
	int64_t end = vsg_now_ms() + WAIT_MS;
	unsigned int i;

	ASSERT_EQ(0, metadata_dir(dir, sizeof(dir)));
	snprintf(away, sizeof(away), "%s.away", dir);
	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_RAM, VSG_PROUT_REGISTER, KEY_B, 0));
	ASSERT_EQ(0, rename(dir, away));
	for (i = 0; i < 2; i++) {
		uint32_t before = generation(a);

		WHERE("APTPL %u", i);
		vsg_cmd_pr_out(b->req, T, LUN_RAM, VSG_PROUT_REGISTER, 0, 0,
			       KEY_B);
		b->req->data_out[20] = i;
		exec(b->r, b->req);
		EXPECT_EQ(VSG_CHECK_CONDITION, vsg_result(b->req).status);
		EXPECT_EQ(1, nr_keys(a));
		EXPECT_EQ(before, generation(a));
		EXPECT_EQ(VSG_RESERVATION_CONFLICT,
			  pr_out(b, LUN_RAM, VSG_PROUT_RESERVE, KEY_B, 0));
		WHERE("APTPL %u, another key", i);
		vsg_cmd_pr_out(a->req, T, LUN_RAM, VSG_PROUT_REGISTER, 0,
			       KEY_A, KEY_B);
		a->req->data_out[20] = i;
		exec(a->r, a->req);
		EXPECT_EQ(VSG_CHECK_CONDITION, vsg_result(a->req).status);
		EXPECT_TRUE(full_status(a, KEY_A));
	}
	EXPECT_EQ(0, rename(away, dir));
	WHERE("with it");
	/* For a while it is not tried again. */
	while (pr_out(b, LUN_RAM, VSG_PROUT_REGISTER, 0, KEY_B) != VSG_GOOD) {
		ASSERT_LE(vsg_now_ms(), end);
		usleep(100000);
	}
}

/* The file that LIO writes for each REGISTER to LUN_RAM. */
static void metadata_file(char *path, size_t size)
{
	char dir[160], serial[256];
	char *at;

	ASSERT_EQ(0, metadata_dir(dir, sizeof(dir)));
	ASSERT_EQ(0, read_file(LIO_ROOT "/core/rd_mcp_" LIO_HBA
			       "/ram/wwn/vpd_unit_serial", serial, sizeof(serial)));
	at = strrchr(serial, ' ');
	ASSERT_TRUE(at);
	snprintf(path, size, "%s/aptpl_%s", dir, at + 1);
}

/* Takes a page from a pipe; whoever writes to it goes on. */
static ssize_t take_page(int pipe)
{
	char buf[4096];

	return read(pipe, buf, sizeof(buf));
}

/*
 * A guest that sends many of these keeps no other one waiting. The file is a pipe here,
 * which takes as many as fit into a page.
 */
TEST_F_TIMEOUT(two, each_in_its_turn, 60)
{
	enum { MOST = 4096 / 33 + 3, FLOOD = 2 * MOST };
	struct side *a = &self->a, *b = &self->b;
	struct vsg_req *req[FLOOD];
	unsigned int i, done = 0;
	char path[500];
	int64_t end;
	int pipe;

	metadata_file(path, sizeof(path));
	unlink(path);
	ASSERT_EQ(0, mkfifo(path, 0600));
	pipe = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, pipe);
	ASSERT_EQ(4096, fcntl(pipe, F_SETPIPE_SZ, 4096));
	while (write(pipe, "", 1) == 1)
		;
	for (i = 0; i < FLOOD; i++) {
		req[i] = request(a->dev, 24, 0);
		vsg_cmd_pr_out(req[i], T, LUN_RAM, VSG_PROUT_REGISTER_AND_IGNORE, 0,
			       0, KEY_A);
		EXPECT_EQ(0, vsg_submit(vsg_io(a->dev, i % 2), req[i]));
	}
	vsg_ring_kick(vsg_io(a->dev, 0));
	vsg_ring_kick(vsg_io(a->dev, 1));
	reach_backend();
	vsg_cmd_pr_out(b->req, T, LUN_RAM, VSG_PROUT_REGISTER_AND_IGNORE, 0, 0, KEY_B);
	EXPECT_EQ(0, vsg_submit(b->r, b->req));
	vsg_ring_kick(b->r);
	reach_backend();
	EXPECT_FALSE(req[0]->tok.done);

	EXPECT_EQ(4096, take_page(pipe));
	EXPECT_EQ(0, vsg_token_wait(&b->req->tok, WAIT_MS));
	for (i = 0; i < FLOOD; i++) {
		vsg_ring_poll(vsg_io(a->dev, i % 2));
		done += req[i]->tok.done;
	}
	printf("# %u of %u were before it\n", done, FLOOD);
	EXPECT_GE(MOST, done);
	for (end = vsg_now_ms() + WAIT_MS; vsg_now_ms() < end; usleep(1000)) {
		take_page(pipe);
		vsg_ring_poll(vsg_io(a->dev, 0));
		vsg_ring_poll(vsg_io(a->dev, 1));
		for (i = 0; i < FLOOD && req[i]->tok.done; i++)
			;
		if (i == FLOOD && !vsg_token_wait(&b->req->tok, 0))
			break;
	}
	EXPECT_TRUE(vsg_good(b->req));
	for (i = 0; i < FLOOD; i++) {
		EXPECT_TRUE(vsg_good(req[i]));
		vsg_req_free(req[i]);
	}
	unlink(path);
	close(pipe);
}

/* A nexus for each port group of one port. */
#define WWN_M LIO_WWN "0003"
#define MANY 180

/* SPC-4, 4.3.5.6: what there is, cut at the allocation length and not beyond. */
TEST_TIMEOUT(more_registrants_than_fit, 120)
{
	struct vsg_opts opts = { .nr_io = 1 };
	struct vsg_dev *dev;
	struct vsg_req *req;
	struct vsg_ring *r;
	unsigned int i;

	for (i = 0; i < MANY; i++)
		ASSERT_EQ(0, lio("tpg " WWN_M " %u; lun " WWN_M " %u 0 ram", i, i));
	dev = guest(WWN_M, &opts);
	r = vsg_io(dev, 0);
	req = request(dev, 4096, 16384);
	/* Whatever tests before this one left. */
	ready(r, 0, 0);
	vsg_cmd_pr_out(req, 0, 0, VSG_PROUT_REGISTER_AND_IGNORE, 0, 0, 1);
	exec_good(r, req);
	vsg_cmd_pr_out(req, 0, 0, VSG_PROUT_CLEAR, 0, 1, 0);
	exec_good(r, req);
	for (i = 0; i < MANY; i++) {
		ready(r, i, 0);
		vsg_cmd_pr_out(req, i, 0, VSG_PROUT_REGISTER_AND_IGNORE, 0, 0,
			       i + 1);
		exec_good(r, req);
	}
	for (i = 8192 - 48; i <= 8192; i += 24) {
		WHERE("allocation length %u", i);
		memset(req->data_in, 0xee, 16384);
		vsg_cmd_pr_in(req, 0, 0, VSG_PRIN_READ_FULL_STATUS, i);
		exec(r, req);
		EXPECT_TRUE(vsg_good(req));
		EXPECT_EQ(48 * MANY, vsg_get_be(req->data_in + 4, 4));
		EXPECT_EQ(24, vsg_get_be(req->data_in + 8 + 48 * 169 + 20, 4));
		EXPECT_EQ(0xee, req->data_in[i]);
	}
	vsg_cmd_pr_in(req, 0, 0, VSG_PRIN_READ_FULL_STATUS, 16384);
	exec(r, req);
	EXPECT_EQ(8 + 48 * MANY, 16384 - vsg_result(req).resid);
	vsg_cmd_pr_out(req, 0, 0, VSG_PROUT_CLEAR, 0, 1, 0);
	exec_good(r, req);
	guest_end(dev);
	ASSERT_EQ(0, lio("dropwwn " WWN_M));
}

/* Each of the two workers on a processor of its own; LIO is given their commands there. */
static bool workers_apart(void)
{
	pid_t tids[2];
	cpu_set_t set;
	char name[32];
	int i;

	snprintf(name, sizeof(name), "vhost-%d", getpid());
	if (threads_named(name, tids, 2) != 2)
		return false;
	for (i = 0; i < 2; i++) {
		CPU_ZERO(&set);
		CPU_SET(i, &set);
		if (sched_setaffinity(tids[i], sizeof(set), &set))
			return false;
	}
	return true;
}

static void set_kick(struct side *s, int fd)
{
	struct vhost_vring_file file = { .index = s->r->index, .fd = fd };

	ASSERT_EQ(0, ioctl(s->dev->fd, VHOST_SET_VRING_KICK, &file));
}

/*
 * As two nodes of a cluster do that lost each other: one of them wins. One eventfd wakes both
 * workers, or one would be done before the other knows.
 */
TEST_F_TIMEOUT(two, preempt_each_other, 120)
{
	struct side *side[2] = { &self->a, &self->b };
	static const uint64_t keys[2] = { KEY_A, KEY_B };
	int kick = eventfd(0, EFD_CLOEXEC);
	const uint64_t one = 1;
	unsigned int i, round;
	cpu_set_t set;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP("one processor");
	ASSERT_TRUE(workers_apart());
	ASSERT_LE(0, kick);
	for (round = 0; round < 600 && !t_failed(); round++) {
		uint8_t action = round % 2 ? VSG_PROUT_PREEMPT_AND_ABORT :
					     VSG_PROUT_PREEMPT;
		unsigned int won = 0;

		WHERE("round %u", round);
		CPU_ZERO(&set);
		CPU_SET(round / 2 % 2, &set);
		ASSERT_EQ(0, sched_setaffinity(0, sizeof(set), &set));
		for (i = 0; i < 2; i++) {
			vsg_cmd_pr_out(side[i]->req, T, LUN_RAM, action,
				       VSG_PR_WRITE_EXCLUSIVE, keys[i],
				       keys[!i]);
			set_kick(side[i], kick);
			ASSERT_EQ(0, vsg_submit(side[i]->r, side[i]->req));
		}
		ASSERT_EQ(8, write(kick, &one, sizeof(one)));
		for (i = 0; i < 2; i++) {
			ASSERT_EQ(0, vsg_token_wait(&side[i]->req->tok,
						    WAIT_MS));
			won += vsg_good(side[i]->req);
		}
		EXPECT_EQ(1, won);
		for (i = 0; i < 2; i++) {
			set_kick(side[i], side[i]->r->kick);
			ready(side[i]->r, T, LUN_RAM);
			EXPECT_EQ(VSG_GOOD,
				  pr_out(side[i], LUN_RAM,
					 VSG_PROUT_REGISTER_AND_IGNORE, 0,
					 keys[i]));
		}
	}
	close(kick);
}
