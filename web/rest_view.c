/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Views of a source: one handler for all of them, each asked as its row says (core/view/view.h). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/parse.h"
#include "core/view/family.h"
#include "core/view/query.h"
#include "web/rest.h"

const char *rest_argument(void *request, const char *name)
{
	const struct request *rq = request;

	for (unsigned i = 0; rq->view && i < 2 && rq->view->in_path[i]; i++) {
		if (!strcmp(rq->view->in_path[i], name))
			return rest_param(rq, i);
	}
	return http_arg(rq, name);
}

/* JSON unless text is wanted, or is all there is. */
static enum view_form form_of(const struct request *rq, unsigned forms)
{
	if (forms & VIEW_HAS(VIEW_JSON) && !(rq->text && forms & VIEW_HAS(VIEW_TEXT)))
		return VIEW_JSON;
	return forms & VIEW_HAS(VIEW_TEXT) ? VIEW_TEXT : VIEW_BINARY;
}

/* A stream, and the source it is of. */
struct streaming {
	struct view_stream stream;
	struct sources *sources;
	struct source *source;
};

static int streaming_next(void *ctx, struct buf *out)
{
	struct streaming *st = ctx;

	return st->stream.next(st->stream.ctx, out);
}

static void streaming_free(void *ctx)
{
	struct streaming *st = ctx;

	st->stream.free(st->stream.ctx);
	source_put(st->sources, st->source);
	free(st);
}

/* Begins a long answer; the source is given back when it is over. */
static int begin(const struct request *rq, const struct view_row *row, struct source *s,
		 struct view_query *q, struct response *rs)
{
	struct streaming *st = calloc(1, sizeof(*st));
	int err = st ? row->stream(&s->view, q, &st->stream) : -ENOMEM;

	if (err) {
		free(st);
		return err;
	}
	st->sources = rq->web->sources;
	st->source = s;
	rs->more = streaming_next;
	rs->more_free = streaming_free;
	rs->more_ctx = st;
	return 0;
}

static int ask(const struct request *rq, const struct view_row *row, struct source *s,
	       struct view_query *q, struct response *rs)
{
	int err = view_arg_proc(&s->view, q, row->all_procs);

	if (!err && !row->own_format)
		err = view_arg_form(q, row->forms);
	if (!err && row->scope == VIEW_GOROUTINE && parse_u64(rest_param(rq, 0), &q->goid))
		err = view_refuse(q, -EINVAL, "\"%.40s\" is not a number", rest_param(rq, 0));
	if (!err && row->scope == VIEW_TYPE &&
	    view_type_of(&s->view, q->proc, rest_param(rq, 0), &q->type))
		err = view_refuse(q, -ENOENT, "no type \"%.80s\"", rest_param(rq, 0));
	if (!err && row->here && !row->here(&s->view))
		err = -ENOSYS;
	if (!err)
		err = row->stream ? begin(rq, row, s, q, rs) : row->fn(&s->view, q, &rs->body);
	if (err == -ENOENT && row->scope == VIEW_GOROUTINE && !q->why[0])
		view_refuse(q, err, "no goroutine %llu", (unsigned long long)q->goid);
	/* An error, as there is nothing to read, and one that clients try again after. */
	if (view_waits(&s->view, row, err) && !s->view.replay)
		err = view_refuse(q, -EAGAIN, "no process yet");
	return err;
}

static int answer(const struct request *rq, const struct view_row *row, struct response *rs)
{
	struct view_query q = {
		.form = form_of(rq, row->forms), .arg = rest_argument, .arg_ctx = (void *)rq};
	struct source *s = rest_source(rq, rs);
	int err;

	if (!s)
		return 0;
	err = ask(rq, row, s, &q, rs);
	if (!rs->more)
		rest_done(rq, s);
	if (err && q.why[0])
		return http_error(rs, http_status(err), "%s", q.why);
	if (err)
		return err;
	if (q.content_type)
		rs->content_type = q.content_type;
	else if (q.form != VIEW_JSON)
		rs->content_type =
			row->content_type ? row->content_type : "text/plain; charset=utf-8";
	if (row->download)
		snprintf(rs->filename, sizeof(rs->filename), "%s", row->download);
	return 0;
}

int rest_view(const struct request *rq, struct response *rs)
{
	return answer(rq, rq->view, rs);
}

int rest_view_named(const struct request *rq, struct response *rs, const char *name)
{
	unsigned i = 0;

	while (views[i].scope != VIEW_PROCESS || strcmp(views[i].name, name))
		i++;
	return answer(rq, &views[i], rs);
}
