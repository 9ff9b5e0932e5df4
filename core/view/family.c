/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The model as folders see it (family.h). */
#include "core/view/family.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/parse.h"
#include "core/model/feed.h"
#include "core/view/view_internal.h"

static uint64_t wall(const struct view *v, uint64_t monotonic)
{
	return monotonic ? view_unix(v, monotonic) : 0;
}

int view_about(const struct view *v, unsigned proc, uint64_t goid, struct view_about *ret)
{
	struct goroutine g;
	int err = model_goroutine(v->model, proc, goid, &g);

	if (err)
		return err;
	*ret = (struct view_about){
		.parent = g.parent,
		.lives = !(g.flags & GOROUTINE_EXITED),
		.created_ns = wall(v, g.created_ns),
		.changed_ns = wall(v, goroutine_began(&g)),
		.last_event_ns = wall(v, g.last_event_ns ? g.last_event_ns : g.state_since_ns),
	};
	return 0;
}

uint64_t view_last_event(const struct view *v, unsigned proc, uint64_t goid)
{
	struct goroutine g;

	return model_goroutine(v->model, proc, goid, &g) ? 0 : g.last_event_ns;
}

static const enum model_by model_bys[] = {
	[VIEW_BY_NOTHING] = MODEL_BY_NOTHING, [VIEW_BY_PARENT] = MODEL_BY_PARENT,
	[VIEW_BY_STATE] = MODEL_BY_STATE,     [VIEW_BY_WAIT] = MODEL_BY_REASON,
	[VIEW_BY_FUNC] = MODEL_BY_FUNC,
};

/* Where there is no such process, there is nothing. */
static int none(int err, void *ret, size_t *ret_n)
{
	if (err != -ENOENT)
		return err;
	*(void **)ret = NULL;
	*ret_n = 0;
	return 0;
}

int view_members(const struct view *v, unsigned proc, enum view_by by, uint64_t key, uint64_t **ret,
		 size_t *ret_n)
{
	view_look(v, proc, VIEW_QUICK);
	return none(model_goids(v->model, proc, model_bys[by], key, ret, ret_n), ret, ret_n);
}

int view_keys(const struct view *v, unsigned proc, enum view_by by, uint32_t **ret, size_t *ret_n)
{
	view_look(v, proc, VIEW_QUICK);
	return none(model_keys(v->model, proc, model_bys[by], ret, ret_n), ret, ret_n);
}

bool view_belongs(const struct view *v, unsigned proc, enum view_by by, uint64_t key, uint64_t goid)
{
	struct goroutine g;

	if (model_goroutine(v->model, proc, goid, &g))
		return false;
	switch (by) {
	case VIEW_BY_NOTHING:
		return true;
	case VIEW_BY_PARENT:
		return g.parent == key;
	case VIEW_BY_STATE:
		return view_state(&g) == key;
	case VIEW_BY_WAIT:
		return gstate_waits(view_state(&g)) && g.reason_id == key;
	case VIEW_BY_FUNC:
		return (!(g.flags & GOROUTINE_EXITED) || g.flags & GOROUTINE_LAST_ENDED) &&
		       g.start_func_id == key;
	}
	return false;
}

const char *view_key_name(const struct view *v, uint32_t key)
{
	return names_string(model_names(v->model), key);
}

bool view_state_shown(unsigned state)
{
	return state == GSTATE_RUNNABLE || state == GSTATE_RUNNING || state == GSTATE_SYSCALL ||
	       state == GSTATE_WAITING || state == GSTATE_PREEMPTED || state == GSTATE_LEAKED ||
	       state == GSTATE_DEAD || state == GSTATES;
}

int view_events_between(const struct view *v, unsigned proc, uint64_t goid, uint64_t from,
			uint64_t to, struct event **ret, uint64_t **ret_seqs, size_t *ret_n)
{
	int err = model_goroutine_events(v->model, proc, goid, from, to, ret, ret_seqs, ret_n);

	return err == -ENOENT ? 0 : err;
}

/* --- types -------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const struct view_type_name *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : x->id < y->id ? -1 : x->id > y->id;
}

int view_types(const struct view *v, unsigned proc, struct view_type_name **ret, size_t *ret_n)
{
	cleanup_free_ struct allocation *rows = NULL;
	const struct names *names = model_names(v->model);
	struct view_type_name *list;
	size_t n, types = 0;
	int err = none(model_type_totals(v->model, proc, &rows, &n), &rows, &n);

	if (err)
		return err;
	list = calloc(n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		list[i].id = rows[i].type_id;
		list[i].name = names_type(names, rows[i].type_id)->name;
	}
	qsort(list, n, sizeof(*list), by_name);
	/* One that was allocated in several ways has a row each. */
	for (size_t i = 0; i < n; i++) {
		if (types && list[i].id == list[types - 1].id)
			continue;
		list[types] = list[i];
		list[types].shared = types && !strcmp(list[i].name, list[types - 1].name);
		types++;
	}
	*ret = list;
	*ret_n = types;
	return 0;
}

bool view_type_at(const struct view *v, uint32_t id, const char **ret_name)
{
	const struct names *names = model_names(v->model);

	if (id > names_types(names))
		return false;
	*ret_name = names_type(names, id)->name;
	return true;
}

bool view_type_used(const struct view *v, unsigned proc, uint32_t id)
{
	struct allocation rows[3];

	return model_type_rows(v->model, proc, id, rows) > 0;
}

int view_type_of(const struct view *v, unsigned proc, const char *name, uint32_t *ret)
{
	const char *other;

	for (uint32_t id = 0; view_type_at(v, id, &other); id++) {
		if (strcmp(other, name) || !view_type_used(v, proc, id))
			continue;
		*ret = id;
		return 0;
	}
	return -ENOENT;
}

/* types/<type>: what a process allocated of it. */
int view_type(const struct view *v, struct view_query *q, struct buf *out)
{
	const struct go_type *type = names_type(model_names(v->model), q->type);
	struct allocation rows[3];
	size_t n = model_type_rows(v->model, q->proc, q->type, rows);
	uint64_t count = 0, bytes = 0;
	bool known = false;
	struct emit e;

	if (!n)
		return -ENOENT;
	emit_begin(&e, q->form, out);
	emit_string(&e, "type", type->name);
	emit_string(&e, "kind", *type->name ? go_kind_name(type->kind) : "");
	view_emit_known(&e, "size_bytes", *type->name, type->size);
	for (size_t i = 0; i < n; i++) {
		cleanup_buf_ struct buf key = BUF_INIT;
		size_t len;

		buf_adds(&key, event_type_name(rows[i].event_type));
		len = key.len;
		buf_adds(&key, "_count");
		if (!buf_error(&key))
			emit_u64(&e, key.data, rows[i].count);
		key.len = len;
		buf_adds(&key, "_bytes");
		if (buf_error(&key))
			return -ENOMEM;
		known |= names_knows_bytes(q->type, rows[i].event_type);
		view_emit_known(&e, key.data, names_knows_bytes(q->type, rows[i].event_type),
				rows[i].bytes);
		count += rows[i].count;
		bytes += rows[i].bytes;
	}
	emit_u64(&e, "count", count);
	view_emit_known(&e, "bytes", known, bytes);
	emit_string(&e, "not_counted", VIEW_NO_EVENTS);
	return emit_end(&e);
}

/* --- processes ---------------------------------------------------------------------------- */

unsigned view_procs(const struct view *v)
{
	return model_procs(v->model);
}

int view_proc(const struct view *v, unsigned proc, struct proc_info *ret)
{
	return model_proc(v->model, proc, ret);
}

int view_pid_was(const struct view *v, unsigned proc)
{
	return model_pid_of(v->model, proc);
}

unsigned view_root(const struct view *v)
{
	return model_proc_root(v->model);
}

int view_proc_name(const struct view *v, unsigned proc, char *ret, size_t size)
{
	struct proc_info info;
	int pid = view_pid_was(v, proc);

	if (!pid || model_proc(v->model, proc, &info))
		return -ENOENT;
	if (model_proc_by_pid(v->model, pid) == (int)proc)
		(void)snprintf(ret, size, "%d", pid);
	else
		(void)snprintf(ret, size, "%d.%u", pid, model_nth_of(v->model, proc));
	return 0;
}

int view_proc_named(const struct view *v, const char *name)
{
	char number[16], canonical[32];
	size_t len = strcspn(name, ".");
	uint64_t pid, nth;
	int proc;

	if (len >= sizeof(number))
		return -ENOENT;
	memcpy(number, name, len);
	number[len] = '\0';
	if (parse_u64_in(number, 1, INT32_MAX, &pid))
		return -ENOENT;
	if (!name[len])
		proc = model_proc_by_pid(v->model, (pid_t)pid);
	else if (parse_u64_in(name + len + 1, 1, UINT32_MAX, &nth))
		return -ENOENT;
	else
		proc = model_proc_nth(v->model, (pid_t)pid, (unsigned)nth);
	/* No second name: no leading zeros, and the newest goes by its number alone. */
	if (proc < 0 || view_proc_name(v, (unsigned)proc, canonical, sizeof(canonical)) ||
	    strcmp(name, canonical) != 0)
		return -ENOENT;
	return proc;
}

bool view_ended(const struct view *v, unsigned proc)
{
	struct proc_info info;

	return !model_proc(v->model, proc, &info) && info.state == PROC_EXITED;
}

/* --- the log of events -------------------------------------------------------------------- */

struct feed *view_feed(const struct view *v)
{
	return model_feed(v->model);
}

struct event_format view_event_format(const struct view *v)
{
	return (struct event_format){.names = model_names(v->model),
				     .wall_offset_ns = model_wall_offset(v->model)};
}

struct names *view_names(const struct view *v)
{
	return model_names(v->model);
}

void view_event_json(const struct view *v, const struct event *ev, struct buf *out)
{
	struct event_format format = view_event_format(v);

	if (model_procs(v->model) > 1) {
		format.pid_of = model_pid_of;
		format.nth_of = model_nth_of;
		format.ctx = v->model;
	}
	event_format_json(&format, ev, out);
	if (!buf_error(out))
		out->len--;
}

void view_space(const struct view *v, struct view_space *ret)
{
	struct feed *feed = model_feed(v->model);
	struct model_totals t;

	model_totals(v->model, -1, &t);
	*ret = (struct view_space){
		.bytes = feed_capacity(feed) * FEED_EVENT_BYTES,
		.used_bytes = (feed_head(feed) - feed_tail(feed)) * FEED_EVENT_BYTES,
		.goroutines = t.live_total + t.exited_retained,
	};
}
