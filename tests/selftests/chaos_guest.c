// SPDX-License-Identifier: GPL-2.0-only
/* A guest that reads and writes while everything around it changes. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "chaos.h"
#include "see.h"

#define MEM_SIZE (4 << 20)
#define RING_SIZE 64
#define MORE_GPA 0x40000000ULL	/* where guest memory grows */
#define LOG_BYTES (MORE_GPA / VSG_LOG_PAGE / 8 * 2)

/**
 * struct queue - a ring and the thread that uses it
 * @lock: what follows, and the ring; not held while the thread waits
 * @slot: what it sends
 * @spare: where the ring may lie instead
 */
struct queue {
	pthread_mutex_t lock;
	pthread_t thread;
	struct guest *g;
	struct vsg_ring *r;
	struct chance c;
	struct slot slot[DEPTH];
	struct vsg_ring spare;
};

/**
 * struct guest - a guest's process
 * @rec: what outlives it
 * @fd: its memory
 * @view: where the device finds its memory, which is always mapped at
 *	region[0].hva for this process
 * @more: memory that it has besides, at times
 * @log: dirty log
 * @c: what happens to it
 * @host_c: what happens to its disks
 * @gate: threads stay between two requests while @closed
 * @inside: threads that do
 * @quit: the threads end
 */
struct guest {
	unsigned int nr;
	struct record *rec;
	struct vsg_dev *dev;
	int fd;
	uint8_t *view;
	void *more;
	void *log;
	struct chance c;
	struct chance host_c;
	struct queue queue[QUEUES];
	pthread_t host;
	pthread_mutex_t gate;
	pthread_cond_t changed;
	bool closed;
	unsigned int inside;
	atomic_bool quit;
};

const char *guest_wwn(unsigned int guest)
{
	static const char *const wwn[GUESTS] = {
		LIO_WWN "0011", LIO_WWN "0012", LIO_WWN "0013",
	};

	return wwn[guest];
}

/* Nothing of this process makes sense any more. */
#define FAIL(g, ...) \
	do { \
		t_where("guest %u, %s", (g)->nr, (g)->rec->doing); \
		t_fail(__FILE__, __LINE__, __VA_ARGS__); \
		atomic_store(&chaos->stop, true); \
		_exit(1); \
	} while (0)

#define MUST(g, call) \
	do { \
		int must_ = (call); \
		if (must_) \
			FAIL(g, "%s: %d", #call, must_); \
	} while (0)

static bool ending(const struct guest *g)
{
	return atomic_load(&g->quit);
}

/* ---- requests ----------------------------------------------------------- */

static void send(struct queue *q, struct slot *slot)
{
	/* Half of them leave the disk alone, which hangs at times. */
	unsigned int luns = slot->index % 2 ? LUNS : LUN_DISK;
	unsigned int lun = chance_below(&q->c, luns);

	if (!(slot->index % 2) && chance_one_in(&q->c, 3))
		lun = LUN_HOT;
	slot_fill(slot, lun, chance_one_in(&q->c, 2),
		  1 + chance_below(&q->c, SPAN));
	MUST(q->g, vsg_submit(q->r, slot->req));
	slot->busy = true;
}

/* Takes all answers that are there. */
static bool reap(struct queue *q)
{
	struct vsg_token *tok;
	char why[160];
	bool any = false;

	while ((tok = vsg_ring_poll(q->r))) {
		struct slot *slot;

		for (slot = q->slot; &slot->req->tok != tok; slot++)
			;
		slot->busy = false;
		any = true;
		if (!slot_check(slot, why, sizeof(why)))
			FAIL(q->g, "queue %u, slot %u, LUN %u, %s of %u: %s",
			     slot->queue, slot->index, slot->lun,
			     slot->write ? "write" : "read", slot->blocks, why);
	}
	if (q->r->errors.unknown || q->r->errors.overrun ||
	    q->r->errors.lost_call)
		FAIL(q->g, "queue %u: %lu unknown, %lu overrun, %lu lost calls",
		     q->r->index, q->r->errors.unknown, q->r->errors.overrun,
		     q->r->errors.lost_call);
	return any;
}

static void gate_pass(struct guest *g)
{
	pthread_mutex_lock(&g->gate);
	while (g->closed) {
		g->inside++;
		pthread_cond_broadcast(&g->changed);
		pthread_cond_wait(&g->changed, &g->gate);
		g->inside--;
		pthread_cond_broadcast(&g->changed);
	}
	pthread_mutex_unlock(&g->gate);
}

static void *queue_thread(void *arg)
{
	struct queue *q = arg;
	struct guest *g = q->g;
	unsigned int i;

	for (;;) {
		bool any;

		gate_pass(g);
		pthread_mutex_lock(&q->lock);
		for (i = 0; i < DEPTH && !ending(g); i++)
			if (!q->slot[i].busy)
				send(q, &q->slot[i]);
		vsg_ring_kick(q->r);
		any = reap(q);
		pthread_mutex_unlock(&q->lock);
		if (ending(g) && !q->r->outstanding)
			return NULL;
		if (!any && vsg_ring_wait(q->r, 2 * WAIT_MS))
			FAIL(g, "queue %u: %u requests are not answered",
			     q->r->index, q->r->outstanding);
	}
}

/* Has the threads stay between two requests, with requests under way. */
static void pause_queues(struct guest *g)
{
	pthread_mutex_lock(&g->gate);
	g->closed = true;
	while (g->inside < QUEUES)
		pthread_cond_wait(&g->changed, &g->gate);
	pthread_mutex_unlock(&g->gate);
}

static void resume_queues(struct guest *g)
{
	pthread_mutex_lock(&g->gate);
	g->closed = false;
	pthread_cond_broadcast(&g->changed);
	while (g->inside)
		pthread_cond_wait(&g->changed, &g->gate);
	pthread_mutex_unlock(&g->gate);
}

/* After each disturbance requests succeed again. */
static void check_progress(struct guest *g)
{
	int64_t end = vsg_now_ms() + WAIT_MS;
	unsigned long before[QUEUES];
	unsigned int q;

	for (q = 0; q < QUEUES; q++)
		before[q] = atomic_load(&g->rec->good[q]);
	for (q = 0; q < QUEUES; q++)
		while (atomic_load(&g->rec->good[q]) < before[q] + DEPTH) {
			if (vsg_now_ms() > end)
				FAIL(g, "queue %u does not go on", q);
			usleep(500);
		}
}

/* ---- memory and rings --------------------------------------------------- */

/* The same memory at another address, in pieces, and some that is new. */
static int set_table(struct guest *g, uint8_t *view, unsigned int pieces)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[17];
	} t = { .head.nregions = pieces };
	unsigned int i;

	for (i = 0; i < pieces; i++)
		t.region[i] = (struct vhost_memory_region) {
			.guest_phys_addr = i * (MEM_SIZE / pieces),
			.memory_size = MEM_SIZE / pieces,
			.userspace_addr = (uintptr_t)view +
					  i * (MEM_SIZE / pieces),
		};
	if (g->more)
		t.region[t.head.nregions++] = (struct vhost_memory_region) {
			.guest_phys_addr = MORE_GPA,
			.memory_size = MEM_SIZE,
			.userspace_addr = (uintptr_t)g->more,
		};
	return vsg_ioctl(g->dev, VHOST_SET_MEM_TABLE, &t);
}

static uint64_t viewed(const struct guest *g, const void *p)
{
	return (uintptr_t)g->view + vsg_gpa(&g->dev->mem, p);
}

static int set_addr(const struct guest *g, const struct vsg_ring *r)
{
	struct vhost_vring_addr addr = {
		.index = r->index,
		.flags = g->dev->log_rings ? 1 << VHOST_VRING_F_LOG : 0,
		.desc_user_addr = viewed(g, r->desc),
		.avail_user_addr = viewed(g, r->avail),
		.used_user_addr = viewed(g, r->used),
		.log_guest_addr = vsg_gpa(&g->dev->mem, r->used),
	};

	return vsg_ioctl(g->dev, VHOST_SET_VRING_ADDR, &addr);
}

static void set_all_addr(struct guest *g)
{
	unsigned int i;

	for (i = 0; i < g->dev->nr_rings; i++)
		MUST(g, set_addr(g, &g->dev->ring[i]));
}

static void move_memory(struct guest *g)
{
	uint8_t *old = g->view, *home = g->dev->mem.region[0].hva;

	if (g->more)
		munmap(g->more, MEM_SIZE);
	g->more = chance_one_in(&g->c, 2) ? NULL :
		  mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	g->view = chance_one_in(&g->c, 3) ? home :
		  mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       g->fd, 0);
	if (g->view == MAP_FAILED || g->more == MAP_FAILED)
		FAIL(g, "no memory");
	MUST(g, set_table(g, g->view, 1 << chance_below(&g->c, 5)));
	set_all_addr(g);
	if (old != home && old != g->view)
		munmap(old, MEM_SIZE);
}

/* While it is stopped a ring goes elsewhere, with all that is in it. */
static void move_ring(struct guest *g)
{
	struct queue *q = &g->queue[chance_below(&g->c, QUEUES)];
	struct vsg_ring *r = q->r, old = *r;
	struct vhost_vring_file kick = { .index = r->index, .fd = r->kick };
	struct vhost_vring_state base = { .index = r->index };

	pause_queues(g);
	MUST(g, vsg_ioctl(g->dev, VHOST_GET_VRING_BASE, &base));
	if (base.num != le16toh(r->used->idx))
		FAIL(g, "ring %u is at %u, and %u answers were given", r->index,
		     base.num, le16toh(r->used->idx));
	memcpy(q->spare.desc, r->desc, RING_SIZE * sizeof(*r->desc));
	memcpy(q->spare.avail, r->avail, 6 + 2 * RING_SIZE);
	memcpy(q->spare.used, r->used, 6 + 8 * RING_SIZE);
	r->desc = q->spare.desc;
	r->avail = q->spare.avail;
	r->used = q->spare.used;
	q->spare = old;
	memset(old.desc, VSG_POISON, RING_SIZE * sizeof(*r->desc));
	memset(old.avail, VSG_POISON, 6 + 2 * RING_SIZE);
	memset(old.used, VSG_POISON, 6 + 8 * RING_SIZE);
	MUST(g, vsg_ioctl(g->dev, VHOST_SET_VRING_BASE, &base));
	MUST(g, set_addr(g, r));
	MUST(g, vsg_ioctl(g->dev, VHOST_SET_VRING_KICK, &kick));
	resume_queues(g);
}

static void switch_log(struct guest *g)
{
	uint64_t base = (uintptr_t)g->log;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		uint64_t features = g->dev->features;

		g->dev->log_rings = !g->dev->log_rings;
		if (g->dev->log_rings)
			features |= VSG_F(VHOST_F_LOG_ALL);
		MUST(g, vsg_ioctl(g->dev, VHOST_SET_LOG_BASE, &base));
		MUST(g, vsg_ioctl(g->dev, VHOST_SET_FEATURES, &features));
		set_all_addr(g);
		usleep(chance_below(&g->c, 3000));
	}
}

/* ---- the device --------------------------------------------------------- */

static int set_file(struct guest *g, unsigned long cmd, unsigned int index,
		    int fd)
{
	struct vhost_vring_file file = { .index = index, .fd = fd };

	return vsg_ioctl(g->dev, cmd, &file);
}

/* The same eventfd again and again, while it is signalled. */
static void set_call_again(struct guest *g)
{
	unsigned int i;

	for (i = 0; i < 40; i++) {
		struct vsg_ring *r = vsg_io(g->dev, i % QUEUES);

		MUST(g, set_file(g, VHOST_SET_VRING_CALL, r->index, r->call));
		MUST(g, set_file(g, VHOST_SET_VRING_KICK, r->index, r->kick));
		MUST(g, set_file(g, VHOST_SET_VRING_ERR, r->index, r->err));
	}
}

/* Others, with requests under way; nobody waits for the old ones. */
static void new_eventfds(struct guest *g)
{
	unsigned int i;

	pause_queues(g);
	for (i = 0; i < QUEUES; i++) {
		struct vsg_ring *r = vsg_io(g->dev, i);
		int call = r->call, kick = r->kick;

		r->call = eventfd(0, EFD_CLOEXEC);
		r->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		MUST(g, set_file(g, VHOST_SET_VRING_KICK, r->index, r->kick));
		MUST(g, set_file(g, VHOST_SET_VRING_CALL, r->index, r->call));
		close(call);
		close(kick);
		/* What was signalled in between is not known. */
		eventfd_write(r->call, 1);
		eventfd_write(r->kick, 1);
	}
	resume_queues(g);
}

/* vsg_start() says where all is at home. */
static void start(struct guest *g)
{
	int64_t end = vsg_now_ms() + 2 * WAIT_MS;
	int ret;

	do {
		ret = vsg_start(g->dev, guest_wwn(g->nr));
		if (ret)
			usleep(2000);
		/* Of the last life something may be under way. */
	} while (ret == -EBUSY && vsg_now_ms() < end);
	MUST(g, ret);
	if (g->view != g->dev->mem.region[0].hva)
		munmap(g->view, MEM_SIZE);
	g->view = g->dev->mem.region[0].hva;
}

static void stop_and_start(struct guest *g)
{
	pause_queues(g);
	MUST(g, vsg_stop(g->dev));
	start(g);
	resume_queues(g);
}

/* The device forgets what it has not taken; what it has, it answers. */
static void reset_owner(struct guest *g)
{
	unsigned int n, i;

	pause_queues(g);
	MUST(g, vsg_ioctl(g->dev, VHOST_RESET_OWNER, NULL));
	for (n = 0; n < QUEUES; n++) {
		reap(&g->queue[n]);
		for (i = 0; i < DEPTH; i++)
			g->queue[n].slot[i].busy = false;
	}
	for (i = 0; i < g->dev->nr_rings; i++)
		vsg_ring_reset(&g->dev->ring[i]);
	MUST(g, vsg_ioctl(g->dev, VHOST_SET_OWNER, NULL));
	start(g);
	resume_queues(g);
}

static void other_workers(struct guest *g)
{
	struct vhost_worker_state w, old;
	unsigned int i;

	for (i = 0; i < QUEUES; i++) {
		struct vhost_vring_worker at = { .index = VSG_IO + i };

		MUST(g, vsg_ioctl(g->dev, VHOST_GET_VRING_WORKER, &at));
		old.worker_id = at.worker_id;
		MUST(g, vsg_ioctl(g->dev, VHOST_NEW_WORKER, &w));
		at.worker_id = w.worker_id;
		MUST(g, vsg_ioctl(g->dev, VHOST_ATTACH_VRING_WORKER, &at));
		/* The first one serves the control queue still. */
		if (old.worker_id)
			MUST(g, vsg_ioctl(g->dev, VHOST_FREE_WORKER, &old));
	}
}

static void small_things(struct guest *g)
{
	uint64_t features = 0;
	uint32_t missed = 0;
	unsigned int i;

	MUST(g, vsg_ioctl(g->dev, VHOST_SET_BACKEND_FEATURES, &features));
	MUST(g, vsg_ioctl(g->dev, VHOST_GET_BACKEND_FEATURES, &features));
	MUST(g, vsg_ioctl(g->dev, VHOST_SCSI_SET_EVENTS_MISSED, &missed));
	for (i = 0; i < g->dev->nr_rings; i++) {
		struct vhost_vring_state s = { .index = i, .num = i * 10 };

		MUST(g, vsg_ioctl(g->dev, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, &s));
	}
}

/* ---- task management ---------------------------------------------------- */

/* Is the slot's answer in the ring, though nobody has taken it yet? */
static bool is_answered(const struct queue *q, const struct slot *slot)
{
	const struct vsg_ring *r = q->r;
	uint16_t end = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE), i;

	for (i = r->used_idx; i != end; i++)
		if (r->used->ring[i & (r->num - 1)].id == slot->req->tok.head)
			return true;
	return false;
}

/* The requests that a function is about: all of a LUN, or one of them. */
struct concerned {
	uint64_t serial[QUEUES][DEPTH];
	uint64_t tag;
};

static void note_concerned(struct guest *g, enum lun nr, bool one,
			   uint64_t doomed_since, struct concerned *note)
{
	unsigned int n, i;

	memset(note, 0, sizeof(*note));
	for (n = 0; n < QUEUES; n++) {
		struct queue *q = &g->queue[n];

		pthread_mutex_lock(&q->lock);
		for (i = 0; i < DEPTH; i++) {
			struct slot *slot = &q->slot[i];

			if (!slot->busy || slot->lun != nr ||
			    (one && note->tag))
				continue;
			note->serial[n][i] = slot->serial;
			note->tag = slot->req->hdr->tag;
			if (one)
				slot->aborted = true;
			if (doomed_since && slot->born >= doomed_since)
				slot->doomed = true;
		}
		pthread_mutex_unlock(&q->lock);
	}
}

static void check_concerned(struct guest *g, const struct concerned *note)
{
	unsigned int n, i;

	for (n = 0; n < QUEUES; n++) {
		struct queue *q = &g->queue[n];

		pthread_mutex_lock(&q->lock);
		for (i = 0; i < DEPTH; i++) {
			const struct slot *slot = &q->slot[i];

			if (note->serial[n][i] && slot->busy &&
			    slot->serial == note->serial[n][i] &&
			    !is_answered(q, slot))
				FAIL(g, "the function was answered before queue %u, slot %u",
				     n, i);
		}
		pthread_mutex_unlock(&q->lock);
	}
}

static void tmf_end(struct guest *g, struct vsg_ctl *ctl, enum lun lun,
		    const struct concerned *note)
{
	MUST(g, vsg_token_wait(&ctl->tok, 2 * WAIT_MS));
	if (*ctl->resp == VIRTIO_SCSI_S_FUNCTION_COMPLETE)
		check_concerned(g, note);
	else if (*ctl->resp != VIRTIO_SCSI_S_INCORRECT_LUN || lun != LUN_HOT)
		FAIL(g, "the function is answered %u", *ctl->resp);
}

static struct vsg_ctl *control(struct guest *g)
{
	static struct vsg_ctl *ctl;

	if (!ctl)
		ctl = vsg_ctl_alloc(g->dev);
	if (!ctl)
		FAIL(g, "no memory");
	return ctl;
}

static void reset_lun(struct guest *g)
{
	enum lun lun = chance_below(&g->c, LUNS);
	struct vsg_ctl *ctl = control(g);
	struct concerned note;

	atomic_fetch_add(&g->rec->resets[lun], 1);
	cause_begin(&g->rec->reset[lun]);
	note_concerned(g, lun, false, 0, &note);
	MUST(g, vsg_tmf_submit(ctl, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET,
			       TARGET, lun, 0));
	tmf_end(g, ctl, lun, &note);
	cause_end(&g->rec->reset[lun]);
}

static void abort_tasks(struct guest *g)
{
	struct vsg_ctl *ctl = control(g);
	unsigned int i;

	for (i = 0; i < 8; i++) {
		enum lun lun = chance_below(&g->c, LUNS);
		struct concerned note;

		note_concerned(g, lun, true, 0, &note);
		MUST(g, vsg_tmf_submit(ctl, VIRTIO_SCSI_T_TMF_ABORT_TASK,
				       TARGET, lun, note.tag));
		tmf_end(g, ctl, lun, &note);
	}
}

/* ---- the disk ----------------------------------------------------------- */

static void disk_hangs(struct guest *g)
{
	cause_begin(&g->rec->hung);
	MUST(g, lio("hang disk%u", g->nr));
}

static void disk_goes_on(struct guest *g)
{
	MUST(g, lio("unhang disk%u", g->nr));
	cause_end(&g->rec->hung);
}

static void hang_a_while(struct guest *g)
{
	disk_hangs(g);
	usleep(chance_below(&g->c, 100000));
	disk_goes_on(g);
}

/* What the disk had not answered when the reset came must not be GOOD. */
static void reset_hung_disk(struct guest *g)
{
	struct vsg_ctl *ctl = control(g);
	struct concerned note;
	uint64_t since;

	disk_hangs(g);
	/* LIO may have answers of before to deal with. */
	usleep(50000 * t_factor());
	since = atomic_fetch_add(&chaos->time, 1) + 1;
	usleep(150000 * t_factor());
	atomic_fetch_add(&g->rec->resets[LUN_DISK], 1);
	cause_begin(&g->rec->reset[LUN_DISK]);
	note_concerned(g, LUN_DISK, false, since, &note);
	MUST(g, vsg_tmf_submit(ctl, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET,
			       TARGET, LUN_DISK, 0));
	usleep(300000 * t_factor());
	disk_goes_on(g);
	tmf_end(g, ctl, LUN_DISK, &note);
	cause_end(&g->rec->reset[LUN_DISK]);
}

static void disk_fails(struct guest *g)
{
	cause_begin(&g->rec->broken);
	MUST(g, lio("fail disk%u 16", g->nr));
	usleep(chance_below(&g->c, 20000));
	MUST(g, lio("heal disk%u 16", g->nr));
	cause_end(&g->rec->broken);
}

/* ---- LUNs that come and go ---------------------------------------------- */

static bool is_on(const struct cause *cause)
{
	return atomic_load(&cause->from) > atomic_load(&cause->until);
}

static void hot_unlink(struct guest *g)
{
	char path[256];
	unsigned int i;

	atomic_fetch_add(&g->rec->changes, 1);
	if (!is_on(&g->rec->absent))
		cause_begin(&g->rec->absent);
	snprintf(path, sizeof(path), LIO_ROOT "/vhost/%s/tpgt_%u/lun/lun_%u",
		 guest_wwn(g->nr), TARGET, LUN_HOT);
	if (!access(path, F_OK))
		MUST(g, lio("unlun %s %u %u", guest_wwn(g->nr), TARGET,
			    LUN_HOT));
	for (i = 0; i < 2; i++)
		if (is_on(&g->rec->hot[i]))
			cause_end(&g->rec->hot[i]);
}

static void hot_link(struct guest *g, unsigned int i)
{
	atomic_fetch_add(&g->rec->changes, 1);
	cause_begin(&g->rec->hot[i]);
	MUST(g, lio("lun %s %u %u hot%c%u", guest_wwn(g->nr), TARGET, LUN_HOT,
		    'a' + i, g->nr));
	cause_end(&g->rec->absent);
}

static void *host_thread(void *arg)
{
	struct guest *g = arg;

	while (!ending(g)) {
		hot_link(g, chance_below(&g->host_c, 2));
		usleep(chance_below(&g->host_c, 60000));
		hot_unlink(g);
		usleep(chance_below(&g->host_c, 20000));
	}
	return NULL;
}

/* ---- life --------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*fn)(struct guest *g);
} disturbances[] = {
	{ "moving its memory", move_memory },
	{ "moving its memory", move_memory },
	{ "moving a ring", move_ring },
	{ "switching the dirty log", switch_log },
	{ "setting eventfds again", set_call_again },
	{ "replacing eventfds", new_eventfds },
	{ "stopping and starting", stop_and_start },
	{ "RESET_OWNER", reset_owner },
	{ "other workers", other_workers },
	{ "small things", small_things },
	{ "LOGICAL UNIT RESET", reset_lun },
	{ "LOGICAL UNIT RESET", reset_lun },
	{ "ABORT TASK", abort_tasks },
	{ "a disk that hangs", hang_a_while },
	{ "a reset of a disk that hangs", reset_hung_disk },
	{ "a disk that fails", disk_fails },
};

/* Memory that can be mapped more than once. */
static void shared_memory(struct guest *g)
{
	struct vsg_region *region = &g->dev->mem.region[0];

	g->fd = memfd_create("chaos", MFD_CLOEXEC);
	if (g->fd < 0 || ftruncate(g->fd, MEM_SIZE) ||
	    write(g->fd, region->hva, MEM_SIZE) != MEM_SIZE ||
	    mmap(region->hva, MEM_SIZE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, g->fd, 0) == MAP_FAILED)
		FAIL(g, "no memory");
	g->view = region->hva;
}

static void *room(struct guest *g, size_t size)
{
	void *p = vsg_mem_alloc(&g->dev->mem, size, 16);

	if (!p)
		FAIL(g, "no memory");
	return p;
}

static void queue_init(struct guest *g, unsigned int n, unsigned int life)
{
	struct queue *q = &g->queue[n];
	unsigned int i;

	pthread_mutex_init(&q->lock, NULL);
	q->g = g;
	q->r = vsg_io(g->dev, n);
	chance_init(&q->c, 100 + g->nr, life * 10 + n);
	q->spare.desc = room(g, RING_SIZE * sizeof(*q->spare.desc));
	q->spare.avail = room(g, 6 + 2 * RING_SIZE);
	q->spare.used = room(g, 6 + 8 * RING_SIZE);
	for (i = 0; i < DEPTH; i++) {
		struct slot *slot = &q->slot[i];

		slot->guest = g->nr;
		slot->queue = n;
		slot->index = i;
		slot->req = vsg_req_alloc(g->dev, SPAN * BLOCK, SPAN * BLOCK, 0);
		if (!slot->req)
			FAIL(g, "no memory");
	}
}

static void guest_init(struct guest *g, unsigned int nr, unsigned int life)
{
	struct vsg_opts opts = {
		.nr_io = QUEUES, .ring_size = RING_SIZE, .mem_size = MEM_SIZE,
	};
	unsigned int i;

	memset(g, 0, sizeof(*g));
	g->nr = nr;
	g->rec = &chaos->guest[nr];
	chance_init(&g->c, 200 + nr, life);
	chance_init(&g->host_c, 300 + nr, life);
	pthread_mutex_init(&g->gate, NULL);
	pthread_cond_init(&g->changed, NULL);
	strcpy(g->rec->doing, "the start");
	MUST(g, vsg_open(&g->dev, &opts));
	shared_memory(g);
	if (posix_memalign(&g->log, 4096, LOG_BYTES))
		FAIL(g, "no memory");
	for (i = 0; i < QUEUES; i++)
		queue_init(g, i, life);
	start(g);
}

static void disturb(struct guest *g)
{
	unsigned int i = chance_below(&g->c, ARRAY_SIZE(disturbances));

	strcpy(g->rec->doing, disturbances[i].name);
	disturbances[i].fn(g);
	check_progress(g);
	atomic_fetch_add(&g->rec->disturbed, 1);
}

/* All that this guest ever wrote, once more, in peace. */
static void read_all(struct guest *g)
{
	unsigned int n, i, lun;
	char why[160];

	for (n = 0; n < QUEUES; n++)
		for (i = 0; i < DEPTH; i++)
			for (lun = 0; lun < LUN_HOT; lun++) {
				struct slot *slot = &g->queue[n].slot[i];

				MUST(g, vsg_clear_ua(g->queue[n].r, slot->req,
						     TARGET, lun, WAIT_MS));
				slot_fill(slot, lun, false, SPAN);
				MUST(g, vsg_exec(g->queue[n].r, slot->req,
						 WAIT_MS));
				if (!vsg_good(slot->req) ||
				    !slot_check(slot, why, sizeof(why)))
					FAIL(g, "LUN %u: %s", lun, why);
			}
}

/* The device is this life's: nothing of the last one is under way. */
static void end_last_life(struct guest *g)
{
	unsigned int i;

	for (i = 0; i < LUNS; i++)
		if (is_on(&g->rec->reset[i]))
			cause_end(&g->rec->reset[i]);
	/* It may be linked, or half. */
	hot_unlink(g);
}

void guest_run(unsigned int nr, unsigned int life)
{
	struct guest g;
	unsigned int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	guest_init(&g, nr, life);
	end_last_life(&g);
	for (i = 0; i < QUEUES; i++)
		MUST(&g, pthread_create(&g.queue[i].thread, NULL, queue_thread,
					&g.queue[i]));
	MUST(&g, pthread_create(&g.host, NULL, host_thread, &g));
	while (!atomic_load(&chaos->stop))
		disturb(&g);
	strcpy(g.rec->doing, "the end");
	atomic_store(&g.quit, true);
	pthread_join(g.host, NULL);
	for (i = 0; i < QUEUES; i++)
		pthread_join(g.queue[i].thread, NULL);
	read_all(&g);
	MUST(&g, see_sums(g.dev));
	MUST(&g, vsg_stop(g.dev));
	MUST(&g, vsg_errors(g.dev));
	vsg_close(g.dev);
	_exit(0);
}
