/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a backend does for a command had another name before Linux 6.5.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_COMPAT_OPS_H
#define _VHOST_SCSI_COMPAT_OPS_H

#ifdef COMPAT_TARGET_SBC_OPS
#define exec_cmd_ops	sbc_ops
#endif

#endif /* _VHOST_SCSI_COMPAT_OPS_H */
