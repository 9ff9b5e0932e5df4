/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names of event types and states, and the rules for creation and exit. Pure functions. */
#include "core/model/event.h"

#include <errno.h>
#include <string.h>

static const char *const type_names[] = {
	[EVENT_CASGSTATUS] = "casgstatus",
	[EVENT_MAKESLICE] = "makeslice",
	[EVENT_MAKEMAP] = "makemap",
	[EVENT_NEWOBJECT] = "newobject",
	[EVENT_NEWGOROUTINE] = "newgoroutine",
	[EVENT_GOEXIT] = "goexit",
	[EVENT_LOST] = "lost",
};

static const char *const state_names[GSTATES] = {
	[GSTATE_IDLE] = "idle",           [GSTATE_RUNNABLE] = "runnable",
	[GSTATE_RUNNING] = "running",     [GSTATE_SYSCALL] = "syscall",
	[GSTATE_WAITING] = "waiting",     [GSTATE_MORIBUND] = "moribund",
	[GSTATE_DEAD] = "dead",           [GSTATE_ENQUEUE] = "enqueue",
	[GSTATE_COPYSTACK] = "copystack", [GSTATE_PREEMPTED] = "preempted",
	[GSTATE_LEAKED] = "leaked",       [GSTATE_DEADEXTRA] = "deadextra",
};

uint64_t event_counts_sum(const uint64_t counts[EVENT_TYPES])
{
	uint64_t sum = 0;

	for (size_t i = 0; i < EVENT_TYPES; i++)
		sum += counts[i];
	return sum;
}

const char *event_type_name(unsigned type)
{
	return type <= EVENT_LOST ? type_names[type] : NULL;
}

int event_type_parse(const char *name)
{
	for (int type = 0; type < EVENT_TYPES; type++) {
		if (strcmp(name, type_names[type]) == 0)
			return type;
	}
	return -EINVAL;
}

const char *gstate_name(unsigned state)
{
	return state < GSTATES ? state_names[state] : NULL;
}

static bool is_dead(unsigned state)
{
	return state == GSTATE_DEAD || state == GSTATE_DEADEXTRA;
}

bool gstate_is_exit(unsigned from, unsigned to)
{
	return is_dead(to) && (from == GSTATE_RUNNING || from == GSTATE_SYSCALL);
}

bool gstate_is_creation(unsigned from, unsigned to)
{
	return is_dead(from) &&
	       (to == GSTATE_RUNNABLE || to == GSTATE_SYSCALL || to == GSTATE_WAITING);
}
