/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Replays a recorded session through a model: the same events, tree, API and UI as live. A thread
 * of its own is the model's applying thread.
 *
 * Use by the composition root: replay_open(); a model with wall_offset_ns = replay_wall_offset();
 * replay_start(); a struct control whose ctx is the replay, replay = replay_command and get_replay
 * = replay_get (all else NULL); replay_free() before the model. At the session's end the model's
 * feed is closed, as when a target ends; seeking back opens it again.
 */
#ifndef XGOTOPFS_SESSION_REPLAY_H
#define XGOTOPFS_SESSION_REPLAY_H

#include "core/base/buf.h"
#include "core/model/model.h"
#include "core/session/reader.h"

#define REPLAY_SPEED_MAX 1000000

struct confine;
struct replay;

struct replay_config {
	const char *storage_dir;
	const char *session; /* id, or a session's folder */
	double speed;        /* 1: as it happened; 0: as fast as it goes */
	struct names *names; /* borrowed: the model's */
	/* Both are called on the replay's thread and may be NULL. The session's end is reached. */
	void (*ended)(void *ctx);
	/* How many events behind the feed is who must not miss any? The replay waits for it. */
	uint64_t (*behind)(void *ctx);
	void *ctx;
	struct confine *confine; /* what the thread enters; borrowed. NULL: nothing */
};

/* Opens the session; one line is logged when it cannot. -ENOENT (no such session, or no events in
 * it), -EINVAL (speed). */
int replay_open(const struct replay_config *config, struct replay **ret);
const struct session_meta *replay_meta(const struct replay *r);
/*
 * CLOCK_REALTIME minus the session's CLOCK_MONOTONIC. The original does not record it: then it is
 * an estimate from start_time and the first event (*ret_estimate, may be NULL).
 */
int64_t replay_wall_offset(const struct replay *r, bool *ret_estimate);

/* Starts the thread. 0 or -errno. */
int replay_start(struct replay *r, struct model *model);
void replay_stop(struct replay *r); /* no callback runs any more; commands and state still answer */
void replay_free(struct replay *r); /* ends the thread first; NULL is fine */

/* "pause", "resume", "speed 2", "speed 0", "seek 12.5s" (from the session's start; a bare number is
 * seconds). 0 or -EINVAL. Takes effect soon, not at once. ctx is the replay. Any thread. */
int replay_command(void *ctx, const char *command);
/* Flat keyed: session, state (playing, paused, done), speed, position_ns, duration_ns, events, … */
void replay_get(void *ctx, struct buf *out);

struct replay_stats {
	uint64_t events; /* applied, over all seeks */
	bool done;       /* at the end now */
	struct session_end end;
};

/* For views: what metadata tells of the recording, and what of it could not be read. */
void replay_recording(struct replay *r, struct recording *ret);
void replay_stats(struct replay *r, struct replay_stats *ret);
/* Waits until the end is reached (true) or timeout_ns is over. */
bool replay_wait(struct replay *r, uint64_t timeout_ns);
/* The same for its first event: who looks then sees a process. A recording may have none. */
bool replay_wait_first(struct replay *r, uint64_t timeout_ns);

#endif
