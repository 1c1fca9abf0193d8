// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls that name a queue. Documentation/contract.rst has the errors of
 * each.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/file.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>

#include "internal.h"

static int set_num(struct vhost_scsi_vq *vq, u32 num)
{
	if (vhost_scsi_vq_is_live(vq))
		return -EBUSY;
	if (!num || num > VHOST_SCSI_RING_MAX || num & (num - 1))
		return -EINVAL;
	vq->num = num;
	return 0;
}

static int set_base(struct vhost_scsi_vq *vq, u32 num)
{
	if (vhost_scsi_vq_is_live(vq))
		return -EBUSY;
	if (num > U16_MAX)
		return -EINVAL;
	vq->base = num;
	return 0;
}

static int set_vring_endian(struct vhost_scsi_vq *vq, u32 num)
{
	if (vhost_scsi_vq_is_live(vq))
		return -EBUSY;
	if (num != VHOST_VRING_LITTLE_ENDIAN && num != VHOST_VRING_BIG_ENDIAN)
		return -EINVAL;
	vq->big_endian = num == VHOST_VRING_BIG_ENDIAN;
	return 0;
}

static int set_busyloop(struct vhost_scsi_vq *vq, u32 num)
{
	vq->busyloop = num;
	return 0;
}

static u32 get_vring_endian(const struct vhost_scsi_vq *vq)
{
	return vq->big_endian ? VHOST_VRING_BIG_ENDIAN :
				VHOST_VRING_LITTLE_ENDIAN;
}

static int set_addr(struct vhost_scsi_vq *vq, const void __user *argp)
{
	struct vhost_vring_addr addr;

	if (copy_from_user(&addr, argp, sizeof(addr)))
		return -EFAULT;
	if (addr.flags & ~BIT(VHOST_VRING_F_LOG))
		return -EOPNOTSUPP;
	if ((unsigned long)addr.desc_user_addr != addr.desc_user_addr ||
	    (unsigned long)addr.avail_user_addr != addr.avail_user_addr ||
	    (unsigned long)addr.used_user_addr != addr.used_user_addr)
		return -EFAULT;
	addr.desc_user_addr = vhost_scsi_untagged(addr.desc_user_addr);
	addr.avail_user_addr = vhost_scsi_untagged(addr.avail_user_addr);
	addr.used_user_addr = vhost_scsi_untagged(addr.used_user_addr);
	if (addr.desc_user_addr & (VRING_DESC_ALIGN_SIZE - 1) ||
	    addr.avail_user_addr & (VRING_AVAIL_ALIGN_SIZE - 1) ||
	    addr.used_user_addr & (VRING_USED_ALIGN_SIZE - 1) ||
	    addr.log_guest_addr & (VRING_USED_ALIGN_SIZE - 1))
		return -EINVAL;

	if (vhost_scsi_vq_is_live(vq))
		return vhost_scsi_vq_move(vq, &addr);
	vq->addr = addr;
	vq->ring_set = true;
	vq->dev->rings_set = true;
	return 0;
}

static int set_kick(struct vhost_scsi_vq *vq, int fd)
{
	struct file *file = NULL;

	if (fd != VHOST_FILE_UNBIND) {
		file = eventfd_fget(fd);
		if (IS_ERR(file))
			return PTR_ERR(file);
	}
	vhost_scsi_kick_set(vq, file);
	if (vq->running) {
		vhost_scsi_kick_start(vq);
		/* Look for chains that came before the worker listened. */
		vhost_scsi_vq_queue(vq);
	}
	return 0;
}

static int get_base(struct vhost_scsi_vq *vq, u32 *num)
{
	int ret;

	vq->stopped = vq->dev->bound;
	ret = vhost_scsi_vq_halt(vq);
	if (!ret)
		ret = vhost_scsi_vq_drain(vq);
	*num = vq->base;
	return ret;
}

static struct vhost_scsi_vq *vq_from_user(struct vhost_scsi_dev *dev,
					  const void __user *argp)
{
	u32 index;

	if (get_user(index, (const u32 __user *)argp))
		return ERR_PTR(-EFAULT);
	if (index >= dev->nvqs)
		return ERR_PTR(-ENOBUFS);
	return &dev->vqs[array_index_nospec(index, dev->nvqs)];
}

static const struct {
	unsigned int cmd;
	int (*set)(struct vhost_scsi_vq *vq, u32 num);
} state_ioctls[] = {
	{ VHOST_SET_VRING_NUM, set_num },
	{ VHOST_SET_VRING_BASE, set_base },
	{ VHOST_SET_VRING_ENDIAN, set_vring_endian },
	{ VHOST_SET_VRING_BUSYLOOP_TIMEOUT, set_busyloop },
};

static int vq_set_state(struct vhost_scsi_vq *vq, unsigned int cmd,
			const void __user *argp)
{
	struct vhost_vring_state state;
	int i, ret = -ENOIOCTLCMD;

	if (copy_from_user(&state, argp, sizeof(state)))
		return -EFAULT;
	if (mutex_lock_killable(&vq->mutex))
		return -EINTR;
	for (i = 0; i < ARRAY_SIZE(state_ioctls); i++)
		if (state_ioctls[i].cmd == cmd)
			ret = state_ioctls[i].set(vq, state.num);
	mutex_unlock(&vq->mutex);
	return ret;
}

static int vq_get_state(struct vhost_scsi_vq *vq, unsigned int cmd,
			void __user *argp)
{
	struct vhost_vring_state state = { .index = vq->index };
	int ret = 0;

	switch (cmd) {
	case VHOST_GET_VRING_BASE:
		ret = get_base(vq, &state.num);
		break;
	case VHOST_GET_VRING_ENDIAN:
		state.num = get_vring_endian(vq);
		break;
	case VHOST_GET_VRING_BUSYLOOP_TIMEOUT:
		state.num = vq->busyloop;
		break;
	}
	if (!ret && copy_to_user(argp, &state, sizeof(state)))
		ret = -EFAULT;
	return ret;
}

static int vq_set_file(struct vhost_scsi_vq *vq, unsigned int cmd,
		       const void __user *argp)
{
	struct vhost_vring_file file;
	int ret;

	if (copy_from_user(&file, argp, sizeof(file)))
		return -EFAULT;
	if (mutex_lock_killable(&vq->mutex))
		return -EINTR;
	if (cmd == VHOST_SET_VRING_KICK)
		ret = set_kick(vq, file.fd);
	else if (cmd == VHOST_SET_VRING_CALL)
		ret = vhost_scsi_call_set(&vq->call, file.fd);
	else
		ret = vhost_scsi_call_set(&vq->err, file.fd);
	mutex_unlock(&vq->mutex);
	return ret;
}

/*
 * A queue of a bound device starts when it has both its eventfd and its addresses,
 * whichever comes last. An owner that stopped the queue by VHOST_GET_VRING_BASE continues
 * by VHOST_SET_VRING_KICK: it may set other things after the addresses.
 */
static int vq_restart(struct vhost_scsi_vq *vq, unsigned int cmd)
{
	if (!vq->dev->bound || vq->running || !vq->kick.file ||
	    !vhost_scsi_vq_is_setup(vq))
		return 0;
	if (cmd != VHOST_SET_VRING_KICK &&
	    (cmd != VHOST_SET_VRING_ADDR || vq->stopped))
		return 0;
	return vhost_scsi_vq_start(vq);
}

/**
 * vhost_scsi_vq_ioctl - handle the ioctls that name a queue
 * @dev: the device
 * @cmd: number of the ioctl
 * @argp: its argument
 *
 * Context: the owner's ioctl with dev->mutex held.
 * Return: 0 or a negative errno, see Documentation/contract.rst. -ENOIOCTLCMD: @cmd
 * is not one of these ioctls.
 */
long vhost_scsi_vq_ioctl(struct vhost_scsi_dev *dev, unsigned int cmd,
			 void __user *argp)
{
	struct vhost_scsi_vq *vq;
	int ret;

	switch (cmd) {
	case VHOST_SET_VRING_NUM:
	case VHOST_SET_VRING_BASE:
	case VHOST_SET_VRING_ENDIAN:
	case VHOST_SET_VRING_BUSYLOOP_TIMEOUT:
	case VHOST_GET_VRING_BASE:
	case VHOST_GET_VRING_ENDIAN:
	case VHOST_GET_VRING_BUSYLOOP_TIMEOUT:
	case VHOST_SET_VRING_ADDR:
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
		break;
	default:
		return -ENOIOCTLCMD;
	}

	vq = vq_from_user(dev, argp);
	if (IS_ERR(vq))
		return PTR_ERR(vq);

	switch (cmd) {
	case VHOST_GET_VRING_BASE:
	case VHOST_GET_VRING_ENDIAN:
	case VHOST_GET_VRING_BUSYLOOP_TIMEOUT:
		return vq_get_state(vq, cmd, argp);
	case VHOST_SET_VRING_ADDR:
		if (mutex_lock_killable(&vq->mutex))
			return -EINTR;
		ret = set_addr(vq, argp);
		mutex_unlock(&vq->mutex);
		return ret ? ret : vq_restart(vq, cmd);
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
		ret = vq_set_file(vq, cmd, argp);
		return ret ? ret : vq_restart(vq, cmd);
	default:
		return vq_set_state(vq, cmd, argp);
	}
}
