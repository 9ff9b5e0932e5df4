/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* -convert; see convert.h. */
#include "core/session/convert.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/safe_file.h"
#include "core/session/encoder.h"
#include "core/session/perfetto.h"
#include "core/session/reader.h"
#include "core/session/store.h"

#define OUT_BYTES   (1u << 20)
#define PROGRESS_NS (NS_PER_SEC / 5)

struct convert {
	const struct convert_config *config;
	struct names *names;
	struct session_reader *reader;
	struct session_meta meta;
	struct encoder *encoder;
	bool has_first_proc; /* of the encoder */
	struct perfetto *perfetto;
	struct buf out;
	uint64_t events, begun_ns, shown_ns; /* events: without what says that some are lost */
	bool seen_left;                      /* snapshots, which JSONL has no place for */
	bool unwritten;                      /* what failed is where it goes to */
};

static const char *const targets[] = {"jsonl", "protobuf", "perfetto"};

int convert_parse(const char *text, enum convert_to *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(targets); i++) {
		if (strcmp(text, targets[i]) == 0) {
			*ret = (enum convert_to)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int drain(struct convert *c, size_t more_than)
{
	int err = buf_error(&c->out);

	if (err || c->out.len <= more_than)
		return err;
	err = file_write(c->config->out_fd, c->out.data, c->out.len);
	c->unwritten = err != 0;
	buf_reset(&c->out);
	return err;
}

static void show_progress(struct convert *c, const struct session_chunk *chunk, bool end)
{
	uint64_t now = monotonic_ns(), size = session_reader_size(c->reader);
	double seconds = (double)(now - c->begun_ns) / NS_PER_SEC;
	char line[120];
	int n;

	if (c->config->progress_fd < 0 || (!end && now - c->shown_ns < PROGRESS_NS))
		return;
	c->shown_ns = now;
	n = snprintf(line, sizeof(line), "\r%3.0f%%  %llu events  %.1f M/s\033[K%s",
		     end || !size ? 100.0 : 100.0 * (double)chunk->next / (double)size,
		     (unsigned long long)c->events,
		     seconds > 0 ? (double)c->events / seconds / 1e6 : 0, end ? "\n" : "");
	if (write(c->config->progress_fd, line, (size_t)n) < 0)
		return; /* only for show */
}

/* --- protobuf --------------------------------------------------------------------------------- */

static size_t begin_record(struct buf *out)
{
	size_t at = out->len;

	buf_add(out, "\xff\xff\xff\xff\0\0\0\0", 8);
	return at;
}

static int end_record(struct buf *out, size_t at)
{
	uint32_t len = (uint32_t)(out->len - at - 8);

	if (buf_error(out))
		return buf_error(out);
	for (unsigned i = 0; i < 4; i++)
		out->data[at + 4 + i] = (char)(len >> (8 * i));
	return 0;
}

static int add_snapshot(struct convert *c, const struct session_chunk *chunk)
{
	struct goroutine *list;
	int err = 0;

	if (!chunk->n_seen)
		return 0;
	list = calloc(chunk->n_seen, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < chunk->n_seen; i++) {
		const struct goroutine_seen *seen = &chunk->seen[i];

		list[i] = (struct goroutine){
			.goid = seen->goid,
			.parent = seen->parent,
			.proc = chunk->seen_proc[i],
			.state = seen->state,
			.flags = seen->system ? GOROUTINE_SYSTEM : 0,
			.reason_id = seen->reason_id,
			.start_func_id = seen->start_func_id,
			.created_site_id = seen->created_site_id,
		};
	}
	for (size_t i = 0; i < chunk->n_seen && !err; i += ENCODER_SNAPSHOT_MAX) {
		size_t n = MIN(chunk->n_seen - i, (size_t)ENCODER_SNAPSHOT_MAX);
		size_t at = begin_record(&c->out);

		err = encoder_snapshot(c->encoder, chunk->seen_ns, list + i, n);
		if (!err)
			err = encoder_batch(c->encoder, NULL, 0, NULL, &c->out);
		if (!err)
			err = end_record(&c->out, at);
	}
	free(list);
	return err;
}

/* The original's events keep all they had, garbage too. Ours in JSONL may look like the original's.
 */
static bool as_recorded(const struct convert *c, const struct session_chunk *chunk)
{
	bool original = !c->meta.ours;

	for (size_t i = 0; i < chunk->n && original; i++)
		original = chunk->raw[i].original;
	return original;
}

/* Processes count up from 0. The first one may only be in metadata.json. */
static int first_proc(struct convert *c, const struct session_chunk *chunk)
{
	struct proc_info info = {.pid = (pid_t)c->meta.pid};

	if (c->has_first_proc || !chunk->n_procs)
		return 0;
	c->has_first_proc = true;
	if (chunk->proc_index[0] == 0)
		return 0;
	info.attached_ns = c->meta.first_event_ns;
	proc_info_name(&info, c->meta.binary_path, c->meta.go_version);
	return encoder_process(c->encoder, 0, &info);
}

static int to_protobuf(struct convert *c, const struct session_chunk *chunk)
{
	uint64_t by_type[EVENT_TYPES] = {0};
	size_t at, gap = 0;
	int err = first_proc(c, chunk);

	for (size_t i = 0; i < chunk->n_procs && !err; i++)
		err = encoder_process(c->encoder, chunk->proc_index[i], &chunk->procs[i]);
	if (!err)
		err = add_snapshot(c, chunk);
	if (err || !chunk->n)
		return err;
	for (size_t i = 0; i < chunk->n; i++) {
		struct event *ev = &chunk->events[i];

		if (ev->type != EVENT_LOST)
			continue;
		for (unsigned t = 0; t < EVENT_TYPES; t++)
			by_type[t] += chunk->gaps[gap].lost[t];
		if (chunk->gaps[gap++].recorder)
			ev->flags |= ENCODER_BY_RECORDER;
	}
	at = begin_record(&c->out);
	err = as_recorded(c, chunk)
		      ? encoder_raw_batch(c->encoder, chunk->raw, chunk->n, &c->out)
		      : encoder_batch(c->encoder, chunk->events, chunk->n, by_type, &c->out);
	return err ? err : end_record(&c->out, at);
}

/* --- the others ------------------------------------------------------------------------------- */

static int to_jsonl(struct convert *c, const struct session_chunk *chunk)
{
	/* A line of another type would be an event to the original. */
	c->seen_left |= chunk->n_seen > 0;
	for (size_t i = 0; i < chunk->n; i++)
		session_reader_json(c->reader, chunk, i, &c->out);
	return 0;
}

static int to_perfetto(struct convert *c, const struct session_chunk *chunk)
{
	int err = 0;

	for (size_t i = 0; i < chunk->n_procs && !err; i++)
		err = perfetto_process(c->perfetto, chunk->proc_index[i], &chunk->procs[i],
				       &c->out);
	for (size_t i = 0; i < chunk->n_seen && !err; i++)
		err = perfetto_goroutines(c->perfetto, chunk->seen_proc[i], &chunk->seen[i], 1,
					  chunk->seen_ns, &c->out);
	return err ? err : perfetto_events(c->perfetto, chunk->events, chunk->n, &c->out);
}

static int convert_chunk(struct convert *c, const struct session_chunk *chunk)
{
	int err = 0;

	switch (c->config->to) {
	case CONVERT_JSONL:
		return to_jsonl(c, chunk);
	case CONVERT_PROTOBUF:
		return to_protobuf(c, chunk);
	case CONVERT_PERFETTO:
		if (!c->perfetto)
			err = perfetto_begin(c->names, &c->meta, chunk, &c->perfetto, &c->out);
		return err ? err : to_perfetto(c, chunk);
	}
	return -EINVAL;
}

/* What of it is not in what was written, and why. `whole`: it was gone through to its end. */
static void say_missing(const struct convert *c, bool whole)
{
	struct session_end end;

	session_reader_end(c->reader, &end);
	if (end.reason[0])
		log_warn("session %s: %s; %llu bytes after byte %llu are missing",
			 c->config->session, end.reason, (unsigned long long)end.missing_bytes,
			 (unsigned long long)end.good_bytes);
	if (end.warning[0])
		log_warn("session %s: %s", c->config->session, end.warning);
	end.unread_events = whole ? session_end_unread(&end, &c->meta, c->events) : 0;
	session_end_warn(&end, &c->meta, c->config->session);
	if (c->seen_left)
		log_warn("session %s: jsonl is events alone: what the session tells of goroutines "
			 "that "
			 "were there before (start functions, states) is not kept",
			 c->config->session);
	if (names_dropped(c->names))
		log_warn(
			"session %s: %llu names or types are missing: they did not fit into memory",
			c->config->session, (unsigned long long)names_dropped(c->names));
}

static int convert_all(struct convert *c)
{
	struct session_chunk chunk = {0};
	int err = 0, more;

	c->begun_ns = monotonic_ns();
	while (!err && (more = session_reader_next(c->reader, &chunk)) > 0) {
		err = convert_chunk(c, &chunk);
		c->events += session_chunk_events(&chunk);
		if (!err)
			err = drain(c, OUT_BYTES);
		show_progress(c, &chunk, false);
	}
	if (!err)
		err = MIN(more, 0);
	/* A trace without an event can be loaded, an empty file cannot. */
	if (!err && c->config->to == CONVERT_PERFETTO && !c->perfetto)
		err = perfetto_begin(c->names, &c->meta, &(struct session_chunk){0}, &c->perfetto,
				     &c->out);
	if (!err && c->perfetto)
		err = perfetto_finish(
			c->perfetto, session_reader_until(c->reader, &c->meta, c->events), &c->out);
	if (!err)
		err = drain(c, 0);
	show_progress(c, &chunk, true);
	say_missing(c, !err);
	return err;
}

int convert_run(const struct convert_config *config)
{
	cleanup_close_ int dir = session_resolve(config->storage_dir, config->session);
	struct convert c = {.config = config};
	char why[160];
	int err;

	if (dir < 0)
		return dir;
	if (config->to != CONVERT_JSONL && isatty(config->out_fd))
		return log_error(-EINVAL,
				 "%s is binary: send the output to a file (> FILE) or a pipe",
				 targets[config->to]);
	err = names_new(1u << 20, &c.names);
	if (!err)
		err = session_reader_open(dir, c.names, &c.meta, &c.reader);
	if (!err && config->to == CONVERT_PROTOBUF)
		err = encoder_new(c.names, &c.encoder);
	if (!err)
		err = convert_all(&c);
	if (err && !c.reader)
		session_open_error(err, why, sizeof(why));
	else
		snprintf(why, sizeof(why), "%s", strerror(-err));
	if (err)
		(void)log_error(err, "session %s: %s%s", config->session,
				c.unwritten ? "what it is converted to cannot be written: " : "",
				why);
	buf_free(&c.out);
	perfetto_free(c.perfetto);
	encoder_free(c.encoder);
	session_reader_close(c.reader);
	names_free(c.names);
	return err;
}
