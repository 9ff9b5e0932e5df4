/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Capture's sink, and the functions of a source answered from capture, target and memory. See
 * traced.h; what becomes of the file is in traced_file.c.
 */
#include "core/engine/traced.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/engine/traced_internal.h"
#include "core/memory/type.h"
#include "core/target/process.h"

#define OPEN_TRIES 5

/* --- the sink: on capture's thread, and on the main one while it attaches -------------------- */

static int sink_process_new(void *ctx, pid_t pid, uint64_t time_ns)
{
	struct traced *t = ctx;
	struct proc_info info = {.pid = pid, .state = PROC_RUNNING, .attached_ns = time_ns};
	char path[PATH_MAX];
	int index;

	process_binary(pid, path, sizeof(path));
	proc_info_name(&info, path[0] ? path : t->c.path, target_go_version(t->target));
	index = model_proc_add(t->c.model, &info);
	if (index < 0) {
		log_warn("process %d is not followed: too many processes", pid);
		return index;
	}
	atomic_fetch_add(&t->processes, 1);
	t->c.arrived(t->c.ctx, (unsigned)index);
	if (!t->c.pid)
		log_info("following process %d", pid);
	return index;
}

static void sink_process_exited(void *ctx, unsigned proc, uint64_t time_ns)
{
	struct traced *t = ctx;
	struct proc_info info;

	model_proc_exited(t->c.model, proc, time_ns);
	if (!t->c.pid && !model_proc(t->c.model, proc, &info))
		log_info("process %d has ended", info.pid);
	atomic_fetch_sub(&t->processes, 1);
	t->c.ended(t->c.ctx);
}

static void sink_events(void *ctx, struct event *events, size_t n)
{
	model_apply(((struct traced *)ctx)->c.model, events, n);
}

static void sink_lost(void *ctx, const struct capture_lost *lost, uint64_t time_ns)
{
	struct traced *t = ctx;

	model_lost(t->c.model, -1, lost->events, time_ns);
	if (lost->hidden)
		model_doubt(t->c.model, -1, time_ns);
	t->c.lost(t->c.ctx);
}

static void sink_file(void *ctx)
{
	struct traced *t = ctx;

	t->c.file(t->c.ctx);
}

/* --- making ----------------------------------------------------------------------------- */

int traced_make_capture(struct traced *t, struct target *target, const uint32_t rates[EVENT_TYPES],
			struct capture **ret)
{
	const struct capture_sink sink = {
		.ctx = t,
		.process_new = sink_process_new,
		.process_exited = sink_process_exited,
		.events = sink_events,
		.lost = sink_lost,
		.file = sink_file,
	};
	struct capture_config cc = {
		.pid = t->c.pid,
		.readers = t->c.readers,
		.trap_ns = t->trap_ns,
		.made_type = memory_type,
		.asked = t->c.asked,
	};

	memcpy(cc.rates, rates, sizeof(cc.rates));
	return capture_new(&cc, target, model_names(t->c.model), &sink, ret);
}

/* The kernel's EINVAL about a program or a probe is not about what the user wrote. */
static int not_usage(int err)
{
	return err == -EINVAL ? -EIO : err;
}

/* The file may be changed between the two looks at it, when it is decoded and before it is probed:
 * then it is decoded again. */
static int make_capture(struct traced *t)
{
	struct target *target;
	int err;

	if (capture_calibrate(&t->trap_ns)) {
		log_debug("the cost of a probe could not be measured");
		t->trap_ns = 0;
	}
	for (int i = 0; i < OPEN_TRIES; i++) {
		err = traced_make_capture(t, t->target, t->c.rates, &t->capture);
		if (err != -ESTALE)
			break;
		err = target_open(target_path(t->target), &target);
		if (err)
			break;
		reader_retarget(t->reader, target);
		target_free(t->target);
		t->target = target;
		err = -ESTALE;
	}
	if (err == -ESTALE)
		return log_error(-EAGAIN, "%s is being changed: try again when that is done",
				 t->c.path);
	/* It opens the process's executable once more. */
	return err == -ENOENT && t->c.pid ? -ESRCH : not_usage(err);
}

int traced_attach(struct traced *t)
{
	return not_usage(capture_attach(t->capture));
}

int traced_start(struct traced *t)
{
	int err = capture_start(t->capture);

	if (!err)
		t->c.file(t->c.ctx); /* it may have been open for writing all the while */
	return err;
}

void traced_stop(struct traced *t)
{
	if (t && t->capture)
		capture_stop(t->capture);
}

void traced_free(struct traced *t)
{
	if (!t)
		return;
	capture_free(t->capture);
	reader_free(t->reader);
	target_free(t->target);
	pthread_rwlock_destroy(&t->lock);
	free(t);
}

/* --- looking ---------------------------------------------------------------------------- */

const struct target *traced_target(const struct traced *t)
{
	return t->target;
}

int traced_processes(const struct traced *t)
{
	return atomic_load(&t->processes);
}

bool traced_needs_admin(const struct traced *t)
{
	return capture_needs_admin(t->capture);
}

void traced_add_stats(struct capture_stats *sum, const struct capture_stats *s)
{
	sum->hits += s->hits;
	sum->read += s->read;
	sum->delivered += s->delivered;
	sum->undecodable += s->undecodable;
	sum->skipped += s->skipped;
	sum->faulted += s->faulted;
	sum->refused += s->refused;
	sum->cancelled += s->cancelled;
	sum->hidden += s->hidden;
	sum->absent += s->absent;
	sum->outside += s->outside;
	sum->ignored += s->ignored;
	sum->stranded += s->stranded;
	sum->prog_ns_sum += s->prog_ns_sum;
	sum->prog_ns_samples += s->prog_ns_samples;
	sum->deliver_ns_sum += s->deliver_ns_sum;
	for (unsigned type = 0; type < EVENT_TYPES; type++)
		sum->lost[type] += s->lost[type];
}

/* Holding the lock. */
static void stats_of(struct traced *t, struct capture_stats *ret)
{
	capture_stats(t->capture, ret);
	traced_add_stats(ret, &t->earlier);
}

static void stats(void *ctx, struct capture_stats *ret)
{
	struct traced *t = ctx;

	pthread_rwlock_rdlock(&t->lock);
	stats_of(t, ret);
	pthread_rwlock_unlock(&t->lock);
}

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

static void fill_probes(struct traced *t, struct health *h)
{
	struct probe_site sites[ARRAY_SIZE(h->probes)];
	size_t n = capture_sites(t->capture, sites, ARRAY_SIZE(sites));

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

static void health(void *ctx, struct health *ret)
{
	struct traced *t = ctx;
	struct capture_stats s;

	pthread_rwlock_rdlock(&t->lock);
	stats_of(t, &s);
	snprintf(ret->go_version, sizeof(ret->go_version), "%s", target_go_version(t->target));
	snprintf(ret->offsets_from, sizeof(ret->offsets_from), "%s",
		 target_offsets_from(t->target));
	snprintf(ret->symbols_from, sizeof(ret->symbols_from), "%s",
		 target_symbols_from(t->target));
	snprintf(ret->unseen, sizeof(ret->unseen), "%s", target_unseen(t->target));
	snprintf(ret->not_covered, sizeof(ret->not_covered), "%s", target_not_covered(t->target));
	ret->hits = s.hits;
	ret->skipped_by_filter = s.skipped;
	ret->reads_faulted = s.faulted;
	ret->ring_bytes = s.ring_bytes;
	ret->readers = s.readers;
	fill_probes(t, ret);
	traced_file_health(t, ret);
	pthread_rwlock_unlock(&t->lock);
}

static uint64_t delivered(void *ctx, uint64_t wanted_ns)
{
	struct traced *t = ctx;
	uint64_t until_ns;

	pthread_rwlock_rdlock(&t->lock);
	until_ns = capture_delivered(t->capture, wanted_ns);
	pthread_rwlock_unlock(&t->lock);
	return until_ns;
}

static int goroutines(void *ctx, unsigned proc, pid_t pid, struct goroutine_seen **ret,
		      size_t *ret_n, bool *ret_complete)
{
	return reader_goroutines(((struct traced *)ctx)->reader, proc, pid, ret, ret_n,
				 ret_complete);
}

static int stack(void *ctx, unsigned proc, pid_t pid, uint64_t goid, struct buf *out)
{
	return reader_stack(((struct traced *)ctx)->reader, proc, pid, goid, out);
}

static int stacks(void *ctx, pid_t pid, live_text_fn *fn, void *arg)
{
	return reader_stacks(((struct traced *)ctx)->reader, pid, fn, arg);
}

/* --- changing --------------------------------------------------------------------------- */

static int set_rates(void *ctx, const uint32_t rates[EVENT_TYPES])
{
	struct traced *t = ctx;
	int err;

	pthread_rwlock_rdlock(&t->lock);
	err = capture_set_rates(t->capture, rates);
	pthread_rwlock_unlock(&t->lock);
	return err;
}

static void get_rates(void *ctx, uint32_t ret[EVENT_TYPES])
{
	struct traced *t = ctx;

	pthread_rwlock_rdlock(&t->lock);
	capture_get_rates(t->capture, ret);
	pthread_rwlock_unlock(&t->lock);
}

static int set_paused(void *ctx, bool paused)
{
	struct traced *t = ctx;
	int err;

	pthread_rwlock_rdlock(&t->lock);
	err = capture_set_paused(t->capture, paused);
	pthread_rwlock_unlock(&t->lock);
	return err;
}

static bool get_paused(void *ctx)
{
	struct traced *t = ctx;
	bool paused;

	pthread_rwlock_rdlock(&t->lock);
	paused = capture_get_paused(t->capture);
	pthread_rwlock_unlock(&t->lock);
	return paused;
}

static void low_latency(void *ctx, bool on)
{
	struct traced *t = ctx;

	pthread_rwlock_rdlock(&t->lock);
	atomic_fetch_add(&t->low_latency, on ? 1 : -1);
	capture_low_latency(t->capture, on);
	pthread_rwlock_unlock(&t->lock);
}

const struct source *traced_source(const struct traced *t)
{
	return &t->source;
}

int traced_new(const struct traced_config *config, struct target *target, struct traced **ret)
{
	struct traced *t = calloc(1, sizeof(*t));
	int err;

	if (!t) {
		target_free(target);
		return log_error(-ENOMEM, "out of memory");
	}
	t->c = *config;
	t->target = target;
	pthread_rwlock_init(&t->lock, NULL);
	t->source = (struct source){
		.ctx = t,
		.stats = stats,
		.health = health,
		.set_rates = set_rates,
		.get_rates = get_rates,
		.set_paused = set_paused,
		.get_paused = get_paused,
		.low_latency = low_latency,
		.delivered = delivered,
		.goroutines = goroutines,
		.stack = stack,
		.stacks = stacks,
	};
	err = reader_new(target, model_names(config->model), &t->reader);
	if (!err)
		err = make_capture(t);
	if (err) {
		traced_free(t);
		return err;
	}
	*ret = t;
	return 0;
}
