/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Goroutines by where they start: what is counted of each start function whatever is retained, and
 * how many there were some time ago. The past is written down while events and readings are
 * applied, by their time, so that a recording that is read has the same.
 */
#ifndef XGOTOPFS_MODEL_FUNCTIONS_H
#define XGOTOPFS_MODEL_FUNCTIONS_H

#include "core/base/util.h"
#include "core/model/model.h"

#define MODEL_FUNCTIONS_MAX 4096 /* of a process; what starts elsewhere is in no row */

/* What exited goroutines that are no longer kept had done. */
struct model_dropped {
	uint64_t goroutines, alloc_bytes, events, runnable_max_ns;
	uint64_t state_ns[GSTATES];
};

struct model_function {
	uint32_t func_id;                      /* names_string(); 0: not known */
	uint64_t live, created, exited;        /* created: since we are there */
	uint64_t last_exit_ns, last_exit_goid; /* of the one that ended last; 0: none has */
	struct model_dropped dropped;
};

/* In no order. The caller frees *ret. 0, -ENOMEM or -ENOENT (no such process). */
int model_functions(struct model *m, unsigned proc, struct model_function **ret, size_t *ret_n);

#define PAST_STEP_NS   (5 * 1000000000ull) /* between moments, at least */
#define PAST_FINE      13                  /* moments that far apart: a minute */
#define PAST_COARSE    15                  /* and a minute apart: a quarter of an hour */
#define PAST_LONG      24 /* and PAST_LONG_NS apart, twice that, … since the first: half stay */
#define PAST_LONG_NS   (15 * 60 * 1000000000ull)
#define PAST_MOMENTS   (PAST_FINE + PAST_COARSE + PAST_LONG)
#define PAST_FUNCTIONS 1024 /* of a process; others have no past */

/* A process at a moment, all since the start. */
struct past_moment {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint64_t created, alloc_bytes;
	uint64_t runnable_latency[LATENCY_BUCKETS];
};

struct past_function {
	uint32_t func_id;
	uint32_t live[PAST_MOMENTS], created[PAST_MOMENTS];
};

struct model_past {
	unsigned n; /* moments, oldest first; those at the end are closer to each other */
	struct past_moment moments[PAST_MOMENTS];
	size_t n_functions;
	struct past_function functions[]; /* by func_id */
};

/* The caller frees *ret. 0, -ENOMEM or -ENOENT (no such process). */
int model_past(struct model *m, unsigned proc, struct model_past **ret);
/* The last moment that is `ns` or more before now_ns; else the first. n 0: there is none. */
static inline unsigned past_before(const struct model_past *p, uint64_t now_ns, uint64_t ns)
{
	unsigned at = 0;

	while (at + 1 < p->n && sum_u64(p->moments[at + 1].time_ns, ns) <= now_ns)
		at++;
	return at;
}
/* NULL: it has none. */
const struct past_function *past_of(const struct model_past *p, uint32_t func_id);

#endif
