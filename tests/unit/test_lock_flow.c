/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What code says of locks (tests/targets/convoy), and that it stops in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/target/lock_flow.h"
#include "tests/unit/sample.h"

static const struct lock_calls calls = {.takes = {"sync.(*Mutex).Lock"},
					.tries = {"sync.(*Mutex).TryLock"},
					.gives = {"sync.(*Mutex).Unlock"}};
/* What nearly all of the runtime has to do with, so that there is much to follow. */
static const struct lock_calls many = {.takes = {"runtime.lock2"}, .gives = {"runtime.unlock2"}};

static uint64_t spent_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* All places of the functions from `lo` on; returns how long that took. */
static uint64_t ask_all(const struct target *t, uint64_t lo, struct lock_time *time,
			unsigned *ret_unknown)
{
	const uint64_t begin = spent_ns();
	struct go_func f;

	*ret_unknown = 0;
	for (unsigned n = 0; n < 400 && !target_func_by_pc(t, lo, &f); n++, lo = f.end)
		*ret_unknown += lock_held_at(t, f.entry + (f.end - f.entry) / 2, &many, time) ==
				LOCK_HELD_UNKNOWN;
	return spent_ns() - begin;
}

static void test_time(void **state)
{
	unsigned unknown, unknown_late;
	struct lock_time over = {0}, soon = {0};
	char path[4096];
	struct target *t;
	struct go_func f;
	uint64_t all, some, at;

	if (!sample_build("1.27", "plain", "convoy", path))
		skip();
	assert_int_equal(target_open(path, &t), 0);
	assert_int_equal(target_func_by_name(t, "main.(*server).plain", &f), 0);
	for (at = f.entry; at < f.end && lock_held_at(t, at, &calls, NULL) != LOCK_HELD_YES;)
		at++;
	assert_true(at < f.end);
	assert_int_equal(lock_held_at(t, at, &calls, &over), LOCK_HELD_UNKNOWN);
	assert_true(over.late);
	assert_null(lock_called(t, f.entry, calls.gives, &over));
	assert_non_null(lock_called(t, f.entry, calls.gives, NULL));

	assert_int_equal(target_func_by_name(t, "runtime.mallocgc", &f), 0);
	(void)ask_all(t, f.entry, NULL, &unknown); /* for the caches */
	all = ask_all(t, f.entry, NULL, &unknown);
	soon.until_ns = spent_ns() + all / 10;
	some = ask_all(t, f.entry, &soon, &unknown_late);
	assert_true(soon.late && unknown_late > unknown);
	assert_true(some < all / 2);
	target_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_time)};

	return cmocka_run_group_tests_name("lock_flow", tests, NULL, NULL);
}
