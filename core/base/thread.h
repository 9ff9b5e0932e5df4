/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Starting a thread, the same way for all rooms. */
#ifndef XGOTOPFS_BASE_THREAD_H
#define XGOTOPFS_BASE_THREAD_H

#include <pthread.h>

/*
 * A thread with all signals blocked: they are the main thread's, which reads them from a
 * descriptor. 0, or -errno with one line said (there are limits that a person can raise).
 */
int thread_start(pthread_t *ret, void *(*fn)(void *arg), void *arg);

#endif
