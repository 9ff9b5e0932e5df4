/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The traced file and what becomes of it: whoever wants to write to it has made capture take the
 * probes out; when it is another program afterwards, this makes a capture for that one. Old
 * processes stay as they were in the model, new ones are read with the new program's tables. Main
 * thread, but for file_health().
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/run.h"
#include "core/base/log.h"

/* A writer that takes no longer is not worth a word. */
#define WRITER_NS NS_PER_SEC

/* --- the swap --------------------------------------------------------------------------- */

static void add_stats(struct capture_stats *sum, const struct capture_stats *s)
{
	sum->hits += s->hits;
	sum->read += s->read;
	sum->delivered += s->delivered;
	sum->undecodable += s->undecodable;
	sum->skipped += s->skipped;
	sum->faulted += s->faulted;
	sum->prog_ns_sum += s->prog_ns_sum;
	sum->prog_ns_samples += s->prog_ns_samples;
	sum->deliver_ns_sum += s->deliver_ns_sum;
	for (unsigned t = 0; t < EVENT_TYPES; t++)
		sum->lost[t] += s->lost[t];
}

void run_capture_stats(struct run *r, struct capture_stats *ret)
{
	capture_stats(r->capture, ret);
	add_stats(ret, &r->earlier);
}

/* Nobody tells of their end any more. There are none, unless the kernel lets people write to a file
 * that is executed (Linux 6.11). */
static void end_processes(struct run *r)
{
	struct proc_info info;

	for (unsigned proc = 0; proc < model_procs(r->model); proc++) {
		if (model_proc(r->model, proc, &info) || info.state == PROC_EXITED)
			continue;
		model_proc_exited(r->model, proc, monotonic_ns());
		atomic_fetch_sub(&r->processes, 1);
	}
}

/* Holding `traced`. */
static void swap(struct run *r, struct target *target, struct capture *capture)
{
	struct capture_stats stats;

	capture_stop(r->capture); /* it delivers what it has */
	end_processes(r);
	capture_stats(r->capture, &stats);
	add_stats(&r->earlier, &stats);
	for (int i = 0; i < r->low_latency; i++)
		capture_low_latency(capture, true);
	healer_retarget(r->healer, target);
	capture_free(r->capture);
	target_free(r->target);
	r->target = target;
	r->capture = capture;
	r->file_why[0] = '\0';
}

/* Takes `target` over, but for errors. Whoever wants to change the rates or to look waits. */
static int replace(struct run *r, struct target *target)
{
	uint32_t rates[EVENT_TYPES];
	struct capture *capture = NULL;
	int err;

	pthread_rwlock_wrlock(&r->traced);
	capture_get_rates(r->capture, rates);
	err = run_make_capture(r, target, rates, &capture);
	if (!err && capture_get_paused(r->capture))
		err = capture_set_paused(capture, true);
	if (!err)
		swap(r, target, capture);
	else
		capture_free(capture);
	pthread_rwlock_unlock(&r->traced);
	return err;
}

static void cannot(struct run *r, const char *why)
{
	pthread_rwlock_wrlock(&r->traced);
	snprintf(r->file_why, sizeof(r->file_why), "%s", why);
	pthread_rwlock_unlock(&r->traced);
	log_warn("%s was changed and cannot be traced now: %s", r->binary_path, why);
}

static int open_new(struct run *r, struct target **ret)
{
	struct target *target;
	char why[512];
	int err = target_open_why(capture_path(r->capture), &target, why, sizeof(why));

	if (err) {
		if (err != -ESTALE)
			cannot(r, *why ? why : strerror(-err));
		return err;
	}
	if (strcmp(target_arch(target), target_arch(r->target)) != 0) {
		target_free(target);
		cannot(r, "it is a program for another machine");
		return -ENOEXEC;
	}
	*ret = target;
	return 0;
}

/* -ESTALE: it is being changed again. */
static int take_new_file(struct run *r)
{
	struct target *target;
	int err = open_new(r, &target);

	if (err)
		return err;
	err = replace(r, target);
	if (err) {
		target_free(target);
		if (err != -ESTALE)
			cannot(r, strerror(-err));
		return err;
	}
	err = capture_attach(r->capture);
	if (!err)
		err = capture_start(r->capture);
	if (err) {
		cannot(r, err == -ENOEXEC ? "no probe can be placed in it" : strerror(-err));
		return err;
	}
	for (unsigned proc = 0; proc < model_procs(r->model); proc++)
		(void)healer_now(r->healer, proc);
	log_info("%s was changed: tracing it as it is now (%s)", r->binary_path,
		 target_go_version(r->target));
	return 0;
}

/* --- what happened ---------------------------------------------------------------------- */

static void on_changed(struct run *r)
{
	const struct capture *before = r->capture;

	if (r->config->mode == MODE_BINARY) {
		r->file_retry = take_new_file(r) == -ESTALE;
		if (r->capture == before)
			return;
		/* What has become of the new one's file meanwhile? */
		r->file_changes = 0;
		loop_post(r->loop, LOOP_FILE);
		return;
	}
	/* Most often it has ended, and its end is about to be told. */
	if (kill(r->pid, 0) == 0)
		log_warn("%s was changed: process %d, which was started from it and runs something "
			 "else now, is not traced any more",
			 r->binary_path, r->pid);
}

void file_changed(struct run *r)
{
	unsigned changes;
	enum capture_file file = capture_file(r->capture, &changes);

	if (file == r->file && changes == r->file_changes)
		return;
	r->file_changes = changes;
	r->file_since_ns = monotonic_ns();
	r->file = file;
	r->file_retry = false;
	switch (file) {
	case CAPTURE_CHANGED:
		on_changed(r);
		break;
	case CAPTURE_LOST:
		log_error(-EIO,
			  "%s was written to before its probes were out (this process was held up "
			  "for longer than fs.lease-break-time): it is not traced any more, and a "
			  "process started from it since may be damaged: restart that",
			  r->binary_path);
		break;
	case CAPTURE_HELD:
	case CAPTURE_FOLLOWED:
		if (r->file_said)
			log_info("%s is not open for writing any more, and as it was: tracing goes "
				 "on",
				 r->binary_path);
		break;
	case CAPTURE_WRITER:
		return;
	}
	r->file_said = false;
}

void file_tick(struct run *r)
{
	if (r->file_retry)
		on_changed(r);
	if (r->file != CAPTURE_WRITER || r->file_said ||
	    monotonic_ns() - r->file_since_ns < WRITER_NS)
		return;
	r->file_said = true;
	log_warn("%s is open for writing: it is not traced until that is over", r->binary_path);
}

/* --- what is told of it ----------------------------------------------------------------- */

void file_health(struct run *r, struct health *ret)
{
	unsigned changes;
	enum capture_file file = capture_file(r->capture, &changes);
	const char *text = "";

	switch (file) {
	case CAPTURE_HELD:
		text = "as it was read, and watched over by a lease";
		break;
	case CAPTURE_FOLLOWED:
		text = "as it was read when its processes began: no lease keeps writers off it "
		       "here, so "
		       "each process has probes of its own, milliseconds after its start";
		ret->file_limited = r->config->mode == MODE_BINARY;
		break;
	case CAPTURE_WRITER:
		text = "open for writing by somebody: no probe until that is over";
		break;
	case CAPTURE_CHANGED:
		text = "another one than was read: no probe";
		break;
	case CAPTURE_LOST:
		text = "written to before the probes were out: no probe any more; restart its "
		       "processes";
		break;
	}
	ret->file_trouble = file != CAPTURE_HELD && file != CAPTURE_FOLLOWED;
	snprintf(ret->file, sizeof(ret->file), "%s", text);
	if (!r->file_why[0])
		return;
	snprintf(ret->file, sizeof(ret->file),
		 "another one than was read, and cannot be traced: %s", r->file_why);
	ret->file_trouble = true;
}
