/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A test is a function. In user space each test runs in a process of its own, so
 * that a test that crashes, hangs or leaks fails alone. In the debug kernel the
 * tests are KUnit cases, see tests/kunit.
 *
 *	TEST(ring, empty)
 *	{
 *		EXPECT_EQ(0, vhost_scsi_ring_pending(&ring));
 *	}
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _UNIT_H
#define _UNIT_H

#include "unit-kernel.h"

__printf(3, 4)
void unit_fail(const char *file, int line, const char *format, ...);

#ifdef __KERNEL__
#include "kunit.h"
#else

struct unit_test {
	const char *name;
	void (*fn)(void);
	struct unit_test *next;
};

void unit_register(struct unit_test *test);

#define TEST(suite, test)						\
	static void unit_##suite##_##test(void);			\
	static struct unit_test unit_##suite##_##test##_struct = {	\
		.name = #suite "." #test,				\
		.fn = unit_##suite##_##test,				\
	};								\
	__attribute__((constructor)) static void unit_##suite##_##test##_add(void) \
	{								\
		unit_register(&unit_##suite##_##test##_struct);		\
	}								\
	static void unit_##suite##_##test(void)

/* Tests by chance: how often, where the debug kernel does it less often. */
#define UNIT_TIMES(here, debug_kernel)	(here)

#endif /* __KERNEL__ */

/* A test goes on after an EXPECT that failed, up to a bound. */
#define EXPECT(cond)							\
	do {								\
		if (!(cond))						\
			unit_fail(__FILE__, __LINE__, "%s", #cond);	\
	} while (0)

#define EXPECT_EQ(want, is)						\
	do {								\
		long long _want = (long long)(want), _is = (long long)(is); \
									\
		if (_want != _is)					\
			unit_fail(__FILE__, __LINE__,			\
				  "%s is %lld (0x%llx), not %s, %lld (0x%llx)", \
				  #is, _is, _is, #want, _want, _want);	\
	} while (0)

/* Memory of the owner. */
static inline void user_write(void __user *to, const void *from, size_t len)
{
	EXPECT_EQ(0, copy_to_user(to, from, len));
}

/* xorshift64*: the same numbers everywhere, for tests by chance. */
static inline u64 unit_random(u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

static inline u32 unit_below(u64 *state, u32 limit)
{
	return (u32)((unit_random(state) >> 32) * limit >> 32);
}

static inline void unit_random_bytes(u8 *data, size_t size, u64 *rnd)
{
	size_t i;

	for (i = 0; i < size; i++)
		data[i] = unit_random(rnd) >> 56;
}

/* Most are small numbers, flags that mean something, parts of addresses. */
static inline void unit_likely_bytes(u8 *data, size_t size, u64 *rnd)
{
	static const u8 often[] = { 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 16, 32, 255 };
	size_t i;

	for (i = 0; i < size; i++)
		data[i] = unit_below(rnd, 16) ?
			  often[unit_below(rnd, ARRAY_SIZE(often))] :
			  unit_random(rnd) >> 56;
}

#endif /* _UNIT_H */
