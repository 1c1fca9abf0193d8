/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of mem.c: guest memory, looked up by a linear search.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _UNIT_MEM_MODEL_H
#define _UNIT_MEM_MODEL_H

#include "input.h"
#include "vhost/memory/internal.h"

#define MEM_MODEL_REGIONS	8

/* In the place of account.c: pages that the owner may keep pinned, and that it has. */
extern unsigned long owner_may, owner_has;

struct mem_model {
	unsigned int nr;
	struct vhost_memory_region regions[MEM_MODEL_REGIONS];
};

/* What VHOST_SET_MEM_TABLE is told: 0, or a negative errno. */
int mem_model_check(const struct mem_model *m);
struct vhost_scsi_mem *mem_model_create(const struct mem_model *m);

/* The region of an address, or NULL. */
const struct vhost_memory_region *mem_model_region(const struct mem_model *m,
						   u64 gpa);
/* Bytes of one piece and the owner's address, as vhost_scsi_mem_find(). */
size_t mem_model_find(const struct mem_model *m, u64 gpa, size_t len,
		      uintptr_t *base);
/* As vhost_scsi_mem_map(), but however many there are: at most @max are kept. */
unsigned int mem_model_map(const struct mem_model *m,
			   const struct vhost_scsi_range *descs, unsigned int nr,
			   struct vhost_scsi_iov *iov, unsigned int max);
void mem_model_same(const struct vhost_scsi_iov *want,
		    const struct vhost_scsi_iov *is, unsigned int nr);

/*
 * Any bytes as a table and look-ups in it, of which it returns the number.
 * What is wrong aborts the program or fails the test.
 */
unsigned int mem_run(const u8 *data, size_t size);

#endif /* _UNIT_MEM_MODEL_H */
