/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is made of a chain: what it asks for (parse.c), where its answer goes (reply.c)
 * and its data (data.c); and what a request queue has (request.c).
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_REQUEST_H
#define _VHOST_SCSI_REQUEST_H

#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/virtio_scsi.h>

#include "vhost/queue/queue.h"

/* request.c */

/**
 * struct vhost_scsi_requests - what a request queue has from start to drain
 * @slots: one for each request that can be under way
 * @nr_slots: of them
 * @ready: slots for the next requests; under vq->mutex
 * @reply_pins: pages of responses; under vq->mutex
 * @data_pins: pages of data; likewise
 */
struct vhost_scsi_requests {
	void *slots;
	unsigned int nr_slots;
	struct vhost_scsi_slot *ready;
	struct vhost_scsi_pins reply_pins;
	struct vhost_scsi_pins data_pins;
};

static inline struct vhost_scsi_requests *
vhost_scsi_requests(const struct vhost_scsi_vq *vq)
{
	return vq->private_data;
}

/* reply.c */

struct vhost_scsi_seg {
	struct page *page;
	struct vhost_scsi_pin *pin;
	u64 gpa;
	u32 off;
	u32 len;
};

#define VHOST_SCSI_REPLY_SEGS	2

/**
 * struct vhost_scsi_reply - where the answer to a chain goes
 *
 * The pages are pinned, so that any context can write them.
 *
 * @head: the chain
 * @nr: segments in use
 * @room: bytes in them
 * @segs: @inline_segs, or allocated
 * @inline_segs: enough for what drivers do
 */
struct vhost_scsi_reply {
	u16 head;
	u16 nr;
	u32 room;
	struct vhost_scsi_seg *segs;
	struct vhost_scsi_seg inline_segs[VHOST_SCSI_REPLY_SEGS];
};

int vhost_scsi_reply_pin(struct vhost_scsi_reply *reply,
			 struct vhost_scsi_pins *pins, u16 head,
			 struct vhost_scsi_cursor *in, size_t len);
size_t vhost_scsi_reply_write(struct vhost_scsi_vq *vq,
			      struct vhost_scsi_reply *reply, const void *buf,
			      size_t len);
void *vhost_scsi_reply_map(const struct vhost_scsi_reply *reply, size_t len);
void vhost_scsi_reply_unmap(struct vhost_scsi_vq *vq,
			    const struct vhost_scsi_reply *reply, void *addr,
			    size_t len);
size_t vhost_scsi_reply_now(struct vhost_scsi_vq *vq,
			    const struct vhost_scsi_cursor *in,
			    const void *buf, size_t len);
void vhost_scsi_reply_set_dirty(const struct vhost_scsi_reply *reply);
void vhost_scsi_reply_unpin(struct vhost_scsi_reply *reply);

/**
 * vhost_scsi_reply_is_dirty - are its pages marked dirty
 * @reply: pinned
 *
 * As with data: writeback may have cleaned them since they were pinned.
 *
 * Context: any.
 */
static inline bool
vhost_scsi_reply_is_dirty(const struct vhost_scsi_reply *reply)
{
	unsigned int i;

	for (i = 0; i < reply->nr; i++)
		if (!PageDirty(compound_head(reply->segs[i].page)))
			return false;
	return true;
}

/* data.c */

#define VHOST_SCSI_INLINE_SG	16

/**
 * struct vhost_scsi_data - the pinned data buffer of a command
 * @sgl: neighbouring pages merged; @inline_sgl, or an array, or chained from
 *	 @inline_sgl on
 * @nents: entries in use
 * @orig_nents: entries allocated, 0 for @inline_sgl alone
 * @len: bytes
 * @align: see struct vhost_scsi_cmd
 * @write: the device writes it
 * @mem: whose pages these are; NULL: each is pinned for this command, but for @pin
 * @pin: where the first page is remembered, or NULL
 * @more_pins: of how many behind it
 * @cleanable: writeback may mark its pages clean meanwhile
 * @ranges: where it lies in guest memory, for data that the device writes
 * @nr_ranges: of them
 * @one: @ranges for what drivers mostly do
 * @inline_sgl: for what drivers mostly do
 */
struct vhost_scsi_data {
	struct scatterlist *sgl;
	u32 nents;
	u32 orig_nents;
	u32 len;
	u32 align;
	bool write;
	bool cleanable;
	struct vhost_scsi_mem *mem;
	struct vhost_scsi_pin *pin;
	u16 more_pins;
	u16 nr_ranges;
	struct vhost_scsi_range *ranges;
	struct vhost_scsi_range one;
	struct scatterlist inline_sgl[VHOST_SCSI_INLINE_SG];
};

int vhost_scsi_data_pin(struct vhost_scsi_data *data,
			struct vhost_scsi_vq *vq, struct vhost_scsi_worker *w,
			const struct vhost_scsi_cursor *cur, size_t len,
			bool write);
bool vhost_scsi_data_pages_dirty(const struct vhost_scsi_data *data);
void vhost_scsi_data_set_dirty(const struct vhost_scsi_data *data);
void vhost_scsi_data_log(struct vhost_scsi_vq *vq,
			 const struct vhost_scsi_data *data, u32 len);
void vhost_scsi_data_unpin(struct vhost_scsi_data *data,
			   const struct vhost_scsi_vq *vq);

/**
 * vhost_scsi_data_is_dirty - are all pages marked dirty
 * @data: pinned
 *
 * They are marked when they are pinned; writeback of file-backed memory may
 * have cleaned some since.
 *
 * Context: any.
 */
static inline bool vhost_scsi_data_is_dirty(const struct vhost_scsi_data *data)
{
	return !data->cleanable || vhost_scsi_data_pages_dirty(data);
}

/* parse.c */

/**
 * struct vhost_scsi_request - a chain of a request queue, as it was read
 * @head: of the chain
 * @out: at the data-out
 * @in: at the response, which the data-in follows
 * @data_out: bytes; one of the two is 0
 * @data_in: bytes
 * @hdr: the guest's, read once
 * @target: of @hdr.lun
 * @lun: likewise
 */
struct vhost_scsi_request {
	u16 head;
	struct vhost_scsi_cursor out;
	struct vhost_scsi_cursor in;
	size_t data_out;
	size_t data_in;
	struct virtio_scsi_cmd_req hdr;
	u8 target;
	u16 lun;
};

/* The table of a usual request: request, response, data. */
#define VHOST_SCSI_USUAL_DESCS	3

bool vhost_scsi_request_usual(struct vhost_scsi_ring *ring,
			      const struct vhost_scsi_mem *mem,
			      struct vring_desc *table,
			      struct vhost_scsi_iov *iov,
			      struct vhost_scsi_request *req);
int vhost_scsi_request_parse(const struct vhost_scsi_mem *mem,
			     const struct vhost_scsi_chain *chain,
			     struct vhost_scsi_iov *iov,
			     struct vhost_scsi_request *req);

/**
 * struct vhost_scsi_control - a chain of the control queue, as it was read
 * @head: of the chain
 * @in: at the response
 * @in_len: bytes that the guest has for it
 * @type: VIRTIO_SCSI_T_*, a known one; T_TMF if the guest's is not
 * @subtype: of T_TMF: VIRTIO_SCSI_T_TMF_*, any value
 * @tag: of T_TMF
 * @target: of the LUN field
 * @lun: likewise
 */
struct vhost_scsi_control {
	u16 head;
	struct vhost_scsi_cursor in;
	u64 in_len;
	u32 type;
	u32 subtype;
	u64 tag;
	u8 target;
	u16 lun;
};

u8 vhost_scsi_control_parse(const struct vhost_scsi_mem *mem,
			    const struct vhost_scsi_chain *chain,
			    struct vhost_scsi_iov *iov, bool le,
			    struct vhost_scsi_control *c);

#endif /* _VHOST_SCSI_REQUEST_H */
