/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between two windows, and how sure that is. See estimate.h. */
#include "core/engine/estimate.h"

#include <math.h>

#include "core/base/util.h"

/* A window in which the program took no time at all says nothing of what it does with time. */
#define CPU_LEAST_NS 10000
/* What a hit costs is known within so much (the benchmark overhead_estimate), and hits are never
 * all that a program does. */
#define PRICE_UNSURE 0.25
#define HITS_MOST    0.95

void estimate_restart(struct estimate *e)
{
	e->open = e->had = false;
	e->whole = 0;
	e->before_cpu_ns = 0;
}

void estimate_opened(struct estimate *e, const struct estimate_counts *now)
{
	e->before_cpu_ns += e->had ? (double)sub_u64(now->cpu_ns, e->closed.cpu_ns) : 0;
	e->opened = *now;
	e->open = true;
}

/* What the program took without its hits, and what part of that their price may be wrong by. */
static double own_ns(const struct estimate *e, const struct estimate_counts *now,
		     double *ret_unsure)
{
	double cpu_ns = (double)sub_u64(now->cpu_ns, e->opened.cpu_ns);
	double hits_ns = fmin((double)sub_u64(now->hits_ns, e->opened.hits_ns), cpu_ns * HITS_MOST);

	*ret_unsure = PRICE_UNSURE * hits_ns / fmax(cpu_ns - hits_ns, 1);
	return cpu_ns - hits_ns;
}

/* Of how few events a rate is known, as the square of its standard error. */
static double few(double n, double cpu_ns)
{
	return (n + 1) / (cpu_ns * cpu_ns);
}

/* The time before this window: half as in the last one, half as in this. */
static void add_gap(struct estimate *e, unsigned type, double n, double cpu_ns, double unsure)
{
	double rate = n / cpu_ns, apart = rate - e->rate[type], gap_ns = e->before_cpu_ns;
	double both_ns = cpu_ns + e->rate_cpu_ns;
	double both = few(n + e->rate[type] * e->rate_cpu_ns, both_ns);
	double missed = gap_ns * (rate + e->rate[type]) / 2;

	e->missed[type] += missed;
	e->square[type] += gap_ns * gap_ns * fmax(apart * apart / 2, both);
	e->unsure[type] += missed * fmax(unsure, e->rate_unsure);
}

void estimate_closed(struct estimate *e, const struct estimate_counts *now)
{
	double unsure, cpu_ns = own_ns(e, now, &unsure);

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
		double n = (double)sub_u64(now->events[type], e->opened.events[type]);

		if (e->had && e->whole && e->before_cpu_ns > 0)
			add_gap(e, type, n, cpu_ns, unsure);
		e->apart[type] = e->whole ? fabs(n / cpu_ns - e->rate[type]) : 0;
		e->rate[type] = n / cpu_ns;
	}
	e->had = true;
	e->whole++;
	e->rate_cpu_ns = cpu_ns;
	e->rate_unsure = unsure;
	e->before_cpu_ns = 0;
}

bool estimate_get(const struct estimate *e, uint64_t cpu_ns, uint64_t ret_missed[EVENT_TYPES],
		  uint64_t ret_error[EVENT_TYPES])
{
	double gap_ns = e->before_cpu_ns;

	if (e->had && !e->open)
		gap_ns += (double)sub_u64(cpu_ns, e->closed.cpu_ns);
	if (gap_ns > 0 && !e->whole)
		return false;
	for (unsigned type = 0; type < EVENT_TYPES; type++) {
		double missed = gap_ns * e->rate[type], square = e->square[type];
		double unsure = e->unsure[type] + missed * e->rate_unsure;

		/* As in the last window; of one alone it is not known how much they differ. */
		if (gap_ns > 0)
			square += gap_ns * gap_ns *
				  fmax(e->apart[type] * e->apart[type] / 2,
				       few(e->rate[type] * e->rate_cpu_ns, e->rate_cpu_ns));
		if (e->whole == 1)
			unsure += missed;
		ret_missed[type] = (uint64_t)(e->missed[type] + missed + 0.5);
		ret_error[type] = (uint64_t)ceil(2 * sqrt(square) + unsure);
	}
	return true;
}
