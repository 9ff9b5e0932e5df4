/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Entering, and the thread that answers for what is refused: seccomp hands it each call, it counts,
 * and the call gives EPERM. See confine.h.
 */
#include "core/base/confine.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "core/base/confine_internal.h"
#include "core/base/log.h"
#include "core/base/thread.h"
#include "core/base/privilege.h"
#include "core/base/util.h"

#define CALLS_MAX 1024 /* numbers of system calls; a higher one is counted as the last */

struct confine {
	struct sock_fprog telling, quiet; /* without a filter: no seccomp here */
	int ruleset;                      /* -1: no Landlock */
	int epoll_fd, stop_fd;
	struct seccomp_notif_sizes sizes;
	pthread_t listener;
	bool listening;
	bool said[CALLS_MAX]; /* the listener's */
	_Atomic uint64_t refused;
	_Atomic bool warned;
};

/* --- the listener ----------------------------------------------------------------------------- */

static void say(struct confine *c, const struct seccomp_notif *call)
{
	unsigned nr = MIN((unsigned)call->data.nr, CALLS_MAX - 1u);
	char *name;

	atomic_fetch_add(&c->refused, 1);
	if (c->said[nr])
		return;
	c->said[nr] = true;
	name = seccomp_syscall_resolve_num_arch(call->data.arch, call->data.nr);
	log_warn("refused to a thread that serves: system call %d (%s); more of them are only "
		 "counted",
		 call->data.nr, name ? name : "unknown");
	free(name);
}

static void answer(struct confine *c, int fd, struct seccomp_notif *call,
		   struct seccomp_notif_resp *response)
{
	memset(call, 0, MAX(c->sizes.seccomp_notif, sizeof(*call)));
	/* The thread may have gone meanwhile. */
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, call))
		return;
	say(c, call);
	memset(response, 0, MAX(c->sizes.seccomp_notif_resp, sizeof(*response)));
	response->id = call->id;
	response->error = -EPERM;
	(void)ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, response);
}

static void *listen_main(void *arg)
{
	struct confine *c = arg;
	struct seccomp_notif *call cleanup_free_ =
		malloc(MAX(c->sizes.seccomp_notif, sizeof(*call)));
	struct seccomp_notif_resp *response cleanup_free_ =
		malloc(MAX(c->sizes.seccomp_notif_resp, sizeof(*response)));
	struct epoll_event ev;

	pthread_setname_np(pthread_self(), "xgotop-refuse");
	(void)privilege_keep(0);
	(void)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &c->quiet);
	for (;;) {
		if (epoll_wait(c->epoll_fd, &ev, 1, -1) != 1)
			continue;
		if (ev.data.fd == c->stop_fd)
			return NULL;
		if (ev.events & EPOLLIN && call && response)
			answer(c, ev.data.fd, call, response);
		else
			close(ev.data.fd); /* its threads have ended, or get ENOSYS */
	}
}

static int watch(struct confine *c, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int start_listener(struct confine *c)
{
	int err;

	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	c->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->epoll_fd < 0 || c->stop_fd < 0)
		return -errno;
	err = watch(c, c->stop_fd);
	if (err)
		return err;
	err = thread_start(&c->listener, listen_main, c);
	c->listening = !err;
	return err;
}

/* --- making ----------------------------------------------------------------------------------- */

static bool have_seccomp(void)
{
	uint32_t action = SECCOMP_RET_ERRNO;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

static int make_filters(struct confine *c)
{
	bool writes = c->ruleset >= 0;
	int err;

	if (!have_seccomp())
		return 0;
	err = confine_filter(false, writes, &c->quiet);
	if (!err && !syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &c->sizes))
		err = confine_filter(true, writes, &c->telling);
	return err;
}

int confine_new(const struct confine_config *config, struct confine **ret)
{
	struct confine *c = calloc(1, sizeof(*c));
	int err = -ENOMEM;

	if (c) {
		c->epoll_fd = c->stop_fd = -1;
		c->ruleset = confine_ruleset(config);
		err = make_filters(c);
		if (!err && c->telling.filter)
			err = start_listener(c);
	}
	if (err) {
		confine_free(c);
		return log_error(err, "cannot confine the threads that serve: %s", strerror(-err));
	}
	*ret = c;
	return 0;
}

void confine_free(struct confine *c)
{
	uint64_t one = 1, refused;

	if (!c)
		return;
	if (c->listening) {
		(void)!write(c->stop_fd, &one, sizeof(one));
		pthread_join(c->listener, NULL);
	}
	refused = confine_refused(c);
	if (refused)
		log_warn("%llu system calls were refused to threads that serve",
			 (unsigned long long)refused);
	close_fd(&c->epoll_fd);
	close_fd(&c->stop_fd);
	close_fd(&c->ruleset);
	free(c->telling.filter);
	free(c->quiet.filter);
	free(c);
}

/* --- entering --------------------------------------------------------------------------------- */

static int load_filter(struct confine *c)
{
	int fd = -1;

	if (c->listening)
		fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				  SECCOMP_FILTER_FLAG_NEW_LISTENER, &c->telling);
	if (fd >= 0) {
		/* Without a listener, what is refused gives ENOSYS. */
		if (watch(c, fd))
			close(fd);
		return 0;
	}
	/* Somebody listens already (a container's manager), or there is no descriptor to be had. */
	if (c->quiet.filter && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &c->quiet))
		return -errno;
	return 0;
}

void confine_enter(struct confine *c)
{
	int err, filter_err;

	if (!c)
		return;
	err = privilege_keep(0);
	if (c->ruleset >= 0 && syscall(SYS_landlock_restrict_self, c->ruleset, 0) && !err)
		err = -errno;
	filter_err = load_filter(c);
	err = err ? err : filter_err;
	if (err && !atomic_exchange(&c->warned, true))
		log_warn("a thread that serves could not give up all it may do: %s",
			 strerror(-err));
}

uint64_t confine_refused(const struct confine *c)
{
	return atomic_load(&((struct confine *)c)->refused);
}

void confine_describe(struct buf *out)
{
	int abi = confine_landlock_abi();

	buf_adds(out, have_seccomp() ? "seccomp" : "no seccomp");
	if (abi)
		buf_addf(out, ", Landlock ABI %d", abi);
	else
		buf_adds(out, ", no Landlock");
}
