// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters, latencies and the slowest commands: what is not done for each command, and
 * the sums.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/timex.h>
#include <scsi/scsi_proto.h>

#include "scsi.h"
#include "trace.h"

DEFINE_STATIC_KEY_FALSE(vhost_scsi_timing);

/* Whether stamps are of the TSC. */
bool vhost_scsi_by_tsc;
/* Nanoseconds of a unit of a stamp, times 2^16. */
static u32 unit_ns;
/* What took longer, in jiffies, is known by these. */
#define LONG_TIME	(30 * HZ)
/* Commands that were taken after this, in jiffies, are measured. */
static u32 armed_at;
static bool armed;

/* The first bucket is of less than so many nanoseconds, as a power of two. */
#define FIRST_BUCKET	10

/* Of the struct vhost_scsi_errors: first those of virtio, then those of SCSI. */
#define ERROR_STATUS	9

static const u8 statuses[] = {
	SAM_STAT_CHECK_CONDITION,
	SAM_STAT_BUSY,
	SAM_STAT_RESERVATION_CONFLICT,
	SAM_STAT_TASK_SET_FULL,
	SAM_STAT_ACA_ACTIVE,
	SAM_STAT_TASK_ABORTED,
};

struct vhost_scsi_stat *vhost_scsi_stat(struct vhost_scsi_dev *dev)
{
	return &vhost_scsi_host(dev)->stat;
}

void vhost_scsi_stat_init(struct vhost_scsi_stat *stat)
{
	spin_lock_init(&stat->slow_lock);
	stat->slow_floor = 1;
}

/**
 * vhost_scsi_stat_reset - begin anew
 * @stat: of a device that has no owner any more
 */
void vhost_scsi_stat_reset(struct vhost_scsi_stat *stat)
{
	kfree(stat->slow);
	memset(stat, 0, sizeof(*stat));
	vhost_scsi_stat_init(stat);
}

/*
 * Counters.
 */

/**
 * vhost_scsi_counts_get - have counters for a request queue
 * @vq: about to start; if it ran before, it keeps what it has
 *
 * Context: dev->mutex is held; may sleep.
 * Return: 0 or -ENOMEM.
 */
int vhost_scsi_counts_get(struct vhost_scsi_vq *vq)
{
	struct vhost_scsi_counts *counts;

	if (vq->counts)
		return 0;
	counts = kzalloc(sizeof(*counts), GFP_KERNEL_ACCOUNT);
	if (!counts)
		return -ENOMEM;
	counts->none.key = U32_MAX;
	/* Pairs with vhost_scsi_counts(). */
	smp_store_release(&vq->counts, counts);
	return 0;
}

/* Calls @fn for all counters of a queue. */
static void each_count(const struct vhost_scsi_vq *vq,
		       void (*fn)(struct vhost_scsi_count *count, void *priv),
		       void *priv)
{
	struct vhost_scsi_counts *counts = vhost_scsi_counts(vq);
	struct vhost_scsi_count *count, *next;
	unsigned int i;

	if (!counts)
		return;
	for (i = 0; i < VHOST_SCSI_COUNT_LISTS; i++) {
		/* Pairs with count_new(). */
		count = smp_load_acquire(&counts->luns[i]);
		for (; count; count = next) {
			next = count->next;
			fn(count, priv);
		}
	}
	fn(&counts->none, priv);
}

static void free_count(struct vhost_scsi_count *count, void *priv)
{
	const struct vhost_scsi_counts *counts = priv;

	kfree(count->times);
	if (count != &counts->none)
		kfree(count);
}

/**
 * vhost_scsi_counts_free - forget what was counted
 * @vq: drained; nobody looks at its counters
 */
void vhost_scsi_counts_free(struct vhost_scsi_vq *vq)
{
	each_count(vq, free_count, vq->counts);
	kfree(vq->counts);
	vq->counts = NULL;
}

/**
 * vhost_scsi_count_highest - more may be in flight than ever before
 * @vq: the queue
 * @count: of the LUN
 * @all: chains of the queue that are in flight
 *
 * Context: the worker, @vq->mutex is held.
 */
void vhost_scsi_count_highest(struct vhost_scsi_vq *vq,
			      struct vhost_scsi_count *count, u16 all)
{
	struct vhost_scsi_counts *counts = vq->counts;
	u64 n = count->taken - READ_ONCE(count->dropped);
	unsigned int i;

	for (i = 0; i < VHOST_SCSI_KINDS; i++)
		n -= READ_ONCE(count->kinds[i].nr);
	count->highest = max(count->highest, n);
	counts->highest = max_t(u64, counts->highest, all);
}

/* The struct for the first command to a LUN; NULL: there is no memory, or no such LUN. */
static struct vhost_scsi_count *count_new(struct vhost_scsi_vq *vq, u8 target,
					  u16 lun)
{
	struct vhost_scsi_host *host = vhost_scsi_host(vq->dev);
	struct vhost_scsi_counts *counts = vq->counts;
	struct vhost_scsi_count *count;
	u32 key = vhost_scsi_key(target, lun);
	struct vhost_scsi_count **list;

	/* A guest chooses the number: only what exists costs memory. */
	if (!vhost_scsi_target_has_lun(host->ep, target, lun))
		return NULL;
	count = kzalloc(sizeof(*count), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!count)
		return NULL;
	list = &counts->luns[vhost_scsi_key_list(key)];
	count->key = key;
	count->next = *list;
	/* Pairs with vhost_scsi_count_find(): readers hold no lock. */
	smp_store_release(list, count);
	llist_add(&count->unshown, &host->unshown);
	queue_work(vhost_scsi_dev_wq, &host->show_work);
	return count;
}

/**
 * vhost_scsi_count_other - the struct for a command to another LUN than the last
 * @vq: the queue
 * @last: that of the last command
 * @target: the target, which the endpoint has
 * @lun: the LUN, which need not exist
 *
 * Context: the worker, @vq->mutex is held; may sleep.
 * Return: that of the LUN; if it is not there, or there is no memory, the one for such
 * commands.
 */
struct vhost_scsi_count *vhost_scsi_count_other(struct vhost_scsi_vq *vq,
						struct vhost_scsi_count *last,
						u8 target, u16 lun)
{
	struct vhost_scsi_counts *counts = vq->counts;
	struct vhost_scsi_count *count;

	vhost_scsi_count_seen(vq, last);
	count = vhost_scsi_count_find(counts, vhost_scsi_key(target, lun));
	if (unlikely(!count))
		count = count_new(vq, target, lun);
	return count ? count : &counts->none;
}

/**
 * vhost_scsi_count_slow - submitting held up the worker
 * @vq: the queue
 *
 * Context: the worker, @vq->mutex is held.
 */
void vhost_scsi_count_slow(struct vhost_scsi_vq *vq)
{
	vhost_scsi_counts(vq)->slow++;
}

/* The index in errors[], or -1. */
static int error_index(u8 response, u8 status)
{
	int i;

	if (response)
		return min_t(int, response, ERROR_STATUS) - 1;
	if (status == SAM_STAT_GOOD || status == SAM_STAT_CONDITION_MET)
		return -1;
	for (i = 0; i < ARRAY_SIZE(statuses); i++)
		if (statuses[i] == status)
			break;
	return ERROR_STATUS + i;
}

/* Counts what is not as usual. */
static void count_odd(struct vhost_scsi_vq *vq, struct vhost_scsi_count *count,
		      u8 response, u8 status, u32 resid)
{
	int i = error_index(response, status);
	unsigned long flags;

	spin_lock_irqsave(&vq->used_lock, flags);
	if (i >= 0)
		count->errors[i]++;
	count->residuals += !response && resid;
	spin_unlock_irqrestore(&vq->used_lock, flags);
	if (i >= 0)
		vhost_scsi_say(VHOST_SCSI_LOG_COMMANDS,
			       "device %llu: queue %u: a command is answered with response %u, status 0x%02x\n",
			       vq->dev->nr, vq->index, response, status);
}

/**
 * vhost_scsi_count_result - count a command whose result is not as usual
 * @vq: the queue
 * @count: what it is counted in
 * @cmd: with its result
 *
 * Context: any.
 * Return: bytes that it has moved.
 */
u32 vhost_scsi_count_result(struct vhost_scsi_vq *vq,
			    struct vhost_scsi_count *count,
			    const struct vhost_scsi_cmd *cmd)
{
	count_odd(vq, count, cmd->response, cmd->status, cmd->resid);
	return cmd->response ? 0 : cmd->data_len - cmd->resid;
}

/**
 * vhost_scsi_count_fail - a request is answered at once, without a slot
 * @vq: the queue
 * @count: of the command, taken
 * @kind: VHOST_SCSI_KIND_*
 * @response: VIRTIO_SCSI_S_*
 * @status: SAM status
 *
 * Context: the worker.
 */
void vhost_scsi_count_fail(struct vhost_scsi_vq *vq,
			   struct vhost_scsi_count *count, u8 kind, u8 response,
			   u8 status)
{
	unsigned long flags;

	vhost_scsi_count_seen(vq, count);
	count_odd(vq, count, response, status, kind != VHOST_SCSI_KIND_NONE);
	spin_lock_irqsave(&vq->used_lock, flags);
	count->kinds[kind].nr++;
	spin_unlock_irqrestore(&vq->used_lock, flags);
}

/**
 * vhost_scsi_count_drop - a request is let go of without an answer
 * @vq: the queue
 * @count: what it is counted in
 *
 * Context: any.
 */
void vhost_scsi_count_drop(struct vhost_scsi_vq *vq,
			   struct vhost_scsi_count *count)
{
	unsigned long flags;

	spin_lock_irqsave(&vq->used_lock, flags);
	count->dropped++;
	spin_unlock_irqrestore(&vq->used_lock, flags);
}

/**
 * vhost_scsi_count_tmf - count a task management function
 * @dev: the device
 * @function: VIRTIO_SCSI_T_TMF_*, or anything
 * @end: that it began, or how it ended
 *
 * Context: any.
 */
void vhost_scsi_count_tmf(struct vhost_scsi_dev *dev, u32 function,
			  enum vhost_scsi_tmf_end end)
{
	function = min_t(u32, function, VHOST_SCSI_TMFS_OTHER);
	atomic64_inc(&vhost_scsi_stat(dev)->tmfs[function][end]);
}

/**
 * vhost_scsi_count_tmf_response - a task management function is answered
 * @dev: the device
 * @function: VIRTIO_SCSI_T_TMF_*, or anything
 * @response: VIRTIO_SCSI_S_*
 *
 * Context: any.
 */
void vhost_scsi_count_tmf_response(struct vhost_scsi_dev *dev, u32 function,
				   u8 response)
{
	enum vhost_scsi_tmf_end end = VHOST_SCSI_TMFS_FAILED;

	switch (response) {
	case VIRTIO_SCSI_S_FUNCTION_COMPLETE:
		end = VHOST_SCSI_TMFS_COMPLETE;
		break;
	case VIRTIO_SCSI_S_FUNCTION_SUCCEEDED:
		end = VHOST_SCSI_TMFS_SUCCEEDED;
		break;
	case VIRTIO_SCSI_S_FUNCTION_REJECTED:
		end = VHOST_SCSI_TMFS_REJECTED;
		break;
	case VIRTIO_SCSI_S_INCORRECT_LUN:
	case VIRTIO_SCSI_S_BAD_TARGET:
		end = VHOST_SCSI_TMFS_INCORRECT_LUN;
		break;
	case VIRTIO_SCSI_S_BUSY:
		end = VHOST_SCSI_TMFS_BUSY;
		break;
	}
	vhost_scsi_count_tmf(dev, function, end);
	vhost_scsi_say(VHOST_SCSI_LOG_COMMANDS,
		       "device %llu: task management function %u is answered with %u\n",
		       dev->nr, function, response);
}

/*
 * Sums. What has ended is read before what was taken, so that the difference is not
 * negative.
 */

static void add_count(struct vhost_scsi_count *count, void *priv)
{
	struct vhost_scsi_sums *sums = priv;
	unsigned int i;

	for (i = 0; i < VHOST_SCSI_KINDS; i++) {
		sums->nr[i] += READ_ONCE(count->kinds[i].nr);
		sums->bytes[i] += READ_ONCE(count->kinds[i].bytes);
	}
	for (i = 0; i < VHOST_SCSI_ERRORS; i++)
		sums->errors[i] += READ_ONCE(count->errors[i]);
	sums->residuals += READ_ONCE(count->residuals);
	sums->dropped += READ_ONCE(count->dropped);
	/* See above: a command was taken before it ended. */
	smp_rmb();
	sums->taken += READ_ONCE(count->taken);
	sums->deferred += atomic64_read(&count->deferred);
	sums->bounced += READ_ONCE(count->bounced);
}

/**
 * vhost_scsi_sum_queue - add up the commands of a queue
 * @vq: a request queue, which may never have run
 * @sums: they are added to it
 *
 * Context: any. The device has an owner during the call.
 */
void vhost_scsi_sum_queue(const struct vhost_scsi_vq *vq,
			  struct vhost_scsi_sums *sums)
{
	struct vhost_scsi_counts *counts = vhost_scsi_counts(vq);

	if (!counts)
		return;
	each_count(vq, add_count, sums);
	sums->highest += READ_ONCE(counts->highest);
}

/**
 * vhost_scsi_sum_lun - add up the commands of a LUN
 * @dev: the device
 * @key: the LUN
 * @sums: they are added to it
 *
 * Context: as vhost_scsi_sum_queue().
 */
void vhost_scsi_sum_lun(const struct vhost_scsi_dev *dev, u32 key,
			struct vhost_scsi_sums *sums)
{
	const struct vhost_scsi_counts *counts;
	struct vhost_scsi_count *count;
	unsigned int i;

	for (i = VHOST_SCSI_VQ_IO; i < dev->nvqs; i++) {
		counts = vhost_scsi_counts(&dev->vqs[i]);
		count = counts ? vhost_scsi_count_find(counts, key) : NULL;
		if (!count)
			continue;
		add_count(count, sums);
		sums->highest += READ_ONCE(count->highest);
	}
}

/*
 * Latencies.
 */

/* Context: the worker; may sleep. If there is no memory, nothing is measured. */
void vhost_scsi_times_alloc(struct vhost_scsi_count *count)
{
	struct vhost_scsi_times *times;

	times = kzalloc(sizeof(*times), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	/* Pairs with readers, who hold no lock. */
	smp_store_release(&count->times, times);
}

static __always_inline void time_add(struct vhost_scsi_histogram *h, u64 ns)
{
	h->sum += ns;
	h->nr[__fls(ns | BIT(FIRST_BUCKET - 1)) + 1 - FIRST_BUCKET]++;
}

/* Of processors whose clocks differ by a little, too. */
static __always_inline u64 stamp_ns(u32 from, u32 to)
{
	return (u64)max_t(s32, to - from, 0) * unit_ns >> 16;
}

/* The stamps have come round, or will soon. */
static noinline void times_add_long(struct vhost_scsi_histogram *h, bool submitted,
				    u32 ticks)
{
	/* The last bucket is of 9 minutes and more. */
	u64 ns = min_t(u64, jiffies64_to_nsecs(ticks), BIT_ULL(39));

	if (submitted) {
		time_add(&h[0], 0);
		time_add(&h[1], ns);
		time_add(&h[2], 0);
	}
	time_add(&h[3], ns);
}

/*
 * Was measuring on when the command was taken? A slot that had a command while it was
 * has its stamp still.
 */
static bool was_measured(const struct vhost_scsi_meter *meter)
{
	/* Pairs with vhost_scsi_times_arm(). */
	if (!smp_load_acquire(&armed))
		return false;
	/* Jiffies wrap around. No command is so old, so move the time to a nearer past. */
	if (unlikely((u32)jiffies - READ_ONCE(armed_at) > BIT(30)))
		WRITE_ONCE(armed_at, (u32)jiffies - BIT(29));
	return (s32)(meter->started - READ_ONCE(armed_at)) > 0;
}

/* How fast the TSC is; 0: it is no clock, or there is none. */
static unsigned int clock_khz(void)
{
#ifdef CONFIG_X86_TSC
	if (!check_tsc_unstable())
		return tsc_khz;
#endif
	return 0;
}

/* Before anything is measured by it. */
static void choose_clock(void)
{
	unsigned int khz = clock_khz();

	unit_ns = khz ? div_u64((u64)NSEC_PER_MSEC << (VHOST_SCSI_STAMP_CYCLES + 16), khz) :
			1 << (VHOST_SCSI_STAMP_NS + 16);
	WRITE_ONCE(vhost_scsi_by_tsc, khz);
}

/**
 * vhost_scsi_times_arm - commands are measured from now on, or are not
 * @on: they are: vhost_scsi_timing is enabled already
 *
 * Context: may sleep.
 */
void vhost_scsi_times_arm(bool on)
{
	if (on)
		choose_clock();
	WRITE_ONCE(armed_at, jiffies);
	/* Pairs with was_measured(). */
	smp_store_release(&armed, on);
	/* Who asked for it sends its commands in a later tick. */
	if (on)
		schedule_timeout_uninterruptible(1);
}

/**
 * vhost_scsi_times_add - note how long a command took
 * @meter: what it noted
 * @cmd: with its stamps
 *
 * Context: used_lock of its queue is held.
 */
void vhost_scsi_times_add(const struct vhost_scsi_meter *meter,
			  const struct vhost_scsi_cmd *cmd)
{
	struct vhost_scsi_times *times = meter->count->times;
	u32 ticks = (u32)jiffies - meter->started;
	u32 now = vhost_scsi_stamp_now();
	u32 completed = cmd->completed ? cmd->completed : now;
	struct vhost_scsi_histogram *h;

	if (!times || !was_measured(meter))
		return;
	h = times->of[vhost_scsi_kind(cmd->dir)];
	if (unlikely(ticks > LONG_TIME)) {
		times_add_long(h, cmd->submitted, ticks);
		return;
	}
	if (cmd->submitted) {
		time_add(&h[0], stamp_ns(meter->taken, cmd->submitted));
		time_add(&h[1], stamp_ns(cmd->submitted, completed));
		time_add(&h[2], stamp_ns(completed, now));
	}
	time_add(&h[3], stamp_ns(meter->taken, now));
}

static void clear_count(struct vhost_scsi_count *count, void *priv)
{
	struct vhost_scsi_vq *vq = priv;
	struct vhost_scsi_times *times;
	unsigned long flags;

	/* Pairs with vhost_scsi_times_alloc(). */
	times = smp_load_acquire(&count->times);
	if (!times)
		return;
	spin_lock_irqsave(&vq->used_lock, flags);
	memset(times, 0, sizeof(*times));
	spin_unlock_irqrestore(&vq->used_lock, flags);
}

/**
 * vhost_scsi_times_clear - forget all latencies of a device
 * @dev: the device, which has an owner during the call
 */
void vhost_scsi_times_clear(struct vhost_scsi_dev *dev)
{
	unsigned int i;

	for (i = VHOST_SCSI_VQ_IO; i < dev->nvqs; i++)
		each_count(&dev->vqs[i], clear_count, &dev->vqs[i]);
}

/*
 * The slowest commands.
 */

/* Returns the place for a command that took @ns, or NULL. Under slow_lock. */
static struct vhost_scsi_slow *slow_place(struct vhost_scsi_stat *stat, u64 ns)
{
	struct vhost_scsi_slow *s, *least;

	if (!stat->slow)
		/* Not for each device, but for each that had a slow command. */
		stat->slow = kmalloc_array(VHOST_SCSI_SLOW, sizeof(*stat->slow),
					   GFP_ATOMIC | __GFP_NOWARN);
	if (!stat->slow)
		return NULL;
	if (stat->slow_nr < VHOST_SCSI_SLOW)
		return &stat->slow[stat->slow_nr++];
	least = stat->slow;
	for (s = stat->slow + 1; s < stat->slow + VHOST_SCSI_SLOW; s++)
		if (s->ns < least->ns)
			least = s;
	WRITE_ONCE(stat->slow_floor, (u32)nsecs_to_jiffies64(least->ns));
	return least->ns < ns ? least : NULL;
}

/**
 * vhost_scsi_slow_add - note a command that took long
 * @vq: its queue
 * @meter: what it noted
 * @cmd: the command with its result
 *
 * Context: any.
 */
void vhost_scsi_slow_add(struct vhost_scsi_vq *vq,
			 const struct vhost_scsi_meter *meter,
			 const struct vhost_scsi_cmd *cmd)
{
	struct vhost_scsi_stat *stat = vhost_scsi_stat(vq->dev);
	u32 ticks = (u32)jiffies - meter->started;
	u64 ns = jiffies64_to_nsecs(ticks);
	struct vhost_scsi_slow *s;
	unsigned long flags;

	if (ticks <= READ_ONCE(stat->slow_floor))
		return;
	spin_lock_irqsave(&stat->slow_lock, flags);
	s = slow_place(stat, ns);
	if (s) {
		s->ns = ns;
		s->tag = cmd->tag;
		s->queue = vq->index;
		s->bytes = cmd->data_len;
		s->lun = cmd->lun;
		s->target = cmd->target;
		s->kind = vhost_scsi_kind(cmd->dir);
		s->attr = cmd->task_attr;
		s->response = cmd->response;
		s->status = cmd->response ? 0 : cmd->status;
		memcpy(s->cdb, cmd->cdb, sizeof(s->cdb));
	}
	spin_unlock_irqrestore(&stat->slow_lock, flags);
}
