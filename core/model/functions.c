/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Start functions: see functions.h. Counts are a shard's, and change with its goroutines
 * (record.c); moments of the past are taken under the write lock, some seconds apart.
 */
#include "core/model/functions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/model_internal.h"

#define FIRST_NS (1 * 1000000000ull) /* what was there before us has been read by then */

/* --- a shard's counts ------------------------------------------------------------------------- */

static unsigned slot_of(const struct functions *f, uint32_t func_id)
{
	unsigned mask = 2 * f->cap - 1, i = (func_id * 0x9e3779b1u >> 8) & mask;

	while (f->slots[i] && f->rows[f->slots[i] - 1].func_id != func_id)
		i = (i + 1) & mask;
	return i;
}

static bool grow(struct functions *f)
{
	unsigned cap = f->cap ? 2 * f->cap : 16;
	struct model_function *rows = realloc(f->rows, cap * sizeof(*rows));
	uint16_t *slots = calloc(2 * cap, sizeof(*slots));

	if (rows)
		f->rows = rows;
	if (!rows || !slots) {
		free(slots);
		return false;
	}
	free(f->slots);
	f->slots = slots;
	f->cap = cap;
	for (unsigned i = 0; i < f->n; i++)
		f->slots[slot_of(f, f->rows[i].func_id)] = (uint16_t)(i + 1);
	return true;
}

/* NULL: no room. */
static struct model_function *functions_row(struct functions *f, uint32_t func_id)
{
	unsigned slot;

	if (f->cap) {
		slot = slot_of(f, func_id);
		if (f->slots[slot])
			return &f->rows[f->slots[slot] - 1];
	}
	if (f->n == MODEL_FUNCTIONS_MAX || (f->n == f->cap && !grow(f)))
		return NULL;
	f->rows[f->n] = (struct model_function){.func_id = func_id};
	f->slots[slot_of(f, func_id)] = (uint16_t)++f->n;
	return &f->rows[f->n - 1];
}

_Static_assert(MODEL_FUNCTIONS_MAX < UINT16_MAX, "a row fits a slot");

void functions_count(struct functions *f, uint32_t func_id, int live, int created, int exited)
{
	struct model_function *row = functions_row(f, func_id);

	if (!row)
		return;
	row->live += (uint64_t)(int64_t)live;
	row->created += (uint64_t)(int64_t)created;
	row->exited += (uint64_t)(int64_t)exited;
}

void functions_move(struct functions *f, const struct record *g, uint32_t func_id)
{
	bool exited = record_exited(g);
	int created = !(g->life.flags & GOROUTINE_FOUND);

	functions_count(f, g->start_func_id, -!exited, -created, -exited);
	functions_count(f, func_id, !exited, created, exited);
}

void functions_exited(struct functions *f, const struct record *g, uint64_t time_ns)
{
	struct model_function *row = functions_row(f, g->start_func_id);

	if (row && time_ns >= row->last_exit_ns) {
		row->last_exit_ns = time_ns;
		row->last_exit_goid = g->goid;
	}
}

static void add_dropped(struct model_dropped *to, const struct model_dropped *d)
{
	to->goroutines += d->goroutines;
	to->alloc_bytes = sum_u64(to->alloc_bytes, d->alloc_bytes);
	to->events += d->events;
	to->runnable_max_ns = MAX(to->runnable_max_ns, d->runnable_max_ns);
	for (unsigned i = 0; i < GSTATES; i++)
		to->state_ns[i] = sum_u64(to->state_ns[i], d->state_ns[i]);
}

void functions_dropped(struct functions *f, const struct record *g)
{
	struct model_function *row = functions_row(f, g->start_func_id);
	struct model_dropped d = {.goroutines = 1,
				  .alloc_bytes = g->alloc_bytes,
				  .events = event_counts_sum(g->counts),
				  .runnable_max_ns = g->runnable_max_ns};

	record_copy_states(g, d.state_ns);
	if (row)
		add_dropped(&row->dropped, &d);
}

void functions_free(struct functions *f)
{
	free(f->rows);
	free(f->slots);
}

/* --- over all shards -------------------------------------------------------------------------- */

static void add_row(struct model_function *to, const struct model_function *row)
{
	to->live += row->live;
	to->created += row->created;
	to->exited += row->exited;
	if (row->last_exit_ns > to->last_exit_ns) {
		to->last_exit_ns = row->last_exit_ns;
		to->last_exit_goid = row->last_exit_goid;
	}
	add_dropped(&to->dropped, &row->dropped);
}

/* The lock is held. false without memory. */
static bool sum_up(const struct model *m, unsigned proc, struct functions *ret)
{
	for (unsigned i = 0; i < m->n_shards; i++) {
		const struct functions *f = &m->shards[i].procs[proc]->functions;

		for (unsigned k = 0; k < f->n; k++) {
			struct model_function *to = functions_row(ret, f->rows[k].func_id);

			if (to)
				add_row(to, &f->rows[k]);
			else if (ret->n < MODEL_FUNCTIONS_MAX)
				return false;
		}
	}
	return true;
}

int model_functions(struct model *m, unsigned proc, struct model_function **ret, size_t *ret_n)
{
	struct functions all = {0};
	int err = 0;

	pthread_rwlock_rdlock(&m->lock);
	if (!proc_known(m, proc))
		err = -ENOENT;
	else if (!sum_up(m, proc, &all))
		err = -ENOMEM;
	pthread_rwlock_unlock(&m->lock);
	free(all.slots);
	if (err) {
		free(all.rows);
		return err;
	}
	*ret = all.rows;
	*ret_n = all.n;
	return 0;
}

/* --- the past --------------------------------------------------------------------------------- */

/* A process's: the first PAST_FINE places are a ring of moments some seconds apart, those behind it
 * one of moments a minute apart, and then as many as there are of all the time. */
struct past {
	unsigned fine, coarse; /* taken so far */
	unsigned n_long;
	uint64_t coarse_ns;        /* the last of those */
	uint64_t long_ns, step_ns; /* the same, and how far apart they are */
	struct past_moment moments[PAST_MOMENTS];
	struct past_function *functions; /* by func_id */
	size_t n, cap;
};

static int by_id(const void *a, const void *b)
{
	uint32_t x = ((const struct past_function *)a)->func_id,
		 y = ((const struct past_function *)b)->func_id;

	return x < y ? -1 : x > y;
}

static struct past_function *function_of(struct past *p, size_t n, uint32_t func_id)
{
	const struct past_function key = {.func_id = func_id};

	return n ? bsearch(&key, p->functions, n, sizeof(key), by_id) : NULL;
}

/* Those that are new to it; what there is no memory for has no past. */
static void add_functions(struct past *p, const struct functions *all)
{
	size_t known = p->n;

	for (unsigned i = 0; i < all->n && p->n < PAST_FUNCTIONS; i++) {
		if (function_of(p, known, all->rows[i].func_id))
			continue;
		if (p->n == p->cap) {
			size_t cap = p->cap ? 2 * p->cap : 32;
			struct past_function *more = realloc(p->functions, cap * sizeof(*more));

			if (!more)
				break;
			p->functions = more;
			p->cap = cap;
		}
		p->functions[p->n++] = (struct past_function){.func_id = all->rows[i].func_id};
	}
	if (p->n > known)
		qsort(p->functions, p->n, sizeof(*p->functions), by_id);
}

static void write_down(struct past *p, unsigned at, const struct functions *all,
		       const struct model_totals *t, uint64_t time_ns)
{
	struct past_moment *moment = &p->moments[at];

	moment->time_ns = time_ns;
	moment->created = t->goroutines_created;
	moment->alloc_bytes = t->alloc_bytes;
	memcpy(moment->runnable_latency, t->runnable_latency, sizeof(moment->runnable_latency));
	for (unsigned i = 0; i < all->n; i++) {
		struct past_function *f = function_of(p, p->n, all->rows[i].func_id);

		if (!f)
			continue;
		f->live[at] = (uint32_t)MIN(all->rows[i].live, (uint64_t)UINT32_MAX);
		f->created[at] = (uint32_t)all->rows[i].created;
	}
}

/* Every other one goes: the rest is twice as far apart. */
static void thin_out(struct past *p)
{
	const unsigned first = PAST_FINE + PAST_COARSE;

	p->n_long = (p->n_long + 1) / 2;
	for (unsigned i = 1; i < p->n_long; i++) {
		p->moments[first + i] = p->moments[first + 2 * i];
		for (size_t k = 0; k < p->n; k++) {
			struct past_function *f = &p->functions[k];

			f->live[first + i] = f->live[first + 2 * i];
			f->created[first + i] = f->created[first + 2 * i];
		}
	}
	p->long_ns = p->moments[first + p->n_long - 1].time_ns;
	p->step_ns *= 2;
}

static void write_down_long(struct past *p, const struct functions *all,
			    const struct model_totals *t, uint64_t time_ns)
{
	if (!p->step_ns)
		p->step_ns = PAST_LONG_NS;
	if (p->n_long && time_ns - p->long_ns < p->step_ns)
		return;
	if (p->n_long == PAST_LONG) {
		thin_out(p);
		if (time_ns - p->long_ns < p->step_ns)
			return;
	}
	write_down(p, PAST_FINE + PAST_COARSE + p->n_long++, all, t, time_ns);
	p->long_ns = time_ns;
}

static void take_of(struct model *m, unsigned proc, uint64_t time_ns)
{
	struct past *p = m->procs[proc]->past;
	struct model_totals t = {0};
	struct functions all = {0};

	if (!p)
		p = m->procs[proc]->past = calloc(1, sizeof(*p));
	if (p && sum_up(m, proc, &all)) {
		proc_totals(m, &t, proc);
		add_functions(p, &all);
		write_down(p, p->fine++ % PAST_FINE, &all, &t, time_ns);
		if (!p->coarse || time_ns - p->coarse_ns >= 60 * NS_PER_SEC) {
			write_down(p, PAST_FINE + p->coarse++ % PAST_COARSE, &all, &t, time_ns);
			p->coarse_ns = time_ns;
		}
		write_down_long(p, &all, &t, time_ns);
	}
	functions_free(&all);
}

void past_take(struct model *m, uint64_t time_ns)
{
	if (time_ns < m->past_next_ns)
		return;
	/* From the first event on, but not before what was there has been read. */
	if (!m->past_next_ns) {
		m->past_next_ns = sum_u64(time_ns, FIRST_NS);
		return;
	}
	m->past_next_ns = sum_u64(time_ns, PAST_STEP_NS);
	for (unsigned k = 0; k < m->n_kept; k++) {
		if (m->procs[m->kept[k]]->info.state == PROC_RUNNING)
			take_of(m, m->kept[k], time_ns);
	}
}

void past_begin(struct model *m, uint64_t time_ns)
{
	if (m->past_next_ns)
		m->past_next_ns = MIN(m->past_next_ns, sum_u64(time_ns, FIRST_NS));
}

void past_free(struct past *p)
{
	if (p)
		free(p->functions);
	free(p);
}

/* Places of moments, oldest first: those that are further apart where they are older than the
 * others. */
static unsigned in_order(const struct past *p, unsigned ret[PAST_MOMENTS])
{
	unsigned n = 0, fine = MIN(p->fine, (unsigned)PAST_FINE),
		 coarse = MIN(p->coarse, (unsigned)PAST_COARSE);
	uint64_t oldest = p->moments[(p->fine - fine) % PAST_FINE].time_ns, minutes = oldest;

	if (coarse)
		minutes = p->moments[PAST_FINE + (p->coarse - coarse) % PAST_COARSE].time_ns;
	for (unsigned i = 0; i < p->n_long; i++) {
		unsigned at = PAST_FINE + PAST_COARSE + i;

		if (p->moments[at].time_ns < MIN(oldest, minutes))
			ret[n++] = at;
	}
	for (unsigned i = 0; i < coarse; i++) {
		unsigned at = PAST_FINE + (p->coarse - coarse + i) % PAST_COARSE;

		if (p->moments[at].time_ns < oldest)
			ret[n++] = at;
	}
	for (unsigned i = 0; i < fine; i++)
		ret[n++] = (p->fine - fine + i) % PAST_FINE;
	return n;
}

static struct model_past *copy_of(const struct past *p)
{
	unsigned places[PAST_MOMENTS];
	size_t n = p ? p->n : 0;
	struct model_past *ret = calloc(1, sizeof(*ret) + n * sizeof(struct past_function));

	if (!ret || !p)
		return ret;
	ret->n = in_order(p, places);
	ret->n_functions = n;
	for (unsigned i = 0; i < ret->n; i++)
		ret->moments[i] = p->moments[places[i]];
	for (size_t k = 0; k < n; k++) {
		ret->functions[k].func_id = p->functions[k].func_id;
		for (unsigned i = 0; i < ret->n; i++) {
			ret->functions[k].live[i] = p->functions[k].live[places[i]];
			ret->functions[k].created[i] = p->functions[k].created[places[i]];
		}
	}
	return ret;
}

int model_past(struct model *m, unsigned proc, struct model_past **ret)
{
	int err = -ENOENT;

	pthread_rwlock_rdlock(&m->lock);
	if (proc_known(m, proc)) {
		*ret = copy_of(m->procs[proc]->past);
		err = *ret ? 0 : -ENOMEM;
	}
	pthread_rwlock_unlock(&m->lock);
	return err;
}

const struct past_function *past_of(const struct model_past *p, uint32_t func_id)
{
	const struct past_function key = {.func_id = func_id};

	return p->n_functions ? bsearch(&key, p->functions, p->n_functions, sizeof(key), by_id)
			      : NULL;
}
