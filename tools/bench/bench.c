// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that does nothing but reading and writing: prints what a command takes.
 *
 * Each queue has a thread that keeps DEPTH commands under way and blocks on the
 * call eventfd. Where virtual time counts instructions, nanoseconds are
 * instructions, the guest's own included; so all that is done for a command here
 * is to write it down and to look at its answer.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/capability.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../tests/lib/vsg.h"

#define BLOCK		512
#define MAX_LUNS	256
#define MAX_DEVS	64
#define MIB		(1024 * 1024UL)
#define PAGE		4096
#define APART		61	/* pages, an odd number */
#define HUGE_PAGE	(2 * MIB)
#define SKIP		3	/* exit status: the module cannot do that */
#define WAIT_MS		60000

static const char usage[] =
	"bench [OPTIONS] WWN...\n"
	"\n"
	"A device for each WWN, all at once, with QUEUES queues each.\n"
	"\n"
	"  -q QUEUES   request queues, a thread each (1)\n"
	"  -d DEPTH    commands under way on each (1)\n"
	"  -b BYTES    of each command (4096)\n"
	"  -n COUNT    commands in all (10000)\n"
	"  -u COUNT    commands before, on each queue, that are not counted (2000)\n"
	"  -r PERCENT  that read, the others write (100)\n"
	"  -s          one place after the other; else at random\n"
	"  -S MIB      of each LUN that are used (32)\n"
	"  -l LUN,...  LUNs, one after the other (0)\n"
	"  -t TARGET   that they are of (1)\n"
	"  -z ENTRIES  of each ring (128, or what DEPTH takes)\n"
	"  -x NAME,... features not to use: event_idx, indirect, version_1\n"
	"  -w          a worker for each queue\n"
	"  -H          guest memory in huge pages; else in small ones that lie apart\n"
	"  -M PAGES    RLIMIT_MEMLOCK, without CAP_IPC_LOCK; else no limit\n"
	"  -B MICROS   that a worker polls before it sleeps\n"
	"  -L          measure latency, too, which costs something\n"
	"  -F BYTES    fairness: what the first queue does while all others have\n"
	"              commands of BYTES, in parts of what it does when they have not\n"
	"  -o          open and start, say so, and wait for the end of the input\n"
	"  -P CTL,ACK  pipes to a perf record --control that counts only the commands\n"
	"\n"
	"One line: commands=N ns=T ns_per_command=T worker_ns=T kicks=N calls=N, with -L\n"
	"p50= p99= p999= in nanoseconds, with -F alike=T flooded=T (nanoseconds of the\n"
	"first queue's commands) ratio=R instead.\n"
	"Exit status 3: the module does not have what was asked for.\n";

static struct {
	unsigned long queues;
	unsigned long depth;
	unsigned long bytes;
	unsigned long count;
	unsigned long warm_up;
	unsigned long percent;
	unsigned long span;	/* MiB */
	unsigned long target;
	unsigned long entries;
	unsigned long poll_us;
	unsigned long flood;
	unsigned long pages;
	bool sequential;
	bool workers;
	bool huge;
	bool latency;
	bool hold;
	uint16_t lun[MAX_LUNS];
	unsigned int luns;
	uint64_t without;
	int perf_ctl;
	int perf_ack;
} opt = {
	.queues = 1,
	.depth = 1,
	.bytes = 4096,
	.count = 10000,
	.warm_up = 2000,
	.percent = 100,
	.span = 32,
	.luns = 1,
	.target = 1,
	.pages = ULONG_MAX,
	.perf_ctl = -1,
};

/**
 * struct load - a queue and the thread that drives it
 * @r: the queue
 * @thread: its thread; the first load has the main one
 * @reqs: opt.depth of them
 * @bytes: of each command
 * @places: of that size in a LUN
 * @place: the next one, if they are in order
 * @seed: of what is by chance
 * @lun: which of opt.lun is next
 * @count: commands to do
 * @follows: goes on until the first one has done its own
 * @begun: when a chain was given to the device, by its head
 * @took: nanoseconds of each command
 * @end: when the last was done
 */
struct load {
	struct vsg_ring *r;
	pthread_t thread;
	struct vsg_req **reqs;
	uint32_t bytes;
	uint64_t places;
	uint64_t place;
	uint64_t seed;
	unsigned int lun;
	unsigned long count;
	bool follows;
	uint64_t *begun;
	unsigned long *took;
	uint64_t end;
};

static struct vsg_dev *devs[MAX_DEVS];
static unsigned int nr_devs;
static struct load *loads;
static unsigned int nr_loads;
static pthread_barrier_t warm, go;
static bool first_is_done;

static void die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Knuth's MMIX generator, of which the upper bits are good. */
static uint32_t chance(struct load *l)
{
	l->seed = l->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return l->seed >> 33;
}

static uint64_t next_place(struct load *l)
{
	if (!opt.sequential)
		return chance(l) % l->places;
	if (l->place == l->places)
		l->place = 0;
	return l->place++;
}

static bool next_writes(struct load *l)
{
	if (opt.percent == 100 || !opt.percent)
		return !opt.percent;
	return chance(l) % 100 >= opt.percent;
}

/* What a command is; where it reads or writes, submit() says. */
static void prepare(struct load *l, struct vsg_req *req)
{
	vsg_cmd_rw(req, opt.target, opt.lun[l->lun], next_writes(l), 0,
		   l->bytes / BLOCK, BLOCK);
	if (++l->lun == opt.luns)
		l->lun = 0;
}

static void submit(struct load *l, struct vsg_req *req)
{
	uint8_t *cdb = req->hdr->cdb;

	vsg_put_be(cdb + 2, next_place(l) * (l->bytes / BLOCK),
		   cdb[0] == VSG_READ_10 || cdb[0] == VSG_WRITE_10 ? 4 : 8);
	/* None that a device gives. */
	req->resp->response = VSG_POISON;
	/* The chain's head will be the first free descriptor. */
	if (l->begun)
		l->begun[l->r->free_head] = now();
	if (vsg_ring_add(l->r, &req->tok, req->seg, req->nseg, req->ndirect))
		die("no room in the ring");
	vsg_ring_publish(l->r);
}

/* Keeps opt.depth commands under way until @count are done. */
static void drive(struct load *l, unsigned long count, bool follows)
{
	bool alike = opt.luns == 1 && (opt.percent == 100 || !opt.percent);
	unsigned long given = 0, done = 0;
	struct vsg_token *tok;

	for (; given < opt.depth && given < count; given++) {
		prepare(l, l->reqs[given]);
		submit(l, l->reqs[given]);
	}
	vsg_ring_kick(l->r);

	while (done < count) {
		unsigned long before = given;

		while ((tok = vsg_ring_poll(l->r))) {
			/* The token is the first member. */
			struct vsg_req *req = (struct vsg_req *)tok;

			if (!vsg_good(req))
				die("a command failed");
			if (l->took)
				l->took[done] = now() - l->begun[tok->head];
			done++;
			if (follows &&
			    __atomic_load_n(&first_is_done, __ATOMIC_RELAXED))
				count = given;
			if (given < count) {
				if (!alike)
					prepare(l, req);
				submit(l, req);
				given++;
			}
		}
		if (given != before)
			vsg_ring_kick(l->r);
		if (done < count)
			vsg_ring_wait(l->r, -1);
	}
}

static void load_warm_up(struct load *l)
{
	unsigned long *took = l->took;

	l->took = NULL;
	drive(l, l->bytes > opt.bytes ? opt.depth : opt.warm_up, false);
	l->took = took;
	l->r->nr_kicks = 0;
	l->r->nr_calls = 0;
	pthread_barrier_wait(&warm);
}

static void load_run(struct load *l)
{
	pthread_barrier_wait(&go);
	drive(l, l->follows ? ULONG_MAX : l->count, l->follows);
	l->end = now();
}

static void *load_thread(void *arg)
{
	load_warm_up(arg);
	load_run(arg);
	return NULL;
}

/* perf record --control: a command, and its "ack\n". */
static void perf_tell(const char *command)
{
	char ack[8];

	if (opt.perf_ctl < 0)
		return;
	if (write(opt.perf_ctl, command, strlen(command)) < 0 ||
	    read(opt.perf_ack, ack, sizeof(ack)) <= 0)
		die("perf does not answer");
}

/* The nanoseconds that a task has run; 0 for one that is no worker of ours. */
static uint64_t worker_time(const char *dir, const char *task)
{
	char path[300], want[32], name[32] = "";
	unsigned long long ns = 0;
	FILE *f;

	snprintf(want, sizeof(want), "vhost-%d\n", getpid());
	snprintf(path, sizeof(path), "%s/%s/comm", dir, task);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (!fgets(name, sizeof(name), f))
		name[0] = 0;
	fclose(f);
	if (strcmp(name, want))
		return 0;
	snprintf(path, sizeof(path), "%s/%s/schedstat", dir, task);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%llu", &ns) != 1)
		ns = 0;
	fclose(f);
	return ns;
}

/* Workers are kernel threads, or threads of this process. */
static uint64_t workers_time(void)
{
	static const char *const dirs[] = { "/proc", "/proc/self/task" };
	struct dirent *entry;
	uint64_t ns = 0;
	unsigned int i;
	DIR *dir;

	for (i = 0; i < 2; i++) {
		dir = opendir(dirs[i]);
		while (dir && (entry = readdir(dir)))
			if (isdigit((unsigned char)entry->d_name[0]))
				ns += worker_time(dirs[i], entry->d_name);
		if (dir)
			closedir(dir);
	}
	return ns;
}

struct result {
	unsigned long ns;
	unsigned long worker_ns;
	unsigned long kicks;
	unsigned long calls;
};

/*
 * All loads at once; the time from the first command to the last. The first has
 * this thread: the kernel has less to do for a process without another.
 */
static struct result run(void)
{
	struct result res = {};
	uint64_t start, end = 0;
	unsigned int i;

	first_is_done = false;
	pthread_barrier_init(&warm, NULL, nr_loads);
	pthread_barrier_init(&go, NULL, nr_loads);
	for (i = 1; i < nr_loads; i++)
		if (pthread_create(&loads[i].thread, NULL, load_thread,
				   &loads[i]))
			die("no thread");
	load_warm_up(&loads[0]);
	res.worker_ns = workers_time();
	perf_tell("enable\n");
	start = now();
	load_run(&loads[0]);
	__atomic_store_n(&first_is_done, true, __ATOMIC_RELAXED);
	for (i = 0; i < nr_loads; i++) {
		struct load *l = &loads[i];

		if (i)
			pthread_join(l->thread, NULL);
		if (l->end > end)
			end = l->end;
		res.kicks += l->r->nr_kicks;
		res.calls += l->r->nr_calls;
	}
	perf_tell("disable\n");
	res.ns = (opt.flood ? loads[0].end : end) - start;
	res.worker_ns = workers_time() - res.worker_ns;
	pthread_barrier_destroy(&warm);
	pthread_barrier_destroy(&go);
	return res;
}

static int compare(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a;
	unsigned long y = *(const unsigned long *)b;

	return x < y ? -1 : x > y;
}

static void print_latency(void)
{
	unsigned long n = 0;
	unsigned long *all;
	unsigned int i;

	all = calloc(nr_loads * loads[0].count, sizeof(*all));
	if (!all)
		die("out of memory");
	for (i = 0; i < nr_loads; i++) {
		memcpy(all + n, loads[i].took, loads[i].count * sizeof(*all));
		n += loads[i].count;
	}
	qsort(all, n, sizeof(*all), compare);
	printf(" p50=%lu p99=%lu p999=%lu", all[n / 2], all[n * 99 / 100],
	       all[n * 999 / 1000]);
	free(all);
}

static void measure(void)
{
	unsigned long n = nr_loads * loads[0].count;
	struct result res = run();

	printf("commands=%lu ns=%lu ns_per_command=%lu worker_ns=%lu kicks=%lu calls=%lu",
	       n, res.ns, res.ns / n, res.worker_ns / n, res.kicks, res.calls);
	if (opt.latency)
		print_latency();
	printf("\n");
}

static void load_size(struct load *l, uint32_t bytes)
{
	l->bytes = bytes;
	l->places = opt.span * MIB / bytes;
}

static void fairness(void)
{
	unsigned long alike, flooded;
	unsigned int i;

	for (i = 1; i < nr_loads; i++)
		loads[i].follows = true;
	loads[0].count = opt.count;
	alike = run().ns / opt.count;
	for (i = 1; i < nr_loads; i++)
		load_size(&loads[i], opt.flood);
	flooded = run().ns / opt.count;
	printf("alike=%lu flooded=%lu ratio=%.3f\n", alike, flooded,
	       (double)alike / flooded);
}

static size_t largest(void)
{
	return opt.flood > opt.bytes ? opt.flood : opt.bytes;
}

/* Guest memory for a request: its streams begin in a page of their own. */
static size_t req_memory(void)
{
	return 2 * (largest() + 3 * 4096) + 256;
}

static void load_init(struct load *l, struct vsg_ring *r, unsigned int nr)
{
	unsigned int i;

	l->r = r;
	l->seed = nr + 1;
	l->count = opt.count / nr_loads;
	load_size(l, opt.bytes);
	/* Not all at the same place at the same time. */
	l->place = l->places * nr / nr_loads;
	l->lun = nr % opt.luns;
	l->reqs = calloc(opt.depth, sizeof(struct vsg_req *));
	if (!l->reqs)
		die("out of memory");
	for (i = 0; i < opt.depth; i++) {
		uint32_t in = opt.percent ? largest() : BLOCK;
		uint32_t out = opt.percent < 100 ? largest() : 0;

		l->reqs[i] = vsg_req_alloc(r->dev, out, in, 0);
		if (!l->reqs[i])
			die("out of guest memory");
		memset(l->reqs[i]->data_out, 1, out);
		memset(l->reqs[i]->data_in, 1, in);
	}
	/* A new nexus' first command is told of its power on. */
	for (i = 0; i < opt.luns; i++)
		if (vsg_clear_ua(r, l->reqs[0], opt.target, opt.lun[i],
				 WAIT_MS))
			die("a LUN is not ready");
	if (opt.latency) {
		l->begun = calloc(r->num, sizeof(*l->begun));
		l->took = calloc(l->count, sizeof(*l->took));
		if (!l->begun || !l->took)
			die("out of memory");
		memset(l->took, 1, l->count * sizeof(*l->took));
	}
}

static void need(int ret, const char *what)
{
	if (!ret)
		return;
	fprintf(stderr, "bench: %s: %s\n", what, strerror(-ret));
	exit(ret == -ENOTTY || ret == -EOPNOTSUPP ?
	     SKIP : 1);
}

static void attach_workers(struct vsg_dev *dev)
{
	struct vhost_vring_worker attach = {};
	struct vhost_worker_state worker;
	unsigned int i;

	/* The first one serves the first queue. */
	for (i = 1; i < opt.queues; i++) {
		need(vsg_ioctl(dev, VHOST_NEW_WORKER, &worker), "new worker");
		attach.index = VSG_IO + i;
		attach.worker_id = worker.worker_id;
		need(vsg_ioctl(dev, VHOST_ATTACH_VRING_WORKER, &attach),
		     "attach worker");
	}
}

static void set_polling(struct vsg_dev *dev)
{
	struct vhost_vring_state poll = { .num = opt.poll_us };

	for (poll.index = 0; poll.index < dev->nr_rings; poll.index++)
		need(vsg_ioctl(dev, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, &poll),
		     "polling");
}

/* There may be a ring in it already. */
static void touch(uint8_t *page)
{
	__atomic_fetch_add(page, 0, __ATOMIC_RELAXED);
}

/*
 * Small pages are touched so that neighbours are none in the host: a kernel with
 * much free memory would hand out neighbours, and a command of 64K would be one
 * piece, or not, by chance. Huge ones are wherever the kernel can make them.
 */
static void set_pages(struct vsg_dev *dev)
{
	struct vsg_region *region = dev->mem.region;
	size_t first, at;

	madvise(region->hva, region->size,
		opt.huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	if (opt.hold)
		return;
	if (opt.huge) {
		/* The first may begin within the region. */
		vsg_mem_alloc(&dev->mem, HUGE_PAGE, 1);
		return;
	}
	for (first = 0; first < APART; first++)
		for (at = first; at < region->size / PAGE; at += APART)
			touch(region->hva + at * PAGE);
}

static void dev_start(const char *wwn)
{
	struct vsg_opts opts = {
		.features = VSG_FEATURES_MODERN & ~opt.without,
		.nr_io = opt.queues,
		.ring_size = opt.entries,
	};
	struct vsg_dev *dev;

	opts.mem_size = 3 * HUGE_PAGE + opt.queues * opt.entries * 128UL;
	if (!opt.hold)
		opts.mem_size += opt.queues * opt.depth * req_memory();
	opts.mem_size = (opts.mem_size + MIB - 1) & ~(MIB - 1);
	need(vsg_open(&dev, &opts), "open");
	set_pages(dev);
	if (opt.workers)
		attach_workers(dev);
	if (opt.poll_us)
		set_polling(dev);
	need(vsg_start(dev, wwn), wwn);
	devs[nr_devs++] = dev;
}

static void loads_init(void)
{
	unsigned int i;

	nr_loads = nr_devs * opt.queues;
	loads = calloc(nr_loads, sizeof(*loads));
	if (!loads)
		die("out of memory");
	for (i = 0; i < nr_loads; i++)
		load_init(&loads[i],
			  vsg_io(devs[i / opt.queues], i % opt.queues), i);
}

static void hold(void)
{
	char c;

	printf("started\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
}

static void bad_usage(void)
{
	fputs(usage, stderr);
	exit(2);
}

static void parse_luns(char *list)
{
	char *lun;

	for (opt.luns = 0; (lun = strsep(&list, ",")); opt.luns++) {
		if (opt.luns == MAX_LUNS)
			die("too many LUNs");
		opt.lun[opt.luns] = strtoul(lun, NULL, 0);
	}
}

static void parse_without(char *list)
{
	static const struct {
		const char *name;
		uint64_t feature;
	} names[] = {
		{ "event_idx", VSG_F(VIRTIO_RING_F_EVENT_IDX) },
		{ "indirect", VSG_F(VIRTIO_RING_F_INDIRECT_DESC) },
		{ "version_1", VSG_F(VIRTIO_F_VERSION_1) },
		{}
	};
	unsigned int i;
	char *name;

	while ((name = strsep(&list, ","))) {
		for (i = 0; names[i].name && strcmp(name, names[i].name); i++)
			;
		if (!names[i].name)
			bad_usage();
		opt.without |= names[i].feature;
	}
}

static void parse_perf(char *pipes)
{
	char *ctl = strsep(&pipes, ",");

	if (!pipes)
		bad_usage();
	/* Reading, too: neither end then waits for the other to open. */
	opt.perf_ctl = open(ctl, O_RDWR);
	opt.perf_ack = open(pipes, O_RDWR);
	if (opt.perf_ctl < 0 || opt.perf_ack < 0)
		die("no pipes to perf");
}

static bool parse_number(int c)
{
	static const struct {
		char c;
		unsigned long *to;
	} numbers[] = {
		{ 'q', &opt.queues },
		{ 'd', &opt.depth },
		{ 'b', &opt.bytes },
		{ 'n', &opt.count },
		{ 'u', &opt.warm_up },
		{ 'r', &opt.percent },
		{ 'S', &opt.span },
		{ 't', &opt.target },
		{ 'z', &opt.entries },
		{ 'B', &opt.poll_us },
		{ 'F', &opt.flood },
		{ 'M', &opt.pages },
		{}
	};
	unsigned int i;

	for (i = 0; numbers[i].c; i++) {
		if (numbers[i].c != c)
			continue;
		*numbers[i].to = strtoul(optarg, NULL, 0);
		return true;
	}
	return false;
}

static bool parse_flag(int c)
{
	static const struct {
		char c;
		bool *to;
	} flags[] = {
		{ 's', &opt.sequential },
		{ 'w', &opt.workers },
		{ 'H', &opt.huge },
		{ 'L', &opt.latency },
		{ 'o', &opt.hold },
		{}
	};
	unsigned int i;

	for (i = 0; flags[i].c; i++) {
		if (flags[i].c != c)
			continue;
		*flags[i].to = true;
		return true;
	}
	return false;
}

static void parse(int argc, char **argv)
{
	unsigned int chain;
	int c;

	while ((c = getopt(argc, argv, "q:d:b:n:u:r:sS:l:t:z:x:wHB:LF:M:oP:h")) >= 0) {
		if (c == 'l')
			parse_luns(optarg);
		else if (c == 'x')
			parse_without(optarg);
		else if (c == 'P')
			parse_perf(optarg);
		else if (!parse_number(c) && !parse_flag(c))
			bad_usage();
	}
	if (optind == argc || argc - optind > MAX_DEVS)
		bad_usage();
	if (!opt.queues || !opt.depth || !opt.bytes || opt.percent > 100 ||
	    opt.bytes % BLOCK || opt.flood % BLOCK || largest() > opt.span * MIB)
		die("such a load cannot be made");
	/* Without indirect tables a chain has three descriptors. */
	chain = opt.without & VSG_F(VIRTIO_RING_F_INDIRECT_DESC) ? 3 : 1;
	if (!opt.entries)
		opt.entries = 128;
	while (opt.entries < opt.depth * chain)
		opt.entries *= 2;
}

static void limit_pages(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct rlimit limit = { opt.pages * PAGE, opt.pages * PAGE };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		die("no capabilities");
	data[0].effective &= ~(1U << CAP_IPC_LOCK);
	if (syscall(SYS_capset, &head, data) || setrlimit(RLIMIT_MEMLOCK, &limit))
		die("no limit of pages");
}

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	unsigned int i;

	parse(argc, argv);
	/* Each ring has three. */
	setrlimit(RLIMIT_NOFILE, &files);
	if (opt.pages != ULONG_MAX)
		limit_pages();
	for (i = optind; i < (unsigned int)argc; i++)
		dev_start(argv[i]);
	if (opt.hold) {
		hold();
	} else {
		loads_init();
		if (opt.count < nr_loads)
			die("too few commands for so many queues");
		if (opt.flood)
			fairness();
		else
			measure();
	}
	for (i = 0; i < nr_devs; i++) {
		if (vsg_stop(devs[i]) || vsg_errors(devs[i]))
			die("the rings are not what they should be");
		vsg_close(devs[i]);
	}
	return 0;
}
