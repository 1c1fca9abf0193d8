// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver of the ring that ring.c reads, correct or malicious.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include "ring_model.h"
#include "input.h"

void model_init(struct model *m, u16 num, bool le)
{
	memset(m, 0, sizeof(*m));
	m->ring.num = num;
	m->ring.le = le;
	m->ring.desc = calloc(1, vhost_scsi_ring_desc_bytes(num));
	m->ring.avail = calloc(1, vhost_scsi_ring_avail_bytes(num));
	m->ring.used = calloc(1, vhost_scsi_ring_used_bytes(num));
	m->mem = calloc(1, MODEL_MEM);
	m->chain.max = MODEL_MAX;
	m->chain.descs = calloc(MODEL_MAX, sizeof(*m->chain.descs));
	if (!m->ring.desc || !m->ring.avail || !m->ring.used || !m->mem ||
	    !m->chain.descs)
		abort();
}

void model_free(struct model *m)
{
	free(m->ring.desc);
	free(m->ring.avail);
	free(m->ring.used);
	free(m->mem);
	free(m->chain.descs);
}

int model_read(void *priv, u64 gpa, void *buf, size_t len)
{
	struct model *m = priv;

	m->reads++;
	m->read_bytes += len;
	if (gpa < MODEL_GPA || len > MODEL_MEM ||
	    gpa - MODEL_GPA > MODEL_MEM - len)
		return -EFAULT;
	memcpy(buf, m->mem + (gpa - MODEL_GPA), len);
	return 0;
}

int model_take(struct model *m)
{
	m->reads = 0;
	m->read_bytes = 0;
	return vhost_scsi_ring_get_desc(&m->ring, &m->chain, model_read, m);
}

void model_set_desc(const struct model *m, struct vring_desc *desc, u64 addr,
		    u32 len, u16 flags, u16 next)
{
	struct vring_desc d = {
		.addr = __cpu_to_virtio64(m->ring.le, addr),
		.len = __cpu_to_virtio32(m->ring.le, len),
		.flags = __cpu_to_virtio16(m->ring.le, flags),
		.next = __cpu_to_virtio16(m->ring.le, next),
	};

	/* Tables in guest memory are where they are. */
	memcpy(desc, &d, sizeof(d));
}

void model_set_avail_idx(struct model *m, u16 idx)
{
	m->avail_idx = idx;
	m->ring.avail->idx = __cpu_to_virtio16(m->ring.le, idx);
}

void model_offer(struct model *m, u16 head)
{
	u16 slot = m->avail_idx & (m->ring.num - 1);

	m->ring.avail->ring[slot] = __cpu_to_virtio16(m->ring.le, head);
	model_set_avail_idx(m, m->avail_idx + 1);
}

void model_set_used_event(struct model *m, u16 idx)
{
	m->ring.avail->ring[m->ring.num] = __cpu_to_virtio16(m->ring.le, idx);
}

u16 model_used_idx(const struct model *m)
{
	return __virtio16_to_cpu(m->ring.le, m->ring.used->idx);
}

u16 model_avail_event(const struct model *m)
{
	__virtio16 event;

	memcpy(&event, &m->ring.used->ring[m->ring.num], sizeof(event));
	return __virtio16_to_cpu(m->ring.le, event);
}

/*
 * Any bytes.
 */

/*
 * The plainest way to read a chain.
 */

struct walk {
	struct vhost_scsi_chain chain;
	struct vhost_scsi_range descs[MODEL_MAX];
};

static struct vring_desc walk_desc(const struct model *m, const void *p)
{
	struct vring_desc d;

	memcpy(&d, p, sizeof(d));
	d.addr = __virtio64_to_cpu(m->ring.le, d.addr);
	d.len = __virtio32_to_cpu(m->ring.le, d.len);
	d.flags = __virtio16_to_cpu(m->ring.le, d.flags);
	d.next = __virtio16_to_cpu(m->ring.le, d.next);
	return d;
}

static void walk_add(struct walk *w, const struct vring_desc *d)
{
	struct vhost_scsi_chain *c = &w->chain;
	bool in = d->flags & VRING_DESC_F_WRITE;

	if (c->nr_out + c->nr_in == c->max || (c->nr_in && !in)) {
		c->malformed = true;
		return;
	}
	w->descs[c->nr_out + c->nr_in].gpa = d->addr;
	w->descs[c->nr_out + c->nr_in].len = d->len;
	c->nr_in += in;
	c->nr_out += !in;
}

/* False: malformed. Up to 16 entries from where it goes on must be memory. */
static bool walk_table(const struct model *m, struct walk *w,
		       const struct vring_desc *table)
{
	u32 count = table->len / 16, window = 0, i = 0, seen;

	if (!count || table->len % 16 || table->addr + table->len < table->addr ||
	    table->flags & VRING_DESC_F_NEXT)
		return false;

	for (seen = 0; seen < count && i < count; seen++) {
		struct vring_desc d;
		u64 off;

		if (!seen || i < window || i >= window + 16)
			window = i;
		off = table->addr + 16ULL * window - MODEL_GPA;
		if (off > MODEL_MEM ||
		    off + 16 * min(count - window, 16U) > MODEL_MEM)
			return false;
		d = walk_desc(m, m->mem + off + 16 * (i - window));
		if (d.flags & VRING_DESC_F_INDIRECT)
			return false;
		walk_add(w, &d);
		if (w->chain.malformed || !(d.flags & VRING_DESC_F_NEXT))
			return !w->chain.malformed;
		i = d.next;
	}
	return false;
}

static int walk_chain(const struct model *m, struct walk *w, u16 at)
{
	const struct vhost_scsi_ring *r = &m->ring;
	unsigned int seen;
	u16 i;

	i = __virtio16_to_cpu(r->le, r->avail->ring[at % r->num]);
	memset(w, 0, sizeof(*w));
	w->chain.head = i;
	w->chain.max = m->chain.max;
	for (seen = 0; seen < r->num && i < r->num; seen++) {
		struct vring_desc d = walk_desc(m, &r->desc[i]);
		bool table = d.flags & VRING_DESC_F_INDIRECT;

		if (table && r->indirect && !w->chain.malformed) {
			w->chain.malformed = !walk_table(m, w, &d);
			return 0;
		}
		if (table)
			w->chain.malformed = true;
		else if (!w->chain.malformed)
			walk_add(w, &d);
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		i = d.next;
	}
	return -EIO;
}

static void check_taken(struct model *m, int ret, u16 before)
{
	const struct vhost_scsi_chain *c = &m->chain;
	u64 out = 0, in = 0;
	unsigned int i;
	struct walk *w = malloc(sizeof(*w));

	must(ret == walk_chain(m, w, before));
	must(m->ring.last_avail == (u16)(before + !ret));
	must(c->nr_out + c->nr_in <= c->max);
	for (i = 0; i < c->nr_out; i++)
		out += c->descs[i].len;
	for (i = 0; i < c->nr_in; i++)
		in += c->descs[c->nr_out + i].len;
	must(out == c->out_len && in == c->in_len);
	if (!ret) {
		must(c->head == w->chain.head);
		must(c->malformed == w->chain.malformed);
		must(c->nr_out == w->chain.nr_out);
		must(c->nr_in == w->chain.nr_in);
		for (i = 0; i < c->nr_out + c->nr_in; i++)
			must(c->descs[i].gpa == w->descs[i].gpa &&
			     c->descs[i].len == w->descs[i].len);
	}
	/* A window for each descriptor at the worst, and one that failed. */
	must(m->reads <= c->max + 1u);
	free(w);
}

static void scribble(struct model *m, struct input *in)
{
	size_t off = next_number(in, 2);
	u8 what = next_byte(in);
	u8 val = next_byte(in);
	u16 num = m->ring.num;

	switch (what & 3) {
	case 0:
		((u8 *)m->ring.desc)[off % vhost_scsi_ring_desc_bytes(num)] =
			val;
		break;
	case 1:
		((u8 *)m->ring.avail)[off % vhost_scsi_ring_avail_bytes(num)] =
			val;
		break;
	case 2:
		((u8 *)m->ring.used)[off % vhost_scsi_ring_used_bytes(num)] =
			val;
		break;
	case 3:
		m->mem[off % MODEL_MEM] = val;
		break;
	}
}

static void step(struct model *m, struct input *in)
{
	u16 before = m->ring.last_avail, used = m->ring.used_idx;
	u8 id;
	int ret;

	switch (next_byte(in) % 8) {
	case 0:
	case 1:
		ret = vhost_scsi_ring_pending(&m->ring);
		must(ret == -EIO || (ret >= 0 && ret <= m->ring.num));
		if (ret > 0)
			check_taken(m, model_take(m), before);
		break;
	case 2:
		id = next_byte(in);
		model_give(&m->ring, id, next_byte(in));
		must(m->ring.used_idx == (u16)(used + 1));
		must(model_used_idx(m) == m->ring.used_idx);
		break;
	case 3:
		vhost_scsi_ring_want_signal(&m->ring);
		break;
	case 4:
		vhost_scsi_ring_enable_notify(&m->ring);
		break;
	case 5:
		vhost_scsi_ring_disable_notify(&m->ring);
		break;
	case 6:
		scribble(m, in);
		break;
	case 7:
		model_set_avail_idx(m, m->ring.last_avail + next_byte(in) % 4);
		break;
	}
}

unsigned int ring_run(const u8 *data, size_t size)
{
	struct input in = { data, size }, ops;
	u8 num = next_byte(&in);
	u8 flags = next_byte(&in);
	unsigned int steps;
	struct model m;

	model_init(&m, 1 << (num & 7), flags & 1);
	m.ring.event_idx = flags & 2;
	m.ring.indirect = flags & 4;
	m.chain.max = 1 + (flags >> 3);
	m.ring.last_avail = next_number(&in, 2);

	/* The operations first: what an image ends with may be left out. */
	ops = next_input(&in, 4 * next_byte(&in));
	next_bytes(&in, m.ring.desc, vhost_scsi_ring_desc_bytes(m.ring.num));
	next_bytes(&in, m.ring.avail, vhost_scsi_ring_avail_bytes(m.ring.num));
	next_bytes(&in, m.ring.used, vhost_scsi_ring_used_bytes(m.ring.num));
	next_bytes(&in, m.mem, MODEL_IMAGE);
	vhost_scsi_ring_start(&m.ring);
	must(m.ring.used_idx == model_used_idx(&m));
	for (steps = 0; ops.size; steps++)
		step(&m, &ops);
	model_free(&m);
	return steps;
}
