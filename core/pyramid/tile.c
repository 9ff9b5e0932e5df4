/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tiles: the stored cells of a time range, merged to the level asked for, in the binary form of
 * docs/api.md. The lock is held while cells are copied, one row at a time.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "core/pyramid/internal.h"
#include "core/pyramid/tile.h"

/* Sums of one bucket of the answer while its parts are added. */
struct merged {
	uint32_t share[SHARES]; /* in 1/255 of a part */
	struct wait_vote wait;
	struct cell cell;
	bool any;
};

static int share_index(uint8_t state)
{
	unsigned s = state == PYRAMID_NONE ? SHARES : share_of(state);

	return s < SHARES ? (int)s : -1;
}

static void merge_idle(struct merged *m, uint8_t state, uint64_t parts)
{
	int s = share_index(state);

	if (s >= 0)
		m->share[s] += (uint32_t)(255 * parts);
	wait_vote(&m->wait, state, 255 * parts);
}

static void merge_close(struct merged *m, unsigned parts, uint8_t end, struct cells *out)
{
	static const uint8_t states[SHARES] = SHARE_STATES;
	uint32_t best = 0;
	uint8_t dominant = m->cell.states >> 4;

	for (unsigned s = 0; s < SHARES; s++) {
		m->cell.share[s] = (uint8_t)MIN((m->share[s] + parts - 1) / parts, 255u);
		if (m->share[s] > best) {
			best = m->share[s];
			dominant = states[s];
		}
	}
	m->cell.states = (uint8_t)(wait_voted(&m->wait, dominant) << 4 | end);
	cells_add(out, &m->cell);
	memset(m, 0, sizeof(*m));
}

/* All but the shares, which are summed apart in more than eight bits. */
static void add_counts(struct cell *into, const struct cell *c)
{
	uint8_t states = into->states;

	cell_merge(into, c);
	into->states = states;
}

/* Stored cells to cells of the (coarser) level asked for; `state` is what came before them. */
static void merge_cells(const struct cell *v, size_t n, unsigned merge, uint8_t state,
			struct cells *out)
{
	struct merged m = {0};
	uint64_t parts = 1ull << merge, bucket = 0, done = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t index = cell_index(&v[i]), b = index >> merge;

		if (m.any && b != bucket) {
			merge_idle(&m, state, parts - done);
			merge_close(&m, (unsigned)parts, state, out);
		}
		if (!m.any) {
			m.any = true;
			m.cell.states = v[i].states;
			cell_set_index(&m.cell, b);
			bucket = b;
			done = 0;
		}
		merge_idle(&m, state, (index & (parts - 1)) - done);
		for (unsigned s = 0; s < SHARES; s++) {
			m.share[s] += v[i].share[s];
		}
		wait_vote(&m.wait, v[i].states >> 4, v[i].share[SHARE_WAITING]);
		add_counts(&m.cell, &v[i]);
		done = (index & (parts - 1)) + 1;
		state = v[i].states & 0x0f;
	}
	if (m.any) {
		merge_idle(&m, state, parts - done);
		merge_close(&m, (unsigned)parts, state, out);
	}
}

/* Is it in another state from then on? Of one that appears the stored cells know what it was in;
 * one that is created was in none, and in what it is then no event may have told yet. */
static bool tells_state(const struct meaning *m)
{
	return m->means & (MEANS_STATE | MEANS_EXITED) ||
	       (m->means & MEANS_CREATED && m->means & MEANS_APPEARED);
}

/*
 * Levels below PYRAMID_BASE: a row of one level made from the goroutine's retained events. Returns
 * false when they do not reach back to the range.
 */
static bool read_events(struct model *model, unsigned proc, uint64_t goid, const struct range *q,
			bool all_kept, uint8_t before, struct cells *out, uint8_t *ret_before)
{
	cleanup_free_ struct event *events = NULL;
	cleanup_free_ uint64_t *seqs = NULL;
	struct cells_of ctx = {out, 0};
	struct kind_cache kinds = {.names = model ? model_names(model) : NULL};
	struct life life = {0};
	struct meaning m;
	struct open_row row;
	size_t n = 0, i;

	if (!model || model_goroutine_events(model, proc, goid, 0, UINT64_MAX, &events, &seqs, &n))
		return false;
	if (!n || (events[0].time_ns > q->begin && !all_kept))
		return false;
	for (i = 0; i < n && events[i].time_ns < q->begin; i++) {
		walk_event(&life, goid, &events[i], &m);
		if (tells_state(&m))
			before = row_shows(&kinds, &m.life);
		life = m.life;
	}
	row_begin(&row, q->level, 1, q->begin, before);
	row.emit = cells_collect;
	row.ctx = &ctx;
	for (; i < n && events[i].time_ns < q->end; i++) {
		const struct event *ev = &events[i];
		bool its = ev->type == EVENT_CASGSTATUS && ev->target == goid;

		walk_event(&life, goid, ev, &m);
		if (tells_state(&m))
			row_follow(&row, &life, &m, row_shows(&kinds, &m.life), its);
		if (event_is_allocation(ev->type))
			row_event(&row, ev->time_ns, row.state, pyramid_alloc_flag(ev->type), false,
				  true, ev->type == EVENT_NEWOBJECT ? ev->size : 0);
		else if (ev->type == EVENT_NEWGOROUTINE && ev->target != goid)
			row_event(&row, ev->time_ns, row.state, CELL_SPAWNED, false, false, 0);
		life = m.life;
	}
	/* Until the end it stayed as it was, or as far as that is known. */
	row_advance(&row, i < n ? q->end : MIN(q->end, q->until));
	row_finish(&row, 1);
	*ret_before = before;
	return true;
}

static void put_header(struct buf *out, unsigned level, size_t rows, uint64_t begin, uint64_t known)
{
	const struct tile_header header = {
		.magic = htole32(TILE_MAGIC),
		.level = htole16((uint16_t)level),
		.rows = htole16((uint16_t)rows),
		.begin_ns = htole64(begin),
		.known_ns = htole64(known),
	};

	buf_add(out, &header, sizeof(header));
}

static void put_cell(struct buf *out, const struct cell *c, const struct range *q)
{
	uint64_t start = cell_index(c) << q->level;
	unsigned bucket = start > q->begin ? (unsigned)((start - q->begin) >> q->level) : 0;
	struct tile_cell cell = {
		.bucket = htole16((uint16_t)bucket),
		.states = c->states,
		.flags = c->flags,
		.transitions = htole16(c->transitions),
		.allocs = htole16(c->allocs),
		.alloc_bytes = htole32(c->bytes),
	};

	memcpy(cell.share, c->share, sizeof(cell.share));
	buf_add(out, &cell, sizeof(cell));
}

/* `asked` is the tile's level; q->level, that of the cells, may be coarser: the flags say by what.
 */
static void put_row(struct buf *out, uint64_t goid, uint8_t before, unsigned flags, unsigned asked,
		    const struct cells *cells, const struct range *q)
{
	size_t n = MIN(cells->n, (size_t)UINT16_MAX);
	const struct tile_row row = {
		.goid = htole64(goid),
		.before = before,
		.flags = (uint8_t)(flags | (q->level - asked) << TILE_COARSER),
		.cells = htole16((uint16_t)n),
	};

	buf_add(out, &row, sizeof(row));
	for (size_t i = 0; i < n; i++)
		put_cell(out, &cells->v[i], q);
}

static int range_of(unsigned level, uint64_t index, struct range *ret)
{
	if (level > PYRAMID_LEVEL_MAX || index >= UINT64_MAX >> (level + TILE_SHIFT))
		return -EINVAL; /* index + 1 of them end within 64 bits */
	*ret = (struct range){.level = level,
			      .begin = index << (level + TILE_SHIFT),
			      .end = (index + 1) << (level + TILE_SHIFT)};
	return 0;
}

/* One row into `merged`, at the level that q->level says then; flags: enum tile_flag. Called with
 * the lock held. */
static uint8_t row_cells(struct pyramid *p, unsigned proc, uint64_t goid, struct range *q,
			 struct cells *scratch, struct cells *merged, unsigned *ret_flags)
{
	const struct row *r = rows_find(&p->rows, proc, goid);
	uint8_t before;

	scratch->n = merged->n = 0;
	*ret_flags = r ? TILE_KNOWN : 0;
	range_pick(r, q);
	if (!r)
		return PYRAMID_NONE;
	before = cells_read(p, r, q, scratch);
	merge_cells(scratch->v, scratch->n, q->level - (PYRAMID_BASE + q->li * PYRAMID_STEP),
		    before, merged);
	return before;
}

int pyramid_tile(struct pyramid *p, struct model *m, unsigned proc, unsigned level, uint64_t index,
		 const uint64_t *goids, size_t n, struct buf *out)
{
	struct cells scratch = {0}, merged = {0};
	bool exact = level < PYRAMID_BASE;
	/* Then a first event later than the tile's begin was indeed the first. */
	bool all_kept = m && !feed_tail(model_feed(m));
	struct range asked;
	int err = range_of(level, index, &asked);

	if (err || n > PYRAMID_ROWS_MAX)
		return -EINVAL;
	pthread_mutex_lock(&p->lock);
	asked.until = known_until(p, proc);
	pthread_mutex_unlock(&p->lock);
	put_header(out, level, n, asked.begin, asked.until);
	for (size_t i = 0; i < n; i++) {
		struct range q = asked;
		unsigned flags;
		uint8_t before;

		pthread_mutex_lock(&p->lock);
		before = row_cells(p, proc, goids[i], &q, &scratch, &merged, &flags);
		pthread_mutex_unlock(&p->lock);
		if (exact) {
			merged.n = 0;
			if (read_events(m, proc, goids[i], &asked, all_kept, before, &merged,
					&before)) {
				flags |= TILE_KNOWN;
			} else if (flags && scratch.n) {
				flags |= TILE_GONE; /* something happened; the events are no longer
						       kept */
				before = PYRAMID_NONE;
			}
		}
		put_row(out, goids[i], before, flags, level, &merged, exact ? &asked : &q);
	}
	err = scratch.err ? scratch.err : merged.err;
	free(scratch.v);
	free(merged.v);
	return err ? err : buf_error(out);
}

/* --- several goroutines as one row ---------------------------------------------------------- */

struct group {
	uint64_t share[PYRAMID_TILE_BUCKETS][SHARES];
	uint32_t there[PYRAMID_TILE_BUCKETS];
	uint64_t transitions[PYRAMID_TILE_BUCKETS], allocs[PYRAMID_TILE_BUCKETS];
	uint64_t bytes[PYRAMID_TILE_BUCKETS];
	uint8_t flags[PYRAMID_TILE_BUCKETS];
	struct wait_vote wait[PYRAMID_TILE_BUCKETS];
};

static void group_fill(struct group *g, unsigned from, unsigned to, uint8_t state)
{
	int s = share_index(state);

	for (; from < to && state != PYRAMID_NONE; from++) {
		g->there[from]++;
		if (s >= 0)
			g->share[from][s] += 255;
		wait_vote(&g->wait[from], state, 255);
	}
}

/* A cell, which may cover several of the group's buckets when its row's level is coarser. */
static void group_cell(struct group *g, const struct cell *c, unsigned b, unsigned width)
{
	g->transitions[b] += c->transitions;
	g->allocs[b] += c->allocs;
	g->bytes[b] += c->bytes;
	g->flags[b] |= c->flags;
	for (unsigned end = MIN(b + width, PYRAMID_TILE_BUCKETS); b < end; b++) {
		g->there[b]++;
		for (unsigned s = 0; s < SHARES; s++)
			g->share[b][s] += c->share[s];
		wait_vote(&g->wait[b], c->states >> 4, c->share[SHARE_WAITING]);
	}
}

/* The row's cells are of q->level, the group's buckets of `level`. */
static void group_row(struct group *g, const struct cells *cells, uint8_t state,
		      const struct range *q, unsigned level, uint64_t known)
{
	unsigned at = 0, last = PYRAMID_TILE_BUCKETS;
	unsigned width = 1u << MIN(q->level - level, TILE_SHIFT);

	for (size_t i = 0; i < cells->n; i++) {
		const struct cell *c = &cells->v[i];
		uint64_t start = cell_index(c) << q->level;
		unsigned b = start > q->begin ? (unsigned)((start - q->begin) >> level) : 0;

		if (b >= PYRAMID_TILE_BUCKETS)
			break;
		group_fill(g, at, b, state);
		group_cell(g, c, b, width);
		state = c->states & 0x0f;
		at = b + width;
	}
	if (known < q->end)
		last = known > q->begin ? (unsigned)((known - q->begin) >> level) + 1 : 0;
	group_fill(g, at, MIN(last, PYRAMID_TILE_BUCKETS), state);
}

static void group_cells(const struct group *g, const struct range *q, unsigned buckets,
			struct cells *out)
{
	static const uint8_t states[SHARES] = {GSTATE_RUNNING, GSTATE_RUNNABLE, GSTATE_SYSCALL,
					       GSTATE_WAITING};

	for (unsigned b = 0; b < buckets; b++) {
		struct cell c = {.flags = g->flags[b]};
		uint64_t best = 0;
		uint8_t dominant = GSTATE_IDLE;

		if (!g->there[b])
			continue;
		cell_set_index(&c, (q->begin >> q->level) + b);
		for (unsigned s = 0; s < SHARES; s++) {
			c.share[s] = (uint8_t)MIN((g->share[b][s] + g->there[b] - 1) / g->there[b],
						  255u);
			if (g->share[b][s] > best) {
				best = g->share[b][s];
				dominant = states[s];
			}
		}
		c.states = (uint8_t)(wait_voted(&g->wait[b], dominant) << 4 | PYRAMID_NONE);
		c.transitions = (uint16_t)MIN(g->transitions[b], UINT16_MAX);
		c.allocs = (uint16_t)MIN(g->allocs[b], UINT16_MAX);
		c.bytes = (uint32_t)MIN(g->bytes[b], UINT32_MAX);
		cells_add(out, &c);
	}
}

int pyramid_group_tile(struct pyramid *p, unsigned proc, unsigned level, uint64_t index,
		       const uint64_t *goids, size_t n, struct buf *out)
{
	struct cells scratch = {0}, merged = {0};
	cleanup_free_ struct group *g = NULL;
	unsigned flags, fine = MAX(level, PYRAMID_BASE);
	struct range asked;
	uint64_t known;
	int err = range_of(level, index, &asked);

	if (err)
		return err;
	/* Finer than what is stored would need every member's events. */
	asked.level = fine;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	pthread_mutex_lock(&p->lock);
	asked.until = known = known_until(p, proc);
	for (size_t i = 0; i < n; i++) {
		struct range q = asked;
		uint8_t before = row_cells(p, proc, goids[i], &q, &scratch, &merged, &flags);

		if (flags)
			group_row(g, &merged, before, &q, fine, known);
	}
	pthread_mutex_unlock(&p->lock);
	merged.n = 0;
	group_cells(g, &asked, (unsigned)MAX((asked.end - asked.begin) >> fine, 1u), &merged);
	put_header(out, level, 1, asked.begin, known);
	put_row(out, 0, PYRAMID_NONE, TILE_KNOWN, level, &merged, &asked);
	err = scratch.err ? scratch.err : merged.err;
	free(scratch.v);
	free(merged.v);
	return err ? err : buf_error(out);
}
