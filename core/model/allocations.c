/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who allocated what: rows by kind and type for each goroutine (a few inline, then a table of
 * ROWS_MAX, then one shared rest), and counters by type id for a process. Runs on the thread that
 * has the shard.
 */
#include <errno.h>
#include <string.h>

#include "core/model/model_internal.h"

static uint8_t tag_of(uint8_t event_type, uint32_t type_id)
{
	return (uint8_t)((type_id * 3 + event_type) * 0x9e3779b1u >> 24);
}

static void add_to(struct row *row, uint64_t bytes)
{
	row->count++;
	row->bytes += bytes;
}

static struct more_rows *grow_more(struct shard *s, struct record *g)
{
	unsigned cap = g->more ? MIN(g->more->cap * 2, ROWS_MAX - ROWS_INLINE) : 13;
	struct more_rows *more = realloc(g->more, sizeof(*more) + cap * sizeof(struct row));

	if (!more)
		return NULL;
	if (g->more)
		s->memory += (cap - more->cap) * sizeof(struct row);
	else {
		memset(more, 0, sizeof(*more));
		s->memory += sizeof(*more) + cap * sizeof(struct row);
	}
	more->cap = cap;
	g->more = more;
	return more;
}

static void count_more(struct shard *s, struct record *g, uint8_t event_type, uint32_t type_id,
		       uint64_t bytes)
{
	struct more_rows *more = g->more;
	uint8_t tag = tag_of(event_type, type_id);
	unsigned at = 0;

	while (more && at < more->n) {
		uint8_t *hit = memchr(more->tags + at, tag, more->n - at);

		if (!hit)
			break;
		at = (unsigned)(hit - more->tags);
		if (more->rows[at].type_id == type_id && more->rows[at].event_type == event_type) {
			add_to(&more->rows[at], bytes);
			return;
		}
		at++;
	}
	if (!more || (more->n == more->cap && more->cap < ROWS_MAX - ROWS_INLINE)) {
		more = grow_more(s, g);
		if (!more) {
			s->dropped_rows++;
			return;
		}
	}
	if (more->n == more->cap) {
		add_to(&more->rest[event_type - EVENT_MAKESLICE], bytes);
		return;
	}
	more->tags[more->n] = tag;
	more->rows[more->n++] = (struct row){
		.type_id = type_id, .event_type = event_type, .count = 1, .bytes = bytes};
}

void record_count_allocation(struct shard *s, struct record *g, uint8_t event_type,
			     uint32_t type_id, uint64_t bytes)
{
	/* (a + b)² = a² + b (2 a + b) */
	s->procs[g->proc]->alloc_squares +=
		(double)bytes * (2 * (double)g->alloc_bytes + (double)bytes);
	g->alloc_bytes = sum_u64(g->alloc_bytes, bytes);
	for (unsigned i = 0; i < g->n_rows; i++) {
		if (g->rows[i].type_id == type_id && g->rows[i].event_type == event_type) {
			add_to(&g->rows[i], bytes);
			return;
		}
	}
	if (g->n_rows < ROWS_INLINE) {
		g->rows[g->n_rows++] = (struct row){
			.type_id = type_id, .event_type = event_type, .count = 1, .bytes = bytes};
		return;
	}
	count_more(s, g, event_type, type_id, bytes);
}

static struct type_chunk *types_chunk(struct shard *s, struct shard_proc *sp, uint32_t chunk)
{
	if (chunk >= sp->n_types) {
		uint32_t n = MAX(chunk + 1, sp->n_types * 2);
		struct type_chunk **types = realloc(sp->types, n * sizeof(struct type_chunk *));

		if (!types)
			return NULL;
		memset(types + sp->n_types, 0, (n - sp->n_types) * sizeof(struct type_chunk *));
		s->memory += (n - sp->n_types) * sizeof(struct type_chunk *);
		sp->types = types;
		sp->n_types = n;
	}
	if (!sp->types[chunk]) {
		sp->types[chunk] = calloc(1, sizeof(struct type_chunk));
		if (sp->types[chunk])
			s->memory += sizeof(struct type_chunk);
	}
	return sp->types[chunk];
}

void proc_count_allocation(struct shard *s, struct shard_proc *sp, uint8_t event_type,
			   uint32_t type_id, uint64_t bytes)
{
	struct type_chunk *chunk;
	unsigned kind = event_type - EVENT_MAKESLICE, i = type_id % TYPES_A_CHUNK;

	sp->alloc_bytes = sum_u64(sp->alloc_bytes, bytes);
	chunk = types_chunk(s, sp, type_id / TYPES_A_CHUNK);
	if (!chunk) {
		s->dropped_rows++;
		return;
	}
	chunk->kinds[i][kind].count++;
	chunk->kinds[i][kind].bytes += bytes;
}

static int by_bytes(const void *a, const void *b)
{
	const struct allocation *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	if (x->event_type != y->event_type)
		return x->event_type < y->event_type ? -1 : 1;
	return x->type_id < y->type_id ? -1 : x->type_id > y->type_id;
}

static struct allocation from_row(const struct row *row)
{
	return (struct allocation){.event_type = row->event_type,
				   .type_id = row->type_id,
				   .count = row->count,
				   .bytes = row->bytes};
}

/* The rest of a kind joins the row of that kind's unknown type, if there is one. */
static void add_rest(struct allocation *rows, size_t *n, unsigned kind, const struct row *rest)
{
	uint8_t event_type = (uint8_t)(EVENT_MAKESLICE + kind);

	if (rest->count == 0)
		return;
	for (size_t i = 0; i < *n; i++) {
		if (rows[i].type_id == 0 && rows[i].event_type == event_type) {
			rows[i].count += rest->count;
			rows[i].bytes += rest->bytes;
			return;
		}
	}
	rows[(*n)++] = (struct allocation){
		.event_type = event_type, .count = rest->count, .bytes = rest->bytes};
}

int model_allocations(struct model *m, unsigned proc, uint64_t goid, struct allocation **ret,
		      size_t *ret_n)
{
	struct allocation *rows = calloc(ROWS_MAX + ALLOCATION_KINDS, sizeof(*rows));
	const struct record *g;
	size_t n = 0;

	if (!rows)
		return -ENOMEM;
	pthread_rwlock_rdlock(&m->lock);
	g = goid ? shard_find(&m->shards[shard_of(m, proc, goid)], proc, goid) : NULL;
	if (!g) {
		pthread_rwlock_unlock(&m->lock);
		free(rows);
		return -ENOENT;
	}
	for (unsigned i = 0; i < g->n_rows; i++)
		rows[n++] = from_row(&g->rows[i]);
	for (unsigned i = 0; g->more && i < g->more->n; i++)
		rows[n++] = from_row(&g->more->rows[i]);
	for (unsigned kind = 0; g->more && kind < ALLOCATION_KINDS; kind++)
		add_rest(rows, &n, kind, &g->more->rest[kind]);
	pthread_rwlock_unlock(&m->lock);
	qsort(rows, n, sizeof(*rows), by_bytes);
	*ret = rows;
	*ret_n = n;
	return 0;
}

/* Adds one shard's counters to `sums`, which has `n_types` types by ALLOCATION_KINDS. */
static void add_types(const struct shard_proc *sp, struct allocation *sums, uint32_t n_types)
{
	for (uint32_t c = 0; c < sp->n_types; c++) {
		for (uint32_t i = 0; sp->types[c] && i < TYPES_A_CHUNK; i++) {
			uint32_t type_id = c * TYPES_A_CHUNK + i;

			for (unsigned kind = 0; type_id < n_types && kind < ALLOCATION_KINDS;
			     kind++) {
				struct allocation *a = &sums[type_id * ALLOCATION_KINDS + kind];

				a->type_id = type_id;
				a->event_type = (uint8_t)(EVENT_MAKESLICE + kind);
				a->count += sp->types[c]->kinds[i][kind].count;
				a->bytes += sp->types[c]->kinds[i][kind].bytes;
			}
		}
	}
}

int model_type_totals(struct model *m, unsigned proc, struct allocation **ret, size_t *ret_n)
{
	/* Every counted type was in names before; one that comes while we copy is not shown yet. */
	uint32_t n_types = names_types(m->config.names) + 1;
	struct allocation *sums = calloc((size_t)n_types * ALLOCATION_KINDS, sizeof(*sums));
	size_t n = 0;

	if (!sums)
		return -ENOMEM;
	pthread_rwlock_rdlock(&m->lock);
	if (!proc_known(m, proc)) {
		pthread_rwlock_unlock(&m->lock);
		free(sums);
		return -ENOENT;
	}
	for (unsigned i = 0; i < m->n_shards; i++)
		add_types(m->shards[i].procs[proc], sums, n_types);
	pthread_rwlock_unlock(&m->lock);
	for (size_t i = 0; i < (size_t)n_types * ALLOCATION_KINDS; i++) {
		if (sums[i].count)
			sums[n++] = sums[i];
	}
	qsort(sums, n, sizeof(*sums), by_bytes);
	*ret = sums;
	*ret_n = n;
	return 0;
}

size_t model_type_rows(struct model *m, unsigned proc, uint32_t type_id, struct allocation ret[3])
{
	struct allocation sums[ALLOCATION_KINDS] = {0};
	uint32_t chunk = type_id / TYPES_A_CHUNK, i = type_id % TYPES_A_CHUNK;
	size_t n = 0;

	_Static_assert(ALLOCATION_KINDS == 3, "model.h says so");
	pthread_rwlock_rdlock(&m->lock);
	for (unsigned s = 0; proc_known(m, proc) && s < m->n_shards; s++) {
		const struct shard_proc *sp = m->shards[s].procs[proc];

		if (chunk >= sp->n_types || !sp->types[chunk])
			continue;
		for (unsigned kind = 0; kind < ALLOCATION_KINDS; kind++) {
			sums[kind].count += sp->types[chunk]->kinds[i][kind].count;
			sums[kind].bytes += sp->types[chunk]->kinds[i][kind].bytes;
		}
	}
	pthread_rwlock_unlock(&m->lock);
	for (unsigned kind = 0; kind < ALLOCATION_KINDS; kind++) {
		if (!sums[kind].count)
			continue;
		ret[n] = sums[kind];
		ret[n].type_id = type_id;
		ret[n++].event_type = (uint8_t)(EVENT_MAKESLICE + kind);
	}
	return n;
}
