/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* CPU samples in views that are not of them alone. For this room. */
#ifndef XGOTOPFS_VIEW_CPU_H
#define XGOTOPFS_VIEW_CPU_H

#include "core/model/samples.h"
#include "core/view/emit.h"
#include "core/view/stays.h"
#include "core/view/view.h"

/* Samples of a time (from, to) and of some goroutines (filter, goids), as a query asks for them. */
struct cpu_chosen {
	struct sample_row *rows; /* by stack and goroutine, in no order */
	size_t n;
	struct sample_totals totals; /* since tracing began, of the process */
	struct window window;
	uint64_t to_ns;      /* its end, or now */
	uint64_t covered_ns; /* from here on samples are known one by one; UINT64_MAX: never */
	bool all;            /* no goroutine was named: with what the runtime does for itself */
	/* What events tell of the same goroutines in that time; known: all changes are events. */
	uint64_t running_ns, unknown_ns;
	bool running_known;
};

/* `lately` ns before now unless `from` is given. `running`: running_ns and so on, which takes a
 * walk through events. 0, -EINVAL, -ENOMEM or -ENOENT. */
int cpu_choose(const struct view *v, struct view_query *q, uint64_t lately, bool running,
	       struct cpu_chosen *ret);
void cpu_chosen_free(struct cpu_chosen *c);
/* Why there are no samples, or not all: "CPU samples are off: …"; nothing where all is well. */
void cpu_sampling_why(const struct view *v, unsigned proc, struct buf *out);

/* A goroutine's: cpu_ns, an estimate, with one standard deviation and the samples that it is of. */
void view_emit_cpu(struct emit *e, const struct view *v, const struct goroutine *g);
/* A process's: cpu_sampled_ns, … */
void view_emit_cpu_totals(struct emit *e, const struct view *v, unsigned proc);
/* What took the processors' time lately, by samples. */
struct cpu_recent {
	/* The time looked at: less than was asked for where nobody sampled before. However little
	 * of it the program ran: that it ran all of the last second says nothing of a minute. */
	uint64_t ns;
	/* Of CPU time; gc_ns: collecting garbage, with assist_ns, which is goroutines' help. */
	uint64_t all_ns, gc_ns, assist_ns;
	/* Of what was not spent in the kernel (where our probes are, too): with memory handed out
	 * and taken back; and all. */
	uint64_t memory_ns, user_ns;
	/* The function of the program's own (own.h) that most of it was spent in, or below. */
	uint64_t own_ns, goid;
	uint32_t own_site; /* names_site(): one of its places; 0: there is none */
	/* The innermost exported function of the standard library that most of own_ns was spent
	 * in, or below; 0: there is none. */
	uint64_t called_ns;
	uint32_t called_func_id;
	/* Going to sleep (time.Sleep) and being woken from it, and the function of the program's
	 * own that most of that was below. */
	uint64_t sleep_ns, sleep_hits, sleeper_ns, sleeper_goid;
	uint32_t sleeper_site;
	/* Giving way to others (runtime.Gosched), and the function of the program's own that most
	 * of what is known of that was below. */
	uint64_t yield_ns, yielder_ns, yielder_goid;
	uint32_t yielder_site;
	/* The runtime's work on timers that are due, or are to be: not who sleeps. */
	uint64_t timers_ns, timers_hits;
};
/* Of the last `ns`. 0 or -ENOMEM. */
int view_cpu_recent(const struct view *v, unsigned proc, uint64_t ns, struct cpu_recent *ret);
/* The calls of its last sample, with how long ago that was, as Go prints a stack. false: it has
 * none. */
bool view_add_last_sample(const struct view *v, const struct goroutine *g, struct buf *out);

#endif
