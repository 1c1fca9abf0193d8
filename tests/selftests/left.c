// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "files.h"
#include "left.h"
#include "support.h"

#define MM_CACHE "/sys/kernel/slab/mm_struct"

/* The kernel gives a new eventfd the lowest number that is free. */
static long eventfd_number(void)
{
	char path[64];
	long number;
	int fd = eventfd(0, EFD_CLOEXEC);

	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	number = stat_value(path, "eventfd-id");
	close(fd);
	return number;
}

/* Exact once what the processors keep for later is given back. */
static long mm_count(void)
{
	char buf[64];

	if (write_file(MM_CACHE "/shrink", "1") ||
	    read_file(MM_CACHE "/objects", buf, sizeof(buf)))
		return -1;
	return strtol(buf, NULL, 10);
}

void left_note(struct left *left)
{
	left->pins = pins();
	left->threads = thread_count("vhost-");
	left->eventfd = eventfd_number();
	left->mms = mm_count();
}

static bool is_more(const struct left *now, const struct left *before)
{
	return now->pins != before->pins || now->threads > before->threads ||
	       now->eventfd > before->eventfd || now->mms > before->mms;
}

void left_check(const struct left *before)
{
	int64_t end = vsg_now_ms() + WAIT_MS;
	struct left now;

	for (;;) {
		left_note(&now);
		if (!is_more(&now, before) || vsg_now_ms() > end)
			break;
		usleep(20000);
	}
	EXPECT_EQ(before->pins, now.pins);
	EXPECT_GE(before->threads, now.threads);
	EXPECT_GE(before->eventfd, now.eventfd);
	EXPECT_GE(before->mms, now.mms);
}

long long left_charged(void)
{
	return stat_value("/proc/self/status", "VmLck") +
	       stat_value("/proc/self/status", "VmPin");
}
