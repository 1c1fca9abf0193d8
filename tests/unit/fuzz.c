// SPDX-License-Identifier: GPL-2.0-only
/*
 * The entry of libFuzzer. It is compiled once for each model; RUN is the model's function.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include "parse_model.h"
#include "ring_model.h"

struct unit_kernel unit_kernel;

int fuzz_one(const u8 *data, size_t size) __asm__("LLVMFuzzerTestOneInput");

int fuzz_one(const u8 *data, size_t size)
{
	RUN(data, size);
	return 0;
}
