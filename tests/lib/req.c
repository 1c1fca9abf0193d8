// SPDX-License-Identifier: GPL-2.0-only
/* SCSI requests: header, response and data, and how they are split into descriptors. */

#include <stdlib.h>
#include <string.h>

#include "vsg.h"

#define PAGE 4096UL

/*
 * @head_len bytes that end where the data begins, and the data at @off in a
 * page.  Returns the data.
 */
static uint8_t *stream_alloc(struct vsg_dev *dev, size_t head_len, size_t data,
			     size_t off)
{
	size_t lead = off >= head_len ? off : off + PAGE;
	uint8_t *p;

	p = vsg_mem_alloc(&dev->mem, lead + data, PAGE);
	return p ? p + lead : NULL;
}

static bool has_pi(const struct vsg_dev *dev)
{
	return dev->features & VSG_F(VIRTIO_SCSI_F_T10_PI);
}

struct vsg_req *vsg_req_alloc(struct vsg_dev *dev, size_t out_max,
			      size_t in_max, size_t off)
{
	struct vsg_req *req = calloc(1, sizeof(*req));

	if (!req)
		return NULL;
	req->dev = dev;
	req->out_max = out_max;
	req->in_max = in_max;
	req->data_out = stream_alloc(dev, VSG_REQ_LEN, out_max, off);
	req->data_in = stream_alloc(dev, VSG_RESP_LEN, in_max, off);
	if (has_pi(dev))
		req->hdr_pi = vsg_mem_alloc(&dev->mem, sizeof(*req->hdr_pi), 1);
	if (!req->data_out || !req->data_in || (has_pi(dev) && !req->hdr_pi)) {
		free(req);
		return NULL;
	}
	req->hdr = (void *)(req->data_out - VSG_REQ_LEN);
	req->resp = (void *)(req->data_in - VSG_RESP_LEN);
	return req;
}

void vsg_req_free(struct vsg_req *req)
{
	if (!req)
		return;
	free(req->seg);
	free(req);
}

int vsg_req_seg(struct vsg_req *req, uint64_t gpa, uint32_t len, uint16_t flags)
{
	if (req->nseg == req->max_seg) {
		unsigned int max = req->max_seg ? req->max_seg * 2 : 8;
		struct vsg_seg *seg = realloc(req->seg, max * sizeof(*seg));

		if (!seg)
			return -ENOMEM;
		req->seg = seg;
		req->max_seg = max;
	}
	req->seg[req->nseg++] = (struct vsg_seg) {
		.gpa = gpa,
		.len = len,
		.flags = flags,
	};
	return 0;
}

void vsg_lun(uint8_t buf[8], uint8_t target, uint16_t lun)
{
	memset(buf, 0, 8);
	buf[0] = 1;
	buf[1] = target;
	buf[2] = 0x40 | (lun >> 8 & 0x3f);
	buf[3] = lun & 0xff;
}

static bool has_indirect(const struct vsg_req *req)
{
	return req->dev->features & VSG_F(VIRTIO_RING_F_INDIRECT_DESC);
}

void vsg_req_cmd(struct vsg_req *req, uint8_t target, uint16_t lun,
		 const void *cdb, size_t cdb_len, size_t out_len, size_t in_len)
{
	const struct vsg_mem *mem = &req->dev->mem;
	struct virtio_scsi_cmd_req *hdr = req->hdr;

	memset(hdr, 0, sizeof(*hdr));
	vsg_lun(hdr->lun, target, lun);
	hdr->tag = (uintptr_t)req;
	hdr->task_attr = VIRTIO_SCSI_S_SIMPLE;
	memcpy(hdr->cdb, cdb, cdb_len < sizeof(hdr->cdb) ? cdb_len :
						sizeof(hdr->cdb));
	req->out_len = out_len;
	req->in_len = in_len;
	req->nseg = 0;
	if (req->hdr_pi) {
		memset(req->hdr_pi, 0, sizeof(*req->hdr_pi));
		memcpy(req->hdr_pi, hdr, offsetof(struct virtio_scsi_cmd_req, cdb));
		memcpy(req->hdr_pi->cdb, hdr->cdb, sizeof(hdr->cdb));
		vsg_req_seg(req, vsg_gpa(mem, req->hdr_pi), sizeof(*req->hdr_pi), 0);
	} else {
		vsg_req_seg(req, vsg_gpa(mem, hdr), VSG_REQ_LEN, 0);
	}
	if (out_len)
		vsg_req_seg(req, vsg_gpa(mem, req->data_out), out_len, 0);
	vsg_req_seg(req, vsg_gpa(mem, req->resp), VSG_RESP_LEN,
		    VRING_DESC_F_WRITE);
	if (in_len)
		vsg_req_seg(req, vsg_gpa(mem, req->data_in), in_len,
			    VRING_DESC_F_WRITE);
	vsg_req_direct(req, !has_indirect(req));
}

/* Appends the stream of @total bytes at @gpa, cut as @len says. */
static int stream_cut(struct vsg_req *req, uint64_t gpa, size_t total,
		      const uint32_t *len, unsigned int n, uint16_t flags)
{
	unsigned int i = 0;
	int ret;

	if (!n)
		return vsg_req_seg(req, gpa, total, flags);
	if (!len[n - 1])
		return -EINVAL;
	while (total) {
		uint32_t l = len[i < n ? i : n - 1];

		i++;
		if (l > total)
			l = total;
		ret = vsg_req_seg(req, gpa, l, flags);
		if (ret)
			return ret;
		gpa += l;
		total -= l;
	}
	return 0;
}

int vsg_req_cut(struct vsg_req *req, const uint32_t *out, unsigned int nout,
		const uint32_t *in, unsigned int nin)
{
	const struct vsg_mem *mem = &req->dev->mem;
	bool direct = req->ndirect;
	int ret;

	req->nseg = 0;
	ret = stream_cut(req, vsg_gpa(mem, req->hdr), VSG_REQ_LEN + req->out_len,
			 out, nout, 0);
	if (!ret)
		ret = stream_cut(req, vsg_gpa(mem, req->resp),
				 VSG_RESP_LEN + req->in_len, in, nin,
				 VRING_DESC_F_WRITE);
	vsg_req_direct(req, direct);
	return ret;
}

int vsg_submit(struct vsg_ring *r, struct vsg_req *req)
{
	int ret;

	memset(req->resp, VSG_POISON, sizeof(*req->resp));
	ret = vsg_ring_add(r, &req->tok, req->seg, req->nseg, req->ndirect);
	if (!ret)
		vsg_ring_publish(r);
	return ret;
}

int vsg_exec(struct vsg_ring *r, struct vsg_req *req, int timeout_ms)
{
	int ret = vsg_submit(r, req);

	if (ret)
		return ret;
	vsg_ring_kick(r);
	return vsg_token_wait(&req->tok, timeout_ms);
}

struct vsg_result vsg_result(const struct vsg_req *req)
{
	const struct virtio_scsi_cmd_resp *resp = req->resp;
	bool native = !(req->dev->features & VSG_F(VIRTIO_F_VERSION_1));
	struct vsg_result res = {
		.response = resp->response,
		.status = resp->status,
		.resid = native ? resp->resid : le32toh(resp->resid),
		.sense_len = native ? resp->sense_len : le32toh(resp->sense_len),
	};
	size_t len = res.sense_len;

	if (len > sizeof(resp->sense))
		len = sizeof(resp->sense);
	vsg_sense(resp->sense, len, &res.key, &res.asc);
	return res;
}

bool vsg_good(const struct vsg_req *req)
{
	return req->tok.done && req->resp->response == VIRTIO_SCSI_S_OK &&
	       req->resp->status == VSG_GOOD;
}
