/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The input of a model: bytes of a fuzzer or of a random generator, read one after
 * the other. Behind the last byte follow zeroes.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _UNIT_INPUT_H
#define _UNIT_INPUT_H

#include "unit-kernel.h"

struct input {
	const u8 *data;
	size_t size;
};

static inline u8 next_byte(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

static inline u64 next_number(struct input *in, unsigned int bytes)
{
	u64 n = 0;

	while (bytes--)
		n = n << 8 | next_byte(in);
	return n;
}

/* The next bytes as an input of their own. */
static inline struct input next_input(struct input *in, size_t len)
{
	struct input part = { in->data, min(len, in->size) };

	in->data += part.size;
	in->size -= part.size;
	return part;
}

static inline void next_bytes(struct input *in, void *buf, size_t len)
{
	struct input part = next_input(in, len);

	memcpy(buf, part.data, part.size);
}

/* What a model finds wrong. */
#ifdef __KERNEL__
#include "unit.h"
#define must(cond)	EXPECT(cond)
#else
#define must(cond)							\
	do {								\
		if (!(cond)) {						\
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, \
				#cond);					\
			abort();					\
		}							\
	} while (0)
#endif

#endif /* _UNIT_INPUT_H */
