/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who ran on which CPU, and who ran instead: spans of known events to the nanosecond, what is not
 * known, and how spans come together. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/util.h"
#include "core/view/timeline/runs.h"
#include "tests/unit/view_ask.h"

#define US 1000ull
#define T0 (1000 * NS_PER_SEC)

static int setup(void **state)
{
	struct proc_info info = {.pid = 4711, .attached_ns = T0, .binary_path = "/srv/demo"};

	*state = fixture_new(100000, 0, &info);
	return 0;
}

/* --- events ------------------------------------------------------------------------------------
 */

static void apply(struct fixture *x, struct event ev)
{
	model_apply(x->m, &ev, 1);
}

static void at(struct fixture *x, uint64_t us, unsigned cpu, uint64_t actor, uint64_t goid,
	       unsigned from, unsigned to, const char *reason)
{
	apply(x, (struct event){.time_ns = T0 + us * US,
				.type = EVENT_CASGSTATUS,
				.cpu = (uint16_t)(cpu + 1),
				.goid = actor,
				.target = goid,
				.from = (uint8_t)from,
				.to = (uint8_t)to,
				.string_id = reason ? intern(x, reason) : 0});
}

static void runs_at(struct fixture *x, uint64_t us, unsigned cpu, uint64_t goid)
{
	at(x, us, cpu, 0, goid, GSTATE_RUNNABLE, GSTATE_RUNNING, NULL);
}

static void yields(struct fixture *x, uint64_t us, unsigned cpu, uint64_t goid)
{
	at(x, us, cpu, goid, goid, GSTATE_RUNNING, GSTATE_RUNNABLE, NULL);
}

static void waits(struct fixture *x, uint64_t us, unsigned cpu, uint64_t goid, const char *reason)
{
	at(x, us, cpu, goid, goid, GSTATE_RUNNING, GSTATE_WAITING, reason);
}

static void wakes(struct fixture *x, uint64_t us, unsigned cpu, uint64_t actor, uint64_t goid)
{
	at(x, us, cpu, actor, goid, GSTATE_WAITING, GSTATE_RUNNABLE, NULL);
}

static void allocates(struct fixture *x, uint64_t us, unsigned cpu, uint64_t goid)
{
	apply(x, (struct event){.time_ns = T0 + us * US,
				.type = EVENT_NEWOBJECT,
				.cpu = (uint16_t)(cpu + 1),
				.goid = goid,
				.size = 8});
}

/* --- what is told ------------------------------------------------------------------------------
 */

/* "7@1 10-30 stopped", one a run, in the order of their ends. */
struct told {
	struct runs r;
	struct buf text;
};

static void add_run(void *ctx, const struct run *run)
{
	struct told *t = ctx;
	uint64_t end = run->end ? (run->end - T0) / US : 0;

	buf_addf(&t->text, "%llu@", (unsigned long long)run->goid);
	if (run->cpu)
		buf_addf(&t->text, "%u", run->cpu - 1u);
	else
		buf_addc(&t->text, '?');
	buf_addf(&t->text, " %llu-%llu %s %s%s", (unsigned long long)((run->begin - T0) / US),
		 (unsigned long long)end, run_kind_word(run->kind), run_end_word(run->ended),
		 run->seen ? "" : " before");
	if (run->to_cpu)
		buf_addf(&t->text, " %u since %llu", run->to_cpu - 1u,
			 (unsigned long long)((run->sure_ns - T0) / US));
	buf_addc(&t->text, '\n');
}

static const char *told(struct fixture *x, struct told *t, uint64_t from_us, uint64_t to_us)
{
	buf_reset(&t->text);
	t->r = (struct runs){
		.from = T0 + from_us * US, .to = T0 + to_us * US, .fn = add_run, .ctx = t};
	assert_int_equal(runs_walk(&x->v, 0, &t->r), 0);
	return t->text.len ? t->text.data : "";
}

static void check(struct fixture *x, uint64_t from_us, uint64_t to_us, const char *want)
{
	struct told t = {.text = BUF_INIT};

	assert_string_equal(told(x, &t, from_us, to_us), want);
	buf_free(&t.text);
}

/* Two on two CPUs, each by turns. */
static void test_turns(void **state)
{
	struct fixture *x = *state;

	runs_at(x, 10, 0, 7);
	runs_at(x, 12, 1, 8);
	yields(x, 30, 0, 7);
	runs_at(x, 31, 0, 9);
	waits(x, 40, 1, 8, "chan receive");
	waits(x, 50, 0, 9, "sleep");
	runs_at(x, 51, 0, 7);
	check(x, 0, 60,
	      "7@0 10-30 go stopped\n"
	      "8@1 12-40 go stopped\n"
	      "9@0 31-50 go stopped\n"
	      "7@0 51-0 go runs\n"
	      "0@0 0-10 unknown stopped\n"
	      "0@1 0-10 unknown stopped\n");
	/* Only what touches the range; what began before it has its own begin. */
	check(x, 35, 36, "8@1 12-40 go stopped\n9@0 31-50 go stopped\n");
}

/* The kernel moves a thread: its next event says so. Where it was in between is not known. */
static void test_moves(void **state)
{
	struct fixture *x = *state;

	runs_at(x, 10, 0, 7);
	allocates(x, 15, 0, 7);
	allocates(x, 25, 1, 7);
	waits(x, 30, 1, 7, "sleep");
	check(x, 11, 40,
	      "7@0 10-25 go moved 1 since 15\n"
	      "7@1 25-30 go stopped\n");
}

/* Somebody else begins where it still runs, as Go has it: its thread is not there any more. */
static void test_displaced(void **state)
{
	struct fixture *x = *state;

	runs_at(x, 10, 0, 7);
	runs_at(x, 20, 0, 8);
	waits(x, 30, 0, 8, "sleep");
	allocates(x, 35, 0, 7);
	waits(x, 40, 0, 7, "sleep");
	check(x, 11, 50,
	      "7@0 10-20 go displaced\n"
	      "8@0 20-30 go stopped\n"
	      "7@? 20-35 go moved 0 since 20\n"
	      "7@0 35-40 go stopped\n");
}

/* What the first event of one says of the time before it. */
static void test_before(void **state)
{
	struct fixture *x = *state;

	runs_at(x, 5, 0, 6);
	yields(x, 20, 1, 7);
	allocates(x, 30, 1, 8);
	check(x, 10, 40,
	      "7@? 5-20 go stopped before\n"
	      "8@? 5-30 go moved before 1 since 5\n"
	      "6@0 5-0 go runs\n"
	      "8@1 30-0 go runs\n"
	      "0@1 5-20 unknown stopped\n");
}

/* What is lost is not known: neither who ran nor who was on a CPU. */
static void test_lost(void **state)
{
	struct fixture *x = *state;
	uint64_t lost[EVENT_TYPES] = {[EVENT_CASGSTATUS] = 3};
	struct told t = {.text = BUF_INIT};

	runs_at(x, 10, 0, 7);
	allocates(x, 20, 0, 7);
	model_lost(x->m, 0, lost, T0 + 30 * US);
	runs_at(x, 40, 0, 8);
	waits(x, 50, 0, 8, "sleep");
	assert_string_equal(told(x, &t, 11, 60), "7@0 10-20 go lost\n"
						 "0@0 20-40 unknown stopped\n"
						 "8@0 40-50 go stopped\n");
	assert_true(t.r.lost);
	assert_string_equal(told(x, &t, 41, 60), "8@0 40-50 go stopped\n");
	assert_false(t.r.lost);
	buf_free(&t.text);
}

static void test_lost_of_others(void **state)
{
	struct fixture *x = *state;
	uint64_t lost[EVENT_TYPES] = {[EVENT_NEWOBJECT] = 3};

	runs_at(x, 10, 0, 7);
	model_lost(x->m, 0, lost, T0 + 30 * US);
	waits(x, 40, 0, 7, "sleep");
	check(x, 11, 60, "7@0 10-40 go stopped\n");
}

/* The collector's work is done by a goroutine that "waits". */
static void test_collector(void **state)
{
	struct fixture *x = *state;

	runs_at(x, 10, 0, 7);
	at(x, 20, 0, 7, 7, GSTATE_RUNNING, GSTATE_WAITING, "stopping the world");
	at(x, 25, 0, 7, 7, GSTATE_WAITING, GSTATE_RUNNING, NULL);
	at(x, 30, 0, 7, 7, GSTATE_RUNNING, GSTATE_WAITING, "GC worker (active)");
	at(x, 40, 0, 7, 7, GSTATE_WAITING, GSTATE_RUNNING, NULL);
	waits(x, 50, 0, 7, "GC worker (idle)");
	check(x, 11, 60,
	      "7@0 10-20 go stopped\n"
	      "7@0 20-25 stopping the world stopped\n"
	      "7@0 25-30 go stopped\n"
	      "7@0 30-40 gc stopped\n"
	      "7@0 40-50 go stopped\n");
}

/* One that runs since before all that is looked at, without an event of its own. */
static void test_silent(void **state)
{
	struct fixture *x = *state;

	runs_at(x, 10, 0, 7);
	for (unsigned i = 0; i < 70000; i++)
		allocates(x, 50, 1, 8);
	runs_at(x, 100, 1, 9);
	check(x, 90, 110,
	      "8@1 50-100 go displaced\n"
	      "8@? 100-0 go runs\n"
	      "9@1 100-0 go runs\n"
	      "7@? 10-0 go runs\n");
}

/* --- the views ---------------------------------------------------------------------------------
 */

static json_int_t number(json_t *of, const char *key)
{
	json_t *v = json_object_get(of, key);

	if (!json_is_integer(v))
		fail_msg("no number %s", key);
	return json_integer_value(v);
}

static json_int_t cell(json_t *lane, size_t row, size_t column)
{
	return json_integer_value(
		json_array_get(json_array_get(json_object_get(lane, "spans"), row), column));
}

enum { BEGIN, END, GOID, RUNS, BUSY };

/* 40 runs of 1 us, one each 2 us, and one of 100 us: at 10 us a part the short ones come together,
 * and none is lost of their number and time. */
static void test_merged(void **state)
{
	static const char *const args[] = {
		"from", "1000000000000", "to", "1000000200000", "n", "20", NULL};
	struct fixture *x = *state;
	json_t *v, *lane;
	json_int_t runs = 0, busy = 0;
	size_t n;

	for (uint64_t i = 0; i < 40; i++) {
		runs_at(x, 2 * i, 3, 7 + i);
		waits(x, 2 * i + 1, 3, 7 + i, "sleep");
	}
	runs_at(x, 90, 3, 99);
	waits(x, 190, 3, 99, "sleep");
	x->args = args;
	v = json_of(x, view_lanes, 0);
	assert_string_equal(json_string_value(json_object_get(v, "why")), "");
	assert_int_equal(json_array_size(json_object_get(v, "cpus")), 1);
	lane = json_array_get(json_object_get(v, "cpus"), 0);
	assert_int_equal(number(lane, "cpu"), 3);
	assert_int_equal(number(lane, "runs"), 41);
	assert_int_equal(number(lane, "busy_ns"), 140 * US);
	n = json_array_size(json_object_get(lane, "spans"));
	assert_in_range(n, 8, 11);
	for (size_t i = 0; i < n; i++) {
		runs += cell(lane, i, RUNS);
		busy += cell(lane, i, BUSY);
	}
	assert_int_equal(runs, 41);
	assert_int_equal(busy, 140 * US);
	assert_int_equal(cell(lane, n - 1, GOID), 99);
	assert_int_equal(cell(lane, n - 1, BEGIN), T0 + 90 * US);
	assert_int_equal(cell(lane, n - 1, END), T0 + 190 * US);
	assert_int_equal(cell(lane, n - 1, RUNS), 1);
	json_decref(v);
	assert_non_null(strstr(text_of(x, view_lanes, 0),
			       "\n... busy_ns: in state running, also while the kernel ran "));
}

/* A session of before does not say on which CPU: that, and no empty lanes. */
static void test_no_cpus(void **state)
{
	struct fixture *x = *state;
	struct event events[] = {
		{.type = EVENT_CASGSTATUS, .target = 7, .from = 1, .to = 2},
		{.type = EVENT_CASGSTATUS, .goid = 7, .target = 7, .from = 2, .to = 1},
	};
	json_t *v;

	events[0].time_ns = T0;
	events[1].time_ns = T0 + 5 * US;
	model_apply(x->m, events, 2);
	model_proc_exited(x->m, 0, T0 + 10 * US);
	v = json_of(x, view_lanes, 0);
	assert_int_equal(json_array_size(json_object_get(v, "cpus")), 0);
	assert_string_equal(json_string_value(json_object_get(v, "why")),
			    "the events of that time do not say on which CPU they were made");
	assert_non_null(strstr(json_string_value(json_object_get(v, "busy_is")),
			       "also while the kernel ran another program"));
	assert_int_equal(number(v, "elsewhere_ns"), 5 * US);
	json_decref(v);
	assert_non_null(
		strstr(text_of(x, view_lanes, 0), "... the events of that time do not say"));
}

static void live_probes(void *ctx, unsigned proc, struct live_probes *ret)
{
	*ret = ((struct fixture *)ctx)->probes;
}

/* No probe is in: there are no events that could say on which CPU, or anything. */
static void test_no_probe(void **state)
{
	static const char why[] =
		"no probe for events is attached, -probes none: there are no events";
	struct fixture *x = *state;
	json_t *v;

	x->live.probes = live_probes;
	x->probes = (struct live_probes){.off = 1, .why = "-probes none", .since_ns = 1};
	v = json_of(x, view_lanes, 0);
	assert_string_equal(json_string_value(json_object_get(v, "why")), why);
	json_decref(v);
	assert_non_null(strstr(text_of(x, view_lanes, 0),
			       "... no probe for events is attached, -probes none: "));
	apply(x, (struct event){.time_ns = T0 + 1, .type = EVENT_NEWOBJECT, .goid = 7});
	v = json_of(x, view_ran_instead, 7);
	assert_string_equal(json_string_value(json_object_get(v, "why")), why);
	json_decref(v);
	assert_string_equal(
		text_of(x, view_ran_instead, 7),
		"no time as runnable of it is retained: no probe for events is attached, "
		"-probes none: there are no events\n");
	assert_non_null(strstr(text_of(x, view_blame, 7),
			       "no wait of it is retained: no probe for events is"));
	x->probes.off = 0;
	assert_string_equal(text_of(x, view_ran_instead, 7),
			    "no time as runnable of it is retained\n");
}

static bool runtime_known(void *ctx, unsigned proc, struct live_runtime *ret)
{
	/* By the clock as it is now, whatever it was when tracing began. */
	*ret = (struct live_runtime){.read_ns = T0 + 70 * US,
				     .wall_offset_ns = 3600 * (int64_t)NS_PER_SEC,
				     .heap = runtime_heap_unknown()};
	ret->heap.last_gc_unix_ns = T0 + 45 * US + 3600 * NS_PER_SEC;
	ret->heap.pause_last = 5 * US;
	return true;
}

/* Stopping the world and ending a cycle are marks, as events tell; the end of the last cycle is
 * memory's. */
static void test_marks(void **state)
{
	static const char *const args[] = {"from", "1000000000000", "to", "1000000060000", NULL};
	struct fixture *x = *state;
	json_t *v, *marks, *gc;

	runs_at(x, 10, 0, 7);
	at(x, 20, 0, 7, 7, GSTATE_RUNNING, GSTATE_WAITING, "stopping the world");
	at(x, 25, 0, 7, 7, GSTATE_WAITING, GSTATE_RUNNING, NULL);
	at(x, 30, 0, 7, 7, GSTATE_RUNNING, GSTATE_WAITING, "GC worker (active)");
	at(x, 40, 0, 7, 7, GSTATE_WAITING, GSTATE_RUNNING, NULL);
	at(x, 41, 0, 7, 7, GSTATE_RUNNING, GSTATE_WAITING, "garbage collection");
	at(x, 44, 0, 7, 7, GSTATE_WAITING, GSTATE_RUNNING, NULL);
	x->args = args;
	v = json_of(x, view_lanes, 0);
	assert_null(json_object_get(v, "last_gc"));
	marks = json_object_get(v, "marks");
	assert_int_equal(json_array_size(marks), 2);
	for (size_t i = 0; i < 2; i++) {
		json_t *m = json_array_get(marks, i);

		assert_int_equal(json_integer_value(json_array_get(m, 0)), T0 + (i ? 41 : 20) * US);
		assert_int_equal(json_integer_value(json_array_get(m, 1)), T0 + (i ? 44 : 25) * US);
		assert_int_equal(json_integer_value(json_array_get(m, 2)), 7);
		assert_string_equal(json_string_value(json_array_get(m, 3)),
				    i ? "garbage collection" : "stopping the world");
	}
	json_decref(v);
	x->live.runtime_known = runtime_known;
	v = json_of(x, view_lanes, 0);
	gc = json_object_get(v, "last_gc");
	assert_int_equal(number(gc, "ended"), T0 + 45 * US);
	assert_int_equal(number(gc, "pauses_ns"), 5 * US);
	json_decref(v);
}

static void test_lane_arguments(void **state)
{
	static const char *const bad[][7] = {
		{"from", "5", "to", "5"}, {"n", "0"}, {"n", "4001"}, {"from", "x"}};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct view_query q = {.form = VIEW_JSON, .arg = argument, .arg_ctx = x};

		x->args = bad[i];
		assert_int_equal(view_lanes(&x->v, &q, &x->out), -EINVAL);
		assert_true(q.why[0]);
	}
}

/* 7 can run from 100 to 200 us and does not: 8 runs 60 us of it in two runs, 9 30 us on the other
 * CPU, half of it at the same time; 10 us nobody does. */
static void ran_instead(struct fixture *x)
{
	runs_at(x, 90, 0, 8);
	wakes(x, 100, 0, 8, 7);
	waits(x, 130, 0, 8, "sleep");
	runs_at(x, 140, 1, 9);
	wakes(x, 155, 1, 9, 8);
	runs_at(x, 160, 0, 8);
	waits(x, 170, 1, 9, "sleep");
	waits(x, 190, 0, 8, "sleep");
	runs_at(x, 200, 0, 7);
	waits(x, 210, 0, 7, "sleep");
}

static void test_ran_instead(void **state)
{
	struct fixture *x = *state;
	json_t *v, *stay, *row;

	ran_instead(x);
	v = json_of(x, view_ran_instead, 7);
	stay = json_object_get(v, "stay");
	assert_int_equal(number(stay, "begin"), T0 + 100 * US);
	assert_int_equal(number(stay, "end"), T0 + 200 * US);
	assert_int_equal(number(stay, "ns"), 100 * US);
	assert_int_equal(number(v, "got_cpu"), 0);
	assert_int_equal(number(v, "ran_ns"), 90 * US);
	assert_int_equal(number(v, "nobody_ran_ns"), 20 * US);
	assert_false(json_boolean_value(json_object_get(v, "partly_unknown")));
	assert_int_equal(number(v, "goroutines"), 2);
	row = json_array_get(json_object_get(v, "ran"), 0);
	assert_int_equal(number(row, "goid"), 8);
	assert_int_equal(number(row, "ns"), 60 * US);
	assert_int_equal(number(row, "runs"), 2);
	assert_int_equal(number(row, "first"), T0 + 100 * US);
	assert_int_equal(number(row, "last"), T0 + 190 * US);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(row, "cpus"), 0)), 0);
	row = json_array_get(json_object_get(v, "ran"), 1);
	assert_int_equal(number(row, "goid"), 9);
	assert_int_equal(number(row, "ns"), 30 * US);
	json_decref(v);
	text_of(x, view_ran_instead, 7);
	assert_non_null(strstr(x->out.data, "waited_ns 100000\n"));
	assert_non_null(strstr(x->out.data, "\n8\t60000\t60.0\t2\t0\tno\t"));
}

/* Each CPU is told by its number, in JSON as in text, however many there are; a run on none that is
 * known adds none. */
static void test_ran_on_many_cpus(void **state)
{
	static const unsigned cpus[] = {1023, 63, 64, 2};
	struct fixture *x = *state;
	char *ran;
	json_t *v;

	runs_at(x, 90, 5, 9);
	wakes(x, 100, 5, 9, 7);
	for (unsigned i = 0; i < ARRAY_SIZE(cpus); i++) {
		runs_at(x, 110 + 20 * i, cpus[i], 8);
		waits(x, 120 + 20 * i, cpus[i], 8, "sleep");
		wakes(x, 125 + 20 * i, 5, 9, 8);
	}
	apply(x, (struct event){.time_ns = T0 + 195 * US,
				.type = EVENT_CASGSTATUS,
				.target = 10,
				.from = GSTATE_RUNNABLE,
				.to = GSTATE_RUNNING});
	runs_at(x, 200, 0, 7);
	v = json_of(x, view_ran_instead, 7);
	for (size_t i = 0; i < 3; i++) {
		static const char *const want[] = {"[5]", "[2,63,64,1023]", "[]"};

		ran = json_dumps(
			json_object_get(json_array_get(json_object_get(v, "ran"), i), "cpus"),
			JSON_COMPACT);
		assert_string_equal(ran, want[i]);
		free(ran);
	}
	json_decref(v);
	text_of(x, view_ran_instead, 7);
	assert_non_null(strstr(x->out.data, "\n8\t40000\t40.0\t4\t2,63-64,1023\tno\t"));
	assert_non_null(strstr(x->out.data, "\n10\t5000\t5.0\t1\t?\tno\t"));
}

/* `at` names another stay; at a time when it did not wait for a CPU there is none. */
static void test_ran_instead_at(void **state)
{
	static const char *const then[] = {"at", "1000000155000", NULL}, *const never[] = {
										 "at",
										 "1000000205000",
										 NULL};
	struct fixture *x = *state;
	json_t *v;

	ran_instead(x);
	x->args = then;
	v = json_of(x, view_ran_instead, 8);
	assert_int_equal(number(json_object_get(v, "stay"), "ns"), 5 * US);
	assert_int_equal(number(v, "ran_ns"), 5 * US);
	json_decref(v);
	x->args = never;
	v = json_of(x, view_ran_instead, 7);
	assert_true(json_is_null(json_object_get(v, "stay")));
	json_decref(v);
}

/* No change of it was ever told: that it made one says that it ran then, not until the end. */
static void test_never_told(void **state)
{
	struct fixture *x = *state;
	struct told t = {.text = BUF_INIT};

	apply(x,
	      (struct event){
		      .time_ns = T0 + 10 * US, .type = EVENT_NEWGOROUTINE, .goid = 1, .target = 9});
	allocates(x, 20, 0, 7);
	assert_null(strstr(told(x, &t, 0, 60), "go runs"));
	assert_true(t.r.lost);
	buf_free(&t.text);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_turns),
		TEST(test_moves),
		TEST(test_displaced),
		TEST(test_before),
		TEST(test_lost),
		TEST(test_lost_of_others),
		TEST(test_collector),
		TEST(test_silent),
		TEST(test_merged),
		TEST(test_no_cpus),
		TEST(test_no_probe),
		TEST(test_marks),
		TEST(test_never_told),
		TEST(test_lane_arguments),
		TEST(test_ran_instead),
		TEST(test_ran_instead_at),
		TEST(test_ran_on_many_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
