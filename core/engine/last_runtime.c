/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One lock, held for copies only. See last_runtime.h. */
#include "core/engine/last_runtime.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/heap_past.h"
#include "core/model/samples.h"

#define RATE_LEAST_NS (NS_PER_SEC / 4) /* between two readings that a rate is made of */

#define SPAN_STEP_NS (NS_PER_SEC * 3 / 4) /* between two points of what is judged, at least */
#define SPAN_POINTS  8                    /* more than LIVE_JUDGED_NS of them */

struct span_point {
	uint64_t ns, allocated, ticks, procs, started;
};

struct kept {
	unsigned proc;
	uint64_t base;                      /* allocated when it was attached to; RUNTIME_UNKNOWN */
	uint64_t base_events, base_sampled; /* bytes that were told of at that moment */
	uint64_t before_ns;                 /* what the rates are made from: the reading before */
	uint64_t before_cpu_ns, before_wait_ns, before_allocated, before_ticks;
	uint64_t ticks, started; /* of what `shown` is from; RUNTIME_UNKNOWN */
	double ran, waited;      /* ns, of late more than of long ago */
	struct heap_past heap;
	struct span_point span[SPAN_POINTS]; /* oldest first */
	unsigned n_span;
	struct live_runtime shown;
	struct runtime_seen *seen; /* of which `shown` is; NULL: that is too much */
};

struct last_runtime {
	pthread_mutex_t lock;
	struct kept *kept[LAST_RUNTIME_MAX]; /* protected by lock; n of them */
	size_t n;
	size_t seen_bytes; /* of all of them; protected by lock */
	unsigned there;    /* processes below were attached to while they ran */
};

int last_runtime_new(struct last_runtime **ret)
{
	struct last_runtime *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	pthread_mutex_init(&l->lock, NULL);
	*ret = l;
	return 0;
}

void last_runtime_free(struct last_runtime *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++) {
		free(l->kept[i]->seen);
		free(l->kept[i]);
	}
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* From here on under the lock. */
static struct kept *find(struct last_runtime *l, unsigned proc)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->kept[i]->proc == proc)
			return l->kept[i];
	}
	return NULL;
}

/* Takes over `seen`, or frees it. */
static void keep_seen(struct last_runtime *l, struct kept *k, struct runtime_seen *seen)
{
	if (k->seen)
		l->seen_bytes -= runtime_seen_size(k->seen);
	free(k->seen);
	k->seen = NULL;
	if (!seen || l->seen_bytes + runtime_seen_size(seen) > LAST_RUNTIME_SEEN) {
		free(seen);
		return;
	}
	l->seen_bytes += runtime_seen_size(seen);
	k->seen = seen;
}

/* For a new one, which takes the place of who was not read for longest. NULL without memory. */
static struct kept *make(struct last_runtime *l, unsigned proc)
{
	size_t at = l->n;
	struct kept *k;

	if (l->n < LAST_RUNTIME_MAX) {
		k = malloc(sizeof(*k));
		if (!k)
			return NULL;
		l->kept[l->n++] = k;
	} else {
		at = 0;
		for (size_t i = 1; i < l->n; i++) {
			if (l->kept[i]->shown.read_ns < l->kept[at]->shown.read_ns)
				at = i;
		}
		k = l->kept[at];
		keep_seen(l, k, NULL);
	}
	*k = (struct kept){.proc = proc};
	return k;
}

/* So much a second; below 0 where it is not known. */
static double rate(uint64_t before, uint64_t now, uint64_t ns)
{
	if (before == RUNTIME_UNKNOWN || now == RUNTIME_UNKNOWN || now < before)
		return -1;
	return (double)(now - before) * (double)NS_PER_SEC / (double)ns;
}

#define WAIT_KEEPS 0.8 /* of what was, at each reading: some five of them, of two seconds */

/* Threads that have ended are in the sum no more. */
static void take_wait(struct kept *k, const struct live_runtime *now, uint64_t before_cpu_ns,
		      uint64_t before_wait_ns)
{
	if (now->cpu_ns == RUNTIME_UNKNOWN || now->cpu_wait_ns == RUNTIME_UNKNOWN ||
	    before_cpu_ns == RUNTIME_UNKNOWN || before_wait_ns == RUNTIME_UNKNOWN ||
	    now->cpu_ns < before_cpu_ns || now->cpu_wait_ns < before_wait_ns)
		return;
	k->ran = WAIT_KEEPS * k->ran + (double)(now->cpu_ns - before_cpu_ns);
	k->waited = WAIT_KEEPS * k->waited + (double)(now->cpu_wait_ns - before_wait_ns);
}

/* Twice the lesser one of what was between three points, or what was in all. */
static double starts_between(const struct span_point *then, const struct span_point *middle,
			     const struct span_point *now)
{
	double all = rate(then->started, now->started, sub_u64(now->ns, then->ns));
	double early, late;

	if (all < 0 || middle->ns <= then->ns || middle->ns >= now->ns)
		return -1;
	early = rate(then->started, middle->started, middle->ns - then->ns);
	late = rate(middle->started, now->started, now->ns - middle->ns);
	return MIN(all, 2 * MIN(early, late));
}

/* The last point that is so long ago; NULL. */
static const struct span_point *point_before(const struct kept *k, uint64_t now_ns, uint64_t ns)
{
	for (unsigned i = k->n_span; i-- > 0;) {
		if (sub_u64(now_ns, k->span[i].ns) >= ns)
			return &k->span[i];
	}
	return NULL;
}

/* Since the last point that is so long ago as it takes. */
static void take_span(struct kept *k, struct live_runtime *shown)
{
	const struct span_point now = {shown->read_ns, shown->heap.allocated, k->ticks,
				       shown->procs, k->started};
	const struct span_point *then = point_before(k, now.ns, LIVE_JUDGED_NS);

	shown->judged_ns = 0;
	shown->alloc_judged = shown->switches_judged = shown->starts_judged = -1;
	if (then) {
		uint64_t ns = sub_u64(now.ns, then->ns);

		shown->alloc_judged = rate(then->allocated, now.allocated, ns);
		/* Processors come with counters of their own. */
		if (then->procs == now.procs)
			shown->switches_judged = rate(then->ticks, now.ticks, ns);
		shown->starts_judged =
			starts_between(then, point_before(k, now.ns, LIVE_JUDGED_NS / 2), &now);
		shown->judged_ns = ns;
	}
	if (k->n_span && sub_u64(now.ns, k->span[k->n_span - 1].ns) < SPAN_STEP_NS)
		return;
	if (k->n_span == SPAN_POINTS) {
		memmove(k->span, k->span + 1, (SPAN_POINTS - 1) * sizeof(k->span[0]));
		k->n_span--;
	}
	k->span[k->n_span++] = now;
}

/* A debugger that attaches stops it for a moment: only several readings tell. */
static void take_stopped(const struct live_runtime *was, struct live_runtime *now)
{
	if (!now->stopped_readings)
		return;
	now->stopped_readings = MIN(was->stopped_readings, UINT_MAX - 1) + 1;
	now->stopped_ns = was->stopped_readings ? was->stopped_ns : now->read_ns;
}

static void take(struct kept *k, const struct live_runtime *now)
{
	const struct live_runtime before = k->shown, *was = &before;
	double alloc = was->alloc_per_second, cpu = was->cpu_percent;
	double switches = was->switches_per_second;

	if (!was->read_ns) {
		alloc = cpu = switches = -1;
		k->before_ns = now->read_ns;
	} else if (now->read_ns - k->before_ns >= RATE_LEAST_NS) {
		uint64_t ns = now->read_ns - k->before_ns;

		alloc = rate(k->before_allocated, now->heap.allocated, ns);
		cpu = rate(k->before_cpu_ns, now->cpu_ns, ns);
		cpu = cpu < 0 ? -1 : 100 * cpu / (double)NS_PER_SEC;
		/* Processors come with counters of their own. */
		switches = was->procs == now->procs ? rate(k->before_ticks, k->ticks, ns) : -1;
		take_wait(k, now, k->before_cpu_ns, k->before_wait_ns);
		k->before_ns = now->read_ns;
	}
	if (k->before_ns == now->read_ns) {
		k->before_allocated = now->heap.allocated;
		k->before_cpu_ns = now->cpu_ns;
		k->before_ticks = k->ticks;
		k->before_wait_ns = now->cpu_wait_ns;
	}
	k->shown = *now;
	take_stopped(was, &k->shown);
	k->shown.alloc_per_second = alloc;
	k->shown.cpu_percent = cpu;
	k->shown.switches_per_second = switches;
	take_span(k, &k->shown);
	heap_past_take(&k->heap, now->read_ns, now->heap.marked, now->heap.cycles);
	heap_past_growth(&k->heap, &k->shown.growth);
	k->shown.cpu_wait_ratio = k->ran > 0 ? k->waited / k->ran : -1;
	if (now->heap.allocated != RUNTIME_UNKNOWN && k->base != RUNTIME_UNKNOWN)
		k->shown.allocated_since = sub_u64(now->heap.allocated, k->base);
	else
		k->shown.allocated_since = RUNTIME_UNKNOWN;
	k->shown.event_bytes = sub_u64(now->event_bytes, k->base_events);
	if (now->sampled_bytes != RUNTIME_UNKNOWN)
		k->shown.sampled_bytes = sub_u64(now->sampled_bytes, k->base_sampled);
}

/* Tracing has gone on for a while, on a busy machine for seconds: what it told of in that time is
 * no part of what is counted from now on. */
static void begin(struct kept *k, const struct live_runtime *now)
{
	k->base = now->heap.allocated;
	k->base_events = now->event_bytes;
	k->base_sampled = now->sampled_bytes == RUNTIME_UNKNOWN ? 0 : now->sampled_bytes;
}

static uint64_t ticks_of(const struct runtime_seen *seen)
{
	uint64_t ticks = 0;

	for (uint32_t i = 0; i < seen->n_ps; i++)
		ticks += seen->ps[i].schedtick;
	return seen->has_sched ? ticks : RUNTIME_UNKNOWN;
}

static uint64_t started_by(const struct source *source, unsigned proc, pid_t pid)
{
	uint64_t least, most;

	return source->goids && !source->goids(source->ctx, proc, pid, &least, &most)
		       ? least
		       : RUNTIME_UNKNOWN;
}

static int read_now(const struct source *source, struct model *model, unsigned proc,
		    struct live_runtime *ret, uint64_t *ret_ticks, uint64_t *ret_started,
		    struct runtime_seen **ret_seen)
{
	struct runtime_seen *seen = NULL;
	struct sample_totals samples;
	struct model_totals totals;
	struct proc_info info;
	int err = source->runtime ? model_proc(model, proc, &info) : -ENOSYS;

	if (!err)
		err = source->runtime(source->ctx, proc, info.pid, &seen);
	if (err)
		return err;
	ret->heap = seen->has_heap ? seen->heap : runtime_heap_unknown();
	ret->read_ns = seen->read_ns;
	ret->wall_offset_ns = seen->wall_offset_ns;
	*ret_ticks = ticks_of(seen);
	*ret_started = started_by(source, proc, info.pid);
	ret->procs = seen->has_sched ? seen->n_ps : RUNTIME_UNKNOWN;
	ret->threads = seen->has_sched ? (uint64_t)MAX(seen->threads, 0) : RUNTIME_UNKNOWN;
	ret->cpu_ns = source->cpu_ns ? source->cpu_ns(source->ctx, info.pid) : 0;
	if (!ret->cpu_ns)
		ret->cpu_ns = RUNTIME_UNKNOWN;
	if (!source->files || !source->files(source->ctx, info.pid, &ret->files, &ret->files_most))
		ret->files = ret->files_most = RUNTIME_UNKNOWN;
	ret->stopped_readings = source->stopped && source->stopped(source->ctx, info.pid);
	ret->cpu_wait_ns =
		source->cpu_wait_ns ? source->cpu_wait_ns(source->ctx, info.pid) : RUNTIME_UNKNOWN;
	/* As of the same moment, so that one can be held against the other. */
	model_totals(model, (int)proc, &totals);
	samples_totals(model_samples(model), proc, SAMPLE_ALLOC, &samples);
	ret->event_bytes = totals.alloc_bytes;
	ret->sampled_bytes = samples.sum.hits ? samples.sum.weight : RUNTIME_UNKNOWN;
	*ret_seen = seen;
	return 0;
}

int last_runtime_read(struct last_runtime *l, const struct source *source, struct model *model,
		      unsigned proc, bool was_there)
{
	struct live_runtime now = {0};
	uint64_t ticks = RUNTIME_UNKNOWN, started = RUNTIME_UNKNOWN;
	struct runtime_seen *seen = NULL;
	int err = read_now(source, model, proc, &now, &ticks, &started, &seen);
	struct kept *k;

	pthread_mutex_lock(&l->lock);
	if (was_there)
		l->there = MAX(l->there, proc + 1);
	k = err ? NULL : find(l, proc);
	if (!err && !k) {
		k = make(l, proc);
		err = k ? 0 : -ENOMEM;
		/* Later than then, or again after its place was another's: not known any more. */
		if (k && was_there)
			begin(k, &now);
		else if (k && proc < l->there)
			k->base = RUNTIME_UNKNOWN;
	}
	if (k) {
		k->ticks = ticks;
		k->started = started;
		take(k, &now);
		keep_seen(l, k, move_ptr(seen));
	}
	free(seen);
	pthread_mutex_unlock(&l->lock);
	return err;
}

bool last_runtime_get(struct last_runtime *l, unsigned proc, struct live_runtime *ret)
{
	struct kept *k;

	pthread_mutex_lock(&l->lock);
	k = find(l, proc);
	if (k)
		*ret = k->shown;
	pthread_mutex_unlock(&l->lock);
	return k;
}

int last_runtime_seen(struct last_runtime *l, unsigned proc, struct runtime_seen **ret)
{
	const struct kept *k;
	int err = -ESRCH;

	pthread_mutex_lock(&l->lock);
	k = find(l, proc);
	if (k && k->seen) {
		const size_t size = runtime_seen_size(k->seen);

		*ret = malloc(size);
		err = *ret ? 0 : -ENOMEM;
		if (*ret)
			memcpy(*ret, k->seen, size);
	}
	pthread_mutex_unlock(&l->lock);
	return err;
}
