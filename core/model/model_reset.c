/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Back to an empty model (model_reset()): a replay that seeks backwards rebuilds the state from the
 * session's start. Whoever holds the model, its feed or a process's index keeps it.
 */
#include <errno.h>
#include <string.h>

#include "core/model/model_internal.h"

static void free_shards(struct shard *shards, unsigned n)
{
	for (unsigned i = 0; shards && i < n; i++)
		shard_free(&shards[i]);
	free(shards);
}

/* `m`: for its processes, too, unless they are to be told of anew. */
static int new_shards(unsigned n, const struct model *m, struct shard **ret)
{
	struct shard *shards = aligned_alloc(64, n * sizeof(*shards));
	int err = shards ? 0 : -ENOMEM;

	if (shards)
		memset(shards, 0, n * sizeof(*shards));
	for (unsigned i = 0; i < n && !err; i++) {
		err = shard_init(&shards[i]);
		for (unsigned k = 0; m && k < m->n_kept && !err; k++)
			err = shard_add_proc(&shards[i], m->kept[k]);
	}
	if (err) {
		free_shards(shards, n);
		return err;
	}
	*ret = shards;
	return 0;
}

static void reset_proc(struct model *m, struct proc *p)
{
	last_ended_free(m, &p->last);
	p->info.state = PROC_RUNNING;
	p->info.exited_ns = 0;
	p->info.execed = false;
	p->info.status_known = false;
	memset(p->lost, 0, sizeof(p->lost));
	p->epoch = 0;
	p->lost_ns = p->doubt_ns = 0;
	p->awaits = false;
	p->exited_retained = p->exited_dropped = p->exited_dropped_ns = 0;
	past_free(p->past);
	p->past = NULL;
}

static void forget_procs(struct model *m)
{
	for (unsigned k = 0; k < m->n_kept; k++) {
		last_ended_free(m, &m->procs[m->kept[k]]->last);
		past_free(m->procs[m->kept[k]]->past);
		free(m->procs[m->kept[k]]);
		m->procs[m->kept[k]] = NULL;
	}
	m->n_kept = m->n_procs = 0;
}

int model_reset(struct model *m)
{
	struct shard *shards, *old;
	bool anew; /* some are not kept any more: all are forgotten, and told of again */
	int err;

	pthread_mutex_lock(&m->apply_lock);
	m->off_ns = m->on_ns = 0;
	anew = m->n_kept < m->n_procs;
	err = new_shards(m->n_shards, anew ? NULL : m, &shards);
	if (err) {
		pthread_mutex_unlock(&m->apply_lock);
		return err;
	}
	pthread_rwlock_wrlock(&m->lock);
	old = m->shards;
	m->shards = shards;
	for (unsigned k = 0; k < m->n_kept; k++)
		reset_proc(m, m->procs[m->kept[k]]);
	if (anew)
		forget_procs(m);
	m->n_ended = m->root = 0;
	memset(&m->gone, 0, sizeof(m->gone));
	m->oldest_exited = m->newest_exited = NULL;
	m->n_exited = 0;
	m->past_next_ns = 0;
	memset(m->lost_unknown, 0, sizeof(m->lost_unknown));
	m->unknown_proc = m->malformed = 0;
	feed_restart(m->feed);
	pthread_rwlock_unlock(&m->lock);
	pthread_mutex_unlock(&m->apply_lock);
	free_shards(old, m->n_shards);
	return 0;
}
