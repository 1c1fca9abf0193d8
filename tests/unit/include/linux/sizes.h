/* SPDX-License-Identifier: GPL-2.0-only */
#include "unit-kernel.h"
