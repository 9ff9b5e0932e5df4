/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Recorded sessions as files, for sessions/<id>/ in the mounted tree: metadata.json, events.jsonl
 * (whatever the storage format: a protobuf session is rendered while it is read) and events.pb
 * where there is one. The functions are those of fs_sessions (fs/fs.h); ctx is a struct
 * session_files, file a file's name. Any thread; a handle is used by one at a time. They read the
 * disk and may take long: the size of a protobuf session's events.jsonl is only known after
 * rendering it once. Then it is kept, and while the session runs only what is new is rendered.
 */
#ifndef XGOTOPFS_SESSION_FILES_H
#define XGOTOPFS_SESSION_FILES_H

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/session/store.h"

struct session_files;

int session_files_new(struct store *store, struct session_files **ret); /* store is borrowed */
void session_files_free(struct session_files *v);

/* Calls each(arg, id) for every session, the oldest first. 0 or -errno. */
int session_files_list(void *ctx, void (*each)(void *arg, const char *id), void *arg);
/*
 * file NULL: the session's folder. measured false: never takes long, and a size that is not known
 * yet is one that is large enough. -ENOENT: no such session, or it has no such file.
 */
int session_files_stat(void *ctx, const char *id, const char *file, bool measured,
		       uint64_t *ret_size, uint64_t *ret_mtime_ns);
int session_files_open(void *ctx, const char *id, const char *file, void **ret_handle);
/* Appends up to `size` bytes from `offset` on to `out`; nothing at the end. Bounded memory however
 * long the session; reading on from where the last read ended is the fast way. 0 or -errno. */
int session_files_read(void *ctx, void *handle, uint64_t offset, size_t size, struct buf *out);
void session_files_close(void *ctx, void *handle);
/*
 * For rm -r: one file, then the folder. -EBUSY while the session runs, -ENOTEMPTY while there are
 * files. Deleting a rendered events.jsonl does nothing: it goes with its events.pb.
 */
int session_files_unlink(void *ctx, const char *id, const char *file);
int session_files_rmdir(void *ctx, const char *id);

#endif
