/* SPDX-License-Identifier: GPL-2.0-only */
/* Guests whose devices are disturbed all the time, and the model of their data. */
#ifndef CHAOS_H
#define CHAOS_H

#include <pthread.h>
#include <stdatomic.h>

#include "chance.h"
#include "support.h"

#define GUESTS	3
#define QUEUES	2
#define DEPTH	8	/* requests at a time */
#define SPAN	8	/* blocks that belong to each of them, on each store */

#define TARGET	1

/* What a guest sees. */
enum lun {
	LUN_RAM,	/* one disk for all guests */
	LUN_FILE,	/* likewise */
	LUN_DISK,	/* its own, which hangs and fails */
	LUN_HOT,	/* comes and goes, and is one of two then */
	LUNS,
};

/* What is behind it. */
enum store {
	STORE_RAM,
	STORE_FILE,
	STORE_DISK,
	STORE_HOT_A,
	STORE_HOT_B,
	STORES,
};

/*
 * A time during which something was the case; times are numbers of an order.
 * @from > @until: it still is.
 */
struct cause {
	atomic_ullong from;
	atomic_ullong until;
};

/* What a block may hold: the data of a write with a number in this range. */
struct block {
	uint32_t lo;
	uint32_t hi;
};

/**
 * struct record - what is known of a guest; stays when its process is killed
 * @block: what it wrote
 * @hot: times at which LUN_HOT was store A, and B
 * @absent: ... or may have been neither
 * @reset: times of LOGICAL UNIT RESETs
 * @broken: LUN_DISK fails
 * @hung: LUN_DISK does not answer
 * @resets: how many there were
 * @changes: LUNs that came or went
 * @reset_attentions: unit attentions that told of the one
 * @change_attentions: ... of the other
 * @busy: answers that there were because of them
 * @good: requests answered with success, by queue
 * @failed: requests answered otherwise
 * @disturbed: disturbances that the guest got over
 * @doing: the one under way
 */
struct record {
	struct block block[STORES][QUEUES][DEPTH][SPAN];
	struct cause hot[2];
	struct cause absent;
	struct cause reset[LUNS];
	struct cause broken;
	struct cause hung;
	atomic_uint resets[LUNS];
	atomic_uint changes;
	unsigned int reset_attentions[LUNS];
	unsigned int change_attentions[LUNS];
	unsigned int busy[LUNS];
	atomic_ulong good[QUEUES];
	atomic_ulong failed;
	atomic_ulong disturbed;
	char doing[40];
};

/* What all processes share. */
struct chaos {
	atomic_ullong time;
	atomic_bool stop;
	struct record guest[GUESTS];
};

extern struct chaos *chaos;

void cause_begin(struct cause *cause);
void cause_end(struct cause *cause);

/* Was it so at some time since @born? */
bool cause_since(const struct cause *cause, uint64_t born);

/**
 * struct slot - a request that is sent again and again
 * @guest: whose
 * @queue: on which queue it is sent
 * @index: which of the queue's it is
 * @req: the request
 * @busy: it is under way
 * @lun: where to
 * @write: or read
 * @blocks: how many
 * @number: of the write
 * @before: what the blocks could hold until now, for two stores
 * @born: when it was sent
 * @serial: different each time
 * @aborted: ABORT TASK was sent for it
 * @doomed: it must not be answered with GOOD
 */
struct slot {
	unsigned int guest;
	unsigned int queue;
	unsigned int index;
	struct vsg_req *req;
	bool busy;
	enum lun lun;
	bool write;
	unsigned int blocks;
	uint32_t number;
	struct block before[2][SPAN];
	uint64_t born;
	uint64_t serial;
	bool aborted;
	bool doomed;
};

/* Fills in a request; it is to be submitted then. */
void slot_fill(struct slot *slot, enum lun lun, bool write, unsigned int blocks);

/**
 * slot_check() - is the answer true?
 * @slot: whose request is done
 * @why: what is wrong with it, if so
 * @size: bytes of @why
 *
 * Return: whether it is. What the blocks may hold is known better then.
 */
bool slot_check(struct slot *slot, char *why, size_t size);

const char *guest_wwn(unsigned int guest);

/* The life of a guest, in a process of its own; does not return. */
void guest_run(unsigned int guest, unsigned int life);

#endif /* CHAOS_H */
