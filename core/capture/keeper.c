/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The keeper; see keeper.h. What runs in it (keep() and below) makes system calls only: it is the
 * copy of a process that may have threads, whose locks nobody will ever release there.
 */
#include "core/capture/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/cpu_time.h"
#include "core/base/log.h"
#include "core/base/privilege.h"
#include "core/base/util.h"
#include "core/base/wait.h"
#include "core/capture/capture.h"
#include "core/capture/uprobe_multi.h"
#include "core/capture/uprobe_perf.h"

#define PATIENCE_NS (10 * NS_PER_SEC) /* for the kernel: a close waits tens of milliseconds */
#define TAKEN_NS    NS_PER_SEC        /* a keeper that runs takes a request at once */
#define SLICE_MS    50                /* how often a waiting tracer looks around */
#define LOOK_MS     250               /* at the lease; lost the second time, the keeper acts */

/* All in the one table of descriptors: of a socket pair, `ours` is this process's end, `its` the
 * keeper's. Both stay open as long as either lives, so an end is told by the pidfds. */
struct keeper {
	pid_t pid;
	int ours, its;
	int our_pidfd;                                      /* it waits on this */
	int its_pidfd;                                      /* -1: it is gone */
	int let_go_fd;                                      /* eventfd: it let the lease go */
	char stat[sizeof("/proc//stat") + 3 * sizeof(int)]; /* the tracer's; proc_pid_stat(5) */
	const atomic_bool *asked;
	uint64_t patience_ns;
	bool busy;      /* it took a request whose answer was not waited for */
	bool attaching; /* which was ATTACH */
	bool its_alone; /* nobody else can do it */
};

enum what { ATTACH, CLOSE, GUARD };

struct request {
	enum what what;
	uint32_t n;
	union {
		struct {
			uint32_t perf_type;
			int prog_fd;
			pid_t pid;
			char path[64];
			uint64_t offsets[KEEPER_SITES_MAX], cookies[KEEPER_SITES_MAX];
		} attach;
		int fds[KEEPER_SITES_MAX];
		struct {
			int fd;
			volatile __u64 *cleared;
		} guard;
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

/*
 * Waits as long as the kernel takes to close; the tracer waits for us only so long (ask()). Nobody
 * has a reason to stop a child that closes: it is made to go on. False: it was killed, perhaps
 * before it had closed.
 */
static bool wait_for_end(pid_t pid)
{
	for (;;) {
		int status = 0;
		pid_t got = waitpid(pid, &status, __WALL | WUNTRACED);

		if (got == pid && WIFSTOPPED(status))
			(void)kill(pid, SIGCONT);
		else if (got == pid)
			return WIFEXITED(status);
		else if (errno == ECHILD) /* children write errno, too */
			return true;
	}
}

/* Closes a link, or puts another file in its place, so that the number stays taken. */
static void close_link(int fd, int instead)
{
	if (instead < 0)
		close(fd);
	else
		(void)dup3(instead, fd, O_CLOEXEC);
}

/* The tracer, which has closed links itself while we were held up, may have the number for another
 * file. */
static bool is_link(int fd)
{
	char name[] = "/proc/self/fd/2147483647", is[32] = "";
	size_t at = sizeof("/proc/self/fd/") - 1, digits = 1;

	for (int rest = fd / 10; rest; rest /= 10)
		digits++;
	name[at + digits] = '\0';
	for (; digits; fd /= 10)
		name[at + --digits] = (char)('0' + fd % 10);
	return readlink(name, is, sizeof(is) - 1) > 0 && !strncmp(is, "anon_inode:bpf", 14);
}

/* What a child that closes is told, and its stack. It shares our memory: to copy the tables of
 * pages for each takes longer, on a machine that has much to do by far, than all the rest. */
struct closer {
	int fd, instead;
	pid_t child; /* -1: none is needed, or there can be none */
	_Alignas(16) char stack[8192];
};

/* System calls alone, as in close_link(), and those not by functions that a sanitizer has its own
 * of: on a stack of ours, with the thread-local variables of the keeper. */
__attribute__((no_sanitize("address", "thread", "undefined"))) static int closer_main(void *arg)
{
	const struct closer *c = arg;

	(void)syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGCONT, 0, 0, 0);
	if (c->instead < 0)
		(void)syscall(SYS_close, c->fd);
	else
		(void)syscall(SYS_dup3, c->instead, c->fd, O_CLOEXEC);
	return 0;
}

#ifdef __SANITIZE_THREAD__
/* ThreadSanitizer's clone() takes the child for one with memory of its own, and spoils what both
 * share; glibc has the same by another name. */
int __clone(int (*run)(void *), void *stack, int flags, void *arg, ...);
#define clone __clone
#endif

static pid_t start_closer(struct closer *c)
{
	return clone(closer_main, c->stack + sizeof(c->stack), CLONE_VM | CLONE_FILES, c);
}

/* One process a link: the waits in the kernel are at the same time. At most KEEPER_SITES_MAX. */
static void close_some(const int *fds, size_t n, int instead)
{
	static struct closer closers[KEEPER_SITES_MAX]; /* the keeper has one thread */

	for (size_t i = 0; i < n; i++) {
		struct closer *c = &closers[i];

		c->fd = fds[i];
		c->instead = instead;
		c->child = i + 1 < n ? start_closer(c) : -1;
		if (c->child < 0)
			close_link(fds[i], instead);
	}
	for (size_t i = n; i-- > 0;)
		if (closers[i].child > 0 && !wait_for_end(closers[i].child) && is_link(fds[i]))
			close_link(fds[i], instead);
}

static void close_all(const int *fds, size_t n, int instead)
{
	for (size_t i = 0; i < n; i += KEEPER_SITES_MAX)
		close_some(fds + i, MIN(n - i, KEEPER_SITES_MAX), instead);
}

/* The links there are, by descriptor in ascending order. */
struct links {
	size_t n;
	int fds[KEEPER_LINKS_MAX + 1]; /* let_go() adds the lease's */
	int guard_fd;                  /* of the lease they depend on; -1: none */
	volatile __u64 *cleared;       /* before that is let go; NULL: nothing */
	bool lost;                     /* it was not held when we looked last */
};

static void add_link(struct links *links, int fd)
{
	size_t i = links->n;

	if (i >= KEEPER_LINKS_MAX && fd != links->guard_fd)
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

/* --- in the keeper: the lease ----------------------------------------------------------------- */

static bool lease_held(const struct links *links)
{
	return links->guard_fd < 0 || fcntl(links->guard_fd, F_GETLEASE) == F_RDLCK;
}

/* By a signal, or by a debugger. */
static bool tracer_stopped(const struct keeper *k)
{
	cleanup_close_ int fd = open(k->stat, O_RDONLY | O_CLOEXEC);
	char stat[256], *state;
	ssize_t n = fd < 0 ? -1 : read(fd, stat, sizeof(stat) - 1);

	if (n <= 0)
		return false;
	stat[n] = '\0';
	state = strrchr(stat, ')');
	return state && (!strncmp(state, ") T", 3) || !strncmp(state, ") t", 3));
}

/* Somebody waits to write, and the tracer has left him waiting: it is stopped. */
static void stand_in(const struct keeper *k, struct links *links)
{
	uint64_t one = 1;
	size_t n = 0;

	for (size_t i = 0; i < links->n; i++)
		if (is_link(links->fds[i]))
			links->fds[n++] = links->fds[i];
	links->n = n;
	if (links->cleared)
		*links->cleared = 0;
	close_all(links->fds, links->n, k->our_pidfd);
	links->n = 0;
	/* It fails when the kernel has taken it from us, after /proc/sys/fs/lease-break-time. */
	if (fcntl(links->guard_fd, F_SETLEASE, F_UNLCK) == 0)
		(void)!write(k->let_go_fd, &one, sizeof(one));
}

static void look_at_lease(const struct keeper *k, struct links *links)
{
	if (lease_held(links)) {
		links->lost = false;
		return;
	}
	/* Without links it may be that the tracer has let it go, or is about to; unless it is
	 * stopped between the last link and that. */
	if (links->lost && (links->n || tracer_stopped(k)))
		stand_in(k, links);
	links->lost = true;
}

/* --- in the keeper: its work ------------------------------------------------------------------ */

static int attach(const struct request *r, int *ret_fd)
{
	if (r->attach.perf_type)
		return uprobe_perf_attach(r->attach.perf_type, r->attach.prog_fd, r->attach.path,
					  r->attach.pid, r->attach.offsets[0], r->attach.cookies[0],
					  ret_fd);
	return uprobe_multi_attach(r->attach.prog_fd, r->attach.path, r->attach.pid,
				   r->attach.offsets, r->attach.cookies, r->n, ret_fd);
}

/* A link's descriptor (else 0), or -errno. */
static int serve(struct links *links, struct request *r)
{
	int fd = 0, err;

	switch (r->what) {
	case CLOSE:
		close_all(r->fds, r->n, -1);
		for (size_t i = 0; i < r->n; i++)
			remove_link(links, r->fds[i]);
		return 0;
	case GUARD:
		links->guard_fd = r->guard.fd;
		links->cleared = r->guard.cleared;
		return 0;
	case ATTACH:
		break;
	}
	if (!lease_held(links))
		return -ESTALE;
	err = attach(r, &fd);
	if (err)
		return err;
	add_link(links, fd);
	return fd;
}

/* The tracer is dead. What it held that is no link goes at once (a mount, a port, a lock: others
 * may wait for them), then the links, and with our end the lease that they depend on. */
static _Noreturn void let_go(struct links *links)
{
	if (links->guard_fd >= 0)
		add_link(links, links->guard_fd);
	close_all_but(0, links->fds, links->n);
	if (links->guard_fd >= 0)
		remove_link(links, links->guard_fd);
	close_all(links->fds, links->n, -1);
	_exit(0);
}

/* False when nobody is left to tell. */
static bool tell(const struct keeper *k, int answer)
{
	struct pollfd tracer = {.fd = k->our_pidfd, .events = POLLIN};

	/* What can fail is memory for it, which comes back. */
	while (send(k->its, &answer, sizeof(answer), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		if (poll(&tracer, 1, SLICE_MS) > 0)
			return false;
	return true;
}

/* On a machine that has much to do, taking probes out takes seconds else, and they are hit as long.
 * Where the kernel shares CPUs out by session first (CONFIG_SCHED_AUTOGROUP), a thread's own nice
 * value counts among those of its session only; and that is its own. */
static void hurry(void)
{
	const char nice[] = {'-', '0' + -CAPTURE_NICE / 10, '0' + -CAPTURE_NICE % 10};
	int fd;

	_Static_assert(CAPTURE_NICE <= -10 && CAPTURE_NICE >= -19, "two digits");

	(void)setpriority(PRIO_PROCESS, 0, CAPTURE_NICE);
	(void)setsid(); /* nor is what is meant for our terminal's group for it */
	fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!write(fd, nice, sizeof(nice));
		close(fd);
	}
}

static _Noreturn void keep(const struct keeper *k)
{
	struct pollfd fds[] = {{.fd = k->its, .events = POLLIN},
			       {.fd = k->our_pidfd, .events = POLLIN}};
	struct links links = {.guard_fd = -1};
	struct request request;

	(void)prctl(PR_SET_NAME, "xgotop-keeper");
	hurry();
	(void)privilege_drop(); /* its memory is hidden: a fork has that from its parent */
	/* Whoever stopped it: it has work to do once we are dead. */
	(void)prctl(PR_SET_PDEATHSIG, SIGCONT);
	(void)!chdir("/"); /* it holds no folder */
	(void)tell(k, 0);  /* from here on it outlives whatever is done to either of us */
	for (;;) {
		/* For ever: the tracer's end is what it is there for. */
		int n = poll(fds, ARRAY_SIZE(fds), links.guard_fd >= 0 ? LOOK_MS : -1);

		if (n == 0)
			look_at_lease(k, &links);
		if (n <= 0)
			continue;
		/* Readable once all threads of the process have let go of their descriptors. */
		if (fds[1].revents)
			let_go(&links);
		/* The tracer may have taken it back meanwhile. */
		if (recv(k->its, &request, sizeof(request), MSG_DONTWAIT) <= 0)
			continue;
		if (!tell(k, serve(&links, &request)))
			let_go(&links);
	}
}

/* --- on our side ------------------------------------------------------------------------------ */

static bool is_dead(struct keeper *k)
{
	struct pollfd its = {.fd = k->its_pidfd, .events = POLLIN};

	if (k->its_pidfd < 0)
		return true;
	if (poll(&its, 1, 0) <= 0)
		return false;
	log_warn("the process that attaches for us was killed");
	(void)waitpid(k->pid, NULL, __WALL | WNOHANG);
	k->pid = 0;
	close(k->its_pidfd);
	k->its_pidfd = -1;
	k->busy = false;
	return true;
}

static bool answered(struct keeper *k, int *ret)
{
	if (recv(k->ours, ret, sizeof(*ret), MSG_DONTWAIT) != sizeof(*ret))
		return false;
	k->busy = false;
	return true;
}

/* A request nobody has looked at is ours again: both ends of the socket are in our table. */
static bool take_back(struct keeper *k)
{
	struct request request;

	if (recv(k->its, &request, sizeof(request), MSG_DONTWAIT) != sizeof(request))
		return false;
	k->busy = false;
	return true;
}

/*
 * 0 and the answer. -ECHILD: it did not and will not do it. -EINTR, -ETIMEDOUT: it is at it, or
 * was asked and may be; it is busy until it answers.
 */
static int wait_for_answer(struct keeper *k, int *ret)
{
	uint64_t begun_ns = monotonic_ns(), waited_ns = 0;
	struct pollfd fds[] = {{.fd = k->ours, .events = POLLIN},
			       {.fd = k->its_pidfd, .events = POLLIN}};

	while (waited_ns < k->patience_ns) {
		(void)poll(fds, ARRAY_SIZE(fds), SLICE_MS);
		if (answered(k, ret))
			return 0;
		if (is_dead(k))
			return -ECHILD;
		/* It, or a child of it, was stopped: by mistake, or by whoever left it so. */
		(void)kill(k->pid, SIGCONT);
		(void)kill(-k->pid, SIGCONT);
		if (k->attaching && k->asked && atomic_load(k->asked)) {
			(void)take_back(k);
			return -EINTR;
		}
		waited_ns = monotonic_ns() - begun_ns;
		/* Stopped by a debugger, or frozen, or not run by a machine that has much to do. */
		if (!k->its_alone && waited_ns > MIN(TAKEN_NS, k->patience_ns) && take_back(k))
			return -ECHILD;
	}
	if (k->its_alone)
		(void)take_back(k);
	return -ETIMEDOUT;
}

static int start(struct keeper *k)
{
	sigset_t all, old;
	int pair[2], err = 0, answer;

	k->our_pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (k->our_pidfd < 0)
		return -errno;
	snprintf(k->stat, sizeof(k->stat), "/proc/%d/stat", (int)getpid());
	k->let_go_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (k->let_go_fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	k->ours = pair[0];
	k->its = pair[1];
	/* To attach, and to let a lease on another user's file go; to close a link needs none. */
	privilege_prepare(CAP_BIT(CAP_BPF) | CAP_BIT(CAP_PERFMON) | CAP_BIT(CAP_LEASE) |
			  (uprobe_multi_works() ? 0 : CAP_BIT(CAP_SYS_ADMIN)));
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
	if (k->its_pidfd < 0)
		return -errno;
	k->busy = true;
	return wait_for_answer(k, &answer);
}

int keeper_new(const atomic_bool *asked, struct keeper **ret)
{
	struct keeper *k = malloc(sizeof(*k));
	int err;

	if (!k)
		return -ENOMEM;
	*k = (struct keeper){.ours = -1,
			     .its = -1,
			     .our_pidfd = -1,
			     .its_pidfd = -1,
			     .let_go_fd = -1,
			     .asked = asked,
			     .patience_ns = PATIENCE_NS};
	err = start(k);
	if (err) {
		k->busy = false;
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

static void end(struct keeper *k)
{
	if (k->pid)
		(void)child_kill(k->pid, NULL);
	close_if_open(k->ours);
	close_if_open(k->its);
	close_if_open(k->our_pidfd);
	close_if_open(k->its_pidfd);
	close_if_open(k->let_go_fd);
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	/* Else it still needs our descriptors, and to kill it would leave breakpoints behind. */
	if (keeper_settled(k))
		end(k);
	free(k);
}

void keeper_set_patience(struct keeper *k, uint64_t ns)
{
	k->patience_ns = ns;
}

/* --- asking ----------------------------------------------------------------------------------- */

static int send_request(struct keeper *k, const struct request *request)
{
	if (!k || is_dead(k))
		return -ECHILD;
	if (!keeper_settled(k))
		return -EBUSY;
	if (send(k->ours, request, sizeof(*request), MSG_DONTWAIT | MSG_NOSIGNAL) !=
	    sizeof(*request))
		return -ECHILD;
	k->busy = true;
	k->attaching = request->what == ATTACH;
	k->its_alone = request->what == GUARD;
	return 0;
}

static int ask(struct keeper *k, const struct request *request, int *ret)
{
	int err = send_request(k, request);

	return err ? err : wait_for_answer(k, ret);
}

uint64_t keeper_cpu_ns(const struct keeper *k)
{
	return k ? process_cpu_ns(k->pid) : 0;
}

bool keeper_settled(struct keeper *k)
{
	struct request request = {.what = CLOSE, .n = 1};
	int answer;

	if (!k || !k->busy || is_dead(k))
		return true;
	if (!answered(k, &answer))
		return false;
	/* A link that came too late is wanted by nobody. */
	if (k->attaching && answer >= 0) {
		request.fds[0] = answer;
		return ask(k, &request, &answer) == 0;
	}
	return true;
}

int keeper_attach(struct keeper *k, const struct keeper_sites *sites, int *ret_fd)
{
	struct request request = {.what = ATTACH,
				  .n = (uint32_t)sites->n,
				  .attach = {.perf_type = sites->perf_type,
					     .prog_fd = sites->prog_fd,
					     .pid = sites->pid}};
	int answer, err;

	if (sites->n > KEEPER_SITES_MAX || strlen(sites->path) >= sizeof(request.attach.path))
		return -E2BIG;
	memcpy(request.attach.path, sites->path, strlen(sites->path));
	memcpy(request.attach.offsets, sites->offsets, sites->n * sizeof(*sites->offsets));
	memcpy(request.attach.cookies, sites->cookies, sites->n * sizeof(*sites->cookies));
	err = ask(k, &request, &answer);
	if (err == -ECHILD)
		return attach(&request, ret_fd);
	if (err || answer < 0)
		return err ? err : answer;
	*ret_fd = answer;
	return 0;
}

int keeper_guard(struct keeper *k, int fd, volatile __u64 *cleared)
{
	struct request request = {.what = GUARD, .guard = {.fd = fd, .cleared = cleared}};
	int answer;

	return ask(k, &request, &answer);
}

bool keeper_has_let_go(struct keeper *k)
{
	uint64_t count;

	return k && read(k->let_go_fd, &count, sizeof(count)) == sizeof(count);
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
	/* Without a keeper there is nobody else to wait in the kernel; it goes on when it can, and
	 * a second signal ends us meanwhile. */
	while (started)
		(void)pthread_join(threads[--started], NULL);
}

int keeper_close(struct keeper *k, const int *fds, size_t n)
{
	struct request request = {.what = CLOSE, .n = (uint32_t)MIN(n, KEEPER_SITES_MAX)};
	int answer, err;

	if (!n)
		return 0;
	memcpy(request.fds, fds, request.n * sizeof(*fds));
	err = ask(k, &request, &answer);
	if (err == -ECHILD) {
		close_here(request.fds, request.n);
		return 0;
	}
	return err;
}
