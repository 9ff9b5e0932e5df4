/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A process in one page, to be held against another: by state, and by start function. Any thread.
 */
#include <errno.h>

#include "core/base/json.h"
#include "core/view/groups.h"
#include "core/view/view_internal.h"

struct summary_row {
	uint64_t func_id;
	uint64_t goroutines, live, alloc_bytes, events;
	uint64_t ns[GSTATES];
};

struct summary {
	struct summary_row all;
	struct groups functions;
	uint64_t in[GSTATES + 1], exited_dropped; /* in: by view_state() */
};

static void add(struct summary_row *row, const struct goroutine *g, uint64_t now)
{
	row->goroutines++;
	row->live += !(g->flags & GOROUTINE_EXITED);
	row->alloc_bytes = sum_u64(row->alloc_bytes, g->alloc_bytes);
	row->events += view_events_of(g);
	for (unsigned i = 0; i < GSTATES; i++)
		row->ns[i] = sum_u64(row->ns[i], view_state_ns(g, i, now));
}

static int gather(const struct view *v, unsigned proc, struct summary *s)
{
	struct model_which all = {.exited = true};
	struct model_pass *pass cleanup_pass_ = NULL;
	uint64_t now = view_now(v, proc);
	const struct goroutine *g;
	struct model_totals t;
	int err = model_pass_new(v->model, proc, &all, &pass);

	while (!err && (g = model_pass_next(pass))) {
		struct summary_row *row = groups_row(&s->functions, g->start_func_id);

		if (!row)
			return -ENOMEM;
		add(row, g, now);
		add(&s->all, g, now);
		s->in[view_state(g)]++;
	}
	model_totals(v->model, (int)proc, &t);
	s->exited_dropped = t.exited_dropped;
	return err;
}

/* Most goroutines first. */
static int compare(const void *a, const void *b)
{
	const struct summary_row *x = a, *y = b;

	if (x->goroutines != y->goroutines)
		return x->goroutines > y->goroutines ? -1 : 1;
	return x->func_id < y->func_id ? -1 : x->func_id > y->func_id;
}

static void json_row(const struct summary_row *row, struct buf *out)
{
	json_ku(out, "goroutines", row->goroutines);
	json_ku(out, "live", row->live);
	json_ku(out, "alloc_bytes", row->alloc_bytes);
	json_ku(out, "events", row->events);
	json_key(out, "state_ns");
	buf_addc(out, '{');
	for (unsigned i = 0; i < GSTATES; i++) {
		if (row->ns[i])
			json_ku(out, gstate_name(i), row->ns[i]);
	}
	buf_addc(out, '}');
}

static int as_json(const struct summary *s, const struct names *names, struct buf *out)
{
	const struct summary_row *rows = (const void *)s->functions.rows;

	buf_addc(out, '{');
	json_row(&s->all, out);
	json_ku(out, "exited_dropped", s->exited_dropped);
	json_key(out, "states");
	buf_addc(out, '{');
	for (unsigned i = 0; i <= GSTATES; i++) {
		if (s->in[i])
			json_ku(out, view_state_name(i), s->in[i]);
	}
	buf_addc(out, '}');
	json_key(out, "functions");
	buf_addc(out, '[');
	for (size_t i = 0; i < s->functions.n; i++) {
		buf_adds(out, i ? ",{" : "{");
		view_json_text("function", names_string(names, (uint32_t)rows[i].func_id), out);
		json_row(&rows[i], out);
		buf_addc(out, '}');
	}
	buf_adds(out, "]}\n");
	return buf_error(out);
}

static const uint8_t shown[] = {GSTATE_RUNNING, GSTATE_RUNNABLE, GSTATE_WAITING, GSTATE_SYSCALL};

static void text_row(struct emit *e, const char *name, const struct summary_row *row)
{
	emit_row(e);
	emit_string(e, NULL, name);
	emit_u64(e, NULL, row->goroutines);
	emit_u64(e, NULL, row->live);
	emit_u64(e, NULL, row->alloc_bytes);
	emit_u64(e, NULL, row->events);
	for (unsigned i = 0; i < ARRAY_SIZE(shown); i++)
		emit_u64(e, NULL, row->ns[shown[i]]);
	emit_row_end(e);
}

static int as_text(const struct summary *s, const struct names *names, struct buf *out)
{
	static const char *const columns[] = {"function",    "goroutines", "live",
					      "alloc_bytes", "events",     "running_ns",
					      "runnable_ns", "waiting_ns", "syscall_ns"};
	const struct summary_row *rows = (const void *)s->functions.rows;
	struct emit e;

	emit_table_begin(&e, VIEW_TEXT, columns, ARRAY_SIZE(columns), out);
	text_row(&e, "(all)", &s->all);
	for (size_t i = 0; i < s->functions.n && !emit_cut(&e, s->functions.n - i); i++)
		text_row(&e, names_string(names, (uint32_t)rows[i].func_id), &rows[i]);
	view_note_dropped(s->exited_dropped, "in no row, nor in (all)", out);
	return emit_table_end(&e);
}

int view_summary(const struct view *v, struct view_query *q, struct buf *out)
{
	struct summary s = {.functions = GROUPS_INIT(struct summary_row)};
	const struct names *names = model_names(v->model);
	int err = gather(v, q->proc, &s);

	groups_sort(&s.functions, compare);
	if (!err)
		err = q->form == VIEW_JSON ? as_json(&s, names, out) : as_text(&s, names, out);
	groups_free(&s.functions);
	return err;
}
