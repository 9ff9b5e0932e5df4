/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See wait.h. */
#include "core/base/wait.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "core/base/util.h"

#define KILLED_NS (5 * NS_PER_SEC)
#define LOOK_MS   5

static struct timespec at(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_SEC),
				 .tv_nsec = (long)(ns % NS_PER_SEC)};
}

int thread_join_until(pthread_t thread, uint64_t until_ns)
{
#ifdef __SANITIZE_THREAD__
	/* gcc 12's ThreadSanitizer does not know the other one: the thread would count as never
	 * joined. */
	const uint64_t now = monotonic_ns();
	const struct timespec until =
		at(clock_ns(CLOCK_REALTIME) + (until_ns > now ? until_ns - now : 0));

	return -pthread_timedjoin_np(thread, NULL, &until);
#else
	const struct timespec until = at(until_ns);

	return -pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until);
#endif
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
