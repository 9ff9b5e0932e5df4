/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See costs.h. */
#include "core/engine/costs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

/* CPU time of several processes, which goes on where one ends. */
struct cpu_sum {
	uint64_t *last; /* by process */
	size_t n;
	uint64_t total_ns;
};

struct costs {
	const struct source *source;
	struct model *model;
	pthread_mutex_t lock; /* of what follows */
	struct hit_sum hits;
	struct cpu_sum cpu;
};

/* --- the parts --------------------------------------------------------------------------- */

static void mean(struct hit_sum *h, const struct capture_stats *now)
{
	uint64_t timed = sub_u64(now->prog_ns_samples, h->timed);

	if (now->prog_ns_samples < h->timed)
		h->timed = h->timed_ns = 0; /* it began anew */
	else if (timed >= TIMED_FEWEST || (!h->program_ns && timed)) {
		h->program_ns = sub_u64(now->prog_ns_sum, h->timed_ns) / timed;
		h->timed = now->prog_ns_samples;
		h->timed_ns = now->prog_ns_sum;
	}
}

void hit_sum_add(struct hit_sum *h, const struct capture_stats *now)
{
	uint64_t hits = sub_u64(now->hits, h->last.hits);
	uint64_t stepped = MIN(sub_u64(now->stepped, h->last.stepped), hits);

	mean(h, now);
	h->ns += (double)(hits - stepped) * (double)now->price.trap_ns +
		 (double)stepped * (double)now->price.step_ns +
		 (double)hits * (double)h->program_ns;
	h->last = *now;
}

/* Process number `proc` has taken so much; 0: not known. What it took before it was told for the
 * first time is not in the sum. 0 or -ENOMEM: then nothing is changed. */
static int cpu_sum_add(struct cpu_sum *sum, unsigned proc, uint64_t ns)
{
	uint64_t *last;

	if (proc >= sum->n) {
		last = reallocarray(sum->last, proc + 1, sizeof(*last));
		if (!last)
			return -ENOMEM;
		memset(last + sum->n, 0, (proc + 1 - sum->n) * sizeof(*last));
		sum->last = last;
		sum->n = proc + 1;
	}
	last = &sum->last[proc];
	if (*last && ns > *last)
		sum->total_ns += ns - *last;
	if (ns)
		*last = ns;
	return 0;
}

/* --- the whole --------------------------------------------------------------------------- */

int costs_new(const struct source *source, struct model *model, struct costs **ret)
{
	struct costs *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->source = source;
	c->model = model;
	pthread_mutex_init(&c->lock, NULL);
	*ret = c;
	return 0;
}

void costs_free(struct costs *c)
{
	if (!c)
		return;
	free(c->cpu.last);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void add_processes(struct costs *c)
{
	unsigned n = model_procs(c->model);

	for (unsigned proc = 0; proc < n; proc++) {
		struct proc_info info;

		/* Without memory for one more: as if it had not been seen yet. */
		if (!model_proc(c->model, proc, &info) && info.state == PROC_RUNNING)
			(void)cpu_sum_add(&c->cpu, proc,
					  c->source->cpu_ns(c->source->ctx, info.pid));
	}
}

void costs_look(struct costs *c, struct costs_now *ret)
{
	pthread_mutex_lock(&c->lock);
	c->source->stats(c->source->ctx, &ret->stats);
	hit_sum_add(&c->hits, &ret->stats);
	add_processes(c);
	ret->cpu_ns = c->cpu.total_ns;
	ret->hits_ns = (uint64_t)c->hits.ns;
	ret->program_ns = c->hits.program_ns;
	pthread_mutex_unlock(&c->lock);
}
