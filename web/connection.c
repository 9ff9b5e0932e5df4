/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One HTTP connection on the socket thread. A request is checked (access.h), copied, and handed
 * to a worker; what comes back is written as the socket takes it, 64 KiB at a time.
 */
#include "web/connection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/parse.h"
#include "web/access.h"
#include "web/peers.h"

#define PIECE        65536
#define WORK_TIMEOUT 300

static const char content_policy[] =
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
	"connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
	"frame-ancestors 'none'";

struct header {
	const char *name, *value;
};

static const struct header security_headers[] = {
	{"content-security-policy:", content_policy},
	{"x-content-type-options:", "nosniff"},
	{"x-frame-options:", "DENY"},
	{"referrer-policy:", "no-referrer"},
	{"cross-origin-opener-policy:", "same-origin"},
	{"cross-origin-resource-policy:", "same-origin"},
};

/* --- time ------------------------------------------------------------------------------------ */

/* libwebsockets' own timeouts start anew with each byte: they are kept out of the way, and end what
 * our timer does not know of. */
/* What it does now must be done in so many seconds, whatever comes and goes meanwhile, or it is
 * closed. */
static void connection_deadline(struct lws *wsi, unsigned seconds)
{
	lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, (int)seconds + 5);
	lws_set_timer_usecs(wsi, seconds * LWS_USEC_PER_SEC);
}

void connection_begin(struct lws *wsi)
{
	const struct web *w = lws_context_user(lws_get_context(wsi));

	lws_set_timer_usecs(wsi, w->config.request_seconds * LWS_USEC_PER_SEC);
}

/* --- answering ------------------------------------------------------------------------------ */

static int add_header(struct lws *wsi, const char *name, const char *value, uint8_t **p,
		      uint8_t *end)
{
	return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
					   (const unsigned char *)value, (int)strlen(value), p,
					   end);
}

/* For the page of an allowed origin: it may read the answer, or send what it asked for (the Fetch
 * standard). */
static int add_cors(struct connection *c, uint8_t **p, uint8_t *end)
{
	static const struct header preflight[] = {
		{"access-control-allow-methods:", "GET, HEAD, POST"},
		{"access-control-allow-headers:", "authorization, content-type"},
		{"access-control-max-age:", "600"},
		/* From a page on the internet to this machine. */
		{"access-control-allow-private-network:", "true"},
	};
	const struct response *rs = &c->job->rs;
	int bad = 0;

	/* Not for the cache of another origin. */
	if (c->web->allow_origins[0])
		bad |= add_header(c->wsi, "vary:", "Origin", p, end);
	if (!rs->allow_origin)
		return bad;
	bad |= add_header(c->wsi, "access-control-allow-origin:", rs->allow_origin, p, end);
	bad |= add_header(c->wsi, "access-control-allow-credentials:", "true", p, end);
	bad |= add_header(c->wsi, "access-control-expose-headers:", "content-disposition, etag", p,
			  end);
	for (size_t i = 0; rs->preflight && i < ARRAY_SIZE(preflight); i++)
		bad |= add_header(c->wsi, preflight[i].name, preflight[i].value, p, end);
	return bad;
}

static bool has_body(const struct response *rs)
{
	return rs->status != 304 && rs->status != 204;
}

static int send_headers(struct connection *c)
{
	const struct response *rs = &c->job->rs;
	uint8_t buf[LWS_PRE + 4096], *p = buf + LWS_PRE, *start = p, *end = buf + sizeof(buf) - 1;
	size_t len = rs->fixed ? rs->fixed_len : rs->body.len;
	char disposition[192];
	struct lws *wsi = c->wsi;
	int bad;

	c->chunked = c->job->result == 1;
	bad = lws_add_http_header_status(wsi, (unsigned)rs->status, &p, end);
	if (has_body(rs))
		bad |= add_header(wsi, "content-type:", rs->content_type, &p, end);
	bad |= add_header(wsi, "cache-control:", rs->cache, &p, end);
	for (size_t i = 0; i < ARRAY_SIZE(security_headers); i++)
		bad |= add_header(wsi, security_headers[i].name, security_headers[i].value, &p,
				  end);
	bad |= add_cors(c, &p, end);
	if (rs->encoding)
		bad |= add_header(wsi, "content-encoding:", rs->encoding, &p, end);
	if (rs->vary)
		bad |= add_header(wsi, "vary:", "accept-encoding", &p, end);
	if (rs->etag[0])
		bad |= add_header(wsi, "etag:", rs->etag, &p, end);
	if (rs->location[0])
		bad |= add_header(wsi, "location:", rs->location, &p, end);
	if (rs->cookie[0])
		bad |= add_header(wsi, "set-cookie:", rs->cookie, &p, end);
	if (rs->status == 405)
		bad |= add_header(wsi, "allow:", "GET, HEAD, POST", &p, end);
	if (rs->status == 401)
		bad |= add_header(wsi, "www-authenticate:", "Bearer", &p, end);
	if (rs->filename[0]) {
		snprintf(disposition, sizeof(disposition), "attachment; filename=\"%s\"",
			 rs->filename);
		bad |= add_header(wsi, "content-disposition:", disposition, &p, end);
	}
	if (c->chunked)
		bad |= add_header(wsi, "transfer-encoding:", "chunked", &p, end);
	else if (has_body(rs))
		bad |= lws_add_http_header_content_length(wsi, len, &p, end);
	if (c->body_unread)
		bad |= add_header(wsi, "connection:", "close", &p, end);
	bad |= lws_finalize_http_header(wsi, &p, end);
	if (bad)
		return -1;
	/* During a handshake libwebsockets has not looked at the request's version yet. */
	if (c->upgrading)
		memcpy(start, "HTTP/1.1", 8);
	return lws_write(wsi, start, (size_t)(p - start), LWS_WRITE_HTTP_HEADERS) < 0 ? -1 : 0;
}

/* This answer is out: the connection may carry the next request. */
static int finish(struct connection *c)
{
	job_free(c->job);
	c->job = NULL;
	c->sending = false;
	/* What was not read must not be taken for the next request: a foreign page would write it.
	 */
	if (c->body_unread)
		return -1;
	/* What is left to send, and the next request. */
	lws_set_timer_usecs(c->wsi,
			    KEEPALIVE_TIMES * c->web->config.request_seconds * LWS_USEC_PER_SEC);
	return lws_http_transaction_completed(c->wsi) ? -1 : 0;
}

/* Up to PIECE bytes of the present piece. The last one says so to libwebsockets. */
static int send_some(struct connection *c, bool last_piece)
{
	const struct response *rs = &c->job->rs;
	const char *data = rs->fixed ? rs->fixed : rs->body.data;
	size_t total = rs->fixed ? rs->fixed_len : rs->body.len;
	size_t n = MIN(total - c->sent, (size_t)PIECE), at = LWS_PRE;
	cleanup_free_ uint8_t *buf = malloc(LWS_PRE + PIECE + 32);
	bool last;

	if (!buf)
		return -1;
	last = last_piece && c->sent + n == total;
	if (c->chunked && n)
		at += (size_t)sprintf((char *)buf + at, "%zx\r\n", n);
	if (n)
		memcpy(buf + at, data + c->sent, n);
	at += n;
	if (c->chunked && n)
		at += (size_t)sprintf((char *)buf + at, "\r\n");
	if (c->chunked && last)
		at += (size_t)sprintf((char *)buf + at, "0\r\n\r\n");
	c->sent += n;
	if (at == LWS_PRE)
		return 0;
	connection_deadline(c->wsi, c->web->config.answer_seconds);
	return lws_write(c->wsi, buf + LWS_PRE, at - LWS_PRE,
			 last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0
		       ? -1
		       : 0;
}

int connection_writable(struct connection *c)
{
	const struct response *rs;
	size_t total;

	if (!c->job || c->waiting)
		return 0;
	rs = &c->job->rs;
	if (!c->sending) {
		c->sending = true;
		c->sent = 0;
		atomic_fetch_add(&c->web->refused,
				 rs->status == 401 || rs->status == 403 || rs->status == 429);
		if (send_headers(c))
			return -1;
		if (c->job->rq.head || !has_body(rs)) {
			/* No body follows: libwebsockets wants to hear the end. */
			return finish(c);
		}
		lws_callback_on_writable(c->wsi);
		return 0;
	}
	total = rs->fixed ? rs->fixed_len : rs->body.len;
	if (c->job->result < 0)
		return -1; /* half an answer: the client must see that it is not whole */
	if (send_some(c, c->job->result == 0))
		return -1;
	if (c->sent < total) {
		lws_callback_on_writable(c->wsi);
		return 0;
	}
	if (c->job->result == 0)
		return finish(c);
	buf_reset(&c->job->rs.body);
	c->sent = 0;
	c->waiting = true;
	connection_deadline(c->wsi, WORK_TIMEOUT);
	return jobs_submit(c->web->jobs, c->job) ? -1 : 0;
}

void connection_ready(struct connection *c)
{
	c->waiting = false;
	lws_callback_on_writable(c->wsi);
}

void connection_closed(struct connection *c)
{
	if (!c->job)
		return;
	if (c->waiting)
		c->job->owner = NULL; /* the worker has it: freed when it comes back */
	else
		job_free(c->job);
	c->job = NULL;
}

/* --- asking ---------------------------------------------------------------------------------- */

bool connection_header(struct lws *wsi, enum lws_token_indexes token, char *ret, size_t size)
{
	ret[0] = '\0';
	return lws_hdr_total_length(wsi, token) > 0 && lws_hdr_copy(wsi, ret, (int)size, token) > 0;
}

/* The arguments, as libwebsockets has them: decoded, one fragment each. */
static int read_args(struct lws *wsi, struct request *rq)
{
	char arg[HTTP_QUERY_MAX];
	int err;

	for (int i = 0;; i++) {
		int len = lws_hdr_copy_fragment(wsi, arg, sizeof(arg), WSI_TOKEN_HTTP_URI_ARGS, i);

		if (len < 0)
			return lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS) >= HTTP_QUERY_MAX
				       ? -E2BIG
				       : 0;
		err = http_add_arg(rq, arg, (size_t)len);
		if (err)
			return err;
	}
}

static int refuse_args(struct response *rs, int err)
{
	if (err == -E2BIG)
		return http_error(rs, 414, "too many or too long arguments");
	return http_error(rs, 400, "an argument has a NUL in it");
}

static bool read_method(struct lws *wsi, struct request *rq)
{
	if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI)) {
		rq->method = HTTP_GET;
	} else if (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI)) {
		rq->method = HTTP_POST;
	} else if (lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI)) {
		rq->method = HTTP_GET;
		rq->head = true;
	} else {
		return false;
	}
	return true;
}

static int read_request(struct connection *c, const char *path, size_t len)
{
	struct request *rq = &c->job->rq;
	struct response *rs = &c->job->rs;
	char text[512];
	int err;

	if (len >= sizeof(rq->path))
		return http_error(rs, 414, "the path is too long");
	/* libwebsockets cuts such a connection; it must never be taken for the shorter path. */
	if (memchr(path, '\0', len))
		return http_error(rs, 400, "the path has a NUL in it");
	memcpy(rq->path, path, len);
	rq->path[len] = '\0';
	if (access_preflight(c))
		return 0;
	if (!read_method(c->wsi, rq))
		return http_error(rs, 405, "only GET, HEAD and POST are answered");
	err = read_args(c->wsi, rq);
	if (err)
		return refuse_args(rs, err);
	if (!access_check(c) || access_login(c))
		return 0;
	connection_header(c->wsi, WSI_TOKEN_HTTP_ACCEPT_ENCODING, text, sizeof(text));
	rq->gzip = http_takes_gzip(text);
	connection_header(c->wsi, WSI_TOKEN_HTTP_ACCEPT, text, sizeof(text));
	rq->text = http_prefers_text(text);
	connection_header(c->wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, rq->etag, sizeof(rq->etag));
	err = route_find(rq, &c->job->handler);
	if (err == -EPERM)
		return http_error(rs, 405, "%s: not with this method", rq->path);
	if (err)
		return http_error(rs, 404, "%s: there is nothing here", rq->path);
	return 0;
}

/* Hands the request over, or answers the error that is in it. */
static int submit(struct connection *c)
{
	c->sending = false;
	connection_deadline(c->wsi, WORK_TIMEOUT);
	if (!c->job->handler) {
		lws_callback_on_writable(c->wsi);
		return 0;
	}
	c->waiting = true;
	if (jobs_submit(c->web->jobs, c->job)) {
		c->waiting = false;
		c->job->handler = NULL;
		http_error(&c->job->rs, 429, "too many requests at once");
		lws_callback_on_writable(c->wsi);
	}
	return 0;
}

static bool announces_body(struct lws *wsi)
{
	char text[32];

	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
		return true;
	return lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0 &&
	       (!connection_header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, text, sizeof(text)) ||
		strcmp(text, "0"));
}

int connection_request(struct connection *c, const char *path, size_t len)
{
	char text[32];
	uint64_t length = 0;

	atomic_fetch_add(&c->web->requests, 1);
	connection_closed(c);
	c->job = job_new();
	if (!c->job)
		return -1;
	c->job->owner = c;
	c->job->rq.web = c->web;
	c->waiting = false;
	c->body_expected = 0;
	c->body_unread = announces_body(c->wsi);
	read_request(c, path, len);
	if (c->job->rq.method != HTTP_POST)
		return submit(c);
	/* With both, the next hop may take the other one for the body's end (RFC 9112, 6.1). */
	if (lws_hdr_total_length(c->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0 ||
	    !connection_header(c->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, text, sizeof(text)) ||
	    parse_u64(text, &length)) {
		length = 0;
		c->job->handler = NULL;
		http_error(&c->job->rs, 411,
			   "Content-Length is required, without Transfer-Encoding");
	} else if (length > HTTP_BODY_MAX) {
		c->job->handler = NULL;
		http_error(&c->job->rs, 413, "at most %d bytes are accepted", HTTP_BODY_MAX);
	}
	if (!length || !c->job->handler)
		return submit(c);
	c->body_expected = length;
	connection_deadline(c->wsi, c->web->config.request_seconds);
	return 0;
}

int connection_body(struct connection *c, const void *data, size_t len)
{
	if (!c->job || c->waiting || !c->body_expected)
		return 0;
	if (c->job->rq.body.len + len > HTTP_BODY_MAX)
		return -1;
	buf_add(&c->job->rq.body, data, len);
	return 0;
}

int connection_body_done(struct connection *c)
{
	if (!c->job || !c->body_expected)
		return 0;
	c->body_expected = 0;
	c->body_unread = false;
	return submit(c);
}

/* --- WebSocket ------------------------------------------------------------------------------- */

/* A short refusal during the handshake, where no job is at work. */
static int refuse(struct connection *c)
{
	int err;

	atomic_fetch_add(&c->web->refused, 1);
	c->job->result = 0;
	c->upgrading = true;
	c->sent = 0;
	err = send_headers(c) || send_some(c, true);
	job_free(c->job);
	c->job = NULL;
	return err ? -1 : 1;
}

int connection_upgrade(struct connection *c, const char *protocol)
{
	int err;

	c->job = job_new();
	if (!c->job)
		return -1;
	if (!connection_header(c->wsi, WSI_TOKEN_GET_URI, c->job->rq.path, sizeof(c->job->rq.path)))
		snprintf(c->job->rq.path, sizeof(c->job->rq.path), "?");
	err = read_args(c->wsi, &c->job->rq);
	if (err) {
		refuse_args(&c->job->rs, err);
		return refuse(c);
	}
	if (strcmp(protocol, "websocket") || strcmp(c->job->rq.path, "/ws")) {
		http_error(&c->job->rs, 404, "WebSockets are at /ws");
		return refuse(c);
	}
	if (!access_check(c))
		return refuse(c);
	if (peers_push(c->web->peers, lws_get_opaque_user_data(c->wsi))) {
		http_error(&c->job->rs, 429,
			   "at most %d WebSocket clients, and a quarter for one user",
			   PUSH_CLIENTS_MAX);
		return refuse(c);
	}
	job_free(c->job);
	c->job = NULL;
	return 0;
}
