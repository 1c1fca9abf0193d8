/* SPDX-License-Identifier: GPL-2.0-only */
/* A key that is off. */
#ifndef UNIT_JUMP_LABEL_H
#define UNIT_JUMP_LABEL_H

#include "unit-kernel.h"

#define DECLARE_STATIC_KEY_FALSE(name)	extern int name
#define static_branch_unlikely(key)	((void)(key), 0)

#endif /* UNIT_JUMP_LABEL_H */
