/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who ran when, and on which CPU: out of the retained events. For this room only; any thread.
 *
 * An event tells the CPU that its goroutine's thread was on at that moment (struct event, cpu). So
 * a run has the CPU on which it began, and each later event of the goroutine there says that it
 * still was; in between the kernel may move the thread, or run another one, without any event of
 * ours. What is known is told, and where it ends:
 *
 *   its next event is of another CPU      RUN_MOVED: sometime since sure_ns; another run begins
 *   somebody else begins on its CPU       RUN_DISPLACED: it runs on, as Go has it, on no known CPU
 *   it stops running                      RUN_STOPPED
 *
 * The runs of a goroutine together are the time it ran, as the walker has it (core/model/walk.h).
 * A goroutine in a system call does not run. One that waits for the collector's work to be done,
 * which its own thread does on its system stack, runs all the same: RUN_GC, RUN_STOPPING.
 */
#ifndef XGOTOPFS_VIEW_RUNS_H
#define XGOTOPFS_VIEW_RUNS_H

#include "core/view/view.h"

enum run_kind {
	RUN_GO,       /* the program's code */
	RUN_GC,       /* the collector's: marks, or helps to, or ends a cycle in a stopped world */
	RUN_STOPPING, /* stops the world */
	RUN_UNKNOWN,  /* of a CPU: who runs there is not known: events were lost, or are not kept */
	RUN_KINDS
};

enum run_end {
	RUN_STOPPED,
	RUN_MOVED,
	RUN_DISPLACED,
	RUN_OPEN, /* it goes on at the end of what was looked at */
	RUN_LOST, /* events were lost, or a change was missed: it ran at least so long */
	RUN_ENDS
};

struct run {
	uint64_t goid;
	uint64_t begin, end; /* end 0: RUN_OPEN */
	uint64_t sure_ns;    /* it was seen on its CPU then for the last time */
	uint32_t reason_id;  /* of RUN_GC, RUN_STOPPING: the runtime's word; names_string() */
	uint16_t cpu;        /* + 1; 0 not known */
	uint16_t to_cpu;     /* RUN_MOVED: + 1 */
	uint8_t kind;        /* enum run_kind */
	uint8_t ended;       /* enum run_end */
	bool seen;           /* its begin is known; else it ran already then */
	bool goes_on;        /* as the run before it ended as RUN_MOVED or RUN_DISPLACED */
};

struct runs {
	/* Asked for: [from, to). */
	uint64_t from, to;
	void (*fn)(void *ctx, const struct run *run);
	void *ctx;
	/* Told. */
	uint64_t since_ns; /* before that nothing is known */
	bool has_cpus;     /* an event told its CPU */
	bool lost; /* events were, in the range or around it, or nothing ever told a state of who
		      acted */
};

/*
 * Calls fn for each run that touches the range, when it ends: those of a CPU in the order of time,
 * but for what is not known before its first event, which comes last. Events somewhat before and
 * after the range are looked at, too, to know who runs at its edges; who has none there is in it
 * only while he still runs now. A RUN_UNKNOWN is of a CPU, and has no goid. 0, -ENOENT (no such
 * process) or -ENOMEM.
 */
int runs_walk(const struct view *v, unsigned proc, struct runs *r);

/* After it: is there time asked for of which not all runs are known? */
static inline bool runs_partly_unknown(const struct runs *r)
{
	return r->lost || r->since_ns > r->from;
}

/* "go", "gc", "stopping the world", "unknown"; "stopped", "moved", … */
const char *run_kind_word(unsigned kind);
const char *run_end_word(unsigned end);
/* ns of it between two times; an open one goes on until `to`. */
uint64_t run_inside(const struct run *run, uint64_t from, uint64_t to);

#endif
