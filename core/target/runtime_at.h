/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the runtime keeps what it counts of its heap and its scheduler: the variables, in binaries
 * with symbols and without, and the fields in them. Any thread.
 */
#ifndef XGOTOPFS_TARGET_RUNTIME_AT_H
#define XGOTOPFS_TARGET_RUNTIME_AT_H

#include "core/target/target.h"

#define RUNTIME_PAUSES 256 /* of the last cycles: memstats.pause_ns */

/* Offsets in bytes. 0: this release has none, but for what is first in its struct. */
struct runtime_layout {
	/* runtime.memstats (mstats.go). Behind numgc comes numforcedgc, behind pause_total_ns the
	 * 256 of pause_ns, a ring. */
	uint32_t numgc, pause_total, last_gc, last_gc_nanotime, gc_cpu_fraction;
	uint32_t stacks_sys, mspan_sys, mcache_sys, buckhash_sys, misc_sys, other_sys;
	uint32_t heap_sys, heap_inuse, heap_released; /* up to 1.18; then the controller's */
	/* Three heapStatsDelta of delta_size bytes: their sum counts. In it inStacks and then
	 * inWorkBufs come at delta_stacks, and (up to 1.24) inPtrScalarBits; then
	 * tinyAllocCount, largeAlloc, largeAllocCount and the 68 of smallAllocCount. */
	uint32_t heap_stats, delta_size, delta_stacks;
	bool delta_bits;
	uint32_t memstats_size; /* all of the above lie below */

	/* runtime.gcController (mgcpacer.go); gcPercent (int32) comes first. */
	uint32_t heap_live, heap_marked;
	uint32_t heap_goal;    /* up to 1.18 */
	uint32_t percent_goal; /* then: gcPercentHeapGoal, sweepDistMinTrigger, triggered */
	uint32_t memory_limit; /* 1.19 on */
	uint32_t in_use;       /* heapInUse, heapReleased, heapFree, totalAlloc, totalFree,
				  mappedReady */
	/* assistTime, and behind it those of the three kinds of workers; ns of the last cycle. */
	uint32_t assist;
	bool headroom_percent; /* how memoryLimitHeapGoal() leaves room: 1.21 on */
	uint32_t controller_size;

	uint32_t spanalloc; /* in mheap, a fixalloc: size comes first */
	uint32_t spanalloc_inuse;

	/* runtime.sched (runtime2.go). Behind nmidle: nmidlelocked, mnext; behind npidle:
	 * nmspinning and, from 1.20 on, needspinning; behind gcwaiting, a byte or (up to 1.19)
	 * four: stopwait. */
	uint32_t nmidle, nmfreed, npidle, runqsize, gcwaiting, sysmonwait;
	bool needspinning, byte_flags;
	uint32_t sched_size;

	/* p, and m. Behind runqhead comes runqtail; behind spinning, blocked; both a byte. */
	uint32_t p_status, p_schedtick, p_syscalltick, p_m, p_runqhead, p_runnext, p_size;
	uint32_t m_locks, m_spinning, m_lockedg, m_alllink, m_size;
};

/* Static addresses; 0: not found, or not in the way that this release has it. */
struct runtime_at {
	uint64_t memstats, controller, mheap;
	uint64_t sched, allp, allm;
};

/* Of a release that is known; -ENOSYS. */
int runtime_layout(const struct target *t, struct runtime_layout *ret);
/* Each is found by the fields that the runtime's own functions use, which also says that these are
 * where runtime_layout() has them. Decodes some functions, milliseconds: keep it. 0, -ENOSYS (none
 * of them), -ENOMEM. */
int runtime_find(const struct target *t, struct runtime_at *ret);

#endif
