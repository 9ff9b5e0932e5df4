/* Every path the server answers. One row a route. */
#include <errno.h>
#include <string.h>

#include "web/rest.h"

/* Of a source: the live one and a recorded one answer the same. */
#define SOURCE(path, handler)                                                                      \
	{HTTP_GET, "/api/live" path, handler},                                                     \
	{                                                                                          \
		HTTP_GET, "/api/sessions/{}" path, handler                                         \
	}

static const struct route routes[] = {
	/* The original's */
	{HTTP_GET, "/api/sessions", rest_sessions},
	{HTTP_GET, "/api/sessions/{}", rest_session},
	{HTTP_GET, "/api/sessions/{}/events", rest_session_events},
	{HTTP_GET, "/api/sessions/{}/goroutines", rest_session_goroutines},
	{HTTP_GET, "/api/config", rest_config_get},
	{HTTP_POST, "/api/config", rest_config_set},
	{HTTP_GET, "/api/metrics", rest_metrics},
	/* Ours */
	{HTTP_GET, "/metrics", rest_prometheus},
	{HTTP_GET, "/api/info", rest_info},
	{HTTP_GET, "/api/control", rest_control_get},
	{HTTP_POST, "/api/control", rest_control_set},
	{HTTP_GET, "/api/live/meter", rest_meter},
	{HTTP_GET, "/api/live/events", rest_events},
	{HTTP_GET, "/api/live/goroutines", rest_list},
	SOURCE("/status", rest_status),
	SOURCE("/rows", rest_rows),
	SOURCE("/goroutines/{}", rest_one),
	SOURCE("/goroutines/{}/events", rest_one_events),
	SOURCE("/goroutines/{}/spans", rest_one_spans),
	SOURCE("/goroutines/{}/allocations", rest_one_allocations),
	SOURCE("/goroutines/{}/stack", rest_one_stack),
	SOURCE("/stats", rest_stats),
	SOURCE("/health", rest_health),
	SOURCE("/stacks", rest_stacks),
	SOURCE("/types", rest_types),
	SOURCE("/sites", rest_sites),
	SOURCE("/latency", rest_latency),
	SOURCE("/latency/{}/{}", rest_heat),
	SOURCE("/flame", rest_flame),
	SOURCE("/summary", rest_summary),
	SOURCE("/tiles/{}/{}", rest_tile),
	SOURCE("/groups/{}/{}", rest_group_tile),
	SOURCE("/series/{}/{}", rest_series),
	SOURCE("/utilisation/{}/{}", rest_utilisation),
	SOURCE("/edges", rest_edges),
	SOURCE("/perfetto", rest_perfetto),
	SOURCE("/pprof/{}", rest_pprof),
	SOURCE("/range", rest_range),
	SOURCE("/stays", rest_stays),
	/* The UI */
	{HTTP_GET, "/", rest_asset},
	{HTTP_GET, "/assets/{}", rest_asset},
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
			return 0;
		}
		err = -EPERM;
	}
	return err;
}
