/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is known of allocations, by events and by samples, and how much of all there are. For this
 * room; any thread. */
#ifndef XGOTOPFS_VIEW_ALLOCS_H
#define XGOTOPFS_VIEW_ALLOCS_H

#include "core/view/emit.h"
#include "core/view/view.h"

/* The allocation samples of a process: alloc_sampled_bytes, … */
void view_emit_sampled(struct emit *e, const struct view *v, unsigned proc);
/* Who of the program's own asked for most of what was sampled. */
struct alloc_most {
	uint64_t bytes, samples, from_ns; /* all in all, since then: CLOCK_MONOTONIC */
	uint64_t site_bytes;
	uint32_t site_id; /* names_site(); 0: none of the program's own */
};
/* Of the last `ns`, or of less where that is all that is known one by one; 0: of all. */
int view_alloc_most(const struct view *v, unsigned proc, uint64_t ns, struct alloc_most *ret);
/* Who of the program's own made the most timers, by samples since it was attached to: bytes are
 * theirs alone. */
int view_timers_made(const struct view *v, unsigned proc, struct alloc_most *ret);
/* Frames of the runtime's own, which allocate for whom called them. */
bool view_is_runtime(const struct view *v, uint32_t site_id);

struct sample_row;
/* The innermost frame that is no runtime's, and the innermost of the program's own; and the
 * runtime's function that was called there. 0: none. */
void view_sites_of(const struct view *v, const struct sample_row *row, uint32_t *ret_site,
		   uint32_t *ret_own, uint32_t *ret_how);

/* Who asked for what stays, as the heap profile has it that the program keeps of itself. */
struct heap_grown {
	uint64_t ns;    /* over so long; 0: the program keeps none, or it was not read before */
	uint64_t bytes; /* of all sites that have grown */
	uint64_t site_bytes;
	uint32_t site_id; /* of which that is most: of the program's own where one is */
};
/* Since then (CLOCK_MONOTONIC), or nearly. */
int view_heap_grown(const struct view *v, unsigned proc, uint64_t since_ns, struct heap_grown *ret);

/* Of the bytes that a process's runtime counts since it was attached to, as of the last reading. */
struct alloc_share {
	uint64_t allocated, by_events, sampled;
};
/* False: not known, as in a replay. */
bool view_alloc_share(const struct view *v, unsigned proc, struct alloc_share *ret);
double view_share_percent(uint64_t part, const struct alloc_share *share);
/* alloc_events_percent, alloc_sampled_percent. */
void view_emit_alloc_share(struct emit *e, const struct view *v, unsigned proc);
/* What a table of a process's allocation events has, and what not: in words, without a line end;
 * VIEW_ALL_PROCS: without their share. */
void view_note_events_only(const struct view *v, unsigned proc, struct buf *out);

#endif
