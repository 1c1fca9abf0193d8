/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Owners of devices as libvirt makes them: a user without capabilities, in a cgroup
 * with every controller, with limits.
 */
#ifndef BOX_H
#define BOX_H

#include <stdbool.h>
#include <sys/types.h>

#define BOX_USER 65534
#define BOX_CGROUP "/sys/fs/cgroup/vsg"
/* The threads are in this one, as libvirt has them. */
#define BOX_THREADS BOX_CGROUP "/emulator"

/**
 * struct box - what an owner may have
 * @processes: RLIMIT_NPROC, 0: as this process
 * @files: RLIMIT_NOFILE, likewise
 * @memory: of memory.max, in bytes; 0: no limit
 * @processors: hundredths of one, of cpu.max; 0: no limit
 * @threaded: in a threaded cgroup below
 */
struct box {
	unsigned int processes;
	unsigned int files;
	long long memory;
	unsigned int processors;
	bool threaded;
};

/* For suite_setup(): the device for everybody, and the cgroups; 0 or a negative errno. */
int box_setup(void);
void box_teardown(void);

/**
 * box_run() - call a function in a process of its own, as such an owner
 * @box: its limits
 * @fn: may use EXPECT_*, but not ASSERT_*
 * @arg: for @fn
 *
 * Return: the value of @fn, from 0 to 100; more if it could not be called, or died.
 */
int box_run(const struct box *box, int (*fn)(void *arg), void *arg);

/* The same in two steps: the process, or -1; and its end. */
pid_t box_start(const struct box *box, int (*fn)(void *arg), void *arg);
int box_wait(pid_t pid);

/* The value of a file of BOX_CGROUP, or -1. */
long long box_value(const char *file);

#endif /* BOX_H */
