/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is known of a process's leaks at a moment: the groups, the wait graph that they point into,
 * and what the proof rests on. Constant once made and shared by counting, so any thread may look.
 */
#ifndef XGOTOPFS_MEMORY_LEAK_REPORT_H
#define XGOTOPFS_MEMORY_LEAK_REPORT_H

#include "core/base/util.h"
#include "core/memory/leak_groups.h"

/* Who was proven to be leaked by a moment. */
struct leak_baseline {
	uint64_t end_ns; /* CLOCK_MONOTONIC */
	uint64_t *goids; /* ascending; n of them */
	size_t n;
};

struct leak_report {
	uint64_t begin_ns, end_ns; /* CLOCK_MONOTONIC, of the last pass */
	unsigned passes;           /* so many were made of this process */
	struct wait_graph *graph;  /* of the last pass */
	struct leak_groups groups;
	size_t candidates; /* parked in a way that only another goroutine ends */
	size_t open;       /* out of reach, but not yet in enough passes */
	bool beginning;    /* nobody was in enough passes yet, and some may be */
	size_t steady;     /* leak_proof_steady() */
	uint64_t heap_bytes, objects, unread_bytes, spans_skipped;
	size_t restless;              /* leak_proof_restless(): because of them nobody is proven */
	uint64_t stacks_by_words;     /* unreachable.by_words */
	struct leak_baseline earlier; /* end_ns 0: this is the first look */
	unsigned refs;                /* leak_report_get(), leak_report_put() */
};

/* Takes over `graph`, also when it fails. `proven`: goids, ascending; `before` as of
 * leak_groups_make(). -ENOMEM. */
int leak_report_new(struct wait_graph *graph, const uint64_t *proven, size_t n,
		    struct leak_suspects *before, struct leak_report **ret);
struct leak_report *leak_report_get(struct leak_report *r);
void leak_report_put(struct leak_report *r); /* NULL is fine */

/* Replaces *ret. -ENOMEM: it is as it was. */
int leak_baseline_take(const struct leak_report *r, struct leak_baseline *ret);
int leak_baseline_copy(const struct leak_baseline *b, struct leak_baseline *ret);
void leak_baseline_done(struct leak_baseline *b);
/* Was this one not among them? */
static inline bool leak_baseline_lacks(const struct leak_baseline *b, uint64_t goid)
{
	size_t i = sorted_find(b->goids, b->n, sizeof(*b->goids), 0, goid, false);

	return i == b->n || b->goids[i] != goid;
}

/* How many goroutines are proven to be leaked. */
static inline size_t leak_report_leaked(const struct leak_report *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->groups.n_members; i++)
		n += r->groups.members[i].proven;
	return n;
}

#endif
