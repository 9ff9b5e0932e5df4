/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Once a second the model, which lives on events, is held against what it does not depend on: the
 * goroutines in each process's memory, and how many numbers its runtime has given to goroutines.
 * What differs and is not explained by the moment is told (core/model/audit.h), counted once, and
 * then healed, goroutine by goroutine.
 *
 * What the moment explains. A reading takes [begun, ended]. It is compared once every event before
 * `ended` was applied; a goroutine of which an event told since `begun` is left out. What differs
 * then is remembered, and confirmed when the next reading finds the same goroutine in the same
 * difference, no event of it having come. Where the probe stands just before what it tells of, a
 * thread may be held up in between (no CPU for it, a frozen process): such differences take
 * PATIENCE_NS in which the process has run. What no probe sees (docs/coverage.md) is left out by
 * its wait reason. While events are lost, probes are off, or a file is written to, nothing is
 * compared; then the model is brought in line and the comparison begins anew.
 *
 * A thread of its own, which spends a twentieth of a CPU at most; the functions from any.
 */
#ifndef XGOTOPFS_ENGINE_AUDIT_H
#define XGOTOPFS_ENGINE_AUDIT_H

#include "core/engine/source.h"
#include "core/model/audit.h"

struct auditor;

/* Both are borrowed. 0 or -ENOMEM. */
int auditor_new(const struct source *source, struct model *model, struct auditor **ret);
/* Before the start: not once a second but so often. For tests. */
void auditor_pace(struct auditor *a, uint64_t interval_ns);
/* Starts the thread; waits for the first comparison, a second at most. 0 or -errno. */
int auditor_start(struct auditor *a);
/* Before the probes go: what comes after is not compared. Waits for the thread. NULL is fine. */
void auditor_stop(struct auditor *a);
void auditor_free(struct auditor *a); /* ends the thread first; NULL is fine */

/* There is a new process, or one's probes are in only now: what was missed is being read. Any
 * thread; never blocks for long. NULL is fine. */
void auditor_arrived(struct auditor *a, unsigned proc);
/* What is traced changes: before it does, and when it has. NULL is fine. */
void auditor_reset(struct auditor *a);
/* Of one process; AUDIT_WAITING when nothing was found out yet. */
void auditor_get(struct auditor *a, unsigned proc, struct audit *ret);

#endif
