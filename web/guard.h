/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who may ask: checks of the listen address, Host, Origin, token and cookies. Pure functions.
 *
 * What they are against: a web page the user has open that sends requests here (Origin, Sec-Fetch-
 * Site), one whose name resolves to 127.0.0.1 on its second lookup (Host: DNS rebinding), another
 * machine without the token, and ids that climb out of the sessions' folder.
 */
#ifndef XGOTOPFS_WEB_GUARD_H
#define XGOTOPFS_WEB_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* 127.0.0.0/8, ::1. False for what is no numeric address. */
bool guard_is_loopback(const char *address);
bool guard_is_numeric(const char *address);

/*
 * The Host header: a loopback name or address (any port: a forwarded port is fine), or the address
 * listened on. A name that DNS could point here is refused, unless `token_ok`: who has the token is
 * not a rebinding page.
 */
bool guard_host(const char *host, const char *listen, bool token_ok);

/* The Origin header, when there is one: it must be this very host and port. "null" is foreign. */
bool guard_origin(const char *origin, const char *host);

/* One of those that were allowed, to the letter. The list's own text, or NULL. */
const char *guard_allowed(const char *origin, const char *const *allowed);

/* Equal in time that depends on the length given, not on where they differ. */
bool guard_token(const char *given, size_t len, const char *token);

/*
 * One request as the checks see it. A header that is not there is NULL.
 *
 * Who is at the other end (`trusted`) says nothing about who wrote the request: a page of any
 * origin that this user's browser shows can make one, and it comes with his uid. So it counts only
 * with something no such page can have: its own Origin or Sec-Fetch-Site, which browsers add to
 * each request and pages cannot, or that it is no browser. A browser from before 2023 that sends
 * neither (an image, from a foreign page or not) needs the token, whose cookie is SameSite=Strict.
 */
struct guard_request {
	const char *path, *host, *origin, *user_agent;
	const char *site, *mode; /* Sec-Fetch-Site, Sec-Fetch-Mode */
	bool referer;            /* has one */
	bool token;              /* the token, or the cookie that stands for it, came with it */
	bool trusted;            /* the user at the other end needs none */
};

enum guard_verdict { GUARD_OK, GUARD_HOST, GUARD_ORIGIN, GUARD_SITE, GUARD_TOKEN };

/* `allowed`: origins besides our own, ended by NULL; NULL: none. */
enum guard_verdict guard_check(const struct guard_request *rq, const char *listen,
			       const char *const *allowed);

/* The value of the next cookie whose name begins so, or NULL; its length into ret. *at starts at
 * the Cookie header and moves on. */
const char *guard_cookie(const char **at, const char *prefix, size_t *ret);

#endif
