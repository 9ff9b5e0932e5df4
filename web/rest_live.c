/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A source as a whole, and the server itself. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/view/family.h"
#include "core/view/process/overview.h"
#include "core/view/query.h"
#include "web/recorded.h"
#include "web/rest.h"

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

static void render_status(struct source *s, bool loading, unsigned proc, struct buf *out)
{
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
	json_kb(out, "ended", !s->live || feed_closed(view_feed(&s->view)));
	view_overview(&s->view, proc, out);
	buf_adds(out, "}\n");
}

int rest_status(const struct request *rq, struct response *rs)
{
	struct view_query q = {.arg = rest_argument, .arg_ctx = (void *)rq};
	struct source *s = sources_live(rq->web->sources);
	int err = 0;
	bool loading;

	if (strncmp(rq->path, "/api/live/", 10))
		err = sources_open(rq->web->sources, rq->params[0], &s);
	if (err)
		return http_errno(rs, err == -ENOTDIR || err == -ELOOP ? -ENOENT : err, "session");
	loading = atomic_load(&s->state) != SOURCE_READY;
	if (!rest_readable(rq, s)) {
		render_loading(s, rs);
	} else {
		err = view_arg_proc(&s->view, &q, true);
		if (!err)
			render_status(s, loading, q.proc, &rs->body);
	}
	rest_done(rq, s);
	return err ? http_error(rs, http_status(err), "%s", q.why) : 0;
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
	json_kb(out, "heap_profile", s->view.live && s->view.live->heap_profile);
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
