/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Since when a goroutine has been as it is: what the runtime knows from before it was looked at
 * (g.waitsince), never older than what events tell; and a wait that Go marks as leaked goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/model/model.h"
#include "core/view/family.h"
#include "tests/unit/view_fixture.h"

static int setup(void **state)
{
	const struct proc_info info = {.pid = 100, .binary_path = "/bin/x", .go_version = "go1.26"};

	*state = fixture_new(1000, 1000, &info);
	return 0;
}

static void change(struct fixture *x, uint64_t at, uint64_t actor, uint64_t goid, uint8_t from,
		   uint8_t to, uint32_t reason)
{
	struct event ev = {.type = EVENT_CASGSTATUS,
			   .time_ns = at,
			   .goid = actor,
			   .target = goid,
			   .from = from,
			   .to = to,
			   .string_id = reason};

	model_apply(x->m, &ev, 1);
}

static void read_one(struct fixture *x, uint64_t at, uint64_t goid, uint8_t state, uint64_t began)
{
	struct goroutine_seen seen = {.goid = goid,
				      .state = state,
				      .began_ns = began,
				      .reason_id = intern(x, "chan receive")};

	model_heal(x->m, 0, &seen, 1, at, false);
}

static void read_turn(struct fixture *x, uint64_t at, uint64_t goid, uint16_t turn)
{
	struct goroutine_seen seen = {.goid = goid,
				      .state = GSTATE_WAITING,
				      .turn = turn,
				      .reason_id = intern(x, "chan send")};

	model_heal(x->m, 0, &seen, 1, at, false);
}

static struct goroutine get(struct fixture *x, uint64_t goid)
{
	struct goroutine g;

	assert_int_equal(model_goroutine(x->m, 0, goid, &g), 0);
	return g;
}

static void expect_began(struct fixture *x, uint64_t goid, uint64_t began, unsigned flags)
{
	struct goroutine g = get(x, goid);
	struct view_about about;

	assert_int_equal(goroutine_began(&g), began);
	assert_int_equal(g.flags & (GOROUTINE_AT_LEAST | GOROUTINE_ABOUT), flags);
	assert_int_equal(view_about(&x->v, 0, goid, &about), 0);
	assert_int_equal(about.changed_ns, began + 1000); /* a folder's mtime */
}

static bool waits_for(struct fixture *x, uint64_t goid, const char *reason)
{
	uint32_t key = intern(x, reason);
	bool found = false;
	uint64_t *goids;
	size_t n;

	assert_int_equal(view_members(&x->v, 0, VIEW_BY_WAIT, key, &goids, &n), 0);
	for (size_t i = 0; i < n; i++)
		found |= goids[i] == goid;
	free(goids);
	assert_int_equal(view_belongs(&x->v, 0, VIEW_BY_WAIT, key, goid), found);
	return found;
}

/* What began before we looked. */
static void test_before(void **state)
{
	struct fixture *x = *state;
	struct goroutine g;

	read_one(x, 1000, 5, GSTATE_WAITING, 300);
	expect_began(x, 5, 300, GOROUTINE_ABOUT);
	g = get(x, 5);
	/* Time in a state is that which was seen, and so is the goroutine. */
	assert_int_equal(g.state_since_ns, 1000);
	assert_int_equal(g.created_ns, 1000);
	change(x, 1500, 0, 5, GSTATE_WAITING, GSTATE_RUNNABLE, 0);
	assert_int_equal(get(x, 5).state_ns[GSTATE_WAITING], 500);
	expect_began(x, 5, 1500, 0);
	/* Nothing is left of it for the next wait. */
	change(x, 1600, 0, 5, GSTATE_RUNNABLE, GSTATE_RUNNING, 0);
	change(x, 1700, 5, 5, GSTATE_RUNNING, GSTATE_WAITING, 0);
	expect_began(x, 5, 1700, 0);
	/* It is not known: from the reading on. */
	read_one(x, 1000, 6, GSTATE_WAITING, 0);
	expect_began(x, 6, 1000, GOROUTINE_AT_LEAST);
	read_one(x, 1000, 7, GSTATE_RUNNING, 0);
	expect_began(x, 7, 1000, GOROUTINE_AT_LEAST);
}

/* No probe, and no collection: who is at the same turn has not run since; at another one, or at one
 * that is not known, nobody knows. */
static void test_turns(void **state)
{
	struct fixture *x = *state;

	model_unwatch(x->m, 500, true);
	read_turn(x, 1000, 5, 0x107);
	read_turn(x, 2000, 5, 0x107);
	read_turn(x, 3000, 5, 0x107);
	expect_began(x, 5, 1000, GOROUTINE_AT_LEAST);
	assert_int_equal(get(x, 5).state_since_ns, 1000);
	read_turn(x, 4000, 5, 0x108);
	expect_began(x, 5, 4000, GOROUTINE_AT_LEAST);
	read_turn(x, 5000, 5, 0);
	expect_began(x, 5, 5000, GOROUTINE_AT_LEAST);
	read_turn(x, 6000, 5, 0);
	expect_began(x, 5, 6000, GOROUTINE_AT_LEAST);
	/* A turn from before an event says nothing of what came after it. */
	read_turn(x, 7000, 5, 0x109);
	model_watch(x->m, 7100, false);
	change(x, 7200, 0, 5, GSTATE_WAITING, GSTATE_RUNNABLE, 0);
	change(x, 7300, 5, 5, GSTATE_RUNNABLE, GSTATE_RUNNING, 0);
	change(x, 7400, 5, 5, GSTATE_RUNNING, GSTATE_WAITING, 0);
	model_unwatch(x->m, 7500, true);
	read_turn(x, 8000, 5, 0x109);
	expect_began(x, 5, 8000, GOROUTINE_AT_LEAST);
	read_turn(x, 9000, 5, 0x109);
	expect_began(x, 5, 8000, GOROUTINE_AT_LEAST);
}

/* Never older than a change or an act that events tell. */
static void test_not_before_events(void **state)
{
	struct fixture *x = *state;

	/* Known by an event: memory does not change it. */
	change(x, 500, 5, 5, GSTATE_RUNNING, GSTATE_WAITING, 0);
	read_one(x, 1000, 5, GSTATE_WAITING, 300);
	expect_began(x, 5, 500, 0);
	/* It ran at 600; what came then was lost. */
	change(x, 600, 0, 6, GSTATE_RUNNABLE, GSTATE_RUNNING, 0);
	read_one(x, 1000, 6, GSTATE_WAITING, 300);
	expect_began(x, 6, 600, GOROUTINE_ABOUT);
	change(x, 600, 0, 7, GSTATE_RUNNABLE, GSTATE_RUNNING, 0);
	read_one(x, 1000, 7, GSTATE_WAITING, 800);
	expect_began(x, 7, 800, GOROUTINE_ABOUT);
	/* Told late, of before the reading. */
	read_one(x, 1000, 8, GSTATE_WAITING, 300);
	change(x, 700, 0, 8, GSTATE_RUNNABLE, GSTATE_RUNNING, 0);
	expect_began(x, 8, 700, GOROUTINE_ABOUT);
	/* Its creation, told late: it did not wait before it was there. */
	read_one(x, 1000, 9, GSTATE_WAITING, 300);
	change(x, 400, 5, 9, GSTATE_DEAD, GSTATE_RUNNABLE, 0);
	expect_began(x, 9, 400, GOROUTINE_ABOUT);
}

/* Go's leak profile: waiting -> leaked, and silently back at the next one. */
static void test_leaked(void **state)
{
	struct fixture *x = *state;
	uint32_t reason = intern(x, "chan send");

	change(x, 500, 5, 5, GSTATE_RUNNING, GSTATE_WAITING, reason);
	assert_true(waits_for(x, 5, "chan send"));
	change(x, 900, 0, 5, GSTATE_WAITING, GSTATE_LEAKED, 0);
	assert_true(waits_for(x, 5, "chan send"));
	expect_began(x, 5, 500, 0);
	assert_int_equal(get(x, 5).state_ns[GSTATE_WAITING], 400);
	/* Once more. */
	change(x, 1200, 0, 5, GSTATE_WAITING, GSTATE_LEAKED, 0);
	assert_true(waits_for(x, 5, "chan send"));
	expect_began(x, 5, 500, 0);
	/* And no longer. */
	change(x, 1300, 0, 5, GSTATE_LEAKED, GSTATE_WAITING, reason);
	assert_true(waits_for(x, 5, "chan send"));
	expect_began(x, 5, 500, 0);
	change(x, 1400, 0, 5, GSTATE_WAITING, GSTATE_RUNNABLE, 0);
	assert_false(waits_for(x, 5, "chan send"));
	expect_began(x, 5, 1400, 0);
	/* The same when it was leaked before we looked, and when it became so after. */
	read_one(x, 2000, 6, GSTATE_LEAKED, 700);
	assert_true(waits_for(x, 6, "chan receive"));
	expect_began(x, 6, 700, GOROUTINE_ABOUT);
	read_one(x, 2000, 7, GSTATE_WAITING, 700);
	change(x, 2500, 0, 7, GSTATE_WAITING, GSTATE_LEAKED, 0);
	assert_true(waits_for(x, 7, "chan receive"));
	expect_began(x, 7, 700, GOROUTINE_ABOUT);
}

/* Without probes: that it is in the same state at two readings is no proof that it was in it all
 * the while, but where the runtime says so. */
static void test_two_readings(void **state)
{
	struct fixture *x = *state;

	change(x, 500, 5, 5, GSTATE_RUNNING, GSTATE_WAITING, 0);
	change(x, 500, 6, 6, GSTATE_RUNNING, GSTATE_WAITING, 0);
	model_unwatch(x->m, 1000, true);
	/* It may have slept ten times since. */
	read_one(x, 1100, 5, GSTATE_WAITING, 0);
	expect_began(x, 5, 1100, GOROUTINE_AT_LEAST);
	assert_int_equal(get(x, 5).state_since_ns, 1100);
	read_one(x, 1200, 5, GSTATE_WAITING, 0);
	expect_began(x, 5, 1200, GOROUTINE_AT_LEAST);
	assert_int_equal(get(x, 5).state_ns[GSTATE_WAITING], 500);
	/* An older reading says nothing. */
	read_one(x, 1150, 5, GSTATE_WAITING, 0);
	expect_began(x, 5, 1200, GOROUTINE_AT_LEAST);
	/* A collection has met it: from then on it is the same wait. */
	read_one(x, 1300, 5, GSTATE_WAITING, 1250);
	expect_began(x, 5, 1250, GOROUTINE_ABOUT);
	read_one(x, 1400, 5, GSTATE_WAITING, 1250);
	read_one(x, 1500, 5, GSTATE_WAITING, 1250);
	expect_began(x, 5, 1250, GOROUTINE_ABOUT);
	/* And another one, that the next collection met. */
	read_one(x, 1600, 5, GSTATE_WAITING, 1550);
	expect_began(x, 5, 1550, GOROUTINE_ABOUT);
	/* What was known of the one before is nothing of this one. */
	read_one(x, 1700, 5, GSTATE_WAITING, 0);
	expect_began(x, 5, 1700, GOROUTINE_AT_LEAST);
	/* The wait that an event told of, from where the runtime says it goes on. */
	read_one(x, 1700, 6, GSTATE_WAITING, 600);
	expect_began(x, 6, 600, GOROUTINE_ABOUT);
	/* What runs, too. */
	read_one(x, 1100, 7, GSTATE_RUNNING, 0);
	read_one(x, 1700, 7, GSTATE_RUNNING, 0);
	expect_began(x, 7, 1700, GOROUTINE_AT_LEAST);
	/* Probes are back: the first reading is as one without; after it events tell. */
	model_watch(x->m, 2000, true);
	read_one(x, 2100, 5, GSTATE_WAITING, 0);
	expect_began(x, 5, 2100, GOROUTINE_AT_LEAST);
	read_one(x, 2100, 6, GSTATE_WAITING, 600);
	expect_began(x, 6, 600, GOROUTINE_ABOUT);
	read_one(x, 2200, 5, GSTATE_WAITING, 0);
	expect_began(x, 5, 2100, GOROUTINE_AT_LEAST);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_before), TEST(test_turns),        TEST(test_not_before_events),
		TEST(test_leaked), TEST(test_two_readings),
	};

	return cmocka_run_group_tests_name("stuck", tests, NULL, NULL);
}
