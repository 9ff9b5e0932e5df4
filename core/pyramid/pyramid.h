/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The time pyramid: what every goroutine did, at every zoom, so that a timeline of ten thousand
 * goroutines and ten million events can be drawn from a few kilobytes.
 *
 * Time is cut into buckets of 2^level ns. For each goroutine and bucket with activity there is a
 * cell: how the bucket's time divides over the states, the state it ends in, and counts. A bucket
 * without a cell is one in which the goroutine stayed in the state the last cell ended in, so what
 * does nothing takes no memory. Every fourth level is stored; those between are merged when asked
 * for, and those finer than PYRAMID_BASE come from the retained events themselves.
 *
 * Built as events come, in time order within a goroutine. What they mean is core/model/walk.h's
 * word; a goroutine whose state is not known is PYRAMID_UNKNOWN. A process that ended stays as it
 * was: its time ends with it. Bounded: past its share of the memory, a level forgets its oldest
 * cells; coarse levels reach back much further than fine ones.
 *
 * Thread-safe: one writer (apply, sync), any number of readers, a lock inside.
 */
#ifndef XGOTOPFS_PYRAMID_PYRAMID_H
#define XGOTOPFS_PYRAMID_PYRAMID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/model/event.h"
#include "core/model/model.h"
#include "core/model/wait_kind.h"

#define PYRAMID_BASE         14 /* finest stored level: 16.4 µs */
#define PYRAMID_STEP         4
#define PYRAMID_LEVELS       8 /* stored: 14, 18, … 42 */
#define PYRAMID_LEVEL_MAX    44
#define PYRAMID_TILE_BUCKETS 256
#define SERIES_BASE          20   /* finest level of a process's series: a millisecond */
#define PYRAMID_ROWS_MAX     1024 /* goroutines a tile request may name */
#define PYRAMID_NONE         15   /* state: not there (before creation, after exit) */
#define PYRAMID_UNKNOWN      12   /* state: there, but it is not known in which */
/* Waiting, by enum wait_kind: numbers that no goroutine's state has here. */
#define PYRAMID_WAITS                                                                              \
	{                                                                                          \
		[WAIT_OTHER] = GSTATE_WAITING, [WAIT_SYNC] = 5, [WAIT_CHANNEL] = 6,                \
		[WAIT_NETWORK] = 7, [WAIT_SLEEP] = 11, [WAIT_IDLE] = 13, [WAIT_GC] = 14,           \
	}
#define PYRAMID_STATES (GSTATES + 1)
#define PYRAMID_TIME_END                                                                           \
	(1ull << 62) /* ns, 146 years: what is later is missed. A cell's number has 48 bits */

_Static_assert(PYRAMID_UNKNOWN == GSTATES,
	       "as the model and the views count it; the tiles' format");

/* Shares of a bucket's time, in 1/255 of the bucket; what is left is other states, among them
 * PYRAMID_UNKNOWN, and not there. */
enum pyramid_share { SHARE_RUNNING, SHARE_RUNNABLE, SHARE_SYSCALL, SHARE_WAITING, SHARES };

enum pyramid_flag {
	CELL_CREATED = 1 << 0, /* the goroutine began here */
	CELL_EXITED = 1 << 1,
	CELL_WOKEN = 1 << 2,   /* waiting -> runnable */
	CELL_SPAWNED = 1 << 3, /* created a goroutine */
	CELL_SLICE = 1 << 4,   /* allocated one */
	CELL_MAP = 1 << 5,
	CELL_OBJECT = 1 << 6,
};

/* The flag of an allocation's event type. */
static inline uint8_t pyramid_alloc_flag(unsigned event_type)
{
	return event_type == EVENT_MAKESLICE ? CELL_SLICE
	       : event_type == EVENT_MAKEMAP ? CELL_MAP
					     : CELL_OBJECT;
}

struct pyramid;

int pyramid_new(size_t bytes, struct pyramid **ret);
void pyramid_free(struct pyramid *p);

/* `names` for the sizes of element types. */
void pyramid_apply(struct pyramid *p, const struct names *names, const struct event *events,
		   size_t n);
/* Forgets everything: a replay went back. */
void pyramid_reset(struct pyramid *p);
/* The writer missed `n` events (the feed trimmed them first): marked in the series as lost. */
void pyramid_missed(struct pyramid *p, uint64_t n, uint64_t time_ns);
/*
 * Brings rows in line with the model: goroutines that have no event yet, and those whose state
 * changed without one (healing, lifecycle events not sampled). Only what the model knew before
 * `before_ns`, which is the time up to which events have been applied here.
 */
int pyramid_sync(struct pyramid *p, struct model *m, unsigned proc, uint64_t before_ns);

/* Nothing more will come for times before `time_ns`: what is known ends there, not at the last
 * event. */
void pyramid_until(struct pyramid *p, uint64_t time_ns);

struct pyramid_info {
	uint64_t first_ns, last_ns; /* of events applied; 0 before the first */
	uint64_t missed, cells, rows, bytes;
	uint64_t forgotten; /* cells that were given up for newer ones */
	/* Each stored level is complete for every goroutine from here on; for most, from earlier.
	 */
	uint64_t since_ns[PYRAMID_LEVELS];
};
void pyramid_info(struct pyramid *p, struct pyramid_info *ret);

/*
 * The tile `index` of `level`: time [index, index + 1) << (level + 8). Appends the tile format
 * (docs/api.md, "Tiles") for the goroutines named. Levels below PYRAMID_BASE read the model's
 * retained events (`m`). -EINVAL: level or index out of range.
 */
int pyramid_tile(struct pyramid *p, struct model *m, unsigned proc, unsigned level, uint64_t index,
		 const uint64_t *goids, size_t n, struct buf *out);
/* The same with the goroutines as one row (goid 0): shares are means over those there. */
int pyramid_group_tile(struct pyramid *p, unsigned proc, unsigned level, uint64_t index,
		       const uint64_t *goids, size_t n, struct buf *out);

/*
 * How long goroutines waited for a CPU, in powers of two: [2^(i + base), 2^(i + base + 1)) ns. What
 * is shorter is in the first, what is longer in the last.
 */
#define PYRAMID_LATENCY_BASE 9
#define PYRAMID_LATENCIES    24

/* One bucket of a whole process. */
struct pyramid_bucket {
	/* Goroutine-time: divide by the bucket's width for a mean count. The last: not known. */
	uint64_t state_ns[PYRAMID_STATES];
	uint64_t events[EVENT_TYPES];
	uint64_t lost, alloc_bytes;
	uint64_t latency_count, latency_sum_ns, latency_max_ns; /* runnable -> running */
	uint32_t latencies[PYRAMID_LATENCIES];                  /* the same by how long they took */
};

/*
 * Buckets [from, from + n) of `level` (SERIES_BASE to PYRAMID_LEVEL_MAX) of a process. ret[i] is
 * all zero where nothing is known. Returns 0, -EINVAL (also when a bucket would end past 2^64 ns)
 * or -ENOENT (no such process).
 */
int pyramid_series(struct pyramid *p, unsigned proc, unsigned level, uint64_t from, size_t n,
		   struct pyramid_bucket *ret);

#define PYRAMID_BUSY_ROWS 10

struct pyramid_busy {
	unsigned proc, level; /* SERIES_BASE to PYRAMID_LEVEL_MAX */
	uint64_t from;        /* buckets [from, from + n) */
	size_t n;
	const uint64_t *goids; /* NULL: every goroutine that has a row here */
	size_t n_goids;
};

/*
 * How many goroutines were running how much of each bucket: ret[i][k] is how many for more than k
 * and at most k + 1 tenths of bucket from + i. One whose share is below a tenth's end by less than
 * 1/255 may count in the next. Buckets before *ret_since are answered with the mean of a coarser
 * one where that is all that is kept. 0, -EINVAL (out of range) or -ENOMEM.
 */
int pyramid_busy(struct pyramid *p, const struct pyramid_busy *q,
		 uint32_t (*ret)[PYRAMID_BUSY_ROWS], uint64_t *ret_since);

#endif
