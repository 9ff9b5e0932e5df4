/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See sockets.h. The files' form: tcp4_seq_show(), udp4_seq_show() and unix_seq_show() in Linux'
 * net/. */
#include "core/memory/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

#define ENDPOINT_SIZE (INET6_ADDRSTRLEN + sizeof("[]:65535"))

/* include/net/tcp_states.h, by number; an established one has no word. */
static const char *const states[] = {
	"",           "",       " syn_sent",   " syn_recv", " fin_wait1", " fin_wait2",
	" time_wait", " close", " close_wait", " last_ack", " listen",    " closing"};

/* "0100007F:1F90": words as they are in memory. *ret_set: it is not the unspecified address with
 * port 0. */
static bool endpoint(const char *text, char ret[ENDPOINT_SIZE], bool *ret_set)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	uint8_t bytes[16] = {0};
	char name[INET6_ADDRSTRLEN];
	const char *colon = strchr(text, ':');
	size_t words = colon ? (size_t)(colon - text) / 8 : 0;
	unsigned port;
	bool v4;

	if ((words != 1 && words != 4) || (size_t)(colon - text) != 8 * words ||
	    sscanf(colon, ":%4x", &port) != 1)
		return false;
	for (size_t i = 0; i < words; i++) {
		uint32_t word;

		if (sscanf(text + 8 * i, "%8x", &word) != 1)
			return false;
		memcpy(bytes + 4 * i, &word, sizeof(word));
	}
	v4 = words == 1 || !memcmp(bytes, mapped, sizeof(mapped));
	if (!inet_ntop(v4 ? AF_INET : AF_INET6, bytes + (v4 && words == 4 ? 12 : 0), name,
		       sizeof(name)))
		return false;
	snprintf(ret, ENDPOINT_SIZE, v4 ? "%s:%u" : "[%s]:%u", name, port);
	*ret_set = port != 0;
	return true;
}

static void say_inet(const char *protocol, const char *line, struct socket_wanted *s)
{
	char local[64], remote[64], from[ENDPOINT_SIZE], to[ENDPOINT_SIZE];
	bool bound, connected;
	unsigned state;

	if (sscanf(line, " %*u: %63s %63s %x", local, remote, &state) != 3 ||
	    !endpoint(local, from, &bound) || !endpoint(remote, to, &connected))
		return;
	snprintf(s->text, sizeof(s->text), "%s %s%s%s%s", protocol, from, connected ? "->" : "",
		 connected ? to : "",
		 *protocol == 't' && state < ARRAY_SIZE(states) ? states[state] : "");
}

/* Of a client its end has no name, and whose the other end is that file does not say. */
static void say_unix(const char *protocol, const char *line, struct socket_wanted *s)
{
	char path[128];

	if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %127[^\n]", path) != 1)
		path[0] = '\0';
	snprintf(s->text, sizeof(s->text), "%s%s%s", protocol, *path ? " " : "", path);
}

static const struct source {
	const char *file, *protocol;
	const char *inode; /* where in a line it stands */
	void (*say)(const char *protocol, const char *line, struct socket_wanted *s);
} sources[] = {
	{"tcp", "tcp", " %*u: %*s %*s %*x %*s %*s %*x %*u %*u %llu", say_inet},
	{"tcp6", "tcp", " %*u: %*s %*s %*x %*s %*s %*x %*u %*u %llu", say_inet},
	{"udp", "udp", " %*u: %*s %*s %*x %*s %*s %*x %*u %*u %llu", say_inet},
	{"udp6", "udp", " %*u: %*s %*s %*x %*s %*s %*x %*u %*u %llu", say_inet},
	{"unix", "unix", "%*s %*s %*s %*s %*s %*s %llu", say_unix},
};

static struct socket_wanted *find(struct socket_wanted *list, size_t n, uint64_t inode)
{
	size_t at = FIRST_NOT_BELOW(list, n, inode, inode);

	return at < n && list[at].inode == inode ? &list[at] : NULL;
}

static bool is_of(const char *text, const char *protocol)
{
	size_t len = strlen(protocol);

	return !strncmp(text, protocol, len) && (!text[len] || text[len] == ' ');
}

/*
 * Returns how many more are known now. The path of a Unix socket may hold line ends, so that who
 * binds one writes lines of that file: a second one for the same socket, of which nobody can tell
 * which is true, or one for a socket that is none of those.
 */
static size_t read_source(const struct source *source, pid_t pid, struct socket_wanted *list,
			  size_t n)
{
	const bool by_others = source->say == say_unix;
	cleanup_free_ char *line = NULL;
	char path[64];
	size_t size = 0, known = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)pid, source->file);
	f = fopen(path, "re");
	if (!f)
		return 0;
	for (unsigned i = 0;
	     i < SOCKETS_LINES_MAX && (known < n || by_others) && getline(&line, &size, f) > 0;
	     i++) {
		struct socket_wanted *s;
		unsigned long long inode;

		if (sscanf(line, source->inode, &inode) != 1)
			continue;
		s = find(list, n, inode);
		for (; s && s < list + n && s->inode == inode; s++) {
			if (!s->text[0]) {
				source->say(source->protocol, line, s);
				known++;
			} else if (by_others && is_of(s->text, source->protocol)) {
				snprintf(s->text, sizeof(s->text), "%s", source->protocol);
			}
		}
	}
	(void)fclose(f);
	return known;
}

static int by_inode(const void *a, const void *b)
{
	const struct socket_wanted *x = a, *y = b;

	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

void sockets_find(pid_t pid, struct socket_wanted *list, size_t n)
{
	size_t known = 0;

	qsort(list, n, sizeof(*list), by_inode);
	for (size_t i = 0; i < ARRAY_SIZE(sources) && known < n; i++)
		known += read_source(&sources[i], pid, list, n);
}
