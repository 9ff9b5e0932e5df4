/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A source as a whole, and the server itself. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "web/recorded.h"
#include "web/rest.h"

static void render_procs(const struct source *s, struct buf *out)
{
	struct model *m = s->view.model;

	json_key(out, "processes");
	buf_addc(out, '[');
	for (unsigned i = 0; i < model_procs(m); i++) {
		struct proc_info info;

		if (model_proc(m, i, &info))
			continue;
		if (i)
			buf_addc(out, ',');
		buf_addc(out, '{');
		json_ku(out, "index", i);
		json_ku(out, "pid", (uint64_t)info.pid);
		json_ks(out, "binary_path", info.binary_path);
		json_ks(out, "go_version", info.go_version);
		json_ks(out, "state", info.state == PROC_RUNNING ? "running" : "exited");
		json_ku(out, "attached_ns", info.attached_ns);
		json_ku(out, "exited_ns", info.exited_ns);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}

static void render_totals(const struct source *s, int proc, struct buf *out)
{
	struct model_totals t;

	model_totals(s->view.model, proc, &t);
	json_key(out, "events");
	buf_addc(out, '{');
	for (unsigned i = 0; i < EVENT_TYPES; i++)
		json_ku(out, event_type_name(i), t.events[i]);
	buf_addc(out, '}');
	json_key(out, "lost");
	buf_addc(out, '{');
	for (unsigned i = 0; i < EVENT_TYPES; i++)
		json_ku(out, event_type_name(i), t.lost[i]);
	buf_addc(out, '}');
	json_key(out, "live");
	buf_addc(out, '{');
	for (unsigned i = 0; i < GSTATES; i++)
		json_ku(out, gstate_name(i), t.live[i]);
	json_ku(out, view_state_name(GSTATES), t.live_unknown);
	buf_addc(out, '}');
	json_ku(out, "live_total", t.live_total);
	json_ku(out, "created", t.goroutines_created);
	json_ku(out, "exited", t.goroutines_exited);
	json_ku(out, "exited_retained", t.exited_retained);
	json_ku(out, "exited_dropped", t.exited_dropped);
	json_ku(out, "alloc_bytes", t.alloc_bytes);
	json_ku(out, "trimmed", t.trimmed);
	json_ku(out, "healed", t.healed);
	json_ku(out, "memory_bytes", t.memory_bytes);
}

static uint64_t first_time(const struct source *s, const struct pyramid_info *info)
{
	uint64_t first = info->first_ns;
	struct proc_info proc;

	if (!model_proc(s->view.model, 0, &proc) && proc.attached_ns &&
	    (!first || proc.attached_ns < first))
		first = proc.attached_ns;
	return first;
}

static void render_pyramid(const struct pyramid_info *info, struct buf *out)
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

/* While a recorded session loads: how far it is. */
static int render_loading(const struct source *s, struct response *rs)
{
	buf_addc(&rs->body, '{');
	json_ks(&rs->body, "id", s->id);
	json_ks(&rs->body, "state", atomic_load(&s->state) == SOURCE_FAILED ? "failed" : "loading");
	json_ku(&rs->body, "loaded", atomic_load(&s->loaded));
	json_ku(&rs->body, "total", atomic_load(&s->total));
	if (atomic_load(&s->state) == SOURCE_FAILED)
		json_ks(&rs->body, "error", s->error);
	buf_adds(&rs->body, "}\n");
	return 0;
}

/* What of a recorded one could not be read: it is torn, or its recorder is in the middle of it. */
static void render_missing(struct source *s, struct buf *out)
{
	struct session_end end;

	recorded_end(s, &end);
	if (!end.missing_bytes)
		return;
	json_ku(out, "missing_bytes", end.missing_bytes);
	json_ks(out, "missing_reason", end.reason);
}

static void render_status(struct source *s, bool loading, int proc, struct buf *out)
{
	struct pyramid_info info;
	struct model_totals t;

	pyramid_info(s->pyramid, &info);
	model_totals(s->view.model, -1, &t);
	buf_addc(out, '{');
	json_ks(out, "id", s->id);
	json_ks(out, "state", loading ? "loading" : "ready");
	if (loading) {
		json_ku(out, "loaded", atomic_load(&s->loaded));
		json_ku(out, "total", atomic_load(&s->total));
	} else if (!s->live) {
		render_missing(s, out);
	}
	json_kb(out, "live", s->live && !s->view.replay);
	json_kb(out, "replay", s->view.replay);
	json_kb(out, "ended", !s->live || feed_closed(model_feed(s->view.model)));
	json_ku(out, "first_ns", first_time(s, &info));
	/* Of a process that has ended, its end. */
	json_ku(out, "now_ns", proc < 0 ? rest_now(s) : view_now(&s->view, (unsigned)proc));
	json_ku(out, "last_event_ns", t.last_event_ns);
	json_key(out, "wall_offset_ns");
	buf_addi(out, model_wall_offset(s->view.model));
	render_procs(s, out);
	render_totals(s, proc, out);
	render_pyramid(&info, out);
	buf_adds(out, "}\n");
}

int rest_status(const struct request *rq, struct response *rs)
{
	struct source *s = sources_live(rq->web->sources);
	int err = 0, proc;
	bool loading;

	if (strncmp(rq->path, "/api/live/", 10))
		err = sources_open(rq->web->sources, rq->params[0], &s);
	if (err)
		return http_errno(rs, err == -ENOTDIR || err == -ELOOP ? -ENOENT : err, "session");
	loading = atomic_load(&s->state) != SOURCE_READY;
	if (rest_readable(rq, s)) {
		if (!rest_any_proc(rq, rs, s, &proc))
			render_status(s, loading, proc, &rs->body);
	} else {
		render_loading(s, rs);
	}
	rest_done(rq, s);
	return 0;
}

int rest_prometheus(const struct request *rq, struct response *rs)
{
	const struct source *s = sources_live(rq->web->sources);
	struct buf *out = &rs->body;
	struct view_query q = {.proc = VIEW_ALL_PROCS, .form = VIEW_TEXT};
	struct web_stats st;
	int err = view_metrics(&s->view, &q, out);

	if (err)
		return err;
	web_stats(rq->web, &st);
	rs->content_type = "text/plain; version=0.0.4; charset=utf-8";
	buf_adds(out, "# HELP xgotopfs_web_requests_total HTTP requests answered.\n"
		      "# TYPE xgotopfs_web_requests_total counter\n");
	buf_addf(out, "xgotopfs_web_requests_total %llu\n", (unsigned long long)st.requests);
	buf_adds(out, "# HELP xgotopfs_web_refused_total Requests and connections refused.\n"
		      "# TYPE xgotopfs_web_refused_total counter\n");
	buf_addf(out, "xgotopfs_web_refused_total %llu\n", (unsigned long long)st.refused);
	buf_adds(out, "# HELP xgotopfs_web_clients WebSocket clients now.\n"
		      "# TYPE xgotopfs_web_clients gauge\n");
	buf_addf(out, "xgotopfs_web_clients %llu\n", (unsigned long long)st.clients);
	buf_adds(out, "# HELP xgotopfs_web_events_dropped_total Events not sent to slow clients.\n"
		      "# TYPE xgotopfs_web_events_dropped_total counter\n");
	buf_addf(out, "xgotopfs_web_events_dropped_total %llu\n",
		 (unsigned long long)st.events_dropped);
	buf_adds(out, "# HELP xgotopfs_web_pyramid_bytes Memory of the time pyramids.\n"
		      "# TYPE xgotopfs_web_pyramid_bytes gauge\n");
	buf_addf(out, "xgotopfs_web_pyramid_bytes %llu\n", (unsigned long long)st.pyramid_bytes);
	buf_adds(out, "# HELP xgotopfs_web_sessions_open Recorded sessions in memory.\n"
		      "# TYPE xgotopfs_web_sessions_open gauge\n");
	buf_addf(out, "xgotopfs_web_sessions_open %llu\n", (unsigned long long)st.sessions_open);
	buf_adds(out, "# HELP xgotopfs_web_sessions_bytes Memory of recorded sessions: events, "
		      "goroutines and time pyramids.\n"
		      "# TYPE xgotopfs_web_sessions_bytes gauge\n");
	buf_addf(out, "xgotopfs_web_sessions_bytes %llu\n", (unsigned long long)st.sessions_bytes);
	return 0;
}

static void render_recording(const struct view *v, struct buf *out)
{
	struct recording rec;

	view_recording(v, &rec);
	json_key(out, "recording");
	buf_addc(out, '{');
	json_ks(out, "state", recording_state_name(rec.state));
	if (rec.state != RECORDING_NONE) {
		json_ks(out, "session", rec.id);
		json_ku(out, "events", rec.events);
		json_ku(out, "missed", rec.missed);
		json_ku(out, "not_recorded", rec.not_recorded);
	}
	if (rec.state == RECORDING_STOPPED) {
		json_ks(out, "stopped", rec.why);
		json_ku(out, "stopped_unix_ns", (uint64_t)rec.stopped_ns);
	}
	buf_addc(out, '}');
}

int rest_info(const struct request *rq, struct response *rs)
{
	const struct source *s = sources_live(rq->web->sources);
	const struct control *c = s->view.control;
	struct buf *out = &rs->body;
	struct web_stats st;

	web_stats(rq->web, &st);
	buf_addc(out, '{');
	json_ks(out, "name", "xgotopfs");
	json_ks(out, "mount_point", rq->web->mount_point ? rq->web->mount_point : "");
	json_kb(out, "sessions", rq->web->store != NULL);
	json_kb(out, "replay", s->view.replay);
	json_kb(out, "can_sample", c && c->set_rates);
	json_kb(out, "can_pause", c && c->set_paused);
	json_kb(out, "can_seek", c && c->replay);
	json_kb(out, "stacks", s->view.live && s->view.live->stack);
	render_recording(&s->view, out);
	json_ku(out, "requests", st.requests);
	json_ku(out, "refused", st.refused);
	json_ku(out, "clients", st.clients);
	json_ku(out, "events_dropped", st.events_dropped);
	json_ku(out, "pyramid_missed", st.pyramid_missed);
	json_ku(out, "pyramid_bytes", st.pyramid_bytes);
	json_ku(out, "sessions_open", st.sessions_open);
	json_ku(out, "sessions_open_max", SOURCES_OPEN);
	json_ku(out, "sessions_bytes", st.sessions_bytes);
	json_ku(out, "sessions_idle_ns", SOURCE_IDLE_NS);
	buf_adds(out, "}\n");
	return 0;
}

/* --- the self-metrics over time --- */

static uint64_t overhead_ppm(const struct meter_sample *s)
{
	return (uint64_t)(s->overhead_percent * 1e4);
}

/* One array a column, as plots want them; the last n samples, one a second. */
int rest_meter(const struct request *rq, struct response *rs)
{
	cleanup_free_ struct meter_sample *all = NULL;
	struct buf *out = &rs->body;
	size_t total = 0, first;
	uint64_t n;
	int err;

	if (http_arg_u64(rq, rs, "n", 1, 86400, 600, &n))
		return 0;
	err = meter_all(sources_live(rq->web->sources)->view.meter, &all, &total);
	if (err)
		return err;
	first = total > n ? total - n : 0;
#define COLUMN(name, value)                                                                        \
	do {                                                                                       \
		json_key(out, name);                                                               \
		buf_addc(out, '[');                                                                \
		for (size_t i = first; i < total; i++) {                                           \
			if (i > first)                                                             \
				buf_addc(out, ',');                                                \
			buf_addu(out, (value));                                                    \
		}                                                                                  \
		buf_addc(out, ']');                                                                \
	} while (0)
	buf_addc(out, '{');
	COLUMN("time_ms", all[i].time_ns / 1000000);
	COLUMN("rps", all[i].rps);
	COLUMN("pps", all[i].pps);
	COLUMN("ewp", all[i].ewp);
	COLUMN("lat", all[i].lat_ns);
	COLUMN("prc", all[i].prc_ns);
	COLUMN("bfl", all[i].bfl_ns);
	COLUMN("qwl", all[i].qwl_ns);
	COLUMN("lost", all[i].lost);
	COLUMN("overhead_ppm", overhead_ppm(&all[i]));
#undef COLUMN
	buf_adds(out, "}\n");
	return 0;
}
