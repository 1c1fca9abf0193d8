/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random tests that can be repeated.
 *
 * VHOST_TEST_SEED=N is the seed, VHOST_TEST_SECONDS=N the time for which they run.
 * The time limits grow with it.
 */
#ifndef CHANCE_H
#define CHANCE_H

#include <stdbool.h>
#include <stdint.h>

/* The state of a generator; one for each thread. */
struct chance {
	uint64_t state;
};

/* The seed of this run; printed when it is asked for first. */
uint64_t chance_seed(void);

/* How long to go on, milliseconds; @seconds unless the environment says. */
int64_t chance_ms(int seconds);

/**
 * chance_init() - a generator of its own for each part of a test
 * @c: set up
 * @a: with @b and the seed: the same numbers, the same sequence
 * @b: see @a
 */
void chance_init(struct chance *c, uint64_t a, uint64_t b);

/* Any 64 bits. */
uint64_t chance_bits(struct chance *c);

/* A number below @n, which is not 0. */
uint32_t chance_below(struct chance *c, uint32_t n);

/* True once in @n times. */
static inline bool chance_one_in(struct chance *c, uint32_t n)
{
	return !chance_below(c, n);
}

#endif /* CHANCE_H */
