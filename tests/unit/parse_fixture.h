/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Chains for the tests of parse.c, and the guest memory that they point to.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _UNIT_PARSE_FIXTURE_H
#define _UNIT_PARSE_FIXTURE_H

#include "parse_model.h"
#include "unit.h"

#define HDR	((int)sizeof(struct virtio_scsi_cmd_req))
#define RESP	((int)sizeof(struct virtio_scsi_cmd_resp))
#define MAX_DATA VHOST_SCSI_MAX_DATA

/* Guest memory: LOW and HIGH are neighbours, behind HIGH there is nothing. */
#define LOW	0x10000ULL
#define HIGH	(LOW + PAGE_SIZE)
#define END	(HIGH + PAGE_SIZE)
#define HOLE	(END + PAGE_SIZE)

#define MAX_DESCS	64

struct fixture {
	u8 __user *low;		/* not neighbours in the owner's memory */
	u8 __user *high;
	struct vhost_scsi_mem *mem;
	struct vhost_scsi_chain chain;
	struct vhost_scsi_iov *iov;
	enum vhost_scsi_header format;	/* plain unless a test says otherwise */
	struct vhost_scsi_request req;
	struct vhost_scsi_control ctl;
	struct virtio_scsi_cmd_req hdr;	/* what the guest sent */
};

static inline void put(const struct fixture *f, u64 gpa, const void *data, size_t len)
{
	const u8 *from = data;

	for (; len; len--, gpa++, from++)
		user_write(gpa < HIGH ? f->low + (gpa - LOW) :
					f->high + (gpa - HIGH), from, 1);
}

static inline void fixture_init(struct fixture *f)
{
	struct mem_model m = {
		.nr = 2,
		.regions = {
			{ HIGH, PAGE_SIZE, 0 },
			{ LOW, PAGE_SIZE, 0 },
		},
	};
	int i;

	memset(f, 0, sizeof(*f));
	f->low = user_new(PAGE_SIZE);
	f->high = user_new(PAGE_SIZE);
	m.regions[0].userspace_addr = (uintptr_t)f->high;
	m.regions[1].userspace_addr = (uintptr_t)f->low;
	f->mem = mem_model_create(&m);
	EXPECT(!IS_ERR(f->mem));
	f->chain.max = MAX_DESCS;
	f->chain.head = 0x1234;
	f->chain.descs = calloc(MAX_DESCS, sizeof(*f->chain.descs));
	f->iov = calloc(2 * MAX_DESCS, sizeof(*f->iov));

	f->hdr.lun[0] = 1;
	f->hdr.lun[1] = 7;
	f->hdr.lun[2] = 0x41;
	f->hdr.lun[3] = 2;
	f->hdr.tag = 0x1122334455667788;
	f->hdr.task_attr = 3;
	f->hdr.prio = 4;
	f->hdr.crn = 5;
	for (i = 0; i < 32; i++)
		f->hdr.cdb[i] = 0x80 + i;
	put(f, LOW, &f->hdr, HDR);
}

static inline void fixture_free(struct fixture *f)
{
	vhost_scsi_mem_free(f->mem);
	user_free(f->low, PAGE_SIZE);
	user_free(f->high, PAGE_SIZE);
	free(f->chain.descs);
	free(f->iov);
}

/* As ring.c makes chains: readable descriptors, then writable ones. */

static inline void start(struct fixture *f)
{
	f->chain.malformed = false;
	f->chain.nr_out = 0;
	f->chain.nr_in = 0;
	f->chain.out_len = 0;
	f->chain.in_len = 0;
	memset(&f->req, 0xee, sizeof(f->req));
	memset(&f->ctl, 0xee, sizeof(f->ctl));
}

static inline void out(struct fixture *f, u64 gpa, u32 len)
{
	EXPECT(!f->chain.nr_in && f->chain.nr_out < f->chain.max);
	f->chain.descs[f->chain.nr_out].gpa = gpa;
	f->chain.descs[f->chain.nr_out++].len = len;
	f->chain.out_len += len;
}

static inline void in(struct fixture *f, u64 gpa, u32 len)
{
	unsigned int n = f->chain.nr_out + f->chain.nr_in++;

	EXPECT(n < f->chain.max);
	f->chain.descs[n].gpa = gpa;
	f->chain.descs[n].len = len;
	f->chain.in_len += len;
}

static inline int parse(struct fixture *f)
{
	return vhost_scsi_request_parse(f->mem, &f->chain, f->iov, f->format,
					&f->req);
}

static inline u64 rest(struct vhost_scsi_cursor cur)
{
	u64 n = 0;

	for (; cur.nr; cur.nr--, cur.iov++) {
		n += cur.iov->len - cur.off;
		cur.off = 0;
	}
	return n;
}

/* The next piece at a cursor, which moves on; no address: not memory. */
static inline void expect_piece(struct vhost_scsi_cursor *cur, u64 gpa, size_t len)
{
	EXPECT(cur->nr > 0);
	if (!cur->nr)
		return;
	EXPECT_EQ(gpa, cur->iov->gpa + cur->off);
	EXPECT_EQ(len, cur->iov->len - cur->off);
	EXPECT_EQ(gpa >= LOW && gpa < END, !!cur->iov->base);
	vhost_scsi_cursor_skip(cur, cur->iov->len - cur->off);
}

struct lun_form {
	u8 lun[8];
	int ret;
	u8 target;
	u16 nr;
};

/* SAM-5 4.7.7; all of them are in test_address.c. */
static const struct lun_form lun_forms[] = {
	{ { 1, 0, 0, 0 }, 0, 0, 0 },
	{ { 1, 255, 0, 255 }, 0, 255, 255 },
	{ { 1, 3, 0x40, 255 }, 0, 3, 255 },
	{ { 1, 3, 0x7f, 0xff }, 0, 3, 16383 },
	{ { 0, 3, 0x40, 0 }, -ENODEV, 0, 0 },
	{ { 0xc1, 1 }, 0, 1, VHOST_SCSI_WLUN_DEVICE },
	{ { 0xc1, 2 }, -ENODEV, 0, 0 },
	{ { 1, 3, 0x01, 0 }, -ENODEV, 0, 0 },
	{ { 1, 3, 0x80, 0 }, -ENODEV, 0, 0 },
	{ { 1, 3, 0xc0, 0 }, -ENODEV, 0, 0 },
	{ { 1, 3, 0x40, 0, 1, 0, 0, 0 }, -ENODEV, 0, 0 },
	{ { 1, 3, 0x40, 0, 0, 0, 0, 1 }, -ENODEV, 0, 0 },
};

#endif /* _UNIT_PARSE_FIXTURE_H */
