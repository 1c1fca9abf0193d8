// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>

#include "fault.h"
#include "support.h"

/* More chances for a fault than any call here has. */
#define MAX_FAULTS 3000

static bool is_shortage(const struct step *step, int ret)
{
	return ret == -ENOMEM || ret == -EFAULT || ret == -EAGAIN ||
	       (step->also && ret == -step->also);
}

void walk_by(const struct step *step, void *ctx, const struct nth *nth)
{
	unsigned int n, failures = 0;
	long long pinned = 0;
	bool fired = true;

	for (n = 1; fired && n < MAX_FAULTS; n++) {
		int ret;

		WHERE("%s, fault %u", step->name, n);
		if (step->prepare)
			step->prepare(ctx);
		pinned = pins();
		nth_arm(nth, n);
		ret = step->call(ctx);
		fired = nth_fired(nth);
		if (ret < 0) {
			failures++;
			EXPECT_TRUE(fired);
			if (!is_shortage(step, ret))
				EXPECT_EQ(-ENOMEM, ret);
			EXPECT_EQ(pinned, pins());
			if (step->check)
				step->check(ctx, false);
			ASSERT_LE(0, step->call(ctx));
		}
		if (step->check)
			step->check(ctx, true);
		step->undo(ctx);
	}
	EXPECT_FALSE(fired);
	/* A walk that meets nothing is none. */
	EXPECT_LE(1, failures);
	printf("# %s: %u chances for a fault, %u failures\n", step->name, n - 2,
	       failures);
}

void walk(const struct step *step, void *ctx)
{
	struct nth nth;

	nth_self(&nth);
	ASSERT_EQ(1, nth.nr);
	walk_by(step, ctx, &nth);
	nth_close(&nth);
}
