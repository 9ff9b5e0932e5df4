/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads what runtime_seen.h describes, without stopping the process. Any thread. */
#ifndef XGOTOPFS_MEMORY_RUNTIME_READ_H
#define XGOTOPFS_MEMORY_RUNTIME_READ_H

#include "core/memory/runtime_seen.h"
#include "core/target/runtime_at.h"

/* `at` as from runtime_find(), `bias` as from target_load_bias(). -ENOSYS (nothing of it is known
 * in this release), -ESRCH, -EPERM, -EFAULT, -ENOMEM. */
int memory_runtime(const struct target *t, const struct runtime_at *at, pid_t pid, uint64_t bias,
		   struct runtime_seen **ret);

#endif
