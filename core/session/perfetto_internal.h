/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the halves of perfetto.h share: perfetto.c says what events become, perfetto_write.c how
 * that is written.
 */
#ifndef XGOTOPFS_SESSION_PERFETTO_INTERNAL_H
#define XGOTOPFS_SESSION_PERFETTO_INTERNAL_H

#include "core/model/walk.h"
#include "core/session/perfetto.h"
#include "proto/perfetto.pb-c.h"

#define PROC_TRACK(proc) (((uint64_t)(proc) + 1) << 48)

enum type { SLICE_BEGIN = 1, SLICE_END = 2, INSTANT = 3, COUNTER = 4 };
enum category { CATEGORY_STATE = 1, CATEGORY_ALLOCATION, CATEGORY_GOROUTINE, CATEGORY_LOST };
enum annotation {
	NOTE_SIZE = 1,
	NOTE_LEN,
	NOTE_CAP,
	NOTE_HINT,
	NOTE_CALLER,
	NOTE_GOROUTINE,
	NOTE_COUNT,
	NOTES
};

struct track {
	uint64_t goid;    /* 0: a free slot, unless `used` */
	uint64_t flow;    /* to end at the next slice; 0 none */
	struct life life; /* while it is there, a slice of its state is open */
	uint32_t proc;
	bool used;
	uint32_t func_id; /* its name has; 0 not known */
};

/* What has been interned: (kind, id) -> iid. */
struct name_slot {
	uint64_t key; /* 0: free */
	uint64_t iid;
};

enum name_kind {
	NAME_STATE = 1,
	NAME_REASON,
	NAME_ALLOCATION,
	NAME_EVENT,
	NAME_FUNC,
	NAME_SITE,
	NAME_GROUP /* no name, but a track that has been described; by process */
};

struct counter {
	uint64_t bytes, written_ns;
	bool described;
};

struct perfetto {
	const struct names *names;
	int64_t wall_offset_ns;
	struct track *tracks;
	size_t mask, n_tracks;
	struct name_slot *slots;
	size_t name_mask, n_names;
	struct counter counters[MODEL_PROCS_MAX];
	uint64_t ended_ns[MODEL_PROCS_MAX]; /* of the process; 0 while it runs */
	uint64_t next_flow;
	uint64_t start_ns, last_ns; /* of the trace; of the newest event, 0 none yet */
	bool started;
	/* At the end of what came, and what comes next may belong to it. */
	struct event held;
	bool holds;
	int err;
};

/* --- perfetto_write.c: all set p->err without memory -------------------------------------------
 */

/* The clocks, and names that are always needed; once. */
void trace_start(struct perfetto *p, uint64_t time_ns, struct buf *out);
void trace_put_track(struct perfetto *p, Perfetto__TrackDescriptor *track, struct buf *out);
void trace_put_event(struct perfetto *p, uint64_t time_ns, Perfetto__TrackEvent *event,
		     enum category category, struct buf *out);

/* Sends an event's name; its number. */
uint64_t trace_put_name(struct perfetto *p, const char *text, struct buf *out);
/* The number of a name, which is sent first when it is new. 0 without memory. */
uint64_t trace_name(struct perfetto *p, enum name_kind kind, unsigned what, uint32_t id,
		    struct buf *out);

uint64_t trace_track_uuid(unsigned proc, uint64_t goid);
/* The track of a goroutine, described first when it is new; func_id names it. NULL: no memory. */
struct track *trace_track(struct perfetto *p, unsigned proc, uint64_t goid, uint32_t func_id,
			  struct buf *out);
/* The same as far as it is there; NULL. */
struct track *trace_find(struct perfetto *p, unsigned proc, uint64_t goid);
/* Forgets a goroutine that has ended, closing the gap it leaves in the table: no other track that
 * is held may be used after it. */
void trace_forget(struct perfetto *p, struct track *t);

#endif
