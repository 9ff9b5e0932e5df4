/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How much memory the control group that we run in leaves: past that the kernel does not refuse, it
 * kills. Stateless; any thread. */
#ifndef XGOTOPFS_APP_MEMORY_ROOM_H
#define XGOTOPFS_APP_MEMORY_ROOM_H

#include <stdint.h>

/*
 * Bytes, of it and of those that it is in, file pages that nobody uses counted as free; UINT64_MAX:
 * no bound, or none that can be read. `cgroup` is /proc/self/cgroup and `mounts` /sys/fs/cgroup,
 * but for tests. Both versions: the kernel's Documentation/admin-guide/cgroup-v2.rst (memory.max,
 * memory.current, memory.stat) and cgroup-v1/memory.rst.
 */
uint64_t memory_room(const char *cgroup, const char *mounts);

#endif
