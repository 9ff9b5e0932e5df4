/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who waits on what, and who may let him go on: a process's goroutines and the objects that they
 * are parked on, as its memory had them during one reading. Made by memory_waits() (waits.h);
 * constant afterwards, so any thread may look. Plain data: who shows it needs nothing else.
 *
 * Objects are the vertices that goroutines are tied to by two kinds of edges: a wait (the goroutine
 * is in a queue of the object: a fact) and a holder (it may be the one that ends the wait: each
 * with its evidence, and no more than likely, since Go keeps no owner of a lock).
 */
#ifndef XGOTOPFS_MEMORY_WAIT_GRAPH_H
#define XGOTOPFS_MEMORY_WAIT_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/util.h"

/* What a goroutine is parked on. */
enum wait_kind {
	WAIT_CHAN,      /* runtime.hchan */
	WAIT_MUTEX,     /* sync.Mutex */
	WAIT_RWMUTEX,   /* sync.RWMutex */
	WAIT_WAITGROUP, /* sync.WaitGroup */
	WAIT_COND,      /* sync.Cond */
	WAIT_SEMAPHORE, /* another word that runtime.semacquire sleeps on: a file's, the runtime's
			 * own
			 */
	WAIT_POLL,      /* runtime.pollDesc: a descriptor */
	WAIT_CORO,      /* runtime.coro: the other side of an iter.Pull */
	WAIT_KINDS,
};

/* How it waits on that. */
enum wait_how {
	WAIT_HOW_UNKNOWN,
	WAIT_RECEIVE, /* WAIT_CHAN */
	WAIT_SEND,
	WAIT_LOCK,    /* WAIT_MUTEX */
	WAIT_READ,    /* WAIT_RWMUTEX, WAIT_POLL */
	WAIT_WRITE,   /* WAIT_RWMUTEX: behind another writer; WAIT_POLL */
	WAIT_DRAIN,   /* WAIT_RWMUTEX: the pending writer, which waits for readers to leave */
	WAIT_ZERO,    /* WAIT_WAITGROUP */
	WAIT_SIGNAL,  /* WAIT_COND */
	WAIT_ACQUIRE, /* WAIT_SEMAPHORE */
	WAIT_RESUME,  /* WAIT_CORO: until the other side switches to it: next, stop; yield */
};

/* What a parked goroutine is at, whether or not an object goes with it. */
enum wait_why {
	WAIT_ON_OBJECTS,  /* one; of a select as many as it has cases with a channel */
	WAIT_NIL_RECEIVE, /* of a nil channel: nothing can wake it */
	WAIT_NIL_SEND,
	WAIT_NO_CASES,   /* select {} */
	WAIT_NO_OBJECT,  /* sleep, the runtime's own work: nothing that others hold */
	WAIT_UNREADABLE, /* on something that could not be read, or not at one moment */
};

/* Strings are offsets into wait_graph.texts; 0 is "". */
typedef uint32_t wait_text;

struct wait_object {
	uint64_t address; /* in the process: of the hchan, Mutex, RWMutex, WaitGroup, Cond,
			     semaphore, pollDesc, coro */
	enum wait_kind kind;
	bool state_known; /* what follows was read and makes sense */
	union {
		struct {
			wait_text elem; /* the type's name; "" not known */
			uint64_t len, cap;
			uint16_t elem_bytes;
			bool closed;
			bool timer;   /* a timer sends on it */
			bool stopped; /* which has fired or was stopped: only Reset() makes it
				       * send again, so whoever waits needs somebody who has it */
		} chan;
		/* sync/mutex.go: mutexLocked, mutexWoken, mutexStarving. Of an RWMutex: its w,
		 * which writers hold. `waiters` is the lock's own count. */
		struct {
			bool locked, woken, starving;
			uint32_t waiters;
			/* sync/rwmutex.go: readers that have it or wait for it; readers that the
			 * pending writer waits for; is there a writer, pending or in? */
			int32_t readers, leaving;
			bool writer;
		} lock;
		struct {
			int32_t counter;
			uint32_t waiters;
		} group;
		struct {
			uint32_t waiters; /* notifyList: wait - notify */
		} cond;
		struct {
			uint32_t value;
		} semaphore;
		struct {
			int32_t fd;
			wait_text what;   /* of /proc/PID/fd; "" not known */
			wait_text socket; /* of /proc/PID/net: sockets.h; "" none, or not known */
		} poll;
		struct {
			uint32_t blocked; /* while it is read: who */
		} coro;
	};
	uint32_t waits, n_waits;     /* graph->by_object[waits …]: indices into graph->waits */
	uint32_t holders, n_holders; /* graph->holders[holders …] */
};

/* Goroutine waits on object. */
struct wait_edge {
	uint32_t goroutine, object; /* indices */
	enum wait_how how;
};

struct wait_goroutine {
	uint64_t goid;
	enum wait_why why;
	bool select;      /* any of its waits will do */
	bool marked;      /* its state says that the program's own profile found it to be leaked */
	int64_t since_ns; /* CLOCK_MONOTONIC: at least since then; 0 not known (g.waitsince) */
	uint64_t sched_pc, sched_sp; /* the park: as long as it is the same one, so are these */
	wait_text runs; /* of an iter.Pull's goroutine: the iterator function; "" it is none */
	uint32_t waits, n_waits; /* graph->waits[waits …] */
};

/* Why a goroutine may be the one that ends the waits on an object, strongest first. */
enum wait_evidence {
	/* A fact: an RWMutex's pending writer keeps new readers out. */
	WAIT_BY_PENDING_WRITER,
	/* A call that would end the wait (Unlock, RUnlock, Done, close, Broadcast …) is due when a
	 * live frame of his ends. */
	WAIT_BY_DEFER,
	/* A word in a live frame of his is the object's address. */
	WAIT_BY_FRAME,
	/* The same with an address within the heap's object that the lock is a part of, or that has
	 * the channel in it. */
	WAIT_BY_OBJECT,
};

/* What says that the word means something still. */
enum wait_word {
	WAIT_WORD_MAPPED,  /* his frame's stack map, or the record of the deferred call */
	WAIT_WORD_UNKNOWN, /* nothing: no map can be read of that frame. It may be dead */
	WAIT_WORD_RUNS,    /* nothing: he was on a processor, so that not even the frame is known */
};

/* What the frame's code says: has it taken a lock of that kind on the way to where it stands, and
 * not given it up (core/target/lock_flow.h)? */
enum wait_section {
	WAIT_SECTION_UNKNOWN,
	WAIT_SECTION_NO,
	WAIT_SECTION_MAYBE,
	WAIT_SECTION_LENT,   /* as HIDDEN, and it makes function values that give up such locks */
	WAIT_SECTION_HIDDEN, /* as YES, but a function value may have given it up, or it may be
				another lock of that kind that it took */
	WAIT_SECTION_YES,
};

struct wait_holder {
	uint64_t goid;
	uint32_t object;
	enum wait_evidence evidence;
	enum wait_word word;
	enum wait_section section; /* not of WAIT_BY_PENDING_WRITER */
	bool waiter;               /* waits on the object himself */
	bool by_code;     /* WAIT_BY_FRAME: no word of his has its address. He waits for it and has
			     taken such a lock, or else: */
	bool by_variable; /* the lock is a variable, and `section` is of that very lock */
	bool gave_up;     /* a callee of the frame has, or may have: such a one is not told */
	bool awaits;   /* of what is no lock: his code does what ends the wait, but he waits himself
			* for   who waits here, and so does everybody else who has a pointer to it
			* (wait_ends.c)
			*/
	bool unproven; /* WAIT_BY_DEFER of one who waits himself, and whose code does not say
			  whether he has taken it: told when there is nobody else */
	/* WAIT_BY_DEFER: what ends the wait: "sync.(*Mutex).Unlock"; awaits: "chan receive" */
	wait_text call;
	wait_text deferred;   /* the function that is deferred and makes that call; "": itself */
	wait_text func, file; /* the frame */
	uint32_t line;        /* 0 not known */
	uint64_t lookup;      /* the frame's place in the code; 0 not known */
	bool doubted;         /* the lock that its code took may be another one */
};

/*
 * Is there more to it than that he may be the one? A fact; code that has taken this very lock on
 * every way to where he stands (of those who have no more than a pointer that of others is
 * WAIT_SECTION_HIDDEN); or a deferred call of it that gives up this very lock, by whoever has taken
 * such a lock before: one function value that was called since then may have given it up for a
 * while, but not if that is to be unlocked in the end.
 */
static inline bool wait_holder_is_likely(const struct wait_holder *h)
{
	if (h->evidence == WAIT_BY_PENDING_WRITER)
		return true;
	if (h->word != WAIT_WORD_MAPPED || h->unproven)
		return false;
	if (h->evidence == WAIT_BY_DEFER && !h->by_variable)
		return !h->deferred && !h->doubted && h->section >= WAIT_SECTION_HIDDEN;
	return h->section == WAIT_SECTION_YES;
}

#define WAIT_HOLDERS_MAX 32 /* of one object that are kept; likeliest first */

struct wait_graph {
	uint64_t begin_ns, end_ns;         /* CLOCK_MONOTONIC: when the reading was */
	struct wait_object *objects;       /* by address, then kind */
	struct wait_goroutine *goroutines; /* the parked ones, by goid */
	struct wait_edge *waits;           /* by goroutine; the cases of a select in no order */
	uint32_t *by_object;               /* indices into waits, by object, then goid */
	struct wait_holder *holders;       /* by object, likeliest first, then goid */
	uint64_t *sudogs; /* addresses of all queue entries that were met, also of who moved */
	size_t n_sudogs;
	char *texts;
	size_t n_objects, n_goroutines, n_waits, n_holders, texts_bytes;
	/* What is missing: goroutines that moved while they were read, that could not be read, more
	 * than are read; stacks that were not searched for holders. */
	uint64_t moved, unreadable, stacks_unread;
	bool cut;
	unsigned refs; /* wait_graph_get(), wait_graph_put() */
};

static inline const char *wait_graph_text(const struct wait_graph *g, wait_text text)
{
	return text < g->texts_bytes ? g->texts + text : "";
}

/* NULL: it was not parked, or it moved while it was read. */
static inline const struct wait_goroutine *wait_graph_goroutine(const struct wait_graph *g,
								uint64_t goid)
{
	size_t i = FIRST_NOT_BELOW(g->goroutines, g->n_goroutines, goid, goid);

	return i < g->n_goroutines && g->goroutines[i].goid == goid ? &g->goroutines[i] : NULL;
}

/* The first object at an address; n_objects when there is none. */
static inline size_t wait_graph_object(const struct wait_graph *g, uint64_t address)
{
	size_t i = FIRST_NOT_BELOW(g->objects, g->n_objects, address, address);

	return i < g->n_objects && g->objects[i].address == address ? i : g->n_objects;
}

static inline const struct wait_edge *wait_graph_waiter(const struct wait_graph *g,
							const struct wait_object *o, uint32_t i)
{
	return &g->waits[g->by_object[o->waits + i]];
}

#endif
