/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The workers that run request handlers. Shared state is protected by js->lock. */
#include "web/jobs.h"

#include <errno.h>
#include <pthread.h>

#include "core/base/confine.h"
#include "core/base/thread.h"
#include "web/polite.h"

struct queue {
	struct job *first, **last;
};

struct jobs {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct queue waiting, ready; /* protected by lock */
	unsigned n_waiting;
	bool stop;
	void (*notify)(void *arg);
	void *arg;
	pthread_t threads[JOBS_WORKERS];
	unsigned n_threads;
	struct confine *confine;
};

static void queue_add(struct queue *q, struct job *job)
{
	job->next = NULL;
	*q->last = job;
	q->last = &job->next;
}

static struct job *queue_take(struct queue *q)
{
	struct job *job = q->first;

	if (!job)
		return NULL;
	q->first = job->next;
	if (!q->first)
		q->last = &q->first;
	return job;
}

static void run(struct job *job)
{
	handler_fn handler = job->handler;
	int err;

	if (handler) {
		job->handler = NULL;
		err = handler(&job->rq, &job->rs);
		if (err < 0)
			http_errno(&job->rs, err, job->rq.path);
		else if (buf_error(&job->rs.body))
			http_errno(&job->rs, -ENOMEM, job->rq.path);
		job->result = job->rs.more && job->rs.status == 200 ? 1 : 0;
		return;
	}
	job->result = job->rs.more(job->rs.more_ctx, &job->rs.body);
	if (job->result >= 0 && buf_error(&job->rs.body))
		job->result = -ENOMEM;
}

static void *worker(void *arg)
{
	struct jobs *js = arg;

	thread_be_polite();
	confine_enter(js->confine);
	pthread_mutex_lock(&js->lock);
	while (!js->stop) {
		struct job *job = queue_take(&js->waiting);

		if (!job) {
			pthread_cond_wait(&js->wake, &js->lock); /* a job or jobs_stop() */
			continue;
		}
		js->n_waiting--;
		pthread_mutex_unlock(&js->lock);
		run(job);
		pthread_mutex_lock(&js->lock);
		queue_add(&js->ready, job);
		pthread_mutex_unlock(&js->lock);
		js->notify(js->arg);
		pthread_mutex_lock(&js->lock);
	}
	pthread_mutex_unlock(&js->lock);
	return NULL;
}

int jobs_new(void (*ready)(void *arg), void *arg, struct confine *confine, struct jobs **ret)
{
	struct jobs *js = calloc(1, sizeof(*js));
	int err;

	if (!js)
		return -ENOMEM;
	pthread_mutex_init(&js->lock, NULL);
	pthread_cond_init(&js->wake, NULL);
	js->waiting.last = &js->waiting.first;
	js->ready.last = &js->ready.first;
	js->notify = ready;
	js->arg = arg;
	js->confine = confine;
	while (js->n_threads < JOBS_WORKERS) {
		err = thread_start(&js->threads[js->n_threads], worker, js);
		if (err) {
			jobs_free(js);
			return err;
		}
		js->n_threads++;
	}
	*ret = js;
	return 0;
}

void jobs_stop(struct jobs *js)
{
	if (!js)
		return;
	pthread_mutex_lock(&js->lock);
	js->stop = true;
	pthread_cond_broadcast(&js->wake);
	pthread_mutex_unlock(&js->lock);
	for (unsigned i = 0; i < js->n_threads; i++)
		pthread_join(js->threads[i], NULL);
	js->n_threads = 0;
}

void jobs_free(struct jobs *js)
{
	struct job *job;

	if (!js)
		return;
	jobs_stop(js);
	while ((job = queue_take(&js->waiting)))
		job_free(job);
	while ((job = queue_take(&js->ready)))
		job_free(job);
	pthread_cond_destroy(&js->wake);
	pthread_mutex_destroy(&js->lock);
	free(js);
}

int jobs_submit(struct jobs *js, struct job *job)
{
	int err = 0;

	pthread_mutex_lock(&js->lock);
	/* A started answer is let through: to refuse it would cut it in the middle. */
	if (js->n_waiting >= JOBS_MAX && job->handler) {
		err = -EBUSY;
	} else {
		queue_add(&js->waiting, job);
		js->n_waiting++;
		pthread_cond_signal(&js->wake);
	}
	pthread_mutex_unlock(&js->lock);
	return err;
}

struct job *jobs_ready(struct jobs *js)
{
	struct job *job;

	pthread_mutex_lock(&js->lock);
	job = queue_take(&js->ready);
	pthread_mutex_unlock(&js->lock);
	return job;
}

struct job *job_new(void)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job) {
		job->rs.status = 200;
		job->rs.content_type = "application/json";
		job->rs.cache = "no-store";
	}
	return job;
}

void job_free(struct job *job)
{
	if (!job)
		return;
	if (job->rs.more_free)
		job->rs.more_free(job->rs.more_ctx);
	buf_free(&job->rq.body);
	buf_free(&job->rs.body);
	free(job);
}
