/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the target core counts when a command gets its LUN: for the initiator
 * and for the device. For each processor on 7.3, an atomic for all on 6.12.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _VHOST_SCSI_COMPAT_STATS_H
#define _VHOST_SCSI_COMPAT_STATS_H

#include <target/target_core_base.h>

static inline void compat_count_entry(struct se_dev_entry *entry,
				      enum dma_data_direction dir, u32 bytes)
{
#ifdef COMPAT_TARGET_ENTRY_STATS
	this_cpu_inc(entry->stats->total_cmds);
	if (dir == DMA_TO_DEVICE)
		this_cpu_add(entry->stats->write_bytes, bytes);
	else if (dir == DMA_FROM_DEVICE)
		this_cpu_add(entry->stats->read_bytes, bytes);
#else
	atomic_long_inc(&entry->total_cmds);
	if (dir == DMA_TO_DEVICE)
		atomic_long_add(bytes, &entry->write_bytes);
	else if (dir == DMA_FROM_DEVICE)
		atomic_long_add(bytes, &entry->read_bytes);
#endif
}

static inline void compat_count_device(struct se_device *dev,
				       enum dma_data_direction dir, u32 bytes)
{
#ifdef COMPAT_TARGET_DEVICE_STATS
	this_cpu_inc(dev->stats->total_cmds);
	if (dir == DMA_TO_DEVICE)
		this_cpu_add(dev->stats->write_bytes, bytes);
	else if (dir == DMA_FROM_DEVICE)
		this_cpu_add(dev->stats->read_bytes, bytes);
#else
	atomic_long_inc(&dev->num_cmds);
	if (dir == DMA_TO_DEVICE)
		atomic_long_add(bytes, &dev->write_bytes);
	else if (dir == DMA_FROM_DEVICE)
		atomic_long_add(bytes, &dev->read_bytes);
#endif
}

#endif /* _VHOST_SCSI_COMPAT_STATS_H */
