/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a recorded session to a model: the one set of rules by which -replay and the web server do
 * it. Chunk by chunk, so that a caller may keep a pace in between; a session that is still being
 * recorded is read on where it ended.
 *
 * The rules. Processes get the indexes they had; a session that names none (the original's, lines)
 * is about the one in its metadata. A process ends when the session says so, after the events that
 * were recorded with that; one that outlived the recording runs at its end. Goroutines read from a
 * target's memory come before the events recorded with them. A loss is put between the events where
 * it was, of its process where that is known, and counts by type; what the recorder missed is no
 * loss of the tracing's.
 *
 * One thread uses a loader; it is the model's applying thread.
 */
#ifndef XGOTOPFS_SESSION_LOADER_H
#define XGOTOPFS_SESSION_LOADER_H

#include "core/model/model.h"
#include "core/session/reader.h"

struct loader;

/* Who follows beside the model: told of the same, after the model was. Functions may be NULL. */
struct loader_sink {
	/* As the model has made them; EVENT_LOST among them. */
	void (*events)(void *ctx, const struct event *events, size_t n);
	/* Goroutines came, or changed their state, without an event, at that time. */
	void (*seen)(void *ctx, struct model *m, uint64_t time_ns);
	void *ctx;
};

/* names is borrowed: the model's. Errors as session_reader_open(), and what reading gives. */
int loader_open(int dir_fd, struct names *names, struct loader **ret);
void loader_close(struct loader *l); /* NULL is fine */

const struct session_meta *loader_meta(const struct loader *l);
uint64_t loader_size(const struct loader *l); /* of the events file, bytes */
/*
 * CLOCK_REALTIME minus the session's CLOCK_MONOTONIC. The original does not record it: then it is
 * an estimate from start_time and the first event (*ret_estimate, may be NULL).
 */
int64_t loader_wall_offset(const struct loader *l, bool *ret_estimate);

/* Both are borrowed; the model is empty. sink may be NULL. Before all below. */
void loader_begin(struct loader *l, struct model *m, const struct loader_sink *sink);
/*
 * Reads the next chunk once the last one's events were all applied, and applies what comes before
 * its events. 1: loader_events() has what to apply (it may be none); 0: the end, as of now: the
 * next call looks whether more was written; -errno: it cannot be read.
 */
int loader_next(struct loader *l);
/* What is to be applied next. Valid until it is, or the next call of loader_next(). */
const struct event *loader_events(const struct loader *l, size_t *ret_n);
/* Applies the first n of those. */
void loader_apply(struct loader *l, size_t n);
/* Back to the start: empties the model, too (model_reset()). 0 or -errno. */
int loader_rewind(struct loader *l);

struct loader_state {
	uint64_t first_ns;      /* the first event's time; 0: there is none yet */
	uint64_t position_ns;   /* the newest applied event's, at least first_ns */
	uint64_t passed;        /* events and gaps applied since the start */
	uint64_t missed;        /* by the recorder, in what was passed */
	struct session_end end; /* as far as it was read */
};

void loader_state(const struct loader *l, struct loader_state *ret);

#endif
