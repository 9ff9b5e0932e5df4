/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An engine from its start to its end, and its second. See engine.h. */
#include "core/engine/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/util.h"
#include "core/engine/engine_internal.h"

#define MEASURE_NS (600 * NS_PER_SEC) /* so long what a hit costs is taken to be the same */

int engine_new(const struct engine_config *config, struct engine **ret)
{
	struct engine *e = calloc(1, sizeof(*e));
	struct capture_stats stats;
	int err = 0;

	if (!e)
		return log_error(-ENOMEM, "out of memory");
	e->c = *config;
	e->source = config->source;
	pthread_mutex_init(&e->rates_lock, NULL);
	memcpy(e->wanted, config->rates, sizeof(e->wanted));
	atomic_init(&e->max_overhead, config->max_overhead);
	if (e->source)
		err = healer_new(e->source, config->model, &e->healer);
	if (e->source && !err)
		err = waits_cache_new(e->source, config->model, &e->waits);
	if (e->source && config->audits && !err)
		err = auditor_new(e->source, config->model, &e->auditor);
	if (e->source && !err)
		err = probe_switch_new(e->source, config->model, e->healer, e->auditor, &e->probes);
	if (e->source && !err)
		err = costs_new(e->source, config->model, &e->costs);
	if (e->source && !err)
		err = sampling_new(e->source, e->costs, &e->max_overhead, &e->sampling);
	if (e->source && !err)
		err = levels_new(e->source, e->probes, e->sampling, config->level, &e->levels);
	if (e->source && !err)
		err = leak_prover_new(e->source, config->model, &e->prover);
	if (e->source && !err)
		err = engine_new_windows(e);
	if (err) {
		engine_free(e);
		return log_error(err, "out of memory");
	}
	if (e->source) {
		e->source->stats(e->source->ctx, &stats);
		meter_set_price(config->meter, stats.price.trap_ns, stats.price.step_ns);
	}
	*ret = e;
	return 0;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	if (e->prover)
		leak_prover_stop(e->prover);
	deputy_free(e->leaks);
	deputy_free(e->looker);
	deputy_free(e->changer);
	windows_free(e->windows);
	last_stacks_free(e->last);
	last_runtime_free(e->runtimes);
	last_heap_free(e->heaps);
	levels_free(e->levels);
	sampling_free(e->sampling);
	auditor_free(e->auditor);
	healer_free(e->healer);
	probe_switch_free(e->probes);
	waits_cache_free(e->waits);
	costs_free(e->costs);
	leak_prover_free(e->prover);
	pthread_mutex_destroy(&e->rates_lock);
	free(e);
}

int engine_prepare(struct engine *e)
{
	return levels_prepare(e->levels);
}

int engine_probes_set(struct engine *e, bool on)
{
	return probe_switch_set(e->probes, OFF_BUDGET, !on);
}

void engine_arrived(struct engine *e, unsigned proc)
{
	healer_ask(e->healer, proc);
	auditor_arrived(e->auditor, proc);
}

void engine_lost(struct engine *e)
{
	healer_ask_all(e->healer);
}

void engine_tracing_ends(struct engine *e)
{
	if (!e)
		return;
	windows_stop(e->windows);
	sampling_stop(e->sampling);
	auditor_stop(e->auditor);
}

void engine_read_all(struct engine *e)
{
	auditor_reset(e->auditor);
	healer_now_all(e->healer);
}

int engine_start(struct engine *e, bool serves)
{
	int err;

	err = healer_start(e->healer);
	if (!err && e->auditor)
		err = auditor_start(e->auditor);
	if (!err && e->windows)
		err = windows_start(e->windows);
	if (!err && e->sampling)
		err = sampling_start(e->sampling);
	return err || !(serves || e->c.leaks_every_ns) ? err : engine_start_deputies(e);
}

int engine_look_for_leaks(struct engine *e, unsigned proc)
{
	return e->source->unreachable ? leak_prover_run(e->prover, proc) : -ENOSYS;
}

/* --- the second ------------------------------------------------------------------------- */

/* State changes that are not all seen leave the model behind: its memory tells. */
static void heal_when_needed(struct engine *e, const struct second *s)
{
	uint32_t rates[RATES];
	bool whole;

	if (probe_switch_memory_tells(e->probes))
		return; /* the healer does that */
	e->source->get_rates(e->source->ctx, rates);
	/* Where creations or exits are traced, the audit must see what memory alone tells of them
	 * before the model does, and passes on the rest. */
	whole = rates[EVENT_CASGSTATUS] == RATE_ONE || rates[EVENT_NEWGOROUTINE] == RATE_ONE ||
		rates[EVENT_GOEXIT] == RATE_ONE;
	healer_always(e->healer, !rates_tell_all_states(rates) && !(e->auditor && whole));
	if (s->lost)
		healer_ask_all(e->healer);
}

/* Asked for or not, one look at a time, and the processes take turns. */
static void look_for_leaks(struct engine *e, uint64_t now_ns)
{
	struct errand_args args = {.what = ERRAND_LEAKS};
	unsigned n = model_procs(e->c.model);

	if (!e->c.leaks_every_ns || !e->leaks || now_ns < e->leaks_due_ns)
		return;
	e->leaks_due_ns = now_ns + e->c.leaks_every_ns;
	for (args.proc = 0; args.proc < n; args.proc++)
		if (!leak_prover_has_ended(e->prover, args.proc))
			(void)deputy_send(e->leaks, &args); /* too many: the next round */
}

/* Puts probes in or takes them out: by who does that, where there is somebody. */
static void see_to_readers(struct engine *e)
{
	const struct errand_args args = {.what = ERRAND_READERS};

	if (e->changer)
		(void)deputy_send(e->changer, &args); /* too many: the next second */
	else
		(void)levels_apply(e->levels);
}

/* What a hit costs is not the same for ever: the machine's clock, its other load, another machine
 * below it. Measured where there are hits to be priced. */
static void see_to_price(struct engine *e, uint64_t now_ns, uint64_t hits)
{
	const struct errand_args args = {.what = ERRAND_MEASURE};

	if (!e->measure_due_ns)
		e->measure_due_ns = now_ns + MEASURE_NS;
	if (!e->source->measure || !e->changer || now_ns < e->measure_due_ns ||
	    hits <= e->measured_hits)
		return;
	if (deputy_send(e->changer, &args))
		return; /* too many: the next second */
	e->measure_due_ns = now_ns + MEASURE_NS;
	e->measured_hits = hits;
}

static void count(struct engine *e, const struct recorder_stats *recorder, struct tick *ret)
{
	struct model_totals totals;

	model_totals(e->c.model, -1, &totals);
	memcpy(ret->events, totals.events, sizeof(ret->events));
	ret->captured = e->source != NULL;
	if (e->source) {
		costs_look(e->costs, &ret->costs);
		e->source->get_rates(e->source->ctx, ret->rates);
	}
	ret->recorded = recorder != NULL;
	if (recorder)
		ret->recorder = *recorder;
}

bool engine_tick(struct engine *e, uint64_t now_ns, const struct recorder_stats *recorder,
		 struct meter_sample *ret)
{
	struct tick tick = {.now_ns = now_ns, .unix_ns = clock_ns(CLOCK_REALTIME)};
	struct second second;

	count(e, recorder, &tick);
	if (!e->ticking) {
		ticker_start(&e->ticker, &tick);
		e->ticking = true;
		return false;
	}
	if (!ticker_tick(&e->ticker, &tick, &second))
		return false;
	meter_add(e->c.meter, &second.sample);
	*ret = second.sample;
	if (e->source) {
		heal_when_needed(e, &second);
		look_for_leaks(e, now_ns);
		if (levels_are_due(e->levels))
			see_to_readers(e);
		see_to_price(e, now_ns, tick.costs.stats.hits);
	}
	return true;
}
