/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of levels. See probe_level.h. */
#include "core/model/probe_level.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/text.h"

const struct probe_level_row probe_levels[PROBE_LEVELS] = {
	[PROBES_FULL] = {"full", PROBE_EVENTS_ALWAYS, false, false,
			 "every event that -sample names"},
	[PROBES_LIGHT] = {"light", PROBE_EVENTS_NEVER, true, false,
			  "sampled allocations, the rest from memory"},
	[PROBES_DEMAND] = {"demand", PROBE_EVENTS_READ, false, false,
			   "as full while somebody reads events, else from memory"},
	[PROBES_NONE] = {"none", PROBE_EVENTS_NEVER, false, true, "from memory alone"},
};

int probe_level_parse(const char *text, enum probe_level *ret, char *why, size_t size)
{
	char shown[41];

	for (unsigned i = 0; i < PROBE_LEVELS; i++) {
		if (strcmp(text, probe_levels[i].name))
			continue;
		*ret = (enum probe_level)i;
		return 0;
	}
	text_name(shown, sizeof(shown), text, strlen(text));
	snprintf(why, size, "\"%s\" is not taken: full, light, demand or none are", shown);
	return -EINVAL;
}
