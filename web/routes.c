/* Every path the server answers. One row a route. */
#include <errno.h>
#include <string.h>

#include "web/rest.h"

/* Of a source: the live one and a recorded one answer the same. */
#define SOURCE(path, handler, args)                                                                \
	{HTTP_GET, "/api/live" path, handler, args},                                               \
	{                                                                                          \
		HTTP_GET, "/api/sessions/{}" path, handler, args                                   \
	}

static const struct route routes[] = {
	/* The original's */
	{HTTP_GET, "/api/sessions", rest_sessions, ""},
	{HTTP_GET, "/api/sessions/{}", rest_session, ""},
	{HTTP_GET, "/api/sessions/{}/events", rest_session_events,
	 "goroutine event_type start_time end_time limit offset format"},
	{HTTP_GET, "/api/sessions/{}/goroutines", rest_session_goroutines, "full"},
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
	{HTTP_GET, "/api/live/goroutines", rest_list, "proc filter sort desc limit offset"},
	SOURCE("/status", rest_status, "proc"),
	SOURCE("/rows", rest_rows, "proc since after limit"),
	SOURCE("/goroutines/{}", rest_one, "proc"),
	SOURCE("/goroutines/{}/events", rest_one_events, "proc from to limit"),
	SOURCE("/goroutines/{}/spans", rest_one_spans, "proc from to limit"),
	SOURCE("/goroutines/{}/allocations", rest_one_allocations, "proc"),
	SOURCE("/goroutines/{}/stack", rest_one_stack, "proc"),
	SOURCE("/stats", rest_stats, "proc"),
	SOURCE("/health", rest_health, "proc"),
	SOURCE("/stacks", rest_stacks, "proc"),
	SOURCE("/types", rest_types, "proc"),
	SOURCE("/sites", rest_sites, "proc"),
	SOURCE("/latency", rest_latency, "proc"),
	SOURCE("/latency/{}/{}", rest_heat, "proc n"),
	SOURCE("/flame", rest_flame, "proc by filter goids format weight"),
	SOURCE("/summary", rest_summary, "proc"),
	SOURCE("/tiles/{}/{}", rest_tile, "proc goids"),
	SOURCE("/groups/{}/{}", rest_group_tile, "proc goids filter by key"),
	SOURCE("/series/{}/{}", rest_series, "proc n"),
	SOURCE("/utilisation/{}/{}", rest_utilisation, "proc goids filter n"),
	SOURCE("/edges", rest_edges, "proc goids filter from to limit"),
	SOURCE("/perfetto", rest_perfetto, ""),
	SOURCE("/pprof/{}", rest_pprof, "proc"),
	SOURCE("/range", rest_range, "proc goids filter from to format"),
	SOURCE("/stays", rest_stays, "proc goids filter from to state min max limit"),
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
			return 0;
		}
		err = -EPERM;
	}
	return err;
}
