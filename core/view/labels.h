/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Profiler labels of goroutines (runtime/pprof.Do) as labels of samples. For this room. */
#ifndef XGOTOPFS_VIEW_LABELS_H
#define XGOTOPFS_VIEW_LABELS_H

#include "core/pprof/pprof.h"
#include "core/view/view.h"

/* The labels that goroutines have now. Not thread-safe. */
struct labels;

/* Where they cannot be read nobody has any. 0 or -ENOMEM. */
int labels_read(const struct view *v, unsigned proc, struct labels **ret);
void labels_free(struct labels *l); /* NULL is fine */
/* Behind the first `n` labels of the sample; the texts hold until the next call. */
void labels_add(struct labels *l, uint64_t goid, struct pprof_sample *sample, unsigned n);

/* The same of a text as dump_stack has it; the texts are in *texts. */
void labels_add_text(const char *text, size_t len, struct pprof_sample *sample, unsigned n,
		     struct buf *texts);

#endif
