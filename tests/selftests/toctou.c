// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proves: when a guest rewrites descriptors, tables and headers while the device
 * reads them, the device carries out one of the versions, and no mixture.
 */

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz.h"
#include "load.h"

#define T 1
#define PAGE 4096UL

enum { LUN_A, LUN_B, LUN_CALM, LUN_NONE = 99 };
enum { Q_TEST, Q_MEDIUM, Q_LOAD, NR_IO };

/* Blocks of LUN_A and LUN_B that are looked at after each command. */
#define BLOCKS 16
#define MEDIUM (BLOCKS * BLOCK)

/* Guest memory of the test's requests; addresses differ in one byte only. */
#define ARENA_GPA 0x200000000ULL
enum {
	AT_HDR = 0x1000 - 40,	/* its last bytes are in the next page */
	AT_TABLE = 0x3000 - 20 * 16,	/* likewise, from entry 20 on */
	AT_LIST = 0x3800,
	AT_X = 0x4000,		/* data */
	AT_Y = 0x5000,
	AT_RESP = 0x6000,
	AT_RESP_TOO = 0x7000,
	AT_END = 0x9000,
	AT_WRITABLE = AT_X,
};

#define HDR_FIRST 40
#define TABLE_FIRST 20

/* Descriptors that the library does not come to. */
#define DESC 40
#define NR_DESC 8
#define NR_TABLE 34

int suite_setup(void)
{
	return lio_suite("ramdisk a 4; ramdisk b 4; ramdisk calm 4\n"
			 "tpg " WWN_A " 1; lun " WWN_A " 1 0 a\n"
			 "lun " WWN_A " 1 1 b; lun " WWN_A " 1 2 calm\n");
}

void suite_teardown(void)
{
	lio_suite_end();
}

/**
 * struct version - all that the guest says about a request
 * @hdr: header
 * @desc: descriptors DESC and so on of the ring
 * @table: indirect table
 */
struct version {
	struct virtio_scsi_cmd_req hdr;
	struct vring_desc desc[NR_DESC];
	struct vring_desc table[NR_TABLE];
};

/**
 * struct outcome - all that became of it
 * @used: used.len
 * @arena: what the device may write
 * @medium: first blocks of the two LUNs
 */
struct outcome {
	uint32_t used;
	uint8_t arena[AT_END - AT_WRITABLE];
	uint8_t medium[2][MEDIUM];
};

FIXTURE(toctou)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_token tok;
	uint8_t *arena;
	struct vsg_req *medium[2];
	struct outcome base;
	struct version v[2];
	struct outcome want[2];
	struct load load;
	struct klog log;
	/* the thread that changes memory */
	pthread_t thread;
	bool stop;
	int uffd;
	int wake;
	bool armed;
	unsigned long flips;
	uint8_t late[PAGE];	/* what the missing page holds */
};

/* ---- the medium --------------------------------------------------------- */

static void medium_run(struct toctou *self, bool write)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		vsg_cmd_rw(self->medium[i], T, LUN_A + i, write, 0, BLOCKS,
			   BLOCK);
		ASSERT_EQ(0, vsg_submit(vsg_io(self->dev, Q_MEDIUM),
					self->medium[i]));
	}
	vsg_ring_kick(vsg_io(self->dev, Q_MEDIUM));
	ASSERT_EQ(0, vsg_ring_drain(vsg_io(self->dev, Q_MEDIUM), WAIT_MS));
	for (i = 0; i < 2; i++)
		ASSERT_TRUE(vsg_good(self->medium[i]));
}

static void medium_get(struct toctou *self, struct outcome *o)
{
	unsigned int i;

	medium_run(self, false);
	for (i = 0; i < 2; i++)
		memcpy(o->medium[i], self->medium[i]->data_in, MEDIUM);
}

static void medium_set(struct toctou *self)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		vsg_pattern(self->medium[i]->data_out, MEDIUM, 0, 100 + i);
	medium_run(self, true);
}

/* ---- requests ----------------------------------------------------------- */

static struct vring_desc seg(unsigned int at, uint32_t len, uint16_t flags,
			     uint16_t next)
{
	return (struct vring_desc) {
		.addr = htole64(ARENA_GPA + at),
		.len = htole32(len),
		.flags = htole16(flags),
		.next = htole16(next),
	};
}

/* Reads or writes one block, by descriptors of the ring. */
static void version_direct(struct version *v, bool write)
{
	memset(v, 0, sizeof(*v));
	vsg_lun(v->hdr.lun, T, LUN_A);
	v->hdr.tag = htole64(0x77);
	vsg_cdb_rw(v->hdr.cdb, write ? VSG_WRITE_10 : VSG_READ_10, 0, 1);
	v->desc[0] = seg(AT_HDR, VSG_REQ_LEN, VRING_DESC_F_NEXT, DESC + 1);
	if (write) {
		v->desc[1] = seg(AT_X, BLOCK, VRING_DESC_F_NEXT, DESC + 2);
		v->desc[2] = seg(AT_RESP, VSG_RESP_LEN, VRING_DESC_F_WRITE, 0);
	} else {
		v->desc[1] = seg(AT_RESP, VSG_RESP_LEN, VRING_DESC_F_WRITE |
				 VRING_DESC_F_NEXT, DESC + 2);
		v->desc[2] = seg(AT_X, BLOCK, VRING_DESC_F_WRITE, 0);
	}
}

/* The same by a table that has the data in pieces of 16 bytes. */
static void version_table(struct version *v, bool write)
{
	uint16_t data = write ? VRING_DESC_F_NEXT :
				VRING_DESC_F_NEXT | VRING_DESC_F_WRITE;
	unsigned int i, n = 0;

	version_direct(v, write);
	memset(v->desc, 0, sizeof(v->desc));
	v->table[n++] = seg(AT_HDR, VSG_REQ_LEN, VRING_DESC_F_NEXT, 1);
	if (!write)
		v->table[n++] = seg(AT_RESP, VSG_RESP_LEN, data, 2);
	for (i = 0; i < BLOCK / 16; i++, n++)
		v->table[n] = seg(AT_X + 16 * i, 16, data, n + 1);
	if (write)
		v->table[n] = seg(AT_RESP, VSG_RESP_LEN, VRING_DESC_F_WRITE, 0);
	else
		v->table[n - 1].flags = htole16(VRING_DESC_F_WRITE);
	v->desc[0] = seg(AT_TABLE, sizeof(v->table), VRING_DESC_F_INDIRECT, 0);
}

/* A direct header, the rest in the table. */
static void version_mixed(struct version *v, bool write)
{
	unsigned int i;

	version_table(v, write);
	v->desc[1] = seg(AT_TABLE + 16, sizeof(v->table) - 16,
			 VRING_DESC_F_INDIRECT, 0);
	v->desc[0] = seg(AT_HDR, VSG_REQ_LEN, VRING_DESC_F_NEXT, DESC + 1);
	for (i = 1; i < NR_TABLE; i++)
		if (v->table[i].next)
			v->table[i].next = htole16(i);
}

/* Writes what the guest says; not to the pages that may be missing. */
static void version_put(struct toctou *self, const struct version *v)
{
	memcpy(self->arena + AT_HDR, &v->hdr, HDR_FIRST);
	memcpy(self->arena + AT_TABLE, v->table, 16 * TABLE_FIRST);
	memcpy(&self->r->desc[DESC], v->desc, sizeof(v->desc));
}

static void version_prepare(struct toctou *self, const struct version *v)
{
	memset(self->arena + AT_WRITABLE, VSG_POISON, AT_END - AT_WRITABLE);
	vsg_pattern(self->arena + AT_X, 2 * PAGE, 0, 7);
	memcpy(self->arena + AT_HDR, &v->hdr, sizeof(v->hdr));
	memcpy(self->arena + AT_TABLE, v->table, sizeof(v->table));
	version_put(self, v);
}

static void publish(struct toctou *self)
{
	vsg_ring_add_head(self->r, &self->tok, DESC);
	vsg_ring_publish(self->r);
	vsg_ring_kick(self->r);
}

static void outcome_get(struct toctou *self, struct outcome *o)
{
	o->used = self->tok.len;
	memcpy(o->arena, self->arena + AT_WRITABLE, sizeof(o->arena));
	medium_get(self, o);
	/* What was written was written: the next one begins as this one did. */
	if (memcmp(o->medium, self->base.medium, sizeof(o->medium)))
		medium_set(self);
}

static void run_alone(struct toctou *self, const struct version *v,
		      struct outcome *o)
{
	version_prepare(self, v);
	publish(self);
	ASSERT_EQ(0, vsg_token_wait(&self->tok, WAIT_MS));
	outcome_get(self, o);
}

static bool same(const struct outcome *a, const struct outcome *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void outcome_print(const char *what, const struct outcome *o,
			  const struct outcome *base)
{
	const uint8_t *resp = o->arena + AT_RESP - AT_WRITABLE;

	printf("#   %s: used.len %u, response %u, status %u, X %02x%02x, Y %02x%02x, medium %s\n",
	       what, o->used, resp[11], resp[10], o->arena[0], o->arena[1],
	       o->arena[PAGE], o->arena[PAGE + 1],
	       memcmp(o->medium, base->medium, sizeof(o->medium)) ?
	       "changed" : "as before");
}

/* It has to be one of the two, and not something between them. */
static unsigned int outcome_check(struct toctou *self, const struct outcome *o)
{
	if (same(o, &self->want[0]))
		return 0;
	if (same(o, &self->want[1]))
		return 1;
	t_fail(__FILE__, __LINE__, "what was done is neither of the versions");
	outcome_print("one version", &self->want[0], &self->base);
	outcome_print("the other", &self->want[1], &self->base);
	outcome_print("done", o, &self->base);
	return 2;
}

FIXTURE_SETUP(toctou)
{
	struct vsg_opts opts = { .nr_io = NR_IO, .ring_size = 64 };
	unsigned int i;

	self->uffd = -1;
	self->wake = eventfd(0, EFD_CLOEXEC);
	ASSERT_EQ(0, vsg_open(&self->dev, &opts));
	ASSERT_EQ(0, vsg_mem_add(&self->dev->mem, ARENA_GPA, 16 * PAGE, 0));
	self->arena = self->dev->mem.region[1].hva;
	self->dev->mem.region[1].used = 16 * PAGE;
	memset(self->arena, VSG_POISON, 16 * PAGE);
	ASSERT_EQ(0, vsg_start(self->dev, WWN_A));
	self->r = vsg_io(self->dev, Q_TEST);
	for (i = LUN_A; i <= LUN_CALM; i++)
		ready(vsg_io(self->dev, Q_LOAD), T, i);
	for (i = 0; i < 2; i++)
		self->medium[i] = request(self->dev, MEDIUM, MEDIUM);
	medium_set(self);
	medium_get(self, &self->base);
	klog_open(&self->log);
	self->load = (struct load) {
		.r = vsg_io(self->dev, Q_LOAD),
		.target = T,
		.lun = LUN_CALM,
		.depth = 4,
		.pause_us = 3000,
	};
	load_start(&self->load);
}

static void thread_end(struct toctou *self)
{
	if (!self->thread)
		return;
	__atomic_store_n(&self->stop, true, __ATOMIC_RELAXED);
	eventfd_write(self->wake, 1);
	pthread_join(self->thread, NULL);
	self->thread = 0;
	self->stop = false;
}

FIXTURE_TEARDOWN(toctou)
{
	thread_end(self);
	load_end(&self->load);
	EXPECT_LE(1, self->load.good);
	/* LIO knows nothing of what was refused before it was asked. */
	klog_read(&self->log, fuzz_known_lines);
	EXPECT_EQ(0, self->log.lines);
	guest_end(self->dev);
}

/* ---- versions ----------------------------------------------------------- */

static void other_lun(struct version *v)
{
	v->hdr.lun[3] = LUN_B;
}

static void no_lun(struct version *v)
{
	v->hdr.lun[3] = LUN_NONE;
}

static void bad_lun(struct version *v)
{
	v->hdr.lun[0] = 0;
}

static void other_block(struct version *v)
{
	v->hdr.cdb[5] = 8;
}

static void no_blocks(struct version *v)
{
	v->hdr.cdb[8] = 0;
}

/* More data than there are: OVERRUN. */
static void more_blocks(struct version *v)
{
	v->hdr.cdb[8] = 2;
}

/* A write instead of a read, and the other way round: OVERRUN. */
static void other_direction(struct version *v)
{
	v->hdr.cdb[0] ^= VSG_READ_10 ^ VSG_WRITE_10;
}

static void long_cdb(struct version *v)
{
	v->hdr.cdb[0] = VSG_VARIABLE;
	v->hdr.cdb[7] = 0xf8;
}

static void all_of_it(struct version *v)
{
	other_lun(v);
	other_block(v);
	v->hdr.tag = htole64(0x1234567890);
	v->hdr.task_attr = VIRTIO_SCSI_S_ORDERED;
}

static struct vring_desc *desc_at(struct version *v, unsigned int at)
{
	unsigned int i;

	for (i = 0; i < NR_DESC; i++)
		if (le64toh(v->desc[i].addr) == ARENA_GPA + at)
			return &v->desc[i];
	for (i = 0; i < NR_TABLE; i++)
		if (le64toh(v->table[i].addr) == ARENA_GPA + at)
			return &v->table[i];
	t_fail(__FILE__, __LINE__, "no descriptor for %#x", at);
	return v->desc;
}

static void other_buffer(struct version *v)
{
	desc_at(v, AT_X)->addr = htole64(ARENA_GPA + AT_Y);
}

static void other_answer(struct version *v)
{
	desc_at(v, AT_RESP)->addr = htole64(ARENA_GPA + AT_RESP_TOO);
}

static void shorter_buffer(struct version *v)
{
	struct vring_desc *d = desc_at(v, AT_X);

	d->len = htole32(le32toh(d->len) == BLOCK ? 256 : 8);
}

static void shorter_header(struct version *v)
{
	desc_at(v, AT_HDR)->len = htole32(VSG_REQ_LEN - 1);
}

static void shorter_answer(struct version *v)
{
	desc_at(v, AT_RESP)->len = htole32(VSG_RESP_LEN - 96);
}

static void no_answer(struct version *v)
{
	desc_at(v, AT_RESP)->len = 0;
}

static void other_flag(struct version *v)
{
	desc_at(v, AT_X)->flags ^= htole16(VRING_DESC_F_WRITE);
}

static void answer_read(struct version *v)
{
	desc_at(v, AT_RESP)->flags ^= htole16(VRING_DESC_F_WRITE);
}

/* Ends behind the header. */
static void ends_early(struct version *v)
{
	desc_at(v, AT_HDR)->flags ^= htole16(VRING_DESC_F_NEXT);
}

/* To another answer and other data. */
static void other_next(struct version *v)
{
	v->desc[4] = seg(AT_RESP_TOO, VSG_RESP_LEN, VRING_DESC_F_WRITE |
			 VRING_DESC_F_NEXT, DESC + 5);
	v->desc[5] = seg(AT_Y, BLOCK, VRING_DESC_F_WRITE, 0);
	v->desc[0].next = htole16(DESC + 4);
}

/* The one that leads to the table. */
static struct vring_desc *desc_of_table(struct version *v)
{
	return v->desc[0].flags & htole16(VRING_DESC_F_INDIRECT) ?
	       &v->desc[0] : &v->desc[1];
}

static void table_as_data(struct version *v)
{
	desc_of_table(v)->flags ^= htole16(VRING_DESC_F_INDIRECT);
}

static void shorter_table(struct version *v)
{
	struct vring_desc *d = desc_of_table(v);

	d->len = htole32(le32toh(d->len) - 16);
}

static void uneven_table(struct version *v)
{
	struct vring_desc *d = desc_of_table(v);

	d->len = htole32(le32toh(d->len) - 8);
}

/* A table in the table. */
static void nested(struct version *v)
{
	desc_at(v, AT_X)->flags ^= htole16(VRING_DESC_F_INDIRECT);
}

/* ---- memory that is not there yet --------------------------------------- */

/*
 * The device is stopped in the middle of its work by a page that is missing,
 * and goes on when all that it has read before is another version.
 */

static void page_give(struct toctou *self, uint64_t address)
{
	struct uffdio_copy copy = {
		.dst = address & ~(PAGE - 1),
		.src = (uintptr_t)self->late,
		.len = PAGE,
	};

	if (__atomic_exchange_n(&self->armed, false, __ATOMIC_ACQ_REL)) {
		version_put(self, &self->v[1]);
		self->flips++;
	}
	if (ioctl(self->uffd, UFFDIO_COPY, &copy) && errno != EEXIST)
		t_fail(__FILE__, __LINE__, "UFFDIO_COPY: %s", strerror(errno));
}

static void *page_thread(void *arg)
{
	struct toctou *self = arg;
	struct pollfd pfd[] = {
		{ .fd = self->uffd, .events = POLLIN },
		{ .fd = self->wake, .events = POLLIN },
	};
	struct uffd_msg msg;

	while (poll(pfd, 2, -1) > 0 && !pfd[1].revents)
		if (read(self->uffd, &msg, sizeof(msg)) == sizeof(msg) &&
		    msg.event == UFFD_EVENT_PAGEFAULT)
			page_give(self, msg.arg.pagefault.address);
	return NULL;
}

static void pages_start(struct toctou *self)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)self->arena, .len = 16 * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	self->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (self->uffd < 0)
		SKIP("no userfaultfd: %s", strerror(errno));
	ASSERT_EQ(0, ioctl(self->uffd, UFFDIO_API, &api));
	ASSERT_EQ(0, ioctl(self->uffd, UFFDIO_REGISTER, &reg));
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, page_thread, self));
}

typedef void shape_fn(struct version *v, bool write);
typedef void other_fn(struct version *v);

struct race {
	const char *what;
	shape_fn *shape;
	bool write;
	other_fn *other;
};

static void race_prepare(struct toctou *self, const struct race *race)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		race->shape(&self->v[i], race->write);
		if (i)
			race->other(&self->v[i]);
		run_alone(self, &self->v[i], &self->want[i]);
	}
	EXPECT_FALSE(same(&self->want[0], &self->want[1]));
}

/* The page is fetched by the device alone; what it was to hold it holds. */
static void run_late(struct toctou *self, unsigned int page)
{
	struct outcome o;

	version_prepare(self, &self->v[0]);
	memcpy(self->late, self->arena + page, PAGE);
	ASSERT_EQ(0, madvise(self->arena + page, PAGE, MADV_DONTNEED));
	__atomic_store_n(&self->armed, true, __ATOMIC_RELEASE);
	publish(self);
	ASSERT_EQ(0, vsg_token_wait(&self->tok, WAIT_MS));
	__atomic_store_n(&self->armed, false, __ATOMIC_RELEASE);
	outcome_get(self, &o);
	outcome_check(self, &o);
}

static void races_late(struct toctou *self, const struct race *race,
		       unsigned int n, unsigned int page)
{
	unsigned int i, k;

	pages_start(self);
	for (i = 0; i < n; i++)
		/* Both ways: what is wrong at first, and what is wrong later. */
		for (k = 0; k < 2; k++) {
			struct version v;
			struct outcome o;

			WHERE("%s, %s", race[i].what, k ? "undone" : "done");
			race_prepare(self, &race[i]);
			if (k) {
				v = self->v[0];
				self->v[0] = self->v[1];
				self->v[1] = v;
				o = self->want[0];
				self->want[0] = self->want[1];
				self->want[1] = o;
			}
			run_late(self, page);
		}
	/* Else nothing was rewritten at the right moment. */
	EXPECT_LE(n, self->flips);
}

static const struct race in_header[] = {
	{ "another LUN", version_direct, false, other_lun },
	{ "another LUN, write", version_direct, true, other_lun },
	{ "a LUN that is not there", version_direct, false, no_lun },
	{ "a LUN that is none", version_direct, true, bad_lun },
	{ "another block", version_direct, false, other_block },
	{ "another block, write", version_direct, true, other_block },
	{ "no blocks", version_direct, false, no_blocks },
	{ "more blocks", version_direct, false, more_blocks },
	{ "more blocks, write", version_direct, true, more_blocks },
	{ "write for read", version_direct, false, other_direction },
	{ "read for write", version_direct, true, other_direction },
	{ "a long CDB", version_direct, false, long_cdb },
	{ "all of it", version_direct, false, all_of_it },
	{ "all of it, write", version_direct, true, all_of_it },
	{ "all of it, table", version_table, true, all_of_it },
};

/* Rewritten when the first part of the header was read. */
TEST_F_TIMEOUT(toctou, header_in_the_middle, 60)
{
	races_late(self, in_header, ARRAY_SIZE(in_header), 0x1000);
}

/* Rewritten when the header was read, and the data are looked for. */
TEST_F_TIMEOUT(toctou, header_before_data, 60)
{
	races_late(self, in_header, ARRAY_SIZE(in_header), AT_X);
}

/* ... and the place for the answer. */
TEST_F_TIMEOUT(toctou, header_before_answer, 60)
{
	races_late(self, in_header, ARRAY_SIZE(in_header), AT_RESP);
}

static const struct race in_ring[] = {
	{ "another buffer", version_direct, false, other_buffer },
	{ "another buffer, write", version_direct, true, other_buffer },
	{ "another answer", version_direct, false, other_answer },
	{ "shorter buffer", version_direct, false, shorter_buffer },
	{ "shorter buffer, write", version_direct, true, shorter_buffer },
	{ "shorter header", version_direct, false, shorter_header },
	{ "no answer", version_direct, false, no_answer },
	{ "data to be written", version_direct, true, other_flag },
	{ "answer to be read", version_direct, false, answer_read },
	{ "ends early", version_direct, true, ends_early },
	{ "other descriptors", version_direct, false, other_next },
	{ "table as data", version_table, false, table_as_data },
	{ "shorter table", version_table, true, shorter_table },
};

/* Rewritten when the header is looked for: descriptors were read. */
TEST_F_TIMEOUT(toctou, descriptors_before_header, 60)
{
	races_late(self, in_ring, ARRAY_SIZE(in_ring), 0x1000);
}

TEST_F_TIMEOUT(toctou, descriptors_before_answer, 60)
{
	races_late(self, in_ring, ARRAY_SIZE(in_ring), AT_RESP);
}

static const struct race in_table[] = {
	{ "another buffer", version_table, false, other_buffer },
	{ "another buffer, write", version_table, true, other_buffer },
	{ "another answer", version_table, false, other_answer },
	{ "shorter buffer", version_table, false, shorter_buffer },
	{ "shorter buffer, write", version_table, true, shorter_buffer },
	{ "shorter header", version_table, false, shorter_header },
	{ "no answer", version_table, false, no_answer },
	{ "data to be written", version_table, true, other_flag },
	{ "ends early", version_table, true, ends_early },
	{ "nested", version_table, false, nested },
	{ "nested, write", version_table, true, nested },
};

/* Rewritten when the first half of the table was read. */
TEST_F_TIMEOUT(toctou, table_in_the_middle, 60)
{
	races_late(self, in_table, ARRAY_SIZE(in_table), 0x3000);
}

TEST_F_TIMEOUT(toctou, table_before_header, 60)
{
	races_late(self, in_table, ARRAY_SIZE(in_table), 0x1000);
}

static const struct race before_table[] = {
	{ "shorter header", version_mixed, false, shorter_header },
	{ "shorter table", version_mixed, false, shorter_table },
	{ "table as data", version_mixed, false, table_as_data },
	{ "uneven table", version_mixed, true, uneven_table },
	{ "ends early", version_mixed, true, ends_early },
};

/* The ring's descriptors, rewritten when the table is looked for. */
TEST_F_TIMEOUT(toctou, descriptors_before_table, 60)
{
	races_late(self, before_table, ARRAY_SIZE(before_table), 0x3000);
}

/* ---- as fast as it goes ------------------------------------------------- */

/*
 * One byte is rewritten without end: so there is nothing between the versions,
 * and a device that reads it twice sees two of them sooner or later.
 */

/**
 * struct flip - a byte that has two values
 * @at: where
 * @v: values
 */
struct flip {
	struct toctou *self;
	uint8_t *at;
	uint8_t v[2];
};

static void *flip_thread(void *arg)
{
	struct flip *flip = arg;
	unsigned int i, k, delay = 0;

	for (i = 0; !__atomic_load_n(&flip->self->stop, __ATOMIC_RELAXED); i++) {
		__atomic_store_n(flip->at, flip->v[i & 1], __ATOMIC_RELAXED);
		delay = (delay * 5 + 3) & 63;
		for (k = 0; k < delay; k++)
			__asm__ volatile("pause" ::: "memory");
	}
	return NULL;
}

/* The one byte that is different. */
static void flip_find(struct toctou *self, struct flip *flip)
{
	const uint8_t *a = (uint8_t *)&self->v[0], *b = (uint8_t *)&self->v[1];
	unsigned int i, n = 0, at = 0;

	for (i = 0; i < sizeof(self->v[0]); i++)
		if (a[i] != b[i]) {
			at = i;
			n++;
		}
	ASSERT_EQ(1, n);
	flip->self = self;
	flip->v[0] = a[at];
	flip->v[1] = b[at];
	if (at < offsetof(struct version, desc))
		flip->at = self->arena + AT_HDR + at;
	else if (at < offsetof(struct version, table))
		flip->at = (uint8_t *)&self->r->desc[DESC] + at -
			   offsetof(struct version, desc);
	else
		flip->at = self->arena + AT_TABLE + at -
			   offsetof(struct version, table);
}

#define ROUNDS 75

static void race_fast(struct toctou *self, const struct race *race)
{
	unsigned int seen[3] = {}, i;
	struct flip flip;
	struct outcome o;

	race_prepare(self, race);
	/* Descriptors that only one of them uses do no harm to the other. */
	memcpy(&self->v[0].desc[3], &self->v[1].desc[3],
	       (NR_DESC - 3) * sizeof(self->v[0].desc[0]));
	flip_find(self, &flip);
	version_prepare(self, &self->v[0]);
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, flip_thread, &flip));
	for (i = 0; i < ROUNDS && !t_failed(); i++) {
		memset(self->arena + AT_WRITABLE, VSG_POISON,
		       AT_END - AT_WRITABLE);
		vsg_pattern(self->arena + AT_X, 2 * PAGE, 0, 7);
		publish(self);
		ASSERT_EQ(0, vsg_token_wait(&self->tok, WAIT_MS));
		outcome_get(self, &o);
		seen[outcome_check(self, &o)]++;
	}
	thread_end(self);
	self->flips += seen[0] && seen[1];
}

static void races_fast(struct toctou *self, const struct race *race,
		       unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n && !t_failed(); i++) {
		WHERE("%s", race[i].what);
		race_fast(self, &race[i]);
	}
	/* Both versions are seen, else nothing was rewritten in time. */
	EXPECT_LE(n / 2, self->flips);
}

static const struct race fast_header[] = {
	{ "another LUN", version_direct, false, other_lun },
	{ "another LUN, write", version_direct, true, other_lun },
	{ "a LUN that is not there", version_direct, false, no_lun },
	{ "a LUN that is none", version_direct, true, bad_lun },
	{ "another block", version_direct, false, other_block },
	{ "another block, write", version_direct, true, other_block },
	{ "no blocks", version_direct, false, no_blocks },
	{ "more blocks", version_direct, true, more_blocks },
	{ "write for read", version_direct, false, other_direction },
	{ "read for write", version_direct, true, other_direction },
};

TEST_F_TIMEOUT(toctou, header_fast, 120)
{
	races_fast(self, fast_header, ARRAY_SIZE(fast_header));
}

static const struct race fast_ring[] = {
	{ "another buffer", version_direct, false, other_buffer },
	{ "another answer", version_direct, false, other_answer },
	{ "shorter header", version_direct, false, shorter_header },
	{ "shorter answer", version_direct, false, shorter_answer },
	{ "no answer", version_direct, false, no_answer },
	{ "data to be written", version_direct, true, other_flag },
	{ "answer to be read", version_direct, false, answer_read },
	{ "ends early", version_direct, true, ends_early },
	{ "other descriptors", version_direct, false, other_next },
	{ "table as data", version_table, false, table_as_data },
	{ "shorter table", version_mixed, true, shorter_table },
	{ "uneven table", version_table, true, uneven_table },
};

TEST_F_TIMEOUT(toctou, descriptors_fast, 120)
{
	races_fast(self, fast_ring, ARRAY_SIZE(fast_ring));
}

static const struct race fast_table[] = {
	{ "another buffer", version_table, false, other_buffer },
	{ "another answer", version_table, false, other_answer },
	{ "shorter buffer", version_table, false, shorter_buffer },
	{ "shorter header", version_table, false, shorter_header },
	{ "no answer", version_table, true, no_answer },
	{ "data to be written", version_table, true, other_flag },
	{ "ends early", version_table, true, ends_early },
	{ "nested", version_table, false, nested },
};

TEST_F_TIMEOUT(toctou, table_fast, 120)
{
	races_fast(self, fast_table, ARRAY_SIZE(fast_table));
}
