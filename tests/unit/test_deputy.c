/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is done on another thread, and how its answer comes: whole or in pieces, in order, all of
 * it; an end in the middle by either side harms neither. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>

#include "core/engine/deputy.h"
#include "core/base/util.h"

#define TEXTS 20000

struct doer {
	_Atomic uint64_t said; /* texts */
	_Atomic int stopped;   /* what errand_add() said at last */
};

/* goid: how many texts of a hundred bytes; proc: fail then. */
static int run(void *ctx, const struct errand_args *args, void *reply)
{
	struct doer *doer = ctx;
	char text[101];
	int err = 0;

	memset(text, '.', sizeof(text));
	for (uint64_t i = 0; i < args->goid && !err; i++) {
		snprintf(text, sizeof(text), "%099llu", (unsigned long long)i);
		text[99] = '\n';
		err = errand_add(reply, text, 100);
		atomic_fetch_add(&doer->said, !err);
	}
	atomic_store(&doer->stopped, err);
	return err ? err : args->proc ? -ESRCH : 0;
}

struct taker {
	uint64_t next, pieces;
	uint64_t stop_at; /* piece; 0: never */
	size_t largest;
};

static int take(void *arg, const char *text, size_t len)
{
	struct taker *t = arg;

	assert_int_equal(len % 100, 0); /* whole texts */
	for (size_t at = 0; at < len; at += 100)
		assert_int_equal(strtoull(text + at, NULL, 10), t->next++);
	t->largest = MAX(t->largest, len);
	return ++t->pieces == t->stop_at ? -EFBIG : 0;
}

static void test_pieces(void **state)
{
	struct errand_args args = {.what = ERRAND_STACKS, .goid = TEXTS};
	struct doer doer = {0};
	struct taker taker = {0};
	struct deputy *d;

	assert_int_equal(deputy_new("deputy", run, &doer, &d), 0);
	assert_int_equal(deputy_ask_each(d, &args, take, &taker), 0);
	assert_int_equal(taker.next, TEXTS);
	assert_in_range(taker.pieces, 2, TEXTS);
	assert_true(taker.largest <= 1 << 20);
	/* A failure comes after what was said before it. */
	args.proc = 1;
	taker = (struct taker){0};
	assert_int_equal(deputy_ask_each(d, &args, take, &taker), -ESRCH);
	assert_int_equal(taker.next, TEXTS);
	deputy_free(d);
}

static void test_whole(void **state)
{
	struct errand_args args = {.what = ERRAND_STACKS, .goid = TEXTS};
	struct doer doer = {0};
	struct buf out = BUF_INIT;
	struct deputy *d;

	assert_int_equal(deputy_new("deputy", run, &doer, &d), 0);
	assert_int_equal(deputy_ask(d, &args, &out), 0);
	assert_int_equal(out.len, TEXTS * 100);
	assert_int_equal(deputy_ask(d, &args, NULL), 0);
	args.goid = 0;
	buf_reset(&out);
	assert_int_equal(deputy_ask(d, &args, &out), 0);
	assert_int_equal(out.len, 0);
	buf_free(&out);
	deputy_free(d);
	deputy_free(NULL);
}

/* Who asked has enough: the deputy stops soon, and goes on with what comes. */
static void test_enough(void **state)
{
	struct errand_args args = {.what = ERRAND_STACKS, .goid = 1ull << 40};
	struct doer doer = {0};
	struct deputy *d;

	assert_int_equal(deputy_new("deputy", run, &doer, &d), 0);
	for (int i = 0; i < 20; i++) {
		struct taker taker = {.stop_at = 1 + (uint64_t)i % 3};

		assert_int_equal(deputy_ask_each(d, &args, take, &taker), -EFBIG);
		assert_int_equal(taker.pieces, taker.stop_at);
	}
	args.goid = 10;
	assert_int_equal(deputy_ask(d, &args, NULL), 0);
	assert_int_equal(atomic_load(&doer.stopped), 0);
	args.goid = 1ull << 40;
	assert_int_equal(deputy_ask_each(d, &args, take, &(struct taker){.stop_at = 1}), -EFBIG);
	deputy_free(d);
	assert_int_equal(atomic_load(&doer.stopped), -ECANCELED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_enough),
	};

	return cmocka_run_group_tests_name("deputy", tests, NULL, NULL);
}
