/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The processes that run the binary: found at the start (-pid: one, -b: all there are), seen for
 * the first time in a record or executing it, gone when their pidfd says so or when they execute
 * something else. A process that executes the binary anew is another one. Owns the pidfds. Not
 * thread-safe: the pump's, and before it runs the thread's that attaches.
 */
#ifndef XGOTOPFS_CAPTURE_PROCS_H
#define XGOTOPFS_CAPTURE_PROCS_H

#include "core/capture/capture.h"
#include "core/capture/decode.h"

struct procs;

/* Is what runs the binary just now the program that was decoded? */
enum procs_file {
	PROCS_AS_READ,
	PROCS_UNKNOWN,  /* soon it is: somebody has it open for writing, or had a moment ago */
	PROCS_NOT_HELD, /* nobody will know: a process that comes is told of by its first record */
	PROCS_ANOTHER,  /* who runs it is another capture's */
};
typedef enum procs_file procs_file_fn(struct capture *c);

/* All are borrowed; `file` is asked of `capture` (NULL: it stays as it was read), `one`:
 * only one process is asked for. 0 or -errno. */
int procs_new(const struct target *target, struct capture *capture, procs_file_fn *file, bool one,
	      const struct capture_sink *sink, struct procs **ret);
void procs_free(struct procs *p);
/* Who else hears of each that is followed, at its address minus its static address, and when it is
 * no longer. Before any is known. */
struct procs_watcher {
	void *ctx;
	void (*came)(void *ctx, pid_t pid, uint64_t bias);
	void (*left)(void *ctx, pid_t pid);
};
void procs_watch(struct procs *p, const struct procs_watcher *watcher);

/* Tells the sink of process `pid`. 0; -ESRCH when it is gone; what the sink answered when it does
 * not want it. Already known: 0. */
int procs_add(struct procs *p, pid_t pid, uint64_t time_ns);
/* Does the process run the binary now? Any thread. */
bool procs_runs(const struct procs *p, pid_t pid);
/* procs_add() for every process whose executable is the binary, as soon as it is known what that
 * is. */
int procs_scan(struct procs *p, uint64_t time_ns);

/* A process executed something at that time, the binary or not: all before it was delivered. */
void procs_executed(struct procs *p, pid_t pid, uint64_t time_ns, bool by_leader);
/* Of all execs that were told: who runs the binary now? Once no record waits that could be of an
 * older program of theirs. Those of while the file was written to are told of once it is known what
 * it is: from then on, since they began without probes. */
void procs_settle(struct procs *p);
/* Execs went unnoticed: some process may run another program than is known. */
void procs_doubt(struct procs *p);
/* Has any thread of the process but the first one executed something, since this was asked last?
 * Then what is attached to the process alone is not attached to what it is now. Any thread. */
bool procs_left_behind(struct procs *p, pid_t pid);

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
