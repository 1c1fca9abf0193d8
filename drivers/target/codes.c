// SPDX-License-Identifier: GPL-2.0-only
/*
 * REPORT SUPPORTED OPERATION CODES (SPC-5 6.34): what LIO answers, without the commands
 * that it has and does not get here, see vhost_scsi_lacks_code().
 *
 * answer.c has room for all that LIO says, however little of it the guest wants.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/scatterlist.h>
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
};

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

/*
 * Bits of byte 1 that are evaluated although LIO's usage map does not have them, and bits that
 * are not although it has them.
 */
static const struct {
	u8 code;
	u8 used;
	u8 unused;
} usages[] = {
	/* BYTCHK, see verify.c. */
	{ VERIFY, .used = 0x06 },
	{ VERIFY_16, .used = 0x06 },
	/* DESC, see answer.c. */
	{ REQUEST_SENSE, .used = 0x01 },
	/* LLBAA, and IMMED, see check.c. */
	{ MODE_SENSE_10, .unused = 0x10 },
	{ SYNCHRONIZE_CACHE, .unused = 0x02 },
	{ SYNCHRONIZE_CACHE_16, .unused = 0x02 },
	{ START_STOP, .unused = 0x01 },
};

/**
 * vhost_scsi_codes_lacking - which commands a LUN does not have although LIO says so
 * @dev: the backstore; not a passed-through device
 *
 * Return: for vhost_scsi_tcmd.lacks. The device may be gone when LIO has answered.
 */
u8 vhost_scsi_codes_lacking(const struct se_device *dev)
{
	unsigned int i;
	u8 lacking = 0;

	for (i = 0; i < ARRAY_SIZE(some); i++)
		if (vhost_scsi_lacks_code(dev, some[i].code, some[i].action))
			lacking |= BIT(i);
	return lacking;
}

/**
 * vhost_scsi_codes_lack - is a command one that the LUN does not have
 * @t: with t->answers set
 * @code: operation code
 * @action: service action, if the code has such
 */
bool vhost_scsi_codes_lack(const struct vhost_scsi_tcmd *t, u8 code, u16 action)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(some); i++)
		if (code == some[i].code && action == some[i].action)
			return t->lacks & BIT(i);
	return false;
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
		if (vhost_scsi_codes_lack(t, list[at], get_unaligned_be16(&list[at + 2])))
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
	unsigned int i;

	if ((one[1] & SUPPORT) != SUPPORT_STANDARD)
		return ONE_NONE_LEN;
	if (vhost_scsi_codes_lack(t, cdb[3], get_unaligned_be16(&cdb[4]))) {
		one[1] = SUPPORT_NONE;
		return ONE_NONE_LEN;
	}
	for (i = 0; i < ARRAY_SIZE(usages); i++)
		if (cdb[3] == usages[i].code) {
			one[HEADER_LEN + 1] |= usages[i].used;
			one[HEADER_LEN + 1] &= ~usages[i].unused;
		}
	len += get_unaligned_be16(&one[2]);
	return len + (one[1] & ONE_TIMEOUTS ? TIMEOUTS_LEN : 0);
}

/**
 * vhost_scsi_codes_amend - take out what a command would not get
 * @t: with LIO's GOOD in its bounce buffer
 * @len: of LIO's answer
 *
 * Context: any.
 * Return: what is left of it.
 */
u32 vhost_scsi_codes_amend(const struct vhost_scsi_tcmd *t, u32 len)
{
	const u8 *cdb = t->se_cmd.t_task_cdb;
	struct sg_mapping_iter it;

	sg_miter_start(&it, t->bounce, t->bounce_nents,
		       SG_MITER_ATOMIC | SG_MITER_TO_SG);
	if (sg_miter_next(&it))
		len = cdb[2] & OPTIONS ? amend_one(t, it.addr, cdb) :
					 amend_all(t, it.addr, it.length);
	sg_miter_stop(&it);
	return len;
}
