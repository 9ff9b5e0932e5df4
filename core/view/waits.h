/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The wait graph as other views show it. For this room; any thread. */
#ifndef XGOTOPFS_VIEW_WAITS_H
#define XGOTOPFS_VIEW_WAITS_H

#include "core/view/emit.h"

/* The keys of a goroutine's status: what it waits on, and who may hold that; nothing where nobody
 * can say. Never waits for a reading. */
void view_emit_waits_on(struct emit *e, const struct view *v, unsigned proc,
			const struct goroutine *g);

#endif
