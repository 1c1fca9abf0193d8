/* SPDX-License-Identifier: GPL-2.0-only */
struct target_core_fabric_ops;
