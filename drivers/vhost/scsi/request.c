// SPDX-License-Identifier: GPL-2.0-only
/*
 * Request queues (virtio 1.2, 5.6.6.1): get requests, pin their pages, submit them, and
 * answer them.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/blkdev.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <scsi/scsi_proto.h>

#include "request.h"
#include "scsi.h"
#include "trace.h"

/* Requests that a queue gets before other queues of the worker have a turn... */
#define WEIGHT		256
/* ... and bytes of data. */
#define WEIGHT_BYTES	BIT(20)
/* Pages that a queue remembers, at most: 1 MiB and 8 MiB of guest memory. */
#define MAX_REPLY_PINS	256
#define MAX_DATA_PINS	2048

/**
 * struct request_slot - a request under way
 * @slot: element of the lists of the queue
 * @vq: the queue
 * @reply: pages of the response
 * @data: the data buffer
 * @pi: protection information; NULL: the request has none
 * @deferred: for vhost_scsi_vq_defer()
 * @meter: since when, and what else it is counted by
 * @cmd: the command; last, because the private part of the target follows it
 */
struct request_slot {
	struct vhost_scsi_slot slot;
	struct vhost_scsi_vq *vq;
	struct vhost_scsi_reply reply;
	struct vhost_scsi_data data;
	struct vhost_scsi_pi *pi;
	struct llist_node deferred;
	struct vhost_scsi_meter meter;
	struct vhost_scsi_cmd cmd;
};

/*
 * The faults of a request, and the responses to them (5.6.6.1.1). They are documented
 * in Documentation/errors.rst.
 */
static const struct {
	int err;
	u8 response;
	u8 status;
} errors[] = {
	/* a size or direction that the format does not have */
	{ -EINVAL,	VIRTIO_SCSI_S_FAILURE },
	/* a part is outside of guest memory */
	{ -EFAULT,	VIRTIO_SCSI_S_FAILURE },
	/* more data than a command may carry */
	{ -EMSGSIZE,	VIRTIO_SCSI_S_FAILURE },
	/* invalid LUN bytes, or no such target */
	{ -ENODEV,	VIRTIO_SCSI_S_BAD_TARGET },
	/* the host is short of memory */
	{ -ENOMEM,	VIRTIO_SCSI_S_BUSY },
	/*
	 * VHOST_SCSI_MAX_SLOTS, MAX_ENTRIES of scatterlists of the device, or MAX_PAGES of
	 * protection information are under way
	 */
	{ -EAGAIN,	VIRTIO_SCSI_S_OK, SAM_STAT_TASK_SET_FULL },
};

static size_t slot_size(void)
{
	return ALIGN(sizeof(struct request_slot) + vhost_scsi_target_cmd_size,
		     SMP_CACHE_BYTES);
}

static struct request_slot *slot_nr(const struct vhost_scsi_requests *rq,
				    unsigned int i)
{
	return rq->slots + i * slot_size();
}

static int request_queue_start(struct vhost_scsi_vq *vq)
{
	unsigned int i, nr = min_t(unsigned int, vq->num,
					  VHOST_SCSI_MAX_SLOTS);
	struct vhost_scsi_requests *rq;

	if (vhost_scsi_counts_get(vq))
		return -ENOMEM;
	rq = kzalloc(sizeof(*rq), GFP_KERNEL_ACCOUNT);
	if (!rq)
		return -ENOMEM;
	rq->slots = kvcalloc(nr, slot_size(), GFP_KERNEL_ACCOUNT);
	if (!rq->slots) {
		kfree(rq);
		return -ENOMEM;
	}
	rq->nr_slots = nr;
	rq->last = &vhost_scsi_counts(vq)->none;
	for (i = nr; i--;) {
		struct request_slot *slot = slot_nr(rq, i);

		slot->vq = vq;
		slot->slot.next = rq->ready;
		rq->ready = &slot->slot;
	}

	vhost_scsi_pins_alloc(&rq->reply_pins, &vq->dev->watch,
			      min_t(unsigned int, vq->num, MAX_REPLY_PINS));
	/* A command has one response, and may have many pages of data. */
	BUILD_BUG_ON(MAX_DATA_PINS < VHOST_SCSI_RUN_PAGES);
	vhost_scsi_pins_alloc(&rq->data_pins, &vq->dev->watch, MAX_DATA_PINS);
	vq->private_data = rq;
	return 0;
}

static void request_queue_stop(struct vhost_scsi_vq *vq)
{
	struct vhost_scsi_requests *rq = vhost_scsi_requests(vq);

	if (!rq)
		return;
	vhost_scsi_pins_free(&rq->reply_pins);
	vhost_scsi_pins_free(&rq->data_pins);
	kvfree(rq->slots);
	kfree(rq);
	vq->private_data = NULL;
}

/**
 * vhost_scsi_slots_busy - is a matching request under way
 * @vq: a request queue
 * @match: returns true if a command matches
 * @priv: for @match
 * @epoch: requests with a greater epoch do not count
 *
 * This takes no lock of the queue, because a submission may hold vq->mutex for long. It
 * finds each request that is under way during the whole call. It may or may not find
 * one that begins or ends during the call.
 *
 * Context: process.
 */
bool vhost_scsi_slots_busy(struct vhost_scsi_vq *vq,
			   bool (*match)(const struct vhost_scsi_cmd *cmd,
					 void *priv),
			   void *priv, u64 epoch)
{
	const struct vhost_scsi_requests *rq;
	bool busy = false;
	unsigned int i;

	if (!vhost_scsi_vq_tryget(vq))
		return false;
	rq = vhost_scsi_requests(vq);
	for (i = 0; i < rq->nr_slots && !busy; i++) {
		struct request_slot *slot = slot_nr(rq, i);

		/* Acquire: pairs with the release of slot_fill(). Sees epoch and command. */
		busy = smp_load_acquire(&slot->slot.busy) &&
		       READ_ONCE(slot->cmd.epoch) <= epoch &&
		       match(&slot->cmd, priv);
	}
	vhost_scsi_vq_put(vq);
	return busy;
}

/**
 * vhost_scsi_slots_each - look at the requests under way
 * @vq: a request queue
 * @fn: gets a request, which may end meanwhile, and jiffies when it was taken
 * @priv: for @fn
 *
 * Context: process; as vhost_scsi_slots_busy().
 */
void vhost_scsi_slots_each(struct vhost_scsi_vq *vq,
			   void (*fn)(const struct vhost_scsi_cmd *cmd,
				      u32 started, void *priv),
			   void *priv)
{
	const struct vhost_scsi_requests *rq;
	unsigned int i;

	if (!vhost_scsi_vq_tryget(vq))
		return;
	rq = vhost_scsi_requests(vq);
	for (i = 0; i < rq->nr_slots; i++) {
		struct request_slot *slot = slot_nr(rq, i);

		/* Acquire: as in vhost_scsi_slots_busy(). */
		if (smp_load_acquire(&slot->slot.busy))
			fn(&slot->cmd, slot->meter.started, priv);
		cond_resched();
	}
	vhost_scsi_vq_put(vq);
}

/**
 * vhost_scsi_pages_kept - how many pages a queue remembers
 * @vq: a request queue
 *
 * Context: any.
 */
unsigned int vhost_scsi_pages_kept(struct vhost_scsi_vq *vq)
{
	const struct vhost_scsi_requests *rq;
	unsigned int nr;

	if (!vhost_scsi_vq_tryget(vq))
		return 0;
	rq = vhost_scsi_requests(vq);
	nr = vhost_scsi_pins_kept(&rq->reply_pins) +
	     vhost_scsi_pins_kept(&rq->data_pins);
	vhost_scsi_vq_put(vq);
	return nr;
}

static struct request_slot *slot_get(struct vhost_scsi_vq *vq)
{
	struct vhost_scsi_requests *rq = vhost_scsi_requests(vq);
	struct vhost_scsi_slot *slot = rq->ready;

	if (!slot) {
		slot = vhost_scsi_vq_free_slots(vq);
		if (!slot)
			return NULL;
	}
	rq->ready = slot->next;
	return container_of(slot, struct request_slot, slot);
}

/* Frees a slot whose request was not submitted. */
static void slot_put(struct request_slot *slot)
{
	struct vhost_scsi_requests *rq = vhost_scsi_requests(slot->vq);

	WRITE_ONCE(slot->slot.busy, false);
	slot->slot.next = rq->ready;
	rq->ready = &slot->slot;
}

static void resp_error(struct vhost_scsi_vq *vq,
		       const struct vhost_scsi_request *req,
		       struct virtio_scsi_cmd_resp *resp, int err)
{
	int i;

	memset(resp, 0, sizeof(*resp));
	resp->response = VIRTIO_SCSI_S_FAILURE;
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		if (errors[i].err != err)
			continue;
		resp->response = errors[i].response;
		resp->status = errors[i].status;
	}
	/* If there is a status, the guest looks at the residual. */
	if (resp->status)
		resp->resid = vhost_scsi_to32(vq, req->data_out + req->data_in);
}

/*
 * A request that does not reach the target is answered at once. Return: 0; or -EFAULT: it
 * was given back, because the worker is being killed.
 */
static int request_fail(struct vhost_scsi_vq *vq,
			struct vhost_scsi_request *req,
			struct vhost_scsi_count *count, u8 kind, int err)
{
	struct virtio_scsi_cmd_resp resp;
	size_t len;

	resp_error(vq, req, &resp, err);
	len = vhost_scsi_reply_now(vq, &req->in, &resp, sizeof(resp));
	if (vhost_scsi_vq_give_back(vq)) {
		count->taken--;
		return -EFAULT;
	}
	vhost_scsi_count_fail(vq, count, kind, resp.response, resp.status);
	vhost_scsi_vq_add_used(vq, NULL, req->head, len);
	vhost_scsi_vq_put(vq);
	return 0;
}

/* What a queue got in its turn of the worker. */
struct turn {
	unsigned int nr;
	u64 bytes;
};

static enum vhost_scsi_header header_of(const struct vhost_scsi_vq *vq)
{
	if (!vhost_scsi_has(vq->dev, VIRTIO_SCSI_F_T10_PI))
		return VHOST_SCSI_HEADER_PLAIN;
	return vq->ring.le ? VHOST_SCSI_HEADER_PI_LE : VHOST_SCSI_HEADER_PI_BE;
}

/*
 * Gets the next request of the ring, if there is one. @err: gets 0, or an error of
 * errors[] if the request is faulty. Return: as vhost_scsi_vq_get_desc().
 */
static int request_get(struct vhost_scsi_vq *vq, struct vhost_scsi_worker *w,
		       struct turn *turn, struct vhost_scsi_request *req,
		       int *err)
{
	const enum vhost_scsi_header format = header_of(vq);
	struct vhost_scsi_chain *chain = &w->chain;
	int ret;

	*err = 0;
	if (format == VHOST_SCSI_HEADER_PLAIN &&
	    vhost_scsi_vq_pending(vq) > 0 &&
	    vhost_scsi_request_usual(&vq->ring, vq->mem, chain->window, w->iov,
				     req)) {
		vhost_scsi_vq_get(vq);
		turn->bytes += req->data_in + req->data_out;
	} else {
		ret = vhost_scsi_vq_get_desc(vq, w);
		if (ret <= 0)
			return ret;
		turn->bytes += chain->out_len + chain->in_len;
		*err = vhost_scsi_request_parse(vq->mem, chain, w->iov, format,
						req);
	}
	turn->nr++;
	if (!*err &&
	    !vhost_scsi_endpoint_has(vhost_scsi_host(vq->dev)->ep, &req->target,
				     req->lun))
		*err = -ENODEV;
	return 1;
}

/* Answers a request with a wrong format, or for a target that does not exist. */
static int request_refuse(struct vhost_scsi_vq *vq,
			  struct vhost_scsi_request *req, int err)
{
	struct vhost_scsi_counts *counts = vq->counts;

	trace_vhost_scsi_fault(vq->dev->nr, vq->index, VHOST_SCSI_FAULT_REQUEST, err);
	counts->none.taken++;
	return request_fail(vq, req, &counts->none, VHOST_SCSI_KIND_NONE, err);
}

static enum dma_data_direction
request_dir(const struct vhost_scsi_request *req)
{
	return req->data_out ? DMA_TO_DEVICE :
	       req->data_in ? DMA_FROM_DEVICE : DMA_NONE;
}

static int slot_pin(struct request_slot *slot, struct vhost_scsi_worker *w,
		    struct vhost_scsi_request *req)
{
	const size_t len = req->data_in + req->data_out;
	const bool write = req->data_in;
	struct vhost_scsi_cursor in = req->in, *cur = write ? &in : &req->out;
	struct vhost_scsi_pins *pins = NULL;
	int ret;

	if (likely(!slot->vq->by_worker))
		pins = &vhost_scsi_requests(slot->vq)->reply_pins;
	ret = vhost_scsi_reply_pin(&slot->reply, pins, req->head, &in,
				   sizeof(struct virtio_scsi_cmd_resp));
	if (ret)
		return ret;

	slot->data.write = false;
	if (!len) {
		slot->cmd.dir = DMA_NONE;
		return 0;
	}
	slot->cmd.dir = write ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	/* The data is behind it. */
	if (unlikely(req->pi)) {
		ret = vhost_scsi_pi_get(&slot->pi, slot->vq, w, cur, req->pi,
					write);
		if (ret)
			return ret;
	}
	return vhost_scsi_data_pin(&slot->data, slot->vq, w, cur, len, write);
}

static void slot_unpin(struct request_slot *slot)
{
	if (unlikely(slot->pi)) {
		vhost_scsi_pi_put(slot->pi, slot->vq);
		slot->pi = NULL;
	}
	vhost_scsi_data_unpin(&slot->data, slot->vq);
	vhost_scsi_reply_unpin(&slot->reply);
}

static void slot_fill(struct request_slot *slot,
		      const struct vhost_scsi_request *req,
		      struct vhost_scsi_count *count)
{
	const struct virtio_scsi_cmd_req *hdr = &req->hdr;
	struct vhost_scsi_cmd *cmd = &slot->cmd;

	cmd->epoch = atomic64_read(&vhost_scsi_host(slot->vq->dev)->tmf_epoch);
	cmd->tag = vhost_scsi_vq64(slot->vq, hdr->tag);
	cmd->lun = req->lun;
	cmd->target = req->target;
	cmd->task_attr = hdr->task_attr;
	memcpy(cmd->cdb, hdr->cdb, sizeof(cmd->cdb));
	cmd->data_len = slot->data.len;
	cmd->sgl = slot->data.sgl;
	cmd->sgl_nents = slot->data.nents;
	cmd->sgl_align = slot->data.align;
	cmd->stage = VHOST_SCSI_AT_WORKER;
	slot->slot.tally = &count->kinds[vhost_scsi_kind(cmd->dir)];
	cmd->pi_len = slot->pi ? slot->pi->len : 0;
	cmd->pi_sgl = slot->pi ? slot->pi->sgl : NULL;
	cmd->pi_sgl_nents = slot->pi ? slot->pi->nents : 0;
	/* Release: pairs with the acquire of vhost_scsi_slots_busy(). */
	smp_store_release(&slot->slot.busy, true);
	trace_vhost_scsi_take(cmd);
}

static struct vhost_scsi_cmd *batch_cmd(const struct vhost_scsi_batch *batch,
					unsigned int i)
{
	struct request_slot *slot;

	slot = container_of(batch->slots[i], struct request_slot, slot);
	return &slot->cmd;
}

/*
 * Gives the requests to the target, which has references for them from now on. Their pages
 * are pinned, and their memory is allocated. Both may take as long as the owner likes, and
 * whoever removes a LUN must not wait for that.
 */
static void batch_prepare(struct vhost_scsi_vq *vq, struct vhost_scsi_batch *batch)
{
	struct vhost_scsi_endpoint *ep = vhost_scsi_host(vq->dev)->ep;
	unsigned int i, nr = 0;

	for (i = 0; i < batch->nr; i++)
		if (vhost_scsi_target_prepare(ep, batch_cmd(batch, i)))
			batch->slots[nr++] = batch->slots[i];
	batch->nr = nr;
}

/*
 * Requests are prepared together, and then submitted together. A command that completes at
 * once wakes a thread. If the worker prepared and submitted one command after the other,
 * that thread would take the processor while the next one is prepared. @last: the plug of
 * the pass, which ends with this batch; or NULL.
 */
static void batch_submit(struct vhost_scsi_vq *vq, struct vhost_scsi_worker *w,
			 struct blk_plug *last)
{
	struct vhost_scsi_batch *batch = &w->batch;
	unsigned long began = jiffies;
	int i;

	vhost_scsi_count_seen(vq, vhost_scsi_requests(vq)->last);
	/* The stand-in has no batch, and must leave that of the thread alone. */
	if (!w->acting) {
		batch_prepare(vq, batch);
		vhost_scsi_submit_begin(w, vq);
		while ((i = vhost_scsi_submit_next(w)) >= 0)
			vhost_scsi_target_submit(batch_cmd(batch, i));
		/* The devices get what the plug holds, and may make the thread sleep. */
		if (last)
			blk_finish_plug(last);
		vhost_scsi_submit_end(w);
		batch->held = NULL;
	}
	if (unlikely(jiffies - began > 1))
		vhost_scsi_count_slow(vq);
	vhost_scsi_vq_handled(vq);
}

/* What the thread has not begun goes to the lists of the LUNs. */
static void request_take_over(struct vhost_scsi_worker *w)
{
	struct vhost_scsi_batch *batch = &w->batch;
	unsigned int i;

	/*
	 * The thread may be held twice in a batch, the second time when it ends the plug.
	 * At the first time no slot of the batch has been used again.
	 */
	if (batch->at && !batch->held)
		batch->held = vhost_scsi_target_lun(batch_cmd(batch, batch->at - 1));
	if (batch->held)
		vhost_scsi_target_held(batch->held);
	for (i = batch->at; i < batch->nr; i++)
		vhost_scsi_target_queue(batch_cmd(batch, i));
}

static void request_come_back(struct vhost_scsi_worker *w)
{
	if (w->batch.held)
		vhost_scsi_target_released(w->batch.held);
}

/* Return: as request_fail(). */
static int request_start(struct vhost_scsi_vq *vq, struct vhost_scsi_worker *w,
			 struct vhost_scsi_request *req)
{
	struct vhost_scsi_endpoint *ep = vhost_scsi_host(vq->dev)->ep;
	struct vhost_scsi_batch *batch = &w->batch;
	struct vhost_scsi_requests *rq = vhost_scsi_requests(vq);
	struct vhost_scsi_count *count;
	struct request_slot *slot;
	int ret;

	count = vhost_scsi_count_begin(vq, &rq->last, req->target, req->lun);
	slot = slot_get(vq);
	if (!slot)
		return request_fail(vq, req, count,
				    vhost_scsi_kind(request_dir(req)), -EAGAIN);
	vhost_scsi_meter_start(&slot->meter, count, &slot->cmd);
	ret = slot_pin(slot, w, req);
	if (ret) {
		trace_vhost_scsi_fault(vq->dev->nr, vq->index,
				       VHOST_SCSI_FAULT_PIN, ret);
		slot_unpin(slot);
		slot_put(slot);
		return request_fail(vq, req, count,
				    vhost_scsi_kind(request_dir(req)), ret);
	}

	slot_fill(slot, req, count);
	/* The last batch is submitted, and this one not prepared: nobody waits if this sleeps. */
	if (unlikely(slot->cmd.data_len > VHOST_SCSI_SMALL_DATA))
		vhost_scsi_target_reserve(ep, &slot->cmd);
	if (likely(!w->acting)) {
		batch->slots[batch->nr++] = &slot->slot;
		return 0;
	}
	if (vhost_scsi_target_prepare(ep, &slot->cmd))
		vhost_scsi_target_queue(&slot->cmd);
	return 0;
}

/* One pass over the ring. Return: true if the ring is empty, and the queue goes on. */
static bool request_pass(struct vhost_scsi_vq *vq, struct vhost_scsi_worker *w,
			 struct turn *turn)
{
	struct vhost_scsi_request req;
	struct blk_plug plug;
	int ret = 0, err;
	bool more;

	/* It may be stopped during a submission; it does not drain before the end. */
	vhost_scsi_vq_get(vq);
	vhost_scsi_vq_disable_notify(vq);
	vhost_scsi_vq_pass_begin(vq, w);
	if (!w->acting)
		blk_start_plug(&plug);
	while (vhost_scsi_vq_gets(vq)) {
		ret = request_get(vq, w, turn, &req, &err);
		if (ret <= 0)
			break;
		if (err ? request_refuse(vq, &req, err) :
			  request_start(vq, w, &req))
			break;
		if (w->batch.nr == VHOST_SCSI_BATCH)
			batch_submit(vq, w, NULL);
		if (turn->nr == WEIGHT || turn->bytes >= WEIGHT_BYTES) {
			vhost_scsi_vq_queue(vq);
			break;
		}
	}
	batch_submit(vq, w, &plug);
	vhost_scsi_vq_pass_end(vq);
	more = !ret && vhost_scsi_vq_gets(vq);
	vhost_scsi_vq_put(vq);
	return more;
}

static void request_handle(struct vhost_scsi_vq *vq,
			   struct vhost_scsi_worker *w)
{
	struct turn turn = { .nr = 0 };

	if (!request_pass(vq, w, &turn))
		return;
	/* Ioctls want the mutex, too, however busy it is, or seems to be. */
	if ((!w->acting && vhost_scsi_vq_poll(vq, w)) ||
	    vhost_scsi_vq_enable_notify(vq))
		vhost_scsi_vq_queue(vq);
}

static void resp_fill(struct virtio_scsi_cmd_resp *resp,
		      const struct vhost_scsi_vq *vq,
		      const struct vhost_scsi_cmd *cmd)
{
	memset(resp, 0, sizeof(*resp));
	resp->response = cmd->response;
	if (cmd->response != VIRTIO_SCSI_S_OK)
		return;
	resp->status = cmd->status;
	resp->resid = vhost_scsi_to32(vq, cmd->resid);
	resp->sense_len = vhost_scsi_to32(vq, cmd->sense_len);
	memcpy(resp->sense, cmd->sense, cmd->sense_len);
}

/* Not inline, because the response on its stack is zeroed on entry. */
static noinline size_t resp_write_pieces(struct request_slot *slot)
{
	struct vhost_scsi_vq *vq = slot->vq;
	struct virtio_scsi_cmd_resp resp;

	resp_fill(&resp, vq, &slot->cmd);
	return vhost_scsi_reply_write(vq, &slot->reply, &resp, sizeof(resp));
}

/* Writes the response. Return: bytes written. */
static __always_inline size_t resp_write(struct request_slot *slot)
{
	struct virtio_scsi_cmd_resp *resp;

	resp = vhost_scsi_reply_map(&slot->reply, sizeof(*resp));
	if (!resp)
		return resp_write_pieces(slot);
	resp_fill(resp, slot->vq, &slot->cmd);
	vhost_scsi_reply_unmap(slot->vq, &slot->reply, resp, sizeof(*resp));
	return sizeof(*resp);
}

/* Did a read bring protection information? It does if it brought any data. */
static bool has_pi_in(const struct request_slot *slot)
{
	const struct vhost_scsi_cmd *cmd = &slot->cmd;

	return unlikely(slot->pi) && cmd->dir == DMA_FROM_DEVICE &&
	       cmd->response == VIRTIO_SCSI_S_OK && cmd->resid < cmd->data_len;
}

/* Logs the data, and writes the response. Return: bytes of it that were written. */
static __always_inline size_t answer_begin(struct request_slot *slot)
{
	struct vhost_scsi_vq *vq = slot->vq;

	/* A command that failed may have written a part of the buffer: log all of it. */
	if (slot->data.write && unlikely(rcu_access_pointer(vq->log))) {
		vhost_scsi_data_log(vq, &slot->data, slot->data.len);
		if (slot->pi)
			vhost_scsi_data_log(vq, &slot->pi->guest, slot->pi->len);
	}
	return resp_write(slot);
}

/* @add_used: vhost_scsi_vq_add_used() in the worker, else vhost_scsi_vq_complete() */
static __always_inline void
answer_end(struct request_slot *slot, size_t len,
	   void (*add_used)(struct vhost_scsi_vq *vq, struct vhost_scsi_slot *slot,
			    u16 head, u32 len))
{
	struct vhost_scsi_cmd *cmd = &slot->cmd;
	struct vhost_scsi_vq *vq = slot->vq;
	u16 head = slot->reply.head;

	slot->slot.moved = vhost_scsi_count_end(vq, &slot->meter, cmd);
	if (cmd->dir == DMA_FROM_DEVICE)
		len += slot->slot.moved;
	if (has_pi_in(slot))
		len += cmd->pi_len;

	trace_vhost_scsi_answer(cmd);
	slot_unpin(slot);
	add_used(vq, &slot->slot, head, len);
}

static bool is_dirty(const struct vhost_scsi_data *data)
{
	return !data->write || vhost_scsi_data_is_dirty(data);
}

/* Does writeback know of all pages that the device has written, or will? */
static bool all_dirty(const struct request_slot *slot)
{
	return is_dirty(&slot->data) &&
	       (likely(!slot->pi) || is_dirty(&slot->pi->guest));
}

static void touch(const struct request_slot *slot,
		  const struct vhost_scsi_mem *mem)
{
	if (!is_dirty(&slot->data))
		vhost_scsi_data_touch(&slot->data, mem);
	if (slot->pi && !is_dirty(&slot->pi->guest))
		vhost_scsi_data_touch(&slot->pi->guest, mem);
}

/* For ops->answer(). Without @alive the queue stops, and nobody needs the slot again. */
static bool request_deferred(struct llist_node *node, bool alive)
{
	struct request_slot *slot;
	struct vhost_scsi_vq *vq;
	size_t len;

	slot = container_of(node, struct request_slot, deferred);
	vq = slot->vq;
	if (alive) {
		touch(slot, vq->mem);
		len = answer_begin(slot);
		if (fatal_signal_pending(current))
			return false;
		answer_end(slot, len, vhost_scsi_vq_add_used);
	} else {
		slot_unpin(slot);
		vhost_scsi_count_drop(vq, slot->meter.count);
		WRITE_ONCE(slot->slot.busy, false);
	}
	vhost_scsi_vq_put(vq);
	return true;
}

static void request_used(struct vhost_scsi_vq *vq, struct vhost_scsi_slot *s)
{
	const struct request_slot *slot = container_of(s, struct request_slot, slot);

	vhost_scsi_times_add(&slot->meter, &slot->cmd);
}

const struct vhost_scsi_vq_ops vhost_scsi_request_ops = {
	.handle = request_handle,
	.take_over = request_take_over,
	.come_back = request_come_back,
	.answer = request_deferred,
	.start = request_queue_start,
	.stop = request_queue_stop,
	.used = request_used,
};

static struct vhost_scsi_count *count_of(const struct vhost_scsi_cmd *cmd)
{
	const struct request_slot *slot;

	slot = container_of(cmd, struct request_slot, cmd);
	return slot->meter.count;
}

/**
 * vhost_scsi_cmd_bounced - a command has a bounce buffer
 * @cmd: the command
 *
 * Context: vhost_scsi_target_prepare().
 */
void vhost_scsi_cmd_bounced(const struct vhost_scsi_cmd *cmd)
{
	count_of(cmd)->bounced++;
}

/**
 * vhost_scsi_cmd_deferred - a work item is to submit a command
 * @cmd: the command
 *
 * Context: before it can end. The thread of a worker, without vq->mutex, or its stand-in:
 * both may have commands of one queue.
 */
void vhost_scsi_cmd_deferred(const struct vhost_scsi_cmd *cmd)
{
	atomic64_inc(&count_of(cmd)->deferred);
}

/**
 * vhost_scsi_cmd_place - where a command comes from
 * @cmd: the command
 * @dev: gets the number of the device
 * @queue: gets the index of the queue
 */
void vhost_scsi_cmd_place(const struct vhost_scsi_cmd *cmd, u64 *dev, u32 *queue)
{
	const struct request_slot *slot;

	slot = container_of(cmd, struct request_slot, cmd);
	*dev = slot->vq->dev->nr;
	*queue = slot->vq->index;
}

/**
 * vhost_scsi_cmd_done - the target has finished a command
 * @cmd: the command with its result; the target does not use it any more
 *
 * Context: any.
 */
void vhost_scsi_cmd_done(struct vhost_scsi_cmd *cmd)
{
	struct request_slot *slot;
	struct vhost_scsi_vq *vq;

	slot = container_of(cmd, struct request_slot, cmd);
	vq = slot->vq;
	/* Before the pages are looked at: this writes to them, too. */
	if (has_pi_in(slot))
		vhost_scsi_pi_copy_back(slot->pi);
	rcu_read_lock();
	if (READ_ONCE(vq->by_worker) || slot->reply.by_worker ||
	    !all_dirty(slot)) {
		vhost_scsi_at(cmd, VHOST_SCSI_AT_ANSWER);
		vhost_scsi_vq_defer(vq, &slot->deferred);
	} else {
		answer_end(slot, answer_begin(slot), vhost_scsi_vq_complete);
		vhost_scsi_vq_put(vq);
	}
	rcu_read_unlock();
}
