/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One uprobe as a perf event with a BPF link, for kernels without uprobe_multi links (before 6.10).
 * What libbpf does, but in system calls only: the keeper does it, too.
 */
#ifndef XGOTOPFS_CAPTURE_UPROBE_PERF_H
#define XGOTOPFS_CAPTURE_UPROBE_PERF_H

#include <stdint.h>
#include <sys/types.h>

/* The number of the dynamic PMU "uprobe" (Linux 4.17 on). 0 or -errno. */
int uprobe_perf_type(uint32_t *ret);

/* pid 0: all processes. 0 and the link's file descriptor, which holds the event, or -errno. */
int uprobe_perf_attach(uint32_t perf_type, int prog_fd, const char *path, pid_t pid,
		       uint64_t offset, uint64_t cookie, int *ret_fd);

#endif
