/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * core/engine/governor, with programs that are made up: what it spends stays within the bound one
 * second after whatever the program begins to do, all probes are back when it becomes calm, and no
 * long time is without a window.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

#include "core/engine/governor.h"

/* A program: CPUs that it would take, and hits a second of its own CPU time. */
struct load {
	double busy, hits;
};

struct world {
	struct governor g;
	struct governor_look look;
	double hit_ns, switch_cpu_ns, switch_wall_ns;
	bool hit_while_attaching; /* by all of them, which is more than there is */
	bool goes_at_once;        /* detaching takes time, but there are no hits in it */
	uint64_t spent_ns;        /* what it really cost, with the switching */
	uint64_t on_ns, longest_off_ns, off_since_ns, switches;
	bool in; /* probes are hit */
};

static void make(struct world *w, double bound)
{
	*w = (struct world){.hit_ns = 1000,
			    .switch_cpu_ns = 10e6,
			    .switch_wall_ns = 60e6,
			    .look.now_ns = NS_PER_SEC,
			    .in = true};
	governor_init(&w->g, bound, w->look.now_ns);
}

/* While probes are in, each piece of work takes its hits besides. */
static void pass(struct world *w, const struct load *l, double ns)
{
	double hits = w->in ? l->hits * w->hit_ns / 1e9 : 0, cpu = l->busy * ns;
	double cost = cpu * hits / (1 + hits);

	w->look.now_ns += (uint64_t)ns;
	w->look.cpu_ns += (uint64_t)cpu;
	w->look.hits_ns += (uint64_t)cost;
	w->spent_ns += (uint64_t)cost;
	if (w->in)
		w->on_ns += (uint64_t)ns;
}

/* They go, or come, one by one. */
static void change(struct world *w, const struct load *l, bool on)
{
	w->in |= on && w->hit_while_attaching;
	w->in &= on || !w->goes_at_once;
	pass(w, l, w->switch_wall_ns);
	w->spent_ns += (uint64_t)w->switch_cpu_ns;
	if (on)
		w->longest_off_ns = MAX(w->longest_off_ns, w->look.now_ns - w->off_since_ns);
	else
		w->off_since_ns = w->look.now_ns;
	governor_switched(&w->g, on, &w->look, (uint64_t)w->switch_cpu_ns);
	w->in = on;
	w->switches++;
}

static void run(struct world *w, struct load l, double seconds)
{
	uint64_t end_ns = w->look.now_ns + (uint64_t)(seconds * 1e9);

	while (w->look.now_ns < end_ns) {
		bool on;

		pass(w, &l, (double)GOVERNOR_LOOK_NS);
		on = governor_step(&w->g, &w->look);
		if (on != w->g.on)
			change(w, &l, on);
	}
}

/* To the end of a window, so that each is counted with what was saved for it. */
static void run_to_an_end(struct world *w, struct load l)
{
	uint64_t windows = w->g.windows;

	while (w->g.windows == windows)
		run(w, l, (double)GOVERNOR_LOOK_NS / 1e9);
}

struct share {
	double spent, on; /* of the program's CPU time; of the time */
};

static struct share share_since(const struct world *w, const struct world *before)
{
	return (struct share){
		.spent = (double)(w->spent_ns - before->spent_ns) /
			 (double)(w->look.cpu_ns - before->look.cpu_ns),
		.on = (double)(w->on_ns - before->on_ns) /
		      (double)(w->look.now_ns - before->look.now_ns),
	};
}

static struct share measure(struct world *w, struct load l, double seconds)
{
	struct world before = *w;

	run(w, l, seconds);
	return share_since(w, &before);
}

/* The same from the end of a window to the end of another one. */
static struct share measure_windows(struct world *w, struct load l, double seconds)
{
	struct world before;

	run_to_an_end(w, l);
	before = *w;
	run(w, l, seconds);
	run_to_an_end(w, l);
	return share_since(w, &before);
}

static const struct load calm = {0.02, 10000}, server = {1.6, 700000}, storm = {8, 2000000};

static void without_a_bound_nothing_happens(void **state)
{
	struct world w;

	make(&w, 0);
	run(&w, storm, 100);
	assert_int_equal(w.switches, 0);
}

static void what_is_within_the_bound_is_left_alone(void **state)
{
	struct load l = {1.5, 25000}; /* 2.4 % */
	struct world w;

	make(&w, 3);
	run(&w, l, 100);
	assert_int_equal(w.switches, 0);
	/* A moment of more is paid with what was left over. */
	run(&w, server, 0.04);
	run(&w, l, 10);
	assert_int_equal(w.switches, 0);
}

static void the_mean_is_within_the_bound_whatever_it_is(void **state)
{
	static const double bounds[] = {1, 3, 5, 10, 25};
	const struct load *loads[] = {&server, &storm};

	for (size_t i = 0; i < ARRAY_SIZE(bounds) * ARRAY_SIZE(loads); i++) {
		double bound = bounds[i / ARRAY_SIZE(loads)];
		struct share s;
		struct world w;

		make(&w, bound);
		run(&w, *loads[i % ARRAY_SIZE(loads)], 1);
		s = measure(&w, *loads[i % ARRAY_SIZE(loads)], 120);
		/* Not above; and what may be spent is. */
		assert_true(s.spent < bound / 100 * 1.02);
		assert_true(s.spent > bound / 100 * 0.8);
		assert_true(w.g.windows > 5);
		assert_true(w.longest_off_ns < 20 * NS_PER_SEC);
	}
}

static void one_second_after_a_step_it_is_within(void **state)
{
	struct world w;
	struct share s;

	make(&w, 3);
	for (int i = 0; i < 5; i++) {
		run(&w, calm, 30);
		assert_true(w.g.on);
		run(&w, server, 1);
		s = measure_windows(&w, server, 10);
		assert_true(s.spent < 0.031);
		run(&w, storm, 1);
		s = measure_windows(&w, storm, 10);
		assert_true(s.spent < 0.031);
	}
}

/*
 * A machine that has much to do: probes come in 150 ms, and are hit from the first one on, and go
 * in 300; the program works now and then only. A window is saved for before it begins, so that at
 * no moment more is spent than was earned: but for the first one, which nobody could expect.
 */
static void a_window_is_paid_before_it_begins(void **state)
{
	static const double switching[] = {60e6, 150e6, 300e6};
	const struct load nothing = {0, 0};

	for (size_t i = 0; i < ARRAY_SIZE(switching); i++) {
		struct world w, before;

		make(&w, 3);
		w.switch_cpu_ns = 3e6;
		w.switch_wall_ns = switching[i];
		w.hit_while_attaching = true;
		run(&w, calm, 30);
		run_to_an_end(&w, server);
		run_to_an_end(&w, server);
		before = w;
		for (int n = 0; n < 400; n++) {
			run(&w, server, 0.1);
			run(&w, nothing, 0.15);
			if (n >= 4)
				assert_true(share_since(&w, &before).spent < 0.031);
		}
		assert_true(share_since(&w, &before).spent > 0.015);
		assert_true(w.g.windows > 4);
	}
}

static void when_load_falls_all_is_back_for_good(void **state)
{
	struct world w;
	uint64_t switches;

	make(&w, 3);
	run(&w, storm, 30);
	run(&w, calm, 4);
	assert_true(w.g.on);
	switches = w.switches;
	run(&w, calm, 60);
	assert_int_equal(w.switches, switches);
	assert_true(w.g.on);
}

/* One that is calm just long enough to get its probes back. */
static void who_goes_up_and_down_is_no_way_round_the_bound(void **state)
{
	struct world w;
	uint64_t spent_ns, cpu_ns;

	make(&w, 3);
	run(&w, server, 5);
	spent_ns = w.spent_ns;
	cpu_ns = w.look.cpu_ns;
	for (int i = 0; i < 60; i++) {
		run(&w, calm, 2.2);
		run(&w, server, 1);
	}
	assert_true((double)(w.spent_ns - spent_ns) < 0.05 * (double)(w.look.cpu_ns - cpu_ns));
}

static void what_hits_take_is_known_after_one_window(void **state)
{
	struct world w;

	make(&w, 3);
	run(&w, server, 0.1); /* 0.7 CPUs of hits for each of work */
	assert_true(w.g.hit_part > 0.38 && w.g.hit_part < 0.44);
}

static void switching_that_costs_much_makes_windows_seldom(void **state)
{
	struct world cheap, dear;

	make(&cheap, 3);
	make(&dear, 3);
	dear.switch_cpu_ns = 100e6;
	run(&cheap, server, 60);
	run(&dear, server, 5);
	assert_true(measure(&dear, server, 120).spent < 0.032);
	assert_true(dear.switches < cheap.switches);
	assert_true(dear.g.windows > 0);
}

/* The kernel waits long before it says that a probe is out, which takes nothing of the program:
 * windows come as the bound has it. */
static void waiting_is_no_cost(void **state)
{
	struct world hit, waits;
	struct share of_hit, of_waits;

	make(&hit, 3);
	make(&waits, 3);
	hit.switch_wall_ns = waits.switch_wall_ns = 400e6;
	waits.goes_at_once = true;
	run(&hit, server, 20);
	run(&waits, server, 20);
	hit.g.windows = waits.g.windows = 0;
	of_hit = measure(&hit, server, 120);
	of_waits = measure(&waits, server, 120);
	assert_true(of_hit.spent < 0.032 && of_waits.spent < 0.032);
	assert_true(2 * waits.g.windows > 3 * hit.g.windows);
}

/* So small a bound that no window fits: there is one a minute all the same. */
static void it_is_never_blind(void **state)
{
	struct world w;

	make(&w, 0.0001);
	run(&w, server, 600);
	assert_in_range(w.g.windows, 9, 12);
	assert_true(w.longest_off_ns < 62 * NS_PER_SEC);
}

/* Counters that go back, jump, or stand still; a clock that does not move. */
static void counters_may_be_anything(void **state)
{
	struct world w;
	unsigned seed = 1;

	make(&w, 3);
	for (int i = 0; i < 200000; i++) {
		struct governor_look look = w.look;
		bool on;

		seed = seed * 1103515245 + 12345;
		w.look.now_ns += seed >> 29 ? GOVERNOR_LOOK_NS : 0;
		switch (seed >> 16 & 7) {
		case 0:
			look.cpu_ns = 0;
			break;
		case 1:
			look.hits_ns = UINT64_MAX - seed;
			break;
		case 2:
			look.now_ns -= NS_PER_SEC;
			break;
		case 3:
			look.cpu_ns = UINT64_MAX;
			break;
		default:
			look.now_ns = w.look.now_ns;
		}
		on = governor_step(&w.g, &look);
		assert_true(w.g.account_ns == w.g.account_ns);
		if (on != w.g.on)
			governor_switched(&w.g, on, &w.look, seed);
	}
	/* And when they are sane again, so is it. */
	w.look.cpu_ns = w.look.hits_ns = 0;
	run(&w, calm, 130);
	assert_true(w.g.on);
	run(&w, server, 130);
	assert_true(measure(&w, server, 60).spent < 0.035);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_bound_nothing_happens),
		cmocka_unit_test(what_is_within_the_bound_is_left_alone),
		cmocka_unit_test(the_mean_is_within_the_bound_whatever_it_is),
		cmocka_unit_test(one_second_after_a_step_it_is_within),
		cmocka_unit_test(a_window_is_paid_before_it_begins),
		cmocka_unit_test(when_load_falls_all_is_back_for_good),
		cmocka_unit_test(who_goes_up_and_down_is_no_way_round_the_bound),
		cmocka_unit_test(what_hits_take_is_known_after_one_window),
		cmocka_unit_test(switching_that_costs_much_makes_windows_seldom),
		cmocka_unit_test(waiting_is_no_cost),
		cmocka_unit_test(it_is_never_blind),
		cmocka_unit_test(counters_may_be_anything),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
