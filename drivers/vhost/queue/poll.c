// SPDX-License-Identifier: GPL-2.0-only
/*
 * Polling: a worker looks at an empty queue for a while before it sleeps. Meanwhile
 * the guest need not kick, and the worker need not be woken.
 *
 * The time is learnt. It doubles when the guest comes back soon after the worker gave
 * up, up to the limit that the owner or the target has set. It drops to 0 when the
 * guest stays away for longer than this limit.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "internal.h"

/* The first time to poll, in nanoseconds. */
#define FIRST_WINDOW	4000

static u32 poll_limit(const struct vhost_scsi_vq *vq)
{
	u32 us = vq->busyloop ? vq->busyloop : vq->dev->poll_us;

	return min_t(u32, us, VHOST_SCSI_POLL_MAX_US) * NSEC_PER_USEC;
}

/* Adapts the time to poll to when the guest came back. */
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
 * vhost_scsi_vq_poll - poll an empty queue
 * @vq: running, with notification disabled
 * @w: the worker that calls
 *
 * This returns early if the worker has other work.
 *
 * Context: @vq->mutex is held.
 * Return: true if the ring is not empty any more.
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
		if (vhost_scsi_vq_pending(vq)) {
			vq->avail_stat.polls_paid++;
			return true;
		}
		if (w->todo || !llist_empty(&w->works) ||
		    READ_ONCE(vq->dev->closed) || signal_pending(current))
			break;
		/* The thread that wants the processor may complete a command. */
		if (!cond_resched())
			cpu_relax();
	}
	poll->slept_at = now;
	vq->avail_stat.polls_unpaid += !!poll->window;
	return false;
}
