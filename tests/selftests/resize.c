// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proves: of a backstore that grows or shrinks the guest hears within a second, by a unit
 * attention, and by an event if it wants that.
 */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

#define T 1
#define NEXUS LIO_WWN "0abc"

enum {
	LUN_BLOCK,	/* iblock on a mapped disk */
	LUN_FILE,	/* the same by fileio */
	LUN_RAM,	/* cannot change */
	SMALL = 16,	/* MiB */
	LARGE = 32,
	QUIET_MS = 1500,
};

static const char * const disks[] = { "bdisk", "fdisk" };

/* The disks begin small; "heal" gives a mapped disk any size up to that of its disk. */
int suite_setup(void)
{
	return lio_suite("ramdisk ram 16; hangable bdisk 32; sleepy fdisk 32\n"
			 "heal bdisk 16; heal fdisk 16\n"
			 "tpg " WWN_A " 1; lun " WWN_A " 1 0 bdisk\n"
			 "lun " WWN_A " 1 1 fdisk; lun " WWN_A " 1 2 ram\n");
}

void suite_teardown(void)
{
	lio_suite_end();
}

static void resize(unsigned int lun, unsigned int mib)
{
	ASSERT_EQ(0, lio("heal %s %u", disks[lun], mib));
}

FIXTURE(resize)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *req;
	struct vsg_evt evt;
};

static void begin(struct resize *self, uint64_t features)
{
	struct vsg_opts opts = { .features = VSG_FEATURES_MODERN | features };
	unsigned int lun;

	self->dev = guest(WWN_A, &opts);
	self->r = vsg_io(self->dev, 0);
	self->req = request(self->dev, 4096, 4096);
	/* The first look is made now; what one before left has been told by then. */
	usleep(200000 * t_factor());
	for (lun = LUN_BLOCK; lun <= LUN_RAM; lun++)
		ready(self->r, T, lun);
}

FIXTURE_SETUP(resize)
{
	resize(LUN_BLOCK, SMALL);
	resize(LUN_FILE, SMALL);
	begin(self, VSG_F(VIRTIO_SCSI_F_CHANGE));
	/* Events of what was resized just now. */
	do
		ASSERT_EQ(0, vsg_evt_post(self->dev, &self->evt, 16));
	while (!vsg_token_wait(&self->evt.tok, 300));
}

FIXTURE_TEARDOWN(resize)
{
	guest_end(self->dev);
}

static int turn(struct resize *self, uint16_t lun)
{
	struct vsg_result res;

	vsg_cmd_tur(self->req, T, lun);
	res = exec(self->r, self->req);
	if (res.status == VSG_GOOD)
		return -1;
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(6, res.key);
	return res.asc;
}

static unsigned int capacity(struct resize *self, uint16_t lun)
{
	vsg_cmd_read_capacity16(self->req, T, lun);
	exec(self->r, self->req);
	EXPECT_TRUE(vsg_good(self->req));
	return (vsg_get_be(self->req->data_in, 8) + 1) * BLOCK >> 20;
}

/* Waits for the unit attention, without an event to tell when. Return: milliseconds. */
static int64_t wait_for_attention(struct resize *self, uint16_t lun)
{
	int64_t began = vsg_now_ms();
	int asc;

	while ((asc = turn(self, lun)) < 0 && vsg_now_ms() - began < WAIT_MS)
		usleep(10000);
	EXPECT_EQ(0x2a09, asc);
	return vsg_now_ms() - began;
}

static void check_event(struct resize *self, uint16_t lun)
{
	const struct virtio_scsi_event *e = self->evt.event;

	ASSERT_EQ(0, vsg_token_wait(&self->evt.tok, WAIT_MS));
	EXPECT_EQ(sizeof(*e), self->evt.tok.len);
	EXPECT_EQ(VIRTIO_SCSI_T_PARAM_CHANGE, le32toh(e->event));
	EXPECT_EQ(0x092a, le32toh(e->reason));
	EXPECT_EQ(1, e->lun[0]);
	EXPECT_EQ(T, e->lun[1]);
	EXPECT_EQ(lun, e->lun[2] << 8 | e->lun[3]);
	ASSERT_EQ(0, vsg_evt_post(self->dev, &self->evt, 16));
}

static void change(struct resize *self, uint16_t lun, unsigned int mib)
{
	WHERE("%s becomes %u MiB", disks[lun], mib);
	resize(lun, mib);
	EXPECT_LE(wait_for_attention(self, lun), 1000 * t_factor());
	/* Once, and not on another LUN. */
	EXPECT_EQ(-1, turn(self, lun));
	EXPECT_EQ(-1, turn(self, !lun));
	EXPECT_EQ(-1, turn(self, LUN_RAM));
	EXPECT_EQ(mib, capacity(self, lun));
	check_event(self, lun);
	/* The last block is there, and no block behind it. */
	vsg_cmd_rw(self->req, T, lun, true, (mib << 11) - 1, 1, BLOCK);
	exec_good(self->r, self->req);
	vsg_cmd_rw(self->req, T, lun, false, mib << 11, 1, BLOCK);
	EXPECT_EQ(0x2100, exec(self->r, self->req).asc);
}

/* What the sense data of the last answer begins with. */
static int sense_format(struct resize *self)
{
	return self->req->resp->sense[0] & 0x7f;
}

/* @lun: of 3 TiB, or not. All sense data has the format that MODE SENSE tells. */
static void check_format(struct resize *self, uint16_t lun, bool large)
{
	static const uint8_t mode[6] = { 0x1a, 8, 0x0a, 0, 64 };
	/* Longer than a request has room for. */
	static const uint8_t cdb[32] = { 0x7f, [7] = 40, [9] = 0x0d };
	int format = large ? 0x72 : 0x70;

	WHERE("LUN %u", lun);
	vsg_req_cmd(self->req, T, lun, mode, 6, 0, 64);
	EXPECT_EQ(VSG_GOOD, exec(self->r, self->req).status);
	EXPECT_EQ(large ? 4 : 0, self->req->data_in[4 + 2] & 4);
	WHERE("LUN %u, LIO's own", lun);
	vsg_cmd_mode_sense10(self->req, T, lun, 0x02, 64);
	EXPECT_EQ(VSG_CHECK_CONDITION, exec(self->r, self->req).status);
	EXPECT_EQ(format, sense_format(self));
	WHERE("LUN %u, a CDB that is too long", lun);
	vsg_req_cmd(self->req, T, lun, cdb, 32, 0, 0);
	EXPECT_EQ(0x2400, exec(self->r, self->req).asc);
	EXPECT_EQ(format, sense_format(self));
}

TEST_F_TIMEOUT(resize, format_of_sense_data, 60)
{
	enum { LUN_HUGE = 3, TIB = 1 << 20 };

	ASSERT_EQ(0, lio("hangable huge %u; lun " WWN_A " 1 3 huge", 4 * TIB));
	ready(self->r, T, LUN_HUGE);
	ready(self->r, T, LUN_BLOCK);
	check_format(self, LUN_HUGE, true);
	check_format(self, LUN_BLOCK, false);

	WHERE("the size has changed");
	ASSERT_EQ(0, lio("heal huge %u", 3 * TIB));
	wait_for_attention(self, LUN_HUGE);
	EXPECT_EQ(0x72, sense_format(self));
	ASSERT_EQ(0, lio("heal huge %u", SMALL));
	wait_for_attention(self, LUN_HUGE);
	EXPECT_EQ(0x70, sense_format(self));
	ASSERT_EQ(0, lio("heal huge %u", 3 * TIB));
	wait_for_attention(self, LUN_HUGE);

	WHERE("read-only");
	ASSERT_EQ(0, lio("unlun " WWN_A " 1 3; again huge readonly; lun " WWN_A " 1 3 huge"));
	ready(self->r, T, LUN_HUGE);
	vsg_cmd_rw(self->req, T, LUN_HUGE, true, 0, 1, BLOCK);
	EXPECT_EQ(0x2700, exec(self->r, self->req).asc);
	EXPECT_EQ(0x72, sense_format(self));
	ASSERT_EQ(0, lio("unlun " WWN_A " 1 3"));
}

TEST_F(resize, grows_and_shrinks)
{
	unsigned int lun;

	for (lun = LUN_BLOCK; lun <= LUN_FILE; lun++) {
		change(self, lun, LARGE);
		change(self, lun, SMALL);
		change(self, lun, SMALL + 1);
	}
}

/* SAM-5, 5.14: which commands report it, and what comes first. */
TEST_F(resize, attention)
{
	struct vsg_result res;
	uint8_t sense[6] = { VSG_REQUEST_SENSE, [4] = 18 };

	WHERE("INQUIRY and REPORT LUNS leave it");
	resize(LUN_BLOCK, LARGE);
	check_event(self, LUN_BLOCK);
	vsg_cmd_inquiry(self->req, T, LUN_BLOCK, 36);
	exec_good(self->r, self->req);
	vsg_cmd_report_luns(self->req, T, LUN_BLOCK, 512);
	exec(self->r, self->req);
	EXPECT_TRUE(vsg_good(self->req));
	EXPECT_EQ(0x2a09, turn(self, LUN_BLOCK));

	WHERE("REQUEST SENSE reports it as data");
	resize(LUN_BLOCK, SMALL);
	check_event(self, LUN_BLOCK);
	vsg_req_cmd(self->req, T, LUN_BLOCK, sense, sizeof(sense), 0, 18);
	res = exec(self->r, self->req);
	EXPECT_EQ(VSG_GOOD, res.status);
	EXPECT_EQ(6, self->req->data_in[2] & 15);
	EXPECT_EQ(0x2a09, vsg_get_be(self->req->data_in + 12, 2));
	EXPECT_EQ(-1, turn(self, LUN_BLOCK));

	WHERE("a reset comes first");
	resize(LUN_BLOCK, LARGE);
	check_event(self, LUN_BLOCK);
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE,
		  vsg_tmf(self->dev, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, T,
			  LUN_BLOCK, 0, WAIT_MS));
	EXPECT_EQ(0x2903, turn(self, LUN_BLOCK));
	EXPECT_EQ(0x2a09, turn(self, LUN_BLOCK));
	EXPECT_EQ(-1, turn(self, LUN_BLOCK));
}

/* Its buffer is one that a bounce buffer was made ready for; the next commands have others. */
TEST_F_TIMEOUT(resize, attention_in_a_large_buffer, 60)
{
	enum { LEN = 128 << 10, BLOCKS = 8 };
	static const uint8_t sense[6] = { VSG_REQUEST_SENSE, [4] = 18 };
	struct vsg_req *req = vsg_req_alloc(self->dev, BLOCKS * BLOCK, LEN, 3);
	unsigned int i, nr = 2 * self->r->num;

	ASSERT_TRUE(req);
	resize(LUN_BLOCK, LARGE);
	check_event(self, LUN_BLOCK);
	vsg_req_cmd(req, T, LUN_BLOCK, sense, sizeof(sense), 0, LEN);
	EXPECT_EQ(VSG_GOOD, exec(self->r, req).status);
	EXPECT_EQ(0x2a09, vsg_get_be(req->data_in + 12, 2));

	for (i = 0; i < nr; i++)
		write_pattern(self->r, req, T, LUN_BLOCK, i * BLOCKS, BLOCKS, 1);
	for (i = 0; i < nr; i++) {
		WHERE("write %u", i);
		check_pattern(self->r, self->req, T, LUN_BLOCK, i * BLOCKS, BLOCKS, 1);
	}
	vsg_req_free(req);
}

/* The first answer other than GOOD. */
static int turn_when_gone(struct resize *self, uint16_t lun)
{
	int64_t end = vsg_now_ms() + WAIT_MS;
	struct vsg_result res;

	do {
		usleep(10000);
		vsg_cmd_tur(self->req, T, lun);
		res = exec(self->r, self->req);
	} while (res.status == VSG_GOOD && vsg_now_ms() < end);
	EXPECT_EQ(2, res.key);
	return res.asc;
}

/* A disk that is pulled has no capacity of 2^64 blocks, and no address that is too high. */
TEST_F(resize, goes)
{
	enum { LUN_GONE = 3 };
	static const uint8_t capacity10[10] = { 0x25 };
	static const uint8_t inquiry[6] = { VSG_INQUIRY, [4] = 36 };
	struct vsg_result res;
	unsigned int i;

	ASSERT_EQ(0, lio("block gone 8; lun " WWN_A " 1 3 gone"));
	ready(self->r, T, LUN_GONE);
	ready(self->r, T, LUN_BLOCK);
	vsg_cmd_rw(self->req, T, LUN_GONE, true, 8, 1, BLOCK);
	exec_good(self->r, self->req);
	ASSERT_EQ(0, lio("pull gone"));

	EXPECT_EQ(0x0403, turn_when_gone(self, LUN_GONE));
	for (i = 0; i < 4; i++) {
		WHERE("%s of LBA %u", i & 1 ? "WRITE" : "READ", i & 2 ? 8 : 0);
		vsg_cmd_rw(self->req, T, LUN_GONE, i & 1, i & 2 ? 8 : 0, 1, BLOCK);
		res = exec(self->r, self->req);
		EXPECT_EQ(2, res.key);
		EXPECT_EQ(0x0800, res.asc);
	}
	WHERE("READ CAPACITY");
	vsg_cmd_read_capacity16(self->req, T, LUN_GONE);
	EXPECT_EQ(0x0403, exec(self->r, self->req).asc);
	vsg_req_cmd(self->req, T, LUN_GONE, capacity10, 10, 0, 8);
	EXPECT_EQ(0x0403, exec(self->r, self->req).asc);
	WHERE("what is not about the medium");
	vsg_req_cmd(self->req, T, LUN_GONE, inquiry, 6, 0, 36);
	exec_good(self->r, self->req);
	EXPECT_EQ(-1, turn(self, LUN_BLOCK));
	ASSERT_EQ(0, lio("unlun " WWN_A " 1 3"));
}

/* A write while the size changes is never refused for another reason. */
TEST_F(resize, under_load)
{
	unsigned int i, attentions = 0;

	for (i = 0; i < 400; i++) {
		struct vsg_result res;

		if (i % 100 == 50)
			resize(LUN_BLOCK, i % 200 == 50 ? LARGE : SMALL);
		vsg_cmd_rw(self->req, T, LUN_BLOCK, i & 1, i, 1, BLOCK);
		res = exec(self->r, self->req);
		if (res.status == VSG_GOOD)
			continue;
		EXPECT_EQ(0x2a09, res.asc);
		attentions++;
		usleep(5000);
	}
	EXPECT_LE(attentions, 4);
}

/* A guest that did not negotiate CHANGE gets the unit attention alone. */
TEST(without_the_feature)
{
	struct resize self = {};

	resize(LUN_BLOCK, SMALL);
	begin(&self, 0);
	ASSERT_EQ(0, vsg_evt_post(self.dev, &self.evt, 16));
	resize(LUN_BLOCK, LARGE);
	wait_for_attention(&self, LUN_BLOCK);
	EXPECT_EQ(-ETIMEDOUT, vsg_token_wait(&self.evt.tok, QUIET_MS));
	guest_end(self.dev);
}

/* What changed while nobody was there the next guest is told, like one that paused. */
TEST(while_not_bound)
{
	struct resize self = {};

	resize(LUN_FILE, SMALL);
	begin(&self, 0);
	ASSERT_EQ(0, vsg_stop(self.dev));
	resize(LUN_FILE, LARGE);
	ASSERT_EQ(0, vsg_start(self.dev, WWN_A));
	wait_for_attention(&self, LUN_FILE);
	EXPECT_EQ(LARGE, capacity(&self, LUN_FILE));
	guest_end(self.dev);
}

/* The event and the unit attention are of the guest's number of the LUN. */
TEST(mapped_by_acl)
{
	struct vsg_opts opts = {
		.features = VSG_FEATURES_MODERN | VSG_F(VIRTIO_SCSI_F_CHANGE),
	};
	struct resize self = {};

	resize(LUN_BLOCK, SMALL);
	ASSERT_EQ(0, lio("acl " WWN_B " 1 " NEXUS "\n"
			 "tpg " WWN_B " 1 " NEXUS "\n"
			 "lun " WWN_B " 1 0 bdisk; lun " WWN_B " 1 1 ram\n"
			 "map " WWN_B " 1 " NEXUS " 0 1\n"
			 "map " WWN_B " 1 " NEXUS " 7 0\n"));
	self.dev = guest(WWN_B, &opts);
	self.r = vsg_io(self.dev, 0);
	self.req = request(self.dev, 4096, 4096);
	usleep(200000 * t_factor());
	ready(self.r, T, 0);
	ready(self.r, T, 7);
	ASSERT_EQ(0, vsg_evt_post(self.dev, &self.evt, 16));
	resize(LUN_BLOCK, LARGE);
	check_event(&self, 7);
	EXPECT_EQ(-1, turn(&self, 0));
	EXPECT_EQ(0x2a09, turn(&self, 7));
	EXPECT_EQ(LARGE, capacity(&self, 7));
	guest_end(self.dev);
	EXPECT_EQ(0, lio("dropwwn " WWN_B));
}
