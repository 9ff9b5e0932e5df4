/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests that may take long: served by a helper thread, and answered exactly once, by whoever is
 * first: the helper, the reader's signal (EINTR, when it has waited for a moment), or our end.
 * Made, started and looked after on the thread of fs_run().
 */
#ifndef XGOTOPFS_FS_REQUEST_H
#define XGOTOPFS_FS_REQUEST_H

#include "fs/fs_internal.h"

enum request_kind {
	REQUEST_LOOKUP,
	REQUEST_GETATTR,
	REQUEST_OPEN,
	REQUEST_READ,
	REQUEST_WRITE,
	REQUEST_OPENDIR,
	REQUEST_READDIR,
	REQUEST_FIND, /* a lookup from its name on */
	/* In sessions/ and below, where they ask the disk: */
	REQUEST_UNLINK,
	REQUEST_RMDIR,
	REQUEST_MKDIR, /* in snapshots/: renders what it shall show */
};

struct request {
	struct fs *fs;
	fuse_req_t req;
	enum request_kind kind;
	struct node_id id;        /* FIND, UNLINK, RMDIR, MKDIR: the folder at first */
	char *text;               /* a name, or what is written; owned */
	struct fuse_file_info fi; /* of what is open */
	uint64_t off;
	size_t size;
	bool plus; /* READDIR */
	/* What the answer holds. */
	struct fuse_entry_param entry; /* LOOKUP, FIND, MKDIR; GETATTR: attr */
	struct buf out;                /* READ, READDIR */
	/* While a helper has it: in fs->requests, protected by fs->requests_lock. */
	struct request *next, *prev;
	uint64_t signalled_ns; /* its reader got a signal then; 0: none */
	bool answered;
};

static inline struct handle *handle_of(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

/* Serves it here or hands it to a helper. Takes r->text. */
void request_start(const struct request *r);

/* Answers those with EINTR whose reader got a signal and has waited for a moment. How long until
 * that is to be called again, in ms; -1: not before the next request. */
int requests_interrupt(struct fs *fs);
/* Answers all that nobody has begun, or will come to an end with, with ENOTCONN. */
void requests_end(struct fs *fs);

/* ops.c: fills a listing of an open folder. */
int read_folder(const struct request *r, struct handle *h, struct buf *out);

#endif
