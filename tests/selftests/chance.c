// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>

#include "chance.h"

#define SEED_DEFAULT 1

uint64_t chance_seed(void)
{
	static uint64_t seed;
	static bool known;

	if (!known) {
		const char *s = getenv("VHOST_TEST_SEED");

		seed = s && *s ? strtoull(s, NULL, 0) : SEED_DEFAULT;
		known = true;
		printf("# VHOST_TEST_SEED=%llu\n", (unsigned long long)seed);
	}
	return seed;
}

int64_t chance_ms(int seconds)
{
	const char *s = getenv("VHOST_TEST_SECONDS");
	int n = s ? atoi(s) : 0;

	return 1000LL * (n > 0 ? n : seconds);
}

/* splitmix64: its state may be anything. */
uint64_t chance_bits(struct chance *c)
{
	uint64_t z = c->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

void chance_init(struct chance *c, uint64_t a, uint64_t b)
{
	c->state = chance_seed();
	c->state = chance_bits(c) ^ a;
	c->state = chance_bits(c) ^ b;
}

uint32_t chance_below(struct chance *c, uint32_t n)
{
	return (chance_bits(c) >> 32) * n >> 32;
}
