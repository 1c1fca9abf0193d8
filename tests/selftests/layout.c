// SPDX-License-Identifier: GPL-2.0-only
/* Proves: any layout of a request on any ring is served, and ring accounting is exact. */

#include <stdio.h>
#include <stdlib.h>

#include "support.h"

#define T 1	/* the target */
#define L 0	/* the LUN */

int suite_setup(void)
{
	return lio_suite("ramdisk a 16; tpg " WWN_A " 1; lun " WWN_A
			 " 1 0 a");
}

void suite_teardown(void)
{
	lio_suite_end();
}

FIXTURE(modern)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *req;
};

FIXTURE_SETUP(modern)
{
	/* A chain may be as long as the ring (virtio 1.2, 2.7.5.3.1). */
	struct vsg_opts opts = { .ring_size = 1024 };

	self->dev = guest(WWN_A, &opts);
	self->r = vsg_io(self->dev, 0);
	ready(self->r, T, L);
	self->req = request(self->dev, 65536, 65536);
}

FIXTURE_TEARDOWN(modern)
{
	guest_end(self->dev);
}

#define MAX_CUT 16
#define END 0x7fffffff	/* all the rest of the stream */

/**
 * struct cut - how the two streams of a request are cut
 * @name: in words
 * @nout: number of @out; 0: header + data-out in one descriptor
 * @out: lengths for header (51 bytes) + data-out
 * @nin: number of @in; 0: response + data-in in one descriptor
 * @in: lengths for response (108 bytes) + data-in
 */
struct cut {
	const char *name;
	unsigned int nout;
	uint32_t out[MAX_CUT];
	unsigned int nin;
	uint32_t in[MAX_CUT];
};

static const struct cut cuts[] = {
	{ "as drivers do", 2, { 51, END }, 2, { 108, END } },
	{ "all in two descriptors", 0, {}, 0, {} },
	{ "header in 2", 3, { 19, 32, END }, 2, { 108, END } },
	{ "header in 3, its end with data", 3, { 8, 8, END }, 2,
	  { 108, END } },
	{ "header in 51", 1, { 1 }, 2, { 108, END } },
	{ "header with a byte of data", 2, { 52, END }, 2, { 109, END } },
	{ "response without its last byte", 2, { 51, END }, 2, { 107, END } },
	{ "response field by field", 2, { 51, END }, 7,
	  { 4, 4, 2, 1, 1, 96, END } },
	{ "response in odd pieces", 2, { 51, END }, 6,
	  { 1, 3, 7, 13, 84, END } },
	{ "data in sectors", 2, { 51, 512 }, 2, { 108, 512 } },
	{ "data in odd pieces", 6, { 51, 1, 511, 513, 3, 333 }, 6,
	  { 108, 1, 511, 513, 3, 333 } },
	{ "data in sevens", 2, { 51, 7 * 9 }, 2, { 108, 7 * 9 } },
	{ "zero length descriptors", 6, { 0, 51, 0, 100, 0, END }, 6,
	  { 0, 108, 0, 100, 0, END } },
	{ "zero length in the header", 5, { 5, 0, 0, 46, END }, 5,
	  { 50, 0, 0, 58, END } },
	{ "everything in pages of 4096", 1, { 4096 }, 1, { 4096 } },
};

/* Writes and reads @blocks in one layout; new data every time. */
static void run_cut(struct vsg_ring *r, struct vsg_req *req,
		    const struct cut *cut, unsigned int blocks, bool direct)
{
	static uint32_t seed;
	size_t len = blocks * BLOCK;

	seed++;
	vsg_pattern(req->data_out, len, 0, seed);
	vsg_cmd_rw(req, T, L, true, 0, blocks, BLOCK);
	ASSERT_EQ(0, vsg_req_cut(req, cut->out, cut->nout, cut->in, cut->nin));
	vsg_req_direct(req, direct);
	exec_good(r, req);
	vsg_cmd_rw(req, T, L, false, 0, blocks, BLOCK);
	memset(req->data_in, VSG_POISON, len);
	ASSERT_EQ(0, vsg_req_cut(req, cut->out, cut->nout, cut->in, cut->nin));
	vsg_req_direct(req, direct);
	exec_good(r, req);
	EXPECT_EQ(-1, vsg_pattern_check(req->data_in, len, 0, seed));
}

TEST_F(modern, cuts_indirect)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cuts); i++) {
		unsigned int n = cuts[i].nout;
		bool bytes = n && cuts[i].out[n - 1] == 1;

		WHERE("%s, indirect", cuts[i].name);
		run_cut(self->r, self->req, &cuts[i], bytes ? 1 : 8, false);
	}
}

TEST_F(modern, cuts_direct)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cuts); i++) {
		unsigned int n = cuts[i].nout;
		bool bytes = n && cuts[i].out[n - 1] == 1;

		WHERE("%s, direct", cuts[i].name);
		run_cut(self->r, self->req, &cuts[i], bytes ? 1 : 8, true);
	}
}

/* Header over 1 to 51 descriptors, the first ones a byte each. */
TEST_F(modern, header_over_1_to_51)
{
	unsigned int n, i;

	for (n = 1; n <= 51; n++) {
		struct vsg_req *req = self->req;
		uint32_t out[52];

		for (i = 0; i + 1 < n; i++)
			out[i] = 1;
		out[n - 1] = 51 - (n - 1);
		WHERE("header over %u", n);
		vsg_cmd_tur(req, T, L);
		ASSERT_EQ(0, vsg_req_cut(req, out, n, NULL, 0));
		EXPECT_EQ(n + 1, req->nseg);
		vsg_req_direct(req, n & 1);
		exec_good(self->r, req);
	}
}

TEST_F(modern, response_over_1_to_108)
{
	static const uint32_t one = 1;
	unsigned int n, i;

	for (n = 1; n <= 108; n += n < 8 ? 1 : 10) {
		struct vsg_req *req = self->req;
		uint32_t in[109];

		for (i = 0; i + 1 < n; i++)
			in[i] = 1;
		in[n - 1] = 108 - (n - 1);
		WHERE("response over %u", n);
		vsg_cmd_tur(req, T, L);
		ASSERT_EQ(0, vsg_req_cut(req, NULL, 0, in, n));
		exec_good(self->r, req);
	}
	WHERE("every byte a descriptor");
	vsg_cmd_rw(self->req, T, L, false, 0, 1, BLOCK);
	ASSERT_EQ(0, vsg_req_cut(self->req, &one, 1, &one, 1));
	EXPECT_EQ(51 + 108 + 512, self->req->nseg);
	exec_good(self->r, self->req);
}

/* Sense data has to be put together again from pieces as well. */
TEST_F(modern, sense_over_pieces)
{
	static const uint32_t in[] = { 5, 9, 1 };
	struct vsg_req *req = self->req;
	const uint8_t cdb[10] = { 0xff };
	struct vsg_result res;

	vsg_req_cmd(req, T, L, cdb, sizeof(cdb), 0, 0);
	ASSERT_EQ(0, vsg_req_cut(req, NULL, 0, in, ARRAY_SIZE(in)));
	res = exec(self->r, req);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(5, res.key);
	EXPECT_EQ(0x2000, res.asc);
	EXPECT_EQ(VSG_RESP_LEN, req->tok.len);
}

/* Some descriptors in the ring and the rest in an indirect table. */
TEST_F(modern, direct_then_indirect)
{
	static const uint32_t out[] = { 8, 8, 8 }, in[] = { 60, 48, 512 };
	unsigned int ndirect, n;

	vsg_cmd_rw(self->req, T, L, false, 0, 4, BLOCK);
	ASSERT_EQ(0, vsg_req_cut(self->req, out, 3, in, 3));
	n = self->req->nseg;
	for (ndirect = 0; ndirect <= n; ndirect++) {
		WHERE("%u direct, %u indirect", ndirect, n - ndirect);
		self->req->ndirect = ndirect;
		exec_good(self->r, self->req);
	}
}

TEST_F(modern, indirect_table_of_one)
{
	/* A table of one entry for the response, the header direct. */
	vsg_cmd_tur(self->req, T, L);
	ASSERT_EQ(2, self->req->nseg);
	self->req->ndirect = 1;
	exec_good(self->r, self->req);
}

/* Chains that lie backwards and across the ring. */
TEST_F(modern, scattered_descriptors)
{
	static const uint16_t place[] = { 200, 3, 1023, 100 };
	struct vsg_req *req = self->req;
	struct vsg_ring *r = self->r;
	unsigned int i;

	vsg_cmd_rw(req, T, L, true, 0, 1, BLOCK);
	ASSERT_EQ(3, req->nseg);
	vsg_req_seg(req, req->seg[2].gpa + 50, 58, VRING_DESC_F_WRITE);
	req->seg[2].len = 50;
	for (i = 0; i < 4; i++) {
		struct vring_desc *d = &r->desc[place[i]];

		d->addr = req->seg[i].gpa;
		d->len = req->seg[i].len;
		d->flags = req->seg[i].flags | (i < 3 ? VRING_DESC_F_NEXT : 0);
		d->next = i < 3 ? place[i + 1] : 0;
	}
	memset(req->resp, VSG_POISON, sizeof(*req->resp));
	vsg_ring_add_head(r, &req->tok, place[0]);
	vsg_ring_publish(r);
	vsg_ring_kick(r);
	ASSERT_EQ(0, vsg_token_wait(&req->tok, WAIT_MS));
	EXPECT_TRUE(vsg_good(req));
	EXPECT_EQ(VSG_RESP_LEN, req->tok.len);
}

/*
 * Fills the ring with reads, several times around 65536; every batch is full,
 * every request comes back, and the indices match at the end.
 */
static void ring_run(struct vsg_ring *r, unsigned int depth, unsigned int total,
		     bool direct)
{
	struct vsg_req **req = calloc(depth, sizeof(*req));
	unsigned int sent = 0, got = 0, i;
	struct vsg_token *tok;

	for (i = 0; i < depth; i++) {
		req[i] = request(r->dev, 0, BLOCK);
		vsg_cmd_rw(req[i], T, L, false, i, 1, BLOCK);
		vsg_req_direct(req[i], direct);
		ASSERT_EQ(0, vsg_submit(r, req[i]));
		sent++;
	}
	EXPECT_EQ(depth, r->outstanding);
	vsg_ring_kick(r);
	while (got < sent) {
		tok = vsg_ring_poll(r);
		if (!tok) {
			vsg_ring_kick(r);
			ASSERT_EQ(0, vsg_ring_wait(r, WAIT_MS));
			continue;
		}
		got++;
		ASSERT_TRUE(vsg_good((struct vsg_req *)tok));
		ASSERT_EQ(VSG_RESP_LEN + BLOCK, tok->len);
		if (sent < total) {
			ASSERT_EQ(0, vsg_submit(r, (struct vsg_req *)tok));
			sent++;
		}
	}
	EXPECT_EQ(r->num, r->nr_free);
	EXPECT_EQ(r->avail_idx, r->used_idx);
	for (i = 0; i < depth; i++)
		vsg_req_free(req[i]);
	free(req);
}

TEST_TIMEOUT(wrap_around_65536, 60)
{
	struct vsg_opts opts = { .ring_size = 128 };
	struct vsg_dev *dev = guest(WWN_A, &opts);

	ready(vsg_io(dev, 0), T, L);
	ring_run(vsg_io(dev, 0), 128, 66000, false);
	EXPECT_EQ(0, vsg_stop(dev));
	guest_end(dev);
}

/* The same wrap without 65536 requests: rings may start anywhere. */
TEST(wrap_around_from_any_base)
{
	struct vsg_opts opts = { .ring_size = 64 };
	static const uint16_t base[] = { 1, 63, 32767, 65472, 65535 };
	struct vsg_dev *dev;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(base); i++) {
		struct vsg_ring *r;

		WHERE("base %u", base[i]);
		ASSERT_EQ(0, vsg_open(&dev, &opts));
		r = vsg_io(dev, 0);
		vsg_ring_set_base(r, base[i]);
		ASSERT_EQ(0, vsg_start(dev, WWN_A));
		ready(r, T, L);
		ring_run(r, 64, 200, false);
		EXPECT_EQ(0, vsg_stop(dev));
		EXPECT_EQ(r->avail_idx, r->base);
		guest_end(dev);
	}
}

/* Every combination of the ring features, in rings of every size. */
TEST_TIMEOUT(features_and_sizes, 60)
{
	static const unsigned int sizes[] = { 2, 8, 128, 1024, 32768 };
	static const uint64_t features[] = {
		VSG_F(VIRTIO_F_VERSION_1),
		VSG_F(VIRTIO_F_VERSION_1) | VSG_F(VIRTIO_RING_F_EVENT_IDX),
		VSG_F(VIRTIO_F_VERSION_1) | VSG_F(VIRTIO_RING_F_INDIRECT_DESC),
		VSG_FEATURES_MODERN,
		VSG_FEATURES_LEGACY,
		VSG_F(VIRTIO_F_ANY_LAYOUT) | VSG_F(VIRTIO_RING_F_EVENT_IDX),
		VSG_F(63),	/* what no device offers: a guest without any */
	};
	size_t f, s;

	for (f = 0; f < ARRAY_SIZE(features); f++) {
		bool direct = !(features[f] & VSG_F(VIRTIO_RING_F_INDIRECT_DESC));

		for (s = 0; s < ARRAY_SIZE(sizes); s++) {
			struct vsg_opts opts = {
				.features = features[f],
				.ring_size = sizes[s],
			};
			unsigned int depth = sizes[s];
			struct vsg_dev *dev;

			/* Three descriptors each: header, response, data. */
			if (direct)
				depth /= 3;
			if (depth > 200)
				depth = 200;
			if (!depth)
				continue;
			WHERE("features %#llx, ring of %u",
			      (unsigned long long)features[f], sizes[s]);
			dev = guest(WWN_A, &opts);
			ready(vsg_io(dev, 0), T, L);
			ring_run(vsg_io(dev, 0), depth, 300, direct);
			guest_end(dev);
		}
	}
}

/* EVENT_IDX both ways: fewer kicks and calls than requests. */
TEST(event_idx_spares_notifications)
{
	struct vsg_opts opts = { .ring_size = 128 };
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_ring *r = vsg_io(dev, 0);

	ready(r, T, L);
	r->nr_kicks = 0;
	r->nr_calls = 0;
	ring_run(r, 128, 5000, false);
	EXPECT_LT(r->nr_kicks, 5000UL / 2);
	EXPECT_LT(r->nr_calls, 5000UL / 2);
	guest_end(dev);
}

/* NO_INTERRUPT without EVENT_IDX: the call eventfd stays silent. */
TEST(no_interrupt_flag)
{
	struct vsg_opts opts = { .features = VSG_F(VIRTIO_F_VERSION_1) };
	struct vsg_dev *dev = guest(WWN_A, &opts);
	struct vsg_ring *r = vsg_io(dev, 0);
	struct vsg_req *req = request(dev, 0, 0);
	int64_t end = vsg_now_ms() + WAIT_MS;
	unsigned long calls;

	ready(r, T, L);
	/* The call for the last answer may come after the answer. */
	EXPECT_EQ(-ETIMEDOUT, vsg_ring_wait(r, 200));
	calls = r->nr_calls;
	r->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	vsg_cmd_tur(req, T, L);
	ASSERT_EQ(0, vsg_submit(r, req));
	vsg_ring_kick(r);
	while (!req->tok.done && vsg_now_ms() < end)
		vsg_ring_poll(r);
	EXPECT_TRUE(vsg_good(req));
	EXPECT_EQ(-ETIMEDOUT, vsg_ring_wait(r, 300));
	EXPECT_EQ(calls, r->nr_calls);
	r->avail->flags = 0;
	vsg_cmd_tur(req, T, L);
	exec_good(r, req);
	guest_end(dev);
}

/* Memory in 300 regions, a request's pieces in many of them. */
TEST(many_regions)
{
	enum { REGIONS = 300, PAGE = 4096 };
	struct vsg_dev *dev;
	struct vsg_req *req;
	struct vsg_ring *r;
	unsigned int i;

	ASSERT_EQ(0, vsg_open(&dev, NULL));
	for (i = 0; i < REGIONS; i++)
		ASSERT_EQ(0, vsg_mem_add(&dev->mem, (1ULL << 40) +
					 (uint64_t)(REGIONS - i) * 3 * PAGE,
					 PAGE, i & 1 ? VSG_MEM_MEMFD : 0));
	ASSERT_EQ(0, vsg_start(dev, WWN_A));
	r = vsg_io(dev, 0);
	ready(r, T, L);

	req = request(dev, 0, 0);
	vsg_cmd_rw(req, T, L, true, 0, REGIONS * 8, BLOCK);
	req->nseg = 0;
	vsg_req_seg(req, vsg_gpa(&dev->mem, req->hdr), VSG_REQ_LEN, 0);
	for (i = 1; i <= REGIONS; i++) {
		vsg_pattern(dev->mem.region[i].hva, PAGE, (i - 1) * PAGE, 9);
		vsg_req_seg(req, dev->mem.region[i].gpa, PAGE, 0);
	}
	vsg_req_seg(req, vsg_gpa(&dev->mem, req->resp), VSG_RESP_LEN,
		    VRING_DESC_F_WRITE);
	ASSERT_EQ(0, vsg_exec(r, req, WAIT_MS));
	EXPECT_TRUE(vsg_good(req));

	vsg_cmd_rw(req, T, L, false, 0, REGIONS * 8, BLOCK);
	req->nseg = 2;
	for (i = 1; i <= REGIONS; i++) {
		memset(dev->mem.region[i].hva, 0, PAGE);
		vsg_req_seg(req, dev->mem.region[i].gpa, PAGE,
			    VRING_DESC_F_WRITE);
	}
	ASSERT_EQ(0, vsg_exec(r, req, WAIT_MS));
	EXPECT_TRUE(vsg_good(req));
	for (i = 1; i <= REGIONS; i++) {
		WHERE("region %u", i);
		EXPECT_EQ(-1, vsg_pattern_check(dev->mem.region[i].hva, PAGE,
						(i - 1) * PAGE, 9));
	}
	guest_end(dev);
}

/* One descriptor may cross from one region into its neighbour. */
TEST(descriptor_across_regions)
{
	enum { PAGE = 4096 };
	const uint64_t gpa = 1ULL << 40;
	struct vsg_dev *dev;
	struct vsg_req *req;
	struct vsg_ring *r;

	ASSERT_EQ(0, vsg_open(&dev, NULL));
	ASSERT_EQ(0, vsg_mem_add(&dev->mem, gpa + PAGE, PAGE, 0));
	ASSERT_EQ(0, vsg_mem_add(&dev->mem, gpa, PAGE, 0));
	ASSERT_EQ(0, vsg_start(dev, WWN_A));
	r = vsg_io(dev, 0);
	ready(r, T, L);
	req = request(dev, 2 * PAGE, 0);
	write_pattern(r, req, T, L, 0, 16, 5);
	vsg_cmd_rw(req, T, L, false, 0, 8, BLOCK);
	req->nseg = 2;
	vsg_req_seg(req, gpa + PAGE / 2, PAGE, VRING_DESC_F_WRITE);
	ASSERT_EQ(0, vsg_exec(r, req, WAIT_MS));
	EXPECT_TRUE(vsg_good(req));
	EXPECT_EQ(-1, vsg_pattern_check(dev->mem.region[2].hva + PAGE / 2,
					PAGE / 2, 0, 5));
	EXPECT_EQ(-1, vsg_pattern_check(dev->mem.region[1].hva, PAGE / 2,
					PAGE / 2, 5));
	guest_end(dev);
}
