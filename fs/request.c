/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who serves a request, and its one answer; see request.h.
 *
 * A signal that a reader gets is not always one that ends it, and an open(2) that says EINTR breaks
 * programs that never saw one from a file. So a reader waits a little longer: most requests are
 * answered by then. libfuse hands signals to the thread of fs_run(), the one that starts requests:
 * between the two lines that ask about them and enter the request in the list none can come.
 */
#include "fs/request.h"

#include <errno.h>
#include <string.h>

#define BACKLOG_INLINE 4096               /* events rendered without asking a helper: 2 ms or so */
#define READ_INLINE    (64 * 1024)        /* bytes of events likewise */
#define SIGNAL_NS      (200 * 1000000ull) /* how long a reader with a signal waits on … */
#define COMMAND_NS     NS_PER_SEC         /* … and who wrote a command: probes take their time */

/* --- serving ---------------------------------------------------------------------------------- */

static int serve_entry(struct request *r)
{
	r->entry = (struct fuse_entry_param){.ino = node_ino(r->id), .generation = 1};
	r->entry.attr_timeout = fs_attr_timeout(r->fs, r->id);
	r->entry.entry_timeout = fs_entry_timeout(r->fs, r->id);
	return fs_attr(r->fs, r->id, LOOK_NAME, &r->entry.attr);
}

static int serve_opendir(struct request *r)
{
	struct handle *h = handle_new(r->fs, r->id);
	int err;

	if (!h)
		return -ENOMEM;
	err = fs_list(r->fs, r->id, &h->dir);
	if (err)
		handle_put(r->fs, h);
	else
		r->fi.fh = (uint64_t)(uintptr_t)h;
	return err;
}

static int serve(struct request *r)
{
	int err;

	switch (r->kind) {
	case REQUEST_LOOKUP:
		return serve_entry(r);
	case REQUEST_GETATTR:
		return fs_attr(r->fs, r->id, LOOK_STAT, &r->entry.attr);
	case REQUEST_OPEN:
		return handle_open(r->fs, r->id, &r->fi);
	case REQUEST_READ:
		return handle_read(r->fs, handle_of(&r->fi), r->off, r->size, &r->out);
	case REQUEST_WRITE:
		return handle_write(r->fs, handle_of(&r->fi), r->text, r->size);
	case REQUEST_OPENDIR:
		return serve_opendir(r);
	case REQUEST_READDIR:
		return read_folder(r, handle_of(&r->fi), &r->out);
	case REQUEST_FIND:
		err = fs_find(r->fs, r->id, r->text, &r->id);
		return err ? err : serve_entry(r);
	case REQUEST_MKDIR:
		err = frozen_make(r->fs, r->text, &r->id);
		return err ? err : serve_entry(r);
	case REQUEST_UNLINK:
	case REQUEST_RMDIR:
		return fs_remove(r->fs, r->id, r->text, r->kind == REQUEST_RMDIR);
	}
	return -EIO;
}

/* --- answering -------------------------------------------------------------------------------- */

static void reply(struct request *r)
{
	switch (r->kind) {
	case REQUEST_LOOKUP:
	case REQUEST_FIND:
	case REQUEST_MKDIR:
		fuse_reply_entry(r->req, &r->entry);
		break;
	case REQUEST_GETATTR:
		fuse_reply_attr(r->req, &r->entry.attr, fs_attr_timeout(r->fs, r->id));
		break;
	case REQUEST_OPEN:
	case REQUEST_OPENDIR:
		/* Interrupted meanwhile: there will be no release. */
		if (fuse_reply_open(r->req, &r->fi) == -ENOENT)
			handle_put(r->fs, handle_of(&r->fi));
		break;
	case REQUEST_READ:
	case REQUEST_READDIR:
		fuse_reply_buf(r->req, r->out.data, r->out.len);
		break;
	case REQUEST_WRITE:
		fuse_reply_write(r->req, r->size);
		break;
	case REQUEST_UNLINK:
	case REQUEST_RMDIR:
		fuse_reply_err(r->req, 0);
		break;
	}
}

static bool has_handle(const struct request *r)
{
	return r->kind == REQUEST_READ || r->kind == REQUEST_WRITE || r->kind == REQUEST_READDIR;
}

static bool makes_handle(const struct request *r)
{
	return r->kind == REQUEST_OPEN || r->kind == REQUEST_OPENDIR;
}

/* Under requests_lock: from now on it is the caller's to answer. */
static void take_out(struct request *r)
{
	if (r->next)
		r->next->prev = r->prev;
	if (r->prev)
		r->prev->next = r->next;
	else
		r->fs->requests = r->next;
	r->answered = true;
}

/* False when somebody else has answered. */
static bool claim(struct request *r)
{
	bool mine;

	pthread_mutex_lock(&r->fs->requests_lock);
	mine = !r->answered;
	if (mine)
		take_out(r);
	pthread_mutex_unlock(&r->fs->requests_lock);
	return mine;
}

static bool is_answered(struct request *r)
{
	bool answered;

	pthread_mutex_lock(&r->fs->requests_lock);
	answered = r->answered;
	pthread_mutex_unlock(&r->fs->requests_lock);
	return answered;
}

static void serve_later(void *arg)
{
	struct request *r = arg;
	struct handle *h = has_handle(r) ? handle_of(&r->fi) : NULL;
	bool skip = is_answered(r);
	int err = skip ? -EINTR : atomic_load(&r->fs->ending) ? -ENOTCONN : serve(r);

	/* Before the answer, after which the handle may be read from again. */
	if (r->kind == REQUEST_READ)
		atomic_fetch_sub(&h->queued, 1);
	if (!skip && claim(r)) {
		if (err)
			fs_reply_err(r->req, err);
		else
			reply(r);
	} else if (!err && makes_handle(r)) {
		handle_put(r->fs, handle_of(&r->fi));
	}
	if (h)
		handle_put(r->fs, h);
	buf_free(&r->out);
	free(r->text);
	free(r);
}

/* --- starting --------------------------------------------------------------------------------- */

static bool far_behind(struct fs *fs, struct node_id id)
{
	struct log *log;
	bool far;

	if (logs_get(fs, id, &log))
		return false;
	far = follow_backlog(log_text(log)) > BACKLOG_INLINE;
	logs_put(fs, log);
	return far;
}

static struct workers *helper_for_log(const struct request *r)
{
	/* Reads ahead of one file must be served as they came (follow.h). */
	if (r->kind == REQUEST_READ && (r->size > READ_INLINE || far_behind(r->fs, r->id) ||
					atomic_load(&handle_of(&r->fi)->queued)))
		return r->fs->reads;
	return r->kind != REQUEST_READ && far_behind(r->fs, r->id) ? r->fs->quick : NULL;
}

/* Who serves this request; NULL: the thread that got it. A lookup of a node never takes long
 * (attr.c); finding it by its name may, and what is below sessions/ asks the disk. */
static struct workers *helper_for(const struct request *r)
{
	const struct node *n = fs_node(r->fs, r->id);
	struct fs *fs = r->fs;
	struct workers *helper = n->flags & NODE_SLOW ? fs->slow : fs->quick;

	if (r->kind == REQUEST_WRITE)
		return fs->commands;
	if (r->kind == REQUEST_MKDIR)
		return fs->slow;
	if (n->kind == NODE_SESSION || r->id.row == ROW_SESSION || r->id.row == ROW_SESSIONS)
		return fs->slow;
	if (r->kind == REQUEST_FIND)
		return n->flags & NODE_FIND_HEAVY ? helper : NULL;
	if (r->kind == REQUEST_LOOKUP)
		return NULL;
	switch (n->kind) {
	case NODE_LOG:
		return helper_for_log(r);
	case NODE_TEXT:
		if (!(n->flags & NODE_HEAVY) || r->kind == REQUEST_READ)
			return NULL;
		if (n->flags & NODE_NO_STAT)
			return r->kind == REQUEST_OPEN ? fs->slow : NULL;
		return fs->quick;
	case NODE_DIR:
		/* A listing is read again from its beginning: it is made anew. */
		if (r->kind == REQUEST_READDIR)
			return !r->off && handle_of(&r->fi)->listed && n->flags & NODE_HEAVY
				       ? helper
				       : NULL;
		return r->kind == REQUEST_OPENDIR && n->flags & NODE_HEAVY ? helper : NULL;
	default:
		return NULL;
	}
}

/* libfuse: the reader got a signal. On the thread of fs_run(), and not ours to answer here: libfuse
 * holds the request. */
static void signalled(fuse_req_t req, void *data)
{
	struct fs *fs = data;

	pthread_mutex_lock(&fs->requests_lock);
	for (struct request *r = fs->requests; r; r = r->next)
		if (r->req == req && !r->signalled_ns)
			r->signalled_ns = monotonic_ns();
	pthread_mutex_unlock(&fs->requests_lock);
}

static void hand_over(struct request *r, struct workers *helper)
{
	struct fs *fs = r->fs;
	struct handle *h = has_handle(r) ? handle_of(&r->fi) : NULL;

	if (r->kind == REQUEST_READ)
		atomic_fetch_add(&h->queued, 1);
	if (h)
		handle_get(h);
	fuse_req_interrupt_func(r->req, signalled, fs);
	if (fuse_req_interrupted(r->req))
		r->signalled_ns = monotonic_ns();
	pthread_mutex_lock(&fs->requests_lock);
	r->next = fs->requests;
	if (r->next)
		r->next->prev = r;
	fs->requests = r;
	pthread_mutex_unlock(&fs->requests_lock);
	if (!workers_push(helper, serve_later, r))
		return;
	if (claim(r))
		fuse_reply_err(r->req, ENOMEM);
	serve_later(r);
}

void request_start(const struct request *wanted)
{
	struct workers *helper = helper_for(wanted);
	struct request here = *wanted, *copy;
	int err;

	if (!helper) {
		err = serve(&here);
		if (err)
			fs_reply_err(here.req, err);
		else
			reply(&here);
		buf_free(&here.out);
		free(here.text);
		return;
	}
	copy = malloc(sizeof(*copy));
	if (!copy) {
		fuse_reply_err(wanted->req, ENOMEM);
		free(wanted->text);
		return;
	}
	*copy = *wanted;
	hand_over(copy, helper);
}

/* --- those that wait ---------------------------------------------------------------------------
 */

static uint64_t due_ns(const struct request *r)
{
	return r->signalled_ns + (r->kind == REQUEST_WRITE ? COMMAND_NS : SIGNAL_NS);
}

/* Takes out one whose reader got a signal and has waited for long enough; or any. */
static fuse_req_t take_due(struct fs *fs, bool any, int *ret_ms)
{
	uint64_t now = monotonic_ns();
	fuse_req_t req = NULL;

	pthread_mutex_lock(&fs->requests_lock);
	for (struct request *r = fs->requests; r && !req; r = r->next) {
		if (!any && r->signalled_ns)
			*ret_ms = (int)(SIGNAL_NS / 1000000 / 4);
		if (!any && (!r->signalled_ns || now < due_ns(r)))
			continue;
		req = r->req;
		take_out(r);
	}
	pthread_mutex_unlock(&fs->requests_lock);
	return req;
}

int requests_interrupt(struct fs *fs)
{
	fuse_req_t req;
	int ms;

	do {
		ms = -1;
		req = take_due(fs, false, &ms);
		if (req)
			fuse_reply_err(req, EINTR);
	} while (req);
	return ms;
}

void requests_end(struct fs *fs)
{
	fuse_req_t req;
	int ms;

	while ((req = take_due(fs, true, &ms)))
		fuse_reply_err(req, ENOTCONN);
}
