// SPDX-License-Identifier: GPL-2.0-only
/*
 * player WWN QUEUES [ANYTHING...]: a guest that does what the lines of its standard
 * input say, for tests that are scripts. What follows is for those who look at its
 * command line, such as -name of QEMU.
 *
 * read|write QUEUE TARGET LUN BLOCKS COUNT	READ(10) or WRITE(10) of blocks of 512 bytes,
 *					one after the other; each must succeed
 * ready QUEUE TARGET LUN COUNT		TEST UNIT READY, whatever its answer is
 * begin QUEUE TARGET LUN BLOCKS [ordered]	a READ that is not waited for
 * abort NUMBER				ABORT TASK for the begun command of that number, not
 *					waited for
 * wait					for all that was begun; says how many answers
 *
 * Each line is answered by "ok" and a number, or by "error" and an errno. The number
 * of begin is the tag.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/vsg.h"

#define BLOCK		512
#define MAX_BLOCKS	128
#define MAX_BEGUN	100
#define FOREVER		(-1)	/* the script has a limit */

static struct vsg_dev *dev;
static unsigned int queues;
static struct vsg_req *begun[MAX_BEGUN];
static unsigned int nr_begun;
static struct vsg_ctl *aborts[MAX_BEGUN];
static unsigned int nr_aborts;

static struct vsg_req *new_req(void)
{
	return vsg_req_alloc(dev, MAX_BLOCKS * BLOCK, MAX_BLOCKS * BLOCK, 0);
}

/* Commands of one kind, each after the answer to the one before. */
static long repeat(const char *what, unsigned int q, unsigned int target, unsigned int lun,
		   unsigned int blocks, unsigned long count)
{
	static struct vsg_req *req;
	unsigned long i;
	int ret;

	if (!req)
		req = new_req();
	if (!req)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		if (!strcmp(what, "ready"))
			vsg_cmd_tur(req, target, lun);
		else
			vsg_cmd_rw(req, target, lun, !strcmp(what, "write"), i % 64 * MAX_BLOCKS,
				   blocks, BLOCK);
		ret = vsg_exec(vsg_io(dev, q), req, FOREVER);
		if (ret)
			return ret;
		if (strcmp(what, "ready") && !vsg_good(req))
			return -EIO;
	}
	return count;
}

static long begin(unsigned int q, unsigned int target, unsigned int lun, unsigned int blocks,
		  bool ordered)
{
	struct vsg_req *req;
	int ret;

	if (nr_begun == MAX_BEGUN)
		return -ENOSPC;
	req = new_req();
	if (!req)
		return -ENOMEM;
	vsg_cmd_rw(req, target, lun, false, 0, blocks, BLOCK);
	if (ordered)
		req->hdr->task_attr = VIRTIO_SCSI_S_ORDERED;
	ret = vsg_submit(vsg_io(dev, q), req);
	if (ret)
		return ret;
	vsg_ring_kick(vsg_io(dev, q));
	begun[nr_begun++] = req;
	return (long)(uintptr_t)req;
}

/* The request's target and LUN are in the bytes 1, 2 and 3 of its LUN field. */
static long abort_begun(unsigned int number)
{
	struct vsg_req *req;
	struct vsg_ctl *ctl;

	if (number >= nr_begun || nr_aborts == MAX_BEGUN)
		return -EINVAL;
	ctl = vsg_ctl_alloc(dev);
	if (!ctl)
		return -ENOMEM;
	req = begun[number];
	aborts[nr_aborts++] = ctl;
	return vsg_tmf_submit(ctl, VIRTIO_SCSI_T_TMF_ABORT_TASK, req->hdr->lun[1],
			      (req->hdr->lun[2] & 0x3f) << 8 | req->hdr->lun[3],
			      (uintptr_t)req);
}

static long wait_all(void)
{
	unsigned int i;
	long n = 0;
	int ret;

	for (i = 0; i < nr_begun; i++, n++) {
		ret = vsg_token_wait(&begun[i]->tok, FOREVER);
		if (ret)
			return ret;
		vsg_req_free(begun[i]);
	}
	for (i = 0; i < nr_aborts; i++, n++) {
		ret = vsg_token_wait(&aborts[i]->tok, FOREVER);
		if (ret)
			return ret;
		vsg_ctl_free(aborts[i]);
	}
	nr_begun = 0;
	nr_aborts = 0;
	return n;
}

static long obey(const char *line)
{
	unsigned int q, target, lun, blocks;
	char what[16], attr[16];
	unsigned long count;
	int n;

	n = sscanf(line, "%15s %u %u %u %u %15s", what, &q, &target, &lun, &blocks, attr);
	if (n < 1)
		return -EINVAL;
	if (!strcmp(what, "wait"))
		return wait_all();
	if (!strcmp(what, "abort"))
		return n == 2 ? abort_begun(q) : -EINVAL;
	if (n < 5 || q >= queues || target > 255 || lun > 16383)
		return -EINVAL;
	if (!strcmp(what, "ready"))
		return repeat(what, q, target, lun, 0, blocks);
	if (!blocks || blocks > MAX_BLOCKS)
		return -EINVAL;
	if (!strcmp(what, "begin"))
		return begin(q, target, lun, blocks, n == 6 && !strcmp(attr, "ordered"));
	if (n != 6 || (strcmp(what, "read") && strcmp(what, "write")))
		return -EINVAL;
	count = strtoul(attr, NULL, 10);
	return repeat(what, q, target, lun, blocks, count);
}

int main(int argc, char **argv)
{
	struct vsg_opts opts = { .mem_size = 64 << 20, .kernel_threads = true };
	char line[256];
	long ret;

	if (argc < 3) {
		fprintf(stderr, "usage: player WWN QUEUES\n");
		return 2;
	}
	queues = strtoul(argv[2], NULL, 10);
	opts.nr_io = queues;
	ret = vsg_open(&dev, &opts);
	if (!ret)
		ret = vsg_start(dev, argv[1]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (ret) {
		printf("error %ld\n", -ret);
		return 1;
	}
	printf("ok started\n");
	while (fgets(line, sizeof(line), stdin)) {
		ret = obey(line);
		if (ret < 0 && ret > -4096)
			printf("error %ld\n", -ret);
		else
			printf("ok %#lx\n", (unsigned long)ret);
	}
	vsg_close(dev);
	return 0;
}
