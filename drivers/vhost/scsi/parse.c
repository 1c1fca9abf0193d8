// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parses chains of the request queues and of the control queue. It uses only kernel
 * pointers, plain structs and the owner's memory, so that the unit tests can compile
 * it in user space.
 *
 * Requests (virtio 1.2, 5.6.6.1). A chain has these parts, split into descriptors in
 * any way:
 *
 *   device-readable	virtio_scsi_cmd_req	51 bytes
 *			data-out
 *   device-writable	virtio_scsi_cmd_resp	108 bytes, 96 of them sense
 *			data-in
 *
 * With VIRTIO_SCSI_F_T10_PI two sizes stand before the CDB, and protection information
 * before the data:
 *
 *   device-readable	virtio_scsi_cmd_req_pi	59 bytes
 *			pi_bytesout bytes
 *			data-out
 *   device-writable	virtio_scsi_cmd_resp	108 bytes
 *			pi_bytesin bytes
 *			data-in
 *
 * Control requests (5.6.6.2), likewise:
 *
 *   device-readable	virtio_scsi_ctrl_tmf_req	24 bytes
 *   device-writable	virtio_scsi_ctrl_tmf_resp	1 byte
 * or
 *   device-readable	virtio_scsi_ctrl_an_req		16 bytes
 *   device-writable	virtio_scsi_ctrl_an_resp	5 bytes
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <linux/virtio_byteorder.h>

#include "address.h"
#include "request.h"
#include "vhost-scsi.h"

/* Bytes of protection information that a header names. */
struct pi_sizes {
	u32 out;
	u32 in;
};

union control_req {
	__virtio32 type;
	struct virtio_scsi_ctrl_tmf_req tmf;
	struct virtio_scsi_ctrl_an_req an;
} __packed;

/*
 * Translates descriptors to pieces of the owner's memory. The device-writable ones come
 * first, so that a fault of the others can be answered. The function is inline because
 * it runs for every command.
 */
static __always_inline int
chain_map(const struct vhost_scsi_mem *mem,
	  const struct vhost_scsi_chain *chain, struct vhost_scsi_iov *iov,
	  struct vhost_scsi_cursor *out, struct vhost_scsi_cursor *in)
{
	unsigned int max = 2 * chain->max;
	int nr_in, nr_out;

	out->iov = iov;
	out->nr = 0;
	out->off = 0;
	in->iov = iov;
	in->off = 0;

	nr_in = vhost_scsi_mem_map(mem, chain->descs + chain->nr_out,
				   chain->nr_in, iov, max);
	in->nr = nr_in < 0 ? max : nr_in;
	if (nr_in < 0)
		return -EINVAL;

	nr_out = vhost_scsi_mem_map(mem, chain->descs, chain->nr_out,
				    iov + nr_in, max - nr_in);
	if (nr_out < 0)
		return -EINVAL;
	out->iov = iov + nr_in;
	out->nr = nr_out;
	return 0;
}

static u32 header_len(enum vhost_scsi_header format)
{
	return format == VHOST_SCSI_HEADER_PLAIN ?
	       sizeof(struct virtio_scsi_cmd_req) :
	       sizeof(struct virtio_scsi_cmd_req_pi);
}

/* Reads the header into @hdr. @pi: gets the sizes of protection information. */
static bool read_header(struct vhost_scsi_cursor *out,
			enum vhost_scsi_header format,
			struct virtio_scsi_cmd_req *hdr, struct pi_sizes *pi)
{
	const bool le = format == VHOST_SCSI_HEADER_PI_LE;
	struct virtio_scsi_cmd_req_pi wire;

	pi->out = 0;
	pi->in = 0;
	if (format == VHOST_SCSI_HEADER_PLAIN)
		return vhost_scsi_cursor_read(out, hdr, sizeof(*hdr)) ==
		       sizeof(*hdr);

	if (vhost_scsi_cursor_read(out, &wire, sizeof(wire)) != sizeof(wire))
		return false;
	/* They are the same up to the sizes. */
	memcpy(hdr, &wire, offsetof(struct virtio_scsi_cmd_req, cdb));
	memcpy(hdr->cdb, wire.cdb, sizeof(hdr->cdb));
	pi->out = __virtio32_to_cpu(le, wire.pi_bytesout);
	pi->in = __virtio32_to_cpu(le, wire.pi_bytesin);
	return true;
}

/*
 * Takes @pi bytes of protection information off @len, the bytes of that direction.
 * A block has one tuple, so there is never more of it than of data.
 */
static bool take_pi(u32 pi, u64 *len)
{
	if (pi % VHOST_SCSI_PI_TUPLE || pi > *len)
		return false;
	*len -= pi;
	return (u64)pi / VHOST_SCSI_PI_TUPLE * VHOST_SCSI_MIN_BLOCK <= *len;
}

/**
 * vhost_scsi_request_parse - read a chain of a request queue
 * @mem: guest memory
 * @chain: the chain
 * @iov: room for twice @chain->max pieces; @req points to them
 * @format: of the header
 * @req: gets the request; head and in always, the other fields if 0 is returned
 *
 * Context: a worker; may sleep.
 * Return: 0 or, in the order of the checks: -EINVAL: too many pieces, a malformed
 * chain, or a header or response that is too short. -EFAULT: the header is not in
 * guest memory. -ENODEV: the LUN field is invalid. -EINVAL: protection information in
 * both directions, with a size that is not one of whole tuples, or more of it than the
 * buffer or its data can have. -EMSGSIZE: more than VHOST_SCSI_MAX_DATA. -EINVAL: data
 * in both directions.
 */
int vhost_scsi_request_parse(const struct vhost_scsi_mem *mem,
			     const struct vhost_scsi_chain *chain,
			     struct vhost_scsi_iov *iov,
			     enum vhost_scsi_header format,
			     struct vhost_scsi_request *req)
{
	struct virtio_scsi_cmd_req *hdr = &req->hdr;
	u64 data_out, data_in;
	struct pi_sizes pi;
	int ret;

	req->head = chain->head;
	ret = chain_map(mem, chain, iov, &req->out, &req->in);
	if (ret)
		return ret;
	if (chain->malformed || chain->out_len < header_len(format) ||
	    chain->in_len < sizeof(struct virtio_scsi_cmd_resp))
		return -EINVAL;

	if (!read_header(&req->out, format, hdr, &pi))
		return -EFAULT;
	if (!vhost_scsi_lun_parse(hdr->lun, &req->target, &req->lun))
		return -ENODEV;

	data_out = chain->out_len - header_len(format);
	data_in = chain->in_len - sizeof(struct virtio_scsi_cmd_resp);
	if ((pi.out && pi.in) || !take_pi(pi.out, &data_out) ||
	    !take_pi(pi.in, &data_in))
		return -EINVAL;
	if (data_out > VHOST_SCSI_MAX_DATA || data_in > VHOST_SCSI_MAX_DATA)
		return -EMSGSIZE;
	req->pi = pi.out + pi.in;
	req->data_out = data_out;
	req->data_in = data_in;
	/* Data in both directions needs VIRTIO_SCSI_F_INOUT, which is not offered. */
	if (req->data_out && req->data_in)
		return -EINVAL;
	return 0;
}

/*
 * Translates a descriptor that lies in one region. It tries the region of the indirect
 * table, @r, first.
 */
static __always_inline bool
usual_piece(const struct vhost_scsi_mem *mem, const struct vhost_scsi_region *r,
	    const struct vring_desc *desc, struct vhost_scsi_iov *piece)
{
	u64 gpa = le64_to_cpu((__force __le64)desc->addr);
	u32 len = le32_to_cpu((__force __le32)desc->len);

	if (!vhost_scsi_region_has(r, gpa, len)) {
		r = vhost_scsi_mem_region(mem, gpa);
		if (!r || !vhost_scsi_region_has(r, gpa, len))
			return false;
	}
	vhost_scsi_region_piece(r, gpa, piece);
	piece->gpa = gpa;
	piece->len = len;
	return true;
}

static __always_inline bool desc_is(const struct vring_desc *desc, u16 flags,
				    u16 next)
{
	return (__force __le16)desc->flags == cpu_to_le16(flags) &&
	       (!(flags & VRING_DESC_F_NEXT) ||
		(__force __le16)desc->next == cpu_to_le16(next));
}

/* The descriptors of a usual request. */
struct usual {
	const struct vring_desc *resp;
	const struct vring_desc *data;
	bool in;
};

/* Is this a table of header, response and data, in the order of the direction? */
static __always_inline bool usual_table(const struct vring_desc *table,
					struct usual *u)
{
	u->in = desc_is(&table[1], VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
	u->resp = u->in ? &table[1] : &table[2];
	u->data = u->in ? &table[2] : &table[1];
	return desc_is(&table[0], VRING_DESC_F_NEXT, 1) &&
	       (u->in || desc_is(&table[1], VRING_DESC_F_NEXT, 2)) &&
	       desc_is(&table[2], VRING_DESC_F_WRITE, 0) &&
	       (__force __le32)table[0].len ==
	       cpu_to_le32(sizeof(struct virtio_scsi_cmd_req)) &&
	       (__force __le32)u->resp->len ==
	       cpu_to_le32(sizeof(struct virtio_scsi_cmd_resp));
}

static __always_inline void cursor_at(struct vhost_scsi_cursor *cur,
				      const struct vhost_scsi_iov *iov,
				      unsigned int nr)
{
	/* A compound literal would also clear the padding. */
	cur->iov = iov;
	cur->nr = nr;
	cur->off = 0;
}

/**
 * vhost_scsi_request_usual - get and parse a chain in one step, if it is a usual one
 * @ring: running; vhost_scsi_ring_pending() was positive
 * @mem: guest memory
 * @table: room for VHOST_SCSI_USUAL_DESCS descriptors
 * @iov: room for VHOST_SCSI_USUAL_DESCS pieces; @req points to them
 * @req: gets the request
 *
 * Most drivers make an indirect table of three descriptors: header, response and one
 * piece of data. This function handles such a chain with less work than
 * vhost_scsi_ring_get_desc() and vhost_scsi_request_parse(), and with the same result.
 * Its header is VHOST_SCSI_HEADER_PLAIN.
 *
 * Context: a worker; may sleep.
 * Return: true if it got the chain. false: the chain is not a usual one, or a part is
 * not in memory. The chain is still in the ring, and @req is undefined.
 */
bool vhost_scsi_request_usual(struct vhost_scsi_ring *ring,
			      const struct vhost_scsi_mem *mem,
			      struct vring_desc *table,
			      struct vhost_scsi_iov *iov,
			      struct vhost_scsi_request *req)
{
	const unsigned int bytes = VHOST_SCSI_USUAL_DESCS * sizeof(*table);
	u16 slot = ring->last_avail & (ring->num - 1);
	struct virtio_scsi_cmd_req *hdr = &req->hdr;
	const struct vhost_scsi_region *r;
	const struct vring_desc *desc;
	struct vhost_scsi_iov piece;
	struct usual u;
	u64 gpa;
	u16 head;

	if (!ring->le || !ring->indirect)
		return false;
	head = le16_to_cpu((__force __le16)READ_ONCE(ring->avail->ring[slot]));
	if (head >= ring->num)
		return false;
	desc = &ring->desc[array_index_nospec(head, ring->num)];
	gpa = le64_to_cpu((__force __le64)READ_ONCE(desc->addr));
	if ((__force __le16)READ_ONCE(desc->flags) !=
	    cpu_to_le16(VRING_DESC_F_INDIRECT) ||
	    (__force __le32)READ_ONCE(desc->len) != cpu_to_le32(bytes))
		return false;

	r = vhost_scsi_mem_region(mem, gpa);
	if (!r || !vhost_scsi_region_has(r, gpa, bytes))
		return false;
	vhost_scsi_region_piece(r, gpa, &piece);
	if (!vhost_scsi_copy_few(table, piece.base, bytes) ||
	    !usual_table(table, &u))
		return false;

	/* The order of vhost_scsi_request_parse(): the pieces of @in, then of @out. */
	if (!usual_piece(mem, r, u.resp, &iov[0]) ||
	    !usual_piece(mem, r, u.data, u.in ? &iov[1] : &iov[2]) ||
	    !usual_piece(mem, r, &table[0], u.in ? &iov[2] : &iov[1]))
		return false;
	cursor_at(&req->in, iov, u.in ? 2 : 1);
	cursor_at(&req->out, u.in ? &iov[3] : &iov[2], u.in ? 0 : 1);
	if (!vhost_scsi_copy_few(hdr, req->out.iov[-1].base, sizeof(*hdr)) ||
	    !vhost_scsi_lun_parse(hdr->lun, &req->target, &req->lun))
		return false;

	req->head = head;
	req->pi = 0;
	req->data_in = u.in ? iov[1].len : 0;
	req->data_out = u.in ? 0 : iov[2].len;
	if (req->data_in + req->data_out > VHOST_SCSI_MAX_DATA)
		return false;
	ring->last_avail++;
	return true;
}

/* The sizes of each type of control request. A shorter one is malformed. */
static const struct {
	u32 type;
	u8 req_len;
	u8 resp_len;
} control_types[] = {
	{ VIRTIO_SCSI_T_TMF, sizeof(struct virtio_scsi_ctrl_tmf_req),
	  sizeof(struct virtio_scsi_ctrl_tmf_resp) },
	{ VIRTIO_SCSI_T_AN_QUERY, sizeof(struct virtio_scsi_ctrl_an_req),
	  sizeof(struct virtio_scsi_ctrl_an_resp) },
	{ VIRTIO_SCSI_T_AN_SUBSCRIBE, sizeof(struct virtio_scsi_ctrl_an_req),
	  sizeof(struct virtio_scsi_ctrl_an_resp) },
};

static void control_fill(struct vhost_scsi_control *c,
			 const union control_req *req, bool le)
{
	if (c->type == VIRTIO_SCSI_T_TMF) {
		c->subtype = __virtio32_to_cpu(le, req->tmf.subtype);
		c->tag = __virtio64_to_cpu(le, req->tmf.tag);
	}
}

/**
 * vhost_scsi_control_parse - read a chain of the control queue
 * @mem: guest memory
 * @chain: the chain
 * @iov: room for twice @chain->max pieces; @c points to them
 * @le: the ring is little endian
 * @c: gets the request; after an error without target, LUN, subtype and tag
 *
 * Context: a worker; may sleep.
 * Return: VIRTIO_SCSI_S_OK, or the response for the guest, in the format of @c->type.
 * FAILURE: too many pieces, a malformed chain, too short for its type, or not in guest
 * memory. FUNCTION_REJECTED: an unknown type. BAD_TARGET: the LUN field is invalid.
 */
u8 vhost_scsi_control_parse(const struct vhost_scsi_mem *mem,
			    const struct vhost_scsi_chain *chain,
			    struct vhost_scsi_iov *iov, bool le,
			    struct vhost_scsi_control *c)
{
	size_t n = min_t(u64, chain->out_len, sizeof(union control_req));
	struct vhost_scsi_cursor out;
	union control_req req;
	u32 type;
	int i;

	c->head = chain->head;
	c->in_len = chain->in_len;
	c->type = VIRTIO_SCSI_T_TMF;
	if (chain_map(mem, chain, iov, &out, &c->in) || chain->malformed ||
	    vhost_scsi_cursor_read(&out, &req, n) != n ||
	    n < sizeof(req.type))
		return VIRTIO_SCSI_S_FAILURE;

	type = __virtio32_to_cpu(le, req.type);
	for (i = 0; i < ARRAY_SIZE(control_types); i++)
		if (control_types[i].type == type)
			break;
	if (i == ARRAY_SIZE(control_types))
		return VIRTIO_SCSI_S_FUNCTION_REJECTED;

	c->type = type;
	if (n < control_types[i].req_len ||
	    chain->in_len < control_types[i].resp_len)
		return VIRTIO_SCSI_S_FAILURE;
	if (!vhost_scsi_lun_parse(type == VIRTIO_SCSI_T_TMF ? req.tmf.lun :
							      req.an.lun,
				  &c->target, &c->lun))
		return VIRTIO_SCSI_S_BAD_TARGET;
	control_fill(c, &req, le);
	return VIRTIO_SCSI_S_OK;
}
