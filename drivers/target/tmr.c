// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task management functions, carried out by LIO.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/slab.h>
#include <linux/virtio_scsi.h>

#include "target.h"

/**
 * struct tmr - a function that LIO carries out
 * @se_cmd: LIO's
 * @tmf: the function of the guest's side
 * @lun: struct of the LUN, or NULL
 * @abort: in lun->aborts, of an ABORT TASK
 * @response: for @tmf
 */
struct tmr {
	struct se_cmd se_cmd;
	struct vhost_scsi_tmf *tmf;
	struct vhost_scsi_lun *lun;
	struct vhost_scsi_abort abort;
	u8 response;
};

/* Functions of virtio 1.2, 5.6.6.2, and LIO's numbers for them. */
static const struct {
	u32 function;
	u8 tmr;
	u8 response;	/* for the commands that it ends */
} functions[] = {
	{ VIRTIO_SCSI_T_TMF_ABORT_TASK, TMR_ABORT_TASK,
	  VIRTIO_SCSI_S_ABORTED },
	{ VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, TMR_LUN_RESET,
	  VIRTIO_SCSI_S_RESET },
};

/*
 * A task that LIO does not find has ended; the caller sees to its answer. Both are
 * FUNCTION COMPLETE by SAM-5 7.2 and 7.7; FUNCTION SUCCEEDED is of the queries.
 */
static const u8 responses[] = {
	[TMR_FUNCTION_FAILED] = VIRTIO_SCSI_S_FAILURE,
	[TMR_FUNCTION_COMPLETE] = VIRTIO_SCSI_S_FUNCTION_COMPLETE,
	[TMR_TASK_DOES_NOT_EXIST] = VIRTIO_SCSI_S_FUNCTION_COMPLETE,
	[TMR_LUN_DOES_NOT_EXIST] = VIRTIO_SCSI_S_INCORRECT_LUN,
	[TMR_TASK_MGMT_FUNCTION_NOT_SUPPORTED] =
		VIRTIO_SCSI_S_FUNCTION_REJECTED,
	[TMR_FUNCTION_REJECTED] = VIRTIO_SCSI_S_FUNCTION_REJECTED,
};

static int function_index(u32 function)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(functions); i++)
		if (functions[i].function == function)
			return i;
	return -ENOENT;
}

/**
 * vhost_scsi_target_has_tmf - is the function supported
 * @function: VIRTIO_SCSI_T_TMF_*, or anything
 */
bool vhost_scsi_target_has_tmf(u32 function)
{
	return function_index(function) >= 0;
}

static void tmr_finish(struct tmr *tmr)
{
	struct vhost_scsi_tmf *tmf = tmr->tmf;

	if (tmr->lun && tmf->function == VIRTIO_SCSI_T_TMF_ABORT_TASK)
		vhost_scsi_lun_abort_end(tmr->lun, &tmr->abort);
	tmf->response = tmr->response;
	kfree(tmr);
	vhost_scsi_tmf_done(tmf);
}

/**
 * vhost_scsi_target_tmf - carry out a task management function
 * @ep: the endpoint, which has tmf->target
 * @tmf: the function. It ends in vhost_scsi_tmf_done(), maybe before this returns
 *
 * This does not wait for the commands that the function ends.
 *
 * Context: process.
 */
void vhost_scsi_target_tmf(struct vhost_scsi_endpoint *ep,
			   struct vhost_scsi_tmf *tmf)
{
	struct vhost_scsi_tpg *tpg = ep->tpgs[tmf->target];
	int i = function_index(tmf->function);
	struct tmr *tmr;

	tmr = kzalloc(sizeof(*tmr), GFP_KERNEL_ACCOUNT);
	if (!tmr) {
		tmf->response = VIRTIO_SCSI_S_BUSY;
		vhost_scsi_tmf_done(tmf);
		return;
	}
	tmr->tmf = tmf;
	tmr->lun = vhost_scsi_find_lun(tpg, tmf->lun).lun;
	/* Remains if a LUN RESET overtakes an ABORT TASK, and ends its command instead. */
	tmr->response = VIRTIO_SCSI_S_FUNCTION_COMPLETE;

	if (tmr->lun) {
		tmr->abort.tag = tmf->tag;
		if (tmf->function == VIRTIO_SCSI_T_TMF_ABORT_TASK)
			vhost_scsi_lun_abort_begin(tmr->lun, &tmr->abort);
		vhost_scsi_lun_cancel(tmr->lun, functions[i].tmr == TMR_LUN_RESET,
				      tmf->tag, functions[i].response);
	}

	if (target_submit_tmr(&tmr->se_cmd, tpg->sess, NULL, tmf->lun, tmr,
			      functions[i].tmr, GFP_KERNEL_ACCOUNT, tmf->tag, 0) < 0) {
		tmr->response = VIRTIO_SCSI_S_BUSY;
		tmr_finish(tmr);
	}
}

/**
 * vhost_scsi_fabric_queue_tm_rsp - LIO has carried out a function
 * @se_cmd: of a struct tmr
 */
void vhost_scsi_fabric_queue_tm_rsp(struct se_cmd *se_cmd)
{
	struct tmr *tmr = container_of(se_cmd, struct tmr, se_cmd);
	u8 response = se_cmd->se_tmr_req->response;

	tmr->response = response < ARRAY_SIZE(responses) ?
			responses[response] : VIRTIO_SCSI_S_FAILURE;
}

/**
 * vhost_scsi_tmr_release - LIO does not use the function any more
 * @se_cmd: of a struct tmr
 */
void vhost_scsi_tmr_release(struct se_cmd *se_cmd)
{
	tmr_finish(container_of(se_cmd, struct tmr, se_cmd));
}
