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

/* --- looking ---------------------------------------------------------------------------- */

static int live_health(void *ctx, unsigned proc, struct health *ret)
{
	struct engine *e = ctx;

	memset(ret, 0, sizeof(*ret));
	e->source->health(e->source->ctx, proc, ret);
	snprintf(ret->goroutines_from, sizeof(ret->goroutines_from), "%s",
		 healer_source(e->healer));
	ret->processors = e->c.workers;
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
		.outside_namespace = stats.outside,
		.unfollowed = stats.ignored,
		.undecodable = stats.undecodable,
		.left_in_rings = stats.stranded,
	};
}

/* From here on, threads that serve ask; who may look does. */
static int live_stack(void *ctx, unsigned proc, uint64_t goid, struct buf *out)
{
	struct errand_args args = {.what = ERRAND_STACK, .proc = proc, .goid = goid};

	return deputy_ask(((struct engine *)ctx)->looker, &args, out);
}

static int live_stacks(void *ctx, unsigned proc, live_text_fn *fn, void *arg)
{
	struct errand_args args = {.what = ERRAND_STACKS, .proc = proc};

	return deputy_ask_each(((struct engine *)ctx)->looker, &args, fn, arg);
}

/* --- changing --------------------------------------------------------------------------- */

static int set_rates(struct engine *e, const uint32_t rates[EVENT_TYPES])
{
	int err;

	pthread_mutex_lock(&e->governor_lock);
	err = e->source->set_rates(e->source->ctx, rates);
	if (!err)
		governor_reset(&e->governor, e->governor.max_percent, rates);
	pthread_mutex_unlock(&e->governor_lock);
	if (!err)
		healer_ask_all(e->healer); /* what was not seen until now */
	return err;
}

static void get_rates(void *ctx, uint32_t ret[EVENT_TYPES])
{
	const struct source *s = ((struct engine *)ctx)->source;

	s->get_rates(s->ctx, ret);
}

static void get_wanted(void *ctx, uint32_t ret[EVENT_TYPES])
{
	struct engine *e = ctx;

	pthread_mutex_lock(&e->governor_lock);
	memcpy(ret, e->governor.wanted, sizeof(e->governor.wanted));
	pthread_mutex_unlock(&e->governor_lock);
}

static int set_paused(struct engine *e, bool paused)
{
	int err = e->source->set_paused(e->source->ctx, paused);

	if (!err && !paused)
		healer_ask_all(e->healer); /* what happened meanwhile */
	return err;
}

static bool get_paused(void *ctx)
{
	const struct source *s = ((struct engine *)ctx)->source;

	return s->get_paused(s->ctx);
}

static int set_max_overhead(struct engine *e, double percent)
{
	uint32_t wanted[EVENT_TYPES];
	int err;

	if (!control_max_overhead_ok(percent))
		return -EINVAL;
	pthread_mutex_lock(&e->governor_lock);
	memcpy(wanted, e->governor.wanted, sizeof(wanted));
	err = e->source->set_rates(e->source->ctx, wanted);
	if (!err)
		governor_reset(&e->governor, percent, wanted);
	if (!err)
		atomic_store(&e->max_overhead, percent);
	pthread_mutex_unlock(&e->governor_lock);
	return err;
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

static int live_set_rates(void *ctx, const uint32_t rates[EVENT_TYPES])
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

static int run_errand(void *ctx, const struct errand_args *args, void *reply)
{
	struct engine *e = ctx;

	switch (args->what) {
	case ERRAND_STACK:
		return run_stack(e, args, reply);
	case ERRAND_STACKS:
		return healer_stacks(e->healer, args->proc, errand_add, reply);
	case ERRAND_RATES:
		return set_rates(e, args->rates);
	case ERRAND_PAUSED:
		return set_paused(e, args->on);
	case ERRAND_MAX_OVERHEAD:
		return set_max_overhead(e, args->percent);
	}
	return -EINVAL;
}

/* Two, so that a change need not wait for the stacks of a large program. */
int engine_start_deputies(struct engine *e)
{
	int err = deputy_new("xgotop-look", run_errand, e, &e->looker);

	return err ? err : deputy_new("xgotop-change", run_errand, e, &e->changer);
}

void engine_answers(struct engine *e, struct live *live, struct control *control)
{
	*live = (struct live){
		.ctx = e,
		.health = live_health,
		.losses = live_losses,
		.stack = live_stack,
		.stacks = live_stacks,
	};
	*control = (struct control){
		.ctx = e,
		.set_rates = live_set_rates,
		.get_rates = get_rates,
		.get_wanted = get_wanted,
		.set_paused = live_set_paused,
		.get_paused = get_paused,
		.set_max_overhead = live_set_max_overhead,
		.get_max_overhead = get_max_overhead,
		.low_latency = low_latency,
	};
}
