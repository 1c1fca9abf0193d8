// SPDX-License-Identifier: GPL-2.0-only
/*
 * A command on LIO, from its preparation to its end.
 *
 * A command has one reference. LIO drops it through check_stop_free() when it is done
 * with the command. Whoever aborts a command holds another reference meanwhile. So
 * every command ends in release_cmd(). Only then can nothing in LIO touch the guest's
 * memory any more, and only then the guest is answered.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/rcupdate.h>
#include <linux/sizes.h>
#include <linux/virtio_scsi.h>
#include <scsi/scsi_common.h>
#include <scsi/scsi_eh.h>
#include <target/target_core_backend.h>
#include <target/target_core_task_attr.h>

#include "target.h"
#include "trace.h"

/*
 * A command with no more data is ended where its backend or LIO completes it: in an
 * interrupt, or in a work item that delays those of all guests on its processor.
 */
#define INTERRUPT_BYTES	SZ_256K

/* Its items never sleep, so that no guest can occupy it. */
static struct workqueue_struct *finish_wq;

const size_t vhost_scsi_target_cmd_size = sizeof(struct vhost_scsi_tcmd);

static void set_sense(struct vhost_scsi_cmd *cmd, u8 status)
{
	struct vhost_scsi_tcmd *t = vhost_scsi_tcmd(cmd);

	cmd->sense = t->sense;
	cmd->sense_len = 0;
	if (status != SAM_STAT_CHECK_CONDITION)
		return;
	t->sense_used = true;
	/* SPC-5 4.4: both formats have the additional length in byte 7. */
	if ((t->sense[0] & 0x70) == 0x70)
		cmd->sense_len = min_t(u32, 8 + t->sense[7], sizeof(t->sense));
}

static void refuse(struct vhost_scsi_cmd *cmd, bool desc, u8 key, u8 asc,
		   u8 ascq)
{
	struct vhost_scsi_tcmd *t = vhost_scsi_tcmd(cmd);

	vhost_scsi_bounce_unreserve(t);
	scsi_build_sense_buffer(desc, t->sense, key, asc, ascq);
	cmd->response = VIRTIO_SCSI_S_OK;
	cmd->status = SAM_STAT_CHECK_CONDITION;
	cmd->resid = cmd->data_len;
	set_sense(cmd, cmd->status);
	vhost_scsi_cmd_done(cmd);
}

/**
 * vhost_scsi_cmd_refuse - end a command for a LUN that LIO does not have
 * @cmd: the command
 * @key: sense key
 * @asc: additional sense code
 * @ascq: and its qualifier
 */
void vhost_scsi_cmd_refuse(struct vhost_scsi_cmd *cmd, u8 key, u8 asc, u8 ascq)
{
	refuse(cmd, false, key, asc, ascq);
}

/**
 * vhost_scsi_lun_refuse - end a command that LIO was not asked about
 * @tpg: the TPG, with a nexus
 * @cmd: the command; its LUN may be there or not
 * @key: sense key
 * @asc: additional sense code
 * @ascq: and its qualifier
 */
void vhost_scsi_lun_refuse(struct vhost_scsi_tpg *tpg, struct vhost_scsi_cmd *cmd,
			   u8 key, u8 asc, u8 ascq)
{
	refuse(cmd, cmd->lun <= VHOST_SCSI_MAX_LUN &&
	       vhost_scsi_lun_has_desc_sense(tpg, cmd->lun), key, asc, ascq);
}

/**
 * vhost_scsi_own_sense - what a command gets if LIO says GOOD
 * @t: which LIO carries out now; its device is there
 * @key: sense key
 * @asc: additional sense code
 * @ascq: and its qualifier
 *
 * If LIO fails, too, that is what the guest is told.
 */
void vhost_scsi_own_sense(struct vhost_scsi_tcmd *t, u8 key, u8 asc, u8 ascq)
{
	t->own_sense = true;
	scsi_build_sense_buffer(vhost_scsi_has_desc_sense(t->se_cmd.se_dev), t->sense, key,
				asc, ascq);
}

/*
 * Was data transferred before a CHECK CONDITION? From a passed-through device LIO only
 * passes on the sense data, except for the short read of a tape. A guest takes the data
 * up to the block that the sense data names as valid, so after an error the residual
 * must be the whole buffer.
 */
static bool has_data(const struct se_cmd *se_cmd)
{
	struct scsi_sense_hdr sense;

	if (se_cmd->se_cmd_flags & SCF_TREAT_READ_AS_NORMAL)
		return true;
	if (se_cmd->se_cmd_flags & SCF_EMULATED_TASK_SENSE ||
	    !scsi_normalize_sense(se_cmd->sense_buffer, TRANSPORT_SENSE_BUFFER,
				  &sense) ||
	    scsi_sense_is_deferred(&sense))
		return false;
	return sense.sense_key == NO_SENSE ||
	       sense.sense_key == RECOVERED_ERROR;
}

/* Bytes of the guest's buffer that were not transferred. */
static u32 residual(const struct se_cmd *se_cmd,
		    const struct vhost_scsi_cmd *cmd)
{
	u32 resid = 0;

	switch (se_cmd->scsi_status) {
	case SAM_STAT_GOOD:
	case SAM_STAT_CONDITION_MET:
		break;
	case SAM_STAT_CHECK_CONDITION:
		if (has_data(se_cmd))
			break;
		fallthrough;
	default:
		return cmd->data_len;
	}

	if (se_cmd->se_cmd_flags & SCF_UNDERFLOW_BIT)
		resid = se_cmd->residual_count;
	return min(resid, cmd->data_len);
}

static void finish_now(struct vhost_scsi_cmd *cmd)
{
	struct vhost_scsi_tcmd *t = vhost_scsi_tcmd(cmd);
	struct se_cmd *se_cmd = &t->se_cmd;

	vhost_scsi_bounce_unreserve(t);
	/* LIO does not execute a command whose CDB wants more data than the buffer has. */
	if (se_cmd->se_cmd_flags & SCF_OVERFLOW_BIT && !t->verdict)
		t->verdict = VIRTIO_SCSI_S_OVERRUN;

	if (t->own_sense && se_cmd->scsi_status == SAM_STAT_GOOD) {
		se_cmd->scsi_status = SAM_STAT_CHECK_CONDITION;
		se_cmd->se_cmd_flags |= SCF_EMULATED_TASK_SENSE;
	}
	if (unlikely(se_cmd->scsi_status || t->tries))
		vhost_scsi_pace_end(t);
	if (t->copies)
		vhost_scsi_copy_end(t);
	if (t->same)
		vhost_scsi_same_end(t);
	cmd->response = t->verdict;
	cmd->status = se_cmd->scsi_status;
	cmd->resid = residual(se_cmd, cmd);
	set_sense(cmd, cmd->status);
	if (t->answers && t->bounce && !t->verdict && !cmd->status)
		vhost_scsi_answer_end(t);
	if (t->bounce) {
		if (!cmd->status)
			vhost_scsi_pi_amend(t);
		if (!t->verdict)
			vhost_scsi_bounce_copy_back(t, cmd);
		vhost_scsi_bounce_put(t);
	}
	if (t->split.sgl)
		vhost_scsi_split_put(t);
	if (t->fence) {
		if (!t->verdict && cmd->status == SAM_STAT_GOOD) {
			vhost_scsi_at(cmd, VHOST_SCSI_AT_FENCE);
			vhost_scsi_fence_start(t);
			return;
		}
		vhost_scsi_fence_free(t->fence);
	}
	vhost_scsi_cmd_done(cmd);
}

static void finish_work(struct work_struct *work)
{
	struct vhost_scsi_tcmd *t;

	t = container_of(work, struct vhost_scsi_tcmd, finish);
	finish_now(vhost_scsi_cmd(t));
}

/* Work items of a workqueue that is bound to processors run one after the other. */
static bool keeps_processor(void)
{
	return in_interrupt() || irqs_disabled() ||
	       (current->flags & PF_WQ_WORKER && current->nr_cpus_allowed == 1);
}

/*
 * Copying data back and unpinning pages takes time for each page. For a command with
 * much data this takes too long.
 */
static void finish(struct vhost_scsi_cmd *cmd)
{
	struct vhost_scsi_tcmd *t = vhost_scsi_tcmd(cmd);

	if (cmd->data_len > INTERRUPT_BYTES && keeps_processor()) {
		INIT_WORK(&t->finish, finish_work);
		queue_work(finish_wq, &t->finish);
	} else {
		finish_now(cmd);
	}
}

static sense_reason_t look(struct vhost_scsi_tcmd *t)
{
	sense_reason_t reason = TCM_NO_SENSE;

	if (t->reads_pi)
		reason = vhost_scsi_pi_read(t);
	if (!reason && t->verifies)
		reason = vhost_scsi_verify_end(t);
	return reason;
}

static sense_reason_t complete_looked(struct se_cmd *se_cmd, bool success,
				      int *post_ret)
{
	/* LIO may go on with the command. */
	*post_ret = 1;
	return success ? container_of(se_cmd, struct vhost_scsi_tcmd, se_cmd)->reason :
			 TCM_NO_SENSE;
}

static void look_work(struct work_struct *work)
{
	struct vhost_scsi_tcmd *t;

	t = container_of(work, struct vhost_scsi_tcmd, finish);
	t->reason = look(t);
	t->se_cmd.transport_complete_callback = complete_looked;
	/* LIO calls complete_looked() in a work item of its own. */
	target_complete_cmd(&t->se_cmd, SAM_STAT_GOOD);
}

/*
 * LIO calls this when it has read the blocks, in a work item that is bound to a processor. It
 * also calls this when the command has ended without them.
 */
static sense_reason_t complete_read(struct se_cmd *se_cmd, bool success,
				    int *post_ret)
{
	struct vhost_scsi_tcmd *t;

	*post_ret = 1;
	if (!success || se_cmd->scsi_status)
		return TCM_NO_SENSE;
	t = container_of(se_cmd, struct vhost_scsi_tcmd, se_cmd);
	if (se_cmd->data_length <= INTERRUPT_BYTES)
		return look(t);
	/* LIO leaves the command alone until it is completed again, as with COMPARE AND WRITE. */
	*post_ret = 0;
	INIT_WORK(&t->finish, look_work);
	queue_work(finish_wq, &t->finish);
	return TCM_NO_SENSE;
}

/**
 * vhost_scsi_look_at_data - have look() called for the data that LIO reads
 * @t: with @t->reads_pi or @t->verifies; not executed yet
 */
void vhost_scsi_look_at_data(struct vhost_scsi_tcmd *t)
{
	t->se_cmd.transport_complete_callback = complete_read;
}

/* Does the backend pass the CDB to a device, which checks it? */
static bool is_passthrough(const struct se_cmd *se_cmd)
{
	return se_cmd->se_dev->transport_flags & TRANSPORT_FLAG_PASSTHROUGH;
}

/* Gives the data buffer to LIO; 0 or -ENOMEM. */
static int map_data(struct vhost_scsi_tcmd *t, const struct vhost_scsi_cmd *cmd)
{
	struct se_cmd *se_cmd = &t->se_cmd;
	int ret;

	vhost_scsi_answer_begin(t);
	if (!se_cmd->data_length || (!cmd->sgl_nents && !t->answers))
		return 0;

	/* Set this first: without it LIO frees the guest's pages if the rest fails. */
	se_cmd->se_cmd_flags |= SCF_PASSTHROUGH_SG_TO_MEM_NOALLOC;
	se_cmd->t_data_sg = cmd->sgl;
	se_cmd->t_data_nents = cmd->sgl_nents;
	if (vhost_scsi_bounce_wanted(t, cmd)) {
		/* When the command has ended the device may be gone. */
		t->by_device = is_passthrough(se_cmd);
		ret = vhost_scsi_bounce_get(t, cmd);
		if (ret)
			return ret;
		vhost_scsi_cmd_bounced(cmd);
		se_cmd->t_data_sg = t->bounce;
		se_cmd->t_data_nents = t->bounce_nents;
		return 0;
	}
	vhost_scsi_bounce_unreserve(t);
	if (is_passthrough(se_cmd)) {
		ret = vhost_scsi_split_get(t, cmd);
		if (ret)
			return ret;
		se_cmd->t_data_sg = t->split.sgl;
		se_cmd->t_data_nents = t->split.nents;
	}
	return 0;
}

/* The first byte that a COMPARE AND WRITE has and the medium has not, or -1. */
static int miscompare(const struct se_cmd *se_cmd)
{
	u32 len = se_cmd->t_task_nolb * se_cmd->se_dev->dev_attrib.block_size;
	u8 want[32], have[32];
	u32 at, i, n;

	for (at = 0; at < len; at += n) {
		n = sg_pcopy_to_buffer(se_cmd->t_data_sg, se_cmd->t_data_nents,
				       want, min_t(u32, sizeof(want), len - at),
				       at);
		if (!n || sg_pcopy_to_buffer(se_cmd->t_bidi_data_sg,
					     se_cmd->t_bidi_data_nents, have, n,
					     at) != n)
			break;
		for (i = 0; i < n; i++)
			if (want[i] != have[i])
				return at + i;
	}
	return -1;
}

/*
 * LIO has read the blocks. Of a miscompare it logs a line, so that is found here,
 * and ended as LIO does it (SBC-4 5.3: the information is where). A read that failed
 * LIO 6.12 takes for an abort, and warns that it is none: that is ended here, too.
 */
static sense_reason_t complete_caw(struct se_cmd *se_cmd, bool success,
				   int *post_ret)
{
	struct vhost_scsi_tcmd *t;
	int at = -1;

	t = container_of(se_cmd, struct vhost_scsi_tcmd, se_cmd);
	if (success && !se_cmd->scsi_status && se_cmd->data_length)
		at = miscompare(se_cmd);
	if (success && at < 0)
		return t->completed(se_cmd, success, post_ret);
	/* Taken before the blocks were read. */
	up(&se_cmd->se_dev->caw_sem);
	if (!success)
		return TCM_NO_SENSE;
	se_cmd->sense_info = at;
	return TCM_MISCOMPARE_VERIFY;
}

static sense_reason_t execute_caw(struct se_cmd *se_cmd)
{
	struct vhost_scsi_tcmd *t;

	t = container_of(se_cmd, struct vhost_scsi_tcmd, se_cmd);
	if (!vhost_scsi_copy_begin(t))
		return TCM_OUT_OF_RESOURCES;
	se_cmd->transport_complete_callback = complete_caw;
	return t->execute(se_cmd);
}

/*
 * A COMPARE AND WRITE has a callback for the end of its read. LIO 6.1 also calls it if
 * the command fails before it began, such as by a unit attention, and if it is aborted.
 * The callback then compares data that was not read, writes on a match, and ends the
 * command, which LIO ends once more. So LIO gets the callback only when it executes the
 * command, and CMD_T_FABRIC_STOP makes its aborts ignore the command. Task management
 * waits until the command is answered.
 */
static void guard_caw(struct vhost_scsi_tcmd *t)
{
	struct se_cmd *se_cmd = &t->se_cmd;

	t->completed = se_cmd->transport_complete_callback;
	t->execute = se_cmd->execute_cmd;
	se_cmd->transport_complete_callback = NULL;
	se_cmd->execute_cmd = execute_caw;
	se_cmd->transport_state |= CMD_T_FABRIC_STOP;
}

/* Finds the LUN. Otherwise answers the command, and LIO does not get it. */
static bool find_lun(const struct vhost_scsi_endpoint *ep, struct vhost_scsi_tpg *tpg,
		     struct vhost_scsi_cmd *cmd)
{
	enum vhost_scsi_found found = vhost_scsi_lun_attach(tpg, cmd);

	if (likely(found == VHOST_SCSI_LUN_FOUND))
		return true;
	vhost_scsi_bounce_unreserve(vhost_scsi_tcmd(cmd));
	if (cmd->lun > VHOST_SCSI_MAX_LUN)
		vhost_scsi_wlun_answer(ep, tpg, cmd);
	else if (found == VHOST_SCSI_LUN_ABSENT)
		vhost_scsi_absent_answer(ep, tpg, cmd);
	else
		vhost_scsi_lun_refuse(tpg, cmd, DATA_PROTECT, 0x27, 0);
	return false;
}

/* Returns true if this answered the command, which then does not have its LUN any more. */
static bool capacity_reported(struct vhost_scsi_tpg *tpg, struct vhost_scsi_cmd *cmd)
{
	struct vhost_scsi_tcmd *t = vhost_scsi_tcmd(cmd);
	struct vhost_scsi_lun *lun = t->lun;

	if (!vhost_scsi_capacity_due(tpg, lun, cmd))
		return false;
	vhost_scsi_lun_detach(t);
	vhost_scsi_bounce_unreserve(t);
	vhost_scsi_capacity_report(tpg, cmd);
	return true;
}

/*
 * Does what target_submit_prep() does, with two differences: the LUN is known already, and
 * commands that LIO would refuse with a line in the log do not reach it. On an error the
 * command has been ended.
 */
static bool prep(struct vhost_scsi_cmd *cmd)
{
	struct vhost_scsi_tcmd *t = vhost_scsi_tcmd(cmd);
	struct se_cmd *se_cmd = &t->se_cmd;
	u8 room[VHOST_SCSI_CDB_SIZE];
	sense_reason_t reason;
	u8 *cdb = cmd->cdb;
	bool pi;

	pi = vhost_scsi_pi_matters(t);
	if (unlikely(pi))
		cdb = vhost_scsi_pi_cdb(t, room);
	/* Fails only for a longer CDB than a se_cmd holds. */
	reason = target_cmd_init_cdb(se_cmd, cdb, GFP_KERNEL_ACCOUNT);
	if (!reason && unlikely(pi))
		reason = vhost_scsi_pi_check(t);
	if (!reason)
		reason = vhost_scsi_check_cdb(t, cdb);
	if (!reason) {
		if (unlikely(pi))
			vhost_scsi_pi_attach(t);
		else
			/* LIO is not to make protection information. */
			se_cmd->prot_pto = true;
		reason = target_cmd_parse_cdb(se_cmd);
		/* Not before: of a code that is not there LIO says that. */
		if (!reason && unlikely(vhost_scsi_cdb_wants_aca(cmd->cdb)) &&
		    !is_passthrough(se_cmd))
			reason = TCM_INVALID_CDB_FIELD;
		if (!reason)
			return true;
		reason = vhost_scsi_check_failed(t, reason);
	}
	transport_generic_request_failure(se_cmd, reason);
	return false;
}

/*
 * Parameters end where the CDB says, and the block of a WRITE SAME where that ends. Of
 * a larger buffer LIO takes all, or logs a line.
 */
static void end_parameters(struct vhost_scsi_tcmd *t)
{
	struct se_cmd *se_cmd = &t->se_cmd;

	if (se_cmd->data_direction == DMA_TO_DEVICE &&
	    !(se_cmd->se_cmd_flags & SCF_SCSI_DATA_CDB))
		se_cmd->data_length = vhost_scsi_cmd(t)->data_len -
				      se_cmd->residual_count;
}

/**
 * vhost_scsi_target_reserve - allocate what a command will need, if that is much
 * @ep: the endpoint, which has cmd->target
 * @cmd: the caller owes vhost_scsi_target_prepare(), which allocates the rest
 *
 * Context: process; may sleep for as long as the owner's memory cgroup likes. So the caller
 * must have no prepared command, for which others may wait.
 */
void vhost_scsi_target_reserve(struct vhost_scsi_endpoint *ep,
			       struct vhost_scsi_cmd *cmd)
{
	struct vhost_scsi_tpg *tpg = ep->tpgs[cmd->target];
	struct vhost_scsi_tcmd *t = vhost_scsi_tcmd(cmd);
	struct vhost_scsi_lun *lun = vhost_scsi_lun_known(tpg, cmd->lun);

	t->se_cmd.se_sess = tpg->sess;
	vhost_scsi_bounce_reserve(t, cmd, lun ? READ_ONCE(lun->cut_mask) :
						PAGE_SIZE - 1);
}

/**
 * vhost_scsi_target_prepare - give a command to LIO, without submitting it
 * @ep: the endpoint, which has cmd->target
 * @cmd: the command
 *
 * Context: process; may sleep.
 * Return: true, and the caller owes vhost_scsi_target_submit(); or false, and
 * vhost_scsi_cmd_done() was called.
 */
bool vhost_scsi_target_prepare(struct vhost_scsi_endpoint *ep,
			       struct vhost_scsi_cmd *cmd)
{
	struct vhost_scsi_tpg *tpg = ep->tpgs[cmd->target];
	struct vhost_scsi_tcmd *t = vhost_scsi_tcmd(cmd);
	struct se_cmd *se_cmd = &t->se_cmd;

	memset(se_cmd, 0, sizeof(*se_cmd));
	se_cmd->se_sess = tpg->sess;
	if (t->sense_used)
		memset(t->sense, 0, sizeof(t->sense));
	t->sense_used = false;
	t->pr_capabilities = false;
	t->answers = false;
	t->takes_turn = false;
	t->reads_pi = false;
	t->verifies = false;
	t->copies = false;
	t->sent = false;
	t->tries = false;
	t->same = 0;
	t->own_sense = false;
	t->fence = NULL;
	t->verdict = VIRTIO_SCSI_S_OK;
	t->aborted_as = VIRTIO_SCSI_S_RESET;
	t->lun = NULL;

	/* LIO would read beyond the end of cmd->cdb. */
	if (scsi_command_size(cmd->cdb) > sizeof(cmd->cdb)) {
		vhost_scsi_lun_refuse(tpg, cmd, ILLEGAL_REQUEST, 0x24, 0);
		return false;
	}
	if (!find_lun(ep, tpg, cmd))
		return false;
	if (unlikely(READ_ONCE(t->lun->resized)) && capacity_reported(tpg, cmd))
		return false;

	/* vhost_scsi_bounce_unreserve() needed it until here. LIO sets it again. */
	se_cmd->se_sess = NULL;
	se_cmd->tag = cmd->tag;
	/*
	 * virtio 1.2, 5.6.6.1.1: all may be mapped to SIMPLE. LIO lets an
	 * ORDERED command wait for an EXTENDED COPY, and that for commands of
	 * its own behind it; what order there is lun.c makes.
	 */
	target_init_cmd(se_cmd, tpg->sess, t->sense, cmd->lun, cmd->data_len,
			TCM_SIMPLE_TAG, cmd->dir, 0);
	if (!prep(cmd))
		return false;

	if (unlikely(se_cmd->se_cmd_flags & SCF_UNDERFLOW_BIT))
		end_parameters(t);
	if (!cmd->data_len && vhost_scsi_cdb_moves_no_data(cmd->cdb))
		se_cmd->se_cmd_flags &= ~SCF_OVERFLOW_BIT;
	if (se_cmd->se_cmd_flags & SCF_OVERFLOW_BIT ||
	    (!is_passthrough(se_cmd) &&
	     !vhost_scsi_cdb_fits(cmd->cdb, cmd->dir))) {
		t->verdict = VIRTIO_SCSI_S_OVERRUN;
		transport_generic_request_failure(se_cmd,
						  TCM_INVALID_CDB_FIELD);
		return false;
	}
	if (unlikely(READ_ONCE(t->lun->in_debt)) && !vhost_scsi_pace_admit(t)) {
		transport_generic_request_failure(se_cmd, TCM_LUN_BUSY);
		return false;
	}
	if (map_data(t, cmd)) {
		transport_generic_request_failure(se_cmd,
						  TCM_OUT_OF_RESOURCES);
		return false;
	}

	if (se_cmd->se_cmd_flags & SCF_COMPARE_AND_WRITE)
		guard_caw(t);
	else if (vhost_scsi_cdb_reserves(cmd->cdb))
		vhost_scsi_reservation_prepare(t);
	else if (unlikely(se_cmd->prot_op != TARGET_PROT_NORMAL))
		vhost_scsi_pi_prepare(t);
	vhost_scsi_check_later(t);
	t->sent = true;
	return true;
}

/* The reasons are those of vhost_scsi_lun_defers(). */
static void note_deferral(struct vhost_scsi_tcmd *t)
{
	enum vhost_scsi_reason reason = VHOST_SCSI_IN_ORDER;

	vhost_scsi_cmd_deferred(vhost_scsi_cmd(t));
	if (!trace_vhost_scsi_defer_enabled())
		return;
	if (!vhost_scsi_cdb_is_plain(t->se_cmd.t_task_cdb))
		reason = VHOST_SCSI_CDB_NOT_PLAIN;
	else if (READ_ONCE(t->lun->submitter) != VHOST_SCSI_SUBMIT_INLINE ||
		 READ_ONCE(t->lun->slow))
		reason = VHOST_SCSI_BACKEND_SLEEPS;
	trace_vhost_scsi_defer(vhost_scsi_cmd(t), reason);
}

/**
 * vhost_scsi_target_lun - which LUN a command is for
 * @cmd: prepared by vhost_scsi_target_prepare(); it may have ended
 *
 * Return: valid as long as the endpoint is.
 */
struct vhost_scsi_lun *vhost_scsi_target_lun(const struct vhost_scsi_cmd *cmd)
{
	return ((const struct vhost_scsi_tcmd *)cmd->target_priv)->lun;
}

/**
 * vhost_scsi_target_submit - carry out a command
 * @cmd: prepared by vhost_scsi_target_prepare(). It ends in vhost_scsi_cmd_done(),
 *	 maybe before this returns
 *
 * This does not wait for a command, and sleeps for as long as the backend does. The
 * order of the calls is the order in which the guest made the commands available; the
 * task attributes refer to it.
 *
 * Context: process; the endpoint stays during the call.
 */
void vhost_scsi_target_submit(struct vhost_scsi_cmd *cmd)
{
	struct vhost_scsi_tcmd *t = vhost_scsi_tcmd(cmd);

	if (vhost_scsi_lun_defers(t->lun, t)) {
		note_deferral(t);
		vhost_scsi_lun_queue(t->lun, t);
		return;
	}
	vhost_scsi_at(cmd, VHOST_SCSI_AT_BACKEND);
	trace_vhost_scsi_submit(cmd);
	vhost_scsi_lun_submit(t->lun, t);
}

/**
 * vhost_scsi_target_queue - have a command carried out, whatever the backend does
 * @cmd: as for vhost_scsi_target_submit()
 *
 * Context: process; does not sleep.
 */
void vhost_scsi_target_queue(struct vhost_scsi_cmd *cmd)
{
	struct vhost_scsi_tcmd *t = vhost_scsi_tcmd(cmd);

	note_deferral(t);
	vhost_scsi_lun_queue(t->lun, t);
}

/**
 * vhost_scsi_target_holder - what a command waits for
 * @cmd: a command under way, which may end during the call; its memory does not
 *
 * Context: any.
 * Return: one word, see Documentation/ABI.
 */
const char *vhost_scsi_target_holder(const struct vhost_scsi_cmd *cmd)
{
	const struct vhost_scsi_tcmd *t = (const void *)cmd->target_priv;
	/* LUNs are freed with their port groups, which stay as long as @cmd. */
	const struct vhost_scsi_lun *lun = READ_ONCE(t->lun);

	switch (READ_ONCE(cmd->stage)) {
	case VHOST_SCSI_AT_LUN:
		return lun && READ_ONCE(lun->held) && !READ_ONCE(lun->slow) ?
		       "order" : "slot";
	case VHOST_SCSI_AT_TURN:
		return "turn";
	case VHOST_SCSI_AT_BACKEND:
		return "backend";
	case VHOST_SCSI_AT_FENCE:
		return "function";
	default:
		return "worker";
	}
}

/**
 * vhost_scsi_fabric_release_cmd - LIO does not use the command any more
 * @se_cmd: a command, or a task management function
 *
 * Context: any.
 */
void vhost_scsi_fabric_release_cmd(struct se_cmd *se_cmd)
{
	struct vhost_scsi_tcmd *t;

	if (se_cmd->se_cmd_flags & SCF_SCSI_TMR_CDB) {
		vhost_scsi_tmr_release(se_cmd);
		return;
	}
	t = container_of(se_cmd, struct vhost_scsi_tcmd, se_cmd);
	vhost_scsi_stamp(&vhost_scsi_cmd(t)->completed);
	trace_vhost_scsi_complete(vhost_scsi_cmd(t), se_cmd->scsi_status);
	finish(vhost_scsi_cmd(t));
}

/**
 * vhost_scsi_fabric_queue_status - LIO has the status of a command
 * @se_cmd: the command, which still has a reference to its LUN
 *
 * The guest is answered later, in release_cmd(). LIO also calls this for a command that
 * was aborted with the status TASK ABORTED.
 */
int vhost_scsi_fabric_queue_status(struct se_cmd *se_cmd)
{
	target_end_task_attr(se_cmd);
	return 0;
}

/**
 * vhost_scsi_fabric_aborted_task - LIO ends an aborted command without a status
 * @se_cmd: a command, or a task management function
 */
void vhost_scsi_fabric_aborted_task(struct se_cmd *se_cmd)
{
	struct vhost_scsi_tcmd *t;
	unsigned long flags;

	if (se_cmd->se_cmd_flags & SCF_SCSI_TMR_CDB)
		return;
	target_end_task_attr(se_cmd);
	t = container_of(se_cmd, struct vhost_scsi_tcmd, se_cmd);
	/* LIO may have seen the mark before whoever set it gave up the lock. */
	spin_lock_irqsave(&se_cmd->t_state_lock, flags);
	t->verdict = t->aborted_as;
	spin_unlock_irqrestore(&se_cmd->t_state_lock, flags);
}

int vhost_scsi_fabric_setup(void)
{
	finish_wq = alloc_workqueue("vhost_scsi_finish",
				    WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return finish_wq ? 0 : -ENOMEM;
}

void vhost_scsi_fabric_cleanup(void)
{
	destroy_workqueue(finish_wq);
}
