/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events -> a Perfetto trace (for ui.perfetto.dev and trace_processor): a track a goroutine, below
 * one a start function, with its states as slices, allocations, creations and exits as instants,
 * arrows from who woke or created a goroutine to it, and the bytes allocated as a counter a
 * process. Streaming: memory grows with the goroutines that live at a time and with names, not with
 * events. One thread uses it.
 */
#ifndef XGOTOPFS_SESSION_PERFETTO_H
#define XGOTOPFS_SESSION_PERFETTO_H

#include "core/base/buf.h"
#include "core/model/model.h"

struct perfetto;
struct session_meta;
struct session_chunk;

/* names is borrowed. wall_offset_ns: CLOCK_REALTIME minus the events' clock. */
int perfetto_new(const struct names *names, int64_t wall_offset_ns, struct perfetto **ret);
/* The same for a recorded session, of which `first` is what was read first, and describes the
 * process that its metadata tells of. */
int perfetto_begin(const struct names *names, const struct session_meta *meta,
		   const struct session_chunk *first, struct perfetto **ret, struct buf *out);
void perfetto_free(struct perfetto *p);

/* All append to `out`; 0 or -ENOMEM. A process is described before its events, or goes by its
 * index. */
int perfetto_process(struct perfetto *p, unsigned index, const struct proc_info *info,
		     struct buf *out);
/* Goroutines that are there without an event having said so. */
int perfetto_goroutines(struct perfetto *p, unsigned proc, const struct goroutine_seen *seen,
			size_t n, uint64_t time_ns, struct buf *out);
int perfetto_events(struct perfetto *p, const struct event *events, size_t n, struct buf *out);
/*
 * One that a model knows: names its track, and where it has been in its present state without an
 * event since until_ns, begins that. Before all events.
 */
int perfetto_goroutine(struct perfetto *p, const struct goroutine *g, uint64_t until_ns,
		       struct buf *out);
/* Says in the trace, where the newest event is, why it goes no further. */
int perfetto_cut(struct perfetto *p, const char *why, struct buf *out);
/* Ends what is open: with the newest event, or later, where it is known until when nothing came
 * after that; 0: it is not. */
int perfetto_finish(struct perfetto *p, uint64_t until_ns, struct buf *out);

#endif
