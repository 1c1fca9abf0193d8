/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small test harness in the manner of kselftest_harness.h: every test runs
 * in a process of its own with a time limit. A test that hangs, even in the kernel,
 * fails without stopping the others.  Prints TAP 13.
 *
 *	TEST(name) { ... }
 *	TEST_TIMEOUT(name, seconds) { ... }
 *
 *	FIXTURE(fix) { int fd; };
 *	FIXTURE_SETUP(fix) { self->fd = ...; }
 *	FIXTURE_TEARDOWN(fix) { close(self->fd); }
 *	TEST_F(fix, name) { EXPECT_EQ(0, ioctl(self->fd, ...)); }
 *
 * EXPECT_* notes a failure and goes on, ASSERT_* ends the test (the teardown
 * still runs); the expected value comes first.  ASSERT_* and SKIP() may be used
 * only in the test's own thread.  WHERE() says what the next checks are about;
 * it is printed with a failure.
 *
 * Optional: int suite_setup(void) runs once before the tests and returns 0, or
 * SUITE_SKIP("why"), or anything else for a failure; void suite_teardown(void)
 * runs after them whatever happened.
 *
 * VHOST_TEST_TIMEOUT_FACTOR=N in the environment multiplies all time limits, for
 * kernels that are slow because they check much; VHOST_TEST_SECONDS=N, which some
 * tests go on for, adds to them.  suite_setup() may call t_more_time() for tests
 * that were told to do more: seconds for each of them.
 *
 * Arguments of the program: -l lists the tests; any other argument is a
 * substring of the names of the tests to run.  Exit status: 0, 1 for failures,
 * 4 when everything was skipped.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdnoreturn.h>
#include <string.h>

#include "util.h"

#define T_EXIT_PASS 0
#define T_EXIT_FAIL 1
#define T_EXIT_SKIP 4

#define T_TIMEOUT_DEFAULT 30

/**
 * struct t_case - one test
 * @name: as printed
 * @timeout: seconds
 * @self_size: bytes of the fixture, zeroed before @setup
 * @setup: or NULL
 * @body: the test
 * @teardown: or NULL; runs also after a failed @setup
 * @next: in order of definition
 */
struct t_case {
	const char *name;
	int timeout;
	size_t self_size;
	void (*setup)(void *self);
	void (*body)(void *self);
	void (*teardown)(void *self);
	struct t_case *next;
};

void t_register(struct t_case *c);
__printf(3, 4) void t_fail(const char *file, int line, const char *fmt, ...);
__printf(1, 2) void t_where(const char *fmt, ...);
__printf(1, 2) void t_skip(const char *fmt, ...);
__printf(1, 2) int t_suite_skip(const char *fmt, ...);
bool t_failed(void);
int t_factor(void);
void t_more_time(int seconds);
noreturn void t_abort(void);

int suite_setup(void);
void suite_teardown(void);

/* The function is defined by the body that follows the macro. */
#define T_CASE(fname, text, seconds, size, set, tear) \
	static void fname(void *self_); \
	static struct t_case fname##_case = { \
		.name = text, .timeout = seconds, .self_size = size, \
		.setup = set, .body = fname, .teardown = tear, \
	}; \
	__attribute__((constructor)) static void fname##_register(void) \
	{ \
		t_register(&fname##_case); \
	}

#define TEST(fname) TEST_TIMEOUT(fname, T_TIMEOUT_DEFAULT)
#define TEST_TIMEOUT(fname, seconds) \
	T_CASE(test_##fname, #fname, seconds, 0, NULL, NULL) \
	static void test_##fname(void *self_)

#define FIXTURE(fix) struct fix
#define FIXTURE_SETUP(fix) \
	static void fix##_setup_(struct fix *self); \
	static void fix##_setup(void *self_) \
	{ \
		fix##_setup_(self_); \
	} \
	static void fix##_setup_(struct fix *self)
#define FIXTURE_TEARDOWN(fix) \
	static void fix##_teardown_(struct fix *self); \
	static void fix##_teardown(void *self_) \
	{ \
		fix##_teardown_(self_); \
	} \
	static void fix##_teardown_(struct fix *self)
#define TEST_F(fix, tname) TEST_F_TIMEOUT(fix, tname, T_TIMEOUT_DEFAULT)
#define TEST_F_TIMEOUT(fix, tname, seconds) \
	static void fix##_##tname##_body(struct fix *self); \
	T_CASE(fix##_##tname, #tname, seconds, sizeof(struct fix), fix##_setup, \
	       fix##_teardown) \
	static void fix##_##tname(void *self_) \
	{ \
		fix##_##tname##_body(self_); \
	} \
	static void fix##_##tname##_body(struct fix *self)

#define WHERE(...) t_where(__VA_ARGS__)
#define SKIP(...) t_skip(__VA_ARGS__)
#define SUITE_SKIP(...) t_suite_skip(__VA_ARGS__)

#define T_COMPARE(expected, seen, etext, stext, op, fatal) \
	do { \
		__typeof__(seen) t_s = (seen); \
		__typeof__(t_s) t_e = (__typeof__(t_s))(expected); \
		if (!(t_e op t_s)) { \
			t_fail(__FILE__, __LINE__, \
			       "expected %s %s %s: %lld (%#llx) %s %lld (%#llx)", \
			       etext, #op, stext, \
			       (long long)t_e, (long long)t_e, #op, \
			       (long long)t_s, (long long)t_s); \
			if (fatal) \
				t_abort(); \
		} \
	} while (0)

#define EXPECT_EQ(e, s) T_COMPARE(e, s, #e, #s, ==, false)
#define EXPECT_NE(e, s) T_COMPARE(e, s, #e, #s, !=, false)
#define EXPECT_LT(e, s) T_COMPARE(e, s, #e, #s, <, false)
#define EXPECT_LE(e, s) T_COMPARE(e, s, #e, #s, <=, false)
#define EXPECT_GE(e, s) T_COMPARE(e, s, #e, #s, >=, false)
#define ASSERT_EQ(e, s) T_COMPARE(e, s, #e, #s, ==, true)
#define ASSERT_NE(e, s) T_COMPARE(e, s, #e, #s, !=, true)
#define ASSERT_LE(e, s) T_COMPARE(e, s, #e, #s, <=, true)

#define T_TRUTH(cond, text, want, fatal) \
	do { \
		bool t_c = (cond), t_w = (want); \
		if (t_c != t_w) { \
			t_fail(__FILE__, __LINE__, "expected %s to be %s", \
			       text, t_w ? "true" : "false"); \
			if (fatal) \
				t_abort(); \
		} \
	} while (0)

#define EXPECT_TRUE(cond) T_TRUTH(cond, #cond, true, false)
#define EXPECT_FALSE(cond) T_TRUTH(cond, #cond, false, false)
#define ASSERT_TRUE(cond) T_TRUTH(cond, #cond, true, true)
#define ASSERT_FALSE(cond) T_TRUTH(cond, #cond, false, true)

#endif /* HARNESS_H */
