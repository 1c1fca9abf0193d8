// SPDX-License-Identifier: GPL-2.0-only
/* Proves: the guest gets an event for each LUN that comes or goes, or "events missed". */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support.h"

#define MISSED VIRTIO_SCSI_T_EVENTS_MISSED
#define QUIET_MS 400

int suite_setup(void)
{
	return lio_suite("ramdisk a 16; tpg " WWN_A " 1; lun " WWN_A
			 " 1 0 a; tpg " WWN_A " 0");
}

void suite_teardown(void)
{
	lio_suite_end();
}

FIXTURE(evt)
{
	struct vsg_dev *dev;
	struct vsg_evt evt[8];
};

FIXTURE_SETUP(evt)
{
	/* What a test before this one may have left. */
	ASSERT_EQ(0, lio("droptpg " WWN_A " 1; tpg " WWN_A " 1; lun " WWN_A
			 " 1 0 a"));
	self->dev = guest(WWN_A, NULL);
}

FIXTURE_TEARDOWN(evt)
{
	guest_end(self->dev);
}

static void post(struct evt *self, unsigned int n, uint32_t size)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		ASSERT_EQ(0, vsg_evt_post(self->dev, &self->evt[i], size));
}

static void plug(unsigned int target, unsigned int lun)
{
	ASSERT_EQ(0, lio("lun " WWN_A " %u %u a", target, lun));
}

static void unplug(unsigned int target, unsigned int lun)
{
	ASSERT_EQ(0, lio("unlun " WWN_A " %u %u", target, lun));
}

/* Waits for the buffer and checks what is in it. */
static void check_event(struct vsg_evt *evt, uint32_t event, uint32_t reason,
			unsigned int target, unsigned int lun)
{
	const uint8_t *l = evt->event->lun;

	ASSERT_EQ(0, vsg_token_wait(&evt->tok, WAIT_MS));
	EXPECT_EQ(sizeof(*evt->event), evt->tok.len);
	EXPECT_EQ(event, le32toh(evt->event->event));
	EXPECT_EQ(reason, le32toh(evt->event->reason));
	EXPECT_EQ(1, l[0]);
	EXPECT_EQ(target, l[1]);
	EXPECT_EQ(lun, l[2] << 8 | l[3]);
	EXPECT_EQ(0, l[4] | l[5] | l[6] | l[7]);
}

static void plug_and_unplug(struct evt *self, uint32_t size)
{
	static const unsigned int luns[] = { 3, 300, 16383 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(luns); i++) {
		WHERE("LUN %u, buffers of %u bytes", luns[i], size);
		post(self, 2, size);
		plug(1, luns[i]);
		check_event(&self->evt[0], VIRTIO_SCSI_T_TRANSPORT_RESET,
			    VIRTIO_SCSI_EVT_RESET_RESCAN, 1, luns[i]);
		unplug(1, luns[i]);
		check_event(&self->evt[1], VIRTIO_SCSI_T_TRANSPORT_RESET,
			    VIRTIO_SCSI_EVT_RESET_REMOVED, 1, luns[i]);
		if (size > sizeof(struct virtio_scsi_event))
			EXPECT_EQ(VSG_POISON,
				  ((uint8_t *)self->evt[1].event)[16]);
	}
}

TEST_F(evt, plug_and_unplug)
{
	plug_and_unplug(self, sizeof(struct virtio_scsi_event));
}

TEST_F(evt, larger_buffers)
{
	plug_and_unplug(self, 17);
	plug_and_unplug(self, 4096);
}

TEST_F(evt, on_target_0)
{
	post(self, 2, 16);
	plug(0, 5);
	check_event(&self->evt[0], VIRTIO_SCSI_T_TRANSPORT_RESET,
		    VIRTIO_SCSI_EVT_RESET_RESCAN, 0, 5);
	unplug(0, 5);
	check_event(&self->evt[1], VIRTIO_SCSI_T_TRANSPORT_RESET,
		    VIRTIO_SCSI_EVT_RESET_REMOVED, 0, 5);
}

/* The event is there when the LUN is: a scan at once finds it. */
TEST_F(evt, lun_is_there_with_the_event)
{
	struct vsg_ring *r = vsg_io(self->dev, 0);

	post(self, 2, 16);
	plug(1, 3);
	ASSERT_EQ(0, vsg_token_wait(&self->evt[0].tok, WAIT_MS));
	ready(r, 1, 3);
	unplug(1, 3);
	check_event(&self->evt[1], VIRTIO_SCSI_T_TRANSPORT_RESET,
		    VIRTIO_SCSI_EVT_RESET_REMOVED, 1, 3);
}

/* A buffer that no event fits into is wasted, not written over. */
TEST_F(evt, buffer_too_small)
{
	post(self, 1, 15);
	plug(1, 3);
	usleep(QUIET_MS * 1000);
	vsg_ring_poll(&self->dev->ring[VSG_EVT]);
	if (self->evt[0].tok.done)
		EXPECT_LE(self->evt[0].tok.len, 15);
	unplug(1, 3);
	/* The next buffer tells that something was missed. */
	ASSERT_EQ(0, vsg_evt_post(self->dev, &self->evt[1], 16));
	ASSERT_EQ(0, vsg_token_wait(&self->evt[1].tok, WAIT_MS));
	EXPECT_EQ(MISSED, le32toh(self->evt[1].event->event) & MISSED);
}

/* Linux has a LUN twice whose number is not the same in both. */
TEST_F(evt, as_report_luns_has_it)
{
	static const unsigned int luns[] = { 3, 255, 256, 300, 16383 };
	struct vsg_req *req = request(self->dev, 0, 64);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(luns); i++) {
		WHERE("LUN %u", luns[i]);
		post(self, 2, 16);
		plug(1, luns[i]);
		ASSERT_EQ(0, vsg_token_wait(&self->evt[0].tok, WAIT_MS));
		vsg_cmd_report_luns(req, 1, luns[i], 64);
		EXPECT_EQ(VSG_GOOD, exec(vsg_io(self->dev, 0), req).status);
		/* The last one linked is the first of the list. */
		EXPECT_TRUE(!memcmp(req->data_in + 8, self->evt[0].event->lun + 2, 2) ||
			    !memcmp(req->data_in + 16, self->evt[0].event->lun + 2, 2));
		unplug(1, luns[i]);
		ASSERT_EQ(0, vsg_token_wait(&self->evt[1].tok, WAIT_MS));
	}
}

/* By the numbers that an ACL gives, and no others. */
TEST(acl_has_other_numbers)
{
	static const char nexus[] = "naa.3001405760000001";
	struct vsg_evt evt[2] = {};
	struct vsg_dev *dev;
	unsigned int i;

	ASSERT_EQ(0, lio("acl " WWN_B " 1 %s; tpg " WWN_B " 1 %s; "
			 "lun " WWN_B " 1 0 a; lun " WWN_B " 1 7 a; "
			 "map " WWN_B " 1 %s 3 0; map " WWN_B " 1 %s 0 7",
			 nexus, nexus, nexus, nexus));
	dev = guest(WWN_B, NULL);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, vsg_evt_post(dev, &evt[i], 16));
	/* Its directory stays, for the ACL refers to it. */
	ASSERT_EQ(-EBUSY, lio("unlun " WWN_B " 1 0"));
	check_event(&evt[0], VIRTIO_SCSI_T_TRANSPORT_RESET,
		    VIRTIO_SCSI_EVT_RESET_REMOVED, 1, 3);
	ASSERT_EQ(0, lio("lun " WWN_B " 1 5 a"));
	WHERE("one that is not mapped");
	EXPECT_EQ(-ETIMEDOUT, vsg_token_wait(&evt[1].tok, QUIET_MS));
	guest_end(dev);
	EXPECT_EQ(0, lio("dropwwn " WWN_B));
}

/* No buffers: events wait for them. */
TEST_F(evt, wait_for_buffers)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		plug(1, 3 + i);
		unplug(1, 3 + i);
	}
	usleep(QUIET_MS * 1000);
	for (i = 0; i < 6; i++) {
		WHERE("event %u", i);
		ASSERT_EQ(0, vsg_evt_post(self->dev, &self->evt[i], 16));
		check_event(&self->evt[i], VIRTIO_SCSI_T_TRANSPORT_RESET,
			    i & 1 ? VIRTIO_SCSI_EVT_RESET_REMOVED :
				    VIRTIO_SCSI_EVT_RESET_RESCAN, 1, 3 + i / 2);
	}
}

static void check_missed(struct vsg_evt *evt)
{
	ASSERT_EQ(0, vsg_token_wait(&evt->tok, WAIT_MS));
	EXPECT_EQ(MISSED, le32toh(evt->event->event) & MISSED);
}

/* Which is how QEMU pauses a guest. */
TEST_F(evt, paused)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		WHERE("round %u", i);
		ASSERT_EQ(0, vsg_stop(self->dev));
		if (i == 0)
			plug(1, 3);
		else if (i == 1)
			unplug(1, 3);
		ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
		ASSERT_EQ(0, vsg_evt_post(self->dev, &self->evt[i], 16));
		if (i < 2)
			check_missed(&self->evt[i]);
		else
			EXPECT_EQ(-ETIMEDOUT,
				  vsg_token_wait(&self->evt[i].tok, QUIET_MS));
	}
}

/* As after a migration: the flag that was set comes with the next event. */
TEST_F(evt, missed_flag_is_set)
{
	uint32_t missed = 1;
	unsigned int i, flagged = 0;

	EXPECT_EQ(0, vsg_ioctl(self->dev, VHOST_SCSI_SET_EVENTS_MISSED,
			       &missed));
	post(self, 3, 16);
	plug(1, 3);
	ASSERT_EQ(0, vsg_token_wait(&self->evt[0].tok, WAIT_MS));
	usleep(QUIET_MS * 1000);
	while (vsg_ring_poll(&self->dev->ring[VSG_EVT]))
		;
	for (i = 0; i < 3; i++)
		if (self->evt[i].tok.done &&
		    le32toh(self->evt[i].event->event) & MISSED)
			flagged++;
	EXPECT_EQ(1, flagged);
	unplug(1, 3);
}

/* In the order in which they happened, without loss, while buffers last. */
TEST_F(evt, several_in_order)
{
	unsigned int i;

	post(self, 8, 16);
	for (i = 0; i < 4; i++) {
		plug(1, 3);
		unplug(1, 3);
	}
	for (i = 0; i < 8; i++) {
		WHERE("event %u", i);
		check_event(&self->evt[i], VIRTIO_SCSI_T_TRANSPORT_RESET,
			    i & 1 ? VIRTIO_SCSI_EVT_RESET_REMOVED :
				    VIRTIO_SCSI_EVT_RESET_RESCAN, 1, 3);
	}
}

/* What waited when the device was stopped is missed, by the same guest or the next. */
TEST(missed_at_the_end)
{
	struct vsg_evt evt[2] = {};
	struct vsg_dev *dev;
	unsigned int i;

	ASSERT_EQ(0, vsg_open(&dev, NULL));
	ASSERT_EQ(0, vsg_set_features(dev, dev->features));
	ASSERT_EQ(0, vsg_set_mem_table(dev));
	for (i = 0; i < dev->nr_rings; i++)
		if (i != VSG_EVT)
			ASSERT_EQ(0, vsg_ring_start(&dev->ring[i]));
	ASSERT_EQ(0, vsg_set_endpoint(dev, WWN_A));
	plug(1, 3);
	unplug(1, 3);
	ASSERT_EQ(0, vsg_stop(dev));
	vsg_ring_reset(&dev->ring[VSG_EVT]);

	ASSERT_EQ(0, vsg_start(dev, WWN_A));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, vsg_evt_post(dev, &evt[i], 16));
	check_missed(&evt[0]);
	plug(1, 4);
	check_event(&evt[1], VIRTIO_SCSI_T_TRANSPORT_RESET,
		    VIRTIO_SCSI_EVT_RESET_RESCAN, 1, 4);
	unplug(1, 4);
	guest_end(dev);
}

TEST(without_hotplug_feature)
{
	struct vsg_opts opts = {
		.features = VSG_FEATURES_MODERN &
			    ~VSG_F(VIRTIO_SCSI_F_HOTPLUG),
	};
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_evt evt = {};

	ASSERT_EQ(0, vsg_evt_post(dev, &evt, 16));
	plug(1, 3);
	unplug(1, 3);
	EXPECT_EQ(-ETIMEDOUT, vsg_token_wait(&evt.tok, QUIET_MS));
	guest_end(dev);
}

/* Hundreds of changes that nobody listens to cost nothing and end well. */
TEST_F(evt, nobody_listens)
{
	unsigned int i;

	for (i = 0; i < 70; i++) {
		plug(1, 3);
		unplug(1, 3);
	}
	post(self, 1, 16);
	ASSERT_EQ(0, vsg_token_wait(&self->evt[0].tok, WAIT_MS));
	EXPECT_EQ(MISSED, le32toh(self->evt[0].event->event) & MISSED);
}
