// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proves: the REPORT LUNS well known logical unit answers, REPORT LUNS looks at SELECT
 * REPORT, attrib/target says which target a guest sees, and firmware finds target 0.
 */

#include <errno.h>
#include <string.h>

#include "support.h"

#define INVALID_CDB 0x2400
#define INVALID_OPCODE 0x2000

/* Of the device, of target 1, and one that is there. */
static const uint8_t of_device[8] = { 0xc1, 0x01 };
static const uint8_t of_target[8] = { 1, 1, 0xc1, 0x01 };
static const uint8_t usual[8] = { 1, 1, 0x00, 0x03 };

/* No guest can address LUN 20000 (4e20h): LUN 3616 has the same bytes (SAM-5, 4.7.7.3). */
int suite_setup(void)
{
	return lio_suite("ramdisk a 4; tpg " WWN_A " 1; lun " WWN_A " 1 3 a\n"
			 "lun " WWN_A " 1 300 a; lun " WWN_A " 1 20000 a; tpg " WWN_A " 7\n"
			 "lun " WWN_A " 7 0 a; tpg " WWN_B " 1\n"
			 "lun " WWN_B " 1 0 a; tpg " WWN_B " 2\n");
}

void suite_teardown(void)
{
	lio_suite_end();
}

FIXTURE(wlun)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *req;
};

FIXTURE_SETUP(wlun)
{
	self->dev = guest(WWN_A, NULL);
	self->r = vsg_io(self->dev, 0);
	self->req = request(self->dev, 4096, 4096);
	ready(self->r, 1, 3);
}

FIXTURE_TEARDOWN(wlun)
{
	guest_end(self->dev);
}

static struct vsg_result send(struct wlun *self, const uint8_t *lun,
			      const void *cdb, size_t len, size_t in)
{
	vsg_req_cmd(self->req, 1, 0, cdb, len, 0, in);
	memcpy(self->req->hdr->lun, lun, 8);
	memset(self->req->data_in, 0xee, 4096);
	return exec(self->r, self->req);
}

static struct vsg_result report(struct wlun *self, const uint8_t *lun,
				uint8_t select, unsigned int alloc)
{
	uint8_t cdb[12] = { VSG_REPORT_LUNS, [2] = select };

	vsg_put_be(&cdb[6], alloc, 4);
	return send(self, lun, cdb, sizeof(cdb), alloc);
}

static void check_list(struct wlun *self, const uint8_t *lun, uint8_t select,
		       const uint8_t (*want)[8], unsigned int n)
{
	struct vsg_result res = report(self, lun, select, 1024);
	unsigned int i, k, found;

	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_GOOD, res.status);
	EXPECT_EQ(1024 - 8 - 8 * n, res.resid);
	ASSERT_EQ(8 * n, vsg_get_be(self->req->data_in, 4));
	/* In any order. */
	for (i = 0; i < n; i++) {
		for (k = found = 0; k < n; k++)
			found += !memcmp(want[i], self->req->data_in + 8 + 8 * k, 8);
		WHERE("address %02x, select %u, entry %u", lun[0], select, i);
		EXPECT_EQ(1, found);
	}
	/* The length counts all of them, whatever there is room for. */
	res = report(self, lun, select, 8);
	EXPECT_EQ(VSG_GOOD, res.status);
	EXPECT_EQ(8 * n, vsg_get_be(self->req->data_in, 4));
	EXPECT_EQ(0xee, self->req->data_in[8]);
}

TEST_F(wlun, report_luns)
{
	static const uint8_t target[][8] = { { 0, 3 }, { 1, 44 }, { 0xc1, 1 } };
	static const uint8_t device[][8] = {
		{ 1, 1, 0, 3 }, { 1, 1, 0x41, 44 }, { 1, 7, 0, 0 }, { 0xc1, 1 },
	};
	const uint8_t *luns[] = { usual, of_target, of_device };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(luns); i++) {
		const uint8_t (*want)[8] = i == 2 ? device : target;
		unsigned int n = i == 2 ? 3 : 2;

		check_list(self, luns[i], 0, want, n);
		check_list(self, luns[i], 1, want + n, 1);
		check_list(self, luns[i], 2, want, n + 1);
		EXPECT_EQ(INVALID_CDB, report(self, luns[i], 3, 1024).asc);
		EXPECT_EQ(INVALID_CDB, report(self, luns[i], 0x10, 1024).asc);
	}
}

/* What the list of the device has is what a request may have. */
TEST_F(wlun, listed_addresses)
{
	static const uint8_t inquiry[6] = { VSG_INQUIRY, [4] = 36 };
	uint8_t luns[3 * 8];
	unsigned int i;

	EXPECT_EQ(VSG_GOOD, report(self, of_device, 0, 8 + sizeof(luns)).status);
	memcpy(luns, self->req->data_in + 8, sizeof(luns));
	for (i = 0; i < sizeof(luns); i += 8) {
		WHERE("%02x%02x %02x%02x", luns[i], luns[i + 1], luns[i + 2], luns[i + 3]);
		EXPECT_EQ(VIRTIO_SCSI_S_OK, send(self, luns + i, inquiry, 6, 36).response);
		EXPECT_EQ(0, self->req->data_in[0]);
	}
}

static void other_commands(struct wlun *self, const uint8_t *lun)
{
	uint8_t inquiry[6] = { VSG_INQUIRY, [4] = 96 };
	uint8_t page[6] = { VSG_INQUIRY, 1, 0x83, 0, 96 };
	uint8_t sense[6] = { VSG_REQUEST_SENSE, [4] = 18 };
	uint8_t cdb[16] = { VSG_TEST_UNIT_READY };
	const char *name = (const char *)self->req->data_in + 8;

	WHERE("address %02x", lun[0]);
	EXPECT_EQ(VSG_GOOD, send(self, lun, cdb, 6, 0).status);
	/* NACA. */
	cdb[5] = 4;
	EXPECT_EQ(INVALID_CDB, send(self, lun, cdb, 6, 0).asc);
	cdb[5] = 0;
	EXPECT_EQ(VSG_GOOD, send(self, lun, inquiry, 6, 96).status);
	EXPECT_EQ(0x1e, self->req->data_in[0]);
	EXPECT_EQ(0, memcmp(name, "LIO-ORG ", 8));
	EXPECT_EQ(VSG_GOOD, send(self, lun, page, 6, 96).status);
	EXPECT_EQ(0x1e, self->req->data_in[0]);
	EXPECT_EQ(0x83, self->req->data_in[1]);
	EXPECT_EQ(0, strcmp(name, WWN_A));
	EXPECT_EQ(0, vsg_get_be(self->req->data_in + 2, 2) % 4);
	page[2] = 0;
	EXPECT_EQ(VSG_GOOD, send(self, lun, page, 6, 96).status);
	EXPECT_EQ(2, self->req->data_in[3]);
	page[2] = 0xb0;
	EXPECT_EQ(INVALID_CDB, send(self, lun, page, 6, 96).asc);
	EXPECT_EQ(VSG_GOOD, send(self, lun, sense, 6, 18).status);
	EXPECT_EQ(0, self->req->data_in[2] & 15);
	cdb[0] = VSG_READ_16;
	cdb[13] = 1;
	EXPECT_EQ(INVALID_OPCODE, send(self, lun, cdb, 16, 512).asc);
}

TEST_F(wlun, other_commands)
{
	other_commands(self, of_target);
	other_commands(self, of_device);
}

/* Every function is answered, and none that LIO would log a line for reaches it. */
TEST_F(wlun, functions)
{
	struct vsg_ctl *ctl = vsg_ctl_alloc(self->dev);
	unsigned int i, f;

	ASSERT_TRUE(ctl);
	for (f = 0; f < 8; f++)
		for (i = 0; i < 2; i++) {
			WHERE("function %u, %s", f, i ? "device" : "target");
			ASSERT_EQ(0, vsg_tmf_submit_to(ctl, f, i ? of_device : of_target,
						       0));
			ASSERT_EQ(0, vsg_token_wait(&ctl->tok, WAIT_MS));
			EXPECT_EQ(f == VIRTIO_SCSI_T_TMF_CLEAR_ACA ?
				  VIRTIO_SCSI_S_FUNCTION_REJECTED :
				  VIRTIO_SCSI_S_FUNCTION_COMPLETE, ctl->resp[0]);
		}
}

static bool sees(struct vsg_dev *dev, uint8_t target, uint16_t lun)
{
	struct vsg_req *req = request(dev, 0, 36);

	vsg_cmd_inquiry(req, target, lun, 36);
	exec(vsg_io(dev, 0), req);
	return vsg_good(req) && !req->data_in[0];
}

/* As firmware does, with no control and no event queue. */
static struct vsg_dev *firmware(const char *wwn)
{
	struct vsg_dev *dev;

	ASSERT_EQ(0, vsg_open(&dev, NULL));
	ASSERT_EQ(0, vsg_set_features(dev, dev->features));
	ASSERT_EQ(0, vsg_set_mem_table(dev));
	ASSERT_EQ(0, vsg_ring_start(vsg_io(dev, 0)));
	ASSERT_EQ(0, vsg_set_endpoint(dev, wwn));
	return dev;
}

/*
 * Firmware that looks at target 0 only finds what targetcli makes, which is tpgt_1. An
 * operating system does not, nor does firmware where there is another target 0, or
 * attrib/target was set.
 */
TEST(firmware_finds_target_0)
{
	struct vsg_dev *dev = firmware(WWN_B);
	uint8_t cdb[12] = { VSG_REPORT_LUNS, [9] = 16 }, first[8] = { 1, 1 };
	struct vsg_req *req = request(dev, 0, 16);

	ready(vsg_io(dev, 0), 0, 0);
	EXPECT_TRUE(sees(dev, 0, 0));
	EXPECT_TRUE(sees(dev, 1, 0));
	EXPECT_FALSE(sees(dev, 0, 1));
	WHERE("a list of all LUNs has each once");
	vsg_req_cmd(req, 0, 0, cdb, sizeof(cdb), 0, 16);
	memcpy(req->hdr->lun, of_device, 8);
	exec_good(vsg_io(dev, 0), req);
	EXPECT_EQ(8, vsg_get_be(req->data_in, 4));
	EXPECT_EQ(0, memcmp(req->data_in + 8, first, 8));

	WHERE("the same device, when the guest has come up");
	ASSERT_EQ(0, vsg_stop(dev));
	ASSERT_EQ(0, vsg_start(dev, WWN_B));
	EXPECT_FALSE(sees(dev, 0, 0));
	EXPECT_TRUE(sees(dev, 1, 0));
	WHERE("and when it boots again");
	ASSERT_EQ(0, vsg_stop(dev));
	ASSERT_EQ(0, vsg_ring_start(vsg_io(dev, 0)));
	ASSERT_EQ(0, vsg_set_endpoint(dev, WWN_B));
	EXPECT_TRUE(sees(dev, 0, 0));
	guest_end(dev);

	WHERE("attrib/target was set");
	ASSERT_EQ(0, lio_write("1", "vhost/" WWN_B "/tpgt_1/attrib/target"));
	dev = firmware(WWN_B);
	EXPECT_FALSE(sees(dev, 0, 0));
	EXPECT_TRUE(sees(dev, 1, 0));
	guest_end(dev);
	ASSERT_EQ(0, lio_write("-1", "vhost/" WWN_B "/tpgt_1/attrib/target"));

	WHERE("there is a tpgt_0");
	ASSERT_EQ(0, lio("tpg " WWN_B " 0"));
	dev = firmware(WWN_B);
	EXPECT_FALSE(sees(dev, 0, 0));
	EXPECT_TRUE(sees(dev, 1, 0));
	guest_end(dev);
	WHERE("it has no nexus");
	ASSERT_EQ(0, lio_write("NULL", "vhost/" WWN_B "/tpgt_0/nexus"));
	dev = firmware(WWN_B);
	EXPECT_FALSE(sees(dev, 0, 0));
	EXPECT_TRUE(sees(dev, 1, 0));
	guest_end(dev);
	ASSERT_EQ(0, lio("droptpg " WWN_B " 0"));
}

TEST(target_number)
{
	struct vsg_dev *dev;
	struct vsg_evt evt = {};

	EXPECT_EQ(-EINVAL, lio_write("256", "vhost/" WWN_B "/tpgt_1/attrib/target"));
	EXPECT_EQ(-EINVAL, lio_write("-2", "vhost/" WWN_B "/tpgt_1/attrib/target"));
	ASSERT_EQ(0, lio_write("0", "vhost/" WWN_B "/tpgt_1/attrib/target"));
	dev = guest(WWN_B, NULL);
	EXPECT_TRUE(sees(dev, 0, 0));
	EXPECT_FALSE(sees(dev, 1, 0));
	WHERE("a change is for the next who binds");
	EXPECT_EQ(0, lio_write("9", "vhost/" WWN_B "/tpgt_1/attrib/target"));
	EXPECT_TRUE(sees(dev, 0, 0));
	WHERE("events have the guest's number");
	ASSERT_EQ(0, vsg_evt_post(dev, &evt, 16));
	ASSERT_EQ(0, lio("lun " WWN_B " 1 5 a"));
	ASSERT_EQ(0, vsg_token_wait(&evt.tok, WAIT_MS));
	EXPECT_EQ(0, evt.event->lun[1]);
	EXPECT_EQ(5, evt.event->lun[3]);
	guest_end(dev);

	WHERE("two of one number");
	ASSERT_EQ(0, lio_write("2", "vhost/" WWN_B "/tpgt_1/attrib/target"));
	ASSERT_EQ(0, vsg_open(&dev, NULL));
	EXPECT_EQ(-EINVAL, vsg_start(dev, WWN_B));
	vsg_close(dev);
	ASSERT_EQ(0, lio_write("-1", "vhost/" WWN_B "/tpgt_1/attrib/target"));
	dev = guest(WWN_B, NULL);
	EXPECT_TRUE(sees(dev, 1, 0));
	guest_end(dev);
}
