/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading another process's memory without stopping it (process_vm_readv, or /proc/PID/mem where
 * the kernel has none). What is read may change while it is read: callers check what they got. Any
 * thread.
 */
#ifndef XGOTOPFS_MEMORY_MEMORY_H
#define XGOTOPFS_MEMORY_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* All n bytes or an error: -EFAULT (some of it is not mapped), -ESRCH, -EPERM, -ENOMEM. */
int memory_read(pid_t pid, uint64_t addr, void *buf, size_t n);

struct memory_piece {
	uint64_t addr;
	void *buf;
	size_t size;
	bool ok; /* out: all of it was read */
};

/* Many pieces with few system calls. Pieces that are not mapped are left with ok == false, which is
 * no error. 0, or as above but -EFAULT. */
int memory_read_pieces(pid_t pid, struct memory_piece *pieces, size_t n);

/*
 * What is read with several calls is of one image of the process, or of none: each thing that
 * cannot be read any more as it ends, or executes another file, may look like one that is not
 * there. So: hold before the first call; at the end `err`, or -ESRCH when the image is gone by
 * then, whatever `err` is.
 */
struct memory_image {
	pid_t pid;
	int fd; /* -1: that it executes another file is not noticed */
};
void memory_image_hold(pid_t pid, struct memory_image *ret);
int memory_image_end(struct memory_image *image, int err);

/* The way of kernels without process_vm_readv; for tests. Bytes up to the first that is not mapped,
 * -EFAULT when that is none, or as above. */
ssize_t memory_read_by_file(pid_t pid, const struct iovec *local, const struct iovec *remote,
			    size_t n);

#endif
