/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who may ask. Pure functions; see guard.h for what each is against. */
#include "web/guard.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

bool guard_is_numeric(const char *address)
{
	struct in6_addr v6;

	return address &&
	       (inet_pton(AF_INET, address, &v6) == 1 || inet_pton(AF_INET6, address, &v6) == 1);
}

bool guard_is_loopback(const char *address)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (!address)
		return false;
	if (inet_pton(AF_INET, address, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	if (inet_pton(AF_INET6, address, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	return false;
}

/* Takes "name", "name:port" or "[v6]:port" apart: the name without brackets into `ret`. */
static bool split_host(const char *host, char *ret, size_t size)
{
	const char *end, *port;
	size_t len;

	if (host[0] == '[') {
		host++;
		end = strchr(host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		port = end[1] ? end + 2 : "";
	} else {
		end = strchr(host, ':');
		port = end ? end + 1 : "";
		if (!end)
			end = host + strlen(host);
	}
	len = (size_t)(end - host);
	if (!len || len >= size || strlen(port) > 5 || port[strspn(port, "0123456789")])
		return false;
	memcpy(ret, host, len);
	ret[len] = '\0';
	return !ret[strcspn(ret, "/\\@?# \t")];
}

bool guard_host(const char *host, const char *listen, bool token_ok)
{
	char name[256];

	if (!host || !split_host(host, name, sizeof(name)))
		return false;
	if (!strcasecmp(name, "localhost") || guard_is_loopback(name))
		return true;
	return token_ok || (guard_is_numeric(name) && !guard_is_loopback(listen));
}

bool guard_origin(const char *origin, const char *host)
{
	const char *rest;

	if (!origin)
		return true;
	if (!strncasecmp(origin, "http://", 7))
		rest = origin + 7;
	else if (!strncasecmp(origin, "https://", 8))
		rest = origin + 8; /* a proxy that ends TLS in front of us */
	else
		return false;
	return host && *host && !strcasecmp(rest, host);
}

bool guard_token(const char *given, size_t len, const char *token)
{
	size_t want = strlen(token);
	volatile uint8_t diff = len != want;

	for (size_t i = 0; i < len; i++)
		diff |= (uint8_t)given[i] ^ (uint8_t)token[want ? i % want : 0];
	return !diff && want;
}

const char *guard_allowed(const char *origin, const char *const *allowed)
{
	for (; origin && allowed && *allowed; allowed++) {
		if (!strcmp(origin, *allowed))
			return *allowed;
	}
	return NULL;
}

/* A link on another page may lead to the UI's page, which then asks for the rest itself. */
static bool is_visit(const struct guard_request *rq)
{
	return !strcmp(rq->path, "/") && (!rq->mode || !strcmp(rq->mode, "navigate"));
}

/* All browsers call themselves so, and a page cannot change it in what it may send anywhere. Those
 * for terminals do not, but they say where they come from. */
static bool is_browser(const struct guard_request *rq)
{
	return rq->referer || (rq->user_agent && (!strncasecmp(rq->user_agent, "Mozilla/", 8) ||
						  !strncasecmp(rq->user_agent, "Opera/", 6)));
}

enum guard_verdict guard_check(const struct guard_request *rq, const char *listen,
			       const char *const *allowed)
{
	if (!guard_host(rq->host, listen, rq->token))
		return GUARD_HOST;
	if (!guard_allowed(rq->origin, allowed)) {
		if (!guard_origin(rq->origin, rq->host))
			return GUARD_ORIGIN;
		if (rq->site && strcmp(rq->site, "same-origin") && strcmp(rq->site, "none") &&
		    !is_visit(rq))
			return GUARD_SITE;
	}
	if (rq->token)
		return GUARD_OK;
	if (!rq->trusted || (is_browser(rq) && !rq->origin && !rq->site))
		return GUARD_TOKEN;
	return GUARD_OK;
}

const char *guard_cookie(const char **at, const char *prefix, size_t *ret)
{
	const char *p = *at;

	while (*p) {
		size_t len, name;

		p += strspn(p, "; ");
		len = strcspn(p, ";");
		name = strcspn(p, "=");
		if (name < len && name >= strlen(prefix) && !strncmp(p, prefix, strlen(prefix))) {
			*at = p + len;
			*ret = len - name - 1;
			return p + name + 1;
		}
		p += len;
	}
	*at = p;
	return NULL;
}
