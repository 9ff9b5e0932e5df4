/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The heap profile of a program, from lists as no runtime leaves them: loops, ends in nowhere, what
 * is no bucket. The memory is this test's own; the functions are those of a real Go program
 * (tests/targets/kept). What a live program's says is held against Go in
 * tests/cases/heap_profile.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/memory/heap_profile.h"
#include "tests/unit/sample.h"

#define DEPTH 1024

/* runtime.bucket, its stack and the begin of its memRecord. */
struct bucket {
	uint64_t next, allnext, type, hash, size, depth;
	uint64_t stack[DEPTH], allocs, frees;
};

static struct target *target;
static uint64_t pc, rate = 1, head;
static struct bucket buckets[4];

static void set(struct bucket *b, const void *next, uint64_t size, uint64_t allocs, uint64_t frees)
{
	*b = (struct bucket){.allnext = (uintptr_t)next,
			     .type = 1,
			     .size = size,
			     .depth = DEPTH,
			     .allocs = allocs,
			     .frees = frees};
	for (unsigned i = 0; i < DEPTH; i++)
		b->stack[i] = pc;
}

static int read_all(struct heap_profile **ret)
{
	const struct heap_profile_at at = {.buckets = {(uintptr_t)&rate, (uintptr_t)&head},
					   .n_buckets = 2,
					   .rates = {(uintptr_t)&rate},
					   .n_rates = 1};

	return memory_heap_profile(target, &at, getpid(), 0, ret);
}

/* Reads so many places, and says whether there were more. */
static void expect(size_t n, bool cut)
{
	struct heap_profile *p;

	assert_int_equal(read_all(&p), 0);
	assert_int_equal(p->n, n);
	assert_int_equal(p->cut, cut);
	heap_profile_free(p);
}

static int setup(void **state)
{
	char path[SAMPLE_PATH_MAX];
	struct go_func func;

	if (!sample_build("local", "stripped", "kept", path))
		return 0;
	assert_int_equal(target_open(path, &target), 0);
	assert_int_equal(target_func_by_name(target, "main.enqueue", &func), 0);
	pc = func.entry + 1;
	return 0;
}

static int teardown(void **state)
{
	target_free(target);
	return 0;
}

static void test_list(void **state)
{
	struct heap_profile *p;

	if (!target)
		skip();
	set(&buckets[0], &buckets[1], 100, 7, 3);
	set(&buckets[1], NULL, 8, 5, 5);
	head = (uintptr_t)&buckets[0];
	rate = 1;
	assert_int_equal(read_all(&p), 0);
	assert_int_equal(p->n, 2);
	assert_false(p->cut);
	assert_int_equal(p->places[0].in_use_bytes, 400);
	assert_int_equal(p->places[0].in_use_objects, 4);
	assert_int_equal(p->places[0].alloc_bytes, 700);
	assert_int_equal(p->places[0].n, DEPTH);
	assert_int_equal(p->pcs[p->places[1].first], pc);
	assert_int_equal(p->places[1].in_use_bytes, 0);
	heap_profile_free(p);
	/* A sample of 100 bytes, one in a million or so, stands for many. */
	rate = 1 << 20;
	assert_int_equal(read_all(&p), 0);
	assert_in_range(p->places[0].in_use_objects, 4 * 10400, 4 * 10600);
	heap_profile_free(p);
}

static void test_rates(void **state)
{
	struct heap_profile *p;

	if (!target)
		skip();
	set(&buckets[0], NULL, 100, 7, 3);
	head = (uintptr_t)&buckets[0];
	rate = 0; /* it keeps none */
	assert_int_equal(read_all(&p), 0);
	assert_int_equal(p->rate, 0);
	assert_int_equal(p->n, 0);
	heap_profile_free(p);
	rate = UINT64_MAX; /* it is something else */
	assert_int_equal(read_all(&p), -ENOSYS);
	rate = 1;
	head = 0; /* nothing was sampled yet */
	expect(0, false);
}

static void test_lies(void **state)
{
	struct heap_profile *p;

	if (!target)
		skip();
	rate = 1;
	head = (uintptr_t)&buckets[0];
	set(&buckets[0], &buckets[1], 100, 3, 7); /* torn: more are freed than were allocated */
	set(&buckets[1], &buckets[2], UINT64_MAX, UINT64_MAX, 1);
	set(&buckets[2], NULL, 8, 1, 0);
	rate = 1 << 20;
	expect(3, false);
	rate = 1;
	expect(3, false);
	buckets[1].type = 2; /* of another list */
	expect(1, true);
	buckets[1].type = 1;
	buckets[1].depth = UINT64_MAX;
	expect(1, true);
	buckets[1].depth = 0;
	expect(1, true);
	buckets[0].allnext += 4;
	expect(1, true);
	buckets[0].allnext = 4096 * 8; /* nothing is mapped there */
	expect(1, true);
	buckets[0].stack[0] = 8; /* the first is no place in the code: no list at all */
	expect(0, false);
	/* It goes on for ever. */
	set(&buckets[0], &buckets[1], 1, 1, 0);
	set(&buckets[1], &buckets[0], 1, 1, 0);
	assert_int_equal(read_all(&p), 0);
	assert_true(p->cut);
	assert_true(p->n <= HEAP_PLACES_MAX && p->n_pcs <= (5u << 20));
	heap_profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_lies),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
