/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who woke or created whom. Any thread. */
#include <errno.h>

#include "core/base/json.h"
#include "core/view/choose.h"
#include "core/view/columns.h"
#include "core/view/query.h"
#include "core/view/view_internal.h"

#define EDGES_MAX 20000

struct edges {
	uint64_t from, to, limit, shown;
	enum view_form form;
	struct buf *out;
};

struct edge_at {
	uint64_t time_ns, goid; /* goid: who did it */
};

/* EDGE_COLUMNS reads ev and goid. */
static void add_edge(struct edges *e, const struct edge_at *ev, bool wake, uint64_t goid)
{
	const char *word = wake ? "wake" : "create";
	struct buf *out = e->out;

	if (ev->time_ns < e->from || ev->time_ns > e->to || !ev->goid || ev->goid == goid)
		return;
	if (e->form != VIEW_JSON) {
		buf_addf(out, "%llu\t%llu\t%llu\t%s\n", (unsigned long long)ev->time_ns,
			 (unsigned long long)ev->goid, (unsigned long long)goid, word);
	} else {
		if (e->shown)
			buf_addc(out, ',');
		PACK(EDGE_COLUMNS);
	}
	e->shown++;
}

/*
 * What happened to one goroutine. Who made it is told by the goroutine, not by the event: that one
 * may be dropped long since, and the goroutine still lives.
 */
static int add_goroutine(const struct view *v, const struct goroutine *g, struct edges *e)
{
	cleanup_free_ struct event *events = NULL;
	cleanup_free_ uint64_t *seqs = NULL;
	size_t n = 0;
	int err = model_goroutine_events(v->model, g->proc, g->goid, 0, UINT64_MAX, &events, &seqs,
					 &n);

	if (!(g->flags & GOROUTINE_FOUND))
		add_edge(e, &(struct edge_at){g->created_ns, g->parent}, false, g->goid);
	for (size_t i = 0; !err && i < n && e->shown < e->limit; i++) {
		const struct event *ev = &events[i];

		if (ev->time_ns > e->to)
			break;
		if (ev->target == g->goid && event_is_wake(ev))
			add_edge(e, &(struct edge_at){ev->time_ns, ev->goid}, true, g->goid);
	}
	return err == -ENOENT ? 0 : err;
}

int view_edges(const struct view *v, struct view_query *q, struct buf *out)
{
	struct view_pass *pass cleanup_view_pass_ = NULL;
	const struct goroutine *g;
	struct edges e = {.form = q->form, .out = out};
	bool json = q->form == VIEW_JSON;
	int err = view_arg_u64(q, "from", 0, UINT64_MAX, 0, &e.from);

	if (!err)
		err = view_arg_u64(q, "to", 0, UINT64_MAX, UINT64_MAX, &e.to);
	if (!err)
		err = view_arg_u64(q, "limit", 1, EDGES_MAX, 2000, &e.limit);
	if (!err)
		err = view_pass_new(v, q, true, &pass);
	if (err)
		return err;
	buf_adds(out, json ? "{\"edges\":[" : "time_ns\tfrom\tto\tkind\n");
	while (!err && e.shown < e.limit && (g = view_pass_next(pass)))
		err = add_goroutine(v, g, &e);
	if (json) {
		buf_addc(out, ']');
		json_kb(out, "more", e.shown == e.limit);
		buf_adds(out, "}\n");
	} else if (e.shown == e.limit) {
		buf_addf(out, "... cut: after %llu rows\n", (unsigned long long)e.limit);
	}
	return err ? err : buf_error(out);
}
