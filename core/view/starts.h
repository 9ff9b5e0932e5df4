/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Start functions and what became of the goroutines that began there: the sums of `functions`. For
 * this room; one thread at a time.
 */
#ifndef XGOTOPFS_VIEW_STARTS_H
#define XGOTOPFS_VIEW_STARTS_H

#include "core/model/functions.h"
#include "core/view/groups.h"
#include "core/view/second.h"

struct start_row {
	uint64_t func_id; /* names_string(); 0 not known */
	struct model_function f;
	/* Of all there were: the live ones, those that exited and are kept, and those that are not.
	 */
	uint64_t state_ns[GSTATES], events, alloc_bytes, runnable_max_ns;
	uint64_t in[GSTATES + 1]; /* live ones, by view_state() */
	uint64_t goid;            /* of the live ones the one with the longest time running */
	uint64_t goid_running_ns;
	bool system;
	uint64_t cpu_ns; /* sampled, of stacks that go back to it */
	/* In the time that was asked for. */
	uint64_t second_ns[GSTATES], second_alloc_bytes, second_wakes;
	uint32_t second_reason_id; /* what those who woke most had waited for */
	uint64_t second_reason_wakes;
};

struct starts {
	uint64_t now;
	struct groups rows; /* struct start_row */
	struct second second;
	bool cpu;     /* processors are, or were, sampled */
	bool counted; /* every start and end was told of; else some are only known by memory */
};

/* `second`: of the last `ns`. 0, -ENOENT or -ENOMEM; starts_free() in any case. */
int starts_read(const struct view *v, unsigned proc, uint64_t ns, struct starts *ret);
void starts_free(struct starts *s);
static inline const struct start_row *starts_row(const struct starts *s, size_t i)
{
	return (const struct start_row *)(const void *)s->rows.rows + i;
}

#endif
