/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sessions of a storage folder: list, find, open, delete, rotate. Knows files only; what is in
 * them is reader.h's. Ids are checked before they touch a path, and each call walks the storage
 * folder's path once and goes on by descriptors, without following links (core/base/safe_file.h):
 * no request leaves the storage folder, even if others may write it. Any thread; nothing is cached.
 */
#ifndef XGOTOPFS_SESSION_STORE_H
#define XGOTOPFS_SESSION_STORE_H

#include "core/base/buf.h"
#include "core/session/meta.h"

struct store;

int store_new(const char *storage_dir, struct store **ret); /* need not exist (yet) */
void store_free(struct store *s);
/* Finds the folder now, if it is there, and does not look for it again: for threads that later may
 * not walk to it (core/base/confine.h). */
void store_hold(struct store *s);
const char *store_dir(const struct store *s);

enum session_state {
	SESSION_RUNNING, /* somebody holds its lock */
	SESSION_DONE,
	SESSION_CUT_OFF, /* no end_time, nobody writes it: killed, or its machine went down */
	SESSION_STOPPED, /* ended early: a write failed */
};

/* "running", "done", "cut off", "stopped". */
const char *session_state_name(enum session_state state);

struct session_info {
	struct session_meta meta; /* zero but for the id when metadata.json is gone or no JSON */
	enum session_state state;
	bool has_events;
	enum session_format format;
	char problem[120];     /* what is odd about its files, as one line; "" nothing */
	uint64_t bytes;        /* of all its files */
	uint64_t events_bytes; /* of the events file */
	int64_t changed_ns; /* mtime of the events file (of the folder without one), CLOCK_REALTIME
			     */
};

/* All sessions, oldest start first. The caller frees *ret. A missing folder has none. */
int store_list(struct store *s, struct session_info **ret, size_t *ret_n);
/* -EINVAL (no id), -ENOENT. */
int store_get(struct store *s, const char *id, struct session_info *ret);
/* How a session's files lie there now: two that are the same say that nothing was written between.
 */
struct session_stamp {
	struct session_file_stamp {
		uint64_t inode, bytes; /* 0: there is none */
		int64_t changed_ns;    /* CLOCK_REALTIME */
	} events, meta;
};
/* -EINVAL (no id), -ENOENT (no such session). */
int store_stamp(struct store *s, const char *id, struct session_stamp *ret);
/* A folder descriptor for session_reader_open(), which the caller closes; or -EINVAL, -ENOENT. */
int store_open(struct store *s, const char *id);

/* For the recorder: makes the storage folder if need be; makes a session's in it and returns its
 * descriptor. */
int store_make(struct store *s);
int store_create(struct store *s, const char *id);

/* Deletes a session. -EBUSY while it runs, -ENOTEMPTY (and nothing is touched) when other things
 * than a session's files are in the folder. */
int store_delete(struct store *s, const char *id);
/* Deletes one of its files, for `rm -r`: "events.jsonl" of a protobuf session is a view, and
 * deleting it does nothing. -EBUSY while it runs, -ENOENT. */
int store_delete_file(struct store *s, const char *id, const char *name);

/*
 * Deletes finished sessions, the oldest first, until all together have at most max_size bytes (0:
 * no bound), and those that ended max_age_ns ago (0: no bound). Never a running one. Returns how
 * many, or -errno.
 */
int store_rotate(struct store *s, uint64_t max_size, uint64_t max_age_ns);

/* The table of -sessions: a header line, one line a session, columns aligned. Problems are logged.
 * 0 or -errno. */
int store_table(struct store *s, struct buf *out);

/* Opens what -replay and -convert name: an id in the storage folder, or a session's folder
 * or archive anywhere. Returns the descriptor of that or -errno (-ENOENT: none of these; one line
 * was logged). */
int session_resolve(const char *storage_dir, const char *id_or_folder);

#endif
