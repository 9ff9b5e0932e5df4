/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Going to the background without losing what went wrong on the way. See background.h. */
#include "app/background.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/exit_status.h"
#include "core/base/log.h"

/* The parent: a byte says the child is ready; the pipe's end without one, that it failed. */
static _Noreturn void wait_for_child(pid_t child, int fd)
{
	struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.events = POLLIN}};
	struct signalfd_siginfo info;
	unsigned signalled = 0;
	int status = 0;
	sigset_t ours;
	ssize_t n;
	char byte;

	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGHUP);
	fds[1].fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	/* As long as the child takes. Signals, which are blocked here, are for it; with the second
	 * one it has had its time. */
	for (n = -1; n < 0;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents && read(fds[1].fd, &info, sizeof(info)) == sizeof(info)) {
			(void)kill(child, (int)info.ssi_signo);
			if (signalled++)
				_exit(128 + (int)info.ssi_signo);
		}
		if (fds[0].revents)
			n = read(fd, &byte, 1);
	}
	if (n == 1)
		_exit(EXIT_FINE);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	/* One that ends by itself has said why. */
	if (WIFSIGNALED(status))
		log_error(-EINTR,
			  "what was to go on in the background was killed by signal %d, %s%s",
			  WTERMSIG(status), strsignal(WTERMSIG(status)),
			  WTERMSIG(status) == SIGKILL
				  ? " (by the kernel, where there is no memory: see dmesg)"
				  : "");
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_ERROR);
}

int background_start(int *ret_fd)
{
	int fds[2], err;
	pid_t child;

	if (pipe2(fds, O_CLOEXEC)) {
		err = -errno;
		return log_error(err, "pipe: %s", strerror(-err));
	}
	child = fork();
	if (child < 0) {
		err = -errno;
		close(fds[0]);
		close(fds[1]);
		return log_error(err, "cannot fork: %s", strerror(-err));
	}
	if (child > 0) {
		close(fds[1]);
		wait_for_child(child, fds[0]);
	}
	close(fds[0]);
	setsid();
	*ret_fd = fds[1];
	return 0;
}

void background_ready(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
	(void)!write(fd, "", 1);
	close(fd);
}
