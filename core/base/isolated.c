/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A call in a child process: see isolated.h. */
#include "core/base/isolated.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/base/wait.h"

#define END_NS (5 * NS_PER_SEC) /* from its answer to its end */

/* Nothing that ends the caller reaches it: no signal for its group, and they are all blocked since
 * before the fork. */
static void outlive(int fd)
{
	(void)setsid();
	close_all_but(STDERR_FILENO + 1, &fd, 1);
}

/* Writes the answer, then the result: a whole pipe of them, or none. */
static _Noreturn void child_main(const struct isolated *how, const void *arg, void *ret, int fd)
{
	const struct rlimit no_core = {0, 0};
	size_t size = how->size;
	int null, err;
	ssize_t n;

	if (how->outlives)
		outlive(fd);
	else
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &no_core);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDERR_FILENO);
	err = how->fn(arg, ret);
	n = write(fd, &err, sizeof(err));
	for (size_t done = 0; !err && n > 0 && done < size; done += (size_t)n)
		n = write(fd, (char *)ret + done, size - done);
	_exit(0);
}

/* All of it, or why not. */
static int read_all(int fd, void *to, size_t size, uint64_t until_ns)
{
	size_t done = 0;

	while (done < size) {
		uint64_t now = monotonic_ns();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (now >= until_ns)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)((until_ns - now) / 1000000 + 1)) <= 0)
			continue;
		n = read(fd, (char *)to + done, size - done);
		if (n == 0)
			return -EIO;
		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* The address sanitizer's allocator cannot be used in the child of a process with threads. */
static bool may_fork(void)
{
#if defined(__SANITIZE_ADDRESS__)
	DIR *dir = opendir("/proc/self/task");
	int tasks = 0;

	while (dir && readdir(dir))
		tasks++;
	if (dir)
		closedir(dir);
	return tasks <= 3; /* ".", ".." and this one */
#else
	return true;
#endif
}

/* It ends by itself. One that does not is made to, but not where that would leave behind what it
 * alone can undo. */
static void end_child(const struct isolated *how, pid_t pid, int err)
{
	int status;

	if (!how->outlives)
		(void)child_kill(pid, NULL);
	else if (err != -ETIMEDOUT)
		(void)child_wait(pid, END_NS, &status);
}

static pid_t fork_blocked(const struct isolated *how)
{
	sigset_t all, old;
	pid_t pid;

	sigfillset(&all);
	if (how->outlives)
		pthread_sigmask(SIG_BLOCK, &all, &old);
	pid = fork();
	if (pid && how->outlives)
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	return pid;
}

int isolated_call(const struct isolated *how, const void *arg, void *ret)
{
	uint64_t until_ns = monotonic_ns() + how->seconds * NS_PER_SEC;
	int fds[2], err, answer = 0;
	pid_t pid;

	if (!may_fork())
		return how->fn(arg, ret);
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pid = fork_blocked(how);
	if (!pid) {
		close(fds[0]);
		child_main(how, arg, ret, fds[1]);
	}
	err = pid < 0 ? -errno : 0;
	close(fds[1]);
	if (!err)
		err = read_all(fds[0], &answer, sizeof(answer), until_ns);
	if (!err)
		err = answer;
	if (!err)
		err = read_all(fds[0], ret, how->size, until_ns);
	close(fds[0]);
	if (pid > 0)
		end_child(how, pid, err);
	return err;
}
