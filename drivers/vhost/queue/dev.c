// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of an open device: owner, features, guest memory, dirty log, workers.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "queue.h"

#define DEFAULT_FORK_OWNER (VHOST_SCSI_HAS_TASKS ?		\
			    VHOST_FORK_OWNER_TASK : VHOST_FORK_OWNER_KTHREAD)

#define FEATURES (BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) |	\
		  BIT_ULL(VIRTIO_RING_F_EVENT_IDX) |		\
		  BIT_ULL(VIRTIO_F_ANY_LAYOUT) |		\
		  BIT_ULL(VIRTIO_F_VERSION_1) |			\
		  BIT_ULL(VIRTIO_SCSI_F_HOTPLUG) |		\
		  BIT_ULL(VHOST_F_LOG_ALL))

/* What a closing process waits for a device that has nothing to wait for. */
#define CLOSE_TIMEOUT	(HZ / 4)

struct workqueue_struct *vhost_scsi_dev_wq;
static DECLARE_WAIT_QUEUE_HEAD(gone_wait);

static void memory_put(struct vhost_scsi_dev *dev)
{
	if (!refcount_dec_and_test(&dev->memory))
		return;
	xa_destroy(&dev->workers);
	kvfree(dev);
}

static void free_workers(struct vhost_scsi_dev *dev)
{
	struct vhost_scsi_worker *w;
	unsigned long id;
	unsigned int i;

	for (i = 0; i < dev->nvqs; i++)
		rcu_assign_pointer(dev->vqs[i].worker, NULL);
	xa_for_each(&dev->workers, id, w) {
		xa_erase(&dev->workers, id);
		vhost_scsi_worker_free(w);
	}
}

static void use_log(struct vhost_scsi_dev *dev, struct vhost_scsi_log *log)
{
	struct vhost_scsi_log *old = dev->log;
	unsigned int i;

	if (log == old)
		return;
	for (i = 0; i < dev->nvqs; i++)
		rcu_assign_pointer(dev->vqs[i].log, log);
	dev->log = log;
	if (old) {
		synchronize_rcu();
		vhost_scsi_log_free(old);
	}
}

/* Everything that an owner set up; nothing is under way any more. */
static void forget_owner(struct vhost_scsi_dev *dev)
{
	unsigned int i;

	free_workers(dev);
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
	vhost_scsi_events_clear(&dev->events);
	WRITE_ONCE(dev->features, 0);
	dev->rings_set = false;
	dev->fork_owner = DEFAULT_FORK_OWNER;
	if (dev->mm) {
		vhost_scsi_watch_unregister(&dev->watch, dev->mm);
		mmdrop(dev->mm);
	}
	dev->mm = NULL;
}

static void gone_work(struct work_struct *work)
{
	struct vhost_scsi_dev *dev;

	dev = container_of(work, struct vhost_scsi_dev, gone_work);
	if (dev->ep)
		vhost_scsi_endpoint_put(dev->ep);
	dev->ep = NULL;
	forget_owner(dev);

	/* Pairs with vhost_scsi_dev_close(). */
	smp_store_release(&dev->gone, true);
	wake_up_all(&gone_wait);
	memory_put(dev);
}

/**
 * vhost_scsi_dev_put - a use of the device ends
 * @dev: the device; not to be touched afterwards
 *
 * Context: any.
 */
void vhost_scsi_dev_put(struct vhost_scsi_dev *dev)
{
	if (refcount_dec_and_test(&dev->users))
		queue_work(vhost_scsi_dev_wq, &dev->gone_work);
}

/**
 * vhost_scsi_dev_new - a device for an open file
 * @nvqs: queues, control and event queue included
 *
 * Return: the device, ended by vhost_scsi_dev_close(); or NULL.
 */
struct vhost_scsi_dev *vhost_scsi_dev_new(unsigned int nvqs)
{
	struct vhost_scsi_dev *dev;
	unsigned int i;

	dev = kvzalloc(struct_size(dev, vqs, nvqs), GFP_KERNEL_ACCOUNT);
	if (!dev)
		return NULL;

	mutex_init(&dev->mutex);
	refcount_set(&dev->users, 1);
	refcount_set(&dev->memory, 2);
	INIT_WORK(&dev->gone_work, gone_work);
	xa_init_flags(&dev->workers, XA_FLAGS_ALLOC);
	vhost_scsi_events_init(&dev->events);
	vhost_scsi_watch_init(&dev->watch);
	dev->fork_owner = DEFAULT_FORK_OWNER;
	dev->nvqs = nvqs;
	for (i = 0; i < nvqs; i++)
		vhost_scsi_vq_init(&dev->vqs[i], dev, i);
	return dev;
}

/**
 * vhost_scsi_dev_close - the file was closed
 * @dev: not to be touched afterwards
 *
 * Returns when the device is gone, or soon: commands that a backend keeps
 * finish on their own, and the endpoint stays taken until they have.
 */
void vhost_scsi_dev_close(struct vhost_scsi_dev *dev)
{
	struct vhost_scsi_worker *w;
	unsigned long id;
	unsigned int i;

	WRITE_ONCE(dev->closed, true);

	rcu_read_lock();
	for (i = 0; i < dev->nvqs; i++) {
		struct vhost_scsi_vq *vq = &dev->vqs[i];

		w = rcu_dereference(vq->worker);
		if (w && vq->running)
			vhost_scsi_worker_queue(w, &vq->stop_work);
	}
	rcu_read_unlock();
	xa_for_each(&dev->workers, id, w)
		vhost_scsi_worker_stop(w);

	vhost_scsi_dev_put(dev);
	/* Pairs with gone_work(). */
	wait_event_timeout(gone_wait, smp_load_acquire(&dev->gone),
			   CLOSE_TIMEOUT);
	memory_put(dev);
}

/**
 * vhost_scsi_dev_check_owner - may the caller use the device
 * @dev: with dev->mutex held
 *
 * Return: 0 or -EPERM.
 */
int vhost_scsi_dev_check_owner(const struct vhost_scsi_dev *dev)
{
	return dev->mm && dev->mm == current->mm ? 0 : -EPERM;
}

/*
 * Workers.
 */

static struct vhost_scsi_worker *new_worker(struct vhost_scsi_dev *dev)
{
	struct vhost_scsi_worker *w;
	u32 id;
	int ret;

	ret = xa_alloc(&dev->workers, &id, NULL, XA_LIMIT(0, dev->nvqs - 1),
		       GFP_KERNEL);
	if (ret)
		return ERR_PTR(ret == -EBUSY ? -ENOSPC : ret);
	w = vhost_scsi_worker_new(dev, id);
	if (IS_ERR(w))
		xa_erase(&dev->workers, id);
	else
		xa_store(&dev->workers, id, w, GFP_KERNEL);
	return w;
}

static void attach(struct vhost_scsi_vq *vq, struct vhost_scsi_worker *w)
{
	struct vhost_scsi_worker *old;

	old = rcu_replace_pointer(vq->worker, w,
				  lockdep_is_held(&vq->dev->mutex));
	if (old)
		old->attached--;
	w->attached++;
}

/* Its thread has ended when this succeeds. */
static int free_worker(struct vhost_scsi_dev *dev, struct vhost_scsi_worker *w)
{
	vhost_scsi_worker_stop(w);
	if (wait_for_completion_killable(&w->exited))
		return -EINTR;
	xa_erase(&dev->workers, w->id);
	vhost_scsi_worker_free(w);
	return 0;
}

static int ioctl_new_worker(struct vhost_scsi_dev *dev, void __user *argp)
{
	struct vhost_worker_state state;
	struct vhost_scsi_worker *w;

	w = new_worker(dev);
	if (IS_ERR(w))
		return PTR_ERR(w);
	state.worker_id = w->id;
	if (!copy_to_user(argp, &state, sizeof(state)))
		return 0;
	free_worker(dev, w);
	return -EFAULT;
}

static int ioctl_free_worker(struct vhost_scsi_dev *dev, void __user *argp)
{
	struct vhost_worker_state state;
	struct vhost_scsi_worker *w;

	if (copy_from_user(&state, argp, sizeof(state)))
		return -EFAULT;
	w = xa_load(&dev->workers, state.worker_id);
	if (!w)
		return -ENODEV;
	if (w->attached)
		return -EBUSY;
	/* Queues that it served before may still be about to queue to it. */
	synchronize_rcu();
	return free_worker(dev, w);
}

static int ioctl_vring_worker(struct vhost_scsi_dev *dev, unsigned int cmd,
			      void __user *argp)
{
	struct vhost_vring_worker arg;
	struct vhost_scsi_worker *w;
	struct vhost_scsi_vq *vq;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (arg.index >= dev->nvqs)
		return -ENOBUFS;
	vq = &dev->vqs[arg.index];

	if (cmd == VHOST_GET_VRING_WORKER) {
		w = rcu_dereference_protected(vq->worker,
					      lockdep_is_held(&dev->mutex));
		arg.worker_id = w->id;
		return copy_to_user(argp, &arg, sizeof(arg)) ? -EFAULT : 0;
	}

	w = xa_load(&dev->workers, arg.worker_id);
	if (!w || READ_ONCE(w->stop))
		return -ENODEV;
	attach(vq, w);
	return 0;
}

/*
 * Owner, features, memory, log.
 */

static int set_owner(struct vhost_scsi_dev *dev)
{
	struct vhost_scsi_worker *w;
	unsigned int i;

	if (dev->mm)
		return -EBUSY;
	w = new_worker(dev);
	if (IS_ERR(w))
		return PTR_ERR(w);
	for (i = 0; i < dev->nvqs; i++)
		attach(&dev->vqs[i], w);

	mmgrab(current->mm);
	dev->mm = current->mm;
	/* Without it all works, and costs more. */
	vhost_scsi_watch_register(&dev->watch);
	return 0;
}

/* Kernels that have no vhost tasks take both and use kernel threads. */
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

static int reset_owner(struct vhost_scsi_dev *dev)
{
	struct vhost_scsi_worker *w;
	unsigned long id;
	int ret;

	ret = vhost_scsi_unbind(dev);
	if (ret)
		return ret;
	xa_for_each(&dev->workers, id, w) {
		vhost_scsi_worker_stop(w);
		if (wait_for_completion_killable(&w->exited))
			return -EINTR;
	}
	forget_owner(dev);
	vhost_scsi_events_set_missed(dev, false);
	return 0;
}

static struct vhost_scsi_log *make_log(struct vhost_scsi_dev *dev, u64 features,
				       const struct vhost_scsi_mem *mem,
				       u64 base)
{
	if (!(features & BIT_ULL(VHOST_F_LOG_ALL)) || !base)
		return NULL;
	return vhost_scsi_log_create(base, mem, dev->log_ctx);
}

static int set_features(struct vhost_scsi_dev *dev, u64 features)
{
	struct vhost_scsi_log *log;

	if (features & ~FEATURES)
		return -EOPNOTSUPP;
	if (dev->ep && (features ^ dev->features) & ~BIT_ULL(VHOST_F_LOG_ALL))
		return -EBUSY;

	log = make_log(dev, features, dev->mem, dev->log_base);
	if (IS_ERR(log))
		return PTR_ERR(log);
	WRITE_ONCE(dev->features, features);
	use_log(dev, log);
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
	if (dev->ep && vhost_scsi_endpoint_pins(dev->ep)) {
		ret = vhost_scsi_mem_pin(mem, old, &dev->watch,
					 vhost_scsi_dev_wq);
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

	/* What is under way has its own pins; this is for the next chains. */
	dev->mem = mem;
	for (i = 0; i < dev->nvqs; i++) {
		struct vhost_scsi_vq *vq = &dev->vqs[i];

		if (mutex_lock_killable(&vq->mutex)) {
			vhost_scsi_mem_keep(mem, old);
			return -EINTR;
		}
		vq->mem = mem;
		mutex_unlock(&vq->mutex);
	}
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

/* The array's first word is all that there is. */
static int get_features_array(void __user *argp)
{
	struct vhost_features_array __user *array = argp;
	u64 count;

	if (copy_from_user(&count, argp, sizeof(count)))
		return -EFAULT;
	if (count > PAGE_SIZE / sizeof(u64))
		return -E2BIG;
	if (!count)
		return 0;
	if (put_u64(FEATURES, array->features))
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
 * vhost_scsi_dev_ioctl - the ioctls of every vhost device
 * @dev: with dev->mutex held
 * @cmd: which
 * @argp: its argument
 *
 * Return: 0 or a negative errno, see Documentation/contract.rst;
 * -ENOIOCTLCMD: none of these.
 */
long vhost_scsi_dev_ioctl(struct vhost_scsi_dev *dev, unsigned int cmd,
			  void __user *argp)
{
	int ret;

	switch (cmd) {
	case VHOST_GET_FEATURES:
		return put_u64(FEATURES, argp);
	case VHOST_GET_BACKEND_FEATURES:
		return put_u64(0, argp);
	case VHOST_GET_FEATURES_ARRAY:
		return get_features_array(argp);
	case VHOST_SET_FORK_FROM_OWNER:
		return set_fork_owner(dev, argp);
	case VHOST_GET_FORK_FROM_OWNER:
		return put_user(dev->fork_owner, (u8 __user *)argp);
	case VHOST_SET_OWNER:
		return set_owner(dev);
	}

	ret = vhost_scsi_dev_check_owner(dev);
	if (ret)
		return ret;

	switch (cmd) {
	case VHOST_RESET_OWNER:
		return reset_owner(dev);
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
	case VHOST_NEW_WORKER:
		return ioctl_new_worker(dev, argp);
	case VHOST_FREE_WORKER:
		return ioctl_free_worker(dev, argp);
	case VHOST_ATTACH_VRING_WORKER:
	case VHOST_GET_VRING_WORKER:
		return ioctl_vring_worker(dev, cmd, argp);
	default:
		return vhost_scsi_vq_ioctl(dev, cmd, argp);
	}
}

int vhost_scsi_dev_init(void)
{
	int ret;

	ret = vhost_scsi_notify_setup();
	if (ret)
		return ret;
	vhost_scsi_dev_wq = alloc_workqueue("vhost_scsi_dev",
					    WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!vhost_scsi_dev_wq) {
		vhost_scsi_notify_cleanup();
		return -ENOMEM;
	}
	return 0;
}

void vhost_scsi_dev_exit(void)
{
	/*
	 * Devices that go leave workers and eventfds to RCU, and workers come
	 * back to the queue from there.
	 */
	flush_workqueue(vhost_scsi_dev_wq);
	rcu_barrier();
	destroy_workqueue(vhost_scsi_dev_wq);
	vhost_scsi_notify_cleanup();
}
