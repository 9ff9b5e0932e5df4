/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records a session: a thread of its own reads the feed with its own cursor and appends batches to
 * the session's file. Capture never waits for it: what it could not keep up with is counted, in the
 * recording (a gap) and in metadata.json.
 *
 * A full disk, or any failing write, ends the recording with one message; the session stays
 * readable up to its last whole batch, its metadata.json says so as soon as it can be written, and
 * recorder_recording() tells the views.
 *
 * On the disk: killing xgotopfs loses the batch not yet flushed (at most flush_interval_ns of
 * events); what was flushed is the kernel's. It is synced to the disk when a session ends, not
 * before: a power cut may lose what the kernel had not written back yet (some 30 s), and then the
 * file ends in whole batches or one torn one.
 *
 * Use by the composition root: recorder_new() once the model exists and before capture starts;
 * recorder_stats() each second; recorder_stop() after the last event was applied;
 * recorder_free().
 */
#ifndef XGOTOPFS_SESSION_RECORDER_H
#define XGOTOPFS_SESSION_RECORDER_H

#include "core/model/model.h"
#include "core/session/meta.h"

struct recorder;

struct recorder_config {
	const char *storage_dir; /* created (0700) when it is not there */
	enum session_format format;
	size_t batch_size;          /* events, 1 … ENCODER_BATCH_MAX */
	uint64_t flush_interval_ns; /* a batch is written this long after its first event at latest
				     */
	uint64_t max_size;          /* -storage-max-size: bytes of all sessions; 0 no bound */
	uint64_t max_age_ns;        /* -storage-max-age; 0 no bound */
	struct model *model;        /* borrowed */
	const char *version;        /* of xgotopfs */
	/* What is known before the first process is in the model; pid 0: a binary is watched. */
	pid_t pid;
	const char *binary_path; /* may be NULL */
	/* What metadata.json keeps of the source; any thread. NULL: nothing. */
	void (*noted)(void *ctx, struct recording_noted *ret);
	void *noted_ctx;
};

/*
 * Makes the first session's folder and starts the thread. With max_size or max_age_ns, finished
 * sessions are rotated away, the oldest first, and the running one is ended and gone on with in a
 * new one when it has half of either for itself, so that the newest data always stays.
 * -EINVAL, or -errno of making the folder.
 */
int recorder_new(const struct recorder_config *config, struct recorder **ret);
/*
 * Records what is in the feed still, ends the session and the thread. 0, or -ETIMEDOUT, logged: the
 * disk has not answered for 10 s; the thread is left to itself, and all that it uses must stay.
 */
int recorder_stop(struct recorder *r);
void recorder_free(struct recorder *r); /* stops first when need be; NULL is fine */

/* The running session's id (the last one's after the stop). Any thread. */
void recorder_id(struct recorder *r, char ret[SESSION_ID_LEN + 1]);

struct recorder_stats {
	uint64_t events, batches, bytes;
	uint64_t missed;            /* could not keep up with the feed */
	uint64_t not_recorded;      /* came after the recording had to stop */
	uint64_t nameless;          /* names that found no room in the session's table */
	uint64_t flush_ns, wait_ns; /* sums over batches: encoding and writing; due until begun */
	int error;                  /* 0, or the -errno that ended the recording */
};

void recorder_stats(struct recorder *r, struct recorder_stats *ret);
/* How the recording is, over all its sessions; the id is recorder_id()'s. Any thread, also after
 * the stop. */
void recorder_recording(struct recorder *r, struct recording *ret);

#endif
