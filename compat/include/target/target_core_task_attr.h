/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The target core's account of a LUN's task set, by which an ORDERED command
 * waits for others. A command that was aborted is never taken out of it (seen
 * in 6.1 to 7.3), so that the next ORDERED one waits for ever, and all that
 * come after it. Here it is taken out, as the target core does it for others.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_COMPAT_TASK_ATTR_H
#define _VHOST_SCSI_COMPAT_TASK_ATTR_H

#include <target/target_core_base.h>

#ifdef COMPAT_TARGET_NON_ORDERED_REF

/* Context: any. */
static inline void target_forget_task_attr(struct se_cmd *cmd)
{
	struct se_device *dev = cmd->se_dev;
	unsigned long flags;

	if (!(cmd->se_cmd_flags & SCF_TASK_ORDERED_SYNC)) {
		if (cmd->sam_task_attr == TCM_SIMPLE_TAG)
			percpu_ref_put(&dev->non_ordered);
		return;
	}

	spin_lock_irqsave(&dev->delayed_cmd_lock, flags);
	dev->ordered_sync_in_progress = false;
	if (list_empty(&dev->delayed_cmd_list))
		percpu_ref_resurrect(&dev->non_ordered);
	else
		schedule_work(&dev->delayed_cmd_work);
	spin_unlock_irqrestore(&dev->delayed_cmd_lock, flags);
}

#else

/* Context: process, as all of the target core's completions here. */
static inline void target_forget_task_attr(struct se_cmd *cmd)
{
	struct se_device *dev = cmd->se_dev;

	if (cmd->sam_task_attr == TCM_ORDERED_TAG) {
		spin_lock(&dev->delayed_cmd_lock);
		dev->ordered_sync_in_progress = false;
		spin_unlock(&dev->delayed_cmd_lock);
	} else {
		/* Orders as barriers on both sides do. */
		atomic_dec_return(&dev->non_ordered);
	}
	if (atomic_read(&dev->delayed_cmd_count) > 0)
		schedule_work(&dev->delayed_cmd_work);
}

#endif

/**
 * target_end_task_attr - the target core ends a command
 * @cmd: has its LUN still
 *
 * Without effect when the target core has done it.
 */
static inline void target_end_task_attr(struct se_cmd *cmd)
{
	if (!(cmd->se_cmd_flags & SCF_TASK_ATTR_SET))
		return;
	cmd->se_cmd_flags &= ~SCF_TASK_ATTR_SET;
	target_forget_task_attr(cmd);
}

#endif /* _VHOST_SCSI_COMPAT_TASK_ATTR_H */
