/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Perfetto's TrackEvent format (proto/perfetto.proto): what becomes a slice, an instant, a counter.
 * What an event means is core/model/walk.h's word.
 */
#include "core/session/perfetto.h"

#include <errno.h>
#include <string.h>

#include "core/session/perfetto_internal.h"
#include "core/session/reader.h"

#define UNIT_BYTES       3
#define COUNTER_STEP_NS  1000000 /* the counter is written at most this often */
#define COUNTER_TRACK(p) (PROC_TRACK(p) | 1ull << 47)

int perfetto_new(const struct names *names, int64_t wall_offset_ns, struct perfetto **ret)
{
	struct perfetto *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->names = names;
	p->wall_offset_ns = wall_offset_ns;
	p->mask = p->name_mask = 1023;
	p->tracks = calloc(p->mask + 1, sizeof(*p->tracks));
	p->slots = calloc(p->name_mask + 1, sizeof(*p->slots));
	if (!p->tracks || !p->slots) {
		perfetto_free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

int perfetto_begin(const struct names *names, const struct session_meta *meta,
		   const struct session_chunk *first, struct perfetto **ret, struct buf *out)
{
	uint64_t first_ns = meta->first_event_ns ? meta->first_event_ns
			    : first->n           ? first->events[0].time_ns
						 : 0;
	struct proc_info info = {.pid = (pid_t)meta->pid, .attached_ns = first_ns};
	bool estimate;
	int err = perfetto_new(names, session_wall_offset(meta, first_ns, &estimate), ret);

	if (err)
		return err;
	proc_info_name(&info, meta->binary_path, "");
	return perfetto_process(*ret, 0, &info, out);
}

void perfetto_free(struct perfetto *p)
{
	if (!p)
		return;
	free(p->tracks);
	free(p->slots);
	free(p);
}

int perfetto_process(struct perfetto *p, unsigned index, const struct proc_info *info,
		     struct buf *out)
{
	Perfetto__TrackDescriptor track = PERFETTO__TRACK_DESCRIPTOR__INIT;
	Perfetto__ProcessDescriptor process = PERFETTO__PROCESS_DESCRIPTOR__INIT;
	const char *name = strrchr(info->binary_path, '/');

	if (index >= MODEL_PROCS_MAX)
		return p->err;
	trace_start(p, info->attached_ns, out);
	p->ended_ns[index] = info->state == PROC_EXITED ? info->exited_ns : 0;
	process.pid = info->pid;
	process.process_name = (char *)(name ? name + 1 : info->binary_path);
	track.uuid = PROC_TRACK(index);
	track.process = &process;
	trace_put_track(p, &track, out);
	return p->err;
}

/* --- events ----------------------------------------------------------------------------------- */

static void end_slice(struct perfetto *p, const struct track *t, uint64_t time_ns, struct buf *out)
{
	Perfetto__TrackEvent event = PERFETTO__TRACK_EVENT__INIT;

	event.type = SLICE_END;
	event.track_uuid = trace_track_uuid(t->proc, t->goid);
	trace_put_event(p, time_ns, &event, 0, out);
}

static void begin_slice(struct perfetto *p, struct track *t, unsigned state, uint32_t reason_id,
			uint64_t time_ns, struct buf *out)
{
	Perfetto__TrackEvent event = PERFETTO__TRACK_EVENT__INIT;
	bool reason = state == GSTATE_WAITING && reason_id;

	event.name_iid = reason ? trace_name(p, NAME_REASON, 0, reason_id, out)
				: trace_name(p, NAME_STATE, state, 0, out);
	event.type = SLICE_BEGIN;
	event.track_uuid = trace_track_uuid(t->proc, t->goid);
	if (t->flow) {
		event.n_terminating_flow_ids = 1;
		event.terminating_flow_ids = &t->flow;
	}
	trace_put_event(p, time_ns, &event, CATEGORY_STATE, out);
	t->flow = 0;
}

/*
 * The slices of what an event, or a reading of memory, means for the track's goroutine. That a
 * state was not known for a time is learned at the end of it: packets are in the order of time but
 * for these, and whoever reads a trace sorts it. `keep`: there is more to come when it has exited.
 */
static void follow(struct perfetto *p, struct track *t, const struct meaning *m, bool keep,
		   struct buf *out)
{
	uint64_t at = m->life.since_ns, unknown = meaning_unknown_from(&t->life, m);

	if (m->means & (MEANS_APPEARED | MEANS_STATE | MEANS_EXITED)) {
		if (life_there(&t->life))
			end_slice(p, t, MIN(unknown, at), out);
		if (unknown < at) {
			/* The arrow ends at what comes after it. */
			uint64_t flow = t->flow;

			t->flow = 0;
			begin_slice(p, t, GSTATES, 0, unknown, out);
			end_slice(p, t, at, out);
			t->flow = flow;
		}
		if (life_there(&m->life))
			begin_slice(p, t, life_state(&m->life), m->life.reason_id, at, out);
	}
	t->life = m->life;
	if (m->means & MEANS_EXITED && !keep)
		trace_forget(p, t);
}

/* An event's part for who did it. */
static void follow_actor(struct perfetto *p, const struct event *ev, struct buf *out)
{
	struct track *t = ev->goid ? trace_track(p, ev->proc, ev->goid, 0, out) : NULL;
	struct meaning m;

	if (!t)
		return;
	walk_actor(&t->life, ev, &m);
	follow(p, t, &m, false, out);
}

/* An instant on the track of the goroutine that acted. `flow`: an arrow begins here; 0 none. */
static void instant(struct perfetto *p, const struct event *ev, uint64_t name,
		    enum category category, uint64_t flow, Perfetto__DebugAnnotation **list,
		    size_t n, struct buf *out)
{
	Perfetto__TrackEvent event = PERFETTO__TRACK_EVENT__INIT;
	unsigned proc = ev->proc == EVENT_PROC_NONE ? 0 : ev->proc;

	if (!trace_track(p, proc, ev->goid, 0, out))
		return;
	event.type = INSTANT;
	event.name_iid = name;
	event.track_uuid = trace_track_uuid(proc, ev->goid);
	event.n_debug_annotations = n;
	event.debug_annotations = list;
	if (flow) {
		event.n_flow_ids = 1;
		event.flow_ids = &flow;
	}
	trace_put_event(p, ev->time_ns, &event, category, out);
}

static void note(Perfetto__DebugAnnotation *a, Perfetto__DebugAnnotation **list, size_t *n,
		 enum annotation name, uint64_t value)
{
	perfetto__debug_annotation__init(a);
	a->name_iid = name;
	if (name == NOTE_CALLER) {
		a->value_case = PERFETTO__DEBUG_ANNOTATION__VALUE_STRING_VALUE_IID;
		a->string_value_iid = value;
	} else {
		a->value_case = PERFETTO__DEBUG_ANNOTATION__VALUE_UINT_VALUE;
		a->uint_value = value;
	}
	list[(*n)++] = a;
}

static void put_status(struct perfetto *p, const struct event *ev, bool twin, struct buf *out)
{
	struct meaning m;
	struct track *t;

	if (ev->from == ev->to && !ev->target)
		return; /* the original's garbage: tables.h */
	if (ev->goid != ev->target)
		follow_actor(p, ev, out);
	t = trace_track(p, ev->proc, ev->target, 0, out);
	if (!t)
		return;
	walk_subject(&t->life, ev, &m);
	if (m.means & MEANS_WOKEN && m.woken_by) {
		Perfetto__DebugAnnotation a, *list[1];
		uint64_t flow = ++p->next_flow;
		size_t n = 0;

		t->flow = flow;
		note(&a, list, &n, NOTE_GOROUTINE, ev->target);
		instant(p, ev, trace_name(p, NAME_EVENT, EVENT_CASGSTATUS, 0, out),
			CATEGORY_GOROUTINE, flow, list, n, out);
		t = trace_track(p, ev->proc, ev->target, 0, out); /* the table may have grown */
		if (!t)
			return;
	}
	follow(p, t, &m, twin, out);
}

static void put_creation(struct perfetto *p, const struct event *ev, struct buf *out)
{
	struct track *t = trace_track(p, ev->proc, ev->target, ev->string_id, out);
	Perfetto__DebugAnnotation a[2], *list[2];
	uint64_t flow = ++p->next_flow;
	struct meaning m;
	size_t n = 0;

	if (!t)
		return;
	walk_subject(&t->life, ev, &m);
	follow(p, t, &m, false, out);
	t->flow = flow;
	if (ev->goid != ev->target)
		follow_actor(p, ev, out);
	note(&a[n], list, &n, NOTE_GOROUTINE, ev->target);
	if (ev->site_id)
		note(&a[n], list, &n, NOTE_CALLER, trace_name(p, NAME_SITE, 0, ev->site_id, out));
	instant(p, ev,
		ev->string_id ? trace_name(p, NAME_FUNC, 0, ev->string_id, out)
			      : trace_name(p, NAME_EVENT, EVENT_NEWGOROUTINE, 0, out),
		CATEGORY_GOROUTINE, flow, list, n, out);
}

static void put_counter(struct perfetto *p, unsigned proc, uint64_t time_ns, bool now,
			struct buf *out)
{
	struct counter *c = &p->counters[proc];
	Perfetto__TrackEvent event = PERFETTO__TRACK_EVENT__INIT;

	if (!c->described) {
		Perfetto__TrackDescriptor track = PERFETTO__TRACK_DESCRIPTOR__INIT;
		Perfetto__CounterDescriptor counter = PERFETTO__COUNTER_DESCRIPTOR__INIT;

		counter.unit = UNIT_BYTES;
		track.uuid = COUNTER_TRACK(proc);
		track.parent_uuid = PROC_TRACK(proc);
		track.name = (char *)"allocated bytes";
		track.counter = &counter;
		trace_put_track(p, &track, out);
		c->described = true;
	}
	if (!now && time_ns < c->written_ns + COUNTER_STEP_NS)
		return;
	c->written_ns = time_ns;
	event.type = COUNTER;
	event.track_uuid = COUNTER_TRACK(proc);
	event.counter_value = (int64_t)c->bytes;
	trace_put_event(p, time_ns, &event, 0, out);
}

static void put_allocation(struct perfetto *p, const struct event *ev, struct buf *out)
{
	Perfetto__DebugAnnotation a[3], *list[3];
	size_t n = 0;

	follow_actor(p, ev, out);
	switch (ev->type) {
	case EVENT_NEWOBJECT:
		note(&a[n], list, &n, NOTE_SIZE, ev->size);
		break;
	case EVENT_MAKESLICE:
		note(&a[n], list, &n, NOTE_LEN, ev->len);
		note(&a[n], list, &n, NOTE_CAP, ev->cap);
		break;
	default:
		note(&a[n], list, &n, NOTE_HINT, ev->hint);
	}
	if (ev->site_id)
		note(&a[n], list, &n, NOTE_CALLER, trace_name(p, NAME_SITE, 0, ev->site_id, out));
	instant(p, ev,
		ev->type_id ? trace_name(p, NAME_ALLOCATION, ev->type, ev->type_id, out)
			    : trace_name(p, NAME_EVENT, ev->type, 0, out),
		CATEGORY_ALLOCATION, 0, list, n, out);
	p->counters[ev->proc].bytes += names_allocated(p->names, ev);
	put_counter(p, ev->proc, ev->time_ns, false, out);
}

/* `twin`: its own is next. */
static void put_one(struct perfetto *p, const struct event *ev, bool twin, struct buf *out)
{
	Perfetto__DebugAnnotation a, *list[1];
	struct meaning m;
	struct track *t;
	size_t n = 0;

	switch (ev->type) {
	case EVENT_CASGSTATUS:
		put_status(p, ev, twin, out);
		break;
	case EVENT_NEWGOROUTINE:
		put_creation(p, ev, out);
		break;
	case EVENT_GOEXIT:
		if (ev->goid != ev->target)
			follow_actor(p, ev, out);
		instant(p, ev, trace_name(p, NAME_EVENT, EVENT_GOEXIT, 0, out), CATEGORY_GOROUTINE,
			0, NULL, 0, out);
		/* When its last change of state is not there (sampled, lost), this is its end. */
		t = trace_find(p, ev->proc, ev->target);
		if (t && life_there(&t->life)) {
			walk_subject(&t->life, ev, &m);
			follow(p, t, &m, false, out);
		} else if (t) {
			trace_forget(p, t);
		}
		break;
	case EVENT_LOST:
		if (event_is_end(ev))
			break;
		note(&a, list, &n, NOTE_COUNT, ev->count);
		instant(p, ev, trace_name(p, NAME_EVENT, EVENT_LOST, 0, out), CATEGORY_LOST, 0,
			list, n, out);
		break;
	default:
		put_allocation(p, ev, out);
	}
}

/* A change of state that an event of its own is told with: newgoroutine, or goexit. */
static bool has_twin(const struct event *ev)
{
	return ev->type == EVENT_CASGSTATUS &&
	       (gstate_is_creation(ev->from, ev->to) || gstate_is_exit(ev->from, ev->to));
}

static bool is_twin(const struct event *ev, const struct event *next)
{
	return next && has_twin(ev) && next->proc == ev->proc && next->target == ev->target &&
	       next->type == (gstate_is_exit(ev->from, ev->to) ? EVENT_GOEXIT : EVENT_NEWGOROUTINE);
}

/* A creation's twin knows the function, which names the track; an exit's is the track's last. */
static void put_with_next(struct perfetto *p, const struct event *ev, const struct event *next,
			  struct buf *out)
{
	/* Only what was lost can be of no process. */
	if (ev->type > EVENT_LOST || (ev->proc >= MODEL_PROCS_MAX && ev->type != EVENT_LOST))
		return;
	trace_start(p, ev->time_ns, out);
	p->last_ns = MAX(p->last_ns, ev->time_ns);
	if (is_twin(ev, next) && next->type == EVENT_NEWGOROUTINE &&
	    !trace_track(p, ev->proc, ev->target, next->string_id, out))
		return;
	put_one(p, ev, is_twin(ev, next), out);
}

static void put_held(struct perfetto *p, const struct event *next, struct buf *out)
{
	struct event held = p->held;

	if (p->holds)
		put_with_next(p, &held, next, out);
	p->holds = false;
}

int perfetto_events(struct perfetto *p, const struct event *events, size_t n, struct buf *out)
{
	if (n)
		put_held(p, &events[0], out);
	for (size_t i = 0; i < n && !p->err; i++) {
		if (i + 1 == n && has_twin(&events[i])) {
			p->held = events[i];
			p->holds = true;
		} else {
			put_with_next(p, &events[i], i + 1 < n ? &events[i + 1] : NULL, out);
		}
	}
	return p->err;
}

int perfetto_goroutines(struct perfetto *p, unsigned proc, const struct goroutine_seen *seen,
			size_t n, uint64_t time_ns, struct buf *out)
{
	uint64_t first;

	put_held(p, NULL, out);
	if (proc >= MODEL_PROCS_MAX)
		return p->err;
	trace_start(p, time_ns, out);
	/* Events recorded after it may have happened before it: it must not begin after their ends.
	 */
	first = p->last_ns ? p->last_ns : MIN(time_ns, p->start_ns);
	for (size_t i = 0; i < n && !p->err; i++) {
		struct track *t = trace_track(p, proc, seen[i].goid, seen[i].start_func_id, out);
		struct meaning m;

		if (!t)
			break;
		walk_read(&t->life, &seen[i], t->life.flags & LIFE_SEEN ? time_ns : first, &m);
		follow(p, t, &m, false, out);
	}
	return p->err;
}

int perfetto_goroutine(struct perfetto *p, const struct goroutine *g, uint64_t until_ns,
		       struct buf *out)
{
	bool silent = g->flags & GOROUTINE_STATE_READ && g->last_event_ns < until_ns;
	struct meaning m;
	struct track *t;

	trace_start(p, g->state_since_ns, out);
	t = trace_track(p, g->proc, g->goid, g->start_func_id, out);
	if (!t || g->flags & (GOROUTINE_EXITED | GOROUTINE_STATE_UNKNOWN) ||
	    (!silent && g->state_since_ns > until_ns))
		return p->err;
	walk_told(&t->life, g, &m);
	follow(p, t, &m, false, out);
	return p->err;
}

int perfetto_cut(struct perfetto *p, const char *why, struct buf *out)
{
	Perfetto__TrackEvent event = PERFETTO__TRACK_EVENT__INIT;

	event.type = INSTANT;
	event.name_iid = trace_put_name(p, why, out);
	event.track_uuid = PROC_TRACK(0);
	trace_put_event(p, p->last_ns, &event, CATEGORY_LOST, out);
	return p->err;
}

/* A process that ended stays as it was: what is open ends with it, else with the trace. */
static uint64_t end_of(const struct perfetto *p, const struct track *t)
{
	uint64_t ended = p->ended_ns[t->proc];

	return MAX(t->life.since_ns, ended ? MIN(ended, p->last_ns) : p->last_ns);
}

static int by_goroutine(const void *a, const void *b)
{
	const struct track *x = a, *y = b;

	if (x->proc != y->proc)
		return x->proc < y->proc ? -1 : 1;
	return compare_u64(&x->goid, &y->goid);
}

int perfetto_finish(struct perfetto *p, uint64_t until_ns, struct buf *out)
{
	put_held(p, NULL, out);
	/* The same trace each time: no table of the same ones is in the same order twice. None is
	 * looked for from here on. */
	qsort(p->tracks, p->mask + 1, sizeof(*p->tracks), by_goroutine);
	p->last_ns = MAX(p->last_ns, until_ns);
	for (size_t i = 0; i <= p->mask && !p->err; i++) {
		const struct track *t = &p->tracks[i];

		if (t->used && life_there(&t->life))
			end_slice(p, t, end_of(p, t), out);
	}
	for (unsigned proc = 0; proc < MODEL_PROCS_MAX && !p->err; proc++) {
		if (p->counters[proc].described)
			put_counter(p, proc, p->last_ns, true, out);
	}
	return p->err;
}
