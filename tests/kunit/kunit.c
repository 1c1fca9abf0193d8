// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the unit tests as KUnit suites when the module is loaded.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <kunit/test.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/module.h>

#include "../unit/unit.h"

#ifndef CONFIG_CONSTRUCTORS
#error "tests register themselves by constructors"
#endif

#define MAX_CASES	60
/* Lines that a test may print, and their length. */
#define MAX_FAILURES	20
#define MAX_LINE	200

struct unit_suite {
	const char *name;
	unsigned int nr;
	struct kunit_suite suite;
	struct kunit_case cases[MAX_CASES + 1];
};

#define SUITE(of) { .name = #of, .suite = { .name = "vhost_scsi_" #of } }

static struct unit_suite suites[] = {
	SUITE(ring),
	SUITE(ring_random),
	SUITE(mem),
	SUITE(mem_random),
	SUITE(request),
	SUITE(control),
	SUITE(address),
	SUITE(log),
	SUITE(cdb),
};

static struct kunit_suite *to_run[ARRAY_SIZE(suites)];
/* Tests for which there is no suite, or no room. */
static unsigned int lost;
static struct mm_struct *owner;
/* The test that runs. */
static struct kunit *running;
static unsigned int failures;

void unit_register(const char *suite, const char *name,
		   void (*run)(struct kunit *kunit))
{
	int i;

	for (i = 0; i < ARRAY_SIZE(suites); i++) {
		struct unit_suite *s = &suites[i];

		if (strcmp(s->name, suite) || s->nr == MAX_CASES)
			continue;
		s->cases[s->nr].run_case = run;
		s->cases[s->nr++].name = name;
		return;
	}
	lost++;
}

/* In a thread of KUnit's, which has no memory of its own. */
void unit_run(struct kunit *kunit, void (*fn)(void))
{
	running = kunit;
	failures = 0;
	kthread_use_mm(owner);
	fn();
	kthread_unuse_mm(owner);
}

void unit_fail(const char *file, int line, const char *format, ...)
{
	char text[MAX_LINE];
	va_list args;

	if (++failures > MAX_FAILURES)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	KUNIT_FAIL(running, "%s:%d: %s", kbasename(file), line, text);
}

/* With nothing mapped behind it. */
void __user *user_new(size_t size)
{
	size_t room = PAGE_ALIGN(size);
	unsigned long addr;

	addr = vm_mmap(NULL, 0, room + PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, 0);
	EXPECT(!IS_ERR_VALUE(addr));
	if (IS_ERR_VALUE(addr))
		return NULL;
	EXPECT_EQ(0, vm_munmap(addr + room, PAGE_SIZE));
	return (void __user *)(addr + room - size);
}

void user_gap(void __user *page)
{
	EXPECT_EQ(0, vm_munmap((unsigned long)page, PAGE_SIZE));
}

void user_free(void __user *p, size_t size)
{
	EXPECT_EQ(0, vm_munmap((unsigned long)p & PAGE_MASK, PAGE_ALIGN(size)));
}

static int __init unit_init(void)
{
	unsigned int i, nr = 0;

	for (i = 0; i < ARRAY_SIZE(suites); i++) {
		lost += !suites[i].nr;
		nr += suites[i].nr;
		suites[i].suite.test_cases = suites[i].cases;
		to_run[i] = &suites[i].suite;
	}
	if (lost) {
		pr_err("%u tests without a suite, or suites without a test\n",
		       lost);
		return -EINVAL;
	}

	/* What reads the results can tell whether they are all there. */
	pr_info("%s: %u tests in %zu suites\n", KBUILD_MODNAME, nr,
		ARRAY_SIZE(suites));
	owner = current->mm;
#ifdef COMPAT_KUNIT_RUN_TESTS
	return __kunit_test_suites_init(to_run, ARRAY_SIZE(to_run), true);
#else
	return __kunit_test_suites_init(to_run, ARRAY_SIZE(to_run));
#endif
}

static void __exit unit_exit(void)
{
	__kunit_test_suites_exit(to_run, ARRAY_SIZE(to_run));
}

module_init(unit_init);
module_exit(unit_exit);

MODULE_DESCRIPTION("unit tests of vhost-lio");
MODULE_AUTHOR("vhost-lio developers");
MODULE_LICENSE("GPL");
