/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Downloads for ui.perfetto.dev: a recorded session, or the retained window of what is live. Made
 * while they are sent.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/session/perfetto.h"
#include "core/session/reader.h"
#include "core/session/store.h"
#include "web/rest.h"

#define PIECE     65536
#define BATCH     2048
#define NAMES_MAX (1u << 20)

struct trace {
	struct perfetto *perfetto;
	/* A recorded session */
	struct names *names; /* owned */
	struct session_reader *reader;
	/* Live */
	struct model *model;
	uint64_t cursor, end;
	struct event *events;
};

static void trace_free(void *ctx)
{
	struct trace *t = ctx;

	perfetto_free(t->perfetto);
	session_reader_close(t->reader);
	names_free(t->names);
	free(t->events);
	free(t);
}

/* --- recorded --------------------------------------------------------------------------------- */

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

static int recorded_more(void *ctx, struct buf *out)
{
	struct trace *t = ctx;

	while (out->len < PIECE) {
		struct session_chunk chunk;
		int err = session_reader_next(t->reader, &chunk);

		if (err < 0)
			return err;
		if (!err)
			return perfetto_finish(t->perfetto, out);
		err = add_chunk(t, &chunk, out);
		if (err)
			return err;
	}
	return 1;
}

static int open_recorded(struct trace *t, int dir_fd)
{
	struct session_meta meta;
	int err = names_new(NAMES_MAX, &t->names);

	if (!err)
		err = session_reader_open(dir_fd, t->names, &meta, &t->reader);
	return err ? err : perfetto_new(t->names, meta.wall_offset_ns, &t->perfetto);
}

/* --- live --------------------------------------------------------------------------------------
 */

static int live_more(void *ctx, struct buf *out)
{
	struct trace *t = ctx;

	while (out->len < PIECE && t->cursor < t->end) {
		size_t n = feed_read(model_feed(t->model), &t->cursor, t->events,
				     MIN(BATCH, t->end - t->cursor), NULL);
		int err = perfetto_events(t->perfetto, t->events, n, out);

		if (err)
			return err;
		if (!n)
			break;
	}
	return t->cursor < t->end ? 1 : perfetto_finish(t->perfetto, out);
}

static int describe_procs(struct trace *t, struct buf *out)
{
	int err = 0;

	for (unsigned i = 0; i < model_procs(t->model) && !err; i++) {
		struct proc_info info;

		if (!model_proc(t->model, i, &info))
			err = perfetto_process(t->perfetto, i, &info, out);
	}
	return err;
}

static int open_live(struct trace *t, struct model *model, struct buf *out)
{
	int err;

	t->model = model;
	t->cursor = feed_tail(model_feed(model));
	t->end = feed_head(model_feed(model));
	t->events = malloc(BATCH * sizeof(*t->events));
	if (!t->events)
		return -ENOMEM;
	err = perfetto_new(model_names(model), model_wall_offset(model), &t->perfetto);
	return err ? err : describe_procs(t, out);
}

static int answer(struct response *rs, struct trace *t, int (*more)(void *, struct buf *),
		  const char *name)
{
	rs->content_type = "application/octet-stream";
	snprintf(rs->filename, sizeof(rs->filename), "xgotop-%s.pftrace", name);
	rs->more = more;
	rs->more_free = trace_free;
	rs->more_ctx = t;
	return 0;
}

int rest_perfetto(const struct request *rq, struct response *rs)
{
	bool live = !strncmp(rq->path, "/api/live/", 10);
	cleanup_close_ int fd = -1;
	struct trace *t;
	int err;

	if (!live) {
		fd = rest_open_session(rq, rs, rq->params[0]);
		if (fd < 0)
			return 0;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	err = live ? open_live(t, sources_live(rq->web->sources)->view.model, &rs->body)
		   : open_recorded(t, fd);
	if (err) {
		trace_free(t);
		return err;
	}
	return answer(rs, t, live ? live_more : recorded_more, live ? "live" : rq->params[0]);
}
