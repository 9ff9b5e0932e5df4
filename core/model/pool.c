/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The fork-join pool (pool.h). Tasks are handed out by an atomic counter. */
#include "core/model/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/privilege.h"

struct pool {
	unsigned wanted;
	pthread_t *threads;
	unsigned n_threads;
	bool started;

	pthread_mutex_t lock;
	pthread_cond_t work, done;
	/* protected by lock */
	unsigned round;   /* grows with each run */
	unsigned working; /* threads inside the current round */
	bool stop;
	/* set before a round, constant during it */
	void (*task)(void *ctx, unsigned i);
	void *ctx;
	unsigned n;
	_Atomic unsigned next;
};

static void do_tasks(struct pool *p)
{
	unsigned i;

	while ((i = atomic_fetch_add(&p->next, 1)) < p->n)
		p->task(p->ctx, i);
}

static void *pool_thread(void *arg)
{
	struct pool *p = arg;
	unsigned seen = 0;

	pthread_setname_np(pthread_self(), "model");
	(void)privilege_keep(0);
	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->stop && p->round == seen)
			pthread_cond_wait(&p->work, &p->lock); /* pool_run(), pool_free() wake it */
		if (p->stop)
			break;
		seen = p->round;
		pthread_mutex_unlock(&p->lock);
		do_tasks(p);
		pthread_mutex_lock(&p->lock);
		if (--p->working == 0)
			pthread_cond_signal(&p->done);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Signals are for the main thread. */
static void start_threads(struct pool *p)
{
	sigset_t all, before;

	p->started = true;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (p->n_threads < p->wanted) {
		int err = -pthread_create(&p->threads[p->n_threads], NULL, pool_thread, p);

		if (err) {
			log_warn("model: %u of %u helper threads started: error %d", p->n_threads,
				 p->wanted, -err);
			break;
		}
		p->n_threads++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int pool_new(unsigned threads, struct pool **ret)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->wanted = threads;
	p->threads = calloc(threads ? threads : 1, sizeof(*p->threads));
	if (!p->threads) {
		free(p);
		return -ENOMEM;
	}
	/* Default attributes: these three cannot fail on Linux. */
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->done, NULL);
	*ret = p;
	return 0;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->done);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p->threads);
	free(p);
}

void pool_run(struct pool *p, unsigned n, void (*task)(void *ctx, unsigned i), void *ctx)
{
	if (!p->started)
		start_threads(p);
	pthread_mutex_lock(&p->lock);
	p->task = task;
	p->ctx = ctx;
	p->n = n;
	atomic_store(&p->next, 0);
	p->working = p->n_threads;
	p->round++;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	do_tasks(p);
	pthread_mutex_lock(&p->lock);
	/* They compute, and wait for nothing. */
	while (p->working)
		pthread_cond_wait(&p->done, &p->lock);
	pthread_mutex_unlock(&p->lock);
}
