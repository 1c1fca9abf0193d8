// SPDX-License-Identifier: GPL-2.0-only
/*
 * Answers: the data-in of a command that is no block of the medium. An answer is cut at
 * the allocation length of the CDB, and that is no error (SPC-4 4.3.5.6).
 *
 * LIO refuses some commands whose allocation length is small, cuts others inside a
 * descriptor that it then leaves out, and does not say of all how long its answer is. So
 * LIO answers into a bounce buffer that has room for more than the guest wants. The answer
 * is amended where LIO has it wrong, and cut here.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/unaligned.h>
#include <linux/virtio_scsi.h>
#include <scsi/scsi_common.h>
#include <target/target_core_backend.h>

#include "pr.h"

/*
 * What LIO has besides what the guest wants: more than the longest descriptor, so that none
 * of which the guest gets a part is left out; and all that LIO 7.3 says of its 54 operation
 * codes, which is 1084 bytes.
 */
#define ROOM	SZ_4K

enum {
	FIXED_SENSE_LEN = 18,
	DESC_SENSE_LEN = 8,
	HEADER_LEN = 8,

	BLOCK_LIMITS_PAGE = 0xb0,
	PROVISIONING_PAGE = 0xb2,
};

/**
 * vhost_scsi_answer - answer a command with data that LIO was not asked for
 * @cmd: the command; ends in vhost_scsi_cmd_done()
 * @data: may be NULL if @len is 0
 * @len: bytes of it
 * @alloc: the CDB's allocation length
 *
 * If the CDB asks for what no LUN has, the command is refused instead.
 */
void vhost_scsi_answer(struct vhost_scsi_cmd *cmd, const void *data, u32 len,
		       u32 alloc)
{
	if (vhost_scsi_cdb_wants_aca(cmd->cdb)) {
		vhost_scsi_cmd_refuse(cmd, ILLEGAL_REQUEST, 0x24, 0);
		return;
	}
	cmd->response = VIRTIO_SCSI_S_OK;
	cmd->status = SAM_STAT_GOOD;
	cmd->sense_len = 0;
	cmd->resid = cmd->data_len;
	/* What every other LUN says. */
	if (alloc > cmd->data_len || cmd->dir == DMA_TO_DEVICE)
		cmd->response = VIRTIO_SCSI_S_OVERRUN;
	else if (alloc)
		cmd->resid -= sg_copy_from_buffer(cmd->sgl, cmd->sgl_nents,
						  data, min(len, alloc));
	vhost_scsi_cmd_done(cmd);
}

/**
 * vhost_scsi_answer_sense - answer a REQUEST SENSE
 * @cmd: the command; ends in vhost_scsi_cmd_done()
 * @key: sense key
 * @asc: additional sense code
 * @ascq: and its qualifier
 */
void vhost_scsi_answer_sense(struct vhost_scsi_cmd *cmd, u8 key, u8 asc, u8 ascq)
{
	bool desc = cmd->cdb[1] & 1;
	u8 data[FIXED_SENSE_LEN] = {};

	scsi_build_sense_buffer(desc, data, key, asc, ascq);
	vhost_scsi_answer(cmd, data, desc ? DESC_SENSE_LEN : FIXED_SENSE_LEN,
			  cmd->cdb[4]);
}

/**
 * vhost_scsi_answer_begin - have LIO answer all that it has to say
 * @t: a command that LIO has parsed and is about to get its bounce buffer
 *
 * Does nothing for what is no answer of LIO's.
 */
void vhost_scsi_answer_begin(struct vhost_scsi_tcmd *t)
{
	struct se_cmd *se_cmd = &t->se_cmd;

	if (se_cmd->se_cmd_flags & SCF_SCSI_DATA_CDB ||
	    se_cmd->se_dev->transport_flags & TRANSPORT_FLAG_PASSTHROUGH ||
	    !vhost_scsi_cdb_is_in(se_cmd->t_task_cdb))
		return;
	t->answers = true;
	t->lacks = vhost_scsi_codes_lacking(se_cmd->se_dev);
	t->max_same = vhost_scsi_max_same(se_cmd->se_dev);
	t->max_unmap = vhost_scsi_max_unmap(se_cmd->se_dev);
	/* LIO has cut it to the allocation length. */
	t->wanted = se_cmd->data_length;
	se_cmd->data_length += ROOM;
	/* REPORT IDENTIFYING INFORMATION: LIO looks at the length in the CDB instead. */
	if (se_cmd->t_task_cdb[0] == MAINTENANCE_IN)
		put_unaligned_be32(se_cmd->data_length, &se_cmd->t_task_cdb[6]);
}

static void set_be(const struct vhost_scsi_tcmd *t, u32 at, u32 len, u64 value)
{
	u8 bytes[8];

	put_unaligned_be64(value, bytes);
	sg_pcopy_from_buffer(t->bounce, t->bounce_nents, bytes + sizeof(bytes) - len, len, at);
}

static u64 get_be(const struct vhost_scsi_tcmd *t, u32 at, u32 len)
{
	u8 bytes[8] = {};

	sg_pcopy_to_buffer(t->bounce, t->bounce_nents, bytes + sizeof(bytes) - len, len, at);
	return get_unaligned_be64(bytes);
}

/**
 * vhost_scsi_answer_clear - clear bits of a byte of parameter data
 * @t: with a bounce buffer
 * @at: offset of the byte; one beyond the buffer is left alone
 * @bits: the bits
 *
 * Context: any.
 */
void vhost_scsi_answer_clear(const struct vhost_scsi_tcmd *t, u32 at, u8 bits)
{
	set_be(t, at, 1, get_be(t, at, 1) & ~bits);
}

/* The guest sees limits of commands that the LUN has, and no others (SBC-4 6.6.4, 6.6.7, 5.20). */
static bool has_unmap(const struct vhost_scsi_tcmd *t)
{
	return !vhost_scsi_codes_lack(t, UNMAP, 0);
}

static bool has_same(const struct vhost_scsi_tcmd *t)
{
	return !vhost_scsi_codes_lack(t, WRITE_SAME_16, 0);
}

/*
 * SBC-4 6.6.4: the page has 64 bytes. LIO ends it before the limit of WRITE SAME if the LUN
 * cannot unmap. For a ramdisk, LIO's optimal length is above its maximum.
 */
static u32 amend_block_limits(const struct vhost_scsi_tcmd *t)
{
	enum { PAGE_LEN = 2, CAW = 5, MOST = 8, OPTIMAL = 12, UNMAPS = 20, SAME = 36, LEN = 64 };

	set_be(t, PAGE_LEN, 2, LEN - 4);
	set_be(t, OPTIMAL, 4, min(get_be(t, OPTIMAL, 4), get_be(t, MOST, 4)));
	if (vhost_scsi_codes_lack(t, COMPARE_AND_WRITE, 0))
		set_be(t, CAW, 1, 0);
	if (has_unmap(t))
		set_be(t, UNMAPS, 4, t->max_unmap);
	else
		set_be(t, UNMAPS, 8, 0);
	set_be(t, SAME, 8, has_same(t) ? t->max_same : 0);
	return LEN;
}

/* @len: LIO's length, which is right for all pages but Block Limits. */
static u32 amend_page(const struct vhost_scsi_tcmd *t, u32 len)
{
	enum { UNMAP_BITS = 0x80, WRITE_SAME_BITS = 0x60, LBPRZ = 0x1c };

	switch (t->se_cmd.t_task_cdb[2]) {
	case BLOCK_LIMITS_PAGE:
		return amend_block_limits(t);
	case PROVISIONING_PAGE:
		if (!has_unmap(t))
			vhost_scsi_answer_clear(t, 5, UNMAP_BITS);
		if (!has_same(t))
			vhost_scsi_answer_clear(t, 5, WRITE_SAME_BITS);
		if (!has_unmap(t) && !has_same(t))
			vhost_scsi_answer_clear(t, 5, LBPRZ);
		return len;
	default:
		return len;
	}
}

static void amend_capacity(const struct vhost_scsi_tcmd *t)
{
	enum { LBPME_LBPRZ = 0xc0 };

	if (!has_unmap(t) && !has_same(t))
		vhost_scsi_answer_clear(t, 14, LBPME_LBPRZ);
}

/* SBC-4 6.5.2.2: the number of blocks, all ones if it does not fit. LIO has the last LBA. */
static void amend_block_descriptor(const struct vhost_scsi_tcmd *t)
{
	bool ten = t->se_cmd.t_task_cdb[0] == MODE_SENSE_10;
	u32 at = ten ? 8 : 4;

	/* The length of the descriptor; 0: the guest wants none. */
	if (get_be(t, at - 1, 1))
		set_be(t, at, 4, min_t(u64, get_be(t, at, 4) + 1, U32_MAX));
}

/* In the format that the guest wants (SPC-5 6.39); LIO has that of its own sense data. */
static u32 amend_sense(struct vhost_scsi_tcmd *t)
{
	bool desc = vhost_scsi_cmd(t)->cdb[1] & 1;
	u8 data[FIXED_SENSE_LEN] = {};
	struct scsi_sense_hdr sense;

	sg_copy_to_buffer(t->bounce, t->bounce_nents, data, sizeof(data));
	scsi_normalize_sense(data, sizeof(data), &sense);
	memset(data, 0, sizeof(data));
	scsi_build_sense_buffer(desc, data, sense.sense_key, sense.asc, sense.ascq);
	sg_copy_from_buffer(t->bounce, t->bounce_nents, data, sizeof(data));
	return desc ? DESC_SENSE_LEN : FIXED_SENSE_LEN;
}

/* SPC-4 6.37: the extended header is 4 bytes longer. LIO does not count them. */
static u32 amend_port_groups(const struct vhost_scsi_tcmd *t, u8 *header, u32 len)
{
	if (!(t->se_cmd.t_task_cdb[1] & MI_EXT_HDR_PARAM_FMT))
		return len;
	put_unaligned_be32(get_unaligned_be32(header) + 4, header);
	sg_copy_from_buffer(t->bounce, t->bounce_nents, header, 4);
	return len + 4;
}

/* SPC-5 6.32: the length is that of the information. LIO counts the header, too. */
static u32 amend_information(const struct vhost_scsi_tcmd *t, u8 *header, u32 len)
{
	put_unaligned_be16(len - 4, &header[2]);
	sg_copy_from_buffer(t->bounce, t->bounce_nents, header, 4);
	return len;
}

static u32 amend_maintenance(const struct vhost_scsi_tcmd *t, u8 *header, u32 len)
{
	switch (t->se_cmd.t_task_cdb[1] & 0x1f) {
	case MI_REPORT_TARGET_PGS:
		return amend_port_groups(t, header, len);
	case MI_REPORT_IDENTIFYING_INFORMATION:
		return amend_information(t, header, len);
	case MI_REPORT_SUPPORTED_OPERATION_CODES:
		return vhost_scsi_codes_amend(t, len);
	default:
		return len;
	}
}

/*
 * How long LIO's answer is. Of some it does not tell. Those that tell how much there is
 * although it does not fit are cut to what there is room for.
 */
static u32 answered(struct vhost_scsi_tcmd *t)
{
	const struct se_cmd *se_cmd = &t->se_cmd;
	u32 len = se_cmd->data_length;
	u8 header[HEADER_LEN] = {};

	sg_copy_to_buffer(t->bounce, t->bounce_nents, header, sizeof(header));
	switch (se_cmd->t_task_cdb[0]) {
	case REQUEST_SENSE:
		return amend_sense(t);
	case MODE_SENSE:
	case MODE_SENSE_10:
		amend_block_descriptor(t);
		return len;
	case INQUIRY:
		return se_cmd->t_task_cdb[1] & 1 ? amend_page(t, len) : len;
	case PERSISTENT_RESERVE_IN:
		if ((se_cmd->t_task_cdb[1] & PR_ACTION_MASK) == PRIN_REPORT_CAPABILITIES)
			return min_t(u32, len, get_unaligned_be16(header));
		return min_t(u64, len, HEADER_LEN + (u64)get_unaligned_be32(header + 4));
	case RECEIVE_COPY_RESULTS:
		return min_t(u64, len, 4 + (u64)get_unaligned_be32(header));
	case SERVICE_ACTION_IN_16:
		if ((se_cmd->t_task_cdb[1] & 0x1f) == SAI_REPORT_REFERRALS)
			return min_t(u32, len, 4 + get_unaligned_be16(header + 2));
		amend_capacity(t);
		return len;
	case MAINTENANCE_IN:
		return amend_maintenance(t, header, len);
	default:
		return len;
	}
}

/**
 * vhost_scsi_answer_end - cut LIO's answer to what the guest wants
 * @t: with t->answers set, and LIO's GOOD. The residual is set
 *
 * Context: any.
 */
void vhost_scsi_answer_end(struct vhost_scsi_tcmd *t)
{
	struct vhost_scsi_cmd *cmd = vhost_scsi_cmd(t);

	if (t->pr_capabilities)
		vhost_scsi_reservation_amend(t);
	cmd->resid = cmd->data_len - min(answered(t), t->wanted);
}
