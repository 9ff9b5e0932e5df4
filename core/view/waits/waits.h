/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The wait graph as other views show it. For this room; any thread. */
#ifndef XGOTOPFS_VIEW_WAITS_H
#define XGOTOPFS_VIEW_WAITS_H

#include "core/memory/wait_graph.h"
#include "core/view/emit.h"

/* The keys of a goroutine's status: what it waits on, and who may hold that; nothing where nobody
 * can say. Never waits for a reading. */
void view_emit_waits_on(struct emit *e, const struct view *v, unsigned proc,
			const struct goroutine *g);

/* What is waited on, for people: "chan main.job len=0 cap=0, open". */
void view_add_object(const struct wait_graph *graph, const struct wait_object *o, struct buf *out);
const char *view_object_kind(const struct wait_object *o); /* "chan", "Mutex" */
/* Why we think that he holds it: "defers sync.(*Mutex).Unlock in main.work (/src/main.go:12)". */
void view_add_evidence(const struct wait_graph *graph, const struct wait_holder *h,
		       struct buf *out);

#endif
