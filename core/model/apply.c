/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Applying events: the way of a batch, from who has which part of an event to the feed. What an
 * event means is walk.c's business, what it changes in a record record.c's (model_internal.h).
 */
#include <string.h>

#include "core/model/model_internal.h"

#define ALL_SHARDS UINT32_MAX
#define PREFETCH   8    /* events ahead whose table entry is fetched: prefetch() */
#define NEAR_LIVE  2000 /* with fewer goroutines that costs more than it saves */

struct batch {
	struct model *m;
	struct event *events;
	size_t n;
	uint64_t first_seq; /* of the first event that goes to the feed */
	bool fetches;
	/* By several threads only: the events' links, and where each thread's share of the feed
	 * begins, which is with a block. */
	struct feed_link *links;
	struct share {
		size_t at;
		uint64_t seq;
	} shares[SHARDS_MAX];
	unsigned n_shares;
};

static bool is_valid(const struct event *ev)
{
	return ev->type <= EVENT_LOST && ev->from < GSTATES && ev->to < GSTATES;
}

static bool in_feed(const struct event *ev)
{
	return !(ev->flags & EVENT_HIDDEN) && is_valid(ev);
}

static inline struct record *find(struct shard *s, unsigned which, unsigned proc, uint64_t goid)
{
	struct record *g = s->last[which];

	if (g && g->goid == goid && g->proc == proc)
		return g;
	/* Who changed state goes on to do something. */
	g = s->last[!which];
	if (!g || g->goid != goid || g->proc != proc)
		g = shard_find(s, proc, goid);
	return s->last[which] = g;
}

/* The distance back to the goroutine's previous event, 0 when it is out of reach; makes `seq` the
 * newest. */
static uint32_t link_back(struct record *g, uint64_t seq)
{
	uint64_t back = g->last_seq ? seq + 1 - g->last_seq : 0;

	g->last_seq = seq + 1;
	return back <= UINT32_MAX ? (uint32_t)back : 0;
}

/* Who it is, and where it came from, beside its state. */
static void note_start(struct model *m, struct shard *s, struct record *g, const struct event *ev,
		       unsigned means)
{
	if (!(means & MEANS_CREATED))
		return;
	record_note_creation(s->procs[g->proc], g, ev->time_ns);
	if (ev->type == EVENT_NEWGOROUTINE) {
		record_set_start(m, s, g, ev->string_id, ev->site_id);
		if (!(ev->flags & EVENT_CGO_THREAD))
			made_count(s, &s->procs[g->proc]->made, ev->site_id, ev->string_id);
	}
	/* newproc1 runs on behalf of the creator. A C thread's goroutine has no parent: nobody ran
	 * `go`; and a change of state says it of one that was not known only. */
	if (ev->goid && ev->goid != ev->target && !(ev->flags & EVENT_CGO_THREAD) &&
	    (ev->type == EVENT_NEWGOROUTINE || means & MEANS_APPEARED))
		g->parent = ev->goid;
}

/* The whole way of walk.c and record.c. Returns its record or NULL. */
static __attribute__((noinline)) struct record *follow_subject(struct model *m, struct shard *s,
							       struct record *g, struct event *ev,
							       size_t position)
{
	static const struct life nothing;
	struct meaning meaning;

	walk_subject(g ? &g->life : &nothing, ev, &meaning);
	if (!g && meaning.means & MEANS_APPEARED)
		g = s->last[1] = record_new(m, s, ev->proc, ev->target, &meaning);
	if (!g)
		return NULL;
	if (meaning.means & MEANS_WAITED)
		ev->string_id = meaning.waited_id;
	if (ev->type == EVENT_GOEXIT && g->start_func_id)
		ev->string_id = g->start_func_id;
	record_follow(s, g, &meaning, position);
	note_start(m, s, g, ev, meaning.means);
	return g;
}

/* The subject's part of a casgstatus, newgoroutine or goexit; returns its record or NULL. */
static inline struct record *apply_subject(struct model *m, struct shard *s, struct event *ev,
					   size_t position)
{
	struct record *g = find(s, 1, ev->proc, ev->target);

	if (g && life_moves_on(&g->life, ev))
		record_move(s->procs[ev->proc], g, ev);
	else
		g = follow_subject(m, s, g, ev, position);
	if (!g)
		return NULL;
	g->last_event_ns = ev->time_ns;
	if (ev->type != EVENT_NEWGOROUTINE && !(ev->flags & EVENT_HIDDEN))
		g->counts[ev->type]++;
	return g;
}

/* What the actor did, other than to itself. */
static inline struct record *apply_act(struct model *m, struct shard *s, struct event *ev,
				       size_t position, uint64_t bytes)
{
	static const struct life nothing;
	struct record *g = find(s, 0, ev->proc, ev->goid);
	struct meaning meaning;

	if (!g || (event_is_act(ev) && !life_runs_on(&g->life, ev))) {
		walk_actor(g ? &g->life : &nothing, ev, &meaning);
		if (!g)
			g = s->last[0] = record_new(m, s, ev->proc, ev->goid, &meaning);
		if (!g)
			return NULL;
		record_follow(s, g, &meaning, position);
	}
	g->last_event_ns = ev->time_ns;
	if (ev->type == EVENT_NEWGOROUTINE) {
		g->children++;
		if (!(ev->flags & EVENT_HIDDEN))
			g->counts[EVENT_NEWGOROUTINE]++;
	} else if (event_is_allocation(ev->type)) {
		g->counts[ev->type]++;
		record_count_allocation(s, g, ev->type, ev->type_id, bytes);
	}
	return g;
}

static void set_parent(struct record *g, struct event *ev)
{
	/* A replayed event carries what was known when it was recorded. */
	if (g->parent == 0 && ev->parent != g->goid)
		g->parent = ev->parent;
	ev->parent = g->parent;
}

/* Returns the actor's link; the subject's, where that is another one, is apply_other()'s. */
static inline uint32_t apply_actor(struct model *m, struct shard *s, struct event *ev, uint64_t seq,
				   size_t position, bool other_subject)
{
	bool visible = !(ev->flags & EVENT_HIDDEN);
	struct record *g = NULL;

	if (proc_known(m, ev->proc)) {
		struct shard_proc *sp = s->procs[ev->proc];
		uint64_t bytes = 0;

		if (visible && ev->type < EVENT_TYPES)
			sp->events[ev->type]++;
		sp->last_event_ns = MAX(sp->last_event_ns, ev->time_ns);
		if (event_is_allocation(ev->type)) {
			if (ev->type_id > names_types(m->config.names))
				ev->type_id = 0;
			bytes = names_allocated(m->config.names, ev);
			proc_count_allocation(s, sp, ev->type, ev->type_id, bytes);
		}
		if (ev->goid && ev->type != EVENT_LOST)
			g = other_subject || event_is_allocation(ev->type)
				    ? apply_act(m, s, ev, position, bytes)
				    : apply_subject(m, s, ev, position);
	}
	if (!g)
		return 0;
	set_parent(g, ev);
	return visible ? link_back(g, seq) : 0;
}

static inline uint32_t apply_other(struct model *m, struct shard *s, struct event *ev, uint64_t seq,
				   size_t position)
{
	struct record *g = NULL;

	if (proc_known(m, ev->proc) && ev->target)
		g = apply_subject(m, s, ev, position);
	return g && !(ev->flags & EVENT_HIDDEN) ? link_back(g, seq) : 0;
}

FETCHES void prefetch_slot(const struct model *m, unsigned proc, uint64_t goid, uint32_t only)
{
	unsigned shard = shard_of(m, proc, goid);
	const struct shard *s = &m->shards[shard];

	if (only == ALL_SHARDS || only == shard)
		shard_fetch_slot(s, (uint32_t)hash_goroutine(proc, goid));
}

/* The first line of its record. NULL: it is not where it mostly is, and nothing is lost. */
FETCHES struct record *prefetch_record(const struct model *m, unsigned proc, uint64_t goid,
				       uint32_t only)
{
	unsigned shard = shard_of(m, proc, goid);
	const struct shard *s = &m->shards[shard];
	uint32_t hash = (uint32_t)hash_goroutine(proc, goid), at = hash & s->mask;
	struct record *g;

	if (only != ALL_SHARDS && only != shard)
		return NULL;
	if (s->slots[at].hash != hash)
		at = (at + 1) & s->mask;
	if (s->slots[at].hash != hash || !s->slots[at].nth)
		return NULL;
	g = shard_record(s, s->slots[at].nth - 1);
	record_fetch(g, 0, 1);
	return g;
}

/*
 * Fetches what the events to come will touch, in three steps, each of which needs the one before:
 * the table's entry, the record, the allocation's row. `ahead` has who allocates; no record goes
 * within a batch.
 */
FETCHES void prefetch(const struct batch *b, struct record *ahead[PREFETCH], size_t i,
		      uint32_t only)
{
	size_t at = i + PREFETCH / 2, row_at = i + PREFETCH / 4;
	const struct event *ev;

	if (i + PREFETCH < b->n) {
		ev = &b->events[i + PREFETCH];
		prefetch_slot(b->m, ev->proc, ev->goid, only);
		if (ev->type == EVENT_CASGSTATUS && ev->target != ev->goid)
			prefetch_slot(b->m, ev->proc, ev->target, only);
	}
	if (at < b->n) {
		struct record *g;

		ev = &b->events[at];
		g = prefetch_record(b->m, ev->proc, ev->goid, only);
		ahead[at % PREFETCH] = event_is_allocation(ev->type) ? g : NULL;
		if (ev->type == EVENT_CASGSTATUS && ev->target != ev->goid)
			g = prefetch_record(b->m, ev->proc, ev->target, only);
		if (g && ev->type == EVENT_CASGSTATUS)
			record_fetch(g, 1, 2);
		else if (g)
			record_fetch(g, 2, 3);
	}
	if (row_at < b->n && ahead[row_at % PREFETCH]) {
		ev = &b->events[row_at];
		record_fetch_row(ahead[row_at % PREFETCH], row_key(ev->type, ev->type_id));
	}
}

/* The parts of the batch that are `only`'s; or all, which then go to the feed. */
static inline __attribute__((always_inline)) void apply_parts(const struct batch *b, uint32_t only)
{
	struct model *m = b->m;
	struct feed_place place = feed_at(m->feed, b->first_seq);
	struct record *ahead[PREFETCH] = {NULL};
	uint64_t seq = b->first_seq;

	for (size_t i = 0; i < b->n; i++) {
		struct event *ev = &b->events[i];
		uint64_t target = ev->type == EVENT_LOST ? ev->goid : event_subject(ev);
		unsigned actor = shard_of(m, ev->proc, ev->goid);
		unsigned subject = target == ev->goid ? actor : shard_of(m, ev->proc, target);
		struct feed_link link = {0, 0};

		if (!is_valid(ev))
			continue;
		if (b->fetches)
			prefetch(b, ahead, i, only);
		if (only == ALL_SHARDS || only == actor)
			link.actor =
				apply_actor(m, &m->shards[actor], ev, seq, i, target != ev->goid);
		if (target != ev->goid && (only == ALL_SHARDS || only == subject))
			link.subject = apply_other(m, &m->shards[subject], ev, seq, i);
		if (only == actor)
			b->links[i].actor = link.actor;
		if (only == subject)
			b->links[i].subject = link.subject;
		if (ev->flags & EVENT_HIDDEN)
			continue;
		if (only == ALL_SHARDS)
			feed_put(m->feed, &place, ev, link);
		seq++;
	}
}

static void apply_alone(const struct batch *b)
{
	apply_parts(b, ALL_SHARDS);
}

static void apply_task(void *ctx, unsigned shard)
{
	apply_parts(ctx, shard);
}

/* Both parts of all events are applied: one thread's share of them is put into the feed. */
static void put_task(void *ctx, unsigned i)
{
	const struct batch *b = ctx;
	struct feed_place place = feed_at(b->m->feed, b->shares[i].seq);
	size_t end = i + 1 < b->n_shares ? b->shares[i + 1].at : b->n;

	for (size_t at = b->shares[i].at; at < end; at++) {
		if (in_feed(&b->events[at]))
			feed_put(b->m->feed, &place, &b->events[at], b->links[at]);
	}
}

static void apply_together(struct batch *b)
{
	struct model *m = b->m;
	uint64_t seq = b->first_seq;

	b->links = m->links;
	for (size_t i = 0; i < b->n; i++) {
		if (i == 0 || (b->n_shares < m->n_shards && seq % FEED_BLOCK == 0 &&
			       i >= b->n / m->n_shards * b->n_shares && in_feed(&b->events[i])))
			b->shares[b->n_shares++] = (struct share){.at = i, .seq = seq};
		seq += in_feed(&b->events[i]);
	}
	pool_run(m->pool, m->n_shards, apply_task, b);
	pool_run(m->pool, b->n_shares, put_task, b);
}

/* How many events go to the feed; counts those that make no sense. */
static size_t count_visible(struct model *m, const struct event *events, size_t n)
{
	size_t visible = 0;

	for (size_t i = 0; i < n; i++) {
		visible += in_feed(&events[i]);
		if (!is_valid(&events[i]))
			m->malformed++;
		else if (!proc_known(m, events[i].proc) && events[i].type != EVENT_LOST)
			m->unknown_proc++;
	}
	return visible;
}

static bool has_many(const struct model *m)
{
	size_t records = 0;

	for (unsigned i = 0; i < m->n_shards; i++)
		records += m->shards[i].used;
	return records > m->n_exited + NEAR_LIVE;
}

static void apply_batch(struct model *m, struct event *events, size_t n)
{
	struct batch b = {.m = m, .events = events, .n = n};
	size_t visible;

	pthread_rwlock_wrlock(&m->lock);
	b.fetches = has_many(m);
	visible = count_visible(m, events, n);
	b.first_seq = feed_reserve(m->feed, visible);
	for (unsigned i = 0; i < m->n_shards; i++)
		m->shards[i].last[0] = m->shards[i].last[1] = NULL;
	if (m->pool && n > BATCH_SMALL)
		apply_together(&b);
	else
		apply_alone(&b);
	feed_publish(m->feed, b.first_seq + visible);
	model_settle_exits(m);
	past_take(m, events[n - 1].time_ns);
	pthread_rwlock_unlock(&m->lock);
	feed_notify(m->feed);
}

void model_apply(struct model *m, struct event *events, size_t n)
{
	size_t most =
		MIN(m->pool ? (size_t)BATCH_LARGE : (size_t)BATCH_SMALL, feed_capacity(m->feed));

	pthread_mutex_lock(&m->apply_lock);
	while (n) {
		size_t part = MIN(n, most);

		apply_batch(m, events, part);
		events += part;
		n -= part;
	}
	pthread_mutex_unlock(&m->apply_lock);
}

#define ALLOCATIONS (1ull << EVENT_MAKESLICE | 1ull << EVENT_MAKEMAP | 1ull << EVENT_NEWOBJECT)

static void doubt_proc(struct proc *p, uint64_t time_ns)
{
	if (p->info.state == PROC_RUNNING)
		p->doubt_ns = MAX(p->doubt_ns, time_ns);
}

void model_doubt(struct model *m, int proc, uint64_t time_ns)
{
	pthread_rwlock_wrlock(&m->lock);
	for (unsigned k = 0; k < m->n_kept; k++) {
		if (proc < 0 || (unsigned)proc == m->kept[k])
			doubt_proc(m->procs[m->kept[k]], time_ns);
	}
	pthread_rwlock_unlock(&m->lock);
}

void model_append(struct model *m, const struct event *ev)
{
	uint64_t seq = feed_reserve(m->feed, 1);
	struct feed_place at = feed_at(m->feed, seq);

	feed_put(m->feed, &at, ev, (struct feed_link){0});
	feed_publish(m->feed, seq + 1);
}

void model_lost(struct model *m, int proc, const uint64_t lost[EVENT_TYPES], uint64_t time_ns)
{
	struct event ev = {.type = EVENT_LOST, .time_ns = time_ns, .proc = EVENT_PROC_NONE};
	uint64_t *sums;

	for (unsigned type = 0; type < EVENT_TYPES; type++) {
		ev.count += lost[type];
		if (lost[type])
			ev.lost_by_type |= 1ull << type;
	}
	if (ev.count == 0)
		return;
	pthread_mutex_lock(&m->apply_lock);
	pthread_rwlock_wrlock(&m->lock);
	sums = m->lost_unknown;
	if (proc >= 0 && proc_known(m, (unsigned)proc)) {
		ev.proc = (uint16_t)proc;
		sums = m->procs[proc]->lost;
	}
	for (unsigned type = 0; type < EVENT_TYPES; type++)
		sums[type] += lost[type];
	/* Whose events they were is not known: every goroutine that was there is in doubt. */
	for (unsigned k = 0; k < m->n_kept; k++) {
		struct proc *p = m->procs[m->kept[k]];

		if (ev.proc != m->kept[k] && ev.proc != EVENT_PROC_NONE)
			continue;
		p->epoch++;
		p->lost_ns = MAX(p->lost_ns, time_ns);
		if (ev.lost_by_type & ~ALLOCATIONS)
			doubt_proc(p, time_ns);
	}
	model_append(m, &ev);
	pthread_rwlock_unlock(&m->lock);
	pthread_mutex_unlock(&m->apply_lock);
	feed_notify(m->feed);
}
