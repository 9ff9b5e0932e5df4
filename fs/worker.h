/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Threads that do what a request handler must not wait for: large renderings, stacks, disk.
 * A job owns its argument and answers its request itself. Any thread may push.
 */
#ifndef XGOTOPFS_FS_WORKER_H
#define XGOTOPFS_FS_WORKER_H

#include <pthread.h>
#include <stdint.h>

struct confine;
struct workers;

int workers_new(unsigned threads, struct confine *confine, struct workers **ret);
/* Runs what is queued, then its threads end: 0, or -ETIMEDOUT when one of them had not by then (a
 * monotonic time): it may never, so what it uses must stay, this too. NULL is fine. */
int workers_stop(struct workers *w, uint64_t until_ns);
void workers_free(struct workers *w); /* after a workers_stop() that gave 0; NULL is fine */

/* fn(arg) will run once, in order of pushing. 0 or -ENOMEM. */
int workers_push(struct workers *w, void (*fn)(void *arg), void *arg);

#endif
