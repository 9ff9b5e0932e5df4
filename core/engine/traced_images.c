/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The program files under trace, each with a capture and a reader of its own, and what a capture
 * tells of its processes. More than one where a process has executed another program, or where
 * another file is now what the path names: who runs the old one is traced until it ends.
 *
 * Changed on the main thread; the sinks run on the captures' own.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/engine/traced_internal.h"
#include "core/memory/type.h"
#include "core/model/samples.h"
#include "core/target/process.h"

/* --- the sink: on a capture's thread, and on the main one while it attaches ------------------ */

static int sink_process_new(void *ctx, pid_t pid, uint64_t time_ns)
{
	struct traced_image *i = ctx;
	struct traced *t = i->owner;
	struct proc_info info = {.pid = pid, .state = PROC_RUNNING, .attached_ns = time_ns};
	char path[PATH_MAX];
	int index;

	/* It executes the older program once more, before that one's probes are out: it is found
	 * anew, like any other that it executes. */
	if (atomic_load(&i->retired))
		return -ESRCH;
	process_binary(pid, path, sizeof(path));
	proc_info_name(&info, path[0] ? path : t->c.path, target_go_version(i->target));
	index = model_proc_add(t->c.model, &info);
	if (index < 0) {
		log_warn("process %d is not followed: too many processes", pid);
		return index;
	}
	atomic_store(&t->of[index], i);
	atomic_fetch_add(&i->processes, 1);
	t->c.arrived(t->c.ctx, (unsigned)index);
	if (!t->c.pid)
		log_info("following process %d", pid);
	else
		t->c.file(t->c.ctx); /* it may be the one that was waited for */
	return index;
}

static void sink_process_exited(void *ctx, unsigned proc, uint64_t time_ns, const int *status)
{
	struct traced_image *i = ctx;
	struct traced *t = i->owner;
	struct proc_info info;

	if (status)
		model_proc_status(t->c.model, proc, *status);
	model_proc_exited(t->c.model, proc, time_ns);
	if (!t->c.pid && !model_proc(t->c.model, proc, &info))
		log_info("process %d has ended", info.pid);
	atomic_fetch_sub(&i->processes, 1);
	t->c.ended(t->c.ctx);
}

static void sink_process_execed(void *ctx, unsigned proc, uint64_t time_ns)
{
	struct traced_image *i = ctx;
	struct traced *t = i->owner;
	struct proc_info info;
	char path[PATH_MAX] = "";

	if (!model_proc(t->c.model, proc, &info))
		process_binary(info.pid, path, sizeof(path));
	model_proc_execed(t->c.model, proc, path, time_ns);
	if (!t->c.pid)
		log_info("process %d executes %s: what it was before has ended", info.pid,
			 path[0] ? path : "another program");
	else
		atomic_store(&t->executed, true); /* before it is seen that there is none */
	atomic_fetch_sub(&i->processes, 1);
	t->c.ended(t->c.ctx);
}

static void sink_executed(void *ctx, pid_t pid)
{
	struct traced *t = ((struct traced_image *)ctx)->owner;

	traced_path_executed(t);
	if (pid != t->c.pid)
		return;
	atomic_store(&t->executed, true);
	t->c.file(t->c.ctx);
}

static void sink_events(void *ctx, struct event *events, size_t n)
{
	model_apply(((struct traced_image *)ctx)->owner->c.model, events, n);
}

static void sink_lost(void *ctx, const struct capture_lost *lost, uint64_t time_ns)
{
	struct traced *t = ((struct traced_image *)ctx)->owner;

	model_lost(t->c.model, -1, lost->events, time_ns);
	if (lost->hidden)
		model_doubt(t->c.model, -1, time_ns);
	t->c.lost(t->c.ctx);
}

static void sink_sample(void *ctx, const struct stack_sample *sample)
{
	struct model *m = ((struct traced_image *)ctx)->owner->c.model;
	struct stack_sample named;
	struct goroutine g;

	if (sample->kind != SAMPLE_OFF_CPU || model_goroutine(m, sample->proc, sample->goid, &g)) {
		samples_add(model_samples(m), sample);
		return;
	}
	named = *sample;
	named.start_func_id = g.start_func_id;
	named.system = g.flags & GOROUTINE_SYSTEM;
	samples_add(model_samples(m), &named);
}

static void sink_samples_lost(void *ctx, enum sample_kind kind, uint64_t n, uint64_t weight)
{
	samples_lost(model_samples(((struct traced_image *)ctx)->owner->c.model), kind, n, weight);
}

static void sink_file(void *ctx)
{
	struct traced *t = ((struct traced_image *)ctx)->owner;

	t->c.file(t->c.ctx);
}

/* --- one image --------------------------------------------------------------------------- */

int traced_image_new(struct traced *t, struct target *target, const uint32_t rates[RATES],
		     struct traced_image **ret)
{
	const struct capture_sink sinks = {
		.process_new = sink_process_new,
		.process_exited = sink_process_exited,
		.process_execed = sink_process_execed,
		.executed = sink_executed,
		.events = sink_events,
		.lost = sink_lost,
		.sample = sink_sample,
		.samples_lost = sink_samples_lost,
		.file = sink_file,
	};
	struct capture_config cc = {
		.pid = t->c.pid,
		.readers = t->c.readers,
		.ring_bytes = t->c.ring_bytes,
		.cpu_hz = t->c.cpu_hz,
		.made_type = memory_type,
		.asked = t->c.asked,
		.without_bpf = t->c.without_bpf,
	};
	struct capture_sink sink = sinks;
	struct traced_image *i = calloc(1, sizeof(*i));
	int err;

	if (!i)
		return log_error(-ENOMEM, "out of memory");
	i->owner = t;
	memcpy(cc.rates, rates, sizeof(cc.rates));
	pthread_rwlock_rdlock(&t->lock);
	cc.price = t->price;
	pthread_rwlock_unlock(&t->lock);
	sink.ctx = i;
	err = reader_new(target, model_names(t->c.model), &i->reader);
	if (!err)
		err = capture_new(&cc, target, model_names(t->c.model), &sink, &i->capture);
	if (err) {
		traced_image_free(i);
		return err;
	}
	i->target = target;
	target_unsampled(target, i->unsampled, sizeof(i->unsampled));
	*ret = i;
	return 0;
}

void traced_image_free(struct traced_image *i)
{
	if (!i)
		return;
	capture_free(i->capture);
	loaded_files_free(i->files);
	reader_free(i->reader);
	target_free(i->target);
	free(i);
}

/* --- all of them ------------------------------------------------------------------------- */

/* Nobody tells of their end any more. With -pid it is the one process, which has executed something
 * while it was looked up what: the newest image has it, or the next one will. */
static void end_processes(struct traced *t, const struct traced_image *i)
{
	struct proc_info info;
	char path[PATH_MAX];

	for (unsigned proc = 0; proc < model_procs(t->c.model); proc++) {
		if (atomic_load(&t->of[proc]) != i || model_proc_living(t->c.model, proc, &info))
			continue;
		if (t->c.pid) {
			process_binary(info.pid, path, sizeof(path));
			model_proc_execed(t->c.model, proc, path, monotonic_ns());
			continue;
		}
		log_warn("process %d is not traced any more", info.pid);
		model_proc_exited(t->c.model, proc, monotonic_ns());
	}
}

/* Whoever looks may still read through it until the lock is had. */
static void take_out(struct traced *t, unsigned k)
{
	struct traced_image *i = t->images[k];
	struct capture_stats stats;

	pthread_rwlock_wrlock(&t->lock);
	capture_stats(i->capture, &stats);
	traced_add_stats(&t->earlier, &stats);
	memmove(&t->images[k], &t->images[k + 1], (t->n_images - k - 1) * sizeof(t->images[0]));
	t->images[--t->n_images] = NULL;
	for (unsigned proc = 0; proc < ARRAY_SIZE(t->of); proc++)
		if (atomic_load(&t->of[proc]) == i)
			atomic_store(&t->of[proc], NULL);
	pthread_rwlock_unlock(&t->lock);
}

void traced_images_end(struct traced *t, unsigned k)
{
	struct traced_image *i = t->images[k];

	capture_stop(i->capture); /* it delivers what it has */
	end_processes(t, i);
	take_out(t, k);
	traced_image_free(i);
}

/* What was asked of the others. It is not attached yet. Holding the lock. */
static void as_the_others(const struct traced *t, struct capture *c)
{
	struct capture *other = traced_now(t)->capture;
	uint32_t rates[RATES];

	capture_get_rates(other, rates);
	if (capture_set_rates(c, rates) || capture_set_paused(c, capture_get_paused(other)) ||
	    (t->samples_alone && capture_sample_allocations(c, true)))
		log_warn("%s: its rates are not those of before", t->c.path);
	capture_sample_window(c, t->sample_scale, t->sample_window);
	(void)capture_sample_cpu(c, t->cpu_on);
	for (int n = 0; n < t->low_latency; n++)
		capture_low_latency(c, true);
}

/* What becomes of its file is looked at from now on. */
static void look_anew(struct traced *t)
{
	t->file_changes = 0;
	t->file = CAPTURE_HELD;
	t->c.file(t->c.ctx);
}

/* Makes `i`, attached or not, the newest; the oldest go where there are too many. Main thread. */
static void add_image(struct traced *t, struct traced_image *i)
{
	if (t->n_images == IMAGES_MAX) {
		log_warn("more than %d files have been %s while processes of each run: those of "
			 "the oldest are not traced any more",
			 IMAGES_MAX, t->c.path);
		traced_images_end(t, IMAGES_MAX - 1);
	}
	pthread_rwlock_wrlock(&t->lock);
	as_the_others(t, i->capture);
	for (unsigned k = 0; k < t->n_images && t->c.pid; k++)
		atomic_store(&t->images[k]->retired, true);
	memmove(&t->images[1], &t->images[0], t->n_images * sizeof(t->images[0]));
	t->images[0] = i;
	t->n_images++;
	t->file_why[0] = '\0';
	pthread_rwlock_unlock(&t->lock);
	look_anew(t);
}

void traced_images_first(struct traced *t, unsigned k)
{
	struct traced_image *i = t->images[k];

	pthread_rwlock_wrlock(&t->lock);
	memmove(&t->images[1], &t->images[0], k * sizeof(t->images[0]));
	t->images[0] = i;
	t->file_why[0] = '\0';
	pthread_rwlock_unlock(&t->lock);
	look_anew(t);
}

void traced_images_sweep(struct traced *t)
{
	for (unsigned k = t->n_images; k-- > 1;)
		if (!t->images[k]->processes)
			traced_images_end(t, k);
}

int traced_adopt(struct traced *t, struct target *target)
{
	uint32_t rates[RATES];
	struct traced_image *i;
	int err;

	capture_get_rates(traced_now(t)->capture, rates);
	err = traced_image_new(t, target, rates, &i);
	if (err) {
		target_free(target);
		return err;
	}
	add_image(t, i);
	if (t->c.pid && !target_runs_in(target, t->c.pid))
		return -ESTALE; /* it has executed something since it was opened, or ended */
	err = capture_attach(i->capture);
	return err ? err : capture_start(i->capture);
}
