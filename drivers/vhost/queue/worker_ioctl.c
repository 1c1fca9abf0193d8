// SPDX-License-Identifier: GPL-2.0-only
/*
 * The workers of a device, and the ioctls that make them and attach queues to them.
 * Documentation/contract.rst has the errors of each.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/nospec.h>
#include <linux/uaccess.h>

#include "internal.h"

static struct vhost_scsi_worker *new_worker(struct vhost_scsi_dev *dev)
{
	struct vhost_scsi_worker *w;
	u32 id;
	int ret;

	ret = xa_alloc(&dev->workers, &id, NULL, XA_LIMIT(0, dev->nvqs - 1),
		       GFP_KERNEL_ACCOUNT);
	if (ret)
		return ERR_PTR(ret == -EBUSY ? -ENOSPC : ret);
	w = vhost_scsi_worker_new(dev, id);
	if (IS_ERR(w))
		xa_erase(&dev->workers, id);
	else
		xa_store(&dev->workers, id, w, GFP_KERNEL_ACCOUNT);
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

/* If this succeeds, the thread of the worker has ended. */
static int free_worker(struct vhost_scsi_dev *dev, struct vhost_scsi_worker *w)
{
	vhost_scsi_worker_stop(w);
	if (wait_for_completion_killable(&w->exited))
		return -EINTR;
	xa_erase(&dev->workers, w->id);
	vhost_scsi_worker_free(w);
	return 0;
}

/**
 * vhost_scsi_workers_start - make the first worker, which serves all queues
 * @dev: has no worker; the owner calls, with dev->mutex held
 *
 * Return: 0 or a negative errno.
 */
int vhost_scsi_workers_start(struct vhost_scsi_dev *dev)
{
	struct vhost_scsi_worker *w;
	unsigned int i;

	w = new_worker(dev);
	if (IS_ERR(w))
		return PTR_ERR(w);
	for (i = 0; i < dev->nvqs; i++)
		attach(&dev->vqs[i], w);
	return 0;
}

/**
 * vhost_scsi_workers_stop - stop all workers, and wait until they have ended
 * @dev: no queue runs; dev->mutex is held
 *
 * Return: 0. -EINTR: a fatal signal arrived.
 */
int vhost_scsi_workers_stop(struct vhost_scsi_dev *dev)
{
	struct vhost_scsi_worker *w;
	unsigned long id;

	xa_for_each(&dev->workers, id, w) {
		vhost_scsi_worker_stop(w);
		if (wait_for_completion_killable(&w->exited))
			return -EINTR;
	}
	return 0;
}

/**
 * vhost_scsi_workers_close - have the workers stop the queues, and end
 * @dev: its file was closed, and dev->closed is set
 *
 * This does not wait for the workers.
 */
void vhost_scsi_workers_close(struct vhost_scsi_dev *dev)
{
	struct vhost_scsi_worker *w;
	unsigned long id;
	unsigned int i;

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
}

/**
 * vhost_scsi_workers_free - free all workers
 * @dev: its workers have ended
 */
void vhost_scsi_workers_free(struct vhost_scsi_dev *dev)
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
	/* vhost_scsi_vq_queue() of a queue that it served may still queue work to it. */
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
	vq = &dev->vqs[array_index_nospec(arg.index, dev->nvqs)];

	if (cmd == VHOST_GET_VRING_WORKER) {
		w = rcu_dereference_protected(vq->worker,
					      lockdep_is_held(&dev->mutex));
		arg.worker_id = w->id;
		return copy_to_user(argp, &arg, sizeof(arg)) ? -EFAULT : 0;
	}

	w = xa_load(&dev->workers, arg.worker_id);
	if (!w || READ_ONCE(w->stop) || READ_ONCE(w->killed))
		return -ENODEV;
	attach(vq, w);
	/* Pairs with worker_run(): if the work is queued still, vq_work() sees @w. */
	smp_mb();
	/* Chains may have come while the old worker was killed. */
	vhost_scsi_vq_queue(vq);
	return 0;
}

/**
 * vhost_scsi_worker_ioctl - handle the ioctls that name a worker
 * @dev: the device
 * @cmd: number of the ioctl
 * @argp: its argument
 *
 * Context: the owner's ioctl with dev->mutex held.
 * Return: 0 or a negative errno, see Documentation/contract.rst. -ENOIOCTLCMD: @cmd
 * is not one of these ioctls.
 */
long vhost_scsi_worker_ioctl(struct vhost_scsi_dev *dev, unsigned int cmd,
			     void __user *argp)
{
	switch (cmd) {
	case VHOST_NEW_WORKER:
		return ioctl_new_worker(dev, argp);
	case VHOST_FREE_WORKER:
		return ioctl_free_worker(dev, argp);
	case VHOST_ATTACH_VRING_WORKER:
	case VHOST_GET_VRING_WORKER:
		return ioctl_vring_worker(dev, cmd, argp);
	default:
		return -ENOIOCTLCMD;
	}
}
