/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The live source and the recorded ones. Threads: one follows the live feed into its pyramid; each
 * recorded session is loaded by one of its own, which ends when it is done.
 */
#include "web/source.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/base/confine.h"
#include "core/base/log.h"
#include "core/base/thread.h"
#include "core/session/reader.h"
#include "core/session/store.h"
#include "web/polite.h"

#define FOLLOW_NS     (25 * 1000000ull)
#define SETTLED_NS    (300 * 1000000ull) /* an event has come by then */
#define SYNC_NS       NS_PER_SEC
#define BATCH         4096
#define NAMES_MAX     (1u << 20)
#define RETAIN_EXITED 200000
#define QUICK_EVENTS                                                                               \
	300000 /* what is shown first of a session, before its thread becomes polite               \
		*/

struct loading {
	pthread_t thread;
	bool started, stop;
	int dir_fd;
	struct model *model;
	struct names *names;
	struct meter *meter;
	struct session_meta meta;
};

struct entry {
	struct source source; /* first: a struct source of a session is one of these */
	struct loading load;
	atomic_bool stop;
};

struct sources {
	struct source live;
	struct event *batch;
	pthread_t follower;
	bool following;
	atomic_bool stop;
	struct store *store;
	size_t pyramid_bytes;
	struct confine *confine;
	pthread_mutex_t lock;
	struct entry *open[SOURCES_OPEN]; /* protected by lock, with their refs and used */
	uint64_t clock;
};

/* --- the live one --------------------------------------------------------------------------- */

static void sleep_ns(uint64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / NS_PER_SEC),
			      .tv_nsec = (long)(ns % NS_PER_SEC)};

	nanosleep(&ts, NULL);
}

static void sync_all(struct sources *ss, bool caught_up)
{
	struct pyramid_info info;
	uint64_t before;

	pyramid_info(ss->live.pyramid, &info);
	before = info.last_ns;
	/* When nothing happens, the last event says little: what is older than a second is settled.
	 */
	if (caught_up && !ss->live.view.replay)
		before = MAX(before, monotonic_ns() - NS_PER_SEC);
	for (unsigned i = 0; i < model_procs(ss->live.view.model); i++)
		(void)pyramid_sync(ss->live.pyramid, ss->live.view.model, i, before);
}

/* A replay was sent back to an earlier time: what was known of later is void. */
static bool went_back(struct sources *ss)
{
	struct pyramid_info info;

	if (!ss->live.view.replay)
		return false;
	pyramid_info(ss->live.pyramid, &info);
	return ss->batch[0].time_ns + NS_PER_SEC < info.last_ns;
}

/*
 * Follows the feed by looking 40 times a second: the capture thread is not asked to wake anybody,
 * and the feed keeps far more than what comes in between.
 */
static void *follow(void *arg)
{
	struct sources *ss = arg;
	struct feed *feed = model_feed(ss->live.view.model);
	uint64_t cursor = feed_tail(feed), synced = 0;

	thread_be_polite();
	confine_enter(ss->confine);
	while (!atomic_load(&ss->stop)) {
		uint64_t missed = 0, now;
		size_t n = feed_read(feed, &cursor, ss->batch, BATCH, &missed);

		if (missed)
			pyramid_missed(ss->live.pyramid, missed, n ? ss->batch[0].time_ns : 0);
		if (n && went_back(ss))
			pyramid_reset(ss->live.pyramid);
		if (n)
			pyramid_apply(ss->live.pyramid, model_names(ss->live.view.model), ss->batch,
				      n);
		now = monotonic_ns();
		if (now - synced > SYNC_NS) {
			sync_all(ss, n < BATCH);
			synced = now;
		}
		if (n < BATCH && !ss->live.view.replay && !feed_closed(feed))
			pyramid_until(ss->live.pyramid, now - SETTLED_NS);
		if (n < BATCH)
			sleep_ns(FOLLOW_NS);
	}
	return NULL;
}

/* --- recorded ones --------------------------------------------------------------------------- */

static int apply_chunk(struct entry *e, const struct session_chunk *chunk, struct event *events,
		       unsigned *n_gaps)
{
	struct loading *l = &e->load;
	size_t from = 0;

	for (size_t i = 0; i < chunk->n_procs; i++) {
		const struct proc_info *info = &chunk->procs[i];

		if (chunk->proc_index[i] >= model_procs(l->model)) {
			if (model_proc_add(l->model, info) < 0)
				return -ENOSPC;
		} else if (info->state == PROC_EXITED) {
			model_proc_exited(l->model, chunk->proc_index[i], info->exited_ns);
		}
	}
	if (!model_procs(l->model)) {
		/* The original's sessions name their process in metadata.json only. */
		struct proc_info info = {.pid = (pid_t)l->meta.pid, .state = PROC_EXITED};

		proc_info_name(&info, l->meta.binary_path, "");
		if (model_proc_add(l->model, &info) < 0)
			return -ENOSPC;
	}
	for (size_t i = 0; i < chunk->n_seen; i++)
		model_heal(l->model, chunk->seen_proc[i], &chunk->seen[i], 1, chunk->seen_ns,
			   false);
	if (chunk->n_seen) {
		for (unsigned i = 0; i < model_procs(l->model); i++)
			(void)pyramid_sync(e->source.pyramid, l->model, i, chunk->seen_ns + 1);
	}
	/* A gap is applied between what came before and after it. */
	memcpy(events, chunk->events, chunk->n * sizeof(*events));
	for (size_t i = 0; i <= chunk->n; i++) {
		if (i < chunk->n && events[i].type != EVENT_LOST)
			continue;
		if (i > from) {
			model_apply(l->model, events + from, i - from);
			pyramid_apply(e->source.pyramid, l->names, events + from, i - from);
		}
		if (i < chunk->n) {
			uint64_t lost[EVENT_TYPES] = {0};

			if (chunk->gaps)
				memcpy(lost, chunk->gaps[(*n_gaps)++].lost, sizeof(lost));
			model_lost(l->model, -1, lost, events[i].time_ns);
			pyramid_missed(e->source.pyramid, events[i].count, events[i].time_ns);
		}
		from = i + 1;
	}
	return 0;
}

static int load_events(struct entry *e, struct session_reader *reader)
{
	cleanup_free_ struct event *events = malloc(SESSION_CHUNK * sizeof(*events));
	struct session_chunk chunk;
	struct pyramid_info info;
	bool polite = false;
	int err = events ? 1 : -ENOMEM;

	while (err > 0 && !atomic_load(&e->stop)) {
		unsigned n_gaps = 0;

		memset(&chunk, 0, sizeof(chunk));
		err = session_reader_next(reader, &chunk);
		if (err <= 0)
			break;
		if (chunk.n > SESSION_CHUNK)
			return -EOVERFLOW;
		err = apply_chunk(e, &chunk, events, &n_gaps);
		if (err)
			break;
		atomic_fetch_add(&e->source.loaded, chunk.n);
		/* Not before the first event, from which times in the UI count. */
		if (chunk.n)
			atomic_store(&e->source.readable, true);
		if (!polite && atomic_load(&e->source.loaded) > QUICK_EVENTS) {
			thread_be_polite();
			polite = true;
		}
		err = 1;
	}
	if (err < 0)
		return err;
	pyramid_info(e->source.pyramid, &info);
	for (unsigned i = 0; i < model_procs(e->load.model); i++) {
		(void)pyramid_sync(e->source.pyramid, e->load.model, i, info.last_ns);
		model_proc_exited(e->load.model, i, info.last_ns);
	}
	return 0;
}

static const struct live no_live;
static const struct control no_control;

static void recording(void *ctx, struct recording *ret)
{
	session_meta_recording(ctx, ret);
}

static int make_model(struct entry *e)
{
	struct loading *l = &e->load;
	struct model_config config = {
		.retain = (size_t)MIN(MAX(l->meta.event_count, 65536u), SOURCE_RETAIN_MAX),
		.retain_exited = RETAIN_EXITED,
		.workers = 1,
		.wall_offset_ns = l->meta.wall_offset_ns,
		.names = l->names,
	};
	int err = model_new(&config, &l->model);

	if (!err)
		err = meter_new(&l->meter);
	if (err)
		return err;
	e->source.view = (struct view){.model = l->model,
				       .meter = l->meter,
				       .live = &no_live,
				       .control = &no_control,
				       .pyramid = e->source.pyramid,
				       .replay = true,
				       .recording = recording,
				       .recording_ctx = &l->meta};
	return 0;
}

/* A JSONL session of the original says 0 events: look at the file instead. */
static void estimate_total(struct entry *e, struct session_reader *reader)
{
	if (!e->load.meta.event_count)
		e->load.meta.event_count = session_reader_size(reader) / 24;
	else
		atomic_store(&e->source.total, e->load.meta.event_count);
}

static void *load(void *arg)
{
	struct entry *e = arg; /* confined as the worker that made it */
	struct session_reader *reader = NULL;
	int err;

	err = names_new(NAMES_MAX, &e->load.names);
	if (!err)
		err = session_reader_open(e->load.dir_fd, e->load.names, &e->load.meta, &reader);
	if (!err) {
		estimate_total(e, reader);
		/* Before 1e9 events' worth of wall clock: the original has no offset in it. */
		err = make_model(e);
	}
	if (!err)
		err = load_events(e, reader);
	session_reader_close(reader);
	if (err) {
		snprintf(e->source.error, sizeof(e->source.error), "cannot be read: %s",
			 strerror(-err));
		log_warn("session %s: %s", e->source.id, e->source.error);
	}
	atomic_store(&e->source.state, err ? SOURCE_FAILED : SOURCE_READY);
	return NULL;
}

static void entry_free(struct entry *e)
{
	if (!e)
		return;
	atomic_store(&e->stop, true);
	if (e->load.started)
		pthread_join(e->load.thread, NULL);
	close_fd(&e->load.dir_fd);
	pyramid_free(e->source.pyramid);
	model_free(e->load.model);
	meter_free(e->load.meter);
	names_free(e->load.names);
	free(e);
}

static int entry_new(struct sources *ss, const char *id, struct entry **ret)
{
	struct entry *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	snprintf(e->source.id, sizeof(e->source.id), "%s", id);
	e->load.dir_fd = store_open(ss->store, id);
	err = MIN(e->load.dir_fd, 0);
	if (!err)
		err = pyramid_new(ss->pyramid_bytes, &e->source.pyramid);
	if (!err) {
		err = thread_start(&e->load.thread, load, e);
		e->load.started = !err;
	}
	if (err) {
		entry_free(e);
		return err;
	}
	*ret = e;
	return 0;
}

/* --- which are open -------------------------------------------------------------------------- */

/* A place for a new one: free, or that of the one unused longest. Called with the lock held. */
static struct entry **find_place(struct sources *ss)
{
	struct entry **best = NULL;

	for (unsigned i = 0; i < SOURCES_OPEN; i++) {
		struct entry **at = &ss->open[i];

		if (!*at)
			return at;
		if (!(*at)->source.refs && (!best || (*at)->source.used < (*best)->source.used))
			best = at;
	}
	return best;
}

int sources_open(struct sources *ss, const char *id, struct source **ret)
{
	struct entry **place, *old = NULL;
	int err = 0;

	if (!session_id_valid(id))
		return -EINVAL;
	if (!ss->store)
		return -ENOENT;
	pthread_mutex_lock(&ss->lock);
	for (unsigned i = 0; i < SOURCES_OPEN; i++) {
		if (!ss->open[i] || strcmp(ss->open[i]->source.id, id))
			continue;
		*ret = &ss->open[i]->source;
		goto found;
	}
	place = find_place(ss);
	if (!place) {
		err = -EBUSY;
		goto out;
	}
	old = *place;
	*place = NULL;
	err = entry_new(ss, id, place);
	if (err)
		goto out;
	*ret = &(*place)->source;
found:
	(*ret)->refs++;
	(*ret)->used = ++ss->clock;
out:
	pthread_mutex_unlock(&ss->lock);
	entry_free(old);
	return err;
}

void source_put(struct sources *ss, struct source *s)
{
	if (!s || s->live)
		return;
	pthread_mutex_lock(&ss->lock);
	s->refs--;
	pthread_mutex_unlock(&ss->lock);
}

struct source *sources_live(struct sources *ss)
{
	return &ss->live;
}

int sources_new(const struct web_config *config, struct store *store, struct sources **ret)
{
	struct sources *ss = calloc(1, sizeof(*ss));
	int err;

	if (!ss)
		return -ENOMEM;
	pthread_mutex_init(&ss->lock, NULL);
	ss->pyramid_bytes = config->pyramid_bytes;
	ss->confine = config->confine;
	ss->live.live = true;
	snprintf(ss->live.id, sizeof(ss->live.id), "live");
	ss->live.view = *config->view;
	atomic_store(&ss->live.state, SOURCE_READY);
	ss->batch = malloc(BATCH * sizeof(*ss->batch));
	ss->store = store;
	err = ss->batch ? 0 : -ENOMEM;
	if (!err)
		err = pyramid_new(config->pyramid_bytes, &ss->live.pyramid);
	ss->live.view.pyramid = ss->live.pyramid;
	if (err) {
		sources_free(ss);
		return err;
	}
	*ret = ss;
	return 0;
}

int sources_start(struct sources *ss)
{
	int err = thread_start(&ss->follower, follow, ss);

	ss->following = !err;
	return err;
}

void sources_stop(struct sources *ss)
{
	atomic_store(&ss->stop, true);
	if (ss->following)
		pthread_join(ss->follower, NULL);
	ss->following = false;
}

void sources_free(struct sources *ss)
{
	if (!ss)
		return;
	sources_stop(ss);
	for (unsigned i = 0; i < SOURCES_OPEN; i++)
		entry_free(ss->open[i]);
	pyramid_free(ss->live.pyramid);
	free(ss->batch);
	pthread_mutex_destroy(&ss->lock);
	free(ss);
}

void sources_stats(struct sources *ss, uint64_t *ret_bytes, uint64_t *ret_missed)
{
	struct pyramid_info info;

	pyramid_info(ss->live.pyramid, &info);
	*ret_bytes = info.bytes;
	*ret_missed = info.missed;
	pthread_mutex_lock(&ss->lock);
	for (unsigned i = 0; i < SOURCES_OPEN; i++) {
		if (!ss->open[i])
			continue;
		pyramid_info(ss->open[i]->source.pyramid, &info);
		*ret_bytes += info.bytes;
	}
	pthread_mutex_unlock(&ss->lock);
}
