/* SPDX-License-Identifier: GPL-2.0-only */
/* The part of the rings that only the files of the library use. */
#ifndef VSG_RING_H
#define VSG_RING_H

#include "vsg.h"

/**
 * struct vsg_slot - the driver's own notes on a descriptor
 * @tok: the chain that begins here, while it is outstanding
 * @next: next free descriptor, or next of the chain; never read back from the
 *	table that the device can see
 * @tail: last descriptor of the chain that begins here
 * @count: descriptors of the chain that begins here
 * @table: indirect table of the chain that begins here, kept for the next one
 * @table_gpa: where it is
 * @table_len: its entries
 */
struct vsg_slot {
	struct vsg_token *tok;
	uint16_t next;
	uint16_t tail;
	uint16_t count;
	struct vring_desc *table;
	uint64_t table_gpa;
	unsigned int table_len;
};

/* Flags, index, ring and event field (virtio 1.2, 2.7). */
static inline size_t vsg_avail_size(unsigned int num)
{
	return 2 + 2 + 2 * (size_t)num + 2;
}

static inline size_t vsg_used_size(unsigned int num)
{
	return 2 + 2 + 8 * (size_t)num + 2;
}

int vsg_ring_create(struct vsg_ring *r, struct vsg_dev *dev, unsigned int index,
		    unsigned int num);
void vsg_ring_destroy(struct vsg_ring *r);

#endif /* VSG_RING_H */
