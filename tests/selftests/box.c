// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "files.h"
#include "support.h"

/* What the result of box_run() is when @fn was not called, or died. */
enum { NOT_JOINED = 120, NOT_LIMITED, NOT_USER, DIED };

static const char *const controllers[] = { "cpu", "cpuset", "io", "memory", "pids" };

/* As many as the kernel has; those that a threaded cgroup cannot have stay above it. */
static void enable(const char *dir)
{
	char path[128], text[16];
	unsigned int i;

	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", dir);
	for (i = 0; i < sizeof(controllers) / sizeof(*controllers); i++) {
		snprintf(text, sizeof(text), "+%s", controllers[i]);
		write_file(path, text);
	}
}

int box_setup(void)
{
	int ret;

	box_teardown();
	if (chmod(VSG_DEV_PATH, 0666))
		return -errno;
	enable("/sys/fs/cgroup");
	ret = make_dir(BOX_CGROUP);
	if (!ret)
		ret = make_dir(BOX_THREADS);
	if (!ret)
		ret = write_file(BOX_THREADS "/cgroup.type", "threaded");
	if (ret)
		return ret;
	enable(BOX_CGROUP);
	/* Other processors than a kernel thread has to begin with. */
	write_file(BOX_THREADS "/cpuset.cpus", "0");
	return 0;
}

static int remove_dir(const char *path)
{
	int64_t end = vsg_now_ms() + WAIT_MS;

	/* Workers and their tasks leave it a little later. */
	while (rmdir(path) && errno != ENOENT) {
		if (vsg_now_ms() > end)
			return -errno;
		usleep(20000);
	}
	return 0;
}

void box_teardown(void)
{
	if (remove_dir(BOX_THREADS) || remove_dir(BOX_CGROUP))
		printf("# a process stays in %s\n", BOX_CGROUP);
}

long long box_value(const char *file)
{
	char path[128], text[64];

	snprintf(path, sizeof(path), BOX_CGROUP "/%s", file);
	return read_file(path, text, sizeof(text)) ? -1 : atoll(text);
}

static int join(const struct box *box)
{
	char pid[16];
	int ret;

	snprintf(pid, sizeof(pid), "%d", getpid());
	ret = write_file(BOX_CGROUP "/cgroup.procs", pid);
	if (!ret && box->threaded)
		ret = write_file(BOX_THREADS "/cgroup.threads", pid);
	return ret;
}

static int limit(const struct box *box)
{
	struct rlimit processes = { box->processes, box->processes };
	struct rlimit files = { box->files, box->files };

	if (box->files && setrlimit(RLIMIT_NOFILE, &files))
		return -1;
	return box->processes ? setrlimit(RLIMIT_NPROC, &processes) : 0;
}

static int run(const struct box *box, int (*fn)(void *arg), void *arg)
{
	if (join(box))
		return NOT_JOINED;
	if (limit(box))
		return NOT_LIMITED;
	if (setgroups(0, NULL) || setresgid(BOX_USER, BOX_USER, BOX_USER) ||
	    setresuid(BOX_USER, BOX_USER, BOX_USER))
		return NOT_USER;
	/* The test's end is this one's. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return fn(arg);
}

pid_t box_start(const struct box *box, int (*fn)(void *arg), void *arg)
{
	char text[32];
	pid_t pid;

	snprintf(text, sizeof(text), "%lld", box->memory);
	if (write_file(BOX_CGROUP "/memory.max", box->memory ? text : "max") &&
	    box->memory)
		return -1;
	snprintf(text, sizeof(text), "%u 100000", box->processors * 1000);
	/* A kernel without CFS_BANDWIDTH has no such limit. */
	if (box->processors && !exists(BOX_CGROUP "/cpu.max"))
		printf("# no limit of processor time here\n");
	else if (write_file(BOX_CGROUP "/cpu.max", box->processors ? text : "max") &&
		 box->processors)
		return -1;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		int ret = run(box, fn, arg);

		fflush(stdout);
		_exit(ret);
	}
	return pid;
}

int box_wait(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return DIED;
	return WEXITSTATUS(status);
}

int box_run(const struct box *box, int (*fn)(void *arg), void *arg)
{
	return box_wait(box_start(box, fn, arg));
}
