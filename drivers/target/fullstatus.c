// SPDX-License-Identifier: GPL-2.0-only
/*
 * PERSISTENT RESERVE IN, READ FULL STATUS.
 *
 * It is answered here: LIO, of 6.1 to 7.3, lets go of the list of registrations
 * at each of them, and goes on from one that may have been removed and freed; and
 * it looks whether a descriptor fits before it counts its first 24 bytes, and so
 * writes beyond the end of the buffer. Here the list is held, and what does
 * not fit is left out.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/hex.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/unaligned.h>
#include <target/target_core_backend.h>

#include "target.h"

/* SPC-4, 6.15.5. */
enum {
	HEADER_LEN = 8,
	DESC_LEN = 24,		/* without the TransportID */
	DESC_R_HOLDER = 1 << 0,	/* byte 12 */
	DESC_ALL_TG_PT = 1 << 1,
};

/* SPC-4, 7.6.4: the binary port name of a TransportID. */
static void put_name(u8 *id, const char *name, size_t len)
{
	size_t n = 0;

	if (!strncmp(name, "naa.", 4))
		name += 4;
	else if (!strncmp(name, "0x", 2))
		name += 2;
	for (; n < len && *name; name++) {
		if (*name == ':')
			continue;
		if (!name[1] || hex2bin(&id[n], name, 1))
			return;
		n++;
		name++;
	}
}

static unsigned int put_iscsi(u8 *id, const struct t10_pr_registration *reg)
{
	char *name = (char *)id + 4;
	unsigned int len;

	if (reg->isid_present_at_reg) {
		id[0] |= 1 << 6;
		len = scnprintf(name, VHOST_SCSI_TRANSPORT_ID_LEN - 4,
				"%s,i,0x%s", reg->pr_reg_nacl->initiatorname,
				reg->pr_reg_isid);
	} else {
		len = scnprintf(name, VHOST_SCSI_TRANSPORT_ID_LEN - 4, "%s",
				reg->pr_reg_nacl->initiatorname);
	}
	len = max(ALIGN(len + 1, 4), 20U);
	put_unaligned_be16(len, &id[2]);
	return 4 + len;
}

/**
 * vhost_scsi_transport_id - the TransportID of an initiator port (SPC-4, 7.6.4)
 * @reg: a registration of it
 * @id: VHOST_SCSI_TRANSPORT_ID_LEN bytes
 *
 * Context: the device's registration_lock is held.
 * Return: bytes used.
 */
unsigned int
vhost_scsi_transport_id(const struct t10_pr_registration *reg, u8 *id)
{
	const struct se_node_acl *nacl = reg->pr_reg_nacl;
	u8 proto = nacl->se_tpg->proto_id;

	memset(id, 0, VHOST_SCSI_TRANSPORT_ID_LEN);
	id[0] = proto;
	switch (proto) {
	case SCSI_PROTOCOL_ISCSI:
		return put_iscsi(id, reg);
	case SCSI_PROTOCOL_SAS:
		put_name(&id[4], nacl->initiatorname, 8);
		break;
	case SCSI_PROTOCOL_SRP:
		put_name(&id[8], nacl->initiatorname, 16);
		break;
	default:
		put_name(&id[8], nacl->initiatorname, 8);
		break;
	}
	return 24;
}

/* Appends to the answer what fits; it counts all the same. */
static void put(u8 *buf, u32 size, u32 *off, const u8 *data, u32 len)
{
	if (*off < size)
		memcpy(buf + *off, data, min(len, size - *off));
	*off += len;
}

static void put_desc(u8 *buf, u32 size, u32 *off,
		     const struct t10_pr_registration *reg,
		     const struct t10_pr_registration *holder)
{
	u8 desc[DESC_LEN + VHOST_SCSI_TRANSPORT_ID_LEN] = {};
	unsigned int len;

	put_unaligned_be64(reg->pr_res_key, &desc[0]);
	if (reg->pr_reg_all_tg_pt)
		desc[12] |= DESC_ALL_TG_PT;
	if (holder && (holder == reg || vhost_scsi_is_all_registrants(holder))) {
		desc[12] |= DESC_R_HOLDER;
		desc[13] = (holder->pr_res_scope & 0xf0) |
			   (holder->pr_res_type & 0x0f);
	}
	if (!reg->pr_reg_all_tg_pt)
		put_unaligned_be16(reg->tg_pt_sep_rtpi, &desc[18]);
	len = vhost_scsi_transport_id(reg, &desc[DESC_LEN]);
	put_unaligned_be32(len, &desc[20]);
	put(buf, size, off, desc, DESC_LEN + len);
}

/**
 * vhost_scsi_read_full_status - answer the command
 * @t: the command, executed by LIO
 *
 * Context: may sleep.
 * Return: 0: it was completed; or why not.
 */
sense_reason_t vhost_scsi_read_full_status(struct vhost_scsi_tcmd *t)
{
	struct se_cmd *se_cmd = &t->se_cmd;
	struct se_device *dev = se_cmd->se_dev;
	u32 size = se_cmd->data_length, off = HEADER_LEN;
	const struct t10_pr_registration *reg;
	u8 header[HEADER_LEN], *buf;
	u32 all;

	/* SPC-2, 5.5.1: conflicts whoever asks. */
	if (dev->dev_reservation_flags & DRF_SPC2_RESERVATIONS)
		return TCM_RESERVATION_CONFLICT;

	buf = kvzalloc(max(size, 1U), GFP_KERNEL_ACCOUNT);
	if (!buf)
		return TCM_OUT_OF_RESOURCES;
	spin_lock(&dev->dev_reservation_lock);
	spin_lock(&dev->t10_pr.registration_lock);
	put_unaligned_be32(dev->t10_pr.pr_generation, &header[0]);
	list_for_each_entry(reg, &dev->t10_pr.registration_list, pr_reg_list)
		put_desc(buf, size, &off, reg, dev->dev_pr_res_holder);
	spin_unlock(&dev->t10_pr.registration_lock);
	spin_unlock(&dev->dev_reservation_lock);

	put_unaligned_be32(off - HEADER_LEN, &header[4]);
	all = off;
	off = 0;
	put(buf, size, &off, header, HEADER_LEN);
	if (t->bounce)
		sg_copy_from_buffer(t->bounce, t->bounce_nents, buf,
				    min(all, size));
	kvfree(buf);
	target_set_cmd_data_length(se_cmd, min(all, size));
	target_complete_cmd(se_cmd, SAM_STAT_GOOD);
	return 0;
}
