/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who causes the hits of the probes, out of events: by call site, where an event tells one, and
 * changes of state by what they change. A hit whose event was not chosen or that is none is
 * nobody's. Not thread-safe.
 */
#ifndef XGOTOPFS_VIEW_HITS_H
#define XGOTOPFS_VIEW_HITS_H

#include <stdbool.h>

#include "core/view/groups.h"
#include "core/view/view_internal.h"

struct hits {
	struct groups rows;
	uint64_t all;
	bool by_states; /* creations and exits are seen in changes of state: no hits of their own */
};

/* Changes of state are probed, as far as the view knows. */
void hits_init(struct hits *h, const struct view *v);
void hits_free(struct hits *h);
/* Did a hit of its own tell it? */
bool hits_has(const struct hits *h, const struct event *ev);
/* One of those. 0 or -ENOMEM. */
int hits_add(struct hits *h, const struct event *ev);
/* The table, "[…]" in JSON, of what was added in so many seconds. 0 or -ENOMEM. */
int hits_emit(const struct hits *h, const struct view *v, double seconds, enum view_form form,
	      struct buf *out);

#endif
