/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How busy goroutines were: the pyramid's counts against shares computed from the changes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/pyramid/pyramid.h"
#include "tests/unit/pyramid_life.h"

#define LIVES   12
#define CHANGES 600
#define N       300
#define ROWS    PYRAMID_BUSY_ROWS

struct life {
	struct change v[CHANGES];
	unsigned n;
};

/* Stays of very different lengths, more in some states than in others; half of them end, and some
 * of these begin again. */
static void make_life(struct life *l, unsigned which)
{
	static const uint8_t states[] = {GSTATE_RUNNING, GSTATE_WAITING, GSTATE_RUNNABLE,
					 GSTATE_SYSCALL, GSTATE_RUNNING, GSTATE_WAITING};
	uint64_t time = ORIGIN + rnd() % (1u << 28);
	uint8_t state = GSTATE_DEAD;

	l->n = CHANGES - which * 10;
	for (unsigned i = 0; i < l->n; i++) {
		uint8_t next = states[which % 4 + rnd() % 3];
		unsigned longest;

		if (state == GSTATE_DEAD)
			next = GSTATE_RUNNABLE;
		else if (next == state)
			next = state == GSTATE_RUNNING ? GSTATE_WAITING : GSTATE_RUNNING;
		if (state == GSTATE_RUNNING && which % 2 && (i + 1 == l->n || rnd() % 100 == 0))
			next = GSTATE_DEAD;
		l->v[i] = (struct change){time, state, next};
		state = next;
		longest = 8 + rnd() % 18;
		time += 1 + rnd() % (1u << longest);
	}
}

/* ns running in [from, to), of which nothing is known past `known`. */
static uint64_t running(const struct life *l, uint64_t from, uint64_t to, uint64_t known)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < l->n; i++) {
		uint64_t a = l->v[i].time, b = i + 1 < l->n ? l->v[i + 1].time : known;

		a = MAX(a, from);
		b = MIN(b, to);
		if (l->v[i].to == GSTATE_RUNNING && b > a)
			sum += b - a;
	}
	return sum;
}

static unsigned tenth(uint64_t ns, uint64_t width)
{
	return (unsigned)MIN((ns * 10 - 1) / width, 9u);
}

/*
 * A column against the shares: as many as ran at all, and of those in row k or above no fewer than
 * in truth and no more than with every share 1/255 greater.
 */
static void check_column(const uint32_t *column, const struct life *lives, unsigned n,
			 uint64_t from, uint64_t width, uint64_t known)
{
	unsigned least[ROWS] = {0}, most[ROWS] = {0}, have = 0, any = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t ns = running(&lives[i], from, from + width, known);

		if (!ns)
			continue;
		any++;
		least[tenth(ns, width)]++;
		most[tenth(ns + width / 255, width)]++;
	}
	for (unsigned k = ROWS, low = 0, high = 0; k--;) {
		have += column[k];
		low += least[k];
		high += most[k];
		assert_in_range(have, low, high);
	}
	assert_int_equal(have, any);
}

static void test_shares(void **state)
{
	static const unsigned levels[] = {20, 21, 22, 23, 25, 26, 30, 44};
	struct life *lives = calloc(LIVES, sizeof(*lives));
	uint32_t counts[N][ROWS];
	unsigned at[LIVES] = {0}, filled = 0;
	uint64_t goids[LIVES], last = 0, since;
	struct pyramid *p;

	assert_int_equal(pyramid_new(64 << 20, &p), 0);
	for (unsigned i = 0; i < LIVES; i++) {
		goids[i] = i + 1;
		make_life(&lives[i], i);
	}
	for (;;) { /* in time order */
		unsigned first = LIVES;
		struct event ev;

		for (unsigned i = 0; i < LIVES; i++) {
			if (at[i] < lives[i].n &&
			    (first == LIVES ||
			     lives[i].v[at[i]].time < lives[first].v[at[first]].time))
				first = i;
		}
		if (first == LIVES)
			break;
		ev = state_event(first + 1, &lives[first].v[at[first]++]);
		pyramid_apply(p, NULL, &ev, 1);
		last = ev.time_ns;
	}
	last += 12345678;
	pyramid_until(p, last);
	for (unsigned k = 0; k < ARRAY_SIZE(levels); k++) {
		uint64_t width = 1ull << levels[k];
		struct pyramid_busy q = {.level = levels[k], .from = ORIGIN / width, .n = N};

		for (; q.from * width <= last; q.from += N) {
			for (unsigned named = 0; named < 2; named++) {
				q.goids = named ? goids : NULL;
				q.n_goids = named ? 5 : 0;
				assert_int_equal(pyramid_busy(p, &q, counts, &since), 0);
				assert_int_equal(since, 0);
				for (unsigned i = 0; i < N; i++) {
					check_column(counts[i], lives, named ? 5 : LIVES,
						     (q.from + i) * width, width, last);
					filled += counts[i][0] || counts[i][4];
				}
			}
		}
	}
	assert_true(filled > 1500);
	pyramid_free(p);
	free(lives);
}

#define STEADY 50
#define CYCLE  20000

/* Of what is no longer kept finely, a coarser level tells the mean: here, the same. */
static void test_forgotten(void **state)
{
	struct pyramid_busy q = {.level = 20};
	uint64_t time = ORIGIN, since = 0;
	uint32_t counts[N][ROWS];
	struct pyramid *p;

	assert_int_equal(pyramid_new(1 << 20, &p), 0);
	for (unsigned i = 0; i < 100000; i++) {
		for (unsigned k = 0; k < STEADY; k++) {
			uint64_t on = CYCLE / 20 * (1 + k % 10 * 2); /* 5, 15, … 95 % */
			struct change run = {time, GSTATE_WAITING, GSTATE_RUNNING};
			struct change wait = {time + on, GSTATE_RUNNING, GSTATE_WAITING};
			struct event ev[2] = {state_event(k + 1, &run), state_event(k + 1, &wait)};

			pyramid_apply(p, NULL, ev, 2);
		}
		time += CYCLE;
	}
	pyramid_until(p, time);
	q.n = N;
	for (q.from = ORIGIN >> 20; (q.from + N) << 20 < time; q.from += N / 2) {
		assert_int_equal(pyramid_busy(p, &q, counts, &since), 0);
		for (unsigned i = 1; i < N; i++) {
			for (unsigned k = 0; k < ROWS; k++)
				assert_int_equal(counts[i][k], STEADY / ROWS);
		}
	}
	assert_true(since > ORIGIN + (time - ORIGIN) / 2 && since < time);
	pyramid_free(p);
}

/* One that was there before it was first seen: until then nothing is known of it. Nor is the state
 * of one that is only seen acting. */
static void test_found(void **state)
{
	struct pyramid_busy q = {.level = 20, .from = ORIGIN >> 20, .n = 10};
	struct change begins = {ORIGIN + (4ull << 20) + (1 << 19), GSTATE_RUNNABLE, GSTATE_RUNNING};
	struct event ev[] = {
		state_event(5, &begins),
		{.type = EVENT_NEWOBJECT, .goid = 6, .time_ns = begins.time, .size = 1},
	};
	uint32_t counts[N][ROWS];
	struct pyramid *p;
	uint64_t since;

	assert_int_equal(pyramid_new(0, &p), 0);
	assert_int_equal(pyramid_busy(p, &q, counts, &since), 0);
	pyramid_apply(p, NULL, ev, 2);
	pyramid_until(p, ORIGIN + (8ull << 20) + (1 << 18));
	counts[0][0] = 7;
	assert_int_equal(pyramid_busy(p, &q, counts, &since), 0);
	for (unsigned i = 0; i < 10; i++) {
		for (unsigned k = 0; k < ROWS; k++) {
			bool half = i == 4 && (k == 4 || k == 5), all = i > 4 && i < 8 && k == 9;

			if (!half)
				assert_int_equal(counts[i][k], all || (i == 8 && k == 2));
		}
	}
	assert_int_equal(counts[4][4] + counts[4][5], 1);
	q.proc = 1;
	assert_int_equal(pyramid_busy(p, &q, counts, &since), 0);
	assert_int_equal(counts[6][9], 0);
	pyramid_free(p);
}

/* A state that was read from memory, where the event of the change was lost. */
static void test_healed(void **state)
{
	struct pyramid_busy q = {.level = 20, .from = ORIGIN >> 20, .n = 10};
	struct model_config config = {.retain = 100, .retain_exited = 10, .workers = 1};
	struct goroutine_seen seen = {.goid = 5, .state = GSTATE_WAITING};
	struct change begins = {ORIGIN + 1000, GSTATE_RUNNABLE, GSTATE_RUNNING};
	struct event ev[] = {
		state_event(5, &begins),
		{.type = EVENT_NEWOBJECT, .goid = 5, .time_ns = ORIGIN + (2ull << 20)},
	};
	struct proc_info info = {.pid = 1};
	uint32_t counts[N][ROWS];
	struct pyramid *p;
	struct model *m;
	uint64_t since;

	assert_int_equal(names_new(100, &config.names), 0);
	assert_int_equal(model_new(&config, &m), 0);
	assert_int_equal(model_proc_add(m, &info), 0);
	assert_int_equal(pyramid_new(0, &p), 0);
	pyramid_apply(p, config.names, ev, 2);
	model_apply(m, ev, 2);
	model_heal(m, 0, &seen, 1, ORIGIN + (3ull << 20), true);
	assert_int_equal(pyramid_sync(p, m, 0, ORIGIN + (5ull << 20)), 0);
	pyramid_until(p, ORIGIN + (5ull << 20));
	assert_int_equal(pyramid_busy(p, &q, counts, &since), 0);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(counts[i][9], i < 2);
	pyramid_free(p);
	model_free(m);
	names_free(config.names);
}

static void test_refuses(void **state)
{
	static const struct pyramid_busy wrong[] = {
		{.level = 19, .n = 1},
		{.level = PYRAMID_LEVEL_MAX + 1, .n = 1},
		{.level = 20, .n = 0},
		{.level = 20, .from = UINT64_MAX, .n = 1},
		{.level = 20, .from = UINT64_MAX >> 20, .n = 1},
		{.level = 44, .from = UINT64_MAX >> 44, .n = 300},
	};
	uint32_t counts[N][ROWS];
	struct pyramid *p;
	uint64_t since;

	assert_int_equal(pyramid_new(0, &p), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(pyramid_busy(p, &wrong[i], counts, &since), -EINVAL);
	pyramid_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares),  cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_found),   cmocka_unit_test(test_healed),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
