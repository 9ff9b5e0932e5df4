/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many events there were where only windows of the time were watched: an estimate, with its
 * error. What happened between two windows is taken to have been as in those two, for the CPU time
 * that the program took meanwhile. The error is two standard errors, out of how much windows differ
 * from the next and of how few events there were; to it comes what the price of a hit, which is
 * taken out of the CPU time of a window, may be wrong by. How many goroutines began is not left to
 * that where the runtime's own numbers tell: the estimate is held between what they allow, and no
 * more can have ended than there were and began. Pure, not thread-safe.
 */
#ifndef XGOTOPFS_ENGINE_ESTIMATE_H
#define XGOTOPFS_ENGINE_ESTIMATE_H

#include "core/model/event.h"

/* Since the start, so every figure is the difference of two. */
struct estimate_counts {
	uint64_t events[EVENT_TYPES];
	uint64_t cpu_ns;  /* of the program, what it took by being traced in it */
	uint64_t hits_ns; /* of that, what the hits took, as they are priced */
	/* Numbers given to goroutines, at least and at most, of all processes that run; most 0: not
	 * known. They compare with those of counts of the same `procs_seen` and `procs_run`. */
	uint64_t goids_least, goids_most;
	/* So many creations that `events` does not have yet may have been given theirs. */
	uint64_t on_the_way;
	unsigned procs_seen, procs_run;
	bool live_known;
	uint64_t live; /* goroutines that are there */
};

struct estimate {
	struct estimate_counts opened, closed; /* of the last window */
	bool open, had;                        /* it is open; there was one before */
	unsigned whole;                        /* how many of them had CPU time */
	double rate[EVENT_TYPES];  /* of the last of those, events a nanosecond of its own CPU time
				    */
	double apart[EVENT_TYPES]; /* how far it is from the one before */
	double rate_cpu_ns;        /* the same: how much CPU time of its own that was */
	double rate_unsure;        /* the part of it that the price of hits may be wrong by */
	double before_cpu_ns;      /* the time before the window that is open */
	double before_least, before_most; /* goids given in it; most < 0: not known */
	struct estimate_counts first;     /* of the first end of a window with live_known */
	uint64_t could_end;               /* of the times before restarts: bounds what ended */
	double missed[EVENT_TYPES];       /* sums */
	double square[EVENT_TYPES];       /* of standard errors */
	double unsure[EVENT_TYPES];       /* what is wrong the same way each time */
};

/* What was not watched from here on, until one is opened, is nobody's to estimate. */
void estimate_restart(struct estimate *e);
/* The first one is open from the start. */
void estimate_opened(struct estimate *e, const struct estimate_counts *now);
void estimate_closed(struct estimate *e, const struct estimate_counts *now);
/* Not seen until now: of that, `cpu_ns`, goids and processes are used. False: there was time that
 * was not watched, and no window yet that tells of it. */
bool estimate_get(const struct estimate *e, const struct estimate_counts *now,
		  uint64_t ret_missed[EVENT_TYPES], uint64_t ret_error[EVENT_TYPES]);

#endif
