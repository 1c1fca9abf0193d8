// SPDX-License-Identifier: GPL-2.0-only
/*
 * The protection information of a command (virtio 1.3, 5.6.6.1; SBC-4, 4.21): a copy in
 * pages of the module, and of a read the guest's pages that get it.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/highmem.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "request.h"
#include "scsi.h"

/* Pages of a device, at most: 32 MiB, for 2 GiB of data in blocks of 512 bytes. */
#define MAX_PAGES	BIT(13)

/* What the device has not filled it must not show: FFh says that it protects nothing. */
#define UNFILLED	0xff

/* Copies the guest's into the pages, or fills these. */
static int fill(const struct vhost_scsi_pi *pi, struct vhost_scsi_cursor *cur,
		bool write)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sg(pi->sgl, sg, pi->nents, i) {
		if (write)
			memset(sg_virt(sg), UNFILLED, sg->length);
		else if (vhost_scsi_cursor_read(cur, sg_virt(sg), sg->length) !=
			 sg->length)
			return -EFAULT;
	}
	return 0;
}

/**
 * vhost_scsi_pi_get - make ready the protection information of a command
 * @pip: gets it; the caller owes vhost_scsi_pi_put() if it is not NULL, also after an
 *	 error
 * @vq: the queue
 * @w: the worker that calls
 * @cur: at the guest's; moved behind it
 * @len: bytes, of whole tuples, not 0
 * @write: the device writes it; otherwise it is copied now
 *
 * Context: a worker; may sleep.
 * Return: 0. -EFAULT: a part is not guest memory. -EAGAIN: the device has MAX_PAGES
 * under way, or see vhost_scsi_data_pin(). -ENOMEM.
 */
int vhost_scsi_pi_get(struct vhost_scsi_pi **pip, struct vhost_scsi_vq *vq,
		      struct vhost_scsi_worker *w,
		      struct vhost_scsi_cursor *cur, u32 len, bool write)
{
	atomic_long_t *sum = &vhost_scsi_host(vq->dev)->pi_pages;
	unsigned int pages = DIV_ROUND_UP(len, PAGE_SIZE);
	struct vhost_scsi_pi *pi;
	int ret;

	pi = kzalloc(sizeof(*pi), GFP_KERNEL_ACCOUNT);
	*pip = pi;
	if (!pi)
		return -ENOMEM;
	pi->guest.ranges = &pi->guest.one;
	pi->len = len;
	pi->nents = pages;
	if (atomic_long_add_return(pages, sum) > (long)MAX_PAGES)
		return -EAGAIN;
	/* At the owner's memory limit the command fails, and no process is killed. */
	pi->sgl = sgl_alloc(len, GFP_KERNEL_ACCOUNT | __GFP_NOWARN |
			    __GFP_RETRY_MAYFAIL, &pi->nents);
	if (!pi->sgl)
		return -ENOMEM;

	ret = fill(pi, cur, write);
	if (!ret && write) {
		ret = vhost_scsi_data_pin(&pi->guest, vq, w, cur, len, true);
		if (!ret)
			vhost_scsi_cursor_skip(cur, len);
	}
	return ret;
}

/**
 * vhost_scsi_pi_copy_back - give the guest the protection information of a read
 * @pi: made ready for the device to write it, and filled; the caller marks
 *	pi->guest in the dirty log
 *
 * Context: any.
 */
void vhost_scsi_pi_copy_back(const struct vhost_scsi_pi *pi)
{
	const struct vhost_scsi_data *guest = &pi->guest;
	struct sg_mapping_iter to;
	struct scatterlist *sg = pi->sgl;
	size_t done, n;
	u32 off = 0;

	sg_miter_start(&to, guest->sgl, guest->nents,
		       SG_MITER_ATOMIC | SG_MITER_TO_SG);
	while (sg_miter_next(&to)) {
		for (done = 0; done < to.length; done += n) {
			n = min_t(size_t, to.length - done, sg->length - off);
			memcpy(to.addr + done, sg_virt(sg) + off, n);
			off += n;
			if (off == sg->length) {
				sg = sg_next(sg);
				off = 0;
			}
		}
	}
	sg_miter_stop(&to);
}

/**
 * vhost_scsi_pi_put - free the protection information of a command
 * @pi: from vhost_scsi_pi_get()
 * @vq: the queue
 *
 * Context: any.
 */
void vhost_scsi_pi_put(struct vhost_scsi_pi *pi, struct vhost_scsi_vq *vq)
{
	vhost_scsi_data_unpin(&pi->guest, vq);
	if (pi->sgl)
		sgl_free(pi->sgl);
	atomic_long_sub(DIV_ROUND_UP(pi->len, PAGE_SIZE),
			&vhost_scsi_host(vq->dev)->pi_pages);
	kfree(pi);
}
