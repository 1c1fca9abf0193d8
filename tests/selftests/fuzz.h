/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of fuzz_ring: random requests, and the kernel log lines that are expected. */
#ifndef FUZZ_H
#define FUZZ_H

#include "../lib/vsg.h"
#include "klog.h"
#include "rng.h"

#define FUZZ_TARGET	1
/*
 * Whose LUN must not be touched: nothing that is made by chance addresses it,
 * and no eight bytes in memory look like it by chance.
 */
#define CALM_TARGET	197
#define CALM_LUN	0x1234

enum { LUN_RAM, LUN_FILE, LUN_BLOCK, LUN_DISK, LUN_TAPE, LUN_COMES };

#define CMD_DATA_MAX	3584	/* bytes of most requests */
#define CMD_LIST_MAX	512

/**
 * struct fuzz_cmd - a request of a request queue
 * @hdr: its header
 * @out: bytes of data-out that go with it
 * @in: bytes of data-in
 * @list: what data-out begins with
 * @list_len: bytes of it
 */
struct fuzz_cmd {
	struct virtio_scsi_cmd_req hdr;
	uint32_t out;
	uint32_t in;
	uint8_t list[CMD_LIST_MAX];
	unsigned int list_len;
};

/* Designators of two LUNs, as EXTENDED COPY names them. */
extern uint8_t fuzz_naa[2][16];

/* A request of a form that LIO knows, in most cases with something changed. */
void fuzz_cmd(struct fuzz_cmd *cmd, struct rng *r);

/* A request of the control queue; returns its bytes, at most 24. */
unsigned int fuzz_ctl(uint8_t *req, struct rng *r);

/* What LIO and backends log for odd commands, a line each. */
extern struct klog_known fuzz_known_lines[];

#endif /* FUZZ_H */
