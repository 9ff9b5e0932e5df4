/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The only way up: what somebody who looks (a control file, the API) may change in what feeds the
 * model. Filled by the composition root, called by fs and web from any thread. A call that fails
 * changes nothing. A NULL function means "not here" (for instance no sampling in a replay).
 */
#ifndef XGOTOPFS_MODEL_CONTROL_H
#define XGOTOPFS_MODEL_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/model/event.h"
#include "core/model/probe_level.h"

/*
 * Rates are parts of RATE_ONE: 10000 = every event, 1 = one in ten thousand, 0 = not probed. That
 * of goroutines (RATE_GOROUTINES) chooses by whom an event is, and never is 0: all that a chosen
 * one does, nothing of the others, and of what it does each type by its own rate. A change of state
 * and an exit are of the goroutine that they tell of, an allocation of who makes it, a creation of
 * both.
 */
#define RATE_ONE 10000

/* Is every change of state told? */
static inline bool rates_tell_all_states(const uint32_t rates[RATES])
{
	return rates[EVENT_CASGSTATUS] == RATE_ONE && rates[RATE_GOROUTINES] == RATE_ONE;
}

/* Is this goroutine one of the chosen? Always the same ones, and the more the higher the rate; as
 * the BPF program has it (bpf/abi.h, wire_choice()). */
bool rate_chooses(uint32_t rate, int pid, uint64_t goid);

struct control {
	void *ctx;
	int (*set_rates)(void *ctx, const uint32_t rates[RATES]); /* 0 or -errno */
	void (*get_rates)(void *ctx, uint32_t ret[RATES]);
	int (*set_paused)(void *ctx, bool paused); /* paused: probes detached, tree as it was */
	bool (*get_paused)(void *ctx);
	int (*set_max_overhead)(void *ctx, double percent); /* 0 = no bound */
	double (*get_max_overhead)(void *ctx);
	/* Somebody waits for single events: look at the rings within a millisecond. Counted. */
	void (*low_latency)(void *ctx, bool on);
	/* "pause", "resume", "seek 12.5s", "speed 2": a replay only. 0 or -EINVAL. */
	int (*replay)(void *ctx, const char *command);
	void (*get_replay)(void *ctx, struct buf *out); /* flat keyed state */
	/* -ENOTSUP: what the program was not prepared for at the start. */
	int (*set_probes)(void *ctx, enum probe_level level);
	enum probe_level (*get_probes)(void *ctx);
	/* Somebody reads events as they come, from now on or no longer. Counted, at once. */
	void (*reads_events)(void *ctx, bool on);
	/* The rates that were set, where those in force may be lower (max_overhead). */
	void (*get_wanted)(void *ctx, uint32_t ret[RATES]);
};

static inline void control_reads_events(const struct control *c, bool on)
{
	if (c->reads_events)
		c->reads_events(c->ctx, on);
}

/*
 * Reads the -sample form "newobject:0.1,casgstatus:1": what is not listed is 0. With
 * "goroutines:0.1" alone all events of the chosen ones, beside others those. -EINVAL with one line
 * of reason in `why` (size bytes) on an unknown event, a rate outside 0..1 or finer than 0.0001, a
 * missing value, an event named twice, an empty list, no goroutine at all.
 */
int control_parse_rates(const char *text, uint32_t ret[RATES], char *why, size_t size);
/* "0" or "1". -EINVAL as above, and so below. */
int control_parse_paused(const char *text, bool *ret, char *why, size_t size);
/* A bound that is shown can be written back: "0", none, or 0.0001 to 100 percent of a CPU. */
int control_parse_max_overhead(const char *text, double *ret, char *why, size_t size);
bool control_max_overhead_ok(double percent);
#define CONTROL_MAX_OVERHEAD_TAKES "0 (no bound), or 0.0001 to 100 percent"
/* One rate: "1", "0.05". */
void control_format_rate(uint32_t rate, struct buf *out);
/* The reverse, one line without newline; "" when nothing is sampled. */
void control_format_rates(const uint32_t rates[RATES], struct buf *out);

#endif
