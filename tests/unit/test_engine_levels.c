/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Levels, pauses, windows and rates of an engine with a made-up source. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/engine/healer.h"
#include "tests/unit/engine_world.h"

static void objects(struct world *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct event ev = {.type = EVENT_NEWOBJECT, .goid = 1, .time_ns = monotonic_ns()};

		model_apply(w->model, &ev, 1);
	}
}

static void test_pause(void **state)
{
	struct world w;

	start(&w, 0);
	w.paused_err = -EBUSY;
	assert_int_equal(w.control.set_paused(w.control.ctx, true), -EBUSY);
	assert_false(w.control.get_paused(w.control.ctx));
	w.paused_err = 0;
	assert_int_equal(w.control.set_paused(w.control.ctx, true), 0);
	assert_true(w.control.get_paused(w.control.ctx));
	see(&w, 2, (const uint64_t[]){1, 9});
	w.paused_err = -EIO;
	assert_int_equal(w.control.set_paused(w.control.ctx, false), -EIO);
	assert_true(w.control.get_paused(w.control.ctx));
	assert_int_equal(reads(&w), 1);
	/* What happened meanwhile is read. */
	w.paused_err = 0;
	assert_int_equal(w.control.set_paused(w.control.ctx, false), 0);
	wait_gone(&w, 7);
	assert_true(lives(&w, 9));
	end(&w);
}

static struct goroutine one(struct world *w, uint64_t goid)
{
	struct goroutine g;

	assert_int_equal(model_goroutine(w->model, 0, goid, &g), 0);
	return g;
}

static bool is_paused(struct world *w, unsigned on)
{
	return w_get_paused(w) == on;
}

static void look(struct world *w)
{
	w->live.look(w->live.ctx, 0, DEADLINE_S * NS_PER_SEC);
}

/* Without probes memory tells, and no time counts for a state; with them a reading comes first, and
 * what events say after it is certain. */
static void test_memory_tells_between_windows(void **state)
{
	uint64_t ran, waited, off_ns, on_ns, t;
	struct live_probes now;
	struct model_totals totals;
	struct goroutine g;
	struct world w;

	start(&w, 0);
	t = monotonic_ns();
	change(&w, 7, GSTATE_WAITING, GSTATE_RUNNABLE, t);
	change(&w, 7, GSTATE_RUNNABLE, GSTATE_RUNNING, t + 1000);
	assert_int_equal(one(&w, 7).runnable_count, 1);
	assert_int_equal(engine_probes_set(w.engine, false), 0);
	assert_true(w_get_paused(&w));
	until(&w, certain, 0);
	off_ns = monotonic_ns();
	w.live.probes(w.live.ctx, 0, &now);
	assert_true(now.off && strstr(now.why, "max-overhead"));
	/* Until they went it ran, and all of that counts. */
	ran = one(&w, 7).state_ns[GSTATE_RUNNING];
	g = one(&w, 7);
	assert_true(g.flags & GOROUTINE_GAP);
	/* Another state, one that is gone, one that is new: nobody saw it, and nothing was wrong.
	 */
	pthread_mutex_lock(&w.lock);
	w.seen[0] = (struct goroutine_seen){.goid = 7, .state = GSTATE_RUNNABLE};
	w.seen[1] = (struct goroutine_seen){.goid = 9, .state = GSTATE_RUNNING};
	w.n = 2;
	pthread_mutex_unlock(&w.lock);
	wait_gone(&w, 1);
	g = one(&w, 7);
	assert_int_equal(g.state, GSTATE_RUNNABLE);
	assert_true(g.flags & GOROUTINE_STATE_READ && g.flags & GOROUTINE_GAP &&
		    g.flags & GOROUTINE_UNCERTAIN);
	assert_int_equal(g.state_ns[GSTATE_RUNNING], ran);
	model_totals(w.model, 0, &totals);
	assert_int_equal(totals.healed, 0);
	assert_int_equal(totals.goroutines_created, 0);
	assert_int_equal(event_counts_sum(totals.events), 2);
	/* Back: until memory was read again, nothing is sure. */
	pthread_mutex_lock(&w.lock);
	w.stuck = true;
	pthread_mutex_unlock(&w.lock);
	assert_int_equal(engine_probes_set(w.engine, true), 0);
	on_ns = monotonic_ns();
	assert_true(in_doubt(&w));
	/* It may have been running and runnable again meanwhile: no latency. */
	change(&w, 7, GSTATE_RUNNABLE, GSTATE_RUNNING, on_ns);
	g = one(&w, 7);
	assert_int_equal(g.runnable_count, 1);
	assert_int_equal(g.state_ns[GSTATE_RUNNABLE], 1000);
	assert_false(g.flags & GOROUTINE_GAP);
	pthread_mutex_lock(&w.lock);
	w.seen[0].state = GSTATE_RUNNING;
	w.stuck = false;
	pthread_mutex_unlock(&w.lock);
	until(&w, certain, 0);
	/* 9 runs as it did, and is known to from the reading on. */
	g = one(&w, 9);
	assert_false(g.flags & GOROUTINE_GAP);
	assert_true(g.state_since_ns >= on_ns);
	assert_int_equal(g.state_ns[GSTATE_RUNNING], 0);
	t = monotonic_ns() + 500;
	change(&w, 9, GSTATE_RUNNING, GSTATE_WAITING, t);
	assert_int_equal(one(&w, 9).state_ns[GSTATE_RUNNING], t - g.state_since_ns);
	waited = t;
	change(&w, 9, GSTATE_WAITING, GSTATE_RUNNABLE, waited + 70);
	change(&w, 9, GSTATE_RUNNABLE, GSTATE_RUNNING, waited + 100);
	assert_int_equal(one(&w, 9).runnable_count, 1);
	w.live.probes(w.live.ctx, 0, &now);
	assert_true(!now.off && now.switched == 2 && now.off_ns > 0 && now.since_ns >= off_ns);
	end(&w);
}

/* What waits all the while, as the runtime says, is shown to have waited all the while, and none of
 * it counts. Where it says nothing, it may have been another wait each time. */
static void test_a_wait_goes_on_without_probes(void **state)
{
	uint64_t t, known;
	struct goroutine g;
	struct world w;

	start(&w, 0);
	t = monotonic_ns();
	change(&w, 7, GSTATE_WAITING, GSTATE_RUNNABLE, t);
	change(&w, 7, GSTATE_RUNNABLE, GSTATE_RUNNING, t + 10);
	change(&w, 7, GSTATE_RUNNING, GSTATE_WAITING, t + 20);
	pthread_mutex_lock(&w.lock);
	w.seen[1].began_ns = t + 20;
	pthread_mutex_unlock(&w.lock);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(engine_probes_set(w.engine, false), 0);
		until(&w, certain, 0);
		assert_int_equal(engine_probes_set(w.engine, true), 0);
		until(&w, certain, 0);
	}
	g = one(&w, 7);
	assert_int_equal(goroutine_began(&g), t + 20);
	known = g.state_ns[GSTATE_WAITING];
	assert_true(known < g.state_since_ns - (t + 20));
	pthread_mutex_lock(&w.lock);
	w.seen[1].began_ns = 0;
	pthread_mutex_unlock(&w.lock);
	t = monotonic_ns();
	assert_int_equal(engine_probes_set(w.engine, false), 0);
	until(&w, certain, 0);
	g = one(&w, 7);
	assert_true(goroutine_began(&g) >= t && g.flags & GOROUTINE_AT_LEAST);
	end(&w);
}

/* Memory is read when somebody looks, and not more than ten times a second. */
static void test_looks(void **state)
{
	uint64_t began;
	unsigned before;
	struct world w;

	start(&w, 0);
	before = reads(&w);
	for (int i = 0; i < 50; i++)
		look(&w);
	assert_int_equal(reads(&w), before); /* events tell */
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_NONE), 0);
	assert_int_equal(w.control.get_probes(w.control.ctx), PROBES_NONE);
	until(&w, certain, 0);
	see(&w, 2, (const uint64_t[]){1, 9});
	usleep(110000);
	look(&w);
	assert_true(lives(&w, 9));
	before = reads(&w);
	began = monotonic_ns();
	while (monotonic_ns() - began < NS_PER_SEC / 2 || reads(&w) - before < 2)
		look(&w);
	assert_true(reads(&w) - before <= (monotonic_ns() - began) / HEALER_FRESH_NS + 2);
	/* A second reason: it is out until both are gone. */
	assert_int_equal(engine_probes_set(w.engine, false), 0);
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_FULL), 0);
	assert_true(w_get_paused(&w));
	assert_int_equal(engine_probes_set(w.engine, true), 0);
	assert_false(w_get_paused(&w));
	end(&w);
}

static void test_levels(void **state)
{
	struct live_probes now;
	uint64_t left;
	bool paused;
	struct world w;

	start(&w, 0);
	assert_int_equal(w.control.get_probes(w.control.ctx), PROBES_FULL);
	/* It cannot sample: nothing is changed. */
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_LIGHT), -ENOTSUP);
	assert_false(w_get_paused(&w));
	w.paused_err = -EIO;
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_DEMAND), -EIO);
	assert_int_equal(w.control.get_probes(w.control.ctx), PROBES_FULL);
	w.paused_err = 0;
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_DEMAND), 0);
	assert_true(w_get_paused(&w));
	assert_false(w.control.get_paused(w.control.ctx)); /* nobody asked for a pause */
	w.control.reads_events(w.control.ctx, true);
	until(&w, is_paused, false);
	w.control.reads_events(w.control.ctx, true);
	w.control.reads_events(w.control.ctx, false);
	tick(&w, 1, 0, NULL);
	tick(&w, 1, 0, NULL);
	w.live.probes(w.live.ctx, 0, &now);
	assert_true(!now.off && now.readers == 1 && now.level == PROBES_DEMAND);
	/* The last one goes, and another comes at once: nothing is taken out for that. */
	left = monotonic_ns();
	w.control.reads_events(w.control.ctx, false);
	tick(&w, 1, 0, NULL);
	paused = w_get_paused(&w);
	assert_true(!paused || monotonic_ns() - left > NS_PER_SEC);
	for (int i = 0; i < DEADLINE_S * 10 && !w_get_paused(&w); i++) {
		usleep(100000);
		tick(&w, 1, 0, NULL);
	}
	assert_true(w_get_paused(&w));
	w.live.probes(w.live.ctx, 0, &now);
	assert_true(now.off && strstr(now.why, "nobody reads"));
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_FULL), 0);
	assert_false(w_get_paused(&w));
	end(&w);
}

static void at_light(struct world *w, unsigned windows)
{
	struct live_probes now = {0};

	assert_int_equal(w->control.set_probes(w->control.ctx, PROBES_LIGHT), 0);
	for (int i = 0; i < DEADLINE_S * 1000 && now.sample_windows < windows; i++) {
		usleep(1000);
		w->live.probes(w->live.ctx, 0, &now);
	}
	assert_true(now.sample_windows >= windows && now.sample_scale > 1);
}

/* Sampling that takes half of the program's time is done in windows; between them nothing is
 * attached, and what comes after them counts as all. */
static void test_sampling_in_windows(void **state)
{
	struct live_probes now;
	struct world w;

	make(&w, 0);
	w.source.sample_allocations = w_sample_allocations;
	w.source.sample_window = w_sample_window;
	w.load = 500000;
	assert_int_equal(engine_start(w.engine, true), 0);
	at_light(&w, 2);
	assert_true(w.attach_changes >= 4);
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_FULL), 0);
	assert_int_equal(w.scale, 1);
	assert_false(w.attached);
	w.live.probes(w.live.ctx, 0, &now);
	assert_int_equal(now.sample_scale, 1);
	end(&w);
}

/* Where the kernel takes long for a change it is not asked for one at each window. */
static void test_sampling_on_a_slow_kernel(void **state)
{
	struct world w;

	make(&w, 0);
	w.source.sample_allocations = w_sample_allocations;
	w.source.sample_window = w_sample_window;
	w.attach_us = 700000;
	w.load = 500000;
	assert_int_equal(engine_start(w.engine, true), 0);
	at_light(&w, 4);
	assert_true(w.attach_changes <= 3); /* in, out, and in again */
	engine_tracing_ends(w.engine);
	end(&w);
}

/* Probes that the kernel has not let go of yet are waited for, a little. */
static void test_light_while_the_kernel_holds_probes(void **state)
{
	struct world w;

	make(&w, 0);
	w.source.sample_allocations = w_sample_allocations;
	w.source.sample_window = w_sample_window;
	assert_int_equal(engine_start(w.engine, true), 0);
	w.held = 5;
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_LIGHT), 0);
	assert_true(w.attached);
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_FULL), 0);
	w.held = UINT_MAX;
	assert_int_equal(w.control.set_probes(w.control.ctx, PROBES_LIGHT), -EBUSY);
	assert_int_equal(w.control.get_probes(w.control.ctx), PROBES_FULL);
	end(&w);
}

static void test_rates(void **state)
{
	const uint32_t some[RATES] = {[EVENT_CASGSTATUS] = RATE_ONE, [EVENT_MAKEMAP] = 100};
	uint32_t now[RATES];
	struct world w;

	start(&w, 0);
	w.rates_err = -EPERM;
	assert_int_equal(w.control.set_rates(w.control.ctx, some), -EPERM);
	w.control.get_wanted(w.control.ctx, now);
	assert_int_equal(now[EVENT_NEWOBJECT], RATE_ONE);
	assert_int_equal(reads(&w), 1);
	w.rates_err = 0;
	assert_int_equal(w.control.set_rates(w.control.ctx, some), 0);
	w.control.get_rates(w.control.ctx, now);
	assert_memory_equal(now, some, sizeof(some));
	w.control.get_wanted(w.control.ctx, now);
	assert_memory_equal(now, some, sizeof(some));
	wait_reads(&w, 1);
	w.control.low_latency(w.control.ctx, true);
	assert_int_equal(w.latency, 1);
	end(&w);
}

static void test_the_meter(void **state)
{
	const struct recorder_stats recorded[2] = {{.batches = 5}, {.batches = 9, .wait_ns = 400}};
	struct meter_sample s;
	struct world w;

	start(&w, 0);
	/* What a hit costs is known before anything was counted. */
	meter_last(w.meter, &s);
	assert_int_equal(s.trap_ns, 800);
	assert_false(engine_tick(w.engine, w.now_ns, &recorded[0], &s));
	w.stats.hits += 50;
	assert_true(engine_tick(w.engine, w.now_ns + 2 * NS_PER_SEC, &recorded[1], &s));
	assert_int_equal(s.hits, 25);
	assert_true(s.bps == 2);
	assert_int_equal(s.qwl_ns, 100);
	memset(&s, 0, sizeof(s));
	meter_last(w.meter, &s);
	assert_int_equal(s.hits, 25);
	end(&w);
}

static void test_replay(void **state)
{
	struct engine_config ec = {0};
	struct engine *e;
	struct meter_sample s;
	struct world w;

	make(&w, 0);
	ec.model = w.model;
	ec.meter = w.meter;
	assert_int_equal(engine_new(&ec, &e), 0);
	assert_false(engine_tick(e, w.now_ns, NULL, &s));
	objects(&w, 30);
	assert_true(engine_tick(e, w.now_ns + 3 * NS_PER_SEC, NULL, &s));
	assert_int_equal(s.rps, 10);
	assert_int_equal(s.hits, 0);
	engine_free(e);
	engine_free(NULL);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_memory_tells_between_windows),
		cmocka_unit_test(test_a_wait_goes_on_without_probes),
		cmocka_unit_test(test_looks),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_sampling_in_windows),
		cmocka_unit_test(test_sampling_on_a_slow_kernel),
		cmocka_unit_test(test_light_while_the_kernel_holds_probes),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_the_meter),
		cmocka_unit_test(test_replay),
	};

	return cmocka_run_group_tests_name("engine_levels", tests, NULL, NULL);
}
