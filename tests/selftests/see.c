// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "files.h"
#include "see.h"
#include "support.h"

long see_device(pid_t pid, const char *wwpn)
{
	char path[512], text[256];
	long found = -1;
	struct dirent *e;
	DIR *d;

	d = opendir(SEE_DEVICES);
	if (!d)
		return -1;
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), SEE_DEVICES "/%s/pid", e->d_name);
		if (read_file(path, text, sizeof(text)) || atol(text) != pid)
			continue;
		snprintf(path, sizeof(path), SEE_DEVICES "/%s/wwpn", e->d_name);
		if (!read_file(path, text, sizeof(text)) && !strcmp(text, wwpn))
			found = atol(e->d_name);
	}
	closedir(d);
	return found;
}

static int numbers(long device, uint64_t *nr, int max, const char *fmt,
		   va_list args)
{
	char path[512], text[4096], *at = text, *end;
	int len, n = 0;

	len = snprintf(path, sizeof(path), SEE_DEVICES "/%ld/", device);
	vsnprintf(path + len, sizeof(path) - len, fmt, args);
	len = read_file(path, text, sizeof(text));
	if (len)
		return len;
	for (;; at = end, n++) {
		uint64_t v = strtoull(at, &end, 10);

		if (end == at)
			return n;
		if (n < max)
			nr[n] = v;
	}
}

int see_numbers(long device, uint64_t *nr, int max, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = numbers(device, nr, max, fmt, args);
	va_end(args);
	return n;
}

uint64_t see_number(long device, int column, const char *fmt, ...)
{
	uint64_t nr[32];
	va_list args;
	int n;

	va_start(args, fmt);
	n = numbers(device, nr, ARRAY_SIZE(nr), fmt, args);
	va_end(args);
	return n > column ? nr[column] : UINT64_MAX;
}

static int queue_sums(const struct vsg_ring *r, long nr)
{
	uint64_t stat[SEE_STATS];

	if (see_numbers(nr, stat, SEE_STATS, "queues/%u/stat", r->index) != SEE_STATS)
		return 0;
	/* A chain is counted before its guest is told of it. */
	if (!stat[SEE_IN_FLIGHT] &&
	    stat[SEE_TAKEN] - stat[SEE_DROPPED] ==
	    see_number(nr, SEE_CHAINS, "queues/%u/ring", r->index))
		return 0;
	printf("# queue %u: %ju taken, %ju dropped, %ju in flight, %ju chains\n", r->index,
	       stat[SEE_TAKEN], stat[SEE_DROPPED], stat[SEE_IN_FLIGHT],
	       see_number(nr, SEE_CHAINS, "queues/%u/ring", r->index));
	return -EINVAL;
}

int see_sums(const struct vsg_dev *dev)
{
	long nr = see_device(getpid(), dev->wwpn);
	unsigned int i;
	int ret = 0;

	for (i = VSG_IO; nr >= 0 && !ret && i < dev->nr_rings; i++)
		if (!dev->ring[i].outstanding)
			ret = queue_sums(&dev->ring[i], nr);
	return ret;
}

bool see_settle(long device, int column, uint64_t want, int timeout_ms,
		const char *fmt, ...)
{
	int64_t end = vsg_now_ms() + timeout_ms;
	uint64_t nr[32];
	va_list args;
	int n;

	do {
		va_start(args, fmt);
		n = numbers(device, nr, ARRAY_SIZE(nr), fmt, args);
		va_end(args);
		if (n > column && nr[column] == want)
			return true;
		usleep(1000);
	} while (vsg_now_ms() < end);
	return false;
}

int see_debug(long device, const char *file, char *buf, size_t size)
{
	size_t len = 0;
	char path[512];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), SEE_DEBUG "/%ld/%s", device, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += n;
	close(fd);
	buf[len] = 0;
	return len;
}

bool see_inflight(long device, uint64_t tag, const char *stage, const char *holder,
		  char *line, size_t size, int timeout_ms)
{
	static char text[1 << 16];
	int64_t end = vsg_now_ms() + timeout_ms;
	char *at, *save, s[16], h[16];
	unsigned long long t;

	do {
		if (see_debug(device, "inflight", text, sizeof(text)) < 0)
			return false;
		for (at = strtok_r(text, "\n", &save); at;
		     at = strtok_r(NULL, "\n", &save)) {
			if (sscanf(at, "%*u %*u %llx %*u %*u %*c %*u %*c %15s %15s",
				   &t, s, h) != 3 || t != tag ||
			    strcmp(s, stage) || strcmp(h, holder))
				continue;
			if (line)
				snprintf(line, size, "%s", at);
			return true;
		}
		usleep(1000);
	} while (vsg_now_ms() < end);
	if (see_debug(device, "inflight", text, sizeof(text)) >= 0)
		fprintf(stderr, "# no %s %s of %#llx in\n%s", stage, holder,
			(unsigned long long)tag, text);
	return false;
}

int see_measure(bool on)
{
	return write_file(SEE_DEBUG "/latency", on ? "1" : "0");
}

bool see_have_debug(void)
{
	if (!exists(SEE_DEBUG))
		mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
	return exists(SEE_DEBUG);
}
