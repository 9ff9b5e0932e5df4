/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "core/model/audit.h"

#include <string.h>

const char *audit_state_name(enum audit_state state)
{
	static const char *const names[AUDIT_STATES] = {
		[AUDIT_NONE] = "none",     [AUDIT_WAITING] = "waiting",
		[AUDIT_AGREES] = "agrees", [AUDIT_DIFFERS] = "differs",
		[AUDIT_OFF] = "off",       [AUDIT_BEHIND] = "behind",
		[AUDIT_BLIND] = "blind",   [AUDIT_FINISHED] = "finished",
	};

	return names[state];
}

enum audit_state audit_state_parse(const char *name)
{
	for (unsigned i = 0; i < AUDIT_STATES; i++) {
		if (!strcmp(audit_state_name(i), name))
			return i;
	}
	return AUDIT_NONE;
}

const char *audit_kind_name(enum audit_kind kind)
{
	static const char *const names[AUDIT_KINDS] = {
		[AUDIT_CREATION] = "creation", [AUDIT_EXIT] = "exit",
		[AUDIT_ALIVE] = "alive",       [AUDIT_STATE] = "state",
		[AUDIT_MISSED] = "missed",     [AUDIT_INVENTED] = "invented",
	};

	return names[kind];
}

uint64_t audit_total(const struct audit *a)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < AUDIT_KINDS; i++)
		sum += a->total[i];
	return sum;
}
