/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * process_vm_readv, or /proc/PID/mem on a kernel built without it; exact or failing. A call takes
 * at most IOV_MAX pieces; a piece that is not mapped ends it, so the pieces after that one are
 * asked for again.
 */
#include "core/memory/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/base/util.h"

#define BATCH MIN(512, IOV_MAX)

static int mem_file(pid_t pid)
{
	char path[32];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
		return -ESRCH;
	case EACCES:
		return -EPERM;
	default:
		return -errno;
	}
}

/* What process_vm_readv(2) does, for kernels without it: as many bytes as there are before the
 * first that is not mapped; -EFAULT: none. */
ssize_t memory_read_by_file(pid_t pid, const struct iovec *local, const struct iovec *remote,
			    size_t n)
{
	cleanup_close_ int fd = mem_file(pid);
	ssize_t sum = 0;

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < n; i++) {
		size_t size = local[i].iov_len;
		ssize_t got =
			pread(fd, local[i].iov_base, size, (off_t)(uintptr_t)remote[i].iov_base);

		if (got == 0 && size)
			return -ESRCH; /* it has ended */
		if (got < 0 && errno != EIO && errno != EINVAL && errno != EFAULT)
			return -errno;
		sum += MAX(got, 0);
		if (got < 0 || (size_t)got < size)
			return sum ? sum : -EFAULT;
	}
	return sum;
}

static ssize_t read_memory(pid_t pid, const struct iovec *local, const struct iovec *remote,
			   size_t n)
{
	ssize_t got = process_vm_readv(pid, local, n, remote, n, 0);

	if (got >= 0)
		return got;
	/* CONFIG_CROSS_MEMORY_ATTACH is a choice. */
	return errno == ENOSYS ? memory_read_by_file(pid, local, remote, n) : -errno;
}

int memory_read(pid_t pid, uint64_t addr, void *buf, size_t n)
{
	struct iovec local = {buf, n}, remote = {(void *)(uintptr_t)addr, n};
	ssize_t got;

	if (n == 0)
		return 0;
	got = read_memory(pid, &local, &remote, 1);
	if (got < 0)
		return (int)got;
	return (size_t)got == n ? 0 : -EFAULT;
}

/* Reads what it can of up to BATCH pieces; returns how many it has dealt with. */
static ssize_t read_batch(pid_t pid, struct memory_piece *pieces, size_t n)
{
	struct iovec local[BATCH], remote[BATCH];
	size_t left, done;
	ssize_t got;

	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		local[i] = (struct iovec){pieces[i].buf, pieces[i].size};
		remote[i] = (struct iovec){(void *)(uintptr_t)pieces[i].addr, pieces[i].size};
		pieces[i].ok = false;
	}
	got = read_memory(pid, local, remote, n);
	if (got < 0 && got != -EFAULT)
		return got;
	left = got < 0 ? 0 : (size_t)got;
	for (done = 0; done < n && pieces[done].size <= left; done++) {
		left -= pieces[done].size;
		pieces[done].ok = true;
	}
	/* The piece that stopped it is dealt with, too. */
	return (ssize_t)MIN(done + 1, n);
}

int memory_read_pieces(pid_t pid, struct memory_piece *pieces, size_t n)
{
	while (n > 0) {
		ssize_t done = read_batch(pid, pieces, MIN(n, (size_t)BATCH));

		if (done < 0)
			return (int)done;
		pieces += done;
		n -= (size_t)done;
	}
	return 0;
}

/* --- one image -------------------------------------------------------------------------------- */

void memory_image_hold(pid_t pid, struct memory_image *ret)
{
	int fd = mem_file(pid);

	*ret = (struct memory_image){pid, MAX(fd, -1)};
}

/*
 * proc_pid_mem(5): an open file stays with the image that it was opened for, and reads nothing once
 * nobody runs that. The thread that the process is named by may have left it before the others did,
 * and is read through. Nothing is mapped at 0: that is said for as long as anything is.
 */
int memory_image_end(struct memory_image *image, int err)
{
	char byte;

	if (image->fd >= 0 && !pread(image->fd, &byte, sizeof(byte), 0))
		err = -ESRCH;
	if (memory_read(image->pid, 0, &byte, sizeof(byte)) == -ESRCH)
		err = -ESRCH;
	if (image->fd >= 0)
		close(image->fd);
	image->fd = -1;
	return err;
}
