/*
 * A shard's goroutines: records in chunks that never move, found by open addressing with linear
 * probing. Removing shifts the entries behind back, so there are no tombstones to walk over however
 * many goroutines come and go. Changed by the shard's thread of the moment (model_internal.h).
 */
#include <errno.h>
#include <string.h>

#include "core/model/model_internal.h"

int shard_init(struct shard *s)
{
	s->mask = 1023;
	s->slots = calloc(s->mask + 1, sizeof(*s->slots));
	/* An event ends or revives at most its actor and its subject. */
	s->changes = calloc(2 * BATCH_LARGE, sizeof(*s->changes));
	if (!s->slots || !s->changes)
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
	free(sp);
}

void shard_free(struct shard *s)
{
	for (uint32_t i = 0; i < s->n_records; i++)
		free(shard_record(s, i)->more);
	for (uint32_t i = 0; i < s->n_chunks; i++)
		free(s->chunks[i]);
	for (unsigned i = 0; i < MODEL_PROCS_MAX; i++)
		free_proc(s->procs[i]);
	free(s->chunks);
	free(s->slots);
	free(s->changes);
}

int shard_add_proc(struct shard *s, unsigned proc)
{
	if (s->procs[proc])
		return 0;
	s->procs[proc] = calloc(1, sizeof(**s->procs));
	if (!s->procs[proc])
		return -ENOMEM;
	s->memory += sizeof(**s->procs);
	return 0;
}

struct record *shard_find(const struct shard *s, unsigned proc, uint64_t goid)
{
	uint32_t at = (uint32_t)record_hash(proc, goid) & s->mask;

	while (s->slots[at].goid) {
		if (s->slots[at].goid == goid && s->slots[at].proc == proc)
			return shard_record(s, s->slots[at].number);
		at = (at + 1) & s->mask;
	}
	return NULL;
}

static void insert(struct slot *slots, uint32_t mask, const struct slot *entry)
{
	uint32_t at = (uint32_t)record_hash(entry->proc, entry->goid) & mask;

	while (slots[at].goid)
		at = (at + 1) & mask;
	slots[at] = *entry;
}

static int grow(struct shard *s)
{
	uint32_t mask = s->mask * 2 + 1;
	struct slot *slots = calloc((size_t)mask + 1, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i <= s->mask; i++) {
		if (s->slots[i].goid)
			insert(slots, mask, &s->slots[i]);
	}
	s->memory += ((size_t)mask - s->mask) * sizeof(*slots);
	free(s->slots);
	s->slots = slots;
	s->mask = mask;
	return 0;
}

static struct record *new_chunk(struct shard *s)
{
	struct record **chunks;
	struct record *chunk;
	size_t bytes = RECORDS_A_CHUNK * sizeof(*chunk);

	/* Doubled when the count reaches a power of two. */
	if ((s->n_chunks & (s->n_chunks - 1)) == 0) {
		chunks = realloc(s->chunks, MAX(1u, s->n_chunks * 2) * sizeof(struct record *));
		if (!chunks)
			return NULL;
		s->chunks = chunks;
	}
	chunk = aligned_alloc(64, bytes);
	if (!chunk)
		return NULL;
	memset(chunk, 0, bytes);
	s->chunks[s->n_chunks++] = chunk;
	s->memory += bytes;
	return chunk;
}

/* A record's number is kept while it is free, in heal_round. */
struct record *shard_add(struct shard *s, unsigned proc, uint64_t goid)
{
	struct slot entry = {.goid = goid, .proc = proc};
	struct record *g = s->free;

	if ((s->used + 1) * 2ull > s->mask && grow(s))
		return NULL;
	if (g) {
		s->free = g->older;
		entry.number = g->heal_round;
		memset(g, 0, sizeof(*g));
	} else {
		if (s->n_records == s->n_chunks * RECORDS_A_CHUNK && !new_chunk(s))
			return NULL;
		entry.number = s->n_records++;
		g = shard_record(s, entry.number);
	}
	g->goid = goid;
	g->proc = (uint16_t)proc;
	insert(s->slots, s->mask, &entry);
	s->used++;
	return g;
}

void shard_remove(struct shard *s, struct record *g)
{
	uint32_t at = (uint32_t)record_hash(g->proc, g->goid) & s->mask;
	uint32_t number, hole;

	while (s->slots[at].goid != g->goid || s->slots[at].proc != g->proc)
		at = (at + 1) & s->mask;
	number = s->slots[at].number;
	hole = at;
	for (;;) {
		uint32_t home;

		at = (at + 1) & s->mask;
		if (!s->slots[at].goid)
			break;
		home = (uint32_t)record_hash(s->slots[at].proc, s->slots[at].goid) & s->mask;
		/* It may fill the hole when its home is not between the hole and itself. */
		if (((at - home) & s->mask) >= ((at - hole) & s->mask)) {
			s->slots[hole] = s->slots[at];
			hole = at;
		}
	}
	s->slots[hole] = (struct slot){0};
	s->used--;
	if (g->more)
		s->memory -= sizeof(*g->more) + g->more->cap * sizeof(struct row);
	free(g->more);
	memset(g, 0, sizeof(*g));
	g->heal_round = number;
	g->older = s->free;
	s->free = g;
	s->last[0] = s->last[1] = NULL;
}
