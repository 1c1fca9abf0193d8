// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control queue (virtio 1.2, 5.6.6.2): task management functions and
 * asynchronous notification.
 *
 * A task management function takes four steps. Each step is a work item that never
 * waits, so that many functions can be under way:
 *
 *   fetch	The workers get all requests that the guest made available before the
 *		function. Otherwise one of them could begin after the answer.
 *   issue	The target carries out the function.
 *   settle	All requests that the function concerns are answered, also those that
 *		were already ending when the target looked for them.
 *   answer	The function is answered.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/slab.h>

#include "request.h"
#include "scsi.h"
#include "trace.h"

/* Further functions are answered BUSY, because each takes memory and a work item. */
#define MAX_TMFS	64
/* Looks for unsettled requests before the function is issued again. */
#define SETTLE_TRIES	64
/* Control requests that are handled before other queues of the worker get a turn. */
#define WEIGHT		64

/**
 * struct control_tmf - a task management function under way
 * @tmf: for the target
 * @vq: the control queue
 * @reply: where the answer goes
 * @deferred: the worker is to answer
 * @node: in host->tmf_list
 * @started: jiffies
 * @stage: a word for those who ask what hangs
 * @work: runs @step
 * @step: the next step
 * @epoch: set after fetch; requests with a greater epoch came after the function
 * @tries: how often @step ran
 * @avail: for each request queue, vq->handled when the chains before the function are
 *	   fetched
 */
struct control_tmf {
	struct vhost_scsi_tmf tmf;
	struct vhost_scsi_vq *vq;
	struct vhost_scsi_reply reply;
	struct llist_node deferred;
	struct list_head node;
	u32 started;
	const char *stage;
	struct delayed_work work;
	void (*step)(struct control_tmf *ct);
	u64 epoch;
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
		vhost_scsi_count_tmf(vq->dev, c->subtype, VHOST_SCSI_TMF_BEGUN);
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

static void tmf_next(struct control_tmf *ct,
		     void (*step)(struct control_tmf *ct), unsigned long delay)
{
	ct->step = step;
	queue_delayed_work(vhost_scsi_dev_wq, &ct->work, delay);
}

static void tmf_work(struct work_struct *work)
{
	struct control_tmf *ct;

	ct = container_of(work, struct control_tmf, work.work);
	ct->step(ct);
}

static u32 tmf_write(struct control_tmf *ct)
{
	struct virtio_scsi_ctrl_tmf_resp resp = {
		.response = ct->tmf.response,
	};

	return vhost_scsi_reply_write(ct->vq, &ct->reply, &resp, sizeof(resp));
}

static void tmf_list(struct control_tmf *ct)
{
	struct vhost_scsi_host *host = vhost_scsi_host(ct->vq->dev);

	trace_vhost_scsi_tmf_begin(ct->vq->dev->nr, ct->tmf.function, ct->tmf.target,
				   ct->tmf.lun, ct->tmf.tag, 0);
	ct->started = jiffies;
	ct->stage = "fetch";
	spin_lock(&host->tmf_lock);
	list_add_tail(&ct->node, &host->tmf_list);
	spin_unlock(&host->tmf_lock);
}

static void tmf_unlist(struct control_tmf *ct)
{
	struct vhost_scsi_host *host = vhost_scsi_host(ct->vq->dev);

	spin_lock(&host->tmf_lock);
	list_del(&ct->node);
	spin_unlock(&host->tmf_lock);
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

	tmf_unlist(ct);
	vhost_scsi_reply_unpin(&ct->reply);
	kvfree(ct);
	vhost_scsi_vq_put(vq);
}

/* In the worker. */
static void tmf_deferred(struct llist_node *node, bool alive)
{
	struct control_tmf *ct = container_of(node, struct control_tmf, deferred);

	if (alive) {
		tmf_count(ct);
		vhost_scsi_vq_add_used(ct->vq, NULL, ct->reply.head,
				       tmf_write(ct));
	} else {
		vhost_scsi_count_tmf(ct->vq->dev, ct->tmf.function,
				     VHOST_SCSI_TMF_DROPPED);
	}
	tmf_end(ct);
}

static void tmf_answer(struct control_tmf *ct)
{
	bool defer;

	atomic_dec(&vhost_scsi_host(ct->vq->dev)->tmfs);
	rcu_read_lock();
	defer = READ_ONCE(ct->vq->by_worker) || ct->reply.by_worker;
	if (!defer) {
		tmf_count(ct);
		vhost_scsi_vq_complete(ct->vq, NULL, ct->reply.head,
				       tmf_write(ct));
	}
	rcu_read_unlock();
	if (defer) {
		WRITE_ONCE(ct->stage, "answer");
		vhost_scsi_vq_defer(ct->vq, &ct->deferred);
	} else {
		tmf_end(ct);
	}
}

static bool tmf_match(const struct vhost_scsi_cmd *cmd, void *priv)
{
	const struct vhost_scsi_tmf *tmf = priv;

	if (cmd->target != tmf->target || cmd->lun != tmf->lun)
		return false;
	return tmf->function != VIRTIO_SCSI_T_TMF_ABORT_TASK ||
	       cmd->tag == tmf->tag;
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

/**
 * vhost_scsi_requests_busy - is a request of this kind under way
 * @dev: bound
 * @match: of what kind; the request may end meanwhile
 * @priv: for @match
 * @epoch: requests that began after this mark do not count
 *
 * Context: process.
 */
bool vhost_scsi_requests_busy(struct vhost_scsi_dev *dev,
			      bool (*match)(const struct vhost_scsi_cmd *cmd,
					    void *priv),
			      void *priv, u64 epoch)
{
	unsigned int i;

	for (i = VHOST_SCSI_VQ_IO; i < dev->nvqs; i++)
		if (vhost_scsi_slots_busy(&dev->vqs[i], match, priv, epoch))
			return true;
	return false;
}

/**
 * vhost_scsi_tmf_concerns - is a command one that a function under way is to end
 * @host: the host
 * @cmd: the command
 * @epoch: when it began
 *
 * Context: process.
 */
bool vhost_scsi_tmf_concerns(struct vhost_scsi_host *host,
			     const struct vhost_scsi_cmd *cmd, u64 epoch)
{
	struct control_tmf *ct;
	bool found = false;

	spin_lock(&host->tmf_lock);
	list_for_each_entry(ct, &host->tmf_list, node)
		found |= tmf_match(cmd, &ct->tmf) &&
			 epoch <= READ_ONCE(ct->epoch);
	spin_unlock(&host->tmf_lock);
	return found;
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

	spin_lock(&host->tmf_lock);
	list_for_each_entry(ct, &host->tmf_list, node)
		fn(&ct->tmf, ct->started, READ_ONCE(ct->stage), priv);
	spin_unlock(&host->tmf_lock);
}

static bool tmf_concerns_any(struct control_tmf *ct)
{
	return vhost_scsi_requests_busy(ct->vq->dev, tmf_match, &ct->tmf,
					ct->epoch);
}

static void tmf_issue(struct control_tmf *ct);

/* Looking costs time, so the delay grows with the number of looks. */
static unsigned long tmf_delay(const struct control_tmf *ct)
{
	return clamp(ct->tries / 4, 1U, (unsigned int)HZ / 8);
}

static void tmf_settle(struct control_tmf *ct)
{
	WRITE_ONCE(ct->stage, "settle");
	if (!tmf_concerns_any(ct))
		tmf_answer(ct);
	else if (ct->tmf.response == VIRTIO_SCSI_S_FUNCTION_COMPLETE &&
		 ++ct->tries % SETTLE_TRIES == 0)
		/*
		 * A command was between a list of lun.c and the backend when
		 * LIO looked for it: issue the function again.
		 */
		tmf_next(ct, tmf_issue, 0);
	else
		tmf_next(ct, tmf_settle, tmf_delay(ct));
}

/**
 * vhost_scsi_tmf_done - the target has carried out a function
 * @tmf: the function, with its response
 *
 * Context: any.
 */
void vhost_scsi_tmf_done(struct vhost_scsi_tmf *tmf)
{
	struct control_tmf *ct = container_of(tmf, struct control_tmf, tmf);

	if (tmf->response == VIRTIO_SCSI_S_FUNCTION_COMPLETE)
		tmf_next(ct, tmf_settle, 0);
	else
		tmf_next(ct, tmf_answer, 0);
}

static void tmf_issue(struct control_tmf *ct)
{
	/* SAM-5 7.2: ABORT TASK succeeds if there is no such task. */
	if (ct->tmf.function == VIRTIO_SCSI_T_TMF_ABORT_TASK &&
	    !tmf_concerns_any(ct)) {
		ct->tmf.response = VIRTIO_SCSI_S_FUNCTION_COMPLETE;
		tmf_answer(ct);
		return;
	}
	WRITE_ONCE(ct->stage, "issue");
	vhost_scsi_target_tmf(vhost_scsi_host(ct->vq->dev)->ep, &ct->tmf);
}

static void tmf_fetch(struct control_tmf *ct)
{
	struct vhost_scsi_dev *dev = ct->vq->dev;
	unsigned int i;
	bool more = false;

	for (i = VHOST_SCSI_VQ_IO; i < dev->nvqs; i++)
		if (!vhost_scsi_vq_is_handled(&dev->vqs[i],
					      ct->avail[i - VHOST_SCSI_VQ_IO]))
			more = true;
	if (more) {
		ct->tries++;
		tmf_next(ct, tmf_fetch, tmf_delay(ct));
		return;
	}
	ct->tries = 0;
	ct->epoch = vhost_scsi_requests_mark(dev);
	tmf_issue(ct);
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
	/* Until it is known, all are older. */
	ct->epoch = U64_MAX;
	INIT_DELAYED_WORK(&ct->work, tmf_work);
	for (i = VHOST_SCSI_VQ_IO; i < dev->nvqs; i++)
		ct->avail[i - VHOST_SCSI_VQ_IO] =
			vhost_scsi_vq_avail(&dev->vqs[i]);
	return ct;
}

static void handle_tmf(struct vhost_scsi_vq *vq, struct vhost_scsi_control *c)
{
	struct vhost_scsi_host *host = vhost_scsi_host(vq->dev);
	/* An empty table: a page for one byte is not worth remembering. */
	struct vhost_scsi_pins none = { .pins = NULL };
	struct control_tmf *ct;

	if (!vhost_scsi_target_has_tmf(c->subtype)) {
		answer_code(vq, c, VIRTIO_SCSI_S_FUNCTION_REJECTED);
		return;
	}
	if (!vhost_scsi_target_has_lun(host->ep, c->target, c->lun)) {
		answer_code(vq, c, VIRTIO_SCSI_S_INCORRECT_LUN);
		return;
	}
	if (atomic_inc_return(&host->tmfs) > MAX_TMFS)
		goto busy;
	ct = tmf_new(vq, c);
	if (!ct)
		goto busy;

	/*
	 * Ignore errors: if the response buffer is not in guest memory, the answer is
	 * lost, but the function is carried out and the chain is returned.
	 */
	vhost_scsi_reply_pin(&ct->reply, vq->by_worker ? NULL : &none, c->head, &c->in,
			     sizeof(struct virtio_scsi_ctrl_tmf_resp));
	vhost_scsi_count_tmf(vq->dev, c->subtype, VHOST_SCSI_TMF_BEGUN);
	tmf_list(ct);
	tmf_next(ct, tmf_fetch, 0);
	return;

busy:
	atomic_dec(&host->tmfs);
	answer_code(vq, c, VIRTIO_SCSI_S_BUSY);
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
	    !vhost_scsi_endpoint_has(vhost_scsi_host(vq->dev)->ep, c.target))
		code = VIRTIO_SCSI_S_BAD_TARGET;

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
		if (READ_ONCE(vq->dev->closed) ||
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
