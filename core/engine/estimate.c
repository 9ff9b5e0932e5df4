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

/* What the runtime's numbers say of the time between two counts; most < 0: nothing. */
struct given {
	double least, most;
};

static const struct given nothing = {0, -1};

static struct given given_between(const struct estimate_counts *from,
				  const struct estimate_counts *to)
{
	uint64_t before, after, least, most;

	if (!from->goids_most || !to->goids_most || from->procs_seen != to->procs_seen ||
	    from->procs_run != to->procs_run)
		return nothing;
	/* While probes go in and out some are seen all the same; of those that were counted late
	 * nobody knows on which side of a count they were given theirs. */
	before = from->events[EVENT_NEWGOROUTINE];
	after = to->events[EVENT_NEWGOROUTINE];
	least = sub_u64(after, sum_u64(before, from->on_the_way));
	most = sub_u64(sum_u64(after, to->on_the_way), before);
	return (struct given){
		.least = (double)sub_u64(to->goids_least, sum_u64(from->goids_most, most)),
		.most = (double)sub_u64(to->goids_most, sum_u64(from->goids_least, least)),
	};
}

static struct given given_add(struct given a, struct given b)
{
	return a.most < 0 || b.most < 0 ? nothing
					: (struct given){a.least + b.least, a.most + b.most};
}

/* The estimate as the runtime's numbers allow it; it is wrong by no more than they leave open. (The
 * few goids of C threads are given without an event: oneNewExtraM.) */
static double hold(struct given g, double missed, double *ret_error_most)
{
	double held = fmin(fmax(missed, g.least), g.most);

	*ret_error_most = fmax(held - g.least, g.most - held);
	return held;
}

/* The numbers are out of the program's memory, and they add up. */
static uint64_t bounded(double n)
{
	return n < 0x1p64 ? (uint64_t)n : UINT64_MAX;
}

/* So many can have ended unseen since they were first counted, but for those that began unseen. */
static uint64_t may_have_ended(const struct estimate *e)
{
	const struct estimate_counts *from = &e->first, *to = &e->closed;

	return sub_u64(from->live + sub_u64(to->events[EVENT_NEWGOROUTINE],
					    from->events[EVENT_NEWGOROUTINE]),
		       sub_u64(to->events[EVENT_GOEXIT], from->events[EVENT_GOEXIT]));
}

void estimate_restart(struct estimate *e)
{
	if (e->first.live_known)
		e->could_end += may_have_ended(e);
	e->first.live_known = false;
	e->open = e->had = false;
	e->whole = 0;
	e->before_cpu_ns = e->before_least = e->before_most = 0;
}

void estimate_opened(struct estimate *e, const struct estimate_counts *now)
{
	struct given g = {e->before_least, e->before_most};

	if (e->had)
		g = given_add(g, given_between(&e->closed, now));
	e->before_least = g.least;
	e->before_most = g.most;
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
	double missed = gap_ns * (rate + e->rate[type]) / 2, wrong;
	struct given g = {e->before_least, e->before_most};

	if (type == EVENT_NEWGOROUTINE && g.most >= 0) {
		e->missed[type] += hold(g, missed, &wrong);
		e->unsure[type] += wrong;
		return;
	}
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
	if (!e->first.live_known && now->live_known)
		e->first = *now;
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
	e->before_cpu_ns = e->before_least = e->before_most = 0;
}

/* No more have ended than were there and began. */
static void hold_ends(const struct estimate *e, uint64_t missed[EVENT_TYPES],
		      uint64_t error[EVENT_TYPES])
{
	uint64_t most = sum_u64(missed[EVENT_NEWGOROUTINE], error[EVENT_NEWGOROUTINE]);

	if (!e->first.live_known)
		return;
	most = sum_u64(most, e->could_end + may_have_ended(e));
	missed[EVENT_GOEXIT] = MIN(missed[EVENT_GOEXIT], most);
	error[EVENT_GOEXIT] = MIN(error[EVENT_GOEXIT], most);
}

bool estimate_get(const struct estimate *e, const struct estimate_counts *now,
		  uint64_t ret_missed[EVENT_TYPES], uint64_t ret_error[EVENT_TYPES])
{
	struct given g = {e->before_least, e->before_most};
	double gap_ns = e->before_cpu_ns;

	if (e->had && !e->open) {
		gap_ns += (double)sub_u64(now->cpu_ns, e->closed.cpu_ns);
		g = given_add(g, given_between(&e->closed, now));
	}
	if (gap_ns > 0 && !e->whole)
		return false;
	for (unsigned type = 0; type < EVENT_TYPES; type++) {
		double missed = gap_ns * e->rate[type], square = e->square[type];
		double unsure = e->unsure[type], wrong;

		if (type == EVENT_NEWGOROUTINE && g.most >= 0) {
			missed = hold(g, missed, &wrong);
			unsure += wrong;
		} else {
			unsure += missed * e->rate_unsure + (e->whole == 1 ? missed : 0);
			/* As in the last window; of one alone it is not known how much they
			 * differ. */
			if (gap_ns > 0)
				square += gap_ns * gap_ns *
					  fmax(e->apart[type] * e->apart[type] / 2,
					       few(e->rate[type] * e->rate_cpu_ns, e->rate_cpu_ns));
		}
		ret_missed[type] = bounded(e->missed[type] + missed + 0.5);
		ret_error[type] = bounded(ceil(2 * sqrt(square) + unsure));
	}
	hold_ends(e, ret_missed, ret_error);
	return true;
}
