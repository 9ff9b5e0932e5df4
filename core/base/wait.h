/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Waits that end: for a thread, and for a child that was killed. Any thread.
 */
#ifndef XGOTOPFS_BASE_WAIT_H
#define XGOTOPFS_BASE_WAIT_H

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

/* pthread_join() until a monotonic time. 0, or -ETIMEDOUT: it still runs, and what it uses must
 * stay. */
int thread_join_until(pthread_t thread, uint64_t until_ns);

/* Reaps a child of ours that ends by itself, or kills it after that time. 0 and how it ended, as of
 * waitpid(2); -ETIMEDOUT: it was killed; -ECHILD. */
int child_wait(pid_t pid, uint64_t patience_ns, int *ret_status);

/*
 * Kills a child of ours and reaps it; *ret_status (may be NULL) as of waitpid(2). 0, or -ETIMEDOUT
 * after 5 s: the kernel does not let it end, or a debugger holds it; -ECHILD: it is none of ours.
 */
int child_kill(pid_t pid, int *ret_status);

#endif
