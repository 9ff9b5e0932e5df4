/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * -probes: what is attached to a program, from all to nothing. The one table of levels: command
 * line, INI file, control/probes, the API and metadata.json have their words from it, and
 * core/engine/levels.c does what a row says.
 */
#ifndef XGOTOPFS_MODEL_PROBE_LEVEL_H
#define XGOTOPFS_MODEL_PROBE_LEVEL_H

#include <stdbool.h>
#include <stddef.h>

enum probe_level {
	PROBES_FULL,
	PROBES_LIGHT,
	PROBES_DEMAND,
	PROBES_NONE,
	PROBE_LEVELS,
};

/* The probes of the events, as -sample has them. */
enum probe_events {
	PROBE_EVENTS_ALWAYS,
	PROBE_EVENTS_READ, /* while somebody reads events */
	PROBE_EVENTS_NEVER,
};

struct probe_level_row {
	const char *name;
	enum probe_events events;
	bool samples_allocations; /* source.h, sample_allocations */
	bool without_bpf;         /* a program that is traced so from the start needs none */
	const char *is;           /* what it means, for a line that names it */
};

extern const struct probe_level_row probe_levels[PROBE_LEVELS];

/* "full", …; -EINVAL with one line in `why` (size bytes): there is no such level. */
int probe_level_parse(const char *text, enum probe_level *ret, char *why, size_t size);

#endif
