/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every path the server answers. One row a route. */
#include <errno.h>
#include <string.h>

#include "web/rest.h"

/*
 * Of a source: the live one and a recorded one answer the same.
 *
 * The last column is every argument that a handler may look at: http_arg() finds no other. So what
 * is here is what there is, and tests/web/hostile.py, which reads this table, tries each of them.
 */
#define SOURCE(path, handler, takes)                                                               \
	{HTTP_GET, "/api/live" path, handler, takes},                                              \
	{                                                                                          \
		HTTP_GET, "/api/sessions/{}" path, handler, takes " partial"                       \
	}

static const struct route routes[] = {
	/* The original's */
	{HTTP_GET, "/api/sessions", rest_sessions, ""},
	{HTTP_GET, "/api/sessions/{}", rest_session, ""},
	{HTTP_GET, "/api/sessions/{}/events", rest_session_events,
	 "goroutine event_type start_time end_time limit offset format"},
	{HTTP_GET, "/api/sessions/{}/goroutines", rest_session_goroutines,
	 "full filter goids sort desc limit offset proc partial"},
	{HTTP_GET, "/api/config", rest_config_get, ""},
	{HTTP_POST, "/api/config", rest_config_set, ""},
	{HTTP_GET, "/api/metrics", rest_metrics, ""},
	/* Ours */
	{HTTP_GET, "/metrics", rest_prometheus, ""},
	{HTTP_GET, "/api/info", rest_info, ""},
	{HTTP_GET, "/api/control", rest_control_get, ""},
	{HTTP_POST, "/api/control", rest_control_set, ""},
	{HTTP_GET, "/api/live/meter", rest_meter, "n"},
	{HTTP_GET, "/api/live/events", rest_events,
	 "goroutine event_type start_time end_time limit offset format"},
	{HTTP_GET, "/api/live/goroutines", rest_list, "filter goids sort desc limit offset proc"},
	SOURCE("/status", rest_status, "proc"),
	SOURCE("/rows", rest_rows, "since after limit proc"),
	SOURCE("/goroutines/{}", rest_one, "proc"),
	SOURCE("/goroutines/{}/events", rest_one_events, "from to limit proc"),
	SOURCE("/goroutines/{}/spans", rest_one_spans, "from to limit proc"),
	SOURCE("/goroutines/{}/allocations", rest_one_allocations, "proc"),
	SOURCE("/goroutines/{}/stack", rest_one_stack, "proc"),
	SOURCE("/stats", rest_stats, "proc"),
	SOURCE("/health", rest_health, "proc"),
	SOURCE("/stacks", rest_stacks, "proc"),
	SOURCE("/types", rest_types, "proc"),
	SOURCE("/sites", rest_sites, "proc"),
	SOURCE("/latency", rest_latency, "proc"),
	SOURCE("/latency/{}/{}", rest_heat, "n proc"),
	SOURCE("/flame", rest_flame, "by format weight filter goids proc"),
	SOURCE("/summary", rest_summary, "proc"),
	SOURCE("/tiles/{}/{}", rest_tile, "goids proc"),
	SOURCE("/groups/{}/{}", rest_group_tile, "filter goids by key proc"),
	SOURCE("/series/{}/{}", rest_series, "n proc"),
	SOURCE("/utilisation/{}/{}", rest_utilisation, "n filter goids proc"),
	SOURCE("/edges", rest_edges, "from to limit filter goids proc"),
	SOURCE("/perfetto", rest_perfetto, ""),
	SOURCE("/pprof/{}", rest_pprof, "proc"),
	SOURCE("/range", rest_range, "from to format filter goids proc"),
	SOURCE("/stays", rest_stays, "from to state min max limit filter goids proc"),
	/* The UI */
	{HTTP_GET, "/", rest_asset, ""},
	{HTTP_GET, "/assets/{}", rest_asset, ""},
};

/* Holds the path against a pattern; what {} stood for goes to params. */
static bool match(const char *pattern, const char *path, char params[HTTP_PARAMS_MAX][64])
{
	unsigned n = 0;

	while (*pattern) {
		if (*pattern == '{') {
			size_t len = strcspn(path, "/");

			if (!len || len >= 64 || n == HTTP_PARAMS_MAX)
				return false;
			memcpy(params[n], path, len);
			params[n++][len] = '\0';
			path += len;
			pattern += 2;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return !*path;
}

int route_find(struct request *rq, const struct route **ret)
{
	int err = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (!match(routes[i].pattern, rq->path, rq->params))
			continue;
		if (routes[i].method == rq->method) {
			*ret = &routes[i];
			rq->takes = routes[i].takes;
			return 0;
		}
		err = -EPERM;
	}
	return err;
}
