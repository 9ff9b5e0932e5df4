/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A session as one file: a tar (POSIX ustar) of its metadata.json and events.pb and nothing else,
 * so that tar(1) makes a session's folder of it. What is read is hostile: a member of another name
 * or kind, a wrong checksum, or one that is longer than the file is refused. Any thread.
 */
#ifndef XGOTOPFS_SESSION_ARCHIVE_H
#define XGOTOPFS_SESSION_ARCHIVE_H

#include "core/base/buf.h"
#include "core/session/meta.h"

#define ARCHIVE_BYTES_MAX (1ull << 30)

/* Appends the whole archive. 0 or -ENOMEM. */
int archive_write(const struct session_meta *meta, const struct buf *events, struct buf *out);

struct archive {
	uint64_t meta_at, meta_size, events_at, events_size; /* in the file; both are there */
};

/* Is it one? -EBADMSG with one line of reason in `why`, -EFBIG, or -errno of reading. */
int archive_check(int fd, struct archive *ret, char *why, size_t size);
/* Its metadata.json, or its events, as a file of its own in memory, which the caller closes. The
 * same errors, and -ENOTDIR when `fd` is no regular file. */
int archive_open(int fd, bool events);

#endif
