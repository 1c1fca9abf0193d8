/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The upper wing of the guest's side: a SCSI host with its control queue, event queue
 * and request queues (virtio 1.2, 5.6). What its files share; nobody else includes it.
 * What is made of a chain is in request.h.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_SCSI_H
#define _VHOST_SCSI_SCSI_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/virtio_scsi.h>

#include "vhost-scsi.h"
#include "vhost/queue/queue.h"

/* virtio 1.2, 5.6.2 */
enum {
	VHOST_SCSI_VQ_CTL,
	VHOST_SCSI_VQ_EVT,
	VHOST_SCSI_VQ_IO,
};

#define VHOST_SCSI_MAX_IO_VQ	1024

/**
 * struct vhost_scsi_events - events that wait for the guest
 * @lock: guards what follows
 * @list: of them
 * @nr: of @list
 * @missed: some could not be kept
 */
struct vhost_scsi_events {
	spinlock_t lock;	/* see above */
	struct list_head list;
	unsigned int nr;
	bool missed;
};

/**
 * struct vhost_scsi_host - an open /dev/vhost-scsi
 * @ep: what the device is bound to; under dev.mutex
 * @tmf_epoch: counts task management functions, see control.c
 * @tmfs: of them under way
 * @sg_entries: of scatterlists that were allocated for requests under way
 * @events: for the guest
 * @dev: last, for its queues follow
 */
struct vhost_scsi_host {
	struct vhost_scsi_endpoint *ep;
	atomic64_t tmf_epoch;
	atomic_t tmfs;
	atomic_long_t sg_entries;
	struct vhost_scsi_events events;
	struct vhost_scsi_dev dev;
};

static inline struct vhost_scsi_host *vhost_scsi_host(struct vhost_scsi_dev *dev)
{
	return container_of(dev, struct vhost_scsi_host, dev);
}

/* request.c */

extern const struct vhost_scsi_vq_ops vhost_scsi_request_ops;

bool vhost_scsi_slots_busy(struct vhost_scsi_vq *vq,
			   bool (*match)(const struct vhost_scsi_cmd *cmd,
					 void *priv),
			   void *priv, u64 epoch);

/* control.c */

extern const struct vhost_scsi_vq_ops vhost_scsi_control_ops;

/* event.c */

extern const struct vhost_scsi_vq_ops vhost_scsi_event_ops;

void vhost_scsi_events_init(struct vhost_scsi_events *ev);
void vhost_scsi_events_clear(struct vhost_scsi_events *ev);
void vhost_scsi_events_set_missed(struct vhost_scsi_events *ev, bool missed);
bool vhost_scsi_events_get_missed(const struct vhost_scsi_events *ev);

#endif /* _VHOST_SCSI_SCSI_H */
