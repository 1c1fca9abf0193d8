/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct submission and direct completion: the target core may call the fabric
 * from the submitter's and from the interrupt's context. Kernels without the
 * choice submit directly and complete in a work item of the target core.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_COMPAT_DIRECT_H
#define _VHOST_SCSI_COMPAT_DIRECT_H

#ifdef COMPAT_TARGET_DIRECT_SUBMIT
#define VHOST_SCSI_DIRECT_SUBMIT			\
	.direct_submit_supp = 1,			\
	.default_submit_type = TARGET_DIRECT_SUBMIT,
#else
#define VHOST_SCSI_DIRECT_SUBMIT
#endif

#ifdef COMPAT_TARGET_DIRECT_COMPL
#define VHOST_SCSI_DIRECT_COMPL				\
	.direct_compl_supp = 1,				\
	.default_compl_type = TARGET_DIRECT_COMPL,
#define VHOST_SCSI_SUBMIT_COMPLETING	VHOST_SCSI_SUBMIT_INLINE
#else
#define VHOST_SCSI_DIRECT_COMPL
/* A backend that completes in the submission, see enum vhost_scsi_submitter. */
#define VHOST_SCSI_SUBMIT_COMPLETING	VHOST_SCSI_SUBMIT_HERE
#endif

#endif /* _VHOST_SCSI_COMPAT_DIRECT_H */
