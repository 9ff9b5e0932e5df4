/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One traced program as a running thing: what is read from its memory and when, what a second's
 * figures are, which probes come off to keep the bound, and what those who look may ask and change.
 * Where it comes from is the source's (source.h); a replay has none, and only ticks.
 *
 * Made, ticked and ended on the main thread; what it answers is for any.
 */
#ifndef XGOTOPFS_ENGINE_ENGINE_H
#define XGOTOPFS_ENGINE_ENGINE_H

#include "core/engine/source.h"
#include "core/model/control.h"
#include "core/model/meter.h"
#include "core/session/recorder.h"

struct engine;

/* All borrowed. */
struct engine_config {
	struct model *model;
	struct meter *meter;
	const struct source *source; /* NULL: a replay */
	unsigned workers;            /* that apply events, for health */
	bool audits;                 /* holds the model against memory each second (audit.h) */
	uint32_t rates[RATES];
	double max_overhead; /* percent of the program's CPU time; 0: no bound */
	enum probe_level level;
	uint64_t leaks_every_ns; /* look for leaks by itself; 0: when asked to */
};

/* 0 or -errno. */
int engine_new(const struct engine_config *config, struct engine **ret);
void engine_free(struct engine *e); /* NULL is fine */

/* For the views, and for who changes something (control.h): what needs privileges is done by
 * threads of the engine's own. Only once there is a source. */
void engine_answers(struct engine *e, struct live *live);
void engine_controls(struct engine *e, struct control *control);

/* A process has come: read its memory soon. Any thread; never blocks. */
void engine_arrived(struct engine *e, unsigned proc);
/* Events were lost: what memory says is needed soon. Any thread; never blocks. */
void engine_lost(struct engine *e);
/* Looks for leaks in a process now (leak_prover.h), which takes seconds. A thread that may read its
 * memory, when no other one looks; its priority is the lowest afterwards. */
int engine_look_for_leaks(struct engine *e, unsigned proc);
/* Reads every process's memory now. */
void engine_read_all(struct engine *e);

/* Before the probes are attached: none is, where the level has none now. 0 or -errno, logged. */
int engine_prepare(struct engine *e);

/*
 * -max-overhead's windows: all probes out, or in again unless there is another reason for them to
 * be out (probe_switch.h, which says what it does and takes). Any thread that may attach. 0 or
 * -errno.
 */
int engine_probes_set(struct engine *e, bool on);

/* The probes are about to go, for good. Main thread; waits for a reading that is under way. NULL is
 * fine. */
void engine_tracing_ends(struct engine *e);

/* Reads all now: who is there already is known before anybody can look. Then starts the healer's
 * thread and, with `serves`, those that do what is asked for. 0 or -errno, logged. */
int engine_start(struct engine *e, bool serves);

/*
 * A second has passed, or about one: fills the meter, keeps the bound, sees to what was lost.
 * `recorder`: NULL when nothing is recorded. false: the last one was too short a while ago; the
 * first only begins to count. ret: the figures.
 */
bool engine_tick(struct engine *e, uint64_t now_ns, const struct recorder_stats *recorder,
		 struct meter_sample *ret);

#endif
