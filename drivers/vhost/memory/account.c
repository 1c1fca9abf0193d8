// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that stay pinned count as pinned memory of the owner, VmPin of its status. No more
 * pages are kept than RLIMIT_MEMLOCK allows. Pages that are pinned for the owner by its
 * other devices, by vDPA or by RDMA count, too. A page that is pinned for one command does
 * not count.
 *
 * A worker may be a kernel thread, which has limits of its own. So the owner's limit is
 * read in each ioctl of the owner, and holds until the next one.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/capability.h>
#include <linux/sched/signal.h>
#include <linux/user_namespace.h>

#include "internal.h"

/* Pages of a device, without those of pin_memory: 256 MiB, whatever the owner may have. */
#define MAX_KEPT	BIT(16)

/**
 * vhost_scsi_account_limit - take the limit of the owner, who calls
 * @watch: of the owner's address space
 *
 * Pages that are kept already stay, even if the limit is lower than before.
 *
 * Context: an ioctl of the owner.
 */
void vhost_scsi_account_limit(struct vhost_scsi_watch *watch)
{
	unsigned long limit = ULONG_MAX;

	if (!ns_capable_noaudit(&init_user_ns, CAP_IPC_LOCK))
		limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	WRITE_ONCE(watch->limit, limit);
}

/* The count is never more than the limit, not even for a moment. */
static bool charge_mm(const struct vhost_scsi_watch *watch, unsigned long nr)
{
	unsigned long limit = READ_ONCE(watch->limit);
	s64 old = atomic64_read(&watch->mm->pinned_vm);

	do {
		if (nr > limit || (u64)old > limit - nr)
			return false;
	} while (!atomic64_try_cmpxchg(&watch->mm->pinned_vm, &old, old + nr));
	return true;
}

static bool charge(struct vhost_scsi_watch *watch, unsigned long nr,
		   enum vhost_scsi_kind kind)
{
	if (kind == VHOST_SCSI_WHOLE)
		return charge_mm(watch, nr);
	if (atomic_long_add_return(nr, &watch->kept) <= (long)MAX_KEPT &&
	    charge_mm(watch, nr))
		return true;
	atomic_long_sub(nr, &watch->kept);
	return false;
}

/**
 * vhost_scsi_charge - count pages that will be kept pinned
 * @watch: of the owner's address space
 * @nr: pages, not more than fit into an int
 * @kind: what they are for. Remembered pages make commands cheaper, but none of them is
 *	  needed, so they give way to the other kinds
 *
 * Context: any for VHOST_SCSI_REMEMBERED, else process.
 * Return: true, and the caller owes vhost_scsi_uncharge(); for VHOST_SCSI_WHOLE
 * vhost_scsi_uncharge_mm(). false: the owner or the device may not have so many.
 */
bool vhost_scsi_charge(struct vhost_scsi_watch *watch, unsigned long nr,
		       enum vhost_scsi_kind kind)
{
	if (charge(watch, nr, kind))
		return true;
	if (kind == VHOST_SCSI_REMEMBERED)
		return false;
	vhost_scsi_pins_drop(watch, 0, ULONG_MAX);
	return charge(watch, nr, kind);
}

/**
 * vhost_scsi_uncharge_mm - undo vhost_scsi_charge() of VHOST_SCSI_WHOLE
 * @mm: the owner's; these pages may be kept longer than the watch is
 * @nr: pages
 *
 * Context: any.
 */
void vhost_scsi_uncharge_mm(struct mm_struct *mm, unsigned long nr)
{
	atomic64_sub(nr, &mm->pinned_vm);
}

/**
 * vhost_scsi_uncharge - undo vhost_scsi_charge() of another kind
 * @watch: likewise
 * @nr: likewise
 *
 * Context: any.
 */
void vhost_scsi_uncharge(struct vhost_scsi_watch *watch, unsigned long nr)
{
	atomic_long_sub(nr, &watch->kept);
	vhost_scsi_uncharge_mm(watch->mm, nr);
}
