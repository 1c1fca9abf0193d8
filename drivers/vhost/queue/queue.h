/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices, queues, workers. Guest memory is in memory.h, what is made of a chain in
 * request.h.
 *
 * Locks, in the order in which they nest:
 *   dev->mutex		all ioctls; which rings run; workers
 *   vq->mutex		the taking side of a ring: its worker, and whoever
 *			changes or stops it
 *   vq->used_lock	the giving side of a ring: any context
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_QUEUE_H
#define _VHOST_SCSI_QUEUE_H

#include <linux/completion.h>
#include <linux/eventfd.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/vhost.h>
#include <linux/virtio_byteorder.h>
#include <linux/virtio_scsi.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "vhost-scsi.h"
#include "vhost/memory/memory.h"
#include "ring.h"

/* virtio 1.2, 5.6.2 */
enum {
	VHOST_SCSI_VQ_CTL,
	VHOST_SCSI_VQ_EVT,
	VHOST_SCSI_VQ_IO,
};

#define VHOST_SCSI_MAX_IO_VQ	1024
/* Pages that a worker pins at a time: 2 MiB. */
#define VHOST_SCSI_PAGES	512

struct vhost_scsi_vq;
struct vhost_scsi_worker;

/* worker.c */

/**
 * struct vhost_scsi_work - something for a worker to do
 * @node: in the worker's list
 * @flags: bit 0: queued
 * @fn: called by the worker's thread, with the owner's mm; without @w after
 *	the thread was killed: the device is about to be closed
 */
struct vhost_scsi_work {
	struct llist_node node;
	unsigned long flags;
	void (*fn)(struct vhost_scsi_work *work, struct vhost_scsi_worker *w);
};

/**
 * struct vhost_scsi_worker - a thread that serves queues
 * @id: for the worker ioctls
 * @attached: queues that it serves, under dev->mutex
 * @dev: holds a use of it
 * @mm: the owner's, used by a kernel thread
 * @vtsk: NULL: a kernel thread
 * @task: a kernel thread's is referenced; a vhost task's is set by itself
 * @works: what is to be done
 * @stop: end when @works is empty
 * @ended: a vhost task has; by the thread, or by @orphan after it
 * @killed: the vhost task was, and @orphan does what is left
 * @orphan: runs @works without a thread
 * @exited: nothing is done any more; the struct stays
 * @free: frees the struct, see vhost_scsi_worker_free()
 * @chain: the chain being looked at, with its descriptors
 * @iov: its pieces
 * @pages: for pinning, by the thread only
 */
struct vhost_scsi_worker {
	u32 id;
	unsigned int attached;
	struct vhost_scsi_dev *dev;
	struct mm_struct *mm;
	struct vhost_task *vtsk;
	struct task_struct *task;
	struct llist_head works;
	bool stop;
	bool ended;
	bool killed;
	struct work_struct orphan;
	struct completion exited;
	struct rcu_work free;

	struct vhost_scsi_chain chain;
	struct vhost_scsi_iov *iov;
	struct page *pages[VHOST_SCSI_PAGES];
};

struct vhost_scsi_worker *vhost_scsi_worker_new(struct vhost_scsi_dev *dev,
						u32 id);
void vhost_scsi_worker_stop(struct vhost_scsi_worker *w);
void vhost_scsi_worker_free(struct vhost_scsi_worker *w);
void vhost_scsi_work_init(struct vhost_scsi_work *work,
			  void (*fn)(struct vhost_scsi_work *work,
				     struct vhost_scsi_worker *w));
void vhost_scsi_worker_queue(struct vhost_scsi_worker *w,
			     struct vhost_scsi_work *work);

/* notify.c */

/**
 * struct vhost_scsi_call - whom to signal; replaced as a whole
 * @ctx: referenced
 * @rcu: readers may be in interrupts
 */
struct vhost_scsi_call {
	struct eventfd_ctx *ctx;
	struct rcu_head rcu;
};

struct vhost_scsi_kick {
	struct file *file;
	wait_queue_head_t *wqh;
	wait_queue_entry_t wait;
	poll_table table;
};

enum vhost_scsi_signal {
	VHOST_SCSI_SIGNAL_NONE,
	VHOST_SCSI_SIGNAL_NOW,
	/* when the worker's pass ends, or a tick later */
	VHOST_SCSI_SIGNAL_LATER,
	/* after the work items that wait on this processor */
	VHOST_SCSI_SIGNAL_AFTER,
};

int vhost_scsi_notify_setup(void);
void vhost_scsi_notify_cleanup(void);
void vhost_scsi_notify_init(struct vhost_scsi_vq *vq);
void vhost_scsi_notify_quiesce(struct vhost_scsi_vq *vq);
void vhost_scsi_notify_reset(struct vhost_scsi_vq *vq);
void vhost_scsi_kick_start(struct vhost_scsi_vq *vq);
void vhost_scsi_kick_stop(struct vhost_scsi_vq *vq);
void vhost_scsi_kick_set(struct vhost_scsi_vq *vq, struct file *file);
int vhost_scsi_call_set(struct vhost_scsi_call __rcu **slot, int fd);
void vhost_scsi_call_signal(struct vhost_scsi_call __rcu **slot);
enum vhost_scsi_signal vhost_scsi_signal_decide(struct vhost_scsi_vq *vq);
void vhost_scsi_signal(struct vhost_scsi_vq *vq, enum vhost_scsi_signal when);
void vhost_scsi_vq_pass_begin(struct vhost_scsi_vq *vq,
			      struct vhost_scsi_worker *w);
void vhost_scsi_vq_pass_end(struct vhost_scsi_vq *vq);

/* poll.c */

/**
 * struct vhost_scsi_poll - how long a worker looks at an empty queue
 * @window: nanoseconds; 0: it sleeps at once
 * @slept_at: when it last gave up, 0: it did not; as ktime_get_ns()
 */
struct vhost_scsi_poll {
	u32 window;
	u64 slept_at;
};

bool vhost_scsi_vq_poll(struct vhost_scsi_vq *vq, struct vhost_scsi_worker *w);

/* vring.c */

/* The head of a slot, see request.c: in one of the lists of a queue, or busy. */
struct vhost_scsi_free {
	struct vhost_scsi_free *next;
	bool busy;
};

/**
 * struct vhost_scsi_vq - a virtqueue of an open device
 * @mutex: see above
 * @dev: the device
 * @index: 0 to dev->nvqs - 1
 * @num: entries, as set; under @mutex
 * @base: next avail index, as set, while the ring does not run; under @mutex
 * @addr: the ring in the owner's memory, as set; under @mutex
 * @ring_set: @addr was set since the device was bound last; under dev->mutex
 * @big_endian: VHOST_SET_VRING_ENDIAN; under @mutex
 * @busyloop: microseconds, 0: as the target says; under @mutex
 * @poll: under @mutex
 * @running: chains may be taken; written under dev->mutex and @mutex
 * @broken: the guest corrupted the ring; under @mutex
 * @handled: ring.last_avail, when the chain before it was dealt with
 * @maps: descriptor table, driver area, device area; live from start to drain
 * @ring: the ring; taking side under @mutex, giving side under @used_lock
 * @worker: who serves it
 * @work: handles the queue
 * @stop_work: stops it after the device was closed
 * @mem: guest memory, as the queue sees it; under @mutex
 * @handle: takes chains; called by @work under @mutex while @running
 * @kick: what wakes the worker; under @mutex
 * @call: signalled when the driver wants to hear of used chains
 * @err: signalled when the queue broke
 *
 * @used_lock: see above
 * @inflight: chains taken and not given back, and one while @running
 * @drained: @inflight is zero: guest memory is not touched any more
 * @pass: the worker that takes requests now; under @used_lock
 * @unsignalled: chains given meanwhile; under @used_lock
 * @late: signals, should @pass take long
 * @after: signals when what waits on a processor has completed
 * @slots: one for each request that can be under way; request.c
 * @nr_slots: of them
 * @free: slots given back; under @used_lock
 * @ready: slots to take; under @mutex
 * @reply_pins: pages of responses; under @mutex
 * @data_pins: pages of data; likewise
 * @log: dirty log, while VHOST_F_LOG_ALL is set; RCU
 * @log_used_addr: guest address of the device area, if it is logged
 */
struct vhost_scsi_vq {
	struct mutex mutex;	/* the taking side */
	struct vhost_scsi_dev *dev;
	u32 index;
	u32 num;
	u16 base;
	struct vhost_vring_addr addr;
	bool ring_set;
	bool big_endian;
	u32 busyloop;
	struct vhost_scsi_poll poll;
	bool running;
	bool broken;
	u16 handled;
	struct vhost_scsi_map maps[3];
	struct vhost_scsi_ring ring;
	struct vhost_scsi_worker __rcu *worker;
	struct vhost_scsi_work work;
	struct vhost_scsi_work stop_work;
	struct vhost_scsi_mem *mem;
	void (*handle)(struct vhost_scsi_vq *vq, struct vhost_scsi_worker *w);
	struct vhost_scsi_kick kick;
	struct vhost_scsi_call __rcu *call;
	struct vhost_scsi_call __rcu *err;

	/* the giving side */
	spinlock_t used_lock ____cacheline_aligned_in_smp;
	struct vhost_scsi_free *free;
	struct vhost_scsi_log __rcu *log;
	u64 log_used_addr;
	bool log_used;
	struct vhost_scsi_worker *pass;
	unsigned int unsignalled;
	struct delayed_work late;
	struct work_struct after;
	atomic_t inflight;
	struct completion drained;

	struct vhost_scsi_free *ready;
	void *slots;
	unsigned int nr_slots;
	struct vhost_scsi_pins reply_pins;
	struct vhost_scsi_pins data_pins;
};

static inline u16 vhost_scsi_vq16(const struct vhost_scsi_vq *vq, __virtio16 v)
{
	return __virtio16_to_cpu(vq->ring.le, v);
}

static inline u32 vhost_scsi_vq32(const struct vhost_scsi_vq *vq, __virtio32 v)
{
	return __virtio32_to_cpu(vq->ring.le, v);
}

static inline u64 vhost_scsi_vq64(const struct vhost_scsi_vq *vq, __virtio64 v)
{
	return __virtio64_to_cpu(vq->ring.le, v);
}

static inline __virtio16 vhost_scsi_to16(const struct vhost_scsi_vq *vq, u16 v)
{
	return __cpu_to_virtio16(vq->ring.le, v);
}

static inline __virtio32 vhost_scsi_to32(const struct vhost_scsi_vq *vq, u32 v)
{
	return __cpu_to_virtio32(vq->ring.le, v);
}

/**
 * vhost_scsi_log_used - the device area of a ring was written
 * @vq: whose
 * @off: from its start
 * @len: bytes
 *
 * Context: any.
 */
static inline void vhost_scsi_log_used(struct vhost_scsi_vq *vq, size_t off,
				       size_t len)
{
	if (unlikely(rcu_access_pointer(vq->log)) && READ_ONCE(vq->log_used))
		vhost_scsi_log_mark(&vq->log,
				    READ_ONCE(vq->log_used_addr) + off, len);
}

void vhost_scsi_vq_init(struct vhost_scsi_vq *vq, struct vhost_scsi_dev *dev,
			u32 index);
void vhost_scsi_vq_reset(struct vhost_scsi_vq *vq);

bool vhost_scsi_vq_is_setup(const struct vhost_scsi_vq *vq);
int vhost_scsi_vq_start(struct vhost_scsi_vq *vq);
void vhost_scsi_vq_stop(struct vhost_scsi_vq *vq);
int vhost_scsi_vq_halt(struct vhost_scsi_vq *vq);
int vhost_scsi_vq_drain(struct vhost_scsi_vq *vq);
void vhost_scsi_vq_teardown(struct vhost_scsi_vq *vq);
int vhost_scsi_vq_move(struct vhost_scsi_vq *vq,
		       const struct vhost_vring_addr *addr);
void vhost_scsi_vq_queue(struct vhost_scsi_vq *vq);

u16 vhost_scsi_vq_avail(struct vhost_scsi_vq *vq);
bool vhost_scsi_vq_handled(struct vhost_scsi_vq *vq, u16 idx);
void vhost_scsi_vq_quiet(struct vhost_scsi_vq *vq);
int vhost_scsi_vq_pull(struct vhost_scsi_vq *vq, struct vhost_scsi_worker *w);
bool vhost_scsi_vq_ask(struct vhost_scsi_vq *vq);
int vhost_scsi_vq_take(struct vhost_scsi_vq *vq, struct vhost_scsi_worker *w);
void vhost_scsi_vq_give(struct vhost_scsi_vq *vq, struct vhost_scsi_free *slot,
			u16 head, u32 len);
void vhost_scsi_vq_break(struct vhost_scsi_vq *vq);

static inline void vhost_scsi_vq_get(struct vhost_scsi_vq *vq)
{
	atomic_inc(&vq->inflight);
}

/* For a look from outside: maps and slots stay until the put. */
static inline bool vhost_scsi_vq_tryget(struct vhost_scsi_vq *vq)
{
	return atomic_inc_not_zero(&vq->inflight);
}

void vhost_scsi_vq_put(struct vhost_scsi_vq *vq);

/* Running, or stopped with chains still under way. */
static inline bool vhost_scsi_vq_is_live(struct vhost_scsi_vq *vq)
{
	return !completion_done(&vq->drained);
}

/* vring_ioctl.c */

long vhost_scsi_vq_ioctl(struct vhost_scsi_dev *dev, unsigned int cmd,
			 void __user *argp);

/* request.c */

void vhost_scsi_request_handle(struct vhost_scsi_vq *vq,
			       struct vhost_scsi_worker *w);
int vhost_scsi_slots_alloc(struct vhost_scsi_vq *vq);
void vhost_scsi_slots_free(struct vhost_scsi_vq *vq);
bool vhost_scsi_slots_busy(struct vhost_scsi_vq *vq,
			   bool (*match)(const struct vhost_scsi_cmd *cmd,
					 void *priv),
			   void *priv, u64 epoch);

/* control.c */

void vhost_scsi_control_handle(struct vhost_scsi_vq *vq,
			       struct vhost_scsi_worker *w);

/* event.c */

struct vhost_scsi_events {
	spinlock_t lock;	/* guards what follows */
	struct list_head list;
	unsigned int nr;
	bool missed;
};

void vhost_scsi_events_init(struct vhost_scsi_events *ev);
void vhost_scsi_events_clear(struct vhost_scsi_events *ev);
void vhost_scsi_event_handle(struct vhost_scsi_vq *vq,
			     struct vhost_scsi_worker *w);
void vhost_scsi_events_set_missed(struct vhost_scsi_dev *dev, bool missed);
bool vhost_scsi_events_get_missed(struct vhost_scsi_dev *dev);

/* dev.c */

/**
 * struct vhost_scsi_dev - an open /dev/vhost-scsi
 *
 * @users keeps it working: the file, each worker, each queue that has chains
 * under way. When the last is gone dev.c takes it apart, in a work item, for
 * the last may go in an interrupt. @memory keeps only the struct.
 *
 * @mutex: see above
 * @mm: the owner's, for identity only; NULL: no owner
 * @watch: of the owner's memory
 * @fork_owner: what workers are, VHOST_FORK_OWNER_...; under @mutex
 * @features: as negotiated; written under @mutex
 * @mem: guest memory; under @mutex, the queues have their own pointers
 * @log_base: as set, 0: none; under @mutex
 * @log: what the queues use; under @mutex
 * @log_ctx: signalled when the log was written; under @mutex
 * @ep: what the device is bound to; under @mutex
 * @poll_us: of @ep
 * @rings_set: some queue's ring_set; under @mutex
 * @closed: the file was closed: workers stop what they do
 * @workers: by id; under @mutex
 * @tmf_epoch: counts task management functions, see control.c
 * @tmfs: of them under way
 * @sg_entries: of scatterlists that were allocated for requests under way
 * @events: for the guest
 * @nvqs: of @vqs
 */
struct vhost_scsi_dev {
	struct mutex mutex;	/* all ioctls */
	refcount_t users;
	refcount_t memory;
	bool gone;
	struct work_struct gone_work;

	struct mm_struct *mm;
	struct vhost_scsi_watch watch;
	u8 fork_owner;
	u64 features;
	struct vhost_scsi_mem *mem;
	u64 log_base;
	struct vhost_scsi_log *log;
	struct eventfd_ctx *log_ctx;
	struct vhost_scsi_endpoint *ep;
	u32 poll_us;
	bool rings_set;
	bool closed;
	struct xarray workers;
	atomic64_t tmf_epoch;
	atomic_t tmfs;
	atomic_long_t sg_entries;
	struct vhost_scsi_events events;

	unsigned int nvqs;
	struct vhost_scsi_vq vqs[];
};

static inline bool vhost_scsi_has(const struct vhost_scsi_dev *dev, int bit)
{
	return READ_ONCE(dev->features) & BIT_ULL(bit);
}

/* One unbound workqueue for what must not keep a worker waiting. */
extern struct workqueue_struct *vhost_scsi_dev_wq;

struct vhost_scsi_dev *vhost_scsi_dev_new(unsigned int nvqs);
void vhost_scsi_dev_close(struct vhost_scsi_dev *dev);
void vhost_scsi_dev_put(struct vhost_scsi_dev *dev);
long vhost_scsi_dev_ioctl(struct vhost_scsi_dev *dev, unsigned int cmd,
			  void __user *argp);
int vhost_scsi_dev_check_owner(const struct vhost_scsi_dev *dev);
int vhost_scsi_dev_init(void);
void vhost_scsi_dev_exit(void);

/* scsi.c */

int vhost_scsi_unbind(struct vhost_scsi_dev *dev);

#endif /* _VHOST_SCSI_QUEUE_H */
