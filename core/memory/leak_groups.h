/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is stuck for ever and whose doing it is, from the wait graph and from who was proven to be
 * out of reach (leak_proof.h): groups that hang together, in each the culprit before his victims.
 * Pure functions; any thread.
 *
 * What a group says of who holds what is likely and no more: Go keeps no owner of a lock. Only
 * evidence that is strong makes an edge: a deferred call that would end the wait, or a frame that
 * has the object when nobody else has it.
 */
#ifndef XGOTOPFS_MEMORY_LEAK_GROUPS_H
#define XGOTOPFS_MEMORY_LEAK_GROUPS_H

#include "core/memory/wait_graph.h"

enum leak_kind {
	LEAK_CYCLE,  /* each waits for what the next one holds */
	LEAK_SELF,   /* waits for a lock that its own frame holds */
	LEAK_ORPHAN, /* nobody refers to what it waits on */
	LEAK_NEVER,  /* a nil channel, a select without cases: nothing can wake it */
	LEAK_KINDS,
};

static inline const char *leak_kind_name(enum leak_kind kind)
{
	static const char *const names[LEAK_KINDS] = {
		[LEAK_CYCLE] = "cycle",
		[LEAK_SELF] = "self",
		[LEAK_ORPHAN] = "orphan",
		[LEAK_NEVER] = "never",
	};

	return names[kind];
}

#define LEAK_NONE UINT32_MAX

struct leak_member {
	uint32_t goroutine; /* index into graph->goroutines */
	bool culprit;       /* in the cycle, or waits for nobody in the group */
	bool proven;     /* out of reach; else it waits for one of the cycle, or for a proven one */
	uint32_t object; /* index: what it waits on; LEAK_NONE: nothing, or several */
	uint32_t waits_for; /* index into graph->goroutines of who likely holds that; LEAK_NONE */
	uint32_t holder;    /* index into graph->holders: the evidence for that, or for the only one
			       who may hold it and is not in the group; LEAK_NONE */
};

struct leak_group {
	enum leak_kind kind;
	bool proven;       /* all culprits are; else suspect: a cycle over locks in reach */
	uint32_t first, n; /* members[first …] */
	uint32_t culprits; /* of these the first so many */
};

struct leak_groups {
	struct leak_group *groups;   /* those that keep most goroutines waiting first */
	struct leak_member *members; /* by group; in a cycle in its order */
	size_t n, n_members;
};

/*
 * Cycles over locks in reach, as passes one after the other have met them: who is on one, in the
 * same park (as in leak_proof.h), on the same object and behind the same one. Zeroed at first.
 */
struct leak_suspect {
	uint64_t goid, sched_pc, sched_sp, object, behind; /* address; goid */
	uint64_t since_ns;                                 /* begin of the first of these passes */
	unsigned passes;
};
struct leak_suspects {
	struct leak_suspect *list; /* by goid */
	size_t n;
	bool open; /* some are not told yet: another pass would tell */
};
void leak_suspects_done(struct leak_suspects *s);

/* Another pass is done. `proven`: goids, ascending. A suspect cycle is told once it was met in
 * LEAK_PASSES passes, over LEAK_SPAN_NS; `before` NULL: at once. 0 or -ENOMEM;
 * leak_groups_done(ret) afterwards in any case. */
int leak_groups_make(const struct wait_graph *graph, const uint64_t *proven, size_t n,
		     struct leak_suspects *before, struct leak_groups *ret);
void leak_groups_done(struct leak_groups *g);

#endif
