/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device's side of a split virtqueue (virtio 1.2, 2.7). It uses only kernel
 * pointers and plain structs, so that the unit tests can compile it in user space.
 * Section numbers are those of virtio 1.2.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_RING_H
#define _VHOST_SCSI_RING_H

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/types.h>
#include <linux/virtio_byteorder.h>
#include <linux/virtio_ring.h>
#include <asm/barrier.h>

#include "vhost/memory/memory.h"

/* 2.7.1: the queue size is a power of two, at most 32768. */
#define VHOST_SCSI_RING_MAX	32768
/*
 * 2.7.5.3.1: a chain is not longer than the queue size. Some drivers make longer
 * indirect chains, so this many descriptors are allowed for every queue size.
 */
#define VHOST_SCSI_CHAIN_MIN	1024
/* Descriptors of an indirect table that are read at a time. */
#define VHOST_SCSI_WINDOW	16

/**
 * struct vhost_scsi_ring - the state of one split virtqueue
 * @desc: descriptor table, mapped into the kernel; the guest writes to it
 * @avail: driver area, likewise
 * @used: device area, likewise
 * @num: queue size
 * @le: the ring is little endian
 * @event_idx: VIRTIO_F_RING_EVENT_IDX was negotiated
 * @indirect: VIRTIO_F_RING_INDIRECT_DESC was negotiated
 * @on_empty: VIRTIO_F_NOTIFY_ON_EMPTY was negotiated
 * @last_avail: next entry of the avail ring to get
 * @avail_idx: avail->idx as last seen
 * @used_idx: next entry of the used ring to write
 * @signalled_used: used_idx at the last decision to signal
 * @signalled_valid: @signalled_used is valid
 *
 * The avail side (@last_avail, @avail_idx) and the used side (@used_idx and below)
 * share no field, so the caller may protect them by two locks. With @on_empty the used
 * side reads @last_avail, which has moved past each chain before that is used.
 */
struct vhost_scsi_ring {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	u16 num;
	bool le;
	bool event_idx;
	bool indirect;
	bool on_empty;

	u16 last_avail;
	u16 avail_idx;

	u16 used_idx;
	u16 signalled_used;
	bool signalled_valid;
};

/**
 * struct vhost_scsi_chain - one buffer that the guest made available
 * @head: index of the chain, for the used ring
 * @malformed: the driver broke a rule, and the ring itself is intact. @descs has the
 *	       descriptors before the fault
 * @nr_out: device-readable descriptors, the first ones in @descs
 * @nr_in: device-writable descriptors, after the readable ones
 * @out_len: bytes of the readable descriptors
 * @in_len: bytes of the writable descriptors
 * @max: number of elements of @descs
 * @descs: set by vhost_scsi_ring_get_desc()
 * @window: room for a part of an indirect table. It is not on the stack of
 *	    vhost_scsi_ring_get_desc(), because it would be zeroed for each chain
 */
struct vhost_scsi_chain {
	u16 head;
	bool malformed;
	u16 nr_out;
	u16 nr_in;
	u64 out_len;
	u64 in_len;
	u16 max;
	struct vhost_scsi_range *descs;
	struct vring_desc window[VHOST_SCSI_WINDOW];
};

/**
 * typedef vhost_scsi_read_fn - read guest memory for an indirect table
 * @priv: of the caller
 * @gpa: guest physical address
 * @buf: gets the bytes
 * @len: bytes
 *
 * Return: 0, or a negative errno if the bytes cannot be read.
 */
typedef int (*vhost_scsi_read_fn)(void *priv, u64 gpa, void *buf, size_t len);

static inline u16 vhost_scsi_ring16(const struct vhost_scsi_ring *ring,
				    __virtio16 v)
{
	return __virtio16_to_cpu(ring->le, v);
}

size_t vhost_scsi_ring_desc_bytes(u16 num);
size_t vhost_scsi_ring_avail_bytes(u16 num);
size_t vhost_scsi_ring_used_bytes(u16 num);

void vhost_scsi_ring_start(struct vhost_scsi_ring *ring);
int vhost_scsi_ring_get_desc(struct vhost_scsi_ring *ring,
			     struct vhost_scsi_chain *chain,
			     vhost_scsi_read_fn read, void *priv);
bool vhost_scsi_ring_enable_notify(struct vhost_scsi_ring *ring);
void vhost_scsi_ring_disable_notify(struct vhost_scsi_ring *ring);

bool vhost_scsi_ring_want_signal(struct vhost_scsi_ring *ring);

/* These are inline because they run for every command. */

/**
 * vhost_scsi_ring_pending - how many chains wait in the avail ring
 * @ring: running
 *
 * Return: the number; -EIO: the guest's index is more than a queue size ahead, which
 * no correct driver writes (2.7.13.3).
 */
static inline int vhost_scsi_ring_pending(struct vhost_scsi_ring *ring)
{
	u16 ahead;

	if (ring->avail_idx == ring->last_avail) {
		ring->avail_idx = vhost_scsi_ring16(ring,
						    READ_ONCE(ring->avail->idx));
		if (ring->avail_idx == ring->last_avail)
			return 0;
		/*
		 * Orders the read of the index before the reads of the entries.
		 * Pairs with the driver's barrier between its writes of the
		 * entries and of the index.
		 */
		virt_rmb();
	}

	ahead = ring->avail_idx - ring->last_avail;
	return ahead <= ring->num ? ahead : -EIO;
}

/**
 * vhost_scsi_ring_add_used - write the next used entry
 * @ring: running; the caller owes vhost_scsi_ring_update_used_idx()
 * @head: of the chain
 * @len: bytes written to its device-writable part (2.7.8.2)
 */
static inline void vhost_scsi_ring_add_used(struct vhost_scsi_ring *ring,
					    u16 head, u32 len)
{
	struct vring_used_elem *elem;

	elem = &ring->used->ring[ring->used_idx & (ring->num - 1)];
	elem->id = __cpu_to_virtio32(ring->le, head);
	elem->len = __cpu_to_virtio32(ring->le, len);
}

/**
 * vhost_scsi_ring_update_used_idx - publish the used entry
 * @ring: running, after vhost_scsi_ring_add_used()
 */
static inline void vhost_scsi_ring_update_used_idx(struct vhost_scsi_ring *ring)
{
	/*
	 * Orders the writes of the buffer and of the entry before the write of the
	 * index. Pairs with the driver's barrier between its reads of the index and
	 * of the entry.
	 */
	virt_wmb();
	ring->used_idx++;
	WRITE_ONCE(ring->used->idx, __cpu_to_virtio16(ring->le, ring->used_idx));
}

#endif /* _VHOST_SCSI_RING_H */
