/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is lost, and what memory tells of it; processes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/model_fixture.h"

static void test_lost(void **state)
{
	struct fixture *x = *state;
	uint64_t lost[EVENT_TYPES] = {[EVENT_CASGSTATUS] = 3, [EVENT_NEWOBJECT] = 4};
	uint64_t none[EVENT_TYPES] = {0};
	struct event ev;
	uint64_t cursor = 0;

	apply(x, 10, move(1, 7, GSTATE_DEAD, GSTATE_RUNNABLE));
	cursor = feed_head(model_feed(x->m));
	model_lost(x->m, -1, none, 15);
	assert_int_equal(feed_head(model_feed(x->m)), cursor);
	assert_int_equal(get(x, 7).flags, 0);
	model_lost(x->m, -1, lost, 20);
	assert_int_equal(feed_read(model_feed(x->m), &cursor, &ev, 1, NULL), 1);
	assert_int_equal(ev.type, EVENT_LOST);
	assert_int_equal(ev.count, 7);
	assert_int_equal(ev.lost_by_type, 1 << EVENT_CASGSTATUS | 1 << EVENT_NEWOBJECT);
	assert_int_equal(ev.proc, EVENT_PROC_NONE);
	assert_int_equal(ev.time_ns, 20);
	assert_int_equal(totals(x).lost[EVENT_CASGSTATUS], 3);
	/* Who was there is in doubt, who came later is not. */
	assert_int_equal(get(x, 7).flags, GOROUTINE_UNCERTAIN);
	apply(x, 30, move(1, 8, GSTATE_DEAD, GSTATE_RUNNABLE));
	assert_int_equal(get(x, 8).flags, 0);
	model_lost(x->m, 0, lost, 40);
	assert_int_equal(get(x, 8).flags, GOROUTINE_UNCERTAIN);
	/* The backlog is older than the loss that is told before it. */
	apply(x, 35, move(1, 9, GSTATE_DEAD, GSTATE_RUNNABLE));
	assert_int_equal(get(x, 9).flags, GOROUTINE_UNCERTAIN);
	apply(x, 45, move(1, 11, GSTATE_DEAD, GSTATE_RUNNABLE));
	assert_int_equal(get(x, 11).flags, 0);
	assert_true(totals(x).in_doubt);
	assert_int_equal(totals(x).lost[EVENT_NEWOBJECT], 8);
}

static void test_heal(void **state)
{
	struct fixture *x = *state;
	uint32_t reason = intern(x, "select"), func = intern(x, "main.leak");
	struct goroutine_seen seen[] = {
		{.goid = 1, .state = GSTATE_WAITING, .reason_id = reason, .start_func_id = func},
		{.goid = 2, .state = GSTATE_WAITING, .reason_id = reason, .system = true},
		{.goid = 3, .state = GSTATE_DEAD},
		{.goid = 4, .state = GSTATE_RUNNING},
		{.goid = 0, .state = GSTATE_RUNNING},
		{.goid = 6, .state = GSTATE_COPYSTACK, .parent = 4},
	};
	struct goroutine g;

	apply(x, 10, move(1, 4, GSTATE_WAITING, GSTATE_RUNNABLE)); /* lost: running */
	apply(x, 10, move(1, 5, GSTATE_DEAD, GSTATE_RUNNABLE));    /* lost: its end */
	apply(x, 10, move(1, 7, GSTATE_DEAD, GSTATE_RUNNABLE));
	apply(x, 120, move(1, 7, GSTATE_RUNNABLE, GSTATE_RUNNING)); /* after the reading */
	model_heal(x->m, 0, seen, ARRAY_SIZE(seen), 100, true);
	/* 1 was only seen acting, last after the reading: its state then is not its state now. */
	g = get(x, 1);
	assert_int_equal(g.start_func_id, func);
	assert_true(g.flags & GOROUTINE_STATE_UNKNOWN);
	g = get(x, 2);
	assert_int_equal(g.state, GSTATE_WAITING);
	assert_int_equal(g.flags, GOROUTINE_FOUND | GOROUTINE_SYSTEM | GOROUTINE_STATE_READ |
					  GOROUTINE_AT_LEAST);
	assert_int_equal(g.reason_id, reason);
	assert_int_equal(g.state_since_ns, 100);
	assert_int_equal(model_goroutine(x->m, 0, 3, &g), -ENOENT);
	g = get(x, 4);
	assert_int_equal(g.state, GSTATE_RUNNING);
	assert_int_equal(g.flags, GOROUTINE_FOUND | GOROUTINE_UNCERTAIN | GOROUTINE_STATE_READ |
					  GOROUTINE_AT_LEAST);
	assert_int_equal(g.state_ns[GSTATE_RUNNABLE], 0);
	g = get(x, 5);
	assert_int_equal(g.flags, GOROUTINE_EXITED | GOROUTINE_UNCERTAIN | GOROUTINE_EXIT_READ);
	assert_int_equal(g.exited_ns, 100);
	assert_int_equal(get(x, 6).state, GSTATE_RUNNING);
	assert_int_equal(get(x, 6).parent, 4);
	g = get(x, 7);
	assert_int_equal(g.state, GSTATE_RUNNING);
	assert_int_equal(g.flags, 0);
	assert_int_equal(totals(x).healed, 2);
	assert_int_equal(totals(x).goroutines_exited, 1);
	/* Told late, from before the reading: counted, but the state stands. */
	apply(x, 90, move(2, 2, GSTATE_RUNNING, GSTATE_SYSCALL));
	g = get(x, 2);
	assert_int_equal(g.state, GSTATE_WAITING);
	assert_int_equal(g.counts[EVENT_CASGSTATUS], 1);
	/* And on from there, as if nothing had been. */
	apply(x, 200, move(0, 2, GSTATE_WAITING, GSTATE_RUNNABLE));
	g = get(x, 2);
	assert_int_equal(g.state_ns[GSTATE_WAITING], 100);
	assert_false(g.flags & GOROUTINE_UNCERTAIN);
}

/* A reading takes a while: what it has may have been made after it was begun. */
static void test_made_while_it_was_read(void **state)
{
	struct fixture *x = *state;
	struct goroutine_seen seen = {.goid = 5, .state = GSTATE_RUNNABLE};

	model_heal(x->m, 0, &seen, 1, 100, true);
	assert_int_equal(totals(x).goroutines_created, 0);
	apply(x, 101, move(1, 5, GSTATE_DEAD, GSTATE_RUNNABLE));
	apply(x, 110, move(0, 5, GSTATE_RUNNABLE, GSTATE_RUNNING));
	assert_int_equal(totals(x).goroutines_created, 1);
	assert_int_equal(get(x, 5).created_ns, 101);
	assert_int_equal(get(x, 5).flags, 0);
	assert_int_equal(get(x, 5).state_ns[GSTATE_RUNNABLE], 9);
}

static void test_heal_again(void **state)
{
	struct fixture *x = *state;
	struct goroutine_seen seen = {.goid = 5, .state = GSTATE_WAITING};
	struct goroutine g;

	apply(x, 10, move(1, 5, GSTATE_DEAD, GSTATE_RUNNABLE));
	/* An incomplete reading ends nobody. */
	model_heal(x->m, 0, NULL, 0, 100, false);
	assert_int_equal(get(x, 5).flags, 0);
	model_heal(x->m, 0, NULL, 0, 100, true);
	assert_true(get(x, 5).flags & GOROUTINE_EXITED);
	assert_int_equal(totals(x).live_total, 0);
	/* It was there after all. */
	model_heal(x->m, 0, &seen, 1, 200, false);
	g = get(x, 5);
	assert_false(g.flags & GOROUTINE_EXITED);
	assert_int_equal(g.exited_ns, 0);
	assert_int_equal(totals(x).goroutines_exited, 1); /* 1 did end */
	assert_int_equal(totals(x).live_total, 1);
	assert_int_equal(totals(x).exited_retained, 1);
	/* The same by an event. */
	model_heal(x->m, 0, NULL, 0, 300, true);
	apply(x, 400, object(5, 8));
	assert_int_equal(get(x, 5).flags & (GOROUTINE_EXITED | GOROUTINE_STATE_UNKNOWN),
			 GOROUTINE_STATE_UNKNOWN);
	model_heal(x->m, 0, NULL, 0, 500, true);
	apply(x, 600, move(5, 5, GSTATE_RUNNING, GSTATE_WAITING));
	assert_int_equal(get(x, 5).state, GSTATE_WAITING);
	assert_false(get(x, 5).flags & GOROUTINE_EXITED);
	/* But an end that was told stands, whatever memory shows of a reused g. */
	apply(x, 700, move(5, 5, GSTATE_RUNNING, GSTATE_DEAD));
	model_heal(x->m, 0, &seen, 1, 800, true);
	assert_true(get(x, 5).flags & GOROUTINE_EXITED);
	model_heal(x->m, 9, &seen, 1, 800, true); /* no such process */
}

/* Healed first, created later: the creation came late. */
static void test_late_creation(void **state)
{
	struct fixture *x = *state;
	struct goroutine_seen seen = {.goid = 5, .state = GSTATE_WAITING};
	struct goroutine g;

	model_heal(x->m, 0, &seen, 1, 100, true);
	assert_int_equal(get(x, 5).flags,
			 GOROUTINE_FOUND | GOROUTINE_STATE_READ | GOROUTINE_AT_LEAST);
	apply(x, 80, move(1, 5, GSTATE_DEAD, GSTATE_RUNNABLE));
	apply(x, 80, go(1, 5));
	g = get(x, 5);
	assert_int_equal(g.flags, GOROUTINE_STATE_READ | GOROUTINE_AT_LEAST);
	assert_int_equal(g.created_ns, 80);
	assert_int_equal(g.parent, 1);
	assert_int_equal(g.state, GSTATE_WAITING);
	assert_int_equal(totals(x).goroutines_created, 1);
}

static void test_processes(void **state)
{
	struct fixture *x = *state;
	struct proc_info info = {.pid = 200, .binary_path = "/bin/y"};
	struct event ev = object(1, 8);
	struct model_totals t;

	assert_int_equal(model_proc_add(x->m, &info), 1);
	assert_int_equal(model_proc_add(x->m, &info), 2);
	assert_int_equal(model_procs(x->m), 3);
	assert_int_equal(model_proc_by_pid(x->m, 200), 2);
	assert_int_equal(model_proc_by_pid(x->m, 100), 0);
	assert_int_equal(model_proc_by_pid(x->m, 300), -ENOENT);
	assert_int_equal(model_proc(x->m, 3, &info), -ENOENT);
	/* The same goid in two processes. */
	apply(x, 10, ev);
	ev.proc = 1;
	ev.size = 100;
	apply(x, 20, ev);
	assert_int_equal(get(x, 1).alloc_bytes, 8);
	model_totals(x->m, 1, &t);
	assert_int_equal(t.alloc_bytes, 100);
	assert_int_equal(t.last_event_ns, 20);
	assert_int_equal(t.live_total, 1);
	model_totals(x->m, 2, &t);
	assert_int_equal(t.live_total, 0);
	assert_int_equal(t.last_event_ns, 0);
	/* It ended: everything stays as it was. */
	model_proc_exited(x->m, 0, 55);
	model_proc_exited(x->m, 0, 66);
	model_proc_exited(x->m, 99, 66);
	assert_int_equal(model_proc(x->m, 0, &info), 0);
	assert_int_equal(info.state, PROC_EXITED);
	assert_int_equal(info.exited_ns, 55);
	assert_int_equal(get(x, 1).flags, GOROUTINE_FOUND | GOROUTINE_STATE_UNKNOWN);
	for (unsigned i = 3; i < MODEL_PROCS_MAX; i++)
		assert_int_equal(model_proc_add(x->m, &info), i);
	assert_int_equal(model_proc_add(x->m, &info), -ENOSPC);
}

/* Many more than are kept: memory is bounded, numbers are not given again, sums are of all. */
static void test_many_processes(void **state)
{
	struct fixture *x = *state;
	struct proc_info info = {.pid = 1000, .binary_path = "/bin/y"};
	struct event ev = object(7, 8), copy[4];
	uint64_t cursor = 0, memory = 0;
	struct model_totals t;
	struct goroutine g;

	for (unsigned i = 1; i <= 5000; i++) {
		info.pid = (pid_t)(1000 + i % 3000);
		info.state = PROC_RUNNING;
		assert_int_equal(model_proc_add(x->m, &info), i);
		ev.proc = (uint16_t)i;
		ev.goid = 1 + i % 7;
		apply(x, i, ev);
		model_proc_exited(x->m, i, i);
		if (i == 1000) {
			model_totals(x->m, -1, &t);
			memory = t.memory_bytes;
		}
	}
	model_totals(x->m, -1, &t);
	assert_int_equal(t.events[EVENT_NEWOBJECT], 5000);
	assert_int_equal(t.alloc_bytes, 5000 * 8);
	assert_int_equal(t.procs_seen, 5001);
	assert_in_range(t.procs_dropped, 5000 - MODEL_PROCS_ENDED,
			5000 - MODEL_PROCS_ENDED * 7 / 8);
	assert_int_equal(t.live_total, 5001 - t.procs_dropped - 1);
	assert_in_range(t.memory_bytes, 1, memory + memory / 4);
	assert_int_equal(model_proc(x->m, 0, &info), 0); /* the first stays */
	assert_int_equal(model_proc(x->m, 1, &info), -ENOENT);
	assert_int_equal(model_goroutine(x->m, 1, 2, &g), -ENOENT);
	assert_int_equal(model_pid_of(x->m, 1), 1001);
	assert_int_equal(model_proc(x->m, 5000, &info), 0);
	/* An event that comes late is of nobody, and in the log as what it is. */
	ev.proc = 1;
	ev.goid = 2;
	apply(x, 6000, ev);
	model_totals(x->m, -1, &t);
	assert_int_equal(t.unknown_process, 1);
	cursor = feed_head(model_feed(x->m)) - 1;
	assert_int_equal(feed_read(model_feed(x->m), &cursor, copy, 4, NULL), 1);
	assert_int_equal(copy[0].proc, 1);
	/* A replay that goes back is told of them anew. */
	assert_int_equal(model_reset(x->m), 0);
	assert_int_equal(model_procs(x->m), 0);
	info.state = PROC_RUNNING;
	assert_int_equal(model_proc_add(x->m, &info), 0);
}

/* It executes something: all of it has ended, and what it is then is another. */
static void test_exec(void **state)
{
	struct fixture *x = *state;
	struct goroutine_seen seen = {.goid = 3, .state = GSTATE_WAITING};
	struct proc_info info;
	struct model_totals t;

	assert_int_equal(model_proc(x->m, 0, &info), 0);
	apply(x, 10, move(0, 1, GSTATE_DEAD, GSTATE_RUNNABLE));
	apply(x, 20, move(0, 2, GSTATE_DEAD, GSTATE_RUNNABLE));
	apply(x, 30, move(2, 2, GSTATE_RUNNING, GSTATE_DEAD));
	model_proc_execed(x->m, 0, "/bin/other", 50);
	assert_int_equal(model_proc_add(x->m, &info), 1);
	assert_int_equal(model_proc_root(x->m), 1);
	assert_int_equal(model_proc_nth(x->m, info.pid, 1), 0);
	assert_int_equal(model_nth_of(x->m, 1), 2);
	assert_int_equal(get(x, 1).flags & (GOROUTINE_EXITED | GOROUTINE_EXECED),
			 GOROUTINE_EXITED | GOROUTINE_EXECED);
	assert_int_equal(get(x, 1).exited_ns, 50);
	assert_int_equal(get(x, 1).state_ns[GSTATE_RUNNABLE], 40);
	assert_int_equal(get(x, 2).exited_ns, 30);
	assert_false(get(x, 2).flags & GOROUTINE_EXECED);
	/* Its memory was read when it was another already. */
	model_heal(x->m, 0, &seen, 1, 60, true);
	model_totals(x->m, 0, &t);
	assert_int_equal(t.live_total, 0);
	assert_int_equal(model_proc(x->m, 0, &info), 0);
	assert_true(info.execed);
	assert_string_equal(info.execed_path, "/bin/other");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_lost),
		TEST(test_heal),
		TEST(test_made_while_it_was_read),
		TEST(test_heal_again),
		TEST(test_late_creation),
		TEST(test_processes),
		TEST(test_many_processes),
		TEST(test_exec),
	};

	return cmocka_run_group_tests_name("model_heal", tests, NULL, NULL);
}
