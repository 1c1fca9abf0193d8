// SPDX-License-Identifier: GPL-2.0-only
/*
 * REPORT LUNS, and the well known logical unit of that name (SAM-5, 4.7.7.5.1; SPC-5,
 * 10.2).
 *
 * A target has one, LUN C1h 01h of it, which lists the LUNs of the target. The device has
 * one, too (virtio 1.3, 5.6.6.1): C1h 01h is the whole address of it. It lists the LUNs of
 * all targets, as a request addresses them: as a hierarchical LUN, of which the first
 * level is the target.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/rculist.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/unaligned.h>
#include <linux/virtio_scsi.h>
#include <scsi/scsi_common.h>
#include <target/target_core_backend.h>

#include "target.h"

enum {
	/* SPC-5, 6.32: what a REPORT LUNS asks for. */
	SELECT_LUNS = 0,
	SELECT_WELL_KNOWN = 1,
	SELECT_ALL = 2,

	/* INQUIRY: peripheral device type of a well known logical unit. */
	WELL_KNOWN_TYPE = 0x1e,
	STANDARD_LEN = 36,
	LUN_LEN = 8,
	HEADER_LEN = 8,
};

/**
 * struct list - the LUNs that a REPORT LUNS lists
 * @buf: eight bytes, and as many for each
 * @max: that fit
 * @nr: that there are
 */
struct list {
	u8 *buf;
	u32 max;
	u32 nr;
};

static void list_add_lun(struct list *list, const u8 *lun)
{
	if (list->nr < list->max)
		memcpy(list->buf + HEADER_LEN + list->nr * LUN_LEN, lun, LUN_LEN);
	list->nr++;
}

/* @bus: the LUNs are of the device, by their targets; false: of the target. */
static void list_target(struct list *list, const struct vhost_scsi_tpg *tpg,
			bool bus)
{
	const struct se_dev_entry *entry;
	u8 lun[LUN_LEN + 2] = { 1, tpg->target };

	rcu_read_lock();
	hlist_for_each_entry_rcu(entry, &tpg->sess->se_node_acl->lun_entry_hlist,
				 link) {
		/* The guest cannot address it: the same bytes name another. */
		if (entry->mapped_lun > VHOST_SCSI_MAX_LUN)
			continue;
		int_to_scsilun(entry->mapped_lun, (struct scsi_lun *)(lun + 2));
		/* Flat space addressing, see 5.6.6.1. The list of a target has LIO's numbers. */
		if (bus && lun[2])
			lun[2] |= 0x40;
		list_add_lun(list, bus ? lun : lun + 2);
	}
	rcu_read_unlock();
}

static void list_all(struct list *list, const struct vhost_scsi_endpoint *ep,
		     const struct vhost_scsi_tpg *tpg, u8 select)
{
	static const u8 well_known[LUN_LEN] = { 0xc1, 0x01 };
	static const u8 none[LUN_LEN];
	unsigned int i;

	list->nr = 0;
	if (select != SELECT_WELL_KNOWN) {
		if (tpg)
			list_target(list, tpg, false);
		for (i = 0; !tpg && i < ARRAY_SIZE(ep->tpgs); i++)
			if (vhost_scsi_endpoint_tpg(ep, i))
				list_target(list, ep->tpgs[i], true);
	}
	/* LUN 0 where there is none at all, as LIO has it. */
	if (!list->nr && select == SELECT_LUNS && tpg)
		list_add_lun(list, none);
	if (select != SELECT_LUNS)
		list_add_lun(list, well_known);
}

/*
 * Makes the list. @tpg: of this target; NULL: of all of @ep. Return: 0; -EINVAL: there is
 * no such @select; -ENOMEM. The caller frees list->buf by kvfree().
 */
static int make_list(struct list *list, const struct vhost_scsi_endpoint *ep,
		     const struct vhost_scsi_tpg *tpg, u8 select)
{
	if (select > SELECT_ALL)
		return -EINVAL;
	memset(list, 0, sizeof(*list));
	list_all(list, ep, tpg, select);
	list->max = list->nr;
	list->buf = kvzalloc(HEADER_LEN + (size_t)list->max * LUN_LEN,
			     GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!list->buf)
		return -ENOMEM;
	/* Some may have come or gone meanwhile. */
	list_all(list, ep, tpg, select);
	list->nr = min(list->nr, list->max);
	put_unaligned_be32(list->nr * LUN_LEN, list->buf);
	return 0;
}

/**
 * vhost_scsi_report_luns - answer a REPORT LUNS that LIO does not get
 * @ep: the endpoint
 * @tpg: its target, or NULL: of the device
 * @cmd: the command; ends in vhost_scsi_cmd_done()
 *
 * Context: may sleep.
 */
void vhost_scsi_report_luns(const struct vhost_scsi_endpoint *ep,
			    const struct vhost_scsi_tpg *tpg,
			    struct vhost_scsi_cmd *cmd)
{
	struct list list;
	int ret = make_list(&list, ep, tpg, cmd->cdb[2]);

	if (ret == -EINVAL) {
		vhost_scsi_cmd_refuse(cmd, ILLEGAL_REQUEST, 0x24, 0);
		return;
	}
	if (ret) {
		cmd->response = VIRTIO_SCSI_S_BUSY;
		vhost_scsi_cmd_done(cmd);
		return;
	}
	vhost_scsi_answer(cmd, list.buf, HEADER_LEN + list.nr * LUN_LEN,
			  get_unaligned_be32(&cmd->cdb[6]));
	kvfree(list.buf);
}

/**
 * vhost_scsi_execute_report_luns - LIO has it carried out, for a LUN that is there
 * @se_cmd: the command. LIO's own list does not look at SELECT REPORT
 *
 * Context: may sleep.
 * Return: 0: it was completed; or why not.
 */
sense_reason_t vhost_scsi_execute_report_luns(struct se_cmd *se_cmd)
{
	const struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(se_cmd->se_sess->se_tpg);
	struct list list;
	u32 len;
	int ret;

	ret = make_list(&list, NULL, tpg, se_cmd->t_task_cdb[2]);
	if (ret)
		return ret == -EINVAL ? TCM_INVALID_CDB_FIELD :
					TCM_OUT_OF_RESOURCES;
	/* LIO does not look at it for a passed-through device. */
	len = min_t(u32, HEADER_LEN + list.nr * LUN_LEN,
		    get_unaligned_be32(&se_cmd->t_task_cdb[6]));
	sg_copy_from_buffer(se_cmd->t_data_sg, se_cmd->t_data_nents, list.buf,
			    min(len, se_cmd->data_length));
	kvfree(list.buf);
	target_complete_cmd_with_length(se_cmd, SAM_STAT_GOOD, len);
	return 0;
}

static void inquiry(const struct vhost_scsi_tpg *tpg, struct vhost_scsi_cmd *cmd)
{
	u32 alloc = get_unaligned_be16(&cmd->cdb[3]);
	/* SPC-5; response data format 2. */
	u8 data[STANDARD_LEN] = { WELL_KNOWN_TYPE, 0, 7, 2, STANDARD_LEN - 5 };
	static const u8 pages[] = { WELL_KNOWN_TYPE, 0x00, 0, 2, 0x00, 0x83 };
	/* SPC-5, 7.7.6: the page, and the name of the target device, in UTF-8. */
	u8 id[8 + TRANSPORT_IQN_LEN] = { WELL_KNOWN_TYPE, 0x83 };
	size_t len = ALIGN(strlen(tpg->tport->name) + 1, 4);

	if (!(cmd->cdb[1] & 1) && !cmd->cdb[2]) {
		memcpy(&data[8], "LIO-ORG REPORT LUNS         ", 28);
		vhost_scsi_answer(cmd, data, sizeof(data), alloc);
	} else if (cmd->cdb[1] & 1 && cmd->cdb[2] == 0x00) {
		vhost_scsi_answer(cmd, pages, sizeof(pages), alloc);
	} else if (cmd->cdb[1] & 1 && cmd->cdb[2] == 0x83) {
		put_unaligned_be16(4 + len, &id[2]);
		id[4] = tpg->tport->proto << 4 | 3;
		/* PIV, association with the target device, SCSI name string. */
		id[5] = 0xa8;
		id[7] = len;
		strscpy(&id[8], tpg->tport->name, TRANSPORT_IQN_LEN);
		vhost_scsi_answer(cmd, id, 8 + len, alloc);
	} else {
		vhost_scsi_cmd_refuse(cmd, ILLEGAL_REQUEST, 0x24, 0);
	}
}

/**
 * vhost_scsi_wlun_answer - answer a command for the well known logical unit
 * @ep: the endpoint
 * @tpg: of it; for the logical unit of the device any one
 * @cmd: the command; ends in vhost_scsi_cmd_done()
 *
 * Context: may sleep.
 */
void vhost_scsi_wlun_answer(const struct vhost_scsi_endpoint *ep,
			    const struct vhost_scsi_tpg *tpg,
			    struct vhost_scsi_cmd *cmd)
{
	switch (cmd->cdb[0]) {
	case INQUIRY:
		inquiry(tpg, cmd);
		break;
	case REPORT_LUNS:
		vhost_scsi_report_luns(ep, cmd->lun == VHOST_SCSI_WLUN ? tpg : NULL,
				       cmd);
		break;
	case REQUEST_SENSE:
		vhost_scsi_answer_sense(cmd, NO_SENSE, 0, 0);
		break;
	case TEST_UNIT_READY:
		vhost_scsi_answer(cmd, NULL, 0, 0);
		break;
	default:
		vhost_scsi_cmd_refuse(cmd, ILLEGAL_REQUEST, 0x20, 0);
	}
}
