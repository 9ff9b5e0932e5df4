/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The merge of several rings: writers that reserve, take the time and commit in any interleaving,
 * over rings in plain memory. What comes out must be complete, in the order of time, and never
 * late.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/capture/merge.h"
#include "core/capture/pump.h"

#define SLOTS   (2 * WIRE_NEAR)
#define RINGS   3
#define WRITERS 6 /* two a ring: a program can be preempted by another on its CPU */

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random_state >> 33) % n;
}

/* --- a ring as the BPF program writes it ------------------------------------------------------ */

struct fake {
	struct wire_ring control;
	struct wire_slot slots[WIRE_NEAR + SLOTS];
};

static struct ring fake_ring(struct fake *f)
{
	memset(f, 0, sizeof(*f));
	return (struct ring){.control = &f->control, .slots = f->slots, .n_slots = SLOTS};
}

/* NULL when it is full. */
static struct wire_slot *fake_reserve(struct fake *f)
{
	struct wire_slot *slot =
		&f->slots[wire_slot_index(f->control.head, f->control.tail, SLOTS)];

	if (wire_ring_full(&f->control, SLOTS))
		return NULL;
	slot->seq = f->control.head++;
	return slot;
}

static void fake_commit(struct wire_slot *slot)
{
	slot->seq++;
}

static void fake_record(struct fake *f, uint64_t time_ns)
{
	struct wire_slot *slot = fake_reserve(f);

	assert_non_null(slot);
	slot->record.h = (struct wire_header){.time_ns = time_ns, .type = WIRE_CASGSTATUS};
	fake_commit(slot);
}

/* --- the random run --------------------------------------------------------------------------- */

struct writer {
	struct fake *ring;
	struct wire_slot *slot; /* taken; NULL: nothing under way */
	bool stamped;
};

struct run {
	struct fake rings[RINGS];
	struct writer writers[WRITERS];
	struct merge *merge;
	uint64_t now, written, full, far, taken, last;
};

static void writer_step(struct run *run, struct writer *w)
{
	if (!w->slot) {
		w->slot = fake_reserve(w->ring);
		w->stamped = false;
		run->full += !w->slot;
		run->far += w->slot && w->slot >= w->ring->slots + WIRE_NEAR;
	} else if (!w->stamped) {
		w->slot->record.h =
			(struct wire_header){.time_ns = ++run->now, .type = WIRE_NEWOBJECT};
		w->stamped = true;
	} else {
		fake_commit(w->slot);
		run->written++;
		w->slot = NULL;
	}
}

static void take_all(struct run *run)
{
	const union wire_record *r;

	while ((r = merge_next(run->merge))) {
		assert_true(r->h.time_ns > run->last);
		run->last = r->h.time_ns;
		run->taken++;
	}
}

static void one_run(uint64_t seed, unsigned steps)
{
	struct run *run = calloc(1, sizeof(*run));
	struct ring rings[RINGS];

	assert_non_null(run);
	run->now = 1000000;
	random_state = seed;
	for (int i = 0; i < RINGS; i++) {
		rings[i] = fake_ring(&run->rings[i]);
	}
	for (int i = 0; i < WRITERS; i++)
		run->writers[i].ring = &run->rings[i % RINGS];
	assert_int_equal(merge_new(rings, RINGS, &run->merge), 0);
	for (unsigned i = 0; i < steps; i++) {
		/* writer 0 is preempted for a long time now and then */
		unsigned w = random_below(WRITERS);

		if (w == 0 && i / 2000 % 2)
			continue;
		/* and now and then the reader stays away, for longer than a ring holds */
		if (i / 60000 % 2 == 0 && random_below(300) == 0) {
			/* the clock is read, then the writers go on, then the drain looks */
			uint64_t clock = run->now + MERGE_SLACK_NS;

			for (unsigned k = random_below(20); k; k--)
				writer_step(run, &run->writers[1 + random_below(WRITERS - 1)]);
			merge_drain(run->merge, clock);
			if (random_below(3))
				take_all(run);
		}
		writer_step(run, &run->writers[w]);
	}
	for (int i = 0; i < WRITERS; i++)
		while (run->writers[i].slot)
			writer_step(run, &run->writers[i]);
	merge_drain(run->merge, run->now + 1 + MERGE_SLACK_NS);
	take_all(run);
	assert_int_equal(merge_backlog(run->merge), 0);
	assert_false(merge_busy(run->merge));
	merge_finish(run->merge);
	take_all(run);
	assert_int_equal(run->taken, run->written);
	assert_int_equal(merge_read(run->merge), run->written);
	assert_int_equal(merge_waiting(run->merge), 0);
	assert_int_equal(merge_undecodable(run->merge), 0);
	assert_true(run->written > steps / 12);
	if (steps >= 120000) {
		assert_int_not_equal(run->far, 0);
		assert_int_not_equal(run->full, 0);
	}
	merge_free(run->merge);
	free(run);
}

static void test_random_interleavings(void **state)
{
	for (uint64_t seed = 1; seed <= 30; seed++)
		one_run(seed, 20000);
	for (uint64_t seed = 31; seed <= 40; seed++)
		one_run(seed, 200000);
}

/* --- single cases ------------------------------------------------------------------------------
 */

struct pair {
	struct fake a, b;
	struct ring rings[2];
	struct merge *merge;
};

static void pair_open(struct pair *p)
{
	p->rings[0] = fake_ring(&p->a);
	p->rings[1] = fake_ring(&p->b);
	assert_int_equal(merge_new(p->rings, 2, &p->merge), 0);
}

static void pair_close(struct pair *p)
{
	merge_free(p->merge);
}

static void next_is(struct pair *p, uint64_t time_ns)
{
	const union wire_record *r = merge_next(p->merge);

	if (!time_ns) {
		assert_null(r);
		return;
	}
	assert_non_null(r);
	assert_int_equal(r->h.time_ns, time_ns);
}

static void test_watermark_holds_back(void **state)
{
	struct pair p;

	pair_open(&p);
	fake_record(&p.a, 100);
	fake_record(&p.b, 50);
	fake_record(&p.a, 300);
	merge_drain(p.merge, 200 + MERGE_SLACK_NS);
	next_is(&p, 50);
	next_is(&p, 100);
	next_is(&p, 0); /* 300: something older than it may still come */
	assert_int_equal(merge_waiting(p.merge), 1);
	fake_record(&p.b, 250);
	merge_drain(p.merge, 400 + MERGE_SLACK_NS);
	next_is(&p, 250);
	next_is(&p, 300);
	next_is(&p, 0);
	pair_close(&p);
}

static void test_busy_record_stops_all(void **state)
{
	struct wire_slot *busy;
	struct pair p;

	pair_open(&p);
	busy = fake_reserve(&p.a);
	fake_record(&p.a, 80);
	fake_record(&p.b, 70);
	merge_drain(p.merge, 1000 + MERGE_SLACK_NS);
	next_is(&p, 0); /* the busy record's time may be older than 70 */
	assert_true(merge_busy(p.merge));
	assert_int_not_equal(merge_backlog(p.merge), 0);
	busy->record.h = (struct wire_header){.time_ns = 60, .type = WIRE_CASGSTATUS};
	fake_commit(busy);
	merge_drain(p.merge, 1001 + MERGE_SLACK_NS);
	next_is(&p, 60);
	next_is(&p, 70);
	next_is(&p, 80);
	next_is(&p, 0);
	pair_close(&p);
}

static void test_nonsense_is_counted(void **state)
{
	struct wire_slot *slot;
	struct pair p;

	pair_open(&p);
	slot = fake_reserve(&p.a);
	slot->record.h = (struct wire_header){.time_ns = 5, .type = WIRE_TYPES};
	fake_commit(slot);
	fake_record(&p.a, 9);
	merge_drain(p.merge, 1000 + MERGE_SLACK_NS);
	next_is(&p, 9);
	assert_int_equal(merge_undecodable(p.merge), 1);
	pair_close(&p);
}

/* Writers that ran a whole ring ahead: what they wrote over is counted, the rest is read. */
static void test_overwritten_is_counted(void **state)
{
	struct pair p;

	pair_open(&p);
	for (unsigned i = 0; i < SLOTS + WIRE_NEAR + 2; i++) {
		if (i >= SLOTS) /* as if the reader had gone on */
			p.a.control.tail = i - SLOTS + 1;
		fake_record(&p.a, 100 + i);
	}
	p.a.control.tail = 0;
	merge_drain(p.merge, 100000 + MERGE_SLACK_NS);
	assert_int_equal(merge_undecodable(p.merge), 2);
	assert_int_equal(merge_read(p.merge), SLOTS + WIRE_NEAR);
	for (unsigned i = 0; i < SLOTS + WIRE_NEAR + 2; i++)
		if (i != WIRE_NEAR && i != WIRE_NEAR + 1) /* the first two far ones */
			next_is(&p, 100 + i);
	pair_close(&p);
}

/* What a writer sees that was preempted between its look at the head and that at the tail. */
static void test_stale_head_is_not_full(void **state)
{
	assert_false(
		wire_ring_full(&(struct wire_ring){.head = 100, .tail = 100 + 3 * SLOTS}, SLOTS));
	assert_false(wire_ring_full(&(struct wire_ring){.head = SLOTS - 1}, SLOTS));
	assert_true(wire_ring_full(&(struct wire_ring){.head = SLOTS}, SLOTS));
	assert_true(
		wire_ring_full(&(struct wire_ring){.head = 2, .tail = 2 - (uint64_t)SLOTS}, SLOTS));
}

/* How much of which ring: the fullest says how soon the rings are looked at again. */
static void test_interval_follows_the_fullest(void **state)
{
	struct fake *f = calloc(RINGS, sizeof(*f));
	struct ring rings[RINGS];
	struct merge *m;
	int64_t ns = PUMP_INTERVAL_MOST;

	assert_non_null(f);
	for (int i = 0; i < RINGS; i++) {
		rings[i] = fake_ring(&f[i]);
		for (int k = 0; k < 10 * i; k++)
			fake_record(&f[i], 100);
	}
	assert_int_equal(merge_new(rings, RINGS, &m), 0);
	assert_int_equal(merge_drain(m, 1000), 30);
	assert_int_equal(merge_most(m), 20);
	assert_int_equal(merge_drain(m, 1000), 0);
	assert_int_equal(merge_most(m), 0);
	merge_free(m);
	free(f);

	/* 100 records a ms: half of the near ones would last longer than the longest. */
	assert_int_equal(pump_interval(ns, 5000000, 500), PUMP_INTERVAL_MOST);
	/* Once it was held up for as long as it takes to fill them, at the same rate: no matter. */
	ns = pump_interval(ns, 20000000, 2000);
	assert_int_equal(ns, PUMP_INTERVAL_MOST);
	/* 400 a ms: 2.56 ms; 10,000: the shortest. */
	assert_int_equal(pump_interval(ns, 5000000, 2000), 2560000);
	ns = pump_interval(ns, 1000000, 10000);
	assert_int_equal(ns, PUMP_INTERVAL_LEAST);
	/* Back by and by, whatever it was. */
	ns = pump_interval(ns, 1000000, 10);
	assert_int_equal(ns, 2 * PUMP_INTERVAL_LEAST);
	assert_int_equal(pump_interval(pump_interval(ns, 1000000, 0), UINT64_MAX, 1),
			 PUMP_INTERVAL_MOST);
}

static void test_finish_lets_all_out(void **state)
{
	struct pair p;

	pair_open(&p);
	fake_record(&p.a, 5000);
	merge_drain(p.merge, 100);
	next_is(&p, 0);
	merge_finish(p.merge);
	next_is(&p, 5000);
	next_is(&p, 0);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_interleavings),
		cmocka_unit_test(test_watermark_holds_back),
		cmocka_unit_test(test_busy_record_stops_all),
		cmocka_unit_test(test_nonsense_is_counted),
		cmocka_unit_test(test_overwritten_is_counted),
		cmocka_unit_test(test_stale_head_is_not_full),
		cmocka_unit_test(test_interval_follows_the_fullest),
		cmocka_unit_test(test_finish_lets_all_out),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
