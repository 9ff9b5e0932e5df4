/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The model's processes: those that run, and of those that ended the last. Numbers are not given
 * again, memory is: when too many have ended, what ended first goes, with its goroutines, at once
 * for an eighth of them, and its counts are kept in one sum.
 */
#include <errno.h>
#include <string.h>

#include "core/base/text.h"
#include "core/model/model_internal.h"

void proc_info_name(struct proc_info *info, const char *binary_path, const char *go_version)
{
	text_name(info->binary_path, sizeof(info->binary_path), binary_path, strlen(binary_path));
	text_name(info->go_version, sizeof(info->go_version), go_version, strlen(go_version));
}

/* --- dropping ---------------------------------------------------------------------------- */

static void drop_records(struct model *m)
{
	for (unsigned i = 0; i < m->n_shards; i++) {
		struct shard *s = &m->shards[i];

		for (uint32_t n = 0; n < shard_numbers(s); n++) {
			struct record *g = shard_used_record(s, n);

			if (!g || !m->procs[g->proc]->dropping)
				continue;
			record_forget(m, g);
			shard_remove(s, g);
		}
		shard_shrink(s);
	}
}

/* Its counts stay in the sum over all; its goroutines are none any more. */
static void drop_counts(struct model *m, unsigned proc)
{
	struct model_totals *t = &m->gone;

	t->exited_dropped += m->procs[proc]->exited_retained;
	m->procs[proc]->exited_retained = 0;
	proc_totals(m, t, proc);
	memset(t->live, 0, sizeof(t->live));
	t->live_unknown = t->live_total = 0;
	t->in_doubt = t->awaits = false;
	for (unsigned i = 0; i < m->n_shards; i++)
		shard_drop_proc(&m->shards[i], proc);
	last_ended_free(m, &m->procs[proc]->last);
	past_free(m->procs[proc]->past);
	free(m->procs[proc]);
	m->procs[proc] = NULL;
}

void model_settle_procs(struct model *m)
{
	unsigned most = m->config.procs_ended, n = 0, kept = 0;

	if (m->n_ended <= most)
		return;
	for (unsigned k = 0; k < m->n_kept && m->n_ended - n > most - most / 8; k++) {
		struct proc *p = m->procs[m->kept[k]];

		p->dropping = p->info.state == PROC_EXITED && m->kept[k] != m->root;
		n += p->dropping;
	}
	drop_records(m);
	for (unsigned k = 0; k < m->n_kept; k++) {
		unsigned proc = m->kept[k];

		if (m->procs[proc]->dropping)
			drop_counts(m, proc);
		else
			m->kept[kept++] = (uint16_t)proc;
	}
	m->n_kept = kept;
	m->n_ended -= n;
}

/* --- coming and going ---------------------------------------------------------------------- */

/* Of the newest of those before it with this pid, kept or not; 0: there was none. */
static unsigned nth_before(struct model *m, unsigned proc, pid_t pid)
{
	while (proc-- > 0)
		if (model_pid_of(m, proc) == pid)
			return model_nth_of(m, proc);
	return 0;
}

static int add_proc_locked(struct model *m, const struct proc_info *info)
{
	unsigned proc = m->n_procs;
	struct proc *p;

	if (proc == MODEL_PROCS_MAX)
		return -ENOSPC;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOSPC;
	for (unsigned i = 0; i < m->n_shards; i++) {
		if (shard_add_proc(&m->shards[i], proc)) {
			while (i-- > 0)
				shard_drop_proc(&m->shards[i], proc);
			free(p);
			return -ENOSPC;
		}
	}
	p->info = *info;
	proc_info_name(&p->info, info->binary_path, info->go_version);
	m->procs[proc] = p;
	m->kept[m->n_kept++] = (uint16_t)proc;
	m->n_ended += info->state == PROC_EXITED;
	atomic_store(&m->nths[proc], (uint16_t)(1 + nth_before(m, proc, info->pid)));
	atomic_store(&m->pids[proc], info->pid);
	m->n_procs++;
	past_begin(m, info->attached_ns);
	model_find_root(m);
	model_settle_procs(m);
	return (int)proc;
}

int model_proc_add(struct model *m, const struct proc_info *info)
{
	int proc;

	pthread_mutex_lock(&m->apply_lock);
	pthread_rwlock_wrlock(&m->lock);
	proc = add_proc_locked(m, info);
	pthread_rwlock_unlock(&m->lock);
	pthread_mutex_unlock(&m->apply_lock);
	return proc;
}

void model_proc_status(struct model *m, unsigned proc, int status)
{
	pthread_mutex_lock(&m->apply_lock);
	pthread_rwlock_wrlock(&m->lock);
	if (proc_known(m, proc) && m->procs[proc]->info.state == PROC_RUNNING) {
		m->procs[proc]->info.status_known = true;
		m->procs[proc]->info.status = status;
	}
	pthread_rwlock_unlock(&m->lock);
	pthread_mutex_unlock(&m->apply_lock);
}

void model_proc_exited(struct model *m, unsigned proc, uint64_t time_ns)
{
	/* Nothing can be read of it any more. */
	if (model_in_doubt(m, proc))
		model_forget(m, proc, 0);
	pthread_mutex_lock(&m->apply_lock);
	pthread_rwlock_wrlock(&m->lock);
	if (proc_known(m, proc) && m->procs[proc]->info.state == PROC_RUNNING) {
		m->procs[proc]->info.state = PROC_EXITED;
		m->procs[proc]->info.exited_ns = time_ns;
		m->n_ended++;
		model_settle_procs(m);
	}
	pthread_rwlock_unlock(&m->lock);
	pthread_mutex_unlock(&m->apply_lock);
}

void model_find_root(struct model *m)
{
	/* What follows an end by execve(2) has the same pid, and comes later. */
	for (unsigned k = 0; k < m->n_kept && proc_known(m, m->root); k++) {
		const struct proc *root = m->procs[m->root];

		if (root->info.execed && m->kept[k] > m->root &&
		    m->procs[m->kept[k]]->info.pid == root->info.pid)
			m->root = m->kept[k];
	}
}

/* --- looking -------------------------------------------------------------------------------- */

unsigned model_proc_root(struct model *m)
{
	unsigned root;

	pthread_rwlock_rdlock(&m->lock);
	root = m->root;
	pthread_rwlock_unlock(&m->lock);
	return root;
}

unsigned model_nth_of(void *model, unsigned proc)
{
	struct model *m = model;

	return proc < MODEL_PROCS_MAX ? atomic_load_explicit(&m->nths[proc], memory_order_relaxed)
				      : 0;
}

int model_proc_nth(struct model *m, pid_t pid, unsigned nth)
{
	unsigned n = model_procs(m);

	for (unsigned i = 0; i < n; i++) {
		struct proc_info info;

		if (model_pid_of(m, i) == pid && model_nth_of(m, i) == nth)
			return model_proc(m, i, &info) ? -ENOENT : (int)i;
	}
	return -ENOENT;
}

unsigned model_procs(struct model *m)
{
	unsigned n;

	pthread_rwlock_rdlock(&m->lock);
	n = m->n_procs;
	pthread_rwlock_unlock(&m->lock);
	return n;
}

int model_proc(struct model *m, unsigned proc, struct proc_info *ret)
{
	int err = -ENOENT;

	pthread_rwlock_rdlock(&m->lock);
	if (proc_known(m, proc)) {
		*ret = m->procs[proc]->info;
		err = 0;
	}
	pthread_rwlock_unlock(&m->lock);
	return err;
}

int model_proc_living(struct model *m, unsigned proc, struct proc_info *ret)
{
	int err = model_proc(m, proc, ret);

	return !err && ret->state == PROC_EXITED ? -ESRCH : err;
}

int model_proc_by_pid(struct model *m, pid_t pid)
{
	int found = -ENOENT;

	pthread_rwlock_rdlock(&m->lock);
	for (unsigned k = m->n_kept; k > 0 && found < 0; k--) {
		if (m->procs[m->kept[k - 1]]->info.pid == pid)
			found = m->kept[k - 1];
	}
	pthread_rwlock_unlock(&m->lock);
	return found;
}

int model_pid_of(void *model, unsigned proc)
{
	struct model *m = model;

	return proc < MODEL_PROCS_MAX ? atomic_load_explicit(&m->pids[proc], memory_order_relaxed)
				      : 0;
}
