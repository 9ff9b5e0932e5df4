/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When the audit looks, and what it then says. See audit.h. */
#include "core/engine/audit.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/cpu_time.h"
#include "core/base/log.h"
#include "core/base/thread.h"
#include "core/engine/audit_internal.h"
#include "core/model/control.h"

#define INTERVAL_NS     NS_PER_SEC
#define SOON            5  /* from bringing the model in line to comparing it: a fifth of that */
#define BEHIND          3  /* so many of them without the events of a reading */
#define QUIET           2  /* so many without a loss, before anything is compared */
#define DUTY            20 /* of a CPU, a twentieth */
#define AT_ONCE         200000 /* goroutines whose readings are held at a time */
#define APPLIED_STEP_NS 2000000ull
#define FIRST_NS        NS_PER_SEC /* waited at most for the first comparison */

struct auditor {
	const struct source *source;
	struct model *model;
	uint64_t interval_ns;
	struct health health; /* the thread's */

	pthread_mutex_t lock;
	pthread_cond_t changed, looked; /* looked: a round is over */
	bool stopping, arrived;         /* protected by lock, as the next three */
	uint64_t rounds;
	uint64_t begun_ns[MODEL_PROCS_MAX]; /* what followed an execve(2) arrived last; 0: none */
	struct watched *watched[MODEL_PROCS_MAX]; /* made by the thread, and its but for `shown` */
	_Atomic unsigned epoch;

	pthread_t thread;
	bool started;
};

int auditor_new(const struct source *source, struct model *model, struct auditor **ret)
{
	struct auditor *a = calloc(1, sizeof(*a));
	pthread_condattr_t attr;

	if (!a)
		return -ENOMEM;
	a->source = source;
	a->model = model;
	a->interval_ns = INTERVAL_NS;
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&a->changed, &attr);
	pthread_cond_init(&a->looked, &attr);
	pthread_condattr_destroy(&attr);
	*ret = a;
	return 0;
}

void auditor_arrived(struct auditor *a, unsigned proc)
{
	if (!a || proc >= MODEL_PROCS_MAX)
		return;
	pthread_mutex_lock(&a->lock);
	/* The probes of what is executed may come in later than it begins. */
	a->begun_ns[proc] = model_nth_of(a->model, proc) > 1 ? monotonic_ns() : 0;
	a->arrived = true;
	pthread_cond_signal(&a->changed);
	pthread_mutex_unlock(&a->lock);
}

void auditor_pace(struct auditor *a, uint64_t interval_ns)
{
	a->interval_ns = interval_ns;
}

void auditor_reset(struct auditor *a)
{
	if (a)
		atomic_fetch_add(&a->epoch, 1);
}

void auditor_get(struct auditor *a, unsigned proc, struct audit *ret)
{
	struct proc_info info;

	/* One that is not kept any more is not waited for. */
	*ret = (struct audit){.state = model_proc(a->model, proc, &info) ? AUDIT_NONE
									 : AUDIT_WAITING};
	pthread_mutex_lock(&a->lock);
	if (proc < MODEL_PROCS_MAX && a->watched[proc])
		*ret = a->watched[proc]->shown;
	pthread_mutex_unlock(&a->lock);
}

static bool stops(struct auditor *a)
{
	bool stopping;

	pthread_mutex_lock(&a->lock);
	stopping = a->stopping;
	pthread_mutex_unlock(&a->lock);
	return stopping;
}

/* --- what is said ------------------------------------------------------------------------- */

static void show(struct auditor *a, struct watched *w, const struct audit *result)
{
	pthread_mutex_lock(&a->lock);
	w->shown = *result;
	pthread_mutex_unlock(&a->lock);
}

static void show_state(struct auditor *a, struct watched *w, enum audit_state state,
		       const char *why)
{
	struct audit result = w->shown;

	result.state = state;
	snprintf(result.why, sizeof(result.why), "%s", why);
	show(a, w, &result);
}

/* Nothing can be compared: what differed before may be otherwise once it can. */
static void suspend(struct auditor *a, struct watched *w, enum audit_state state, const char *why)
{
	w->settled = false;
	w->open.n = 0;
	show_state(a, w, state, why);
}

static void finish(struct auditor *a, struct watched *w, const char *why_none)
{
	bool compared = w->shown.comparisons;

	show_state(a, w, compared ? AUDIT_FINISHED : AUDIT_NONE, compared ? "" : why_none);
}

static const char *why_blind(int err)
{
	switch (err) {
	case -ENOSYS:
		return "the list of goroutines (runtime.allgs) was not found in this binary";
	case -ENOENT:
		return "where its code lies in memory was not found";
	case -EPERM:
	case -EACCES:
		return "its memory may not be read";
	default:
		return strerror(-err);
	}
}

static void say_first(const struct watched *w, const struct audit *result)
{
	uint64_t n = audit_total(result);

	log_warn("process %d: the audit found %llu difference%s between what events told and what "
		 "its memory says: see `audit`",
		 w->pid, (unsigned long long)n, n == 1 ? "" : "s");
}

/* --- a process ---------------------------------------------------------------------------- */

static uint64_t cpu_ns(pid_t pid)
{
	uint64_t ns = process_cpu_ns(pid);

	return ns ? ns : monotonic_ns(); /* not known: as if it ran */
}

static void watched_free(struct watched *w)
{
	if (w)
		free(w->open.list);
	free(w);
}

/* NULL without memory. */
static struct watched *watch(struct auditor *a, unsigned proc, const struct proc_info *info)
{
	struct watched *w = a->watched[proc], *old = w;

	if (w && w->pid == info->pid && w->attached_ns == info->attached_ns)
		return w;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->pid = info->pid;
	w->attached_ns = info->attached_ns;
	w->reached_ns = monotonic_ns();
	w->shown.state = AUDIT_WAITING;
	pthread_mutex_lock(&a->lock);
	a->watched[proc] = w;
	pthread_mutex_unlock(&a->lock);
	watched_free(old);
	return w;
}

/* It is not kept any more; what was found of it is. */
static void unwatch(struct auditor *a, unsigned proc)
{
	struct watched *w = a->watched[proc];

	if (!w || audit_total(&w->shown))
		return;
	pthread_mutex_lock(&a->lock);
	a->watched[proc] = NULL;
	pthread_mutex_unlock(&a->lock);
	watched_free(w);
}

/* What is traced in full: without state changes, creations and exits have probes of their own. */
static struct traced_now traced_now(struct auditor *a, unsigned proc)
{
	const struct source *s = a->source;
	uint32_t rates[RATES];
	struct traced_now now = {0};

	s->get_rates(s->ctx, rates);
	now.states = rates_tell_all_states(rates);
	/* Those of goroutines that are not chosen come, too: hidden. */
	now.creations =
		rates[EVENT_CASGSTATUS] == RATE_ONE || rates[EVENT_NEWGOROUTINE] == RATE_ONE;
	now.exits = rates[EVENT_CASGSTATUS] == RATE_ONE || rates[EVENT_GOEXIT] == RATE_ONE;
	if (s->get_paused(s->ctx)) {
		now.off = "no probe for events is attached (paused, or by -probes or "
			  "-max-overhead): there are no events to compare with";
	} else if (!now.creations && !now.exits) {
		now.off = "goroutines are not traced, or only a sample of what they do";
	} else {
		memset(&a->health, 0, sizeof(a->health));
		s->health(s->ctx, proc, &a->health);
		if (a->health.file_trouble)
			now.off = "nothing is traced: see `file` in health";
	}
	return now;
}

static bool is_same(const struct traced_now *a, const struct traced_now *b)
{
	return a->states == b->states && a->creations == b->creations && a->exits == b->exits &&
	       a->off == b->off;
}

/* What was begun with before all its probes were in does not hold. */
static void begin_anew(struct auditor *a, unsigned proc, struct watched *w)
{
	uint64_t begun_ns;

	pthread_mutex_lock(&a->lock);
	begun_ns = a->begun_ns[proc];
	pthread_mutex_unlock(&a->lock);
	if (begun_ns == w->begun_ns)
		return;
	w->begun_ns = begun_ns;
	w->settled = w->base.taken = false;
	w->open.n = 0;
	w->quiet_ns = MAX(w->quiet_ns, begun_ns + QUIET * a->interval_ns);
}

/* false: nothing can be compared just now, which is shown. */
static bool may_compare(struct auditor *a, unsigned proc, struct watched *w,
			const struct traced_now *now, unsigned epoch)
{
	struct model_totals t;
	uint64_t lost;

	if (epoch != w->epoch || !is_same(now, &w->now)) {
		w->epoch = epoch;
		w->now = *now;
		w->settled = false;
		w->base.taken = false;
		w->open.n = 0;
	}
	begin_anew(a, proc, w);
	if (now->off) {
		w->reached_ns = monotonic_ns();
		suspend(a, w, AUDIT_OFF, now->off);
		return false;
	}
	model_totals(a->model, (int)proc, &t);
	lost = event_counts_sum(t.lost);
	if (lost != w->lost || t.in_doubt) {
		if (monotonic_ns() >= w->quiet_ns)
			w->lossy = false;
		w->lossy |= lost != w->lost;
		w->lost = lost;
		w->quiet_ns = monotonic_ns() + QUIET * a->interval_ns;
	}
	if (monotonic_ns() >= w->quiet_ns)
		return true;
	suspend(a, w, AUDIT_OFF,
		w->lossy ? "events were lost a moment ago: what differs now is theirs"
			 : "the probes came in a moment ago: what was missed before is being read");
	return false;
}

static int by_goid(const void *a, const void *b)
{
	uint64_t x = ((const struct goroutine_seen *)a)->goid;
	uint64_t y = ((const struct goroutine_seen *)b)->goid;

	return (x > y) - (x < y);
}

static void read_into(struct auditor *a, struct reading *r)
{
	const struct source *s = a->source;
	struct model_totals t;

	model_totals(a->model, (int)r->proc, &t);
	r->created = audit_created(&t);
	r->begun_ns = monotonic_ns();
	r->cpu_ns = cpu_ns(r->pid);
	r->numbers_err =
		s->goids ? s->goids(s->ctx, r->proc, r->pid, &r->least, &r->most) : -ENOSYS;
	r->err = s->goroutines(s->ctx, r->proc, r->pid, &r->seen, &r->n, &r->complete);
	if (!r->numbers_err && !r->err)
		r->numbers_err = s->of_threads(s->ctx, r->proc, &r->of_threads);
	r->ended_ns = monotonic_ns();
	if (!r->err && r->n)
		qsort(r->seen, r->n, sizeof(*r->seen), by_goid);
}

/* The model is as memory says, whatever was missed while nobody looked. */
static void settle(struct auditor *a, struct watched *w, const struct reading *r)
{
	model_heal(a->model, r->proc, r->seen, r->n, r->begun_ns, r->complete);
	if (!w->base.taken)
		audit_numbers_begin(a->model, w, r);
	w->settled = true;
	w->open.n = 0;
	w->reached_ns = monotonic_ns();
	if (!w->shown.comparisons)
		show_state(a, w, AUDIT_WAITING, "");
}

static void compare(struct auditor *a, struct watched *w, struct reading *r)
{
	struct audit result = w->shown;
	struct differences next = {0};
	uint64_t start_ns = monotonic_ns(), before = audit_total(&result), now = 0;

	result.why[0] = '\0';
	result.states = r->now.states;
	result.creations = r->now.creations;
	result.exits = r->now.exits && r->complete;
	result.in_memory = result.in_model = result.agree = result.moved = 0;
	result.unknown = result.unseen = result.unconfirmed = 0;
	memset(result.memory_states, 0, sizeof(result.memory_states));
	memset(result.model_states, 0, sizeof(result.model_states));
	memset(result.now, 0, sizeof(result.now));
	if (audit_compare(a->model, w, r, &next, &result)) {
		free(next.list);
		return;
	}
	audit_numbers(a->model, w, r, &result);
	audit_heal(a->model, r, &next);
	if (!r->now.states)
		audit_refresh(a->model, r);
	free(w->open.list);
	w->open = next;
	for (unsigned i = 0; i < AUDIT_KINDS; i++)
		now += result.now[i];
	result.state = now ? AUDIT_DIFFERS : AUDIT_AGREES;
	result.comparisons++;
	result.compared_ns = w->reached_ns = r->begun_ns;
	result.took_ns = r->ended_ns - r->begun_ns + monotonic_ns() - start_ns;
	if (!before && audit_total(&result)) {
		result.first_ns = monotonic_ns();
		say_first(w, &result);
	}
	show(a, w, &result);
}

/* All its events were applied, or not in time. */
static void use(struct auditor *a, struct reading *r, bool applied)
{
	struct watched *w = a->watched[r->proc];
	struct traced_now now = traced_now(a, r->proc);

	if (stops(a))
		return;
	if (r->err == -ESRCH) {
		suspend(a, w, AUDIT_OFF,
			"it ends, or its main thread has, or its program is not traced any more");
		return;
	}
	if (r->err) {
		suspend(a, w, AUDIT_BLIND, why_blind(r->err));
		return;
	}
	if (!applied) {
		if (monotonic_ns() - w->reached_ns >= BEHIND * a->interval_ns)
			suspend(a, w, AUDIT_BEHIND,
				"events of seconds ago are still on their way: nothing to compare");
		return;
	}
	/* It may have changed since the reading. */
	if (!may_compare(a, r->proc, w, &now, atomic_load(&a->epoch)) || r->epoch != w->epoch)
		return;
	if (w->settled)
		compare(a, w, r);
	else
		settle(a, w, r);
}

/* --- a round ------------------------------------------------------------------------------ */

/* The lock held: until then, or until somebody has something to say. */
static void sleep_until(struct auditor *a, uint64_t until_ns)
{
	struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_SEC),
				 .tv_nsec = (long)(until_ns % NS_PER_SEC)};

	pthread_cond_timedwait(&a->changed, &a->lock, &until);
}

/* Until then, or the end. */
static void rest(struct auditor *a, uint64_t until_ns)
{
	pthread_mutex_lock(&a->lock);
	while (!a->stopping && monotonic_ns() < until_ns)
		sleep_until(a, until_ns);
	pthread_mutex_unlock(&a->lock);
}

/* Every event before this time was applied. */
static bool wait_applied(struct auditor *a, uint64_t time_ns)
{
	const struct source *s = a->source;
	uint64_t until_ns = monotonic_ns() + a->interval_ns / 2;

	while (s->delivered(s->ctx, time_ns) < time_ns) {
		if (stops(a) || monotonic_ns() >= until_ns)
			return false;
		rest(a, monotonic_ns() + APPLIED_STEP_NS);
	}
	return true;
}

static bool begin_reading(struct auditor *a, unsigned proc, struct reading *ret)
{
	unsigned epoch = atomic_load(&a->epoch);
	struct traced_now now;
	struct proc_info info;
	struct watched *w;

	if (model_proc(a->model, proc, &info)) {
		unwatch(a, proc);
		return false;
	}
	w = watch(a, proc, &info);
	if (!w)
		return false;
	if (info.state == PROC_EXITED) {
		if (w->shown.state != AUDIT_FINISHED)
			finish(a, w, "it ended before it was compared");
		return false;
	}
	now = traced_now(a, proc);
	if (!may_compare(a, proc, w, &now, epoch))
		return false;
	*ret = (struct reading){.proc = proc, .epoch = epoch, .pid = info.pid, .now = now};
	return true;
}

/* Reads processes from *proc on, as many as may be held at a time, and uses the readings. */
static void audit_some(struct auditor *a, unsigned *proc, struct reading *readings)
{
	unsigned procs = model_procs(a->model), n = 0;
	uint64_t newest_ns = 0;
	size_t goroutines = 0;
	bool applied;

	for (; *proc < procs && goroutines < AT_ONCE; (*proc)++) {
		if (!begin_reading(a, *proc, &readings[n]))
			continue;
		read_into(a, &readings[n]);
		goroutines += readings[n].n;
		newest_ns = readings[n++].ended_ns;
	}
	applied = !n || wait_applied(a, newest_ns);
	for (unsigned i = 0; i < n; i++) {
		use(a, &readings[i], applied);
		free(readings[i].seen);
		free(readings[i].met);
	}
}

/* Some process was brought in line, and is to be compared soon. */
static bool any_settled(struct auditor *a)
{
	unsigned procs = model_procs(a->model);

	for (unsigned i = 0; i < procs; i++) {
		if (a->watched[i] && a->watched[i]->settled &&
		    a->watched[i]->shown.state == AUDIT_WAITING)
			return true;
	}
	return false;
}

/* Until the next round is due: soon where a process is new or was only brought in line. */
static void rest_between(struct auditor *a, uint64_t start_ns, uint64_t took_ns)
{
	uint64_t soon_ns = start_ns + MAX(a->interval_ns / SOON, took_ns * DUTY);
	uint64_t due_ns = start_ns + MAX(a->interval_ns, took_ns * DUTY);
	bool hurry = any_settled(a);

	pthread_mutex_lock(&a->lock);
	while (!a->stopping) {
		uint64_t until_ns = hurry || a->arrived ? soon_ns : due_ns;

		if (monotonic_ns() >= until_ns)
			break;
		sleep_until(a, until_ns);
	}
	a->arrived = false;
	pthread_mutex_unlock(&a->lock);
}

static void *auditor_main(void *arg)
{
	struct auditor *a = arg;
	struct reading *readings = calloc(MODEL_PROCS_MAX, sizeof(*readings));

	pthread_setname_np(pthread_self(), "xgotop-audit");
	while (readings && !stops(a)) {
		uint64_t start_ns = monotonic_ns();
		uint64_t start_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

		for (unsigned proc = 0; proc < model_procs(a->model) && !stops(a);)
			audit_some(a, &proc, readings);
		pthread_mutex_lock(&a->lock);
		a->rounds++;
		pthread_cond_broadcast(&a->looked);
		pthread_mutex_unlock(&a->lock);
		rest_between(a, start_ns, clock_ns(CLOCK_THREAD_CPUTIME_ID) - start_cpu_ns);
	}
	free(readings);
	return NULL;
}

/* Who looks as soon as all is ready finds a verdict. Two rounds: in line, and compared. */
static void wait_first(struct auditor *a)
{
	uint64_t until_ns = monotonic_ns() + FIRST_NS;
	struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_SEC),
				 .tv_nsec = (long)(until_ns % NS_PER_SEC)};

	if (!model_procs(a->model))
		return;
	pthread_mutex_lock(&a->lock);
	while (a->rounds < 2 && monotonic_ns() < until_ns)
		pthread_cond_timedwait(&a->looked, &a->lock, &until);
	pthread_mutex_unlock(&a->lock);
}

int auditor_start(struct auditor *a)
{
	int err = thread_start(&a->thread, auditor_main, a);

	a->started = !err;
	if (!err)
		wait_first(a);
	return err;
}

void auditor_stop(struct auditor *a)
{
	if (!a || !a->started)
		return;
	pthread_mutex_lock(&a->lock);
	a->stopping = true;
	pthread_cond_signal(&a->changed);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL); /* a reading: loop_ending() bounds it */
	a->started = false;
	for (unsigned i = 0; i < MODEL_PROCS_MAX; i++) {
		if (a->watched[i] && a->watched[i]->shown.state != AUDIT_FINISHED)
			finish(a, a->watched[i], "tracing has ended");
	}
}

void auditor_free(struct auditor *a)
{
	if (!a)
		return;
	auditor_stop(a);
	for (unsigned i = 0; i < MODEL_PROCS_MAX; i++)
		watched_free(a->watched[i]);
	pthread_cond_destroy(&a->changed);
	pthread_cond_destroy(&a->looked);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
