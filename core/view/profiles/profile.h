/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the profiles for `go tool pprof` share (profile.c). For this room. */
#ifndef XGOTOPFS_VIEW_PROFILE_H
#define XGOTOPFS_VIEW_PROFILE_H

#include "core/pprof/pprof.h"
#include "core/view/dump.h"
#include "core/view/view_internal.h"

/* As Go's own profiles (runtime/mprof.go, goroutineProfileWithLabels), and as dumps of stacks. */
#define PROFILE_NO_SYSTEM "the runtime's own goroutines are not in it"
#define PROFILE_LABELS_NOW                                                                         \
	"labels of the program (runtime/pprof.Do) are those that the goroutine has now; of one "   \
	"that has ended they are not known"

struct pprof_text profile_text(const struct view *v, uint32_t string_id);
struct pprof_frame profile_frame(const struct view *v, uint32_t site_id);
/* The calls of a sampled stack from number `first` on, added to what is in it already; what cannot
 * be named is `unnamed`, and what is left out is told of. Room for SAMPLE_DEPTH_MAX + 1 more. */
void profile_calls(const struct view *v, const struct sample_row *row, uint32_t first,
		   struct pprof_text unnamed, struct pprof_frame *frames, size_t *n);
/* The same of what was allocated: from the innermost call that is no runtime's on, as Go's own
 * profiles begin (runtime/pprof/protomem.go), unless all are. */
void profile_allocated(const struct view *v, const struct sample_row *row,
		       struct pprof_frame *frames, size_t *n);
/* Where a goroutine began and who began it, innermost first. Returns how many frames: 1 or 2. */
size_t profile_origin(const struct view *v, const struct goroutine *g, struct pprof_frame ret[2]);

/* What is added to a profile; *from, which is `now`, is set back to when it begins. */
typedef int (*profile_fill_fn)(const struct view *v, unsigned proc, struct pprof *p, uint64_t now,
			       uint64_t *from);
/* 0, -ENOMEM, -ENOENT, or what `fill` answers; -ESTALE: it is made once more, from the begin. */
int profile_make(const struct view *v, unsigned proc, const struct pprof_type *types, unsigned n,
		 profile_fill_fn fill, struct buf *out);
/* For view_each_stack(), drop: -ESTALE. */
int profile_drop(void *arg);
/* Its end: it is of [from, to), but for what was before the process. 0 or -ENOMEM, -ENOENT. */
int profile_finish(const struct view *v, unsigned proc, struct pprof *p, uint64_t from, uint64_t to,
		   struct buf *out);
/* A comment for each type of event that is sampled. */
void profile_note_rates(const struct view *v, struct pprof *p);
/* "/src/main.go:12" of a dump's frame. */
void profile_read_place(const struct dump_frame *f, struct pprof_frame *ret);

#endif
