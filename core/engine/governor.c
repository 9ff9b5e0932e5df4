/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When a window begins and ends. See governor.h. */
#include "core/engine/governor.h"

#include <math.h>

#include "core/base/util.h"

#define MEAN_NS (200 * 1000000ull) /* what running means are taken over, about */
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
	*g = (struct governor){.max_percent = max_percent, .on = true, .since_ns = now_ns};
}

void governor_bound(struct governor *g, double max_percent)
{
	g->max_percent = max_percent;
	g->account_ns = 0;
	g->pardon_ns = 0;
	g->looked = false;
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

/* What must be there before a window begins. */
static double price_of_window(const struct governor *g)
{
	double window =
		hits_cost(g) * (double)GOVERNOR_WINDOW_NS + g->switch_ns[0] + g->switch_ns[1];

	return fmax(window, income(g, g->busy) * (double)SAVED_NS);
}

static void book(struct governor *g, double elapsed_ns, double cpu_ns, double hits_ns)
{
	double earned = income(g, cpu_ns / elapsed_ns) * elapsed_ns, owed;

	/* Hits are in the program's own time: no estimate may be above it. */
	hits_ns = fmin(hits_ns, cpu_ns);
	running_mean(&g->busy, cpu_ns / elapsed_ns, elapsed_ns, ++g->looks);
	if (g->on && cpu_ns > 0)
		running_mean(&g->hit_part, hits_ns / cpu_ns, elapsed_ns, ++g->on_looks);
	g->cpu_ns += cpu_ns;
	g->spent_ns += hits_ns;
	g->account_ns += earned - hits_ns;
	owed = income(g, g->busy) * (double)GOVERNOR_LONGEST_NS;
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

bool governor_step(struct governor *g, const struct governor_look *look)
{
	uint64_t elapsed_ns = sub_u64(look->now_ns, g->last.now_ns);
	bool had = g->looked;

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
	if (!g->on)
		return may_begin(g, look->now_ns);
	/* What taking them out costs is kept back. One who owes and pays it off needs no switching.
	 */
	return sub_u64(look->now_ns, g->since_ns) < GOVERNOR_WINDOW_NS ||
	       g->account_ns > g->switch_ns[0] || hits_cost(g) <= income(g, g->busy);
}

void governor_switched(struct governor *g, bool on, uint64_t now_ns, uint64_t cpu_ns)
{
	double cost = (double)cpu_ns, *mean = &g->switch_ns[on];

	*mean = *mean > 0 ? *mean + (cost - *mean) / 4 : cost;
	g->windows += g->on && !on;
	g->on = on;
	g->since_ns = now_ns;
	if (g->max_percent <= 0)
		return;
	g->account_ns -= cost;
	g->spent_ns += cost;
	g->switched_ns += cost;
}
