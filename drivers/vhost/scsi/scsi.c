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
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "request.h"
#include "scsi.h"
#include "trace.h"

static unsigned int max_io_vqs = 128;
module_param(max_io_vqs, uint, 0644);
MODULE_PARM_DESC(max_io_vqs,
		 "Request queues of a device, 1 to 1024. Default 128.");

static unsigned int inline_sg_cnt = VHOST_SCSI_INLINE_SG;
module_param(inline_sg_cnt, uint, 0644);
MODULE_PARM_DESC(inline_sg_cnt,
		 "Accepted for the settings of other modules; no effect here.");

static void release_endpoint(struct vhost_scsi_host *host)
{
	if (!host->ep)
		return;
	trace_vhost_scsi_unbind(host->dev.nr, vhost_scsi_endpoint_wwpn(host->ep), 0);
	vhost_scsi_say(VHOST_SCSI_LOG_BINDINGS, "device %llu of process %d: %s is free\n",
		       host->dev.nr, host->dev.pid,
		       vhost_scsi_endpoint_wwpn(host->ep));
	vhost_scsi_hide(host);
	host->luns = vhost_scsi_endpoint_put(host->ep);
	host->ep = NULL;
	vhost_scsi_events_suspend(&host->events);
}

/*
 * Stops the device, waits for the requests under way, and releases the endpoint.
 * Return: as vhost_scsi_dev_stop().
 */
static int host_unbind(struct vhost_scsi_dev *dev)
{
	int ret;

	ret = vhost_scsi_dev_stop(dev);
	if (!ret)
		release_endpoint(vhost_scsi_host(dev));
	return ret;
}

static void host_reset(struct vhost_scsi_dev *dev)
{
	struct vhost_scsi_host *host = vhost_scsi_host(dev);
	unsigned int i;

	release_endpoint(host);
	for (i = VHOST_SCSI_VQ_IO; i < dev->nvqs; i++)
		vhost_scsi_counts_free(&dev->vqs[i]);
	vhost_scsi_stat_reset(&host->stat);
	host->luns = 0;
	vhost_scsi_events_clear(&host->events);
	vhost_scsi_events_set_missed(&host->events, false);
}

static void host_free(struct vhost_scsi_dev *dev)
{
	/* Not with the endpoint: QEMU gives that back when a guest resets. */
	vhost_scsi_target_lost(dev);
	vhost_scsi_tmfs_free(&vhost_scsi_host(dev)->tmfs);
	kvfree(vhost_scsi_host(dev));
}

static const struct vhost_scsi_dev_ops host_ops = {
	.features = BIT_ULL(VIRTIO_SCSI_F_HOTPLUG) |
		    BIT_ULL(VIRTIO_SCSI_F_CHANGE) |
		    BIT_ULL(VIRTIO_SCSI_F_T10_PI),
	.bound_features = BIT_ULL(VIRTIO_SCSI_F_T10_PI),
	.unbind = host_unbind,
	.reset = host_reset,
	.free = host_free,
};

static int set_endpoint(struct vhost_scsi_host *host,
			const struct vhost_scsi_target *t)
{
	const struct vhost_scsi_vq *ctl = &host->dev.vqs[VHOST_SCSI_VQ_CTL];
	struct vhost_scsi_endpoint *ep;
	int ret;

	if (host->ep)
		return -EEXIST;
	if (!host->dev.mem)
		return -EFAULT;
	ep = vhost_scsi_endpoint_get(t->vhost_wwpn, &host->dev,
				     vhost_scsi_has(&host->dev,
						    VIRTIO_SCSI_F_T10_PI),
				     !vhost_scsi_vq_is_setup(ctl));
	if (IS_ERR(ep))
		return PTR_ERR(ep);
	host->ep = ep;
	/* LUNs came or went while the guest was paused. */
	if (host->luns && host->luns != vhost_scsi_endpoint_luns(ep) &&
	    vhost_scsi_has(&host->dev, VIRTIO_SCSI_F_HOTPLUG))
		vhost_scsi_events_set_missed(&host->events, true);

	ret = vhost_scsi_dev_start(&host->dev, vhost_scsi_endpoint_pins(ep),
				   vhost_scsi_endpoint_poll_us(ep));
	/* If a fatal signal interrupted stopping the rings, the device stays bound. */
	if (ret && !host->dev.bound)
		release_endpoint(host);
	return ret;
}

static int clear_endpoint(struct vhost_scsi_host *host,
			  const struct vhost_scsi_target *t)
{
	if (!host->ep)
		return 0;
	if (strcmp(vhost_scsi_endpoint_wwpn(host->ep), t->vhost_wwpn))
		return -EINVAL;
	return host_unbind(&host->dev);
}

static int ioctl_endpoint(struct vhost_scsi_host *host, unsigned int cmd,
			  const void __user *argp)
{
	struct vhost_scsi_target t;
	int ret;

	if (copy_from_user(&t, argp, sizeof(t)))
		return -EFAULT;
	if (t.reserved)
		return -EOPNOTSUPP;
	/* Names of ports are shorter than the field. */
	t.vhost_wwpn[sizeof(t.vhost_wwpn) - 1] = 0;

	ret = vhost_scsi_dev_check_owner(&host->dev);
	if (ret)
		return ret;
	if (cmd == VHOST_SCSI_CLEAR_ENDPOINT)
		return clear_endpoint(host, &t);
	ret = set_endpoint(host, &t);
	trace_vhost_scsi_bind(host->dev.nr, t.vhost_wwpn, ret);
	if (!ret)
		vhost_scsi_say(VHOST_SCSI_LOG_BINDINGS,
			       "device %llu of process %d: bound to %s\n",
			       host->dev.nr, host->dev.pid, t.vhost_wwpn);
	else if (ret == -EBUSY || ret == -EACCES || ret == -ENODEV)
		vhost_scsi_say(VHOST_SCSI_LOG_FAULTS,
			       "process %d is not bound to %*pE: %s\n",
			       task_tgid_nr(current),
			       (int)strnlen(t.vhost_wwpn, sizeof(t.vhost_wwpn)),
			       t.vhost_wwpn,
			       ret == -EBUSY ? "another device has it" :
			       ret == -EACCES ? "attrib/bind_uid is of another user" :
						"there is no such port, or it has no nexus");
	return ret;
}

static int ioctl_events_missed(struct vhost_scsi_host *host, unsigned int cmd,
			       u32 __user *argp)
{
	u32 missed;

	if (cmd == VHOST_SCSI_GET_EVENTS_MISSED)
		return put_user(vhost_scsi_events_get_missed(&host->events), argp);
	if (get_user(missed, argp))
		return -EFAULT;
	vhost_scsi_events_set_missed(&host->events, missed);
	return 0;
}

static long chardev_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	struct vhost_scsi_host *host = file->private_data;
	struct vhost_scsi_dev *dev = &host->dev;
	void __user *argp = (void __user *)arg;
	long ret;

	if (cmd == VHOST_SCSI_GET_ABI_VERSION)
		return put_user(VHOST_SCSI_ABI_VERSION, (int __user *)argp);

	if (mutex_lock_killable(&dev->mutex))
		return -EINTR;
	switch (cmd) {
	case VHOST_SCSI_SET_ENDPOINT:
	case VHOST_SCSI_CLEAR_ENDPOINT:
		ret = ioctl_endpoint(host, cmd, argp);
		break;
	case VHOST_SCSI_SET_EVENTS_MISSED:
	case VHOST_SCSI_GET_EVENTS_MISSED:
		ret = ioctl_events_missed(host, cmd, argp);
		break;
	default:
		ret = vhost_scsi_dev_ioctl(dev, cmd, argp);
	}
	/*
	 * An ioctl that is not known is how a process asks what there is. One that a signal
	 * ended is called again, or its process is killed.
	 */
	if (ret && ret != -EINTR && ret != -ERESTARTNOINTR && ret != -ENOIOCTLCMD &&
	    cmd != VHOST_SCSI_SET_ENDPOINT)
		vhost_scsi_say(VHOST_SCSI_LOG_FAULTS,
			       "device %llu: ioctl %u of process %d is wrong here: error %ld\n",
			       dev->nr, _IOC_NR(cmd), task_tgid_nr(current), ret);
	/* What it has bound, or started. */
	vhost_scsi_show(host);
	mutex_unlock(&dev->mutex);
	return ret;
}

static int chardev_open(struct inode *inode, struct file *file)
{
	unsigned int nr = clamp(READ_ONCE(max_io_vqs), 1U,
				(unsigned int)VHOST_SCSI_MAX_IO_VQ);
	unsigned int i, nvqs = nr + VHOST_SCSI_VQ_IO;
	struct vhost_scsi_host *host;

	host = kvzalloc(struct_size(host, dev.vqs, nvqs), GFP_KERNEL_ACCOUNT);
	if (!host)
		return -ENOMEM;

	vhost_scsi_events_init(&host->events);
	vhost_scsi_stat_init(&host->stat);
	vhost_scsi_show_init(host);
	vhost_scsi_tmfs_init(&host->tmfs);
	if (vhost_scsi_dev_init(&host->dev, nvqs, &host_ops)) {
		kvfree(host);
		return -ENOMEM;
	}
	host->dev.vqs[VHOST_SCSI_VQ_CTL].ops = &vhost_scsi_control_ops;
	host->dev.vqs[VHOST_SCSI_VQ_EVT].ops = &vhost_scsi_event_ops;
	for (i = VHOST_SCSI_VQ_IO; i < nvqs; i++)
		host->dev.vqs[i].ops = &vhost_scsi_request_ops;
	file->private_data = host;
	return 0;
}

static int chardev_release(struct inode *inode, struct file *file)
{
	struct vhost_scsi_host *host = file->private_data;

	WRITE_ONCE(host->closed_at, ktime_get_real_seconds());
	vhost_scsi_dev_close(&host->dev);
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

	/* The limit of attrib/poll_us must not exceed that of queues. */
	BUILD_BUG_ON(VHOST_SCSI_MAX_POLL_US > VHOST_SCSI_POLL_MAX_US);
	ret = vhost_scsi_queue_setup();
	if (ret)
		return ret;
	ret = misc_register(&chardev);
	if (ret)
		vhost_scsi_queue_cleanup();
	else
		vhost_scsi_show_setup(chardev.this_device);
	return ret;
}

void vhost_scsi_chardev_unregister(void)
{
	vhost_scsi_show_cleanup();
	misc_deregister(&chardev);
	vhost_scsi_queue_cleanup();
}
