/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * BPF links that hold many uprobes (Linux 6.6 on; BPF_TRACE_UPROBE_MULTI). A hit costs what it
 * costs with a perf event; detaching is what they are for: one grace period a link instead of one a
 * probe under a global lock (measured on 6.18: 9 probes in 60 ms instead of 960 ms). libbpf knows
 * them from 1.3 on; this works with any.
 */
#ifndef XGOTOPFS_CAPTURE_UPROBE_MULTI_H
#define XGOTOPFS_CAPTURE_UPROBE_MULTI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* enum bpf_attach_type's BPF_TRACE_UPROBE_MULTI: programs must be loaded for it. */
#define UPROBE_MULTI_ATTACH_TYPE 48

/* Whether this kernel has them, with a pid that means the process. In 6.6 to 6.9 it meant one
 * thread
 * ("bpf: Fix multi-uprobe PID filtering logic", 6.10). */
bool uprobe_multi_works(void);

/* pid 0: all processes. 0 and the link's file descriptor, or -errno. */
int uprobe_multi_attach(int prog_fd, const char *path, pid_t pid, const uint64_t *offsets,
			const uint64_t *cookies, size_t n, int *ret_fd);

#endif
