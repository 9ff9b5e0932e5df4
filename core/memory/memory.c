/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * process_vm_readv, exact or failing. A call takes at most IOV_MAX pieces; a piece that is not
 * mapped ends it, so the pieces after that one are asked for again.
 */
#include "core/memory/memory.h"

#include <errno.h>
#include <limits.h>
#include <sys/uio.h>

#include "core/base/util.h"

#define BATCH MIN(512, IOV_MAX)

int memory_read(pid_t pid, uint64_t addr, void *buf, size_t n)
{
	struct iovec local = {buf, n}, remote = {(void *)(uintptr_t)addr, n};
	ssize_t got;

	if (n == 0)
		return 0;
	got = process_vm_readv(pid, &local, 1, &remote, 1, 0);
	if (got < 0)
		return -errno;
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
	got = process_vm_readv(pid, local, n, remote, n, 0);
	if (got < 0 && errno != EFAULT)
		return -errno;
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
