/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A row of the table, in one piece. Any thread. */
#include "core/view/view.h"

#include <errno.h>

#include "core/view/emit.h"

#define WAITING "waiting: no process has been seen yet"

bool view_waits(const struct view *v, const struct view_row *row, int err)
{
	return err == -ENOENT && row->scope == VIEW_PROCESS && !model_procs(v->model);
}

/* Whoever looks for a verdict finds one. */
static int say_waiting(const struct view_row *row, enum view_form form, struct buf *out)
{
	bool verdict = row->fn == view_health;
	struct emit e;

	if (form == VIEW_BINARY)
		return 0;
	if (form == VIEW_TEXT && !verdict) {
		buf_adds(out, WAITING "\n");
		return buf_error(out);
	}
	emit_begin(&e, form, out);
	if (verdict)
		emit_string(&e, "verdict", WAITING);
	emit_yes(&e, "waiting", true);
	return emit_end(&e);
}

static int render(const struct view_row *row, const struct view *v, struct view_query *q,
		  struct buf *out)
{
	struct view_stream stream;
	int err;

	if (!row->stream)
		return row->fn(v, q, out);
	q->bytes_max = VIEW_STREAM_MAX;
	err = row->stream(v, q, &stream);
	if (err)
		return err;
	do {
		cleanup_buf_ struct buf piece = BUF_INIT;

		err = stream.next(stream.ctx, &piece);
		buf_add(out, piece.data, piece.len);
	} while (err > 0 && !buf_error(out));
	stream.free(stream.ctx);
	return err < 0 ? err : buf_error(out);
}

int view_render(const struct view_row *row, const struct view *v, struct view_query *q,
		struct buf *out)
{
	int err;

	view_look(v, q->proc, row->cost);
	if (row->cost != VIEW_QUICK && !row->soon)
		view_await(v, q->proc);
	err = render(row, v, q, out);
	return view_waits(v, row, err) ? say_waiting(row, q->form, out) : err;
}
