/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What all who ask a source have to wait for. See source.h. */
#include "core/engine/source.h"

#include <time.h>

#include "core/base/util.h"

#define POLL_NS 500000

bool source_wait_delivered(const struct source *s, uint64_t until_ns, uint64_t patience_ns,
			   bool (*stops)(void *ctx), void *ctx)
{
	const struct timespec some = {.tv_nsec = POLL_NS};
	uint64_t began_ns = monotonic_ns();

	while (s->delivered(s->ctx, until_ns) < until_ns) {
		if (monotonic_ns() - began_ns > patience_ns || (stops && stops(ctx)))
			return false;
		(void)nanosleep(&some, NULL);
	}
	return true;
}
