/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Starting a program stopped. PTRACE_TRACEME and a stop of its own let the parent set options
 * before execve(2); PTRACE_EVENT_EXEC is then the stop with the new program mapped and nothing of
 * it run.
 */
#include "app/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/util.h"
#include "core/base/wait.h"

#define LOOK_MS 20

/* What the child says when it cannot exec. */
struct report {
	int err;
	bool not_traced; /* it is no child of the kind that can be held */
};

/* The child: nothing but async-signal-safe calls. */
static void child_main(char **argv, const sigset_t *mask, const struct limits *limits,
		       int report_fd)
{
	struct report report = {.not_traced = true};

	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	limits_restore(limits);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 && raise(SIGSTOP) == 0) {
		report.not_traced = false;
		sigprocmask(SIG_SETMASK, mask, NULL);
		execvp(argv[0], argv);
	}
	report.err = -errno;
	if (write(report_fd, &report, sizeof(report)) < 0) {
		/* Its end says enough. */
	}
	_exit(127);
}

/* Its stops come within moments but for what execve(2) has to wait for. */
static int wait_for(pid_t pid, const atomic_bool *asked, int *ret_status)
{
	int wait_ms = 0;
	pid_t got;

	while ((got = waitpid(pid, ret_status, WNOHANG)) == 0) {
		if (atomic_load(asked))
			return -EINTR;
		(void)poll(NULL, 0, wait_ms);
		wait_ms = MIN(wait_ms + 1, LOOK_MS);
	}
	return got < 0 ? -errno : 0;
}

static bool stopped_at_exec(int status)
{
	return WIFSTOPPED(status) && status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8);
}

/* From the child's own stop to the one at execve. -ECANCELED: it ended instead. */
static int run_to_exec(pid_t pid, const atomic_bool *asked)
{
	long options = PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	int status, err;
	int signo = 0;

	err = wait_for(pid, asked, &status);
	if (err)
		return err;
	if (!WIFSTOPPED(status))
		return -ECANCELED;
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL, options))
		return -errno;
	for (;;) {
		if (ptrace(PTRACE_CONT, pid, NULL, (long)signo))
			return -errno;
		err = wait_for(pid, asked, &status);
		if (err)
			return err;
		if (stopped_at_exec(status))
			return 0;
		if (!WIFSTOPPED(status))
			return -ECANCELED;
		signo = WSTOPSIG(status);
	}
}

int launch_start(char **argv, const sigset_t *mask, const struct limits *limits,
		 const atomic_bool *asked, struct launch *ret)
{
	struct report reported = {0};
	int fds[2], err;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC)) {
		err = -errno;
		return log_error(err, "pipe: %s", strerror(-err));
	}
	pid = fork();
	if (pid == 0)
		child_main(argv, mask, limits, fds[1]);
	err = pid < 0 ? -errno : 0;
	close(fds[1]);
	if (!err)
		err = run_to_exec(pid, asked);
	if (err) {
		if (pid > 0 && err != -ECANCELED) {
			(void)child_kill(pid, NULL);
		}
		/* Its end of the pipe may live on in a child that cannot be killed. */
		if (err != -EINTR && read(fds[0], &reported, sizeof(reported)) == sizeof(reported))
			err = reported.err;
		log_error(err, "cannot start %s: %s%s", argv[0],
			  err == -EINTR ? "told to end first" : strerror(-err),
			  !reported.not_traced ? ""
					       : ": it may not be held by ptrace, as where a "
						 "debugger or strace -f has it already");
	} else {
		*ret = (struct launch){.pid = pid, .held = true};
	}
	close(fds[0]);
	return err;
}

int launch_release(struct launch *l)
{
	if (ptrace(PTRACE_DETACH, l->pid, NULL, NULL))
		return -errno;
	l->held = false;
	return 0;
}

void launch_abort(struct launch *l)
{
	if (!l->pid || !l->held)
		return;
	if (child_kill(l->pid, &l->status) == 0)
		l->over = true;
	l->held = false;
}

bool launch_reap(struct launch *l)
{
	int status;

	if (!l->pid || l->over)
		return l->over;
	if (waitpid(l->pid, &status, WNOHANG) != l->pid || WIFSTOPPED(status))
		return false;
	l->status = status;
	l->over = true;
	return true;
}

int launch_exit_code(const struct launch *l)
{
	return WIFSIGNALED(l->status) ? 128 + WTERMSIG(l->status) : WEXITSTATUS(l->status);
}
