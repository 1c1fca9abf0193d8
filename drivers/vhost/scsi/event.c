// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event queue (virtio 1.3, 5.6.6.3): LUNs that come, go, and change.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/list.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "address.h"
#include "request.h"
#include "scsi.h"
#include "trace.h"

/* Events that may wait for the worker or a buffer. Further ones are missed (5.6.6.3.2). */
#define MAX_EVENTS	128
/* Events at a time, before other queues of the worker have their turn. */
#define WEIGHT		64

struct event {
	struct list_head node;
	u8 target;
	u16 lun;
	u32 type;
	u32 reason;
};

static struct vhost_scsi_stat *stat_of(struct vhost_scsi_events *ev)
{
	return &container_of(ev, struct vhost_scsi_host, events)->stat;
}

/* The events of virtio 1.3, 5.6.6.3.2, and who gets them. */
static const struct {
	u8 feature;
	u32 type;
	u32 reason;
} kinds[] = {
	[VHOST_SCSI_LUN_ADDED] = {
		VIRTIO_SCSI_F_HOTPLUG, VIRTIO_SCSI_T_TRANSPORT_RESET,
		VIRTIO_SCSI_EVT_RESET_RESCAN,
	},
	[VHOST_SCSI_LUN_REMOVED] = {
		VIRTIO_SCSI_F_HOTPLUG, VIRTIO_SCSI_T_TRANSPORT_RESET,
		VIRTIO_SCSI_EVT_RESET_REMOVED,
	},
	/* CAPACITY DATA HAS CHANGED: the code, and its qualifier above it. */
	[VHOST_SCSI_LUN_CAPACITY] = {
		VIRTIO_SCSI_F_CHANGE, VIRTIO_SCSI_T_PARAM_CHANGE, 0x2a | 0x09 << 8,
	},
};

void vhost_scsi_events_init(struct vhost_scsi_events *ev)
{
	spin_lock_init(&ev->lock);
	INIT_LIST_HEAD(&ev->list);
}

static struct event *event_pop(struct vhost_scsi_events *ev)
{
	struct event *e;

	spin_lock(&ev->lock);
	e = list_first_entry_or_null(&ev->list, struct event, node);
	if (e) {
		list_del(&e->node);
		ev->nr--;
	}
	spin_unlock(&ev->lock);
	return e;
}

void vhost_scsi_events_clear(struct vhost_scsi_events *ev)
{
	struct event *e;

	while ((e = event_pop(ev)))
		kfree(e);
}

/**
 * vhost_scsi_events_suspend - the device is not bound any more
 * @ev: events
 *
 * The guest that is there when it is bound again, the same after a pause or another,
 * is told that it missed something.
 */
void vhost_scsi_events_suspend(struct vhost_scsi_events *ev)
{
	spin_lock(&ev->lock);
	if (ev->nr)
		ev->missed = true;
	stat_of(ev)->events_missed += ev->nr;
	spin_unlock(&ev->lock);
	vhost_scsi_events_clear(ev);
}

void vhost_scsi_events_set_missed(struct vhost_scsi_events *ev, bool missed)
{
	spin_lock(&ev->lock);
	ev->missed = missed;
	spin_unlock(&ev->lock);
}

bool vhost_scsi_events_get_missed(const struct vhost_scsi_events *ev)
{
	return READ_ONCE(ev->missed);
}

/* The guest is told once of all missed events, with the next event. */
static bool events_take_missed(struct vhost_scsi_events *ev)
{
	bool missed;

	spin_lock(&ev->lock);
	missed = ev->missed;
	ev->missed = false;
	spin_unlock(&ev->lock);
	return missed;
}

/**
 * vhost_scsi_lun_event - tell the guest of a LUN, if it wants to be told
 * @dev: bound to the target
 * @target: number of the target
 * @lun: the LUN
 * @what: has become of it
 *
 * Context: may sleep.
 */
void vhost_scsi_lun_event(struct vhost_scsi_dev *dev, u8 target, u16 lun,
			  enum vhost_scsi_lun_event what)
{
	struct vhost_scsi_events *ev = &vhost_scsi_host(dev)->events;
	bool missed = true;
	struct event *e;

	if (!vhost_scsi_has(dev, kinds[what].feature) ||
	    READ_ONCE(dev->closed))
		return;

	e = kmalloc(sizeof(*e), GFP_KERNEL_ACCOUNT);
	if (e) {
		e->target = target;
		e->lun = lun;
		e->type = kinds[what].type;
		e->reason = kinds[what].reason;
	}

	spin_lock(&ev->lock);
	if (e && ev->nr < MAX_EVENTS) {
		list_add_tail(&e->node, &ev->list);
		ev->nr++;
		e = NULL;
		missed = false;
	} else {
		ev->missed = true;
		stat_of(ev)->events_missed++;
	}
	spin_unlock(&ev->lock);
	kfree(e);
	trace_vhost_scsi_event(dev->nr, target, lun, what, missed);
	vhost_scsi_vq_queue(&dev->vqs[VHOST_SCSI_VQ_EVT]);
}

/* What was sent is counted before the guest sees it. */
static void event_count(struct vhost_scsi_events *ev, bool sent, bool missed)
{
	spin_lock(&ev->lock);
	stat_of(ev)->events_sent += sent;
	stat_of(ev)->events_missed += missed;
	spin_unlock(&ev->lock);
}

/* Sends the event @e; if it is NULL, sends that events were missed. */
static bool event_send(struct vhost_scsi_vq *vq, struct vhost_scsi_worker *w,
		       const struct event *e)
{
	struct vhost_scsi_host *host = vhost_scsi_host(vq->dev);
	struct vhost_scsi_cursor in = { .iov = w->iov };
	struct virtio_scsi_event event = {};
	u32 type = VIRTIO_SCSI_T_NO_EVENT;
	size_t len;
	int n;

	if (e) {
		type = e->type;
		vhost_scsi_lun_build(event.lun, e->target, e->lun);
		event.reason = vhost_scsi_to32(vq, e->reason);
	}
	if (events_take_missed(&host->events))
		type |= VIRTIO_SCSI_T_EVENTS_MISSED;
	event.event = vhost_scsi_to32(vq, type);

	n = vhost_scsi_mem_map(vq->mem, w->chain.descs + w->chain.nr_out,
			       w->chain.nr_in, w->iov, 2 * w->chain.max);
	in.nr = n < 0 ? 0 : n;
	len = vhost_scsi_reply_now(vq, &in, &event, sizeof(event));
	event_count(&host->events, len == sizeof(event), e && len < sizeof(event));
	/* The next worker tells the guest that an event was missed. */
	if (len < sizeof(event) && vhost_scsi_vq_give_back(vq))
		return false;
	vhost_scsi_vq_add_used(vq, NULL, w->chain.head, len);
	vhost_scsi_vq_put(vq);
	return len == sizeof(event);
}

static bool events_wait(struct vhost_scsi_events *ev)
{
	return READ_ONCE(ev->nr) || vhost_scsi_events_get_missed(ev);
}

/* Delivers the waiting events. An event that finds no buffer goes on waiting. */
static void event_handle(struct vhost_scsi_vq *vq, struct vhost_scsi_worker *w)
{
	struct vhost_scsi_events *ev = &vhost_scsi_host(vq->dev)->events;
	unsigned int n;
	struct event *e;

	for (n = 0; n < WEIGHT; n++) {
		if (!events_wait(ev) || fatal_signal_pending(current) ||
		    vhost_scsi_vq_next_desc(vq, w) <= 0)
			return;
		e = event_pop(ev);
		if (!event_send(vq, w, e))
			vhost_scsi_events_set_missed(ev, true);
		kfree(e);
	}
	vhost_scsi_vq_queue(vq);
}

const struct vhost_scsi_vq_ops vhost_scsi_event_ops = {
	.handle = event_handle,
};
