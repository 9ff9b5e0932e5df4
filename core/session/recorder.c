/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The recording thread; see recorder.h. */
#include "core/session/recorder.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#include "core/base/log.h"
#include "core/base/privilege.h"
#include "core/base/safe_file.h"
#include "core/base/text.h"
#include "core/base/thread.h"
#include "core/base/wait.h"
#include "core/session/store.h"
#include "core/session/tables.h"
#include "core/session/writer.h"

#define READ_MAX      4096       /* events copied under the feed's lock at once */
#define GAPS_A_BATCH  1024       /* the reader takes four times as many */
#define TICK_NS       NS_PER_SEC /* processes, rotation */
#define META_NS       (2 * NS_PER_SEC)
#define BEGINS_NS     (5 * NS_PER_SEC) /* of a session, and of each process */
#define SNAPSHOT_NS   (10 * NS_PER_SEC)
#define SEGMENT_BYTES (64u << 10) /* a running session is not cut into smaller pieces */
#define SEGMENT_NS    NS_PER_SEC
#define PATIENCE_NS   (10 * NS_PER_SEC) /* for a disk that does nothing, at the end */
#define HINT_NS       (2 * NS_PER_SEC)
#define LOOK_NS       (NS_PER_SEC / 10)

struct recorder {
	struct recorder_config config;
	struct feed *feed;
	struct store *store;
	pthread_t thread;
	bool started, joined, stuck;
	_Atomic uint64_t steps; /* grows as long as the disk answers */
	bool stop;              /* atomic */

	/* the thread's own */
	int dir; /* the session's folder */
	struct writer *writer;
	struct event *events;
	size_t n, n_gaps;
	uint64_t cursor;
	uint64_t due_ns; /* of the open batch; 0: it is empty */
	uint64_t segment_start_ns, tick_ns, meta_ns, snapshot_ns, rotate_ns;
	uint64_t batch_bytes; /* of the largest batch so far */
	uint64_t begun_ns;    /* the session, or the newest process in it */
	unsigned begun_from;  /* processes from this one on have */
	uint64_t took_ns;     /* the last snapshot */
	uint64_t before_ns;   /* time of the newest event that an earlier segment has */
	uint64_t until_ns;    /* the feed was closed, or we stopped, and all it had is written */
	uint64_t found;       /* goroutines the model came to know other than by creation, when last
				 looked */
	uint64_t all_found, all_ns; /* the same: when all processes were */
	uint64_t lost[EVENT_TYPES]; /* written as gaps so far */
	unsigned n_procs;           /* written so far */
	bool proc_exited[MODEL_PROCS_MAX];
	bool meta_failed;  /* metadata.json could not be written the last time */
	bool names_full;   /* was said */
	uint64_t nameless; /* of this encoder, counted so far */

	pthread_mutex_t lock;
	/* protected by lock */
	struct session_meta meta;
	struct recorder_stats stats;
	bool over; /* everything is written */
};

/* --- a session's beginning and end ------------------------------------------------------------ */

static void describe_target(struct recorder *r, struct session_meta *meta)
{
	struct proc_info info;

	if (model_proc(r->config.model, 0, &info) == 0) {
		meta->pid = info.pid;
		snprintf(meta->binary_path, sizeof(meta->binary_path), "%s", info.binary_path);
		snprintf(meta->go_version, sizeof(meta->go_version), "%s", info.go_version);
		return;
	}
	meta->pid = r->config.pid;
	if (r->config.binary_path)
		text_name(meta->binary_path, sizeof(meta->binary_path), r->config.binary_path,
			  strlen(r->config.binary_path));
}

static void first_meta(struct recorder *r, struct session_meta *meta)
{
	struct utsname host;

	meta->ours = meta->has_wall_offset = true;
	meta->many = r->config.pid == 0;
	meta->start_time_ns = (int64_t)clock_ns(CLOCK_REALTIME);
	meta->wall_offset_ns = model_wall_offset(r->config.model);
	snprintf(meta->version, sizeof(meta->version), "%s", r->config.version);
	if (uname(&host) == 0) {
		snprintf(meta->host, sizeof(meta->host), "%.64s", host.nodename);
		snprintf(meta->machine, sizeof(meta->machine), "%.15s", host.machine);
	}
	describe_target(r, meta);
}

/* Begins a session; `continues` is the id of the one it goes on from, or "". */
static int begin_session(struct recorder *r, const char *continues)
{
	struct session_meta meta = {0};
	int err = session_id_new(meta.id), dir;

	if (err)
		return err;
	snprintf(meta.continues, sizeof(meta.continues), "%s", continues);
	first_meta(r, &meta);
	dir = store_create(r->store, meta.id);
	if (dir < 0)
		return dir;
	err = session_meta_save(dir, &meta, true);
	if (!err)
		err = writer_new(dir, r->config.format, model_names(r->config.model),
				 r->config.model, meta.many, &r->writer);
	if (err) {
		close(dir);
		(void)store_delete(r->store, meta.id);
		return err;
	}
	if (r->dir >= 0)
		close(r->dir);
	r->dir = dir;
	r->n_procs = 0;
	r->found = r->all_found = 0;
	r->segment_start_ns = r->meta_ns = r->begun_ns = monotonic_ns();
	r->begun_from = 0;
	r->snapshot_ns = 0;
	memset(r->proc_exited, 0, sizeof(r->proc_exited));
	pthread_mutex_lock(&r->lock);
	r->meta = meta;
	pthread_mutex_unlock(&r->lock);
	return 0;
}

static void note_source(struct recorder *r)
{
	struct recording_noted noted = {.audit.state = AUDIT_NONE};

	if (!r->config.noted)
		return;
	r->config.noted(r->config.noted_ctx, &noted);
	pthread_mutex_lock(&r->lock);
	session_meta_note(&r->meta, &noted);
	pthread_mutex_unlock(&r->lock);
}

static int save_meta(struct recorder *r, bool sync)
{
	struct session_meta meta;
	int err;

	note_source(r);
	pthread_mutex_lock(&r->lock);
	if (!r->meta.go_version[0])
		describe_target(r, &r->meta);
	meta = r->meta;
	pthread_mutex_unlock(&r->lock);
	err = session_meta_save(r->dir, &meta, sync);
	/* Said once. When the recording has stopped there was a message already. */
	if (err && !r->meta_failed && !r->stats.error)
		log_warn("session %s: cannot write metadata.json: %s", meta.id, file_strerror(err));
	r->meta_failed = err != 0;
	return err;
}

/* The recording is over; everything else goes on. The first reason counts. */
static void fail(struct recorder *r, int err)
{
	if (r->stats.error)
		return;
	pthread_mutex_lock(&r->lock);
	r->stats.error = err;
	r->meta.stopped_ns = r->meta.end_time_ns = (int64_t)clock_ns(CLOCK_REALTIME);
	snprintf(r->meta.stopped, sizeof(r->meta.stopped), "%s", writer_strerror(err));
	pthread_mutex_unlock(&r->lock);
	(void)log_error(err,
			"session %s: recording stopped: %s (%llu events recorded; tracing goes on)",
			r->meta.id, writer_strerror(err), (unsigned long long)r->stats.events);
}

/* The session has what it will have; its folder stays open. */
static void end_session(struct recorder *r)
{
	int gone = r->writer ? writer_check(r->writer) : 0;
	int err = writer_close(r->writer, true);

	err = gone ? gone : err;
	r->writer = NULL;
	r->steps++;
	if (err)
		fail(r, err);
	pthread_mutex_lock(&r->lock);
	if (!r->meta.end_time_ns)
		r->meta.end_time_ns = (int64_t)clock_ns(CLOCK_REALTIME);
	if (!r->stats.error)
		r->meta.recorded_until_ns = r->until_ns;
	pthread_mutex_unlock(&r->lock);
	err = save_meta(r, true);
	if (err)
		fail(r, err);
}

/* What came since the recording stopped, and the batch it could not write. Under lock. */
static uint64_t not_recorded(const struct recorder *r)
{
	return r->stats.error ? feed_head(r->feed) - r->cursor + r->n : 0;
}

/* --- batches ---------------------------------------------------------------------------------- */

/* `n` processes are known, some of them new. Those that came shortly before begin with them. */
static void note_begun(struct recorder *r, unsigned n)
{
	uint64_t now = monotonic_ns();

	if (n <= r->n_procs)
		return;
	if (r->n_procs && now - r->begun_ns >= BEGINS_NS)
		r->begun_from = r->n_procs;
	r->begun_ns = now;
	r->tick_ns = now;
}

/* Processes that are new or have ended go into the next batch. */
static int write_procs(struct recorder *r, bool look_for_ends)
{
	struct encoder *encoder = writer_encoder(r->writer);
	unsigned n = model_procs(r->config.model);
	struct proc_info info;
	int err = 0;

	if (!encoder)
		return 0;
	for (unsigned i = look_for_ends ? 0 : r->n_procs; i < n && !err; i++) {
		if (model_proc(r->config.model, i, &info) < 0 ||
		    (i < r->n_procs && (info.state == PROC_RUNNING || r->proc_exited[i])))
			continue;
		r->proc_exited[i] = info.state == PROC_EXITED;
		err = encoder_process(encoder, i, &info);
	}
	note_begun(r, n);
	r->n_procs = n;
	return err;
}

static void count_batch(struct recorder *r, uint64_t begun_ns, uint64_t due_ns)
{
	struct session_meta *meta = &r->meta;

	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->n; i++) {
		const struct event *ev = &r->events[i];

		if (ev->type < EVENT_TYPES) {
			meta->events[ev->type]++;
			meta->event_count++;
			r->stats.events++;
			if (!meta->first_event_ns)
				meta->first_event_ns = ev->time_ns;
			meta->last_event_ns = MAX(meta->last_event_ns, ev->time_ns);
		} else if (ev->flags & ENCODER_BY_RECORDER) {
			meta->missed += ev->count;
		} else {
			meta->lost += ev->count;
		}
	}
	r->stats.batches++;
	r->stats.bytes = writer_size(r->writer);
	r->stats.flush_ns += monotonic_ns() - begun_ns;
	r->stats.wait_ns += begun_ns > due_ns ? begun_ns - due_ns : 0;
	pthread_mutex_unlock(&r->lock);
}

/* Each session begins with an encoder, and a table, of its own. */
static void count_nameless(struct recorder *r, uint64_t dropped)
{
	pthread_mutex_lock(&r->lock);
	r->stats.nameless += dropped >= r->nameless ? dropped - r->nameless : dropped;
	pthread_mutex_unlock(&r->lock);
	r->nameless = dropped;
}

/* Writes the open batch. A full one was due when its newest event happened, any other at its time.
 */
static int flush(struct recorder *r)
{
	uint64_t begun = monotonic_ns(), left[EVENT_TYPES] = {0};
	uint64_t bytes = writer_size(r->writer);
	uint64_t due = r->n ? r->due_ns : begun; /* what is no event never waits */
	struct model_totals totals;
	struct encoder *encoder = writer_encoder(r->writer);
	int err = write_procs(r, false);

	if (!err && !r->n && !(encoder && encoder_pending(encoder)))
		return 0;
	if (r->n == r->config.batch_size && r->n)
		due = MIN(r->events[r->n - 1].time_ns, begun);
	if (r->n_gaps) {
		model_totals(r->config.model, -1, &totals);
		for (unsigned t = 0; t < EVENT_TYPES; t++)
			left[t] = totals.lost[t] > r->lost[t] ? totals.lost[t] - r->lost[t] : 0;
	}
	if (!err)
		err = writer_batch(r->writer, r->events, r->n, r->n_gaps ? left : NULL);
	if (err) {
		fail(r, err);
		return err;
	}
	for (unsigned t = 0; r->n_gaps && t < EVENT_TYPES; t++)
		r->lost[t] = totals.lost[t] - left[t];
	if (encoder)
		count_nameless(r, encoder_dropped(encoder));
	if (encoder && encoder_dropped(encoder) && !r->names_full) {
		r->names_full = true;
		log_warn("session %s: no room for more names (%u of a kind): what has a new one is "
			 "recorded without it",
			 r->meta.id, SESSION_TABLE_MAX);
	}
	count_batch(r, begun, due);
	r->batch_bytes = MAX(r->batch_bytes, writer_size(r->writer) - bytes);
	r->n = r->n_gaps = 0;
	r->due_ns = 0;
	return 0;
}

static void add_missed(struct recorder *r, uint64_t missed, uint64_t time_ns)
{
	/* Room is kept for it: see read_feed(). */
	r->events[r->n] = event_missing(missed, time_ns);
	r->events[r->n++].flags = ENCODER_BY_RECORDER;
	r->n_gaps++;
	pthread_mutex_lock(&r->lock);
	r->stats.missed += missed;
	pthread_mutex_unlock(&r->lock);
}

/* Moves what the feed has into the open batch, at most to its end. Returns how many it read. */
static size_t read_feed(struct recorder *r)
{
	size_t room = r->config.batch_size - r->n, got;
	uint64_t missed = 0;
	struct event *to = r->events + r->n + 1; /* one place for a gap in front */

	got = feed_read(r->feed, &r->cursor, to, MIN(room, (size_t)READ_MAX), &missed);
	if (missed)
		add_missed(r, missed, got ? to[0].time_ns : monotonic_ns());
	else if (got)
		memmove(to - 1, to, got * sizeof(*to));
	for (size_t i = 0; i < got; i++)
		r->n_gaps += r->events[r->n + i].type >= EVENT_TYPES;
	r->n += got;
	if (r->n && !r->due_ns)
		r->due_ns = monotonic_ns() + r->config.flush_interval_ns;
	return got;
}

/* --- once a second ---------------------------------------------------------------------------- */

/* Goroutines that no event of this session tells of: those from before its start, and those that
 * the model came to know, or had put right, without an event. One that was created after the
 * session began is left to its events, which may still be waiting in the feed. */
static bool untold(const struct recorder *r, const struct goroutine *g, bool all)
{
	return !(g->flags & GOROUTINE_STATE_UNKNOWN) &&
	       (g->flags & (GOROUTINE_FOUND | GOROUTINE_UNCERTAIN) ||
		(all && g->created_ns <= r->before_ns));
}

static int write_snapshot_of(struct recorder *r, unsigned proc, bool all, struct goroutine *list)
{
	struct model_pass *pass cleanup_pass_ = NULL;
	const struct goroutine *g = NULL;
	int err = model_pass_new(r->config.model, proc, &(struct model_which){0}, &pass);

	do {
		uint64_t now = monotonic_ns();
		size_t n = 0;

		while (!err && n < ENCODER_SNAPSHOT_MAX && (g = model_pass_next(pass))) {
			if (untold(r, g, all))
				list[n++] = *g;
		}
		if (!err && n)
			err = encoder_snapshot(writer_encoder(r->writer), now, list, n);
		if (!err && n)
			err = flush(r);
	} while (!err && g);
	return err;
}

static int write_snapshot(struct recorder *r, unsigned from, bool all)
{
	cleanup_free_ struct goroutine *list = malloc(ENCODER_SNAPSHOT_MAX * sizeof(*list));
	unsigned procs = model_procs(r->config.model);
	int err = list ? 0 : -ENOMEM;

	for (unsigned p = from; p < procs && !err; p++)
		err = write_snapshot_of(r, p, all, list);
	if (err && !r->stats.error)
		log_warn("session %s: no list of goroutines: %s", r->meta.id, strerror(-err));
	return r->stats.error;
}

/* What is there when a process begins is not known at once: its memory has to be read. So there may
 * be more to tell soon, and less soon the longer ago that is; in a twentieth of the time. */
static bool may_tell_more(const struct recorder *r, uint64_t now)
{
	uint64_t passed_ns = now - r->snapshot_ns;

	return passed_ns >= 20 * r->took_ns &&
	       (r->snapshot_ns <= r->begun_ns || passed_ns >= r->snapshot_ns - r->begun_ns);
}

static int snapshot_when_due(struct recorder *r, uint64_t now, bool at_end)
{
	bool first = r->snapshot_ns == 0;
	bool all = first || at_end || now - r->all_ns >= SNAPSHOT_NS;
	struct model_totals totals;
	uint64_t found;
	int err;

	if (!writer_encoder(r->writer) || (!all && !may_tell_more(r, now)))
		return 0;
	model_totals(r->config.model, -1, &totals);
	found = totals.live_total + totals.goroutines_exited - totals.goroutines_created +
		totals.healed;
	if (found == (all ? r->all_found : r->found))
		return 0;
	all |= r->begun_from == 0;
	r->found = found;
	r->snapshot_ns = now;
	if (all) {
		r->all_found = found;
		r->all_ns = now;
	}
	err = write_snapshot(r, all ? 0 : r->begun_from, first);
	r->took_ns = monotonic_ns() - now;
	return err;
}

/* Of two sessions, the one before and this one, each has half of the bound, the batch to come
 * included. */
static bool size_is_full(const struct recorder *r)
{
	uint64_t size = writer_size(r->writer), half = r->config.max_size / 2;

	return r->config.max_size && size >= SEGMENT_BYTES &&
	       size + MIN(r->batch_bytes, half / 2) > half;
}

static bool segment_is_full(const struct recorder *r, uint64_t now)
{
	uint64_t age = now - r->segment_start_ns;

	return size_is_full(r) ||
	       (r->config.max_age_ns && age >= SEGMENT_NS && age > r->config.max_age_ns / 2);
}

static int next_segment(struct recorder *r)
{
	char id[SESSION_ID_LEN + 1];
	int err;

	recorder_id(r, id);
	r->before_ns = MAX(r->before_ns, r->meta.last_event_ns);
	end_session(r);
	err = r->stats.error ? r->stats.error : begin_session(r, id);
	if (err)
		fail(r, err);
	return err;
}

/* What this session may still grow by is kept free. 0: no bound. */
static uint64_t room_for_all(const struct recorder *r)
{
	uint64_t max = r->config.max_size, half = max / 2, size = writer_size(r->writer);

	return max ? MAX(max - (half - MIN(size, half)), (uint64_t)1) : 0;
}

/* Keeps to the bounds of size and age. */
static int rotate(struct recorder *r, uint64_t now)
{
	bool full = segment_is_full(r, now);
	int err = 0;

	if (!full && now < r->rotate_ns)
		return 0;
	r->rotate_ns = now + TICK_NS;
	if (full)
		err = flush(r);
	if (full && !err)
		err = next_segment(r);
	if (!err && store_rotate(r->store, room_for_all(r), r->config.max_age_ns) < 0)
		log_debug("sessions in %s: cannot rotate", store_dir(r->store));
	return err;
}

static int tick(struct recorder *r, uint64_t now)
{
	int err = write_procs(r, true);

	/* At first often: who was there before us should be in the recording from its beginning. */
	r->tick_ns =
		now + (writer_encoder(r->writer) && now < r->begun_ns + BEGINS_NS ? TICK_NS / 50
										  : TICK_NS);
	if (!err)
		err = snapshot_when_due(r, now, false);
	if (!err && (err = writer_check(r->writer)))
		fail(r, err);
	if (!err && now - r->meta_ns >= META_NS) {
		r->meta_ns = now;
		(void)save_meta(r, false);
	}
	if (!err && (r->config.max_size || r->config.max_age_ns))
		err = rotate(r, now);
	return err;
}

/* --- the thread ------------------------------------------------------------------------------- */

static bool batch_is_due(const struct recorder *r, uint64_t now)
{
	return r->n >= r->config.batch_size || r->n_gaps >= GAPS_A_BATCH ||
	       (r->n && now >= r->due_ns);
}

static void record(struct recorder *r)
{
	bool stopping = false;

	for (;;) {
		size_t got = read_feed(r);
		r->steps++;
		uint64_t now = monotonic_ns(), until;

		if (batch_is_due(r, now)) {
			if (flush(r))
				return;
			if (size_is_full(r))
				r->tick_ns = now;
		}
		if (now >= r->tick_ns && tick(r, now))
			return;
		if (got)
			continue;
		/* Looked at before the last read: what came before the stop is recorded. */
		if (stopping)
			break;
		stopping = __atomic_load_n(&r->stop, __ATOMIC_ACQUIRE) || feed_closed(r->feed);
		if (stopping)
			r->until_ns = now;
		until = MIN(r->tick_ns, r->n ? r->due_ns : UINT64_MAX);
		if (!stopping && until > now)
			(void)feed_wait(r->feed, r->cursor, MIN(until - now, TICK_NS / 10));
	}
	if (write_procs(r, true) == 0 && snapshot_when_due(r, monotonic_ns(), true) == 0)
		(void)flush(r);
}

/* After a failure: nothing is read any more, only counted. The session is closed at once, and
 * metadata.json says why as soon as there is room for it. */
static void wait_for_stop(struct recorder *r)
{
	uint64_t retry_ns = 0;

	end_session(r);
	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE) && !feed_closed(r->feed)) {
		if (r->meta_failed && monotonic_ns() >= retry_ns) {
			(void)save_meta(r, false);
			retry_ns = monotonic_ns() + META_NS;
		}
		(void)feed_wait(r->feed, UINT64_MAX - 1, NS_PER_SEC / 10);
	}
	pthread_mutex_lock(&r->lock);
	r->meta.not_recorded = not_recorded(r);
	pthread_mutex_unlock(&r->lock);
	(void)save_meta(r, true);
}

static void *thread_main(void *arg)
{
	struct recorder *r = arg;

	(void)prctl(PR_SET_NAME, "xg-record");
	/* The storage folder may be somebody else's. */
	(void)privilege_keep(CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_DAC_READ_SEARCH));
	record(r);
	if (r->stats.error)
		wait_for_stop(r);
	else
		end_session(r);
	pthread_mutex_lock(&r->lock);
	r->over = true;
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

int recorder_new(const struct recorder_config *config, struct recorder **ret)
{
	struct recorder *r;
	int err;

	if (config->batch_size < 1 || config->batch_size > ENCODER_BATCH_MAX)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->config = *config;
	r->dir = -1;
	r->feed = model_feed(config->model);
	r->cursor = feed_tail(r->feed);
	pthread_mutex_init(&r->lock, NULL);
	/* One more for a gap in front of a full batch. */
	r->events = malloc((config->batch_size + 2) * sizeof(*r->events));
	err = r->events ? store_new(config->storage_dir, &r->store) : -ENOMEM;
	if (!err)
		err = store_make(r->store);
	if (!err)
		err = begin_session(r, "");
	if (!err) {
		err = thread_start(&r->thread, thread_main, r);
		r->started = err == 0;
	}
	if (err) {
		recorder_free(r);
		return err;
	}
	*ret = r;
	return 0;
}

/* 0, or -ETIMEDOUT: it has done nothing for too long. */
static int join(struct recorder *r)
{
	uint64_t steps = r->steps, since_ns = monotonic_ns(), now = since_ns;
	bool said = false;

	while (thread_join_until(r->thread, now + LOOK_NS)) {
		now = monotonic_ns();
		if (steps != r->steps) {
			steps = r->steps;
			since_ns = now;
		}
		if (now - since_ns > PATIENCE_NS)
			return -ETIMEDOUT;
		if (!said && now - since_ns > HINT_NS)
			log_info("waiting for the disk to take the session (%s); a signal ends it "
				 "at once",
				 store_dir(r->store));
		said |= now - since_ns > HINT_NS;
	}
	return 0;
}

int recorder_stop(struct recorder *r)
{
	if (r->stuck)
		return -ETIMEDOUT;
	if (!r->started || r->joined)
		return 0;
	__atomic_store_n(&r->stop, true, __ATOMIC_RELEASE);
	if (join(r)) {
		r->stuck = true;
		return log_error(-ETIMEDOUT,
				 "session %s: the disk does not answer; what it has not taken yet "
				 "is lost",
				 r->meta.id);
	}
	r->joined = true;
	return 0;
}

void recorder_free(struct recorder *r)
{
	if (!r || recorder_stop(r))
		return;
	(void)writer_close(r->writer, false);
	if (r->dir >= 0)
		close(r->dir);
	store_free(r->store);
	pthread_mutex_destroy(&r->lock);
	free(r->events);
	free(r);
}

void recorder_id(struct recorder *r, char ret[SESSION_ID_LEN + 1])
{
	pthread_mutex_lock(&r->lock);
	memcpy(ret, r->meta.id, SESSION_ID_LEN + 1);
	pthread_mutex_unlock(&r->lock);
}

void recorder_stats(struct recorder *r, struct recorder_stats *ret)
{
	pthread_mutex_lock(&r->lock);
	*ret = r->stats;
	ret->not_recorded = not_recorded(r);
	pthread_mutex_unlock(&r->lock);
}

void recorder_recording(struct recorder *r, struct recording *ret)
{
	pthread_mutex_lock(&r->lock);
	session_meta_recording(&r->meta, ret);
	ret->events = r->stats.events;
	ret->missed = r->stats.missed;
	ret->nameless = r->stats.nameless;
	ret->not_recorded = not_recorded(r);
	if (ret->state != RECORDING_STOPPED)
		ret->state = r->over ? RECORDING_DONE : RECORDING_RUNNING;
	pthread_mutex_unlock(&r->lock);
}
