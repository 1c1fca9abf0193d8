// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control queue (virtio 1.3, 5.6.6.2): task management functions and
 * asynchronous notification.
 *
 * A task management function takes three steps:
 *
 *   fetch	The workers get all requests that the guest made available before the
 *		function. Otherwise one of them could begin after the answer.
 *   look	The target ends the requests that the function concerns, and control.c
 *		looks whether all of them are answered. It does both again until they
 *		are: a command may be between a list of lun.c and LIO, where neither
 *		finds it.
 *   answer	The function is answered.
 *
 * One work item, which never waits, looks for all functions of a device. A look costs
 * time for each slot of each request queue, so the work item then rests for REST times
 * as long as it took: whatever a guest sends and however long its backends hang, its
 * functions take less than a (REST + 1)th of one processor.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/ktime.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "request.h"
#include "scsi.h"
#include "trace.h"

/* Further functions are answered BUSY, because each takes memory and is looked for. */
#define MAX_TMFS	64
/* See above. */
#define REST		8
/*
 * Slots of a device that PREEMPT AND ABORT looks at in a tick, on average: two million in
 * a second. Guests choose how often it looks, and the owner how many slots there are, up
 * to a million.
 */
#define LOOKS_PER_TICK	DIV_ROUND_UP(BIT(21), HZ)
/* Control requests that are handled before other queues of the worker get a turn. */
#define WEIGHT		64

/**
 * struct control_tmf - a task management function under way
 * @tmf: for the target
 * @node: in host->tmfs.list, or of the work item
 * @vq: the control queue
 * @reply: where the response goes
 * @deferred: for vhost_scsi_vq_defer()
 * @all: in host->tmfs.all
 * @started: jiffies when it was taken
 * @answering: the worker is to answer it
 * @fetched: the first step is done
 * @waits: the target has not called vhost_scsi_tmf_done() yet; under host->tmfs.lock
 * @tries: how often this step ran
 * @avail: for each request queue, vq->handled when the chains before the function are
 *	   fetched
 */
struct control_tmf {
	struct vhost_scsi_tmf tmf;
	struct list_head node;
	struct vhost_scsi_vq *vq;
	struct vhost_scsi_reply reply;
	struct llist_node deferred;
	struct list_head all;
	u32 started;
	bool answering;
	bool fetched;
	bool waits;
	unsigned int tries;
	unsigned long avail[];
};

static void answer_now(struct vhost_scsi_vq *vq, struct vhost_scsi_control *c,
		       const void *resp, size_t len)
{
	u32 n = vhost_scsi_reply_now(vq, &c->in, resp, len);

	vhost_scsi_vq_add_used(vq, NULL, c->head, n);
	vhost_scsi_vq_put(vq);
}

/* TMF and AN responses have different formats, with the code at different offsets. */
static void answer_code(struct vhost_scsi_vq *vq, struct vhost_scsi_control *c,
			u8 code)
{
	struct virtio_scsi_ctrl_tmf_resp tmf = { .response = code };
	struct virtio_scsi_ctrl_an_resp an = { .response = code };

	if (c->type == VIRTIO_SCSI_T_TMF) {
		vhost_scsi_count_tmf(vq->dev, c->subtype, VHOST_SCSI_TMFS_BEGUN);
		vhost_scsi_count_tmf_response(vq->dev, c->subtype, code);
		trace_vhost_scsi_tmf_end(vq->dev->nr, c->subtype, c->target, c->lun,
					 c->tag, code);
		answer_now(vq, c, &tmf, sizeof(tmf));
	} else {
		answer_now(vq, c, &an, sizeof(an));
	}
}

/*
 * Task management.
 */

static u32 tmf_write(struct control_tmf *ct)
{
	struct virtio_scsi_ctrl_tmf_resp resp = {
		.response = ct->tmf.response,
	};

	return vhost_scsi_reply_write(ct->vq, &ct->reply, &resp, sizeof(resp));
}

static void tmf_count(struct control_tmf *ct)
{
	trace_vhost_scsi_tmf_end(ct->vq->dev->nr, ct->tmf.function, ct->tmf.target,
				 ct->tmf.lun, ct->tmf.tag, ct->tmf.response);
	vhost_scsi_count_tmf_response(ct->vq->dev, ct->tmf.function,
				      ct->tmf.response);
}

static void tmf_end(struct control_tmf *ct)
{
	struct vhost_scsi_vq *vq = ct->vq;
	struct vhost_scsi_tmfs *tmfs = &vhost_scsi_host(vq->dev)->tmfs;

	spin_lock_irq(&tmfs->lock);
	list_del(&ct->all);
	spin_unlock_irq(&tmfs->lock);
	vhost_scsi_reply_unpin(&ct->reply);
	kvfree(ct);
	vhost_scsi_vq_put(vq);
}

/* For ops->answer(). */
static bool tmf_deferred(struct llist_node *node, bool alive)
{
	struct control_tmf *ct = container_of(node, struct control_tmf, deferred);
	u32 len;

	if (alive) {
		len = tmf_write(ct);
		if (fatal_signal_pending(current))
			return false;
		tmf_count(ct);
		vhost_scsi_vq_add_used(ct->vq, NULL, ct->reply.head, len);
	} else {
		vhost_scsi_count_tmf(ct->vq->dev, ct->tmf.function,
				     VHOST_SCSI_TMFS_DROPPED);
	}
	tmf_end(ct);
	return true;
}

static void tmf_answer(struct control_tmf *ct)
{
	bool defer;

	rcu_read_lock();
	defer = READ_ONCE(ct->vq->by_worker) || ct->reply.by_worker;
	if (!defer) {
		tmf_count(ct);
		vhost_scsi_vq_complete(ct->vq, NULL, ct->reply.head,
				       tmf_write(ct));
	}
	rcu_read_unlock();
	if (defer) {
		WRITE_ONCE(ct->answering, true);
		vhost_scsi_vq_defer(ct->vq, &ct->deferred);
	} else {
		tmf_end(ct);
	}
}

static bool tmf_match(const struct vhost_scsi_cmd *cmd, void *priv)
{
	const struct vhost_scsi_tmf *tmf = priv;

	return cmd->target == tmf->target && vhost_scsi_tmf_concerns(tmf, cmd);
}

/**
 * vhost_scsi_requests_mark - tell requests that began from those that will
 * @dev: the device
 *
 * Context: any.
 * Return: what vhost_scsi_requests_busy() is told.
 */
u64 vhost_scsi_requests_mark(struct vhost_scsi_dev *dev)
{
	return atomic64_fetch_inc(&vhost_scsi_host(dev)->tmf_epoch);
}

static bool requests_busy(struct vhost_scsi_dev *dev,
			  bool (*match)(const struct vhost_scsi_cmd *cmd,
					void *priv),
			  void *priv, u64 epoch)
{
	unsigned int i;

	for (i = VHOST_SCSI_VQ_IO; i < dev->nvqs; i++) {
		if (vhost_scsi_slots_busy(&dev->vqs[i], match, priv, epoch))
			return true;
		cond_resched();
	}
	return false;
}

/* May all slots of the device be looked at now? If so, they count. */
static bool look_pay(struct vhost_scsi_dev *dev)
{
	atomic64_t *looks = &vhost_scsi_host(dev)->looks;
	s64 now = (s64)get_jiffies_64() * LOOKS_PER_TICK;
	s64 begin, old = atomic64_read(looks), slots = 0;
	unsigned int i;

	for (i = VHOST_SCSI_VQ_IO; i < dev->nvqs; i++)
		slots += min_t(u32, READ_ONCE(dev->vqs[i].num),
			       VHOST_SCSI_MAX_SLOTS);
	do {
		begin = max(old, now);
		if (begin - now > LOOKS_PER_TICK)
			return false;
	} while (!atomic64_try_cmpxchg(looks, &old, begin + slots));
	return true;
}

/**
 * vhost_scsi_requests_busy - is a request of this kind under way
 * @dev: bound
 * @match: of what kind; the request may end meanwhile
 * @priv: for @match
 * @epoch: requests that began after this mark do not count
 *
 * Context: process.
 * Return: true if there is one, or if the device was looked at too often of late.
 */
bool vhost_scsi_requests_busy(struct vhost_scsi_dev *dev,
			      bool (*match)(const struct vhost_scsi_cmd *cmd,
					    void *priv),
			      void *priv, u64 epoch)
{
	return !look_pay(dev) || requests_busy(dev, match, priv, epoch);
}

/* Are the requests from before the function on their way to the target? */
static bool tmf_fetch(struct control_tmf *ct)
{
	struct vhost_scsi_dev *dev = ct->vq->dev;
	unsigned int i;

	for (i = VHOST_SCSI_VQ_IO; i < dev->nvqs; i++)
		if (!vhost_scsi_vq_is_handled(&dev->vqs[i],
					      ct->avail[i - VHOST_SCSI_VQ_IO]))
			return false;
	WRITE_ONCE(ct->tmf.epoch, vhost_scsi_requests_mark(dev));
	ct->tries = 0;
	return true;
}

static void tmf_set_waits(struct control_tmf *ct, bool waits)
{
	struct vhost_scsi_tmfs *tmfs = &vhost_scsi_host(ct->vq->dev)->tmfs;

	spin_lock_irq(&tmfs->lock);
	ct->waits = waits;
	spin_unlock_irq(&tmfs->lock);
}

static bool tmf_waits(struct control_tmf *ct)
{
	struct vhost_scsi_tmfs *tmfs = &vhost_scsi_host(ct->vq->dev)->tmfs;
	bool waits;

	/* Not without the lock: vhost_scsi_tmf_done() must be over. */
	spin_lock_irq(&tmfs->lock);
	waits = ct->waits;
	spin_unlock_irq(&tmfs->lock);
	return waits;
}

/* Goes on with a function. Return: it is to be answered. */
static bool tmf_look(struct control_tmf *ct)
{
	struct vhost_scsi_dev *dev = ct->vq->dev;
	enum vhost_scsi_tmf_state state;
	bool busy;

	if (!ct->fetched && !tmf_fetch(ct))
		return false;
	WRITE_ONCE(ct->fetched, true);
	if (tmf_waits(ct))
		return false;
	busy = requests_busy(dev, tmf_match, &ct->tmf, ct->tmf.epoch);
	tmf_set_waits(ct, true);
	state = vhost_scsi_target_tmf(vhost_scsi_host(dev)->ep, &ct->tmf, busy);
	if (state != VHOST_SCSI_TMF_WAIT)
		tmf_set_waits(ct, false);
	return state == VHOST_SCSI_TMF_DONE;
}

/* Ticks until the next look: at first soon, later less often, and not in a rest. */
static unsigned long tmfs_delay(const struct vhost_scsi_tmfs *tmfs,
				unsigned int tries)
{
	u64 now = ktime_get_ns(), rest = 0;
	unsigned int delay = 0;

	if (tries)
		delay = clamp(tries / 4, 1U, (unsigned int)HZ / 8);
	if (tmfs->rest_until > now)
		rest = nsecs_to_jiffies64(tmfs->rest_until - now);
	return max_t(u64, delay, rest);
}

/* A function has come, or can go on. Under tmfs->lock. */
static void tmfs_kick(struct vhost_scsi_tmfs *tmfs)
{
	mod_delayed_work(vhost_scsi_dev_wq, &tmfs->work, tmfs_delay(tmfs, 0));
}

static void tmfs_work(struct work_struct *work)
{
	struct control_tmf *ct, *next;
	unsigned int tries = UINT_MAX;
	struct vhost_scsi_tmfs *tmfs;
	u64 began = ktime_get_ns();
	LIST_HEAD(looked);
	LIST_HEAD(done);

	tmfs = container_of(work, struct vhost_scsi_tmfs, work.work);
	spin_lock_irq(&tmfs->lock);
	list_splice_init(&tmfs->list, &looked);
	spin_unlock_irq(&tmfs->lock);

	list_for_each_entry_safe(ct, next, &looked, node) {
		ct->tries++;
		if (tmf_look(ct))
			list_move_tail(&ct->node, &done);
		else
			tries = min(tries, ct->tries);
		cond_resched();
	}

	spin_lock_irq(&tmfs->lock);
	list_for_each_entry(ct, &done, node)
		tmfs->nr--;
	tmfs->rest_until = max(tmfs->rest_until, began) +
			   (REST + 1) * (ktime_get_ns() - began);
	if (!list_empty(&looked)) {
		list_splice(&looked, &tmfs->list);
		/* Nothing, if it was kicked meanwhile. */
		queue_delayed_work(vhost_scsi_dev_wq, &tmfs->work,
				   tmfs_delay(tmfs, tries));
	}
	spin_unlock_irq(&tmfs->lock);

	list_for_each_entry_safe(ct, next, &done, node)
		tmf_answer(ct);
}

/**
 * vhost_scsi_tmf_done - the target has carried out what it began
 * @tmf: the function, with its response
 *
 * Context: any.
 */
void vhost_scsi_tmf_done(struct vhost_scsi_tmf *tmf)
{
	struct control_tmf *ct = container_of(tmf, struct control_tmf, tmf);
	struct vhost_scsi_tmfs *tmfs = &vhost_scsi_host(ct->vq->dev)->tmfs;
	unsigned long flags;

	/* The function, and the device, may be gone as soon as the lock is given up. */
	spin_lock_irqsave(&tmfs->lock, flags);
	ct->waits = false;
	tmfs_kick(tmfs);
	spin_unlock_irqrestore(&tmfs->lock, flags);
}

/**
 * vhost_scsi_tmfs_concern - is a command one that a function under way is to end
 * @host: the host
 * @cmd: the command, which may end meanwhile
 *
 * Context: process.
 */
bool vhost_scsi_tmfs_concern(struct vhost_scsi_host *host,
			     const struct vhost_scsi_cmd *cmd)
{
	struct control_tmf *ct;
	bool found = false;

	spin_lock_irq(&host->tmfs.lock);
	list_for_each_entry(ct, &host->tmfs.all, all)
		found |= ct->tmf.function != VIRTIO_SCSI_T_TMF_QUERY_TASK &&
			 ct->tmf.function != VIRTIO_SCSI_T_TMF_QUERY_TASK_SET &&
			 tmf_match(cmd, &ct->tmf) &&
			 READ_ONCE(cmd->epoch) <= READ_ONCE(ct->tmf.epoch);
	spin_unlock_irq(&host->tmfs.lock);
	return found;
}

/* Under tmfs->lock. */
static const char *tmf_stage(const struct control_tmf *ct)
{
	if (!READ_ONCE(ct->fetched))
		return "fetch";
	if (READ_ONCE(ct->answering))
		return "answer";
	return ct->waits ? "issue" : "settle";
}

/**
 * vhost_scsi_tmfs_each - look at the task management functions under way
 * @host: the host
 * @fn: called for each with jiffies when it was taken, and its stage; must not sleep
 * @priv: for @fn
 *
 * Context: process.
 */
void vhost_scsi_tmfs_each(struct vhost_scsi_host *host,
			  void (*fn)(const struct vhost_scsi_tmf *tmf, u32 started,
				     const char *stage, void *priv),
			  void *priv)
{
	struct control_tmf *ct;

	spin_lock_irq(&host->tmfs.lock);
	list_for_each_entry(ct, &host->tmfs.all, all)
		fn(&ct->tmf, ct->started, tmf_stage(ct), priv);
	spin_unlock_irq(&host->tmfs.lock);
}

/**
 * vhost_scsi_tmfs_init - prepare for task management functions, once
 * @tmfs: zeroed
 */
void vhost_scsi_tmfs_init(struct vhost_scsi_tmfs *tmfs)
{
	spin_lock_init(&tmfs->lock);
	INIT_LIST_HEAD(&tmfs->list);
	INIT_LIST_HEAD(&tmfs->all);
	INIT_DELAYED_WORK(&tmfs->work, tmfs_work);
}

/**
 * vhost_scsi_tmfs_free - wait until no work item looks for functions
 * @tmfs: of a device that has no chain under way, and gets none
 *
 * Context: may sleep.
 */
void vhost_scsi_tmfs_free(struct vhost_scsi_tmfs *tmfs)
{
	cancel_delayed_work_sync(&tmfs->work);
}

static struct control_tmf *tmf_new(struct vhost_scsi_vq *vq,
				   const struct vhost_scsi_control *c)
{
	struct vhost_scsi_dev *dev = vq->dev;
	struct control_tmf *ct;
	unsigned int i;

	ct = kvzalloc(struct_size(ct, avail, dev->nvqs - VHOST_SCSI_VQ_IO),
		      GFP_KERNEL_ACCOUNT);
	if (!ct)
		return NULL;
	ct->vq = vq;
	ct->tmf.function = c->subtype;
	ct->tmf.target = c->target;
	ct->tmf.lun = c->lun;
	ct->tmf.tag = c->tag;
	/* Until it is known, all commands are older. */
	ct->tmf.epoch = U64_MAX;
	ct->started = jiffies;
	for (i = VHOST_SCSI_VQ_IO; i < dev->nvqs; i++)
		ct->avail[i - VHOST_SCSI_VQ_IO] =
			vhost_scsi_vq_avail(&dev->vqs[i]);
	return ct;
}

static bool tmfs_full(struct vhost_scsi_tmfs *tmfs)
{
	/* Only the worker adds functions. */
	return READ_ONCE(tmfs->nr) >= MAX_TMFS;
}

static void handle_tmf(struct vhost_scsi_vq *vq, struct vhost_scsi_control *c)
{
	struct vhost_scsi_host *host = vhost_scsi_host(vq->dev);
	/* An empty table: a page for one byte is not worth remembering. */
	struct vhost_scsi_pins none = { .pins = NULL };
	struct control_tmf *ct;
	u8 code;

	code = vhost_scsi_target_tmf_check(host->ep, c->subtype, c->target,
					   c->lun);
	if (code != VIRTIO_SCSI_S_FUNCTION_COMPLETE) {
		answer_code(vq, c, code);
		return;
	}
	ct = tmfs_full(&host->tmfs) ? NULL : tmf_new(vq, c);
	if (!ct) {
		answer_code(vq, c, VIRTIO_SCSI_S_BUSY);
		return;
	}

	/*
	 * Ignore errors: if the response buffer is not in guest memory, the answer is
	 * lost, but the function is carried out and the chain is returned.
	 */
	if (vhost_scsi_reply_pin(&ct->reply, vq->by_worker ? NULL : &none, c->head, &c->in,
				 sizeof(struct virtio_scsi_ctrl_tmf_resp)) &&
	    vhost_scsi_vq_give_back(vq)) {
		vhost_scsi_reply_unpin(&ct->reply);
		kvfree(ct);
		return;
	}
	vhost_scsi_count_tmf(vq->dev, c->subtype, VHOST_SCSI_TMFS_BEGUN);
	trace_vhost_scsi_tmf_begin(vq->dev->nr, c->subtype, c->target, c->lun,
				   c->tag, 0);
	spin_lock_irq(&host->tmfs.lock);
	list_add_tail(&ct->all, &host->tmfs.all);
	list_add_tail(&ct->node, &host->tmfs.list);
	host->tmfs.nr++;
	tmfs_kick(&host->tmfs);
	spin_unlock_irq(&host->tmfs.lock);
}

static void control_start(struct vhost_scsi_vq *vq,
			  struct vhost_scsi_worker *w)
{
	/* A faulty request has no subtype. */
	struct vhost_scsi_control c = { .subtype = U32_MAX };
	u8 code;

	code = vhost_scsi_control_parse(vq->mem, &w->chain, w->iov,
					vq->ring.le, &c);
	if (code == VIRTIO_SCSI_S_OK &&
	    !vhost_scsi_endpoint_has(vhost_scsi_host(vq->dev)->ep, &c.target, c.lun))
		code = VIRTIO_SCSI_S_BAD_TARGET;

	if (code != VIRTIO_SCSI_S_OK && vhost_scsi_vq_give_back(vq))
		return;
	/* Asynchronous notification is answered OK; there are no events to subscribe to. */
	if (code != VIRTIO_SCSI_S_OK || c.type != VIRTIO_SCSI_T_TMF)
		answer_code(vq, &c, code);
	else
		handle_tmf(vq, &c);
}

static void control_handle(struct vhost_scsi_vq *vq,
			   struct vhost_scsi_worker *w)
{
	unsigned int n;

	vhost_scsi_vq_disable_notify(vq);
	for (n = 0; n < WEIGHT; n++) {
		if (READ_ONCE(vq->dev->closed) || fatal_signal_pending(current) ||
		    vhost_scsi_vq_next_desc(vq, w) <= 0)
			break;
		control_start(vq, w);
	}
	if (n == WEIGHT)
		vhost_scsi_vq_queue(vq);
}

const struct vhost_scsi_vq_ops vhost_scsi_control_ops = {
	.handle = control_handle,
	.answer = tmf_deferred,
};
