/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The feed as text on stdout. See stdout_log.h. */
#include "core/engine/stdout_log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/privilege.h"
#include "core/base/thread.h"
#include "core/base/util.h"
#include "core/model/event_format.h"

#define CHUNK        1024
#define BUFFER_BYTES (64u << 10)
#define POLL_NS      (200 * 1000000ull)
#define CHUNK_BYTES  4096 /* what a pipe that takes anything takes without a wait (PIPE_BUF) */
#define LOOK_MS      100
#define PATIENCE_NS  (2 * NS_PER_SEC) /* for a reader that takes nothing, once a signal came */

struct stdout_log {
	struct stdout_log_config c;
	struct feed *feed;
	struct event_format format;
	pthread_t thread;
	atomic_bool stopping;
	uint64_t cursor;
	_Atomic uint64_t read; /* the cursor, for others */
	uint64_t missed;
	uint64_t in_text;  /* events in `text` */
	uint64_t asked_ns; /* when it was first seen that a signal had come; 0 */
	bool gave_up;
	int err; /* of the write that failed; -EPIPE too */
	struct buf text;
	struct event events[CHUNK];
};

/* Has a signal come, and the reader taken nothing for a while since? Without one we wait for it, as
 * any filter does. */
static bool enough(struct stdout_log *s, uint64_t taken_ns)
{
	uint64_t now = monotonic_ns();

	if (!atomic_load(s->c.asked))
		return false;
	if (!s->asked_ns)
		s->asked_ns = now;
	return now - MAX(s->asked_ns, taken_ns) > PATIENCE_NS;
}

/* Waits until stdout takes something; false: no longer. */
static bool wait_for_reader(struct stdout_log *s)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
	uint64_t since_ns = monotonic_ns();

	while (poll(&out, 1, LOOK_MS) <= 0)
		if (enough(s, since_ns))
			return false;
	return true;
}

static int write_all(struct stdout_log *s, const char *data, size_t n)
{
	while (n) {
		ssize_t done;

		if (!wait_for_reader(s))
			return -ETIMEDOUT;
		done = write(STDOUT_FILENO, data, MIN(n, (size_t)CHUNK_BYTES));
		if (done >= 0) {
			data += done;
			n -= (size_t)done;
		} else if (errno != EINTR && errno != EAGAIN) {
			return -errno;
		}
	}
	return 0;
}

static void count_missed(struct stdout_log *s, uint64_t n)
{
	s->missed += n;
	feed_count_missed(s->feed, FEED_STDOUT, n);
}

static void flush(struct stdout_log *s)
{
	if (!s->err && s->text.len)
		s->err = write_all(s, s->text.data, s->text.len);
	if (s->err == -ETIMEDOUT) {
		s->gave_up = true;
		count_missed(s, s->in_text);
	}
	s->in_text = 0;
	buf_reset(&s->text);
}

static void print_missed(struct stdout_log *s, uint64_t missed, uint64_t time_ns)
{
	const struct event lost = event_missing(missed, time_ns);

	count_missed(s, missed);
	event_format_text(&s->format, &lost, &s->text);
}

/* Prints what there is. false when that was nothing. */
static bool print_some(struct stdout_log *s)
{
	uint64_t missed = 0;
	size_t n = feed_read(s->feed, &s->cursor, s->events, CHUNK, &missed);

	atomic_store(&s->read, s->cursor);
	if (n && missed)
		print_missed(s, missed, s->events[0].time_ns);
	for (size_t i = 0; i < n; i++)
		event_format_text(&s->format, &s->events[i], &s->text);
	s->in_text += n;
	if (s->text.len >= BUFFER_BYTES)
		flush(s);
	return n > 0;
}

static void *stdout_main(void *arg)
{
	struct stdout_log *s = arg;

	pthread_setname_np(pthread_self(), "xgotop-stdout");
	(void)privilege_keep(0);
	while (!s->err) {
		bool last = feed_closed(s->feed) || atomic_load(&s->stopping);

		if (print_some(s))
			continue;
		flush(s);
		if (last || s->err)
			break;
		feed_wait(s->feed, s->cursor, POLL_NS);
	}
	if (s->err)
		s->c.ended(s->c.ctx);
	return NULL;
}

int stdout_log_start(const struct stdout_log_config *config, struct stdout_log **ret)
{
	struct model *model = config->model;
	struct stdout_log *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->c = *config;
	s->feed = model_feed(model);
	s->cursor = feed_tail(s->feed);
	atomic_init(&s->read, s->cursor);
	s->format = (struct event_format){
		.names = model_names(model),
		.wall_offset_ns = model_wall_offset(model),
		.pid_of = config->many ? model_pid_of : NULL,
		.ctx = model,
	};
	err = thread_start(&s->thread, stdout_main, s);
	if (err) {
		free(s);
		return err;
	}
	*ret = s;
	return 0;
}

uint64_t stdout_log_behind(const struct stdout_log *s)
{
	uint64_t read = atomic_load(&((struct stdout_log *)s)->read), head = feed_head(s->feed);

	return head > read ? head - read : 0;
}

int stdout_log_stop(struct stdout_log *s)
{
	int err;

	if (!s)
		return 0;
	atomic_store(&s->stopping, true);
	/* As long as the reader takes what there is, or, once a signal has come, for a moment. */
	pthread_join(s->thread, NULL);
	err = s->err == -EPIPE || s->gave_up ? 0 : s->err;
	if (err)
		log_error(err, "stdout: %s", strerror(-err));
	if (s->gave_up)
		count_missed(s, feed_head(s->feed) - MIN(s->cursor, feed_head(s->feed)));
	if (s->missed)
		log_warn("stdout was too slow: %llu events were not printed",
			 (unsigned long long)s->missed);
	buf_free(&s->text);
	free(s);
	return err;
}
