/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How large the heap was after its collections, and whether that grows on: what is live between two
 * of them says nothing. Some 2 KiB a process: the last quarter of an hour, and all of it, thinner
 * and thinner. One thread at a time.
 */
#ifndef XGOTOPFS_ENGINE_HEAP_PAST_H
#define XGOTOPFS_ENGINE_HEAP_PAST_H

#include "core/view/live.h"

#define HEAP_POINTS 61

struct heap_point {
	uint64_t time_ns; /* CLOCK_MONOTONIC: when the cycle was seen to be over */
	uint64_t marked;  /* bytes live at the end of the cycle before */
	uint64_t cycles;
};

struct heap_series {
	uint64_t step_ns; /* between two points, at least */
	unsigned n;
	struct heap_point points[HEAP_POINTS + 1]; /* points[n]: the last cycle */
};

struct heap_past {
	uint64_t first_ns, last_ns; /* when it was read; 0: never */
	struct heap_series lately, whole;
	uint64_t top;     /* the most since it fell by a tenth */
	uint64_t fell_ns; /* when it fell last from where it is highest, or nearly; 0: never */
	uint64_t fell_from;
};

/* What was read. Nothing is taken where marked or cycles are RUNTIME_UNKNOWN. */
void heap_past_take(struct heap_past *p, uint64_t time_ns, uint64_t marked, uint64_t cycles);
/*
 * From the point on that is longest ago and from which it grew, lately or at all: by
 * HEAP_GROWS_BYTES and HEAP_GROWS_PERCENT or more, over HEAP_GROWS_NS and HEAP_GROWS_CYCLES or
 * more, in more than one step, never down by a tenth meanwhile, and in the last quarter of that
 * time at half of its pace or more: what fills a cache comes to an end. Nor where it was as high
 * before and fell: what is filled and dropped again and again. to_bytes 0: it does not grow.
 */
void heap_past_growth(const struct heap_past *p, struct heap_growth *ret);

#endif
