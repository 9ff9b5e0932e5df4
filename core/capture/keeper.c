/*
 * The keeper; see keeper.h. What runs in it (keep() and below) makes system calls only: it is the
 * copy of a process that may have threads, whose locks nobody will ever release there.
 */
#include "core/capture/keeper.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/util.h"
#include "core/capture/uprobe_multi.h"

/* All in the one table of descriptors: of a socket pair, `ours` is this process's end, `its` the
 * keeper's. Both stay open as long as either lives, so an end is told by the pidfds. */
struct keeper {
	pid_t pid;
	int ours, its;
	int our_pidfd; /* it waits on this */
	int its_pidfd; /* -1: it is gone */
};

enum what { ATTACH, CLOSE };

struct request {
	enum what what;
	uint32_t n;
	union {
		struct {
			int prog_fd;
			pid_t pid;
			char path[64];
			uint64_t offsets[KEEPER_SITES_MAX], cookies[KEEPER_SITES_MAX];
		} attach;
		int fds[KEEPER_SITES_MAX];
	};
};

/* --- in the keeper ---------------------------------------------------------------------------- */

/* fork() with the table of descriptors shared, and no signal to the parent at the end, so that
 * nobody who waits for children hears of it. The arguments whose order differs between
 * architectures are all 0. */
static pid_t fork_sharing_files(void)
{
	return (pid_t)syscall(SYS_clone, (unsigned long)CLONE_FILES, 0ul, 0ul, 0ul, 0ul);
}

static void wait_for_end(pid_t pid)
{
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

/* One process a link: the waits in the kernel are at the same time. */
static void close_all(const int *fds, size_t n)
{
	pid_t children[KEEPER_SITES_MAX];
	size_t started = 0;

	for (size_t i = 0; i < n; i++) {
		pid_t child = i + 1 < n ? fork_sharing_files() : -1;

		if (child == 0) {
			close(fds[i]);
			_exit(0);
		}
		if (child > 0)
			children[started++] = child;
		else
			close(fds[i]);
	}
	while (started)
		wait_for_end(children[--started]);
}

/* The links there are, by descriptor in ascending order. */
struct links {
	size_t n;
	int fds[KEEPER_SITES_MAX];
};

static void add_link(struct links *links, int fd)
{
	size_t i = links->n;

	if (i == KEEPER_SITES_MAX)
		return; /* closed at the end like any other descriptor */
	for (; i > 0 && links->fds[i - 1] > fd; i--)
		links->fds[i] = links->fds[i - 1];
	links->fds[i] = fd;
	links->n++;
}

static void remove_link(struct links *links, int fd)
{
	size_t kept = 0;

	for (size_t i = 0; i < links->n; i++)
		if (links->fds[i] != fd)
			links->fds[kept++] = links->fds[i];
	links->n = kept;
}

/* A link's descriptor (for CLOSE 0), or -errno. */
static int serve(struct links *links, struct request *r)
{
	int fd = 0, err;

	if (r->what == CLOSE) {
		close_all(r->fds, r->n);
		for (size_t i = 0; i < r->n; i++)
			remove_link(links, r->fds[i]);
		return 0;
	}
	err = uprobe_multi_attach(r->attach.prog_fd, r->attach.path, r->attach.pid,
				  r->attach.offsets, r->attach.cookies, r->n, &fd);
	if (err)
		return err;
	add_link(links, fd);
	return fd;
}

/* The tracer is dead. What it held that is no link goes at once (a mount, a port, a lock: others
 * may wait for them), then the links. */
static _Noreturn void let_go(const struct links *links)
{
	unsigned lo = 0;

	for (size_t i = 0; i <= links->n; i++) {
		unsigned hi = i < links->n ? (unsigned)links->fds[i] : UINT32_MAX;

		if (hi > lo)
			(void)syscall(SYS_close_range, lo, hi - 1, 0);
		lo = hi + 1;
	}
	close_all(links->fds, links->n);
	_exit(0);
}

static _Noreturn void keep(const struct keeper *k)
{
	struct pollfd fds[] = {{.fd = k->its, .events = POLLIN},
			       {.fd = k->our_pidfd, .events = POLLIN}};
	struct links links = {0};
	struct request request;

	(void)prctl(PR_SET_NAME, "xgotop-keeper");
	/* What is meant for our terminal's group is not for it; it holds no folder. */
	(void)setsid();
	(void)!chdir("/");
	for (;;) {
		int answer;

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		/* Readable once all threads of the process have let go of their descriptors. */
		if (fds[1].revents)
			let_go(&links);
		if (read(k->its, &request, sizeof(request)) <= 0)
			continue;
		answer = serve(&links, &request);
		(void)!write(k->its, &answer, sizeof(answer));
	}
}

/* --- on our side ------------------------------------------------------------------------------ */

static int start(struct keeper *k)
{
	sigset_t all, old;
	int pair[2], err = 0;

	k->our_pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (k->our_pidfd < 0)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	k->ours = pair[0];
	k->its = pair[1];
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	k->pid = fork_sharing_files();
	if (k->pid == 0)
		keep(k);
	if (k->pid < 0) {
		err = -errno;
		k->pid = 0;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return err;
	k->its_pidfd = (int)syscall(SYS_pidfd_open, k->pid, 0);
	return k->its_pidfd < 0 ? -errno : 0;
}

int keeper_new(struct keeper **ret)
{
	struct keeper *k = malloc(sizeof(*k));
	int err;

	if (!k)
		return -ENOMEM;
	*k = (struct keeper){.ours = -1, .its = -1, .our_pidfd = -1, .its_pidfd = -1};
	err = start(k);
	if (err) {
		keeper_free(k);
		return err;
	}
	*ret = k;
	return 0;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	if (k->pid) {
		(void)kill(k->pid, SIGKILL);
		wait_for_end(k->pid);
	}
	close_if_open(k->ours);
	close_if_open(k->its);
	close_if_open(k->our_pidfd);
	close_if_open(k->its_pidfd);
	free(k);
}

/* False when it did not get or not do it: it was killed. */
static bool ask(struct keeper *k, const struct request *request, int *ret)
{
	struct pollfd fds[2];

	if (!k || k->its_pidfd < 0)
		return false;
	if (write(k->ours, request, sizeof(*request)) != sizeof(*request))
		return false;
	fds[0] = (struct pollfd){.fd = k->ours, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = k->its_pidfd, .events = POLLIN};
	while (poll(fds, ARRAY_SIZE(fds), -1) < 0)
		;
	if (fds[0].revents & POLLIN && read(k->ours, ret, sizeof(*ret)) == sizeof(*ret))
		return true;
	log_warn("the process that attaches for us was killed");
	close(k->its_pidfd);
	k->its_pidfd = -1;
	return false;
}

int keeper_attach(struct keeper *k, int prog_fd, const char *path, pid_t pid,
		  const uint64_t *offsets, const uint64_t *cookies, size_t n, int *ret_fd)
{
	struct request request = {
		.what = ATTACH, .n = (uint32_t)n, .attach = {.prog_fd = prog_fd, .pid = pid}};
	int answer;

	if (n > KEEPER_SITES_MAX || strlen(path) >= sizeof(request.attach.path))
		return -E2BIG;
	memcpy(request.attach.path, path, strlen(path));
	memcpy(request.attach.offsets, offsets, n * sizeof(*offsets));
	memcpy(request.attach.cookies, cookies, n * sizeof(*cookies));
	if (!ask(k, &request, &answer))
		return uprobe_multi_attach(prog_fd, path, pid, offsets, cookies, n, ret_fd);
	if (answer < 0)
		return answer;
	*ret_fd = answer;
	return 0;
}

static void *close_one(void *arg)
{
	close(*(const int *)arg);
	return NULL;
}

static void close_here(int *fds, size_t n)
{
	pthread_t threads[KEEPER_SITES_MAX];
	size_t started = 0;

	for (size_t i = 0; i < n; i++) {
		if (i + 1 == n || pthread_create(&threads[started], NULL, close_one, &fds[i]))
			(void)close_one(&fds[i]);
		else
			started++;
	}
	while (started)
		(void)pthread_join(threads[--started], NULL);
}

void keeper_close(struct keeper *k, const int *fds, size_t n)
{
	struct request request = {.what = CLOSE, .n = (uint32_t)MIN(n, KEEPER_SITES_MAX)};
	int answer;

	if (!n)
		return;
	memcpy(request.fds, fds, request.n * sizeof(*fds));
	if (!ask(k, &request, &answer))
		close_here(request.fds, request.n);
}
