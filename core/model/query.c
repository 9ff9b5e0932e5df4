/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Copies for readers. A lock is held for a bounded time: a process of very many goroutines is
 * copied in parts, and each goroutine is consistent in itself. Any thread.
 */
#include <errno.h>
#include <string.h>

#include "core/base/top.h"
#include "core/model/model_internal.h"

#define COPY_AT_ONCE 8192 /* records looked at under one hold of the lock */
#define CHAIN_PART   1024 /* events copied under one hold of the feed's lock */

void record_copy(const struct model *m, const struct record *g, struct goroutine *ret)
{
	uint16_t began_flags;
	uint64_t began = record_began(g, &began_flags);

	*ret = (struct goroutine){
		.goid = g->goid,
		.parent = g->parent,
		.proc = g->proc,
		.state = g->life.state,
		.state_before = g->life.before,
		.flags = g->life.flags & (uint16_t)~LIFE_SEEN,
		.reason_id = g->life.reason_id,
		.start_func_id = g->start_func_id,
		.created_site_id = g->created_site_id,
		.state_since_ns = g->life.since_ns,
		.began_ns = began,
		.created_ns = g->created_ns,
		.exited_ns = g->exited_ns,
		.seen_ns = g->life.flags & GOROUTINE_EXIT_READ ? g->began_ns : 0,
		.last_event_ns = g->last_event_ns,
		.woken_by = g->woken_by,
		.alloc_bytes = g->alloc_bytes,
		.runnable_count = g->runnable_count,
		.runnable_sum_ns = g->state_ns[0] - g->runnable_other_ns,
		.runnable_max_ns = g->runnable_max_ns,
		.children = g->children,
	};
	memcpy(ret->counts, g->counts, sizeof(ret->counts));
	record_copy_states(g, ret->state_ns);
	ret->flags |= began_flags;
	if (g->last_of)
		ret->flags |= GOROUTINE_LAST_ENDED;
	/* Events were lost since it was made, and some of them may have been its own. */
	if (g->epoch != m->procs[g->proc]->epoch)
		ret->flags |= GOROUTINE_UNCERTAIN;
}

int model_goroutine(struct model *m, unsigned proc, uint64_t goid, struct goroutine *ret)
{
	const struct record *g = NULL;

	pthread_rwlock_rdlock(&m->lock);
	if (goid && proc_known(m, proc))
		g = shard_find(&m->shards[shard_of(m, proc, goid)], proc, goid);
	if (g)
		record_copy(m, g, ret);
	pthread_rwlock_unlock(&m->lock);
	return g ? 0 : -ENOENT;
}

/* Numbers of the goroutines that are asked for, from records [*at, *at + COPY_AT_ONCE) of a shard.
 */
static int choose_part(const struct shard *s, unsigned proc, const struct model_some *q,
		       uint32_t *at, struct top *goids)
{
	uint32_t end = MIN(shard_numbers(s), *at + COPY_AT_ONCE);
	int err = 0;

	for (; *at < end && !err; ++*at) {
		const struct record *g = shard_used_record(s, *at);

		if (g && g->goid > q->after && g->proc == proc &&
		    record_changed_since(g, q->since_ns))
			err = top_add(goids, &g->goid);
	}
	return err;
}

static int choose(struct model *m, unsigned proc, const struct model_some *q, struct top *goids)
{
	unsigned shard = 0;
	uint32_t at = 0;
	int err = 0;

	while (!err && shard < m->n_shards) {
		pthread_rwlock_rdlock(&m->lock);
		if (!proc_known(m, proc))
			err = -ENOENT;
		else if (m->shards[shard].procs[proc]->goid_most <= q->after)
			at = shard_numbers(&m->shards[shard]);
		else
			err = choose_part(&m->shards[shard], proc, q, &at, goids);
		if (at >= shard_numbers(&m->shards[shard])) {
			shard++;
			at = 0;
		}
		pthread_rwlock_unlock(&m->lock);
	}
	return err;
}

/* Those of them that are still there. */
static size_t copy_chosen(struct model *m, unsigned proc, const struct top *goids,
			  struct goroutine *ret)
{
	const uint64_t *v = goids->v;
	size_t n = 0;

	for (size_t i = 0; i < goids->n;) {
		size_t end = MIN(goids->n, i + COPY_AT_ONCE);

		pthread_rwlock_rdlock(&m->lock);
		for (; i < end; i++) {
			const struct record *g = NULL;

			/* One whose record was given up and used again comes twice. */
			if (!i || v[i] != v[i - 1])
				g = shard_find(&m->shards[shard_of(m, proc, v[i])], proc, v[i]);
			if (g)
				record_copy(m, g, &ret[n++]);
		}
		pthread_rwlock_unlock(&m->lock);
	}
	return n;
}

int model_goroutines_some(struct model *m, unsigned proc, const struct model_some *q,
			  struct goroutine **ret, size_t *ret_n, bool *ret_more)
{
	struct top goids = TOP_INIT(uint64_t, q->limit, compare_u64);
	struct goroutine *copies = NULL;
	int err = choose(m, proc, q, &goids);

	if (!err) {
		top_sort(&goids);
		copies = malloc(MAX((size_t)1, goids.n) * sizeof(*copies));
		err = copies ? 0 : -ENOMEM;
	}
	if (!err) {
		*ret_n = copy_chosen(m, proc, &goids, copies);
		*ret = copies;
		*ret_more = goids.more;
	}
	top_free(&goids);
	return err;
}

struct chain {
	struct event *events;
	uint64_t *seqs;
	size_t n, cap;
};

static int chain_room(struct chain *c)
{
	size_t cap = c->cap ? c->cap * 2 : 64;
	struct event *events;
	uint64_t *seqs;

	if (c->n + CHAIN_PART <= c->cap)
		return 0;
	cap = MAX(cap, c->n + CHAIN_PART);
	events = realloc(c->events, cap * sizeof(*events));
	if (!events)
		return -ENOMEM;
	c->events = events;
	seqs = realloc(c->seqs, cap * sizeof(*seqs));
	if (!seqs)
		return -ENOMEM;
	c->seqs = seqs;
	c->cap = cap;
	return 0;
}

static void chain_reverse(struct chain *c)
{
	for (size_t i = 0; i < c->n / 2; i++) {
		struct event ev = c->events[i];
		uint64_t seq = c->seqs[i];

		c->events[i] = c->events[c->n - 1 - i];
		c->seqs[i] = c->seqs[c->n - 1 - i];
		c->events[c->n - 1 - i] = ev;
		c->seqs[c->n - 1 - i] = seq;
	}
}

/* Walks back from `next` - 1 to `from`, keeping what is below `to`. */
static int chain_collect(struct model *m, uint64_t goid, uint64_t next, uint64_t from, uint64_t to,
			 struct chain *c)
{
	while (next) {
		size_t got, kept = c->n;
		int err = chain_room(c);

		if (err)
			return err;
		got = feed_read_chain(m->feed, goid, &next, c->events + c->n, c->seqs + c->n,
				      CHAIN_PART);
		for (size_t i = c->n; i < c->n + got; i++) {
			if (c->seqs[i] < from) {
				next = 0;
				break;
			}
			if (c->seqs[i] >= to)
				continue;
			c->events[kept] = c->events[i];
			c->seqs[kept++] = c->seqs[i];
		}
		c->n = kept;
	}
	return 0;
}

int model_goroutine_events(struct model *m, unsigned proc, uint64_t goid, uint64_t from,
			   uint64_t to, struct event **ret, uint64_t **ret_seqs, size_t *ret_n)
{
	const struct record *g = NULL;
	struct chain c = {0};
	uint64_t next = 0;
	int err;

	pthread_rwlock_rdlock(&m->lock);
	if (goid && proc_known(m, proc))
		g = shard_find(&m->shards[shard_of(m, proc, goid)], proc, goid);
	if (g)
		next = g->last_seq;
	pthread_rwlock_unlock(&m->lock);
	if (!g)
		return -ENOENT;
	err = chain_collect(m, goid, next, from, to, &c);
	if (err) {
		free(c.events);
		free(c.seqs);
		return err;
	}
	chain_reverse(&c);
	*ret = c.events;
	*ret_seqs = c.seqs;
	*ret_n = c.n;
	return 0;
}
