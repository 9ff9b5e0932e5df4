/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An empty BPF program at a site: what a hit costs before anybody does anything with it. For
 * calibration, for checking what the kernel can do, and for the benchmark. Any thread.
 */
#ifndef XGOTOPFS_CAPTURE_EMPTY_H
#define XGOTOPFS_CAPTURE_EMPTY_H

#include <stdint.h>
#include <sys/types.h>

/* Loads the program that does nothing: a file descriptor, or -errno. With `opts` (may be NULL) that
 * the kernel may not know, a way to ask it. */
struct bpf_prog_load_opts;
int empty_program_load(const struct bpf_prog_load_opts *opts);

/* Attaches to a file offset of the binary, in process `pid` (-1: in all). 0 and a file descriptor
 * that detaches when closed, or -errno; nothing is logged. */
int empty_probe_attach(const char *path, uint64_t file_offset, pid_t pid, int *ret_fd);

#endif
