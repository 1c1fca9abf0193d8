/* SPDX-License-Identifier: GPL-2.0-only */
/* LIO's structs, as far as others contain them. */
#ifndef _UNIT_TARGET_CORE_BASE_H
#define _UNIT_TARGET_CORE_BASE_H

#include "unit-kernel.h"

#define TRANSPORT_IQN_LEN	224
#define TRANSPORT_SENSE_BUFFER	96

struct se_device { struct { int pi_prot_type; } dev_attrib; };
struct se_cmd { struct se_device *se_dev; };
struct se_wwn { void *unused; };
struct se_portal_group { void *unused; };
struct t10_pr_registration { int pr_res_type; };
struct se_session;
struct se_lun;

#endif /* _UNIT_TARGET_CORE_BASE_H */
