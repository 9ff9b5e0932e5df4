/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A goroutine's stays out of its events, and the window of time they are looked at through. */
#include "core/view/stays.h"

#include <errno.h>

#include "core/model/walk.h"
#include "core/view/choose.h"
#include "core/view/probes.h"
#include "core/view/query.h"
#include "core/view/view_internal.h"

struct telling {
	struct life life;
	bool seen;         /* life's state began when it says */
	uint64_t ended_by; /* of what comes to an end now */
	void (*fn)(void *ctx, const struct stay *stay);
	void *ctx;
};

static void tell_stay(const struct telling *t, uint64_t end)
{
	bool waits = gstate_waits(life_state(&t->life));
	struct stay stay = {.begin = t->life.since_ns,
			    .end = end,
			    .ended_by = t->ended_by,
			    .reason_id = waits ? t->life.reason_id : 0,
			    .state = (uint8_t)life_state(&t->life),
			    .seen = t->seen};

	if (life_there(&t->life))
		t->fn(t->ctx, &stay);
}

static void follow(struct telling *t, const struct meaning *m)
{
	uint64_t unknown = meaning_unknown_from(&t->life, m);

	if (m->means & (MEANS_STATE | MEANS_EXITED)) {
		if (unknown > t->life.since_ns)
			tell_stay(t, MIN(unknown, m->life.since_ns));
		if (unknown < m->life.since_ns)
			t->fn(t->ctx, &(struct stay){.begin = unknown,
						     .end = m->life.since_ns,
						     .state = GSTATES,
						     .seen = true});
		t->seen = !(m->life.flags & GOROUTINE_STATE_READ);
	}
	t->life = m->life;
}

/* The first of its events that tells of its state; n when there is none. */
static size_t first_change(const struct goroutine *g, const struct event *events, size_t n)
{
	size_t i = 0;

	while (i < n && (events[i].type != EVENT_CASGSTATUS || events[i].target != g->goid))
		i++;
	return i;
}

/*
 * What it was in before its first retained change, that change itself says: as far as events are
 * kept back, or when it was there before it was first seen, and did nothing else since.
 */
static void begin(struct telling *t, const struct goroutine *g, const struct event *events,
		  size_t change, uint64_t since_ns)
{
	const struct event *ev = &events[change];

	if (!walk_is_live(ev->from) ||
	    (since_ns <= g->created_ns && (change || !(g->flags & GOROUTINE_FOUND))))
		return;
	t->life = (struct life){
		.since_ns = MIN(MAX(g->created_ns, since_ns), events[0].time_ns),
		.reason_id = ev->from == GSTATE_WAITING ? ev->string_id : 0,
		.state = walk_fold(ev->from),
		.flags = LIFE_SEEN,
	};
}

void stays_walk(const struct goroutine *g, const struct event *events, size_t n, uint64_t since_ns,
		void (*fn)(void *ctx, const struct stay *stay), void *ctx)
{
	struct telling t = {.fn = fn, .ctx = ctx};
	size_t change = first_change(g, events, n);
	struct meaning m;

	if (change < n)
		begin(&t, g, events, change, since_ns);
	else if (!(g->flags & GOROUTINE_EXITED))
		n = 0; /* in all that is kept it is in what the model says */
	for (size_t i = 0; i < n; i++) {
		const struct event *ev = &events[i];
		bool of_it = ev->type == EVENT_CASGSTATUS && ev->target == g->goid;

		walk_event(&t.life, g->goid, ev, &m);
		t.ended_by = of_it && ev->goid != g->goid ? ev->goid : 0;
		follow(&t, &m);
	}
	t.ended_by = 0;
	/* It was read from memory, or the change is not kept. */
	walk_told(&t.life, g, &m);
	follow(&t, &m);
	tell_stay(&t, 0);
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

uint64_t view_feed_at(const struct view *v, uint64_t time_ns)
{
	struct feed *feed = model_feed(v->model);
	uint64_t low = feed_tail(feed), high = feed_head(feed);
	struct event ev;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2, at = middle;

		if (!feed_read(feed, &at, &ev, 1, NULL))
			break;
		if (at - 1 > middle) /* it was trimmed meanwhile */
			low = at - 1;
		else if (ev.time_ns < time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int view_not_to_come(struct view_query *q, const char *name, uint64_t at_ns, uint64_t now_ns)
{
	if (at_ns <= now_ns)
		return 0;
	return view_refuse(q, -EINVAL, "%s: not before now (%llu)", name,
			   (unsigned long long)now_ns);
}

/* Since when the probes have been in, or out, is known; of what was before only whether they were
 * out at all. */
static bool is_unseen(const struct window *w, const struct view *v, unsigned proc,
		      const struct recording *rec)
{
	struct live_probes p;

	if (!view_probes(v, proc, &p))
		return v->replay && rec->probes_off_ns;
	if (p.off && w->to > p.since_ns)
		return true;
	if (!p.off)
		return p.off_ns && w->from < p.since_ns;
	return p.off_ns > view_since(view_now(v, proc), p.since_ns);
}

void window_place(struct window *w, const struct view *v, unsigned proc)
{
	struct recording rec;
	struct proc_info info;
	bool ended = !model_proc(v->model, proc, &info) && info.state == PROC_EXITED;

	view_recording(v, &rec);
	w->now = view_now(v, proc);
	w->since_ns = retained_since(v->model);
	w->end_ns = ended ? w->now : 0;
	w->torn = w->to >= w->now && (rec.torn_bytes || rec.changed || rec.unread_events);
	w->unseen = is_unseen(w, v, proc, &rec);
}

void window_all(const struct view *v, unsigned proc, struct window *ret)
{
	*ret = (struct window){.to = UINT64_MAX};
	window_place(ret, v, proc);
}

int window_read(const struct view *v, struct view_query *q, struct window *ret)
{
	int err;

	*ret = (struct window){0};
	err = view_arg_u64(q, "from", 0, UINT64_MAX, 0, &ret->from);
	if (!err)
		err = view_arg_u64(q, "to", 0, UINT64_MAX, UINT64_MAX, &ret->to);
	if (!err && ret->to <= ret->from)
		err = view_refuse(q, -EINVAL, "to must be after from");
	if (err)
		return err;
	window_place(ret, v, q->proc);
	ret->to = MIN(ret->to, sum_u64(ret->now, 1));
	return view_not_to_come(q, "from", ret->from, ret->now);
}

uint64_t window_to(const struct window *w)
{
	return MIN(w->to, w->now);
}

bool window_exact(const struct window *w)
{
	return w->since_ns <= w->from && !w->torn && !w->unseen;
}

void window_note(const struct window *w, struct buf *out)
{
	if (w->since_ns > w->from)
		buf_addf(out, "... not exact: events are kept from %llu on only\n",
			 (unsigned long long)w->since_ns);
	if (w->torn)
		buf_adds(out, "... not exact: the recorded session could not be read to its end\n");
	if (w->unseen)
		buf_adds(out,
			 "... not exact: for a part of the time no probe was attached, of which "
			 "there are no events\n");
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

/* One that is dropped meanwhile is none. */
static int with_events(const struct view *v, const struct goroutine *g, window_goroutine_fn *fn,
		       void *ctx)
{
	cleanup_free_ struct event *events = NULL;
	cleanup_free_ uint64_t *seqs = NULL;
	size_t n = 0;
	int err = model_goroutine_events(v->model, g->proc, g->goid, 0, UINT64_MAX, &events, &seqs,
					 &n);

	if (err)
		return err == -ENOENT ? 0 : err;
	return fn(ctx, g, events, n);
}

struct stays_of {
	const struct window *w;
	void (*fn)(void *ctx, const struct stay *stay);
	void *ctx;
};

static int walk_stays(void *ctx, const struct goroutine *g, const struct event *events, size_t n)
{
	const struct stays_of *of = ctx;

	window_walk(of->w, g, events, n, of->fn, of->ctx);
	return 0;
}

int window_stays(const struct window *w, const struct view *v, const struct goroutine *g,
		 void (*fn)(void *ctx, const struct stay *stay), void *ctx)
{
	struct stays_of of = {w, fn, ctx};

	return with_events(v, g, walk_stays, &of);
}

static int see_missing(const struct window *w, const struct view *v, struct view_query *q,
		       uint64_t found, struct missing *ret)
{
	uint64_t goids[VIEW_GOIDS_MAX];
	struct model_totals t;
	size_t n = 0;
	int err = view_arg_goids(q, goids, &n);

	model_totals(v->model, (int)q->proc, &t);
	ret->dropped = t.exited_dropped;
	/* Nobody is missing where all that are asked for by number are there. */
	ret->here = t.exited_dropped && t.exited_dropped_ns >= w->from && (!n || found < n);
	return err;
}

int window_pass(const struct window *w, const struct view *v, struct view_query *q,
		window_goroutine_fn *fn, void *ctx, struct missing *ret)
{
	struct view_pass *pass cleanup_view_pass_ = NULL;
	const struct goroutine *g;
	uint64_t found = 0;
	int err = view_pass_new_in(v, q, true, w, &pass);

	for (; !err && (g = view_pass_next(pass)); found++)
		err = with_events(v, g, fn, ctx);
	if (!err)
		err = view_pass_error(pass);
	return err ? err : see_missing(w, v, q, found, ret);
}

uint64_t window_inside(const struct window *w, const struct stay *stay)
{
	uint64_t begin = MAX(stay->begin, w->from),
		 end = MIN(stay->end ? stay->end : w->now, w->to);

	return end > begin ? end - begin : 0;
}
