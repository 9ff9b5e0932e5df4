/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A process as a whole over time: goroutines in each state, events, allocations, latency. Every
 * bucket is kept (a ring a level), so what is asked for is found by its number. As with rows,
 * events are counted at the finest level; a bucket that is complete hands its sums to the next.
 */
#include <errno.h>
#include <string.h>

#include "core/pyramid/internal.h"

struct series_level {
	struct pyramid_bucket ring[SERIES_RING];
	uint64_t first,
		current; /* bucket numbers; retained: [max(first, current - ring + 1), current] */
};

struct series {
	uint64_t time_ns;
	uint64_t count[GSTATES];
	struct series_level levels[SERIES_LEVELS];
};

int series_new(uint64_t time_ns, struct series **ret)
{
	struct series *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->time_ns = time_ns;
	for (unsigned i = 0; i < SERIES_LEVELS; i++)
		s->levels[i].first = s->levels[i].current =
			time_ns >> (SERIES_BASE + i * PYRAMID_STEP);
	*ret = s;
	return 0;
}

void series_free(struct series *s)
{
	free(s);
}

static void add_bucket(struct pyramid_bucket *into, const struct pyramid_bucket *b)
{
	for (unsigned i = 0; i < GSTATES; i++)
		into->state_ns[i] += b->state_ns[i];
	for (unsigned i = 0; i < EVENT_TYPES; i++)
		into->events[i] += b->events[i];
	into->lost += b->lost;
	into->alloc_bytes = sum_u64(into->alloc_bytes, b->alloc_bytes);
	into->latency_count += b->latency_count;
	into->latency_sum_ns += b->latency_sum_ns;
	into->latency_max_ns = MAX(into->latency_max_ns, b->latency_max_ns);
	for (unsigned i = 0; i < PYRAMID_LATENCIES; i++)
		into->latencies[i] += b->latencies[i];
}

static struct pyramid_bucket *level_bucket(struct series_level *l)
{
	return &l->ring[l->current % SERIES_RING];
}

static void add_states(const struct series *s, struct pyramid_bucket *b, uint64_t ns)
{
	for (unsigned i = 0; i < GSTATES; i++)
		b->state_ns[i] += s->count[i] * ns;
}

/* Whole buckets [from, to) of a level in which nothing happened but time passing. */
static void fill(struct series *s, unsigned li, uint64_t from, uint64_t to)
{
	struct series_level *l = &s->levels[li];

	if (to - from > SERIES_RING)
		from = to - SERIES_RING;
	for (; from < to; from++) {
		struct pyramid_bucket *b = &l->ring[from % SERIES_RING];

		memset(b, 0, sizeof(*b));
		add_states(s, b, 1ull << (SERIES_BASE + li * PYRAMID_STEP));
	}
}

/* Time passes from t0 to t1 at a level and, as buckets fill, at those above it. */
static void pass(struct series *s, unsigned li, uint64_t t0, uint64_t t1)
{
	struct series_level *l = &s->levels[li];
	unsigned shift = SERIES_BASE + li * PYRAMID_STEP;
	uint64_t last = t1 >> shift, end = (l->current + 1) << shift;

	if (last == l->current) {
		add_states(s, level_bucket(l), t1 - t0);
		return;
	}
	add_states(s, level_bucket(l), end - t0);
	if (li + 1 < SERIES_LEVELS) {
		add_bucket(level_bucket(&s->levels[li + 1]), level_bucket(l));
		pass(s, li + 1, end, last << shift);
	}
	fill(s, li, l->current + 1, last);
	l->current = last;
	memset(level_bucket(l), 0, sizeof(struct pyramid_bucket));
	add_states(s, level_bucket(l), t1 - (last << shift));
}

void series_advance(struct series *s, uint64_t time_ns)
{
	if (time_ns <= s->time_ns)
		return;
	pass(s, 0, s->time_ns, time_ns);
	s->time_ns = time_ns;
}

static uint64_t oldest_bucket(const struct series_level *l)
{
	uint64_t oldest = l->current >= SERIES_RING ? l->current - SERIES_RING + 1 : 0;

	return MAX(oldest, l->first);
}

/*
 * The time from then to now, at each level up to where its current bucket begins: what that one
 * holds comes to the next level when it is complete.
 */
static void make_up(struct series *s, unsigned state, int delta, uint64_t from)
{
	uint64_t to = s->time_ns;

	for (unsigned li = 0; li < SERIES_LEVELS && from < to; li++) {
		struct series_level *l = &s->levels[li];
		unsigned shift = SERIES_BASE + li * PYRAMID_STEP;

		for (uint64_t k = MAX(from >> shift, oldest_bucket(l)); k <= l->current; k++) {
			uint64_t begin = MAX(from, k << shift), end = MIN(to, (k + 1) << shift);
			uint64_t *sum = &l->ring[k % SERIES_RING].state_ns[state];

			if (begin < end && delta > 0)
				*sum += end - begin;
			else if (begin < end)
				*sum -= MIN(*sum, end - begin);
		}
		to = MIN(to, l->current << shift);
	}
}

void series_state(struct series *s, unsigned state, int delta, uint64_t since_ns)
{
	if (state >= GSTATES)
		return;
	if (delta < 0 && !s->count[state])
		return;
	s->count[state] += (uint64_t)delta;
	make_up(s, state, delta, since_ns);
}

struct pyramid_bucket *series_now(struct series *s)
{
	return level_bucket(&s->levels[0]);
}

void series_latency(struct series *s, uint64_t ns)
{
	struct pyramid_bucket *b = series_now(s);
	unsigned i = ns ? 63u - (unsigned)__builtin_clzll(ns) : 0;

	i = i > PYRAMID_LATENCY_BASE ? i - PYRAMID_LATENCY_BASE : 0;
	b->latency_count++;
	b->latency_sum_ns += ns;
	b->latency_max_ns = MAX(b->latency_max_ns, ns);
	b->latencies[MIN(i, PYRAMID_LATENCIES - 1u)]++;
}

/* A bucket that is still filling: what the finer levels have not handed over yet is in theirs. */
static void add_open(const struct series *s, unsigned li, struct pyramid_bucket *into)
{
	while (li--)
		add_bucket(into, &s->levels[li].ring[s->levels[li].current % SERIES_RING]);
}

void series_read(struct series *s, unsigned level, uint64_t from, size_t n,
		 struct pyramid_bucket *ret)
{
	unsigned li = MIN((level - SERIES_BASE) / PYRAMID_STEP, SERIES_LEVELS - 1u);
	unsigned merge = level - (SERIES_BASE + li * PYRAMID_STEP);
	const struct series_level *l = &s->levels[li];
	uint64_t oldest = oldest_bucket(l);

	memset(ret, 0, n * sizeof(*ret));
	for (size_t i = 0; i < n; i++) {
		uint64_t begin = (from + i) << merge, end = (from + i + 1) << merge;

		for (uint64_t k = MAX(begin, oldest); k < end && k <= l->current; k++) {
			add_bucket(&ret[i], &l->ring[k % SERIES_RING]);
			if (k == l->current)
				add_open(s, li, &ret[i]);
		}
	}
}
