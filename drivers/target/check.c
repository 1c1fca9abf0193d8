// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands that LIO must not see, for it logs a line for each of them, without
 * a bound: a guest could fill its host's log. They are answered here as LIO
 * does it. cdb.c has the table that says which operation code is checked how.
 *
 * What can be told from the CDB is checked where LIO would parse it; the rest
 * where LIO would carry it out, after unit attentions and reservations. What a
 * device carries out itself is left to it.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/bio.h>
#include <linux/overflow.h>
#include <linux/scatterlist.h>
#include <linux/unaligned.h>
#include <linux/virtio_scsi.h>
#include <scsi/scsi_common.h>
#include <target/target_core_backend.h>

#include "target.h"

/* Bits of byte 1 of a CDB (SBC-4). */
enum {
	RW_PROTECT = 0xe0,
	RW_DPO = 0x10,
	RW_DPO_FUA = 0x18,

	/* WRITE SAME; of the 32-byte one they are in byte 10. */
	SAME_NDOB = 0x01,
	SAME_PBDATA_LBDATA = 0x06,
	SAME_UNMAP = 0x08,
	SAME_ANCHOR = 0x10,

	VERIFY_BYTCHK = 0x06,

	SYNC_IMMED = 0x02,
};

/*
 * Blocks of a WRITE SAME: LIO's limit for a file. For disks LIO's limit is up to 8388607, and
 * it makes a bio for each block, unless the disk writes zeroes itself and does not fail to. If
 * the command fails, there is a line for each in the host's log, see pace.c.
 */
#define MAX_SAME	4096
/* Of all of a TPG that are under way. */
#define MAX_ALL_SAME	(16 * MAX_SAME)

/* Service actions of PERSISTENT RESERVE IN and OUT end here (SPC-4). */
enum {
	PR_IN_LAST = 3,
	PR_OUT_LAST = 7,
};

/**
 * vhost_scsi_has_large_blocks - are the blocks of a backstore larger than LIO knows
 * @dev: the backstore
 *
 * Of blocks larger than 4096 bytes, which kernels have since 6.15, LIO's iblock takes the
 * number for that of a sector: it reads and writes elsewhere, and a WRITE SAME never ends.
 */
bool vhost_scsi_has_large_blocks(const struct se_device *dev)
{
	return dev->dev_attrib.block_size > 4096;
}

static bool has_small_blocks(const struct se_device *dev)
{
	return dev->dev_attrib.block_size < dev->dev_attrib.hw_block_size;
}

/**
 * vhost_scsi_cuts_blocks - does a command begin or end within a block of the disk below
 * @dev: the backstore
 * @lba: of the first of its blocks
 * @blocks: their number
 *
 * An administrator may set a block size below that of the disk. LIO's iblock passes on what
 * comes, and so does the block layer of 6.1. The driver of an NVMe disk then takes the number
 * of a part of a block for that of the block, and writes elsewhere.
 */
bool vhost_scsi_cuts_blocks(const struct se_device *dev, u64 lba, u64 blocks)
{
	const struct se_dev_attrib *attrib = &dev->dev_attrib;

	return blocks && has_small_blocks(dev) &&
	       (lba | blocks) & (attrib->hw_block_size / attrib->block_size - 1) &&
	       !strcmp(dev->transport->name, "iblock");
}

/* Does LIO keep protection information, and not the disk below? */
static bool is_software_pi(const struct se_device *dev)
{
	return dev->dev_attrib.pi_prot_type && !dev->dev_attrib.hw_pi_prot_type;
}

/*
 * A ramdisk takes none. No backend makes protection information for it, but one that
 * unmaps needs none.
 */
static bool lacks_write_same(const struct se_device *dev)
{
	return !dev->dev_attrib.max_write_same_len ||
	       vhost_scsi_has_large_blocks(dev) ||
	       (dev->dev_attrib.pi_prot_type && !dev->dev_attrib.emulate_tpws);
}

/**
 * vhost_scsi_lacks_code - does a command not reach LIO, whatever else its CDB says
 * @dev: the backstore; not a passed-through device, which answers for itself
 * @code: operation code
 * @action: service action, if the code has such
 *
 * LIO may have it, and says so (REPORT SUPPORTED OPERATION CODES).
 */
bool vhost_scsi_lacks_code(const struct se_device *dev, u8 code, u16 action)
{
	switch (code) {
	case COMPARE_AND_WRITE:
		/*
		 * Of a larger block LIO would write a part, and what is behind it in memory.
		 * And it would not make the protection information of what it writes.
		 */
		return !dev->dev_attrib.emulate_caw || is_software_pi(dev) ||
		       dev->dev_attrib.block_size > PAGE_SIZE;
	case UNMAP:
		return !dev->dev_attrib.emulate_tpu ||
		       vhost_scsi_has_large_blocks(dev);
	case WRITE_ATOMIC_16:
		return !compat_atomic_max_len(dev);
	case VARIABLE_LENGTH_CMD:
		return action != WRITE_SAME_32 || lacks_write_same(dev);
	case WRITE_SAME:
	case WRITE_SAME_16:
		return lacks_write_same(dev);
	default:
		return false;
	}
}

static sense_reason_t check_range(struct vhost_scsi_tcmd *t, u64 lba, u64 blocks)
{
	struct se_device *dev = t->se_cmd.se_dev;
	u64 end;

	if (check_add_overflow(lba, blocks, &end))
		return TCM_ADDRESS_OUT_OF_RANGE;
	if (likely(end <= READ_ONCE(t->lun->blocks)))
		return TCM_NO_SENSE;
	blocks = vhost_scsi_blocks(dev);
	/* As for all commands that fail below LIO. LIO would log a line, and say: out of range. */
	if (!blocks)
		return TCM_LOGICAL_UNIT_COMMUNICATION_FAILURE;
	/* Which is of several LUNs. */
	if (t->lun != &vhost_scsi_tpg(t->se_cmd.se_sess->se_tpg)->any_lun)
		WRITE_ONCE(t->lun->blocks, blocks);
	return end > blocks ? TCM_ADDRESS_OUT_OF_RANGE : TCM_NO_SENSE;
}

/*
 * LIO counts the bytes of a command in 32 bits, and takes a multiple of 4 GiB for
 * none. No buffer has so many. And a backend may take fewer than the guest has.
 */
static noinline sense_reason_t check_large(struct vhost_scsi_tcmd *t,
					   const u8 *cdb, u64 bytes)
{
	const struct vhost_scsi_cmd *cmd = vhost_scsi_cmd(t);

	if (bytes <= vhost_scsi_max_bytes(t->se_cmd.se_dev))
		return TCM_NO_SENSE;
	if (!cmd->data_len && vhost_scsi_cdb_moves_no_data(cdb))
		return TCM_NO_SENSE;
	if (bytes > cmd->data_len)
		t->verdict = VIRTIO_SCSI_S_OVERRUN;
	return TCM_INVALID_CDB_FIELD;
}

static sense_reason_t check_blocks(struct vhost_scsi_tcmd *t, const u8 *cdb)
{
	sense_reason_t reason;
	u64 lba, blocks, bytes;

	blocks = vhost_scsi_cdb_blocks(cdb, &lba);
	reason = check_range(t, lba, blocks);
	bytes = blocks * t->se_cmd.se_dev->dev_attrib.block_size;
	if (unlikely(!reason && bytes > READ_ONCE(t->lun->max_bytes)))
		reason = check_large(t, cdb, bytes);
	return reason;
}

/* The same for a command that reads or writes these blocks. */
static sense_reason_t check_data(struct vhost_scsi_tcmd *t, const u8 *cdb)
{
	const struct se_device *dev = t->se_cmd.se_dev;
	sense_reason_t reason = check_blocks(t, cdb);
	u64 lba, blocks;

	if (reason || likely(!has_small_blocks(dev)))
		return reason;
	blocks = vhost_scsi_cdb_blocks(cdb, &lba);
	/* As for all commands that fail below LIO. */
	return vhost_scsi_cuts_blocks(dev, lba, blocks) ?
	       TCM_LOGICAL_UNIT_COMMUNICATION_FAILURE : TCM_NO_SENSE;
}

/* LIO answers before it flushes, and goes on with a command that is gone. */
static sense_reason_t check_flush(struct vhost_scsi_tcmd *t, const u8 *cdb)
{
	t->se_cmd.t_task_cdb[1] &= ~SYNC_IMMED;
	return check_blocks(t, cdb);
}

/* The bits are there if MODE SENSE says DPOFUA. */
static bool has_fua(struct se_device *dev)
{
	bool cache = dev->dev_attrib.emulate_write_cache > 0;

	if (dev->transport->get_write_cache)
		cache = dev->transport->get_write_cache(dev);
	return cache && dev->dev_attrib.emulate_fua_write > 0;
}

/* Can the device do all that byte 1 of a READ or WRITE asks for? */
static bool has_flags(struct se_device *dev, const u8 *cdb)
{
	/*
	 * WRITE AND VERIFY is to compare what is on the medium. LIO writes and compares
	 * nothing; and what was read back would come from a cache.
	 */
	if ((cdb[0] == WRITE_VERIFY || cdb[0] == WRITE_VERIFY_16) &&
	    cdb[1] & VERIFY_BYTCHK)
		return false;
	return !(cdb[1] & RW_DPO_FUA) || has_fua(dev);
}

/*
 * Will iblock write it as one? iblock compares its length with what the disk takes. The block
 * layer takes a power of two, and no more than one bio has room for at its worst
 * (blk_atomic_writes_update_limits()). Of more, iblock logs a line for each, and LIO says
 * NOT READY. A buffer in more pieces becomes several bios, each of which is written as one, and
 * LIO says GOOD. A limit of the disk's own below these is not known here.
 */
static bool is_one_bio(struct vhost_scsi_tcmd *t, const u8 *cdb)
{
	const struct se_device *dev = t->se_cmd.se_dev;
	u32 block = dev->dev_attrib.block_size;
	u64 lba, most = (u64)compat_atomic_max_len(dev) * block;

	most = min_t(u64, most, 2 * block + (BIO_MAX_VECS - 2) * PAGE_SIZE);
	return vhost_scsi_cmd(t)->sgl_nents <= BIO_MAX_VECS &&
	       (u64)vhost_scsi_cdb_blocks(cdb, &lba) * block <=
	       rounddown_pow_of_two(most);
}

static sense_reason_t check_atomic(struct vhost_scsi_tcmd *t, const u8 *cdb)
{
	if (vhost_scsi_lacks_code(t->se_cmd.se_dev, cdb[0], 0))
		return TCM_UNSUPPORTED_SCSI_OPCODE;
	return is_one_bio(t, cdb) ? TCM_NO_SENSE : TCM_INVALID_CDB_FIELD;
}

static sense_reason_t check_rw(struct vhost_scsi_tcmd *t, const u8 *cdb)
{
	struct se_device *dev = t->se_cmd.se_dev;
	sense_reason_t reason;

	if (unlikely(cdb[0] == WRITE_ATOMIC_16)) {
		reason = check_atomic(t, cdb);
		if (reason)
			return reason;
	}
	if (unlikely(cdb[1] & (RW_DPO_FUA | VERIFY_BYTCHK) &&
		     !has_flags(dev, cdb)))
		return TCM_INVALID_CDB_FIELD;
	reason = check_data(t, cdb);
	if (!reason)
		vhost_scsi_force_begin(t);
	return reason;
}

/*
 * LIO does nothing for it. So it would say that data is the same, and that protection
 * information is right. See verify.c.
 */
static sense_reason_t check_verify(struct vhost_scsi_tcmd *t, const u8 *cdb)
{
	if (vhost_scsi_verify_begin(t))
		return check_rw(t, t->se_cmd.t_task_cdb);
	if (cdb[1] & (RW_PROTECT | VERIFY_BYTCHK) ||
	    (cdb[1] & RW_DPO && !has_fua(t->se_cmd.se_dev)))
		return TCM_INVALID_CDB_FIELD;
	return check_blocks(t, cdb);
}

/**
 * vhost_scsi_max_same - how many blocks a WRITE SAME may have
 * @dev: the backstore
 */
u32 vhost_scsi_max_same(const struct se_device *dev)
{
	return min_t(u32, dev->dev_attrib.max_write_same_len, MAX_SAME);
}

/**
 * vhost_scsi_max_unmap - how many blocks a descriptor of an UNMAP may have
 * @dev: the backstore
 *
 * LIO's limit is what the administrator says. Its fileio counts the bytes of a file in 32
 * bits: 4 GiB would be none, which a file system may take for all that is behind.
 */
u32 vhost_scsi_max_unmap(const struct se_device *dev)
{
	u32 most = dev->dev_attrib.max_unmap_lba_count;

	if (strcmp(dev->transport->name, "fileio"))
		return most;
	return min(most, U32_MAX / dev->dev_attrib.block_size);
}

/* The byte with the flags. */
static unsigned int same_flags_at(const u8 *cdb)
{
	return cdb[0] == VARIABLE_LENGTH_CMD ? 10 : 1;
}

static u8 same_flags(const u8 *cdb)
{
	return cdb[same_flags_at(cdb)];
}

static sense_reason_t check_write_same(struct vhost_scsi_tcmd *t, const u8 *cdb)
{
	const struct se_dev_attrib *attrib = &t->se_cmd.se_dev->dev_attrib;
	u8 flags = same_flags(cdb);
	sense_reason_t reason;
	u32 blocks;
	u64 lba;

	/* SPC-5 4.2.5.3. What is missing LIO takes for zeros. */
	if (cdb[0] == VARIABLE_LENGTH_CMD &&
	    scsi_command_size(cdb) != VHOST_SCSI_CDB_SIZE)
		return TCM_INVALID_CDB_FIELD;
	if (lacks_write_same(t->se_cmd.se_dev))
		return TCM_UNSUPPORTED_SCSI_OPCODE;
	blocks = vhost_scsi_cdb_blocks(cdb, &lba);
	/* WSNZ of the Block Limits VPD page is 1. */
	if (!blocks)
		return TCM_INVALID_CDB_FIELD;
	if (flags & SAME_PBDATA_LBDATA)
		return TCM_UNSUPPORTED_SCSI_OPCODE;
	if (blocks > vhost_scsi_max_same(t->se_cmd.se_dev))
		return TCM_INVALID_CDB_FIELD;
	reason = check_data(t, cdb);
	if (reason)
		return reason;
	if (flags & (SAME_ANCHOR | SAME_NDOB))
		return TCM_INVALID_CDB_FIELD;
	if (flags & SAME_UNMAP)
		return attrib->emulate_tpws ? TCM_NO_SENSE :
					      TCM_UNSUPPORTED_SCSI_OPCODE;
	if (flags & RW_PROTECT)
		return TCM_INVALID_CDB_FIELD;
	/* See lacks_write_same(). There is the command, for UNMAP. */
	return attrib->pi_prot_type ? TCM_INVALID_CDB_FIELD : TCM_NO_SENSE;
}

/* Is the block of a WRITE SAME all zeroes? */
static bool is_zeroes(const struct vhost_scsi_tcmd *t)
{
	u8 bytes[128];
	u32 at = 0, n;

	while ((n = sg_pcopy_to_buffer(t->bounce, t->bounce_nents, bytes, sizeof(bytes), at))) {
		if (memchr_inv(bytes, 0, n))
			return false;
		at += n;
	}
	return true;
}

/*
 * UNMAP allows to unmap blocks if they read as if they had been written (SBC-4). LIO
 * unmaps whatever the block is, so that one that is not zeroes would be lost.
 */
static sense_reason_t same_write(struct vhost_scsi_tcmd *t)
{
	struct se_cmd *se_cmd = &t->se_cmd;
	u8 *cdb = se_cmd->t_task_cdb;
	sense_reason_t reason;

	if (se_cmd->se_dev->dev_attrib.pi_prot_type)
		return TCM_INVALID_CDB_FIELD;
	cdb[same_flags_at(cdb)] &= ~SAME_UNMAP;
	reason = se_cmd->se_dev->transport->parse_cdb(se_cmd);
	t->checked = se_cmd->execute_cmd;
	return reason;
}

/*
 * LIO's iblock makes a bio for each block of a WRITE SAME before it submits the first one:
 * some 200 bytes, which are charged to nobody.
 */
static sense_reason_t same_begin(struct vhost_scsi_tcmd *t)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(t->se_cmd.se_sess->se_tpg);
	const u8 *cdb = t->se_cmd.t_task_cdb;
	sense_reason_t reason;
	u32 blocks;
	u64 lba;

	blocks = vhost_scsi_cdb_blocks(cdb, &lba);
	if (same_flags(cdb) & SAME_UNMAP) {
		if (is_zeroes(t))
			return TCM_NO_SENSE;
		reason = same_write(t);
		if (reason)
			return reason;
	}
	if (atomic_add_return(blocks, &tpg->same) > MAX_ALL_SAME) {
		atomic_sub(blocks, &tpg->same);
		return TCM_LUN_BUSY;
	}
	t->same = blocks;
	return TCM_NO_SENSE;
}

/**
 * vhost_scsi_same_end - a WRITE SAME is over
 * @t: with t->same
 *
 * Context: any.
 */
void vhost_scsi_same_end(struct vhost_scsi_tcmd *t)
{
	atomic_sub(t->same, &vhost_scsi_tpg(t->se_cmd.se_sess->se_tpg)->same);
	t->same = 0;
}

static sense_reason_t check_caw(struct vhost_scsi_tcmd *t, const u8 *cdb)
{
	struct se_device *dev = t->se_cmd.se_dev;
	u64 lba;

	if (vhost_scsi_lacks_code(dev, cdb[0], 0))
		return TCM_UNSUPPORTED_SCSI_OPCODE;
	/* MAXIMUM COMPARE AND WRITE LENGTH is 1. */
	if (vhost_scsi_cdb_blocks(cdb, &lba) > 1 ||
	    (cdb[1] & RW_DPO_FUA && !has_fua(dev)))
		return TCM_INVALID_CDB_FIELD;
	return check_data(t, cdb);
}

static sense_reason_t check_service_action_in(const u8 *cdb)
{
	switch (cdb[1] & 0x1f) {
	case SAI_READ_CAPACITY_16:
	case SAI_REPORT_REFERRALS:
		return TCM_NO_SENSE;
	default:
		return TCM_INVALID_CDB_FIELD;
	}
}

/*
 * pscsi says that a LUN is write-protected, in the data of a MODE SENSE, when the device
 * has answered, in an interrupt. More than a page of it LIO would map there, which may
 * sleep. No device has more. LIO does not compare the length with the buffer's here.
 */
static void limit_mode_sense(struct se_cmd *se_cmd)
{
	u8 *cdb = se_cmd->t_task_cdb;

	if ((cdb[0] != MODE_SENSE && cdb[0] != MODE_SENSE_10) ||
	    se_cmd->data_length <= PAGE_SIZE)
		return;
	if (cdb[0] == MODE_SENSE_10)
		put_unaligned_be16(min_t(u32, get_unaligned_be16(&cdb[7]),
					 PAGE_SIZE), &cdb[7]);
	se_cmd->se_cmd_flags |= SCF_UNDERFLOW_BIT;
	se_cmd->residual_count = se_cmd->data_length - PAGE_SIZE;
	se_cmd->data_length = PAGE_SIZE;
}

/**
 * vhost_scsi_check_cdb - may LIO parse the CDB
 * @t: has its LUN
 * @cdb: the CDB
 *
 * Context: process.
 * Return: what it is refused with, TCM_NO_SENSE: it may.
 */
sense_reason_t vhost_scsi_check_cdb(struct vhost_scsi_tcmd *t, const u8 *cdb)
{
	const struct se_device *dev = t->se_cmd.se_dev;

	if (unlikely(dev->transport_flags & TRANSPORT_FLAG_PASSTHROUGH)) {
		limit_mode_sense(&t->se_cmd);
		return TCM_NO_SENSE;
	}

	switch (vhost_scsi_cdb_check(cdb)) {
	case VHOST_SCSI_CHECK_RW:
		return check_rw(t, cdb);
	case VHOST_SCSI_CHECK_BLOCKS:
		return check_data(t, cdb);
	case VHOST_SCSI_CHECK_FLUSH:
		return check_flush(t, cdb);
	case VHOST_SCSI_CHECK_VERIFY:
		return check_verify(t, cdb);
	case VHOST_SCSI_CHECK_WRITE_SAME:
		return check_write_same(t, cdb);
	case VHOST_SCSI_CHECK_COMPARE_AND_WRITE:
		return check_caw(t, cdb);
	case VHOST_SCSI_CHECK_VARIABLE_LENGTH:
		return TCM_UNSUPPORTED_SCSI_OPCODE;
	case VHOST_SCSI_CHECK_UNMAP:
		return vhost_scsi_lacks_code(dev, cdb[0], 0) ?
		       TCM_UNSUPPORTED_SCSI_OPCODE : TCM_NO_SENSE;
	case VHOST_SCSI_CHECK_SERVICE_ACTION_IN:
		return check_service_action_in(cdb);
	case VHOST_SCSI_CHECK_INQUIRY:
		return !(cdb[1] & 1) && cdb[2] ? TCM_INVALID_CDB_FIELD :
						 TCM_NO_SENSE;
	case VHOST_SCSI_CHECK_REQUEST_SENSE:
		/* DESC: of one format; answer.c makes the other of it. */
		t->se_cmd.t_task_cdb[1] &= ~0x01;
		return TCM_NO_SENSE;
	case VHOST_SCSI_CHECK_START_STOP:
		/* IMMED: LIO wants it set. There is nothing to wait for. */
		t->se_cmd.t_task_cdb[1] |= 0x01;
		return TCM_NO_SENSE;
	case VHOST_SCSI_CHECK_PR_IN:
		return (cdb[1] & 0x1f) > PR_IN_LAST ? TCM_INVALID_CDB_FIELD :
						      TCM_NO_SENSE;
	case VHOST_SCSI_CHECK_PR_OUT:
		return (cdb[1] & 0x1f) > PR_OUT_LAST ? TCM_INVALID_CDB_FIELD :
						       TCM_NO_SENSE;
	default:
		return TCM_NO_SENSE;
	}
}

/**
 * vhost_scsi_check_failed - LIO refused to parse the CDB
 * @t: the command
 * @reason: why
 *
 * A medium that has become smaller is asked for its size before LIO is again.
 *
 * Return: the reason that the guest gets.
 */
sense_reason_t vhost_scsi_check_failed(struct vhost_scsi_tcmd *t, sense_reason_t reason)
{
	if (reason != TCM_ADDRESS_OUT_OF_RANGE)
		return reason;
	WRITE_ONCE(t->lun->blocks, 0);
	/* See check_range(). */
	return vhost_scsi_blocks(t->se_cmd.se_dev) ? reason :
						     TCM_LOGICAL_UNIT_COMMUNICATION_FAILURE;
}

/**
 * vhost_scsi_check_list - the parameter list of a command
 * @t: with data-out
 * @list: filled
 * @size: bytes of @list
 *
 * The guest cannot change it: parameters are bounced.
 *
 * Return: bytes filled.
 */
u32 vhost_scsi_check_list(const struct vhost_scsi_tcmd *t, void *list, u32 size)
{
	if (!t->bounce)
		return 0;
	return sg_copy_to_buffer(t->bounce, t->bounce_nents, list,
				 min(size, t->se_cmd.data_length));
}

/* What LIO would do something else for. */
static sense_reason_t check_unmap_desc(const struct vhost_scsi_tcmd *t, const u8 *desc)
{
	const struct se_device *dev = t->se_cmd.se_dev;
	u64 lba = get_unaligned_be64(&desc[0]);
	u32 blocks = get_unaligned_be32(&desc[8]);

	if (blocks > vhost_scsi_max_unmap(dev))
		return TCM_INVALID_PARAMETER_LIST;
	return vhost_scsi_cuts_blocks(dev, lba, blocks) ?
	       TCM_LOGICAL_UNIT_COMMUNICATION_FAILURE : TCM_NO_SENSE;
}

/* LIO ignores a descriptor list that ends behind the parameters, and says so. */
static sense_reason_t check_unmap(struct vhost_scsi_tcmd *t)
{
	enum { DESC_LEN = 16 };
	u32 at, len = t->se_cmd.data_length;
	u8 header[8], descs[2], desc[DESC_LEN];
	sense_reason_t reason = TCM_NO_SENSE;

	if (!len || t->se_cmd.t_task_cdb[1])
		return TCM_NO_SENSE;
	if (len < sizeof(header) ||
	    vhost_scsi_check_list(t, header, sizeof(header)) < sizeof(header))
		return TCM_PARAMETER_LIST_LENGTH_ERROR;
	if (get_unaligned_be16(&header[2]) > len - sizeof(header)) {
		put_unaligned_be16(len - sizeof(header), descs);
		sg_pcopy_from_buffer(t->bounce, t->bounce_nents, descs,
				     sizeof(descs), 2);
	} else {
		len = sizeof(header) + get_unaligned_be16(&header[2]);
	}
	for (at = sizeof(header); at + DESC_LEN <= len && !reason; at += DESC_LEN) {
		sg_pcopy_to_buffer(t->bounce, t->bounce_nents, desc, DESC_LEN, at);
		reason = check_unmap_desc(t, desc);
	}
	return reason;
}

/* Pages that LIO has; that 03h is not there it says without a line. */
static sense_reason_t check_mode_sense(struct vhost_scsi_tcmd *t, const u8 *cdb)
{
	enum { PC = 0xc0, SAVED = 0xc0, LLBAA = 0x10 };
	u8 page = cdb[2] & 0x3f, subpage = cdb[3];

	/*
	 * SPC-4 6.11: with LLBAA, a long block descriptor is allowed but not required. LIO
	 * would write the pages over the end of it.
	 */
	if (cdb[0] == MODE_SENSE_10)
		t->se_cmd.t_task_cdb[1] &= ~LLBAA;

	/* SPC-4 6.11: no page can be saved. LIO would answer with the current values. */
	if ((cdb[2] & PC) == SAVED)
		vhost_scsi_own_sense(t, ILLEGAL_REQUEST, 0x39, 0);
	/* SPC-4 6.11.1: all subpages of a page. Each page has only subpage 0. */
	if (subpage == 0xff && page != 0x3f) {
		t->se_cmd.t_task_cdb[3] = 0;
		subpage = 0;
	}
	switch (page) {
	case 0x3f:
		return subpage && subpage != 0xff ? TCM_INVALID_CDB_FIELD :
						    TCM_NO_SENSE;
	case 0x01:
	case 0x08:
	case 0x0a:
	case 0x1c:
		return subpage ? TCM_UNKNOWN_MODE_PAGE : TCM_NO_SENSE;
	default:
		return TCM_UNKNOWN_MODE_PAGE;
	}
}

/* Does it equal that of MODE SENSE, or leave the number of blocks as it is (SBC-4 6.5.2.2)? */
static bool is_current(struct se_device *dev, const u8 *desc)
{
	u32 blocks = get_unaligned_be32(desc);

	return (!blocks || blocks == min_t(u64, vhost_scsi_blocks(dev), U32_MAX)) &&
	       get_unaligned_be32(&desc[4]) == dev->dev_attrib.block_size;
}

/*
 * LIO compares the first page with its current values, and accepts whatever follows. It would
 * take a block descriptor for a page. It ignores SP, although nothing can be saved.
 */
static sense_reason_t check_mode_select(struct vhost_scsi_tcmd *t, const u8 *cdb)
{
	enum { SP = 0x01, DESC_LEN = 8 };
	u32 len = t->se_cmd.data_length, head = cdb[0] == MODE_SELECT_10 ? 8 : 4, at = head;
	u8 header[8], desc[DESC_LEN], page[2 + U8_MAX];
	u32 desc_len;

	if (cdb[1] & SP)
		return TCM_INVALID_CDB_FIELD;
	if (!len)
		return TCM_NO_SENSE;
	if (len < head || vhost_scsi_check_list(t, header, head) < head)
		return TCM_PARAMETER_LIST_LENGTH_ERROR;
	desc_len = head == 8 ? get_unaligned_be16(&header[6]) : header[3];
	if (len - head < desc_len)
		return TCM_PARAMETER_LIST_LENGTH_ERROR;
	if (desc_len) {
		sg_pcopy_to_buffer(t->bounce, t->bounce_nents, desc, DESC_LEN, head);
		if (desc_len != DESC_LEN || !is_current(t->se_cmd.se_dev, desc))
			return TCM_INVALID_PARAMETER_LIST;
		at += desc_len;
	}
	len -= at;
	/* No page: nothing is to be changed. */
	if (!len) {
		t->se_cmd.data_length = 0;
		return TCM_NO_SENSE;
	}
	if (sg_pcopy_to_buffer(t->bounce, t->bounce_nents, page, min_t(u32, len, sizeof(page)),
			       at) < 2)
		return TCM_PARAMETER_LIST_LENGTH_ERROR;
	if (len > 2 + page[1])
		return TCM_INVALID_PARAMETER_LIST;
	sg_pcopy_from_buffer(t->bounce, t->bounce_nents, page, len, head);
	t->se_cmd.data_length = head + len;
	return TCM_NO_SENSE;
}

static sense_reason_t check_copy_results(const u8 *cdb)
{
	enum { OPERATING_PARAMETERS = 3 };

	return cdb[2] || (cdb[1] & 0x1f) != OPERATING_PARAMETERS ?
	       TCM_INVALID_CDB_FIELD : TCM_NO_SENSE;
}

/* The disk below is gone: LIO is ready all the same, and has a capacity of 2^64 blocks. */
static sense_reason_t check_medium(struct vhost_scsi_tcmd *t)
{
	/* SPC-5: LOGICAL UNIT NOT READY, MANUAL INTERVENTION REQUIRED. */
	if (!vhost_scsi_blocks(t->se_cmd.se_dev))
		vhost_scsi_own_sense(t, NOT_READY, 0x04, 0x03);
	return TCM_NO_SENSE;
}

static sense_reason_t check_late(struct vhost_scsi_tcmd *t)
{
	const struct se_cmd *se_cmd = &t->se_cmd;
	const u8 *cdb = se_cmd->t_task_cdb;

	switch (vhost_scsi_cdb_check(cdb)) {
	case VHOST_SCSI_CHECK_MEDIUM:
	case VHOST_SCSI_CHECK_SERVICE_ACTION_IN:
		return check_medium(t);
	case VHOST_SCSI_CHECK_WRITE_SAME:
		return same_begin(t);
	case VHOST_SCSI_CHECK_UNMAP:
		return check_unmap(t);
	case VHOST_SCSI_CHECK_MODE_SENSE:
		return check_mode_sense(t, cdb);
	case VHOST_SCSI_CHECK_MODE_SELECT:
		return check_mode_select(t, cdb);
	case VHOST_SCSI_CHECK_RESERVE:
		return vhost_scsi_check_reserve(se_cmd, true);
	case VHOST_SCSI_CHECK_RELEASE:
		return vhost_scsi_check_reserve(se_cmd, false);
	case VHOST_SCSI_CHECK_PR_IN:
		return vhost_scsi_check_pr_in(se_cmd);
	case VHOST_SCSI_CHECK_EXTENDED_COPY:
		return vhost_scsi_copy_check(t);
	case VHOST_SCSI_CHECK_COPY_RESULTS:
		return check_copy_results(cdb);
	case VHOST_SCSI_CHECK_SET_TARGET_PORT_GROUPS:
		return vhost_scsi_alua_check(t);
	default:
		return TCM_NO_SENSE;
	}
}

static sense_reason_t execute_checked(struct se_cmd *se_cmd)
{
	struct vhost_scsi_tcmd *t;
	sense_reason_t reason;

	t = container_of(se_cmd, struct vhost_scsi_tcmd, se_cmd);
	reason = check_late(t);
	return reason ? reason : t->checked(se_cmd);
}

/**
 * vhost_scsi_check_later - check the parameters when LIO carries out the command
 * @t: prepared but for this; what is to be done when it is carried out comes
 *     after the check
 *
 * Does nothing where there is nothing to check.
 */
void vhost_scsi_check_later(struct vhost_scsi_tcmd *t)
{
	struct se_cmd *se_cmd = &t->se_cmd;
	enum vhost_scsi_check check = vhost_scsi_cdb_check(se_cmd->t_task_cdb);

	if (check == VHOST_SCSI_CHECK_REPORT_LUNS)
		se_cmd->execute_cmd = vhost_scsi_execute_report_luns;
	if (check < VHOST_SCSI_CHECK_LATE ||
	    check == VHOST_SCSI_CHECK_REPORT_LUNS ||
	    se_cmd->se_dev->transport_flags & TRANSPORT_FLAG_PASSTHROUGH)
		return;
	t->checked = se_cmd->execute_cmd;
	se_cmd->execute_cmd = execute_checked;
}
