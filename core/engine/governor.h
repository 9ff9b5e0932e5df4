/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * -max-overhead: keeps what tracing costs under a part of the CPU time that the traced program
 * itself takes, by windows. In a window all wanted probes are in and everything is exact and whole;
 * between windows there is none. (A lower rate would save little: the trap is paid at every hit,
 * whether the event is chosen or not.)
 *
 * An account: the program's CPU time earns, at the percentage; hits and the switching itself spend.
 * Where the account stays above nothing the probes simply stay in. Else a window begins when there
 * is enough for a whole one, and ends, not before WINDOW_NS, when all is spent but what the end of
 * it will take: while probes come and go, one by one, they are hit, on a machine that has much to
 * do for longer than the window itself. How long that takes is learnt from each window, and what
 * the program makes of it is taken from the busiest time of late. What a window spends too much
 * all the same, as nobody knows what the program does next, is saved afterwards.
 *
 * Decides only; the caller measures, attaches and detaches. Pure, not thread-safe.
 */
#ifndef XGOTOPFS_ENGINE_GOVERNOR_H
#define XGOTOPFS_ENGINE_GOVERNOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/util.h"

#define GOVERNOR_LOOK_NS    (NS_PER_SEC / 50) /* how often it wants to be asked */
#define GOVERNOR_WINDOW_NS  (50 * 1000000ull) /* no window is shorter */
#define GOVERNOR_LONGEST_NS (60 * NS_PER_SEC) /* so long there is none at most */
/* A program that takes less than this part of a CPU counts as one that takes it: of nothing, nobody
 * could ever take a window. */
#define GOVERNOR_IDLE_PART 0.1

/* Counted since the start; one that goes back, as after a restart, says nothing for that time. */
struct governor_look {
	uint64_t now_ns;  /* CLOCK_MONOTONIC */
	uint64_t cpu_ns;  /* of the traced program, user and system, all threads */
	uint64_t hits_ns; /* of that, what hits cost, as it is estimated */
};

struct governor {
	double max_percent; /* of the program's CPU time; 0: no bound */
	bool on;            /* probes are in */
	double account_ns;  /* earned and not spent; negative: spent too much */
	struct governor_look last;
	bool looked;
	uint64_t since_ns;  /* on, or off, since then */
	uint64_t asked_ns;  /* when a change was asked for that is not done yet; 0: none is */
	uint64_t opened_ns; /* when half of the probes of the window were in whose shortest end is
			       to come; 0: there is none */
	uint64_t pardon_ns; /* what was owed was dropped last */

	/* Running means. */
	double busy;                      /* CPUs that the program takes */
	uint64_t looks;                   /* that it is the mean of */
	double hit_part;                  /* of that, hits, while probes are in */
	double part_cpu_ns, part_hits_ns; /* that it is the ratio of */
	double seen_cpu_ns;               /* all that was ever seen of it */
	double switch_ns[2];              /* what attaching [1] and detaching [0] costs */
	double burst;                     /* as busy, of a shorter time */
	double peak;                      /* of that, the most of late */
	/* Wall time: from half of the probes in to the shortest end; from asking for the end on,
	 * for as long as they were hit as if all were still in. */
	double begin_ns, end_ns;

	/* Sums, for whoever shows them. */
	uint64_t windows;        /* ended */
	uint64_t on_ns, off_ns;  /* of wall time under a bound */
	double cpu_ns, spent_ns; /* of the program; of that, and the switching besides */
	double switched_ns;
};

/* Probes are in. */
void governor_init(struct governor *g, double max_percent, uint64_t now_ns);
/* Another bound: what was earned and spent is forgotten, means and sums are not. */
void governor_bound(struct governor *g, double max_percent);

/* Should probes be in now? */
bool governor_step(struct governor *g, const struct governor_look *look);
/* They have been switched, which took so much CPU time. */
void governor_switched(struct governor *g, bool on, const struct governor_look *now,
		       uint64_t cpu_ns);

#endif
