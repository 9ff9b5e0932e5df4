/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A queue and a thread. A request is freed by whoever is the last to need it: the one that asked
 * may have left. See deputy.h. */
#include "core/engine/deputy.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/thread.h"
#include "core/base/util.h"

#define WAITING_MAX 64
#define PATIENCE_NS (60 * NS_PER_SEC) /* the stacks of a million goroutines take some */

#define PIECE_BYTES (1u << 20) /* of an answer that are held at most, unless one text is longer */

struct request {
	struct deputy *deputy;
	struct request *next;
	struct errand_args args;
	struct buf out;
	int err;
	bool done, left; /* left: nobody waits for it */
	bool sent;       /* nobody ever did, and it is to be done */
};

struct deputy {
	char name[16];
	errand_fn *run;
	void *ctx;
	pthread_mutex_t lock;
	pthread_cond_t come, done, room; /* room: also for something done, to be taken */
	struct request *first, **last;   /* protected by lock, as what follows */
	unsigned waiting;
	bool stop;
	deputy_idle_fn *idle;
	uint64_t idle_at_ns;
	pthread_t thread;
	bool started;
};

static void request_free(struct request *r)
{
	buf_free(&r->out);
	free(r);
}

/* Under the lock, which is let go of. */
static void be_idle(struct deputy *d)
{
	struct timespec until = {.tv_sec = (time_t)(d->idle_at_ns / NS_PER_SEC),
				 .tv_nsec = (long)(d->idle_at_ns % NS_PER_SEC)};

	if (!d->idle) {
		pthread_cond_wait(&d->come, &d->lock);
	} else if (monotonic_ns() < d->idle_at_ns) {
		pthread_cond_timedwait(&d->come, &d->lock, &until);
	} else {
		deputy_idle_fn *fn = d->idle;
		uint64_t next;

		pthread_mutex_unlock(&d->lock);
		next = fn(d->ctx);
		pthread_mutex_lock(&d->lock);
		d->idle_at_ns = next;
	}
}

void deputy_when_idle(struct deputy *d, deputy_idle_fn *fn, uint64_t after_ns)
{
	pthread_mutex_lock(&d->lock);
	d->idle = fn;
	d->idle_at_ns = monotonic_ns() + after_ns;
	pthread_cond_signal(&d->come);
	pthread_mutex_unlock(&d->lock);
}

bool deputy_is_idle(struct deputy *d)
{
	bool idle;

	pthread_mutex_lock(&d->lock);
	idle = !d->stop && !d->first;
	pthread_mutex_unlock(&d->lock);
	return idle;
}

static void *deputy_main(void *arg)
{
	struct deputy *d = arg;

	pthread_setname_np(pthread_self(), d->name);
	pthread_mutex_lock(&d->lock);
	while (!d->stop) {
		struct request *r = d->first;

		if (!r) {
			be_idle(d);
			continue;
		}
		d->first = r->next;
		if (!d->first)
			d->last = &d->first;
		d->waiting--;
		if (r->left && !r->sent) {
			request_free(r);
			continue;
		}
		pthread_mutex_unlock(&d->lock);
		r->err = d->run(d->ctx, &r->args, r);
		pthread_mutex_lock(&d->lock);
		r->done = true;
		if (r->left)
			request_free(r);
		pthread_cond_broadcast(&d->done);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

static void init_locks(struct deputy *d)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->come, &attr);
	pthread_cond_init(&d->done, &attr);
	pthread_cond_init(&d->room, &attr);
	pthread_condattr_destroy(&attr);
}

int deputy_new(const char *thread_name, errand_fn *run, void *ctx, struct deputy **ret)
{
	struct deputy *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return log_error(-ENOMEM, "out of memory");
	strncpy(d->name, thread_name, sizeof(d->name) - 1);
	d->run = run;
	d->ctx = ctx;
	d->last = &d->first;
	init_locks(d);
	err = thread_start(&d->thread, deputy_main, d);
	if (err) {
		deputy_free(d);
		return err;
	}
	d->started = true;
	*ret = d;
	return 0;
}

void deputy_free(struct deputy *d)
{
	if (!d)
		return;
	if (d->started) {
		pthread_mutex_lock(&d->lock);
		d->stop = true;
		pthread_cond_signal(&d->come);
		pthread_mutex_unlock(&d->lock);
		pthread_join(d->thread, NULL);
	}
	while (d->first) {
		struct request *next = d->first->next;

		request_free(d->first);
		d->first = next;
	}
	pthread_cond_destroy(&d->room);
	pthread_cond_destroy(&d->done);
	pthread_cond_destroy(&d->come);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

int errand_add(void *reply, const char *text, size_t len)
{
	struct request *r = reply;
	struct deputy *d = r->deputy;
	int err;

	pthread_mutex_lock(&d->lock);
	while (!r->left && r->out.len && r->out.len + len > PIECE_BYTES)
		pthread_cond_wait(&d->room, &d->lock);
	buf_add(&r->out, text, len);
	err = r->left ? -ECANCELED : buf_error(&r->out);
	if (r->out.len >= PIECE_BYTES / 2)
		pthread_cond_broadcast(&d->done);
	pthread_mutex_unlock(&d->lock);
	return err;
}

/* Under the lock. 0 once there is something to take, -ETIMEDOUT. */
static int wait_piece(struct deputy *d, const struct request *r)
{
	uint64_t until_ns = monotonic_ns() + PATIENCE_NS;
	struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_SEC),
				 .tv_nsec = (long)(until_ns % NS_PER_SEC)};
	int err = 0;

	while (!r->done && r->out.len < PIECE_BYTES / 2 && !err)
		err = pthread_cond_timedwait(&d->done, &d->lock, &until);
	return r->done || r->out.len >= PIECE_BYTES / 2 ? 0 : -ETIMEDOUT;
}

/* Under the lock, which is let go of for `fn`. */
static int take_answer(struct deputy *d, struct request *r,
		       int (*fn)(void *arg, const char *text, size_t len), void *arg)
{
	struct buf piece = BUF_INIT;
	bool done = false;
	int err = 0;

	while (!err && !done) {
		struct buf empty = piece;

		err = wait_piece(d, r);
		if (err)
			break;
		done = r->done;
		piece = r->out;
		r->out = empty;
		pthread_cond_broadcast(&d->room);
		pthread_mutex_unlock(&d->lock);
		err = buf_error(&piece);
		if (!err && piece.len)
			err = fn(arg, piece.data, piece.len);
		buf_reset(&piece);
		pthread_mutex_lock(&d->lock);
	}
	buf_free(&piece);
	return err ? err : r->err;
}

/* Under the lock. */
static int add_request(struct deputy *d, struct request *r)
{
	if (d->waiting >= WAITING_MAX)
		return -EBUSY;
	*d->last = r;
	d->last = &r->next;
	d->waiting++;
	pthread_cond_signal(&d->come);
	return 0;
}

int deputy_send(struct deputy *d, const struct errand_args *args)
{
	struct request *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->deputy = d;
	r->args = *args;
	r->left = r->sent = true;
	pthread_mutex_lock(&d->lock);
	err = add_request(d, r);
	pthread_mutex_unlock(&d->lock);
	if (err)
		request_free(r);
	return err;
}

int deputy_ask_each(struct deputy *d, const struct errand_args *args,
		    int (*fn)(void *arg, const char *text, size_t len), void *arg)
{
	struct request *r = calloc(1, sizeof(*r));
	bool ours = true;
	int err = 0;

	if (!r)
		return -ENOMEM;
	r->deputy = d;
	r->args = *args;
	pthread_mutex_lock(&d->lock);
	err = add_request(d, r);
	if (!err) {
		err = take_answer(d, r, fn, arg);
		ours = r->done;
		r->left = !ours; /* the deputy frees it */
		pthread_cond_broadcast(&d->room);
	}
	pthread_mutex_unlock(&d->lock);
	if (ours)
		request_free(r);
	return err;
}

static int add_to_buf(void *arg, const char *text, size_t len)
{
	if (arg)
		buf_add(arg, text, len);
	return arg ? buf_error(arg) : 0;
}

int deputy_ask(struct deputy *d, const struct errand_args *args, struct buf *out)
{
	return deputy_ask_each(d, args, add_to_buf, out);
}
