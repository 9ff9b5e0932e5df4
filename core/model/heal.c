/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Bringing the model in line with a reading of the target's memory (model_heal()): goroutines that
 * were there before us, states after a loss, ends we did not see. An event newer than the reading
 * stands. Runs on whichever thread read the memory; takes the locks of an apply.
 */
#include "core/model/model_internal.h"

static bool is_live_state(uint8_t state)
{
	return state != GSTATE_IDLE && state != GSTATE_DEAD && state != GSTATE_DEADEXTRA &&
	       state < GSTATES;
}

static void fill_in(struct model *m, struct record *g, const struct goroutine_seen *seen)
{
	if (g->parent == 0 && seen->parent != g->goid)
		g->parent = seen->parent;
	record_set_start(m, g, g->start_func_id ? 0 : seen->start_func_id,
			 g->created_site_id ? 0 : seen->created_site_id);
	if (seen->system)
		g->flags |= GOROUTINE_SYSTEM;
}

static void heal_state(struct shard_proc *sp, struct record *g, const struct goroutine_seen *seen,
		       uint8_t state, uint64_t time_ns)
{
	bool unknown = g->flags & GOROUTINE_STATE_UNKNOWN;

	if (unknown || g->state != state) {
		/* Of one whose state was never known, nothing was wrong. */
		if (!unknown)
			g->flags |= GOROUTINE_UNCERTAIN;
		if (!unknown)
			sp->healed++;
		record_set_state(sp, g, state, time_ns);
		g->marks |= MARK_STATE_HEALED;
	} else if (g->reason_id == seen->reason_id || state != GSTATE_WAITING) {
		return;
	}
	if (state == GSTATE_WAITING)
		g->reason_id = seen->reason_id;
}

static void heal_one(struct model *m, unsigned proc, const struct goroutine_seen *seen,
		     uint64_t time_ns)
{
	struct shard *s = &m->shards[shard_of(m, proc, seen->goid)];
	struct record *g = shard_find(s, proc, seen->goid);
	uint8_t state = seen->state == GSTATE_COPYSTACK ? GSTATE_RUNNING : seen->state;

	if (!is_live_state(state))
		return; /* a dead g keeps the goid it had: as good as not seen */
	if (!g) {
		g = record_new(m, s, proc, seen->goid, time_ns, true);
		if (!g)
			return;
	}
	g->heal_round = m->heal_round;
	fill_in(m, g, seen);
	if (record_exited(g)) {
		/* Only an end that no event told of, or a C thread's, can be taken back. */
		if (g->exited_ns >= time_ns ||
		    !(g->marks & MARK_EXIT_INFERRED || g->flags & GOROUTINE_CGO))
			return;
		record_revive(s, g, state, time_ns, 0);
		s->procs[proc]->healed++;
		g->marks |= MARK_STATE_HEALED;
		g->flags |= GOROUTINE_UNCERTAIN;
		if (state == GSTATE_WAITING)
			g->reason_id = seen->reason_id;
		return;
	}
	if (g->state_since_ns > time_ns)
		return;
	/* What it did since says that it ran then, not in which state it is. */
	if (g->flags & GOROUTINE_STATE_UNKNOWN && g->last_event_ns > time_ns)
		return;
	heal_state(s->procs[proc], g, seen, state, time_ns);
}

/* Ends those of the process that a complete reading does not have. */
static void end_missing(struct model *m, struct shard *s, unsigned proc, uint64_t time_ns)
{
	for (uint32_t i = 0; i < shard_numbers(s); i++) {
		struct record *g = shard_used_record(s, i);

		if (!g || g->proc != proc || record_exited(g) || g->heal_round == m->heal_round ||
		    g->last_event_ns > time_ns || g->created_ns > time_ns)
			continue;
		g->flags |= GOROUTINE_UNCERTAIN;
		g->marks |= MARK_EXIT_INFERRED;
		s->procs[proc]->healed++;
		record_exit(s, g, GSTATE_DEAD, time_ns, 0);
		/* The list of changes is sized for a batch. */
		if (s->n_changes == BATCH_SMALL)
			model_settle_exits(m);
	}
}

void model_heal(struct model *m, unsigned proc, const struct goroutine_seen *seen, size_t n,
		uint64_t time_ns, bool complete)
{
	pthread_mutex_lock(&m->apply_lock);
	pthread_rwlock_wrlock(&m->lock);
	if (proc >= m->n_procs)
		goto unlock;
	m->heal_round++;
	for (size_t i = 0; i < n; i++) {
		if (seen[i].goid)
			heal_one(m, proc, &seen[i], time_ns);
		if (i % BATCH_SMALL == BATCH_SMALL - 1)
			model_settle_exits(m);
	}
	model_settle_exits(m);
	for (unsigned i = 0; complete && i < m->n_shards; i++) {
		end_missing(m, &m->shards[i], proc, time_ns);
		model_settle_exits(m);
	}
unlock:
	pthread_rwlock_unlock(&m->lock);
	pthread_mutex_unlock(&m->apply_lock);
}
