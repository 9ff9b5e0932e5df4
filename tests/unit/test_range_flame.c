/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ranges of time as flame graphs, what of a range is exact, and times that have not come. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/model/samples.h"
#include "tests/unit/range_program.h"

static const uint64_t window[2] = {T0 + NS_PER_SEC, T0 + 2 * NS_PER_SEC};

static json_t *child(json_t *node, const char *name)
{
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(node, "children"), i, c)
	{
		if (!strcmp(json_string_value(json_object_get(c, "name")), name))
			return c;
	}
	return NULL;
}

static void test_allocations(void **state)
{
	struct fixture *x = *state;
	const char *args[] = {"from", "1001000000000", "to", "1002000000000", NULL};
	uint64_t n = 0, bytes = 0;
	json_t *v, *root;

	x->args = args;
	v = json(x, view_flame_alloc);
	root = json_object_get(v, "root");
	for (unsigned f = 0; f < 3; f++) {
		for (unsigned s = 0; s < 5; s++) {
			uint64_t of_n = 0, of_bytes = 0;
			char site[40];
			json_t *node = child(root, functions[f]);

			for (unsigned i = 0; i < n_events; i++) {
				const struct event *ev = &events[i];

				if (ev->type != EVENT_NEWOBJECT || ev->time_ns < window[0] ||
				    ev->time_ns >= window[1] || function_of(ev->goid) != f ||
				    ev->site_id != site_ids[s])
					continue;
				of_n++;
				of_bytes += ev->size;
			}
			snprintf(site, sizeof(site), "main.main:%u", lines[s]);
			node = child(child(node, site), "main.T");
			assert_int_equal(node ? number(node, "allocations") : 0, of_n);
			assert_int_equal(node ? number(node, "bytes") : 0, of_bytes);
			n += of_n;
			bytes += of_bytes;
		}
	}
	assert_true(n > 50);
	assert_int_equal(number(v, "allocations"), n);
	assert_int_equal(number(root, "bytes"), bytes);
	/* What is not seen is said. */
	assert_non_null(strstr(json_string_value(json_object_get(v, "seen")),
			       "not append, strings, conversions"));
	json_decref(v);
	assert_int_equal(ask(x, view_flame_alloc, VIEW_TEXT), 0);
	assert_non_null(strstr(x->out.data, ";main.main:10;main.T "));
}

/* A sample each 10 ms of [T0, T0 + 4 s), of goroutines 1 to 4 in turn, in two stacks. */
static void add_samples(struct fixture *x)
{
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	for (unsigned i = 0; i < 400; i++) {
		struct stack_sample s = {.time_ns = T0 + i * 10 * MS,
					 .goid = 1 + i % 4,
					 .weight = 10 * MS,
					 .kind = SAMPLE_CPU,
					 .n = 2,
					 .sites = {site_ids[i % 2], site_ids[4]}};

		samples_add(model_samples(x->m), &s);
	}
}

static void test_cpu(void **state)
{
	struct fixture *x = *state;
	static const char *const one[] = {
		"from", "1001000000000", "to", "1002000000000", "goids", "3", NULL};
	static const char *const by_name[] = {"from",   "1001000000000", "to", "1002000000000",
					      "filter", "func:main.a",   NULL};
	static const char *const later[] = {"from", "1007000000000", "to", "1008000000000", NULL};
	json_t *v, *root;

	v = json(x, view_flame_cpu);
	assert_non_null(strstr(json_string_value(json_object_get(v, "why")), "no CPU samples"));
	json_decref(v);
	/* In lines, too, and in none that could be taken for a stack and its number. */
	assert_int_equal(ask(x, view_flame_cpu, VIEW_TEXT), 0);
	assert_string_equal(x->out.data,
			    "... no samples (a recorded session has no CPU samples)\n");
	add_samples(x);
	v = json(x, view_flame_cpu);
	root = json_object_get(v, "root");
	assert_int_equal(number(v, "samples"), 400);
	assert_int_equal(number(v, "goroutines"), 4);
	assert_int_equal(number(root, "ns"), 4 * NS_PER_SEC);
	assert_int_equal(number(child(child(root, "main.main"), "main.main"), "samples"), 400);
	assert_null(json_object_get(v, "running_ns"));
	json_decref(v);
	/* Every fourth of the hundred in that second; what it ran then is said beside it. */
	x->args = one;
	v = json(x, view_flame_cpu);
	assert_int_equal(number(v, "samples"), 25);
	assert_int_equal(number(v, "goroutines"), 1);
	assert_int_equal(number(v, "covered_from_ns"), T0 + NS_PER_SEC);
	{
		json_t *by, *got;
		size_t i;
		uint64_t running = 0;

		by = json(x, view_range_by);
		json_array_foreach(json_object_get(by, "rows"), i, got) running +=
			number(got, "running_ns");
		assert_int_equal(number(v, "running_ns"), running);
		json_decref(by);
	}
	json_decref(v);
	/* 3 is the only one of the four that is main.a. */
	x->args = by_name;
	v = json(x, view_flame_cpu);
	assert_int_equal(number(v, "samples"), 25);
	json_decref(v);
	x->args = later;
	v = json(x, view_flame_cpu);
	assert_int_equal(number(v, "samples"), 0);
	json_decref(v);
	x->args = one;
	assert_int_equal(ask(x, view_flame_cpu, VIEW_TEXT), 0);
	assert_string_equal(x->out.data, "main.main;main.main 25\n");
	assert_int_equal(ask(x, view_pprof_cpu, VIEW_BINARY), 0);
	assert_true(x->out.len > 50);
}

/* Nothing is told of what is to come, and no figure is exact of what could not be read. */
static bool is_torn;

static void torn_recording(void *ctx, struct recording *ret)
{
	*ret = (struct recording){.torn_bytes = is_torn ? 12 : 0};
}

static bool is_exact(struct fixture *x, view_fn *fn)
{
	json_t *v = json(x, fn);
	bool yes = json_is_true(json_object_get(v, "exact"));

	json_decref(v);
	return yes;
}

static void test_time_to_come(void **state)
{
	static view_fn *const ranged[] = {view_range,    view_range_by,  view_stays,
					  view_lanes,    view_flame_cpu, view_flame_alloc,
					  view_pprof_cpu};
	const char *args[] = {"to", "18446744073709551615", "from", "0", NULL};
	struct fixture *x = *state;
	char after[32], before[32];
	uint64_t last;
	json_t *v;

	x->v.replay = true;
	x->v.recording = torn_recording;
	is_torn = false;
	last = view_now(&x->v, 0);
	snprintf(after, sizeof(after), "%llu", (unsigned long long)last + 1);
	snprintf(before, sizeof(before), "%llu", (unsigned long long)last - 1);
	x->args = args;
	v = json(x, view_range);
	assert_int_equal(number(v, "to"), last);
	json_decref(v);
	assert_true(is_exact(x, view_range) && is_exact(x, view_range_by));
	args[3] = after;
	for (unsigned i = 0; i < ARRAY_SIZE(ranged); i++) {
		assert_int_equal(ask(x, ranged[i], VIEW_JSON), -EINVAL);
		assert_non_null(strstr(x->why, "from: not before now ("));
	}
	args[3] = "0";

	is_torn = true;
	assert_false(is_exact(x, view_range) || is_exact(x, view_range_by) ||
		     is_exact(x, view_flame_alloc));
	/* What was read of it is. */
	args[1] = before;
	assert_true(is_exact(x, view_range) && is_exact(x, view_range_by));
	x->v.recording = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_time_to_come, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allocations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cpu, setup, teardown),
	};

	return cmocka_run_group_tests_name("range_flame", tests, NULL, NULL);
}
