/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How busy goroutines were over time, counted. Each goroutine's time running is summed for each
 * bucket from its cells and what lies between them; the tenth of the bucket it falls in counts it.
 * The lock is held for some rows at a time.
 */
#include <errno.h>
#include <string.h>

#include "core/pyramid/internal.h"

#define ROWS_AT_ONCE 128
#define SHARE_ALL    (255u << 8) /* of the time */

struct sums {
	unsigned level;
	uint64_t begin, end; /* ns */
	uint64_t *ns;        /* of one goroutine running, by bucket */
	struct cells cells;
};

/* It ran for `share` of each part of [from, to). */
static void add_running(struct sums *sums, uint64_t from, uint64_t to, unsigned share)
{
	while (share && from < to) {
		uint64_t i = (from - sums->begin) >> sums->level;
		uint64_t end = MIN(to, sums->begin + ((i + 1) << sums->level));

		/* Shares are rounded up, so this is never less than it was. */
		sums->ns[i] += (end - from) * share / SHARE_ALL;
		from = end;
	}
}

/* A row is there from begin to end: before it was first seen nothing is known. */
struct span {
	uint64_t begin, end;
};

/* A cell of what is left of [at, end) of its time. */
static void add_cell(struct sums *sums, const struct cell *c, unsigned shift, uint64_t at,
		     uint64_t end, const struct span *life)
{
	uint64_t share = (uint64_t)c->share[SHARE_RUNNING] << 8;
	uint64_t begin = cell_index(c) << shift;

	/* Within one bucket it does not matter when it ran; in a coarser cell, when it was there.
	 */
	if (shift > sums->level) {
		uint64_t first = MAX(begin, life->begin);
		uint64_t last = MIN(begin + (1ull << shift), life->end);

		share = first < last ? MIN((share << shift) / (last - first), SHARE_ALL) : 0;
		at = MAX(at, first);
		end = MIN(end, last);
	}
	add_running(sums, at, end, (unsigned)share);
}

/* The cells of a piece of the range, and the time between them. */
static void add_cells(struct sums *sums, const struct range *q, uint8_t state,
		      const struct span *life)
{
	unsigned shift = PYRAMID_BASE + q->li * PYRAMID_STEP;
	uint64_t at = q->begin;

	for (size_t i = 0; i < sums->cells.n; i++) {
		const struct cell *c = &sums->cells.v[i];
		uint64_t begin = cell_index(c) << shift, end = begin + (1ull << shift);

		if (state == GSTATE_RUNNING)
			add_running(sums, MAX(at, life->begin), begin, SHARE_ALL);
		at = MAX(at, begin);
		end = MIN(end, q->end);
		add_cell(sums, c, shift, at, end, life);
		at = MAX(at, end);
		state = c->states & 0x0f;
	}
	if (state == GSTATE_RUNNING)
		add_running(sums, MAX(at, life->begin), MIN(q->end, life->end), SHARE_ALL);
}

/*
 * The next finer level reaches back to some time, this one to before that: up to there, in whole
 * buckets, it answers.
 */
static void cut_piece(const struct row *r, const struct range *asked, struct range *piece)
{
	uint64_t width = 1ull << asked->level, since;

	if (piece->level == asked->level)
		return;
	since = r->since_ns[piece->li - 1];
	if (since <= piece->end - width)
		piece->end = (since + width - 1) & ~(width - 1);
}

static void add_row(struct pyramid *p, const struct row *r, const struct range *asked,
		    struct sums *sums, uint32_t (*ret)[PYRAMID_BUSY_ROWS])
{
	size_t n = (sums->end - sums->begin) >> sums->level;
	struct span life = {r->first_ns, r->open ? asked->until : r->life.since_ns};
	struct range piece;

	if (life.begin >= sums->end || life.end <= sums->begin)
		return;
	memset(sums->ns, 0, n * sizeof(*sums->ns));
	for (uint64_t at = sums->begin; at < sums->end; at = piece.end) {
		piece = *asked;
		piece.begin = at;
		range_pick(r, &piece);
		cut_piece(r, asked, &piece);
		sums->cells.n = 0;
		add_cells(sums, &piece, cells_read(p, r, &piece, &sums->cells), &life);
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t ns = sums->ns[i];

		if (ns)
			ret[i][MIN((ns * PYRAMID_BUSY_ROWS - 1) >> sums->level,
				   PYRAMID_BUSY_ROWS - 1u)]++;
	}
}

/* Rows [*at, *at + ROWS_AT_ONCE) of those asked for; false after the last. */
static bool add_part(struct pyramid *p, const struct pyramid_busy *q, struct range *asked,
		     size_t *at, struct sums *sums, uint32_t (*ret)[PYRAMID_BUSY_ROWS])
{
	size_t last = q->goids ? q->n_goids : p->rows.n, end = MIN(last, *at + ROWS_AT_ONCE);

	asked->until = known_until(p, q->proc);
	for (; *at < end; ++*at) {
		const struct row *r =
			q->goids ? rows_find(&p->rows, q->proc, q->goids[*at]) : &p->rows.v[*at];

		if (r && r->used && r->proc == q->proc)
			add_row(p, r, asked, sums, ret);
	}
	return end < last;
}

int pyramid_busy(struct pyramid *p, const struct pyramid_busy *q,
		 uint32_t (*ret)[PYRAMID_BUSY_ROWS], uint64_t *ret_since)
{
	struct range asked = {.level = q->level};
	struct sums sums = {.level = q->level};
	size_t at = 0;
	bool more = true;
	int err;

	if (q->level < SERIES_BASE || !range_check(q->level, q->from, q->n))
		return -EINVAL;
	sums.begin = asked.begin = q->from << q->level;
	sums.end = asked.end = (q->from + q->n) << q->level;
	sums.ns = calloc(q->n, sizeof(*sums.ns));
	if (!sums.ns)
		return -ENOMEM;
	memset(ret, 0, q->n * sizeof(*ret));
	range_pick(NULL, &asked);
	while (more && !sums.cells.err) {
		pthread_mutex_lock(&p->lock);
		more = add_part(p, q, &asked, &at, &sums, ret);
		*ret_since = p->levels[asked.li].since_ns;
		pthread_mutex_unlock(&p->lock);
	}
	err = sums.cells.err;
	free(sums.ns);
	free(sums.cells.v);
	return err;
}
