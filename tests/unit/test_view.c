/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The views: keys, units, what is not known, JSON twins that are JSON with the same keys,
 * Prometheus text that a scraper takes, and names of the target that try to break a line. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/model/samples.h"
#include "tests/unit/view_render.h"

static void test_status(void **state)
{
	struct fixture *x = *state;
	const char *text = render(x, view_status, 7, VIEW_TEXT);

	assert_string_equal(text, "goid 7\n"
				  "pid 4711\n"
				  "state waiting\n"
				  "state_from event\n"
				  "wait_reason chan receive\n"
				  "state_since_ns 50000000\n"
				  "state_since_unix_ns 1000050000005\n"
				  "state_since_is exact\n"
				  "start_function main.worker\n"
				  "created_by main.main:12\n"
				  "created_at /src/main.go:12\n"
				  "parent 1\n"
				  "woken_by -\n"
				  "children 0\n"
				  "age_ns 100000000\n"
				  "created_unix_ns 1000000000005\n"
				  "first_seen_unix_ns 1000000000005\n"
				  "last_event_unix_ns 1000050000005\n"
				  "exited_unix_ns -\n"
				  "exited no\n"
				  "ended_by_exec no\n"
				  "system no\n"
				  "cgo no\n"
				  "found no\n"
				  "cpu_ns ?\n"
				  "cpu_error_ns ?\n"
				  "cpu_samples ?\n"
				  "creation_stack ?\n"
				  "creation_stack_is ?\n"
				  "creation_stack_share ?\n"
				  "uncertain no\n");
	text = render(x, view_status, 1, VIEW_TEXT);
	has_line(text, "state unknown");
	has_line(text, "wait_reason -");
	has_line(text, "start_function ?");
	has_line(text, "created_by ?");
	has_line(text, "created_at ?");
	has_line(text, "parent -");
	has_line(text, "age_ns ?");
	has_line(text, "created_unix_ns ?");
	has_line(text, "children 1");
	same_keys(x, view_status, 7);
	same_keys(x, view_status, 1);
}

static void test_json_values(void **state)
{
	struct fixture *x = *state;
	json_t *root = parse(render(x, view_status, 1, VIEW_JSON));

	assert_true(json_is_null(json_object_get(root, "start_function")));
	assert_true(json_is_null(json_object_get(root, "parent")));
	assert_true(json_is_false(json_object_get(root, "exited")));
	assert_int_equal(json_integer_value(json_object_get(root, "goid")), 1);
	json_decref(root);
}

static void test_goroutine_stats(void **state)
{
	struct fixture *x = *state;
	const char *text = render(x, view_goroutine_stats, 7, VIEW_TEXT);

	has_line(text, "goid 7");
	has_line(text, "events_total 5");
	has_line(text, "events_casgstatus 3");
	has_line(text, "events_newobject 1");
	has_line(text, "events_makemap 1");
	has_line(text, "alloc_bytes 96");
	has_line(text, "runnable_ns 20000000");
	has_line(text, "running_ns 30000000");
	has_line(text, "waiting_ns 50000000"); /* the stay under way, to the program's end */
	has_line(text, "runnable_to_running_count 1");
	has_line(text, "runnable_to_running_max_ns 20000000");
	assert_null(strstr(text, "sample_"));
	same_keys(x, view_goroutine_stats, 7);
}

static void test_sampled(void **state)
{
	struct fixture *x = *state;

	x->control.get_rates = get_rates;
	assert_null(strstr(render(x, view_goroutine_stats, 7, VIEW_TEXT), "sample_"));
	x->rates[EVENT_NEWOBJECT] = 1000;
	x->rates[EVENT_MAKEMAP] = 0;
	has_line(render(x, view_goroutine_stats, 7, VIEW_TEXT), "sample_newobject 0.1000");
	has_line(render(x, view_stats, 0, VIEW_TEXT), "sample_makemap 0.0000");
	has_line(render(x, view_status, 7, VIEW_TEXT), "sample_newobject 0.1000");
	has_line(render(x, view_metrics, 0, VIEW_TEXT),
		 "xgotopfs_sample_ratio{event=\"newobject\"} 0.1");
	assert_non_null(strstr(render(x, view_health, 0, VIEW_TEXT), "\nlimit sampled ("));
	same_keys(x, view_stats, 0);
}

static void test_tables(void **state)
{
	struct fixture *x = *state;
	const char *text = render(x, view_allocations, 7, VIEW_TEXT);
	json_t *root;

	starts_with(text, "kind\ttype\tcount\tbytes\tgo_kind\tsize\n"
			  "newobject\tmain.Request\t1\t96\tstruct\t96\n"
			  "makemap\t?\t1\t?\t?\t?\n"
			  "... events of new and make; not append, strings, conversions, maps: see "
			  "alloc_sites\n");
	root = parse(render(x, view_allocations, 7, VIEW_JSON));
	assert_int_equal(json_array_size(root), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(root, 0), "type")),
			    "main.Request");
	assert_true(json_is_null(json_object_get(json_array_get(root, 1), "type")));
	json_decref(root);
	/* Of the whole process. */
	assert_non_null(strstr(render(x, view_allocations, 0, VIEW_TEXT), "main.Request\t1\t96"));
	text = render(x, view_allocations, 1, VIEW_TEXT);
	assert_string_equal(text, "kind\ttype\tcount\tbytes\tgo_kind\tsize\n"
				  "... events of new and make; not append, strings, conversions, "
				  "maps: see alloc_sites\n");
	root = parse(render(x, view_allocations, 1, VIEW_JSON));
	assert_int_equal(json_array_size(root), 0);
	json_decref(root);
	text = render(x, view_goroutines, 0, VIEW_TEXT);
	has_line(text, "7\twaiting\tchan receive\t50000000\tmain.worker\tmain.main:12\t1\t-\t0\t"
		       "100000000\t5\t96\tno\tno\t30000000\t20000000\t0\t50000000\t20000000\t"
		       "1000050000005\texact\t?\t?\t?");
	root = parse(render(x, view_goroutines, 0, VIEW_JSON));
	assert_int_equal(json_array_size(root), 2);
	assert_int_equal(json_object_size(json_array_get(root, 0)), 24);
	json_decref(root);
}

static void test_not_there(void **state)
{
	struct fixture *x = *state;
	static view_fn *const of_process[] = {view_stats, view_health, view_stacks, view_goroutines,
					      view_allocations};
	static view_fn *const of_goroutine[] = {view_status, view_goroutine_stats, view_allocations,
						view_stack};

	for (size_t i = 0; i < ARRAY_SIZE(of_process); i++) {
		assert_int_equal(ask(x, of_process[i], 9, 0, VIEW_TEXT), -ENOENT);
		assert_int_equal(x->out.len, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(of_goroutine); i++) {
		assert_int_equal(ask(x, of_goroutine[i], 0, 99, VIEW_JSON), -ENOENT);
		assert_int_equal(x->out.len, 0);
	}
}

/* Before the first process each view says that it waits, and none is empty or no JSON. */
static void test_waiting(void **state)
{
	struct fixture *x = *state;
	struct model_config config = {.retain = 100, .workers = 1, .names = x->names};
	unsigned waiting = 0;

	model_free(x->m);
	assert_int_equal(model_new(&config, &x->m), 0);
	x->v.model = x->m;
	for (unsigned i = 0; i < n_views; i++) {
		for (enum view_form form = VIEW_TEXT; form <= VIEW_JSON; form++) {
			struct view_query q = {.form = form};
			json_t *root;
			int err;

			if (views[i].scope != VIEW_PROCESS || views[i].no_file ||
			    !(views[i].forms & VIEW_HAS(form)))
				continue;
			buf_reset(&x->out);
			err = view_render(&views[i], &x->v, &q, &x->out);
			if (err == -ENOSYS)
				continue;
			assert_int_equal(err, 0);
			assert_true(x->out.len > 0);
			if (form == VIEW_TEXT) {
				waiting += !strcmp(x->out.data,
						   "waiting: no process has been seen yet\n");
				continue;
			}
			root = parse(x->out.data);
			/* What is of all processes may be 0. */
			assert_true(views[i].all_procs ||
				    json_is_true(json_object_get(root, "waiting")));
			json_decref(root);
		}
	}
	assert_true(waiting >= 5); /* stats, goroutines, types, top, summary, … */
	has_line(render_row(x, view_health), "verdict waiting: no process has been seen yet");
	/* What a process that is there has not is not waited for. */
	assert_false(view_waits(&x->v, &views[0], -ESRCH));
	assert_int_equal(ask(x, view_stats, 0, 0, VIEW_TEXT), -ENOENT);
}

/* A program may name its functions and types as it likes. */
static void test_hostile_names(void **state)
{
	struct fixture *x = *state;
	struct go_type evil = {.name = "evil\ttype\nrow\xff", .size = 8, .kind = 25};
	struct event ev = {.type = EVENT_NEWOBJECT, .goid = 8, .size = 8, .time_ns = T0};
	struct event go = {.type = EVENT_NEWGOROUTINE, .goid = 1, .target = 8, .time_ns = T0};
	json_t *root;

	go.string_id = intern(x, "f\nstate running\t\x01\"");
	ev.type_id = names_add_type(x->names, &evil);
	model_apply(x->m, &go, 1);
	model_apply(x->m, &ev, 1);
	has_line(render(x, view_status, 8, VIEW_TEXT),
		 "start_function f\\nstate running\\t\\x01\"");
	same_keys(x, view_status, 8);
	has_line(render(x, view_allocations, 8, VIEW_TEXT),
		 "newobject\tevil\\ttype\\nrow\\xff\t1\t8\tstruct\t8");
	root = parse(render(x, view_allocations, 8, VIEW_JSON));
	json_decref(root);
	root = parse(render(x, view_goroutines, 0, VIEW_JSON));
	json_decref(root);
}

/* Who made a goroutine is told although its creation is no longer among the retained events. */
static void test_edge_of_old_creation(void **state)
{
	struct fixture *x = *state;
	struct event go = {.type = EVENT_NEWGOROUTINE, .goid = 1, .target = 88, .time_ns = T0 + 5};
	struct event alloc = {.type = EVENT_NEWOBJECT, .goid = 1, .size = 8, .time_ns = T0 + 6};
	char want[64];

	model_apply(x->m, &go, 1);
	snprintf(want, sizeof(want), "%llu\t1\t88\tcreate", T0 + 5ULL);
	has_line(render_row(x, view_edges), want);
	for (unsigned i = 0; i < 3000; i++)
		model_apply(x->m, &alloc, 1);
	has_line(render_row(x, view_edges), want);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_status),        TEST(test_json_values), TEST(test_goroutine_stats),
		TEST(test_sampled),       TEST(test_tables),      TEST(test_not_there),
		TEST(test_hostile_names), TEST(test_waiting),     TEST(test_edge_of_old_creation),
	};

	return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
