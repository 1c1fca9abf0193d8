// SPDX-License-Identifier: GPL-2.0-only
/*
 * What everybody may see of a bound device: /sys/class/misc/vhost-scsi/devices, see
 * Documentation/ABI/testing/sysfs-class-misc-vhost-scsi.
 *
 * A reader takes no lock of the device, because an ioctl holds that while it waits for
 * a backend. Whatever it looks at stays until the directories are removed, and that
 * waits for the readers: the endpoint, and the counters.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/kobject.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "scsi.h"

/**
 * struct dir - a directory
 * @kobj: frees the struct
 * @host: the device
 * @vq: of a queue: the queue
 * @is_lun: of a LUN
 * @key: the LUN
 * @next: in a list of struct vhost_scsi_show
 */
struct dir {
	struct kobject kobj;
	struct vhost_scsi_host *host;
	struct vhost_scsi_vq *vq;
	bool is_lun;
	u32 key;
	struct dir *next;
};

/**
 * struct vhost_scsi_show - the directories of a bound device
 * @pid: who bound it, in the initial namespace
 * @comm: its name
 * @bound_at: seconds since 1970
 * @device: the device
 * @queues: the directory of the queues
 * @luns: that of the LUNs
 * @queue_list: each queue that ran
 * @lun_lists: each LUN that had a command, as in struct vhost_scsi_counts
 * @old_luns: those that had one before the device was bound are among them
 * @debug: what root may see
 */
struct vhost_scsi_show {
	pid_t pid;
	char comm[TASK_COMM_LEN];
	time64_t bound_at;
	struct dir *device;
	struct dir *queues;
	struct dir *luns;
	struct dir *queue_list;
	struct dir *lun_lists[VHOST_SCSI_COUNT_LISTS];
	bool old_luns;
	struct vhost_scsi_shown *debug;
};

/* The parent of all; NULL: there is none. */
static struct kobject *devices;

static struct dir *dir_of(struct kobject *kobj)
{
	return container_of(kobj, struct dir, kobj);
}

static const struct vhost_scsi_show *show_of(const struct dir *dir)
{
	/* Pairs with show_new(). */
	return smp_load_acquire(&dir->host->show);
}

/*
 * The device.
 */

static int wwpn_show(const struct dir *dir, unsigned int arg, char *buf)
{
	return sysfs_emit(buf, "%s\n",
			  vhost_scsi_endpoint_wwpn(dir->host->ep));
}

static int targets_show(const struct dir *dir, unsigned int arg, char *buf)
{
	const struct vhost_scsi_endpoint *ep = dir->host->ep;
	unsigned int i;
	int len = 0;
	u8 target;

	for (i = 0; i < VHOST_SCSI_MAX_TARGET; i++) {
		target = i;
		if (vhost_scsi_endpoint_has(ep, &target, 0))
			len += sysfs_emit_at(buf, len, len ? " %u" : "%u", i);
	}
	return len + sysfs_emit_at(buf, len, "\n");
}

static int pid_show(const struct dir *dir, unsigned int arg, char *buf)
{
	const struct vhost_scsi_show *show = show_of(dir);

	return sysfs_emit(buf, "%d\n", show ? show->pid : 0);
}

static int comm_show(const struct dir *dir, unsigned int arg, char *buf)
{
	const struct vhost_scsi_show *show = show_of(dir);

	return sysfs_emit(buf, "%s\n", show ? show->comm : "");
}

static int bound_show(const struct dir *dir, unsigned int arg, char *buf)
{
	const struct vhost_scsi_show *show = show_of(dir);

	return sysfs_emit(buf, "%lld\n", show ? show->bound_at : 0);
}

static int closed_show(const struct dir *dir, unsigned int arg, char *buf)
{
	return sysfs_emit(buf, "%lld\n",
			  READ_ONCE(dir->host->closed_at));
}

static int features_show(const struct dir *dir, unsigned int arg, char *buf)
{
	return sysfs_emit(buf, "0x%016llx\n",
			  READ_ONCE(dir->host->dev.features));
}

/*
 * Commands of a device, a queue, a LUN.
 */

static void sum(const struct dir *dir, struct vhost_scsi_sums *sums)
{
	struct vhost_scsi_dev *dev = &dir->host->dev;
	unsigned int i;

	memset(sums, 0, sizeof(*sums));
	if (dir->vq) {
		vhost_scsi_sum_queue(dir->vq, sums);
	} else if (dir->is_lun) {
		vhost_scsi_sum_lun(dev, dir->key, sums);
	} else {
		for (i = VHOST_SCSI_VQ_IO; i < dev->nvqs; i++)
			vhost_scsi_sum_queue(&dev->vqs[i], sums);
	}
}

static int stat_show(const struct dir *dir, unsigned int arg, char *buf)
{
	struct vhost_scsi_sums s;
	u64 ended, errors = 0;
	int i;

	sum(dir, &s);
	ended = s.nr[0] + s.nr[1] + s.nr[2] + s.dropped;
	for (i = 0; i < VHOST_SCSI_ERRORS; i++)
		errors += s.errors[i];
	return sysfs_emit(buf, "%llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu\n",
			  s.nr[VHOST_SCSI_KIND_IN], s.bytes[VHOST_SCSI_KIND_IN],
			  s.nr[VHOST_SCSI_KIND_OUT], s.bytes[VHOST_SCSI_KIND_OUT],
			  s.nr[VHOST_SCSI_KIND_NONE], s.taken - ended, s.highest,
			  s.taken, s.dropped, errors, s.residuals, s.deferred,
			  s.bounced);
}

static int errors_show(const struct dir *dir, unsigned int arg, char *buf)
{
	struct vhost_scsi_sums s;
	int i, len = 0;

	sum(dir, &s);
	for (i = 0; i < VHOST_SCSI_ERRORS; i++)
		len += sysfs_emit_at(buf, len, i ? " %llu" : "%llu", s.errors[i]);
	return len + sysfs_emit_at(buf, len, "\n");
}

/*
 * Functions, events, memory.
 */

/* @arg: VIRTIO_SCSI_T_TMF_* or VHOST_SCSI_TMFS_OTHER. */
static int tmf_show(const struct dir *dir, unsigned int arg, char *buf)
{
	atomic64_t *tmfs = dir->host->stat.tmfs[arg];
	u64 nr[VHOST_SCSI_TMFS_ENDS], ended = 0;
	int i, len = 0;

	/* As the sums of commands: what began is read last. */
	for (i = VHOST_SCSI_TMFS_BEGUN + 1; i < VHOST_SCSI_TMFS_ENDS; i++) {
		nr[i] = atomic64_read(&tmfs[i]);
		ended += nr[i];
	}
	/* See above. */
	smp_rmb();
	nr[VHOST_SCSI_TMFS_BEGUN] = atomic64_read(&tmfs[VHOST_SCSI_TMFS_BEGUN]);
	for (i = 0; i < VHOST_SCSI_TMFS_ENDS; i++)
		len += sysfs_emit_at(buf, len, "%llu ", nr[i]);
	return len + sysfs_emit_at(buf, len, "%llu\n",
				   nr[VHOST_SCSI_TMFS_BEGUN] - ended);
}

static int events_show(const struct dir *dir, unsigned int arg, char *buf)
{
	const struct vhost_scsi_host *host = dir->host;

	return sysfs_emit(buf, "%llu %llu %u\n", READ_ONCE(host->stat.events_sent),
			  READ_ONCE(host->stat.events_missed),
			  READ_ONCE(host->events.nr));
}

static int memory_show(const struct dir *dir, unsigned int arg, char *buf)
{
	struct vhost_scsi_dev *dev = &dir->host->dev;
	const struct vhost_scsi_mem_size *size = &dev->mem_size;
	unsigned int i;
	u64 kept = 0;

	for (i = VHOST_SCSI_VQ_IO; i < dev->nvqs; i++)
		kept += vhost_scsi_pages_kept(&dev->vqs[i]);
	return sysfs_emit(buf, "%llu %llu %llu %llu\n", READ_ONCE(size->regions),
			  READ_ONCE(size->bytes),
			  READ_ONCE(dev->bound) && READ_ONCE(dev->pin_memory) ?
			  READ_ONCE(size->pages) : 0ULL, kept);
}

/*
 * Queues.
 */

static int ring_show(const struct dir *dir, unsigned int arg, char *buf)
{
	const struct vhost_scsi_vq *vq = dir->vq;
	const struct vhost_scsi_counts *counts = vhost_scsi_counts(vq);
	u64 signals = READ_ONCE(vq->used_stat.signals);
	u64 chains = READ_ONCE(vq->used_stat.chains);

	/* A ring that moves may be signalled for nothing. */
	return sysfs_emit(buf, "%u %llu %llu %llu %llu %llu %llu %llu %u\n",
			  READ_ONCE(vq->num), chains, READ_ONCE(vq->kick.nr),
			  signals, chains - min(chains, signals),
			  READ_ONCE(vq->avail_stat.polls_paid),
			  READ_ONCE(vq->avail_stat.polls_unpaid),
			  counts ? READ_ONCE(counts->slow) : 0,
			  READ_ONCE(vq->broken));
}

static int worker_show(const struct dir *dir, unsigned int arg, char *buf)
{
	struct vhost_scsi_worker_stat stat;

	if (!vhost_scsi_vq_worker_stat(dir->vq, &stat))
		return sysfs_emit(buf, "\n");
	return sysfs_emit(buf, "%u %d %llu\n", stat.id, stat.tid, stat.ns);
}

/**
 * struct dir_file - an attribute
 * @attr: its name
 * @show: writes it
 * @arg: for @show
 */
struct dir_file {
	struct attribute attr;
	int (*show)(const struct dir *dir, unsigned int arg, char *buf);
	unsigned int arg;
};

static ssize_t dir_file_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	const struct dir_file *f = container_of(attr, struct dir_file, attr);

	return f->show(dir_of(kobj), f->arg, buf);
}

static const struct sysfs_ops dir_ops = { .show = dir_file_show };

#define FILE(_name, _show, _arg)						\
	(&((struct dir_file) {							\
		.attr = { .name = _name, .mode = 0444 },			\
		.show = _show, .arg = _arg,					\
	}).attr)

static struct attribute *device_attrs[] = {
	FILE("wwpn", wwpn_show, 0),
	FILE("targets", targets_show, 0),
	FILE("pid", pid_show, 0),
	FILE("comm", comm_show, 0),
	FILE("bound", bound_show, 0),
	FILE("closed", closed_show, 0),
	FILE("features", features_show, 0),
	FILE("stat", stat_show, 0),
	FILE("errors", errors_show, 0),
	FILE("tmf_abort_task", tmf_show, VIRTIO_SCSI_T_TMF_ABORT_TASK),
	FILE("tmf_abort_task_set", tmf_show, VIRTIO_SCSI_T_TMF_ABORT_TASK_SET),
	FILE("tmf_clear_aca", tmf_show, VIRTIO_SCSI_T_TMF_CLEAR_ACA),
	FILE("tmf_clear_task_set", tmf_show, VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET),
	FILE("tmf_nexus_reset", tmf_show, VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET),
	FILE("tmf_lun_reset", tmf_show, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET),
	FILE("tmf_query_task", tmf_show, VIRTIO_SCSI_T_TMF_QUERY_TASK),
	FILE("tmf_query_task_set", tmf_show, VIRTIO_SCSI_T_TMF_QUERY_TASK_SET),
	FILE("tmf_other", tmf_show, VHOST_SCSI_TMFS_OTHER),
	FILE("events", events_show, 0),
	FILE("memory", memory_show, 0),
	NULL,
};
ATTRIBUTE_GROUPS(device);

static struct attribute *request_attrs[] = {
	FILE("stat", stat_show, 0),
	FILE("errors", errors_show, 0),
	FILE("ring", ring_show, 0),
	FILE("worker", worker_show, 0),
	NULL,
};
ATTRIBUTE_GROUPS(request);

/* Of the control queue and the event queue. */
static struct attribute *other_attrs[] = {
	FILE("ring", ring_show, 0),
	FILE("worker", worker_show, 0),
	NULL,
};
ATTRIBUTE_GROUPS(other);

static struct attribute *lun_attrs[] = {
	FILE("stat", stat_show, 0),
	FILE("errors", errors_show, 0),
	NULL,
};
ATTRIBUTE_GROUPS(lun);

static void dir_release(struct kobject *kobj)
{
	kfree(dir_of(kobj));
}

static const struct kobj_type device_type = {
	.release = dir_release,
	.sysfs_ops = &dir_ops,
	.default_groups = device_groups,
};

static const struct kobj_type plain_type = {
	.release = dir_release,
	.sysfs_ops = &dir_ops,
};

static const struct kobj_type request_type = {
	.release = dir_release,
	.sysfs_ops = &dir_ops,
	.default_groups = request_groups,
};

static const struct kobj_type other_type = {
	.release = dir_release,
	.sysfs_ops = &dir_ops,
	.default_groups = other_groups,
};

static const struct kobj_type lun_type = {
	.release = dir_release,
	.sysfs_ops = &dir_ops,
	.default_groups = lun_groups,
};

/*
 * Directories.
 */

static struct dir *dir_alloc(struct vhost_scsi_host *host)
{
	struct dir *dir = kzalloc(sizeof(*dir), GFP_KERNEL_ACCOUNT);

	if (dir)
		dir->host = host;
	return dir;
}

/* Returns @dir, or NULL, and then it is freed. No uevent: nobody need wake for it. */
__printf(4, 5) static struct dir *dir_add(struct dir *dir,
					  const struct kobj_type *type,
					  struct kobject *parent,
					  const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;
	int ret;

	if (!dir)
		return NULL;
	va_start(args, fmt);
	vaf.va = &args;
	ret = kobject_init_and_add(&dir->kobj, type, parent, "%pV", &vaf);
	va_end(args);
	if (!ret)
		return dir;
	kobject_put(&dir->kobj);
	return NULL;
}

static void dirs_remove(struct dir *dir)
{
	struct dir *next;

	for (; dir; dir = next) {
		next = dir->next;
		/* Waits for readers. The last put may come later (DEBUG_KOBJECT_RELEASE). */
		kobject_del(&dir->kobj);
		kobject_put(&dir->kobj);
	}
}

static void show_free(struct vhost_scsi_show *show)
{
	unsigned int i;

	vhost_scsi_debug_hide(show->debug);
	dirs_remove(show->queue_list);
	for (i = 0; i < VHOST_SCSI_COUNT_LISTS; i++)
		dirs_remove(show->lun_lists[i]);
	dirs_remove(show->queues);
	dirs_remove(show->luns);
	dirs_remove(show->device);
	kfree(show);
}

/* Who binds: its name may have any bytes, and the file has one line. */
static void note_owner(struct vhost_scsi_show *show)
{
	char *c;

	show->pid = task_tgid_nr(current);
	get_task_comm(show->comm, current->group_leader);
	for (c = show->comm; *c; c++)
		if (!isascii(*c) || !isprint(*c))
			*c = '?';
	show->bound_at = ktime_get_real_seconds();
}

static struct vhost_scsi_show *show_new(struct vhost_scsi_host *host)
{
	struct vhost_scsi_show *show;

	show = kzalloc(sizeof(*show), GFP_KERNEL_ACCOUNT);
	if (!show)
		return NULL;
	note_owner(show);
	show->device = dir_add(dir_alloc(host), &device_type, devices, "%llu",
			       host->dev.nr);
	if (!show->device)
		goto err;
	show->queues = dir_add(dir_alloc(host), &plain_type,
			       &show->device->kobj, "queues");
	show->luns = dir_add(dir_alloc(host), &plain_type, &show->device->kobj,
			     "luns");
	if (!show->queues || !show->luns)
		goto err;
	show->debug = vhost_scsi_debug_show(host);
	return show;

err:
	show_free(show);
	return NULL;
}

static void show_queue(struct vhost_scsi_show *show, struct vhost_scsi_host *host,
		       struct vhost_scsi_vq *vq)
{
	struct dir *dir;

	for (dir = show->queue_list; dir; dir = dir->next)
		if (dir->vq == vq)
			return;
	dir = dir_alloc(host);
	if (!dir)
		return;
	dir->vq = vq;
	dir = dir_add(dir, vq->index < VHOST_SCSI_VQ_IO ? &other_type : &request_type,
		      &show->queues->kobj, "%u", vq->index);
	if (!dir)
		return;
	dir->next = show->queue_list;
	show->queue_list = dir;
}

/**
 * vhost_scsi_show - show a device that is bound, and the queues that run
 * @host: the device; nothing happens if it is not bound, or is shown already
 *
 * If there is no memory, some of it is not shown.
 *
 * Context: an ioctl with dev.mutex held.
 */
void vhost_scsi_show(struct vhost_scsi_host *host)
{
	struct vhost_scsi_dev *dev = &host->dev;
	struct vhost_scsi_show *show = host->show;
	unsigned int i;

	if (!host->ep || !READ_ONCE(devices))
		return;
	if (!show) {
		show = show_new(host);
		if (!show)
			return;
		/* Pairs with show_of() and show_luns(). */
		smp_store_release(&host->show, show);
		queue_work(vhost_scsi_dev_wq, &host->show_work);
	}
	for (i = 0; i < dev->nvqs; i++)
		if (dev->vqs[i].running)
			show_queue(show, host, &dev->vqs[i]);
}

/**
 * vhost_scsi_hide - the device is not bound any more
 * @host: has no command under way; its endpoint and its counters are still there
 *
 * Context: may sleep; dev.mutex is held, or nobody else uses the device.
 */
void vhost_scsi_hide(struct vhost_scsi_host *host)
{
	struct vhost_scsi_show *show = host->show;

	cancel_work_sync(&host->show_work);
	/* They are old when the device is bound again. */
	llist_del_all(&host->unshown);
	if (!show)
		return;
	show_free(show);
	host->show = NULL;
}

static void show_lun(struct vhost_scsi_show *show, struct vhost_scsi_host *host,
		     u32 key)
{
	struct dir **list = &show->lun_lists[vhost_scsi_key_list(key)], *dir;

	for (dir = *list; dir; dir = dir->next)
		if (dir->key == key)
			return;
	dir = dir_alloc(host);
	if (!dir)
		return;
	dir->is_lun = true;
	dir->key = key;
	dir = dir_add(dir, &lun_type, &show->luns->kobj, "%u:%u", key >> 16,
		      key & 0xffff);
	if (!dir)
		return;
	dir->next = *list;
	*list = dir;
}

/* Counters stay when the device is not bound any more. */
static void show_old_luns(struct vhost_scsi_show *show,
			  struct vhost_scsi_host *host)
{
	const struct vhost_scsi_counts *counts;
	const struct vhost_scsi_count *count;
	unsigned int i, list;

	for (i = VHOST_SCSI_VQ_IO; i < host->dev.nvqs; i++) {
		counts = vhost_scsi_counts(&host->dev.vqs[i]);
		for (list = 0; counts && list < VHOST_SCSI_COUNT_LISTS; list++) {
			/* Pairs with count_new(). */
			count = smp_load_acquire(&counts->luns[list]);
			for (; count; count = count->next)
				show_lun(show, host, count->key);
			cond_resched();
		}
	}
}

/* A queue has had its first command to a LUN. The worker does not wait for sysfs. */
static void show_luns(struct work_struct *work)
{
	struct vhost_scsi_count *count, *next;
	struct vhost_scsi_host *host;
	struct vhost_scsi_show *show;

	host = container_of(work, struct vhost_scsi_host, show_work);
	/* Pairs with vhost_scsi_show(), which queues the work again. */
	show = smp_load_acquire(&host->show);
	if (!show)
		return;
	if (!show->old_luns)
		show_old_luns(show, host);
	show->old_luns = true;
	llist_for_each_entry_safe(count, next, llist_del_all(&host->unshown),
				  unshown) {
		show_lun(show, host, count->key);
		cond_resched();
	}
}

void vhost_scsi_show_init(struct vhost_scsi_host *host)
{
	static atomic64_t hosts;

	host->dev.nr = atomic64_inc_return(&hosts);
	init_llist_head(&host->unshown);
	INIT_WORK(&host->show_work, show_luns);
}

/**
 * vhost_scsi_show_setup - prepare for devices
 * @chardev: /dev/vhost-scsi
 *
 * Without memory nothing is shown, and all else works.
 */
void vhost_scsi_show_setup(struct device *chardev)
{
	vhost_scsi_debug_setup();
	WRITE_ONCE(devices, kobject_create_and_add("devices", &chardev->kobj));
}

/* No device is bound any more: that would keep the module. */
void vhost_scsi_show_cleanup(void)
{
	kobject_put(devices);
	vhost_scsi_debug_cleanup();
}
