/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The mounted tree: the model as files (fs/node.c has a row for each). Low-level libfuse, one
 * thread that serves requests, helpers for what may take long. Nothing outside this folder sees
 * libfuse.
 *
 * Life: fs_new, fs_mount, fs_run (returns after fs_stop or an unmount from outside), fs_free.
 * Signals belong to the caller: nothing here installs a handler, and threads made here block all.
 */
#ifndef XGOTOPFS_FS_FS_H
#define XGOTOPFS_FS_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/view/view.h"

struct confine;
struct fs;

/*
 * Recorded sessions, for sessions/<id>/. Filled by the composition root so that fs does not know
 * how they are stored. Called from a helper thread and may read a disk. `file` is a file's name:
 * metadata.json, events.jsonl, events.pb. 0 or -errno.
 */
struct fs_sessions {
	void *ctx;
	/* Calls each(arg, id) for every session; ids hold no '/'. */
	int (*list)(void *ctx, void (*each)(void *arg, const char *id), void *arg);
	/* Size in bytes and time of the last change; -ENOENT. file NULL: the folder. Unless it is
	 * to be measured, a size that would take long to know may be any that is large enough. */
	int (*stat)(void *ctx, const char *id, const char *file, bool measured, uint64_t *ret_size,
		    uint64_t *ret_mtime_ns);
	int (*open)(void *ctx, const char *id, const char *file, void **ret_handle);
	/* Appends up to `size` bytes from `offset` on to `out`; nothing at the end. */
	int (*read)(void *ctx, void *handle, uint64_t offset, size_t size, struct buf *out);
	void (*close)(void *ctx, void *handle);
	/* What rm -r does: a file, the folder when it has no more. NULL: -EPERM. */
	int (*unlink)(void *ctx, const char *id, const char *file);
	int (*rmdir)(void *ctx, const char *id);
};

struct fs_config {
	const char *mountpoint;
	const char *options;     /* as after -o, may be NULL. Also: nonempty, noauto_unmount */
	const struct view *view; /* borrowed; outlives fs, with its control and live */
	const struct fs_sessions *sessions; /* NULL: no sessions folder */
	/* More processes may come: event lines at the root carry pid=, and events_pipe does not
	 * end with one of them. */
	bool many;
	struct confine *
		confine; /* what its threads enter, that of fs_run() too; borrowed. NULL: nothing */
};

int fs_new(const struct fs_config *config, struct fs **ret);
/* Unmounts when mounted; NULL is fine. -EBUSY: it could not be unmounted, which is logged, but all
 * is freed. -ETIMEDOUT: a thread of it is stuck, on a disk or in the target, and what it uses must
 * not be freed, by nobody. */
int fs_free(struct fs *fs);

/*
 * Mounts; each failure is logged in one line. A stale mount of ours left by a crash is removed
 * first. -ENOENT no such folder, -ENOTDIR, -ENOTEMPTY, -EBUSY something else is mounted there,
 * -ENODEV no /dev/fuse, -EACCES or -EPERM not allowed, -EINVAL bad options, -EIO refused.
 */
int fs_mount(struct fs *fs);

/* Serves until fs_stop() or until somebody unmounts; then answers what is parked and unmounts.
 * 0 or -errno. */
int fs_run(struct fs *fs);

/* A mount outlives us as long as one thread of ours is in the kernel, for a disk that does not
 * answer, say. Sent this byte, the descriptor, the caller's to close, has it unmounted at once, for
 * who ends and cannot wait. As long as fs_run() has not returned. -1: it cannot be had. */
int fs_unmount_line(const struct fs *fs, char *ret_word);

/* Makes fs_run() return. Any thread, any signal handler. */
void fs_stop(struct fs *fs);

/*
 * Can this user mount with FUSE on this machine at all? 0, or what is missing as one line in `why`:
 * -ENODEV (no /dev/fuse), -EACCES (not open to us), -EPERM (no fusermount3 that may).
 */
int fs_may_mount(char *why, size_t size);

#endif
