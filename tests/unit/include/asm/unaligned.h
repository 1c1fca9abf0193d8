/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _UNIT_UNALIGNED_H
#define _UNIT_UNALIGNED_H

#include <linux/types.h>

static inline u16 get_unaligned_be16(const void *p)
{
	const u8 *b = p;

	return b[0] << 8 | b[1];
}

#endif /* _UNIT_UNALIGNED_H */
