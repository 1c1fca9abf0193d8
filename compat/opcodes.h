/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Operation codes by the names that newer kernels have for them (SPC-4, SBC-5).
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_COMPAT_OPCODES_H
#define _VHOST_SCSI_COMPAT_OPCODES_H

#include <scsi/scsi_proto.h>

#ifndef RESERVE_6
#define RESERVE_6	RESERVE
#define RELEASE_6	RELEASE
#endif

#ifndef WRITE_ATOMIC_16
#define WRITE_ATOMIC_16	0x9c
#endif

#endif /* _VHOST_SCSI_COMPAT_OPCODES_H */
