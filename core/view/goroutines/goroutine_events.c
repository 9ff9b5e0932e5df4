/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a goroutine did: its retained events, and the stays in a state they make. Any thread. */
#include <errno.h>
#include <string.h>

#include "core/base/json.h"
#include "core/view/columns.h"
#include "core/view/family.h"
#include "core/view/query.h"
#include "core/view/stays.h"
#include "core/view/view_internal.h"

#define EVENTS_MAX   20000 /* in one array */
#define EVENTS_USUAL 500
#define SPANS_MAX    20000
#define SPANS_USUAL  2000

/* A goroutine's retained events, oldest first. */
struct own_events {
	struct event *v;
	uint64_t *seqs;
	size_t n;
};

static void own_events_free(struct own_events *own)
{
	free(own->v);
	free(own->seqs);
}

static int read_times(struct view_query *q, uint64_t *from, uint64_t *to)
{
	if (view_arg_u64(q, "from", 0, UINT64_MAX, 0, from) ||
	    view_arg_u64(q, "to", 0, UINT64_MAX, UINT64_MAX, to))
		return -EINVAL;
	return *to < *from ? view_refuse(q, -EINVAL, "to is before from") : 0;
}

static int get_events(const struct view *v, const struct view_query *q, struct own_events *ret)
{
	return model_goroutine_events(v->model, q->proc, q->goid, 0, UINT64_MAX, &ret->v,
				      &ret->seqs, &ret->n);
}

/* format=jsonl: as the mount's events.jsonl. */
static int read_lines(struct view_query *q, bool *ret)
{
	const char *format = view_arg_text(q, "format");

	*ret = format && !strcmp(format, "jsonl");
	if (*ret || !format || !*format || !strcmp(format, "json"))
		return 0;
	return view_refuse(q, -EINVAL, "format: one of json, jsonl is expected, not \"%.40s\"",
			   format);
}

static void add_events(const struct view *v, const struct event *events, size_t n, bool lines,
		       struct buf *out)
{
	const struct event_format format = view_event_format(v);

	for (size_t i = 0; i < n; i++) {
		if (i && !lines)
			buf_addc(out, ',');
		event_format_json(&format, &events[i], out);
		if (!lines && !buf_error(out))
			out->len--;
	}
}

int view_goroutine_events(const struct view *v, struct view_query *q, struct buf *out)
{
	struct own_events own cleanup_(own_events_free) = {0};
	size_t first = 0, end;
	uint64_t from, to, limit;
	bool lines;
	int err;

	if (read_lines(q, &lines) || read_times(q, &from, &to) ||
	    view_arg_u64(q, "limit", 1, lines ? UINT64_MAX : EVENTS_MAX,
			 lines ? UINT64_MAX : EVENTS_USUAL, &limit))
		return -EINVAL;
	err = get_events(v, q, &own);
	if (err)
		return err;
	while (first < own.n && own.v[first].time_ns < from)
		first++;
	for (end = first; end < own.n && own.v[end].time_ns <= to; end++)
		;
	if (!lines) {
		buf_addc(out, '{');
		json_ku(out, "total", end - first);
		json_key(out, "events");
		buf_addc(out, '[');
	}
	/* The newest of them: what somebody who looks wants first. */
	if (end - first > limit)
		first = end - limit;
	add_events(v, own.v + first, end - first, lines, out);
	if (lines)
		q->form = VIEW_TEXT;
	else
		buf_adds(out, "]}\n");
	return buf_error(out);
}

struct spans {
	const struct names *names;
	uint64_t from, to, skip, left, found;
	struct buf *out; /* NULL: they are counted */
};

/* Of what touches [from, to]. */
static void add_span(void *ctx, const struct stay *stay)
{
	struct spans *q = ctx;
	const struct names *names = q->names;
	struct buf *out = q->out;

	if (!stay->seen || (stay->end && stay->end < q->from) || stay->begin > q->to)
		return;
	if (q->found++ < q->skip || !out || !q->left)
		return;
	q->left--;
	if (buf_last(out) != '[')
		buf_addc(out, ',');
	PACK(SPAN_COLUMNS);
}

int view_spans(const struct view *v, struct view_query *q, struct buf *out)
{
	struct own_events own cleanup_(own_events_free) = {0};
	struct spans s = {.names = model_names(v->model)};
	struct window window = {0};
	struct goroutine g;
	int err;

	if (read_times(q, &s.from, &s.to) ||
	    view_arg_u64(q, "limit", 1, SPANS_MAX, SPANS_USUAL, &s.left))
		return -EINVAL;
	err = model_goroutine(v->model, q->proc, q->goid, &g);
	if (!err)
		err = get_events(v, q, &own);
	if (err)
		return err;
	window_place(&window, v, q->proc);
	window.since_ns = 0;
	if (view_arg_yes(q, "newest")) {
		window_walk(&window, &g, own.v, own.n, add_span, &s);
		s.skip = s.found > s.left ? s.found - s.left : 0;
		s.found = 0;
	}
	buf_addc(out, '{');
	/* Before this the events are no longer kept. */
	json_ku(out, "since", own.n ? own.v[0].time_ns : view_now(v, q->proc));
	json_key(out, "spans");
	buf_addc(out, '[');
	s.out = out;
	window_walk(&window, &g, own.v, own.n, add_span, &s);
	buf_adds(out, "]}\n");
	return buf_error(out);
}
