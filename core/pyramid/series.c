/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A process as a whole over time: goroutines in each state, events, allocations, latency. Every
 * bucket is kept (a ring a level), so what is asked for is found by its number. As with rows,
 * events are counted at the finest level; a bucket that is complete hands its sums to the next.
 * A ring's memory is taken in blocks, when time gets there and there is something to keep.
 */
#include <errno.h>
#include <string.h>

#include "core/pyramid/internal.h"

#define BLOCK  16 /* buckets */
#define BLOCKS (SERIES_RING / BLOCK)

struct series_level {
	struct pyramid_bucket *blocks[BLOCKS]; /* NULL: all its buckets are zero */
	uint64_t first,
		current; /* bucket numbers; retained: [max(first, current - ring + 1), current] */
};

struct series {
	uint64_t time_ns, end_ns;
	bool ended; /* the process did, at end_ns: nothing counts any more */
	uint64_t count[PYRAMID_STATES];
	size_t bytes;
	struct pyramid_bucket spare; /* without memory this is counted in, for nothing */
	struct series_level levels[SERIES_LEVELS];
};

int series_new(uint64_t time_ns, struct series **ret)
{
	struct series *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->time_ns = time_ns;
	s->bytes = sizeof(*s);
	for (unsigned i = 0; i < SERIES_LEVELS; i++)
		s->levels[i].first = s->levels[i].current =
			time_ns >> (SERIES_BASE + i * PYRAMID_STEP);
	*ret = s;
	return 0;
}

void series_free(struct series *s)
{
	for (unsigned i = 0; s && i < SERIES_LEVELS; i++) {
		for (unsigned k = 0; k < BLOCKS; k++)
			free(s->levels[i].blocks[k]);
	}
	free(s);
}

size_t series_bytes(const struct series *s)
{
	return s->bytes;
}

/* A bucket's place in the ring, NULL when that was never written to. */
static struct pyramid_bucket *look(const struct series_level *l, uint64_t k)
{
	struct pyramid_bucket *block = l->blocks[k % SERIES_RING / BLOCK];

	return block ? &block[k % BLOCK] : NULL;
}

/* The same, made when it is not there. */
static struct pyramid_bucket *bucket(struct series *s, unsigned li, uint64_t k)
{
	struct pyramid_bucket **block = &s->levels[li].blocks[k % SERIES_RING / BLOCK];

	if (!*block) {
		*block = calloc(BLOCK, sizeof(**block));
		if (!*block)
			return &s->spare;
		s->bytes += BLOCK * sizeof(**block);
	}
	return &(*block)[k % BLOCK];
}

static struct pyramid_bucket *current(struct series *s, unsigned li)
{
	return bucket(s, li, s->levels[li].current);
}

/* A bucket begins, where one of a ring's length before may be still. */
static void begin(struct series *s, unsigned li, uint64_t k)
{
	struct pyramid_bucket *old = look(&s->levels[li], k);

	if (old)
		memset(old, 0, sizeof(*old));
}

static void add_bucket(struct pyramid_bucket *into, const struct pyramid_bucket *b)
{
	for (unsigned i = 0; i < PYRAMID_STATES; i++)
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

/* What bucket k of a level holds, if anything. */
static void add_from(const struct series_level *l, uint64_t k, struct pyramid_bucket *into)
{
	const struct pyramid_bucket *b = look(l, k);

	if (b)
		add_bucket(into, b);
}

/* ns of bucket k pass with goroutines in the states they are in. */
static void add_time(struct series *s, unsigned li, uint64_t k, uint64_t ns)
{
	struct pyramid_bucket *b = NULL;

	for (unsigned i = 0; i < PYRAMID_STATES; i++) {
		if (!s->count[i])
			continue;
		if (!b)
			b = bucket(s, li, k);
		b->state_ns[i] += s->count[i] * ns;
	}
}

/* Whole buckets [from, to) of a level in which nothing happened but time passing. */
static void fill(struct series *s, unsigned li, uint64_t from, uint64_t to)
{
	if (to - from > SERIES_RING)
		from = to - SERIES_RING;
	for (; from < to; from++) {
		begin(s, li, from);
		add_time(s, li, from, 1ull << (SERIES_BASE + li * PYRAMID_STEP));
	}
}

/* Time passes from t0 to t1 at a level and, as buckets fill, at those above it. */
static void pass(struct series *s, unsigned li, uint64_t t0, uint64_t t1)
{
	struct series_level *l = &s->levels[li];
	unsigned shift = SERIES_BASE + li * PYRAMID_STEP;
	uint64_t last = t1 >> shift, end = (l->current + 1) << shift;

	if (last == l->current) {
		add_time(s, li, l->current, t1 - t0);
		return;
	}
	add_time(s, li, l->current, end - t0);
	if (li + 1 < SERIES_LEVELS) {
		if (look(l, l->current))
			add_from(l, l->current, current(s, li + 1));
		pass(s, li + 1, end, last << shift);
	}
	fill(s, li, l->current + 1, last);
	l->current = last;
	begin(s, li, last);
	add_time(s, li, last, t1 - (last << shift));
}

void series_advance(struct series *s, uint64_t time_ns)
{
	if (time_ns <= s->time_ns || s->ended)
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
static void make_up(struct series *s, unsigned state, int64_t delta, uint64_t from)
{
	uint64_t to = s->time_ns;

	for (unsigned li = 0; li < SERIES_LEVELS && from < to; li++) {
		struct series_level *l = &s->levels[li];
		unsigned shift = SERIES_BASE + li * PYRAMID_STEP;

		for (uint64_t k = MAX(from >> shift, oldest_bucket(l)); k <= l->current; k++) {
			uint64_t t0 = MAX(from, k << shift), t1 = MIN(to, (k + 1) << shift);
			uint64_t *sum;

			if (t0 >= t1)
				continue;
			sum = &bucket(s, li, k)->state_ns[state];
			if (delta > 0)
				*sum += (t1 - t0) * (uint64_t)delta;
			else
				*sum -= MIN(*sum, (t1 - t0) * (uint64_t)-delta);
		}
		to = MIN(to, l->current << shift);
	}
}

void series_state(struct series *s, unsigned state, int delta, uint64_t since_ns)
{
	if (state >= PYRAMID_STATES || s->ended || (delta < 0 && !s->count[state]))
		return;
	s->count[state] += (uint64_t)delta;
	make_up(s, state, delta, since_ns);
}

void series_end(struct series *s, uint64_t time_ns)
{
	if (s->ended)
		return;
	series_advance(s, time_ns);
	for (unsigned i = 0; i < PYRAMID_STATES; i++) {
		if (s->count[i])
			make_up(s, i, -(int64_t)s->count[i], time_ns);
	}
	s->ended = true;
	s->end_ns = time_ns;
}

uint64_t series_ended(const struct series *s)
{
	return s->ended ? s->end_ns : UINT64_MAX;
}

struct pyramid_bucket *series_now(struct series *s)
{
	return current(s, 0);
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
		add_from(&s->levels[li], s->levels[li].current, into);
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
			add_from(l, k, &ret[i]);
			if (k == l->current)
				add_open(s, li, &ret[i]);
		}
	}
}
