/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Bringing the model in line with a reading of the target's memory (model_heal()): goroutines that
 * were there before us, states after a loss, ends we did not see. An event newer than the reading
 * stands; and the end of all of them, when their process executes something else. Runs on whichever
 * thread read the memory; takes the locks of an apply.
 */
#include <string.h>

#include "core/base/text.h"
#include "core/model/model_internal.h"

static void fill_in(struct model *m, struct shard *s, struct record *g,
		    const struct goroutine_seen *seen)
{
	if (g->parent == 0 && seen->parent != g->goid)
		g->parent = seen->parent;
	record_set_start(m, s, g, g->start_func_id ? 0 : seen->start_func_id,
			 g->created_site_id ? 0 : seen->created_site_id);
	if (seen->system)
		g->life.flags |= GOROUTINE_SYSTEM;
}

/* Until when it was in another state than it is read in: what it waits for began later. */
static uint64_t heard_of(const struct record *g)
{
	if (!g)
		return 0;
	return MAX(life_known(&g->life) ? g->life.since_ns : g->last_event_ns, g->life.ran_ns);
}

static void note_began(struct record *g, const struct goroutine_seen *seen, uint64_t heard_ns)
{
	if (seen->began_ns)
		record_note_began(g, MAX(seen->began_ns, heard_ns));
}

/* `same`: it is in the state it was in. What was different, because nobody watched, was not wrong.
 */
static void follow_reading(struct shard *s, struct record *g, const struct meaning *m, bool same,
			   bool stayed)
{
	if (same && m->means) {
		if (stayed)
			record_follow_on(s, g, m);
		else
			record_follow(s, g, m, 0);
		return;
	}
	if (!(g->life.flags & GOROUTINE_GAP))
		s->procs[g->proc]->healed += m->means & MEANS_REVIVED ||
					     (m->means & MEANS_STATE && life_known(&g->life));
	record_follow(s, g, m, 0);
}

/* Was it begun while no probe was in? */
static bool is_blind(const struct model *m, uint64_t time_ns)
{
	return m->off_ns || time_ns < m->on_ns;
}

/* The same state twice, and nobody watched: one stay only where the runtime says so. It sets
 * g.waitsince once, when a collection meets who waits or is in a system call, and takes it back
 * when that is over; and who waits another time is at another turn. A state that was read had its
 * turn read with it. */
static bool has_stayed(const struct record *g, const struct goroutine_seen *seen)
{
	if (seen->began_ns && seen->began_ns <= g->life.since_ns)
		return true;
	return seen->turn && seen->turn == g->turn && gstate_waits(seen->state) &&
	       g->life.flags & GOROUTINE_STATE_READ;
}

/* It is read in the state it was in. */
static void see_again(struct record *g, bool blind, bool stayed, uint64_t began_ns,
		      uint64_t time_ns, struct meaning *ret)
{
	struct life read = ret->life;

	if (!(g->life.flags & GOROUTINE_GAP)) {
		*ret = (struct meaning){.life = g->life}; /* events would have told */
		return;
	}
	if (stayed && began_ns)
		record_note_lasts(g, began_ns);
	if (!blind)
		walk_watched(&read, time_ns, ret);
	else if (!stayed)
		walk_seen_again(&read, time_ns, ret);
}

/* false: whether it is still there is not known. */
static bool heal_one(struct model *m, unsigned proc, const struct goroutine_seen *seen,
		     uint64_t time_ns)
{
	static const struct life nothing;
	struct shard *s = &m->shards[shard_of(m, proc, seen->goid)];
	struct record *g = shard_find(s, proc, seen->goid);
	uint64_t heard_ns = heard_of(g);
	bool blind = is_blind(m, time_ns), same, stayed;
	struct meaning meaning;

	walk_read(g ? &g->life : &nothing, seen, time_ns, &meaning);
	same = g && !meaning.means && walk_is_live(seen->state) &&
	       life_state(&g->life) == walk_fold(seen->state);
	stayed = same && has_stayed(g, seen);
	if (same)
		see_again(g, blind, stayed, seen->began_ns, time_ns, &meaning);
	else if (blind && meaning.means)
		meaning.life.flags |= GOROUTINE_GAP;
	if (!g && meaning.means & MEANS_APPEARED) {
		/* It may have ended since, and been dropped. */
		if (m->procs[proc]->exited_dropped_ns > time_ns)
			return false;
		g = record_new(m, s, proc, seen->goid, &meaning);
	}
	if (g && seen->state == GSTATES) {
		g->heal_round = m->heal_round;
		if (meaning.means)
			record_follow(s, g, &meaning, 0);
		fill_in(m, s, g, seen);
	}
	if (!g || !walk_is_live(seen->state))
		return true;
	g->heal_round = m->heal_round;
	/* What it did since says that it ran then, not in which state it is. */
	if (!(g->life.flags & GOROUTINE_STATE_UNKNOWN) || g->last_event_ns <= time_ns ||
	    walk_runs_still(&g->life, walk_fold(seen->state), time_ns)) {
		follow_reading(s, g, &meaning, same, stayed);
		if (meaning.means & MEANS_STATE && !stayed)
			note_began(g, seen, heard_ns);
	}
	g->turn = seen->turn;
	fill_in(m, s, g, seen);
	return true;
}

/* It is gone: when it was there for the last time, by a reading or by what it did. */
static void note_seen(const struct model *m, struct record *g)
{
	const struct proc *p = m->procs[g->proc];
	uint64_t last_ns = MAX(MAX(g->life.since_ns, g->life.ran_ns), g->last_event_ns);

	g->began_ns =
		p->read_ns && g->heal_round == p->read_round ? MAX(last_ns, p->read_ns) : last_ns;
	g->began_of_ns = 0;
}

/* Those of the process that a reading does not have: `complete` ends them, else their states are
 * not known. */
static void see_missing(struct model *m, struct shard *s, unsigned proc, uint64_t time_ns,
			bool complete)
{
	for (uint32_t i = 0; i < shard_numbers(s); i++) {
		struct record *g = shard_used_record(s, i);
		struct meaning meaning;

		if (!g || g->proc != proc || g->heal_round == m->heal_round ||
		    g->last_event_ns > time_ns || g->created_ns > time_ns)
			continue;
		if (complete)
			walk_missing(&g->life, time_ns, &meaning);
		else
			walk_lost(&g->life, time_ns, &meaning);
		s->procs[proc]->healed +=
			meaning.means & MEANS_EXITED && !(g->life.flags & GOROUTINE_GAP);
		if (meaning.means & MEANS_EXITED)
			note_seen(m, g);
		record_follow(s, g, &meaning, 0);
		/* The list of changes is sized for a batch. */
		if (s->n_changes == BATCH_SMALL)
			model_settle_exits(m);
	}
}

/* All that live have their last certain moment at off_ns, if they have not had it. */
static void leave_unwatched(struct model *m, struct shard *s, uint64_t off_ns)
{
	for (uint32_t i = 0; i < shard_numbers(s); i++) {
		struct record *g = shard_used_record(s, i);
		struct meaning meaning;

		if (!g || m->procs[g->proc]->info.state == PROC_EXITED)
			continue;
		g->turn = 0; /* events came since */
		walk_unwatched(&g->life, off_ns, &meaning);
		record_follow_on(s, g, &meaning);
	}
}

/* Nobody watched until `time_ns`: what is known of each that was there misses something. */
static void miss_until(struct model *m, uint64_t time_ns, bool doubt)
{
	for (unsigned k = 0; k < m->n_kept; k++) {
		struct proc *p = m->procs[m->kept[k]];

		if (p->info.state == PROC_EXITED)
			continue;
		p->epoch++;
		p->lost_ns = MAX(p->lost_ns, time_ns);
		if (doubt)
			p->doubt_ns = MAX(p->doubt_ns, time_ns);
	}
}

/* For who follows events: event_switch(). */
static void say_switch(struct model *m, uint64_t types, uint64_t time_ns)
{
	const struct event ev = {.type = EVENT_LOST,
				 .time_ns = time_ns,
				 .proc = EVENT_PROC_NONE,
				 .lost_by_type = types};

	model_append(m, &ev);
}

void model_unwatch(struct model *m, uint64_t off_ns, bool doubt)
{
	pthread_mutex_lock(&m->apply_lock);
	pthread_rwlock_wrlock(&m->lock);
	for (unsigned i = 0; !m->off_ns && i < m->n_shards; i++)
		leave_unwatched(m, &m->shards[i], off_ns);
	if (!m->off_ns) {
		m->off_ns = off_ns;
		say_switch(m, EVENT_ALL_TYPES, off_ns);
	}
	miss_until(m, off_ns, doubt);
	pthread_rwlock_unlock(&m->lock);
	pthread_mutex_unlock(&m->apply_lock);
	feed_notify(m->feed);
}

void model_watch(struct model *m, uint64_t on_ns, bool doubt)
{
	pthread_mutex_lock(&m->apply_lock);
	pthread_rwlock_wrlock(&m->lock);
	if (m->off_ns) {
		/* What events told after it, of before the last probe went. */
		for (unsigned i = 0; i < m->n_shards; i++)
			leave_unwatched(m, &m->shards[i], m->off_ns);
		miss_until(m, on_ns, doubt);
		m->off_ns = 0;
		m->on_ns = on_ns;
		say_switch(m, 0, on_ns);
	}
	pthread_rwlock_unlock(&m->lock);
	pthread_mutex_unlock(&m->apply_lock);
	feed_notify(m->feed);
}

/* Ends all of the process. */
static void end_all(struct model *m, struct shard *s, unsigned proc, uint64_t time_ns)
{
	for (uint32_t i = 0; i < shard_numbers(s); i++) {
		struct record *g = shard_used_record(s, i);
		struct meaning meaning;

		if (!g || g->proc != proc)
			continue;
		walk_execed(&g->life, time_ns, &meaning);
		record_follow(s, g, &meaning, 0);
		if (s->n_changes == BATCH_SMALL)
			model_settle_exits(m);
	}
	model_settle_exits(m);
}

void model_proc_execed(struct model *m, unsigned proc, const char *path, uint64_t time_ns)
{
	struct proc_info *info;

	pthread_mutex_lock(&m->apply_lock);
	pthread_rwlock_wrlock(&m->lock);
	info = proc_known(m, proc) ? &m->procs[proc]->info : NULL;
	if (!info || info->state == PROC_EXITED)
		goto unlock;
	for (unsigned i = 0; i < m->n_shards; i++)
		end_all(m, &m->shards[i], proc, time_ns);
	info->state = PROC_EXITED;
	info->exited_ns = time_ns;
	info->execed = true;
	text_name(info->execed_path, sizeof(info->execed_path), path, strlen(path));
	m->n_ended++;
	model_find_root(m);
	model_settle_procs(m);
unlock:
	pthread_rwlock_unlock(&m->lock);
	pthread_mutex_unlock(&m->apply_lock);
}

bool model_heal(struct model *m, unsigned proc, const struct goroutine_seen *seen, size_t n,
		uint64_t time_ns, bool complete)
{
	bool certain = true;

	pthread_mutex_lock(&m->apply_lock);
	pthread_rwlock_wrlock(&m->lock);
	/* Of another program: the process executed it while its memory was read. */
	if (!proc_known(m, proc) || m->procs[proc]->info.execed)
		goto unlock;
	m->heal_round++;
	for (size_t i = 0; i < n; i++) {
		if (seen[i].goid)
			certain &= heal_one(m, proc, &seen[i], time_ns);
		if (i % BATCH_SMALL == BATCH_SMALL - 1)
			model_settle_exits(m);
	}
	model_settle_exits(m);
	for (unsigned i = 0; (complete || m->procs[proc]->doubt_ns) && i < m->n_shards; i++) {
		see_missing(m, &m->shards[i], proc, time_ns, complete);
		model_settle_exits(m);
	}
	m->procs[proc]->awaits = false;
	m->procs[proc]->read_ns = time_ns;
	if (!m->procs[proc]->first_read_ns)
		m->procs[proc]->first_read_ns = time_ns;
	m->procs[proc]->read_round = m->heal_round;
	past_take(m, time_ns);
	/* What was lost since it was begun, it need not have seen. */
	if (certain && m->procs[proc]->doubt_ns < time_ns)
		m->procs[proc]->doubt_ns = 0;
	certain = !m->procs[proc]->doubt_ns;
unlock:
	pthread_rwlock_unlock(&m->lock);
	pthread_mutex_unlock(&m->apply_lock);
	return certain;
}

bool model_in_doubt(struct model *m, unsigned proc)
{
	bool doubt;

	pthread_rwlock_rdlock(&m->lock);
	doubt = proc_known(m, proc) && (m->procs[proc]->doubt_ns || m->procs[proc]->awaits);
	pthread_rwlock_unlock(&m->lock);
	return doubt;
}

void model_await(struct model *m, unsigned proc, bool on)
{
	pthread_rwlock_wrlock(&m->lock);
	if (proc_known(m, proc))
		m->procs[proc]->awaits = on && m->procs[proc]->info.state == PROC_RUNNING;
	pthread_rwlock_unlock(&m->lock);
}

bool model_awaits(struct model *m, unsigned proc)
{
	bool awaits;

	pthread_rwlock_rdlock(&m->lock);
	awaits = proc_known(m, proc) && m->procs[proc]->awaits;
	pthread_rwlock_unlock(&m->lock);
	return awaits;
}

void model_keep_exits(struct model *m, bool on)
{
	pthread_mutex_lock(&m->apply_lock);
	pthread_rwlock_wrlock(&m->lock);
	m->keeps_exits = on;
	model_settle_exits(m);
	pthread_rwlock_unlock(&m->lock);
	pthread_mutex_unlock(&m->apply_lock);
}

void model_forget(struct model *m, unsigned proc, uint64_t until_ns)
{
	pthread_mutex_lock(&m->apply_lock);
	pthread_rwlock_wrlock(&m->lock);
	if (proc_known(m, proc)) {
		struct proc *p = m->procs[proc];

		m->heal_round++;
		for (unsigned i = 0; i < m->n_shards; i++)
			see_missing(m, &m->shards[i], proc, until_ns ? until_ns : p->doubt_ns,
				    false);
		p->doubt_ns = 0;
		p->awaits = false;
	}
	pthread_rwlock_unlock(&m->lock);
	pthread_mutex_unlock(&m->apply_lock);
}

void model_heal_missing(struct model *m, unsigned proc, const uint64_t *goids, size_t n,
			uint64_t time_ns)
{
	pthread_mutex_lock(&m->apply_lock);
	pthread_rwlock_wrlock(&m->lock);
	for (size_t i = 0; i < n && proc < m->n_procs; i++) {
		struct shard *s = &m->shards[shard_of(m, proc, goids[i])];
		struct record *g = shard_find(s, proc, goids[i]);
		struct meaning meaning;

		if (!g || g->last_event_ns > time_ns || g->created_ns > time_ns)
			continue;
		walk_missing(&g->life, time_ns, &meaning);
		s->procs[proc]->healed += !!(meaning.means & MEANS_EXITED);
		if (meaning.means & MEANS_EXITED)
			note_seen(m, g);
		record_follow(s, g, &meaning, 0);
		if (s->n_changes == BATCH_SMALL)
			model_settle_exits(m);
	}
	model_settle_exits(m);
	pthread_rwlock_unlock(&m->lock);
	pthread_mutex_unlock(&m->apply_lock);
}
