/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A query's arguments: read in one place, so that a file has the same defaults as a request without
 * any, and what does not fit is said in the same words. Errors fill `why`.
 */
#ifndef XGOTOPFS_VIEW_QUERY_H
#define XGOTOPFS_VIEW_QUERY_H

#include "core/view/view.h"

/* Says why; returns `err`. */
int view_refuse(struct view_query *q, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The argument; NULL: it is not given. */
const char *view_arg_text(const struct view_query *q, const char *name);
/* A decimal number in [min, max]; `absent` when it is not there or empty. 0 or -EINVAL. */
int view_arg_u64(struct view_query *q, const char *name, uint64_t min, uint64_t max,
		 uint64_t absent, uint64_t *ret);
/* One of `words` (NULL at their end): its number in *ret, which stays as it is when the argument is
 * not there or empty. 0 or -EINVAL. */
int view_arg_word(struct view_query *q, const char *name, const char *const words[], unsigned *ret);
/* Is it there, and neither "0" nor "false"? */
bool view_arg_yes(const struct view_query *q, const char *name);
/* ?proc=N into q->proc: view_root() unless given, or VIEW_ALL_PROCS when `all`. 0, -EINVAL or
 * -ENOENT. */
int view_arg_proc(const struct view *v, struct view_query *q, bool all);
/* ?format=text|json into q->form, where `forms` leave a choice; as it was unless given. 0 or
 * -EINVAL. */
int view_arg_form(struct view_query *q, unsigned forms);

#endif
