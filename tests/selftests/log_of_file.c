// SPDX-License-Identifier: GPL-2.0-only
/* Proves: the dirty log is as exact in memory that cannot be kept pinned. */

#define OF_FILE 1
#include "log.c"
