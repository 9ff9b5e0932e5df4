/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See export.h. */
#include "core/session/export.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/model/feed.h"
#include "core/model/walk.h"
#include "core/session/archive.h"
#include "core/session/encoder.h"

#define PIECE 2048 /* events */

/* One goroutine of the range. */
struct there {
	struct goroutine g;
	uint64_t at_ns; /* from when on it is known to be there: the range's begin, or later */
	bool acted;     /* an event since then is of it … */
	bool told;      /* … and said what it was in */
	bool drop;      /* events of the range make it */
};

/* What is told of one without an event. */
struct say {
	uint64_t ns;
	size_t index; /* in there */
	bool known;   /* the state */
};

struct export_job {
	struct model *model;
	const struct export_range *range;
	uint64_t from_ns, to_ns; /* what of the range there is */
	uint64_t cursor;         /* the first event that was kept when it began */
	struct encoder *encoder;
	struct there *v; /* by process and number */
	size_t n;
	struct say *says; /* by time */
	size_t n_says, said;
	/* Probes: */
	bool off, off_at_begin;
	uint64_t off_since_ns;   /* 0 until the first mark: when that is that they are in again */
	uint64_t break_ns;       /* up to there events do not tell what was before */
	uint64_t first_break_ns; /* after the begin; 0: none */
	struct buf events;
	struct session_meta meta;
};

static int compare(const void *a, const void *b)
{
	const struct goroutine *x = &((const struct there *)a)->g,
			       *y = &((const struct there *)b)->g;

	return x->proc != y->proc ? (x->proc > y->proc) - (x->proc < y->proc)
				  : (x->goid > y->goid) - (x->goid < y->goid);
}

static int compare_says(const void *a, const void *b)
{
	const struct say *x = a, *y = b;

	return x->ns != y->ns ? (x->ns > y->ns) - (x->ns < y->ns)
			      : (x->index > y->index) - (x->index < y->index);
}

static struct there *find(const struct export_job *x, unsigned proc, uint64_t goid)
{
	const struct there key = {.g = {.proc = (uint16_t)proc, .goid = goid}};

	return x->n ? bsearch(&key, x->v, x->n, sizeof(key), compare) : NULL;
}

/* --- what was there --------------------------------------------------------------------------- */

/* All goroutines of a process that were known by the range's end and had not ended before it, but
 * for those that its events make. */
static int add_goroutines(struct export_job *x, unsigned proc)
{
	struct model_pass *pass cleanup_pass_ = NULL;
	const struct model_which which = {.exited = true, .by_goid = true};
	int err = model_pass_new(x->model, proc, &which, &pass);
	const struct goroutine *g;
	struct there *v;

	if (err)
		return err;
	v = realloc(x->v, (x->n + model_pass_left(pass) + 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	x->v = v;
	while ((g = model_pass_next(pass))) {
		if (g->created_ns >= (g->flags & GOROUTINE_FOUND ? x->to_ns : x->from_ns))
			continue;
		if (g->flags & GOROUTINE_EXITED && g->exited_ns < x->from_ns)
			continue;
		/* One that ended and whose number came again may come twice. */
		if (x->n && v[x->n - 1].g.goid == g->goid && v[x->n - 1].g.proc == g->proc)
			x->n--;
		v[x->n++] = (struct there){.g = *g, .at_ns = MAX(g->created_ns, x->from_ns)};
	}
	return 0;
}

/* In the first batch, and in the last one (`at_end`) those that ended in between. */
static int add_process(struct export_job *x, unsigned proc, bool at_end)
{
	struct proc_info info;
	int err;

	if (model_proc(x->model, proc, &info) || info.attached_ns >= x->to_ns)
		return 0;
	if (at_end)
		return info.exited_ns > x->from_ns && info.exited_ns < x->to_ns
			       ? encoder_process(x->encoder, proc, &info)
			       : 0;
	if (!x->meta.pid) {
		x->meta.pid = info.pid;
		snprintf(x->meta.binary_path, sizeof(x->meta.binary_path), "%s", info.binary_path);
		snprintf(x->meta.go_version, sizeof(x->meta.go_version), "%s", info.go_version);
	}
	x->meta.many |= proc > 0;
	/* As if it had been attached to then: nothing is known of the time before. */
	info.attached_ns = MAX(info.attached_ns, x->from_ns);
	if (info.exited_ns > x->from_ns) {
		info.state = PROC_RUNNING;
		info.exited_ns = 0;
		info.execed = false;
		info.status_known = false;
	}
	err = encoder_process(x->encoder, proc, &info);
	return err ? err : add_goroutines(x, proc);
}

static int add_processes(struct export_job *x, bool at_end)
{
	int err = 0;

	for (unsigned proc = 0; proc < model_procs(x->model) && !err; proc++)
		err = add_process(x, proc, at_end);
	if (x->n && !at_end)
		qsort(x->v, x->n, sizeof(*x->v), compare);
	return err;
}

/* --- what its events say ---------------------------------------------------------------------- */

/* Probes were off until then; what of it lies in the range. */
static void count_off(struct export_job *x, uint64_t until_ns)
{
	uint64_t from = MAX(x->off_since_ns, x->from_ns), to = MIN(until_ns, x->to_ns);

	x->meta.probes_off_ns += to > from ? to - from : 0;
	x->off_at_begin |= x->off_since_ns <= x->from_ns && until_ns > x->from_ns;
}

static void note_break(struct export_job *x, const struct event *ev)
{
	enum event_switch to = event_switch(ev);

	if (to == EVENT_SWITCH_NONE && !ev->count)
		return;
	x->break_ns = MAX(x->break_ns, ev->time_ns);
	if (ev->time_ns > x->from_ns && !x->first_break_ns)
		x->first_break_ns = ev->time_ns;
	if (to == EVENT_SWITCH_NONE)
		return;
	x->meta.probes_switched += ev->time_ns >= x->from_ns && ev->time_ns < x->to_ns;
	/* Of a mark that is not kept any more, the next one tells. */
	if (to == EVENT_SWITCH_ON)
		count_off(x, ev->time_ns);
	else if (!x->off)
		x->off_since_ns = ev->time_ns;
	x->off = to == EVENT_SWITCH_OFF;
	if (!x->off)
		x->off_since_ns = UINT64_MAX;
}

/* What an event says of the time before it. */
static void tell_before(struct export_job *x, const struct event *ev)
{
	struct there *t = find(x, ev->proc, event_subject(ev));

	if (!t || t->acted)
		return;
	t->acted = true;
	if (event_is_creation(ev)) {
		t->drop = true; /* another one of that number: not there yet */
		return;
	}
	if (x->break_ns <= x->from_ns)
		t->at_ns = x->from_ns; /* who comes to be is told of: it was there all the time */
	else if (ev->time_ns <= t->at_ns)
		t->drop = t->at_ns > x->from_ns; /* it makes it known, as it did here */
	t->told = x->break_ns <= t->at_ns;
	if (ev->type == EVENT_CASGSTATUS) {
		t->g.state = walk_fold(ev->from);
		t->g.reason_id = ev->from == GSTATE_WAITING ? ev->string_id : 0;
	} else {
		t->g.state = GSTATE_RUNNING;
	}
}

static int tell_piece(struct export_job *x, struct event *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].type == EVENT_LOST)
			note_break(x, &v[i]);
		else if (v[i].time_ns >= x->from_ns)
			tell_before(x, &v[i]);
	}
	return 0;
}

/* Calls fn for each piece of the retained events; what went meanwhile is a gap. */
static int each_piece(struct export_job *x,
		      int (*fn)(struct export_job *x, struct event *v, size_t n))
{
	struct feed *feed = model_feed(x->model);
	uint64_t cursor = x->cursor, head = feed_head(feed);
	cleanup_free_ struct event *v = malloc((PIECE + 1) * sizeof(*v));
	int err = v ? 0 : -ENOMEM;

	while (!err && cursor < head) {
		uint64_t missed = 0;
		size_t n = feed_read(feed, &cursor, v + 1, PIECE, &missed);

		if (!n)
			break;
		v[0] = event_missing(missed, MIN(v[1].time_ns, x->to_ns - 1));
		v[0].flags = ENCODER_BY_RECORDER;
		err = missed ? fn(x, v, n + 1) : fn(x, v + 1, n);
	}
	return err;
}

/* Is what it is in now what it was in then? Nothing told of it since. */
static bool lasts(const struct export_job *x, const struct there *t)
{
	if (t->g.flags & (GOROUTINE_EXITED | GOROUTINE_STATE_UNKNOWN))
		return false;
	if (t->g.flags & GOROUTINE_GAP) /* read just then, or in it when probes went off */
		return t->g.state_since_ns == t->at_ns ||
		       (t->g.state_since_ns == x->first_break_ns && t->at_ns <= x->first_break_ns);
	return t->g.state_since_ns <= t->at_ns;
}

/* What is to be said without an event, and when. */
static int list_says(struct export_job *x)
{
	x->says = calloc(2 * x->n + 1, sizeof(*x->says));
	if (!x->says)
		return -ENOMEM;
	for (size_t i = 0; i < x->n; i++) {
		const struct there *t = &x->v[i];
		bool known = t->told || (!t->acted && lasts(x, t));

		if (t->drop)
			continue;
		x->says[x->n_says++] = (struct say){t->at_ns, i, known};
		/* A reading told it later. */
		if (!known && !t->acted && t->g.state_since_ns > t->at_ns &&
		    t->g.state_since_ns < x->to_ns && t->g.flags & GOROUTINE_STATE_READ &&
		    !(t->g.flags & (GOROUTINE_EXITED | GOROUTINE_STATE_UNKNOWN)))
			x->says[x->n_says++] = (struct say){t->g.state_since_ns, i, true};
	}
	if (x->n_says)
		qsort(x->says, x->n_says, sizeof(*x->says), compare_says);
	return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int end_record(struct export_job *x, size_t at, int err)
{
	uint32_t len;

	if (!err)
		err = buf_error(&x->events);
	if (err)
		return err;
	len = (uint32_t)(x->events.len - at - 8);
	for (unsigned i = 0; i < 4; i++)
		x->events.data[at + 4 + i] = (char)(len >> (8 * i));
	return x->events.len > EXPORT_BYTES_MAX ? -EFBIG : 0;
}

static size_t begin_record(struct export_job *x)
{
	size_t at = x->events.len;

	buf_add(&x->events, "\xff\xff\xff\xff\0\0\0\0", 8);
	return at;
}

static int encode_events(struct export_job *x, const struct event *v, size_t n)
{
	size_t at;

	if (!n)
		return 0;
	at = begin_record(x);
	for (size_t i = 0; i < n; i++) {
		if (v[i].type < EVENT_TYPES)
			x->meta.events[v[i].type]++, x->meta.event_count++;
		else if (v[i].flags & ENCODER_BY_RECORDER)
			x->meta.missed += v[i].count;
		else
			x->meta.lost += v[i].count;
	}
	return end_record(x, at, encoder_batch(x->encoder, v, n, NULL, &x->events));
}

/* What is said of one time, in pieces: a batch each. */
static int say_some(struct export_job *x, struct goroutine *list)
{
	uint64_t ns = x->says[x->said].ns;
	size_t n = 0, at = begin_record(x);
	int err;

	while (n < ENCODER_SNAPSHOT_MAX && x->said < x->n_says && x->says[x->said].ns == ns) {
		const struct say *say = &x->says[x->said++];
		struct goroutine *g = &list[n++];

		*g = x->v[say->index].g;
		if (!say->known)
			g->state = GSTATES;
		if (!gstate_waits(g->state))
			g->reason_id = 0;
	}
	err = encoder_snapshot(x->encoder, ns, list, n);
	if (!err)
		err = encoder_batch(x->encoder, NULL, 0, NULL, &x->events);
	return end_record(x, at, err);
}

static int say_until(struct export_job *x, uint64_t until_ns)
{
	cleanup_free_ struct goroutine *list = NULL;
	int err = 0;

	while (!err && x->said < x->n_says && x->says[x->said].ns <= until_ns) {
		if (!list)
			list = calloc(ENCODER_SNAPSHOT_MAX, sizeof(*list));
		err = list ? say_some(x, list) : -ENOMEM;
	}
	return err;
}

static int encode_piece(struct export_job *x, struct event *v, size_t n)
{
	size_t kept = 0, done = 0;
	int err = 0;

	for (size_t i = 0; i < n; i++) {
		if (v[i].time_ns >= x->from_ns && v[i].time_ns < x->to_ns)
			v[kept++] = v[i];
	}
	for (size_t i = 0; i < kept && !err; i++) {
		if (x->said == x->n_says || x->says[x->said].ns > v[i].time_ns)
			continue;
		err = encode_events(x, v + done, i - done);
		done = i;
		if (!err)
			err = say_until(x, v[i].time_ns);
	}
	return err ? err : encode_events(x, v + done, kept - done);
}

static int encode_begin(struct export_job *x)
{
	const struct event off = {.type = EVENT_LOST,
				  .time_ns = x->from_ns,
				  .lost_by_type = EVENT_ALL_TYPES,
				  .proc = EVENT_PROC_NONE};
	size_t at = begin_record(x);
	int err = end_record(x, at, encoder_batch(x->encoder, NULL, 0, NULL, &x->events));

	if (!err)
		err = say_until(x, x->from_ns);
	return err || !x->off_at_begin ? err : encode_events(x, &off, 1);
}

/* The range lasts until its end, whatever the last event is. */
static int encode_end(struct export_job *x)
{
	const struct event end = {.type = EVENT_LOST,
				  .time_ns = x->to_ns - 1,
				  .lost_by_type = EVENT_END_TYPES,
				  .flags = ENCODER_BY_RECORDER};
	int err = say_until(x, x->to_ns);

	if (!err)
		err = add_processes(x, true);
	return err ? err : encode_events(x, &end, 1);
}

/* --- the range -------------------------------------------------------------------------------- */

static int refuse(struct export_range *range, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int refuse(struct export_range *range, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(range->why, sizeof(range->why), fmt, ap);
	va_end(ap);
	return err;
}

/* From when on something is kept. */
static uint64_t kept_since(struct export_job *x)
{
	struct feed *feed = model_feed(x->model);
	uint64_t attached = UINT64_MAX, cursor = x->cursor = feed_tail(feed);
	struct event first = {0};
	struct proc_info info;

	(void)feed_read(feed, &cursor, &first, 1, NULL);
	if (x->cursor && first.time_ns)
		return first.time_ns; /* there were others before it */
	for (unsigned proc = 0; proc < model_procs(x->model); proc++) {
		if (!model_proc(x->model, proc, &info))
			attached = MIN(attached, info.attached_ns);
	}
	if (attached && attached != UINT64_MAX)
		return first.time_ns ? MIN(attached, first.time_ns) : attached;
	return first.time_ns;
}

static int find_range(struct export_job *x, struct export_range *range)
{
	struct model_totals totals;
	uint64_t since = kept_since(x), now = range->now_ns;

	model_totals(x->model, -1, &totals);
	if (!now) /* where there is no event, the end is where it begins */
		now = sum_u64(MAX(totals.last_event_ns, since), 1);
	if (range->to_ns <= range->from_ns)
		return refuse(range, -EINVAL, "to: not after from");
	if (range->from_ns >= now)
		return refuse(range, -EINVAL, "from: not before now (%llu)",
			      (unsigned long long)now);
	if (range->to_ns <= since)
		return refuse(range, -ENOENT,
			      "nothing is kept of that time: what is kept begins at %llu",
			      (unsigned long long)since);
	x->from_ns = MAX(range->from_ns, since);
	x->to_ns = MIN(range->to_ns, now);
	if (x->from_ns >= x->to_ns)
		return refuse(range, -ENOENT, "nothing is kept of that time");
	return 0;
}

static int read_range(struct export_job *x, struct export_range *range)
{
	int err = each_piece(x, tell_piece);

	if (err)
		return err;
	if (x->off)
		count_off(x, UINT64_MAX);
	if (x->meta.probes_off_ns >= x->to_ns - x->from_ns)
		return refuse(range, -ENODATA,
			      "no events were taken in that time: no probe was attached");
	return list_says(x);
}

static void finish_meta(struct export_job *x)
{
	int64_t wall = model_wall_offset(x->model);
	const struct export_range *range = x->range;
	struct recording_noted noted = {0};

	if (range->noted)
		noted = *range->noted;
	noted.off_ns = x->meta.probes_off_ns; /* of the range alone */
	noted.switched = x->meta.probes_switched;
	session_meta_note(&x->meta, &noted);
	x->meta.ours = x->meta.has_wall_offset = true;
	x->meta.wall_offset_ns = wall;
	x->meta.first_event_ns = x->from_ns;
	x->meta.last_event_ns = x->to_ns - 1;
	x->meta.start_time_ns = (int64_t)MIN(unix_ns(x->from_ns, wall), (uint64_t)INT64_MAX);
	x->meta.end_time_ns = (int64_t)MIN(unix_ns(x->to_ns, wall), (uint64_t)INT64_MAX);
	snprintf(x->meta.version, sizeof(x->meta.version), "%s",
		 range->version ? range->version : "");
	if (range->view && session_view_valid(range->view))
		snprintf(x->meta.view, sizeof(x->meta.view), "%s", range->view);
}

static int export_all(struct export_job *x, struct export_range *range, struct buf *out)
{
	int err = find_range(x, range);

	if (!err)
		err = session_id_new(x->meta.id);
	if (!err)
		err = encoder_new(model_names(x->model), &x->encoder);
	if (!err)
		err = add_processes(x, false);
	if (!err)
		err = read_range(x, range);
	if (!err)
		err = encode_begin(x);
	if (!err)
		err = each_piece(x, encode_piece);
	if (!err)
		err = encode_end(x);
	if (err)
		return err;
	finish_meta(x);
	return archive_write(&x->meta, &x->events, out);
}

int session_export(struct model *m, struct export_range *range, struct buf *out)
{
	struct export_job x = {.model = m, .range = range};
	int err;

	range->why[0] = '\0';
	err = export_all(&x, range, out);
	if (err == -EFBIG)
		(void)refuse(range, err, "more than %u MiB: choose a shorter range",
			     EXPORT_BYTES_MAX >> 20);
	encoder_free(x.encoder);
	buf_free(&x.events);
	free(x.says);
	free(x.v);
	return err;
}
