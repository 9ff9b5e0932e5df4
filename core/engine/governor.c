/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which event types to take off, and when to try them again. See governor.h. */
#include "core/engine/governor.h"

#include <stdio.h>
#include <string.h>

#include "core/base/util.h"

#define WAIT_MIN_NS  (10 * NS_PER_SEC)
#define WAIT_MAX_NS  (640 * NS_PER_SEC)
#define SETTLE_NS    (1500 * 1000000ull)
#define RESTORE_PART 0.7 /* of the bound: above it, nothing comes back */

void governor_init(struct governor *g, double max_percent, const uint32_t wanted[EVENT_TYPES])
{
	*g = (struct governor){0};
	governor_reset(g, max_percent, wanted);
}

void governor_reset(struct governor *g, double max_percent, const uint32_t wanted[EVENT_TYPES])
{
	uint64_t steps = g->steps;

	*g = (struct governor){.max_percent = max_percent, .steps = steps};
	memcpy(g->wanted, wanted, sizeof(g->wanted));
	for (size_t i = 0; i < EVENT_TYPES; i++)
		g->wait_ns[i] = WAIT_MIN_NS;
}

static uint32_t rate_now(const struct governor *g, size_t type)
{
	return g->off[type] ? 0 : g->wanted[type];
}

/* What the hits of a type in the last second cost: what was delivered, scaled up by what was left
 * out. */
static double cost_of(const struct governor *g, const struct governor_second *s, size_t type)
{
	uint32_t rate = rate_now(g, type);
	double hits = rate ? (double)s->events[type] * RATE_ONE / rate : 0;

	return hits * (double)MAX(s->hit_ns[type], (uint64_t)1);
}

/* With state changes captured, creations and exits are seen in them and cost no hits of their own.
 */
static bool costs_hits(const struct governor *g, size_t type)
{
	return (type != EVENT_NEWGOROUTINE && type != EVENT_GOEXIT) ||
	       !rate_now(g, EVENT_CASGSTATUS);
}

/* The costliest type that is on; state changes only when nothing else is left, as the model lives
 * on them. EVENT_TYPES: none. */
static size_t costliest(const struct governor *g, const struct governor_second *s, double *ret_part)
{
	size_t best = EVENT_TYPES;
	double best_cost = 0, all = 0;

	for (size_t i = 0; i < EVENT_TYPES; i++) {
		double cost = costs_hits(g, i) ? cost_of(g, s, i) : 0;

		all += cost;
		if (i != EVENT_CASGSTATUS && cost > best_cost) {
			best = i;
			best_cost = cost;
		}
	}
	if (best == EVENT_TYPES || best_cost < all * 0.05) {
		if (rate_now(g, EVENT_CASGSTATUS)) {
			best = EVENT_CASGSTATUS;
			best_cost = cost_of(g, s, EVENT_CASGSTATUS);
		}
	}
	*ret_part = all > 0 ? best_cost / all : 0;
	return best;
}

static void take_off(struct governor *g, const struct governor_second *s, size_t type)
{
	g->off[type] = true;
	g->off_order[type] = ++g->steps;
	g->retry_at_ns[type] = s->now_ns + g->wait_ns[type];
	g->wait_ns[type] = MIN(g->wait_ns[type] * 2, WAIT_MAX_NS);
}

static size_t due(const struct governor *g, uint64_t now_ns)
{
	size_t best = EVENT_TYPES;

	for (size_t i = 0; i < EVENT_TYPES; i++) {
		if (g->off[i] && g->retry_at_ns[i] <= now_ns &&
		    (best == EVENT_TYPES || g->off_order[i] > g->off_order[best]))
			best = i;
	}
	return best;
}

bool governor_step(struct governor *g, const struct governor_second *s,
		   uint32_t ret_rates[EVENT_TYPES], char *why, size_t size)
{
	double part;
	size_t type;

	if (g->max_percent <= 0 || s->now_ns < g->settled_at_ns)
		return false;
	if (s->overhead_percent > g->max_percent) {
		type = costliest(g, s, &part);
		if (type == EVENT_TYPES)
			return false;
		take_off(g, s, type);
		snprintf(why, size,
			 "overhead %.1f%% of a CPU is above %g%%: %s off (about %.0f%% of it)",
			 s->overhead_percent, g->max_percent, event_type_name((unsigned)type),
			 part * 100);
	} else {
		type = due(g, s->now_ns);
		if (type == EVENT_TYPES || s->overhead_percent > g->max_percent * RESTORE_PART)
			return false;
		g->off[type] = false;
		g->steps++;
		snprintf(why, size, "overhead %.1f%% of a CPU is below %g%%: %s on again",
			 s->overhead_percent, g->max_percent, event_type_name((unsigned)type));
	}
	g->settled_at_ns = s->now_ns + SETTLE_NS;
	for (size_t i = 0; i < EVENT_TYPES; i++)
		ret_rates[i] = rate_now(g, i);
	return true;
}
