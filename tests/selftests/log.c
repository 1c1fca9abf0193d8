// SPDX-License-Identifier: GPL-2.0-only
/* Proves: the dirty log has every page that the device writes in guest memory, and no other. */
/* Also a part of log_limited.c and log_of_file.c, with other memory of the owner. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "load.h"

#define T 1
#define PAGE VSG_LOG_PAGE
#define MEM (4UL << 20)
#define PAGES (MEM / PAGE)

/* Rings that are several pages long: each field has a page of its own. */
#define RING_SIZE 1024

enum { LUN_RAM, LUN_HANG };

#define FRAME (3 * PAGE)

/* The owner may not have anything pinned: its rings and its bitmap are not. */
#ifndef LIMITED
#define LIMITED 0
#endif
/* The bitmap is a shared mapping of a file on ext4, which cannot be kept pinned. */
#ifndef OF_FILE
#define OF_FILE 0
#endif

int suite_setup(void)
{
	return lio_suite("ramdisk ram 16; hangable hang 16; filesystem below 64 4096\n"
			 "tpg " WWN_A " 1; lun " WWN_A " 1 0 ram\n"
			 "lun " WWN_A " 1 1 hang\n");
}

void suite_teardown(void)
{
	lio_suite_end();
}

/**
 * struct log - a started guest, not logging yet
 * @dev: guest
 * @r: its request queue
 * @frame: writable pages around the bitmap, with none before and behind
 * @bitmap: somewhere in @frame
 * @copy: guest memory as it was
 * @wanted: pages that must be logged
 * @allowed: pages that may be logged
 * @hung: the backend of LUN_HANG answers nothing
 */
FIXTURE(log)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	uint8_t *frame;
	uint8_t *bitmap;
	uint8_t *copy;
	bool wanted[PAGES];
	bool allowed[PAGES];
	bool hung;
};

static void frame_map(struct log *self)
{
	uint8_t *p = mmap(NULL, FRAME + 2 * PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_TRUE(p != MAP_FAILED);
	ASSERT_EQ(0, mprotect(p + PAGE, FRAME, PROT_READ | PROT_WRITE));
	if (OF_FILE) {
		int fd = file_new();

		ASSERT_EQ(0, ftruncate(fd, FRAME));
		ASSERT_EQ(p + PAGE, mmap(p + PAGE, FRAME, PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_FIXED, fd, 0));
		close(fd);
	}
	self->frame = p + PAGE;
	self->bitmap = self->frame;
}

FIXTURE_SETUP(log)
{
	struct vsg_opts opts = { .ring_size = RING_SIZE, .mem_size = MEM };

	if (LIMITED)
		memlock_limit(0);
	frame_map(self);
	self->copy = malloc(MEM);
	ASSERT_TRUE(self->copy);
	self->dev = guest(WWN_A, &opts);
	self->r = vsg_io(self->dev, 0);
	if (!(self->dev->offered & VSG_F(VHOST_F_LOG_ALL)))
		SKIP("this module has no dirty log");
	ready(self->r, T, LUN_RAM);
	ready(self->r, T, LUN_HANG);
}

FIXTURE_TEARDOWN(log)
{
	if (self->hung)
		EXPECT_EQ(0, lio("unhang hang"));
	guest_end(self->dev);
	free(self->copy);
}

/* ---- what is expected --------------------------------------------------- */

static void mark(const struct log *self, bool *pages, uint64_t gpa, size_t len)
{
	uint64_t page;

	for (page = gpa / PAGE; len && page <= (gpa + len - 1) / PAGE; page++)
		if (page < PAGES)
			pages[page] = true;
}

static void mark_at(const struct log *self, bool *pages, const void *p,
		    size_t len)
{
	mark(self, pages, vsg_gpa(&self->dev->mem, p), len);
}

/* All that a request offers for writing, and what of it is written. */
static void expect_request(struct log *self, const struct vsg_req *req)
{
	unsigned int i;

	for (i = 0; i < req->nseg; i++)
		if (req->seg[i].flags & VRING_DESC_F_WRITE)
			mark(self, self->allowed, req->seg[i].gpa,
			     req->seg[i].len);
	mark_at(self, self->wanted, req->resp, VSG_RESP_LEN);
	mark_at(self, self->wanted, req->data_in, req->in_len);
}

/* The entries that come next, the index, the flags and the event field. */
static void expect_ring(struct log *self, const struct vsg_ring *r,
			unsigned int entries)
{
	const struct vring_used *used = r->used;
	unsigned int i;

	mark_at(self, self->allowed, used,
		sizeof(*used) + r->num * sizeof(used->ring[0]) + 2);
	for (i = 0; i < entries; i++)
		mark_at(self, self->wanted,
			&used->ring[(r->used_idx + i) % r->num],
			sizeof(used->ring[0]));
	if (entries)
		mark_at(self, self->wanted, &used->idx, sizeof(used->idx));
	if (entries && r->event_idx)
		mark_at(self, self->wanted, &used->ring[r->num], 2);
}

/* From here on the test writes nothing to guest memory. */
static void begin(struct log *self)
{
	memset(self->frame, 0, FRAME);
	memcpy(self->copy, self->dev->mem.region[0].hva, MEM);
}

/*
 * What was added, for the device to see, and nothing else changes. A device looks at
 * a ring by itself when it starts: what it saw before begin() could be answered then.
 */
static void publish(struct log *self, struct vsg_ring *r)
{
	uint64_t gpa = vsg_gpa(&self->dev->mem, &r->avail->idx);

	vsg_ring_publish(r);
	memcpy(self->copy + gpa, &r->avail->idx, sizeof(r->avail->idx));
	eventfd_write(r->kick, 1);
}

/* Waits for @n entries without a word to the device. */
static void wait_used(struct log *self, struct vsg_ring *r, unsigned int n)
{
	uint16_t want = r->used_idx + n;
	int64_t end = vsg_now_ms() + WAIT_MS;

	while (__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) != want &&
	       vsg_now_ms() < end)
		usleep(1000);
	ASSERT_EQ(want, r->used->idx);
}

/* What follows an index, the log's bit for it included, is a moment away. */
static void settle(void)
{
	usleep(30000 * t_factor());
}

static void check_frame(const struct log *self)
{
	const uint8_t *p;

	for (p = self->frame; p < self->frame + FRAME; p++) {
		if (p == self->bitmap)
			p += PAGES / 8;
		if (p < self->frame + FRAME && *p) {
			t_fail(__FILE__, __LINE__,
			       "%#x at %ld, the bitmap is %ld to %ld", *p,
			       (long)(p - self->frame),
			       (long)(self->bitmap - self->frame),
			       (long)(self->bitmap - self->frame + PAGES / 8));
			return;
		}
	}
}

static void check_log(struct log *self)
{
	const uint8_t *mem = self->dev->mem.region[0].hva;
	unsigned int page, changed = 0;

	for (page = 0; page < PAGES; page++) {
		uint64_t gpa = page * (uint64_t)PAGE;
		bool logged = vsg_log_test(self->bitmap, gpa);
		bool differs = memcmp(mem + gpa, self->copy + gpa, PAGE);

		changed += differs;
		if (differs && !logged)
			t_fail(__FILE__, __LINE__,
			       "page %#x changed and is not logged", page);
		if (self->wanted[page] && !logged)
			t_fail(__FILE__, __LINE__,
			       "page %#x was written and is not logged", page);
		if (logged && !self->allowed[page])
			t_fail(__FILE__, __LINE__,
			       "page %#x is logged and nobody's", page);
	}
	EXPECT_LE(1, changed);
	check_frame(self);
	memset(self->wanted, 0, sizeof(self->wanted));
	memset(self->allowed, 0, sizeof(self->allowed));
}

static unsigned int logged_pages(const struct log *self)
{
	unsigned int page, n = 0;

	for (page = 0; page < PAGES; page++)
		n += vsg_log_test(self->bitmap, page * (uint64_t)PAGE);
	return n;
}

/* ---- batches ------------------------------------------------------------ */

enum { READS = 24, BATCH = READS + 4, READ_LEN = 16384 };

struct batch {
	struct vsg_req *req[BATCH];
};

static void batch_alloc(struct log *self, struct batch *b)
{
	unsigned int i;

	for (i = 0; i < BATCH; i++) {
		/* Buffers that begin anywhere, some of them within a sector. */
		b->req[i] = vsg_req_alloc(self->dev, READ_LEN, READ_LEN,
					  i * 516 % PAGE & ~3);
		ASSERT_TRUE(b->req[i]);
	}
}

static void add(struct log *self, struct vsg_req *req)
{
	memset(req->resp, VSG_POISON, sizeof(*req->resp));
	ASSERT_EQ(0, vsg_ring_add(self->r, &req->tok, req->seg, req->nseg,
				  req->ndirect));
}

/* Reads, a write, and data that LIO makes; not published. */
static void batch_add(struct log *self, struct batch *b, uint16_t lun)
{
	unsigned int i;

	for (i = 0; i < READS; i++)
		vsg_cmd_rw(b->req[i], T, lun, false, i * 32, READ_LEN / BLOCK,
			   BLOCK);
	vsg_cmd_rw(b->req[i], T, lun, true, 0, 1, BLOCK);
	vsg_cmd_inquiry(b->req[i + 1], T, lun, 36);
	vsg_cmd_vpd(b->req[i + 2], T, lun, 0x80, 24);
	vsg_cmd_tur(b->req[i + 3], T, 999);
	expect_ring(self, self->r, BATCH);
	for (i = 0; i < BATCH; i++) {
		memset(b->req[i]->data_in, VSG_POISON, b->req[i]->in_len);
		expect_request(self, b->req[i]);
		add(self, b->req[i]);
	}
}

static void batch_run(struct log *self, struct batch *b)
{
	publish(self, self->r);
	wait_used(self, self->r, BATCH);
	settle();
}

static void batch_end(struct log *self, struct batch *b)
{
	unsigned int i;

	while (vsg_ring_poll(self->r))
		;
	EXPECT_EQ(0, self->r->outstanding);
	for (i = 0; i < BATCH - 1; i++)
		EXPECT_TRUE(vsg_good(b->req[i]));
	EXPECT_EQ(0x2500, vsg_result(b->req[i]).asc);
}

/* Something else on the disk than what the buffers are filled with. */
static void fill_disk(struct log *self, uint16_t lun)
{
	struct vsg_req *req = request(self->dev, READS * READ_LEN, 0);

	write_pattern(self->r, req, T, lun, 0, READS * READ_LEN / BLOCK, lun);
	vsg_req_free(req);
}

/* Entries on each page of the used ring, around its end, and index 65535. */
TEST_F(log, reads_and_answers)
{
	static const uint16_t bases[] = { 0, 500, 1010, 65520 };
	struct batch b;
	size_t i;

	batch_alloc(self, &b);
	fill_disk(self, LUN_RAM);
	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		WHERE("rings begin with %u", bases[i]);
		ASSERT_EQ(0, vsg_stop(self->dev));
		vsg_ring_set_base(self->r, bases[i]);
		ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
		ASSERT_EQ(0, vsg_log_start(self->dev, self->bitmap));
		batch_add(self, &b, LUN_RAM);
		begin(self);
		batch_run(self, &b);
		check_log(self);
		batch_end(self, &b);
	}
}

/* The owner's bitmap may begin at any byte, and ends where it ends. */
TEST_F(log, any_place_for_the_bitmap)
{
	static const size_t at[] = {
		0, 1, 3, 4, 7, 8, 63, PAGE - 1, PAGE - PAGES / 16,
		FRAME - PAGES / 8, FRAME - PAGES / 8 - 1,
	};
	struct batch b;
	size_t i;

	batch_alloc(self, &b);
	fill_disk(self, LUN_RAM);
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		WHERE("bitmap at %zu", at[i]);
		self->bitmap = self->frame + at[i];
		ASSERT_EQ(0, vsg_log_start(self->dev, self->bitmap));
		batch_add(self, &b, LUN_RAM);
		begin(self);
		batch_run(self, &b);
		check_log(self);
		batch_end(self, &b);
	}
}

/* Descriptors that are no buffers of their own: one page, many pieces. */
TEST_F(log, scattered_buffers)
{
	static const uint32_t cut[] = { 1, 107, 1000, 3, 4093, 2048 };
	struct vsg_req *req = vsg_req_alloc(self->dev, 0, 65536, 4000);

	ASSERT_TRUE(req);
	fill_disk(self, LUN_RAM);
	ASSERT_EQ(0, vsg_log_start(self->dev, self->bitmap));
	vsg_cmd_rw(req, T, LUN_RAM, false, 0, 128, BLOCK);
	ASSERT_EQ(0, vsg_req_cut(req, NULL, 0, cut, ARRAY_SIZE(cut)));
	expect_ring(self, self->r, 1);
	expect_request(self, req);
	memset(req->data_in, VSG_POISON, req->in_len);
	add(self, req);
	begin(self);
	publish(self, self->r);
	wait_used(self, self->r, 1);
	settle();
	check_log(self);
	vsg_ring_poll(self->r);
	EXPECT_TRUE(vsg_good(req));
}

TEST_F(log, control_and_event_queue)
{
	struct vsg_ring *ctl = &self->dev->ring[VSG_CTL];
	struct vsg_ring *evt = &self->dev->ring[VSG_EVT];
	struct virtio_scsi_ctrl_an_resp *resp;
	struct virtio_scsi_ctrl_tmf_req *tmf;
	struct virtio_scsi_ctrl_an_req *an;
	struct vsg_token tok[2];
	struct vsg_evt event = {};
	uint8_t *answers;

	/* Both answers on pages of their own, and the event on another. */
	answers = vsg_mem_alloc(&self->dev->mem, 3 * PAGE, PAGE);
	tmf = vsg_mem_alloc(&self->dev->mem, PAGE, PAGE);
	an = (void *)(tmf + 1);
	ASSERT_TRUE(answers && tmf);
	event.event = (void *)(answers + 2 * PAGE);
	event.size = 16;
	resp = (void *)(answers + PAGE);
	memset(answers, VSG_POISON, 3 * PAGE);
	memset(tmf, 0, PAGE);
	tmf->type = htole32(VIRTIO_SCSI_T_TMF);
	tmf->subtype = htole32(VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET);
	vsg_lun(tmf->lun, T, LUN_RAM);
	an->type = htole32(VIRTIO_SCSI_T_AN_QUERY);
	vsg_lun(an->lun, T, LUN_RAM);

	ASSERT_EQ(0, vsg_log_start(self->dev, self->bitmap));
	expect_ring(self, ctl, 2);
	expect_ring(self, evt, 1);
	ASSERT_EQ(0, vsg_evt_post(self->dev, &event, 16));
	ASSERT_EQ(0, vsg_ring_add(ctl, &tok[0], (struct vsg_seg[]) {
		{ vsg_gpa(&self->dev->mem, tmf), sizeof(*tmf), 0 },
		{ vsg_gpa(&self->dev->mem, answers), 1, VRING_DESC_F_WRITE },
	}, 2, 2));
	ASSERT_EQ(0, vsg_ring_add(ctl, &tok[1], (struct vsg_seg[]) {
		{ vsg_gpa(&self->dev->mem, an), sizeof(*an), 0 },
		{ vsg_gpa(&self->dev->mem, resp), sizeof(*resp),
		  VRING_DESC_F_WRITE },
	}, 2, 2));
	mark_at(self, self->wanted, answers, 3 * PAGE);
	mark_at(self, self->allowed, answers, 3 * PAGE);

	settle();
	begin(self);
	publish(self, ctl);
	EXPECT_EQ(0, lio("lun " WWN_A " 1 2 ram"));
	wait_used(self, ctl, 2);
	wait_used(self, evt, 1);
	settle();
	/* The queue's event field moved before, when the buffer came. */
	self->wanted[vsg_gpa(&self->dev->mem, &evt->used->ring[evt->num]) /
		     PAGE] = false;
	check_log(self);
	while (vsg_ring_poll(ctl) || vsg_ring_poll(evt))
		;
	EXPECT_EQ(VIRTIO_SCSI_S_FUNCTION_COMPLETE, answers[0]);
	EXPECT_EQ(VIRTIO_SCSI_S_OK, resp->response);
	EXPECT_EQ(0, lio("unlun " WWN_A " 1 2"));
	ready(self->r, T, LUN_RAM);
}

/* A batch that the backend keeps, with the log as it is. */
static void batch_hang(struct log *self, struct batch *b)
{
	batch_alloc(self, b);
	fill_disk(self, LUN_HANG);
	ASSERT_EQ(0, lio("hang hang"));
	self->hung = true;
	batch_add(self, b, LUN_HANG);
	publish(self, self->r);
	/* What needs no backend is answered. */
	wait_used(self, self->r, BATCH - READS - 1);
	settle();
}

/* From now on what it writes is logged, whenever it was submitted. */
static void batch_unhang(struct log *self, struct batch *b)
{
	unsigned int i;

	memset(self->wanted, 0, sizeof(self->wanted));
	for (i = 0; i < READS; i++)
		expect_request(self, b->req[i]);
	begin(self);
	ASSERT_EQ(0, lio("unhang hang"));
	self->hung = false;
	wait_used(self, self->r, BATCH);
	settle();
	check_log(self);
	batch_end(self, b);
}

TEST_F(log, in_flight_when_switched_on)
{
	struct batch b;

	batch_hang(self, &b);
	ASSERT_EQ(0, vsg_log_start(self->dev, self->bitmap));
	batch_unhang(self, &b);
}

TEST_F(log, in_flight_when_the_bitmap_is_replaced)
{
	struct batch b;

	ASSERT_EQ(0, vsg_log_start(self->dev, self->bitmap));
	batch_hang(self, &b);
	self->bitmap = self->frame + PAGE + 5;
	ASSERT_EQ(0, vsg_set_log_base(self->dev, self->bitmap));
	batch_unhang(self, &b);
}

/* Memory that is added while the log is on: SET_MEM_TABLE extends it. */
TEST_F(log, memory_added)
{
	/* Behind a hole; its bits are the last ones of the frame. */
	const uint64_t gpa = (FRAME * 8 - 256) * (uint64_t)PAGE;
	struct vsg_req *req = request(self->dev, 0, 0);
	unsigned int i;

	fill_disk(self, LUN_RAM);
	ASSERT_EQ(0, vsg_log_start(self->dev, self->bitmap));
	ASSERT_EQ(0, vsg_mem_add(&self->dev->mem, gpa, 256 * PAGE, 0));
	ASSERT_EQ(0, vsg_set_mem_table(self->dev));
	vsg_cmd_rw(req, T, LUN_RAM, false, 0, 64, BLOCK);
	req->nseg = 2;
	vsg_req_seg(req, gpa + 100 * PAGE + 512, 64 * BLOCK,
		    VRING_DESC_F_WRITE);
	ASSERT_EQ(0, vsg_exec(self->r, req, WAIT_MS));
	EXPECT_TRUE(vsg_good(req));
	settle();
	for (i = 0; i < 256; i++) {
		WHERE("page %u", i);
		EXPECT_EQ(i >= 100 && i <= 108,
			  vsg_log_test(self->bitmap, gpa + i * PAGE));
	}
	/* The old one is logged still. */
	WHERE("old region");
	EXPECT_TRUE(vsg_log_test(self->bitmap,
				 vsg_gpa(&self->dev->mem, req->resp)));

	/* A table for which the bitmap is too short changes nothing. */
	WHERE("bitmap too short");
	ASSERT_EQ(0, vsg_mem_add(&self->dev->mem, gpa * 2, 256 * PAGE, 0));
	EXPECT_EQ(-EFAULT, vsg_set_mem_table(self->dev));
	self->dev->mem.nr--;
	memset(self->frame, 0, FRAME);
	ASSERT_EQ(0, vsg_exec(self->r, req, WAIT_MS));
	EXPECT_TRUE(vsg_good(req));
	EXPECT_TRUE(vsg_log_test(self->bitmap, gpa + 100 * PAGE));
}

TEST_F(log, nothing_when_off)
{
	struct vsg_req *req = request(self->dev, 0, 65536);
	struct vsg_ring *r = self->r;
	unsigned int i;

	vsg_cmd_rw(req, T, LUN_RAM, false, 0, 128, BLOCK);
	WHERE("a bitmap without the feature");
	ASSERT_EQ(0, vsg_set_log_base(self->dev, self->bitmap));
	exec_good(r, req);
	EXPECT_EQ(0, logged_pages(self));

	WHERE("switched off");
	ASSERT_EQ(0, vsg_log_start(self->dev, self->bitmap));
	exec_good(r, req);
	EXPECT_LE(18, logged_pages(self));
	ASSERT_EQ(0, vsg_log_stop(self->dev));
	settle();
	memset(self->bitmap, 0, PAGES / 8);
	exec_good(r, req);
	EXPECT_EQ(0, logged_pages(self));

	/* The owner may take the bitmap away then; on it goes. */
	WHERE("bitmap unmapped");
	EXPECT_EQ(0, munmap(self->frame, FRAME));
	for (i = 0; i < 3; i++)
		exec_good(r, req);
}

/* The device area is logged where the owner says, and if he says so. */
TEST_F(log, address_of_the_device_area)
{
	struct vsg_req *req = vsg_req_alloc(self->dev, 0, 4096, 0);
	const struct vring_used *used = self->r->used;
	const uint64_t elsewhere = MEM - 16 * PAGE;
	struct vhost_vring_addr addr = {
		.index = self->r->index,
		.desc_user_addr = (uintptr_t)self->r->desc,
		.avail_user_addr = (uintptr_t)self->r->avail,
		.used_user_addr = (uintptr_t)used,
		.log_guest_addr = elsewhere,
	};
	uint64_t gpa = vsg_gpa(&self->dev->mem, used);
	uint64_t off;

	ASSERT_TRUE(req);
	ASSERT_EQ(0, vsg_log_start(self->dev, self->bitmap));
	vsg_cmd_rw(req, T, LUN_RAM, false, 0, 8, BLOCK);

	WHERE("no flag");
	ASSERT_EQ(0, vsg_ioctl(self->dev, VHOST_SET_VRING_ADDR, &addr));
	settle();
	memset(self->bitmap, 0, PAGES / 8);
	exec_good(self->r, req);
	settle();
	EXPECT_TRUE(vsg_log_test(self->bitmap,
				 vsg_gpa(&self->dev->mem, req->data_in)));
	for (off = 0; off < RING_SIZE * sizeof(used->ring[0]); off += PAGE) {
		EXPECT_FALSE(vsg_log_test(self->bitmap, gpa + off));
		EXPECT_FALSE(vsg_log_test(self->bitmap, elsewhere + off));
	}

	WHERE("flag, and an address");
	addr.flags = 1 << VHOST_VRING_F_LOG;
	ASSERT_EQ(0, vsg_ioctl(self->dev, VHOST_SET_VRING_ADDR, &addr));
	exec_good(self->r, req);
	settle();
	EXPECT_TRUE(vsg_log_test(self->bitmap, elsewhere));
	EXPECT_FALSE(vsg_log_test(self->bitmap, gpa));
}

/* A kick for nothing: what is written is the ring's flags. */
TEST(flags)
{
	struct vsg_opts opts = {
		.features = VSG_FEATURES_MODERN &
			    ~VSG_F(VIRTIO_RING_F_EVENT_IDX),
	};
	struct vsg_dev *dev = guest(WWN_A, &opts);
	uint64_t gpa = vsg_gpa(&dev->mem, vsg_io(dev, 0)->used);
	uint8_t *bitmap = calloc(1, (32 << 20) / PAGE / 8);
	int64_t end = vsg_now_ms() + WAIT_MS;

	if (LIMITED)
		memlock_limit(0);
	ready(vsg_io(dev, 0), T, LUN_RAM);
	ASSERT_EQ(0, vsg_log_start(dev, bitmap));
	usleep(50000);
	bitmap[gpa / PAGE / 8] = 0;
	eventfd_write(vsg_io(dev, 0)->kick, 1);
	while (!__atomic_load_n(&bitmap[gpa / PAGE / 8], __ATOMIC_ACQUIRE) &&
	       vsg_now_ms() < end)
		usleep(1000);
	EXPECT_TRUE(vsg_log_test(bitmap, gpa));

	/* A ring that starts writes them, too. */
	WHERE("start");
	ASSERT_EQ(0, vsg_stop(dev));
	usleep(50000);
	bitmap[gpa / PAGE / 8] = 0;
	ASSERT_EQ(0, vsg_start(dev, WWN_A));
	EXPECT_TRUE(vsg_log_test(bitmap, gpa));
	guest_end(dev);
}

TEST_F(log, eventfd)
{
	struct vsg_req *req = request(self->dev, 0, 4096);
	int fd = eventfd(0, EFD_NONBLOCK);
	eventfd_t n;

	vsg_cmd_rw(req, T, LUN_RAM, false, 0, 8, BLOCK);
	ASSERT_EQ(0, vsg_set_log_fd(self->dev, fd));
	exec_good(self->r, req);
	EXPECT_EQ(-1, eventfd_read(fd, &n));

	ASSERT_EQ(0, vsg_log_start(self->dev, self->bitmap));
	exec_good(self->r, req);
	EXPECT_EQ(0, eventfd_read(fd, &n));
	settle();
	eventfd_read(fd, &n);

	WHERE("unbound");
	ASSERT_EQ(0, vsg_set_log_fd(self->dev, -1));
	exec_good(self->r, req);
	settle();
	EXPECT_EQ(-1, eventfd_read(fd, &n));

	WHERE("bound while logging");
	ASSERT_EQ(0, vsg_set_log_fd(self->dev, fd));
	exec_good(self->r, req);
	EXPECT_EQ(0, eventfd_read(fd, &n));
	close(fd);
	exec_good(self->r, req);
}

/* A bitmap that is not all there is refused, and what was before goes on. */
TEST_F(log, bad_bitmaps)
{
	struct vsg_req *req = request(self->dev, 0, 4096);
	uint8_t *readonly = mmap(NULL, PAGE, PROT_READ,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct {
		const char *what;
		void *base;
	} rows[] = {
		{ "not mapped", (void *)PAGE },
		{ "not accessible", self->frame - PAGE },
		{ "read-only", readonly },
		{ "the end is missing", self->frame + FRAME - PAGES / 8 + 1 },
		{ "the beginning is missing", self->frame - 1 },
		{ "the kernel's", (void *)(~0UL - PAGE + 1) },
		{ "the last page", (void *)~0UL },
		{ "no address", (void *)(1UL << 60) },
	};
	size_t i;

	ASSERT_TRUE(readonly != MAP_FAILED);
	vsg_cmd_rw(req, T, LUN_RAM, false, 0, 8, BLOCK);
	ASSERT_EQ(0, vsg_log_start(self->dev, self->bitmap));
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		WHERE("%s", rows[i].what);
		EXPECT_EQ(-EFAULT, vsg_set_log_base(self->dev, rows[i].base));
		memset(self->bitmap, 0, PAGES / 8);
		exec_good(self->r, req);
		EXPECT_TRUE(vsg_log_test(self->bitmap,
					 vsg_gpa(&self->dev->mem,
						 req->data_in)));
	}
	WHERE("refused with the feature");
	ASSERT_EQ(0, vsg_log_stop(self->dev));
	ASSERT_EQ(0, vsg_set_log_base(self->dev, rows[0].base));
	EXPECT_EQ(-EFAULT, vsg_set_features(self->dev, self->dev->features |
					    VSG_F(VHOST_F_LOG_ALL)));
	exec_good(self->r, req);
}

/* ---- as a hypervisor migrates a guest ----------------------------------- */

/* The log is read and cleared while the device writes it. */
TEST_F_TIMEOUT(log, migration, 60)
{
	enum { REQS = 16, LEN = 5 * PAGE + 512 };
	struct migration m = { .mem = self->dev->mem.region[0].hva, .copy = self->copy,
			       .bitmap = (uint64_t *)self->bitmap, .pages = PAGES };
	struct vsg_req *req[REQS];
	unsigned int i, n;
	int64_t end;

	fill_disk(self, LUN_RAM);
	for (i = 0; i < REQS; i++) {
		req[i] = vsg_req_alloc(self->dev, 0, LEN, i * 516 % PAGE & ~3);
		ASSERT_TRUE(req[i]);
	}
	ASSERT_EQ(0, vsg_log_start(self->dev, self->bitmap));
	migration_start(&m);
	for (n = 0, end = vsg_now_ms() + 2000; vsg_now_ms() < end; n++) {
		for (i = 0; i < REQS; i++) {
			vsg_cmd_rw(req[i], T, LUN_RAM, false,
				   (n * 31 + i * 7) % (READS * READ_LEN / BLOCK - LEN / BLOCK),
				   LEN / BLOCK, BLOCK);
			ASSERT_EQ(0, vsg_submit(self->r, req[i]));
		}
		vsg_ring_kick(self->r);
		for (i = 0; i < REQS; i++) {
			ASSERT_EQ(0, vsg_token_wait(&req[i]->tok, WAIT_MS));
			EXPECT_TRUE(vsg_good(req[i]));
		}
	}
	ASSERT_EQ(0, vsg_stop(self->dev));
	migration_end(&m);
	printf("# %u rounds, %lu passes, %lu pages\n", n, m.passes, m.sent);
	for (i = 0; i < REQS; i++)
		EXPECT_TRUE(migration_has(&m, req[i]->data_in, req[i]->in_len));
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
}

/* On, off and elsewhere under load: no request is lost or wrong. */
TEST_F_TIMEOUT(log, switched_under_load, 60)
{
	struct load load = { .r = self->r, .target = T, .depth = 32 };
	unsigned int i;

	load_start(&load);
	for (i = 0; i < 30; i++) {
		EXPECT_EQ(0, vsg_log_start(self->dev, self->frame +
					   i % 2 * (PAGE + 3)));
		EXPECT_EQ(0, vsg_set_mem_table(self->dev));
		if (i % 3)
			EXPECT_EQ(0, vsg_log_stop(self->dev));
	}
	load_end(&load);
	EXPECT_LE(1, load.good);
	EXPECT_LE(1, logged_pages(self));
}
