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
#include "core/session/store.h"

#define WAIT_MAX_NS (NS_PER_SEC / 10)   /* looks for commands at least this often */
#define BEHIND_NS   (NS_PER_SEC / 1000) /* between looks at who is behind */

struct replay {
	struct session_reader *reader;
	struct session_meta meta;
	struct confine *confine;
	char name[SESSION_ID_LEN + 1];
	int64_t wall_offset_ns;
	bool wall_estimate;
	struct model *model;
	struct names *names;
	void (*ended)(void *ctx);
	uint64_t (*behind)(void *ctx);
	void *ctx;
	pthread_t thread;
	bool started;

	/* the thread's own */
	struct session_chunk chunk;
	size_t at, gap; /* in chunk: the next event, the next gap */
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
	uint64_t first_ns;       /* the first event's time; 0 not seen yet */
	uint64_t position_ns;    /* the newest applied event's time */
	uint64_t events, passed; /* applied in all; since the start or the last rewind */
	uint64_t missed;         /* by the recorder, in what was passed */
	struct session_end end;
};

/* --- opening ---------------------------------------------------------------------------------- */

/* Reads the first chunk for the first event's time and goes back. */
static int look_ahead(struct replay *r)
{
	struct session_chunk chunk;
	int more = session_reader_next(r->reader, &chunk);

	if (more < 0)
		return more;
	for (size_t i = 0; more && i < chunk.n && !r->first_ns; i++)
		r->first_ns = chunk.events[i].time_ns;
	if (!r->first_ns)
		r->first_ns = r->meta.first_event_ns;
	r->position_ns = r->first_ns;
	r->wall_offset_ns = r->meta.wall_offset_ns;
	r->wall_estimate = !r->meta.has_wall_offset;
	if (r->wall_estimate && r->first_ns && r->meta.start_time_ns)
		r->wall_offset_ns = (int64_t)((uint64_t)r->meta.start_time_ns - r->first_ns);
	return session_reader_seek(r->reader, 0);
}

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
	r->names = config->names;
	r->ended = config->ended;
	r->behind = config->behind;
	r->ctx = config->ctx;
	r->confine = config->confine;
	r->speed = config->speed;
	err = session_reader_open(dir, config->names, &r->meta, &r->reader);
	if (!err)
		err = look_ahead(r);
	if (err) {
		replay_free(r);
		session_open_error(err, why, sizeof(why));
		return log_error(err, "session %s: %s", config->session, why);
	}
	session_reader_end(r->reader, &r->end);
	if (r->end.warning[0])
		log_warn("%s: %s; times of day and the target's name are not known",
			 config->session, r->end.warning);
	snprintf(r->name, sizeof(r->name), "%s", r->meta.id);
	*ret = r;
	return 0;
}

const struct session_meta *replay_meta(const struct replay *r)
{
	return &r->meta;
}

int64_t replay_wall_offset(const struct replay *r, bool *ret_estimate)
{
	if (ret_estimate)
		*ret_estimate = r->wall_estimate;
	return r->wall_offset_ns;
}

/* --- applying --------------------------------------------------------------------------------- */

/* A session that names no process is about the one in metadata.json. */
static void add_first_proc(struct replay *r)
{
	struct proc_info info = {.pid = (pid_t)r->meta.pid, .attached_ns = r->first_ns};

	if (model_procs(r->model))
		return;
	proc_info_name(&info, r->meta.binary_path, r->meta.go_version);
	(void)model_proc_add(r->model, &info);
}

static void apply_procs(struct replay *r)
{
	const struct session_chunk *c = &r->chunk;
	unsigned known;

	/* Lines of the first process may name none. */
	if (c->n_procs && c->proc_index[0])
		add_first_proc(r);
	known = model_procs(r->model);
	for (size_t i = 0; i < c->n_procs; i++) {
		struct proc_info info = c->procs[i];

		/* Recorded indexes count up from 0, so the model gives the same ones. */
		if (c->proc_index[i] == known) {
			info.state = PROC_RUNNING;
			info.exited_ns = 0;
			if (model_proc_add(r->model, &info) >= 0)
				known++;
		}
		if (c->procs[i].state == PROC_EXITED)
			model_proc_exited(r->model, c->proc_index[i], c->procs[i].exited_ns);
	}
}

static void apply_seen(struct replay *r)
{
	const struct session_chunk *c = &r->chunk;
	size_t from = 0;

	for (size_t i = 1; i <= c->n_seen; i++) {
		if (i < c->n_seen && c->seen_proc[i] == c->seen_proc[from])
			continue;
		model_heal(r->model, c->seen_proc[from], c->seen + from, i - from, c->seen_ns,
			   false);
		from = i;
	}
}

/* A loss: the model's counts say it by type, unless it was the recorder's. */
static void apply_gap(struct replay *r, struct event *ev)
{
	const struct session_gap *gap = &r->chunk.gaps[r->gap++];

	if (!gap->recorder) {
		model_lost(r->model, ev->proc == EVENT_PROC_NONE ? -1 : ev->proc, gap->lost,
			   ev->time_ns);
		return;
	}
	model_apply(r->model, ev, 1);
	pthread_mutex_lock(&r->lock);
	r->missed += ev->count;
	pthread_mutex_unlock(&r->lock);
}

/* Applies events[at..until), which are due. */
static void apply_events(struct replay *r, size_t until)
{
	struct event *events = r->chunk.events;
	size_t begin = r->at;
	uint64_t newest = 0;

	for (size_t i = begin; i < until; i++)
		newest = MAX(newest, events[i].time_ns);
	while (r->at < until) {
		size_t from = r->at;

		while (r->at < until && events[r->at].type < EVENT_TYPES)
			r->at++;
		if (r->at > from)
			model_apply(r->model, events + from, r->at - from);
		if (r->at < until)
			apply_gap(r, &events[r->at++]);
	}
	pthread_mutex_lock(&r->lock);
	r->events += until - begin;
	r->passed += until - begin;
	r->position_ns = MAX(r->position_ns, newest);
	pthread_mutex_unlock(&r->lock);
}

static void reach_end(struct replay *r)
{
	struct session_end end;

	session_reader_end(r->reader, &end);
	feed_close(model_feed(r->model)); /* who waits for the end finds it closed */
	pthread_mutex_lock(&r->lock);
	if (!r->end.reason[0] && end.reason[0])
		log_warn("session %s: %s; %llu bytes after byte %llu are missing", r->name,
			 end.reason, (unsigned long long)end.missing_bytes,
			 (unsigned long long)end.good_bytes);
	r->end = end;
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
	int more = session_reader_next(r->reader, &r->chunk);

	r->at = r->gap = 0;
	if (more < 0)
		(void)log_error(more, "session %s: cannot read: %s", r->name, strerror(-more));
	if (more <= 0) {
		r->chunk.n = 0;
		add_first_proc(r);
		reach_end(r);
		return false;
	}
	apply_procs(r);
	add_first_proc(r);
	apply_seen(r);
	return true;
}

/* --- time ------------------------------------------------------------------------------------- */

/* Up to which event time is due now? */
static uint64_t due_time(struct replay *r, double speed, uint64_t now)
{
	double passed;

	if (speed == 0)
		return UINT64_MAX;
	if (!r->anchored) {
		r->anchored = true;
		r->anchor_real_ns = now;
		r->anchor_event_ns = r->chunk.events[r->at].time_ns;
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

/* Plays what is due of the chunk. Returns how long until the next event is, 0: go on at once. */
static uint64_t play(struct replay *r, double speed)
{
	uint64_t now = monotonic_ns(), due;
	double wait;
	size_t until = r->at, most = r->at + room(r);

	if (most == r->at)
		return BEHIND_NS;

	if (r->skip_until_ns && r->chunk.events[r->at].time_ns >= r->skip_until_ns) {
		r->skip_until_ns = 0;
		r->anchored = false;
		return 0; /* it may be paused here */
	}
	due = r->skip_until_ns ? r->skip_until_ns - 1 : due_time(r, speed, now);
	while (until < MIN(r->chunk.n, most) && r->chunk.events[until].time_ns <= due)
		until++;
	if (until > r->at) {
		apply_events(r, until);
		return 0;
	}
	/* At a speed of next to nothing it is more than 64 bits hold. */
	wait = (double)(r->chunk.events[r->at].time_ns - due) / speed;
	return wait < (double)WAIT_MAX_NS ? MAX((uint64_t)wait, (uint64_t)1) : WAIT_MAX_NS;
}

/* --- the thread ------------------------------------------------------------------------------- */

/* Back to the start, with an empty model. */
static void rewind_session(struct replay *r)
{
	int err = model_reset(r->model);

	if (!err)
		err = session_reader_seek(r->reader, 0);
	if (err) {
		(void)log_error(err, "session %s: cannot seek: %s", r->name, strerror(-err));
		return;
	}
	r->chunk.n = r->at = r->gap = 0;
	pthread_mutex_lock(&r->lock);
	r->done = false;
	r->passed = r->missed = 0;
	r->position_ns = r->first_ns;
	pthread_mutex_unlock(&r->lock);
}

static void seek(struct replay *r, uint64_t to_ns)
{
	uint64_t target;
	bool back;

	pthread_mutex_lock(&r->lock);
	if (__builtin_add_overflow(r->first_ns, to_ns, &target))
		target = UINT64_MAX;
	back = r->passed && target <= r->position_ns;
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
		if (r->at < r->chunk.n || next_chunk(r)) {
			if (r->at < r->chunk.n)
				wait = play(r, speed);
		}
	}
	return NULL;
}

int replay_start(struct replay *r, struct model *model)
{
	int err;

	r->model = model;
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
	session_reader_close(r->reader);
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

static uint64_t duration_ns(const struct replay *r)
{
	if (r->meta.last_event_ns > r->first_ns && r->first_ns)
		return r->meta.last_event_ns - r->first_ns;
	if (r->done)
		return r->position_ns - r->first_ns;
	return r->meta.end_time_ns > r->meta.start_time_ns
		       ? (uint64_t)(r->meta.end_time_ns - r->meta.start_time_ns)
		       : 0;
}

void replay_get(void *ctx, struct buf *out)
{
	struct replay *r = ctx;

	pthread_mutex_lock(&r->lock);
	buf_addf(out, "session %s\nstate %s\nspeed %g\n", r->name[0] ? r->name : "-",
		 r->done     ? "done"
		 : r->paused ? "paused"
			     : "playing",
		 r->speed);
	buf_addf(out, "position_ns %llu\nduration_ns %llu\nevents %llu\n",
		 (unsigned long long)(r->position_ns - r->first_ns),
		 (unsigned long long)duration_ns(r), (unsigned long long)r->passed);
	buf_addf(out, "missed_by_recorder %llu\nmissing_bytes %llu\n",
		 (unsigned long long)r->missed, (unsigned long long)r->end.missing_bytes);
	if (r->end.reason[0])
		buf_addf(out, "missing_reason %s\n", r->end.reason);
	pthread_mutex_unlock(&r->lock);
}

void replay_stats(struct replay *r, struct replay_stats *ret)
{
	pthread_mutex_lock(&r->lock);
	*ret = (struct replay_stats){.events = r->events, .done = r->done, .end = r->end};
	pthread_mutex_unlock(&r->lock);
}

bool replay_wait(struct replay *r, uint64_t timeout_ns)
{
	uint64_t now = monotonic_ns();
	uint64_t until = timeout_ns < UINT64_MAX / 2 - now ? now + timeout_ns : UINT64_MAX / 2;
	struct timespec deadline = {.tv_sec = (time_t)(until / NS_PER_SEC),
				    .tv_nsec = (long)(until % NS_PER_SEC)};
	bool done;

	pthread_mutex_lock(&r->lock);
	while (!r->done && pthread_cond_timedwait(&r->changed, &r->lock, &deadline) != ETIMEDOUT)
		;
	done = r->done;
	pthread_mutex_unlock(&r->lock);
	return done;
}
