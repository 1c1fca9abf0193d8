/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Faults on demand, by the kernel's fault injection: allocations of the slab and
 * of pages, and copies from and to user space, fail in the task that is chosen.
 */
#ifndef INJECT_H
#define INJECT_H

#include <stdbool.h>
#include <sys/types.h>

#define INJECT_ROOT "/sys/kernel/debug"

/**
 * inject_init() - make ready; nothing fails yet
 *
 * From here to inject_end() the kernel log is marked: what the kernel says of
 * an allocation that was made to fail is no fault then, see tools/vm/run.
 *
 * Return: 0, or -ENOENT when the kernel does not have it.
 */
int inject_init(void);
void inject_end(void);

/* Writes to a file below INJECT_ROOT; 0 or a negative errno. */
__printf(2, 3) int inject_set(const char *value, const char *fmt, ...);

/**
 * struct nth - tasks in which the nth chance for a fault becomes one
 * @fd: their files fail-nth
 * @nr: how many
 */
struct nth {
	int fd[64];
	unsigned int nr;
};

/* The calling thread, a task, or all whose names begin with @comm. */
void nth_self(struct nth *nth);
void nth_task(struct nth *nth, pid_t tid);
void nth_tasks(struct nth *nth, const char *comm);
void nth_close(struct nth *nth);

void nth_arm(const struct nth *nth, unsigned int n);

/* No more faults; has there been one? */
bool nth_fired(const struct nth *nth);

/* Chances that are left before the first task's fault. */
unsigned int nth_left(const struct nth *nth);

/**
 * inject_chance() - faults by chance, in the tasks that inject_task() chose
 * @knob: failslab, fail_page_alloc or fail_usercopy
 * @percent: of the chances for one
 */
void inject_chance(const char *knob, unsigned int percent);
void inject_task(pid_t tid, bool may_fail);

/*
 * The first whose name is @comm, of the threads of this process and of all
 * processes and kernel threads; 0: none.
 */
pid_t find_task(const char *comm);

#endif /* INJECT_H */
