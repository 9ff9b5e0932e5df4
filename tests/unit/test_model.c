/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The model, case by case: lives of goroutines, gaps, loss, healing, bounds, processes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/model_fixture.h"

static void test_life(void **state)
{
	struct fixture *x = *state;
	struct event ev = go(1, 7);
	struct goroutine g;

	ev.string_id = intern(x, "main.worker");
	ev.site_id = names_add_site(x->names, (struct site){.func_id = 1, .line = 3});
	apply(x, 100, move(1, 7, GSTATE_DEAD, GSTATE_RUNNABLE));
	apply(x, 100, ev);
	g = get(x, 7);
	assert_int_equal(g.state, GSTATE_RUNNABLE);
	assert_int_equal(g.flags, 0);
	assert_int_equal(g.parent, 1);
	assert_int_equal(g.created_ns, 100);
	assert_int_equal(g.start_func_id, ev.string_id);
	assert_int_equal(g.created_site_id, ev.site_id);
	apply(x, 150, move(0, 7, GSTATE_RUNNABLE, GSTATE_RUNNING));
	assert_int_equal(apply(x, 160, object(7, 96)).parent, 1);
	ev = move(7, 7, GSTATE_RUNNING, GSTATE_WAITING);
	ev.string_id = intern(x, "chan receive");
	apply(x, 250, ev);
	g = get(x, 7);
	assert_int_equal(g.reason_id, ev.string_id);
	assert_int_equal(g.state_since_ns, 250);
	/* Who wakes it, and what for. */
	ev = apply(x, 1250, move(9, 7, GSTATE_WAITING, GSTATE_RUNNABLE));
	assert_string_equal(names_string(x->names, ev.string_id), "chan receive");
	apply(x, 1300, move(7, 7, GSTATE_RUNNABLE, GSTATE_RUNNING));
	apply(x, 1330, move(7, 7, GSTATE_RUNNING, GSTATE_DEAD));
	apply(x, 1330, (struct event){.type = EVENT_GOEXIT, .goid = 7, .target = 7});
	g = get(x, 7);
	assert_int_equal(g.flags, GOROUTINE_EXITED | GOROUTINE_LAST_ENDED);
	assert_int_equal(g.state, GSTATE_DEAD);
	assert_int_equal(g.exited_ns, 1330);
	assert_int_equal(g.woken_by, 9);
	assert_int_equal(g.state_ns[GSTATE_RUNNABLE], 50 + 50);
	assert_int_equal(g.state_ns[GSTATE_RUNNING], 100 + 30);
	assert_int_equal(g.state_ns[GSTATE_WAITING], 1000);
	assert_int_equal(g.runnable_count, 2);
	assert_int_equal(g.runnable_sum_ns, 100);
	assert_int_equal(g.runnable_max_ns, 50);
	assert_int_equal(g.counts[EVENT_CASGSTATUS], 6);
	assert_int_equal(g.counts[EVENT_NEWOBJECT], 1);
	assert_int_equal(g.counts[EVENT_GOEXIT], 1);
	assert_int_equal(g.alloc_bytes, 96);
	/* The creator was seen acting only. */
	g = get(x, 1);
	assert_int_equal(g.flags, GOROUTINE_FOUND | GOROUTINE_STATE_UNKNOWN);
	assert_int_equal(g.children, 1);
	assert_int_equal(g.counts[EVENT_NEWGOROUTINE], 1);
	assert_int_equal(totals(x).goroutines_created, 1);
	assert_int_equal(totals(x).goroutines_exited, 1);
	assert_int_equal(totals(x).live_total, 2); /* 1 and 9 */
	assert_int_equal(totals(x).live_unknown, 2);
	assert_int_equal(totals(x).runnable_latency[5], 2); /* 50 ns: [32, 64) */
}

/* Creation and exit come as two events each, in either order, and count once. */
static void test_pairs(void **state)
{
	struct fixture *x = *state;

	apply(x, 10, go(1, 7));
	apply(x, 10, move(1, 7, GSTATE_DEAD, GSTATE_RUNNABLE));
	assert_int_equal(get(x, 7).flags, 0);
	assert_int_equal(get(x, 7).state, GSTATE_RUNNABLE);
	apply(x, 20, move(7, 7, GSTATE_RUNNABLE, GSTATE_RUNNING));
	apply(x, 30, (struct event){.type = EVENT_GOEXIT, .goid = 7, .target = 7});
	apply(x, 31, move(7, 7, GSTATE_RUNNING, GSTATE_DEAD));
	assert_int_equal(get(x, 7).exited_ns, 30);
	assert_int_equal(get(x, 7).state_ns[GSTATE_RUNNING], 10);
	assert_int_equal(totals(x).goroutines_created, 1);
	assert_int_equal(totals(x).goroutines_exited, 1);
	assert_int_equal(totals(x).exited_retained, 1);
}

/* -sample newgoroutine:1 and the like: what is hidden moves the model, and nothing else. */
static void test_hidden(void **state)
{
	struct fixture *x = *state;
	struct goroutine g;

	apply(x, 10, hidden(move(1, 7, GSTATE_DEAD, GSTATE_RUNNABLE)));
	apply(x, 10, hidden(go(1, 7)));
	g = get(x, 7);
	assert_int_equal(g.flags, GOROUTINE_STATE_UNKNOWN);
	assert_int_equal(g.parent, 1);
	assert_int_equal(g.counts[EVENT_CASGSTATUS], 0);
	assert_int_equal(get(x, 1).counts[EVENT_NEWGOROUTINE], 0);
	assert_int_equal(get(x, 1).children, 1);
	assert_int_equal(feed_head(model_feed(x->m)), 0);
	assert_int_equal(totals(x).events[EVENT_CASGSTATUS], 0);
	assert_int_equal(totals(x).goroutines_created, 1);
	apply(x, 20, object(7, 8));
	assert_int_equal(get(x, 7).flags, GOROUTINE_STATE_UNKNOWN);
	assert_int_equal(feed_head(model_feed(x->m)), 1);
	apply(x, 30, hidden(move(7, 7, GSTATE_RUNNING, GSTATE_DEAD)));
	g = get(x, 7);
	assert_int_equal(g.flags, GOROUTINE_EXITED);
	for (unsigned i = 0; i < GSTATES; i++)
		assert_int_equal(g.state_ns[i], 0);
	/* Only creations are sampled: the state is not known beyond that moment. */
	apply(x, 40, go(1, 8));
	assert_int_equal(get(x, 8).flags, GOROUTINE_STATE_UNKNOWN);
}

static void test_gaps(void **state)
{
	struct fixture *x = *state;
	struct goroutine g;

	/* First seen by a change: its state is known from then on. */
	apply(x, 100, move(3, 3, GSTATE_RUNNING, GSTATE_WAITING));
	g = get(x, 3);
	assert_int_equal(g.flags, GOROUTINE_FOUND);
	assert_int_equal(g.state_ns[GSTATE_RUNNING], 0);
	/* A change is missing: `to` is the state, the time is nobody's. */
	apply(x, 200, move(3, 3, GSTATE_RUNNING, GSTATE_SYSCALL));
	g = get(x, 3);
	assert_int_equal(g.state, GSTATE_SYSCALL);
	assert_int_equal(g.flags, GOROUTINE_FOUND | GOROUTINE_UNCERTAIN);
	assert_int_equal(g.state_ns[GSTATE_WAITING], 0);
	assert_int_equal(g.state_ns[GSTATE_RUNNING], 0);
	apply(x, 300, move(3, 3, GSTATE_SYSCALL, GSTATE_RUNNING));
	assert_int_equal(get(x, 3).state_ns[GSTATE_SYSCALL], 100);
	/* Its stack is copied: it runs on. */
	apply(x, 310, move(3, 3, GSTATE_RUNNING, GSTATE_COPYSTACK));
	apply(x, 320, move(3, 3, GSTATE_COPYSTACK, GSTATE_RUNNING));
	g = get(x, 3);
	assert_int_equal(g.state_since_ns, 300);
	assert_int_equal(g.counts[EVENT_CASGSTATUS], 5);
	/* The same change a second time, from a syscall site. */
	apply(x, 330, move(3, 3, GSTATE_RUNNING, GSTATE_SYSCALL));
	apply(x, 331, move(3, 3, GSTATE_RUNNING, GSTATE_SYSCALL));
	assert_int_equal(get(x, 3).state_since_ns, 330);
	/* runnable -> running while it ran: something was lost in between. */
	apply(x, 340, move(3, 3, GSTATE_SYSCALL, GSTATE_RUNNING));
	apply(x, 400, move(0, 3, GSTATE_RUNNABLE, GSTATE_RUNNING));
	g = get(x, 3);
	assert_int_equal(g.state_since_ns, 400);
	assert_int_equal(g.state_ns[GSTATE_RUNNING], 30);
	assert_int_equal(g.runnable_count, 0);
}

/* Stopped for a stack scan: running -> (unseen) -> waiting -> runnable. No event was lost. */
static void test_scan_gap(void **state)
{
	struct fixture *x = *state;

	apply(x, 100, move(1, 7, GSTATE_DEAD, GSTATE_RUNNABLE));
	apply(x, 110, move(7, 7, GSTATE_RUNNABLE, GSTATE_RUNNING));
	apply(x, 200, move(2, 7, GSTATE_WAITING, GSTATE_RUNNABLE));
	assert_int_equal(get(x, 7).flags, 0);
	assert_int_equal(get(x, 7).state_ns[GSTATE_RUNNING], 90);
}

/* It allocates while it should be waiting: the model does not pretend to know. */
static void test_acts_while_waiting(void **state)
{
	struct fixture *x = *state;
	struct goroutine g;

	apply(x, 100, move(3, 3, GSTATE_RUNNING, GSTATE_WAITING));
	apply(x, 200, object(3, 8));
	g = get(x, 3);
	assert_true(g.flags & GOROUTINE_STATE_UNKNOWN);
	assert_true(g.flags & GOROUTINE_UNCERTAIN);
	assert_int_equal(totals(x).live[GSTATE_WAITING], 0);
	assert_int_equal(totals(x).live_unknown, 1);
	apply(x, 300, move(3, 3, GSTATE_RUNNING, GSTATE_WAITING));
	g = get(x, 3);
	assert_false(g.flags & GOROUTINE_STATE_UNKNOWN);
	assert_int_equal(g.state_ns[GSTATE_RUNNING], 0);
	/* Waking others in the waiting state is legitimate (stopping the world). */
	apply(x, 400, move(3, 4, GSTATE_WAITING, GSTATE_RUNNABLE));
	assert_int_equal(get(x, 3).state, GSTATE_WAITING);
	assert_false(get(x, 3).flags & GOROUTINE_STATE_UNKNOWN);
}

static void test_nobody(void **state)
{
	struct fixture *x = *state;
	struct goroutine g;
	struct allocation *rows;
	size_t n;

	apply(x, 10, object(0, 64));
	apply(x, 10, move(0, 0, GSTATE_IDLE, GSTATE_DEAD));
	/* A g structure is made with a goid that is not its own yet. */
	apply(x, 10, move(0, 55, GSTATE_IDLE, GSTATE_DEAD));
	assert_int_equal(model_goroutine(x->m, 0, 0, &g), -ENOENT);
	assert_int_equal(model_goroutine(x->m, 0, 55, &g), -ENOENT);
	assert_int_equal(model_goroutine(x->m, 5, 1, &g), -ENOENT);
	assert_int_equal(totals(x).alloc_bytes, 64);
	assert_int_equal(totals(x).events[EVENT_NEWOBJECT], 1);
	assert_int_equal(totals(x).live_total, 0);
	assert_int_equal(model_type_totals(x->m, 0, &rows, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].bytes, 64);
	free(rows);
	/* The network poller wakes somebody. */
	apply(x, 20, move(0, 7, GSTATE_WAITING, GSTATE_RUNNABLE));
	assert_int_equal(get(x, 7).woken_by, 0);
}

static void test_malformed(void **state)
{
	struct fixture *x = *state;
	struct event ev = object(1, 8);

	apply(x, 1, (struct event){.type = 200, .goid = 1});
	apply(x, 1, move(1, 1, 200, 3));
	apply(x, 1, move(1, 1, 3, GSTATES));
	assert_int_equal(totals(x).malformed, 3);
	assert_int_equal(feed_head(model_feed(x->m)), 0);
	ev.proc = 9;
	apply(x, 1, ev);
	assert_int_equal(totals(x).unknown_process, 1);
	assert_int_equal(feed_head(model_feed(x->m)), 1);
	assert_int_equal(totals(x).events[EVENT_NEWOBJECT], 0);
	/* A lost event in a recorded stream goes through. */
	ev = (struct event){.type = EVENT_LOST, .count = 3, .proc = EVENT_PROC_NONE, .goid = 44};
	apply(x, 1, ev);
	assert_int_equal(feed_head(model_feed(x->m)), 2);
	assert_int_equal(totals(x).live_total, 0);
}

/* A C thread enters Go with the same goroutine again and again. */
static void test_cgo_thread(void **state)
{
	struct fixture *x = *state;
	struct goroutine g;

	for (uint64_t i = 1; i <= 3; i++) {
		apply(x, 100 * i, cgo(move(0, 17, GSTATE_DEADEXTRA, GSTATE_SYSCALL)));
		apply(x, 100 * i, cgo(go(0, 17)));
		g = get(x, 17);
		assert_int_equal(g.flags, GOROUTINE_CGO);
		assert_int_equal(g.state, GSTATE_SYSCALL);
		assert_int_equal(g.exited_ns, 0);
		assert_int_equal(totals(x).live_total, 1);
		apply(x, 100 * i + 10, cgo(move(17, 17, GSTATE_SYSCALL, GSTATE_RUNNING)));
		apply(x, 100 * i + 15, cgo(move(17, 17, GSTATE_RUNNING, GSTATE_SYSCALL)));
		apply(x, 100 * i + 35, cgo(move(0, 17, GSTATE_SYSCALL, GSTATE_DEADEXTRA)));
		apply(x, 100 * i + 35,
		      cgo((struct event){.type = EVENT_GOEXIT, .goid = 0, .target = 17}));
		g = get(x, 17);
		assert_int_equal(g.flags, GOROUTINE_CGO | GOROUTINE_EXITED);
		assert_int_equal(totals(x).goroutines_created, i);
		assert_int_equal(totals(x).goroutines_exited, i);
		assert_int_equal(totals(x).exited_retained, 1);
		assert_int_equal(totals(x).live_total, 0);
	}
	assert_int_equal(g.state_ns[GSTATE_RUNNING], 15);
	assert_int_equal(g.state_ns[GSTATE_SYSCALL], 90);
	assert_int_equal(g.parent, 0);
	assert_int_equal(g.created_ns, 100);
	/* The newgoroutine event alone brings it back, too. */
	apply(x, 1000, cgo(go(17, 17)));
	assert_int_equal(get(x, 17).flags, GOROUTINE_CGO | GOROUTINE_STATE_UNKNOWN);
	assert_int_equal(get(x, 17).parent, 0);
}

static void test_system(void **state)
{
	struct fixture *x = *state;
	static const char *const functions[] = {"runtime.bgsweep", "runtime.main", "main.main",
						"runtime.gcBgMarkWorker", "runtime.corostart"};

	for (uint64_t i = 0; i < ARRAY_SIZE(functions); i++) {
		struct event ev = go(1, 10 + i);

		ev.string_id = intern(x, functions[i]);
		apply(x, 1, ev);
		assert_int_equal(!!(get(x, 10 + i).flags & GOROUTINE_SYSTEM), i == 0 || i == 3);
	}
}

static void check_events(struct fixture *x, uint64_t goid, uint64_t from, uint64_t to,
			 const uint64_t *want, size_t want_n)
{
	struct event *events;
	uint64_t *seqs;
	size_t n;

	assert_int_equal(model_goroutine_events(x->m, 0, goid, from, to, &events, &seqs, &n), 0);
	assert_int_equal(n, want_n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(seqs[i], want[i]);
		assert_int_equal(events[i].time_ns, want[i]);
	}
	free(events);
	free(seqs);
}

static void test_goroutine_events(void **state)
{
	struct fixture *x = *state;
	const uint64_t of1[] = {0, 1, 2, 5}, of2[] = {0, 1, 3, 4, 5};
	struct event *events;
	uint64_t *seqs;
	size_t n;

	apply(x, 0, move(1, 2, GSTATE_DEAD, GSTATE_RUNNABLE));
	apply(x, 1, go(1, 2));
	apply(x, 2, object(1, 8));
	apply(x, 3, object(2, 8));
	apply(x, 9, hidden(object(2, 8)));
	apply(x, 4, move(2, 2, GSTATE_RUNNING, GSTATE_WAITING));
	apply(x, 5, move(1, 2, GSTATE_WAITING, GSTATE_RUNNABLE));
	check_events(x, 1, 0, UINT64_MAX, of1, 4);
	check_events(x, 2, 0, UINT64_MAX, of2, 5);
	check_events(x, 2, 3, 5, of2 + 2, 2);
	check_events(x, 2, 6, 10, of2, 0);
	assert_int_equal(model_goroutine_events(x->m, 0, 3, 0, 9, &events, &seqs, &n), -ENOENT);
	/* Trimmed from the feed, trimmed from the chain. */
	model_free(x->m);
	make(x, 4, 10);
	for (uint64_t i = 0; i < 10; i++)
		apply(x, i, object(1 + i % 2, 8));
	check_events(x, 2, 0, UINT64_MAX, (uint64_t[]){7, 9}, 2);
	check_events(x, 1, 0, UINT64_MAX, (uint64_t[]){6, 8}, 2);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_life),
		TEST(test_pairs),
		TEST(test_hidden),
		TEST(test_gaps),
		TEST(test_scan_gap),
		TEST(test_acts_while_waiting),
		TEST(test_nobody),
		TEST(test_malformed),
		TEST(test_cgo_thread),
		TEST(test_system),
		TEST(test_goroutine_events),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
