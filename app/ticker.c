/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The second's tick: gathers a sample for the meter, prints the statistics line, lets the governor
 * judge, asks for a heal after a loss. Main thread.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/run.h"
#include "core/base/log.h"

static uint64_t sum_types(const uint64_t counts[EVENT_TYPES])
{
	uint64_t sum = 0;

	for (size_t i = 0; i < EVENT_TYPES; i++)
		sum += counts[i];
	return sum;
}

static uint64_t per_second(uint64_t n, uint64_t elapsed_ns)
{
	return (uint64_t)((double)n * (double)NS_PER_SEC / (double)elapsed_ns + 0.5);
}

/* A mean over the second; the last known one when nothing happened in it. */
static uint64_t mean(uint64_t sum, uint64_t n, uint64_t *last)
{
	if (n)
		*last = sum / n;
	return *last;
}

/* Records count for RPS and PPS alike: one record can be several events (a creation is a state
 * change and a newgoroutine), and a PPS above RPS would only confuse. */
static void sample_capture(struct run *r, uint64_t elapsed_ns, struct meter_sample *s)
{
	struct ticker *t = &r->ticker;
	struct capture_stats now, *last = &t->last;

	run_capture_stats(r, &now);
	s->rps = per_second(now.read - last->read, elapsed_ns);
	s->pps = per_second((now.read - now.waiting) - (last->read - last->waiting), elapsed_ns);
	s->ewp = now.waiting;
	s->lat_ns = mean(now.prog_ns_sum - last->prog_ns_sum,
			 now.prog_ns_samples - last->prog_ns_samples, &t->last_lat_ns);
	s->prc_ns = mean(now.deliver_ns_sum - last->deliver_ns_sum, now.delivered - last->delivered,
			 &t->last_prc_ns);
	s->hits = per_second(now.hits - last->hits, elapsed_ns);
	s->lost = per_second(sum_types(now.lost) - sum_types(last->lost), elapsed_ns);
	s->trap_ns = r->trap_ns;
	s->overhead_percent = (double)s->hits * (double)(s->trap_ns + s->lat_ns) / 1e7;
	*last = now;
}

static void sample_replay(struct run *r, uint64_t elapsed_ns, uint64_t events,
			  struct meter_sample *s)
{
	s->rps = s->pps = per_second(events, elapsed_ns);
}

static void print_sample(const struct view *v, const struct meter_sample *s)
{
	cleanup_buf_ struct buf stop = BUF_INIT;
	struct recording rec;

	view_recording(v, &rec);
	view_recording_stop(&rec, &stop);
	log_info("RPS %llu/s  PPS %llu/s  EWP %llu  LAT %llu ns  PRC %llu ns  BPS %.1f/s  "
		 "BFL %.2f ms  QWL %.2f ms  lost %llu/s  overhead %.1f%% of a CPU%s%s",
		 (unsigned long long)s->rps, (unsigned long long)s->pps, (unsigned long long)s->ewp,
		 (unsigned long long)s->lat_ns, (unsigned long long)s->prc_ns, s->bps,
		 (double)s->bfl_ns / 1e6, (double)s->qwl_ns / 1e6, (unsigned long long)s->lost,
		 s->overhead_percent, stop.len ? "  " : "", stop.len ? stop.data : "");
}

static bool prints_statistics(const struct run *r)
{
	const struct config *c = r->config;

	/* A command's own stderr stays clean when it goes to a file. */
	if (c->daemon)
		return false;
	return isatty(STDERR_FILENO) || (!c->mount_point && c->mode != MODE_COMMAND);
}

static void govern(struct run *r, const struct meter_sample *s, const uint64_t events[EVENT_TYPES])
{
	struct governor_second second = {
		.now_ns = monotonic_ns(),
		.overhead_percent = s->overhead_percent,
	};
	uint32_t rates[EVENT_TYPES];
	char why[256];
	int err = 0;

	memcpy(second.events, events, sizeof(second.events));
	/* Somebody is changing the rates, which the kernel may take long to do: the next second
	 * will do. */
	if (pthread_mutex_trylock(&r->governor_lock))
		return;
	if (governor_step(&r->governor, &second, rates, why, sizeof(why))) {
		err = capture_set_rates(r->capture, rates);
		log_info("%s", why);
	}
	pthread_mutex_unlock(&r->governor_lock);
	if (err)
		log_warn("the rates could not be changed: %s", strerror(-err));
}

/* State changes that are not all seen leave the model behind: its memory tells. */
static void heal_when_needed(struct run *r, const struct meter_sample *s)
{
	uint32_t rates[EVENT_TYPES];

	capture_get_rates(r->capture, rates);
	healer_always(r->healer, rates[EVENT_CASGSTATUS] != RATE_ONE);
	if (s->lost)
		healer_ask_all(r->healer);
}

void ticker_start(struct run *r)
{
	r->ticker = (struct ticker){.last_ns = monotonic_ns()};
	if (r->capture)
		run_capture_stats(r, &r->ticker.last);
}

void ticker_tick(struct run *r)
{
	struct meter_sample s = {.time_ns = clock_ns(CLOCK_REALTIME)};
	uint64_t now_ns = monotonic_ns(), elapsed_ns = now_ns - r->ticker.last_ns;
	uint64_t events[EVENT_TYPES];
	struct model_totals totals;

	if (elapsed_ns < NS_PER_SEC / 10)
		return;
	model_totals(r->model, -1, &totals);
	for (size_t i = 0; i < EVENT_TYPES; i++) {
		/* A replay that seeks back begins its counts anew. */
		events[i] = totals.events[i] - MIN(totals.events[i], r->ticker.last_events[i]);
		r->ticker.last_events[i] = totals.events[i];
	}
	if (r->capture)
		sample_capture(r, elapsed_ns, &s);
	else
		sample_replay(r, elapsed_ns, sum_types(events), &s);
	if (r->outputs)
		outputs_meter(r->outputs, &s);
	r->ticker.last_ns = now_ns;
	meter_add(r->meter, &s);
	if (prints_statistics(r))
		print_sample(&r->view, &s);
	if (r->capture && r->tracing) {
		govern(r, &s, events);
		heal_when_needed(r, &s);
	}
}
