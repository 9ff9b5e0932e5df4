/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One reading of the wait graph under way, as its parts share it (waits.c begins and ends it). For
 * this room. */
#ifndef XGOTOPFS_MEMORY_WAIT_READING_H
#define XGOTOPFS_MEMORY_WAIT_READING_H

#include "core/base/buf.h"
#include "core/memory/address_map.h"
#include "core/memory/stack_copy.h"
#include "core/memory/wait_graph.h"
#include "core/memory/wait_sudogs.h"

/* What kind of park a goroutine's wait reason says. */
enum park {
	PARK_NOT, /* it is not parked */
	PARK_OTHER,
	PARK_RECEIVE,
	PARK_SEND,
	PARK_SELECT,
	PARK_NIL_RECEIVE,
	PARK_NIL_SEND,
	PARK_NO_CASES,
	PARK_SEMAPHORE, /* also of Mutex, RWMutex, WaitGroup */
	PARK_MUTEX,     /* the reason says so, from 1.20 on */
	PARK_RLOCK,
	PARK_WLOCK,
	PARK_GROUP, /* 1.24 on */
	PARK_COND,
	PARK_IO,
	PARK_CORO,
	PARK_CORO_KNOWN, /* at which is known */
};

static inline bool park_is_semaphore(enum park park)
{
	return park >= PARK_SEMAPHORE && park <= PARK_GROUP;
}

struct frame_codes; /* wait_locks.c */

struct wait_reading {
	const struct target *t;
	const struct go_layout *l;
	pid_t pid;
	uint64_t bias;

	struct memory_goroutine *gs; /* all, by goid */
	size_t n;
	uint8_t *park;   /* enum park of each */
	wait_text *runs; /* of each: the iterator that it runs, if it is one's; NULL: none */
	bool *broken;    /* of each: it moved, or what it waits on makes no sense */
	struct address_map by_g; /* address of g: index */
	struct sudogs sudogs;    /* owner: index */
	uint32_t *sudog_of; /* of each that waits for a semaphore: index into sudogs, or none */

	struct wait_object *objects;
	size_t n_objects, objects_cap;
	struct address_map by_object[WAIT_KINDS];
	/* goroutine: index into gs. */
	struct wait_edge *edges;
	size_t n_edges, edges_cap;

	struct buf texts;
	struct address_map by_text; /* hash: offset */
	struct wait_graph *graph;   /* its counts of what is missing */
};

/* Escaped and cut: text_name(). 0 or -ENOMEM. */
int reading_text(struct wait_reading *r, const char *text, wait_text *ret);
/* The object at an address, made when it is new. 0 or -ENOMEM. */
int reading_object(struct wait_reading *r, uint64_t address, enum wait_kind kind, uint32_t *ret);
int reading_edge(struct wait_reading *r, uint32_t g, uint64_t address, enum wait_kind kind,
		 enum wait_how how);

/* wait_timers.c: which channels a timer sends on, where the channel itself does not say: up
 * to 1.22, and with asynctimerchan=1. */
int reading_timers(struct wait_reading *r);
/* Is that runtime.timer a channel's, and not to fire? From 1.23 on. */
bool timer_is_stopped(const struct wait_reading *r, uint64_t timer);
/* wait_locks.c: what those wait on that sleep on a semaphore, in Cond.Wait, or for a descriptor:
 * adds their edges. */
int reading_locks(struct wait_reading *r);
/* The states of locks, WaitGroups, Conds and semaphores. */
int reading_lock_states(struct wait_reading *r);
/* wait_poll.c: those that wait for a descriptor, from a copy of the stack; 1: it is none. */
int reading_poll(struct wait_reading *r, uint32_t g, const struct stack_copy *copy);
int reading_descriptors(struct wait_reading *r);
/* wait_coro.c: the coroutines that somebody is blocked on, who is PARK_CORO_KNOWN then. */
int reading_coroutines(struct wait_reading *r);
/* Are they, still? Who is not has moved. */
int reading_coroutines_hold(struct wait_reading *r);
/* wait_holders.c: once the graph is complete but for them. */
int graph_find_holders(struct wait_reading *r, struct wait_graph *g);

#endif
