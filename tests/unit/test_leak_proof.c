/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What makes a leak proven: the same goroutines, parked alike, in one pass after another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/memory/leak_proof.h"

static size_t pass(struct leak_proof *p, uint64_t at_ns, const struct parked_goroutine *list,
		   size_t n)
{
	struct unreachable u = {.begin_ns = at_ns, .end_ns = at_ns + 10, .n = n};
	size_t proven;

	u.list = (struct parked_goroutine *)list;
	assert_int_equal(leak_proof_add(p, &u), 0);
	leak_proof_goids(p, &proven);
	return proven;
}

/* So many passes a second apart; how many are proven after the last. */
static size_t pass_often(struct leak_proof *p, unsigned times, uint64_t *at_s,
			 const struct parked_goroutine *list, size_t n)
{
	size_t proven = 0;

	for (unsigned i = 0; i < times; i++)
		proven = pass(p, ++*at_s * NS_PER_SEC, list, n);
	return proven;
}

static void test_proof(void **state)
{
	const struct parked_goroutine both[] = {{7, 100, 200, false}, {9, 100, 300, false}};
	const struct parked_goroutine moved[] = {{7, 100, 208, false}, {9, 100, 300, false}};
	struct leak_proof *p;
	uint64_t at = 0;
	size_t n;

	assert_int_equal(leak_proof_new(&p), 0);
	assert_int_equal(pass_often(p, 1, &at, both, 2), 0);
	assert_int_equal(leak_proof_open(p), 2);
	/* One is elsewhere by now: it begins anew. */
	assert_int_equal(pass_often(p, LEAK_PASSES - 2, &at, moved, 2), 0);
	assert_int_equal(pass_often(p, 1, &at, moved, 2), 1);
	assert_int_equal(leak_proof_goids(p, &n)[0], 9);
	assert_int_equal(leak_proof_open(p), 1);
	assert_int_equal(pass_often(p, 1, &at, moved, 2), 2);
	assert_int_equal(pass_often(p, 1, &at, NULL, 0), 0);
	assert_int_equal(leak_proof_open(p), 0);
	/* So often in no time proves nothing. */
	for (uint64_t i = 0; i < 10 * LEAK_PASSES; i++)
		assert_int_equal(pass(p, (at + 1) * NS_PER_SEC + i, both, 1), 0);
	leak_proof_free(p);
}

/* One that a pass does not name was met: it moves, and takes twice as many from then on; in another
 * park it does not. */
static void test_proof_met(void **state)
{
	const struct parked_goroutine both[] = {{7, 100, 200, false}, {9, 100, 300, false}};
	const struct parked_goroutine moved[] = {{9, 100, 308, false}};
	struct leak_proof *p;
	uint64_t at = 0;

	assert_int_equal(leak_proof_new(&p), 0);
	assert_int_equal(pass_often(p, LEAK_PASSES, &at, both, 2), 2);
	assert_int_equal(pass_often(p, 3, &at, both, 1), 1);
	assert_int_equal(pass_often(p, 2 * LEAK_PASSES - 1, &at, both, 2), 1);
	assert_int_equal(leak_proof_open(p), 1);
	assert_int_equal(pass_often(p, 1, &at, both, 2), 2);
	assert_int_equal(pass_often(p, 1, &at, both, 1), 1);
	assert_int_equal(pass_often(p, 4 * LEAK_PASSES - 1, &at, both, 2), 1);
	assert_int_equal(pass_often(p, 1, &at, both, 2), 2);
	assert_int_equal(pass_often(p, LEAK_PASSES - 1, &at, moved, 1), 0);
	assert_int_equal(pass_often(p, 1, &at, moved, 1), 1);
	leak_proof_free(p);
}

/* A pass that was disturbed is worth some more; who is on its way is not. */
static void test_proof_steady(void **state)
{
	const struct parked_goroutine both[] = {{7, 100, 200, false}, {9, 100, 300, false}};
	struct leak_proof *p;
	uint64_t at = 0;

	assert_int_equal(leak_proof_new(&p), 0);
	assert_int_equal(pass_often(p, LEAK_PASSES - 1, &at, both, 1), 0);
	assert_int_equal(leak_proof_steady(p), 1);
	/* Neither who was named now for the first time; nor is he forgotten who is not named this
	 * once. */
	assert_int_equal(pass_often(p, 1, &at, &both[1], 1), 0);
	assert_int_equal(leak_proof_steady(p), 1);
	assert_int_equal(pass_often(p, 2 * LEAK_PASSES - 1, &at, both, 1), 0);
	assert_int_equal(leak_proof_steady(p), 1);
	assert_int_equal(pass_often(p, 1, &at, both, 1), 1);
	assert_int_equal(leak_proof_steady(p), 0);
	/* Gone for good. */
	assert_int_equal(pass_often(p, 1, &at, NULL, 0), 0);
	assert_int_equal(leak_proof_steady(p), 1);
	assert_int_equal(pass_often(p, 3, &at, NULL, 0), 0);
	assert_int_equal(leak_proof_steady(p), 0);
	leak_proof_free(p);
}

/* Who is on a processor all the while may hold the only pointer in a register. */
static void test_proof_restless(void **state)
{
	const struct parked_goroutine one = {7, 100, 200, false};
	uint64_t spinner = 5, others[] = {5, 30};
	struct unreachable u = {.list = (struct parked_goroutine *)&one, .n = 1};
	struct leak_proof *p;
	size_t n;

	assert_int_equal(leak_proof_new(&p), 0);
	for (unsigned i = 1; i <= 3 * LEAK_PASSES; i++) {
		u.begin_ns = u.end_ns = i * NS_PER_SEC;
		u.running = i % 3 ? &spinner : others; /* 30 comes and goes */
		u.n_running = i % 3 ? 1 : 2;
		assert_int_equal(leak_proof_add(p, &u), 0);
		leak_proof_goids(p, &n);
		assert_int_equal(n, 0);
		assert_int_equal(leak_proof_open(p), 1);
	}
	assert_int_equal(leak_proof_restless(p), 1);
	/* Once at rest while the other was out of reach: it had it not. */
	u.begin_ns = u.end_ns += NS_PER_SEC;
	u.running = &others[1];
	u.n_running = 1;
	assert_int_equal(leak_proof_add(p, &u), 0);
	leak_proof_goids(p, &n);
	assert_int_equal(n, 1);
	assert_int_equal(leak_proof_restless(p), 0);
	leak_proof_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proof),
		cmocka_unit_test(test_proof_met),
		cmocka_unit_test(test_proof_steady),
		cmocka_unit_test(test_proof_restless),
	};

	return cmocka_run_group_tests_name("leak_proof", tests, NULL, NULL);
}
