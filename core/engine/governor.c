/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When a window begins and ends. See governor.h. */
#include "core/engine/governor.h"

#include <math.h>

#include "core/base/util.h"

#define MEAN_NS (200 * 1000000ull) /* what running means are taken over, about */
/* The most that it was in so long, about; which fades in about that time. */
#define BURST_NS (100 * 1000000ull)
#define PEAK_NS  (2 * NS_PER_SEC)
/* Hits take that of a program at most, which is what is reckoned with until so much of its CPU time
 * was seen with probes in: what a program begins with says little of what it does then. */
#define HIT_PART_MOST 0.75
#define KNOWN_NS      (500 * 1000000ull)
/* Until it is known how long they take to go. */
#define END_NS (20 * 1000000ull)
/* Enough for so long is saved before a window begins, so that switching is a small part. */
#define SAVED_NS (500 * 1000000ull)
/* What a calm program leaves over may be spent so much later. */
#define CREDIT_NS NS_PER_SEC
/* A program that has become calm gets its probes back for good after so long, whatever it owes, if
 * that was not done a short while ago. */
#define CALM_NS   (2 * NS_PER_SEC)
#define PARDON_NS (10 * NS_PER_SEC)
#define CALM_PART 0.8 /* of the bound */

void governor_init(struct governor *g, double max_percent, uint64_t now_ns)
{
	*g = (struct governor){.max_percent = max_percent,
			       .on = true,
			       .since_ns = now_ns,
			       .begin_ns = (double)GOVERNOR_WINDOW_NS,
			       .end_ns = (double)END_NS};
}

void governor_bound(struct governor *g, double max_percent)
{
	g->max_percent = max_percent;
	g->account_ns = 0;
	g->pardon_ns = 0;
	g->looked = false;
	g->asked_ns = g->opened_ns = 0;
}

/* `n`: the value is the n-th; the first ones weigh as much as each other. */
static void running_mean(double *mean, double value, double elapsed_ns, uint64_t n)
{
	double weight = fmin(1, fmax(elapsed_ns / (double)MEAN_NS, 1 / (double)n));

	*mean += weight * (value - *mean);
}

/* What the program earns in a nanosecond. */
static double income(const struct governor *g, double busy)
{
	return g->max_percent / 100 * fmax(busy, GOVERNOR_IDLE_PART);
}

static double hits_cost(const struct governor *g)
{
	return g->busy * g->hit_part;
}

static double busiest_cost(const struct governor *g)
{
	double unsure = fmax(0, 1 - g->seen_cpu_ns / (double)KNOWN_NS);
	double part = g->hit_part + fmax(0, HIT_PART_MOST - g->hit_part) * unsure;

	return g->peak * part;
}

/* What must be left for the end of a window, which is asked for at the look after this one. */
static double price_of_end(const struct governor *g)
{
	const uint64_t look_ns = GOVERNOR_LOOK_NS;

	return busiest_cost(g) * (g->end_ns + (double)look_ns) + g->switch_ns[0];
}

/* What must be there before a window begins. */
static double price_of_window(const struct governor *g)
{
	double window =
		busiest_cost(g) * (g->begin_ns + g->end_ns) + g->switch_ns[0] + g->switch_ns[1];

	return fmax(window, income(g, g->busy) * (double)SAVED_NS);
}

/* What takes longer than it did is believed at once, what takes less time with time. */
static void learn(double *ns, uint64_t now_ns, uint64_t from_ns)
{
	double took = (double)sub_u64(now_ns, from_ns);

	*ns = fmax(took, (*ns + took) / 2);
}

/* Of what the program took of late while probes were in: a moment in which it did much says more
 * than one in which it did next to nothing. */
static void learn_part(struct governor *g, double elapsed_ns, double cpu_ns, double hits_ns)
{
	double stays = fmax(0, 1 - elapsed_ns / (double)MEAN_NS);

	g->part_cpu_ns = g->part_cpu_ns * stays + cpu_ns;
	g->part_hits_ns = g->part_hits_ns * stays + hits_ns;
	g->hit_part = g->part_hits_ns / g->part_cpu_ns;
	g->seen_cpu_ns += cpu_ns;
}

static void book(struct governor *g, double elapsed_ns, double cpu_ns, double hits_ns)
{
	double busy = cpu_ns / elapsed_ns, earned, owed, mean;

	/* Hits are in the program's own time: no estimate may be above it. */
	hits_ns = fmin(hits_ns, cpu_ns);
	running_mean(&g->busy, busy, elapsed_ns, ++g->looks);
	g->peak *= fmax(0, 1 - elapsed_ns / (double)PEAK_NS);
	g->burst += fmin(1, elapsed_ns / (double)BURST_NS) * (busy - g->burst);
	g->peak = fmax(g->peak, g->burst);
	/* One who works now and then earns by that alone. */
	earned = g->peak > GOVERNOR_IDLE_PART ? g->max_percent / 100 * cpu_ns
					      : income(g, busy) * elapsed_ns;
	/* Not of the time in which they came. */
	if (g->on && cpu_ns > 0 && g->last.now_ns >= g->since_ns)
		learn_part(g, elapsed_ns, cpu_ns, hits_ns);
	g->cpu_ns += cpu_ns;
	g->spent_ns += hits_ns;
	g->account_ns += earned - hits_ns;
	/* In a moment of rest nothing is forgiven that a time of work has made. */
	mean = g->cpu_ns / ((double)(g->on_ns + g->off_ns) + elapsed_ns);
	owed = income(g, fmax(g->busy, mean)) * (double)GOVERNOR_LONGEST_NS;
	g->account_ns = fmax(g->account_ns, -owed);
	g->account_ns = fmin(g->account_ns,
			     fmax(price_of_window(g), income(g, g->busy) * (double)CREDIT_NS));
	*(g->on ? &g->on_ns : &g->off_ns) += (uint64_t)elapsed_ns;
}

/* All hits of such a program would be within the bound. */
static bool is_calm(const struct governor *g)
{
	return hits_cost(g) < CALM_PART * income(g, g->busy);
}

static bool may_begin(struct governor *g, uint64_t now_ns)
{
	uint64_t off_ns = sub_u64(now_ns, g->since_ns);

	if (g->account_ns >= price_of_window(g) || off_ns >= GOVERNOR_LONGEST_NS)
		return true;
	if (!is_calm(g) || off_ns < CALM_NS)
		return false;
	if (g->account_ns < 0) {
		if (g->pardon_ns && sub_u64(now_ns, g->pardon_ns) < PARDON_NS)
			return false;
		g->pardon_ns = now_ns;
		g->account_ns = 0;
	}
	return true;
}

/* A window may not end yet, or there is enough for more of it. */
static bool may_stay(struct governor *g, uint64_t now_ns)
{
	if (sub_u64(now_ns, g->since_ns) < GOVERNOR_WINDOW_NS)
		return true;
	if (g->opened_ns)
		learn(&g->begin_ns, now_ns, g->opened_ns);
	g->opened_ns = 0;
	/* What taking them out costs is kept back. One who owes and pays it off needs no switching.
	 */
	return g->account_ns > price_of_end(g) || hits_cost(g) <= income(g, g->busy);
}

bool governor_step(struct governor *g, const struct governor_look *look)
{
	uint64_t elapsed_ns = sub_u64(look->now_ns, g->last.now_ns);
	bool had = g->looked, on;

	if (g->max_percent <= 0) {
		g->looked = false;
		return true;
	}
	if (!had || !elapsed_ns) {
		if (!had)
			g->last = *look;
		g->looked = true;
		return g->on;
	}
	book(g, (double)elapsed_ns, (double)sub_u64(look->cpu_ns, g->last.cpu_ns),
	     (double)sub_u64(look->hits_ns, g->last.hits_ns));
	g->last = *look;
	on = g->on ? may_stay(g, look->now_ns) : may_begin(g, look->now_ns);
	g->asked_ns = on == g->on ? 0 : look->now_ns;
	return on;
}

/*
 * For how long it was, since their end was asked for, as if all probes had been in. That the
 * kernel waits for others before it says that one is out costs the program nothing: the breakpoint
 * went first. What counts is what hits took meanwhile.
 */
static uint64_t as_long_ns(const struct governor *g, const struct governor_look *now)
{
	double hits = (double)sub_u64(now->hits_ns, g->last.hits_ns), cost = hits_cost(g);
	uint64_t took_ns = sub_u64(now->now_ns, g->asked_ns);

	return cost > 0 ? (uint64_t)fmin((double)took_ns, hits / cost) : took_ns;
}

void governor_switched(struct governor *g, bool on, const struct governor_look *now,
		       uint64_t cpu_ns)
{
	double cost = (double)cpu_ns, *mean = &g->switch_ns[on];
	uint64_t now_ns = now->now_ns;

	*mean = *mean > 0 ? *mean + (cost - *mean) / 4 : cost;
	g->windows += g->on && !on;
	if (g->asked_ns && !on)
		learn(&g->end_ns, as_long_ns(g, now), 0);
	/* They come one by one: it is as if all had come half-way. */
	g->opened_ns = on && g->asked_ns ? now_ns - sub_u64(now_ns, g->asked_ns) / 2 : 0;
	g->asked_ns = 0;
	g->on = on;
	g->since_ns = now_ns;
	if (g->max_percent <= 0)
		return;
	g->account_ns -= cost;
	g->spent_ns += cost;
	g->switched_ns += cost;
}
