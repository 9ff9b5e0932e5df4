/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* CPU samples in views that are not of them alone. For this room. */
#ifndef XGOTOPFS_VIEW_CPU_H
#define XGOTOPFS_VIEW_CPU_H

#include "core/view/emit.h"
#include "core/view/view.h"

/* A goroutine's: cpu_ns, an estimate, with one standard deviation and the samples that it is of. */
void view_emit_cpu(struct emit *e, const struct view *v, const struct goroutine *g);
/* A process's: cpu_sampled_ns, … */
void view_emit_cpu_totals(struct emit *e, const struct view *v, unsigned proc);
/* The calls of its last sample, with how long ago that was, as Go prints a stack. false: it has
 * none. */
bool view_add_last_sample(const struct view *v, const struct goroutine *g, struct buf *out);

#endif
