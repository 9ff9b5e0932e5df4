/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The feed: the last `capacity` events in the order they happened, one sequence number each.
 * One writer (the capture or replay thread, through model_apply()), any number of readers, each
 * with a cursor of its own. A slow reader never holds the writer up: it is told how many it missed.
 *
 * Sequence numbers start at 0 and never skip. Retained: [feed_tail, feed_head).
 */
#ifndef XGOTOPFS_MODEL_FEED_H
#define XGOTOPFS_MODEL_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model/event.h"

struct feed;

uint64_t feed_head(struct feed *f); /* the next event's number */
uint64_t feed_tail(struct feed *f); /* the oldest retained */
size_t feed_capacity(const struct feed *f);
/* What a retained event takes; a page more for each 64 with one among them that no real
 * program makes (packed.h). */
#define FEED_EVENT_BYTES 45

/*
 * Copies up to `max` events from *cursor on into `out` and moves the cursor past them. When some
 * were trimmed meanwhile, the cursor first jumps to the tail and *ret_missed (may be NULL) is how
 * many. Returns the number copied; 0 = caught up. Any thread; holds the feed's lock for the copy
 * only, so keep max at a few thousand.
 */
size_t feed_read(struct feed *f, uint64_t *cursor, struct event *out, size_t max,
		 uint64_t *ret_missed);

/*
 * Sleeps until feed_head() > seq, feed_close() or `timeout_ns` from now. true when there is
 * something to read.
 */
bool feed_wait(struct feed *f, uint64_t seq, uint64_t timeout_ns);

/* Who missed events, as they were given up before he had them: he counts them here, for the views.
 * Any thread. */
enum feed_reader {
	FEED_STDOUT,
	FEED_STREAM,   /* clients of /ws */
	FEED_MOUNT,    /* `events`, `events_pipe` */
	FEED_DOWNLOAD, /* of what is live */
	FEED_TIMELINE,
	FEED_CELLS, /* no events: cells of the timeline that were given up for newer ones */
	FEED_READERS
};
void feed_count_missed(struct feed *f, enum feed_reader who, uint64_t n);
uint64_t feed_missed(struct feed *f, enum feed_reader who);

/* For event loops: fn(arg) runs on the writer's thread after each append, and must not block
 * (write an eventfd, at most) nor listen or unlisten itself. At most 16 listeners; -ENOSPC. */
int feed_listen(struct feed *f, void (*fn)(void *arg), void *arg);
void feed_unlisten(struct feed *f, void (*fn)(void *arg), void *arg);

/* No more events will come (the target is gone, the replay is over): wakes every waiter. */
void feed_close(struct feed *f);
bool feed_closed(struct feed *f);

#endif
