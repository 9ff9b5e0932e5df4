/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Inside web/: what its files share. The composition root includes web/web.h instead. */
#ifndef XGOTOPFS_WEB_SERVER_H
#define XGOTOPFS_WEB_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "web/http.h"
#include "web/jobs.h"
#include "web/web.h"

struct lws;
struct sources;
struct settings;
struct push;
struct store;

struct web {
	struct web_config config; /* texts are our copies */
	char listen[64];
	char *token, *settings_path, *mount_point;
	char **allow_origins; /* ended by NULL */
	struct peers *peers;
	unsigned port;
	struct lws_context *context;
	struct jobs *jobs;
	struct sources *sources;
	struct settings *settings;
	struct store *store; /* recorded sessions; NULL = none to show */
	struct push *push;
	pthread_mutex_t control_lock; /* one POST /api/control at a time */
	void *thread;                 /* the pthread_t in server.c, NULL before web_start() */
	atomic_bool stop;
	atomic_ullong requests, refused, frames, frames_dropped, events_dropped;
};

/* --- routes.c ------------------------------------------------------------------------------- */

/*
 * Finds the route of rq->method and rq->path and fills rq->params, rq->takes and rq->view. 0,
 * -ENOENT, or -EPERM when the path exists with another method; *ret is set with 0 only.
 */
int route_find(struct request *rq, handler_fn *ret);

/* One of all there are. Each {} of the pattern matches one element of a path; `takes` are the
 * arguments, between spaces. Others are ignored, as the original did. */
typedef void route_fn(void *ctx, enum http_method method, const char *pattern, const char *takes);
void routes_each(route_fn *fn, void *ctx);

/* --- push.c: /ws, all on the socket thread --------------------------------------------------- */

#define PUSH_CLIENTS_MAX 64

enum push_form { PUSH_JSON, PUSH_PROTOBUF, PUSH_TICKS };

struct push_client;

int push_new(struct web *w, struct push **ret);
void push_free(struct push *p);
int push_open(struct push *p, struct lws *wsi, enum push_form form, struct push_client **ret);
void push_close(struct push *p, struct push_client *c);
/* The socket takes more: sends the next frame. -errno: close it. */
int push_writable(struct push *p, struct push_client *c);
unsigned push_clients(const struct push *p);

#endif
