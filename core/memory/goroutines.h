/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The goroutines that a live process has right now, read from its memory without stopping it:
 * what was there before the tracer came, and what is there after a loss of events. Any thread.
 */
#ifndef XGOTOPFS_MEMORY_GOROUTINES_H
#define XGOTOPFS_MEMORY_GOROUTINES_H

#include "core/target/target.h"

struct memory_goroutine {
	uint64_t address; /* of its runtime.g, in the process */
	uint64_t goid;
	uint64_t parent;     /* goid of its creator; 0 unknown (Go before 1.21) */
	uint32_t status;     /* runtime2.go _Grunnable …, without the scan bit */
	bool scanning;       /* the scan bit: the garbage collector holds it for a moment */
	uint8_t wait_reason; /* says something only while it waits */
	bool locked_to_thread;
	bool running_cleanups;    /* it runs cleanups of the program: 1.25 on */
	uint64_t labels, bubble;  /* runtime addresses; 0 none (core/memory/about.h) */
	uint64_t start_pc, go_pc; /* static addresses; 0 none */
	int64_t wait_since_ns;    /* CLOCK_MONOTONIC; 0 not known: the garbage collector sets it, at
				     its first run after the goroutine began to wait */
	uint64_t m;               /* address of its thread's runtime.m; 0 none */
	/* Where it stands when it does not run (g.sched), and where it entered a system call. */
	uint64_t sched_pc, sched_sp, sched_bp, sched_lr; /* runtime addresses */
	uint64_t syscall_pc, syscall_sp, syscall_bp;
	uint64_t stack_lo, stack_hi;
	uint64_t waiting; /* address of its first runtime.sudog; 0 none */
	uint64_t defer;   /* of its innermost runtime._defer; 0 none */
	bool counts_turns;
	uint8_t turns; /* g.trackingSeq: one more each time it stopped running */
};

/* Does it wait, so that somebody else has to wake it? runtime2.go _Gwaiting, _Gleaked. */
static inline bool goroutine_is_parked(const struct memory_goroutine *g)
{
	return g->status == 4 || g->status == 10;
}

/* On a processor: what its registers hold is in nobody's memory. runtime2.go _Grunning. */
static inline bool goroutine_is_running(const struct memory_goroutine *g)
{
	return g->status == 2;
}

#define MEMORY_GOROUTINES_MAX (1u << 21) /* of one reading, dead ones included */

/*
 * All that are not dead, in the order of runtime.allgs, each once. `bias` as from
 * target_load_bias(). Each entry is one goroutine's at one moment (its goid was the same before and
 * after), entries are of slightly different moments. The caller frees *ret. *ret_cut (may be NULL):
 * there are more than MEMORY_GOROUTINES_MAX; the others are left out. -ENOSYS when runtime.allgs
 * cannot be found in this binary, -ESRCH, -EPERM, -EFAULT, -ENOMEM.
 */
int memory_goroutines(const struct target *t, pid_t pid, uint64_t bias,
		      struct memory_goroutine **ret, size_t *ret_n, bool *ret_cut);

/* The same, and what is to be said of all entries of runtime.allgs together, dead ones too. */
struct memory_about {
	bool cut;          /* as *ret_cut */
	size_t of_threads; /* for C threads that call Go (oneNewExtraM), in use or not */
};
int memory_goroutines_about(const struct target *t, pid_t pid, uint64_t bias,
			    struct memory_goroutine **ret, size_t *ret_n,
			    struct memory_about *ret_about);

/* Addresses of all gs, dead ones too; the caller frees *ret. Errors as above. */
int memory_goroutine_records(const struct target *t, pid_t pid, uint64_t bias, uint64_t **ret,
			     size_t *ret_n);

/* The one with this goid: reads them all. -ESRCH when there is none. */
int memory_goroutine_by_id(const struct target *t, pid_t pid, uint64_t bias, uint64_t goid,
			   struct memory_goroutine *ret);

/* One of them again, by the address of its g. -ESRCH also when it is dead or another's by now. */
int memory_goroutine_again(const struct target *t, pid_t pid, uint64_t bias,
			   const struct memory_goroutine *before, struct memory_goroutine *ret);

#endif
