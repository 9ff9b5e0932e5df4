/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many events there were where only windows of the time were watched: an estimate, with its
 * error. What happened between two windows is taken to have been as in those two, for the CPU time
 * that the program took meanwhile. The error is two standard errors, out of how much windows differ
 * from the next and of how few events there were. Pure, not thread-safe.
 */
#ifndef XGOTOPFS_ENGINE_ESTIMATE_H
#define XGOTOPFS_ENGINE_ESTIMATE_H

#include "core/model/event.h"

/* Since the start, so every figure is the difference of two. */
struct estimate_counts {
	uint64_t events[EVENT_TYPES];
	uint64_t cpu_ns; /* of the program */
};

struct estimate {
	struct estimate_counts opened, closed; /* of the last window */
	bool open, had;                        /* it is open; there was one before */
	double rate[EVENT_TYPES];   /* of the last whole one, events a nanosecond of CPU time */
	double rate_cpu_ns;         /* the same: how much CPU time that was */
	double before_cpu_ns;       /* the time before the window that is open */
	double missed[EVENT_TYPES]; /* sums */
	double square[EVENT_TYPES]; /* of standard errors */
};

/* The first one is open from the start. */
void estimate_opened(struct estimate *e, const struct estimate_counts *now);
void estimate_closed(struct estimate *e, const struct estimate_counts *now);
/* Not seen, up to the last window that is over. */
void estimate_get(const struct estimate *e, uint64_t ret_missed[EVENT_TYPES],
		  uint64_t ret_error[EVENT_TYPES]);

#endif
