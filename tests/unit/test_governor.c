/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* core/engine/governor: the costliest goes first, the states last, and what fits again comes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "core/engine/governor.h"
#include "core/base/util.h"

static const uint32_t all_on[EVENT_TYPES] = {RATE_ONE, RATE_ONE, RATE_ONE,
					     RATE_ONE, RATE_ONE, RATE_ONE};

/* A second of a program whose hits cost a microsecond each. */
static bool second(struct governor *g, uint64_t now_s, const uint64_t hits[EVENT_TYPES],
		   uint32_t rates[EVENT_TYPES])
{
	struct governor_second s = {.now_ns = now_s * NS_PER_SEC};
	char why[200];

	for (size_t i = 0; i < EVENT_TYPES; i++) {
		s.events[i] = hits[i] * rates[i] / RATE_ONE;
		if (rates[i] && i != EVENT_NEWGOROUTINE && i != EVENT_GOEXIT)
			s.overhead_percent += (double)hits[i] / 1e6 * 100;
	}
	return governor_step(g, &s, rates, why, sizeof(why));
}

static void without_a_bound_nothing_happens(void **state)
{
	const uint64_t hits[EVENT_TYPES] = {900000, 900000, 0, 900000, 0, 0};
	uint32_t rates[EVENT_TYPES];
	struct governor g;

	memcpy(rates, all_on, sizeof(rates));
	governor_init(&g, 0, rates);
	for (uint64_t t = 1; t < 100; t++)
		assert_false(second(&g, t, hits, rates));
}

/* Fewer hits, but each is stepped out of line. */
static void what_a_hit_costs_counts(void **state)
{
	struct governor_second s = {.now_ns = NS_PER_SEC, .overhead_percent = 50};
	uint32_t rates[EVENT_TYPES];
	struct governor g;
	char why[200];

	memcpy(rates, all_on, sizeof(rates));
	governor_init(&g, 35, rates);
	s.events[EVENT_NEWOBJECT] = 100000;
	s.hit_ns[EVENT_NEWOBJECT] = 1000;
	s.events[EVENT_MAKESLICE] = 20000;
	s.hit_ns[EVENT_MAKESLICE] = 10000;
	s.events[EVENT_CASGSTATUS] = 50000;
	s.hit_ns[EVENT_CASGSTATUS] = 1000;
	assert_true(governor_step(&g, &s, rates, why, sizeof(why)));
	assert_int_equal(rates[EVENT_MAKESLICE], 0);
	assert_int_equal(rates[EVENT_NEWOBJECT], RATE_ONE);
	/* 200 of 350 ms */
	assert_non_null(strstr(why, "makeslice off (about 57% of it)"));
}

static void the_costliest_goes_first_and_the_states_last(void **state)
{
	const uint64_t hits[EVENT_TYPES] = {300000, 100000, 100, 200000, 50, 50};
	uint32_t rates[EVENT_TYPES];
	struct governor g;
	uint64_t t = 1;

	memcpy(rates, all_on, sizeof(rates));
	governor_init(&g, 35, rates);
	assert_true(second(&g, t, hits, rates));
	assert_int_equal(rates[EVENT_NEWOBJECT], 0);
	assert_int_equal(rates[EVENT_MAKESLICE], RATE_ONE);
	/* The second in which it changed is not judged. */
	assert_false(second(&g, t + 1, hits, rates));
	assert_true(second(&g, t + 2, hits, rates));
	assert_int_equal(rates[EVENT_MAKESLICE], 0);
	assert_int_equal(rates[EVENT_CASGSTATUS], RATE_ONE);
	assert_false(second(&g, t + 4, hits, rates));

	governor_reset(&g, 5, all_on);
	memcpy(rates, all_on, sizeof(rates));
	for (t = 20; t < 28; t++)
		second(&g, t, hits, rates);
	assert_int_equal(rates[EVENT_CASGSTATUS], 0);
	assert_int_equal(rates[EVENT_MAKEMAP], RATE_ONE);
}

static void what_fits_again_comes_back_and_a_misfit_waits_longer(void **state)
{
	const uint64_t busy[EVENT_TYPES] = {10000, 0, 0, 500000, 0, 0};
	const uint64_t calm[EVENT_TYPES] = {10000, 0, 0, 10000, 0, 0};
	uint32_t rates[EVENT_TYPES];
	struct governor g;
	uint64_t t, first_off = 0, changes = 0;

	memcpy(rates, all_on, sizeof(rates));
	governor_init(&g, 10, rates);
	for (t = 1; t < 200; t++) {
		if (second(&g, t, busy, rates)) {
			changes++;
			if (!first_off)
				first_off = t;
		}
	}
	assert_int_equal(first_off, 1);
	/* Off, then tried and off again after 10, 20, 40, 80 seconds: never an endless flutter. */
	assert_in_range(changes, 5, 11);
	for (; t < 2000; t++)
		second(&g, t, calm, rates);
	assert_int_equal(rates[EVENT_NEWOBJECT], RATE_ONE);
}

static void a_sampled_rate_comes_back_as_it_was(void **state)
{
	const uint64_t busy[EVENT_TYPES] = {0, 0, 0, 500000, 0, 0};
	const uint64_t calm[EVENT_TYPES] = {0};
	uint32_t rates[EVENT_TYPES] = {0, 0, 0, 100, 0, 0};
	struct governor g;
	uint64_t t;

	governor_init(&g, 10, rates);
	assert_true(second(&g, 1, busy, rates));
	assert_int_equal(rates[EVENT_NEWOBJECT], 0);
	for (t = 2; t < 100; t++)
		second(&g, t, calm, rates);
	assert_int_equal(rates[EVENT_NEWOBJECT], 100);
	assert_int_equal(rates[EVENT_CASGSTATUS], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_bound_nothing_happens),
		cmocka_unit_test(what_a_hit_costs_counts),
		cmocka_unit_test(the_costliest_goes_first_and_the_states_last),
		cmocka_unit_test(what_fits_again_comes_back_and_a_misfit_waits_longer),
		cmocka_unit_test(a_sampled_rate_comes_back_as_it_was),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
