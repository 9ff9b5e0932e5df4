/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See heap_past.h. */
#include "core/engine/heap_past.h"

#include <string.h>

#include "core/base/util.h"

#define LATELY_NS (15 * NS_PER_SEC) /* between two of the last quarter of an hour */
#define FIRST_NS  (5 * NS_PER_SEC)  /* between two of all, which doubles */
/* A fall tells of growth that begins so long after it, or as long as that takes. */
#define FALL_NS (15 * 60 * NS_PER_SEC)

/* --- writing down ----------------------------------------------------------------------------- */

static void forget_first(struct heap_series *s)
{
	memmove(s->points, s->points + 1, (HEAP_POINTS - 1) * sizeof(s->points[0]));
	s->n--;
}

/* The first stays. */
static void forget_half(struct heap_series *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i += 2)
		s->points[n++] = s->points[i];
	s->n = n;
	s->step_ns *= 2;
}

static void add(struct heap_series *s, const struct heap_point *p,
		void (*forget)(struct heap_series *))
{
	if (s->n && p->time_ns - s->points[s->n - 1].time_ns < s->step_ns)
		return;
	if (s->n == HEAP_POINTS)
		forget(s);
	s->points[s->n++] = *p;
}

/* At every collection: points are too far apart to have the heights. */
static void note_fall(struct heap_past *p, const struct heap_point *now)
{
	if (now->marked >= p->top) {
		p->top = now->marked;
	} else if (now->marked < p->top - p->top / 10) {
		if (p->top >= p->fell_from - p->fell_from / 10) {
			p->fell_from = MAX(p->top, p->fell_from);
			p->fell_ns = now->time_ns;
		}
		p->top = now->marked;
	}
}

void heap_past_take(struct heap_past *p, uint64_t time_ns, uint64_t marked, uint64_t cycles)
{
	const struct heap_point point = {time_ns, marked, cycles};

	if (marked == RUNTIME_UNKNOWN || cycles == RUNTIME_UNKNOWN)
		return;
	if (!p->whole.step_ns) {
		p->first_ns = time_ns;
		p->lately.step_ns = LATELY_NS;
		p->whole.step_ns = FIRST_NS;
	}
	p->last_ns = time_ns;
	/* It stays what it is until the next collection; before the first one it is nothing. */
	if (!cycles || (p->whole.n && p->whole.points[p->whole.n].cycles == cycles))
		return;
	note_fall(p, &point);
	add(&p->lately, &point, forget_first);
	add(&p->whole, &point, forget_half);
	p->lately.points[p->lately.n] = p->whole.points[p->whole.n] = point;
}

/* --- judging ---------------------------------------------------------------------------------- */

/* The last that is so long before the latest, or longer. */
static const struct heap_point *before(const struct heap_series *s, unsigned from, uint64_t ns)
{
	const struct heap_point *last = &s->points[s->n];
	unsigned at = from;

	while (at + 1 < s->n && s->points[at + 1].time_ns + ns <= last->time_ns)
		at++;
	return &s->points[at];
}

static bool is_steady(const struct heap_series *s, unsigned from)
{
	uint64_t grown = s->points[s->n].marked - s->points[from].marked;
	uint64_t most = s->points[from].marked, step = 0;

	for (unsigned i = from + 1; i <= s->n; i++) {
		uint64_t now = s->points[i].marked;

		if (now < most - most / 10)
			return false;
		most = MAX(most, now);
		step = MAX(step, sub_u64(now, s->points[i - 1].marked));
	}
	return step < grown / 10 * 7;
}

static bool grows_from(const struct heap_series *s, unsigned from)
{
	const struct heap_point *then = &s->points[from], *last = &s->points[s->n];
	uint64_t ns = last->time_ns - then->time_ns, grown = sub_u64(last->marked, then->marked);

	return ns >= HEAP_GROWS_NS && grown >= HEAP_GROWS_BYTES &&
	       grown >= then->marked / 100 * HEAP_GROWS_PERCENT &&
	       sub_u64(last->cycles, then->cycles) >= HEAP_GROWS_CYCLES && is_steady(s, from) &&
	       8 * sub_u64(last->marked, before(s, from, ns / 4)->marked) >= grown;
}

/* A calm of a quarter of the time before is no part of it. */
static unsigned begin_of(const struct heap_series *s, unsigned from)
{
	const struct heap_point *then = &s->points[from], *last = &s->points[s->n];
	uint64_t calm = then->marked + (last->marked - then->marked) / 50;
	unsigned begin = from;

	for (unsigned i = from + 1; i < s->n && s->points[i].marked <= calm; i++) {
		if (s->points[i].time_ns - then->time_ns >= (last->time_ns - then->time_ns) / 4 &&
		    grows_from(s, i))
			begin = i;
	}
	return begin;
}

static bool find(const struct heap_series *s, struct heap_growth *ret)
{
	for (unsigned from = 0; from < s->n; from++) {
		const struct heap_point *then, *last = &s->points[s->n];

		if (!grows_from(s, from))
			continue;
		then = &s->points[begin_of(s, from)];
		*ret = (struct heap_growth){.from_bytes = then->marked,
					    .to_bytes = last->marked,
					    .ns = last->time_ns - then->time_ns,
					    .cycles = last->cycles - then->cycles};
		return true;
	}
	return false;
}

/* It was as high before, and came down. */
static bool fell_before(const struct heap_past *p, const struct heap_growth *g)
{
	uint64_t begin_ns = p->last_ns - g->ns;

	return p->fell_ns && g->to_bytes <= p->fell_from + p->fell_from / 10 &&
	       begin_ns <= p->fell_ns + MAX(FALL_NS, g->ns);
}

void heap_past_growth(const struct heap_past *p, struct heap_growth *ret)
{
	*ret = (struct heap_growth){.to_bytes = 0};
	/* All of it says more, where that goes on. */
	if (!find(&p->whole, ret))
		(void)find(&p->lately, ret);
	if (fell_before(p, ret))
		*ret = (struct heap_growth){.to_bytes = 0};
	ret->watched_ns = p->last_ns - p->first_ns;
}
