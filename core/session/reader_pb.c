/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * events.pb: u32 length + RuntimeEvent, or 0xFFFFFFFF + u32 length + RuntimeEventBatch. A batch is
 * first walked over as a whole (is it well formed, does its check fit, what does it define) and
 * then given out in chunks, so that one batch of any size costs one chunk's memory beside its
 * bytes.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "core/base/text.h"
#include "core/session/reader_internal.h"
#include "core/session/unpack.h"
#include "proto/event.pb-c.h"

#define BATCH_MARKER 0xffffffffu
#define SNAPSHOT_MAX (1u << 20) /* bytes: bounds what protobuf-c unpacks at once */
#define CHECK_BYTES  6          /* two of tag, four of value */

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* --- what a batch holds beside events --------------------------------------------------------- */

static void copy_text(char *to, size_t size, const ProtobufCBinaryData *from)
{
	text_name(to, size, (const char *)from->data, from->len);
}

/* The how manieth with its pid. */
static uint16_t nth_of(const struct session_reader *r, unsigned index)
{
	for (unsigned i = index; i-- > 0;)
		if (r->procs[i].pid == r->procs[index].pid)
			return (uint16_t)(r->procs[i].nth + 1);
	return 1;
}

static int read_process(struct session_reader *r, const struct wire_field *f,
			struct session_chunk *chunk)
{
	Pb__Process *m = UNPACK(process, f);
	struct proc_info info = {0};
	bool taken;
	int err = 0;

	if (!m)
		return unpack_error();
	taken = m->index < PROCS_MAX && m->index <= r->n_procs && chunk->n_procs < NEWS_MAX;
	if (taken) {
		if (m->pid <= INT32_MAX)
			info.pid = (pid_t)m->pid;
		else
			r->end.out_of_range++;
		copy_text(info.binary_path, sizeof(info.binary_path), &m->binary_path);
		copy_text(info.go_version, sizeof(info.go_version), &m->go_version);
		info.attached_ns = m->attached;
		info.exited_ns = m->exited;
		info.state = m->exited ? PROC_EXITED : PROC_RUNNING;
		info.execed = m->execed && m->exited;
		info.status_known = m->exited && m->ended_as && m->ended_as <= 1u + UINT16_MAX;
		info.status = info.status_known ? (int)m->ended_as - 1 : 0;
		copy_text(info.execed_path, sizeof(info.execed_path), &m->execed_path);
		err = reader_proc_room(r, m->index);
		if (!err)
			err = reader_tell(r, chunk, m->index, &info);
	}
	if (!err && taken) {
		r->procs[m->index].pid = info.pid;
		r->procs[m->index].nth = nth_of(r, m->index);
		r->n_procs = MAX(r->n_procs, m->index + 1);
	}
	pb__process__free_unpacked(m, NULL);
	return err;
}

static int read_gap(struct session_reader *r, const struct wire_field *f)
{
	struct open_batch *b = &r->batch;
	Pb__Gap *m = UNPACK(gap, f);
	struct session_gap *gap = &b->gaps[b->n_gaps];
	uint64_t known = 0;

	if (!m)
		return unpack_error();
	if (b->n_gaps == GAPS_MAX || (b->n_gaps && m->before < b->gap_before[b->n_gaps - 1])) {
		pb__gap__free_unpacked(m, NULL);
		return -EBADMSG;
	}
	memset(gap, 0, sizeof(*gap));
	gap->recorder = m->recorder;
	for (size_t t = 0; t < MIN(m->n_by_type, (size_t)EVENT_TYPES); t++) {
		gap->lost[t] = MIN(m->by_type[t], m->count - known);
		known += gap->lost[t];
	}
	/* What is not known by type counts for the first type concerned: the sum has to be right.
	 */
	if (!gap->recorder)
		gap->lost[m->types & 0x3f ? __builtin_ctz(m->types & 0x3f) : 0] += m->count - known;
	b->gap_before[b->n_gaps] = m->before;
	b->gap_events[b->n_gaps++] = (struct event){
		.time_ns = m->timestamp,
		.type = EVENT_LOST,
		.count = m->count,
		.lost_by_type = m->types & 0x3f,
		.proc = (uint16_t)(m->process && m->process <= PROCS_MAX ? m->process - 1
									 : EVENT_PROC_NONE),
	};
	pb__gap__free_unpacked(m, NULL);
	return 0;
}

static int read_snapshot(struct session_reader *r, const struct wire_field *f)
{
	Pb__Snapshot *m;

	if (f->len > SNAPSHOT_MAX)
		return -EBADMSG;
	m = UNPACK(snapshot, f);
	if (!m)
		return unpack_error();
	r->seen_ns = m->timestamp;
	for (size_t i = 0; i < m->n_goroutines && r->n_seen < SEEN_MAX; i++) {
		const Pb__Goroutine *g = m->goroutines[i];

		if (g->state > GSTATES || g->process >= PROCS_MAX)
			continue;
		r->seen[r->n_seen] = (struct goroutine_seen){
			.goid = g->goid,
			.parent = g->parent,
			.start_func_id = tables_text(r->tables, g->start_function),
			.reason_id = tables_text(r->tables, g->reason),
			.created_site_id = tables_site(r->tables, g->created_site),
			.state = (uint8_t)g->state,
			.system = g->system,
		};
		r->seen_proc[r->n_seen++] = g->process;
	}
	pb__snapshot__free_unpacked(m, NULL);
	return 0;
}

static int read_extra(struct session_reader *r, const struct wire_field *f,
		      struct session_chunk *chunk)
{
	if (f->number < 16 || f->number > 24)
		return 0; /* of a later version */
	if (f->type != WIRE_BYTES)
		return -EBADMSG;
	switch (f->number) {
	case 16:
		r->batch.column = f->data;
		r->batch.column_end = f->data + f->len;
		return 0;
	case 21:
		return read_process(r, f, chunk);
	case 22:
		return read_gap(r, f);
	case 23:
		return read_snapshot(r, f);
	case 24:
		r->batch.cpus = f->data;
		r->batch.cpus_end = f->data + f->len;
		return 0;
	}
	return tables_define(r->tables, f);
}

/* Is it well formed at its top level, and does the check fit? NULL, or why not. */
static const char *verify(struct session_reader *r, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *begin = p, *at = p;
	bool ours = false, checked = false;
	struct wire_field f;
	int more;

	for (;;) {
		while (end - p > 2 && p[0] == 0x0a && p[1] < 0x80 && end - p - 2 >= p[1])
			p += 2 + p[1]; /* events, as short as they nearly always are */
		at = p;
		more = wire_next(&p, end, &f);
		if (more <= 0)
			break;
		if (f.number == 1 && f.type != WIRE_BYTES)
			return "a malformed event";
		ours |= f.number >= 16 && f.number < 31;
		if (f.number == 31) {
			if (f.type != WIRE_FIXED32 || p != end || p - at != CHECK_BYTES)
				return "a malformed check";
			if (crc32(0, begin, (uInt)(at - begin)) != f.value)
				return "a wrong check: its bytes were changed";
		}
		checked |= f.number == 31;
		if (f.number >= 16)
			r->batch.original = false;
	}
	if (more < 0)
		return "malformed fields";
	/* Who writes our fields writes the check: without it, its tag was changed, or it was cut.
	 */
	return ours && !checked ? "no check" : NULL;
}

/* No fault of the session's: the reading fails, the session does not end here. */
static const char no_memory[] = "no memory";

/* Reads all but the events. NULL, or why not. */
static const char *open_batch(struct session_reader *r, const uint8_t *p, const uint8_t *end,
			      struct session_chunk *chunk)
{
	struct open_batch *b = &r->batch;
	struct wire_field f;
	const char *why;

	b->at = b->column = b->column_end = b->cpus = b->cpus_end = NULL;
	b->cpu_events = b->cpu = 0;
	b->n_gaps = b->gap = 0;
	b->given = 0;
	b->original = true;
	why = verify(r, p, end);
	if (why)
		return why;
	b->end = end;
	if (!b->original) {
		const uint8_t *at = p;

		while (wire_next(&at, end, &f) > 0) {
			int err = f.number != 1 ? read_extra(r, &f, chunk) : 0;

			if (err)
				return err == -ENOMEM ? no_memory : "a malformed definition";
		}
	}
	b->at = p;
	return NULL;
}

/* --- events ----------------------------------------------------------------------------------- */

/* Puts one event into the chunk. */
static void give(struct session_reader *r, struct session_chunk *chunk)
{
	if (tables_event(r->tables, &r->raw[chunk->n], &r->events[chunk->n]))
		chunk->n++;
	else
		r->end.skipped++;
}

static void give_gap(struct session_reader *r, struct session_chunk *chunk, size_t *n_gaps)
{
	struct open_batch *b = &r->batch;

	r->raw[chunk->n] =
		(struct raw_event){.timestamp = b->gap_events[b->gap].time_ns, .type = EVENT_LOST};
	r->chunk_gaps[(*n_gaps)++] = b->gaps[b->gap];
	r->events[chunk->n++] = b->gap_events[b->gap++];
}

/* What the columns say of the next event. 0 or -EBADMSG. */
static int read_columns(struct open_batch *b, struct raw_event *raw)
{
	uint64_t context = 0;

	if (b->column < b->column_end && wire_varint(&b->column, b->column_end, &context))
		return -EBADMSG;
	while (!b->cpu_events && b->cpus < b->cpus_end) {
		if (wire_varint(&b->cpus, b->cpus_end, &b->cpu_events) ||
		    wire_varint(&b->cpus, b->cpus_end, &b->cpu))
			return -EBADMSG;
	}
	raw->context = (uint32_t)context;
	raw->cpu = b->cpu_events && b->cpu <= EVENT_CPUS_MAX ? (uint32_t)b->cpu : 0;
	if (b->cpu_events)
		b->cpu_events--;
	raw->original = b->original;
	return 0;
}

/* The next events of the open batch. NULL, or why not. */
static const char *batch_events(struct session_reader *r, struct session_chunk *chunk)
{
	struct open_batch *b = &r->batch;
	struct wire_field f;
	size_t n_gaps = 0;

	while (chunk->n < SESSION_CHUNK && b->at) {
		if (b->gap < b->n_gaps && b->gap_before[b->gap] <= b->given) {
			give_gap(r, chunk, &n_gaps);
			continue;
		}
		if (b->end - b->at > 2 && b->at[0] == 0x0a && b->at[1] < 0x80 &&
		    b->end - b->at - 2 >= b->at[1]) { /* what nearly all of a batch is made of */
			f.number = 1;
			f.len = b->at[1];
			f.data = b->at + 2;
			b->at = f.data + f.len;
		} else if (wire_next(&b->at, b->end, &f) <= 0) {
			if (b->gap == b->n_gaps)
				b->at = NULL;
			else
				b->given = UINT32_MAX; /* gaps after the last event */
			continue;
		}
		if (f.number != 1)
			continue;
		if (wire_event(f.data, f.data + f.len, &r->raw[chunk->n]) ||
		    read_columns(b, &r->raw[chunk->n]))
			return "a malformed event";
		b->given++;
		give(r, chunk);
	}
	return NULL;
}

static int single_event(struct session_reader *r, uint32_t len, struct session_chunk *chunk)
{
	const uint8_t *p = r->window.data + r->window.start + 4;
	struct raw_event *raw = &r->raw[chunk->n];

	if (wire_event(p, p + len, raw))
		return -EBADMSG;
	raw->context = raw->cpu = 0;
	raw->original = true;
	give(r, chunk);
	window_take(r, 4 + len);
	return 0;
}

bool reader_pb_begins(int fd, uint64_t bytes)
{
	uint8_t head[8] = {0};
	ssize_t n = pread(fd, head, sizeof(head), 0);
	unsigned header = le32(head) == BATCH_MARKER ? 8 : 4;

	return n < 0 || (n >= (ssize_t)header && le32(head + header - 4) <= bytes - header &&
			 le32(head + header - 4) <= SESSION_RECORD_MAX);
}

/*
 * Brings the next record into the window: 1 and its header's and content's length, 0 at the end (or
 * stopped), -errno.
 */
static int next_record(struct session_reader *r, uint32_t *ret_header, uint32_t *ret_len)
{
	uint64_t left;
	int more = window_fill(r, 4), err;

	if (more <= 0) {
		size_t rest = r->window.end - r->window.start;

		return more < 0 ? more : rest ? reader_stop(r, "cut off in a record's length") : 0;
	}
	*ret_header = 4;
	*ret_len = le32(r->window.data + r->window.start);
	if (*ret_len == BATCH_MARKER) {
		more = window_fill(r, 8);
		if (more <= 0)
			return more < 0 ? more : reader_stop(r, "cut off in a batch's length");
		*ret_header = 8;
		*ret_len = le32(r->window.data + r->window.start + 4);
	}
	err = reader_measure(r, &left);
	if (err)
		return err;
	left = left > r->window.offset + *ret_header ? left - r->window.offset - *ret_header : 0;
	if (*ret_len > left)
		return reader_stop(r, "a record of %u bytes was cut off after %llu", *ret_len,
				   (unsigned long long)left);
	if (*ret_len > SESSION_RECORD_MAX) {
		r->stopped = true;
		return reader_stop(r, "a record of %u bytes: more than the %u a record may have",
				   *ret_len, SESSION_RECORD_MAX);
	}
	more = window_fill(r, *ret_header + *ret_len);
	if (more == 0)
		return reader_stop(r, "the file became shorter while it was read");
	return more;
}

/* Ends the session for good at the window's offset: the record there is malformed. */
static int bad_record(struct session_reader *r, const char *why, struct session_chunk *chunk)
{
	r->stopped = true;
	r->batch.at = NULL;
	chunk->n_procs = chunk->n_seen = 0;
	return reader_stop(r, "the record at byte %llu has %s",
			   (unsigned long long)r->window.offset, why);
}

/* Ends a batch whose events are all given. */
static void close_batch(struct session_reader *r)
{
	const uint8_t *record = r->window.data + r->window.start;

	window_take(r, (size_t)(r->batch.end - record));
}

static int fill_chunk(struct session_reader *r, struct session_chunk *chunk)
{
	const char *why = NULL;
	uint32_t header, len;
	int more;

	if (r->batch.at)
		goto events;
	more = next_record(r, &header, &len);
	if (more <= 0)
		return more;
	/* Records of one event: as many as fit. */
	while (header == 4) {
		if (single_event(r, len, chunk)) {
			(void)bad_record(r, "a malformed event", chunk);
			return chunk->n > 0;
		}
		if (chunk->n == SESSION_CHUNK)
			return 1;
		more = next_record(r, &header, &len);
		if (more <= 0)
			return chunk->n ? 1 : more;
	}
	if (chunk->n)
		return 1;
	why = open_batch(r, r->window.data + r->window.start + header,
			 r->window.data + r->window.start + header + len, chunk);
events:
	if (!why)
		why = batch_events(r, chunk);
	if (why == no_memory) {
		r->batch.at = NULL;
		return -ENOMEM;
	}
	if (why) {
		(void)bad_record(r, why, chunk);
		return chunk->n > 0;
	}
	chunk->more = r->batch.at != NULL;
	if (!chunk->more)
		close_batch(r);
	return 1;
}

int reader_pb_next(struct session_reader *r, struct session_chunk *ret)
{
	int more;

	ret->offset = r->window.offset;
	r->n_seen = 0;
	more = fill_chunk(r, ret);
	if (more <= 0)
		return more;
	ret->seen = r->seen;
	ret->seen_proc = r->seen_proc;
	ret->n_seen = r->stopped ? 0 : r->n_seen;
	ret->seen_ns = r->seen_ns;
	return 1;
}
