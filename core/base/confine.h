/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a thread that serves people can still do: read and write what is open, threads, memory,
 * time, and the files of the storage folder. Entered by a thread for itself, for ever; threads it
 * makes have it from the start. It then has
 *   no capabilities, and nothing it executes would get any;
 *   a seccomp filter that allows a list of system calls. All others (execve, ptrace,
 *   process_vm_readv, bpf, perf_event_open, mount, socket, kill, …) give EPERM;
 *   Landlock (Linux 5.13 on, where the kernel has it switched on), under which it can open nothing
 *   but the storage folder and a few files that libc reads, nor bind or connect.
 * Where there is no Landlock it opens nothing for writing at all.
 *
 * This is a fence against what is confused or hostile in requests and files. Threads share memory
 * and descriptors: who can write the process's memory at will is not held by it.
 */
#ifndef XGOTOPFS_BASE_CONFINE_H
#define XGOTOPFS_BASE_CONFINE_H

#include <stdint.h>

#include "core/base/buf.h"

struct confine;

struct confine_config {
	const char *write_below; /* the storage folder; NULL, or may be missing: nothing */
};

/* Makes what threads then enter, and a thread that hears of refused calls. Main thread, which still
 * has its capabilities. -errno, logged: only without memory, descriptors or threads. What the
 * kernel does not have is left out. */
int confine_new(const struct confine_config *config, struct confine **ret);
/* After the end of all threads that entered it. NULL is fine. */
void confine_free(struct confine *c);

/* This thread, for ever. NULL: nothing happens. */
void confine_enter(struct confine *c);

/* System calls that were refused, and so is said in the log once for each. */
uint64_t confine_refused(const struct confine *c);

/* Of this kernel, for a person: "seccomp, Landlock ABI 7". */
void confine_describe(struct buf *out);

#endif
