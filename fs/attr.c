/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Attributes: sizes are true, times carry meaning. To know the size of a small file it is rendered,
 * and that rendering is kept for the open that follows. Any thread.
 */
#include "fs/fs_internal.h"

#include <errno.h>
#include <string.h>

#define UNKNOWN_SIZE   4096 /* of a file that is not rendered for a stat and never was opened */
#define BACKLOG_INLINE 4096 /* events made visible for a lookup: 1 ms or so */
/*
 * A lookup must not take long: libfuse 3.14 does not pass FUSE_CAP_PARALLEL_DIROPS on, so the
 * kernel sends one lookup a folder at a time. Where the size would, a lookup gives one that is
 * large enough. Nobody sees it, as a stat asks again; but sendfile(2), which does not, stops there,
 * and a read that ends earlier sets it right.
 */
#define AMPLE_SIZE (64 << 20)
#define AMPLE_LINE 512 /* bytes of an event line, for the same purpose */

static void set_time(struct timespec *ts, uint64_t wall_ns)
{
	ts->tv_sec = (time_t)(wall_ns / NS_PER_SEC);
	ts->tv_nsec = (long)(wall_ns % NS_PER_SEC);
}

static uint64_t known(const struct fs *fs, uint64_t wall_ns)
{
	return wall_ns ? wall_ns : fs->mount_time_ns;
}

static uint64_t wall(const struct fs *fs, uint64_t mono_ns)
{
	return mono_ns ? unix_ns(mono_ns, fs->format_proc.wall_offset_ns) : fs->mount_time_ns;
}

static void set_size(struct stat *st, uint64_t size)
{
	st->st_size = (off_t)size;
	st->st_blocks = (blkcnt_t)((size + 511) / 512);
}

static void set_times(struct stat *st, uint64_t modified_ns, uint64_t changed_ns)
{
	set_time(&st->st_mtim, modified_ns);
	set_time(&st->st_atim, modified_ns);
	set_time(&st->st_ctim, changed_ns);
}

/* fs_attr() without anything that takes time: sizes are 0. */
static int fs_attr_quick(struct fs *fs, struct node_id id, struct stat *st)
{
	const struct node *n = fs_node(fs, id);
	struct view_about g;
	int err;

	*st = (struct stat){
		.st_ino = node_ino(id),
		.st_mode = node_mode(fs->nodes, id.row),
		/* 1: "number of folders within unknown", which tells find to look for itself. */
		.st_nlink = 1,
		.st_uid = fs->uid,
		.st_gid = fs->gid,
		.st_blksize = 4096,
	};
	set_times(st, fs->mount_time_ns, fs->mount_time_ns);
	if (!(n->flags & NODE_GOROUTINE))
		return 0;
	err = view_about(fs->view, fs_proc(fs, id.tree), id.key, &g);
	if (err)
		return err;
	set_times(st, known(fs, g.changed_ns), known(fs, g.created_ns));
	set_time(&st->st_atim, known(fs, g.last_event_ns));
	return 0;
}

/* --- contents --------------------------------------------------------------------------- */

static int render(struct fs *fs, struct node_id id, struct buf *out)
{
	const struct node *n = fs_node(fs, id);
	const struct view *v = fs->config.view;
	struct view_query q = {
		.proc = fs_proc(fs, id.tree),
		.goid = n->flags & NODE_GOROUTINE ? id.key : 0,
		.type = id.row == ROW_TYPE ? (uint32_t)id.key : 0,
		.form = n->form,
	};
	int err;

	if (n->control) {
		n->control->show(v->control, out);
		return buf_error(out);
	}
	if (fs->config.many && !id.tree && n->view->all_in_root)
		q.proc = VIEW_ALL_PROCS;
	err = view_render(n->view, v, &q, out);
	return err ? err : buf_error(out);
}

int fs_snapshot(struct fs *fs, struct node_id id, struct snap **ret)
{
	struct buf out cleanup_buf_ = BUF_INIT;
	uint64_t ino = node_ino(id);
	size_t len;
	char *data;
	int err;

	if (id.row == ROW_FROZEN_FILE)
		return frozen_get(fs, id, ret);
	*ret = snaps_fresh(fs->snaps, ino);
	if (*ret)
		return 0;
	err = render(fs, id, &out);
	if (err)
		return err;
	data = buf_take(&out, &len);
	return snaps_add(fs->snaps, ino, data, len, ret);
}

static int text_attr(struct fs *fs, struct node_id id, enum look look, struct stat *st)
{
	unsigned flags = fs_node(fs, id)->flags;
	bool no_stat = flags & NODE_NO_STAT;
	uint64_t time_ns = 0;
	struct snap *snap;
	size_t len = 0;
	int err = 0;

	/* A stat without a name on the way is one of an open file: it shows what it opened. */
	if ((look == LOOK_STAT || flags & NODE_HEAVY) &&
	    snaps_last(fs->snaps, st->st_ino, look == LOOK_NAME || !no_stat, &len, &time_ns)) {
		set_size(st, len);
		set_times(st, time_ns, time_ns);
		return 0;
	}
	if (look == LOOK_NAME && flags & NODE_HEAVY) {
		set_size(st, AMPLE_SIZE);
		return 0;
	}
	if (no_stat) {
		set_size(st, UNKNOWN_SIZE);
		return 0;
	}
	err = fs_snapshot(fs, id, &snap);
	if (err == -ENOENT)
		return err;
	if (err)
		return 0; /* the open will say what is wrong */
	set_size(st, snap->len);
	set_times(st, snap->time_ns, snap->time_ns);
	snaps_unref(fs->snaps, snap);
	return 0;
}

static int log_attr(struct fs *fs, struct node_id id, enum look look, struct stat *st)
{
	uint64_t backlog, ample = 0;
	struct follow_state state;
	struct log *log;
	int err = logs_get(fs, id, &log);

	if (err)
		return err;
	backlog = follow_backlog(log_text(log));
	if (look == LOOK_STAT || backlog <= BACKLOG_INLINE)
		err = follow_extend(log_text(log));
	else if (!logs_is_open(fs, st->st_ino))
		ample = backlog * AMPLE_LINE;
	follow_state(log_text(log), &state);
	logs_put(fs, log);
	if (err)
		return err;
	set_size(st, state.size + ample);
	set_times(st, wall(fs, state.last_event_ns), fs->mount_time_ns);
	st->st_ctim = st->st_mtim;
	return 0;
}

/* A session's folder (its time is that of its last event) or one of its files. */
static int session_attr(struct fs *fs, struct node_id id, enum look look, struct stat *st)
{
	const struct fs_sessions *s = fs->config.sessions;
	const char *name = fs_session_id(fs, id.key);
	uint64_t size, mtime_ns;
	int err;

	if (!name)
		return -ENOENT;
	err = s->stat(s->ctx, name, fs_node(fs, id)->name, look == LOOK_STAT, &size, &mtime_ns);
	if (err)
		return err;
	set_size(st, size);
	set_times(st, mtime_ns, mtime_ns);
	return 0;
}

static int dir_attr(struct fs *fs, struct node_id id, enum look look, struct stat *st)
{
	uint64_t made_ns;
	int err;

	if (id.row == ROW_SESSION)
		return session_attr(fs, id, look, st);
	if (id.row != ROW_FROZEN && id.row != ROW_FROZEN_FOLDER)
		return 0;
	err = frozen_time(fs, id, &made_ns);
	if (!err)
		set_times(st, made_ns, made_ns);
	return err;
}

/* Is the file of a goroutine that is gone still open? Its last values stay. */
static bool open_still(struct fs *fs, struct node_id id)
{
	uint64_t time_ns;
	size_t len;

	if (fs_node(fs, id)->kind == NODE_LOG)
		return logs_is_open(fs, node_ino(id));
	return fs_node(fs, id)->kind == NODE_TEXT &&
	       snaps_last(fs->snaps, node_ino(id), true, &len, &time_ns);
}

int fs_attr(struct fs *fs, struct node_id id, enum look look, struct stat *st)
{
	int err = fs_attr_quick(fs, id, st);

	if (err == -ENOENT && look == LOOK_STAT && open_still(fs, id))
		err = 0;
	if (err)
		return err;
	switch (fs_node(fs, id)->kind) {
	case NODE_TEXT:
		return text_attr(fs, id, look, st);
	case NODE_LOG:
		return log_attr(fs, id, look, st);
	case NODE_SESSION:
		return session_attr(fs, id, look, st);
	case NODE_LINK: {
		struct buf target cleanup_buf_ = BUF_INIT;

		err = fs_readlink(fs, id, &target);
		set_size(st, target.len);
		return err;
	}
	case NODE_PIPE:
		/* Always as young as the last look: there is no telling what has not been read. */
		set_times(st, clock_ns(CLOCK_REALTIME), fs->mount_time_ns);
		return 0;
	case NODE_DIR:
		return dir_attr(fs, id, look, st);
	}
	return 0;
}

double fs_entry_timeout(const struct fs *fs, struct node_id id)
{
	switch (fs_node(fs, id)->kind) {
	case NODE_DIR:
		/* A number may be another process's from one moment to the next: execve(2). */
		return id.row == ROW_PROCESS ? 0 : 1;
	case NODE_LINK:
		/* Who is in by-state and by-wait changes all the time; a parent does not. */
		return id.row == ROW_STATE_LINK || id.row == ROW_WAIT_LINK ||
				       id.row == ROW_OBJECT_LINK || id.row == ROW_LABEL_LINK
			       ? 0
			       : 1;
	default:
		/* Each open begins with a lookup then, which is what keeps sizes true. */
		return 0;
	}
}

double fs_attr_timeout(const struct fs *fs, struct node_id id)
{
	return fs_node(fs, id)->kind == NODE_DIR || fs_node(fs, id)->kind == NODE_LINK ? 1 : 0;
}
