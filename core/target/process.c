/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* /proc/PID looked at before a target is opened. See process.h. */
#include "core/target/process.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/parse.h"
#include "core/base/text.h"
#include "core/base/util.h"

#define KERNEL_THREAD_FLAG 0x00200000u

struct status {
	char state;
	long tgid, threads;
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
		sscanf(line, "Threads: %ld", &ret->threads);
	}
	fclose(f);
	return ret->state && ret->tgid ? 0 : -ESRCH;
}

static bool has_ended(const struct status *s)
{
	return s->state == 'Z' || s->state == 'X';
}

/* All threads of a process that exits end one after the other, the main one maybe first. */
bool process_lost_main_thread(pid_t pid)
{
	const struct timespec nap = {.tv_nsec = (long)NS_PER_SEC / 100};
	struct status s;

	for (int looks = 0; looks < 100; looks++) {
		if (status_read(pid, &s) || !has_ended(&s) || s.threads <= 1)
			return false;
		nanosleep(&nap, NULL);
	}
	return true;
}

#define STAT_MAX 2048

/* proc_pid_stat(5) into `line`; returns what follows the name, or NULL. */
static const char *stat_read(pid_t pid, char line[STAT_MAX])
{
	const char *rest;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return NULL;
	rest = fgets(line, STAT_MAX, f) ? strrchr(line, ')') : NULL;
	fclose(f);
	return rest;
}

/* Of what stat_read() returns, whose first field is number 3; NULL: there is none. */
static const char *stat_field(const char *rest, unsigned field)
{
	for (unsigned at = 2; rest && at < field; at++) {
		rest = strchr(rest, ' ');
		rest = rest ? rest + 1 : NULL;
	}
	return rest;
}

/* By its flags (include/linux/sched.h PF_KTHREAD): a process that is exiting has no executable
 * either, for a moment in which it is not a zombie yet. */
static bool is_kernel_thread(pid_t pid)
{
	char line[STAT_MAX];
	const char *flags = stat_field(stat_read(pid, line), 9);

	return flags && strtoul(flags, NULL, 10) & KERNEL_THREAD_FLAG;
}

/* NSpid: its numbers, from our pid namespace to its own (proc_pid_status(5)). */
static bool is_namesake(pid_t candidate, pid_t pid, char *ret_name, size_t size)
{
	char path[64], line[256], name[64] = "";
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", candidate);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		const char *last = strrchr(line, '\t');

		sscanf(line, "Name: %63[^\n]", name);
		if (!strncmp(line, "NSpid:", 6) && last && last != strchr(line, '\t'))
			found = strtol(last, NULL, 10) == pid;
	}
	fclose(f);
	text_name(ret_name, size, name, strlen(name));
	return found;
}

int process_each(process_fn *fn, void *ctx)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	bool found = false;
	uint64_t pid;

	if (!dir)
		return -errno;
	while (!found && (entry = readdir(dir)))
		if (!parse_u64_in(entry->d_name, 1, INT32_MAX, &pid))
			found = fn(ctx, (pid_t)pid);
	closedir(dir);
	return found;
}

struct namesake {
	pid_t pid, found;
	char name[128];
};

static bool find_namesake(void *ctx, pid_t pid)
{
	struct namesake *n = ctx;

	n->found = pid;
	return is_namesake(pid, n->pid, n->name, sizeof(n->name));
}

/* Who has the number in a container may be meant: "; in a container 7 is process 4711 (server)". */
static void add_namesake(pid_t pid, char *ret, size_t size)
{
	struct namesake n = {.pid = pid};

	*ret = '\0';
	if (process_each(find_namesake, &n) == 1)
		snprintf(ret, size, "; the one that is %d in a container is %d here: %s", pid,
			 n.found, n.name);
}

int process_check(pid_t pid)
{
	char path[64], target[64], hint[256];
	struct status s;
	int err = status_read(pid, &s);

	if (err == -ESRCH) {
		add_namesake(pid, hint, sizeof(hint));
		return log_error(err, "no process %d%s", pid, hint);
	}
	if (err)
		return log_error(err, "process %d: %s", pid, strerror(-err));
	if (s.tgid != pid)
		return log_error(-ESRCH,
				 "no process %d: that is a thread of process %ld; use -pid %ld",
				 pid, s.tgid, s.tgid);
	if (has_ended(&s) && process_lost_main_thread(pid))
		return log_error(-ENOEXEC,
				 "process %d: its main thread has ended while others go on "
				 "(pthread_exit() in main): its memory cannot be read by its "
				 "number, which is not supported",
				 pid);
	if (has_ended(&s))
		return log_error(-ESRCH,
				 "process %d has exited and waits for its parent (a zombie)", pid);
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (readlink(path, target, sizeof(target)) >= 0)
		return 0;
	err = -errno;
	if (err == -ENAMETOOLONG)
		return 0; /* its path is longer than a page; it can be opened all the same */
	if (err == -EACCES || err == -EPERM)
		return log_error(err, "process %d may not be looked at: %s", pid,
				 geteuid() ? "run as root or as its user, or with CAP_SYS_PTRACE"
					   : "CAP_SYS_PTRACE is missing here, or it has a user "
					     "namespace that is not below ours");
	if (!is_kernel_thread(pid))
		return log_error(-ESRCH, "process %d is gone", pid);
	add_namesake(pid, hint, sizeof(hint));
	return log_error(-ENOEXEC, "process %d is a kernel thread, not a Go program%s", pid, hint);
}

/* include/uapi/linux/pidfd.h, of Linux 6.15: newer than the headers of many a distribution. */
struct pidfd_facts {
	uint64_t mask, cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};
_Static_assert(sizeof(struct pidfd_facts) == 64, "PIDFD_INFO_SIZE_VER0");
#define PIDFD_FACTS      _IOWR(0xff, 11, struct pidfd_facts)
#define PIDFD_FACTS_EXIT (1u << 3)

/* Once its parent was told: the kernel keeps it for who has a descriptor of it. */
static int status_when_reaped(int pidfd, int *ret)
{
	struct pidfd_facts facts = {.mask = PIDFD_FACTS_EXIT};

	if (ioctl(pidfd, PIDFD_FACTS, &facts) < 0 || !(facts.mask & PIDFD_FACTS_EXIT))
		return -EAGAIN;
	*ret = facts.exit_code;
	return 0;
}

/* Until then, by proc_pid_stat(5), where 0 is also what is told to who may not know. Who may is
 * told that it waits, in `wchan`, since Linux 5.16 (fs/proc/array.c do_task_stat()). */
static int status_of_zombie(int pidfd, pid_t pid, int *ret)
{
	char line[STAT_MAX];
	const char *rest = stat_read(pid, line);
	const char *waits = stat_field(rest, 35), *status = stat_field(rest, 52);

	if (!status || *stat_field(rest, 3) != 'Z')
		return -EAGAIN;
	/* The number was its own all the while. */
	if (syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) < 0)
		return -EAGAIN;
	*ret = (int)strtol(status, NULL, 10);
	return *ret || *waits == '1' ? 0 : -EAGAIN;
}

int process_wait_status(int pidfd, pid_t pid, int *ret)
{
	int err = status_when_reaped(pidfd, ret);

	if (err)
		err = status_of_zombie(pidfd, pid, ret);
	return err ? status_when_reaped(pidfd, ret) : 0; /* it was reaped in between */
}

/*
 * Did the kernel put " (deleted)" behind it, or is that its name? It does where the name leads
 * nowhere any more: looked up as the process would, it is then another file or none.
 */
static bool is_name(pid_t pid, const char *path)
{
	struct stat running, named;
	char *there;
	int err;

	if (asprintf(&there, "/proc/%d/exe", pid) < 0)
		return false;
	err = stat(there, &running);
	free(there);
	if (err || running.st_nlink == 0 || asprintf(&there, "/proc/%d/root%s", pid, path) < 0)
		return false;
	err = stat(there, &named) ? errno : 0;
	free(there);
	/* One that we may not look up has a link, after all. */
	return err ? err != ENOENT && err != ENOTDIR
		   : named.st_dev == running.st_dev && named.st_ino == running.st_ino;
}

void process_binary(pid_t pid, char *ret, size_t size)
{
	static const char deleted[] = " (deleted)";
	const ssize_t suffix = sizeof(deleted) - 1;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, ret, size - 1);
	ret[MAX(n, 0)] = '\0';
	if (n > suffix && strcmp(ret + n - suffix, deleted) == 0 && !is_name(pid, ret))
		ret[n - suffix] = '\0';
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
