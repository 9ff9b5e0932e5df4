/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "core/base/cpu_time.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/parse.h"

#define THREADS_MAX 1024

/* schedstat: "time on CPUs, time waiting for one, turns". Documentation/scheduler/sched-stats.rst
 */
static bool add_thread(int dir, const char *thread, uint64_t *sum)
{
	cleanup_close_ int fd = -1;
	char path[64], text[128];
	const char *at = text;
	uint64_t ran, waited;
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/schedstat", thread) >= (int)sizeof(path))
		return false;
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT; /* it has ended */
	n = read(fd, text, sizeof(text));
	if (n <= 0)
		return n < 0 && errno == ESRCH;
	if (scan_u64(&at, text + n, &ran) || at == text + n || *at++ != ' ' ||
	    scan_u64(&at, text + n, &waited))
		return false;
	*sum = sum_u64(*sum, waited);
	return true;
}

uint64_t process_cpu_wait_ns(pid_t pid)
{
	char path[64];
	uint64_t sum = 0;
	unsigned n = 0;
	bool ok = true;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return UINT64_MAX;
	for (struct dirent *d = readdir(dir); d && ok; d = readdir(dir)) {
		if (d->d_name[0] != '.')
			ok = n++ < THREADS_MAX && add_thread(dirfd(dir), d->d_name, &sum);
	}
	closedir(dir);
	return ok && sum ? sum : UINT64_MAX;
}
