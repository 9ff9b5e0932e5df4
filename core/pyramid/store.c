/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Completed cells, in chunks of eight: a list a row, and one list a level in the order the chunks
 * were begun, whose oldest is reused when the level has had its share of the memory. The oldest
 * chunk of a level is always the oldest of its row too, so taking it is cheap.
 */
#include <errno.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/pyramid/internal.h"

/* --- rows ---------------------------------------------------------------------------------- */

static uint32_t *table_slot(struct rows *rs, unsigned proc, uint64_t goid)
{
	uint32_t mask = rs->table_cap - 1, i = (uint32_t)hash_goroutine(proc, goid) & mask;

	while (rs->table[i]) {
		struct row *r = &rs->v[rs->table[i] - 1];

		if (r->goid == goid && r->proc == proc)
			break;
		i = (i + 1) & mask;
	}
	return &rs->table[i];
}

void rows_fetch(const struct rows *rs, unsigned proc, uint64_t goid, unsigned step)
{
	/* Mostly a row is found where its hash says; when it is not, nothing is lost. */
	const uint32_t *slot =
		rs->table_cap
			? &rs->table[(uint32_t)hash_goroutine(proc, goid) & (rs->table_cap - 1)]
			: NULL;
	const struct row *r;

	if (!slot)
		return;
	if (step == 0) {
		__builtin_prefetch(slot);
		return;
	}
	if (!*slot)
		return;
	r = &rs->v[*slot - 1];
	if (step == 1) {
		__builtin_prefetch(r, 1);
		__builtin_prefetch(&r->open);
	} else if (r->open) {
		__builtin_prefetch(r->open, 1);
		__builtin_prefetch((const char *)r->open + 64, 1);
		__builtin_prefetch((const char *)r->open + 128, 1);
	}
}

struct row *rows_find(struct rows *rs, unsigned proc, uint64_t goid)
{
	uint32_t at = rs->table_cap ? *table_slot(rs, proc, goid) : 0;

	return at ? &rs->v[at - 1] : NULL;
}

static int grow_table(struct rows *rs)
{
	uint32_t cap = rs->table_cap ? rs->table_cap * 2 : 1024;
	uint32_t *table = calloc(cap, sizeof(*table));

	if (!table)
		return -ENOMEM;
	free(rs->table);
	rs->table = table;
	rs->table_cap = cap;
	for (uint32_t i = 0; i < rs->n; i++) {
		if (rs->v[i].used)
			*table_slot(rs, rs->v[i].proc, rs->v[i].goid) = i + 1;
	}
	return 0;
}

struct row *rows_get(struct rows *rs, unsigned proc, uint64_t goid)
{
	struct row *r = rows_find(rs, proc, goid);
	uint32_t at;

	if (r)
		return r;
	if ((rs->used + 1) * 2 > rs->table_cap && grow_table(rs))
		return NULL;
	if (rs->free) {
		at = rs->free - 1;
		rs->free = (uint32_t)rs->v[at].goid;
	} else {
		if (rs->n == rs->cap) {
			uint32_t cap = rs->cap ? rs->cap * 2 : 256;
			struct row *v = realloc(rs->v, cap * sizeof(*v));

			if (!v)
				return NULL;
			rs->v = v;
			rs->cap = cap;
		}
		at = rs->n++;
	}
	r = &rs->v[at];
	memset(r, 0, sizeof(*r));
	r->goid = goid;
	r->proc = (uint16_t)proc;
	r->used = true;
	for (unsigned li = 0; li < PYRAMID_LEVELS; li++)
		r->head[li] = r->tail[li] = NO_CHUNK;
	*table_slot(rs, proc, goid) = at + 1;
	rs->used++;
	return r;
}

void rows_close(struct rows *rs, struct row *r)
{
	if (r->open)
		rs->n_open--;
	free(r->open);
	r->open = NULL;
}

void rows_remove(struct rows *rs, struct row *r)
{
	uint32_t mask = rs->table_cap - 1, at = (uint32_t)(r - rs->v);
	uint32_t hole = (uint32_t)(table_slot(rs, r->proc, r->goid) - rs->table), i = hole;

	/* Linear probing: what follows moves up, so that no search stops early. */
	for (;;) {
		uint32_t home;

		i = (i + 1) & mask;
		if (!rs->table[i])
			break;
		home = (uint32_t)hash_goroutine(rs->v[rs->table[i] - 1].proc,
						rs->v[rs->table[i] - 1].goid) &
		       mask;
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		rs->table[hole] = rs->table[i];
		hole = i;
	}
	rs->table[hole] = 0;
	rows_close(rs, r);
	memset(r, 0, sizeof(*r));
	r->goid = rs->free;
	rs->free = at + 1;
	rs->used--;
}

void rows_clear(struct rows *rs)
{
	for (uint32_t i = 0; i < rs->n; i++) {
		if (rs->v[i].used)
			free(rs->v[i].open);
	}
	free(rs->v);
	free(rs->table);
	memset(rs, 0, sizeof(*rs));
}

/* --- chunks -------------------------------------------------------------------------------- */

void store_init(struct level_store *s, size_t bytes)
{
	s->max = (uint32_t)MAX(bytes / sizeof(struct chunk), 64u);
	s->oldest = s->youngest = NO_CHUNK;
}

void store_clear(struct level_store *s)
{
	free(s->chunks);
	*s = (struct level_store){.max = s->max, .oldest = NO_CHUNK, .youngest = NO_CHUNK};
}

/* Takes the level's oldest chunk from its row; it is free afterwards. */
static uint32_t drop_oldest(struct pyramid *p, unsigned li, const struct row *keep)
{
	struct level_store *s = &p->levels[li];
	uint32_t at = s->oldest;
	struct chunk *c = &s->chunks[at];
	struct row *r = &p->rows.v[c->row];
	const struct cell *last = &c->cells[c->n - 1];
	uint64_t end = (cell_index(last) + 1) << (PYRAMID_BASE + li * PYRAMID_STEP);

	s->oldest = c->fifo_next;
	if (s->oldest == NO_CHUNK)
		s->youngest = NO_CHUNK;
	s->since_ns = MAX(s->since_ns, end);
	p->cells -= c->n;
	p->forgotten += c->n;
	r->before[li] = last->states & 0x0f;
	r->since_ns[li] = end;
	r->head[li] = c->next;
	if (r->head[li] == NO_CHUNK)
		r->tail[li] = NO_CHUNK;
	if (!--r->chunks && !r->open && r != keep)
		rows_remove(&p->rows, r);
	return at;
}

static uint32_t take_chunk(struct pyramid *p, unsigned li, const struct row *keep)
{
	struct level_store *s = &p->levels[li];

	if (s->n < s->cap)
		return s->n++;
	if (s->cap < s->max) {
		uint32_t cap = MIN(s->cap ? s->cap * 2 : 64, s->max);
		struct chunk *chunks = realloc(s->chunks, cap * sizeof(*chunks));

		if (chunks) {
			s->chunks = chunks;
			s->cap = cap;
			return s->n++;
		}
	}
	return s->oldest == NO_CHUNK ? NO_CHUNK : drop_oldest(p, li, keep);
}

void store_append(struct pyramid *p, struct row *r, unsigned li, const struct cell *cell)
{
	struct level_store *s = &p->levels[li];
	struct chunk *c = r->tail[li] == NO_CHUNK ? NULL : &s->chunks[r->tail[li]];
	uint32_t at;

	/* A goroutine that ended and began again within one bucket (a C thread's). */
	if (c && cell_index(&c->cells[c->n - 1]) == cell_index(cell)) {
		cell_merge(&c->cells[c->n - 1], cell);
		return;
	}
	if (!c || c->n == CHUNK_CELLS) {
		at = take_chunk(p, li, r);
		if (at == NO_CHUNK) {
			p->forgotten++;
			return;
		}
		c = &s->chunks[at];
		memset(c, 0, sizeof(*c));
		c->next = c->fifo_next = NO_CHUNK;
		c->row = (uint32_t)(r - p->rows.v);
		if (r->tail[li] != NO_CHUNK)
			s->chunks[r->tail[li]].next = at;
		else
			r->head[li] = at;
		r->tail[li] = at;
		if (s->youngest != NO_CHUNK)
			s->chunks[s->youngest].fifo_next = at;
		else
			s->oldest = at;
		s->youngest = at;
		r->chunks++;
	}
	c->cells[c->n++] = *cell;
	p->cells++;
}
