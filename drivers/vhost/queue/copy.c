// SPDX-License-Identifier: GPL-2.0-only
/*
 * A ring whose pages cannot be kept pinned, because they belong to a file system. The
 * kernel has a copy of the ring, and ring.c works on the copy as on a ring that is
 * mapped. The worker uses the owner's address space. By user access it copies parts of
 * the ring from the owner before ring.c reads them, and to the owner after ring.c wrote
 * them. So the worker answers all chains of such a queue.
 *
 * Context of all functions: the worker with vq->mutex held, or the owner's ioctl that
 * starts the queue; may sleep. They return 0; or -EFAULT: the ring is not in memory any
 * more, or the worker is being killed.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/uaccess.h>

#include "internal.h"

static const struct vring_avail __user *user_avail(const struct vhost_scsi_vq *vq)
{
	return vq->maps[VHOST_SCSI_MAP_AVAIL].user;
}

static struct vring_used __user *user_used(const struct vhost_scsi_vq *vq)
{
	return vq->maps[VHOST_SCSI_MAP_USED].user;
}

/* Copies the avail index from the owner. */
int vhost_scsi_copy_avail_idx(struct vhost_scsi_vq *vq)
{
	__virtio16 idx;

	if (get_user(idx, &user_avail(vq)->idx))
		return -EFAULT;
	WRITE_ONCE(vq->ring.avail->idx, idx);
	/* Entries are read after the index that covers them. */
	virt_rmb();
	return 0;
}

/* Copies the next entry of the driver area, and the descriptors of its chain. */
int vhost_scsi_copy_desc(struct vhost_scsi_vq *vq)
{
	const struct vring_desc __user *from = vq->maps[VHOST_SCSI_MAP_DESC].user;
	struct vhost_scsi_ring *ring = &vq->ring;
	u16 slot = ring->last_avail & (ring->num - 1);
	struct vring_desc *desc;
	unsigned int seen;
	__virtio16 head;
	u16 i;

	if (get_user(head, &user_avail(vq)->ring[slot]))
		return -EFAULT;
	ring->avail->ring[slot] = head;
	i = vhost_scsi_vq16(vq, head);
	/* vhost_scsi_ring_get_desc() checks the copy, and finds a chain that is wrong. */
	for (seen = 0; seen < ring->num && i < ring->num; seen++) {
		desc = &ring->desc[i];
		if (copy_from_user(desc, &from[i], sizeof(*desc)))
			return -EFAULT;
		if (!(vhost_scsi_vq16(vq, desc->flags) & VRING_DESC_F_NEXT))
			break;
		i = vhost_scsi_vq16(vq, desc->next);
	}
	return 0;
}

/* Tells the driver whether to kick, and then copies the avail index. */
int vhost_scsi_copy_notify(struct vhost_scsi_vq *vq)
{
	struct vhost_scsi_ring *ring = &vq->ring;
	struct vring_used __user *used = user_used(vq);
	__virtio16 event = *(__virtio16 *)&ring->used->ring[ring->num];

	if (put_user(ring->used->flags, &used->flags) ||
	    (ring->event_idx &&
	     put_user(event, (__virtio16 __user *)&used->ring[ring->num])))
		return -EFAULT;
	/*
	 * Orders the writes above before the read of the avail index. Pairs with the
	 * driver's barrier between its write of the avail index and its read of these.
	 */
	virt_mb();
	return vhost_scsi_copy_avail_idx(vq);
}

/*
 * Copies the used entries that the owner does not have yet, and then the used index. There
 * are several entries if a worker was killed before it copied the last.
 */
int vhost_scsi_copy_used(struct vhost_scsi_vq *vq)
{
	struct vhost_scsi_ring *ring = &vq->ring;
	struct vring_used __user *used = user_used(vq);
	u16 idx, slot;

	for (idx = vq->copied; idx != ring->used_idx; idx++) {
		slot = idx & (ring->num - 1);
		if (copy_to_user(&used->ring[slot], &ring->used->ring[slot],
				 sizeof(used->ring[slot])))
			return -EFAULT;
	}
	/* Orders the writes of the entries and of the buffers before the used index. */
	virt_wmb();
	if (put_user(ring->used->idx, &used->idx))
		return -EFAULT;
	for (; vq->copied != idx; vq->copied++)
		vhost_scsi_vq_log_chain(vq, vq->copied);
	return 0;
}

/* Copies from the owner whether the driver wants to be signalled. */
int vhost_scsi_copy_wish(struct vhost_scsi_vq *vq)
{
	struct vhost_scsi_ring *ring = &vq->ring;
	const struct vring_avail __user *avail = user_avail(vq);

	/*
	 * Orders the write of the used index before the reads below, as in
	 * vhost_scsi_ring_want_signal().
	 */
	virt_mb();
	return get_user(ring->avail->flags, &avail->flags) ||
	       get_user(ring->avail->ring[ring->num], &avail->ring[ring->num]) ?
	       -EFAULT : 0;
}
