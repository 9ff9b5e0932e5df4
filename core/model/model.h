/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The model: every goroutine of every traced process, what it did, and the feed of events.
 * It knows nothing of how events come or who looks: capture, fs, web and session stay outside.
 *
 * One thread applies (capture or replay); any thread reads. Readers get copies made under a lock
 * that is never held while formatting, replying or writing. Times: CLOCK_MONOTONIC ns.
 * Memory: `retain` events, `retain_exited` exited goroutines, the last one that ended of each start
 * function (LAST_ENDED_MAX), and what is live.
 */
#ifndef XGOTOPFS_MODEL_MODEL_H
#define XGOTOPFS_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/model/event.h"
#include "core/model/feed.h"
#include "core/model/names.h"

struct model;

struct model_config {
	size_t retain;          /* events kept, at least 1 */
	size_t retain_exited;   /* exited goroutines kept, over all processes */
	unsigned workers;       /* threads that apply a large batch (-pw); 1 = the caller alone */
	int64_t wall_offset_ns; /* CLOCK_REALTIME minus CLOCK_MONOTONIC at the start */
	struct names *names;    /* borrowed; outlives the model */
	/* Over all processes, retained ones that exited included; each thread has its share of it.
	 * 0: MODEL_GOROUTINES_MAX. What does not fit counts in dropped_goroutines. */
	unsigned goroutines_max;
	unsigned procs_ended; /* that are kept; 0: MODEL_PROCS_ENDED */
};

#define MODEL_GOROUTINES_MAX (1u << 22)
#define LAST_ENDED_MAX       16384 /* of all processes; kept whatever retain_exited is */

int model_new(const struct model_config *config, struct model **ret);
void model_free(struct model *m);
struct feed *model_feed(struct model *m);
struct names *model_names(struct model *m);
struct samples *model_samples(struct model *m); /* samples.h; lives as long as the model */
int64_t model_wall_offset(const struct model *m);

/* --- processes -------------------------------------------------------------------------- */

/*
 * Processes have numbers from 0 on, which are not given again: events that are kept stay those of
 * their process. What is known of one that ended is kept for the last of them; the first process
 * (model_proc_root()) stays.
 */
#define MODEL_PROCS_MAX   65000 /* numbers */
#define MODEL_PROCS_ENDED 512   /* that are kept, unless model_config says another number */

enum proc_state { PROC_RUNNING, PROC_EXITED };

/*
 * A process is what runs from one execve(2) to the next, or to the end: one that executes another
 * program, or its own again, ends, and another begins with the same pid.
 */

struct proc_info {
	pid_t pid;
	char binary_path[512];
	char go_version[64];
	enum proc_state state;
	uint64_t attached_ns;
	uint64_t exited_ns;    /* 0 while it runs */
	bool execed;           /* that was the end: it executed … */
	char execed_path[256]; /* … this; "": not known */
	bool status_known;
	int status; /* how it ended, as waitpid(2) says */
};

/* Returns the new process's index (0 for the first) or -ENOSPC. Applying thread only. */
/* Names it, as text_name() has them (core/base/text.h): paths and versions come from programs
 * nobody vouches for. model_proc_add() does the same to what it keeps. */
void proc_info_name(struct proc_info *info, const char *binary_path, const char *go_version);
int model_proc_add(struct model *m, const struct proc_info *info);
/* The target ended: its goroutines freeze as they were, nothing is dropped. */
void model_proc_exited(struct model *m, unsigned proc, uint64_t time_ns);
/* How that will be, before it is told: as waitpid(2) says. */
void model_proc_status(struct model *m, unsigned proc, int status);
/* It executed `path` ("": not known): an end, and that of its goroutines. */
void model_proc_execed(struct model *m, unsigned proc, const char *path, uint64_t time_ns);
/* The process that is meant where none is named: the first, or what that has become since by
 * executing. */
unsigned model_proc_root(struct model *m);
/* The nth with that pid, from 1 on; -ENOENT. */
int model_proc_nth(struct model *m, pid_t pid, unsigned nth);
/* Numbers are below this. */
unsigned model_procs(struct model *m);
/* -ENOENT: there was none, or it is not kept any more. */
int model_proc(struct model *m, unsigned proc, struct proc_info *ret);
/* Of one that lives; -ESRCH: it has ended. */
int model_proc_living(struct model *m, unsigned proc, struct proc_info *ret);
int model_proc_by_pid(struct model *m, pid_t pid); /* newest with that pid, or -ENOENT */
/* Its pid, kept or not, 0 when there was none; as event_format.h's pid_of, whose ctx is the model
 * then. Takes no lock. */
int model_pid_of(void *model, unsigned proc);
/* The how manieth with its pid it is, from 1 on; as event_format.h's nth_of. */
unsigned model_nth_of(void *model, unsigned proc);

/* --- applying --------------------------------------------------------------------------- */

/*
 * Applies events in the order given and appends those without EVENT_HIDDEN to the feed. Sets
 * ev->parent. Order within a goroutine is kept for any number of workers. Applying thread only.
 */
void model_apply(struct model *m, struct event *events, size_t n);

/* A goroutine as read from the target's memory (runtime.allgs). */
struct goroutine_seen {
	uint64_t goid, parent;
	uint32_t start_func_id, reason_id, created_site_id;
	uint64_t began_ns; /* it has waited since about then (g.waitsince); 0 not known */
	uint16_t turn;     /* another one for each wait of its, nearly always; 0 not known */
	uint8_t state;     /* enum gstate; GSTATES: it is there, in which is not known */
	bool system;       /* runtime/traceback.go isSystemGoroutine */
};

/*
 * Brings process `proc` in line with what its memory said at `time_ns`: adds goroutines that were
 * there before us, corrects states after a loss, ends those that are gone. What an event newer than
 * time_ns said stands. `complete`: seen[] is all of allgs, so live ones that miss have exited; else
 * the states of those that miss are not known after a loss.
 */
bool model_heal(struct model *m, unsigned proc, const struct goroutine_seen *seen, size_t n,
		uint64_t time_ns, bool complete);

/* Ends those of these that a reading begun at `time_ns` did not have; what an event since said
 * stands. */
void model_heal_missing(struct model *m, unsigned proc, const uint64_t *goids, size_t n,
			uint64_t time_ns);

/*
 * After a loss of state changes a process is in doubt: some goroutines may be in other states than
 * is known, be there or be gone. A complete reading that was begun after the loss, once all events
 * up to its end were applied, ends that: model_heal() then answers true. It answers false where
 * another reading is needed.
 *
 * model_keep_exits(true): from before a reading until it is used, so that a goroutine that the
 * reading has, and that ended since, is still known to have ended. model_forget(): no reading is to
 * be had; the states that were last told of before `until_ns` (0: before the last loss) are not
 * known any more, and nothing is in doubt.
 */
bool model_in_doubt(struct model *m, unsigned proc);
/* Which goroutines there are is in doubt, too, while the first reading of very many is awaited:
 * until model_heal(), model_forget(), or with `on` false. */
void model_await(struct model *m, unsigned proc, bool on);
bool model_awaits(struct model *m, unsigned proc);
/*
 * No probe is in from `off_ns` on (CLOCK_MONOTONIC, before the first was taken out), of any
 * process: what each goroutine was doing counts until then, and readings tell the states from now
 * on, between which nothing is known. `doubt`: until the first of them, as after a loss. Once
 * everything from before was applied.
 *
 * model_watch(): all are in again at `on_ns`. `doubt`: all is in doubt until a reading that was
 * begun after it; from there on states and times are those of events. Without model_unwatch()
 * before: nothing happens. Both put an event_switch() into the feed. Any thread.
 */
void model_unwatch(struct model *m, uint64_t off_ns, bool doubt);
void model_watch(struct model *m, uint64_t on_ns, bool doubt);
void model_keep_exits(struct model *m, bool on);
void model_forget(struct model *m, unsigned proc, uint64_t until_ns);

/*
 * Forgets every goroutine, count and retained event, as if nothing had been applied yet: a replay
 * that seeks backwards begins anew. Processes keep their indexes and run again; sequence numbers of
 * the feed go on, so that cursors stay valid, and a closed feed is open again. Applying thread
 * only. 0 or -ENOMEM (nothing changed).
 */
int model_reset(struct model *m);

/* --- goroutines ------------------------------------------------------------------------- */

enum goroutine_flag {
	GOROUTINE_EXITED = 1 << 0,
	GOROUTINE_SYSTEM = 1 << 1,        /* belongs to the Go runtime */
	GOROUTINE_FOUND = 1 << 2,         /* existed before it was first seen: created_ns unknown */
	GOROUTINE_STATE_UNKNOWN = 1 << 3, /* seen acting, no state change seen yet */
	GOROUTINE_CGO = 1 << 4,           /* a C thread's goroutine */
	GOROUTINE_UNCERTAIN = 1 << 5,     /* times and counts miss lost or unsampled events */
	/* Its state was read from memory at state_since_ns, no event told of it: it has lasted at
	 * least since then. */
	GOROUTINE_STATE_READ = 1 << 6,
	/* No event told of its end: a reading of the memory missed it, at exited_ns. */
	GOROUTINE_EXIT_READ = 1 << 7,
	/* It may have been as it is for longer than since goroutine_began(): it was so when its
	 * memory was read. */
	GOROUTINE_AT_LEAST = 1 << 8,
	/* goroutine_began() is the runtime's word: it began then, or somewhat later. */
	GOROUTINE_ABOUT = 1 << 9,
	/* Probes were off since state_since_ns, or are: it was in that state then, and may have
	 * been in others meanwhile. Such time counts for no state. */
	GOROUTINE_GAP = 1 << 10,
	/* Its process executed another program at exited_ns: it did not end by itself. */
	GOROUTINE_EXECED = 1 << 12,
	/* Of its start function it is the last that ended. */
	GOROUTINE_LAST_ENDED = 1 << 13,
};

struct goroutine {
	uint64_t goid, parent;
	unsigned proc;
	uint8_t state;            /* enum gstate */
	uint8_t state_before;     /* the one that it left for it */
	uint16_t flags;           /* enum goroutine_flag */
	uint32_t reason_id;       /* why it waits, or waited last; names_string() */
	uint32_t start_func_id;   /* names_string() */
	uint32_t created_site_id; /* names_site(): the go statement */
	uint64_t state_since_ns;  /* last state change, or when it was first seen */
	uint64_t began_ns;        /* goroutine_began() */
	uint64_t created_ns;      /* first seen when GOROUTINE_FOUND */
	uint64_t exited_ns;       /* 0 while it lives */
	uint64_t seen_ns; /* GOROUTINE_EXIT_READ: there for the last time; it ended between then
			     and exited_ns; else 0 */
	uint64_t last_event_ns;
	uint64_t woken_by;            /* goid that made it runnable last; 0 none or the runtime */
	uint64_t counts[EVENT_TYPES]; /* events by it; casgstatus: of it */
	uint64_t alloc_bytes;
	uint64_t
		state_ns[GSTATES]; /* completed stays only; add now - state_since_ns for the rest */
	uint64_t runnable_count, runnable_sum_ns, runnable_max_ns; /* runnable -> running */
	uint64_t children;                                         /* created, live or not */
};

/*
 * Since when it has been as it is, for whoever asks how long it is stuck: state_since_ns, but what
 * was read from memory began before we looked, as far as the runtime knows, and a wait that Go
 * marks as leaked goes on. Time in a state counts from state_since_ns: what we saw of it.
 */
static inline uint64_t goroutine_began(const struct goroutine *g)
{
	return g->began_ns && g->began_ns < g->state_since_ns ? g->began_ns : g->state_since_ns;
}

/* A copy of one goroutine; -ENOENT when it never was or is no longer retained. */
int model_goroutine(struct model *m, unsigned proc, uint64_t goid, struct goroutine *ret);

/*
 * Copies of all goroutines of a process, one after the other: a pass takes the memory of some
 * hundreds of them (and 8 bytes for each by_goid), however many there are. Applying never waits
 *long: they are copied in parts, some milliseconds apart when there are many.
 *
 *	struct model_pass *pass cleanup_pass_ = NULL;
 *	int err = model_pass_new(m, proc, &(struct model_which){.exited = true}, &pass);
 *
 *	while (!err && (g = model_pass_next(pass)))
 *		…
 */
struct model_which {
	bool exited;       /* retained exited ones, too */
	bool by_goid;      /* ascending; else in no order, the cheapest way */
	uint64_t since_ns; /* an event, a state or an end since then; 0: all */
};

struct model_pass;

/* 0, -ENOMEM or -ENOENT (no such process). One thread uses a pass. */
int model_pass_new(struct model *m, unsigned proc, const struct model_which *which,
		   struct model_pass **ret);
/*
 * The next, until the next call; NULL at the end. Each that lives all the while comes once; by_goid
 * those that are there at the start, else one that ended and whose number came again may come
 * twice. No lock is held between the calls.
 */
const struct goroutine *model_pass_next(struct model_pass *p);
/* The same, some at once: how many, 0 at the end. */
size_t model_pass_part(struct model_pass *p, const struct goroutine **ret);
/* by_goid: at most so many are still to come. */
size_t model_pass_left(const struct model_pass *p);
void model_pass_free(struct model_pass *p); /* NULL is fine */

static inline void model_pass_freep(struct model_pass **p)
{
	model_pass_free(*p);
}
#define cleanup_pass_ __attribute__((cleanup(model_pass_freep)))

/* Some goroutines of a process, of those with greater numbers than `after` the first. */
struct model_some {
	uint64_t after;
	uint64_t since_ns; /* an event, a state or an end since then */
	size_t limit;
};

/*
 * Copies of those alone, by ascending goid, live or exited; *ret_more: there are others that
 * `limit` left out. Looks at every goroutine, in parts as a pass (at none where no number was ever
 * greater than `after`), but takes no memory for what is not asked for. The caller frees *ret. 0,
 * -ENOMEM or -ENOENT (no such process).
 */
int model_goroutines_some(struct model *m, unsigned proc, const struct model_some *q,
			  struct goroutine **ret, size_t *ret_n, bool *ret_more);

/* What goroutines can be found by. */
enum model_by {
	MODEL_BY_NOTHING, /* all, live or exited; key 0 */
	MODEL_BY_PARENT,  /* created by this one; live or exited */
	MODEL_BY_STATE,   /* enum gstate; GSTATES: not known; GSTATE_DEAD: the exited ones */
	MODEL_BY_REASON,  /* waiting, for this reason_id */
	/* Live, started with this start_func_id; where there is none, the last that ended. */
	MODEL_BY_FUNC,
};

/*
 * The numbers of the goroutines that have this key, ascending; and the keys that are in use, each
 * once, ascending. In parts as a pass, but with no copy of any goroutine. The caller
 * frees *ret, NULL when there are none. 0, -ENOMEM or -ENOENT (no such process).
 */
int model_goids(struct model *m, unsigned proc, enum model_by by, uint64_t key, uint64_t **ret,
		size_t *ret_n);
int model_keys(struct model *m, unsigned proc, enum model_by by, uint32_t **ret, size_t *ret_n);

/* Go statements, with the functions that they started: how many goroutines were made, of whom an
 * event told. In no order; bounded: what is past MODEL_MADE_MAX of a process is one row of site 0
 * and function 0. The caller frees *ret. 0, -ENOMEM or -ENOENT (no such process). */
#define MODEL_MADE_MAX 65536
struct made_at {
	uint32_t site_id, start_func_id;
	uint64_t n;
};
int model_made(struct model *m, unsigned proc, struct made_at **ret, size_t *ret_n);

struct allocation {
	uint8_t event_type; /* EVENT_MAKESLICE, EVENT_MAKEMAP or EVENT_NEWOBJECT */
	uint32_t type_id;   /* 0: unknown, or the rest when a goroutine uses very many types */
	uint64_t count, bytes;
};

/* What one goroutine allocated, by kind and type, most bytes first; caller frees. */
int model_allocations(struct model *m, unsigned proc, uint64_t goid, struct allocation **ret,
		      size_t *ret_n);
/* The same over a whole process. */
int model_type_totals(struct model *m, unsigned proc, struct allocation **ret, size_t *ret_n);
/* The same of one type: at most one row a kind, by kind. Returns how many. */
size_t model_type_rows(struct model *m, unsigned proc, uint32_t type_id, struct allocation ret[3]);

/*
 * The retained events that concern one goroutine (it acted, or its state changed), with sequence
 * numbers in [from, to), oldest first. O(its events), not O(retained). Caller frees both arrays.
 */
int model_goroutine_events(struct model *m, unsigned proc, uint64_t goid, uint64_t from,
			   uint64_t to, struct event **ret, uint64_t **ret_seqs, size_t *ret_n);

/* --- totals ----------------------------------------------------------------------------- */

#define LATENCY_BUCKETS 40 /* bucket i: [2^i, 2^(i+1)) ns */

struct model_totals {
	uint64_t events[EVENT_TYPES]; /* in the stream since the start */
	uint64_t lost[EVENT_TYPES];   /* reported with model_lost() */
	uint64_t goroutines_created, goroutines_exited;
	uint64_t created_by_threads; /* of goroutines_created: C threads that came into Go */
	uint64_t live[GSTATES];      /* live goroutines by state now */
	uint64_t live_unknown;       /* those with GOROUTINE_STATE_UNKNOWN: in no live[] */
	uint64_t live_total, exited_retained, exited_dropped;
	bool in_doubt;              /* of a process that lives: model_in_doubt() */
	bool awaits;                /* the same: model_awaits() */
	uint64_t first_read_ns;     /* of one process: memory was read first then; 0: never */
	uint64_t exited_dropped_ns; /* the latest end of one that was dropped; 0: none was */
	uint64_t alloc_bytes;
	double alloc_squares;   /* of the bytes of each goroutine, summed: how unlike they are */
	uint64_t trimmed;       /* events no longer retained */
	uint64_t healed;        /* states corrected by model_heal() */
	uint64_t last_event_ns; /* 0 before the first */
	uint64_t memory_bytes;  /* of feed and goroutines, an estimate */
	uint64_t runnable_latency[LATENCY_BUCKETS];
	uint64_t runnable_sum_ns, runnable_max_ns; /* of all in runnable_latency */
	/* What the model could not keep for want of memory, over all processes. */
	uint64_t dropped_goroutines, dropped_rows;
	uint64_t unknown_process; /* events of a process that was never added: in the feed only */
	uint64_t malformed;       /* events that made no sense: ignored */
	/* Over all: processes that were there, and those of them that are no longer kept, whose
	 * counts are in the sums all the same. */
	uint64_t procs_seen, procs_dropped;
};

/* proc < 0: over all processes. trimmed, memory_bytes and what could not be kept are always over
 * all; lost includes what may have been another process's (the kernel could not tell). */
void model_totals(struct model *m, int proc, struct model_totals *ret);
/* Counts events of a type as lost (process unknown in the kernel: -1), all of them before time_ns,
 * though events older than that may still be applied; and puts a lost event in the
 * feed. Applying thread only. */
void model_lost(struct model *m, int proc, const uint64_t lost[EVENT_TYPES], uint64_t time_ns);
/* Changes of state were lost that are no events, as they are not sampled. Any thread. */
void model_doubt(struct model *m, int proc, uint64_t time_ns);

#endif
