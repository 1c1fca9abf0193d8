// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a CDB says about its command.
 *
 * LIO transfers data in the direction that the fabric names, even if the CDB has another
 * one: it would execute a READ with data-out as a write.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/unaligned.h>

#include "target.h"

/* Where the data goes. */
enum { ANY, IN, OUT };
/* May it come to a LUN that is write-protected? NO: it writes to the medium. */
enum { UNKNOWN, YES, NO };

/**
 * struct op - what an operation code means
 * @way: where the data goes
 * @harmless: on a write-protected LUN
 * @check: what is looked at before LIO sees the command
 */
struct op {
	u8 way;
	u8 harmless;
	u8 check;
};

#define OP(way, harmless, check) { way, harmless, VHOST_SCSI_CHECK_##check }

/* By operation code; SPC-5, SBC-4, SSC-5, MMC-6. */
static const struct op ops[256] = {
	[TEST_UNIT_READY] = OP(ANY, YES, MEDIUM),
	[REZERO_UNIT] = OP(ANY, YES, NONE),
	[REQUEST_SENSE] = OP(IN, YES, REQUEST_SENSE),
	[FORMAT_UNIT] = OP(OUT, NO, NONE),
	[READ_BLOCK_LIMITS] = OP(IN, YES, NONE),
	[REASSIGN_BLOCKS] = OP(OUT, NO, NONE),
	[READ_6] = OP(IN, YES, BLOCKS),
	[WRITE_6] = OP(OUT, NO, BLOCKS),
	/* Likewise SET CAPACITY of tapes. */
	[SEEK_6] = OP(ANY, UNKNOWN, NONE),
	[READ_REVERSE] = OP(IN, YES, NONE),
	[WRITE_FILEMARKS] = OP(ANY, NO, NONE),
	[SPACE] = OP(ANY, YES, NONE),
	[INQUIRY] = OP(IN, YES, INQUIRY),
	/* VERIFY (6) of tapes. */
	[0x13] = OP(ANY, YES, NONE),
	[RECOVER_BUFFERED_DATA] = OP(IN, YES, NONE),
	[MODE_SELECT] = OP(OUT, YES, MODE_SELECT),
	[RESERVE_6] = OP(ANY, YES, RESERVE),
	[RELEASE_6] = OP(ANY, YES, RELEASE),
	[ERASE] = OP(ANY, NO, NONE),
	[MODE_SENSE] = OP(IN, YES, MODE_SENSE),
	[START_STOP] = OP(ANY, YES, START_STOP),
	[RECEIVE_DIAGNOSTIC] = OP(IN, YES, NONE),
	[SEND_DIAGNOSTIC] = OP(OUT, UNKNOWN, NONE),
	[ALLOW_MEDIUM_REMOVAL] = OP(ANY, YES, NONE),
	[READ_FORMAT_CAPACITIES] = OP(ANY, YES, NONE),
	[READ_CAPACITY] = OP(IN, YES, MEDIUM),
	[READ_10] = OP(IN, YES, RW),
	[WRITE_10] = OP(OUT, NO, RW),
	[SEEK_10] = OP(ANY, YES, NONE),
	[WRITE_VERIFY] = OP(OUT, NO, RW),
	[VERIFY] = OP(ANY, YES, VERIFY),
	[PRE_FETCH] = OP(ANY, YES, NONE),
	[SYNCHRONIZE_CACHE] = OP(ANY, YES, FLUSH),
	[READ_DEFECT_DATA] = OP(IN, YES, NONE),
	[WRITE_BUFFER] = OP(OUT, UNKNOWN, NONE),
	[READ_BUFFER] = OP(IN, YES, NONE),
	[READ_LONG] = OP(ANY, YES, NONE),
	[WRITE_LONG] = OP(ANY, NO, NONE),
	[WRITE_SAME] = OP(OUT, NO, WRITE_SAME),
	/* Likewise READ SUB-CHANNEL of CD-ROM; it has data-in. */
	[UNMAP] = OP(OUT, NO, UNMAP),
	[READ_TOC] = OP(IN, YES, NONE),
	[READ_HEADER] = OP(ANY, YES, NONE),
	/* GET CONFIGURATION of CD-ROM. */
	[0x46] = OP(ANY, YES, NONE),
	[GET_EVENT_STATUS_NOTIFICATION] = OP(ANY, YES, NONE),
	[LOG_SELECT] = OP(OUT, YES, NONE),
	[LOG_SENSE] = OP(IN, YES, NONE),
	/* READ DISC INFORMATION, READ TRACK INFORMATION. */
	[0x51] = OP(ANY, YES, NONE),
	[0x52] = OP(ANY, YES, NONE),
	[XDWRITEREAD_10] = OP(ANY, NO, NONE),
	[MODE_SELECT_10] = OP(OUT, YES, MODE_SELECT),
	[RESERVE_10] = OP(OUT, YES, RESERVE),
	[RELEASE_10] = OP(OUT, YES, RELEASE),
	[MODE_SENSE_10] = OP(IN, YES, MODE_SENSE),
	[PERSISTENT_RESERVE_IN] = OP(IN, YES, PR_IN),
	[PERSISTENT_RESERVE_OUT] = OP(OUT, YES, PR_OUT),
	[VARIABLE_LENGTH_CMD] = OP(ANY, UNKNOWN, VARIABLE_LENGTH),
	[EXTENDED_COPY] = OP(OUT, YES, EXTENDED_COPY),
	[RECEIVE_COPY_RESULTS] = OP(IN, YES, COPY_RESULTS),
	[READ_16] = OP(IN, YES, RW),
	[COMPARE_AND_WRITE] = OP(OUT, NO, COMPARE_AND_WRITE),
	[WRITE_16] = OP(OUT, NO, RW),
	/* ORWRITE (16). */
	[0x8b] = OP(OUT, NO, NONE),
	[READ_ATTRIBUTE] = OP(IN, YES, NONE),
	[WRITE_ATTRIBUTE] = OP(OUT, NO, NONE),
	[WRITE_VERIFY_16] = OP(OUT, NO, RW),
	[VERIFY_16] = OP(ANY, YES, VERIFY),
	/* PRE-FETCH (16). */
	[0x90] = OP(ANY, YES, NONE),
	/* Likewise SPACE (16) of tapes. */
	[SYNCHRONIZE_CACHE_16] = OP(ANY, YES, FLUSH),
	/* LOCATE (16) of tapes. */
	[0x92] = OP(ANY, YES, NONE),
	/* Likewise ERASE (16) of tapes, which has no data. */
	[WRITE_SAME_16] = OP(OUT, NO, WRITE_SAME),
	[ZBC_OUT] = OP(ANY, NO, NONE),
	[ZBC_IN] = OP(IN, YES, NONE),
	[WRITE_ATOMIC_16] = OP(OUT, NO, RW),
	[SERVICE_ACTION_IN_16] = OP(IN, YES, SERVICE_ACTION_IN),
	[SERVICE_ACTION_OUT_16] = OP(ANY, NO, NONE),
	[REPORT_LUNS] = OP(IN, YES, REPORT_LUNS),
	[SECURITY_PROTOCOL_IN] = OP(IN, YES, NONE),
	[MAINTENANCE_IN] = OP(IN, YES, NONE),
	[MAINTENANCE_OUT] = OP(OUT, YES, SET_TARGET_PORT_GROUPS),
	[READ_12] = OP(IN, YES, RW),
	[WRITE_12] = OP(OUT, NO, RW),
	/* READ DISC STRUCTURE. */
	[0xad] = OP(ANY, YES, NONE),
	[WRITE_VERIFY_12] = OP(OUT, NO, NONE),
	[VERIFY_12] = OP(ANY, YES, NONE),
	[SECURITY_PROTOCOL_OUT] = OP(OUT, UNKNOWN, NONE),
	[READ_ELEMENT_STATUS] = OP(ANY, YES, NONE),
	/* READ CD MSF, READ CD. */
	[0xb9] = OP(ANY, YES, NONE),
	[0xbe] = OP(ANY, YES, NONE),
};

/* The 32-byte CDBs name a service action; all but WRITE SAME are not LIO's. */
static struct op varlen_op(const u8 *cdb)
{
	switch (get_unaligned_be16(&cdb[8])) {
	case READ_32:
		return (struct op)OP(IN, YES, VARIABLE_LENGTH);
	case WRITE_32:
		return (struct op)OP(OUT, NO, VARIABLE_LENGTH);
	case WRITE_SAME_32:
		return (struct op)OP(OUT, NO, WRITE_SAME);
	default:
		return ops[VARIABLE_LENGTH_CMD];
	}
}

static struct op op_of(const u8 *cdb)
{
	return cdb[0] == VARIABLE_LENGTH_CMD ? varlen_op(cdb) : ops[cdb[0]];
}

/**
 * vhost_scsi_cdb_fits - does the direction of the buffer fit the CDB
 * @cdb: at least 16 bytes, 32 for a variable length CDB
 * @dir: direction of the guest's buffer
 *
 * Return: false if the command cannot use this buffer.
 */
bool vhost_scsi_cdb_fits(const u8 *cdb, enum dma_data_direction dir)
{
	u8 way = op_of(cdb).way;

	return way == ANY || dir == DMA_NONE ||
	       way == (dir == DMA_TO_DEVICE ? OUT : IN);
}

/**
 * vhost_scsi_cdb_is_in - is data-in all that the CDB transfers
 * @cdb: the CDB
 */
bool vhost_scsi_cdb_is_in(const u8 *cdb)
{
	return op_of(cdb).way == IN;
}

/**
 * vhost_scsi_cdb_is_harmless - may it come to a write-protected LUN
 * @cdb: the CDB
 * @by_device: a device gets it that may carry out more than is known here, as a
 *	       vendor's or another's pass-through
 */
bool vhost_scsi_cdb_is_harmless(const u8 *cdb, bool by_device)
{
	u8 harmless = op_of(cdb).harmless;

	return harmless == YES || (harmless == UNKNOWN && !by_device);
}

/**
 * vhost_scsi_cdb_check - what is to be looked at before LIO sees the command
 * @cdb: the CDB
 */
enum vhost_scsi_check vhost_scsi_cdb_check(const u8 *cdb)
{
	return op_of(cdb).check;
}

/**
 * vhost_scsi_cdb_blocks - the blocks of the medium that a CDB names
 * @cdb: one whose check is about blocks
 * @lba: the first of them
 *
 * Return: their number.
 */
u32 vhost_scsi_cdb_blocks(const u8 *cdb, u64 *lba)
{
	/* SPC-5 4.2.5.1: the first three bits say how long a CDB is. */
	switch (cdb[0] >> 5) {
	case 0:
		*lba = get_unaligned_be24(&cdb[1]) & 0x1fffff;
		return cdb[4] ? cdb[4] : 256;
	case 3:
		*lba = get_unaligned_be64(&cdb[12]);
		return get_unaligned_be32(&cdb[28]);
	case 4:
		*lba = get_unaligned_be64(&cdb[2]);
		if (cdb[0] == COMPARE_AND_WRITE)
			return cdb[13];
		/* Before it stands the atomic boundary. */
		if (cdb[0] == WRITE_ATOMIC_16)
			return get_unaligned_be16(&cdb[12]);
		return get_unaligned_be32(&cdb[10]);
	case 5:
		*lba = get_unaligned_be32(&cdb[2]);
		return get_unaligned_be32(&cdb[6]);
	default:
		*lba = get_unaligned_be32(&cdb[2]);
		return get_unaligned_be16(&cdb[7]);
	}
}

/**
 * vhost_scsi_cdb_moves_no_data - does the CDB name blocks and transfer no data
 * @cdb: the CDB
 *
 * LIO counts these blocks as data, and finds that the guest has no buffer for them.
 */
bool vhost_scsi_cdb_moves_no_data(const u8 *cdb)
{
	switch (cdb[0]) {
	case SYNCHRONIZE_CACHE:
	case SYNCHRONIZE_CACHE_16:
		return true;
	case VERIFY:
	case VERIFY_16:
		/* SBC-4: with BYTCHK 00b there is no data-out to compare with. */
		return !(cdb[1] & 0x06);
	default:
		return false;
	}
}

/**
 * vhost_scsi_cdb_wants_aca - does it ask for an auto contingent allegiance, by NACA
 * @cdb: the CDB
 *
 * No LUN of LIO's has that, and INQUIRY says so (SAM-5 5.2).
 */
bool vhost_scsi_cdb_wants_aca(const u8 *cdb)
{
	/* SPC-5 4.2.5: the CONTROL byte is the last; of a variable length CDB the second. */
	static const u8 control[] = { 5, 9, 9, 1, 15, 11, 9, 9 };

	return cdb[control[cdb[0] >> 5]] & 0x04;
}

/**
 * vhost_scsi_cdb_is_plain - does the submission never wait
 * @cdb: the CDB
 *
 * The submission of other commands may do I/O, or wait for other commands (PERSISTENT
 * RESERVE OUT, COMPARE AND WRITE) or for a discard.
 */
bool vhost_scsi_cdb_is_plain(const u8 *cdb)
{
	switch (cdb[0]) {
	case TEST_UNIT_READY:
	case READ_6:
	case READ_10:
	case READ_12:
	case READ_16:
	case WRITE_6:
	case WRITE_10:
	case WRITE_12:
	case WRITE_16:
	case SYNCHRONIZE_CACHE:
	case SYNCHRONIZE_CACHE_16:
		return true;
	default:
		return false;
	}
}
