/* SPDX-License-Identifier: GPL-2.0-only */
/* What closed devices could have left behind: threads, address spaces, eventfds. */
#ifndef LEFT_H
#define LEFT_H

#include <stdbool.h>

/**
 * struct left - what there is of it
 * @pins: pages pinned
 * @threads: workers
 * @eventfd: the lowest number that no eventfd has
 * @mms: address spaces, -1 where the kernel does not count them
 */
struct left {
	long long pins;
	int threads;
	long eventfd;
	long mms;
};

/**
 * left_note() - how much there is now
 * @left: filled
 */
void left_note(struct left *left);

/**
 * left_check() - wait until there is no more than before
 * @before: from left_note()
 *
 * What is there still after a while is a failed check.
 */
void left_check(const struct left *before);

/* Bytes that this process is charged for as locked or pinned. */
long long left_charged(void);

#endif /* LEFT_H */
