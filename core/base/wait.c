/* See wait.h. */
#include "core/base/wait.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "core/base/util.h"

#define KILLED_NS (5 * NS_PER_SEC)
#define LOOK_MS   5

int thread_join_until(pthread_t thread, uint64_t until_ns)
{
	const struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_SEC),
				       .tv_nsec = (long)(until_ns % NS_PER_SEC)};

	return -pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until);
}

/* 0, -ETIMEDOUT, -ECHILD. */
static int reap(pid_t pid, uint64_t until_ns, int *ret_status)
{
	int status;
	pid_t got;

	while ((got = waitpid(pid, &status, __WALL | WNOHANG)) == 0) {
		if (monotonic_ns() >= until_ns)
			return -ETIMEDOUT;
		(void)poll(NULL, 0, LOOK_MS);
	}
	if (got < 0)
		return -errno;
	if (ret_status)
		*ret_status = status;
	return 0;
}

int child_kill(pid_t pid, int *ret_status)
{
	(void)kill(pid, SIGKILL);
	return reap(pid, monotonic_ns() + KILLED_NS, ret_status);
}

int child_wait(pid_t pid, uint64_t patience_ns, int *ret_status)
{
	int err = reap(pid, monotonic_ns() + patience_ns, ret_status);

	if (err == -ETIMEDOUT)
		(void)child_kill(pid, NULL);
	return err;
}
