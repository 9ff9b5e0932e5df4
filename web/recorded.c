/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Loading a recorded session; see recorded.h. */
#include "web/recorded.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/thread.h"
#include "core/session/loader.h"
#include "web/polite.h"

#define RETAIN_MIN     65536      /* events of a recorded session kept in memory, at least … */
#define RETAIN_RUNNING (1u << 20) /* … when it may grow … */
#define RETAIN_MAX     (4u << 20) /* … and at most: 256 MiB */
#define RETAIN_EXITED  200000     /* goroutines */
#define LINE_BYTES     24         /* a line takes more: for how many there may be */
#define QUICK_EVENTS   300000     /* what is shown first, before the thread becomes polite */
#define RELOAD_FACTOR  4          /* it is left as it is for so many times what loading it took */
#define RETRY_NS       NS_PER_SEC /* after a shortage */

struct recorded {
	struct source source;       /* first: a recorded struct source is one of these */
	struct session_stamp stamp; /* what was, or is being, loaded */
	int dir_fd;
	struct names *names;
	struct model *model;
	pthread_t thread;
	bool started, reads_on;
	atomic_bool stop;
	uint64_t begun_ns, took_ns; /* the last load */
	int err;

	/* The thread's while it runs. Kept while the session may grow; NULL: all was read. */
	struct loader *loader;

	pthread_mutex_t lock;
	pthread_cond_t settled; /* with CLOCK_MONOTONIC */
	/* Protected by lock. */
	struct session_meta meta;
	struct session_end end;
	uint64_t until_ns; /* session_known_until(), once all was read */
};

static const struct live no_live;
static const struct control no_control;

/* --- the model -------------------------------------------------------------------------------- */

static void recording(void *ctx, struct recording *ret)
{
	struct recorded *r = ctx;

	pthread_mutex_lock(&r->lock);
	session_meta_recording(&r->meta, ret);
	session_end_recording(&r->end, ret);
	ret->until_ns = r->until_ns;
	pthread_mutex_unlock(&r->lock);
}

/* Both are told by the loader, on its thread. */
static void apply_events(void *ctx, const struct event *events, size_t n)
{
	struct recorded *r = ctx;

	pyramid_apply(r->source.pyramid, r->names, events, n);
}

static void apply_seen(void *ctx, struct model *m, uint64_t time_ns)
{
	struct recorded *r = ctx;

	for (unsigned i = 0; i < model_procs(m); i++)
		(void)pyramid_sync(r->source.pyramid, m, i, time_ns + 1);
}

/* A session of the original's in lines says 0 events: the file's size tells how many may be in it.
 */
static size_t retained(const struct recorded *r)
{
	uint64_t n =
		r->meta.event_count ? r->meta.event_count : loader_size(r->loader) / LINE_BYTES;
	size_t least = r->meta.end_time_ns ? RETAIN_MIN : RETAIN_RUNNING;

	return (size_t)MIN(MAX(n, (uint64_t)least), (uint64_t)RETAIN_MAX);
}

static int make_model(struct recorded *r)
{
	struct model_config config = {
		.retain = retained(r),
		.retain_exited = RETAIN_EXITED,
		.workers = 1,
		.wall_offset_ns = loader_wall_offset(r->loader, NULL),
		.names = r->names,
	};
	struct loader_sink sink = {.events = apply_events, .seen = apply_seen, .ctx = r};
	int err = model_new(&config, &r->model);

	if (err)
		return err;
	loader_begin(r->loader, r->model, &sink);
	r->source.view = (struct view){.model = r->model,
				       .live = &no_live,
				       .control = &no_control,
				       .pyramid = r->source.pyramid,
				       .replay = true,
				       .recording = recording,
				       .recording_ctx = r};
	return 0;
}

static int open_session(struct recorded *r)
{
	int err = names_new(NAMES_MAX, &r->names);

	if (!err)
		err = loader_open(r->dir_fd, r->names, &r->loader);
	if (err)
		return err;
	pthread_mutex_lock(&r->lock);
	r->meta = *loader_meta(r->loader);
	pthread_mutex_unlock(&r->lock);
	atomic_store(&r->source.total, r->meta.event_count);
	return make_model(r);
}

/* --- its thread ------------------------------------------------------------------------------- */

/* To the end as of now. */
static int read_events(struct recorded *r)
{
	struct pyramid_info info;
	struct loader_state at;
	bool polite = false;
	int more = 0;

	while (!atomic_load(&r->stop) && (more = loader_next(r->loader)) > 0) {
		size_t n;

		loader_events(r->loader, &n);
		loader_apply(r->loader, n);
		atomic_fetch_add(&r->source.loaded, n);
		/* Not before the first event, from which times in the UI count. */
		if (n)
			atomic_store(&r->source.readable, true);
		if (!polite && atomic_load(&r->source.loaded) > QUICK_EVENTS) {
			thread_be_polite();
			polite = true;
		}
	}
	loader_state(r->loader, &at);
	pthread_mutex_lock(&r->lock);
	r->end = at.end;
	r->until_ns = more ? 0 : session_known_until(&at.end, &r->meta);
	pthread_mutex_unlock(&r->lock);
	pyramid_info(r->source.pyramid, &info);
	for (unsigned i = 0; i < model_procs(r->model); i++)
		(void)pyramid_sync(r->source.pyramid, r->model, i, MAX(info.last_ns, r->until_ns));
	return MIN(more, 0);
}

static void end_load(struct recorded *r, int err)
{
	if (err) {
		snprintf(r->source.error, sizeof(r->source.error), "cannot be read: %s",
			 strerror(-err));
		log_warn("session %s: %s", r->source.id, r->source.error);
	}
	/* What ended whole does not grow. */
	if (err || (r->meta.end_time_ns && !r->end.missing_bytes)) {
		loader_close(r->loader);
		r->loader = NULL;
	}
	pthread_mutex_lock(&r->lock);
	r->err = err;
	r->took_ns = monotonic_ns() - r->begun_ns;
	atomic_store(&r->source.state, err ? SOURCE_FAILED : SOURCE_READY);
	pthread_cond_broadcast(&r->settled);
	pthread_mutex_unlock(&r->lock);
}

/* Confined as the worker that made it, like all these threads. */
static void *load(void *arg)
{
	struct recorded *r = arg;
	int err = open_session(r);

	end_load(r, err ? err : read_events(r));
	return NULL;
}

static void *read_on(void *arg)
{
	struct recorded *r = arg;
	struct session_meta meta;

	if (!session_meta_load(r->dir_fd, &meta, NULL, 0)) {
		pthread_mutex_lock(&r->lock);
		r->meta = meta;
		pthread_mutex_unlock(&r->lock);
		atomic_store(&r->source.total, meta.event_count);
	}
	end_load(r, read_events(r));
	return NULL;
}

static int start(struct recorded *r, void *(*run)(void *))
{
	int err;

	if (r->started)
		pthread_join(r->thread, NULL);
	r->begun_ns = monotonic_ns();
	atomic_store(&r->source.state, SOURCE_LOADING);
	err = thread_start(&r->thread, run, r);
	r->started = !err;
	return err;
}

/* --- from outside ----------------------------------------------------------------------------- */

static int init(struct recorded *r, size_t pyramid_bytes)
{
	pthread_condattr_t attr;

	/* Default attributes: these cannot fail on Linux. */
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->settled, &attr);
	pthread_condattr_destroy(&attr);
	return r->dir_fd < 0 ? r->dir_fd : pyramid_new(pyramid_bytes, &r->source.pyramid);
}

int recorded_new(struct store *store, const char *id, const struct session_stamp *stamp,
		 size_t pyramid_bytes, struct recorded **ret)
{
	struct recorded *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	snprintf(r->source.id, sizeof(r->source.id), "%s", id);
	r->stamp = *stamp;
	r->dir_fd = store_open(store, id);
	err = init(r, pyramid_bytes);
	if (!err)
		err = start(r, load);
	if (err) {
		recorded_free(r);
		return err;
	}
	*ret = r;
	return 0;
}

void recorded_free(struct recorded *r)
{
	if (!r)
		return;
	atomic_store(&r->stop, true);
	if (r->started)
		pthread_join(r->thread, NULL);
	close_fd(&r->dir_fd);
	loader_close(r->loader);
	pyramid_free(r->source.pyramid);
	model_free(r->model);
	names_free(r->names);
	pthread_cond_destroy(&r->settled);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

struct source *recorded_source(struct recorded *r)
{
	return &r->source;
}

static bool same_file(const struct session_file_stamp *a, const struct session_file_stamp *b)
{
	return a->inode == b->inode && a->bytes == b->bytes && a->changed_ns == b->changed_ns;
}

enum recorded_news recorded_refresh(struct recorded *r, const struct session_stamp *now)
{
	const struct session_file_stamp *was = &r->stamp.events, *is = &now->events;
	bool same = same_file(was, is) && same_file(&r->stamp.meta, &now->meta);
	uint64_t pause;

	/* Until then the rest is the thread's. */
	if (atomic_load(&r->source.state) == SOURCE_LOADING)
		return r->reads_on ? RECORDED_GROWS : RECORDED_CURRENT;
	pause = MAX(r->took_ns * RELOAD_FACTOR, is_shortage(r->err) ? RETRY_NS : 0);
	if (same && !is_shortage(r->err))
		return RECORDED_CURRENT;
	if (r->loader && !r->end.malformed &&
	    (same_file(was, is) || (was->inode == is->inode && was->bytes < is->bytes))) {
		if (start(r, read_on)) {
			atomic_store(&r->source.state, SOURCE_READY);
			return RECORDED_CURRENT;
		}
		r->stamp = *now;
		r->reads_on = true;
		return RECORDED_GROWS;
	}
	return monotonic_ns() - r->begun_ns - r->took_ns < pause ? RECORDED_CURRENT
								 : RECORDED_OTHER;
}

void recorded_wait(struct recorded *r, uint64_t timeout_ns)
{
	uint64_t until = monotonic_ns() + timeout_ns;
	struct timespec deadline = {.tv_sec = (time_t)(until / NS_PER_SEC),
				    .tv_nsec = (long)(until % NS_PER_SEC)};

	pthread_mutex_lock(&r->lock);
	while (atomic_load(&r->source.state) == SOURCE_LOADING &&
	       pthread_cond_timedwait(&r->settled, &r->lock, &deadline) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&r->lock);
}

void recorded_end(struct source *s, struct session_end *ret)
{
	struct recorded *r = (struct recorded *)s;

	pthread_mutex_lock(&r->lock);
	*ret = r->end;
	pthread_mutex_unlock(&r->lock);
}

uint64_t recorded_bytes(struct recorded *r)
{
	struct model_totals totals = {0};
	struct pyramid_info info;

	pyramid_info(r->source.pyramid, &info);
	if (atomic_load(&r->source.readable) || atomic_load(&r->source.state) == SOURCE_READY)
		model_totals(r->model, -1, &totals);
	return info.bytes + totals.memory_bytes;
}
