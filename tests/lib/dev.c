// SPDX-License-Identifier: GPL-2.0-only
/* The life of a vhost-scsi device: open, start, stop, close. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ring.h"

int vsg_ioctl(struct vsg_dev *dev, unsigned long cmd, void *arg)
{
	int ret = ioctl(dev->fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

static int rings_create(struct vsg_dev *dev, unsigned int nr_io,
			unsigned int ring_size)
{
	unsigned int i;
	int ret;

	dev->nr_rings = VSG_IO + nr_io;
	dev->ring = calloc(dev->nr_rings, sizeof(*dev->ring));
	if (!dev->ring)
		return -ENOMEM;
	for (i = 0; i < dev->nr_rings; i++) {
		dev->ring[i].kick = -1;
		dev->ring[i].call = -1;
		dev->ring[i].err = -1;
	}
	for (i = 0; i < dev->nr_rings; i++) {
		ret = vsg_ring_create(&dev->ring[i], dev, i, ring_size);
		if (ret)
			return ret;
	}
	return 0;
}

static int dev_setup(struct vsg_dev *dev, const struct vsg_opts *opts)
{
	uint64_t want = opts->features ? opts->features : VSG_FEATURES_MODERN;
	size_t size = opts->mem_size ? opts->mem_size : 32 << 20;
	unsigned int i;
	int ret;

	dev->fd = open(opts->path ? opts->path : VSG_DEV_PATH,
		       O_RDWR | O_CLOEXEC);
	if (dev->fd < 0)
		return -errno;
	if (opts->kernel_threads) {
		uint8_t kthread = VHOST_FORK_OWNER_KTHREAD;

		ret = vsg_ioctl(dev, VHOST_SET_FORK_FROM_OWNER, &kthread);
		if (ret && ret != -ENOTTY)
			return ret;
	}
	ret = vsg_ioctl(dev, VHOST_SET_OWNER, NULL);
	if (!ret)
		ret = vsg_ioctl(dev, VHOST_GET_FEATURES, &dev->offered);
	if (!ret)
		ret = vsg_mem_add(&dev->mem, 0, size, opts->mem_flags);
	if (!ret)
		ret = rings_create(dev, opts->nr_io ? opts->nr_io : 1,
				   opts->ring_size ? opts->ring_size : 128);
	if (ret)
		return ret;
	dev->features = want & dev->offered;
	for (i = 0; i < dev->nr_rings; i++) {
		struct vsg_ring *r = &dev->ring[i];

		r->event_idx = dev->features & VSG_F(VIRTIO_RING_F_EVENT_IDX);
		r->native = !(dev->features & VSG_F(VIRTIO_F_VERSION_1));
	}
	return 0;
}

int vsg_open(struct vsg_dev **devp, const struct vsg_opts *opts)
{
	static const struct vsg_opts defaults;
	struct vsg_dev *dev;
	int ret;

	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	ret = dev_setup(dev, opts ? opts : &defaults);
	if (ret) {
		vsg_close(dev);
		return ret;
	}
	*devp = dev;
	return 0;
}

void vsg_close(struct vsg_dev *dev)
{
	unsigned int i;

	if (!dev)
		return;
	if (dev->fd >= 0)
		close(dev->fd);
	for (i = 0; i < dev->nr_rings && dev->ring; i++)
		vsg_ring_destroy(&dev->ring[i]);
	free(dev->ring);
	vsg_mem_destroy(&dev->mem);
	free(dev);
}

int vsg_set_features(struct vsg_dev *dev, uint64_t features)
{
	return vsg_ioctl(dev, VHOST_SET_FEATURES, &features);
}

int vsg_set_mem_table(struct vsg_dev *dev)
{
	const struct vsg_mem *mem = &dev->mem;
	struct vhost_memory *table;
	unsigned int i;
	int ret;

	table = calloc(1, sizeof(*table) + mem->nr * sizeof(table->regions[0]));
	if (!table)
		return -ENOMEM;
	table->nregions = mem->nr;
	for (i = 0; i < mem->nr; i++) {
		table->regions[i].guest_phys_addr = mem->region[i].gpa;
		table->regions[i].memory_size = mem->region[i].size;
		table->regions[i].userspace_addr =
			(uintptr_t)mem->region[i].hva;
	}
	ret = vsg_ioctl(dev, VHOST_SET_MEM_TABLE, table);
	free(table);
	return ret;
}

static int ring_set_file(struct vsg_ring *r, unsigned long cmd, int fd)
{
	struct vhost_vring_file file = { .index = r->index, .fd = fd };

	return vsg_ioctl(r->dev, cmd, &file);
}

int vsg_ring_set_addr(struct vsg_ring *r)
{
	struct vhost_vring_addr addr = {
		.index = r->index,
		.flags = r->dev->log_rings ? 1 << VHOST_VRING_F_LOG : 0,
		.desc_user_addr = (uintptr_t)r->desc,
		.avail_user_addr = (uintptr_t)r->avail,
		.used_user_addr = (uintptr_t)r->used,
		.log_guest_addr = vsg_gpa(&r->dev->mem, r->used),
	};

	return vsg_ioctl(r->dev, VHOST_SET_VRING_ADDR, &addr);
}

int vsg_ring_start(struct vsg_ring *r)
{
	struct vhost_vring_state num = { .index = r->index, .num = r->num };
	struct vhost_vring_state base = { .index = r->index, .num = r->base };
	int ret;

	ret = vsg_ioctl(r->dev, VHOST_SET_VRING_NUM, &num);
	if (!ret)
		ret = vsg_ioctl(r->dev, VHOST_SET_VRING_BASE, &base);
	if (!ret)
		ret = vsg_ring_set_addr(r);
	if (!ret)
		ret = ring_set_file(r, VHOST_SET_VRING_KICK, r->kick);
	if (!ret)
		ret = ring_set_file(r, VHOST_SET_VRING_CALL, r->call);
	if (!ret)
		ret = ring_set_file(r, VHOST_SET_VRING_ERR, r->err);
	return ret;
}

int vsg_ring_get_base(struct vsg_ring *r)
{
	struct vhost_vring_state base = { .index = r->index };
	int ret;

	ret = vsg_ioctl(r->dev, VHOST_GET_VRING_BASE, &base);
	if (ret)
		return ret;
	r->base = base.num;
	return base.num & 0xffff;
}

static int endpoint(struct vsg_dev *dev, unsigned long cmd, const char *wwpn)
{
	struct vhost_scsi_target t = { .abi_version = VHOST_SCSI_ABI_VERSION };

	snprintf(t.vhost_wwpn, sizeof(t.vhost_wwpn), "%s", wwpn);
	return vsg_ioctl(dev, cmd, &t);
}

int vsg_set_endpoint(struct vsg_dev *dev, const char *wwpn)
{
	int ret = endpoint(dev, VHOST_SCSI_SET_ENDPOINT, wwpn);

	if (!ret)
		snprintf(dev->wwpn, sizeof(dev->wwpn), "%s", wwpn);
	return ret;
}

int vsg_clear_endpoint(struct vsg_dev *dev, const char *wwpn)
{
	return endpoint(dev, VHOST_SCSI_CLEAR_ENDPOINT, wwpn);
}

int vsg_start(struct vsg_dev *dev, const char *wwpn)
{
	unsigned int i;
	int ret;

	ret = vsg_set_features(dev, dev->features);
	if (!ret)
		ret = vsg_set_mem_table(dev);
	for (i = 0; i < dev->nr_rings && !ret; i++)
		ret = vsg_ring_start(&dev->ring[i]);
	return ret ? ret : vsg_set_endpoint(dev, wwpn);
}

int vsg_stop(struct vsg_dev *dev)
{
	unsigned int i;
	int wrong = 0;
	int ret;

	ret = endpoint(dev, VHOST_SCSI_CLEAR_ENDPOINT, dev->wwpn);
	if (ret)
		return ret;
	dev->wwpn[0] = 0;
	for (i = 0; i < dev->nr_rings; i++) {
		struct vsg_ring *r = &dev->ring[i];

		ret = vsg_ring_get_base(r);
		if (ret < 0)
			return ret;
		wrong += vsg_v16(r, r->used->idx) != ret;
	}
	return wrong;
}

unsigned long vsg_errors(const struct vsg_dev *dev)
{
	unsigned long n = 0;
	unsigned int i;

	for (i = 0; i < dev->nr_rings; i++) {
		const struct vsg_errors *e = &dev->ring[i].errors;

		n += e->unknown + e->overrun + e->lost_call;
	}
	return n;
}
