// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <unistd.h>

#include "load.h"

/* Write what was not written yet, read what was. */
static bool next(struct load *load, unsigned int i)
{
	struct vsg_req *req = load->req[i];
	uint64_t lba = load->lba + i;
	bool write = !load->written[i];

	if (write)
		vsg_pattern(req->data_out, BLOCK, lba * BLOCK, ++load->seed[i]);
	else
		memset(req->data_in, VSG_POISON, BLOCK);
	vsg_cmd_rw(req, load->target, load->lun, write, lba, 1, BLOCK);
	req->hdr->tag = (uintptr_t)load << 8 | i;
	return !vsg_submit(load->r, req);
}

static const char *check(struct load *load, unsigned int i)
{
	struct vsg_req *req = load->req[i];
	uint64_t lba = load->lba + i;

	load->done++;
	load->written[i] = vsg_good(req) && req->out_len;
	if (!vsg_good(req))
		return load->may_fail ? NULL : "bad status";
	load->good++;
	if (req->in_len && vsg_pattern_check(req->data_in, BLOCK, lba * BLOCK,
					     load->seed[i]) != -1)
		return "wrong data";
	return NULL;
}

static unsigned int index_of(const struct load *load,
			     const struct vsg_token *tok)
{
	const struct vsg_req *req = (const struct vsg_req *)tok;

	return (vsg_get_be(req->hdr->cdb + 2, 4) - load->lba) % load->depth;
}

static bool wanted(const struct load *load)
{
	return !__atomic_load_n(&load->stop, __ATOMIC_RELAXED);
}

static void *run(void *arg)
{
	struct load *load = arg;
	struct vsg_ring *r = load->r;
	unsigned int i;

	for (i = 0; i < load->depth && wanted(load); i++)
		if (!next(load, i))
			return "no room in the ring";
	while (r->outstanding) {
		struct vsg_token *tok = vsg_ring_poll(r);
		const char *err;

		if (!tok) {
			vsg_ring_kick(r);
			if (load->pause_us)
				usleep(load->pause_us);
			if (vsg_ring_wait(r, WAIT_MS))
				return "not answered";
			continue;
		}
		i = index_of(load, tok);
		err = check(load, i);
		if (err)
			return (void *)err;
		if (wanted(load) && !next(load, i))
			return "no room in the ring";
	}
	return NULL;
}

void load_start(struct load *load)
{
	unsigned int i;

	for (i = 0; i < load->depth; i++)
		load->req[i] = request(load->r->dev, BLOCK, BLOCK);
	ASSERT_EQ(0, pthread_create(&load->thread, NULL, run, load));
}

void load_end(struct load *load)
{
	void *err = NULL;
	unsigned int i;

	__atomic_store_n(&load->stop, true, __ATOMIC_RELAXED);
	pthread_join(load->thread, &err);
	load->err = err;
	if (err)
		t_fail(__FILE__, __LINE__,
		       "load on ring %u, LUN %u: %s, after %lu requests",
		       load->r->index, load->lun, load->err, load->done);
	/* What was not answered is the device's still. */
	for (i = 0; i < load->depth && !err; i++)
		vsg_req_free(load->req[i]);
}

static void *flood_run(void *arg)
{
	struct flood *flood = arg;
	struct vsg_ring *r = flood->r;
	uint64_t one = 1;

	while (!__atomic_load_n(&flood->stop, __ATOMIC_RELAXED)) {
		uint16_t used = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);

		__atomic_store_n(&r->avail->idx, vsg_v16(r, vsg_v16(r, used) + r->num),
				 __ATOMIC_RELEASE);
		if (write(r->kick, &one, sizeof(one)) < 0)
			break;
	}
	return NULL;
}

void flood_start(struct flood *flood, struct vsg_ring *r, uint8_t target)
{
	struct vsg_req *req = request(r->dev, 0, 0);
	unsigned int i;

	vsg_cmd_tur(req, target, 0);
	/* Each entry of the ring is this one. */
	EXPECT_EQ(0, vsg_exec(r, req, WAIT_MS));
	EXPECT_EQ(0, vsg_submit(r, req));
	for (i = 0; i < r->num; i++)
		r->avail->ring[i] = vsg_v16(r, req->tok.head);
	*flood = (struct flood) { .r = r, .req = req };
	EXPECT_EQ(0, pthread_create(&flood->thread, NULL, flood_run, flood));
}

void flood_end(struct flood *flood)
{
	__atomic_store_n(&flood->stop, true, __ATOMIC_RELAXED);
	pthread_join(flood->thread, NULL);
}

static void send_dirty(struct migration *m)
{
	size_t i, at;
	unsigned int n;
	uint64_t dirty;

	for (i = 0; i < m->pages / 64; i++) {
		dirty = __atomic_exchange_n(&m->bitmap[i], 0, __ATOMIC_SEQ_CST);
		for (n = 0; n < 64; n++) {
			if (!(dirty & 1ULL << n))
				continue;
			at = (i * 64 + n) * VSG_LOG_PAGE;
			memcpy(m->copy + at, m->mem + at, VSG_LOG_PAGE);
			m->sent++;
		}
	}
	m->passes++;
}

static void *migrate(void *arg)
{
	struct migration *m = arg;

	while (!__atomic_load_n(&m->stop, __ATOMIC_RELAXED))
		send_dirty(m);
	return NULL;
}

void migration_start(struct migration *m)
{
	memcpy(m->copy, m->mem, m->pages * VSG_LOG_PAGE);
	EXPECT_EQ(0, pthread_create(&m->thread, NULL, migrate, m));
}

void migration_end(struct migration *m)
{
	__atomic_store_n(&m->stop, true, __ATOMIC_RELAXED);
	pthread_join(m->thread, NULL);
	send_dirty(m);
}

bool migration_has(const struct migration *m, const void *buf, size_t len)
{
	size_t off = (const uint8_t *)buf - m->mem;
	size_t from = (off + VSG_LOG_PAGE - 1) / VSG_LOG_PAGE * VSG_LOG_PAGE;
	size_t to = (off + len) / VSG_LOG_PAGE * VSG_LOG_PAGE;

	return !memcmp(m->mem + from, m->copy + from, to - from);
}
