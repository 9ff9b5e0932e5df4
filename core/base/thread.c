/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Starting a thread: see thread.h. */
#include "core/base/thread.h"

#include <signal.h>
#include <string.h>

#include "core/base/log.h"

int thread_start(pthread_t *ret, void *(*fn)(void *arg), void *arg)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(ret, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		log_error(err,
			  "cannot start a thread: %s (ulimit -u, the pids limit of the cgroup, "
			  "or memory)",
			  strerror(-err));
	return err;
}
