/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The LUN field of requests and events (virtio 1.2, 5.6.6.1): eight bytes.
 *
 *   1, target, single level LUN (two bytes), 0, 0, 0, 0
 *   C1h, 01h, six zeros: the REPORT LUNS well known logical unit
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_ADDRESS_H
#define _VHOST_SCSI_ADDRESS_H

#include <linux/string.h>
#include <linux/types.h>

#include "vhost-scsi.h"

/**
 * vhost_scsi_lun_parse - read the LUN field of a request (5.6.6.1)
 * @lun: eight bytes: 1, target, single level LUN (SAM-5 4.7.7.2, peripheral
 *	 or flat space addressing, or the REPORT LUNS well known logical unit),
 *	 four times 0; or the well known one of the device
 * @target: gets the target
 * @nr: gets the LUN, or VHOST_SCSI_WLUN, or VHOST_SCSI_WLUN_DEVICE
 *
 * Return: false if the specification does not allow these bytes.
 */
static inline bool vhost_scsi_lun_parse(const u8 *lun, u8 *target, u16 *nr)
{
	static const u8 well_known[8] = { 0xc1, 0x01 };

	*target = lun[1];
	if (unlikely(!memcmp(lun, well_known, sizeof(well_known)))) {
		*nr = VHOST_SCSI_WLUN_DEVICE;
		return true;
	}
	if (lun[0] != 1 || lun[4] || lun[5] || lun[6] || lun[7])
		return false;
	if (unlikely(!memcmp(lun + 2, well_known, 2))) {
		*nr = VHOST_SCSI_WLUN;
		return true;
	}
	if (lun[2] && (lun[2] & 0xc0) != 0x40)
		return false;
	*nr = (lun[2] & 0x3f) << 8 | lun[3];
	return true;
}

/**
 * vhost_scsi_lun_build - write the LUN field of an event
 * @lun: eight bytes
 * @target: the target
 * @nr: the LUN, at most VHOST_SCSI_MAX_LUN
 *
 * As LIO's REPORT LUNS has it, without the bits of flat space addressing: Linux takes
 * both as numbers, and has one LUN twice if they differ.
 */
static inline void vhost_scsi_lun_build(u8 *lun, u8 target, u16 nr)
{
	memset(lun, 0, 8);
	lun[0] = 1;
	lun[1] = target;
	lun[2] = nr >> 8;
	lun[3] = nr;
}

#endif /* _VHOST_SCSI_ADDRESS_H */
