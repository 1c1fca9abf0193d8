/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The number of a target port (SPC-5 4.6.5.2): one for each LUN of a port group on
 * 6.1, which has it when it is linked.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_COMPAT_PORT_H
#define _VHOST_SCSI_COMPAT_PORT_H

#include <target/target_core_base.h>

static inline bool compat_port_has_number(const struct se_portal_group *tpg)
{
#ifdef COMPAT_TARGET_TPG_RTPI
	return tpg->tpg_rtpi;
#else
	return true;
#endif
}

/* The number of the port by which a LUN is reached. */
static inline u16 compat_port_number(const struct se_lun *lun)
{
#ifdef COMPAT_TARGET_TPG_RTPI
	return lun->lun_tpg->tpg_rtpi;
#else
	return lun->lun_rtpi;
#endif
}

/**
 * compat_port_set_manual - does LIO give the port the number that it has, or any
 * @tpg: the port group
 * @manual: the number that it has
 *
 * Return: what it was.
 */
static inline bool compat_port_set_manual(struct se_portal_group *tpg, bool manual)
{
	bool was = false;

#ifdef COMPAT_TARGET_TPG_RTPI
	was = tpg->rtpi_manual;
	tpg->rtpi_manual = manual;
#endif
	return was;
}

#endif /* _VHOST_SCSI_COMPAT_PORT_H */
