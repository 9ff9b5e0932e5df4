/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One request and its answer, apart from sockets: what handlers see. A request is a copy of what
 * came, so that a handler runs on a worker thread; the answer goes back to the socket thread whole
 * or, for long ones, in pieces.
 */
#ifndef XGOTOPFS_WEB_HTTP_H
#define XGOTOPFS_WEB_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/json.h" /* what answers are made of */

#define HTTP_PATH_MAX   1024
#define HTTP_QUERY_MAX  8192
#define HTTP_BODY_MAX   65536
#define HTTP_ARGS_MAX   32
#define HTTP_PARAMS_MAX 4
#define HTTP_PARAM_SIZE 256
#define HTTP_TAKES      3

struct view_row;

enum http_method { HTTP_GET, HTTP_POST };

struct http_arg {
	const char *key, *value; /* decoded; in request.query */
};

struct request {
	struct web *web;
	enum http_method method;
	bool head; /* HEAD: a GET whose body is left out */
	char path[HTTP_PATH_MAX];
	char query[HTTP_QUERY_MAX]; /* the arguments' texts */
	size_t query_len;
	struct http_arg args[HTTP_ARGS_MAX];
	unsigned n_args;
	/* What the {} of the route's pattern matched. */
	char params[HTTP_PARAMS_MAX][HTTP_PARAM_SIZE];
	struct buf body;
	/* The arguments that the route takes, between spaces, in so many pieces; the first is NULL
	 * before it is known which it is. */
	const char *takes[HTTP_TAKES];
	const struct view_row *view; /* what a route of a view shows; else NULL */
	bool gzip;                   /* the client takes gzip */
	bool text;                   /* it would have text rather than JSON */
	char etag[64];               /* If-None-Match */
	char content_type[64];
};

struct response {
	int status;               /* 200 unless set */
	const char *content_type; /* static; application/json unless set */
	const char *encoding;     /* static, NULL = identity */
	const char *cache;        /* static Cache-Control; "no-store" unless set */
	char filename[128];       /* Content-Disposition: attachment; "" = none */
	char location[256];       /* with a 303 */
	char cookie[256];         /* Set-Cookie */
	char etag[64];
	bool vary;                /* the answer hangs on Accept-Encoding */
	const char *allow_origin; /* the allowed origin whose page asks (CORS); NULL: none */
	bool preflight;           /* it asks what it may send */
	struct buf body;
	/* A body that does not end with data of its own but points to static bytes. */
	const void *fixed;
	size_t fixed_len;
	/*
	 * For answers too long to hold: called on a worker each time the previous piece has been
	 * sent, appends the next to `body` (up to some 100 KB). 1 = more to come, 0 = that was the
	 * last, -errno = the connection is cut (the client sees an unfinished body).
	 */
	int (*more)(void *ctx, struct buf *body);
	void (*more_free)(void *ctx);
	void *more_ctx;
};

/* Answers an error: {"error":"…"} with that status. Returns 0 so that a handler can end with it. */
int http_error(struct response *rs, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The status for a negative errno: -ENOENT 404, -EINVAL and -ERANGE 400, -ENOSYS 501, -ESRCH 410,
 * -ENOMEM 503 … */
int http_status(int err);
/* Answers it, and in a few words what that means. */
int http_errno(struct response *rs, int err, const char *what);

/*
 * Keeps one argument, "key=value" decoded. -E2BIG: more than HTTP_ARGS_MAX or HTTP_QUERY_MAX
 * bytes; -EINVAL: there is a NUL in it.
 */
int http_add_arg(struct request *rq, const char *text, size_t len);
/* The argument, or NULL; of several the first. One that its route (routes.c) does not name is not
 * there, and a line is logged. */
const char *http_arg(const struct request *rq, const char *key);
/*
 * A decimal argument in [min, max], or `absent` when it is not there or empty. On anything else
 * answers 400 naming it and returns -EINVAL.
 */
int http_arg_u64(const struct request *rq, struct response *rs, const char *key, uint64_t min,
		 uint64_t max, uint64_t absent, uint64_t *ret);

/*
 * Whether an Accept-Encoding header (NULL or "": there is none) names gzip with a weight that is
 * not 0 (RFC 9110, 12.5.3). "*" allows it, too, but who says no more than that can read the plain
 * text.
 */
bool http_takes_gzip(const char *header);
/* Whether an Accept header (NULL or "": there is none) names text/plain with a greater weight than
 * JSON (RFC 9110, 12.5.1). A browser, which names neither, is shown JSON. */
bool http_prefers_text(const char *header);

#endif
