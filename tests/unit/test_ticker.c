/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Figures of a second from known counts: seconds of any length, counts that go back, none at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/engine/ticker.h"

/* Some seconds into a run. */
static struct tick begin(void)
{
	return (struct tick){
		.now_ns = 100 * NS_PER_SEC,
		.unix_ns = 5000,
		.events = {1000, 2000, 0, 0, 0, 7},
		.captured = true,
		.costs.stats = {.hits = 10000,
				.read = 5000,
				.waiting = 100,
				.delivered = 4900,
				.lost = {3, 0, 4},
				.prog_ns_sum = 1000000,
				.prog_ns_samples = 5000,
				.deliver_ns_sum = 300000,
				.price = {750, 3750}},
		.recorded = true,
		.recorder = {.batches = 10, .flush_ns = 5000, .wait_ns = 9000},
	};
}

static struct hit_sum hits; /* of the test that runs */

static void start(struct ticker *t, struct tick *now)
{
	*now = begin();
	hits = (struct hit_sum){.last = now->costs.stats,
				.timed = now->costs.stats.prog_ns_samples,
				.timed_ns = now->costs.stats.prog_ns_sum,
				.program_ns = 200};
	ticker_start(t, now);
	/* What is in the model at the start is the first second's: here another one goes by. */
	t->last.events[0] = now->events[0];
	t->last.events[1] = now->events[1];
	t->last.events[5] = now->events[5];
}

static bool tick(struct ticker *t, struct tick *now, struct second *ret)
{
	hit_sum_add(&hits, &now->costs.stats);
	now->costs.hits_ns = (uint64_t)hits.ns;
	now->costs.program_ns = hits.program_ns;
	return ticker_tick(t, now, ret);
}

static void test_a_second(void **state)
{
	struct ticker t;
	struct tick now;
	struct second s;

	start(&t, &now);
	now.now_ns += NS_PER_SEC;
	now.unix_ns = 6000;
	now.events[0] += 50;
	now.events[5] += 1;
	now.costs.stats.hits += 4000;
	now.costs.stats.read += 1000;
	now.costs.stats.waiting = 300;
	now.costs.stats.delivered += 900;
	now.costs.stats.prog_ns_sum += 25000;
	now.costs.stats.prog_ns_samples += 100;
	now.costs.stats.deliver_ns_sum += 90000;
	now.recorder.batches += 4;
	now.recorder.flush_ns += 400;
	now.recorder.wait_ns += 800;
	assert_true(tick(&t, &now, &s));
	assert_int_equal(s.sample.time_ns, 6000);
	assert_int_equal(s.sample.rps, 1000);
	assert_int_equal(s.sample.pps, 800); /* 5700 are applied, 4900 were */
	assert_int_equal(s.sample.ewp, 300);
	assert_int_equal(s.sample.lat_ns, 250);
	assert_int_equal(s.sample.prc_ns, 100);
	assert_int_equal(s.sample.hits, 4000);
	assert_int_equal(s.sample.lost, 0);
	assert_int_equal(s.sample.trap_ns, 750);
	/* 4000 hits of a microsecond are four thousandths of a second. */
	assert_true(s.sample.overhead_percent > 0.3999 && s.sample.overhead_percent < 0.4001);
	assert_true(s.sample.bps == 4);
	assert_int_equal(s.sample.bfl_ns, 100);
	assert_int_equal(s.sample.qwl_ns, 200);
	assert_int_equal(s.events[0], 50);
	assert_int_equal(s.events[1], 0);
	assert_int_equal(s.events[5], 1);
	assert_false(s.lost);
}

/* What is stepped out of line costs what that does, and all of it adds up. */
static void test_stepped(void **state)
{
	struct ticker t;
	struct tick now;
	struct second s;

	start(&t, &now);
	now.now_ns += NS_PER_SEC;
	now.costs.stats.hits += 4000;
	now.costs.stats.stepped += 1000;
	now.costs.stats.prog_ns_sum += 25000;
	now.costs.stats.prog_ns_samples += 100;
	assert_true(tick(&t, &now, &s));
	assert_int_equal(s.sample.stepped, 1000);
	assert_int_equal(s.sample.step_ns, 3750);
	/* 3000 of a microsecond, 1000 of four */
	assert_int_equal(s.sample.overhead_ns, 7000000);
	assert_true(s.sample.overhead_percent > 0.6999 && s.sample.overhead_percent < 0.7001);
	now.now_ns += NS_PER_SEC;
	now.costs.stats.hits += 1000;
	assert_true(tick(&t, &now, &s));
	assert_int_equal(s.sample.stepped, 0);
	assert_int_equal(s.sample.overhead_ns, 8000000);
	assert_true(s.sample.overhead_percent > 0.0999 && s.sample.overhead_percent < 0.1001);
}

/* The machine was held up: three seconds went by. */
static void test_a_long_second(void **state)
{
	struct ticker t;
	struct tick now;
	struct second s;

	start(&t, &now);
	now.now_ns += 3 * NS_PER_SEC;
	now.events[0] += 300;
	now.costs.stats.hits += 3000;
	now.costs.stats.read += 600;
	now.costs.stats.lost[2] += 1;
	now.recorder.batches += 6;
	assert_true(tick(&t, &now, &s));
	assert_int_equal(s.sample.rps, 200);
	assert_int_equal(s.sample.hits, 1000);
	assert_int_equal(s.events[0], 100);
	assert_true(s.sample.bps == 2);
	/* One in three seconds is not none. */
	assert_int_equal(s.sample.lost, 1);
	assert_true(s.lost);
}

static void test_too_short(void **state)
{
	struct ticker t;
	struct tick now;
	struct second s;

	start(&t, &now);
	now.now_ns += NS_PER_SEC / 20;
	now.costs.stats.read += 50;
	assert_false(tick(&t, &now, &s));
	/* Nothing is lost by it: the next one has all. */
	now.now_ns += NS_PER_SEC * 19 / 20;
	now.costs.stats.read += 50;
	assert_true(tick(&t, &now, &s));
	assert_int_equal(s.sample.rps, 100);
	/* Nor is it a second when the clock stands still, or goes back. */
	assert_false(tick(&t, &now, &s));
	now.now_ns -= NS_PER_SEC;
	assert_false(tick(&t, &now, &s));
}

/* Another capture, a replay that seeks: no second of 2^64 events. */
static void test_counts_go_back(void **state)
{
	struct ticker t;
	struct tick now;
	struct second s;

	start(&t, &now);
	now.now_ns += NS_PER_SEC;
	now.costs.stats = (struct capture_stats){.waiting = 5, .price.trap_ns = 750};
	now.recorder = (struct recorder_stats){.batches = 1};
	memset(now.events, 0, sizeof(now.events));
	assert_true(tick(&t, &now, &s));
	assert_int_equal(s.sample.rps, 0);
	assert_int_equal(s.sample.pps, 0);
	assert_int_equal(s.sample.hits, 0);
	assert_int_equal(s.sample.lost, 0);
	assert_true(s.sample.overhead_percent == 0);
	assert_true(s.sample.bps == 0);
	assert_int_equal(s.events[0], 0);
	assert_false(s.lost);
	/* And it goes on from there. */
	now.now_ns += NS_PER_SEC;
	now.costs.stats.read += 40;
	now.costs.stats.hits += 60;
	now.events[0] = 30;
	assert_true(tick(&t, &now, &s));
	assert_int_equal(s.sample.rps, 40);
	assert_int_equal(s.sample.hits, 60);
	assert_int_equal(s.events[0], 30);
}

/* Means stay over seconds without a hit: the cost of one has not become nothing. */
static void test_nothing_happens(void **state)
{
	struct ticker t;
	struct tick now;
	struct second s;

	start(&t, &now);
	now.now_ns += NS_PER_SEC;
	now.costs.stats.prog_ns_sum += 600;
	now.costs.stats.prog_ns_samples += 3;
	now.costs.stats.deliver_ns_sum += 500;
	now.costs.stats.delivered += 10;
	assert_true(tick(&t, &now, &s));
	now.now_ns += NS_PER_SEC;
	assert_true(tick(&t, &now, &s));
	assert_int_equal(s.sample.lat_ns, 200);
	assert_int_equal(s.sample.prc_ns, 50);
	assert_int_equal(s.sample.bfl_ns, 0);
	assert_int_equal(s.sample.rps, 0);
}

static void test_replay(void **state)
{
	struct tick now = {.now_ns = NS_PER_SEC, .events = {10, 20}};
	struct ticker t;
	struct second s;

	ticker_start(&t, &now);
	now.now_ns += 2 * NS_PER_SEC;
	now.events[0] = 110;
	assert_true(tick(&t, &now, &s));
	/* What it came by before anybody counted is of the first second. */
	assert_int_equal(s.sample.rps, 65);
	assert_int_equal(s.sample.pps, 65);
	assert_int_equal(s.sample.trap_ns, 0);
	assert_true(s.sample.bps == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_second),       cmocka_unit_test(test_stepped),
		cmocka_unit_test(test_a_long_second),  cmocka_unit_test(test_too_short),
		cmocka_unit_test(test_counts_go_back), cmocka_unit_test(test_nothing_happens),
		cmocka_unit_test(test_replay),
	};

	return cmocka_run_group_tests_name("ticker", tests, NULL, NULL);
}
