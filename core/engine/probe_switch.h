/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All probes of a program, out and in again, while it stays in the model. They are in while there
 * is no reason for them to be out. Without them no event comes, and none is made up: memory tells
 * who is there and what it does (healer.h), read when somebody looks, ten times a second at most,
 * and once a second anyway; the audit has nothing to compare; and time counts for no state
 * (model_unwatch()). When they are back, a reading brings the model in line, until which it is in
 * doubt, and from there on what events say is all there was.
 *
 * Functions may be called from any thread that may attach, and wait for the kernel: some 10 ms to
 * put probes in, some 80 to take them out (core/capture/capture.h); but for probe_switch_get(),
 * which is for any thread and at once.
 */
#ifndef XGOTOPFS_ENGINE_PROBE_SWITCH_H
#define XGOTOPFS_ENGINE_PROBE_SWITCH_H

#include "core/engine/audit.h"
#include "core/engine/healer.h"
#include "core/engine/source.h"

enum off_reason {
	OFF_PAUSED = 1 << 0, /* control/pause: nor is memory read, the tree stays as it was */
	OFF_LEVEL = 1 << 1,  /* -probes: none, or demand and nobody reads events */
	OFF_BUDGET = 1 << 2, /* between two windows of -max-overhead */
};

struct probe_switch;

struct probes_now {
	unsigned off;      /* enum off_reason: why they are out; 0: they are in */
	uint64_t since_ns; /* CLOCK_MONOTONIC: they have been in, or out, since then */
	uint64_t switched; /* so often they were taken out or put in */
	uint64_t off_ns;   /* all the time that they were out */
};

/* All are borrowed; `auditor` may be NULL. The probes are taken to be in. 0 or -ENOMEM. */
int probe_switch_new(const struct source *source, struct model *model, struct healer *healer,
		     struct auditor *auditor, struct probe_switch **ret);
void probe_switch_free(struct probe_switch *s); /* NULL is fine */

/*
 * The reasons in `which` hold from now on, or hold no more. 0; -errno: nothing is changed, but for
 * -ETIMEDOUT and -EBUSY: done, and the kernel has not let go yet of some (capture.h).
 */
int probe_switch_set(struct probe_switch *s, unsigned which, bool off);
/* As of `at_ns`, or now if that is later: of what has ended, its end. */
void probe_switch_get(struct probe_switch *s, uint64_t at_ns, struct probes_now *ret);
/* Is memory alone what tells of goroutines now? Quick. */
bool probe_switch_memory_tells(struct probe_switch *s);

#endif
