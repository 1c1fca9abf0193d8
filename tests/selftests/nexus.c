// SPDX-License-Identifier: GPL-2.0-only
/*
 * nexus WWN LUN COMMAND...: a guest for scripts. It is bound to the port for a moment, runs
 * commands at a LUN of target 1, and prints a line for each.
 *
 * register=KEY[,aptpl]		PERSISTENT RESERVE OUT, REGISTER AND IGNORE
 * reserve=TYPE,KEY
 * preempt=TYPE,KEY,VICTIM	PREEMPT AND ABORT
 * clear=KEY
 * keys				READ KEYS
 * reservation			READ RESERVATION
 * read				a block
 * write
 *
 * A line is the command's name and GOOD, CONFLICT, or STATUS/SENSE KEY/ASC; and what was
 * read: keys, or the holder's key and the type. Numbers are hexadecimal.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/vsg.h"

#define TARGET		1
#define BLOCK_LEN	512
#define BUFFER_LEN	4096
#define WAIT_MS		60000

static struct vsg_dev *dev;
static struct vsg_req *req;
static uint16_t lun;

static void die(const char *what, int err)
{
	fprintf(stderr, "nexus: %s: %s\n", what, strerror(-err));
	exit(2);
}

static void out(uint8_t action, uint8_t type, uint64_t key, uint64_t action_key)
{
	vsg_cmd_pr_out(req, TARGET, lun, action, type, key, action_key);
}

/* Return: false: there is no such command. */
static bool make(const char *name, char *arg)
{
	uint64_t n[3] = { 0 };
	bool aptpl = false;
	unsigned int i;
	char *word;

	for (i = 0; arg && i < 3 && (word = strsep(&arg, ",")); i++) {
		if (!strcmp(word, "aptpl"))
			aptpl = true;
		else
			n[i] = strtoull(word, NULL, 16);
	}
	if (!strcmp(name, "register")) {
		out(VSG_PROUT_REGISTER_AND_IGNORE, 0, 0, n[0]);
		req->data_out[20] = aptpl;
	} else if (!strcmp(name, "reserve")) {
		out(VSG_PROUT_RESERVE, n[0], n[1], 0);
	} else if (!strcmp(name, "preempt")) {
		out(VSG_PROUT_PREEMPT_AND_ABORT, n[0], n[1], n[2]);
	} else if (!strcmp(name, "clear")) {
		out(VSG_PROUT_CLEAR, 0, n[0], 0);
	} else if (!strcmp(name, "keys")) {
		vsg_cmd_pr_in(req, TARGET, lun, VSG_PRIN_READ_KEYS, 1024);
	} else if (!strcmp(name, "reservation")) {
		vsg_cmd_pr_in(req, TARGET, lun, VSG_PRIN_READ_RESERVATION, 64);
	} else if (!strcmp(name, "read") || !strcmp(name, "write")) {
		vsg_cmd_rw(req, TARGET, lun, name[0] == 'w', 0, 1, BLOCK_LEN);
	} else {
		return false;
	}
	return true;
}

static void print_status(void)
{
	struct vsg_result res = vsg_result(req);

	if (res.response != VIRTIO_SCSI_S_OK)
		printf(" response %x", res.response);
	else if (res.status == VSG_GOOD)
		printf(" GOOD");
	else if (res.status == VSG_RESERVATION_CONFLICT)
		printf(" CONFLICT");
	else
		printf(" %x/%x/%04x", res.status, res.key, res.asc);
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, 8);
}

static void print_data(const char *name)
{
	uint64_t i, len = vsg_get_be(req->data_in + 4, 4);

	if (!vsg_good(req))
		return;
	if (!strcmp(name, "keys")) {
		if (len > BUFFER_LEN - 16)
			len = BUFFER_LEN - 16;
		/* Their order says nothing. */
		qsort(req->data_in + 8, len / 8, 8, by_bytes);
		for (i = 0; i + 8 <= len; i += 8)
			printf(" %llx", (unsigned long long)
			       vsg_get_be(req->data_in + 8 + i, 8));
	} else if (!strcmp(name, "reservation") && len) {
		printf(" %llx type %x", (unsigned long long)
		       vsg_get_be(req->data_in + 8, 8),
		       req->data_in[21] & 0x0f);
	}
}

int main(int argc, char **argv)
{
	struct vsg_opts opts = { .nr_io = 1 };
	int i, err;

	if (argc < 4) {
		fprintf(stderr, "usage: nexus WWN LUN COMMAND...\n");
		return 2;
	}
	lun = strtoul(argv[2], NULL, 0);
	err = vsg_open(&dev, &opts);
	if (err)
		die(VSG_DEV_PATH, err);
	err = vsg_start(dev, argv[1]);
	if (err)
		die(argv[1], err);
	req = vsg_req_alloc(dev, BUFFER_LEN, BUFFER_LEN, 0);
	if (!req)
		die("no memory", -ENOMEM);
	err = vsg_clear_ua(vsg_io(dev, 0), req, TARGET, lun, WAIT_MS);
	if (err)
		die("the LUN is not ready", err);
	for (i = 3; i < argc; i++) {
		char *arg = argv[i], *name = strsep(&arg, "=");

		if (!make(name, arg)) {
			fprintf(stderr, "nexus: no command %s\n", name);
			return 2;
		}
		err = vsg_exec(vsg_io(dev, 0), req, WAIT_MS);
		if (err)
			die(name, err);
		printf("%s", name);
		print_status();
		print_data(name);
		printf("\n");
	}
	vsg_close(dev);
	return 0;
}
