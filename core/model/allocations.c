/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who allocated what: rows by kind and type for each goroutine (a few inline, then a table up to
 * ROWS_MAX, then one shared rest a kind), and counters by type id for a process. Runs on the thread
 * that has the shard.
 */
#include <errno.h>
#include <string.h>

#include "core/model/model_internal.h"

static bool add_to(struct row *row, uint32_t key, uint64_t bytes)
{
	if (row->key != key || row->count == ROW_FULL)
		return false;
	row->count++;
	row->bytes += bytes;
	return true;
}

/* The row of the key that has room, or a free one: there always is one. */
static struct row *find_more(const struct record *g, uint32_t key)
{
	uint32_t mask = (1u << g->more_bits) - 1, at = row_place(g, key);

	while (g->more[at].key && (g->more[at].key != key || g->more[at].count == ROW_FULL))
		at = (at + 1) & mask;
	return &g->more[at];
}

void record_drop_rows(struct shard *s, struct record *g)
{
	if (g->more)
		row_pool_put(&s->rows, g->more, &s->memory);
	g->more = NULL;
	g->more_bits = g->n_more = 0;
}

static int grow_more(struct shard *s, struct record *g)
{
	unsigned bits = g->more ? g->more_bits + 1u : ROWS_BITS_MIN;
	struct row *more = bits <= ROWS_BITS_MAX ? row_pool_get(&s->rows, bits, &s->memory) : NULL;
	struct record old = {.more = g->more, .more_bits = g->more_bits};

	if (!more)
		return -ENOMEM;
	g->more = more;
	g->more_bits = (uint8_t)bits;
	for (unsigned i = 0; old.more && i < 1u << old.more_bits; i++) {
		if (old.more[i].key)
			*find_more(g, old.more[i].key) = old.more[i];
	}
	record_drop_rows(s, &old);
	return 0;
}

static void count_more(struct shard *s, struct record *g, uint32_t key, uint64_t bytes)
{
	struct row *row = g->more ? find_more(g, key) : NULL;

	if (row && add_to(row, key, bytes))
		return;
	if (g->n_more >= ROWS_MAX - ROWS_INLINE) {
		key = row_key((uint8_t)(EVENT_MAKESLICE + (key & 3) - 1), ROW_REST);
		row = find_more(g, key);
		if (add_to(row, key, bytes))
			return;
	}
	/* A quarter stays free. */
	if (!row || (g->n_more + 1u) * 4 > 3u << g->more_bits) {
		if (grow_more(s, g)) {
			s->dropped_rows++;
			return;
		}
		row = find_more(g, key);
	}
	*row = (struct row){.key = key, .count = 1, .bytes = bytes};
	g->n_more++;
}

void record_count_allocation(struct shard *s, struct record *g, uint8_t event_type,
			     uint32_t type_id, uint64_t bytes)
{
	uint32_t key = row_key(event_type, type_id);

	/* (a + b)² = a² + b (2 a + b) */
	s->procs[g->proc]->alloc_squares +=
		(double)bytes * (2 * (double)g->alloc_bytes + (double)bytes);
	g->alloc_bytes = sum_u64(g->alloc_bytes, bytes);
	for (unsigned i = 0; i < g->n_rows; i++) {
		if (g->tags[i] == row_tag(key) && add_to(&g->rows[i], key, bytes))
			return;
	}
	if (g->n_rows == ROWS_INLINE) {
		count_more(s, g, key, bytes);
		return;
	}
	g->tags[g->n_rows] = row_tag(key);
	g->rows[g->n_rows++] = (struct row){.key = key, .count = 1, .bytes = bytes};
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

/* Adds to the row of that kind and type, or makes it. */
static void add_row(struct allocation *rows, size_t *n, const struct allocation *row)
{
	for (size_t i = 0; i < *n; i++) {
		if (rows[i].type_id == row->type_id && rows[i].event_type == row->event_type) {
			rows[i].count += row->count;
			rows[i].bytes += row->bytes;
			return;
		}
	}
	rows[(*n)++] = *row;
}

static void add_used(struct allocation *rows, size_t *n, const struct row *row)
{
	uint32_t type_id = row->key >> 2;

	if (row->key)
		add_row(rows, n,
			&(struct allocation){
				.event_type = (uint8_t)(EVENT_MAKESLICE - 1 + (row->key & 3)),
				.type_id = type_id == ROW_REST ? 0 : type_id,
				.count = row->count,
				.bytes = row->bytes});
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
		add_used(rows, &n, &g->rows[i]);
	for (unsigned i = 0; g->more && i < 1u << g->more_bits; i++)
		add_used(rows, &n, &g->more[i]);
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
