/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A replay: a recorded session through the same model and outputs as a live target. Main thread. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/exit_status.h"
#include "app/run.h"
#include "core/base/log.h"

/* Who is told that the mount is there finds a process in it: its first event is due at once, but on
 * a disk that hangs. */
#define FIRST_WAIT_NS (2 * NS_PER_SEC)

/* On the replay's thread. */
static void ended(void *ctx)
{
	struct run *r = ctx;

	loop_post(r->loop, LOOP_EXITED);
}

/* On the replay's thread, which starts after the outputs. */
static uint64_t behind(void *ctx)
{
	struct run *r = ctx;

	return outputs_behind(r->outputs);
}

static int start(struct run *r)
{
	struct replay_config rc = {
		.storage_dir = r->config->storage_dir,
		.session = r->config->replay,
		.speed = r->config->speed,
		.ended = ended,
		.behind = behind,
		.ctx = r,
	};
	bool estimate = false;
	int err;

	loop_starting(r->loop, "reading the session");
	err = run_confine(r);
	if (err)
		return err;
	rc.confine = r->confine;
	err = names_new(1u << 21, &r->names);
	if (err)
		return log_error(err, "out of memory");
	rc.names = r->names;
	err = replay_open(&rc, &r->replay);
	if (!err)
		err = run_make_model(r, replay_wall_offset(r->replay, &estimate));
	if (!err)
		err = run_make_engine(r);
	if (err)
		return err;
	if (estimate)
		log_info("the session does not say its wall-clock time: it is an estimate");
	r->control = (struct control){
		.ctx = r->replay,
		.replay = replay_command,
		.get_replay = replay_get,
	};
	err = run_open_outputs(r, replay_meta(r->replay)->many);
	if (!err)
		err = run_give_up(r);
	if (!err)
		err = outputs_start(r->outputs);
	if (!err)
		err = replay_start(r->replay, r->model);
	if (!err)
		(void)replay_wait_first(r->replay, FIRST_WAIT_NS);
	r->start_ns = monotonic_ns();
	return err;
}

static void announce(struct run *r)
{
	const struct session_meta *meta = replay_meta(r->replay);
	char subject[PATH_MAX + 64];

	snprintf(subject, sizeof(subject), "session %s of process %lld",
		 meta->id[0] ? meta->id : r->config->replay, (long long)meta->pid);
	run_ready(r, subject);
	if (meta->sample[0])
		log_info("it was recorded with -sample %s", meta->sample);
}

/* What a torn or odd session is missing, once the end was reached. */
static void say_end(struct run *r)
{
	struct replay_stats stats;

	replay_stats(r->replay, &stats);
	log_info("replayed %llu events", (unsigned long long)stats.events);
	if (stats.end.missing_bytes)
		log_warn("the session ends early: %llu bytes after the last whole record: %s",
			 (unsigned long long)stats.end.missing_bytes, stats.end.reason);
	session_end_warn(&stats.end, replay_meta(r->replay), r->config->replay);
}

/* true: it is over. */
static bool handle(struct run *r, unsigned events, bool *said_end)
{
	struct replay_stats stats;

	if (events & LOOP_TICK)
		run_tick(r);
	if (events & (LOOP_SIGNAL | LOOP_UNMOUNTED | LOOP_STDOUT))
		return true;
	replay_stats(r->replay, &stats);
	if (!stats.done || *said_end)
		return false;
	*said_end = true;
	say_end(r);
	return !r->config->mount_point && !r->config->web;
}

int run_replay(struct run *r)
{
	bool said_end = false;
	int err = start(r), end_err;

	loop_starting(r->loop, NULL);
	if (!err) {
		announce(r);
		run_tick(r);
		while (!handle(r, loop_wait(r->loop), &said_end))
			;
	}
	end_err = run_finish(r);
	return exit_status(err ? err : end_err);
}
