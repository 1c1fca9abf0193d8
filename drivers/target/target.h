/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of drivers/target share.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_TARGET_H
#define _VHOST_SCSI_TARGET_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <scsi/scsi_proto.h>
#include <target/target_core_base.h>
#include <target/target_core_fabric.h>

#include "vhost-scsi.h"

/* Work items of a LUN, which submit commands to a backend that may sleep. */
#define VHOST_SCSI_LUN_WORKS	4
/* LUN numbers below this are looked up in an array. */
#define VHOST_SCSI_LOW_LUNS	256

struct se_device;
struct vhost_scsi_lun;
struct vhost_scsi_tcmd;

/* Where plain commands of a LUN are submitted. */
enum vhost_scsi_submitter {
	/* The submission may sleep: by work items, the first on this processor. */
	VHOST_SCSI_SUBMIT_ANYWHERE,
	/*
	 * The submission completes the command, and LIO queues a work item for the
	 * completion: by a work item on the same processor.
	 */
	VHOST_SCSI_SUBMIT_HERE,
	/* The submission only starts the I/O, or LIO completes directly: by the worker. */
	VHOST_SCSI_SUBMIT_INLINE,
};

/**
 * struct vhost_scsi_lun_work - submits commands of a LUN; fields are under lun->lock
 * @work: the work
 * @lun: the LUN
 * @active: queued or running
 * @slow: it submits a command that may wait for others
 * @here: it runs on @cpu, in the thread of LIO's completions
 * @cpu: the processor on which it was queued
 */
struct vhost_scsi_lun_work {
	struct work_struct work;
	struct vhost_scsi_lun *lun;
	bool active;
	bool slow;
	bool here;
	int cpu;
};

/* Reads; writes; UNMAP; WRITE SAME. */
#define VHOST_SCSI_PACES	4

/**
 * struct vhost_scsi_pace - commands of a kind that fail below LIO, see pace.c
 * @trying: one is under way although there is a debt
 * @paid: when all lines are paid, in jiffies of 64 bits; 0 is always over
 * @next: when the next command may be sent down, likewise
 */
struct vhost_scsi_pace {
	bool trying;
	u64 paid;
	u64 next;
};

/**
 * struct vhost_scsi_lun - a LUN number of a TPG, and its commands that wait
 *
 * It is allocated when a backstore is first linked to the number, and freed with the
 * TPG.
 *
 * @tpg: its port group
 * @linked: a backstore is there; under tpg->mutex
 * @entry: LIO's entry for the nexus, for vhost_scsi_lun_attach(); NULL: it has to
 *	   search
 * @dev: the backstore that the next fields describe; it may be gone
 * @submitter: where plain commands are submitted
 * @in_order: the backend gets its commands in the order of their arrival, see lun.c
 * @cut_mask: a border of a buffer with one of these bits in its page offset cuts a
 *	      block of the backend
 * @max_bytes: that LIO can read or write at a time; 0: to be found out
 * @blocks: that the medium was seen to have; only a hint, 0: none
 * @last_block: of the medium, as the nexus was told; under tpg->mutex
 * @resized: the nexus is owed a unit attention, see capacity.c
 * @pr_lacks: reservation commands that the disk was found to lack, see reservation.c
 * @aptpl_failed: when the file of reservations could not be written, in jiffies; by
 *		  reservation.c, for one command at a time
 * @aptpl_failures: how often in a row
 * @lock: guards what follows; a leaf, interrupts may be off
 * @waiting: commands in the order of their arrival, HEAD OF QUEUE first
 * @large: likewise, with much data, which those of @waiting pass; empty while an order
 *	   has to be kept
 * @passed: those that passed the first of @large
 * @submitting: commands that a work submits now
 * @ordered: an ORDERED command is among them
 * @held: reasons why all commands queue up: ORDERED and HEAD OF QUEUE commands that
 *	  wait, workers that a submission holds, and @slow
 * @slow: a submission has slept lately
 * @slow_until: ... and until this time it is taken for likely to do so again
 * @in_debt: kinds of commands that failed too often, a bit for each; read without the lock
 * @paces: of each kind
 * @works: submit what waits
 */
struct vhost_scsi_lun {
	struct vhost_scsi_tpg *tpg;
	bool linked;
	struct se_dev_entry __rcu *entry;
	const struct se_device *dev;
	enum vhost_scsi_submitter submitter;
	bool in_order;
	u32 cut_mask;
	u32 max_bytes;
	u64 blocks;
	u64 last_block;
	bool resized;
	unsigned long pr_lacks;
	unsigned long aptpl_failed;
	unsigned int aptpl_failures;
	spinlock_t lock;	/* protects the fields below */
	struct list_head waiting;
	struct list_head large;
	unsigned int passed;
	unsigned int submitting;
	bool ordered;
	unsigned int held;
	bool slow;
	unsigned long slow_until;
	u8 in_debt;
	struct vhost_scsi_pace paces[VHOST_SCSI_PACES];
	struct vhost_scsi_lun_work works[VHOST_SCSI_LUN_WORKS];
};

/**
 * struct vhost_scsi_tport - a target port, a directory naa.*, fc.* or iqn.*
 * @wwn: LIO's
 * @users: the directory, and its target port groups. A SET_ENDPOINT may be the last
 *	   user of a port group whose directory is removed, and LIO still looks at the
 *	   port then
 * @proto: SCSI_PROTOCOL_*
 * @name: without "fc."
 */
struct vhost_scsi_tport {
	struct se_wwn wwn;
	struct kref users;
	u8 proto;
	char name[TRANSPORT_IQN_LEN];
};

/**
 * struct vhost_scsi_tpg - a target port group, which a guest sees as a target
 * @tpg: LIO's
 * @tport: its port
 * @tpgt: 0 to VHOST_SCSI_MAX_TARGET - 1
 * @target_attr: attribute, read once, when a device is bound; -1: @tpgt
 * @target: by which number the guest that is bound knows it
 * @node: in the list of all TPGs
 * @bind_uid: the user who may bind a device; invalid: everybody. It is read once, when
 *	      a device is bound, without a lock
 * @pin_memory: attribute, likewise
 * @poll_us: attribute, likewise
 * @submit_wq: submits commands whose submission may sleep
 * @submit_here_wq: submits to backends that LIO completes by work items of its own.
 *		    These run behind the work item that submits, in the same thread,
 *		    without a switch of threads for each. If that work item sleeps,
 *		    they run in another thread
 * @capacity_work: looks whether LUNs have been resized, while a device is bound
 * @mutex: protects the fields below
 * @sess: the nexus; NULL: none yet
 * @sess_is_default: nobody set it by hand
 * @no_nexus: "NULL" was written: no default either
 * @dev: who is bound, or NULL
 * @owner: who was bound last and is not closed, or NULL; whose nexus it is
 * @binding: no other had the same number
 * @ports: LUNs linked
 * @changed: when that was last, of all such changes
 * @prot_type: fabric_prot_type; read once, when a device is bound
 * @bounced: bytes of bounce buffers in use
 * @copies: EXTENDED COPY and COMPARE AND WRITE commands that LIO carries out
 * @same: blocks of WRITE SAME commands that LIO carries out
 * @luns: struct vhost_scsi_lun by LUN number
 * @low_luns: those with low numbers once more, for a fast look-up
 * @any_lun: for commands of a LUN for which there was no memory
 */
struct vhost_scsi_tpg {
	struct se_portal_group tpg;
	struct vhost_scsi_tport *tport;
	u16 tpgt;
	s16 target_attr;
	u8 target;
	struct list_head node;
	kuid_t bind_uid;
	bool pin_memory;
	u32 poll_us;
	struct workqueue_struct *submit_wq;
	struct workqueue_struct *submit_here_wq;
	struct delayed_work capacity_work;
	struct mutex mutex;	/* protects the fields below */
	struct se_session *sess;
	bool sess_is_default;
	bool no_nexus;
	struct vhost_scsi_dev *dev;
	struct vhost_scsi_dev *owner;
	u64 binding;
	unsigned int ports;
	u64 changed;
	int prot_type;
	atomic_long_t bounced;
	atomic_t copies;
	atomic_t same;
	struct xarray luns;
	struct vhost_scsi_lun *low_luns[VHOST_SCSI_LOW_LUNS];
	struct vhost_scsi_lun any_lun;
};

/**
 * struct vhost_scsi_endpoint - the target port groups that a device is bound to
 * @wwpn: name of the port
 * @pin_memory: pin_memory of one of @tpgs was set when it was bound
 * @poll_us: the largest poll_us of @tpgs when they were bound
 * @tpgs: by target number; for firmware, one may be there twice
 */
struct vhost_scsi_endpoint {
	char wwpn[TRANSPORT_IQN_LEN];
	bool pin_memory;
	u32 poll_us;
	struct vhost_scsi_tpg *tpgs[VHOST_SCSI_MAX_TARGET];
};

/* By its own number, so that each TPG is met once; or NULL. */
static inline struct vhost_scsi_tpg *
vhost_scsi_endpoint_tpg(const struct vhost_scsi_endpoint *ep, unsigned int target)
{
	struct vhost_scsi_tpg *tpg = ep->tpgs[target];

	return tpg && tpg->target == target ? tpg : NULL;
}

/**
 * struct vhost_scsi_tcmd - the host side's part of a command
 * @se_cmd: LIO's
 * @lun: valid until LIO drops its reference to the LUN
 * @node: in lun->waiting or lun->large
 * @task_attr: when it is in a list: VIRTIO_SCSI_S_*, by which it is submitted
 * @bounce: bounce buffer; NULL: none
 * @bounce_nents: number of its entries
 * @bounce_order: of each
 * @reserved: @bounce is only allocated, see vhost_scsi_bounce_reserve()
 * @by_device: the device is passed through; set with @bounce
 * @split: the guest's pages, one to an entry; empty: not needed
 * @execute: of a COMPARE AND WRITE, one that takes its turn, or a write whose
 *	     protection information is checked, LIO's
 * @checked: what carries it out when it was checked, see check.c
 * @completed: of a COMPARE AND WRITE, LIO's callback for the end of its read
 * @fence: of a PREEMPT AND ABORT: what it has to end before it is answered; or NULL
 * @finish: for the end of a command with much data
 * @reason: what is wrong with the data that was read
 * @same: blocks of a WRITE SAME that are counted in the TPG; vhost_scsi_same_end() is owed
 * @pi_checks: TARGET_DIF_CHECK_*, what is checked of the protection information
 * @sent: the command was prepared; false: it is refused
 * @tries: it is sent to the backend in spite of a debt, see pace.c
 * @reads_pi: vhost_scsi_pi_read() is owed
 * @verifies: vhost_scsi_verify_end() is owed
 * @takes_turn: it is run by turn.c, and does not reach the medium
 * @pr_capabilities: vhost_scsi_reservation_amend() is owed
 * @copies: vhost_scsi_copy_end() is owed
 * @answers: what LIO answers is cut to @wanted, see answer.c
 * @wanted: bytes that the CDB asks for
 * @max_same: blocks that a WRITE SAME may have; with @answers
 * @max_unmap: blocks that a descriptor of an UNMAP may have; with @answers
 * @lacks: the codes that the LUN does not have although LIO says so, see codes.c; with @answers
 * @own_sense: LIO's GOOD is not what the guest gets, but CHECK CONDITION with @sense
 * @aborted_as: the verdict, if it is aborted and its nexus did not ask for another;
 *		under se_cmd.t_state_lock
 * @verdict: what the guest is told instead of LIO's status; 0 (S_OK): the status
 * @sense_used: @sense is to be zeroed before the next command, as LIO expects it
 * @sense: LIO writes it
 */
struct vhost_scsi_tcmd {
	struct se_cmd se_cmd;
	struct vhost_scsi_lun *lun;
	struct list_head node;
	u8 task_attr;
	struct scatterlist *bounce;
	unsigned int bounce_nents;
	unsigned int bounce_order;
	bool reserved;
	bool by_device;
	struct sg_table split;
	sense_reason_t (*execute)(struct se_cmd *se_cmd);
	sense_reason_t (*checked)(struct se_cmd *se_cmd);
	sense_reason_t (*completed)(struct se_cmd *se_cmd, bool success,
				    int *post_ret);
	struct vhost_scsi_fence *fence;
	struct work_struct finish;
	sense_reason_t reason;
	u32 same;
	u32 wanted;
	u32 max_same;
	u32 max_unmap;
	u8 pi_checks;
	bool sent;
	bool tries;
	bool reads_pi;
	bool verifies;
	bool takes_turn;
	bool pr_capabilities;
	bool copies;
	bool answers;
	u8 lacks;
	bool own_sense;
	u8 aborted_as;
	u8 verdict;
	bool sense_used;
	u8 sense[TRANSPORT_SENSE_BUFFER];
};

static inline struct vhost_scsi_tcmd *
vhost_scsi_tcmd(struct vhost_scsi_cmd *cmd)
{
	return (struct vhost_scsi_tcmd *)cmd->target_priv;
}

static inline struct vhost_scsi_cmd *vhost_scsi_cmd(struct vhost_scsi_tcmd *t)
{
	return container_of((u8 (*)[])t, struct vhost_scsi_cmd, target_priv);
}

static inline struct vhost_scsi_tpg *vhost_scsi_tpg(struct se_portal_group *tpg)
{
	return container_of(tpg, struct vhost_scsi_tpg, tpg);
}

/* configfs.c */

extern const struct target_core_fabric_ops vhost_scsi_fabric_ops;
struct se_session *vhost_scsi_tpg_nexus(struct vhost_scsi_tpg *tpg);
void vhost_scsi_tpg_number(struct vhost_scsi_tpg *tpg);

/* endpoint.c */

void vhost_scsi_tpg_publish(struct vhost_scsi_tpg *tpg);
void vhost_scsi_tpg_hide(struct vhost_scsi_tpg *tpg);
struct vhost_scsi_tpg *vhost_scsi_tpg_get(const struct se_portal_group *se_tpg);
void vhost_scsi_tpg_put(struct vhost_scsi_tpg *tpg);
void vhost_scsi_nexus_reset(struct vhost_scsi_tpg *tpg);

/* fabric.c */

void vhost_scsi_cmd_refuse(struct vhost_scsi_cmd *cmd, u8 key, u8 asc, u8 ascq);
void vhost_scsi_lun_refuse(struct vhost_scsi_tpg *tpg, struct vhost_scsi_cmd *cmd,
			   u8 key, u8 asc, u8 ascq);
void vhost_scsi_own_sense(struct vhost_scsi_tcmd *t, u8 key, u8 asc, u8 ascq);
void vhost_scsi_look_at_data(struct vhost_scsi_tcmd *t);
int vhost_scsi_fabric_setup(void);
void vhost_scsi_fabric_cleanup(void);
void vhost_scsi_fabric_release_cmd(struct se_cmd *se_cmd);
int vhost_scsi_fabric_queue_status(struct se_cmd *se_cmd);
void vhost_scsi_fabric_aborted_task(struct se_cmd *se_cmd);

/* lookup.c */

/* The result of vhost_scsi_lun_attach(). */
enum vhost_scsi_found {
	VHOST_SCSI_LUN_FOUND,
	VHOST_SCSI_LUN_ABSENT,
	/* The command writes, and the LUN is write-protected. */
	VHOST_SCSI_LUN_PROTECTED,
};

struct vhost_scsi_lun *vhost_scsi_lun_known(struct vhost_scsi_tpg *tpg, u16 nr);
enum vhost_scsi_found vhost_scsi_lun_attach(struct vhost_scsi_tpg *tpg,
					    struct vhost_scsi_cmd *cmd);
void vhost_scsi_lun_detach(struct vhost_scsi_tcmd *t);
bool vhost_scsi_has_desc_sense(struct se_device *dev);
bool vhost_scsi_lun_has_desc_sense(const struct vhost_scsi_tpg *tpg, u16 nr);
bool vhost_scsi_next_number(const struct vhost_scsi_tpg *tpg,
			    const struct se_lun *lun, u64 *nr);
void vhost_scsi_tpg_map_lun(struct vhost_scsi_tpg *tpg,
			    struct vhost_scsi_lun *lun, u64 nr);
void vhost_scsi_tpg_map_luns(struct vhost_scsi_tpg *tpg);

/* answer.c */

void vhost_scsi_answer(struct vhost_scsi_cmd *cmd, const void *data, u32 len,
		       u32 alloc);
void vhost_scsi_answer_sense(struct vhost_scsi_cmd *cmd, u8 key, u8 asc,
			     u8 ascq);
void vhost_scsi_answer_begin(struct vhost_scsi_tcmd *t);
void vhost_scsi_answer_end(struct vhost_scsi_tcmd *t);
void vhost_scsi_answer_clear(const struct vhost_scsi_tcmd *t, u32 at, u8 bits);

/* absent.c */

void vhost_scsi_absent_answer(const struct vhost_scsi_endpoint *ep,
			      const struct vhost_scsi_tpg *tpg,
			      struct vhost_scsi_cmd *cmd);

/* wlun.c */

void vhost_scsi_report_luns(const struct vhost_scsi_endpoint *ep,
			    const struct vhost_scsi_tpg *tpg,
			    struct vhost_scsi_cmd *cmd);
sense_reason_t vhost_scsi_execute_report_luns(struct se_cmd *se_cmd);
void vhost_scsi_wlun_answer(const struct vhost_scsi_endpoint *ep,
			    const struct vhost_scsi_tpg *tpg,
			    struct vhost_scsi_cmd *cmd);

/* capacity.c */

u64 vhost_scsi_blocks(struct se_device *dev);
void vhost_scsi_capacity_init(struct vhost_scsi_tpg *tpg);
void vhost_scsi_capacity_start(struct vhost_scsi_tpg *tpg);
void vhost_scsi_capacity_stop(struct vhost_scsi_tpg *tpg);
void vhost_scsi_capacity_note(struct vhost_scsi_lun *lun,
			      struct se_device *dev);
bool vhost_scsi_capacity_due(struct vhost_scsi_tpg *tpg,
			     struct vhost_scsi_lun *lun,
			     const struct vhost_scsi_cmd *cmd);
void vhost_scsi_capacity_report(struct vhost_scsi_tpg *tpg,
				struct vhost_scsi_cmd *cmd);

/* pi.c */

/* Has pi.c anything to do for the command? The others are most. */
static inline bool vhost_scsi_pi_matters(struct vhost_scsi_tcmd *t)
{
	const struct vhost_scsi_cmd *cmd = vhost_scsi_cmd(t);

	return cmd->pi_len || cmd->cdb[1] >> 5 ||
	       t->se_cmd.se_dev->dev_attrib.pi_prot_type;
}

sense_reason_t vhost_scsi_pi_check(struct vhost_scsi_tcmd *t);
u8 *vhost_scsi_pi_cdb(struct vhost_scsi_tcmd *t, u8 *room);
void vhost_scsi_pi_attach(struct vhost_scsi_tcmd *t);
void vhost_scsi_pi_prepare(struct vhost_scsi_tcmd *t);
sense_reason_t vhost_scsi_pi_read(struct vhost_scsi_tcmd *t);
void vhost_scsi_pi_amend(const struct vhost_scsi_tcmd *t);

/* force.c */

void vhost_scsi_force_begin(struct vhost_scsi_tcmd *t);

/* verify.c */

bool vhost_scsi_verify_begin(struct vhost_scsi_tcmd *t);
sense_reason_t vhost_scsi_verify_end(struct vhost_scsi_tcmd *t);

/* cdb.c */

/* What is looked at before LIO sees a command, see check.c. */
enum vhost_scsi_check {
	VHOST_SCSI_CHECK_NONE,
	/* Of the CDB, before LIO parses it. */
	VHOST_SCSI_CHECK_RW,
	VHOST_SCSI_CHECK_BLOCKS,
	VHOST_SCSI_CHECK_FLUSH,
	VHOST_SCSI_CHECK_VERIFY,
	VHOST_SCSI_CHECK_COMPARE_AND_WRITE,
	VHOST_SCSI_CHECK_VARIABLE_LENGTH,
	VHOST_SCSI_CHECK_INQUIRY,
	VHOST_SCSI_CHECK_REQUEST_SENSE,
	VHOST_SCSI_CHECK_START_STOP,
	VHOST_SCSI_CHECK_PR_OUT,
	/* Of the parameters, too, when LIO would carry it out. */
	VHOST_SCSI_CHECK_LATE,
	VHOST_SCSI_CHECK_MEDIUM = VHOST_SCSI_CHECK_LATE,
	VHOST_SCSI_CHECK_SERVICE_ACTION_IN,
	VHOST_SCSI_CHECK_UNMAP,
	VHOST_SCSI_CHECK_WRITE_SAME,
	VHOST_SCSI_CHECK_MODE_SENSE,
	VHOST_SCSI_CHECK_MODE_SELECT,
	VHOST_SCSI_CHECK_PR_IN,
	VHOST_SCSI_CHECK_RESERVE,
	VHOST_SCSI_CHECK_RELEASE,
	VHOST_SCSI_CHECK_EXTENDED_COPY,
	VHOST_SCSI_CHECK_COPY_RESULTS,
	VHOST_SCSI_CHECK_SET_TARGET_PORT_GROUPS,
	/* LIO's answer is not used. */
	VHOST_SCSI_CHECK_REPORT_LUNS,
};

bool vhost_scsi_cdb_fits(const u8 *cdb, enum dma_data_direction dir);
bool vhost_scsi_cdb_is_in(const u8 *cdb);
bool vhost_scsi_cdb_moves_no_data(const u8 *cdb);
bool vhost_scsi_cdb_wants_aca(const u8 *cdb);
bool vhost_scsi_cdb_is_plain(const u8 *cdb);
bool vhost_scsi_cdb_is_harmless(const u8 *cdb, bool by_device);
enum vhost_scsi_check vhost_scsi_cdb_check(const u8 *cdb);
u32 vhost_scsi_cdb_blocks(const u8 *cdb, u64 *lba);

/* check.c */

bool vhost_scsi_has_large_blocks(const struct se_device *dev);
bool vhost_scsi_cuts_blocks(const struct se_device *dev, u64 lba, u64 blocks);
u32 vhost_scsi_max_same(const struct se_device *dev);
u32 vhost_scsi_max_unmap(const struct se_device *dev);
bool vhost_scsi_lacks_code(const struct se_device *dev, u8 code, u16 action);
sense_reason_t vhost_scsi_check_cdb(struct vhost_scsi_tcmd *t, const u8 *cdb);
sense_reason_t vhost_scsi_check_failed(struct vhost_scsi_tcmd *t, sense_reason_t reason);
void vhost_scsi_check_later(struct vhost_scsi_tcmd *t);
void vhost_scsi_same_end(struct vhost_scsi_tcmd *t);
u32 vhost_scsi_check_list(const struct vhost_scsi_tcmd *t, void *list, u32 size);

/* pace.c */

bool vhost_scsi_pace_admit(struct vhost_scsi_tcmd *t);
void vhost_scsi_pace_end(struct vhost_scsi_tcmd *t);
void vhost_scsi_pace_reset(struct vhost_scsi_lun *lun);

/* alua.c */

sense_reason_t vhost_scsi_alua_check(struct vhost_scsi_tcmd *t);

/* codes.c */

u8 vhost_scsi_codes_lacking(const struct se_device *dev);
bool vhost_scsi_codes_lack(const struct vhost_scsi_tcmd *t, u8 code, u16 action);
u32 vhost_scsi_codes_amend(const struct vhost_scsi_tcmd *t, u32 len);

/* check_pr.c */

sense_reason_t vhost_scsi_check_pr_in(const struct se_cmd *se_cmd);
sense_reason_t vhost_scsi_check_reserve(const struct se_cmd *se_cmd,
					bool reserve);

/* copy.c */

sense_reason_t vhost_scsi_copy_check(struct vhost_scsi_tcmd *t);
bool vhost_scsi_copy_begin(struct vhost_scsi_tcmd *t);
void vhost_scsi_copy_end(struct vhost_scsi_tcmd *t);

/**
 * vhost_scsi_cdb_reserves - is it about reservations, and nothing else
 * @cdb: the CDB
 *
 * PERSISTENT RESERVE IN and OUT, RESERVE and RELEASE of 6 and 10 bytes.
 */
static inline bool vhost_scsi_cdb_reserves(const u8 *cdb)
{
	return (cdb[0] & 0xfe) == PERSISTENT_RESERVE_IN ||
	       (cdb[0] & 0xbe) == 0x16;
}

/* lun.c */

int vhost_scsi_tpg_init_luns(struct vhost_scsi_tpg *tpg);
int vhost_scsi_tpg_add_lun(struct vhost_scsi_tpg *tpg,
			   const struct se_lun *se_lun);
void vhost_scsi_tpg_remove_lun(struct vhost_scsi_tpg *tpg, u64 lun);
u32 vhost_scsi_max_bytes(const struct se_device *dev);
void vhost_scsi_tpg_free_luns(struct vhost_scsi_tpg *tpg);

/**
 * vhost_scsi_tpg_lun - the struct of a LUN
 * @tpg: the TPG, which keeps the struct
 * @lun: the number in the TPG
 *
 * Return: the struct, or NULL.
 */
static inline struct vhost_scsi_lun *
vhost_scsi_tpg_lun(struct vhost_scsi_tpg *tpg, unsigned long lun)
{
	if (lun < VHOST_SCSI_LOW_LUNS)
		return READ_ONCE(tpg->low_luns[array_index_nospec(lun, VHOST_SCSI_LOW_LUNS)]);
	return xa_load(&tpg->luns, lun);
}

bool vhost_scsi_lun_defers(struct vhost_scsi_lun *lun,
			   struct vhost_scsi_tcmd *t);
void vhost_scsi_lun_queue(struct vhost_scsi_lun *lun,
			  struct vhost_scsi_tcmd *t);
void vhost_scsi_lun_submit(struct vhost_scsi_lun *lun,
			   struct vhost_scsi_tcmd *t);
void vhost_scsi_lun_submitted(struct vhost_scsi_lun *lun, u8 attr);
void vhost_scsi_lun_pick(struct vhost_scsi_lun *lun, struct list_head *picked,
			 bool (*match)(const struct vhost_scsi_tcmd *t,
				       const void *priv),
			 const void *priv);

/* bounce.c */

bool vhost_scsi_bounce_wanted(const struct vhost_scsi_tcmd *t,
			      const struct vhost_scsi_cmd *cmd);
void vhost_scsi_bounce_reserve(struct vhost_scsi_tcmd *t,
			       const struct vhost_scsi_cmd *cmd, u32 mask);
int vhost_scsi_bounce_get(struct vhost_scsi_tcmd *t,
			  const struct vhost_scsi_cmd *cmd);
void vhost_scsi_bounce_copy_back(struct vhost_scsi_tcmd *t,
				 const struct vhost_scsi_cmd *cmd);
u32 vhost_scsi_bounce_same(struct vhost_scsi_tcmd *t,
			   const struct vhost_scsi_cmd *cmd);
void vhost_scsi_bounce_put(struct vhost_scsi_tcmd *t);

/* Undoes vhost_scsi_bounce_reserve(), if that is owed. Context: any. */
static inline void vhost_scsi_bounce_unreserve(struct vhost_scsi_tcmd *t)
{
	if (likely(!t->reserved))
		return;
	t->reserved = false;
	vhost_scsi_bounce_put(t);
}

int vhost_scsi_split_get(struct vhost_scsi_tcmd *t,
			 const struct vhost_scsi_cmd *cmd);
void vhost_scsi_split_put(struct vhost_scsi_tcmd *t);

/* turn.c */

void vhost_scsi_turn_queue(struct vhost_scsi_tcmd *t);
void vhost_scsi_turn_leave(struct se_lun *se_lun);
void vhost_scsi_turn_linked(const struct se_lun *se_lun);
int vhost_scsi_turns_init(void);
void vhost_scsi_turns_exit(void);

/* reservation.c */

void vhost_scsi_reservation_prepare(struct vhost_scsi_tcmd *t);
void vhost_scsi_reservation_amend(struct vhost_scsi_tcmd *t);

static inline bool
vhost_scsi_is_all_registrants(const struct t10_pr_registration *holder)
{
	/* SPC-4, 6.15.3.4: Write Exclusive and Exclusive Access. */
	return holder->pr_res_type == 7 || holder->pr_res_type == 8;
}

/* fullstatus.c */

/* An iSCSI name of 223 bytes with its session identifier is the longest. */
#define VHOST_SCSI_TRANSPORT_ID_LEN	(TRANSPORT_IQN_LEN + 32)

unsigned int
vhost_scsi_transport_id(const struct t10_pr_registration *reg, u8 *id);
sense_reason_t vhost_scsi_read_full_status(struct vhost_scsi_tcmd *t);

/* fence.c */

struct vhost_scsi_fence;

struct vhost_scsi_fence *vhost_scsi_fence_new(struct vhost_scsi_tcmd *t,
					      u64 key, bool all);
void vhost_scsi_fence_start(struct vhost_scsi_tcmd *t);
void vhost_scsi_fence_free(struct vhost_scsi_fence *fence);
int vhost_scsi_fences_init(void);
void vhost_scsi_fences_exit(void);

/* tmr.c */

void vhost_scsi_fabric_queue_tm_rsp(struct se_cmd *se_cmd);
void vhost_scsi_tmr_release(struct se_cmd *se_cmd);

#endif /* _VHOST_SCSI_TARGET_H */
