// SPDX-License-Identifier: GPL-2.0-only
/* Proves: the dirty log is as exact where the owner may have no page pinned. */

#define LIMITED 1
#include "log.c"
