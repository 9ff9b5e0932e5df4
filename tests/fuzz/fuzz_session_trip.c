/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any events, recorded in either format and read again: each reads as what it was, to the last byte
 * of its line, names and all; nothing is missing and nothing is left over.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "core/model/event_format.h"
#include "core/session/reader.h"
#include "core/session/writer.h"
#include "tests/fuzz/fuzz.h"

#define EVENTS_MAX 64
#define NAMES      6

static char dir_path[] = "/tmp/fuzz_session_trip.XXXXXX";
static int dir = -1;

static void remove_dir(void)
{
	unlinkat(dir, session_format_file(SESSION_PROTOBUF), 0);
	unlinkat(dir, session_format_file(SESSION_JSONL), 0);
	rmdir(dir_path);
}

/* Texts as a Go program has them, and some that it has not: but well-formed ones, as the recording
 * replaces what is not. */
static void make_names(struct names *names, struct fuzz_input *in, uint32_t strings[NAMES],
		       uint32_t types[NAMES], uint32_t sites[NAMES])
{
	static const char *const pieces[] = {
		"main.", "(*T).", "[go.shape.int]", "\"", "\\", "\xc3\xa9", "\x01", "/", " "};
	char text[64];

	for (unsigned i = 0; i < NAMES; i++) {
		uint8_t n = fuzz_u8(in) % 5;
		struct go_type type;

		snprintf(text, sizeof(text), "n%u", i);
		for (; n; n--)
			strcat(text, pieces[fuzz_u8(in) % ARRAY_SIZE(pieces)]);
		strings[i] = i ? names_intern(names, text, strlen(text)) : 0;
		type = (struct go_type){
			.name = text, .size = fuzz_number(in, 3), .kind = fuzz_u8(in) % 27};
		type.elem_size = type.kind == 21 || type.kind == 23 ? fuzz_u8(in) : 0;
		types[i] = i ? names_add_type(names, &type) : 0;
		sites[i] = i ? names_add_site(names, (struct site){strings[i], strings[i / 2],
								   fuzz_u8(in)})
			     : 0;
	}
}

static size_t make_events(struct names *names, struct fuzz_input *in, struct event *events)
{
	uint32_t strings[NAMES], types[NAMES], sites[NAMES];
	uint64_t now = 1000000000u + fuzz_number(in, 5);
	size_t n = 0;

	make_names(names, in, strings, types, sites);
	for (; in->p < in->end && n < EVENTS_MAX; n++) {
		struct event *ev = &events[n];
		uint8_t head = fuzz_u8(in), wide = head & 64 ? 8 : 2;

		*ev = (struct event){.type = head % EVENT_TYPES, .time_ns = now};
		now += fuzz_number(in, 2);
		ev->goid = fuzz_number(in, wide) >> 1;
		switch (ev->type) {
		case EVENT_CASGSTATUS:
			ev->target = 1 + fuzz_u8(in);
			ev->from = fuzz_u8(in) % GSTATES;
			ev->to = fuzz_u8(in) % GSTATES;
			ev->string_id = ev->to == GSTATE_WAITING ? strings[fuzz_u8(in) % NAMES] : 0;
			break;
		case EVENT_NEWGOROUTINE:
			ev->target = 1 + fuzz_number(in, wide) / 2;
			ev->string_id = strings[fuzz_u8(in) % NAMES];
			ev->site_id = sites[fuzz_u8(in) % NAMES];
			break;
		case EVENT_GOEXIT:
			ev->target = ev->goid;
			ev->exit_time = ev->time_ns;
			break;
		default:
			ev->size = fuzz_number(in, wide);
			ev->cap = ev->type == EVENT_MAKESLICE ? fuzz_number(in, wide) : 0;
			ev->type_id = types[fuzz_u8(in) % NAMES];
			ev->site_id = sites[fuzz_u8(in) % NAMES];
		}
		ev->parent = fuzz_u8(in);
	}
	return n;
}

static void record(enum session_format format, const struct names *names,
		   const struct event *events, size_t n, size_t batch)
{
	struct writer *w;

	if (dir < 0) {
		FUZZ_ASSERT(mkdtemp(dir_path));
		dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		FUZZ_ASSERT(dir >= 0);
		atexit(remove_dir);
	}
	unlinkat(dir, session_format_file(format), 0);
	FUZZ_ASSERT(!writer_new(dir, format, names, NULL, false, &w));
	for (size_t i = 0; i < n; i += batch)
		FUZZ_ASSERT(!writer_batch(w, events + i, MIN(batch, n - i), NULL));
	FUZZ_ASSERT(!writer_close(w, false));
}

static void check(enum session_format format, const struct names *names, const struct event *events,
		  size_t n)
{
	struct event_format as_was = {.names = names};
	struct buf want = BUF_INIT, have = BUF_INIT;
	struct session_reader *reader;
	struct session_chunk chunk;
	struct session_end end;
	struct names *again;
	size_t at = 0;
	int fd = openat(dir, session_format_file(format), O_RDONLY | O_CLOEXEC);

	FUZZ_ASSERT(fd >= 0 && !names_new(1000, &again));
	FUZZ_ASSERT(!session_reader_open_fd(fd, format, again, &reader));
	while (session_reader_next(reader, &chunk) > 0) {
		for (size_t i = 0; i < chunk.n; i++, at++) {
			FUZZ_ASSERT(at < n);
			buf_reset(&want);
			buf_reset(&have);
			event_format_json(&as_was, &events[at], &want);
			session_reader_json(reader, &chunk, i, &have);
			if (want.len != have.len || memcmp(want.data, have.data, want.len))
				dprintf(fuzz_stderr, "was %.*sis  %.*s", (int)want.len, want.data,
					(int)have.len, have.data);
			FUZZ_ASSERT(want.len == have.len &&
				    !memcmp(want.data, have.data, want.len));
		}
	}
	session_reader_end(reader, &end);
	FUZZ_ASSERT(at == n && !end.missing_bytes && !end.skipped);
	session_reader_close(reader);
	names_free(again);
	buf_free(&want);
	buf_free(&have);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = fuzz_input(data, size);
	enum session_format format = fuzz_u8(&in) & 1 ? SESSION_JSONL : SESSION_PROTOBUF;
	size_t batch = 1 + fuzz_u8(&in) % EVENTS_MAX, n;
	struct event events[EVENTS_MAX];
	struct names *names;

	FUZZ_ASSERT(!names_new(1000, &names));
	n = make_events(names, &in, events);
	if (n) {
		record(format, names, events, n, batch);
		check(format, names, events, n);
	}
	names_free(names);
	return 0;
}
