/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What was wrong a moment ago is told with its age, for ten seconds, and severity does not flap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/memory/leak_report.h"
#include "core/view/problems/problem_memory.h"
#include "core/view/problems/problems.h"
#include "core/view/view.h"
#include "tests/unit/problem_fixture.h"

#define BEGAN (T0 + S)
#define LOOK  (T0 + 541 * S)

static int setup(void **state)
{
	struct fixture *x;

	assert_int_equal(problem_setup(state), 0);
	x = *state;
	assert_int_equal(problem_memory_new(&x->v.problems), 0);
	return 0;
}

static int end(void **state)
{
	struct fixture *x = *state;

	buf_free(&stacks);
	problem_memory_free(x->v.problems);
	return teardown(state);
}

static void wake(struct fixture *x, uint64_t goid, uint64_t at)
{
	struct event ev = {.time_ns = at,
			   .type = EVENT_CASGSTATUS,
			   .goid = 1,
			   .target = goid,
			   .from = GSTATE_WAITING,
			   .to = GSTATE_RUNNABLE};

	model_apply(x->m, &ev, 1);
}

static void test_stays_for_a_while(void **state)
{
	struct fixture *x = *state;

	for (uint64_t goid = 10; goid < 40; goid++) {
		change(x, goid, GSTATE_WAITING, "chan send", T0 + S);
		buf_addf(&stacks,
			 "goroutine %llu [chan send]:\nmain.signup(...)\n\t/src/main.go:37\n\n",
			 (unsigned long long)goid);
	}
	wake(x, 5, T0 + 11 * S);
	assert_non_null(strstr(problems(x), "critical blocked: 30 chan send at main.signup"));
	assert_null(strstr(problems(x), "seen last"));
	/* The lock is free for a moment. */
	buf_reset(&stacks);
	for (uint64_t goid = 10; goid < 40; goid++)
		wake(x, goid, T0 + 11 * S + 1);
	wake(x, 5, T0 + 13 * S);
	assert_non_null(strstr(problems(x), "critical blocked: seen last 2.0s ago: 30 chan send at "
					    "main.signup (/src/main.go:37), the oldest for 10.0s; "
					    "see goroutines/10/stack waits.tsv\n"));
	assert_non_null(strstr(problems(x), "problems 1, "));
	wake(x, 5, T0 + 22 * S);
	assert_null(strstr(problems(x), "seen last"));
	assert_non_null(strstr(problems(x), "nothing found\n"));
}

static int leaks_known(void *ctx, unsigned proc, struct leak_report **ret)
{
	static uint64_t earlier[] = {3};
	static struct wait_goroutine goroutine = {.goid = 8, .why = WAIT_ON_OBJECTS};
	static struct wait_graph graph = {.goroutines = &goroutine, .n_goroutines = 1};
	static struct leak_member member = {.culprit = true,
					    .proven = true,
					    .object = LEAK_NONE,
					    .waits_for = LEAK_NONE,
					    .holder = LEAK_NONE};
	static struct leak_group group = {
		.kind = LEAK_ORPHAN, .proven = true, .n = 1, .culprits = 1};
	static struct leak_report report = {.graph = &graph,
					    .groups = {&group, &member, 1, 1},
					    .end_ns = LOOK,
					    .earlier = {LOOK - 36 * S, earlier, 1}};

	*ret = &report;
	return 0;
}

static void leaks_put(void *ctx, struct leak_report *r)
{
}

static const char *as_json(struct fixture *x)
{
	struct view_query q = {.form = VIEW_JSON};

	buf_reset(&x->out);
	assert_int_equal(view_problems(&x->v, &q, &x->out), 0);
	return x->out.data;
}

/* All of the row is as of the look: it does not grow older with who asks. */
static void test_leaks_of_a_look(void **state)
{
	struct event go = {.type = EVENT_NEWGOROUTINE, .goid = 1, .target = 8, .time_ns = BEGAN};
	struct fixture *x = *state;

	go.string_id = intern(x, "main.lost");
	model_apply(x->m, &go, 1);
	change(x, 8, GSTATE_WAITING, "chan receive", BEGAN + 1);
	x->live.leaks_known = leaks_known;
	x->live.leaks_put = leaks_put;
	wake(x, 5, LOOK + 420 * S);
	assert_non_null(strstr(
		problems(x), "\ncritical leak: as of 7m ago: 1 leaked: main.lost, chan receive; "
			     "nobody who can still run refers to what it waits on; the oldest for "
			     "9m; 1 more in the 36.0s before; see leaks "));
	assert_non_null(strstr(as_json(x), "\"function\":\"main.lost\",\"as_of_unix_ns\":"
					   "1541000000000,"));
	assert_non_null(strstr(x->out.data, "{\"as_of_unix_ns\":1961000000000,"));
}

/* One look at that many problems, each about a function of its own. */
static struct scene look(struct problem_memory *m, uint64_t at, enum problem_kind kind,
			 enum problem_severity severity, unsigned n)
{
	struct scene s = {.now = at};

	s.info.state = PROC_RUNNING;
	s.list = calloc(PROBLEMS_MAX, sizeof(*s.list));
	assert_non_null(s.list);
	for (unsigned i = 0; i < n; i++) {
		struct problem *p = problem_add(&s, kind, severity, 1);

		assert_non_null(p);
		snprintf(p->function, sizeof(p->function), "main.f%u", i);
		buf_adds(&p->text, "text");
	}
	problem_memory_merge(m, &s);
	return s;
}

static void drop(struct scene *s)
{
	for (unsigned i = 0; i < s->n; i++)
		buf_free(&s->list[i].text);
	free(s->list);
}

static enum problem_severity severity_at(struct problem_memory *m, uint64_t at,
					 enum problem_severity measured)
{
	struct scene s = look(m, at, PROBLEM_GROWING, measured, 1);
	enum problem_severity ret = s.list[0].severity;

	assert_int_equal(s.n, 1);
	drop(&s);
	return ret;
}

static void test_severity_stays(void **state)
{
	struct fixture *x = *state;
	struct problem_memory *m = x->v.problems;
	struct scene s;

	assert_int_equal(severity_at(m, T0, PROBLEM_WARNING), PROBLEM_WARNING);
	assert_int_equal(severity_at(m, T0 + S, PROBLEM_CRITICAL), PROBLEM_CRITICAL);
	assert_int_equal(severity_at(m, T0 + 16 * S, PROBLEM_WARNING), PROBLEM_CRITICAL);
	assert_int_equal(severity_at(m, T0 + 31 * S, PROBLEM_WARNING), PROBLEM_CRITICAL);
	assert_int_equal(severity_at(m, T0 + 32 * S, PROBLEM_WARNING), PROBLEM_WARNING);
	/* Growth itself is not told of once it is none. */
	s = look(m, T0 + 33 * S, PROBLEM_GROWING, PROBLEM_WARNING, 0);
	assert_int_equal(s.n, 0);
	drop(&s);
}

static void test_bounded(void **state)
{
	struct fixture *x = *state;
	struct problem_memory *m = x->v.problems;
	struct scene s = look(m, T0, PROBLEM_WORK, PROBLEM_WARNING, PROBLEMS_MAX);

	drop(&s);
	s = look(m, T0 + S, PROBLEM_BLOCKED, PROBLEM_CRITICAL, 3);
	/* Three of the oldest made room. */
	assert_int_equal(s.n, PROBLEMS_MAX);
	drop(&s);
	/* A recording was gone back in: what is yet to come is not told. */
	s = look(m, T0 - S, PROBLEM_WORK, PROBLEM_WARNING, 0);
	assert_int_equal(s.n, 0);
	drop(&s);
	/* Nobody waits in what has ended. */
	s = look(m, T0 + 2 * S, PROBLEM_WORK, PROBLEM_WARNING, 1);
	drop(&s);
	s = (struct scene){.now = T0 + 3 * S};
	s.info.state = PROC_EXITED;
	problem_memory_merge(m, &s);
	assert_int_equal(s.n, 0);
}

static bool told_on(struct problem_memory *m, enum problem_kind kind, uint64_t at)
{
	struct scene s = look(m, at, kind, PROBLEM_NOTICE, 0);
	bool ret = s.n == 1 && !strncmp(s.list[0].text.data, "seen last ", strlen("seen last "));

	assert_int_equal(s.n, ret);
	drop(&s);
	return ret;
}

/* What flickers is told on, as its rule says; what is no longer so, and lasts, is not. */
static void test_flickers(void **state)
{
	for (unsigned kind = 0; kind < PROBLEM_KINDS; kind++) {
		uint64_t stays = problem_rules[kind].stays_ns;
		struct problem_memory *m;
		struct scene s;

		assert_int_equal(problem_memory_new(&m), 0);
		s = look(m, T0, kind, PROBLEM_NOTICE, 1);
		drop(&s);
		assert_int_equal(told_on(m, kind, T0 + 2 * S), stays != 0);
		assert_int_equal(told_on(m, kind, T0 + 10 * S), stays != 0);
		assert_false(told_on(m, kind, T0 + 10 * S + 1));
		/* Again, and once only. */
		s = look(m, T0 + 11 * S, kind, PROBLEM_NOTICE, 1);
		drop(&s);
		s = look(m, T0 + 12 * S, kind, PROBLEM_NOTICE, 1);
		assert_int_equal(s.n, 1);
		drop(&s);
		problem_memory_free(m);
	}
}

/* Of a rate of the whole program there is one row, whoever it names now. */
static void test_one_of_a_kind(void **state)
{
	struct problem_memory *m;
	struct scene s;

	assert_int_equal(problem_memory_new(&m), 0);
	s = look(m, T0, PROBLEM_ALLOCATION, PROBLEM_WARNING, 1);
	drop(&s);
	s = (struct scene){.now = T0 + S, .info.state = PROC_RUNNING};
	s.list = calloc(PROBLEMS_MAX, sizeof(*s.list));
	assert_non_null(s.list);
	snprintf(problem_add(&s, PROBLEM_ALLOCATION, PROBLEM_WARNING, 1)->function, 10, "main.g");
	problem_memory_merge(m, &s);
	assert_int_equal(s.n, 1);
	drop(&s);
	problem_memory_free(m);
}

/* What comes and goes may not be there at the only look. */
static void test_one_look(void **state)
{
	static const uint64_t at[] = {T0, T0 + 5 * S, T0 + 15 * S, T0 + 26 * S};
	static const bool alone[] = {true, false, false, true};
	struct fixture *x = *state;
	struct problem_memory *m;

	assert_int_equal(problem_memory_new(&m), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		struct scene s = look(m, at[i], PROBLEM_BLOCKED, PROBLEM_WARNING, 0);

		assert_int_equal(s.alone, alone[i]);
		drop(&s);
	}
	problem_memory_free(m);
	assert_null(strstr(problems(x), "one look")); /* a recording stands still */
	problem_memory_free(x->v.problems);
	assert_int_equal(problem_memory_new(&x->v.problems), 0);
	x->v.replay = false;
	assert_non_null(
		strstr(problems(x), "\none look: blocked, convoy, downstream, work and syscalls "));
	assert_null(strstr(problems(x), "one look"));
	x->v.replay = true;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stays_for_a_while, setup, end),
		cmocka_unit_test_setup_teardown(test_leaks_of_a_look, setup, end),
		cmocka_unit_test_setup_teardown(test_severity_stays, setup, end),
		cmocka_unit_test_setup_teardown(test_bounded, setup, end),
		cmocka_unit_test_setup_teardown(test_one_look, setup, end),
		cmocka_unit_test(test_flickers),
		cmocka_unit_test(test_one_of_a_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
