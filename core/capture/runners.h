/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Follows the processes that execute a file, where no lease keeps writers off it (guard.h): NFS,
 * FUSE, overlayfs. There, a process that executes the file is what keeps writers off (ETXTBSY), so
 * each process has probes of its own, put in after the file was looked at while it ran, and nothing
 * is in the file for those that come later.
 *
 * A new process is noticed by fanotify(7) FAN_OPEN_EXEC, milliseconds after it began; where that is
 * not to be had, by looking at /proc several times a second. runners_look() is for before
 * runners_start(), the rest happens on a thread of its own.
 */
#ifndef XGOTOPFS_CAPTURE_RUNNERS_H
#define XGOTOPFS_CAPTURE_RUNNERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/target/target.h"

struct runners;

struct runners_ops {
	void *ctx;
	int (*enter)(void *ctx, pid_t pid);  /* it executes the file. -errno: not now */
	void (*leave)(void *ctx, pid_t pid); /* it has ended, or executes another file */
	/* It has executed the file anew, and has to be entered again. */
	bool (*left)(void *ctx, pid_t pid);
};

/* `fd` is the file, read into `target`, both borrowed; pid 0: every process that executes it. 0 or
 * -errno. */
int runners_new(int fd, const struct target *target, pid_t pid, const struct runners_ops *ops,
		struct runners **ret);
/* Ends the thread; NULL is fine. Tells of no one leaving. */
void runners_free(struct runners *r);

/* Enters who is there already. */
void runners_look(struct runners *r);
int runners_start(struct runners *r);

#endif
