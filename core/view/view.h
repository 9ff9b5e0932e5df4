/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The model as text and as JSON: what fs shows in files and web in answers, rendered in one place
 * so that they cannot differ. Flat keyed text ("key value" a line, lower case, units in the key)
 * and tab-separated tables with a header line; each has a JSON twin with the same keys.
 *
 * Every function renders one consistent snapshot into `out` and returns 0 or -errno (-ENOENT: no
 * such process or goroutine, -ENOSYS: not here, for instance stacks in a replay). Any thread.
 */
#ifndef XGOTOPFS_VIEW_VIEW_H
#define XGOTOPFS_VIEW_VIEW_H

#include "core/base/buf.h"
#include "core/model/control.h"
#include "core/model/meter.h"
#include "core/model/model.h"
#include "core/model/recording.h"
#include "core/model/event_format.h"
#include "core/view/live.h"

struct view {
	struct model *model;
	struct meter *meter;
	const struct live *live;       /* never NULL; its functions may be */
	const struct control *control; /* never NULL; its functions may be */
	bool replay;
	/* The recording of what is seen: under way, or looked at. NULL: there is none. Any thread.
	 */
	void (*recording)(void *ctx, struct recording *ret);
	void *recording_ctx;
};

/* As above; RECORDING_NONE when there is none. */
void view_recording(const struct view *v, struct recording *ret);
/* "recording stopped: No space left on device", for a line; "" while it goes on. */
void view_recording_stop(const struct recording *rec, struct buf *out);

/* view_metrics() only: every process, told apart by the pid label. */
#define VIEW_ALL_PROCS UINT32_MAX

enum view_form { VIEW_TEXT, VIEW_JSON };

/* One signature for all, so that node and route tables can hold them. goid is 0 where it does not
 * apply. */
typedef int (*view_fn)(const struct view *v, unsigned proc, uint64_t goid, enum view_form form,
		       struct buf *out);

int view_readme(const struct view *v, unsigned proc, uint64_t goid, enum view_form,
		struct buf *out);
int view_stats(const struct view *v, unsigned proc, uint64_t goid, enum view_form, struct buf *out);
/* Prometheus text exposition format 0.0.4, whatever the form. */
int view_metrics(const struct view *v, unsigned proc, uint64_t goid, enum view_form,
		 struct buf *out);
int view_health(const struct view *v, unsigned proc, uint64_t goid, enum view_form,
		struct buf *out);
int view_stacks(const struct view *v, unsigned proc, uint64_t goid, enum view_form,
		struct buf *out);
/* The same a goroutine at a time, without a bound of their bytes (live.h). */
int view_each_stack(const struct view *v, unsigned proc, live_text_fn *fn, void *arg);
/* A table of all goroutines, one a line. */
int view_goroutines(const struct view *v, unsigned proc, uint64_t goid, enum view_form,
		    struct buf *out);
int view_status(const struct view *v, unsigned proc, uint64_t goid, enum view_form,
		struct buf *out);
int view_goroutine_stats(const struct view *v, unsigned proc, uint64_t goid, enum view_form,
			 struct buf *out);
/* goid 0: of the whole process. */
int view_allocations(const struct view *v, unsigned proc, uint64_t goid, enum view_form,
		     struct buf *out);
int view_stack(const struct view *v, unsigned proc, uint64_t goid, enum view_form, struct buf *out);
/* For `go tool pprof`, whatever the form: gzip of pprof's format (core/pprof). profile.c says what
 * each counts. */
int view_pprof_goroutine(const struct view *v, unsigned proc, uint64_t goid, enum view_form,
			 struct buf *out);
int view_pprof_allocs(const struct view *v, unsigned proc, uint64_t goid, enum view_form,
		      struct buf *out);
int view_pprof_offcpu(const struct view *v, unsigned proc, uint64_t goid, enum view_form,
		      struct buf *out);

#endif
