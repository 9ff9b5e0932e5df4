/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One pass over a process's goroutines (model_pass_new()): a part of them is copied under the lock,
 * given out without it, then the next. By number it first asks for the numbers alone, 8 bytes each.
 * Any thread; one a pass.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/model_internal.h"

#define PART         256  /* copies held at a time */
#define LOOK_AT_ONCE 8192 /* records looked at under one hold of the lock */

struct model_pass {
	struct model *m;
	unsigned proc;
	struct model_which which;
	uint64_t *goids; /* by_goid: all numbers, ascending; NULL else, or when there are none */
	size_t n_goids, goid;
	unsigned shard; /* not by_goid: where it goes on */
	uint32_t record;
	size_t n, at; /* in part */
	struct goroutine part[PART];
};

static bool wanted(const struct model_pass *p, const struct record *g)
{
	return g && g->proc == p->proc && (p->which.exited || !record_exited(g)) &&
	       record_changed_since(g, p->which.since_ns);
}

int model_pass_new(struct model *m, unsigned proc, const struct model_which *which,
		   struct model_pass **ret)
{
	struct model_pass *p;
	int err = 0;

	if (proc >= model_procs(m))
		return -ENOENT;
	p = malloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	/* Not its part, of which a small process touches the beginning only. */
	memset(p, 0, offsetof(struct model_pass, part));
	p->m = m;
	p->proc = proc;
	p->which = *which;
	if (which->by_goid)
		err = model_goids(m, proc, MODEL_BY_NOTHING, 0, &p->goids, &p->n_goids);
	if (err) {
		free(p);
		return err;
	}
	*ret = p;
	return 0;
}

/* Both fill the part with what comes next, the lock held; they may leave it empty and not be done.
 */
static void fill_by_goid(struct model_pass *p)
{
	const struct model *m = p->m;
	size_t end = MIN(p->n_goids, p->goid + LOOK_AT_ONCE);

	for (; p->goid < end && p->n < PART; p->goid++) {
		uint64_t goid = p->goids[p->goid];
		const struct record *g =
			shard_find(&m->shards[shard_of(m, p->proc, goid)], p->proc, goid);

		if (wanted(p, g))
			record_copy(m, g, &p->part[p->n++]);
	}
}

static void fill_as_they_lie(struct model_pass *p)
{
	const struct shard *s = &p->m->shards[p->shard];
	uint32_t end = MIN(shard_numbers(s), p->record + LOOK_AT_ONCE);

	for (; p->record < end && p->n < PART; p->record++) {
		const struct record *g = shard_used_record(s, p->record);

		if (wanted(p, g))
			record_copy(p->m, g, &p->part[p->n++]);
	}
	if (p->record >= shard_numbers(s)) {
		p->shard++;
		p->record = 0;
	}
}

static bool done(const struct model_pass *p)
{
	return p->which.by_goid ? p->goid == p->n_goids : p->shard == p->m->n_shards;
}

static void fill(struct model_pass *p)
{
	p->at = p->n = 0;
	while (p->n == 0 && !done(p)) {
		pthread_rwlock_rdlock(&p->m->lock);
		if (p->which.by_goid)
			fill_by_goid(p);
		else
			fill_as_they_lie(p);
		pthread_rwlock_unlock(&p->m->lock);
	}
}

const struct goroutine *model_pass_next(struct model_pass *p)
{
	if (p->at == p->n)
		fill(p);
	return p->at < p->n ? &p->part[p->at++] : NULL;
}

size_t model_pass_part(struct model_pass *p, const struct goroutine **ret)
{
	if (p->at == p->n)
		fill(p);
	*ret = &p->part[p->at];
	p->at = p->n;
	return (size_t)(&p->part[p->n] - *ret);
}

size_t model_pass_left(const struct model_pass *p)
{
	return p->n - p->at + p->n_goids - p->goid;
}

void model_pass_free(struct model_pass *p)
{
	if (!p)
		return;
	free(p->goids);
	free(p);
}
