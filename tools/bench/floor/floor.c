// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fabric without a wire: what LIO alone takes for the commands that the
 * benchmark's guest sends. No module that serves guests can be below it.
 *
 * Into /sys/kernel/config/target/floor/NAME/tpgt_1/run is written
 *
 *	LUN DEPTH BYTES COUNT PERCENT
 *
 * COUNT commands of BYTES at random places of the first 32 MiB, PERCENT of them
 * READs, are then submitted from kernel pages by the writer, DEPTH at a time.
 * What is read there afterwards is the nanoseconds of each.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/configfs.h>
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/unaligned.h>
#include <linux/wait.h>
#include <scsi/scsi_proto.h>
#include <target/target_core_base.h>
#include <target/target_core_fabric.h>

#define BLOCK		512
#define SPAN		(32 * 1024 * 1024)
#define WARM_UP		2000
#define MAX_DEPTH	1024
#define MAX_BYTES	(1024 * 1024)

struct floor_tpg {
	struct se_portal_group se_tpg;
	char name[TRANSPORT_IQN_LEN];
	u16 tag;
	u64 ns;		/* a command of the last run */
};

struct floor_wwn {
	struct se_wwn se_wwn;
	char name[TRANSPORT_IQN_LEN];
};

/**
 * struct floor_cmd - a command, used over and over
 * @se_cmd: LIO's part
 * @run: what it belongs to
 * @free: in run->free when LIO is done with it
 * @sgl: its data buffer
 * @nents: of it
 * @sense: as LIO wants it
 */
struct floor_cmd {
	struct se_cmd se_cmd;
	struct floor_run *run;
	struct llist_node free;
	struct scatterlist *sgl;
	unsigned int nents;
	unsigned char sense[TRANSPORT_SENSE_BUFFER];
};

/**
 * struct floor_run - one run
 * @sess: the nexus, made for it
 * @lun: where the commands go
 * @depth: how many at a time
 * @bytes: of each
 * @count: how many are measured
 * @percent: that read
 * @seed: of what is by chance
 * @cmds: @depth of them
 * @free: those that LIO is done with
 * @wait: for one of them
 * @failed: one did not end well
 */
struct floor_run {
	struct se_session *sess;
	u64 lun;
	unsigned int depth;
	unsigned int bytes;
	unsigned int count;
	unsigned int percent;
	u64 seed;
	struct floor_cmd *cmds;
	struct llist_head free;
	wait_queue_head_t wait;
	bool failed;
};

/* One run at a time. */
static DEFINE_MUTEX(run_mutex);

static struct floor_tpg *to_floor_tpg(struct se_portal_group *se_tpg)
{
	return container_of(se_tpg, struct floor_tpg, se_tpg);
}

/* The generator of the benchmark's guest, of which the upper bits are good. */
static u32 chance(struct floor_run *run)
{
	run->seed = run->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return run->seed >> 33;
}

static void put_free(struct floor_cmd *cmd)
{
	struct floor_run *run = cmd->run;

	llist_add(&cmd->free, &run->free);
	if (wq_has_sleeper(&run->wait))
		wake_up(&run->wait);
}

static int submit(struct floor_cmd *cmd, const u8 *cdb, u32 len, bool write)
{
	struct se_cmd *se_cmd = &cmd->se_cmd;

	memset(se_cmd, 0, sizeof(*se_cmd));
	target_init_cmd(se_cmd, cmd->run->sess, cmd->sense, cmd->run->lun, len,
			TCM_SIMPLE_TAG,
			!len ? DMA_NONE : write ? DMA_TO_DEVICE :
						  DMA_FROM_DEVICE, 0);
	/* On an error LIO has ended the command. */
	if (target_submit_prep(se_cmd, (unsigned char *)cdb,
			       len ? cmd->sgl : NULL, len ? cmd->nents : 0,
			       NULL, 0, NULL, 0, GFP_KERNEL))
		return -EIO;
	target_submit(se_cmd);
	return 0;
}

static void submit_rw(struct floor_run *run, struct floor_cmd *cmd)
{
	bool write = run->percent < 100 && chance(run) % 100 >= run->percent;
	u32 blocks = run->bytes / BLOCK;
	u8 cdb[16] = { write ? WRITE_10 : READ_10 };

	put_unaligned_be32(chance(run) % (SPAN / run->bytes) * blocks, cdb + 2);
	put_unaligned_be16(blocks, cdb + 7);
	submit(cmd, cdb, run->bytes, write);
}

/* Until LIO is done with all of them. */
static void wait_for_all(struct floor_run *run, struct llist_node *list,
			 unsigned int have)
{
	for (;;) {
		for (; list; list = list->next)
			have++;
		if (have == run->depth)
			return;
		wait_event(run->wait, !llist_empty(&run->free));
		list = llist_del_all(&run->free);
	}
}

static void all_free(struct floor_run *run)
{
	unsigned int i;

	init_llist_head(&run->free);
	for (i = 0; i < run->depth; i++)
		llist_add(&run->cmds[i].free, &run->free);
}

static void run_commands(struct floor_run *run, unsigned int count)
{
	struct llist_node *list;

	all_free(run);
	list = llist_del_all(&run->free);
	while (count) {
		struct floor_cmd *cmd;

		if (!list) {
			wait_event(run->wait, !llist_empty(&run->free));
			list = llist_del_all(&run->free);
		}
		cmd = llist_entry(list, struct floor_cmd, free);
		list = list->next;
		submit_rw(run, cmd);
		count--;
		cond_resched();
	}
	wait_for_all(run, list, 0);
}

/* A new nexus' first command is told of its power on, and more may follow. */
static int clear_attention(struct floor_run *run)
{
	static const u8 cdb[16] = { TEST_UNIT_READY };
	struct floor_cmd *cmd = run->cmds;
	unsigned int i;

	for (i = 0; i < 16; i++) {
		run->failed = false;
		init_llist_head(&run->free);
		submit(cmd, cdb, 0, false);
		wait_event(run->wait, !llist_empty(&run->free));
		if (!run->failed)
			return 0;
	}
	return -EIO;
}

static int alloc_cmds(struct floor_run *run)
{
	unsigned int i;

	run->cmds = kvcalloc(run->depth, sizeof(*run->cmds), GFP_KERNEL);
	if (!run->cmds)
		return -ENOMEM;
	for (i = 0; i < run->depth; i++) {
		struct floor_cmd *cmd = &run->cmds[i];

		cmd->run = run;
		/* An entry for each page, as scattered as a guest's. */
		cmd->sgl = sgl_alloc(run->bytes, GFP_KERNEL, &cmd->nents);
		if (!cmd->sgl)
			return -ENOMEM;
	}
	return 0;
}

static void free_cmds(struct floor_run *run)
{
	unsigned int i;

	for (i = 0; run->cmds && i < run->depth; i++)
		sgl_free(run->cmds[i].sgl);
	kvfree(run->cmds);
}

static int measure(struct floor_tpg *tpg, struct floor_run *run)
{
	u64 start;
	int ret;

	ret = clear_attention(run);
	if (ret)
		return ret;
	run_commands(run, WARM_UP);
	start = ktime_get_ns();
	run_commands(run, run->count);
	tpg->ns = div_u64(ktime_get_ns() - start, run->count);
	return run->failed ? -EIO : 0;
}

static int run_all(struct floor_tpg *tpg, struct floor_run *run)
{
	int ret;

	init_waitqueue_head(&run->wait);
	run->seed = 1;
	ret = alloc_cmds(run);
	if (ret)
		goto out;
	run->sess = target_setup_session(&tpg->se_tpg, 0, 0, TARGET_PROT_NORMAL,
					 tpg->name, NULL, NULL);
	if (IS_ERR(run->sess)) {
		ret = PTR_ERR(run->sess);
		goto out;
	}
	ret = measure(tpg, run);
	target_stop_session(run->sess);
	target_wait_for_sess_cmds(run->sess);
	target_remove_session(run->sess);
out:
	free_cmds(run);
	return ret;
}

static ssize_t floor_run_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%llu\n", to_floor_tpg(to_tpg(item))->ns);
}

static ssize_t floor_run_store(struct config_item *item, const char *page,
			       size_t count)
{
	struct floor_run run = {};
	int ret;

	if (sscanf(page, "%llu %u %u %u %u", &run.lun, &run.depth, &run.bytes,
		   &run.count, &run.percent) != 5)
		return -EINVAL;
	if (!run.depth || run.depth > MAX_DEPTH || run.bytes % BLOCK ||
	    !run.bytes || run.bytes > MAX_BYTES || !run.count ||
	    run.percent > 100)
		return -EINVAL;
	mutex_lock(&run_mutex);
	ret = run_all(to_floor_tpg(to_tpg(item)), &run);
	mutex_unlock(&run_mutex);
	return ret ? ret : count;
}

CONFIGFS_ATTR(floor_, run);

static struct configfs_attribute *tpg_attrs[] = {
	&floor_attr_run,
	NULL,
};

static struct se_portal_group *make_tpg(struct se_wwn *se_wwn,
					const char *name)
{
	struct floor_wwn *wwn = container_of(se_wwn, struct floor_wwn, se_wwn);
	struct floor_tpg *tpg;
	u16 tag;
	int ret;

	if (strncmp(name, "tpgt_", 5) || kstrtou16(name + 5, 10, &tag))
		return ERR_PTR(-EINVAL);
	tpg = kzalloc(sizeof(*tpg), GFP_KERNEL);
	if (!tpg)
		return ERR_PTR(-ENOMEM);
	strscpy(tpg->name, wwn->name, sizeof(tpg->name));
	tpg->tag = tag;
	ret = core_tpg_register(se_wwn, &tpg->se_tpg, SCSI_PROTOCOL_SAS);
	if (ret) {
		kfree(tpg);
		return ERR_PTR(ret);
	}
	return &tpg->se_tpg;
}

static void drop_tpg(struct se_portal_group *se_tpg)
{
	core_tpg_deregister(se_tpg);
	kfree(to_floor_tpg(se_tpg));
}

static struct se_wwn *make_wwn(struct target_fabric_configfs *tf,
			       struct config_group *group, const char *name)
{
	struct floor_wwn *wwn = kzalloc(sizeof(*wwn), GFP_KERNEL);

	if (!wwn)
		return ERR_PTR(-ENOMEM);
	strscpy(wwn->name, name, sizeof(wwn->name));
	return &wwn->se_wwn;
}

static void drop_wwn(struct se_wwn *se_wwn)
{
	kfree(container_of(se_wwn, struct floor_wwn, se_wwn));
}

static char *get_wwn(struct se_portal_group *se_tpg)
{
	return to_floor_tpg(se_tpg)->name;
}

static u16 get_tag(struct se_portal_group *se_tpg)
{
	return to_floor_tpg(se_tpg)->tag;
}

static u32 get_index(struct se_portal_group *se_tpg)
{
	return 1;
}

static u32 get_sess_index(struct se_session *sess)
{
	return 0;
}

static int check_yes(struct se_portal_group *se_tpg)
{
	return 1;
}

static int check_no(struct se_portal_group *se_tpg)
{
	return 0;
}

static void set_default_node_attributes(struct se_node_acl *nacl)
{
}

/* The data is in place already. */
static int write_pending(struct se_cmd *se_cmd)
{
	target_execute_cmd(se_cmd);
	return 0;
}

static int queue_status(struct se_cmd *se_cmd)
{
	struct floor_cmd *cmd = container_of(se_cmd, struct floor_cmd, se_cmd);

	if (se_cmd->scsi_status)
		WRITE_ONCE(cmd->run->failed, true);
	return 0;
}

static void queue_tm_rsp(struct se_cmd *se_cmd)
{
}

static void aborted_task(struct se_cmd *se_cmd)
{
}

static int check_stop_free(struct se_cmd *se_cmd)
{
	return target_put_sess_cmd(se_cmd);
}

static void release_cmd(struct se_cmd *se_cmd)
{
	put_free(container_of(se_cmd, struct floor_cmd, se_cmd));
}

static int get_cmd_state(struct se_cmd *se_cmd)
{
	return 0;
}

static const struct target_core_fabric_ops floor_ops = {
	.module = THIS_MODULE,
	.fabric_name = "floor",
	VHOST_SCSI_DIRECT_SUBMIT
	VHOST_SCSI_DIRECT_COMPL

	.tpg_get_wwn = get_wwn,
	.tpg_get_tag = get_tag,
	.tpg_get_inst_index = get_index,
	.tpg_check_demo_mode = check_yes,
	.tpg_check_demo_mode_cache = check_no,
	.tpg_check_demo_mode_write_protect = check_no,
	.tpg_check_prod_mode_write_protect = check_no,
	.sess_get_index = get_sess_index,
	.set_default_node_attributes = set_default_node_attributes,

	.write_pending = write_pending,
	.queue_data_in = queue_status,
	.queue_status = queue_status,
	.queue_tm_rsp = queue_tm_rsp,
	.aborted_task = aborted_task,
	.check_stop_free = check_stop_free,
	.release_cmd = release_cmd,
	.get_cmd_state = get_cmd_state,

	.fabric_make_wwn = make_wwn,
	.fabric_drop_wwn = drop_wwn,
	.fabric_make_tpg = make_tpg,
	.fabric_drop_tpg = drop_tpg,

	.tfc_tpg_base_attrs = tpg_attrs,
};

static int __init floor_init(void)
{
	return target_register_template(&floor_ops);
}

static void __exit floor_exit(void)
{
	target_unregister_template(&floor_ops);
}

module_init(floor_init);
module_exit(floor_exit);
MODULE_DESCRIPTION("LIO alone, for comparison with vhost_scsi");
MODULE_AUTHOR("vhost-lio developers");
MODULE_LICENSE("GPL");
