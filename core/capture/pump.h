/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pump: the thread that empties the rings, puts the records in order, decodes them and hands
 * events to the sink. It sleeps while nothing happens (the next record wakes it, once), and under
 * load looks every few milliseconds, so that the traced threads wake nobody.
 */
#ifndef XGOTOPFS_CAPTURE_PUMP_H
#define XGOTOPFS_CAPTURE_PUMP_H

#include "core/capture/capture.h"
#include "core/capture/cpu_names.h"
#include "core/capture/decode.h"
#include "core/capture/procs.h"
#include "core/capture/program.h"

struct pump;

/* All are borrowed. 0 or -errno. */
int pump_new(struct program *program, struct decode *decode, struct procs *procs,
	     struct cpu_sampler *cpu, struct cpu_names *cpu_names, const struct capture_sink *sink,
	     struct pump **ret);
/* Stops it when it runs. NULL is fine. */
void pump_free(struct pump *p);

int pump_start(struct pump *p); /* 0 or -errno */
/* After the probes were detached: delivers everything that is left and ends the thread, or does so
 * on the caller's thread when there was none. */
void pump_stop(struct pump *p);

/* Counted: while any is on, the rings are looked at within a millisecond. Any thread. */
void pump_low_latency(struct pump *p, bool on);

/* As capture_delivered(). Any thread. */
uint64_t pump_delivered(struct pump *p, uint64_t wanted_ns);

/* Fills read, delivered, waiting, undecodable, ignored, stranded, deliver_ns_sum. Any thread. */
void pump_stats(const struct pump *p, struct capture_stats *ret);

#endif
