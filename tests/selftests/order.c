// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proves: in whatever order a hypervisor sets the device up, its guest is served, or an
 * ioctl has said that it will not be; and what the stock module serves is served.
 */

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "chance.h"
#include "support.h"

#define T 1

/* Orders of each test; with a log each takes longer, for grace periods of RCU. */
enum { ORDERS = 120, ORDERS_WITH_LOG = 30 };
/* Guest memory, and its dirty log. */
#define MEMORY 1048576

/* The steps from a device with an owner to one that serves a request queue. */
enum step {
	FEATURES, MEM_TABLE, NUM, BASE, ADDR, KICK, CALL, ERR, ENDIAN, LOG_BASE, LOG_FD,
	ENDPOINT, STEPS
};

static const char *const names[] = {
	"FEATURES", "MEM_TABLE", "NUM", "BASE", "ADDR", "KICK", "CALL", "ERR", "ENDIAN",
	"LOG_BASE", "LOG_FD", "ENDPOINT",
};

int suite_setup(void)
{
	return lio_suite("ramdisk ram 16; tpg " WWN_A " 1; lun " WWN_A " 1 0 ram");
}

void suite_teardown(void)
{
	lio_suite_end();
}

/**
 * struct vmm - a hypervisor
 * @dev: its device
 * @r: the only queue that it sets up
 * @req: a request
 * @log: the dirty log
 * @chance: what comes next
 * @steps: the order
 * @nr: steps of it
 * @early: the guest sends the request before this step, and does not kick again
 */
struct vmm {
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *req;
	uint8_t log[MEMORY / VSG_LOG_PAGE / 8 + 1];
	struct chance chance;
	enum step steps[STEPS];
	unsigned int nr;
	int early;
};

static int set_file(struct vsg_ring *r, unsigned long cmd, int fd)
{
	struct vhost_vring_file file = { .index = r->index, .fd = fd };

	return vsg_ioctl(r->dev, cmd, &file);
}

static int set_state(struct vsg_ring *r, unsigned long cmd, unsigned int num)
{
	struct vhost_vring_state state = { .index = r->index, .num = num };

	return vsg_ioctl(r->dev, cmd, &state);
}

static int take(struct vmm *v, enum step step)
{
	struct vsg_ring *r = v->r;
	int ret;

	switch (step) {
	case FEATURES:
		return vsg_set_features(v->dev, v->dev->features);
	case MEM_TABLE:
		return vsg_set_mem_table(v->dev);
	case NUM:
		return set_state(r, VHOST_SET_VRING_NUM, r->num);
	case BASE:
		return set_state(r, VHOST_SET_VRING_BASE, r->base);
	case ADDR:
		return vsg_ring_set_addr(r);
	case KICK:
		return set_file(r, VHOST_SET_VRING_KICK, r->kick);
	case CALL:
		return set_file(r, VHOST_SET_VRING_CALL, r->call);
	case ERR:
		return set_file(r, VHOST_SET_VRING_ERR, r->err);
	case ENDIAN:
		ret = set_state(r, VHOST_SET_VRING_ENDIAN, VHOST_VRING_LITTLE_ENDIAN);
		/* The stock module of a distribution has none. */
		return ret == -ENOTTY ? 0 : ret;
	case LOG_BASE:
		return vsg_set_log_base(v->dev, v->log);
	case LOG_FD:
		return vsg_set_log_fd(v->dev, -1);
	default:
		return vsg_set_endpoint(v->dev, WWN_A);
	}
}

/* Any order of these steps. */
static void shuffle(struct vmm *v, unsigned int steps)
{
	unsigned int i, k;

	v->nr = 0;
	for (i = 0; i < STEPS; i++) {
		if (!(steps >> i & 1))
			continue;
		k = chance_below(&v->chance, v->nr + 1);
		v->steps[v->nr++] = v->steps[k];
		v->steps[k] = i;
	}
}

/* When a step is taken; -1: it was before, for the last guest. */
static int place(const struct vmm *v, enum step step)
{
	int i;

	for (i = v->nr - 1; i >= 0 && v->steps[i] != step; i--)
		;
	return i;
}

static void name(const struct vmm *v)
{
	char text[256];
	unsigned int i, n = 0;

	for (i = 0; i < v->nr; i++)
		n += snprintf(text + n, sizeof(text) - n, " %s%s",
			      v->early == (int)i ? "(request) " : "", names[v->steps[i]]);
	WHERE("%s", text);
}

/* Does the stock module take this order? The ring itself it takes before the endpoint. */
static bool is_served_by_stock(const struct vmm *v)
{
	int endpoint = place(v, ENDPOINT);

	return place(v, MEM_TABLE) < endpoint && place(v, NUM) < endpoint &&
	       place(v, BASE) < endpoint && place(v, ENDIAN) < endpoint &&
	       place(v, ADDR) < endpoint;
}

static void send_request(struct vmm *v)
{
	vsg_cmd_rw(v->req, T, 0, false, 0, 8, BLOCK);
	EXPECT_EQ(0, vsg_submit(v->r, v->req));
	vsg_ring_kick(v->r);
}

/* Takes the steps. Return: 0 or the first error. */
static int set_up(struct vmm *v)
{
	unsigned int i;
	int ret = 0;

	name(v);
	for (i = 0; i < v->nr && !ret; i++) {
		if (v->early == (int)i)
			send_request(v);
		ret = take(v, v->steps[i]);
	}
	return ret;
}

/* Return: the request was answered, whatever with: there is a unit attention. */
static bool is_served(struct vmm *v)
{
	bool logs = v->dev->features & VSG_F(VHOST_F_LOG_ALL);

	if (v->early < 0)
		send_request(v);
	if (vsg_token_wait(&v->req->tok, WAIT_MS))
		return false;
	EXPECT_EQ(VIRTIO_SCSI_S_OK, vsg_result(v->req).response);
	if (logs)
		EXPECT_TRUE(vsg_log_test(v->log, vsg_gpa(&v->dev->mem, v->req->resp)));
	return true;
}

static void vmm_open(struct vmm *v, bool logs)
{
	struct vsg_opts opts = {
		.mem_size = MEMORY, .ring_size = 16,
		.features = VSG_FEATURES_MODERN | (logs ? VSG_F(VHOST_F_LOG_ALL) : 0),
	};

	ASSERT_EQ(0, vsg_open(&v->dev, &opts));
	v->dev->log_rings = logs;
	v->r = vsg_io(v->dev, 0);
	v->req = request(v->dev, 0, 4096);
	v->early = -1;
	memset(v->log, 0, sizeof(v->log));
}

static void vmm_close(struct vmm *v)
{
	EXPECT_EQ(0, vsg_errors(v->dev));
	vsg_req_free(v->req);
	vsg_close(v->dev);
}

/* Which orders a test is about. */
enum which { BY_STOCK, ALL, EARLY };

/* One guest; then another one or the same after a reset, with some of the steps. */
static void one_order(struct vmm *v, enum which which)
{
	const unsigned int all = (1U << STEPS) - 1;
	int ret;

	do
		shuffle(v, all);
	while (which != ALL && !is_served_by_stock(v));
	/* What it sends before the features are known is the guest's own fault. */
	if (which == EARLY)
		v->early = place(v, FEATURES) + 1 +
			   chance_below(&v->chance, v->nr - place(v, FEATURES));
	ret = set_up(v);
	if (is_served_by_stock(v))
		EXPECT_EQ(0, ret);
	/* It may also send it behind the last step. */
	if (v->early == (int)v->nr)
		v->early = -1;
	if (!ret)
		EXPECT_TRUE(is_served(v));
	v->early = -1;
	if (ret || t_failed())
		return;

	ASSERT_EQ(0, vsg_stop(v->dev));
	do
		shuffle(v, (chance_bits(&v->chance) | 1U << ENDPOINT) & all);
	while (which != ALL && !is_served_by_stock(v));
	ret = set_up(v);
	if (is_served_by_stock(v))
		EXPECT_EQ(0, ret);
	if (!ret)
		EXPECT_TRUE(is_served(v));
}

static void orders(enum which which, bool logs)
{
	static struct vmm v;
	unsigned int i;

	chance_init(&v.chance, which, logs);
	for (i = 0; i < (logs ? ORDERS_WITH_LOG : ORDERS) && !t_failed(); i++) {
		vmm_open(&v, logs);
		one_order(&v, which);
		vmm_close(&v);
	}
}

/* The stock module passes the first two. */
TEST_TIMEOUT(by_stock, 60)
{
	orders(BY_STOCK, false);
}

TEST_TIMEOUT(by_stock_with_log, 60)
{
	orders(BY_STOCK, true);
}

TEST_TIMEOUT(any, 60)
{
	orders(ALL, false);
}

TEST_TIMEOUT(any_with_log, 60)
{
	orders(ALL, true);
}

/* The guest kicks once, before all is set up. */
TEST_TIMEOUT(guest_is_early, 60)
{
	orders(EARLY, false);
}
