// SPDX-License-Identifier: GPL-2.0-only
/*
 * EXTENDED COPY (LID1): what a copy may read and write.
 *
 * LIO carries it out by commands of its own, and does not ask whether the nexus
 * may write to the destination. (Of reservations it does: its commands are of no
 * nexus, and conflict.) It also logs a line, unbounded, for what is wrong with the
 * parameters. They are looked at here, in the bounce buffer,
 * which the guest cannot change, and LIO finds the same in them: block to block
 * copies between LUNs of the nexus, which are named by their NAA designators.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/hex.h>
#include <linux/rculist.h>
#include <linux/scatterlist.h>
#include <linux/unaligned.h>
#include <target/target_core_backend.h>

#include "target.h"

/* SPC-4 6.4, and what of it LIO takes. */
enum {
	HEADER_LEN = 16,
	CSCD_LEN = 32,
	MAX_CSCDS = 2,
	SEGMENT_LEN = 28,
	MAX_SEGMENTS = 1,
	MAX_DESCRIPTORS_LEN = 1024,

	CSCD_IDENTIFICATION = 0xe4,
	SEGMENT_BLOCK_TO_BLOCK = 0x02,
	/* Of a CSCD descriptor in the list. */
	MAX_CSCD_ID = 0x7ff,
	NAA_LEN = 16,
};

/*
 * Of a TPG at a time. Each of them waits for a backend in a work item of LIO's, which has 256
 * on a processor for all guests: a copy for all its commands, and a COMPARE AND WRITE for the
 * submission of its write. LIO of 6.1 ends all commands there.
 */
#define MAX_COPIES	32

/**
 * struct list - the parameters
 * @bytes: of them, as many as there are
 * @cscds: bytes of CSCD descriptors, behind the header
 * @source: CSCD descriptor of the blocks that are read
 * @destination: of those that are written
 * @source_lba: the first block
 * @destination_lba: likewise
 * @blocks: their number
 */
struct list {
	u8 bytes[HEADER_LEN + MAX_CSCDS * CSCD_LEN + MAX_SEGMENTS * SEGMENT_LEN];
	u32 cscds;
	u16 source;
	u16 destination;
	u64 source_lba;
	u64 destination_lba;
	u16 blocks;
};

/**
 * struct end - one of the two ends of a copy
 * @dev: the device; held by RCU or the command
 * @writable: for the nexus
 */
struct end {
	struct se_device *dev;
	bool writable;
};

static sense_reason_t parse_lengths(struct list *list, u32 len)
{
	const u8 *p = list->bytes;
	u64 cscds = get_unaligned_be16(&p[2]), segments = get_unaligned_be32(&p[8]);

	if (cscds + segments > MAX_DESCRIPTORS_LEN)
		return TCM_PARAMETER_LIST_LENGTH_ERROR;
	/* Inline data. */
	if (get_unaligned_be32(&p[12]))
		return TCM_INVALID_PARAMETER_LIST;
	if (HEADER_LEN + cscds + segments > len)
		return TCM_PARAMETER_LIST_LENGTH_ERROR;
	if (segments % SEGMENT_LEN)
		return TCM_UNSUPPORTED_SEGMENT_DESC_TYPE_CODE;
	if (segments > MAX_SEGMENTS * SEGMENT_LEN)
		return TCM_TOO_MANY_SEGMENT_DESCS;
	if (!segments)
		return TCM_INVALID_PARAMETER_LIST;
	/* LIO looks at the segment first, wherever that is. */
	list->cscds = cscds;
	return TCM_NO_SENSE;
}

static sense_reason_t parse_segment(struct list *list, const u8 *p)
{
	if (p[0] != SEGMENT_BLOCK_TO_BLOCK)
		return TCM_UNSUPPORTED_SEGMENT_DESC_TYPE_CODE;
	list->source = get_unaligned_be16(&p[4]);
	list->destination = get_unaligned_be16(&p[6]);
	list->blocks = get_unaligned_be16(&p[10]);
	list->source_lba = get_unaligned_be64(&p[12]);
	list->destination_lba = get_unaligned_be64(&p[20]);
	if (get_unaligned_be16(&p[2]) != SEGMENT_LEN - 4 ||
	    list->source > MAX_CSCD_ID || list->destination > MAX_CSCD_ID)
		return TCM_INVALID_PARAMETER_LIST;
	return TCM_NO_SENSE;
}

/* SPC-4 7.7.6.6: binary, of the logical unit, NAA 6h. */
static sense_reason_t parse_cscd(const u8 *p)
{
	if (p[0] != CSCD_IDENTIFICATION)
		return TCM_UNSUPPORTED_TARGET_DESC_TYPE_CODE;
	if ((p[4] & 0xf) != 1 || p[5] & 0x30 || (p[5] & 0xf) != 3 ||
	    p[7] != NAA_LEN || p[8] >> 4 != 6)
		return TCM_INVALID_PARAMETER_LIST;
	return TCM_NO_SENSE;
}

static sense_reason_t parse_cscds(const struct list *list)
{
	sense_reason_t reason;
	u32 at;

	for (at = 0; at < list->cscds; at += CSCD_LEN) {
		reason = parse_cscd(&list->bytes[HEADER_LEN + at]);
		if (reason)
			return reason;
	}
	/* LIO takes one end that is not in the list for NAA 0. */
	return max(list->source, list->destination) < list->cscds / CSCD_LEN ?
	       TCM_NO_SENSE : TCM_COPY_TARGET_DEVICE_NOT_REACHABLE;
}

static sense_reason_t parse(struct vhost_scsi_tcmd *t, struct list *list)
{
	u32 len = t->se_cmd.data_length;
	u8 segment[SEGMENT_LEN];
	sense_reason_t reason;

	if (vhost_scsi_check_list(t, list->bytes, sizeof(list->bytes)) < HEADER_LEN)
		return TCM_PARAMETER_LIST_LENGTH_ERROR;
	reason = parse_lengths(list, len);
	if (reason)
		return reason;
	if (sg_pcopy_to_buffer(t->bounce, t->bounce_nents, segment,
			       sizeof(segment), HEADER_LEN + list->cscds) !=
	    sizeof(segment))
		return TCM_PARAMETER_LIST_LENGTH_ERROR;
	reason = parse_segment(list, segment);
	if (reason)
		return reason;
	if (list->cscds % CSCD_LEN)
		return TCM_UNSUPPORTED_TARGET_DESC_TYPE_CODE;
	if (list->cscds > MAX_CSCDS * CSCD_LEN)
		return TCM_TOO_MANY_TARGET_DESCS;
	return parse_cscds(list);
}

/* A device's designator: NAA 6h, company, and what is hexadecimal in its serial. */
static void make_naa(const struct se_device *dev, u8 *naa)
{
	const char *serial = dev->t10_wwn.unit_serial;
	u32 company = dev->t10_wwn.company_id;
	unsigned int nibble;
	int digit;

	memset(naa, 0, NAA_LEN);
	naa[0] = 0x60 | (company >> 20 & 0xf);
	naa[1] = company >> 12;
	naa[2] = company >> 4;
	naa[3] = company << 4;
	for (nibble = 7; *serial && nibble < 2 * NAA_LEN; serial++) {
		digit = hex_to_bin(*serial);
		if (digit < 0)
			continue;
		naa[nibble / 2] |= nibble % 2 ? digit : digit << 4;
		nibble++;
	}
}

static bool is_named(const struct se_device *dev, const u8 *naa)
{
	u8 own[NAA_LEN];

	make_naa(dev, own);
	return !memcmp(own, naa, NAA_LEN);
}

/*
 * The end that LIO will take: the LUN that the command came to, or the first of
 * the nexus's. It may be written to if that LUN, or another of the same device,
 * is writable for the nexus. Under RCU.
 */
static struct end find_end(const struct se_cmd *se_cmd, const u8 *naa)
{
	const struct se_node_acl *nacl = se_cmd->se_sess->se_node_acl;
	const struct se_dev_entry *entry;
	struct end end = {};
	struct se_device *dev;

	if (is_named(se_cmd->se_dev, naa))
		end.dev = se_cmd->se_dev;
	hlist_for_each_entry_rcu(entry, &nacl->lun_entry_hlist, link) {
		dev = rcu_dereference_raw(entry->se_lun->lun_se_dev);
		if (!end.dev && dev->dev_attrib.emulate_3pc &&
		    is_named(dev, naa))
			end.dev = dev;
		if (dev == end.dev && !entry->lun_access_ro &&
		    !entry->se_lun->lun_access_ro)
			end.writable = true;
	}
	return end;
}

static bool has_blocks(struct se_device *dev, u64 lba, u32 blocks)
{
	u64 all = (u64)dev->transport->get_blocks(dev) + 1;

	return lba <= all && blocks <= all - lba;
}

/* Under RCU, which keeps the devices. */
static sense_reason_t check_ends(const struct se_cmd *se_cmd,
				 const struct list *list)
{
	const u8 *naas = &list->bytes[HEADER_LEN + 8];
	struct end from = find_end(se_cmd, naas + list->source * CSCD_LEN);
	struct end to = find_end(se_cmd, naas + list->destination * CSCD_LEN);

	/* One is the LUN that the command came to. */
	if (from.dev != se_cmd->se_dev && to.dev != se_cmd->se_dev)
		return TCM_INVALID_PARAMETER_LIST;
	if (!from.dev || !to.dev || vhost_scsi_has_large_blocks(from.dev) ||
	    vhost_scsi_has_large_blocks(to.dev))
		return TCM_COPY_TARGET_DEVICE_NOT_REACHABLE;
	if (!to.writable)
		return TCM_WRITE_PROTECTED;
	if (from.dev->dev_attrib.block_size != to.dev->dev_attrib.block_size)
		return TCM_LOGICAL_UNIT_COMMUNICATION_FAILURE;
	if (vhost_scsi_cuts_blocks(from.dev, list->source_lba, list->blocks) ||
	    vhost_scsi_cuts_blocks(to.dev, list->destination_lba, list->blocks))
		return TCM_LOGICAL_UNIT_COMMUNICATION_FAILURE;
	if (!has_blocks(from.dev, list->source_lba, list->blocks) ||
	    !has_blocks(to.dev, list->destination_lba, list->blocks))
		return TCM_COPY_TARGET_DEVICE_NOT_REACHABLE;
	return TCM_NO_SENSE;
}

/**
 * vhost_scsi_copy_begin - may the command have a work item of LIO's
 * @t: an EXTENDED COPY or a COMPARE AND WRITE
 *
 * Return: true: vhost_scsi_copy_end() is owed; or false: too many have one.
 */
bool vhost_scsi_copy_begin(struct vhost_scsi_tcmd *t)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(t->se_cmd.se_sess->se_tpg);

	t->copies = atomic_inc_return(&tpg->copies) <= MAX_COPIES;
	if (!t->copies)
		atomic_dec(&tpg->copies);
	return t->copies;
}

/**
 * vhost_scsi_copy_end - the command is over
 * @t: with t->copies set
 *
 * Context: any.
 */
void vhost_scsi_copy_end(struct vhost_scsi_tcmd *t)
{
	atomic_dec(&vhost_scsi_tpg(t->se_cmd.se_sess->se_tpg)->copies);
	t->copies = false;
}

/**
 * vhost_scsi_copy_check - may LIO carry out an EXTENDED COPY
 * @t: the command
 *
 * Context: may sleep.
 * Return: what it is refused with, TCM_NO_SENSE: it may, and vhost_scsi_copy_end() is owed
 * if t->copies is set.
 */
sense_reason_t vhost_scsi_copy_check(struct vhost_scsi_tcmd *t)
{
	const struct se_cmd *se_cmd = &t->se_cmd;
	sense_reason_t reason;
	struct list list;

	if (!se_cmd->se_dev->dev_attrib.emulate_3pc ||
	    se_cmd->t_task_cdb[1] & 0x1f)
		return TCM_UNSUPPORTED_SCSI_OPCODE;
	if (!se_cmd->data_length)
		return TCM_NO_SENSE;
	reason = parse(t, &list);
	if (reason)
		return reason;
	rcu_read_lock();
	reason = check_ends(se_cmd, &list);
	rcu_read_unlock();
	if (!reason && !vhost_scsi_copy_begin(t))
		reason = TCM_OUT_OF_RESOURCES;
	return reason;
}
