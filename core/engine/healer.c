/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When what is in memory is read and the model brought in line with it, on a thread of its own. See
 * healer.h. */
#include "core/engine/healer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/thread.h"
#include "core/base/util.h"

#define INTERVAL_NS NS_PER_SEC
#define DUTY        20 /* a reading of 100 ms is followed by 2 s of rest */
/* The same while a process is in doubt: who looks waits for it. */
#define DOUBT_INTERVAL_NS (NS_PER_SEC / 2)
#define DOUBT_DUTY        4
#define LOOK_DUTY         10 /* the same when somebody looks at what memory alone tells */
/* How long a reading waits for the events up to it, at a time. */
#define PATIENCE_NS NS_PER_SEC

struct healer {
	const struct source *source;
	struct model *model;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint8_t asked[MODEL_PROCS_MAX]; /* protected by lock, as the next three */
	bool any_asked, always, stopping;
	bool hurry; /* somebody waits for a reading; protected by lock */

	pthread_mutex_t reading; /* one reading at a time: the model gets them in their order */
	uint64_t took_ns;        /* protected by reading: spent on it since the last rest */
	_Atomic int last_err;
	_Atomic bool ever;
	_Atomic bool alone;                        /* memory alone tells */
	_Atomic uint64_t used_ns[MODEL_PROCS_MAX]; /* healer_as_of() */
	_Atomic uint64_t goids_least[MODEL_PROCS_MAX], goids_most[MODEL_PROCS_MAX];
	_Atomic uint64_t rest_ns; /* what the last round took calls for */
	pthread_cond_t used;      /* a round is over */

	pthread_t thread;
	bool started;
};

int healer_new(const struct source *source, struct model *model, struct healer **ret)
{
	struct healer *h = calloc(1, sizeof(*h));
	pthread_condattr_t attr;

	if (!h)
		return -ENOMEM;
	h->source = source;
	h->model = model;
	pthread_mutex_init(&h->lock, NULL);
	pthread_mutex_init(&h->reading, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&h->changed, &attr);
	pthread_cond_init(&h->used, &attr);
	pthread_condattr_destroy(&attr);
	*ret = h;
	return 0;
}

/* Its pid. -ESRCH: it has ended. */
static int running(struct healer *h, unsigned proc, pid_t *ret_pid)
{
	struct proc_info info;
	int err = model_proc_living(h->model, proc, &info);

	if (!err)
		*ret_pid = info.pid;
	return err;
}

static bool stopping(void *ctx)
{
	struct healer *h = ctx;
	bool stop;

	pthread_mutex_lock(&h->lock);
	stop = h->stopping;
	pthread_mutex_unlock(&h->lock);
	return stop;
}

/* All that happened until now is in the model. false: that takes long. */
static bool wait_delivered(struct healer *h)
{
	return source_wait_delivered(h->source, monotonic_ns(), PATIENCE_NS, stopping, h);
}

/* Under `reading`. Only where goroutines are, for stacks: the model is left alone. */
static int read_only(struct healer *h, unsigned proc, pid_t pid)
{
	cleanup_free_ struct goroutine_seen *seen = NULL;
	bool complete;
	size_t n;

	return h->source->goroutines(h->source->ctx, proc, pid, &seen, &n, &complete);
}

/* The one thing that memory tells of goroutines that came and went between two readings. */
static void read_goids(struct healer *h, unsigned proc, pid_t pid)
{
	const struct source *s = h->source;
	uint64_t least = 0, most = 0;

	if (!atomic_load(&h->alone) || !s->goids || s->goids(s->ctx, proc, pid, &least, &most))
		least = most = 0;
	atomic_store(&h->goids_least[proc], least);
	atomic_store(&h->goids_most[proc], most);
}

/* Under `reading`. -EAGAIN: the events up to the reading are not applied yet. */
static int read_and_heal(struct healer *h, unsigned proc, pid_t pid)
{
	cleanup_free_ struct goroutine_seen *seen = NULL;
	bool complete = true;
	uint64_t time_ns;
	size_t n = 0;
	int err;

	/* Nothing is read in vain while there is a backlog. */
	if (!wait_delivered(h))
		return -EAGAIN;
	model_keep_exits(h->model, true);
	/* Before the reading: what happens during it and reaches us as an event is newer. */
	time_ns = monotonic_ns();
	err = h->source->goroutines(h->source->ctx, proc, pid, &seen, &n, &complete);
	h->took_ns += monotonic_ns() - time_ns;
	if (!err && !wait_delivered(h))
		err = -EAGAIN;
	if (!err) {
		(void)model_heal(h->model, proc, seen, n, time_ns, complete);
		read_goids(h, proc, pid);
		atomic_store(&h->used_ns[proc], time_ns);
	} else if (err == -ENOSYS || err == -EPERM) {
		model_forget(h->model, proc, 0); /* it will not be better another time */
	}
	model_keep_exits(h->model, false);
	return err;
}

/* -ESRCH when it is gone, -ENOSYS when this binary does not tell. */
static int read_now(struct healer *h, unsigned proc, bool heal)
{
	pid_t pid;
	int err = running(h, proc, &pid);

	if (err)
		return err;
	pthread_mutex_lock(&h->reading);
	err = heal ? read_and_heal(h, proc, pid) : read_only(h, proc, pid);
	pthread_mutex_unlock(&h->reading);
	if (err == -EAGAIN)
		return err;
	if (err)
		model_await(h->model, proc, false);
	atomic_store(&h->last_err, err);
	if (!err)
		atomic_store(&h->ever, true);
	else if (err != -ESRCH)
		log_debug("process %d: its goroutines cannot be read now: %s", pid, strerror(-err));
	return err;
}

static int read_first(struct healer *h, unsigned proc)
{
	int err;

	/* Who asked before it begins has what he asked for. */
	pthread_mutex_lock(&h->lock);
	h->asked[proc] = 0;
	pthread_mutex_unlock(&h->lock);
	err = read_now(h, proc, true);
	if (err == -EAGAIN || model_in_doubt(h->model, proc))
		healer_ask(h, proc);
	return err;
}

void healer_now_all(struct healer *h)
{
	for (unsigned proc = 0; proc < model_procs(h->model); proc++)
		(void)read_first(h, proc);
}

void healer_await(struct healer *h, unsigned proc, uint64_t patience_ns)
{
	uint64_t until_ns = monotonic_ns() + patience_ns;
	struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_SEC),
				 .tv_nsec = (long)(until_ns % NS_PER_SEC)};

	if (!model_awaits(h->model, proc))
		return;
	pthread_mutex_lock(&h->lock);
	while (!h->stopping && model_awaits(h->model, proc) &&
	       !pthread_cond_timedwait(&h->used, &h->lock, &until))
		;
	pthread_mutex_unlock(&h->lock);
}

static bool has_exited(struct healer *h, unsigned proc, uint64_t goid)
{
	struct goroutine g;

	return !model_goroutine(h->model, proc, goid, &g) && g.flags & GOROUTINE_EXITED;
}

int healer_stack(struct healer *h, unsigned proc, uint64_t goid, struct buf *out)
{
	const struct source *s = h->source;
	pid_t pid;
	int err = running(h, proc, &pid);

	if (!err)
		err = s->stack(s->ctx, proc, pid, goid, out);
	if (err != -ESRCH || has_exited(h, proc, goid))
		return err;
	/* It is newer than the last reading, or there is none. */
	err = read_now(h, proc, false);
	return err ? err : s->stack(s->ctx, proc, pid, goid, out);
}

int healer_stacks(struct healer *h, unsigned proc, enum live_stacks what, live_text_fn *fn,
		  void *arg)
{
	pid_t pid;
	int err = running(h, proc, &pid);

	return err ? err : h->source->stacks(h->source->ctx, pid, what, fn, arg);
}

void healer_goids(const struct healer *h, unsigned proc, uint64_t *ret_least, uint64_t *ret_most)
{
	bool known = proc < MODEL_PROCS_MAX;

	*ret_least = known ? atomic_load(&h->goids_least[proc]) : 0;
	*ret_most = known ? atomic_load(&h->goids_most[proc]) : 0;
}

uint64_t healer_as_of(const struct healer *h, unsigned proc)
{
	return proc < MODEL_PROCS_MAX ? atomic_load(&h->used_ns[proc]) : 0;
}

void healer_look(struct healer *h, unsigned proc, uint64_t patience_ns)
{
	uint64_t now_ns = monotonic_ns(), used_ns = healer_as_of(h, proc);
	uint64_t fresh_ns = now_ns - MIN(now_ns, MAX(HEALER_FRESH_NS, atomic_load(&h->rest_ns)));
	struct timespec until = {.tv_sec = (time_t)((now_ns + patience_ns) / NS_PER_SEC),
				 .tv_nsec = (long)((now_ns + patience_ns) % NS_PER_SEC)};

	if (proc >= MODEL_PROCS_MAX || used_ns > fresh_ns)
		return;
	pthread_mutex_lock(&h->lock);
	h->asked[proc] = 1;
	h->any_asked = h->hurry = true;
	pthread_cond_signal(&h->changed);
	while (patience_ns && !h->stopping && healer_as_of(h, proc) == used_ns &&
	       !pthread_cond_timedwait(&h->used, &h->lock, &until))
		;
	pthread_mutex_unlock(&h->lock);
}

const char *healer_source(const struct healer *h)
{
	if (atomic_load(&h->ever))
		return "runtime.allgs, read from the process's memory";
	if (atomic_load(&h->last_err) == -ENOSYS)
		return "events only: runtime.allgs was not found in this binary";
	if (atomic_load(&h->last_err))
		return "events only: the process's memory cannot be read";
	return "events";
}

/* --- the thread ------------------------------------------------------------------------- */

struct pause {
	uint64_t until_ns;   /* nothing is read before */
	uint64_t at_most_ns; /* the same when somebody waits for it */
};

/* Waits until there is something to read; fills `due`. false: stop. */
static bool wait_for_work(struct healer *h, const struct pause *pause, uint8_t due[MODEL_PROCS_MAX])
{
	bool stopping;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		uint64_t now = monotonic_ns();
		uint64_t not_before_ns = h->hurry ? pause->at_most_ns : pause->until_ns;
		struct timespec until = {.tv_sec = (time_t)(not_before_ns / NS_PER_SEC),
					 .tv_nsec = (long)(not_before_ns % NS_PER_SEC)};

		if (h->stopping || (now >= not_before_ns && (h->any_asked || h->always)))
			break;
		if (now < not_before_ns)
			pthread_cond_timedwait(&h->changed, &h->lock, &until);
		else
			pthread_cond_wait(&h->changed, &h->lock); /* who asks or frees wakes it */
	}
	stopping = h->stopping;
	if (h->always && !h->hurry)
		memset(due, 1, MODEL_PROCS_MAX);
	else
		memcpy(due, h->asked, MODEL_PROCS_MAX);
	memset(h->asked, 0, sizeof(h->asked));
	h->any_asked = h->hurry = false;
	pthread_mutex_unlock(&h->lock);
	return !stopping;
}

/* Reads those that are due. true: some are in doubt all the same, and will be read again. */
static bool read_due(struct healer *h, const uint8_t due[MODEL_PROCS_MAX])
{
	bool again = false;

	for (unsigned proc = 0; proc < model_procs(h->model); proc++) {
		if (!due[proc] ||
		    (read_now(h, proc, true) != -EAGAIN && !model_in_doubt(h->model, proc)))
			continue;
		healer_ask(h, proc);
		again = true;
	}
	return again;
}

static void *healer_main(void *arg)
{
	uint8_t due[MODEL_PROCS_MAX];
	struct healer *h = arg;
	struct pause pause = {0};

	pthread_setname_np(pthread_self(), "xgotop-healer");
	while (wait_for_work(h, &pause, due)) {
		uint64_t start = monotonic_ns(), took;
		bool again;

		pthread_mutex_lock(&h->reading);
		h->took_ns = 0;
		pthread_mutex_unlock(&h->reading);
		again = read_due(h, due);
		pthread_mutex_lock(&h->reading);
		took = h->took_ns;
		pthread_mutex_unlock(&h->reading);
		pause.until_ns = start + (again ? MAX(DOUBT_INTERVAL_NS, took * DOUBT_DUTY)
						: MAX(INTERVAL_NS, took * DUTY));
		atomic_store(&h->rest_ns, took * LOOK_DUTY);
		pause.at_most_ns = start + MAX(HEALER_FRESH_NS, took * LOOK_DUTY);
		pthread_mutex_lock(&h->lock);
		pthread_cond_broadcast(&h->used);
		pthread_mutex_unlock(&h->lock);
	}
	return NULL;
}

/* Reading very many takes seconds, in which who mounts need not wait. */
static bool may_have_many(struct healer *h, unsigned proc)
{
	const struct source *s = h->source;
	uint64_t least, most;
	pid_t pid;

	return s->goids && !running(h, proc, &pid) && !s->goids(s->ctx, proc, pid, &least, &most) &&
	       most >= HEALER_MANY;
}

int healer_start(struct healer *h)
{
	uint64_t until_ns;
	unsigned n = model_procs(h->model);
	int err;

	for (unsigned proc = 0; proc < n; proc++) {
		bool many = may_have_many(h, proc);

		/* Events that are not applied yet keep a reading from being used. */
		if (!many && read_first(h, proc) != -EAGAIN)
			continue;
		model_await(h->model, proc, true);
		healer_ask(h, proc);
	}
	err = thread_start(&h->thread, healer_main, h);
	h->started = !err;
	until_ns = monotonic_ns() + HEALER_FIRST_NS;
	for (unsigned proc = 0; proc < n && !err; proc++) {
		uint64_t now_ns = monotonic_ns();

		healer_await(h, proc, until_ns - MIN(now_ns, until_ns));
	}
	return err;
}

void healer_free(struct healer *h)
{
	if (!h)
		return;
	if (h->started) {
		pthread_mutex_lock(&h->lock);
		h->stopping = true;
		pthread_cond_signal(&h->changed);
		pthread_cond_broadcast(&h->used);
		pthread_mutex_unlock(&h->lock);
		pthread_join(h->thread,
			     NULL); /* a reading of the target: loop_ending() bounds it */
	}
	pthread_cond_destroy(&h->changed);
	pthread_cond_destroy(&h->used);
	pthread_mutex_destroy(&h->reading);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

void healer_ask(struct healer *h, unsigned proc)
{
	if (proc >= MODEL_PROCS_MAX)
		return;
	pthread_mutex_lock(&h->lock);
	h->asked[proc] = 1;
	h->any_asked = true;
	pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

void healer_ask_all(struct healer *h)
{
	pthread_mutex_lock(&h->lock);
	memset(h->asked, 1, sizeof(h->asked));
	h->any_asked = true;
	pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

void healer_always(struct healer *h, bool on)
{
	pthread_mutex_lock(&h->lock);
	h->always = on;
	atomic_store(&h->alone, on);
	pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
}
