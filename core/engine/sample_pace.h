/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * -probes light: how much of the time allocations are sampled. All of it, as long as the hits, one
 * for each span that is used up, are a small part of what the program takes. Else in windows: the
 * program's CPU time, without what hits take of it, is cut into cycles, and of each a window is
 * looked at, at a moment by chance, whose samples stand for all of it. How long a cycle is follows
 * from what the last one cost. A window that became longer or shorter than it was to be stands for
 * so much more or less, and the next cycle begins where that ends; so all of the program's CPU time
 * is stood for, whatever is late. (Of the time by the clock the share would be as the machine had
 * time for the program in that window.)
 *
 * Decides only; the caller measures, attaches and detaches. Pure, not thread-safe.
 */
#ifndef XGOTOPFS_ENGINE_SAMPLE_PACE_H
#define XGOTOPFS_ENGINE_SAMPLE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/util.h"

/* Of the program's CPU time, by the price of hits, which does not know of the caches that they
 * leave cold: that is about as much again. */
#define SAMPLE_BOUND_PERCENT 0.75
#define SAMPLE_WINDOW_NS     (25 * 1000000ull) /* of a program that takes one CPU, or less */
#define SAMPLE_SCALE_MAX     40u               /* so that there is one a second */
/* So long by the clock a window is waited for, where the program does next to nothing. */
#define SAMPLE_LONGEST_NS (5 * NS_PER_SEC)

/* Counted since the start. */
struct sample_look {
	uint64_t now_ns;    /* CLOCK_MONOTONIC */
	uint64_t cpu_ns;    /* of the program */
	uint64_t hits_ns;   /* of that, what hits cost, as they are priced */
	uint64_t switch_ns; /* and attaching and detaching besides */
};

struct sample_pace {
	double bound;               /* part of the program's CPU time */
	double credit_ns;           /* not spent; while all of the time is sampled */
	bool open;                  /* samples are taken */
	uint32_t scale;             /* what they stand for; 1: all of the time */
	double busy;                /* CPUs that the program takes, in the last cycle */
	uint64_t from_own_ns;       /* this cycle's begin */
	uint64_t opens_own_ns;      /* its window's; of the program's CPU time, both without hits */
	struct sample_look weighed; /* what is weighed next begins here */
	struct sample_look opened;
	unsigned calm;    /* windows in turn in which hits were cheap */
	uint64_t windows; /* ended */
	/* The program's CPU time when this began, and what no window stands for of that since. */
	uint64_t begun_own_ns, missed_own_ns;
};

/* Samples are taken, all of the time. */
void sample_pace_init(struct sample_pace *p, double bound, const struct sample_look *now);
/* Should they be taken now? *ret_due_ns: it wants to be asked again then. */
bool sample_pace_step(struct sample_pace *p, const struct sample_look *now, uint64_t *ret_due_ns);
/* They are from now on: p->scale is what they stand for. */
void sample_pace_opened(struct sample_pace *p, const struct sample_look *now);
/* Of the program's CPU time since the start samples stand for this part; 1 where all is in time. */
double sample_pace_stands_for(const struct sample_pace *p, const struct sample_look *now);
/* No longer. `chance`: any number. */
void sample_pace_closed(struct sample_pace *p, const struct sample_look *now, uint64_t chance);

#endif
