/* SPDX-License-Identifier: GPL-2.0-only */
/* Random ioctls of /dev/vhost-scsi, and the results that are documented. */
#ifndef IOCTL_CALLS_H
#define IOCTL_CALLS_H

#include <stddef.h>

#include "../lib/vsg_uapi.h"
#include "chance.h"

#define CALLS_EVENTFDS	4
#define CALLS_RINGS	4	/* rings that have a place in the arena */
#define CALLS_RING_MAX	128	/* entries for which there is room */

/**
 * struct calls_env - what arguments are made of
 * @arena: guest memory, with the rings; may be mapped or not
 * @size: its bytes
 * @scratch: two pages, of which only the first is mapped; one for each thread
 * @eventfd: some
 * @other_fd: a file that is no eventfd
 * @dev_fd: a device
 * @nvqs: queues that a device has
 * @wwn: a port
 */
struct calls_env {
	uint8_t *arena;
	size_t size;
	uint8_t *scratch;
	int eventfd[CALLS_EVENTFDS];
	int other_fd;
	int dev_fd;
	unsigned int nvqs;
	const char *wwn;
};

/**
 * struct call - an ioctl
 * @doc: what is documented of it
 * @cmd: its number
 * @arg: its argument
 * @wrong: it must not succeed
 * @size: bytes of @buf in use
 * @buf: the argument's content
 */
struct call {
	const struct call_doc *doc;
	unsigned long cmd;
	void *arg;
	bool wrong;
	size_t size;
	union {
		uint64_t aligned;
		uint8_t buf[2048];
	};
};

/* Who calls. */
enum caller {
	CALLER_OWNER,		/* the owner, and nobody else can become it */
	CALLER_STRANGER,	/* another process, likewise */
	CALLER_ANYBODY,		/* owners change */
};

/* Makes up a call. */
void call_make(struct call *call, struct chance *c,
	       const struct calls_env *env);

/* Makes a call with an argument that is given; nothing is wrong with it. */
void call_fill(struct call *call, unsigned long cmd, const void *arg,
	       size_t size);

/**
 * call_copy() - copy memory that may not be there
 * @to: where
 * @from: from where
 * @size: bytes, at most CALL_COPY_MAX
 *
 * The kernel copies, by way of a file, and no signal comes. Needs call_copy_init(),
 * once and before there are threads, which returns 0 or a negative errno.
 *
 * Return: all was copied.
 */
bool call_copy(void *to, const void *from, size_t size);
int call_copy_init(void);

#define CALL_COPY_MAX	4096

/**
 * call_ring() - the argument of VHOST_SET_VRING_ADDR for a ring in the arena
 * @env: where
 * @index: queue
 * @addr: filled
 */
void call_ring(const struct calls_env *env, unsigned int index,
	       struct vhost_vring_addr *addr);

/* Is this result documented? */
bool call_allowed(const struct call *call, enum caller caller, int err);

const char *call_name(const struct call *call);

#endif /* IOCTL_CALLS_H */
