/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See export.h. */
#include "core/session/export.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/model/feed.h"
#include "core/model/walk.h"
#include "core/session/archive.h"
#include "core/session/encoder.h"

#define PIECE 2048 /* events */

/* One goroutine when the range begins. */
struct there {
	struct goroutine g;
	bool told; /* the first event from then on said what it was in */
};

struct export_job {
	struct model *model;
	const struct export_range *range;
	struct encoder *encoder;
	struct there *v; /* by process and number */
	size_t n;
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

static struct there *find(const struct export_job *x, unsigned proc, uint64_t goid)
{
	const struct there key = {.g = {.proc = (uint16_t)proc, .goid = goid}};

	return x->n ? bsearch(&key, x->v, x->n, sizeof(key), compare) : NULL;
}

/* All goroutines of a process that were there then, as far as the model knows now. */
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
		if (g->created_ns >= x->range->from_ns && !(g->flags & GOROUTINE_FOUND))
			continue;
		if (g->flags & GOROUTINE_EXITED && g->exited_ns < x->range->from_ns)
			continue;
		/* One that ended and whose number came again may come twice. */
		if (x->n && v[x->n - 1].g.goid == g->goid && v[x->n - 1].g.proc == g->proc)
			x->n--;
		v[x->n++] = (struct there){.g = *g};
	}
	return 0;
}

static int add_processes(struct export_job *x)
{
	struct proc_info info;
	int err = 0;

	for (unsigned proc = 0; proc < model_procs(x->model) && !err; proc++) {
		if (model_proc(x->model, proc, &info))
			continue;
		if (!x->meta.pid) {
			x->meta.pid = info.pid;
			snprintf(x->meta.binary_path, sizeof(x->meta.binary_path), "%s",
				 info.binary_path);
			snprintf(x->meta.go_version, sizeof(x->meta.go_version), "%s",
				 info.go_version);
		}
		x->meta.many |= proc > 0;
		/* As if it had been attached to then: nothing is known of the time before. */
		info.attached_ns = MAX(info.attached_ns, x->range->from_ns);
		if (info.exited_ns >= x->range->to_ns) {
			info.state = PROC_RUNNING;
			info.exited_ns = 0;
		}
		err = encoder_process(x->encoder, proc, &info);
		if (!err)
			err = add_goroutines(x, proc);
	}
	if (x->n)
		qsort(x->v, x->n, sizeof(*x->v), compare);
	return err;
}

/* What an event says of the time before it. */
static void tell_before(struct export_job *x, const struct event *ev)
{
	struct there *t = find(x, ev->proc, event_subject(ev));

	if (!t || t->told || ev->type == EVENT_LOST)
		return;
	t->told = true;
	if (event_is_creation(ev))
		t->g.flags |= GOROUTINE_EXITED; /* another one of that number: not there yet */
	else if (ev->type == EVENT_CASGSTATUS) {
		t->g.state = walk_fold(ev->from);
		t->g.reason_id = ev->from == GSTATE_WAITING ? ev->string_id : 0;
		t->g.flags &= (uint16_t)~GOROUTINE_EXITED;
	} else {
		t->g.state = GSTATE_RUNNING;
		t->g.flags &= (uint16_t)~GOROUTINE_EXITED;
	}
}

/* Calls fn for each piece of the retained events from the range's begin on. */
static int each_piece(struct export_job *x, uint64_t to_ns,
		      int (*fn)(struct export_job *x, struct event *v, size_t n))
{
	struct feed *feed = model_feed(x->model);
	uint64_t cursor = feed_tail(feed), head = feed_head(feed), missed;
	cleanup_free_ struct event *v = malloc(PIECE * sizeof(*v));
	int err = v ? 0 : -ENOMEM;
	size_t n;

	while (!err && cursor < head &&
	       (n = feed_read(feed, &cursor, v, MIN((uint64_t)PIECE, head - cursor), &missed))) {
		size_t kept = 0;

		for (size_t i = 0; i < n; i++) {
			if (v[i].time_ns >= x->range->from_ns && v[i].time_ns < to_ns)
				v[kept++] = v[i];
		}
		if (kept)
			err = fn(x, v, kept);
	}
	return err;
}

static int tell_piece(struct export_job *x, struct event *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		tell_before(x, &v[i]);
	return 0;
}

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

static int encode_piece(struct export_job *x, struct event *v, size_t n)
{
	size_t at = begin_record(x);

	for (size_t i = 0; i < n; i++) {
		if (v[i].type < EVENT_TYPES)
			x->meta.events[v[i].type]++, x->meta.event_count++;
		else
			x->meta.lost += v[i].count;
		x->meta.last_event_ns = MAX(x->meta.last_event_ns, v[i].time_ns);
	}
	return end_record(x, at, encoder_batch(x->encoder, v, n, NULL, &x->events));
}

/* Those who were there, in pieces: a batch each. */
static int encode_goroutines(struct export_job *x)
{
	cleanup_free_ struct goroutine *list = calloc(ENCODER_SNAPSHOT_MAX, sizeof(*list));
	size_t n = 0, at;
	int err = list ? 0 : -ENOMEM;

	for (size_t i = 0; i <= x->n && !err; i++) {
		if (i < x->n && !(x->v[i].g.flags & GOROUTINE_EXITED))
			list[n++] = x->v[i].g;
		if (n < ENCODER_SNAPSHOT_MAX && i < x->n)
			continue;
		at = begin_record(x);
		err = encoder_snapshot(x->encoder, x->range->from_ns, list, n);
		if (!err)
			err = encoder_batch(x->encoder, NULL, 0, NULL, &x->events);
		err = end_record(x, at, err);
		n = 0;
	}
	return err;
}

static int export_all(struct export_job *x, struct buf *out)
{
	int64_t wall = model_wall_offset(x->model);
	int err = session_id_new(x->meta.id);

	if (!err)
		err = encoder_new(model_names(x->model), &x->encoder);
	if (!err)
		err = add_processes(x);
	if (!err)
		err = each_piece(x, UINT64_MAX, tell_piece);
	if (!err)
		err = encode_goroutines(x);
	if (!err)
		err = each_piece(x, x->range->to_ns, encode_piece);
	if (err)
		return err;
	x->meta.ours = x->meta.has_wall_offset = true;
	x->meta.wall_offset_ns = wall;
	x->meta.first_event_ns = x->range->from_ns;
	x->meta.last_event_ns = MAX(x->meta.last_event_ns, x->range->from_ns);
	x->meta.start_time_ns = (int64_t)x->range->from_ns + wall;
	x->meta.end_time_ns = (int64_t)x->meta.last_event_ns + wall;
	snprintf(x->meta.version, sizeof(x->meta.version), "%s",
		 x->range->version ? x->range->version : "");
	if (x->range->view && session_view_valid(x->range->view))
		snprintf(x->meta.view, sizeof(x->meta.view), "%s", x->range->view);
	return archive_write(&x->meta, &x->events, out);
}

int session_export(struct model *m, const struct export_range *range, struct buf *out)
{
	struct export_job x = {.model = m, .range = range};
	int err;

	if (range->to_ns <= range->from_ns)
		return -EINVAL;
	err = export_all(&x, out);
	encoder_free(x.encoder);
	buf_free(&x.events);
	free(x.v);
	return err;
}
