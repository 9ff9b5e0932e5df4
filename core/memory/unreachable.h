/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Goroutines that nothing can wake any more: parked on objects that no goroutine which can still
 * run leads to, by the method of Go's own leak profile (runtime/mgc.go, 1.26 on), from outside and
 * without stopping the process. One pass may be wrong, as the process runs on meanwhile: a leak is
 * for ever, so only who is named by several passes, in the same park, is proven (leak_proof.h).
 *
 * Marking is conservative (reach.h): a word that looks like a pointer keeps what is there. Of the
 * stacks of those who wait only what is live counts (stack_live.h); of others, and where maps
 * do not tell, a dead word may hide a leak, and never makes one up.
 */
#ifndef XGOTOPFS_MEMORY_UNREACHABLE_H
#define XGOTOPFS_MEMORY_UNREACHABLE_H

#include "core/memory/reach.h"
#include "core/memory/wait_graph.h"

/* A goroutine and the park it was in: as long as that is the same one, so are these. */
struct parked_goroutine {
	uint64_t goid, sched_pc, sched_sp;
	bool marked; /* wait_goroutine.marked */
};

struct unreachable {
	uint64_t begin_ns, end_ns;     /* CLOCK_MONOTONIC */
	struct parked_goroutine *list; /* by goid; those that nothing can wake, and the marked */
	size_t n;
	size_t candidates; /* parked in a way that ends by somebody else's doing only */
	unsigned modules, procs;
	struct reach_stats reach;
	uint64_t heap_bytes;    /* in spans in use */
	uint64_t spans_skipped; /* could not be read, or made no sense */
	/* goids, ascending: who ran at the pass's begin or at its end, so that what the registers
	 * held was not seen. */
	uint64_t *running;
	size_t n_running;
	uint64_t by_words; /* waiting ones whose stacks counted word by word, dead ones too */
};

/* Who wants to be gentle, or to stop: called after each so many bytes of the process's memory. Not
 * 0: the pass ends with that. */
struct unreachable_pace {
	uint64_t bytes;
	int (*fn)(void *ctx);
	void *ctx;
	bool whole_stacks; /* all words of every stack count, as if there were no maps: for tests */
};

/*
 * One pass over the goroutines that `graph` (of the same process, as new as can be) knows as
 * parked. pace may be NULL. unreachable_done(ret) afterwards, also after an error. -ENOSYS: this
 * binary's heap, or its roots, cannot be found; -ESRCH, -EPERM, -EFAULT, -ENOMEM.
 */
int memory_unreachable(const struct target *t, pid_t pid, uint64_t bias,
		       const struct wait_graph *graph, const struct unreachable_pace *pace,
		       struct unreachable *ret);
void unreachable_done(struct unreachable *u);
#define cleanup_unreachable_ __attribute__((cleanup(unreachable_done)))

#endif
