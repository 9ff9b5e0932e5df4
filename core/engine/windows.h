/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * -max-overhead, kept: a thread that looks fifty times a second at what the traced program takes
 * and what hits cost of it (governor.h decides), puts the probes in for a window and takes them out
 * after it, and estimates what was not seen (estimate.h). Without a bound it sleeps.
 */
#ifndef XGOTOPFS_ENGINE_WINDOWS_H
#define XGOTOPFS_ENGINE_WINDOWS_H

#include "core/engine/costs.h"
#include "core/engine/source.h"
#include "core/model/model.h"
#include "core/view/live.h"

struct windows;

struct windows_config {
	const struct source *source; /* all borrowed */
	struct model *model;
	struct costs *costs;
	double max_percent; /* of the program's CPU time; 0: no bound */
	void *ctx;
	/* Takes the probes out, or puts them in unless there is another reason for them to be out.
	 * 0 or -errno, then nothing is changed; but for -ETIMEDOUT and -EBUSY, see capture.h. */
	int (*set_off)(void *ctx, bool off);
	/* They are out for another reason. Quick. */
	bool (*is_off)(void *ctx);
};

/* 0 or -ENOMEM. */
int windows_new(const struct windows_config *config, struct windows **ret);
int windows_start(struct windows *w); /* 0 or -errno, logged */
/* Ends the thread and leaves the probes as they are. NULL, and twice, are fine. */
void windows_stop(struct windows *w);
void windows_free(struct windows *w); /* NULL is fine */

/* Another bound; without one the probes are in when it returns. 0, or -errno of attaching: then it
 * is the old one. A thread that may attach. */
int windows_bound(struct windows *w, double max_percent);
/* At once, any thread. */
void windows_get(struct windows *w, struct live_budget *ret);

#endif
