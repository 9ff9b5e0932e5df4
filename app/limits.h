/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How many files may be open: looked after before anything is opened. */
#ifndef XGOTOPFS_APP_LIMITS_H
#define XGOTOPFS_APP_LIMITS_H

#include <sys/resource.h>

/*
 * Raises the soft limit on open files to the hard one, as Go programs do themselves; ret_old is
 * what it was, for programs that are started. -EMFILE with one line said when even the hard one is
 * too low for anything to work.
 */
int limits_prepare(struct rlimit *ret_old);

#endif
