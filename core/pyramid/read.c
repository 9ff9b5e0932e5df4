/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Cells of a row out of the store, and which level of it answers. The caller holds the lock. */
#include <errno.h>
#include <string.h>

#include "core/pyramid/internal.h"

void cells_add(struct cells *cs, const struct cell *c)
{
	if (cs->n == cs->cap) {
		size_t cap = cs->cap ? cs->cap * 2 : 64;
		struct cell *v = realloc(cs->v, cap * sizeof(*v));

		if (!v) {
			cs->err = -ENOMEM;
			return;
		}
		cs->v = v;
		cs->cap = cap;
	}
	cs->v[cs->n++] = *c;
}

void cells_collect(void *ctx, unsigned li, const struct cell *cell)
{
	struct cells_of *c = ctx;

	if (li == c->li)
		cells_add(c->cells, cell);
}

uint8_t cells_read(struct pyramid *p, const struct row *r, const struct range *q, struct cells *out)
{
	unsigned shift = PYRAMID_BASE + q->li * PYRAMID_STEP;
	uint64_t first = q->begin >> shift, last = (q->end - 1) >> shift;
	uint8_t before = r->before[q->li];

	for (uint32_t at = r->head[q->li]; at != NO_CHUNK;) {
		const struct chunk *c = &p->levels[q->li].chunks[at];

		at = c->next;
		if (cell_index(&c->cells[0]) > last)
			return before;
		for (unsigned i = 0; i < c->n; i++) {
			uint64_t index = cell_index(&c->cells[i]);

			if (index < first)
				before = c->cells[i].states & 0x0f;
			else if (index <= last)
				cells_add(out, &c->cells[i]);
		}
	}
	if (r->open) {
		struct open_row copy = *r->open;
		struct cells_of ctx = {out, q->li};
		size_t kept = out->n, i = out->n;

		copy.emit = cells_collect;
		copy.ctx = &ctx;
		if (q->until > copy.time_ns)
			row_advance(&copy, q->until);
		row_finish(&copy, q->li + 1);
		/* The buckets just closed are the row's newest; they may lie outside. */
		for (; i < out->n; i++) {
			uint64_t index = cell_index(&out->v[i]);

			if (index < first)
				before = out->v[i].states & 0x0f;
			if (index < first || index > last)
				continue;
			/* It ended and began again within one bucket. */
			if (kept && cell_index(&out->v[kept - 1]) == index)
				cell_merge(&out->v[kept - 1], &out->v[i]);
			else
				out->v[kept++] = out->v[i];
		}
		out->n = kept;
	}
	return before;
}

bool range_check(unsigned level, uint64_t from, uint64_t n)
{
	uint64_t end;

	return level <= PYRAMID_LEVEL_MAX && n && !__builtin_add_overflow(from, n, &end) &&
	       end <= UINT64_MAX >> level;
}

void range_pick(const struct row *r, struct range *q)
{
	unsigned li = q->level < PYRAMID_BASE ? 0 : (q->level - PYRAMID_BASE) / PYRAMID_STEP;

	li = MIN(li, PYRAMID_LEVELS - 1u);
	while (li + 1 < PYRAMID_LEVELS && r && r->since_ns[li] > q->begin)
		li++;
	q->li = li;
	q->level = MAX(q->level, PYRAMID_BASE + li * PYRAMID_STEP);
}
