// SPDX-License-Identifier: GPL-2.0-only
/* Runs the tests that t_register() collected; see harness.h. */

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define SLOW_MS 1000
#define KILL_GRACE_MS 3000

/**
 * struct t_shared - what a test's process tells its parent
 * @failures: number of failed checks
 * @skip: why the test was skipped
 */
struct t_shared {
	int failures;
	char skip[256];
};

static struct t_case *first, *last;
static struct t_shared *shared;
static jmp_buf env;
static __thread char where[256];
static char suite_skip[256];
static int more_time;

void t_register(struct t_case *c)
{
	if (last)
		last->next = c;
	else
		first = c;
	last = c;
}

void t_fail(const char *file, int line, const char *fmt, ...)
{
	const char *base = strrchr(file, '/');
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	/* A broken test in a loop must not drown the rest. */
	if (__atomic_fetch_add(&shared->failures, 1, __ATOMIC_RELAXED) < 20)
		printf("# %s:%d: %s%s%s\n", base ? base + 1 : file, line,
		       where, *where ? ": " : "", msg);
}

void t_where(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(where, sizeof(where), fmt, ap);
	va_end(ap);
}

int t_factor(void)
{
	static int factor;

	if (!factor) {
		const char *s = getenv("VHOST_TEST_TIMEOUT_FACTOR");
		int n = s ? atoi(s) : 1;

		factor = n > 0 && n <= 1000 ? n : 1;
	}
	return factor;
}

/* Tests that go on for as long as they are told have so much more time. */
static int extra_seconds(void)
{
	const char *s = getenv("VHOST_TEST_SECONDS");
	int n = s ? atoi(s) : 0;

	return n > 0 ? n : 0;
}

void t_more_time(int seconds)
{
	more_time = seconds;
}

void t_abort(void)
{
	longjmp(env, 1);
}

void t_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(shared->skip, sizeof(shared->skip), fmt, ap);
	va_end(ap);
	t_abort();
}

int t_suite_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(suite_skip, sizeof(suite_skip), fmt, ap);
	va_end(ap);
	return T_EXIT_SKIP;
}

bool t_failed(void)
{
	return __atomic_load_n(&shared->failures, __ATOMIC_RELAXED);
}

/* What a program does not define does nothing. */
#pragma weak suite_setup
#pragma weak suite_teardown

int suite_setup(void)
{
	return 0;
}

void suite_teardown(void)
{
}

static void run_case(const struct t_case *c)
{
	void *self = calloc(1, c->self_size + 1);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	if (!setjmp(env)) {
		if (c->setup)
			c->setup(self);
		if (!t_failed())
			c->body(self);
	}
	if (c->teardown && !setjmp(env))
		c->teardown(self);
	fflush(NULL);
	_exit(t_failed() ? T_EXIT_FAIL :
	      *shared->skip ? T_EXIT_SKIP : T_EXIT_PASS);
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000L + ts.tv_nsec / 1000000;
}

/* Waits for the process at most @ms; SIGCHLD is blocked in main(). */
static bool reap(pid_t pid, int *status, long ms)
{
	long end = now_ms() + ms;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (;;) {
		struct timespec ts;
		long left = end - now_ms();

		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
		if (left <= 0)
			return false;
		ts.tv_sec = left / 1000;
		ts.tv_nsec = left % 1000 * 1000000;
		sigtimedwait(&set, NULL, &ts);
	}
}

/* Returns T_EXIT_*, and in @why what to say about a failure. */
static int run_forked(const struct t_case *c, char *why, size_t size)
{
	int seconds = (c->timeout + more_time) * t_factor() + extra_seconds();
	sigset_t set;
	int status;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	*why = 0;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		sigemptyset(&set);
		sigprocmask(SIG_SETMASK, &set, NULL);
		run_case(c);
	}
	if (pid < 0) {
		snprintf(why, size, "fork: %s", strerror(errno));
		return T_EXIT_FAIL;
	}
	if (!reap(pid, &status, seconds * 1000L)) {
		kill(-pid, SIGKILL);
		snprintf(why, size, "timed out after %d s%s", seconds,
			 reap(pid, &status, KILL_GRACE_MS * t_factor()) ? "" :
			 ", and the process cannot be killed");
		return T_EXIT_FAIL;
	}
	kill(-pid, SIGKILL);	/* what the test left running */
	if (WIFSIGNALED(status)) {
		snprintf(why, size, "killed by signal %d", WTERMSIG(status));
		return T_EXIT_FAIL;
	}
	return WEXITSTATUS(status);
}

static bool wanted(const struct t_case *c, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strstr(c->name, argv[i]))
			return true;
	return argc < 2;
}

static int run_all(int argc, char **argv)
{
	int n = 0, skipped = 0, failed = 0, total = 0;
	struct t_case *c;
	char why[256];

	for (c = first; c; c = c->next)
		total += wanted(c, argc, argv);
	printf("1..%d\n", total);
	for (c = first; c; c = c->next) {
		long start = now_ms();
		int ret;

		if (!wanted(c, argc, argv))
			continue;
		ret = run_forked(c, why, sizeof(why));
		n++;
		if (now_ms() - start >= SLOW_MS)
			printf("# %s took %ld ms\n", c->name, now_ms() - start);
		if (ret == T_EXIT_SKIP) {
			skipped++;
			printf("ok %d %s # SKIP %s\n", n, c->name, shared->skip);
		} else if (ret) {
			failed++;
			printf("not ok %d %s%s%s\n", n, c->name,
			       *why ? " # " : "", why);
		} else {
			printf("ok %d %s\n", n, c->name);
		}
		fflush(stdout);
	}
	if (failed)
		return T_EXIT_FAIL;
	return total && skipped == total ? T_EXIT_SKIP : T_EXIT_PASS;
}

int main(int argc, char **argv)
{
	struct t_case *c;
	sigset_t set;
	int ret;

	if (argc == 2 && !strcmp(argv[1], "-l")) {
		for (c = first; c; c = c->next)
			puts(c->name);
		return 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return T_EXIT_FAIL;
	printf("TAP version 13\n");
	ret = suite_setup();
	if (ret == T_EXIT_SKIP) {
		printf("1..0 # SKIP %s\n", suite_skip);
	} else if (ret) {
		printf("Bail out! suite setup failed (%d)\n", ret);
		ret = T_EXIT_FAIL;
	} else {
		sigemptyset(&set);
		sigaddset(&set, SIGCHLD);
		sigprocmask(SIG_BLOCK, &set, NULL);
		ret = run_all(argc, argv);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
	}
	suite_teardown();
	return ret;
}
