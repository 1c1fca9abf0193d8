// SPDX-License-Identifier: GPL-2.0-only
/* Proves: a "user" backstore, which may be any device, gets its commands in order. */

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* The C library has a struct of this name, too. */
#define iovec uapi_iovec
#include <linux/target_core_user.h>
#undef iovec

#include "files.h"
#include "support.h"

#define T 1
#define UIO "/sys/class/uio"

enum {
	COMMANDS = 120,
	LARGE = 192,	/* blocks: more than what small commands pass */
};

int suite_setup(void)
{
	int ret = lio_suite("tpg " WWN_A " 1");

	if (!ret && lio("user user 16"))
		return SUITE_SKIP("no backstores in user space on this machine");
	return ret ? ret : lio("lun " WWN_A " 1 0 user");
}

void suite_teardown(void)
{
	lio_suite_end();
}

/**
 * struct device - who plays the device
 * @fd: what LIO rings
 * @mb: the commands
 * @size: of @mb
 * @thread: answers GOOD to all of them
 * @stop: it is to end
 * @lba: of each READ
 * @nr: how many these are
 */
struct device {
	int fd;
	struct tcmu_mailbox *mb;
	size_t size;
	pthread_t thread;
	bool stop;
	uint32_t lba[COMMANDS];
	unsigned int nr;
};

static void carry_out(struct device *d, struct tcmu_cmd_entry *e)
{
	const uint8_t *cdb = (uint8_t *)d->mb + e->req.cdb_off;

	if (cdb[0] == 0x28 && d->nr < COMMANDS)
		d->lba[d->nr++] = vsg_get_be(cdb + 2, 4);
	memset(&e->rsp, 0, sizeof(e->rsp));
}

static void *device_thread(void *priv)
{
	struct pollfd ring = { .events = POLLIN };
	struct device *d = priv;
	struct tcmu_cmd_entry *e;
	uint32_t tail, n;

	ring.fd = d->fd;
	while (!__atomic_load_n(&d->stop, __ATOMIC_ACQUIRE)) {
		if (poll(&ring, 1, 20) == 1 &&
		    read(d->fd, &n, sizeof(n)) != sizeof(n))
			break;
		tail = d->mb->cmd_tail;
		while (tail != __atomic_load_n(&d->mb->cmd_head,
					       __ATOMIC_ACQUIRE)) {
			e = (void *)((char *)d->mb + d->mb->cmdr_off + tail);
			if (tcmu_hdr_get_op(e->hdr.len_op) == TCMU_OP_CMD)
				carry_out(d, e);
			tail = (tail + tcmu_hdr_get_len(e->hdr.len_op)) %
			       d->mb->cmdr_size;
			__atomic_store_n(&d->mb->cmd_tail, tail,
					 __ATOMIC_RELEASE);
		}
		n = 0;
		if (write(d->fd, &n, sizeof(n)) < 0)
			break;
	}
	return NULL;
}

/* Finds the file by which LIO rings, such as /dev/uio0. */
static int device_open(struct device *d)
{
	char path[256], text[256];
	unsigned int i, nr;
	glob_t g;
	int fd = -1;

	if (glob(UIO "/uio*", 0, NULL, &g))
		return -1;
	for (i = 0; i < g.gl_pathc && fd < 0; i++) {
		snprintf(path, sizeof(path), "%s/name", g.gl_pathv[i]);
		if (read_file(path, text, sizeof(text)) ||
		    !strstr(text, "tcm-user/" LIO_HBA "/user/") ||
		    sscanf(g.gl_pathv[i], UIO "/uio%u", &nr) != 1)
			continue;
		snprintf(path, sizeof(path), "%s/maps/map0/size", g.gl_pathv[i]);
		if (!read_file(path, text, sizeof(text)))
			d->size = strtoul(text, NULL, 0);
		snprintf(path, sizeof(path), "/dev/uio%u", nr);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	globfree(&g);
	return fd;
}

static void device_begin(struct device *d)
{
	d->fd = device_open(d);
	if (d->fd < 0)
		SKIP("no uio device");
	d->mb = mmap(NULL, d->size, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, 0);
	ASSERT_TRUE(d->mb != MAP_FAILED);
	ASSERT_EQ(0, pthread_create(&d->thread, NULL, device_thread, d));
}

static void device_end(struct device *d)
{
	__atomic_store_n(&d->stop, true, __ATOMIC_RELEASE);
	pthread_join(d->thread, NULL);
	munmap(d->mb, d->size);
	close(d->fd);
}

/* Large and small ones, with the attribute SIMPLE. */
TEST(order)
{
	struct vsg_opts opts = { .nr_io = 1, .ring_size = 128,
				 .mem_size = 64UL << 20 };
	struct vsg_req *req[COMMANDS];
	struct device d = {};
	unsigned int i, wrong = 0;
	struct vsg_dev *dev;
	struct vsg_ring *r;

	device_begin(&d);
	dev = guest(WWN_A, &opts);
	r = vsg_io(dev, 0);
	ready(r, T, 0);
	for (i = 0; i < COMMANDS; i++) {
		unsigned int blocks = i % 3 ? 1 : LARGE;

		req[i] = request(dev, 0, blocks * BLOCK);
		vsg_cmd_rw(req[i], T, 0, false, i, blocks, BLOCK);
		ASSERT_EQ(0, vsg_submit(r, req[i]));
	}
	vsg_ring_kick(r);
	ASSERT_EQ(0, vsg_ring_drain(r, WAIT_MS));
	for (i = 0; i < COMMANDS; i++)
		EXPECT_TRUE(vsg_good(req[i]));
	guest_end(dev);
	device_end(&d);

	EXPECT_EQ(COMMANDS, d.nr);
	for (i = 1; i < d.nr; i++)
		wrong += d.lba[i] < d.lba[i - 1];
	EXPECT_EQ(0, wrong);
}
