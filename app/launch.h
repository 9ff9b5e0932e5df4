/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `-- COMMAND`: a child that is stopped at its first instruction, traced by probes before it runs,
 * and whose end becomes ours. Main thread only.
 */
#ifndef XGOTOPFS_APP_LAUNCH_H
#define XGOTOPFS_APP_LAUNCH_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "app/limits.h"

struct launch {
	pid_t pid; /* 0: none */
	bool held; /* stopped, under ptrace */
	bool over; /* was reaped: status is how */
	int status;
};

/*
 * Starts argv (found in PATH) with the signal mask `mask`, SIGPIPE as usual and the limits
 * `limits`, and stops it after execve(2), before its first instruction. Should this process die
 * now, so does the child. -ENOENT, -EACCES, … as execve, -EINTR when `asked` says that we are
 * to end (execve(2) of a file on a disk that hangs takes for ever); one line was logged.
 */
int launch_start(char **argv, const sigset_t *mask, const struct limits *limits,
		 const atomic_bool *asked, struct launch *ret);
/* Lets it run, on its own from now on. -ESRCH when it was killed meanwhile. */
int launch_release(struct launch *l);
/* Kills it when it is still held (something went wrong before it ran), and reaps it. */
void launch_abort(struct launch *l);

/* Reaps it when it has ended; true when it has. */
bool launch_reap(struct launch *l);
/* Its exit code, or 128 plus the signal that killed it, as a shell has it. */
int launch_exit_code(const struct launch *l);

#endif
