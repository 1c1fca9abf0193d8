// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/vhost-scsi: open, close, and the ioctls of a SCSI host.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/uaccess.h>

#include "vhost/queue/queue.h"
#include "request.h"

static unsigned int max_io_vqs = 128;
module_param(max_io_vqs, uint, 0644);
MODULE_PARM_DESC(max_io_vqs,
		 "Request queues of a device, 1 to 1024. Default 128.");

static unsigned int inline_sg_cnt = VHOST_SCSI_INLINE_SG;
module_param(inline_sg_cnt, uint, 0644);
MODULE_PARM_DESC(inline_sg_cnt,
		 "Accepted for the settings of other modules; no effect here.");

static int start_rings(struct vhost_scsi_dev *dev)
{
	unsigned int i;
	int ret;

	for (i = 0; i < dev->nvqs; i++) {
		/* Firmware sets up fewer than there are. */
		if (!vhost_scsi_vq_is_setup(&dev->vqs[i]))
			continue;
		ret = vhost_scsi_vq_start(&dev->vqs[i]);
		if (ret)
			return ret;
	}
	return 0;
}

/* As vhost_scsi_unbind(), but which rings the owner has set stays known. */
static int stop_and_release(struct vhost_scsi_dev *dev)
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
	if (!dev->ep)
		return 0;
	vhost_scsi_endpoint_put(dev->ep);
	dev->ep = NULL;
	vhost_scsi_mem_unpin(dev->mem);
	/* What waits is about this port, and for this run of the guest. */
	vhost_scsi_events_clear(&dev->events);
	return 0;
}

/**
 * vhost_scsi_unbind - stop, wait for what is under way, give the endpoint back
 * @dev: with dev->mutex held
 *
 * Return: 0; -EINTR: killed meanwhile; nothing is taken from the rings any
 * more, the device stays bound, and this can be called again.
 */
int vhost_scsi_unbind(struct vhost_scsi_dev *dev)
{
	bool bound = dev->ep;
	unsigned int i;
	int ret;

	ret = stop_and_release(dev);
	if (ret || !bound)
		return ret;
	for (i = 0; i < dev->nvqs; i++)
		dev->vqs[i].ring_set = false;
	dev->rings_set = false;
	return 0;
}

static int set_endpoint(struct vhost_scsi_dev *dev,
			const struct vhost_scsi_target *t)
{
	struct vhost_scsi_endpoint *ep;
	int ret = 0;

	if (dev->ep)
		return -EEXIST;
	if (!dev->mem)
		return -EFAULT;
	ep = vhost_scsi_endpoint_get(t->vhost_wwpn, dev);
	if (IS_ERR(ep))
		return PTR_ERR(ep);
	dev->ep = ep;
	dev->poll_us = vhost_scsi_endpoint_poll_us(ep);

	if (vhost_scsi_endpoint_pins(ep))
		ret = vhost_scsi_mem_pin(dev->mem, NULL, &dev->watch,
					 vhost_scsi_dev_wq);
	if (!ret)
		ret = start_rings(dev);
	if (ret)
		stop_and_release(dev);
	return ret;
}

static int clear_endpoint(struct vhost_scsi_dev *dev,
			  const struct vhost_scsi_target *t)
{
	if (!dev->ep)
		return 0;
	if (strcmp(vhost_scsi_endpoint_wwpn(dev->ep), t->vhost_wwpn))
		return -EINVAL;
	return vhost_scsi_unbind(dev);
}

static int ioctl_endpoint(struct vhost_scsi_dev *dev, unsigned int cmd,
			  const void __user *argp)
{
	struct vhost_scsi_target t;
	int ret;

	if (copy_from_user(&t, argp, sizeof(t)))
		return -EFAULT;
	if (t.reserved)
		return -EOPNOTSUPP;
	/* No target has a name that fills the field. */
	t.vhost_wwpn[sizeof(t.vhost_wwpn) - 1] = 0;

	ret = vhost_scsi_dev_check_owner(dev);
	if (ret)
		return ret;
	return cmd == VHOST_SCSI_SET_ENDPOINT ? set_endpoint(dev, &t) :
						clear_endpoint(dev, &t);
}

static int ioctl_events_missed(struct vhost_scsi_dev *dev, unsigned int cmd,
			       u32 __user *argp)
{
	u32 missed;

	if (cmd == VHOST_SCSI_GET_EVENTS_MISSED)
		return put_user(vhost_scsi_events_get_missed(dev), argp);
	if (get_user(missed, argp))
		return -EFAULT;
	vhost_scsi_events_set_missed(dev, missed);
	return 0;
}

static long chardev_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	struct vhost_scsi_dev *dev = file->private_data;
	void __user *argp = (void __user *)arg;
	long ret;

	if (cmd == VHOST_SCSI_GET_ABI_VERSION)
		return put_user(VHOST_SCSI_ABI_VERSION, (int __user *)argp);

	if (mutex_lock_killable(&dev->mutex))
		return -EINTR;
	switch (cmd) {
	case VHOST_SCSI_SET_ENDPOINT:
	case VHOST_SCSI_CLEAR_ENDPOINT:
		ret = ioctl_endpoint(dev, cmd, argp);
		break;
	case VHOST_SCSI_SET_EVENTS_MISSED:
	case VHOST_SCSI_GET_EVENTS_MISSED:
		ret = ioctl_events_missed(dev, cmd, argp);
		break;
	default:
		ret = vhost_scsi_dev_ioctl(dev, cmd, argp);
	}
	mutex_unlock(&dev->mutex);
	return ret;
}

static int chardev_open(struct inode *inode, struct file *file)
{
	unsigned int nr = clamp(READ_ONCE(max_io_vqs), 1U,
				(unsigned int)VHOST_SCSI_MAX_IO_VQ);
	struct vhost_scsi_dev *dev;
	unsigned int i;

	dev = vhost_scsi_dev_new(nr + VHOST_SCSI_VQ_IO);
	if (!dev)
		return -ENOMEM;

	dev->vqs[VHOST_SCSI_VQ_CTL].handle = vhost_scsi_control_handle;
	dev->vqs[VHOST_SCSI_VQ_EVT].handle = vhost_scsi_event_handle;
	for (i = VHOST_SCSI_VQ_IO; i < dev->nvqs; i++)
		dev->vqs[i].handle = vhost_scsi_request_handle;
	file->private_data = dev;
	return 0;
}

static int chardev_release(struct inode *inode, struct file *file)
{
	vhost_scsi_dev_close(file->private_data);
	return 0;
}

static const struct file_operations chardev_fops = {
	.owner = THIS_MODULE,
	.open = chardev_open,
	.release = chardev_release,
	.unlocked_ioctl = chardev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice chardev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vhost-scsi",
	.fops = &chardev_fops,
};

int vhost_scsi_chardev_register(void)
{
	int ret;

	ret = vhost_scsi_dev_init();
	if (ret)
		return ret;
	ret = misc_register(&chardev);
	if (ret)
		vhost_scsi_dev_exit();
	return ret;
}

void vhost_scsi_chardev_unregister(void)
{
	misc_deregister(&chardev);
	vhost_scsi_dev_exit();
}
