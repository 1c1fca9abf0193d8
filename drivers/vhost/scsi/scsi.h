/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The upper wing of the guest's side: a SCSI host with its control queue, event queue
 * and request queues (virtio 1.2, 5.6). Only the files of this wing include this header.
 * request.h has the parts of a request.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_SCSI_H
#define _VHOST_SCSI_SCSI_H

#include <linux/list.h>
#include <linux/llist.h>
#include <linux/spinlock.h>
#include <linux/virtio_scsi.h>

#include "vhost-scsi.h"
#include "vhost/queue/queue.h"
#include "stat.h"

/* virtio 1.2, 5.6.2 */
enum {
	VHOST_SCSI_VQ_CTL,
	VHOST_SCSI_VQ_EVT,
	VHOST_SCSI_VQ_IO,
};

#define VHOST_SCSI_MAX_IO_VQ	1024

/**
 * struct vhost_scsi_events - events that wait for the guest
 * @lock: protects the fields below
 * @list: the events
 * @nr: number of events in @list
 * @missed: an event was lost, and the guest was not told so yet
 */
struct vhost_scsi_events {
	spinlock_t lock;	/* see above */
	struct list_head list;
	unsigned int nr;
	bool missed;
};

/**
 * struct vhost_scsi_tmfs - task management functions under way, see control.c
 * @lock: protects the fields below; a leaf; taken in any context
 * @list: those that @work does not look for at the moment
 * @all: those that are not answered, for those who ask what hangs
 * @nr: how many are to be looked for
 * @rest_until: in nanoseconds of ktime_get_ns(): @work is not queued to run earlier
 * @work: looks for all of them
 */
struct vhost_scsi_tmfs {
	spinlock_t lock;	/* see above */
	struct list_head list;
	struct list_head all;
	unsigned int nr;
	u64 rest_until;
	struct delayed_work work;
};

/**
 * struct vhost_scsi_host - an open /dev/vhost-scsi
 * @ep: the endpoint, or NULL; under dev.mutex
 * @luns: what vhost_scsi_endpoint_luns() said when it was bound last; 0: never
 * @tmf_epoch: counts task management functions, see control.c
 * @tmfs: those under way
 * @looks: up to when looks at the slots are spread, see control.c
 * @sg_entries: number of scatterlist entries allocated for requests under way
 * @pi_pages: pages of protection information of requests under way
 * @events: events for the guest
 * @stat: what is counted of the device as a whole
 * @show: what others see of it, while it is bound; or NULL. Under dev.mutex; read by
 *	  @show_work
 * @show_work: shows LUNs that had their first command
 * @unshown: the counters of these
 * @closed_at: seconds since 1970 when the file was closed; 0: it is open
 * @dev: the device; last, because its queues follow it
 */
struct vhost_scsi_host {
	struct vhost_scsi_endpoint *ep;
	u64 luns;
	atomic64_t tmf_epoch;
	struct vhost_scsi_tmfs tmfs;
	atomic64_t looks;
	atomic_long_t sg_entries;
	atomic_long_t pi_pages;
	struct vhost_scsi_events events;
	struct vhost_scsi_stat stat;
	struct vhost_scsi_show *show;
	struct work_struct show_work;
	struct llist_head unshown;
	time64_t closed_at;
	struct vhost_scsi_dev dev;
};

static inline struct vhost_scsi_host *vhost_scsi_host(struct vhost_scsi_dev *dev)
{
	return container_of(dev, struct vhost_scsi_host, dev);
}

/* request.c */

/* Requests of a queue that are under way, at most. Further ones: TASK SET FULL. */
#define VHOST_SCSI_MAX_SLOTS	1024

extern const struct vhost_scsi_vq_ops vhost_scsi_request_ops;

bool vhost_scsi_slots_busy(struct vhost_scsi_vq *vq,
			   bool (*match)(const struct vhost_scsi_cmd *cmd,
					 void *priv),
			   void *priv, u64 epoch);
void vhost_scsi_slots_each(struct vhost_scsi_vq *vq,
			   void (*fn)(const struct vhost_scsi_cmd *cmd,
				      u32 started, void *priv),
			   void *priv);
unsigned int vhost_scsi_pages_kept(struct vhost_scsi_vq *vq);

/* control.c */

extern const struct vhost_scsi_vq_ops vhost_scsi_control_ops;

bool vhost_scsi_tmfs_concern(struct vhost_scsi_host *host,
			     const struct vhost_scsi_cmd *cmd);
void vhost_scsi_tmfs_each(struct vhost_scsi_host *host,
			  void (*fn)(const struct vhost_scsi_tmf *tmf, u32 started,
				     const char *stage, void *priv),
			  void *priv);
void vhost_scsi_tmfs_init(struct vhost_scsi_tmfs *tmfs);
void vhost_scsi_tmfs_free(struct vhost_scsi_tmfs *tmfs);

/* event.c */

extern const struct vhost_scsi_vq_ops vhost_scsi_event_ops;

void vhost_scsi_events_init(struct vhost_scsi_events *ev);
void vhost_scsi_events_clear(struct vhost_scsi_events *ev);
void vhost_scsi_events_suspend(struct vhost_scsi_events *ev);
void vhost_scsi_events_set_missed(struct vhost_scsi_events *ev, bool missed);
bool vhost_scsi_events_get_missed(const struct vhost_scsi_events *ev);

#endif /* _VHOST_SCSI_SCSI_H */
