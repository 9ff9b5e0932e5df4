/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A shard's goroutines: records in chunks that never move, found by open addressing with linear
 * probing. Removing shifts the entries behind back, so there are no tombstones to walk over however
 * many goroutines come and go. Changed by the shard's thread of the moment (model_internal.h).
 */
#include <errno.h>
#include <string.h>

#include "core/model/model_internal.h"

#define SLOTS_MIN    1023u
#define CHUNKS_SMALL 8 /* those behind are in large pages, which a small program need not have */

_Static_assert(sizeof(struct chunk) <= SLAB_SIZE / 8 && sizeof(struct chunk) % 64 == 0,
	       "a piece of a slab");

/* In large pages once they fill some. */
static struct slot *slots_new(uint32_t mask)
{
	size_t size = ((size_t)mask + 1) * sizeof(struct slot);

	return size < SLAB_SIZE ? calloc(1, size) : pages_new(size);
}

static void slots_free(struct slot *slots, uint32_t mask)
{
	size_t size = ((size_t)mask + 1) * sizeof(struct slot);

	if (size < SLAB_SIZE)
		free(slots);
	else
		pages_free(slots, size);
}

static struct chunk *chunk_new(struct shard *s, uint32_t index)
{
	struct chunk *chunk;

	if (index >= CHUNKS_SMALL)
		return slabs_get(&s->slabs);
	chunk = aligned_alloc(64, sizeof(*chunk));
	if (chunk)
		memset(chunk, 0, sizeof(*chunk));
	return chunk;
}

static void chunk_free(struct shard *s, struct chunk *chunk)
{
	if (chunk && chunk->index >= CHUNKS_SMALL)
		slabs_put(&s->slabs, chunk);
	else
		free(chunk);
}

int shard_init(struct shard *s)
{
	s->mask = SLOTS_MIN;
	s->slabs.piece = sizeof(struct chunk);
	s->slots = slots_new(s->mask);
	/* An event ends or revives at most its actor and its subject. */
	s->changes = calloc(2 * BATCH_LARGE, sizeof(*s->changes));
	s->procs = calloc(MODEL_PROCS_MAX, sizeof(*s->procs));
	if (!s->slots || !s->changes || !s->procs)
		return -ENOMEM;
	s->memory = (s->mask + 1) * sizeof(*s->slots);
	return 0;
}

static void free_proc(struct shard_proc *sp)
{
	if (!sp)
		return;
	for (uint32_t i = 0; i < sp->n_types; i++)
		free(sp->types[i]);
	free(sp->types);
	free(sp->made.rows);
	functions_free(&sp->functions);
	free(sp);
}

void shard_free(struct shard *s)
{
	for (uint32_t i = 0; i < shard_numbers(s); i++) {
		struct record *g = shard_used_record(s, i);

		if (g)
			record_drop_rows(s, g);
	}
	row_pool_free(&s->rows);
	for (uint32_t i = 0; i < s->n_chunks; i++)
		chunk_free(s, s->chunks[i]);
	for (unsigned i = 0; s->procs && i < s->n_procs; i++)
		free_proc(s->procs[i]);
	free(s->procs);
	free(s->chunks);
	slots_free(s->slots, s->mask);
	free(s->changes);
}

int shard_add_proc(struct shard *s, unsigned proc)
{
	if (s->procs[proc])
		return 0;
	s->procs[proc] = calloc(1, sizeof(**s->procs));
	if (!s->procs[proc])
		return -ENOMEM;
	s->n_procs = MAX(s->n_procs, proc + 1);
	s->memory += sizeof(**s->procs);
	return 0;
}

void shard_drop_proc(struct shard *s, unsigned proc)
{
	struct shard_proc *sp = s->procs[proc];

	for (uint32_t i = 0; i < sp->n_types; i++)
		s->memory -= sp->types[i] ? sizeof(*sp->types[i]) : 0;
	s->memory -= sizeof(*sp) + sp->n_types * sizeof(*sp->types);
	s->memory -= sp->made.cap * sizeof(*sp->made.rows);
	free_proc(sp);
	s->procs[proc] = NULL;
}

struct record *shard_find(const struct shard *s, unsigned proc, uint64_t goid)
{
	uint32_t hash = (uint32_t)hash_goroutine(proc, goid), at = hash & s->mask;

	for (; s->slots[at].nth; at = (at + 1) & s->mask) {
		struct record *g;

		if (s->slots[at].hash != hash)
			continue;
		g = shard_record(s, s->slots[at].nth - 1);
		if (g->goid == goid && g->proc == proc)
			return g;
	}
	return NULL;
}

static void insert(struct slot *slots, uint32_t mask, struct slot entry)
{
	uint32_t at = entry.hash & mask;

	while (slots[at].nth)
		at = (at + 1) & mask;
	slots[at] = entry;
}

static int resize(struct shard *s, uint32_t mask)
{
	struct slot *slots = slots_new(mask);

	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i <= s->mask; i++) {
		if (s->slots[i].nth)
			insert(slots, mask, s->slots[i]);
	}
	s->memory += ((size_t)mask + 1) * sizeof(*slots);
	s->memory -= ((size_t)s->mask + 1) * sizeof(*slots);
	slots_free(s->slots, s->mask);
	s->slots = slots;
	s->mask = mask;
	return 0;
}

void shard_shrink(struct shard *s)
{
	/* A quarter of it is still less than half full. Without memory it stays large. */
	if (s->mask > SLOTS_MIN && s->used < s->mask / 16)
		(void)resize(s, s->mask / 4);
}

static void unlink_room(struct shard *s, struct chunk *chunk)
{
	if (chunk->previous)
		chunk->previous->next = chunk->next;
	else
		s->room = chunk->next;
	if (chunk->next)
		chunk->next->previous = chunk->previous;
	chunk->previous = chunk->next = NULL;
}

static void link_room(struct shard *s, struct chunk *chunk)
{
	chunk->next = s->room;
	if (s->room)
		s->room->previous = chunk;
	s->room = chunk;
}

/* An index for one more chunk. */
static int chunk_index(struct shard *s, uint32_t *ret)
{
	struct chunk **chunks;

	for (uint32_t i = 0; s->n_missing && i < s->n_chunks; i++) {
		if (!s->chunks[i]) {
			s->n_missing--;
			*ret = i;
			return 0;
		}
	}
	/* Doubled when the count reaches a power of two. */
	if ((s->n_chunks & (s->n_chunks - 1)) == 0) {
		chunks = realloc(s->chunks, MAX(1u, s->n_chunks * 2) * sizeof(struct chunk *));
		if (!chunks)
			return -ENOMEM;
		s->chunks = chunks;
	}
	s->chunks[s->n_chunks] = NULL;
	*ret = s->n_chunks++;
	return 0;
}

static struct chunk *new_chunk(struct shard *s)
{
	struct chunk *chunk;
	uint32_t index;

	if (chunk_index(s, &index))
		return NULL;
	chunk = chunk_new(s, index);
	if (!chunk) {
		s->n_missing++; /* the index is free again */
		return NULL;
	}
	chunk->index = index;
	s->chunks[index] = chunk;
	s->memory += sizeof(*chunk);
	s->n_empty++;
	link_room(s, chunk);
	return chunk;
}

struct record *shard_add(struct shard *s, unsigned proc, uint64_t goid)
{
	struct slot entry = {.hash = (uint32_t)hash_goroutine(proc, goid)};
	struct chunk *chunk;
	struct record *g;

	if ((s->used + 1) * 2ull > s->mask && resize(s, s->mask * 2 + 1))
		return NULL;
	chunk = s->room ? s->room : new_chunk(s);
	if (!chunk)
		return NULL;
	s->n_empty -= chunk->used == 0;
	g = chunk->free;
	if (g) {
		chunk->free = g->older;
		memset(g, 0, sizeof(*g));
	} else {
		g = &chunk->records[chunk->fresh++];
	}
	if (++chunk->used == RECORDS_A_CHUNK)
		unlink_room(s, chunk);
	g->goid = goid;
	g->proc = (uint16_t)proc;
	entry.nth = chunk->index * RECORDS_A_CHUNK + (uint32_t)(g - chunk->records) + 1;
	insert(s->slots, s->mask, entry);
	s->used++;
	return g;
}

/* A record's place in its chunk is free. One empty chunk is kept for what comes. */
static void release(struct shard *s, struct chunk *chunk, struct record *g)
{
	g->older = chunk->free;
	chunk->free = g;
	if (chunk->used-- == RECORDS_A_CHUNK)
		link_room(s, chunk);
	if (chunk->used)
		return;
	if (s->n_empty == 0) {
		s->n_empty = 1;
		return;
	}
	unlink_room(s, chunk);
	s->chunks[chunk->index] = NULL;
	s->n_missing++;
	s->memory -= sizeof(*chunk);
	chunk_free(s, chunk);
}

void shard_remove(struct shard *s, struct record *g)
{
	uint32_t hash = (uint32_t)hash_goroutine(g->proc, g->goid), at = hash & s->mask;
	uint32_t number, hole;

	while (s->slots[at].hash != hash || shard_record(s, s->slots[at].nth - 1) != g)
		at = (at + 1) & s->mask;
	number = s->slots[at].nth - 1;
	hole = at;
	for (;;) {
		uint32_t home;

		at = (at + 1) & s->mask;
		if (!s->slots[at].nth)
			break;
		home = s->slots[at].hash & s->mask;
		/* It may fill the hole when its home is not between the hole and itself. */
		if (((at - home) & s->mask) >= ((at - hole) & s->mask)) {
			s->slots[hole] = s->slots[at];
			hole = at;
		}
	}
	s->slots[hole] = (struct slot){0};
	s->used--;
	record_drop_rows(s, g);
	g->goid = 0;
	s->last[0] = s->last[1] = NULL;
	release(s, s->chunks[number / RECORDS_A_CHUNK], g);
}
