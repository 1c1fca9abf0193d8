// SPDX-License-Identifier: GPL-2.0-only
/*
 * address.h: which LUN fields address a LUN, and which one.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include "vhost/scsi/address.h"
#include "vhost-scsi.h"
#include "unit.h"

struct field {
	u8 lun[8];
	bool ok;
	u8 target;
	u16 nr;
};

static const struct field fields[] = {
	{ { 1, 0 }, true, 0, 0 },
	{ { 1, 255, 0, 255 }, true, 255, 255 },
	/* flat space addressing, small numbers too */
	{ { 1, 3, 0x40, 7 }, true, 3, 7 },
	{ { 1, 3, 0x41, 0 }, true, 3, 256 },
	{ { 1, 3, 0x7f, 0xff }, true, 3, 16383 },
	/* the well known LUN of the device, and of a target */
	{ { 0xc1, 1 }, true, 1, VHOST_SCSI_WLUN_DEVICE },
	{ { 1, 3, 0xc1, 1 }, true, 3, VHOST_SCSI_WLUN },
	{ { 1, 3, 0xc1, 1, 1 }, false, 0, 0 },
	{ { 0xc1, 1, 0, 0, 0, 0, 0, 1 }, false, 0, 0 },
	{ { 0xc1, 2 }, false, 0, 0 },
	/* not 1 */
	{ { 0, 3, 0x40, 7 }, false, 0, 0 },
	{ { 2, 3, 0x40, 7 }, false, 0, 0 },
	/* a bus; logical unit addressing; extended addressing */
	{ { 1, 3, 0x01, 7 }, false, 0, 0 },
	{ { 1, 3, 0x3f, 7 }, false, 0, 0 },
	{ { 1, 3, 0x80, 7 }, false, 0, 0 },
	{ { 1, 3, 0xc1, 7 }, false, 0, 0 },
	/* more than one level */
	{ { 1, 3, 0x40, 7, 1 }, false, 0, 0 },
	{ { 1, 3, 0x40, 7, 0, 1 }, false, 0, 0 },
	{ { 1, 3, 0x40, 7, 0, 0, 1 }, false, 0, 0 },
	{ { 1, 3, 0x40, 7, 0, 0, 0, 1 }, false, 0, 0 },
};

TEST(address, parse)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		u8 target = 0xee;
		u16 nr = 0xeeee;

		EXPECT_EQ(fields[i].ok,
			  vhost_scsi_lun_parse(fields[i].lun, &target, &nr));
		if (!fields[i].ok)
			continue;
		EXPECT_EQ(fields[i].target, target);
		EXPECT_EQ(fields[i].nr, nr);
	}
}

/* An event names what REPORT LUNS lists: 16 bits, whatever they are. */
TEST(address, build)
{
	unsigned int want, target;

	for (want = 0; want <= VHOST_SCSI_MAX_LUN; want++) {
		for (target = 0; target < 256; target += 85) {
			u8 lun[8];

			vhost_scsi_lun_build(lun, target, want);
			EXPECT_EQ(1, lun[0]);
			EXPECT_EQ(target, lun[1]);
			EXPECT_EQ(want, lun[2] << 8 | lun[3]);
			EXPECT_EQ(0, lun[4] | lun[5] | lun[6] | lun[7]);
		}
	}
}
