/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * core/engine/sample_pace, with programs that are made up: what sampling costs stays near its
 * bound, what windows stand for is all of the time, whatever is late, and a calm program is sampled
 * all of the time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "core/engine/sample_pace.h"

#define MS   1000000ull
#define STEP (1 * MS)

/* A program: CPUs that it takes, and hits a second of its CPU time. */
struct load {
	double busy, hits;
};

struct world {
	struct sample_pace p;
	struct sample_look look;
	double hit_ns;
	uint64_t switch_ns; /* wall time of attaching, and of detaching */
	bool attached, open;
	double told; /* by samples, of what was allocated */
	double allocated;
	uint64_t on_ns;
	unsigned opened;
};

static void make(struct world *w)
{
	*w = (struct world){
		.hit_ns = 1000,
		.switch_ns = 3 * MS,
		.attached = true,
		.open = true,
		.look = {.now_ns = NS_PER_SEC, .cpu_ns = NS_PER_SEC},
	};
	sample_pace_init(&w->p, SAMPLE_BOUND_PERCENT / 100, &w->look);
}

static void pass(struct world *w, const struct load *l, uint64_t ns)
{
	double cpu = l->busy * (double)ns;
	double hits = w->attached ? l->hits / 1e9 * w->hit_ns : 0;
	double own = cpu / (1 + hits);

	w->look.now_ns += ns;
	w->look.cpu_ns += (uint64_t)cpu;
	w->look.hits_ns += (uint64_t)(cpu - own);
	w->allocated += own;
	if (w->open) {
		w->told += own * w->p.scale;
		w->on_ns += ns;
	}
}

static void change(struct world *w, const struct load *l, bool open)
{
	w->look.switch_ns += MS;
	if (open) {
		w->attached = true;
		pass(w, l, w->switch_ns);
		sample_pace_opened(&w->p, &w->look);
		w->open = true;
		w->opened++;
	} else {
		struct sample_look now = w->look;

		w->open = false;
		pass(w, l, w->switch_ns);
		w->attached = false;
		sample_pace_closed(&w->p, &now, (uint64_t)random());
	}
}

static void run(struct world *w, const struct load *l, uint64_t ns)
{
	uint64_t until_ns = w->look.now_ns + ns, due_ns = 0;

	while (w->look.now_ns < until_ns) {
		bool open = w->look.now_ns < due_ns ? w->p.open
						    : sample_pace_step(&w->p, &w->look, &due_ns);

		if (open != w->p.open) {
			change(w, l, open);
			due_ns = 0;
		} else {
			pass(w, l, STEP);
		}
	}
}

static void test_stays_open(void **state)
{
	const struct load server = {.busy = 0.8, .hits = 2000};
	struct world w;

	make(&w);
	run(&w, &server, 60 * NS_PER_SEC);
	assert_int_equal(w.opened, 0);
	assert_true(w.p.open && w.p.scale == 1);
	assert_float_equal(w.told, w.allocated, 1);
}

/* 6 % of a CPU while they are in. */
static void test_bound(void **state)
{
	const struct load loop = {.busy = 1, .hits = 60000};
	struct world w;
	struct sample_look then;
	double cost;

	make(&w);
	run(&w, &loop, NS_PER_SEC);
	then = w.look;
	run(&w, &loop, 60 * NS_PER_SEC);
	cost = (double)(w.look.hits_ns + w.look.switch_ns - then.hits_ns - then.switch_ns) /
	       (double)(w.look.cpu_ns - then.cpu_ns);
	assert_true(cost < 1.2 * SAMPLE_BOUND_PERCENT / 100);
	assert_true(cost > 0.4 * SAMPLE_BOUND_PERCENT / 100);
	assert_in_range(w.opened, 30, 200); /* none of them far from the next */
	assert_true(w.told > 0.95 * w.allocated && w.told < 1.05 * w.allocated);
}

/* On a machine that has much to do attaching takes longer than a cycle was to last. */
static void test_late(void **state)
{
	const struct load loop = {.busy = 0.5, .hits = 60000};
	struct world w;

	make(&w);
	w.switch_ns = 400 * MS;
	run(&w, &loop, 600 * NS_PER_SEC);
	assert_true(w.told > 0.9 * w.allocated && w.told < 1.1 * w.allocated);
	assert_true(sample_pace_stands_for(&w.p, &w.look) > 0.98);
}

/* So late that no window can stand for what was before it: how much of it is missing is told. */
static void test_too_late(void **state)
{
	const struct load loop = {.busy = 1, .hits = 60000}, calm = {.busy = 0.3, .hits = 1000};
	struct world w;
	double stands;

	make(&w);
	w.switch_ns = 20 * NS_PER_SEC;
	run(&w, &loop, 300 * NS_PER_SEC);
	stands = sample_pace_stands_for(&w.p, &w.look);
	assert_true(stands > 0.05 && stands < 0.5);
	assert_true(fabs(w.told / w.allocated - stands) < 0.05);
	run(&w, &calm, 600 * NS_PER_SEC);
	stands = sample_pace_stands_for(&w.p, &w.look);
	assert_true(w.p.open && w.p.scale == 1 && stands < 0.9);
	assert_true(fabs(w.told / w.allocated - stands) < 0.05);
}

/* A machine that has time for the program now and then, by chance: what it does is stood for by its
 * own time, whatever part of the windows it had. */
static void test_crowded(void **state)
{
	const struct load loop = {.busy = 1, .hits = 60000}, waits = {0};
	double off = 0;

	for (unsigned i = 0; i < 20; i++) {
		struct world w;
		double before;

		make(&w);
		run(&w, &loop, NS_PER_SEC);
		before = w.told - w.allocated;
		for (unsigned n = 0; n < 1000; n++) {
			run(&w, &loop, (uint64_t)(random() % 10 + 1) * MS);
			run(&w, &waits, (uint64_t)(random() % 30 + 1) * MS);
		}
		off += fabs(w.told - w.allocated - before) / w.allocated / 20;
	}
	assert_true(off < 0.1);
}

static void test_calm_again(void **state)
{
	const struct load loop = {.busy = 1, .hits = 60000}, calm = {.busy = 0.3, .hits = 1000},
			  rest = {0};
	struct world w;

	make(&w);
	run(&w, &loop, 10 * NS_PER_SEC);
	assert_true(w.p.scale > 1);
	run(&w, &calm, 10 * NS_PER_SEC);
	assert_true(w.p.open && w.p.scale == 1);
	run(&w, &loop, 10 * NS_PER_SEC);
	assert_true(w.p.scale > 1);
	run(&w, &rest, 4 * SAMPLE_LONGEST_NS);
	assert_true(w.p.open && w.p.scale == 1);
}

/* Windows lie anywhere in what they stand for: who works in a rhythm is told of as he is. Work of
 * 100 ms a second, in a program that takes a window a second or so. */
static void test_rhythm(void **state)
{
	const struct load work = {.busy = 1, .hits = 100000}, other = {.busy = 1, .hits = 40000};
	double in_work = 0, told_work = 0;
	struct world w;

	make(&w);
	run(&w, &other, 10 * NS_PER_SEC);
	for (unsigned i = 0; i < 1000; i++) {
		double told = w.told, allocated = w.allocated;

		run(&w, &work, 100 * MS);
		told_work += w.told - told;
		in_work += w.allocated - allocated;
		run(&w, &other, 900 * MS);
	}
	assert_true(told_work > 0.75 * in_work && told_work < 1.25 * in_work);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stays_open), cmocka_unit_test(test_bound),
		cmocka_unit_test(test_late),       cmocka_unit_test(test_calm_again),
		cmocka_unit_test(test_too_late),   cmocka_unit_test(test_rhythm),
		cmocka_unit_test(test_crowded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
