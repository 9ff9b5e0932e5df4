/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What was counted becomes the figures of a second (core/model/meter.h): the statistics line,
 * stats, metrics, REST and the metrics file all show these. Pure, but for what it keeps of the
 * second before. Not thread-safe.
 */
#ifndef XGOTOPFS_ENGINE_TICKER_H
#define XGOTOPFS_ENGINE_TICKER_H

#include "core/engine/costs.h"
#include "core/model/meter.h"
#include "core/session/recorder.h"

/* Counts up to a moment. A count that goes back (a replay that seeks, a capture that was replaced)
 * says nothing for that second, and begins anew. */
struct tick {
	uint64_t now_ns;              /* CLOCK_MONOTONIC */
	uint64_t unix_ns;             /* CLOCK_REALTIME */
	uint64_t events[EVENT_TYPES]; /* in the model, of all processes */
	bool captured, recorded;      /* otherwise what follows is nothing: */
	struct costs_now costs;
	uint32_t rates[RATES]; /* that hold now */
	struct recorder_stats recorder;
};

struct ticker {
	struct tick last;
	uint64_t last_prc_ns; /* kept over seconds in which nothing happened */
};

struct second {
	struct meter_sample sample;
	uint64_t events[EVENT_TYPES]; /* a second */
	bool lost;                    /* anything, since the last one */
};

void ticker_start(struct ticker *t, const struct tick *now);
/* The figures of the time since the last one, however long that was. false: it is too short to
 * tell. */
bool ticker_tick(struct ticker *t, const struct tick *now, struct second *ret);

#endif
