/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The analyses: leaks, summary, latency, stays, top. What is not known is unknown, what has ended
 * gets no older, and a stream is cut where it says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/util.h"
#include "core/model/samples.h"
#include "core/view/view.h"
#include "tests/unit/view_ask.h"

#define MS 1000000ull
#define T0 (1000 * NS_PER_SEC)

/*
 * Goroutine 7 is made by 1, which is only seen acting, could run for 10 ms and ran for 40, and
 * waits since; so does 9, found in memory; 8 is made and ends. The process ends at T0 + 100 ms.
 */
static void fill(struct fixture *x)
{
	struct event events[] = {
		{.type = EVENT_CASGSTATUS, .goid = 1, .target = 7, .from = 6, .to = 1},
		{.type = EVENT_NEWGOROUTINE, .goid = 1, .target = 7},
		{.type = EVENT_CASGSTATUS, .goid = 7, .target = 7, .from = 1, .to = 2},
		{.type = EVENT_NEWOBJECT, .goid = 7, .size = 96},
		{.type = EVENT_CASGSTATUS, .goid = 7, .target = 8, .from = 6, .to = 1},
		{.type = EVENT_CASGSTATUS, .goid = 7, .target = 7, .from = 2, .to = 4},
		{.type = EVENT_CASGSTATUS, .goid = 8, .target = 8, .from = 1, .to = 2},
		{.type = EVENT_CASGSTATUS, .goid = 8, .target = 8, .from = 2, .to = 6},
	};
	static const unsigned at_ms[] = {0, 0, 10, 20, 30, 50, 60, 70};
	struct goroutine_seen nine = {.goid = 9, .state = GSTATE_WAITING};

	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		events[i].time_ns = T0 + at_ms[i] * MS;
	events[1].string_id = nine.start_func_id = intern(x, "main.worker");
	events[1].site_id = nine.created_site_id = names_add_site(
		x->names, (struct site){intern(x, "main.main"), intern(x, "/src/main.go"), 12});
	events[5].string_id = nine.reason_id = intern(x, "chan receive");
	model_apply(x->m, events, ARRAY_SIZE(events));
	model_heal(x->m, 0, &nine, 1, T0 + 80 * MS, false);
	model_proc_exited(x->m, 0, T0 + 100 * MS);
}

static int setup(void **state)
{
	struct proc_info info = {.pid = 4711, .attached_ns = T0, .binary_path = "/srv/demo"};
	struct fixture *x = fixture_new(10000, 0, &info);

	x->control.get_rates = get_rates;
	fill(x);
	*state = x;
	return 0;
}

static json_int_t number(json_t *of, const char *key)
{
	json_t *v = json_object_get(of, key);

	if (!json_is_integer(v))
		fail_msg("no number %s", key);
	return json_integer_value(v);
}

/* The element whose `key` is `value`. */
static json_t *find(json_t *list, const char *key, const char *value)
{
	size_t i;
	json_t *v;

	json_array_foreach(list, i, v)
	{
		const char *has = json_string_value(json_object_get(v, key));

		if (has && !strcmp(has, value))
			return v;
	}
	fail_msg("no %s %s", key, value);
	return NULL;
}

static void test_leaks(void **state)
{
	struct fixture *x = *state;
	json_t *all = json(x, view_sites);
	json_t *row = find(all, "function", "main.worker");

	assert_string_equal(json_string_value(json_object_get(row, "site")),
			    "main.main (/src/main.go:12)");
	assert_int_equal(number(row, "live"), 2);
	assert_int_equal(number(row, "waiting"), 2);
	assert_string_equal(json_string_value(json_object_get(row, "wait_reason")), "chan receive");
	assert_int_equal(number(row, "wait_reason_count"), 2);
	assert_int_equal(number(row, "created_last_minute"), 1); /* 9 was found */
	/* 9 was there before: it may be older than that. All that ended are kept. */
	assert_true(json_is_true(json_object_get(row, "oldest_age_at_least")));
	assert_true(json_is_false(json_object_get(row, "last_minute_at_least")));
	/* The process has ended: nobody gets older. The oldest is first in the sample. */
	assert_int_equal(number(row, "oldest_age_ns"), 100 * MS);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(row, "sample"), 0)), 7);
	json_decref(all);
	assert_non_null(strstr(text_of(x, view_sites, 0),
			       "\n2\t2\t1\t0\t0\t100000000\tchan receive\t2\t96\tmain.worker\t"
			       "main.main (/src/main.go:12)\t7,9\t"
			       "yes\tno\tno\n"));
}

static void test_summary(void **state)
{
	struct fixture *x = *state;
	json_t *all = json(x, view_summary), *states = json_object_get(all, "states");

	assert_int_equal(number(states, "waiting"), 2);
	assert_int_equal(number(states, "unknown"), 1); /* 1 */
	assert_int_equal(number(json_object_get(all, "state_ns"), "running"), (40 + 10) * MS);
	/* 50 ms until it ended, and 9 since it was read. */
	assert_int_equal(number(json_object_get(all, "state_ns"), "waiting"), (50 + 20) * MS);
	assert_null(json_object_get(states, "running"));
	json_decref(all);
	assert_non_null(strstr(text_of(x, view_summary, 0), "\nmain.worker\t2\t2\t96\t"));
}

static void test_latency(void **state)
{
	struct fixture *x = *state;
	json_t *v = json(x, view_sched_latency);

	/* 10 ms of 7 and 30 ms of 8. */
	assert_int_equal(number(v, "count"), 2);
	assert_int_equal(number(v, "max_ns"), 30 * MS);
	assert_int_equal(number(v, "mean_ns"), 20 * MS);
	assert_in_range(number(v, "p50_ns"), 1 << 24, 30 * MS);
	assert_in_range(number(v, "p99_ns"), 1 << 24, 30 * MS);
	assert_int_equal(number(v, "from_8388608_ns"), 1);
	assert_int_equal(number(v, "from_16777216_ns"), 1);
	assert_int_equal(json_array_size(json_object_get(v, "counts")), LATENCY_BUCKETS);
	/* p50 is 16.8 to 33.6 ms, taken as spread evenly, and says so. */
	assert_string_equal(json_string_value(json_object_get(v, "percentiles_are")),
			    "estimates, within a factor of two");
	json_decref(v);
	assert_non_null(strstr(text_of(x, view_sched_latency, 0),
			       "\npercentiles_are estimates, within a factor of two\n"));
	assert_non_null(strstr(text_of(x, view_sched_latency, 0), "\nmax_ns 30000000\n"));
}

static void test_stays(void **state)
{
	struct fixture *x = *state;
	static const char *const waiting[] = {"state", "waiting", "goids", "7", NULL};
	static const char *const bad[] = {"state", "sleeping", NULL};
	static const char *const window[] = {"from", "7", "to", "7", NULL};
	json_t *v, *stay;

	x->args = waiting;
	v = json(x, view_stays);
	assert_int_equal(number(v, "total"), 1);
	stay = json_array_get(json_object_get(v, "stays"), 0);
	assert_int_equal(json_integer_value(json_array_get(stay, 1)), T0 + 50 * MS);
	/* What is open ends with the process. */
	assert_int_equal(json_integer_value(json_array_get(stay, 2)), T0 + 100 * MS);
	assert_int_equal(json_integer_value(json_array_get(stay, 3)), 50 * MS);
	json_decref(v);
	x->args = bad;
	assert_int_equal(ask(x, view_stays, VIEW_JSON), -EINVAL);
	assert_non_null(strstr(x->why, "state: "));
	x->args = window;
	assert_int_equal(ask(x, view_range, VIEW_JSON), -EINVAL);
	assert_non_null(strstr(x->why, "to must be after from"));
	x->args = NULL;
	assert_non_null(strstr(text_of(x, view_range, 0), "\nrunning\t50000000\t2\t"));
}

/* Each hit has one cause, the most first; who acts has it. */
static void check_hits(json_t *v)
{
	double all = json_number_value(json_object_get(v, "hits_per_second")), sum = 0, last = 1e9;
	json_t *list = json_object_get(v, "hits"), *row, *who = json_object_get(v, "goroutines");
	double of_goroutines = 0;
	size_t i;

	assert_true(json_array_size(list) > 1);
	json_array_foreach(list, i, row)
	{
		double n = json_number_value(json_object_get(row, "hits_per_second"));

		assert_true(n <= last);
		last = n;
		sum += n;
		assert_true(*json_string_value(json_object_get(row, "cause")));
		assert_string_not_equal(json_string_value(json_object_get(row, "event")), "goexit");
	}
	assert_float_equal(sum, all, 0.01);
	json_array_foreach(who, i, row) of_goroutines +=
		json_number_value(json_object_get(row, "hits_per_second"));
	assert_true(of_goroutines > 0 && of_goroutines <= all);
}

static void no_probes(void *ctx, unsigned proc, struct live_probes *ret)
{
	*ret = (struct live_probes){.level = PROBES_LIGHT, .off = 1, .why = "-probes light"};
}

static void back_again(void *ctx, unsigned proc, struct live_probes *ret)
{
	*ret = (struct live_probes){.since_ns = T0 + 50 * MS, .off_ns = 10 * MS, .why = ""};
}

/* A CPU's clock that ticks while the second is looked at is of the next one. */
static void test_top_cpu(void **state)
{
	struct fixture *x = *state;
	struct stack_sample s = {
		.kind = SAMPLE_CPU, .goid = 7, .weight = 10 * MS, .time_ns = T0 + 90 * MS};
	json_t *v, *row;

	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	samples_add(model_samples(x->m), &s);
	s.time_ns = T0 + 101 * MS;
	samples_add(model_samples(x->m), &s);
	v = json(x, view_top);
	row = find(json_object_get(v, "goroutines"), "function", "main.worker");
	assert_float_equal(json_number_value(json_object_get(row, "cpu_percent")), 10, 0.01);
	json_decref(v);
}

static void test_top(void **state)
{
	struct fixture *x = *state;
	json_t *v = json(x, view_top), *list = json_object_get(v, "goroutines"), *first;

	/* The last 100 ms before it ended are all there was. */
	assert_int_equal(number(v, "measured_ns"), 100 * MS);
	first = json_array_get(list, 0);
	assert_int_equal(number(first, "goid"), 7);
	assert_float_equal(json_number_value(json_object_get(first, "running_percent")), 40, 0.01);
	assert_float_equal(json_number_value(json_object_get(first, "runnable_percent")), 10, 0.01);
	assert_float_equal(json_number_value(json_object_get(first, "events_per_second")), 40,
			   0.01);
	assert_float_equal(json_number_value(json_object_get(first, "alloc_bytes_per_second")), 960,
			   0.01);
	/* Of 1 it is not known that it ran. */
	assert_int_equal(number(json_array_get(list, 2), "goid"), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 2), "state")),
			    "unknown");
	assert_float_equal(json_number_value(json_object_get(v, "running_percent")), 50, 0.01);
	check_hits(v);
	/* Nobody samples CPUs; then somebody does and met nobody; then it is off again: 0 is a
	 * figure of the second alone. */
	assert_true(json_is_null(json_object_get(v, "cpu_percent")));
	json_decref(v);
	samples_begin(model_samples(x->m), SAMPLE_CPU, T0);
	v = json(x, view_top);
	assert_float_equal(json_number_value(json_object_get(v, "cpu_percent")), 0, 0.01);
	assert_true(json_is_real(json_object_get(v, "cpu_percent")));
	json_decref(v);
	samples_end(model_samples(x->m), SAMPLE_CPU, T0 + 60 * MS);
	v = json(x, view_top);
	assert_true(json_is_null(json_object_get(v, "cpu_percent")));
	json_decref(v);
	assert_non_null(strstr(text_of(x, view_top, 0), "the last 0.100 s before it ended\n"));
	assert_non_null(strstr(x->out.data, "\n         7 waiting     40.0   10.0 "));
	/* Sampled: not known. */
	x->rates[EVENT_CASGSTATUS] = RATE_ONE / 2;
	v = json(x, view_top);
	assert_true(json_is_null(json_object_get(v, "running_percent")));
	json_decref(v);
	/* No event is seen, memory tells who runs: nobody knows for how long. */
	x->rates[EVENT_CASGSTATUS] = RATE_ONE;
	x->live.probes = no_probes;
	v = json(x, view_top);
	assert_true(json_is_null(json_object_get(v, "running_percent")));
	assert_true(json_is_null(json_object_get(v, "runnable_percent")));
	json_decref(v);
	assert_non_null(strstr(text_of(x, view_top, 0), "\n         7 waiting        ?      ? "));
	assert_non_null(strstr(x->out.data, "Changes of state are not seen just now"));
	/* And what else events tell of is not none. */
	assert_non_null(strstr(x->out.data, "\n       all -              ?      ?      ?         ?"
					    "         ?            ?         ? -\n"));
	v = json(x, view_top);
	assert_true(json_is_null(json_object_get(v, "events_per_second")));
	json_decref(v);
	/* They came 50 ms ago: rates are of that time. */
	x->live.probes = back_again;
	v = json(x, view_top);
	assert_int_equal(number(v, "measured_ns"), 50 * MS);
	json_decref(v);
	x->live.probes = NULL;
}

static void test_flame(void **state)
{
	struct fixture *x = *state;

	/* No stacks here, which only one of them needs. */
	assert_int_equal(ask(x, view_flame_stacks, VIEW_TEXT), -ENOSYS);
	assert_non_null(strstr(text_of(x, view_flame_origin, 0),
			       "main.worker;main.main (/src/main.go:12);waiting 2\n"));
	assert_non_null(strstr(x->out.data, ";unknown 1\n"));
}

/*
 * The runtime (0) makes 150 goroutines, a millisecond each, of which the last 100 are kept: the
 * last that is not ends at T0 + 50 ms. The process ends at T0 + 200 ms.
 */
static int setup_dropped(void **state)
{
	struct proc_info info = {.pid = 4711, .attached_ns = T0, .binary_path = "/srv/demo"};
	struct fixture *x = fixture_new(10000, 0, &info);

	for (unsigned i = 0; i < 150; i++) {
		uint64_t goid = 100 + i, at = T0 + i * MS;
		struct event life[] = {
			{.type = EVENT_CASGSTATUS, .target = goid, .from = 6, .to = 1},
			{.type = EVENT_NEWGOROUTINE, .target = goid},
			{.type = EVENT_CASGSTATUS,
			 .goid = goid,
			 .target = goid,
			 .from = 1,
			 .to = 2},
			{.type = EVENT_CASGSTATUS,
			 .goid = goid,
			 .target = goid,
			 .from = 2,
			 .to = 6},
		};

		for (size_t k = 0; k < ARRAY_SIZE(life); k++)
			life[k].time_ns = at + (k == 3 ? MS : 0);
		model_apply(x->m, life, ARRAY_SIZE(life));
	}
	model_proc_exited(x->m, 0, T0 + 200 * MS);
	*state = x;
	return 0;
}

#define END     "2000000000000"
#define MISSING "\n... 50 exited goroutines are no longer kept: "

static void back_since(void *ctx, unsigned proc, struct live_probes *ret)
{
	*ret = (struct live_probes){.since_ns = 1000150000000, .off_ns = 10 * MS, .why = ""};
}

static void test_range_dropped(void **state)
{
	struct fixture *x = *state;
	static const char *const all[] = {"to", END, NULL};
	static const char *const early[] = {"to", END, "from", "1000050000000", NULL};
	static const char *const late[] = {"to", END, "from", "1000050000001", NULL};
	static const char *const kept[] = {"to", END, "goids", "200,249", NULL};
	static const char *const gone[] = {"to", END, "goids", "100,249", NULL};
	static const char *const csv[] = {"format", "csv", NULL};
	static const struct {
		const char *const *args;
		bool exact;
	} asked[] = {{all, false}, {early, false}, {late, true}, {kept, true}, {gone, false}};
	json_t *v;

	for (unsigned i = 0; i < ARRAY_SIZE(asked); i++) {
		x->args = asked[i].args;
		v = json(x, view_range);
		assert_int_equal(json_is_true(json_object_get(v, "exact")), asked[i].exact);
		assert_int_equal(json_is_false(json_object_get(v, "exited_missing")),
				 asked[i].exact);
		assert_int_equal(number(v, "exited_dropped"), 50);
		json_decref(v);
		assert_int_equal(!strstr(text_of(x, view_range, 0), MISSING), asked[i].exact);
		v = json(x, view_stays);
		assert_int_equal(!json_object_get(v, "exited_missing"), asked[i].exact);
		json_decref(v);
		assert_int_equal(!strstr(text_of(x, view_stays, 0), MISSING), asked[i].exact);
	}
	x->args = csv;
	assert_null(strstr(text_of(x, view_range, 0), "..."));
	/* How many were there then: one ended as it began, ten came to be in it. */
	x->args = (const char *const[]){"from", "1000100000000", "to", "1000110000000", NULL};
	v = json(x, view_range);
	assert_int_equal(number(v, "goroutines"), 11);
	assert_int_equal(number(v, "created"), 10);
	json_decref(v);
	/* What nobody but the runtime made is counted: one for each that is kept. */
	x->args = all;
	v = json(x, view_range);
	assert_int_equal(number(v, "created"), 100);
	assert_int_equal(number(json_object_get(v, "events"), "newgoroutine"), 100);
	json_decref(v);
}

/* Events that no probe saw are missing in what is asked about, or may be. */
static void test_range_unseen(void **state)
{
	struct fixture *x = *state;
	static const char *const all[] = {"from", "1000050000001", "to", END, NULL};
	static const char *const late[] = {"from", "1000150000000", "to", END, NULL};
	json_t *v;

	x->live.probes = back_since;
	for (unsigned i = 0; i < 2; i++) {
		x->args = i ? late : all;
		v = json(x, view_range);
		assert_int_equal(json_is_true(json_object_get(v, "exact")), i);
		json_decref(v);
		assert_int_equal(!strstr(text_of(x, view_range, 0), "no probe was attached"), i);
	}
	x->live.probes = no_probes;
	assert_non_null(strstr(text_of(x, view_range, 0), "no probe was attached"));
	x->live.probes = NULL;
}

static void test_dropped(void **state)
{
	struct fixture *x = *state;
	json_t *v = json(x, view_sites), *row = json_array_get(v, 0);

	/* Memory alone does not tell of who was made and ended. */
	x->live.probes = no_probes;
	json_decref(v);
	v = json(x, view_sites);
	row = json_array_get(v, 0);
	assert_true(json_is_null(json_object_get(row, "created_last_minute")));
	assert_true(json_is_null(json_object_get(row, "exited_last_minute")));
	x->live.probes = NULL;
	json_decref(v);
	v = json(x, view_sites);
	row = json_array_get(v, 0);
	assert_int_equal(number(row, "created_last_minute"), 100);
	assert_true(json_is_true(json_object_get(row, "last_minute_at_least")));
	assert_true(json_is_false(json_object_get(row, "oldest_age_at_least")));
	json_decref(v);
	assert_non_null(strstr(text_of(x, view_sites, 0), MISSING));
	assert_non_null(strstr(text_of(x, view_summary, 0), MISSING "in no row, nor in (all)\n"));
	v = json(x, view_flame_origin);
	assert_int_equal(number(v, "exited_dropped"), 50);
	json_decref(v);
	/* Folded lines have no place for it. */
	assert_null(strstr(text_of(x, view_flame_origin, 0), "..."));
}

static void test_range_trimmed(void **state)
{
	struct proc_info info = {.pid = 4711, .attached_ns = T0, .binary_path = "/srv/demo"};
	struct fixture *x = fixture_new(10, 0, &info);

	(void)state;
	fill(x);
	for (unsigned i = 0; i < 100; i++) {
		struct event ev = {.type = EVENT_NEWOBJECT, .goid = 7, .time_ns = T0 + 90 * MS};

		model_apply(x->m, &ev, 1);
	}
	assert_non_null(strstr(text_of(x, view_range, 0),
			       "\n... not exact: events are kept from 1000090000000 on only\n"));
	teardown((void **)&x);
}

static void test_trace(void **state)
{
	struct fixture *x = *state;
	struct view_query q = {.form = VIEW_BINARY, .bytes_max = 1};
	struct view_stream stream;
	const struct view_row *row = NULL;
	struct buf cut = BUF_INIT;

	for (unsigned i = 0; i < n_views; i++) {
		if (!strcmp(views[i].name, "trace/perfetto"))
			row = &views[i];
	}
	assert_non_null(row);
	/* More than a piece. */
	for (unsigned i = 0; i < 5000; i++) {
		struct event ev = {.type = EVENT_NEWOBJECT, .goid = 7, .size = i};

		ev.time_ns = T0 + 90 * MS + i;
		model_apply(x->m, &ev, 1);
	}
	assert_int_equal(row->stream(&x->v, &q, &stream), 0);
	while (stream.next(stream.ctx, &cut) == 1)
		;
	stream.free(stream.ctx);
	assert_non_null(memmem(cut.data, cut.len, "cut: after 0 MiB; ", 18));
	buf_reset(&x->out);
	assert_int_equal(view_render(row, &x->v, &q, &x->out), 0);
	assert_non_null(memmem(x->out.data, x->out.len, "main.worker 7", 13));
	assert_null(memmem(x->out.data, x->out.len, "cut: ", 5));
	buf_free(&cut);
	q.proc = 1;
	assert_int_equal(view_render(row, &x->v, &q, &x->out), -ENOENT);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_leaks),
		TEST(test_summary),
		TEST(test_latency),
		TEST(test_stays),
		TEST(test_top),
		TEST(test_top_cpu),
		TEST(test_flame),
		TEST(test_trace),
		cmocka_unit_test_setup_teardown(test_range_dropped, setup_dropped, teardown),
		cmocka_unit_test_setup_teardown(test_range_unseen, setup_dropped, teardown),
		cmocka_unit_test_setup_teardown(test_dropped, setup_dropped, teardown),
		cmocka_unit_test(test_range_trimmed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
