/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* -sample lists: every form that is right, every mistake with a line that names it. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/model/control.h"

static void test_right(void **state)
{
	static const struct {
		const char *text, *again;
	} rows[] = {
		{"newobject:1", "newobject:1"},
		{"newgoroutine:0.5,makemap:0.2,makeslice:0.1",
		 "makeslice:0.1,makemap:0.2,newgoroutine:0.5"},
		{"casgstatus:0.0001", "casgstatus:0.0001"},
		{"casgstatus:0.00010", "casgstatus:0.0001"},
		{"casgstatus:0.1234", "casgstatus:0.1234"},
		{"casgstatus:1.0000000", "casgstatus:1"},
		{"casgstatus:1.", "casgstatus:1"},
		{"casgstatus:.5", "casgstatus:0.5"},
		{"goexit:0.05", "goexit:0.05"},
		{"goexit:0", ""},
		{"goexit:0.0,makemap:1", "makemap:1"},
		{" goexit : 0.5 , makemap:1 \n", "makemap:1,goexit:0.5"},
		{"casgstatus:1,makeslice:1,makemap:1,newobject:1,newgoroutine:1,goexit:1",
		 "casgstatus:1,makeslice:1,makemap:1,newobject:1,newgoroutine:1,goexit:1"},
		/* Alone: all events of the chosen; beside events: those of the chosen. */
		{"goroutines:0.1", "casgstatus:1,makeslice:1,makemap:1,newobject:1,newgoroutine:1,"
				   "goexit:1,goroutines:0.1"},
		{"goroutines:1", "casgstatus:1,makeslice:1,makemap:1,newobject:1,newgoroutine:1,"
				 "goexit:1"},
		{" goroutines:0.1 , newobject:0.5", "newobject:0.5,goroutines:0.1"},
		{"goexit:0,goroutines:0.1", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t rates[RATES];
		char why[200] = "";
		struct buf out = BUF_INIT;

		assert_int_equal(control_parse_rates(rows[i].text, rates, why, sizeof(why)), 0);
		control_format_rates(rates, &out);
		assert_string_equal(out.data ? out.data : "", rows[i].again);
		buf_free(&out);
	}
}

static void test_wrong(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"", "empty"},
		{"  \n", "empty"},
		{",", "missing"},
		{"newobject:1,", "missing"},
		{",newobject:1", "missing"},
		{"newobject:1,,goexit:1", "missing"},
		{"newobject", "no rate"},
		{"newobject:", "no rate"},
		{"newobject: ", "no rate"},
		{":0.5", "not an event"},
		{"newobjects:1", "not an event"},
		{"new\nobject:1", "not an event"},
		{"NewObject:1", "not an event"},
		{"lost:1", "not an event"},
		{"averyveryveryveryveryveryverylongnameofanevent:1", "not an event"},
		{"newobject:2", "between 0 and 1"},
		{"newobject:1.0001", "between 0 and 1"},
		{"newobject:10", "between 0 and 1"},
		{"newobject:99999999999999999999", "between 0 and 1"},
		{"newobject:-0.5", "not a decimal"},
		{"newobject:+1", "not a decimal"},
		{"newobject:0.00001", "finer"},
		{"newobject:0.12345", "finer"},
		{"newobject:1e-1", "not a decimal"},
		{"newobject:nan", "not a decimal"},
		{"newobject:0x1", "not a decimal"},
		{"newobject:.", "not a decimal"},
		{"newobject:0..1", "not a decimal"},
		{"newobject:0.1.1", "not a decimal"},
		{"newobject:0,5", "not an event"},
		{"newobject:50%", "between 0 and 1"},
		{"newobject:0.5%", "not a decimal"},
		{"newobject:0.5:0.5", "not a decimal"},
		{"newobject:0.5 0.6", "not a decimal"},
		{"newobject:0.5,newobject:0.5", "twice"},
		{"newobject:0.5;goexit:1", "not a decimal"},
		{"goroutines", "no rate"},
		{"goroutines:0", "none"},
		{"newobject:1,goroutines:0.0", "none"},
		{"goroutines:1.1", "between 0 and 1"},
		{"goroutines:.1,goroutines:.1", "twice"},
		{"goroutine:0.1", "or goroutines"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t rates[RATES] = {7, 7, 7, 7, 7, 7, 7};
		char why[200] = "";
		char small[8];

		assert_int_equal(control_parse_rates(rows[i].text, rates, why, sizeof(why)),
				 -EINVAL);
		if (!strstr(why, rows[i].why))
			fail_msg("\"%s\" gave \"%s\", not \"%s\"", rows[i].text, why, rows[i].why);
		assert_null(strchr(why, '\n'));
		/* Nothing was changed, and a short buffer is not overrun. */
		for (unsigned type = 0; type < RATES; type++)
			assert_int_equal(rates[type], 7);
		control_parse_rates(rows[i].text, rates, small, sizeof(small));
		assert_true(strlen(small) < sizeof(small));
	}
}

static void test_every_rate(void **state)
{
	for (uint32_t rate = 0; rate <= RATE_ONE; rate++) {
		struct buf text = BUF_INIT;
		uint32_t rates[RATES];
		char why[200];

		buf_adds(&text, "makemap:");
		control_format_rate(rate, &text);
		assert_int_equal(control_parse_rates(text.data, rates, why, sizeof(why)), 0);
		assert_int_equal(rates[EVENT_MAKEMAP], rate);
		assert_int_equal(rates[EVENT_GOEXIT], 0);
		buf_free(&text);
	}
}

static void test_paused(void **state)
{
	char why[200];
	bool paused;

	assert_int_equal(control_parse_paused("1", &paused, why, sizeof(why)), 0);
	assert_true(paused);
	assert_int_equal(control_parse_paused("0", &paused, why, sizeof(why)), 0);
	assert_false(paused);
	assert_int_equal(control_parse_paused("2\n", &paused, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "\"2?\" is not taken: 0 (go on) or 1 (pause)");
	assert_int_equal(control_parse_paused("", &paused, why, sizeof(why)), -EINVAL);
}

/* What is shown can be written back, whoever set it: command line, file or API. */
static void test_max_overhead(void **state)
{
	static const char *const right[] = {"0", "0.0001", "0.5", "12", "100", "100.0"};
	static const char *const wrong[] = {"", "x", "-1", "0.00001", "100.1", "101", "5%", "1e2"};
	char why[200], shown[40];
	double percent, again;

	for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++) {
		assert_int_equal(control_parse_max_overhead(right[i], &percent, why, sizeof(why)),
				 0);
		snprintf(shown, sizeof(shown), "%g", percent);
		assert_int_equal(control_parse_max_overhead(shown, &again, why, sizeof(why)), 0);
		assert_true(again == percent);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		why[0] = '\0';
		assert_int_equal(control_parse_max_overhead(wrong[i], &percent, why, sizeof(why)),
				 -EINVAL);
		assert_non_null(strstr(why, CONTROL_MAX_OVERHEAD_TAKES));
	}
	assert_false(control_max_overhead_ok(-0.1));
	assert_false(control_max_overhead_ok(1e9));
}

/* The same ones each time, those of a lower rate among those of a higher one, as many as the rate
 * says, and not the same in two processes. */
static void test_choice(void **state)
{
	static const uint32_t at[] = {1, 100, 1000, 5000, 9999};
	unsigned n[ARRAY_SIZE(at)] = {0}, both = 0;
	const unsigned all = 200000;

	for (uint64_t goid = 1; goid <= all; goid++) {
		assert_true(rate_chooses(RATE_ONE, 7, goid));
		for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
			bool is = rate_chooses(at[i], 7, goid);

			n[i] += is;
			if (is && i + 1 < ARRAY_SIZE(at))
				assert_true(rate_chooses(at[i + 1], 7, goid));
		}
		both += rate_chooses(1000, 7, goid) && rate_chooses(1000, 8, goid);
	}
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		double want = (double)all * at[i] / RATE_ONE;

		assert_true(fabs(n[i] - want) < 5 * sqrt(want) + 1);
	}
	assert_true(both > all / 100 / 2 && both < all / 100 * 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),        cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_every_rate),   cmocka_unit_test(test_paused),
		cmocka_unit_test(test_max_overhead), cmocka_unit_test(test_choice),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
