/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sampling of allocations at -probes light, kept nearly free: a thread that has it done all of the
 * time or in windows (sample_pace.h). Any thread may call; what attaches is for one that may, and
 * waits for the kernel.
 */
#ifndef XGOTOPFS_ENGINE_SAMPLING_H
#define XGOTOPFS_ENGINE_SAMPLING_H

#include "core/engine/costs.h"
#include "core/engine/source.h"

struct sampling;

/* All borrowed; *max_overhead: -max-overhead, which a bound of ours is never above. 0 or -ENOMEM.
 */
int sampling_new(const struct source *source, struct costs *costs,
		 const _Atomic double *max_overhead, struct sampling **ret);
void sampling_free(struct sampling *s); /* NULL is fine */
/* Until then, and after, it is done all of the time. 0 or -errno. */
int sampling_start(struct sampling *s);
void sampling_stop(struct sampling *s); /* NULL, or not started, is fine */

/* As source.h, sample_allocations; waits some seconds where that says -EBUSY. */
int sampling_set(struct sampling *s, bool on);
/* What is attached from now on is sampled all of the time, by whoever wants it. */
void sampling_release(struct sampling *s);
/* A sample stands for so many times what it is of; 1: there are no windows. Together they stand for
 * this part of the program's CPU time, as of the last look. */
void sampling_get(struct sampling *s, unsigned *ret_scale, uint64_t *ret_windows,
		  double *ret_stands_for);

#endif
