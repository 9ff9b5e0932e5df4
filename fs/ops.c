/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The operations libfuse calls: thin. Each finds what is asked for and answers once, here or, when
 * that may take long, on a helper thread that does the same (request.h).
 */
#include "fs/request.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/statvfs.h>

#include "core/base/log.h"

void fs_reply_err(fuse_req_t req, int err)
{
	/* "No such system call" would make the kernel stop asking for this operation for good. Who
	 * has ended between a listing and an open is, to whom walks the tree, a file that is gone.
	 */
	fuse_reply_err(req, err == -ENOSYS ? EOPNOTSUPP : err == -ESRCH ? ENOENT : -err);
}

static struct fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static void start_on(fuse_req_t req, fuse_ino_t ino, enum request_kind kind,
		     const struct fuse_file_info *fi, size_t size, off_t off)
{
	struct request r = {.fs = fs_of(req), .req = req, .kind = kind, .size = size};

	r.off = (uint64_t)off;
	if (fi)
		r.fi = *fi;
	if (!node_decode(r.fs->nodes, ino, &r.id))
		fuse_reply_err(req, ENOENT);
	else
		request_start(&r);
}

static bool asks_disk(const struct fs *fs, fuse_ino_t dir)
{
	struct node_id id;

	return node_decode(fs->nodes, dir, &id) &&
	       (id.row == ROW_SESSIONS || id.row == ROW_SESSION);
}

static bool is_of(const struct fs *fs, fuse_ino_t dir, unsigned row)
{
	struct node_id id;

	return node_decode(fs->nodes, dir, &id) && id.row == row;
}

/* What is to be done with a name in a folder, by a helper. */
static void start_named(fuse_req_t req, fuse_ino_t dir, const char *name, enum request_kind kind)
{
	struct request r = {.fs = fs_of(req), .req = req, .kind = kind, .text = strdup(name)};

	if (!r.text)
		fuse_reply_err(req, ENOMEM);
	else if (!node_decode(r.fs->nodes, dir, &r.id)) {
		free(r.text);
		fuse_reply_err(req, ENOENT);
	} else {
		request_start(&r);
	}
}

/* --- names and attributes ----------------------------------------------------------------- */

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	/* Rendered bytes are in memory already: splicing them through a pipe is slower. */
	conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				  FUSE_CAP_SPLICE_MOVE | FUSE_CAP_ATOMIC_O_TRUNC);
}

static bool finds_slowly(const struct fs *fs, fuse_ino_t dir)
{
	struct node_id id;

	return asks_disk(fs, dir) ||
	       (node_decode(fs->nodes, dir, &id) && fs_node(fs, id)->flags & NODE_FIND_HEAVY);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct request r = {.fs = fs_of(req), .req = req, .kind = REQUEST_LOOKUP};
	struct node_id dir;
	int err = -ENOENT;

	if (finds_slowly(r.fs, parent)) {
		start_named(req, parent, name, REQUEST_FIND);
		return;
	}
	if (node_decode(r.fs->nodes, parent, &dir))
		err = fs_find(r.fs, dir, name, &r.id);
	if (err)
		fs_reply_err(req, err);
	else
		request_start(&r);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	start_on(req, ino, REQUEST_GETATTR, NULL, 0, 0);
}

/* "echo x > file" truncates first: accepted where writing is, and without effect. So are times. */
static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		       struct fuse_file_info *fi)
{
	const int harmless = FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME |
			     FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW |
			     FUSE_SET_ATTR_CTIME;
	const struct fs *fs = fs_of(req);
	struct node_id id;

	if (!node_decode(fs->nodes, ino, &id))
		fuse_reply_err(req, ENOENT);
	else if (!fs_node(fs, id)->control || to_set & ~harmless)
		fuse_reply_err(req, EPERM);
	else
		op_getattr(req, ino, fi);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct buf target cleanup_buf_ = BUF_INIT;
	struct fs *fs = fs_of(req);
	struct node_id id;
	int err = -ENOENT;

	if (node_decode(fs->nodes, ino, &id) && fs_node(fs, id)->kind == NODE_LINK)
		err = fs_readlink(fs, id, &target);
	if (err)
		fs_reply_err(req, err);
	else
		fuse_reply_readlink(req, target.data);
}

/* --- files -------------------------------------------------------------------------------- */

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	start_on(req, ino, REQUEST_OPEN, fi, 0, 0);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);

	if (h->pipe)
		pipe_read(fs_of(req)->pipes, h->pipe, req, size, fi->flags & O_NONBLOCK);
	else
		start_on(req, ino, REQUEST_READ, fi, size, off);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	struct request r = {.fs = fs_of(req), .req = req, .kind = REQUEST_WRITE, .fi = *fi};

	/* ">>" writes at the end of what is shown: where does not matter, a write is a command. */
	r.id = handle_of(fi)->id;
	r.size = size;
	r.text = malloc(size + 1);
	if (!r.text) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	memcpy(r.text, data, size);
	request_start(&r);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	handle_put(fs_of(req), handle_of(fi));
	fuse_reply_err(req, 0);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fuse_reply_err(req, 0);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	fuse_reply_err(req, 0);
}

static void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
		    struct fuse_pollhandle *ph)
{
	struct handle *h = handle_of(fi);

	if (h->pipe) {
		pipe_poll(fs_of(req)->pipes, h->pipe, req, ph);
		return;
	}
	if (ph)
		fuse_pollhandle_destroy(ph);
	fuse_reply_poll(req, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct fs *fs = fs_of(req);
	struct view_space space;
	struct statvfs st = {.f_bsize = 4096, .f_frsize = 4096, .f_namemax = ESCAPE_MAX};

	view_space(fs->view, &space);
	/* Used are the events that are retained. The oldest make room for others, so that there is
	 * always room for as many again: full is what a disk is that somebody gets up for. */
	st.f_bfree = space.bytes / st.f_frsize;
	st.f_bavail = st.f_bfree;
	st.f_blocks = st.f_bfree + space.used_bytes / st.f_frsize;
	/* Used are the goroutines; there is always room for more. */
	st.f_ffree = 1ull << 32;
	st.f_favail = st.f_ffree;
	st.f_files = space.goroutines + st.f_ffree;
	fuse_reply_statfs(req, &st);
}

/* --- folders ------------------------------------------------------------------------------ */

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	start_on(req, ino, REQUEST_OPENDIR, fi, 0, 0);
}

/* One listing in the making. */
struct listing {
	fuse_req_t req;
	bool plus;
	char *data;
	size_t size, used;
};

/* false when the entry does not fit any more. `id` NULL: "." or "..". */
static bool add_entry(struct listing *l, const char *name, const struct node_id *id, off_t next)
{
	struct fs *fs = fs_of(l->req);
	struct fuse_entry_param e = {.generation = 1};
	enum node_kind kind = id ? fs_node(fs, *id)->kind : NODE_DIR;
	size_t room = l->size - l->used, n;

	e.attr.st_ino = id ? node_ino(*id) : FUSE_ROOT_ID;
	e.attr.st_mode = id ? node_mode(fs->nodes, id->row) : S_IFDIR;
	/* A file's size is rendered, a session's time on the disk: whoever wants it asks. What no
	 * attributes are given for has the node number 0. */
	if (l->plus && id && (kind == NODE_DIR || kind == NODE_LINK) && id->row != ROW_SESSION &&
	    !fs_attr(fs, *id, LOOK_STAT, &e.attr)) {
		e.ino = node_ino(*id);
		e.attr_timeout = fs_attr_timeout(fs, *id);
		e.entry_timeout = fs_entry_timeout(fs, *id);
	}
	n = l->plus ? fuse_add_direntry_plus(l->req, l->data + l->used, room, name, &e, next)
		    : fuse_add_direntry(l->req, l->data + l->used, room, name, &e.attr, next);
	if (n > room)
		return false;
	l->used += n;
	return true;
}

/* Offsets: 0 the beginning, 1 after ".", 2 after "..", key + 3 after the entry with that key. */
static void list_from(struct listing *l, const struct dirlist *d, uint64_t off)
{
	char space[24];

	if (off < 1 && !add_entry(l, ".", NULL, 1))
		return;
	if (off < 2 && !add_entry(l, "..", NULL, 2))
		return;
	for (size_t i = dirlist_seek(d, off < 2 ? 0 : off - 2); i < d->n; i++) {
		if (!add_entry(l, dirlist_name(d, i, space), &d->rows[i].id,
			       (off_t)(d->rows[i].key + 3)))
			return;
	}
}

int read_folder(const struct request *r, struct handle *h, struct buf *out)
{
	struct listing l = {.req = r->req, .plus = r->plus, .size = r->size};
	int err = 0;

	l.data = malloc(r->size);
	if (!l.data)
		return -ENOMEM;
	pthread_mutex_lock(&h->lock);
	/* From the beginning again (rewinddir): as it is now. */
	if (!r->off && h->listed) {
		dirlist_free(&h->dir);
		err = fs_list(r->fs, h->id, &h->dir);
	}
	if (r->off)
		atomic_store(&h->listed, true);
	if (!err)
		list_from(&l, &h->dir, r->off);
	pthread_mutex_unlock(&h->lock);
	if (!err)
		buf_add(out, l.data, l.used);
	free(l.data);
	return err ? err : buf_error(out);
}

static void start_listing(fuse_req_t req, size_t size, off_t off, struct fuse_file_info *fi,
			  bool plus)
{
	struct request r = {.fs = fs_of(req), .req = req, .kind = REQUEST_READDIR, .fi = *fi};

	r.id = handle_of(fi)->id;
	r.size = size;
	r.off = (uint64_t)off;
	r.plus = plus;
	request_start(&r);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	start_listing(req, size, off, fi, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			   struct fuse_file_info *fi)
{
	start_listing(req, size, off, fi, true);
}

/* --- what cannot be done -------------------------------------------------------------------- */

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
	fuse_reply_err(req, EPERM);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	if (is_of(fs_of(req), parent, ROW_FROZENS))
		start_named(req, parent, name, REQUEST_MKDIR);
	else
		fuse_reply_err(req, EPERM);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	if (asks_disk(fs_of(req), parent))
		start_named(req, parent, name, REQUEST_UNLINK);
	else
		fuse_reply_err(req, EPERM);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	if (asks_disk(fs_of(req), parent) || is_of(fs_of(req), parent, ROW_FROZENS))
		start_named(req, parent, name, REQUEST_RMDIR);
	else
		fuse_reply_err(req, EPERM);
}

static void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, EPERM);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
		      const char *newname, unsigned flags)
{
	fuse_reply_err(req, EPERM);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname)
{
	fuse_reply_err(req, EPERM);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	fuse_reply_err(req, EPERM);
}

const struct fuse_lowlevel_ops fs_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.poll = op_poll,
	.statfs = op_statfs,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.releasedir = op_release,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.create = op_create,
	/* No forget: an inode number says all, nothing is kept. No lseek: there are no holes. */
};
