/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions that only the files of this wing and its tests call.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_QUEUE_INTERNAL_H
#define _VHOST_SCSI_QUEUE_INTERNAL_H

#include "queue.h"

/* life.c */

int vhost_scsi_life_setup(void);
void vhost_scsi_life_cleanup(void);
struct vhost_scsi_wq *vhost_scsi_wq_new(void);
struct vhost_scsi_wq *vhost_scsi_wq_get(struct vhost_scsi_wq *wq);
void vhost_scsi_wq_put(struct vhost_scsi_wq *wq);
int vhost_scsi_life_init(struct vhost_scsi_life *life,
			 void (*end)(struct vhost_scsi_life *life),
			 void (*free)(struct vhost_scsi_life *life));
void vhost_scsi_life_get(struct vhost_scsi_life *life);
void vhost_scsi_life_put(struct vhost_scsi_life *life);
void vhost_scsi_life_close(struct vhost_scsi_life *life);

/* worker.c */

struct vhost_scsi_worker *vhost_scsi_worker_new(struct vhost_scsi_dev *dev,
						u32 id);
void vhost_scsi_worker_queue(struct vhost_scsi_worker *w,
			     struct vhost_scsi_work *work);
void vhost_scsi_worker_run(struct vhost_scsi_worker *w);
void vhost_scsi_worker_wake(struct vhost_scsi_worker *w);
void vhost_scsi_worker_stop(struct vhost_scsi_worker *w);
void vhost_scsi_worker_free(struct vhost_scsi_worker *w);
void vhost_scsi_work_init(struct vhost_scsi_work *work,
			  void (*fn)(struct vhost_scsi_work *work,
				     struct vhost_scsi_worker *w));

/* standin.c */

void vhost_scsi_standin_init(struct vhost_scsi_worker *w);
bool vhost_scsi_standin_wake(struct vhost_scsi_worker *w);
void vhost_scsi_standin_cancel(struct vhost_scsi_worker *w);

/* notify.c */

enum vhost_scsi_signal {
	VHOST_SCSI_SIGNAL_NONE,
	VHOST_SCSI_SIGNAL_NOW,
	/* when the worker's pass ends, or a tick later: vq->signal_delayed */
	VHOST_SCSI_SIGNAL_DELAYED,
	/* after the work items that wait on this processor: vq->signal_work */
	VHOST_SCSI_SIGNAL_QUEUED,
};

int vhost_scsi_notify_setup(void);
void vhost_scsi_notify_cleanup(void);
void vhost_scsi_notify_init(struct vhost_scsi_vq *vq);
void vhost_scsi_notify_quiesce(struct vhost_scsi_vq *vq);
void vhost_scsi_notify_reset(struct vhost_scsi_vq *vq);
void vhost_scsi_kick_start(struct vhost_scsi_vq *vq);
void vhost_scsi_kick_stop(struct vhost_scsi_vq *vq);
void vhost_scsi_kick_set(struct vhost_scsi_vq *vq, struct file *file);
int vhost_scsi_call_set(struct vhost_scsi_call __rcu **slot, int fd);
void vhost_scsi_call_signal(struct vhost_scsi_call __rcu **slot);
void vhost_scsi_vq_signal(struct vhost_scsi_vq *vq);
enum vhost_scsi_signal vhost_scsi_signal_decide(struct vhost_scsi_vq *vq);
void vhost_scsi_signal(struct vhost_scsi_vq *vq, enum vhost_scsi_signal when);

/* copy.c */

/* In the order of vq->maps. */
enum {
	VHOST_SCSI_MAP_DESC,
	VHOST_SCSI_MAP_AVAIL,
	VHOST_SCSI_MAP_USED,
	VHOST_SCSI_MAPS,
};

static inline bool vhost_scsi_is_copy(const struct vhost_scsi_map *maps)
{
	return maps[VHOST_SCSI_MAP_USED].user;
}

int vhost_scsi_copy_avail_idx(struct vhost_scsi_vq *vq);
int vhost_scsi_copy_desc(struct vhost_scsi_vq *vq);
int vhost_scsi_copy_notify(struct vhost_scsi_vq *vq);
int vhost_scsi_copy_used(struct vhost_scsi_vq *vq);
int vhost_scsi_copy_wish(struct vhost_scsi_vq *vq);

/* vring.c */

/**
 * vhost_scsi_vq_log_used - mark a part of the device area of a ring as written
 * @vq: the queue
 * @off: offset in the device area
 * @len: bytes
 *
 * Context: as vhost_scsi_log_write().
 */
static inline void vhost_scsi_vq_log_used(struct vhost_scsi_vq *vq, size_t off,
					  size_t len)
{
	if (unlikely(rcu_access_pointer(vq->log)) && READ_ONCE(vq->log_used))
		vhost_scsi_log_mark(&vq->log,
				    READ_ONCE(vq->log_used_addr) + off, len);
}

void vhost_scsi_vq_log_chain(struct vhost_scsi_vq *vq, u16 idx);

/* Returns true if the queue runs, or is stopped and has chains under way. */
static inline bool vhost_scsi_vq_is_live(struct vhost_scsi_vq *vq)
{
	return !completion_done(&vq->drained);
}

void vhost_scsi_vq_init(struct vhost_scsi_vq *vq, struct vhost_scsi_dev *dev,
			u32 index);
void vhost_scsi_vq_reset(struct vhost_scsi_vq *vq);
void vhost_scsi_vq_set_by_worker(struct vhost_scsi_vq *vq);
int vhost_scsi_vq_start(struct vhost_scsi_vq *vq);
int vhost_scsi_vq_set_features(struct vhost_scsi_vq *vq, u64 features);
int vhost_scsi_vq_halt(struct vhost_scsi_vq *vq);
int vhost_scsi_vq_drain(struct vhost_scsi_vq *vq);
void vhost_scsi_vq_close(struct vhost_scsi_vq *vq);
void vhost_scsi_vq_teardown(struct vhost_scsi_vq *vq);
int vhost_scsi_vq_move(struct vhost_scsi_vq *vq,
		       const struct vhost_vring_addr *addr);

/* vring_ioctl.c */

long vhost_scsi_vq_ioctl(struct vhost_scsi_dev *dev, unsigned int cmd,
			 void __user *argp);

/* worker_ioctl.c */

int vhost_scsi_workers_start(struct vhost_scsi_dev *dev);
int vhost_scsi_workers_stop(struct vhost_scsi_dev *dev);
void vhost_scsi_workers_close(struct vhost_scsi_dev *dev);
void vhost_scsi_workers_free(struct vhost_scsi_dev *dev);
long vhost_scsi_worker_ioctl(struct vhost_scsi_dev *dev, unsigned int cmd,
			     void __user *argp);

#endif /* _VHOST_SCSI_QUEUE_INTERNAL_H */
