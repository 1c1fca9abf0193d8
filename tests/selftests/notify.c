// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proves: what the stock module offers is offered, NOTIFY_ON_EMPTY included, and a driver
 * that negotiated it is told of the empty ring although it wants no interrupts.
 */

#include <poll.h>
#include <unistd.h>

#include "support.h"

#define T 1
/* A legacy feature without a name in today's headers of user space. */
#define ON_EMPTY VSG_F(24)
/* For what must not come: longer than the module collects signals. */
#define QUIET_MS (300 * t_factor())

int suite_setup(void)
{
	return lio_suite("ramdisk ram 16; tpg " WWN_A " 1; lun " WWN_A " 1 0 ram");
}

void suite_teardown(void)
{
	lio_suite_end();
}

/* Those of Linux 6.1, 6.12 and 7.3, but T10 PI: a guest migrates with what it has. */
TEST(offered_as_by_stock)
{
	static const unsigned int bits[] = {
		VIRTIO_SCSI_F_HOTPLUG, 24, VHOST_F_LOG_ALL, VIRTIO_F_ANY_LAYOUT,
		VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX,
		VIRTIO_F_VERSION_1,
	};
	struct vsg_dev *dev;
	unsigned int i;

	ASSERT_EQ(0, vsg_open(&dev, NULL));
	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		WHERE("feature bit %u", bits[i]);
		EXPECT_EQ(VSG_F(bits[i]), dev->offered & VSG_F(bits[i]));
		EXPECT_EQ(0, vsg_set_features(dev, VSG_F(bits[i])));
	}
	vsg_close(dev);
}

static bool called(const struct vsg_ring *r, int timeout_ms)
{
	struct pollfd pfd = { .fd = r->call, .events = POLLIN };
	uint64_t count;

	if (poll(&pfd, 1, timeout_ms) <= 0)
		return false;
	return read(r->call, &count, sizeof(count)) == sizeof(count);
}

/* One request of a driver that wants to hear of none. */
static void silent_driver(bool on_empty, bool event_idx)
{
	struct vsg_opts opts = {
		.features = VSG_FEATURES_LEGACY | (on_empty ? ON_EMPTY : 0) |
			    (event_idx ? VSG_F(VIRTIO_RING_F_EVENT_IDX) : 0),
	};
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_ring *r = vsg_io(dev, 0);
	struct vsg_req *req = request(dev, 0, 0);
	unsigned int i;

	WHERE("NOTIFY_ON_EMPTY %d, EVENT_IDX %d", on_empty, event_idx);
	ready(r, T, 0);
	while (called(r, QUIET_MS / 3))
		;
	for (i = 0; i < 3; i++) {
		r->avail->flags = vsg_v16(r, VRING_AVAIL_F_NO_INTERRUPT);
		r->avail->ring[r->num] = vsg_v16(r, r->used_idx + 0x4000);
		vsg_cmd_tur(req, T, 0);
		ASSERT_EQ(0, vsg_submit(r, req));
		vsg_ring_kick(r);
		EXPECT_EQ(on_empty, called(r, on_empty ? WAIT_MS : QUIET_MS));
		ASSERT_EQ(0, vsg_token_wait(&req->tok, WAIT_MS));
		EXPECT_TRUE(vsg_good(req));
	}
	r->avail->flags = 0;
	guest_end(dev);
}

TEST(told_of_the_empty_ring)
{
	silent_driver(true, false);
	silent_driver(true, true);
}

TEST(not_told_without_the_feature)
{
	silent_driver(false, false);
	silent_driver(false, true);
}
