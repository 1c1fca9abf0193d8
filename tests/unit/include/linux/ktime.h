/* SPDX-License-Identifier: GPL-2.0-only */
/* No test looks at a clock. */
#ifndef UNIT_KTIME_H
#define UNIT_KTIME_H

#include "unit-kernel.h"

static inline u64 ktime_get_ns(void)
{
	return 0;
}

#endif /* UNIT_KTIME_H */
