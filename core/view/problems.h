/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is wrong with a process, worst first: each row of the view `problems`, which the UI shows,
 * too. problems.c has the table of kinds, with every threshold, and shows; problem_waits.c and
 * problem_runs.c look. A figure comes from where other views have it. For this room; one thread at
 * a time.
 */
#ifndef XGOTOPFS_VIEW_PROBLEMS_H
#define XGOTOPFS_VIEW_PROBLEMS_H

#include "core/view/cpu.h"
#include "core/view/starts.h"
#include "core/view/wait_stacks.h"

enum problem_kind {
	PROBLEM_TARGET,
	PROBLEM_BLOCKED,
	PROBLEM_CONVOY,
	PROBLEM_DOWNSTREAM,
	PROBLEM_WORK,
	PROBLEM_ENDED,
	PROBLEM_LEAK,
	PROBLEM_GROWING,
	PROBLEM_LATENCY,
	PROBLEM_CPU,
	PROBLEM_TIMERS,
	PROBLEM_STARTS,
	PROBLEM_ALLOCATION,
	PROBLEM_HEAP,
	PROBLEM_GC,
	PROBLEM_COST,
	PROBLEM_LOST,
	PROBLEM_AUDIT,
	PROBLEM_KINDS,
};

enum problem_severity { PROBLEM_NOTICE, PROBLEM_WARNING, PROBLEM_CRITICAL };

/* What a kind cannot be seen without. */
enum problem_needs {
	NEEDS_NOTHING = 0,
	NEEDS_EVENTS = 1 << 0, /* every change of state is told by an event, just now */
	NEEDS_STACKS = 1 << 1, /* memory of a process that lives, or its last stacks */
	NEEDS_PAST = 1 << 2,   /* it has been watched for some seconds */
	NEEDS_LEAKS = 1 << 3,
	NEEDS_ALLOCS = 1 << 4,  /* allocations are seen, by events or sampled */
	NEEDS_CPU = 1 << 6,     /* processors are sampled, or every change of state is told */
	NEEDS_LIVE = 1 << 5,    /* somebody counts losses and audits */
	NEEDS_OBJECTS = 1 << 7, /* memory tells what somebody waits on */
	NEEDS_METER = 1 << 9,   /* somebody measures what our probes cost */
	NEEDS_ALL = 1 << 10,    /* all goroutines that were there before us are known */
	NEEDS_HEAP = 1 << 11,   /* the runtime's figures of its heap are read */
	NEEDS_RUNNING = 1 << 8, /* the program has not ended */
};

struct problem_rule {
	const char *name;
	unsigned needs;
	uint64_t number, ns, percent; /* thresholds */
	const char *says;             /* with {n}, {t} and {p} for those */
};

extern const struct problem_rule problem_rules[PROBLEM_KINDS];

#define PROBLEM_SEES  4
#define PROBLEM_GOIDS 8
#define PROBLEMS_MAX  64 /* of which the worst are kept */

struct problem {
	enum problem_kind kind;
	enum problem_severity severity;
	uint64_t weight; /* among those of one severity: goroutines that it concerns, mostly */
	unsigned n;      /* the how manieth that was found */
	struct buf text;
	uint64_t as_of_ns;          /* it was seen then; 0: now */
	char function[256];         /* whom it is about; "" */
	uint64_t object;            /* the address of the lock; 0: it is about none */
	char see[PROBLEM_SEES][96]; /* paths in the mount; "" past the last */
	uint64_t goids[PROBLEM_GOIDS];
	unsigned n_goids;
};

/* What is looked at, gathered once. */
struct scene {
	const struct view *v;
	unsigned proc;
	uint64_t now;
	struct proc_info info;
	struct model_totals totals;
	struct starts starts;
	struct wait_stacks stacks;
	struct model_past *past;
	struct cpu_recent cpu;
	bool cpu_sampled;  /* processors are: `cpu` alone says who takes them */
	double cpu_wait;   /* live_runtime's cpu_wait_ratio; 0 where it is not known */
	bool senders_wait; /* PROBLEM_BLOCKED was found */
	bool alone;        /* no other look was in the last seconds (problem_memory.h) */
	bool unread;       /* view_unread(): when it was begun, or is */
	unsigned has;      /* enum problem_needs */
	struct problem *list;
	unsigned n, found;
	int err; /* of looking for leaks */
};

/* One more; `text` is to be added to. NULL: there is no room, or no memory. */
struct problem *problem_add(struct scene *s, enum problem_kind kind, enum problem_severity severity,
			    uint64_t weight);
/* "as of 7m ago: ", before the rest of its text: it is of an earlier look. */
void problem_as_of(const struct scene *s, struct problem *p, const char *how, uint64_t then_ns);
void problem_see(struct problem *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A goroutine's file; goid 0: there is none, and nothing to see. */
void problem_see_goroutine(struct problem *p, uint64_t goid, const char *file);
/* Who made them: where that is counted, or a session has it. */
void problem_see_creations(const struct scene *s, struct problem *p);
void problem_goids(struct problem *p, const uint64_t *goids, uint64_t n);
/* What is the program's own in a row; where nothing is, what is innermost. */
void problem_add_place(struct buf *out, const struct wait_stacks *w, const struct wait_stack *row);
const char *problem_function(const struct scene *s, uint64_t func_id); /* "?" when not known */

/* They add what they find. */
typedef void problem_fn(struct scene *s);
problem_fn problems_of_waits, problems_of_growth, problems_of_ends, problems_of_leaks;
problem_fn problems_of_latency, problems_of_cpu, problems_of_wakes, problems_of_allocation,
	problems_of_heap, problems_of_gc, problems_of_cost, problems_of_trust;

#endif
