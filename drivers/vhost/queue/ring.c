// SPDX-License-Identifier: GPL-2.0-only
/*
 * Split virtqueue: get a chain, add it to the used ring, decide on notifications.
 *
 * Everything that the guest can write is read once and checked before use. The caller
 * serialises the functions of the avail ring with each other, and those of the used
 * ring with each other.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <linux/string.h>

#include "ring.h"

/* The driver area (2.7.6) ends with a 16-bit field, the used event. */
static u16 used_event(const struct vhost_scsi_ring *ring)
{
	return vhost_scsi_ring16(ring, READ_ONCE(*(__virtio16 *)
				      &ring->avail->ring[ring->num]));
}

static void set_avail_event(struct vhost_scsi_ring *ring, u16 idx)
{
	WRITE_ONCE(*(__virtio16 *)&ring->used->ring[ring->num],
		   __cpu_to_virtio16(ring->le, idx));
}

/**
 * vhost_scsi_ring_desc_bytes - size of the descriptor table
 * @num: queue size
 *
 * Return: bytes (virtio 1.2, 2.7.5).
 */
size_t vhost_scsi_ring_desc_bytes(u16 num)
{
	return sizeof(struct vring_desc) * num;
}

/**
 * vhost_scsi_ring_avail_bytes - size of the driver area, event field included
 * @num: queue size
 *
 * Return: bytes (virtio 1.2, 2.7.6).
 */
size_t vhost_scsi_ring_avail_bytes(u16 num)
{
	return sizeof(struct vring_avail) + sizeof(__virtio16) * (num + 1);
}

/**
 * vhost_scsi_ring_used_bytes - size of the device area, event field included
 * @num: queue size
 *
 * Return: bytes (virtio 1.2, 2.7.8).
 */
size_t vhost_scsi_ring_used_bytes(u16 num)
{
	return sizeof(struct vring_used) +
	       sizeof(struct vring_used_elem) * num + sizeof(__virtio16);
}

/**
 * vhost_scsi_ring_start - begin at last_avail
 * @ring: mapped, with @last_avail set
 *
 * The used index continues from its value in guest memory, because the rings of a
 * migrated guest do not start at 0.
 */
void vhost_scsi_ring_start(struct vhost_scsi_ring *ring)
{
	ring->avail_idx = ring->last_avail;
	ring->used_idx = vhost_scsi_ring16(ring, READ_ONCE(ring->used->idx));
	ring->signalled_valid = false;
	WRITE_ONCE(ring->used->flags, 0);
}

/* The counts of a chain, kept in registers during the walk. */
struct walk {
	unsigned int nr_out;
	unsigned int nr_in;
	u64 out_len;
	u64 in_len;
};

/* Adds a descriptor. Return: false if the chain is malformed. */
static __always_inline bool walk_add(struct walk *walk, bool le,
				     struct vhost_scsi_chain *chain,
				     const struct vring_desc *desc)
{
	unsigned int nr = walk->nr_out + walk->nr_in;
	u32 len = __virtio32_to_cpu(le, desc->len);

	if (nr == chain->max)
		return false;
	chain->descs[nr].gpa = __virtio64_to_cpu(le, desc->addr);
	chain->descs[nr].len = len;

	if (__virtio16_to_cpu(le, desc->flags) & VRING_DESC_F_WRITE) {
		walk->nr_in++;
		walk->in_len += len;
		return true;
	}
	/* 2.7.4.2: device-readable descriptors come first. */
	if (walk->nr_in)
		return false;
	walk->nr_out++;
	walk->out_len += len;
	return true;
}

/*
 * Walks an indirect table (2.7.5.3). It is in guest memory that is not mapped. A fault
 * in it leaves the ring usable. Return: false if the chain is malformed.
 */
static __always_inline bool walk_table(struct walk *walk, bool le,
				       struct vhost_scsi_chain *chain,
				       const struct vring_desc *desc,
				       vhost_scsi_read_fn read, void *priv)
{
	u64 addr = __virtio64_to_cpu(le, desc->addr);
	u32 len = __virtio32_to_cpu(le, desc->len);
	u32 count = len / sizeof(*desc), start = 0, have = 0, seen = 0, i = 0;
	u16 flags;

	if (!len || len % sizeof(*desc) || addr + len < addr ||
	    __virtio16_to_cpu(le, desc->flags) & VRING_DESC_F_NEXT)
		return false;

	do {
		if (i >= count || ++seen > count)
			return false;
		if (i - start >= have) {
			start = i;
			have = min_t(u32, VHOST_SCSI_WINDOW, count - start);
			if (read(priv, addr + (u64)start * sizeof(*desc),
				 chain->window, have * sizeof(*desc)))
				return false;
		}

		desc = &chain->window[i - start];
		flags = __virtio16_to_cpu(le, desc->flags);
		if (flags & VRING_DESC_F_INDIRECT ||
		    !walk_add(walk, le, chain, desc))
			return false;
		i = __virtio16_to_cpu(le, desc->next);
	} while (flags & VRING_DESC_F_NEXT);
	return true;
}

/**
 * vhost_scsi_ring_get_desc - get the next chain
 * @ring: running; vhost_scsi_ring_pending() was positive
 * @chain: with descs and max set; gets the chain
 * @read: reads indirect tables
 * @priv: for @read
 *
 * Return: 0, and the caller owes vhost_scsi_ring_add_used(), even if the chain is
 * malformed. -EIO: the ring itself is corrupt (a head or next index out of range, or
 * a loop), and @last_avail does not move.
 */
int vhost_scsi_ring_get_desc(struct vhost_scsi_ring *ring,
			     struct vhost_scsi_chain *chain,
			     vhost_scsi_read_fn read, void *priv)
{
	struct walk walk = { .nr_out = 0 };
	u16 slot = ring->last_avail & (ring->num - 1);
	bool whole = true, le = ring->le;
	struct vring_desc desc;
	u16 flags, i;
	u32 seen = 0;
	int ret = 0;

	i = __virtio16_to_cpu(le, READ_ONCE(ring->avail->ring[slot]));
	chain->head = i;

	do {
		if (i >= ring->num || ++seen > ring->num) {
			ret = -EIO;
			break;
		}
		/* The guest chose the index, and what is read there chooses the next one. */
		i = array_index_nospec(i, ring->num);

		memcpy(&desc, &ring->desc[i], sizeof(desc));
		/* The compiler must not read the descriptor from guest memory again. */
		barrier();
		flags = __virtio16_to_cpu(le, desc.flags);

		if (!(flags & VRING_DESC_F_INDIRECT)) {
			whole = whole && walk_add(&walk, le, chain, &desc);
		} else if (!ring->indirect) {
			whole = false;
		} else if (whole) {
			whole = walk_table(&walk, le, chain, &desc, read, priv);
			/* 2.7.5.3.1: an indirect table ends the chain. */
			break;
		}
		i = __virtio16_to_cpu(le, desc.next);
	} while (flags & VRING_DESC_F_NEXT);

	chain->malformed = !whole;
	chain->nr_out = walk.nr_out;
	chain->nr_in = walk.nr_in;
	chain->out_len = walk.out_len;
	chain->in_len = walk.in_len;
	if (!ret)
		ring->last_avail++;
	return ret;
}

/**
 * vhost_scsi_ring_enable_notify - ask the driver to kick for new chains
 * @ring: running, seen empty
 *
 * Return: true if a chain came in the meantime. The caller looks at the ring again,
 * because the driver may not have kicked for it (2.7.13.4.1).
 */
bool vhost_scsi_ring_enable_notify(struct vhost_scsi_ring *ring)
{
	if (ring->event_idx)
		set_avail_event(ring, ring->last_avail);
	else
		WRITE_ONCE(ring->used->flags, 0);
	/*
	 * Orders the write of the flags or the event index before the read of the
	 * avail index below. Pairs with the driver's barrier between its write of
	 * the avail index and its read of the flags or the event index.
	 */
	virt_mb();
	return vhost_scsi_ring16(ring, READ_ONCE(ring->avail->idx)) !=
	       ring->last_avail;
}

/**
 * vhost_scsi_ring_disable_notify - ask the driver not to kick, while a worker looks
 * @ring: running
 *
 * With EVENT_IDX nothing is written: the old event index is behind, so the driver
 * does not kick.
 */
void vhost_scsi_ring_disable_notify(struct vhost_scsi_ring *ring)
{
	if (!ring->event_idx)
		WRITE_ONCE(ring->used->flags,
			   __cpu_to_virtio16(ring->le, VRING_USED_F_NO_NOTIFY));
}

/*
 * virtio 1.3, 6.3: a driver that negotiated NOTIFY_ON_EMPTY, an old one, is signalled when
 * the device has no more chains, even if it wants no signal for used ones.
 */
static bool tell_empty(const struct vhost_scsi_ring *ring)
{
	return ring->on_empty &&
	       vhost_scsi_ring16(ring, READ_ONCE(ring->avail->idx)) ==
	       READ_ONCE(ring->last_avail);
}

/**
 * vhost_scsi_ring_want_signal - does the driver want a call for the used chains
 * @ring: running; chains were added to the used ring since the last call
 *
 * Return: true if the call eventfd has to be signalled (2.7.7).
 */
bool vhost_scsi_ring_want_signal(struct vhost_scsi_ring *ring)
{
	u16 old = ring->signalled_used, now = ring->used_idx;
	bool valid = ring->signalled_valid;

	/*
	 * Orders the write of the used index before the read of the flags or of the
	 * used event. Pairs with the driver's barrier between its write of these
	 * and its read of the used index.
	 */
	virt_mb();

	if (!ring->event_idx)
		return !(vhost_scsi_ring16(ring, READ_ONCE(ring->avail->flags)) &
			 VRING_AVAIL_F_NO_INTERRUPT) || tell_empty(ring);

	ring->signalled_used = now;
	ring->signalled_valid = true;
	return !valid || vring_need_event(used_event(ring), now, old) ||
	       tell_empty(ring);
}
