/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Problems that leaks are: what grows, what is not known yet. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/memory/leak_report.h"
#include "tests/unit/problem_program.h"

static int nobody_leaked(void *ctx, unsigned proc, struct leak_report **ret, bool *ret_late)
{
	static struct wait_graph graph = {.refs = 1};
	static struct leak_report report = {.refs = 1, .graph = &graph};

	*ret = &report;
	*ret_late = false;
	return 0;
}

static void keep_report(void *ctx, struct leak_report *r)
{
}

/* What only grows is a suspect of leaks by its number alone: also where two calls of three succeed,
 * and so their goroutines end. What is made and ends, or came in one step, is none. */
/* The table of go statements marks the same functions. */
static void check_growing_sites(struct fixture *x)
{
	struct view_query q = {.form = VIEW_JSON};
	json_t *rows, *row;
	size_t i;

	buf_reset(&x->out);
	assert_int_equal(view_sites(&x->v, &q, &x->out), 0);
	rows = json_loads(x->out.data, 0, NULL);
	assert_true(json_array_size(rows) >= 3);
	json_array_foreach(rows, i, row)
	{
		const char *function = json_string_value(json_object_get(row, "function"));

		assert_int_equal(json_is_true(json_object_get(row, "growing")),
				 function && !strcmp(function, "main.leaky"));
	}
	json_decref(rows);
}

static void test_leaks_growing(void **state)
{
	struct fixture *x = *state;
	uint64_t goid = 1000;

	x->live.leaks = nobody_leaked;
	x->live.leaks_put = keep_report;
	for (uint64_t s = 0; s <= 70; s++) {
		for (uint64_t i = 0; i < 3; i++, goid += 2) {
			create(x, goid, "main.leaky", T0 + s * S + 10 * i);
			change(x, goid, GSTATE_WAITING, "chan receive", T0 + s * S + 100 + i);
			if (i)
				change(x, goid, GSTATE_DEAD, "", T0 + s * S + 200 + i);
			create(x, goid + 1, "main.served", T0 + s * S + 300 + 10 * i);
			change(x, goid + 1, GSTATE_DEAD, "", T0 + s * S + 305 + 10 * i);
		}
		for (uint64_t i = 0; s == 30 && i < 120; i++)
			create(x, 500000 + i, "main.burst", T0 + s * S + 400 + i);
	}
	for (int json = 0; json < 2; json++) {
		struct view_query q = {.form = json ? VIEW_JSON : VIEW_TEXT};

		buf_reset(&x->out);
		assert_int_equal(view_leaks(&x->v, &q, &x->out), 0);
		assert_non_null(strstr(x->out.data, json ? "\"function\":\"main.leaky\""
							 : "\nsuspect growing: main.leaky "));
		assert_null(strstr(x->out.data, "main.served"));
		assert_null(strstr(x->out.data, "main.burst"));
	}
	check_growing_sites(x);
}

/* Those that are not shown are counted. */
static void test_leaks_growing_many(void **state)
{
	struct fixture *x = *state;
	struct view_query text = {.form = VIEW_TEXT}, json = {.form = VIEW_JSON};
	uint64_t goid = 1000;
	char name[32];

	x->live.leaks = nobody_leaked;
	x->live.leaks_put = keep_report;
	for (uint64_t s = 0; s <= 70; s++) {
		for (uint64_t i = 0; i < 23; i++, goid++) {
			snprintf(name, sizeof(name), "main.leaky%llu", (unsigned long long)i);
			create(x, goid, name, T0 + s * S + 10 * i);
		}
	}
	buf_reset(&x->out);
	assert_int_equal(view_leaks(&x->v, &text, &x->out), 0);
	assert_non_null(strstr(x->out.data, "\n... cut: 3 more\n"));
	buf_reset(&x->out);
	assert_int_equal(view_leaks(&x->v, &json, &x->out), 0);
	assert_non_null(strstr(x->out.data, "\"more_growing\":3"));
}

static int no_report_yet(void *ctx, unsigned proc, struct leak_report **ret)
{
	return -EAGAIN;
}

/* Two are out of reach after the first of several passes. */
static int first_pass(void *ctx, unsigned proc, struct leak_report **ret)
{
	static struct wait_graph graph;
	static struct leak_report report = {.graph = &graph, .beginning = true};

	*ret = &report;
	return 0;
}

static void no_put(void *ctx, struct leak_report *r)
{
}

static int look_through(void *ctx, unsigned proc, struct leak_report **ret, bool *ret_late)
{
	fail_msg("problems waits for a look through the whole heap");
	return -EAGAIN;
}

/* Who looks for leaks takes as long as the machine's load lets him. */
static void test_leaks_late(void **state)
{
	struct fixture *x = *state;

	x->live.leaks_known = no_report_yet;
	x->live.leaks = look_through;
	now(x, T0 + S);
	assert_non_null(strstr(problems(x), "\n  not looked for: leak: memory was not looked "
					    "through yet: ask again soon\n"));
	x->live.leaks_known = first_pass;
	x->live.leaks_put = no_put;
	assert_non_null(strstr(problems(x), "\n  not looked for: leak: memory was not looked "
					    "through yet: ask again soon\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, problem_setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_leaks_late),
		TEST(test_leaks_growing),
		TEST(test_leaks_growing_many),
	};
	int failed = cmocka_run_group_tests_name("problem_leaks", tests, NULL, NULL);

	buf_free(&stacks);
	return failed;
}
