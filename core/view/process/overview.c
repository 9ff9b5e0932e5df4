/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a page shows at its top and follows: JSON only. Any thread. */
#include "core/view/process/overview.h"

#include "core/base/json.h"
#include "core/model/feed.h"
#include "core/pyramid/pyramid.h"
#include "core/view/family.h"
#include "core/view/probes.h"
#include "core/view/process/losses.h"
#include "core/view/query.h"
#include "core/view/view_internal.h"

static void add_processes(const struct view *v, struct buf *out)
{
	unsigned n = model_procs(v->model);
	bool any = false;

	json_key(out, "processes");
	buf_addc(out, '[');
	for (unsigned i = 0; i < n; i++) {
		struct proc_info info;

		if (model_proc(v->model, i, &info))
			continue;
		if (any)
			buf_addc(out, ',');
		any = true;
		buf_addc(out, '{');
		json_ku(out, "index", i);
		json_ku(out, "pid", (uint64_t)info.pid);
		json_ks(out, "binary_path", info.binary_path);
		json_ks(out, "go_version", info.go_version);
		json_ks(out, "state", info.state == PROC_RUNNING ? "running" : "exited");
		json_ku(out, "attached_ns", info.attached_ns);
		json_ku(out, "exited_ns", info.exited_ns);
		if (view_exit_status(&info) >= 0)
			json_ku(out, "exit_status", (uint64_t)view_exit_status(&info));
		if (view_exit_signal(&info) > 0)
			json_ku(out, "exit_signal", (uint64_t)view_exit_signal(&info));
		if (info.execed)
			json_ks(out, "executed", info.execed_path);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}

static void add_totals(const struct model_totals *t, uint64_t logged, struct buf *out)
{
	view_json_by_type("events", t->events, out);
	view_json_by_type("lost", t->lost, out);
	json_key(out, "states");
	buf_addc(out, '{');
	for (unsigned i = 0; i < GSTATES; i++)
		json_ku(out, gstate_name(i), t->live[i]);
	json_ku(out, view_state_name(GSTATES), t->live_unknown);
	buf_addc(out, '}');
	json_ku(out, "live_total", t->live_total);
	json_ku(out, "created", t->goroutines_created);
	json_ku(out, "exited", t->goroutines_exited);
	json_ku(out, "exited_retained", t->exited_retained);
	json_ku(out, "exited_dropped", t->exited_dropped);
	json_ku(out, "alloc_bytes", t->alloc_bytes);
	/* Both of all processes: one log holds the events of all. */
	json_ku(out, "trimmed", t->trimmed);
	json_ku(out, "trimmed_of", MAX(logged, t->trimmed));
	json_ku(out, "healed", t->healed);
	json_kb(out, "in_doubt", t->in_doubt);
	json_ku(out, "memory_bytes", t->memory_bytes);
}

/* What was lost at all, by the ways of losses.h. */
static void add_losses(const struct view *v, struct buf *out)
{
	struct losses losses;
	bool first = true;

	losses_count(v, &losses);
	json_ku(out, "lost_events", losses_events(v, &losses));
	json_key(out, "losses");
	buf_addc(out, '[');
	for (unsigned i = 0; i < n_loss_ways; i++) {
		const struct loss_way *way = &loss_ways[i];

		if (!losses_of(&losses, way))
			continue;
		buf_adds(out, first ? "{" : ",{");
		first = false;
		json_ks(out, "way", way->name);
		json_ku(out, "count", losses_of(&losses, way));
		json_ks(out, "unit", way->unit);
		json_ks(out, "of", loss_kind_name(way->kind));
		json_ks(out, "what", way->what);
		json_ks(out, "helps", way->knob);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}

static void add_pyramid(const struct pyramid_info *info, struct buf *out)
{
	json_key(out, "pyramid");
	buf_addc(out, '{');
	json_ku(out, "base", PYRAMID_BASE);
	json_ku(out, "rows", info->rows);
	json_ku(out, "cells", info->cells);
	json_ku(out, "bytes", info->bytes);
	json_ku(out, "missed", info->missed);
	json_key(out, "since_ns");
	for (unsigned i = 0; i < PYRAMID_LEVELS; i++) {
		buf_addc(out, i ? ',' : '[');
		buf_addu(out, info->since_ns[i]);
	}
	buf_adds(out, "]}");
}

static uint64_t first_time(const struct view *v, const struct pyramid_info *info)
{
	uint64_t first = info->first_ns;
	struct proc_info proc;

	if (!model_proc(v->model, 0, &proc) && proc.attached_ns &&
	    (!first || proc.attached_ns < first))
		first = proc.attached_ns;
	return first;
}

static void drop_live(struct model_totals *from, const struct model_totals *t)
{
	for (unsigned i = 0; i < GSTATES; i++)
		from->live[i] = sub_u64(from->live[i], t->live[i]);
	from->live_unknown = sub_u64(from->live_unknown, t->live_unknown);
	from->live_total = sub_u64(from->live_total, t->live_total);
}

/* One that has ended stays as it was, and so does the picture once all have: but nobody lives in it
 * beside those that run. */
static void all_totals(const struct view *v, struct model_totals *ret)
{
	unsigned n = model_procs(v->model);
	struct model_totals ended = {0}, t;
	struct proc_info info;
	bool runs = false;

	model_totals(v->model, -1, ret);
	for (unsigned i = 0; i < n && n > 1; i++) {
		if (model_proc(v->model, i, &info))
			continue;
		runs |= info.state == PROC_RUNNING;
		if (info.state == PROC_RUNNING)
			continue;
		model_totals(v->model, (int)i, &t);
		for (unsigned k = 0; k < GSTATES; k++)
			ended.live[k] += t.live[k];
		ended.live_unknown += t.live_unknown;
		ended.live_total += t.live_total;
	}
	if (runs)
		drop_live(ret, &ended);
}

void view_overview(const struct view *v, unsigned proc, struct buf *out)
{
	struct model_totals all, t;
	struct pyramid_info info;

	pyramid_info(v->pyramid, &info);
	all_totals(v, &all);
	t = all;
	if (proc != VIEW_ALL_PROCS)
		model_totals(v->model, (int)proc, &t);
	json_ku(out, "first_ns", first_time(v, &info));
	json_ku(out, "root", view_root(v));
	json_ku(out, "now_ns", view_now(v, proc));
	json_ku(out, "last_event_ns", all.last_event_ns);
	json_key(out, "wall_offset_ns");
	buf_addi(out, model_wall_offset(v->model));
	add_processes(v, out);
	add_totals(&t, feed_head(model_feed(v->model)), out);
	add_losses(v, out);
	add_pyramid(&info, out);
}

/* --- the self-metrics ------------------------------------------------------------------------- */

static void add_rates(const struct meter_sample *s, struct buf *out)
{
	json_ku(out, "rps", s->rps);
	json_ku(out, "pps", s->pps);
	json_ku(out, "ewp", s->ewp);
	json_ku(out, "lat", s->lat_ns);
	json_ku(out, "prc", s->prc_ns);
}

void view_tick(const struct view *v, struct buf *out)
{
	cleanup_buf_ struct buf audit = BUF_INIT, probes = BUF_INIT;
	struct losses losses;
	struct live_probes p;
	struct model_totals t;
	struct meter_sample s;

	losses_count(v, &losses);
	all_totals(v, &t);
	meter_last(v->meter, &s);
	json_ku(out, "now", view_now(v, VIEW_ALL_PROCS));
	json_ku(out, "last_event_ns", t.last_event_ns);
	json_ku(out, "events", event_counts_sum(t.events));
	json_ku(out, "lost", losses_events(v, &losses));
	json_ku(out, "live", t.live_total);
	json_ku(out, "created", t.goroutines_created);
	json_ku(out, "exited", t.goroutines_exited);
	json_kb(out, "ended", feed_closed(model_feed(v->model)));
	view_audit_word(v, &audit);
	json_ks(out, "audit", audit.data ? audit.data : "");
	if (view_probes(v, model_proc_root(v->model), &p)) {
		view_probes_word(v, false, &probes);
		json_ks(out, "probes", probes.data ? probes.data : "");
		json_ku(out, "probes_since_ns",
			view_unix(v, p.off ? p.since_ns : p.level_since_ns));
	}
	add_rates(&s, out);
	json_kd(out, "overhead", s.overhead_percent);
}

void view_meter_last(const struct view *v, struct buf *out)
{
	struct meter_sample s;

	meter_last(v->meter, &s);
	buf_addc(out, '{');
	add_rates(&s, out);
	json_ku(out, "bfl", s.bfl_ns);
	json_ku(out, "qwl", s.qwl_ns);
	buf_adds(out, "}\n");
}

static uint64_t time_ms(const struct meter_sample *s)
{
	return s->time_ns / 1000000;
}

static uint64_t overhead_ppm(const struct meter_sample *s)
{
	return (uint64_t)(s->overhead_percent * 1e4);
}

/* A value that is kept, or one that is made of some. */
#define KEPT(field) .offset = offsetof(struct meter_sample, field), .fn = NULL
#define MADE(fn_)   .offset = 0, .fn = (fn_)
static const struct {
	const char *name;
	size_t offset;
	uint64_t (*fn)(const struct meter_sample *s);
} meter_columns[] = {
	{"time_ms", MADE(time_ms)}, {"rps", KEPT(rps)},
	{"pps", KEPT(pps)},         {"ewp", KEPT(ewp)},
	{"lat", KEPT(lat_ns)},      {"prc", KEPT(prc_ns)},
	{"bfl", KEPT(bfl_ns)},      {"qwl", KEPT(qwl_ns)},
	{"lost", KEPT(lost)},       {"overhead_ppm", MADE(overhead_ppm)},
};

/* One array a column, as plots want them; the last n samples, one a second. */
int view_meter(const struct view *v, struct view_query *q, struct buf *out)
{
	cleanup_free_ struct meter_sample *all = NULL;
	size_t total = 0, first;
	uint64_t n;
	int err = view_arg_u64(q, "n", 1, 86400, 600, &n);

	if (!err)
		err = meter_all(v->meter, &all, &total);
	if (err)
		return err;
	first = total > n ? total - n : 0;
	buf_addc(out, '{');
	for (unsigned c = 0; c < ARRAY_SIZE(meter_columns); c++) {
		json_key(out, meter_columns[c].name);
		buf_addc(out, '[');
		for (size_t i = first; i < total; i++) {
			const char *at = (const char *)&all[i] + meter_columns[c].offset;

			if (i > first)
				buf_addc(out, ',');
			buf_addu(out, meter_columns[c].fn ? meter_columns[c].fn(&all[i])
							  : *(const uint64_t *)(const void *)at);
		}
		buf_addc(out, ']');
	}
	buf_adds(out, "}\n");
	return buf_error(out);
}
