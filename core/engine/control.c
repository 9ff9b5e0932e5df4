/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What control files and the API may change: called from any thread. The threads that serve have no
 * privileges, so attaching and detaching is handed to a deputy (errands.c), which comes back here.
 */
#include <errno.h>
#include <string.h>

#include "core/engine/engine_internal.h"

/* What is traced before and after cannot be held against the same memory. */
static int change_rates(struct engine *e, const uint32_t rates[RATES])
{
	int err;

	auditor_reset(e->auditor);
	err = e->source->set_rates(e->source->ctx, rates);
	auditor_reset(e->auditor);
	return err;
}

int engine_apply_rates(struct engine *e, const uint32_t rates[RATES])
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

	probe_switch_get(((struct engine *)ctx)->probes, UINT64_MAX, &now);
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

int engine_apply_max_overhead(struct engine *e, double percent)
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

	probe_switch_get(((struct engine *)ctx)->probes, UINT64_MAX, &now);
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

void engine_controls(struct engine *e, struct control *control)
{
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
