/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who waits where, a stack a row, and who may end that. Any thread. */
#include "core/view/origins.h"
#include "core/view/waits/wait_stacks.h"
#include "core/view/waits/waits.h"

#define CREATION_CALLS 8

static const char *const columns[] = {
	"count",    "reason",         "oldest_ns",      "own_frame", "own_at",
	"frame",    "start_function", "object",         "on_object", "likely_holder",
	"evidence", "sample",         "creation_stack",
};

static void emit_text(struct emit *e, const struct wait_stacks *w, size_t text)
{
	if (text)
		emit_string(e, NULL, wait_stacks_text(w, text));
	else if (w->stacks)
		emit_none(e, NULL);
	else
		emit_unknown(e, NULL);
}

static void emit_object(struct emit *e, const struct wait_stacks *w, const struct wait_stack *row)
{
	const struct wait_object *o = wait_stack_object(w, row);
	const struct wait_holder *h = o ? wait_holder_of(w->graph, o) : NULL;
	cleanup_buf_ struct buf text = BUF_INIT;

	if (!o) {
		for (int i = 0; i < 4; i++) {
			if (w->graph)
				emit_none(e, NULL);
			else
				emit_unknown(e, NULL);
		}
		return;
	}
	view_add_object(w->graph, o, &text);
	emit_string(e, NULL, text.data ? text.data : "");
	emit_u64(e, NULL, row->n_on);
	if (!h) {
		emit_none(e, NULL);
		emit_none(e, NULL);
		return;
	}
	emit_u64(e, NULL, h->goid);
	buf_reset(&text);
	view_add_evidence(w->graph, h, &text);
	emit_string(e, NULL, text.data ? text.data : "");
}

static void emit_sample(struct emit *e, const struct wait_stack *row)
{
	cleanup_buf_ struct buf text = BUF_INIT, json = BUF_INIT;

	buf_addc(&json, '[');
	for (unsigned i = 0; i < WAIT_SAMPLES && i < row->n; i++) {
		buf_addf(&text, "%s%llu", i ? "," : "", (unsigned long long)row->sample[i]);
		buf_addf(&json, "%s%llu", i ? "," : "", (unsigned long long)row->sample[i]);
	}
	buf_addc(&json, ']');
	if (buf_error(&text) || buf_error(&json))
		emit_unknown(e, NULL);
	else
		emit_as(e, NULL, text.data, json.data);
}

/* Of the oldest: on which way one comes to the go statement that made it, sampled. */
static void emit_origin(struct emit *e, const struct wait_stacks *w, const struct origins *origins,
			const struct wait_stack *row, unsigned proc)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	struct origin origin;
	struct goroutine g;

	if (row->n && !model_goroutine(w->v->model, proc, row->sample[0], &g) &&
	    origin_of(origins, &g, &origin))
		origin_text(w->v, &origin, CREATION_CALLS, &text);
	emit_string(e, NULL, text.data ? text.data : ""); /* "": not known */
}

static void emit_stack_row(struct emit *e, const struct wait_stacks *w,
			   const struct origins *origins, const struct wait_stack *row,
			   unsigned proc)
{
	emit_row(e);
	emit_u64(e, NULL, row->n);
	emit_string(e, NULL, wait_stacks_text(w, row->why));
	view_emit_known(e, NULL, row->aged, row->oldest_ns);
	emit_text(e, w, row->own);
	emit_text(e, w, row->own_at);
	emit_text(e, w, row->frame);
	emit_string(e, NULL, wait_stacks_text(w, row->start));
	emit_object(e, w, row);
	emit_sample(e, row);
	emit_origin(e, w, origins, row, proc);
	emit_row_end(e);
}

static bool is_shown(const struct wait_stack *row)
{
	return row->waits && !row->system;
}

static size_t n_shown(const struct wait_stacks *w, size_t from)
{
	size_t n = 0;

	for (size_t i = from; i < w->rows.n; i++)
		n += is_shown(wait_stacks_row(w, i));
	return n;
}

int view_wait_stacks(const struct view *v, struct view_query *q, struct buf *out)
{
	struct origins *origins = NULL;
	struct wait_stacks w;
	struct emit e;
	int err = wait_stacks_read(v, q->proc, true, &w);

	if (!err)
		err = origins_read(v, q->proc, &origins);

	if (!err) {
		emit_table_begin(&e, q->form, columns, ARRAY_SIZE(columns), out);
		for (size_t i = 0; i < w.rows.n; i++) {
			const struct wait_stack *row = wait_stacks_row(&w, i);

			if (!is_shown(row))
				continue;
			if (emit_full(&e)) {
				emit_cut(&e, n_shown(&w, i));
				break;
			}
			emit_stack_row(&e, &w, origins, row, q->proc);
		}
		if (w.left_out) {
			emit_row_separator(&e);
			buf_addf(out,
				 q->form == VIEW_JSON ? "{\"cut_goroutines\":%llu}"
						      : "... cut: %llu goroutines in more stacks\n",
				 (unsigned long long)w.left_out);
		}
		err = emit_table_end(&e);
	}
	origins_free(origins);
	wait_stacks_done(&w);
	return err;
}
