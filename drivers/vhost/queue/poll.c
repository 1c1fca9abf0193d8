// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looking at an empty queue for a while before the worker sleeps: the guest need
 * not kick then, and the worker need not be woken.
 *
 * How long is learnt: a queue whose guest comes back soon is looked at for longer,
 * up to the limit that its owner or the target set; one whose guest stays away is
 * not looked at.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "internal.h"

/* Nanoseconds to begin with. */
#define FIRST_WINDOW	4000

static u32 poll_limit(const struct vhost_scsi_vq *vq)
{
	u32 us = vq->busyloop ? vq->busyloop : vq->dev->poll_us;

	return min_t(u32, us, VHOST_SCSI_POLL_MAX_US) * NSEC_PER_USEC;
}

/* Did the guest come back soon after the worker gave up? */
static void learn(struct vhost_scsi_poll *poll, u64 now, u32 limit)
{
	if (poll->slept_at) {
		if (now - poll->slept_at > limit)
			poll->window = 0;
		else
			poll->window = max(2 * poll->window, FIRST_WINDOW);
	}
	poll->slept_at = 0;
	poll->window = min(poll->window, limit);
}

/**
 * vhost_scsi_vq_poll - look at an empty queue for a while
 * @vq: running, with notification disabled
 * @w: the worker that calls
 *
 * Not while another queue of the worker waits.
 *
 * Context: @vq->mutex is held.
 * Return: true: look at the ring again, it is not empty.
 */
bool vhost_scsi_vq_poll(struct vhost_scsi_vq *vq, struct vhost_scsi_worker *w)
{
	struct vhost_scsi_poll *poll = &vq->poll;
	u32 limit = poll_limit(vq);
	u64 now, end;

	if (!limit)
		return false;

	now = ktime_get_ns();
	learn(poll, now, limit);
	for (end = now + poll->window; now < end; now = ktime_get_ns()) {
		if (vhost_scsi_ring_pending(&vq->ring))
			return true;
		if (!llist_empty(&w->works) || READ_ONCE(vq->dev->closed) ||
		    signal_pending(current))
			break;
		/* Who wants the processor may be who completes the command. */
		if (!cond_resched())
			cpu_relax();
	}
	poll->slept_at = now;
	return false;
}
