/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* /proc/PID looked at before a target is opened. See process.h. */
#include "core/target/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/util.h"

struct status {
	char state;
	long tgid;
};

/* -ESRCH when there is no such task. */
static int status_read(pid_t pid, struct status *ret)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? -ESRCH : -errno;
	*ret = (struct status){0};
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "State: %c", &ret->state);
		sscanf(line, "Tgid: %ld", &ret->tgid);
	}
	fclose(f);
	return ret->state && ret->tgid ? 0 : -ESRCH;
}

int process_check(pid_t pid)
{
	char path[64], target[64];
	struct status s;
	int err = status_read(pid, &s);

	if (err == -ESRCH)
		return log_error(err, "no process %d", pid);
	if (err)
		return log_error(err, "process %d: %s", pid, strerror(-err));
	if (s.tgid != pid)
		return log_error(-ESRCH,
				 "no process %d: that is a thread of process %ld; use -pid %ld",
				 pid, s.tgid, s.tgid);
	if (s.state == 'Z' || s.state == 'X')
		return log_error(-ESRCH,
				 "process %d has exited and waits for its parent (a zombie)", pid);
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (readlink(path, target, sizeof(target)) >= 0)
		return 0;
	err = -errno;
	if (err == -EACCES || err == -EPERM)
		return log_error(err, "process %d may not be looked at: %s", pid,
				 geteuid() ? "run as root or as its user, or with CAP_SYS_PTRACE"
					   : "CAP_SYS_PTRACE is missing here, or it has a user "
					     "namespace that is not below ours");
	if (status_read(pid, &s) || s.state == 'Z' || s.state == 'X')
		return log_error(-ESRCH, "process %d is gone", pid);
	/* The kernel's own threads have no executable. */
	return log_error(-ENOEXEC, "process %d is a kernel thread, not a Go program", pid);
}

void process_binary(pid_t pid, char *ret, size_t size)
{
	static const char deleted[] = " (deleted)";
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, ret, size - 1);
	ret[MAX(n, 0)] = '\0';
	if (n > (ssize_t)strlen(deleted) && strcmp(ret + n - strlen(deleted), deleted) == 0)
		ret[n - (ssize_t)strlen(deleted)] = '\0';
}

static bool same_clock(const char *path)
{
	struct stat own, its;

	return stat("/proc/self/ns/time", &own) || stat(path, &its) ||
	       (own.st_dev == its.st_dev && own.st_ino == its.st_ino);
}

static int64_t clock_offset(const char *path)
{
	long long seconds, ns, offset = 0;
	FILE *f = fopen(path, "re");

	if (!f)
		return 0;
	if (fscanf(f, "monotonic %lld %lld", &seconds, &ns) == 2 &&
	    (__builtin_mul_overflow(seconds, (long long)NS_PER_SEC, &offset) ||
	     __builtin_add_overflow(offset, ns, &offset)))
		offset = 0;
	fclose(f);
	return offset;
}

int64_t process_clock_ahead(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/time", pid);
	if (same_clock(path))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/timens_offsets", pid);
	return clock_offset(path) - clock_offset("/proc/self/timens_offsets");
}
