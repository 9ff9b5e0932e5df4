/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Opening, the window over the file, and where a session ends; see reader.h. */
#include "core/session/reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/log.h"
#include "core/base/safe_file.h"
#include "core/model/event_format.h"
#include "core/session/archive.h"
#include "core/session/reader_internal.h"

#define WINDOW (256u << 10)

int reader_measure(const struct session_reader *r, uint64_t *ret)
{
	struct stat st;

	if (fstat(r->fd, &st))
		return -errno;
	*ret = st.st_size > 0 ? (uint64_t)st.st_size : 0;
	return 0;
}

static uint64_t reader_file_size(const struct session_reader *r)
{
	uint64_t size;

	return reader_measure(r, &size) ? 0 : size;
}

/* A recorder takes a record back that it could not write whole, so only what was used is sure. */
static bool is_used(const struct session_reader *r, const struct witness *w)
{
	return w->at + w->n <= r->used;
}

static void witness(struct witness *w, uint64_t at, const uint8_t *bytes, size_t n)
{
	w->at = at;
	w->n = n;
	memcpy(w->bytes, bytes, n);
}

/* Of what was read just now. */
static void witness_some(struct session_reader *r, uint64_t at, const uint8_t *bytes, size_t n)
{
	size_t some = MIN(n, WITNESS_MAX);

	if (!at && !r->first.n)
		witness(&r->first, at, bytes, some);
	if (!is_used(r, &r->next))
		return;
	if (r->next.n)
		r->last = r->next;
	witness(&r->next, at + n - some, bytes + n - some, some);
}

static bool is_there(const struct session_reader *r, const struct witness *w)
{
	uint8_t now[WITNESS_MAX];

	return !is_used(r, w) || !w->n ||
	       (pread(r->fd, now, w->n, (off_t)w->at) == (ssize_t)w->n &&
		!memcmp(now, w->bytes, w->n));
}

/* Has nobody written over what was read? A session only grows. */
static bool is_the_same(const struct session_reader *r)
{
	return reader_file_size(r) >= r->used && is_there(r, &r->first) && is_there(r, &r->last) &&
	       is_there(r, &r->next);
}

static int window_grow(struct window *w, size_t n)
{
	size_t cap = w->cap;
	uint8_t *data;

	if (w->start) {
		memmove(w->data, w->data + w->start, w->end - w->start);
		w->end -= w->start;
		w->start = 0;
	}
	if (n <= cap)
		return 0;
	while (cap < n)
		cap *= 2;
	data = realloc(w->data, cap);
	if (!data)
		return -ENOMEM;
	w->data = data;
	w->cap = cap;
	return 0;
}

int window_fill(struct session_reader *r, size_t n)
{
	struct window *w = &r->window;
	ssize_t got;
	int err;

	while (w->end - w->start < n) {
		if (w->start + n > w->cap || w->end == w->cap) {
			err = window_grow(w, n);
			if (err)
				return err;
		}
		got = pread(r->fd, w->data + w->end, w->cap - w->end,
			    (off_t)(w->offset + (w->end - w->start)));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!is_the_same(r))
			return -ESTALE;
		if (got == 0)
			return 0;
		witness_some(r, w->offset + (w->end - w->start), w->data + w->end, (size_t)got);
		w->end += (size_t)got;
	}
	return 1;
}

void window_take(struct session_reader *r, size_t n)
{
	r->window.start += n;
	r->window.offset += n;
	r->used = MAX(r->used, r->window.offset);
}

int reader_stop(struct session_reader *r, const char *fmt, ...)
{
	uint64_t size = reader_file_size(r);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->end.reason, sizeof(r->end.reason), fmt, ap);
	va_end(ap);
	r->end.good_bytes = r->window.offset;
	r->end.missing_bytes = size > r->window.offset ? size - r->window.offset : 0;
	return 0;
}

int reader_proc_room(struct session_reader *r, unsigned index)
{
	unsigned cap = MAX(r->procs_cap, 16u);
	struct known_proc *procs;

	if (index < r->procs_cap)
		return 0;
	while (cap <= index)
		cap *= 2;
	procs = reallocarray(r->procs, cap, sizeof(*procs));
	if (!procs)
		return -ENOMEM;
	memset(procs + r->procs_cap, 0, (cap - r->procs_cap) * sizeof(*procs));
	r->procs = procs;
	r->procs_cap = cap;
	return 0;
}

int reader_tell(struct session_reader *r, struct session_chunk *chunk, unsigned index,
		const struct proc_info *info)
{
	if (chunk->n_procs == r->news_cap) {
		unsigned cap = MAX(2 * r->news_cap, 16u);
		struct proc_info *procs;
		unsigned *indexes;

		if (r->news_cap >= NEWS_MAX)
			return 0;
		procs = reallocarray(r->new_procs, cap, sizeof(*procs));
		if (!procs)
			return -ENOMEM;
		r->new_procs = procs;
		indexes = reallocarray(r->new_proc_index, cap, sizeof(*indexes));
		if (!indexes)
			return -ENOMEM;
		r->new_proc_index = indexes;
		r->news_cap = cap;
	}
	r->new_procs[chunk->n_procs] = *info;
	r->new_proc_index[chunk->n_procs++] = index;
	chunk->procs = r->new_procs;
	chunk->proc_index = r->new_proc_index;
	return 0;
}

int session_reader_open_fd(int fd, enum session_format format, struct names *names,
			   struct session_reader **ret)
{
	struct session_reader *r = calloc(1, sizeof(*r));
	struct stat st;
	int err = -ENOMEM;

	if (!r)
		goto out;
	r->fd = -1;
	if (fstat(fd, &st) < 0) {
		err = -errno;
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		err = -EINVAL;
		goto out;
	}
	r->format = format;
	r->names = names;
	r->window.cap = WINDOW;
	r->window.data = malloc(WINDOW);
	r->seen = malloc(SEEN_MAX * sizeof(*r->seen));
	r->seen_proc = malloc(SEEN_MAX * sizeof(*r->seen_proc));
	if (!r->window.data || !r->seen || !r->seen_proc || reader_proc_room(r, 0))
		goto out;
	err = tables_new(names, &r->tables);
	if (err)
		goto out;
	r->fd = fd;
	*ret = r;
	return 0;
out:
	session_reader_close(r);
	close(fd);
	return err;
}

int session_reader_open(int dir_fd, struct names *names, struct session_meta *ret_meta,
			struct session_reader **ret)
{
	enum session_format format = SESSION_PROTOBUF;
	struct session_meta meta = {0};
	struct proc_info *first;
	char why[160] = "";
	int err, fd;

	err = session_meta_load(dir_fd, &meta, why, sizeof(why));
	/* What is missing or damaged can be done without, not what this machine failed to read. */
	if (is_shortage(err))
		return err;
	fd = archive_open(dir_fd, true);
	if (fd == -ENOTDIR)
		fd = file_open_at(dir_fd, session_format_file(format));
	if (fd == -ENOENT) {
		format = SESSION_JSONL;
		fd = file_open_at(dir_fd, session_format_file(format));
	}
	if (fd < 0)
		return fd;
	err = session_reader_open_fd(fd, format, names, ret);
	if (err)
		return err;
	snprintf((*ret)->end.warning, sizeof((*ret)->end.warning), "%s", why);
	/* A session without process records (the original's, JSONL) is one process. */
	first = &(*ret)->meta_proc;
	first->pid = (pid_t)meta.pid;
	proc_info_name(first, meta.binary_path, meta.go_version);
	(*ret)->procs[0] = (struct known_proc){.pid = first->pid, .nth = 1};
	(*ret)->many = meta.many;
	if (ret_meta)
		*ret_meta = meta;
	return 0;
}

void session_open_error(int err, char *why, size_t size)
{
	if (err == -ENOENT)
		snprintf(why, size, "there is neither events.pb nor events.jsonl in it");
	else
		snprintf(why, size, "its events cannot be read: %s", file_strerror(err));
}

void session_reader_close(struct session_reader *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	tables_free(r->tables);
	buf_free(&r->scratch);
	free(r->window.data);
	free(r->seen);
	free(r->seen_proc);
	free(r->procs);
	free(r->new_procs);
	free(r->new_proc_index);
	free(r);
}

uint64_t session_reader_size(const struct session_reader *r)
{
	return reader_file_size(r);
}

int session_reader_next(struct session_reader *r, struct session_chunk *ret)
{
	int more;

	memset(ret, 0, sizeof(*ret));
	if (r->stopped)
		return r->end.changed ? -ESTALE : 0;
	ret->events = r->events;
	ret->raw = r->raw;
	ret->gaps = r->chunk_gaps;
	r->end.reason[0] = '\0';
	more = r->format == SESSION_PROTOBUF ? reader_pb_next(r, ret) : reader_jsonl_next(r, ret);
	if (more == -ESTALE || (r->end.reason[0] && !is_the_same(r))) {
		memset(ret, 0, sizeof(*ret));
		r->stopped = r->end.changed = true;
		(void)reader_stop(r, "it was changed in place while it was read, and what was read "
				     "may be of two, or of none");
		more = -ESTALE;
	}
	if (!r->end.reason[0]) {
		r->end.good_bytes = r->window.offset;
		r->end.missing_bytes = 0;
	}
	for (size_t i = 0; i < ret->n; i++)
		r->end.last_ns = MAX(r->end.last_ns, ret->events[i].time_ns);
	ret->next = r->window.offset;
	return more;
}

bool session_reader_begins(int fd, enum session_format format, uint64_t bytes)
{
	return format == SESSION_JSONL ? reader_jsonl_begins(fd, bytes)
				       : reader_pb_begins(fd, bytes);
}

int session_reader_seek(struct session_reader *r, uint64_t offset)
{
	if (offset > reader_file_size(r))
		return -EINVAL;
	r->window.start = r->window.end = 0;
	r->window.offset = offset;
	r->batch.at = NULL;
	r->stopped = false;
	r->end.reason[0] = '\0';
	if (!offset)
		r->end.skipped = r->end.out_of_range = r->end.last_ns = 0;
	/* Lines tell of a process by its pid alone; the first that does is to be new again. */
	if (offset == 0 && r->format == SESSION_JSONL) {
		r->n_procs = r->last_proc = 0;
		r->procs[0] = (struct known_proc){.pid = r->meta_proc.pid, .nth = 1};
	}
	return 0;
}

void session_reader_end(const struct session_reader *r, struct session_end *ret)
{
	*ret = r->end;
	ret->malformed = r->stopped;
}

static int pid_of(void *ctx, unsigned proc)
{
	const struct session_reader *r = ctx;

	return proc < r->procs_cap ? r->procs[proc].pid : 0;
}

static unsigned nth_of(void *ctx, unsigned proc)
{
	const struct session_reader *r = ctx;

	return proc < r->procs_cap ? r->procs[proc].nth : 0;
}

void session_reader_json(struct session_reader *r, const struct session_chunk *chunk, size_t i,
			 struct buf *out)
{
	const struct raw_event *raw = &chunk->raw[i];
	struct event_format format = {
		.names = r->names,
		/* Not by what was read before, so that a line is always the same. */
		.pid_of = r->many || chunk->events[i].proc ? pid_of : NULL,
		.nth_of = nth_of,
		.ctx = r,
	};

	if (!raw->original) {
		event_format_json(&format, &chunk->events[i], out);
		return;
	}
	buf_adds(out, "{\"timestamp\":");
	buf_addu(out, raw->timestamp);
	buf_adds(out, ",\"event_type\":");
	buf_addu(out, raw->type);
	buf_adds(out, ",\"goroutine\":");
	buf_addu(out, raw->goroutine);
	buf_adds(out, ",\"parent_goroutine\":");
	buf_addu(out, raw->parent);
	buf_adds(out, ",\"attributes\":[");
	for (unsigned a = 0; a < 5; a++) {
		if (a)
			buf_addc(out, ',');
		buf_addu(out, raw->attributes[a]);
	}
	buf_adds(out, "]}\n");
}

uint64_t session_chunk_events(const struct session_chunk *chunk)
{
	uint64_t n = 0;

	for (size_t i = 0; i < chunk->n; i++)
		n += chunk->events[i].type < EVENT_TYPES;
	return n;
}

uint64_t session_end_unread(const struct session_end *end, const struct session_meta *meta,
			    uint64_t events)
{
	if (!meta->end_time_ns && !end->missing_bytes)
		return 0;
	return sub_u64(meta->event_count, sum_u64(events, end->skipped));
}

void session_end_warn(const struct session_end *end, const struct session_meta *meta,
		      const char *session)
{
	if (end->unread_events)
		log_warn("session %s: %llu of the %llu events that it counts are not in what was "
			 "read",
			 session, (unsigned long long)end->unread_events,
			 (unsigned long long)meta->event_count);
	if (end->skipped)
		log_warn("session %s: %llu events are of no type that exists: left out", session,
			 (unsigned long long)end->skipped);
	if (end->out_of_range)
		log_warn("session %s: %llu numbers of optional keys (cpu, line, pid, nth) are out "
			 "of range: taken as not there",
			 session, (unsigned long long)end->out_of_range);
}

void session_end_recording(const struct session_end *end, struct recording *ret)
{
	ret->torn_bytes = end->missing_bytes;
	ret->changed = end->changed;
	ret->read_bytes = end->good_bytes;
	ret->unread_events = end->unread_events;
	ret->skipped = end->skipped;
	ret->out_of_range = end->out_of_range;
	if (end->missing_bytes)
		snprintf(ret->torn_why, sizeof(ret->torn_why), "%s", end->reason);
}

/* Nobody hangs for longer than that, and numbers from files may be anything. */
#define SILENT_MAX_NS (10 * 366 * 86400 * NS_PER_SEC)

uint64_t session_known_until(const struct session_end *end, const struct session_meta *meta)
{
	uint64_t until = meta->recorded_until_ns;

	if (end->missing_bytes || end->unread_events || end->changed || meta->stopped[0] ||
	    until < MAX(end->last_ns, meta->last_event_ns) || until - end->last_ns > SILENT_MAX_NS)
		return 0;
	return until;
}

uint64_t session_reader_until(const struct session_reader *r, const struct session_meta *meta,
			      uint64_t events)
{
	struct session_end end;

	session_reader_end(r, &end);
	end.unread_events = session_end_unread(&end, meta, events);
	return session_known_until(&end, meta);
}
