/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The middle wing of the guest's side: a device that belongs to a process, its
 * virtqueues, and the threads that serve them. This header has everything that the
 * wing above may call.
 *
 *   dev.c		owner, features, memory, dirty log; binding
 *   vring.c		a queue: start, move, stop, drain; get chains, add used ones
 *   vring_ioctl.c	the ioctls that name a queue
 *   worker_ioctl.c	the ioctls that name a worker
 *   worker.c		a thread that serves queues
 *   standin.c		serves them while the thread is held in a submission
 *   notify.c		the eventfds of a queue, and when the guest is signalled
 *   poll.c		polls an empty queue before the worker sleeps
 *   ring.c		the split virtqueue itself
 *   copy.c		a ring that cannot be pinned
 *   life.c		how long a device lives
 *   stat.c		what others may see of a queue
 *
 * This wing does not know what a chain is for. The wing above gives it two tables of
 * operations, one for the device and one for each queue.
 *
 * Locks, in the order in which they nest:
 *   dev->mutex		all ioctls; which rings run; workers
 *   vq->mutex		the avail side of a ring: its worker, and whoever
 *			changes or stops the queue
 *   vq->used_lock	the used side of a ring; taken in any context
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_QUEUE_H
#define _VHOST_SCSI_QUEUE_H

#include <linux/completion.h>
#include <linux/eventfd.h>
#include <linux/jump_label.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/vhost.h>
#include <linux/virtio_byteorder.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "vhost/memory/memory.h"
#include "ring.h"
#include "stat.h"

/* Pages that a worker pins at a time: 2 MiB. */
#define VHOST_SCSI_PAGES	512
/* Chains that a worker submits together. */
#define VHOST_SCSI_BATCH	16
/* A longer poll only takes the processor from others. */
#define VHOST_SCSI_POLL_MAX_US	10000

struct vhost_scsi_dev;
struct vhost_scsi_vq;
struct vhost_scsi_worker;

/* life.c */

/**
 * struct vhost_scsi_wq - runs what may wait for one owner: for its memory, for its
 *	threads, which it can stop, or for a backend that blocks its queues
 * @wq: runs one item at a time
 * @users: the device, as long as it has this owner, and the workers; when the last is
 *	   gone, @gone destroys it
 * @gone: must not be one of its own items
 */
struct vhost_scsi_wq {
	struct workqueue_struct *wq;
	refcount_t users;
	struct work_struct gone;
};

/**
 * struct vhost_scsi_life - how long a device lives
 * @users: the file, each worker, and each queue that has chains under way. When the
 *	   last is gone, @end takes the device apart
 * @memory: all @users together, and the file. When both are gone, @free is called
 * @ended: @end has returned
 * @wq: runs @work, and what else may wait for the owner
 * @work: calls @end, because the last user may go in an interrupt
 * @end: takes the device apart, once; may sleep
 * @free: frees the struct
 */
struct vhost_scsi_life {
	refcount_t users;
	refcount_t memory;
	bool ended;
	struct vhost_scsi_wq *wq;
	struct work_struct work;
	void (*end)(struct vhost_scsi_life *life);
	void (*free)(struct vhost_scsi_life *life);
};

/*
 * An unbound workqueue, for work that a worker must not wait for, of all devices. So
 * none of its items waits for an owner: that is for struct vhost_scsi_wq.
 */
extern struct workqueue_struct *vhost_scsi_dev_wq;

/* worker.c */

/**
 * struct vhost_scsi_work - something for a worker to do
 * @node: in the worker's list
 * @flags: bit 0: queued
 * @fn: called by the worker's thread, with the owner's mm; or, if @w->killed, in
 *	its place, without it
 */
struct vhost_scsi_work {
	struct llist_node node;
	unsigned long flags;
	void (*fn)(struct vhost_scsi_work *work, struct vhost_scsi_worker *w);
};

/**
 * struct vhost_scsi_batch - chains that the thread of a worker submits, one by one
 * @nr: how many
 * @at: how many of them the thread has begun with
 * @vq: their queue
 * @slots: their slots
 * @held: to what the thread submitted when the others were taken from it; belongs to the
 *	  queue's ops
 */
struct vhost_scsi_batch {
	unsigned int nr;
	unsigned int at;
	struct vhost_scsi_vq *vq;
	struct vhost_scsi_slot *slots[VHOST_SCSI_BATCH];
	void *held;
};

/**
 * struct vhost_scsi_worker - a thread that serves queues
 * @id: for the worker ioctls
 * @attached: number of queues that it serves; under dev->mutex
 * @dev: the device; the worker is one of its users
 * @mm: the owner's, if the worker is a kernel thread
 * @cred: of the user whose process a kernel thread counts as; with a reference
 * @vtsk: the vhost task; NULL: the worker is a kernel thread
 * @task: of a kernel thread, with a reference; of a vhost task, set by itself
 * @works: what the worker has to do
 * @todo: of these, what was taken and not begun
 * @stop: the worker ends when @works is empty
 * @ended: a vhost task has ended; set by the thread, or by @orphan after it
 * @killed: the vhost task was killed, and @orphan runs @works
 * @orphan: runs @works without a thread
 * @wq: runs @orphan and @free; with a reference
 * @exited: completed when the worker has ended; the struct stays
 * @free: frees the struct, see vhost_scsi_worker_free()
 * @batch: what the thread submits
 * @submitting: the thread submits @batch
 * @batches: grows with each batch by more than the chains that a batch may have
 * @watch: looks whether it comes on
 * @watched: @batches and @batch.at at the last look
 * @held_lock: guards that @relief and @standin are queued only while @held
 * @held: they take the thread's place: the thread stops before its next submission, and
 *	  who has work wakes @standin
 * @relief: takes over what of @batch the thread has not begun; waits for no owner
 * @relieved: it has
 * @standin: runs @works then
 * @acting: it runs
 * @chain: the chain that is looked at, with its descriptors
 * @iov: the pieces of @chain
 * @pages: room for pinning; this, @chain, @iov and @todo are used by the thread, or by
 *	   @standin in its place
 */
struct vhost_scsi_worker {
	u32 id;
	unsigned int attached;
	struct vhost_scsi_dev *dev;
	struct mm_struct *mm;
	const struct cred *cred;
	struct vhost_task *vtsk;
	struct task_struct *task;
	struct llist_head works;
	struct llist_node *todo;
	bool stop;
	bool ended;
	bool killed;
	struct work_struct orphan;
	struct vhost_scsi_wq *wq;
	struct completion exited;
	struct rcu_work free;

	struct vhost_scsi_batch batch;
	bool submitting;
	unsigned long batches;
	struct timer_list watch;
	unsigned long watched;
	spinlock_t held_lock;	/* protects @held */
	bool held;
	struct work_struct relief;
	bool relieved;
	struct work_struct standin;
	bool acting;

	struct vhost_scsi_chain chain;
	struct vhost_scsi_iov *iov;
	struct page *pages[VHOST_SCSI_PAGES];
};

/* standin.c */

void vhost_scsi_submit_begin(struct vhost_scsi_worker *w,
			     struct vhost_scsi_vq *vq);
void vhost_scsi_submit_wait(struct vhost_scsi_worker *w);
void vhost_scsi_submit_end(struct vhost_scsi_worker *w);

/**
 * vhost_scsi_submit_next - the thread goes on with w->batch
 * @w: the worker that calls
 *
 * Return: the number of the entry that the caller submits next; or negative: there is none
 * left. Further ones may have been taken over.
 */
static __always_inline int vhost_scsi_submit_next(struct vhost_scsi_worker *w)
{
	struct vhost_scsi_batch *batch = &w->batch;
	int next = -1;

	rcu_read_lock_sched();
	if (unlikely(READ_ONCE(w->held)))
		vhost_scsi_submit_wait(w);
	if (batch->at < batch->nr) {
		next = batch->at;
		WRITE_ONCE(batch->at, next + 1);
	}
	rcu_read_unlock_sched();
	return next;
}

/* notify.c */

/**
 * struct vhost_scsi_call - an eventfd to signal; replaced as a whole
 * @ctx: the eventfd, with a reference
 * @rcu: frees the struct; readers may be in interrupts
 */
struct vhost_scsi_call {
	struct eventfd_ctx *ctx;
	struct rcu_head rcu;
};

/**
 * struct vhost_scsi_kick - an eventfd to listen to
 * @file: the eventfd, with a reference; or NULL
 * @wqh: the list that @wait is in, or NULL
 * @wait: has the worker look at the queue
 * @table: for vfs_poll(), which finds @wqh
 * @nr: kicks; under the lock of @wqh
 */
struct vhost_scsi_kick {
	struct file *file;
	wait_queue_head_t *wqh;
	wait_queue_entry_t wait;
	poll_table table;
	u64 nr;
};

void vhost_scsi_vq_queue(struct vhost_scsi_vq *vq);
void vhost_scsi_vq_pass_begin(struct vhost_scsi_vq *vq,
			      struct vhost_scsi_worker *w);
void vhost_scsi_vq_pass_end(struct vhost_scsi_vq *vq);

/* poll.c */

/**
 * struct vhost_scsi_poll - how long a worker polls an empty queue
 * @window: nanoseconds; 0: it sleeps at once
 * @slept_at: time of ktime_get_ns() when it last gave up; 0: it did not
 */
struct vhost_scsi_poll {
	u32 window;
	u64 slept_at;
};

bool vhost_scsi_vq_poll(struct vhost_scsi_vq *vq, struct vhost_scsi_worker *w);

/* vring.c */

/**
 * struct vhost_scsi_slot - the memory of a chain until it is used
 * @next: in a list of free slots
 * @tally: what the chain is counted in when it is used
 * @moved: bytes that it has moved then
 * @busy: a chain occupies the slot
 *
 * A queue with slots embeds this in a struct of its own. vhost_scsi_vq_add_used()
 * frees the slot in the same critical section in which it adds the chain to the used
 * ring. If it freed the slot earlier, a chain under way would not be found among the
 * busy slots; if later, the guest could send the next chain before there is a slot.
 */
struct vhost_scsi_slot {
	struct vhost_scsi_slot *next;
	struct vhost_scsi_tally *tally;
	u32 moved;
	bool busy;
};

/**
 * struct vhost_scsi_vq_ops - the operations of a queue
 * @handle: looks at the ring and gets chains. The worker @w calls it under vq->mutex
 *	    while the queue runs. It gives up the mutex while it submits, see
 *	    vhost_scsi_submit_begin(). If w->acting, it submits nothing that may sleep
 * @take_over: submits what the thread of @w has not begun of w->batch, without sleeping.
 *	       vq->mutex is not held. May be NULL if @handle submits nothing
 * @come_back: the thread of @w is back from the submission in which it was at @take_over.
 *	       May be NULL, too
 * @answer: ends a chain that was given to vhost_scsi_vq_defer(), and calls
 *	    vhost_scsi_vq_put(). With @alive, the worker calls it under vq->mutex, and it
 *	    answers the chain. It returns false if the worker is being killed, and another one
 *	    has to answer. Without @alive the chain is dropped: the queue stops, and guest
 *	    memory must not be touched
 * @start: called before the queue runs; returns 0 or a negative errno. May be NULL
 * @stop: undoes @start, and must do nothing if @start was not called. The queue is
 *	  drained. May be NULL
 * @used: while vhost_scsi_used_watched is enabled: a chain that has a slot is about to be
 *	  used. Called under used_lock
 *
 * @start and @stop may sleep.
 */
struct vhost_scsi_vq_ops {
	void (*handle)(struct vhost_scsi_vq *vq, struct vhost_scsi_worker *w);
	void (*take_over)(struct vhost_scsi_worker *w);
	void (*come_back)(struct vhost_scsi_worker *w);
	bool (*answer)(struct llist_node *node, bool alive);
	int (*start)(struct vhost_scsi_vq *vq);
	void (*stop)(struct vhost_scsi_vq *vq);
	void (*used)(struct vhost_scsi_vq *vq, struct vhost_scsi_slot *slot);
};

DECLARE_STATIC_KEY_FALSE(vhost_scsi_used_watched);

/**
 * struct vhost_scsi_vq - a virtqueue of an open device
 * @mutex: see above
 * @dev: the device
 * @ops: its operations
 * @private_data: belongs to @ops, from ops->start() to ops->stop()
 * @counts: belongs to @ops, too, which set it when they like; dev->ops->reset() frees it
 * @index: 0 to dev->nvqs - 1
 * @num: number of entries, as set; under @mutex
 * @base: next avail index, as set, while the ring does not run; under @mutex
 * @addr: the ring in the owner's memory, as set; under @mutex
 * @ring_set: @addr was set since the device was last bound; under dev->mutex
 * @stopped: by VHOST_GET_VRING_BASE: only VHOST_SET_VRING_KICK starts it again; under
 *	     dev->mutex
 * @big_endian: VHOST_SET_VRING_ENDIAN, for guests without VERSION_1; under @mutex
 * @busyloop: VHOST_SET_VRING_BUSYLOOP_TIMEOUT in microseconds; 0: dev->poll_us;
 *	      under @mutex
 * @poll: state of polling; under @mutex
 * @running: the worker gets chains; written under dev->mutex and @mutex
 * @submitter: the worker whose thread has chains in its batch that nobody else has; no
 *	       other gets chains until then, or it could submit them before these; under
 *	       @mutex
 * @broken: the guest corrupted the ring; under @mutex
 * @handled: counts chains that were submitted or answered; its low 16 bits are an index
 *	     of the avail ring. A start moves it past all that was waited for before
 * @maps: mappings or copies of the descriptor table, the driver area and the device
 *	  area, from start to drain
 * @ring: the ring; avail side under @mutex, used side under @used_lock
 * @worker: the worker that serves the queue; RCU
 * @work: calls ops->handle()
 * @stop_work: stops the queue after the device was closed
 * @mem: guest memory, as the queue sees it; under @mutex
 * @kick: what wakes the worker; under @mutex
 * @call: signalled for used chains, if the driver wants it; RCU
 * @err: signalled when @broken is set; RCU
 * @avail_stat: counters; under @mutex
 *
 * @used_lock: see above
 * @free: slots of chains that were used, for vhost_scsi_vq_free_slots()
 * @log: dirty log, while VHOST_F_LOG_ALL is set; RCU
 * @log_used_addr: guest address of the device area
 * @log_used: the device area is logged
 * @pass: the worker that gets chains now; under @used_lock
 * @unsignalled: used chains of which the guest was not told; under @used_lock
 * @signal_delayed: tells the guest of them if @pass sleeps in a submission
 * @signal_work: tells the guest of them after the work items before it
 * @by_worker: only the worker can answer chains: the ring is a copy, see copy.c, or the
 *	       dirty log is not pinned; written under dev->mutex, and read under RCU
 * @copied: of a ring that is a copy, the used index that the owner has; under @mutex
 * @untold: slots of used chains that the owner may not have yet; under @mutex
 * @deferred: chains that the worker has to answer
 * @let_go: ends the chains of @deferred after the file was closed
 * @inflight: number of chains that are not used yet, plus one while @running, plus one
 *	      for each worker that gets chains
 * @drained: completed when @inflight is 0; the queue then does not touch guest memory
 * @used_stat: counters; under @used_lock
 */
struct vhost_scsi_vq {
	struct mutex mutex;	/* the avail side */
	struct vhost_scsi_dev *dev;
	const struct vhost_scsi_vq_ops *ops;
	void *private_data;
	void *counts;
	u32 index;
	u32 num;
	u16 base;
	struct vhost_vring_addr addr;
	bool ring_set;
	bool stopped;
	bool big_endian;
	u32 busyloop;
	struct vhost_scsi_poll poll;
	bool running;
	bool broken;
	struct vhost_scsi_worker *submitter;
	unsigned long handled;
	struct vhost_scsi_map maps[3];
	struct vhost_scsi_ring ring;
	struct vhost_scsi_worker __rcu *worker;
	struct vhost_scsi_work work;
	struct vhost_scsi_work stop_work;
	struct vhost_scsi_mem *mem;
	struct vhost_scsi_kick kick;
	struct vhost_scsi_call __rcu *call;
	struct vhost_scsi_call __rcu *err;
	struct vhost_scsi_avail_stat avail_stat;

	/* the used side */
	spinlock_t used_lock ____cacheline_aligned_in_smp;
	struct vhost_scsi_slot *free;
	struct vhost_scsi_log __rcu *log;
	u64 log_used_addr;
	bool log_used;
	struct vhost_scsi_worker *pass;
	unsigned int unsignalled;
	struct delayed_work signal_delayed;
	struct work_struct signal_work;
	bool by_worker;
	u16 copied;
	struct vhost_scsi_slot *untold;
	struct llist_head deferred;
	struct work_struct let_go;
	atomic_t inflight;
	struct completion drained;
	struct vhost_scsi_used_stat used_stat;
};

static inline u16 vhost_scsi_vq16(const struct vhost_scsi_vq *vq, __virtio16 v)
{
	return __virtio16_to_cpu(vq->ring.le, v);
}

static inline u64 vhost_scsi_vq64(const struct vhost_scsi_vq *vq, __virtio64 v)
{
	return __virtio64_to_cpu(vq->ring.le, v);
}

static inline __virtio32 vhost_scsi_to32(const struct vhost_scsi_vq *vq, u32 v)
{
	return __cpu_to_virtio32(vq->ring.le, v);
}

unsigned long vhost_scsi_vq_avail(struct vhost_scsi_vq *vq);
void vhost_scsi_vq_handled(struct vhost_scsi_vq *vq);
bool vhost_scsi_vq_is_handled(struct vhost_scsi_vq *vq,
			      unsigned long count);
int vhost_scsi_vq_pending_slow(struct vhost_scsi_vq *vq);
void vhost_scsi_vq_disable_notify(struct vhost_scsi_vq *vq);
bool vhost_scsi_vq_enable_notify(struct vhost_scsi_vq *vq);
int vhost_scsi_vq_get_desc(struct vhost_scsi_vq *vq,
			   struct vhost_scsi_worker *w);
int vhost_scsi_vq_next_desc(struct vhost_scsi_vq *vq,
			    struct vhost_scsi_worker *w);
bool vhost_scsi_vq_give_back(struct vhost_scsi_vq *vq);
void vhost_scsi_vq_add_used(struct vhost_scsi_vq *vq,
			    struct vhost_scsi_slot *slot, u16 head, u32 len);
void vhost_scsi_vq_complete(struct vhost_scsi_vq *vq,
			    struct vhost_scsi_slot *slot, u16 head, u32 len);
void vhost_scsi_vq_defer(struct vhost_scsi_vq *vq, struct llist_node *node);
struct vhost_scsi_slot *vhost_scsi_vq_free_slots(struct vhost_scsi_vq *vq);

/**
 * vhost_scsi_vq_pending - how many chains wait in the ring
 * @vq: running
 *
 * Context: the worker, with @vq->mutex held.
 * Return: the number, and the next chain can be read; or an error of
 * vhost_scsi_vq_get_desc().
 */
static inline int vhost_scsi_vq_pending(struct vhost_scsi_vq *vq)
{
	return unlikely(vq->by_worker) ? vhost_scsi_vq_pending_slow(vq) :
					 vhost_scsi_ring_pending(&vq->ring);
}

static inline void vhost_scsi_vq_get(struct vhost_scsi_vq *vq)
{
	atomic_inc(&vq->inflight);
}

/* For callers that hold no lock: maps and private_data stay until the put. */
static inline bool vhost_scsi_vq_tryget(struct vhost_scsi_vq *vq)
{
	return atomic_inc_not_zero(&vq->inflight);
}

void vhost_scsi_vq_put(struct vhost_scsi_vq *vq);

/* stat.c */

bool vhost_scsi_vq_worker_stat(struct vhost_scsi_vq *vq,
			       struct vhost_scsi_worker_stat *stat);

/* dev.c */

/**
 * struct vhost_scsi_dev_ops - the operations of a device
 * @features: features that are offered besides those of the rings
 * @bound_features: of these, those that do not change while the device is bound
 * @unbind: called when the owner resets the device: stops it, see
 *	    vhost_scsi_dev_stop(). Returns 0 or a negative errno
 * @reset: called when there is no owner any more: releases what the device is bound
 *	   to, and forgets all settings. No queue runs and no chain is under way
 * @free: frees the struct that the device is part of
 *
 * All of them may sleep. @unbind is called with dev->mutex held. @reset is called with
 * it held, or when nobody else uses the device.
 */
struct vhost_scsi_dev_ops {
	u64 features;
	u64 bound_features;
	int (*unbind)(struct vhost_scsi_dev *dev);
	void (*reset)(struct vhost_scsi_dev *dev);
	void (*free)(struct vhost_scsi_dev *dev);
};

/**
 * struct vhost_scsi_dev - an open file
 * @mutex: see above
 * @ops: its operations
 * @nr: for those who look at it; no other device had it
 * @life: its users
 * @mm: the owner's, only to be compared; NULL: there is no owner
 * @pid: the owner's, in the initial namespace, for those who look at it
 * @watch: of the owner's address space
 * @fork_owner: VHOST_FORK_OWNER_TASK or _KTHREAD; under @mutex
 * @features: as negotiated; written under @mutex
 * @mem: the memory table; under @mutex. Each queue has a pointer of its own
 * @mem_size: of @mem; written under @mutex
 * @log_base: address of the dirty log, as set; 0: none; under @mutex
 * @log: the dirty log that the queues use; under @mutex
 * @log_ctx: signalled when the log was written; under @mutex
 * @bound: the rings that are set up run; under @mutex
 * @pin_memory: all guest memory is pinned while @bound
 * @poll_us: how long a queue may be polled, unless the owner has set vq->busyloop
 * @rings_set: ring_set of at least one queue is set; under @mutex
 * @resetting: VHOST_RESET_OWNER began and has not succeeded; under @mutex
 * @closed: the file was closed, and the workers stop
 * @workers: by id; under @mutex
 * @nvqs: number of @vqs
 * @vqs: the queues
 */
struct vhost_scsi_dev {
	struct mutex mutex;	/* all ioctls */
	const struct vhost_scsi_dev_ops *ops;
	u64 nr;
	struct vhost_scsi_life life;

	struct mm_struct *mm;
	pid_t pid;
	struct vhost_scsi_watch watch;
	u8 fork_owner;
	u64 features;
	struct vhost_scsi_mem *mem;
	struct vhost_scsi_mem_size mem_size;
	u64 log_base;
	struct vhost_scsi_log *log;
	struct eventfd_ctx *log_ctx;
	bool bound;
	bool pin_memory;
	u32 poll_us;
	bool rings_set;
	bool resetting;
	bool closed;
	struct xarray workers;

	unsigned int nvqs;
	struct vhost_scsi_vq vqs[];
};

static inline bool vhost_scsi_has(const struct vhost_scsi_dev *dev, int bit)
{
	return READ_ONCE(dev->features) & BIT_ULL(bit);
}

/**
 * vhost_scsi_vq_gets - does the queue get chains
 * @vq: the queue
 *
 * Context: @vq->mutex is held.
 */
static inline bool vhost_scsi_vq_gets(const struct vhost_scsi_vq *vq)
{
	return vq->running && !vq->broken && !vq->submitter &&
	       !READ_ONCE(vq->dev->closed);
}

int vhost_scsi_dev_init(struct vhost_scsi_dev *dev, unsigned int nvqs,
			const struct vhost_scsi_dev_ops *ops);
void vhost_scsi_dev_close(struct vhost_scsi_dev *dev);
long vhost_scsi_dev_ioctl(struct vhost_scsi_dev *dev, unsigned int cmd,
			  void __user *argp);
int vhost_scsi_dev_check_owner(struct vhost_scsi_dev *dev);
bool vhost_scsi_vq_is_setup(const struct vhost_scsi_vq *vq);
int vhost_scsi_dev_start(struct vhost_scsi_dev *dev, bool pin_memory,
			 u32 poll_us);
int vhost_scsi_dev_stop(struct vhost_scsi_dev *dev);
int vhost_scsi_queue_setup(void);
void vhost_scsi_queue_cleanup(void);

#endif /* _VHOST_SCSI_QUEUE_H */
