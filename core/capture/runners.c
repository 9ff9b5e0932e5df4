/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of processes and the thread; see runners.h. */
#include "core/capture/runners.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/parse.h"
#include "core/base/thread.h"
#include "core/base/util.h"

#define IDLE_MS  1000 /* for who executes something else meanwhile */
#define BLIND_MS 200  /* without fanotify */
#define FIRST_MS                                                                                   \
	1 /* after an open for execution: it does not execute it yet. Then twice as                \
	     long each time */
#define LAST_MS 256

struct followed {
	pid_t pid;
	int pidfd;
	bool seen; /* by the look that goes on */
};

struct runners {
	int fd;
	const struct target *target;
	pid_t only;
	struct runners_ops ops;
	int stop_fd;     /* eventfd */
	int fanotify_fd; /* -1: none */
	pthread_t thread;
	bool started;
	size_t n, cap;
	struct followed *all;
	struct pollfd *polls; /* cap + 2 */
	int soon_ms;          /* until the next look after an open; 0: none is due */
};

static bool same_file(const char *path, const struct stat *file)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == file->st_dev && st.st_ino == file->st_ino;
}

/* As its executable; or, where that is a process among few or cannot be otherwise, mapped. */
static bool executes(const struct runners *r, const struct stat *file, pid_t pid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (same_file(path, file))
		return true;
	return (r->only || target_is_library(r->target)) && target_runs_in(r->target, pid);
}

/* --- the table ------------------------------------------------------------------------------ */

static int grow(struct runners *r)
{
	size_t cap = r->cap ? r->cap * 2 : 16;
	struct followed *all = reallocarray(r->all, cap, sizeof(*all));
	struct pollfd *polls;

	if (!all)
		return -ENOMEM;
	r->all = all;
	polls = reallocarray(r->polls, cap + 2, sizeof(*polls));
	if (!polls)
		return -ENOMEM;
	r->polls = polls;
	r->cap = cap;
	return 0;
}

static struct followed *find(struct runners *r, pid_t pid)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->all[i].pid == pid)
			return &r->all[i];
	return NULL;
}

static void drop(struct runners *r, size_t i)
{
	struct followed gone = r->all[i];

	r->all[i] = r->all[--r->n];
	close(gone.pidfd);
	r->ops.leave(r->ops.ctx, gone.pid);
}

static void add(struct runners *r, const struct stat *file, pid_t pid)
{
	struct followed new = {.pid = pid, .seen = true};

	if (r->n == r->cap && grow(r))
		return;
	new.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (new.pidfd < 0)
		return;
	/* From here on the number is this process's. */
	if (executes(r, file, pid) && r->ops.enter(r->ops.ctx, pid) == 0)
		r->all[r->n++] = new;
	else
		close(new.pidfd);
}

static void look_at(struct runners *r, const struct stat *file, pid_t pid)
{
	struct followed *known;

	if (!executes(r, file, pid))
		return;
	known = find(r, pid);
	if (!known) {
		add(r, file, pid);
		return;
	}
	known->seen = true;
	if (!r->ops.left(r->ops.ctx, pid))
		return;
	r->ops.leave(r->ops.ctx, pid);
	/* Not now: then at the next look, as one that is new. */
	known->seen = r->ops.enter(r->ops.ctx, pid) == 0;
}

void runners_look(struct runners *r)
{
	struct dirent *entry;
	struct stat file;
	uint64_t pid;
	DIR *dir;

	if (fstat(r->fd, &file) < 0)
		return;
	for (size_t i = 0; i < r->n; i++)
		r->all[i].seen = false;
	dir = r->only ? NULL : opendir("/proc");
	if (r->only)
		look_at(r, &file, r->only);
	while (dir && (entry = readdir(dir)))
		if (!parse_u64_in(entry->d_name, 1, INT32_MAX, &pid))
			look_at(r, &file, (pid_t)pid);
	if (!r->only && !dir)
		return; /* it says nothing about anybody */
	if (dir)
		closedir(dir);
	for (size_t i = r->n; i-- > 0;)
		if (!r->all[i].seen)
			drop(r, i);
}

/* --- the thread ----------------------------------------------------------------------------- */

/* Opened for execution: whoever did it will execute it in a moment. */
static bool take_opens(struct runners *r)
{
	_Alignas(struct fanotify_event_metadata) char buf[4096];
	ssize_t n = read(r->fanotify_fd, buf, sizeof(buf));
	const struct fanotify_event_metadata *event = (const void *)buf;
	bool any = false;

	for (; FAN_EVENT_OK(event, n); event = FAN_EVENT_NEXT(event, n)) {
		if (event->fd >= 0)
			close(event->fd);
		any = true;
	}
	return any;
}

static int timeout_ms(const struct runners *r)
{
	if (r->soon_ms)
		return r->soon_ms;
	return r->fanotify_fd < 0 ? BLIND_MS : IDLE_MS;
}

static void *runners_main(void *arg)
{
	struct runners *r = arg;

	(void)pthread_setname_np(pthread_self(), "xgotop-runners");
	for (;;) {
		int n;

		r->polls[0] = (struct pollfd){.fd = r->stop_fd, .events = POLLIN};
		r->polls[1] = (struct pollfd){.fd = r->fanotify_fd, .events = POLLIN};
		for (size_t i = 0; i < r->n; i++)
			r->polls[2 + i] = (struct pollfd){.fd = r->all[i].pidfd, .events = POLLIN};
		n = poll(r->polls, r->n + 2, timeout_ms(r));
		if (n < 0)
			continue;
		if (r->polls[0].revents)
			return NULL;
		for (size_t i = r->n; i-- > 0;)
			if (r->polls[2 + i].revents)
				drop(r, i);
		if (r->polls[1].revents && take_opens(r))
			r->soon_ms = FIRST_MS;
		else if (n == 0 && r->soon_ms)
			r->soon_ms = r->soon_ms < LAST_MS ? r->soon_ms * 2 : 0;
		if (n == 0)
			runners_look(r);
	}
}

static int watch_opens(struct runners *r, unsigned flags)
{
	char path[64];

	r->fanotify_fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | flags,
				       O_RDONLY | O_CLOEXEC | O_LARGEFILE);
	if (r->fanotify_fd < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", r->fd);
	if (fanotify_mark(r->fanotify_fd, FAN_MARK_ADD, FAN_OPEN_EXEC, AT_FDCWD, path) < 0) {
		int err = -errno;

		close(r->fanotify_fd);
		r->fanotify_fd = -1;
		return err;
	}
	return 0;
}

int runners_new(int fd, const struct target *target, pid_t pid, const struct runners_ops *ops,
		struct runners **ret)
{
	struct runners *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	*r = (struct runners){
		.fd = fd, .target = target, .only = pid, .ops = *ops, .fanotify_fd = -1};
	r->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = r->stop_fd < 0 ? -errno : grow(r);
	if (err) {
		runners_free(r);
		return err;
	}
	err = pid ? 0 : watch_opens(r, 0);
	if (err == -EPERM) /* what anybody may have (Linux 5.13 on), with less in an event */
		err = watch_opens(r, FAN_REPORT_FID);
	if (err)
		log_debug("no fanotify (error %d): new processes are looked for in /proc", -err);
	*ret = r;
	return 0;
}

int runners_start(struct runners *r)
{
	int err = thread_start(&r->thread, runners_main, r);

	r->started = !err;
	return err;
}

void runners_free(struct runners *r)
{
	uint64_t one = 1;

	if (!r)
		return;
	if (r->started) {
		(void)!write(r->stop_fd, &one, sizeof(one));
		(void)pthread_join(r->thread, NULL);
	}
	for (size_t i = 0; i < r->n; i++)
		close(r->all[i].pidfd);
	if (r->fanotify_fd >= 0)
		close(r->fanotify_fd);
	if (r->stop_fd >= 0)
		close(r->stop_fd);
	free(r->all);
	free(r->polls);
	free(r);
}
