/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of parse.c: the simplest parser of the format.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _UNIT_PARSE_MODEL_H
#define _UNIT_PARSE_MODEL_H

#include "mem_model.h"
#include "vhost-scsi.h"
#include "vhost/scsi/request.h"

/*
 * Any bytes as guest memory and a chain in it, as a request, as a control request,
 * and as what vhost_scsi_request_usual() may take. Returns the number of these that
 * were right. What is wrong aborts the program or fails the test.
 */
unsigned int parse_run(const u8 *data, size_t size);

#endif /* _UNIT_PARSE_MODEL_H */
