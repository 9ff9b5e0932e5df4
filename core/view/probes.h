/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is attached now, and so how fine what the views say is. For this room; any thread. */
#ifndef XGOTOPFS_VIEW_PROBES_H
#define XGOTOPFS_VIEW_PROBES_H

#include "core/view/emit.h"
#include "core/view/view.h"

/* Have the probes of the events been in all the while, so that what is counted of goroutines is all
 * there was? Of a recording: yes. */
bool view_probes_always(const struct view *v, unsigned proc);
/* What is attached; false: nobody can say (a recording). As a line: how fine what is told of
 * goroutines is. And its keys. */
bool view_probes(const struct view *v, unsigned proc, struct live_probes *ret);
/* Why there may be no events of that time: no probe was in; nothing where they were. */
void view_no_probe(const struct view *v, unsigned proc, uint64_t at, struct buf *out);
/* Of those that were there before us not all are known: who counts or looks through goroutines has
 * not seen all. One that lives. */
#define VIEW_UNREAD "not all goroutines have been read yet"
bool view_unread(const struct view *v, unsigned proc);
/* How many live, by state: keys; "?" while some are unread. */
void view_emit_live(struct emit *e, const struct view *v, unsigned proc,
		    const struct model_totals *t);
void view_probes_line(const struct view *v, unsigned proc, const struct live_probes *p,
		      struct buf *out);
void view_emit_probes(struct emit *e, const struct view *v, unsigned proc);

#endif
