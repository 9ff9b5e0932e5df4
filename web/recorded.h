/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One recorded session as a source: a thread of its own loads it into a model and a pyramid, and
 * reads on when its files have grown. The thread ends when it is done.
 *
 * recorded_new(), recorded_refresh() and recorded_free() are one thread's at a time.
 */
#ifndef XGOTOPFS_WEB_RECORDED_H
#define XGOTOPFS_WEB_RECORDED_H

#include "core/session/reader.h"
#include "core/session/store.h"
#include "web/source.h"

struct recorded;

/* Starts loading. `stamp` is how its files lie at this moment or before. 0 or -errno. */
int recorded_new(struct store *store, const char *id, const struct session_stamp *stamp,
		 size_t pyramid_bytes, struct recorded **ret);
/* Ends the thread first; NULL is fine. */
void recorded_free(struct recorded *r);
struct source *recorded_source(struct recorded *r);

enum recorded_news {
	RECORDED_CURRENT, /* or it is being loaded */
	RECORDED_GROWS,   /* more was written: it is being read on, loading but readable */
	RECORDED_OTHER,   /* not what was loaded: load it anew */
};

/* Compares what was loaded with how the files lie now. Cheap; a session that keeps changing is said
 * to be another one for a fifth of the time at most. */
enum recorded_news recorded_refresh(struct recorded *r, const struct session_stamp *now);
/* Waits until it is no longer loading, at most so long. */
void recorded_wait(struct recorded *r, uint64_t timeout_ns);
/* Of a recorded source: up to where it was read, and what is missing. Any thread. */
void recorded_end(struct source *s, struct session_end *ret);
/* Memory of its model and pyramid. Any thread. */
uint64_t recorded_bytes(struct recorded *r);

#endif
