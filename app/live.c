/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the views ask of a live target, and what control files and the API may change: both are
 * answered from capture, target and healer here, so that view, fs and web know none of them.
 * Called from any thread; the threads that serve have no privileges, so what needs some is handed
 * to the two deputies.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/run.h"

/* --- looking ---------------------------------------------------------------------------- */

static const char *event_of(enum probe_kind kind)
{
	static const unsigned char types[PROBE_KINDS] = {
		[PROBE_CASGSTATUS] = EVENT_CASGSTATUS,    [PROBE_NEWPROC_GOID] = EVENT_NEWGOROUTINE,
		[PROBE_GDESTROY] = EVENT_GOEXIT,          [PROBE_NEWOBJECT] = EVENT_NEWOBJECT,
		[PROBE_MALLOC_SPECIAL] = EVENT_NEWOBJECT, [PROBE_MAKESLICE] = EVENT_MAKESLICE,
		[PROBE_MAKESLICECOPY] = EVENT_MAKESLICE,  [PROBE_MAKEMAP] = EVENT_MAKEMAP,
		[PROBE_MAKEMAP_SMALL] = EVENT_MAKEMAP,    [PROBE_ENTERSYSCALL] = EVENT_CASGSTATUS,
		[PROBE_EXITSYSCALL] = EVENT_CASGSTATUS,
	};

	return event_type_name(types[kind]);
}

static void fill_probes(struct run *r, struct health *h)
{
	struct probe_site sites[ARRAY_SIZE(h->probes)];
	size_t n = capture_sites(r->capture, sites, ARRAY_SIZE(sites));

	for (size_t i = 0; i < n; i++) {
		struct health_probe *p = &h->probes[h->n_probes];

		if (!sites[i].attached)
			continue;
		snprintf(p->symbol, sizeof(p->symbol), "%s", sites[i].symbol);
		snprintf(p->instruction, sizeof(p->instruction), "%s", sites[i].instruction);
		p->offset = sites[i].addr - sites[i].func_entry;
		p->emulated = sites[i].emulated;
		p->event_name = event_of(sites[i].kind);
		h->n_probes++;
	}
}

static int live_health(void *ctx, unsigned proc, struct health *ret)
{
	struct run *r = ctx;
	struct capture_stats stats;
	struct meter_sample last;

	(void)proc; /* one binary is traced: the same for all its processes */
	memset(ret, 0, sizeof(*ret));
	pthread_rwlock_rdlock(&r->traced);
	run_capture_stats(r, &stats);
	meter_last(r->meter, &last);
	snprintf(ret->go_version, sizeof(ret->go_version), "%s", target_go_version(r->target));
	snprintf(ret->offsets_from, sizeof(ret->offsets_from), "%s",
		 target_offsets_from(r->target));
	snprintf(ret->symbols_from, sizeof(ret->symbols_from), "%s",
		 target_symbols_from(r->target));
	snprintf(ret->goroutines_from, sizeof(ret->goroutines_from), "%s",
		 healer_source(r->healer));
	snprintf(ret->not_covered, sizeof(ret->not_covered), "%s", target_not_covered(r->target));
	ret->hits = stats.hits;
	ret->skipped_by_filter = stats.skipped;
	ret->reads_faulted = stats.faulted;
	memcpy(ret->lost, stats.lost, sizeof(ret->lost));
	ret->ring_bytes = stats.ring_bytes;
	ret->readers = stats.readers;
	ret->processors = r->workers;
	ret->overhead_percent = last.overhead_percent;
	ret->trap_ns = r->trap_ns;
	fill_probes(r, ret);
	file_health(r, ret);
	pthread_rwlock_unlock(&r->traced);
	return 0;
}

/* From here on, threads that serve ask; who may look does. */
static int live_stack(void *ctx, unsigned proc, uint64_t goid, struct buf *out)
{
	struct errand_args args = {.what = ERRAND_STACK, .proc = proc, .goid = goid};

	return deputy_ask(((struct run *)ctx)->looker, &args, out);
}

static int live_stacks(void *ctx, unsigned proc, live_text_fn *fn, void *arg)
{
	struct errand_args args = {.what = ERRAND_STACKS, .proc = proc};

	return deputy_ask_each(((struct run *)ctx)->looker, &args, fn, arg);
}

static int live_refresh(void *ctx, unsigned proc)
{
	struct errand_args args = {.what = ERRAND_REFRESH, .proc = proc};

	return deputy_ask(((struct run *)ctx)->looker, &args, NULL);
}

/* --- changing --------------------------------------------------------------------------- */

static int locked_set_rates(struct run *r, const uint32_t rates[EVENT_TYPES])
{
	int err;

	pthread_rwlock_rdlock(&r->traced);
	err = capture_set_rates(r->capture, rates);
	pthread_rwlock_unlock(&r->traced);
	return err;
}

static int set_rates(struct run *r, const uint32_t rates[EVENT_TYPES])
{
	int err;

	pthread_mutex_lock(&r->governor_lock);
	err = locked_set_rates(r, rates);
	if (!err)
		governor_reset(&r->governor, r->governor.max_percent, rates);
	pthread_mutex_unlock(&r->governor_lock);
	if (!err)
		healer_ask_all(r->healer); /* what was not seen until now */
	return err;
}

static void get_rates(void *ctx, uint32_t ret[EVENT_TYPES])
{
	struct run *r = ctx;

	pthread_rwlock_rdlock(&r->traced);
	capture_get_rates(r->capture, ret);
	pthread_rwlock_unlock(&r->traced);
}

static void get_wanted(void *ctx, uint32_t ret[EVENT_TYPES])
{
	struct run *r = ctx;

	pthread_mutex_lock(&r->governor_lock);
	memcpy(ret, r->governor.wanted, sizeof(r->governor.wanted));
	pthread_mutex_unlock(&r->governor_lock);
}

static int set_paused(struct run *r, bool paused)
{
	int err;

	pthread_rwlock_rdlock(&r->traced);
	err = capture_set_paused(r->capture, paused);
	pthread_rwlock_unlock(&r->traced);
	if (!err && !paused)
		healer_ask_all(r->healer); /* what happened meanwhile */
	return err;
}

static bool get_paused(void *ctx)
{
	struct run *r = ctx;
	bool paused;

	pthread_rwlock_rdlock(&r->traced);
	paused = capture_get_paused(r->capture);
	pthread_rwlock_unlock(&r->traced);
	return paused;
}

static int set_max_overhead(struct run *r, double percent)
{
	uint32_t wanted[EVENT_TYPES];
	int err;

	if (!(percent >= 0 && percent <= 100000))
		return -EINVAL;
	pthread_mutex_lock(&r->governor_lock);
	memcpy(wanted, r->governor.wanted, sizeof(wanted));
	err = locked_set_rates(r, wanted);
	if (!err)
		governor_reset(&r->governor, percent, wanted);
	if (!err)
		atomic_store(&r->max_overhead, percent);
	pthread_mutex_unlock(&r->governor_lock);
	return err;
}

static double get_max_overhead(void *ctx)
{
	struct run *r = ctx;

	return atomic_load(&r->max_overhead);
}

static void low_latency(void *ctx, bool on)
{
	struct run *r = ctx;

	pthread_rwlock_rdlock(&r->traced);
	atomic_fetch_add(&r->low_latency, on ? 1 : -1);
	capture_low_latency(r->capture, on);
	pthread_rwlock_unlock(&r->traced);
}

static int live_set_rates(void *ctx, const uint32_t rates[EVENT_TYPES])
{
	struct errand_args args = {.what = ERRAND_RATES};

	memcpy(args.rates, rates, sizeof(args.rates));
	return deputy_ask(((struct run *)ctx)->changer, &args, NULL);
}

static int live_set_paused(void *ctx, bool paused)
{
	struct errand_args args = {.what = ERRAND_PAUSED, .on = paused};

	return deputy_ask(((struct run *)ctx)->changer, &args, NULL);
}

static int live_set_max_overhead(void *ctx, double percent)
{
	struct errand_args args = {.what = ERRAND_MAX_OVERHEAD, .percent = percent};

	return deputy_ask(((struct run *)ctx)->changer, &args, NULL);
}

/* --- the threads that do it ------------------------------------------------------------- */

static int run_stack(struct run *r, const struct errand_args *args, void *reply)
{
	cleanup_buf_ struct buf text = BUF_INIT;
	int err = healer_stack(r->healer, args->proc, args->goid, &text);

	return err ? err : errand_add(reply, text.data, text.len);
}

static int run_errand(void *ctx, const struct errand_args *args, void *reply)
{
	struct run *r = ctx;

	switch (args->what) {
	case ERRAND_STACK:
		return run_stack(r, args, reply);
	case ERRAND_STACKS:
		return healer_stacks(r->healer, args->proc, errand_add, reply);
	case ERRAND_REFRESH:
		return healer_now(r->healer, args->proc);
	case ERRAND_RATES:
		return set_rates(r, args->rates);
	case ERRAND_PAUSED:
		return set_paused(r, args->on);
	case ERRAND_MAX_OVERHEAD:
		return set_max_overhead(r, args->percent);
	}
	return -EINVAL;
}

/* Two, so that a change need not wait for the stacks of a large program. */
int live_start(struct run *r)
{
	int err;

	if (!r->config->mount_point && !r->config->web)
		return 0;
	err = deputy_new("xgotop-look", run_errand, r, &r->looker);
	return err ? err : deputy_new("xgotop-change", run_errand, r, &r->changer);
}

void live_fill(struct run *r)
{
	r->live = (struct live){
		.ctx = r,
		.health = live_health,
		.stack = live_stack,
		.stacks = live_stacks,
		.refresh = live_refresh,
	};
	r->control = (struct control){
		.ctx = r,
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
