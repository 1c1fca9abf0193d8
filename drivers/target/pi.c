// SPDX-License-Identifier: GPL-2.0-only
/*
 * Protection information (SBC-4, 4.21): eight bytes for each block of the medium.
 *
 * The guest's side has those of a guest that sends and takes it. LIO makes what the guest
 * or the backstore lacks, and passes on what both have. This file checks it, for each
 * backstore in the same way: LIO checks only some, with a line in the host's log for each
 * fault, and the block layer says of a fault below iblock only that the disk failed.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/crc-t10dif.h>
#include <linux/sched.h>
#include <linux/scatterlist.h>
#include <linux/t10-pi.h>
#include <linux/unaligned.h>
#include <linux/virtio_scsi.h>
#include <target/target_core_backend.h>

#include "target.h"

/* RDPROTECT and WRPROTECT (SBC-4, tables 33 and 113); those behind it are reserved. */
#define LAST_PROTECT	5

/* Does INQUIRY say PROTECT? So does LIO. */
static bool is_protected(const struct se_cmd *se_cmd)
{
	const struct se_session *sess = se_cmd->se_sess;

	return sess->sup_prot_ops != TARGET_PROT_NORMAL &&
	       (se_cmd->se_dev->dev_attrib.pi_prot_type ||
		sess->sess_prot_type);
}

static bool is_passthrough(const struct se_cmd *se_cmd)
{
	return se_cmd->se_dev->transport_flags & TRANSPORT_FLAG_PASSTHROUGH;
}

/* RDPROTECT or WRPROTECT, where LIO knows of it; 0 of other commands. */
static u8 protect_of(struct vhost_scsi_tcmd *t)
{
	const u8 *cdb = vhost_scsi_cmd(t)->cdb;

	if (is_passthrough(&t->se_cmd) ||
	    vhost_scsi_cdb_check(cdb) != VHOST_SCSI_CHECK_RW)
		return 0;
	return cdb[1] >> 5;
}

/**
 * vhost_scsi_pi_check - does the protection information fit the command
 * @t: has its LUN
 *
 * LIO must not see one that does not fit: it takes the length of the data from the CDB,
 * makes what is not there, and writes what it makes to where the guest's data-out is.
 *
 * RDPROTECT or WRPROTECT without it comes from a Linux guest that reads or writes
 * without, such as to look for partitions: its host adapter is to take it off or to
 * make it.
 *
 * Context: process.
 * Return: what the command is refused with, TCM_NO_SENSE: it fits. The guest may get
 * FAILURE instead, see t->verdict.
 */
sense_reason_t vhost_scsi_pi_check(struct vhost_scsi_tcmd *t)
{
	const struct vhost_scsi_cmd *cmd = vhost_scsi_cmd(t);
	const struct se_cmd *se_cmd = &t->se_cmd;
	u8 protect = protect_of(t);
	u64 lba, blocks;

	if (!protect && !cmd->pi_len)
		return TCM_NO_SENSE;
	/* SBC-4, 5.11: without PROTECT the field is to be 0. */
	if (protect && (protect > LAST_PROTECT || !is_protected(se_cmd)))
		return TCM_INVALID_CDB_FIELD;
	if (!cmd->pi_len)
		return TCM_NO_SENSE;

	blocks = protect ? vhost_scsi_cdb_blocks(cmd->cdb, &lba) : 0;
	if (cmd->pi_len != blocks * VHOST_SCSI_PI_TUPLE) {
		t->verdict = VIRTIO_SCSI_S_FAILURE;
		return TCM_INVALID_CDB_FIELD;
	}
	/* As LIO does without protection information. */
	if (cmd->dir == DMA_TO_DEVICE &&
	    cmd->data_len > blocks * se_cmd->se_dev->dev_attrib.block_size)
		return TCM_INVALID_FIELD_IN_COMMAND_IU;
	return TCM_NO_SENSE;
}

/**
 * vhost_scsi_pi_cdb - the CDB for LIO
 * @t: has its LUN
 * @room: for VHOST_SCSI_CDB_SIZE bytes
 *
 * LIO neither makes nor checks protection information for READ (6) and WRITE (6), so
 * that what is written is found to be faulty later: it is given the same command of 10
 * bytes. RDPROTECT and WRPROTECT it is not to see where the guest has none.
 *
 * Return: the guest's CDB, or @room.
 */
u8 *vhost_scsi_pi_cdb(struct vhost_scsi_tcmd *t, u8 *room)
{
	struct vhost_scsi_cmd *cmd = vhost_scsi_cmd(t);
	u8 *cdb = cmd->cdb;
	u32 blocks;
	u64 lba;

	if (!cmd->pi_len && protect_of(t)) {
		memcpy(room, cdb, VHOST_SCSI_CDB_SIZE);
		room[1] &= 0x1f;
		return room;
	}
	if (!t->se_cmd.se_dev->dev_attrib.pi_prot_type ||
	    (cdb[0] != READ_6 && cdb[0] != WRITE_6))
		return cdb;
	blocks = vhost_scsi_cdb_blocks(cdb, &lba);
	memset(room, 0, VHOST_SCSI_CDB_SIZE);
	room[0] = cdb[0] == READ_6 ? READ_10 : WRITE_10;
	put_unaligned_be32(lba, &room[2]);
	put_unaligned_be16(blocks, &room[7]);
	room[9] = cdb[5];
	return room;
}

/**
 * vhost_scsi_pi_attach - give LIO the protection information
 * @t: checked, and not parsed yet
 */
void vhost_scsi_pi_attach(struct vhost_scsi_tcmd *t)
{
	const struct vhost_scsi_cmd *cmd = vhost_scsi_cmd(t);
	struct se_cmd *se_cmd = &t->se_cmd;
	const u8 *cdb = se_cmd->t_task_cdb;
	u64 lba;

	if (cmd->pi_len) {
		se_cmd->t_prot_sg = cmd->pi_sgl;
		se_cmd->t_prot_nents = cmd->pi_sgl_nents;
		se_cmd->se_cmd_flags |= SCF_PASSTHROUGH_PROT_SG_TO_MEM_NOALLOC;
		return;
	}
	/*
	 * LIO is to make it only where a backstore keeps it: it would also make it for a
	 * guest that does not want it, and would allocate a list of no pages, which it
	 * cannot.
	 */
	se_cmd->prot_pto = !se_cmd->se_dev->dev_attrib.pi_prot_type ||
			   (vhost_scsi_cdb_check(cdb) == VHOST_SCSI_CHECK_RW &&
			    !vhost_scsi_cdb_blocks(cdb, &lba));
}

/**
 * struct walk - a place in a scatterlist
 * @iter: at the entry
 * @off: bytes of it that were taken
 */
struct walk {
	struct sg_mapping_iter iter;
	size_t off;
};

static void walk_begin(struct walk *w, struct scatterlist *sgl,
		       unsigned int nents, unsigned int flags)
{
	sg_miter_start(&w->iter, sgl, nents, flags);
	w->off = 0;
}

/* Takes up to @max bytes. Return: where they are, or NULL: there are no more. */
static void *walk_take(struct walk *w, size_t max, size_t *len)
{
	void *at;

	if (w->off == w->iter.length) {
		if (!sg_miter_next(&w->iter))
			return NULL;
		w->off = 0;
	}
	*len = min(max, w->iter.length - w->off);
	at = w->iter.addr + w->off;
	w->off += *len;
	return at;
}

/* Takes a block of data. @crc: gets its guard; NULL: that is not wanted. */
static bool take_block(struct walk *data, size_t left, u16 *crc)
{
	const void *at;
	size_t len;

	if (crc)
		*crc = 0;
	for (; left; left -= len) {
		at = walk_take(data, left, &len);
		if (!at)
			return false;
		if (crc)
			*crc = crc_t10dif_update(*crc, at, len);
	}
	return true;
}

/* Says the tuple itself that it is not to be checked? */
static bool is_escape(const struct t10_pi_tuple *tuple,
		      enum target_prot_type type)
{
	return tuple->app_tag == T10_PI_APP_ESCAPE &&
	       (type != TARGET_DIF_TYPE3_PROT ||
		tuple->ref_tag == T10_PI_REF_ESCAPE);
}

static sense_reason_t check_block(const struct se_cmd *se_cmd, u8 checks,
				  u64 lba, struct walk *data, struct walk *pi)
{
	u32 block = se_cmd->se_dev->dev_attrib.block_size;
	const struct t10_pi_tuple *at;
	struct t10_pi_tuple tuple;
	size_t len;
	u16 crc;

	/* No entry of the list ends within a tuple. */
	at = walk_take(pi, sizeof(tuple), &len);
	if (!at || len != sizeof(tuple))
		return TCM_LOGICAL_UNIT_COMMUNICATION_FAILURE;
	tuple = *at;
	if (is_escape(&tuple, se_cmd->prot_type))
		checks = 0;
	if (!take_block(data, block,
			checks & TARGET_DIF_CHECK_GUARD ? &crc : NULL))
		return TCM_LOGICAL_UNIT_COMMUNICATION_FAILURE;

	if (checks & TARGET_DIF_CHECK_GUARD &&
	    tuple.guard_tag != cpu_to_be16(crc))
		return TCM_LOGICAL_BLOCK_GUARD_CHECK_FAILED;
	if (checks & TARGET_DIF_CHECK_REFTAG &&
	    tuple.ref_tag != cpu_to_be32(lower_32_bits(lba)))
		return TCM_LOGICAL_BLOCK_REF_TAG_CHECK_FAILED;
	return TCM_NO_SENSE;
}

/*
 * Checks the blocks of a command. The application tag is the guest's (ATO of the Control
 * mode page is 1), so nothing is known of it.
 */
static sense_reason_t check_all(struct se_cmd *se_cmd, u8 checks)
{
	u32 left = se_cmd->data_length / se_cmd->se_dev->dev_attrib.block_size;
	sense_reason_t reason = TCM_NO_SENSE;
	u64 lba = se_cmd->t_task_lba;
	struct walk data, pi;

	walk_begin(&data, se_cmd->t_data_sg, se_cmd->t_data_nents, SG_MITER_FROM_SG);
	walk_begin(&pi, se_cmd->t_prot_sg, se_cmd->t_prot_nents, SG_MITER_FROM_SG);
	for (; left && !reason; left--, lba++) {
		reason = check_block(se_cmd, checks, lba, &data, &pi);
		if (reason)
			se_cmd->sense_info = lba;
		cond_resched();
	}
	sg_miter_stop(&pi.iter);
	sg_miter_stop(&data.iter);
	return reason;
}

static sense_reason_t execute_write(struct se_cmd *se_cmd)
{
	struct vhost_scsi_tcmd *t;
	sense_reason_t reason;

	t = container_of(se_cmd, struct vhost_scsi_tcmd, se_cmd);
	reason = check_all(se_cmd, t->pi_checks);
	return reason ? reason : t->execute(se_cmd);
}

/* Makes the same as LIO would if the backstore has none: the application tag is 0. */
static void make_all(struct se_cmd *se_cmd)
{
	u32 block = se_cmd->se_dev->dev_attrib.block_size;
	u32 left = se_cmd->data_length / block;
	struct t10_pi_tuple *tuple;
	u64 lba = se_cmd->t_task_lba;
	struct walk data, pi;
	size_t len;
	u16 crc;

	walk_begin(&data, se_cmd->t_data_sg, se_cmd->t_data_nents, SG_MITER_FROM_SG);
	walk_begin(&pi, se_cmd->t_prot_sg, se_cmd->t_prot_nents, SG_MITER_TO_SG);
	for (; left; left--, lba++) {
		/* No entry of the list ends within a tuple. */
		tuple = walk_take(&pi, sizeof(*tuple), &len);
		if (!tuple || len != sizeof(*tuple) || !take_block(&data, block, &crc))
			break;
		tuple->guard_tag = cpu_to_be16(crc);
		tuple->app_tag = 0;
		if (se_cmd->prot_type == TARGET_DIF_TYPE1_PROT)
			tuple->ref_tag = cpu_to_be32(lower_32_bits(lba));
		cond_resched();
	}
	sg_miter_stop(&pi.iter);
	sg_miter_stop(&data.iter);
}

/**
 * vhost_scsi_pi_read - check or make the protection information of the blocks read
 * @t: with t->reads_pi
 *
 * Context: process.
 * Return: what is wrong with it.
 */
sense_reason_t vhost_scsi_pi_read(struct vhost_scsi_tcmd *t)
{
	if (t->se_cmd.prot_op != TARGET_PROT_DIN_INSERT)
		return check_all(&t->se_cmd, t->pi_checks);
	make_all(&t->se_cmd);
	return TCM_NO_SENSE;
}

/* What the field lets be checked (SBC-4, tables 33 and 113). */
static u8 checks_of(u8 protect)
{
	switch (protect) {
	case 2:
		return TARGET_DIF_CHECK_REFTAG;
	case 3:
		return 0;
	case 4:
		return TARGET_DIF_CHECK_GUARD;
	default:
		return TARGET_DIF_CHECK_GUARD | TARGET_DIF_CHECK_REFTAG;
	}
}

/**
 * vhost_scsi_pi_prepare - have the protection information of a command checked
 * @t: prepared but for this, with a prot_op of LIO's
 *
 * Does nothing if nothing of it is to be checked.
 */
void vhost_scsi_pi_prepare(struct vhost_scsi_tcmd *t)
{
	const struct vhost_scsi_cmd *cmd = vhost_scsi_cmd(t);
	struct se_cmd *se_cmd = &t->se_cmd;

	/* LIO has taken the length from the CDB, if the guest has the information. */
	if (cmd->pi_len && se_cmd->data_length < cmd->data_len) {
		se_cmd->se_cmd_flags |= SCF_UNDERFLOW_BIT;
		se_cmd->residual_count = cmd->data_len - se_cmd->data_length;
	}

	if (se_cmd->prot_op == TARGET_PROT_DIN_INSERT) {
		t->reads_pi = true;
		vhost_scsi_look_at_data(t);
	}
	t->pi_checks = se_cmd->prot_checks & checks_of(protect_of(t));
	/* LIO does not check it once more. */
	se_cmd->prot_checks = 0;
	if (!t->pi_checks)
		return;
	switch (se_cmd->prot_op) {
	case TARGET_PROT_DOUT_PASS:
	case TARGET_PROT_DOUT_STRIP:
		t->execute = se_cmd->execute_cmd;
		se_cmd->execute_cmd = execute_write;
		break;
	case TARGET_PROT_DIN_PASS:
	case TARGET_PROT_DIN_STRIP:
		t->reads_pi = true;
		vhost_scsi_look_at_data(t);
		break;
	default:
		break;
	}
}

/**
 * vhost_scsi_pi_amend - say that a passed-through device keeps none
 * @t: with a bounce buffer, GOOD
 *
 * A guest that reads of it would send it, and LIO passes none on to such a device.
 *
 * Context: any.
 */
void vhost_scsi_pi_amend(const struct vhost_scsi_tcmd *t)
{
	enum { PROTECT = 0x01, P_TYPE_AND_PROT_EN = 0x0f };
	const struct se_cmd *se_cmd = &t->se_cmd;
	const u8 *cdb = se_cmd->t_task_cdb;

	if (!t->by_device ||
	    se_cmd->se_sess->sup_prot_ops == TARGET_PROT_NORMAL)
		return;
	if (cdb[0] == INQUIRY && !(cdb[1] & 1))
		vhost_scsi_answer_clear(t, 5, PROTECT);
	else if (cdb[0] == SERVICE_ACTION_IN_16 &&
		 (cdb[1] & 0x1f) == SAI_READ_CAPACITY_16)
		vhost_scsi_answer_clear(t, 12, P_TYPE_AND_PROT_EN);
}
