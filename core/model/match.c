/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which goroutines have something in common: their numbers and no more, without a copy of each.
 * A lock is held for a bounded time, as in query.c. Any thread.
 */
#include <errno.h>
#include <string.h>

#include "core/model/model_internal.h"

#define LOOK_AT_ONCE 8192 /* records looked at under one hold of the lock */

/* What a goroutine is found by; false when by nothing. */
static bool key_of(const struct record *g, enum model_by by, uint64_t *ret)
{
	switch (by) {
	case MODEL_BY_NOTHING:
		*ret = 0;
		return true;
	case MODEL_BY_PARENT:
		*ret = g->parent;
		return true;
	case MODEL_BY_STATE:
		*ret = record_exited(g) ? GSTATE_DEAD : life_state(&g->life);
		return true;
	case MODEL_BY_REASON:
		*ret = g->life.reason_id;
		return !record_exited(g) && gstate_waits(life_state(&g->life));
	case MODEL_BY_FUNC:
		*ret = record_exited(g) ? g->last_of : g->start_func_id;
		return !record_exited(g) || g->last_of;
	}
	return false;
}

/* Calls each() for the goroutines of a process that have a key; its error ends the walk. */
static int walk(struct model *m, unsigned proc, enum model_by by,
		int (*each)(void *arg, const struct record *g, uint64_t key), void *arg)
{
	unsigned shard = 0;
	uint32_t at = 0;
	int err = 0;

	while (!err && shard < m->n_shards) {
		const struct shard *s;
		uint32_t end;

		pthread_rwlock_rdlock(&m->lock);
		s = &m->shards[shard]; /* model_reset() puts others in their place */
		err = proc_known(m, proc) ? 0 : -ENOENT;
		end = MIN(shard_numbers(s), at + LOOK_AT_ONCE);
		for (; !err && at < end; at++) {
			const struct record *g = shard_used_record(s, at);
			uint64_t key;

			if (g && g->proc == proc && key_of(g, by, &key))
				err = each(arg, g, key);
		}
		if (at >= shard_numbers(s)) {
			shard++;
			at = 0;
		}
		pthread_rwlock_unlock(&m->lock);
	}
	return err;
}

/* --- by a key -------------------------------------------------------------------------------- */

struct goids {
	uint64_t key, *v;
	size_t n, cap;
	bool by_func;
	uint64_t last; /* the last of a function that ended, for when none lives; 0: none is kept */
};

static int add_goid(void *arg, const struct record *found, uint64_t key)
{
	struct goids *g = arg;

	if (key != g->key)
		return 0;
	if (g->by_func && record_exited(found)) {
		g->last = found->goid;
		return 0;
	}
	if (g->n == g->cap) {
		size_t cap = MAX((size_t)64, g->cap * 2);
		uint64_t *v = realloc(g->v, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		g->v = v;
		g->cap = cap;
	}
	g->v[g->n++] = found->goid;
	return 0;
}

int model_goids(struct model *m, unsigned proc, enum model_by by, uint64_t key, uint64_t **ret,
		size_t *ret_n)
{
	struct goids goids = {.key = key, .by_func = by == MODEL_BY_FUNC};
	int err = walk(m, proc, by, add_goid, &goids);

	if (!err && !goids.n && goids.last) {
		goids.v = malloc(sizeof(*goids.v));
		err = goids.v ? 0 : -ENOMEM;
		if (!err)
			goids.v[goids.n++] = goids.last;
	}
	if (err) {
		free(goids.v);
		return err;
	}
	/* One whose record was given up and used again between two parts comes twice. */
	*ret_n = sort_unique_u64(goids.v, goids.n);
	*ret = goids.v;
	return 0;
}

/* --- the keys there are ---------------------------------------------------------------------- */

/* A bit a key: they are small and dense (names.h). */
struct keys {
	uint64_t *words;
	size_t n_words;
};

static int add_key(void *arg, const struct record *found, uint64_t key)
{
	struct keys *k = arg;
	size_t word = key / 64;

	(void)found;
	if (word >= k->n_words) {
		size_t n = MAX(word + 1, k->n_words * 2);
		uint64_t *words = realloc(k->words, n * sizeof(*words));

		if (!words)
			return -ENOMEM;
		memset(words + k->n_words, 0, (n - k->n_words) * sizeof(*words));
		k->words = words;
		k->n_words = n;
	}
	k->words[word] |= 1ull << key % 64;
	return 0;
}

int model_keys(struct model *m, unsigned proc, enum model_by by, uint32_t **ret, size_t *ret_n)
{
	struct keys keys = {0};
	int err = walk(m, proc, by, add_key, &keys);
	size_t n = 0, at = 0;
	uint32_t *ids = NULL;

	for (size_t i = 0; i < keys.n_words; i++)
		n += (size_t)__builtin_popcountll(keys.words[i]);
	if (!err && n) {
		ids = malloc(n * sizeof(*ids));
		err = ids ? 0 : -ENOMEM;
	}
	for (size_t i = 0; !err && i < keys.n_words; i++)
		for (uint64_t word = keys.words[i]; word; word &= word - 1)
			ids[at++] = (uint32_t)(i * 64 + (size_t)__builtin_ctzll(word));
	free(keys.words);
	if (err)
		return err;
	*ret = ids;
	*ret_n = n;
	return 0;
}
