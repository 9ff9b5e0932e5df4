/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The second step of an event's way (model_internal.h): records change by what walk.c says that the
 * event means, and what is counted of them with it. No rule about states is here.
 * Runs on the thread that has the shard, or under the write lock.
 */
#include <string.h>

#include "core/model/model_internal.h"

/* Beyond those that are retained, between a reading and its use (model_keep_exits()). */
#define EXITS_KEPT 65536

/* Go src/runtime/traceback.go isSystemGoroutine(), by the start function's name. */
static bool is_system_function(const char *name)
{
	return strncmp(name, "runtime.", 8) == 0 && strcmp(name, "runtime.main") != 0 &&
	       strcmp(name, "runtime.handleAsyncEvent") != 0 &&
	       strcmp(name, "runtime.corostart") != 0;
}

void record_set_start(struct model *m, struct shard *s, struct record *g, uint32_t start_func_id,
		      uint32_t created_site_id)
{
	if (created_site_id)
		g->created_site_id = created_site_id;
	if (!start_func_id || start_func_id == g->start_func_id)
		return;
	functions_move(&s->procs[g->proc]->functions, g, start_func_id);
	g->start_func_id = start_func_id;
	if (is_system_function(names_string(m->config.names, start_func_id)))
		g->life.flags |= GOROUTINE_SYSTEM;
}

/* A loss is told before all events are that are older than it; and of what was found after one,
 * events may be among the lost. */
static bool record_misses_some(const struct proc *p, const struct life *life)
{
	return p->lost_ns && (life->flags & GOROUTINE_FOUND || life->since_ns <= p->lost_ns);
}

static void count_created(struct shard_proc *sp, const struct record *g, unsigned flags)
{
	functions_count(&sp->functions, g->start_func_id, 0, 1, 0);
	sp->created++;
	sp->created_by_threads += !!(flags & GOROUTINE_CGO);
}

struct record *record_new(struct model *m, struct shard *s, unsigned proc, uint64_t goid,
			  const struct meaning *meaning)
{
	struct shard_proc *sp = s->procs[proc];
	const struct life *life = &meaning->life;
	struct record *g = NULL;

	/* A target can make up goroutines faster than they can be forgotten. */
	if (s->used < m->config.goroutines_max / m->n_shards)
		g = shard_add(s, proc, goid);
	if (!g) {
		s->dropped_goroutines++;
		return NULL;
	}
	sp->goid_most = MAX(sp->goid_most, goid);
	g->epoch = m->procs[proc]->epoch - record_misses_some(m->procs[proc], life);
	g->created_ns = g->last_event_ns = life->since_ns;
	/* As it appeared; what it became since, record_follow() sees to. */
	g->life = (struct life){.since_ns = life->since_ns,
				.flags = LIFE_SEEN | GOROUTINE_STATE_UNKNOWN};
	if (!(life->flags & GOROUTINE_FOUND))
		count_created(sp, g, life->flags);
	functions_count(&sp->functions, 0, 1, 0, 0);
	sp->live[GSTATES]++;
	return g;
}

uint64_t record_began(const struct record *g, uint16_t *ret_flags)
{
	const struct life *l = &g->life;
	uint64_t began = g->began_ns;

	*ret_flags = life_known(l) && l->flags & GOROUTINE_STATE_READ ? GOROUTINE_AT_LEAST : 0;
	/* Only while it is in the state of which that was said. */
	if (!began || g->began_of_ns != l->since_ns || !life_known(l) ||
	    !(l->flags & GOROUTINE_STATE_READ || gstate_waits(l->state)))
		return l->since_ns;
	*ret_flags = g->began_flags;
	/* It did something since: an event that was told late, of before its memory was read. */
	if (g->began_flags && g->last_event_ns < l->since_ns)
		began = MAX(began, g->last_event_ns);
	if (!(l->flags & GOROUTINE_FOUND))
		began = MAX(began, g->created_ns);
	return MIN(began, l->since_ns);
}

static void set_began(struct record *g, uint64_t began_ns, uint16_t flags)
{
	g->began_ns = began_ns;
	g->began_of_ns = g->life.since_ns;
	g->began_flags = flags;
}

void record_note_began(struct record *g, uint64_t began_ns)
{
	if (life_known(&g->life) && g->life.flags & GOROUTINE_STATE_READ && began_ns &&
	    began_ns < g->life.since_ns && g->began_of_ns != g->life.since_ns)
		set_began(g, began_ns, GOROUTINE_ABOUT);
}

void record_note_lasts(struct record *g, uint64_t began_ns)
{
	uint16_t flags;
	uint64_t known_ns = record_began(g, &flags);

	if (life_known(&g->life) && known_ns < g->life.since_ns)
		set_began(g, MAX(began_ns, known_ns), GOROUTINE_ABOUT);
}

void record_note_creation(struct shard_proc *sp, struct record *g, uint64_t time_ns)
{
	/* One that memory had may have been made while that was read, after it was begun. But a C
	 * thread's has the same number each time it comes in. */
	if (!(g->life.flags & GOROUTINE_FOUND) ||
	    (time_ns > g->created_ns && g->life.flags & GOROUTINE_CGO))
		return;
	g->life.flags &= (uint16_t)~GOROUTINE_FOUND;
	g->created_ns = time_ns;
	count_created(sp, g, g->life.flags);
}

static void note_change(struct shard *s, struct record *g, size_t position)
{
	s->changes[s->n_changes++] = (struct change){.position = position, .record = g};
}

static void count_runnable(struct shard_proc *sp, struct record *g, uint64_t stay_ns)
{
	unsigned bucket = 63 - (unsigned)__builtin_clzll(stay_ns | 1);

	sp->runnable_latency[MIN(bucket, LATENCY_BUCKETS - 1u)]++;
	sp->runnable_sum_ns += stay_ns;
	sp->runnable_max_ns = MAX(sp->runnable_max_ns, stay_ns);
	g->runnable_count++;
	g->runnable_max_ns = MAX(g->runnable_max_ns, stay_ns);
}

/* The state before is over; it was not idle, nor not there. */
static void leave_state(struct shard_proc *sp, struct record *g, const struct meaning *m)
{
	uint64_t stay = meaning_stay(&g->life, m);

	sp->live[life_state(&g->life)]--;
	if (stay)
		*record_state_ns(g, g->life.state) += stay;
	if (m->means & MEANS_LATENCY)
		count_runnable(sp, g, stay);
	/* Where a change was missed its latency may be of another state's time: record_latency().
	 */
	if (g->life.state == GSTATE_RUNNABLE)
		g->runnable_other_ns += stay;
	if (m->means & MEANS_LATENCY)
		g->runnable_other_ns -= stay;
}

static void change_exited(struct shard *s, struct record *g, const struct meaning *m,
			  size_t position)
{
	struct shard_proc *sp = s->procs[g->proc];

	if (m->means & MEANS_EXITED) {
		sp->exited++;
		g->exited_ns = m->life.since_ns;
		functions_count(&sp->functions, g->start_func_id, -1, 0, 1);
		functions_exited(&sp->functions, g, g->exited_ns);
	} else {
		/* An exit that did not happen was no end, and this is no beginning. */
		if (g->life.flags & GOROUTINE_EXIT_READ)
			sp->exited--;
		else
			count_created(sp, g, m->life.flags);
		functions_count(&sp->functions, g->start_func_id, 1, 0,
				g->life.flags & GOROUTINE_EXIT_READ ? -1 : 0);
		g->exited_ns = 0;
	}
	note_change(s, g, position);
}

void record_follow(struct shard *s, struct record *g, const struct meaning *m, size_t position)
{
	struct shard_proc *sp = s->procs[g->proc];
	bool waits_on = m->means & MEANS_WAITS_ON;
	uint16_t began_flags = 0;
	uint64_t began = waits_on ? record_began(g, &began_flags) : 0;

	if (m->means & (MEANS_STATE | MEANS_EXITED)) {
		if (!record_exited(g))
			leave_state(sp, g, m);
		if (m->means & (MEANS_EXITED | MEANS_REVIVED))
			change_exited(s, g, m, position);
		if (!(m->means & MEANS_EXITED))
			sp->live[life_state(&m->life)]++;
	}
	if (m->means & MEANS_WOKEN)
		g->woken_by = m->woken_by;
	/* One by one: a wide load of what was just stored in parts would wait for the stores. */
	g->life.since_ns = m->life.since_ns;
	g->life.reason_id = m->life.reason_id;
	g->life.flags = m->life.flags;
	g->life.state = m->life.state;
	g->life.before = m->life.before;
	g->life.ran_ns = m->life.ran_ns;
	if (waits_on)
		set_began(g, began, began_flags);
}

void record_move(struct shard_proc *sp, struct record *g, struct event *ev)
{
	struct life *l = &g->life;
	uint64_t stay = ev->time_ns - l->since_ns;

	sp->live[ev->from]--;
	sp->live[ev->to]++;
	g->state_ns[ev->from - GSTATE_RUNNABLE] += stay;
	if (ev->from == GSTATE_RUNNABLE) {
		if (ev->to == GSTATE_RUNNING)
			count_runnable(sp, g, stay);
		else
			g->runnable_other_ns += stay;
	}
	if (event_is_wake(ev))
		g->woken_by = ev->goid == ev->target ? 0 : ev->goid;
	if (ev->to == GSTATE_WAITING)
		l->reason_id = ev->string_id;
	else if (ev->from == GSTATE_WAITING)
		ev->string_id = l->reason_id;
	l->since_ns = ev->time_ns;
	l->state = ev->to;
	l->before = ev->from;
}

void record_follow_on(struct shard *s, struct record *g, const struct meaning *m)
{
	uint16_t flags;
	uint64_t began = record_began(g, &flags);

	record_follow(s, g, m, 0);
	set_began(g, began, flags);
}

static void exited_unlink(struct model *m, struct record *g)
{
	if (g->older)
		g->older->newer = g->newer;
	else
		m->oldest_exited = g->newer;
	if (g->newer)
		g->newer->older = g->older;
	else
		m->newest_exited = g->older;
	g->older = g->newer = NULL;
	g->in_exited = false;
	m->n_exited--;
	m->procs[g->proc]->exited_retained--;
}

void record_forget(struct model *m, struct record *g)
{
	if (g->in_exited)
		exited_unlink(m, g);
	else if (g->last_of)
		m->procs[g->proc]->exited_retained--;
	last_ended_remove(m, g);
}

static void exited_append(struct model *m, struct record *g)
{
	g->older = m->newest_exited;
	g->newer = NULL;
	if (g->older)
		g->older->newer = g;
	else
		m->oldest_exited = g;
	m->newest_exited = g;
	g->in_exited = true;
	m->n_exited++;
	m->procs[g->proc]->exited_retained++;
}

/* Not kept any more, for whatever reason it was. */
static void exited_drop(struct model *m, struct record *g)
{
	struct proc *p = m->procs[g->proc];
	struct shard *s = &m->shards[shard_of(m, g->proc, g->goid)];

	p->exited_dropped++;
	p->exited_dropped_ns = MAX(p->exited_dropped_ns, g->exited_ns);
	functions_dropped(&s->procs[g->proc]->functions, g);
	shard_remove(s, g);
}

/* It ended: the last of its start function, instead of the one that was. That one is dropped with
 * the oldest, once all changes are settled: it may have one itself, and even live again. */
static void note_last(struct model *m, struct record *g)
{
	struct record *old = last_ended_put(m, g);

	if (old && !old->in_exited) {
		old->newer = m->oldest_exited;
		if (old->newer)
			old->newer->older = old;
		else
			m->newest_exited = old;
		m->oldest_exited = old;
		old->in_exited = true;
		m->n_exited++; /* its process has counted it all the time */
	}
}

/* The shard whose next change is earliest, or NULL. */
static struct shard *next_change(struct model *m, size_t at[SHARDS_MAX])
{
	unsigned best = SHARDS_MAX;

	for (unsigned i = 0; i < m->n_shards; i++) {
		const struct shard *s = &m->shards[i];

		if (at[i] == s->n_changes)
			continue;
		if (best == SHARDS_MAX ||
		    s->changes[at[i]].position < m->shards[best].changes[at[best]].position)
			best = i;
	}
	if (best == SHARDS_MAX)
		return NULL;
	at[best]++;
	return &m->shards[best];
}

/* The oldest is about to be dropped, and then the next: long ago since anybody looked at them. */
FETCHES void fetch_oldest(const struct model *m)
{
	const struct record *next = m->oldest_exited ? m->oldest_exited->newer : NULL;

	if (!next)
		return;
	shard_fetch_slot(&m->shards[shard_of(m, next->proc, next->goid)],
			 (uint32_t)hash_goroutine(next->proc, next->goid));
	if (next->newer) {
		record_fetch(next->newer, 0, 4);
		record_fetch(next->newer, 6, 7);
	}
}

void model_settle_exits(struct model *m)
{
	size_t retain = m->config.retain_exited + (m->keeps_exits ? EXITS_KEPT : 0);
	size_t at[SHARDS_MAX] = {0};
	struct shard *s;

	while ((s = next_change(m, at))) {
		struct record *g = s->changes[at[s - m->shards] - 1].record;

		record_forget(m, g);
		if (record_exited(g)) {
			exited_append(m, g);
			note_last(m, g);
		}
	}
	for (unsigned i = 0; i < m->n_shards; i++)
		m->shards[i].n_changes = 0;
	if (m->n_exited <= retain)
		return;
	while (m->n_exited > retain) {
		struct record *g = m->oldest_exited;

		fetch_oldest(m);
		exited_unlink(m, g);
		if (g->last_of)
			m->procs[g->proc]->exited_retained++;
		else
			exited_drop(m, g);
	}
	fetch_oldest(m);
	for (unsigned i = 0; i < m->n_shards; i++)
		shard_shrink(&m->shards[i]);
}
