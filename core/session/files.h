/*
 * Recorded sessions as files, for sessions/<id>/ in the mounted tree: metadata.json, events.jsonl
 * (whatever the storage format: a protobuf session is rendered while it is read) and events.pb
 * where there is one. The functions have the shape of fs_sessions (fs/fs.h); ctx is a struct
 * session_files. Any thread; a handle is used by one at a time. They read the disk and may take
 * long: the size of a large protobuf session's events.jsonl is only known after rendering it once
 * (then it is kept).
 */
#ifndef XGOTOPFS_SESSION_FILES_H
#define XGOTOPFS_SESSION_FILES_H

#include "core/base/buf.h"
#include "core/session/store.h"

enum session_file { SESSION_FILE_METADATA, SESSION_FILE_JSONL, SESSION_FILE_PB };

struct session_files;

int session_files_new(struct store *store, struct session_files **ret); /* store is borrowed */
void session_files_free(struct session_files *v);

/* Calls each(arg, id) for every session, the oldest first. 0 or -errno. */
int session_files_list(void *ctx, void (*each)(void *arg, const char *id), void *arg);
/* -ENOENT: no such session, or it has no such file. */
int session_files_stat(void *ctx, const char *id, enum session_file file, uint64_t *ret_size,
		       uint64_t *ret_mtime_ns);
int session_files_open(void *ctx, const char *id, enum session_file file, void **ret_handle);
/* Appends up to `size` bytes from `offset` on to `out`; nothing at the end. Bounded memory however
 * long the session; reading on from where the last read ended is the fast way. 0 or -errno. */
int session_files_read(void *ctx, void *handle, uint64_t offset, size_t size, struct buf *out);
void session_files_close(void *ctx, void *handle);
/* For rm -r: one file, the folder. -EBUSY while the session runs. */
int session_files_unlink(void *ctx, const char *id, enum session_file file);
int session_files_rmdir(void *ctx, const char *id);

#endif
