/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The original's endpoints, with its shapes: recorded sessions, their events, the settings and the
 * self-metrics. Sessions are read from disk as they are asked for; nothing is loaded for these.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"
#include "core/session/reader.h"
#include "core/session/store.h"
#include "core/view/filter.h"
#include "core/view/process/overview.h"
#include "web/rest.h"
#include "web/settings.h"

int rest_open_session(const struct request *rq, struct response *rs, const char *id)
{
	int fd = rq->web->store ? store_open(rq->web->store, id) : -ENOENT;

	if (fd == -EINVAL)
		http_error(rs, 400, "\"%.60s\" is not a session id", id);
	else if (fd < 0)
		http_error(rs, 404, "no session \"%.60s\"", id);
	return fd;
}

static void json_time(struct buf *out, const char *key, int64_t realtime_ns)
{
	json_key(out, key);
	buf_addc(out, '"');
	session_time_format(realtime_ns, out);
	buf_addc(out, '"');
}

/* What became of its recording. Of the one under way the recorder knows more than the file, which
 * may be old, or could not be written. */
static void render_recording(const struct session_info *info, const struct request *rq,
			     struct buf *out)
{
	enum session_state state = info->state;
	struct recording rec;
	bool current;

	view_recording(&sources_live(rq->web->sources)->view, &rec);
	current = !strcmp(rec.id, info->meta.id);
	if (!current)
		session_meta_recording(&info->meta, &rec);
	else if (rec.state == RECORDING_STOPPED)
		state = SESSION_STOPPED;
	json_kb(out, "recording", current && rec.state == RECORDING_RUNNING);
	json_ks(out, "state", session_state_name(state));
	if (rec.state != RECORDING_STOPPED)
		return;
	json_ks(out, "stopped", rec.why);
	json_time(out, "stopped_time", rec.stopped_ns);
	json_ku(out, "not_recorded", rec.not_recorded);
}

static void render_meta(const struct session_info *info, const struct request *rq, struct buf *out)
{
	const struct session_meta *meta = &info->meta;

	buf_addc(out, '{');
	json_ks(out, "id", meta->id);
	json_time(out, "start_time", meta->start_time_ns);
	if (meta->end_time_ns)
		json_time(out, "end_time", meta->end_time_ns);
	json_ku(out, "pid", (uint64_t)meta->pid);
	json_ks(out, "binary_path", meta->binary_path);
	json_ku(out, "event_count", meta->event_count);
	/* Ours */
	render_recording(info, rq, out);
	json_ks(out, "format", info->has_events ? session_format_name(info->format) : "");
	json_ku(out, "bytes", info->bytes);
	if (info->problem[0])
		json_ks(out, "problem", info->problem);
	if (meta->ours) {
		json_ku(out, "lost", meta->lost + meta->missed);
		json_ks(out, "go_version", meta->go_version);
	}
	buf_addc(out, '}');
}

int rest_sessions(const struct request *rq, struct response *rs)
{
	struct session_info *list = NULL;
	size_t n = 0;
	int err = 0;

	if (rq->web->store)
		err = store_list(rq->web->store, &list, &n);
	if (err)
		return err;
	buf_addc(&rs->body, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(&rs->body, ',');
		render_meta(&list[i], rq, &rs->body);
	}
	buf_adds(&rs->body, "]\n");
	free(list);
	return 0;
}

int rest_session(const struct request *rq, struct response *rs)
{
	struct session_info info;
	int err = rq->web->store ? store_get(rq->web->store, rq->params[0], &info) : -ENOENT;

	if (err == -EINVAL)
		return http_error(rs, 400, "\"%.60s\" is not a session id", rq->params[0]);
	if (err)
		return http_error(rs, 404, "no session \"%.60s\"", rq->params[0]);
	render_meta(&info, rq, &rs->body);
	buf_addc(&rs->body, '\n');
	return 0;
}

/* --- goroutines of a recorded session -------------------------------------------------------- */

/* A set of goids that grows: sorted and made unique each time it has doubled. */
struct goid_set {
	uint64_t *v;
	size_t n, cap, unique;
};

static void set_settle(struct goid_set *set)
{
	size_t kept = 0;

	if (set->n)
		qsort(set->v, set->n, sizeof(*set->v), compare_u64);
	for (size_t i = 0; i < set->n; i++) {
		if (!kept || set->v[kept - 1] != set->v[i])
			set->v[kept++] = set->v[i];
	}
	set->n = set->unique = kept;
}

static int set_add(struct goid_set *set, uint64_t goid)
{
	if (set->n == set->cap) {
		size_t cap = set->cap ? set->cap * 2 : 1024;
		uint64_t *v;

		set_settle(set);
		if (set->n > set->cap / 2 || !set->cap) {
			v = realloc(set->v, cap * sizeof(*v));
			if (!v)
				return -ENOMEM;
			set->v = v;
			set->cap = cap;
		}
	}
	if (!set->n || set->v[set->n - 1] != goid)
		set->v[set->n++] = goid;
	return 0;
}

static int collect_goids(struct session_reader *reader, struct goid_set *set)
{
	struct session_chunk chunk;
	int err;

	while ((err = session_reader_next(reader, &chunk)) > 0) {
		for (size_t i = 0; i < chunk.n; i++) {
			if (chunk.raw[i].type < EVENT_TYPES && set_add(set, chunk.raw[i].goroutine))
				return -ENOMEM;
		}
	}
	return err;
}

int rest_session_goroutines(const struct request *rq, struct response *rs)
{
	cleanup_close_ int fd = -1;
	struct session_reader *reader = NULL;
	struct names *names = NULL;
	struct goid_set set = {0};
	const char *text = http_arg(rq, "filter");
	struct filter filter;
	char why[160];
	int err;

	/* A slip is told before the session is read. */
	if (text && filter_parse(text, &filter, why, sizeof(why)))
		return http_error(rs, 400, "%s", why);
	if (text || http_arg(rq, "full") || http_arg(rq, "format"))
		return rest_view_named(rq, rs, "goroutines");
	fd = rest_open_session(rq, rs, rq->params[0]);
	if (fd < 0)
		return 0;
	err = names_new(NAMES_MAX, &names);
	if (!err)
		err = session_reader_open(fd, names, NULL, &reader);
	if (!err)
		err = collect_goids(reader, &set);
	if (!err) {
		set_settle(&set);
		buf_addc(&rs->body, '[');
		for (size_t i = 0; i < set.n; i++) {
			if (i)
				buf_addc(&rs->body, ',');
			buf_addu(&rs->body, set.v[i]);
		}
		buf_adds(&rs->body, "]\n");
	}
	free(set.v);
	session_reader_close(reader);
	names_free(names);
	return err;
}

/* --- settings and self-metrics --------------------------------------------------------------- */

int rest_metrics(const struct request *rq, struct response *rs)
{
	view_meter_last(&sources_live(rq->web->sources)->view, &rs->body);
	return 0;
}

int rest_config_get(const struct request *rq, struct response *rs)
{
	return settings_get(rq->web->settings, &rs->body);
}

int rest_config_set(const struct request *rq, struct response *rs)
{
	char why[160];
	int err = settings_set(rq->web->settings, rq->body.data, rq->body.len, why, sizeof(why));

	if (err == -EINVAL)
		return http_error(rs, 400, "%s", why);
	err = err ? err : settings_get(rq->web->settings, &rs->body);
	if (!err && *why) {
		rs->body.len -= 2; /* "}\n": the object goes on */
		json_ks(&rs->body, "not_kept", why);
		buf_adds(&rs->body, "}\n");
	}
	return err;
}
