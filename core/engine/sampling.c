/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The thread behind -probes light. See sampling.h. */
#include "core/engine/sampling.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/base/log.h"
#include "core/base/thread.h"
#include "core/base/util.h"
#include "core/engine/sample_pace.h"

#define RETRY_NS NS_PER_SEC       /* after an attempt to attach that failed */
#define AGAIN_NS (NS_PER_SEC / 5) /* the kernel has not let go yet */
/* Where the kernel takes so long for a change, as on a machine that has far too much to do, the
 * probes stay in for so long: between windows a hit costs little more than its trap, and windows
 * come when they are due. */
#define SLOW_NS (NS_PER_SEC / 2)
#define STAY_NS (60 * NS_PER_SEC)

#define PATIENCE_NS (5 * NS_PER_SEC)
#define NAP_NS      (NS_PER_SEC / 5)

struct sampling {
	const struct source *source;
	struct costs *costs;
	const _Atomic double *max_overhead;

	pthread_mutex_t lock; /* held while the kernel attaches and detaches */
	pthread_cond_t changed;
	bool wanted, stopping; /* protected by lock, as the next six */
	uint64_t stay_until_ns;
	struct sample_pace pace;
	struct capture_stats last; /* at the last look */
	uint64_t hits_ns;
	uint64_t due_ns;
	_Atomic unsigned scale; /* pace.scale, for who looks */
	_Atomic uint64_t windows;
	_Atomic double stands_for; /* sample_pace_stands_for() */

	pthread_t thread;
	bool started;
};

int sampling_new(const struct source *source, struct costs *costs,
		 const _Atomic double *max_overhead, struct sampling **ret)
{
	struct sampling *s = calloc(1, sizeof(*s));
	pthread_condattr_t attr;

	if (!s)
		return -ENOMEM;
	s->source = source;
	s->costs = costs;
	s->max_overhead = max_overhead;
	atomic_init(&s->scale, 1);
	atomic_init(&s->stands_for, 1);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_condattr_destroy(&attr);
	*ret = s;
	return 0;
}

/* What hits took of the program, without costs_now's mean of the last that were timed: a window is
 * short, and its hits are not those of before. Advanced by each look, as prices change. */
static void add_hits(struct sampling *s, const struct capture_stats *now)
{
	uint64_t hits = sub_u64(now->hits, s->last.hits);
	uint64_t stepped = MIN(sub_u64(now->stepped, s->last.stepped), hits);

	s->hits_ns += (hits - stepped) * now->price.trap_ns + stepped * now->price.step_ns +
		      sub_u64(now->prog_ns_sum, s->last.prog_ns_sum) * CAPTURE_TIMED;
	s->last = *now;
}

/* Holding the lock, as the next ones. */
static struct sample_look look(struct sampling *s)
{
	struct costs_now costs;

	costs_look(s->costs, &costs);
	add_hits(s, &costs.stats);
	return (struct sample_look){.now_ns = monotonic_ns(),
				    .cpu_ns = costs.cpu_ns,
				    .hits_ns = s->hits_ns,
				    .switch_ns = costs.stats.switching_ns};
}

static double bound(const struct sampling *s)
{
	double percent = atomic_load(s->max_overhead);

	return (percent > 0 ? MIN(percent, SAMPLE_BOUND_PERCENT) : SAMPLE_BOUND_PERCENT) / 100;
}

/* Any number, another one each time. */
static uint64_t chance(uint64_t now_ns)
{
	uint64_t x = now_ns * 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull;
	return x >> 16;
}

static void publish(struct sampling *s)
{
	atomic_store(&s->scale, s->pace.scale);
	atomic_store(&s->windows, s->pace.windows);
}

static unsigned window_number(const struct sampling *s)
{
	return s->pace.scale > 1 ? (unsigned)(s->pace.windows % SAMPLE_WINDOWS) + 1 : 0;
}

static int attach(struct sampling *s, bool on)
{
	uint64_t asked_ns = monotonic_ns();
	int err = s->source->sample_allocations(s->source->ctx, on);
	uint64_t now_ns = monotonic_ns();

	if (now_ns - asked_ns > SLOW_NS || err == -EBUSY)
		s->stay_until_ns = now_ns + STAY_NS;
	return err;
}

static void open_window(struct sampling *s)
{
	int err = attach(s, true);
	struct sample_look now;

	if (err) {
		s->due_ns = monotonic_ns() + (err == -EBUSY ? AGAIN_NS : RETRY_NS);
		return;
	}
	now = look(s);
	sample_pace_opened(&s->pace, &now);
	s->source->sample_window(s->source->ctx, s->pace.scale, window_number(s));
	(void)sample_pace_step(&s->pace, &now, &s->due_ns);
	publish(s);
}

/* What it stands for ends at once, whatever the kernel needs to take the probes out. */
static void close_window(struct sampling *s)
{
	struct sample_look now;
	int err = 0;

	s->source->sample_window(s->source->ctx, 0, window_number(s));
	now = look(s);
	if (now.now_ns >= s->stay_until_ns)
		err = attach(s, false);
	if (err)
		log_debug("allocation samples: the probes are still there: %s", strerror(-err));
	sample_pace_closed(&s->pace, &now, chance(now.now_ns));
	(void)sample_pace_step(&s->pace, &now, &s->due_ns);
	publish(s);
}

static void step(struct sampling *s)
{
	struct sample_look now = look(s);
	bool open;

	s->pace.bound = bound(s);
	atomic_store(&s->stands_for, sample_pace_stands_for(&s->pace, &now));
	open = sample_pace_step(&s->pace, &now, &s->due_ns);
	if (open == s->pace.open)
		return;
	if (open)
		open_window(s);
	else
		close_window(s);
}

static void wait_due(struct sampling *s)
{
	struct timespec until = {.tv_sec = (time_t)(s->due_ns / NS_PER_SEC),
				 .tv_nsec = (long)(s->due_ns % NS_PER_SEC)};

	if (s->wanted)
		pthread_cond_timedwait(&s->changed, &s->lock, &until);
	else
		pthread_cond_wait(&s->changed, &s->lock);
}

static void *sampling_main(void *arg)
{
	struct sampling *s = arg;

	pthread_setname_np(pthread_self(), "xgotop-light");
	/* A window that it ends too late is dear. Only this thread (Linux). */
	(void)setpriority(PRIO_PROCESS, 0, CAPTURE_NICE);
	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		if (s->wanted && monotonic_ns() >= s->due_ns)
			step(s);
		else
			wait_due(s);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* --- from outside ----------------------------------------------------------------------- */

int sampling_start(struct sampling *s)
{
	int err;

	if (!s->source->sample_allocations || !s->source->sample_window)
		return 0;
	err = thread_start(&s->thread, sampling_main, s);
	s->started = !err;
	return err;
}

void sampling_stop(struct sampling *s)
{
	if (!s || !s->started)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL); /* the kernel's attaching is bounded: keeper.h */
	s->started = false;
}

void sampling_free(struct sampling *s)
{
	if (!s)
		return;
	sampling_stop(s);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* All of the time, from now on. Holding the lock. */
static void begin_anew(struct sampling *s, bool wanted)
{
	struct sample_look now = look(s);

	if (s->source->sample_window)
		s->source->sample_window(s->source->ctx, 1, 0);
	sample_pace_init(&s->pace, bound(s), &now);
	s->wanted = wanted;
	s->due_ns = 0;
	publish(s);
	pthread_cond_broadcast(&s->changed);
}

static void nap(struct sampling *s)
{
	uint64_t until_ns = monotonic_ns() + NAP_NS;
	struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_SEC),
				 .tv_nsec = (long)(until_ns % NS_PER_SEC)};

	pthread_cond_timedwait(&s->changed, &s->lock, &until);
}

/* Who asks for it by name has no second try of its own, as a window has: probes that the kernel has
 * not let go of are waited for a little. */
static int attach_patiently(struct sampling *s)
{
	uint64_t until_ns = monotonic_ns() + PATIENCE_NS;
	int err;

	while ((err = s->source->sample_allocations(s->source->ctx, true)) == -EBUSY &&
	       !s->stopping && monotonic_ns() < until_ns)
		nap(s);
	if (err == -EBUSY)
		(void)log_error(err, "allocations are not sampled: the kernel still holds probes "
				     "that were taken out before; try again later");
	return err;
}

int sampling_set(struct sampling *s, bool on)
{
	int err;

	pthread_mutex_lock(&s->lock);
	err = on ? attach_patiently(s) : s->source->sample_allocations(s->source->ctx, false);
	if (!err || !on)
		begin_anew(s, on);
	pthread_mutex_unlock(&s->lock);
	return err;
}

void sampling_release(struct sampling *s)
{
	pthread_mutex_lock(&s->lock);
	begin_anew(s, false);
	pthread_mutex_unlock(&s->lock);
}

void sampling_get(struct sampling *s, unsigned *ret_scale, uint64_t *ret_windows,
		  double *ret_stands_for)
{
	*ret_stands_for = atomic_load(&s->stands_for);
	*ret_scale = atomic_load(&s->scale);
	*ret_windows = atomic_load(&s->windows);
}
