/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The model, case by case: lives of goroutines, gaps, loss, healing, bounds, processes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/model/model.h"
#include "tests/all_goroutines.h"

struct fixture {
	struct names *names;
	struct model *m;
	uint64_t now;
};

static void make(struct fixture *x, size_t retain, size_t exited)
{
	struct model_config config = {
		.retain = retain, .retain_exited = exited, .workers = 2, .names = x->names};
	struct proc_info info = {.pid = 100, .binary_path = "/bin/x", .go_version = "go1.24.1"};

	assert_int_equal(model_new(&config, &x->m), 0);
	assert_int_equal(model_proc_add(x->m, &info), 0);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	assert_int_equal(names_new(10000, &x->names), 0);
	make(x, 1000, 100);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	model_free(x->m);
	names_free(x->names);
	free(x);
	return 0;
}

static uint32_t intern(struct fixture *x, const char *text)
{
	return names_intern(x->names, text, strlen(text));
}

/* Applies one event at time `at`; returns it as the model left it. */
static struct event apply(struct fixture *x, uint64_t at, struct event ev)
{
	ev.time_ns = at;
	model_apply(x->m, &ev, 1);
	return ev;
}

static struct event move(uint64_t actor, uint64_t target, unsigned from, unsigned to)
{
	return (struct event){.type = EVENT_CASGSTATUS,
			      .goid = actor,
			      .target = target,
			      .from = (uint8_t)from,
			      .to = (uint8_t)to};
}

static struct event go(uint64_t actor, uint64_t child)
{
	return (struct event){.type = EVENT_NEWGOROUTINE, .goid = actor, .target = child};
}

static struct event hidden(struct event ev)
{
	ev.flags |= EVENT_HIDDEN;
	return ev;
}

static struct event cgo(struct event ev)
{
	ev.flags |= EVENT_CGO_THREAD;
	return ev;
}

static struct event object(uint64_t actor, uint64_t size)
{
	return (struct event){.type = EVENT_NEWOBJECT, .goid = actor, .size = size};
}

static struct goroutine get(struct fixture *x, uint64_t goid)
{
	struct goroutine g;

	assert_int_equal(model_goroutine(x->m, 0, goid, &g), 0);
	return g;
}

static struct model_totals totals(struct fixture *x)
{
	struct model_totals t;

	model_totals(x->m, -1, &t);
	return t;
}

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

static void test_bytes(void **state)
{
	struct fixture *x = *state;
	struct go_type t = {.name = "main.T", .size = 24, .kind = 25};
	struct event slice = {.type = EVENT_MAKESLICE, .goid = 4, .len = 1, .cap = 10};
	struct allocation *rows;
	size_t n;

	slice.type_id = names_add_type(x->names, &t);
	apply(x, 1, slice);
	slice.cap = (uint64_t)-1; /* make() panics */
	apply(x, 1, slice);
	slice.cap = 1ull << 60;
	apply(x, 1, slice);
	slice.type_id = 12345; /* no such type */
	slice.cap = 10;
	apply(x, 1, slice);
	apply(x, 1, (struct event){.type = EVENT_MAKEMAP, .goid = 4, .hint = 1000});
	apply(x, 1, object(4, 96));
	assert_int_equal(get(x, 4).alloc_bytes, 240 + 96);
	assert_int_equal(model_allocations(x->m, 0, 4, &rows, &n), 0);
	assert_int_equal(n, 4);
	assert_int_equal(rows[0].event_type, EVENT_MAKESLICE);
	assert_int_equal(rows[0].bytes, 240);
	assert_int_equal(rows[0].count, 3);
	assert_int_equal(rows[0].type_id, 1);
	assert_int_equal(rows[1].event_type, EVENT_NEWOBJECT);
	assert_int_equal(rows[2].type_id, 0);
	assert_int_equal(rows[2].bytes, 0);
	free(rows);
	assert_int_equal(model_allocations(x->m, 0, 5, &rows, &n), -ENOENT);
	assert_int_equal(model_type_totals(x->m, 3, &rows, &n), -ENOENT);
}

/* More types than a goroutine has rows for: nothing is dropped, the rest has no name. */
static void test_many_types(void **state)
{
	struct fixture *x = *state;
	uint64_t count = 0, bytes = 0, rest = 0;
	struct allocation *rows;
	size_t n;

	for (uint32_t i = 1; i <= 200; i++) {
		struct go_type t = {.name = "T", .size = i, .kind = 25};
		struct event ev = object(4, i);

		ev.type_id = names_add_type(x->names, &t);
		assert_int_equal(ev.type_id, i);
		for (int again = 0; again < 3; again++)
			apply(x, 1, ev);
	}
	apply(x, 1, object(4, 5)); /* an unknown type is the rest, too */
	assert_int_equal(model_allocations(x->m, 0, 4, &rows, &n), 0);
	assert_int_equal(n, 65);
	for (size_t i = 0; i < n; i++) {
		count += rows[i].count;
		bytes += rows[i].bytes;
		if (rows[i].type_id == 0)
			rest += rows[i].count;
		else
			assert_int_equal(rows[i].bytes, 3 * rows[i].type_id);
	}
	assert_int_equal(count, 601);
	assert_int_equal(bytes, 3 * 200 * 201 / 2 + 5);
	assert_int_equal(rest, 3 * (200 - 64) + 1);
	free(rows);
	assert_int_equal(model_type_totals(x->m, 0, &rows, &n), 0);
	assert_int_equal(n, 201);
	assert_int_equal(rows[0].bytes, 600);
	free(rows);
	assert_int_equal(totals(x).dropped_rows, 0);
}

static void test_exited_bound(void **state)
{
	struct fixture *x = *state;
	struct goroutine g, *all;
	size_t n;

	model_free(x->m);
	make(x, 1000, 5);
	for (uint64_t goid = 1; goid <= 20; goid++) {
		apply(x, goid, move(0, goid, GSTATE_DEAD, GSTATE_RUNNABLE));
		apply(x, goid, move(goid, goid, GSTATE_RUNNABLE, GSTATE_RUNNING));
		if (goid % 2)
			apply(x, goid, move(goid, goid, GSTATE_RUNNING, GSTATE_DEAD));
	}
	assert_int_equal(totals(x).exited_retained, 5);
	assert_int_equal(totals(x).exited_dropped, 5);
	assert_int_equal(totals(x).live_total, 10);
	assert_int_equal(model_goroutine(x->m, 0, 9, &g), -ENOENT);
	assert_int_equal(model_goroutine(x->m, 0, 11, &g), 0);
	assert_int_equal(all_goroutines(x->m, 0, true, &all, &n), 0);
	assert_int_equal(n, 15);
	for (size_t i = 1; i < n; i++)
		assert_true(all[i - 1].goid < all[i].goid);
	free(all);
	assert_int_equal(all_goroutines(x->m, 0, false, &all, &n), 0);
	assert_int_equal(n, 10);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(all[i].goid, 2 * (i + 1));
	free(all);
	assert_int_equal(all_goroutines(x->m, 7, false, &all, &n), -ENOENT);
	/* None kept at all. */
	model_free(x->m);
	make(x, 1000, 0);
	apply(x, 1, move(1, 1, GSTATE_RUNNING, GSTATE_DEAD));
	assert_int_equal(totals(x).exited_retained, 0);
	assert_int_equal(totals(x).exited_dropped, 1);
	assert_int_equal(model_goroutine(x->m, 0, 1, &g), -ENOENT);
}

/* One that is made, runs `func_id` and ends. */
static void live_once(struct fixture *x, uint64_t goid, uint32_t func_id)
{
	struct event ev = go(1, goid);

	ev.string_id = func_id;
	apply(x, goid, move(0, goid, GSTATE_DEAD, GSTATE_RUNNABLE));
	apply(x, goid, ev);
	apply(x, goid, move(goid, goid, GSTATE_RUNNABLE, GSTATE_RUNNING));
	apply(x, goid, move(goid, goid, GSTATE_RUNNING, GSTATE_DEAD));
}

static void check_func(struct fixture *x, uint32_t func_id, uint64_t goid)
{
	uint64_t *goids;
	size_t n;

	assert_int_equal(model_goids(x->m, 0, MODEL_BY_FUNC, func_id, &goids, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(goids[0], goid);
	free(goids);
}

/* Who ends seldom is still there when thousands of others have ended after it. */
static void test_last_ended(void **state)
{
	struct fixture *x = *state;
	uint32_t rare = names_intern(x->names, "main.mailer", 11);
	uint32_t often = names_intern(x->names, "main.request", 12);
	struct event ev = {.type = EVENT_GOEXIT, .goid = 2, .target = 2};
	uint32_t *keys;
	size_t n;

	model_free(x->m);
	make(x, 1000, 5);
	live_once(x, 2, rare);
	for (uint64_t goid = 10; goid < 2010; goid++)
		live_once(x, goid, often);
	assert_int_equal(get(x, 2).flags, GOROUTINE_EXITED | GOROUTINE_LAST_ENDED);
	assert_int_equal(get(x, 2).exited_ns, 2);
	assert_int_equal(get(x, 2009).flags, GOROUTINE_EXITED | GOROUTINE_LAST_ENDED);
	assert_int_equal(get(x, 2008).flags, GOROUTINE_EXITED);
	assert_int_equal(totals(x).exited_retained, 6);
	assert_int_equal(totals(x).exited_dropped, 1995);
	/* The function stays, though none of it lives. */
	assert_int_equal(model_keys(x->m, 0, MODEL_BY_FUNC, &keys, &n), 0);
	assert_int_equal(n, 3); /* and the one that made them, whose function is not known */
	free(keys);
	check_func(x, rare, 2);
	check_func(x, often, 2009);
	/* The event says whose end it is. */
	model_apply(x->m, &ev, 1);
	assert_int_equal(ev.string_id, rare);
	/* One that lives is all there is to be seen of it; the next that ends takes the place. */
	live_once(x, 3000, rare);
	assert_int_equal(totals(x).exited_retained, 5);
	check_func(x, rare, 3000);
	apply(x, 3001, move(0, 3001, GSTATE_DEAD, GSTATE_RUNNABLE));
	ev = go(1, 3001);
	ev.string_id = rare;
	apply(x, 3001, ev);
	check_func(x, rare, 3001);
	assert_int_equal(model_reset(x->m), 0);
	assert_int_equal(totals(x).exited_retained, 0);
	live_once(x, 4, rare);
	check_func(x, rare, 4);
}

/* As many functions as are kept, with their tables, and then no more. */
static void test_last_ended_bound(void **state)
{
	struct fixture *x = *state;

	model_free(x->m);
	make(x, 1000, 5);
	for (uint32_t k = 0; k < LAST_ENDED_MAX + 100; k++)
		live_once(x, 2 + k, 1 + k);
	assert_int_equal(totals(x).exited_retained, LAST_ENDED_MAX + 5);
	assert_int_equal(get(x, 2).exited_ns, 2);
}

/* Memory does not grow with the number of goroutines that come and go. */
static void test_memory_flat(void **state)
{
	struct fixture *x = *state;
	uint64_t before = 0;

	for (uint64_t goid = 1; goid <= 30000; goid++) {
		apply(x, goid, move(0, goid, GSTATE_DEAD, GSTATE_RUNNABLE));
		apply(x, goid, move(goid, goid, GSTATE_RUNNABLE, GSTATE_RUNNING));
		for (uint64_t size = 0; size < 6; size++) {
			struct event ev = object(goid, size);

			ev.type = (uint8_t)(EVENT_MAKESLICE + size % 3);
			apply(x, goid, ev);
		}
		apply(x, goid, move(goid, goid, GSTATE_RUNNING, GSTATE_DEAD));
		if (goid == 10000)
			before = totals(x).memory_bytes;
	}
	assert_int_equal(totals(x).memory_bytes, before);
	assert_int_equal(totals(x).exited_retained, 100);
	assert_int_equal(totals(x).trimmed, 30000 * 9 - 1000);
}

/* A burst of very many goroutines is paid back when they are gone. */
static void test_memory_returned(void **state)
{
	struct fixture *x = *state;
	uint64_t before = totals(x).memory_bytes, at_most;

	for (uint64_t goid = 1; goid <= 50000; goid++)
		apply(x, goid, move(0, goid, GSTATE_DEAD, GSTATE_RUNNABLE));
	at_most = totals(x).memory_bytes;
	for (uint64_t goid = 1; goid <= 50000; goid++)
		apply(x, goid, move(goid, goid, GSTATE_RUNNING, GSTATE_DEAD));
	assert_true(at_most > before + 20000000);
	assert_true(totals(x).memory_bytes < before + 1000000);
	/* And it goes on. */
	for (uint64_t goid = 50001; goid <= 51000; goid++)
		apply(x, goid, move(0, goid, GSTATE_DEAD, GSTATE_RUNNABLE));
	assert_int_equal(totals(x).live_total, 1000);
	assert_int_equal(get(x, 50500).state, GSTATE_RUNNABLE);
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

static void test_config(void **state)
{
	struct fixture *x = *state;
	struct model_config config = {.retain = 0, .workers = 1, .names = x->names};
	struct model *m;

	assert_int_equal(model_new(&config, &m), -EINVAL);
	config.retain = 1;
	config.workers = 0;
	config.wall_offset_ns = -5;
	assert_int_equal(model_new(&config, &m), 0);
	assert_int_equal(model_wall_offset(m), -5);
	assert_ptr_equal(model_names(m), x->names);
	model_free(m);
	config.workers = 100000;
	assert_int_equal(model_new(&config, &m), 0);
	model_free(m);
	model_free(NULL);
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
		TEST(test_bytes),
		TEST(test_many_types),
		TEST(test_exited_bound),
		TEST(test_last_ended),
		TEST(test_last_ended_bound),
		TEST(test_memory_flat),
		TEST(test_memory_returned),
		TEST(test_cgo_thread),
		TEST(test_system),
		TEST(test_lost),
		TEST(test_heal),
		TEST(test_made_while_it_was_read),
		TEST(test_heal_again),
		TEST(test_late_creation),
		TEST(test_processes),
		TEST(test_many_processes),
		TEST(test_exec),
		TEST(test_config),
		TEST(test_goroutine_events),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
