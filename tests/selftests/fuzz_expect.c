// SPDX-License-Identifier: GPL-2.0-only
/*
 * A second implementation of the specification and of Documentation/errors.rst, which
 * the device is compared with. It shares no code with the module.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_expect.h"
#include "util.h"

#define CHAIN_MAX 1024		/* Documentation/errors.rst */
#define PIECES_OF_CHAIN 2048	/* likewise */

/* ---- what is in a chain ------------------------------------------------- */

static void add_pieces(struct batch *b, struct chain *c, struct vsg_seg s)
{
	uint64_t len = s.len, n, left;
	struct piece *p;

	for (; len; len -= n, s.gpa += n) {
		if (b->nr_pieces == PIECES_MAX) {
			fprintf(stderr, "# too few pieces\n");
			abort();
		}
		p = &b->pieces[b->nr_pieces++];
		p->zone = batch_find(b, s.gpa, &p->p, &left);
		n = len < left ? len : left;
		p->len = n;
		*(s.flags & F_WRITE ? &c->nr_in : &c->nr_out) += 1;
	}
}

static void see_desc(struct batch *b, struct chain *c, struct vsg_seg s)
{
	bool in = s.flags & F_WRITE;

	if (c->nr == CHAIN_MAX || (!in && c->seen_in)) {
		c->malformed = true;
		return;
	}
	c->nr++;
	c->seen_in |= in;
	*(in ? &c->in_len : &c->out_len) += s.len;
	add_pieces(b, c, s);
}

/* Copies from guest memory as it is now; false if some of it cannot be read. */
static bool peek(const struct batch *b, uint64_t gpa, void *buf, uint64_t len)
{
	uint64_t n, left;
	enum zone z;
	uint8_t *p;

	for (; len; len -= n, gpa += n, buf += n) {
		z = batch_find(b, gpa, &p, &left);
		if (z == Z_HOLE || z == Z_NOWHERE)
			return false;
		n = len < left ? len : left;
		memcpy(buf, p, n);
	}
	return true;
}

static void see_table(struct batch *b, struct chain *c, struct vsg_seg s)
{
	uint64_t count = s.len / 16, at = 0, seen = 0, ahead;
	struct vring_desc desc, many[16];
	struct vsg_seg e;

	if (!s.len || s.len % 16 || s.gpa + s.len < s.gpa || s.flags & F_NEXT) {
		c->malformed = true;
		return;
	}
	do {
		if (at >= count || ++seen > count ||
		    !peek(b, s.gpa + 16 * at, &desc, 16)) {
			c->malformed = true;
			return;
		}
		/* How far a device reads ahead is its own affair. */
		ahead = count - at < 16 ? count - at : 16;
		if (!peek(b, s.gpa + 16 * at, many, 16 * ahead))
			c->loose = true;
		e = batch_desc(b->ring, &desc);
		if (e.flags & F_INDIRECT)
			c->malformed = true;
		else
			see_desc(b, c, e);
		if (c->malformed)
			return;
		at = vsg_v16(b->ring, desc.next);
	} while (e.flags & F_NEXT);
}

/* As Documentation/errors.rst has it. */
static void see_chain(struct batch *b, struct chain *c)
{
	bool indirect = b->ring->dev->features &
			VSG_F(VIRTIO_RING_F_INDIRECT_DESC);
	unsigned int i = c->head, seen = 0;
	struct vsg_seg s;

	c->piece = b->nr_pieces;
	do {
		if (i >= b->ring->num || ++seen > b->ring->num) {
			c->broken = true;
			return;
		}
		s = batch_desc(b->ring, &b->ring->desc[i]);
		if (!(s.flags & F_INDIRECT)) {
			if (!c->malformed)
				see_desc(b, c, s);
		} else if (!indirect) {
			c->malformed = true;
		} else if (!c->malformed) {
			see_table(b, c, s);
			return;
		}
		i = vsg_v16(b->ring, b->ring->desc[i].next);
	} while (s.flags & F_NEXT);
}

static bool in_slice(const struct batch *b, unsigned int slice,
		     const struct piece *p)
{
	const uint8_t *base = b->zone[Z_MAIN].hva + slice * SLICE;

	return p->zone == Z_MAIN && slice < SLICES && p->p >= base &&
	       p->len <= SLICE && p->p + p->len <= base + SLICE;
}

static bool overlap(const struct piece *a, const struct piece *b)
{
	return a->p && b->p && a->p < b->p + b->len && b->p < a->p + a->len;
}

static bool writable(const struct piece *p)
{
	return p->zone == Z_MAIN || p->zone == Z_EDGE;
}

static bool readable(const struct piece *p)
{
	return p->zone != Z_HOLE && p->zone != Z_NOWHERE;
}

/* Bytes that can be written before something that is no memory. */
static uint64_t room(const struct batch *b, const struct chain *c, uint64_t max)
{
	const struct piece *p = &b->pieces[c->piece + c->nr_out];
	uint64_t n = 0;
	unsigned int i;

	for (i = 0; i < c->nr_in && n < max && writable(&p[i]); i++)
		n += p[i].len;
	return n < max ? n : max;
}

/* Bytes of the readable part, as far as they can be read. */
static unsigned int header(const struct batch *b, const struct chain *c,
			   void *buf, unsigned int max)
{
	const struct piece *p = &b->pieces[c->piece];
	unsigned int done = 0, i, n;

	for (i = 0; i < c->nr_out && done < max && readable(&p[i]); i++) {
		n = p[i].len < max - done ? p[i].len : max - done;
		memcpy(buf + done, p[i].p, n);
		done += n;
	}
	return done;
}

/* The REPORT LUNS well known LUN of the device; its first bytes are those of a target's. */
static const uint8_t well_known[8] = { 0xc1, 0x01 };

static bool good_lun(const uint8_t *lun)
{
	if (!memcmp(lun, well_known, sizeof(well_known)))
		return true;
	return lun[0] == 1 && (!lun[2] || (lun[2] & 0xc0) == 0x40 ||
			       !memcmp(lun + 2, well_known, 2)) && !lun[4] &&
	       !lun[5] && !lun[6] && !lun[7];
}

static bool good_target(const uint8_t *lun)
{
	return good_lun(lun) &&
	       (lun[0] == well_known[0] || lun[1] == FUZZ_TARGET || lun[1] == CALM_TARGET);
}

static bool all_memory(const struct batch *b, const struct chain *c)
{
	const struct piece *p = &b->pieces[c->piece];
	unsigned int i;

	for (i = 0; i < c->nr_out; i++)
		if (!readable(&p[i]))
			return false;
	for (; i < c->nr_out + c->nr_in; i++)
		if (!writable(&p[i]))
			return false;
	return true;
}

/* Sizes that no request has, as far as the header does not matter. */
static bool bad_sizes(const struct chain *c)
{
	return c->out_len > DATA_MAX + VSG_REQ_LEN ||
	       c->in_len > DATA_MAX + VSG_RESP_LEN ||
	       (c->out_len > VSG_REQ_LEN && c->in_len > VSG_RESP_LEN);
}

static bool too_short(const struct chain *c)
{
	return c->out_len < VSG_REQ_LEN || c->in_len < VSG_RESP_LEN;
}

/* Whatever the header says. */
static bool is_refused(const struct batch *b, const struct chain *c)
{
	return c->malformed || too_short(c) || bad_sizes(c) || !all_memory(b, c);
}

/* What a request is refused with, or -1; in the documented order. */
static int refusal(const struct batch *b, const struct chain *c)
{
	struct virtio_scsi_cmd_req hdr;

	if (c->malformed || too_short(c) ||
	    header(b, c, &hdr, sizeof(hdr)) < sizeof(hdr))
		return VIRTIO_SCSI_S_FAILURE;
	if (!good_lun(hdr.lun))
		return VIRTIO_SCSI_S_BAD_TARGET;
	if (bad_sizes(c))
		return VIRTIO_SCSI_S_FAILURE;
	if (!good_target(hdr.lun))
		return VIRTIO_SCSI_S_BAD_TARGET;
	return all_memory(b, c) ? -1 : VIRTIO_SCSI_S_FAILURE;
}

static void expect_request(const struct batch *b, struct chain *c)
{
	c->response = refusal(b, c);
	c->used = room(b, c, VSG_RESP_LEN);
	c->data_in = c->response < 0 ? c->in_len - VSG_RESP_LEN : 0;
	c->limit = is_refused(b, c) ? c->used : c->in_len;
}

static int control_refusal(const struct batch *b, const struct chain *c,
			   unsigned int *len)
{
	uint8_t req[24];
	uint32_t want = c->out_len < sizeof(req) ? c->out_len : sizeof(req);
	uint32_t type, function;

	*len = 1;
	if (c->malformed || header(b, c, req, want) < want || want < 4)
		return VIRTIO_SCSI_S_FAILURE;
	memcpy(&type, req, 4);
	memcpy(&function, req + 4, 4);
	type = vsg_v32(b->ring, type);
	function = vsg_v32(b->ring, function);
	if (type != VIRTIO_SCSI_T_TMF) {
		if (type > VIRTIO_SCSI_T_AN_SUBSCRIBE)
			return VIRTIO_SCSI_S_FUNCTION_REJECTED;
		*len = 5;
		if (want < 16 || c->in_len < 5)
			return VIRTIO_SCSI_S_FAILURE;
		return good_target(req + 4) ? VIRTIO_SCSI_S_OK :
					   VIRTIO_SCSI_S_BAD_TARGET;
	}
	if (want < 24 || !c->in_len)
		return VIRTIO_SCSI_S_FAILURE;
	if (!good_target(req + 8))
		return VIRTIO_SCSI_S_BAD_TARGET;
	if (function > VIRTIO_SCSI_T_TMF_QUERY_TASK_SET ||
	    function == VIRTIO_SCSI_T_TMF_CLEAR_ACA)
		return VIRTIO_SCSI_S_FUNCTION_REJECTED;
	return function >= VIRTIO_SCSI_T_TMF_QUERY_TASK ? FROM_QUERY : -1;
}

static void expect(const struct batch *b, struct chain *c)
{
	unsigned int len = 16;

	if (!b->events && !b->control) {
		expect_request(b, c);
		return;
	}
	c->response = b->events ? -1 : control_refusal(b, c, &len);
	c->used = room(b, c, len);
	c->limit = room(b, c, b->events ? 16 : 5);
}

/* Is it certain what is read, and where the answer goes? */
static void see_memory(const struct batch *b, struct chain *c)
{
	const struct piece *p = &b->pieces[c->piece];
	unsigned int i, k;
	uint64_t left = c->limit;
	struct piece t;

	for (i = 0; i < c->nr_out; i++)
		if (p[i].zone == Z_OTHERS || p[i].zone == Z_EDGE ||
		    (p[i].zone == Z_MAIN && !in_slice(b, c->own, &p[i])))
			c->loose = true;
	for (p += c->nr_out, i = 0; i < c->nr_in && left; i++, left -= t.len) {
		t = p[i];
		if (t.len > left)
			t.len = left;
		for (k = 0; k < i && k < 64; k++)
			c->loose |= overlap(&p[k], &t);
		c->loose |= i >= 64;
		if (!writable(&t) || in_slice(b, c->own, &t))
			continue;
		if (c->limit - left < VSG_RESP_LEN)
			c->loose = true;
		/* The last slice is nobody's. */
		if (t.p < b->zone[Z_MAIN].hva + (SLICES - 1) * SLICE)
			c->foreign |= t.zone == Z_MAIN;
	}
	if (c->nr_in > PIECES_OF_CHAIN || c->nr_out > PIECES_OF_CHAIN)
		c->loose = true;
}

void chain_expect(struct batch *b, struct chain *c)
{
	see_chain(b, c);
	if (c->broken)
		return;
	expect(b, c);
	see_memory(b, c);
}

/* ---- what the device says ----------------------------------------------- */

/* The answer's first bytes. */
static void answer_get(const struct batch *b, const struct chain *c, void *buf,
		       size_t len)
{
	const struct piece *p = &b->pieces[c->piece + c->nr_out];
	size_t n;

	memset(buf, 0, len);
	for (; len; len -= n, buf += n, p++) {
		n = p->len < len ? p->len : len;
		memcpy(buf, p->p, n);
	}
}

/* The device may have written the first @len bytes. */
static void accept(struct batch *b, const struct chain *c, uint64_t len)
{
	const struct piece *p = &b->pieces[c->piece + c->nr_out];
	unsigned int i;
	uint64_t n, off;

	for (i = 0; i < c->nr_in && len; i++, len -= n) {
		n = p[i].len < len ? p[i].len : len;
		if (!writable(&p[i]))
			continue;
		off = p[i].p - b->zone[p[i].zone].hva;
		memcpy(b->shadow[p[i].zone] + off, p[i].p, n);
	}
}

static bool from_target(uint8_t response)
{
	return response == VIRTIO_SCSI_S_OK ||
	       response == VIRTIO_SCSI_S_OVERRUN ||
	       response == VIRTIO_SCSI_S_ABORTED ||
	       response == VIRTIO_SCSI_S_RESET;
}

static const char *answer_request(struct batch *b, const struct chain *c,
				  uint32_t len)
{
	struct virtio_scsi_cmd_resp resp;
	uint32_t resid, sense;

	if (c->response >= 0) {
		if (c->used < 12)
			return NULL;
		answer_get(b, c, &resp, 12);
		return resp.response == c->response ? NULL :
		       "refused with another response";
	}
	answer_get(b, c, &resp, sizeof(resp));
	resid = vsg_v32(b->ring, resp.resid);
	sense = vsg_v32(b->ring, resp.sense_len);
	if (!from_target(resp.response))
		return "a response that a target does not give";
	if (resp.response != VIRTIO_SCSI_S_OK)
		return len == VSG_RESP_LEN ? NULL : "used.len of a failure";
	if (sense > sizeof(resp.sense) ||
	    (sense && resp.status != VSG_CHECK_CONDITION))
		return "length of the sense data";
	if (resid > c->data_in + c->out_len)
		return "residual";
	if (c->data_in)
		return len == VSG_RESP_LEN + c->data_in - resid ? NULL :
		       "used.len does not fit the residual";
	return len == VSG_RESP_LEN ? NULL : "used.len without data-in";
}

static const char *answer_control(struct batch *b, const struct chain *c)
{
	uint8_t resp[5], code;
	unsigned int len = c->used;

	if (!len)
		return NULL;
	answer_get(b, c, resp, len);
	code = len == 5 ? resp[4] : resp[0];
	/* One byte of an answer of five is not its code. */
	if (len > 1 && len < 5)
		return NULL;
	if (c->response >= 0)
		return code == c->response || c->in_len < 5 ? NULL :
		       "another response";
	if (c->response == FROM_QUERY && code == VIRTIO_SCSI_S_FUNCTION_SUCCEEDED)
		return NULL;
	return code == VIRTIO_SCSI_S_FUNCTION_COMPLETE ||
	       code == VIRTIO_SCSI_S_INCORRECT_LUN ||
	       code == VIRTIO_SCSI_S_BUSY ? NULL : "response of a function";
}

bool batch_good(const struct batch *b, const struct chain *c)
{
	struct virtio_scsi_cmd_resp resp;

	if (b->control || b->events || c->response >= 0 || c->loose || b->mixed)
		return false;
	answer_get(b, c, &resp, sizeof(resp));
	return !resp.response && !resp.status;
}

const char *batch_answer(struct batch *b, struct chain *c, uint32_t len)
{
	const char *err = NULL;

	c->done = true;
	if (b->mixed || c->loose) {
		accept(b, c, c->limit);
		return len <= c->limit ? NULL : "used.len beyond the buffer";
	}
	if (len < c->used || len > c->used + c->data_in)
		err = "used.len";
	else if (b->control)
		err = answer_control(b, c);
	else if (!b->events)
		err = answer_request(b, c, len);
	/* What failed half-way may have left something of it. */
	accept(b, c, c->response >= 0 || batch_good(b, c) ? len : c->limit);
	return err;
}

void batch_print(const struct batch *b, const struct chain *c)
{
	static const char * const zones[] = {
		"table", "main", "edge", "hole", "const", "others", "nowhere",
	};
	const struct piece *p = &b->pieces[c->piece];
	uint8_t hdr[VSG_REQ_LEN] = {};
	unsigned int i, n;

	n = header(b, c, hdr, sizeof(hdr));
	printf("#   head %u, slice %u%s%s%s%s, out %llu, in %llu, response %d, used %u\n",
	       c->head, c->own, c->broken ? ", broken" : "",
	       c->malformed ? ", malformed" : "", c->loose ? ", loose" : "",
	       b->mixed ? ", mixed" : "", (unsigned long long)c->out_len,
	       (unsigned long long)c->in_len, c->response, c->used);
	printf("#     header:");
	for (i = 0; i < n; i++)
		printf(" %02x", hdr[i]);
	printf("\n");
	for (i = 0; i < c->nr_out + c->nr_in && i < 12; i++)
		printf("#     %s %s+%#llx, %llu bytes\n",
		       i < c->nr_out ? "read" : "write", zones[p[i].zone],
		       p[i].zone < NR_ZONES ? (unsigned long long)
		       (p[i].p - b->zone[p[i].zone].hva) : 0ULL,
		       (unsigned long long)p[i].len);
}
