// SPDX-License-Identifier: GPL-2.0-only
/* Proves: what a guest is told of a LUN that is not there, whatever its number is. */

#include <stdio.h>

#include "support.h"

#define T 1
#define LUN_NOT_THERE 0x2500

static const uint16_t numbers[] = { 0, 1, 7, 255, 256, 16383 };

int suite_setup(void)
{
	return lio_suite("ramdisk a 4; ramdisk b 4\n"
			 "tpg " WWN_A " 1\n"
			 "lun " WWN_A " 1 3 a; lun " WWN_A " 1 300 b\n"
			 "tpg " WWN_B " 1\n");
}

void suite_teardown(void)
{
	lio_suite_end();
}

FIXTURE(absent)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *req;
};

FIXTURE_SETUP(absent)
{
	self->dev = guest(WWN_A, NULL);
	self->r = vsg_io(self->dev, 0);
	self->req = request(self->dev, 4096, 4096);
	ready(self->r, T, 3);
}

FIXTURE_TEARDOWN(absent)
{
	guest_end(self->dev);
}

/* GOOD, with so many bytes that were written and no more. */
static void good(struct absent *self, uint32_t len, uint32_t buffer)
{
	struct vsg_result res;

	memset(self->req->data_in, 0xee, 4096);
	res = exec(self->r, self->req);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_GOOD, res.status);
	EXPECT_EQ(buffer - len, res.resid);
	EXPECT_EQ(0xee, self->req->data_in[len]);
}

TEST_F(absent, inquiry)
{
	uint8_t *in = self->req->data_in;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		WHERE("LUN %u", numbers[i]);
		vsg_cmd_inquiry(self->req, T, numbers[i], 96);
		good(self, 36, 96);
		EXPECT_EQ(0x7f, in[0]);
		EXPECT_EQ(2, in[3] & 0xf);
		EXPECT_EQ(31, in[4]);
		WHERE("LUN %u, 5 bytes", numbers[i]);
		vsg_cmd_inquiry(self->req, T, numbers[i], 5);
		good(self, 5, 5);
		WHERE("LUN %u, no bytes", numbers[i]);
		vsg_cmd_inquiry(self->req, T, numbers[i], 0);
		good(self, 0, 0);
		WHERE("LUN %u, pages", numbers[i]);
		vsg_cmd_vpd(self->req, T, numbers[i], 0, 64);
		good(self, 5, 64);
		EXPECT_EQ(0x7f, in[0]);
		EXPECT_EQ(1, in[3]);
		WHERE("LUN %u, another page", numbers[i]);
		vsg_cmd_vpd(self->req, T, numbers[i], 0x83, 64);
		EXPECT_EQ(0x2400, exec(self->r, self->req).asc);
	}
	WHERE("one that is there");
	vsg_cmd_inquiry(self->req, T, 3, 36);
	exec_good(self->r, self->req);
	EXPECT_EQ(0, in[0]);
}

TEST_F(absent, request_sense)
{
	uint8_t cdb[6] = { VSG_REQUEST_SENSE, 0, 0, 0, 252 };
	uint8_t *in = self->req->data_in;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		WHERE("LUN %u", numbers[i]);
		cdb[1] = 0;
		vsg_req_cmd(self->req, T, numbers[i], cdb, 6, 0, 252);
		good(self, 18, 252);
		EXPECT_EQ(0x70, in[0]);
		EXPECT_EQ(5, in[2]);
		EXPECT_EQ(0x25, in[12]);
		WHERE("LUN %u, descriptors", numbers[i]);
		cdb[1] = 1;
		vsg_req_cmd(self->req, T, numbers[i], cdb, 6, 0, 252);
		good(self, 8, 252);
		EXPECT_EQ(0x72, in[0]);
		EXPECT_EQ(5, in[1]);
		EXPECT_EQ(0x25, in[2]);
	}
}

/* The same list as of a LUN that is there. */
TEST_F(absent, report_luns)
{
	uint8_t want[24], *in = self->req->data_in;
	unsigned int i;

	vsg_cmd_report_luns(self->req, T, 3, 1024);
	good(self, 24, 1024);
	memcpy(want, in, sizeof(want));
	EXPECT_EQ(16, vsg_get_be(want, 4));
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		WHERE("LUN %u", numbers[i]);
		vsg_cmd_report_luns(self->req, T, numbers[i], 1024);
		good(self, 24, 1024);
		EXPECT_EQ(0, memcmp(want, in, sizeof(want)));
		WHERE("LUN %u, 16 bytes", numbers[i]);
		vsg_cmd_report_luns(self->req, T, numbers[i], 16);
		good(self, 16, 16);
		EXPECT_EQ(0, memcmp(want, in, 16));
	}
}

TEST_F(absent, others)
{
	struct vsg_result res;
	unsigned int op, i;

	for (op = 0; op < 256; op++) {
		uint8_t cdb[32] = { op };

		if (op == VSG_INQUIRY || op == VSG_REQUEST_SENSE ||
		    op == VSG_REPORT_LUNS)
			continue;
		for (i = 0; i < ARRAY_SIZE(numbers); i++) {
			WHERE("LUN %u, %02xh", numbers[i], op);
			vsg_req_cmd(self->req, T, numbers[i], cdb, 32, 0, 512);
			res = exec(self->r, self->req);
			EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
			EXPECT_EQ(5, res.key);
			EXPECT_EQ(LUN_NOT_THERE, res.asc);
			EXPECT_EQ(512, res.resid);
		}
	}
}

/* SAM-5 5.2: NACA, and there is no ACA. */
TEST_F(absent, naca)
{
	static const uint8_t cdbs[][12] = {
		{ VSG_INQUIRY, [4] = 36, [5] = 4 },
		{ VSG_REQUEST_SENSE, [4] = 18, [5] = 4 },
		{ VSG_REPORT_LUNS, [9] = 16, [11] = 4 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cdbs); i++) {
		WHERE("%02xh", cdbs[i][0]);
		vsg_req_cmd(self->req, T, numbers[0], cdbs[i], 12, 0, 64);
		EXPECT_EQ(0x2400, exec(self->r, self->req).asc);
	}
}

/* There has to be one to ask. */
TEST(no_lun_at_all)
{
	struct vsg_dev *dev = guest(WWN_B, NULL);
	struct vsg_req *req = request(dev, 0, 4096);

	vsg_cmd_report_luns(req, T, 0, 64);
	EXPECT_EQ(VSG_GOOD, exec(vsg_io(dev, 0), req).status);
	EXPECT_EQ(8, vsg_get_be(req->data_in, 4));
	EXPECT_EQ(0, vsg_get_be(req->data_in + 8, 8));
	vsg_cmd_inquiry(req, T, 0, 36);
	exec_good(vsg_io(dev, 0), req);
	EXPECT_EQ(0x7f, req->data_in[0]);
	guest_end(dev);
}

/* A number gets a disk, and loses it again. */
TEST_F(absent, comes_and_goes)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		WHERE("round %u", i);
		vsg_cmd_inquiry(self->req, T, 0, 36);
		exec_good(self->r, self->req);
		EXPECT_EQ(0x7f, self->req->data_in[0]);
		ASSERT_EQ(0, lio("lun " WWN_A " 1 0 b"));
		vsg_cmd_inquiry(self->req, T, 0, 36);
		exec_good(self->r, self->req);
		EXPECT_EQ(0, self->req->data_in[0]);
		ASSERT_EQ(0, lio("unlun " WWN_A " 1 0"));
	}
}
