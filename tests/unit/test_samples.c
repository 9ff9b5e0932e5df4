/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Samples summed up by stack and by goroutine: sums, errors, processes apart, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/model/samples.h"

static struct stack_sample of(uint32_t proc, uint64_t goid, uint64_t weight, uint32_t site)
{
	return (struct stack_sample){.time_ns = 5,
				     .goid = goid,
				     .weight = weight,
				     .size = 16,
				     .proc = proc,
				     .kind = SAMPLE_ALLOC,
				     .n = 2,
				     .sites = {site, 7}};
}

static void add(struct samples *s, uint32_t proc, uint64_t goid, uint64_t weight, uint32_t site)
{
	struct stack_sample sample = of(proc, goid, weight, site);

	samples_add(s, &sample);
}

static void test_sums(void **state)
{
	struct sample_row *rows;
	struct sample_totals totals;
	struct sample_sum sum;
	struct samples *s;
	size_t n;

	assert_int_equal(samples_new(&s), 0);
	add(s, 0, 1, 300, 11);
	add(s, 0, 2, 400, 11);
	add(s, 0, 2, 100, 12);
	add(s, 1, 2, 1000, 11); /* another process's */
	samples_lost(s, SAMPLE_ALLOC, 2, 50);
	assert_int_equal(samples_copy(s, 0, SAMPLE_ALLOC, &rows, &n, &totals), 0);
	assert_int_equal(n, 2);
	assert_int_equal(rows[0].sum.weight, 700);
	assert_int_equal(rows[0].sum.hits, 2);
	assert_int_equal(sample_error(&rows[0].sum), 500); /* of 300 and 400 */
	assert_int_equal((uint64_t)(rows[0].sum.objects * 16 + 0.5), 700);
	assert_int_equal(rows[0].n, 2);
	assert_int_equal(rows[0].sites[0], 11);
	assert_int_equal(rows[1].sum.weight, 100);
	assert_int_equal(totals.sum.weight, 800);
	assert_int_equal(totals.lost, 2);
	assert_int_equal(totals.lost_weight, 50);
	assert_int_equal(totals.from_ns, 5);
	free(rows);
	samples_of_goroutine(s, 0, SAMPLE_ALLOC, 2, &sum);
	assert_int_equal(sum.weight, 500);
	samples_of_goroutine(s, 0, SAMPLE_ALLOC, 3, &sum);
	assert_int_equal(sum.weight, 0);
	samples_free(s);
}

static void add_in_window(struct samples *s, uint8_t window, uint64_t weight, uint32_t site)
{
	struct stack_sample sample = of(0, 1, weight, site);

	sample.window = window;
	samples_add(s, &sample);
}

static uint64_t error_of(struct samples *s)
{
	struct sample_totals totals;

	samples_totals(s, 0, SAMPLE_ALLOC, &totals);
	return sample_error(&totals.sum);
}

/* What is in one window comes together: windows are held against each other, not samples. Half the
 * squares of 600 (the first has nobody to compare with), 0, 200, 800 (none in between), and 800
 * again. */
static void test_windows(void **state)
{
	struct sample_row *rows;
	struct sample_totals totals;
	struct samples *s;
	size_t n;

	assert_int_equal(samples_new(&s), 0);
	for (unsigned i = 0; i < 6; i++)
		add_in_window(s, SAMPLE_WINDOWS - 1, 100, 11);
	assert_int_equal(error_of(s), 424); /* sqrt(600 * 600 / 2) */
	for (unsigned i = 0; i < 3; i++)
		add_in_window(s, SAMPLE_WINDOWS, 200, 11 + i);
	assert_int_equal(error_of(s), 424);
	add_in_window(s, 1, 800, 11);
	assert_int_equal(error_of(s), 447); /* 180000 + 20000 */
	add_in_window(s, 3, 800, 11);
	assert_int_equal(error_of(s), 916); /* and twice 320000 */
	assert_int_equal(samples_copy(s, 0, SAMPLE_ALLOC, &rows, &n, &totals), 0);
	assert_int_equal(n, 3);
	assert_int_equal(totals.sum.weight, 2800);
	assert_int_equal(totals.sum.hits, 11);
	free(rows);
	/* All of the time again: each for itself. */
	add(s, 0, 1, 100, 11);
	assert_int_equal(error_of(s), 921); /* and 10000 */
	samples_free(s);
}

/* Stacks of goroutines: a state, a reason, a start function is another row; the last one of each
 * goroutine is known, by kind. */
static void test_last(void **state)
{
	struct stack_sample off = of(0, 9, 300, 11), made = of(0, 9, 4, 12);
	struct sample_totals totals;
	struct sample_row *rows, last;
	struct sample_sum sum;
	struct samples *s;
	uint64_t time_ns;
	size_t n;

	off.kind = SAMPLE_OFF_CPU;
	made.kind = SAMPLE_CREATED;
	assert_int_equal(samples_new(&s), 0);
	assert_false(samples_last(s, 0, SAMPLE_OFF_CPU, 9, &last, &time_ns));
	samples_add(s, &made);
	samples_add(s, &off);
	samples_add(s, &off);
	off.state = 4;
	samples_add(s, &off);
	off.reason_id = 3;
	samples_add(s, &off);
	off.start_func_id = 2;
	samples_add(s, &off);
	off.system = true;
	off.time_ns = 77;
	samples_add(s, &off);
	assert_int_equal(samples_copy(s, 0, SAMPLE_OFF_CPU, &rows, &n, &totals), 0);
	assert_int_equal(n, 5);
	assert_int_equal(rows[0].sum.weight, 600);
	assert_int_equal(rows[3].reason_id, 3);
	free(rows);
	assert_true(samples_last(s, 0, SAMPLE_OFF_CPU, 9, &last, &time_ns));
	assert_int_equal(time_ns, 77);
	assert_true(last.system && last.state == 4 && last.sites[0] == 11);
	assert_true(samples_last(s, 0, SAMPLE_CREATED, 9, &last, &time_ns));
	assert_int_equal(last.sites[0], 12);
	assert_false(samples_last(s, 1, SAMPLE_CREATED, 9, &last, &time_ns));
	assert_false(samples_last(s, 0, SAMPLE_CREATED, 8, &last, &time_ns));
	/* They are no allocations. */
	samples_of_goroutine(s, 0, SAMPLE_OFF_CPU, 9, &sum);
	assert_int_equal(sum.hits, 0);
	samples_free(s);
}

/* Were they taken at a time: from the first beginning on, but for what was switched off. */
static void test_on(void **state)
{
	struct samples *s;

	assert_int_equal(samples_new(&s), 0);
	assert_false(samples_on(s, SAMPLE_CPU, 1));
	samples_end(s, SAMPLE_CPU, 2); /* was never on */
	samples_begin(s, SAMPLE_CPU, 3);
	assert_true(samples_on(s, SAMPLE_CPU, 1000));
	samples_end(s, SAMPLE_CPU, 50);
	samples_end(s, SAMPLE_CPU, 90); /* is off already */
	assert_true(samples_begun(s, SAMPLE_CPU));
	assert_true(samples_on(s, SAMPLE_CPU, 50));
	assert_false(samples_on(s, SAMPLE_CPU, 51));
	samples_begin(s, SAMPLE_CPU, 100);
	assert_true(samples_on(s, SAMPLE_CPU, 101));
	assert_false(samples_on(s, SAMPLE_ALLOC, 101));
	samples_free(s);
}

/* Of one place: the best row and the weight of all, as a copy of all rows has it. */
static void test_best_at(void **state)
{
	struct stack_sample other = of(0, 3, 250, 11);
	struct sample_row best;
	struct samples *s;
	uint64_t weight;

	other.sites[1] = 8;
	assert_int_equal(samples_new(&s), 0);
	assert_false(samples_best_at(s, 0, SAMPLE_ALLOC, 11, &best, &weight));
	add(s, 0, 1, 100, 11);
	add(s, 0, 2, 100, 11);
	samples_add(s, &other);
	add(s, 0, 2, 5000, 7); /* is called there, and is at another place */
	add(s, 1, 2, 9000, 11);
	assert_true(samples_best_at(s, 0, SAMPLE_ALLOC, 11, &best, &weight));
	assert_int_equal(weight, 450);
	assert_int_equal(best.sum.weight, 250);
	assert_int_equal(best.sites[1], 8);
	assert_false(samples_best_at(s, 0, SAMPLE_CREATED, 11, &best, &weight));
	samples_free(s);
}

/* A process's totals are the sum of its rows, whichever number it has. */
static void test_totals(void **state)
{
	static const uint32_t procs[] = {0, 1, 2, 700};
	struct sample_totals totals, copied;
	struct sample_row *rows;
	struct samples *s;
	size_t n;

	assert_int_equal(samples_new(&s), 0);
	samples_totals(s, 9, SAMPLE_ALLOC, &totals);
	assert_int_equal(totals.sum.hits, 0);
	for (uint32_t i = 0; i < 1000; i++)
		add(s, procs[i % 4], i, i, i % 37);
	for (unsigned k = 0; k < ARRAY_SIZE(procs); k++) {
		struct sample_sum sum = {0};

		samples_totals(s, procs[k], SAMPLE_ALLOC, &totals);
		assert_int_equal(samples_copy(s, procs[k], SAMPLE_ALLOC, &rows, &n, &copied), 0);
		for (size_t i = 0; i < n; i++)
			sample_sum_up(&rows[i].sum, &sum);
		assert_int_equal(totals.sum.hits, 250);
		assert_int_equal(totals.sum.hits, sum.hits);
		assert_int_equal(totals.sum.weight, sum.weight);
		assert_int_equal(copied.sum.weight, sum.weight);
		assert_int_equal(sample_error(&totals.sum), sample_error(&sum));
		free(rows);
	}
	samples_free(s);
}

/* What is past the bound is one row without a stack, and none of it is missing in the totals. */
static void test_bounds(void **state)
{
	struct sample_totals totals;
	struct sample_row *rows;
	struct sample_sum sum;
	struct samples *s;
	uint64_t others = 0;
	size_t n;

	assert_int_equal(samples_new(&s), 0);
	for (uint32_t i = 0; i < SAMPLES_STACKS_MAX + 1000; i++)
		add(s, 0, i, 1, i);
	for (uint32_t i = 0; i < 2 * SAMPLES_GOROUTINES_MAX; i++)
		add(s, 0, 1000000 + i, 1, 1);
	assert_int_equal(samples_copy(s, 0, SAMPLE_ALLOC, &rows, &n, &totals), 0);
	assert_int_equal(n, SAMPLES_STACKS_MAX + 1);
	for (size_t i = 0; i < n; i++)
		others += rows[i].n ? 0 : rows[i].sum.weight;
	assert_int_equal(others, 1000);
	assert_int_equal(totals.sum.weight, SAMPLES_STACKS_MAX + 1000 + 2 * SAMPLES_GOROUTINES_MAX);
	assert_int_equal(totals.lost, 0);
	free(rows);
	/* The newest goroutine is known, the first forgotten. */
	samples_of_goroutine(s, 0, SAMPLE_ALLOC, 1000000 + 2 * SAMPLES_GOROUTINES_MAX - 1, &sum);
	assert_int_equal(sum.weight, 1);
	samples_of_goroutine(s, 0, SAMPLE_ALLOC, 0, &sum);
	assert_int_equal(sum.weight, 0);
	samples_free(s);
}

/* CPU time: the newest of the last ten minutes one by one, the last of each goroutine, marks; and
 * what fills one kind's tables leaves the others alone. */
static void test_recent(void **state)
{
	struct stack_sample cpu = of(0, 9, 1000, 11);
	struct sample_totals totals;
	struct sample_row *rows, last;
	struct sample_sum sum;
	struct samples *s;
	uint64_t from_ns;
	size_t n;

	cpu.kind = SAMPLE_CPU;
	cpu.size = 0;
	assert_int_equal(samples_new(&s), 0);
	assert_false(samples_begun(s, SAMPLE_CPU));
	samples_begin(s, SAMPLE_CPU, 3);
	assert_true(samples_begun(s, SAMPLE_CPU));
	for (unsigned i = 0; i < 700; i++) {
		cpu.time_ns = 1000 + i * NS_PER_SEC;
		cpu.goid = i % 2 ? 9 : 8;
		cpu.marks = i % 4 ? 0 : SAMPLE_IN_KERNEL;
		samples_add(s, &cpu);
	}
	assert_int_equal(samples_recent(s, 0, SAMPLE_CPU, 0, UINT64_MAX, &rows, &n, &from_ns), 0);
	assert_int_equal(n, 2);
	assert_int_equal(from_ns, 1000 + 99 * NS_PER_SEC);
	assert_int_equal(rows[0].goid, 8);
	assert_int_equal(rows[0].sum.hits, 300);
	assert_int_equal(rows[1].sum.hits, 301);
	assert_int_equal(rows[1].sum.weight, 301000);
	free(rows);
	assert_int_equal(
		samples_recent(s, 0, SAMPLE_CPU, 690 * NS_PER_SEC, UINT64_MAX, &rows, &n, &from_ns),
		0);
	assert_int_equal(rows[0].sum.hits + rows[1].sum.hits, 10);
	free(rows);
	/* Of a time: its begin is in it, its end is not. */
	assert_int_equal(samples_recent(s, 0, SAMPLE_CPU, 1000 + 200 * NS_PER_SEC,
					1000 + 300 * NS_PER_SEC, &rows, &n, &from_ns),
			 0);
	assert_int_equal(rows[0].sum.hits + rows[1].sum.hits, 100);
	assert_int_equal(from_ns, 1000 + 200 * NS_PER_SEC);
	free(rows);
	assert_int_equal(samples_recent(s, 1, SAMPLE_CPU, 0, UINT64_MAX, &rows, &n, &from_ns), 0);
	assert_int_equal(n, 0);
	assert_int_equal(from_ns, 0);
	free(rows);
	samples_totals(s, 0, SAMPLE_CPU, &totals);
	assert_int_equal(totals.sum.hits, 700);
	assert_int_equal(totals.from_ns, 3);
	assert_int_equal(totals.marks[0], 175);
	/* Up to the last that was given up. */
	assert_int_equal(totals.recent_from_ns, 1001 + 98 * NS_PER_SEC);
	assert_true(samples_last(s, 0, SAMPLE_CPU, 8, &last, &from_ns));
	assert_int_equal(from_ns, 1000 + 698 * NS_PER_SEC);
	assert_int_equal(last.sites[0], 11);
	samples_of_goroutine(s, 0, SAMPLE_CPU, 9, &sum);
	assert_int_equal(sum.weight, 350000);
	assert_int_equal(sample_error(&sum), 18708);
	samples_of_goroutine(s, 0, SAMPLE_ALLOC, 9, &sum);
	assert_int_equal(sum.weight, 0);
	samples_free(s);
}

/* More in ten minutes than are kept: said, and no more memory. */
/* Who allocates just now: half a minute, and no more than the bound. */
static void test_recent_allocations(void **state)
{
	struct stack_sample sample = {.kind = SAMPLE_ALLOC, .weight = 10, .n = 1, .sites = {7}};
	struct sample_row *rows;
	struct samples *s;
	uint64_t from_ns;
	size_t n;

	assert_int_equal(samples_new(&s), 0);
	for (uint64_t i = 0; i < 60; i++) {
		sample.time_ns = (100 + i) * NS_PER_SEC;
		samples_add(s, &sample);
	}
	assert_int_equal(samples_recent(s, 0, SAMPLE_ALLOC, 0, UINT64_MAX, &rows, &n, &from_ns), 0);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].sum.weight, 310);
	assert_true(from_ns == 129 * NS_PER_SEC);
	free(rows);
	for (unsigned i = 0; i < SAMPLES_ALLOC_RECENT_MAX + 5; i++)
		samples_add(s, &sample);
	assert_int_equal(samples_recent(s, 0, SAMPLE_ALLOC, 0, UINT64_MAX, &rows, &n, &from_ns), 0);
	assert_int_equal(rows[0].sum.hits, SAMPLES_ALLOC_RECENT_MAX);
	free(rows);
	samples_free(s);
}

static void test_recent_bound(void **state)
{
	struct stack_sample cpu = of(0, 9, 1000, 11);
	struct sample_totals totals;
	struct sample_row *rows;
	struct samples *s;
	uint64_t from_ns;
	size_t n;

	cpu.kind = SAMPLE_CPU;
	assert_int_equal(samples_new(&s), 0);
	for (uint32_t i = 0; i < SAMPLES_RECENT_MAX + 1000; i++) {
		cpu.time_ns = 1000 + i;
		samples_add(s, &cpu);
	}
	assert_int_equal(samples_recent(s, 0, SAMPLE_CPU, 0, UINT64_MAX, &rows, &n, &from_ns), 0);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].sum.hits, SAMPLES_RECENT_MAX);
	assert_int_equal(from_ns, 2000);
	free(rows);
	samples_totals(s, 0, SAMPLE_CPU, &totals);
	assert_int_equal(totals.recent_from_ns, 2000);
	assert_int_equal(totals.sum.hits, SAMPLES_RECENT_MAX + 1000);
	/* Stacks of the other kinds have room of their own. */
	for (uint32_t i = 0; i < SAMPLES_STACKS_MAX + 10; i++) {
		cpu.sites[0] = i;
		samples_add(s, &cpu);
	}
	add(s, 0, 1, 300, 11);
	assert_int_equal(samples_copy(s, 0, SAMPLE_ALLOC, &rows, &n, &totals), 0);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].n, 2);
	free(rows);
	samples_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_last),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_recent),
		cmocka_unit_test(test_recent_bound),
		cmocka_unit_test(test_recent_allocations),
		cmocka_unit_test(test_on),
		cmocka_unit_test(test_best_at),
		cmocka_unit_test(test_totals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
