/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * events_pipe: a read waits for the next event. Each reader has its own cursor into the feed,
 * beginning at "now". wait/<condition>: a read waits until that holds, then there is a line, and
 * the end. Reads are parked without occupying a thread; one thread of this file answers
 * them when the feed's writer, through a listener, says that something came. The writer pays for
 * that only while somebody waits (`armed`).
 *
 * Locks: the lock of struct pipes is never held while replying. libfuse calls interrupted() with a
 * lock of the request held, which none of its other calls needs.
 */
#include "fs/fs_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "core/base/confine.h"
#include "core/base/thread.h"

#define FILL_EVENTS 256
#define CHECK_MS    200 /* how often waiting readers look whether their process has ended */
#define LOOK_NS     (CHECK_MS / 2 * 1000000ull) /* as often a condition is looked at, at most */
#define LOOK_DUTY   20                          /* and at most a twentieth of the time */

struct parked {
	struct parked *next;
	fuse_req_t req;
	size_t size;
};

struct pipe_reader {
	struct pipe_reader *next; /* all below is protected by the lock of struct pipes */
	unsigned tree;
	bool waits; /* for a condition: */
	struct view_condition condition;
	bool told;        /* it held, and the line is in text */
	uint64_t look_ns; /* when it is looked at next; CLOCK_MONOTONIC */
	uint64_t cursor;  /* else */
	struct buf text;  /* rendered, from `given` on not read yet */
	size_t given;
	struct parked *parked; /* in order of arrival */
	struct fuse_pollhandle *poll;
};

struct pipes {
	struct fs *fs;
	struct feed *feed;
	int wake_fd;
	atomic_bool armed; /* somebody waits: the listener writes wake_fd */
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	struct pipe_reader *readers; /* protected by lock */
	unsigned followers;          /* of them wait for events; protected by lock */
	bool ended, stop;            /* protected by lock */
};

static void wake(struct pipes *p)
{
	uint64_t one = 1;
	ssize_t n = write(p->wake_fd, &one, sizeof(one));

	(void)n; /* full means that it is awake */
}

/* On the feed writer's thread. */
static void on_append(void *arg)
{
	struct pipes *p = arg;

	if (atomic_load_explicit(&p->armed, memory_order_relaxed) &&
	    atomic_exchange(&p->armed, false))
		wake(p);
}

/* Are all events for a reader of this tree? */
static bool takes_all(const struct fs *fs, unsigned tree)
{
	return !tree || view_procs(fs->view) <= 1;
}

static bool is_for(const struct fs *fs, unsigned tree, const struct event *ev)
{
	return takes_all(fs, tree) || ev->proc == fs_proc(fs, tree) || ev->proc == EVENT_PROC_NONE;
}

/* Does the condition hold by now? Under the lock. */
static void look(struct pipes *p, struct pipe_reader *r)
{
	uint64_t began_ns = monotonic_ns(), took_ns;
	int holds;

	if (r->told || began_ns < r->look_ns)
		return;
	holds = view_condition_holds(p->fs->config.view, fs_proc(p->fs, r->tree), &r->condition,
				     &r->text);
	took_ns = monotonic_ns() - began_ns;
	r->told = holds > 0;
	if (holds < 0)
		buf_reset(&r->text);
	r->look_ns = began_ns + took_ns + MAX(LOOK_NS, took_ns * LOOK_DUTY);
}

/* Renders what has come, until there is something to read or nothing more. Under the lock. */
static void fill(struct pipes *p, struct pipe_reader *r)
{
	struct fs *fs = p->fs;
	const struct event_format *f =
		!r->tree && fs->config.many ? &fs->format_root : &fs->format_proc;
	struct event events[FILL_EVENTS];
	uint64_t missed;
	size_t n;

	if (r->given < r->text.len)
		return;
	if (r->waits) {
		look(p, r);
		return;
	}
	buf_reset(&r->text);
	r->given = 0;
	do {
		missed = 0;
		n = feed_read(p->feed, &r->cursor, events, FILL_EVENTS, &missed);
		feed_count_missed(p->feed, FEED_MOUNT, missed);
		if (missed && n)
			follow_trimmed_line(f, false, takes_all(fs, r->tree), events[0].time_ns,
					    missed, &r->text);
		for (size_t i = 0; i < n; i++) {
			if (is_for(fs, r->tree, &events[i]))
				event_format_text(f, &events[i], &r->text);
		}
	} while (n && !r->text.len);
}

/* Will nothing more come for this reader? Ask before fill(), so that what came last is seen. */
static bool source_ended(const struct pipes *p, const struct pipe_reader *r)
{
	struct fs *fs = p->fs;
	struct proc_info info;

	if (p->ended || r->told || feed_closed(p->feed))
		return true;
	if (!r->tree && fs->config.many)
		return false;
	if (view_proc(fs->view, fs_proc(fs, r->tree), &info))
		return false;
	/* What it executed may follow. */
	return info.state == PROC_EXITED && (r->tree || !info.execed);
}

static bool readable(const struct pipe_reader *r)
{
	return r->given < r->text.len;
}

/* Takes up to `size` bytes. Under the lock. */
static int take(struct pipe_reader *r, size_t size, struct buf *out)
{
	size_t n = MIN(size, r->text.len - r->given);

	buf_add(out, r->text.data + r->given, n);
	if (!buf_error(out))
		r->given += n;
	return buf_error(out);
}

static void reply(fuse_req_t req, int err, const struct buf *out)
{
	if (err)
		fs_reply_err(req, err);
	else
		fuse_reply_buf(req, out->data, out->len);
}

/* A parked request of some reader that can be answered now, taken out; NULL. Under the lock. */
static struct parked *take_ready(struct pipes *p, struct buf *out, int *ret_err)
{
	for (struct pipe_reader *r = p->readers; r; r = r->next) {
		struct parked *parked = r->parked;
		bool ended;

		if (!parked)
			continue;
		ended = source_ended(p, r);
		fill(p, r);
		if (!readable(r) && !ended)
			continue;
		r->parked = parked->next;
		*ret_err = take(r, parked->size, out);
		return parked;
	}
	return NULL;
}

/* The same for somebody who polls. */
static struct fuse_pollhandle *take_poll(struct pipes *p)
{
	for (struct pipe_reader *r = p->readers; r; r = r->next) {
		struct fuse_pollhandle *poll = r->poll;
		bool ended;

		if (!poll)
			continue;
		ended = source_ended(p, r);
		fill(p, r);
		if (!readable(r) && !ended)
			continue;
		r->poll = NULL;
		return poll;
	}
	return NULL;
}

/* Answers all that can be. Returns whether somebody still waits. */
static bool serve(struct pipes *p)
{
	bool waiting = false;

	for (;;) {
		struct buf out cleanup_buf_ = BUF_INIT;
		struct fuse_pollhandle *poll = NULL;
		struct parked *parked;
		int err = 0;

		pthread_mutex_lock(&p->lock);
		parked = take_ready(p, &out, &err);
		if (!parked)
			poll = take_poll(p);
		for (struct pipe_reader *r = p->readers; !parked && !poll && r; r = r->next)
			waiting |= r->parked || r->poll;
		pthread_mutex_unlock(&p->lock);
		if (!parked && !poll)
			return waiting;
		if (parked)
			reply(parked->req, err, &out);
		free(parked);
		if (poll) {
			fuse_lowlevel_notify_poll(poll);
			fuse_pollhandle_destroy(poll);
		}
	}
}

static bool stopped(struct pipes *p)
{
	bool stop;

	pthread_mutex_lock(&p->lock);
	stop = p->stop;
	pthread_mutex_unlock(&p->lock);
	return stop;
}

/* From now on an event wakes us, where anybody waits for events. */
static void arm(struct pipes *p)
{
	pthread_mutex_lock(&p->lock);
	if (p->followers)
		atomic_store(&p->armed, true);
	pthread_mutex_unlock(&p->lock);
}

static void *run(void *arg)
{
	struct pipes *p = arg;
	struct pollfd fd = {.fd = p->wake_fd, .events = POLLIN};
	bool waiting = false;

	confine_enter(p->fs->config.confine);
	while (!stopped(p)) {
		uint64_t count;

		/* For ever while nobody waits: wake() ends it. */
		if (poll(&fd, 1, waiting ? CHECK_MS : -1) > 0 &&
		    read(p->wake_fd, &count, sizeof(count)) < 0)
			continue;
		/* Armed before looking: what comes after the look wakes us again. */
		arm(p);
		waiting = serve(p);
	}
	return NULL;
}

int pipes_new(struct fs *fs, struct pipes **ret)
{
	struct pipes *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->fs = fs;
	p->feed = view_feed(fs->view);
	pthread_mutex_init(&p->lock, NULL);
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = -errno;
	if (p->wake_fd < 0)
		goto err_out;
	err = feed_listen(p->feed, on_append, p);
	if (err)
		goto err_out;
	err = thread_start(&p->thread, run, p);
	if (err) {
		feed_unlisten(p->feed, on_append, p);
		goto err_out;
	}
	p->started = true;
	*ret = p;
	return 0;

err_out:
	pipes_free(p);
	return err;
}

void pipes_free(struct pipes *p)
{
	if (!p)
		return;
	if (p->started) {
		feed_unlisten(p->feed, on_append, p);
		pthread_mutex_lock(&p->lock);
		p->stop = true;
		pthread_mutex_unlock(&p->lock);
		wake(p);
		pthread_join(p->thread, NULL);
	}
	if (p->wake_fd >= 0)
		close(p->wake_fd);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static void low_latency(struct pipes *p, bool on)
{
	const struct control *c = p->fs->config.view->control;

	if (c->low_latency)
		c->low_latency(c->ctx, on);
}

/* Somebody follows events, or no longer does. */
static void follows(struct pipes *p, bool on)
{
	low_latency(p, on);
	control_reads_events(p->fs->config.view->control, on);
}

int pipe_open(struct pipes *p, struct node_id id, struct pipe_reader **ret)
{
	struct pipe_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->tree = id.tree;
	r->waits = id.row == ROW_CONDITION;
	if (r->waits)
		r->condition = fs_condition(id);
	else
		r->cursor = feed_head(p->feed);
	pthread_mutex_lock(&p->lock);
	r->next = p->readers;
	p->readers = r;
	p->followers += !r->waits;
	pthread_mutex_unlock(&p->lock);
	if (!r->waits)
		follows(p, true);
	*ret = r;
	return 0;
}

void pipe_close(struct pipes *p, struct pipe_reader *r)
{
	struct pipe_reader **at;

	if (!r->waits)
		follows(p, false);
	pthread_mutex_lock(&p->lock);
	p->followers -= !r->waits;
	for (at = &p->readers; *at != r; at = &(*at)->next)
		;
	*at = r->next;
	pthread_mutex_unlock(&p->lock);
	/* The kernel closes a file after its last read was answered: nothing is parked. */
	if (r->poll)
		fuse_pollhandle_destroy(r->poll);
	buf_free(&r->text);
	free(r);
}

/* libfuse: the reader got a signal. `data` outlives every request. */
static void interrupted(fuse_req_t req, void *data)
{
	struct pipes *p = data;
	struct parked *found = NULL;

	pthread_mutex_lock(&p->lock);
	for (struct pipe_reader *r = p->readers; r && !found; r = r->next) {
		struct parked **at = &r->parked;

		while (*at && (*at)->req != req)
			at = &(*at)->next;
		found = *at;
		if (found)
			*at = found->next;
	}
	pthread_mutex_unlock(&p->lock);
	if (found)
		fuse_reply_err(req, EINTR);
	free(found);
}

static int park(struct pipe_reader *r, fuse_req_t req, size_t size)
{
	struct parked **at = &r->parked, *parked = calloc(1, sizeof(*parked));

	if (!parked)
		return -ENOMEM;
	parked->req = req;
	parked->size = size;
	while (*at)
		at = &(*at)->next;
	*at = parked;
	return 0;
}

void pipe_read(struct pipes *p, struct pipe_reader *r, fuse_req_t req, size_t size, bool nonblock)
{
	struct buf out cleanup_buf_ = BUF_INIT;
	bool ended, parked = false;
	int err = 0;

	/* Before the request can be answered by another thread. */
	if (!nonblock)
		fuse_req_interrupt_func(req, interrupted, p);
	pthread_mutex_lock(&p->lock);
	if (!r->waits)
		atomic_store(&p->armed, true);
	ended = source_ended(p, r);
	fill(p, r);
	if (readable(r))
		err = take(r, size, &out);
	else if (nonblock && !ended)
		err = -EAGAIN;
	else if (!ended && fuse_req_interrupted(req))
		err = -EINTR;
	else if (!ended) {
		err = park(r, req, size);
		parked = !err;
	}
	pthread_mutex_unlock(&p->lock);
	if (parked)
		wake(p); /* it may sleep without a timeout */
	else
		reply(req, err, &out);
}

void pipe_poll(struct pipes *p, struct pipe_reader *r, fuse_req_t req, struct fuse_pollhandle *ph)
{
	struct fuse_pollhandle *old = ph;
	unsigned events = 0;
	bool ended;

	pthread_mutex_lock(&p->lock);
	if (!r->waits)
		atomic_store(&p->armed, true);
	ended = source_ended(p, r);
	fill(p, r);
	if (readable(r) || ended) {
		events = POLLIN | POLLRDNORM | (readable(r) ? 0 : POLLHUP);
	} else if (ph) {
		old = r->poll;
		r->poll = ph;
	}
	pthread_mutex_unlock(&p->lock);
	if (old)
		fuse_pollhandle_destroy(old);
	else if (!events)
		wake(p);
	fuse_reply_poll(req, events);
}

bool pipes_open(struct pipes *p)
{
	bool open;

	pthread_mutex_lock(&p->lock);
	open = p->readers;
	pthread_mutex_unlock(&p->lock);
	return open;
}

void pipes_end(struct pipes *p)
{
	pthread_mutex_lock(&p->lock);
	p->ended = true;
	pthread_mutex_unlock(&p->lock);
	serve(p);
}
