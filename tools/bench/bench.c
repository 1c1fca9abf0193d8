// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench WWN LUN DEPTH BYTES COUNT [read|write]
 *
 * A guest with one request queue (EVENT_IDX, INDIRECT, VERSION_1) keeps DEPTH
 * commands of BYTES at random places under way until COUNT are done, blocking
 * on the call eventfd, and prints nanoseconds a command. Where virtual time
 * counts instructions, these are instructions a command, its own included.
 *
 * Built against tests/lib/libvsg.a; run it in tools/vm/run --icount --append
 * mitigations=off.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../tests/lib/vsg.h"

#define WARM_UP	2000
#define BLOCK	512
#define TARGET	1
#define WAIT_MS	60000

struct bench {
	struct vsg_ring *r;
	uint16_t lun;
	uint32_t bytes;
	uint64_t places;
	bool write;
	uint64_t seed;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

static void submit(struct bench *b, struct vsg_req *req)
{
	uint64_t lba;

	b->seed = b->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	lba = (b->seed >> 33) % b->places * (b->bytes / BLOCK);
	vsg_cmd_rw(req, TARGET, b->lun, b->write, lba, b->bytes / BLOCK, BLOCK);
	if (vsg_submit(b->r, req))
		die("no room in the ring");
}

/* Requests by head: the token is the first member. */
static void run(struct bench *b, struct vsg_req **reqs, unsigned int depth,
		unsigned long count)
{
	unsigned long given = 0, done = 0;
	struct vsg_token *tok;

	for (; given < depth && given < count; given++)
		submit(b, reqs[given]);
	vsg_ring_kick(b->r);

	while (done < count) {
		unsigned int batch = 0;

		while ((tok = vsg_ring_poll(b->r))) {
			struct vsg_req *req = (struct vsg_req *)tok;

			if (!vsg_good(req))
				die("a command failed");
			done++;
			if (given < count) {
				submit(b, req);
				given++;
				batch++;
			}
		}
		if (batch)
			vsg_ring_kick(b->r);
		if (done < count && vsg_ring_wait(b->r, WAIT_MS))
			die("a command was not answered");
	}
}

int main(int argc, char **argv)
{
	struct vsg_opts opts = { .ring_size = 128, .mem_size = 256 << 20 };
	struct vsg_dev *dev;
	struct vsg_req **reqs;
	struct bench b = { .seed = 1 };
	unsigned long count;
	unsigned int depth, i;
	double start;

	if (argc < 6 || argc > 7) {
		fprintf(stderr, "usage: bench WWN LUN DEPTH BYTES COUNT [read|write]\n");
		return 2;
	}
	b.lun = atoi(argv[2]);
	depth = atoi(argv[3]);
	b.bytes = atoi(argv[4]);
	count = strtoul(argv[5], NULL, 0);
	b.write = argc == 7 && !strcmp(argv[6], "write");
	/* The smallest disk that is measured has 32 MiB. */
	b.places = (32 << 20) / b.bytes;

	if (vsg_open(&dev, &opts) || vsg_start(dev, argv[1]))
		die("the device does not start");
	b.r = vsg_io(dev, 0);
	reqs = calloc(depth, sizeof(*reqs));
	for (i = 0; i < depth; i++) {
		reqs[i] = vsg_req_alloc(dev, b.write ? b.bytes : 0,
					b.write ? 0 : b.bytes, 0);
		if (!reqs[i])
			die("out of guest memory");
		memset(b.write ? reqs[i]->data_out : reqs[i]->data_in, 1,
		       b.bytes);
	}
	/* A new nexus' first command is told of its power on. */
	vsg_cmd_rw(reqs[0], TARGET, b.lun, false, 0, 0, BLOCK);
	vsg_exec(b.r, reqs[0], WAIT_MS);

	run(&b, reqs, depth, WARM_UP);
	start = now();
	run(&b, reqs, depth, count);
	printf("%.0f\n", (now() - start) / count);
	vsg_stop(dev);
	vsg_close(dev);
	return 0;
}
