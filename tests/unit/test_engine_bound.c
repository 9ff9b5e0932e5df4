/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A bound on what tracing costs, of an engine with a made-up source: exceeded and kept, and changes
 * that the source refuses. */
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

#include "tests/unit/engine_world.h"

static void wait_pauses(struct world *w, unsigned n)
{
	for (int i = 0; i < DEADLINE_S * 1000; i++) {
		bool done;

		pthread_mutex_lock(&w->lock);
		done = w->pauses >= n && !w->paused;
		pthread_mutex_unlock(&w->lock);
		if (done)
			return;
		usleep(1000);
	}
	fail_msg("no %u windows", n);
}

/* Not more than one last window above; what a window takes longer, on a machine that stood still in
 * it, is saved after it. */
static bool within_its_tenth(struct world *w)
{
	struct live_budget b;

	w->live.budget(w->live.ctx, &b);
	return (double)b.spent_ns < 0.1 * (double)b.cpu_ns + 0.3e9;
}

/* Hits take 0.4 of the program's time: too much. All that was asked for is on in each window. */
static void test_the_bound_is_kept(void **state)
{
	struct live_budget b;
	bool within = false;
	struct world w;

	make(&w, 10);
	w.load = 500000;
	assert_int_equal(engine_start(w.engine, true), 0);
	wait_pauses(&w, 3);
	assert_int_equal(w.rate_changes, 0);
	w.live.budget(w.live.ctx, &b);
	assert_true(b.max_percent == 10);
	assert_true(b.windows >= 3 && b.on_ns && b.off_ns && b.attach_ns && b.detach_ns);
	assert_true(b.full_percent > 20 && b.full_percent < 60);
	for (int i = 0; i < DEADLINE_S * 1000 && !within; i++) {
		within = within_its_tenth(&w);
		usleep(1000);
	}
	assert_true(within);
	/* The user's pause is another thing. */
	assert_false(w.control.get_paused(w.control.ctx));
	assert_int_equal(w.control.set_max_overhead(w.control.ctx, 0), 0);
	pthread_mutex_lock(&w.lock);
	assert_false(w.paused);
	pthread_mutex_unlock(&w.lock);
	end(&w);
}

static void be_still(struct world *w, bool still)
{
	pthread_mutex_lock(&w->lock);
	w->still = still;
	pthread_mutex_unlock(&w->lock);
}

/* No more hits: waits until the bound has looked at all there were. Its sum, without switching. */
static uint64_t spent_at_rest(struct world *w)
{
	struct live_budget before, b;
	uint64_t until = monotonic_ns() + DEADLINE_S * NS_PER_SEC;

	be_still(w, true);
	w->live.budget(w->live.ctx, &before);
	do {
		usleep(1000);
		w->live.budget(w->live.ctx, &b); /* its time goes on with each look */
	} while (b.cpu_ns < before.cpu_ns + 5 * NS_PER_SEC / 50 && monotonic_ns() < until);
	return b.spent_ns - b.switched_ns;
}

/* What the bound has counted as spent is what the figures of the seconds add up to, though each
 * looks when it likes, and our program takes little now and much then. */
static void test_costs_are_one_figure(void **state)
{
	struct meter_sample sample;
	uint64_t hits_ns, spent_ns;
	struct world w;

	make(&w, 10);
	w.load = 500000;
	(void)tick(&w, 1, 0, NULL);
	assert_int_equal(engine_start(w.engine, true), 0);
	wait_pauses(&w, 1);
	spent_ns = spent_at_rest(&w);
	assert_true(tick(&w, 1, 0, &sample));
	hits_ns = sample.overhead_ns;
	be_still(&w, false);
	for (unsigned i = 0; i < 20; i++) {
		assert_true(tick(&w, 1, 0, &sample));
		usleep(7000);
	}
	wait_pauses(&w, 3);
	spent_ns = spent_at_rest(&w) - spent_ns;
	assert_true(tick(&w, 1, 0, &sample));
	hits_ns = sample.overhead_ns - hits_ns;
	assert_true(hits_ns > NS_PER_SEC / 1000);
	assert_in_range(spent_ns, hits_ns - 100, hits_ns + 100);
	end(&w);
}

static unsigned measured(struct world *w)
{
	unsigned n;

	pthread_mutex_lock(&w->lock);
	n = w->measured;
	pthread_mutex_unlock(&w->lock);
	return n;
}

/* What a hit costs is measured again while there are hits; what they have cost so far stays. */
static void test_price_is_measured_again(void **state)
{
	uint64_t trap_ns, step_ns, before_ns;
	struct meter_sample sample;
	struct world w;

	start(&w, 0);
	for (unsigned i = 0; i < 500; i++)
		(void)tick(&w, 1, 1000, &sample);
	assert_int_equal(measured(&w), 0);
	assert_int_equal(sample.overhead_ns, 500 * 800000);
	for (unsigned i = 0; i < 102; i++)
		(void)tick(&w, 1, 1000, &sample);
	/* Who measures does one thing after the other. */
	assert_int_equal(w.control.set_max_overhead(w.control.ctx, 0), 0);
	assert_int_equal(measured(&w), 1);
	(void)tick(&w, 1, 0, &sample);
	before_ns = sample.overhead_ns;
	(void)tick(&w, 1, 1000, &sample);
	assert_int_equal(sample.trap_ns, 1600);
	assert_int_equal(sample.overhead_ns, before_ns + 1600000);
	meter_price_at_start(w.meter, &trap_ns, &step_ns);
	assert_int_equal(trap_ns, 800);
	assert_int_equal(step_ns, 4000);
	/* Once more for the hits since, then it is due, but there is nothing to be priced. */
	for (unsigned i = 0; i < 2000; i++)
		(void)tick(&w, 1, 0, NULL);
	assert_int_equal(w.control.set_max_overhead(w.control.ctx, 0), 0);
	assert_int_equal(measured(&w), 2);
	end(&w);
}

/* What -sample does not choose happened, and costs: the bound is kept, and between two windows it
 * is estimated as well. */
static void test_a_bound_with_a_sample(void **state)
{
	struct live_budget b;
	struct world w;

	make(&w, 10);
	w.load = 500000;
	w.unchosen = true;
	assert_int_equal(engine_start(w.engine, true), 0);
	wait_pauses(&w, 2);
	w.live.budget(w.live.ctx, &b);
	assert_true(b.windows >= 1);
	assert_true(b.estimated);
	assert_true(b.missed[EVENT_NEWOBJECT] > 0);
	assert_int_equal(b.missed[EVENT_MAKEMAP], 0);
	end(&w);
}

static void test_within_the_bound_all_stays(void **state)
{
	struct world w;

	make(&w, 10);
	w.load = 50000; /* 4 % */
	assert_int_equal(engine_start(w.engine, true), 0);
	usleep(300000);
	assert_int_equal(w.pauses, 0);
	end(&w);
}

/* Who was paused by the user stays so, whatever the bound says. */
static void test_a_bound_ends_no_pause(void **state)
{
	struct world w;

	make(&w, 10);
	w.load = 500000;
	assert_int_equal(engine_start(w.engine, true), 0);
	wait_pauses(&w, 1);
	assert_int_equal(w.control.set_paused(w.control.ctx, true), 0);
	assert_int_equal(w.control.set_max_overhead(w.control.ctx, 0), 0);
	pthread_mutex_lock(&w.lock);
	assert_true(w.paused);
	pthread_mutex_unlock(&w.lock);
	assert_true(w.control.get_paused(w.control.ctx));
	assert_int_equal(w.control.set_paused(w.control.ctx, false), 0);
	assert_false(w.paused);
	end(&w);
}

static void test_the_kernel_refuses(void **state)
{
	struct world w;

	make(&w, 10);
	w.load = 500000;
	w.paused_err = -EIO;
	assert_int_equal(engine_start(w.engine, true), 0);
	usleep(300000);
	assert_int_equal(w.pauses, 0);
	/* It is tried again, and not taken for done. */
	pthread_mutex_lock(&w.lock);
	w.paused_err = 0;
	pthread_mutex_unlock(&w.lock);
	wait_pauses(&w, 1);
	end(&w);
}

static void test_the_bound_is_changed(void **state)
{
	struct world w;

	start(&w, 3);
	assert_true(w.control.get_max_overhead(w.control.ctx) == 3);
	assert_int_equal(w.control.set_max_overhead(w.control.ctx, -1), -EINVAL);
	assert_int_equal(w.control.set_max_overhead(w.control.ctx, 1e9), -EINVAL);
	assert_true(w.control.get_max_overhead(w.control.ctx) == 3);
	assert_int_equal(w.control.set_max_overhead(w.control.ctx, 20), 0);
	assert_true(w.control.get_max_overhead(w.control.ctx) == 20);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_bound_is_kept),
		cmocka_unit_test(test_costs_are_one_figure),
		cmocka_unit_test(test_price_is_measured_again),
		cmocka_unit_test(test_a_bound_with_a_sample),
		cmocka_unit_test(test_within_the_bound_all_stays),
		cmocka_unit_test(test_a_bound_ends_no_pause),
		cmocka_unit_test(test_the_kernel_refuses),
		cmocka_unit_test(test_the_bound_is_changed),
	};

	return cmocka_run_group_tests_name("engine_bound", tests, NULL, NULL);
}
