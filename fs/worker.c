/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A queue and the threads that serve it. The queue's lock is held for pushing and taking only. */
#include "fs/worker.h"

#include <errno.h>

#include "core/base/confine.h"
#include "core/base/thread.h"
#include "core/base/util.h"
#include "core/base/wait.h"

#define THREADS_MAX 4

struct job {
	struct job *next;
	void (*fn)(void *arg);
	void *arg;
};

struct workers {
	pthread_mutex_t lock;
	pthread_cond_t ready;
	struct job *head, **tail; /* protected by lock */
	bool stop;                /* protected by lock */
	pthread_t threads[THREADS_MAX];
	unsigned n;
	struct confine *confine;
};

static void *work(void *arg)
{
	struct workers *w = arg;

	confine_enter(w->confine);
	pthread_mutex_lock(&w->lock);
	while (w->head || !w->stop) {
		struct job *job = w->head;

		if (!job) {
			/* For ever: whoever pushes or stops wakes it. */
			pthread_cond_wait(&w->ready, &w->lock);
			continue;
		}
		w->head = job->next;
		if (!w->head)
			w->tail = &w->head;
		pthread_mutex_unlock(&w->lock);
		job->fn(job->arg);
		free(job);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

int workers_new(unsigned threads, struct confine *confine, struct workers **ret)
{
	struct workers *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->ready, NULL);
	w->tail = &w->head;
	w->confine = confine;
	while (w->n < MIN(threads, THREADS_MAX)) {
		err = thread_start(&w->threads[w->n], work, w);
		if (err) {
			(void)workers_stop(w, monotonic_ns() + NS_PER_SEC); /* nothing is queued */
			workers_free(w);
			return err;
		}
		w->n++;
	}
	*ret = w;
	return 0;
}

int workers_stop(struct workers *w, uint64_t until_ns)
{
	if (!w)
		return 0;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->ready);
	pthread_mutex_unlock(&w->lock);
	for (; w->n; w->n--)
		if (thread_join_until(w->threads[w->n - 1], until_ns))
			return -ETIMEDOUT;
	return 0;
}

void workers_free(struct workers *w)
{
	if (!w)
		return;
	pthread_cond_destroy(&w->ready);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

int workers_push(struct workers *w, void (*fn)(void *arg), void *arg)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return -ENOMEM;
	job->fn = fn;
	job->arg = arg;
	pthread_mutex_lock(&w->lock);
	*w->tail = job;
	w->tail = &job->next;
	pthread_cond_signal(&w->ready);
	pthread_mutex_unlock(&w->lock);
	return 0;
}
