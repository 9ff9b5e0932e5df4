/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events, as the original gives those of a session: a JSON array, or with format=jsonl an object a
 * line. Of a recorded session read from disk while they are sent; of what is live, the retained
 * ones.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/session/reader.h"
#include "core/view/family.h"
#include "web/rest.h"

#define PIECE           65536
#define LIVE_EVENTS_MAX 100000 /* in one array */
#define LIVE_USUALLY    1000
#define READ_EVENTS     1024

struct event_query {
	uint64_t goroutine, type, start, end, limit, offset;
	bool by_goroutine, by_type, lines;
};

struct stream {
	struct event_query q;
	uint64_t skipped, sent;
	bool begun;
	/* A recorded session: */
	struct names *names;
	struct session_reader *reader;
	/* What is live, up to the event that was the last one when it was asked for: */
	const struct view *live;
	struct event *events; /* one in front for those that went meanwhile */
	uint64_t cursor, head;
};

static void stream_free(void *ctx)
{
	struct stream *st = ctx;

	session_reader_close(st->reader);
	names_free(st->names);
	free(st->events);
	free(st);
}

/* Of what type and goroutine is asked for? The original's array knows the six types alone; that
 * some are missing is a line, as in the mount, whomever it may concern. */
static bool is_asked_for(const struct event_query *q, uint64_t type, uint64_t goroutine)
{
	if (type >= EVENT_TYPES)
		return q->lines && type == EVENT_LOST && !q->by_type;
	return (!q->by_goroutine || goroutine == q->goroutine) && (!q->by_type || type == q->type);
}

/* Is it one of those asked for? Then what stands before it is written, and the caller writes it. */
static bool take(struct stream *st, uint64_t type, uint64_t goroutine, uint64_t time_ns,
		 struct buf *out)
{
	const struct event_query *q = &st->q;

	if (st->sent >= q->limit || !is_asked_for(q, type, goroutine) || time_ns < q->start ||
	    time_ns > q->end)
		return false;
	if (st->skipped < q->offset) {
		st->skipped++;
		return false;
	}
	if (st->sent++ && !q->lines)
		buf_addc(out, ',');
	return true;
}

/* An object as its writer left it, with a line end or without. */
static void end_object(const struct stream *st, struct buf *out)
{
	bool ended = out->len && out->data[out->len - 1] == '\n';

	if (st->q.lines && !ended)
		buf_addc(out, '\n');
	else if (!st->q.lines && ended)
		out->len--;
}

/* 1: some were looked at, 0: that was all. */
static int next_recorded(struct stream *st, struct buf *out)
{
	struct session_chunk chunk;
	int err = session_reader_next(st->reader, &chunk);

	if (err <= 0)
		return err;
	for (size_t i = 0; i < chunk.n; i++) {
		const struct raw_event *raw = &chunk.raw[i];

		if (!take(st, raw->type, raw->goroutine, raw->timestamp, out))
			continue;
		session_reader_json(st->reader, &chunk, i, out);
		end_object(st, out);
	}
	return 1;
}

static int next_live(struct stream *st, struct buf *out)
{
	struct feed *feed = view_feed(st->live);
	struct event *first = st->events + 1;
	uint64_t missed = 0;
	size_t n = 0;

	if (st->cursor < st->head)
		n = feed_read(feed, &st->cursor, first, MIN(READ_EVENTS, st->head - st->cursor),
			      &missed);
	feed_count_missed(feed, FEED_DOWNLOAD, missed);
	if (n && missed) {
		st->events[0] = event_missing(missed, first->time_ns);
		first--;
		n++;
	}
	for (size_t i = 0; i < n; i++) {
		const struct event *ev = &first[i];

		if (!take(st, ev->type, ev->goid, ev->time_ns, out))
			continue;
		view_event_json(st->live, ev, out);
		end_object(st, out);
	}
	return n > 0;
}

static int stream_more(void *ctx, struct buf *out)
{
	struct stream *st = ctx;
	int more = 1;

	if (!st->begun && !st->q.lines)
		buf_addc(out, '[');
	st->begun = true;
	while (more > 0 && out->len < PIECE && st->sent < st->q.limit)
		more = st->live ? next_live(st, out) : next_recorded(st, out);
	if (more < 0)
		return more;
	if (more && st->sent < st->q.limit)
		return 1;
	if (!st->q.lines)
		buf_adds(out, "]\n");
	return 0;
}

static int read_query(const struct request *rq, struct response *rs, uint64_t least, uint64_t most,
		      uint64_t usual, struct event_query *q)
{
	const char *format = http_arg(rq, "format");

	memset(q, 0, sizeof(*q));
	q->lines = format && !strcmp(format, "jsonl");
	q->by_goroutine = http_arg(rq, "goroutine") && *http_arg(rq, "goroutine");
	q->by_type = http_arg(rq, "event_type") && *http_arg(rq, "event_type");
	if (format && *format && !q->lines && strcmp(format, "json")) {
		http_error(rs, 400, "format: json or jsonl is expected");
		return -EINVAL;
	}
	if (q->lines)
		most = usual = UINT64_MAX;
	if (http_arg_u64(rq, rs, "goroutine", 0, UINT64_MAX, 0, &q->goroutine) ||
	    http_arg_u64(rq, rs, "event_type", 0, EVENT_TYPES - 1, 0, &q->type) ||
	    http_arg_u64(rq, rs, "start_time", 0, UINT64_MAX, 0, &q->start) ||
	    http_arg_u64(rq, rs, "end_time", 0, UINT64_MAX, UINT64_MAX, &q->end) ||
	    http_arg_u64(rq, rs, "limit", least, most, usual, &q->limit) ||
	    http_arg_u64(rq, rs, "offset", 0, UINT64_MAX, 0, &q->offset))
		return -EINVAL;
	if (q->end < q->start) {
		http_error(rs, 400, "end_time is before start_time");
		return -EINVAL;
	}
	if (!q->limit)
		q->limit = usual;
	return 0;
}

static int open_live(struct stream *st, const struct view *live)
{
	st->live = live;
	st->cursor = feed_tail(view_feed(live));
	st->head = feed_head(view_feed(live));
	st->events = malloc((1 + READ_EVENTS) * sizeof(*st->events));
	return st->events ? 0 : -ENOMEM;
}

static int open_recorded(struct stream *st, int fd)
{
	int err = names_new(NAMES_MAX, &st->names);

	return err ? err : session_reader_open(fd, st->names, NULL, &st->reader);
}

static int answer(const struct request *rq, struct response *rs, const struct event_query *q,
		  int session_fd)
{
	struct stream *st = calloc(1, sizeof(*st));
	const char *id = session_fd >= 0 ? rq->params[0] : "live";
	int err;

	if (!st)
		return -ENOMEM;
	st->q = *q;
	err = session_fd >= 0 ? open_recorded(st, session_fd)
			      : open_live(st, &sources_live(rq->web->sources)->view);
	if (err) {
		stream_free(st);
		return err;
	}
	if (q->lines) {
		rs->content_type = "application/x-ndjson";
		snprintf(rs->filename, sizeof(rs->filename), "xgotop-%.60s.jsonl", id);
	}
	rs->more = stream_more;
	rs->more_free = stream_free;
	rs->more_ctx = st;
	return 0;
}

int rest_session_events(const struct request *rq, struct response *rs)
{
	cleanup_close_ int fd = -1;
	struct event_query q;

	/* As the original: all of them, unless told otherwise. */
	if (read_query(rq, rs, 0, UINT64_MAX, UINT64_MAX, &q))
		return 0;
	fd = rest_open_session(rq, rs, rq->params[0]);
	return fd < 0 ? 0 : answer(rq, rs, &q, fd);
}

int rest_events(const struct request *rq, struct response *rs)
{
	struct event_query q;

	if (read_query(rq, rs, 1, LIVE_EVENTS_MAX, LIVE_USUALLY, &q))
		return 0;
	return answer(rq, rs, &q, -1);
}
