/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A goroutine's stays out of its events, and the window of time they are looked at through. */
#include "core/view/stays.h"

#include <errno.h>

#include "core/view/query.h"
#include "core/view/view_internal.h"

/* The model's word on the present state: it was read from memory, or the change is not kept. */
static struct stay present(const struct goroutine *g)
{
	return (struct stay){.begin = g->state_since_ns,
			     .state = g->state,
			     .reason_id = g->state == GSTATE_WAITING ? g->reason_id : 0};
}

static struct stay entered(const struct event *ev)
{
	return (struct stay){.begin = ev->time_ns,
			     .state = gstate_is_exit(ev->from, ev->to) ? GSTATES : ev->to,
			     .reason_id = ev->to == GSTATE_WAITING ? ev->string_id : 0,
			     .seen = true};
}

void stays_walk(const struct goroutine *g, const struct event *events, size_t n, uint64_t since_ns,
		void (*fn)(void *ctx, const struct stay *stay), void *ctx)
{
	struct stay stay = {.begin = MAX(g->created_ns, since_ns), .state = GSTATES};
	bool exited = g->flags & GOROUTINE_EXITED, changed = false;

	for (size_t i = 0; i < n; i++) {
		const struct event *ev = &events[i];

		if (ev->type != EVENT_CASGSTATUS || ev->target != g->goid)
			continue;
		/* What it was in before its first retained change, that change itself says. */
		if (!changed) {
			stay.state = ev->from;
			stay.reason_id = ev->from == GSTATE_WAITING ? ev->string_id : 0;
		}
		changed = true;
		stay.end = ev->time_ns;
		stay.ended_by = ev->goid == g->goid ? 0 : ev->goid;
		/* When it begins, what it was in ended before, without an event. */
		if (stay.state < GSTATES && !gstate_is_creation(ev->from, ev->to))
			fn(ctx, &stay);
		stay = entered(ev);
	}
	if (!changed && exited)
		return;
	if (!changed) {
		stay = present(g);
	} else if (!exited && stay.state != g->state && g->state_since_ns > stay.begin) {
		stay.end = g->state_since_ns;
		if (stay.state < GSTATES)
			fn(ctx, &stay);
		stay = present(g);
		stay.seen = true;
	}
	if (exited && g->exited_ns >= stay.begin)
		stay.end = g->exited_ns;
	if (stay.state < GSTATES)
		fn(ctx, &stay);
}

/* The time of the oldest retained event: exact from there on. 0 when nothing was trimmed. */
static uint64_t retained_since(struct model *m)
{
	struct feed *feed = model_feed(m);
	uint64_t cursor = feed_tail(feed);
	struct event ev;

	if (!cursor || !feed_read(feed, &cursor, &ev, 1, NULL))
		return 0;
	return ev.time_ns;
}

int window_read(struct view_query *q, struct window *ret)
{
	int err = view_arg_u64(q, "from", 0, UINT64_MAX, 0, &ret->from);

	if (!err)
		err = view_arg_u64(q, "to", 0, UINT64_MAX, UINT64_MAX, &ret->to);
	if (!err && ret->to <= ret->from)
		err = view_refuse(q, -EINVAL, "to must be after from");
	return err;
}

void window_place(struct window *w, const struct view *v, unsigned proc)
{
	struct proc_info info;
	bool ended = !model_proc(v->model, proc, &info) && info.state == PROC_EXITED;

	w->now = view_now(v, proc);
	w->since_ns = retained_since(v->model);
	w->end_ns = ended ? w->now : 0;
}

struct ending {
	void (*fn)(void *ctx, const struct stay *stay);
	void *ctx;
	uint64_t end_ns;
};

static void end_open(void *ctx, const struct stay *stay)
{
	const struct ending *e = ctx;
	struct stay closed = *stay;

	if (!closed.end)
		closed.end = MAX(e->end_ns, closed.begin);
	e->fn(e->ctx, &closed);
}

void window_walk(const struct window *w, const struct goroutine *g, const struct event *events,
		 size_t n, void (*fn)(void *ctx, const struct stay *stay), void *ctx)
{
	struct ending ending = {fn, ctx, w->end_ns};

	if (w->end_ns)
		stays_walk(g, events, n, w->since_ns, end_open, &ending);
	else
		stays_walk(g, events, n, w->since_ns, fn, ctx);
}

int window_stays(const struct window *w, const struct view *v, const struct goroutine *g,
		 void (*fn)(void *ctx, const struct stay *stay), void *ctx)
{
	cleanup_free_ struct event *events = NULL;
	cleanup_free_ uint64_t *seqs = NULL;
	size_t n = 0;
	int err = model_goroutine_events(v->model, g->proc, g->goid, 0, UINT64_MAX, &events, &seqs,
					 &n);

	if (!err)
		window_walk(w, g, events, n, fn, ctx);
	return err == -ENOENT ? 0 : err;
}

uint64_t window_inside(const struct window *w, const struct stay *stay)
{
	uint64_t begin = MAX(stay->begin, w->from),
		 end = MIN(stay->end ? stay->end : w->now, w->to);

	return end > begin ? end - begin : 0;
}
