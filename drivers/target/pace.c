// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands that fail below LIO. LIO and its backends log a line for each, without a bound: a
 * disk that has gone, a file system that is full or cannot unmap, a bad sector. A guest that
 * sends such a command again and again would fill its host's log.
 *
 * So a LUN pays for its failures with time: an INTERVAL for each line. If more than BURST lines
 * are unpaid, the LUN is in debt. It then gets one command at a time; after a failure, the next
 * one must wait for an INTERVAL for each line. All other commands get BUSY, which means: try
 * again. A command that succeeds costs nothing.
 *
 * There are four accounts: reads; writes; UNMAP; WRITE SAME. So a file system that is full can
 * still be read. A WRITE SAME may cause a line for each of its blocks, and no other command has
 * to wait for that.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/bio.h>
#include <linux/jiffies.h>
#include <scsi/scsi_common.h>

#include "target.h"

#define INTERVAL	(HZ / 10)
/* Lines of the log that a LUN may cause without a debt. */
#define BURST		100
/*
 * After this time without a failure no debt is left, so that a mended disk can be used. Only
 * WRITE SAME causes more lines at once than are paid meanwhile: MAX_SAME of check.c.
 */
#define LONGEST		(60 * HZ)

enum { READS, WRITES, UNMAPS, SAMES, NONE = VHOST_SCSI_PACES };

/* LIO copies up to 16 MiB at a time. */
#define COPY_PAGES	(SZ_16M / PAGE_SIZE)

static bool is_copy(const struct vhost_scsi_tcmd *t)
{
	return vhost_scsi_cdb_check(t->se_cmd.t_task_cdb) == VHOST_SCSI_CHECK_EXTENDED_COPY;
}

/* Of which kind is a command? NONE: it does not reach the backend. */
static unsigned int kind_of(const struct vhost_scsi_tcmd *t)
{
	const struct se_cmd *se_cmd = &t->se_cmd;
	const u8 *cdb = se_cmd->t_task_cdb;
	unsigned int by_way = se_cmd->data_direction == DMA_FROM_DEVICE ? READS : WRITES;

	if (vhost_scsi_cdb_reserves(cdb))
		return NONE;
	/* All commands of a passed-through device reach it. */
	if (t->lun->in_order)
		return by_way;
	switch (vhost_scsi_cdb_check(cdb)) {
	case VHOST_SCSI_CHECK_RW:
	case VHOST_SCSI_CHECK_BLOCKS:
		return by_way;
	case VHOST_SCSI_CHECK_FLUSH:
	case VHOST_SCSI_CHECK_COMPARE_AND_WRITE:
	case VHOST_SCSI_CHECK_EXTENDED_COPY:
		return WRITES;
	case VHOST_SCSI_CHECK_UNMAP:
		return UNMAPS;
	case VHOST_SCSI_CHECK_WRITE_SAME:
		return SAMES;
	default:
		return NONE;
	}
}

/* How many lines may the command cause? iblock logs one for each bio. */
static unsigned long lines_of(const struct vhost_scsi_tcmd *t)
{
	if (t->same)
		return t->same;
	return 1 + (is_copy(t) ? COPY_PAGES : t->se_cmd.t_data_nents) / BIO_MAX_VECS;
}

/**
 * vhost_scsi_pace_admit - may a command be sent down
 * @t: parsed; its LUN has in_debt. The caller owes vhost_scsi_pace_end() when it has ended
 *
 * Return: true; or false: it is to get BUSY.
 */
bool vhost_scsi_pace_admit(struct vhost_scsi_tcmd *t)
{
	struct vhost_scsi_lun *lun = t->lun;
	unsigned int kind = kind_of(t);
	u64 now = get_jiffies_64();
	struct vhost_scsi_pace *pace;
	unsigned long flags;
	bool admit = true;

	if (kind == NONE)
		return true;
	pace = &lun->paces[kind];
	spin_lock_irqsave(&lun->lock, flags);
	if (time_after_eq64(now + BURST * INTERVAL, pace->paid))
		WRITE_ONCE(lun->in_debt, lun->in_debt & ~BIT(kind));
	if (lun->in_debt & BIT(kind)) {
		admit = !pace->trying && time_after_eq64(now, pace->next);
		pace->trying |= admit;
		t->tries = admit;
	}
	spin_unlock_irqrestore(&lun->lock, flags);
	return admit;
}

/*
 * LIO's sense data for every command that failed below it. A command that LIO itself refuses has
 * other sense data, and a passed-through device makes its own. Since 6.5 LIO's iblock says of a
 * disk that another host has reserved that it is (and with a line, as has the SCSI layer). LIO's
 * own reservations it looks at before a command is sent down, and logs nothing.
 */
static bool failed_below(const struct vhost_scsi_tcmd *t)
{
	struct scsi_sense_hdr sense;

	if (t->se_cmd.scsi_status == SAM_STAT_RESERVATION_CONFLICT)
		return t->se_cmd.transport_state & CMD_T_COMPLETE;
	return t->sent && t->se_cmd.scsi_status == SAM_STAT_CHECK_CONDITION &&
	       t->se_cmd.se_cmd_flags & SCF_EMULATED_TASK_SENSE &&
	       scsi_normalize_sense(t->sense, sizeof(t->sense), &sense) &&
	       sense.sense_key == NOT_READY && sense.asc == 0x08;
}

/* Under lun->lock. */
static void charge(struct vhost_scsi_lun *lun, unsigned int kind, unsigned long lines)
{
	struct vhost_scsi_pace *pace = &lun->paces[kind];
	u64 now = get_jiffies_64(), most = now + LONGEST;

	if (time_before64(pace->paid, now))
		pace->paid = now;
	pace->paid = min(pace->paid + lines * INTERVAL, most);
	pace->next = min(now + lines * INTERVAL, most);
	if (time_before64(now + BURST * INTERVAL, pace->paid))
		WRITE_ONCE(lun->in_debt, lun->in_debt | BIT(kind));
}

/**
 * vhost_scsi_pace_end - a command has failed, or was admitted in spite of a debt
 * @t: the command, with its LUN
 *
 * Context: any.
 */
void vhost_scsi_pace_end(struct vhost_scsi_tcmd *t)
{
	struct vhost_scsi_lun *lun = t->lun;
	unsigned int kind = kind_of(t);
	unsigned long flags;

	/* Also of one that was sent down to another kind of backstore, which was unlinked. */
	if (kind == NONE)
		return;
	spin_lock_irqsave(&lun->lock, flags);
	if (failed_below(t))
		charge(lun, kind, lines_of(t));
	if (t->tries)
		lun->paces[kind].trying = false;
	spin_unlock_irqrestore(&lun->lock, flags);
	t->tries = false;
}

/**
 * vhost_scsi_pace_reset - forget the debts: a backstore was linked, which has not failed yet
 * @lun: has no command
 */
void vhost_scsi_pace_reset(struct vhost_scsi_lun *lun)
{
	spin_lock_irq(&lun->lock);
	memset(lun->paces, 0, sizeof(lun->paces));
	WRITE_ONCE(lun->in_debt, 0);
	spin_unlock_irq(&lun->lock);
}
