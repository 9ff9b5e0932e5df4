/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* core/engine/estimate: what was not seen between windows is within the error that is stated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/base/util.h"
#include "core/engine/estimate.h"

struct world {
	unsigned seed;
	struct estimate e;
	struct estimate_counts now; /* what was seen */
	double unseen;
};

static double chance(struct world *w)
{
	w->seed = w->seed * 1664525 + 1013904223;
	return (double)(w->seed >> 8) / (1 << 24);
}

/* So much CPU time, with `rate` events a millisecond, which come in bursts of their own. */
static void pass(struct world *w, double ms, double rate, bool seen)
{
	for (double t = 0; t < ms; t += 1) {
		double n = rate * (0.5 + chance(w));
		uint64_t whole = (uint64_t)(n + chance(w));

		if (seen)
			w->now.events[EVENT_NEWOBJECT] += whole;
		else
			w->unseen += (double)whole;
		w->now.cpu_ns += 1000000;
	}
}

static void window(struct world *w, double closed_ms, double open_ms, double rate)
{
	estimate_closed(&w->e, &w->now);
	pass(w, closed_ms, rate, false);
	estimate_opened(&w->e, &w->now);
	pass(w, open_ms, rate, true);
}

static void within_its_error(void **state)
{
	uint64_t missed[EVENT_TYPES], error[EVENT_TYPES];
	unsigned good = 0;

	for (unsigned seed = 0; seed < 200; seed++) {
		struct world w = {.seed = seed * 7919 + 1};
		double rate = 0.02 + (double)(seed % 20);

		estimate_opened(&w.e, &w.now);
		pass(&w, 50, rate, true);
		for (int i = 0; i < 40; i++) {
			/* Load that goes up and down, slower than windows come. */
			window(&w, 400, 50, rate * (1 + 0.5 * sin(i / 5.0 + seed)));
		}
		estimate_closed(&w.e, &w.now);
		(void)estimate_get(&w.e, &w.now, missed, error);
		good += fabs((double)missed[EVENT_NEWOBJECT] - w.unseen) <=
			(double)error[EVENT_NEWOBJECT];
		/* And says something. */
		assert_true((double)error[EVENT_NEWOBJECT] < 0.5 * w.unseen + 200);
	}
	assert_in_range(good, 180, 200);
}

static void what_was_never_seen_may_have_been(void **state)
{
	uint64_t missed[EVENT_TYPES], error[EVENT_TYPES];
	struct world w = {.seed = 1};

	estimate_opened(&w.e, &w.now);
	pass(&w, 50, 0, true);
	for (int i = 0; i < 10; i++)
		window(&w, 500, 50, 0);
	estimate_closed(&w.e, &w.now);
	(void)estimate_get(&w.e, &w.now, missed, error);
	assert_int_equal(missed[EVENT_NEWOBJECT], 0);
	assert_true(error[EVENT_NEWOBJECT] > 10);
}

static void without_gaps_nothing_is_unseen(void **state)
{
	uint64_t missed[EVENT_TYPES], error[EVENT_TYPES];
	struct world w = {.seed = 1};

	estimate_opened(&w.e, &w.now);
	pass(&w, 5000, 3, true);
	(void)estimate_get(&w.e, &w.now, missed, error);
	assert_int_equal(missed[EVENT_NEWOBJECT], 0);
	assert_int_equal(error[EVENT_NEWOBJECT], 0);
}

/* A program takes several times as long while it is watched: what the hits take is not its own. */
static void what_tracing_costs_is_not_the_programs(void **state)
{
	uint64_t missed[EVENT_TYPES], error[EVENT_TYPES];
	struct world w = {.seed = 3};

	for (int i = 0; i < 20; i++) {
		estimate_opened(&w.e, &w.now);
		pass(&w, 50, 10, true);
		w.now.cpu_ns += 120000000;
		w.now.hits_ns += 120000000;
		estimate_closed(&w.e, &w.now);
		pass(&w, 1000, 10, false);
	}
	assert_true(estimate_get(&w.e, &w.now, missed, error));
	assert_true(fabs((double)missed[EVENT_NEWOBJECT] - w.unseen) < 0.1 * w.unseen);
	assert_true(error[EVENT_NEWOBJECT] > 0.25 * w.unseen); /* the price may be wrong */
}

/* After one window its rate is all there is; before one, nothing. */
static void what_nothing_tells_of_is_unknown(void **state)
{
	uint64_t missed[EVENT_TYPES], error[EVENT_TYPES];
	struct world w = {.seed = 5};

	estimate_opened(&w.e, &w.now);
	assert_true(estimate_get(&w.e, &w.now, missed, error));
	estimate_closed(&w.e, &w.now);
	pass(&w, 1000, 10, false);
	assert_false(estimate_get(&w.e, &w.now, missed, error));
	estimate_opened(&w.e, &w.now);
	pass(&w, 50, 10, true);
	estimate_closed(&w.e, &w.now);
	pass(&w, 1000, 10, false);
	assert_true(estimate_get(&w.e, &w.now, missed, error));
	assert_true(missed[EVENT_NEWOBJECT] > 0.5 * w.unseen);
	assert_true(fabs((double)missed[EVENT_NEWOBJECT] - w.unseen) <= error[EVENT_NEWOBJECT]);
}

/* A program that sleeps, counters that go back. */
static void odd_counts_are_borne(void **state)
{
	uint64_t missed[EVENT_TYPES], error[EVENT_TYPES];
	struct world w = {.seed = 1};

	estimate_closed(&w.e, &w.now);
	estimate_opened(&w.e, &w.now);
	estimate_closed(&w.e, &w.now);
	window(&w, 0, 0, 0);
	window(&w, 100, 0, 2);
	window(&w, 100, 50, 2);
	w.now.cpu_ns = 0;
	memset(w.now.events, 0, sizeof(w.now.events));
	window(&w, 100, 50, 2);
	window(&w, 100, 50, 2);
	estimate_closed(&w.e, &w.now);
	(void)estimate_get(&w.e, &w.now, missed, error);
	assert_true(missed[EVENT_NEWOBJECT] < 2000 && error[EVENT_NEWOBJECT] < 2000);
}

/* Goroutines come in bursts that each window meets: the rate says ten times as many as there were.
 */
static void goids_bound_what_began_and_ended(void **state)
{
	uint64_t missed[EVENT_TYPES], error[EVENT_TYPES], began = 0;
	struct estimate_counts now = {.live_known = true, .live = 7, .procs_run = 1};
	struct estimate e = {0};

	now.goids_least = now.goids_most = 1000;
	now.procs_seen = 1;
	for (int i = 0; i < 20; i++) {
		estimate_opened(&e, &now);
		now.events[EVENT_NEWGOROUTINE] += 100;
		now.events[EVENT_GOEXIT] += 105;
		now.goids_least = now.goids_most += 100;
		now.cpu_ns += 10000000;
		estimate_closed(&e, &now);
		now.cpu_ns += 100000000;
		now.goids_least = now.goids_most += 100;
		began += 100;
		assert_true(estimate_get(&e, &now, missed, error));
		assert_int_equal(missed[EVENT_NEWGOROUTINE], began);
		assert_int_equal(error[EVENT_NEWGOROUTINE], 0);
		assert_true(missed[EVENT_GOEXIT] <= began + 7);
		assert_true(error[EVENT_GOEXIT] <= began + 7);
	}
	/* Read while it changed: between the two bounds. */
	now.goids_most += 30;
	assert_true(estimate_get(&e, &now, missed, error));
	assert_int_equal(missed[EVENT_NEWGOROUTINE], began + 30);
	assert_int_equal(error[EVENT_NEWGOROUTINE], 30);
	/* Another process came: its numbers do not compare. */
	now.procs_seen = 2;
	assert_true(estimate_get(&e, &now, missed, error));
	assert_true(missed[EVENT_NEWGOROUTINE] > began + 500);
}

/* They are read out of a program's memory, which may hold anything. */
/* A window is closed while events are on their way: what they tell of is not taken for what began
 * between windows. */
static void what_is_on_the_way_is_in_the_error(void **state)
{
	uint64_t missed[EVENT_TYPES], error[EVENT_TYPES];
	struct estimate_counts now = {.procs_seen = 1, .procs_run = 1};
	struct estimate e = {0};

	now.goids_least = now.goids_most = 1000;
	estimate_opened(&e, &now);
	/* 500 began, 100 of them are counted; then 1000 unseen ones, and the rest is counted. */
	now.cpu_ns += NS_PER_SEC;
	now.goids_least = now.goids_most += 500;
	now.events[EVENT_NEWGOROUTINE] += 100;
	now.on_the_way = 400;
	estimate_closed(&e, &now);
	now.cpu_ns += NS_PER_SEC;
	now.goids_least = now.goids_most += 1000;
	now.events[EVENT_NEWGOROUTINE] += 400;
	now.on_the_way = 0;
	estimate_opened(&e, &now);
	now.cpu_ns += NS_PER_SEC;
	estimate_closed(&e, &now);
	assert_true(estimate_get(&e, &now, missed, error));
	assert_true(missed[EVENT_NEWGOROUTINE] <= 1000 + error[EVENT_NEWGOROUTINE]);
	assert_true(missed[EVENT_NEWGOROUTINE] + error[EVENT_NEWGOROUTINE] >= 1000);
	assert_true(error[EVENT_NEWGOROUTINE] <= 400);
}

static void goids_of_any_size_are_borne(void **state)
{
	uint64_t missed[EVENT_TYPES], error[EVENT_TYPES];
	struct estimate_counts now = {.live_known = true, .live = 7, .procs_run = 1};
	struct estimate e = {0};

	now.procs_seen = 1;
	for (int i = 0; i < 3; i++) {
		now.goids_least = now.goids_most = UINT64_MAX;
		estimate_opened(&e, &now);
		now.events[EVENT_NEWGOROUTINE] += 100;
		now.cpu_ns += 10000000;
		estimate_closed(&e, &now);
		now.events[EVENT_NEWGOROUTINE] += 1;
		now.cpu_ns += 10000000;
		assert_true(estimate_get(&e, &now, missed, error));
		assert_int_equal(missed[EVENT_NEWGOROUTINE], 0);
	}
	for (int i = 0; i < 3; i++) {
		now.goids_least = now.goids_most = 1;
		estimate_opened(&e, &now);
		now.cpu_ns += 10000000;
		estimate_closed(&e, &now);
		now.cpu_ns += 10000000;
		now.goids_least = now.goids_most = UINT64_MAX;
		estimate_opened(&e, &now);
		now.cpu_ns += 10000000;
		estimate_closed(&e, &now);
	}
	assert_true(estimate_get(&e, &now, missed, error));
	assert_int_equal(missed[EVENT_NEWGOROUTINE], UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(within_its_error),
		cmocka_unit_test(what_was_never_seen_may_have_been),
		cmocka_unit_test(without_gaps_nothing_is_unseen),
		cmocka_unit_test(what_tracing_costs_is_not_the_programs),
		cmocka_unit_test(what_nothing_tells_of_is_unknown),
		cmocka_unit_test(odd_counts_are_borne),
		cmocka_unit_test(goids_bound_what_began_and_ended),
		cmocka_unit_test(what_is_on_the_way_is_in_the_error),
		cmocka_unit_test(goids_of_any_size_are_borne),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
