/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When a window of sampling begins and ends, and what it stands for. See sample_pace.h. */
#include "core/engine/sample_pace.h"

#include <math.h>

#define WEIGH_NS (NS_PER_SEC / 10) /* how often it is looked at what all of the time costs */
/* So much more than the bound may be taken before windows begin: short work is sampled whole. What
 * a calm program leaves over comes to no more. */
#define CREDIT_NS (100 * 1000000ull)
#define SOON_NS   (2 * 1000000ull) /* no look is sooner than that */
/* A program that takes less than this part of a CPU counts as one that takes it. */
#define IDLE_PART 0.1
/* Two windows in turn with so much of the bound, as if it were all of the time: it may be. */
#define CALM_PART    0.7
#define CALM_WINDOWS 2
/* The first cycle is longer by so much: probes are hit while they come and go, too. */
#define UNSURE 2
/* A window is over after so many times what it was to last: the program has come to rest. */
#define PATIENCE 8
/* What a window stands for that came too late for its cycle, at most. */
#define LATE_SCALE_MAX (4 * SAMPLE_SCALE_MAX)

/* The clock of windows and cycles: what the program took for itself. In a window it does less in
 * the same time, for the hits. */
static uint64_t own_ns(const struct sample_look *look)
{
	return sub_u64(look->cpu_ns, look->hits_ns);
}

void sample_pace_init(struct sample_pace *p, double bound, const struct sample_look *now)
{
	*p = (struct sample_pace){.bound = bound,
				  .open = true,
				  .scale = 1,
				  .busy = 1,
				  .credit_ns = (double)CREDIT_NS,
				  .begun_own_ns = own_ns(now),
				  .weighed = *now};
}

/* That the program took since then. */
static double cpu_of(const struct sample_look *since, const struct sample_look *now)
{
	double elapsed = (double)sub_u64(now->now_ns, since->now_ns);

	return fmax((double)sub_u64(now->cpu_ns, since->cpu_ns), elapsed * IDLE_PART);
}

/* Of it. */
static double part(const struct sample_look *since, const struct sample_look *now, uint64_t cost_ns)
{
	double cpu = cpu_of(since, now);

	return cpu > 0 ? (double)cost_ns / cpu : 0;
}

static double hits_part(const struct sample_look *since, const struct sample_look *now)
{
	return part(since, now, sub_u64(now->hits_ns, since->hits_ns));
}

static double cost_part(const struct sample_look *since, const struct sample_look *now)
{
	return part(since, now,
		    sub_u64(now->hits_ns, since->hits_ns) +
			    sub_u64(now->switch_ns, since->switch_ns));
}

static uint32_t scale_of(double scale)
{
	return (uint32_t)fmin(fmax(ceil(scale), 2), SAMPLE_SCALE_MAX);
}

/* Of the program's CPU time: as long by the clock on many CPUs. */
static uint64_t window_own_ns(const struct sample_pace *p)
{
	return (uint64_t)((double)SAMPLE_WINDOW_NS * fmax(p->busy, 1));
}

/* When the program's CPU time will have come so far, at the earliest: as things go. */
static uint64_t reached_ns(const struct sample_pace *p, const struct sample_look *now,
			   uint64_t cpu_ns)
{
	double left = (double)sub_u64(cpu_ns, own_ns(now)) / fmax(p->busy, IDLE_PART);

	return now->now_ns + MAX((uint64_t)left, SOON_NS);
}

static bool window_goes_on(const struct sample_pace *p, const struct sample_look *now,
			   uint64_t *ret_due_ns)
{
	uint64_t until_own_ns = own_ns(&p->opened) + window_own_ns(p);
	uint64_t until_ns = p->opened.now_ns + PATIENCE * SAMPLE_WINDOW_NS;

	*ret_due_ns = MIN(until_ns, reached_ns(p, now, until_own_ns));
	return own_ns(now) < until_own_ns && now->now_ns < until_ns;
}

/* All of the time. Of the first process its CPU time is known from the second look on. */
static bool affords(struct sample_pace *p, const struct sample_look *now)
{
	if (!p->weighed.cpu_ns)
		return true;
	p->credit_ns += p->bound * cpu_of(&p->weighed, now) -
			(double)sub_u64(now->hits_ns, p->weighed.hits_ns);
	p->credit_ns = fmin(p->credit_ns, (double)CREDIT_NS);
	return p->credit_ns >= 0;
}

double sample_pace_stands_for(const struct sample_pace *p, const struct sample_look *now)
{
	uint64_t own = own_ns(now), all = sub_u64(own, p->begun_own_ns);
	uint64_t until = p->open && p->scale == 1 ? own : MIN(p->from_own_ns, own);
	uint64_t stood = sub_u64(sub_u64(until, p->begun_own_ns), p->missed_own_ns);

	return all ? (double)stood / (double)all : 1;
}

bool sample_pace_step(struct sample_pace *p, const struct sample_look *now, uint64_t *ret_due_ns)
{
	if (!p->open) {
		uint64_t until_ns = p->weighed.now_ns + SAMPLE_LONGEST_NS;

		*ret_due_ns = MIN(until_ns, reached_ns(p, now, p->opens_own_ns));
		return own_ns(now) >= p->opens_own_ns || now->now_ns >= until_ns;
	}
	if (p->scale > 1)
		return window_goes_on(p, now, ret_due_ns);
	*ret_due_ns = p->weighed.now_ns + WEIGH_NS;
	if (now->now_ns < *ret_due_ns)
		return true;
	*ret_due_ns = now->now_ns + WEIGH_NS;
	if (!affords(p, now))
		return false; /* sample_pace_closed() weighs it */
	p->weighed = *now;
	return true;
}

void sample_pace_opened(struct sample_pace *p, const struct sample_look *now)
{
	uint64_t late_ns = sub_u64(own_ns(now), p->from_own_ns);

	p->open = true;
	p->opened = *now;
	if (p->scale == 1) {
		p->weighed = *now;
		p->missed_own_ns += late_ns;
	} else /* so late that it would end after what it stands for */
		p->scale = MAX(p->scale, (uint32_t)MIN(late_ns / window_own_ns(p) + 1,
						       (uint64_t)LATE_SCALE_MAX));
}

/* The next cycle's, by what the last one cost. */
static uint32_t next_scale(struct sample_pace *p, const struct sample_look *now)
{
	double wanted;

	if (p->scale == 1)
		return scale_of(UNSURE * hits_part(&p->weighed, now) / p->bound);
	wanted = cost_part(&p->weighed, now) / p->bound;
	p->calm = hits_part(&p->opened, now) < CALM_PART * p->bound ? p->calm + 1 : 0;
	if (p->calm >= CALM_WINDOWS)
		return 1;
	/* One cycle says little. */
	return scale_of(p->scale * fmin(fmax(wanted, 0.5), 2));
}

void sample_pace_closed(struct sample_pace *p, const struct sample_look *now, uint64_t chance)
{
	uint64_t took_ns = sub_u64(own_ns(now), own_ns(&p->opened)), whole_ns;
	double elapsed = (double)sub_u64(now->now_ns, p->weighed.now_ns);

	p->open = false;
	p->windows += p->scale > 1;
	if (p->scale == 1)
		p->from_own_ns = own_ns(now);
	else if (p->scale < LATE_SCALE_MAX)
		p->from_own_ns += p->scale * took_ns;
	else {
		p->from_own_ns += p->scale * took_ns;
		p->missed_own_ns += sub_u64(own_ns(now), p->from_own_ns);
		p->from_own_ns = MAX(p->from_own_ns, own_ns(now));
	}
	if (elapsed > 0)
		p->busy = (double)sub_u64(now->cpu_ns, p->weighed.cpu_ns) / elapsed;
	p->scale = next_scale(p, now);
	if (p->scale == 1)
		p->calm = 0;
	p->credit_ns = 0;
	p->weighed = *now;
	whole_ns = window_own_ns(p) * p->scale;
	p->opens_own_ns = p->from_own_ns + chance % (whole_ns - window_own_ns(p) + 1);
}
