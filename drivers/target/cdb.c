// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the first bytes of a CDB tell.
 *
 * LIO moves data in the direction that the fabric names, whatever the CDB
 * says: a READ that came with data-out would be executed as a write.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/unaligned.h>

#include "target.h"

enum { ANY, IN, OUT };

/* By operation code; SPC-5, SBC-4, SSC-5, MMC-6. */
static const u8 directions[256] = {
	[REQUEST_SENSE] = IN,
	[FORMAT_UNIT] = OUT,
	[READ_BLOCK_LIMITS] = IN,
	[READ_6] = IN,
	[WRITE_6] = OUT,
	[INQUIRY] = IN,
	[MODE_SELECT] = OUT,
	[MODE_SENSE] = IN,
	[RECEIVE_DIAGNOSTIC] = IN,
	[SEND_DIAGNOSTIC] = OUT,
	[READ_CAPACITY] = IN,
	[READ_10] = IN,
	[WRITE_10] = OUT,
	[WRITE_VERIFY] = OUT,
	[READ_DEFECT_DATA] = IN,
	[WRITE_BUFFER] = OUT,
	[READ_BUFFER] = IN,
	[WRITE_SAME] = OUT,
	[UNMAP] = OUT,
	[READ_TOC] = IN,
	[LOG_SELECT] = OUT,
	[LOG_SENSE] = IN,
	[MODE_SELECT_10] = OUT,
	[MODE_SENSE_10] = IN,
	[PERSISTENT_RESERVE_IN] = IN,
	[PERSISTENT_RESERVE_OUT] = OUT,
	[EXTENDED_COPY] = OUT,
	[RECEIVE_COPY_RESULTS] = IN,
	[READ_16] = IN,
	[COMPARE_AND_WRITE] = OUT,
	[WRITE_16] = OUT,
	[READ_ATTRIBUTE] = IN,
	[WRITE_ATTRIBUTE] = OUT,
	[WRITE_VERIFY_16] = OUT,
	[WRITE_SAME_16] = OUT,
	[SERVICE_ACTION_IN_16] = IN,
	[REPORT_LUNS] = IN,
	[SECURITY_PROTOCOL_IN] = IN,
	[MAINTENANCE_IN] = IN,
	[MAINTENANCE_OUT] = OUT,
	[READ_12] = IN,
	[WRITE_12] = OUT,
	[SECURITY_PROTOCOL_OUT] = OUT,
};

/* The 32-byte CDBs name a service action. */
static u8 varlen_direction(const u8 *cdb)
{
	switch (get_unaligned_be16(&cdb[8])) {
	case READ_32:
		return IN;
	case WRITE_32:
	case WRITE_SAME_32:
		return OUT;
	default:
		return ANY;
	}
}

/**
 * vhost_scsi_cdb_fits - does the data go where the CDB wants it
 * @cdb: at least 16 bytes, 32 for a variable length CDB
 * @dir: where the guest's buffer goes
 *
 * Return: false when the command cannot mean this buffer.
 */
bool vhost_scsi_cdb_fits(const u8 *cdb, enum dma_data_direction dir)
{
	u8 want = cdb[0] == VARIABLE_LENGTH_CMD ? varlen_direction(cdb) :
						  directions[cdb[0]];

	return want == ANY || dir == DMA_NONE ||
	       want == (dir == DMA_TO_DEVICE ? OUT : IN);
}

/**
 * vhost_scsi_cdb_moves_no_data - has it no data although it names blocks
 * @cdb: the CDB
 *
 * LIO counts those blocks as data, and finds that the guest has no buffer.
 */
bool vhost_scsi_cdb_moves_no_data(const u8 *cdb)
{
	switch (cdb[0]) {
	case SYNCHRONIZE_CACHE:
	case SYNCHRONIZE_CACHE_16:
		return true;
	case VERIFY:
	case VERIFY_16:
		/* SBC-4: BYTCHK 00b, nothing to compare with. */
		return !(cdb[1] & 0x06);
	default:
		return false;
	}
}

/**
 * vhost_scsi_cdb_is_plain - is it submitted without waiting for anything
 * @cdb: the CDB
 *
 * Others may do I/O of their own, wait for other commands (PERSISTENT RESERVE
 * OUT, COMPARE AND WRITE) or for a discard while they are submitted.
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

/**
 * vhost_scsi_cdb_needs_no_lun - is it answered also where there is no LUN
 * @cdb: the CDB
 *
 * SAM-5 4.7: by these a guest finds out which LUNs there are.
 */
bool vhost_scsi_cdb_needs_no_lun(const u8 *cdb)
{
	return cdb[0] == INQUIRY || cdb[0] == REPORT_LUNS ||
	       cdb[0] == REQUEST_SENSE;
}
