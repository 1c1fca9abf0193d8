/* SPDX-License-Identifier: GPL-2.0-only */
/* Random numbers from a seed. */
#ifndef RNG_H
#define RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

/* splitmix64 */
static inline uint64_t rnd(struct rng *r)
{
	uint64_t x = r->state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static inline uint32_t below(struct rng *r, uint32_t n)
{
	return (rnd(r) >> 32) * n >> 32;
}

static inline bool one_in(struct rng *r, uint32_t n)
{
	return !below(r, n);
}

#endif /* RNG_H */
