/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether a request may be answered. See access.h. */
#include "web/access.h"

#include <stdio.h>
#include <string.h>

#include "web/connection.h"
#include "web/guard.h"
#include "web/peers.h"

#define COOKIE_PREFIX "xgotopfs_token"
#define COOKIES_MAX   8192 /* of all that a browser keeps for this host, whoever set them */

static const struct peer *peer_of(const struct connection *c)
{
	return lws_get_opaque_user_data(c->wsi);
}

/* Of the headers that libwebsockets has no number for. NULL: not there. One too long is none that
 * we know. */
static const char *custom_header(struct lws *wsi, const char *name, char *ret, size_t size)
{
	int len = lws_hdr_custom_length(wsi, name, (int)strlen(name));

	if (len < 0)
		return NULL;
	if (lws_hdr_custom_copy(wsi, ret, (int)size, name, (int)strlen(name)) < 0)
		snprintf(ret, size, "?");
	return ret;
}

/* --- the token ------------------------------------------------------------------------------- */

static bool token_in_argument(const struct connection *c)
{
	const char *arg = http_arg(&c->job->rq, "token");

	return arg && guard_token(arg, strlen(arg), c->web->token);
}

static bool token_in_header(const struct connection *c)
{
	char text[1024];

	return connection_header(c->wsi, WSI_TOKEN_HTTP_AUTHORIZATION, text, sizeof(text)) &&
	       !strncasecmp(text, "Bearer ", 7) &&
	       guard_token(text + 7, strlen(text + 7), c->web->token);
}

/* The name depends on the port that the browser sees (a forwarded one may differ from ours), so any
 * of ours is looked at. */
static bool token_in_cookie(const struct connection *c)
{
	char text[COOKIES_MAX];
	const char *at = text, *value, *cookie = peers_cookie(c->web->peers, peer_of(c));
	size_t len;

	if (!connection_header(c->wsi, WSI_TOKEN_HTTP_COOKIE, text, sizeof(text)))
		return false;
	while ((value = guard_cookie(&at, COOKIE_PREFIX, &len))) {
		if (guard_token(value, len, cookie) || guard_token(value, len, c->web->token))
			return true;
	}
	return false;
}

/* --- checks ---------------------------------------------------------------------------------- */

/* For a person who came here without the link. A click on "continue" is a visit from our own page:
 * unlike a link elsewhere, it brings the cookie. */
static const char token_page[] =
	"<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>xgotopfs</title>\n"
	"<h1>xgotopfs wants its token</h1>\n"
	"<p>Open the link that xgotopfs printed when it was started (\"web UI: …?token=…\"). "
	"If you came from that link, <a href=\"/\">continue</a>.</p></html>\n";

static void refuse_token(struct connection *c)
{
	struct response *rs = &c->job->rs;
	char accept[512];

	http_error(rs, 401, "a token is required: Authorization: Bearer TOKEN");
	if (strcmp(c->job->rq.path, "/") ||
	    !connection_header(c->wsi, WSI_TOKEN_HTTP_ACCEPT, accept, sizeof(accept)) ||
	    !strstr(accept, "text/html"))
		return;
	buf_reset(&rs->body);
	buf_adds(&rs->body, token_page);
	rs->content_type = "text/html; charset=utf-8";
}

bool access_check(struct connection *c)
{
	struct job *job = c->job;
	const char *const *allowed = (const char *const *)c->web->allow_origins;
	char host[300], origin[300], site[32], mode[32], agent[1024], version[16];
	struct guard_request rq = {
		.path = job->rq.path,
		.host = host,
		.user_agent = agent,
		.referer = lws_hdr_total_length(c->wsi, WSI_TOKEN_HTTP_REFERER) > 0,
		.site = custom_header(c->wsi, "sec-fetch-site:", site, sizeof(site)),
		.mode = custom_header(c->wsi, "sec-fetch-mode:", mode, sizeof(mode)),
		.token = token_in_argument(c) || token_in_header(c) || token_in_cookie(c),
		.trusted = peer_of(c)->trusted,
	};

	/* libwebsockets takes a %0a or %0d in the address for the end of the line, and what follows
	 * for a header; the version, which ends the line in truth, is missing then. */
	connection_header(c->wsi, WSI_TOKEN_HTTP, version, sizeof(version));
	if (strcmp(version, "HTTP/1.1") && strcmp(version, "HTTP/1.0")) {
		http_error(&job->rs, 400, "no request of HTTP/1.1");
		return false;
	}
	connection_header(c->wsi, WSI_TOKEN_HOST, host, sizeof(host));
	/* One that does not fit is a browser's for all we know. */
	if (!connection_header(c->wsi, WSI_TOKEN_HTTP_USER_AGENT, agent, sizeof(agent)) &&
	    lws_hdr_total_length(c->wsi, WSI_TOKEN_HTTP_USER_AGENT) > 0)
		rq.user_agent = "Mozilla/";
	if (lws_hdr_total_length(c->wsi, WSI_TOKEN_ORIGIN) > 0) {
		connection_header(c->wsi, WSI_TOKEN_ORIGIN, origin, sizeof(origin));
		rq.origin = origin;
	}
	job->rs.allow_origin = guard_allowed(rq.origin, allowed);
	switch (guard_check(&rq, c->web->listen, allowed)) {
	case GUARD_OK:
		return true;
	case GUARD_HOST:
		job->rs.allow_origin = NULL;
		http_error(&job->rs, 403, "Host \"%.100s\" is not this server", host);
		return false;
	case GUARD_ORIGIN:
		http_error(&job->rs, 403, "requests from \"%.100s\" are not accepted", origin);
		return false;
	case GUARD_SITE:
		http_error(&job->rs, 403, "requests from another site are not accepted");
		return false;
	default:
		refuse_token(c);
		return false;
	}
}

/* The port as the browser sees it, so that two of us on one host, or forwarded to one, do not
 * overwrite each other's cookie: a browser does not keep ports apart. */
static void cookie_name(struct connection *c, char *ret, size_t size)
{
	char host[300];
	const char *port;

	connection_header(c->wsi, WSI_TOKEN_HOST, host, sizeof(host));
	port = strrchr(host, ':');
	if (port && !strchr(port, ']') && port[1])
		snprintf(ret, size, COOKIE_PREFIX "_%.5s", port + 1);
	else
		snprintf(ret, size, COOKIE_PREFIX);
}

bool access_login(struct connection *c)
{
	struct response *rs = &c->job->rs;
	char name[32];

	if (strcmp(c->job->rq.path, "/") || !http_arg(&c->job->rq, "token"))
		return false;
	/* Who is let in for another reason may have an old link. */
	if (token_in_argument(c)) {
		cookie_name(c, name, sizeof(name));
		snprintf(rs->cookie, sizeof(rs->cookie), "%s=%s; Path=/; HttpOnly; SameSite=Strict",
			 name, peers_cookie(c->web->peers, peer_of(c)));
	}
	/* Where a proxy may have this server below a path of its own, only it knows which. */
	snprintf(rs->location, sizeof(rs->location), "./");
	rs->content_type = "text/plain";
	rs->status = 303;
	return true;
}

bool access_preflight(struct connection *c)
{
	struct response *rs = &c->job->rs;
	char origin[300], host[300], text[32];

	if (!lws_hdr_total_length(c->wsi, WSI_TOKEN_OPTIONS_URI) ||
	    !custom_header(c->wsi, "access-control-request-method:", text, sizeof(text)))
		return false;
	connection_header(c->wsi, WSI_TOKEN_ORIGIN, origin, sizeof(origin));
	connection_header(c->wsi, WSI_TOKEN_HOST, host, sizeof(host));
	rs->allow_origin = guard_allowed(origin, (const char *const *)c->web->allow_origins);
	/* It brings no token, and tells nothing but what is in the documentation. */
	if (!rs->allow_origin || !guard_host(host, c->web->listen, false)) {
		rs->allow_origin = NULL;
		return false;
	}
	rs->preflight = true;
	rs->status = 204;
	return true;
}
