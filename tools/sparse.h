/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What sparse 0.6.4 does not know of newer kernels' headers. tools/matrix has it included
 * before all else, where sparse reads the module, and nowhere else.
 *
 * Copyright (C) 2026 vhost-lio developers
 */

/* The type without const and volatile. With them, sparse says no less of it. */
#define __typeof_unqual__ __typeof__

/* MODULE_INFO() asserts that a string literal has no NUL in it. To sparse this is no constant. */
#define __builtin_strlen(string) (sizeof(string) - 1)
