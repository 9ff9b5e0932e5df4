/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One runtime event, as every room above capture sees it: live, replayed or recorded.
 * Plain data, 64 bytes, no pointers: copied by value, names are ids into struct names (names.h).
 */
#ifndef XGOTOPFS_MODEL_EVENT_H
#define XGOTOPFS_MODEL_EVENT_H

#include <stdbool.h>
#include <stdint.h>

/* Numbers are the original's (event_type in sessions and API); never renumber. */
enum event_type {
	EVENT_CASGSTATUS = 0,
	EVENT_MAKESLICE = 1,
	EVENT_MAKEMAP = 2,
	EVENT_NEWOBJECT = 3,
	EVENT_NEWGOROUTINE = 4,
	EVENT_GOEXIT = 5,
	EVENT_TYPES = 6,
	/* Pseudo-event, ours: `count` events were lost before this point; with a count of 0
	 * event_switch(). In the feed only. */
	EVENT_LOST = 6,
};

/* Goroutine states: Go src/runtime/runtime2.go, _Gidle and on. */
enum gstate {
	GSTATE_IDLE = 0,
	GSTATE_RUNNABLE = 1,
	GSTATE_RUNNING = 2,
	GSTATE_SYSCALL = 3,
	GSTATE_WAITING = 4,
	GSTATE_MORIBUND = 5, /* unused by Go, has a colour in the original's API */
	GSTATE_DEAD = 6,
	GSTATE_ENQUEUE = 7, /* unused by Go, as above */
	GSTATE_COPYSTACK = 8,
	GSTATE_PREEMPTED = 9,
	GSTATE_LEAKED = 10,    /* Go 1.26 on */
	GSTATE_DEADEXTRA = 11, /* Go 1.26 on */
	GSTATES = 12,
};

/* Rates (core/model/control.h): one an event type, and behind them that of goroutines. */
#define RATE_GOROUTINES EVENT_TYPES
#define RATES           (EVENT_TYPES + 1)

#define EVENT_CPUS_MAX 1024

/* event.proc when it is not known which process an event is of (lost only). */
#define EVENT_PROC_NONE UINT16_MAX

enum event_flag {
	/* Feeds the model only: a lifecycle change whose event type is not sampled. Not counted as
	 * an event, not in the feed, not recorded. */
	EVENT_HIDDEN = 1 << 0,
	/* The C side of cgo: a C thread entered Go (creation) or left it (exit) with an extra M's
	   g. */
	EVENT_CGO_THREAD = 1 << 1,
	/* newobject: several small variables merged into one allocation (Go 1.25 on); no type. */
	EVENT_MERGED = 1 << 2,
	/* casgstatus on Go 1.26 on, seen at the syscall entry/exit sites (inline CAS in Go). */
	EVENT_SYSCALL_SITE = 1 << 3,
};

struct event {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint64_t goid; /* on whose behalf the thread ran: curg, not g0; 0 = none (netpoll, timer) */
	uint64_t parent; /* goid's parent as the model knows it; 0 unknown. Set by model_apply(). */
	union {
		uint64_t target; /* casgstatus: the goroutine that changes; newgoroutine: the child;
				    goexit: the one that ends (equals goid but for a C thread) */
		uint64_t len;    /* makeslice */
		uint64_t hint;   /* makemap; as the int64 the program passed */
		uint64_t size;   /* newobject, bytes */
		uint64_t count;  /* lost */
	};
	union {
		uint64_t cap;          /* makeslice */
		uint64_t exit_time;    /* goexit: the original's attribute 1, = time_ns */
		uint64_t lost_by_type; /* lost: bit set of event types concerned */
	};
	uint32_t type_id;   /* allocations: names_type(); 0 unknown. makeslice: the element type */
	uint32_t string_id; /* newgoroutine: start function; goexit: the same, as the model knows
			       it, set by model_apply(); casgstatus to waiting: wait reason.
			       casgstatus from waiting: the reason it ended, as the model knows it,
			       set by model_apply(). names_string(); 0 unknown or none */
	uint32_t site_id; /* caller of an allocation, go statement of newgoroutine: names_site() */
	uint16_t proc;    /* index of the process in the model */
	uint8_t type;     /* enum event_type */
	uint8_t flags;    /* enum event_flag */
	uint8_t from, to; /* casgstatus: enum gstate, scan bit removed */
	uint16_t cpu;     /* where it was made, + 1, at most EVENT_CPUS_MAX: the actor's thread was
			     there then; 0 not known */
	uint8_t reserved[4];
};

_Static_assert(sizeof(struct event) == 64, "one event, one cache line");

/* "casgstatus", "makeslice", … ("lost" for EVENT_LOST, NULL when out of range). */
const char *event_type_name(unsigned type);
/* Of all types. */
uint64_t event_counts_sum(const uint64_t counts[EVENT_TYPES]);
/* The reverse for the six sampled types; -EINVAL when unknown. */
int event_type_parse(const char *name);
/* "idle", "runnable", … ; NULL when out of range. */
const char *gstate_name(unsigned state);
/* The word for a state that is not known, which counts as number GSTATES. */
#define STATE_UNKNOWN_WORD "unknown"
/* Exit: into dead or deadextra from running or syscall. Creation: out of them into a live state
 * (Go's goexit0 or gdestroy, newproc1, needm and dropm in src/runtime/proc.go: docs/go_runtime.md).
 */
bool gstate_is_exit(unsigned from, unsigned to);
bool gstate_is_creation(unsigned from, unsigned to);

/* Of one that waits: Go's own leak profile marks a wait that cannot end, and it goes on. */
static inline bool gstate_waits(unsigned state)
{
	return state == GSTATE_WAITING || state == GSTATE_LEAKED;
}

/* No event was lost, but from here on none comes, as no probe is in: EVENT_SWITCH_OFF; or all are
 * in again: EVENT_SWITCH_ON. */
enum event_switch { EVENT_SWITCH_NONE, EVENT_SWITCH_OFF, EVENT_SWITCH_ON };
#define EVENT_ALL_TYPES ((1ull << EVENT_TYPES) - 1)
/* With a count of 0: nothing was lost either, what was exported ends here (core/session/export.h).
 */
#define EVENT_END_TYPES 1ull

/* What stands for `count` events of whatever type and process that a reader does not have: they
 * went before he came to them, the next he has is of time_ns. */
static inline struct event event_missing(uint64_t count, uint64_t time_ns)
{
	return (struct event){.type = EVENT_LOST,
			      .time_ns = time_ns,
			      .count = count,
			      .lost_by_type = EVENT_ALL_TYPES,
			      .proc = EVENT_PROC_NONE};
}

static inline bool event_is_end(const struct event *ev)
{
	return ev->type == EVENT_LOST && !ev->count && ev->lost_by_type == EVENT_END_TYPES;
}

static inline enum event_switch event_switch(const struct event *ev)
{
	if (ev->type != EVENT_LOST || ev->count)
		return EVENT_SWITCH_NONE;
	return ev->lost_by_type == EVENT_ALL_TYPES ? EVENT_SWITCH_OFF
	       : ev->lost_by_type                  ? EVENT_SWITCH_NONE
						   : EVENT_SWITCH_ON;
}

/* It wakes its target. */
static inline bool event_is_wake(const struct event *ev)
{
	return ev->type == EVENT_CASGSTATUS && ev->from == GSTATE_WAITING &&
	       ev->to == GSTATE_RUNNABLE;
}

/* Does it tell that its subject was made? */
static inline bool event_is_creation(const struct event *ev)
{
	return ev->type == EVENT_NEWGOROUTINE ||
	       (ev->type == EVENT_CASGSTATUS && gstate_is_creation(ev->from, ev->to));
}

static inline bool event_is_allocation(uint8_t type)
{
	return type == EVENT_MAKESLICE || type == EVENT_MAKEMAP || type == EVENT_NEWOBJECT;
}

/* The goroutine whose state this event tells of; the actor when it tells of none. */
static inline uint64_t event_subject(const struct event *ev)
{
	return ev->type == EVENT_CASGSTATUS || ev->type == EVENT_GOEXIT ||
			       ev->type == EVENT_NEWGOROUTINE
		       ? ev->target
		       : ev->goid;
}

#endif
