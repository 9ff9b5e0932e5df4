/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How many files may be open, and how large a stack may be: looked after before anything begins. */
#ifndef XGOTOPFS_APP_LIMITS_H
#define XGOTOPFS_APP_LIMITS_H

#include <sys/resource.h>

struct limits {
	struct rlimit files, stack;
};

/*
 * Raises the soft limit on open files to the hard one, as Go programs do themselves, and a limit on
 * stacks that is too low for ours to what they take, also of threads that libraries start; ret_old
 * is what they were. -EMFILE or -ENOMEM with one line said when not even that is to be had.
 */
int limits_prepare(struct limits *ret_old);
/* For programs that are started, between fork() and exec(). */
void limits_restore(const struct limits *old);

#endif
