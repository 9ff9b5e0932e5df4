/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the views ask of a live target, and what control files and the API may change: both are
 * answered from source and healer here, so that view, fs and web know neither. Called from any
 * thread; the threads that serve have no privileges, so what needs some is handed to the two
 * deputies.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/engine/engine_internal.h"
#include "core/memory/runtime_seen.h"
#include "core/memory/waits.h"

#define LEAKS_FRESH_NS    (5 * NS_PER_SEC) /* for who wants to know by the way */
#define LEAKS_ASKED_NS    (2 * NS_PER_SEC) /* for who asks for just that */
#define LEAKS_DUTY        10
#define LEAKS_ASK_NS      (30 * NS_PER_SEC)
#define WAITS_PATIENCE_NS (NS_PER_SEC / 4)

#define KEEP_FIRST_NS    (NS_PER_SEC / 2)
#define KEEP_EVERY_NS    (10 * NS_PER_SEC)
#define KEEP_REST        200 /* times as long as the reading took */
#define RUNTIME_EVERY_NS NS_PER_SEC

/* --- looking ---------------------------------------------------------------------------- */

static int live_health(void *ctx, unsigned proc, struct health *ret)
{
	struct engine *e = ctx;
	int64_t set_ns;

	memset(ret, 0, sizeof(*ret));
	e->source->health(e->source->ctx, proc, ret);
	snprintf(ret->goroutines_from, sizeof(ret->goroutines_from), "%s",
		 healer_source(e->healer));
	ret->processors = e->c.workers;
	set_ns = wall_offset_ns() - model_wall_offset(e->c.model);
	if (llabs(set_ns) >= (int64_t)CLOCK_SET_NS)
		ret->clock_set_ns = set_ns;
	return 0;
}

static void live_losses(void *ctx, struct live_losses *ret)
{
	const struct source *s = ((struct engine *)ctx)->source;
	struct capture_stats stats;

	s->stats(s->ctx, &stats);
	*ret = (struct live_losses){
		.ring_full = stats.refused,
		.unreadable = stats.cancelled,
		.absent_fields = stats.absent,
		.misnamed_fields = stats.misnamed,
		.outside_namespace = stats.outside,
		.unfollowed = stats.ignored,
		.undecodable = stats.undecodable,
		.left_in_rings = stats.stranded,
	};
}

static void live_unchosen(void *ctx, uint64_t ret[EVENT_TYPES])
{
	const struct source *s = ((struct engine *)ctx)->source;
	struct capture_stats stats;

	s->stats(s->ctx, &stats);
	memcpy(ret, stats.unchosen, sizeof(stats.unchosen));
}

static void live_probes(void *ctx, unsigned proc, struct live_probes *ret)
{
	struct engine *e = ctx;
	struct probes_now now;

	probe_switch_get(e->probes, &now);
	*ret = (struct live_probes){
		.level = levels_get(e->levels, NULL),
		.off = now.off,
		.since_ns = now.since_ns,
		.switched = now.switched,
		.off_ns = now.off_ns,
		.readers = levels_readers(e->levels),
		.as_of_ns = healer_as_of(e->healer, proc),
	};
	(void)levels_get(e->levels, &ret->level_since_ns);
	sampling_get(e->sampling, &ret->sample_scale, &ret->sample_windows,
		     &ret->sample_stands_for);
	healer_goids(e->healer, proc, &ret->goids_least, &ret->goids_most);
	if (!now.off)
		ret->why = "";
	else if (now.off & OFF_PAUSED)
		ret->why = "paused (control/pause)";
	else if (now.off & OFF_BUDGET)
		ret->why = "between two windows (-max-overhead)";
	else if (ret->level == PROBES_DEMAND)
		ret->why = "nobody reads events (-probes demand)";
	else
		ret->why = ret->level == PROBES_LIGHT ? "-probes light" : "-probes none";
}

static void live_look(void *ctx, unsigned proc, uint64_t patience_ns)
{
	struct engine *e = ctx;

	if (!probe_switch_memory_tells(e->probes))
		return;
	if (proc < MODEL_PROCS_MAX)
		healer_look(e->healer, proc, patience_ns);
	else
		for (proc = 0; proc < model_procs(e->c.model); proc++)
			healer_look(e->healer, proc, 0);
}

static void live_await(void *ctx, unsigned proc, uint64_t patience_ns)
{
	healer_await(((struct engine *)ctx)->healer, proc, patience_ns);
}

static void live_audit(void *ctx, unsigned proc, struct audit *ret)
{
	auditor_get(((struct engine *)ctx)->auditor, proc, ret);
}

static bool has_ended(struct engine *e, unsigned proc)
{
	struct proc_info info;

	return !model_proc(e->c.model, proc, &info) && info.state == PROC_EXITED;
}

static int add_to_buf(void *arg, const char *text, size_t len)
{
	buf_add(arg, text, len);
	return buf_error(arg);
}

/* From here on, threads that serve ask; who may look does. */
static int live_stack(void *ctx, unsigned proc, uint64_t goid, struct buf *out,
		      uint64_t *ret_as_of_ns)
{
	struct errand_args args = {.what = ERRAND_STACK, .proc = proc, .goid = goid};
	struct engine *e = ctx;
	int err = deputy_ask(e->looker, &args, out);

	if (err == -ESRCH) /* the process has ended, or only the goroutine */
		err = last_stacks_give(e->last, proc, LIVE_STACKS_AS_GO, goid, add_to_buf, out,
				       ret_as_of_ns);
	return err;
}

struct given {
	live_text_fn *fn;
	void *arg;
	bool any;
};

static int give(void *arg, const char *text, size_t len)
{
	struct given *g = arg;

	g->any = true;
	return g->fn(g->arg, text, len);
}

static int live_stacks(void *ctx, unsigned proc, enum live_stacks what, live_text_fn *fn, void *arg,
		       uint64_t *ret_as_of_ns)
{
	struct errand_args args = {.what = ERRAND_STACKS, .proc = proc, .style = (int)what};
	struct given given = {.fn = fn, .arg = arg};
	struct engine *e = ctx;
	int err = deputy_ask_each(e->looker, &args, give, &given);

	if (err == -ESRCH && !given.any)
		err = last_stacks_give(e->last, proc, what, 0, fn, arg, ret_as_of_ns);
	return err;
}

/* Readings of the wait graph are kept for a moment, so that many who look share one. */
static int live_waits(void *ctx, unsigned proc, uint64_t newer_ns, struct wait_graph **ret)
{
	struct errand_args args = {.what = ERRAND_WAITS, .proc = proc};
	struct engine *e = ctx;
	uint64_t due_ns = waits_cache_due_in(e->waits, proc, newer_ns);
	int err = 0;

	/* Who needs a newer one waits a little for its time to come. */
	if (due_ns && due_ns <= WAITS_PATIENCE_NS) {
		struct timespec ts = {.tv_nsec = (long)due_ns};

		nanosleep(&ts, NULL);
		due_ns = 0;
	}
	if (!due_ns)
		err = deputy_ask(e->looker, &args, NULL);
	return err ? err : waits_cache_get(e->waits, proc, ret);
}

static int live_waits_known(void *ctx, unsigned proc, struct wait_graph **ret)
{
	struct errand_args args = {.what = ERRAND_WAITS, .proc = proc};
	struct engine *e = ctx;

	if (waits_cache_is_due(e->waits, proc) && waits_cache_claim(e->waits, proc))
		(void)deputy_send(e->looker, &args); /* too many wait: the next look asks again */
	return waits_cache_get(e->waits, proc, ret);
}

static void live_waits_put(void *ctx, struct wait_graph *g)
{
	(void)ctx;
	wait_graph_put(g);
}

/* So long a look serves all who ask; of a large heap ten times as long as it took. Its rests
 * between passes cost nobody anything: they count where nobody reads `leaks` itself. */
static bool leaks_are_fresh(struct engine *e, unsigned proc, bool asked)
{
	struct leak_look look = leak_prover_last(e->prover, proc);
	uint64_t least_ns = asked ? LEAKS_ASKED_NS : LEAKS_FRESH_NS;
	uint64_t took_ns = asked ? look.worked_ns : look.took_ns;

	return look.ended_ns &&
	       monotonic_ns() - look.ended_ns < MAX(least_ns, took_ns * LEAKS_DUTY);
}

static int live_leaks(void *ctx, unsigned proc, struct leak_report **ret, bool *ret_late)
{
	struct errand_args args = {.what = ERRAND_LEAKS, .proc = proc};
	struct engine *e = ctx;
	int err = 0, known, why;

	*ret_late = false;
	if (!leaks_are_fresh(e, proc, true))
		err = deputy_ask(e->leaks, &args, NULL);
	if (err == -ETIMEDOUT || err == -EBUSY)
		*ret_late = true;
	known = leak_prover_report(e->prover, proc, ret, &why);
	if (!known)
		return 0; /* what was proven before it ended stays so */
	return *ret_late ? -EAGAIN : err ? err : why ? why : known;
}

/* What the looker reads of a process, as one block of at least so many bytes, for free(). */
static int look(struct engine *e, enum errand what, unsigned proc, size_t least, void **ret)
{
	struct errand_args args = {.what = what, .proc = proc};
	struct buf answer = BUF_INIT;
	size_t len;
	int err = deputy_ask(e->looker, &args, &answer);

	if (!err && answer.len < least)
		err = -ESRCH;
	if (err)
		buf_free(&answer);
	else
		*ret = buf_take(&answer, &len);
	return err;
}

static int live_runtime(void *ctx, unsigned proc, struct runtime_seen **ret)
{
	void *seen = NULL;
	int err = look(ctx, ERRAND_RUNTIME, proc, sizeof(**ret), &seen);

	if (!err)
		*ret = seen;
	return err;
}

static int live_heap_profile(void *ctx, unsigned proc, uint64_t since_ns, struct live_heap **ret)
{
	struct engine *e = ctx;
	void *heap = NULL;
	int err = look(e, ERRAND_HEAP, proc, sizeof(**ret), &heap);

	if (err)
		return err == -ESRCH ? last_heap_give(e->heaps, proc, since_ns, ret) : err;
	*ret = heap;
	last_heap_compare(e->heaps, proc, since_ns, *ret);
	return 0;
}

static bool live_runtime_known(void *ctx, unsigned proc, struct live_runtime *ret)
{
	struct engine *e = ctx;

	return e->runtimes && last_runtime_get(e->runtimes, proc, ret);
}

/* A look is asked for once, until there was one or it took long. */
static int live_leaks_known(void *ctx, unsigned proc, struct leak_report **ret)
{
	struct errand_args args = {.what = ERRAND_LEAKS, .proc = proc};
	struct engine *e = ctx;
	uint64_t now_ns = monotonic_ns(), asked_ns = atomic_load(&e->leaks_asked_ns);
	int why, err;

	if (!leaks_are_fresh(e, proc, false) && !leak_prover_has_ended(e->prover, proc) &&
	    (leak_prover_last(e->prover, proc).ended_ns > asked_ns ||
	     now_ns - asked_ns > LEAKS_ASK_NS) &&
	    atomic_compare_exchange_strong(&e->leaks_asked_ns, &asked_ns, now_ns))
		(void)deputy_send(e->leaks, &args); /* too many: later */
	err = leak_prover_report(e->prover, proc, ret, &why);
	return err && why ? why : err;
}

static void live_leaks_put(void *ctx, struct leak_report *r)
{
	(void)ctx;
	leak_report_put(r);
}

/* --- changing --------------------------------------------------------------------------- */

/* What is traced before and after cannot be held against the same memory. */
static int change_rates(struct engine *e, const uint32_t rates[RATES])
{
	int err;

	auditor_reset(e->auditor);
	err = e->source->set_rates(e->source->ctx, rates);
	auditor_reset(e->auditor);
	return err;
}

static int set_rates(struct engine *e, const uint32_t rates[RATES])
{
	int err;

	pthread_mutex_lock(&e->rates_lock);
	err = change_rates(e, rates);
	if (!err)
		memcpy(e->wanted, rates, sizeof(e->wanted));
	pthread_mutex_unlock(&e->rates_lock);
	if (!err)
		healer_ask_all(e->healer); /* what was not seen until now */
	return err;
}

static void get_rates(void *ctx, uint32_t ret[RATES])
{
	const struct source *s = ((struct engine *)ctx)->source;

	s->get_rates(s->ctx, ret);
}

static void get_wanted(void *ctx, uint32_t ret[RATES])
{
	struct engine *e = ctx;

	pthread_mutex_lock(&e->rates_lock);
	memcpy(ret, e->wanted, sizeof(e->wanted));
	pthread_mutex_unlock(&e->rates_lock);
}

static bool get_paused(void *ctx)
{
	struct probes_now now;

	probe_switch_get(((struct engine *)ctx)->probes, &now);
	return now.off & OFF_PAUSED;
}

static enum probe_level get_probes(void *ctx)
{
	return levels_get(((struct engine *)ctx)->levels, NULL);
}

/* Not waited for: who reads does not wait for the kernel. */
static void reads_events(void *ctx, bool on)
{
	const struct errand_args args = {.what = ERRAND_READERS};
	struct engine *e = ctx;

	levels_reader(e->levels, on);
	if (on && e->changer && levels_are_due(e->levels))
		(void)deputy_send(e->changer, &args); /* too many: within a second */
}

static int set_max_overhead(struct engine *e, double percent)
{
	int err;

	if (!control_max_overhead_ok(percent))
		return -EINVAL;
	err = windows_bound(e->windows, percent);
	if (!err)
		atomic_store(&e->max_overhead, percent);
	return err;
}

/* Between windows. */
static int set_off(void *ctx, bool off)
{
	return engine_probes_set(ctx, !off);
}

static bool is_off(void *ctx)
{
	struct probes_now now;

	probe_switch_get(((struct engine *)ctx)->probes, &now);
	return now.off & ~(unsigned)OFF_BUDGET;
}

int engine_new_windows(struct engine *e)
{
	struct windows_config config = {
		.source = e->source,
		.model = e->c.model,
		.costs = e->costs,
		.max_percent = e->c.max_overhead,
		.ctx = e,
		.set_off = set_off,
		.is_off = is_off,
	};

	return windows_new(&config, &e->windows);
}

static void live_budget(void *ctx, struct live_budget *ret)
{
	windows_get(((struct engine *)ctx)->windows, ret);
}

static double get_max_overhead(void *ctx)
{
	struct engine *e = ctx;

	return atomic_load(&e->max_overhead);
}

static void low_latency(void *ctx, bool on)
{
	const struct source *s = ((struct engine *)ctx)->source;

	s->low_latency(s->ctx, on);
}

static int live_set_rates(void *ctx, const uint32_t rates[RATES])
{
	struct errand_args args = {.what = ERRAND_RATES};

	memcpy(args.rates, rates, sizeof(args.rates));
	return deputy_ask(((struct engine *)ctx)->changer, &args, NULL);
}

static int live_set_paused(void *ctx, bool paused)
{
	struct errand_args args = {.what = ERRAND_PAUSED, .on = paused};

	return deputy_ask(((struct engine *)ctx)->changer, &args, NULL);
}

static int live_set_probes(void *ctx, enum probe_level level)
{
	struct errand_args args = {.what = ERRAND_PROBES, .level = (int)level};

	return deputy_ask(((struct engine *)ctx)->changer, &args, NULL);
}

static int live_set_max_overhead(void *ctx, double percent)
{
	struct errand_args args = {.what = ERRAND_MAX_OVERHEAD, .percent = percent};

	return deputy_ask(((struct engine *)ctx)->changer, &args, NULL);
}

/* --- the threads that do it ------------------------------------------------------------- */

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

	for (unsigned i = 0; i < n; i++) {
		unsigned proc = e->next_proc++ % n;

		if (has_ended(e, proc) || model_awaits(e->c.model, proc))
			continue;
		if (!run_stacks(e, proc, LIVE_STACKS_AS_GO, NULL))
			(void)run_stacks(e, proc, LIVE_STACKS_LABELLED, NULL);
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

	if (leaks_are_fresh(e, proc, true)) /* many may have asked before the first was answered */
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
		return set_rates(e, args->rates);
	case ERRAND_PAUSED:
		return levels_pause(e->levels, args->on);
	case ERRAND_PROBES:
		return levels_set(e->levels, (enum probe_level)args->level);
	case ERRAND_READERS:
		return levels_apply(e->levels);
	case ERRAND_MAX_OVERHEAD:
		return set_max_overhead(e, args->percent);
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

void engine_answers(struct engine *e, struct live *live, struct control *control)
{
	*live = (struct live){
		.ctx = e,
		.health = live_health,
		.losses = live_losses,
		.probes = live_probes,
		.look = live_look,
		.await = live_await,
		.audit = e->auditor ? live_audit : NULL,
		.budget = live_budget,
		.unchosen = live_unchosen,
		.stack = live_stack,
		.stacks = live_stacks,
		.waits = e->source->waits ? live_waits : NULL,
		.waits_known = e->source->waits ? live_waits_known : NULL,
		.waits_put = live_waits_put,
		.runtime = e->source->runtime ? live_runtime : NULL,
		.runtime_known = live_runtime_known,
		.heap_profile = e->source->heap_profile ? live_heap_profile : NULL,
		.leaks = e->source->unreachable ? live_leaks : NULL,
		.leaks_known = e->source->unreachable ? live_leaks_known : NULL,
		.leaks_put = live_leaks_put,
	};
	*control = (struct control){
		.ctx = e,
		.set_rates = live_set_rates,
		.get_rates = get_rates,
		.get_wanted = get_wanted,
		.set_paused = live_set_paused,
		.get_paused = get_paused,
		.set_probes = live_set_probes,
		.get_probes = get_probes,
		.reads_events = reads_events,
		.set_max_overhead = live_set_max_overhead,
		.get_max_overhead = get_max_overhead,
		.low_latency = low_latency,
	};
}
