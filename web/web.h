/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
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
#include <sys/types.h>

#include "core/base/buf.h"
#include "core/view/view.h"

#define WEB_TOKEN_MIN   16
#define WEB_TRUSTED_MAX 4

struct confine;
struct web;

struct web_config {
	const char *listen; /* address to bind; NULL = 127.0.0.1. Only a numeric address */
	unsigned port;      /* 0 = any free one: web_port() tells */
	/*
	 * Who has it is let in; at least WEB_TOKEN_MIN characters. NULL = a random one, which
	 * web_url() tells. On a loopback address these pass without it: root, the user this process
	 * runs as, and the `trusted`.
	 */
	const char *token;
	uid_t trusted[WEB_TRUSTED_MAX];
	size_t n_trusted;
	const char *const
		*allow_origins;    /* whose pages may use the API; ended by NULL; NULL = none */
	const struct view *view;   /* borrowed; what is being captured or replayed now */
	const char *storage_dir;   /* recorded sessions; NULL = none to show */
	const char *settings_path; /* where /api/config persists; NULL = in memory only */
	const char *mount_point;   /* for the paths the UI shows; NULL = not mounted */
	size_t pyramid_bytes;      /* memory bound of one time pyramid; 0 = 64 MiB */
	unsigned max_connections;  /* 0 = 512 */
	unsigned request_seconds;  /* for the headers to arrive, and for the body; 0 = 10 */
	unsigned answer_seconds;   /* for 64 KiB of an answer to be taken; 0 = 30 */
	struct confine *confine;   /* what all its threads enter; borrowed. NULL: nothing */
};

/*
 * 0, -EINVAL (not a numeric address, not a good token or origin), -EADDRINUSE, -EADDRNOTAVAIL,
 * -EACCES, -ENOMEM, -EIO (no random numbers); one line was logged. Listens when it returns, answers
 * after web_start().
 */
int web_new(const struct web_config *config, struct web **ret);
int web_start(struct web *w);
/* Ends the threads; clients are closed. Safe to call twice. */
void web_stop(struct web *w);
void web_free(struct web *w);

/* How many events behind the feed the timeline is: a replay waits for it, so that none is missed.
 * From web_start() on, any thread. */
uint64_t web_behind(const struct web *w);
unsigned web_port(const struct web *w);
/* "http://127.0.0.1:8080/?token=…": what to open. */
void web_url(const struct web *w, struct buf *out);

struct web_stats {
	uint64_t requests, refused; /* refused: 4xx for Host, Origin, token or a limit */
	uint64_t clients;           /* WebSocket clients now */
	uint64_t frames, frames_dropped, events_dropped; /* dropped: for slow clients */
	uint64_t pyramid_missed; /* events the time pyramid did not see in time */
	uint64_t pyramid_bytes;
	uint64_t sessions_open, sessions_bytes; /* recorded ones in memory, and what they take */
};
void web_stats(struct web *w, struct web_stats *ret);

#endif
