/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared by the files of confine.h; nobody else includes it. */
#ifndef XGOTOPFS_BASE_CONFINE_INTERNAL_H
#define XGOTOPFS_BASE_CONFINE_INTERNAL_H

#include <linux/filter.h>
#include <stdbool.h>

#include "core/base/confine.h"

/*
 * The list of system calls, compiled. What is not on it: `tell` asks the listener that seccomp(2)
 * returns, otherwise EPERM. `writes`: opening for writing and removing are on it. The caller frees
 * ret->filter. 0 or -errno.
 */
int confine_filter(bool tell, bool writes, struct sock_fprog *ret);

/* Landlock's version here; 0: none. */
int confine_landlock_abi(void);
/* A descriptor for landlock_restrict_self(2), or -errno; -ENOSYS: no Landlock. */
int confine_ruleset(const struct confine_config *config);

#endif
