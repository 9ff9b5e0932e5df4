/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The replaying thread; see replay.h. Session time is the events' CLOCK_MONOTONIC. While it plays,
 * an anchor (a session time and the real time it was played at) and the speed say what is due.
 */
#include "core/session/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "core/base/duration.h"
#include "core/base/confine.h"
#include "core/base/log.h"
#include "core/base/parse.h"
#include "core/base/safe_file.h"
#include "core/base/thread.h"
#include "core/session/loader.h"
#include "core/session/store.h"

#define WAIT_MAX_NS 100000000ull        /* looks for commands at least this often */
#define BEHIND_NS   (NS_PER_SEC / 1000) /* between looks at who is behind */

struct replay {
	struct loader *loader; /* the thread's, once it runs */
	struct session_meta meta;
	struct confine *confine;
	struct model *model;
	void (*ended)(void *ctx);
	uint64_t (*behind)(void *ctx);
	void *ctx;
	pthread_t thread;
	bool started;

	/* the thread's own */
	uint64_t anchor_event_ns, anchor_real_ns;
	bool anchored;
	uint64_t skip_until_ns; /* event time: apply without waiting up to there; 0: not seeking */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* protected by lock */
	bool stop, paused, done;
	double speed;
	bool seek;        /* a seek is asked for … */
	uint64_t seek_ns; /* … to this, from the start */
	bool speed_changed;
	struct loader_state at; /* how far it is */
	uint64_t events;        /* applied in all, over all seeks */
};

/* --- opening ---------------------------------------------------------------------------------- */

static int init_locks(struct replay *r)
{
	pthread_condattr_t attr;
	int err = -pthread_mutex_init(&r->lock, NULL);

	if (err)
		return err;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	err = -pthread_cond_init(&r->changed, &attr);
	pthread_condattr_destroy(&attr);
	if (err)
		pthread_mutex_destroy(&r->lock);
	return err;
}

int replay_open(const struct replay_config *config, struct replay **ret)
{
	cleanup_close_ int dir = session_resolve(config->storage_dir, config->session);
	struct replay *r;
	char why[160];
	int err;

	if (dir < 0)
		return dir;
	if (!(config->speed >= 0 && config->speed <= REPLAY_SPEED_MAX))
		return log_error(-EINVAL, "speed %g: must be 0 to 1000000", config->speed);
	r = calloc(1, sizeof(*r));
	err = r ? init_locks(r) : -ENOMEM;
	if (err) {
		free(r);
		return err;
	}
	r->ended = config->ended;
	r->behind = config->behind;
	r->ctx = config->ctx;
	r->confine = config->confine;
	r->speed = config->speed;
	err = loader_open(dir, config->names, &r->loader);
	if (err) {
		replay_free(r);
		session_open_error(err, why, sizeof(why));
		return log_error(err, "session %s: %s", config->session, why);
	}
	r->meta = *loader_meta(r->loader);
	loader_state(r->loader, &r->at);
	if (r->at.end.warning[0])
		log_warn("%s: %s; times of day and the target's name are not known",
			 config->session, r->at.end.warning);
	*ret = r;
	return 0;
}

const struct session_meta *replay_meta(const struct replay *r)
{
	return &r->meta;
}

int64_t replay_wall_offset(const struct replay *r, bool *ret_estimate)
{
	return loader_wall_offset(r->loader, ret_estimate);
}

/* --- applying --------------------------------------------------------------------------------- */

/* Tells who asks how far it is. */
static void note_state(struct replay *r, size_t applied)
{
	struct loader_state at;

	loader_state(r->loader, &at);
	pthread_mutex_lock(&r->lock);
	if (!r->events && applied) /* who waits for the first of them */
		pthread_cond_broadcast(&r->changed);
	at.end = r->at.end; /* what is missing was said when the end was reached */
	r->at = at;
	r->events += applied;
	pthread_mutex_unlock(&r->lock);
}

static void reach_end(struct replay *r)
{
	struct session_end before = r->at.end, *end = &r->at.end;

	feed_close(model_feed(r->model)); /* who waits for the end finds it closed */
	pthread_mutex_lock(&r->lock);
	loader_state(r->loader, &r->at);
	if (!before.reason[0] && end->reason[0])
		log_warn("session %s: %s; %llu bytes after byte %llu are missing", r->meta.id,
			 end->reason, (unsigned long long)end->missing_bytes,
			 (unsigned long long)end->good_bytes);
	r->done = true;
	r->skip_until_ns = 0;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	if (r->ended)
		r->ended(r->ctx);
}

/* The next chunk; false at the end. */
static bool next_chunk(struct replay *r)
{
	int more = loader_next(r->loader);

	if (more < 0)
		(void)log_error(more, "session %s: cannot read: %s", r->meta.id, strerror(-more));
	if (more <= 0)
		reach_end(r);
	return more > 0;
}

/* --- time ------------------------------------------------------------------------------------- */

/* Up to which event time is due now? `next_ns` is the next event's. */
static uint64_t due_time(struct replay *r, double speed, uint64_t now, uint64_t next_ns)
{
	double passed;

	if (speed == 0)
		return UINT64_MAX;
	if (!r->anchored) {
		r->anchored = true;
		r->anchor_real_ns = now;
		r->anchor_event_ns = next_ns;
	}
	passed = (double)(now - r->anchor_real_ns) * speed;
	return passed < (double)(UINT64_MAX - r->anchor_event_ns) / 2
		       ? r->anchor_event_ns + (uint64_t)passed
		       : UINT64_MAX;
}

/* How many events may be applied before somebody who must not miss any would. */
static size_t room(struct replay *r)
{
	uint64_t most, behind;

	if (!r->behind)
		return SESSION_CHUNK;
	most = MAX(feed_capacity(model_feed(r->model)) / 2, (size_t)1);
	behind = r->behind(r->ctx);
	return behind < most ? (size_t)(most - behind) : 0;
}

/* Plays what is due of the chunk, of which there is some. Returns how long until the next event is,
 * 0: go on at once. */
static uint64_t play(struct replay *r, double speed)
{
	uint64_t now = monotonic_ns(), due;
	double wait;
	size_t n, until = 0, most = room(r);
	const struct event *events = loader_events(r->loader, &n);

	if (!most)
		return BEHIND_NS;
	if (r->skip_until_ns && events[0].time_ns >= r->skip_until_ns) {
		r->skip_until_ns = 0;
		r->anchored = false;
		return 0; /* it may be paused here */
	}
	due = r->skip_until_ns ? r->skip_until_ns - 1 : due_time(r, speed, now, events[0].time_ns);
	while (until < MIN(n, most) && events[until].time_ns <= due)
		until++;
	if (until) {
		loader_apply(r->loader, until);
		note_state(r, until);
		return 0;
	}
	/* At a speed of next to nothing it is more than 64 bits hold. */
	wait = (double)(events[0].time_ns - due) / speed;
	return wait < (double)WAIT_MAX_NS ? MAX((uint64_t)wait, (uint64_t)1) : WAIT_MAX_NS;
}

/* --- the thread ------------------------------------------------------------------------------- */

/* Back to the start, with an empty model. */
static void rewind_session(struct replay *r)
{
	int err = loader_rewind(r->loader);

	if (err) {
		(void)log_error(err, "session %s: cannot seek: %s", r->meta.id, strerror(-err));
		return;
	}
	note_state(r, 0);
	pthread_mutex_lock(&r->lock);
	r->done = false;
	pthread_mutex_unlock(&r->lock);
}

static void seek(struct replay *r, uint64_t to_ns)
{
	uint64_t target;
	bool back;

	pthread_mutex_lock(&r->lock);
	if (__builtin_add_overflow(r->at.first_ns, to_ns, &target))
		target = UINT64_MAX;
	back = r->at.passed && target <= r->at.position_ns;
	pthread_mutex_unlock(&r->lock);
	r->skip_until_ns = target;
	r->anchored = false;
	if (back)
		rewind_session(r);
}

/* Waits while there is nothing to do; takes commands. false: stop. */
static bool take_commands(struct replay *r, uint64_t wait_ns, double *ret_speed)
{
	bool stop, want_seek;
	uint64_t to;

	pthread_mutex_lock(&r->lock);
	while (!r->stop && !r->seek && (r->done || (r->paused && !r->skip_until_ns))) {
		r->anchored = false;
		pthread_cond_wait(&r->changed, &r->lock); /* a command or replay_stop() wakes it */
	}
	if (wait_ns && !r->stop && !r->seek && !r->speed_changed) {
		uint64_t until = monotonic_ns() + MIN(wait_ns, (uint64_t)WAIT_MAX_NS);
		struct timespec deadline = {.tv_sec = (time_t)(until / NS_PER_SEC),
					    .tv_nsec = (long)(until % NS_PER_SEC)};

		(void)pthread_cond_timedwait(&r->changed, &r->lock, &deadline);
	}
	if (r->speed_changed) {
		r->speed_changed = false;
		r->anchored = false;
	}
	stop = r->stop;
	want_seek = r->seek;
	to = r->seek_ns;
	r->seek = false;
	*ret_speed = r->speed;
	pthread_mutex_unlock(&r->lock);
	if (want_seek && !stop)
		seek(r, to);
	return !stop;
}

static void *thread_main(void *arg)
{
	struct replay *r = arg;
	uint64_t wait = 0;
	double speed;
	size_t n;

	(void)prctl(PR_SET_NAME, "xg-replay");
	confine_enter(r->confine);
	while (take_commands(r, wait, &speed)) {
		wait = 0;
		pthread_mutex_lock(&r->lock);
		if (r->done || (r->paused && !r->skip_until_ns)) {
			pthread_mutex_unlock(&r->lock);
			continue;
		}
		pthread_mutex_unlock(&r->lock);
		loader_events(r->loader, &n);
		if (n)
			wait = play(r, speed);
		else
			(void)next_chunk(r);
	}
	return NULL;
}

int replay_start(struct replay *r, struct model *model)
{
	int err;

	r->model = model;
	loader_begin(r->loader, model, NULL);
	err = thread_start(&r->thread, thread_main, r);
	r->started = err == 0;
	return err;
}

void replay_stop(struct replay *r)
{
	if (!r || !r->started)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	r->started = false;
}

void replay_free(struct replay *r)
{
	if (!r)
		return;
	replay_stop(r);
	loader_close(r->loader);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* --- control ---------------------------------------------------------------------------------- */

static int parse_speed(const char *text, double *ret)
{
	double speed;

	if (parse_real(text, &speed) || speed > REPLAY_SPEED_MAX)
		return -EINVAL;
	*ret = speed;
	return 0;
}

/* A duration, or a bare number of seconds. */
static int parse_seek(const char *text, uint64_t *ret_ns)
{
	return duration_parse(text, ret_ns) == 0 || parse_scaled(text, NS_PER_SEC, ret_ns) == 0
		       ? 0
		       : -EINVAL;
}

int replay_command(void *ctx, const char *command)
{
	struct replay *r = ctx;
	bool pause = strcmp(command, "pause") == 0, resume = strcmp(command, "resume") == 0;
	double speed = -1;
	uint64_t to = UINT64_MAX;

	if (!pause && !resume &&
	    !(strncmp(command, "speed ", 6) == 0 && parse_speed(command + 6, &speed) == 0) &&
	    !(strncmp(command, "seek ", 5) == 0 && parse_seek(command + 5, &to) == 0))
		return -EINVAL;
	pthread_mutex_lock(&r->lock);
	if (pause || resume)
		r->paused = pause;
	if (speed >= 0) {
		r->speed = speed;
		r->speed_changed = true;
	}
	if (to != UINT64_MAX) {
		r->seek = true;
		r->seek_ns = to;
	}
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

/* At the end time goes on to where recording ended, which may be long after the last event; 0: it
 * is not known, or not the end. */
static uint64_t known_until(const struct replay *r)
{
	return r->done ? session_known_until(&r->at.end, &r->meta) : 0;
}

static uint64_t position_ns(const struct replay *r)
{
	return MAX(r->at.position_ns, known_until(r)) - r->at.first_ns;
}

/* By the metadata's word for as long as the events were not read. */
static uint64_t duration_ns(const struct replay *r)
{
	struct session_end claimed = {.last_ns = r->meta.last_event_ns};
	uint64_t until = r->done ? known_until(r) : session_known_until(&claimed, &r->meta);

	until = MAX(until, r->meta.last_event_ns);
	if (until > r->at.first_ns && r->at.first_ns)
		return until - r->at.first_ns;
	if (r->done)
		return position_ns(r);
	return r->meta.end_time_ns > r->meta.start_time_ns
		       ? (uint64_t)(r->meta.end_time_ns - r->meta.start_time_ns)
		       : 0;
}

void replay_get(void *ctx, struct buf *out)
{
	struct replay *r = ctx;

	pthread_mutex_lock(&r->lock);
	buf_addf(out, "session %s\nstate %s\nspeed %g\n", r->meta.id[0] ? r->meta.id : "-",
		 r->done     ? "done"
		 : r->paused ? "paused"
			     : "playing",
		 r->speed);
	buf_addf(out, "position_ns %llu\nduration_ns %llu\nevents %llu\n",
		 (unsigned long long)position_ns(r), (unsigned long long)duration_ns(r),
		 (unsigned long long)r->at.passed);
	buf_addf(out, "missed_by_recorder %llu\nmissing_bytes %llu\n",
		 (unsigned long long)r->at.missed, (unsigned long long)r->at.end.missing_bytes);
	if (r->at.end.reason[0])
		buf_addf(out, "missing_reason %s\n", r->at.end.reason);
	pthread_mutex_unlock(&r->lock);
}

void replay_recording(struct replay *r, struct recording *ret)
{
	session_meta_recording(&r->meta, ret);
	pthread_mutex_lock(&r->lock);
	session_end_recording(&r->at.end, ret);
	ret->until_ns = known_until(r);
	pthread_mutex_unlock(&r->lock);
}

void replay_stats(struct replay *r, struct replay_stats *ret)
{
	pthread_mutex_lock(&r->lock);
	*ret = (struct replay_stats){.events = r->events, .done = r->done, .end = r->at.end};
	pthread_mutex_unlock(&r->lock);
}

/* Until the end, or until there is an event. */
static bool wait_for(struct replay *r, bool event, uint64_t timeout_ns)
{
	uint64_t now = monotonic_ns();
	uint64_t until = timeout_ns < UINT64_MAX / 2 - now ? now + timeout_ns : UINT64_MAX / 2;
	struct timespec deadline = {.tv_sec = (time_t)(until / NS_PER_SEC),
				    .tv_nsec = (long)(until % NS_PER_SEC)};
	int err = 0;
	bool is;

	pthread_mutex_lock(&r->lock);
	while (!(is = r->done || (event && r->events)) && err != ETIMEDOUT)
		err = pthread_cond_timedwait(&r->changed, &r->lock, &deadline);
	pthread_mutex_unlock(&r->lock);
	return is;
}

bool replay_wait(struct replay *r, uint64_t timeout_ns)
{
	return wait_for(r, false, timeout_ns);
}

bool replay_wait_first(struct replay *r, uint64_t timeout_ns)
{
	return wait_for(r, true, timeout_ns);
}
