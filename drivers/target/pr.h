/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PERSISTENT RESERVE IN and OUT, as check_pr.c and reservation.c both need them.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_PR_H
#define _VHOST_SCSI_PR_H

#include "target.h"

/* SPC-4, 6.15 and 6.16. */
enum {
	PR_ACTION_MASK = 0x1f,		/* byte 1 of both CDBs */

	PRIN_REPORT_CAPABILITIES = 2,
	PRIN_READ_FULL_STATUS = 3,
	PRIN_CAP_SIP_C = 1 << 3,	/* byte 2 */

	PROUT_REGISTER = 0,
	PROUT_RESERVE = 1,
	PROUT_RELEASE = 2,
	PROUT_CLEAR = 3,
	PROUT_PREEMPT = 4,
	PROUT_PREEMPT_AND_ABORT = 5,
	PROUT_REGISTER_AND_IGNORE = 6,
	PROUT_REGISTER_AND_MOVE = 7,

	PR_ANY_TYPE = 1,		/* and scope, as byte 2 of the CDB */
	PROUT_LIST_LEN = 24,
	PROUT_SPEC_I_PT = 1 << 3,	/* byte 20 */
	PROUT_ALL_TG_PT = 1 << 2,
	PROUT_APTPL = 1 << 0,
	PROUT_TID_MIN = 24,
};

/**
 * struct vhost_scsi_pr_out - a PERSISTENT RESERVE OUT
 * @action: service action
 * @scope: as in the CDB, in the upper half of the byte
 * @type: of a reservation
 * @key: reservation key
 * @action_key: service action reservation key
 * @flags: byte 20 of the list
 * @list: the parameter list's begin
 * @len: of @list
 * @registered: so was the nexus before
 * @own_key: with this key
 * @generation: of the device, before
 */
struct vhost_scsi_pr_out {
	u8 action;
	u8 scope;
	u8 type;
	u64 key;
	u64 action_key;
	u8 flags;
	u8 list[PROUT_LIST_LEN + VHOST_SCSI_TRANSPORT_ID_LEN];
	size_t len;
	bool registered;
	u64 own_key;
	u32 generation;
};

sense_reason_t vhost_scsi_pr_out_read(const struct vhost_scsi_tcmd *t,
				      struct vhost_scsi_pr_out *out);
struct t10_pr_registration *vhost_scsi_pr_own(const struct se_cmd *se_cmd);
sense_reason_t vhost_scsi_pr_out_check(const struct se_cmd *se_cmd,
				       const struct vhost_scsi_pr_out *out);

#endif /* _VHOST_SCSI_PR_H */
