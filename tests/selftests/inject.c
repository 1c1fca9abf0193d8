// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "files.h"
#include "inject.h"
#include "util.h"

static const char * const knobs[] = {
	"failslab", "fail_page_alloc", "fail_usercopy",
};

int inject_set(const char *value, const char *fmt, ...)
{
	char path[256] = INJECT_ROOT "/";
	size_t n = strlen(path);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - n, fmt, ap);
	va_end(ap);
	return write_file(path, value);
}

static void mark(const char *text)
{
	write_file("/dev/kmsg", text);
}

int inject_init(void)
{
	unsigned int i;

	if (!exists(INJECT_ROOT "/failslab"))
		mount("none", INJECT_ROOT, "debugfs", 0, NULL);
	if (!exists("/proc/thread-self/fail-nth"))
		return -ENOENT;
	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		if (inject_set("0", "%s/probability", knobs[i]) ||
		    inject_set("0", "%s/verbose", knobs[i]) ||
		    inject_set("1", "%s/interval", knobs[i]) ||
		    inject_set("0", "%s/space", knobs[i]) ||
		    inject_set("-1", "%s/times", knobs[i]) ||
		    inject_set("Y", "%s/task-filter", knobs[i]))
			return -ENOENT;
	}
	if (inject_set("N", "failslab/ignore-gfp-wait") ||
	    inject_set("N", "fail_page_alloc/ignore-gfp-wait") ||
	    inject_set("N", "fail_page_alloc/ignore-gfp-highmem") ||
	    inject_set("0", "fail_page_alloc/min-order"))
		return -ENOENT;
	mark("faults are injected from here on\n");
	return 0;
}

void inject_end(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(knobs); i++)
		inject_chance(knobs[i], 0);
	mark("no more faults are injected\n");
}

void nth_task(struct nth *nth, pid_t tid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fail-nth", tid, tid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && nth->nr < ARRAY_SIZE(nth->fd))
		nth->fd[nth->nr++] = fd;
	else if (fd >= 0)
		close(fd);
}

void nth_self(struct nth *nth)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);

	nth->nr = 0;
	if (fd >= 0)
		nth->fd[nth->nr++] = fd;
}

typedef bool (*task_fn)(pid_t tid, const char *comm, void *priv);

/* Calls @fn for those in @dir whose names begin so, until it returns false. */
static bool visit_dir(const char *dir, const char *comm, task_fn fn, void *priv)
{
	char path[64], name[64];
	struct dirent *e;
	DIR *d = opendir(dir);
	bool more = true;

	while (d && more && (e = readdir(d))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/comm", e->d_name);
		if (!read_file(path, name, sizeof(name)) &&
		    !strncmp(name, comm, strlen(comm)))
			more = fn(atoi(e->d_name), name, priv);
	}
	if (d)
		closedir(d);
	return more;
}

/* Kernel threads and processes, and the threads of this process: vhost tasks. */
static void visit_tasks(const char *comm, task_fn fn, void *priv)
{
	if (visit_dir("/proc/self/task", comm, fn, priv))
		visit_dir("/proc", comm, fn, priv);
}

static bool nth_add(pid_t tid, const char *comm, void *priv)
{
	nth_task(priv, tid);
	return true;
}

void nth_tasks(struct nth *nth, const char *comm)
{
	nth->nr = 0;
	visit_tasks(comm, nth_add, nth);
}

void nth_close(struct nth *nth)
{
	while (nth->nr)
		close(nth->fd[--nth->nr]);
}

void nth_arm(const struct nth *nth, unsigned int n)
{
	char text[16];
	unsigned int i;
	int len = snprintf(text, sizeof(text), "%u", n);

	/* The calling thread last: the others' writes are no chances of its. */
	for (i = nth->nr; i--;)
		if (pwrite(nth->fd[i], text, len, 0) != len)
			fprintf(stderr, "# fail-nth: %s\n", strerror(errno));
}

bool nth_fired(const struct nth *nth)
{
	bool fired = false;
	char text[16];
	unsigned int i;

	for (i = 0; i < nth->nr; i++) {
		ssize_t n = pread(nth->fd[i], text, sizeof(text) - 1, 0);

		/* What fails may be the copy of the number, or of the zero. */
		if (n > 0) {
			text[n] = 0;
			fired |= !atoi(text);
		}
		while (pwrite(nth->fd[i], "0", 1, 0) != 1 && errno == EFAULT)
			;
	}
	return fired;
}

unsigned int nth_left(const struct nth *nth)
{
	char text[16] = "";

	return pread(nth->fd[0], text, sizeof(text) - 1, 0) > 0 ? atoi(text) : 0;
}

void inject_chance(const char *knob, unsigned int percent)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", percent);
	inject_set(text, "%s/probability", knob);
}

void inject_task(pid_t tid, bool may_fail)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/make-it-fail", tid);
	if (write_file(path, may_fail ? "1" : "0"))
		fprintf(stderr, "# make-it-fail: %s\n", strerror(errno));
}

struct find {
	const char *comm;
	pid_t tid;
};

static bool find_one(pid_t tid, const char *comm, void *priv)
{
	struct find *find = priv;

	if (strcmp(comm, find->comm))
		return true;
	find->tid = tid;
	return false;
}

pid_t find_task(const char *comm)
{
	struct find find = { .comm = comm };

	visit_tasks(comm, find_one, &find);
	return find.tid;
}
