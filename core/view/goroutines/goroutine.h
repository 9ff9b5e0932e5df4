/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How one goroutine is shown, for the views that show several. For this room only. */
#ifndef XGOTOPFS_VIEW_GOROUTINE_H
#define XGOTOPFS_VIEW_GOROUTINE_H

#include "core/view/view_internal.h"

/* A row of the table of goroutines: after emit_table_begin() with these columns. */
extern const char *const view_goroutine_columns[];
extern const unsigned view_n_goroutine_columns;
struct wait_stacks; /* wait_stacks.h: where they are; NULL: not known */
void view_emit_row(struct emit *e, const struct view *v, const struct goroutine *g, uint64_t now,
		   const struct wait_stacks *stacks);

/* All there is of one that takes no search, as a JSON object and a line end. 0 or -ENOMEM. */
int view_emit_goroutine(const struct view *v, const struct proc_info *info,
			const struct goroutine *g, uint64_t now, struct buf *out);

/* "2026-11-29T06:42:54.123Z" */
void view_add_utc(uint64_t unix_ns, struct buf *out);
/* ended.c: who it was, when it ended and how, as a dump that has no frames. */
void view_ended_text(const struct view *v, const struct goroutine *g, struct buf *out);

#endif
