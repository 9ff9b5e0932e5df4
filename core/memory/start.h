/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a goroutine was started to run, where its start function is a wrapper that calls what its
 * closure holds (struct target_start): the outermost call of its stack, or, when it has not run
 * yet, what the closure holds. Any thread.
 */
#ifndef XGOTOPFS_MEMORY_START_H
#define XGOTOPFS_MEMORY_START_H

#include "core/memory/goroutines.h"

/* `name` lives as long as the target. */
typedef void memory_start_fn(void *ctx, uint64_t goid, const char *name);

/* For each of the list of which it can be told, in its order; not of one that runs. 0, -ETIME
 * (there are too many: the others, the next time) or -errno. */
int memory_starts(const struct target *t, pid_t pid, uint64_t bias,
		  const struct memory_goroutine *list, size_t n, memory_start_fn *fn, void *ctx);

#endif
