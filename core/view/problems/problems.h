/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is wrong with a process, worst first: each row of the view `problems`, which the UI shows,
 * too. problem_rules.c has the table of kinds, with every threshold; problem_waits.c,
 * problem_runs.c and problem_heap.c look, problems.c shows. A figure comes from where other views
 * have it. For this room; one thread at a time.
 */
#ifndef XGOTOPFS_VIEW_PROBLEMS_H
#define XGOTOPFS_VIEW_PROBLEMS_H

#include "core/view/probes.h"
#include "core/view/problem_rules.h"
#include "core/view/profiles/cpu.h"
#include "core/view/starts.h"
#include "core/view/waits/wait_stacks.h"

enum problem_severity { PROBLEM_NOTICE, PROBLEM_WARNING, PROBLEM_CRITICAL };

#define PROBLEM_SEES   4
#define PROBLEM_GOIDS  8
#define PROBLEM_OTHERS 4  /* other processes that are named */
#define PROBLEMS_MAX   64 /* of which the worst are kept */

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
	bool cpu_sampled; /* processors are: `cpu` alone says who takes them */
	bool runtime_known;
	bool runtime_fresh;           /* it tells of now, too */
	struct live_runtime runtime;  /* where it is known */
	double cpu_wait;              /* live_runtime's cpu_wait_ratio; 0 where it is not known */
	bool senders_wait;            /* PROBLEM_BLOCKED was found */
	bool alone;                   /* no other look was in the last seconds (problem_memory.h) */
	bool unread;                  /* view_unread(): when it was begun, or is */
	unsigned has;                 /* enum problem_needs */
	pid_t others[PROBLEM_OTHERS]; /* that run, too */
	unsigned n_others;
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

/* What state running is by events: a goroutine stays in it while the machine runs another program
 * in its place. */
#define PROBLEM_RUNNING "running or waiting for a CPU of the machine"

/* Whom it is about. */
void problem_name(struct problem *p, const char *function);
/* What the machine did not give: "; for each second that its threads had …". */
void problem_add_cpu_wait(const struct scene *s, struct problem *p);
static inline double problem_percent(uint64_t part, uint64_t all)
{
	return all ? 100.0 * (double)part / (double)all : 0;
}
/* Are there CPU samples of as long as they are judged over? */
bool problems_judge_cpu(const struct scene *s);
/* And events? Of `second`. */
bool problems_judge_events(const struct scene *s);

/* They add what they find. */
typedef void problem_fn(struct scene *s);
problem_fn problems_of_waits, problems_of_growth, problems_of_ends, problems_of_leaks;
problem_fn problems_of_latency, problems_of_cpu, problems_of_wakes, problems_of_cost,
	problems_of_trust;
problem_fn problems_of_allocation, problems_of_heap, problems_of_files, problems_of_gc;

#endif
