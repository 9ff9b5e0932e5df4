/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A live run: find the program, mount, attach, let it run, show it, and end without a trace. The
 * order matters: whatever can fail without the target noticing comes before the probes.
 * Main thread, but for what is marked at the top.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "app/exit_status.h"
#include "app/memory_room.h"
#include "core/target/go_file.h"
#include "core/target/process.h"
#include "app/run.h"
#include "core/base/log.h"
#include "core/view/view.h"

/* --- what tracing tells: on any thread -------------------------------------------------- */

static void on_arrived(void *ctx, unsigned proc)
{
	engine_arrived(((struct run *)ctx)->engine, proc);
}

static void on_ended(void *ctx)
{
	loop_post(((struct run *)ctx)->loop, LOOP_EXITED);
}

static void on_lost(void *ctx)
{
	engine_lost(((struct run *)ctx)->engine);
}

static void on_file(void *ctx)
{
	loop_post(((struct run *)ctx)->loop, LOOP_FILE);
}

static void on_another(void *ctx)
{
	engine_read_all(((struct run *)ctx)->engine);
}

/* --- making ----------------------------------------------------------------------------- */

static int open_target(struct run *r)
{
	const struct config *c = r->config;
	int err = 0;

	if (c->mode == MODE_BINARY) {
		if (!realpath(c->binary, r->binary_path))
			r->binary_path[0] = '\0';
		err = go_program_open_path(c->binary, &r->target);
		return err ? err : target_check_runnable(r->target);
	}
	if (c->mode == MODE_COMMAND) {
		err = launch_start(c->command, &r->old_mask, &r->old_limits, loop_asked(r->loop),
				   &r->launch);
		r->pid = r->launch.pid;
	} else {
		r->pid = (pid_t)c->pid;
		err = process_check(r->pid);
	}
	if (err)
		return err;
	err = go_program_open(r->pid, &r->target, &r->program);
	snprintf(r->binary_path, sizeof(r->binary_path), "%s", r->program.path);
	return err == -ENOENT ? -ESRCH : err;
}

static int make_traced(struct run *r)
{
	struct traced_config tc = {
		.model = r->model,
		.pid = r->pid,
		.path = r->binary_path,
		.watch = r->config->mode == MODE_BINARY ? r->config->binary : NULL,
		.readers = (unsigned)r->config->readers,
		.ring_bytes = (size_t)r->config->ring_size,
		.cpu_hz = (unsigned)r->config->cpu_hz,
		.asked = loop_asked(r->loop),
		.without_bpf = config_without_bpf(r->config),
		.ctx = r,
		.arrived = on_arrived,
		.ended = on_ended,
		.lost = on_lost,
		.file = on_file,
		.another = on_another,
	};

	memcpy(tc.rates, r->config->rates, sizeof(tc.rates));
	return traced_new(&tc, move_ptr(r->target), &r->traced);
}

#define EVENT_BYTES 45          /* a retained event: core/model/packed.h */
#define BASE_BYTES  (70u << 20) /* all else, where events come as fast as they may */
#define BARE_BYTES  (16u << 20) /* without BPF */

/* What it may come to, as measured; a recording and the web server take more. */
static uint64_t takes_up_to(const struct config *c)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (config_without_bpf(c))
		return BARE_BYTES;
	return MIN(c->readers, (uint64_t)MAX(cpus, 1)) * c->ring_size + c->retain * EVENT_BYTES +
	       BASE_BYTES;
}

/* The kernel would say nothing before it kills us. */
static void warn_of_room(const struct config *c)
{
	uint64_t room = memory_room("/proc/self/cgroup", "/sys/fs/cgroup");

	if (room < takes_up_to(c))
		log_warn("the control group that this runs in has %llu MiB of memory left, and it "
			 "may take %llu: then the kernel kills it, or what else is there "
			 "(less: -ring-size, -retain, -probes none)",
			 (unsigned long long)room >> 20, (unsigned long long)takes_up_to(c) >> 20);
}

static int start(struct run *r)
{
	int err;

	warn_of_room(r->config);
	loop_starting(r->loop, "reading the program's functions");
	err = open_target(r);
	if (!err)
		err = run_make_model(r, wall_offset_ns());
	loop_starting(r->loop, "loading the BPF programs");
	if (!err)
		err = make_traced(r);
	if (!err)
		err = run_make_engine(r);
	if (err)
		return err;
	engine_answers(r->engine, &r->live);
	engine_controls(r->engine, &r->control);
	err = run_confine(r);
	if (!err)
		err = run_open_outputs(r, r->config->mode == MODE_BINARY);
	/* Who reads stdout misses nothing to the end, a recording nothing as long as it goes on. */
	if (!err && config_prints_events(r->config))
		control_reads_events(&r->control, true);
	if (!err && r->config->records) {
		control_reads_events(&r->control, true);
		r->recording_reads = true;
	}
	loop_starting(r->loop, "placing the probes");
	if (!err)
		err = engine_prepare(r->engine);
	if (!err)
		err = traced_attach(r->traced);
	if (!err)
		err = run_give_up(r);
	if (!err)
		err = sinks_record(outputs_sinks(r->outputs));
	if (!err)
		err = traced_start(r->traced);
	if (err)
		return err;
	r->tracing = true;
	r->start_ns = monotonic_ns();
	loop_starting(r->loop, "reading the goroutines that are there");
	err = engine_start(r->engine, r->config->mount_point || r->config->web);
	if (!err)
		err = outputs_start(r->outputs);
	if (!err && r->launch.pid)
		err = launch_release(&r->launch);
	return err;
}

/* --- running ---------------------------------------------------------------------------- */

static void announce(struct run *r)
{
	const struct target *target = traced_target(r->traced);
	char subject[PATH_MAX + 256];

	if (r->config->mode == MODE_BINARY)
		snprintf(subject, sizeof(subject), "%s (%s), %d running", r->binary_path,
			 target_go_version(target), traced_processes(r->traced));
	else
		snprintf(subject, sizeof(subject), "process %d (%s, %s)", r->pid, r->binary_path,
			 target_go_version(target));
	run_ready(r, subject);
	if (probe_levels[r->config->level].events == PROBE_EVENTS_NEVER &&
	    (r->config->records || config_prints_events(r->config)))
		log_warn("-probes %s: there are no events to %s",
			 probe_levels[r->config->level].name,
			 r->config->records ? "record" : "print");
	if (target_unseen(target)[0])
		log_warn("not seen: %s", target_unseen(target));
	if (!r->config->mount_point)
		log_info("tracing %s; Ctrl-C ends", subject);
	else if (target_not_covered(target)[0])
		log_info("not covered: %s", target_not_covered(target));
}

/* Somebody can still look when the target is gone. */
static bool stays(const struct run *r)
{
	return (r->config->mount_point || r->config->web) && !r->asked_to_stop;
}

/* No more events: the probes go, what was captured is delivered, the tree freezes. */
static void freeze(struct run *r)
{
	if (feed_closed(model_feed(r->model)))
		return;
	loop_ending(r->loop, "taking the probes out");
	engine_tracing_ends(r->engine);
	traced_stop(r->traced);
	run_tick(r);
	feed_close(model_feed(r->model));
	r->frozen_ns = monotonic_ns();
	loop_ending(r->loop, NULL);
}

/* A child's we know by ourselves, and before the model does. */
static void add_how_it_ended(const struct run *r, struct buf *out)
{
	struct proc_info info = {.status_known = r->launch.over, .status = r->launch.status};

	buf_adds(out, "has exited");
	if (r->launch.over || !model_proc(r->model, model_proc_root(r->model), &info))
		view_ended_as(&info, out);
}

/* `other`: what it executes now, and why that is not traced. */
static void say_frozen(struct run *r, const char *other)
{
	cleanup_buf_ struct buf how = BUF_INIT;

	if (other)
		buf_addf(&how, "executes %s", other);
	else
		add_how_it_ended(r, &how);
	if (buf_error(&how))
		return;
	if (stays(r))
		log_info("process %d %s; everything stays as it was until Ctrl-C%s", r->pid,
			 how.data, r->config->mount_point ? " or an unmount" : "");
	else
		log_info("process %d %s", r->pid, how.data);
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

static bool just_over(const struct run *r, const char **ret_other)
{
	return r->tracing && !feed_closed(model_feed(r->model)) &&
	       traced_over(r->traced, ret_other);
}

/* true: it is over. */
static bool handle(struct run *r, unsigned events)
{
	bool command = r->config->mode == MODE_COMMAND;
	bool was_over = r->launch.over;
	const char *other;

	if (events & LOOP_SIGNAL)
		on_signal(r);
	if (events & LOOP_TICK)
		run_tick(r);
	if (r->tracing && events & LOOP_FILE)
		traced_file_changed(r->traced);
	if (r->tracing && events & LOOP_TICK)
		traced_file_tick(r->traced);
	if (events & (LOOP_UNMOUNTED | LOOP_STDOUT))
		r->asked_to_stop = true;
	if (command) {
		if (launch_reap(&r->launch) && !was_over) {
			freeze(r);
			say_frozen(r, NULL);
		} else if (!r->launch.over && events & (LOOP_UNMOUNTED | LOOP_STDOUT)) {
			freeze(r); /* nobody looks: the command goes on untraced */
		} else if (!r->launch.over && just_over(r, &other) && other) {
			freeze(r);
			say_frozen(r, other);
		}
		return r->launch.over && !stays(r);
	}
	if (r->pid && just_over(r, &other)) {
		freeze(r);
		say_frozen(r, other);
		return !stays(r);
	}
	return r->asked_to_stop;
}

static void say_total(const struct run *r)
{
	static const char *const plural[] = {"s", ""};
	struct model_totals t;
	uint64_t events, lost;

	model_totals(r->model, -1, &t);
	events = event_counts_sum(t.events);
	lost = event_counts_sum(t.lost);
	log_info("%llu event%s in %.1f s, %llu lost", (unsigned long long)events,
		 plural[events == 1], (double)(r->frozen_ns - r->start_ns) / 1e9,
		 (unsigned long long)lost);
	for (unsigned i = 0; i < EVENT_TYPES; i++) {
		if (t.lost[i])
			log_warn("lost %llu %s events", (unsigned long long)t.lost[i],
				 event_type_name(i));
	}
	run_say_losses(r);
}

int run_live(struct run *r)
{
	int err = start(r), end_err;

	loop_starting(r->loop, NULL);
	if (!err) {
		announce(r);
		run_tick(r);
		while (!handle(r, loop_wait(r->loop)))
			;
		freeze(r);
		say_total(r);
	}
	end_err = run_finish(r);
	if (err)
		return exit_status_of_start(err, r->config->mode != MODE_COMMAND &&
							 atomic_load(loop_asked(r->loop)));
	if (r->launch.over)
		return launch_exit_code(&r->launch);
	return exit_status(end_err);
}
