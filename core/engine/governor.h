/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * -max-overhead: keeps the estimated cost of tracing under a bound by taking whole event types off,
 * the costliest first. A lower rate alone would save little: the trap is paid at every hit, whether
 * the event is sampled or not; a type at rate 0 is not probed. What was taken off is tried again
 * later, after a wait that doubles each time it did not fit.
 *
 * Decides only; the caller measures once a second and applies. Not thread-safe.
 */
#ifndef XGOTOPFS_ENGINE_GOVERNOR_H
#define XGOTOPFS_ENGINE_GOVERNOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model/control.h"

struct governor {
	double max_percent;              /* of one CPU; 0 = no bound */
	uint32_t wanted[EVENT_TYPES];    /* what the user asked for */
	bool off[EVENT_TYPES];           /* taken off by us */
	uint64_t off_order[EVENT_TYPES]; /* the last one off comes back first */
	uint64_t retry_at_ns[EVENT_TYPES];
	uint64_t wait_ns[EVENT_TYPES]; /* next wait of that type */
	uint64_t settled_at_ns;        /* after a change, one full second is measured first */
	uint64_t steps;
};

void governor_init(struct governor *g, double max_percent, const uint32_t wanted[EVENT_TYPES]);
/* The user changed the rates, or the bound: what was taken off is forgotten. */
void governor_reset(struct governor *g, double max_percent, const uint32_t wanted[EVENT_TYPES]);

struct governor_second {
	uint64_t now_ns;              /* CLOCK_MONOTONIC */
	double overhead_percent;      /* in the last second */
	uint64_t events[EVENT_TYPES]; /* delivered in the last second */
	uint64_t hit_ns[EVENT_TYPES]; /* what a hit of that type costs; all 0: not known */
};

/*
 * One second has passed. true when the rates should become ret_rates; `why` (size bytes) is then
 * one line for the log.
 */
bool governor_step(struct governor *g, const struct governor_second *s,
		   uint32_t ret_rates[EVENT_TYPES], char *why, size_t size);

#endif
