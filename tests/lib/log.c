// SPDX-License-Identifier: GPL-2.0-only
/* Dirty log, as a hypervisor uses it for live migration. */

#include "vsg.h"

int vsg_set_log_base(struct vsg_dev *dev, void *bitmap)
{
	uint64_t base = (uintptr_t)bitmap;

	return vsg_ioctl(dev, VHOST_SET_LOG_BASE, &base);
}

int vsg_set_log_fd(struct vsg_dev *dev, int fd)
{
	return vsg_ioctl(dev, VHOST_SET_LOG_FD, &fd);
}

static int set_log(struct vsg_dev *dev, bool on)
{
	uint64_t features = dev->features & ~VSG_F(VHOST_F_LOG_ALL);
	unsigned int i;
	int ret;

	if (on)
		features |= VSG_F(VHOST_F_LOG_ALL);
	ret = vsg_set_features(dev, features);
	if (ret)
		return ret;
	dev->features = features;
	dev->log_rings = on;
	for (i = 0; i < dev->nr_rings && !ret; i++)
		ret = vsg_ring_set_addr(&dev->ring[i]);
	return ret;
}

int vsg_log_start(struct vsg_dev *dev, void *bitmap)
{
	int ret = vsg_set_log_base(dev, bitmap);

	return ret ? ret : set_log(dev, true);
}

int vsg_log_stop(struct vsg_dev *dev)
{
	return set_log(dev, false);
}
