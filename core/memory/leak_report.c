/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "core/memory/leak_report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/memory/waits.h"

int leak_report_new(struct wait_graph *graph, const uint64_t *proven, size_t n,
		    struct leak_suspects *before, struct leak_report **ret)
{
	struct leak_report *r = calloc(1, sizeof(*r));
	int err;

	if (!r) {
		wait_graph_put(graph);
		return -ENOMEM;
	}
	r->refs = 1;
	r->graph = graph;
	err = leak_groups_make(graph, proven, n, before, &r->groups);
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
	leak_baseline_done(&r->earlier);
	wait_graph_put(r->graph);
	free(r);
}

/* --- who is new ------------------------------------------------------------------------------- */

int leak_baseline_take(const struct leak_report *r, struct leak_baseline *ret)
{
	struct leak_baseline b = {.end_ns = r->end_ns};

	b.goids = calloc(r->groups.n_members + 1, sizeof(*b.goids));
	if (!b.goids)
		return -ENOMEM;
	for (size_t i = 0; i < r->groups.n_members; i++) {
		const struct leak_member *m = &r->groups.members[i];

		if (m->proven)
			b.goids[b.n++] = r->graph->goroutines[m->goroutine].goid;
	}
	sort_u64(b.goids, b.n);
	leak_baseline_done(ret);
	*ret = b;
	return 0;
}

int leak_baseline_copy(const struct leak_baseline *b, struct leak_baseline *ret)
{
	uint64_t *goids = calloc(b->n + 1, sizeof(*goids));

	if (!goids)
		return -ENOMEM;
	if (b->n)
		memcpy(goids, b->goids, b->n * sizeof(*goids));
	leak_baseline_done(ret);
	*ret = (struct leak_baseline){b->end_ns, goids, b->n};
	return 0;
}

void leak_baseline_done(struct leak_baseline *b)
{
	free(b->goids);
	*b = (struct leak_baseline){0};
}
