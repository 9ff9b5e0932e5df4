/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The self-metrics: order, the last one, and the bound of a day. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/model/meter.h"

static void test_empty(void **state)
{
	struct meter *m;
	struct meter_sample last, zero = {0}, *all;
	size_t n;

	assert_int_equal(meter_new(&m), 0);
	meter_last(m, &last);
	assert_memory_equal(&last, &zero, sizeof(zero));
	assert_int_equal(meter_all(m, &all, &n), 0);
	assert_int_equal(n, 0);
	free(all);
	meter_free(m);
	meter_free(NULL);
}

static void check_all(struct meter *m, size_t want_n, uint64_t want_first)
{
	struct meter_sample *all;
	size_t n;

	assert_int_equal(meter_all(m, &all, &n), 0);
	assert_int_equal(n, want_n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(all[i].time_ns, want_first + i);
	free(all);
}

/* Newest first, also round the end of the day; never more than there are. */
static void test_newest(void **state)
{
	struct meter_sample last[3];
	struct meter *m;

	assert_int_equal(meter_new(&m), 0);
	assert_int_equal(meter_newest(m, last, 3), 0);
	for (uint64_t i = 0; i < 86402; i++) {
		meter_add(m, &(struct meter_sample){.time_ns = i});
		if (i == 1 || i == 2 || i >= 86398) {
			size_t n = meter_newest(m, last, 3);

			assert_int_equal(n, i == 1 ? 2 : 3);
			for (size_t k = 0; k < n; k++)
				assert_int_equal(last[k].time_ns, i - k);
		}
	}
	meter_free(m);
}

static void test_a_day(void **state)
{
	struct meter *m;
	struct meter_sample last;

	assert_int_equal(meter_new(&m), 0);
	for (uint64_t i = 0; i < 100000; i++) {
		struct meter_sample s = {.time_ns = i, .rps = i * 2, .bps = 0.5};

		meter_add(m, &s);
		if (i == 999)
			check_all(m, 1000, 0);
		if (i == 86399)
			check_all(m, 86400, 0);
		if (i == 86400)
			check_all(m, 86400, 1);
	}
	check_all(m, 86400, 100000 - 86400);
	meter_last(m, &last);
	assert_int_equal(last.rps, 99999 * 2);
	assert_true(last.bps == 0.5);
	meter_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_newest),
		cmocka_unit_test(test_a_day),
	};

	return cmocka_run_group_tests_name("meter", tests, NULL, NULL);
}
