/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The statistics of a process: flat keyed. Any thread. */
#include <stdio.h>

#include "core/view/probes.h"
#include "core/view/process/losses.h"
#include "core/view/process/process.h"
#include "core/view/profiles/allocs.h"
#include "core/view/profiles/cpu.h"
#include "core/view/view_internal.h"

static void emit_by_type(struct emit *e, const char *prefix, const uint64_t counts[EVENT_TYPES])
{
	char key[40];

	for (unsigned type = 0; type < EVENT_TYPES; type++) {
		snprintf(key, sizeof(key), "%s_%s", prefix, event_type_name(type));
		emit_u64(e, key, counts[type]);
	}
	snprintf(key, sizeof(key), "%s_total", prefix);
	emit_u64(e, key, event_counts_sum(counts));
}

/* value < 0: it has not ended so, or that is not known. */
static void emit_end_of(struct emit *e, const char *key, const struct proc_info *info, int value)
{
	if (value >= 0)
		emit_i64(e, key, value);
	else if (info->state == PROC_EXITED && !info->execed && !info->status_known)
		emit_unknown(e, key);
	else
		emit_none(e, key);
}

static void emit_process(struct emit *e, const struct view *v, unsigned proc,
			 const struct proc_info *info)
{
	emit_i64(e, "pid", info->pid);
	emit_string(e, "state", info->state == PROC_RUNNING ? "running" : "exited");
	emit_string(e, "binary", info->binary_path);
	emit_string(e, "go_version", info->go_version);
	emit_yes(e, "replay", v->replay);
	emit_u64(e, "attached_unix_ns", view_unix(v, info->attached_ns));
	emit_u64(e, "uptime_ns", view_since(view_now(v, proc), info->attached_ns));
	if (info->state == PROC_EXITED)
		emit_u64(e, "exited_unix_ns", view_unix(v, info->exited_ns));
	else
		emit_none(e, "exited_unix_ns");
	if (info->execed)
		emit_string(e, "executed", info->execed_path);
	else
		emit_none(e, "executed");
	emit_end_of(e, "exit_status", info, view_exit_status(info));
	emit_end_of(e, "exit_signal", info, view_exit_signal(info));
}

static void emit_goroutines(struct emit *e, const struct view *v, unsigned proc,
			    const struct model_totals *t)
{
	view_emit_live(e, v, proc, t);
	emit_yes(e, "states_in_doubt", t->in_doubt);
	emit_u64(e, "goroutines_created", t->goroutines_created);
	emit_u64(e, "goroutines_exited", t->goroutines_exited);
	emit_u64(e, "goroutines_exited_retained", t->exited_retained);
	emit_u64(e, "goroutines_exited_dropped", t->exited_dropped);
	emit_u64(e, "goroutines_healed", t->healed);
	emit_u64(e, "goroutines_dropped", t->dropped_goroutines);
}

static void emit_latency(struct emit *e, const struct model_totals *t)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		count += t->runnable_latency[i];
	emit_u64(e, "runnable_to_running_count", count);
	emit_u64(e, "runnable_to_running_sum_ns", t->runnable_sum_ns);
	view_emit_mean(e, "runnable_to_running_mean_ns", t->runnable_sum_ns, count);
}

/* The original's figures of itself, and ours. A recorded session that is looked at has none. */
static void emit_meter(struct emit *e, const struct view *v)
{
	static const char *const keys[] = {"rps",
					   "pps",
					   "ewp",
					   "lat_ns",
					   "prc_ns",
					   "bps",
					   "bfl_ns",
					   "qwl_ns",
					   "hits_per_second",
					   "lost_per_second",
					   "trap_ns",
					   "step_ns",
					   "overhead_estimate_percent"};
	struct meter_sample s;

	if (!v->meter) {
		for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
			emit_none(e, keys[i]);
		view_emit_costs(e, NULL);
		return;
	}
	meter_last(v->meter, &s);
	emit_u64(e, "rps", s.rps);
	emit_u64(e, "pps", s.pps);
	emit_u64(e, "ewp", s.ewp);
	emit_u64(e, "lat_ns", s.lat_ns);
	emit_u64(e, "prc_ns", s.prc_ns);
	emit_double(e, "bps", s.bps, 3);
	emit_u64(e, "bfl_ns", s.bfl_ns);
	emit_u64(e, "qwl_ns", s.qwl_ns);
	emit_u64(e, "hits_per_second", s.hits);
	emit_u64(e, "lost_per_second", s.lost);
	view_emit_price(e, "trap_ns", s.trap_ns);
	view_emit_price(e, "step_ns", s.step_ns);
	emit_double(e, "overhead_estimate_percent", s.overhead_percent, 3);
	view_emit_costs(e, &s);
}

static void emit_control(struct emit *e, const struct view *v, unsigned proc)
{
	const struct control *c = v->control;

	if (c->get_paused)
		emit_yes(e, "paused", c->get_paused(c->ctx));
	if (c->get_max_overhead)
		emit_double(e, "max_overhead_percent", c->get_max_overhead(c->ctx), 3);
	view_emit_budget(e, v);
	view_emit_rates(e, v);
	view_emit_probes(e, v, proc);
}

static void emit_losses(struct emit *e, const struct view *v)
{
	struct losses losses;
	char key[40];

	losses_count(v, &losses);
	emit_u64(e, "lost_events", losses_events(v, &losses));
	for (unsigned i = 0; i < n_loss_ways; i++) {
		snprintf(key, sizeof(key), "loss_%s", loss_ways[i].name);
		emit_u64(e, key, losses_of(&losses, &loss_ways[i]));
	}
}

int view_stats(const struct view *v, struct view_query *q, struct buf *out)
{
	struct feed *feed = model_feed(v->model);
	struct model_totals t;
	struct proc_info info;
	struct emit e;
	uint64_t retained;
	int err = model_proc(v->model, q->proc, &info);

	if (err)
		return err;
	model_totals(v->model, (int)q->proc, &t);
	retained = sub_u64(feed_head(feed), t.trimmed);
	emit_begin(&e, q->form, out);
	emit_process(&e, v, q->proc, &info);
	emit_by_type(&e, "events", t.events);
	emit_by_type(&e, "lost", t.lost);
	if (t.last_event_ns)
		emit_u64(&e, "last_event_unix_ns", view_unix(v, t.last_event_ns));
	else
		emit_none(&e, "last_event_unix_ns");
	emit_goroutines(&e, v, q->proc, &t);
	emit_u64(&e, "alloc_bytes", t.alloc_bytes);
	view_emit_sampled(&e, v, q->proc);
	view_emit_alloc_share(&e, v, q->proc);
	view_emit_runtime(&e, v, q->proc);
	view_emit_cpu_totals(&e, v, q->proc);
	emit_latency(&e, &t);
	emit_meter(&e, v);
	emit_control(&e, v, q->proc);
	view_emit_choice(&e, v, &t);
	view_emit_recording(&e, v);
	/* Of all processes together: one log holds the events of all. */
	emit_u64(&e, "all_processes_logged_events", retained + t.trimmed);
	emit_u64(&e, "retained_events", retained);
	emit_u64(&e, "retained_events_max", feed_capacity(feed));
	emit_u64(&e, "trimmed_events", t.trimmed);
	emit_u64(&e, "malformed_events", t.malformed);
	emit_u64(&e, "unknown_process_events", t.unknown_process);
	emit_u64(&e, "processes_seen", t.procs_seen);
	emit_u64(&e, "processes_dropped", t.procs_dropped);
	emit_u64(&e, "dropped_allocation_rows", t.dropped_rows);
	emit_u64(&e, "dropped_names", names_dropped(model_names(v->model)));
	emit_losses(&e, v);
	emit_u64(&e, "memory_bytes", t.memory_bytes);
	return emit_end(&e);
}
