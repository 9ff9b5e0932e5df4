/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The model's frame: making and freeing it, its totals. Processes: procs.c; goroutines: table.c,
 * apply.c, walk.c, record.c, heal.c; copies for readers: query.c, allocations.c. */
#include <errno.h>
#include <string.h>

#include "core/model/model_internal.h"
#include "core/model/samples.h"

#include "core/base/text.h"

int model_new_sharded(const struct model_config *config, unsigned shards, unsigned threads,
		      struct model **ret)
{
	struct model *m;
	int err;

	if (config->retain == 0 || shards == 0 || shards > SHARDS_MAX || !config->names)
		return -EINVAL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->config = *config;
	if (!config->goroutines_max)
		m->config.goroutines_max = MODEL_GOROUTINES_MAX;
	if (!config->procs_ended)
		m->config.procs_ended = MODEL_PROCS_ENDED;
	err = -pthread_mutex_init(&m->apply_lock, NULL);
	if (err)
		goto free_model;
	err = feed_rwlock_init(&m->lock);
	if (err)
		goto free_apply_lock;
	m->shards = aligned_alloc(64, shards * sizeof(*m->shards));
	if (!m->shards) {
		err = -ENOMEM;
		goto free_lock;
	}
	memset(m->shards, 0, shards * sizeof(*m->shards));
	m->n_shards = shards;
	for (unsigned i = 0; i < shards && !err; i++)
		err = shard_init(&m->shards[i]);
	if (!err)
		err = feed_new(config->retain, &m->feed);
	if (!err)
		err = samples_new(&m->samples);
	if (!err && threads > 1) {
		m->links = malloc(BATCH_LARGE * sizeof(*m->links));
		err = m->links ? pool_new(threads - 1, &m->pool) : -ENOMEM;
	}
	if (err) {
		model_free(m);
		return err;
	}
	*ret = m;
	return 0;

free_lock:
	pthread_rwlock_destroy(&m->lock);
free_apply_lock:
	pthread_mutex_destroy(&m->apply_lock);
free_model:
	free(m);
	return err;
}

int model_new(const struct model_config *config, struct model **ret)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned workers = MAX(1u, MIN(config->workers, (unsigned)MAX(1l, cpus)));

	workers = MIN(workers, SHARDS_MAX);
	return model_new_sharded(config, workers, workers, ret);
}

void model_free(struct model *m)
{
	if (!m)
		return;
	pool_free(m->pool);
	free(m->links);
	feed_free(m->feed);
	samples_free(m->samples);
	for (unsigned i = 0; i < m->n_shards; i++)
		shard_free(&m->shards[i]);
	free(m->shards);
	for (unsigned k = 0; k < m->n_kept; k++) {
		last_ended_free(m, &m->procs[m->kept[k]]->last);
		past_free(m->procs[m->kept[k]]->past);
		free(m->procs[m->kept[k]]);
	}
	pthread_rwlock_destroy(&m->lock);
	pthread_mutex_destroy(&m->apply_lock);
	free(m);
}

struct feed *model_feed(struct model *m)
{
	return m->feed;
}

struct samples *model_samples(struct model *m)
{
	return m->samples;
}

struct names *model_names(struct model *m)
{
	return m->config.names;
}

int64_t model_wall_offset(const struct model *m)
{
	return m->config.wall_offset_ns;
}

/* --- totals ------------------------------------------------------------------------------ */

static void add_shard_proc(struct model_totals *t, const struct shard_proc *sp)
{
	for (unsigned i = 0; i < EVENT_TYPES; i++)
		t->events[i] += sp->events[i];
	for (unsigned i = 0; i < GSTATES; i++) {
		t->live[i] += sp->live[i];
		t->live_total += sp->live[i];
	}
	t->live_unknown += sp->live[GSTATES];
	t->live_total += sp->live[GSTATES];
	t->goroutines_created += sp->created;
	t->created_by_threads += sp->created_by_threads;
	t->goroutines_exited += sp->exited;
	t->healed += sp->healed;
	t->alloc_bytes = sum_u64(t->alloc_bytes, sp->alloc_bytes);
	t->alloc_squares += sp->alloc_squares;
	t->last_event_ns = MAX(t->last_event_ns, sp->last_event_ns);
	t->runnable_sum_ns += sp->runnable_sum_ns;
	t->runnable_max_ns = MAX(t->runnable_max_ns, sp->runnable_max_ns);
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		t->runnable_latency[i] += sp->runnable_latency[i];
}

void proc_totals(const struct model *m, struct model_totals *t, unsigned proc)
{
	const struct proc *p = m->procs[proc];

	for (unsigned i = 0; i < m->n_shards; i++)
		add_shard_proc(t, m->shards[i].procs[proc]);
	for (unsigned i = 0; i < EVENT_TYPES; i++)
		t->lost[i] += p->lost[i];
	t->in_doubt |= p->doubt_ns != 0 || p->awaits;
	t->awaits |= p->awaits;
	t->first_read_ns = p->first_read_ns;
	t->exited_retained += p->exited_retained;
	t->exited_dropped += p->exited_dropped;
	t->exited_dropped_ns = MAX(t->exited_dropped_ns, p->exited_dropped_ns);
}

void model_totals(struct model *m, int proc, struct model_totals *ret)
{
	*ret = (struct model_totals){0};
	pthread_rwlock_rdlock(&m->lock);
	if (proc < 0)
		*ret = m->gone;
	for (unsigned k = 0; k < m->n_kept; k++) {
		if (proc < 0 || (unsigned)proc == m->kept[k])
			proc_totals(m, ret, m->kept[k]);
	}
	ret->procs_seen = m->n_procs;
	ret->procs_dropped = m->n_procs - m->n_kept;
	for (unsigned i = 0; i < EVENT_TYPES; i++)
		ret->lost[i] += m->lost_unknown[i];
	for (unsigned i = 0; i < m->n_shards; i++) {
		ret->dropped_goroutines += m->shards[i].dropped_goroutines;
		ret->dropped_rows += m->shards[i].dropped_rows;
		ret->memory_bytes += m->shards[i].memory;
	}
	ret->unknown_process = m->unknown_proc;
	ret->malformed = m->malformed;
	ret->trimmed = feed_tail(m->feed);
	ret->memory_bytes += feed_memory(m->feed) + names_memory(m->config.names) + sizeof(*m) +
			     m->n_shards * sizeof(struct shard);
	pthread_rwlock_unlock(&m->lock);
}
