// SPDX-License-Identifier: GPL-2.0-only
/* Control queue (virtio 1.2, 5.6.6.2) and event queue (5.6.6.3). */

#include <stdlib.h>
#include <string.h>

#include "vsg.h"

#define RESP_MAX sizeof(struct virtio_scsi_ctrl_an_resp)

struct vsg_ctl *vsg_ctl_alloc(struct vsg_dev *dev)
{
	struct vsg_ctl *ctl = calloc(1, sizeof(*ctl));

	if (!ctl)
		return NULL;
	ctl->dev = dev;
	ctl->tmf = vsg_mem_alloc(&dev->mem, sizeof(*ctl->tmf), 8);
	ctl->resp = vsg_mem_alloc(&dev->mem, RESP_MAX, 8);
	if (!ctl->tmf || !ctl->resp) {
		free(ctl);
		return NULL;
	}
	return ctl;
}

void vsg_ctl_free(struct vsg_ctl *ctl)
{
	free(ctl);
}

static int ctl_submit(struct vsg_ctl *ctl, uint32_t req_len, uint32_t resp_len)
{
	struct vsg_ring *r = &ctl->dev->ring[VSG_CTL];
	const struct vsg_mem *mem = &ctl->dev->mem;
	struct vsg_seg seg[] = {
		{ .gpa = vsg_gpa(mem, ctl->tmf), .len = req_len },
		{ .gpa = vsg_gpa(mem, ctl->resp), .len = resp_len,
		  .flags = VRING_DESC_F_WRITE },
	};
	int ret;

	memset(ctl->resp, VSG_POISON, RESP_MAX);
	ret = vsg_ring_add(r, &ctl->tok, seg, 2, 2);
	if (ret)
		return ret;
	vsg_ring_publish(r);
	vsg_ring_kick(r);
	return 0;
}

int vsg_tmf_submit_to(struct vsg_ctl *ctl, uint32_t subtype, const uint8_t lun[8],
		      uint64_t tag)
{
	const struct vsg_ring *r = &ctl->dev->ring[VSG_CTL];
	struct virtio_scsi_ctrl_tmf_req *tmf = ctl->tmf;

	memset(tmf, 0, sizeof(*tmf));
	tmf->type = vsg_v32(r, VIRTIO_SCSI_T_TMF);
	tmf->subtype = vsg_v32(r, subtype);
	memcpy(tmf->lun, lun, 8);
	tmf->tag = tag;
	return ctl_submit(ctl, sizeof(*tmf),
			  sizeof(struct virtio_scsi_ctrl_tmf_resp));
}

int vsg_tmf_submit(struct vsg_ctl *ctl, uint32_t subtype, uint8_t target,
		   uint16_t lun, uint64_t tag)
{
	uint8_t bytes[8];

	vsg_lun(bytes, target, lun);
	return vsg_tmf_submit_to(ctl, subtype, bytes, tag);
}

int vsg_tmf(struct vsg_dev *dev, uint32_t subtype, uint8_t target, uint16_t lun,
	    uint64_t tag, int timeout_ms)
{
	struct vsg_ctl *ctl = vsg_ctl_alloc(dev);
	int ret;

	if (!ctl)
		return -ENOMEM;
	ret = vsg_tmf_submit(ctl, subtype, target, lun, tag);
	if (!ret)
		ret = vsg_token_wait(&ctl->tok, timeout_ms);
	/* On a timeout the device still has it: let it be. */
	if (ret)
		return ret;
	ret = ctl->resp[0];
	vsg_ctl_free(ctl);
	return ret;
}

int vsg_an(struct vsg_dev *dev, uint32_t type, uint8_t target, uint16_t lun,
	   uint32_t events, uint32_t *actual, int timeout_ms)
{
	const struct vsg_ring *r = &dev->ring[VSG_CTL];
	struct virtio_scsi_ctrl_an_resp *resp;
	struct vsg_ctl *ctl = vsg_ctl_alloc(dev);
	int ret;

	if (!ctl)
		return -ENOMEM;
	memset(ctl->an, 0, sizeof(*ctl->an));
	ctl->an->type = vsg_v32(r, type);
	vsg_lun(ctl->an->lun, target, lun);
	ctl->an->event_requested = vsg_v32(r, events);
	ret = ctl_submit(ctl, sizeof(*ctl->an), sizeof(*resp));
	if (!ret)
		ret = vsg_token_wait(&ctl->tok, timeout_ms);
	if (ret)
		return ret;
	resp = (void *)ctl->resp;
	*actual = vsg_v32(r, resp->event_actual);
	ret = resp->response;
	vsg_ctl_free(ctl);
	return ret;
}

int vsg_evt_post(struct vsg_dev *dev, struct vsg_evt *evt, uint32_t size)
{
	struct vsg_ring *r = &dev->ring[VSG_EVT];
	struct vsg_seg seg;
	int ret;

	if (!evt->event || size > evt->size) {
		evt->event = vsg_mem_alloc(&dev->mem, size, 8);
		if (!evt->event)
			return -ENOMEM;
		evt->size = size;
	}
	memset(evt->event, VSG_POISON, size);
	seg = (struct vsg_seg) {
		.gpa = vsg_gpa(&dev->mem, evt->event),
		.len = size,
		.flags = VRING_DESC_F_WRITE,
	};
	ret = vsg_ring_add(r, &evt->tok, &seg, 1, 1);
	if (ret)
		return ret;
	vsg_ring_publish(r);
	vsg_ring_kick(r);
	return 0;
}
