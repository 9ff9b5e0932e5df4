/*
 * The HTTP and WebSocket server: the original's REST API and /ws, the API of the web UI, the UI
 * itself, and /metrics. docs/api.md is the list of what it answers.
 *
 * Threads: web_start() makes one for the sockets (libwebsockets' loop), a few that answer requests,
 * and one that follows the feed into the time pyramid. None of them ever holds the capture up: they
 * read copies, each client has a bounded queue, and a slow client loses frames, counted.
 */
#ifndef XGOTOPFS_WEB_WEB_H
#define XGOTOPFS_WEB_WEB_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/view/view.h"

struct confine;
struct web;

struct web_config {
	const char *listen; /* address to bind; NULL = 127.0.0.1. Only a numeric address */
	unsigned port;      /* 0 = any free one: web_port() tells */
	/* Every request must carry it. NULL = none, which only a loopback address accepts. At least
	 * WEB_TOKEN_MIN characters. */
	const char *token;
	const struct view *view; /* borrowed; what is being captured or replayed now */
	const char *storage_dir; /* recorded sessions; NULL = none to show */
	const char *settings_path; /* where /api/config persists; NULL = in memory only */
	const char *mount_point;   /* for the paths the UI shows; NULL = not mounted */
	size_t pyramid_bytes;      /* memory bound of one time pyramid; 0 = 64 MiB */
	unsigned max_connections;  /* 0 = 512 */
	struct confine *confine;   /* what all its threads enter; borrowed. NULL: nothing */
};

#define WEB_TOKEN_MIN 16

/*
 * 0, -EINVAL (not a numeric address, an off-loopback address without a good token), -EADDRINUSE,
 * -EADDRNOTAVAIL, -EACCES, -ENOMEM; one line was logged. Listens when it returns, answers after
 * web_start().
 */
int web_new(const struct web_config *config, struct web **ret);
int web_start(struct web *w);
/* Ends the threads; clients are closed. Safe to call twice. */
void web_stop(struct web *w);
void web_free(struct web *w);

unsigned web_port(const struct web *w);
/* "http://127.0.0.1:8080/": what to open. With the token when there is one. */
void web_url(const struct web *w, struct buf *out);

struct web_stats {
	uint64_t requests, refused; /* refused: 4xx for Host, Origin, token or a limit */
	uint64_t clients;           /* WebSocket clients now */
	uint64_t frames, frames_dropped, events_dropped; /* dropped: for slow clients */
	uint64_t pyramid_missed; /* events the time pyramid did not see in time */
	uint64_t pyramid_bytes;
};
void web_stats(struct web *w, struct web_stats *ret);

#endif
