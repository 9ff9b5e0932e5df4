/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The original's self-metrics, one sample a second. Whoever ticks (core/engine/ticker.h) makes a
 * sample of what capture, model and recorder counted; stats, REST, the metrics file and the UI read
 * it here. Thread-safe.
 */
#ifndef XGOTOPFS_MODEL_METER_H
#define XGOTOPFS_MODEL_METER_H

#include <stddef.h>
#include <stdint.h>

#include "core/model/event.h"

struct meter_sample {
	uint64_t time_ns; /* CLOCK_REALTIME */
	uint64_t rps;     /* events read from the rings in the last second */
	uint64_t pps;     /* events applied in the last second */
	uint64_t ewp;     /* events read and waiting to be applied */
	uint64_t lat_ns;  /* mean time in our BPF program a hit; the trap is not in it */
	uint64_t prc_ns;  /* mean time of applying an event */
	double bps;       /* recorder: batches written a second */
	uint64_t bfl_ns;  /* recorder: mean time of flushing a batch */
	uint64_t qwl_ns;  /* recorder: mean wait of a batch before it is written */
	/* ours */
	uint64_t hits;    /* probe hits in the last second, counted or not */
	uint64_t lost;    /* events lost in the last second */
	uint64_t stepped; /* of the hits, those that are stepped out of line rather than emulated */
	uint64_t trap_ns; /* what one emulated hit costs here, measured lately; 0 unknown */
	uint64_t step_ns; /* and one that is stepped out of line */
	double overhead_percent;  /* estimate of what the hits cost, of one CPU */
	double of_target_percent; /* the same, of the CPU time that the program took; 0: not known
				   */
	/* What of it the hits of each event type cost, of one CPU. A creation or an exit that a
	 * change of state tells costs nothing more. */
	double type_percent[EVENT_TYPES];
	uint64_t overhead_ns; /* the same, all in all since the start */
};

struct meter;

int meter_new(struct meter **ret);
void meter_free(struct meter *m);
/* What is known before the first sample: what a hit costs here. */
void meter_set_price(struct meter *m, uint64_t trap_ns, uint64_t step_ns);
/* Appends a sample. Keeps the last 86,400 (a day); older ones are dropped. */
void meter_add(struct meter *m, const struct meter_sample *s);
/* What meter_set_price() was told. */
void meter_price_at_start(struct meter *m, uint64_t *ret_trap_ns, uint64_t *ret_step_ns);
/* The newest sample; all zero but for trap_ns and step_ns before the first. */
void meter_last(struct meter *m, struct meter_sample *ret);
/* The newest `max` at most, newest first; how many. */
size_t meter_newest(struct meter *m, struct meter_sample *ret, size_t max);
/* All kept samples, oldest first; caller frees. 0 or -ENOMEM. */
int meter_all(struct meter *m, struct meter_sample **ret, size_t *ret_n);

#endif
