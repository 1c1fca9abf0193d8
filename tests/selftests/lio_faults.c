// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proves: each patch in Documentation/lio-patches cures its fault. It plays guests of the
 * distribution's module, which guards against none of them; each test has the number of a
 * patch, and fails, or breaks the kernel, without it. tests/lio-patches/run runs it.
 */

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support.h"

#define T 1

enum { LUN_RAM, LUN_SLOW, LUN_PROTECTED };

#define SLOW_MS 500

#define KEY_A 0x1111aaaaULL
#define KEY_B 0x2222bbbbULL

/* The initiator ports, which lio.c names after the target ports. */
#define PORT_B 0x5001405760000002ULL

/* Relative target port identifiers; the module gives none. */
#define RTPI_B 0x102

#define RAM_ATTRIB "core/rd_mcp_" LIO_HBA "/ram/attrib/"
#define SLOW_ATTRIB "core/iblock_" LIO_HBA "/slow/attrib/"

int suite_setup(void)
{
	int ret = lio_suite("ramdisk ram 16; delayed slow 16 0 500; ramdisk prot 4\n"
			    "tpg " WWN_A " 1; tpg " WWN_B " 1\n");

	ret = ret ? ret : lio_write("1", "core/rd_mcp_" LIO_HBA "/prot/attrib/pi_prot_type");
	ret = ret ? ret : lio_write("0x102", "vhost/" WWN_B "/tpgt_1/rtpi");
	return ret ? ret : lio("lun " WWN_A " 1 0 ram; lun " WWN_A " 1 1 slow\n"
			       "lun " WWN_A " 1 2 prot\n"
			       "lun " WWN_B " 1 0 ram; lun " WWN_B " 1 1 slow\n");
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

FIXTURE(two)
{
	struct side a;
	struct side b;
};

static uint8_t run(struct side *s)
{
	EXPECT_EQ(VIRTIO_SCSI_S_OK, exec(s->r, s->req).response);
	return vsg_result(s->req).status;
}

static uint8_t pr_out(struct side *s, uint16_t lun, uint8_t action, uint8_t type,
		      uint64_t key, uint64_t action_key)
{
	vsg_cmd_pr_out(s->req, T, lun, action, type, key, action_key);
	return run(s);
}

static uint64_t nr_keys(struct side *s)
{
	vsg_cmd_pr_in(s->req, T, LUN_RAM, VSG_PRIN_READ_KEYS, 256);
	EXPECT_EQ(VSG_GOOD, run(s));
	return vsg_get_be(s->req->data_in + 4, 4) / 8;
}

static void side_start(struct side *s, const char *wwn)
{
	struct vsg_opts opts = { .nr_io = 1 };

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
		pr_out(&self->a, lun, VSG_PROUT_REGISTER_AND_IGNORE, 0, 0, KEY_A);
		pr_out(&self->a, lun, VSG_PROUT_CLEAR, 0, KEY_A, 0);
		ready(self->b.r, T, lun);
		ASSERT_EQ(VSG_GOOD, pr_out(&self->a, lun, VSG_PROUT_REGISTER, 0, 0,
					   KEY_A));
		ASSERT_EQ(VSG_GOOD, pr_out(&self->b, lun, VSG_PROUT_REGISTER, 0, 0,
					   KEY_B));
	}
}

/* Not guest_end(): the distribution's module leaves used.len at 0. */
FIXTURE_TEARDOWN(two)
{
	vsg_close(self->a.dev);
	vsg_close(self->b.dev);
}

/* Each of the two workers on a processor of its own. */
static void workers_apart(void)
{
	pid_t tids[2];
	cpu_set_t set;
	char name[32];
	int i;

	snprintf(name, sizeof(name), "vhost-%d", getpid());
	ASSERT_EQ(2, threads_named(name, tids, 2));
	for (i = 0; i < 2; i++) {
		CPU_ZERO(&set);
		CPU_SET(i, &set);
		ASSERT_EQ(0, sched_setaffinity(tids[i], sizeof(set), &set));
	}
}

#define NR_OUT 32
#define NR_IN 32

/*
 * LIO removes and frees a registration that READ FULL STATUS looks at. The workers submit
 * at once, and so at the same time.
 */
TEST_F_TIMEOUT(two, 0001_beside_register, 120)
{
	struct side *a = &self->a, *b = &self->b;
	struct vsg_req *in[NR_IN], *out[NR_OUT];
	unsigned int i, round;

	workers_apart();
	ASSERT_EQ(0, lio_write("1", RAM_ATTRIB "submit_type"));
	for (i = 0; i < NR_IN; i++)
		in[i] = request(a->dev, 0, 512);
	for (i = 0; i < NR_OUT; i++)
		out[i] = request(b->dev, 64, 0);
	for (round = 0; round < 2000 && !t_failed(); round++) {
		WHERE("round %u", round);
		for (i = 0; i < NR_OUT; i++) {
			vsg_cmd_pr_out(out[i], T, LUN_RAM,
				       VSG_PROUT_REGISTER_AND_IGNORE, 0, 0,
				       i % 2 ? KEY_B : 0);
			ASSERT_EQ(0, vsg_submit(b->r, out[i]));
		}
		for (i = 0; i < NR_IN; i++) {
			vsg_cmd_pr_in(in[i], T, LUN_RAM,
				      VSG_PRIN_READ_FULL_STATUS, 512);
			ASSERT_EQ(0, vsg_submit(a->r, in[i]));
		}
		vsg_ring_kick(b->r);
		vsg_ring_kick(a->r);
		for (i = 0; i < NR_OUT; i++)
			ASSERT_EQ(0, vsg_token_wait(&out[i]->tok, WAIT_MS));
		for (i = 0; i < NR_IN; i++) {
			ASSERT_EQ(0, vsg_token_wait(&in[i]->tok, WAIT_MS));
			EXPECT_TRUE(vsg_good(in[i]));
		}
	}
	EXPECT_EQ(0, lio_write("0", RAM_ATTRIB "submit_type"));
}

/* A nexus for each port group of one port. */
#define WWN_M LIO_WWN "0003"
#define MANY 180

/* The last descriptor that does not fit is written behind the buffer. */
TEST_TIMEOUT(0001_many, 120)
{
	struct vsg_opts opts = { .nr_io = 1 };
	struct side s;
	unsigned int i;

	for (i = 0; i < MANY; i++)
		ASSERT_EQ(0, lio("tpg " WWN_M " %u; lun " WWN_M " %u 0 ram", i, i));
	s.dev = guest(WWN_M, &opts);
	s.r = vsg_io(s.dev, 0);
	s.req = request(s.dev, 4096, 8192);
	for (i = 0; i < MANY; i++) {
		ready(s.r, i, 0);
		vsg_cmd_pr_out(s.req, i, 0, VSG_PROUT_REGISTER_AND_IGNORE, 0, 0,
			       i + 1);
		ASSERT_EQ(VSG_GOOD, run(&s));
	}
	vsg_cmd_pr_in(s.req, 0, 0, VSG_PRIN_READ_FULL_STATUS, 8192);
	EXPECT_EQ(VSG_GOOD, run(&s));
	vsg_cmd_pr_out(s.req, 0, 0, VSG_PROUT_CLEAR, 0, 1, 0);
	EXPECT_EQ(VSG_GOOD, run(&s));
	vsg_close(s.dev);
	ASSERT_EQ(0, lio("dropwwn " WWN_M));
}

/* REGISTER AND MOVE puts a reference to B's LUN twice, and its end puts another. */
TEST_F(two, 0002)
{
	uint8_t cdb[10] = { VSG_PR_OUT, VSG_PROUT_REGISTER_AND_MOVE, [8] = 48 };
	struct side *a = &self->a, *b = &self->b;
	uint8_t *list = a->req->data_out;

	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_RAM, VSG_PROUT_REGISTER, 0, KEY_B, 0));
	EXPECT_EQ(VSG_GOOD, pr_out(a, LUN_RAM, VSG_PROUT_RESERVE,
				   VSG_PR_WRITE_EXCLUSIVE, KEY_A, 0));
	memset(list, 0, 48);
	vsg_put_be(list, KEY_A, 8);
	vsg_put_be(list + 8, KEY_B, 8);
	vsg_put_be(list + 18, RTPI_B, 2);
	vsg_put_be(list + 20, 24, 4);
	list[24] = 6;
	vsg_put_be(list + 28, PORT_B, 8);
	vsg_req_cmd(a->req, T, LUN_RAM, cdb, sizeof(cdb), 48, 0);
	EXPECT_EQ(VSG_GOOD, run(a));
	EXPECT_EQ(2, nr_keys(a));
	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_RAM, VSG_PROUT_CLEAR, 0, KEY_B, 0));
	ASSERT_EQ(0, lio("unlun " WWN_B " 1 0"));
	ASSERT_EQ(0, lio("lun " WWN_B " 1 0 ram"));
}

/* Whether the kernel has written to a registration that it has freed (slub_debug). */
static void look_at_freed(void)
{
	FILE *f = fopen("/sys/kernel/slab/t10_pr_reg_cache/validate", "w");

	ASSERT_TRUE(f);
	EXPECT_NE(EOF, fputs("1", f));
	EXPECT_EQ(0, fclose(f));
}

TEST_F(two, 0003_own_key)
{
	struct side *a = &self->a, *b = &self->b;

	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_RAM, VSG_PROUT_RESERVE,
				   VSG_PR_WRITE_EXCLUSIVE, KEY_B, 0));
	EXPECT_EQ(VSG_GOOD, pr_out(a, LUN_RAM, VSG_PROUT_PREEMPT,
				   VSG_PR_WRITE_EXCLUSIVE, KEY_A, KEY_A));
	look_at_freed();
	EXPECT_EQ(1, nr_keys(b));
}

TEST_F(two, 0003_all_registrants)
{
	struct side *a = &self->a, *b = &self->b;

	EXPECT_EQ(VSG_GOOD, pr_out(a, LUN_RAM, VSG_PROUT_RESERVE,
				   VSG_PR_WRITE_EXCLUSIVE_ALL, KEY_A, 0));
	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_RAM, VSG_PROUT_PREEMPT,
				   VSG_PR_EXCLUSIVE, KEY_B, 0));
	look_at_freed();
	EXPECT_EQ(1, nr_keys(b));
}

/* A registrant that holds nothing writes while it is fenced. */
TEST_F_TIMEOUT(two, 0004, 60)
{
	struct side *a = &self->a, *b = &self->b;

	/* Submitted at once, so that this does not need the patch 0006. */
	ASSERT_EQ(0, lio_write("1", SLOW_ATTRIB "submit_type"));
	ASSERT_EQ(VSG_GOOD, pr_out(b, LUN_SLOW, VSG_PROUT_RESERVE,
				   VSG_PR_WRITE_EXCLUSIVE_REG, KEY_B, 0));
	vsg_cmd_rw(a->req, T, LUN_SLOW, true, 0, 8, BLOCK);
	vsg_pattern(a->req->data_out, 4096, 0, 1);
	ASSERT_EQ(0, vsg_submit(a->r, a->req));
	vsg_ring_kick(a->r);
	reach_backend();
	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_SLOW, VSG_PROUT_PREEMPT_AND_ABORT,
				   VSG_PR_WRITE_EXCLUSIVE_REG, KEY_B, KEY_A));
	vsg_cmd_rw(b->req, T, LUN_SLOW, true, 0, 8, BLOCK);
	vsg_pattern(b->req->data_out, 4096, 0, 2);
	EXPECT_EQ(VSG_GOOD, run(b));
	ASSERT_EQ(0, vsg_token_wait(&a->req->tok, WAIT_MS));
	EXPECT_FALSE(vsg_good(a->req));
	usleep(2 * SLOW_MS * 1000);
	vsg_cmd_rw(b->req, T, LUN_SLOW, false, 0, 8, BLOCK);
	EXPECT_EQ(VSG_GOOD, run(b));
	EXPECT_EQ(-1, vsg_pattern_check(b->req->data_in, 4096, 0, 2));
	EXPECT_EQ(0, lio_write("0", SLOW_ATTRIB "submit_type"));
}

TEST_F(two, 0005)
{
	static const uint8_t actions[] = {
		VSG_PROUT_RESERVE, VSG_PROUT_RELEASE, VSG_PROUT_CLEAR,
		VSG_PROUT_REGISTER_AND_MOVE,
	};
	struct side *b = &self->b;
	unsigned int i;

	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_RAM, VSG_PROUT_REGISTER, 0, KEY_B, 0));
	for (i = 0; i < sizeof(actions); i++) {
		WHERE("action %u", actions[i]);
		EXPECT_EQ(VSG_RESERVATION_CONFLICT,
			  pr_out(b, LUN_RAM, actions[i], VSG_PR_WRITE_EXCLUSIVE,
				 KEY_B, KEY_A));
	}
}

/* The module has LIO submit by its work items: PREEMPT AND ABORT flushes its own. */
TEST_F(two, 0006)
{
	struct side *a = &self->a, *b = &self->b;

	ASSERT_EQ(VSG_GOOD, pr_out(a, LUN_RAM, VSG_PROUT_RESERVE,
				   VSG_PR_WRITE_EXCLUSIVE, KEY_A, 0));
	EXPECT_EQ(VSG_GOOD, pr_out(b, LUN_RAM, VSG_PROUT_PREEMPT_AND_ABORT,
				   VSG_PR_WRITE_EXCLUSIVE, KEY_B, KEY_A));
}

TEST_F(two, 0007)
{
	struct side *a = &self->a;

	ready(a->r, T, LUN_PROTECTED);
	vsg_cmd_rw(a->req, T, LUN_PROTECTED, false, 0, 0, BLOCK);
	EXPECT_EQ(VSG_GOOD, run(a));
}

#define WWN_P LIO_WWN "0004"
#define NEXUS_P "naa.3001405760000004"

/* A device answers in an interrupt, and LIO writes into the data that the LUN is protected. */
TEST(0008)
{
	struct vsg_opts opts = { .nr_io = 1 };
	uint8_t cdb[10] = { 0x5a, 0x08, 0x3f, [7] = 0x20 };
	struct side s;

	ASSERT_EQ(0, lio("scsi scsi; acl " WWN_P " 1 " NEXUS_P "; tpg " WWN_P " 1 " NEXUS_P "\n"
			 "lun " WWN_P " 1 0 scsi; map " WWN_P " 1 " NEXUS_P " 0 0"));
	s.dev = guest(WWN_P, &opts);
	s.r = vsg_io(s.dev, 0);
	s.req = request(s.dev, 64, 8192);
	ready(s.r, T, 0);
	ASSERT_EQ(0, lio_write("1", "vhost/" WWN_P "/tpgt_1/acls/" NEXUS_P
			       "/lun_0/write_protect"));
	vsg_req_cmd(s.req, T, 0, cdb, sizeof(cdb), 0, 8192);
	EXPECT_EQ(VSG_GOOD, run(&s));
	EXPECT_TRUE(s.req->data_in[3] & 0x80);
	vsg_close(s.dev);
	ASSERT_EQ(0, lio("dropwwn " WWN_P));
}
