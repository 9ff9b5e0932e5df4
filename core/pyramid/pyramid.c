/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events into rows and series. One writer at a time holds the lock for a batch; readers hold it for
 * a tile.
 */
#include "core/pyramid/pyramid.h"

#include <errno.h>
#include <string.h>

#include "core/pyramid/internal.h"

#define DEFAULT_BYTES (64u << 20)
/* A reading of a target's memory is told to the model so much later than it was made, at most. */
#define SYNC_LATE_NS (30 * NS_PER_SEC)

int pyramid_new(size_t bytes, struct pyramid **ret)
{
	struct pyramid *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	for (unsigned li = 0; li < PYRAMID_LEVELS; li++)
		store_init(&p->levels[li], (bytes ? bytes : DEFAULT_BYTES) / PYRAMID_LEVELS);
	*ret = p;
	return 0;
}

static void clear(struct pyramid *p)
{
	for (unsigned li = 0; li < PYRAMID_LEVELS; li++)
		store_clear(&p->levels[li]);
	for (unsigned i = 0; i < MODEL_PROCS_MAX; i++) {
		series_free(p->series[i]);
		p->series[i] = NULL;
	}
	rows_clear(&p->rows);
	memset(p->synced_ns, 0, sizeof(p->synced_ns));
}

void pyramid_free(struct pyramid *p)
{
	if (!p)
		return;
	clear(p);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void pyramid_reset(struct pyramid *p)
{
	pthread_mutex_lock(&p->lock);
	clear(p);
	p->first_ns = p->last_ns = p->known_ns = p->missed = p->cells = 0;
	p->forgotten = 0;
	pthread_mutex_unlock(&p->lock);
}

struct emit_ctx {
	struct pyramid *p;
	struct row *row;
};

static void emit(void *ctx, unsigned li, const struct cell *cell)
{
	struct emit_ctx *e = ctx;

	store_append(e->p, e->row, li, cell);
}

static struct series *series_of(struct pyramid *p, unsigned proc, uint64_t time_ns)
{
	if (proc >= MODEL_PROCS_MAX)
		return NULL;
	if (!p->series[proc] && series_new(time_ns, &p->series[proc]))
		return NULL;
	return p->series[proc];
}

/* Starts a row, or starts it again after its end, in `state` at time_ns. */
static int open_row(struct pyramid *p, struct row *r, uint64_t time_ns, uint8_t state)
{
	r->open = malloc(sizeof(*r->open));
	if (!r->open)
		return -ENOMEM;
	p->rows.n_open++;
	row_begin(r->open, PYRAMID_BASE, PYRAMID_LEVELS, time_ns, state);
	r->open->emit = emit;
	return 0;
}

/* Of one that appeared; `before` is what it was in until now. */
static struct row *new_row(struct pyramid *p, unsigned proc, uint64_t goid, uint64_t time_ns,
			   uint8_t before)
{
	struct row *r = rows_get(&p->rows, proc, goid);

	if (!r)
		return NULL;
	if (open_row(p, r, time_ns, before)) {
		rows_remove(&p->rows, r);
		return NULL;
	}
	r->first_ns = time_ns;
	memset(r->before, before, sizeof(r->before));
	return r;
}

/* How many of the process are in each state. */
static void count(struct pyramid *p, struct row *r, uint8_t was, uint8_t is, uint64_t time_ns)
{
	was = shown_state(was);
	is = shown_state(is);
	if (was != PYRAMID_NONE)
		series_state(p->series[r->proc], was, -1, time_ns);
	if (is != PYRAMID_NONE)
		series_state(p->series[r->proc], is, 1, time_ns);
}

/* A row's goroutine becomes what walk.c says. */
static void follow(struct pyramid *p, struct row *r, const struct meaning *m, bool transition)
{
	struct emit_ctx e = {p, r};
	uint64_t at = m->life.since_ns, unknown = meaning_unknown_from(&r->life, m);
	/* A row that was just made shows what came before it appeared, and counts nowhere yet. */
	uint8_t was = row_shows(&p->kinds, &r->life), is = row_shows(&p->kinds, &m->life);

	if (!(m->means & (MEANS_APPEARED | MEANS_STATE | MEANS_EXITED)) ||
	    (!r->open && open_row(p, r, at, PYRAMID_NONE)))
		goto out;
	r->open->ctx = &e;
	row_follow(r->open, &r->life, m, is, transition);
	if (unknown < at) {
		count(p, r, was, PYRAMID_UNKNOWN, unknown);
		was = PYRAMID_UNKNOWN;
	}
	count(p, r, was, is, at);
	if (m->means & MEANS_LATENCY)
		series_latency(p->series[r->proc], meaning_stay(&r->life, m));
	if (is == PYRAMID_NONE) {
		row_finish(r->open, PYRAMID_LEVELS);
		rows_close(&p->rows, r);
	}
out:
	r->life = m->life;
}

/* Before its first event it was in what that event says it was. */
static uint8_t state_before(struct kind_cache *kinds, const struct event *ev, uint64_t goid,
			    const struct meaning *m)
{
	if (m->means & MEANS_CREATED)
		return PYRAMID_NONE;
	if (ev->type != EVENT_CASGSTATUS || ev->target != goid)
		return PYRAMID_UNKNOWN;
	return walk_is_live(ev->from) ? shown_as(kinds, walk_fold(ev->from), ev->string_id)
				      : PYRAMID_NONE;
}

/* An event's part for one goroutine; its row, NULL when there is none. */
static struct row *apply_to(struct pyramid *p, const struct event *ev, uint64_t goid)
{
	static const struct life nothing;
	struct row *r = rows_find(&p->rows, ev->proc, goid);
	struct meaning m;

	/* Who changes another's state need only be known to be there. */
	if (r && ev->type == EVENT_CASGSTATUS && ev->target != goid)
		return r;
	walk_event(r ? &r->life : &nothing, goid, ev, &m);
	if (!r) {
		/* Not for an end alone: it may be a second word of one that is forgotten. */
		if (!(m.means & MEANS_APPEARED) || m.means & MEANS_EXITED)
			return NULL;
		r = new_row(p, ev->proc, goid, ev->time_ns, state_before(&p->kinds, ev, goid, &m));
		if (!r)
			return NULL;
	}
	follow(p, r, &m, ev->type == EVENT_CASGSTATUS && ev->target == goid);
	return r;
}

static void apply_act(struct pyramid *p, const struct event *ev, uint8_t flag, uint64_t bytes)
{
	struct row *r = ev->goid ? apply_to(p, ev, ev->goid) : NULL;
	struct emit_ctx e = {p, r};

	if (!r || !r->open)
		return;
	r->open->ctx = &e;
	row_event(r->open, ev->time_ns, r->open->state, flag, false, flag != CELL_SPAWNED, bytes);
}

static void apply_one(struct pyramid *p, const struct names *names, const struct event *ev)
{
	struct series *s = p->series[ev->proc];
	uint64_t bytes;

	series_advance(s, ev->time_ns);
	series_now(s)->events[ev->type]++;
	if (event_is_allocation(ev->type)) {
		bytes = names_allocated(names, ev);
		series_now(s)->alloc_bytes = sum_u64(series_now(s)->alloc_bytes, bytes);
		apply_act(p, ev, pyramid_alloc_flag(ev->type), bytes);
		return;
	}
	if (ev->target)
		apply_to(p, ev, ev->target);
	if (ev->goid == ev->target)
		return;
	if (ev->type == EVENT_NEWGOROUTINE)
		apply_act(p, ev, CELL_SPAWNED, 0);
	else if (ev->goid)
		apply_to(p, ev, ev->goid);
}

static void apply_lost(struct pyramid *p, const struct event *ev)
{
	for (unsigned i = 0; i < MODEL_PROCS_MAX; i++) {
		if (!p->series[i] || (ev->proc != EVENT_PROC_NONE && ev->proc != i))
			continue;
		series_advance(p->series[i], MIN(ev->time_ns, PYRAMID_TIME_END - 1));
		series_now(p->series[i])->lost += ev->count;
	}
}

/* No probe is in from then on: what each does is not known until its next event or reading. */
static void leave_unwatched(struct pyramid *p, uint64_t time_ns)
{
	for (uint32_t i = 0; i < p->rows.n; i++) {
		struct row *r = &p->rows.v[i];
		struct meaning m;

		if (!r->used)
			continue;
		walk_unwatched(&r->life, time_ns, &m);
		follow(p, r, &m, false);
	}
}

/* Mostly what the events to come will touch is not in the cache. */
static inline void fetch_ahead(const struct rows *rs, const struct event *events, size_t n,
			       size_t i)
{
	for (unsigned step = 0; step < ROWS_FETCHES; step++) {
		const struct event *ev = &events[i + 2 * (ROWS_FETCHES - step)];

		if (ev >= events + n)
			continue;
		rows_fetch(rs, ev->proc, ev->goid, step);
		if (ev->type == EVENT_CASGSTATUS && ev->target != ev->goid)
			rows_fetch(rs, ev->proc, ev->target, step);
	}
}

/* Ids are those of one table of names; of another all would mean something else. */
static void know_names(struct pyramid *p, const struct names *names)
{
	if (names && p->kinds.names != names)
		p->kinds = (struct kind_cache){.names = names};
}

void pyramid_apply(struct pyramid *p, const struct names *names, const struct event *events,
		   size_t n)
{
	pthread_mutex_lock(&p->lock);
	know_names(p, names);
	for (size_t i = 0; i < n; i++) {
		const struct event *ev = &events[i];

		fetch_ahead(&p->rows, events, n, i);
		if (ev->time_ns >= PYRAMID_TIME_END) {
			p->missed++;
			continue;
		}
		if (!p->first_ns)
			p->first_ns = ev->time_ns;
		p->last_ns = MAX(p->last_ns, ev->time_ns);
		p->known_ns = MAX(p->known_ns, ev->time_ns);
		if (event_switch(ev) == EVENT_SWITCH_OFF)
			leave_unwatched(p, ev->time_ns);
		if (ev->type == EVENT_LOST) {
			apply_lost(p, ev);
			continue;
		}
		if (ev->type < EVENT_TYPES && series_of(p, ev->proc, ev->time_ns))
			apply_one(p, names, ev);
	}
	pthread_mutex_unlock(&p->lock);
}

void pyramid_missed(struct pyramid *p, uint64_t n, uint64_t time_ns)
{
	const struct event ev = event_missing(n, time_ns);

	pthread_mutex_lock(&p->lock);
	p->missed += n;
	apply_lost(p, &ev);
	pthread_mutex_unlock(&p->lock);
}

void pyramid_until(struct pyramid *p, uint64_t time_ns)
{
	time_ns = MIN(time_ns, PYRAMID_TIME_END - 1);
	pthread_mutex_lock(&p->lock);
	p->known_ns = MAX(p->known_ns, time_ns);
	for (unsigned i = 0; i < MODEL_PROCS_MAX; i++) {
		if (p->series[i])
			series_advance(p->series[i], time_ns);
	}
	pthread_mutex_unlock(&p->lock);
}

/* One goroutine of the model against its row. */
static void sync_one(struct pyramid *p, const struct goroutine *g, uint64_t before_ns)
{
	static const struct life nothing;
	struct row *r = rows_find(&p->rows, g->proc, g->goid);
	bool gone = g->flags & GOROUTINE_EXITED;
	uint64_t since = gone ? g->exited_ns : g->state_since_ns;
	struct meaning m;

	if (since >= before_ns)
		return;
	walk_told(r ? &r->life : &nothing, g, &m);
	if (!r) {
		if (!(m.means & MEANS_APPEARED) || gone)
			return;
		r = new_row(p, g->proc, g->goid, since, row_shows(&p->kinds, &m.life));
		if (!r)
			return;
	}
	follow(p, r, &m, false);
}

/* A process that is not kept any more. */
static void drop_proc(struct pyramid *p, unsigned proc)
{
	pthread_mutex_lock(&p->lock);
	for (uint32_t i = 0; p->series[proc] && i < p->rows.n; i++) {
		struct row *r = &p->rows.v[i];

		if (!r->used || r->proc != proc)
			continue;
		rows_close(&p->rows, r); /* what is stored goes when it is the oldest */
		if (!r->chunks)
			rows_remove(&p->rows, r);
	}
	series_free(p->series[proc]);
	p->series[proc] = NULL;
	pthread_mutex_unlock(&p->lock);
}

int pyramid_sync(struct pyramid *p, struct model *m, unsigned proc, uint64_t before_ns)
{
	struct model_pass *pass cleanup_pass_ = NULL;
	struct model_which which = {.exited = true};
	const struct goroutine *part;
	struct proc_info info;
	bool over;
	size_t n;
	int err;

	if (proc >= MODEL_PROCS_MAX)
		return -ENOENT;
	if (model_proc(m, proc, &info)) {
		drop_proc(p, proc);
		return -ENOENT;
	}
	before_ns = MIN(before_ns, PYRAMID_TIME_END - 1);
	pthread_mutex_lock(&p->lock);
	/* Whoever missed events compares all once more. */
	if (p->synced_missed[proc] == p->missed && p->synced_ns[proc] > SYNC_LATE_NS)
		which.since_ns = p->synced_ns[proc] - SYNC_LATE_NS;
	p->synced_missed[proc] = p->missed;
	over = p->series[proc] && series_ended(p->series[proc]) != UINT64_MAX;
	pthread_mutex_unlock(&p->lock);
	if (over)
		return 0;
	err = model_pass_new(m, proc, &which, &pass);
	while (!err && (n = model_pass_part(pass, &part)) > 0) {
		pthread_mutex_lock(&p->lock);
		know_names(p, model_names(m));
		if (series_of(p, proc, before_ns)) {
			for (size_t i = 0; i < n; i++)
				sync_one(p, &part[i], before_ns);
		}
		pthread_mutex_unlock(&p->lock);
	}
	if (!err) {
		pthread_mutex_lock(&p->lock);
		p->synced_ns[proc] = before_ns;
		/* All that happened in it is there. */
		if (info.state == PROC_EXITED && info.exited_ns < before_ns && p->series[proc])
			series_end(p->series[proc], info.exited_ns);
		pthread_mutex_unlock(&p->lock);
	}
	return err;
}

void pyramid_info(struct pyramid *p, struct pyramid_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	pthread_mutex_lock(&p->lock);
	ret->first_ns = p->first_ns;
	ret->last_ns = p->last_ns;
	ret->missed = p->missed;
	ret->cells = p->cells;
	ret->forgotten = p->forgotten;
	ret->rows = p->rows.used;
	ret->bytes = p->rows.cap * sizeof(struct row) + p->rows.n_open * sizeof(struct open_row);
	for (unsigned li = 0; li < PYRAMID_LEVELS; li++) {
		ret->bytes += p->levels[li].cap * sizeof(struct chunk);
		ret->since_ns[li] = p->levels[li].since_ns;
	}
	ret->bytes += sizeof(*p) + p->rows.table_cap * sizeof(*p->rows.table);
	for (unsigned i = 0; i < MODEL_PROCS_MAX; i++)
		ret->bytes += p->series[i] ? series_bytes(p->series[i]) : 0;
	pthread_mutex_unlock(&p->lock);
}

int pyramid_series(struct pyramid *p, unsigned proc, unsigned level, uint64_t from, size_t n,
		   struct pyramid_bucket *ret)
{
	int err = 0;

	if (level < SERIES_BASE || !range_check(level, from, n))
		return -EINVAL;
	pthread_mutex_lock(&p->lock);
	if (proc >= MODEL_PROCS_MAX || !p->series[proc])
		err = -ENOENT;
	else
		series_read(p->series[proc], level, from, n, ret);
	pthread_mutex_unlock(&p->lock);
	return err;
}
