/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A row of the table, in one piece. Any thread. */
#include "core/view/view.h"

int view_render(const struct view_row *row, const struct view *v, struct view_query *q,
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
