// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bounce buffers: pages of the module, for commands whose guest pages LIO or a
 * backend cannot take.
 *
 * - Parameter data, which is all data but that of reads and writes of the medium.
 *   LIO maps it in one piece, reads lengths from it more than once, and writes to
 *   it whatever the direction.
 * - Buffers that are split within a block of the backstore. Virtio lets the driver
 *   split a buffer anywhere (virtio 1.3, 2.7.4). Block devices take each piece as whole
 *   blocks. Depending on kernel and driver they fail, BUG(), or transfer a block to a
 *   place where only a part of it belongs to the guest.
 * - Reads of less data than the buffer holds. A backend transfers as much as the
 *   scatterlist holds.
 * - WRITE SAME and COMPARE AND WRITE. LIO expects whole pages, or one piece. And check.c
 *   looks whether WRITE SAME writes zeros: the guest must not change them afterwards.
 * - VERIFY with data. LIO reads into it what is compared with the guest's pages.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/scatterlist.h>

#include "target.h"

/*
 * Limit for all bounce buffers of a TPG, and for the tables of those that are split. Beyond
 * it a command gets TASK SET FULL.
 */
#define MAX_BYTES	(2L * VHOST_SCSI_MAX_DATA)

/*
 * Larger buffers are made ready before the command has its LUN. To allocate may take as long
 * as the memory cgroup of the owner likes, for each page; to copy may take until the thread
 * has processor time again. Whoever removes the LUN would wait for both.
 */
#define SMALL_BYTES	VHOST_SCSI_SMALL_DATA

#define BOUNCE_GFP	(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)

static atomic_long_t *bounced(const struct vhost_scsi_tcmd *t)
{
	return &vhost_scsi_tpg(t->se_cmd.se_sess->se_tpg)->bounced;
}

/* Is it known from the command alone that it needs one? @mask: as lun->cut_mask */
static bool is_foreseen(const struct vhost_scsi_cmd *cmd, u32 mask)
{
	if (cmd->sgl_align & mask)
		return true;
	switch (cmd->cdb[0]) {
	case COMPARE_AND_WRITE:
		/* LIO assumes that the entries of the second half are pages. */
	case VERIFY:
	case VERIFY_16:
	case WRITE_SAME:
	case WRITE_SAME_16:
	case VARIABLE_LENGTH_CMD:
		return true;
	default:
		return false;
	}
}

/**
 * vhost_scsi_bounce_wanted - does the command need a bounce buffer
 * @t: after target_submit_prep()
 * @cmd: with data
 */
bool vhost_scsi_bounce_wanted(const struct vhost_scsi_tcmd *t,
			      const struct vhost_scsi_cmd *cmd)
{
	const struct se_cmd *se_cmd = &t->se_cmd;

	return !(se_cmd->se_cmd_flags & SCF_SCSI_DATA_CDB) ||
	       se_cmd->data_length != cmd->data_len ||
	       is_foreseen(cmd, READ_ONCE(t->lun->cut_mask));
}

/* What is done with a piece; returns how many bytes were done, all, or it is the last. */
typedef size_t piece_fn(u8 *dst, const u8 *src, size_t len);

static size_t copy_piece(u8 *dst, const u8 *src, size_t len)
{
	memcpy(dst, src, len);
	return len;
}

static size_t compare_piece(u8 *dst, const u8 *src, size_t len)
{
	size_t i;

	if (!memcmp(dst, src, len))
		return len;
	for (i = 0; dst[i] == src[i] && i < len - 1; i++)
		;
	return i;
}

/*
 * Copies between the guest's pages and the bounce buffer, or compares them, and returns
 * how many bytes were done. This walks over both lists at once, because
 * sg_pcopy_from_buffer() for each page would start at the beginning of the list each
 * time, which is quadratic.
 */
static size_t walk(struct scatterlist *dst, unsigned int dst_nents,
		   struct scatterlist *src, unsigned int src_nents, size_t len,
		   piece_fn *piece)
{
	struct sg_mapping_iter d, s;
	size_t doff = 0, soff = 0, done = 0, n, m;

	sg_miter_start(&d, dst, dst_nents, SG_MITER_ATOMIC | SG_MITER_TO_SG);
	sg_miter_start(&s, src, src_nents, SG_MITER_ATOMIC | SG_MITER_FROM_SG);
	if (!sg_miter_next(&d) || !sg_miter_next(&s))
		len = 0;

	for (; len; len -= n) {
		n = min3(len, d.length - doff, s.length - soff);
		m = piece(d.addr + doff, s.addr + soff, n);
		done += m;
		doff += n;
		soff += n;
		if (m < n || n == len)
			break;
		if (doff == d.length) {
			doff = 0;
			if (!sg_miter_next(&d))
				break;
		}
		if (soff == s.length) {
			soff = 0;
			if (!sg_miter_next(&s))
				break;
		}
	}
	sg_miter_stop(&s);
	sg_miter_stop(&d);
	return done;
}

/*
 * Returns the order of the pages of a bounce buffer, so that no page ends within a block.
 * Since Linux 6.15 a block can be larger than a page. Parameter data are no blocks, and
 * LIO maps one page of each entry.
 */
static unsigned int block_order(const struct se_cmd *se_cmd)
{
	const struct se_device *dev = se_cmd->se_dev;

	if (!(se_cmd->se_cmd_flags & SCF_SCSI_DATA_CDB))
		return 0;
	return get_order(max(dev->dev_attrib.block_size,
			     dev->dev_attrib.hw_block_size));
}

/* Allocates a bounce buffer, and copies data-out into it. */
static int bounce_make(struct vhost_scsi_tcmd *t, const struct vhost_scsi_cmd *cmd,
		       u32 len, unsigned int order, gfp_t gfp)
{
	/* At the owner's memory limit the command fails, and no process is killed. */
	if (atomic_long_add_return(len, bounced(t)) <= MAX_BYTES)
		t->bounce = sgl_alloc_order(len, order, false, gfp,
					    &t->bounce_nents);
	t->bounce_order = order;
	if (!t->bounce) {
		atomic_long_sub(len, bounced(t));
		return -ENOMEM;
	}
	if (cmd->dir == DMA_TO_DEVICE)
		walk(t->bounce, t->bounce_nents, cmd->sgl, cmd->sgl_nents, len,
		     copy_piece);
	return 0;
}

/**
 * vhost_scsi_bounce_reserve - make ready a large bounce buffer that will be needed
 * @t: has its nexus, but no LUN yet
 * @cmd: with more data than VHOST_SCSI_SMALL_DATA
 * @mask: as lun->cut_mask
 *
 * Context: may sleep. vhost_scsi_bounce_get() uses it, or vhost_scsi_bounce_unreserve()
 * frees it.
 */
void vhost_scsi_bounce_reserve(struct vhost_scsi_tcmd *t,
			       const struct vhost_scsi_cmd *cmd, u32 mask)
{
	if (mask != U32_MAX && is_foreseen(cmd, mask))
		t->reserved = !bounce_make(t, cmd, cmd->data_len, 0, BOUNCE_GFP);
}

/**
 * vhost_scsi_bounce_get - make ready a bounce buffer, with data-out in it
 * @t: vhost_scsi_bounce_put() frees the buffer
 * @cmd: with data
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int vhost_scsi_bounce_get(struct vhost_scsi_tcmd *t,
			  const struct vhost_scsi_cmd *cmd)
{
	unsigned int order = block_order(&t->se_cmd);
	u32 len = t->se_cmd.data_length;
	int ret = 0;

	/* No sensible guest sends a large command whose reserved buffer does not fit. */
	if (len != cmd->data_len || order)
		vhost_scsi_bounce_unreserve(t);
	if (!t->reserved)
		ret = bounce_make(t, cmd, len, order, len <= SMALL_BYTES ? BOUNCE_GFP :
				  BOUNCE_GFP & ~(__GFP_DIRECT_RECLAIM |
						 __GFP_RETRY_MAYFAIL));
	t->reserved = false;
	return ret;
}

/**
 * vhost_scsi_bounce_copy_back - copy data-in to the guest's pages
 * @t: with a bounce buffer
 * @cmd: with its result
 *
 * Context: any.
 */
void vhost_scsi_bounce_copy_back(struct vhost_scsi_tcmd *t,
				 const struct vhost_scsi_cmd *cmd)
{
	if (cmd->dir == DMA_FROM_DEVICE)
		walk(cmd->sgl, cmd->sgl_nents, t->bounce, t->bounce_nents,
		     cmd->data_len - cmd->resid, copy_piece);
}

/**
 * vhost_scsi_bounce_same - compare the bounce buffer with the guest's pages
 * @t: with a bounce buffer
 * @cmd: its data
 *
 * The guest may change its pages meanwhile, and then gets either result.
 *
 * Context: any.
 * Return: bytes before the first that differs; se_cmd.data_length if none does.
 */
u32 vhost_scsi_bounce_same(struct vhost_scsi_tcmd *t,
			   const struct vhost_scsi_cmd *cmd)
{
	return walk(t->bounce, t->bounce_nents, cmd->sgl, cmd->sgl_nents,
		    t->se_cmd.data_length, compare_piece);
}

/**
 * vhost_scsi_bounce_put - free the bounce buffer
 * @t: with a bounce buffer
 *
 * Context: any.
 */
void vhost_scsi_bounce_put(struct vhost_scsi_tcmd *t)
{
	struct scatterlist *sg;
	unsigned int i;
	long len = 0;

	for_each_sg(t->bounce, sg, t->bounce_nents, i)
		len += sg->length;
	atomic_long_sub(len, bounced(t));
	sgl_free_order(t->bounce, t->bounce_order);
	t->bounce = NULL;
}

/**
 * vhost_scsi_split_get - make a scatterlist with one page in each entry
 * @t: gets the list in t->split; vhost_scsi_split_put() frees it
 * @cmd: with data
 *
 * pscsi does not take entries that are larger than a page.
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int vhost_scsi_split_get(struct vhost_scsi_tcmd *t,
			 const struct vhost_scsi_cmd *cmd)
{
	struct scatterlist *sg, *to;
	unsigned int i, pages = 0;
	u32 off, left, n;

	for_each_sg(cmd->sgl, sg, cmd->sgl_nents, i)
		pages += DIV_ROUND_UP(sg->offset + sg->length, PAGE_SIZE);
	if (atomic_long_add_return(pages * sizeof(*sg), bounced(t)) > MAX_BYTES ||
	    sg_alloc_table(&t->split, pages, GFP_KERNEL_ACCOUNT | __GFP_NOWARN)) {
		atomic_long_sub(pages * sizeof(*sg), bounced(t));
		return -ENOMEM;
	}

	to = t->split.sgl;
	for_each_sg(cmd->sgl, sg, cmd->sgl_nents, i) {
		off = sg->offset;
		for (left = sg->length; left; left -= n, off += n) {
			n = min_t(u32, left, PAGE_SIZE - offset_in_page(off));
			sg_set_page(to, sg_page(sg) + (off >> PAGE_SHIFT), n,
				    offset_in_page(off));
			to = sg_next(to);
		}
	}
	return 0;
}

/**
 * vhost_scsi_split_put - free the scatterlist
 * @t: of vhost_scsi_split_get()
 *
 * Context: any.
 */
void vhost_scsi_split_put(struct vhost_scsi_tcmd *t)
{
	atomic_long_sub(t->split.orig_nents * sizeof(*t->split.sgl), bounced(t));
	sg_free_table(&t->split);
}
