/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which sources there are: the live one, with the thread that follows its feed into its pyramid,
 * and the recorded ones that are open (recorded.h).
 */
#include "web/source.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/base/confine.h"
#include "core/base/thread.h"
#include "core/session/store.h"
#include "web/polite.h"
#include "web/recorded.h"

#define FOLLOW_NS  (25 * 1000000ull)
#define SETTLED_NS (300 * 1000000ull) /* an event has come by then */
#define SYNC_NS    NS_PER_SEC
#define BATCH      4096
#define FRESH_NS   (250 * 1000000ull) /* how long a request waits for what was written since */

struct sources {
	struct source live;
	struct event *batch;
	pthread_t follower;
	bool following;
	atomic_bool stop;
	atomic_ullong
		followed; /* events of the feed that are in the live one's pyramid, or missed */
	struct store *store;
	size_t pyramid_bytes;
	struct confine *confine;
	pthread_mutex_t lock;
	/* Protected by lock, with their refs and used_ns. One that was loaded anew lives on in
	 * `former` until the requests that have it are through. */
	struct recorded *open[SOURCES_OPEN], *former[SOURCES_OPEN];
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
	struct recording rec;
	uint64_t before;

	pyramid_info(ss->live.pyramid, &info);
	before = info.last_ns;
	/* When nothing happens, the last event says little: what is older than a second is settled.
	 */
	if (caught_up && !ss->live.view.replay)
		before = MAX(before, monotonic_ns() - NS_PER_SEC);
	if (caught_up && ss->live.view.replay) {
		view_recording(&ss->live.view, &rec);
		before = MAX(before, rec.until_ns);
	}
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

/* Where the mount sees it, too. Returns how many there are now. */
static uint64_t count_forgotten(struct sources *ss, uint64_t before)
{
	struct pyramid_info info;

	pyramid_info(ss->live.pyramid, &info);
	if (info.forgotten > before)
		feed_count_missed(model_feed(ss->live.view.model), FEED_CELLS,
				  info.forgotten - before);
	return info.forgotten;
}

/*
 * Follows the feed by looking 40 times a second: the capture thread is not asked to wake anybody,
 * and the feed keeps far more than what comes in between. A replay waits for it, and wakes it.
 */
static void *follow(void *arg)
{
	struct sources *ss = arg;
	struct feed *feed = model_feed(ss->live.view.model);
	uint64_t cursor = feed_tail(feed), synced = 0, forgotten = 0;

	thread_be_polite();
	confine_enter(ss->confine);
	while (!atomic_load(&ss->stop)) {
		uint64_t missed = 0, now;
		size_t n = feed_read(feed, &cursor, ss->batch, BATCH, &missed);

		feed_count_missed(feed, FEED_TIMELINE, missed);
		if (missed)
			pyramid_missed(ss->live.pyramid, missed, n ? ss->batch[0].time_ns : 0);
		if (n && went_back(ss))
			pyramid_reset(ss->live.pyramid);
		if (n)
			pyramid_apply(ss->live.pyramid, model_names(ss->live.view.model), ss->batch,
				      n);
		atomic_store(&ss->followed, cursor);
		now = monotonic_ns();
		if (now - synced > SYNC_NS) {
			sync_all(ss, n < BATCH);
			forgotten = count_forgotten(ss, forgotten);
			sources_sweep(ss, now);
			synced = now;
		}
		if (n < BATCH && !ss->live.view.replay && !feed_closed(feed))
			pyramid_until(ss->live.pyramid, now - SETTLED_NS);
		if (n < BATCH && !(ss->live.view.replay && feed_wait(feed, cursor, FOLLOW_NS)))
			sleep_ns(FOLLOW_NS);
	}
	return NULL;
}

uint64_t sources_behind(struct sources *ss)
{
	uint64_t head = feed_head(model_feed(ss->live.view.model));

	return atomic_load(&ss->stop) ? 0 : sub_u64(head, atomic_load(&ss->followed));
}

/* --- which recorded ones are open ------------------------------------------------------------ */

/* Not with the lock held. The allocator keeps what is freed in the middle of its heaps: it is told
 * to give it back. */
static void drop(struct recorded *r)
{
	if (!r)
		return;
	recorded_free(r);
	malloc_trim(0);
}

/* All below but what the header names are called with the lock held. */

static struct recorded **find(struct sources *ss, const char *id)
{
	for (unsigned i = 0; i < SOURCES_OPEN; i++) {
		if (ss->open[i] && !strcmp(recorded_source(ss->open[i])->id, id))
			return &ss->open[i];
	}
	return NULL;
}

/* Takes one nobody has out of its place; the caller drops it. NULL: somebody has it. */
static struct recorded *take(struct recorded **place)
{
	struct recorded *r = *place;

	if (!r || recorded_source(r)->refs)
		return NULL;
	*place = NULL;
	return r;
}

/* Makes room for another load of the same: the old one goes, or lives on while somebody has it. */
static bool retire(struct sources *ss, struct recorded **place, struct recorded **ret_old)
{
	*ret_old = take(place);
	for (unsigned i = 0; i < SOURCES_OPEN && *place; i++) {
		if (ss->former[i])
			continue;
		ss->former[i] = *place;
		*place = NULL;
	}
	return !*place;
}

/* A place for a new one: free, or that of the one unused longest, which the caller drops. */
static struct recorded **find_place(struct sources *ss, struct recorded **ret_old)
{
	struct recorded **best = NULL;

	for (unsigned i = 0; i < SOURCES_OPEN; i++) {
		struct recorded **at = &ss->open[i];
		const struct source *s = *at ? recorded_source(*at) : NULL;

		if (!s)
			return at;
		if (!s->refs && (!best || s->used_ns < recorded_source(*best)->used_ns))
			best = at;
	}
	if (best)
		*ret_old = take(best);
	return best;
}

/* Finds or makes it. *ret_fresh: it is being read for what was written since the last request. */
static int get(struct sources *ss, const char *id, const struct session_stamp *stamp,
	       struct recorded **ret, struct recorded **ret_old, bool *ret_fresh)
{
	struct recorded **place = find(ss, id);
	enum recorded_news news = place ? recorded_refresh(*place, stamp) : RECORDED_CURRENT;
	int err = 0;

	*ret_fresh = news != RECORDED_CURRENT;
	if (!place)
		place = find_place(ss, ret_old);
	else if (news == RECORDED_OTHER)
		(void)retire(ss, place, ret_old); /* too many at once: the next request tries */
	if (!place)
		return -EBUSY;
	if (!*place)
		err = recorded_new(ss->store, id, stamp, ss->pyramid_bytes, place);
	*ret = *place;
	return err;
}

int sources_open(struct sources *ss, const char *id, struct source **ret)
{
	struct recorded *r, *old = NULL;
	struct session_stamp stamp;
	bool fresh = false;
	int err = !session_id_valid(id) ? -EINVAL
		  : ss->store           ? store_stamp(ss->store, id, &stamp)
					: -ENOENT;

	if (err)
		return err;
	pthread_mutex_lock(&ss->lock);
	err = get(ss, id, &stamp, &r, &old, &fresh);
	if (!err) {
		*ret = recorded_source(r);
		(*ret)->refs++;
		(*ret)->used_ns = monotonic_ns();
	}
	pthread_mutex_unlock(&ss->lock);
	drop(old);
	if (fresh && !err)
		recorded_wait(r, FRESH_NS);
	return err;
}

void source_put(struct sources *ss, struct source *s)
{
	struct recorded *old = NULL;

	if (!s || s->live)
		return;
	pthread_mutex_lock(&ss->lock);
	s->refs--;
	s->used_ns = monotonic_ns();
	for (unsigned i = 0; i < SOURCES_OPEN; i++) {
		if (ss->former[i] && recorded_source(ss->former[i]) == s)
			old = take(&ss->former[i]);
	}
	pthread_mutex_unlock(&ss->lock);
	drop(old);
}

void sources_sweep(struct sources *ss, uint64_t now_ns)
{
	struct recorded *old[SOURCES_OPEN] = {0};

	pthread_mutex_lock(&ss->lock);
	for (unsigned i = 0; i < SOURCES_OPEN; i++) {
		if (ss->open[i] && now_ns >= recorded_source(ss->open[i])->used_ns + SOURCE_IDLE_NS)
			old[i] = take(&ss->open[i]);
	}
	pthread_mutex_unlock(&ss->lock);
	for (unsigned i = 0; i < SOURCES_OPEN; i++)
		drop(old[i]);
}

/* --- all ---------------------------------------------------------------------------------------
 */

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
	for (unsigned i = 0; i < SOURCES_OPEN; i++) {
		recorded_free(ss->open[i]);
		recorded_free(ss->former[i]);
	}
	pyramid_free(ss->live.pyramid);
	free(ss->batch);
	pthread_mutex_destroy(&ss->lock);
	free(ss);
}

void sources_stats(struct sources *ss, struct sources_stats *ret)
{
	struct pyramid_info info;

	pyramid_info(ss->live.pyramid, &info);
	*ret = (struct sources_stats){.pyramid_bytes = info.bytes, .missed = info.missed};
	pthread_mutex_lock(&ss->lock);
	for (unsigned i = 0; i < SOURCES_OPEN; i++) {
		if (!ss->open[i])
			continue;
		pyramid_info(recorded_source(ss->open[i])->pyramid, &info);
		ret->pyramid_bytes += info.bytes;
		ret->sessions++;
		ret->sessions_bytes += recorded_bytes(ss->open[i]);
	}
	pthread_mutex_unlock(&ss->lock);
}
