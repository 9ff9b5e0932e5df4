/*
 * A process as a whole over time: goroutines in each state, events, allocations, latency. Every
 * bucket is kept (a ring a level), so what is asked for is found by its number.
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
	into->alloc_bytes += b->alloc_bytes;
	into->latency_count += b->latency_count;
	into->latency_sum_ns += b->latency_sum_ns;
	into->latency_max_ns = MAX(into->latency_max_ns, b->latency_max_ns);
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

/* Moves a level to bucket `to`; buckets between are filled with the present states. */
static void move_to(struct series *s, unsigned li, uint64_t to)
{
	struct series_level *l = &s->levels[li];
	uint64_t width = 1ull << (SERIES_BASE + li * PYRAMID_STEP);

	if (to - l->current > SERIES_RING)
		l->current = to - SERIES_RING;
	while (l->current < to) {
		l->current++;
		memset(level_bucket(l), 0, sizeof(struct pyramid_bucket));
		if (l->current < to)
			add_states(s, level_bucket(l), width);
	}
}

void series_advance(struct series *s, uint64_t time_ns)
{
	if (time_ns <= s->time_ns)
		return;
	for (unsigned li = 0; li < SERIES_LEVELS; li++) {
		struct series_level *l = &s->levels[li];
		unsigned shift = SERIES_BASE + li * PYRAMID_STEP;
		uint64_t last = time_ns >> shift, from = s->time_ns;

		if (last != l->current) {
			add_states(s, level_bucket(l), ((l->current + 1) << shift) - from);
			move_to(s, li, last);
			from = last << shift;
		}
		add_states(s, level_bucket(l), time_ns - from);
	}
	s->time_ns = time_ns;
}

void series_state(struct series *s, unsigned state, int delta)
{
	if (state >= GSTATES)
		return;
	if (delta < 0 && !s->count[state])
		return;
	s->count[state] += (uint64_t)delta;
}

void series_add(struct series *s, const struct pyramid_bucket *b)
{
	for (unsigned li = 0; li < SERIES_LEVELS; li++)
		add_bucket(level_bucket(&s->levels[li]), b);
}

void series_read(struct series *s, unsigned level, uint64_t from, size_t n,
		 struct pyramid_bucket *ret)
{
	unsigned li = MIN((level - SERIES_BASE) / PYRAMID_STEP, SERIES_LEVELS - 1u);
	unsigned merge = level - (SERIES_BASE + li * PYRAMID_STEP);
	const struct series_level *l = &s->levels[li];
	uint64_t oldest = l->current >= SERIES_RING ? l->current - SERIES_RING + 1 : 0;

	oldest = MAX(oldest, l->first);
	memset(ret, 0, n * sizeof(*ret));
	for (size_t i = 0; i < n; i++) {
		uint64_t begin = (from + i) << merge, end = (from + i + 1) << merge;

		for (uint64_t k = MAX(begin, oldest); k < end && k <= l->current; k++)
			add_bucket(&ret[i], &l->ring[k % SERIES_RING]);
	}
}
