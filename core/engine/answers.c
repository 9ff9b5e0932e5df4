/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the views ask of a live target: answered from source and healer here, so that view, fs and
 * web know neither. Called from any thread; the threads that serve have no privileges, so what
 * needs some is handed to a deputy (errands.c).
 */
#include <stdio.h>
#include <string.h>

#include "core/engine/engine_internal.h"
#include "core/memory/waits.h"

#define LEAKS_ASK_NS      (30 * NS_PER_SEC)
#define WAITS_PATIENCE_NS (NS_PER_SEC / 4)

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
	struct proc_info info;
	struct probes_now now;
	bool ended = !model_proc(e->c.model, proc, &info) && info.state == PROC_EXITED;

	probe_switch_get(e->probes, ended ? info.exited_ns : UINT64_MAX, &now);
	*ret = (struct live_probes){
		.level = levels_get(e->levels, NULL),
		.off = now.off,
		.paused = now.off & OFF_PAUSED,
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

static void live_budget(void *ctx, struct live_budget *ret)
{
	windows_get(((struct engine *)ctx)->windows, ret);
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
	if (err == -ESRCH) /* it has ended: as it was last, if it was read */
		return waits_cache_get(e->waits, proc, ret) ? -ESRCH : 0;
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

static int live_leaks(void *ctx, unsigned proc, struct leak_report **ret, bool *ret_late)
{
	struct errand_args args = {.what = ERRAND_LEAKS, .proc = proc};
	struct engine *e = ctx;
	int err = 0, known, why;

	*ret_late = false;
	if (!engine_leaks_are_fresh(e, proc, true))
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

	if (err == -ESRCH)
		return last_runtime_seen(((struct engine *)ctx)->runtimes, proc, ret);
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

	if (!engine_leaks_are_fresh(e, proc, false) && !leak_prover_has_ended(e->prover, proc) &&
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

void engine_answers(struct engine *e, struct live *live)
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
}
