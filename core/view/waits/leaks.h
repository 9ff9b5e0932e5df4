/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is proven to be leaked, or suspect, in a line each. For this room; any thread. */
#ifndef XGOTOPFS_VIEW_LEAKS_H
#define XGOTOPFS_VIEW_LEAKS_H

#include "core/base/text.h"
#include "core/view/view.h"

/* Groups that look alike together, in short; the largest first. */
struct leak_brief {
	bool suspect;  /* a cycle over what is in reach; else it is proven */
	bool possible; /* a step of the cycle is no more than that */
	uint64_t goroutines, joined, watched_ns; /* joined: within watched_ns; 0 0 not known yet */
	uint64_t oldest_ns, goid;                /* one of them; its age as of then */
	uint64_t as_of_ns;                       /* the look: CLOCK_MONOTONIC */
	uint32_t func_id, site_id, reason_id;
	const char *meaning;       /* static */
	char runs[TEXT_NAME_SIZE]; /* the iterator of an iter.Pull; "" it is none */
};
/* As of the last look, and asks for another one soon; the first is waited for, two seconds at most.
 * -EAGAIN: there was none yet, of as many passes as a proof takes; -ENOSYS. */
int view_leak_briefs(const struct view *v, unsigned proc, struct leak_brief *ret, size_t max,
		     size_t *ret_n);

#endif
