/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of ring.c: a driver with a ring in memory of exactly its size, and with
 * guest memory for indirect tables.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _UNIT_RING_MODEL_H
#define _UNIT_RING_MODEL_H

#include "unit-kernel.h"
#include <linux/virtio_byteorder.h>
#include "vhost/queue/ring.h"

#define MODEL_GPA	0x100000000ULL	/* where guest memory begins */
#define MODEL_MEM	4096		/* its size */
#define MODEL_MAX	64		/* of chain.max */
#define MODEL_IMAGE	512		/* of memory in ring_run()'s input */

struct model {
	struct vhost_scsi_ring ring;
	struct vhost_scsi_chain chain;
	u8 *mem;
	u16 avail_idx;		/* the driver's */
	unsigned int reads;	/* of guest memory */
	size_t read_bytes;
};

void model_init(struct model *m, u16 num, bool le);
void model_free(struct model *m);
int model_read(void *priv, u64 gpa, void *buf, size_t len);
int model_take(struct model *m);

void model_set_desc(const struct model *m, struct vring_desc *desc, u64 addr,
		    u32 len, u16 flags, u16 next);
void model_offer(struct model *m, u16 head);
void model_set_avail_idx(struct model *m, u16 idx);
void model_set_used_event(struct model *m, u16 idx);
u16 model_used_idx(const struct model *m);
u16 model_avail_event(const struct model *m);

/*
 * Any bytes as a ring and what is done with it; aborts on what must not be.
 * Returns the number of operations.
 */
unsigned int ring_run(const u8 *data, size_t size);

/* What vhost_scsi_vq_add_used() does: an entry, and at once the index. */
static inline void model_give(struct vhost_scsi_ring *ring, u16 head, u32 len)
{
	vhost_scsi_ring_add_used(ring, head, len);
	vhost_scsi_ring_update_used_idx(ring);
}

#endif /* _UNIT_RING_MODEL_H */
