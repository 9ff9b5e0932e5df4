/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "core/memory/leak_report.h"

#include <errno.h>
#include <stdlib.h>

#include "core/memory/waits.h"

int leak_report_new(struct wait_graph *graph, const uint64_t *proven, size_t n,
		    struct leak_report **ret)
{
	struct leak_report *r = calloc(1, sizeof(*r));
	int err;

	if (!r) {
		wait_graph_put(graph);
		return -ENOMEM;
	}
	r->refs = 1;
	r->graph = graph;
	err = leak_groups_make(graph, proven, n, &r->groups);
	if (err) {
		leak_report_put(r);
		return err;
	}
	*ret = r;
	return 0;
}

struct leak_report *leak_report_get(struct leak_report *r)
{
	__atomic_fetch_add(&r->refs, 1, __ATOMIC_RELAXED);
	return r;
}

void leak_report_put(struct leak_report *r)
{
	if (!r || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL))
		return;
	leak_groups_done(&r->groups);
	wait_graph_put(r->graph);
	free(r);
}
