/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the handlers share: which source a request is about, and the handlers themselves. */
#ifndef XGOTOPFS_WEB_REST_H
#define XGOTOPFS_WEB_REST_H

#include "web/http.h"
#include "web/server.h"
#include "web/source.h"

/*
 * The source of /api/live/… or /api/sessions/{id}/…, ready to read; give it back with rest_done().
 * NULL: the error is answered (404, 400, 503 while it loads).
 */
struct source *rest_source(const struct request *rq, struct response *rs);
/* Whether the request is answered from it now: all was read, or ?partial= asks for what was so far.
 */
bool rest_readable(const struct request *rq, const struct source *s);
void rest_done(const struct request *rq, struct source *s);
/* Element i of the path after the source: /api/live/goroutines/{0}. */
const char *rest_param(const struct request *rq, unsigned i);
/* A view's arguments are the request's: for struct view_query, whose arg_ctx is the request. */
const char *rest_argument(void *request, const char *name);

/* rest_events.c */
int rest_session_events(const struct request *rq, struct response *rs);
int rest_events(const struct request *rq, struct response *rs);
/* rest_sessions.c: the original's */
/* The folder of a session; negative: answered. */
int rest_open_session(const struct request *rq, struct response *rs, const char *id);
int rest_sessions(const struct request *rq, struct response *rs);
int rest_session(const struct request *rq, struct response *rs);
int rest_session_goroutines(const struct request *rq, struct response *rs);
int rest_metrics(const struct request *rq, struct response *rs);
int rest_config_get(const struct request *rq, struct response *rs);
int rest_config_set(const struct request *rq, struct response *rs);
/* rest_live.c */
int rest_info(const struct request *rq, struct response *rs);
int rest_status(const struct request *rq, struct response *rs);
int rest_prometheus(const struct request *rq, struct response *rs);
/* rest_view.c: rq->view; one by its name, of a process. */
int rest_view(const struct request *rq, struct response *rs);
int rest_view_named(const struct request *rq, struct response *rs, const char *name);
/* rest_control.c */
int rest_control_get(const struct request *rq, struct response *rs);
int rest_control_set(const struct request *rq, struct response *rs);
/* rest_perfetto.c */
int rest_live_perfetto(const struct request *rq, struct response *rs);
int rest_recorded_perfetto(const struct request *rq, struct response *rs);
/* rest_export.c */
int rest_export(const struct request *rq, struct response *rs);
/* assets.c */
int rest_asset(const struct request *rq, struct response *rs);

#endif
