/* SPDX-License-Identifier: GPL-2.0-only */
/* Verified I/O on one ring by a thread of its own, until it is stopped. */
#ifndef LOAD_H
#define LOAD_H

#include <pthread.h>

#include "support.h"

#define LOAD_DEPTH_MAX 64

/**
 * struct load - blocks written and read back again and again
 * @r: ring, which belongs to the thread while it runs
 * @target: target
 * @lun: LUN
 * @lba: first of @depth blocks that are the load's own
 * @depth: requests at a time
 * @pause_us: rest after each look at the ring
 * @may_fail: requests may be answered with an error
 * @done: requests answered
 * @good: of them, with success
 * @err: what went wrong, NULL: nothing
 */
struct load {
	struct vsg_ring *r;
	uint8_t target;
	uint16_t lun;
	uint64_t lba;
	unsigned int depth;
	unsigned int pause_us;
	bool may_fail;
	unsigned long done;
	unsigned long good;
	const char *err;

	/* private: */
	pthread_t thread;
	bool stop;
	struct vsg_req *req[LOAD_DEPTH_MAX];
	uint32_t seed[LOAD_DEPTH_MAX];
	bool written[LOAD_DEPTH_MAX];
};

/* Starts the thread; the test ends if it cannot. */
void load_start(struct load *load);

/* Lets it finish what is under way, and checks that nothing went wrong. */
void load_end(struct load *load);

/**
 * struct flood - a guest that keeps a queue full, whatever is answered
 * @r: the queue; of no use afterwards
 * @req: what it sends; a test may change the header meanwhile
 * @stop: end
 * @thread: of the guest
 */
struct flood {
	struct vsg_ring *r;
	struct vsg_req *req;
	bool stop;
	pthread_t thread;
};

/**
 * flood_start() - begin
 * @flood: to be ended by flood_end()
 * @r: a queue of a guest that runs
 * @target: best one that is not there, for it is answered at once
 */
void flood_start(struct flood *flood, struct vsg_ring *r, uint8_t target);
void flood_end(struct flood *flood);

/**
 * struct migration - a hypervisor that sends a guest's memory while the guest runs
 * @mem: of the guest
 * @copy: what it becomes on the other host
 * @bitmap: the dirty log, which is read and cleared
 * @pages: of all three, a multiple of 64
 * @stop: end
 * @passes: over the log
 * @sent: pages that were sent again
 * @thread: of the hypervisor
 */
struct migration {
	const uint8_t *mem;
	uint8_t *copy;
	uint64_t *bitmap;
	size_t pages;
	bool stop;
	unsigned long passes;
	unsigned long sent;
	pthread_t thread;
};

/* The log is on, and no request is under way. */
void migration_start(struct migration *m);

/* The device is stopped. */
void migration_end(struct migration *m);

/* Are the whole pages of this buffer, which only the device writes, the same there? */
bool migration_has(const struct migration *m, const void *buf, size_t len);

#endif /* LOAD_H */
