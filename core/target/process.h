/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Is there such a process, and is it one that could be a Go program? Asked before anything opens.
 */
#ifndef XGOTOPFS_TARGET_PROCESS_H
#define XGOTOPFS_TARGET_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * 0 when pid is a live user-space process whose executable we may open. One line is logged
 * otherwise: -ESRCH (none, a thread's id, a zombie), -ENOEXEC (a kernel thread, or its main
 * thread has ended), -EACCES.
 */
int process_check(pid_t pid);

/* Has its main thread ended while others go on (pthread_exit() in main)? By the process's number
 * nothing of it is to be had then: no executable, no mappings, no memory. Looks for a second where
 * it seems so, since a process that exits is like that for a moment. */
bool process_lost_main_thread(pid_t pid);

/* Calls `fn` with every process there is until it returns true. Whether it did, or -errno. */
typedef bool process_fn(void *ctx, pid_t pid);
int process_each(process_fn *fn, void *ctx);

/* How many ns its CLOCK_MONOTONIC is ahead of ours: a container may have a clock of its own
 * (time_namespaces(7)). 0 when it has not. */
int64_t process_clock_ahead(pid_t pid);

/*
 * How it ended, as waitpid(2) says, though its parent is another. `pidfd`: of before its end.
 * -EAGAIN: not known, for now or (before Linux 6.15, once its parent was told) for ever.
 */
int process_wait_status(int pidfd, pid_t pid, int *ret);

/* Where its executable is, as the process sees it; "" when that cannot be told. */
void process_binary(pid_t pid, char *ret, size_t size);

#endif
