/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the UAPI headers of an older distribution lack.  Every definition is
 * skipped when <linux/vhost.h> has it, so the newest headers win.
 */
#ifndef VSG_UAPI_H
#define VSG_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>
#include <linux/vhost.h>

#ifndef VHOST_NEW_WORKER
struct vhost_worker_state {
	/* set by NEW_WORKER, read by FREE_WORKER */
	unsigned int worker_id;
};

struct vhost_vring_worker {
	unsigned int index;	/* the virtqueue */
	unsigned int worker_id;
};

#define VHOST_NEW_WORKER \
	_IOR(VHOST_VIRTIO, 0x8, struct vhost_worker_state)
#define VHOST_FREE_WORKER \
	_IOW(VHOST_VIRTIO, 0x9, struct vhost_worker_state)
#define VHOST_ATTACH_VRING_WORKER \
	_IOW(VHOST_VIRTIO, 0x15, struct vhost_vring_worker)
#define VHOST_GET_VRING_WORKER \
	_IOWR(VHOST_VIRTIO, 0x16, struct vhost_vring_worker)
#endif

#ifndef VHOST_GET_FEATURES_ARRAY
struct vhost_features_array {
	__u64 count;
	__u64 features[];
};

#define VHOST_GET_FEATURES_ARRAY \
	_IOR(VHOST_VIRTIO, 0x83, struct vhost_features_array)
#define VHOST_SET_FEATURES_ARRAY \
	_IOW(VHOST_VIRTIO, 0x83, struct vhost_features_array)
#endif

#ifndef VHOST_SET_FORK_FROM_OWNER
#define VHOST_FORK_OWNER_KTHREAD 0
#define VHOST_FORK_OWNER_TASK 1
#define VHOST_SET_FORK_FROM_OWNER	_IOW(VHOST_VIRTIO, 0x84, __u8)
#define VHOST_GET_FORK_FROM_OWNER	_IOR(VHOST_VIRTIO, 0x85, __u8)
#endif

/* virtio 1.2, 5.6.6.2, has a name for it, and linux/virtio_scsi.h has none. */
#define VIRTIO_SCSI_S_FUNCTION_COMPLETE	VIRTIO_SCSI_S_OK

#endif /* VSG_UAPI_H */
