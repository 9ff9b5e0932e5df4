/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Origins of web pages. See origin.h. */
#include "core/base/origin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/base/parse.h"

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static int bad(const char *text, const char *reason, char *why, size_t size)
{
	snprintf(why, size, "'%.100s' is no origin such as http://localhost:5173: %s", text,
		 reason);
	return -EINVAL;
}

/* Its length, with the brackets of an IPv6 address; 0: it is none. */
static size_t host_len(const char *host)
{
	char v6[INET6_ADDRSTRLEN];
	struct in6_addr address;
	size_t n;

	if (*host != '[') {
		n = strspn(host, LOWER DIGITS ".-_");
		return *host == '.' ? 0 : n;
	}
	n = strspn(host + 1, DIGITS "abcdef:.");
	if (n >= sizeof(v6) || host[1 + n] != ']')
		return 0;
	memcpy(v6, host + 1, n);
	v6[n] = '\0';
	return inet_pton(AF_INET6, v6, &address) == 1 ? n + 2 : 0;
}

/* What a browser leaves out. */
static const char *own_port(const char *text)
{
	if (!strncmp(text, "http:", 5))
		return "80";
	return !strncmp(text, "https:", 6) ? "443" : "";
}

int origin_check(const char *text, char *why, size_t size)
{
	size_t scheme = strspn(text, LOWER DIGITS "+.-"), host;
	const char *rest = text + scheme;
	uint64_t port;

	if (!scheme || !strchr(LOWER, text[0]) || strncmp(rest, "://", 3))
		return bad(text, "it begins with http:// or https://, in lower case", why, size);
	/* The origin of a file is "null", whosever it is. */
	if (!strncmp(text, "file:", 5) || !strncmp(text, "data:", 5))
		return bad(text, "a file has none", why, size);
	rest += 3;
	host = host_len(rest);
	if (!host)
		return bad(text, "a host is missing, or not one in lower case", why, size);
	rest += host;
	if (!*rest)
		return 0;
	if (*rest != ':')
		return bad(text, "nothing follows the host but a port", why, size);
	rest++;
	if (*rest == '0' || parse_u64_in(rest, 1, UINT16_MAX, &port))
		return bad(text, "the port is none", why, size);
	if (!strcmp(rest, own_port(text)))
		return bad(text, "a browser leaves out this port", why, size);
	return 0;
}
