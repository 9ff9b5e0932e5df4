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

/* ns. The most: a ring that begins to be filled as fast as can be has room. */
#define PUMP_INTERVAL_MOST  5000000
#define PUMP_INTERVAL_LEAST 1000000

/* How long the rings can be left alone while records come, after `before_ns` the last time: until
 * half of the near slots (bpf/abi.h) of the fullest are in use, so that the writers stay in those.
 * `most` were read from it, which had come in `apart_ns`. Less at once, more by and by. */
static inline int64_t pump_interval(int64_t before_ns, uint64_t apart_ns, uint64_t most)
{
	uint64_t wanted = (uint64_t)before_ns * 2;

	if (most)
		wanted = MIN(wanted, MIN(apart_ns, NS_PER_SEC) * (WIRE_NEAR / 2) / most);
	return (int64_t)MAX((uint64_t)PUMP_INTERVAL_LEAST, MIN(wanted, PUMP_INTERVAL_MOST));
}

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
