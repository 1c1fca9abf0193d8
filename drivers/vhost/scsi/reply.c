// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pages of a response. They are pinned when the worker gets the chain, so that the
 * response can be written in any context.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/highmem.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "request.h"

/* A piece of @len bytes that the worker writes by user access; may be of many pages. */
static void seg_by_worker(struct vhost_scsi_reply *reply,
			  struct vhost_scsi_seg *seg, size_t len)
{
	reply->by_worker = true;
	seg->page = NULL;
	seg->len = len;
}

static int seg_pin(struct vhost_scsi_reply *reply, struct vhost_scsi_pins *pins,
		   struct vhost_scsi_cursor *in, size_t len)
{
	struct vhost_scsi_seg *seg = &reply->segs[reply->nr];
	void __user *base;
	unsigned long addr;
	int ret = -EOPNOTSUPP;
	size_t n;

	base = vhost_scsi_cursor_piece(in, len, &n, &seg->gpa);
	if (!base)
		return -EFAULT;
	addr = (unsigned long)base;
	seg->off = offset_in_page(addr);
	seg->len = min_t(size_t, n, PAGE_SIZE - seg->off);

	if (pins)
		ret = vhost_scsi_pin_get(pins, addr, &seg->pin, &seg->page);
	if (ret == -EOPNOTSUPP)
		seg_by_worker(reply, seg, n);
	else if (ret)
		return ret;
	vhost_scsi_cursor_skip(in, seg->len);
	return 0;
}

/* Allocates segments for more pieces than fit inline. A piece may have one byte. */
static int reply_grow(struct vhost_scsi_reply *reply, size_t max)
{
	struct vhost_scsi_seg *segs;

	if (reply->segs != reply->inline_segs)
		return 0;
	segs = kmalloc_array(max, sizeof(*segs), GFP_KERNEL_ACCOUNT);
	if (!segs)
		return -ENOMEM;
	memcpy(segs, reply->inline_segs, sizeof(reply->inline_segs));
	reply->segs = segs;
	return 0;
}

/* Pins a response that is split in any way. */
static noinline int reply_pin_pieces(struct vhost_scsi_reply *reply,
				     struct vhost_scsi_pins *pins,
				     struct vhost_scsi_cursor *in, size_t len)
{
	int ret;

	while (reply->room < len) {
		if (reply->nr == VHOST_SCSI_REPLY_SEGS) {
			ret = reply_grow(reply, len);
			if (ret)
				return ret;
		}
		ret = seg_pin(reply, pins, in, len - reply->room);
		if (ret)
			return ret;
		reply->room += reply->segs[reply->nr].len;
		reply->nr++;
	}
	return 0;
}

/**
 * vhost_scsi_reply_pin - pin the pages of a response, those that can be kept
 * @reply: gets the pages; the caller owes vhost_scsi_reply_unpin() in any case
 * @pins: remembers the pages; NULL: none is pinned, the worker writes the response
 * @head: index of the chain
 * @in: at the response bytes; advanced behind them
 * @len: size of the response, at most the device-writable bytes of the chain
 *
 * Context: a worker; may sleep.
 * Return: 0, -EFAULT or -ENOMEM. After an error reply->room bytes can be written.
 */
int vhost_scsi_reply_pin(struct vhost_scsi_reply *reply,
			 struct vhost_scsi_pins *pins, u16 head,
			 struct vhost_scsi_cursor *in, size_t len)
{
	const struct vhost_scsi_iov *iov = in->iov;
	struct vhost_scsi_seg *seg = reply->inline_segs;
	unsigned int off;
	int ret;

	reply->head = head;
	reply->by_worker = false;
	reply->nr = 0;
	reply->room = 0;
	reply->segs = seg;

	/* In most chains the response is a piece of its own, in one page. */
	if (!pins || !in->nr || in->off || !iov->base || iov->len != len)
		return reply_pin_pieces(reply, pins, in, len);
	off = offset_in_page((unsigned long)iov->base);
	if (off + len > PAGE_SIZE)
		return reply_pin_pieces(reply, pins, in, len);

	seg->gpa = iov->gpa;
	seg->off = off;
	seg->len = len;
	ret = vhost_scsi_pin_get(pins, (unsigned long)iov->base, &seg->pin,
				 &seg->page);
	if (ret == -EOPNOTSUPP)
		seg_by_worker(reply, seg, len);
	else if (ret)
		return ret;
	reply->nr = 1;
	reply->room = len;
	in->iov++;
	in->nr--;
	return 0;
}

/**
 * vhost_scsi_reply_write - write the response
 * @vq: the queue, which has the dirty log
 * @reply: pinned
 * @buf: the response
 * @len: bytes; those that do not fit are left out
 *
 * Context: any; if reply->by_worker is set, the worker with vq->mutex held.
 * Return: bytes written.
 */
size_t vhost_scsi_reply_write(struct vhost_scsi_vq *vq,
			      struct vhost_scsi_reply *reply, const void *buf,
			      size_t len)
{
	size_t n, done = 0;
	unsigned int i;

	for (i = 0; i < reply->nr && done < len; i++, done += n) {
		const struct vhost_scsi_seg *seg = &reply->segs[i];

		n = min_t(size_t, seg->len, len - done);
		if (seg->page)
			memcpy_to_page(seg->page, seg->off, buf + done, n);
		/* The table may be another one since: nothing outside of it is written. */
		else if (vhost_scsi_mem_write(vq->mem, seg->gpa, buf + done, n))
			break;
		vhost_scsi_log_write(&vq->log, seg->gpa, n);
	}
	return done;
}

/**
 * vhost_scsi_reply_map - map the pages, to write the response in place
 * @reply: pinned
 * @len: size of the response
 *
 * The guest may write to these pages, too, so the caller must not read from them.
 *
 * Context: any. If this succeeds, the caller owes vhost_scsi_reply_unmap() in the same
 * context, and must not sleep before.
 * Return: the address, or NULL if the response is not in one piece.
 */
void *vhost_scsi_reply_map(const struct vhost_scsi_reply *reply, size_t len)
{
	const struct vhost_scsi_seg *seg = reply->segs;

	if (reply->nr != 1 || seg->len < len || reply->by_worker)
		return NULL;
	return kmap_local_page(seg->page) + seg->off;
}

/**
 * vhost_scsi_reply_unmap - end writing in place, and mark it in the dirty log
 * @vq: the queue, which has the dirty log
 * @reply: pinned
 * @addr: from vhost_scsi_reply_map()
 * @len: likewise
 */
void vhost_scsi_reply_unmap(struct vhost_scsi_vq *vq,
			    const struct vhost_scsi_reply *reply, void *addr,
			    size_t len)
{
	flush_dcache_page(reply->segs->page);
	kunmap_local(addr);
	vhost_scsi_log_write(&vq->log, reply->segs->gpa, len);
}

/**
 * vhost_scsi_reply_now - write a response in the worker that got the chain
 * @vq: the queue, which has the dirty log
 * @in: at the response bytes; not advanced
 * @buf: the response
 * @len: bytes; those that do not fit are left out
 *
 * This allocates nothing, so that it can answer a request for which memory is short.
 *
 * Context: a worker; may sleep.
 * Return: bytes written.
 */
size_t vhost_scsi_reply_now(struct vhost_scsi_vq *vq,
			    const struct vhost_scsi_cursor *in,
			    const void *buf, size_t len)
{
	struct vhost_scsi_cursor cur = *in;
	size_t n, left = 0, done = 0;
	void __user *base;
	u64 gpa;

	while (done < len && !left) {
		base = vhost_scsi_cursor_piece(&cur, len - done, &n, &gpa);
		if (!base)
			break;
		left = copy_to_user(base, buf + done, n);
		vhost_scsi_log_write(&vq->log, gpa, n - left);
		vhost_scsi_cursor_skip(&cur, n - left);
		done += n - left;
	}
	return done;
}

/**
 * vhost_scsi_reply_unpin - unpin the pages of a response
 * @reply: pinned in full or in part
 *
 * Context: any.
 */
void vhost_scsi_reply_unpin(struct vhost_scsi_reply *reply)
{
	unsigned int i;

	for (i = 0; i < reply->nr; i++)
		if (reply->segs[i].page)
			vhost_scsi_pin_put(reply->segs[i].pin,
					   reply->segs[i].page);
	if (reply->segs != reply->inline_segs)
		kfree(reply->segs);
	reply->nr = 0;
	reply->segs = reply->inline_segs;
}
