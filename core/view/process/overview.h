/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the web server tells of a view inside of what it says itself: as keys of a JSON object that
 * is open. The row `meter` (view.h) is made here, too. Any thread.
 */
#ifndef XGOTOPFS_VIEW_OVERVIEW_H
#define XGOTOPFS_VIEW_OVERVIEW_H

#include "core/view/view.h"

/* first_ns … pyramid of docs/api.md's `status`; VIEW_ALL_PROCS: of all processes. Needs a pyramid.
 */
void view_overview(const struct view *v, unsigned proc, struct buf *out);
/* What the UI is told ten times a second. Needs a meter. */
void view_tick(const struct view *v, struct buf *out);
/* The original's GET /api/metrics, a whole object. Needs a meter. */
void view_meter_last(const struct view *v, struct buf *out);

#endif
