/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A recorded session for ui.perfetto.dev: all of it, from its file, without loading it. Made while
 * it is sent.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/session/perfetto.h"
#include "core/session/reader.h"
#include "core/session/store.h"
#include "web/rest.h"

#define PIECE 65536

struct trace {
	struct perfetto *perfetto;
	struct names *names; /* owned */
	struct session_reader *reader;
	struct session_meta meta;
	uint64_t events;
};

static void trace_free(void *ctx)
{
	struct trace *t = ctx;

	perfetto_free(t->perfetto);
	session_reader_close(t->reader);
	names_free(t->names);
	free(t);
}

static int add_chunk(struct trace *t, const struct session_chunk *chunk, struct buf *out)
{
	int err = 0;

	for (size_t i = 0; i < chunk->n_procs && !err; i++)
		err = perfetto_process(t->perfetto, chunk->proc_index[i], &chunk->procs[i], out);
	for (size_t i = 0; i < chunk->n_seen && !err; i++)
		err = perfetto_goroutines(t->perfetto, chunk->seen_proc[i], &chunk->seen[i], 1,
					  chunk->seen_ns, out);
	return err ? err : perfetto_events(t->perfetto, chunk->events, chunk->n, out);
}

static int trace_more(void *ctx, struct buf *out)
{
	struct trace *t = ctx;

	while (out->len < PIECE) {
		struct session_chunk chunk;
		int err = session_reader_next(t->reader, &chunk), begun = 0;

		if (err >= 0 && !t->perfetto)
			begun = perfetto_begin(t->names, &t->meta, &chunk, &t->perfetto, out);
		if (err < 0 || begun)
			return err < 0 ? err : begun;
		if (!err)
			return perfetto_finish(t->perfetto,
					       session_reader_until(t->reader, &t->meta, t->events),
					       out);
		t->events += session_chunk_events(&chunk);
		err = add_chunk(t, &chunk, out);
		if (err)
			return err;
	}
	return 1;
}

static int open_recorded(struct trace *t, int dir_fd)
{
	int err = names_new(NAMES_MAX, &t->names);

	if (!err)
		err = session_reader_open(dir_fd, t->names, &t->meta, &t->reader);
	return err;
}

int rest_recorded_perfetto(const struct request *rq, struct response *rs)
{
	cleanup_close_ int fd = rest_open_session(rq, rs, rq->params[0]);
	struct trace *t;
	int err;

	if (fd < 0)
		return 0;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	err = open_recorded(t, fd);
	if (err) {
		trace_free(t);
		return err;
	}
	rs->content_type = "application/octet-stream";
	snprintf(rs->filename, sizeof(rs->filename), "xgotop-%.60s.pftrace", rq->params[0]);
	rs->more = trace_more;
	rs->more_free = trace_free;
	rs->more_ctx = t;
	return 0;
}

int rest_live_perfetto(const struct request *rq, struct response *rs)
{
	return rest_view_named(rq, rs, "trace/perfetto");
}
