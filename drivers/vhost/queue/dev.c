// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device: its owner, features, guest memory and dirty log. While the device is
 * bound, this file runs its rings.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"
#include "trace.h"

#define DEFAULT_FORK_OWNER (VHOST_SCSI_HAS_TASKS ?		\
			    VHOST_FORK_OWNER_TASK : VHOST_FORK_OWNER_KTHREAD)

/* Features of the rings. dev->ops->features has those of the SCSI host. */
#define RING_FEATURES (BIT_ULL(VIRTIO_F_NOTIFY_ON_EMPTY) |	\
		       BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) |	\
		       BIT_ULL(VIRTIO_RING_F_EVENT_IDX) |	\
		       BIT_ULL(VIRTIO_F_ANY_LAYOUT) |		\
		       BIT_ULL(VIRTIO_F_VERSION_1) |		\
		       BIT_ULL(VHOST_F_LOG_ALL))

/*
 * Life.
 */

static void answer_by_worker(struct vhost_scsi_dev *dev)
{
	unsigned int i;

	for (i = 0; i < dev->nvqs; i++)
		vhost_scsi_vq_set_by_worker(&dev->vqs[i]);
}

static void use_log(struct vhost_scsi_dev *dev, struct vhost_scsi_log *log)
{
	struct vhost_scsi_log *old = dev->log;
	unsigned int i;

	if (log == old)
		return;
	dev->log = log;
	/* A completion that answers by itself must not find a log that it cannot write. */
	if (vhost_scsi_log_by_worker(log)) {
		answer_by_worker(dev);
		synchronize_rcu();
	}
	for (i = 0; i < dev->nvqs; i++)
		rcu_assign_pointer(dev->vqs[i].log, log);
	/*
	 * After this, a completion that found no log has written to guest memory. The owner
	 * copies the memory only when the ioctl has returned.
	 */
	synchronize_rcu();
	answer_by_worker(dev);
	vhost_scsi_log_free(old);
}

/* Undoes everything that an owner set up. Nothing is under way any more. */
static void forget_owner(struct vhost_scsi_dev *dev)
{
	unsigned int i;

	dev->ops->reset(dev);
	vhost_scsi_workers_free(dev);
	use_log(dev, NULL);
	if (dev->log_ctx)
		eventfd_ctx_put(dev->log_ctx);
	dev->log_ctx = NULL;
	dev->log_base = 0;

	for (i = 0; i < dev->nvqs; i++) {
		vhost_scsi_vq_teardown(&dev->vqs[i]);
		vhost_scsi_vq_reset(&dev->vqs[i]);
		dev->vqs[i].mem = NULL;
	}
	if (dev->mem)
		vhost_scsi_mem_unpin(dev->mem);
	vhost_scsi_mem_put(dev->mem);
	dev->mem = NULL;
	memset(&dev->mem_size, 0, sizeof(dev->mem_size));
	WRITE_ONCE(dev->features, 0);
	dev->rings_set = false;
	dev->fork_owner = DEFAULT_FORK_OWNER;
	if (dev->mm) {
		vhost_scsi_watch_unregister(&dev->watch);
		mmdrop(dev->mm);
	}
	dev->mm = NULL;
	dev->resetting = false;
}

static struct vhost_scsi_dev *dev_of(struct vhost_scsi_life *life)
{
	return container_of(life, struct vhost_scsi_dev, life);
}

static void dev_end(struct vhost_scsi_life *life)
{
	struct vhost_scsi_dev *dev = dev_of(life);

	forget_owner(dev);
}

static void dev_free(struct vhost_scsi_life *life)
{
	struct vhost_scsi_dev *dev = dev_of(life);

	xa_destroy(&dev->workers);
	dev->ops->free(dev);
}

/**
 * vhost_scsi_dev_init - initialise the device of an open file
 * @dev: zeroed, with room for @nvqs queues
 * @nvqs: number of queues; the caller sets the ops of each
 * @ops: operations of the device
 *
 * Return: 0, and the caller owes vhost_scsi_dev_close(); or -ENOMEM.
 */
int vhost_scsi_dev_init(struct vhost_scsi_dev *dev, unsigned int nvqs,
			const struct vhost_scsi_dev_ops *ops)
{
	unsigned int i;
	int ret;

	ret = vhost_scsi_life_init(&dev->life, dev_end, dev_free);
	if (ret)
		return ret;
	mutex_init(&dev->mutex);
	dev->ops = ops;
	xa_init_flags(&dev->workers, XA_FLAGS_ALLOC);
	vhost_scsi_watch_init(&dev->watch);
	dev->fork_owner = DEFAULT_FORK_OWNER;
	dev->nvqs = nvqs;
	for (i = 0; i < nvqs; i++)
		vhost_scsi_vq_init(&dev->vqs[i], dev, i);
	return 0;
}

/**
 * vhost_scsi_dev_close - the file was closed
 * @dev: not to be touched afterwards
 *
 * This waits a short time for the device to end, and not for a backend. Commands that
 * a backend keeps finish by themselves. Until then the device stays bound.
 */
void vhost_scsi_dev_close(struct vhost_scsi_dev *dev)
{
	unsigned int i;

	WRITE_ONCE(dev->closed, true);
	vhost_scsi_workers_close(dev);
	for (i = 0; i < dev->nvqs; i++)
		vhost_scsi_vq_close(&dev->vqs[i]);
	vhost_scsi_life_close(&dev->life);
}

/*
 * Binding.
 */

static int start_rings(struct vhost_scsi_dev *dev)
{
	unsigned int i;
	int ret;

	for (i = 0; i < dev->nvqs; i++) {
		/* Firmware may set up fewer queues than the device has. */
		if (!vhost_scsi_vq_is_setup(&dev->vqs[i]))
			continue;
		ret = vhost_scsi_vq_start(&dev->vqs[i]);
		if (ret)
			return ret;
	}
	return 0;
}

static int stop_rings(struct vhost_scsi_dev *dev)
{
	unsigned int i;
	int ret;

	for (i = 0; i < dev->nvqs; i++) {
		ret = vhost_scsi_vq_halt(&dev->vqs[i]);
		if (ret)
			return ret;
	}
	for (i = 0; i < dev->nvqs; i++) {
		ret = vhost_scsi_vq_drain(&dev->vqs[i]);
		if (ret)
			return ret;
	}
	if (!dev->bound)
		return 0;
	dev->bound = false;
	vhost_scsi_mem_unpin(dev->mem);
	return 0;
}

/**
 * vhost_scsi_dev_start - bind the device: run the rings that are set up
 * @dev: has a memory table and is not bound; dev->mutex is held
 * @pin_memory: pin all guest memory while the device is bound
 * @poll_us: how long a queue may be polled
 *
 * Return: 0, and the caller owes vhost_scsi_dev_stop(). Otherwise an error of
 * vhost_scsi_mem_pin() or vhost_scsi_vq_start(), and the rings are stopped again. If
 * a fatal signal interrupted that, dev->bound is still true, and the caller owes
 * vhost_scsi_dev_stop().
 */
int vhost_scsi_dev_start(struct vhost_scsi_dev *dev, bool pin_memory,
			 u32 poll_us)
{
	int ret = 0;

	dev->bound = true;
	dev->pin_memory = pin_memory;
	dev->poll_us = poll_us;
	if (pin_memory)
		ret = vhost_scsi_mem_pin(dev->mem, NULL, &dev->watch,
					 dev->life.wq->wq);
	if (!ret)
		ret = start_rings(dev);
	if (ret)
		stop_rings(dev);
	return ret;
}

/**
 * vhost_scsi_dev_stop - end the binding: stop the rings, and wait for their chains
 * @dev: bound or not; dev->mutex is held
 *
 * This also clears vq->ring_set of all queues.
 *
 * Return: 0. -EINTR: a fatal signal arrived; the rings are stopped, the device stays
 * bound, and this can be called again.
 */
int vhost_scsi_dev_stop(struct vhost_scsi_dev *dev)
{
	bool bound = dev->bound;
	unsigned int i;
	int ret;

	ret = stop_rings(dev);
	if (ret || !bound)
		return ret;
	for (i = 0; i < dev->nvqs; i++) {
		dev->vqs[i].ring_set = false;
		dev->vqs[i].stopped = false;
	}
	dev->rings_set = false;
	return 0;
}

static bool is_owner(const struct vhost_scsi_dev *dev)
{
	return dev->mm && dev->mm == current->mm;
}

/**
 * vhost_scsi_dev_check_owner - may the caller use the device
 * @dev: with dev->mutex held
 *
 * If it is the owner, its limit of pinned memory counts from now on.
 *
 * Return: 0; -EPERM: it is not the owner; -EBUSY: a VHOST_RESET_OWNER was
 * interrupted, so workers may have ended.
 */
int vhost_scsi_dev_check_owner(struct vhost_scsi_dev *dev)
{
	if (!is_owner(dev))
		return -EPERM;
	vhost_scsi_account_limit(&dev->watch);
	return dev->resetting ? -EBUSY : 0;
}

/*
 * Owner, features, memory, log.
 */

static int set_owner(struct vhost_scsi_dev *dev)
{
	int ret;

	if (dev->mm)
		return -EBUSY;
	/* Before threads are started, because a signal may end either step. */
	ret = vhost_scsi_watch_register(&dev->watch);
	if (ret)
		return ret;
	ret = vhost_scsi_workers_start(dev);
	if (ret) {
		vhost_scsi_watch_unregister(&dev->watch);
		return ret;
	}

	mmgrab(current->mm);
	dev->mm = current->mm;
	dev->pid = task_tgid_nr(current);
	return 0;
}

/* Kernels without vhost tasks accept both values and use kernel threads. */
static int set_fork_owner(struct vhost_scsi_dev *dev, const void __user *argp)
{
	u8 fork_owner;

	if (get_user(fork_owner, (const u8 __user *)argp))
		return -EFAULT;
	if (dev->mm)
		return -EBUSY;
	if (fork_owner > VHOST_FORK_OWNER_TASK)
		return -EINVAL;
	dev->fork_owner = fork_owner;
	return 0;
}

static int stop_owner(struct vhost_scsi_dev *dev)
{
	int ret;

	dev->resetting = true;
	ret = dev->ops->unbind(dev);
	return ret ? ret : vhost_scsi_workers_stop(dev);
}

static int reset_owner(struct vhost_scsi_dev *dev)
{
	struct vhost_scsi_wq *wq;
	int ret;

	if (!is_owner(dev))
		return -EPERM;
	/* The next owner must not wait for threads of this one, which may be stopped. */
	wq = vhost_scsi_wq_new();
	if (!wq)
		return -ENOMEM;
	ret = stop_owner(dev);
	if (!ret) {
		forget_owner(dev);
		swap(wq, dev->life.wq);
	}
	vhost_scsi_wq_put(wq);
	return ret;
}

static u64 offered_features(const struct vhost_scsi_dev *dev)
{
	return RING_FEATURES | dev->ops->features;
}

static struct vhost_scsi_log *make_log(struct vhost_scsi_dev *dev, u64 features,
				       const struct vhost_scsi_mem *mem,
				       u64 base)
{
	if (!(features & BIT_ULL(VHOST_F_LOG_ALL)) || !base)
		return NULL;
	return vhost_scsi_log_create(base, mem, &dev->watch, dev->log_ctx);
}

/* Has a guest sent anything since the rings were started? */
static bool is_used(const struct vhost_scsi_dev *dev)
{
	const struct vhost_scsi_vq *vq;

	for (vq = dev->vqs; vq < dev->vqs + dev->nvqs; vq++)
		if (vq->running && READ_ONCE(vq->ring.last_avail) != vq->base)
			return true;
	return false;
}

static int set_features(struct vhost_scsi_dev *dev, u64 features)
{
	u64 changed = (features ^ dev->features) & ~BIT_ULL(VHOST_F_LOG_ALL);
	struct vhost_scsi_log *log;
	unsigned int i;
	int ret;

	if (features & ~offered_features(dev))
		return -EOPNOTSUPP;
	/* The stock module accepts features at any time, so an owner may set them last. */
	if (dev->bound && changed &&
	    (changed & dev->ops->bound_features || is_used(dev)))
		return -EBUSY;

	log = make_log(dev, features, dev->mem, dev->log_base);
	if (IS_ERR(log))
		return PTR_ERR(log);
	use_log(dev, log);
	for (i = 0; changed && i < dev->nvqs; i++) {
		ret = vhost_scsi_vq_set_features(&dev->vqs[i], features);
		if (ret)
			return ret;
	}
	/* Last, so that a call that was interrupted can be repeated. */
	WRITE_ONCE(dev->features, features);
	return 0;
}

static int set_mem_table(struct vhost_scsi_dev *dev, void __user *argp)
{
	struct vhost_scsi_mem *mem, *old = dev->mem;
	struct vhost_scsi_log *log;
	unsigned int i;
	int ret;

	mem = vhost_scsi_mem_create(argp);
	if (IS_ERR(mem))
		return PTR_ERR(mem);
	if (dev->bound && dev->pin_memory) {
		ret = vhost_scsi_mem_pin(mem, old, &dev->watch,
					 dev->life.wq->wq);
		if (ret) {
			vhost_scsi_mem_put(mem);
			return ret;
		}
	}
	log = make_log(dev, dev->features, mem, dev->log_base);
	if (IS_ERR(log)) {
		vhost_scsi_mem_unpin(mem);
		vhost_scsi_mem_put(mem);
		return PTR_ERR(log);
	}
	use_log(dev, log);

	/* Chains under way have their own pins; the next ones use the new table. */
	dev->mem = mem;
	vhost_scsi_mem_measure(mem, &dev->mem_size);
	trace_vhost_scsi_mem_table(dev->nr, dev->mem_size.regions,
				   dev->mem_size.bytes,
				   mem->pinned ? dev->mem_size.pages : 0);
	for (i = 0; i < dev->nvqs; i++) {
		struct vhost_scsi_vq *vq = &dev->vqs[i];

		if (mutex_lock_killable(&vq->mutex)) {
			vhost_scsi_mem_forget(old, mem, &dev->watch);
			vhost_scsi_mem_keep(mem, old);
			return -EINTR;
		}
		vq->mem = mem;
		mutex_unlock(&vq->mutex);
	}
	vhost_scsi_mem_forget(old, mem, &dev->watch);
	vhost_scsi_mem_put(old);
	return 0;
}

static int set_log_base(struct vhost_scsi_dev *dev, const void __user *argp)
{
	struct vhost_scsi_log *log;
	u64 base;

	if (copy_from_user(&base, argp, sizeof(base)))
		return -EFAULT;
	if ((unsigned long)base != base)
		return -EFAULT;
	base = vhost_scsi_untagged(base);
	log = make_log(dev, dev->features, dev->mem, base);
	if (IS_ERR(log))
		return PTR_ERR(log);
	dev->log_base = base;
	use_log(dev, log);
	return 0;
}

static int set_log_fd(struct vhost_scsi_dev *dev, const void __user *argp)
{
	struct eventfd_ctx *ctx = NULL, *old = dev->log_ctx;
	struct vhost_scsi_log *log;
	int fd;

	if (get_user(fd, (const int __user *)argp))
		return -EFAULT;
	if (fd != VHOST_FILE_UNBIND) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}

	dev->log_ctx = ctx;
	log = make_log(dev, dev->features, dev->mem, dev->log_base);
	if (IS_ERR(log)) {
		dev->log_ctx = old;
		if (ctx)
			eventfd_ctx_put(ctx);
		return PTR_ERR(log);
	}
	use_log(dev, log);
	if (old)
		eventfd_ctx_put(old);
	return 0;
}

static int set_backend_features(const void __user *argp)
{
	u64 features;

	if (copy_from_user(&features, argp, sizeof(features)))
		return -EFAULT;
	return features ? -EOPNOTSUPP : 0;
}

static int put_u64(u64 val, void __user *argp)
{
	return copy_to_user(argp, &val, sizeof(val)) ? -EFAULT : 0;
}

static int ioctl_set_features(struct vhost_scsi_dev *dev,
			      const void __user *argp)
{
	u64 features;

	if (copy_from_user(&features, argp, sizeof(features)))
		return -EFAULT;
	return set_features(dev, features);
}

/* All features are in the first word of the array. */
static int get_features_array(const struct vhost_scsi_dev *dev,
			      void __user *argp)
{
	struct vhost_features_array __user *array = argp;
	u64 count;

	if (copy_from_user(&count, argp, sizeof(count)))
		return -EFAULT;
	if (count > PAGE_SIZE / sizeof(u64))
		return -E2BIG;
	if (!count)
		return 0;
	if (put_u64(offered_features(dev), array->features))
		return -EFAULT;
	return clear_user(array->features + 1, (count - 1) * sizeof(u64)) ?
	       -EFAULT : 0;
}

static int set_features_array(struct vhost_scsi_dev *dev,
			      const void __user *argp)
{
	const struct vhost_features_array __user *array = argp;
	u64 count, features = 0;
	int ret;

	if (copy_from_user(&count, argp, sizeof(count)))
		return -EFAULT;
	if (count > PAGE_SIZE / sizeof(u64))
		return -E2BIG;
	if (count && copy_from_user(&features, array->features, sizeof(u64)))
		return -EFAULT;
	if (count > 1) {
		ret = check_zeroed_user(array->features + 1,
					(count - 1) * sizeof(u64));
		if (ret <= 0)
			return ret ? ret : -EOPNOTSUPP;
	}
	return set_features(dev, features);
}

/**
 * vhost_scsi_dev_ioctl - handle the ioctls of every vhost device
 * @dev: with dev->mutex held
 * @cmd: number of the ioctl
 * @argp: its argument
 *
 * Return: 0 or a negative errno, see Documentation/contract.rst. -ENOIOCTLCMD: @cmd
 * is not one of these ioctls.
 */
long vhost_scsi_dev_ioctl(struct vhost_scsi_dev *dev, unsigned int cmd,
			  void __user *argp)
{
	long ret;

	switch (cmd) {
	case VHOST_GET_FEATURES:
		return put_u64(offered_features(dev), argp);
	case VHOST_GET_BACKEND_FEATURES:
		return put_u64(0, argp);
	case VHOST_GET_FEATURES_ARRAY:
		return get_features_array(dev, argp);
	case VHOST_SET_FORK_FROM_OWNER:
		return set_fork_owner(dev, argp);
	case VHOST_GET_FORK_FROM_OWNER:
		return put_user(dev->fork_owner, (u8 __user *)argp);
	case VHOST_SET_OWNER:
		return set_owner(dev);
	case VHOST_RESET_OWNER:
		return reset_owner(dev);
	}

	ret = vhost_scsi_dev_check_owner(dev);
	if (ret)
		return ret;

	switch (cmd) {
	case VHOST_SET_FEATURES:
		return ioctl_set_features(dev, argp);
	case VHOST_SET_FEATURES_ARRAY:
		return set_features_array(dev, argp);
	case VHOST_SET_BACKEND_FEATURES:
		return set_backend_features(argp);
	case VHOST_SET_MEM_TABLE:
		return set_mem_table(dev, argp);
	case VHOST_SET_LOG_BASE:
		return set_log_base(dev, argp);
	case VHOST_SET_LOG_FD:
		return set_log_fd(dev, argp);
	default:
		ret = vhost_scsi_worker_ioctl(dev, cmd, argp);
		if (ret == -ENOIOCTLCMD)
			ret = vhost_scsi_vq_ioctl(dev, cmd, argp);
		return ret;
	}
}

int vhost_scsi_queue_setup(void)
{
	int ret;

	ret = vhost_scsi_life_setup();
	if (ret)
		return ret;
	ret = vhost_scsi_notify_setup();
	if (ret)
		vhost_scsi_life_cleanup();
	return ret;
}

void vhost_scsi_queue_cleanup(void)
{
	vhost_scsi_life_cleanup();
	vhost_scsi_notify_cleanup();
}
