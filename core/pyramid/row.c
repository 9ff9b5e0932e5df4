/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One goroutine's open buckets. Time is added at the finest level only; a bucket that is complete
 * hands its sums to the next coarser one, and a long stay skips straight to the level where it
 * fills whole buckets. So an event costs one addition, whatever the number of levels.
 */
#include <string.h>

#include "core/pyramid/internal.h"

enum pyramid_share share_of(uint8_t shown)
{
	switch (shown_state(shown)) {
	case GSTATE_RUNNING:
		return SHARE_RUNNING;
	case GSTATE_RUNNABLE:
		return SHARE_RUNNABLE;
	case GSTATE_SYSCALL:
		return SHARE_SYSCALL;
	case GSTATE_WAITING:
		return SHARE_WAITING;
	default:
		return SHARES;
	}
}

static uint8_t share_state(unsigned share, uint8_t other)
{
	static const uint8_t states[SHARES] = {GSTATE_RUNNING, GSTATE_RUNNABLE, GSTATE_SYSCALL,
					       GSTATE_WAITING};

	return share < SHARES ? states[share] : other;
}

void row_begin(struct open_row *r, unsigned base, unsigned levels, uint64_t time_ns, uint8_t state)
{
	memset(r, 0, sizeof(*r));
	r->base = base;
	r->levels = levels;
	r->time_ns = time_ns;
	r->state = state;
}

static unsigned level_shift(const struct open_row *r, unsigned li)
{
	return r->base + li * PYRAMID_STEP;
}

static void open_at(struct open_bucket *b, uint64_t index)
{
	memset(b, 0, sizeof(*b));
	b->index = index;
	b->open = true;
	b->other = PYRAMID_NONE;
}

static void add_time(struct open_bucket *b, uint8_t state, uint64_t ns)
{
	unsigned share = share_of(state);

	if (state == PYRAMID_NONE)
		return;
	b->ns[share] += ns;
	wait_vote(&b->wait, state, ns);
	if (share == SHARES)
		b->other = state;
}

static void make_cell(const struct open_row *r, unsigned li, const struct open_bucket *b,
		      struct cell *ret)
{
	unsigned shift = level_shift(r, li), best = SHARES;
	uint8_t dominant;

	memset(ret, 0, sizeof(*ret));
	cell_set_index(ret, b->index);
	for (unsigned s = 0; s < SHARES; s++) {
		/* Rounded up, so that a state that was there at all shows. ns <= 2^44: no overflow.
		 */
		uint64_t share = (b->ns[s] * 255 + (1ull << shift) - 1) >> shift;

		ret->share[s] = (uint8_t)MIN(share, 255u);
		if (b->ns[s] > b->ns[best])
			best = s;
	}
	dominant = b->ns[best] ? wait_voted(&b->wait, share_state(best, b->other)) : b->end;
	ret->states = (uint8_t)(dominant << 4 | b->end);
	ret->flags = b->flags;
	ret->transitions = (uint16_t)MIN(b->transitions, UINT16_MAX);
	ret->allocs = (uint16_t)MIN(b->allocs, UINT16_MAX);
	ret->bytes = b->bytes;
}

static uint32_t add_sat(uint32_t a, uint64_t b)
{
	uint64_t sum = a + b;

	return sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}

static void close_bucket(struct open_row *r, unsigned li)
{
	struct open_bucket *b = &r->open[li], *up;
	struct cell cell;

	if (!b->open)
		return;
	if (b->transitions || b->allocs || b->flags || b->changed) {
		make_cell(r, li, b, &cell);
		r->emit(r->ctx, li, &cell);
	}
	b->open = false;
	if (li + 1 == r->levels)
		return;
	up = &r->open[li + 1];
	if (up->open && up->index != b->index >> PYRAMID_STEP)
		close_bucket(r, li + 1);
	if (!up->open)
		open_at(up, b->index >> PYRAMID_STEP);
	for (unsigned s = 0; s <= SHARES; s++)
		up->ns[s] += b->ns[s];
	wait_vote(&up->wait, b->wait.shown, b->wait.weight);
	if (b->other != PYRAMID_NONE)
		up->other = b->other;
	up->transitions = add_sat(up->transitions, b->transitions);
	up->allocs = add_sat(up->allocs, b->allocs);
	up->bytes = add_sat(up->bytes, b->bytes);
	up->flags |= b->flags;
	up->changed |= b->changed;
	up->end = b->end;
}

/* Adds the stay in r->state over [t0, t1) at a level; t1's bucket is open afterwards. */
static void add_stay(struct open_row *r, unsigned li, uint64_t t0, uint64_t t1)
{
	struct open_bucket *b = &r->open[li];
	unsigned shift = level_shift(r, li);
	uint64_t last = t1 >> shift, end, gap_end;

	if (!b->open)
		open_at(b, t0 >> shift);
	b->end = r->state;
	if (b->index == last) {
		add_time(b, r->state, t1 - t0);
		return;
	}
	end = (b->index + 1) << shift;
	add_time(b, r->state, end - t0);
	close_bucket(r, li);
	gap_end = last << shift;
	if (gap_end > end && li + 1 < r->levels)
		add_stay(r, li + 1, end, gap_end);
	open_at(b, last);
	b->end = r->state;
	add_time(b, r->state, t1 - gap_end);
}

void row_advance(struct open_row *r, uint64_t time_ns)
{
	if (time_ns < r->time_ns)
		time_ns = r->time_ns;
	add_stay(r, 0, r->time_ns, time_ns);
	r->time_ns = time_ns;
}

void row_event(struct open_row *r, uint64_t time_ns, uint8_t state, uint8_t flags, bool transition,
	       bool alloc, uint64_t bytes)
{
	struct open_bucket *b = &r->open[0];

	row_advance(r, time_ns);
	b->changed |= state != r->state;
	r->state = state;
	b->end = state;
	b->flags |= flags;
	b->transitions += transition;
	b->allocs += alloc;
	b->bytes = add_sat(b->bytes, bytes);
}

static uint8_t flags_of(const struct meaning *m)
{
	bool begins = m->means & MEANS_CREATED && m->means & (MEANS_APPEARED | MEANS_REVIVED);

	return (uint8_t)((begins ? CELL_CREATED : 0) | (m->means & MEANS_WOKEN ? CELL_WOKEN : 0) |
			 (m->means & MEANS_EXITED ? CELL_EXITED : 0));
}

void row_follow(struct open_row *r, const struct life *had, const struct meaning *m, uint8_t is,
		bool transition)
{
	uint64_t unknown = meaning_unknown_from(had, m);

	if (unknown < m->life.since_ns)
		row_event(r, unknown, PYRAMID_UNKNOWN, 0, false, false, 0);
	row_event(r, m->life.since_ns, is, flags_of(m), transition, false, 0);
}

void row_finish(struct open_row *r, unsigned levels)
{
	for (unsigned li = 0; li < levels && li < r->levels; li++)
		close_bucket(r, li);
}

void cell_merge(struct cell *into, const struct cell *c)
{
	for (unsigned s = 0; s < SHARES; s++)
		into->share[s] = (uint8_t)MIN(into->share[s] + c->share[s], 255);
	into->states = (uint8_t)((into->states & 0xf0) | (c->states & 0x0f));
	into->flags |= c->flags;
	into->transitions = (uint16_t)MIN(into->transitions + c->transitions, UINT16_MAX);
	into->allocs = (uint16_t)MIN(into->allocs + c->allocs, UINT16_MAX);
	into->bytes = add_sat(into->bytes, c->bytes);
}
