/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a row of `problems` is of: a look of before is told with its age, and what is lost in its
 * own unit, the same figure wherever events are summed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/pyramid/pyramid.h"
#include "core/view/process/losses.h"
#include "core/view/process/overview.h"
#include "tests/unit/problem_fixture.h"

#define BEGAN (T0 + S)

static void recording(void *ctx, struct recording *ret)
{
	*ret = ((struct fixture *)ctx)->recording;
}

static int setup(void **state)
{
	struct fixture *x;

	assert_int_equal(problem_setup(state), 0);
	x = *state;
	x->v.recording = recording;
	x->v.recording_ctx = x;
	return 0;
}

static int end(void **state)
{
	buf_free(&stacks);
	return teardown(state);
}

static void allocate(struct fixture *x, unsigned n)
{
	struct event ev = {.type = EVENT_NEWOBJECT, .goid = 1, .size = 8, .time_ns = BEGAN};

	for (unsigned i = 0; i < n; i++)
		model_apply(x->m, &ev, 1);
}

/* Of which no figure is too low. */
static void test_fields(void **state)
{
	struct fixture *x = *state;

	allocate(x, 5);
	assert_non_null(strstr(problems(x), "problems 0, "));
	x->recording = (struct recording){.out_of_range = 6};
	assert_non_null(strstr(problems(x),
			       "\nnotice lost: 6 fields of the recorded session (cpu, line, pid, "
			       "nth) cannot be: taken as absent; see losses.tsv health\n"));
	assert_null(strstr(x->out.data, "not looked for: lost"));
}

static void test_bytes_are_no_events(void **state)
{
	struct fixture *x = *state;

	x->recording = (struct recording){
		.torn_bytes = 500, .torn_why = "cut off", .unread_events = 204473};
	assert_non_null(strstr(
		problems(x), "\ncritical lost: 204473 events lost on the way: counts are too low "
			     "by that; 500 bytes of the recorded session could not be read; see "));
	allocate(x, 5);
	x->recording.read_bytes = 900;
	assert_non_null(strstr(problems(x), "\nwarning lost: 204473 events "));
	x->recording.unread_events = 4;
	assert_non_null(strstr(problems(x), "\nnotice lost: 4 events "));
	x->recording.torn_bytes = 901;
	assert_non_null(strstr(problems(x), "\nwarning lost: 4 events "));
	/* Nothing was left to be read, and nothing says how much there was. */
	x->recording = (struct recording){.torn_bytes = 12};
	assert_non_null(strstr(problems(x), "\nwarning lost: 12 bytes "));
	/* It was read, and played again. */
	x->recording.read_bytes = 900;
	assert_non_null(strstr(problems(x), "\nnotice lost: 12 bytes "));
}

static void live_losses(void *ctx, struct live_losses *ret)
{
	*ret = (struct live_losses){.ring_full = 11,
				    .unreadable = 12,
				    .absent_fields = 1000,
				    .outside_namespace = 2000,
				    .undecodable = 16};
}

static void has_count(const struct buf *out, const char *key, unsigned n)
{
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "\"%s\":%u,", key, n);
	assert_non_null(strstr(out->data, wanted));
}

/* What the head of the UI has, live and of a session, is what `problems` says. */
static void test_one_figure(void **state)
{
	uint64_t lost[EVENT_TYPES] = {[EVENT_NEWOBJECT] = 20, [EVENT_GOEXIT] = 10};
	struct fixture *x = *state;
	struct losses losses;

	allocate(x, 500);
	assert_int_equal(pyramid_new(1 << 20, &x->v.pyramid), 0);
	assert_int_equal(meter_new(&x->meter), 0);
	x->v.meter = x->meter;
	x->live.losses = live_losses;
	losses_count(&x->v, &losses);
	assert_int_equal(losses_events(&x->v, &losses), 11 + 12 + 16);
	/* Those hits are told of to the model, as the events that they would have been. */
	model_lost(x->m, -1, lost, BEGAN);
	x->recording.unread_events = 7;
	losses_count(&x->v, &losses);
	assert_int_equal(losses_events(&x->v, &losses), 30 + 16 + 7);
	assert_non_null(strstr(problems(x), "\nnotice lost: 53 events lost on the way: counts are "
					    "too low by that; 1000 fields are absent: "));
	buf_reset(&x->out);
	view_overview(&x->v, 0, &x->out);
	has_count(&x->out, "lost_events", 53);
	buf_reset(&x->out);
	view_tick(&x->v, &x->out);
	has_count(&x->out, "lost", 53);
	/* stats and health have that, and what this process lost by type, which is a part of it. */
	for (unsigned i = 0; i < 2; i++) {
		struct view_query q = {.proc = 0};

		buf_reset(&x->out);
		assert_int_equal((i ? view_health : view_stats)(&x->v, &q, &x->out), 0);
		assert_non_null(strstr(x->out.data, "\nlost_events 53\n"));
		assert_non_null(strstr(x->out.data, "\nlost_total 30\n"));
	}
	pyramid_free(x->v.pyramid);
}

static void live_by_tick(struct fixture *x, unsigned n)
{
	buf_reset(&x->out);
	view_tick(&x->v, &x->out);
	has_count(&x->out, "live", n);
	buf_reset(&x->out);
	view_overview(&x->v, VIEW_ALL_PROCS, &x->out);
	has_count(&x->out, "live_total", n);
}

/* Nobody lives in a process that has ended, beside one that runs. */
static void test_live_of_all(void **state)
{
	struct fixture *x = *state;
	struct proc_info other = {.pid = 4712, .state = PROC_RUNNING, .attached_ns = BEGAN};
	struct event ev = {.type = EVENT_NEWOBJECT, .goid = 1, .size = 8, .time_ns = BEGAN};

	allocate(x, 1);
	assert_int_equal(pyramid_new(1 << 20, &x->v.pyramid), 0);
	assert_int_equal(meter_new(&x->meter), 0);
	x->v.meter = x->meter;
	assert_int_equal(model_proc_add(x->m, &other), 1);
	ev.proc = 1;
	for (ev.goid = 1; ev.goid <= 3; ev.goid++)
		model_apply(x->m, &ev, 1);
	live_by_tick(x, 4);
	model_proc_exited(x->m, 1, BEGAN + S);
	live_by_tick(x, 1);
	/* All as it was. */
	model_proc_exited(x->m, 0, BEGAN + S);
	live_by_tick(x, 4);
	pyramid_free(x->v.pyramid);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, end)
	const struct CMUnitTest tests[] = {
		TEST(test_fields),
		TEST(test_bytes_are_no_events),
		TEST(test_one_figure),
		TEST(test_live_of_all),
	};

	return cmocka_run_group_tests_name("problem_trust", tests, NULL, NULL);
}
