/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Snapshots: the rendered content of a small file. What a stat renders is kept for a moment, so
 * that the open that follows shows the same bytes, and what an open shows stays the file's size
 * for whoever asks while it is open. Thread-safe.
 */
#ifndef XGOTOPFS_FS_SNAP_H
#define XGOTOPFS_FS_SNAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct snap {
	char *data;
	size_t len;
	uint64_t time_ns; /* CLOCK_REALTIME, when it was first rendered as it is */
	uint64_t made_ns; /* CLOCK_MONOTONIC */
	unsigned refs;    /* protected by the lock of struct snaps */
};

struct snaps;

int snaps_new(struct snaps **ret);
void snaps_free(struct snaps *s);

/* A reference to the newest snapshot of a file when it is fresh (100 ms), else NULL. */
struct snap *snaps_fresh(struct snaps *s, uint64_t ino);
/* Takes the bytes over, also when it fails; gives a reference. 0 or -ENOMEM. */
int snaps_add(struct snaps *s, uint64_t ino, char *data, size_t len, struct snap **ret);
struct snap *snaps_ref(struct snaps *s, struct snap *snap); /* one more; returns it */
void snaps_unref(struct snaps *s, struct snap *snap);

/* A handle shows this snapshot from now on / no longer. Takes over / drops the reference. */
void snaps_opened(struct snaps *s, uint64_t ino, struct snap *snap);
void snaps_closed(struct snaps *s, uint64_t ino, struct snap *snap);

/* What was rendered last: size and time. false when that is not known. `open_only`: only when a
 * handle is open, and then of what was opened last. */
bool snaps_last(struct snaps *s, uint64_t ino, bool open_only, size_t *ret_len,
		uint64_t *ret_time_ns);

/* The file's content was changed through it: the next look renders again. */
void snaps_forget(struct snaps *s, uint64_t ino);

#endif
