/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of a request: the parsed chain (parse.c), the pages of its response
 * (reply.c) and of its data (data.c); and the slots of a request queue (request.c).
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
 * struct vhost_scsi_requests - the private data of a request queue, from start to drain
 * @slots: one for each request that can be under way
 * @nr_slots: number of @slots
 * @ready: slots for the next requests; under vq->mutex
 * @last: what the last command is counted in; likewise
 * @reply_pins: remembered pages of responses; under vq->mutex
 * @data_pins: remembered pages of data; likewise
 */
struct vhost_scsi_requests {
	void *slots;
	unsigned int nr_slots;
	struct vhost_scsi_slot *ready;
	struct vhost_scsi_count *last;
	struct vhost_scsi_pins reply_pins;
	struct vhost_scsi_pins data_pins;
};

static inline struct vhost_scsi_requests *
vhost_scsi_requests(const struct vhost_scsi_vq *vq)
{
	return vq->private_data;
}

/* reply.c */

/**
 * struct vhost_scsi_seg - a piece of a response
 * @page: the page, pinned; NULL: the piece is written by user access
 * @pin: the place of @page, if it is a remembered one; or NULL
 * @gpa: guest physical address
 * @off: offset in @page
 * @len: bytes
 */
struct vhost_scsi_seg {
	struct page *page;
	struct vhost_scsi_pin *pin;
	u64 gpa;
	u32 off;
	u32 len;
};

#define VHOST_SCSI_REPLY_SEGS	2

/**
 * struct vhost_scsi_reply - where a response goes
 *
 * Any context can write to pages that are pinned. Pages that cannot be kept are
 * written by the worker.
 *
 * @head: index of the chain
 * @nr: number of @segs in use
 * @room: bytes in them
 * @by_worker: at least one piece is written by user access
 * @segs: @inline_segs, or allocated
 * @inline_segs: enough for the layouts of most drivers
 *
 * The pages are pinned, so that the response can be written in any context.
 */
struct vhost_scsi_reply {
	u16 head;
	u16 nr;
	u16 room;
	bool by_worker;
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
void vhost_scsi_reply_unpin(struct vhost_scsi_reply *reply);

/* data.c */

#define VHOST_SCSI_INLINE_SG	16

/**
 * struct vhost_scsi_data - the pinned data buffer of a command
 * @sgl: the scatterlist, with neighbouring pages merged. It is @inline_sgl, or an array,
 *	 or pages that are chained
 * @nents: entries in use
 * @orig_nents: entries allocated; 0: only @inline_sgl is used
 * @len: bytes
 * @align: see struct vhost_scsi_cmd
 * @write: the device writes the buffer
 * @cleanable: a page is of a file, and writeback may clean it while the command is
 *	       under way
 * @chained: @sgl is pages that are chained
 * @more_pins: number of remembered pages behind the first one
 * @nr_ranges: number of @ranges
 * @mem: the pinned memory table that has the pages, with a reference; NULL: none
 * @pin: the place of the first page, if it is a remembered one; NULL: all pages are
 *	 pinned for this command, or @mem has them
 * @ranges: guest addresses of the buffer; only if @write
 * @one: is @ranges, if one range is enough
 * @inline_sgl: is @sgl, if these entries are enough
 */
struct vhost_scsi_data {
	struct scatterlist *sgl;
	u32 nents;
	u32 orig_nents;
	u32 len;
	u32 align;
	bool write;
	bool cleanable;
	bool chained;
	u16 more_pins;
	u16 nr_ranges;
	struct vhost_scsi_mem *mem;
	struct vhost_scsi_pin *pin;
	struct vhost_scsi_range *ranges;
	struct vhost_scsi_range one;
	struct scatterlist inline_sgl[VHOST_SCSI_INLINE_SG];
};

int vhost_scsi_data_pin(struct vhost_scsi_data *data,
			struct vhost_scsi_vq *vq, struct vhost_scsi_worker *w,
			const struct vhost_scsi_cursor *cur, size_t len,
			bool write);
bool vhost_scsi_data_pages_dirty(const struct vhost_scsi_data *data);
void vhost_scsi_data_touch(const struct vhost_scsi_data *data,
			   const struct vhost_scsi_mem *mem);
void vhost_scsi_data_log(struct vhost_scsi_vq *vq,
			 const struct vhost_scsi_data *data, u32 len);
void vhost_scsi_data_unpin(struct vhost_scsi_data *data,
			   const struct vhost_scsi_vq *vq);

/**
 * vhost_scsi_data_is_dirty - are all pages marked dirty
 * @data: pinned
 *
 * They were marked when they were pinned. Writeback may have cleaned those of a file
 * since then.
 *
 * Context: any.
 */
static inline bool vhost_scsi_data_is_dirty(const struct vhost_scsi_data *data)
{
	return !data->cleanable || vhost_scsi_data_pages_dirty(data);
}

/* pi.c */

/**
 * struct vhost_scsi_pi - the protection information of a command
 *
 * Target and backstore look at it more than once, so that the guest must not reach it;
 * and a tuple may be cut anywhere in the guest's memory. So it is always copied. It has
 * a 64th of the bytes of the data, at most.
 *
 * @sgl: pages of the module
 * @nents: entries of @sgl
 * @len: bytes
 * @guest: of a read, the guest's pages
 */
struct vhost_scsi_pi {
	struct scatterlist *sgl;
	unsigned int nents;
	u32 len;
	struct vhost_scsi_data guest;
};

int vhost_scsi_pi_get(struct vhost_scsi_pi **pip, struct vhost_scsi_vq *vq,
		      struct vhost_scsi_worker *w,
		      struct vhost_scsi_cursor *cur, u32 len, bool write);
void vhost_scsi_pi_copy_back(const struct vhost_scsi_pi *pi);
void vhost_scsi_pi_put(struct vhost_scsi_pi *pi, struct vhost_scsi_vq *vq);

/* parse.c */

/* Which header requests have, and for the sizes in it the byte order. */
enum vhost_scsi_header {
	VHOST_SCSI_HEADER_PLAIN,
	VHOST_SCSI_HEADER_PI_LE,
	VHOST_SCSI_HEADER_PI_BE,
};

/**
 * struct vhost_scsi_request - a parsed chain of a request queue
 * @head: index of the chain
 * @out: at the data-out, or the protection information before it
 * @in: at the response, which is followed by the data-in, likewise
 * @pi: bytes of protection information before the data
 * @data_out: bytes of data-out; this or @data_in is 0
 * @data_in: bytes of data-in
 * @hdr: a copy of the guest's header
 * @target: the target in @hdr.lun
 * @lun: the LUN in @hdr.lun
 */
struct vhost_scsi_request {
	u16 head;
	struct vhost_scsi_cursor out;
	struct vhost_scsi_cursor in;
	u32 pi;
	size_t data_out;
	size_t data_in;
	struct virtio_scsi_cmd_req hdr;
	u8 target;
	u16 lun;
};

/* Descriptors of a usual request: header, response, data. */
#define VHOST_SCSI_USUAL_DESCS	3

bool vhost_scsi_request_usual(struct vhost_scsi_ring *ring,
			      const struct vhost_scsi_mem *mem,
			      struct vring_desc *table,
			      struct vhost_scsi_iov *iov,
			      struct vhost_scsi_request *req);
int vhost_scsi_request_parse(const struct vhost_scsi_mem *mem,
			     const struct vhost_scsi_chain *chain,
			     struct vhost_scsi_iov *iov,
			     enum vhost_scsi_header format,
			     struct vhost_scsi_request *req);

/**
 * struct vhost_scsi_control - a parsed chain of the control queue
 * @head: index of the chain
 * @in: at the response
 * @in_len: device-writable bytes
 * @type: VIRTIO_SCSI_T_*; T_TMF if the guest's type is unknown
 * @subtype: of a TMF: VIRTIO_SCSI_T_TMF_*, or any other value
 * @tag: of a TMF
 * @target: the target in the LUN field
 * @lun: the LUN in the LUN field
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
