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

struct healer {
	const struct source *source;
	struct model *model;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint8_t asked[MODEL_PROCS_MAX]; /* protected by lock, as the next three */
	bool any_asked, always, stopping;

	pthread_mutex_t reading; /* one reading at a time: the model gets them in their order */
	_Atomic int last_err;
	_Atomic bool ever;

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
	pthread_condattr_destroy(&attr);
	*ret = h;
	return 0;
}

/* Its pid. -ESRCH: it has ended. */
static int running(struct healer *h, unsigned proc, pid_t *ret_pid)
{
	struct proc_info info;
	int err = model_proc(h->model, proc, &info);

	if (err)
		return err;
	*ret_pid = info.pid;
	return info.state == PROC_EXITED ? -ESRCH : 0;
}

/* Under `reading`. Without `heal` it is read only where goroutines are, and the model is left
 * alone: what happened until now may still be on its way to it, and a reading is ahead of that. */
static int read_process(struct healer *h, unsigned proc, pid_t pid, bool heal)
{
	cleanup_free_ struct goroutine_seen *seen = NULL;
	/* Before the reading: what happens during it and reaches us as an event is newer. */
	uint64_t time_ns = monotonic_ns();
	bool complete = true;
	size_t n = 0;
	int err;

	err = h->source->goroutines(h->source->ctx, proc, pid, &seen, &n, &complete);
	if (!err && heal)
		model_heal(h->model, proc, seen, n, time_ns, complete);
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
	err = read_process(h, proc, pid, heal);
	pthread_mutex_unlock(&h->reading);
	atomic_store(&h->last_err, err);
	if (!err)
		atomic_store(&h->ever, true);
	else if (err != -ESRCH)
		log_debug("process %d: its goroutines cannot be read now: %s", pid, strerror(-err));
	return err;
}

void healer_now_all(struct healer *h)
{
	for (unsigned proc = 0; proc < model_procs(h->model); proc++)
		(void)read_now(h, proc, true);
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

int healer_stacks(struct healer *h, unsigned proc, live_text_fn *fn, void *arg)
{
	pid_t pid;
	int err = running(h, proc, &pid);

	return err ? err : h->source->stacks(h->source->ctx, pid, fn, arg);
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

/* Waits until there is something to read; fills `due`. false: stop. */
static bool wait_for_work(struct healer *h, uint64_t not_before_ns, uint8_t due[MODEL_PROCS_MAX])
{
	bool stopping;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		uint64_t now = monotonic_ns();
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
	if (h->always)
		memset(due, 1, MODEL_PROCS_MAX);
	else
		memcpy(due, h->asked, MODEL_PROCS_MAX);
	memset(h->asked, 0, sizeof(h->asked));
	h->any_asked = false;
	pthread_mutex_unlock(&h->lock);
	return !stopping;
}

static void *healer_main(void *arg)
{
	uint8_t due[MODEL_PROCS_MAX];
	struct healer *h = arg;
	uint64_t not_before_ns = 0;

	pthread_setname_np(pthread_self(), "xgotop-healer");
	while (wait_for_work(h, not_before_ns, due)) {
		uint64_t start = monotonic_ns(), took;

		for (unsigned proc = 0; proc < model_procs(h->model); proc++) {
			if (due[proc])
				(void)read_now(h, proc, true);
		}
		took = monotonic_ns() - start;
		not_before_ns = start + MAX(INTERVAL_NS, took * DUTY);
	}
	return NULL;
}

int healer_start(struct healer *h)
{
	int err = thread_start(&h->thread, healer_main, h);

	h->started = !err;
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
		pthread_mutex_unlock(&h->lock);
		pthread_join(h->thread,
			     NULL); /* a reading of the target: loop_ending() bounds it */
	}
	pthread_cond_destroy(&h->changed);
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
	pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
}
