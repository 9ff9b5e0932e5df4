/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Start functions, one a row. Any thread. */
#include "core/view/starts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/samples.h"
#include "core/view/probes.h"
#include "core/view/view_internal.h"

static void add_goroutine(struct start_row *row, const struct goroutine *g, uint64_t now)
{
	for (unsigned i = 0; i < GSTATES; i++)
		row->state_ns[i] = sum_u64(row->state_ns[i], view_state_ns(g, i, now));
	row->events += view_events_of(g);
	row->alloc_bytes = sum_u64(row->alloc_bytes, g->alloc_bytes);
	row->runnable_max_ns = MAX(row->runnable_max_ns, g->runnable_max_ns);
	row->system |= g->flags & GOROUTINE_SYSTEM;
	if (g->flags & GOROUTINE_EXITED)
		return;
	row->in[view_state(g)]++;
	if (!row->goid || view_state_ns(g, GSTATE_RUNNING, now) > row->goid_running_ns) {
		row->goid = g->goid;
		row->goid_running_ns = view_state_ns(g, GSTATE_RUNNING, now);
	}
}

static int add_goroutines(struct starts *s, const struct view *v, unsigned proc)
{
	struct model_pass *pass cleanup_pass_ = NULL;
	const struct goroutine *g;
	int err = model_pass_new(v->model, proc, &(struct model_which){.exited = true}, &pass);

	while (!err && (g = model_pass_next(pass))) {
		struct start_row *row = groups_row(&s->rows, g->start_func_id);

		if (!row)
			return -ENOMEM;
		add_goroutine(row, g, s->now);
	}
	return err;
}

/* The counts, and what those had done that are no longer kept. */
static int add_functions(struct starts *s, const struct view *v, unsigned proc)
{
	cleanup_free_ struct model_function *list = NULL;
	size_t n = 0;
	int err = model_functions(v->model, proc, &list, &n);

	for (size_t i = 0; i < n && !err; i++) {
		const struct model_dropped *d = &list[i].dropped;
		struct start_row *row;

		/* None is, and none was: they have got a name since. */
		if (!list[i].live && !list[i].created && !list[i].exited)
			continue;
		row = groups_row(&s->rows, list[i].func_id);
		if (!row)
			return -ENOMEM;
		row->f = list[i];
		for (unsigned k = 0; k < GSTATES; k++)
			row->state_ns[k] = sum_u64(row->state_ns[k], d->state_ns[k]);
		row->events += d->events;
		row->alloc_bytes = sum_u64(row->alloc_bytes, d->alloc_bytes);
		row->runnable_max_ns = MAX(row->runnable_max_ns, d->runnable_max_ns);
	}
	return err;
}

static void add_second(struct starts *s, const struct view *v, unsigned proc)
{
	for (size_t i = 0; i < s->second.n; i++) {
		const struct second_row *from = &s->second.rows[i];
		struct start_row *row;
		struct goroutine g;

		if (model_goroutine(v->model, proc, from->goid, &g))
			continue;
		row = groups_find(&s->rows, g.start_func_id);
		if (!row)
			continue;
		for (unsigned k = 0; k < GSTATES; k++)
			row->second_ns[k] += from->state_ns[k];
		row->second_alloc_bytes = sum_u64(row->second_alloc_bytes, from->alloc_bytes);
		row->second_wakes += from->wakes;
		if (from->wakes > row->second_reason_wakes) {
			row->second_reason_wakes = from->wakes;
			row->second_reason_id = from->reason_id;
		}
	}
}

static int add_cpu(struct starts *s, const struct view *v, unsigned proc)
{
	const struct names *names = model_names(v->model);
	cleanup_free_ struct sample_row *list = NULL;
	struct sample_totals totals;
	size_t n = 0;
	int err = samples_copy(model_samples(v->model), proc, SAMPLE_CPU, &list, &n, &totals);

	s->cpu = samples_begun(model_samples(v->model), SAMPLE_CPU);
	for (size_t i = 0; i < n && !err; i++) {
		struct start_row *row = NULL;

		if (list[i].n && !list[i].cut)
			row = groups_find(&s->rows,
					  names_site(names, list[i].sites[list[i].n - 1])->func_id);
		if (row)
			row->cpu_ns = sum_u64(row->cpu_ns, list[i].sum.weight);
	}
	return err;
}

int starts_read(const struct view *v, unsigned proc, uint64_t ns, struct starts *s)
{
	int err;

	*s = (struct starts){.now = view_now(v, proc),
			     .rows = GROUPS_INIT(struct start_row),
			     .counted = view_probes_always(v, proc)};
	err = add_goroutines(s, v, proc);
	if (!err)
		err = add_functions(s, v, proc);
	if (!err)
		err = add_cpu(s, v, proc);
	if (!err)
		err = second_measure(v, proc, ns, &s->second);
	if (!err)
		add_second(s, v, proc);
	return err;
}

void starts_free(struct starts *s)
{
	groups_free(&s->rows);
	second_free(&s->second);
}

/* --- the table -------------------------------------------------------------------------------- */

/* Most that live first, then who ran longest: those that all ended come last. */
static int compare(const void *a, const void *b)
{
	const struct start_row *x = a, *y = b;
	const uint64_t keys[][2] = {{x->f.live, y->f.live},
				    {x->state_ns[GSTATE_RUNNING], y->state_ns[GSTATE_RUNNING]},
				    {y->func_id, x->func_id}};

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i][0] != keys[i][1])
			return keys[i][0] > keys[i][1] ? -1 : 1;
	}
	return 0;
}

static void emit_last_exit(struct emit *e, const struct starts *s, const struct start_row *row)
{
	if (!row->f.last_exit_goid) {
		emit_none(e, NULL);
		emit_none(e, NULL);
		return;
	}
	emit_u64(e, NULL, view_since(s->now, row->f.last_exit_ns));
	emit_u64(e, NULL, row->f.last_exit_goid);
}

static void emit_start(struct emit *e, const struct view *v, const struct starts *s,
		       const struct start_row *row)
{
	emit_row(e);
	emit_string(e, NULL, names_string(model_names(v->model), (uint32_t)row->func_id));
	emit_u64(e, NULL, row->f.live);
	emit_u64(e, NULL, row->in[GSTATE_RUNNING]);
	emit_u64(e, NULL, row->in[GSTATE_RUNNABLE]);
	emit_u64(e, NULL, row->in[GSTATE_WAITING] + row->in[GSTATE_LEAKED]);
	emit_u64(e, NULL, row->in[GSTATE_SYSCALL]);
	emit_u64(e, NULL, row->in[GSTATES]);
	view_emit_known(e, NULL, s->counted, row->f.created);
	view_emit_known(e, NULL, s->counted, row->f.exited);
	emit_last_exit(e, s, row);
	emit_u64(e, NULL, row->state_ns[GSTATE_RUNNING]);
	emit_u64(e, NULL, row->state_ns[GSTATE_RUNNABLE]);
	if (s->cpu)
		emit_u64(e, NULL, row->cpu_ns);
	else
		emit_unknown(e, NULL);
	if (s->second.events && s->second.ns)
		emit_u64(e, NULL,
			 (uint64_t)((double)row->second_alloc_bytes * NS_PER_SEC /
				    (double)s->second.ns));
	else
		emit_unknown(e, NULL);
	emit_u64(e, NULL, row->alloc_bytes);
	emit_u64(e, NULL, row->runnable_max_ns);
	emit_row_end(e);
}

int view_functions(const struct view *v, struct view_query *q, struct buf *out)
{
	static const char *const columns[] = {
		"function",
		"live",
		"running",
		"runnable",
		"waiting",
		"syscall",
		"state_unknown",
		"started",
		"exited",
		"last_exit_age_ns",
		"last_exit_goid",
		"running_ns",
		"runnable_ns",
		"cpu_ns",
		"alloc_bytes_per_second",
		"alloc_bytes",
		"runnable_to_running_max_ns",
	};
	struct starts s;
	struct emit e;
	int err = starts_read(v, q->proc, NS_PER_SEC, &s);

	if (!err) {
		groups_sort(&s.rows, compare);
		emit_table_begin(&e, q->form, columns, ARRAY_SIZE(columns), out);
		for (size_t i = 0; i < s.rows.n && !emit_cut(&e, s.rows.n - i); i++)
			emit_start(&e, v, &s, starts_row(&s, i));
		err = emit_table_end(&e);
	}
	starts_free(&s);
	return err;
}
