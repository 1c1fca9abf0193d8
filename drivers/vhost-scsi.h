/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface between the guest's side (drivers/vhost, which knows virtio and no
 * type of LIO) and the host's side (drivers/target, which knows LIO and no ring):
 * one struct for a command, one for a task management function, and the calls in
 * both directions.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_H
#define _VHOST_SCSI_H

#include <linux/dma-direction.h>
#include <linux/jump_label.h>
#include <linux/ktime.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/timex.h>
#include <linux/types.h>
#include <linux/virtio_scsi.h>

struct vhost_scsi_dev;
struct vhost_scsi_endpoint;
struct vhost_scsi_lun;

/* virtio 1.2, 5.6.4: a target is one byte of the LUN field. */
#define VHOST_SCSI_MAX_TARGET	256
/* Single level LUN, flat space addressing: 14 bits. */
#define VHOST_SCSI_MAX_LUN	16383
/*
 * Numbers that stand for the REPORT LUNS well known logical unit of a target, and
 * of the device; see target/wlun.c.
 */
#define VHOST_SCSI_WLUN		0xc101
#define VHOST_SCSI_WLUN_DEVICE	0xffff
#define VHOST_SCSI_CDB_SIZE	32
/* More is no polling, but a processor that does nothing else. */
#define VHOST_SCSI_MAX_POLL_US	10000
/* Largest data buffer of a command, see Documentation/errors.rst. */
#define VHOST_SCSI_MAX_DATA	(64U << 20)
/* Protection information of a block (SBC-4, 4.21.2). */
#define VHOST_SCSI_PI_TUPLE	8
/* Blocks are not smaller. */
#define VHOST_SCSI_MIN_BLOCK	512

/* Where a command is, for those who ask what hangs. */
enum vhost_scsi_stage {
	VHOST_SCSI_AT_WORKER,	/* it prepares the command, or others before it */
	VHOST_SCSI_AT_LUN,	/* in the list of its LUN */
	VHOST_SCSI_AT_TURN,	/* waits for its turn, see turn.c */
	VHOST_SCSI_AT_BACKEND,	/* submitted */
	VHOST_SCSI_AT_FENCE,	/* waits for other commands, see fence.c */
	VHOST_SCSI_AT_ANSWER,	/* completed; the worker is to answer */
};

/**
 * struct vhost_scsi_cmd - one SCSI command on its way to LIO and back
 *
 * It is part of the slot of a virtqueue, which owns it. The guest's side writes the
 * upper half before it calls vhost_scsi_target_prepare(), and does not change it
 * until vhost_scsi_cmd_done(). The host's side writes the lower half before it calls
 * vhost_scsi_cmd_done(). The private part of the host's side follows the struct:
 * vhost_scsi_target_cmd_size bytes, zeroed when the slot is allocated.
 *
 * @tag: the guest's identifier, which ABORT TASK names
 * @epoch: functions with this or a greater one came after the command
 * @lun: 0 to VHOST_SCSI_MAX_LUN, or a VHOST_SCSI_WLUN*
 * @target: the TPG of the endpoint
 * @task_attr: VIRTIO_SCSI_S_SIMPLE and so on, as the guest wrote it
 * @cdb: padded with zeros
 * @dir: DMA_TO_DEVICE carries data from the guest
 * @data_len: bytes in @sgl
 * @stage: enum vhost_scsi_stage; whoever has the command writes it
 * @sgl: pinned guest pages, neighbours merged; the host's side must not change the
 *	 entries
 * @sgl_nents: entries of @sgl in use
 * @sgl_align: the page offsets and lengths of all guest buffers, ORed. A power of two,
 *	       at most a page, that divides this value divides each border in @sgl
 * @pi_sgl: protection information, in pages of the module that the guest cannot
 *	    reach, each entry of whole tuples; of a read it is to be filled
 * @pi_sgl_nents: entries of @pi_sgl
 * @pi_len: bytes in @pi_sgl; 0: the guest sends or takes none
 *
 * @response: VIRTIO_SCSI_S_*; if it is not S_OK, the guest does not get the rest
 * @status: SAM status
 * @resid: bytes of the guest's buffer that were not transferred, without those of
 *	   @pi_sgl, which are transferred if any of the data is
 * @submitted: while latencies are measured: vhost_scsi_stamp() before it was submitted to
 *	       the backend; 0: it was not
 * @completed: the same when it completed there
 * @sense: @sense_len bytes, valid until the command is prepared again
 * @sense_len: at most VIRTIO_SCSI_SENSE_DEFAULT_SIZE
 */
struct vhost_scsi_cmd {
	u64 tag;
	u64 epoch;
	u16 lun;
	u8 target;
	u8 task_attr;
	u8 cdb[VHOST_SCSI_CDB_SIZE];
	enum dma_data_direction dir;
	u32 data_len;
	u8 stage;
	struct scatterlist *sgl;
	u32 sgl_nents;
	u32 sgl_align;
	struct scatterlist *pi_sgl;
	u32 pi_sgl_nents;
	u32 pi_len;

	u8 response;
	u8 status;
	u16 sense_len;
	u32 resid;
	u32 submitted;
	u32 completed;
	const u8 *sense;

	u8 target_priv[] __aligned(8);
};

/**
 * struct vhost_scsi_tmf - one task management function
 * @function: VIRTIO_SCSI_T_TMF_*, accepted by vhost_scsi_target_tmf_check()
 * @target: the TPG of the endpoint
 * @lun: 0 to VHOST_SCSI_MAX_LUN, or a VHOST_SCSI_WLUN*; without a meaning for I_T NEXUS RESET
 * @tag: the command that ABORT TASK and QUERY TASK name
 * @epoch: commands with a greater epoch came after the function
 * @looked: vhost_scsi_target_tmf() was called
 * @response: VIRTIO_SCSI_S_*, when the function is done
 */
struct vhost_scsi_tmf {
	u32 function;
	u8 target;
	u16 lun;
	u64 tag;
	u64 epoch;
	bool looked;
	u8 response;
};

/* What becomes of a function. */
enum vhost_scsi_tmf_state {
	/* It is to be answered. */
	VHOST_SCSI_TMF_DONE,
	/* It is to be looked for again, in some time. */
	VHOST_SCSI_TMF_BUSY,
	/* The same, when vhost_scsi_tmf_done() is called, which may have been already. */
	VHOST_SCSI_TMF_WAIT,
};

/**
 * vhost_scsi_tmf_concerns - is a function about a command
 * @tmf: the function
 * @cmd: a command of the same nexus from before the function
 */
static inline bool vhost_scsi_tmf_concerns(const struct vhost_scsi_tmf *tmf,
					   const struct vhost_scsi_cmd *cmd)
{
	switch (tmf->function) {
	case VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET:
		return true;
	case VIRTIO_SCSI_T_TMF_ABORT_TASK:
	case VIRTIO_SCSI_T_TMF_QUERY_TASK:
		return cmd->lun == tmf->lun && cmd->tag == tmf->tag;
	}
	return cmd->lun == tmf->lun;
}

/* What a guest is told of a LUN. */
enum vhost_scsi_lun_event {
	VHOST_SCSI_LUN_ADDED,
	VHOST_SCSI_LUN_REMOVED,
	VHOST_SCSI_LUN_CAPACITY,
};

/*
 * Down: functions of the host's side (drivers/target), for the guest's side.
 */

/* Size of vhost_scsi_cmd.target_priv in bytes. */
extern const size_t vhost_scsi_target_cmd_size;

struct vhost_scsi_endpoint *vhost_scsi_endpoint_get(const char *wwpn,
						    struct vhost_scsi_dev *dev,
						    bool has_pi, bool firmware);
u64 vhost_scsi_endpoint_put(struct vhost_scsi_endpoint *ep);
u64 vhost_scsi_endpoint_luns(const struct vhost_scsi_endpoint *ep);
const char *vhost_scsi_endpoint_wwpn(const struct vhost_scsi_endpoint *ep);
bool vhost_scsi_endpoint_has(const struct vhost_scsi_endpoint *ep, u8 *target,
			     u16 lun);
bool vhost_scsi_endpoint_pins(const struct vhost_scsi_endpoint *ep);
u32 vhost_scsi_endpoint_poll_us(const struct vhost_scsi_endpoint *ep);

/* With more data a command may need much memory: vhost_scsi_target_reserve() is owed. */
#define VHOST_SCSI_SMALL_DATA	SZ_64K

void vhost_scsi_target_reserve(struct vhost_scsi_endpoint *ep,
			       struct vhost_scsi_cmd *cmd);
bool vhost_scsi_target_prepare(struct vhost_scsi_endpoint *ep,
			       struct vhost_scsi_cmd *cmd);
struct vhost_scsi_lun *vhost_scsi_target_lun(const struct vhost_scsi_cmd *cmd);
void vhost_scsi_target_submit(struct vhost_scsi_cmd *cmd);
void vhost_scsi_target_queue(struct vhost_scsi_cmd *cmd);
void vhost_scsi_target_held(struct vhost_scsi_lun *lun);
void vhost_scsi_target_released(struct vhost_scsi_lun *lun);
const char *vhost_scsi_target_holder(const struct vhost_scsi_cmd *cmd);
bool vhost_scsi_target_has_lun(const struct vhost_scsi_endpoint *ep, u8 target,
			       u16 lun);

u8 vhost_scsi_target_tmf_check(struct vhost_scsi_endpoint *ep, u32 function,
			       u8 target, u16 lun);
enum vhost_scsi_tmf_state
vhost_scsi_target_tmf(struct vhost_scsi_endpoint *ep,
		      struct vhost_scsi_tmf *tmf, bool busy);

void vhost_scsi_target_lost(struct vhost_scsi_dev *dev);

int vhost_scsi_target_register(void);
void vhost_scsi_target_unregister(void);

/*
 * Up: functions of the guest's side (drivers/vhost), for the host's side.
 */

DECLARE_STATIC_KEY_FALSE(vhost_scsi_timing);
extern bool vhost_scsi_by_tsc;

/*
 * A unit of a stamp is so many cycles of the TSC, or nanoseconds, as a power of two: some 40
 * ns. It comes round in more than a minute. The kernel's clock takes four times the
 * instructions of the TSC.
 */
#define VHOST_SCSI_STAMP_CYCLES	7
#define VHOST_SCSI_STAMP_NS	5

/* The time for a stamp. It is not 0, which means that there is none. */
static __always_inline u32 vhost_scsi_stamp_now(void)
{
	u64 now = likely(READ_ONCE(vhost_scsi_by_tsc)) ?
		  get_cycles() >> VHOST_SCSI_STAMP_CYCLES :
		  ktime_get_ns() >> VHOST_SCSI_STAMP_NS;

	return (u32)now | 1;
}

/* Notes the time in *@stamp, while latencies are measured. */
static __always_inline void vhost_scsi_stamp(u32 *stamp)
{
	if (static_branch_unlikely(&vhost_scsi_timing))
		*stamp = vhost_scsi_stamp_now();
}

/* The command is at another stage; nobody waits for that. */
static __always_inline void vhost_scsi_at(struct vhost_scsi_cmd *cmd,
					  enum vhost_scsi_stage stage)
{
	WRITE_ONCE(cmd->stage, stage);
	if (stage == VHOST_SCSI_AT_BACKEND)
		vhost_scsi_stamp(&cmd->submitted);
}

void vhost_scsi_cmd_bounced(const struct vhost_scsi_cmd *cmd);
void vhost_scsi_cmd_deferred(const struct vhost_scsi_cmd *cmd);
void vhost_scsi_cmd_place(const struct vhost_scsi_cmd *cmd, u64 *dev, u32 *queue);
void vhost_scsi_cmd_done(struct vhost_scsi_cmd *cmd);
void vhost_scsi_tmf_done(struct vhost_scsi_tmf *tmf);
void vhost_scsi_lun_event(struct vhost_scsi_dev *dev, u8 target, u16 lun,
			  enum vhost_scsi_lun_event what);

u64 vhost_scsi_requests_mark(struct vhost_scsi_dev *dev);
bool vhost_scsi_requests_busy(struct vhost_scsi_dev *dev,
			      bool (*match)(const struct vhost_scsi_cmd *cmd,
					    void *priv),
			      void *priv, u64 epoch);

int vhost_scsi_chardev_register(void);
void vhost_scsi_chardev_unregister(void);

#endif /* _VHOST_SCSI_H */
