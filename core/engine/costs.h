/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the traced program takes and what the hits of our probes cost of it, read and summed up in
 * one place: the figures of a second (ticker.h) and the bound of the overhead (windows.h) are both
 * differences of these sums. The sums are advanced by whoever looks; how often does not change what
 * they come to.
 */
#ifndef XGOTOPFS_ENGINE_COSTS_H
#define XGOTOPFS_ENGINE_COSTS_H

#include "core/engine/source.h"
#include "core/model/model.h"

struct costs;

struct costs_now {
	struct capture_stats stats; /* the counts that this is of */
	uint64_t cpu_ns;     /* of all traced processes there were, from when each was first seen */
	uint64_t hits_ns;    /* of that, what hits cost, as they are priced */
	uint64_t program_ns; /* our program at a hit, lately; 0: not known yet */
};

/* Both borrowed. 0 or -ENOMEM. */
int costs_new(const struct source *source, struct model *model, struct costs **ret);
void costs_free(struct costs *c); /* NULL is fine */
/* Up to now. Any thread; waits for what the source waits for, and for who else looks. */
void costs_look(struct costs *c, struct costs_now *ret);

/* --- the parts, which are pure ---------------------------------------------------------------- */

/* What hits cost the traced threads: the trap, or the step out of line, and our program. */
struct hit_sum {
	struct capture_stats last;
	uint64_t timed_ns, timed; /* prog_ns_sum and prog_ns_samples, as of the last mean */
	uint64_t program_ns;      /* mean of the last TIMED_FEWEST hits or more that were timed */
	double ns;
};

#define TIMED_FEWEST 32

/* Counts that go back, as of a capture that was replaced, say nothing for that time. */
void hit_sum_add(struct hit_sum *h, const struct capture_stats *now);

#endif
