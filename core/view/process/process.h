/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Figures of a whole process, and keys that several views have: stats, health, metrics. For this
 * room; any thread. */
#ifndef XGOTOPFS_VIEW_PROCESS_H
#define XGOTOPFS_VIEW_PROCESS_H

#include "core/view/emit.h"
#include "core/view/view.h"

/* Of one process: as it is, or what the recording kept of all of them together. */
void view_audit_of(const struct view *v, unsigned proc, struct audit *ret);
/* "agrees: events and memory tell the same", for health and the statistics line. */
void view_audit_line(const struct audit *a, struct buf *out);

/* An estimate, of counts in powers of two (model.h); of no count max_ns. */
uint64_t view_latency_percentile(const uint64_t counts[LATENCY_BUCKETS], uint64_t max_ns,
				 unsigned percent);

/* What the hits cost by event type; what -max-overhead does, where there is such a bound. */
void view_emit_costs(struct emit *e, const struct meter_sample *s);
void view_emit_budget(struct emit *e, const struct view *v);
/* false: there can be none, and *ret is all zero. */
bool view_budget(const struct view *v, struct live_budget *ret);
/* Counts are those of windows. */
bool view_in_windows(const struct view *v);

/* recording, recording_session, … */
void view_emit_recording(struct emit *e, const struct view *v);

/* What its own runtime counts, as of the last reading: cpu_ns, heap_live_bytes, … */
void view_emit_runtime(struct emit *e, const struct view *v, unsigned proc);

/* What -sample did not choose, and what all there was is estimated to be. */
void view_emit_choice(struct emit *e, const struct view *v, const struct model_totals *t);
/* Is this goroutine one of the chosen? Nothing where all are. */
void view_emit_chosen(struct emit *e, const struct view *v, unsigned proc, uint64_t goid);

#endif
