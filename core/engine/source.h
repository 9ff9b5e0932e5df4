/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where an engine's counts and its look into memory come from, and whom it asks for a change:
 * capture and memory of a live program (traced.h), or what a test made up. Functions may be called
 * from any thread, and may wait for the kernel or for the target's memory.
 */
#ifndef XGOTOPFS_ENGINE_SOURCE_H
#define XGOTOPFS_ENGINE_SOURCE_H

#include "core/capture/capture.h"
#include "core/model/model.h"
#include "core/view/live.h"

struct runtime_seen;
struct unreachable;
struct unreachable_pace;
struct wait_graph;

struct source {
	void *ctx;
	bool without_bpf; /* nothing was prepared to be attached, and never will be */

	/* What was counted since the start; every figure is the difference of two. */
	void (*stats)(void *ctx, struct capture_stats *ret);
	/* All but what the engine itself knows (goroutines_from, processors), which is left as it
	 * is. */
	void (*health)(void *ctx, unsigned proc, struct health *ret);

	/* Measures again what a hit costs on this machine, for stats(): some ms of CPU time, a
	 * tenth of a second. 0 or -errno. One thread; it may attach. NULL: it cannot. */
	int (*measure)(void *ctx);

	/* CPU time of all threads of a process that runs, ns; 0: not known. Quick. */
	uint64_t (*cpu_ns)(void *ctx, pid_t pid);
	/* For how long its threads waited for a CPU; UINT64_MAX not known. May be NULL. */
	uint64_t (*cpu_wait_ns)(void *ctx, pid_t pid);
	/* Descriptors that are open, and that may be; false: nobody can say. Quick. May be NULL. */
	bool (*files)(void *ctx, pid_t pid, uint64_t *ret_open, uint64_t *ret_most);
	/* As process_stopped() (core/base/cpu_time.h). Quick. May be NULL: nobody knows. */
	bool (*stopped)(void *ctx, pid_t pid);

	/* 0 or -errno; then nothing is changed, but for -ETIMEDOUT and -EBUSY (capture.h). */
	int (*set_rates)(void *ctx, const uint32_t rates[RATES]);
	void (*get_rates)(void *ctx, uint32_t ret[RATES]);
	int (*set_paused)(void *ctx, bool paused);
	bool (*get_paused)(void *ctx);
	void (*low_latency)(void *ctx, bool on); /* counted */
	/* Allocations are sampled from now on, or no longer (-probes light). 0 or -errno; then
	 * nothing is changed. NULL: it cannot. */
	int (*sample_allocations)(void *ctx, bool on);
	/* As capture_sample_window(); 0: between two windows. NULL where that is. */
	void (*sample_window)(void *ctx, unsigned scale, unsigned window);

	/* CPU samples are taken from now on, or no longer, where that can be. NULL: it cannot. */
	void (*sample_cpu)(void *ctx, bool on);
	/* They are, and CPUs have come or gone: sample_cpu(ctx, true) sees to it. NULL: never. */
	bool (*cpus_changed)(void *ctx);

	/* As capture_delivered() (core/capture/capture.h). */
	uint64_t (*delivered)(void *ctx, uint64_t wanted_ns);

	/* All goroutines of a process, of moments after the call, or, with *ret_complete false, as
	 * many as are read at all; the caller frees *ret. -ESRCH (gone), -ENOSYS (this program does
	 * not tell), -EPERM, -EFAULT, -ENOMEM. */
	int (*goroutines)(void *ctx, unsigned proc, pid_t pid, struct goroutine_seen **ret,
			  size_t *ret_n, bool *ret_complete);
	/* How many numbers the process has given to goroutines: so many at the end of the call or
	 * more, at its begin or fewer. -ENOSYS (not found in this binary), and as above. NULL:
	 * nobody knows. */
	int (*goids)(void *ctx, unsigned proc, pid_t pid, uint64_t *ret_least, uint64_t *ret_most);
	/* How many of them were for C threads, when goroutines() read it; -EAGAIN when another
	 * process was read since. */
	int (*of_threads)(void *ctx, unsigned proc, uint64_t *ret);
	/* As a dump of Go with debug=2 has it, appended to `out`. -ESRCH also when the last
	 * goroutines() did not have it. */
	int (*stack)(void *ctx, unsigned proc, pid_t pid, uint64_t goid, struct buf *out);
	int (*stacks)(void *ctx, pid_t pid, enum live_stacks what, live_text_fn *fn, void *arg);
	/* What they wait on (core/memory/waits.h); the caller puts *ret. NULL: nobody can say. */
	int (*waits)(void *ctx, unsigned proc, pid_t pid, struct wait_graph **ret);
	/* What its runtime says of heap and scheduler (core/memory/runtime_seen.h); the caller
	 * frees *ret. NULL: nobody can say. */
	int (*runtime)(void *ctx, unsigned proc, pid_t pid, struct runtime_seen **ret);
	/* The heap profile that it keeps of itself; the caller frees *ret. NULL: nobody can say. */
	int (*heap_profile)(void *ctx, unsigned proc, pid_t pid, struct live_heap **ret);
	/* One pass over its heap (core/memory/unreachable.h). NULL: nobody can. */
	int (*unreachable)(void *ctx, unsigned proc, pid_t pid, const struct wait_graph *graph,
			   const struct unreachable_pace *pace, struct unreachable *ret);
};

/* Until all events before `until_ns` are in the model; false: that takes longer than `patience_ns`,
 * or `stops` (NULL: nobody) says so. For threads that may wait. */
bool source_wait_delivered(const struct source *s, uint64_t until_ns, uint64_t patience_ns,
			   bool (*stops)(void *ctx), void *ctx);

#endif
