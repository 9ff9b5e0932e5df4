/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What somebody may wait for: conditions, most with a number in their name, "goroutines_gt_1000",
 * that hold or do not. One row in conditions.c is one of them. Any thread.
 */
#ifndef XGOTOPFS_VIEW_CONDITIONS_H
#define XGOTOPFS_VIEW_CONDITIONS_H

#include "core/view/view.h"

#define VIEW_CONDITIONS_MAX     8
#define VIEW_CONDITION_BITS     37 /* of its number: a folder's entry has room for no more */
#define VIEW_CONDITION_NAME_MAX 64

struct view_condition {
	unsigned row;
	uint64_t number; /* in the row's own unit */
};

/* -ENOENT: no condition is called so, or with such a number. */
int view_condition_named(const char *name, struct view_condition *ret);
/*
 * 1 when it holds, and then a line with the figure and its evidence is added; 0 when it does not,
 * or -errno. Looks at every goroutine: milliseconds, where there are many.
 */
int view_condition_holds(const struct view *v, unsigned proc, const struct view_condition *c,
			 struct buf *out);

#endif
