/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every path the server answers: a row a route here, and those of the views (core/view/views.c). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/view/view.h"
#include "web/rest.h"

/*
 * The last column is every argument that a handler may look at: http_arg() finds no other. So what
 * is here is what there is, and tests/web/hostile.py tries each of them.
 */
struct route {
	enum http_method method;
	const char *pattern;
	handler_fn handler;
	const char *takes;
};

static const struct route routes[] = {
	/* The original's */
	{HTTP_GET, "/api/sessions", rest_sessions, ""},
	{HTTP_GET, "/api/sessions/{}", rest_session, ""},
	{HTTP_GET, "/api/sessions/{}/events", rest_session_events,
	 "goroutine event_type start_time end_time limit offset format"},
	{HTTP_GET, "/api/sessions/{}/goroutines", rest_session_goroutines,
	 "full filter goids sort desc limit offset proc partial format"},
	{HTTP_GET, "/api/config", rest_config_get, ""},
	{HTTP_POST, "/api/config", rest_config_set, ""},
	{HTTP_GET, "/api/metrics", rest_metrics, ""},
	/* Ours */
	{HTTP_GET, "/metrics", rest_prometheus, ""},
	{HTTP_GET, "/api/info", rest_info, ""},
	{HTTP_GET, "/api/control", rest_control_get, ""},
	{HTTP_POST, "/api/control", rest_control_set, ""},
	{HTTP_GET, "/api/live/events", rest_events,
	 "goroutine event_type start_time end_time limit offset format"},
	/* trace/perfetto by an older name; of a session all of it, which need not be loaded. */
	{HTTP_GET, "/api/live/perfetto", rest_live_perfetto, "proc"},
	{HTTP_GET, "/api/sessions/{}/perfetto", rest_recorded_perfetto, ""},
	/* The UI */
	{HTTP_GET, "/", rest_asset, ""},
	{HTTP_GET, "/assets/{}", rest_asset, ""},
};

/* Of a source: the live one and a recorded one answer the same, in these folders. */
static const struct {
	const char *pattern, *takes;
} sources[] = {
	{"/api/live/", "proc"},
	{"/api/sessions/{}/", "proc partial"},
};

static const struct route of_source[] = {
	{HTTP_GET, "status", rest_status, ""},
	{HTTP_GET, "export", rest_export, "from to view"},
};

/* Views, in the folder of their scope below a source's. */
static const char *const scopes[] = {
	[VIEW_PROCESS] = "", [VIEW_GOROUTINE] = "goroutines/{}", [VIEW_TYPE] = "types/{}"};

/* What stands between the two. */
static const char *slash(const struct view_row *row)
{
	return row->scope != VIEW_PROCESS && *row->name ? "/" : "";
}

static const char *takes_form(const struct view_row *row)
{
	return row->forms & (row->forms - 1) && !row->own_format ? "format" : NULL;
}

/* Where in a path one is that is held against a pattern, piece by piece. */
struct at {
	const char *path;
	char (*params)[HTTP_PARAM_SIZE]; /* what {} stood for, HTTP_PARAMS_MAX of them */
	unsigned n;
};

static bool match(struct at *at, const char *pattern)
{
	while (*pattern) {
		if (*pattern == '{') {
			size_t len = strcspn(at->path, "/");

			if (!len || len >= HTTP_PARAM_SIZE || at->n == HTTP_PARAMS_MAX)
				return false;
			memcpy(at->params[at->n], at->path, len);
			at->params[at->n++][len] = '\0';
			at->path += len;
			pattern += 2;
		} else if (*pattern++ != *at->path++) {
			return false;
		}
	}
	return true;
}

static bool match_end(struct at *at, const char *pattern)
{
	return match(at, pattern) && !*at->path;
}

/* Takes the route, or says that it has another method. */
static int take(struct request *rq, const struct route *route, const char *also, handler_fn *ret)
{
	if (route->method != rq->method)
		return -EPERM;
	rq->takes[0] = route->takes;
	rq->takes[1] = also;
	*ret = route->handler;
	return 0;
}

static int find_view(struct request *rq, const struct at *source, const char *takes,
		     handler_fn *ret)
{
	for (unsigned i = 0; i < n_views; i++) {
		const struct view_row *row = &views[i];
		const struct route route = {HTTP_GET, NULL, rest_view,
					    row->takes ? row->takes : ""};
		struct at at = *source;

		if (!match(&at, scopes[row->scope]) || !match(&at, slash(row)) ||
		    !match_end(&at, row->name))
			continue;
		rq->view = row;
		rq->takes[2] = takes_form(row);
		return take(rq, &route, takes, ret);
	}
	return -ENOENT;
}

int route_find(struct request *rq, handler_fn *ret)
{
	int err = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(routes) && err; i++) {
		struct at at = {rq->path, rq->params, 0};

		if (match_end(&at, routes[i].pattern))
			err = take(rq, &routes[i], NULL, ret);
	}
	for (size_t s = 0; s < ARRAY_SIZE(sources) && err == -ENOENT; s++) {
		struct at source = {rq->path, rq->params, 0};

		if (!match(&source, sources[s].pattern))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(of_source) && err == -ENOENT; i++) {
			struct at at = source;

			if (match_end(&at, of_source[i].pattern))
				err = take(rq, &of_source[i], sources[s].takes, ret);
		}
		if (err == -ENOENT)
			err = find_view(rq, &source, sources[s].takes, ret);
	}
	return err;
}

/* --- a list of them --------------------------------------------------------------------------- */

static void tell(route_fn *fn, void *ctx, const struct route *route, unsigned source,
		 const struct view_row *row)
{
	const char *scope = row ? scopes[row->scope] : "", *between = row ? slash(row) : "";
	const char *form = row ? takes_form(row) : NULL;
	char pattern[128], takes[256];

	snprintf(pattern, sizeof(pattern), "%s%s%s%s", sources[source].pattern, scope, between,
		 route->pattern);
	snprintf(takes, sizeof(takes), "%s%s%s%s%s", route->takes, *route->takes ? " " : "",
		 sources[source].takes, form ? " " : "", form ? form : "");
	fn(ctx, route->method, pattern, takes);
}

void routes_each(route_fn *fn, void *ctx)
{
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		fn(ctx, routes[i].method, routes[i].pattern, routes[i].takes);
	for (unsigned s = 0; s < ARRAY_SIZE(sources); s++) {
		for (size_t i = 0; i < ARRAY_SIZE(of_source); i++)
			tell(fn, ctx, &of_source[i], s, NULL);
		for (unsigned i = 0; i < n_views; i++) {
			const struct view_row *row = &views[i];
			const struct route route = {HTTP_GET, row->name, NULL,
						    row->takes ? row->takes : ""};

			tell(fn, ctx, &route, s, row);
		}
	}
}
