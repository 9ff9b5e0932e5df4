/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of this room share. An event's way leads through them in this order:
 *
 *   apply.c    a batch: whose goroutine's is each part of each event, and is there a record of it?
 *   walk.c     1. what does the event mean for it? Pure: no record is touched
 *   record.c   2. the record, and what is counted, changes by it; what exited is kept or dropped
 *   feed.c     3. the event is published
 *
 * A reading of the target's memory takes the same way from heal.c. Who only reads is elsewhere
 * (query.c, match.c, model.c).
 *
 * Threads. Each event has two parts: the actor's (counts, allocations, parent, its place in the
 * feed) and the subject's (the goroutine whose state it tells of). Goroutines are spread over
 * shards by a hash of (process, goid). A shard is changed by one thread at a time, the one that
 * applies the parts of events that are the shard's, in the order of the batch: so the order within
 * a goroutine is kept however many threads share a batch. A part writes only its own fields of the
 * event. A large batch is applied by as many threads as there are shards, which then, when all
 * parts are done, share the writing of the feed; a small one by the caller alone; the result is the
 * same.
 *
 * Locks, in this order: apply_lock (who changes the model: apply, heal, lost, processes), lock
 * (write: changing, read: copying out), and the feed's own.
 */
#ifndef XGOTOPFS_MODEL_MODEL_INTERNAL_H
#define XGOTOPFS_MODEL_MODEL_INTERNAL_H

#include <string.h>

#include "core/base/hash.h"
#include "core/base/util.h"
#include "core/model/feed_internal.h"
#include "core/model/functions.h"
#include "core/model/model.h"
#include "core/model/pool.h"
#include "core/model/row_pool.h"
#include "core/model/slab.h"
#include "core/model/walk.h"

#define ROWS_INLINE      4  /* allocation rows inside the record */
#define ROWS_MAX         64 /* then all further types share one row a kind, with type_id 0 */
#define ROW_REST         ((1u << 30) - 1) /* which is this type's in the record */
#define STATES_COMMON    4                /* from GSTATE_RUNNABLE on: those that come and go */
#define RECORDS_A_CHUNK  256
#define TYPES_A_CHUNK    64
#define SHARDS_MAX       64
#define BATCH_SMALL      4096          /* applied under one hold of the lock by the caller */
#define BATCH_LARGE      16384         /* the same by the pool */
#define STATES_COUNTED   (GSTATES + 1) /* one more: state unknown */
#define ALLOCATION_KINDS 3             /* makeslice, makemap, newobject */

/*
 * One goroutine, by cache lines, of which each that is in no cache costs: every event touches the
 * first, a change of state the second, an allocation the third and then the fourth or one of
 * `more`; what seldom changes is behind them.
 */
struct record {
	uint64_t goid; /* 0: this record is free */
	uint64_t parent;
	struct life life;
	uint64_t last_event_ns;
	uint64_t last_seq; /* its newest event in the feed, plus 1; 0 none */
	uint32_t epoch;    /* of its process's losses when it was made */
	uint16_t proc;
	bool in_exited; /* in the list of exited goroutines */

	uint64_t state_ns[STATES_COMMON];
	uint64_t runnable_count, runnable_max_ns, woken_by;
	uint64_t
		counts[EVENT_TYPES]; /* changes of state in the second line, the others behind it */

	uint64_t alloc_bytes;
	struct row *more; /* those past the inline ones, by open addressing: 1 << more_bits */
	uint8_t tags[ROWS_INLINE]; /* tells a row without looking at it */
	uint8_t n_rows, more_bits, n_more;

	struct row rows[ROWS_INLINE] __attribute__((aligned(64)));

	uint64_t children;
	uint64_t created_ns, exited_ns;
	/* The stay that began at began_of_ns, if it is in that one, goes on a wait since began_ns.
	 */
	uint64_t began_ns, began_of_ns; /* GOROUTINE_EXIT_READ: began_ns is goroutine.seen_ns */
	uint64_t runnable_other_ns;     /* of state_ns: what did not end with a CPU */
	struct record *older, *newer;   /* exited list; `older` also chains free records */

	uint64_t rare_ns[GSTATES - GSTATE_RUNNABLE - STATES_COMMON];
	uint16_t began_flags; /* GOROUTINE_AT_LEAST, GOROUTINE_ABOUT */
	uint16_t turn;        /* goroutine_seen's, of the last reading */
	uint32_t start_func_id, created_site_id, heal_round;
	uint32_t last_of; /* the start function of which it is the last that ended; 0: of none */
} __attribute__((aligned(64)));

_Static_assert(offsetof(struct record, state_ns) == 64, "the first line");
_Static_assert(offsetof(struct record, counts) == 128 - sizeof(uint64_t), "the second line");
_Static_assert(offsetof(struct record, rows) == 192, "the third line");
_Static_assert(offsetof(struct record, children) == 256, "the fourth line");

/* Records in one piece; given back when none of them is in use. Records never move. */
struct chunk {
	unsigned index, used;
	unsigned fresh;                /* records from here on were never used */
	struct record *free;           /* used before, chained by `older` */
	struct chunk *previous, *next; /* in the shard's list of chunks with room */
	struct record records[RECORDS_A_CHUNK];
};

/* Eight to a line: what is not where its hash says is mostly in that line, too. */
struct slot {
	uint32_t hash; /* the lower 32 bits of hash_goroutine() */
	uint32_t nth;  /* number of the record in this shard, plus 1; 0: empty */
};

/* Count and bytes of TYPES_A_CHUNK types by kind. */
struct type_chunk {
	struct {
		uint64_t count, bytes;
	} kinds[TYPES_A_CHUNK][ALLOCATION_KINDS];
};

/* How many goroutines were made at a go statement with a start function: open addressing. */
struct made_row {
	uint32_t site_id, start_func_id;
	uint64_t n; /* 0: free */
};

struct made_rows {
	struct made_row *rows;
	uint32_t n, cap; /* a power of two */
};

/* Start functions of a process, found by their names' numbers. */
struct functions {
	struct model_function *rows;
	uint16_t *slots; /* 2 * cap; number of the row plus 1; 0 free */
	unsigned n, cap;
};

/* The share of a process's totals that this shard has seen. */
struct shard_proc {
	uint64_t events[EVENT_TYPES];
	uint64_t created, created_by_threads, exited, healed;
	uint64_t live[STATES_COUNTED];
	uint64_t alloc_bytes;
	double alloc_squares; /* of the bytes of each goroutine, summed */
	uint64_t last_event_ns;
	uint64_t goid_most; /* no goroutine that is or was kept here has a greater number */
	uint64_t runnable_latency[LATENCY_BUCKETS], runnable_sum_ns, runnable_max_ns;
	struct made_rows made;
	struct type_chunk **types; /* by type_id / TYPES_A_CHUNK */
	uint32_t n_types;
	struct functions functions;
};

/* A goroutine that ended or came back, at a position of the batch. */
struct change {
	size_t position;
	struct record *record;
};

struct shard {
	struct slot *slots;
	uint32_t mask, used;
	struct chunk **chunks; /* NULL where one was given back */
	struct slabs slabs;    /* where the later ones are */
	struct row_pool rows;
	uint32_t n_chunks, n_missing, n_empty;
	struct chunk *room;     /* chunks with room, the one to use next first */
	struct record *last[2]; /* looked up last: actor, subject */
	struct change *changes;
	size_t n_changes;
	struct shard_proc **procs; /* MODEL_PROCS_MAX; those of processes that are kept */
	unsigned n_procs;          /* none beyond this one was used */
	uint64_t dropped_goroutines, dropped_rows;
	size_t memory;
} __attribute__((aligned(64)));

/* The goroutine of each start function that ended last, by the function: last_ended.c. */
struct last_ended {
	struct record **slots; /* NULL: free */
	uint32_t n, cap;       /* a power of two */
};

struct proc {
	struct proc_info info;
	uint64_t lost[EVENT_TYPES];
	uint32_t epoch;    /* grows with each loss */
	uint64_t lost_ns;  /* until then events were lost; 0: none was */
	uint64_t doubt_ns; /* until then changes of state were, and were not healed yet; 0: none */
	uint64_t exited_retained, exited_dropped, exited_dropped_ns;
	uint64_t first_read_ns;
	uint64_t read_ns; /* the newest reading, and its heal_round; 0: none was */
	uint32_t read_round;
	struct last_ended last;
	bool dropping, awaits; /* model_await() */
	struct past *past;     /* NULL: nothing was written down yet */
};

struct model {
	struct model_config config;
	struct feed *feed;
	struct samples *samples;
	struct pool *pool;       /* NULL: the caller applies alone */
	struct feed_link *links; /* with a pool: of the events of a batch, BATCH_LARGE */
	unsigned n_shards;

	pthread_mutex_t apply_lock;
	pthread_rwlock_t lock;
	/* protected by lock */
	struct shard *shards;
	struct proc *procs[MODEL_PROCS_MAX]; /* NULL: not kept any more */
	unsigned n_procs;
	uint16_t kept[MODEL_PROCS_MAX]; /* their numbers, ascending */
	unsigned n_kept, n_ended;       /* of kept */
	unsigned root;
	struct model_totals gone;               /* of those that are not kept */
	_Atomic pid_t pids[MODEL_PROCS_MAX];    /* of all there were */
	_Atomic uint16_t nths[MODEL_PROCS_MAX]; /* model_nth_of() */
	struct record *oldest_exited, *newest_exited;
	size_t n_exited;       /* in that list; those of last_ended.c may be beyond it */
	uint32_t n_last_ended; /* of all processes */
	bool keeps_exits; /* somebody brings it in line with a reading: none is dropped meanwhile */
	uint64_t past_next_ns; /* the next moment is written down then; 0: nothing was applied */
	uint64_t lost_unknown[EVENT_TYPES]; /* process not known */
	uint64_t unknown_proc, malformed;
	/* protected by apply_lock */
	uint32_t heal_round;
	uint64_t off_ns; /* model_unwatch(): since then no probe is in; 0: they are, */
	uint64_t on_ns;  /* since then; 0: all the time */
};

/* A pseudo-event into the feed; both locks are held, and feed_notify() follows. */
void model_append(struct model *m, const struct event *ev);

/* As model_new(), with the number of shards and of threads given: for tests and benchmarks. */
int model_new_sharded(const struct model_config *config, unsigned shards, unsigned threads,
		      struct model **ret);

static inline bool proc_known(const struct model *m, unsigned proc)
{
	return proc < m->n_procs && m->procs[proc];
}

static inline unsigned shard_of(const struct model *m, unsigned proc, uint64_t goid)
{
	if (m->n_shards == 1)
		return 0;
	/* The upper 24 bits, which the table's index does not use, scaled to the shards. */
	return (unsigned)((hash_goroutine(proc, goid) >> 40) * m->n_shards >> 24);
}

static inline struct record *shard_record(const struct shard *s, uint32_t number)
{
	return &s->chunks[number / RECORDS_A_CHUNK]->records[number % RECORDS_A_CHUNK];
}

/* What does nothing but fetch ahead is pure to gcc, which then leaves its calls out, unless it is
 * inlined before it looks. */
#define FETCHES static inline __attribute__((always_inline))

FETCHES void shard_fetch_slot(const struct shard *s, uint32_t hash)
{
	__builtin_prefetch(&s->slots[hash & s->mask]);
}

FETCHES void record_fetch(const struct record *g, unsigned first, unsigned end)
{
	for (unsigned line = first; line < end; line++)
		__builtin_prefetch((const char *)g + 64 * line, 1);
}

static inline uint32_t row_key(uint8_t event_type, uint32_t type_id)
{
	_Static_assert(NAMES_MAX < ROW_REST, "with the kind in 32 bits");
	return type_id << 2 | (event_type - EVENT_MAKESLICE + 1u);
}

static inline uint32_t row_hash(uint32_t key)
{
	return key * 0x9e3779b1u;
}

static inline uint8_t row_tag(uint32_t key)
{
	return (uint8_t)(row_hash(key) >> 24);
}

/* Where to begin to look in `more`. */
static inline uint32_t row_place(const struct record *g, uint32_t key)
{
	return row_hash(key) >> (32 - g->more_bits);
}

/* The line behind the third that an allocation will touch. */
FETCHES void record_fetch_row(const struct record *g, uint32_t key)
{
	bool inside = !g->more;

	for (unsigned i = 0; i < ROWS_INLINE; i++)
		inside |= g->tags[i] == row_tag(key);
	__builtin_prefetch(inside ? g->rows : &g->more[row_place(g, key)], 1);
}

/* ns in a state; not of GSTATE_IDLE, in which no goroutine is. */
static inline uint64_t *record_state_ns(struct record *g, unsigned state)
{
	unsigned i = state - GSTATE_RUNNABLE;

	return i < STATES_COMMON ? &g->state_ns[i] : &g->rare_ns[i - STATES_COMMON];
}

static inline void record_copy_states(const struct record *g, uint64_t ret[GSTATES])
{
	memcpy(ret + GSTATE_RUNNABLE, g->state_ns, sizeof(g->state_ns));
	memcpy(ret + GSTATE_RUNNABLE + STATES_COMMON, g->rare_ns, sizeof(g->rare_ns));
}

/* For walking over all: numbers run below shard_numbers(); NULL where no goroutine is. */
static inline uint32_t shard_numbers(const struct shard *s)
{
	return s->n_chunks * RECORDS_A_CHUNK;
}

static inline struct record *shard_used_record(const struct shard *s, uint32_t number)
{
	struct chunk *chunk = s->chunks[number / RECORDS_A_CHUNK];
	struct record *g = chunk ? &chunk->records[number % RECORDS_A_CHUNK] : NULL;

	return g && g->goid ? g : NULL;
}

static inline bool record_exited(const struct record *g)
{
	return g->life.flags & GOROUTINE_EXITED;
}

static inline bool record_changed_since(const struct record *g, uint64_t since_ns)
{
	return g->last_event_ns >= since_ns || g->life.since_ns >= since_ns ||
	       (record_exited(g) && g->exited_ns >= since_ns);
}

/* record.c: since when it has been as it is (goroutine_began()); and GOROUTINE_AT_LEAST,
 * GOROUTINE_ABOUT or 0. */
uint64_t record_began(const struct record *g, uint16_t *ret_flags);
/* The runtime says so of the state that was read. */
void record_note_began(struct record *g, uint64_t began_ns);
/* The runtime says that the stay it is in goes on since about then; what is known of a time before
 * may be of another one. */
void record_note_lasts(struct record *g, uint64_t began_ns);

/* model.c: adds a process's counts. The lock is held. */
void proc_totals(const struct model *m, struct model_totals *t, unsigned proc);
/* procs.c: drops what ended longest ago where too many did. The lock is held for writing. */
void model_settle_procs(struct model *m);
/* The root may have become another one. The same. */
void model_find_root(struct model *m);

/* query.c: for a reader, the lock held. */
void record_copy(const struct model *m, const struct record *g, struct goroutine *ret);

/* table.c: a shard's goroutines. */
int shard_init(struct shard *s);
void shard_free(struct shard *s);
struct record *shard_find(const struct shard *s, unsigned proc, uint64_t goid);
/* A new record (the goid must not be there yet), zeroed but for its key; NULL without memory. */
struct record *shard_add(struct shard *s, unsigned proc, uint64_t goid);
void shard_remove(struct shard *s, struct record *g);
/* Gives memory of the table back after very many were removed. */
void shard_shrink(struct shard *s);
int shard_add_proc(struct shard *s, unsigned proc);
void shard_drop_proc(struct shard *s, unsigned proc);

/* allocations.c: who allocated what. */
void record_drop_rows(struct shard *s, struct record *g);
void record_count_allocation(struct shard *s, struct record *g, uint8_t event_type,
			     uint32_t type_id, uint64_t bytes);
void proc_count_allocation(struct shard *s, struct shard_proc *sp, uint8_t event_type,
			   uint32_t type_id, uint64_t bytes);

/* last_ended.c. It has ended: makes it the last of its start function, if there is room. Returns
 * the one that was it, which is kept for that no longer; or NULL. */
struct record *last_ended_put(struct model *m, struct record *g);
/* It has not ended after all, or is about to be removed. */
void last_ended_remove(struct model *m, struct record *g);
/* Of a process that goes, or begins anew. */
void last_ended_free(struct model *m, struct last_ended *l);

/* made.c: one more was made there. */
void made_count(struct shard *s, struct made_rows *rows, uint32_t site_id, uint32_t start_func_id);

/* functions.c: by start function. Counts never fail: what there is no room for is in no row. */
void functions_count(struct functions *f, uint32_t func_id, int live, int created, int exited);
/* It starts at another one than was known. */
void functions_move(struct functions *f, const struct record *g, uint32_t func_id);
void functions_exited(struct functions *f, const struct record *g, uint64_t time_ns);
/* It is about to be removed, as too many have exited. */
void functions_dropped(struct functions *f, const struct record *g);
void functions_free(struct functions *f);
/* Writes a moment down when it is time; everything until time_ns was applied. The lock is held for
 * writing. */
void past_take(struct model *m, uint64_t time_ns);
void past_begin(struct model *m, uint64_t time_ns); /* of a process that has come */
void past_free(struct past *p);                     /* NULL is fine */

/* record.c: what changes, in records. Callers hold lock for writing. */
/* Of a goroutine that appeared; m->life is what is known of it. NULL without memory. */
struct record *record_new(struct model *m, struct shard *s, unsigned proc, uint64_t goid,
			  const struct meaning *meaning);
/* `position` orders the exits of a batch over all shards. */
void record_follow(struct shard *s, struct record *g, const struct meaning *meaning,
		   size_t position);
/* Both steps at once of what life_moves_on(); ev->string_id becomes the reason of a wait that
 * ended.
 */
void record_move(struct shard_proc *sp, struct record *g, struct event *ev);
/* The same of what stays in its state: for who asks how long it is as it is, that goes on. */
void record_follow_on(struct shard *s, struct record *g, const struct meaning *meaning);
/* An event told of its creation, at time_ns, and perhaps where it starts. */
void record_note_creation(struct shard_proc *sp, struct record *g, uint64_t time_ns);
void record_set_start(struct model *m, struct shard *s, struct record *g, uint32_t start_func_id,
		      uint32_t created_site_id);
/* It leaves the list of exited ones, if it is there: it is about to be removed. */
void record_forget(struct model *m, struct record *g);
/* Puts what exited into the list of exited ones and drops the oldest past the bound. */
void model_settle_exits(struct model *m);

#endif
