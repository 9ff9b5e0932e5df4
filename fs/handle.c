/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Open files: what an open gives, and what reads and writes of it do. Pipes answer for themselves
 * (pipe.c), folders are in ops.c. Any thread; a handle's own lock serialises its reads.
 */
#include "fs/fs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"

#define COMMAND_MAX 4096 /* bytes written to a control file at once */

struct handle *handle_new(struct fs *fs, struct node_id id)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	atomic_init(&h->refs, 1);
	h->id = id;
	h->ino = node_ino(id);
	pthread_mutex_init(&h->lock, NULL);
	pthread_mutex_lock(&fs->handles_lock);
	h->next = fs->handles;
	if (h->next)
		h->next->prev = h;
	fs->handles = h;
	pthread_mutex_unlock(&fs->handles_lock);
	return h;
}

static void handle_free(struct fs *fs, struct handle *h)
{
	const struct fs_sessions *s = fs->config.sessions;

	pthread_mutex_lock(&fs->handles_lock);
	if (h->next)
		h->next->prev = h->prev;
	if (h->prev)
		h->prev->next = h->next;
	else
		fs->handles = h->next;
	pthread_mutex_unlock(&fs->handles_lock);
	if (h->snap)
		snaps_closed(fs->snaps, h->ino, h->snap);
	if (h->log) {
		logs_closed(fs, h->log);
		control_reads_events(fs->config.view->control, false);
	}
	if (h->pipe)
		pipe_close(fs->pipes, h->pipe);
	if (h->session)
		s->close(s->ctx, h->session);
	follow_reader_free(&h->reader);
	dirlist_free(&h->dir);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

void handle_get(struct handle *h)
{
	atomic_fetch_add(&h->refs, 1);
}

void handle_put(struct fs *fs, struct handle *h)
{
	if (atomic_fetch_sub(&h->refs, 1) == 1)
		handle_free(fs, h);
}

static int open_log(struct fs *fs, struct handle *h)
{
	struct view_about g;
	int err = 0;

	if (fs_node(fs, h->id)->flags & NODE_GOROUTINE)
		err = view_about(fs->view, fs_proc(fs, h->id.tree), h->id.key, &g);
	if (!err)
		err = logs_get(fs, h->id, &h->log);
	if (err)
		return err;
	logs_opened(fs, h->log);
	control_reads_events(fs->config.view->control, true);
	return follow_extend(log_text(h->log));
}

static int open_session(struct fs *fs, struct handle *h)
{
	const struct fs_sessions *s = fs->config.sessions;
	const char *id = fs_session_id(fs, h->id.key);

	if (!id)
		return -ENOENT;
	return s->open(s->ctx, id, fs_node(fs, h->id)->name, &h->session);
}

static int open_kind(struct fs *fs, struct handle *h)
{
	int err;

	switch (fs_node(fs, h->id)->kind) {
	case NODE_TEXT:
		err = fs_snapshot(fs, h->id, &h->snap);
		if (!err)
			snaps_opened(fs->snaps, h->ino, h->snap);
		return err;
	case NODE_LOG:
		return open_log(fs, h);
	case NODE_PIPE:
		return pipe_open(fs->pipes, h->id, &h->pipe);
	case NODE_SESSION:
		return open_session(fs, h);
	default:
		return -EISDIR;
	}
}

int handle_open(struct fs *fs, struct node_id id, struct fuse_file_info *fi)
{
	struct handle *h;
	int err;

	/* The permissions do not stop root; there is nothing here to write to. */
	if ((fi->flags & O_ACCMODE) != O_RDONLY && !fs_node(fs, id)->control)
		return -EACCES;
	h = handle_new(fs, id);
	if (!h)
		return -ENOMEM;
	err = open_kind(fs, h);
	if (err) {
		handle_put(fs, h);
		return err;
	}
	fi->direct_io = 1;
	fi->noflush = 1; /* a close has nothing to tell us */
	fi->nonseekable = fs_node(fs, id)->kind == NODE_PIPE;
	fi->fh = (uint64_t)(uintptr_t)h;
	return 0;
}

int handle_read(struct fs *fs, struct handle *h, uint64_t off, size_t size, struct buf *out)
{
	const struct fs_sessions *s = fs->config.sessions;
	int err = 0;

	if (h->snap && off < h->snap->len)
		buf_add(out, h->snap->data + off, MIN(size, h->snap->len - off));
	if (h->session)
		err = s->read(s->ctx, h->session, off, size, out);
	if (h->log) {
		pthread_mutex_lock(&h->lock);
		err = follow_read(&h->reader, log_text(h->log), off, size, out);
		pthread_mutex_unlock(&h->lock);
	}
	return err ? err : buf_error(out);
}

/* One command, without the line's end. */
static int command_of(const char *data, size_t size, char ret[COMMAND_MAX + 1], char *why,
		      size_t why_size)
{
	const char *wrong = size > COMMAND_MAX ? "is longer than any command" : NULL;

	if (!wrong) {
		memcpy(ret, data, size);
		while (size && (ret[size - 1] == '\n' || ret[size - 1] == ' '))
			size--;
		ret[size] = '\0';
		if (memchr(data, '\0', size))
			wrong = "has a NUL byte in it";
		else if (!size)
			wrong = "is empty";
		else if (strchr(ret, '\n'))
			wrong = "is more than one line";
	}
	if (!wrong)
		return 0;
	snprintf(why, why_size, "what was written %s: one line is taken, of at most %d bytes",
		 wrong, COMMAND_MAX);
	return -EINVAL;
}

int handle_write(struct fs *fs, struct handle *h, const char *data, size_t size)
{
	const struct node *node = fs_node(fs, h->id);
	char text[COMMAND_MAX + 1], why[240] = "";
	int err;

	if (!node->control)
		return -EBADF;
	err = command_of(data, size, text, why, sizeof(why));
	if (!err) {
		err = node->control->set(fs->config.view->control, text, why, sizeof(why));
		snaps_forget(fs->snaps, h->ino);
	}
	/* A shell shows no more of it than "Invalid argument". */
	if (err)
		log_warn("control/%s: %s", node->name,
			 why[0]              ? why
			 : err == -ETIMEDOUT ? "takes too long, and may still be done"
					     : strerror(-err));
	return err;
}
