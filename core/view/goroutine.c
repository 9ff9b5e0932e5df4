/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Goroutines: the table of all, and one's status, statistics and allocations. Any thread. */
#include <errno.h>
#include <stdio.h>

#include "core/view/view_internal.h"

static void emit_time(struct emit *e, const struct view *v, const char *key, uint64_t monotonic)
{
	if (monotonic)
		emit_u64(e, key, view_unix(v, monotonic));
	else
		emit_none(e, key);
}

/* Why it waits, for one that does; what it waited for last is of no use to a reader. */
static void emit_reason(struct emit *e, const struct view *v, const char *key,
			const struct goroutine *g)
{
	if (view_state(g) == GSTATE_WAITING)
		emit_string(e, key, names_string(model_names(v->model), g->reason_id));
	else
		emit_none(e, key);
}

static void emit_created_by(struct emit *e, const struct view *v, const char *key,
			    const struct goroutine *g)
{
	cleanup_buf_ struct buf site = BUF_INIT;

	view_site(v, g->created_site_id, &site);
	emit_string(e, key, site.data ? site.data : "");
}

static void emit_created_at(struct emit *e, const struct view *v, const char *key,
			    const struct goroutine *g)
{
	const struct names *names = model_names(v->model);
	const struct site *site = names_site(names, g->created_site_id);
	const char *file = names_string(names, site->file_id);
	cleanup_buf_ struct buf at = BUF_INIT;

	if (*file) {
		buf_adds(&at, file);
		buf_addc(&at, ':');
		buf_addu(&at, site->line);
	}
	emit_string(e, key, at.data ? at.data : "");
}

static void emit_goid(struct emit *e, const char *key, uint64_t goid)
{
	if (goid)
		emit_u64(e, key, goid);
	else
		emit_none(e, key);
}

/* Since its creation, when that was seen; until its end, when it has come. */
static void emit_age(struct emit *e, const char *key, const struct goroutine *g, uint64_t now)
{
	uint64_t until = g->flags & GOROUTINE_EXITED ? g->exited_ns : now;

	if (g->flags & GOROUTINE_FOUND)
		emit_unknown(e, key);
	else
		emit_u64(e, key, view_since(until, g->created_ns));
}

int view_status(const struct view *v, struct view_query *q, struct buf *out)
{
	const struct names *names = model_names(v->model);
	uint64_t now = view_now(v, q->proc);
	struct proc_info info;
	struct goroutine g;
	struct emit e;
	int err;

	err = model_proc(v->model, q->proc, &info);
	if (!err)
		err = model_goroutine(v->model, q->proc, q->goid, &g);
	if (err)
		return err;
	emit_begin(&e, q->form, out);
	emit_u64(&e, "goid", g.goid);
	emit_i64(&e, "pid", info.pid);
	emit_string(&e, "state", view_state_word(&g));
	if (g.flags & GOROUTINE_STATE_UNKNOWN)
		emit_unknown(&e, "state_from");
	else
		emit_string(&e, "state_from", g.flags & GOROUTINE_STATE_READ ? "memory" : "event");
	emit_reason(&e, v, "wait_reason", &g);
	emit_u64(&e, "state_since_ns", view_since(now, g.state_since_ns));
	emit_time(&e, v, "state_since_unix_ns", g.state_since_ns);
	emit_string(&e, "start_function", names_string(names, g.start_func_id));
	emit_created_by(&e, v, "created_by", &g);
	emit_created_at(&e, v, "created_at", &g);
	emit_goid(&e, "parent", g.parent);
	emit_goid(&e, "woken_by", g.woken_by);
	emit_u64(&e, "children", g.children);
	emit_age(&e, "age_ns", &g, now);
	if (g.flags & GOROUTINE_FOUND)
		emit_unknown(&e, "created_unix_ns");
	else
		emit_time(&e, v, "created_unix_ns", g.created_ns);
	emit_time(&e, v, "first_seen_unix_ns", g.created_ns);
	emit_time(&e, v, "last_event_unix_ns", g.last_event_ns);
	emit_time(&e, v, "exited_unix_ns", g.exited_ns);
	emit_yes(&e, "exited", g.flags & GOROUTINE_EXITED);
	emit_yes(&e, "system", g.flags & GOROUTINE_SYSTEM);
	emit_yes(&e, "cgo", g.flags & GOROUTINE_CGO);
	emit_yes(&e, "uncertain", g.flags & GOROUTINE_UNCERTAIN);
	view_emit_rates(&e, v);
	return emit_end(&e);
}

int view_goroutine_stats(const struct view *v, struct view_query *q, struct buf *out)
{
	uint64_t now = view_now(v, q->proc), total = 0;
	struct goroutine g;
	struct emit e;
	char key[40];
	int err = model_goroutine(v->model, q->proc, q->goid, &g);

	if (err)
		return err;
	emit_begin(&e, q->form, out);
	emit_u64(&e, "goid", g.goid);
	for (unsigned type = 0; type < EVENT_TYPES; type++)
		total += g.counts[type];
	emit_u64(&e, "events_total", total);
	for (unsigned type = 0; type < EVENT_TYPES; type++) {
		snprintf(key, sizeof(key), "events_%s", event_type_name(type));
		emit_u64(&e, key, g.counts[type]);
	}
	emit_u64(&e, "alloc_bytes", g.alloc_bytes);
	for (unsigned i = 0; i < view_n_states; i++) {
		snprintf(key, sizeof(key), "%s_ns", gstate_name(view_states[i]));
		emit_u64(&e, key, view_state_ns(&g, view_states[i], now));
	}
	emit_u64(&e, "runnable_to_running_count", g.runnable_count);
	emit_u64(&e, "runnable_to_running_sum_ns", g.runnable_sum_ns);
	emit_u64(&e, "runnable_to_running_mean_ns",
		 g.runnable_count ? g.runnable_sum_ns / g.runnable_count : 0);
	emit_u64(&e, "runnable_to_running_max_ns", g.runnable_max_ns);
	emit_u64(&e, "children", g.children);
	emit_yes(&e, "uncertain", g.flags & GOROUTINE_UNCERTAIN);
	view_emit_rates(&e, v);
	return emit_end(&e);
}

int view_allocations(const struct view *v, struct view_query *q, struct buf *out)
{
	static const char *const columns[] = {"kind", "type", "count", "bytes", "go_kind", "size"};
	const struct names *names = model_names(v->model);
	cleanup_free_ struct allocation *rows = NULL;
	struct emit e;
	size_t n;
	int err;

	/* Without a goroutine: the whole process. */
	err = q->goid ? model_allocations(v->model, q->proc, q->goid, &rows, &n)
		      : model_type_totals(v->model, q->proc, &rows, &n);
	if (err)
		return err;
	emit_table_begin(&e, q->form, columns, ARRAY_SIZE(columns), out);
	for (size_t i = 0; i < n && !emit_cut(&e, n - i); i++) {
		const struct go_type *type = names_type(names, rows[i].type_id);

		emit_row(&e);
		emit_string(&e, NULL, event_type_name(rows[i].event_type));
		emit_string(&e, NULL, type->name);
		emit_u64(&e, NULL, rows[i].count);
		emit_u64(&e, NULL, rows[i].bytes);
		if (*type->name) {
			emit_string(&e, NULL, go_kind_name(type->kind));
			emit_u64(&e, NULL, type->size);
		} else {
			emit_unknown(&e, NULL);
			emit_unknown(&e, NULL);
		}
		emit_row_end(&e);
	}
	return emit_table_end(&e);
}

int view_goroutines(const struct view *v, struct view_query *q, struct buf *out)
{
	static const char *const columns[] = {
		"goid",       "state",       "wait_reason", "state_since_ns", "start_function",
		"created_by", "parent",      "woken_by",    "children",       "age_ns",
		"events",     "alloc_bytes", "system",      "uncertain",
	};
	const struct names *names = model_names(v->model);
	static const struct model_which which = {.exited = true, .by_goid = true};
	struct model_pass *pass cleanup_pass_ = NULL;
	const struct goroutine *g;
	uint64_t now;
	struct emit e;
	int err = model_pass_new(v->model, q->proc, &which, &pass);

	if (err)
		return err;
	now = view_now(v, q->proc);
	emit_table_begin(&e, q->form, columns, ARRAY_SIZE(columns), out);
	while ((g = model_pass_next(pass)) && !emit_cut(&e, model_pass_left(pass) + 1)) {
		uint64_t events = 0;

		for (unsigned type = 0; type < EVENT_TYPES; type++)
			events += g->counts[type];
		emit_row(&e);
		emit_u64(&e, NULL, g->goid);
		emit_string(&e, NULL, view_state_word(g));
		emit_reason(&e, v, NULL, g);
		emit_u64(&e, NULL, view_since(now, g->state_since_ns));
		emit_string(&e, NULL, names_string(names, g->start_func_id));
		emit_created_by(&e, v, NULL, g);
		emit_goid(&e, NULL, g->parent);
		emit_goid(&e, NULL, g->woken_by);
		emit_u64(&e, NULL, g->children);
		emit_age(&e, NULL, g, now);
		emit_u64(&e, NULL, events);
		emit_u64(&e, NULL, g->alloc_bytes);
		emit_yes(&e, NULL, g->flags & GOROUTINE_SYSTEM);
		emit_yes(&e, NULL, g->flags & GOROUTINE_UNCERTAIN);
		emit_row_end(&e);
	}
	return emit_table_end(&e);
}
