/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See unmounter.h. What runs in the process makes system calls only: we may have threads. */
#include "fs/unmounter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/privilege.h"
#include "core/base/util.h"
#include "core/base/wait.h"

#define PATIENCE_MS 10000
#define FIRST_NS    (NS_PER_SEC / 2) /* fusermount3, which libfuse started, has its try before */
#define LOOK_NS     (NS_PER_SEC / 20)
#define LOOKS       1200
#define UNMOUNT     'u'
#define MOUNTED     'm'
#define WATCH       'w' /* the same, and: watch it */

struct unmounter {
	pid_t pid;
	int fd;
	bool late; /* it was asked, and has not answered yet */
};

/* What the process needs to know, made before it is. */
struct orders {
	char path[PATH_MAX]; /* absolute */
	const char *name;    /* its last part; the process stands in the folder above */
	bool itself;         /* CAP_SYS_ADMIN; else fusermount3 */
	int fd;
	dev_t ours; /* of what was mounted there; 0: not known */
};

/* --- in the process ----------------------------------------------------------------------------
 */

static pid_t fork_quietly(void)
{
	return (pid_t)syscall(SYS_clone, 0ul, 0ul, 0ul, 0ul, 0ul);
}

static int run_helper(const struct orders *o)
{
	pid_t child = fork_quietly();
	int status = 0;

	if (child < 0)
		return -errno;
	if (!child) {
		/* libc's own: it looks in PATH as libfuse does. */
		execlp("fusermount3", "fusermount3", "-u", "-q", "-z", "--", o->path, NULL);
		_exit(127);
	}
	while (waitpid(child, &status, __WALL) < 0 && errno == EINTR)
		;
	return status ? -EPERM : 0;
}

/* The device of what lies uppermost there, or 0. Each mount of ours has one of its own. The server
 * is not asked, so that it may be dead. */
static dev_t device_there(const struct orders *o)
{
	struct statx st;

	if (statx(AT_FDCWD, o->itself ? o->name : o->path,
		  AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, 0, &st))
		return 0;
	return makedev(st.stx_dev_major, st.stx_dev_minor);
}

/* A mount is named by its place only, and there may be somebody else's by now: over ours, or in its
 * stead when ours was taken away lazily and is still in use. -ESTALE. */
static int unmount(const struct orders *o)
{
	dev_t there = device_there(o);

	if (o->ours && there && there != o->ours)
		return -ESTALE;
	if (o->itself && !umount2(o->name, MNT_DETACH | UMOUNT_NOFOLLOW))
		return 0;
	if (o->itself && errno != EPERM) /* a filter of system calls may refuse it */
		return -errno;
	return run_helper(o);
}

/* Whose server has ended is not connected; whoever asks while it ends is told that it was aborted.
 * What answers is another mount by now, or the folder itself. */
static void unmount_once_dead(const struct orders *o)
{
	struct timespec pause = {.tv_nsec = o->itself ? LOOK_NS : FIRST_NS};

	for (unsigned i = 0; i < LOOKS; i++) {
		nanosleep(&pause, NULL);
		if (open(o->itself ? o->name : o->path,
			 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) >= 0)
			return;
		if (errno == ENOTCONN)
			(void)unmount(o);
		if (errno != ECONNABORTED && errno != EINTR)
			return;
		pause.tv_nsec = LOOK_NS;
	}
}

static void let_go_of_all(int keep)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
	close_all_but(STDERR_FILENO + 1, &keep, 1);
}

/* 1, or 0 at the end: our maker has ended, however that came about. Only an end is one: whoever
 * took a read that fails for it would go, and leave a mount that nobody may unmount. */
static ssize_t take_word(int fd, char *ret)
{
	const struct timespec pause = {.tv_nsec = LOOK_NS};
	ssize_t n = -1;

	for (unsigned i = 0; i < LOOKS && (n = read(fd, ret, 1)) < 0; i++)
		nanosleep(&pause, NULL);
	return n;
}

static _Noreturn void wait_for_word(struct orders *o)
{
	bool watches = false;
	char word;
	int answer;

	(void)prctl(PR_SET_NAME, "xgotop-umount");
	(void)setsid();
	let_go_of_all(o->fd);
	if (o->itself && privilege_drop())
		_exit(1);
	while (take_word(o->fd, &word) == 1) {
		watches = word == WATCH;
		if (word != UNMOUNT) {
			o->ours = device_there(o);
			continue;
		}
		answer = unmount(o);
		(void)!write(o->fd, &answer, sizeof(answer));
	}
	if (watches)
		unmount_once_dead(o);
	_exit(0);
}

/* --- on our side ------------------------------------------------------------------------------
 */

static int start(struct unmounter *u, struct orders *o, int pair[2])
{
	sigset_t all, old;
	int err = 0;

	privilege_prepare(CAP_BIT(CAP_SYS_ADMIN));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	u->pid = fork_quietly();
	if (!u->pid) {
		char *slash = strrchr(o->path, '/');

		/* It may not be able to walk there later. */
		*slash = '\0';
		if (o->itself && chdir(*o->path ? o->path : "/"))
			_exit(1);
		*slash = '/';
		o->fd = pair[1];
		wait_for_word(o);
	}
	if (u->pid < 0) {
		err = -errno;
		u->pid = 0;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

int unmounter_new(const char *path, struct unmounter **ret)
{
	struct orders o = {.itself = privilege_have(CAP_SYS_ADMIN)};
	struct unmounter *u;
	int pair[2], err;

	if (!realpath(path, o.path))
		return -errno;
	o.name = strrchr(o.path, '/') + 1;
	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->fd = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		err = -errno;
		free(u);
		return err;
	}
	err = start(u, &o, pair);
	close(pair[1]);
	u->fd = pair[0];
	if (err) {
		unmounter_free(u);
		return err;
	}
	*ret = u;
	return 0;
}

static bool say(const struct unmounter *u, char word)
{
	return send(u->fd, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

void unmounter_mounted(struct unmounter *u, bool watch)
{
	(void)say(u, watch ? WATCH : MOUNTED);
}

int unmounter_ask(struct unmounter *u)
{
	struct pollfd answer_fd = {.fd = u->fd, .events = POLLIN};
	int answer = 0;

	if (!say(u, UNMOUNT))
		return -ECHILD;
	u->late = poll(&answer_fd, 1, PATIENCE_MS) <= 0;
	if (u->late)
		return -ETIMEDOUT;
	return recv(u->fd, &answer, sizeof(answer), MSG_DONTWAIT) == sizeof(answer) ? answer
										    : -ECHILD;
}

int unmounter_line(const struct unmounter *u, char *ret_word)
{
	int fd = fcntl(u->fd, F_DUPFD_CLOEXEC, 0);

	*ret_word = UNMOUNT;
	return fd < 0 ? -errno : fd;
}

void unmounter_free(struct unmounter *u)
{
	if (!u)
		return;
	close_fd(&u->fd); /* it ends on that by itself … */
	if (u->pid > 0 && !u->late)
		(void)child_kill(u->pid, NULL); /* … unless it is stopped */
	free(u);
}
