/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Goroutines, one at a time: status, statistics, allocations, all of it at once; and the table's
 * row. Any thread. */
#include <errno.h>
#include <stdio.h>

#include "core/base/json.h"
#include "core/model/samples.h"
#include "core/view/goroutines/goroutine.h"
#include "core/view/origins.h"
#include "core/view/process/process.h"
#include "core/view/profiles/allocs.h"
#include "core/view/profiles/cpu.h"
#include "core/view/waits/wait_stacks.h"
#include "core/view/waits/waits.h"

#define CHILDREN_MAX 1000

static void emit_time(struct emit *e, const struct view *v, const char *key, uint64_t monotonic)
{
	if (monotonic)
		emit_u64(e, key, view_unix(v, monotonic));
	else
		emit_none(e, key);
}

static void emit_reason(struct emit *e, const struct view *v, const char *key,
			const struct goroutine *g)
{
	if (gstate_waits(view_state(g)))
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

/* One that a go statement made has a parent, known or not; also one that was there before us, as
 * recordings and old releases do not tell (g.parentGoid is of Go 1.21), but for main's and a C
 * thread's. */
static void emit_parent(struct emit *e, const char *key, const struct goroutine *g)
{
	bool has = g->created_site_id || g->flags & GOROUTINE_FOUND;

	if (!g->parent && (g->goid == 1 || g->flags & GOROUTINE_CGO || !has))
		emit_none(e, key);
	else
		view_emit_known(e, key, g->parent, g->parent);
}

/* "-": the runtime did (a timer, the network), or nobody had to. Of one that was never seen to wait
 * for a processor nobody knows. */
static void emit_woken_by(struct emit *e, const char *key, const struct goroutine *g)
{
	if (!g->woken_by && (!(g->flags & GOROUTINE_FOUND) || g->runnable_count))
		emit_none(e, key);
	else
		view_emit_known(e, key, g->woken_by, g->woken_by);
}

/* Since its creation, when that was seen; until its end, when it has come. */
static void emit_age(struct emit *e, const char *key, const struct goroutine *g, uint64_t now)
{
	if (g->flags & GOROUTINE_FOUND)
		emit_unknown(e, key);
	else
		emit_u64(e, key, view_age_ns(g, now));
}

/* How far state_since_ns is to be believed. */
static void emit_since_is(struct emit *e, const char *key, const struct goroutine *g)
{
	if (view_state(g) == GSTATES)
		emit_unknown(e, key);
	else
		emit_string(e, key,
			    g->flags & (GOROUTINE_AT_LEAST | GOROUTINE_EXIT_READ) ? "at_least"
			    : g->flags & GOROUTINE_ABOUT                          ? "about"
										  : "exact");
}

/* Who it is and how it is: the keys of `status`. */
static void emit_status(struct emit *e, const struct view *v, const struct proc_info *info,
			const struct goroutine *g, uint64_t now)
{
	emit_u64(e, "goid", g->goid);
	emit_i64(e, "pid", info->pid);
	emit_string(e, "state", view_state_word(g));
	if (view_state(g) == GSTATES)
		emit_unknown(e, "state_from");
	else
		emit_string(e, "state_from",
			    g->flags & (GOROUTINE_STATE_READ | GOROUTINE_EXIT_READ) ? "memory"
										    : "event");
	emit_reason(e, v, "wait_reason", g);
	emit_u64(e, "state_since_ns", view_since(now, goroutine_began(g)));
	emit_time(e, v, "state_since_unix_ns", goroutine_began(g));
	emit_since_is(e, "state_since_is", g);
	emit_string(e, "start_function", names_string(model_names(v->model), g->start_func_id));
	emit_created_by(e, v, "created_by", g);
	emit_created_at(e, v, "created_at", g);
	emit_parent(e, "parent", g);
	emit_woken_by(e, "woken_by", g);
	emit_u64(e, "children", g->children);
	emit_age(e, "age_ns", g, now);
	if (g->flags & GOROUTINE_FOUND)
		emit_unknown(e, "created_unix_ns");
	else
		emit_time(e, v, "created_unix_ns", g->created_ns);
	emit_time(e, v, "first_seen_unix_ns", g->created_ns);
	emit_time(e, v, "last_event_unix_ns", g->last_event_ns);
	emit_time(e, v, "exited_unix_ns", g->exited_ns);
	emit_yes(e, "exited", g->flags & GOROUTINE_EXITED);
	emit_yes(e, "ended_by_exec", g->flags & GOROUTINE_EXECED);
	emit_yes(e, "system", g->flags & GOROUTINE_SYSTEM);
	emit_yes(e, "cgo", g->flags & GOROUTINE_CGO);
	emit_yes(e, "found", g->flags & GOROUTINE_FOUND);
}

/* What it did, and for how long: the keys of `stats` that `status` does not have. */
static void emit_counts(struct emit *e, const struct goroutine *g, uint64_t now)
{
	char key[40];

	emit_u64(e, "events_total", view_events_of(g));
	for (unsigned type = 0; type < EVENT_TYPES; type++) {
		snprintf(key, sizeof(key), "events_%s", event_type_name(type));
		emit_u64(e, key, g->counts[type]);
	}
	emit_u64(e, "alloc_bytes", g->alloc_bytes);
	for (unsigned i = 0; i < view_n_states; i++) {
		snprintf(key, sizeof(key), "%s_ns", gstate_name(view_states[i]));
		emit_u64(e, key, view_state_ns(g, view_states[i], now));
	}
	emit_u64(e, "runnable_to_running_count", g->runnable_count);
	emit_u64(e, "runnable_to_running_sum_ns", g->runnable_sum_ns);
	view_emit_mean(e, "runnable_to_running_mean_ns", g->runnable_sum_ns, g->runnable_count);
	emit_u64(e, "runnable_to_running_max_ns", g->runnable_max_ns);
}

/* What holds for all that was said of it. */
static int emit_caveats(struct emit *e, const struct view *v, const struct goroutine *g)
{
	view_emit_chosen(e, v, g->proc, g->goid);
	emit_yes(e, "uncertain", g->flags & GOROUTINE_UNCERTAIN);
	view_emit_rates(e, v);
	return emit_end(e);
}

static int find(const struct view *v, const struct view_query *q, struct proc_info *info,
		struct goroutine *ret)
{
	int err = model_proc(v->model, q->proc, info);

	return err ? err : model_goroutine(v->model, q->proc, q->goid, ret);
}

int view_status(const struct view *v, struct view_query *q, struct buf *out)
{
	struct proc_info info;
	struct goroutine g;
	struct emit e;
	int err = find(v, q, &info, &g);

	if (err)
		return err;
	emit_begin(&e, q->form, out);
	emit_status(&e, v, &info, &g, view_now(v, q->proc));
	view_emit_cpu(&e, v, &g);
	view_emit_waits_on(&e, v, q->proc, &g);
	origin_emit(&e, v, &g);
	return emit_caveats(&e, v, &g);
}

/* Its share of the allocation samples, with one standard deviation. */
static void emit_sampled(struct emit *e, const struct view *v, const struct goroutine *g)
{
	struct sample_totals all;
	struct sample_sum sum;

	samples_totals(model_samples(v->model), g->proc, SAMPLE_ALLOC, &all);
	samples_of_goroutine(model_samples(v->model), g->proc, SAMPLE_ALLOC, g->goid, &sum);
	view_emit_known(e, "alloc_sampled_bytes", all.sum.hits, sum.weight);
	view_emit_known(e, "alloc_sampled_error_bytes", all.sum.hits, sample_error(&sum));
}

int view_goroutine_stats(const struct view *v, struct view_query *q, struct buf *out)
{
	struct proc_info info;
	struct goroutine g;
	struct emit e;
	int err = find(v, q, &info, &g);

	if (err)
		return err;
	emit_begin(&e, q->form, out);
	emit_u64(&e, "goid", g.goid);
	emit_counts(&e, &g, view_now(v, q->proc));
	emit_sampled(&e, v, &g);
	emit_u64(&e, "children", g.children);
	return emit_caveats(&e, v, &g);
}

int view_emit_goroutine(const struct view *v, const struct proc_info *info,
			const struct goroutine *g, uint64_t now, struct buf *out)
{
	struct emit e;

	emit_begin(&e, VIEW_JSON, out);
	emit_status(&e, v, info, g, now);
	emit_counts(&e, g, now);
	emit_sampled(&e, v, g);
	view_emit_cpu(&e, v, g);
	/* The same points in time as the API's other answers have them. */
	emit_u64(&e, "created_ns", g->created_ns);
	emit_u64(&e, "exited_ns", g->exited_ns);
	emit_u64(&e, "last_event_ns", g->last_event_ns);
	return emit_caveats(&e, v, g);
}

static void render_child(const struct view *v, unsigned proc, uint64_t goid, struct buf *out)
{
	struct goroutine g;

	if (model_goroutine(v->model, proc, goid, &g))
		return;
	buf_adds(out, buf_last(out) == '[' ? "{" : ",{");
	json_ku(out, "goid", g.goid);
	json_ks(out, "state", view_state_word(&g));
	view_json_text("start_function", names_string(model_names(v->model), g.start_func_id), out);
	buf_addc(out, '}');
}

/* The youngest of the children that are still known. */
static int render_children(const struct view *v, unsigned proc, const struct goroutine *g,
			   struct buf *out)
{
	cleanup_free_ uint64_t *goids = NULL;
	size_t n = 0;
	int err =
		g->children ? model_goids(v->model, proc, MODEL_BY_PARENT, g->goid, &goids, &n) : 0;

	if (err)
		return err;
	json_key(out, "children_known");
	buf_addc(out, '[');
	for (size_t i = n > CHILDREN_MAX ? n - CHILDREN_MAX : 0; i < n; i++)
		render_child(v, proc, goids[i], out);
	buf_addc(out, ']');
	return 0;
}

int view_goroutine(const struct view *v, struct view_query *q, struct buf *out)
{
	uint64_t now = view_now(v, q->proc);
	size_t begin = out->len;
	struct proc_info info;
	struct goroutine g;
	int err = find(v, q, &info, &g);

	if (!err)
		err = view_emit_goroutine(v, &info, &g, now, out);
	if (!err) {
		struct emit e = {.out = out, .form = VIEW_JSON};

		out->len -= 2; /* "}\n": the object goes on */
		view_emit_waits_on(&e, v, q->proc, &g);
		origin_emit(&e, v, &g);
		json_ku(out, "now_ns", now);
		err = render_children(v, q->proc, &g, out);
	}
	buf_adds(out, "}\n");
	if (err && !out->err)
		out->len = begin;
	return err ? err : buf_error(out);
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
		view_emit_known(&e, NULL, names_knows_bytes(rows[i].type_id, rows[i].event_type),
				rows[i].bytes);
		emit_string(&e, NULL, *type->name ? go_kind_name(type->kind) : "");
		view_emit_known(&e, NULL, *type->name, type->size);
		emit_row_end(&e);
	}
	if (q->form == VIEW_TEXT) {
		buf_adds(out, "... ");
		view_note_events_only(v, q->goid ? VIEW_ALL_PROCS : q->proc, out);
		buf_addc(out, '\n');
	}
	return emit_table_end(&e);
}

const char *const view_goroutine_columns[] = {
	"goid",
	"state",
	"wait_reason",
	"state_since_ns",
	"start_function",
	"created_by",
	"parent",
	"woken_by",
	"children",
	"age_ns",
	"events",
	"alloc_bytes",
	"system",
	"uncertain",
	"running_ns",
	"runnable_ns",
	"syscall_ns",
	"waiting_ns",
	"runnable_to_running_max_ns",
	"last_event_unix_ns",
	"state_since_is",
	"cpu_ns",
	"own_frame",
	"own_at",
};
const unsigned view_n_goroutine_columns = ARRAY_SIZE(view_goroutine_columns);

/* The innermost call of the program's own, of one that does not run. */
static void emit_own_frame(struct emit *e, const struct goroutine *g,
			   const struct wait_stacks *stacks)
{
	const struct wait_stack *row = NULL;

	if (stacks && stacks->stacks && !(g->flags & GOROUTINE_EXITED))
		row = wait_stacks_of(stacks, g->goid);
	if (!row) {
		emit_unknown(e, NULL);
		emit_unknown(e, NULL);
	} else if (!row->own) {
		emit_none(e, NULL);
		emit_none(e, NULL);
	} else {
		emit_string(e, NULL, wait_stacks_text(stacks, row->own));
		emit_string(e, NULL, wait_stacks_text(stacks, row->own_at));
	}
}

static void emit_cpu_time(struct emit *e, const struct view *v, const struct goroutine *g)
{
	struct sample_sum sum;

	if (!samples_begun(model_samples(v->model), SAMPLE_CPU)) {
		emit_unknown(e, NULL);
		return;
	}
	samples_of_goroutine(model_samples(v->model), g->proc, SAMPLE_CPU, g->goid, &sum);
	emit_u64(e, NULL, sum.weight);
}

void view_emit_row(struct emit *e, const struct view *v, const struct goroutine *g, uint64_t now,
		   const struct wait_stacks *stacks)
{
	emit_row(e);
	emit_u64(e, NULL, g->goid);
	emit_string(e, NULL, view_state_word(g));
	emit_reason(e, v, NULL, g);
	emit_u64(e, NULL, view_since(now, goroutine_began(g)));
	emit_string(e, NULL, names_string(model_names(v->model), g->start_func_id));
	emit_created_by(e, v, NULL, g);
	emit_parent(e, NULL, g);
	emit_woken_by(e, NULL, g);
	emit_u64(e, NULL, g->children);
	emit_age(e, NULL, g, now);
	emit_u64(e, NULL, view_events_of(g));
	emit_u64(e, NULL, g->alloc_bytes);
	emit_yes(e, NULL, g->flags & GOROUTINE_SYSTEM);
	emit_yes(e, NULL, g->flags & GOROUTINE_UNCERTAIN);
	emit_u64(e, NULL, view_state_ns(g, GSTATE_RUNNING, now));
	emit_u64(e, NULL, view_state_ns(g, GSTATE_RUNNABLE, now));
	emit_u64(e, NULL, view_state_ns(g, GSTATE_SYSCALL, now));
	emit_u64(e, NULL, view_state_ns(g, GSTATE_WAITING, now));
	emit_u64(e, NULL, g->runnable_max_ns);
	emit_time(e, v, NULL, g->last_event_ns);
	emit_since_is(e, NULL, g);
	emit_cpu_time(e, v, g);
	emit_own_frame(e, g, stacks);
	emit_row_end(e);
}
