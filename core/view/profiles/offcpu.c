/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where goroutines spend the time that they do not run, for `go tool pprof`. How much time is the
 * events' word, for each start function and state. Where it went: a stay that goes on now has the
 * stack that is in memory now; those that are over are spread over the stacks that were sampled
 * when one of their kind ended, by what those stand for. Any thread.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/samples.h"
#include "core/view/groups.h"
#include "core/view/labels.h"
#include "core/view/profiles/allocs.h"
#include "core/view/profiles/profile.h"
#include "core/view/query.h"

#define LABELLED_ROWS 16 /* the stacks that time of one with labels of its own is spread over */

static const uint8_t states[] = {GSTATE_WAITING, GSTATE_LEAKED, GSTATE_RUNNABLE, GSTATE_SYSCALL};

/* Of one start function, in one state: stays that are over. */
struct kind {
	uint64_t key;    /* start_func_id << 8 | state */
	uint64_t ns;     /* of goroutines without labels of their own */
	size_t first, n; /* its samples in rows */
};

/* A goroutine whose state goes on. */
struct open {
	uint64_t key; /* goid */
	uint64_t ns;
	uint32_t reason_id;
	uint8_t state;
	bool told;
};

struct off {
	const struct view *v;
	unsigned proc;
	bool system; /* the runtime's own, too */
	struct pprof *p;
	struct labels *labels;
	struct groups kinds, open;
	struct sample_row *rows; /* by kind, the heaviest first */
	size_t n_rows;
	struct sample_totals totals;
	struct sample_sum
		sum; /* of those in kinds: without the runtime's own, when not asked for */
	uint64_t over_ns, spread_ns, open_ns;
	struct pprof_frame frames[DUMP_DEPTH_MAX];
	struct buf texts;
	int err;
};

static uint64_t kind_key(uint32_t start_func_id, unsigned state)
{
	/* What Go marks as leaked is a wait, and goes on. */
	return (uint64_t)start_func_id << 8 | (state == GSTATE_LEAKED ? GSTATE_WAITING : state);
}

static void add_state_labels(const struct off *o, struct pprof_sample *sample, unsigned state,
			     uint32_t reason_id)
{
	sample->labels[0] =
		(struct pprof_label){PPROF_TEXT("state"), PPROF_TEXT(gstate_name(state))};
	if (reason_id)
		sample->labels[1] =
			(struct pprof_label){PPROF_TEXT("wait"), profile_text(o->v, reason_id)};
}

static int64_t as_value(uint64_t ns)
{
	return (int64_t)MIN(ns, (uint64_t)INT64_MAX);
}

/* --- samples --------------------------------------------------------------------------------- */

static int by_kind(const void *a, const void *b)
{
	const struct sample_row *x = a, *y = b;
	uint64_t i = kind_key(x->start_func_id, x->state), k = kind_key(y->start_func_id, y->state);

	if (i != k)
		return i < k ? -1 : 1;
	return x->sum.weight > y->sum.weight ? -1 : x->sum.weight < y->sum.weight;
}

static int read_samples(struct off *o)
{
	int err = samples_copy(model_samples(o->v->model), o->proc, SAMPLE_OFF_CPU, &o->rows,
			       &o->n_rows, &o->totals);

	if (err)
		return err;
	if (o->n_rows)
		qsort(o->rows, o->n_rows, sizeof(*o->rows), by_kind);
	for (size_t i = 0; i < o->n_rows; i++) {
		const struct sample_row *row = &o->rows[i];
		struct kind *k;

		if ((row->system && !o->system) || !row->start_func_id)
			continue;
		k = groups_row(&o->kinds, kind_key(row->start_func_id, row->state));
		if (!k)
			return -ENOMEM;
		if (!k->n)
			k->first = i;
		k->n = i + 1 - k->first;
		sample_sum_up(&row->sum, &o->sum);
	}
	return 0;
}

/* From what the program called on: of the runtime's frames one is left, which says how it waits, as
 * in Go's own block profile. */
static uint32_t first_shown(const struct off *o, const struct sample_row *row)
{
	uint32_t first = 0;

	while (first < row->n && view_is_runtime(o->v, row->sites[first]))
		first++;
	if (first == row->n)
		return 0;
	/* A system call is one by its name. */
	return first && row->state != GSTATE_SYSCALL ? first - 1 : first;
}

/* `ns` of stays that are over. `goid`: with its labels; 0: without. */
static int add_row(struct off *o, const struct sample_row *row, uint64_t ns, double stays,
		   uint64_t goid)
{
	struct pprof_frame frames[SAMPLE_DEPTH_MAX + 2] = {0};
	struct pprof_sample sample = {.frames = frames};

	if (!row->n) /* it did not run yet, and what it begins with is a wrapper */
		frames[sample.n++].function = profile_text(o->v, row->start_func_id);
	profile_calls(o->v, row, first_shown(o, row), PPROF_TEXT("(not Go)"), frames, &sample.n);
	add_state_labels(o, &sample, row->state, row->reason_id);
	if (goid)
		labels_add(o->labels, goid, &sample, 2);
	sample.values[0] = (int64_t)fmin(stays + 0.5, 1e18);
	sample.values[1] = as_value(ns);
	o->spread_ns = sum_u64(o->spread_ns, ns);
	return pprof_add(o->p, &sample);
}

/* Spreads ns over the first n rows of a kind, all of it. */
static int spread(struct off *o, const struct kind *k, size_t n, uint64_t ns, uint64_t goid)
{
	uint64_t left = 0, given = 0;
	int err = 0;

	for (size_t i = k->first; i < k->first + n; i++)
		left = sum_u64(left, o->rows[i].sum.weight);
	for (size_t i = k->first; i < k->first + n && !err; i++) {
		const struct sample_row *row = &o->rows[i];
		double share = left ? (double)row->sum.weight / (double)left : 1;
		uint64_t part = (uint64_t)((double)(ns - given) * MIN(share, 1.0));

		if (i + 1 == k->first + n || part > ns - given)
			part = ns - given;
		given += part;
		left -= MIN(left, row->sum.weight);
		if (part)
			err = add_row(o, row, part,
				      row->sum.objects * (double)part / (double)row->sum.weight,
				      goid);
	}
	return err;
}

/* --- goroutines ------------------------------------------------------------------------------- */

/* Where no stack is known: start function and go statement. */
static int add_by_origin(struct off *o, const struct goroutine *g, unsigned state, uint64_t ns,
			 uint32_t reason_id)
{
	struct pprof_frame frames[2];
	struct pprof_sample sample = {.frames = frames, .values = {1, as_value(ns)}};

	sample.n = profile_origin(o->v, g, frames);
	add_state_labels(o, &sample, state, reason_id);
	if (!(g->flags & GOROUTINE_EXITED))
		labels_add(o->labels, g->goid, &sample, reason_id ? 2 : 1);
	return pprof_add(o->p, &sample);
}

static bool is_labelled(struct off *o, const struct goroutine *g)
{
	struct pprof_sample sample = {0};

	if (g->flags & GOROUTINE_EXITED)
		return false;
	labels_add(o->labels, g->goid, &sample, 0);
	return sample.labels[0].value.len != 0;
}

/* Stays that are over. */
static int add_over(struct off *o, const struct goroutine *g, unsigned state, uint64_t ns)
{
	struct kind *k = groups_find(&o->kinds, kind_key(g->start_func_id, state));

	o->over_ns = sum_u64(o->over_ns, ns);
	if (!k || !k->n)
		return add_by_origin(o, g, state, ns, 0);
	if (is_labelled(o, g))
		return spread(o, k, MIN(k->n, (size_t)LABELLED_ROWS), ns, g->goid);
	k->ns = sum_u64(k->ns, ns);
	return 0;
}

static int add_goroutine(struct off *o, const struct goroutine *g, uint64_t now)
{
	int err = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(states) && !err; i++) {
		uint64_t over = g->state_ns[states[i]];
		uint64_t open = view_state_ns(g, states[i], now) - over;
		struct open *row;

		if (over)
			err = add_over(o, g, states[i], over);
		if (!open || err)
			continue;
		row = groups_row(&o->open, g->goid);
		if (!row)
			return -ENOMEM;
		row->ns = open;
		row->state = states[i];
		row->reason_id = gstate_waits(states[i]) ? g->reason_id : 0;
		o->open_ns = sum_u64(o->open_ns, open);
	}
	return err;
}

static int each_goroutine(struct off *o, uint64_t now, uint64_t *from)
{
	struct model_pass *pass cleanup_pass_ = NULL;
	const struct goroutine *g;
	int err =
		model_pass_new(o->v->model, o->proc, &(struct model_which){.exited = true}, &pass);

	while (!err && (g = model_pass_next(pass))) {
		if (g->flags & GOROUTINE_SYSTEM && !o->system)
			continue;
		*from = MIN(*from, g->created_ns);
		err = add_goroutine(o, g, now);
	}
	return err;
}

static int spread_all(struct off *o)
{
	const struct kind *all = (const void *)o->kinds.rows;
	int err = 0;

	for (size_t i = 0; i < o->kinds.n && !err; i++)
		if (all[i].ns)
			err = spread(o, &all[i], all[i].n, all[i].ns, 0);
	return err;
}

/* --- what goes on ----------------------------------------------------------------------------- */

static void add_stack(void *ctx, const struct dump_stack *stack)
{
	struct off *o = ctx;
	struct open *open = groups_find(&o->open, stack->goid);
	struct pprof_sample sample = {.frames = o->frames};

	if (!open || open->told || !stack->n || o->err)
		return;
	open->told = true;
	for (size_t i = 0; i < stack->n; i++) {
		const struct dump_frame *f = &stack->frames[i];

		o->frames[sample.n] = (struct pprof_frame){.function = {f->name, f->name_len}};
		profile_read_place(f, &o->frames[sample.n++]);
	}
	add_state_labels(o, &sample, open->state, open->reason_id);
	if (stack->labels)
		labels_add_text(stack->labels, stack->labels_len, &sample, 2, &o->texts);
	sample.values[0] = 1;
	sample.values[1] = as_value(open->ns);
	o->err = pprof_add(o->p, &sample);
}

static int add_text(void *arg, const char *text, size_t len)
{
	struct off *o = arg;

	dump_parse(text, len, add_stack, o);
	return o->err;
}

/* With the stacks of now; who has none there (a replay, one that runs by now) by its origin. */
static int add_open(struct off *o)
{
	const struct open *all = (const void *)o->open.rows;
	uint64_t as_of_ns;
	int err = 0;

	if (o->open.n)
		err = view_each_stack(o->v, o->proc, LIVE_STACKS_LABELLED,
				      &(struct stack_taker){o, add_text, profile_drop}, &as_of_ns);
	if (err != -ESTALE)
		err = o->err;
	for (size_t i = 0; i < o->open.n && !err; i++) {
		struct goroutine g;

		if (!all[i].told && !model_goroutine(o->v->model, o->proc, all[i].key, &g))
			err = add_by_origin(o, &g, all[i].state, all[i].ns, all[i].reason_id);
	}
	return err;
}

/* --- the profile ------------------------------------------------------------------------------ */

static void note(const struct off *o)
{
	struct model_totals t;

	model_totals(o->v->model, (int)o->proc, &t);
	pprof_comment(o->p,
		      "time not running since tracing began: how much is counted, by start "
		      "function and state; %.3f s of stays that are over, %.3f s of such that go "
		      "on, which have the stacks of now",
		      (double)o->over_ns / NS_PER_SEC, (double)o->open_ns / NS_PER_SEC);
	if (o->sum.hits)
		pprof_comment(o->p,
			      "stays that are over are spread over %llu stacks that were sampled, "
			      "which stand for %.3f s, one standard deviation is %.3f s; %.4g %% "
			      "of their time has such stacks, the rest start function and go "
			      "statement; `waits` is an estimate for them",
			      (unsigned long long)o->sum.hits, (double)o->sum.weight / NS_PER_SEC,
			      (double)sample_error(&o->sum) / NS_PER_SEC,
			      o->over_ns ? 100 * (double)o->spread_ns / (double)o->over_ns : 0.0);
	else
		pprof_comment(o->p, "no stacks were sampled: stays that are over have start "
				    "function and go statement");
	pprof_comment(o->p,
		      o->system ? "the runtime's own goroutines are in it" : PROFILE_NO_SYSTEM);
	pprof_comment(o->p, PROFILE_LABELS_NOW);
	if (o->totals.lost)
		pprof_comment(o->p, "%llu samples were lost, of %.3f s",
			      (unsigned long long)o->totals.lost,
			      (double)o->totals.lost_weight / NS_PER_SEC);
	if (t.exited_dropped)
		pprof_comment(o->p,
			      "%llu goroutines that have exited are no longer kept: not in it",
			      (unsigned long long)t.exited_dropped);
	profile_note_rates(o->v, o->p);
}

static int fill(const struct view *v, unsigned proc, struct pprof *p, uint64_t now, uint64_t *from,
		bool system)
{
	struct off *o = calloc(1, sizeof(*o));
	int err;

	if (!o)
		return -ENOMEM;
	o->v = v;
	o->proc = proc;
	o->system = system;
	o->p = p;
	o->kinds = (struct groups)GROUPS_INIT(struct kind);
	o->open = (struct groups)GROUPS_INIT(struct open);
	err = labels_read(v, proc, &o->labels);
	if (!err)
		err = read_samples(o);
	if (!err)
		err = each_goroutine(o, now, from);
	if (!err)
		err = spread_all(o);
	if (!err)
		err = add_open(o);
	if (!err)
		note(o);
	labels_free(o->labels);
	groups_free(&o->kinds);
	groups_free(&o->open);
	buf_free(&o->texts);
	free(o->rows);
	free(o);
	return err;
}

static int fill_own(const struct view *v, unsigned proc, struct pprof *p, uint64_t now,
		    uint64_t *from)
{
	return fill(v, proc, p, now, from, false);
}

static int fill_all(const struct view *v, unsigned proc, struct pprof *p, uint64_t now,
		    uint64_t *from)
{
	return fill(v, proc, p, now, from, true);
}

int view_pprof_offcpu(const struct view *v, struct view_query *q, struct buf *out)
{
	static const struct pprof_type types[] = {{"waits", "count"}, {"delay", "nanoseconds"}};

	return profile_make(v, q->proc, types, ARRAY_SIZE(types),
			    view_arg_yes(q, "system") ? fill_all : fill_own, out);
}
