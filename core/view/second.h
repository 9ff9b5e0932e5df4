/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a process's goroutines did in the last second, or in some more, out of the retained events
 * of that time alone: what `top` shows, for views that sum it up in other ways. For this room; any
 * thread.
 */
#ifndef XGOTOPFS_VIEW_SECOND_H
#define XGOTOPFS_VIEW_SECOND_H

#include "core/view/view.h"

struct second_row {
	uint64_t goid;
	uint64_t state_ns[GSTATES];
	uint64_t wakes; /* waits that ended */
	uint64_t alloc_bytes;
	uint32_t reason_id; /* of the last of those waits; names_string() */
};

struct second_site {
	uint64_t site_id; /* names_site(): who allocated; 0 not known */
	uint64_t alloc_bytes;
};

struct second {
	uint64_t ns; /* how long it was: less when it was attached to later, */
	bool cut;    /* or when that is all that is retained */
	bool events; /* false: none are seen just now, and below are those that run by memory */
	bool states; /* false: changes of state are not all seen */
	uint64_t alloc_bytes;
	struct second_row *rows; /* in no order */
	size_t n;
	struct second_site *sites; /* in no order */
	size_t n_sites;
};

/* Of the last `ns`. 0, -ENOENT (no such process), -ENOMEM. second_free() it, also after an error.
 */
int second_measure(const struct view *v, unsigned proc, uint64_t ns, struct second *ret);
void second_free(struct second *s);

#endif
