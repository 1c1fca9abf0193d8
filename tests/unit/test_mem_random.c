// SPDX-License-Identifier: GPL-2.0-only
/*
 * mem.c with random tables and look-ups from a fixed seed, compared with a linear
 * search.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include "mem_model.h"
#include "unit.h"

#define RUNS	UNIT_TIMES(20000, 60)

TEST(mem_random, any_bytes)
{
	static u8 data[400];
	u64 rnd = 0x5eed0005;
	unsigned int n, steps = 0;

	for (n = 0; n < RUNS; n++) {
		size_t size = unit_below(&rnd, sizeof(data));

		if (unit_below(&rnd, 4))
			unit_likely_bytes(data, size, &rnd);
		else
			unit_random_bytes(data, size, &rnd);
		steps += mem_run(data, size);
	}
	/* Many tables are refused, and nothing is looked up in them. */
	EXPECT(steps > 2 * RUNS);
}
