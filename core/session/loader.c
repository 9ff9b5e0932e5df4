/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See loader.h for the rules. */
#include "core/session/loader.h"

#include <errno.h>
#include <string.h>

struct loader {
	struct session_reader *reader;
	struct session_meta meta;
	struct model *model;
	struct loader_sink sink;
	int64_t wall_offset_ns;
	bool wall_estimate;
	struct session_chunk chunk;
	size_t at, gap; /* in chunk: the next event, the next gap */
	/* Processes whose end is told of in this batch: they end behind its events. */
	struct ended {
		unsigned proc;
		uint64_t time_ns;
		bool execed, status_known;
		int status;
		char path[256];
	} * ended;
	unsigned n_ended, ended_cap;
	uint64_t first_ns, position_ns, passed, missed;
	uint64_t events; /* of what was passed: no gaps */
	bool at_end;
};

/* --- opening ---------------------------------------------------------------------------------- */

static uint64_t first_time(const struct loader *l, const struct session_chunk *chunk)
{
	for (size_t i = 0; i < chunk->n; i++) {
		if (chunk->events[i].time_ns)
			return chunk->events[i].time_ns;
	}
	return l->meta.first_event_ns;
}

/* Reads the first chunk for the first event's time and goes back. */
static int look_ahead(struct loader *l)
{
	struct session_chunk chunk;
	int more = session_reader_next(l->reader, &chunk);

	if (more < 0)
		return more;
	l->first_ns = l->position_ns = first_time(l, &chunk);
	l->wall_offset_ns = session_wall_offset(&l->meta, l->first_ns, &l->wall_estimate);
	return session_reader_seek(l->reader, 0);
}

int loader_open(int dir_fd, struct names *names, struct loader **ret)
{
	struct loader *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	err = session_reader_open(dir_fd, names, &l->meta, &l->reader);
	if (!err)
		err = look_ahead(l);
	if (err) {
		loader_close(l);
		return err;
	}
	*ret = l;
	return 0;
}

void loader_close(struct loader *l)
{
	if (!l)
		return;
	session_reader_close(l->reader);
	free(l->ended);
	free(l);
}

const struct session_meta *loader_meta(const struct loader *l)
{
	return &l->meta;
}

uint64_t loader_size(const struct loader *l)
{
	return session_reader_size(l->reader);
}

int64_t loader_wall_offset(const struct loader *l, bool *ret_estimate)
{
	if (ret_estimate)
		*ret_estimate = l->wall_estimate;
	return l->wall_offset_ns;
}

void loader_begin(struct loader *l, struct model *m, const struct loader_sink *sink)
{
	l->model = m;
	if (sink)
		l->sink = *sink;
}

/* --- processes and goroutines ----------------------------------------------------------------- */

/* A session that names no process is about the one in metadata.json. */
static int add_first_proc(struct loader *l)
{
	struct proc_info info = {.pid = (pid_t)l->meta.pid, .attached_ns = l->first_ns};
	int proc;

	if (model_procs(l->model))
		return 0;
	proc_info_name(&info, l->meta.binary_path, l->meta.go_version);
	proc = model_proc_add(l->model, &info);
	return MIN(proc, 0);
}

static int note_end(struct loader *l, unsigned proc, const struct proc_info *info)
{
	struct ended *e;

	if (l->n_ended == l->ended_cap) {
		e = reallocarray(l->ended, l->ended_cap + 64, sizeof(*e));
		if (!e)
			return -ENOMEM;
		l->ended = e;
		l->ended_cap += 64;
	}
	e = &l->ended[l->n_ended++];
	*e = (struct ended){.proc = proc,
			    .time_ns = info->exited_ns,
			    .execed = info->execed,
			    .status_known = info->status_known,
			    .status = info->status};
	memcpy(e->path, info->execed_path, sizeof(e->path));
	return 0;
}

static int apply_procs(struct loader *l)
{
	const struct session_chunk *c = &l->chunk;
	/* Lines of the first process may name none. */
	int err = c->n_procs && c->proc_index[0] ? add_first_proc(l) : 0;

	for (size_t i = 0; i < c->n_procs && err >= 0; i++) {
		struct proc_info info = c->procs[i];

		/* Recorded indexes count up from 0, so the model gives the same ones. */
		if (c->proc_index[i] == model_procs(l->model)) {
			info.state = PROC_RUNNING;
			info.exited_ns = 0;
			info.execed = info.status_known = false;
			/* Where that is not told, what is known of it begins with what is there:
			 * else all who act first have run for ever by then. */
			if (!info.attached_ns)
				info.attached_ns = l->first_ns;
			err = model_proc_add(l->model, &info);
		}
		if (err >= 0 && c->procs[i].state == PROC_EXITED)
			err = note_end(l, c->proc_index[i], &c->procs[i]);
	}
	return err < 0 ? err : add_first_proc(l);
}

static void apply_seen(struct loader *l)
{
	const struct session_chunk *c = &l->chunk;
	size_t from = 0;

	for (size_t i = 1; i <= c->n_seen; i++) {
		if (i < c->n_seen && c->seen_proc[i] == c->seen_proc[from])
			continue;
		model_heal(l->model, c->seen_proc[from], c->seen + from, i - from, c->seen_ns,
			   false);
		from = i;
	}
	if (c->n_seen && l->sink.seen)
		l->sink.seen(l->sink.ctx, l->model, c->seen_ns);
}

/* Once the batch is through. */
static void apply_ends(struct loader *l)
{
	if (l->at < l->chunk.n || l->chunk.more)
		return;
	for (unsigned i = 0; i < l->n_ended; i++) {
		const struct ended *e = &l->ended[i];

		if (e->status_known)
			model_proc_status(l->model, e->proc, e->status);
		if (e->execed)
			model_proc_execed(l->model, e->proc, e->path, e->time_ns);
		else
			model_proc_exited(l->model, e->proc, e->time_ns);
	}
	l->n_ended = 0;
}

/* --- events ----------------------------------------------------------------------------------- */

int loader_next(struct loader *l)
{
	int more, err;

	if (l->at < l->chunk.n)
		return 1;
	more = session_reader_next(l->reader, &l->chunk);
	if (more == -ESTALE) /* it ends here, and its end says so */
		more = 0;
	l->at_end = !more;
	l->at = l->gap = 0;
	if (more <= 0)
		l->chunk.n = 0;
	else if (!l->first_ns) /* nothing had been written yet when it was opened */
		l->first_ns = l->position_ns = first_time(l, &l->chunk);
	err = more > 0 ? apply_procs(l) : add_first_proc(l);
	if (more <= 0 || err) {
		l->chunk.n = 0;
		apply_ends(l);
		return more < 0 ? more : err;
	}
	apply_seen(l);
	apply_ends(l); /* a batch without events */
	return 1;
}

const struct event *loader_events(const struct loader *l, size_t *ret_n)
{
	*ret_n = l->chunk.n - l->at;
	return l->chunk.events + l->at;
}

/* A loss: the model's counts say it by type, unless it was the recorder's. */
static void apply_gap(struct loader *l, struct event *ev)
{
	const struct session_gap *gap = &l->chunk.gaps[l->gap++];

	if (event_switch(ev) == EVENT_SWITCH_OFF) {
		model_unwatch(l->model, ev->time_ns, false);
	} else if (event_switch(ev) == EVENT_SWITCH_ON) {
		model_watch(l->model, ev->time_ns, false);
	} else if (gap->recorder) {
		model_apply(l->model, ev, 1);
		l->missed += ev->count;
	} else {
		model_lost(l->model, ev->proc == EVENT_PROC_NONE ? -1 : ev->proc, gap->lost,
			   ev->time_ns);
	}
}

void loader_apply(struct loader *l, size_t n)
{
	struct event *events = l->chunk.events + l->at;

	n = MIN(n, l->chunk.n - l->at);
	for (size_t i = 0; i < n;) {
		size_t from = i;

		while (i < n && events[i].type < EVENT_TYPES)
			i++;
		if (i > from)
			model_apply(l->model, events + from, i - from);
		l->events += i - from;
		if (i < n)
			apply_gap(l, &events[i++]);
	}
	for (size_t i = 0; i < n; i++)
		l->position_ns = MAX(l->position_ns, events[i].time_ns);
	l->at += n;
	l->passed += n;
	if (n && l->sink.events)
		l->sink.events(l->sink.ctx, events, n);
	apply_ends(l);
}

int loader_rewind(struct loader *l)
{
	int err = model_reset(l->model);

	if (!err)
		err = session_reader_seek(l->reader, 0);
	if (err)
		return err;
	l->chunk.n = l->at = l->gap = l->n_ended = 0;
	l->passed = l->missed = l->events = 0;
	l->at_end = false;
	l->position_ns = l->first_ns;
	return 0;
}

void loader_state(const struct loader *l, struct loader_state *ret)
{
	*ret = (struct loader_state){.first_ns = l->first_ns,
				     .position_ns = l->position_ns,
				     .passed = l->passed,
				     .missed = l->missed};
	session_reader_end(l->reader, &ret->end);
	if (l->at_end)
		ret->end.unread_events = session_end_unread(&ret->end, &l->meta, l->events);
}
