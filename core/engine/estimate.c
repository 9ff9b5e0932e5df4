/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between two windows, and how sure that is. See estimate.h. */
#include "core/engine/estimate.h"

#include <math.h>

/* A window in which the program took no time at all says nothing of what it does with time. */
#define CPU_LEAST_NS 10000

static uint64_t since(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

void estimate_opened(struct estimate *e, const struct estimate_counts *now)
{
	e->before_cpu_ns += e->had ? (double)since(now->cpu_ns, e->closed.cpu_ns) : 0;
	e->opened = *now;
	e->open = true;
}

/* The time before this window: half as in the last one, half as in this. */
static void add_gap(struct estimate *e, unsigned type, double n, double cpu_ns)
{
	double rate = n / cpu_ns, apart = rate - e->rate[type], gap_ns = e->before_cpu_ns;
	double both_ns = cpu_ns + e->rate_cpu_ns;
	double few = (n + e->rate[type] * e->rate_cpu_ns + 1) / (both_ns * both_ns);

	e->missed[type] += gap_ns * (rate + e->rate[type]) / 2;
	e->square[type] += gap_ns * gap_ns * fmax(apart * apart / 2, few);
}

void estimate_closed(struct estimate *e, const struct estimate_counts *now)
{
	double cpu_ns = (double)since(now->cpu_ns, e->opened.cpu_ns);

	if (!e->open)
		return;
	e->open = false;
	e->closed = *now;
	if (cpu_ns < CPU_LEAST_NS) {
		/* What was before it goes to the next one. */
		e->had = true;
		return;
	}
	for (unsigned type = 0; type < EVENT_TYPES; type++) {
		double n = (double)since(now->events[type], e->opened.events[type]);

		if (e->had && e->rate_cpu_ns > 0 && e->before_cpu_ns > 0)
			add_gap(e, type, n, cpu_ns);
		e->rate[type] = n / cpu_ns;
	}
	e->had = true;
	e->rate_cpu_ns = cpu_ns;
	e->before_cpu_ns = 0;
}

void estimate_get(const struct estimate *e, uint64_t ret_missed[EVENT_TYPES],
		  uint64_t ret_error[EVENT_TYPES])
{
	for (unsigned type = 0; type < EVENT_TYPES; type++) {
		ret_missed[type] = (uint64_t)(e->missed[type] + 0.5);
		ret_error[type] = (uint64_t)ceil(2 * sqrt(e->square[type]));
	}
}
