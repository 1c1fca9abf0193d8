// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints how many thousand times a second the time-stamp counter counts.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* The counter and the time at one moment: what took shortest was not interrupted. */
static void sample(uint64_t *tsc, uint64_t *ns)
{
	uint64_t best = UINT64_MAX;
	int i;

	for (i = 0; i < 100; i++) {
		uint64_t begin = __rdtsc();
		uint64_t time = now();
		uint64_t end = __rdtsc();

		if (end - begin < best) {
			best = end - begin;
			*tsc = begin + best / 2;
			*ns = time;
		}
	}
}

int main(void)
{
	const struct timespec a_while = { .tv_nsec = 100000000 };
	uint64_t tsc[2], ns[2];

	sample(&tsc[0], &ns[0]);
	nanosleep(&a_while, NULL);
	sample(&tsc[1], &ns[1]);
	printf("%.0f\n", (tsc[1] - tsc[0]) * 1e6 / (ns[1] - ns[0]));
	return 0;
}
