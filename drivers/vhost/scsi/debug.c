// SPDX-License-Identifier: GPL-2.0-only
/*
 * What root may see of a bound device: the commands in flight, the slowest ones, and
 * latencies; see Documentation/ABI/testing/debugfs-vhost-scsi.
 *
 * As in show.c, a reader takes no lock of the device, and removal waits for it.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/debugfs.h>
#include <linux/math64.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <scsi/scsi_common.h>

#include "scsi.h"

/**
 * struct vhost_scsi_shown - a device with a directory
 * @node: in the list of all
 * @host: the device
 * @dir: its directory
 */
struct vhost_scsi_shown {
	struct list_head node;
	struct vhost_scsi_host *host;
	struct dentry *dir;
};

static struct dentry *root;
static DEFINE_MUTEX(shown_mutex);	/* protects @shown and the switch; a leaf */
static LIST_HEAD(shown);

static const char kind_chars[] = {
	[VHOST_SCSI_KIND_OUT] = 'w',
	[VHOST_SCSI_KIND_IN] = 'r',
	[VHOST_SCSI_KIND_NONE] = 'n',
};

static char attr_char(u8 attr)
{
	switch (attr) {
	case VIRTIO_SCSI_S_ORDERED:
		return 'O';
	case VIRTIO_SCSI_S_HEAD:
		return 'H';
	case VIRTIO_SCSI_S_ACA:
		return 'A';
	default:
		return 'S';
	}
}

static void put_cdb(struct seq_file *m, const u8 *cdb)
{
	unsigned int len = min_t(unsigned int, scsi_command_size(cdb),
				 VHOST_SCSI_CDB_SIZE);

	seq_printf(m, " %*phN\n", len, cdb);
}

/*
 * Commands in flight, a queue at a time; the control queue has the functions.
 */

/**
 * struct look - a look at a queue
 * @m: where it is written
 * @host: the device
 * @queue: index of the queue
 */
struct look {
	struct seq_file *m;
	struct vhost_scsi_host *host;
	unsigned int queue;
};

static u64 age_us(u32 started)
{
	return div_u64(jiffies64_to_nsecs((u32)jiffies - started), NSEC_PER_USEC);
}

static void put_cmd(const struct vhost_scsi_cmd *cmd, u32 started, void *priv)
{
	const struct look *look = priv;
	const char *holder = vhost_scsi_target_holder(cmd);
	u8 stage = READ_ONCE(cmd->stage);
	static const char * const stages[] = {
		[VHOST_SCSI_AT_WORKER] = "taken",
		[VHOST_SCSI_AT_LUN] = "waiting",
		[VHOST_SCSI_AT_TURN] = "waiting",
		[VHOST_SCSI_AT_BACKEND] = "backend",
		[VHOST_SCSI_AT_FENCE] = "fence",
		[VHOST_SCSI_AT_ANSWER] = "answer",
	};

	if (stage == VHOST_SCSI_AT_BACKEND &&
	    vhost_scsi_tmfs_concern(look->host, cmd))
		holder = "function";
	seq_printf(look->m, "%llu %u 0x%llx %u %u %c %u %c %s %s",
		   age_us(started), look->queue, cmd->tag, cmd->target, cmd->lun,
		   kind_chars[vhost_scsi_kind(cmd->dir)], cmd->data_len,
		   attr_char(cmd->task_attr), stages[stage], holder);
	put_cdb(look->m, cmd->cdb);
}

static void put_tmf(const struct vhost_scsi_tmf *tmf, u32 started,
		    const char *stage, void *priv)
{
	const struct look *look = priv;
	bool by_worker = *stage == 'f' || *stage == 'a';
	static const char * const functions[] = {
		[VIRTIO_SCSI_T_TMF_ABORT_TASK] = "ABORT_TASK",
		[VIRTIO_SCSI_T_TMF_ABORT_TASK_SET] = "ABORT_TASK_SET",
		[VIRTIO_SCSI_T_TMF_CLEAR_ACA] = "CLEAR_ACA",
		[VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET] = "CLEAR_TASK_SET",
		[VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET] = "I_T_NEXUS_RESET",
		[VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET] = "LUN_RESET",
		[VIRTIO_SCSI_T_TMF_QUERY_TASK] = "QUERY_TASK",
		[VIRTIO_SCSI_T_TMF_QUERY_TASK_SET] = "QUERY_TASK_SET",
	};

	seq_printf(look->m, "%llu %u 0x%llx %u %u n 0 - %s %s %s\n",
		   age_us(started), VHOST_SCSI_VQ_CTL, tmf->tag, tmf->target,
		   tmf->lun, stage, by_worker ? "worker" : "backend",
		   functions[tmf->function]);
}

static void *queue_start(struct seq_file *m, loff_t *pos)
{
	struct vhost_scsi_host *host = m->private;

	return *pos < host->dev.nvqs ? &host->dev.vqs[*pos] : NULL;
}

static void *queue_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return queue_start(m, pos);
}

static void queue_stop(struct seq_file *m, void *v)
{
}

static int inflight_show(struct seq_file *m, void *v)
{
	struct vhost_scsi_vq *vq = v;
	struct look look = {
		.m = m, .host = m->private, .queue = vq->index,
	};

	if (vq->index == VHOST_SCSI_VQ_CTL)
		vhost_scsi_tmfs_each(look.host, put_tmf, &look);
	else if (vq->index >= VHOST_SCSI_VQ_IO)
		vhost_scsi_slots_each(vq, put_cmd, &look);
	return 0;
}

static const struct seq_operations inflight_sops = {
	.start = queue_start,
	.next = queue_next,
	.stop = queue_stop,
	.show = inflight_show,
};
DEFINE_SEQ_ATTRIBUTE(inflight);

/*
 * Latencies.
 */

static void put_times(struct seq_file *m, const struct vhost_scsi_vq *vq,
		      const struct vhost_scsi_count *count, bool none)
{
	static const char * const stages[VHOST_SCSI_STAGES] = {
		"submit", "backend", "answer", "total",
	};
	const struct vhost_scsi_histogram *h;
	const struct vhost_scsi_times *times;
	unsigned int stage, kind, i;
	u64 nr[VHOST_SCSI_BUCKETS], n, sum;

	/* Pairs with vhost_scsi_times_alloc(). */
	times = smp_load_acquire(&count->times);
	if (!times)
		return;
	for (stage = 0; stage < VHOST_SCSI_STAGES; stage++) {
		for (kind = 0; kind < VHOST_SCSI_KINDS; kind++) {
			h = &times->of[kind][stage];
			memset(nr, 0, sizeof(nr));
			for (i = 0, sum = 0; i < VHOST_SCSI_ALL_BUCKETS; i++) {
				n = READ_ONCE(h->nr[i]);
				nr[min(i, VHOST_SCSI_BUCKETS - 1U)] += n;
				sum += n;
			}
			if (!sum)
				continue;
			seq_printf(m, "%u ", vq->index);
			if (none)
				seq_puts(m, "- -");
			else
				seq_printf(m, "%u %u", count->key >> 16,
					   count->key & 0xffff);
			seq_printf(m, " %s %c %llu %llu", stages[stage],
				   kind_chars[kind], sum,
				   READ_ONCE(h->sum));
			for (i = 0; i < VHOST_SCSI_BUCKETS; i++)
				seq_printf(m, " %llu", nr[i]);
			seq_putc(m, '\n');
		}
	}
}

static int latency_show(struct seq_file *m, void *v)
{
	const struct vhost_scsi_vq *vq = v;
	const struct vhost_scsi_counts *counts;
	const struct vhost_scsi_count *count;
	unsigned int i;

	if (vq->index < VHOST_SCSI_VQ_IO)
		return 0;
	counts = vhost_scsi_counts(vq);
	if (!counts)
		return 0;
	for (i = 0; i < VHOST_SCSI_COUNT_LISTS; i++) {
		/* Pairs with count_new(). */
		count = smp_load_acquire(&counts->luns[i]);
		for (; count; count = count->next)
			put_times(m, vq, count, false);
	}
	put_times(m, vq, &counts->none, true);
	return 0;
}

static const struct seq_operations latency_sops = {
	.start = queue_start,
	.next = queue_next,
	.stop = queue_stop,
	.show = latency_show,
};
DEFINE_SEQ_ATTRIBUTE(latency);

/* The switch of all devices. */
static ssize_t switch_read(struct file *file, char __user *buf, size_t len,
			   loff_t *pos)
{
	const char *text = static_key_enabled(&vhost_scsi_timing) ? "1\n" : "0\n";

	return simple_read_from_buffer(buf, len, pos, text, 2);
}

static ssize_t switch_write(struct file *file, const char __user *buf, size_t len,
			    loff_t *pos)
{
	struct vhost_scsi_shown *s;
	bool on;
	int ret;

	ret = kstrtobool_from_user(buf, len, &on);
	if (ret)
		return ret;
	if (mutex_lock_interruptible(&shown_mutex))
		return -EINTR;
	if (on && !static_key_enabled(&vhost_scsi_timing)) {
		list_for_each_entry(s, &shown, node)
			vhost_scsi_times_clear(&s->host->dev);
		static_branch_enable(&vhost_scsi_used_watched);
		static_branch_enable(&vhost_scsi_timing);
		vhost_scsi_times_arm(true);
	} else if (!on && static_key_enabled(&vhost_scsi_timing)) {
		vhost_scsi_times_arm(false);
		static_branch_disable(&vhost_scsi_timing);
		static_branch_disable(&vhost_scsi_used_watched);
	}
	mutex_unlock(&shown_mutex);
	return len;
}

static const struct file_operations switch_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = switch_read,
	.write = switch_write,
	.llseek = default_llseek,
};

/*
 * The slowest commands. Who opens the file takes them.
 */

/**
 * struct slow_list - what an open file has
 * @nr: number of @slow
 * @slow: the slowest first
 */
struct slow_list {
	unsigned int nr;
	struct vhost_scsi_slow slow[VHOST_SCSI_SLOW];
};

static int slow_cmp(const void *a, const void *b)
{
	const struct vhost_scsi_slow *x = a, *y = b;

	return x->ns < y->ns ? 1 : x->ns > y->ns ? -1 : 0;
}

static void slow_take(struct vhost_scsi_stat *stat, struct slow_list *list)
{
	unsigned long flags;

	spin_lock_irqsave(&stat->slow_lock, flags);
	list->nr = stat->slow_nr;
	if (stat->slow)
		memcpy(list->slow, stat->slow, list->nr * sizeof(list->slow[0]));
	stat->slow_nr = 0;
	WRITE_ONCE(stat->slow_floor, 1);
	spin_unlock_irqrestore(&stat->slow_lock, flags);
	sort(list->slow, list->nr, sizeof(list->slow[0]), slow_cmp, NULL);
}

static int slow_show(struct seq_file *m, void *v)
{
	const struct slow_list *list = m->private;
	const struct vhost_scsi_slow *s;

	for (s = list->slow; s < list->slow + list->nr; s++) {
		seq_printf(m, "%llu %u 0x%llx %u %u %c %u %c %u %u",
			   div_u64(s->ns, NSEC_PER_USEC), s->queue, s->tag, s->target,
			   s->lun, kind_chars[s->kind], s->bytes,
			   attr_char(s->attr), s->response, s->status);
		put_cdb(m, s->cdb);
	}
	return 0;
}

static int slow_open(struct inode *inode, struct file *file)
{
	struct vhost_scsi_host *host = inode->i_private;
	struct slow_list *list;
	int ret;

	list = kmalloc(sizeof(*list), GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	ret = single_open(file, slow_show, list);
	if (ret) {
		kfree(list);
		return ret;
	}
	slow_take(&host->stat, list);
	return 0;
}

static int slow_release(struct inode *inode, struct file *file)
{
	kfree(((struct seq_file *)file->private_data)->private);
	return single_release(inode, file);
}

static const struct file_operations slow_fops = {
	.owner = THIS_MODULE,
	.open = slow_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = slow_release,
};

/*
 * Directories.
 */

/**
 * vhost_scsi_debug_show - show a bound device to root
 * @host: the device
 *
 * Return: what vhost_scsi_debug_hide() is owed, or NULL.
 */
struct vhost_scsi_shown *vhost_scsi_debug_show(struct vhost_scsi_host *host)
{
	struct vhost_scsi_shown *s;
	char name[24];

	s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s)
		return NULL;
	snprintf(name, sizeof(name), "%llu", host->dev.nr);
	s->host = host;
	s->dir = debugfs_create_dir(name, root);
	debugfs_create_file("inflight", 0400, s->dir, host, &inflight_fops);
	debugfs_create_file("slow", 0400, s->dir, host, &slow_fops);
	debugfs_create_file("latency", 0400, s->dir, host, &latency_fops);
	mutex_lock(&shown_mutex);
	list_add_tail(&s->node, &shown);
	mutex_unlock(&shown_mutex);
	return s;
}

/**
 * vhost_scsi_debug_hide - undo vhost_scsi_debug_show(), and wait for readers
 * @s: what it returned, or NULL
 */
void vhost_scsi_debug_hide(struct vhost_scsi_shown *s)
{
	if (!s)
		return;
	mutex_lock(&shown_mutex);
	list_del(&s->node);
	mutex_unlock(&shown_mutex);
	debugfs_remove(s->dir);
	kfree(s);
}

void vhost_scsi_debug_setup(void)
{
	root = debugfs_create_dir("vhost_scsi", NULL);
	debugfs_create_file("latency", 0600, root, NULL, &switch_fops);
}

void vhost_scsi_debug_cleanup(void)
{
	debugfs_remove(root);
}
