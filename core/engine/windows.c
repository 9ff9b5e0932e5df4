/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The thread behind -max-overhead. See windows.h. */
#include "core/engine/windows.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/base/log.h"
#include "core/base/thread.h"
#include "core/base/util.h"
#include "core/engine/costs.h"
#include "core/engine/estimate.h"
#include "core/engine/governor.h"

#define RETRY_NS           NS_PER_SEC        /* after an attempt to attach that failed */
#define DELIVERED_NS       (NS_PER_SEC / 50) /* so long the counts of a window are waited for */
#define GOIDS_DELIVERED_NS (NS_PER_SEC / 10) /* and those that numbers are held against */
/* How often the runtimes' numbers are read between windows, for whoever looks: 40 us a process. */
#define GOIDS_NS (NS_PER_SEC / 5)

struct windows {
	struct windows_config c;
	uint64_t retry_ns;           /* protected by switching */
	struct estimate_counts seen; /* at the last look, but for events; protected by lock */
	uint64_t goids_due_ns; /* when to read those of `seen` again; protected by switching */
	bool said;

	pthread_mutex_t switching; /* held while the kernel attaches and detaches */
	pthread_mutex_t lock;      /* held for moments; within switching */
	pthread_cond_t changed;
	struct governor governor; /* changed by who holds both, read by who holds either */
	struct estimate estimate; /* the same */
	bool stopping;            /* protected by lock */

	pthread_t thread;
	bool started;
};

int windows_new(const struct windows_config *config, struct windows **ret)
{
	struct windows *w = calloc(1, sizeof(*w));
	pthread_condattr_t attr;

	if (!w)
		return -ENOMEM;
	w->c = *config;
	governor_init(&w->governor, config->max_percent, monotonic_ns());
	pthread_mutex_init(&w->switching, NULL);
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &attr);
	pthread_condattr_destroy(&attr);
	*ret = w;
	return 0;
}

/* --- looking ---------------------------------------------------------------------------- */

static void look(struct windows *w, struct governor_look *ret)
{
	struct costs_now costs;

	costs_look(w->c.costs, &costs);
	*ret = (struct governor_look){
		.now_ns = monotonic_ns(), .cpu_ns = costs.cpu_ns, .hits_ns = costs.hits_ns};
}

/* Of all processes that run; not known when it is not of one of them. */
static void count_goids(struct windows *w, struct estimate_counts *ret)
{
	const struct source *s = w->c.source;
	unsigned n = model_procs(w->c.model);
	bool known = s->goids != NULL;

	ret->goids_least = ret->goids_most = ret->procs_run = 0;
	ret->procs_seen = n;
	for (unsigned proc = 0; proc < n; proc++) {
		uint64_t least = 0, most = 0;
		struct proc_info info;

		if (model_proc_living(w->c.model, proc, &info))
			continue;
		known = known && !s->goids(s->ctx, proc, info.pid, &least, &most);
		ret->goids_least = sum_u64(ret->goids_least, least);
		ret->goids_most = sum_u64(ret->goids_most, most);
		ret->procs_run++;
	}
	if (!known)
		ret->goids_least = ret->goids_most = 0;
}

/* Whether -sample chose it and there was room for it, or not. false: more may have happened until
 * now. */
static bool count_events(struct windows *w, uint64_t patience_ns, struct model_totals *totals,
			 uint64_t ret[EVENT_TYPES])
{
	struct capture_stats stats;
	bool all = source_wait_delivered(w->c.source, monotonic_ns(), patience_ns, NULL, NULL);

	model_totals(w->c.model, -1, totals);
	w->c.source->stats(w->c.source->ctx, &stats);
	for (unsigned type = 0; type < EVENT_TYPES; type++)
		ret[type] = totals->events[type] + totals->lost[type] + stats.unchosen[type];
	return all;
}

/* What happened up to now. Numbers are read while events come: what was counted before them, and
 * after. */
static void count(struct windows *w, struct estimate_counts *ret)
{
	uint64_t after[EVENT_TYPES];
	struct governor_look at;
	struct model_totals totals, later;

	*ret = (struct estimate_counts){0};
	(void)count_events(w, DELIVERED_NS, &totals, ret->events);
	look(w, &at);
	ret->cpu_ns = at.cpu_ns;
	ret->hits_ns = at.hits_ns;
	ret->live = totals.live_total;
	ret->live_known = totals.live_total && !totals.in_doubt;
	count_goids(w, ret);
	if (!count_events(w, GOIDS_DELIVERED_NS, &later, after))
		ret->goids_least = ret->goids_most = 0;
	ret->on_the_way = sub_u64(after[EVENT_NEWGOROUTINE], ret->events[EVENT_NEWGOROUTINE]);
}

/* --- switching -------------------------------------------------------------------------- */

static uint64_t switching_ns(struct windows *w)
{
	struct capture_stats stats;

	w->c.source->stats(w->c.source->ctx, &stats);
	return stats.switching_ns;
}

/* Holding `switching`. */
static int switch_probes(struct windows *w, bool on)
{
	struct estimate_counts counts;
	struct governor_look now;
	uint64_t cost_ns = switching_ns(w);
	int err;

	if (!on)
		count(w, &counts);
	err = w->c.set_off(w->c.ctx, !on);
	if (err && err != -ETIMEDOUT && err != -EBUSY)
		return err;
	cost_ns = sub_u64(switching_ns(w), cost_ns);
	if (on)
		count(w, &counts);
	look(w, &now);
	pthread_mutex_lock(&w->lock);
	governor_switched(&w->governor, on, &now, cost_ns);
	if (on)
		estimate_opened(&w->estimate, &counts);
	else
		estimate_closed(&w->estimate, &counts);
	pthread_mutex_unlock(&w->lock);
	return 0;
}

static void say(struct windows *w)
{
	if (w->said)
		return;
	w->said = true;
	log_info("tracing would cost more than %g%% of the program's CPU time: from now on it is "
		 "traced in windows, and what is between them is estimated",
		 w->governor.max_percent);
}

/* Between windows what is shown of them goes on: CPU time with each look, numbers now and then.
 * Holding `switching`. */
static void note_seen(struct windows *w, const struct governor_look *now)
{
	struct estimate_counts seen = w->seen;

	if (w->governor.on) {
		seen = (struct estimate_counts){0};
		w->goids_due_ns = 0;
	} else if (now->now_ns >= w->goids_due_ns) {
		count_goids(w, &seen);
		w->goids_due_ns = now->now_ns + GOIDS_NS;
	}
	seen.cpu_ns = now->cpu_ns;
	pthread_mutex_lock(&w->lock);
	w->seen = seen;
	pthread_mutex_unlock(&w->lock);
}

/* Holding `switching`. */
static void step(struct windows *w)
{
	struct governor_look now;
	int err = 0;
	bool on;

	if (w->c.is_off(w->c.ctx)) {
		/* Nothing is to be kept, nor to be learnt. */
		pthread_mutex_lock(&w->lock);
		governor_bound(&w->governor, w->governor.max_percent);
		estimate_restart(&w->estimate);
		pthread_mutex_unlock(&w->lock);
		return;
	}
	look(w, &now);
	note_seen(w, &now);
	pthread_mutex_lock(&w->lock);
	on = governor_step(&w->governor, &now);
	pthread_mutex_unlock(&w->lock);
	if (on && w->governor.on && !w->estimate.open) {
		struct estimate_counts counts;

		count(w, &counts);
		pthread_mutex_lock(&w->lock);
		estimate_opened(&w->estimate, &counts);
		pthread_mutex_unlock(&w->lock);
	}
	if (on == w->governor.on || now.now_ns < w->retry_ns)
		return;
	if (!on)
		say(w);
	err = switch_probes(w, on);
	if (err) {
		log_warn("-max-overhead: the probes could not be %s: %s",
			 on ? "attached" : "detached", strerror(-err));
		w->retry_ns = monotonic_ns() + RETRY_NS;
	}
}

/* false: stop. */
static bool wait_for_look(struct windows *w, uint64_t due_ns)
{
	struct timespec until = {.tv_sec = (time_t)(due_ns / NS_PER_SEC),
				 .tv_nsec = (long)(due_ns % NS_PER_SEC)};
	bool stopping;

	pthread_mutex_lock(&w->lock);
	while (!w->stopping && (w->governor.max_percent <= 0 || monotonic_ns() < due_ns)) {
		if (w->governor.max_percent <= 0)
			pthread_cond_wait(&w->changed, &w->lock);
		else
			pthread_cond_timedwait(&w->changed, &w->lock, &until);
	}
	stopping = w->stopping;
	pthread_mutex_unlock(&w->lock);
	return !stopping;
}

static void *windows_main(void *arg)
{
	struct windows *w = arg;

	pthread_setname_np(pthread_self(), "xgotop-budget");
	/* A window that it ends too late is dear. Only this thread (Linux). */
	(void)setpriority(PRIO_PROCESS, 0, CAPTURE_NICE);
	while (wait_for_look(w, monotonic_ns() + GOVERNOR_LOOK_NS)) {
		pthread_mutex_lock(&w->switching);
		step(w);
		pthread_mutex_unlock(&w->switching);
	}
	return NULL;
}

/* --- from outside ----------------------------------------------------------------------- */

int windows_start(struct windows *w)
{
	int err = thread_start(&w->thread, windows_main, w);

	w->started = !err;
	return err;
}

void windows_stop(struct windows *w)
{
	if (!w || !w->started)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL); /* the kernel's attaching is bounded: keeper.h */
	w->started = false;
}

void windows_free(struct windows *w)
{
	if (!w)
		return;
	windows_stop(w);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	pthread_mutex_destroy(&w->switching);
	free(w);
}

int windows_bound(struct windows *w, double max_percent)
{
	int err = 0;

	pthread_mutex_lock(&w->switching);
	if (max_percent <= 0 && !w->governor.on)
		err = switch_probes(w, true);
	if (!err) {
		pthread_mutex_lock(&w->lock);
		governor_bound(&w->governor, max_percent);
		w->said = false;
		pthread_cond_broadcast(&w->changed);
		pthread_mutex_unlock(&w->lock);
	}
	pthread_mutex_unlock(&w->switching);
	return err;
}

void windows_get(struct windows *w, struct live_budget *ret)
{
	const struct governor *g = &w->governor;

	pthread_mutex_lock(&w->lock);
	*ret = (struct live_budget){
		.max_percent = g->max_percent,
		.on = g->on,
		.windows = g->windows,
		.on_ns = g->on_ns,
		.off_ns = g->off_ns,
		.cpu_ns = (uint64_t)g->cpu_ns,
		.spent_ns = (uint64_t)g->spent_ns,
		.switched_ns = (uint64_t)g->switched_ns,
		.attach_ns = (uint64_t)g->switch_ns[1],
		.detach_ns = (uint64_t)g->switch_ns[0],
		.full_percent = g->hit_part * 100,
	};
	ret->estimated = estimate_get(&w->estimate, &w->seen, ret->missed, ret->error);
	pthread_mutex_unlock(&w->lock);
}
