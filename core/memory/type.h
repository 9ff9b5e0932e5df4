/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A type that the program made at run time, by reflect: read from its memory. Any thread. */
#ifndef XGOTOPFS_MEMORY_TYPE_H
#define XGOTOPFS_MEMORY_TYPE_H

#include "core/target/target.h"

/* The type at a runtime address, one of the binary's own or not. -ENOENT (makes no sense), -ESRCH,
 * -EPERM, -EFAULT, -ENOMEM. */
int memory_type(const struct target *t, pid_t pid, uint64_t addr, struct target_type *ret);

#endif
