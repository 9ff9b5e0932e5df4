/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What engine.c shares with what answers (answers.c), changes (control.c) and does (errands.c). */
#ifndef XGOTOPFS_ENGINE_ENGINE_INTERNAL_H
#define XGOTOPFS_ENGINE_ENGINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/engine/audit.h"
#include "core/engine/costs.h"
#include "core/engine/deputy.h"
#include "core/engine/engine.h"
#include "core/engine/healer.h"
#include "core/engine/last_heap.h"
#include "core/engine/last_runtime.h"
#include "core/engine/last_stacks.h"
#include "core/engine/leak_prover.h"
#include "core/engine/levels.h"
#include "core/engine/sampling.h"
#include "core/engine/ticker.h"
#include "core/engine/waits_cache.h"
#include "core/engine/windows.h"

struct engine {
	struct engine_config c;
	const struct source *source; /* c.source */
	struct healer *healer;
	struct auditor *auditor;
	struct probe_switch *probes;
	struct sampling *sampling;
	struct levels *levels;

	pthread_mutex_t rates_lock; /* control calls come from any thread; held while the kernel
				       attaches and detaches */
	uint32_t wanted[RATES];     /* protected by rates_lock */
	struct costs *costs;        /* what the ticker, the windows and sampling look at */
	struct windows *windows;
	_Atomic double max_overhead; /* their bound */

	struct deputy *looker;    /* reads the target for them */
	struct last_stacks *last; /* of those */
	unsigned next_proc;       /* whose stacks are read next; the looker's thread */
	uint64_t stacks_due_ns, runtime_due_ns; /* the same */
	struct last_runtime *runtimes;
	struct last_heap *heaps;
	struct deputy *changer; /* attaches and detaches for them */

	struct waits_cache *waits;
	struct leak_prover *prover;
	struct deputy *leaks;            /* looks for them */
	_Atomic uint64_t leaks_asked_ns; /* by who waits for one: the last time */
	uint64_t leaks_due_ns;           /* main thread: the next look that nobody asked for */

	struct ticker ticker; /* main thread, as the next three */
	bool ticking;
	uint64_t measure_due_ns; /* what a hit costs, again */
	uint64_t measured_hits;  /* there were then */
};

/* What keeps -max-overhead. 0 or -ENOMEM. */
int engine_new_windows(struct engine *e);
/* The threads that do what is asked for. 0 or -errno, logged. */
int engine_start_deputies(struct engine *e);
/* Whether the last look for leaks serves who asks now: for some seconds, and of a large heap ten
 * times as long as it took. `asked`: for leaks themselves, not by the way. */
bool engine_leaks_are_fresh(struct engine *e, unsigned proc, bool asked);
/* By a deputy, who may attach: 0 or -errno. */
int engine_apply_rates(struct engine *e, const uint32_t rates[RATES]);
int engine_apply_max_overhead(struct engine *e, double percent);

#endif
