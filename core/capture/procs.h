/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The processes that run the binary: found at the start (-pid: one, -b: all there are), seen for
 * the first time in a record, gone when their pidfd says so. Owns the pidfds. Not thread-safe: the
 * pump's, and before it runs the thread's that attaches.
 */
#ifndef XGOTOPFS_CAPTURE_PROCS_H
#define XGOTOPFS_CAPTURE_PROCS_H

#include "core/capture/capture.h"
#include "core/capture/decode.h"

struct procs;

/* All are borrowed. 0 or -errno. */
int procs_new(const struct target *target, const struct capture_sink *sink, struct procs **ret);
void procs_free(struct procs *p);

/* Tells the sink of process `pid`. 0; -ESRCH when it is gone; what the sink answered when it does
 * not want it. Already known: 0. */
int procs_add(struct procs *p, pid_t pid, uint64_t time_ns);
/* procs_add() for every process whose executable is the file `dev`:`ino`. */
int procs_scan(struct procs *p, dev_t dev, ino_t ino, uint64_t time_ns);

/* The process of a record of that time; NULL when it is not known, or ignored. Tells nobody. */
const struct decode_process *procs_known(struct procs *p, pid_t pid, uint64_t time_ns);
/* The process of a record of that time, made known to the sink when it is new; NULL: ignore it. */
const struct decode_process *procs_find(struct procs *p, pid_t pid, uint64_t time_ns);

/* Readable when a process ended: call procs_poll() then. */
int procs_fd(const struct procs *p);
/* Notes which processes have ended. */
void procs_poll(struct procs *p);
/* Tells the sink of the ends before `watermark_ns`, up to which all events have been delivered. */
void procs_deliver_exits(struct procs *p, uint64_t watermark_ns);

#endif
