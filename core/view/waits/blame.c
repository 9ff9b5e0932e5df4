/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Why a goroutine waited: blame.h. */
#include "core/view/waits/blame.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"
#include "core/view/view_internal.h"
#include "core/view/waits/wait_stacks.h"
#include "core/view/waits/waits.h"

#define WAITERS_MAX 1000
#define EVENTS_MAX  (1u << 20) /* that are looked at for who else waited */
#define BATCH       1024

struct walk {
	const struct view *v;
	unsigned proc;
	struct blame *b;
	struct wait_graph *graph; /* NULL: there is none, or nobody waits still */
	uint64_t now;
	int err;
};

const char *blame_by_word(unsigned by)
{
	static const char *const words[BLAME_BYS] = {"start", "woke", "likely_holder", "created"};

	return by < BLAME_BYS ? words[by] : "";
}

const char *blame_root_word(unsigned root)
{
	static const char *const words[BLAME_ROOTS] = {
		"ran",     "runnable", "syscall", "timer",   "io",
		"runtime", "nobody",   "circle",  "unknown", "cut",
	};

	return root < BLAME_ROOTS ? words[root] : "";
}

static const char *text_of(const struct walk *w, uint32_t string_id)
{
	return names_string(model_names(w->v->model), string_id);
}

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* --- what one did ------------------------------------------------------------------------------
 */

struct sum {
	struct blame_hop *hop;
	uint64_t now, longest, end;
};

static void add_stay(void *ctx, const struct stay *stay)
{
	struct sum *s = ctx;
	struct blame_hop *hop = s->hop;
	uint64_t begin = MAX(stay->begin, hop->from),
		 end = MIN(stay->end ? stay->end : s->now, hop->to);

	if (end <= begin)
		return;
	hop->ns[MIN(stay->state, GSTATES)] += end - begin;
	if (!gstate_waits(stay->state) || end - begin < s->longest)
		return;
	s->longest = end - begin;
	hop->wait = *stay;
}

static uint64_t waited_ns(const struct blame_hop *hop)
{
	return hop->ns[GSTATE_WAITING] + hop->ns[GSTATE_LEAKED];
}

/* Most of the time that is looked at: a state, GSTATES + 1: it was not there. */
static unsigned most_of(const struct blame_hop *hop)
{
	uint64_t most = waited_ns(hop);
	unsigned state = GSTATE_WAITING;

	for (unsigned i = 0; i <= GSTATES; i++) {
		if (!gstate_waits(i) && hop->ns[i] > most) {
			most = hop->ns[i];
			state = i;
		}
	}
	return hop->absent_ns > most ? GSTATES + 1 : state;
}

/* Fills the hop from what is kept of its goroutine. */
static void look_at(struct walk *w, struct blame_hop *hop, struct goroutine *g)
{
	struct sum sum = {.hop = hop, .now = w->now};
	struct window window;
	uint64_t told = 0, all = view_since(hop->to, hop->from);

	if (model_goroutine(w->v->model, w->proc, hop->goid, g)) {
		*g = (struct goroutine){.goid = hop->goid, .flags = GOROUTINE_FOUND};
		hop->ns[GSTATES] = all;
		return;
	}
	hop->func_id = g->start_func_id;
	window_all(w->v, w->proc, &window);
	w->err = window_stays(&window, w->v, g, add_stay, &sum);
	if (!(g->flags & GOROUTINE_FOUND) && g->created_ns > hop->from)
		hop->absent_ns = MIN(g->created_ns, hop->to) - hop->from;
	for (unsigned i = 0; i <= GSTATES; i++)
		told += hop->ns[i];
	hop->ns[GSTATES] += view_since(all, told + hop->absent_ns);
	hop->waited = waited_ns(hop) && most_of(hop) == GSTATE_WAITING;
	hop->reason_id = hop->waited ? hop->wait.reason_id : 0;
}

/* --- what comes next ---------------------------------------------------------------------------
 */

/* It waits still: who is likely to hold that, by memory. False: nobody is known. */
static bool find_holder(struct walk *w, const struct blame_hop *hop, struct blame_hop *next)
{
	const struct wait_goroutine *own = w->graph && hop->wait.begin < w->graph->begin_ns
						   ? wait_graph_goroutine(w->graph, hop->goid)
						   : NULL;
	cleanup_buf_ struct buf why = BUF_INIT;

	for (uint32_t i = 0; own && i < own->n_waits; i++) {
		const struct wait_object *o =
			&w->graph->objects[w->graph->waits[own->waits + i].object];
		const struct wait_holder *h = wait_holder_of(w->graph, o);

		if (!h)
			continue;
		view_add_object(w->graph, o, &why);
		buf_adds(&why, ": ");
		view_add_evidence(w->graph, h, &why);
		next->goid = h->goid;
		next->by = BLAME_HOLDS;
		next->likely = wait_holder_is_likely(h);
		snprintf(next->evidence, sizeof(next->evidence), "%s", why.data ? why.data : "");
		return true;
	}
	return false;
}

/* Nobody who is a goroutine ended the wait, or has. */
static enum blame_root root_of_wait(const struct walk *w, const struct stay *wait)
{
	const char *reason = text_of(w, wait->reason_id);

	if (begins(reason, "sleep"))
		return BLAME_TIMER;
	if (begins(reason, "IO wait"))
		return BLAME_IO;
	return wait->end ? BLAME_RUNTIME : BLAME_NOBODY;
}

static enum blame_root root_of_state(unsigned state)
{
	switch (state) {
	case GSTATE_RUNNING:
		return BLAME_RAN;
	case GSTATE_RUNNABLE:
	case GSTATE_PREEMPTED:
		return BLAME_RUNNABLE;
	case GSTATE_SYSCALL:
		return BLAME_SYSCALL;
	default:
		return BLAME_UNKNOWN;
	}
}

/* Is the time of somebody it waits for the same as that of the one before with him? */
static bool in_circle(const struct blame *b, uint64_t goid)
{
	for (unsigned i = 0; i < b->n; i++) {
		if (b->hops[i].goid == goid)
			return true;
	}
	return false;
}

/* From a hop to the next. False: it is the root. */
static bool go_on(struct walk *w, const struct blame_hop *hop, const struct goroutine *g,
		  struct blame_hop *next)
{
	struct blame *b = w->b;
	unsigned most = most_of(hop);

	*next = (struct blame_hop){0};
	if (most == GSTATES + 1 && g->parent) {
		next->goid = g->parent;
		next->by = BLAME_MADE;
		next->at_ns = g->created_ns;
		next->from = hop->from;
		next->to = MIN(g->created_ns, hop->to);
		return true;
	}
	if (!hop->waited) {
		b->root = root_of_state(most);
		return false;
	}
	next->from = MAX(hop->from, hop->wait.begin);
	next->to = hop->wait.end ? MIN(hop->to, hop->wait.end) : hop->to;
	if (hop->wait.end && hop->wait.ended_by) {
		next->goid = hop->wait.ended_by;
		next->by = BLAME_WOKE;
		next->at_ns = hop->wait.end;
		return true;
	}
	if (hop->wait.end || !find_holder(w, hop, next)) {
		b->root = root_of_wait(w, &hop->wait);
		return false;
	}
	if (in_circle(b, next->goid)) {
		b->root = BLAME_CIRCLE;
		return false;
	}
	return true;
}

static void follow(struct walk *w)
{
	struct blame *b = w->b;
	struct blame_hop next;
	struct goroutine g;

	while (!w->err) {
		struct blame_hop *hop = &b->hops[b->n++];

		look_at(w, hop, &g);
		if (w->err || !go_on(w, hop, &g, &next))
			return;
		if (b->n == BLAME_HOPS) {
			b->root = BLAME_CUT;
			return;
		}
		b->hops[b->n] = next;
	}
}

/* --- who else ----------------------------------------------------------------------------------
 */

static int add_waiter(struct blame *b, const struct blame_waiter *waiter)
{
	struct blame_waiter *grown;

	if (b->n_waiters == WAITERS_MAX) {
		b->waiters_cut = true;
		return 0;
	}
	if (!b->waiters) {
		grown = calloc(WAITERS_MAX, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		b->waiters = grown;
	}
	b->waiters[b->n_waiters++] = *waiter;
	return 0;
}

static int by_begin(const void *a, const void *b)
{
	const struct blame_waiter *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return x->goid < y->goid ? -1 : x->goid > y->goid;
}

/* Who waits on the same object now. */
static int add_on_object(struct walk *w, uint64_t goid)
{
	const struct wait_goroutine *own = wait_graph_goroutine(w->graph, goid);
	const struct wait_object *o;
	int err = 0;

	if (!own || own->n_waits != 1)
		return 0;
	o = &w->graph->objects[w->graph->waits[own->waits].object];
	w->b->same_object = true;
	for (uint32_t i = 0; i < o->n_waits && !err; i++) {
		const struct wait_edge *wait = wait_graph_waiter(w->graph, o, i);
		uint64_t other = w->graph->goroutines[wait->goroutine].goid;
		struct goroutine g;

		if (!model_goroutine(w->v->model, w->proc, other, &g) &&
		    gstate_waits(view_state(&g)))
			err = add_waiter(w->b,
					 &(struct blame_waiter){.goid = other,
								.begin = goroutine_began(&g)});
	}
	return err;
}

/* Who let go of it first: the first in the chain who did not himself wait for the same. */
static const struct blame_hop *releaser(const struct blame *b)
{
	for (unsigned i = 1; i < b->n; i++) {
		if (b->hops[i].by == BLAME_WOKE && b->hops[i].reason_id != b->hops[0].reason_id)
			return &b->hops[i];
	}
	return b->n > 1 && b->hops[b->n - 1].by == BLAME_WOKE ? &b->hops[b->n - 1] : NULL;
}

struct find {
	uint64_t end;
	struct stay found;
};

static void find_end(void *ctx, const struct stay *stay)
{
	struct find *f = ctx;

	if (stay->end == f->end && gstate_waits(stay->state))
		f->found = *stay;
}

/* The wait of a goroutine that ended then. False: it is not kept. */
static bool wait_ended(struct walk *w, uint64_t goid, uint64_t end, struct stay *ret)
{
	struct find find = {.end = end};
	struct window window;
	struct goroutine g;

	if (model_goroutine(w->v->model, w->proc, goid, &g))
		return false;
	window_all(w->v, w->proc, &window);
	w->err = window_stays(&window, w->v, &g, find_end, &find);
	*ret = find.found;
	return ret->end != 0;
}

/* Is he the releaser, or was he let go by one who is? */
static bool has_let_go(const struct blame *b, uint64_t releases, uint64_t goid)
{
	if (goid == releases)
		return true;
	for (size_t i = b->n_waiters; i-- > 0;) {
		if (b->waiters[i].goid == goid)
			return true;
	}
	return false;
}

/* One of those that were woken down the line, and waited at the same time for the same reason. */
static int add_woken(struct walk *w, uint64_t releases, const struct event *ev)
{
	const struct blame_hop *own = &w->b->hops[0];
	struct stay wait;

	if (ev->proc != w->proc || !event_is_wake(ev) || ev->string_id != own->reason_id ||
	    !has_let_go(w->b, releases, ev->goid) ||
	    !wait_ended(w, ev->target, ev->time_ns, &wait) || wait.begin >= own->to)
		return w->err;
	return add_waiter(w->b, &(struct blame_waiter){ev->target, wait.begin, wait.end});
}

static int add_released(struct walk *w)
{
	const struct blame_hop *by = releaser(w->b);
	cleanup_free_ struct event *events = calloc(BATCH, sizeof(*events));
	struct feed *feed = model_feed(w->v->model);
	uint64_t at, end, head;
	int err = 0;

	if (!by)
		return 0;
	if (!events)
		return -ENOMEM;
	at = view_feed_at(w->v, w->b->hops[0].from);
	/* What comes while this looks is of later. */
	head = feed_head(feed);
	end = MIN(at + EVENTS_MAX, head);
	/* Once there is no room nobody is added any more. */
	while (at < end && !err && !w->b->waiters_cut) {
		size_t n = feed_read(feed, &at, events, MIN(end - at, BATCH), NULL);

		if (!n)
			break;
		for (size_t i = 0; i < n && !err; i++)
			err = add_woken(w, by->goid, &events[i]);
	}
	w->b->waiters_cut |= end < head;
	return err;
}

int blame_walk(const struct view *v, unsigned proc, const struct chosen_stay *stay,
	       struct blame *ret)
{
	struct walk w = {.v = v, .proc = proc, .b = ret, .now = stay->now};
	const struct live *live = v->live;

	memset(ret, 0, sizeof(*ret));
	ret->hops[0] = (struct blame_hop){
		.goid = stay->g.goid,
		.from = stay->stay.begin,
		.to = stay->stay.end ? stay->stay.end
				     : MAX(stay->now, sum_u64(stay->stay.begin, 1))};
	/* What cannot be read is not known: the chain says so. */
	if (!stay->stay.end && live->waits &&
	    live->waits(live->ctx, proc, stay->g.state_since_ns, &w.graph))
		w.graph = NULL;
	follow(&w);
	if (!w.err)
		w.err = w.graph ? add_on_object(&w, stay->g.goid) : add_released(&w);
	if (w.graph)
		live->waits_put(live->ctx, w.graph);
	if (ret->n_waiters)
		qsort(ret->waiters, ret->n_waiters, sizeof(*ret->waiters), by_begin);
	return w.err;
}

void blame_free(struct blame *b)
{
	free(b->waiters);
	b->waiters = NULL;
}
