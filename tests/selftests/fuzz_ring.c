// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proves: whatever a guest writes into its rings, tables and requests, the device
 * answers each chain once, writes nothing else, and disturbs no other guest.
 *
 * VHOST_TEST_SEED=N	another seed
 * VHOST_TEST_CHAINS=N	the number of chains on all request queues together
 * VHOST_TEST_SECONDS=N	as many chains as are answered in that time
 */

#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "files.h"
#include "fuzz_chain.h"
#include "fuzz_expect.h"
#include "load.h"

#define CHAINS		10000UL
#define TESTS		5	/* that share them */
/* Lines in the kernel's log for a test, beside those of fuzz_known_lines[]. */
#define LINES_MAX	30

#define PAD		256
#define RING_SIZE	256

enum { Q_FUZZ, Q_FUZZ_TOO, Q_LOAD, Q_LOAD_TOO, NR_IO };
enum { F_IO, F_IO_TOO, F_CTL, F_EVT, NR_FUZZERS };

static uint64_t seed;
static unsigned long chains, seconds;

static unsigned long number(const char *name, unsigned long none)
{
	const char *s = getenv(name);

	return s && *s ? strtoul(s, NULL, 0) : none;
}

/*
 * What is there on this machine; without it the LUN is not there. A new disk
 * may not be ready to be opened yet: another one is tried.
 */
static void optional(unsigned int lun, const char *kind, const char *args)
{
	unsigned int i;

	for (i = 0; i < 3; i++, sleep(1))
		if (!lio("%s fuzz%u%u %s; lun " WWN_A " 1 %u fuzz%u%u", kind,
			 lun, i, args, lun, lun, i))
			return;
	printf("# LUN %u is not there: %s\n", lun, kind);
}

/* Where a backstore has no such file, or refuses it, it has a mind of its own. */
static void backstores_write(const char *file, const char *text)
{
	char pattern[512];
	glob_t found;
	size_t i;

	snprintf(pattern, sizeof(pattern), LIO_ROOT "/core/*_" LIO_HBA "/*/%s",
		 file);
	if (glob(pattern, 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++)
		write_file(found.gl_pathv[i], text);
	globfree(&found);
}

/*
 * Since 6.15 scsi_debug has a tape, and a disk of it obeys WRITE FILEMARKS and FORMAT
 * MEDIUM, too: by a write to the tape that it has not. 6.12 keeps a lock when the data
 * of a WRITE SAME cannot be fetched, as with a buffer for data-in.
 */
static bool scsi_debug_is_killed(void)
{
	return kernel_is_since(6, 10);
}

int suite_setup(void)
{
	int ret = lio_suite("ramdisk ram 4; fileio file 4\n"
			    "ramdisk calm 4; ramdisk far 4\n"
			    "tpg " WWN_A " 1; tpg " WWN_A " 197\n"
			    "lun " WWN_A " 1 0 ram; lun " WWN_A " 1 1 file\n"
			    "lun " WWN_A " 197 4660 calm\n"
			    "tpg " WWN_B " 1; lun " WWN_B " 1 0 far\n");

	if (ret)
		return ret;
	lio_write("1", "core/fileio_" LIO_HBA "/file/attrib/emulate_tpu");
	lio_write("1", "core/fileio_" LIO_HBA "/file/attrib/emulate_tpws");
	optional(LUN_BLOCK, "block", "8");
	if (!scsi_debug_is_killed())
		optional(LUN_DISK, "scsi", "");
	optional(LUN_TAPE, "scsi", "1");
	/* LIO does it by a work item on its stack that is not said to be there. */
	if (exists("/sys/kernel/debug/debug_objects"))
		backstores_write("attrib/emulate_3pc", "0");
	seed = number("VHOST_TEST_SEED", 1);
	chains = number("VHOST_TEST_CHAINS", CHAINS);
	seconds = number("VHOST_TEST_SECONDS", 0);
	t_more_time(seconds ? seconds / TESTS : chains / TESTS / 100);
	return 0;
}

void suite_teardown(void)
{
	lio_suite_end();
}

/**
 * struct run - what the threads of a test share
 * @dev: the device under test
 * @left: chains that are still to be made
 * @end: when to stop, of vsg_now_ms(); 0: when none are left
 * @stop: all of them
 * @ending: of the fuzzers of request queues, how many have not ended
 */
struct run {
	struct vsg_dev *dev;
	long left;
	int64_t end;
	bool stop;
	int ending;
};

/**
 * struct fuzzer - a thread that has a queue to itself
 * @run: the test
 * @b: batches
 * @mem: the ring, with patterns around each part
 * @size: bytes of it
 * @copy: of @mem, as it must be
 * @now: of @mem, as it was found
 * @taken: entries of the batch that were given back
 * @batches: made
 * @chains: in them
 * @refused: of them, known to be wrong, and answered as they have to be
 * @good: of them, carried out
 * @breaks: rings that were corrupt
 * @stops: with chains under way
 * @where: @mem was written where it is not the device's, in words
 */
struct fuzzer {
	struct run *run;
	struct batch b;
	uint8_t *mem;
	size_t size;
	uint8_t *copy, *now;
	unsigned int taken;
	unsigned long batches, chains, refused, good, breaks, stops;
	char where[80];
	pthread_t thread;
};

/* ---- the ring ----------------------------------------------------------- */

static void pads_fill(struct fuzzer *f)
{
	struct vsg_ring *r = f->b.ring;
	uint8_t *at[] = {
		f->mem, (uint8_t *)r->avail - PAD, (uint8_t *)r->used - PAD,
		f->mem + f->size - PAD,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(at); i++)
		memset(at[i], VSG_POISON, PAD);
}

/* Moves a ring that is not started yet to memory with patterns around it. */
static void ring_move(struct fuzzer *f)
{
	struct vsg_ring *r = f->b.ring;
	size_t desc = r->num * 16, avail = 6 + r->num * 2 + 2;
	size_t used = 6 + r->num * 8 + 2;

	f->size = 4 * PAD + desc + avail + used;
	f->mem = vsg_mem_alloc_in(&r->dev->mem, 0, f->size, 4096);
	f->copy = malloc(f->size);
	f->now = malloc(f->size);
	ASSERT_TRUE(f->mem && f->copy && f->now);
	r->desc = (void *)(f->mem + PAD);
	r->avail = (void *)(f->mem + 2 * PAD + desc);
	r->used = (void *)(f->mem + 3 * PAD + desc + avail);
	vsg_ring_reset(r);
	pads_fill(f);
}

static void copy_part(struct fuzzer *f, const void *p, size_t len)
{
	memcpy(f->copy + ((const uint8_t *)p - f->mem), p, len);
}

/* What is the device's may be as it was found. */
static void allow(struct fuzzer *f, const void *p, size_t len)
{
	size_t off = (const uint8_t *)p - f->mem;

	memcpy(f->copy + off, f->now + off, len);
}

/*
 * Of the ring only what is the device's may have changed. It is read once: that
 * all chains are answered does not keep a device from writing avail_event.
 */
static const char *ring_check(struct fuzzer *f, uint16_t start, unsigned int n)
{
	struct vring_used *used = f->b.ring->used;
	unsigned int num = f->b.ring->num, i;

	memcpy(f->now, f->mem, f->size);
	allow(f, used, 4);
	allow(f, &used->ring[num], 2);
	for (i = 0; i < n; i++)
		allow(f, &used->ring[(uint16_t)(start + i) & (num - 1)], 8);
	if (!memcmp(f->copy, f->now, f->size))
		return NULL;
	for (i = 0; f->copy[i] == f->now[i]; i++)
		;
	snprintf(f->where, sizeof(f->where),
		 "the ring was written at offset %#x: %#x, not %#x",
		 i, f->now[i], f->copy[i]);
	return f->where;
}

/* Stops the ring where it must have stopped, and begins anew elsewhere. */
static const char *restart(struct fuzzer *f, uint16_t at)
{
	struct vsg_ring *r = f->b.ring;
	int base = vsg_ring_get_base(r);

	if (base != at)
		return "the ring did not stop where it broke";
	if (vsg_v16(r, r->used->idx) != at)
		return "the used index after the stop";
	vsg_ring_failed(r, 0);
	vsg_ring_set_base(r, rnd(&f->b.rng));
	pads_fill(f);
	return vsg_ring_start(r) ? "the ring does not start again" : NULL;
}

/* ---- batches ------------------------------------------------------------ */

static struct chain *find_chain(struct fuzzer *f, uint32_t id, unsigned int end)
{
	unsigned int i;

	for (i = 0; i < end; i++)
		if (!f->b.chain[i].done && f->b.chain[i].head == id)
			return &f->b.chain[i];
	return NULL;
}

static void count(struct fuzzer *f, const struct chain *c)
{
	f->refused += c->response >= 0 && !c->loose && !f->b.mixed;
	f->good += batch_good(&f->b, c);
}

/* Takes what was given back; only the first @end entries may be. */
static const char *take(struct fuzzer *f, unsigned int end)
{
	struct vsg_ring *r = f->b.ring;
	uint16_t idx = vsg_v16(r, __atomic_load_n(&r->used->idx,
						  __ATOMIC_ACQUIRE));
	const char *err;

	while (r->used_idx != idx) {
		const struct vring_used_elem *e;
		struct chain *c;

		e = &r->used->ring[r->used_idx & (r->num - 1)];
		c = find_chain(f, vsg_v32(r, e->id), end);
		if (!c)
			return "something was given back that was not to be";
		err = batch_answer(&f->b, c, vsg_v32(r, e->len));
		if (err) {
			printf("# entry with used.len %u: %s\n",
			       vsg_v32(r, e->len), err);
			batch_print(&f->b, c);
			return err;
		}
		count(f, c);
		r->used_idx++;
		f->taken++;
	}
	return NULL;
}

static const char *wait_for(struct fuzzer *f, unsigned int n, unsigned int end)
{
	int64_t limit = vsg_now_ms() + WAIT_MS;
	const char *err;
	unsigned int i;

	for (;;) {
		err = take(f, end);
		if (err || f->taken >= n)
			return err;
		if (vsg_now_ms() > limit)
			break;
		usleep(100);
	}
	for (i = 0; i < end; i++)
		if (!f->b.chain[i].done)
			batch_print(&f->b, &f->b.chain[i]);
	return "not answered";
}

/* A LUN comes and goes, which uses up one event buffer or more. */
static const char *use_events(struct fuzzer *f, unsigned int end)
{
	const char *err = NULL;
	bool there = false;

	while (f->taken < end && !err) {
		if (lio(there ? "unlun " WWN_A " 1 5" : "lun " WWN_A " 1 5 ram"))
			return "a LUN cannot be linked or unlinked";
		there = !there;
		err = wait_for(f, f->taken + 1, end);
	}
	/* Whatever breaks the ring is looked at with the next event. */
	if (!err && lio(there ? "unlun " WWN_A " 1 5" : "lun " WWN_A " 1 5 ram;"
			" unlun " WWN_A " 1 5"))
		err = "a LUN cannot be linked or unlinked";
	return err;
}

static void publish(struct fuzzer *f)
{
	struct vsg_ring *r = f->b.ring;
	struct rng *rng = &f->b.rng;

	r->avail->flags = one_in(rng, 2) ? 0 : rnd(rng);
	*(uint16_t *)&r->avail->ring[r->num] = rnd(rng);
	if (one_in(rng, 8))
		eventfd_write(r->kick, 1);
	r->avail_idx += f->b.jump ? f->b.jump : f->b.nr;
	memcpy(f->copy, f->mem, f->size);
	f->taken = 0;
	vsg_ring_publish(r);
	copy_part(f, r->avail, 4);
	eventfd_write(r->kick, 1);
}

/* Stops the queue while chains are under way. */
static const char *stop_amid(struct fuzzer *f, uint16_t start, unsigned int end)
{
	struct vsg_ring *r = f->b.ring;
	const char *err;
	uint16_t n;
	int base;

	usleep(below(&f->b.rng, 1000));
	base = vsg_ring_get_base(r);
	if (base < 0)
		return "GET_VRING_BASE";
	n = base - start;
	if (n > end)
		return "the ring went on where it had to break";
	err = take(f, n);
	if (!err && f->taken != n)
		err = "not answered when the ring was stopped";
	if (!err)
		err = batch_check(&f->b);
	f->stops++;
	return err ? err : restart(f, base);
}

static enum batch_kind any_kind(struct rng *r)
{
	switch (below(r, 16)) {
	case 0:
		return B_WILD;
	case 1:
	case 2:
	case 3:
		return B_SHARED;
	default:
		return B_EXACT;
	}
}

static const char *batch_run(struct fuzzer *f)
{
	struct batch *b = &f->b;
	bool io = !b->control && !b->events;
	uint16_t start = b->ring->avail_idx;
	const char *err = NULL;
	unsigned int end;

	batch_make(b, any_kind(&b->rng), 1 + below(&b->rng, io ? BATCH_MAX : 8));
	f->batches++;
	f->chains += b->nr;
	end = batch_end(b);
	publish(f);
	if (io && one_in(&b->rng, 50))
		return stop_amid(f, start, end);
	err = b->events ? use_events(f, end) : wait_for(f, end, end);
	if (!err)
		err = batch_check(b);
	if (!err)
		err = ring_check(f, start, end);
	if (err)
		return err;
	if (end == b->nr && !b->jump)
		return vsg_ring_failed(b->ring, 0) ?
		       "given up for no reason" : NULL;
	if (!vsg_ring_failed(b->ring, WAIT_MS))
		return "the ring is corrupt, and nobody was told";
	f->breaks++;
	return restart(f, start + end);
}

static bool wanted(struct fuzzer *f)
{
	struct run *run = f->run;

	if (__atomic_load_n(&run->stop, __ATOMIC_RELAXED) || t_failed())
		return false;
	if (f->b.control || f->b.events)
		return true;
	return run->end ? vsg_now_ms() < run->end :
	       __atomic_load_n(&run->left, __ATOMIC_RELAXED) > 0;
}

static void *fuzzer_thread(void *arg)
{
	struct fuzzer *f = arg;
	const char *err;

	while (wanted(f)) {
		err = batch_run(f);
		if (err) {
			t_fail(__FILE__, __LINE__,
			       "queue %u, batch %lu of kind %d: %s",
			       f->b.ring->index, f->batches, f->b.kind, err);
			break;
		}
		if (f->b.control || f->b.events)
			usleep(below(&f->b.rng, 4000));
		else
			__atomic_fetch_sub(&f->run->left, f->b.nr,
					   __ATOMIC_RELAXED);
	}
	if (!f->b.control && !f->b.events)
		__atomic_fetch_sub(&f->run->ending, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* ---- tests -------------------------------------------------------------- */

static struct fuzzer *fuzzer_new(struct run *run, unsigned int which)
{
	static const unsigned int queues[] = {
		[F_IO] = VSG_IO + Q_FUZZ,
		[F_IO_TOO] = VSG_IO + Q_FUZZ_TOO,
		[F_CTL] = VSG_CTL,
		[F_EVT] = VSG_EVT,
	};
	struct fuzzer *f = calloc(1, sizeof(*f));

	ASSERT_TRUE(f);
	f->run = run;
	f->b.ring = &run->dev->ring[queues[which]];
	f->b.control = which == F_CTL;
	f->b.events = which == F_EVT;
	f->b.rng.state = seed * 1000003 + run->dev->features * 31 + which;
	ring_move(f);
	ASSERT_EQ(0, batch_init(&f->b));
	return f;
}

/* How EXTENDED COPY names a LUN (SPC-4 7.8.6.6): one of 16 bytes. */
static void learn_name(struct vsg_dev *dev, uint16_t lun, uint8_t *name)
{
	struct vsg_req *req = request(dev, 0, 512);
	const uint8_t *p;

	ready(vsg_io(dev, Q_LOAD), FUZZ_TARGET, lun);
	vsg_cmd_vpd(req, FUZZ_TARGET, lun, 0x83, 512);
	ASSERT_EQ(0, vsg_exec(vsg_io(dev, Q_LOAD), req, WAIT_MS));
	ASSERT_TRUE(vsg_good(req));
	for (p = req->data_in + 4; p < req->data_in + 400; p += 4 + p[3])
		if ((p[1] & 15) == 3 && p[3] == 16) {
			memcpy(name, p + 4, 16);
			break;
		}
	vsg_req_free(req);
}

/* The last chains are under way when everything is stopped. */
static void check_end(struct run *run, struct fuzzer **f)
{
	uint16_t start[NR_FUZZERS] = {};
	unsigned int i;

	for (i = F_IO; i <= F_IO_TOO; i++) {
		start[i] = f[i]->b.ring->avail_idx;
		batch_make(&f[i]->b, B_EXACT, BATCH_MAX);
		publish(f[i]);
	}
	EXPECT_EQ(0, vsg_stop(run->dev));
	for (i = F_IO; i <= F_IO_TOO; i++) {
		struct fuzzer *x = f[i];
		uint16_t n = x->b.ring->base - start[i];
		const char *err = n > x->b.nr ? "the index" : take(x, n);

		if (!err && x->taken != n)
			err = "not answered";
		if (!err)
			err = batch_check(&x->b);
		if (err)
			t_fail(__FILE__, __LINE__, "queue %u after the stop: %s",
			       x->b.ring->index, err);
		memcpy(x->copy, x->mem, x->size);
	}
	usleep(60000);
	for (i = 0; i < NR_FUZZERS; i++) {
		const char *err = batch_check(&f[i]->b);

		if (err)
			t_fail(__FILE__, __LINE__, "queue %u, stopped: %s",
			       f[i]->b.ring->index, err);
		if (i <= F_IO_TOO)
			EXPECT_EQ(0, memcmp(f[i]->copy, f[i]->mem, f[i]->size));
	}
}

static void loads_start(struct load *load, struct vsg_dev *dev,
			struct vsg_dev *far)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		load[i] = (struct load) {
			.r = i < 2 ? vsg_io(dev, Q_LOAD + i) : vsg_io(far, 0),
			.target = i < 2 ? CALM_TARGET : 1,
			.lun = i < 2 ? CALM_LUN : 0,
			.lba = 100 * i,
			.depth = 4,
			.pause_us = 3000,
		};
		ready(load[i].r, load[i].target, load[i].lun);
		load_start(&load[i]);
	}
}

static void log_check(struct klog *log)
{
	const struct klog_known *k;
	unsigned long known = 0;

	klog_read(log, fuzz_known_lines);
	for (k = fuzz_known_lines; *k->text; k++)
		known += k->count;
	printf("# kernel log: %lu lines, and %lu known ones of the target core\n",
	       log->lines, known);
	EXPECT_LE(log->lines, LINES_MAX);
	EXPECT_EQ(0, log->lost);
	klog_close(log);
}

static void report(const char *name, struct fuzzer **f)
{
	unsigned long n = f[F_IO]->chains + f[F_IO_TOO]->chains;
	unsigned long good = f[F_IO]->good + f[F_IO_TOO]->good;

	printf("# %s: seed %llu, %lu chains; control %lu, events %lu\n",
	       name, (unsigned long long)seed, n, f[F_CTL]->chains,
	       f[F_EVT]->chains);
	printf("# %lu refused, %lu carried out, %lu breaks, %lu stops\n",
	       f[F_IO]->refused + f[F_IO_TOO]->refused, good,
	       f[F_IO]->breaks + f[F_IO_TOO]->breaks,
	       f[F_IO]->stops + f[F_IO_TOO]->stops);
	/* Else it would be about little. */
	EXPECT_LE(n / 10, good);
}

static void fuzz(const char *name, uint64_t features)
{
	struct vsg_opts opts = {
		.features = features,
		.nr_io = NR_IO,
		.ring_size = RING_SIZE,
	};
	struct fuzzer *f[NR_FUZZERS];
	struct run run = {
		.left = chains / TESTS,
		.ending = 2,
	};
	struct vsg_dev *far;
	struct load load[3];
	struct klog log;
	unsigned int i;

	klog_open(&log);
	ASSERT_EQ(0, vsg_open(&run.dev, &opts));
	ASSERT_EQ(features, run.dev->features);
	/* Where nothing leads by chance. */
	run.dev->mem.region[0].gpa = 0x35a7c4000000ULL;
	for (i = 0; i < NR_FUZZERS; i++)
		f[i] = fuzzer_new(&run, i);
	ASSERT_EQ(0, vsg_start(run.dev, WWN_A));
	/* SET TARGET PORT GROUPS of the test before may have left a LUN in standby. */
	backstores_write("alua/default_tg_pt_gp/alua_access_state", "0");
	far = guest(WWN_B, NULL);
	learn_name(run.dev, LUN_RAM, fuzz_naa[0]);
	learn_name(run.dev, LUN_FILE, fuzz_naa[1]);
	loads_start(load, run.dev, far);

	if (seconds)
		run.end = vsg_now_ms() + 1000 * seconds / TESTS;
	for (i = 0; i < NR_FUZZERS; i++)
		ASSERT_EQ(0, pthread_create(&f[i]->thread, NULL, fuzzer_thread,
					    f[i]));
	while (__atomic_load_n(&run.ending, __ATOMIC_ACQUIRE)) {
		usleep(20000);
		klog_read(&log, fuzz_known_lines);
	}
	__atomic_store_n(&run.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < NR_FUZZERS; i++)
		pthread_join(f[i]->thread, NULL);
	for (i = 0; i < 3; i++) {
		load_end(&load[i]);
		EXPECT_LE(10, load[i].good);
	}
	report(name, f);
	if (!t_failed())
		check_end(&run, f);
	log_check(&log);
	guest_end(run.dev);
	guest_end(far);
}

#define BASE (VSG_F(VIRTIO_F_VERSION_1) | VSG_F(VIRTIO_SCSI_F_HOTPLUG))
#define INDIRECT VSG_F(VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT_IDX VSG_F(VIRTIO_RING_F_EVENT_IDX)

TEST_TIMEOUT(modern, 60)
{
	fuzz("modern", BASE | INDIRECT | EVENT_IDX);
}

TEST_TIMEOUT(without_event_idx, 60)
{
	fuzz("without_event_idx", BASE | INDIRECT);
}

TEST_TIMEOUT(without_indirect, 60)
{
	fuzz("without_indirect", BASE | EVENT_IDX);
}

TEST_TIMEOUT(legacy, 60)
{
	fuzz("legacy", VSG_F(VIRTIO_SCSI_F_HOTPLUG) | INDIRECT | EVENT_IDX);
}

TEST_TIMEOUT(legacy_plain, 60)
{
	fuzz("legacy_plain", VSG_F(VIRTIO_SCSI_F_HOTPLUG));
}
