/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Inside the pyramid: rows, their cells, and the per-process series. Only core/pyramid includes it.
 */
#ifndef XGOTOPFS_PYRAMID_INTERNAL_H
#define XGOTOPFS_PYRAMID_INTERNAL_H

#include <pthread.h>

#include "core/base/util.h"
#include "core/model/walk.h"
#include "core/pyramid/pyramid.h"

#define NO_CHUNK    UINT32_MAX
#define CHUNK_CELLS 8

/* 20 bytes: the bucket's number in 48 bits, then what happened in it. */
struct cell {
	uint32_t index_low;
	uint16_t index_high;
	uint8_t states; /* dominant << 4 | state at the end, as shown (row_shows) */
	uint8_t flags;
	uint8_t share[SHARES];
	uint16_t transitions, allocs; /* saturating */
	uint32_t bytes;               /* saturating */
};

static inline uint64_t cell_index(const struct cell *c)
{
	return (uint64_t)c->index_high << 32 | c->index_low;
}

static inline void cell_set_index(struct cell *c, uint64_t index)
{
	c->index_low = (uint32_t)index;
	c->index_high = (uint16_t)(index >> 32);
}

/* --- what a row shows: a state, and of one that waits the kind of it ---------------------- */

/* Kinds by reason, looked up once each; all zero at first. */
struct kind_cache {
	const struct names *names; /* NULL: no kind is known */
	struct {
		uint32_t reason_id;
		uint8_t kind;
	} v[32];
};

/* enum gstate, PYRAMID_UNKNOWN or PYRAMID_NONE of what is shown. */
uint8_t shown_state(uint8_t shown);
/* How a state is shown; reason_id is of one that waits. */
uint8_t shown_as(struct kind_cache *kinds, unsigned state, uint32_t reason_id);
/* What a row shows of its goroutine. */
uint8_t row_shows(struct kind_cache *kinds, const struct life *l);

/* Which kind of waiting most of the time was, when one was most of it (Boyer and Moore's vote). */
struct wait_vote {
	uint64_t weight;
	uint8_t shown;
};
/* Ignored for what does not wait. */
void wait_vote(struct wait_vote *v, uint8_t shown, uint64_t weight);
/* `state`, or the kind that won where that is waiting. */
uint8_t wait_voted(const struct wait_vote *v, uint8_t state);

/* --- row.c: one goroutine's open buckets, one a level ------------------------------------- */

struct open_bucket {
	uint64_t index;
	uint64_t ns[SHARES + 1]; /* the last: any other state */
	uint32_t transitions, allocs, bytes;
	struct wait_vote wait;
	uint8_t flags, end, other; /* other: which other state */
	bool open, changed;        /* changed: the state did, with an event or without */
};

struct open_row {
	unsigned base, levels; /* levels base, base + PYRAMID_STEP, … */
	uint64_t time_ns;      /* up to here it is accounted for */
	uint8_t state;         /* as shown; PYRAMID_NONE: not there */
	/* A bucket with activity is complete. */
	void (*emit)(void *ctx, unsigned level_index, const struct cell *cell);
	void *ctx;
	struct open_bucket open[PYRAMID_LEVELS];
};

enum pyramid_share share_of(uint8_t shown);
void row_begin(struct open_row *r, unsigned base, unsigned levels, uint64_t time_ns, uint8_t state);
/* Stays in its state until time_ns (ignored when that is in the past). */
void row_advance(struct open_row *r, uint64_t time_ns);
/* Advance, then count. `state` is the new one, or the old one for none. */
void row_event(struct open_row *r, uint64_t time_ns, uint8_t state, uint8_t flags, bool transition,
	       bool alloc, uint64_t bytes);
/* Its goroutine becomes what an event means, which `had` is before, and shows `is` then. */
void row_follow(struct open_row *r, const struct life *had, const struct meaning *m, uint8_t is,
		bool transition);
/* Completes the open buckets of the first `levels` levels. */
void row_finish(struct open_row *r, unsigned levels);
/* Two halves of one bucket. */
void cell_merge(struct cell *into, const struct cell *c);

/* --- store.c: completed cells -------------------------------------------------------------- */

struct chunk {
	uint32_t next;      /* of the same row */
	uint32_t fifo_next; /* the next younger of this level */
	uint32_t row;
	uint8_t n;
	uint8_t pad[3];
	struct cell cells[CHUNK_CELLS];
};

struct level_store {
	struct chunk *chunks;
	uint32_t n, cap, max;
	uint32_t oldest, youngest;
	uint64_t since_ns;
};

struct row {
	uint64_t goid;
	uint16_t proc;
	bool used;
	struct life life; /* what is known of it */
	uint64_t first_ns;
	uint32_t head[PYRAMID_LEVELS], tail[PYRAMID_LEVELS];
	uint8_t before[PYRAMID_LEVELS]; /* state before the oldest cell kept of the level */
	uint64_t
		since_ns[PYRAMID_LEVELS]; /* the level's cells are complete from here on; 0 = all */
	uint32_t chunks;
	struct open_row *open; /* NULL once it ended */
};

struct rows {
	struct row *v;
	uint32_t n, cap, used, free, n_open;
	uint32_t *table; /* open addressing, row number + 1 */
	uint32_t table_cap, table_used;
};

/* Fetches what rows_find() and an event will touch; one step after the other, some events apart. */
#define ROWS_FETCHES 3
void rows_fetch(const struct rows *rs, unsigned proc, uint64_t goid, unsigned step);
struct row *rows_find(struct rows *rs, unsigned proc, uint64_t goid);
/* Finds or makes; NULL = no memory. */
struct row *rows_get(struct rows *rs, unsigned proc, uint64_t goid);
/* Its goroutine ended: what was open is not any more. */
void rows_close(struct rows *rs, struct row *r);
void rows_remove(struct rows *rs, struct row *r);
void rows_clear(struct rows *rs);

void store_init(struct level_store *s, size_t bytes);
void store_clear(struct level_store *s);
void store_append(struct pyramid *p, struct row *r, unsigned li, const struct cell *cell);

/* --- read.c: the cells of a time range ------------------------------------------------------- */

/* What is asked, and where it is read from. */
struct range {
	unsigned level;      /* of the cells in the answer: a stored level is merged to it */
	unsigned li;         /* stored level index read */
	uint64_t begin, end; /* ns */
	/* Open buckets count time up to here, in the state the row is in; 0: to its last event. */
	uint64_t until;
};

struct cells {
	struct cell *v;
	size_t n, cap;
	int err;
};

void cells_add(struct cells *cs, const struct cell *c);
/* For open_row.emit: the cells of one level. */
struct cells_of {
	struct cells *cells;
	unsigned li;
};
void cells_collect(void *ctx, unsigned li, const struct cell *cell);
/*
 * The row's cells of a stored level that touch [begin, end), those still open too. Returns the
 * state before the first of them.
 */
uint8_t cells_read(struct pyramid *p, const struct row *r, const struct range *q,
		   struct cells *out);
/* Buckets [from, from + n) of 2^level ns end within 64 bits; so their times may be shifted and
 * added. */
bool range_check(unsigned level, uint64_t from, uint64_t n);
/* Which stored level answers for a row: the one asked for, or a coarser one that still reaches
 * back. Sets li and level. */
void range_pick(const struct row *r, struct range *q);

/* --- series.c ------------------------------------------------------------------------------ */

#define SERIES_LEVELS 6
#define SERIES_RING   4096

struct series;
int series_new(uint64_t time_ns, struct series **ret);
void series_free(struct series *s);
size_t series_bytes(const struct series *s);
/* The process ended: time goes no further, and what was counted past that is taken back. */
void series_end(struct series *s, uint64_t time_ns);
uint64_t series_ended(const struct series *s); /* when; UINT64_MAX: it goes on */
/* How many are in each state; call before the change it is about. */
void series_advance(struct series *s, uint64_t time_ns);
/* One more (1) or one less (-1) is in that state, since a time that may be before now: a state that
 * was read from memory is known late. */
void series_state(struct series *s, unsigned state, int delta, uint64_t since_ns);
/* The present bucket, to count in. Valid until the next advance. */
struct pyramid_bucket *series_now(struct series *s);
/* A goroutine got its CPU now, after so long. */
void series_latency(struct series *s, uint64_t ns);
/* The caller has checked that the buckets are there: range_check(). */
void series_read(struct series *s, unsigned level, uint64_t from, size_t n,
		 struct pyramid_bucket *ret);

struct pyramid {
	pthread_mutex_t lock; /* protects everything below */
	struct level_store levels[PYRAMID_LEVELS];
	struct rows rows;
	struct kind_cache kinds;
	struct series *series[MODEL_PROCS_MAX]; /* made when first needed */
	/* Up to when a process's rows were brought in line with the model, and `missed` then. */
	uint64_t synced_ns[MODEL_PROCS_MAX], synced_missed[MODEL_PROCS_MAX];
	uint64_t first_ns, last_ns, known_ns, missed, cells, forgotten;
};

/* What is known of a process ends here; the lock is held. */
static inline uint64_t known_until(const struct pyramid *p, unsigned proc)
{
	const struct series *s = proc < MODEL_PROCS_MAX ? p->series[proc] : NULL;

	return s ? MIN(p->known_ns, series_ended(s)) : p->known_ns;
}

#endif
