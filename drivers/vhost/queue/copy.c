// SPDX-License-Identifier: GPL-2.0-only
/*
 * A ring whose pages cannot be kept: those of a file are its file system's, and an owner
 * may be allowed to lock none. The kernel has a copy of it, for which ring.c does what it
 * does for a ring that is mapped. The worker has the owner's address space, and makes
 * the copy and the owner's memory alike by user access: what it is about to read before,
 * what was written after. So all chains of such a queue are answered by the worker.
 *
 * All functions here are called by the worker with vq->mutex held, and may sleep. They
 * return 0, or -EFAULT: the ring is not there any more.
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

/* How far the guest has filled the ring. */
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

/* The next entry of the driver area, and the descriptors of its chain. */
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
	/* A chain that is wrong is found out by vhost_scsi_ring_get_desc(). */
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

/* Whether the guest is to kick; and then how far it has filled the ring. */
int vhost_scsi_copy_notify(struct vhost_scsi_vq *vq)
{
	struct vhost_scsi_ring *ring = &vq->ring;
	struct vring_used __user *used = user_used(vq);
	__virtio16 event = *(__virtio16 *)&ring->used->ring[ring->num];

	if (put_user(ring->used->flags, &used->flags) ||
	    (ring->event_idx &&
	     put_user(event, (__virtio16 __user *)&used->ring[ring->num])))
		return -EFAULT;
	/* The driver reads the above after it moved its index. */
	virt_mb();
	return vhost_scsi_copy_avail_idx(vq);
}

/* The used entry of @idx, and the index behind it. */
int vhost_scsi_copy_used(struct vhost_scsi_vq *vq, u16 idx)
{
	struct vhost_scsi_ring *ring = &vq->ring;
	struct vring_used __user *used = user_used(vq);
	u16 slot = idx & (ring->num - 1);

	if (copy_to_user(&used->ring[slot], &ring->used->ring[slot],
			 sizeof(used->ring[slot])))
		return -EFAULT;
	/* The entry, and what was written to the buffer, before the index. */
	virt_wmb();
	return put_user(ring->used->idx, &used->idx) ? -EFAULT : 0;
}

/* Whether the driver wants to be signalled. */
int vhost_scsi_copy_wish(struct vhost_scsi_vq *vq)
{
	struct vhost_scsi_ring *ring = &vq->ring;
	const struct vring_avail __user *avail = user_avail(vq);

	/* The used index before the driver's wish. */
	virt_mb();
	return get_user(ring->avail->flags, &avail->flags) ||
	       get_user(ring->avail->ring[ring->num], &avail->ring[ring->num]) ?
	       -EFAULT : 0;
}
