/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Why a goroutine waited: chains of known events to their root, facts and estimates told apart, and
 * who else waited for the same. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/memory/wait_graph.h"
#include "core/view/waits/blame.h"
#include "tests/unit/view_fixture.h"

#define MS 1000000ull
#define T0 (1000 * NS_PER_SEC)

struct test {
	struct fixture *x;
	struct chosen_stay stay;
	struct blame b;
	struct wait_graph graph;
};

static int setup(void **state)
{
	struct proc_info info = {.pid = 4711, .attached_ns = T0, .binary_path = "/srv/demo"};
	struct test *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->x = fixture_new(100000, 0, &info);
	*state = t;
	return 0;
}

static int done(void **state)
{
	struct test *t = *state;
	void *x = t->x;

	blame_free(&t->b);
	teardown(&x);
	free(t);
	return 0;
}

static void at(struct test *t, uint64_t ms, uint64_t actor, uint64_t goid, unsigned from,
	       unsigned to, const char *reason)
{
	struct event ev = {.time_ns = T0 + ms * MS,
			   .type = EVENT_CASGSTATUS,
			   .goid = actor,
			   .target = goid,
			   .from = (uint8_t)from,
			   .to = (uint8_t)to,
			   .string_id = reason ? intern(t->x, reason) : 0};

	model_apply(t->x->m, &ev, 1);
}

/* Made and at once running. */
static void begins(struct test *t, uint64_t ms, uint64_t parent, uint64_t goid)
{
	struct event ev = {.time_ns = T0 + ms * MS,
			   .type = EVENT_NEWGOROUTINE,
			   .goid = parent,
			   .target = goid};

	at(t, ms, parent, goid, GSTATE_DEAD, GSTATE_RUNNABLE, NULL);
	model_apply(t->x->m, &ev, 1);
	at(t, ms, 0, goid, GSTATE_RUNNABLE, GSTATE_RUNNING, NULL);
}

static void waits(struct test *t, uint64_t ms, uint64_t goid, const char *reason)
{
	at(t, ms, goid, goid, GSTATE_RUNNING, GSTATE_WAITING, reason);
}

static void wakes(struct test *t, uint64_t ms, uint64_t actor, uint64_t goid)
{
	at(t, ms, actor, goid, GSTATE_WAITING, GSTATE_RUNNABLE, NULL);
}

static void runs(struct test *t, uint64_t ms, uint64_t goid)
{
	at(t, ms, 0, goid, GSTATE_RUNNABLE, GSTATE_RUNNING, NULL);
}

static const char *arg_at(void *ctx, const char *name)
{
	return !strcmp(name, "at") ? ctx : NULL;
}

static void blame(struct test *t, uint64_t goid, const char *when)
{
	struct view_query q = {.goid = goid, .arg = arg_at, .arg_ctx = (void *)when};

	assert_int_equal(chosen_stay_read(&t->x->v, &q, CHOOSE_BLOCKED, &t->stay), 0);
	assert_true(t->stay.found);
	blame_free(&t->b);
	assert_int_equal(blame_walk(&t->x->v, 0, &t->stay, &t->b), 0);
}

static void hop(const struct test *t, unsigned i, uint64_t goid, enum blame_by by, uint64_t from_ms,
		uint64_t to_ms)
{
	const struct blame_hop *h = &t->b.hops[i];

	assert_true(i < t->b.n);
	assert_int_equal(h->goid, goid);
	assert_int_equal(h->by, by);
	assert_int_equal(h->from, T0 + from_ms * MS);
	assert_int_equal(h->to, T0 + to_ms * MS);
}

/* One holds a lock while it sleeps; three wait for it, each woken by the one before. */
static void convoy(struct test *t)
{
	for (uint64_t g = 10; g < 14; g++)
		begins(t, g - 10, 1, g);
	waits(t, 10, 10, "sleep");
	waits(t, 20, 11, "sync.Mutex.Lock");
	waits(t, 30, 12, "sync.Mutex.Lock");
	waits(t, 40, 13, "sync.Mutex.Lock");
	wakes(t, 100, 0, 10);
	runs(t, 101, 10);
	wakes(t, 102, 10, 11);
	runs(t, 103, 11);
	wakes(t, 104, 11, 12);
	runs(t, 105, 12);
	wakes(t, 106, 12, 13);
	runs(t, 107, 13);
}

static void test_convoy(void **state)
{
	struct test *t = *state;
	const struct blame *b = &t->b;

	convoy(t);
	/* Another lock of another time, and another reason. */
	waits(t, 110, 11, "sync.Mutex.Lock");
	wakes(t, 120, 10, 11);
	blame(t, 13, NULL);
	assert_int_equal(b->n, 4);
	hop(t, 0, 13, BLAME_START, 40, 106);
	hop(t, 1, 12, BLAME_WOKE, 40, 106);
	hop(t, 2, 11, BLAME_WOKE, 40, 104);
	hop(t, 3, 10, BLAME_WOKE, 40, 102);
	assert_int_equal(b->hops[1].at_ns, T0 + 106 * MS);
	assert_int_equal(b->hops[1].ns[GSTATE_WAITING], 64 * MS);
	assert_int_equal(b->hops[1].ns[GSTATE_RUNNABLE], 1 * MS);
	assert_int_equal(b->hops[1].ns[GSTATE_RUNNING], 1 * MS);
	assert_int_equal(b->hops[3].ns[GSTATE_WAITING], 60 * MS);
	assert_int_equal(b->hops[3].ns[GSTATES], 0);
	assert_int_equal(b->root, BLAME_TIMER);
	assert_false(b->same_object);
	assert_int_equal(b->n_waiters, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(b->waiters[i].goid, 11 + i);
	assert_int_equal(b->waiters[0].begin, T0 + 20 * MS);
	assert_int_equal(b->waiters[0].end, T0 + 102 * MS);
}

static void goes_on(void *ctx, struct recording *ret)
{
	(void)ret;
	runs(ctx, 200, 20);
}

/* The program makes events while this looks at the log: none of them is of that time. */
static void test_goes_on(void **state)
{
	struct test *t = *state;

	convoy(t);
	t->x->v.recording = goes_on;
	t->x->v.recording_ctx = t;
	blame(t, 13, NULL);
	assert_int_equal(t->b.n_waiters, 3);
	assert_false(t->b.waiters_cut);
}

/* More waited than are listed. */
static void test_many(void **state)
{
	struct test *t = *state;

	for (uint64_t g = 10; g < 1012; g++)
		begins(t, 0, 1, g);
	waits(t, 10, 10, "sleep");
	for (uint64_t g = 11; g < 1012; g++)
		waits(t, 20, g, "sync.Mutex.Lock");
	wakes(t, 100, 0, 10);
	runs(t, 101, 10);
	for (uint64_t g = 11; g < 1012; g++)
		wakes(t, 102, 10, g);
	blame(t, 11, NULL);
	assert_int_equal(t->b.n_waiters, 1000);
	assert_true(t->b.waiters_cut);
	assert_int_equal(t->b.waiters[0].goid, 11);
	assert_int_equal(t->b.waiters[999].goid, 1010);
}

/* `at` asks about another of its waits. */
static void test_at(void **state)
{
	struct test *t = *state;

	convoy(t);
	waits(t, 110, 13, "chan receive");
	blame(t, 13, "1000050000000");
	hop(t, 0, 13, BLAME_START, 40, 106);
}

/* Without a time the wait it is in; of a recording, where it is in none any more, the longest. */
static void test_which(void **state)
{
	struct test *t = *state;

	convoy(t);
	waits(t, 110, 13, "chan receive");
	blame(t, 13, NULL);
	assert_int_equal(t->stay.stay.begin, T0 + 110 * MS);
	at(t, 120, 0, 1, GSTATE_RUNNABLE, GSTATE_RUNNING, NULL);
	t->x->v.replay = true;
	blame(t, 13, NULL);
	hop(t, 0, 13, BLAME_START, 40, 106);
}

/* Who woke it ran all the while; or could, and did not; or was in a system call. */
static void test_roots(void **state)
{
	struct test *t = *state;

	for (uint64_t g = 10; g < 14; g++)
		begins(t, 0, 1, g);
	waits(t, 10, 10, "chan receive");
	wakes(t, 50, 11, 10);
	blame(t, 10, NULL);
	assert_int_equal(t->b.n, 2);
	assert_int_equal(t->b.root, BLAME_RAN);
	runs(t, 51, 10);

	waits(t, 60, 10, "chan receive");
	at(t, 61, 12, 12, GSTATE_RUNNING, GSTATE_RUNNABLE, NULL);
	runs(t, 98, 12);
	wakes(t, 100, 12, 10);
	blame(t, 10, "1000070000000");
	assert_int_equal(t->b.root, BLAME_RUNNABLE);
	runs(t, 101, 10);

	waits(t, 110, 10, "chan receive");
	at(t, 111, 13, 13, GSTATE_RUNNING, GSTATE_SYSCALL, NULL);
	at(t, 148, 13, 13, GSTATE_SYSCALL, GSTATE_RUNNING, NULL);
	wakes(t, 150, 13, 10);
	blame(t, 10, "1000120000000");
	assert_int_equal(t->b.root, BLAME_SYSCALL);
}

/* It was made late in that time: whoever made it goes on. */
static void test_made(void **state)
{
	struct test *t = *state;

	begins(t, 0, 1, 10);
	begins(t, 1, 1, 20);
	waits(t, 10, 10, "chan receive");
	waits(t, 11, 20, "IO wait");
	wakes(t, 95, 0, 20);
	runs(t, 96, 20);
	begins(t, 98, 20, 30);
	wakes(t, 100, 30, 10);
	blame(t, 10, NULL);
	assert_int_equal(t->b.n, 3);
	hop(t, 1, 30, BLAME_WOKE, 10, 100);
	assert_int_equal(t->b.hops[1].absent_ns, 88 * MS);
	hop(t, 2, 20, BLAME_MADE, 10, 98);
	assert_int_equal(t->b.root, BLAME_IO);
}

/* Two that wake each other: times only get earlier, and there is an end. */
static void test_ping_pong(void **state)
{
	struct test *t = *state;
	uint64_t ms = 10;

	begins(t, 0, 1, 10);
	begins(t, 0, 1, 11);
	waits(t, 5, 11, "chan receive");
	for (unsigned i = 0; i < 200; i++, ms += 10) {
		uint64_t a = 10 + i % 2, b = 11 - i % 2;

		wakes(t, ms, a, b);
		waits(t, ms + 1, a, "chan receive");
		runs(t, ms + 2, b);
	}
	blame(t, 10, "1001995000000");
	assert_true(t->b.n >= 2 && t->b.n <= 4);
	assert_int_not_equal(t->b.root, BLAME_CUT);
}

/* Who is no longer kept, or never was: not known, and said. */
static void test_unknown(void **state)
{
	struct test *t = *state;

	begins(t, 0, 1, 10);
	waits(t, 10, 10, "chan receive");
	wakes(t, 50, 4000, 10);
	blame(t, 10, NULL);
	assert_int_equal(t->b.n, 2);
	assert_int_equal(t->b.root, BLAME_UNKNOWN);
	assert_int_equal(t->b.hops[1].ns[GSTATES] + t->b.hops[1].ns[GSTATE_RUNNING], 40 * MS);
}

/* --- what waits still: memory ------------------------------------------------------------------
 */

static struct wait_graph *the_graph;

static int graph_of(void *ctx, unsigned proc, uint64_t newer_ns, struct wait_graph **ret)
{
	*ret = the_graph;
	return 0;
}

static void put_graph(void *ctx, struct wait_graph *g)
{
}

/* 10 waits for a lock that 11 is likely to hold, who waits for one that `other` is likely to hold;
 * 12 waits for the first, too. */
static void deadlock(struct test *t, uint64_t other)
{
	static struct wait_object objects[2] = {
		{.address = 0x1000, .kind = WAIT_MUTEX, .waits = 0, .n_waits = 2, .n_holders = 1},
		{.address = 0x2000,
		 .kind = WAIT_MUTEX,
		 .waits = 2,
		 .n_waits = 1,
		 .holders = 1,
		 .n_holders = 1},
	};
	static struct wait_goroutine goroutines[3] = {
		{.goid = 10, .waits = 0, .n_waits = 1},
		{.goid = 11, .waits = 1, .n_waits = 1},
		{.goid = 12, .waits = 2, .n_waits = 1},
	};
	static struct wait_edge edges[3] = {
		{0, 0, WAIT_LOCK}, {1, 1, WAIT_LOCK}, {2, 0, WAIT_LOCK}};
	static uint32_t by_object[3] = {0, 2, 1};
	static struct wait_holder holders[2] = {
		{.goid = 11, .object = 0, .evidence = WAIT_BY_FRAME},
		{.object = 1, .evidence = WAIT_BY_FRAME},
	};

	holders[1].goid = other;
	t->graph = (struct wait_graph){.begin_ns = T0 + 500 * MS,
				       .end_ns = T0 + 501 * MS,
				       .objects = objects,
				       .n_objects = 2,
				       .goroutines = goroutines,
				       .n_goroutines = 3,
				       .waits = edges,
				       .n_waits = 3,
				       .by_object = by_object,
				       .holders = holders,
				       .n_holders = 2};
	the_graph = &t->graph;
	t->x->live.waits = graph_of;
	t->x->live.waits_put = put_graph;
	for (uint64_t g = 10; g < 14; g++)
		begins(t, g - 10, 1, g);
	for (uint64_t g = 10; g < 13; g++)
		waits(t, 10 + g, g, "sync.Mutex.Lock");
}

static void test_circle(void **state)
{
	struct test *t = *state;

	deadlock(t, 10);
	blame(t, 10, NULL);
	assert_int_equal(t->b.n, 2);
	assert_int_equal(t->b.hops[1].goid, 11);
	assert_int_equal(t->b.hops[1].by, BLAME_HOLDS);
	assert_non_null(strstr(t->b.hops[1].evidence, "Mutex 0x1000: has a pointer to it"));
	assert_int_equal(t->b.root, BLAME_CIRCLE);
	assert_true(t->b.same_object);
	assert_int_equal(t->b.n_waiters, 2);
	assert_int_equal(t->b.waiters[0].goid, 10);
	assert_int_equal(t->b.waiters[1].goid, 12);
	assert_int_equal(t->b.waiters[1].end, 0);
}

static void test_holder_runs(void **state)
{
	struct test *t = *state;

	deadlock(t, 13);
	blame(t, 10, NULL);
	assert_int_equal(t->b.n, 3);
	assert_int_equal(t->b.hops[2].goid, 13);
	assert_int_equal(t->b.root, BLAME_RAN);
}

static void test_nobody(void **state)
{
	struct test *t = *state;

	begins(t, 0, 1, 10);
	waits(t, 10, 10, "chan receive");
	blame(t, 10, NULL);
	assert_int_equal(t->b.n, 1);
	assert_int_equal(t->b.root, BLAME_NOBODY);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_convoy),      TEST(test_at),        TEST(test_which),   TEST(test_roots),
		TEST(test_made),        TEST(test_ping_pong), TEST(test_unknown), TEST(test_circle),
		TEST(test_holder_runs), TEST(test_nobody),    TEST(test_goes_on), TEST(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
