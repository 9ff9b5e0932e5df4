/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One goroutine's life: created or found, its states and the time spent in each, its end and, for a
 * C thread's goroutine, its return. Tolerant of gaps: an event's `to` is taken for the state, and
 * time is counted only where what we knew agrees with what the event says.
 * Runs on the thread that has the shard, or under the write lock.
 */
#include <string.h>

#include "core/model/model_internal.h"

#define GOROUTINES_MAX (1u << 22) /* of all processes, retained ones that exited included */

/* Go src/runtime/traceback.go isSystemGoroutine(), by the start function's name. */
static bool is_system_function(const char *name)
{
	return strncmp(name, "runtime.", 8) == 0 && strcmp(name, "runtime.main") != 0 &&
	       strcmp(name, "runtime.handleAsyncEvent") != 0 &&
	       strcmp(name, "runtime.corostart") != 0;
}

void record_set_start(struct model *m, struct record *g, uint32_t start_func_id,
		      uint32_t created_site_id)
{
	if (created_site_id)
		g->created_site_id = created_site_id;
	if (!start_func_id || start_func_id == g->start_func_id)
		return;
	g->start_func_id = start_func_id;
	if (is_system_function(names_string(m->config.names, start_func_id)))
		g->flags |= GOROUTINE_SYSTEM;
}

struct record *record_new(struct model *m, struct shard *s, unsigned proc, uint64_t goid,
			  uint64_t time_ns, bool found)
{
	struct shard_proc *sp = s->procs[proc];
	struct record *g = NULL;

	/* A target can make up goroutines faster than they can be forgotten. */
	if (s->used < GOROUTINES_MAX / m->n_shards)
		g = shard_add(s, proc, goid);
	if (!g) {
		s->dropped_goroutines++;
		return NULL;
	}
	g->epoch = m->procs[proc]->epoch;
	g->created_ns = g->state_since_ns = g->last_event_ns = time_ns;
	g->state = GSTATE_RUNNING;
	g->flags = GOROUTINE_STATE_UNKNOWN;
	if (found)
		g->flags |= GOROUTINE_FOUND;
	else
		sp->created++;
	sp->live[GSTATES]++;
	return g;
}

void record_note_creation(struct shard_proc *sp, struct record *g, uint64_t time_ns)
{
	if (!(g->flags & GOROUTINE_FOUND) || time_ns > g->created_ns)
		return;
	g->flags &= (uint16_t)~GOROUTINE_FOUND;
	g->created_ns = time_ns;
	sp->created++;
}

void record_set_state(struct shard_proc *sp, struct record *g, uint8_t state, uint64_t time_ns)
{
	sp->live[record_live_slot(g)]--;
	g->state = state;
	g->state_since_ns = time_ns;
	g->flags &= (uint16_t)~GOROUTINE_STATE_UNKNOWN;
	g->marks &= (uint8_t)~MARK_STATE_HEALED;
	sp->live[state]++;
}

void record_set_unknown(struct shard_proc *sp, struct record *g)
{
	sp->live[record_live_slot(g)]--;
	g->flags |= GOROUTINE_STATE_UNKNOWN;
	g->marks &= (uint8_t)~MARK_STATE_HEALED;
	sp->live[GSTATES]++;
}

static void note_change(struct shard *s, struct record *g, size_t position)
{
	s->changes[s->n_changes++] = (struct change){.position = position, .record = g};
}

void record_exit(struct shard *s, struct record *g, uint8_t state, uint64_t time_ns,
		 size_t position)
{
	struct shard_proc *sp = s->procs[g->proc];

	if (record_exited(g))
		return;
	sp->live[record_live_slot(g)]--;
	sp->exited++;
	if (!(g->flags & GOROUTINE_STATE_UNKNOWN) && time_ns > g->state_since_ns &&
	    (g->state == GSTATE_RUNNING || g->state == GSTATE_SYSCALL))
		g->state_ns[g->state] += time_ns - g->state_since_ns;
	g->flags |= GOROUTINE_EXITED;
	g->flags &= (uint16_t)~GOROUTINE_STATE_UNKNOWN;
	g->state = state;
	g->state_since_ns = g->exited_ns = time_ns;
	note_change(s, g, position);
}

void record_revive(struct shard *s, struct record *g, uint8_t state, uint64_t time_ns,
		   size_t position)
{
	struct shard_proc *sp = s->procs[g->proc];

	g->flags &= (uint16_t)~GOROUTINE_EXITED;
	/* An exit that did not happen was no end, and this is no beginning. */
	if (g->marks & MARK_EXIT_INFERRED)
		sp->exited--;
	else
		sp->created++;
	g->marks &= (uint8_t) ~(MARK_EXIT_INFERRED | MARK_STATE_HEALED);
	g->exited_ns = 0;
	g->state = state;
	g->state_since_ns = time_ns;
	sp->live[state]++;
	note_change(s, g, position);
}

/* A goroutine runs while its stack is copied (running -> copystack -> running, newstack()). */
static uint8_t stack_copy_runs(uint8_t state)
{
	return state == GSTATE_COPYSTACK ? GSTATE_RUNNING : state;
}

/*
 * Transitions that pass no casgstatus (docs/go_runtime.md): a running goroutine that is stopped
 * for a stack scan is waiting when next seen, and so is a leaked one that was found again. The time
 * counts for the state we saw.
 */
static bool known_gap(uint8_t have, uint8_t from)
{
	return from == GSTATE_WAITING && (have == GSTATE_RUNNING || have == GSTATE_LEAKED);
}

static void count_runnable(struct shard_proc *sp, struct record *g, uint64_t stay_ns)
{
	unsigned bucket = 63 - (unsigned)__builtin_clzll(stay_ns | 1);

	sp->runnable_latency[MIN(bucket, LATENCY_BUCKETS - 1u)]++;
	sp->runnable_sum_ns += stay_ns;
	g->runnable_count++;
	g->runnable_sum_ns += stay_ns;
	g->runnable_max_ns = MAX(g->runnable_max_ns, stay_ns);
}

static void change_state(struct shard_proc *sp, struct record *g, const struct event *ev,
			 uint8_t from, uint8_t to)
{
	bool unknown = g->flags & GOROUTINE_STATE_UNKNOWN;

	if (!unknown && (g->state == from || known_gap(g->state, from))) {
		uint64_t stay =
			ev->time_ns > g->state_since_ns ? ev->time_ns - g->state_since_ns : 0;

		g->state_ns[g->state] += stay;
		if (from == GSTATE_RUNNABLE && to == GSTATE_RUNNING)
			count_runnable(sp, g, stay);
	} else if (!unknown) {
		g->flags |= GOROUTINE_UNCERTAIN;
	}
	record_set_state(sp, g, to, ev->time_ns);
}

/* A stack copied while it runs, or a system call told of by its site and by casgstatus. */
static bool is_repeat(const struct record *g, uint8_t from, uint8_t to)
{
	bool call = (from == GSTATE_RUNNING || from == GSTATE_SYSCALL) &&
		    (to == GSTATE_RUNNING || to == GSTATE_SYSCALL);

	return !(g->flags & GOROUTINE_STATE_UNKNOWN) && g->state == to && (from == to || call);
}

/* Before the state changes: who woke it, and what it had waited for. */
static void note_wait(struct record *g, struct event *ev, uint8_t from, uint8_t to)
{
	if (from == GSTATE_WAITING) {
		if (!(g->flags & GOROUTINE_STATE_UNKNOWN) && g->state == GSTATE_WAITING)
			ev->string_id = g->reason_id;
		if (to == GSTATE_RUNNABLE)
			g->woken_by = ev->goid == ev->target ? 0 : ev->goid;
	}
	if (to == GSTATE_WAITING)
		g->reason_id = ev->string_id;
}

/* True when the goroutine is alive after all and the event may change its state. */
static bool alive_for(struct shard *s, struct record *g, const struct event *ev, uint8_t from,
		      uint8_t to, size_t position)
{
	if (!record_exited(g))
		return true;
	if (ev->time_ns < g->exited_ns)
		return false; /* told late */
	if (!gstate_is_creation(from, to))
		g->flags |= GOROUTINE_UNCERTAIN;
	record_revive(s, g, to, ev->time_ns, position);
	if (ev->flags & EVENT_HIDDEN)
		record_set_unknown(s->procs[g->proc], g);
	return false;
}

void record_apply_state(struct model *m, struct shard *s, struct record *g, struct event *ev,
			size_t position)
{
	struct shard_proc *sp = s->procs[g->proc];
	uint8_t from = stack_copy_runs(ev->from), to = stack_copy_runs(ev->to);

	if (to == GSTATE_IDLE || from == GSTATE_IDLE)
		return; /* a g structure being made: its goid is not set yet (malg, oneNewExtraM) */
	if (to == GSTATE_DEAD || to == GSTATE_DEADEXTRA) {
		if (!gstate_is_exit(from, to))
			g->flags |= GOROUTINE_UNCERTAIN;
		record_exit(s, g, to, ev->time_ns, position);
		return;
	}
	note_wait(g, ev, from, to);
	if (!alive_for(s, g, ev, from, to, position))
		return;
	if (g->marks & MARK_STATE_HEALED && ev->time_ns < g->state_since_ns)
		return; /* from before its memory was read */
	if (gstate_is_creation(from, to)) {
		/* Its newgoroutine event came first, or a late one of a goroutine found before. */
		record_set_state(sp, g, to, ev->time_ns);
	} else if (!is_repeat(g, from, to)) {
		change_state(sp, g, ev, from, to);
	}
	/* With state changes not sampled, this is the last we hear of its state. */
	if (ev->flags & EVENT_HIDDEN)
		record_set_unknown(sp, g);
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
	g->marks &= (uint8_t)~MARK_IN_EXITED;
	m->n_exited--;
	m->procs[g->proc]->exited_retained--;
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
	g->marks |= MARK_IN_EXITED;
	m->n_exited++;
	m->procs[g->proc]->exited_retained++;
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

void model_settle_exits(struct model *m)
{
	size_t at[SHARDS_MAX] = {0};
	struct shard *s;

	while ((s = next_change(m, at))) {
		struct record *g = s->changes[at[s - m->shards] - 1].record;

		if (g->marks & MARK_IN_EXITED)
			exited_unlink(m, g);
		if (record_exited(g))
			exited_append(m, g);
	}
	for (unsigned i = 0; i < m->n_shards; i++)
		m->shards[i].n_changes = 0;
	if (m->n_exited <= m->config.retain_exited)
		return;
	while (m->n_exited > m->config.retain_exited) {
		struct record *g = m->oldest_exited;

		exited_unlink(m, g);
		m->procs[g->proc]->exited_dropped++;
		shard_remove(&m->shards[shard_of(m, g->proc, g->goid)], g);
	}
	for (unsigned i = 0; i < m->n_shards; i++)
		shard_shrink(&m->shards[i]);
}
