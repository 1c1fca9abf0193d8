// SPDX-License-Identifier: GPL-2.0-only
/*
 * cdb.c: which way a command's data goes, and which commands a queue's worker
 * may submit itself.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include "target.h"
#include "unit.h"

static bool fits(const u8 *cdb, int len, enum dma_data_direction dir)
{
	u8 *copy = calloc(1, 32);
	bool ret;

	memcpy(copy, cdb, len);
	ret = vhost_scsi_cdb_fits(copy, dir);
	free(copy);
	return ret;
}

static void expect_way(const u8 *cdb, int len, bool in, bool out)
{
	EXPECT_EQ(in, fits(cdb, len, DMA_FROM_DEVICE));
	EXPECT_EQ(out, fits(cdb, len, DMA_TO_DEVICE));
	/* Without data nothing can go wrong. */
	EXPECT(fits(cdb, len, DMA_NONE));
}

TEST(cdb, data_in)
{
	static const u8 ops[] = {
		REQUEST_SENSE, READ_6, INQUIRY, MODE_SENSE, READ_CAPACITY,
		READ_10, READ_BUFFER, LOG_SENSE, MODE_SENSE_10,
		PERSISTENT_RESERVE_IN, READ_16, SERVICE_ACTION_IN_16,
		REPORT_LUNS, READ_12, RECEIVE_COPY_RESULTS,
	};
	unsigned int i;

	for (i = 0; i < sizeof(ops); i++)
		expect_way(&ops[i], 1, true, false);
}

TEST(cdb, data_out)
{
	static const u8 ops[] = {
		FORMAT_UNIT, WRITE_6, MODE_SELECT, SEND_DIAGNOSTIC, WRITE_10,
		WRITE_VERIFY, WRITE_BUFFER, WRITE_SAME, UNMAP, LOG_SELECT,
		MODE_SELECT_10, PERSISTENT_RESERVE_OUT, EXTENDED_COPY,
		COMPARE_AND_WRITE, WRITE_16, WRITE_VERIFY_16, WRITE_SAME_16,
		WRITE_12, WRITE_ATOMIC_16,
	};
	unsigned int i;

	for (i = 0; i < sizeof(ops); i++)
		expect_way(&ops[i], 1, false, true);
}

/* VERIFY has data-out or none; vendor's codes may mean anything. */
TEST(cdb, either)
{
	static const u8 ops[] = { VERIFY, 0x20, 0xc0, 0xd5, 0xff };
	unsigned int i;

	for (i = 0; i < sizeof(ops); i++)
		expect_way(&ops[i], 1, true, true);
}

TEST(cdb, variable_length)
{
	static const u8 read[] = { 0x7f, 0, 0, 0, 0, 0, 0, 0x18, 0, READ_32 };
	static const u8 write[] = { 0x7f, 0, 0, 0, 0, 0, 0, 0x18, 0, WRITE_32 };
	static const u8 same[] = { 0x7f, 0, 0, 0, 0, 0, 0, 0x18, 0,
				   WRITE_SAME_32 };
	/* The service action has two bytes. */
	static const u8 other[] = { 0x7f, 0, 0, 0, 0, 0, 0, 0x18, 1, READ_32 };

	expect_way(read, sizeof(read), true, false);
	expect_way(write, sizeof(write), false, true);
	expect_way(same, sizeof(same), false, true);
	expect_way(other, sizeof(other), true, true);
}

/* What may wait, or does I/O of its own, is not for the worker. */
TEST(cdb, plain)
{
	static const u8 plain[] = {
		TEST_UNIT_READY, READ_6, READ_10, READ_12, READ_16, WRITE_6,
		WRITE_10, WRITE_12, WRITE_16,
	};
	static const u8 not_plain[] = {
		PERSISTENT_RESERVE_OUT, COMPARE_AND_WRITE, EXTENDED_COPY,
		UNMAP, WRITE_SAME, WRITE_SAME_16, VARIABLE_LENGTH_CMD,
		FORMAT_UNIT, 0xff,
	};
	unsigned int i;

	for (i = 0; i < sizeof(plain); i++)
		EXPECT(vhost_scsi_cdb_is_plain(&plain[i]));
	for (i = 0; i < sizeof(not_plain); i++)
		EXPECT(!vhost_scsi_cdb_is_plain(&not_plain[i]));
}

/* Blocks that are checked or flushed in place. */
TEST(cdb, blocks_without_data)
{
	static const u8 none[][2] = {
		{ SYNCHRONIZE_CACHE }, { SYNCHRONIZE_CACHE_16 }, { VERIFY },
		{ VERIFY_16 }, { VERIFY, 0xf1 }, { VERIFY_16, 0xf1 },
	};
	static const u8 some[][2] = {
		{ VERIFY, 0x02 }, { VERIFY_16, 0x02 }, { VERIFY, 0x06 },
		{ READ_10 }, { WRITE_VERIFY }, { WRITE_16 }, { WRITE_SAME },
		{ UNMAP }, { TEST_UNIT_READY },
	};
	unsigned int i;

	for (i = 0; i < sizeof(none) / 2; i++)
		EXPECT(vhost_scsi_cdb_moves_no_data(none[i]));
	for (i = 0; i < sizeof(some) / 2; i++)
		EXPECT(!vhost_scsi_cdb_moves_no_data(some[i]));
}

/* Of what a device gets only what is known to write nothing. */
TEST(cdb, harmless)
{
	static const u8 harmless[] = {
		TEST_UNIT_READY, REQUEST_SENSE, READ_6, INQUIRY, MODE_SENSE,
		READ_CAPACITY, READ_10, VERIFY, SYNCHRONIZE_CACHE,
		PERSISTENT_RESERVE_OUT, READ_16, REPORT_LUNS, READ_12,
	};
	static const u8 writes[] = {
		FORMAT_UNIT, REASSIGN_BLOCKS, WRITE_6, WRITE_FILEMARKS, ERASE,
		WRITE_10, WRITE_VERIFY, WRITE_LONG, WRITE_SAME, UNMAP,
		XDWRITEREAD_10, COMPARE_AND_WRITE, WRITE_16, 0x8b,
		WRITE_ATTRIBUTE, WRITE_VERIFY_16, WRITE_SAME_16, ZBC_OUT,
		WRITE_ATOMIC_16, SERVICE_ACTION_OUT_16, WRITE_12,
		WRITE_VERIFY_12,
	};
	/* A vendor's; ATA PASS-THROUGH; SANITIZE; firmware. */
	static const u8 unknown[] = { 0xc0, 0x85, 0xa1, 0x48, WRITE_BUFFER };
	static const u8 same[10] = { [0] = 0x7f, [9] = WRITE_SAME_32 };
	static const u8 read[10] = { [0] = 0x7f, [9] = READ_32 };
	unsigned int i;

	for (i = 0; i < sizeof(harmless); i++)
		EXPECT(vhost_scsi_cdb_is_harmless(&harmless[i], true));
	for (i = 0; i < sizeof(writes); i++)
		EXPECT(!vhost_scsi_cdb_is_harmless(&writes[i], false));
	for (i = 0; i < sizeof(unknown); i++) {
		EXPECT(vhost_scsi_cdb_is_harmless(&unknown[i], false));
		EXPECT(!vhost_scsi_cdb_is_harmless(&unknown[i], true));
	}
	EXPECT(!vhost_scsi_cdb_is_harmless(same, false));
	EXPECT(vhost_scsi_cdb_is_harmless(read, true));
}

TEST(cdb, blocks)
{
	static const struct {
		u8 cdb[32];
		u64 lba;
		u32 blocks;
	} rows[] = {
		{ { READ_6, 0xff, 1, 2, 3 }, 0x1f0102, 3 },
		{ { WRITE_6, 0, 1, 2, 0 }, 0x102, 256 },
		{ { READ_10, 0, 1, 2, 3, 4, 0, 5, 6 }, 0x1020304, 0x506 },
		{ { SYNCHRONIZE_CACHE, 2, 0, 0, 0, 7 }, 7, 0 },
		{ { WRITE_12, 0, 1, 2, 3, 4, 5, 6, 7, 8 }, 0x1020304, 0x5060708 },
		{ { WRITE_16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 },
		  0x102030405060708, 0x90a0b0c },
		{ { COMPARE_AND_WRITE, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1 },
		  8, 1 },
		{ { WRITE_ATOMIC_16, [9] = 8, [11] = 2, [12] = 1, [13] = 4 }, 8, 0x104 },
		{ { 0x7f, [9] = WRITE_SAME_32, [18] = 1, [31] = 4 }, 256, 4 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		u64 lba = ~0ULL;

		EXPECT_EQ(rows[i].blocks,
			  vhost_scsi_cdb_blocks(rows[i].cdb, &lba));
		EXPECT_EQ(rows[i].lba, lba);
	}
}

/* The byte that is CONTROL has NACA in bit 2; in no other it counts. */
TEST(cdb, naca)
{
	static const struct {
		u8 code;
		u8 control;
	} rows[] = {
		{ TEST_UNIT_READY, 5 }, { READ_10, 9 }, { PERSISTENT_RESERVE_OUT, 9 },
		{ 0x7f, 1 }, { READ_16, 15 }, { REPORT_LUNS, 11 }, { WRITE_12, 11 },
	};
	unsigned int i, byte;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (byte = 1; byte < 32; byte++) {
			u8 cdb[32] = { rows[i].code };

			cdb[byte] = 0xff;
			EXPECT_EQ(byte == rows[i].control, vhost_scsi_cdb_wants_aca(cdb));
			cdb[byte] = 0xfb;
			EXPECT_EQ(false, vhost_scsi_cdb_wants_aca(cdb));
		}
}
