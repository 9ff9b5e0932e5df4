/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests on their way: the socket thread hands each to a few workers, so that one that takes long
 * (a session of ten million events) does not hold up the others, and gets it back when there is
 * something to send. Bounded: past JOBS_MAX waiting ones, a request is refused.
 */
#ifndef XGOTOPFS_WEB_JOBS_H
#define XGOTOPFS_WEB_JOBS_H

#include "web/http.h"

#define JOBS_WORKERS 3
#define JOBS_MAX     512

struct confine;
struct jobs;

typedef int (*handler_fn)(const struct request *rq, struct response *rs);

struct job {
	struct job *next;   /* in a queue of jobs.c */
	handler_fn handler; /* NULL once it has answered */
	struct request rq;
	struct response rs;
	int result;  /* of the last piece: 1 more, 0 done, -errno */
	void *owner; /* the socket thread's: the connection; NULL when that is gone */
};

/* `ready` is called on a worker when a job waits in jobs_ready(). */
int jobs_new(void (*ready)(void *arg), void *arg, struct confine *confine, struct jobs **ret);
/* Ends the workers: no more calls of `ready`. */
void jobs_stop(struct jobs *js);
/* Frees the jobs that are still here, too. */
void jobs_free(struct jobs *js);

/* Gives a job away, for its answer or the next piece of it. -EBUSY: too many wait; it stays the
 * caller's. */
int jobs_submit(struct jobs *js, struct job *job);
/* The next job that has something to send, or NULL. It is the caller's again. */
struct job *jobs_ready(struct jobs *js);

struct job *job_new(void);
void job_free(struct job *job);

#endif
