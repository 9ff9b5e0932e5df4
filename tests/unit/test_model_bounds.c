/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the model keeps and forgets: bounds, and memory that is given back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/model_fixture.h"

static void test_bytes(void **state)
{
	struct fixture *x = *state;
	struct go_type t = {.name = "main.T", .size = 24, .kind = 25};
	struct event slice = {.type = EVENT_MAKESLICE, .goid = 4, .len = 1, .cap = 10};
	struct allocation *rows;
	size_t n;

	slice.type_id = names_add_type(x->names, &t);
	apply(x, 1, slice);
	slice.cap = (uint64_t)-1; /* make() panics */
	apply(x, 1, slice);
	slice.cap = 1ull << 60;
	apply(x, 1, slice);
	slice.type_id = 12345; /* no such type */
	slice.cap = 10;
	apply(x, 1, slice);
	apply(x, 1, (struct event){.type = EVENT_MAKEMAP, .goid = 4, .hint = 1000});
	apply(x, 1, object(4, 96));
	assert_int_equal(get(x, 4).alloc_bytes, 240 + 96);
	assert_int_equal(model_allocations(x->m, 0, 4, &rows, &n), 0);
	assert_int_equal(n, 4);
	assert_int_equal(rows[0].event_type, EVENT_MAKESLICE);
	assert_int_equal(rows[0].bytes, 240);
	assert_int_equal(rows[0].count, 3);
	assert_int_equal(rows[0].type_id, 1);
	assert_int_equal(rows[1].event_type, EVENT_NEWOBJECT);
	assert_int_equal(rows[2].type_id, 0);
	assert_int_equal(rows[2].bytes, 0);
	free(rows);
	assert_int_equal(model_allocations(x->m, 0, 5, &rows, &n), -ENOENT);
	assert_int_equal(model_type_totals(x->m, 3, &rows, &n), -ENOENT);
}

/* More types than a goroutine has rows for: nothing is dropped, the rest has no name. */
static void test_many_types(void **state)
{
	struct fixture *x = *state;
	uint64_t count = 0, bytes = 0, rest = 0;
	struct allocation *rows;
	size_t n;

	for (uint32_t i = 1; i <= 200; i++) {
		struct go_type t = {.name = "T", .size = i, .kind = 25};
		struct event ev = object(4, i);

		ev.type_id = names_add_type(x->names, &t);
		assert_int_equal(ev.type_id, i);
		for (int again = 0; again < 3; again++)
			apply(x, 1, ev);
	}
	apply(x, 1, object(4, 5)); /* an unknown type is the rest, too */
	assert_int_equal(model_allocations(x->m, 0, 4, &rows, &n), 0);
	assert_int_equal(n, 65);
	for (size_t i = 0; i < n; i++) {
		count += rows[i].count;
		bytes += rows[i].bytes;
		if (rows[i].type_id == 0)
			rest += rows[i].count;
		else
			assert_int_equal(rows[i].bytes, 3 * rows[i].type_id);
	}
	assert_int_equal(count, 601);
	assert_int_equal(bytes, 3 * 200 * 201 / 2 + 5);
	assert_int_equal(rest, 3 * (200 - 64) + 1);
	free(rows);
	assert_int_equal(model_type_totals(x->m, 0, &rows, &n), 0);
	assert_int_equal(n, 201);
	assert_int_equal(rows[0].bytes, 600);
	free(rows);
	assert_int_equal(totals(x).dropped_rows, 0);
}

static void test_exited_bound(void **state)
{
	struct fixture *x = *state;
	struct goroutine g, *all;
	size_t n;

	model_free(x->m);
	make(x, 1000, 5);
	for (uint64_t goid = 1; goid <= 20; goid++) {
		apply(x, goid, move(0, goid, GSTATE_DEAD, GSTATE_RUNNABLE));
		apply(x, goid, move(goid, goid, GSTATE_RUNNABLE, GSTATE_RUNNING));
		if (goid % 2)
			apply(x, goid, move(goid, goid, GSTATE_RUNNING, GSTATE_DEAD));
	}
	assert_int_equal(totals(x).exited_retained, 5);
	assert_int_equal(totals(x).exited_dropped, 5);
	assert_int_equal(totals(x).live_total, 10);
	assert_int_equal(model_goroutine(x->m, 0, 9, &g), -ENOENT);
	assert_int_equal(model_goroutine(x->m, 0, 11, &g), 0);
	assert_int_equal(all_goroutines(x->m, 0, true, &all, &n), 0);
	assert_int_equal(n, 15);
	for (size_t i = 1; i < n; i++)
		assert_true(all[i - 1].goid < all[i].goid);
	free(all);
	assert_int_equal(all_goroutines(x->m, 0, false, &all, &n), 0);
	assert_int_equal(n, 10);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(all[i].goid, 2 * (i + 1));
	free(all);
	assert_int_equal(all_goroutines(x->m, 7, false, &all, &n), -ENOENT);
	/* None kept at all. */
	model_free(x->m);
	make(x, 1000, 0);
	apply(x, 1, move(1, 1, GSTATE_RUNNING, GSTATE_DEAD));
	assert_int_equal(totals(x).exited_retained, 0);
	assert_int_equal(totals(x).exited_dropped, 1);
	assert_int_equal(model_goroutine(x->m, 0, 1, &g), -ENOENT);
}

/* One that is made, runs `func_id` and ends. */
static void live_once(struct fixture *x, uint64_t goid, uint32_t func_id)
{
	struct event ev = go(1, goid);

	ev.string_id = func_id;
	apply(x, goid, move(0, goid, GSTATE_DEAD, GSTATE_RUNNABLE));
	apply(x, goid, ev);
	apply(x, goid, move(goid, goid, GSTATE_RUNNABLE, GSTATE_RUNNING));
	apply(x, goid, move(goid, goid, GSTATE_RUNNING, GSTATE_DEAD));
}

static void check_func(struct fixture *x, uint32_t func_id, uint64_t goid)
{
	uint64_t *goids;
	size_t n;

	assert_int_equal(model_goids(x->m, 0, MODEL_BY_FUNC, func_id, &goids, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(goids[0], goid);
	free(goids);
}

/* Who ends seldom is still there when thousands of others have ended after it. */
static void test_last_ended(void **state)
{
	struct fixture *x = *state;
	uint32_t rare = names_intern(x->names, "main.mailer", 11);
	uint32_t often = names_intern(x->names, "main.request", 12);
	struct event ev = {.type = EVENT_GOEXIT, .goid = 2, .target = 2};
	uint32_t *keys;
	size_t n;

	model_free(x->m);
	make(x, 1000, 5);
	live_once(x, 2, rare);
	for (uint64_t goid = 10; goid < 2010; goid++)
		live_once(x, goid, often);
	assert_int_equal(get(x, 2).flags, GOROUTINE_EXITED | GOROUTINE_LAST_ENDED);
	assert_int_equal(get(x, 2).exited_ns, 2);
	assert_int_equal(get(x, 2009).flags, GOROUTINE_EXITED | GOROUTINE_LAST_ENDED);
	assert_int_equal(get(x, 2008).flags, GOROUTINE_EXITED);
	assert_int_equal(totals(x).exited_retained, 6);
	assert_int_equal(totals(x).exited_dropped, 1995);
	/* The function stays, though none of it lives. */
	assert_int_equal(model_keys(x->m, 0, MODEL_BY_FUNC, &keys, &n), 0);
	assert_int_equal(n, 3); /* and the one that made them, whose function is not known */
	free(keys);
	check_func(x, rare, 2);
	check_func(x, often, 2009);
	/* The event says whose end it is. */
	model_apply(x->m, &ev, 1);
	assert_int_equal(ev.string_id, rare);
	/* One that lives is all there is to be seen of it; the next that ends takes the place. */
	live_once(x, 3000, rare);
	assert_int_equal(totals(x).exited_retained, 5);
	check_func(x, rare, 3000);
	apply(x, 3001, move(0, 3001, GSTATE_DEAD, GSTATE_RUNNABLE));
	ev = go(1, 3001);
	ev.string_id = rare;
	apply(x, 3001, ev);
	check_func(x, rare, 3001);
	assert_int_equal(model_reset(x->m), 0);
	assert_int_equal(totals(x).exited_retained, 0);
	live_once(x, 4, rare);
	check_func(x, rare, 4);
}

/* As many functions as are kept, with their tables, and then no more. */
static void test_last_ended_bound(void **state)
{
	struct fixture *x = *state;

	model_free(x->m);
	make(x, 1000, 5);
	for (uint32_t k = 0; k < LAST_ENDED_MAX + 100; k++)
		live_once(x, 2 + k, 1 + k);
	assert_int_equal(totals(x).exited_retained, LAST_ENDED_MAX + 5);
	assert_int_equal(get(x, 2).exited_ns, 2);
}

/* Memory does not grow with the number of goroutines that come and go. */
static void test_memory_flat(void **state)
{
	struct fixture *x = *state;
	uint64_t before = 0;

	for (uint64_t goid = 1; goid <= 30000; goid++) {
		apply(x, goid, move(0, goid, GSTATE_DEAD, GSTATE_RUNNABLE));
		apply(x, goid, move(goid, goid, GSTATE_RUNNABLE, GSTATE_RUNNING));
		for (uint64_t size = 0; size < 6; size++) {
			struct event ev = object(goid, size);

			ev.type = (uint8_t)(EVENT_MAKESLICE + size % 3);
			apply(x, goid, ev);
		}
		apply(x, goid, move(goid, goid, GSTATE_RUNNING, GSTATE_DEAD));
		if (goid == 10000)
			before = totals(x).memory_bytes;
	}
	assert_int_equal(totals(x).memory_bytes, before);
	assert_int_equal(totals(x).exited_retained, 100);
	assert_int_equal(totals(x).trimmed, 30000 * 9 - 1000);
}

/* A burst of very many goroutines is paid back when they are gone. */
static void test_memory_returned(void **state)
{
	struct fixture *x = *state;
	uint64_t before = totals(x).memory_bytes, at_most;

	for (uint64_t goid = 1; goid <= 50000; goid++)
		apply(x, goid, move(0, goid, GSTATE_DEAD, GSTATE_RUNNABLE));
	at_most = totals(x).memory_bytes;
	for (uint64_t goid = 1; goid <= 50000; goid++)
		apply(x, goid, move(goid, goid, GSTATE_RUNNING, GSTATE_DEAD));
	assert_true(at_most > before + 20000000);
	assert_true(totals(x).memory_bytes < before + 1000000);
	/* And it goes on. */
	for (uint64_t goid = 50001; goid <= 51000; goid++)
		apply(x, goid, move(0, goid, GSTATE_DEAD, GSTATE_RUNNABLE));
	assert_int_equal(totals(x).live_total, 1000);
	assert_int_equal(get(x, 50500).state, GSTATE_RUNNABLE);
}

static void test_config(void **state)
{
	struct fixture *x = *state;
	struct model_config config = {.retain = 0, .workers = 1, .names = x->names};
	struct model *m;

	assert_int_equal(model_new(&config, &m), -EINVAL);
	config.retain = 1;
	config.workers = 0;
	config.wall_offset_ns = -5;
	assert_int_equal(model_new(&config, &m), 0);
	assert_int_equal(model_wall_offset(m), -5);
	assert_ptr_equal(model_names(m), x->names);
	model_free(m);
	config.workers = 100000;
	assert_int_equal(model_new(&config, &m), 0);
	model_free(m);
	model_free(NULL);
}

/* Numbers that would all share a place, for who knows how the table finds them: of a recorded
 * session, or a program that writes them into its memory. */
static void test_colliding(void **state)
{
	enum { N = 1 << 17 };
	/* 0x9e3779b97f4a7c15 times that is 1: of the product h the lower 32 bits of h ^ h >> 29
	 * were the place, and are 0. */
	const uint64_t inverse = 0xf1de83e19937733dull;
	uint64_t begun = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	struct fixture *x = *state;

	for (uint64_t i = 1; i <= N; i++) {
		uint64_t low = (i << 3 | (i >> 26 & 7)) & UINT32_MAX;

		apply(x, i, go(1, (i << 32 | low) * inverse));
	}
	assert_true(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begun < 20 * NS_PER_SEC);
	assert_int_equal(get(x, (1ull << 32 | 8) * inverse).state, GSTATE_RUNNABLE);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_bytes),           TEST(test_many_types),       TEST(test_exited_bound),
		TEST(test_last_ended),      TEST(test_last_ended_bound), TEST(test_memory_flat),
		TEST(test_memory_returned), TEST(test_config),           TEST(test_colliding),
	};

	return cmocka_run_group_tests_name("model_bounds", tests, NULL, NULL);
}
