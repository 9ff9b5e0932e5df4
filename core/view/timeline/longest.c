/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The longest single stays in a time range: what is behind one bar of the histogram of `range`. */
#include <errno.h>

#include "core/base/json.h"
#include "core/base/top.h"
#include "core/view/choose.h"
#include "core/view/columns.h"
#include "core/view/query.h"
#include "core/view/stays.h"
#include "core/view/view_internal.h"

#define STAYS_MAX 2000

struct found {
	struct stay stay;
	uint64_t goid, ns; /* ns: of it in the window */
};

struct query {
	struct window window;
	struct missing missing;
	uint64_t min, max, limit; /* min <= ns < max */
	int state;                /* enum gstate, GSTATES: not known; -1: any */
	uint64_t goid, total;
	struct top top;
	int err;
};

/* Longest first; of equal ones the earlier. */
static int compare(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	if (x->stay.begin != y->stay.begin)
		return x->stay.begin < y->stay.begin ? -1 : 1;
	return x->goid < y->goid ? -1 : x->goid > y->goid;
}

static void add_stay(void *ctx, const struct stay *stay)
{
	struct query *q = ctx;
	struct found found = {.stay = *stay, .goid = q->goid};

	found.ns = window_inside(&q->window, stay);
	if (!found.ns || found.ns < q->min || found.ns >= q->max ||
	    (q->state >= 0 && q->state != stay->state))
		return;
	q->total++;
	if (!q->err)
		q->err = top_add(&q->top, &found);
}

static int as_json(const struct query *q, const struct names *names, struct buf *out)
{
	const struct found *found = q->top.v;

	buf_addc(out, '{');
	json_ku(out, "since_ns", q->window.since_ns);
	json_ku(out, "total", q->total);
	if (q->missing.here) {
		json_ku(out, "exited_dropped", q->missing.dropped);
		json_kb(out, "exited_missing", true);
	}
	json_key(out, "stays");
	buf_addc(out, '[');
	for (size_t i = 0; i < q->top.n; i++, found++) {
		const struct stay *stay = &found->stay;

		if (i)
			buf_addc(out, ',');
		PACK(STAY_COLUMNS);
	}
	buf_adds(out, "]}\n");
	return buf_error(out);
}

static int as_text(const struct query *q, const struct names *names, struct buf *out)
{
	static const char *const columns[] = {"goid",   "state",    "ns",          "begin_ns",
					      "end_ns", "ended_by", "wait_reason", "begin_known"};
	const struct found *list = q->top.v;
	struct emit e;

	emit_table_begin(&e, VIEW_TEXT, columns, ARRAY_SIZE(columns), out);
	for (size_t i = 0; i < q->top.n; i++) {
		const struct stay *stay = &list[i].stay;

		emit_row(&e);
		emit_u64(&e, NULL, list[i].goid);
		emit_string(&e, NULL, view_state_name(stay->state));
		emit_u64(&e, NULL, list[i].ns);
		emit_u64(&e, NULL, stay->begin);
		if (stay->end)
			emit_u64(&e, NULL, stay->end);
		else
			emit_none(&e, NULL);
		if (stay->ended_by)
			emit_u64(&e, NULL, stay->ended_by);
		else
			emit_none(&e, NULL);
		if (gstate_waits(stay->state))
			emit_string(&e, NULL, names_string(names, stay->reason_id));
		else
			emit_none(&e, NULL);
		emit_yes(&e, NULL, stay->seen);
		emit_row_end(&e);
	}
	if (q->missing.here)
		view_note_dropped(q->missing.dropped, "their stays are not in it", out);
	return emit_table_end(&e);
}

/* The name of a state in Go, unless it is not asked for. */
static int read_state(struct view_query *q, int *ret)
{
	const char *name = view_arg_text(q, "state");
	bool any = !name || !*name;

	*ret = any ? -1 : view_state_parse(name);
	if (any || *ret >= 0)
		return 0;
	return view_refuse(q, -EINVAL, "state: no goroutine state is named \"%.40s\"", name);
}

static int read_query(const struct view *v, struct view_query *q, struct query *ret)
{
	int err = window_read(v, q, &ret->window);

	if (!err)
		err = read_state(q, &ret->state);
	if (!err)
		err = view_arg_u64(q, "min", 0, UINT64_MAX, 0, &ret->min);
	if (!err)
		err = view_arg_u64(q, "max", 0, UINT64_MAX, UINT64_MAX, &ret->max);
	if (!err)
		err = view_arg_u64(q, "limit", 1, STAYS_MAX, 200, &ret->limit);
	if (!err && ret->max <= ret->min)
		err = view_refuse(q, -EINVAL, "max must be greater than min");
	ret->top = (struct top)TOP_INIT(struct found, ret->limit, compare);
	return err;
}

static int add_goroutine(void *ctx, const struct goroutine *g, const struct event *events, size_t n)
{
	struct query *q = ctx;

	q->goid = g->goid;
	window_walk(&q->window, g, events, n, add_stay, q);
	return q->err;
}

int view_stays(const struct view *v, struct view_query *q, struct buf *out)
{
	struct query query = {0};
	int err = read_query(v, q, &query);

	if (err)
		return err;
	err = window_pass(&query.window, v, q, add_goroutine, &query, &query.missing);
	if (!err) {
		top_sort(&query.top);
		err = q->form == VIEW_JSON ? as_json(&query, model_names(v->model), out)
					   : as_text(&query, model_names(v->model), out);
	}
	top_free(&query.top);
	return err;
}
