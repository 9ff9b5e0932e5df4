/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * -probes: which level holds (core/model/probe_level.h), who reads events, and so whether the
 * probes are in. Any thread; what attaches is for one that may.
 */
#ifndef XGOTOPFS_ENGINE_LEVELS_H
#define XGOTOPFS_ENGINE_LEVELS_H

#include "core/engine/probe_switch.h"
#include "core/engine/sampling.h"
#include "core/model/probe_level.h"

struct levels;

/* All borrowed. 0 or -ENOMEM. */
int levels_new(const struct source *source, struct probe_switch *probes, struct sampling *sampling,
	       enum probe_level level, struct levels **ret);
void levels_free(struct levels *l); /* NULL is fine */

/* Before anything is attached. 0 or -errno, logged. */
int levels_prepare(struct levels *l);
/* control/pause: samples of a level are out then, too. As probe_switch_set(). */
int levels_pause(struct levels *l, bool paused);
/* 0; -ENOTSUP: it cannot be had, which was logged; -errno of attaching: nothing is changed. */
int levels_set(struct levels *l, enum probe_level level);
/* NULL: since when does not matter. */
enum probe_level levels_get(struct levels *l, uint64_t *ret_since_ns);

/* A reader of events has come, or gone. At once; levels_apply() does what follows of it. */
void levels_reader(struct levels *l, bool on);
unsigned levels_readers(struct levels *l);
/* Is there anything to do? Quick. Once a second, and when a reader has come. */
bool levels_are_due(struct levels *l);
/* Puts the probes in, or takes them out when the last reader has been gone for two seconds; and
 * looks after CPUs that have come, or were away. */
int levels_apply(struct levels *l);

#endif
