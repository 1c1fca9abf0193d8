// SPDX-License-Identifier: GPL-2.0-only
/*
 * Verified load on a disk in a guest, until it is told to stop: each of some threads writes
 * blocks of its own, of 4096 bytes, that say how often they were written. In the end, and
 * with "read" also meanwhile, it reads blocks, and each has to be as it was written last.
 *
 *	load DEVICE THREADS MIB [read]
 *
 * It stops when /tmp/stop is there. /tmp/load.N is how often thread N has written.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096
#define WORDS (BLOCK / 8)

static int disk;
static bool reads;
static unsigned int nr_threads;
static size_t blocks_each;

struct thread {
	pthread_t id;
	unsigned int nr;
	uint64_t *written;
	uint64_t *buf;
	uint64_t writes, looks, wrong;
};

/* Each word says which block of the disk it is of, and of which write. */
static uint64_t word(uint64_t block, uint64_t time, unsigned int i)
{
	return (block << 40 | time << 10 | i) * 0x9e3779b97f4a7c15ull;
}

static void fail(struct thread *t, const char *what, uint64_t block)
{
	printf("%s block %llu: %s\n", what, (unsigned long long)block,
	       errno ? strerror(errno) : "not what was written");
	t->wrong++;
}

static void put(struct thread *t, size_t at)
{
	uint64_t block = t->nr * blocks_each + at;
	unsigned int i;

	t->written[at] = ++t->writes;
	for (i = 0; i < WORDS; i++)
		t->buf[i] = word(block, t->writes, i);
	errno = 0;
	if (pwrite(disk, t->buf, BLOCK, block * BLOCK) != BLOCK)
		fail(t, "write of", block);
}

static void look(struct thread *t, size_t at)
{
	uint64_t block = t->nr * blocks_each + at;
	unsigned int i;

	if (!t->written[at])
		return;
	memset(t->buf, 0, BLOCK);
	errno = 0;
	if (pread(disk, t->buf, BLOCK, block * BLOCK) != BLOCK) {
		fail(t, "read of", block);
		return;
	}
	t->looks++;
	for (i = 0; i < WORDS; i++) {
		if (t->buf[i] != word(block, t->written[at], i)) {
			fail(t, "read of", block);
			return;
		}
	}
}

static void say(const struct thread *t)
{
	char name[64];
	FILE *f;

	snprintf(name, sizeof(name), "/tmp/load.%u", t->nr);
	f = fopen(name, "w");
	if (f) {
		fprintf(f, "%llu\n", (unsigned long long)t->writes);
		fclose(f);
	}
}

static void *run(void *arg)
{
	struct thread *t = arg;
	unsigned int seed = t->nr + 1;
	size_t at;

	while (access("/tmp/stop", F_OK) && t->wrong < 10) {
		put(t, rand_r(&seed) % blocks_each);
		if (reads)
			look(t, rand_r(&seed) % blocks_each);
		if (t->writes % 16 == 0)
			say(t);
	}
	for (at = 0; at < blocks_each && t->wrong < 10; at++)
		look(t, at);
	say(t);
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t writes = 0, looks = 0, wrong = 0;
	struct thread *threads;
	unsigned int i;

	if (argc < 4) {
		fprintf(stderr, "load DEVICE THREADS MIB [read]\n");
		return 2;
	}
	nr_threads = atoi(argv[2]);
	blocks_each = (size_t)atoi(argv[3]) * (1 << 20) / BLOCK / nr_threads;
	reads = argc > 4;
	disk = open(argv[1], O_RDWR | O_DIRECT);
	threads = calloc(nr_threads, sizeof(*threads));
	if (disk < 0 || !threads) {
		perror(argv[1]);
		return 1;
	}
	for (i = 0; i < nr_threads; i++) {
		struct thread *t = &threads[i];

		t->nr = i;
		t->written = calloc(blocks_each, sizeof(*t->written));
		if (!t->written || posix_memalign((void **)&t->buf, BLOCK, BLOCK) ||
		    pthread_create(&t->id, NULL, run, t)) {
			perror("thread");
			return 1;
		}
	}
	for (i = 0; i < nr_threads; i++) {
		pthread_join(threads[i].id, NULL);
		writes += threads[i].writes;
		looks += threads[i].looks;
		wrong += threads[i].wrong;
	}
	printf("%llu writes, %llu reads, %llu wrong\n", (unsigned long long)writes,
	       (unsigned long long)looks, (unsigned long long)wrong);
	return wrong || !looks;
}
