/* SPDX-License-Identifier: GPL-2.0-only */
/* Found only where the kernel has none of its own: it was in kernel.h before. */
#include <linux/kernel.h>
