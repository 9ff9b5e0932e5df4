/*
 * Capabilities of the calling thread (on Linux each thread has its own) and what goes with them.
 */
#ifndef XGOTOPFS_BASE_PRIVILEGE_H
#define XGOTOPFS_BASE_PRIVILEGE_H

#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>

/* CAP_BPF and CAP_PERFMON, say, as one set. */
#define CAP_BIT(cap) (UINT64_C(1) << (cap))

/* Is it in force in this thread? */
bool privilege_have(int cap);

#endif
