// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtqueue of an open device: starts, moves, stops and drains it, gets chains from
 * its avail ring, and adds them to its used ring.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "internal.h"
#include "trace.h"

/*
 * Life.
 */

/**
 * vhost_scsi_vq_put - end the use of a queue by a chain or by vhost_scsi_vq_tryget()
 * @vq: the queue; not to be touched afterwards
 *
 * Context: any.
 */
void vhost_scsi_vq_put(struct vhost_scsi_vq *vq)
{
	struct vhost_scsi_dev *dev = vq->dev;

	if (!atomic_dec_and_test(&vq->inflight))
		return;
	complete_all(&vq->drained);
	vhost_scsi_life_put(&dev->life);
}

/* Gets no more chains from the queue, which runs. Context: @vq->mutex is held. */
static void vq_stop(struct vhost_scsi_vq *vq)
{
	vhost_scsi_kick_stop(vq);
	vq->running = false;
	vq->base = vq->ring.last_avail;
	vhost_scsi_vq_put(vq);
}

/*
 * The ring is corrupt or gone: the worker gets no more chains, and the owner is told. But
 * a thread that is being killed cannot fault in pages any more. That is no fault of the
 * ring, and another worker may go on with it.
 */
static void vq_break(struct vhost_scsi_vq *vq, int err)
{
	if (fatal_signal_pending(current))
		return;
	vq->broken = true;
	trace_vhost_scsi_fault(vq->dev->nr, vq->index, VHOST_SCSI_FAULT_RING, err);
	vhost_scsi_say(VHOST_SCSI_LOG_FAULTS,
		       "device %llu of process %d: queue %u is %s, and is not served any more\n",
		       vq->dev->nr, vq->dev->pid, vq->index,
		       err == -EFAULT ? "not in memory" : "corrupt");
	vhost_scsi_call_signal(&vq->err);
}

/* Ends the chains that were given to vhost_scsi_vq_defer(), the oldest first. */
static void answer_deferred(struct vhost_scsi_vq *vq, bool alive)
{
	struct llist_node *node, *next;

	node = llist_reverse_order(llist_del_all(&vq->deferred));
	for (; node; node = next) {
		next = node->next;
		/* After the close the owner may have other things at these addresses. */
		if ((!alive || !fatal_signal_pending(current)) &&
		    vq->ops->answer(node, alive && !READ_ONCE(vq->dev->closed)))
			continue;
		/* The thread is being killed, see vq_break(). vq_work() decides about the chain. */
		llist_add(node, &vq->deferred);
		vhost_scsi_vq_queue(vq);
	}
}

static void let_go_work(struct work_struct *work)
{
	answer_deferred(container_of(work, struct vhost_scsi_vq, let_go), false);
}

/**
 * vhost_scsi_vq_defer - have the worker answer a chain
 * @vq: the queue
 * @node: part of the chain's struct, for ops->answer()
 *
 * Context: any.
 */
void vhost_scsi_vq_defer(struct vhost_scsi_vq *vq, struct llist_node *node)
{
	/* The worker may answer, and end the chain's own use of the queue, at once. */
	vhost_scsi_vq_get(vq);
	/* A full barrier, which pairs with vhost_scsi_vq_close(). */
	llist_add(node, &vq->deferred);
	if (READ_ONCE(vq->dev->closed))
		queue_work(vq->dev->life.wq->wq, &vq->let_go);
	else
		vhost_scsi_vq_queue(vq);
	vhost_scsi_vq_put(vq);
}

/**
 * vhost_scsi_vq_close - the file was closed: no chain has to be answered any more
 * @vq: the queue; dev->closed is set
 *
 * Context: process.
 */
void vhost_scsi_vq_close(struct vhost_scsi_vq *vq)
{
	/* Pairs with vhost_scsi_vq_defer(), which sees dev->closed if it adds a chain later. */
	smp_mb();
	if (!llist_empty(&vq->deferred))
		queue_work(vq->dev->life.wq->wq, &vq->let_go);
}

static void free_slot(struct vhost_scsi_vq *vq, struct vhost_scsi_slot *slot)
{
	/*
	 * Release: pairs with the acquire of vhost_scsi_slots_busy(). Code that sees the
	 * slot free there answers a function. A driver that sees this answer in the
	 * control queue must also see the used index of this chain:
	 *
	 *	used->idx = i			busy == false	acquire
	 *	busy = false	release		used->idx = j	of the control queue
	 */
	smp_store_release(&slot->busy, false);
	slot->next = vq->free;
	vq->free = slot;
}

/* The owner has all used chains of a ring that is a copy, or will not get them any more. */
static void free_untold(struct vhost_scsi_vq *vq)
{
	struct vhost_scsi_slot *slot;
	unsigned long flags;

	spin_lock_irqsave(&vq->used_lock, flags);
	while (vq->untold) {
		slot = vq->untold;
		vq->untold = slot->next;
		free_slot(vq, slot);
	}
	spin_unlock_irqrestore(&vq->used_lock, flags);
}

/* Has a worker that was killed left used chains of which the owner does not know? */
static bool has_untold(const struct vhost_scsi_vq *vq)
{
	return vhost_scsi_is_copy(vq->maps) && !vq->broken &&
	       vq->copied != vq->ring.used_idx;
}

/*
 * Copies and signals these chains. Return: 0; or -EINTR: this thread is being killed, too, and
 * leaves them to the next.
 */
static int copy_rest(struct vhost_scsi_vq *vq)
{
	if (likely(!has_untold(vq)))
		return 0;
	if (vhost_scsi_copy_used(vq))
		vq_break(vq, -EFAULT);
	else
		vhost_scsi_vq_signal(vq);
	if (has_untold(vq))
		return -EINTR;
	free_untold(vq);
	return 0;
}

static void vq_work(struct vhost_scsi_work *work, struct vhost_scsi_worker *w)
{
	struct vhost_scsi_vq *vq;

	vq = container_of(work, struct vhost_scsi_vq, work);
	if (w->killed) {
		/* Pairs with VHOST_ATTACH_VRING_WORKER: another worker goes on. */
		if (rcu_access_pointer(vq->worker) != w)
			vhost_scsi_vq_queue(vq);
		/* Pairs with vhost_scsi_vq_halt(), which waits for these chains. */
		else if (!READ_ONCE(vq->running))
			answer_deferred(vq, false);
		return;
	}
	mutex_lock(&vq->mutex);
	copy_rest(vq);
	answer_deferred(vq, true);
	if (vhost_scsi_vq_gets(vq))
		vq->ops->handle(vq, w);
	mutex_unlock(&vq->mutex);
}

/* The file was closed, so that only this worker uses the avail side. */
static void vq_stop_work(struct vhost_scsi_work *work,
			 struct vhost_scsi_worker *w)
{
	struct vhost_scsi_vq *vq;

	vq = container_of(work, struct vhost_scsi_vq, stop_work);
	mutex_lock(&vq->mutex);
	if (vq->running)
		vq_stop(vq);
	mutex_unlock(&vq->mutex);
}

/**
 * vhost_scsi_vq_init - initialise the struct, once
 * @vq: zeroed
 * @dev: its device
 * @index: its number
 */
void vhost_scsi_vq_init(struct vhost_scsi_vq *vq, struct vhost_scsi_dev *dev,
			u32 index)
{
	mutex_init(&vq->mutex);
	spin_lock_init(&vq->used_lock);
	vq->dev = dev;
	vq->index = index;
	vq->num = 1;
	vq->big_endian = !virtio_legacy_is_little_endian();
	vhost_scsi_work_init(&vq->work, vq_work);
	vhost_scsi_work_init(&vq->stop_work, vq_stop_work);
	vhost_scsi_notify_init(vq);
	init_llist_head(&vq->deferred);
	INIT_WORK(&vq->let_go, let_go_work);
	init_completion(&vq->drained);
	complete_all(&vq->drained);
}

/**
 * vhost_scsi_vq_reset - return to the state of a new device
 * @vq: drained
 *
 * Context: dev->mutex is held, or nobody else has the device; may sleep.
 */
void vhost_scsi_vq_reset(struct vhost_scsi_vq *vq)
{
	mutex_lock(&vq->mutex);
	vhost_scsi_notify_reset(vq);
	memset(&vq->addr, 0, sizeof(vq->addr));
	vq->ring_set = false;
	vq->work.flags = 0;
	vq->stop_work.flags = 0;
	vq->num = 1;
	vq->base = 0;
	vq->big_endian = !virtio_legacy_is_little_endian();
	vq->busyloop = 0;
	memset(&vq->poll, 0, sizeof(vq->poll));
	memset(&vq->avail_stat, 0, sizeof(vq->avail_stat));
	memset(&vq->used_stat, 0, sizeof(vq->used_stat));
	vq->kick.nr = 0;
	mutex_unlock(&vq->mutex);
}

static void unmap(struct vhost_scsi_map *maps)
{
	int i;

	for (i = 0; i < VHOST_SCSI_MAPS; i++)
		vhost_scsi_map_destroy(&maps[i]);
}

static int map_ring(const struct vhost_scsi_vq *vq,
		    const struct vhost_vring_addr *addr,
		    struct vhost_scsi_map *maps)
{
	const struct {
		u64 addr;
		size_t len;
	} parts[] = {
		[VHOST_SCSI_MAP_DESC] = {
			addr->desc_user_addr,
			vhost_scsi_ring_desc_bytes(vq->num)
		},
		[VHOST_SCSI_MAP_AVAIL] = {
			addr->avail_user_addr,
			vhost_scsi_ring_avail_bytes(vq->num)
		},
		[VHOST_SCSI_MAP_USED] = {
			addr->used_user_addr,
			vhost_scsi_ring_used_bytes(vq->num)
		},
	};
	int i, ret = 0;

	memset(maps, 0, VHOST_SCSI_MAPS * sizeof(*maps));
	for (i = 0; i < VHOST_SCSI_MAPS && !ret; i++)
		ret = vhost_scsi_map_create(&maps[i], &vq->dev->watch,
					    parts[i].addr, parts[i].len);
	if (ret == -EOPNOTSUPP) {
		unmap(maps);
		for (i = 0, ret = 0; i < VHOST_SCSI_MAPS && !ret; i++)
			ret = vhost_scsi_map_copy(&maps[i], parts[i].addr,
						  parts[i].len,
						  i == VHOST_SCSI_MAP_USED);
	}
	if (ret)
		unmap(maps);
	return ret;
}

static void point_ring(struct vhost_scsi_vq *vq)
{
	vq->ring.desc = vq->maps[VHOST_SCSI_MAP_DESC].addr;
	vq->ring.avail = vq->maps[VHOST_SCSI_MAP_AVAIL].addr;
	vq->ring.used = vq->maps[VHOST_SCSI_MAP_USED].addr;
	vq->log_used = vq->addr.flags & BIT(VHOST_VRING_F_LOG);
	vq->log_used_addr = vq->addr.log_guest_addr;
}

static bool is_copy(const struct vhost_scsi_vq *vq)
{
	return vhost_scsi_is_copy(vq->maps);
}

/**
 * vhost_scsi_vq_set_by_worker - find out whether only the worker can answer chains
 * @vq: the queue, with its maps and dev->log as they will be
 *
 * Context: dev->mutex is held. A completion that read vq->by_worker as false may be under
 * way until a grace period of RCU has passed.
 */
void vhost_scsi_vq_set_by_worker(struct vhost_scsi_vq *vq)
{
	bool by_worker = is_copy(vq) || vhost_scsi_log_by_worker(vq->dev->log);

	WRITE_ONCE(vq->by_worker, by_worker);
}

/**
 * vhost_scsi_vq_is_setup - has the owner set the addresses of the ring
 * @vq: the queue
 *
 * A guest that has rebooted may use fewer queues. Its hypervisor sets the addresses of
 * these queues and says nothing about the others, whose former rings are other memory
 * of the guest now. So if the owner has set an address of any queue since the device
 * was last bound, only queues whose address was set since then count.
 *
 * Context: dev->mutex is held.
 */
bool vhost_scsi_vq_is_setup(const struct vhost_scsi_vq *vq)
{
	if (vq->dev->rings_set && !vq->ring_set)
		return false;
	return vq->addr.desc_user_addr && vq->addr.avail_user_addr &&
	       vq->addr.used_user_addr;
}

/* The count goes on from @count to where its low bits are @idx. */
static void handle_up_to(struct vhost_scsi_vq *vq, unsigned long count, u16 idx)
{
	count += (u16)(idx - (u16)count);

	/* Pairs with vhost_scsi_vq_is_handled() and vhost_scsi_vq_avail(). */
	smp_store_release(&vq->handled, count);
}

/* Context: @vq->mutex is held, and all used entries are where the owner sees them. */
static void begin_ring(struct vhost_scsi_vq *vq, u64 features)
{
	struct vhost_scsi_ring *ring = &vq->ring;
	unsigned long flags;

	spin_lock_irqsave(&vq->used_lock, flags);
	ring->le = features & BIT_ULL(VIRTIO_F_VERSION_1) || !vq->big_endian;
	ring->event_idx = features & BIT_ULL(VIRTIO_RING_F_EVENT_IDX);
	ring->indirect = features & BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC);
	ring->on_empty = features & BIT_ULL(VIRTIO_F_NOTIFY_ON_EMPTY);
	vhost_scsi_ring_start(ring);
	vq->copied = ring->used_idx;
	spin_unlock_irqrestore(&vq->used_lock, flags);

	vq->broken = false;
	if (is_copy(vq) && vhost_scsi_copy_notify(vq))
		vq_break(vq, -EFAULT);
	vhost_scsi_vq_log_used(vq, 0, sizeof(struct vring_used));
}

/**
 * vhost_scsi_vq_start - map or copy the ring, and run the queue
 * @vq: set up, not running
 *
 * Context: the owner's ioctl with dev->mutex held, dev->bound set; may sleep.
 * Return: 0. -EBUSY: chains from before the queue was stopped are under way. -EFAULT:
 * the ring is not in memory. -ENOMEM.
 */
int vhost_scsi_vq_start(struct vhost_scsi_vq *vq)
{
	struct vhost_scsi_dev *dev = vq->dev;
	struct vhost_scsi_map maps[VHOST_SCSI_MAPS];
	int ret;

	if (vq->running)
		return 0;
	if (vhost_scsi_vq_is_live(vq))
		return -EBUSY;
	/* A signal may have interrupted the last drain. Its chains are used by now. */
	vhost_scsi_vq_teardown(vq);

	ret = map_ring(vq, &vq->addr, maps);
	if (ret)
		return ret;
	if (vq->ops->start) {
		ret = vq->ops->start(vq);
		if (ret) {
			unmap(maps);
			return ret;
		}
	}

	mutex_lock(&vq->mutex);
	memcpy(vq->maps, maps, sizeof(maps));
	vq->ring.num = vq->num;
	vq->ring.last_avail = vq->base;
	/* Nobody waits any more for chains from before the stop. */
	handle_up_to(vq, vq->handled + BIT(16), vq->base);
	point_ring(vq);
	vhost_scsi_vq_set_by_worker(vq);
	begin_ring(vq, dev->features);
	reinit_completion(&vq->drained);
	/* Release: pairs with vhost_scsi_vq_tryget(), which then sees the fields above. */
	atomic_set_release(&vq->inflight, 1);
	vhost_scsi_life_get(&dev->life);
	vq->running = true;
	vq->stopped = false;
	vhost_scsi_kick_start(vq);
	mutex_unlock(&vq->mutex);

	vhost_scsi_vq_queue(vq);
	return 0;
}

/*
 * The owner hears in the new ring of chains of which it has not heard in the old one: those from
 * @from on, which a worker has left because it was killed. @used: of the old ring.
 */
static void move_rest(struct vhost_scsi_vq *vq, const struct vring_used *used, u16 from)
{
	struct vhost_scsi_ring *ring = &vq->ring;
	u16 slot, end = ring->used_idx;

	for (ring->used_idx = from; ring->used_idx != end;
	     vhost_scsi_ring_update_used_idx(ring)) {
		slot = ring->used_idx & (ring->num - 1);
		ring->used->ring[slot] = used->ring[slot];
	}
	vq->copied = from;
}

/**
 * vhost_scsi_vq_set_features - change the features of a ring
 * @vq: the guest has not used it since it was started, or it does not run
 * @features: the new ones
 *
 * Nothing here allocates memory, so a ring that runs goes on.
 *
 * Context: the owner's ioctl with dev->mutex held; may sleep.
 * Return: 0. -EINTR: a fatal signal arrived.
 */
int vhost_scsi_vq_set_features(struct vhost_scsi_vq *vq, u64 features)
{
	int ret;

	if (!vq->running)
		return 0;
	if (mutex_lock_killable(&vq->mutex))
		return -EINTR;
	/* The guest may have used it meanwhile. */
	ret = copy_rest(vq);
	if (!ret)
		begin_ring(vq, features);
	mutex_unlock(&vq->mutex);

	/* The driver is asked for kicks anew. */
	if (!ret)
		vhost_scsi_vq_queue(vq);
	return ret;
}

/**
 * vhost_scsi_vq_move - move a running ring to another address
 * @vq: running, or stopped with chains still under way
 * @addr: the new address, to which the owner has copied the ring
 *
 * The ring moves with vq->mutex and vq->used_lock held, so that no entry is lost.
 *
 * Context: the owner's ioctl with @vq->mutex held; may sleep.
 * Return: 0. -EINVAL: the ring is not in memory. -ENOMEM. -EINTR: a fatal signal arrived.
 */
int vhost_scsi_vq_move(struct vhost_scsi_vq *vq,
		       const struct vhost_vring_addr *addr)
{
	struct vhost_scsi_map maps[VHOST_SCSI_MAPS], old[VHOST_SCSI_MAPS];
	bool was_copy = is_copy(vq);
	struct vring_used *used;
	unsigned long flags;
	u16 from, end;
	int ret;

	ret = map_ring(vq, addr, maps);
	if (ret)
		return ret == -EFAULT ? -EINVAL : ret;

	if (vhost_scsi_is_copy(maps) && !vq->by_worker) {
		WRITE_ONCE(vq->by_worker, true);
		/* After this, completions that read it as false have written the old ring. */
		synchronize_rcu();
	}
	spin_lock_irqsave(&vq->used_lock, flags);
	end = vq->ring.used_idx;
	from = has_untold(vq) ? vq->copied : end;
	used = vq->ring.used;
	memcpy(old, vq->maps, sizeof(old));
	memcpy(vq->maps, maps, sizeof(maps));
	vq->addr = *addr;
	point_ring(vq);
	move_rest(vq, used, from);
	vhost_scsi_vq_set_by_worker(vq);
	vq->used_stat.signals += is_copy(vq) != was_copy;
	spin_unlock_irqrestore(&vq->used_lock, flags);

	unmap(old);
	ret = copy_rest(vq);
	if (!is_copy(vq)) {
		for (; from != end; from++)
			vhost_scsi_vq_log_chain(vq, from);
		free_untold(vq);
	}
	/* Chains that were used before, and not signalled yet, are signalled by nobody else. */
	if (is_copy(vq) != was_copy)
		vhost_scsi_vq_signal(vq);
	return ret;
}

/**
 * vhost_scsi_vq_halt - stop the queue if it runs
 * @vq: the queue
 *
 * The worker holds @vq->mutex while it pins guest memory, and a page fault there may take
 * any time. So a fatal signal ends the wait for the mutex.
 *
 * Context: dev->mutex is held; may sleep.
 * Return: 0. -EINTR: a fatal signal arrived.
 */
int vhost_scsi_vq_halt(struct vhost_scsi_vq *vq)
{
	int ret;

	if (!vq->running)
		return 0;
	if (mutex_lock_killable(&vq->mutex))
		return -EINTR;
	ret = copy_rest(vq);
	if (!ret)
		vq_stop(vq);
	mutex_unlock(&vq->mutex);
	if (ret)
		return ret;
	/*
	 * A killed worker may have left chains for its successor, and now there is none. The
	 * put in vq_stop() is a full barrier: either vq_work() sees that the queue does not
	 * run, or the chains that it left are seen here.
	 */
	if (!llist_empty(&vq->deferred))
		vhost_scsi_vq_queue(vq);
	return 0;
}

/**
 * vhost_scsi_vq_teardown - undo vhost_scsi_vq_start()
 * @vq: drained
 *
 * Context: may sleep.
 */
void vhost_scsi_vq_teardown(struct vhost_scsi_vq *vq)
{
	vhost_scsi_notify_quiesce(vq);
	cancel_work_sync(&vq->let_go);
	unmap(vq->maps);
	if (vq->ops->stop)
		vq->ops->stop(vq);
	vq->free = NULL;
	vq->untold = NULL;
}

/**
 * vhost_scsi_vq_drain - wait until the queue does not touch guest memory any more
 * @vq: stopped, or never started
 *
 * Context: dev->mutex is held, @vq->mutex is not; may sleep.
 * Return: 0. -EINTR: a fatal signal arrived, and chains are still under way.
 */
int vhost_scsi_vq_drain(struct vhost_scsi_vq *vq)
{
	if (wait_for_completion_killable(&vq->drained))
		return -EINTR;
	vhost_scsi_vq_teardown(vq);
	return 0;
}

/*
 * For the handlers of queues.
 */

static int read_guest(void *priv, u64 gpa, void *buf, size_t len)
{
	return vhost_scsi_mem_read(priv, gpa, buf, len);
}

static int avail_idx(struct vhost_scsi_vq *vq, __virtio16 *idx)
{
	const struct vhost_scsi_map *map = &vq->maps[VHOST_SCSI_MAP_AVAIL];
	const struct vring_avail __user *user;
	unsigned long flags;
	int ret;

	do {
		/* vhost_scsi_vq_move() changes both under this lock. */
		spin_lock_irqsave(&vq->used_lock, flags);
		user = map->user;
		*idx = READ_ONCE(vq->ring.avail->idx);
		spin_unlock_irqrestore(&vq->used_lock, flags);
		ret = user ? get_user(*idx, &user->idx) : 0;
		/* If the ring has moved, the owner may have other things there. */
	} while (user && READ_ONCE(map->user) != user);
	return ret;
}

/**
 * vhost_scsi_vq_avail - how far the guest has filled the ring
 * @vq: the queue
 *
 * Context: a worker; may sleep.
 * Return: the value that vq->handled has when these chains are dealt with, for
 * vhost_scsi_vq_is_handled(). It is wider than the guest's index, which cannot tell a full
 * ring of 32768 from one that is behind.
 */
unsigned long vhost_scsi_vq_avail(struct vhost_scsi_vq *vq)
{
	unsigned long count;
	__virtio16 idx;

	if (!vhost_scsi_vq_tryget(vq))
		return 0;
	count = READ_ONCE(vq->handled);
	/* Pairs with handle_up_to(): the index was this far at the least. */
	smp_rmb();
	/* If the index cannot be read, the worker takes no more chains either. */
	if (!avail_idx(vq, &idx))
		count += (u16)(vhost_scsi_vq16(vq, idx) - (u16)count);
	vhost_scsi_vq_put(vq);
	return count;
}

/**
 * vhost_scsi_vq_handled - all chains that were taken are dealt with
 * @vq: running
 *
 * Code that gets true from vhost_scsi_vq_is_handled() sees what became of the chains.
 *
 * Context: @vq->mutex is held.
 */
void vhost_scsi_vq_handled(struct vhost_scsi_vq *vq)
{
	handle_up_to(vq, vq->handled, vq->ring.last_avail);
}

/**
 * vhost_scsi_vq_is_handled - were the chains up to a count dealt with
 * @vq: the queue
 * @count: what vhost_scsi_vq_avail() said
 *
 * If not, the worker is queued.
 *
 * Context: process.
 * Return: true if they were, or if the worker gets no more chains from the queue.
 */
bool vhost_scsi_vq_is_handled(struct vhost_scsi_vq *vq, unsigned long count)
{
	unsigned long handled;
	bool ret;

	if (!vhost_scsi_vq_tryget(vq))
		return true;
	/* Pairs with handle_up_to(): the slots of these chains are seen busy. */
	handled = smp_load_acquire(&vq->handled);
	ret = !READ_ONCE(vq->running) || READ_ONCE(vq->broken) ||
	      READ_ONCE(vq->dev->closed) || (long)(handled - count) >= 0;
	if (!ret)
		vhost_scsi_vq_queue(vq);
	vhost_scsi_vq_put(vq);
	return ret;
}

/* The part of vhost_scsi_vq_pending() for a ring that may be a copy. */
int vhost_scsi_vq_pending_slow(struct vhost_scsi_vq *vq)
{
	struct vhost_scsi_ring *ring = &vq->ring;
	int ret;

	if (!is_copy(vq))
		return vhost_scsi_ring_pending(ring);
	if (ring->avail_idx == ring->last_avail && vhost_scsi_copy_avail_idx(vq))
		return -EFAULT;
	ret = vhost_scsi_ring_pending(ring);
	return ret > 0 && vhost_scsi_copy_desc(vq) ? -EFAULT : ret;
}

/**
 * vhost_scsi_vq_disable_notify - ask the guest not to kick, while a worker looks
 * @vq: running
 *
 * Context: @vq->mutex is held.
 */
void vhost_scsi_vq_disable_notify(struct vhost_scsi_vq *vq)
{
	vhost_scsi_ring_disable_notify(&vq->ring);
	if (unlikely(is_copy(vq)) && vhost_scsi_copy_notify(vq))
		vq_break(vq, -EFAULT);
	vhost_scsi_vq_log_used(vq, offsetof(struct vring_used, flags),
			       sizeof(vq->ring.used->flags));
}

/**
 * vhost_scsi_vq_get_desc - get the next chain into w->chain, if there is one
 * @vq: running
 * @w: the worker that calls
 *
 * Context: @vq->mutex is held.
 * Return: 1: there is one, and the caller owes vhost_scsi_vq_add_used() and then
 * vhost_scsi_vq_put(). 0: there is none, and the guest may not kick for the next.
 * -EIO: the ring is corrupt, and the queue has stopped. -EFAULT: it is gone, likewise;
 * or the worker is being killed, and the queue goes on with another.
 */
int vhost_scsi_vq_get_desc(struct vhost_scsi_vq *vq,
			   struct vhost_scsi_worker *w)
{
	struct vhost_scsi_ring *ring = &vq->ring;
	int ret;

	ret = vhost_scsi_vq_pending(vq);
	if (!ret)
		return 0;
	if (ret > 0)
		ret = vhost_scsi_ring_get_desc(ring, &w->chain, read_guest,
					       vq->mem);
	if (ret < 0) {
		vq_break(vq, ret);
		return ret;
	}
	vhost_scsi_vq_get(vq);
	return 1;
}

/**
 * vhost_scsi_vq_give_back - give the last chain back, if the thread is being killed
 * @vq: running; the chain has failed, or cannot be answered, and nothing else was done
 *	about it
 *
 * A thread that is being killed cannot fault in pages any more. That is no fault of the
 * chain, and another worker may get it.
 *
 * Context: @vq->mutex is held.
 * Return: true: the caller owes nothing for the chain, and gets no other one.
 */
bool vhost_scsi_vq_give_back(struct vhost_scsi_vq *vq)
{
	if (!fatal_signal_pending(current))
		return false;
	vq->ring.last_avail--;
	vhost_scsi_vq_put(vq);
	return true;
}

/**
 * vhost_scsi_vq_enable_notify - ask the guest to kick for the next chain
 * @vq: running, seen empty
 *
 * Context: @vq->mutex is held.
 * Return: true if a chain came meanwhile. The guest may not have kicked for it, and
 * notification is disabled again: the caller looks at the ring again.
 */
bool vhost_scsi_vq_enable_notify(struct vhost_scsi_vq *vq)
{
	struct vhost_scsi_ring *ring = &vq->ring;
	bool more = vhost_scsi_ring_enable_notify(ring);

	if (unlikely(is_copy(vq))) {
		if (vhost_scsi_copy_notify(vq)) {
			vq_break(vq, -EFAULT);
			return false;
		}
		more = vhost_scsi_vq16(vq, ring->avail->idx) != ring->last_avail;
	}
	if (more)
		vhost_scsi_vq_disable_notify(vq);
	/* The flags or the event index, which is its last field. */
	vhost_scsi_vq_log_used(vq, 0, vhost_scsi_ring_used_bytes(ring->num));
	return more;
}

/**
 * vhost_scsi_vq_next_desc - get the next chain into w->chain, or enable notification
 * @vq: running
 * @w: the worker that calls
 *
 * Context: @vq->mutex is held.
 * Return: as vhost_scsi_vq_get_desc(), but with 0 the guest kicks for the next, or
 * the worker looks again.
 */
int vhost_scsi_vq_next_desc(struct vhost_scsi_vq *vq,
			    struct vhost_scsi_worker *w)
{
	int ret;

	ret = vhost_scsi_vq_get_desc(vq, w);
	if (ret || !vhost_scsi_vq_enable_notify(vq))
		return ret;
	ret = vhost_scsi_vq_get_desc(vq, w);
	/* A guest that takes its index back does not keep the worker here. */
	if (!ret)
		vhost_scsi_vq_queue(vq);
	return ret;
}

/* Before the guest is told: whoever has seen an answer finds its chain counted. */
static __always_inline void count_used(struct vhost_scsi_vq *vq,
				       struct vhost_scsi_slot *slot)
{
	vq->used_stat.chains++;
	if (!slot)
		return;
	slot->tally->nr++;
	slot->tally->bytes += slot->moved;
	if (static_branch_unlikely(&vhost_scsi_used_watched))
		vq->ops->used(vq, slot);
}

static size_t used_offset(const struct vhost_scsi_ring *ring, u16 idx)
{
	return offsetof(struct vring_used, ring) +
	       sizeof(struct vring_used_elem) * (idx & (ring->num - 1));
}

/**
 * vhost_scsi_vq_log_chain - mark a used entry, and the used index, as written
 * @vq: the queue
 * @idx: of the entry
 *
 * Context: as vhost_scsi_log_write().
 */
void vhost_scsi_vq_log_chain(struct vhost_scsi_vq *vq, u16 idx)
{
	vhost_scsi_vq_log_used(vq, used_offset(&vq->ring, idx),
			       sizeof(struct vring_used_elem));
	vhost_scsi_vq_log_used(vq, offsetof(struct vring_used, idx),
			       sizeof(vq->ring.used->idx));
}

/* Returns the index of the entry of the chain. @log: with used_lock held */
static __always_inline u16 complete_mapped(struct vhost_scsi_vq *vq,
					   struct vhost_scsi_slot *slot,
					   u16 head, u32 len, bool log)
{
	struct vhost_scsi_ring *ring = &vq->ring;
	enum vhost_scsi_signal signal;
	unsigned long flags;
	u16 idx;

	spin_lock_irqsave(&vq->used_lock, flags);
	idx = ring->used_idx;
	count_used(vq, slot);
	vhost_scsi_ring_add_used(ring, head, len);
	vhost_scsi_ring_update_used_idx(ring);
	if (log)
		vhost_scsi_vq_log_chain(vq, idx);
	signal = vhost_scsi_signal_decide(vq);
	if (slot)
		free_slot(vq, slot);
	spin_unlock_irqrestore(&vq->used_lock, flags);

	vhost_scsi_signal(vq, signal);
	return idx;
}

/**
 * vhost_scsi_vq_complete - add a chain to a used ring that is mapped, and signal the guest
 * @vq: the queue
 * @slot: the slot of the chain, which becomes free; or NULL
 * @head: of the chain
 * @len: bytes written to it
 *
 * Context: any, in the same RCU read-side section in which @vq->by_worker was read as
 * false.
 */
void vhost_scsi_vq_complete(struct vhost_scsi_vq *vq,
			    struct vhost_scsi_slot *slot, u16 head, u32 len)
{
	complete_mapped(vq, slot, head, len, true);
}

static void add_used_copy(struct vhost_scsi_vq *vq,
			  struct vhost_scsi_slot *slot, u16 head, u32 len)
{
	struct vhost_scsi_ring *ring = &vq->ring;
	unsigned long flags;
	bool signal = false;

	vhost_scsi_ring_add_used(ring, head, len);
	vhost_scsi_ring_update_used_idx(ring);
	spin_lock_irqsave(&vq->used_lock, flags);
	count_used(vq, slot);
	spin_unlock_irqrestore(&vq->used_lock, flags);
	if (slot) {
		slot->next = vq->untold;
		vq->untold = slot;
	}
	/* If the worker is being killed, copy_rest() goes on with another one. */
	if (vhost_scsi_copy_used(vq))
		vq_break(vq, -EFAULT);
	else
		signal = vhost_scsi_copy_wish(vq) ||
			 vhost_scsi_ring_want_signal(ring);
	spin_lock_irqsave(&vq->used_lock, flags);
	vq->used_stat.signals += signal;
	spin_unlock_irqrestore(&vq->used_lock, flags);
	/* Not before: code that finds the slot free takes the chain for answered. */
	if (!has_untold(vq))
		free_untold(vq);
	if (signal)
		vhost_scsi_vq_signal(vq);
}

static noinline void add_used_by_worker(struct vhost_scsi_vq *vq,
					struct vhost_scsi_slot *slot, u16 head,
					u32 len)
{
	if (is_copy(vq))
		add_used_copy(vq, slot, head, len);
	else
		vhost_scsi_vq_log_chain(vq, complete_mapped(vq, slot, head, len, false));
}

/**
 * vhost_scsi_vq_add_used - add a chain to the used ring, and signal the guest
 * @vq: the queue
 * @slot: see vhost_scsi_vq_complete()
 * @head: likewise
 * @len: likewise
 *
 * Context: the worker, with @vq->mutex held.
 */
void vhost_scsi_vq_add_used(struct vhost_scsi_vq *vq,
			    struct vhost_scsi_slot *slot, u16 head, u32 len)
{
	bool by_worker;

	rcu_read_lock();
	by_worker = READ_ONCE(vq->by_worker);
	if (likely(!by_worker))
		vhost_scsi_vq_complete(vq, slot, head, len);
	rcu_read_unlock();
	if (unlikely(by_worker))
		add_used_by_worker(vq, slot, head, len);
}

/**
 * vhost_scsi_vq_free_slots - get the slots that became free since the last call
 * @vq: running
 *
 * Context: @vq->mutex is held.
 * Return: a list of them, which belongs to the caller; or NULL.
 */
struct vhost_scsi_slot *vhost_scsi_vq_free_slots(struct vhost_scsi_vq *vq)
{
	struct vhost_scsi_slot *free;
	unsigned long flags;

	spin_lock_irqsave(&vq->used_lock, flags);
	free = vq->free;
	vq->free = NULL;
	spin_unlock_irqrestore(&vq->used_lock, flags);
	return free;
}
