/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Differences of counts, by the second. See ticker.h. */
#include "core/engine/ticker.h"

#include <string.h>

#include "core/base/util.h"
#include "core/model/control.h"

#define SHORTEST_NS (NS_PER_SEC / 10)

static double by_second(uint64_t n, uint64_t elapsed_ns)
{
	return (double)n * (double)NS_PER_SEC / (double)elapsed_ns;
}

static uint64_t per_second(uint64_t n, uint64_t elapsed_ns)
{
	return (uint64_t)(by_second(n, elapsed_ns) + 0.5);
}

/* What must not be shown as none: at least one. */
static uint64_t at_least_one(uint64_t n, uint64_t elapsed_ns)
{
	return n ? MAX(per_second(n, elapsed_ns), (uint64_t)1) : 0;
}

/* A mean over the second; the last known one when nothing happened in it. */
static uint64_t mean(uint64_t sum, uint64_t n, uint64_t *last)
{
	if (n)
		*last = sum / n;
	return *last;
}

static uint64_t applied(const struct capture_stats *s)
{
	return sub_u64(s->read, s->waiting);
}

/* With changes of state captured, creations and exits are seen in them. */
static bool has_hits(const struct tick *now, unsigned type)
{
	return (type != EVENT_NEWGOROUTINE && type != EVENT_GOEXIT) ||
	       !now->rates[EVENT_CASGSTATUS];
}

/* Shares what hits cost among the types, by their events and by what a hit of each costs: events
 * that were not chosen had hits, too. */
static void of_types(const struct tick *now, const struct tick *last, double percent,
		     double ret[EVENT_TYPES])
{
	const struct capture_stats *c = &now->costs.stats;
	double sum = 0;

	for (unsigned type = 0; type < EVENT_TYPES; type++) {
		uint64_t n = sub_u64(now->events[type], last->events[type]) +
			     sub_u64(c->unchosen[type], last->costs.stats.unchosen[type]);

		ret[type] = has_hits(now, type)
				    ? (double)n * (double)(c->hit_ns[type] + now->costs.program_ns)
				    : 0;
		sum += ret[type];
	}
	for (unsigned type = 0; type < EVENT_TYPES; type++)
		ret[type] = sum > 0 ? percent * ret[type] / sum : 0;
}

static void price(const struct ticker *t, const struct tick *tick, uint64_t elapsed_ns,
		  struct meter_sample *s)
{
	const struct costs_now *now = &tick->costs, *last = &t->last.costs;
	double ns = (double)sub_u64(now->hits_ns, last->hits_ns);
	uint64_t cpu_ns = sub_u64(now->cpu_ns, last->cpu_ns);

	s->lat_ns = now->program_ns;
	s->trap_ns = now->stats.price.trap_ns;
	s->step_ns = now->stats.price.step_ns;
	s->stepped = per_second(sub_u64(now->stats.stepped, last->stats.stepped), elapsed_ns);
	s->overhead_ns = now->hits_ns;
	s->overhead_percent = ns / (double)elapsed_ns * 100;
	if (cpu_ns)
		s->of_target_percent = MIN(ns / (double)cpu_ns, 1) * 100;
	of_types(tick, &t->last, s->overhead_percent, s->type_percent);
}

/* Records count for RPS and PPS alike: one record can be several events (a creation is a state
 * change and a newgoroutine), and a PPS above RPS would only confuse. */
static void of_capture(struct ticker *t, const struct tick *tick, uint64_t elapsed_ns,
		       struct second *ret)
{
	const struct capture_stats *now = &tick->costs.stats;
	const struct capture_stats *last = &t->last.costs.stats;
	struct meter_sample *s = &ret->sample;
	uint64_t lost = sub_u64(event_counts_sum(now->lost), event_counts_sum(last->lost));

	s->rps = per_second(sub_u64(now->read, last->read), elapsed_ns);
	s->pps = per_second(sub_u64(applied(now), applied(last)), elapsed_ns);
	s->ewp = now->waiting;
	s->prc_ns = mean(sub_u64(now->deliver_ns_sum, last->deliver_ns_sum),
			 sub_u64(now->delivered, last->delivered), &t->last_prc_ns);
	s->hits = per_second(sub_u64(now->hits, last->hits), elapsed_ns);
	s->lost = at_least_one(lost, elapsed_ns);
	price(t, tick, elapsed_ns, s);
	ret->lost = lost > 0;
}

static void of_recorder(const struct recorder_stats *now, const struct recorder_stats *last,
			uint64_t elapsed_ns, struct meter_sample *s)
{
	uint64_t batches = sub_u64(now->batches, last->batches);

	s->bps = by_second(batches, elapsed_ns);
	s->bfl_ns = batches ? sub_u64(now->flush_ns, last->flush_ns) / batches : 0;
	s->qwl_ns = batches ? sub_u64(now->wait_ns, last->wait_ns) / batches : 0;
}

void ticker_start(struct ticker *t, const struct tick *now)
{
	*t = (struct ticker){.last = *now};
	/* A replay may have come far already: that is the first second's. */
	memset(t->last.events, 0, sizeof(t->last.events));
}

bool ticker_tick(struct ticker *t, const struct tick *now, struct second *ret)
{
	uint64_t elapsed_ns = sub_u64(now->now_ns, t->last.now_ns);
	struct meter_sample *s = &ret->sample;

	if (elapsed_ns < SHORTEST_NS)
		return false;
	*ret = (struct second){.sample.time_ns = now->unix_ns};
	for (size_t i = 0; i < EVENT_TYPES; i++)
		ret->events[i] = per_second(sub_u64(now->events[i], t->last.events[i]), elapsed_ns);
	if (now->captured)
		of_capture(t, now, elapsed_ns, ret);
	else
		s->rps = s->pps = event_counts_sum(ret->events);
	if (now->recorded)
		of_recorder(&now->recorder, &t->last.recorder, elapsed_ns, s);
	t->last = *now;
	return true;
}
