// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proves: a system call that fails without memory changes nothing, and works when repeated.
 * These tests have a running guest; those of fault_alone.c have none.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"
#include "files.h"
#include "support.h"

#define T 1
#define PAGE 4096

int suite_setup(void)
{
	if (geteuid())
		return SUITE_SKIP("needs root");
	if (inject_init())
		return SUITE_SKIP("the kernel injects no faults");
	return lio_suite(FAULT_STORES);
}

void suite_teardown(void)
{
	lio_suite_end();
	inject_end();
}

#define REGIONS 12
#define LOG_SIZE (8 * PAGE)

/**
 * struct run - a guest with two request queues and some regions of memory
 * @dev: guest
 * @req: a request
 * @waiting: another one
 * @log: two dirty logs
 * @seed: of the next pattern
 * @spare: a place for a ring
 */
FIXTURE(run)
{
	struct vsg_dev *dev;
	struct vsg_req *req;
	struct vsg_req *waiting;
	uint8_t *log[2];
	uint32_t seed;
	void *spare;
};

FIXTURE_SETUP(run)
{
	struct vsg_opts opts = { .nr_io = 2, .mem_size = 4 << 20 };
	unsigned int i;

	ASSERT_EQ(0, vsg_open(&self->dev, &opts));
	for (i = 1; i < REGIONS; i++)
		ASSERT_EQ(0, vsg_mem_add(&self->dev->mem, i * (64UL << 20),
					 1 << 20, 0));
	self->req = request(self->dev, 8192, 8192);
	self->waiting = request(self->dev, 0, 0);
	self->spare = vsg_mem_alloc_in(&self->dev->mem, 1, 4 * PAGE, PAGE);
	for (i = 0; i < 2; i++) {
		self->log[i] = mmap(NULL, LOG_SIZE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, self->log[i]);
		/* Pins and fork() do not go together. */
		madvise(self->log[i], LOG_SIZE, MADV_DONTFORK);
		memset(self->log[i], 0, LOG_SIZE);
	}
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	ready(vsg_io(self->dev, 0), T, 0);
}

FIXTURE_TEARDOWN(run)
{
	guest_end(self->dev);
	EXPECT_TRUE(pins_settle(0, 5000));
	EXPECT_TRUE(threads_settle(0, 5000));
}

/* Both queues answer, and the data is right. */
static void io_works(struct run *self)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		self->seed++;
		write_pattern(vsg_io(self->dev, i), self->req, T, 0, 8, 16,
			      self->seed);
		check_pattern(vsg_io(self->dev, i), self->req, T, 0, 8, 16,
			      self->seed);
	}
}

static void check_io(void *ctx, bool done)
{
	io_works(ctx);
}

static int call_table(void *ctx)
{
	struct run *self = ctx;

	return vsg_set_mem_table(self->dev);
}

/* A table with a region less; what I/O needs is in the first. */
static void undo_table(void *ctx)
{
	struct run *self = ctx;

	self->dev->mem.nr--;
	EXPECT_EQ(0, vsg_set_mem_table(self->dev));
	self->dev->mem.nr++;
}

static bool last_region_is_there(struct run *self)
{
	const struct vsg_region *last = &self->dev->mem.region[REGIONS - 1];

	vsg_cmd_rw(self->req, T, 0, false, 0, 1, BLOCK);
	self->req->seg[2].gpa = last->gpa;
	exec(vsg_io(self->dev, 0), self->req);
	return vsg_good(self->req);
}

static void check_table(void *ctx, bool done)
{
	struct run *self = ctx;

	io_works(self);
	vsg_cmd_rw(self->req, T, 0, false, 0, 1, BLOCK);
	EXPECT_EQ(done, last_region_is_there(self));
}

TEST_F_TIMEOUT(run, memory_table, 120)
{
	static const struct step step = {
		.name = "SET_MEM_TABLE", .call = call_table,
		.check = check_table, .undo = undo_table,
	};

	undo_table(self);
	walk(&step, self);
	ASSERT_EQ(0, vsg_log_start(self->dev, self->log[0]));
	walk(&step, self);
	ASSERT_EQ(0, vsg_set_mem_table(self->dev));
	EXPECT_EQ(0, vsg_log_stop(self->dev));
}

/* Which of the two logs a write of the device gets into. */
static int log_in_use(struct run *self)
{
	uint64_t gpa = vsg_gpa(&self->dev->mem, self->req->data_in);
	int i, used = -1;

	for (i = 0; i < 2; i++)
		memset(self->log[i], 0, LOG_SIZE);
	io_works(self);
	for (i = 0; i < 2; i++)
		if (vsg_log_test(self->log[i], gpa))
			used = used < 0 ? i : 2;
	return used;
}

static int call_log_base(void *ctx)
{
	struct run *self = ctx;

	return vsg_set_log_base(self->dev, self->log[1]);
}

static void check_log_base(void *ctx, bool done)
{
	EXPECT_EQ(done, log_in_use(ctx));
}

static void undo_log_base(void *ctx)
{
	struct run *self = ctx;

	EXPECT_EQ(0, vsg_set_log_base(self->dev, self->log[0]));
}

static int call_log_fd(void *ctx)
{
	struct run *self = ctx;

	return vsg_set_log_fd(self->dev, vsg_io(self->dev, 0)->err);
}

static void check_log_fd(void *ctx, bool done)
{
	struct run *self = ctx;
	struct vsg_ring *r = vsg_io(self->dev, 0);

	vsg_ring_failed(r, 0);
	EXPECT_EQ(0, log_in_use(self));
	EXPECT_EQ(done, vsg_ring_failed(r, done ? WAIT_MS : 0));
}

static void undo_log_fd(void *ctx)
{
	struct run *self = ctx;

	EXPECT_EQ(0, vsg_set_log_fd(self->dev, -1));
}

static int call_features(void *ctx)
{
	struct run *self = ctx;

	return vsg_set_features(self->dev, self->dev->features |
				VSG_F(VHOST_F_LOG_ALL));
}

static void check_features(void *ctx, bool done)
{
	EXPECT_EQ(done ? 0 : -1, log_in_use(ctx));
}

static void undo_features(void *ctx)
{
	struct run *self = ctx;

	EXPECT_EQ(0, vsg_set_features(self->dev, self->dev->features));
}

TEST_F_TIMEOUT(run, dirty_log, 120)
{
	static const struct step features = {
		.name = "SET_FEATURES", .call = call_features,
		.check = check_features, .undo = undo_features,
	};
	static const struct step log_base = {
		.name = "SET_LOG_BASE", .call = call_log_base,
		.check = check_log_base, .undo = undo_log_base,
	};
	static const struct step log_fd = {
		.name = "SET_LOG_FD", .call = call_log_fd,
		.check = check_log_fd, .undo = undo_log_fd,
	};

	undo_log_base(self);
	walk(&features, self);
	ASSERT_EQ(0, call_features(self));
	walk(&log_base, self);
	walk(&log_fd, self);
	undo_features(self);
}

/* A running ring that moves, and back; what it holds goes with it. */
static int ring_move(struct run *self, void *used)
{
	struct vsg_ring *r = vsg_io(self->dev, 0);
	void *old = r->used;
	int ret;

	/* No more than it has: what follows is another's, and newer. */
	memcpy(used, old, sizeof(*r->used) +
	       r->num * sizeof(r->used->ring[0]) + sizeof(uint16_t));
	r->used = used;
	ret = vsg_ring_set_addr(r);
	if (ret)
		r->used = old;
	return ret;
}

static void *old_used;

static int call_addr(void *ctx)
{
	struct run *self = ctx;

	return ring_move(self, self->spare);
}

static void undo_addr(void *ctx)
{
	EXPECT_EQ(0, ring_move(ctx, old_used));
}

TEST_F_TIMEOUT(run, ring_moves, 120)
{
	static const struct step step = {
		.name = "SET_VRING_ADDR", .call = call_addr, .check = check_io,
		.undo = undo_addr,
	};

	old_used = vsg_io(self->dev, 0)->used;
	walk(&step, self);
}

static int ring_file(struct run *self, unsigned long cmd, int fd)
{
	struct vhost_vring_file file = { .index = VSG_IO, .fd = fd };

	return vsg_ioctl(self->dev, cmd, &file);
}

static int other;

static int call_call(void *ctx)
{
	return ring_file(ctx, VHOST_SET_VRING_CALL, other);
}

static void check_call(void *ctx, bool done)
{
	struct run *self = ctx;
	struct vsg_ring *r = vsg_io(self->dev, 0);
	int old = r->call;

	if (done)
		r->call = other;
	io_works(self);
	r->call = old;
}

static void undo_call(void *ctx)
{
	struct run *self = ctx;

	EXPECT_EQ(0, ring_file(self, VHOST_SET_VRING_CALL,
			       vsg_io(self->dev, 0)->call));
}

static int call_err(void *ctx)
{
	return ring_file(ctx, VHOST_SET_VRING_ERR, other);
}

static void undo_err(void *ctx)
{
	struct run *self = ctx;

	EXPECT_EQ(0, ring_file(self, VHOST_SET_VRING_ERR,
			       vsg_io(self->dev, 0)->err));
}

static int call_kick(void *ctx)
{
	struct run *self = ctx;

	return ring_file(self, VHOST_SET_VRING_KICK,
			 vsg_io(self->dev, 0)->kick);
}

/* It runs again, or it does not, and then nothing is taken from it. */
static void check_kick(void *ctx, bool done)
{
	struct run *self = ctx;
	struct vsg_ring *r = vsg_io(self->dev, 0);

	if (done) {
		io_works(self);
		return;
	}
	vsg_cmd_tur(self->waiting, T, 0);
	ASSERT_EQ(0, vsg_submit(r, self->waiting));
	eventfd_write(r->kick, 1);
	EXPECT_EQ(-ETIMEDOUT, vsg_ring_wait(r, 20));
}

static void undo_kick(void *ctx)
{
	struct run *self = ctx;
	struct vsg_ring *r = vsg_io(self->dev, 0);

	EXPECT_EQ(0, vsg_ring_drain(r, WAIT_MS));
	EXPECT_LE(0, vsg_ring_get_base(r));
}

TEST_F_TIMEOUT(run, ring_files, 120)
{
	static const struct step call = {
		.name = "SET_VRING_CALL", .call = call_call,
		.check = check_call, .undo = undo_call,
	};
	static const struct step err = {
		.name = "SET_VRING_ERR", .call = call_err, .check = check_io,
		.undo = undo_err,
	};
	static const struct step kick = {
		.name = "SET_VRING_KICK of a stopped queue", .call = call_kick,
		.check = check_kick, .undo = undo_kick,
	};

	other = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ASSERT_LE(0, other);
	walk(&call, self);
	walk(&err, self);
	undo_kick(self);
	walk(&kick, self);
	ASSERT_EQ(0, call_kick(self));
	close(other);
}

/* What only copies: the copy fails, and that is all. */

struct copy {
	unsigned long cmd;
	const char *name;
	uint32_t first;
	uint32_t second;
};

static const struct copy *copying;

static int call_copy(void *ctx)
{
	struct run *self = ctx;
	uint32_t arg[4] = { copying->first, copying->second };

	return vsg_ioctl(self->dev, copying->cmd, arg);
}

static void undo_nothing(void *ctx)
{
}

TEST_F_TIMEOUT(run, copies, 120)
{
	/* Queue 3 is a request queue, its number of entries is 128. */
	static const struct copy copies[] = {
		{ .cmd = VHOST_GET_FEATURES, .name = "GET_FEATURES" },
		{ .cmd = VHOST_GET_BACKEND_FEATURES, .name = "GET_BACKEND_FEATURES" },
		{ .cmd = VHOST_SET_BACKEND_FEATURES, .name = "SET_BACKEND_FEATURES" },
		{ .cmd = VHOST_GET_VRING_WORKER, .name = "GET_VRING_WORKER", .first = 3 },
		{ .cmd = VHOST_ATTACH_VRING_WORKER, .name = "ATTACH_VRING_WORKER", .first = 3 },
		{ .cmd = VHOST_GET_VRING_ENDIAN, .name = "GET_VRING_ENDIAN", .first = 3 },
		{ .cmd = VHOST_SET_VRING_BUSYLOOP_TIMEOUT, .name = "SET_VRING_BUSYLOOP_TIMEOUT",
		  .first = 3, .second = 5 },
		{ .cmd = VHOST_GET_VRING_BUSYLOOP_TIMEOUT, .name = "GET_VRING_BUSYLOOP_TIMEOUT",
		  .first = 3 },
		{ .cmd = VHOST_GET_VRING_BASE, .name = "GET_VRING_BASE", .first = 3 },
		{ .cmd = VHOST_SET_VRING_NUM, .name = "SET_VRING_NUM", .first = 3,
		  .second = 128 },
	};
	struct vsg_ring *r = vsg_io(self->dev, 1);
	struct nth nth;
	unsigned int i;

	/* It stops, cannot say where, and says it when it is asked again. */
	nth_self(&nth);
	nth_arm(&nth, 1);
	EXPECT_EQ(-EFAULT, vsg_ring_get_base(r));
	EXPECT_TRUE(nth_fired(&nth));
	nth_close(&nth);
	EXPECT_EQ(vsg_v16(r, r->used->idx), vsg_ring_get_base(r));

	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		struct step step = {
			.name = copies[i].name, .call = call_copy,
			.undo = undo_nothing,
		};

		copying = &copies[i];
		walk(&step, self);
	}
	ASSERT_EQ(0, vsg_ring_start(r));
	io_works(self);
}

/* ---- endpoint ----------------------------------------------------------- */

static int call_clear(void *ctx)
{
	struct run *self = ctx;

	return vsg_clear_endpoint(self->dev, WWN_A);
}

static void check_clear(void *ctx, bool done)
{
	struct run *self = ctx;

	if (!done)
		io_works(self);
}

/* Where the rings stopped, as their next start has to know. */
static void learn_bases(struct run *self)
{
	unsigned int i;

	for (i = 0; i < self->dev->nr_rings; i++)
		EXPECT_LE(0, vsg_ring_get_base(&self->dev->ring[i]));
}

/* What QEMU does: all of it once more. */
static void undo_clear(void *ctx)
{
	struct run *self = ctx;

	learn_bases(self);
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
}

TEST_F_TIMEOUT(run, clear_endpoint, 60)
{
	static const struct step step = {
		.name = "CLEAR_ENDPOINT", .call = call_clear,
		.check = check_clear, .undo = undo_clear,
	};

	walk(&step, self);
}

/* An owner may set features last, while no ring is used yet. */
static int call_other_features(void *ctx)
{
	struct run *self = ctx;

	return vsg_set_features(self->dev, self->dev->features |
				VSG_F(VIRTIO_F_NOTIFY_ON_EMPTY));
}

static void check_other_features(void *ctx, bool done)
{
	if (done)
		io_works(ctx);
}

static void undo_other_features(void *ctx)
{
	struct run *self = ctx;

	ASSERT_EQ(0, vsg_clear_endpoint(self->dev, WWN_A));
	undo_clear(self);
}

TEST_F_TIMEOUT(run, features_of_unused_rings, 120)
{
	static const struct step step = {
		.name = "SET_FEATURES", .call = call_other_features,
		.check = check_other_features, .undo = undo_other_features,
	};

	undo_other_features(self);
	walk(&step, self);
}

/* A guest that uses the first request queue only, this time. */
static void start_less(void *ctx)
{
	struct run *self = ctx;
	unsigned int i;

	learn_bases(self);
	for (i = 0; i < self->dev->nr_rings - 1; i++)
		EXPECT_EQ(0, vsg_ring_start(&self->dev->ring[i]));
	/* A ring that starts writes this. */
	vsg_io(self->dev, 1)->used->flags = 0x5a5a;
}

static int call_endpoint_b(void *ctx)
{
	struct run *self = ctx;

	return vsg_set_endpoint(self->dev, WWN_B);
}

static void check_endpoint_b(void *ctx, bool done)
{
	struct run *self = ctx;

	EXPECT_EQ(0x5a5a, vsg_io(self->dev, 1)->used->flags);
	if (done) {
		vsg_cmd_tur(self->req, T, 0);
		exec(vsg_io(self->dev, 0), self->req);
		EXPECT_EQ(VIRTIO_SCSI_S_OK, self->req->resp->response);
		return;
	}
	/* Nobody is bound, or this would fail. */
	EXPECT_EQ(0, lio_write("NULL", "vhost/" WWN_B "/tpgt_1/nexus"));
	EXPECT_EQ(0, lio_write(WWN_B, "vhost/" WWN_B "/tpgt_1/nexus"));
}

static void undo_endpoint_b(void *ctx)
{
	struct run *self = ctx;

	EXPECT_EQ(0, vsg_clear_endpoint(self->dev, WWN_B));
}

TEST_F_TIMEOUT(run, set_endpoint, 240)
{
	static const struct step step = {
		.name = "SET_ENDPOINT", .prepare = start_less,
		.call = call_endpoint_b, .check = check_endpoint_b,
		.undo = undo_endpoint_b,
	};

	/* A port group without LUNs, so that its nexus may be taken away. */
	ASSERT_EQ(0, lio("tpg " WWN_B " 1"));
	ASSERT_EQ(0, vsg_stop(self->dev));
	walk(&step, self);
	ASSERT_EQ(0, lio("dropwwn " WWN_B));
	vsg_io(self->dev, 1)->used->flags = 0;
	undo_clear(self);
	io_works(self);
}

/* Two port groups whose nexus is made when the device is bound to them. */
static void make_bare_groups(void *ctx)
{
	static const char * const dirs[] = {
		"", "/tpgt_1", "/tpgt_2",
	};
	unsigned int i;
	char path[256];

	if (exists(LIO_ROOT "/vhost/" WWN_B))
		ASSERT_EQ(0, lio("dropwwn " WWN_B));
	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), LIO_ROOT "/vhost/" WWN_B "%s",
			 dirs[i]);
		ASSERT_EQ(0, make_dir(path));
	}
	ASSERT_EQ(0, lio("lun " WWN_B " 2 0 hot"));
}

/*
 * A LUN's state as the guest sees it.  LIO does not tell anybody when it had no
 * memory for a LUN in the list of a session: there is no such LUN then.
 */
static bool sees(struct run *self, uint8_t target, uint16_t lun)
{
	struct vsg_result res;
	unsigned int i;

	for (i = 0; i < 8; i++) {
		vsg_cmd_tur(self->req, target, lun);
		res = exec(vsg_io(self->dev, 0), self->req);
		EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
		if (res.status == VSG_GOOD)
			return true;
		if (res.asc == 0x2500)
			return false;
	}
	EXPECT_EQ(VSG_GOOD, res.status);
	return false;
}

/* Both targets are there, or they would be bad ones; the first has no LUN. */
static void check_groups(void *ctx, bool done)
{
	struct run *self = ctx;

	if (!done)
		return;
	EXPECT_FALSE(sees(self, 1, 0));
	sees(self, 2, 0);
}

TEST_F_TIMEOUT(run, default_nexus, 400)
{
	static const struct step step = {
		.name = "SET_ENDPOINT and default nexus",
		.prepare = make_bare_groups, .call = call_endpoint_b,
		.check = check_groups, .undo = undo_endpoint_b,
	};
	unsigned int i;

	ASSERT_EQ(0, vsg_stop(self->dev));
	/* As few rings as are needed: their faults were had above. */
	for (i = 0; i < 2; i++) {
		struct vhost_vring_addr none = { .index = i };

		EXPECT_EQ(0, vsg_ioctl(self->dev, VHOST_SET_VRING_ADDR, &none));
	}
	EXPECT_EQ(0, vsg_ring_start(vsg_io(self->dev, 0)));
	walk(&step, self);
	ASSERT_EQ(0, lio("dropwwn " WWN_B));
	undo_clear(self);
}

/* ---- LUNs of a guest that runs ------------------------------------------ */

#define HOT 5
#define HOT_DIR LIO_ROOT "/vhost/" WWN_A "/tpgt_1/lun/lun_5"

static struct vsg_evt hot_event;

static int call_link(void *ctx)
{
	return symlink(FAULT_HOT, HOT_DIR "/vsg") ? -errno : 0;
}

/* The guest is told that a LUN came, or that it missed something. */
static void check_link(void *ctx, bool done)
{
	struct run *self = ctx;
	uint32_t type;

	if (!done) {
		EXPECT_FALSE(sees(self, T, HOT));
		return;
	}
	ASSERT_EQ(0, vsg_token_wait(&hot_event.tok, WAIT_MS));
	type = le32toh(hot_event.event->event);
	EXPECT_TRUE(type == VIRTIO_SCSI_T_TRANSPORT_RESET ||
		    type == VIRTIO_SCSI_T_EVENTS_MISSED);
	if (!sees(self, T, HOT)) {
		/* See there; the LUN can be linked again. */
		EXPECT_EQ(0, unlink(HOT_DIR "/vsg"));
		EXPECT_EQ(0, call_link(NULL));
		EXPECT_TRUE(sees(self, T, HOT));
	}
}

static void undo_link(void *ctx)
{
	struct run *self = ctx;
	struct vsg_ring *r = &self->dev->ring[VSG_EVT];

	EXPECT_EQ(0, unlink(HOT_DIR "/vsg"));
	EXPECT_FALSE(sees(self, T, HOT));
	/* What came of it finds no buffer, and is missed. */
	ASSERT_EQ(0, vsg_ring_drain(r, WAIT_MS));
	vsg_ioctl(self->dev, VHOST_SCSI_SET_EVENTS_MISSED, &(uint32_t) { 0 });
	ASSERT_EQ(0, vsg_evt_post(self->dev, &hot_event, 16));
}

TEST_F_TIMEOUT(run, hot_lun, 240)
{
	static const struct step step = {
		.name = "link of a LUN", .call = call_link,
		.check = check_link, .undo = undo_link,
	};

	ASSERT_EQ(0, mkdir(HOT_DIR, 0755));
	memset(&hot_event, 0, sizeof(hot_event));
	ASSERT_EQ(0, vsg_evt_post(self->dev, &hot_event, 16));
	walk(&step, self);
	EXPECT_EQ(0, rmdir(HOT_DIR));
}
