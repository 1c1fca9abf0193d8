// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random requests and control requests, parsed byte by byte and compared with parse.c.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include "parse_model.h"

/* The owner's memory: the second page may be one that cannot be read. */
#define DATA		(2 * PAGE_SIZE)
/* Behind it the indirect table of a chain. */
#define ARENA		(DATA + PAGE_SIZE)
#define IMAGE		96	/* bytes of it that are not zero */
#define MAX_DESCS	16
/* The regions cut a descriptor into so many pieces at the most. */
#define MAX_PIECES	(MAX_DESCS * (2 * MEM_MODEL_REGIONS + 2))

struct run {
	struct mem_model model;
	struct vhost_scsi_mem *mem;
	u8 __user *arena;
	u8 bytes[ARENA];		/* what is in it */
	bool gap;
	bool le;
	enum vhost_scsi_header format;
	unsigned int hdr_len;
	u64 table;			/* the guest's address of it */
	struct vhost_scsi_chain chain;
	struct vhost_scsi_iov *iov;

	/* what it is in pieces */
	struct vhost_scsi_iov in[MAX_PIECES];
	struct vhost_scsi_iov out[MAX_PIECES];
	unsigned int nr_in;
	unsigned int nr_out;
};

/* One after the other, some without a gap between. */
static void next_regions(struct run *run, struct input *in)
{
	unsigned int nr = next_byte(in) % MEM_MODEL_REGIONS;
	struct vhost_memory_region *last = &run->model.regions[nr];
	u64 gpa = 0;

	for (; run->model.nr < nr; run->model.nr++) {
		struct vhost_memory_region *r =
			&run->model.regions[run->model.nr];
		size_t off = next_number(in, 2) % DATA;

		gpa += next_byte(in);
		r->guest_phys_addr = gpa;
		r->userspace_addr = (uintptr_t)run->arena + off;
		r->memory_size = min(1 + (size_t)next_byte(in) * 4, DATA - off);
		gpa += r->memory_size;
	}
	run->table = gpa + PAGE_SIZE;
	last->guest_phys_addr = run->table;
	last->userspace_addr = (uintptr_t)run->arena + DATA;
	last->memory_size = PAGE_SIZE;
	run->model.nr++;
}

static u32 next_len(const struct run *run, struct input *in)
{
	u8 kind = next_byte(in);

	switch (kind % 8) {
	case 0:
		return next_number(in, 4);
	case 1:
		return next_number(in, 2);
	case 2:
		return VHOST_SCSI_MAX_DATA + next_byte(in);
	case 3:
		return run->hdr_len;
	case 4:
		return sizeof(struct virtio_scsi_cmd_resp);
	case 5:
		return next_byte(in);
	default:
		return kind / 8;
	}
}

static u64 next_gpa(const struct run *run, struct input *in)
{
	u8 kind = next_byte(in);

	if (kind & 1) {
		const struct vhost_memory_region *r =
			&run->model.regions[(kind >> 2) % run->model.nr];

		return r->guest_phys_addr + next_byte(in) +
		       (kind & 2 ? r->memory_size - 128 : 0);
	}
	return kind & 2 ? next_number(in, 8) : next_number(in, 2);
}

static void next_chain(struct run *run, struct input *in)
{
	struct vhost_scsi_chain *c = &run->chain;
	u8 kind = next_byte(in);
	unsigned int i;

	c->head = next_byte(in);
	c->max = 1 + kind % MAX_DESCS;
	c->malformed = kind >= 240;
	c->nr_out = next_byte(in) % (c->max + 1);
	c->nr_in = next_byte(in) % (c->max - c->nr_out + 1);
	/* Exactly as much as there is, for the sanitizers. */
	c->descs = calloc(c->max, sizeof(*c->descs));
	run->iov = calloc(2 * c->max, sizeof(*run->iov));
	for (i = 0; i < c->nr_out + c->nr_in; i++) {
		c->descs[i].gpa = next_gpa(run, in);
		c->descs[i].len = next_len(run, in);
		if (i < c->nr_out)
			c->out_len += c->descs[i].len;
		else
			c->in_len += c->descs[i].len;
	}
}

/* Byte @off of what the guest sends; false: it cannot be read. */
static bool out_byte(const struct run *run, u64 off, u8 *byte)
{
	const struct vhost_scsi_range *d = run->chain.descs;
	uintptr_t base;
	size_t place;

	while (off >= d->len)
		off -= d++->len;
	if (!mem_model_find(&run->model, d->gpa + off, 1, &base))
		return false;
	place = base - (uintptr_t)run->arena;
	*byte = run->bytes[place];
	return place / PAGE_SIZE != 1 || !run->gap;
}

static bool out_bytes(const struct run *run, u8 *buf, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!out_byte(run, i, &buf[i]))
			return false;
	return true;
}

/* Of the device. */
static bool is_well_known(const u8 *lun)
{
	static const u8 address[8] = { 0xc1, 1 };

	return !memcmp(lun, address, sizeof(address));
}

static bool lun_ok(const u8 *lun)
{
	static const u8 zero[4];

	if (is_well_known(lun))
		return true;
	/* 00b or 01b format; the former has no bus; 11b: the well known LUN. */
	return lun[0] == 1 && !memcmp(lun + 4, zero, 4) &&
	       (lun[2] == 0 || (lun[2] >= 0x40 && lun[2] < 0x80) ||
		(lun[2] == 0xc1 && lun[3] == 1));
}

static u16 lun_nr(const u8 *lun)
{
	if (is_well_known(lun))
		return VHOST_SCSI_WLUN_DEVICE;
	if (lun[2] == 0xc1)
		return VHOST_SCSI_WLUN;
	return (lun[2] & 0x3f) * 256 + lun[3];
}

static bool too_many(const struct run *run)
{
	return run->nr_in + run->nr_out > 2 * run->chain.max;
}

/* The number in a header of 59 bytes. */
static u32 hdr_number(const struct run *run, const u8 *p)
{
	return run->format == VHOST_SCSI_HEADER_PI_LE ?
	       p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24 :
	       p[3] | p[2] << 8 | p[1] << 16 | (u32)p[0] << 24;
}

/* What a header of 51 bytes has, and how much of what. */
struct want {
	u8 hdr[51];
	u64 pi, out, in;
};

/* What the guest is to be told, without its reasons' order being looked up. */
static int request_want(const struct run *run, struct want *want)
{
	const struct vhost_scsi_chain *c = &run->chain;
	u32 pi_out = 0, pi_in = 0;
	u8 raw[59];

	if (too_many(run) || c->malformed || c->out_len < run->hdr_len ||
	    c->in_len < 108)
		return -EINVAL;
	if (!out_bytes(run, raw, run->hdr_len))
		return -EFAULT;
	if (!lun_ok(raw))
		return -ENODEV;
	want->out = c->out_len - run->hdr_len;
	want->in = c->in_len - 108;
	memcpy(want->hdr, raw, 51);
	if (run->hdr_len == 59) {
		memcpy(want->hdr + 19, raw + 27, 32);
		pi_out = hdr_number(run, raw + 19);
		pi_in = hdr_number(run, raw + 23);
		if ((pi_out && pi_in) || pi_out % 8 || pi_in % 8 ||
		    pi_out > want->out || pi_in > want->in)
			return -EINVAL;
		want->out -= pi_out;
		want->in -= pi_in;
		if (pi_out / 8 > want->out / 512 || pi_in / 8 > want->in / 512)
			return -EINVAL;
	}
	want->pi = pi_out ? pi_out : pi_in;
	if (want->out > VHOST_SCSI_MAX_DATA || want->in > VHOST_SCSI_MAX_DATA)
		return -EMSGSIZE;
	return want->out && want->in ? -EINVAL : 0;
}

/* Where the answer goes, whatever is wrong with the rest. */
static void check_in(const struct run *run, const struct vhost_scsi_cursor *in)
{
	unsigned int max = 2 * run->chain.max;

	must(in->iov == run->iov && in->off == 0);
	must(in->nr == min(run->nr_in, max));
	mem_model_same(run->in, in->iov, in->nr);
}

/* The bytes behind the first @skip of the pieces are where @cur is. */
static void check_cursor(struct vhost_scsi_cursor cur,
			 const struct vhost_scsi_iov *iov, u64 skip, u64 left)
{
	void __user *base;
	size_t len;
	u64 gpa;

	for (; skip >= iov->len && (left || skip); iov++)
		skip -= iov->len;
	for (; left; left -= len) {
		/* A copy: a piece without a base is one, too. */
		must(cur.nr && cur.iov->gpa + cur.off == iov->gpa + skip);
		len = iov->len - skip;
		must(cur.iov->len - cur.off == len);
		base = vhost_scsi_cursor_piece(&cur, len, &len, &gpa);
		must(base == (iov->base ? iov->base + skip : NULL));
		must(!base || gpa == iov->gpa + skip);
		vhost_scsi_cursor_skip(&cur, len);
		iov++;
		skip = 0;
	}
	must(!cur.nr);
}

static bool run_request(const struct run *run)
{
	const struct vhost_scsi_chain *c = &run->chain;
	struct vhost_scsi_request req;
	struct want want;
	int ret = request_want(run, &want);

	/* KASAN and MSan know what is filled; others see a pattern. */
	memset(&req, 0xee, sizeof(req));
	must(ret == vhost_scsi_request_parse(run->mem, c, run->iov,
					     run->format, &req));
	must(req.head == c->head);
	check_in(run, &req.in);
	if (ret)
		return false;

	must(!memcmp(&req.hdr, want.hdr, 51));
	must(req.target == want.hdr[1] && req.lun == lun_nr(want.hdr));
	must(req.pi == want.pi);
	must(req.data_out == want.out && req.data_in == want.in);
	must(!req.data_out || !req.data_in);
	/* The protection information is before the data. */
	check_cursor(req.out, run->out, run->hdr_len, c->out_len - run->hdr_len);
	vhost_scsi_cursor_skip(&req.in, 108);
	check_cursor(req.in, run->in, 108, c->in_len - 108);
	return true;
}

/* The chain of three as an indirect table. */
static void lay_table(struct run *run)
{
	struct vring_desc *desc = (void *)(run->bytes + DATA);
	const struct vhost_scsi_chain *c = &run->chain;
	unsigned int i;

	for (i = 0; i < VHOST_SCSI_USUAL_DESCS; i++) {
		u16 flags = (i < c->nr_out ? 0 : VRING_DESC_F_WRITE) |
			    (i < 2 ? VRING_DESC_F_NEXT : 0);

		desc[i].addr = __cpu_to_virtio64(true, c->descs[i].gpa);
		desc[i].len = __cpu_to_virtio32(true, c->descs[i].len);
		desc[i].flags = __cpu_to_virtio16(true, flags);
		desc[i].next = __cpu_to_virtio16(true, i < 2 ? i + 1 : 0);
	}
	must(!copy_to_user(run->arena + DATA, desc, 3 * sizeof(*desc)));
}

static bool is_usual_chain(const struct run *run)
{
	const struct vhost_scsi_chain *c = &run->chain;

	return c->nr_out + c->nr_in == VHOST_SCSI_USUAL_DESCS && c->nr_out &&
	       c->nr_in && !c->malformed &&
	       run->format == VHOST_SCSI_HEADER_PLAIN;
}

/* Is it to be taken at once? @want: filled if so. */
static bool usual_want(const struct run *run, struct want *want)
{
	const struct vhost_scsi_chain *c = &run->chain;
	unsigned int i;

	if (!run->le || c->descs[0].len != 51 ||
	    c->descs[c->nr_out == 2 ? 2 : 1].len != 108 ||
	    run->nr_out != c->nr_out || run->nr_in != c->nr_in ||
	    !c->descs[c->nr_out == 2 ? 1 : 2].len)
		return false;
	for (i = 0; i < 2; i++)
		if ((i < run->nr_out && !run->out[i].base) ||
		    (i < run->nr_in && !run->in[i].base))
			return false;
	return !request_want(run, want);
}

static bool run_usual(const struct run *run)
{
	const struct vhost_scsi_chain *c = &run->chain;
	struct vring_desc window[VHOST_SCSI_USUAL_DESCS];
	struct vhost_scsi_iov iov[VHOST_SCSI_USUAL_DESCS];
	struct vring_desc entry = {
		.addr = __cpu_to_virtio64(true, run->table),
		.len = __cpu_to_virtio32(true, sizeof(window)),
		.flags = __cpu_to_virtio16(true, VRING_DESC_F_INDIRECT),
	};
	struct vhost_scsi_ring ring = {
		.desc = &entry, .num = 1, .le = run->le, .indirect = true,
	};
	struct vhost_scsi_request req;
	struct want want;
	bool taken = usual_want(run, &want);

	ring.avail = calloc(1, sizeof(*ring.avail) + sizeof(__virtio16));
	must(taken == vhost_scsi_request_usual(&ring, run->mem, window, iov,
					       &req));
	free(ring.avail);
	must(ring.last_avail == taken);
	if (!taken)
		return false;

	must(req.head == 0 && req.pi == 0);
	must(!memcmp(&req.hdr, want.hdr, 51));
	must(req.target == want.hdr[1] && req.lun == lun_nr(want.hdr));
	must(req.data_out == c->out_len - 51 && req.data_in == c->in_len - 108);
	check_cursor(req.out, run->out, 51, req.data_out);
	must(req.in.nr == run->nr_in && !req.in.off);
	mem_model_same(run->in, req.in.iov, req.in.nr);
	return true;
}

static u64 field(const struct run *run, const u8 *p, unsigned int len)
{
	u64 n = 0;
	unsigned int i;

	for (i = 0; i < len; i++)
		n |= (u64)p[i] << 8 * (run->le ? i : len - 1 - i);
	return n;
}

static u8 control_want(const struct run *run, u8 *buf, u32 *type)
{
	const struct vhost_scsi_chain *c = &run->chain;
	size_t n = min_t(u64, c->out_len, 24);

	/* In whose format the answer is when the type is not known. */
	*type = 0;
	if (too_many(run) || c->malformed || n < 4 || !out_bytes(run, buf, n))
		return VIRTIO_SCSI_S_FAILURE;
	switch (field(run, buf, 4)) {
	case 0:
		if (n < 24 || c->in_len < 1)
			return VIRTIO_SCSI_S_FAILURE;
		return lun_ok(buf + 8) ? VIRTIO_SCSI_S_OK :
					 VIRTIO_SCSI_S_BAD_TARGET;
	case 1:
	case 2:
		*type = field(run, buf, 4);
		if (n < 16 || c->in_len < 5)
			return VIRTIO_SCSI_S_FAILURE;
		return lun_ok(buf + 4) ? VIRTIO_SCSI_S_OK :
					 VIRTIO_SCSI_S_BAD_TARGET;
	default:
		return VIRTIO_SCSI_S_FUNCTION_REJECTED;
	}
}

static bool run_control(const struct run *run)
{
	const struct vhost_scsi_chain *c = &run->chain;
	struct vhost_scsi_control ctl;
	u8 buf[24], want;
	const u8 *lun;
	u32 type;

	want = control_want(run, buf, &type);
	memset(&ctl, 0xee, sizeof(ctl));
	must(want == vhost_scsi_control_parse(run->mem, c, run->iov, run->le,
					      &ctl));
	must(ctl.head == c->head && ctl.in_len == c->in_len);
	must(ctl.type == type);
	check_in(run, &ctl.in);
	if (want)
		return false;

	lun = type ? buf + 4 : buf + 8;
	must(ctl.target == lun[1] && ctl.lun == lun_nr(lun));
	if (!type)
		must(ctl.subtype == field(run, buf + 4, 4) &&
		     ctl.tag == field(run, buf + 16, 8));
	return true;
}

unsigned int parse_run(const u8 *data, size_t size)
{
	static const enum vhost_scsi_header formats[] = {
		VHOST_SCSI_HEADER_PLAIN, VHOST_SCSI_HEADER_PLAIN,
		VHOST_SCSI_HEADER_PI_LE, VHOST_SCSI_HEADER_PI_BE,
	};
	struct input in = { data, size };
	struct run *run = calloc(1, sizeof(*run));
	unsigned int n;
	u8 flags = next_byte(&in);

	run->le = flags & 1;
	run->gap = flags & 2;
	run->format = formats[flags >> 6];
	run->hdr_len = run->format == VHOST_SCSI_HEADER_PLAIN ? 51 : 59;
	run->arena = user_new(ARENA);
	next_bytes(&in, run->bytes + (flags & 4 ? PAGE_SIZE - IMAGE / 2 : 0),
		   IMAGE);
	must(!copy_to_user(run->arena, run->bytes, ARENA));
	if (run->gap)
		user_gap(run->arena + PAGE_SIZE);

	next_regions(run, &in);
	run->mem = mem_model_create(&run->model);
	must(!IS_ERR(run->mem));
	next_chain(run, &in);
	if (is_usual_chain(run))
		lay_table(run);
	run->nr_out = mem_model_map(&run->model, run->chain.descs,
				    run->chain.nr_out, run->out, MAX_PIECES);
	run->nr_in = mem_model_map(&run->model,
				   run->chain.descs + run->chain.nr_out,
				   run->chain.nr_in, run->in, MAX_PIECES);
	must(run->nr_out <= MAX_PIECES && run->nr_in <= MAX_PIECES);

	n = run_request(run);
	n += run_control(run);
	if (is_usual_chain(run))
		n += run_usual(run);

	vhost_scsi_mem_free(run->mem);
	user_free(run->arena, ARENA);
	free(run->chain.descs);
	free(run->iov);
	free(run);
	return n;
}
