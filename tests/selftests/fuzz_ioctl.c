// SPDX-License-Identifier: GPL-2.0-only
/* Proves: any ioctl of any process returns a documented value, leaks nothing, disturbs no other. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "ioctl_calls.h"
#include "left.h"
#include "load.h"

#define T 1

#define PAGE 4096
#define ARENA_SIZE (2 << 20)
#define IO_AREA (ARENA_SIZE / 2)	/* requests lie behind it */

#define NR_DEVS 2
#define DEV_FD 200		/* always a device, though not always the same */
#define NR_THREADS 3
#define NR_SLOTS 64

#define ROUND_MS 1000
#define MAX_IO_VQS "/sys/module/vhost_scsi/parameters/max_io_vqs"

/**
 * struct slot - what a thread is doing, for the one who watches
 * @tid: whose it is, 0: nobody's
 * @since: when its ioctl began, 0: it is in none
 * @name: of the ioctl
 */
struct slot {
	pid_t tid;
	int64_t since;
	char name[40];
};

/* What all processes of a round share. */
struct common {
	struct slot slot[NR_SLOTS];
	bool stop;
	unsigned long calls;
	unsigned long bound;
	unsigned long answered;
};

/**
 * struct fuzz - a thread that makes calls
 * @c: what it does
 * @env: for arguments
 * @caller: what it is to the device
 * @strict: it stays so
 * @slot: its own
 * @round: for messages
 */
struct fuzz {
	struct chance c;
	struct calls_env env;
	enum caller caller;
	bool strict;
	struct slot *slot;
	unsigned int round;
};

static struct common *common;

int suite_setup(void)
{
	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (common == MAP_FAILED || call_copy_init())
		return -1;
	return lio_suite("ramdisk a 16; tpg " WWN_A " 1; lun " WWN_A " 1 0 a\n"
			 "ramdisk b 16; tpg " WWN_B " 1; lun " WWN_B " 1 0 b");
}

void suite_teardown(void)
{
	write_file(MAX_IO_VQS, "128");
	lio_suite_end();
}

static void count(unsigned long *what)
{
	__atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

static bool stopped(void)
{
	return __atomic_load_n(&common->stop, __ATOMIC_RELAXED);
}

/* ---- calls -------------------------------------------------------------- */

static struct slot *slot_get(void)
{
	unsigned int i;

	for (i = 0; i < NR_SLOTS; i++) {
		pid_t none = 0;

		if (__atomic_compare_exchange_n(&common->slot[i].tid, &none,
						gettid(), false,
						__ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return &common->slot[i];
	}
	return NULL;
}

static void slot_put(struct slot *slot)
{
	slot->since = 0;
	__atomic_store_n(&slot->tid, 0, __ATOMIC_SEQ_CST);
}

static void complain(const struct fuzz *f, const struct call *call, int err)
{
	static const char *const who[] = { "owner", "stranger", "anybody" };
	const char *name = err > 0 ? strerrorname_np(err) : NULL;
	char arg[100] = "";
	unsigned int i;

	for (i = 0; i < call->size && i < 32; i++)
		sprintf(arg + 3 * i, " %02x", call->buf[i]);
	WHERE("round %u", f->round);
	t_fail(__FILE__, __LINE__, "%s (%#lx) by %s, argument at %p%s%s: %s",
	       call_name(call), call->cmd, who[f->caller], call->arg, arg,
	       call->wrong ? ", which is wrong" : "",
	       name ? name : err ? "no errno" : "success");
}

/* Returns the errno. */
static int make_call(struct fuzz *f, int fd, const struct call *call)
{
	int ret, err;

	snprintf(f->slot->name, sizeof(f->slot->name), "%s", call_name(call));
	__atomic_store_n(&f->slot->since, vsg_now_ms(), __ATOMIC_SEQ_CST);
	ret = ioctl(fd, call->cmd, call->arg);
	err = ret < 0 ? errno : 0;
	__atomic_store_n(&f->slot->since, 0, __ATOMIC_SEQ_CST);
	count(&common->calls);
	if (ret > 0 || !call_allowed(call, f->caller, err))
		complain(f, call, ret > 0 ? -ret : err);
	return err;
}

static int simple_call(struct fuzz *f, int fd, unsigned long cmd,
		       const void *arg, size_t size)
{
	struct call call;

	call_fill(&call, cmd, arg, size);
	return make_call(f, fd, &call);
}

#define CALL(f, fd, cmd, arg) simple_call(f, fd, cmd, arg, sizeof(*(arg)))

static int any_dev(struct fuzz *f)
{
	return DEV_FD + chance_below(&f->c, NR_DEVS);
}

static void random_call(struct fuzz *f)
{
	struct call call;
	int fd;

	call_make(&call, &f->c, &f->env);
	if (f->strict && call.cmd == VHOST_RESET_OWNER &&
	    f->caller == CALLER_OWNER)
		return;
	fd = any_dev(f);
	if (chance_one_in(&f->c, 8)) {
		/* By a descriptor of its own, closed while others call. */
		fd = dup(fd);
		make_call(f, fd, &call);
		close(fd);
	} else {
		make_call(f, fd, &call);
	}
}

/* ---- guest memory ------------------------------------------------------- */

static bool copy(void *local, void *arena, size_t size, bool write)
{
	return write ? call_copy(arena, local, size) :
		       call_copy(local, arena, size);
}

/* Of all kinds: private, shared, a file's. */
static void arena_map(struct fuzz *f, size_t off, size_t len)
{
	int flags = MAP_FIXED, fd = -1;

	switch (chance_below(&f->c, 3)) {
	case 0:
		flags |= MAP_PRIVATE | MAP_ANONYMOUS;
		break;
	case 1:
		flags |= MAP_SHARED | MAP_ANONYMOUS;
		break;
	default:
		flags |= chance_one_in(&f->c, 2) ? MAP_SHARED : MAP_PRIVATE;
		fd = f->env.other_fd;
	}
	mmap(f->env.arena + off, len, PROT_READ | PROT_WRITE, flags, fd,
	     fd < 0 ? 0 : off);
}

static void arena_change(struct fuzz *f)
{
	static const int advice[] = {
		MADV_DONTNEED, MADV_REMOVE, MADV_FREE, MADV_DONTFORK,
		MADV_DOFORK, MADV_PAGEOUT, MADV_HUGEPAGE,
	};
	static const int prot[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
		PROT_READ | PROT_WRITE,
	};
	size_t len = PAGE << chance_below(&f->c, 6);
	size_t off = chance_below(&f->c, (ARENA_SIZE - len) / PAGE + 1) * PAGE;
	size_t to = chance_below(&f->c, (ARENA_SIZE - len) / PAGE + 1) * PAGE;
	uint8_t *p = f->env.arena + off;

	/* Half of them where the rings are. */
	if (chance_one_in(&f->c, 2))
		p = f->env.arena + (off & (CALLS_RINGS * 2 * PAGE - 1));
	switch (chance_below(&f->c, 6)) {
	case 0:
		munmap(p, len);
		break;
	case 1:
		mprotect(p, len, prot[chance_below(&f->c, ARRAY_SIZE(prot))]);
		break;
	case 2:
		if (to + len <= (size_t)(p - f->env.arena) ||
		    to >= p - f->env.arena + len)
			mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED,
			       f->env.arena + to);
		break;
	case 3:
		madvise(p, len, advice[chance_below(&f->c, ARRAY_SIZE(advice))]);
		break;
	default:
		arena_map(f, p - f->env.arena, len);
	}
}

/* What a guest that is mad writes. */
static void arena_scribble(struct fuzz *f)
{
	uint64_t bits = chance_bits(&f->c);
	size_t at = chance_below(&f->c, CALLS_RINGS * 2 * PAGE) & ~1;

	copy(&bits, f->env.arena + at, 2, true);
}

/* ---- a guest ------------------------------------------------------------ */

/* Everything that a hypervisor says before a guest runs. */
static void set_up(struct fuzz *f)
{
	struct vhost_scsi_target t = { .abi_version = 1 };
	int fd = any_dev(f);
	uint64_t features = VSG_FEATURES_MODERN;
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region;
	} table = {
		.head.nregions = 1,
		.region.memory_size = ARENA_SIZE,
		.region.userspace_addr = (uintptr_t)f->env.arena,
	};
	unsigned int q;

	strcpy(t.vhost_wwpn, WWN_A);
	CALL(f, fd, VHOST_SCSI_CLEAR_ENDPOINT, &t);
	arena_map(f, 0, ARENA_SIZE);
	simple_call(f, fd, VHOST_SET_OWNER, NULL, 0);
	CALL(f, fd, VHOST_SET_FEATURES, &features);
	CALL(f, fd, VHOST_SET_MEM_TABLE, &table);
	for (q = 0; q < CALLS_RINGS && q < f->env.nvqs; q++) {
		struct vhost_vring_state num = { q, CALLS_RING_MAX }, base = { q, 0 };
		struct vhost_vring_file file = {
			q, f->env.eventfd[q % CALLS_EVENTFDS],
		};
		struct vhost_vring_addr addr;

		call_ring(&f->env, q, &addr);
		CALL(f, fd, VHOST_SET_VRING_NUM, &num);
		CALL(f, fd, VHOST_SET_VRING_BASE, &base);
		CALL(f, fd, VHOST_SET_VRING_ADDR, &addr);
		CALL(f, fd, VHOST_SET_VRING_KICK, &file);
		CALL(f, fd, VHOST_SET_VRING_CALL, &file);
	}
	if (!CALL(f, fd, VHOST_SCSI_SET_ENDPOINT, &t))
		count(&common->bound);
}

/* What the device was told of goes before it is used. */
static void lose_log(struct fuzz *f)
{
	size_t at = ARENA_SIZE / 4 + chance_below(&f->c, 64) * PAGE;
	uint64_t base = (uintptr_t)f->env.arena + at;
	uint64_t features = VSG_FEATURES_MODERN | VSG_F(VHOST_F_LOG_ALL);
	int fd = any_dev(f), log_fd = f->env.eventfd[0];

	arena_map(f, at, PAGE);
	CALL(f, fd, VHOST_SET_LOG_BASE, &base);
	CALL(f, fd, VHOST_SET_FEATURES, &features);
	munmap(f->env.arena + at, PAGE);
	CALL(f, fd, VHOST_SET_LOG_FD, &log_fd);
	CALL(f, fd, VHOST_SET_FEATURES, &features);
	base = 0;
	CALL(f, fd, VHOST_SET_LOG_BASE, &base);
}

static void lose_ring(struct fuzz *f)
{
	unsigned int q = chance_below(&f->c, CALLS_RINGS);
	struct vhost_vring_file file = { q % f->env.nvqs, f->env.eventfd[q] };
	struct vhost_vring_state base = { q % f->env.nvqs, 0 };
	struct vhost_vring_addr addr;
	int fd = any_dev(f);

	call_ring(&f->env, q % f->env.nvqs, &addr);
	munmap(f->env.arena + q % f->env.nvqs * 2 * PAGE, 2 * PAGE);
	CALL(f, fd, VHOST_SET_VRING_ADDR, &addr);
	CALL(f, fd, VHOST_GET_VRING_BASE, &base);
	CALL(f, fd, VHOST_SET_VRING_KICK, &file);
	arena_map(f, q % f->env.nvqs * 2 * PAGE, 2 * PAGE);
	CALL(f, fd, VHOST_SET_VRING_KICK, &file);
}

static uint16_t used_index(struct fuzz *f, unsigned int q)
{
	struct vhost_vring_addr ring;
	uint16_t used;

	call_ring(&f->env, q, &ring);
	return copy(&used, (void *)(ring.used_user_addr + 2), 2, false) ?
	       used : 0;
}

/* One request, into a ring that may not be one; the answer may come later. */
static void submit(struct fuzz *f, unsigned int q)
{
	unsigned int i, head;
	size_t at = IO_AREA + (chance_below(&f->c, ARENA_SIZE - IO_AREA - 4 * PAGE) &
			       ~7);
	struct virtio_scsi_cmd_req hdr = {
		.lun = { 1, T }, .cdb = { VSG_READ_10, [8] = 8 },
	};
	struct vring_desc desc[3] = {
		{ at, sizeof(hdr), VRING_DESC_F_NEXT, 0 },
		{ at + 64, VSG_RESP_LEN,
		  VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 0 },
		{ at + 256, PAGE, VRING_DESC_F_WRITE, 0 },
	};
	struct vhost_vring_addr ring;
	uint16_t idx;

	call_ring(&f->env, q, &ring);
	if (chance_one_in(&f->c, 2)) {
		desc[1].flags = VRING_DESC_F_WRITE;
		hdr.cdb[0] = VSG_TEST_UNIT_READY;
	}
	copy(&hdr, f->env.arena + at, sizeof(hdr), true);
	if (!copy(&idx, (void *)(ring.avail_user_addr + 2), 2, false))
		return;
	if (used_index(f, q))
		count(&common->answered);
	head = idx * 3 % (CALLS_RING_MAX - 2);
	for (i = 0; i < 3; i++)
		desc[i].next = head + i + 1;
	copy(desc, (void *)(ring.desc_user_addr + 16 * head), sizeof(desc),
	     true);
	copy(&head, (void *)(ring.avail_user_addr + 4 +
			     2 * (idx % CALLS_RING_MAX)), 2, true);
	idx++;
	copy(&idx, (void *)(ring.avail_user_addr + 2), 2, true);
	eventfd_write(f->env.eventfd[q % CALLS_EVENTFDS], 1);
}

/* Before anything is done to it, the guest works. */
static void first_requests(struct fuzz *f)
{
	int64_t end = vsg_now_ms() + WAIT_MS;
	unsigned int i;

	f->slot = slot_get();
	set_up(f);
	/* More than the ring has room for would be its end. */
	for (i = 0; !used_index(f, VSG_IO) && vsg_now_ms() < end; i++) {
		if (i % 200 == 0 && i / 200 < CALLS_RING_MAX / 2)
			submit(f, VSG_IO);
		usleep(1000);
	}
	WHERE("round %u", f->round);
	EXPECT_NE(0, used_index(f, VSG_IO));
	count(&common->answered);
	slot_put(f->slot);
}

/* ---- processes ---------------------------------------------------------- */

/* A device comes in the place of one that others may use right now. */
static void reopen(struct fuzz *f)
{
	int fd = open(VSG_DEV_PATH, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	dup3(fd, any_dev(f), O_CLOEXEC);
	close(fd);
}

/* Has what its parent had when it was made, but is not the owner. */
static void stranger(struct fuzz *f, unsigned int calls)
{
	f->slot = slot_get();
	if (!f->slot)
		return;
	if (f->strict)
		f->caller = CALLER_STRANGER;
	while (calls-- && !stopped())
		random_call(f);
	slot_put(f->slot);
}

static void fork_stranger(struct fuzz *f)
{
	pid_t pid = fork();

	if (!pid) {
		stranger(f, 20);
		_exit(0);
	}
	if (pid < 0)
		return;
	if (chance_one_in(&f->c, 3)) {
		usleep(chance_below(&f->c, 3000));
		kill(pid, SIGKILL);
	}
	waitpid(pid, NULL, 0);
}

static void *fuzz_thread(void *arg)
{
	struct fuzz *f = arg;

	f->slot = slot_get();
	while (!stopped()) {
		switch (chance_below(&f->c, 64)) {
		case 0:
			set_up(f);
			break;
		case 1:
			fork_stranger(f);
			break;
		case 2 ... 3:
			arena_change(f);
			break;
		case 4:
			arena_scribble(f);
			break;
		case 5:
			if (!f->strict)
				reopen(f);
			break;
		case 6:
			lose_log(f);
			break;
		case 7:
			lose_ring(f);
			break;
		case 8 ... 27:
			submit(f, chance_below(&f->c, CALLS_RINGS));
			break;
		default:
			random_call(f);
		}
	}
	slot_put(f->slot);
	return NULL;
}

static void fuzz_init(struct fuzz *f, unsigned int round, unsigned int nvqs)
{
	unsigned int i;

	memset(f, 0, sizeof(*f));
	f->round = round;
	chance_init(&f->c, round, 0);
	f->strict = chance_one_in(&f->c, 2);
	f->caller = f->strict ? CALLER_OWNER : CALLER_ANYBODY;
	f->env.wwn = WWN_A;
	f->env.nvqs = nvqs;
	f->env.size = ARENA_SIZE;
	f->env.arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	f->env.other_fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (ftruncate(f->env.other_fd, ARENA_SIZE))
		_exit(1);
	for (i = 0; i < CALLS_EVENTFDS; i++)
		f->env.eventfd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->env.dev_fd = DEV_FD;
	for (i = 0; i < NR_DEVS; i++) {
		int fd = open(VSG_DEV_PATH, O_RDWR | O_CLOEXEC);

		if (fd < 0 || dup3(fd, DEV_FD + i, O_CLOEXEC) < 0)
			_exit(1);
		close(fd);
		if (ioctl(DEV_FD + i, VHOST_SET_OWNER))
			_exit(1);
	}
}

static uint8_t *scratch_page(void)
{
	uint8_t *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + PAGE, PAGE, PROT_NONE))
		_exit(1);
	return p;
}

/* What the process was charged for is given back when its devices are gone. */
static void check_charge(void)
{
	int64_t end = vsg_now_ms() + WAIT_MS;

	while (left_charged() && vsg_now_ms() < end)
		usleep(10000);
	EXPECT_EQ(0, left_charged());
}

/* The process of a round: it owns the devices, and ends in one way or another. */
static void attack(unsigned int round, unsigned int nvqs)
{
	struct fuzz f[NR_THREADS + 1];
	pthread_t thread[NR_THREADS];
	unsigned int i;

	fuzz_init(&f[NR_THREADS], round, nvqs);
	for (i = 0; i <= NR_THREADS; i++) {
		f[i] = f[NR_THREADS];
		f[i].env.scratch = scratch_page();
		chance_init(&f[i].c, round, i + 1);
	}
	first_requests(&f[NR_THREADS]);
	/* One that lives on when the owner is gone. */
	if (chance_one_in(&f[NR_THREADS].c, 2) && !fork()) {
		stranger(&f[NR_THREADS], -1);
		_exit(0);
	}
	for (i = 0; i < NR_THREADS; i++)
		if (pthread_create(&thread[i], NULL, fuzz_thread, &f[i]))
			_exit(1);
	if (chance_one_in(&f[NR_THREADS].c, 2)) {
		/* With its threads in the middle of calls. */
		usleep(ROUND_MS * 1000 / 2);
		_exit(0);
	}
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < NR_DEVS; i++)
		close(DEV_FD + i);
	check_charge();
	_exit(0);
}

/* ---- the watch ---------------------------------------------------------- */

static void show_stack(pid_t tid)
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stack", tid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		printf("#   %s", line);
	if (file)
		fclose(file);
}

/* Has an ioctl taken too long? A thread that was killed has not. */
static bool find_hang(void)
{
	int64_t now = vsg_now_ms();
	unsigned int i;

	for (i = 0; i < NR_SLOTS; i++) {
		struct slot *slot = &common->slot[i];
		int64_t since = __atomic_load_n(&slot->since, __ATOMIC_SEQ_CST);
		pid_t tid = __atomic_load_n(&slot->tid, __ATOMIC_SEQ_CST);

		if (!tid || !since || now - since < WAIT_MS ||
		    kill(tid, 0))
			continue;
		t_fail(__FILE__, __LINE__, "%s has not returned for %lld ms",
		       slot->name, (long long)(now - since));
		show_stack(tid);
		return true;
	}
	return false;
}

/* Processes whose parents are gone are ours, too. */
static bool all_gone(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

static void round_run(unsigned int round, struct chance *c)
{
	static const char *const max[] = { "128", "1", "6", "0", "1024" };
	static const unsigned int nvqs[] = { 130, 3, 8, 3, 1026 };
	unsigned int i = chance_below(c, ARRAY_SIZE(max));
	int64_t end;
	pid_t pid;

	ASSERT_EQ(0, write_file(MAX_IO_VQS, max[i]));
	memset(common->slot, 0, sizeof(common->slot));
	__atomic_store_n(&common->stop, false, __ATOMIC_SEQ_CST);
	pid = fork();
	if (!pid)
		attack(round, nvqs[i]);
	ASSERT_LE(1, pid);
	end = vsg_now_ms() + ROUND_MS;
	while (vsg_now_ms() < end && !find_hang())
		usleep(20000);
	if (chance_one_in(c, 3))
		kill(pid, SIGKILL);
	__atomic_store_n(&common->stop, true, __ATOMIC_SEQ_CST);
	end = vsg_now_ms() + 3 * WAIT_MS;
	while (!all_gone()) {
		if (find_hang() || vsg_now_ms() > end) {
			t_fail(__FILE__, __LINE__,
			       "round %u: its processes do not end", round);
			t_abort();
		}
		usleep(2000);
	}
}

/* The port is free again, and its LUN works. */
static void fresh_device(uint32_t seed)
{
	int64_t end = vsg_now_ms() + WAIT_MS;
	struct vsg_dev *dev;
	struct vsg_req *req;
	int ret;

	ASSERT_EQ(0, vsg_open(&dev, NULL));
	while ((ret = vsg_start(dev, WWN_A)) == -EBUSY && vsg_now_ms() < end)
		usleep(10000);
	ASSERT_EQ(0, ret);
	ready(vsg_io(dev, 0), T, 0);
	req = request(dev, 8 * BLOCK, 8 * BLOCK);
	write_pattern(vsg_io(dev, 0), req, T, 0, 1024, 8, seed);
	check_pattern(vsg_io(dev, 0), req, T, 0, 1024, 8, seed);
	vsg_req_free(req);
	guest_end(dev);
}

static void load_begin(struct load *load, struct vsg_dev *dev)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		/* Few at a time, to leave the processor to the others. */
		load[i] = (struct load) {
			.r = vsg_io(dev, i), .target = T, .lba = i * 64,
			.depth = 1,
		};
		load_start(&load[i]);
	}
}

static void check_progress(struct load *load, unsigned int round)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		load_end(&load[i]);
		WHERE("round %u, the other device, queue %u", round, i);
		EXPECT_LE(1, load[i].good);
	}
}

TEST_TIMEOUT(ioctls_by_chance, 60)
{
	struct vsg_opts opts = { .nr_io = 2, .mem_size = 4 << 20 };
	struct vsg_dev *other = guest(WWN_B, &opts);
	size_t mark = vsg_mem_mark(&other->mem);
	struct left before;
	struct load load[2];
	unsigned int round;
	struct chance c;
	int64_t end;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	chance_init(&c, 0, 0);
	ready(vsg_io(other, 0), T, 0);
	fresh_device(0);
	/* A running queue keeps the pages pinned that its responses went to. */
	ASSERT_EQ(0, vsg_stop(other));
	left_note(&before);
	ASSERT_EQ(0, vsg_start(other, WWN_B));
	end = vsg_now_ms() + chance_ms(8);
	/* On a busy machine, until each has happened that is looked for below. */
	for (round = 1; (vsg_now_ms() < end || !common->bound || !common->answered) &&
	     !t_failed(); round++) {
		mark = vsg_mem_mark(&other->mem);
		load_begin(load, other);
		round_run(round, &c);
		check_progress(load, round);
		vsg_mem_release(&other->mem, mark);
		WHERE("after round %u", round);
		fresh_device(round);
		ASSERT_EQ(0, vsg_stop(other));
		left_check(&before);
		ASSERT_EQ(0, vsg_start(other, WWN_B));
	}
	printf("# %u rounds, %lu calls, %lu times bound, %lu requests into rings that answered\n",
	       round - 1, common->calls, common->bound, common->answered);
	WHERE("in all");
	EXPECT_LE(1, common->bound);
	EXPECT_LE(1, common->answered);
	guest_end(other);
}
