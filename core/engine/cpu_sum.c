/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See cpu_sum.h. */
#include "core/engine/cpu_sum.h"

#include <stdlib.h>
#include <string.h>

/* A process that is seen for the first time begins there. */
static void add(struct cpu_sum *sum, unsigned proc, uint64_t ns)
{
	uint64_t *last = &sum->last[proc];

	if (*last && ns > *last)
		sum->total_ns += ns - *last;
	if (ns)
		*last = ns;
}

uint64_t cpu_sum_now(struct cpu_sum *sum, const struct source *source, struct model *model)
{
	unsigned n = model_procs(model);

	if (n > sum->n) {
		uint64_t *last = reallocarray(sum->last, n, sizeof(*last));

		if (!last)
			return sum->total_ns;
		memset(last + sum->n, 0, (n - sum->n) * sizeof(*last));
		sum->last = last;
		sum->n = n;
	}
	for (unsigned proc = 0; proc < n; proc++) {
		struct proc_info info;

		if (!model_proc(model, proc, &info) && info.state == PROC_RUNNING)
			add(sum, proc, source->cpu_ns(source->ctx, info.pid));
	}
	return sum->total_ns;
}

void cpu_sum_end(struct cpu_sum *sum)
{
	free(sum->last);
	*sum = (struct cpu_sum){0};
}
