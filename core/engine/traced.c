/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The functions of a source, answered from captures, targets and memory. See traced.h; the program
 * files are in traced_images.c, what becomes of them in traced_file.c and traced_exec.c.
 */
#include "core/engine/traced.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/cpu_time.h"
#include "core/base/log.h"
#include "core/engine/traced_internal.h"
#include "core/model/samples.h"

#define OPEN_TRIES 5

/* --- making ----------------------------------------------------------------------------- */

/* The kernel's EINVAL about a program or a probe is not about what the user wrote. */
static int not_usage(int err)
{
	return err == -EINVAL ? -EIO : err;
}

static uint64_t middle(uint64_t a, uint64_t b, uint64_t c)
{
	return MAX(MIN(a, b), MIN(MAX(a, b), c));
}

/* One measurement of three may be wrong: somebody had the CPU meanwhile. */
static int measure(void *ctx)
{
	struct traced *t = ctx;
	struct capture_price now, *m = t->measured;
	int err = capture_calibrate(&now);

	if (err) {
		log_debug("the cost of a probe could not be measured: %s", strerror(-err));
		return err;
	}
	m[2] = t->n_measured ? m[1] : now;
	m[1] = t->n_measured++ ? m[0] : now;
	m[0] = now;
	pthread_rwlock_wrlock(&t->lock);
	t->price =
		(struct capture_price){.trap_ns = middle(m[0].trap_ns, m[1].trap_ns, m[2].trap_ns),
				       .step_ns = middle(m[0].step_ns, m[1].step_ns, m[2].step_ns)};
	for (unsigned k = 0; k < t->n_images; k++)
		capture_set_price(t->images[k]->capture, &t->price);
	pthread_rwlock_unlock(&t->lock);
	return 0;
}

/* The file may be changed between the two looks at it, when it is decoded and before it is probed:
 * then it is decoded again. */
static int make_first(struct traced *t, struct target *target)
{
	int err;

	if (!t->c.without_bpf)
		(void)measure(t);
	for (int i = 0; i < OPEN_TRIES; i++) {
		char *path;

		err = traced_image_new(t, target, t->c.rates, &t->images[0]);
		if (err != -ESTALE)
			break;
		path = strdup(target_path(target));
		target_free(target);
		target = NULL;
		err = path ? target_open(path, &target) : -ENOMEM;
		free(path);
		if (err)
			break;
		err = -ESTALE;
	}
	t->n_images = !err;
	if (err)
		target_free(target);
	if (err == -ESTALE)
		return log_error(-EAGAIN, "%s is being changed: try again when that is done",
				 t->c.path);
	/* It opens the process's executable once more. */
	return err == -ENOENT && t->c.pid ? -ESRCH : not_usage(err);
}

int traced_attach(struct traced *t)
{
	int err = not_usage(capture_attach(traced_now(t)->capture));

	/* While this thread may open whatever a process has mapped. */
	if (!err)
		loaded_look(t->loaded);
	return err;
}

int traced_start(struct traced *t)
{
	int err = capture_start(traced_now(t)->capture);

	if (!err)
		err = loaded_start(t->loaded);
	if (!err)
		t->c.file(t->c.ctx); /* it may have been open for writing all the while */
	return err;
}

void traced_end_reading(struct traced *t)
{
	for (unsigned k = 0; t && k < t->n_images; k++)
		target_end_reading(t->images[k]->target);
}

void traced_stop(struct traced *t)
{
	if (!t)
		return;
	loaded_stop(t->loaded);
	for (unsigned k = 0; k < t->n_images; k++)
		capture_stop(t->images[k]->capture);
}

void traced_free(struct traced *t)
{
	if (!t)
		return;
	loaded_free(t->loaded);
	for (unsigned k = 0; k < t->n_images; k++)
		traced_image_free(t->images[k]);
	pthread_rwlock_destroy(&t->lock);
	free(t);
}

/* --- looking ---------------------------------------------------------------------------- */

const struct target *traced_target(const struct traced *t)
{
	return traced_now(t)->target;
}

int traced_processes(const struct traced *t)
{
	int n = 0;

	for (unsigned k = 0; k < t->n_images; k++)
		n += atomic_load(&t->images[k]->processes);
	return n;
}

bool traced_needs_admin(const struct traced *t)
{
	return capture_needs_admin(traced_now(t)->capture);
}

void traced_add_stats(struct capture_stats *sum, const struct capture_stats *s)
{
	sum->hits += s->hits;
	sum->read += s->read;
	sum->delivered += s->delivered;
	sum->undecodable += s->undecodable;
	sum->stepped += s->stepped;
	sum->sample_hits += s->sample_hits;
	sum->cpu_samples += s->cpu_samples;
	sum->cpu_samples_ns += s->cpu_samples_ns;
	sum->skipped += s->skipped;
	for (unsigned type = 0; type < EVENT_TYPES; type++)
		sum->hit_ns[type] = MAX(sum->hit_ns[type], s->hit_ns[type]);
	sum->switching_ns += s->switching_ns;
	sum->faulted += s->faulted;
	sum->refused += s->refused;
	sum->cancelled += s->cancelled;
	sum->misnamed += s->misnamed;
	sum->hidden += s->hidden;
	sum->absent += s->absent;
	sum->outside += s->outside;
	sum->ignored += s->ignored;
	sum->stranded += s->stranded;
	sum->prog_ns_sum += s->prog_ns_sum;
	sum->prog_ns_samples += s->prog_ns_samples;
	sum->deliver_ns_sum += s->deliver_ns_sum;
	for (unsigned type = 0; type < EVENT_TYPES; type++)
		sum->lost[type] += s->lost[type], sum->unchosen[type] += s->unchosen[type];
}

/* Holding the lock. */
static void stats_of(struct traced *t, struct capture_stats *ret)
{
	struct capture_stats s;

	capture_stats(traced_now(t)->capture, ret);
	for (unsigned k = 1; k < t->n_images; k++) {
		capture_stats(t->images[k]->capture, &s);
		traced_add_stats(ret, &s);
	}
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

	if (kind == PROBE_REFILL || kind == PROBE_ALLOC_LARGE)
		return "alloc_sample";
	return event_type_name(types[kind]);
}

static void fill_probes(struct traced *t, struct health *h)
{
	struct probe_site sites[ARRAY_SIZE(h->probes)];
	size_t n = capture_sites(traced_now(t)->capture, sites, ARRAY_SIZE(sites));

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

/* The build's, and this process's. */
static void fill_unseen(struct traced *t, const struct target *target, unsigned proc,
			struct health *ret)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	buf_adds(&text, target_unseen(target));
	loaded_unseen(t->loaded, proc, &text);
	snprintf(ret->unseen, sizeof(ret->unseen), "%s", text.len ? text.data : "");
}

static void fill_sampling(const struct traced_image *i, bool between, struct health *ret)
{
	capture_sampling(i->capture, ret->sampling, sizeof(ret->sampling));
	if (between) /* that none are taken this moment is part of it */
		snprintf(ret->sampling, sizeof(ret->sampling), "on");
	capture_cpu_sampling(i->capture, ret->cpu_sampling, sizeof(ret->cpu_sampling));
	if (!strcmp(ret->sampling, "on") && i->unsampled[0])
		snprintf(ret->sampling, sizeof(ret->sampling), "incomplete: %s", i->unsampled);
}

static void health(void *ctx, unsigned proc, struct health *ret)
{
	struct traced *t = ctx;
	const struct target *target;
	struct capture_stats s;

	pthread_rwlock_rdlock(&t->lock);
	target = traced_now(t)->target;
	stats_of(t, &s);
	snprintf(ret->go_version, sizeof(ret->go_version), "%s", target_go_version(target));
	snprintf(ret->offsets_from, sizeof(ret->offsets_from), "%s", target_offsets_from(target));
	snprintf(ret->symbols_from, sizeof(ret->symbols_from), "%s", target_symbols_from(target));
	fill_unseen(t, target, proc, ret);
	snprintf(ret->not_covered, sizeof(ret->not_covered), "%s", target_not_covered(target));
	fill_sampling(traced_now(t), !atomic_load(&t->sample_scale), ret);
	ret->hits = s.hits - s.sample_hits;
	ret->sample_hits = s.sample_hits;
	ret->cpu_samples = s.cpu_samples;
	ret->cpu_samples_ns = s.cpu_samples_ns;
	ret->cpu_hz = t->c.cpu_hz;
	ret->skipped_by_filter = s.skipped;
	ret->reads_faulted = s.faulted;
	ret->ring_bytes = s.ring_bytes;
	ret->readers = s.readers;
	fill_probes(t, ret);
	traced_file_health(t, ret);
	pthread_rwlock_unlock(&t->lock);
}

static uint64_t cpu_ns(void *ctx, pid_t pid)
{
	return process_cpu_ns(pid);
}

static uint64_t cpu_wait_ns(void *ctx, pid_t pid)
{
	return process_cpu_wait_ns(pid);
}

static bool files(void *ctx, pid_t pid, uint64_t *ret_open, uint64_t *ret_most)
{
	return process_files(pid, ret_open, ret_most);
}

static bool stopped(void *ctx, pid_t pid)
{
	return process_stopped(pid);
}

static uint64_t delivered(void *ctx, uint64_t wanted_ns)
{
	struct traced *t = ctx;
	uint64_t until_ns = UINT64_MAX;

	pthread_rwlock_rdlock(&t->lock);
	for (unsigned k = 0; k < t->n_images; k++)
		until_ns = MIN(until_ns, capture_delivered(t->images[k]->capture, wanted_ns));
	pthread_rwlock_unlock(&t->lock);
	return until_ns;
}

/* The reader for a process, with the lock held until reader_release(). NULL, and it is not held:
 * its program is not traced any more. */
static struct reader *reader_hold(struct traced *t, unsigned proc)
{
	struct traced_image *i;

	pthread_rwlock_rdlock(&t->lock);
	i = proc < ARRAY_SIZE(t->of) ? atomic_load(&t->of[proc]) : NULL;
	if (!i || !i->reader) {
		pthread_rwlock_unlock(&t->lock);
		return NULL;
	}
	return i->reader;
}

static int reader_release(struct traced *t, int err)
{
	pthread_rwlock_unlock(&t->lock);
	return err;
}

static int goroutines(void *ctx, unsigned proc, pid_t pid, struct goroutine_seen **ret,
		      size_t *ret_n, bool *ret_complete)
{
	struct traced *t = ctx;
	struct reader *r = reader_hold(t, proc);

	return r ? reader_release(t, reader_goroutines(r, proc, pid, ret, ret_n, ret_complete))
		 : -ESRCH;
}

static int goids(void *ctx, unsigned proc, pid_t pid, uint64_t *ret_least, uint64_t *ret_most)
{
	struct traced *t = ctx;
	struct reader *r = reader_hold(t, proc);

	return r ? reader_release(t, reader_goids(r, pid, ret_least, ret_most)) : -ESRCH;
}

static int of_threads(void *ctx, unsigned proc, uint64_t *ret)
{
	struct traced *t = ctx;
	struct reader *r = reader_hold(t, proc);

	return r ? reader_release(t, reader_of_threads(r, proc, ret)) : -ESRCH;
}

static int stack(void *ctx, unsigned proc, pid_t pid, uint64_t goid, struct buf *out)
{
	struct traced *t = ctx;
	struct reader *r = reader_hold(t, proc);

	return r ? reader_release(t, reader_stack(r, proc, pid, goid, out)) : -ESRCH;
}

static int stacks(void *ctx, pid_t pid, enum live_stacks what, live_text_fn *fn, void *arg)
{
	struct traced *t = ctx;
	int proc = model_proc_by_pid(t->c.model, pid);
	struct reader *r = proc < 0 ? NULL : reader_hold(t, (unsigned)proc);

	return r ? reader_release(t, reader_stacks(r, pid, what, fn, arg)) : -ESRCH;
}

static int waits(void *ctx, unsigned proc, pid_t pid, struct wait_graph **ret)
{
	struct traced *t = ctx;
	struct reader *r = reader_hold(t, proc);

	return r ? reader_release(t, reader_waits(r, pid, ret)) : -ESRCH;
}

static int runtime(void *ctx, unsigned proc, pid_t pid, struct runtime_seen **ret)
{
	struct traced *t = ctx;
	struct reader *r = reader_hold(t, proc);

	return r ? reader_release(t, reader_runtime(r, pid, ret)) : -ESRCH;
}

static int heap_profile(void *ctx, unsigned proc, pid_t pid, struct live_heap **ret)
{
	struct traced *t = ctx;
	struct reader *r = reader_hold(t, proc);

	return r ? reader_release(t, reader_heap_profile(r, pid, ret)) : -ESRCH;
}

static int unreachable(void *ctx, unsigned proc, pid_t pid, const struct wait_graph *graph,
		       const struct unreachable_pace *pace, struct unreachable *ret)
{
	struct traced *t = ctx;
	struct reader *r = reader_hold(t, proc);
	struct target *target;

	if (!r)
		return -ESRCH;
	target = reader_target(r);
	reader_release(t, 0);
	return reader_unreachable(target, pid, graph, pace, ret);
}

/* --- changing --------------------------------------------------------------------------- */

static int set_rates(void *ctx, const uint32_t rates[RATES])
{
	struct traced *t = ctx;
	int err = 0;

	pthread_rwlock_rdlock(&t->lock);
	for (unsigned k = 0; k < t->n_images && !err; k++)
		err = capture_set_rates(t->images[k]->capture, rates);
	pthread_rwlock_unlock(&t->lock);
	return err;
}

static void get_rates(void *ctx, uint32_t ret[RATES])
{
	struct traced *t = ctx;

	pthread_rwlock_rdlock(&t->lock);
	capture_get_rates(traced_now(t)->capture, ret);
	pthread_rwlock_unlock(&t->lock);
}

static int set_paused(void *ctx, bool paused)
{
	struct traced *t = ctx;
	int err = 0;

	pthread_rwlock_rdlock(&t->lock);
	for (unsigned k = 0; k < t->n_images && !err; k++)
		err = capture_set_paused(t->images[k]->capture, paused);
	pthread_rwlock_unlock(&t->lock);
	return err;
}

static int sample_allocations(void *ctx, bool on)
{
	struct traced *t = ctx;
	int err = 0;

	pthread_rwlock_rdlock(&t->lock);
	for (unsigned k = 0; k < t->n_images && !err; k++)
		err = capture_sample_allocations(t->images[k]->capture, on);
	if (!err)
		t->samples_alone = on;
	pthread_rwlock_unlock(&t->lock);
	if (err == -ENOTSUP)
		return log_error(err, "-probes light: this kernel does not take the BPF programs "
				      "that sample");
	return err;
}

static void sample_window(void *ctx, unsigned scale, unsigned window)
{
	struct traced *t = ctx;

	pthread_rwlock_rdlock(&t->lock);
	atomic_store(&t->sample_scale, scale);
	atomic_store(&t->sample_window, window);
	for (unsigned k = 0; k < t->n_images; k++)
		capture_sample_window(t->images[k]->capture, scale, window);
	pthread_rwlock_unlock(&t->lock);
}

static void sample_cpu(void *ctx, bool on)
{
	struct traced *t = ctx;
	bool any = false;

	pthread_rwlock_rdlock(&t->lock);
	for (unsigned k = 0; k < t->n_images; k++)
		any |= capture_sample_cpu(t->images[k]->capture, on);
	t->cpu_on = on;
	if (any)
		samples_begin(model_samples(t->c.model), SAMPLE_CPU, monotonic_ns());
	else
		samples_end(model_samples(t->c.model), SAMPLE_CPU, monotonic_ns());
	pthread_rwlock_unlock(&t->lock);
}

static bool cpus_changed(void *ctx)
{
	struct traced *t = ctx;
	bool ret = false;

	pthread_rwlock_rdlock(&t->lock);
	for (unsigned k = 0; k < t->n_images && !ret; k++)
		ret = capture_cpus_changed(t->images[k]->capture);
	pthread_rwlock_unlock(&t->lock);
	return ret;
}

static bool get_paused(void *ctx)
{
	struct traced *t = ctx;
	bool paused;

	pthread_rwlock_rdlock(&t->lock);
	paused = capture_get_paused(traced_now(t)->capture);
	pthread_rwlock_unlock(&t->lock);
	return paused;
}

static void low_latency(void *ctx, bool on)
{
	struct traced *t = ctx;

	pthread_rwlock_rdlock(&t->lock);
	atomic_fetch_add(&t->low_latency, on ? 1 : -1);
	for (unsigned k = 0; k < t->n_images; k++)
		capture_low_latency(t->images[k]->capture, on);
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
	pthread_rwlock_init(&t->lock, NULL);
	atomic_init(&t->sample_scale, 1);
	t->source = (struct source){
		.ctx = t,
		.without_bpf = config->without_bpf,
		.stats = stats,
		.health = health,
		.cpu_ns = cpu_ns,
		.cpu_wait_ns = cpu_wait_ns,
		.files = files,
		.stopped = stopped,
		.measure = config->without_bpf ? NULL : measure,
		.set_rates = set_rates,
		.get_rates = get_rates,
		.set_paused = set_paused,
		.sample_allocations = sample_allocations,
		.sample_window = sample_window,
		.sample_cpu = sample_cpu,
		.cpus_changed = cpus_changed,
		.get_paused = get_paused,
		.low_latency = low_latency,
		.delivered = delivered,
		.goroutines = goroutines,
		.goids = goids,
		.of_threads = of_threads,
		.stack = stack,
		.stacks = stacks,
		.waits = waits,
		.runtime = runtime,
		.heap_profile = heap_profile,
		.unreachable = unreachable,
	};
	err = loaded_new(t, &t->loaded);
	if (err)
		target_free(target);
	else
		err = make_first(t, target);
	if (err) {
		traced_free(t);
		return err;
	}
	*ret = t;
	return 0;
}
