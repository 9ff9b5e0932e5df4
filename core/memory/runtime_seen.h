/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the runtime of a live process says of its heap and its scheduler, as it was read from its
 * memory: data alone. One block, which is freed with free().
 */
#ifndef XGOTOPFS_MEMORY_RUNTIME_SEEN_H
#define XGOTOPFS_MEMORY_RUNTIME_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RUNTIME_UNKNOWN UINT64_MAX

/* As runtime.MemStats has them (mstats.go), without its stopping the world: figures of slightly
 * different moments. Bytes, ns; RUNTIME_UNKNOWN where this release has none, or it is not known
 * where. */
struct runtime_heap {
	uint64_t live;         /* at the end of the last cycle, and what was allocated since */
	uint64_t marked;       /* live at the end of the last cycle */
	uint64_t goal;         /* NextGC */
	uint64_t gc_percent;   /* GOGC; INT32_MAX + 1 and more: off */
	uint64_t memory_limit; /* GOMEMLIMIT; INT64_MAX: none; 1.19 on */
	uint64_t cycles, forced_cycles;
	uint64_t last_gc_unix_ns; /* 0: never */
	uint64_t pause_total, pause_last;
	uint64_t pause_longest; /* of the last 256 cycles */
	uint64_t allocated;     /* TotalAlloc, but for what threads have of spans not used up */
	uint64_t assist, mark;  /* CPU time of the last cycle's marking, or of the one under way:
				 * by goroutines that allocate, and all of it */
	double cpu_fraction;    /* of the program's time since its start; < 0: not known */
	uint64_t in_use, idle, released, sys; /* the heap's */
	uint64_t stacks_in_use, stacks_sys, spans, spans_bytes;
	uint64_t gc_sys, other_sys, all_sys; /* MemStats GCSys; OtherSys and the rest; Sys */
};

/* Nothing of it is known. */
static inline struct runtime_heap runtime_heap_unknown(void)
{
	return (struct runtime_heap){
		.live = RUNTIME_UNKNOWN,
		.marked = RUNTIME_UNKNOWN,
		.goal = RUNTIME_UNKNOWN,
		.gc_percent = RUNTIME_UNKNOWN,
		.memory_limit = RUNTIME_UNKNOWN,
		.cycles = RUNTIME_UNKNOWN,
		.forced_cycles = RUNTIME_UNKNOWN,
		.last_gc_unix_ns = RUNTIME_UNKNOWN,
		.pause_total = RUNTIME_UNKNOWN,
		.pause_last = RUNTIME_UNKNOWN,
		.pause_longest = RUNTIME_UNKNOWN,
		.allocated = RUNTIME_UNKNOWN,
		.assist = RUNTIME_UNKNOWN,
		.mark = RUNTIME_UNKNOWN,
		.cpu_fraction = -1,
		.in_use = RUNTIME_UNKNOWN,
		.idle = RUNTIME_UNKNOWN,
		.released = RUNTIME_UNKNOWN,
		.sys = RUNTIME_UNKNOWN,
		.stacks_in_use = RUNTIME_UNKNOWN,
		.stacks_sys = RUNTIME_UNKNOWN,
		.spans = RUNTIME_UNKNOWN,
		.spans_bytes = RUNTIME_UNKNOWN,
		.gc_sys = RUNTIME_UNKNOWN,
		.other_sys = RUNTIME_UNKNOWN,
		.all_sys = RUNTIME_UNKNOWN,
	};
}

enum runtime_p_status {
	RUNTIME_P_IDLE,
	RUNTIME_P_RUNNING,
	RUNTIME_P_SYSCALL,
	RUNTIME_P_GCSTOP,
	RUNTIME_P_DEAD,
	RUNTIME_P_STATUSES
};

#define RUNTIME_RUNQ_MAX 256 /* len(p.runq) in every release */

struct runtime_p {
	int32_t id;
	uint32_t status; /* enum runtime_p_status */
	uint32_t schedtick, syscalltick;
	uint32_t runq; /* of its run queue, without the one that is next; RUNTIME_RUNQ_MAX + 1:
			  head and tail were of different moments each time */
	bool next;     /* a goroutine is next */
	int64_t m;     /* id of its m; -1 none */
};

/* By its head and tail, which are not read at the same moment. */
static inline uint32_t runtime_runq(uint32_t head, uint32_t tail)
{
	uint32_t n = tail - head;

	return n <= RUNTIME_RUNQ_MAX ? n : RUNTIME_RUNQ_MAX + 1;
}

struct runtime_m {
	int64_t id;
	uint64_t tid; /* as the program has it, in its own PID namespace; 0: not begun */
	int64_t p;    /* id of its p; -1 none */
	uint64_t goid, locked_goid; /* curg, lockedg; 0 none, RUNTIME_UNKNOWN not read */
	int32_t locks;
	bool spinning, blocked;
};

struct runtime_seen {
	uint64_t read_ns;       /* CLOCK_MONOTONIC */
	int64_t wall_offset_ns; /* of that moment: what the program has by CLOCK_REALTIME minus it
				 */
	bool has_heap, has_sched;
	struct runtime_heap heap;
	/* As GODEBUG=schedtrace prints them (proc.go schedtrace). */
	int64_t idle_ps, threads, spinning, idle_threads, idle_locked, run_queue;
	int64_t need_spinning; /* -1: before 1.20 */
	bool gc_waiting, sysmon_waiting;
	int64_t stop_wait;
	bool cut;  /* there are more threads than are listed: */
	bool many; /* than RUNTIME_MS_MAX; else their list changed meanwhile */
	bool has_ms;
	uint32_t n_ps, n_ms;
	uint32_t ms_at;        /* bytes from the beginning */
	struct runtime_p ps[]; /* n_ps; then n_ms struct runtime_m */
};

#define RUNTIME_PS_MAX 4096
#define RUNTIME_MS_MAX 16384

static inline const struct runtime_m *runtime_ms(const struct runtime_seen *s)
{
	return (const struct runtime_m *)(const void *)((const char *)s + s->ms_at);
}

/* All of it. */
static inline size_t runtime_seen_size(const struct runtime_seen *s)
{
	return s->ms_at + s->n_ms * sizeof(struct runtime_m);
}

#endif
