/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Looks for leaked goroutines when asked to: passes over a process's memory
 * (core/memory/unreachable.h) until nothing is open, some time apart, and the report that comes of
 * them. What was proven is kept, so that asking again takes one pass. The last reports of a few
 * processes are kept.
 */
#ifndef XGOTOPFS_ENGINE_LEAK_PROVER_H
#define XGOTOPFS_ENGINE_LEAK_PROVER_H

#include "core/engine/source.h"
#include "core/memory/leak_report.h"

struct leak_prover;

/* Both are borrowed. 0 or -ENOMEM. */
int leak_prover_new(const struct source *source, struct model *model, struct leak_prover **ret);
void leak_prover_free(struct leak_prover *p); /* NULL is fine; nobody proves any more */

/*
 * Looks at `proc`, for some passes: seconds of it, longer for a large heap. 0, -ESRCH (it has
 * ended), -ECANCELED (leak_prover_stop()), or as memory_unreachable(). One thread, which needs
 * privileges.
 */
int leak_prover_run(struct leak_prover *p, unsigned proc);
/* Logs what the last look found that is new (leak_news.h). The thread that runs it. */
void leak_prover_tell(struct leak_prover *p, unsigned proc);
/* What runs ends soon, and nothing begins any more. Any thread. */
void leak_prover_stop(struct leak_prover *p);

/* The last report, to be put. *ret_err: what came of the last look (leak_prover_run()). -EAGAIN:
 * there is none yet. Any thread. */
int leak_prover_report(struct leak_prover *p, unsigned proc, struct leak_report **ret,
		       int *ret_err);
/* Has the process? Any thread. */
bool leak_prover_has_ended(struct leak_prover *p, unsigned proc);

/* The last look: when it ended (CLOCK_MONOTONIC; 0: there was none), how long it took, and without
 * its rests between passes. */
struct leak_look {
	uint64_t ended_ns, took_ns, worked_ns;
};
struct leak_look leak_prover_last(struct leak_prover *p, unsigned proc);

#endif
