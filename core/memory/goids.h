/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How many numbers the runtime of a live process has given to goroutines, read without stopping it.
 * Any thread. */
#ifndef XGOTOPFS_MEMORY_GOIDS_H
#define XGOTOPFS_MEMORY_GOIDS_H

#include "core/target/target.h"

/* To goroutines and to those of C threads (oneNewExtraM) together. */
struct goids {
	uint64_t least; /* so many at the end of the reading, or more */
	uint64_t most;  /* so many at its begin, or fewer */
};

/* 0, -ENOSYS (not found in this binary), -EFAULT (it does not look like that), -ESRCH, -EPERM,
 * -ENOMEM. */
int memory_goids(const struct target *t, pid_t pid, uint64_t bias, struct goids *ret);

#endif
