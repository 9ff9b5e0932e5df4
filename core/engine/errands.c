/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the deputies do, who may look into the target and change its probes: what those who serve
 * ask of them, and, when nobody does, keeping what will be missed when a process ends.
 */
#include <errno.h>
#include <string.h>

#include "core/engine/engine_internal.h"
#include "core/memory/runtime_seen.h"

#define LEAKS_FRESH_NS   (5 * NS_PER_SEC) /* for who wants to know by the way */
#define LEAKS_ASKED_NS   (2 * NS_PER_SEC) /* for who asks for just that */
#define LEAKS_DUTY       10
#define KEEP_FIRST_NS    (NS_PER_SEC / 2)
#define KEEP_EVERY_NS    (10 * NS_PER_SEC)
#define KEEP_WAITS_NS    (NS_PER_SEC / 4) /* CPU: waits are kept, too, where stacks took less */
#define KEEP_REST        200              /* times as long as the reading took */
#define RUNTIME_EVERY_NS NS_PER_SEC

/* Rests between passes cost nobody anything: they count where nobody reads `leaks` itself. */
bool engine_leaks_are_fresh(struct engine *e, unsigned proc, bool asked)
{
	struct leak_look look = leak_prover_last(e->prover, proc);
	uint64_t least_ns = asked ? LEAKS_ASKED_NS : LEAKS_FRESH_NS;
	uint64_t took_ns = asked ? look.worked_ns : look.took_ns;

	return look.ended_ns &&
	       monotonic_ns() - look.ended_ns < MAX(least_ns, took_ns * LEAKS_DUTY);
}

static int run_stack(struct engine *e, const struct errand_args *args, void *reply)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	int err = healer_stack(e->healer, args->proc, args->goid, &text);

	return err ? err : errand_add(reply, text.data, text.len);
}

struct reading {
	struct engine *engine;
	struct last_taking *taking;
	void *reply;       /* NULL: nobody asked */
	uint64_t until_ns; /* CLOCK_THREAD_CPUTIME_ID: then it is cut; who waits costs nothing */
};

static int take_text(void *arg, const char *text, size_t len)
{
	static const char cut[] = "\n... cut: only what could be read in a second was kept\n";
	struct reading *r = arg;

	last_stacks_add(r->taking, text, len);
	if (r->reply)
		return errand_add(r->reply, text, len);
	if (clock_ns(CLOCK_THREAD_CPUTIME_ID) > r->until_ns) {
		last_stacks_add(r->taking, cut, strlen(cut));
		return -ETIME;
	}
	return deputy_is_idle(r->engine->looker) ? 0 : -ECANCELED;
}

/* For who asked, and for when the process has ended. */
static int run_stacks(struct engine *e, unsigned proc, enum live_stacks what, void *reply)
{
	uint64_t now_ns = monotonic_ns();
	struct reading r = {
		.engine = e,
		.taking = last_stacks_begin(e->last, proc, what, now_ns),
		.reply = reply,
		.until_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) + NS_PER_SEC,
	};
	int err = healer_stacks(e->healer, proc, what, take_text, &r);

	last_stacks_end(r.taking, !err || err == -ETIME, !err);
	return err;
}

static int run_runtime(struct engine *e, unsigned proc, void *reply)
{
	cleanup_free_ struct runtime_seen *seen = NULL;
	struct proc_info info;
	int err = model_proc_living(e->c.model, proc, &info);

	if (!err)
		err = e->source->runtime(e->source->ctx, proc, info.pid, &seen);
	return err ? err : errand_add(reply, (const char *)seen, runtime_seen_size(seen));
}

static int read_heap(struct engine *e, unsigned proc, struct live_heap **ret)
{
	struct proc_info info;
	int err = model_proc_living(e->c.model, proc, &info);

	return err ? err : e->source->heap_profile(e->source->ctx, proc, info.pid, ret);
}

static int run_heap(struct engine *e, unsigned proc, void *reply)
{
	cleanup_free_ struct live_heap *heap = NULL;
	int err = read_heap(e, proc, &heap);

	return err ? err : errand_add(reply, (const char *)heap, live_heap_size(heap));
}

/* For what grows, and for when it has ended. A profile is of the last collection that has ended. */
static void keep_heap(struct engine *e, unsigned proc)
{
	uint64_t began_ns = monotonic_ns();
	struct live_heap *heap = NULL;
	struct live_runtime r;

	if (!e->source->heap_profile || !last_runtime_get(e->runtimes, proc, &r) ||
	    r.heap.cycles == RUNTIME_UNKNOWN ||
	    !last_heap_is_due(e->heaps, proc, r.heap.cycles, began_ns))
		return;
	if (read_heap(e, proc, &heap))
		heap = NULL;
	last_heap_take(e->heaps, proc, r.heap.cycles, monotonic_ns() - began_ns, heap);
}

/*
 * Once a second: how many bytes are allocated a second, collections, threads. Some dozens of reads
 * a process.
 */
static uint64_t keep_runtimes(struct engine *e)
{
	uint64_t began_ns = monotonic_ns(), now_ns;
	unsigned n = model_procs(e->c.model);

	for (unsigned proc = 0; proc < n && deputy_is_idle(e->looker); proc++) {
		struct proc_info info;

		if (model_proc(e->c.model, proc, &info) || info.state != PROC_RUNNING)
			continue;
		(void)last_runtime_read(e->runtimes, e->source, e->c.model, proc, false);
		keep_heap(e, proc);
	}
	now_ns = monotonic_ns();
	return began_ns + MAX(RUNTIME_EVERY_NS, KEEP_REST * (now_ns - began_ns));
}

/*
 * Nobody asks, so there is time to read what will be missed when a process ends: one process after
 * the other, each time at most a second, and so seldom that it is a two-hundredth of a processor.
 */
static uint64_t keep_stacks(struct engine *e)
{
	unsigned n = model_procs(e->c.model);
	uint64_t began_ns = monotonic_ns(), now_ns;
	uint64_t until_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) + KEEP_WAITS_NS;

	for (unsigned i = 0; i < n; i++) {
		unsigned proc = e->next_proc++ % n;
		struct proc_info info;

		if (model_proc_living(e->c.model, proc, &info) == -ESRCH ||
		    model_awaits(e->c.model, proc))
			continue;
		if (!run_stacks(e, proc, LIVE_STACKS_AS_GO, NULL))
			(void)run_stacks(e, proc, LIVE_STACKS_LABELLED, NULL);
		/* Takes some times as long, in one piece. */
		if (e->source->waits && clock_ns(CLOCK_THREAD_CPUTIME_ID) < until_ns &&
		    deputy_is_idle(e->looker))
			(void)waits_cache_read(e->waits, proc);
		break;
	}
	now_ns = monotonic_ns();
	return now_ns + MAX(KEEP_EVERY_NS, KEEP_REST * (now_ns - began_ns));
}

static uint64_t keep(void *ctx)
{
	struct engine *e = ctx;

	if (e->source->runtime && monotonic_ns() >= e->runtime_due_ns)
		e->runtime_due_ns = keep_runtimes(e);
	if (monotonic_ns() >= e->stacks_due_ns)
		e->stacks_due_ns = keep_stacks(e);
	return e->source->runtime ? MIN(e->runtime_due_ns, e->stacks_due_ns) : e->stacks_due_ns;
}

static int run_leaks(struct engine *e, unsigned proc)
{
	int err;

	if (engine_leaks_are_fresh(e, proc,
				   true)) /* many may have asked before the first was answered */
		return 0;
	err = leak_prover_run(e->prover, proc);
	if (!err)
		leak_prover_tell(e->prover, proc);
	return err;
}

static int run_errand(void *ctx, const struct errand_args *args, void *reply)
{
	struct engine *e = ctx;

	switch (args->what) {
	case ERRAND_STACK:
		return run_stack(e, args, reply);
	case ERRAND_STACKS:
		return run_stacks(e, args->proc, (enum live_stacks)args->style, reply);
	case ERRAND_WAITS:
		return waits_cache_read(e->waits, args->proc);
	case ERRAND_LEAKS:
		return run_leaks(e, args->proc);
	case ERRAND_RUNTIME:
		return run_runtime(e, args->proc, reply);
	case ERRAND_HEAP:
		return run_heap(e, args->proc, reply);
	case ERRAND_RATES:
		return engine_apply_rates(e, args->rates);
	case ERRAND_PAUSED:
		return levels_pause(e->levels, args->on);
	case ERRAND_PROBES:
		return levels_set(e->levels, (enum probe_level)args->level);
	case ERRAND_READERS:
		return levels_apply(e->levels);
	case ERRAND_MAX_OVERHEAD:
		return engine_apply_max_overhead(e, args->percent);
	case ERRAND_MEASURE:
		return e->source->measure(e->source->ctx);
	}
	return -EINVAL;
}

/* Three, so that a change need not wait for the stacks of a large program, nor either for a look
 * through its heap. */
int engine_start_deputies(struct engine *e)
{
	int err = last_stacks_new(&e->last);

	if (!err)
		err = last_runtime_new(&e->runtimes);
	if (!err)
		err = last_heap_new(&e->heaps);
	/* What it allocated before is none of ours. */
	for (unsigned proc = 0; !err && proc < model_procs(e->c.model); proc++)
		(void)last_runtime_read(e->runtimes, e->source, e->c.model, proc, true);
	e->runtime_due_ns = monotonic_ns() + KEEP_FIRST_NS;
	e->stacks_due_ns = e->runtime_due_ns;
	if (!err)
		err = deputy_new("xgotop-look", run_errand, e, &e->looker);
	if (!err)
		deputy_when_idle(e->looker, keep, KEEP_FIRST_NS);
	if (!err)
		err = deputy_new("xgotop-leaks", run_errand, e, &e->leaks);
	return err ? err : deputy_new("xgotop-change", run_errand, e, &e->changer);
}
