// SPDX-License-Identifier: GPL-2.0-only
/*
 * REPORT SUPPORTED OPERATION CODES (SPC-5 6.34): what LIO answers, without the commands
 * that it has and does not get here, see vhost_scsi_lacks_code().
 *
 * LIO answers into a bounce buffer that has room for all that it may say, however little of
 * it the guest wants.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/unaligned.h>
#include <scsi/scsi_proto.h>

#include "target.h"

enum {
	/* REPORTING OPTIONS; 0: all commands. */
	OPTIONS = 0x07,

	/* All commands: the length, and a descriptor for each. */
	HEADER_LEN = 4,
	DESC_LEN = 8,
	TIMEOUTS_LEN = 12,
	DESC_TIMEOUTS = 0x02,	/* CTDP */

	/* One command: SUPPORT in byte 1, then the length of the CDB and what is used of it. */
	SUPPORT = 0x07,
	SUPPORT_NONE = 0x01,
	SUPPORT_STANDARD = 0x03,
	ONE_NONE_LEN = 2,
	ONE_TIMEOUTS = 0x80,	/* CTDP */

	VERIFY_BYTCHK = 0x06,
};

/* LIO 7.3 has 54 commands, which make 1084 bytes. */
#define ROOM	SZ_4K

/* What may be lacking; its number is a bit of vhost_scsi_tcmd.lacks. */
static const struct {
	u8 code;
	u16 action;
} some[] = {
	{ COMPARE_AND_WRITE },
	{ UNMAP },
	{ WRITE_ATOMIC_16 },
	{ WRITE_SAME },
	{ WRITE_SAME_16 },
	{ VARIABLE_LENGTH_CMD, WRITE_SAME_32 },
};

/**
 * vhost_scsi_codes_begin - is it a REPORT SUPPORTED OPERATION CODES
 * @t: a MAINTENANCE IN for a LUN that is not passed through
 *
 * What is lacking is noted now, because the device may be gone when LIO has answered.
 */
void vhost_scsi_codes_begin(struct vhost_scsi_tcmd *t)
{
	const struct se_device *dev = t->se_cmd.se_dev;
	unsigned int i;

	if ((t->se_cmd.t_task_cdb[1] & 0x1f) != MI_REPORT_SUPPORTED_OPERATION_CODES)
		return;
	t->codes = true;
	t->lacks = 0;
	for (i = 0; i < ARRAY_SIZE(some); i++)
		if (vhost_scsi_lacks_code(dev, some[i].code, some[i].action))
			t->lacks |= BIT(i);
}

static bool lacks(const struct vhost_scsi_tcmd *t, u8 code, u16 action)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(some); i++)
		if (code == some[i].code && action == some[i].action)
			return t->lacks & BIT(i);
	return false;
}

/**
 * vhost_scsi_codes_room - have LIO answer all that it may say
 * @t: with t->codes set, and about to get its bounce buffer
 */
void vhost_scsi_codes_room(struct vhost_scsi_tcmd *t)
{
	t->se_cmd.data_length = max_t(u32, t->se_cmd.data_length, ROOM);
}

/* Returns the length of what is left of the list. */
static u32 amend_all(const struct vhost_scsi_tcmd *t, u8 *list, u32 size)
{
	u32 end, at, len, to = HEADER_LEN;

	end = min_t(u32, size, HEADER_LEN + get_unaligned_be32(list));
	for (at = HEADER_LEN; at + DESC_LEN <= end; at += len) {
		len = DESC_LEN + (list[at + 5] & DESC_TIMEOUTS ? TIMEOUTS_LEN : 0);
		if (at + len > end)
			break;
		if (lacks(t, list[at], get_unaligned_be16(&list[at + 2])))
			continue;
		memmove(&list[to], &list[at], len);
		to += len;
	}
	put_unaligned_be32(to - HEADER_LEN, list);
	return to;
}

static u32 amend_one(const struct vhost_scsi_tcmd *t, u8 *one, const u8 *cdb)
{
	u32 len = HEADER_LEN;

	if ((one[1] & SUPPORT) != SUPPORT_STANDARD)
		return ONE_NONE_LEN;
	if (lacks(t, cdb[3], get_unaligned_be16(&cdb[4]))) {
		one[1] = SUPPORT_NONE;
		return ONE_NONE_LEN;
	}
	/* LIO does not look at it; verify.c does. */
	if (cdb[3] == VERIFY || cdb[3] == VERIFY_16)
		one[HEADER_LEN + 1] |= VERIFY_BYTCHK;
	len += get_unaligned_be16(&one[2]);
	return len + (one[1] & ONE_TIMEOUTS ? TIMEOUTS_LEN : 0);
}

/**
 * vhost_scsi_codes_amend - take out what a command would not get
 * @t: with t->codes set, and LIO's GOOD
 *
 * Context: any.
 */
void vhost_scsi_codes_amend(struct vhost_scsi_tcmd *t)
{
	struct vhost_scsi_cmd *cmd = vhost_scsi_cmd(t);
	struct sg_mapping_iter it;
	u32 len, alloc;

	if (!t->bounce)
		return;
	alloc = get_unaligned_be32(&cmd->cdb[6]);
	sg_miter_start(&it, t->bounce, t->bounce_nents,
		       SG_MITER_ATOMIC | SG_MITER_TO_SG);
	if (sg_miter_next(&it)) {
		if (cmd->cdb[2] & OPTIONS)
			len = amend_one(t, it.addr, cmd->cdb);
		else
			len = amend_all(t, it.addr, it.length);
		cmd->resid = cmd->data_len - min3(len, alloc, cmd->data_len);
	}
	sg_miter_stop(&it);
}
