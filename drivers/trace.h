/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tracepoints vhost_scsi:*, one for each step of a command, of a task management
 * function and of a binding; and the lines in the log.
 *
 * All parts of the module include this header. So it knows no type of them but the
 * command, which it does not look into: trace.c does.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vhost_scsi

#if !defined(_VHOST_SCSI_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _VHOST_SCSI_TRACE_H

#include <linux/printk.h>
#include <linux/tracepoint.h>
#include <linux/types.h>

struct vhost_scsi_cmd;

#ifndef VHOST_SCSI_TRACE_ONCE
#define VHOST_SCSI_TRACE_ONCE
/* Why a work item submits a command, and not the worker. */
enum vhost_scsi_reason {
	VHOST_SCSI_BACKEND_SLEEPS,
	VHOST_SCSI_IN_ORDER,
	VHOST_SCSI_CDB_NOT_PLAIN,
};

/* What a fault is of. */
enum vhost_scsi_fault {
	VHOST_SCSI_FAULT_RING,
	VHOST_SCSI_FAULT_REQUEST,
	VHOST_SCSI_FAULT_PIN,
};

/* Values of the parameter "log". */
enum {
	VHOST_SCSI_LOG_FAULTS = 1,
	VHOST_SCSI_LOG_BINDINGS,
	VHOST_SCSI_LOG_COMMANDS,
};

extern unsigned int vhost_scsi_log_level;

/* A line in the log of the kernel, so many a second at the most. */
#define vhost_scsi_say(level, fmt, ...)					\
do {									\
	if (READ_ONCE(vhost_scsi_log_level) >= (level))			\
		pr_notice_ratelimited("vhost_scsi: " fmt, ##__VA_ARGS__);	\
} while (0)
#endif

#define vhost_scsi_show_kind(dir) \
	__print_symbolic(dir, { 1, "out" }, { 2, "in" }, { 3, "none" })

/* A command, wherever it is. */
DECLARE_EVENT_CLASS(vhost_scsi_cmd,
		    TP_PROTO(const struct vhost_scsi_cmd *cmd),
		    TP_ARGS(cmd),
		    TP_STRUCT__entry(__field(u64, dev)
				     __field(u64, tag)
				     __field(u64, lba)
				     __field(u32, queue)
				     __field(u32, lun)
				     __field(u32, bytes)
				     __field(u32, blocks)
				     __field(u8, target)
				     __field(u8, dir)
				     __field(u8, attr)
				     __field(u8, opcode)
				     __field(u8, cdb_len)
				     __array(u8, cdb, 32)),
		    TP_fast_assign(vhost_scsi_trace_place(cmd, &__entry->dev, &__entry->queue);
				   __entry->tag = cmd->tag;
				   __entry->lun = cmd->lun;
				   __entry->bytes = cmd->data_len;
				   __entry->target = cmd->target;
				   __entry->dir = cmd->dir;
				   __entry->attr = cmd->task_attr;
				   __entry->opcode = cmd->cdb[0];
				   __entry->cdb_len = vhost_scsi_trace_cdb(cmd->cdb, &__entry->lba,
									   &__entry->blocks);
				   memcpy(__entry->cdb, cmd->cdb, sizeof(__entry->cdb));),
		    TP_printk("dev=%llu queue=%u target=%u lun=%u tag=0x%llx dir=%s bytes=%u cmnd=(%s lba=%llu txlen=%u raw=%s)",
			      __entry->dev, __entry->queue, __entry->target, __entry->lun,
			      __entry->tag, vhost_scsi_show_kind(__entry->dir), __entry->bytes,
			      vhost_scsi_show_opcode(__entry->opcode), __entry->lba,
			      __entry->blocks, __print_hex(__entry->cdb, __entry->cdb_len))
);

DEFINE_EVENT(vhost_scsi_cmd, vhost_scsi_take,
	     TP_PROTO(const struct vhost_scsi_cmd *cmd), TP_ARGS(cmd));
DEFINE_EVENT(vhost_scsi_cmd, vhost_scsi_submit,
	     TP_PROTO(const struct vhost_scsi_cmd *cmd), TP_ARGS(cmd));

TRACE_EVENT(vhost_scsi_defer,
	    TP_PROTO(const struct vhost_scsi_cmd *cmd, enum vhost_scsi_reason reason),
	    TP_ARGS(cmd, reason),
	    TP_STRUCT__entry(__field(u64, dev)
			     __field(u64, tag)
			     __field(u32, queue)
			     __field(u32, lun)
			     __field(u8, target)
			     __field(u8, reason)),
	    TP_fast_assign(vhost_scsi_trace_place(cmd, &__entry->dev, &__entry->queue);
			   __entry->tag = cmd->tag;
			   __entry->lun = cmd->lun;
			   __entry->target = cmd->target;
			   __entry->reason = reason;),
	    TP_printk("dev=%llu queue=%u target=%u lun=%u tag=0x%llx reason=%s",
		      __entry->dev, __entry->queue, __entry->target, __entry->lun,
		      __entry->tag,
		      __print_symbolic(__entry->reason, { 0, "backend" }, { 1, "order" },
				       { 2, "cdb" }))
);

TRACE_EVENT(vhost_scsi_complete,
	    TP_PROTO(const struct vhost_scsi_cmd *cmd, u8 status),
	    TP_ARGS(cmd, status),
	    TP_STRUCT__entry(__field(u64, dev)
			     __field(u64, tag)
			     __field(u32, queue)
			     __field(u32, lun)
			     __field(u8, target)
			     __field(u8, status)),
	    TP_fast_assign(vhost_scsi_trace_place(cmd, &__entry->dev, &__entry->queue);
			   __entry->tag = cmd->tag;
			   __entry->lun = cmd->lun;
			   __entry->target = cmd->target;
			   __entry->status = status;),
	    TP_printk("dev=%llu queue=%u target=%u lun=%u tag=0x%llx status=0x%02x",
		      __entry->dev, __entry->queue, __entry->target, __entry->lun,
		      __entry->tag, __entry->status)
);

TRACE_EVENT(vhost_scsi_answer,
	    TP_PROTO(const struct vhost_scsi_cmd *cmd),
	    TP_ARGS(cmd),
	    TP_STRUCT__entry(__field(u64, dev)
			     __field(u64, tag)
			     __field(u32, queue)
			     __field(u32, lun)
			     __field(u32, resid)
			     __field(u8, target)
			     __field(u8, opcode)
			     __field(u8, response)
			     __field(u8, status)
			     __field(u8, key)
			     __field(u8, asc)
			     __field(u8, ascq)),
	    TP_fast_assign(vhost_scsi_trace_place(cmd, &__entry->dev, &__entry->queue);
			   __entry->tag = cmd->tag;
			   __entry->lun = cmd->lun;
			   __entry->target = cmd->target;
			   __entry->opcode = cmd->cdb[0];
			   __entry->response = cmd->response;
			   __entry->status = cmd->response ? 0 : cmd->status;
			   __entry->resid = cmd->response ? 0 : cmd->resid;
			   vhost_scsi_trace_sense(cmd, &__entry->key, &__entry->asc,
						  &__entry->ascq);),
	    TP_printk("dev=%llu queue=%u target=%u lun=%u tag=0x%llx op=%s response=%s status=%s resid=%u sense=%x/%02x/%02x",
		      __entry->dev, __entry->queue, __entry->target, __entry->lun,
		      __entry->tag, vhost_scsi_show_opcode(__entry->opcode),
		      vhost_scsi_show_response(__entry->response),
		      vhost_scsi_show_status(__entry->status), __entry->resid,
		      __entry->key, __entry->asc, __entry->ascq)
);

TRACE_EVENT(vhost_scsi_signal,
	    TP_PROTO(u64 dev, u32 queue, u64 chains),
	    TP_ARGS(dev, queue, chains),
	    TP_STRUCT__entry(__field(u64, dev)
			     __field(u64, chains)
			     __field(u32, queue)),
	    TP_fast_assign(__entry->dev = dev;
			   __entry->chains = chains;
			   __entry->queue = queue;),
	    TP_printk("dev=%llu queue=%u chains=%llu", __entry->dev, __entry->queue,
		      __entry->chains)
);

DECLARE_EVENT_CLASS(vhost_scsi_tmf,
		    TP_PROTO(u64 dev, u32 function, u8 target, u16 lun, u64 tag, u8 response),
		    TP_ARGS(dev, function, target, lun, tag, response),
		    TP_STRUCT__entry(__field(u64, dev)
				     __field(u64, tag)
				     __field(u32, function)
				     __field(u32, lun)
				     __field(u8, target)
				     __field(u8, response)),
		    TP_fast_assign(__entry->dev = dev;
				   __entry->tag = tag;
				   __entry->function = function;
				   __entry->lun = lun;
				   __entry->target = target;
				   __entry->response = response;),
		    TP_printk("dev=%llu target=%u lun=%u tag=0x%llx function=%s response=%s",
			      __entry->dev, __entry->target, __entry->lun, __entry->tag,
			      vhost_scsi_show_function(__entry->function),
			      vhost_scsi_show_response(__entry->response))
);

DEFINE_EVENT(vhost_scsi_tmf, vhost_scsi_tmf_begin,
	     TP_PROTO(u64 dev, u32 function, u8 target, u16 lun, u64 tag, u8 response),
	     TP_ARGS(dev, function, target, lun, tag, response));
DEFINE_EVENT(vhost_scsi_tmf, vhost_scsi_tmf_end,
	     TP_PROTO(u64 dev, u32 function, u8 target, u16 lun, u64 tag, u8 response),
	     TP_ARGS(dev, function, target, lun, tag, response));

TRACE_EVENT(vhost_scsi_event,
	    TP_PROTO(u64 dev, u8 target, u16 lun, u8 what, bool missed),
	    TP_ARGS(dev, target, lun, what, missed),
	    TP_STRUCT__entry(__field(u64, dev)
			     __field(u32, lun)
			     __field(u8, target)
			     __field(u8, what)
			     __field(u8, missed)),
	    TP_fast_assign(__entry->dev = dev;
			   __entry->lun = lun;
			   __entry->target = target;
			   __entry->what = what;
			   __entry->missed = missed;),
	    TP_printk("dev=%llu target=%u lun=%u %s%s", __entry->dev, __entry->target,
		      __entry->lun,
		      __print_symbolic(__entry->what, { 0, "added" }, { 1, "removed" },
				       { 2, "capacity" }),
		      __entry->missed ? " missed" : "")
);

DECLARE_EVENT_CLASS(vhost_scsi_binding,
		    TP_PROTO(u64 dev, const char *wwpn, int err),
		    TP_ARGS(dev, wwpn, err),
		    TP_STRUCT__entry(__field(u64, dev)
				     __field(int, err)
				     __array(char, wwpn, 64)),
		    TP_fast_assign(__entry->dev = dev;
				   __entry->err = err;
				   strscpy(__entry->wwpn, wwpn, sizeof(__entry->wwpn));),
		    TP_printk("dev=%llu wwpn=%s err=%d", __entry->dev, __entry->wwpn,
			      __entry->err)
);

DEFINE_EVENT(vhost_scsi_binding, vhost_scsi_bind,
	     TP_PROTO(u64 dev, const char *wwpn, int err), TP_ARGS(dev, wwpn, err));
DEFINE_EVENT(vhost_scsi_binding, vhost_scsi_unbind,
	     TP_PROTO(u64 dev, const char *wwpn, int err), TP_ARGS(dev, wwpn, err));

TRACE_EVENT(vhost_scsi_mem_table,
	    TP_PROTO(u64 dev, u64 regions, u64 bytes, u64 pinned),
	    TP_ARGS(dev, regions, bytes, pinned),
	    TP_STRUCT__entry(__field(u64, dev)
			     __field(u64, regions)
			     __field(u64, bytes)
			     __field(u64, pinned)),
	    TP_fast_assign(__entry->dev = dev;
			   __entry->regions = regions;
			   __entry->bytes = bytes;
			   __entry->pinned = pinned;),
	    TP_printk("dev=%llu regions=%llu bytes=%llu pinned_pages=%llu", __entry->dev,
		      __entry->regions, __entry->bytes, __entry->pinned)
);

TRACE_EVENT(vhost_scsi_fault,
	    TP_PROTO(u64 dev, u32 queue, enum vhost_scsi_fault what, int err),
	    TP_ARGS(dev, queue, what, err),
	    TP_STRUCT__entry(__field(u64, dev)
			     __field(u32, queue)
			     __field(int, err)
			     __field(u8, what)),
	    TP_fast_assign(__entry->dev = dev;
			   __entry->queue = queue;
			   __entry->err = err;
			   __entry->what = what;),
	    TP_printk("dev=%llu queue=%u what=%s err=%d", __entry->dev, __entry->queue,
		      __print_symbolic(__entry->what, { 0, "ring" }, { 1, "request" },
				       { 2, "pin" }), __entry->err)
);

#endif /* _VHOST_SCSI_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
