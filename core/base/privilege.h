/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Capabilities, which on Linux each thread and each process has for itself: what is in force, and
 * giving up for ever what is not needed any more. A new thread or process has what its maker had.
 */
#ifndef XGOTOPFS_BASE_PRIVILEGE_H
#define XGOTOPFS_BASE_PRIVILEGE_H

#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>

/* CAP_BIT(CAP_BPF) | CAP_BIT(CAP_PERFMON), say: a set of them. */
#define CAP_BIT(cap) (UINT64_C(1) << (cap))

/* Is it in force in this thread? */
bool privilege_have(int cap);
/* Are any of them? */
bool privilege_have_any(void);

/*
 * From now on this thread has at most the capabilities `keep` of those it has, and nothing it
 * executes gets more (no_new_privs: a setuid program runs without its bit). 0 or -errno.
 */
int privilege_keep(uint64_t keep);

/*
 * The same for a process that is to be forked from one with threads, where only system calls are
 * safe: what is prepared here, before the fork, privilege_drop() applies in the child.
 */
void privilege_prepare(uint64_t keep);
int privilege_drop(void);

/*
 * No core dump, no debugger and no /proc/PID/{mem,environ,…} of this process but for who has
 * CAP_SYS_PTRACE. In a build with the address sanitizer it does nothing: its leak checker attaches
 * to us.
 */
void privilege_hide_memory(void);

#endif
