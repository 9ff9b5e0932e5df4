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
static int row_open(struct row *r, uint64_t time_ns, uint8_t state)
{
	r->open = malloc(sizeof(*r->open));
	if (!r->open)
		return -ENOMEM;
	row_begin(r->open, PYRAMID_BASE, PYRAMID_LEVELS, time_ns, state);
	r->open->emit = emit;
	r->state_since_ns = time_ns;
	return 0;
}

static struct row *get_row(struct pyramid *p, unsigned proc, uint64_t goid, uint64_t time_ns,
			   uint8_t state)
{
	struct row *r = rows_get(&p->rows, proc, goid);

	if (!r)
		return NULL;
	if (!r->first_ns) {
		r->first_ns = time_ns;
		r->first_state = state;
		memset(r->before, state, sizeof(r->before));
	}
	if (!r->open) {
		if (row_open(r, time_ns, state))
			return NULL;
		if (state != PYRAMID_NONE)
			series_state(p->series[proc], state, 1, time_ns);
	}
	return r;
}

/* The row's goroutine changes to `state` (PYRAMID_NONE: it ends). */
static void change(struct pyramid *p, struct row *r, uint64_t time_ns, uint8_t state, uint8_t flags,
		   bool transition)
{
	struct emit_ctx e = {p, r};
	struct series *s = p->series[r->proc];
	uint8_t was = r->open->state;
	uint64_t at = MAX(time_ns, r->open->time_ns); /* as row_event() has it */

	r->open->ctx = &e;
	if (was == GSTATE_WAITING && state == GSTATE_RUNNABLE)
		flags |= CELL_WOKEN;
	if (was != PYRAMID_NONE && state == PYRAMID_NONE)
		flags |= CELL_EXITED;
	row_event(r->open, time_ns, state, flags, transition, false, 0);
	if (was != PYRAMID_NONE)
		series_state(s, was, -1, at);
	if (state != PYRAMID_NONE)
		series_state(s, state, 1, at);
	if (was == GSTATE_RUNNABLE && state == GSTATE_RUNNING && time_ns > r->state_since_ns &&
	    r->runnable_ns)
		series_latency(s, time_ns - r->runnable_ns);
	/* Only a stay whose beginning was seen counts as latency. */
	r->runnable_ns = state == GSTATE_RUNNABLE && transition ? time_ns : 0;
	r->state_since_ns = time_ns;
	if (state == PYRAMID_NONE) {
		row_finish(r->open, PYRAMID_LEVELS);
		free(r->open);
		r->open = NULL;
	}
}

static bool is_gone(unsigned state)
{
	return state == GSTATE_DEAD || state == GSTATE_DEADEXTRA || state == GSTATE_IDLE;
}

static void apply_state(struct pyramid *p, const struct event *ev)
{
	bool begins = gstate_is_creation(ev->from, ev->to), ends = gstate_is_exit(ev->from, ev->to);
	struct row *r = rows_find(&p->rows, ev->proc, ev->target);

	if (!ev->target || (ends && (!r || !r->open)))
		return; /* the end came first as a goexit event */
	if (begins) {
		/* idle -> dead -> runnable at birth: only what makes it live counts. */
		if (r && r->open && r->open->state != PYRAMID_NONE) {
			change(p, r, ev->time_ns, ev->to, 0, true);
			return;
		}
		r = get_row(p, ev->proc, ev->target, ev->time_ns, PYRAMID_NONE);
		if (!r)
			return;
		r->created = true;
		change(p, r, ev->time_ns, ev->to, CELL_CREATED, true);
		return;
	}
	if (is_gone(ev->to) && !ends)
		return;
	r = get_row(p, ev->proc, ev->target, ev->time_ns,
		    is_gone(ev->from) ? PYRAMID_NONE : ev->from);
	if (r)
		change(p, r, ev->time_ns, ends ? PYRAMID_NONE : ev->to, 0, true);
}

static void apply_create(struct pyramid *p, const struct event *ev)
{
	struct row *r = rows_find(&p->rows, ev->proc, ev->target);
	struct emit_ctx e = {p, NULL};

	/* With casgstatus events the row is there already. */
	if (ev->target && (!r || !r->open)) {
		r = get_row(p, ev->proc, ev->target, ev->time_ns, PYRAMID_NONE);
		if (!r)
			return;
		r->created = true;
		change(p, r, ev->time_ns, GSTATE_RUNNABLE, CELL_CREATED, false);
	}
	if (!ev->goid)
		return;
	r = get_row(p, ev->proc, ev->goid, ev->time_ns, GSTATE_RUNNING);
	if (!r)
		return;
	e.row = r;
	r->open->ctx = &e;
	row_event(r->open, ev->time_ns, r->open->state, CELL_SPAWNED, false, false, 0);
}

static void apply_exit(struct pyramid *p, const struct event *ev)
{
	struct row *r = rows_find(&p->rows, ev->proc, ev->target);

	if (r && r->open)
		change(p, r, ev->time_ns, PYRAMID_NONE, 0, false);
}

static void apply_alloc(struct pyramid *p, const struct event *ev, uint64_t bytes)
{
	struct emit_ctx e = {p, NULL};

	if (!ev->goid)
		return;
	e.row = get_row(p, ev->proc, ev->goid, ev->time_ns, GSTATE_RUNNING);
	if (!e.row)
		return;
	e.row->open->ctx = &e;
	row_event(e.row->open, ev->time_ns, e.row->open->state, pyramid_alloc_flag(ev->type), false,
		  true, bytes);
}

static void apply_lost(struct pyramid *p, const struct event *ev)
{
	for (unsigned i = 0; i < MODEL_PROCS_MAX && p->series[i]; i++) {
		series_advance(p->series[i], MIN(ev->time_ns, PYRAMID_TIME_END - 1));
		series_now(p->series[i])->lost += ev->count;
	}
}

void pyramid_apply(struct pyramid *p, const struct names *names, const struct event *events,
		   size_t n)
{
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < n; i++) {
		const struct event *ev = &events[i];
		struct series *s;

		if (ev->time_ns >= PYRAMID_TIME_END) {
			p->missed++;
			continue;
		}
		if (!p->first_ns)
			p->first_ns = ev->time_ns;
		p->last_ns = MAX(p->last_ns, ev->time_ns);
		p->known_ns = MAX(p->known_ns, ev->time_ns);
		if (ev->type == EVENT_LOST) {
			apply_lost(p, ev);
			continue;
		}
		s = series_of(p, ev->proc, ev->time_ns);
		if (!s || ev->type >= EVENT_TYPES)
			continue;
		series_advance(s, ev->time_ns);
		series_now(s)->events[ev->type]++;
		if (ev->type == EVENT_CASGSTATUS) {
			apply_state(p, ev);
		} else if (ev->type == EVENT_NEWGOROUTINE) {
			apply_create(p, ev);
		} else if (ev->type == EVENT_GOEXIT) {
			apply_exit(p, ev);
		} else {
			uint64_t bytes = names_allocated(names, ev);

			series_now(s)->alloc_bytes = sum_u64(series_now(s)->alloc_bytes, bytes);
			apply_alloc(p, ev, bytes);
		}
	}
	pthread_mutex_unlock(&p->lock);
}

void pyramid_missed(struct pyramid *p, uint64_t n, uint64_t time_ns)
{
	struct event ev = {.time_ns = time_ns, .type = EVENT_LOST, .count = n};

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
	for (unsigned i = 0; i < MODEL_PROCS_MAX && p->series[i]; i++)
		series_advance(p->series[i], time_ns);
	pthread_mutex_unlock(&p->lock);
}

/* One goroutine of the model against its row. */
static void sync_one(struct pyramid *p, const struct goroutine *g, uint64_t before_ns)
{
	struct row *r = rows_find(&p->rows, g->proc, g->goid);
	bool gone = g->flags & GOROUTINE_EXITED;
	uint64_t since = gone ? g->exited_ns : g->state_since_ns;

	if (since >= before_ns || (gone && (!r || !r->open)))
		return;
	if (!r || !r->open) {
		if (r && r->state_since_ns >= since)
			return;
		get_row(p, g->proc, g->goid, since, g->state);
		return;
	}
	if (r->state_since_ns < since && (gone || r->open->state != g->state))
		change(p, r, since, gone ? PYRAMID_NONE : g->state, 0, false);
}

int pyramid_sync(struct pyramid *p, struct model *m, unsigned proc, uint64_t before_ns)
{
	struct model_pass *pass cleanup_pass_ = NULL;
	struct model_which which = {.exited = true};
	const struct goroutine *part;
	size_t n;
	int err;

	if (proc >= MODEL_PROCS_MAX)
		return -ENOENT;
	before_ns = MIN(before_ns, PYRAMID_TIME_END - 1);
	pthread_mutex_lock(&p->lock);
	/* Whoever missed events compares all once more. */
	if (p->synced_missed[proc] == p->missed && p->synced_ns[proc] > SYNC_LATE_NS)
		which.since_ns = p->synced_ns[proc] - SYNC_LATE_NS;
	p->synced_missed[proc] = p->missed;
	pthread_mutex_unlock(&p->lock);
	err = model_pass_new(m, proc, &which, &pass);
	while (!err && (n = model_pass_part(pass, &part)) > 0) {
		pthread_mutex_lock(&p->lock);
		if (series_of(p, proc, before_ns)) {
			for (size_t i = 0; i < n; i++)
				sync_one(p, &part[i], before_ns);
		}
		pthread_mutex_unlock(&p->lock);
	}
	if (!err) {
		pthread_mutex_lock(&p->lock);
		p->synced_ns[proc] = before_ns;
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
	ret->rows = p->rows.used;
	ret->bytes = p->rows.cap * sizeof(struct row) + p->rows.used * sizeof(struct open_row);
	for (unsigned li = 0; li < PYRAMID_LEVELS; li++) {
		ret->bytes += p->levels[li].cap * sizeof(struct chunk);
		ret->since_ns[li] = p->levels[li].since_ns;
	}
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
