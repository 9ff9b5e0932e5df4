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

#define FRAME_MAX 256

/* A word of the frame that tells a lock which the function has taken at some place. */
static bool find_word(const struct target *t, const char *function, int64_t off, uint64_t *ret_at,
		      struct lock_word *ret, struct lock_method *ret_method)
{
	struct go_func f;

	assert_int_equal(target_func_by_name(t, function, &f), 0);
	*ret = (struct lock_word){.off = off, .size = 8};
	for (*ret_at = f.entry; *ret_at < f.end; ++*ret_at)
		for (ret->disp = 0; ret->disp < FRAME_MAX; ret->disp += 8)
			if (lock_word_held_at(t, *ret_at, &calls, ret, NULL, ret_method) ==
			    LOCK_HELD_YES)
				return true;
	return false;
}

/* A word tells a lock by the whole distance. */
static void test_far_word(void **state)
{
	const int64_t mu = 16; /* server.mu, behind a string */
	struct lock_method method;
	struct lock_word word;
	char path[4096];
	struct target *t;
	uint64_t at;

	if (!sample_build("1.27", "plain", "convoy", path))
		skip();
	assert_int_equal(target_open(path, &t), 0);
	assert_true(find_word(t, "main.(*server).plain", mu, &at, &word, &method));
	assert_false(method.needed);
	for (int bit = 31; bit < 63; bit++) {
		for (int back = 0; back < 2; back++) {
			word.off = back ? mu - (1LL << bit) : mu + (1LL << bit);
			assert_int_not_equal(lock_word_held_at(t, at, &calls, &word, NULL, &method),
					     LOCK_HELD_YES);
		}
	}
	/* Its neighbours. */
	word.off = mu + 8;
	assert_int_not_equal(lock_word_held_at(t, at, &calls, &word, NULL, &method), LOCK_HELD_YES);
	word.off = mu - 8;
	assert_int_not_equal(lock_word_held_at(t, at, &calls, &word, NULL, &method), LOCK_HELD_YES);
	target_free(t);
}

/* Where an index tells what is stored, no word of that array is known. */
static void check_indexed(const char *version, const char *mode)
{
	struct lock_method method;
	struct lock_word word;
	char path[4096];
	struct target *t;
	uint64_t at;

	if (!sample_build(version, mode, "convoy", path))
		skip();
	assert_int_equal(target_open(path, &t), 0);
	assert_false(find_word(t, "main.byIndex", 16, &at, &word, &method));
	target_free(t);
}

static void test_indexed(void **state)
{
	check_indexed("1.22", "plain");
	check_indexed("1.27", "plain");
	check_indexed("1.27", "arm64");
}

/* Through an interface: which method is called is for whoever asks to find out. */
static void check_interface(const char *mode)
{
	struct lock_method method;
	struct lock_word word;
	char path[4096];
	struct target *t;
	struct go_func f;
	uint64_t at;
	bool own = false;

	if (!sample_build("1.27", mode, "convoy", path))
		skip();
	assert_int_equal(target_open(path, &t), 0);
	assert_true(find_word(t, "main.plainLocker", 0, &at, &word, &method));
	assert_true(method.needed && !method.own);
	assert_int_equal(method.method, 24); /* Lock, Unlock */
	assert_int_not_equal(method.disp, word.disp);

	assert_int_equal(target_func_by_name(t, "main.twice", &f), 0);
	word = (struct lock_word){.own = true, .size = 8};
	for (at = f.entry; at < f.end; at++)
		own |= lock_word_held_at(t, at, &calls, &word, NULL, &method) == LOCK_HELD_YES &&
		       method.own;
	assert_true(own);
	/* It has given it up, or what it locks then is not known to be the same. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(
			target_func_by_name(t, i ? "main.lockerGave" : "main.lockerReturned", &f),
			0);
		for (at = f.entry; at < f.end; at++)
			assert_int_not_equal(lock_word_held_at(t, at, &calls, &word, NULL, &method),
					     LOCK_HELD_YES);
	}
	target_free(t);
}

static void test_interface(void **state)
{
	check_interface("plain");
}

/* Code of the other architecture is read here as well. */
static void test_arm64(void **state)
{
	struct lock_method method;
	struct lock_word word;
	char path[4096];
	struct target *t;
	uint64_t at;

	if (!sample_build("1.27", "arm64", "convoy", path))
		skip();
	assert_int_equal(target_open(path, &t), 0);
	/* Of the lock itself, which it computes from its first argument. */
	assert_true(find_word(t, "main.(*server).plain", 0, &at, &word, &method));
	target_free(t);
	check_interface("arm64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time),    cmocka_unit_test(test_far_word),
		cmocka_unit_test(test_indexed), cmocka_unit_test(test_interface),
		cmocka_unit_test(test_arm64),
	};

	return cmocka_run_group_tests_name("lock_flow", tests, NULL, NULL);
}
