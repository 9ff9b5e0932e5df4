/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The events file of a session being written, either format. Append-only: a record is written with
 * one write(2), and when that fails half-way the file is cut back to the last whole record.
 * One thread uses a writer.
 *
 * The file is locked (flock) while it is written, so that nobody deletes or rotates away a session
 * that runs, and a killed recorder leaves no stale lock.
 */
#ifndef XGOTOPFS_SESSION_WRITER_H
#define XGOTOPFS_SESSION_WRITER_H

#include "core/session/encoder.h"
#include "core/session/meta.h"

struct writer;

/* Creates the events file (0600; -EEXIST when there is one) in dir_fd (not kept). model (may
 * be NULL) gives lines of JSONL their pid: with `many` all, for when there may be several
 * processes, else those of any but the first. */
int writer_new(int dir_fd, enum session_format format, const struct names *names,
	       struct model *model, bool many, struct writer **ret);
/* Closes; `sync`: after everything is on the disk. 0 or -errno of the sync. NULL is fine. */
int writer_close(struct writer *w, bool sync);

/* The protobuf encoder, for processes and snapshots of the next batch; NULL for JSONL. */
struct encoder *writer_encoder(struct writer *w);

/* As encoder_batch(). Writes at once. 0, or -errno and then nothing of it was written. */
int writer_batch(struct writer *w, const struct event *events, size_t n,
		 uint64_t by_type[EVENT_TYPES]);
/* Is what was written still there, as far as the file's size and links tell? 0, -ENOENT (it was
 * deleted), -ESTALE (cut off, or grown by somebody else). Each batch looks, too. */
int writer_check(struct writer *w);
const char *writer_strerror(int err);         /* of a writer's error, in words */
uint64_t writer_size(const struct writer *w); /* bytes written */

#endif
