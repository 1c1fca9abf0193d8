/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is counted of chains and signals. A field is written under the lock of its side
 * of the ring, whose cache lines the writer has anyway; it is read without a lock.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_QUEUE_STAT_H
#define _VHOST_SCSI_QUEUE_STAT_H

#include <linux/types.h>

/**
 * struct vhost_scsi_tally - chains that were used
 * @nr: number of them
 * @bytes: that they moved
 *
 * The wing above has as many of these as it likes, and names one for each slot. It is
 * under the used_lock of one queue.
 */
struct vhost_scsi_tally {
	u64 nr;
	u64 bytes;
};

/**
 * struct vhost_scsi_avail_stat - what a queue counts on its avail side, under vq->mutex
 * @polls_paid: polls that found a chain
 * @polls_unpaid: polls that did not
 */
struct vhost_scsi_avail_stat {
	u64 polls_paid;
	u64 polls_unpaid;
};

/**
 * struct vhost_scsi_used_stat - what a queue counts on its used side, under used_lock
 * @chains: that were used
 * @signals: to the guest for them
 */
struct vhost_scsi_used_stat {
	u64 chains;
	u64 signals;
};

/**
 * struct vhost_scsi_worker_stat - a worker, as others see it
 * @id: for the worker ioctls
 * @tid: thread ID in the initial namespace
 * @ns: processor time used
 */
struct vhost_scsi_worker_stat {
	u32 id;
	pid_t tid;
	u64 ns;
};

#endif /* _VHOST_SCSI_QUEUE_STAT_H */
