/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who ran when, and on which CPU: runs.h. */
#include "core/view/timeline/runs.h"

#include <errno.h>
#include <string.h>

#include "core/model/walk.h"
#include "core/view/groups.h"
#include "core/view/stays.h"
#include "core/view/view_internal.h"

#define BATCH 2048
/* Events that are looked at on either side of the range. A goroutine that runs for long is stopped
 * each 10 ms by the runtime, which are events. */
#define MARGIN (1u << 16)

struct who {
	uint64_t goid;
	struct life life;
	struct run run; /* kind RUN_UNKNOWN: it does not run */
};

struct cpu {
	uint64_t goid;       /* who is there; 0: nobody that is known */
	uint64_t unknown_ns; /* from then on it is not known who */
	uint64_t first_ns;   /* its first event */
	bool known, met;     /* since the last loss; ever */
};

struct look {
	const struct view *v;
	unsigned proc;
	struct runs *r;
	uint64_t floor_ns, floor_first; /* nothing is known from before; of those the first */
	uint64_t unplaced_ns; /* until then somebody may run since before it, nobody knows where */
	uint64_t before_ns;   /* of the last event before the one that is looked at */
	struct groups who;
	struct cpu cpus[EVENT_CPUS_MAX + 1];
	struct event events[BATCH];
};

const char *run_kind_word(unsigned kind)
{
	static const char *const words[RUN_KINDS] = {"go", "gc", "stopping the world", "unknown"};

	return kind < RUN_KINDS ? words[kind] : "";
}

const char *run_end_word(unsigned end)
{
	static const char *const words[RUN_ENDS] = {"stopped", "moved", "displaced", "runs",
						    "lost"};

	return end < RUN_ENDS ? words[end] : "";
}

uint64_t run_inside(const struct run *run, uint64_t from, uint64_t to)
{
	uint64_t begin = MAX(run->begin, from), end = MIN(run->end ? run->end : to, to);

	return end > begin ? end - begin : 0;
}

/* --- what is told ------------------------------------------------------------------------------
 */

static void tell(struct look *l, const struct run *run)
{
	if (run->begin < l->r->to && (!run->end || run->end > l->r->from) &&
	    (!run->end || run->end > run->begin))
		l->r->fn(l->r->ctx, run);
}

static void tell_unknown(struct look *l, unsigned cpu, uint64_t since, uint64_t until)
{
	struct run run = {.begin = since,
			  .end = until,
			  .sure_ns = until,
			  .cpu = (uint16_t)cpu,
			  .kind = RUN_UNKNOWN,
			  .ended = RUN_STOPPED,
			  .seen = true};

	tell(l, &run);
}

/* Before its first event there may have been whoever ran since before the floor, as long as it is
 * not known where that was; before the floor anybody. */
static void tell_first(struct look *l)
{
	uint64_t since = MIN(l->floor_first, l->r->from),
		 until = MAX(l->unplaced_ns, l->floor_first);

	for (unsigned cpu = 1; cpu <= EVENT_CPUS_MAX; cpu++) {
		if (l->cpus[cpu].met)
			tell_unknown(l, cpu, since, MIN(l->cpus[cpu].first_ns, until));
	}
}

/* --- beginning and ending ----------------------------------------------------------------------
 */

static void end_run(struct look *l, struct who *w, uint64_t at, enum run_end how, uint16_t to_cpu)
{
	struct run *run = &w->run;

	if (run->kind == RUN_UNKNOWN)
		return;
	if (run->cpu && l->cpus[run->cpu].goid == w->goid)
		l->cpus[run->cpu].goid = 0;
	run->end = how == RUN_OPEN ? 0 : MAX(at, run->begin);
	run->ended = (uint8_t)how;
	run->to_cpu = to_cpu;
	tell(l, run);
	if (!run->seen)
		l->unplaced_ns = MAX(l->unplaced_ns, run->end ? run->end : UINT64_MAX);
	run->kind = RUN_UNKNOWN;
}

static void begin_run(struct look *l, struct who *w, uint64_t at, uint16_t cpu, unsigned kind,
		      bool seen)
{
	w->run = (struct run){.goid = w->goid,
			      .begin = at,
			      .sure_ns = at,
			      .reason_id = kind == RUN_GO ? 0 : w->life.reason_id,
			      .cpu = cpu,
			      .kind = (uint8_t)kind,
			      .seen = seen};
}

/* Somebody is on this CPU: whoever was there is not. `goid` 0: another process. */
static void take_cpu(struct look *l, uint16_t cpu, uint64_t goid, uint64_t at)
{
	struct cpu *c = &l->cpus[cpu];
	struct who *w = c->goid && c->goid != goid ? groups_find(&l->who, c->goid) : NULL;

	if (w) {
		unsigned kind = w->run.kind;

		end_run(l, w, at, RUN_DISPLACED, 0);
		begin_run(l, w, at, 0, kind, true);
		w->run.goes_on = true;
	}
	c->goid = goid;
}

/* An event there tells who runs on it. */
static void meet_cpu(struct look *l, const struct event *ev)
{
	struct cpu *c = &l->cpus[ev->cpu];

	l->r->has_cpus = true;
	if (!c->met)
		c->first_ns = ev->time_ns;
	else if (!c->known)
		tell_unknown(l, ev->cpu, c->unknown_ns, ev->time_ns);
	c->met = c->known = true;
	c->unknown_ns = ev->time_ns;
}

/* --- what an event says ------------------------------------------------------------------------
 */

/* Reasons of waits in which the goroutine's own thread goes on, on its system stack
 * (Go src/runtime/runtime2.go, isWaitingForSuspendG). */
static unsigned work_kind(const char *reason)
{
	static const char *const collects[] = {"GC worker (active)",      "GC assist marking",
					       "GC mark termination",     "garbage collection",
					       "garbage collection scan", "flushing proc caches"};

	if (!strcmp(reason, "stopping the world"))
		return RUN_STOPPING;
	for (unsigned i = 0; i < ARRAY_SIZE(collects); i++) {
		if (!strcmp(reason, collects[i]))
			return RUN_GC;
	}
	return RUN_UNKNOWN;
}

/* RUN_UNKNOWN: it does not run, or nobody knows. */
static unsigned kind_of(const struct look *l, const struct life *life)
{
	if (!life_known(life))
		return RUN_UNKNOWN;
	if (life->state == GSTATE_RUNNING)
		return RUN_GO;
	return life->state == GSTATE_WAITING && life->reason_id
		       ? work_kind(names_string(model_names(l->v->model), life->reason_id))
		       : RUN_UNKNOWN;
}

/* Changes are events, and yet nobody's state is known: they tell of no goroutine (the original's
 * recordings). That one acts then says that it ran, not since when and until when. */
static bool never_told(struct look *l)
{
	struct model_totals t;

	model_totals(l->v->model, (int)l->proc, &t);
	if (t.live_unknown < t.live_total)
		return false;
	l->r->lost = true;
	return true;
}

/* Before its first event it was, since the floor, in what that event says: the state it leaves, or
 * running, as it acts. All changes are events, so there was none. */
static void seed(struct look *l, struct who *w, const struct event *ev)
{
	bool subject = ev->type == EVENT_CASGSTATUS && ev->target == w->goid;

	if (w->life.flags & LIFE_SEEN)
		return;
	w->run.kind = RUN_UNKNOWN;
	if (subject ? !walk_is_live(ev->from) : !event_is_act(ev) || w->goid != ev->goid)
		return;
	if (!subject && never_told(l))
		return;
	w->life =
		(struct life){.since_ns = l->floor_ns, .state = GSTATE_RUNNING, .flags = LIFE_SEEN};
	if (subject) {
		w->life.state = walk_fold(ev->from);
		w->life.reason_id = ev->from == GSTATE_WAITING ? ev->string_id : 0;
	}
}

/* It is on the event's CPU, and goes on with what it did. */
static void see_again(struct look *l, struct who *w, const struct event *ev)
{
	struct run *run = &w->run;
	unsigned kind = run->kind;

	if (run->cpu != ev->cpu) {
		end_run(l, w, ev->time_ns, RUN_MOVED, ev->cpu);
		begin_run(l, w, ev->time_ns, ev->cpu, kind, true);
		run->goes_on = true;
	}
	run->sure_ns = ev->time_ns;
	take_cpu(l, ev->cpu, w->goid, ev->time_ns);
}

/* `here`: it does so itself, on the event's CPU. */
static void change(struct look *l, struct who *w, const struct event *ev, const struct meaning *m,
		   bool here)
{
	uint64_t unknown = meaning_unknown_from(&w->life, m);
	unsigned kind = kind_of(l, &m->life);
	bool moved = here && w->run.cpu && ev->cpu && w->run.cpu != ev->cpu;

	if (unknown != UINT64_MAX)
		end_run(l, w, unknown, RUN_LOST, 0);
	else
		end_run(l, w, m->life.since_ns, moved ? RUN_MOVED : RUN_STOPPED,
			moved ? ev->cpu : 0);
	w->life = m->life;
	if (kind == RUN_UNKNOWN)
		return;
	begin_run(l, w, m->life.since_ns, here ? ev->cpu : 0, kind, true);
	if (here && ev->cpu)
		take_cpu(l, ev->cpu, w->goid, ev->time_ns);
}

static int follow(struct look *l, uint64_t goid, const struct event *ev)
{
	struct who *w = goid ? groups_row(&l->who, goid) : NULL;
	bool of_it = ev->type == EVENT_CASGSTATUS && ev->target == goid;
	struct meaning m;
	unsigned kind;
	bool here;

	if (!w)
		return goid ? -ENOMEM : 0;
	seed(l, w, ev);
	kind = kind_of(l, &w->life);
	if (kind != RUN_UNKNOWN && w->run.kind == RUN_UNKNOWN)
		begin_run(l, w, w->life.since_ns, 0, kind, false);
	walk_event(&w->life, goid, ev, &m);
	/* Who begins or ends to run does so on its own thread, whether or not that has it as its
	 * current goroutine at that moment. */
	here = ev->goid == goid ||
	       (of_it && (kind != RUN_UNKNOWN || kind_of(l, &m.life) != RUN_UNKNOWN));
	if (m.means & (MEANS_STATE | MEANS_EXITED) && kind_of(l, &m.life) != kind) {
		change(l, w, ev, &m, here);
		return 0;
	}
	w->life = m.life;
	if (kind != RUN_UNKNOWN && here && ev->cpu)
		see_again(l, w, ev);
	return 0;
}

/* What comes next is not known to go on from what was. */
static void forget(struct look *l, const struct event *ev)
{
	bool off = event_switch(ev) == EVENT_SWITCH_OFF;
	struct who *rows = (void *)l->who.rows;

	if (l->before_ns < l->r->to && ev->time_ns > l->r->from)
		l->r->lost = true;
	for (size_t i = 0; i < l->who.n; i++) {
		struct who *w = &rows[i];

		end_run(l, w, off ? ev->time_ns : MAX(w->run.sure_ns, w->life.ran_ns), RUN_LOST, 0);
		w->life = (struct life){0};
	}
	for (unsigned cpu = 1; cpu <= EVENT_CPUS_MAX; cpu++) {
		struct cpu *c = &l->cpus[cpu];

		if (c->known && off)
			c->unknown_ns = ev->time_ns;
		c->known = false;
		c->goid = 0;
	}
	l->floor_ns = ev->time_ns;
}

/* Are changes of state among what is missing, or are there no probes? */
static bool breaks(const struct look *l, const struct event *ev)
{
	if (ev->proc != EVENT_PROC_NONE && ev->proc != l->proc)
		return false;
	if (event_switch(ev) != EVENT_SWITCH_NONE)
		return true;
	return ev->count && (!ev->lost_by_type ||
			     ev->lost_by_type & (1u << EVENT_CASGSTATUS | 1u << EVENT_GOEXIT));
}

static int add_event(struct look *l, const struct event *ev)
{
	uint64_t subject;
	int err;

	if (ev->type == EVENT_LOST && breaks(l, ev))
		forget(l, ev);
	l->before_ns = ev->time_ns;
	if (ev->type >= EVENT_TYPES)
		return 0;
	if (ev->cpu)
		meet_cpu(l, ev);
	if (ev->proc != l->proc) {
		if (ev->cpu)
			take_cpu(l, ev->cpu, 0, ev->time_ns);
		return 0;
	}
	subject = event_subject(ev);
	err = follow(l, subject, ev);
	if (!err && ev->goid != subject)
		err = follow(l, ev->goid, ev);
	return err;
}

/* --- which events ------------------------------------------------------------------------------
 */

static int add_events(struct look *l)
{
	struct feed *feed = model_feed(l->v->model);
	uint64_t tail = feed_tail(feed), at = view_feed_at(l->v, l->r->from), end;
	bool first = true;
	int err = 0;

	end = view_feed_at(l->v, l->r->to);
	end = MIN(end + MARGIN, feed_head(feed));
	at = at - MIN(at - MIN(tail, at), MARGIN);
	while (at < end && !err) {
		size_t n = feed_read(feed, &at, l->events, MIN(end - at, BATCH), NULL);

		if (!n)
			break;
		if (first)
			l->floor_ns = l->floor_first = l->r->since_ns = l->events[0].time_ns;
		first = false;
		for (size_t i = 0; i < n && !err; i++)
			err = add_event(l, &l->events[i]);
	}
	return err;
}

/* Who runs since before all that was looked at. */
static int add_silent(struct look *l)
{
	cleanup_free_ uint64_t *goids = NULL;
	size_t n = 0;
	int err = model_goids(l->v->model, l->proc, MODEL_BY_STATE, GSTATE_RUNNING, &goids, &n);

	for (size_t i = 0; i < n && !err; i++) {
		struct goroutine g;

		if (groups_find(&l->who, goids[i]) ||
		    model_goroutine(l->v->model, l->proc, goids[i], &g) ||
		    view_state(&g) != GSTATE_RUNNING)
			continue;
		l->unplaced_ns = UINT64_MAX;
		tell(l, &(struct run){.goid = goids[i],
				      .begin = g.state_since_ns,
				      .sure_ns = g.state_since_ns,
				      .kind = RUN_GO,
				      .ended = RUN_OPEN,
				      .seen = !(g.flags & GOROUTINE_STATE_READ)});
	}
	return err == -ENOENT ? 0 : err;
}

int runs_walk(const struct view *v, unsigned proc, struct runs *r)
{
	cleanup_free_ struct look *l = calloc(1, sizeof(*l));
	struct who *rows;
	int err;

	if (!l)
		return -ENOMEM;
	if (proc >= model_procs(v->model))
		return -ENOENT;
	l->v = v;
	l->proc = proc;
	l->r = r;
	l->who = (struct groups)GROUPS_INIT(struct who);
	r->since_ns = r->to;
	r->has_cpus = r->lost = false;
	err = add_events(l);
	rows = (void *)l->who.rows;
	for (size_t i = 0; i < l->who.n && !err; i++)
		end_run(l, &rows[i], 0, RUN_OPEN, 0);
	for (unsigned cpu = 1; cpu <= EVENT_CPUS_MAX && !err; cpu++) {
		if (l->cpus[cpu].met && !l->cpus[cpu].known)
			tell_unknown(l, cpu, l->cpus[cpu].unknown_ns, r->to);
	}
	if (!err)
		err = add_silent(l);
	if (!err)
		tell_first(l);
	groups_free(&l->who);
	return err;
}
