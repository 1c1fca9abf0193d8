// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver's side of a split virtqueue (virtio 1.2, 2.7). It does not trust the
 * device: every used entry must be an outstanding chain.
 */

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "ring.h"

#define CALL_GRACE_MS 200

int64_t vsg_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The two event fields lie behind the rings (virtio 1.2, 2.7.6 and 2.7.8). */
static uint16_t *used_event(const struct vsg_ring *r)
{
	return (uint16_t *)&r->avail->ring[r->num];
}

static uint16_t *avail_event(const struct vsg_ring *r)
{
	return (uint16_t *)&r->used->ring[r->num];
}

static uint16_t load16(const struct vsg_ring *r, const void *p)
{
	return vsg_v16(r, __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE));
}

static void store16(const struct vsg_ring *r, void *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)p, vsg_v16(r, v), __ATOMIC_RELEASE);
}

void vsg_ring_reset(struct vsg_ring *r)
{
	unsigned int i;

	memset(r->desc, 0, r->num * sizeof(*r->desc));
	memset(r->avail, 0, vsg_avail_size(r->num));
	memset(r->used, 0, vsg_used_size(r->num));
	for (i = 0; i < r->num; i++) {
		r->slot[i].next = i + 1;
		r->slot[i].tok = NULL;
	}
	r->free_head = 0;
	r->nr_free = r->num;
	r->avail_idx = 0;
	r->kicked_idx = 0;
	r->used_idx = 0;
	r->base = 0;
	r->outstanding = 0;
}

void vsg_ring_set_base(struct vsg_ring *r, uint16_t base)
{
	vsg_ring_reset(r);
	r->base = base;
	r->avail_idx = base;
	r->kicked_idx = base;
	r->used_idx = base;
	store16(r, &r->avail->idx, base);
	store16(r, &r->used->idx, base);
	store16(r, avail_event(r), base);
}

int vsg_ring_create(struct vsg_ring *r, struct vsg_dev *dev, unsigned int index,
		    unsigned int num)
{
	r->dev = dev;
	r->index = index;
	r->num = num;
	r->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->call = eventfd(0, EFD_CLOEXEC);
	r->err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->kick < 0 || r->call < 0 || r->err < 0)
		return -errno;
	r->desc = vsg_mem_alloc(&dev->mem, num * sizeof(*r->desc), 16);
	r->avail = vsg_mem_alloc(&dev->mem, vsg_avail_size(num), 2);
	r->used = vsg_mem_alloc(&dev->mem, vsg_used_size(num), 4);
	r->slot = calloc(num, sizeof(*r->slot));
	if (!r->desc || !r->avail || !r->used || !r->slot)
		return -ENOMEM;
	vsg_ring_reset(r);
	return 0;
}

void vsg_ring_destroy(struct vsg_ring *r)
{
	free(r->slot);
	if (r->kick >= 0)
		close(r->kick);
	if (r->call >= 0)
		close(r->call);
	if (r->err >= 0)
		close(r->err);
}

static void desc_write(const struct vsg_ring *r, struct vring_desc *d,
		       uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
	d->addr = vsg_v64(r, gpa);
	d->len = vsg_v32(r, len);
	d->flags = vsg_v16(r, flags);
	d->next = vsg_v16(r, next);
}

/* Fills the indirect table of the chain that begins at @head. */
static int table_fill(struct vsg_ring *r, struct vsg_slot *slot,
		      const struct vsg_seg *seg, unsigned int n)
{
	unsigned int i;

	if (n > slot->table_len) {
		struct vring_desc *t;

		t = vsg_mem_alloc(&r->dev->mem, n * sizeof(*t), 16);
		if (!t)
			return -ENOMEM;
		slot->table = t;
		slot->table_len = n;
		slot->table_gpa = vsg_gpa(&r->dev->mem, t);
	}
	for (i = 0; i < n; i++)
		desc_write(r, &slot->table[i], seg[i].gpa, seg[i].len,
			   seg[i].flags | (i + 1 < n ? VRING_DESC_F_NEXT : 0),
			   i + 1 < n ? i + 1 : 0);
	return 0;
}

int vsg_ring_add(struct vsg_ring *r, struct vsg_token *tok,
		 const struct vsg_seg *seg, unsigned int n,
		 unsigned int ndirect)
{
	unsigned int need = ndirect + (ndirect < n), i;
	uint16_t head = r->free_head, at = head;
	struct vsg_slot *slot;
	int ret;

	if (!n || ndirect > n)
		return -EINVAL;
	if (need > r->nr_free)
		return -ENOSPC;
	slot = &r->slot[head];
	if (ndirect < n) {
		ret = table_fill(r, slot, seg + ndirect, n - ndirect);
		if (ret)
			return ret;
	}
	for (i = 0; i < need; i++) {
		uint16_t next = r->slot[at].next;
		bool last = i + 1 == need;
		uint16_t flags = last ? 0 : VRING_DESC_F_NEXT;

		if (i < ndirect)
			desc_write(r, &r->desc[at], seg[i].gpa, seg[i].len,
				   seg[i].flags | flags, last ? 0 : next);
		else
			desc_write(r, &r->desc[at], slot->table_gpa,
				   (n - ndirect) * sizeof(struct vring_desc),
				   VRING_DESC_F_INDIRECT, 0);
		if (last) {
			slot->tail = at;
			at = next;
			break;
		}
		at = next;
	}
	r->free_head = at;
	r->nr_free -= need;
	slot->count = need;
	vsg_ring_add_head(r, tok, head);
	return 0;
}

void vsg_ring_add_head(struct vsg_ring *r, struct vsg_token *tok, uint16_t head)
{
	if (tok) {
		tok->ring = r;
		tok->head = head;
		tok->done = false;
		tok->len = 0;
		if (head < r->num)
			r->slot[head].tok = tok;
		r->outstanding++;
	}
	r->avail->ring[r->avail_idx & (r->num - 1)] = vsg_v16(r, head);
	r->avail_idx++;
}

void vsg_ring_publish(struct vsg_ring *r)
{
	store16(r, &r->avail->idx, r->avail_idx);
}

bool vsg_ring_kick(struct vsg_ring *r)
{
	uint16_t old = r->kicked_idx;
	uint64_t one = 1;
	bool need;

	/* The index must be visible before the device's wish is read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	r->kicked_idx = r->avail_idx;
	if (r->event_idx)
		need = vring_need_event(load16(r, avail_event(r)),
					r->avail_idx, old);
	else
		need = !(load16(r, &r->used->flags) & VRING_USED_F_NO_NOTIFY);
	if (!need)
		return false;
	r->nr_kicks++;
	return write(r->kick, &one, sizeof(one)) == sizeof(one);
}

static bool used_pending(const struct vsg_ring *r)
{
	return load16(r, &r->used->idx) != r->used_idx;
}

static void slot_free(struct vsg_ring *r, uint16_t head)
{
	struct vsg_slot *slot = &r->slot[head];

	if (slot->count) {
		r->slot[slot->tail].next = r->free_head;
		r->free_head = head;
		r->nr_free += slot->count;
		slot->count = 0;
	}
	slot->tok = NULL;
	r->outstanding--;
}

struct vsg_token *vsg_ring_poll(struct vsg_ring *r)
{
	uint16_t idx = load16(r, &r->used->idx);
	const struct vring_used_elem *e;
	struct vsg_token *tok;
	uint32_t id;

	if (idx == r->used_idx)
		return NULL;
	if ((uint16_t)(idx - r->used_idx) > r->outstanding)
		r->errors.overrun++;
	e = &r->used->ring[r->used_idx++ & (r->num - 1)];
	id = vsg_v32(r, e->id);
	if (id >= r->num || !r->slot[id].tok) {
		r->errors.unknown++;
		return NULL;
	}
	tok = r->slot[id].tok;
	tok->len = vsg_v32(r, e->len);
	tok->done = true;
	slot_free(r, id);
	return tok;
}

int vsg_ring_wait(struct vsg_ring *r, int timeout_ms)
{
	struct pollfd pfd = { .fd = r->call, .events = POLLIN };
	uint64_t count;

	if (used_pending(r))
		return 0;
	if (r->event_idx)
		store16(r, used_event(r), r->used_idx);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	while (!used_pending(r)) {
		if (timeout_ms >= 0 && poll(&pfd, 1, timeout_ms) <= 0) {
			if (!used_pending(r))
				return -ETIMEDOUT;
			/* The call may be a moment behind the used index. */
			if (poll(&pfd, 1, CALL_GRACE_MS) <= 0)
				r->errors.lost_call++;
			return 0;
		}
		/* A call for what was taken by polling before may come first. */
		if (read(r->call, &count, sizeof(count)) == sizeof(count))
			r->nr_calls++;
	}
	return 0;
}

static int ms_left(int64_t end)
{
	int64_t left = end - vsg_now_ms();

	return left > 0 ? left : 0;
}

int vsg_token_wait(struct vsg_token *tok, int timeout_ms)
{
	int64_t end = timeout_ms >= 0 ? vsg_now_ms() + timeout_ms : 0;
	struct vsg_ring *r = tok->ring;
	int ret;

	while (!tok->done) {
		if (vsg_ring_poll(r))
			continue;
		ret = vsg_ring_wait(r, timeout_ms < 0 ? -1 : ms_left(end));
		if (ret)
			return ret;
	}
	return 0;
}

int vsg_ring_drain(struct vsg_ring *r, int timeout_ms)
{
	int64_t end = timeout_ms >= 0 ? vsg_now_ms() + timeout_ms : 0;
	int ret;

	while (r->outstanding) {
		if (vsg_ring_poll(r))
			continue;
		ret = vsg_ring_wait(r, timeout_ms < 0 ? -1 : ms_left(end));
		if (ret)
			return ret;
	}
	return 0;
}

bool vsg_ring_failed(struct vsg_ring *r, int timeout_ms)
{
	struct pollfd pfd = { .fd = r->err, .events = POLLIN };
	uint64_t count;

	if (poll(&pfd, 1, timeout_ms) <= 0)
		return false;
	return read(r->err, &count, sizeof(count)) == sizeof(count);
}
