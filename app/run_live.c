/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A live run: find the program, mount, attach, let it run, show it, and end without a trace. The
 * order matters: whatever can fail without the target noticing comes before the probes.
 * Main thread, but for the sink at the top, which runs on capture's pump thread (and on the main
 * thread while it attaches).
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "app/exit_status.h"
#include "core/target/process.h"
#include "app/run.h"
#include "core/base/log.h"
#include "core/memory/type.h"

#define OPEN_TRIES 5

/* --- the sink --------------------------------------------------------------------------- */

static int sink_process_new(void *ctx, pid_t pid, uint64_t time_ns)
{
	struct run *r = ctx;
	struct proc_info info = {.pid = pid, .state = PROC_RUNNING, .attached_ns = time_ns};
	char path[PATH_MAX];
	int index;

	process_binary(pid, path, sizeof(path));
	proc_info_name(&info, path[0] ? path : r->binary_path, target_go_version(r->target));
	index = model_proc_add(r->model, &info);
	if (index < 0) {
		log_warn("process %d is not followed: too many processes", pid);
		return index;
	}
	atomic_fetch_add(&r->processes, 1);
	healer_ask(r->healer, (unsigned)index);
	if (r->config->mode == MODE_BINARY)
		log_info("following process %d", pid);
	return index;
}

static void sink_process_exited(void *ctx, unsigned proc, uint64_t time_ns)
{
	struct run *r = ctx;
	struct proc_info info;

	model_proc_exited(r->model, proc, time_ns);
	if (r->config->mode == MODE_BINARY && !model_proc(r->model, proc, &info))
		log_info("process %d has ended", info.pid);
	atomic_fetch_sub(&r->processes, 1);
	loop_post(r->loop, LOOP_EXITED);
}

static void sink_events(void *ctx, struct event *events, size_t n)
{
	struct run *r = ctx;

	model_apply(r->model, events, n);
}

static void sink_lost(void *ctx, const uint64_t lost[EVENT_TYPES], uint64_t time_ns)
{
	struct run *r = ctx;

	model_lost(r->model, -1, lost, time_ns);
}

static void sink_file(void *ctx)
{
	struct run *r = ctx;

	loop_post(r->loop, LOOP_FILE);
}

/* --- making ----------------------------------------------------------------------------- */

static int open_target(struct run *r)
{
	const struct config *c = r->config;
	char path[64];
	int err = 0;

	if (c->mode == MODE_BINARY) {
		if (!realpath(c->binary, r->binary_path))
			r->binary_path[0] = '\0';
		err = target_open(c->binary, &r->target);
		return err ? err : target_check_runnable(r->target);
	}
	if (c->mode == MODE_COMMAND) {
		err = launch_start(c->command, &r->old_mask, &r->old_files, loop_asked(r->loop),
				   &r->launch);
		r->pid = r->launch.pid;
	} else {
		r->pid = (pid_t)c->pid;
		err = process_check(r->pid);
	}
	if (err)
		return err;
	/* The magic link opens the right file in any mount namespace, deleted or not. */
	snprintf(path, sizeof(path), "/proc/%d/exe", r->pid);
	process_binary(r->pid, r->binary_path, sizeof(r->binary_path));
	err = target_open(path, &r->target);
	return err == -ENOENT ? -ESRCH : err;
}

/* The kernel's EINVAL about a program or a probe is not about what the user wrote. */
static int not_usage(int err)
{
	return err == -EINVAL ? -EIO : err;
}

int run_make_capture(struct run *r, struct target *target, const uint32_t rates[EVENT_TYPES],
		     struct capture **ret)
{
	static const struct capture_sink sink = {
		.process_new = sink_process_new,
		.process_exited = sink_process_exited,
		.events = sink_events,
		.lost = sink_lost,
		.file = sink_file,
	};
	struct capture_sink s = sink;
	struct capture_config cc = {
		.pid = r->pid,
		.readers = (unsigned)r->config->readers,
		.trap_ns = r->trap_ns,
		.made_type = memory_type,
		.asked = loop_asked(r->loop),
	};

	s.ctx = r;
	memcpy(cc.rates, rates, sizeof(cc.rates));
	return capture_new(&cc, target, r->names, &s, ret);
}

/* The file may be changed between the two looks at it, when it is decoded and before it is probed:
 * then it is decoded again. */
static int make_capture(struct run *r)
{
	struct target *target;
	int err;

	if (capture_calibrate(&r->trap_ns)) {
		log_debug("the cost of a probe could not be measured");
		r->trap_ns = 0;
	}
	for (int i = 0; i < OPEN_TRIES; i++) {
		err = run_make_capture(r, r->target, r->config->rates, &r->capture);
		if (err != -ESTALE)
			break;
		err = target_open(target_path(r->target), &target);
		if (err)
			break;
		healer_retarget(r->healer, target);
		target_free(r->target);
		r->target = target;
		err = -ESTALE;
	}
	if (err == -ESTALE)
		return log_error(-EAGAIN, "%s is being changed: try again when that is done",
				 r->binary_path);
	/* It opens the process's executable once more. */
	return err == -ENOENT && r->pid ? -ESRCH : not_usage(err);
}

static int start(struct run *r)
{
	int err;

	err = open_target(r);
	if (!err)
		err = run_make_model(r,
				     (int64_t)clock_ns(CLOCK_REALTIME) - (int64_t)monotonic_ns());
	if (!err)
		err = healer_new(r->target, r->model, &r->healer);
	if (!err)
		err = make_capture(r);
	if (err)
		return err;
	governor_init(&r->governor, r->config->max_overhead, r->config->rates);
	atomic_store(&r->max_overhead, r->config->max_overhead);
	live_fill(r);
	err = run_confine(r);
	if (!err)
		err = run_open_outputs(r, r->config->mode == MODE_BINARY);
	if (!err)
		err = not_usage(capture_attach(r->capture));
	if (!err)
		err = run_give_up(r);
	if (!err)
		err = outputs_record(r->outputs);
	if (!err)
		err = capture_start(r->capture);
	if (err)
		return err;
	r->tracing = true;
	r->start_ns = monotonic_ns();
	loop_post(r->loop, LOOP_FILE); /* it may have been open for writing all the while */
	/* Who is there already is known before anybody can look. */
	for (unsigned proc = 0; proc < model_procs(r->model); proc++)
		(void)healer_now(r->healer, proc);
	err = healer_start(r->healer);
	if (!err)
		err = live_start(r);
	if (!err)
		err = outputs_start(r->outputs);
	if (!err && r->launch.pid)
		err = launch_release(&r->launch);
	return err;
}

/* --- running ---------------------------------------------------------------------------- */

static void announce(struct run *r)
{
	char subject[PATH_MAX + 256];

	if (r->config->mode == MODE_BINARY)
		snprintf(subject, sizeof(subject), "%s (%s), %d running", r->binary_path,
			 target_go_version(r->target), atomic_load(&r->processes));
	else
		snprintf(subject, sizeof(subject), "process %d (%s, %s)", r->pid, r->binary_path,
			 target_go_version(r->target));
	run_ready(r, subject);
	if (!r->config->mount_point)
		log_info("tracing %s; Ctrl-C ends", subject);
	else if (target_not_covered(r->target)[0])
		log_info("not covered: %s", target_not_covered(r->target));
}

/* Somebody can still look when the target is gone. */
static bool stays(const struct run *r)
{
	return (r->config->mount_point || r->config->web) && !r->asked_to_stop;
}

/* No more events: the probes go, what was captured is delivered, the tree freezes. */
static void freeze(struct run *r)
{
	if (!r->capture || feed_closed(model_feed(r->model)))
		return;
	loop_ending(r->loop, "taking the probes out");
	capture_stop(r->capture);
	ticker_tick(r);
	feed_close(model_feed(r->model));
	loop_ending(r->loop, NULL);
}

static void say_frozen(struct run *r)
{
	char how[64] = "has exited";
	int code = r->launch.over ? launch_exit_code(&r->launch) : 0;

	if (r->launch.over && code > 128)
		snprintf(how, sizeof(how), "was killed by signal %d", code - 128);
	else if (r->launch.over)
		snprintf(how, sizeof(how), "has exited with status %d", code);
	if (stays(r))
		log_info("process %d %s; everything stays as it was until Ctrl-C%s", r->pid, how,
			 r->config->mount_point ? " or an unmount" : "");
	else
		log_info("process %d %s", r->pid, how);
}

/* A terminal's Ctrl-C reached the command by itself; what a process sent us is handed on. */
static void on_signal(struct run *r)
{
	bool sent;
	int signo = loop_signal(r->loop, &sent);

	r->asked_to_stop = true;
	if (!r->launch.pid || r->launch.over)
		return;
	loop_signal_passed_on(r->loop);
	if (sent)
		kill(r->launch.pid, signo);
}

/* true: it is over. */
static bool handle(struct run *r, unsigned events)
{
	bool command = r->config->mode == MODE_COMMAND;
	bool was_over = r->launch.over;

	if (events & LOOP_SIGNAL)
		on_signal(r);
	if (events & LOOP_TICK)
		ticker_tick(r);
	if (r->tracing && events & LOOP_FILE)
		file_changed(r);
	if (r->tracing && events & LOOP_TICK)
		file_tick(r);
	if (events & (LOOP_UNMOUNTED | LOOP_STDOUT))
		r->asked_to_stop = true;
	if (command) {
		if (launch_reap(&r->launch) && !was_over) {
			freeze(r);
			say_frozen(r);
		} else if (!r->launch.over && events & (LOOP_UNMOUNTED | LOOP_STDOUT)) {
			freeze(r); /* nobody looks: the command goes on untraced */
		}
		return r->launch.over && !stays(r);
	}
	if (events & LOOP_EXITED && r->pid && atomic_load(&r->processes) == 0) {
		freeze(r);
		say_frozen(r);
		return !stays(r);
	}
	return r->asked_to_stop;
}

static void say_total(const struct run *r)
{
	static const char *const plural[] = {"s", ""};
	struct model_totals t;
	uint64_t events = 0, lost = 0;

	model_totals(r->model, -1, &t);
	for (size_t i = 0; i < EVENT_TYPES; i++) {
		events += t.events[i];
		lost += t.lost[i];
	}
	log_info("%llu event%s in %.1f s, %llu lost", (unsigned long long)events,
		 plural[events == 1], (double)(monotonic_ns() - r->start_ns) / 1e9,
		 (unsigned long long)lost);
	for (unsigned i = 0; i < EVENT_TYPES; i++) {
		if (t.lost[i])
			log_warn("lost %llu %s events: lower the load or the rates (-sample)",
				 (unsigned long long)t.lost[i], event_type_name(i));
	}
}

int run_live(struct run *r)
{
	int err = start(r), end_err;

	if (!err) {
		announce(r);
		ticker_start(r);
		while (!handle(r, loop_wait(r->loop)))
			;
		freeze(r);
		say_total(r);
	}
	end_err = run_finish(r);
	if (err)
		return exit_status(err);
	if (r->launch.over)
		return launch_exit_code(&r->launch);
	return exit_status(end_err);
}
