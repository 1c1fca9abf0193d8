// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"
#include "klog.h"

#define SHOWN 20

void klog_open(struct klog *log)
{
	memset(log, 0, sizeof(*log));
	log->fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, log->fd);
	ASSERT_LE(0, lseek(log->fd, 0, SEEK_END));
}

static bool is_known(const char *text, struct klog_known *known)
{
	for (; known && *known->text; known++)
		if (strstr(text, known->text)) {
			known->count++;
			return true;
		}
	return false;
}

/* A record: priority and facility, number, time, flags; text. */
static void record(struct klog *log, char *line, struct klog_known *known)
{
	char *text = strchr(line, ';');

	/* What programs write there is of another facility. */
	if (!text || strtoul(line, NULL, 10) >> 3)
		return;
	text++;
	text[strcspn(text, "\n")] = 0;
	if (is_known(text, known))
		return;
	if (log->lines++ < SHOWN)
		printf("# kernel log: %s\n", text);
}

void klog_read(struct klog *log, struct klog_known *known)
{
	char line[8192];
	ssize_t n;

	for (;;) {
		n = read(log->fd, line, sizeof(line) - 1);
		if (n > 0) {
			line[n] = 0;
			record(log, line, known);
		} else if (n < 0 && errno == EPIPE) {
			log->lost++;
		} else {
			return;
		}
	}
}

void klog_close(struct klog *log)
{
	close(log->fd);
}
