/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TEST() of tests/unit/unit.h as a case of a KUnit suite.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _KUNIT_KUNIT_H
#define _KUNIT_KUNIT_H

struct kunit;

void unit_register(const char *suite, const char *name,
		   void (*run)(struct kunit *kunit));
void unit_run(struct kunit *kunit, void (*fn)(void));

#define TEST(suite, test)						\
	static void unit_##suite##_##test(void);			\
	static void unit_##suite##_##test##_kunit(struct kunit *kunit)	\
	{								\
		unit_run(kunit, unit_##suite##_##test);		\
	}								\
	__attribute__((constructor)) static void unit_##suite##_##test##_add(void) \
	{								\
		unit_register(#suite, #test, unit_##suite##_##test##_kunit); \
	}								\
	static void unit_##suite##_##test(void)

#define UNIT_TIMES(user_space, here)	(here)

#endif /* _KUNIT_KUNIT_H */
