// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the tests and prints TAP. Arguments are prefixes of the names of tests.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

/* Seconds for a test. */
#define TIMEOUT		60
/* Lines that a test may print. */
#define MAX_FAILURES	20

struct unit_kernel unit_kernel;

static struct unit_test *tests, **tests_end = &tests;
static unsigned int failures;

void unit_register(struct unit_test *test)
{
	*tests_end = test;
	tests_end = &test->next;
}

void unit_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	printf("# %s:%d: ", file, line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	if (++failures == MAX_FAILURES)
		exit(1);
}

static bool wanted(const struct unit_test *test, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strncmp(test->name, argv[i], strlen(argv[i])))
			return true;
	return argc < 2;
}

static bool run(const struct unit_test *test)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (!pid) {
		alarm(TIMEOUT);
		test->fn();
		/* Not _exit(): the leak check runs at exit. */
		exit(failures ? 1 : 0);
	}
	if (waitpid(pid, &status, 0) != pid)
		return false;
	if (WIFSIGNALED(status))
		printf("# killed by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	unsigned int nr = 0, failed = 0;
	struct unit_test *test;

	for (test = tests; test; test = test->next)
		nr += wanted(test, argc, argv);
	printf("TAP version 13\n1..%u\n", nr);
	nr = 0;
	for (test = tests; test; test = test->next) {
		bool ok;

		if (!wanted(test, argc, argv))
			continue;
		ok = run(test);
		failed += !ok;
		printf("%s %u %s\n", ok ? "ok" : "not ok", ++nr, test->name);
	}
	return failed || !nr ? 1 : 0;
}
