/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What another process takes. */
#ifndef XGOTOPFS_BASE_CPU_TIME_H
#define XGOTOPFS_BASE_CPU_TIME_H

#include <sys/types.h>

#include "core/base/util.h"

/* CPU time of all threads of a process that runs, in ns; 0: not known. */
static inline uint64_t process_cpu_ns(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* For how long all of its threads that live could run and had no CPU of the machine, in ns;
 * UINT64_MAX: not known (a kernel without it, very many threads). */
uint64_t process_cpu_wait_ns(pid_t pid);

/* How many descriptors it has open, and how many it may have (RLIMIT_NOFILE, the soft one). False:
 * nobody can say. */
bool process_files(pid_t pid, uint64_t *ret_open, uint64_t *ret_most);

/* Is it stopped, by a signal, a debugger or the freezer of its cgroup? False also where nobody can
 * say. */
bool process_stopped(pid_t pid);

#endif
