/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared by the files of this folder; nobody else includes it. What struct fs holds is set up by
 * fs_new() and then only read, but for what says otherwise.
 */
#ifndef XGOTOPFS_FS_FS_INTERNAL_H
#define XGOTOPFS_FS_FS_INTERNAL_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/view/conditions.h"
#include "core/view/family.h"
#include "fs/dirlist.h"
#include "fs/escape.h"
#include "fs/follow.h"
#include "fs/fs.h"
#include "fs/node.h"
#include "fs/snap.h"
#include "fs/unmounter.h"
#include "fs/worker.h"

struct fs {
	struct fs_config config; /* but for its texts, which are copied: */
	char *mountpoint, *options;
	const struct view *view; /* config.view */
	struct nodes *nodes;
	struct fuse_session *session; /* NULL before fs_mount() */
	bool mounted;
	bool unmounter_failed;
	struct unmounter *unmounter; /* NULL: we unmount ourselves, if we may */
	int stop_fd;                 /* eventfd */
	_Atomic int device_err;      /* -errno of /dev/fuse that ends it */
	uid_t uid;
	gid_t gid;
	uint64_t mount_time_ns; /* CLOCK_REALTIME */
	struct event_format format_root, format_proc;
	struct event_format wall_root, wall_proc; /* the same with dates */
	struct snaps *snaps;
	struct follow_cache *cache;
	struct logs *logs;
	struct pipes *pipes;
	struct by_names *by_names;
	struct frozens *frozens;
	struct by_labels *by_labels;
	struct workers *quick;    /* renderings of milliseconds */
	struct workers *slow;     /* the target's memory, disks */
	struct workers *reads;    /* of event logs: one thread, which keeps them in order */
	struct workers *commands; /* what is written to control/: one thread, one at a time */
	pthread_mutex_t requests_lock;
	struct request *requests; /* those that helpers have and nobody has answered */
	atomic_bool ending;
	atomic_bool abandoned; /* a helper did not come to an end: what it uses is left to it */
	pthread_mutex_t handles_lock;
	struct handle *handles; /* all; what is still open at the end is freed with us */
	pthread_mutex_t sessions_lock;
	char **session_ids; /* by key; protected by sessions_lock, entries never change */
	size_t n_session_ids;
};

/* What an open file or folder is; fi->fh. */
struct handle {
	atomic_uint refs;           /* the kernel's, and one of each request a helper has */
	struct handle *next, *prev; /* in fs->handles; protected by fs->handles_lock */
	struct node_id id;
	uint64_t ino;
	pthread_mutex_t lock;        /* reads of one handle may run in two threads */
	struct snap *snap;           /* NODE_TEXT */
	struct log *log;             /* NODE_LOG */
	struct follow_reader reader; /* protected by lock */
	atomic_uint queued;          /* reads a helper has yet to serve */
	struct pipe_reader *pipe;    /* NODE_PIPE */
	void *session;               /* NODE_SESSION */
	struct dirlist dir;          /* NODE_DIR; protected by lock */
	atomic_bool listed;          /* NODE_DIR: was read from its beginning */
};

/* The row of a node. */
static inline const struct node *fs_node(const struct fs *fs, struct node_id id)
{
	return &fs->nodes->rows[id.row];
}

/* --- device.c ------------------------------------------------------------------------------ */

/* After the mount: what passes to and from the kernel goes through here. 0 or -errno. */
int device_take(struct fs *fs);
/* Once it is unmounted: whoever still has a file open there is told, and libfuse sees that nothing
 * is left to unmount. */
void device_let_go(struct fs *fs);

/* --- tree.c: what is there ------------------------------------------------------------- */

unsigned fs_proc(const struct fs *fs, unsigned tree); /* index of the process a tree shows */
int fs_find(struct fs *fs, struct node_id dir, const char *name, struct node_id *ret);
int fs_list(struct fs *fs, struct node_id dir, struct dirlist *list);
/* Adds the goroutines that have a key (view_members()), as entries of the folder's family. */
int fs_list_goids(struct fs *fs, struct node_id dir, enum view_by by, uint64_t key,
		  struct dirlist *list);
/* The condition that an entry of wait/ stands for. */
struct view_condition fs_condition(struct node_id id);
int fs_readlink(struct fs *fs, struct node_id id, struct buf *out);
/* unlink(2) and, of a folder, rmdir(2): what rm -r of a recorded session needs. Reads a disk. */
int fs_remove(struct fs *fs, struct node_id dir, const char *name, bool folder);
/* The id of a recorded session by its key; NULL. Valid until fs_free(). */
const char *fs_session_id(struct fs *fs, uint64_t key);

/* Is this entry of the tree there at all? Not for rows of a family. */
bool fs_is_here(struct fs *fs, struct node_id id);

/* --- frozen.c: snapshots/ --------------------------------------------------------------- */

int frozens_new(struct frozens **ret);
void frozens_free(struct fs *fs); /* fs->frozens */
/* mkdir(2): renders every view that is of a moment. *ret is its folder. -EINVAL (a name of letters,
 * digits and ._-+:@, at most 64, no . or - first), -EEXIST, -ENOSPC (too many, or too large), and
 * what a view fails with. By a helper. */
int frozen_make(struct fs *fs, const char *name, struct node_id *ret);
/* rmdir: 0 or -ENOENT. */
int frozen_remove(struct fs *fs, const char *name);
/* A reference to the content of a file. 0 or -ENOENT. */
int frozen_get(struct fs *fs, struct node_id id, struct snap **ret);
/* When the snapshot was made that this is of: CLOCK_REALTIME. 0 or -ENOENT. */
int frozen_time(struct fs *fs, struct node_id id, uint64_t *ret_ns);

/* --- by.c ------------------------------------------------------------------------------ */

int by_names_new(struct by_names **ret);
void by_names_free(struct by_names *b);

/* --- by_label.c ------------------------------------------------------------------------ */

int by_labels_new(struct by_labels **ret);
void by_labels_free(struct by_labels *b);

/* --- logs.c: one growing text a file, as long as somebody looks ------------------------- */

int logs_new(struct logs **ret);
void logs_free(struct logs *logs);
/* A reference to the text of an events file, made when it is new. 0, -ENOENT, -ENOMEM. */
int logs_get(struct fs *fs, struct node_id id, struct log **ret);
void logs_put(struct fs *fs, struct log *log);
struct follow *log_text(const struct log *log);
/* Is the file open (besides `log` itself being looked at)? */
bool logs_is_open(struct fs *fs, uint64_t ino);
void logs_opened(struct fs *fs, struct log *log);
void logs_closed(struct fs *fs, struct log *log); /* drops the reference as well */

/* --- attr.c ---------------------------------------------------------------------------- */

enum look { LOOK_NAME, LOOK_STAT }; /* a lookup on the way to something, or a stat */

/* Fills attributes; renders what must be rendered to know a size. 0 or -errno. */
int fs_attr(struct fs *fs, struct node_id id, enum look look, struct stat *ret);
double fs_entry_timeout(const struct fs *fs, struct node_id id);
double fs_attr_timeout(const struct fs *fs, struct node_id id);
/* A snapshot of a text file, at most a moment old; a reference. */
int fs_snapshot(struct fs *fs, struct node_id id, struct snap **ret);

/* --- handle.c: open, read, release of everything but folders ---------------------------- */

int handle_open(struct fs *fs, struct node_id id, struct fuse_file_info *fi);
int handle_read(struct fs *fs, struct handle *h, uint64_t off, size_t size, struct buf *out);
int handle_write(struct fs *fs, struct handle *h, const char *data, size_t size);
void handle_get(struct handle *h);
void handle_put(struct fs *fs, struct handle *h); /* the last one closes it */
struct handle *handle_new(struct fs *fs, struct node_id id);

/* --- pipe.c: readers that wait ---------------------------------------------------------- */

int pipes_new(struct fs *fs, struct pipes **ret);
void pipes_free(struct pipes *p);
/* events_pipe, or an entry of wait/. */
int pipe_open(struct pipes *p, struct node_id id, struct pipe_reader **ret);
void pipe_close(struct pipes *p, struct pipe_reader *r);
/* Answers the request now or later. */
void pipe_read(struct pipes *p, struct pipe_reader *r, fuse_req_t req, size_t size, bool nonblock);
void pipe_poll(struct pipes *p, struct pipe_reader *r, fuse_req_t req, struct fuse_pollhandle *ph);
/* Answers whoever waits with the end of the file; from now on every read is answered so. */
void pipes_end(struct pipes *p);
/* Is one open? */
bool pipes_open(struct pipes *p);

/* --- ops.c, mount.c, may_mount.c
 * -------------------------------------------------------------------- */

extern const struct fuse_lowlevel_ops fs_ops;
/* The one place errors leave by: ENOSYS would switch an operation off for good. */
void fs_reply_err(fuse_req_t req, int err);
/* May this user mount on that folder, as fusermount3 has it? 0 or -errno. */
int mount_check_ours(const char *path);
/* Makes the mount point usable or says why not; see fs_mount(). */
int mount_check(const char *path, bool nonempty);
/* After the end: is a mount of ours, which nobody serves, still there? */
bool mount_is_left(const char *path);
/* One of ours is mounted there, and something else over it. */
bool mount_is_under(const char *path);

#endif
