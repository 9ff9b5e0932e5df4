/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The CPU time of all traced processes there were, which goes on where one ends. Not thread-safe.
 */
#ifndef XGOTOPFS_ENGINE_CPU_SUM_H
#define XGOTOPFS_ENGINE_CPU_SUM_H

#include "core/engine/source.h"
#include "core/model/model.h"

struct cpu_sum {
	uint64_t *last; /* by process */
	size_t n;
	uint64_t total_ns;
};

/* Since the first call, ns; what a process took before it was seen for the first time is not in it.
 */
uint64_t cpu_sum_now(struct cpu_sum *sum, const struct source *source, struct model *model);
void cpu_sum_end(struct cpu_sum *sum);

#endif
