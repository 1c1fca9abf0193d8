/* SPDX-License-Identifier: GPL-2.0-only */
/* Found only where the kernel has none of its own: it was in asm/ before. */
#include <asm/unaligned.h>
