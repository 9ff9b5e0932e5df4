/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* events.jsonl: one event a line. See json_line.h for a line, reader.h for where a session ends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/session/json_line.h"
#include "core/session/reader_internal.h"

#define KINDS       27             /* reflect.Kind: as in tables.c */
#define FIRST_BYTES ((size_t)4096) /* longer than nearly all lines */

static uint32_t intern(struct session_reader *r, const struct json_text *text)
{
	return text->len ? tables_intern(r->names, text->data, text->len) : 0;
}

static uint32_t type_id(struct session_reader *r, const struct json_line *line)
{
	const uint64_t *a = line->raw.attributes;
	struct go_type type = {0};
	uint32_t name;

	if (!line->type.len)
		return tables_nameless_type(r->tables, &line->raw);
	name = intern(r, &line->type);
	type.name = names_string(r->names, name);
	if (line->raw.type == EVENT_MAKEMAP) {
		type.kind = 21; /* reflect.Map */
		type.key_size = a[0];
		type.key_kind = (uint8_t)(a[1] < KINDS ? a[1] : 0);
		type.elem_size = a[2];
		type.elem_kind = (uint8_t)(a[3] < KINDS ? a[3] : 0);
	} else {
		type.size = a[0];
		type.kind = (uint8_t)(a[1] < KINDS ? a[1] : 0);
	}
	return names_add_type(r->names, &type);
}

/* Ours are optional: one that cannot be is as if it were not there, and counted. */
static uint64_t in_range(struct session_reader *r, uint64_t value, uint64_t most, uint64_t none)
{
	if (value <= most || value == none)
		return value;
	r->end.out_of_range++;
	return none;
}

static uint16_t known(struct session_reader *r, unsigned i)
{
	r->n_procs = MAX(r->n_procs, 1u);
	r->last_proc = i;
	return (uint16_t)i;
}

/* Another has its pid now: it has ended. A line does not say whether by executing, but a number
 * comes again seldom enough. */
static void end_before(struct session_reader *r, unsigned i, uint64_t time_ns,
		       struct session_chunk *chunk)
{
	struct proc_info info = {.pid = r->procs[i].pid};

	if (i == 0)
		info = r->meta_proc;
	info.state = PROC_EXITED;
	info.exited_ns = time_ns;
	info.execed = true;
	(void)reader_tell(r, chunk, i, &info);
}

/* The nth process with that pid, a new one for one not seen before; without a pid the first one,
 * which metadata.json tells of. */
static uint16_t process(struct session_reader *r, const struct json_line *line,
			struct session_chunk *chunk)
{
	struct proc_info info = {.pid = (pid_t)line->pid};
	uint64_t pid = line->pid, nth = MAX(line->nth, 1u);
	const struct known_proc *last = &r->procs[r->last_proc];

	if (!pid)
		return known(r, 0);
	r->procs[0].nth = 1;
	/* The one before mostly, else one of the newest. */
	if ((uint64_t)last->pid == pid && last->nth == nth)
		return known(r, r->last_proc);
	for (unsigned i = MAX(r->n_procs, 1u); i-- > 0;) {
		if ((uint64_t)r->procs[i].pid != pid)
			continue;
		if (r->procs[i].nth == nth)
			return known(r, i);
		if (r->procs[i].nth == nth - 1)
			end_before(r, i, line->raw.timestamp, chunk);
	}
	if (r->n_procs == 0 && r->procs[0].pid) /* metadata's, which came first */
		r->n_procs = 1;
	if (r->n_procs == PROCS_MAX || chunk->n_procs >= NEWS_MAX ||
	    reader_proc_room(r, r->n_procs) || reader_tell(r, chunk, r->n_procs, &info))
		return 0;
	r->procs[r->n_procs] = (struct known_proc){.pid = info.pid, .nth = (uint16_t)nth};
	return (uint16_t)r->n_procs++;
}

static void give_lost(struct session_reader *r, const struct json_line *line,
		      struct session_chunk *chunk, size_t *n_gaps)
{
	struct session_gap *gap = &r->chunk_gaps[*n_gaps];
	struct event *ev = &r->events[chunk->n];

	*ev = (struct event){
		.time_ns = line->raw.timestamp,
		.type = EVENT_LOST,
		.count = line->raw.attributes[0],
		.lost_by_type = line->raw.attributes[1] & 0x3f,
		.proc = line->pid ? process(r, line, chunk) : EVENT_PROC_NONE,
	};
	/* A line says which types, not how many of each: of several, the recorder's or the
	 * tracing's. */
	memset(gap, 0, sizeof(*gap));
	gap->recorder = __builtin_popcountll(ev->lost_by_type) != 1;
	if (!gap->recorder)
		gap->lost[__builtin_ctzll(ev->lost_by_type)] = ev->count;
	(*n_gaps)++;
	chunk->n++;
}

static void check_ranges(struct session_reader *r, struct json_line *line)
{
	r->end.out_of_range += line->too_large;
	line->pid = in_range(r, line->pid, INT32_MAX, 0);
	line->nth = in_range(r, line->nth, UINT16_MAX, 0);
	line->line = in_range(r, line->line, UINT32_MAX, 0);
	if (line->has_cpu && line->cpu >= EVENT_CPUS_MAX) {
		line->has_cpu = false;
		r->end.out_of_range++;
	}
}

static void give(struct session_reader *r, struct json_line *line, struct session_chunk *chunk,
		 size_t *n_gaps)
{
	struct event *ev = &r->events[chunk->n];
	struct site site;

	check_ranges(r, line);
	r->raw[chunk->n] = line->raw;
	if (line->raw.type == EVENT_LOST && !line->raw.original) {
		give_lost(r, line, chunk, n_gaps);
		return;
	}
	if (line->raw.type >= EVENT_TYPES) {
		r->end.skipped++;
		return;
	}
	*ev = (struct event){
		.time_ns = line->raw.timestamp,
		.goid = line->raw.goroutine,
		.parent = line->raw.parent,
		.type = (uint8_t)line->raw.type,
		.flags = (uint8_t)((line->cgo ? EVENT_CGO_THREAD : 0) |
				   (line->merged ? EVENT_MERGED : 0)),
		.string_id = intern(r, line->func.len ? &line->func : &line->reason),
		.proc = process(r, line, chunk),
		.cpu = (uint16_t)(line->has_cpu ? line->cpu + 1 : 0),
	};
	tables_attributes(&line->raw, ev);
	ev->type_id = type_id(r, line);
	if (line->caller.len) {
		site.func_id = intern(r, &line->caller);
		site.file_id = intern(r, &line->file);
		site.line = (uint32_t)line->line;
		ev->site_id = names_add_site(r->names, site);
	}
	chunk->n++;
}

/* A line begins with a {, behind space at most; the last one may have no end, but is whole then. */
bool reader_jsonl_begins(int fd, uint64_t bytes)
{
	size_t size = (size_t)MIN(bytes, SESSION_LINE_MAX + 1);
	cleanup_free_ char *text = malloc(size);
	struct json_line line;
	ssize_t n = text ? pread(fd, text, MIN(size, FIRST_BYTES), 0) : -1;

	if (n <= 0)
		return true; /* nobody knows */
	if (!*text || !strchr("{ \t\r\n", *text))
		return false;
	if (!memchr(text, '\n', (size_t)n) && (size_t)n < size)
		n = pread(fd, text, size, 0);
	return n <= 0 || memchr(text, '\n', (size_t)n) ||
	       ((size_t)n == bytes && !json_line_parse(text, (size_t)n, &line));
}

/*
 * The next line's length without and with its newline: 1, 0 at the end (the rest without newline
 * counts as a line when it is not empty), -EBADMSG when it is too long, -errno.
 */
static int next_line(struct session_reader *r, size_t *ret_len, size_t *ret_whole)
{
	struct window *w = &r->window;
	size_t have = w->end - w->start;
	char *newline = have ? memchr(w->data + w->start, '\n', have) : NULL;
	int more;

	while (!newline) {
		if (have > SESSION_LINE_MAX)
			return -EBADMSG;
		more = window_fill(r, have + 1);
		if (more < 0)
			return more;
		if (more == 0)
			break;
		newline = memchr(w->data + w->start + have, '\n', w->end - w->start - have);
		have = w->end - w->start;
	}
	*ret_len = newline ? (size_t)((uint8_t *)newline - (w->data + w->start)) : have;
	*ret_whole = *ret_len + (newline != NULL);
	if (*ret_len > SESSION_LINE_MAX)
		return -EBADMSG;
	return *ret_whole > 0;
}

static int bad_line(struct session_reader *r, bool torn, struct session_chunk *chunk)
{
	r->stopped = !torn;
	(void)reader_stop(r, torn ? "cut off in a line" : "the line at byte %llu is no event",
			  (unsigned long long)r->window.offset);
	return chunk->n > 0;
}

/* json_line_parse() changes what it reads, so a torn line that may yet grow is tried on a copy. */
static int parse(struct session_reader *r, size_t len, bool whole, struct json_line *ret)
{
	char *text = (char *)r->window.data + r->window.start;

	if (!whole) {
		buf_reset(&r->scratch);
		buf_add(&r->scratch, text, len);
		if (buf_error(&r->scratch))
			return -ENOMEM;
		text = r->scratch.data;
	}
	return json_line_parse(text, len, ret);
}

int reader_jsonl_next(struct session_reader *r, struct session_chunk *ret)
{
	size_t len = 0, whole = 0, n_gaps = 0;
	struct json_line line;
	int more = 1, err;

	ret->offset = r->window.offset;
	while (ret->n < SESSION_CHUNK && (more = next_line(r, &len, &whole)) > 0) {
		if (len == 0) {
			window_take(r, whole);
			continue;
		}
		err = parse(r, len, whole > len, &line);
		if (err == -ENOMEM)
			return err;
		if (err)
			return bad_line(r, whole == len, ret);
		give(r, &line, ret, &n_gaps);
		window_take(r, whole);
	}
	if (more == -EBADMSG) {
		r->stopped = true;
		(void)reader_stop(r, "the line at byte %llu is longer than %u bytes",
				  (unsigned long long)r->window.offset, SESSION_LINE_MAX);
		return ret->n > 0;
	}
	if (more < 0)
		return more;
	return ret->n > 0;
}
